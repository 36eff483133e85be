"""The woocommerce source: from the bytes WooCommerce sends to the points a member has, through the handlers."""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jifen.adapters.queues import decode, encode
from jifen.adapters.webhook import woocommerce
from jifen.domain.errors import MalformedEvent
from jifen.domain.orders import LineKind, Order, basis_minor, join, kept_minor
from jifen.domain.program import parse_program
from jifen.runtime import Runtime, use
from tests.functions.stage import Answer, Stage, delivery, raw_bytes

CLOCK = datetime(2026, 11, 25, 12, tzinfo=UTC)
SECRET = "kettle-and-cup-0123456789"
FIXTURES = Path(__file__).parents[3] / "shared" / "data" / "webhooks" / "woocommerce"
SAMPLE = Path(__file__).parents[2] / "local" / "samples" / "woocommerce.json"
MEMBER = "42"
GONE: Any = object()
"""A field that is left out."""

SIGNATURE, TOPIC = "X-WC-Webhook-Signature", "X-WC-Webhook-Topic"


@pytest.fixture(scope="module")
def shop(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """The default program behind WooCommerce."""
    here = Stage("woocommerce", program={}, secrets={"woocommerce": (SECRET,)}, now=CLOCK)
    with use(here.runtime):
        yield here


@pytest.fixture(autouse=True)
def nothing_yet(request: pytest.FixtureRequest) -> None:
    """Each test that has a shop begins with an empty table."""
    if "shop" in request.fixturenames:
        begin(request.getfixturevalue("shop"))


def begin(shop: Stage) -> None:
    shop.clear()
    shop.move_to(CLOCK)


# Orders and deliveries -----------------------------------------------------------------------------------------------


def gmt(minutes: float = 0) -> str:
    """An instant so many minutes after the payment, as WooCommerce writes it: UTC without saying so."""
    return (datetime(2026, 11, 20, 6, tzinfo=UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S")


def row(number: int, total: Any, **more: Any) -> dict[str, Any]:
    """A line of any kind."""
    return {"id": number, "name": f"line {number}", "sku": f"sku-{number}", "total": total, "total_tax": "0.00"} | more


def refund(total: Any, number: int = 501, **more: Any) -> dict[str, Any]:
    """A refund, as far as an order tells of it."""
    return {"id": number, "reason": "", "total": total} | more


def order(*items: Mapping[str, Any] | str, **changes: Any) -> dict[str, Any]:
    """A paid order of a member; an item may be given as its amount. ``changes`` replaces fields or leaves them out."""
    rows = [row(100 + index, item) if isinstance(item, str) else dict(item) for index, item in enumerate(items)]
    body = {
        "id": 7001,
        "status": "processing",
        "order_key": "wc_order_abc",
        "currency": "CNY",
        "prices_include_tax": False,
        "customer_id": int(MEMBER),
        "date_created_gmt": gmt(-2),
        "date_modified_gmt": gmt(),
        "date_paid_gmt": gmt(),
        "total": "100.00",
        "total_tax": "0.00",
        "line_items": rows or [row(100, "100.00")],
        "shipping_lines": [],
        "fee_lines": [],
        "coupon_lines": [],
        "refunds": [],
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not GONE}


def signed(raw: bytes, secret: str = SECRET) -> str:
    """The signature by the letter: base64 of HMAC-SHA256 over the body."""
    return base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()


def send(
    shop: Stage, body: Any, *, topic: str | None = "order.updated", signature: str | None = "", secret: str = SECRET
) -> Answer:
    """Deliver a body, signed unless a signature is given; ``topic`` None leaves its header out."""
    raw = raw_bytes(body if isinstance(body, (bytes, str)) else json.dumps(body))
    headers: dict[str, str | None] = {"webhook-id": None, "webhook-timestamp": None, "webhook-signature": None}
    headers |= {SIGNATURE: signed(raw, secret) if signature == "" else signature, TOPIC: topic}
    event = delivery(raw, shop.now, source="woocommerce", headers=headers, as_base64=True)
    return Answer.of(shop.call("webhook", event))


def earn(shop: Stage, *bodies: Mapping[str, Any]) -> None:
    """Deliver bodies one by one, each earned before the next comes."""
    for body in bodies:
        answer = send(shop, body)
        assert answer.status in {200, 202}, answer
        result = shop.call("earn", {"Records": shop.queued()})
        assert [] == result["batchItemFailures"]


def points(shop: Stage, member: str = MEMBER) -> int:
    """The member's balance, with the proof that it is right."""
    assert shop.proved(member)
    return int(shop.member(member)["balance"])


def faults(answer: Answer) -> set[str]:
    """The fields that a 400 names."""
    assert (400, "MALFORMED_EVENT") == (answer.status, answer.code), answer
    return {error["field"] for error in answer.body["errors"]}


# Signatures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configured", "signs"),
    [
        ("tea&cup&0123456789", "tea&cup&0123456789"),
        ("tea&amp;cup&amp;0123456789", "tea&cup&0123456789"),
        ("tea&amp;cup&amp;0123456789", "tea&amp;cup&amp;0123456789"),
        ("tea&#038;cup&#x26;0123456789", "tea&cup&0123456789"),
        ("&lt;&gt;&quot;&#039;-0123456789ab", "<>\"'-0123456789ab"),
        ("&#60;&#0062;&#34;&#X027;-0123456789ab", "<>\"'-0123456789ab"),
        ("tea&amp;lt;cup-0123456789", "tea&lt;cup-0123456789"),  # one pass, not two
        ("tea&nbsp;cup&apos;0123456789", "tea&nbsp;cup&apos;0123456789"),  # no others
    ],
)
def test_a_secret_is_good_as_written_and_as_wordpress_decodes_it(shop: Stage, configured: str, signs: str) -> None:
    """The shop signs with the decoded secret; the parameter may hold either form."""
    with use(with_secrets(shop, configured)):
        assert 202 == send(shop, order(), secret=signs).status


@pytest.mark.parametrize(
    ("configured", "signs"),
    [
        ("tea&cup&0123456789", "tea&amp;cup&amp;0123456789"),
        ("tea&nbsp;cup-0123456789", "tea\xa0cup-0123456789"),
        ("tea&amp;lt;cup-0123456789", "tea<cup-0123456789"),
        ("tea-and-cup-0123456789", "tea-and-cup-012345678"),
        ("&amp;&amp;&amp;&amp;", "&&&&"),  # decoded, it could be guessed
    ],
)
def test_no_other_form_of_a_secret_is_good(shop: Stage, configured: str, signs: str) -> None:
    """Nothing is encoded, decoded twice, or decoded that WordPress leaves alone."""
    with use(with_secrets(shop, configured)):
        assert 401 == send(shop, order(), secret=signs).status


def with_secrets(shop: Stage, *secrets: str) -> Runtime:
    """The same shop with other secrets."""
    changed = replace(shop.settings, secrets={"woocommerce": secrets})
    return Runtime(changed, clock=lambda: shop.now, count=lambda _numbers: None, orders=shop.runtime.orders)


def test_a_piece_of_a_secret_with_blanks_opens_nothing(shop: Stage) -> None:
    """Secrets are parted at blanks; a short piece could be guessed, so it signs nothing and answers no ping."""
    pieces = ("k8", ")w", "&6fQ~tR", "x" * 15)
    with use(with_secrets(shop, *pieces)):
        assert [401] * 4 == [send(shop, order(), secret=piece).status for piece in pieces]
        assert 401 == send(shop, b"webhook_id=7", signature=None).status


def test_every_active_secret_is_accepted_while_one_is_rotated(shop: Stage) -> None:
    """During a rotation both webhooks deliver, whichever of them has the new secret already."""
    with use(with_secrets(shop, "the-old-secret-0123", "the-new-secret-0123")):
        statuses = [send(shop, order(), secret=f"the-{age}-secret-0123").status for age in ("old", "new", "odd")]

    assert [202, 202, 401] == statuses


@pytest.mark.parametrize("offered", [None, "*", "签名", "\ud800", "v1,AAAA", "A" * 100_000])
def test_a_signature_that_is_none_is_refused(shop: Stage, offered: str | None) -> None:
    """401, with the one body that every refused signature gets."""
    answer = send(shop, order(), signature=offered)

    assert (401, "SIGNATURE_REFUSED") == (answer.status, answer.code)
    assert 0 == shop.waiting()


def test_a_delivery_is_as_good_a_year_later(shop: Stage) -> None:
    """The signature has no time in it; what protects is that an old state changes nothing."""
    earn(shop, order(), order(status="cancelled", date_modified_gmt=gmt(5)))

    shop.move_to(CLOCK + timedelta(days=365))
    earn(shop, order())

    assert 0 == points(shop)
    assert [100, -100] == [entry["points"] for entry in shop.entries(MEMBER)]


# The ping ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"webhook_id=7", b"webhook_id=0", b"webhook_id=1234567890"])
def test_the_unsigned_ping_is_answered_exactly_200(shop: Stage, body: bytes) -> None:
    """Anything else, even 202, and WooCommerce says that the address cannot be reached."""
    answer = send(shop, body, signature=None, topic=None)

    assert (200, {}) == (answer.status, answer.body)
    assert 0 == shop.waiting()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"webhook_id=",
        b"webhook_id=7\n",
        b" webhook_id=7",
        b"webhook_id=-7",
        b"webhook_id=7&action=x",
        b"webhook_id=12345678901",
        b"webhook_id=\xd9\xa7",
        b"WEBHOOK_ID=7",
        b'{"webhook_id": 7}',
    ],
)
def test_nothing_but_the_ping_passes_unsigned(shop: Stage, body: bytes) -> None:
    """The whole body has to be the ping's."""
    assert 401 == send(shop, body, signature=None).status


