"""The one error tree, and its one table to HTTP status and OperationOutcome (FHIR R4).

Expected refusals of a lookup are values, not exceptions; these are for requests that cannot be served::

    GatewayError
    ├── BadRequest        400  cannot be read: syntax, size, encoding
    ├── NotAuthenticated  401  no token, or one that proves nothing
    ├── Forbidden         403  a token that may not do this
    ├── NotFound          404  not there, or not yours: the same words for both
    ├── MethodNotAllowed  405
    ├── NotAcceptable     406
    ├── Conflict          409  the state of things forbids it: an id reused, a version passed
    ├── Gone              410
    ├── PreconditionFailed 412  If-Match names another version
    ├── TooLarge          413
    ├── UnsupportedMedia  415
    ├── Unprocessable     422  readable, but breaks a rule of FHIR or of the gateway
    ├── PreconditionRequired 428
    ├── TooMany           429
    └── Unavailable       503  nothing was done; try again
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding, for people: what is wrong, where, and which rule says so.

    ``code`` is from the required value set issue-type; ``where`` is a FHIRPath or a place in a file.
    """

    text: str
    code: str = "invalid"
    where: str = ""
    severity: str = "error"
    coding: str = ""  # system|code of a further code, where a profile of messaging asks for one

    def as_fhir(self) -> dict[str, Any]:
        """OperationOutcome.issue."""
        issue: dict[str, Any] = {"severity": self.severity, "code": self.code, "diagnostics": self.text}
        if self.coding:
            system, _, code = self.coding.partition("|")
            issue["details"] = {"coding": [{"system": system, "code": code}]}
        if self.where:
            issue["expression"] = [self.where]
        return issue


class GatewayError(Exception):
    """A request that is not served. ``issues`` are shown to the caller, so they never name a person."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "exception"

    def __init__(self, text: str, *more: Issue, where: str = "", code: str = "", headers: dict[str, str] | None = None):
        super().__init__(text)
        self.issues = (Issue(text, code or self.code, where), *more)
        self.headers = headers or {}

    @classmethod
    def of(cls, issues: tuple[Issue, ...] | list[Issue]) -> Self:
        """An error that carries these issues, at least one."""
        error = cls(issues[0].text)
        error.issues = tuple(issues)
        return error


class BadRequest(GatewayError):
    status, code = 400, "structure"


class NotAuthenticated(GatewayError):
    status, code = 401, "login"


class Forbidden(GatewayError):
    status, code = 403, "forbidden"


class NotFound(GatewayError):
    status, code = 404, "not-found"


class MethodNotAllowed(GatewayError):
    status, code = 405, "not-supported"


class NotAcceptable(GatewayError):
    status, code = 406, "not-supported"


class Conflict(GatewayError):
    status, code = 409, "conflict"


class Gone(GatewayError):
    status, code = 410, "deleted"


class PreconditionFailed(GatewayError):
    status, code = 412, "conflict"


class TooLarge(GatewayError):
    status, code = 413, "too-long"


class UnsupportedMedia(GatewayError):
    status, code = 415, "not-supported"


class Unprocessable(GatewayError):
    status, code = 422, "invalid"


class PreconditionRequired(GatewayError):
    status, code = 428, "required"


class TooMany(GatewayError):
    status, code = 429, "throttled"


class Unavailable(GatewayError):
    status, code = 503, "transient"


def outcome(issues: tuple[Issue, ...] | list[Issue]) -> dict[str, Any]:
    """An OperationOutcome with at least one issue."""
    shown = list(issues) or [Issue("Done.", "informational", severity="information")]
    return {"resourceType": "OperationOutcome", "issue": [issue.as_fhir() for issue in shown]}
