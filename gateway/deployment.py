"""A deployment: its settings, keys and database, found or made, and whether it may start."""

from __future__ import annotations

import fcntl
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.api.edge import Edge
from gateway.deliverer import Deliverer
from gateway.disclosure.agreements import Documents, documents_in
from gateway.exchanges.context import Context
from gateway.settings import Settings
from gateway.store import migrate
from gateway.store.erasure_register import RegisterFault, read_register
from gateway.store.ledger import Ledger
from gateway.store.vault import KeyFault, Vault, load_keys, make_keys

log = logging.getLogger("gateway")

EXAMPLE_BASE = "https://gateway.example/fhir"


class StartRefused(Exception):
    """The gateway does not start; the text says in one plain line why."""


@dataclass(slots=True)
class Gateway:
    """A wired gateway: what ``serve``, ``deliver`` and the administration commands run on."""

    settings: Settings
    context: Context
    ledger: Ledger
    edge: Edge
    deliverer: Deliverer


def prepare(settings: Settings) -> Vault:
    """Keys and database of a deployment, made on a first start. Raises StartRefused."""
    refuse_unfit(settings)
    database = database_of(settings)
    first = isinstance(database, Path) and not database.exists()
    if not settings.keys_folder.exists():
        if not first:  # gateway migrate makes the keys of a new PostgreSQL deployment
            raise StartRefused(f"the keys {settings.keys_folder} are missing: restore them; without them nothing can be opened")
        make_keys(settings.keys_folder, settings.kind)
        log.warning(
            "new keys were made: back them up apart from the data; lost, nothing can be opened again",
            extra={"folder": str(settings.keys_folder)},
        )
    try:
        vault = load_keys(settings.keys_folder)
    except KeyFault as fault:
        raise StartRefused(str(fault)) from fault
    if vault.kind != settings.kind:
        raise StartRefused(
            f"the keys in {settings.keys_folder} belong to a {vault.kind} deployment, this is a {settings.kind} one"
        )
    if first:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        migrate.upgrade(migrate.engine_of(database), settings.kind)
    try:
        read_register(settings.keys_folder)
    except RegisterFault as fault:
        raise StartRefused(str(fault)) from fault
    try:
        migrate.check(migrate.engine_of(database), settings.kind, vault)
    except migrate.DatabaseFault as fault:
        raise StartRefused(str(fault)) from fault
    return vault


def refuse_unfit(settings: Settings) -> None:
    """What a production deployment must not run with; asked before anything is made. Raises StartRefused."""
    if settings.kind != "production":
        return
    if settings.canonical_base == EXAMPLE_BASE:
        raise StartRefused("production needs a canonical base of its own: set GATEWAY_CANONICAL_BASE")
    if not settings.url.startswith("https://"):
        raise StartRefused("production is reached over https: set GATEWAY_URL to its https address")


def refuse_unsigned(settings: Settings) -> None:
    """Production shares by published agreements alone; a folder of others would look as if it counted. Raises StartRefused."""
    if settings.kind == "production" and (found := documents_in(settings.agreements)):
        raise StartRefused(
            f"production takes no unsigned agreements, and {settings.agreements} holds {found[0][0]}: "
            "have it signed, run gateway agreements publish, and keep the file elsewhere"
        )


def unsigned_agreements(settings: Settings) -> Documents:
    """The documents of the folder, by which demo and test deployments share besides; in production there are none."""
    return [] if settings.kind == "production" else documents_in(settings.agreements)


def database_of(settings: Settings) -> Path | str:
    """The file of an embedded deployment, or the address of a PostgreSQL one."""
    return settings.database_url if settings.on_postgres else settings.database_file


def hold_folder(settings: Settings) -> Any:
    """One embedded folder has one long-lived process. Raises StartRefused where another has it."""
    if settings.on_postgres:
        return None
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = open(settings.data / "lock", "w")  # noqa: SIM115 - held until the process ends
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise StartRefused(f"another gateway is serving from {settings.data}: stop it first") from None
    return lock