def test_a_ping_before_the_secret_is_deployed_is_refused(shop: Stage) -> None:
    """The webhook does not save, so that the shop notices that nothing would be accepted."""
    for secrets in ((), ("",)):
        with use(with_secrets(shop, *secrets)):
            assert 401 == send(shop, b"webhook_id=7", signature=None).status


def test_no_other_source_answers_this_ping(shop: Stage) -> None:
    """The exception is WooCommerce's alone."""
    event = delivery(b"webhook_id=7", shop.now, source="standard", headers={"webhook-signature": None})

    assert 401 == shop.call("webhook", event)["statusCode"]


# What is none of ours ------------------------------------------------------------------------------------------------

PERMITTED = {"code": "woocommerce_rest_cannot_view", "message": "…", "data": {"status": 403}}
DELETED = {"code": "woocommerce_rest_shop_order_invalid_id", "message": "Invalid ID.", "data": {"status": 404}}
OTHERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "a product": ("product.updated", {"id": 5, "name": "tea", "status": "publish", "price": "12.00"}),
    "a customer": ("customer.created", {"id": 5, "email": "a@b.example", "role": "customer"}),
    "a coupon": ("coupon.created", {"id": 5, "code": "autumn", "amount": "10.00", "status": "publish"}),
    "an action": ("action.woocommerce_add_to_cart", {"action": "woocommerce_add_to_cart", "arg": "c4ca"}),
    "a refund": ("action.woocommerce_refund_created", {"id": 5, "amount": "10.00", "line_items": [], "reason": ""}),
    "a deleted order": ("order.deleted", {"id": 5}),
    "an order deleted since": ("order.updated", DELETED),
    "a subscription": ("subscription.updated", order(billing_period="month", billing_interval="1")),
    "a parcel": ("", {"id": 5, "status": "sent", "line_items": [{"id": 1, "quantity": 2}]}),
    "nothing": ("", {}),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_none_of_ours_is_welcome_and_queues_nothing(shop: Stage, name: str) -> None:
    """200, whether the topic says so or is missing."""
    topic, body = OTHERS[name]

    for said in (topic, None):
        answer = send(shop, body, topic=said)
        assert (200, {}) == (answer.status, answer.body)
    assert 0 == shop.waiting()


