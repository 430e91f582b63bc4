"""The named transforms that a record map may use: each a plain function with a plain sentence.

A transform takes a value and the work, gives the value for the element, or NOTHING, or raises Unusable. Those
marked ``many`` take all sources of their line as one tuple. Conditions live here, never in the data.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.fhir import systems
from gateway.identity import nhs_number as nhs
from gateway.mapping import contacts, dates, hl7_values, people, returns
from gateway.mapping.values import NOTHING, Coded, LeftOut, Unusable, Work, is_mask

TEXT_LENGTH = 300
SPACES = re.compile(r"\s+")
UPN_FORM = re.compile(r"[A-Z0-9]{13}")
DIED = frozenset({"RC2", "E2", "DIED"})


@dataclass(frozen=True, slots=True)
class Transform:
    """A named rule. ``plain`` is what an information-governance lead reads in the explanation."""

    apply: Callable[[Any, Work], Any]
    plain: str
    many: bool = False


def text(value: Any, work: Work) -> Any:
    """Trimmed text without control characters; empty says nothing."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Unusable("Text is due here.")
    found = SPACES.sub(" ", "".join(char if char.isprintable() else " " for char in str(value))).strip()
    if len(found) > TEXT_LENGTH:
        raise Unusable(f"The text is longer than {TEXT_LENGTH} characters.")
    return found or NOTHING


def date(value: Any, work: Work) -> Any:
    """A day; empty text says nothing."""
    return NOTHING if value == "" else dates.full_date(value)


def birth_date(value: Any, work: Work) -> Any:
    """A birth date, partial where only the month or year is known, never in the future."""
    return NOTHING if value == "" else dates.past_birth_date(value, work.on)


def month(value: Any, work: Work) -> Any:
    """The month of a date."""
    return dates.month_of(value)


def boolean(value: Any, work: Work) -> Any:
    """True or false, however it is written."""
    word = str(value).strip().lower()
    if word in returns.TRUE:
        return True
    if word in returns.FALSE:
        return False
    if word:
        raise Unusable("The value must be true or false.")
    return NOTHING


def yes_no(value: Any, work: Work) -> Any:
    """The code yes, no or unknown."""
    word = str(value).strip().lower()
    if word in ("unknown", "u", "not known", "x"):
        return "unknown"
    found = boolean(value, work)
    return found if found is NOTHING else "yes" if found else "no"


def upn(value: Any, work: Work) -> Any:
    """A unique pupil number as an identifier; what is no UPN is left out with a warning."""
    found = str(value).strip().upper()
    if UPN_FORM.fullmatch(found):
        return {"system": systems.UPN, "value": found}
    if found:
        raise LeftOut("This is not a unique pupil number (13 letters and digits) and was left out.")
    return NOTHING


def known_text(value: Any, work: Work) -> Any:
    """Trimmed text; a placeholder says nothing."""
    found = text(value, work)
    if found is not NOTHING and is_mask(found):
        raise LeftOut("A placeholder stands here: it was read as nothing.")
    return found


def died(value: Any, work: Work) -> Any:
    """True where the reason says that the person has died (RC2, E2, DIED)."""
    return True if str(value).strip().upper() in DIED else NOTHING


def placed_for_adoption(value: Any, work: Work) -> Any:
    """The restriction of a child with a date of placement for adoption."""
    return "placed-for-adoption" if date(value, work) is not NOTHING else NOTHING


def expected_birth_date(values: tuple[Any, ...], work: Work) -> Any:
    """The due date of a child who is not born; a date of birth takes it away."""
    expected, born = values
    if born is not NOTHING and born:
        return None
    if expected is NOTHING or expected == "":
        return NOTHING
    return None if expected is None else dates.full_date(expected)


def section_47_end(values: tuple[Any, ...], work: Work) -> Any:
    """End date; else the conference date; else, where no conference is required, the start."""
    end, conference, required, start = values
    known = [value for value in (end, conference) if value not in (NOTHING, None, "")]
    if known:
        return dates.full_date(known[0])
    if required not in (NOTHING, None) and boolean(required, work) is False:
        if start not in (NOTHING, None, ""):
            return dates.full_date(start)
        return work.on.isoformat() if work.on else NOTHING
    return None if end is None or conference is None else NOTHING


def referral_end(values: tuple[Any, ...], work: Work) -> Any:
    """Closure date; else, where no further action was taken, the day of the referral."""
    closed, no_action, referred = values
    if closed not in (NOTHING, None, ""):
        return dates.full_date(closed)
    if no_action not in (NOTHING, None) and boolean(no_action, work) is True:
        return NOTHING if referred in (NOTHING, None, "") else dates.full_date(referred)
    return None if closed is None else NOTHING


def nhs_number(value: Any, work: Work) -> Any:
    """An NHS number whose check digit holds."""
    return people.nhs_number(str(value))


def told_nhs_number(value: Any, work: Work) -> Any:
    """An NHS number whose check digit holds; a placeholder says nothing."""
    if is_mask(str(value)) or not str(value).strip("0 -"):
        raise LeftOut("A placeholder stands here: it was read as nothing.")
    return people.nhs_number(returns.whole_number(str(value)))


def possible_nhs_number(value: Any, work: Work) -> Any:
    """An NHS number whose check digit holds; what is none is left out."""
    found = nhs.parse(returns.whole_number(str(value)).strip())
    if found is None:
        raise LeftOut("This is no NHS number and was left out.")
    return found


