"""Whom to ring: the contained PractitionerRole of a Flag."""

from __future__ import annotations

import re
from typing import Any, Final

from gateway.fhir import systems
from gateway.mapping import dates
from gateway.mapping.records import Resource
from gateway.mapping.values import NOTHING, LeftOut, Unusable, Work, is_mask

SOCIAL_WORK_ENGLAND: Final = "https://www.socialworkengland.org.uk/Id/registration"
WORKER_ID = re.compile(r"[A-Za-z0-9_-]{1,12}")
WORKERS = 200


def open_worker(value: Any, work: Work) -> Any:
    """The practitioner of a list of care workers who has not ended; None where all have."""
    if not isinstance(value, list) or len(value) > WORKERS or not all(isinstance(one, dict) for one in value):
        raise Unusable("A list of care workers is due here.")
    if not value:
        return NOTHING
    current = [one for one in value if one.get("worker_id") and not ended(one, work)]
    if not current:
        return None
    latest = max(current, key=lambda one: dates.full_date(one["start_date"]) if one.get("start_date") else "")
    return practitioner(latest["worker_id"])


def ended(worker: dict[str, Any], work: Work) -> bool:
    """Whether the worker's end is there and not in the future."""
    if not worker.get("end_date"):
        return False
    end = dates.full_date(worker["end_date"])
    return work.on is None or end <= work.on.isoformat()


def worker(value: Any, work: Work) -> Any:
    """The practitioner of a worker's number; a placeholder is nobody."""
    if is_mask(str(value)):
        raise LeftOut("A placeholder stands here: it was read as nothing.")
    return practitioner(value)


def practitioner(worker_id: Any) -> Resource:
    """A logical reference to a social worker by registration number."""
    if not isinstance(worker_id, str) or not WORKER_ID.fullmatch(worker_id.strip()):
        raise Unusable("A worker_id has up to 12 letters, digits, hyphens and underscores.")
    return {"type": "Practitioner", "identifier": {"system": SOCIAL_WORK_ENGLAND, "value": worker_id.strip()}}


def attach(flag: Resource, work: Work) -> None:
    """Completes a contact that the map has begun under ``contained``, and points to it.

    A contact that was withdrawn (an explicit null) is removed from the Flag with its pointer.
    """
    begun = flag.pop("contained", None)
    if begun is None:
        return
    role = {key: value for key, value in begun[0].items() if value is not None}
    pointer: Any = {"reference": "#lead"} if role else None
    flag["contained"] = [contact(role, work)] if role else None
    url = systems.extension("contact", work.base)
    flag.setdefault("extension", []).append({"url": url, "valueReference": pointer})


def contact(role: Resource, work: Work) -> Resource:
    """A PractitionerRole of the sender; a team where no person is named."""
    kind = "lead-professional" if "practitioner" in role else "team"
    words = {"lead-professional": "Lead professional", "team": "Team"}
    coding = {"system": systems.code_system("contact-kind", work.base), "code": kind, "display": words[kind]}
    organisation = {"type": "Organization", "identifier": {"system": systems.ODS_CODE, "value": work.sender.agency}}
    return {
        "resourceType": "PractitionerRole", "id": "lead", **role, "organization": organisation, "code": [{"coding": [coding]}],
    }  # fmt: skip
