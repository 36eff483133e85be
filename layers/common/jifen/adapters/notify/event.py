"""Channel ``event``: EventBridge events, one for each notice, for the shop's own rules and targets.

``detail-type`` is the kind (``points.expiring``); ``detail.notice_id`` is the same for every attempt at one notice.
"""

from __future__ import annotations

from typing import Any

from jifen.adapters.events import put_one
from jifen.domain.notice_data import event_detail
from jifen.service.ports import Contact, Message


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
        """See :class:`jifen.service.ports.Notifier`; what went before a failure is put again with the next try."""
        for notice in message.notices:
            put_one(
                self._client, self._bus, str(notice.kind), event_detail(notice, message.available, trial=message.trial)
            )
