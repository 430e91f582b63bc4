"""SMART App Launch: who may open the clinician's page, with which patient, and what of it is kept."""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from gateway.demo.people import AMINA, BETH, COUNCIL, LEO, TRUST
from gateway.exchanges.access.administer_launch import add_launch_system, remove_launch_system
from gateway.exchanges.access.administer_sign_in import Ending, end_sessions
from gateway.exchanges.access.launched import LaunchSystem
from gateway.exchanges.administer import revoke_client
from gateway.fhir import systems
from gateway.fhir.outcomes import Conflict, Unprocessable
from gateway.store import tables
from gateway.store.sql import Read, Statement
from gateway.store.upkeep import keep_up
from tests.edge.durable import change
from tests.edge.ehr import CLIENT, Ehr, asks, ehr_of, opened
from tests.edge.issuer import Browser
from tests.edge.test_web_sign_in import entries
from tests.world import BASE, World


@pytest.fixture
async def ehr(world: World) -> AsyncIterator[Ehr]:
    """A record system that is not registered yet."""
    made = ehr_of(world.keys)
    yield made
    made.down()


@pytest.fixture
async def ward(world: World, ehr: Ehr) -> Ehr:
    """The same, registered for the ward's software."""
    await ehr.register(world)
    return ehr


async def test_a_clinician_comes_with_the_patient_that_is_open(world: World, ward: Ehr, browser: Browser) -> None:
    """Organisation and client of the registration, user and role of the record system, the patient of its chart."""
    await opened(world, ward, browser, AMINA)
    page = await browser.get("/family")
    assert "AMINA EXAMPLE" in page.text and "999 000 1006" in page.text and "14 March 1991" in page.text
    assert "Northmoor Mental Health NHS Trust" in page.text and "nurse7, ward nurse" in page.text
    (entry,) = await entries(world, "launch")
    assert (entry.requester, entry.client, entry.user, entry.role, entry.outcome) == (
        TRUST,
        "trust-epr",
        "nurse7",
        "ward-nurse",
        0,
    )


async def test_what_leaves_for_the_record_system_keeps_the_specification(world: World, ward: Ehr, browser: Browser) -> None:
    """Code, PKCE S256, state, nonce, aud the FHIR base, launch handed on; the verifier leaves with the code alone."""
    out = await browser.get(ward.opens("p1", "nurse7").removeprefix(BASE))
    asked = dict(httpx.URL(out.headers["location"]).params)
    assert asked.items() >= {
        "response_type": "code", "client_id": CLIENT, "redirect_uri": f"{BASE}/launch/back", "aud": ward.iss,
        "code_challenge_method": "S256", "scope": "launch openid fhirUser patient/Patient.r user/PractitionerRole.rs",
    }.items()  # fmt: skip
    assert all(len(asked[name]) >= 43 for name in ("state", "nonce", "code_challenge"))
    assert "verifier" not in out.headers["location"]
    assert (await browser.get(ward.enter(out.headers["location"]))).status_code == 303
    assert len(ward.forms[0]["code_verifier"]) >= 43 and ward.forms[0]["client_id"] == CLIENT


async def test_the_page_can_be_started_by_itself(world: World, ward: Ehr, browser: Browser) -> None:
    """Standalone: which organisation, then which patient, asked for at the record system."""
    page = await browser.get("/launch")
    assert "Northmoor" in page.text
    out = await browser.get("/launch?" + str(httpx.QueryParams({"iss": ward.iss})))
    asked = dict(httpx.URL(out.headers["location"]).params)
    assert asked["scope"].startswith("launch/patient ") and "launch" not in asked
    address = ward.let_in(asked, "p1", "cc4").removeprefix(BASE)
    assert (await browser.get(address)).headers["location"] == "/family"


async def test_no_patient_stands_in_an_address_a_row_or_a_cookie(world: World, ward: Ehr, browser: Browser) -> None:
    """Every address that a browser is sent to, every cookie, every cell of a session: sealed or random."""
    sent = await ward.launch(browser, AMINA)
    cells = (await world.gateway.ledger.read([Read(SESSIONS)]))[0]
    texts = [str(sent.headers), str(dict(browser.client.cookies)), *(str(cell) for row in cells for cell in row)]
    for text in texts:
        assert not [word for word in (AMINA.nhs, AMINA.born, "AMINA", "nurse7") if word in text]


SESSIONS = Statement(select(*tables.session.columns))


