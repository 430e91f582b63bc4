"""One line of the access log, and the bytes that are sealed and committed for it.

The canonical form is the part of RFC 8785 (JSON Canonicalization Scheme) that needs no rules of its own: keys are
ASCII and sorted, values are strings, integers below 2**53 and lists of strings, text is UTF-8 as it is.
"""

from __future__ import annotations

import zlib
from enum import StrEnum
from typing import Any, Final, NamedTuple

import orjson

DONE: Final = 0  # a true not-known too
REFUSED: Final = 4
FAULT: Final = 8  # ours
OUTCOMES: Final = (DONE, REFUSED, FAULT)

PACKED: Final = b"\x01"  # the first byte of what is packed; canonical bytes begin with a brace
WINDOW, MEMORY, LONGEST = -12, 5, 1 << 20
# Entries of year to year are packed against these bytes: another dictionary needs another mark.
DICTIONARY: Final = (
    b'"early-help""child-in-need-s17""emergency""subject-access""audit""duty-to-share-16la""mha-assessment-s13""adopted"'
    b'"not-certain""no-relationship""wish-refused""wish-condition-not-met""wish-missing""no-agreement""not-known""error"'
    b'"health-visitor""school-nurse""ward-nurse""care-coordinator""auditor""social-worker""receive_record""settle_notice"'
    b'"lease_notice""issue_token""read_resource""search_audit""record_refusal""administration""token""search""read""received"'
    b'"delivery-result""delivery""decision""override""negative"["operation","["status","["count","["query","["resource","Flag/'
    b'RelatedPerson/Consent/","/_history/1"]Patient/["about","children"]["reason","["justification","'
    b'{"asked":0,"basis":[],"case_reference":"","client":"","consents":[],"custodian":"","detail":[],"disclosure":"",'
    b'"exchange":"","found":["https://fhir.nhs.uk/Id/nhs-number|999"],"id":"","kind":"","outcome":4,"patient":"","policy":"",'
    b'"purpose":"","recorded":17,"refusal":"","request_id":"","requester":"","role":"","tier":-1,"user":""}'
    b'{"asked":1,"basis":["consent","CA1989-s47"],"case_reference":"","client":"-system","consents":["Consent/"],"custodian":"'
    b'","detail":[],"disclosure":"","exchange":"look_up_status","found":[],"id":"00065","kind":"disclosure","outcome":0,'
    b'"patient":"https://fhir.nhs.uk/Id/nhs-number|9","policy":"","purpose":"amh-care-planning""safeguarding-s47","recorded":17'
    b',"refusal":"","request_id":"","requester":"","role":"","tier":2,"user":""}'
)
_PACKING: Final = zlib.compressobj(1, zlib.DEFLATED, WINDOW, MEMORY, zlib.Z_DEFAULT_STRATEGY, DICTIONARY)  # copied, never fed
NO_TIER: Final = -1  # how "no tier" stands in the canonical form, which has no null


class Kind(StrEnum):
    """What sort of thing an exchange did; ``shapes.SHAPES`` says how each stands in an AuditEvent."""

    DISCLOSURE = "disclosure"  # something left, to whoever asked
    NEGATIVE = "negative"  # asked, and nothing left: not known, not permitted, not matched alike
    DECISION = "decision"  # permit or refuse, on record by itself
    OVERRIDE = "override"  # danger to life claimed
    RECEIVED = "received"  # a record, message, wish or acknowledgement came in
    DELIVERY = "delivery"  # a notice is about to leave
    DELIVERY_RESULT = "delivery-result"  # what became of it
    READ = "read"  # a resource by its id
    SEARCH = "search"  # of the access log, or of one's own people and records
    TOKEN = "token"  # an access token given or refused
    SIGN_IN = "sign-in"  # a person, with their organisation's own sign-in
    SIGN_OUT = "sign-out"
    ADMINISTRATION = "administration"  # agencies, clients, keys, agreements, erasure
    ERROR = "error"  # a question that failed


