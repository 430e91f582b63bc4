"""Signed heads: C2SP tlog-checkpoint and signed-note."""

from __future__ import annotations

import base64
import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.checkpoint import BadCheckpoint, Checkpoint, Key, note_text, open_note, parse_and_verify, sign, sign_note

ORIGIN = "gateway.example/log"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = Key.of(ORIGIN, PRIVATE)
ROOT = bytes(range(32, 64))
GOOD = sign(ORIGIN, 1234, ROOT, PRIVATE)
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(32))

# Published with the first implementation of signed notes, and a head of the public Go checksum log.
NOTE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
NOTE_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NOTE = (
    NOTE_TEXT
    + "\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
GO_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
GO_HEAD = (
    "go.sum database tree\n63096908\n8lHrQPRYe4KT4WQ9/Qk8/taKnD6IRHbFgfN7vQE2Y54=\n"
    "\n\u2014 sum.golang.org Az3gri/oVBN1jAhNZ/iS+W31psFAWRT20/GyrhpU6taFwulQGetBkH5S7wpGXdS935jiIGiUUAXBVHzT/P6fYhqAmAk=\n"
)


def cosigned(text: str = GOOD) -> str:
    """A checkpoint with another agency's signature below ours."""
    body = text[: text.rfind("\n\n") + 1]
    line = sign_note(body, "council.example", WITNESS).rsplit("\n", 2)[1]
    return f"{text}{line}\n"


def test_a_published_note_is_read_and_written_byte_for_byte() -> None:
    """Key id, signature and layout are those of the signed-note page."""
    assert open_note(NOTE, [Key.parse(NOTE_KEY)]) == (NOTE_TEXT, ("PeterNeumann",))
    assert sign_note(NOTE_TEXT, "PeterNeumann", Ed25519PrivateKey.from_private_bytes(NOTE_SEED)) == NOTE


def test_a_head_of_a_public_log_verifies() -> None:
    """A checkpoint that another log's software wrote is understood."""
    head = parse_and_verify(GO_HEAD, [Key.parse(GO_KEY)])
    assert (head.origin, head.size, len(head.root), head.signers) == ("go.sum database tree", 63096908, 32, ("sum.golang.org",))


def test_what_was_signed_is_read_back() -> None:
    """Origin, size and root come back, with the names of the known keys that signed."""
    assert parse_and_verify(GOOD, [KEY]) == Checkpoint(ORIGIN, 1234, ROOT, (ORIGIN,))


def test_the_text_is_three_lines_an_empty_one_and_a_signature() -> None:
    """The layout is that of tlog-checkpoint."""
    lines = GOOD.split("\n")
    assert lines[:4] == [ORIGIN, "1234", base64.b64encode(ROOT).decode(), ""]
    assert lines[4].startswith(f"\u2014 {ORIGIN} ") and lines[5:] == [""]


def test_cosignatures_of_unknown_keys_are_passed_over() -> None:
    """A reader who does not know the other agency still trusts the log's key, and the other way round."""
    witness = Key.of("council.example", WITNESS)
    assert parse_and_verify(cosigned(), [KEY]).signers == (ORIGIN,)
    assert parse_and_verify(cosigned(), [witness]).signers == ("council.example",)
    assert parse_and_verify(cosigned(), [KEY, witness]).signers == (ORIGIN, "council.example")


def test_no_known_signature_is_no_checkpoint() -> None:
    """A head that only strangers signed is not used, not even one under a known name."""
    impostor = sign(ORIGIN, 1234, ROOT, WITNESS)
    for text, keys in ((GOOD, []), (impostor, [KEY]), (GOOD, [Key.of("council.example", WITNESS)])):
        with pytest.raises(BadCheckpoint):
            parse_and_verify(text, keys)


def test_one_known_signature_that_fails_spoils_the_note() -> None:
    """A known key's bad signature means that something was changed, whoever else signed."""
    other = sign(ORIGIN, 1235, ROOT, PRIVATE).rsplit("\n", 2)[1]
    with pytest.raises(BadCheckpoint):
        parse_and_verify(f"{cosigned()}{other}\n", [KEY, Key.of("council.example", WITNESS)])


def test_no_character_of_a_checkpoint_can_change() -> None:
    """Every replacement, removal and insertion of a character is refused."""
    chance = random.Random(5)
    for at in range(len(GOOD)):
        letter = chance.choice([c for c in "Aa0+/= \n\u2014\u00e9" if c != GOOD[at]])
        for changed in (GOOD[:at] + letter + GOOD[at + 1 :], GOOD[:at] + GOOD[at + 1 :], GOOD[:at] + letter + GOOD[at:]):
            if changed == GOOD:
                continue
            with pytest.raises(BadCheckpoint):
                parse_and_verify(changed, [KEY])


ODD = [
    f"{ORIGIN}\n01234\n{base64.b64encode(ROOT).decode()}\n",
    f"{ORIGIN}\n-1\n{base64.b64encode(ROOT).decode()}\n",
    f"{ORIGIN}\n\u0661\n{base64.b64encode(ROOT).decode()}\n",
    f"{ORIGIN}\n1234\n{base64.b64encode(ROOT[:31]).decode()}\n",
    f"{ORIGIN}\n1234\nno base64\n",
    f"{ORIGIN}\n1234\n",
    f"{ORIGIN}\n1234\n\n{base64.b64encode(ROOT).decode()}\n",
    f"{ORIGIN}\n{'9' * 30}\n{base64.b64encode(ROOT).decode()}\n",
]


@pytest.mark.parametrize("body", ODD)
def test_a_signed_text_that_is_no_checkpoint_is_refused(body: str) -> None:
    """A good signature does not make a head out of other text."""
    with pytest.raises(BadCheckpoint):
        parse_and_verify(sign_note(body, ORIGIN, PRIVATE), [KEY])


def test_extension_lines_are_allowed_and_signed() -> None:
    """A head with further lines is read for its three facts."""
    body = note_text(ORIGIN, 5, ROOT) + "more\n"
    assert parse_and_verify(sign_note(body, ORIGIN, PRIVATE), [KEY]).size == 5


@pytest.mark.parametrize(
    "text", ["", "\n\n", "a\n", "a\n\n", GOOD + "\n", GOOD.replace("\n", "\r\n"), GOOD + "\x07", GOOD + "\ud800\n"]
)
def test_what_is_no_note_is_refused(text: str) -> None:
    """Text without signatures, with control characters or with loose ends is not read."""
    with pytest.raises(BadCheckpoint):
        parse_and_verify(text, [KEY])


def test_a_note_with_very_many_signatures_is_refused_unread() -> None:
    """Sixteen signatures are always read; a flood is not."""
    line = GOOD.rsplit("\n", 2)[1] + "\n"
    assert parse_and_verify(GOOD + line * 15, [KEY]).size == 1234
    with pytest.raises(BadCheckpoint):
        parse_and_verify(GOOD + line * 100, [KEY])


@pytest.mark.parametrize(("origin", "size", "root"), [("", 1, ROOT), ("a\nb", 1, ROOT), ("a", -1, ROOT), ("a", 1, b"short")])
def test_only_a_head_is_signed(origin: str, size: int, root: bytes) -> None:
    """The log refuses to sign what no reader could accept."""
    with pytest.raises(ValueError):
        sign(origin, size, root, PRIVATE)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u00a0b"])
def test_key_names_have_no_spaces_or_plus(name: str) -> None:
    """A name that would break a signature line is refused."""
    with pytest.raises(ValueError):
        sign_note("text\n", name, PRIVATE)


def test_keys_are_exchanged_as_one_line() -> None:
    """A key's line gives the key, and a changed line gives nothing."""
    assert Key.parse(KEY.text) == KEY
    for wrong in (KEY.text[:-4] + "AAA=", "x" + KEY.text, KEY.text.replace("+", " ", 1), "", "a+b+c"):
        with pytest.raises(ValueError):
            Key.parse(wrong)