async def test_the_record_systems_token_reads_patient_and_role_and_is_kept_nowhere(
    world: World, ward: Ehr, browser: Browser
) -> None:
    """Two reads, none afterwards; the token stands in no row."""
    await opened(world, ward, browser, AMINA)
    await asks(browser)
    assert ward.read == ["/fhir/Patient/p1", "/fhir/PractitionerRole?practitioner=nurse7"]
    (token,) = ward.tokens
    rows = (await world.gateway.ledger.read([Read(SESSIONS)]))[0]
    assert not [
        cell for row in rows for cell in row if token.encode() in (cell if isinstance(cell, bytes) else str(cell).encode())
    ]


async def test_a_record_system_that_is_not_registered_is_never_called(world: World, ehr: Ehr, browser: Browser) -> None:
    """Neither an unknown one nor any other address that a link names; refused and on record."""
    for iss in (ehr.iss, "https://elsewhere.example/fhir", "http://169.254.169.254/", "file:///etc/passwd", ""):
        answer = await browser.get("/launch?" + str(httpx.QueryParams({"iss": iss, "launch": "x"})))
        assert answer.status_code == 403 and "may not open this page" in answer.text
    assert not ehr.forms
    assert len(await entries(world, "record_refusal")) == 1  # those of nobody come once a minute, with their number


BAD: dict[str, Callable[[Ehr], Any]] = {
    "another issuer": lambda one: one.said_claims.update(iss="https://elsewhere.example"),
    "another audience": lambda one: one.said_claims.update(aud="another"),
    "another nonce": lambda one: one.said_claims.update(nonce="n" * 43),
    "no nonce": lambda one: one.said_claims.update(nonce=None),
    "expired": lambda one: one.said_claims.update(iat=1_700_000_000, exp=1_700_000_300),
    "a patient as user": lambda one: one.said_claims.update(fhirUser=f"{one.iss}/Patient/p1"),
    "a user of elsewhere": lambda one: one.said_claims.update(fhirUser="https://elsewhere.example/fhir/Practitioner/nurse7"),
    "no user": lambda one: one.said_claims.update(fhirUser=None),
    "not signed": lambda one: one.said_tokens.update(id_token="x.y.z"),
    "no ID token": lambda one: one.said_tokens.update(id_token=None),
    "no patient": lambda one: one.said_tokens.update(patient=None),
    "a patient that is a path": lambda one: one.said_tokens.update(patient="../Patient/p1"),
    "another patient than asked for": lambda one: one.said_patient.update(id="p2"),
    "no Patient": lambda one: one.said_patient.update(resourceType="Person"),
}


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize("fault", BAD)
async def test_what_does_not_hold_opens_nothing(world: World, ward: Ehr, browser: Browser, fault: str) -> None:
    """One rule broken at a time: no session, no cookie of one, on record."""
    BAD[fault](ward)
    came = await ward.launch(browser, AMINA)
    assert came.status_code == 403 and "could not be completed" in came.text
    assert (await browser.get("/family")).headers["location"] == "/launch"
    refused = [*await entries(world, "launch"), *await entries(world, "record_refusal")]
    assert [one.outcome for one in refused] == [4]


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize(
    "said",
    [
        {"identifier": []},
        {"identifier": [{"system": systems.NHS_NUMBER, "value": "9990001007"}]},
        {"identifier": [{"system": systems.NHS_NUMBER, "value": AMINA.nhs}, {"system": systems.NHS_NUMBER, "value": BETH.nhs}]},
        {"birthDate": "1991"},
        {"birthDate": None},
        {
            "identifier": [
                {
                    "system": systems.NHS_NUMBER, "value": AMINA.nhs,
                    "extension": [{"url": systems.NHS_NUMBER_STATUS_EXT, "valueCodeableConcept": {"coding": [{"code": "02"}]}}],
                }
            ]
        },
    ],
)  # fmt: skip
async def test_a_patient_without_verified_number_and_birth_date_is_not_asked_about(
    world: World, ward: Ehr, browser: Browser, said: dict[str, Any]
) -> None:
    """It says what is missing of the ward's own record, and that this says nothing about the patient."""
    ward.said_patient = said
    came = await ward.launch(browser, AMINA)
    assert came.status_code == 403 and "no verified NHS number" in came.text and "says nothing about the patient" in came.text


async def test_without_pkce_there_is_no_launch(world: World, ward: Ehr, browser: Browser) -> None:
    """SMART App Launch 2.2 requires S256; a record system without it is not used."""
    ward.said_document = {"code_challenge_methods_supported": ["plain"]}
    out = await browser.get(ward.opens("p1", "nurse7").removeprefix(BASE))
    assert out.status_code == 503 and "does not answer" in out.text


