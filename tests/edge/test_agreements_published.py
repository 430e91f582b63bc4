"""Agreements as an organisation signs them: who may, what is missing, when they count, and how they are taken back."""

from __future__ import annotations

import base64
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import app as wiring
from gateway import background
from gateway.demo import people
from gateway.demo.people import AMINA
from gateway.deployment import StartRefused, unsigned_agreements
from gateway.disclosure.agreement_signatures import addition_text, agreement_text, ending_text, revocation_text, signature_of
from gateway.disclosure.agreements import document_id
from gateway.disclosure.purposes import PolicyFault
from gateway.exchanges.agreements.approvers import EndOfApprover, NewApprover, add_approver, end_approver, public_key_of
from gateway.exchanges.agreements.publish_agreement import Changed, NewAgreement, Revocation, publish_agreement, revoke_agreement
from gateway.exchanges.log.simulate_agreement import Rehearsal, decided, decisions_after
from gateway.exchanges.lookup.look_up_status import LookupRequest, look_up_status
from gateway.fhir.outcomes import Conflict, Forbidden, GatewayError, Unprocessable
from gateway.settings import HERE, Settings
from gateway.store import migrate, tables
from tests.edge.desks import until
from tests.edge.test_command_line import gateway as command
from tests.world import World, groups, part, put_in_force

S47 = "safeguarding-s47"
EXAMPLE = HERE / "mappings" / "agreements" / "example" / "northmoor-trust.toml"
TEXT = EXAMPLE.read_bytes()
NARROW = TEXT.replace(b"tier = 2\n", b"tier = 1\n", 1).replace(b'version = "2026-11"', b'version = "2026-12"')


@dataclass(slots=True)
class Signer:
    """An approver with the private key that only they hold."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    id: str = ""

    @property
    def public(self) -> str:
        return self.key.public_key().public_bytes_raw().hex()

    def over(self, text: bytes) -> dict[str, bytes]:
        return {self.id: self.key.sign(text)}


async def registered(at: Any, role: str, agency: str = people.TRUST, by: Signer | None = None) -> Signer:
    """A new approver, with the signature of another one where that is needed."""
    signer, name = Signer(), f"Dr {role}"
    signed = by.over(addition_text(agency, role, name, signer.public)) if by else {}
    made = await at.ledger.run_alone(add_approver, NewApprover(agency, role, name, signer.public, signed))
    signer.id = made.id
    return signer


def signed(document: bytes, *signers: Signer) -> NewAgreement:
    signatures = {one.id: one.key.sign(agreement_text(document)) for one in signers}
    return NewAgreement("northmoor.toml", document, signatures)


@dataclass(slots=True)
class Trust:
    """A trust that has joined: its guardian and a signatory, and the gateway."""

    world: World
    guardian: Signer
    signatory: Signer

    async def publishes(self, document: bytes, *signers: Signer) -> Changed:
        """Publish with the folder's other documents, as the command does."""
        new = signed(document, *(signers or (self.guardian, self.signatory)))
        folder = unsigned_agreements(self.world.settings)
        new = NewAgreement(new.name, new.document, new.signatures, folder)
        done: Changed = await self.world.gateway.ledger.run_alone(publish_agreement, new)
        assert await background.follow_once(self.world.gateway) == ""
        return done

    async def refused(self, document: bytes, signatures: dict[str, bytes]) -> str:
        """Why a document is not published; what is in force stays as it was."""
        before = self.world.gateway.context.agreements.version
        with pytest.raises((GatewayError, PolicyFault)) as fault:
            await self.world.gateway.ledger.run_alone(publish_agreement, NewAgreement("northmoor.toml", document, signatures))
        assert await self.policy() == before
        return str(fault.value)

    async def revokes(self, text: bytes, line: str = "", by: Signer | None = None) -> Changed:
        folder = unsigned_agreements(self.world.settings)
        revocation = Revocation(people.TRUST, line, (by or self.signatory).over(text), folder)
        done: Changed = await self.world.gateway.ledger.run_alone(revoke_agreement, revocation)
        assert await background.follow_once(self.world.gateway) == ""
        return done

    async def policy(self) -> str:
        from gateway.store.sql import Read
        from gateway.store.standing import STANDING

        return str((await self.world.gateway.ledger.read([Read(STANDING)]))[0][0][0])

    async def tells(self) -> list[str]:
        """What the council's social worker learns of the mother from the trust: the names of the parts, none where it cannot."""
        told = groups(await self.world.social_worker().hears(AMINA, S47, case="C-1"))
        found = [one for one in told if part(one, "answer") == "known"]
        return [one["name"] for one in found[0]] if found else []


