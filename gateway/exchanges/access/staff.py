"""Staff who sign in: which organisation they are of, what their roles open, and their session as it is kept.

A person's organisation is that of the issuer's registration, never a claim. Their roles are the values of one claim that
the organisation has mapped to ours; each opens a few surfaces and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import orjson

from gateway.disclosure.requester import Requester
from gateway.store.ledger import Feed
from gateway.store.sessions import SHELF
from gateway.store.sql import Row
from gateway.store.vault import Vault, open_sealed, seal

AUDITOR = frozenset({"system/AuditEvent.r", "system/AuditEvent.s"})
SUBJECTS = frozenset({"system/subject-access.u"})  # reports to people, what must be kept, erasure
REVIEWS = frozenset({"system/review.s", "system/review.u"})
DUTY = frozenset(
    {"system/notice.s", "system/notice.u", "system/call-back.s", "system/call-back.u", "system/RelatedPerson.u"}
)  # fmt: skip
TEAM = DUTY | {"system/Group.s", "system/Group.r", "system/$known-to-services"}

ROLES: Mapping[str, frozenset[str]] = {
    "auditor": AUDITOR | REVIEWS | SUBJECTS,
    "privacy-officer": AUDITOR | REVIEWS | SUBJECTS,
    "duty-worker": DUTY,
    "safeguarding-lead": DUTY | REVIEWS,
    "team-manager": TEAM,
}
PURPOSES: Mapping[str, frozenset[str]] = {
    "auditor": frozenset({"audit"}),
    "privacy-officer": frozenset({"audit"}),
    "team-manager": frozenset({"amh-care-planning", "child-in-need-s17", "early-help"}),  # what rests on agreement alone
}


@dataclass(frozen=True, slots=True)
class Provider:
    """The issuer at which an agency's staff sign in, and how its claims are read. ``secret`` empty: by our own key."""

    agency: str
    issuer: str
    client_id: str
    secret: str
    user_claim: str
    role_claim: str
    roles: Mapping[str, str]  # value of the claim -> role

    def roles_of(self, stated: Collection[str]) -> tuple[str, ...]:
        """Our roles for these values of the claim, in our order; values that are not mapped open nothing."""
        held = {self.roles[value] for value in stated if value in self.roles}
        return tuple(role for role in ROLES if role in held)


@dataclass(frozen=True, slots=True)
class Staff:
    """Somebody who is signed in. ``stamp`` is the version of clients and agencies at this visit."""

    id: str  # of the session, for the access log
    agency: str
    user: str
    roles: tuple[str, ...]
    csrf: str
    stamp: str = ""

    def acting(self, scope: str) -> Requester | None:
        """As whom they do what a scope stands for: in the first of their roles that opens it; None where none does."""
        role = next((one for one in self.roles if scope in ROLES[one]), None)
        return None if role is None else self.as_requester(role)

    def as_requester(self, role: str) -> Requester:
        """They, in one of their roles."""
        return Requester(
            client_of(self.agency),
            self.agency,
            ROLES[role],
            self.user,
            role,
            PURPOSES.get(role, frozenset()),
            self.stamp,
            self.id,
        )


def client_of(agency: str) -> str:
    """What stands for the software in the access log: the gateway's own pages, used by this agency's staff."""
    return f"pages-{agency}"


def provider_of(vault: Vault, row: Row) -> Provider:
    """A registered issuer from its row. Raises Broken."""
    agency, issuer, client_id, secret, user_claim, role_claim, roles, _ = row
    opened = open_sealed(vault.shelf(SHELF), secret, agency).decode()
    return Provider(agency, issuer, client_id, opened, user_claim, role_claim, orjson.loads(roles))


def provider_row(vault: Vault, provider: Provider, at: int) -> dict[str, object]:
    """The row of an issuer, its secret sealed."""
    sealed = seal(vault.shelf(SHELF), provider.secret.encode(), provider.agency)
    roles = orjson.dumps(dict(provider.roles)).decode()
    return {
        "agency": provider.agency, "issuer": provider.issuer, "client_id": provider.client_id, "secret": sealed,
        "user_claim": provider.user_claim, "role_claim": provider.role_claim, "roles": roles, "added": at,
    }  # fmt: skip


def sealed_staff(vault: Vault, staff: Staff, token: bytes) -> bytes:
    """The sealed body of a session: opens for its own row only."""
    told = {"id": staff.id, "user": staff.user, "roles": staff.roles, "csrf": staff.csrf}
    return seal(vault.shelf(SHELF), orjson.dumps(told), token.hex())


def staff_of(vault: Vault, row: Row, stamp: str = "") -> Staff:
    """Who is signed in by a session's row. Raises Broken."""
    token, agency, _, body, *_ = row
    told = orjson.loads(open_sealed(vault.shelf(SHELF), body, token.hex()))
    return Staff(told["id"], agency, told["user"], tuple(told["roles"]), told["csrf"], stamp)


def name_of(feeds: Mapping[str, Feed], agency: str) -> str:
    """What an agency is called; its code where it has no name."""
    return feeds[agency].name if agency in feeds else agency
