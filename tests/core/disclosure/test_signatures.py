"""Signatures of approvers: what is signed, who counts, and what is missing, in one plain line."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.disclosure.agreement_signatures import (
    ANSWERABLE,
    ROLES,
    Approver,
    addition_text,
    agreement_text,
    ending_text,
    revocation_text,
    signature_of,
    unapproved,
    unsigned,
)

KEYS = {name: Ed25519PrivateKey.from_private_bytes(bytes([place]) * 32) for place, name in enumerate("gdsx", 1)}
DOCUMENT = b'source = "TLA01"\n'


def approver(name: str, role: str, agency: str = "TLA01", added: int = 0, ended: int | None = None, key: str = "") -> Approver:
    """Somebody who may sign."""
    return Approver(name, agency, role, key or KEYS[name].public_key().public_bytes_raw().hex(), added, ended)


APPROVERS = {"g": approver("g", "guardian"), "d": approver("d", "dpo"), "s": approver("s", "signatory")}


def signed(*names: str, text: bytes = agreement_text(DOCUMENT)) -> dict[str, bytes]:
    """The signatures of these."""
    return {name: KEYS[name].sign(text) for name in names}


@pytest.mark.parametrize("names", ["gd", "gs", "ds", "gds"])
def test_two_approvers_one_of_them_answerable_put_a_document_in_force(names: str) -> None:
    """Guardian or data protection officer, and another."""
    assert unsigned("TLA01", DOCUMENT, signed(*names), APPROVERS, 5) == ""


@pytest.mark.parametrize(
    ("signatures", "approvers", "missing"),
    [
        ({}, APPROVERS, "2 different approvers of TLA01 have to sign, and 0 did"),
        (signed("g"), APPROVERS, "2 different approvers of TLA01 have to sign, and 1 did"),
        (signed("s", "x"), {**APPROVERS, "x": approver("x", "signatory")}, "none of those who signed is guardian or data protection officer of TLA01: one of them has to sign"),
        (signed("g", "x"), APPROVERS, "there is no approver x"),
        (signed("g", "d"), {**APPROVERS, "d": approver("d", "dpo", "TMH01")}, "approver d is of TMH01, not of TLA01"),
        (signed("g", "d"), {**APPROVERS, "d": approver("d", "dpo", added=6)}, "approver d is not in force"),
        (signed("g", "d"), {**APPROVERS, "d": approver("d", "dpo", ended=5)}, "approver d is not in force"),
        (signed("g", "d", text=DOCUMENT), APPROVERS, "the signature of approver d does not fit what was signed"),
        (signed("g", "d"), {**APPROVERS, "d": approver("d", "dpo", key="zz")}, "the signature of approver d does not fit what was signed"),
        (
            {"g": signed("g")["g"], "d": signed("g")["g"]},
            {**APPROVERS, "d": approver("d", "dpo", key=APPROVERS["g"].public_key)},
            "2 different approvers of TLA01 have to sign, and 1 did",
        ),
    ],
    ids=[
        "nobody", "one", "nobody answerable", "a stranger", "another organisation's", "not yet", "not any more",
        "for another text", "a broken key", "one person under two names",
    ],
)  # fmt: skip
def test_what_is_missing_is_said_in_one_line(signatures: dict[str, bytes], approvers: dict[str, Approver], missing: str) -> None:
    """And nothing is in force for as long as it is."""
    found = unsigned("TLA01", DOCUMENT, signatures, approvers, 5)
    assert found == missing


def test_one_approver_is_enough_to_take_something_back() -> None:
    """But somebody has to be, for this very act."""
    text = revocation_text("TLA01", ["b", "a"])
    assert unapproved("TLA01", text, signed("s", text=text), APPROVERS, 5) == ""
    assert unapproved("TLA01", text, {}, APPROVERS, 5) == "an approver of TLA01 has to sign"
    assert "does not fit" in unapproved("TLA01", text, signed("s"), APPROVERS, 5)


def test_each_act_is_signed_as_what_it_is() -> None:
    """No signature counts for another act; the order of documents makes no difference."""
    texts = [
        agreement_text(DOCUMENT), revocation_text("TLA01", ["a", "b"]), revocation_text("TLA01", ["a", "b"], "exception 2"),
        addition_text("TLA01", "dpo", "Sam", "00"), ending_text("d"),
    ]  # fmt: skip
    assert len({*texts, *(text.split(b"\n")[0] for text in texts)}) == len(texts) + 3
    assert revocation_text("TLA01", ["b", "a"]) == texts[1]
    assert (texts[1].split(b"\n")[-2], texts[2].split(b"\n")[-2]) == (b"all lines", b"exception 2")


def test_what_is_signed_is_written_as_it_always_was() -> None:
    """To the byte: signatures are made elsewhere, on machines that this program does not run on."""
    assert agreement_text(b"x") == b"think-family-gateway agreement 1\nx"
    assert revocation_text("TLA01", ["b", "a"]) == b"think-family-gateway revocation 1\nTLA01\na\nb\nall lines\n"
    assert revocation_text("TLA01", ["a"], "exception 2") == b"think-family-gateway revocation 1\nTLA01\na\nexception 2\n"
    assert addition_text("TLA01", "dpo", "Sam", "00") == b"think-family-gateway approver 1\nadd\nTLA01\ndpo\nSam\n00\n"
    assert ending_text("d") == b"think-family-gateway approver 1\nend\nd\n"
    assert (ROLES, frozenset({"guardian", "dpo"})) == (("guardian", "dpo", "signatory"), ANSWERABLE)


def test_an_approver_counts_from_the_moment_of_being_added_until_the_moment_of_the_end() -> None:
    """The first moment counts, the last does not."""
    one = approver("g", "guardian", added=5, ended=7)
    assert [one.in_force(at) for at in (4, 5, 6, 7)] == [False, True, True, False]


def test_a_signature_is_read_raw_or_in_base64() -> None:
    """With line breaks as tools write them; anything else is refused."""
    raw = signed("g")["g"]
    text = base64.b64encode(raw)
    for written in (raw, text, text + b"\n", text[:40] + b"\n" + text[40:]):
        assert signature_of(written) == raw
    for broken in (b"", b"%%%", raw[:-1], base64.b64encode(raw + b"x")):
        with pytest.raises(ValueError, match="64 bytes"):
            signature_of(broken)
