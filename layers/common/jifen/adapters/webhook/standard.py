"""The ``standard`` source: Standard Webhooks signatures and the order events of our own API.

Headers ``webhook-id``, ``webhook-timestamp`` and ``webhook-signature``; see :mod:`jifen.adapters.webhook.signatures`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from jifen.adapters.webhook import signatures
from jifen.adapters.webhook.reader import Reader, load_json
from jifen.domain.errors import Fault, MalformedEvent
from jifen.domain.money import AMOUNT_MINOR_MAX
from jifen.domain.orders import LINES_MAX, EventType, Line, LineKind, OrderEvent, Paid, Refund, RefundLine

SHOP = "standard"


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> bool:
    """Whether one of ``secrets`` signed ``body`` within the last (or next) five minutes."""
    message_id, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    return signatures.standard_webhooks(message_id, stamp, headers.get("webhook-signature", ""), body, secrets, now)


def read(headers: Mapping[str, str], body: bytes, now: datetime) -> list[OrderEvent]:
    """The order event in ``body``; none for other types.

    Raises:
        MalformedEvent: naming every field that cannot be read.
    """
    del headers  # all that counts is in the body
    data = load_json(body)
    kind = data.get("type")
    if not isinstance(kind, str):
        raise MalformedEvent([Fault("type", "is not a text")])
    if kind not in tuple(EventType):
        return []
    reader = Reader(data)
    event = _event(reader, EventType(kind), now)
    if reader.faults:
        raise MalformedEvent(reader.faults)
    return [event]


def _event(reader: Reader, kind: EventType, now: datetime) -> OrderEvent:
    at = reader.instant("occurred_at", now)
    member = reader.identifier("customer_id", optional=True, present=kind is EventType.PAID)
    paid, refund = None, None
    if kind is EventType.PAID:
        revision = reader.whole("revision", 0, 10**9, default=0)
        reader.whole("total_minor", 0, AMOUNT_MINOR_MAX, default=0)
        paid = Paid(member, at, reader.currency("currency"), _lines(reader), revision)
    elif kind is EventType.REFUNDED:
        refund = _refund(reader, at)
    return OrderEvent(
        type=kind,
        event_id=reader.identifier("event_id") or "",
        shop=SHOP,
        order_id=reader.identifier("order_id", optional=kind is EventType.REFUNDED, present=True),
        member=member,
        at=at,
        paid=paid,
        refund=refund,
    )


def _refund(reader: Reader, at: datetime) -> Refund:
    total = reader.whole("total_minor", 0, AMOUNT_MINOR_MAX, default=None)
    lines = tuple(_refund_line(line) for line in reader.rows("lines", LINES_MAX, required=False))
    if not lines and total is None:
        reader.fault("total_minor", "is needed where there are no lines")
    reader.check_sum("lines", [line.amount_minor for line in lines])
    return Refund(reader.identifier("refund_id") or "", at, reader.currency("currency"), lines, total)


def _refund_line(line: Reader) -> RefundLine:
    kind = line.choice("kind", tuple(LineKind), default=None)
    orig = line.whole("orig_line", 0, 10**9, default=None)
    return RefundLine(_amount(line), LineKind(kind) if kind else None, orig)


def _lines(reader: Reader) -> tuple[Line, ...]:
    lines = tuple(_line(line, index + 1) for index, line in enumerate(reader.rows("lines", LINES_MAX, required=True)))
    numbers = [line.number for line in lines]
    if len(set(numbers)) != len(numbers):
        reader.fault("lines", "two lines have the same n")
    reader.check_sum("lines", [line.amount_minor for line in lines])
    return lines


def _line(line: Reader, position: int) -> Line:
    amount, tax = _amount(line), line.whole("tax_minor", 0, AMOUNT_MINOR_MAX, default=0)
    if tax > amount:
        line.fault("tax_minor", "is more than the line that contains it")
    return Line(
        number=line.whole("n", 0, 10**9, default=position),
        sku=line.text("sku"),
        amount_minor=amount,
        kind=LineKind(line.choice("kind", tuple(LineKind), default="goods")),
        category=line.text("category") or None,
        tax_minor=tax,
    )


def _amount(line: Reader) -> int:
    """``line_total_minor``, else ``qty x unit_price_minor``."""
    total: int | None = line.whole("line_total_minor", 0, AMOUNT_MINOR_MAX, default=None)
    needed: Any = 0 if total is not None else ...
    qty = line.whole("qty", 0, 10**9, default=needed)
    price = line.whole("unit_price_minor", 0, AMOUNT_MINOR_MAX, default=needed)
    amount = total if total is not None else qty * price
    if amount > AMOUNT_MINOR_MAX:
        line.fault("qty", "times unit_price_minor is more than any shop sells")
        return 0
    return amount
