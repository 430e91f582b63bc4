"""Our own codes, and the ladder that turns the details of an involvement into one status.

The same codes are published as CodeSystem resources in ``mappings/code_systems``; a test holds both equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache

RECENT = timedelta(days=365)  # the twelve months of the CP-IS window


class Answer(StrEnum):
    """What one agency says about one person (code system answer)."""

    KNOWN = "known"
    RECENTLY_CLOSED = "recently-closed"
    CLOSED = "closed"
    NOT_KNOWN = "not-known"
    CANNOT_SAY = "cannot-say"
    NO_INFORMATION = "no-information"


class Involvement(StrEnum):
    """The coarse status of an involvement, tier 1 (code system involvement)."""

    HIGH_INTENSITY = "high-intensity"
    ACTIVE = "active"
    PENDING = "pending"
    CARE_LEAVER = "care-leaver"
    RECENTLY_CLOSED = "recently-closed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Detail:
    """One line of the ladder: the plain words of a detail, its status while open, its SNOMED CT code."""

    display: str
    while_open: Involvement
    snomed: str = ""
    snomed_display: str = ""


H, A, P, C = Involvement.HIGH_INTENSITY, Involvement.ACTIVE, Involvement.PENDING, Involvement.CARE_LEAVER

# In ladder order: the first open line is the headline (formats: status vocabulary). Kept equal to
# mappings/code_systems/involvement-detail.json.
DETAILS: dict[str, Detail] = {
    "looked-after": Detail("Looked after by the council", H, "764841000000100", "Looked after child"),
    "cp-plan": Detail("Child protection plan", H, "342191000000101", "Subject to child protection plan"),
    "cp-plan-unborn": Detail(
        "Child protection plan for an unborn child", H, "818901000000100", "Unborn child subject to child protection plan"
    ),
    "cp-plan-other-area": Detail("Child protection plan of another area", H),
    "pre-proceedings": Detail("Pre-proceedings", H),
    "inpatient": Detail("In hospital", H),
    "inpatient-mother-baby": Detail("In a mother and baby unit", H),
    "on-leave": Detail("On leave from hospital", H),
    "absent-without-leave": Detail("Absent from hospital without leave", H),
    "crisis-team": Detail("With the crisis team", H),
    "section-47": Detail("Child protection enquiry", A),
    "cin-plan": Detail("Child in need plan", A),
    "assessment": Detail("Assessment", A),
    "short-break": Detail("Short break", A),
    "private-fostering": Detail("Private fostering", A),
    "early-help": Detail("Early help", A),
    "community": Detail("With a community team", A),
    "referral": Detail("Referred, not started", P),
    "referred": Detail("Referred, not yet seen", P),
    "waiting": Detail("Waiting to be seen", P),
    "care-leaver": Detail("Care leaver", C),
}
RANK = {code: place for place, code in enumerate(DETAILS)}

# Facts about a person that an agency shows as a Flag of their own (code system marker), tier 2.
MARKERS = {
    "crisis-plan": "Has a crisis plan",
    "crisis-plan-names-childcare": "Crisis plan names who cares for the children",
    "contact-arrangements": "Contact arrangements are agreed",
    "young-carer": "Young carer",
    "expecting-child": "Expecting a child",
    "children-asked-yes": "Asked about children: yes",
    "children-asked-none": "Asked about children: none",
    "children-asked-declined": "Asked about children: did not wish to say",
    "disputed-by-person": "The person says this is wrong",
}


@lru_cache(maxsize=65536)
def involvement(detail: str, start: date | None, end: date | None, on: date) -> Involvement | None:
    """The status that a detail gives on a day; None where it has not begun.

    An end day counts as the first day after: who is discharged today is not in hospital this evening.
    """
    if start is not None and start > on:
        return None
    if end is None or end > on:
        return DETAILS[detail].while_open if detail in DETAILS else Involvement.ACTIVE
    return Involvement.RECENTLY_CLOSED if on - end <= RECENT else Involvement.CLOSED


# Kept inside, and what they are sent as (codes.md): a detention is a stay in hospital, its section is never told.
SENT_AS = {
    "detained": "inpatient",
    "recalled": "inpatient",
    "cto": "community",
    "conditional-discharge": "community",
    "guardianship": "community",
}
# Kept inside and never sent: whose record has one is shielded.
SHIELDING = frozenset({"adopted", "placed-for-adoption", "protected"})
INPATIENT = frozenset({"inpatient", "inpatient-mother-baby", "on-leave", "absent-without-leave"})

# Hooks of CDS Hooks 2.0 that are answered with a card, and why a clinician may set a card aside (code system card-override).
HOOKS = ("patient-view", "encounter-start", "encounter-discharge")
CARD_OVERRIDES = ("already-known", "not-relevant", "wrong", "later")

AGENCY_KINDS = frozenset(
    {
        "children-social-care", "early-help", "adult-mental-health", "camhs", "perinatal-mental-health", "drug-alcohol",
        "maternity", "health-visiting", "school-nursing", "school", "gp", "emergency-care", "adult-social-care", "housing",
        "police", "voluntary",
    }
)  # fmt: skip
CONTACT_KINDS = frozenset(
    {"lead-professional", "team", "duty-desk", "out-of-hours-desk", "safeguarding-lead", "escalation-manager"}
)

# Roles by what they answer (v3-RoleCode). A relationship says what the related person is to the patient.
CHILDREN = frozenset({"CHILD", "SONC", "DAUC", "SON", "DAU", "NCHILD", "STPCHLD", "CHLDADOPT", "CHLDFOST"}) | frozenset(
    {"STPSON", "STPDAU", "SONADOPT", "DAUADOPT", "SONFOST", "DAUFOST"}  # narrower codes of the same
)
PARENTS = frozenset(
    {"PRN", "MTH", "FTH", "NPRN", "NMTH", "NFTH", "ADOPTP", "ADOPTM", "ADOPTF", "STPPRN", "STPMTH", "STPFTH", "GUARD"}
)
FOSTER_CARERS = frozenset({"PRNFOST", "MTHFOST", "FTHFOST"})  # never parents, whatever else they are called

INVERSE_NEUTRAL: dict[str, str] = {
    **dict.fromkeys(("CHILD", "SONC", "DAUC", "SON", "DAU"), "PRN"),
    "NCHILD": "NPRN",
    **dict.fromkeys(("STPCHLD", "STPSON", "STPDAU"), "STPPRN"),
    **dict.fromkeys(("CHLDFOST", "SONFOST", "DAUFOST"), "PRNFOST"),
    **dict.fromkeys(("CHLDADOPT", "SONADOPT", "DAUADOPT"), "ADOPTP"),
    **dict.fromkeys(("GRNDCHILD", "GRNDSON", "GRNDDAU"), "GRPRN"),
    **dict.fromkeys(("PRN", "MTH", "FTH"), "CHILD"),
    **dict.fromkeys(("NPRN", "NMTH", "NFTH"), "NCHILD"),
    **dict.fromkeys(("STPPRN", "STPMTH", "STPFTH"), "STPCHLD"),
    **dict.fromkeys(("PRNFOST", "MTHFOST", "FTHFOST"), "CHLDFOST"),
    **dict.fromkeys(("ADOPTP", "ADOPTM", "ADOPTF"), "CHLDADOPT"),
    **dict.fromkeys(("GRPRN", "GRMTH", "GRFTH"), "GRNDCHILD"),
    **dict.fromkeys(("SIB", "BRO", "SIS"), "SIB"),
    "SPS": "SPS",
    "DOMPART": "DOMPART",
    "SIGOTHR": "SIGOTHR",
    "FRND": "FRND",
    "EXT": "EXT",
    "FAMMEMB": "FAMMEMB",
}
GENDERED: dict[str, tuple[str, str]] = {  # neutral -> (female, male)
    "PRN": ("MTH", "FTH"),
    "NPRN": ("NMTH", "NFTH"),
    "STPPRN": ("STPMTH", "STPFTH"),
    "PRNFOST": ("MTHFOST", "FTHFOST"),
    "ADOPTP": ("ADOPTM", "ADOPTF"),
    "GRPRN": ("GRMTH", "GRFTH"),
    "SIB": ("SIS", "BRO"),
}


def inverse_role(role: str, gender: str = "") -> str | None:
    """What the patient is to the related person: CHILD of a mother makes MTH. Unknown gender stays neutral.

    ``gender`` is of the person described by the result (AdministrativeGender). None where no inverse is known.
    """
    neutral = INVERSE_NEUTRAL.get(role)
    if neutral is None:
        return None
    pair = GENDERED.get(neutral)
    if pair is None or gender not in ("female", "male"):
        return neutral
    return pair[0] if gender == "female" else pair[1]