@pytest.fixture
async def trust(fed: World) -> Trust:
    """Two approvers, registered by the operator when the trust joined."""
    return Trust(fed, await registered(fed.gateway, "guardian"), await registered(fed.gateway, "signatory"))


# -- approvers ---------------------------------------------------------------------------------------------------------


async def test_the_operator_registers_two_and_no_third(trust: Trust) -> None:
    """The third needs an approver's signature over who is added: else whoever runs the gateway could make himself one."""
    ledger, third = trust.world.gateway, Signer()
    unsigned = NewApprover(people.TRUST, "dpo", "Third", third.public)
    with pytest.raises(Forbidden, match="an approver of TMH01 has to sign"):
        await ledger.ledger.run_alone(add_approver, unsigned)
    other = trust.guardian.over(addition_text(people.TRUST, "signatory", "Third", third.public))
    with pytest.raises(Forbidden, match="does not fit"):
        await ledger.ledger.run_alone(add_approver, NewApprover(people.TRUST, "dpo", "Third", third.public, other))
    assert (await registered(trust.world.gateway, "dpo", by=trust.guardian)).id


async def test_an_ending_needs_an_approver_and_leaves_one(trust: Trust) -> None:
    """Of the same organisation, in force; the last one stays, for nobody else could sign."""
    run, own = trust.world.gateway.ledger.run_alone, ending_text(trust.signatory.id)
    with pytest.raises(Forbidden, match="has to sign"):
        await run(end_approver, EndOfApprover(trust.signatory.id))
    stranger = await registered(trust.world.gateway, "guardian", people.COUNCIL)
    with pytest.raises(Forbidden, match="is of TLA01, not of TMH01"):
        await run(end_approver, EndOfApprover(trust.signatory.id, stranger.over(own)))
    await run(end_approver, EndOfApprover(trust.signatory.id, trust.signatory.over(own)))
    with pytest.raises(Unprocessable, match="no approver"):
        await run(end_approver, EndOfApprover(trust.signatory.id, trust.guardian.over(own)))
    with pytest.raises(Conflict, match="last approver"):
        last = ending_text(trust.guardian.id)
        await run(end_approver, EndOfApprover(trust.guardian.id, trust.guardian.over(last)))
    with pytest.raises(Forbidden, match="is not in force"):
        await registered(trust.world.gateway, "dpo", by=trust.signatory)


async def test_a_key_is_one_approvers_for_ever(trust: Trust) -> None:
    """One person with two entries would be two approvers; one who was ended cannot be brought back by an old signature."""
    new = NewApprover(people.COUNCIL, "guardian", "Again", trust.guardian.public)
    with pytest.raises(Conflict, match="a key of their own"):
        await trust.world.gateway.ledger.run_alone(add_approver, new)


@pytest.mark.parametrize(
    ("agency", "role", "name", "says"),
    [
        ("NOBODY", "guardian", "x", "no agency"),
        ("TMH01", "boss", "x", "role"),
        ("TMH01", "dpo", "a\nb", "name"),
        ("TMH01", "dpo", " ", "name"),
    ],
)
async def test_an_approver_has_agency_role_and_name(world: World, agency: str, role: str, name: str, says: str) -> None:
    """Anything else is refused in one line."""
    with pytest.raises(Unprocessable, match=says):
        await world.gateway.ledger.run_alone(add_approver, NewApprover(agency, role, name, Signer().public))


async def test_a_name_is_sealed(trust: Trust) -> None:
    """The database holds role and key, and nobody's name."""
    rows = changed(trust.world.settings, tables.approver.select())
    assert len(rows) == 2
    assert not any(b"Dr " in bytes(row.body) for row in rows)


# -- who may publish ---------------------------------------------------------------------------------------------------


async def test_two_approvers_one_of_them_guardian_put_a_document_in_force(trust: Trust) -> None:
    """It counts at the next lookup: tier 2 becomes tier 1, and nobody to ring is named."""
    assert "contact" in await trust.tells()
    done = await trust.publishes(NARROW)
    assert (done.source, done.ended) == (people.TRUST, ())
    assert await trust.policy() == done.agreements.version == trust.world.gateway.context.agreements.version
    told = await trust.tells()
    assert "status" in told or "since" in told
    assert "contact" not in told


