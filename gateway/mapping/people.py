"""People as logical references: identifiers, keys, and the two sides of a relationship."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final
from urllib.parse import quote

from gateway.fhir import systems
from gateway.identity import nhs_number as nhs
from gateway.mapping.records import Resource, Sender
from gateway.mapping.values import Refused, Unusable

NHS_NAMES: Final = frozenset({"nhs-number", "nhs", "nhsnumber", systems.NHS_NUMBER})
LOCAL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
LOCAL_VALUE = re.compile(r"[!-~](?:[ -~]{0,62}[!-~])?")
CHILD_ID = re.compile(r"[A-Za-z0-9]{1,20}")
WRONG_NHS: Final = "This is not an NHS number: ten digits with a valid check digit are due."


def nhs_number(value: str) -> str:
    """The ten digits; Refused where the check digit fails."""
    found = nhs.parse(value.strip())
    if found is None:
        raise Refused(WRONG_NHS)
    return found


def system_of(name: str, sender: Sender) -> str:
    """The identifier system of a short name: ``nhs-number``, ``upn``, ``la-child-id``, a URL, or a local name."""
    word = name.strip()
    if word.lower() in NHS_NAMES:
        return systems.NHS_NUMBER
    if word.lower() == "upn":
        return systems.UPN
    if word.lower() == "la-child-id":
        return child_system(sender)
    if word.startswith(("http://", "https://", "urn:")):
        return url(word)
    if not LOCAL_NAME.fullmatch(word):
        raise Unusable("The identifier system must be nhs-number, la-child-id, upn, a URL or a short local name.")
    return systems.local_id(sender.agency, word)


def url(word: str) -> str:
    """A URL or URN without space, in its canonical form."""
    if len(word) > 200 or not word.isprintable() or " " in word:
        raise Unusable("The identifier system is not a URL.")
    return systems.canonical_system(word)


def child_system(sender: Sender) -> str:
    """The system of a council's own child identifiers."""
    if not sender.la_code:
        raise Unusable("la-child-id is for councils: this sender has no three-digit local authority code.")
    return systems.local_child_id(sender.la_code)


def identifier(system: str, value: str, sender: Sender) -> Resource:
    """An identifier whose value keeps the rule of its system; Unusable where it does not."""
    if system == systems.NHS_NUMBER:
        return {"system": system, "value": nhs_number(value), "use": "official"}
    if sender.la_code and system == systems.local_child_id(sender.la_code) and not CHILD_ID.fullmatch(value):
        raise Unusable("A council's child identifier is 1 to 20 letters and digits.")
    if not LOCAL_VALUE.fullmatch(value):
        raise Unusable("The identifier is empty, too long (64), or holds characters that are no identifier's.")
    return {"system": system, "value": value}


def logical(found: Resource) -> Resource:
    """A logical reference to the person of an identifier."""
    return {"type": "Patient", "identifier": {"system": found["system"], "value": found["value"]}}


def preferred(found: list[Resource]) -> Resource:
    """The identifier that refers to a person: the NHS number where there is one, else the first."""
    return next((one for one in found if one["system"] == systems.NHS_NUMBER), found[0])


def local_first(found: list[Resource]) -> Resource:
    """The identifier that keys a record: the sender's own where there is one, so that the key outlives a trace."""
    return next((one for one in found if one["system"] != systems.NHS_NUMBER), found[0])


def person_key(found: Resource, sender: Sender) -> str:
    """The key of a person: ``child/<id>`` for a council's child, else ``person/<system>/<value>``."""
    system, value = found["system"], found["value"]
    if sender.la_code and system == systems.local_child_id(sender.la_code):
        return f"child/{segment(value)}"
    short = "nhs" if system == systems.NHS_NUMBER else segment(system)
    return f"person/{short}/{segment(value)}"


def other_keys(key: str, named: list[str]) -> list[str]:
    """The keys of the same thing by the other numbers ``system|value`` of a person; of a stay also that of release 0.1, which
    named nobody. None for a key that names no person by a number."""
    parts = key.split("/", 3)
    if parts[0] != "person" or len(parts) < 4:
        return []
    *holder, rest = parts
    keys = [person_key(dict(zip(("system", "value"), one.split("|", 1), strict=True)), Sender("")) for one in named]
    return [f"{one}/{rest}" for one in keys if one != "/".join(holder)] + ([rest] if rest.startswith("stay/") else [])


def link_key(patient: str, relative: str) -> str:
    """The key of what ``relative`` is to ``patient``; both are person keys, or the mark of a nameless relative."""
    return f"{patient}/relative/{segment(relative)}"


def other_link_keys(key: str, patient: list[str], relative: list[str]) -> list[str]:
    """The keys of the same relationship by the other numbers ``system|value`` of either person; a relative who has no number
    is under one mark alone."""
    _, between, last = key.rpartition("/relative/")
    if not between:
        return []
    named = relative if last.startswith(segment("person/")) else []
    ends = [
        last,
        *(segment(person_key(dict(zip(("system", "value"), one.split("|", 1), strict=True)), Sender(""))) for one in named),
    ]
    holders = [one.rpartition(between)[0] for one in (key, *other_keys(key, patient))]
    keys = dict.fromkeys(f"{holder}{between}{end}" for holder in holders for end in ends)
    return [one for one in keys if one != key]


def segment(text: str) -> str:
    """A text as one segment of a key."""
    return quote(text, safe="")


def mark(*parts: Any) -> str:
    """A short stable mark of someone who has no identifier, made from what is known of them."""
    plain = "\x1f".join(" ".join(str(part).casefold().split()) for part in parts)
    return "mark-" + hashlib.blake2b(plain.encode(), digest_size=10).hexdigest()


def with_status(found: Resource, code: str) -> Resource:
    """An NHS number with its verification status, as UK Core writes it."""
    coding = {"system": systems.NHS_NUMBER_STATUS, "code": code, "display": STATUS_WORDS.get(code, "")}
    value = {"coding": [{key: text for key, text in coding.items() if text}]}
    return {"extension": [{"url": systems.NHS_NUMBER_STATUS_EXT, "valueCodeableConcept": value}], **found}


STATUS_WORDS: Final = {
    "01": "Number present and verified",
    "02": "Number present but not traced",
    "03": "Trace required",
    "04": "Trace attempted - No match or multiple match found",
    "05": "Trace needs to be resolved - (NHS Number or patient detail conflict)",
    "06": "Trace in progress",
    "07": "Number not present and trace not required",
    "08": "Trace postponed (baby under six weeks old)",
}
