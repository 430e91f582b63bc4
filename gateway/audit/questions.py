"""The questions that auditors ask of the access log, as data: in whose words, with what they need, and what they show.

Where a search of AuditEvent expresses a question, ``search`` says how: parameters of ``POST /fhir/AuditEvent/_search``,
``{field}`` standing for what is filled in; ``partly`` says what that search leaves out. What an auditor may see is not
decided here: the holder's auditor sees cause and people found, the requester's the rendering of the request alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from gateway.audit.shapes import CONFIGURATION
from gateway.fhir.systems import NHS_NUMBER


class Field(NamedTuple):
    """What a question needs to be told. ``kind``: number, text, day, choice."""

    name: str
    label: str
    hint: str = ""
    kind: str = "text"
    required: bool = False
    choices: tuple[str, ...] = ()


class Column(NamedTuple):
    """A column of an answer. ``kind``: text, time, code, person, exchange, organisation, count."""

    key: str
    heading: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Question:
    """One saved question. ``days``: how far it looks back where nobody says from when; 0 is everything."""

    name: str
    title: str
    means: str
    columns: tuple[Column, ...]
    fields: tuple[Field, ...] = ()
    search: tuple[tuple[str, str], ...] = ()
    partly: str = ""
    days: int = 0
    nothing: str = "Nothing that your agency may see is on record."
    alarm: bool = False  # whether any line of the answer is a fault

    @property
    def path(self) -> str:
        """The page's address; it names nobody."""
        return "/console" if self.name == "person" else f"/console/{self.name}"


SINCE: Final = Field("since", "From (optional)", kind="day")
UNTIL: Final = Field("until", "Until (optional)", kind="day")
PERSON: Final = Field(
    "number", "NHS number", "Ten digits, with or without spaces. Your search is on record.", "number", required=True
)
USER: Final = Field(
    "user",
    "User (optional)",
    "As your own systems name them. Of another organisation: its ODS code, a bar and the user: RXX|jsmith.",
)
CLIENT: Final = Field("client", "Software or device (optional)", "Its client id, as it is registered here.")
REASON: Final = Field("reason", "Reason (optional)", "A code, such as no-agreement or wish-refused.")
CONSENT: Final = Field(
    "consent", "Consent", "As entries name it: Consent/1f0c, or one version: Consent/1f0c/_history/2.", required=True
)
NOTICE: Final = Field("notice", "Reference of the notice", "It stands on the notice.", required=True)

WHEN: Final = Column("when", "When", "time")
WHO: Final = Column("who", "Who")
ROLE: Final = Column("role", "Role", "code")
OF: Final = Column("organisation", "Of", "organisation")
WHAT: Final = Column("what", "What", "exchange")
FOR: Final = Column("purpose", "For", "code")
OUTCOME: Final = Column("outcome", "Outcome")
WHY: Final = Column("reason", "Why", "code")
BASIS: Final = Column("basis", "On what basis", "code")
TIER: Final = Column("tier", "How much")
CASE: Final = Column("case", "Case")
ABOUT: Final = Column("person", "About", "person")
ENTRY: Final = Column("entry", "Entry")
AGAINST: Final = Column("against", "The wish refuses", "code")
DETAIL: Final = Column("detail", "What was changed")
CONSENTS: Final = Column("consents", "Rests on")
LINE: Final = (WHEN, WHO, ROLE, OF, WHAT, FOR, OUTCOME, WHY)
WINDOW: Final = (("date", "ge{since}"), ("date", "lt{until}"))

