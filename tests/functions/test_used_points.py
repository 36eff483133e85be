"""Points used on an order come back with it: from the shop's deliveries and its calls, through the handlers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest

from jifen.runtime import use
from tests.functions import test_checkout_page, test_shopify, test_woocommerce
from tests.functions.earning import shop
from tests.functions.stage import MEMBER, NOW, Answer, Stage, cancelled, instant, line, paid, refunded

M = "m-1"
O = "o-1"  # noqa: E741 - the order


@pytest.fixture(scope="module")
def history(stage: Stage) -> Any:
    """A member with 300 points: 100 of a lot that ends a month earlier, 200 of the usual one."""
    stage.clear()
    stage.earn(paid("o-old", M, 10_000, occurred_at=instant(-30)), paid("o-new", M, 20_000))
    return stage.remember()


@pytest.fixture
def here(stage: Stage, history: Any) -> Stage:
    """The member with 300 points."""
    stage.go_back(history)
    return stage


def tea(points_minor: int = 0, minor: int = 10_000) -> dict[str, Any]:
    """Tea, of which points paid a part."""
    lines = [line(minor), *([line(points_minor, 2, kind="points")] if points_minor else [])]
    return paid(O, M, lines)


def capture(stage: Stage, hold: str, key: str, points: int | None = None) -> Answer:
    """Spend a hold."""
    return stage.ask("POST", f"/v1/holds/{hold}/capture", {"points": points} if points else None, key=key)


def kinds(stage: Stage, since: int = 0) -> list[tuple[str, str, int]]:
    """Kind, reason and points of the member's entries after the first ones."""
    return [(entry["kind"], entry["reason"], entry["points"]) for entry in stage.entries(M)][2 + since :]


def test_a_checkout_from_hold_to_refund(here: Stage) -> None:
    """Hold, payment, capture, a quarter given back, the rest given back: at the end it is as if nothing had been."""
    hold = here.hold(M, 150, "h", order_id=O).body["hold_id"]
    here.earn(tea(points_minor=15_00))
    captured = capture(here, hold, "c")
    here.earn(refunded(O, "r-1", M, 2_500))
    in_part = here.member(M)
    here.earn(refunded(O, "r-2", M, 7_500))

    assert (200, 150) == (captured.status, captured.body["points"])
    assert "restored" not in captured.body
    assert 300 - 150 + 37 + 60 == in_part["available"]
    assert 300 == here.member(M)["available"]
    assert [
        ("hold", "HOLD_AUTHORIZED", 0),
        ("earn", "ORDER_PAID", 85),
        ("redeem", "HOLD_CAPTURED", -150),
        ("restore", "ORDER_REFUNDED", 37),
        ("clawback", "ORDER_REFUNDED", -25),
        ("restore", "ORDER_REFUNDED", 113),
        ("clawback", "ORDER_REFUNDED", -60),
    ] == kinds(here)
    restores = [entry for entry in here.entries(M) if entry["kind"] == "restore"]
    assert [{"type": "order", "id": O}] * 2 == [entry["source"] for entry in restores]
    lots = [[(lot["points"], lot["expires_on"]) for lot in entry["lots"]] for entry in restores]
    assert [[(25, "2011-12-31"), (12, "2012-01-31")], [(75, "2011-12-31"), (38, "2012-01-31")]] == lots
    assert here.proved(M)


def test_the_same_deliveries_again_change_nothing(here: Stage) -> None:
    """Every event twice more, in another order: the table is as it was, and the caller's retries are answered."""
    here.redeem(M, 150, "r", order_id=O)
    events = [tea(), refunded(O, "r-1", M, 2_500), cancelled(O, M)]
    here.earn(*events)
    before = here.table()

    here.earn(*events[::-1])
    here.earn(*events, *events)

    assert before == here.table()
    assert 201 == here.redeem(M, 150, "r", order_id=O).status
    assert before == here.table()


def test_a_cancelled_order_voids_its_hold_and_takes_no_more_points(here: Stage) -> None:
    """The hold is gone before the shop captures it: 409, as for more points on that order, which name the reason."""
    hold = here.hold(M, 150, "h", order_id=O).body["hold_id"]

    here.earn(cancelled(O, M))

    late = capture(here, hold, "c")
    assert (409, "HOLD_ALREADY_RESOLVED", "VOIDED") == (late.status, late.code, late.body["hold_status"])
    refused = [here.redeem(M, 1, "k-1", order_id=O), here.hold(M, 1, "k-2", order_id=O)]
    assert [(409, "ORDER_CANCELLED")] * 2 == [(answer.status, answer.code) for answer in refused]
    assert (300, 0) == (here.member(M)["available"], here.member(M)["held"])
    assert [("hold", "HOLD_AUTHORIZED", 0), ("release", "ORDER_CANCELLED", 0)] == kinds(here)
    assert here.proved(M)


