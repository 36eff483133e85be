"""Channel ``event``: an EventBridge event, for the shop's own rules and targets.

``detail-type`` is ``points.expiring``; ``detail.notice_id`` is the same for every attempt at one reminder.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from jifen.service.ports import Contact, Message, NotSent

DETAIL_TYPE = "points.expiring"
SOURCE = "jifen"


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
        entry = {
            "EventBusName": self._bus,
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Detail": json.dumps(detail(message), ensure_ascii=False),
        }
        try:
            answer = self._client.put_events(Entries=[entry])
        except (BotoCoreError, ClientError) as failure:
            problem = "the event bus did not answer"
            raise NotSent(problem) from failure
        if answer.get("FailedEntryCount"):
            problem = "the event bus refused the event"
            raise NotSent(problem)


def detail(message: Message) -> dict[str, Any]:
    """The event's detail: points are whole, the day is of the program's time zone."""
    notice = message.notices[0]
    return {"notice_id": notice.id, "member_id": message.member, **notice.facts, "available": message.available}
