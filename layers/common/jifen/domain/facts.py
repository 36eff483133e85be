"""Orders as plain data: the form in which events travel through the queue and facts lie in the order document.

Both are reduced to what points need: an order of 1,114 lines is about 20 KB here. Positional rows, because an average
order has 27 lines and every name would be repeated in each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jifen.domain.calendar import parse_instant
from jifen.domain.entries import instant_text
from jifen.domain.ids import valid_id
from jifen.domain.orders import EventType, Line, LineKind, OrderEvent, Paid, Refund, RefundLine


def event_out(event: OrderEvent) -> dict[str, Any]:
    """An order event as plain data, reduced to what points need."""
    fields = {
        "type": str(event.type),
        "event_id": event.event_id,
        "shop": event.shop,
        "order_id": event.order_id,
        "member": event.member,
        "at": instant_text(event.at),
        "paid": paid_out(event.paid) if event.paid else None,
        "refund": refund_out(event.refund) if event.refund else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def event_in(data: Mapping[str, Any]) -> OrderEvent:
    """The order event behind :func:`event_out`.

    Raises:
        ValueError, KeyError, TypeError: it is not whole, or an id, instant or amount is none.
    """
    event = OrderEvent(
        type=EventType(data["type"]),
        event_id=data["event_id"],
        shop=data["shop"],
        order_id=data.get("order_id"),
        member=data.get("member"),
        at=parse_instant(data["at"]),
        paid=paid_in(data["paid"]) if "paid" in data else None,
        refund=refund_in(data["refund"]) if "refund" in data else None,
    )
    fault = _fault(event)
    if fault:
        raise ValueError(fault)
    return event


def _fault(event: OrderEvent) -> str:
    """What keeps an event from being posted; empty when nothing does."""
    parts = {EventType.PAID: event.paid, EventType.REFUNDED: event.refund, EventType.CANCELLED: event.order_id}
    if parts[event.type] is None or (event.order_id is None and event.type is not EventType.REFUNDED):
        return "not a whole order event"
    needed = (event.event_id, event.shop, event.refund.refund_id if event.refund else event.shop)
    known = (event.order_id, event.member, event.paid and event.paid.member)
    if not all(valid_id(one) for one in needed) or not all(one is None or valid_id(one) for one in known):
        return "an id is none"
    numbers: list[int] = []
    if event.paid:
        numbers += [event.paid.revision, *(line.amount_minor for line in event.paid.lines)]
        numbers += [line.tax_minor for line in event.paid.lines]
    if event.refund:
        numbers += [event.refund.total_minor or 0, *(line.amount_minor for line in event.refund.lines)]
    return "" if all(type(number) is int and number >= 0 for number in numbers) else "an amount is not whole"


def paid_out(paid: Paid) -> list[Any]:
    """``[member, at, currency, revision, lines]``; a line is ``[number, sku, amount, category?, kind?, tax?]``."""
    return [paid.member, instant_text(paid.at), paid.currency, paid.revision, [_line_out(line) for line in paid.lines]]


def paid_in(row: list[Any]) -> Paid:
    """The paid state behind :func:`paid_out`."""
    member, at, currency, revision, lines = row
    return Paid(member, parse_instant(at), currency, tuple(_line_in(line) for line in lines), revision)


def _line_out(line: Line) -> list[Any]:
    row: list[Any] = [line.number, line.sku, line.amount_minor, line.category, str(line.kind)]
    if line.tax_minor:
        return [*row, line.tax_minor]
    if line.kind is LineKind.GOODS:
        row.pop()
        if line.category is None:
            row.pop()
    return row


def _line_in(row: list[Any]) -> Line:
    number, sku, amount, *rest = row
    category = rest[0] if rest else None
    kind = LineKind(rest[1]) if len(rest) > 1 else LineKind.GOODS
    return Line(number, sku, amount, kind, category, rest[2] if len(rest) > 2 else 0)  # noqa: PLR2004 - the optional last


def refund_out(refund: Refund) -> list[Any]:
    """``[refund_id, at, currency, total_minor, lines]``; a line is ``[amount, orig_line, kind]``."""
    lines = [[line.amount_minor, line.orig_line, line.kind and str(line.kind)] for line in refund.lines]
    return [refund.refund_id, instant_text(refund.at), refund.currency, refund.total_minor, lines]


def refund_in(row: list[Any]) -> Refund:
    """The refund behind :func:`refund_out`."""
    refund_id, at, currency, total, lines = row
    parsed = tuple(RefundLine(amount, LineKind(kind) if kind else None, orig) for amount, orig, kind in lines)
    return Refund(refund_id, parse_instant(at), currency, parsed, total)