def test_points_used_after_a_refund_come_back_at_once(here: Stage) -> None:
    """Half of the order is back already: half of what is redeemed or captured comes back in the same answer."""
    hold = here.hold(M, 100, "h", order_id=O).body["hold_id"]
    here.earn(tea(), refunded(O, "r-1", M, 5_000))

    redeemed = here.redeem(M, 51, "r", order_id=O)
    captured = capture(here, hold, "c")

    assert (201, 51, 25) == (redeemed.status, redeemed.body["points"], redeemed.body["restored"])
    assert (200, 100, 50) == (captured.status, captured.body["points"], captured.body["restored"])
    assert 300 + 50 - 26 - 50 == captured.body["available"] == here.member(M)["available"]
    assert here.proved(M)


def test_what_was_restored_by_hand_counts(here: Stage) -> None:
    """100 by hand, then half of the order: nothing more; then all of it: the other 50, and no more by hand."""
    name = here.redeem(M, 150, "r", order_id=O).body["redemption_id"]
    path = f"/v1/redemptions/{name}/restore"
    here.earn(tea())
    here.ask("POST", path, {"points": 100}, key="b-1")
    here.earn(refunded(O, "r-1", M, 5_000))
    half = here.member(M)["available"]
    here.earn(refunded(O, "r-2", M, 5_000))

    more = here.ask("POST", path, {"points": 1}, key="b-2")

    assert 300 - 50 + 50 == half
    assert (300, 422) == (here.member(M)["available"], more.status)
    assert here.proved(M)


def test_a_member_uses_points_on_an_order_too(here: Stage) -> None:
    """With a token of the own, as a shop's app does; it follows the order just the same."""
    asked = {"points": 40, "order_id": O}
    here.ask("POST", f"/v1/members/{M}/redemptions", asked, subject=M, scopes=MEMBER, key="k")

    here.earn(cancelled(O, M))

    assert 300 == here.member(M)["available"]


def test_a_restore_is_dated_by_the_event(here: Stage) -> None:
    """The restore is dated by the event, and recorded now."""
    here.redeem(M, 10, "r", order_id=O)
    here.move_to(instant(2))
    here.earn(cancelled(O, M, occurred_at=instant(1)))

    entry = here.entries(M)[-1]
    assert ("restore", instant(1), instant(2)) == (
        entry["kind"],
        *(entry[name].replace("Z", "+00:00") for name in ("occurred_at", "recorded_at")),
    )
    assert NOW.isoformat() != entry["recorded_at"]


@pytest.mark.parametrize(("policy", "available", "lot"), [("lapse", 0, None), ("grace", 100, "2012-02-19")])
def test_points_that_have_expired_meanwhile(aws: None, policy: str, available: int, lot: str | None) -> None:  # noqa: ARG001 - the table is made in it
    """They lapse at once, or live on for the days of grace; by hand the answer names the lot they went to."""
    terms = {"expired_on_restore": policy, "grace_days": 10}
    stage = Stage(f"used-{policy}", program={"time_zone": "UTC", "currency": "GBP", "redemption": terms})
    with use(stage.runtime):
        stage.earn(paid("o-old", M, 10_000))
        name = stage.redeem(M, 60, "r-1", order_id=O).body["redemption_id"]
        stage.redeem(M, 40, "r-2", order_id="o-2")
        stage.move_to("2012-02-09T12:00:00+00:00")
        stage.earn(cancelled("o-2", M))
        by_hand = stage.ask("POST", f"/v1/redemptions/{name}/restore", key="b").body

        assert (60, available) == (by_hand["restored"], stage.member(M)["available"])
        assert [lot or "2012-01-31"] == [one["expires_on"] for one in by_hand["lots"]]
        assert stage.proved(M)


# The shops that we know ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shops(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A program behind both, and a member of each with 100 points."""
    secrets = {"shopify": (test_shopify.SECRET,), "woocommerce": (test_woocommerce.SECRET,)}
    stage = Stage("used-shops", program={"currency": "CNY"}, secrets=secrets, now=test_woocommerce.CLOCK)
    with use(stage.runtime):
        yield stage


def test_woocommerce_orders_give_back_by_their_states(shops: Stage) -> None:
    """Points were a fee below 0. A refund of a quarter, then the order cancelled, then set back to processing."""
    member = test_woocommerce.MEMBER
    body: Mapping[str, Any] = test_woocommerce.order("100.00", id=1)
    assert 202 == test_woocommerce.send(shops, body).status
    shops.call("earn", {"Records": shops.queued()})
    redeemed = shops.redeem(member, 20, "r", order_id="2", source="woocommerce")
    fee = test_woocommerce.row(7, "-20.00", name="points")
    states: list[dict[str, Any]] = [
        {"id": 2, "fee_lines": [fee], "total": "80.00"},
        {"refunds": [test_woocommerce.refund("-20.00")], "date_modified_gmt": test_woocommerce.gmt(1)},
        {"status": "cancelled", "date_modified_gmt": test_woocommerce.gmt(2)},
        {"status": "processing", "refunds": [], "date_modified_gmt": test_woocommerce.gmt(3)},
    ]
    seen: list[int] = []
    said: dict[str, Any] = {}
    for state in states:
        said |= state
        assert 202 == test_woocommerce.send(shops, test_woocommerce.order("100.00", **said)).status
        shops.call("earn", {"Records": shops.queued()})
        seen.append(shops.member(member)["available"])

    assert 201 == redeemed.status
    assert [100 - 20 + 80, 100 - 15 + 60, 100, 100 + 80] == seen
    restores = [entry for entry in shops.entries(member) if entry["kind"] == "restore"]
    assert [("woocommerce:2", 5), ("woocommerce:2", 15)] == [(one["source"]["id"], one["points"]) for one in restores]
    assert shops.proved(member)


