"""Channel ``webhook``: the shop's own endpoints take the notices and tell the member in the shop's own way.

One event of type ``notice`` a message, under the message's id, with every notice in it; endpoints that do not want the
type do not get it. It needs no contact: the shop knows its members.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from jifen.domain.errors import Busy
from jifen.domain.notice_data import webhook_data
from jifen.domain.outgoing import OutgoingEvent
from jifen.service.ports import Contact, Message, NotSent, Relay

TYPE = "notice"


class WebhookNotifier:
    """Hands messages to the relay of the shop's endpoints."""

    channel = "webhook"

    def __init__(self, relay: Relay, clock: Callable[[], datetime]) -> None:
        self._relay = relay
        self._clock = clock

    def reaches(self, contact: Contact | None) -> bool:
        """See :class:`jifen.service.ports.Notifier`: everybody, where an endpoint takes the type, and else nobody.

        What an endpoint is to get that is disabled waits for it, and is given up where that takes too long.
        """
        del contact
        return self._relay.wanted(TYPE, disabled=True)

    def send(self, message: Message) -> None:
        """See :class:`jifen.service.ports.Notifier`."""
        if not self._relay.wanted(TYPE):
            raise NotSent("no endpoint of the shop that takes messages is enabled")
        language = message.contact.language if message.contact else "en"
        told = (message.notices, message.available, message.today, language)
        data = webhook_data(message.id, message.member, *told, trial=message.trial)
        event = OutgoingEvent(message.id, TYPE, self._clock(), message.member, data)
        try:
            self._relay.relay([event])
        except Busy as failure:
            raise NotSent("the relay of the shop's endpoints did not take the message") from failure
