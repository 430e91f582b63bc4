"""What may be shared with whom, asked on the page that is open to everybody: about nobody, and of agreements alone.

Who asks is who is signed in, or nobody; as whom they ask is what they picked, which proves nothing and opens nothing.
Questions of nobody we know are on record once a minute, with their number, so that asking cannot fill the log.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.audit.entry import DONE, Kind
from gateway.disclosure.requester import Requester
from gateway.exchanges.context import Context
from gateway.exchanges.lines import line
from gateway.exchanges.lookup.check_share import ShareAnswer, ShareRequest, answer_openly
from gateway.store.ledger import Moment, Outcome, Story

NAME = "check_share_openly"


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """What was picked: whose staff is meant, in which role, and the rest of the question. ``count``: how many such
    questions this one stands for in the log."""

    asker: Requester
    agency: str
    role: str
    purpose: str
    classes: tuple[str, ...]
    receiver: str = ""
    receiver_kind: str = ""
    count: int = 1
    request_id: str = ""

    def asked(self, purposes: frozenset[str]) -> ShareRequest:
        """The question as ``$check-share`` takes it, of somebody whose software may claim every purpose."""
        meant = Requester("", self.agency, frozenset(), role=self.role, purposes=purposes)
        return ShareRequest(meant, self.purpose, self.classes, self.receiver, self.receiver_kind, request_id=self.request_id)


def check_share_openly(ctx: Context, ask: OpenQuestion, moment: Moment) -> Story[ShareAnswer]:
    """The answer, on record. Raises Unprocessable for what is not among the choices."""
    yield from ()
    answer = answer_openly(ctx, ask.asked(frozenset(ctx.purposes)), moment.feeds, moment.at)
    told = (("meant", ask.agency), ("receiver", ask.receiver or ask.receiver_kind), ("count", str(ask.count)))
    entry = line(
        NAME, ask.asker, moment, Kind.NEGATIVE, DONE, purpose=ask.purpose, policy=answer.policy, request_id=ask.request_id,
        detail=told,
    )  # fmt: skip
    return Outcome(answer, (entry,))
