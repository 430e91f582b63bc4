"""The closed lists that the lint holds every mapping to: elements, tiers, target code sets."""

from __future__ import annotations

from typing import Final

from gateway.fhir import codes, systems

# R4 elements that we emit, by resource type. What is not here cannot be a target.
ELEMENTS: Final[dict[str, frozenset[str]]] = {
    "Patient": frozenset(
        {
            "meta",
            "extension",
            "identifier",
            "active",
            "name",
            "gender",
            "birthDate",
            "deceasedBoolean",
            "deceasedDateTime",
            "link",
        }
    ),
    "RelatedPerson": frozenset(
        {"meta", "extension", "identifier", "active", "patient", "relationship", "name", "gender", "birthDate", "period"}
    ),
    "Flag": frozenset(
        {"meta", "contained", "extension", "identifier", "status", "category", "code", "subject", "period", "author"}
    ),
    "Consent": frozenset(
        {
            "meta",
            "extension",
            "modifierExtension",
            "identifier",
            "status",
            "scope",
            "category",
            "patient",
            "dateTime",
            "performer",
            "organization",
            "sourceAttachment",
            "policy",
            "policyRule",
            "verification",
            "provision",
        }
    ),
}
CONCEPTS: Final = frozenset({"relationship", "code", "category", "scope"})  # elements that hold a CodeableConcept
EXTENSIONS: Final = frozenset(
    {
        "status-as-of",
        "last-contact",
        "contact",
        "expected-birth-date",
        "restriction",
        "parental-responsibility",
        "lives-with",
        "unconfirmed",
        "planned-end",
        "next-review",
    }
)

# The data classes of an agreement, with their tier; `internal` is kept inside and never sent.
TIERS: Final[dict[str, int]] = {
    "internal": -1,
    "existence": 0,
    "status": 1,
    "contact": 2,
    "relative-identity": 2,
    "marker": 2,
    "detail": 3,
    "legal-order": 3,
}

RESTRICTIONS: Final = ("adopted", "placed-for-adoption", "protected")  # strictest first
RESTRICTION_RANK: Final = {code: place for place, code in enumerate(RESTRICTIONS)}

V3_ROLES: Final = (
    frozenset(codes.INVERSE_NEUTRAL)
    | frozenset(codes.INVERSE_NEUTRAL.values())
    | frozenset(role for pair in codes.GENDERED.values() for role in pair)
    | codes.CHILDREN
    | codes.PARENTS
    | frozenset(
        {
            "ONESELF",
            "AUNT",
            "UNCLE",
            "NIENEPH",
            "NIECE",
            "NEPHEW",
            "COUSN",
            "PRNINLAW",
            "CHLDINLAW",
            "HUSB",
            "WIFE",
            "HSIB",
            "ROOM",
            "NBOR",
        }
    )
)
V2_0063_CODES: Final = frozenset(
    {
        "SEL",
        "SPO",
        "DOM",
        "CHD",
        "GCH",
        "NCH",
        "SCH",
        "FCH",
        "DEP",
        "WRD",
        "PAR",
        "MTH",
        "FTH",
        "CGV",
        "GRD",
        "GRP",
        "EXF",
        "SIB",
        "BRO",
        "SIS",
        "FND",
        "OAD",
        "EME",
        "EMR",
        "ASC",
        "EMC",
        "OWN",
        "TRA",
        "MGR",
        "NON",
        "UNK",
        "OTH",
    }
)
GENDERS: Final = frozenset({"male", "female", "other", "unknown"})
GENDER_SYSTEM: Final = "http://hl7.org/fhir/administrative-gender"
UKCORE_ROLES: Final = frozenset({"Carer", "Personal", "NotKnown", "NotSpecified"})
NHS_STATUSES: Final = frozenset(f"0{n}" for n in range(1, 9))

# Details that are kept inside and sent as looked-after (codes.md).
LEGAL_ORDERS: Final = ("cla-s31", "cla-s38", "cla-s20", "cla-placement-order", "cla-emergency", "cla-justice")

# Short name in a code table -> (canonical system, or the name of our own system; its codes)
TARGETS: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "v3-RoleCode": (systems.V3_ROLE, V3_ROLES),
    "v2-0063": (systems.V2_0063, V2_0063_CODES),
    "v2-0131": (systems.V2_0131, frozenset("ECFINSOU")),
    "administrative-gender": (GENDER_SYSTEM, GENDERS),
    "ukcore-person-relationship": (systems.UKCORE_ROLE, UKCORE_ROLES),
    "nhs-number-status": (systems.NHS_NUMBER_STATUS, NHS_STATUSES),
    "involvement-detail": ("involvement-detail", frozenset(codes.DETAILS)),
    "restriction": ("restriction", frozenset(RESTRICTIONS)),
    "snomed": (systems.SNOMED, frozenset()),  # open: the check digit decides
    "yes-no-unknown": ("yes-no-unknown", frozenset({"yes", "no", "unknown"})),
    "marker": ("marker", frozenset(codes.MARKERS)),
    "legal-order": ("involvement-detail", frozenset(LEGAL_ORDERS)),
}
OWN: Final = frozenset({"involvement-detail", "legal-order", "restriction", "yes-no-unknown", "marker"})  # our own systems
EQUIVALENCES: Final = frozenset({"equal", "wider", "narrower", "unmatched"})

DIHEDRAL = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
PERMUTED = (
    "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip


def snomed_valid(code: str) -> bool:
    """Whether the text is an SNOMED CT identifier: 6 to 18 digits, the last a Verhoeff check digit."""
    if not (6 <= len(code) <= 18 and code.isascii() and code.isdigit()):
        return False
    check = 0
    for place, digit in enumerate(reversed(code)):
        check = int(DIHEDRAL[check][int(PERMUTED[place % 8][int(digit)])])
    return check == 0


def target_known(system: str, code: str) -> bool:
    """Whether a code belongs to the target system that a table names for it."""
    if system == "snomed":
        return snomed_valid(code)
    return system in TARGETS and code in TARGETS[system][1]
