"""Channel ``event``: an EventBridge event, for the shop's own rules and targets.

``detail-type`` is ``points.expiring``; ``detail.notice_id`` is the same for every attempt at one reminder.
"""

from __future__ import annotations

from typing import Any

from jifen.adapters.events import put_one
from jifen.service.ports import Contact, Message

DETAIL_TYPE = "points.expiring"


class EventNotifier:
    """Puts notices on an event bus."""

    channel = "event"

    def __init__(self, client: Any, bus: str) -> None:
        self._client = client
        self._bus = bus

    def reaches(self, contact: Contact | None) -> bool:
        """See :class:`jifen.service.ports.Notifier`: the bus takes everything."""
        del contact
        return True

    def send(self, message: Message) -> None:
        """See :class:`jifen.service.ports.Notifier`."""
        put_one(self._client, self._bus, DETAIL_TYPE, detail(message))


def detail(message: Message) -> dict[str, Any]:
    """The event's detail: points are whole, the day is of the program's time zone."""
    notice = message.notices[0]
    return {"notice_id": notice.id, "member_id": message.member, **notice.facts, "available": message.available}
