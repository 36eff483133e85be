"""Shopify: what its orders and refunds mean for points, end to end through the handlers."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jifen.adapters.queues import decode, encode
from jifen.adapters.webhook import receive, shopify
from jifen.domain.errors import EventTooLarge, MalformedEvent
from jifen.domain.orders import EventType, LineKind, OrderEvent
from jifen.domain.program import parse_program
from jifen.runtime import Runtime, use
from jifen.service.earning import Outcome, earn
from tests.functions.stage import Answer, Stage, delivery
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

FIXTURES = Path(__file__).parents[3] / "shared" / "data" / "webhooks" / "shopify"
SECRET, OLD_SECRET = "the client secret of an app", "the client secret before it was rotated"
NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
PAID_AT = "2026-11-20T14:05:02+08:00"
ORDER, BUYER = 9007199254740993417, 7200450013337
FIXED = settings(derandomize=True, deadline=None, max_examples=150, database=None)


@pytest.fixture(scope="module")
def stack(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """The default program: one point for each whole unit of any currency."""
    here = Stage("shopify", program={}, secrets={"shopify": (SECRET, OLD_SECRET)}, now=NOW)
    with use(here.runtime):
        yield here


@pytest.fixture
def shop(stack: Stage) -> Stage:
    """The same with nothing in it."""
    stack.clear()
    stack.move_to(NOW)
    return stack


# What Shopify sends --------------------------------------------------------------------------------------------------


def money(amount: str, currency: str = "CNY", shown: str = "1.00") -> dict[str, Any]:
    """An amount in the shop's currency, and what the buyer was shown in another one."""
    return {
        "shop_money": {"amount": amount, "currency_code": currency},
        "presentment_money": {"amount": shown, "currency_code": "USD"},
    }


