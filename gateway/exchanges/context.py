"""What exchanges stand on besides the database: keys, policy, maps, topics, wording. Made once, in ``gateway.app``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.disclosure.agreements import Agreements
from gateway.disclosure.purposes import Purpose
from gateway.fhir import systems
from gateway.notification.topics import Topic
from gateway.store.vault import Vault


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """Everything compiled at start. Frozen: a change of policy is a new start."""

    vault: Vault
    agreements: Agreements
    purposes: Mapping[str, Purpose]
    explanations: Mapping[str, str]  # "duty/known" -> the words that a practitioner reads
    topics: Mapping[str, Topic]
    mappings: Any  # gateway.mapping.load.Mappings
    url: str  # where this gateway is reached: https://host/fhir
    name: str = "Think Family Gateway"
    base: str = systems.BASE  # canonical base of our own codes
    loopback_allowed: bool = False  # demo and test: receivers on this machine


def new_id() -> str:
    """A random id of 128 bits, valid as a FHIR id."""
    return os.urandom(16).hex()


def entry_id(recorded: int) -> str:
    """The id of an audit entry: 72 random bits behind its time, so that the log's indexes grow at their end."""
    return f"{recorded:014x}{os.urandom(9).hex()}"
