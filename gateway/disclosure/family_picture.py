"""The picture of a family as SVG: a genogram whose people carry the services that know them, as an ecomap does.

Pure text in, text out: no scripts, no styles of its own (classes are those of the style sheet), every text escaped. Shapes
are those of genograms: a circle for a woman or girl, a square for a man or boy, a diamond where it is not said, a double
frame for the patient. The end of a line is thick with parental responsibility, dashed without, dotted where it is not known;
the card says it in words. A service has one number wherever it stands. What the picture says stands in ``described`` in words too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from textwrap import wrap
from typing import NamedTuple

from gateway.disclosure.family import Family, Knowing, Member

CARD, GAP, EDGE = 288, 20, 16  # width of a card, between cards, around all
HEAD, STEP, FOOT = 62, 17, 12  # heights within a card: above the services, of a line, below them
BETWEEN = 52  # height between two rows of cards, for the lines
ACROSS = 3  # cards in a row
MOST_NAME, MOST_LINE, MOST_WHO = 24, 30, 34  # characters that fit in with the widest of usual fonts
TIES = {"yes": "with", "no": "without"}  # parental responsibility; else it is not known
RESPONSIBLE = {"yes": "Parental responsibility: yes", "no": "Parental responsibility: no"}
NOT_KNOWN = "Parental responsibility: not known"

Words = Mapping[str, Mapping[str, str]]


class Placed(NamedTuple):
    """Somebody's card in the picture."""

    member: Member
    x: int
    y: int
    height: int

    @property
    def middle(self) -> int:
        return self.x + CARD // 2


def height_of(member: Member) -> int:
    """How high somebody's card must be."""
    return _head(member) + sum(map(_high, member.known)) + FOOT


def _head(member: Member) -> int:
    return HEAD + (STEP if member.responsibility else 0)


def _high(known: Knowing) -> int:
    """How high a service's lines are in a card."""
    return STEP * (len(_folded(known.organisation)) + len(_folded(says(known)))) + 6


def _folded(text: str) -> list[str]:
    """A text in at most two lines."""
    return wrap(text, MOST_LINE, max_lines=2, placeholder="\u2026", break_long_words=True) or [""]


def svg(family: Family, words: Words, day: Mapping[str, str]) -> str:
    """The picture. ``day`` has birth dates as people read them."""
    rows, width, height = placed(family)
    inside = [*_lines(rows, family), *(part for row in rows for one in row for part in _card(one, words, day))]
    return (
        f'<svg class="family across-{_across(family)}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-labelledby="family-title family-text"><title id="family-title">Family picture</title>'
        f'<desc id="family-text">{escape(described(family, words))}</desc>{"".join(inside)}</svg>'
    )


def placed(family: Family) -> tuple[list[list[Placed]], int, int]:
    """Every card in its place, in rows; and how wide and high all of it is."""
    across = _across(family)
    width = 2 * EDGE + across * CARD + (across - 1) * GAP
    rows, y = [], EDGE
    for people in (*_rows(family.parents), (family.patient,), *_rows(family.children)):
        wide = len(people) * CARD + (len(people) - 1) * GAP
        x = (width - wide) // 2
        high = max(map(height_of, people))
        rows.append([Placed(one, x + place * (CARD + GAP), y, high) for place, one in enumerate(people)])
        y += high + BETWEEN
    return rows, width, y - BETWEEN + EDGE


def _across(family: Family) -> int:
    return min(ACROSS, max(1, len(family.parents), len(family.children)))


def _rows(people: Sequence[Member]) -> Iterator[Sequence[Member]]:
    for start in range(0, len(people), ACROSS):
        yield people[start : start + ACROSS]


def _lines(rows: list[list[Placed]], family: Family) -> Iterator[str]:
    """From parents down to the patient, from the patient down to children; a row that is not next is reached by the side."""
    at = next(place for place, row in enumerate(rows) if row[0].member is family.patient)
    me = rows[at][0]
    for place, row in enumerate(rows):
        if place == at:
            continue
        above = place < at
        edge = row[0].y + row[0].height if above else row[0].y
        bend = edge + BETWEEN // 2 if above else edge - BETWEEN // 2
        end = me.y if above else me.y + me.height
        near = end - BETWEEN // 2 if above else end + BETWEEN // 2
        side = f"H{EDGE // 2}V{near}" if near != bend else ""
        for one in row:
            yield f'<path class="stem" d="M{one.middle} {bend}{side}H{me.middle}V{end}"/>'
            kind = TIES.get(one.member.responsibility, "open")
            yield f'<path class="tie {kind}" d="M{one.middle} {bend}V{edge}"/>'