def item(number: int, price: Any, quantity: int = 1, off: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    """A line item with allocated discounts."""
    allocations = [{"amount": amount, "amount_set": money(amount)} for amount in off]
    return {
        "id": number,
        "sku": f"sku-{number}",
        "quantity": quantity,
        "price": price,
        "gift_card": False,
        "discount_allocations": allocations,
        **more,
    }


def order(*items: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A paid order."""
    return {
        "id": ORDER,
        "test": False,
        "financial_status": "paid",
        "cancelled_at": None,
        "created_at": "2026-11-20T14:05:00+08:00",
        "processed_at": PAID_AT,
        "updated_at": PAID_AT,
        "currency": "CNY",
        "total_discounts": "0.00",
        "customer": {"id": BUYER},
        "line_items": list(items),
        "shipping_lines": [],
        "refunds": [],
        **more,
    }


def refund(number: int, *lines: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A refund of an order, as it is sent by itself and inside its order."""
    return {
        "id": number,
        "order_id": ORDER,
        "created_at": "2026-11-21T09:29:58+08:00",
        "processed_at": "2026-11-21T09:29:58+08:00",
        "total_duties_set": money("0.00"),
        "refund_line_items": list(lines),
        "transactions": [],
        "order_adjustments": [],
        **more,
    }


def back(number: int, subtotal: str, **more: Any) -> dict[str, Any]:
    """A refund line: ``subtotal`` is a number there, and the text beside it."""
    return {"line_item_id": number, "quantity": 1, "subtotal": 0, "subtotal_set": money(subtotal), **more}


def transaction(amount: str, status: str = "success", currency: str = "CNY", kind: str = "refund") -> dict[str, Any]:
    """A payment that goes back."""
    return {"kind": kind, "status": status, "amount": amount, "currency": currency}


def adjusted(
    amount: str, reason: str = "Refund discrepancy", kind: str | None = "refund_discrepancy"
) -> dict[str, Any]:
    """An adjustment of a refund."""
    return {"kind": kind, "reason": reason, "amount": amount, "amount_set": money(amount), "tax_amount": "0.00"}


def signed(raw: bytes, secret: str = SECRET) -> str:
    """The signature of a body."""
    return base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()


def call_of(body: Any, topic: str | None = None, secret: str = SECRET, offered: str | None = None) -> dict[str, Any]:
    """A delivery as API Gateway hands it over."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"webhook-id": None, "webhook-timestamp": None, "webhook-signature": None}
    own = {"X-Shopify-Hmac-Sha256": offered or signed(raw, secret), "X-Shopify-Topic": topic}
    return delivery(raw, NOW, source="shopify", headers={**headers, **own}, as_base64=isinstance(body, bytes))


def send(shop: Stage, body: Any, topic: str | None = None) -> Answer:
    """Deliver a signed body."""
    return Answer.of(shop.call("webhook", call_of(body, topic)))


def earn_all(shop: Stage, *bodies: Any) -> list[list[OrderEvent]]:
    """Deliver bodies and earn each at once; the events of each."""
    events = []
    for body in bodies:
        answer = send(shop, body)
        records = shop.queued()
        assert (202 if records else 200, {}) == (answer.status, answer.body), answer
        if records:
            assert [] == shop.call("earn", {"Records": records})["batchItemFailures"]
        events.append([event for record in records for event in decode(record["body"])])
    return events


def points_of(shop: Stage, member: int = BUYER) -> int:
    """What the buyer can spend."""
    return int(shop.member(str(member))["available"])


def read(body: Mapping[str, Any], topic: str = "", now: datetime = NOW) -> list[OrderEvent]:
    """The events in a body."""
    return shopify.read({"x-shopify-topic": topic}, json.dumps(body).encode(), now)


def faults_of(body: Any, topic: str = "") -> list[str]:
    """The paths that are named when a body is refused."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(MalformedEvent) as refused:
        shopify.read({"x-shopify-topic": topic}, raw, NOW)
    return [fault.field for fault in refused.value.faults]


def changed(body: Mapping[str, Any], path: Sequence[str | int], value: Any) -> dict[str, Any]:
    """A copy with one field set."""
    copied = copy.deepcopy(dict(body))
    node: Any = copied
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return copied


# Published bodies ----------------------------------------------------------------------------------------------------


class Published(NamedTuple):
    """A published body, what is taken out of it, its topic, and how it is answered: status, events, points."""

    file: str
    outer: str = ""
    topic: str = ""
    status: int = 200
    events: tuple[str, ...] = ()
    points: int = 0


PUBLISHED = [
    # Shopify's own test notification: a test order, voided and cancelled. Test orders are nothing at all.
    Published("derived/Order.restored_ids.json", topic="orders/paid"),
    Published("trigger_dev/Order.json", topic="orders/updated"),
    # Refunds of orders that nobody knows: kept for the payment that may follow, nothing to take back yet.
    Published("derived/Refund.restored_ids.json", "", "refunds/create", 202, ("refund-890088186047892319",)),
    Published("trigger_dev/Refund.json", "", "refunds/create", 202, ("refund-890088186047892400",)),
    Published("shopify_python_api/refund.json", "refund", "refunds/create", 202, ("refund-509562969",)),
    # Authorised and not captured: nothing is paid yet.
    Published("shopify_python_api/order.json", "order", "orders/create"),
    # Bodies of the REST API in their wrapping: nothing of ours, unless a topic says that it should be.
    Published("shopify_python_api/order.json"),
    Published("shopify_python_api/order.json", topic="orders/paid", status=400),
    Published("shopify_python_api/orders.json"),
    Published("shopify_python_api/orders.json", topic="orders/updated", status=400),
    Published("shopify_python_api/refund.json"),
    Published("shopify_python_api/refund.json", topic="refunds/create", status=400),
    # A calculation, not a refund: it has no order id.
    Published("shopify_python_api/refund_calculate.json", "refund"),
    Published("shopify_python_api/refund_calculate.json", "refund", "refunds/create", 400),
    # Draft orders have lines and no financial status.
    Published("shopify_python_api/draft_order_completed.json", "draft_order", "draft_orders/update"),
    # Payments by themselves say nothing of goods.
    Published("shopify_python_api/transaction.json", "transaction", "order_transactions/create"),
    Published("shopify_python_api/tender_transactions.json"),
    Published("shopify_python_api/transactions.json", status=400),  # a list, which no delivery is
    Published("trigger_dev/OrderTransactionsCreate.json", topic="order_transactions/create"),
    Published("trigger_dev/TenderTransaction.json", topic="tender_transactions/create"),
    # What was edited: the whole order comes as orders/updated too.
    Published("trigger_dev/OrderEdited.json", topic="orders/edited"),
    # A deleted order is no more than an id.
    Published("trigger_dev/Deleted.json", topic="orders/delete"),
    # Headers of a captured delivery, sent as if they were a body.
    Published("captured/orders_paid.headers.json"),
]

needs_fixtures = pytest.mark.skipif(not FIXTURES.exists(), reason="the published bodies are not on this machine")


def published(name: str, outer: str = "") -> Any:
    """A published body, ids to the digit."""
    data = json.loads((FIXTURES / name).read_text("utf-8"))
    return data[outer] if outer else data


@needs_fixtures
def test_every_published_body_is_in_the_table() -> None:
    """A file that is added is looked at by somebody."""
    assert {path.relative_to(FIXTURES).as_posix() for path in FIXTURES.rglob("*.json")} == {
        row.file for row in PUBLISHED
    }


@needs_fixtures
@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row.file} {row.outer} {row.topic}".strip())
def test_published_bodies(shop: Stage, row: Published) -> None:
    """Each is taken or left as the table says, and none earns anything as it is."""
    answer = send(shop, published(row.file, row.outer), row.topic or None)
    records = shop.queued()
    assert [] == shop.call("earn", {"Records": records})["batchItemFailures"]

    assert row.status == answer.status
    assert list(row.events) == [event.event_id for record in records for event in decode(record["body"])]
    assert (400 == answer.status) == (answer.code == "MALFORMED_EVENT")


@needs_fixtures
def test_the_published_order_were_it_real_and_paid(shop: Stage) -> None:
    """398.00 less a discount that no line has; ids to the digit; the published refund takes everything back."""
    shop.move_to("2022-01-02T00:00:00+00:00")
    body = published("derived/Order.restored_ids.json")
    real = {**body, "test": False, "financial_status": "paid", "cancelled_at": None}

    ((event,),) = earn_all(shop, real)
    earned = points_of(shop, 115310627314723954)
    ((given_back,),) = earn_all(shop, published("derived/Refund.restored_ids.json"))

    assert event.paid is not None
    assert given_back.refund is not None
    assert ("820982911946154508", "115310627314723954") == (event.order_id, event.member)
    assert [866550311766439020, 141249953214522974, -1, -2] == [line.number for line in event.paid.lines]
    assert [LineKind.GOODS, LineKind.GOODS, LineKind.SHIPPING, LineKind.DISCOUNT] == [
        line.kind for line in event.paid.lines
    ]
    assert (378, 0) == (earned, points_of(shop, 115310627314723954))
    assert "820982911946154508" == given_back.order_id
    assert "890088186047892319" == given_back.refund.refund_id
    assert [866550311766439020, 141249953214522974] == [line.orig_line for line in given_back.refund.lines]


@needs_fixtures
def test_a_body_of_the_first_api_has_neither_subtotals_nor_allocations(shop: Stage) -> None:
    """Three pieces for 199.00 are paid, and two of them go back at their price."""
    shop.move_to("2017-01-01T00:00:00+00:00")
    body = published("shopify_python_api/order.json", "order")
    paid = {**body, "financial_status": "paid", "created_at": "2016-06-01T00:00:00Z"}

    earn_all(shop, paid)
    earned = points_of(shop, 207119551)
    earn_all(shop, published("shopify_python_api/refund.json", "refund"))

    assert (597, 199) == (earned, points_of(shop, 207119551))


# Signatures ----------------------------------------------------------------------------------------------------------


def test_the_body_is_signed_with_the_client_secret_as_text(shop: Stage) -> None:
    """Both secrets of a rotation open; another secret, another body and a published header of another shop do not."""
    good = order(item(1, "10.00"))
    captured = "CRl2fOMDEZd6Inc+FjpWsvJbz7kxRlZ2yR2fyTGlyYQ="
    calls = [
        call_of(good),
        call_of(good, secret=OLD_SECRET),
        call_of(good, secret="of another shop"),
        call_of(order(item(1, "10.01")), offered=signed(json.dumps(good).encode())),
        call_of(good, offered=captured),
        call_of(good, offered=signed(json.dumps(good).encode()) + " "),
    ]

    assert [202, 202, 401, 401, 401, 401] == [Answer.of(shop.call("webhook", call)).status for call in calls]


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_header_names_are_of_any_case(case: Any) -> None:
    """API Gateway sends them in lower case, others do not."""
    raw = json.dumps(order(item(1, "10.00"))).encode()
    headers = {case("X-Shopify-Hmac-Sha256"): signed(raw)}

    assert 1 == len(receive("shopify", headers, raw, {"shopify": [SECRET]}, NOW))


# Which states are paid -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "points"),
    [
        ("paid", 100),
        ("partially_refunded", 100),
        ("refunded", 0),  # as a whole, even if the body leaves its refunds out
        ("authorized", 0),
        ("pending", 0),
        ("partially_paid", 0),
        ("voided", 0),
        ("expired", 0),
        ("unpaid", 0),
        ("a status of next year", 0),
        (None, 0),
    ],
)
def test_only_what_is_paid_in_full_earns(shop: Stage, status: str | None, points: int) -> None:
    """The status says whether the order was ever paid; what came back of it, only its refunds say."""
    earn_all(shop, order(item(1, "100.00"), financial_status=status))

    assert points == points_of(shop)