def contact_month(value: Any, work: Work) -> Any:
    """The month of a date that may be a placeholder."""
    found = returns.day(value, work)
    return found if found is NOTHING else found[:7]


def system_of(value: Any, work: Work) -> Any:
    """The identifier system that a short name stands for at this sender."""
    return people.system_of(str(value), work.sender)


ROLE_LISTS = {
    "": "v3-RoleCode",
    "v3": "v3-RoleCode",
    "v3-rolecode": "v3-RoleCode",
    systems.V3_ROLE.lower(): "v3-RoleCode",
    "nhs": "nhs",
    "ukcore": "ukcore",
    "nhs-data-dictionary": "nhs",
}


def role(values: tuple[Any, ...], work: Work) -> Any:
    """A role in the list that its row names; the lists share codes, so the list decides."""
    code, named = (str(value).strip() if value is not NOTHING else "" for value in values)
    listed = ROLE_LISTS.get(systems.canonical_system(named).lower())
    if listed is None:
        raise Unusable("role_system must be v3-RoleCode, nhs or ukcore.")
    return Coded((code,), code, listed) if code else NOTHING


TRANSFORMS: dict[str, Transform] = {
    "text": Transform(text, "trimmed text, control characters removed"),
    "date": Transform(date, "a day, written year first or day first"),
    "birth-date": Transform(birth_date, "a date of birth, partial where only month or year is known, never in the future"),
    "month": Transform(month, "the month only; the day is not kept"),
    "boolean": Transform(boolean, "true or false, however it is written"),
    "yes-no": Transform(yes_no, "yes, no or unknown"),
    "upn": Transform(upn, "a unique pupil number of 13 letters and digits"),
    "died": Transform(died, "true where the reason is that the person died (RC2, E2, DIED)"),
    "placed-for-adoption": Transform(placed_for_adoption, "a date here means: placed for adoption"),
    "expected-birth-date": Transform(
        expected_birth_date, "due date of a child not yet born; a date of birth removes it", many=True
    ),
    "section-47-end": Transform(
        section_47_end, "end date; else conference date; else, where no conference is required, the start", many=True
    ),
    "referral-end": Transform(
        referral_end, "closure date; else, where no further action was taken, the referral date", many=True
    ),
    "known-text": Transform(known_text, "trimmed text; a placeholder such as UNKNOWN or xx says nothing"),
    "return-date": Transform(
        returns.day,
        "a day in either order; a two-digit year is of this century; a placeholder or an unreadable date leaves open whether it goes on",
    ),
    "return-birth-date": Transform(
        returns.birth_date, "a date of birth, partial where only month or year is known, never in the future"
    ),
    "return-due-date": Transform(
        returns.expected_birth_date, "due date of a child not yet born; a date of birth removes it", many=True
    ),
    "death-date": Transform(returns.death_date, "a day of death, never in the future"),
    "episode-end": Transform(
        returns.episode_end, "closure date; else, where no further action was taken, the day of the referral", many=True
    ),
    "enquiry-end": Transform(
        returns.enquiry_end, "conference date; else, where no conference was required, the start", many=True
    ),
    "enquiry-closed": Transform(
        returns.enquiry_closed, "end date; else, where no further action was taken, the start", many=True
    ),
    "adopted": Transform(returns.adopted, "any of these dates means: adopted", many=True),
    "placement-stands": Transform(
        returns.placement_stands, "the first date without the second means: placed for adoption", many=True
    ),
    "worker": Transform(contacts.worker, "a social worker by number"),
    "first-end": Transform(returns.first_end, "the earliest of the dates that end it", many=True),
    "open-worker": Transform(contacts.open_worker, "the worker who has not ended, latest start first"),
    "role": Transform(role, "the role in the list that role_system names (v3-RoleCode or nhs)", many=True),
    "nhs-number": Transform(nhs_number, "an NHS number whose check digit holds; any other refuses the record"),
    "told-nhs-number": Transform(
        told_nhs_number, "an NHS number whose check digit holds; a placeholder says nothing, any other refuses the record"
    ),
    "nhs-number-if-it-is-one": Transform(possible_nhs_number, "an NHS number whose check digit holds; any other is left out"),
    "contact-month": Transform(contact_month, "the month only; the day is not kept"),
    "identifier-system": Transform(system_of, "the identifier system that the short name stands for at this sender"),
    "hl7-date": Transform(hl7_values.date, "the date of an HL7 time, as exact as it was sent"),
    "hl7-day": Transform(hl7_values.day, "the day of an HL7 time"),
    "cx": Transform(hl7_values.identifiers, "identifiers by type and assigning authority; those of unknown kind are not kept"),
    "xpn": Transform(hl7_values.names, "the legal or first name: family and given only"),
    "cwe": Transform(hl7_values.coded, "the code, its alternate, and the sender's words"),
    "xcn": Transform(hl7_values.clinician, "the first clinician: name and staff number"),
    "ward": Transform(hl7_values.ward, "the name of the ward, without room and bed"),
    "protected": Transform(hl7_values.protected, "Y means: protected"),
    "confidentiality": Transform(hl7_values.confidentiality, "Y means: restricted, never told to others"),
    "access-restriction": Transform(
        hl7_values.access_restriction, "an access restriction other than NO means: protected", many=True
    ),
}
