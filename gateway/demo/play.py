"""The story of one family, played through the public API of a running gateway, and told in plain words."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway import app as wiring
from gateway import deployment
from gateway.demo import people
from gateway.demo.altered import alter_copy
from gateway.demo.client import Client, new_key
from gateway.demo.clinic import Clinic
from gateway.demo.people import AMINA, BETH, COUNCIL, HEALTH_VISITING, LEO, STRANGER, TRUST, VOLUNTARY, Person
from gateway.demo.provider import DemoProvider
from gateway.demo.receiver import Receiver, number_of
from gateway.demo.telling import NotAsTold, check, done, heading, point, say
from gateway.exchanges import administer
from gateway.fhir import systems
from gateway.logs import configure
from gateway.settings import HERE, Settings
from gateway.store.vault import load_keys
from gateway.store.verify_log import verify_log

RETRIES = "0,0.3,0.5,0.7,1,1,1,1,1,1"


@dataclass(slots=True)
class Story:
    """The running gateway, who takes part, and what has been told."""

    settings: Settings
    credentials: dict[str, Any]
    receivers: dict[str, Receiver] = field(default_factory=dict)
    clients: dict[tuple[str, str], Client] = field(default_factory=dict)
    provider: DemoProvider = field(default_factory=DemoProvider)
    clinic: Clinic | None = None

    def at_work(self, client: str, user: str = "", role: str = "", *purposes: str) -> Client:
        """One person at work in one agency's software."""
        key = (client, user)
        if key not in self.clients:
            self.clients[key] = Client(self.credentials, client, user, role, purposes)
        return self.clients[key]

    @property
    def ward(self) -> Clinic:
        """The ward's record system."""
        assert self.clinic is not None
        return self.clinic


