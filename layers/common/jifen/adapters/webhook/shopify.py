"""The ``shopify`` source: whole orders and refunds, as Shopify sends them with every change.

    orders/create, orders/paid, orders/updated, orders/cancelled    an order      refunds, cancelled, paid state
    refunds/create                                                  a refund      one refund, member unknown

Header ``x-shopify-hmac-sha256`` signs the body and nothing else: neither topic nor shop nor time. So what a body is, it
says itself, and a body sent a second time changes nothing: ``updated_at`` orders an order's states, refunds have ids.

A refund reads the same in its own delivery and in every later one of its order; what Shopify changes afterwards (a
transaction that settles, and the adjustments made for that) is not looked at. docs/shopify.md has the rules as a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, localcontext
from typing import NamedTuple

from jifen.adapters.webhook import signatures
from jifen.adapters.webhook.reader import Reader, load_json
from jifen.domain.errors import MalformedEvent
from jifen.domain.orders import (
    LINES_MAX,
    REFUNDS_MAX,
    EventType,
    Line,
    LineKind,
    OrderEvent,
    Paid,
    Refund,
    RefundLine,
)

SHOP = "shopify"

PAID_STATUSES = frozenset({"paid", "partially_refunded", "refunded"})
"""Values of ``financial_status`` that say the whole order was paid at some time."""

_ORDER = ("line_items", "financial_status")
_REFUND = ("refund_line_items", "order_id")
_EXPECTED = {
    "orders/create": _ORDER,
    "orders/paid": _ORDER,
    "orders/updated": _ORDER,
    "orders/cancelled": _ORDER,
    "refunds/create": _REFUND,
}
"""The fields that make a body of our topics what it is."""

_BOOKKEEPING = ("pending", "full return")
"""How reasons of adjustments begin that Shopify adds on its own when a refund settles or completes a return."""

_TIP_MARKS = ("tip", "tip_payment_gateway", "tip_payment_method")

_ID_MAX = 2**63 - 1
_QUANTITY_MAX = 10**9
_PARTS_MAX = 1_000
"""Allocations of a line, adjustments and transactions of a refund."""

_DIGITS = 80
"""More than any product of an amount and a quantity has, so that no multiplication rounds."""

_NOTHING = Decimal(0)


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> bool:
    """Whether one of ``secrets``, the app's client secrets, signed this body."""
    del now  # the signature has no time
    return signatures.body_alone(headers.get("x-shopify-hmac-sha256", ""), body, secrets)


def read(headers: Mapping[str, str], body: bytes, now: datetime) -> list[OrderEvent]:
    """The events in ``body``: refunds, then the cancellation, then the paid state; none where points are not concerned.

    The topic header is not signed and gives no fact. It only turns a body that cannot be what it says from "none of
    ours" into a fault, so that no order is lost without a word.

    Raises:
        MalformedEvent: naming every field that cannot be read.
    """
    data = load_json(body)
    reader = Reader(data)
    with localcontext() as context:
        context.prec = _DIGITS
        if data.keys() >= set(_ORDER):
            events = _order_events(reader, now)
        elif data.keys() >= set(_REFUND):
            order_id = reader.platform_id("order_id") or ""
            events = list(_refund_event(reader, order_id, None, None, now))
        else:
            events = []
            for field in _EXPECTED.get(headers.get("x-shopify-topic", ""), ()):
                if field not in data:
                    reader.fault(field, "is missing")
    if reader.faults:
        raise MalformedEvent(reader.faults)
    return events


# Orders --------------------------------------------------------------------------------------------------------------


def _order_events(order: Reader, now: datetime) -> list[OrderEvent]:
    """Refunds first: an order that is first seen when some of it went back earns once, for what was kept."""
    if order.flag("test"):
        return []
    order_id = order.platform_id("id") or ""
    buyer = order.part("customer")
    member = buyer.platform_id("id", optional=True) if buyer else None
    currency = order.currency("currency")
    events = [
        event
        for refund in order.rows("refunds", REFUNDS_MAX, required=False)
        for event in _refund_event(refund, order_id, member, currency, now)
    ]
    if order.has("cancelled_at"):
        at = order.instant("cancelled_at", now)
        events.append(OrderEvent(EventType.CANCELLED, f"cancel-{order_id}", SHOP, order_id, member, at))
    status = order.text("financial_status")
    if status in PAID_STATUSES:
        paid = _paid(order, member, currency, now)
        if status == "refunded" and not events:
            paid = replace(paid, lines=())  # all of it went back, whatever the refunds say
        event_id = f"order-{order_id}-{paid.revision}"
        events.append(OrderEvent(EventType.PAID, event_id, SHOP, order_id, member, paid.at, paid=paid))
    return events