async def test_what_is_missing_is_said_in_one_line(trust: Trust) -> None:
    """One signature, a wrong key, another document, another organisation, nobody answerable, an approver of before."""
    text = agreement_text(NARROW)
    guardian, signatory = trust.guardian.over(text), trust.signatory.over(text)
    other = await registered(trust.world.gateway, "guardian", people.COUNCIL)
    third = await registered(trust.world.gateway, "signatory", by=trust.guardian)
    assert "2 different approvers of TMH01 have to sign, and 0 did" in await trust.refused(NARROW, {})
    assert "have to sign, and 1 did" in await trust.refused(NARROW, guardian)
    wrong = {trust.signatory.id: Signer().key.sign(text)}
    assert "does not fit" in await trust.refused(NARROW, guardian | wrong)
    swapped = {trust.signatory.id: guardian[trust.guardian.id]}
    assert "does not fit" in await trust.refused(NARROW, guardian | swapped)
    assert "does not fit" in await trust.refused(NARROW + b"\n", guardian | signatory)
    bare = {one.id: one.key.sign(NARROW) for one in (trust.guardian, trust.signatory)}
    assert "does not fit" in await trust.refused(NARROW, bare)
    assert "is of TLA01, not of TMH01" in await trust.refused(NARROW, guardian | other.over(text))
    assert "is guardian or data protection officer" in await trust.refused(NARROW, signatory | third.over(text))
    assert "there is no approver nobody" in await trust.refused(NARROW, guardian | {"nobody": b"x" * 64})
    ending = trust.guardian.over(ending_text(third.id))
    await trust.world.gateway.ledger.run_alone(end_approver, EndOfApprover(third.id, ending))
    assert "is not in force" in await trust.refused(NARROW, guardian | third.over(text))


async def test_a_document_that_does_not_compile_or_has_no_source_is_not_published(trust: Trust) -> None:
    """Whoever signed it."""
    for document, says in (
        (NARROW.replace(b'"early-help"', b'"early-hepl"'), "unknown purpose early-hepl"),
        (NARROW.replace(b'source = "TMH01"', b'source = "NOBODY"'), "not a registered agency"),
        (NARROW.replace(b"2028-12-31", b"2026-01-02"), "ran out on 2026-01-02"),
        (b"\xff", "northmoor.toml"),
    ):
        signatures = signed(document, trust.guardian, trust.signatory).signatures
        assert says in await trust.refused(document, dict(signatures))


async def test_a_newer_document_replaces_the_one_in_force(trust: Trust) -> None:
    """One document at a time; one that begins later must not meet the one in force."""
    await trust.publishes(NARROW)
    later = NARROW.replace(b"2026-01-01", b"2028-01-01").replace(b'"2026-12"', b'"2028"')
    signatures = signed(later, trust.guardian, trust.signatory).signatures
    assert "one document at a time" in await trust.refused(later, dict(signatures))
    assert (await trust.publishes(TEXT)).ended == ("northmoor.toml",)
    assert "contact" in await trust.tells()


async def test_signatures_bring_nothing_back(trust: Trust) -> None:
    """What was replaced or revoked is published again under another version only: old signatures are not used twice."""
    await trust.publishes(TEXT)
    assert "is in force already" in await trust.refused(TEXT, dict(signed(TEXT, trust.guardian, trust.signatory).signatures))
    await trust.publishes(NARROW)
    assert "state another version" in await trust.refused(TEXT, dict(signed(TEXT, trust.guardian, trust.signatory).signatures))


async def test_publishing_and_revoking_are_on_record(trust: Trust) -> None:
    """Who signed and which version, for the auditor of the organisation; the operator's name alone stands for who typed it."""
    await trust.publishes(NARROW)
    await trust.revokes(revocation_text(people.TRUST, [document_id(NARROW)]))
    rows = changed(trust.world.settings, tables.audit_entry.select())
    held = [row.exchange for row in rows if row.custodian == people.TRUST]
    assert held.count("publish_agreement") == held.count("revoke_agreement") == 1
    assert held.count("add_approver") == 2


# -- taking back -------------------------------------------------------------------------------------------------------


async def test_one_approver_closes_everything_at_the_next_lookup(trust: Trust) -> None:
    """Narrowing needs one, guardian or not; the folder's unsigned document does not come back in its place."""
    await trust.publishes(NARROW)
    assert await trust.tells()
    done = await trust.revokes(revocation_text(people.TRUST, [document_id(NARROW)]), by=trust.signatory)
    assert done.ended == ("northmoor.toml",)
    assert await trust.tells() == []
    with pytest.raises(Unprocessable, match="No published document"):
        await trust.revokes(b"")


