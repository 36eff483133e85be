"""Channel ``event``: an EventBridge event, for the shop's own rules and targets.

``detail-type`` is ``points.expiring``; ``detail.notice_id`` is the same for every attempt at one reminder.
"""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from jifen.service.ports import Notice, NotSent

DETAIL_TYPE = "points.expiring"
SOURCE = "jifen"


class EventNotifier:
    """Puts notices on an event bus."""

    channel = "event"

    def __init__(self, client: Any, bus: str) -> None:
        self._client = client
        self._bus = bus

    def send(self, notice: Notice) -> None:
        """See :class:`jifen.service.ports.Notifier`."""
        entry = {
            "EventBusName": self._bus,
            "Source": SOURCE,
            "DetailType": DETAIL_TYPE,
            "Detail": json.dumps(detail(notice), ensure_ascii=False),
        }
        try:
            answer = self._client.put_events(Entries=[entry])
        except (BotoCoreError, ClientError) as failure:
            message = "the event bus did not answer"
            raise NotSent(message) from failure
        if answer.get("FailedEntryCount"):
            message = "the event bus refused the event"
            raise NotSent(message)


def detail(notice: Notice) -> dict[str, Any]:
    """The event's detail: points are whole, the day is of the program's time zone."""
    reminder = notice.reminder
    return {
        "notice_id": notice.id,
        "member_id": reminder.member,
        "points": reminder.points,
        "lot_expires_on": reminder.lot_expires_on.isoformat(),
        "lead_days": reminder.lead_days,
        "days_left": notice.days_left,
        "available": notice.available,
    }
