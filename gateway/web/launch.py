"""SMART App Launch 2.2: a clinician opens the page from their record system, with a patient open there, or by itself.

Authorization code with PKCE (S256), state and nonce. Record systems are allow-listed: an address that is not registered
is never called. What an attempt is bound to travels in a sealed cookie of ten minutes; the access token is used for the
patient and the user's roles and kept nowhere.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson
from starlette.responses import Response

from gateway.exchanges.access.launch import Arrived, Close, Launch, Opened, close_launch, launch
from gateway.exchanges.access.launched import LaunchSystem, PatientInContext, launch_system_of
from gateway.exchanges.lookup import sent_patient
from gateway.fhir.outcomes import Forbidden, Unavailable
from gateway.partners.id_tokens import Attempt, Expected, kid_of, user_and_roles
from gateway.partners.issuers import IssuerFault
from gateway.partners.jose_strict import TokenRefused
from gateway.partners.record_systems import SmartConfiguration, Tokens
from gateway.store import clock, launches
from gateway.store.sql import Read
from gateway.web import attempts
from gateway.web.attempts import AGAIN
from gateway.web.launch_visits import COOKIE
from gateway.web.visits import Visit, Web

log = logging.getLogger("gateway.web")

BACK, HOME = "/launch/back", "/family"
ATTEMPT = "launching"  # the cookie of an attempt
USER = re.compile(r"(Practitioner|PractitionerRole)/([A-Za-z0-9\-.]{1,64})")
MOST_LAUNCH = 2048  # characters of a launch parameter
MOST_PURPOSE = 64
NOT_REGISTERED = "This record system may not open this page. Whoever runs the gateway registers it for your organisation."
NOT_ANSWERING = "Your record system does not answer just now. Please open this page again from there."
NO_ROLE = "Your record system gives you no role that may use this page. Ask whoever manages access there."
NO_NUMBER = (
    "The record of this patient has no verified NHS number, or no whole birth date. Nothing can be asked about them by this "
    "page. Have the number traced; until then ring the services concerned. This says nothing about the patient."
)
WHY = {"no-role": NO_ROLE, "no-number": NO_NUMBER}


@dataclass(frozen=True, slots=True)
class Outward:
    """An attempt on its way: at which record system, what it is bound to, and when it ends (seconds)."""

    iss: str
    state: str
    nonce: str
    verifier: str
    ends: int


class Said(NamedTuple):
    """What a record system said of a launch, to be judged by its registration."""

    published: SmartConfiguration
    tokens: Tokens
    patient: dict[str, Any]
    stated: tuple[str, ...] = ()  # codes of PractitionerRole; none where a claim holds the roles
    practitioner: str = ""  # whose PractitionerRole it is


async def begin(visit: Visit) -> Response:
    """``GET /launch``: on to the record system that stands in the launch; without one, which record system it is."""
    query = visit.request.query_params
    if "iss" not in query:
        (rows,) = await visit.web.ledger.read([Read(launches.LAUNCH_SYSTEMS)])
        links = [(row[0], "/launch?" + urlencode({"iss": row[1]})) for row in rows]
        return visit.page("launch.html", links=links)
    system = await _system(visit.web, query["iss"])
    published = await _published(visit.web, system.iss)
    attempt = Attempt.new()
    outward = Outward(system.iss, attempt.state, attempt.nonce, attempt.verifier, int(time.time()) + attempts.SECONDS)
    response = visit.to(attempts.onward(published.authorization_endpoint, _asked(visit, system, attempt)))
    attempts.keep(visit.web, response, ATTEMPT, outward)
    return response


def _asked(visit: Visit, system: LaunchSystem, attempt: Attempt) -> dict[str, str]:
    """The authorization request (SMART App Launch 2.2, section 2.0.9)."""
    opened = visit.request.query_params.get("launch", "")[:MOST_LAUNCH]
    context = "launch" if opened else "launch/patient"
    return {
        "response_type": "code", "client_id": system.client_id, "redirect_uri": visit.web.root + BACK,
        **({"launch": opened} if opened else {}), "scope": f"{context} openid fhirUser patient/Patient.r user/PractitionerRole.rs",
        "state": attempt.state, "aud": system.iss, "nonce": attempt.nonce,
        "code_challenge": attempt.challenge, "code_challenge_method": "S256",
    }  # fmt: skip


async def back(visit: Visit) -> Response:
    """``GET /launch/back``: back from the record system with a code; a session if all holds. Raises Forbidden, Unavailable."""
    web = visit.web
    outward = Outward(**attempts.opened(web, visit, ATTEMPT))
    code = attempts.code_of(visit, outward.state)
    system = await _system(web, outward.iss)
    said = await _said(web, system, outward, code)
    held, before = secrets.token_urlsafe(32), visit.request.cookies.get(web.cookie(COOKIE), "")
    ask = Launch(
        iss=outward.iss,
        state=outward.state,
        attempt_ends=(outward.ends + 60) * clock.SECOND,
        verify=lambda registered: _proved(registered, outward, said),
        token=launches.launch_token(web.context.vault, held),
        csrf=secrets.token_urlsafe(32),
        lasts=web.lasts,
        before=launches.launch_token(web.context.vault, before) if before else b"",
        request_id=visit.request_id,
    )
    return _done(visit, await web.ledger.run_alone(launch, ask), held)


def _done(visit: Visit, came: Opened, held: str) -> Response:
    """On to the page, or why not; the refusal is on record by its exchange."""
    web = visit.web
    if came.launched is None:
        response = visit.page("error.html", 403, code=403, texts=[WHY.get(came.reason, AGAIN)], desks=[])
    else:
        response = visit.to(HOME)
        attempts.keep_cookie(web, response, COOKIE, held)
    attempts.drop_cookie(web, response, ATTEMPT)
    return response


async def close(visit: Visit) -> Response:
    """``POST /launch/close``: the patient is closed here too."""
    assert visit.launched is not None
    await visit.web.ledger.run(close_launch, Close(visit.launched, visit.token, visit.request_id))
    response = visit.to("/launch/closed")
    attempts.drop_cookie(visit.web, response, COOKIE)
    return response


async def closed(visit: Visit) -> Response:
    """``GET /launch/closed``."""
    return visit.page("launch_closed.html")


# -- what a record system says ---------------------------------------------------------------------------------------


async def _system(web: Web, iss: str) -> LaunchSystem:
    """The registered record system of a launch. Raises Forbidden: nothing else is ever called."""
    (rows,) = await web.ledger.read([Read(launches.AT_ISS, {"iss_url": iss.removesuffix("/")[:MOST_LAUNCH]})])
    system = launch_system_of(web.context.vault, rows[0]) if rows else None
    if system is None or not system.is_open:
        raise Forbidden(NOT_REGISTERED)
    return system


async def _published(web: Web, iss: str) -> SmartConfiguration:
    try:
        return await web.record_systems.published(iss)
    except IssuerFault as fault:
        log.warning("a record system cannot be used", extra={"operation": "launch", "state": str(fault)})
        raise Unavailable(NOT_ANSWERING) from fault


async def _said(web: Web, system: LaunchSystem, outward: Outward, code: str) -> Said:
    """Tokens for the code, then the patient and the user's roles by them. Raises Unavailable, Forbidden."""
    published, asks = await _published(web, system.iss), web.record_systems
    form = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": web.root + BACK, "code_verifier": outward.verifier,
        **_proof(web, system, published),
    }  # fmt: skip
    basic = (system.client_id, system.secret) if system.secret else None
    try:
        tokens = await asks.redeem(published.token_endpoint, form, basic)
        published = await asks.published(system.iss, kid=kid_of(tokens.id_token))
        return await _with_roles(web, system, outward, Said(published, tokens, await asks.patient(system.iss, tokens)))
    except IssuerFault as fault:
        log.warning("a record system gave nothing for a code", extra={"operation": "launch", "state": str(fault)})
        raise Forbidden(AGAIN) from fault