def test_shopify_orders_give_back_by_their_refunds(shops: Stage) -> None:
    """Points were a discount spread over the lines: 10 of 20 come back with one of two lines, all when cancelled."""
    member = str(test_shopify.BUYER)
    first = test_shopify.order(test_shopify.item(1, "100.00"), id=1)
    bought = test_shopify.order(*[test_shopify.item(number, "50.00", off=["10.00"]) for number in (1, 2)], id=2)
    refund = test_shopify.refund(5, test_shopify.back(1, "40.00"), order_id=2)
    gone = {**bought, "cancelled_at": "2026-11-21T10:00:00+08:00", "refunds": [refund]}

    def earn(topic: str, body: Mapping[str, Any]) -> int:
        assert 202 == test_shopify.send(shops, body, topic).status
        shops.call("earn", {"Records": shops.queued()})
        available: int = shops.member(member)["available"]
        return available

    earn("orders/paid", first)
    shops.redeem(member, 20, "r", order_id="2", source="shopify")
    seen = [earn("orders/paid", bought), earn("refunds/create", refund), earn("orders/cancelled", gone)]

    assert [100 - 20 + 80, 100 - 10 + 40, 100] == seen
    assert shops.proved(member)


# The page ------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("aws")
def test_the_page_s_order_gives_back_as_it_says() -> None:
    """docs/checkout.md, from the hold to the kettle that comes back: the entry is the one on the page."""
    page = test_checkout_page.PAGE
    (event,) = re.findall(r"```json event\n(.*?)```", page, re.DOTALL)
    (entry,) = re.findall(r"```json entry\n(.*?)```", page, re.DOTALL)
    (points_line,) = re.findall(r"`(\{\"n\": 3.*?\})`", page)
    examples = [example for example in test_checkout_page.EXAMPLE.findall(page) if example[4] in {"200", "201"}]
    with shop("2026-06-15T12:00:00+08:00", **test_checkout_page.program()) as here:
        here.buys("17850", 864_000)
        for method, path, key, body, *_ in examples:
            here.stage.ask(method, path, json.loads(body), key=key or None)
        lines = json.loads(examples[0][3])["order"]["lines"]
        here.buys("17850", [*lines, json.loads(points_line)], "536365")
        here.stage.earn(json.loads(event))

        (restore,) = [one for one in here.stage.entries("17850") if one["kind"] == "restore"]
        assert json.loads(entry) == {name: restore[name] for name in json.loads(entry)}


@pytest.mark.parametrize(
    ("member", "other", "order"),
    [
        ("\U0001f9ff" * 128, "\U0001f409" * 128, "\U0001f4a7" * 128),
        ("a#b/c?d", "R#H#..", "a#b/../c"),
        ("%2F", "E#1", "O"),
    ],
    ids=["the longest", "signs of keys and paths", "what looks escaped or like a key"],
)
def test_whoever_it_is_and_whatever_the_order_is_called(stage: Stage, member: str, other: str, order: str) -> None:
    """Points are used, given away, taken back and returned as they are for anybody."""
    with use(stage.runtime):
        stage.clear()
        stage.earn(paid("o-0", member, 30_000), paid("o-1", other, 1_000))
        stage.earn(paid(order, member, 10_000, event_id="e-2"))
        name = quote(member, safe="")
        for number in range(5):
            stage.hold(name, 10, f"h{number}", order_id=order)
        sent = stage.ask("POST", f"/v1/members/{name}/transfers", {"to": other, "points": 40}, key="t")
        shown = stage.ask("GET", f"/v1/transfers/{sent.body['transfer_id']}")
        held, given = stage.member(name), stage.member(quote(other, safe=""))
        stage.earn(cancelled(order, member, event_id="e-3"))

        assert (201, 200, other) == (sent.status, shown.status, shown.body["to"])
        assert (50, 310, 50) == (held["held"], held["available"], given["available"])
        after = stage.member(name)
        assert (0, 260, member) == (after["held"], after["available"], after["member_id"])
        assert all(stage.proved(quote(one, safe="")) for one in (member, other))