@pytest.mark.parametrize("topic", ["order.created", "order.updated", "order.restored"])
@pytest.mark.parametrize(
    ("body", "missing"),
    [
        (PERMITTED, {"line_items", "status", "currency"}),
        ({"id": 5}, {"line_items", "status", "currency"}),
        ({"order": order()}, {"line_items", "status", "currency"}),
        ({"id": 5, "line_items": [], "currency": "CNY"}, {"status"}),
    ],
)
def test_a_body_that_cannot_be_what_its_topic_says_is_a_fault(
    shop: Stage, topic: str, body: Any, missing: set[str]
) -> None:
    """An order that cannot be read, such as one the webhook's user may not see, is not lost without a word."""
    assert missing == faults(send(shop, body, topic=topic))


@pytest.mark.parametrize("topic", [None, "", "product.updated", "order.updated ", "签名"])
def test_an_order_is_an_order_whatever_the_topic_says(shop: Stage, topic: str | None) -> None:
    """The header is not signed."""
    assert 202 == send(shop, order(), topic=topic).status


def test_the_first_api_version_is_refused_by_name(shop: Stage) -> None:
    """It has local times only; nothing tells its paid orders from others."""
    assert {"date_paid_gmt"} == faults(send(shop, order(date_paid_gmt=GONE)))


# Every example file --------------------------------------------------------------------------------------------------


class Expected(NamedTuple):
    """What becomes of an order: its amount that counts, in minor units, and the points of a member who bought it."""

    order_id: int
    counts_minor: int | None
    points: int = 0
    why: str = "paid"


PROCESSING, COMPLETED = Expected(727, 1_800, 18), Expected(727, 1_800, 18)
NOT_PAID = Expected(723, None, why="completed, but without a time of payment")
FILES: Mapping[str, tuple[int, tuple[Expected, ...]]] = {
    "order.create_an_order.json": (202, (PROCESSING,)),
    "order.retrieve_an_order.json": (202, (PROCESSING,)),
    "order.update_an_order.json": (202, (COMPLETED,)),
    "order.delete_an_order.json": (202, (COMPLETED,)),  # what the API answers; a webhook sends the id alone
    "order.list_all_orders.json": (400, (PROCESSING, NOT_PAID)),  # a list is no delivery
    "order.batch_update_orders.json": (
        200,  # no delivery either, but an object, and none of ours
        (Expected(728, None, why="pending"), Expected(729, 3_200, 32), COMPLETED, NOT_PAID),
    ),
    "order_refund.create_a_refund.json": (200, ()),
    "order_refund.delete_a_refund.json": (200, ()),
    "order_refund.list_all_refunds.json": (400, ()),
    "order_refund.retrieve_a_refund.json": (200, ()),
}


def orders_in(data: Any) -> list[dict[str, Any]]:
    """The orders of a file, by whatever call it shows."""
    if isinstance(data, dict):
        data = [data] if "line_items" in data else [one for part in data.values() for one in part]
    return [one for one in data if "status" in one]


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the example files are not part of the project")
def test_every_example_file_is_in_the_table() -> None:
    """A new file needs a row."""
    assert sorted(FILES) == sorted(path.name for path in FIXTURES.iterdir())


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the example files are not part of the project")
@pytest.mark.parametrize("name", FILES)
def test_an_example_file_becomes_what_the_table_says(shop: Stage, name: str) -> None:
    """Each file as it is, each order in it as it is, and each order again as a member's."""
    raw = (FIXTURES / name).read_bytes()
    status, expected = FILES[name]

    assert status == send(shop, raw, topic=None).status
    orders = orders_in(json.loads(raw))
    assert [one.order_id for one in expected] == [one["id"] for one in orders]
    for one, body in zip(expected, orders, strict=True):
        begin(shop)
        shop.move_to(f"{body['date_modified_gmt']}+00:00")
        is_paid = one.counts_minor is not None
        assert (202 if is_paid else 200) == send(shop, body).status
        found = [event for record in shop.queued() for event in decode(record["body"])]
        assert ([(str(one.order_id), one.counts_minor)] if is_paid else []) == [
            (event.order_id, event.paid and basis_minor(event.paid)) for event in found
        ]
        earn(shop, body | {"customer_id": 1501})
        assert one.points == points(shop, "1501")