async def _with_roles(web: Web, system: LaunchSystem, outward: Outward, said: Said) -> Said:
    """With what the user's PractitionerRole says: codes, and whose it is. Without, where a claim holds the roles of a
    Practitioner, or where the ID token does not hold: it is judged again, on record."""
    try:
        (kind, identifier), _ = _user(system, outward, said)
    except ValueError:
        return said
    if system.role_claim and kind == "Practitioner":
        return said
    sent = sent_patient.roles_in(await web.record_systems.roles(system.iss, said.tokens, kind, identifier))
    own = [one for one in sent if sent_patient.is_role_of(one, kind, identifier)]
    return said._replace(stated=sent_patient.codes_of(own), practitioner=sent_patient.practitioner_of(own))


def _proof(web: Web, system: LaunchSystem, published: SmartConfiguration) -> dict[str, str]:
    """How we prove ourselves: a secret goes into a header, our key signs where it is taken; else PKCE stands alone."""
    if system.secret:
        return {}
    if published.takes_our_key:
        return attempts.signed_proof(web, system.client_id, published.token_endpoint)
    return {"client_id": system.client_id}


def _user(system: LaunchSystem, outward: Outward, said: Said) -> tuple[tuple[str, str], tuple[str, ...]]:
    """Kind and id of the user, and the values of the role claim. Raises ValueError with a machine reason."""
    expected = Expected(said.published.issuer, system.client_id, outward.nonce, "fhirUser", system.role_claim)
    try:
        stated, roles = user_and_roles(said.tokens.id_token, said.published.keys, expected, time.time())
    except TokenRefused as refused:
        raise ValueError(refused.reason) from None
    found = USER.fullmatch(stated.removeprefix(f"{system.iss}/"))
    if found is None:
        raise ValueError("user")  # a patient, a relative, or somebody of another record system
    return (found[1], found[2]), roles


def _proved(registered: LaunchSystem, outward: Outward, said: Said) -> Arrived:
    """What a launch proves by the registration as it stands now. Raises ValueError with a machine reason."""
    (kind, identifier), claimed = _user(registered, outward, said)
    roles = claimed if registered.role_claim else said.stated
    user = identifier if kind == "Practitioner" else said.practitioner
    if roles and not user:
        raise ValueError("user")  # somebody with two roles must not pass for two people
    number, verified = sent_patient.number_of(said.patient)
    born = sent_patient.birth_date_of(said.patient)
    if not (number and verified and born):
        raise ValueError("no-number")
    patient = PatientInContext(number, born, sent_patient.name_of(said.patient), sent_patient.gender_of(said.patient))
    return Arrived(user or identifier, roles, patient, _suggested(said.tokens.context))


def _suggested(context: str) -> str:
    """The purpose of the card by whose link they came (its appContext); it chooses nothing, it is offered first."""
    try:
        stated = orjson.loads(context) if context else {}
    except orjson.JSONDecodeError:
        return ""
    purpose = stated.get("purpose") if isinstance(stated, dict) else None
    return purpose if isinstance(purpose, str) and len(purpose) <= MOST_PURPOSE else ""
