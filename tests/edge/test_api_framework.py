"""Errors that no operation raises, headers of every answer, negotiation: in FHIR's words throughout."""

import json
import logging
import sqlite3
from contextlib import closing

import httpx
import psycopg
import pytest

from gateway.demo import people
from gateway.demo.people import AMINA, LEO
from tests.data.edge import flag, log_of, outcome, reference
from tests.world import World

FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    "path", ["/", "/fhir", "/fhir/Encounter", "/fhir/Flag/a/b/c", "/fhir/Flag/not_an_id", "/oauth2", "/records"]
)
async def test_an_address_where_nothing_is_answers_404_in_fhir(world: World, path: str) -> None:
    """No framework page: an OperationOutcome that does not repeat the address."""
    (issue,) = outcome(await world.client.get(path), 404)
    assert issue["code"] == "not-found"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/fhir/Flag", "GET, HEAD, POST"),
        ("DELETE", "/fhir/Flag/abc", "GET, HEAD, PUT"),
        ("PATCH", "/fhir/Consent/abc", "GET, HEAD, PUT"),
        ("GET", "/fhir/Flag/_search", "POST"),
        ("OPTIONS", "/fhir/Subscription/abc", "DELETE, GET, HEAD, PUT"),
        ("GET", "/fhir/Patient/$known-to-services", "POST"),
        ("POST", "/fhir/AuditEvent", "GET, HEAD"),
        ("PUT", "/fhir/AuditEvent/abc", "GET, HEAD"),
        ("DELETE", "/fhir/AuditEvent/abc", "GET, HEAD"),
        ("PATCH", "/fhir/AuditEvent/abc", "GET, HEAD"),
        ("PUT", "/fhir/Patient/abc", "GET, HEAD"),
        ("GET", "/oauth2/token", "POST"),
        ("POST", "/fhir/metadata", "GET, HEAD"),
    ],
)
async def test_a_method_that_is_not_offered_names_those_that_are(world: World, method: str, path: str, allow: str) -> None:
    """405 with every method that is offered at the address, whatever operation offers it."""
    answer = await world.client.request(method, path)
    (issue,) = outcome(answer, 405)
    assert issue["code"] == "not-supported"
    assert answer.headers["allow"] == allow


async def test_without_a_token_that_holds_the_answer_is_a_challenge(world: World) -> None:
    """401 with WWW-Authenticate, the same for no token, a broken one and one of another kind."""
    said = set()
    for stated in ({}, {"Authorization": "Bearer x.y.z"}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}):
        answer = await world.client.get("/fhir/Flag", headers=stated)
        (issue,) = outcome(answer, 401)
        assert issue["code"] == "login"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        said.add(issue["diagnostics"])
    assert len(said) == 2  # none sent, or one that is not valid


async def test_a_scope_that_was_not_granted_is_403(world: World) -> None:
    """The health visitors' software has no scope for records; the auditor's none for lookups."""
    visitor = world.as_("health-visiting-system", "hv1", "health-visitor", "early-help")
    (issue,) = outcome(await visitor.get("/fhir/Flag"), 403)
    assert issue["code"] == "forbidden"
    outcome(await world.auditor().asks(AMINA, "audit"), 403)
    outcome(await visitor.post("/records/crosswalk", "x", "text/csv"), 403)


async def test_only_json_is_answered(world: World) -> None:
    """406 for XML by Accept or _format, also where no token is needed; _format counts before Accept."""
    council = world.as_("council-system")
    for path in ("/fhir/Flag", "/fhir/metadata", "/fhir/CodeSystem"):
        for accept in ("application/fhir+xml", "text/html", "application/fhir+json;q=0"):
            outcome(await council.get(path, Accept=accept), 406)
        outcome(await council.get(f"{path}?_format=xml"), 406)
        good = ("application/fhir+json; fhirVersion=4.0", "text/html, */*;q=0.1", "application/json", "application/*")
        for accept in good:
            assert (await council.get(path, Accept=accept)).status_code == 200
        for form in ("json", "application/fhir+json", "application%2Ffhir%2Bjson"):
            assert (await council.get(f"{path}?_format={form}", Accept="application/fhir+xml")).status_code == 200


async def test_only_json_is_read(world: World) -> None:
    """415 for XML, for no type at all, and for a packed body."""
    council = world.as_("council-system")
    for kind in ("application/fhir+xml", "text/plain", ""):
        (issue,) = outcome(await council.post("/fhir/Flag", flag(LEO), kind), 415)
        assert issue["code"] == "not-supported"
    assert (await council.post("/fhir/Flag", flag(LEO), 'application/fhir+json; charset="UTF-8"')).status_code == 201