class Entry(NamedTuple):
    """One exchange about one person (or none) at one custodian (or none). Empty text means: does not apply.

    ``asked`` is true where the *existence* of the entry follows from the request alone; only such an entry is ever
    rendered for the requester's auditor. An exchange that is asked writes exactly one of them, whatever it found.
    Identifiers of people are ``system|value``. Nothing is checked here: who writes an entry made its values.
    """

    id: str  # 32 hexadecimal digits, random
    recorded: int  # microseconds since 1970-01-01T00:00:00Z
    exchange: str  # its file name: look_up_status
    outcome: int  # DONE, REFUSED or FAULT
    kind: Kind
    requester: str = ""  # ODS code
    custodian: str = ""  # ODS code
    client: str = ""
    user: str = ""
    role: str = ""
    purpose: str = ""  # code system purpose
    case_reference: str = ""  # system|value
    patient: str = ""  # who was asked about
    found: tuple[str, ...] = ()  # who was found: for the holder's eyes
    basis: tuple[str, ...] = ()  # code system basis
    tier: int | None = None
    policy: str = ""  # version hash
    consents: tuple[str, ...] = ()  # Consent/id/_history/n
    refusal: str = ""  # code system refusal-reason
    disclosure: str = ""  # its id
    request_id: str = ""
    detail: tuple[tuple[str, str], ...] = ()  # keys that event.py knows by name: event.SPOKEN_FOR
    asked: bool = False


def canonical(entry: Entry, recorded: int | None = None) -> bytes:
    """The RFC 8785 bytes of an entry, as of another time where one is given; the same entry gives the same bytes for ever.

    Raises TypeError for text that is not Unicode (lone surrogates) and for integers of 2**53 and more.
    """
    return orjson.dumps(
        {  # in order of the keys: a test holds it
            "asked": 1 if entry.asked else 0,
            "basis": entry.basis,
            "case_reference": entry.case_reference,
            "client": entry.client,
            "consents": entry.consents,
            "custodian": entry.custodian,
            "detail": entry.detail,
            "disclosure": entry.disclosure,
            "exchange": entry.exchange,
            "found": entry.found,
            "id": entry.id,
            "kind": entry.kind.value,
            "outcome": entry.outcome,
            "patient": entry.patient,
            "policy": entry.policy,
            "purpose": entry.purpose,
            "recorded": entry.recorded if recorded is None else recorded,
            "refusal": entry.refusal,
            "request_id": entry.request_id,
            "requester": entry.requester,
            "role": entry.role,
            "tier": NO_TIER if entry.tier is None else entry.tier,
            "user": entry.user,
        },
        option=orjson.OPT_STRICT_INTEGER,
    )


def packed(entry: Entry, recorded: int | None = None) -> bytes:
    """The canonical bytes as they are kept: a mark, and raw DEFLATE (RFC 1951) against a dictionary that never changes.

    An entry of five hundred bytes takes some one hundred and fifty. Raises as ``canonical``.
    """
    packing = _PACKING.copy()
    return PACKED + packing.compress(canonical(entry, recorded)) + packing.flush()


def parse(data: bytes) -> Entry:
    """The entry of canonical bytes, packed or not: ``parse(canonical(entry)) == parse(packed(entry)) == entry``.

    A field that an older version did not write gets its default; one that this version does not know, and anything
    else that is not an entry, raises ValueError.
    """
    try:
        if data[:1] == PACKED:
            unpacking = zlib.decompressobj(WINDOW, DICTIONARY)
            data = unpacking.decompress(data[1:], LONGEST)
        return Entry(**_fields(orjson.loads(data)))
    except (TypeError, KeyError, AttributeError, zlib.error) as error:
        raise ValueError(f"not an entry of the access log: {error}") from error


def _fields(raw: dict[str, Any]) -> dict[str, Any]:
    lists: dict[str, Any] = {name: tuple(raw[name]) for name in ("basis", "consents", "found") if name in raw}
    tier = raw.get("tier", NO_TIER)
    return {
        **raw,
        **lists,
        "kind": Kind(raw["kind"]),
        "detail": tuple((key, value) for key, value in raw.get("detail", ())),
        "tier": None if tier == NO_TIER else tier,
        "asked": bool(raw.get("asked", 0)),
    }
