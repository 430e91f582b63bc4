"""``Patient/$known-to-services``: Parameters in, one exchange, Parameters out."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from gateway.api.edge import Edge, Tick, allowed, json_body, padded, prepared, request_id
from gateway.api.parameters import concept
from gateway.audit.vouched import UNWITNESSED
from gateway.disclosure.override import LEAST_JUSTIFICATION, goes_together, is_justified
from gateway.disclosure.release import ITK_DISPLAY, STATUS_DISPLAY, Disclosure, organisation
from gateway.disclosure.requester import Requester
from gateway.exchanges.agencies import profile
from gateway.exchanges.lookup.charge import OVER, OVER_QUOTA, retry_after
from gateway.exchanges.lookup.look_up_status import Group, LookupAnswer, LookupRequest, look_up_status
from gateway.exchanges.lookup.lookups import EMERGENCY
from gateway.exchanges.records.dossiers import verification
from gateway.fhir import systems
from gateway.fhir.codes import Answer
from gateway.fhir.dates import bounds
from gateway.fhir.outcomes import Forbidden, GatewayError, NotAuthenticated, TooMany, Unavailable, Unprocessable
from gateway.identity import nhs_number
from gateway.store import clock
from gateway.store.ledger import Feed

OPERATION = "$known-to-services"
ABOUT = frozenset({"self", "children", "parents"})
ONCE = {"person", "purpose", "caseReference", "reason", "override"}
NAMES = frozenset({*ONCE, "about"})
GATES: dict[str, tuple[type[GatewayError], str]] = {
    "purpose-not-yours": (Forbidden, "This purpose of use is not open to your organisation, software or user."),
    "role-not-allowed": (
        Forbidden,
        "This purpose needs a named user with a role that may use it, and a reason (duty to share) or override (emergency).",
    ),
    "case-reference-missing": (Forbidden, "This purpose needs the case reference of your own system (caseReference)."),
    "duty-not-in-force": (Forbidden, "This purpose may not be used yet: its law is not in force."),
    "policy-stale": (Unavailable, "The agreements are being changed. Please try again; in danger ring the duty desk."),
    "token-superseded": (NotAuthenticated, "The token is no longer valid. Please get a new one."),
}
NO_CLAIM = (
    "An override claims danger to life: it goes with the purpose emergency. Ask for that purpose, or leave the override out."
)
NOT_VOUCHED = (
    "No other agency can vouch for the access log just now, so nothing is disclosed but in danger to life. "
    "Please try again later; if it cannot wait, ring."
)


async def known_to_services(edge: Edge, request: Request) -> Response:
    """Answer one lookup. Wish-mode answers and cannot-say leave on the tick that was armed on arrival."""
    tick = Tick()
    try:
        requester = allowed(edge, request, OPERATION)
        ask = parse(await json_body(request), requester, request_id(request))
        answer = await edge.ledger.run(look_up_status, ask)
        body = b"" if answer.refused else padded(render(answer, edge.context.base))
        if answer.held:
            await tick.wait()
        if answer.refused:
            raise refusal(answer)
        return prepared(request, body)
    finally:
        tick.stop()


def refusal(answer: LookupAnswer) -> GatewayError:
    """What a refusal at a gate is answered with."""
    if answer.refused == OVER:
        return TooMany(OVER_QUOTA, headers=retry_after(answer.at))
    if answer.refused == UNWITNESSED:
        return Unavailable(f"{NOT_VOUCHED} {' '.join(_numbers(answer))}".rstrip(), headers={"Retry-After": "60"})
    kind, text = GATES[answer.refused]
    return kind(text)


def _numbers(answer: LookupAnswer) -> list[str]:
    """The desks of the agencies that would have been asked, each with its number."""
    desks = [(feed.name, desk) for feed in answer.coverage for desk in profile(feed).desks]
    return [f"{name}: {number['value']}." for name, desk in desks for number in desk.get("telecom", ())]


def parse(body: Any, requester: Requester, request_id: str) -> LookupRequest:
    """The lookup that a Parameters resource asks for. Raises Unprocessable naming the part."""
    parts = _parts(body)
    person = _resource(parts, "person", "Patient")
    number, verified = _number(person)
    reference, owner = _case(parts)
    purpose, override = _purpose(parts), _override(parts.get("override"))
    if override and purpose != EMERGENCY:
        raise Unprocessable(NO_CLAIM, where="Parameters.parameter(override)", code="business-rule")
    return LookupRequest(
        requester=requester,
        nhs=number,
        birth_date=_birth_date(person),
        verified=verified,
        purpose=purpose,
        about=_about(body, parts),
        case_reference=reference,
        case_owner=owner,
        reason=_text(parts.get("reason"), "reason", 1000),
        override=override,
        request_id=request_id,
    )


def _parts(body: Any) -> dict[str, Any]:
    """Parameters by name; ``about`` is a list. Raises Unprocessable for unknown and repeated names."""
    if not isinstance(body, dict) or body.get("resourceType") != "Parameters" or not isinstance(body.get("parameter"), list):
        raise Unprocessable("The body must be a Parameters resource.", where="Parameters", code="structure")
    found: dict[str, Any] = {}
    for place, part in enumerate(body["parameter"]):
        name = part.get("name") if isinstance(part, dict) else None
        if not isinstance(name, str) or name not in NAMES:
            text = f"Unknown parameter; known are {', '.join(sorted(NAMES))}."
            raise Unprocessable(text, where=f"Parameters.parameter[{place}]", code="not-supported")
        if name in ONCE and name in found:
            raise Unprocessable(f"{name} may be given once.", where=f"Parameters.parameter[{place}]", code="structure")
        found.setdefault(name, part)
    for name in ("person", "purpose"):
        if name not in found:
            raise Unprocessable(f"{name} is required.", where=f"Parameters.parameter({name})", code="required")
    return found


def _resource(parts: dict[str, Any], name: str, kind: str) -> dict[str, Any]:
    resource = parts[name].get("resource")
    if not isinstance(resource, dict) or resource.get("resourceType") != kind:
        raise Unprocessable(f"{name} must be a {kind}.", where=f"Parameters.parameter({name}).resource", code="structure")
    return resource


def _number(person: dict[str, Any]) -> tuple[str, bool]:
    """NHS number, and whether the asker states no doubt about it. Empty where none is given."""
    where = "Parameters.parameter(person).resource.identifier"
    identifiers = person.get("identifier", [])
    if not isinstance(identifiers, list) or not all(isinstance(one, dict) for one in identifiers):
        raise Unprocessable("identifier must be a list of Identifier.", where=where, code="structure")
    stated = [one for one in identifiers if one.get("system") == systems.NHS_NUMBER]
    if not stated:
        return "", False
    value = stated[0].get("value")
    number = nhs_number.parse(value) if isinstance(value, str) else None
    if number is None or len(stated) > 1:
        raise Unprocessable("Give one NHS number of ten digits with a valid check digit.", where=where, code="value")
    return number, _status(stated[0]) in ("", "01")


def _status(identifier: dict[str, Any]) -> str:
    try:
        return verification(identifier)
    except (AttributeError, TypeError):
        return "unreadable"


def _birth_date(person: dict[str, Any]) -> str:
    stated = person.get("birthDate")
    if stated is None:
        return ""
    where = "Parameters.parameter(person).resource.birthDate"
    try:
        if not isinstance(stated, str) or len(stated) != 10:
            raise ValueError
        bounds(stated)
    except ValueError:
        raise Unprocessable("birthDate must be a whole date, YYYY-MM-DD.", where=where, code="value") from None
    return stated


def _purpose(parts: dict[str, Any]) -> str:
    coding = parts["purpose"].get("valueCoding")
    code = coding.get("code") if isinstance(coding, dict) else None
    if not isinstance(code, str):
        raise Unprocessable(
            "purpose must be a Coding with a code.", where="Parameters.parameter(purpose).valueCoding", code="required"
        )
    return code


def _about(body: dict[str, Any], parts: dict[str, Any]) -> tuple[str, ...]:
    if "about" not in parts:
        return ("self",)
    stated = [part.get("valueCode") for part in body["parameter"] if part.get("name") == "about"]
    if any(not isinstance(code, str) or code not in ABOUT for code in stated):
        where = "Parameters.parameter(about).valueCode"
        raise Unprocessable("about is self, children or parents.", where=where, code="code-invalid")
    return tuple(dict.fromkeys(stated))


def _case(parts: dict[str, Any]) -> tuple[str, str]:
    """Case reference as ``system|value`` and the ODS code of its owner; empty where none is given."""
    part = parts.get("caseReference")
    if part is None:
        return "", ""
    where = "Parameters.parameter(caseReference).valueIdentifier"
    identifier = part.get("valueIdentifier")
    if not isinstance(identifier, dict):
        raise Unprocessable("caseReference must be an Identifier.", where=where, code="structure")
    system, value = identifier.get("system"), identifier.get("value")
    if not (isinstance(system, str) and isinstance(value, str) and system and value.strip() and len(system) + len(value) <= 256):
        raise Unprocessable("caseReference needs a system and a value.", where=where, code="required")
    return f"{system}|{value}", _assigner(identifier)


def _assigner(identifier: dict[str, Any]) -> str:
    try:
        owner = identifier["assigner"]["identifier"]
        return str(owner["value"]) if owner["system"] == systems.ODS_CODE else ""
    except (KeyError, TypeError):
        return ""


def _text(part: Any, name: str, most: int) -> str:
    if part is None:
        return ""
    text = part.get("valueString")
    if not isinstance(text, str) or not text.strip() or len(text) > most:
        raise Unprocessable(
            f"{name} must be a text of at most {most} characters.", where=f"Parameters.parameter({name})", code="value"
        )
    return text


def _override(part: Any) -> tuple[str, str, str] | None:
    """Type, reason and justification of an override; invalid pairs are refused."""
    if part is None:
        return None
    where = "Parameters.parameter(override)"
    parts = part.get("part")
    named = {str(one.get("name")): one for one in parts if isinstance(one, dict)} if isinstance(parts, list) else {}
    kind, reason = (_code(named.get(name)) for name in ("type", "reason"))
    justification = _text(named.get("justification"), "override.justification", 1000)
    if not goes_together(kind, reason):
        text = "override needs a type and reason of SCR-AlertType and SCR-AlertReason that go together."
        raise Unprocessable(text, where=where, code="code-invalid")
    if not is_justified(justification):
        raise Unprocessable(f"The justification needs at least {LEAST_JUSTIFICATION} characters.", where=where, code="value")
    return kind, reason, justification


def _code(part: Any) -> str:
    coding = part.get("valueCoding") if isinstance(part, dict) else None
    code = coding.get("code") if isinstance(coding, dict) else None
    return code if isinstance(code, str) else ""


def render(answer: LookupAnswer, base: str) -> dict[str, Any]:
    """The answer as Parameters. A wish-mode negative has an answer and nothing that could differ."""
    parameters: list[Any] = [
        {"name": "disclosure", "valueId": answer.id},
        {"name": "asOf", "valueInstant": clock.instant(answer.at)},
    ]
    parameters += [_coverage(feed, base) for feed in answer.coverage]
    if not answer.groups and answer.mode == "wish":
        parameters.append({"name": "answer", "valueCode": Answer.NO_INFORMATION})
        return {"resourceType": "Parameters", "parameter": parameters}
    parameters += [concept("basis", code, base) for code in answer.basis]
    parameters += [concept("obligation", code, base) for code in answer.obligations]
    parameters.append({"name": "explanation", "valueString": answer.explanation})
    feeds = {feed.code: feed for feed in answer.coverage}
    parameters += [_group(group, feeds[group.custodian], base) for group in answer.groups]
    return {"resourceType": "Parameters", "parameter": parameters}


_COVERAGE: dict[tuple[str, int, int | None, str], orjson.Fragment] = {}


def _coverage(feed: Feed, base: str) -> orjson.Fragment:
    """One agency that the requester may hear from: made once per state of its feed."""
    key = (feed.code, feed.version, feed.data_as_of, base)
    made = _COVERAGE.get(key)
    if made is None:
        if len(_COVERAGE) > 500:
            _COVERAGE.clear()
        made = _COVERAGE[key] = orjson.Fragment(orjson.dumps({"name": "coverage", "part": _coverage_parts(feed, base)}))
    return made


def _coverage_parts(feed: Feed, base: str) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [
        {"name": "organization", "valueReference": organisation(feed.code, feed.name)},
        {"name": "holds", "valuePeriod": {"start": feed.holds_from}},
    ]
    if feed.data_as_of is not None:
        parts.append({"name": "dataAsOf", "valueInstant": clock.instant(feed.data_as_of)})
    return parts + [{"name": "contact", "resource": desk} for desk in profile(feed, base).desks]


def _group(group: Group, feed: Feed, base: str) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"name": "organization", "valueReference": organisation(feed.code, feed.name)},
        {"name": "about", "valueCode": group.about},
        {"name": "answer", "valueCode": group.answer},
    ]
    if group.reason:
        parts.append({"name": "reason", "valueCode": group.reason})
    if group.disclosure is not None:
        parts += _disclosed(group.disclosure, base)
    elif group.answer is Answer.NOT_KNOWN:
        parts.append(_itk("30002"))
    if group.answer is Answer.CANNOT_SAY:
        parts += [{"name": "contact", "resource": desk} for desk in profile(feed, base).desks]
    if feed.data_as_of is not None:
        parts.append({"name": "dataAsOf", "valueInstant": clock.instant(feed.data_as_of)})
    return {"name": "agency", "part": parts}


def _disclosed(disclosure: Disclosure, base: str) -> list[dict[str, Any]]:
    parts = [_itk(disclosure.itk)]
    if disclosure.status is not None:
        coding = {
            "system": systems.code_system("involvement", base),
            "code": disclosure.status,
            "display": STATUS_DISPLAY[disclosure.status],
        }
        parts.append({"name": "status", "valueCodeableConcept": {"coding": [coding], "text": STATUS_DISPLAY[disclosure.status]}})
    if disclosure.since:
        parts.append({"name": "since", "valueDate": disclosure.since})
    if disclosure.last_contact:
        parts.append({"name": "lastContact", "valueDate": disclosure.last_contact})
    parts += [{"name": "contact", "resource": contact} for contact in disclosure.contacts]
    parts += [{"name": "flag", "resource": flag} for flag in disclosure.flags]
    if disclosure.related_person is not None:
        parts.append({"name": "relatedPerson", "resource": disclosure.related_person})
    return parts


def _itk(code: str) -> dict[str, Any]:
    return {"name": "itk", "valueCoding": {"system": systems.ITK_RESPONSE, "code": code, "display": ITK_DISPLAY[code]}}
