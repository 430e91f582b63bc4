"""What exchanges stand on besides the database: keys, policy, maps, topics, wording. Made once, in ``gateway.app``."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.audit.vouched import Vouched
from gateway.disclosure.agreements import Agreements
from gateway.disclosure.purposes import Purpose
from gateway.disclosure.subject_texts import Languages, shipped_subject_texts
from gateway.disclosure.wording import Wording, shipped_wording
from gateway.disclosure.working_days import Holidays, shipped_holidays
from gateway.fhir import systems
from gateway.notification.topics import Topic
from gateway.store.vault import Vault


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """Everything compiled at start. Frozen, but for agreements: what is put in force is taken up in place, between two decisions."""

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
    counted: set[bytes] = field(default_factory=set)  # charges once read as counted: a memory of charge.py
    without_interests: set[tuple[str, str, int]] = field(default_factory=set)  # the same of interests.py
    holidays: Holidays = field(default_factory=shipped_holidays)
    wording: Wording = field(default_factory=shipped_wording)  # what practitioners and patients read
    subject_texts: Languages = field(default_factory=shipped_subject_texts)  # of reports to people about their own record
    vouched: Vouched = field(default_factory=Vouched)  # up to when disclosures go on, by what witnesses say of the log
    unapproved_maps: str = "warn"  # allow | warn | refuse: records whose map their sender has not approved
    quota: int = 30  # different people that a user may ask about within an hour
    most_records: int = 64 << 20  # bytes of records that are answered at once
    most_handed_in: int = 2 << 30  # bytes of a file that is handed in to be loaded later
    list_quota: int = 1000  # different people that a client may newly put on case lists within a day


def new_id() -> str:
    """A random id of 128 bits, valid as a FHIR id."""
    return os.urandom(16).hex()


def entry_id(recorded: int) -> str:
    """The id of an audit entry: 72 random bits behind its time, so that the log's indexes grow at their end."""
    return f"{recorded:014x}{os.urandom(9).hex()}"
