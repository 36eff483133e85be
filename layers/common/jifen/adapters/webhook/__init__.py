"""Shops that send webhooks: one module each, one row here.

A module has ``verify(headers, body, secrets, now) -> bool`` over the raw bytes and ``read(headers, body, now)``, which
turns signed bytes into order events: none for a ping or a topic that is not ours, more than one where a shop sends its
whole order with every change. How shops sign is in :mod:`~jifen.adapters.webhook.signatures`, how their JSON is read
without a float or an unnamed fault in :mod:`~jifen.adapters.webhook.reader`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from jifen.adapters.webhook import shopify, signatures, standard, woocommerce
from jifen.domain.errors import SignatureRefused, UnknownSource
from jifen.domain.orders import OrderEvent


class Source(Protocol):
    """One shop platform."""

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> bool:
        """Whether one of the secrets signed this body. Never raises, whatever the headers hold."""

    def read(self, headers: Mapping[str, str], body: bytes, now: datetime) -> list[OrderEvent]:
        """The order events in a body that is signed; all of one order. Headers are not signed: no fact comes from them.

        Raises:
            MalformedEvent: naming every field that cannot be read.
        """


SOURCES: Mapping[str, Source] = {
    "standard": standard,
    "shopify": shopify,
    "woocommerce": woocommerce,
}

PINGS: Mapping[str, Callable[[bytes, Sequence[str]], bool]] = {
    "woocommerce": woocommerce.is_ping,
}
"""Test requests that a platform sends unsigned, known by their whole body; answered where a secret is set, no more."""


def receive(
    source: str, headers: Mapping[str, str], body: bytes, secrets: Mapping[str, Sequence[str]], now: datetime
) -> list[OrderEvent]:
    """The order events of one delivery; none for a ping and for what is not ours.

    Args:
        source: the name of the shop platform, from the path.
        headers: as received; names in any case.
        body: the raw bytes.
        secrets: the active signing secrets of each source.
        now: the clock, for signatures with a time.

    Raises:
        UnknownSource, SignatureRefused, MalformedEvent
    """
    adapter = SOURCES.get(source)
    if adapter is None:
        raise UnknownSource(source=source)
    active = [secret for secret in secrets.get(source, ()) if len(secret) >= signatures.SECRET_MIN]
    if source in PINGS and PINGS[source](body, active):
        return []
    lowered = {name.lower(): value for name, value in headers.items()}
    if not adapter.verify(lowered, body, active, now):
        raise SignatureRefused
    return adapter.read(lowered, body, now)
