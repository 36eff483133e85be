"""Channel ``email``: SES v2, text and HTML, rendered by us in the member's language.

A member without an address is passed over: nothing waits for what can never be sent. Where there is an unsubscribe
link, the mail carries it in its headers too (RFC 2369), and over https as one that needs one click (RFC 8058).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from jifen.adapters.notify.asking import hand_over
from jifen.domain.mail import letter
from jifen.service.ports import Contact, Message

_NEVER = frozenset({"MessageRejected", "BadRequestException"})
"""Answers of SES that no second try will change for this message; any other is the deployment's, or passing."""

_UNVERIFIED = "not verified"
"""How SES says in a MessageRejected that it is the sender, or the account's sandbox: somebody can mend that."""

HEADER_MAX = 995
"""Characters of a header's value that SES takes."""

TRIAL = {"zh": "【测试】", "en": "[Test] "}

Link = Callable[[str, str], str]
"""The unsubscribe link of a member and a channel; empty where there is none."""


def no_link(_member: str, _channel: str) -> str:
    """Of a deployment without a public address."""
    return ""


class EmailNotifier:
    """Sends messages by e-mail."""

    channel = "email"

    def __init__(
        self, client: Any, sender: str, link: Link = no_link, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._sender = sender
        self._link = link
        self._sleep = sleep

    def reaches(self, contact: Contact | None) -> bool:
        """See :class:`jifen.service.ports.Notifier`."""
        return contact is not None and bool(contact.email)

    def send(self, message: Message) -> None:
        """See :class:`jifen.service.ports.Notifier`."""
        contact = message.contact
        if contact is None or not contact.email:
            return
        link = message.unsubscribe or ("" if message.trial else self._link(message.member, self.channel))
        made = letter(message.notices, message.available, contact.language, link, message.imprint)
        subject = (TRIAL.get(contact.language, TRIAL["en"]) if message.trial else "") + made.subject
        content = {
            "Simple": {
                "Subject": {"Data": subject, "Charset": "UTF-8"},
                "Body": {
                    "Text": {"Data": made.text, "Charset": "UTF-8"},
                    "Html": {"Data": made.html, "Charset": "UTF-8"},
                },
                "Headers": _headers(message.id, link),
            }
        }
        to = {"ToAddresses": [contact.email]}
        hand_over(
            "the mail service",
            lambda: self._client.send_email(FromEmailAddress=self._sender, Destination=to, Content=content),
            _never,
            self._sleep,
        )


def _never(code: str, answer: Mapping[str, Any]) -> bool:
    return code in _NEVER and _UNVERIFIED not in str(answer.get("Error", {}).get("Message", ""))


def _headers(message_id: str, link: str) -> list[dict[str, str]]:
    headers = {"X-Jifen-Notice": message_id}
    if link and len(link) + 2 <= HEADER_MAX:
        headers["List-Unsubscribe"] = f"<{link}>"
        if link.startswith("https://"):
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return [{"Name": name, "Value": value} for name, value in headers.items()]