# Lines ---------------------------------------------------------------------------------------------------------------

TAXED = {"prices_include_tax": True}
LINES: Mapping[str, tuple[dict[str, Any], int]] = {
    "goods": (order("120.00", "30.50"), 150),
    "no goods": (order() | {"line_items": []}, 0),
    "a free order": (order("0.00", total="0.00"), 0),
    "a line for nothing": (order("0", "5.00"), 5),
    "tax on top does not count": (order(row(1, "100.00", total_tax="20.00")), 100),
    "tax in the price counts": (order(row(1, "83.33", total_tax="16.67"), **TAXED), 100),
    "tax in the price, abroad": (order(row(1, "83.33", total_tax="0.00"), **TAXED), 83),
    "no tax said": (order(row(1, "83.33", total_tax=None), **TAXED), 83),
    "coupons are in the totals already": (order("90.00", coupon_lines=[{"id": 9, "discount": "10.00"}]), 90),
    "shipping below 0 is a discount": (order("90.00", shipping_lines=[row(9, "-12.00")]), 78),
    "shipping does not count": (order("90.00", shipping_lines=[row(9, "12.00")]), 90),
    "a fee does not count": (order("90.00", fee_lines=[row(9, "2.00")]), 90),
    "a fee below 0 is a discount": (order("90.00", fee_lines=[row(9, "-2.00")]), 88),
    "a fee below 0 with its tax": (order(row(1, "50.00"), fee_lines=[row(9, "-8.00", total_tax="-2.00")], **TAXED), 40),
    "more discount than goods": (order("5.00", fee_lines=[row(9, "-8.00")]), 0),
    "goods taken back in an exchange": (order("90.00", row(9, "-40.00")), 50),
    "ids of a fee and of goods meet": (order(row(1, "90.00"), fee_lines=[row(1, "-2.00")]), 88),
    "numbers for texts": (order(row(1, 199), row(2, 199.5)), 398),
    "half a cent, each line for itself": (order(*["0.505"] * 100), 51),
    "less than half a cent by the last digit": (order("0.99499999999999999999"), 0),
    "half a cent by the last digit": (order("0.99500000000000000000"), 1),
    "the largest exact sum": (order(row(1, "1.4" + "9" * 19, total_tax="0.00" + "0" * 17 + "1"), **TAXED), 1),
    "all the digits there may be": (order("999999999.99499999999999999999"), 999_999_999),
    "yen": (order("1999.5", currency="JPY"), 20),
    "dinars": (order("1.9995", currency="BHD"), 20),
    "thousands of lines": (order(*["0.02"] * 5_000), 100),
    "a price is no amount": (order(row(1, "10.00", price=3.3333333333333335)), 10),
}


@pytest.mark.parametrize("name", LINES)
def test_what_counts_of_an_order(shop: Stage, name: str) -> None:
    """Goods after their discounts, by the price tag; one point for each unit of money."""
    body, expected = LINES[name]

    earn(shop, body)

    assert expected == points(shop)


def test_lines_keep_their_names_and_numbers(shop: Stage) -> None:
    """A line is known by its id; without a sku it has its name, cut where it is long."""
    items = [
        row(11, "1.00"),
        row(12, "1.00", sku=""),
        row(13, "1.00", sku=None, name="长" * 300),
        row(14, "1.00", sku="s" * 300),
        row(15, "1.00", sku=None, name=None),
    ]
    send(shop, order(*items, shipping_lines=[row(21, "3.00", method_title="Post")], fee_lines=[row(22, "-0.50")]))

    (event,) = decode(shop.queued()[0]["body"])

    assert event.paid is not None
    assert [
        (11, "sku-11", LineKind.GOODS),
        (12, "line 12", LineKind.GOODS),
        (13, "长" * 256, LineKind.GOODS),
        (14, "s" * 256, LineKind.GOODS),
        (15, "", LineKind.GOODS),
        (-6, "Post", LineKind.SHIPPING),
        (-7, "line 22", LineKind.DISCOUNT),
    ] == [(line.number, line.sku, line.kind) for line in event.paid.lines]


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1])
def test_ids_survive_to_the_digit(shop: Stage, number: int) -> None:
    """Order, member and line ids beyond what a float holds."""
    earn(shop, order(row(number, "7.00"), id=number, customer_id=number))

    assert 7 == points(shop, str(number))
    assert f"woocommerce:{number}" == shop.entries(str(number))[0]["source"]["id"]


def test_points_live_from_the_day_of_payment(shop: Stage) -> None:
    """However late the order changes, and to the second: 23:59:59 is still October."""
    earn(shop, order(date_paid_gmt="2026-10-31T23:59:59"), order("70.00", date_paid_gmt="2026-10-31T23:59:59", id=7002))
    earn(shop, order("50.00", date_paid_gmt="2026-10-31T23:59:59", date_modified_gmt=gmt(600)))

    (lot,) = shop.get(f"/v1/members/{MEMBER}/lots")["lots"]

    assert (120, "2027-10-31") == (lot["points"], lot["expires_on"])