def play(port: int, data: Path, *, once: bool) -> int:
    """Set up, play, and serve until stopped; the exit code is 0 if every step came out as told."""
    configure(logging.WARNING)  # the story is read without the log's lines between
    story = set_up(port, data)
    server, thread = start_server(story.settings)
    try:
        tell_all(story)
        if not once:
            say(f"Open a chart and see what the clinician sees: {story.ward.system.root}/")
            say(f"The gateway serves its API at {story.credentials['base']} and its pages at {story.settings.url}/sign-in.")
            say("It goes on serving until you press Ctrl-C.")
            say(f"Clients and keys are in {data / 'credentials.json'}; `gateway token trust-epr --data {data}` gets a token.")
            thread.join()
        return 0
    except NotAsTold as fault:
        print(f"\nThis did not come out as told: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    finally:
        server.should_exit = True
        thread.join(20)
        for stop in (story.provider.down, story.ward.system.down, *(receiver.down for receiver in story.receivers.values())):
            stop()


def clear(data: Path) -> None:
    """Take away what an earlier demonstration left. Raises StartRefused for what is none's, or is being served."""
    keys, copy = data.with_name(data.name + ".keys"), data.with_name(data.name + ".copy")
    there = [one for one in (data, keys, copy) if one.exists() and not (one.is_dir() and not any(one.iterdir()))]
    kind = keys / "kind"
    if there and not (kind.is_file() and kind.read_text().strip() == "demo"):
        text = "is no demonstration's, and is left as it is: name a folder that is not there yet, or take it away"
        raise deployment.StartRefused(f"{there[0]} {text}")
    if data.is_dir():
        deployment.hold_folder(settings_of(0, data)).close()
    for folder in (data, keys, copy):
        shutil.rmtree(folder, ignore_errors=True)


def settings_of(port: int, data: Path) -> Settings:
    """An embedded deployment on this machine alone, whatever the environment says of another one."""
    return Settings(
        kind="demo", data=data, keys=data.with_name(data.name + ".keys"), database_url="", listeners="", deliver=True,
        host="127.0.0.1", port=port, url=f"http://127.0.0.1:{port}", agreements=data / "agreements", retry_seconds=RETRIES,
        checkpoint_seconds=1.0,
    )  # fmt: skip


def set_up(port: int, data: Path) -> Story:
    """A new demo deployment: keys, database, agencies, clients."""
    clear(data)
    data.mkdir(parents=True)
    shutil.copytree(HERE / "mappings" / "agreements" / "example", data / "agreements")
    settings = settings_of(port, data)
    clients_folder = data / "clients"
    clients_folder.mkdir(mode=0o700)
    keys = {one.id: new_key(clients_folder / f"{one.id}.pem") for one in people.CLIENTS}
    provider = DemoProvider().up()
    clinic = Clinic.prepared(data, settings.url)
    asyncio.run(register(settings, keys, provider, clinic))
    credentials = {
        "base": f"{settings.url}/fhir",
        "token_endpoint": f"{settings.url}/oauth2/token",
        "clients": [_client(one, clients_folder) for one in people.CLIENTS],
        "people": [{"label": one.label, "nhs_number": one.nhs, "birth_date": one.born} for one in people.PEOPLE],
    }
    (data / "credentials.json").write_text(json.dumps(credentials, indent=2))
    return Story(settings, credentials, provider=provider, clinic=clinic)


def _client(one: people.Software, folder: Path) -> dict[str, str]:
    kind = next(agency.kind for agency in people.AGENCIES if agency.code == one.agency)
    key_file = str((folder / f"{one.id}.pem").resolve())
    return {"client_id": one.id, "agency": one.agency, "agency_kind": kind, "scopes": one.scopes, "private_key_file": key_file}


async def register(settings: Settings, keys: dict[str, dict[str, Any]], provider: DemoProvider, clinic: Clinic) -> None:
    """Register the agencies, their clients and where their staff sign in, as an operator would."""
    gateway = await wiring.open_gateway(settings)
    for agency in people.AGENCIES:
        await gateway.ledger.run_alone(administer.add_agency, agency)
    for one in people.CLIENTS:
        client = administer.NewClient(one.id, one.agency, one.name, one.scopes, one.purposes, one.roles, keys[one.id])
        await gateway.ledger.run_alone(administer.add_client, client)
    await provider.register(gateway.ledger)
    await clinic.register(gateway.ledger)
    await wiring.close_gateway(gateway)


def start_server(settings: Settings) -> tuple[uvicorn.Server, threading.Thread]:
    """The real server, in a thread; returns once it answers."""
    config = uvicorn.Config(
        wiring.make_app(settings), host=settings.host, port=settings.port, log_config=None, access_log=False, log_level="warning"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    for _ in range(200):
        if server.started or not thread.is_alive():
            break
        time.sleep(0.05)
    if not server.started:
        raise deployment.StartRefused(f"the gateway could not start on port {settings.port}: is another one running there?")
    return server, thread


def tell_all(story: Story) -> None:
    """The six steps."""
    say("THINK FAMILY GATEWAY: the story of one family. Everybody in it is made up.", gap=False)
    for step in (
        records_come_in,
        the_ward_asks,
        wishes_change,
        a_receiver_is_down,
        the_auditor_looks,
        lambda told: told.ward.tell(told.credentials),
    ):
        step(story)
    say("Every step came out as told.")


# -- 1 ---------------------------------------------------------------------------------------------------------------


def records_come_in(story: Story) -> None:
    heading("1. Two agencies send what they already have")
    council, trust = story.at_work("council-system"), story.at_work("trust-epr")
    done(council.post("/records/crosswalk", people.crosswalk(), "text/csv"), "crosswalk")
    done(council.post("/records/relationships", people.relationships(), "text/csv"), "relationship feed")
    receipt = council.post(f"/children_social_care_data/{people.LA_CODE}/children", people.children(), "application/json")
    done(receipt, "daily JSON")
    point(
        "The council sends its daily DfE JSON for two children, its relationship feed and its list of NHS numbers. Receipt given."
    )
    report = done(council.post("/records/dfe-csc-api", people.children(), "application/json"), "quality report")
    point(f"Its quality report: {quality(report)}.")
    admissions = people.adt("A01", AMINA, "M1", kin=LEO) + people.adt("A04", BETH, "M2")
    report = done(trust.post("/records/hl7v2-adt", admissions, "application/hl7-v2"), "ADT")
    point(f"The mental health trust's ward sends Amina's admission, with next of kin. Its report: {quality(report)}.")
    wishes = people.consent(
        AMINA,
        AMINA,
        [people.permit(VOLUNTARY, "early-help", "existence", "status", "contact", "detail")],
        agency=TRUST,
        when=people.day(2),
    )
    done(trust.post("/fhir/Consent", wishes), "Amina's wishes about her own record", 201)
    for_leo = [
        people.permit(TRUST, "amh-care-planning", "existence", "status", "contact", "relative-identity"),
        people.permit(HEALTH_VISITING, "early-help", "existence", "contact"),
    ]
    done(
        council.post("/fhir/Consent", people.consent(LEO, AMINA, for_leo, agency=COUNCIL, when=people.day(2))),
        "her wishes for Leo",
        201,
    )
    done(
        council.post("/fhir/Consent", people.consent(people.RUBY, BETH, [], agency=COUNCIL, when=people.day(2))),
        "Beth's refusal",
        201,
    )
    point(
        "Amina's wishes are written down: for herself, and, as she holds parental responsibility, for her son Leo. Beth refuses."
    )


def quality(report: dict[str, Any]) -> str:
    counts = {part["name"]: part["valueUnsignedInt"] for part in report["parameter"] if "valueUnsignedInt" in part}
    notes: list[Any] = next((part["resource"]["issue"] for part in report["parameter"] if part["name"] == "outcome"), [])
    unmatched = sum(1 for part in report["parameter"] if part["name"] == "unmatched")
    return f"{counts['received']} received, {counts['accepted']} accepted, {counts['refused']} refused, {len(notes)} remarks, {unmatched} codes not known"


# -- 2 ---------------------------------------------------------------------------------------------------------------


def the_ward_asks(story: Story) -> None:
    heading("2. The ward asks, to plan care")
    nurse = ward(story)
    answer = ask(nurse, people.lookup(AMINA, "amh-care-planning", "children"))
    group = only_group(answer)
    contact = first_contact(group)
    check(part(group, "answer") == "known", "the ward hears that Leo is known")
    point(f"Are Amina's children known? Yes: {part(group, 'organization')['display']} knows a child of hers. Ring {contact}.")
    visitor = story.at_work("health-visiting-system", "hv1", "health-visitor", "early-help")
    group = only_group(ask(visitor, people.lookup(LEO, "early-help")))
    check(part(group, "status") is None and bool(first_contact(group)), "the health visitor hears the contact only")
    point(f"The health visitor asks about Leo and hears whom to ring, and nothing else: {first_contact(group)}.")
    nurse_at_school = story.at_work("school-nursing-system", "sn1", "school-nurse", "early-help")
    for client, who, purpose, about in (
        (nurse_at_school, AMINA, "early-help", "self"),
        (nurse, BETH, "amh-care-planning", "children"),
    ):
        check(same(client, who, purpose, about), f"{who.label} and a stranger get the same bytes")
    point("A school nurse, with no agreement, asks about Amina and about a stranger: no information, twice, the same bytes.")
    point(
        "The ward asks about Beth, who refused, and about a stranger: no information, twice, the same bytes. 'This is not a no.'"
    )


def ward(story: Story) -> Client:
    return story.at_work("trust-epr", "nurse7", "ward-nurse", "amh-care-planning")


def ask(client: Client, body: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = done(client.post("/fhir/Patient/$known-to-services", body), "lookup")
    return answer


def only_group(answer: dict[str, Any]) -> list[dict[str, Any]]:
    groups = [one["part"] for one in answer["parameter"] if one["name"] == "agency"]
    check(len(groups) == 1, f"one agency answers about one person, not {len(groups)}")
    found: list[dict[str, Any]] = groups[0]
    return found


def part(parts: list[dict[str, Any]], name: str) -> Any:
    """The value of a part, None where it is absent."""
    found = next((one for one in parts if one["name"] == name), None)
    if found is None:
        return None
    return next(value for key, value in found.items() if key != "name")


def first_contact(parts: list[dict[str, Any]]) -> str:
    desks = [one["resource"] for one in parts if one["name"] == "contact" and one["resource"].get("telecom")]
    return f"{desks[0]['code'][0]['text']}, {desks[0]['telecom'][0]['value']}" if desks else ""


def same(client: Client, who: Person, purpose: str, about: str) -> bool:
    """Whether a person and a stranger are answered by the same bytes, but for id and time."""
    answers = []
    for person in (who, STRANGER):
        answer = client.post("/fhir/Patient/$known-to-services", people.lookup(person, purpose, about))
        document = answer.json()
        check(part(document["parameter"], "answer") == "no-information", f"no information about {person.label}")
        masked = answer.text
        for name in ("disclosure", "asOf"):
            masked = masked.replace(part(document["parameter"], name), name)
        headers = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
        answers.append((answer.status_code, headers, masked))
    return answers[0] == answers[1]


# -- 3 ---------------------------------------------------------------------------------------------------------------


def wishes_change(story: Story) -> None:
    heading("3. Amina limits her agreement, and is discharged")
    worker, family = social_worker(story), family_worker(story)
    council_desk, hearth = receiver(story, COUNCIL), receiver(story, VOLUNTARY)
    subscribe(
        worker,
        people.subscription(
            AMINA,
            "discharged",
            council_desk.url,
            "duty-to-share-16la",
            case="C-1001",
            reason="Leo's plan rests on his mother's care",
        ),
    )
    subscribe(family, people.subscription(AMINA, "known-status-changed", hearth.url, "early-help"))
    point(
        "The council's social worker subscribes to Amina's discharge, under the duty to share. A family charity subscribes with her agreement."
    )
    limit_to_hospital(story)
    point("Amina limits her agreement: 'only while I am in hospital'.")
    done(story.at_work("trust-epr").post("/records/hl7v2-adt", people.adt("A03", AMINA, "M1"), "application/hl7-v2"), "discharge")
    check(council_desk.wait(1), "the social worker is told of the discharge")
    check(council_desk.topics() == ["discharged"], f"the council hears discharged, not {council_desk.topics()}")
    point("The trust discharges her. The social worker is told at once, by a signed notice: discharged.")
    check(hearth.wait(2), "the charity gets the closing notice")
    check(hearth.topics()[-1] == "signal-ended", f"the charity's last notice ends the signal, not {hearth.topics()}")
    told = len(hearth.notices)
    done(
        story.at_work("trust-epr").post(
            "/records/hl7v2-adt", people.adt("A04", AMINA, "M1", visit="M1C").replace("PV1|1|I", "PV1|1|O"), "application/hl7-v2"
        ),
        "community",
    )
    time.sleep(1.5)
    check(len(hearth.notices) == told, "the charity hears nothing more")
    point("The charity gets the notice of the discharge, then 'signal ended', and of what follows nothing.")
    check(
        part(ask(ward(story), people.lookup(AMINA, "amh-care-planning", "children"))["parameter"], "answer") == "no-information",
        "the ward is no longer answered",
    )
    point("The ward's next care-planning question is no longer answered: her agreement was for the stay.")
    answer = ask(worker, people.lookup(AMINA, "safeguarding-s47", case="C-1001"))
    group = only_group(answer)
    obligations = [one["valueCodeableConcept"]["coding"][0]["code"] for one in answer["parameter"] if one["name"] == "obligation"]
    check(
        part(group, "answer") in ("known", "recently-closed") and "tell-only-this-person" in obligations,
        "the section 47 question is answered",
    )
    point(
        f"The council's child protection enquiry still is: {part(group, 'status')['text'].lower()}, ring {first_contact(group)}; with the duty to decide whether it is safe to tell her, and only her."
    )


def social_worker(story: Story) -> Client:
    return story.at_work("council-system", "sw22", "social-worker", "safeguarding-s47", "duty-to-share-16la")


def family_worker(story: Story) -> Client:
    return story.at_work("voluntary-system", "fw3", "family-worker", "early-help")


def receiver(story: Story, agency: str) -> Receiver:
    """An agency's endpoint, which knows the gateway's public key from its published keys."""
    if agency not in story.receivers:
        keys = httpx.get(f"{story.settings.url}/oauth2/jwks", trust_env=False).json()["keys"]
        text = next(one["x"] for one in keys if one.get("crv") == "Ed25519")
        public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        story.receivers[agency] = Receiver(agency, key=public).up()
    return story.receivers[agency]


def subscribe(client: Client, body: dict[str, Any]) -> str:
    return str(done(client.post("/fhir/Subscription", body), "subscription", 201)["id"])


def limit_to_hospital(story: Story) -> None:
    trust, council = story.at_work("trust-epr"), story.at_work("council-system")
    own = [people.permit(VOLUNTARY, "early-help", "existence", "status", "contact", "detail")]
    made = people.consent(AMINA, AMINA, own, agency=TRUST, when=people.day(1), only_inpatient=True)
    done(trust.post("/fhir/Consent", made), "limited wishes", 201)
    for_leo = [people.permit(TRUST, "amh-care-planning", "existence", "status", "contact", "relative-identity")]
    made = people.consent(LEO, AMINA, for_leo, agency=COUNCIL, when=people.day(1), only_inpatient=True)
    done(council.post("/fhir/Consent", made), "limited wishes for Leo", 201)


# -- 4 ---------------------------------------------------------------------------------------------------------------


def a_receiver_is_down(story: Story) -> None:
    heading("4. A receiver is down while a plan starts")
    coordinator = story.at_work("trust-epr", "cc4", "care-coordinator", "duty-to-share-16la")
    desk = receiver(story, TRUST)
    subscribe(
        coordinator,
        people.subscription(
            LEO, "known-status-changed", desk.url, "duty-to-share-16la", case="RIO-77", reason="Care plan of Leo's mother"
        ),
    )
    desk.down()
    point("Amina's care coordinator is subscribed to changes about Leo. Then the trust's receiver goes down.")
    council = story.at_work("council-system")
    for what in ({"enquiry": True}, {"enquiry": True, "plan": True}, {"enquiry": True, "plan": True, "placed": True}):
        done(council.post("/records/dfe-csc-api", people.children(**what), "application/json"), "daily JSON")
    point(
        "The council opens an enquiry, starts a child protection plan, and Leo comes to live with foster carers: three changes."
    )
    time.sleep(1.2)
    check(not desk.notices, "nothing arrives while the receiver is down")
    desk.up()
    check(desk.wait(3), f"all notices arrive once it is back, not {desk.topics()}")
    check([number_of(one) for one in desk.notices] == ["1", "2", "3"], "they arrive in order")
    check(desk.topics()[1:] == ["child-protection-plan-started", "looked-after-started"], f"not {desk.topics()}")
    check(all(count == 1 for count in desk.seen.values()), "each arrives once")
    point("The receiver comes back and gets every notice, in order, each once: " + ", ".join(desk.topics()) + ".")


# -- 5 ---------------------------------------------------------------------------------------------------------------


def the_auditor_looks(story: Story) -> None:
    heading("5. The auditor asks who looked at Amina's record")
    auditor = story.at_work("trust-auditor", "aud1", "auditor", "audit")
    form = httpx.QueryParams({"patient:identifier": f"{systems.NHS_NUMBER}|{AMINA.nhs}", "_count": "200"})
    bundle = done(auditor.post("/fhir/AuditEvent/_search", str(form), "application/x-www-form-urlencoded"), "search of the log")
    events = [entry["resource"] for entry in bundle.get("entry", ())]
    lookups = [one for one in events if subtype(one) == "look_up_status"]
    refused = [one for one in lookups if one["outcome"] == "4"]
    check(bool(lookups) and bool(refused), "the auditor sees lookups and refusals")
    point(
        f"{len(events)} entries about Amina: {len(lookups)} lookups, {len(refused)} of them refused; records received, notices sent and withheld."
    )
    for one in lookups[:4]:
        point(describe(one))
    time.sleep(1.5)  # the next signed head
    settings = story.settings
    vault = load_keys(settings.keys_folder)
    verdict = verify_log(settings.database_file, vault)
    check(verdict.ok, f"the log verifies: {verdict.says}")
    point(f"The access log is checked against its tree and signed heads. {verdict.says}")
    place, copied = alter_copy(settings)
    verdict = verify_log(copied, vault)
    check(not verdict.ok and verdict.first_bad == place, f"the altered entry is named: {verdict.says}")
    point(f"In a copy one byte of one entry is changed. {verdict.says}")


def subtype(event: dict[str, Any]) -> str:
    return next((str(one["code"]) for one in event["subtype"] if "_" in one["code"]), "")


def describe(event: dict[str, Any]) -> str:
    """One entry for a person to read."""
    who: dict[str, Any] = next((agent for agent in event["agent"] if agent.get("requestor")), {})
    what = {"0": "answered", "4": "refused"}.get(event["outcome"], "failed")
    purpose = next((coding["code"] for concept in event.get("purposeOfEvent", ()) for coding in concept["coding"]), "")
    agent = who.get("name") or who.get("who", {}).get("identifier", {}).get("value", "somebody")
    return f"{event['recorded'][:19]}: {agent}, for {purpose or 'no purpose'}: {what}"
