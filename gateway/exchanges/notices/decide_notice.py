"""May this receiver hear of this now? The same ``decide`` as for a lookup, on the state that the notice is about."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from gateway.disclosure.decision import Asked, Permit, Refuse, decide, decide_own, gate
from gateway.exchanges.agencies import case_owner_kind
from gateway.exchanges.context import Context
from gateway.exchanges.lookup.look_up_status import hospital_states
from gateway.exchanges.outbox.subscriptions import Subscribed
from gateway.exchanges.records import dossiers
from gateway.exchanges.records.dossiers import Known
from gateway.fhir.outcomes import Unavailable
from gateway.notification.topics import WITHOUT_A_PERSON
from gateway.store import clock, people
from gateway.store.ledger import Moment
from gateway.store.sql import Read

LATER = "No other agency can vouch for the access log just now, so nothing is disclosed. Please try again later."


class Unvouched(Unavailable):
    """Nothing is decided for as long as other agencies do not vouch for the access log; the notice stays as it is."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The decision about a notice, and the one about the state after it."""

    about_it: Permit | Refuse
    afterwards: Permit | Refuse

    @property
    def ends_here(self) -> bool:
        """This notice tells of the end of the state in which the receiver may hear."""
        return isinstance(self.about_it, Permit) and isinstance(self.afterwards, Refuse)


def decide_notice(
    ctx: Context, subscribed: Subscribed, owner: str, moment: Moment, *, was_inpatient: bool
) -> Generator[Any, Any, Heard]:
    """Decide for the receiver of a notice about one person at one agency; for the agency itself, of its own records."""
    if subscribed.topic in WITHOUT_A_PERSON:
        return _both(decide_own(subscribed.requester, owner, ctx.agreements.version))
    purpose = ctx.purposes.get(subscribed.purpose)
    feed, owner_feed = moment.feeds.get(subscribed.agency), moment.feeds.get(owner)
    if purpose is None or feed is None or owner_feed is None or ctx.agreements.version != moment.policy:
        return _both(Refuse("policy-stale"))
    asked = Asked(subscribed.requester, feed.kind, purpose, clock.moment(moment.at))
    owner_kind = case_owner_kind(moment, subscribed.agency, subscribed.case_reference, subscribed.case_owner)
    at_gate = gate(asked, owner_kind, has_reason=bool(subscribed.reason), has_override=False)
    if at_gate:
        return _both(Refuse(at_gate))
    if ctx.vouched.refuses(moment.at, duty=purpose.is_duty):
        raise Unvouched(LATER)
    token = ctx.vault.nhs_token(subscribed.nhs)
    rows = people.open_dossier(ctx.vault, (yield Read(people.DOSSIER, {"key": token}, (token,))))
    known = Known("self", subscribed.nhs, rows)
    row = known.at(owner)
    if row is None:
        return _both(Refuse("not-known"))
    hospital = yield from hospital_states(ctx, [known], asked.on, moment)
    subject = dossiers.subject(known, row, owner_feed, moment, None, hospital)
    wishes, ties = dossiers.directives(known), dossiers.ties(rows, asked.on)
    after = decide(asked, subject, wishes, ties, ctx.agreements)
    if not was_inpatient:
        return _both(after)
    until_then = {**hospital, **dict.fromkeys(known.identities(), True)}
    return Heard(decide(asked, subject._replace(inpatient=until_then), wishes, ties, ctx.agreements), after)


def _both(decision: Permit | Refuse) -> Heard:
    return Heard(decision, decision)