async def test_one_line_is_closed_and_the_others_stay(trust: Trust) -> None:
    """The signature names the line; what is revoked twice, or is no line, is said."""
    await trust.publishes(NARROW)
    text = revocation_text(people.TRUST, [document_id(NARROW)], "default 1")
    await trust.revokes(text, "default 1")
    assert await trust.tells() == []
    agreements = trust.world.gateway.context.agreements
    asking = ("TVS01", "voluntary", "early-help", "", __import__("datetime").date(2027, 1, 1))
    still = agreements.line(people.TRUST, *asking)
    assert still is not None and still.permits
    with pytest.raises(Conflict, match="revoked already"):
        await trust.revokes(text, "default 1")
    with pytest.raises(Unprocessable, match="has no line default 9: its lines are default 1, default 2, default 3"):
        await trust.revokes(text, "default 9")


async def test_a_revocation_is_signed_by_an_approver_for_that_document(trust: Trust) -> None:
    """No signature, the publication's own, one for another document, and one of another organisation count for nothing."""
    await trust.publishes(NARROW)
    whole = revocation_text(people.TRUST, [document_id(NARROW)])
    other = await registered(trust.world.gateway, "guardian", people.COUNCIL)
    for text, by in (
        (agreement_text(NARROW), trust.guardian),
        (revocation_text(people.TRUST, [document_id(TEXT)]), trust.guardian),
        (revocation_text(people.TRUST, [document_id(NARROW)], "default 1"), trust.guardian),
        (whole, other),
    ):
        with pytest.raises(Forbidden, match="Nothing is revoked"):
            await trust.revokes(text, by=by)
    with pytest.raises(Forbidden, match="has to sign"):
        await trust.world.gateway.ledger.run_alone(revoke_agreement, Revocation(people.TRUST))
    assert await trust.tells()


# -- other workers -----------------------------------------------------------------------------------------------------


async def test_a_second_worker_refuses_until_it_has_the_new_version(trust: Trust) -> None:
    """From the commit on nobody decides by the old one; a look at the database brings the new one."""
    other = await wiring.open_gateway(trust.world.settings)
    try:
        token = await trust.world.token("council-system", "sw22", "social-worker", S47)
        requester = trust.world.gateway.edge.tokens.verify(token, __import__("time").time())
        question = LookupRequest(requester, AMINA.nhs, AMINA.born, True, S47, case_reference="s|C-1")
        assert not (await other.ledger.run(look_up_status, question)).refused
        done = await trust.publishes(NARROW)
        assert (await other.ledger.run(look_up_status, question)).refused == "policy-stale"
        assert await background.follow_once(other) == ""
        answer = await other.ledger.run(look_up_status, question)
        assert not answer.refused
        assert other.context.agreements.version == done.agreements.version
    finally:
        await wiring.close_gateway(other)


async def test_a_serving_worker_takes_up_what_another_published(trust: Trust) -> None:
    """By itself, within about a second."""
    other = await wiring.open_gateway(trust.world.settings)
    try:
        new = signed(NARROW, trust.guardian, trust.signatory)
        folder = unsigned_agreements(trust.world.settings)
        done = await other.ledger.run_alone(publish_agreement, NewAgreement(new.name, new.document, new.signatures, folder))
        assert (await trust.world.social_worker().asks(AMINA, S47, case="C-1")).status_code == 503
        await until(lambda: trust.world.gateway.context.agreements.version == done.agreements.version)
        assert "contact" not in await trust.tells()
    finally:
        await wiring.close_gateway(other)


async def test_a_worker_with_another_folder_stays_refusing(trust: Trust) -> None:
    """What it cannot compile to the version in force it does not take for it."""
    await trust.world.gateway.ledger.run_alone(put_in_force, "another version")
    mine = trust.world.gateway.context.agreements.version
    assert await background.follow_once(trust.world.gateway) == "another version"
    assert trust.world.gateway.context.agreements.version == mine


# -- what stands in the database ---------------------------------------------------------------------------------------


def changed(settings: Settings, statement: Any) -> list[Any]:
    """Run a statement past the gateway, as somebody with the database alone could."""
    with migrate.engine_of(settings.database_url or settings.database_file).begin() as connection:
        result = connection.execute(statement)
        return list(result) if result.returns_rows else []