def test_a_test_order_is_nothing_at_all(shop: Stage) -> None:
    """Neither paid, nor refunded, nor cancelled, nor read."""
    body = order(item(1, "-1"), test=True, cancelled_at=PAID_AT, refunds=[refund(1)], currency=None, id=None)

    assert [[]] == earn_all(shop, body)


def test_an_order_that_is_not_paid_may_hold_what_it_likes_in_its_lines(shop: Stage) -> None:
    """Only a paid state is read line by line, so that nothing of no concern is refused."""
    assert [[]] == earn_all(shop, order({"id": "?"}, financial_status="pending", shipping_lines=7))


def test_fields_of_no_concern_may_hold_anything(shop: Stage) -> None:
    """What points do not need is not looked at."""
    body = order(item(1, "100.00", grams="heavy", tax_lines="?"), note=[[]], tags={}, total_price=None, name=7)

    earn_all(shop, body)

    assert 100 == points_of(shop)


def test_a_cancelled_order_keeps_nothing_whatever_else_it_says(shop: Stage) -> None:
    """First paid, then cancelled with the refund made for that; and an order first seen cancelled never earns."""
    lines = [item(1, "60.00"), item(2, "40.00")]
    whole = refund(1, back(1, "60.00"), back(2, "40.00"))
    late = {"updated_at": "2026-11-21T09:30:00+08:00", "cancelled_at": "2026-11-21T09:30:00+08:00"}
    cancelled = order(*lines, financial_status="refunded", refunds=[whole], **late)

    (_, events) = earn_all(shop, order(*lines), cancelled)
    (unseen,) = earn_all(shop, {**cancelled, "id": 8})

    assert [EventType.REFUNDED, EventType.CANCELLED, EventType.PAID] == [event.type for event in events]
    assert [event.type for event in events] == [event.type for event in unseen]
    assert {str(BUYER)} == {event.member for event in events}
    assert (0, [100, -100]) == (points_of(shop), [entry["points"] for entry in shop.entries(str(BUYER))])
    assert shop.proved(str(BUYER))


@pytest.mark.parametrize("customer", [None, {"id": None}, {}])
def test_without_a_customer_an_order_is_a_guests(shop: Stage, customer: Any) -> None:
    """Recorded, and worth nothing until a later state of it names a buyer."""
    ((event,),) = earn_all(shop, order(item(1, "100.00"), customer=customer))
    earn_all(shop, order(item(1, "100.00"), updated_at="2026-11-20T15:00:00+08:00"))

    assert event.member is None
    assert 100 == points_of(shop)


def test_an_order_moved_to_another_customer_takes_its_points_along(shop: Stage) -> None:
    """Merged customers: the state changed last says who the buyer is."""
    later = order(item(1, "100.00"), customer={"id": 5}, updated_at="2026-11-20T15:00:00+08:00")

    earn_all(shop, order(item(1, "100.00")), later, order(item(1, "100.00")))

    assert (0, 100) == (points_of(shop), points_of(shop, 5))


# What the lines come to ----------------------------------------------------------------------------------------------

RATE = item(1, "100.00")


