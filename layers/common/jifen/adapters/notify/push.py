"""Channel ``push``: SNS mobile push to the endpoint of the member's device, for APNs and FCM.

A message that goes out twice replaces itself on the device: both platforms are given its id to collapse by.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from jifen.adapters.notify.asking import code_of, hand_over
from jifen.adapters.notify.email import TRIAL
from jifen.domain.errors import Busy
from jifen.domain.wording import push
from jifen.service.ports import AddressBook, Contact, Message, Undeliverable

_GONE = frozenset({"EndpointDisabled", "EndpointDisabledException", "NotFound", "NotFoundException"})
"""The device has turned us off, or there is no such endpoint any more."""

_NO_ENDPOINT = "No endpoint found"
"""How SNS says so in an InvalidParameter."""


class PushNotifier:
    """Sends messages to devices; ``book`` is told of endpoints that are gone."""

    channel = "push"

    def __init__(self, client: Any, book: AddressBook, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._book = book
        self._sleep = sleep

    def reaches(self, contact: Contact | None) -> bool:
        """See :class:`jifen.service.ports.Notifier`."""
        return contact is not None and bool(contact.push)

    def send(self, message: Message) -> None:
        """See :class:`jifen.service.ports.Notifier`."""
        contact = message.contact
        if contact is None or not contact.push:
            return
        title, body = push(message.notices, contact.language)
        trial = TRIAL.get(contact.language, TRIAL["en"]) if message.trial else ""
        asked = {
            "TargetArn": contact.push,
            "MessageStructure": "json",
            "Message": payload(message, trial + title, body),
            "MessageAttributes": {
                "AWS.SNS.MOBILE.APNS.PUSH_TYPE": {"DataType": "String", "StringValue": "alert"},
                "AWS.SNS.MOBILE.APNS.COLLAPSE_ID": {"DataType": "String", "StringValue": message.id[:64]},
            },
        }
        try:
            hand_over("the push service", lambda: self._client.publish(**asked), _never, self._sleep)
        except Undeliverable as refused:
            if code_of(refused) in _GONE | {"InvalidParameter", "InvalidParameterException"} and not message.trial:
                # The next message finds out again, should it not be written down now.
                with contextlib.suppress(Busy):
                    self._book.gone(message.member, "push", contact.push)
            raise


def payload(message: Message, title: str, body: str) -> str:
    """What SNS hands to each platform, as JSON within JSON."""
    data = {"message_id": message.id, "kinds": ",".join(str(one.kind) for one in message.notices)}
    apple = _json({"aps": {"alert": {"title": title, "body": body}, "thread-id": "points"}, **data})
    android = {
        "notification": {"title": title, "body": body},
        "data": data,
        "android": {"collapse_key": message.id, "notification": {"tag": message.id}},
    }
    return _json(
        {
            "default": f"{title}\n{body}",
            "APNS": apple,
            "APNS_SANDBOX": apple,
            "GCM": _json({"fcmV1Message": {"message": android}}),
        }
    )


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _never(code: str, answer: Mapping[str, Any]) -> bool:
    if code in {"InvalidParameter", "InvalidParameterException"}:
        return _NO_ENDPOINT in str(answer.get("Error", {}).get("Message", ""))
    return code in _GONE