async def test_an_attempt_counts_once_in_one_browser(world: World, ward: Ehr, browser: Browser) -> None:
    """Another browser, another state, a second use: nothing, even where the record system takes its code again."""
    ward.generous = True
    ward.patients["p1"] = AMINA
    out = await browser.get(ward.opens("p1", "nurse7").removeprefix(BASE))
    address = ward.enter(out.headers["location"])
    cookie = dict(browser.client.cookies)
    browser.client.cookies.clear()
    assert (await browser.get(address)).status_code == 403
    browser.client.cookies.update(cookie)
    assert (await browser.get(address.replace("state=", "state=x"))).status_code == 403
    assert (await browser.get(address)).status_code == 303
    browser.client.cookies.update(cookie)
    assert (await browser.get(address)).status_code == 403
    assert [dict(one.detail)["result"] for one in await entries(world, "launch") if one.outcome] == ["replayed"]


async def test_a_role_that_is_not_registered_opens_nothing(world: World, ward: Ehr, browser: Browser) -> None:
    """Nor does one that the client's users may not have."""
    ward.role_codes = ("porter",)
    came = await ward.launch(browser, AMINA)
    assert came.status_code == 403 and "gives you no role" in came.text
    (entry,) = await entries(world, "launch")
    assert (entry.refusal, entry.user) == ("role-not-allowed", "nurse7")


async def test_roles_are_mapped_from_a_claim_where_one_is_registered(world: World, ehr: Ehr, browser: Browser) -> None:
    """The record system's own values; PractitionerRole is not read then."""
    await ehr.register(world, role_claim="groups", roles={"G-CC": "care-coordinator"})
    ehr.said_claims = {"groups": ["G-CC", "G-OTHER"]}
    await opened(world, ehr, browser, AMINA)
    assert "care coordinator" in (await browser.get("/family")).text
    assert ehr.read == ["/fhir/Patient/p1"]


@pytest.mark.parametrize("claim", ["", "groups"])
async def test_somebody_with_two_roles_is_one_person(world: World, ehr: Ehr, browser: Browser, claim: str) -> None:
    """Where the record system names a PractitionerRole, its practitioner is the user: as on cards, and for a second person."""
    await ehr.register(world, role_claim=claim, roles={"G-WN": "ward-nurse"} if claim else {})
    for role in ("role-a", "role-b"):
        ehr.said_claims = {"fhirUser": f"{ehr.iss}/PractitionerRole/{role}", "groups": ["G-WN"]}
        await opened(world, ehr, browser, AMINA)
    assert [one.user for one in await entries(world, "launch")] == ["nurse7", "nurse7"]
    ehr.said_role = {"practitioner": {}}
    assert (await ehr.launch(browser, AMINA)).status_code == 403


async def test_a_secret_goes_into_the_header_and_stands_in_no_row(world: World, ehr: Ehr, browser: Browser) -> None:
    """Confidential symmetric clients prove themselves by HTTP Basic."""
    ehr.secret = "opensesame-4711"
    await ehr.register(world)
    await opened(world, ehr, browser, AMINA)
    rows = (await world.gateway.ledger.read([Read(Statement(select(*tables.launch_system.columns)))]))[0]
    assert not [cell for row in rows for cell in row if "opensesame" in str(cell)]


async def test_our_own_key_proves_us_where_the_record_system_takes_it(world: World, ward: Ehr, browser: Browser) -> None:
    """private_key_jwt with the algorithm of the key in our JWKS."""
    ward.said_document = {
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["ES256"],
    }
    await ward.launch(browser, AMINA)
    (form,) = ward.forms
    head = form["client_assertion"].split(".")[0]
    assert b'"ES256"' in base64.urlsafe_b64decode(head + "==")


async def test_a_form_of_the_patient_before_counts_for_nothing(world: World, ward: Ehr, browser: Browser) -> None:
    """Another chart was opened meanwhile: the page that was left open asks about nobody."""
    await opened(world, ward, browser, AMINA)
    stale = re.findall(r'name="csrf" value="([^"]+)"', (await browser.get("/family")).text)[0]
    await opened(world, ward, browser, BETH)
    answer = await browser.post("/family", {"csrf": stale, "purpose": "amh-care-planning"})
    assert answer.status_code == 403 and "Nothing was done" in answer.text
    assert "BETH SAMPLE" in (await browser.get("/family")).text
    assert not await entries(world, "look_up_status")


