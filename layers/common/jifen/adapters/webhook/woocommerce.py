"""The ``woocommerce`` source: the whole order, as WooCommerce sends it with every change.

    order.created, order.updated, order.restored ──> the order as it is now ──> one paid state, or nothing

Header ``x-wc-webhook-signature`` signs the body and nothing else: no topic, no id, no time. A body is a state, not an
event: a status may go any way and come back, and a refund may be deleted. So nothing here only grows. Each body becomes
a paid state with what the buyer keeps by it, refunds taken off, and the state changed last is the one that counts.
docs/woocommerce.md has the rules as a table.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal, localcontext
from typing import Any

from jifen.adapters.webhook import signatures
from jifen.adapters.webhook.reader import Reader, load_json
from jifen.domain.errors import MalformedEvent
from jifen.domain.orders import GIVEN_BACK, LINES_MAX, REFUNDS_MAX, EventType, Line, LineKind, OrderEvent, Paid

SHOP = "woocommerce"

_UNPAID = {"pending", "failed", "draft", "auto-draft", "checkout-draft", "partial-payment", "partially-paid"}
NOTHING_KEPT = frozenset(_UNPAID | {"cancelled", "refunded", "trash"})
"""Statuses in which an order counts for nothing although it was paid; two are those of plugins that take deposits."""

_TOPICS = frozenset({"order.created", "order.updated", "order.restored"})
_ORDER = ("line_items", "status")
_MORE_OF_AN_ORDER = frozenset({"order_key", "currency"})
_GONE = "woocommerce_rest_shop_order_invalid_id"
"""What a body says instead of an order that was deleted before WooCommerce came to send it."""

_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|#0*(?:34|38|39|60|62)|#[xX]0*(?:22|26|27));")
_PING = re.compile(rb"webhook_id=[0-9]{1,10}")

_STATES_A_SECOND = 10_000
"""More than ``REFUNDS_MAX``; stored revisions are made with it, so it can never change."""

_ID_MAX = 2**63 - 1

_DIGITS = 80
"""More than any sum of amounts has, so that no addition rounds."""

_NOTHING = Decimal(0)


def verify(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> bool:
    """Whether one of ``secrets`` signed this body, as it is written or as WordPress decodes it before it signs.

    WordPress takes ``&amp;`` and the like for the characters they stand for, in the secret as it is stored; which of
    the two forms a person copied into the parameter is not known.
    """
    del now  # the signature has no time
    keys = [key for secret in secrets for key in (secret, _decoded(secret)) if len(key) >= signatures.SECRET_MIN]
    return signatures.body_alone(headers.get("x-wc-webhook-signature", ""), body, keys)


def _decoded(secret: str) -> str:
    """WordPress's ``wp_specialchars_decode(secret, ENT_QUOTES)``: one pass over these entities, and no others."""
    return _ENTITY.sub(lambda found: html.unescape(found[0]), secret)


def is_ping(body: bytes, secrets: Sequence[str]) -> bool:
    """Whether this is the unsigned test request that WooCommerce sends when a webhook is saved.

    Without a secret that can sign it is none, so that a webhook made before its secret was deployed does not save.
    """
    return _PING.fullmatch(body) is not None and bool(secrets)


def read(headers: Mapping[str, str], body: bytes, now: datetime) -> list[OrderEvent]:
    """The paid state in ``body``; none for an order that was never paid, and for what is no order.

    The topic header is not signed and gives no fact. It only turns a body that cannot be what it says from "none of
    ours" into a fault, so that no order is lost without a word.

    Raises:
        MalformedEvent: naming every field that cannot be read.
    """
    data = load_json(body)
    reader = Reader(data)
    events: list[OrderEvent] = []
    if data.keys() >= {"billing_period", "billing_interval"}:
        pass  # a subscription, which has the fields of an order; it is paid by orders of its own
    elif data.keys() >= set(_ORDER) and data.keys() & _MORE_OF_AN_ORDER:
        with localcontext() as context:
            context.prec = _DIGITS
            events = _order_events(reader, data, now)
    elif headers.get("x-wc-webhook-topic", "") in _TOPICS and data.get("code") != _GONE:
        for field in (*_ORDER, "currency"):
            if field not in data:
                reader.fault(field, "is missing")
    if reader.faults:
        raise MalformedEvent(reader.faults)
    return events