def _card(one: Placed, words: Words, day: Mapping[str, str]) -> Iterator[str]:
    """Somebody's card: shape, name, who they are, and a line for each service that knows them."""
    member, x, y = one.member, one.x, one.y
    mine = member.about == "self"
    yield f'<g class="person{" patient" if mine else ""}"><rect x="{x}" y="{y}" width="{CARD}" height="{one.height}" rx="6"/>'
    if mine:
        yield _symbol(member.symbol, x + 26, y + 31, 15)
    yield _symbol(member.symbol, x + 26, y + 31, 10)
    yield _text(x + 50, y + 27, "name", called(member, words), MOST_NAME)
    yield _text(x + 50, y + 46, "small", _who(member, words, day), MOST_WHO)
    if member.responsibility:
        yield _text(x + 50, y + 63, "small", RESPONSIBLE.get(member.responsibility, NOT_KNOWN), len(NOT_KNOWN))
    down = y + _head(member)
    for known in member.known:
        yield from _known(known, x, down)
        down += _high(known)
    yield "</g>"


def _known(known: Knowing, x: int, y: int) -> Iterator[str]:
    """One service: its number, its name, what it says."""
    yield f'<circle class="service-{known.service % 8}" cx="{x + 24}" cy="{y + 14}" r="10"/>'
    yield f'<text class="number" x="{x + 24}" y="{y + 18}">{known.service + 1}</text>'
    lines = [("line", text) for text in _folded(known.organisation)] + [("small", text) for text in _folded(says(known))]
    for place, (kind, text) in enumerate(lines):
        yield _text(x + 42, y + 13 + STEP * place, kind, text, MOST_LINE)


def _symbol(kind: str, x: int, y: int, size: int) -> str:
    if kind == "female":
        return f'<circle class="sign" cx="{x}" cy="{y}" r="{size}"/>'
    if kind == "male":
        return f'<rect class="sign" x="{x - size}" y="{y - size}" width="{2 * size}" height="{2 * size}"/>'
    wide = size + 2
    return f'<path class="sign" d="M{x} {y - wide}L{x + wide} {y}L{x} {y + wide}L{x - wide} {y}Z"/>'


def _text(x: int, y: int, kind: str, text: str, most: int) -> str:
    shown = text if len(text) <= most else f"{text[: most - 1].rstrip()}\u2026"
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(shown)}</text>'


def called(member: Member, words: Words) -> str:
    """What somebody is called in the picture: by the name that may be told, else by who they are."""
    return member.name or words["who"][member.about]


def _who(member: Member, words: Words, day: Mapping[str, str]) -> str:
    """Who somebody is and when they were born; where that is too long for the card, the day alone stands for it."""
    kin, born = _kin(member, words), _born(member, day)
    whole = ", ".join(filter(None, (kin, born)))
    return whole if len(whole) <= MOST_WHO else f"{kin}, {born.removeprefix('born ')}"


def _kin(member: Member, words: Words) -> str:
    if member.about == "self":
        return "patient"
    return words["relation"].get(member.relation, "child" if member.about == "children" else "parent")


def _born(member: Member, day: Mapping[str, str]) -> str:
    """When somebody was or will be born; of whom has neither name nor day, the number by which they can be told apart."""
    if not (member.name or member.born or member.expected) and member.number:
        return f"NHS number {member.number[:3]} {member.number[3:6]} {member.number[6:]}"
    if member.expected and not member.born:
        return f"expected {day.get(member.expected, member.expected)}"
    return f"born {day.get(member.born, member.born)}" if member.born else ""


def says(known: Knowing) -> str:
    """What a service says of somebody, on one line: the detail where it may be told, else the status."""
    return ", ".join(known.details) or known.status or "Involved"


def responsibility(member: Member, words: Words) -> str:
    """Parental responsibility in words; empty where nobody has said anything about it."""
    return words["responsibility"].get(f"{member.about}-{member.responsibility}", "")


def described(family: Family, words: Words) -> str:
    """The picture in words, one sentence for each person."""
    return " ".join(_sentence(member, words) for member in family.people)


def _sentence(member: Member, words: Words) -> str:
    told = [f"{one.organisation} ({says(one)})" for one in member.known]
    known = f"known to {'; '.join(told)}" if told else "no service told us of them"
    parts = [_kin(member, words), responsibility(member, words).lower(), known]
    return f"{called(member, words)}: {', '.join(part for part in parts if part)}."
