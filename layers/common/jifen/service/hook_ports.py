"""What signed webhooks need from outside: their queue, and what posts them. See :mod:`jifen.service.ports`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from jifen.domain.endpoints import Reply


@dataclass(frozen=True, slots=True)
class DeliveryTask:
    """One event for one endpoint; the event itself is in the outbox.

    Attributes:
        endpoint: its id.
        event_id, at: of the event; where it is kept follows from them.
        run: the replay that asks for it; empty for the event's own delivery.
        missing: whether only what was SKIPPED is meant, and not what was delivered or given up.
    """

    endpoint: str
    event_id: str
    at: datetime
    run: str = ""
    missing: bool = False


@dataclass(frozen=True, slots=True)
class ReplayTask:
    """Events of a stretch of time for one endpoint.

    Attributes:
        endpoint: its id.
        since, until: when the events happened; ``until`` is the first instant that is not meant.
        run: id of the replay.
        types: as an endpoint has them, and besides what the endpoint itself takes.
        missing: see :class:`DeliveryTask`.
        hour, part, cursor: where an earlier worker stopped; empty where none has begun.
    """

    endpoint: str
    since: datetime
    until: datetime
    run: str
    types: tuple[str, ...] = ()
    missing: bool = False
    hour: str = ""
    part: int = 0
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class ProbeTask:
    """A try of an endpoint that is known to be failing.

    Attributes:
        endpoint: its id.
        retry_at: when it was to be tried again as this was queued; another time by now: another one is queued.
        event_id, at: of an event that it did not take.
    """

    endpoint: str
    retry_at: datetime
    event_id: str
    at: datetime


HookTask = DeliveryTask | ReplayTask | ProbeTask


class HooksQueue(Protocol):
    """Where events wait for an endpoint."""

    def send(self, tasks: Sequence[HookTask], delay_s: int = 0) -> None:
        """Hand over tasks, for after so many seconds (at most 900); returns when all are safe.

        Raises:
            Busy: not all were taken; sending them again does no harm.
        """

    def read(self, message: str) -> HookTask:
        """The task in a message.

        Raises:
            MalformedMessage: it is none.
        """

    def postpone(self, receipt: str, seconds: int) -> None:
        """Have a message come back after so many seconds; where that fails it comes back after the queue's own time."""


class Poster(Protocol):
    """Signs and posts one event."""

    def post(self, url: str, secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> Reply:
        """Post ``body`` to ``url`` once, signed with each of ``secrets`` as of ``at``; whatever comes of it is told."""
