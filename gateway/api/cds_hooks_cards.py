"""A card from an answer: the same parts in the same order, whatever is known; words from ``mappings/cards/hooks.toml``.

What an agency wrote (its name, its desks, its people) is filled in as plain text: no sign of it is markdown or HTML.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import orjson

from gateway.disclosure.release import STATUS_DISPLAY, Disclosure, Resource
from gateway.disclosure.wording import Words, listed
from gateway.exchanges.agencies import profile
from gateway.exchanges.lookup.look_up_status import Group, LookupAnswer
from gateway.fhir import systems
from gateway.fhir.bundles import uuid_of
from gateway.fhir.codes import CARD_OVERRIDES, Answer
from gateway.store.ledger import Feed

MOST = 160  # characters of one text of an agency
MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|~:/\"=$%^;?])")
ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "(at)"}
TOLD = {Answer.KNOWN: "known", Answer.RECENTLY_CLOSED: "recently-closed"}


class Setting(NamedTuple):
    """What a card is made with beside the answer."""

    words: Words
    hook: str
    root: str  # where this gateway is reached, without a path
    base: str  # canonical base of our codes
    purpose: str
    launchable: bool


def plain(text: object) -> str:
    """A text of somebody else as GitHub-flavoured markdown that shows it letter for letter, on one line, and does nothing."""
    shown = "".join(sign if sign.isprintable() else " " for sign in str(text))
    cut = " ".join(shown.split())[:MOST]
    return "".join(ENTITIES.get(sign) or MARKS.sub(r"\\\1", sign) for sign in cut)


def card(setting: Setting, answer: LookupAnswer) -> dict[str, Any]:
    """The one card of an answer."""
    told = TOLD.get(min((one.answer for one in answer.groups), key=list(TOLD).index), "") if answer.groups else ""
    feeds = {feed.code: feed for feed in answer.coverage}
    lines = [_said(setting.words, one, feeds[one.custodian]) for one in answer.groups]
    services = len({one.custodian for one in answer.groups})
    return _made(setting, answer.id, told or "no-information", lines, answer.coverage, answer.obligations, services)


def stop_card(setting: Setting, identifier: str, covered: Iterable[Feed]) -> dict[str, Any]:
    """The card that is shown where nothing could be asked: whom to ring."""
    return _made(setting, identifier, "stopped", [], tuple(covered))


def _made(
    setting: Setting, identifier: str, state: str, lines: list[str], covered: tuple[Feed, ...],
    obligations: tuple[str, ...] = (), services: int = 0,
) -> dict[str, Any]:  # fmt: skip
    words = setting.words
    said = lines or [words["line"]["stopped" if state == "stopped" else "no-information"]]
    parts = [
        ("said", said),
        ("ring", _desks(words, covered)),
        ("do", _advice(words, setting.hook, state, obligations)),
        ("keep", [words["keep"]["all"]]),
    ]
    return {
        "uuid": uuid_of(identifier),  # feedback leads back to the access log
        "summary": words["summary"][state].format(services=_count(words, services)),
        "indicator": "warning" if state == "stopped" else "info",
        "source": {"label": "Think Family Gateway", "url": setting.root},
        "detail": "\n\n".join(_part(words["heading"][name], texts) for name, texts in parts),
        "overrideReasons": [_override(setting, code) for code in CARD_OVERRIDES],
        "links": [_link(setting), *([_share(setting)] if state == "stopped" else [])],
    }


def _share(setting: Setting) -> dict[str, Any]:
    """What may be shared, and with whom: for when this card cannot say more."""
    return {"label": setting.words["link"]["share"], "url": f"{setting.root}/check-share", "type": "absolute"}


def _part(heading: str, lines: list[str]) -> str:
    return "\n".join([f"**{heading}**", "", *(f"- {one}" for one in lines)])


def _count(words: Words, services: int) -> str:
    return words["count"]["one"] if services == 1 else words["count"]["more"].format(number=services)


def _override(setting: Setting, code: str) -> dict[str, str]:
    system = systems.code_system("card-override", setting.base)
    return {"code": code, "system": system, "display": setting.words["override"][code]}


def _link(setting: Setting) -> dict[str, Any]:
    """The page: opened by the record system's own launch where it has one."""
    link = {"label": setting.words["link"]["page"], "url": f"{setting.root}/launch", "type": "absolute"}
    if not setting.launchable:
        return link
    return {**link, "type": "smart", "appContext": orjson.dumps({"purpose": setting.purpose}).decode()}


def _said(words: Words, group: Group, feed: Feed) -> str:
    """One agency about one person: as much as was disclosed."""
    line = words["line"]
    held = group.disclosure
    assert held is not None, "in wish mode a group is a disclosure"
    status = STATUS_DISPLAY[held.status].lower() if held.status else line["existence"]
    since = line["since"].format(since=_day(held.since)) if held.since else ""
    last = line["last"].format(last=_month(held.last_contact)) if held.last_contact else ""
    who = words["who"][group.about]
    told = line["known"].format(who=who, organisation=plain(feed.name), status=status, since=since, last=last)
    contacts = _contacts(held)
    return told + (line["contacts"].format(contacts=listed(contacts, "or")) if contacts else "")


def _contacts(held: Disclosure) -> list[str]:
    return list(dict.fromkeys(filter(None, (_contact(one) for one in held.contacts))))


def _contact(role: Resource) -> str:
    name = (role.get("practitioner") or {}).get("display") or _title(role)
    return " ".join(plain(part) for part in (name, _phone(role)) if part) if _phone(role) else ""


def _title(role: Resource) -> str:
    return next((str(one["text"]) for one in role.get("code", ()) if one.get("text")), "")


def _phone(role: Resource) -> str:
    return next((str(one["value"]) for one in role.get("telecom", ()) if one.get("system") == "phone" and one.get("value")), "")


def _desks(words: Words, covered: tuple[Feed, ...]) -> list[str]:
    """The desks of all whom this requester may hear from, the same whoever is asked about."""
    line = words["line"]
    found = [_desk(line, feed.name, role) for feed in covered for role in profile(feed).desks]
    return found or [line["nobody"]]


def _desk(line: Any, name: str, role: Resource) -> str:
    phone, hours = _phone(role), role.get("availabilityExceptions", "")
    return str(
        line["desk"].format(
            organisation=plain(name),
            desk=plain(_title(role)),
            phone=line["phone"].format(phone=plain(phone)) if phone else "",
            hours=line["hours"].format(hours=plain(hours)) if hours else "",
        )
    )


def _advice(words: Words, hook: str, state: str, obligations: tuple[str, ...]) -> list[str]:
    """What to ask and tell; who is not to be told is not told by the way."""
    tell = [] if "do-not-tell" in obligations else [words["tell"][state]]
    return [words["ask"][hook], *tell, *(words["obligation"][code] for code in obligations)]


def _day(text: str) -> str:
    year, month, day = (int(part) for part in text.split("-"))
    return f"{day} {calendar.month_name[month]} {year}"


def _month(text: str) -> str:
    year, month = (int(part) for part in text.split("-")[:2])
    return f"{calendar.month_name[month]} {year}"