@pytest.mark.parametrize("guest", [0, "0", None])
def test_a_guest_earns_nothing_until_the_order_is_a_members(shop: Stage, guest: Any) -> None:
    """Customer 0 is nobody; given to a customer later, the order earns then."""
    earn(shop, order(customer_id=guest))
    assert [0, 0] == [points(shop, "0"), points(shop)]

    earn(shop, order(date_modified_gmt=gmt(60)))

    assert [0, 100] == [points(shop, "0"), points(shop)]


# States --------------------------------------------------------------------------------------------------------------

KEEPING = ("processing", "completed", "on-hold", "wc-completed", "shipped", "awaiting-pickup")


def test_the_lists_of_statuses_are_whole() -> None:
    """Every status of WooCommerce's own, and those of deposits, is in a test below."""
    assert {"pending", "failed", "cancelled", "refunded", "trash", "draft"} <= woocommerce.NOTHING_KEPT
    assert woocommerce.NOTHING_KEPT.isdisjoint(KEEPING)


@pytest.mark.parametrize("status", [*KEEPING, *sorted(woocommerce.NOTHING_KEPT), "wc-cancelled"])
def test_an_order_that_was_never_paid_is_no_event(shop: Stage, status: str) -> None:
    """Whatever its status says; a transfer that is waited for, an authorisation, an abandoned cart."""
    assert 200 == send(shop, order(status=status, date_paid_gmt=None)).status
    assert 0 == shop.waiting()


@pytest.mark.parametrize("status", KEEPING)
def test_a_paid_order_counts_in_every_status_that_keeps_it(shop: Stage, status: str) -> None:
    """Those of WooCommerce and every one that a plugin invents."""
    earn(shop, order(status=status))

    assert 100 == points(shop)


def test_an_entry_says_when_the_order_changed(shop: Stage) -> None:
    """Each state is of the time of its change, not of the payment nor of its arrival."""
    earn(shop, order(date_modified_gmt=gmt(3)), order(refunds=[refund("-5")], date_modified_gmt=gmt(90)))

    assert [f"{gmt(3)}Z", f"{gmt(90)}Z"] == [entry["occurred_at"] for entry in shop.entries(MEMBER)]


@pytest.mark.parametrize("status", [*sorted(woocommerce.NOTHING_KEPT), "wc-cancelled"])
def test_points_go_with_the_status_and_come_back_with_it(shop: Stage, status: str) -> None:
    """A status may be set and set back; whatever stands in the lines then keeps no points from going."""
    earn(shop, order(), order(status=status, date_modified_gmt=gmt(1), line_items=[{"id": None}]))
    assert 0 == points(shop)

    earn(shop, order(status="processing", date_modified_gmt=gmt(2)))
    assert 100 == points(shop)


def test_an_older_state_that_comes_late_changes_nothing(shop: Stage) -> None:
    """A second counts."""
    earn(shop, order(date_modified_gmt=gmt(1)), order(status="cancelled", date_modified_gmt=gmt(59 / 60)))

    assert 100 == points(shop)


def test_of_two_states_of_one_second_the_first_stays_and_the_second_is_counted(shop: Stage) -> None:
    """Nothing tells which is the later; the next change of the order settles it."""
    earn(shop, order("100.00"), order("80.00"))
    assert 100 == points(shop)
    assert 1 == shop.counted["ConflictingEvents"]

    earn(shop, order("80.00", date_modified_gmt=gmt(1)))
    assert 80 == points(shop)


def test_a_state_without_a_time_of_change_has_that_of_its_creation(shop: Stage) -> None:
    """``date_modified_gmt`` is null in an order that was imported."""
    earn(shop, order("100.00", date_modified_gmt=None), order("80.00"))

    assert 80 == points(shop)