def _order_events(order: Reader, data: Mapping[str, Any], now: datetime) -> list[OrderEvent]:
    if "date_paid_gmt" not in data:
        order.fault("date_paid_gmt", "is missing; the webhook's API version has to be v3 or v2")
    if not order.has("date_paid_gmt"):
        return []
    order_id = order.platform_id("id") or ""
    member = _member(order, data)
    at = order.instant("date_paid_gmt", now, is_gmt=True)
    changed = "date_modified_gmt" if order.has("date_modified_gmt") else "date_created_gmt"
    modified = order.instant(changed, now, is_gmt=True)
    currency = order.currency("currency")
    refunds = order.rows("refunds", REFUNDS_MAX, required=False)
    # Some refunds leave the time of the last change as it was; with one refund more, the state is the later one.
    revision = int(modified.timestamp()) * _STATES_A_SECOND + len(refunds)
    status = (order.identifier("status") or "").removeprefix("wc-")
    lines = () if status in NOTHING_KEPT else _kept(order, refunds, currency)
    paid = Paid(member, at, currency, lines, revision)
    event_id = f"order-{order_id}-{revision}"
    return [OrderEvent(EventType.PAID, event_id, SHOP, order_id, member, modified, paid=paid)]


def _member(order: Reader, data: Mapping[str, Any]) -> str | None:
    """The customer's id; None for a guest, whose id is 0 or null, but never left out."""
    said = data.get("customer_id")
    if (type(said) is int and said == 0) or said == "0":
        return None
    return order.platform_id("customer_id", optional="customer_id" in data)


# What is kept --------------------------------------------------------------------------------------------------------


def _kept(order: Reader, refunds: Sequence[Reader], currency: str) -> tuple[Line, ...]:
    """The order's lines, and what went back as a discount; no lines at all when everything did.

    An order names of its refunds only the totals, so these lower the goods first, shipping last. All refunds are taken
    together: any number of parts ends where one would.
    """
    has_tax_in_prices = order.flag("prices_include_tax")
    lines = _lines(order, currency, has_tax_in_prices=has_tax_in_prices)
    amounts = [(abs(one.amount("total")), abs(one.amount("total_tax", _NOTHING))) for one in refunds]
    given = order.minor("refunds", sum((total for total, _ in amounts), _NOTHING), currency)
    if given == 0:
        return lines
    total = order.minor("total", order.amount("total"), currency)
    if given >= total:
        return ()
    if not has_tax_in_prices:
        # Before 2026 no refund said its tax, and one that names no lines says 0: then it has its share of the order's.
        stated = order.minor("refunds", sum((tax for _, tax in amounts), _NOTHING), currency)
        silent = order.minor("refunds", sum((total for total, tax in amounts if not tax), _NOTHING), currency)
        tax = order.minor("total_tax", order.amount("total_tax", _NOTHING), currency)
        # ... that is left, over the money that is left: tax that other refunds have stated is not given back again.
        rest = total - (given - silent)
        given -= stated + (2 * silent * max(0, tax - stated) + rest) // (2 * rest)
    return (*lines, Line(-1 - len(lines), GIVEN_BACK, max(0, given), LineKind.DISCOUNT))


def _lines(order: Reader, currency: str, *, has_tax_in_prices: bool) -> tuple[Line, ...]:
    def line(row: Reader, number: int, kind: LineKind, *names: str) -> Line:
        """What the line costs after its discounts, as the price tag says it."""
        tax = row.amount("total_tax", _NOTHING) if has_tax_in_prices else _NOTHING
        amount = row.amount("total") + tax
        if amount < 0:
            # Shops give discounts as fees below 0, or take goods back so.
            named = row.label(*names).replace(GIVEN_BACK, "refund")  # that name is for what went back of the order
            return Line(number, named, row.minor("total", -amount, currency), LineKind.DISCOUNT)
        minor = row.minor("total", amount, currency)
        contained = min(minor, row.minor("total_tax", max(_NOTHING, tax), currency))
        return Line(number, row.label(*names), minor, kind, tax_minor=contained)

    items = order.rows("line_items", LINES_MAX, required=True)
    lines = [line(row, row.whole("id", 1, _ID_MAX), LineKind.GOODS, "sku", "name") for row in items]
    if len({one.number for one in lines}) != len(lines):
        order.fault("line_items", "two lines have the same id")
    for field, kind, name in (
        ("shipping_lines", LineKind.SHIPPING, "method_title"),
        ("fee_lines", LineKind.FEE, "name"),
    ):
        rows = order.rows(field, LINES_MAX, required=False)
        # What is no line item has a number below 0, so that no two lines share one.
        lines += [line(row, -1 - len(lines) - index, kind, name) for index, row in enumerate(rows)]
    order.check_sum("line_items", [one.amount_minor for one in lines])
    return tuple(lines)