async def test_every_answer_forbids_storing_and_carries_the_request_id(world: World) -> None:
    """Good answers, refusals and the framework's own; a well-formed id is echoed, and so is the correlation id."""
    council = world.as_("council-system", "sw22", "social-worker", "safeguarding-s47")
    ids = {"X-Request-Id": "Request.1-a", "X-Correlation-Id": "Correlation.2-b"}
    token = {"Authorization": (await council.headers())["Authorization"]}
    answers = [
        await world.client.request(method, path, headers={**token, **ids})
        for method, path in (
            ("GET", "/fhir/metadata"), ("GET", "/.well-known/smart-configuration"), ("GET", "/oauth2/jwks"), ("POST", "/oauth2/token"),
            ("GET", "/health/live"), ("GET", "/health/ready"), ("GET", "/fhir/Flag"), ("GET", "/fhir/Flag/abc"), ("GET", "/nowhere"),
            ("PUT", "/fhir/metadata"), ("POST", "/fhir/$process-message"), ("POST", "/oauth2/introspect"), ("GET", "/fhir/CodeSystem/answer"),
            ("POST", "/children_social_care_data/999/children"),
        )
    ]  # fmt: skip
    answers.append(
        await council.post("/fhir/Patient/$known-to-services", people.lookup(AMINA, "safeguarding-s47", case="C"), **ids)
    )
    assert answers[-1].status_code == 200
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store", answer.url
        assert answer.headers["x-content-type-options"] == "nosniff", answer.url
        assert answer.headers["x-request-id"] == "Request.1-a", answer.url
        assert answer.headers["x-correlation-id"] == "Correlation.2-b", answer.url


@pytest.mark.parametrize("stated", ["a b", "<script>", "x" * 65, "é", "a\tb", ""])
async def test_an_id_that_is_not_well_formed_is_never_reflected(world: World, stated: str) -> None:
    """A new id takes its place; a malformed correlation id is left out."""
    headers = [(b"x-request-id", stated.encode()), (b"x-correlation-id", stated.encode())]
    for path in ("/fhir/metadata", "/nowhere", "/fhir/Flag"):
        answer = await world.client.get(path, headers=httpx.Headers(headers))
        assert len(answer.headers["x-request-id"]) == 32
        assert "x-correlation-id" not in answer.headers
        assert not stated or stated not in answer.text


async def test_the_request_id_stands_in_the_access_log(world: World) -> None:
    """So that both sides can speak of one request, refused ones too."""
    council = world.as_("council-system")
    await council.get("/fhir/Flag", **{"X-Request-Id": "find-me-1"})
    await council.get("/fhir/Flag/abc?patient=x", **{"X-Request-Id": "find-me-2"})
    held = json.dumps(await log_of(world.auditor("council")))
    assert "find-me-1" in held
    assert "find-me-2" in held


@pytest.mark.parametrize(
    "name",
    ["patient:identifier", "patient.identifier", "patient", "identifier", "subject:identifier", "agent", "family", "birthdate"],
)
async def test_a_person_in_an_address_is_refused_and_not_logged(
    world: World, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    """GET, HEAD and POST alike: addresses end up in the logs of others; ours holds nothing of it either."""
    council = world.as_("council-system")
    query = httpx.QueryParams({name: f"https://fhir.nhs.uk/Id/nhs-number|{AMINA.nhs}"})
    with caplog.at_level(logging.DEBUG):
        issues = outcome(await council.get(f"/fhir/Flag?{query}"), 400)
        outcome(await council.post(f"/fhir/Flag/_search?{query}", "status=active", FORM), 400)
        headers = await council.headers()
        assert (await world.client.head(f"/fhir/Flag?{query}", headers=headers)).status_code == 400
    assert AMINA.nhs not in json.dumps(issues)
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert AMINA.nhs not in "".join(record.getMessage() for record in ours)


async def test_a_failure_of_ours_is_500_without_a_word_of_what_failed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cause is in our own log; the entry of the access log says that we failed."""
    council = world.as_("council-system")
    await council.headers()

    class Broken:
        """A vault that has lost its keys."""

        def __getattr__(self, name: str) -> object:
            raise RuntimeError("secret of the house")

    held = world.gateway.context.vault
    object.__setattr__(world.gateway.context, "vault", Broken())
    try:
        answer = await council.searches("Flag", patient__identifier="https://x.example|1")
    finally:
        object.__setattr__(world.gateway.context, "vault", held)
    (issue,) = outcome(answer, 500)
    assert issue["code"] == "exception"
    assert "secret" not in answer.text
    assert [one["outcome"] for one in await log_of(world.auditor("council"), exchange="record_refusal")] == ["8"]


async def test_when_the_log_cannot_be_written_nothing_is_answered_but_that(world: World) -> None:
    """503, also for what would have been refused with another status: no answer without its entry."""
    council = world.as_("council-system", "sw22", "social-worker", "safeguarding-s47")
    await council.headers()
    rename = "ALTER TABLE audit_entry RENAME TO audit_gone"
    if world.settings.on_postgres:
        with psycopg.connect(world.settings.database_url, autocommit=True) as other:
            other.execute(rename)
    else:
        with closing(sqlite3.connect(world.settings.database_file)) as other:
            other.execute(rename)
    for answer in (
        await council.asks(AMINA, "safeguarding-s47", case="C"),
        await council.get("/fhir/Flag"),
        await council.post("/fhir/Flag", "{"),
        await council.post("/fhir/Flag", {**flag(LEO), "subject": reference(LEO)}),
    ):
        (issue,) = outcome(answer, 503)
        assert issue["code"] == "transient"
