"""Channel ``sms``: AWS End User Messaging, one text message in the member's language.

A message takes two segments at most (:mod:`jifen.domain.sms`). Who answers STOP is on AWS's own list from then on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from jifen.adapters.notify.asking import hand_over
from jifen.adapters.notify.email import TRIAL
from jifen.domain.wording import text_message
from jifen.service.ports import Contact, Message

LIVES_S = 86_400
"""A phone that stays off for longer does not get the message: it would be out of date."""

_NOT_THIS_NUMBER = frozenset(
    {
        "DESTINATION_PHONE_NUMBER_OPTED_OUT",
        "DESTINATION_PHONE_NUMBER_NOT_VERIFIED",
        "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION",
        "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE",
    }
)
"""Reasons of a ConflictException that are the number's; any other is the deployment's, and somebody can mend it."""


class SmsNotifier:
    """Sends messages to phones; ``origination`` is a number, a sender id, a pool, or the ARN of one."""

    channel = "sms"

    def __init__(self, client: Any, origination: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._origination = origination
        self._sleep = sleep

    def reaches(self, contact: Contact | None) -> bool:
        """See :class:`jifen.service.ports.Notifier`."""
        return contact is not None and bool(contact.phone)

    def send(self, message: Message) -> None:
        """See :class:`jifen.service.ports.Notifier`."""
        contact = message.contact
        if contact is None or not contact.phone:
            return
        trial = TRIAL.get(contact.language, TRIAL["en"]) if message.trial else ""
        asked = {
            "DestinationPhoneNumber": contact.phone,
            "OriginationIdentity": self._origination,
            "MessageBody": trial + text_message(message.notices, message.available, contact.language),
            "MessageType": "TRANSACTIONAL",
            "TimeToLive": LIVES_S,
            "Context": {"notice": message.id},
        }
        hand_over("the SMS service", lambda: self._client.send_text_message(**asked), _never, self._sleep)


def _never(code: str, answer: Mapping[str, Any]) -> bool:
    if code == "ConflictException":
        return answer.get("Reason") in _NOT_THIS_NUMBER
    return code == "ValidationException"
