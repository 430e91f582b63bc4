"""Who is asking: the verified requester of an exchange, as its access token states it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Requester:
    """A client, and the user it speaks for, after the token was verified in full.

    ``agency`` (ODS code) comes from the registered client, never from a claim of the caller. ``scopes`` are single
    permissions ("system/Patient.r", "system/$known-to-services"). ``user`` and ``role`` are empty when no user was
    stated. ``purposes`` are all the purposes of use this token may ask for. ``stamp`` is the version of clients and
    policy the token was issued under: an exchange compares it with the database before it decides.
    """

    client_id: str
    agency: str
    scopes: frozenset[str]
    user: str = ""
    role: str = ""
    purposes: frozenset[str] = frozenset()
    stamp: str = ""
    token_id: str = ""