async def test_a_launch_opens_no_other_page_and_a_sign_in_no_patient(world: World, ward: Ehr, browser: Browser) -> None:
    """What the browser holds for one is nothing as the other."""
    await opened(world, ward, browser, AMINA)
    for path in ("/inbox", "/console"):
        assert (await browser.get(path)).headers["location"].startswith("/sign-in")
    browser.client.cookies.set("session", browser.client.cookies["launch"])
    assert (await browser.get("/inbox")).headers["location"].startswith("/sign-in")


ENDED: dict[str, Callable[[World], Any]] = {
    "client revoked": lambda world: world.gateway.ledger.run_alone(revoke_client, "trust-epr"),
    "record system removed": lambda world: world.gateway.ledger.run_alone(remove_launch_system, "trust-epr"),
    "sessions ended": lambda world: world.gateway.ledger.run_alone(end_sessions, Ending(TRUST, "nurse7")),
}


@pytest.mark.parametrize("how", ENDED)
async def test_a_launch_ends_when_it_should(world: World, ward: Ehr, browser: Browser, how: str) -> None:
    """At once, for every worker; a form that is sent afterwards does nothing."""
    await opened(world, ward, browser, AMINA)
    csrf = re.findall(r'name="csrf" value="([^"]+)"', (await browser.get("/family")).text)[0]
    await ENDED[how](world)
    assert (await browser.get("/family")).headers["location"] == "/launch"
    answer = await browser.post("/family", {"csrf": csrf, "purpose": "amh-care-planning"})
    assert answer.status_code == 401 and "Nothing was done" in answer.text


async def test_who_closes_the_patient_has_no_page_any_more(world: World, ward: Ehr, browser: Browser) -> None:
    """On record as a sign-out; the row is gone."""
    await opened(world, ward, browser, AMINA)
    csrf = re.findall(r'name="csrf" value="([^"]+)"', (await browser.get("/family")).text)[0]
    assert (await browser.post("/launch/close", {"csrf": csrf})).headers["location"] == "/launch/closed"
    assert "closed here" in (await browser.get("/launch/closed")).text
    assert (await browser.get("/family")).headers["location"] == "/launch"
    assert len(await entries(world, "close_launch")) == 1
    assert not (await world.gateway.ledger.read([Read(SESSIONS)]))[0]


async def test_a_launch_is_over_after_its_time(world: World, ward: Ehr, browser: Browser) -> None:
    """Idle, and its row is swept when its hours have passed."""
    await opened(world, ward, browser, AMINA)
    change(world.settings, "UPDATE session SET seen = 1")
    assert (await browser.get("/family")).headers["location"] == "/launch"
    change(world.settings, "UPDATE session SET expires = 1")
    await keep_up(world.gateway.ledger, world.gateway.context.vault)
    assert not (await world.gateway.ledger.read([Read(SESSIONS)]))[0]


async def test_registrations_are_checked_and_on_record(world: World, ehr: Ehr) -> None:
    """One record system for a client, one client for a record system; addresses and roles that make sense."""
    await ehr.register(world, roles={"N": "ward-nurse"})
    assert [one.custodian for one in await entries(world, "add_launch_system")] == [TRUST]
    add, good = world.gateway.ledger.run_alone, LaunchSystem("https://epr.example/fhir", "council-system", CLIENT, "", "", {})
    for wrong, kind in (
        (LaunchSystem("https://epr.example/fhir", "trust-epr", CLIENT, "", "", {}), Conflict),
        (LaunchSystem(ehr.iss, "council-system", CLIENT, "", "", {}), Conflict),
        (LaunchSystem("https://epr.example/fhir", "nobody", CLIENT, "", "", {}), Unprocessable),
        (LaunchSystem("https://epr.example/fhir", "trust-auditor", CLIENT, "", "", {}), Unprocessable),
        (LaunchSystem("http://epr.example/fhir", "council-system", CLIENT, "", "", {}), Unprocessable),
        (LaunchSystem("https://epr.example/fhir/", "council-system", CLIENT, "", "", {}), Unprocessable),
        (LaunchSystem("https://epr.example/fhir", "council-system", "", "", "", {}), Unprocessable),
        (LaunchSystem("https://epr.example/fhir", "council-system", CLIENT, "", "", {"N": "ward-nurse"}), Unprocessable),
    ):
        with pytest.raises(kind):
            await add(add_launch_system, wrong)
    await add(add_launch_system, good)
    assert [one.custodian for one in await entries(world, "add_launch_system")] == [TRUST, COUNCIL]
    assert LEO.nhs not in str(await entries(world, "add_launch_system"))