def _paid(order: Reader, member: str | None, currency: str, now: datetime) -> Paid:
    items = order.rows("line_items", LINES_MAX, required=True)
    shipping = order.rows("shipping_lines", LINES_MAX, required=False)
    allocated = [_allocated(row) for row in (*items, *shipping)]
    taxed = order.flag("taxes_included")
    lines = [_goods(item, off, currency, taxed=taxed) for item, off in zip(items, allocated, strict=False)]
    numbers = [line.number for line in lines]
    if len(set(numbers)) != len(numbers):
        order.fault("line_items", "two lines have the same id")
    # What is no line item has a number below 0: ids of shipping lines are of another series and may meet theirs.
    for row, off in zip(shipping, allocated[len(items) :], strict=True):
        amount = _discounted(row, 1, off, currency)
        tax = min(amount, _tax(row, currency)) if taxed else 0
        number = len(items) - len(lines) - 1
        lines.append(Line(number, row.label("title", "code"), amount, LineKind.SHIPPING, tax_minor=tax))
    if not any(allocated):
        # Orders of before 2018 say only what the discounts are together.
        discount = order.minor("total_discounts", _money(order, "total_discounts", _NOTHING).amount, currency)
        if discount:
            lines.append(Line(-1 - len(shipping), "", discount, LineKind.DISCOUNT))
    order.check_sum("line_items", [line.amount_minor for line in lines])
    at = _first_instant(order, now, "processed_at", "created_at", "updated_at")
    revision = int(order.instant("updated_at", now).timestamp()) if order.has("updated_at") else 0
    return Paid(member, at, currency, tuple(lines), revision)


def _goods(item: Reader, allocated: Decimal, currency: str, *, taxed: bool) -> Line:
    kind = LineKind.GOODS
    if item.flag("gift_card"):
        kind = LineKind.GIFT_VOUCHER
    elif any(item.has(mark) for mark in _TIP_MARKS):
        kind = LineKind.FEE
    number: int = item.whole("id", 1, _ID_MAX)
    quantity: int = item.whole("quantity", 0, _QUANTITY_MAX)
    amount = _discounted(item, quantity, allocated, currency)
    tax = min(amount, _tax(item, currency)) if taxed else 0
    return Line(number, item.label("sku", "title", "name"), amount, kind, tax_minor=tax)


def _tax(row: Reader, currency: str) -> int:
    """The tax that the price of a line contains, in minor units."""
    parts = row.rows("tax_lines", _PARTS_MAX, required=False)
    return row.minor("tax_lines", sum((_money(part, "price", _NOTHING).amount for part in parts), _NOTHING), currency)


def _discounted(row: Reader, quantity: int, allocated: Decimal, currency: str) -> int:
    """What the line costs after the discounts allocated to it, in minor units; never below 0."""
    full = _money(row, "price").amount * quantity
    return row.minor("price", max(_NOTHING, full - allocated), currency)


def _allocated(row: Reader) -> Decimal:
    parts = row.rows("discount_allocations", _PARTS_MAX, required=False)
    return sum((_money(part, "amount").amount for part in parts), _NOTHING)


# Refunds -------------------------------------------------------------------------------------------------------------


class _Adjustment(NamedTuple):
    """A difference between what a refund's lines come to and the money; below 0 means more money."""

    amount: Decimal
    tax: Decimal
    currency: str | None
    is_shipping: bool
    is_bookkeeping: bool


def _refund_event(
    refund: Reader, order_id: str, member: str | None, currency: str | None, now: datetime
) -> Iterator[OrderEvent]:
    """The refund as an event; none where it gives back no goods, nor money for goods.

    ``currency`` is the order's, where it is known.
    """
    found = _refund(refund, currency, now)
    if found.lines or found.total_minor:
        event_id = f"refund-{found.refund_id}"
        yield OrderEvent(EventType.REFUNDED, event_id, SHOP, order_id, member, found.at, refund=found)


def _refund(refund: Reader, order_currency: str | None, now: datetime) -> Refund:
    refund_id = refund.platform_id("id") or ""
    at = _first_instant(refund, now, "processed_at", "created_at")
    rows = refund.rows("refund_line_items", LINES_MAX, required=False)
    given = [_subtotal(row) for row in rows]
    adjustments = [_adjustment(row) for row in refund.rows("order_adjustments", _PARTS_MAX, required=False)]
    money_back = _refunded(refund)
    duties = _currency(_shop_money(refund, "total_duties"))
    stated = [*(one.currency for one in given), *(one.currency for one in adjustments), duties, order_currency]
    currency = next((code for code in (*stated, *(one.currency for one in money_back)) if code), None)
    lines = tuple(
        RefundLine(row.minor("subtotal", one.amount, currency or ""), None, row.whole("line_item_id", 1, _ID_MAX))
        for row, one in zip(rows, given, strict=True)
    )
    refund.check_sum("refund_line_items", [line.amount_minor for line in lines])
    beyond = _beyond_lines(adjustments)
    if not lines and not any(not one.is_shipping for one in adjustments):
        beyond = sum((one.amount for one in money_back if one.currency in {None, currency}), _NOTHING)
        beyond = max(_NOTHING, beyond - _shipping_back(refund, adjustments))
    extra = refund.minor("order_adjustments", beyond, currency or "")
    if currency is None and (lines or extra):
        refund.fault("refund_line_items", "say no currency, and neither does any transaction")
    if not lines:
        return Refund(refund_id, at, currency or "", (), extra)
    more = (RefundLine(extra, LineKind.GOODS),) if extra else ()
    return Refund(refund_id, at, currency or "", lines + more)