@pytest.mark.parametrize(
    ("items", "more", "minor"),
    [
        ([item(1, "19.99", 3)], {}, 5_997),
        ([item(1, 20)], {}, 2_000),
        ([item(1, 19.99)], {}, 1_999),
        ([item(1, "0.00")], {}, 0),
        ([], {}, 0),
        ([item(1, "100.00", 2, ["10.00", "0.01"])], {}, 18_999),
        ([item(1, "5.00", 1, ["7.50"]), item(2, "1.00")], {}, 100),  # no line goes below 0
        ([item(1, "1.00", price_set=money("9.00"))], {}, 900),  # the shop's money, not the plain field
        ([item(1, "9.00", price_set=None)], {}, 900),
        ([item(1, "9.00", price_set={"shop_money": None})], {}, 900),
        ([item(1, "50.00", gift_card=True), item(2, "1.00")], {}, 100),
        ([item(1, "5.00", tip_payment_gateway="stripe"), item(2, "1.00")], {}, 100),
        ([item(1, "1.00", gift_card=None)], {}, 100),
        ([item(1, "1.00")], {"shipping_lines": [{"id": 1, "title": "Post", "price": "12.00"}]}, 100),
        ([RATE], {"total_discounts": "20.00"}, 8_000),  # nothing is allocated: the discounts are a line
        ([RATE], {"total_discounts": "20.00", "total_discounts_set": money("30.00")}, 7_000),
        ([item(1, "100.00", 1, ["5.00"])], {"total_discounts": "20.00"}, 9_500),  # they are allocated
        ([RATE], {"total_discounts": "500.00"}, 0),
        ([RATE], {"total_discounts": None}, 10_000),
        ([RATE], {"shipping_lines": None, "refunds": None}, 10_000),
        ([item(1, "0.335", 3)], {}, 101),  # 1.005: rounded half up, once for the line
        ([item(1, "0.335"), item(2, "0.335"), item(3, "0.335")], {}, 102),
        ([item(1, "123456789.00499999999999999999")], {}, 12_345_678_900),  # exactly, to the last digit
        ([item(1, "1980")], {"currency": "JPY"}, 1_980),
        ([item(1, "1980.50")], {"currency": "JPY"}, 1_981),
        ([item(1, "1.2345")], {"currency": "KWD"}, 1_235),
    ],
)
def test_what_an_order_comes_to(items: list[Any], more: dict[str, Any], minor: int) -> None:
    """Goods after the discounts allocated to them, in minor units of the shop's currency."""
    ((event,), paid_in) = (read(order(*items, **more)), {"goods": 1, "discount": -1})
    assert event.paid is not None

    assert minor == max(0, sum(paid_in.get(line.kind, 0) * line.amount_minor for line in event.paid.lines))


def test_shipping_and_gift_cards_have_lines_of_their_own_kind() -> None:
    """With what they cost, and a number that no line item has."""
    shipping = {"id": 1, "title": "Post", "price": "12.00", "discount_allocations": [{"amount": "2.00"}]}
    ((event,),) = [read(order(item(1, "5.00", gift_card=True), item(2, "6.00"), shipping_lines=[shipping] * 2))]
    assert event.paid is not None

    assert [
        (1, 500, LineKind.GIFT_VOUCHER),
        (2, 600, LineKind.GOODS),
        (-1, 1_000, LineKind.SHIPPING),
        (-2, 1_000, LineKind.SHIPPING),
    ] == [(line.number, line.amount_minor, line.kind) for line in event.paid.lines]


@pytest.mark.parametrize(
    ("sku", "title", "name", "expected"),
    [
        ("A-1", "Tea", "Tea, green", "A-1"),
        ("", "Tea", "Tea, green", "Tea"),
        (None, None, "Tea, green", "Tea, green"),
        (" ", "", None, ""),
        ("长" * 300, "Tea", None, "长" * 256),
        (None, "t" * 5_000, None, "t" * 256),
    ],
)
def test_a_line_is_called_by_its_sku_or_its_title(sku: Any, title: Any, name: Any, expected: str) -> None:
    """However long somebody made it."""
    ((event,),) = [read(order(item(1, "1.00", sku=sku, title=title, name=name)))]
    assert event.paid is not None

    assert [expected] == [line.sku for line in event.paid.lines]


def test_what_is_too_large_for_the_queue_is_said_so(shop: Stage) -> None:
    """20,000 lines are read; they fit into a message when they are alike, and are refused with the sizes when not."""
    alike = order(*[item(number, "1.00", sku="same") for number in range(1, 20_001)])

    answer = send(shop, alike)

    assert (202, 1) == (answer.status, shop.waiting())
    (record,) = shop.queued()
    ((event,),) = [decode(record["body"])]
    assert event.paid is not None
    assert 20_000 == len(event.paid.lines)


# When ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "at", "revision"),
    [
        ({}, PAID_AT, int(datetime.fromisoformat(PAID_AT).timestamp())),
        ({"processed_at": None}, "2026-11-20T14:05:00+08:00", int(datetime.fromisoformat(PAID_AT).timestamp())),
        ({"processed_at": None, "created_at": None}, PAID_AT, int(datetime.fromisoformat(PAID_AT).timestamp())),
        ({"processed_at": None, "created_at": None, "updated_at": None}, NOW.isoformat(), 0),
        ({"updated_at": "2026-11-21T00:00:00.900Z"}, PAID_AT, 1_795_219_200),
    ],
)
def test_when_an_order_was_paid_and_when_it_changed(fields: dict[str, Any], at: str, revision: int) -> None:
    """The payment's instant does not move with updates; the state's number is the second of its change."""
    ((event,),) = [read(order(RATE, **fields))]
    assert event.paid is not None

    assert (datetime.fromisoformat(at), revision) == (event.paid.at, event.paid.revision)
    assert event.at == event.paid.at


def test_an_old_state_sent_again_under_any_topic_changes_nothing(shop: Stage) -> None:
    """Topics are not signed: a body that somebody kept is only ever the state it was."""
    old = order(item(1, "500.00"))
    new = order(item(1, "500.00", 1, ["100.00"]), updated_at="2026-11-20T15:00:00+08:00")
    earn_all(shop, old, new)
    before = shop.table()

    for topic in ("orders/paid", "orders/cancelled", "refunds/create", "carts/update", "", None):
        assert 202 == send(shop, old, topic).status
        shop.call("earn", {"Records": shop.queued()})

    assert before == shop.table()
    assert 400 == points_of(shop)


