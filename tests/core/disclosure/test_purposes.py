"""The table of purposes as its editors see it: what is wrong is said in whole sentences, and the same content is the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.disclosure.purposes import PolicyFault, canonical, load_purposes
from tests.core.disclosure.made import PURPOSES

WISH = 'display = "Help"\nmode = "wish"\n'
DUTY = 'display = "Duty"\nmode = "duty"\nneeds = ["user", "role", "case-reference"]\nbasis = "b"\nlaw = "l"\n'
NEEDS = "not so: needs are among case-reference, override, reason, role, user"
KINDS = "not so: kinds of agency are of the code system agency-kind"


def fault(tmp_path: Path, text: str) -> str:
    """What is said of one made-up purpose, after the names of file and purpose."""
    path = tmp_path / "purposes.toml"
    path.write_text(f"[purpose.made-up]\n{text}\n")
    with pytest.raises(PolicyFault) as told:
        load_purposes(path)
    said, where = str(told.value), f"{path}: purpose made-up: "
    assert said.startswith(where)
    return said.removeprefix(where)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{WISH}colour = 1\nbasi = 2", "unknown setting basi; unknown setting colour"),
        (f'{WISH}v3 = "TREAT"', "v3 must be a list of texts"),
        (f"{WISH}v3 = [1]", "v3 must be a list of texts"),
        (f"{WISH}asked_by = 1", "asked_by must be a list of texts"),
        (f'{WISH}roles = "nurse"', "roles must be a list of texts"),
        (f'{WISH}roles = ["nurse", 2]\nneeds = "user"', "roles must be a list of texts; needs must be a list of texts"),
        ('mode = "wish"', "not so: display says what it is"),
        ('display = "x"\nmode = "hope"', "not so: mode is duty, none, wish"),
        (f'{WISH}needs = ["luck"]', NEEDS),
        (f'{WISH}asked_by = ["circus"]', KINDS),
        (f'{WISH}case_of = "circus"', KINDS),
        (f'{WISH}since = "soon"', "not so: since is a date"),
        (f"{WISH}since = 2026-01-01T00:00:00Z", "not so: since is a date"),
        (DUTY.replace('basis = "b"\n', ""), "not so: a duty names its basis and its law"),
        (DUTY.replace('law = "l"\n', ""), "not so: a duty names its basis and its law"),
        (DUTY.replace('"user", ', ""), "not so: a duty needs user, role and case reference"),
        (f'{WISH}since = 1\nneeds = ["luck"]', f"{NEEDS}; not so: since is a date"),
    ],
)
def test_what_is_wrong_is_said_whole(tmp_path: Path, text: str, says: str) -> None:
    """Every fault at once, each a sentence that says what is to hold."""
    assert fault(tmp_path, text) == says


@pytest.mark.parametrize("text", [WISH, DUTY, f'{WISH}case_of = "children-social-care"\nasked_by = ["police"]'])
def test_what_is_in_order_is_taken(tmp_path: Path, text: str) -> None:
    """Less than everything is enough."""
    path = tmp_path / "purposes.toml"
    path.write_text(f"[purpose.made-up]\n{text}\n")
    (made,) = load_purposes(path).values()
    assert (made.code, made.is_duty) == ("made-up", text == DUTY)


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    """Nothing stands between the name and the reason but a colon."""
    path = tmp_path / "purposes.toml"
    path.write_text("colour = 1")
    with pytest.raises(PolicyFault) as told:
        load_purposes(path)
    assert str(told.value) == f"{path}: 'purpose'"


def test_the_same_purposes_are_the_same_bytes(tmp_path: Path) -> None:
    """A line for each, in order of their codes, lists in order: who verifies an old version by its bytes gets the same."""
    path = tmp_path / "purposes.toml"
    path.write_text(f'[purpose.b]\n{WISH}roles = ["y", "x"]\n[purpose.a]\n{WISH}v3 = ["T"]\n')
    made = load_purposes(path)
    first = b"a|Help|wish|('T',)||||||" + b"|None"
    assert canonical(made).split(b"\n") == [first, b"b|Help|wish|()||||" + b"|x,y||None"]
    assert canonical(dict(reversed(made.items()))) == canonical(made)
    assert canonical(PURPOSES).count(b"\n") == len(PURPOSES) - 1
