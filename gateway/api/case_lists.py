"""Case lists as FHIR Group: a worker's or team's people, for subscriptions that change as the list does."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from gateway.api import searches
from gateway.api.edge import Edge, allowed, base_headers, fhir, json_body, raise_errors, request_id
from gateway.api.resources import OTHER_ID, if_match
from gateway.api.subscription_body import CASE_REFERENCE, case_of
from gateway.disclosure.requester import Requester
from gateway.exchanges.casework.keep_case_list import (
    CaseList,
    KeepList,
    OwnList,
    OwnLists,
    end_case_list,
    keep_case_list,
    list_case_lists,
    read_case_list,
)
from gateway.exchanges.notices.subscribe import NO_SUCH_LIST
from gateway.fhir import resources, systems
from gateway.fhir.outcomes import NotFound, Unprocessable
from gateway.identity import nhs_number
from gateway.store import clock
from gateway.store.case_lists import Member

Resource = dict[str, Any]
MOST_MEMBERS = 2000
TAKEN = frozenset({"resourceType", "id", "meta", "text", "type", "actual", "active", "name", "quantity", "member"})
OF_A_MEMBER = frozenset({"entity", "extension"})
SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


async def create(edge: Edge, request: Request) -> Response:
    """A new list. The answer is the same whether anybody on it is known or not."""
    requester = allowed(edge, request, "Group", "c")
    kept = await edge.ledger.run_alone(keep_case_list, _read(await json_body(request), requester, request_id(request)))
    location = f"{edge.context.url}/Group/{kept.id}/_history/{kept.version}"
    return fhir(request, shown(kept, edge), 201, {"ETag": f'W/"{kept.version}"', "Location": location})


async def update(edge: Edge, request: Request) -> Response:
    """The list as it is from now on: who is new on it is watched for, of who is not on it nothing more is told."""
    requester = allowed(edge, request, "Group", "u")
    identifier = request.path_params["id"]
    body = await json_body(request)
    if isinstance(body, dict) and body.get("id", identifier) != identifier:
        raise Unprocessable(OTHER_ID, where="Group.id", code="invalid")
    ask = _read(body, requester, request_id(request), identifier, if_match(request))
    kept = await edge.ledger.run_alone(keep_case_list, ask)
    return fhir(request, shown(kept, edge), 200, {"ETag": f'W/"{kept.version}"'})


async def read(edge: Edge, request: Request) -> Response:
    """One of the caller's own lists, with everybody on it."""
    requester = allowed(edge, request, "Group", "r")
    kept = await edge.ledger.run(read_case_list, OwnList(requester, request.path_params["id"], request_id(request)))
    if kept is None:
        raise NotFound(NO_SUCH_LIST)
    return fhir(request, shown(kept, edge), headers={"ETag": f'W/"{kept.version}"'})


async def search(edge: Edge, request: Request) -> Response:
    """The caller's own lists, without who is on them."""
    requester = allowed(edge, request, "Group", "s")
    asked = await searches.read_search(edge, request, requester.agency, "Group", frozenset({"_count"}))
    ask = OwnLists(requester, asked.place or "", searches.count(asked.used), request_id(request))
    found, following = await edge.ledger.run(list_case_lists, ask)
    return fhir(request, asked.bundle([shown(one, edge) for one in found], following or None))


async def delete(edge: Edge, request: Request) -> Response:
    """Delete a list: everybody is taken off it."""
    requester = allowed(edge, request, "Group", "d")
    ask = OwnList(requester, request.path_params["id"], request_id(request))
    if not await edge.ledger.run_alone(end_case_list, ask):
        raise NotFound(NO_SUCH_LIST)
    return Response(status_code=204, headers=base_headers(request))


def shown(kept: CaseList, edge: Edge) -> Resource:
    """A list as a Group of Patients, each by NHS number; marked where its members are left out."""
    meta: Resource = {"versionId": str(kept.version), "lastUpdated": clock.instant(kept.updated)}
    group: Resource = {"resourceType": "Group", "id": kept.id, "meta": meta, "type": "person", "actual": True}
    if kept.name:
        group["name"] = kept.name
    if kept.members is None:
        return {**group, "meta": {**meta, "tag": [SUBSETTED]}}
    members = [_shown_member(member, edge) for member in kept.members]
    return {**group, "quantity": len(members), **({"member": members} if members else {})}


def _shown_member(member: Member, edge: Edge) -> Resource:
    entity = {"type": "Patient", "identifier": {"system": systems.NHS_NUMBER, "value": member.nhs}}
    if not member.case_reference:
        return {"entity": entity}
    system, _, value = member.case_reference.partition("|")
    stated: Resource = {"system": system, "value": value}
    if member.case_owner:
        stated["assigner"] = {"identifier": {"system": systems.ODS_CODE, "value": member.case_owner}}
    return {
        "extension": [{"url": systems.extension(CASE_REFERENCE, edge.context.base), "valueIdentifier": stated}],
        "entity": entity,
    }


def _read(body: Any, requester: Requester, request_id: str, identifier: str = "", expected: int | None = None) -> KeepList:
    """A Group as the exchange takes it. Raises Unprocessable for what is not supported, by its place."""
    raise_errors(resources.validate(body, expected="Group"))
    for name in sorted(body.keys() - TAKEN):
        raise Unprocessable("A case list has a name and members, and no more.", where=f"Group.{name}", code="not-supported")
    if (body.get("type"), body.get("actual")) != ("person", True):
        raise Unprocessable("A case list is of type person, and actual.", where="Group.type", code="value")
    if body.get("active") is False:
        raise Unprocessable(
            "A list that is not active is deleted, or has no members.", where="Group.active", code="not-supported"
        )
    listed = body.get("member", [])
    if len(listed) > MOST_MEMBERS:
        raise Unprocessable(f"A list has up to {MOST_MEMBERS} members.", where="Group.member", code="too-long")
    members = {member.nhs: member for member in (_member(one, place) for place, one in enumerate(listed))}
    if len(members) < len(listed):
        raise Unprocessable("Somebody stands on this list twice.", where="Group.member", code="duplicate")
    return KeepList(requester, str(body.get("name", "")), tuple(members.values()), identifier, expected, request_id)


def _member(one: Resource, place: int) -> Member:
    where = f"Group.member[{place}]"
    if one.keys() - OF_A_MEMBER:
        text = "A member is an entity, perhaps with a case reference: leave out of the list who is no longer on it."
        raise Unprocessable(text, where=where, code="not-supported")
    entity = one["entity"]
    stated = entity.get("identifier") or {}
    number = nhs_number.parse(str(stated.get("value", ""))) if stated.get("system") == systems.NHS_NUMBER else None
    if number is None or entity.get("type", "Patient") != "Patient" or "reference" in entity:
        text = "A member is a Patient by identifier: an NHS number with a valid check digit."
        raise Unprocessable(text, where=f"{where}.entity", code="value")
    return Member(number, *case_of(one))