# Refunds -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tax_included", [True, False])
def test_a_complete_refund_in_parts_ends_at_exactly_nothing(shop: Stage, *, tax_included: bool) -> None:
    """Price and subtotal follow one rule: both with the tax where prices have it, both without it where not."""
    tax = {"taxes_included": tax_included, "total_tax": "23.01"}
    paid = order(item(1, "33.33", 3, ["0.01"]), item(2, "0.50"), shipping_lines=[{"price": "9.00"}], **tax)
    parts = [
        refund(1, back(1, "33.32", total_tax=7.67), transactions=[transaction("33.32")]),
        refund(2, back(1, "33.33", total_tax=7.67), back(2, "0.50"), transactions=[transaction("33.83")]),
        refund(3, back(1, "33.33", total_tax=7.67), transactions=[transaction("42.33")]),
    ]

    earn_all(shop, paid)
    balances = [points_of(shop)]
    for part in parts:
        earn_all(shop, part)
        balances.append(points_of(shop))

    assert [100, 67, 33, 0] == balances


def test_an_order_first_seen_partly_refunded_earns_once_for_what_was_kept(shop: Stage) -> None:
    """One delivery is one message: the refund first, then the paid state, and one entry for both."""
    body = order(item(1, "60.00"), item(2, "40.00"), financial_status="partially_refunded")
    body["refunds"] = [refund(1, back(2, "40.00"))]

    answer = send(shop, body)
    records = shop.queued()
    shop.call("earn", {"Records": records})

    assert (202, 1) == (answer.status, len(records))
    assert [60] == [entry["points"] for entry in shop.entries(str(BUYER))]


ALONE: Mapping[str, tuple[dict[str, Any], int]] = {
    "lines": (refund(1, back(1, "40.00")), 40_00),
    "lines at a gift card": (refund(1, back(3, "40.00")), 0),
    "lines as numbers": (refund(1, {"line_item_id": 1, "subtotal": 39.99, "quantity": 1}), 39_99),
    "lines, the shop keeping a fee": (refund(1, back(1, "40.00"), order_adjustments=[adjusted("15.00")]), 40_00),
    "lines, the money not settled": (
        refund(
            1, back(1, "40.00"), transactions=[transaction("40.00", "pending")], order_adjustments=[adjusted("40.00")]
        ),
        40_00,
    ),
    "lines, settled later": (
        refund(
            1,
            back(1, "40.00"),
            transactions=[transaction("40.00")],
            order_adjustments=[adjusted("40.00"), adjusted("-40.00", "Pending refund discrepancy")],
        ),
        40_00,
    ),
    "lines and money on top": (refund(1, back(1, "40.00"), order_adjustments=[adjusted("-5.00")]), 45_00),
    "lines and Shopify's rounding": (
        refund(1, back(1, "40.00"), order_adjustments=[adjusted("-0.01", "FULL_RETURN_BALANCING_ADJUSTMENT", None)]),
        40_00,
    ),
    "lines of a time without subtotals": (
        refund(1, {"line_item_id": 1, "quantity": 2, "line_item": item(1, "25.00", 5, ["25.00"])}),
        40_00,
    ),
    "money alone": (
        refund(1, transactions=[transaction("30.00")], order_adjustments=[adjusted("-30.00")]),
        30_00,
    ),
    "money alone, not settled": (
        refund(
            1,
            transactions=[transaction("30.00", "pending")],
            order_adjustments=[adjusted("-30.00"), adjusted("30.00")],
        ),
        30_00,
    ),
    "money alone, settled later": (
        refund(
            1,
            transactions=[transaction("30.00")],
            order_adjustments=[
                adjusted("-30.00"),
                adjusted("30.00"),
                adjusted("-30.00", "PENDING_REFUND_DISCREPANCY", None),
            ],
        ),
        30_00,
    ),
    "money alone, before there were adjustments": (
        refund(1, transactions=[transaction("30.00"), transaction("9.00", "failure"), transaction("9.00", kind="void")])
        | {"order_adjustments": None},
        30_00,
    ),
    "money alone, with shipping of that time": (
        refund(
            1,
            transactions=[transaction("30.00")],
            order_adjustments=[adjusted("-10.00", "Shipping refund", "shipping_refund") | {"tax_amount": "-1.00"}],
        ),
        19_00,
    ),
    "shipping alone": (
        refund(
            1,
            transactions=[transaction("12.00")],
            refund_shipping_lines=[{"subtotal_amount_set": money("10.00"), "tax_amount_set": money("2.00")}],
        ),
        0,
    ),
    "a payment in the buyer's currency": (refund(1, transactions=[transaction("30.00", currency="USD")]), 0),
    "nothing": (refund(1), 0),
    "a refund of yen": (
        refund(1, back(1, "40"), total_duties_set=None)
        | {"refund_line_items": [back(1, "", subtotal_set=money("40", "JPY"))]},
        0,
    ),
}


@pytest.mark.parametrize("name", ALONE)
def test_a_refund_is_the_same_alone_and_inside_its_order(shop: Stage, name: str) -> None:
    """What it gives back, and that its two forms are one fact: no delivery of either is ever a conflict."""
    body, minor = ALONE[name]
    lines = [item(1, "100.00"), item(2, "50.00"), item(3, "70.00", gift_card=True)]
    later = {"updated_at": "2026-11-21T09:30:00+08:00", "financial_status": "partially_refunded"}
    whole = order(*lines, refunds=[body], **later)

    alone, inside = read(body), [event for event in read(whole) if event.type is EventType.REFUNDED]
    earn_all(shop, order(*lines), body, whole, body)

    assert [event.refund for event in alone] == [event.refund for event in inside]
    assert [(None, event.order_id, event.event_id) for event in inside] == [
        (event.member, event.order_id, event.event_id) for event in alone
    ]
    assert (150_00 - minor) // 100 == points_of(shop)
    assert 0 == shop.counted.get("ConflictingEvents", 0)