def _beyond_lines(adjustments: Sequence[_Adjustment]) -> Decimal:
    """Money given back beyond the refund's lines.

    While a payment provider has not settled, Shopify books the whole refund as money not given, and takes that back
    with another adjustment later; and what a shop withholds of returned goods buys the buyer nothing. So only money on
    top counts, and no bookkeeping.
    """
    goods = [one for one in adjustments if not one.is_shipping and not one.is_bookkeeping]
    return sum((-one.amount for one in goods if one.amount < 0), _NOTHING)


def _subtotal(row: Reader) -> _Money:
    """What a refund line gives back; of the price where a body of before 2016 has no subtotal."""
    if row.has("subtotal") or row.has("subtotal_set"):
        return _money(row, "subtotal")
    item = row.part("line_item")
    if item is None:
        row.fault("subtotal", "is missing")
        return _Money(_NOTHING, None)
    quantity: int = row.whole("quantity", 0, _QUANTITY_MAX)
    of: int = item.whole("quantity", 1, _QUANTITY_MAX)
    price = _money(item, "price")
    amount = price.amount * quantity - _allocated(item) * quantity / of
    return _Money(max(_NOTHING, amount), price.currency)


def _adjustment(row: Reader) -> _Adjustment:
    found = _money(row, "amount", signed=True)
    reason = row.label("reason").lower().replace("_", " ")
    return _Adjustment(
        amount=found.amount,
        tax=_money(row, "tax_amount", _NOTHING, signed=True).amount,
        currency=found.currency,
        is_shipping=row.label("kind") == "shipping_refund",
        is_bookkeeping=reason.startswith(_BOOKKEEPING),
    )


def _refunded(refund: Reader) -> list[_Money]:
    """The payments that went back, each in its own currency."""
    return [
        _Money(_amount(row, "amount"), _currency(row, "currency"))
        for row in refund.rows("transactions", _PARTS_MAX, required=False)
        if (row.label("kind"), row.label("status")) == ("refund", "success")
    ]


def _shipping_back(refund: Reader, adjustments: Sequence[_Adjustment]) -> Decimal:
    """Shipping given back, with its tax: adjustments until 2024, lines of their own since."""
    rows = refund.rows("refund_shipping_lines", LINES_MAX, required=False)
    lines = [_money(row, field, _NOTHING).amount for row in rows for field in ("subtotal_amount", "tax_amount")]
    return sum(lines, _NOTHING) - sum((one.amount + one.tax for one in adjustments if one.is_shipping), _NOTHING)


# Fields --------------------------------------------------------------------------------------------------------------


class _Money(NamedTuple):
    """An amount in units of the shop's own currency, and that currency where the field says it."""

    amount: Decimal
    currency: str | None


def _money(reader: Reader, field: str, default: Decimal | None = None, *, signed: bool = False) -> _Money:
    """``<field>_set.shop_money``, else the plain field, which is in the shop's currency too."""
    shop = _shop_money(reader, field)
    if shop is None or not shop.has("amount"):
        return _Money(_amount(reader, field, default, signed=signed), None)
    return _Money(_amount(shop, "amount", signed=signed), _currency(shop))


def _amount(reader: Reader, field: str, default: Decimal | None = None, *, signed: bool = False) -> Decimal:
    amount = reader.amount(field, default)
    if amount < 0 and not signed:
        reader.fault(field, "is below 0")
        return _NOTHING
    return amount


def _shop_money(reader: Reader, field: str) -> Reader | None:
    both = reader.part(f"{field}_set")
    return both.part("shop_money") if both else None


def _currency(money: Reader | None, field: str = "currency_code") -> str | None:
    return money.currency(field) or None if money and money.has(field) else None


def _first_instant(reader: Reader, now: datetime, *fields: str) -> datetime:
    """The first of these instants that is there. Shopify's test notifications have none; then it is now."""
    for field in fields:
        if reader.has(field):
            return reader.instant(field, now)
    return now
