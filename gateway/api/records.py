"""Native records in: a file of any mapped format, and the DfE daily API at the address that councils know."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.api.edge import MAX_RECORDS, Edge, allowed, base_headers, body_of, fhir, request_id
from gateway.disclosure.requester import Requester
from gateway.exchanges.agencies import parse_profile
from gateway.exchanges.context import Context, new_id
from gateway.exchanges.receive_record import Record, receive_record, refuse_record
from gateway.fhir import systems
from gateway.fhir.outcomes import BadRequest, Forbidden, Issue, NotFound, TooLarge, Unprocessable, outcome
from gateway.mapping.reading import read
from gateway.mapping.records import Mapped, Sender
from gateway.mapping.unreadable import UnknownFormat, Unreadable
from gateway.store import clock
from gateway.store.ledger import Ledger
from gateway.store.sql import Read
from gateway.store.standing import FEEDS

LA_CODE = re.compile(r"[0-9]{3}")
MOST_ISSUES = 200
KEPT_ISSUES = 20_000


@dataclass(slots=True)
class Report:
    """What came of a file, for its sender: computed from the sender's own records alone."""

    received: int = 0
    accepted: int = 0
    refused: int = 0
    written: int = 0
    notices: int = 0
    issues: list[Issue] = field(default_factory=list)
    more: int = 0
    unmatched: dict[tuple[str, str], int] = field(default_factory=dict)

    def note(self, mapped: Mapped) -> None:
        self.received += 1
        self.find([Issue(one.text, one.code, _at(mapped, one), "warning") for one in mapped.warnings])
        for one in mapped.unmatched:
            key = (f"{mapped.version}/{one.table}", one.code)
            self.unmatched[key] = self.unmatched.get(key, 0) + 1

    def find(self, issues: list[Issue]) -> None:
        """Keep what was found; of a very long file the first, and how many more there were."""
        room = max(KEPT_ISSUES - len(self.issues), 0)
        self.issues += issues[:room]
        self.more += len(issues[room:])

    def as_fhir(self) -> dict[str, Any]:
        """Parameters with counts and an OperationOutcome of what was found."""
        counts = ("received", "accepted", "refused", "written")
        parameters: list[dict[str, Any]] = [{"name": name, "valueUnsignedInt": getattr(self, name)} for name in counts]
        parameters += [
            {"name": "unmatched", "part": [
                {"name": "table", "valueString": table},
                {"name": "code", "valueString": code},
                {"name": "count", "valueUnsignedInt": count},
            ]}
            for (table, code), count in sorted(self.unmatched.items())
        ]  # fmt: skip
        if self.issues:
            parameters.append({"name": "outcome", "resource": outcome(self.findings())})
        return {"resourceType": "Parameters", "parameter": parameters}

    def findings(self) -> list[Issue]:
        """What was found, errors before warnings; a last line says how many more there are than are shown."""
        ordered = sorted(self.issues, key=lambda one: one.severity != "error")
        more = len(ordered) - MOST_ISSUES + self.more
        rest = [Issue(f"{more} more findings are not listed.", "informational", severity="information")] if more > 0 else []
        return ordered[:MOST_ISSUES] + rest


def _at(mapped: Mapped, issue: Issue) -> str:
    """A place in the file; a map's own places already begin with the record's."""
    if not issue.where or issue.where.startswith(mapped.where):
        return issue.where or mapped.where
    return f"{mapped.where}: {issue.where}"


async def sender_of(ledger: Ledger, context: Context, agency: str, la_code: str = "") -> Sender:
    """What the maps must know of a sender, from its registration. Raises Forbidden for another council's code."""
    rows = (await ledger.read([Read(FEEDS)]))[0]
    row = next((row for row in rows if row[0] == agency), None)
    if row is None:
        raise Forbidden("Your organisation is not registered here.")
    described = parse_profile(row[0], row[1], row[3])
    if la_code and la_code != described.la_code:
        raise Forbidden("This local authority code is not your organisation's.")
    return Sender(
        agency=agency,
        la_code=described.la_code,
        authorities={"NHS": systems.NHS_NUMBER, **described.authorities},
        base=context.base,
        received=clock.instant(clock.now()),
    )


async def load(
    ledger: Ledger,
    context: Context,
    requester: Requester,
    fmt: str,
    data: bytes | BinaryIO,
    sender: Sender,
    report: Report,
    *,
    request_id: str = "",
) -> None:
    """Read a file and apply its records, one exchange each, in file order. Raises BadRequest, TooLarge, NotFound."""
    try:
        for mapped in read(context.mappings, fmt, data, sender):
            await _one(ledger, Record(requester, mapped, request_id), report)
    except UnknownFormat as fault:
        raise NotFound.of(fault.issues) from None
    except Unreadable as fault:
        kind = TooLarge if any(issue.code == "too-long" for issue in fault.issues) else BadRequest
        raise kind.of(fault.issues) from None


async def _one(ledger: Ledger, record: Record, report: Report) -> None:
    """One record: applied, or refused and on record as refused."""
    report.note(record.mapped)
    faults = list(record.mapped.faults)
    if not faults:
        try:
            receipt = await ledger.run_alone(receive_record, record)
        except Unprocessable as error:
            faults = list(error.issues)
        else:
            report.accepted += 1
            report.written += receipt.written
            report.notices += receipt.notices
            return
    await ledger.run(refuse_record, record)
    report.refused += 1
    report.find([Issue(one.text, one.code, _at(record.mapped, one)) for one in faults])


async def receive_file(edge: Edge, request: Request) -> Response:
    """``POST /records/{format}``: the report names every record that did not land, and why."""
    requester = allowed(edge, request, "records", "c")
    data = await body_of(request, MAX_RECORDS)
    sender = await sender_of(edge.ledger, edge.context, requester.agency)
    report = Report()
    await load(
        edge.ledger, edge.context, requester, request.path_params["format"], data, sender, report, request_id=request_id(request)
    )
    edge.wake()
    if report.received and not report.accepted:
        raise Unprocessable.of(report.findings())
    return fhir(request, report.as_fhir())


async def receive_children(edge: Edge, request: Request) -> Response:
    """The DfE daily children's social care API 1.0.1: at most 100 children, a receipt for them."""
    requester = allowed(edge, request, "records", "c")
    la_code = request.path_params["la_code"]
    if not LA_CODE.fullmatch(la_code):
        raise BadRequest("The local authority code has three digits.", where="la_code")
    data = await body_of(request, MAX_RECORDS)
    sender = await sender_of(edge.ledger, edge.context, requester.agency, la_code)
    report = Report()
    await load(edge.ledger, edge.context, requester, "dfe-csc-api", data, sender, report, request_id=request_id(request))
    edge.wake()
    if report.received and not report.accepted:
        raise BadRequest.of(report.findings())
    if not report.received:
        return Response(status_code=204, headers=base_headers(request))
    receipt = new_id()
    uuid = f"{receipt[:8]}-{receipt[8:12]}-4{receipt[13:16]}-8{receipt[17:20]}-{receipt[20:]}"
    return JSONResponse(uuid, headers={**base_headers(request), "X-Records-Refused": str(report.refused)})
