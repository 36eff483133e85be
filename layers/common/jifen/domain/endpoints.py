"""Endpoints of the shop that events are sent to, what became of each, and the events that can be sent again.

ACTIVE ──failing for too long──> DISABLED ──an operator──> ACTIVE
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class EndpointStatus(StrEnum):
    """Whether an endpoint is sent anything."""

    ACTIVE = "ACTIVE"
    DISABLED = "DISABLED"
    DELETED = "DELETED"


class DeliveryStatus(StrEnum):
    """What became of one event at one endpoint."""

    WAITING = "WAITING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class Secret:
    """A signing secret (``whsec_…``); it signs through ``until`` (None: no end)."""

    text: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the shop takes events.

    Attributes:
        id: its name, chosen by the operator.
        url: https, of the shop.
        types: event types, or beginnings of them with a ``*`` at the end; empty takes all.
        secrets: what signs, the newest first.
        failing_since: when the first of the failures in a row was; None where the last delivery succeeded.
        failures: failures in a row.
        disabled_why: why it is DISABLED.
    """

    id: str
    url: str
    types: tuple[str, ...] = ()
    secrets: tuple[Secret, ...] = ()
    description: str = ""
    status: EndpointStatus = EndpointStatus.ACTIVE
    created_at: datetime | None = None
    failing_since: datetime | None = None
    failures: int = 0
    disabled_why: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event at one endpoint: a line of the delivery log, rewritten with each attempt.

    ``answered`` is the HTTP status of the last attempt, 0 where nobody answered; ``problem`` what was wrong with it.
    ``keep_until`` is when the line may go.
    """

    endpoint: str
    event_id: str
    type: str
    day: str
    at: datetime
    status: DeliveryStatus = DeliveryStatus.WAITING
    attempts: int = 0
    answered: int = 0
    problem: str = ""
    last_at: datetime | None = None
    next_at: datetime | None = None
    took_ms: int = 0
    keep_until: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class OutgoingRecord:
    """An event that was told, kept so that a stretch of time can be told again.

    ``hour`` is ``2026-11-26T09`` in UTC, ``part`` one of the parts of that hour; ``event`` is the event as plain JSON.
    """

    hour: str
    part: int
    event_id: str
    type: str
    at: datetime
    event: Mapping[str, Any] = field(default_factory=dict)
    keep_until: datetime | None = None
    version: int = 0
