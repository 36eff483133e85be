"""Events out: what the world is told of a change, whatever carries it.

    change in the table ──stream──> OutgoingEvent ──> EventBridge
                                         └──────────> the shop's endpoints, signed

The same change has the same ``id`` however often it is told: at least once, and a receiver can drop a repeat. Names of
types are ``<subject>.<what happened>``. What a receiver gets is the envelope, the same on every way:

    {"id", "type", "timestamp", "member_id", "data"}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jifen.domain.entries import instant_text

SOURCE = "jifen"
"""Who says so, in every event."""


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """One thing that the world is told.

    Attributes:
        id: the same for every attempt, visible ASCII, at most 64 characters.
        type: ``points.earned``; the ``detail-type`` on EventBridge and the ``type`` of a webhook.
        at: when it happened.
        member: whom it is about; None where it is about nobody.
        data: plain JSON values: points are whole, instants RFC 3339, days ISO.
    """

    id: str
    type: str
    at: datetime
    member: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


def envelope(event: OutgoingEvent) -> dict[str, Any]:
    """The event as plain JSON values: what a receiver gets, and what is kept of it."""
    return {
        "id": event.id,
        "type": event.type,
        "timestamp": instant_text(event.at),
        "member_id": event.member,
        "data": dict(event.data),
    }


def opened(plain: Mapping[str, Any]) -> OutgoingEvent:
    """The event behind :func:`envelope`."""
    at = datetime.fromisoformat(plain["timestamp"])
    return OutgoingEvent(plain["id"], plain["type"], at, plain["member_id"], plain["data"])