def test_a_refund_before_its_payment_waits_for_it(shop: Stage) -> None:
    """Nothing depends on which arrives first."""
    earn_all(shop, refund(1, back(1, "40.00")), order(item(1, "100.00")))

    assert [60] == [entry["points"] for entry in shop.entries(str(BUYER))]


def test_a_line_taken_out_of_an_order_is_a_refund_of_it(shop: Stage) -> None:
    """``quantity`` stays what it was, ``current_quantity`` does not count, and what was added is one more line."""
    removed = refund(1, back(1, "30.00"), restock_type="cancel")
    edited = order(
        item(1, "30.00", 2, current_quantity=1),
        item(2, "25.00"),
        refunds=[removed],
        updated_at="2026-11-21T09:30:00+08:00",
    )

    earn_all(shop, order(item(1, "30.00", 2)), edited)

    assert 30 * 2 - 30 + 25 == points_of(shop)


def test_a_shop_that_shows_prices_in_many_currencies_earns_in_its_own(shop: Stage) -> None:
    """The buyer paid and got back dollars; order and refund are counted in the shop's money."""
    shown = item(1, "100.00", price_set=money("100.00", shown="13.70"))
    paid = order(shown, presentment_currency="USD")
    refunded = refund(1, back(1, "25.00"), transactions=[transaction("3.43", currency="USD")])

    earn_all(shop, paid, refunded)

    assert 75 == points_of(shop)


# Topics and faults ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "topic", ["orders/create", "orders/paid", "orders/updated", "orders/cancelled", "refunds/create"]
)
@pytest.mark.parametrize("body", [{}, {"id": 1}, {"type": "order.paid"}, {"order": order(RATE)}, {"line_items": []}])
def test_a_body_that_cannot_be_what_its_topic_says_is_refused(shop: Stage, topic: str, body: dict[str, Any]) -> None:
    """400, so that the order is not lost without a word; without a topic of ours it is none of ours."""
    assert (400, "MALFORMED_EVENT") == ((answer := send(shop, body, topic)).status, answer.code)
    assert (200, {}) == ((answer := send(shop, body, "products/update")).status, answer.body)
    assert (200, {}) == ((answer := send(shop, body)).status, answer.body)
    assert 0 == shop.waiting()


def test_the_fields_that_a_body_lacks_are_named() -> None:
    """What makes an order an order, and a refund a refund."""
    assert ["line_items", "financial_status"] == faults_of({}, "orders/paid")
    assert ["financial_status"] == faults_of({"line_items": []}, "orders/updated")
    assert ["refund_line_items"] == faults_of({"order_id": 1}, "refunds/create")


GOOD = order(
    item(1, "100.00", 2, ["1.00"]),
    shipping_lines=[{"title": "Post", "price": "1.00"}],
    cancelled_at=PAID_AT,
    refunds=[
        refund(
            7,
            back(1, "5.00"),
            order_adjustments=[adjusted("-1.00")],
            transactions=[transaction("6.00")],
        )
    ],
)
DEEP = json.loads("[" * 100 + "]" * 100)

NO_AMOUNT = ["1,99", "1e3", "NaN", "", " 1.00", "１.00", "1.", ".5", "+1", True, [], {}, None, 10**16, "9" * 16]
NO_ID = [0, -1, 1.5, "", " 7", "\ud800", "7" * 65, 10**64, True, [], {}]


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (("id",), [*NO_ID, None]),
        (("customer",), [7, "7", [], True]),
        (("customer", "id"), NO_ID),
        (("currency",), [None, "", "cny", "XXX", 7, []]),
        (("test",), ["true", 1, 0, []]),
        (("financial_status",), [7, [], {}, True, "\ud800", "p" * 257]),
        (
            ("processed_at",),
            ["", "yesterday", "2026-11-20", "2026-11-20T14:05:02", 1_700_000_000, [], "2026-12-24T00:00:00Z"],
        ),
        (("updated_at",), ["", 7, "1969-12-31T23:59:59Z"]),
        (("cancelled_at",), ["", 7, False]),
        (("line_items",), [None, {}, "x", 7]),
        (("line_items", 0), [None, 7, "x", []]),
        (("line_items", 0, "id"), [None, "1", 0, -1, 1.5, 2**63, []]),
        (("line_items", 0, "quantity"), [None, "1", -1, 1.5, 10**9 + 1, []]),
        (("line_items", 0, "price"), [*NO_AMOUNT, "-1.00", -1]),
        (("line_items", 0, "price_set"), [7, "x", []]),
        (("line_items", 0, "sku"), [7, [], "\ud800"]),
        (("line_items", 0, "gift_card"), ["yes", 1]),
        (("line_items", 0, "discount_allocations"), [{}, "x", 7]),
        (("line_items", 0, "discount_allocations", 0, "amount_set", "shop_money", "amount"), ["-1", "x", []]),
        (("shipping_lines",), [{}, "x"]),
        (("shipping_lines", 0, "price"), ["-1", "x", None]),
        (("refunds",), [{}, "x", 7]),
        (("refunds", 0), [None, 7]),
        (("refunds", 0, "id"), [*NO_ID, None]),
        (("refunds", 0, "processed_at"), ["", 7]),
        (("refunds", 0, "refund_line_items"), [{}, 7]),
        (("refunds", 0, "refund_line_items", 0, "line_item_id"), [None, "1", 0, 2**63]),
        (("refunds", 0, "refund_line_items", 0, "subtotal_set", "shop_money", "amount"), ["-1", "x", []]),
        (("refunds", 0, "refund_line_items", 0, "subtotal_set", "shop_money", "currency_code"), ["cny", 7]),
        (("refunds", 0, "order_adjustments"), [{}, 7]),
        (("refunds", 0, "order_adjustments", 0, "amount_set", "shop_money", "amount"), ["x", []]),
        (("refunds", 0, "order_adjustments", 0, "reason"), [7, []]),
        (("refunds", 0, "transactions"), [{}, 7]),
        (("refunds", 0, "transactions", 0, "amount"), ["-1", None, "x"]),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_every_fault_is_named_by_its_path(path: tuple[str | int, ...], values: list[Any]) -> None:
    """One wrong field is one fault, at that field."""
    expected = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")

    for value in values:
        assert [expected] == faults_of(changed(GOOD, path, value)), value


