"""A lookup as it is asked and answered: the values that the edge, the exchange and its log share."""

from __future__ import annotations

from typing import NamedTuple

from gateway.disclosure.decision import Permit
from gateway.disclosure.question import Withheld
from gateway.disclosure.release import Disclosure
from gateway.disclosure.requester import Requester
from gateway.exchanges.records.dossiers import Known
from gateway.fhir import systems
from gateway.fhir.codes import Answer
from gateway.store.ledger import Feed

EMERGENCY = "emergency"  # the purpose of an override


class LookupRequest(NamedTuple):
    """A lookup as the edge understood it; nothing in it is decided yet."""

    requester: Requester
    nhs: str  # ten digits with a valid check digit, or empty
    birth_date: str  # FHIR date, or empty
    verified: bool  # the asker does not doubt the number
    purpose: str
    about: tuple[str, ...] = ("self",)
    case_reference: str = ""  # system|value
    case_owner: str = ""  # ODS code of the agency whose case it is
    reason: str = ""
    override: tuple[str, str, str] | None = None  # type, reason, justification
    request_id: str = ""
    by_day: bool = False  # a card: whoever was charged for today costs nothing more today

    @property
    def is_override(self) -> bool:
        """Whether danger to life is claimed."""
        return self.purpose == EMERGENCY

    @property
    def patient(self) -> str:
        return f"{systems.NHS_NUMBER}|{self.nhs}" if self.nhs else ""


class Group(NamedTuple):
    """One agency about one person, as it goes into the answer."""

    custodian: str
    about: str
    answer: Answer
    reason: str = ""
    disclosure: Disclosure | None = None


class LookupAnswer(NamedTuple):
    """What the edge renders. ``refused`` names a gate; ``held`` says that the answer leaves on the tick."""

    id: str
    at: int
    mode: str
    coverage: tuple[Feed, ...] = ()
    groups: tuple[Group, ...] = ()
    basis: tuple[str, ...] = ()
    obligations: tuple[str, ...] = ()
    explanation: str = ""
    refused: str = ""
    held: bool = True


class Finding(NamedTuple):
    """What came of one agency and one person: a group for the answer or None, and the line for the log."""

    group: Group | None
    custodian: str
    known: Known
    permit: Permit | None = None
    reason: str = ""
    consents: tuple[str, ...] = ()
    withheld: Withheld | None = None  # whose decision keeps it back