QUESTIONS: Final = (
    Question(
        "person", "Who looked at this person?",
        "Everything on record about one person, refused requests too, and requests about others in which they were found.",
        (*LINE, BASIS, TIER, CASE, ENTRY), (PERSON, SINCE, UNTIL),
        (("patient:identifier", f"{NHS_NUMBER}|{{number}}"), *WINDOW),
    ),
    Question(
        "user", "What did this user do?", "Everything that one person, one piece of software or one device did.",
        (WHEN, WHO, ROLE, OF, WHAT, ABOUT, FOR, OUTCOME, WHY, ENTRY), (USER, CLIENT, SINCE, UNTIL),
        (("agent", "{user}"), ("client", "{client}"), *WINDOW),
    ),
    Question(
        "refusals", "Who was refused?", "Refused requests with their reasons, and how many of each there are.",
        (WHEN, WHO, ROLE, OF, WHAT, ABOUT, FOR, WHY, ENTRY), (REASON, USER, SINCE, UNTIL),
        (("outcome", "4"), ("subtype", "{reason}"), ("agent", "{user}"), *WINDOW), days=28,
    ),
    Question(
        "overrides", "Which overrides has nobody reviewed?", "Claims of danger to life that wait for a second person, the longest due first.",
        (Column("opened", "Opened", "time"), Column("age", "Days", "count"), Column("due", "Due", "time"), WHO, ROLE, OF, ABOUT,
         WHY, Column("state", "State")),
        search=(("subtype", "110127"),), partly="The search finds every override; which of them wait for a review stands in the queue.",
        nothing="No override waits for a review.",
    ),
    Question(
        "volumes", "Who asks more than usual?",
        "Lookups for each organisation and each of your own users, the last seven days against the eight weeks before.",
        (Column("side", "Asked"), Column("who", "By"), ROLE, Column("week", "Last 7 days", "count"),
         Column("usual", "Usual in 7 days", "count"), Column("times", "Times the usual"), Column("busiest", "Busiest hour (UTC)", "time"),
         Column("most", "In that hour", "count")),
        search=(("exchange", "look_up_status"),), partly="A search cannot count: it finds what is counted.", nothing="Nobody asked in these nine weeks.",
    ),
    Question(
        "no-case", "Who asked without naming a case?", "Lookups that carry no reference of a case or referral.",
        (WHEN, WHO, ROLE, OF, ABOUT, FOR, OUTCOME, WHY, ENTRY), (USER, SINCE, UNTIL),
        (("exchange", "look_up_status"), ("case-reference:missing", "true"), ("agent", "{user}"), *WINDOW), days=28,
    ),
    Question(
        "close-to-home", "Who may have looked at their own?",
        "Lookups of your own staff about themselves, their family, their household, their colleagues and people of the same surname, "
        "the likeliest first.",
        (Column("score", "Score", "count"), WHO, ABOUT, Column("why", "Because"), Column("times", "Times", "count"),
         Column("first", "First", "time"), Column("last", "Last", "time"), FOR, ENTRY),
        (SINCE, UNTIL), (("exchange", "look_up_status"), *WINDOW), partly="A search cannot compare with the staff register.", days=28,
        nothing="No lookup of your staff fits a rule. Without a staff register none can: whoever runs the gateway loads it.",
    ),
    Question(
        "consent", "What was disclosed on the strength of this consent?", "Disclosures and notices that rest on a consent, or on one version of it.",
        (*LINE[:6], ABOUT, TIER, CONSENTS, ENTRY), (CONSENT, SINCE, UNTIL),
        (("entity", "{consent}"), ("subtype", "disclose"), ("outcome", "0"), *WINDOW),
    ),
    Question(
        "after-revocation", "Was anything disclosed on a consent that no longer stood?",
        "Disclosures that rest on a version of a consent which had been replaced or withdrawn by then. There must be none.",
        (*LINE[:6], ABOUT, CONSENTS, Column("ended", "Had ended", "time"), ENTRY), (SINCE, UNTIL),
        search=(("subtype", "disclose"), ("outcome", "0"), *WINDOW),
        partly="A search finds what was disclosed, with its consents; this compares it with when each version ended.", days=90, alarm=True,
        nothing="None, as it must be.",
    ),
    Question(
        "against-wishes", "Who was told against the person's wish?",
        "Disclosures and notices under a duty, or where danger to life was claimed, although a wish on record refuses part of what "
        "might be told: on what basis, with what obligations, and whether it was reviewed. What most needs a look comes first.",
        (Column("score", "Score", "count"), WHEN, WHO, ROLE, OF, WHAT, ABOUT, FOR, BASIS, AGAINST,
         Column("obligations", "Obligations given", "code"), Column("why", "Because"), Column("state", "Review"),
         Column("reviewed", "Reviewed", "time"), CASE, CONSENTS, ENTRY),
        (SINCE, UNTIL), (("against-wish:missing", "false"), *WINDOW),
        partly="The search finds the disclosures; their reviews stand in the queue, and it ranks nothing.", days=90,
        nothing="Nothing was disclosed against a wish.",
    ),
    Question(
        "trail", "What became of this notice?", "One change at its source: to whom it was told, each attempt, and what each receiver made of it.",
        (WHEN, Column("step", "What happened"), Column("receiver", "Receiver", "organisation"), OUTCOME, Column("detail", "Detail")),
        (NOTICE,), (("notice", "{notice}"),), partly="The search finds the attempts; state and receipt stand in the outbox.",
        nothing="Your agency has sent or received no notice with this reference.",
    ),
    Question(
        "undelivered", "What has not arrived?", "Notices of your agency that wait, are tried again or were given up.",
        (Column("created", "Of", "time"), Column("notice", "Notice"), Column("receiver", "Receiver", "organisation"),
         Column("topic", "About", "code"), Column("state", "State"), Column("attempts", "Attempts", "count"),
         Column("due", "Next attempt", "time"), Column("detail", "Last result")),
        search=(("exchange", "settle_notice"), ("outcome", "8")),
        partly="The search finds attempts that failed; what waits stands in the outbox, not in the log.", nothing="Everything has arrived.",
    ),
    Question(
        "changes", "Who changed policy or keys?", "Agreements, approvers, clients, sign-in and other administration that concerns your agency.",
        (WHEN, WHO, WHAT, OUTCOME, DETAIL, ENTRY), (SINCE, UNTIL), (("subtype", CONFIGURATION.code), *WINDOW),
    ),
    Question(
        "log-use", "Who used this log?", "Searches, exports, proofs and console pages of your agency's own auditors.",
        (WHEN, WHO, ROLE, Column("client", "Software"), WHAT, ABOUT, Column("detail", "Asked for"), OUTCOME, ENTRY), (USER, SINCE, UNTIL),
        (("purpose", "audit"), ("agent", "{user}"), *WINDOW),
    ),
    Question(
        "health", "Is the log sound?", "Signed heads, their age, who vouches for them, gaps, restores and the last check.",
        (Column("item", "What"), Column("state", "State"), Column("value", "Value"), Column("at", "At", "time")),
        partly="The heads and proofs are at /audit/checkpoint and /audit/proof.",
    ),
    Question(
        "no-matching-case", "Which enquiries have no matching case?",
        "Statutory lookups without a case in the council's own records within ten working days, and duties claimed after a wish was "
        "answered with nothing.",
        (Column("opened", "Opened", "time"), Column("age", "Days", "count"), Column("due", "Due", "time"), WHO, ROLE, OF, ABOUT,
         Column("rule", "Rule", "code"), Column("state", "State")),
        search=(("exchange", "look_up_status"), ("purpose", "safeguarding-s47")),
        partly="The search finds the lookups; whether a case followed is found daily.", nothing="No such item is open.",
    ),
)  # fmt: skip
BY_NAME: Final = {one.name: one for one in QUESTIONS}


def search_of(question: Question, given: dict[str, str]) -> list[tuple[str, str]]:
    """The parameters of the search that a question stands for; those whose field was left empty are left out."""
    told = []
    for name, template in question.search:
        needed = [field for field in given if f"{{{field}}}" in template]
        known = [field for field in needed if given[field]]
        if "{" not in template or known:
            told.append((name, template.format(**{field: given[field] for field in known})))
    return told
