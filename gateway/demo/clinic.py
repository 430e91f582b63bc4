"""A second family, whose mother is on Rose Ward and has agreed: what the clinician sees, in the record system and on the page."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from gateway.demo import people
from gateway.demo.client import Client, new_key
from gateway.demo.people import BETH, COUNCIL, STRANGER, TRUST, VOLUNTARY, Person, Software
from gateway.demo.record_system import CLIENT, DemoRecordSystem
from gateway.demo.telling import check, heading, point
from gateway.exchanges.access.administer_launch import add_launch_system
from gateway.exchanges.access.launched import LaunchSystem
from gateway.exchanges.access.register_card_client import CardRegistration, register_card_client
from gateway.exchanges.administer import NewClient, add_client
from gateway.fhir import systems
from gateway.store.ledger import Ledger

NORA = Person("who agreed", "9990002088", "1990-09-21", "SAMPLE", "NORA")
KIT = Person("her son", "9990002096", "2016-02-11", "SAMPLE", "KIT")
MAY = Person("her daughter", "9990002118", "2022-08-30", "SAMPLE", "MAY")
WARD = Software("ward-record-system", TRUST, "Rose Ward's record system", people.ASK_SCOPES,
    ("amh-care-planning", "duty-to-share-16la", "emergency"), ("ward-nurse", "care-coordinator"))  # fmt: skip
HEARTH = Software("hearth-records", VOLUNTARY, "The charity's records", people.RECORD_SCOPES, ("early-help",))
CARE = "amh-care-planning"
IN_DANGER = """
[[default]]
receiver_kind = "adult-mental-health"
purposes = ["emergency"]
tier = 2
basis = "vital-interests"
"""
OF_THE_CHARITY = """source = "TVF01"
title = "Home Hearth: what we share with health partners of a family"
version = "2026-11"
valid_from = 2026-01-01
valid_until = 2028-12-31
negatives = "blanket"
[[default]]
receiver_kind = "adult-mental-health"
purposes = ["amh-care-planning"]
tier = 2
basis = "person-wish"
obligations = ["tell-person"]
"""


@dataclass(slots=True)
class Clinic:
    """Rose Ward's record system and what its software needs to ask."""

    folder: Path
    credentials: dict[str, Any]
    system: DemoRecordSystem = field(init=False)

    @classmethod
    def prepared(cls, data: Path, url: str) -> Clinic:
        """Keys and agreements, before the gateway starts; the record system listens."""
        made = cls(data / "clients", {"base": f"{url}/fhir", "token_endpoint": f"{url}/oauth2/token", "clients": []})
        agreements = data / "agreements"
        (agreements / "home-hearth.toml").write_text(OF_THE_CHARITY)
        council = agreements / "southshire-council.toml"
        council.write_text(council.read_text() + IN_DANGER)
        patients = {"nora": NORA, "beth": BETH, "ned": STRANGER}
        made.system = DemoRecordSystem(url, made.folder / f"{WARD.id}.pem", patients).up()
        return made

    async def register(self, ledger: Ledger) -> None:
        """As an operator would: two clients, cards and launches for the ward."""
        for one in (WARD, HEARTH):
            jwks = new_key(self.folder / f"{one.id}.pem")
            await ledger.run_alone(add_client, NewClient(one.id, one.agency, one.name, one.scopes, one.purposes, one.roles, jwks))
            key_file = str((self.folder / f"{one.id}.pem").resolve())
            self.credentials["clients"].append({"client_id": one.id, "scopes": one.scopes, "private_key_file": key_file})
        await ledger.run_alone(register_card_client, CardRegistration(WARD.id, self.system.iss, CARE))
        await ledger.run_alone(add_launch_system, LaunchSystem(self.system.iss, WARD.id, CLIENT, "", "", {}))

    def records(self) -> list[tuple[str, dict[str, Any]]]:
        """What council and charity hold of Nora's family, by the client that sends it."""
        council = [
            *(_patient(one) for one in (NORA, KIT, MAY)), _involved(KIT, "cp-plan", "children-social-care", "Jo Marsh"),
            _involved(MAY, "cin-plan", "children-social-care", "Jo Marsh"), *(_tie(one, NORA, "MTH") for one in (KIT, MAY)),
            _tie(NORA, KIT, "SON"), _tie(NORA, MAY, "DAU"),
            _marker(KIT, "young-carer"),
        ]  # fmt: skip
        charity = [_patient(NORA), _involved(NORA, "early-help", "early-help", "Farid Hale", "01632 960402")]
        return [("council-system", _bundle(council)), (HEARTH.id, _bundle(charity))]

    def wishes(self) -> list[tuple[str, dict[str, Any]]]:
        """What Nora wants: the ward may hear of her children, who they are, and of the charity's work with her."""
        rule = people.permit(TRUST, CARE, "existence", "status", "contact", "relative-identity", "marker")
        made = [("council-system", people.consent(one, NORA, [rule], agency=COUNCIL, when=people.day(2))) for one in (KIT, MAY)]
        mine = people.permit(TRUST, CARE, "existence", "status", "contact")
        told = people.permit(COUNCIL, "child-in-need-s17", "existence", "status", "contact")
        own = ((HEARTH.id, VOLUNTARY), ("trust-epr", TRUST))
        return [*made, *((who, people.consent(NORA, NORA, [mine, told], agency=at, when=people.day(1))) for who, at in own)]

    def client(self, identifier: str, others: dict[str, Any]) -> Client:
        """A client of this family's story, or one of the story's own."""
        mine = identifier in [one["client_id"] for one in self.credentials["clients"]]
        return Client(self.credentials if mine else others, identifier)

    def send(self, others: dict[str, Any]) -> list[httpx.Response]:
        """Records and wishes, through the public endpoints."""
        answers = [self.client(who, others).post("/records/fhir", body) for who, body in self.records()]
        answers.append(
            Client(others, "trust-epr").post("/records/hl7v2-adt", people.adt("A01", NORA, "M7"), "application/hl7-v2")
        )
        return answers + [self.client(who, others).post("/fhir/Consent", body) for who, body in self.wishes()]

    def look(self, patient: str = "nora") -> tuple[str, str]:
        """A card's summary, and the page that its link opens, as a browser would."""
        (card,) = self.system.cards(patient, "nurse7")
        purpose = json.loads(card["links"][0]["appContext"])["purpose"]
        with httpx.Client(follow_redirects=True, timeout=10, trust_env=False) as browser:
            form = browser.get(self.system.opens(patient, "nurse7", purpose)).text
            csrf = re.findall(r'name="csrf" value="([^"]+)"', form)[0]
            page = browser.post(f"{self.system.gateway}/family", data={"csrf": csrf, "purpose": purpose})
        return card["summary"], page.text

    def tell(self, others: dict[str, Any]) -> None:
        """The sixth step of the story."""
        heading("6. A nurse opens a chart in the ward's own record system")
        for answer in self.send(others):
            check(answer.status_code in (200, 201), f"another family's records: {answer.status_code} {answer.text[:300]}")
        point(
            "Nora is on the ward too. She has agreed that the ward hears who works with her children, Kit and May, and with her."
        )
        summary, page = self.look()
        check(summary.startswith("2 services told us"), f"the card tells of two services, not: {summary}")
        point(f"The chart shows a card, without anybody having asked: {summary}")
        check(all(text in page for text in ("Jo Marsh", "Farid Hale", "Kit", "<svg", "Young carer")), "the page shows the family")
        point("Its link opens the page: whom to ring first, then the picture of the family, her wishes, and what is not said.")
        (beth, hers), (ned, his) = self.look("beth"), self.look("ned")
        check(beth == ned and "This is not a no" in hers and "This is not a no" in his, "refused and unknown look the same")
        point(f"Of Beth, who refused, and of a stranger, card and page say the same: {beth}")