def test_a_fault_reaches_the_sender(shop: Stage) -> None:
    """400 with every path, of fifty at most the first, and nothing on the queue."""
    many = order(*[item(number, "x") for number in range(1, 61)], currency="?")

    answer = send(shop, changed(changed(GOOD, ("currency",), "?"), ("line_items", 0, "price"), "1,99"))
    flood = send(shop, many)

    assert (400, "MALFORMED_EVENT") == (answer.status, answer.code)
    assert {"currency", "line_items[0].price"} == {error["field"] for error in answer.body["errors"]}
    shown = [error["field"] for error in flood.body["errors"]]
    assert (400, 50) == (flood.status, len(faults_of(many)))
    assert shown == faults_of(many)[: len(shown)]
    assert len(shown) >= 20
    assert 0 == shop.waiting()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", ["body"]),
        (b"webhook_id=1", ["body"]),
        (b"\xff\xfe{}", ["body"]),
        (b"[]", ["body"]),
        (b"null", ["body"]),
        (b"[" * 100_000, ["body"]),
        (b'{"line_items":' + b"[" * 100_000, ["body"]),
        (b'{"line_items": NaN}', ["body"]),
        (b'{"id": 1' + b"0" * 5_000 + b"}", ["body"]),
        (order(*[item(number, "1") for number in range(1, 20_002)]), ["line_items"]),
        (order(RATE, refunds=[refund(number) for number in range(1, 2_002)]), ["refunds"]),
        (order(item(1, "1", 1, ["0"] * 1_001)), ["line_items[0].discount_allocations"]),
        (order(item(1, "1"), item(1, "2")), ["line_items"]),
        (order(item(1, "999999999999999", 10**9)), ["line_items[0].price"]),
        (order(*[item(number, "600000000000.00") for number in (1, 2)]), ["line_items"]),
        (refund(1, {"line_item_id": 1, "quantity": 1}), ["refund_line_items[0].subtotal"]),
        (refund(1, {"line_item_id": 1, "subtotal": 5}) | {"total_duties_set": None}, ["refund_line_items"]),
        (refund(1, back(1, "1.00"), order_id=None), ["order_id"]),
    ],
)
def test_hostile_bodies_are_refused_and_nothing_more(shop: Stage, body: Any, fields: list[str]) -> None:
    """Whatever is signed by a secret that leaked is a 400."""
    answer = send(shop, body)

    assert (400, "MALFORMED_EVENT") == (answer.status, answer.code)
    assert fields == [error["field"] for error in answer.body["errors"]]
    assert 0 == shop.waiting()


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=()), max_size=20)
    | st.sampled_from(["199.00", "-1", "1e400", "CNY", "refund", "success", PAID_AT, 2**63, 10**200, DEEP]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "amount", "shop_money"]), inner),
    max_leaves=6,
)