async def opens(settings: Settings) -> Any:
    other = await wiring.open_gateway(settings)
    await wiring.close_gateway(other)
    return other.context.agreements


async def test_documents_are_verified_at_each_start(trust: Trust) -> None:
    """Whole they give the version in force; an altered one, or one whose signature is gone, starts nothing and says so."""
    done = await trust.publishes(NARROW)
    settings = trust.world.settings
    assert (await opens(settings)).version == done.agreements.version
    (row,) = changed(settings, tables.agreement.select())
    for altered in ({"document": TEXT}, {"signatures": "{}"}, {"source": people.COUNCIL}):
        changed(settings, tables.agreement.update().values(**altered))
        with pytest.raises(StartRefused, match=r"agreement northmoor\.toml of T\w+ is not in force as it stands"):
            await opens(settings)
        changed(settings, tables.agreement.update().values(**{name: getattr(row, name) for name in altered}))
    assert (await opens(settings)).version == done.agreements.version


async def test_a_serving_worker_refuses_a_document_that_was_altered(trust: Trust) -> None:
    """Put in force past the gateway, it is not taken up, and nothing is decided by what was in force before either."""
    await trust.publishes(NARROW)
    changed(trust.world.settings, tables.agreement.update().values(document=TEXT))
    changed(trust.world.settings, tables.standing.update().values(policy="somebody's"))
    with pytest.raises(PolicyFault, match="does not fit what was signed"):
        await background.follow_once(trust.world.gateway)
    assert (await trust.world.social_worker().asks(AMINA, S47, case="C-1")).status_code == 503


async def test_an_approver_made_in_the_database_is_none(trust: Trust) -> None:
    """A row whose key or role is not as it was sealed signs nothing, and what it signed does not start."""
    await trust.publishes(NARROW)
    impostor = Signer()
    mine = tables.approver.c.id == trust.signatory.id
    changed(trust.world.settings, tables.approver.update().where(mine).values(public_key=impostor.public))
    with pytest.raises(StartRefused, match="there is no approver"):
        await opens(trust.world.settings)


async def test_who_was_an_approver_when_a_document_was_published_vouches_for_it(trust: Trust) -> None:
    """An ending takes nothing out of force: that is what revoking is for."""
    await trust.publishes(NARROW)
    text = trust.guardian.over(ending_text(trust.signatory.id))
    await trust.world.gateway.ledger.run_alone(end_approver, EndOfApprover(trust.signatory.id, text))
    assert people.TRUST in (await opens(trust.world.settings)).sources


async def test_a_version_is_tried_on_the_decisions_of_the_log(trust: Trust) -> None:
    """Requester, custodian, purpose, role and whether something left: nobody's name or number."""
    await trust.tells()
    gateway = trust.world.gateway
    (rows,) = await gateway.ledger.read([decisions_after(Rehearsal(people.TRUST, "x", 0))])
    found, _ = decided(gateway.context, rows)
    assert [tuple(one) for one in found] == [(people.COUNCIL, people.TRUST, S47, "social-worker", True)]


# -- the command line --------------------------------------------------------------------------------------------------


@pytest.fixture
def deployment(tmp_path: Path) -> Path:
    """An embedded production deployment with the trust registered, no agreements in force."""
    data = tmp_path / "data"
    assert command("migrate", "--data", data, GATEWAY_KIND="production").code == 0
    return data


PRODUCTION = {
    "GATEWAY_URL": "https://gateway.southshire.example",
    "GATEWAY_CANONICAL_BASE": "https://gateway.southshire.example/fhir",
}


