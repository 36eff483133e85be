"""Channel ``email``: SES v2, text and HTML, rendered by us in the member's language.

A member without an address is passed over: nothing waits for what can never be sent.
"""

from __future__ import annotations

from html import escape
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from jifen.adapters.notify.wording import EXPIRING
from jifen.service.ports import Contact, Message, NotSent, Undeliverable

_NEVER = frozenset(
    {"MessageRejected", "BadRequestException", "NotFoundException", "MailFromDomainNotVerifiedException"}
)
"""Answers of SES that no second try will change for this message."""


class EmailNotifier:
    """Sends notices by e-mail."""

    channel = "email"

    def __init__(self, client: Any, sender: str) -> None:
        self._client = client
        self._sender = sender

    def reaches(self, contact: Contact | None) -> bool:
        """See :class:`jifen.service.ports.Notifier`."""
        return contact is not None and bool(contact.email)

    def send(self, message: Message) -> None:
        """See :class:`jifen.service.ports.Notifier`."""
        if message.contact is None or not message.contact.email:
            return
        subject, text, html = render(message)
        try:
            self._client.send_email(
                FromEmailAddress=self._sender,
                Destination={"ToAddresses": [message.contact.email]},
                Content={
                    "Simple": {
                        "Subject": {"Data": subject, "Charset": "UTF-8"},
                        "Body": {
                            "Text": {"Data": text, "Charset": "UTF-8"},
                            "Html": {"Data": html, "Charset": "UTF-8"},
                        },
                        "Headers": [{"Name": "X-Jifen-Notice", "Value": message.id}],
                    }
                },
            )
        except ClientError as failure:
            code = failure.response.get("Error", {}).get("Code", "")
            if code in _NEVER:
                problem = f"the mail service refused the message: {code}"
                raise Undeliverable(problem) from failure
            problem = f"the mail service did not take the message: {code}"
            raise NotSent(problem) from failure
        except BotoCoreError as failure:
            problem = "the mail service did not answer"
            raise NotSent(problem) from failure


def render(notice: Message) -> tuple[str, str, str]:
    """Subject, text and HTML of a reminder, in the member's language (zh or en)."""
    language = notice.contact.language if notice.contact else "en"
    wording = EXPIRING.get(language, EXPIRING["en"])
    told = notice.notices[0].facts
    days_left = told["days_left"]
    facts = {
        "points": told["points"],
        "day": told["lot_expires_on"],
        "days_left": days_left,
        "available": notice.available,
        "member": notice.member,
    }
    subject = wording.subject.format(**facts)
    paragraphs = [line.format(**facts) for line in wording.lines(days_left)]
    safe = {name: escape(str(value)) for name, value in facts.items()}
    inner = "".join(f"<p>{line.format(**safe)}</p>" for line in wording.lines(days_left))
    html = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{escape(subject)}</title></head>'
        '<body style="font-family:sans-serif;line-height:1.6;color:#222;max-width:36em;margin:2em auto;padding:0 1em">'
        f"{inner}</body></html>"
    )
    return subject, "\n\n".join(paragraphs) + "\n", html
