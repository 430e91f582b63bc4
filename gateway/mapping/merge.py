"""How a sourced resource is applied to what is stored under its key: a pure function for the exchange that applies it.

Merging: objects merge member by member; an explicit null removes; ``extension`` merges by url, ``identifier`` by
system, a single ``name`` member by member; any other list stands as sent. A restriction is never weakened. What was
recorded before what stands changes nothing of it (``turns``).
"""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from gateway.fhir import codes
from gateway.fhir.elements import is_doubtful
from gateway.mapping import admissions, turns
from gateway.mapping.bundle import clean
from gateway.mapping.flags import ENDED
from gateway.mapping.records import Op, Resource
from gateway.mapping.values import day_of
from gateway.mapping.vocabulary import RESTRICTION_RANK

KEYED: Final = {"extension": "url", "identifier": "system"}
NO_TURN: Final = frozenset({Op.CONTINUE, Op.AMEND, Op.REOPEN})
GOING_ON: Final = NO_TURN | {Op.TURN, Op.END}
WHILE_VALID: Final = frozenset({Op.AMEND, Op.END, Op.REOPEN})  # nothing of what was entered in error
IF_THERE: Final = WHILE_VALID | {Op.RETRACT}  # change what stands, and make nothing
IN_ERROR: Final = frozenset({Op.RETRACT, Op.CANCEL})
KIND: Final = ("category", "code")


def merged(stored: Resource | None, sent: Resource, op: Op = Op.MERGE) -> Resource:
    """The resource that now stands. A retraction keeps what was there, as entered in error; what was cancelled and is told
    of again is a new fact."""
    if op is Op.REPLACE:
        return tidy(sent)
    sent = admissions.plain(sent)
    if stored is None:
        return tidy(sent)
    if op not in IN_ERROR and turns.is_cancelled(stored) and not turns.is_stale(stored, sent):
        return tidy(admissions.noted(sent, stored))
    if turns.is_stale(stored, sent):
        return tidy(admissions.noted(turns.filled(stored, sent), sent))
    return in_error(stored, sent) if op in IN_ERROR else changed(stored, sent, op)


def in_error(stored: Resource, sent: Resource) -> Resource:
    """What stood, as entered in error; with when the sender recorded that, where it says so."""
    gone = {"active": False} if stored["resourceType"] == "RelatedPerson" else {"status": "entered-in-error"}
    told = keyed(stored.get("extension", []), sent.get("extension", []), "url")
    return {**stored, **gone, **({"extension": told} if told else {})}


def changed(stored: Resource, sent: Resource, op: Op) -> Resource:
    """What stood, with what is sent put over it as the operation has it."""
    if (op is Op.END and not turns.may_end(stored)) or (op is Op.REOPEN and not turns.ended_with_stay(stored)):
        return stored
    if op in GOING_ON:
        sent = {name: value for name, value in sent.items() if name not in KIND}
    if op in NO_TURN:
        sent = turns.without(sent, turns.TURNED)
    sent = turns.to_put_over(stored, admissions.put_over(stored, sent))
    return tidy(joined(stored, sent))


def applies(stored: Resource | None, op: Op) -> bool:
    """Whether there is anything to apply to: some operations make nothing, and what was entered in error stays so."""
    if stored is None:
        return op not in IF_THERE
    return op not in WHILE_VALID or stored.get("status") != "entered-in-error"


def tidy(resource: Resource) -> Resource:
    """The resource without the nulls that say what to remove."""
    found: Resource = clean(resource)
    return found


def joined(old: Resource, new: Resource) -> Resource:
    """An object with the members of another put over its own."""
    return {**old, **{name: member(name, old.get(name), value) for name, value in new.items()}}


def member(name: str, old: Any, new: Any) -> Any:
    """One member of the result."""
    if isinstance(old, dict) and isinstance(new, dict):
        return joined(old, new)
    if not isinstance(old, list) or not isinstance(new, list):
        return new
    if name in KEYED:
        return keyed(old, new, KEYED[name])
    if name == "name" and len(old) == len(new) == 1:
        return [joined(old[0], new[0])]
    return new


def keyed(old: list[Resource], new: list[Resource], key: str) -> list[Resource]:
    """The entries of both lists; what is sent stands for all that is stored under its key."""
    sent = {one.get(key) for one in new}
    weaker = [one for one in old if key == "url" and weakened(one, new)]
    kept = [one for one in old if one.get(key) not in sent] + weaker
    strict = {one["url"] for one in weaker}
    return kept + [one for one in new if one.get(key) not in strict]


def weakened(old: Resource, new: list[Resource]) -> bool:
    """Whether the new list would weaken a restriction: machines set one and never lift it."""
    if not str(old.get("url", "")).endswith("/StructureDefinition/restriction"):
        return False
    rank = RESTRICTION_RANK.get(old.get("valueCode", ""), len(RESTRICTION_RANK))
    return any(
        one.get("url") == old["url"] and RESTRICTION_RANK.get(one.get("valueCode") or "", len(RESTRICTION_RANK)) > rank
        for one in new
    )


def restated(flag: Resource, on: date) -> Resource:
    """A Flag with the status and the coarse code that its merged period gives on a day.

    A Flag entered in error, of a detail that the ladder does not know, or whose record contradicts itself, is returned
    as it is.
    """
    coding = flag.get("code", {}).get("coding", [])
    detail = next((one["code"] for one in coding if one.get("code") in codes.DETAILS), "")
    if not detail or flag.get("status") == "entered-in-error" or is_doubtful(flag):
        return flag
    start, end = (day_of(flag.get("period", {}).get(edge, "")) for edge in ("start", "end"))
    coarse = codes.involvement(detail, start, end, on)
    own = next(one["system"] for one in coding if one.get("code") == detail)
    coarse_system = own.removesuffix("-detail")
    rest = [one for one in coding if one.get("system") != coarse_system]
    first = [] if coarse is None else [{"system": coarse_system, "code": coarse.value}]
    status = "inactive" if coarse in ENDED else "active"
    return {**flag, "status": status, "code": {**flag["code"], "coding": first + rest}}