def paths_of(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a body."""
    if path:
        yield path
    for step, child in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from paths_of(child, (*path, step))


BASES = (GOOD, GOOD["refunds"][0], order(RATE, total_discounts="1.00"))
PLACES = [(number, path) for number, base in enumerate(BASES) for path in paths_of(base)]


def outcome_of(body: Mapping[str, Any]) -> list[OrderEvent] | MalformedEvent:
    """The events in a body, or its refusal; what else is raised goes on."""
    try:
        return read(body)
    except MalformedEvent as refused:
        return refused


@settings(FIXED, max_examples=1_500)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ANY_JSON), min_size=1, max_size=3))
@example([((0, ("line_items", 0, "price")), "\ud800")])
def test_any_json_in_any_field_is_read_or_refused(changes: list[tuple[tuple[int, tuple[str | int, ...]], Any]]) -> None:
    """Nothing but MalformedEvent is ever raised, and what is read passes through the queue as it is."""
    number = changes[0][0][0]
    body: Any = BASES[number]
    for (other, path), value in changes:
        if other == number:
            try:
                body = changed(body, path, value)
            except (TypeError, KeyError, IndexError):
                continue  # an earlier change took that place away
    read_or_refused = outcome_of(body)

    if isinstance(read_or_refused, MalformedEvent):
        assert 1 <= len(read_or_refused.faults) <= 50
    elif events := read_or_refused:
        assert events == decode(encode(events))
        assert 1 == len({event.order_id for event in events})


# A whole life --------------------------------------------------------------------------------------------------------


class Life(NamedTuple):
    """Everything Shopify sent about one order, and what its buyer kept in minor units."""

    deliveries: tuple[dict[str, Any], ...]
    kept_minor: int


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """An order that was paid, edited, refunded in parts, perhaps cancelled; every state and every refund delivered."""
    prices = draw(st.lists(st.integers(0, 30_000), min_size=1, max_size=4))
    base = 2**53
    off = draw(st.integers(0, 500))
    lines = [
        item(base + 2 * n + 1, f"{price / 100:.2f}", 1, [f"{min(off, price) / 100:.2f}"] if n == 0 and off else [])
        for n, price in enumerate(prices)
    ]
    worth = [price - (min(off, price) if n == 0 else 0) for n, price in enumerate(prices)]
    given_back = draw(st.lists(st.sampled_from(range(len(prices))), unique=True, max_size=len(prices)))
    refunds: list[dict[str, Any]] = []
    for number, n in enumerate(given_back):
        whole, split = worth[n], draw(st.integers(0, worth[n]))
        for part in (split, whole - split):
            refunds.append(refund(base + 100 + len(refunds) * 2 + number, back(base + 2 * n + 1, f"{part / 100:.2f}")))
    deliveries = [order(*lines, financial_status="pending", updated_at="2026-11-20T06:05:01Z"), order(*lines)]
    for count in range(1, len(refunds) + 1):
        second = datetime.fromisoformat(PAID_AT) + timedelta(seconds=count)
        status = draw(st.sampled_from(["partially_refunded", "refunded"]))
        deliveries.append(
            order(*lines, financial_status=status, refunds=refunds[:count], updated_at=second.isoformat())
        )
        deliveries.append(refunds[count - 1])
    kept = sum(worth) - sum(worth[n] for n in given_back)
    if draw(st.booleans()):
        last = {"updated_at": "2026-11-21T12:00:00Z", "cancelled_at": "2026-11-21T12:00:00Z"}
        deliveries.append(order(*lines, financial_status="paid", refunds=refunds, **last))
        kept = 0
    return Life(tuple(deliveries), kept)


PROGRAM = parse_program({})


def live(deliveries: Sequence[Mapping[str, Any]]) -> tuple[MemoryLedger, list[Outcome]]:
    """Earn deliveries in this order, each verified, queued and posted."""
    ledger = MemoryLedger(PROGRAM)
    outcomes: list[Outcome] = []
    for body in deliveries:
        raw = json.dumps(body).encode()
        events = receive("shopify", {"x-shopify-hmac-sha256": signed(raw)}, raw, {"shopify": [SECRET]}, NOW)
        if events:
            outcomes += earn(ledger, PROGRAM, decode(encode(events)), PROGRAM.moment(NOW), Patient())
    return ledger, outcomes


@FIXED
@given(lives(), st.randoms(use_true_random=False))
def test_an_orders_life_in_any_order_any_number_of_times_ends_in_the_same_points(life: Life, draw: Any) -> None:
    """Shuffled, doubled and sent again at the end: what was kept earns, and no delivery contradicts another."""
    shuffled = [*life.deliveries, *draw.choices(life.deliveries, k=draw.randrange(len(life.deliveries) + 1))]
    draw.shuffle(shuffled)

    for deliveries in (life.deliveries, shuffled, [*life.deliveries, *life.deliveries[::-1]]):
        ledger, outcomes = live(deliveries)
        account = ledger.load([str(BUYER)]).accounts[str(BUYER)]
        assert life.kept_minor // 100 == account.balance
        assert not [note for outcome in outcomes for note in outcome.notes if note.startswith("CONFLICT")]


@pytest.mark.parametrize(("tax_included", "kept"), [(True, [100, 59]), (False, [120, 71])])
def test_tax_in_the_price_can_be_left_out_of_the_basis(*, tax_included: bool, kept: list[int]) -> None:
    """120.00 with 20.00 of tax in it: 100 points, and 59 once 49.00 went back. Tax on top is not in it."""
    program = parse_program({"earning": {"basis": {"tax": False}}})
    line = item(1, "120.00", tax_lines=[{"price": "12.00"}, {"price": "8.00"}])
    ledger = MemoryLedger(program)
    balances = []
    for body in (order(line, taxes_included=tax_included), refund(1, back(1, "49.00"))):
        raw = json.dumps(body).encode()
        events = receive("shopify", {"x-shopify-hmac-sha256": signed(raw)}, raw, {"shopify": [SECRET]}, NOW)
        earn(ledger, program, decode(encode(events)), program.moment(NOW), Patient())
        balances.append(ledger.load([str(BUYER)]).accounts[str(BUYER)].balance)

    assert kept == balances


def test_every_order_of_a_short_life_ends_in_the_same_points() -> None:
    """All of them: payment, refund, the order after it, and a cancelled copy."""
    lines = [item(1, "60.00"), item(2, "40.50")]
    after = {"updated_at": "2026-11-21T09:30:00+08:00", "financial_status": "partially_refunded"}
    part = refund(1, back(2, "40.50"))
    bodies = [order(*lines), part, order(*lines, refunds=[part], **after)]

    balances = {
        live(some)[0].load([str(BUYER)]).accounts[str(BUYER)].balance
        for count in (2, 3)
        for some in itertools.permutations(bodies, count)
        if {id(body) for body in some} >= {id(bodies[0]), id(bodies[1])} or id(bodies[2]) in {id(body) for body in some}
    }

    assert {60} == balances


def test_an_order_that_does_not_fit_is_refused_with_its_size() -> None:
    """Reduced and compressed it is too large still: the queue says so before anything is lost."""
    unlike = [item(number, "1.00", sku=hashlib.sha256(str(number).encode()).hexdigest()) for number in range(1, 9_001)]

    with pytest.raises(EventTooLarge):
        encode(read(order(*unlike)))


def test_a_conflict_of_two_refunds_with_one_id_is_counted_and_the_first_stands(shop: Stage) -> None:
    """Shopify never sends that; should it, a person is told."""
    earn_all(shop, order(item(1, "100.00")), refund(1, back(1, "40.00")))
    with use(Runtime(shop.settings, clock=lambda: NOW, count=shop._count, orders=shop.runtime.orders)):
        earn_all(shop, refund(1, back(1, "50.00")))

    assert 60 == points_of(shop)
    assert 1 == shop.counted["ConflictingEvents"]
