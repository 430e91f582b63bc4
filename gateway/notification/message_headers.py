"""Headers that go with what is posted, as FHIR's RESTful API and the Booking and Referral Standard (BaRS) have them."""

from __future__ import annotations

import base64
import json
import uuid
from functools import lru_cache

from gateway.fhir.bundles import uuid_of
from gateway.fhir.systems import ODS_CODE


def headers(notice: str, receiver: str) -> dict[str, str]:
    """The id of this attempt, the id that all attempts at one notice share, and the organisation (ODS code) it is for."""
    return {
        "X-Request-Id": str(uuid.uuid4()),
        "X-Correlation-Id": uuid_of(notice),
        "NHSD-Target-Identifier": _target(receiver),
    }


@lru_cache(maxsize=1024)
def _target(receiver: str) -> str:
    identifier = json.dumps({"system": ODS_CODE, "value": receiver}, separators=(",", ":"))
    return base64.b64encode(identifier.encode()).decode()