def test_an_organisation_joins_publishes_and_revokes_by_commands(deployment: Path, tmp_path: Path) -> None:
    """As an operator and two approvers do it, each with their own files; nobody but them puts anything in force."""

    def run(*words: object) -> str:
        ran = command(*words, "--data", deployment, **PRODUCTION)
        assert ran.code == 0, ran.err
        return ran.out

    (tmp_path / "profile.json").write_text("{}")
    run("agency", "add", people.TRUST, "Northmoor", "adult-mental-health", "--profile", tmp_path / "profile.json")
    run("agency", "add", people.COUNCIL, "Southshire", "children-social-care", "--profile", tmp_path / "profile.json")
    signers = {"guardian": Signer(), "signatory": Signer()}
    for role, signer in signers.items():
        pem = tmp_path / f"{role}.pem"
        pem.write_bytes(signer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        said = run("approver", "add", "--agency", people.TRUST, "--role", role, "--name", "Dr Key", "--key", pem)
        signer.id = said.split()[1]
    assert "Dr Key" not in run("approver", "list")
    file, wanted = tmp_path / "northmoor.toml", tmp_path / "to-sign"
    file.write_bytes(NARROW)
    one = command("agreements", "publish", file, "--data", deployment, **PRODUCTION)
    assert one.plain == "gateway: northmoor.toml is not published: 2 different approvers of TMH01 have to sign, and 0 did."
    run("agreements", "publish", file, "--to-sign", wanted)
    options = []
    for role, signer in signers.items():
        (tmp_path / f"{role}.sig").write_bytes(base64.encodebytes(signer.key.sign(wanted.read_bytes())))
        options += ["--signature", f"{signer.id}={tmp_path / f'{role}.sig'}"]
    assert "northmoor.toml of TMH01 is in force: version" in run("agreements", "publish", file, *options)
    assert "early-help" in run("agreements", "table")
    assert "Northmoor (TMH01)" in run("agreements", "table", "--format", "html")
    assert run("agreements", "table", "--format", "csv").startswith("Who shares,")
    assert "shares nothing for" in run("agreements", "check")
    assert "0 decisions of 30 days" in run("agreements", "simulate", file)
    run("agreements", "revoke", people.TRUST, "--to-sign", wanted)
    (tmp_path / "guardian.sig").write_bytes(signers["guardian"].key.sign(wanted.read_bytes()))
    said = run("agreements", "revoke", people.TRUST, "--signature", f"{signers['guardian'].id}={tmp_path / 'guardian.sig'}")
    assert said.startswith("northmoor.toml of TMH01 is revoked")
    assert "0 organisations share" in run("agreements", "check")


def test_production_refuses_unsigned_agreements(deployment: Path, tmp_path: Path) -> None:
    """A folder of documents does not start in one line; commands pass it over, and nothing of it is in force."""
    shutil.copytree(EXAMPLE.parent, deployment / "agreements")
    ran = command("serve", "--data", deployment, "--port", "0", **PRODUCTION)
    assert "production takes no unsigned agreements" in ran.plain
    assert "gateway agreements publish" in ran.plain
    assert "0 organisations share" in command("agreements", "check", "--data", deployment, **PRODUCTION).out


def test_signatures_and_keys_that_are_none_are_one_plain_line(deployment: Path, tmp_path: Path) -> None:
    """The file is named."""
    bad = tmp_path / "bad"
    bad.write_text("no key")
    add = ("approver", "add", "--agency", "TMH01", "--role", "dpo", "--name", "x", "--key", bad, "--data", deployment)
    assert "bad is not a public key in PEM form" in command(*add, **PRODUCTION).plain
    publish = ("agreements", "publish", EXAMPLE, "--data", deployment, "--signature")
    assert "bad is not an Ed25519 signature" in command(*publish, f"a={bad}", **PRODUCTION).plain
    assert "--signature is APPROVER=FILE" in command(*publish, "nonsense", **PRODUCTION).plain
    bad.write_bytes(b"x" * 64)
    assert "named twice" in command(*publish, f"a={bad}", "--signature", f"a={bad}", **PRODUCTION).plain


def test_a_check_with_errors_is_exit_code_1(tmp_path: Path) -> None:
    """Standard output names file and line; notes alone are exit code 0."""
    folder = tmp_path / "agreements"
    folder.mkdir()
    line = b'\n[[default]]\nreceiver_kind = "voluntary"\npurposes = ["early-help"]\ntier = 1\nbasis = "person-wish"\n'
    (folder / "northmoor.toml").write_bytes(TEXT + line)
    ran = command("agreements", "check", folder)
    assert ran.code == 1
    assert "northmoor.toml:34: default 4: error: this line never decides: default 3 always comes first" in ran.out


def test_a_signature_is_raw_or_base64_and_a_key_is_ed25519(tmp_path: Path) -> None:
    """As OpenSSL and others write them; keys of another kind are refused."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    raw = bytes(range(64))
    assert signature_of(raw) == signature_of(base64.b64encode(raw)) == signature_of(base64.encodebytes(raw)) == raw
    for bad in (b"", raw[:63], base64.b64encode(raw[:63]), b"%" * 88):
        with pytest.raises(ValueError, match="not an Ed25519 signature"):
            signature_of(bad)
    with pytest.raises(ValueError, match="not an Ed25519 public key"):
        public_key_of(
            generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
