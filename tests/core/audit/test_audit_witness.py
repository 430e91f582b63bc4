"""What witnesses say: cosignatures, submissions, receipts, restores, and how long the gateway may go on without them."""

from __future__ import annotations

import base64
import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import tiles
from gateway.audit.checkpoint import COSIGNATURE, BadCheckpoint, Key, encode, open_note, parse_and_verify, parts, sign
from gateway.audit.cosignature import answered, cosign, cosignatures, with_lines
from gateway.audit.leaf import Row, entry_bytes, leaf_hash_of, leaf_of, way_within
from gateway.audit.merkle import Frontier, consistency_proof, inclusion_proof, leaf_hash, verify_consistency, verify_inclusion
from gateway.audit.receipt import Enclosed, Receipt, parse_receipt
from gateway.audit.restore import Restore, next_origin, parse_restore
from gateway.audit.submission import Submission, parse_submission
from gateway.audit.vouched import HOUR, INCONSISTENT, NEW, SIGNS, Vouched, Witness

ORIGIN = "gateway.example/access-log/1"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = Key.of(ORIGIN, PRIVATE)
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
WITNESS = Key.of("council.example/witness", OTHER, COSIGNATURE)
LEAVES = [leaf_hash(bytes([number % 256, number // 256])) for number in range(700)]
TREE = Frontier().extend(LEAVES)
NOTE = sign(ORIGIN, TREE.size, TREE.root(), PRIVATE)
AT = 1_790_000_000

# The example of the signed-note page, and that of the tlog-cosignature page (its keys are not published).
SPEC_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SPEC_NOTE = (
    "This is an example message.\n\n\u2014 example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
SPEC_HEAD = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n"
    "\u2014 example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    "\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==\n"
)
SPEC_SUBMISSION = (
    "old 20852014\nPlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\njrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
    "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n\n"
)


def test_the_published_note_and_key_are_read() -> None:
    """The example of the signed-note page: key id, and a signature that holds."""
    assert Key.parse(SPEC_KEY).text == SPEC_KEY
    assert open_note(SPEC_NOTE, [Key.parse(SPEC_KEY)]) == ("This is an example message.\n", ("example.com/foo",))


def test_the_published_cosignature_is_framed_as_ours_are() -> None:
    """The example of the tlog-cosignature page: key id, time in eight bytes, signature; time is the published one."""
    _, (log, witness) = parts(SPEC_HEAD)
    assert (log.name, len(log.signature)) == ("example.com/behind-the-sofa", 64)
    assert (witness.name, witness.key_id.hex(), len(witness.signature)) == ("witness.example.com/w1", "8d66cf3f", 72)
    assert int.from_bytes(witness.signature[:8], "big") == 1679315147


def test_a_cosignature_signs_the_time_and_the_whole_text() -> None:
    """The signed bytes are those of the tlog-cosignature page; an independent check of the signature holds."""
    line = cosign(NOTE, WITNESS.name, OTHER, AT)
    raw = base64.b64decode(line.split(" ")[2])
    assert raw[:4] == WITNESS.id
    message = f"cosignature/v1\ntime {AT}\n{parts(NOTE)[0]}".encode()
    OTHER.public_key().verify(raw[12:], message)
    (found,) = cosignatures(NOTE + line, [WITNESS])
    assert (found.name, found.at, found.line) == (WITNESS.name, AT, line)
    assert parse_and_verify(NOTE + line, [KEY, WITNESS]).signers == (KEY.name, WITNESS.name)


def test_a_cosignature_by_another_key_or_of_another_time_vouches_for_nothing() -> None:
    """Strangers are passed over; a known witness's line that was changed spoils the note."""
    line = cosign(NOTE, WITNESS.name, OTHER, AT)
    stranger = cosign(NOTE, WITNESS.name, PRIVATE, AT)
    assert cosignatures(NOTE + stranger, [WITNESS]) == ()
    with pytest.raises(BadCheckpoint):
        answered(NOTE, stranger, WITNESS)
    raw = bytearray(base64.b64decode(line.split(" ")[2]))
    raw[11] ^= 1
    late = f"\u2014 {WITNESS.name} {base64.b64encode(raw).decode()}\n"
    with pytest.raises(BadCheckpoint):
        cosignatures(NOTE + late, [WITNESS])
    assert with_lines(NOTE, [line]) == NOTE + line


def test_a_log_key_and_a_witness_key_are_told_apart() -> None:
    """The same bytes under another type are another key: a log's signature is no cosignature."""
    as_log = Key.of(WITNESS.name, OTHER)
    assert Key.parse(WITNESS.text) == WITNESS != as_log
    assert as_log.id != WITNESS.id
    assert cosignatures(sign(WITNESS.name, 1, bytes(32), OTHER), [WITNESS, as_log]) == ()


def test_a_submission_is_read_as_published_and_as_written() -> None:
    """The example body of the tlog-witness page, and our own."""
    read = parse_submission(SPEC_SUBMISSION + SPEC_HEAD)
    assert (read.old, len(read.proof), read.note) == (20852014, 4, SPEC_HEAD)
    assert read.text() == SPEC_SUBMISSION + SPEC_HEAD
    assert parse_submission(Submission(0, (), NOTE).text()) == Submission(0, (), NOTE)


@pytest.mark.parametrize(
    "text",
    ["", NOTE, "old 1\n" + NOTE, "old 01\n\n" + NOTE, "old -1\n\n" + NOTE, "old 1\nAAAA\n\n" + NOTE, "new 1\n\n" + NOTE,
     "old 1\n" + "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n" * 64 + "\n" + NOTE],
)  # fmt: skip
def test_what_is_no_submission_is_refused(text: str) -> None:
    """Other numbers, short hashes, 64 lines of proof, no empty line."""
    with pytest.raises(BadCheckpoint):
        parse_submission(text)


def test_a_receipt_proves_an_entry_without_the_gateway() -> None:
    """Written, read back, checked against the signed root; any other leaf, entry, place or path is refused."""
    rows = [
        Row(f"{number:032}", 5, "look_up_status", number, "TLA01", "", b"", b"", "", 0, "2026", bytes(32), b"")
        for number in range(3)
    ]
    leaves = [*LEAVES[:300], leaf_hash_of(rows), *LEAVES[301:700]]
    note = sign(ORIGIN, 700, Frontier().extend(leaves).root(), PRIVATE)
    proof = inclusion_proof(leaves, 300, 700)
    held = Enclosed(leaf_of(rows), entry_bytes(rows[1]), way_within(rows, 1))
    receipt = Receipt(300, proof, note, held)
    assert receipt.text().startswith("c2sp.org/tlog-proof@v1\nextra ")
    for one in (receipt, Receipt(300, proof, note, Enclosed(held.leaf))):
        assert parse_receipt(one.text()) == one
        assert parse_receipt(one.text()).check([KEY]).size == 700
    other = held.way._replace(place=held.way.place ^ 1)
    for wrong in (
        Receipt(301, proof, note, held), Receipt(300, proof[1:], note, held), Receipt(300, proof, NOTE, held),
        Receipt(300, proof, note, held._replace(entry=entry_bytes(rows[2]))), Receipt(300, proof, note, held._replace(way=other)),
        Receipt(300, proof, note, Enclosed(b"{}")), Receipt(300, proof, note, held._replace(leaf=b"x")),
    ):  # fmt: skip
        with pytest.raises(BadCheckpoint):
            wrong.check([KEY])
    for text in (
        "", receipt.text()[5:], receipt.text().replace("index", "place"), "c2sp.org/tlog-proof@v1\n\n" + NOTE,
        receipt.text().replace("extra ", "extra x"), receipt.text().replace("extra ", "extra MQ==", 1),
        receipt.text().replace(receipt.text().split("\n")[1], f"extra {encode(held.leaf + bytes([10]) + held.entry)}"),
    ):  # fmt: skip
        with pytest.raises(BadCheckpoint):
            parse_receipt(text)


def test_a_restore_is_declared_by_the_log_itself() -> None:
    """Signed under the old origin; what somebody else signed, or a checkpoint, is no declaration."""
    restore = Restore(ORIGIN, 400, TREE.root(), next_origin(ORIGIN), 700)
    note = restore.note(PRIVATE)
    assert parse_restore(note, [KEY]) == restore
    assert (next_origin("a/b"), next_origin("a/b/2"), next_origin(ORIGIN)) == ("a/b/2", "a/b/3", "gateway.example/access-log/2")
    for text in (restore.note(OTHER), NOTE, note.replace("400", "401")):
        with pytest.raises(BadCheckpoint):
            parse_restore(text, [KEY])
    with pytest.raises(BadCheckpoint):
        parse_and_verify(note, [KEY])


def test_without_witnesses_nothing_ever_stops() -> None:
    """A gateway that stands alone goes on; one that had witnesses and has none any more, too."""
    vouched = Vouched()
    vouched.take([Witness("a", INCONSISTENT, 0)])
    vouched.take([])
    assert not vouched.refuses(1 << 61, duty=False)
    assert vouched.state(1 << 61) == "ok"


def test_an_hour_without_is_an_alert_and_four_stop_what_rests_on_wishes() -> None:
    """Any one signature counts; duties go on."""
    vouched = Vouched()
    vouched.take([Witness("a", "silent", 0), Witness("b", SIGNS, 10 * HOUR), Witness("c", NEW, 5 * HOUR)])
    assert [vouched.state(at) for at in (11 * HOUR - 1, 11 * HOUR, 14 * HOUR - 1, 14 * HOUR)] == [
        "ok", "alert", "alert", "wishes-stopped",
    ]  # fmt: skip
    assert [vouched.refuses(at, duty=False) for at in (14 * HOUR - 1, 14 * HOUR)] == [False, True]
    assert not vouched.refuses(1 << 61, duty=True)


def test_a_tree_that_is_another_one_stops_duties_too() -> None:
    """One witness that finds it so is enough, whatever others sign."""
    vouched = Vouched()
    vouched.take([Witness("a", INCONSISTENT, 10 * HOUR), Witness("b", SIGNS, 10 * HOUR)])
    assert vouched.refuses(10 * HOUR, duty=True)
    assert vouched.refuses(10 * HOUR, duty=False)
    assert vouched.state(10 * HOUR) == "stopped"


def kept_hashes(kept: tiles.Kept) -> list[bytes]:
    """Kept hashes made from all leaves, as a store would hold them."""
    width = 1 << kept.level
    return [Frontier().extend(LEAVES[at * width : (at + 1) * width]).root() for at in range(kept.first, kept.after)]


@given(st.data())
def test_proofs_from_kept_roots_are_those_from_all_leaves(data: st.DataObject) -> None:
    """Whatever the range of a proof, its root comes out of few kept hashes."""
    from gateway.audit.merkle import consistency_ranges, inclusion_ranges

    size = data.draw(st.integers(1, 700))
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    for ranges, wanted in (
        (inclusion_ranges(index, size), inclusion_proof(LEAVES, index, size)),
        (consistency_ranges(old, size), consistency_proof(LEAVES, old, size)),
    ):
        found = tuple(tiles.root_of([kept_hashes(kept) for kept in tiles.kept_for(one)]) for one in ranges)
        assert found == wanted


def test_a_proof_in_ten_million_reads_few_hashes() -> None:
    """Some hundred kept hashes at each level, never the leaves of the log."""
    from gateway.audit.merkle import inclusion_ranges

    for index in (0, 9_999_999, 5_000_000, random.Random(1).randrange(10_000_000)):
        kept = [one for part in inclusion_ranges(index, 10_000_000) for one in tiles.kept_for(part)]
        assert sum(one.after - one.first for one in kept) < 1600


def test_full_roots_are_those_of_whole_tiles() -> None:
    """The rest that fills no tile is left for later."""
    assert tiles.full_roots(LEAVES) == [Frontier().extend(LEAVES[:256]).root(), Frontier().extend(LEAVES[256:512]).root()]
    assert tiles.root_of([]) == Frontier().root()


# The vectors that Certificate Transparency implementations share (inclusion and consistency, happy paths).
B64 = {
    1: "bjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=", 2: "+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU=",
    3: "rra8/idLcKFPsGel5VeCZNsPqbUa9eC6FZFY8yngbnc=", 5: "Tju7H3tHjc/nH7YxYxUZo7yhLJrvyhYSv85ME6hiZNQ=",
    6: "duZ9rbzfHhDht03cYIq9L5jfsW+851J3tSMqEn8gh+8=", 7: "3bib5AOAnjJXUNPSY814kpwpQreUKjS3fhIslZSnTIw=",
    8: "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=",
}  # fmt: skip
INCLUSION = [
    (5, 8, "QnGia+DYqE8L1UyMMC58s6O10fpngKQLzOKHNHfatlg=",
     ["vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=", "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=",
      "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc="]),
    (2, 3, "ApjRIpBtz8EIkstTpzmS/FufST6kybrbJ7eRtBJ6f+c=", ["+sVCA+fMaWzw38tCySodnbr3CtnmIfS9jZhmLwDjwSU="]),
]  # fmt: skip
CONSISTENCY = [
    (1, 1, []),
    (1, 8, ["lqKW0iTyhcZ77pPDD4owkVfw2qNdxbh+QQt4YwoJz8c=", "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
            "a0eq8p7jwq+a+Im8H7klTavTEXfxYjLdaqsDXKOb9uQ="]),
    (6, 8, ["DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=", "yoVOoSjtBQtBs1/8G4e46yveRh6eO1WW7Oa51ZdaCuA=",
            "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc="]),
    (2, 5, ["Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=", "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms="]),
    (6, 7, ["DrxdNDf74tsVi58Sah0RjjCBgQMdCpSfje3t68VY72o=", "sIaT7C5yFZcTBkHoIR5+7cy0wmQTlj7ubB4u0W/7Gl8=",
            "037kGJdt2VdTwcc4Yrk5j6Kiz5tP8P3+izDNlSCWFLc="]),
]  # fmt: skip


def decoded(texts: list[str]) -> list[bytes]:
    return [base64.b64decode(text) for text in texts]


@pytest.mark.parametrize(("index", "size", "leaf", "proof"), INCLUSION)
def test_published_inclusion_proofs_hold(index: int, size: int, leaf: str, proof: list[str]) -> None:
    """The shared vectors hold; with a wrong index, a longer, shorter or changed path they do not."""
    node, path, root = base64.b64decode(leaf), decoded(proof), base64.b64decode(B64[size])
    assert verify_inclusion(node, index, size, path, root)
    for wrong in ([*path, bytes(32)], path[:-1], [bytes(32), *path], [*path[:-1], bytes(32)]):
        assert not verify_inclusion(node, index, size, wrong, root)
    assert not verify_inclusion(node, index - 1, size, path, root)
    assert not verify_inclusion(node, index, size * 2, path, root)


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_published_consistency_proofs_hold(old: int, new: int, proof: list[str]) -> None:
    """The shared vectors hold; with swapped roots, another size, a longer or changed path, or from nothing they do not."""
    path, first, last = decoded(proof), base64.b64decode(B64[old]), base64.b64decode(B64[new])
    assert verify_consistency(old, new, first, last, path)
    assert not verify_consistency(old, new, first, last, [*path, bytes(32)])
    assert not verify_consistency(0, new, first, last, path)
    if old < new:
        assert not verify_consistency(old, new, last, first, path)
        assert not verify_consistency(old, new, first, last, path[:-1])
        assert not verify_consistency(old ^ 2, new, first, last, path)
