"""Notices besides reminders as EventBridge events, for the shop's own rules and targets.

``detail-type`` is the kind (``reward.in_stock``); ``detail.notice_id`` is the same for every attempt at one notice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jifen.adapters.events import put_one
from jifen.service.ports import Undeliverable


class EventHerald:
    """Puts notices on an event bus."""

    def __init__(self, client: Any, bus: str) -> None:
        self._client = client
        self._bus = bus

    def tell(self, kind: str, notice_id: str, member: str, data: Mapping[str, object]) -> None:
        """See :class:`jifen.service.ports.Herald`."""
        put_one(self._client, self._bus, kind, {"notice_id": notice_id, "member_id": member, **data})


class NoHerald:
    """Of a deployment without an event bus: nobody can be told."""

    def tell(self, kind: str, notice_id: str, member: str, data: Mapping[str, object]) -> None:
        """See :class:`jifen.service.ports.Herald`."""
        del notice_id, member, data
        message = f"{kind} has no channel: this deployment has no event bus"
        raise Undeliverable(message)