STATES = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["processing", "completed", "cancelled", "refunded", "pending", "shipped"]),
        "customer_id": st.sampled_from([0, 42, 43]),
        "date_paid_gmt": st.sampled_from([None, gmt(), gmt(-40_000)]),
        "line_items": st.lists(st.sampled_from(["10.00", "25.50", "0.99"]), max_size=3).map(
            lambda totals: [row(100 + index, total) for index, total in enumerate(totals)]
        ),
        "refunds": st.lists(st.sampled_from(["-5.00", "-10.00"]), max_size=2).map(
            lambda totals: [refund(total, 501 + index) for index, total in enumerate(totals)]
        ),
    }
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lives=st.lists(STATES, min_size=1, max_size=4), data=st.data())
def test_every_order_of_arrival_ends_with_the_latest_state(
    shop: Stage, lives: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Permuted, repeated, together or apart: what counts is the state changed last, as if it were the only one."""
    states = [order(**state, date_modified_gmt=gmt(index)) for index, state in enumerate(lives)]
    paid = [state for state in states if state["date_paid_gmt"]]
    begin(shop)
    earn(shop, *paid[-1:])
    expected = [points(shop, member) for member in ("42", "43")]

    arrivals = data.draw(st.permutations(states + data.draw(st.lists(st.sampled_from(states), max_size=3))))
    together = data.draw(st.booleans())
    begin(shop)
    if together:
        assert {send(shop, state).status for state in arrivals} <= {200, 202}
        assert [] == shop.call("earn", {"Records": shop.queued()})["batchItemFailures"]
    else:
        earn(shop, *arrivals)

    assert expected == [points(shop, member) for member in ("42", "43")]


TWO_RATES = order(
    row(1, "100.00"),
    row(2, "100.00", total_tax="20.00"),
    shipping_lines=[row(3, "10.00")],
    total="230.00",
    total_tax="20.00",
)
TWO_RATES_BACK = [refund("-120.00", total_tax="-20.00"), refund("-100.00", 502, total_tax="0.00")]
"""The taxed goods with their tax, then the others: no tax is left to be given back a second time."""


# Refunds -------------------------------------------------------------------------------------------------------------

ON_TOP = order(
    row(1, "100.00", total_tax="20.00"),
    shipping_lines=[row(2, "10.00", total_tax="2.00")],
    total="132.00",
    total_tax="22.00",
)
REFUNDS: Mapping[str, tuple[dict[str, Any], list[dict[str, Any]], int]] = {
    "none": (order(), [], 100),
    "a part": (order(), [refund("-10.00")], 90),
    "parts": (order(), [refund("-10.00"), refund("-15.50", 502)], 74),
    "all": (order(), [refund("-100.00")], 0),
    "all in parts": (order(), [refund("-33.33", n) for n in (1, 2)] + [refund("-33.34", 3)], 0),
    "for nothing, to put goods back on the shelf": (order(), [refund("-0.00")], 100),
    "written without its sign": (order(), [refund("10.00")], 90),
    "a number": (order(), [refund(-10.5)], 89),
    "shipping counts as goods": (order("90.00", shipping_lines=[row(9, "10.00")]), [refund("-10.00")], 80),
    "goods, and shipping kept": (order("90.00", shipping_lines=[row(9, "10.00")]), [refund("-90.00")], 0),
    "tax on top, by its share": (ON_TOP, [refund("-60.00")], 50),
    "tax on top, as said": (ON_TOP, [refund("-60.00", total_tax="-10.00")], 50),
    "tax on top, as said without its sign": (ON_TOP, [refund("-60.00", total_tax="10.00")], 50),
    "tax on top, more than its share": (ON_TOP, [refund("-30.00", total_tax="-20.00")], 90),
    "tax on top, of one said": (ON_TOP, [refund("-60.00", total_tax="-10.00"), refund("-12.00", 502)], 40),
    "tax on top, all goods of two rates": (TWO_RATES, TWO_RATES_BACK, 0),
    "tax on top, said to be 0": (ON_TOP, [refund("-60.00", total_tax="0.00")], 50),
    "tax on top, nonsense": (ON_TOP, [refund("-1.00", total_tax="-99.00")], 100),
    "tax on top, its share rounded half up": (
        ON_TOP | {"line_items": [row(1, "100.02", total_tax="20.00")]},
        [refund("-0.03")],
        100,
    ),
    "tax on top, all": (ON_TOP, [refund("-132.00")], 0),
    "tax in the price": (order(row(1, "83.33", total_tax="16.67"), total_tax="16.67", **TAXED), [refund("-60.00")], 40),
    "beside a discount": (order("90.00", fee_lines=[row(9, "-10.00")], total="80.00"), [refund("-30.00")], 50),
    "more than the order": (order(), [refund("-900.00")], 0),
    "of a cent less than all": (order(), [refund("-99.99")], 0),
    "paid for by a gift card, in part": (order("100.00", total="60.00"), [refund("-60.00")], 0),
}


@pytest.mark.parametrize("name", REFUNDS)
def test_what_is_kept_after_refunds(shop: Stage, name: str) -> None:
    """The same whether the order was known before the refund or not."""
    body, refunds, expected = REFUNDS[name]
    after = body | {"refunds": refunds, "date_modified_gmt": gmt(5)}

    earn(shop, body, after)
    known = points(shop)
    begin(shop)
    earn(shop, after)

    assert (expected, expected) == (known, points(shop))
    assert ([expected] if expected else []) == [entry["points"] for entry in shop.entries(MEMBER)]


def test_a_refunded_status_keeps_nothing_without_a_refund(shop: Stage) -> None:
    """A person may set the status by hand, and a plugin may leave the refund out."""
    earn(shop, order(), order(status="refunded", refunds=[refund("-1.00")], date_modified_gmt=gmt(1)))
    assert 0 == points(shop)

    earn(shop, order(status="refunded", refunds=[], date_modified_gmt=gmt(2)))
    assert 0 == points(shop)


def test_a_refund_that_is_deleted_gives_its_points_back(shop: Stage) -> None:
    """With the next change of the order."""
    earn(shop, order(refunds=[refund("-40.00")]), order(refunds=[], date_modified_gmt=gmt(1)))

    assert 100 == points(shop)


@pytest.mark.parametrize("first", [0, 1])
def test_a_refund_that_leaves_the_time_of_change_as_it_was_counts(shop: Stage, first: int) -> None:
    """Some payment plugins and older shops do that; with one refund more, a state is the later one."""
    states = [order(), order(refunds=[refund("-40.00")])]

    earn(shop, states[first], states[1 - first])

    assert 60 == points(shop)


def test_points_spent_before_the_refund_are_owed(shop: Stage) -> None:
    """The default policy: what cannot be taken back is debt, and the next order pays it."""
    earn(shop, order())
    assert 201 == shop.redeem(MEMBER, 70, "spend").status

    earn(shop, order(refunds=[refund("-100.00")], date_modified_gmt=gmt(1)))
    owed = shop.member(MEMBER)
    earn(shop, order("100.00", id=7002))

    assert (0, 70, -70) == (owed["available"], owed["debt"], owed["balance"])
    assert 30 == shop.member(MEMBER)["available"]


CENTS = st.integers(0, 20_000)


def kept(body: Mapping[str, Any]) -> int:
    """What the adapter and the order make of a body, in minor units."""
    (event,) = woocommerce.read({}, json.dumps(body).encode(), CLOCK)
    return kept_minor(join(Order("woocommerce", "7001"), event).order)


def money(cents: int) -> str:
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"


@given(
    goods=st.lists(CENTS, max_size=4),
    shipping=CENTS,
    tax=CENTS,
    discount=CENTS,
    parts=st.lists(CENTS, min_size=1, max_size=4),
    is_in_price=st.booleans(),
)
def test_laws_of_refunds(
    goods: list[int], shipping: int, tax: int, discount: int, parts: list[int], *, is_in_price: bool
) -> None:
    """Parts end where one refund would; all of it ends at exactly 0; nothing is kept beyond what was bought."""
    items = [row(index + 1, money(amount)) for index, amount in enumerate(goods)]
    if items:
        items[0]["total_tax"] = money(tax)
    total = max(0, sum(goods) + shipping + tax - discount)
    body = order(
        shipping_lines=[row(50, money(shipping))],
        fee_lines=[row(51, money(-discount))],
        prices_include_tax=is_in_price,
        total=money(total),
        total_tax=money(tax),
        line_items=items,
    )
    bought = max(0, sum(goods) + (tax if is_in_price and items else 0) - discount)

    def after(*amounts: int) -> int:
        return kept(body | {"refunds": [refund(money(-amount), 1 + index) for index, amount in enumerate(amounts)]})

    assert bought == after()
    assert after(sum(parts)) == after(*parts) == after(*reversed(parts))
    assert 0 <= after(*parts) <= after(*parts[1:]) <= bought
    if total:
        assert 0 == after(total) == after(total // 3, total - total // 3)


# When something of ours is broken ------------------------------------------------------------------------------------


def test_what_an_outage_of_the_queue_lost_comes_with_the_next_change(shop: Stage) -> None:
    """WooCommerce never sends a failed delivery again; the next one has the whole order."""
    gone = replace(shop.settings, orders_queue_url=shop.orders_url.replace("orders", "gone"))
    with use(Runtime(gone, clock=lambda: shop.now, count=lambda _numbers: None)):
        lost = send(shop, order())

    earn(shop, order(status="completed", date_modified_gmt=gmt(30)))

    assert (503, "BUSY") == (lost.status, lost.code)
    assert lost.headers["retry-after"].isdigit()
    assert 100 == points(shop)


def test_an_order_in_another_currency_than_the_programs_earns_nothing(shop: Stage) -> None:
    """It is recorded, and the log says why."""
    pounds = replace(shop.settings, program=parse_program({"currency": "GBP"}))
    with use(Runtime(pounds, clock=lambda: shop.now, count=shop.runtime.count, orders=shop.runtime.orders)):
        earn(shop, order(), order(id=7002, currency="GBP"))

    assert 100 == points(shop)
    assert ["woocommerce:7002"] == [entry["source"]["id"] for entry in shop.entries(MEMBER)]


def test_tax_in_the_price_can_be_left_out_of_the_basis(shop: Stage) -> None:
    """100.00 of the price tag holds 16.67 of tax: 83 points where tax earns nothing, and 41 once half went back."""
    net = replace(shop.settings, program=parse_program({"earning": {"basis": {"tax": False}}}))
    paid = order(row(1, "83.33", total_tax="16.67"), **TAXED)
    half = order(row(1, "83.33", total_tax="16.67"), refunds=[refund("-50.00")], date_modified_gmt=gmt(5), **TAXED)
    with use(Runtime(net, clock=lambda: shop.now, count=shop.runtime.count, orders=shop.runtime.orders)):
        earn(shop, paid)
        first = points(shop)
        earn(shop, half)

    assert [83, 41] == [first, points(shop)]


# Hostile bodies ------------------------------------------------------------------------------------------------------

SURROGATE = "\ud800"
LIST_OF_NONE: list[Any] = [None]


def at(path: str, value: Any) -> dict[str, Any]:
    """A good order with one field changed: ``line_items[0].total``."""
    body = order(row(1, "100.00"), refunds=[refund("-1.00")], fee_lines=[row(2, "1")], shipping_lines=[row(3, "1")])
    inside: Any = body
    *parents, last = path.replace("[0]", ".0").split(".")
    for part in parents:
        inside = inside[int(part)] if part.isdigit() else inside[part]
    if value is GONE:
        del inside[last]
    else:
        inside[int(last) if last.isdigit() else last] = value
    return body


AMOUNTS: tuple[Any, ...] = (
    "1,99",
    "",
    " 1",
    "1 ",
    "+1",
    "1e2",
    ".5",
    "5.",
    "NaN",
    "Infinity",
    "-",
    "--1",
    "٣",
    "1" * 16,
    True,
    [],
    {},
    1e300,
)
BAD: Mapping[str, Sequence[Any]] = {
    "id": (GONE, None, 0, -5, "", " 7", True, 1.5, [7], {}, SURROGATE, 10**64, "x" * 65),
    "customer_id": (GONE, -1, "", True, False, 1.5, 0.0, [0], {"id": 0}, SURROGATE, 10**64),
    "currency": (None, "", "cny", "ZZZ", 156, ["CNY"]),
    "status": (None, "", 7, True, ["cancelled"], {}, SURROGATE, "x" * 129),
    "date_paid_gmt": (0, "", "yesterday", gmt() + "Z", gmt().replace("T", " "), "2026-11-27T00:00:00", [gmt()], True),
    "date_modified_gmt": ("", 1795152000, "0000-00-00T00:00:00", "1969-12-31T23:59:59", "9999-12-31T23:59:59", {}),
    "prices_include_tax": ("yes", 1, "false", []),
    "line_items": (None, {}, "tea", 7, LIST_OF_NONE, [[]], [row(1, "1")] * 2, [row(1, "1")] * 20_001),
    "line_items[0]": (None, 7, [], "tea"),
    "line_items[0].id": (GONE, None, 0, -1, "1", 1.5, True, 2**63),
    "line_items[0].total": (GONE, None, *AMOUNTS),
    "line_items[0].sku": (7, True, ["tea"], SURROGATE),
    "shipping_lines": ({}, "post", LIST_OF_NONE),
    "shipping_lines[0].total": (GONE, *AMOUNTS),
    "shipping_lines[0].method_title": (7, SURROGATE),
    "fee_lines": ({}, LIST_OF_NONE),
    "fee_lines[0].total": (GONE, "-1e2", *AMOUNTS),
    "fee_lines[0].name": (7, SURROGATE),
    "refunds": ({}, "all", LIST_OF_NONE, [refund("-1")] * 2_001),
    "refunds[0].total": (GONE, None, *AMOUNTS),
    "refunds[0].total_tax": AMOUNTS,
    "total": (GONE, None, "-1", *AMOUNTS),
    "total_tax": ("-1", *AMOUNTS),
}
WRONG = [(path, value) for path, values in BAD.items() for value in values]


@pytest.mark.parametrize(("path", "value"), WRONG, ids=[f"{path}={str(value)[:20]!a}" for path, value in WRONG])
def test_a_wrong_field_is_named(shop: Stage, path: str, value: Any) -> None:
    """400 with the path of the field, and nothing on the queue."""
    named = faults(send(shop, at(path, value)))

    assert any(field.startswith(path) for field in named), named
    assert all(field.startswith((path, path.partition("[")[0])) for field in named), named
    assert 0 == shop.waiting()


def test_amounts_that_together_are_beyond_belief_are_a_fault(shop: Stage) -> None:
    """Each of them might be true."""
    assert {"line_items"} == faults(send(shop, order(*["999999999999.99"] * 2)))


def test_every_fault_is_named_at_once(shop: Stage) -> None:
    """One round is enough to mend them."""
    body = order(row(0, "1,99"), currency="cny", customer_id=GONE, id=None)

    assert {"id", "customer_id", "currency", "line_items[0].id", "line_items[0].total"} == faults(send(shop, body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b"webhook_id=7",
        b"[" * 100_000,
        b'{"line_items":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"status": NaN}',
        json.dumps(order()).replace('"100.00"', "9" * 5_000).encode(),
        json.dumps(order()).encode("utf-16"),
    ],
)
def test_a_signed_body_that_is_no_object_is_refused(shop: Stage, body: bytes) -> None:
    """400 for what cannot be read at all; a signed ping is none, for WooCommerce signs no ping."""
    answer = send(shop, body)

    assert answer.status == (200 if body == b"webhook_id=7" else 400)


def test_what_is_none_of_our_business_may_hold_anything(shop: Stage) -> None:
    """Notes, addresses, plugins' own fields and the lines' other fields are not looked at."""
    junk = {
        "meta_data": [{"value": "\ud800"}],
        "billing": 7,
        "customer_note": "n" * 300_000,
        "price": [],
        "_links": None,
    }
    deep: Any = "end"
    for _ in range(200):
        deep = [deep]
    body = order(row(1, "100.00", **junk, taxes=deep), **junk, tax_lines="none", coupon_lines={"a": deep}, number=None)

    earn(shop, body)

    assert 100 == points(shop)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["-10.00", "0.00", "1e5", SURROGATE, "cancelled", gmt(3), 2**63, -1, 0, "", "x" * 300]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every part of a body."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in inner:
        yield from places(child, (*path, key))


BODY = json.loads(SAMPLE.read_text("utf-8"))["body"]
PLACES = list(places(BODY))


@settings(max_examples=400, deadline=None)
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), JSON), min_size=1, max_size=3))
def test_any_json_in_any_field_is_read_or_refused_by_name(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    """No exception but the refusal that names fields; and what is read survives the queue."""
    body = copy.deepcopy(BODY)
    for (*parents, last), value in changes:
        inside = body
        for part in parents:
            inside = inside[part] if isinstance(inside, dict | list) and _has(inside, part) else None
        if isinstance(inside, dict | list) and _has(inside, last):
            inside[last] = value
    try:
        events = woocommerce.read({}, json.dumps(body).encode(), CLOCK)
    except MalformedEvent:
        return
    if events:
        assert events == decode(encode(events))
        assert kept_minor(join(Order("woocommerce", "1"), events[0]).order) >= 0


def _has(inside: dict[Any, Any] | list[Any], part: Any) -> bool:
    return part in inside if isinstance(inside, dict) else type(part) is int and part < len(inside)
