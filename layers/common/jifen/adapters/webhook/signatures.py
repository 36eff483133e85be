"""How shops sign: three schemes, each over the raw bytes, each in constant time, none raising whatever a header holds.

    Standard Webhooks   webhook-signature: v1,<base64> ...       over  id.timestamp.body    key: base64 behind whsec_
    timestamped hex     t=1614265330,v1=<hex>[,v1=<hex>]         over  timestamp.body       key: the secret's own text
    body alone          <base64>                                 over  body                 key: the secret's own text

The first is that of the `standard` source, the second is Stripe's, the third Shopify's and WooCommerce's. Checked with
our own lines instead of each platform's library: those raise unrelated exceptions before any secret is proved, and take
their clock from the machine.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from datetime import datetime

TOLERANCE_S = 300
"""How far a sender's clock may be from ours, both ways."""

SECRET_MIN = 16
"""Characters of a secret. Secrets are parted at blanks, and a piece of one that held a blank could be guessed."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURES_MAX = 20


def standard_webhooks(
    message_id: str, stamp: str, offered: str, body: bytes, secrets: Sequence[str], now: datetime
) -> bool:
    """Whether one of ``secrets`` signed ``body`` by the Standard Webhooks scheme within the tolerance.

    Args:
        message_id: header ``webhook-id``.
        stamp: header ``webhook-timestamp``, Unix seconds.
        offered: header ``webhook-signature``: ``v1,<base64>``, several separated by blanks.
        body: the raw bytes.
        secrets: ``whsec_`` and base64 each, padded or not.
        now: the clock.
    """
    if not message_id or not _is_recent(stamp, now):
        return False
    try:
        expected = [
            standard_signature(message_id, stamp, body, key).encode() for key in map(signing_key, secrets) if key
        ]
    except UnicodeEncodeError:
        return False
    return _any_equal(expected, offered.split(" "))


def standard_signature(message_id: str, stamp: str, body: bytes, key: bytes) -> str:
    """What Standard Webhooks signs with ``key``: ``v1,<base64>``; the arguments are those of the headers."""
    return f"v1,{base64.b64encode(_mac(key, f'{message_id}.{stamp}.'.encode() + body)).decode()}"


def timestamped_hex(offered: str, body: bytes, secrets: Sequence[str], now: datetime) -> bool:
    """Whether one of ``secrets`` signed ``body`` by Stripe's scheme within the tolerance.

    ``offered`` is the header: ``t=<Unix seconds>`` and one ``v1=<hex>`` for each secret in use, separated by commas;
    what else stands in it is not looked at.
    """
    pairs = [part.partition("=") for part in offered.split(",")]
    stamps = [value for name, _, value in pairs if name == "t"]
    if len(stamps) != 1 or not _is_recent(stamps[0], now):
        return False
    signed = f"{stamps[0]}.".encode() + body
    expected = [_mac(key, signed).hex().encode() for key in _keys(secrets)]
    return _any_equal(expected, [value for name, _, value in pairs if name == "v1"])


def body_alone(offered: str, body: bytes, secrets: Sequence[str]) -> bool:
    """Whether one of ``secrets`` signed ``body`` with no time: ``offered`` is the base64 of the HMAC.

    Such a delivery can be sent again by whoever saw it, for ever; only ids and states in the body protect against that.
    """
    return _any_equal([base64.b64encode(_mac(key, body)) for key in _keys(secrets)], [offered])


def _mac(key: bytes, signed: bytes) -> bytes:
    return hmac.new(key, signed, hashlib.sha256).digest()


def _keys(secrets: Iterable[str]) -> list[bytes]:
    return [secret.encode("utf-8", "surrogatepass") for secret in secrets if secret]


def signing_key(secret: str) -> bytes | None:
    """The bytes behind ``whsec_...``, with or without padding; None for a secret that is no base64."""
    text = secret.removeprefix("whsec_")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _is_recent(stamp: str, now: datetime) -> bool:
    return _TIMESTAMP.fullmatch(stamp) is not None and abs(now.timestamp() - int(stamp)) <= TOLERANCE_S


def _any_equal(expected: Sequence[bytes], offered: Sequence[str]) -> bool:
    """Whether an offered signature is an expected one; every pair is compared, so that time tells nothing."""
    texts = [text.encode("utf-8", "surrogatepass") for text in offered[:_SIGNATURES_MAX]]
    return any([hmac.compare_digest(one, other) for one in expected for other in texts])  # noqa: C419 - see above