def _bundle(resources: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}


def _patient(person: Person) -> dict[str, Any]:
    traced = {"coding": [{"system": systems.NHS_NUMBER_STATUS, "code": "01"}]}
    extension = [{"url": systems.NHS_NUMBER_STATUS_EXT, "valueCodeableConcept": traced}]
    return {
        "resourceType": "Patient", "birthDate": person.born, "name": [{"family": person.family, "given": [person.given.title()]}],
        "identifier": [{"system": systems.NHS_NUMBER, "value": person.nhs, "extension": extension}],
    }  # fmt: skip


def _involved(person: Person, detail: str, service: str, lead: str, phone: str = "01632 960299") -> dict[str, Any]:
    """An involvement with its lead professional."""
    contact = {
        "resourceType": "PractitionerRole", "id": "lead", "practitioner": {"display": lead},
        "code": [{"coding": [{"system": systems.code_system("contact-kind"), "code": "lead-professional"}]}],
        "telecom": [{"system": "phone", "value": phone}],
    }  # fmt: skip
    return {
        "resourceType": "Flag", "id": f"{person.given.lower()}-{detail}", "status": "active", "contained": [contact],
        "extension": [{"url": systems.extension("contact"), "valueReference": {"reference": "#lead"}},
                      {"url": systems.extension("last-contact"), "valueDate": people.day(9)}],
        "category": [{"coding": [{"system": systems.code_system("service"), "code": service}]}],
        "code": {"coding": [{"system": systems.code_system("involvement-detail"), "code": detail}]},
        "subject": people.reference(person), "period": {"start": people.day(70)},
    }  # fmt: skip


def _marker(person: Person, code: str) -> dict[str, Any]:
    return {
        "resourceType": "Flag", "id": f"{person.given.lower()}-{code}", "status": "active",
        "code": {"coding": [{"system": systems.code_system("marker"), "code": code}]},
        "subject": people.reference(person), "period": {"start": people.day(20)},
    }  # fmt: skip


def _tie(of: Person, to: Person, role: str) -> dict[str, Any]:
    """What ``to`` is to ``of``, with Nora's parental responsibility."""
    said = [{"url": "value", "valueCode": "yes"}]
    return {
        "resourceType": "RelatedPerson", "patient": people.reference(of), "birthDate": to.born, "active": True,
        "identifier": [{"system": systems.NHS_NUMBER, "value": to.nhs}], "name": [{"given": [to.given.title()]}],
        "relationship": [{"coding": [{"system": systems.V3_ROLE, "code": role}]}],
        "extension": [{"url": systems.extension("parental-responsibility"), "extension": said},
                      {"url": systems.extension("lives-with"), "valueCode": "yes"}],
    }  # fmt: skip
