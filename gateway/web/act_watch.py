"""Watch this person: subscriptions in the user's or the team's name, with purpose, case and end; and ending them."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from starlette.responses import Response

from gateway.exchanges.casework.own_watches import WatchesOf, own_watches
from gateway.exchanges.notices.manage_subscription import OwnSubscription, end_subscription
from gateway.exchanges.notices.subscribe import Subscribe, subscribe
from gateway.fhir import systems
from gateway.fhir.dates import whole_day
from gateway.notification.duty import ENGLAND
from gateway.notification.filters import Wanted
from gateway.notification.topics import STATUS_CHANGED, WITHOUT_A_PERSON, offered
from gateway.store import clock
from gateway.web import act
from gateway.web.forms import Faults, Field, read
from gateway.web.visits import Visit

NAME = "watch"
DAYS, MOST_DAYS = 90, 366
END = f"Choose a day after today, at most {MOST_DAYS} days from now."
TOPICS = "Choose at least one."
BEFORE = (
    "You are told what your organisation may hear for the purpose that you choose, and no more. That nothing is told says nothing: "
    "whether anybody knows this person has no part in this page."
)


async def ask(visit: Visit) -> Response:
    """``GET /act/watch``: what is watched already, and the form."""
    act.check_allowed(visit, NAME)
    return await _form(visit)


async def watch(visit: Visit) -> Response:
    """``POST /act/watch``: one subscription for each topic. Raises Forbidden, TooMany."""
    act.check_allowed(visit, NAME)
    values, faults = read(_fields(visit), visit.form)
    end = _end(values["until"])
    faults += [("until", END)] if end is None and not [name for name, _ in faults if name == "until"] else []
    stated, more = act.grounds_of(visit, values)
    if stated is None or end is None or faults:
        return await _form(visit, faults + [one for one in more if one[0] not in dict(faults)])
    for topic in values["topics"]:
        await visit.web.ledger.run_alone(subscribe, _subscription(visit, stated, topic, end, values["team"]))
    return act.done(visit, NAME)


async def end(visit: Visit) -> Response:
    """``POST /act/watch/end``: nothing more is told of one. One that is not there, or not the agency's own, is none."""
    act.check_allowed(visit, NAME)
    ask_end = OwnSubscription(act.colleague(visit), visit.form.get("watch", "")[:64], visit.request_id)
    await visit.web.ledger.run_alone(end_subscription, ask_end)
    return act.done(visit, "watch-ended")


async def _form(visit: Visit, faults: Faults | None = None) -> Response:
    wanted = WatchesOf(act.colleague(visit), act.patient(visit).nhs, visit.request_id)
    found = await visit.web.ledger.run(own_watches, wanted)
    topics = visit.web.context.topics
    watches = [
        {
            "id": one.id,
            "topic": topics[one.topic].title if one.topic in topics else one.topic,
            "who": one.resource.get("reason") or one.requester.user or "Your record system",
            "until": one.ends,
        }
        for one in found
    ]
    return act.form_page(
        visit, NAME, _fields(visit), faults=faults, template="act_watch.html", before=BEFORE, watches=watches,
        preset={"topics." + STATUS_CHANGED: "on", "until": (_today() + timedelta(days=DAYS)).isoformat()},
    )  # fmt: skip


def _fields(visit: Visit) -> tuple[Field, ...]:
    topics = visit.web.context.topics
    codes = [code for code in offered(topics) if code not in WITHOUT_A_PERSON]
    return (
        Field("topics", "Of what do you want to be told?", "checks", options=tuple((code, topics[code].title) for code in codes), fault=TOPICS),
        *act.grounds_fields(visit),
        Field("team", "For which team? (optional)", hint="Empty: in your own name.", optional=True, most=80),
        Field("until", "Until", "date", hint="A watch ends by itself.", fault=END),
    )  # fmt: skip


def _subscription(visit: Visit, stated: act.Stated, topic: str, end: datetime, team: str) -> Subscribe:
    """A subscription that is read in the inbox: nobody's endpoint is called."""
    ctx, nhs = visit.web.context, act.patient(visit).nhs
    (requester, grounds), user = stated, stated.requester.user
    purpose = {"system": systems.code_system("purpose", ctx.base), "code": grounds.purpose}
    filtered = {"url": systems.BACKPORT_FILTER, "valueString": f"patient:identifier={systems.NHS_NUMBER}|{nhs}"}
    resource: dict[str, Any] = {
        "resourceType": "Subscription",
        "extension": [{"url": systems.extension("purpose", ctx.base), "valueCoding": purpose}],
        "status": "requested",
        "reason": f"{team}, by {user}" if team else user,
        "criteria": systems.topic(topic, ctx.base),
        "_criteria": {"extension": [filtered]},
        "channel": {"type": "message", "payload": "application/fhir+json"},
        "end": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return Subscribe(
        requester, resource, topic, Wanted(nhs=nhs), grounds.purpose, grounds.case_reference, grounds.case_owner,
        clock.micros(end), grounds.reason, request_id=visit.request_id,
    )  # fmt: skip


def _end(text: str) -> datetime | None:
    """The end of a day in England, if it lies ahead and not too far."""
    day = whole_day(text)
    if day is None or not _today() < day <= _today() + timedelta(days=MOST_DAYS - 1):
        return None
    return datetime.combine(day + timedelta(days=1), time.min, ENGLAND).astimezone(UTC)


def _today() -> Any:
    return datetime.now(ENGLAND).date()
