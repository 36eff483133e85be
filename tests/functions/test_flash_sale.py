"""Flash sales and vouchers of points from outside: to the microsecond, one a member, and points only for money paid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jifen.runtime import use
from tests.functions.stage import MEMBER, OPERATOR, SHOP, Answer, Stage

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
OPENS = datetime(2026, 3, 10, 12, tzinfo=UTC)
CLOSES = OPENS + timedelta(minutes=10)
TICK = timedelta(microseconds=1)

PROGRAM: Mapping[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "CNY",
    "earning": {
        "rules": [
            {"id": "base", "rate": {"points": 1, "per_minor": 100}},
            {"id": "gift", "on": "gift.given", "given": {"field": "points", "min": 1, "max": 10_000}},
        ]
    },
}
CUP: Mapping[str, Any] = {"title": "Cup", "kind": "service", "points": 100, "limits": [{"per": "ever", "times": 1}]}
SALE: Mapping[str, Any] = {"from": OPENS.isoformat(), "until": CLOSES.isoformat(), "points": 1}
VOUCHER: Mapping[str, Any] = {
    "title": "100 points",
    "kind": "voucher",
    "cash_minor": 100,
    "voucher": {"points": 100},
    "stock": {"counted": False},
    "limits": [{"per": "day", "times": 5}],
}


@pytest.fixture(scope="module")
def stage_(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop in Shanghai."""
    here = Stage("flash", program=PROGRAM, now=NOW)
    with use(here.runtime):
        yield here


@pytest.fixture
def here(stage_: Stage) -> Stage:
    """A hundred points for alice, as many for bob, one for carol."""
    stage_.clear()
    stage_.move_to(NOW)
    for member, points in (("alice", 100), ("bob", 100), ("carol", 1)):
        give(stage_, member, points)
    return stage_


def give(here: Stage, member: str, points: int) -> None:
    """Give points for an event."""
    event = f"gift-{member}-{points}"
    sent = {"type": "gift.given", "event_id": event, "member_id": member, "occurred_at": here.now.isoformat()}
    answer = here.ask("POST", "/v1/events", {**sent, "data": {"points": points}}, key=event)
    assert (200, points) == (answer.status, answer.body["points"])


def write(here: Stage, name: str, content: Mapping[str, Any]) -> Answer:
    """Write a reward, as an operator."""
    return here.ask("PUT", f"/v1/rewards/{name}", content, subject="op", scopes=OPERATOR)


def sell(here: Stage, name: str = "cup", pieces: int = 5, **changes: Any) -> None:
    """A reward on the shelf with so many pieces, five unless said."""
    assert 200 == write(here, name, {**CUP, **changes}).status
    fill(here, name, pieces)


def fill(here: Stage, name: str, pieces: int) -> None:
    """Put pieces into the stock."""
    path, asked = f"/v1/rewards/{name}/stock", {"pieces": pieces}
    assert 200 == here.ask("POST", path, asked, key=f"stock-{name}", subject="op", scopes=OPERATOR).status


def buy(here: Stage, member: str, key: str = "k", name: str = "cup", **more: Any) -> Answer:
    """Exchange, as the member."""
    sent = {"reward_id": name, **more}
    return here.ask("POST", f"/v1/members/{member}/reward-orders", sent, key=key, subject=member, scopes=MEMBER)


def available(here: Stage, member: str) -> int:
    """The points of a member who can be proved."""
    assert here.proved(member)
    return int(here.member(member)["available"])


def refused(answer: Answer) -> tuple[int, Any]:
    """Status and code."""
    return answer.status, answer.code


def stock(here: Stage, name: str = "cup") -> tuple[int, int, int]:
    """Pieces that are free, reserved and sold."""
    found = here.ask("GET", f"/v1/rewards/{name}/stock", subject="op", scopes=OPERATOR).body
    return found["free"], found["reserved"], found["sold"]


# Flash sales ---------------------------------------------------------------------------------------------------------


def test_a_reward_opens_at_its_instant_and_not_a_microsecond_before(here: Stage) -> None:
    """Before: NOT_OPEN with when; nothing is taken or kept. At the instant: sold. At the end: over."""
    window: Mapping[str, Any] = {"from": OPENS.isoformat(), "until": CLOSES.isoformat()}
    assert 200 == write(here, "cup", {**CUP, "points": 1, **window}).status
    fill(here, "cup", 5)
    here.move_to(OPENS - TICK)
    before = here.table()
    answer = buy(here, "alice")
    assert ((409, "NOT_OPEN"), OPENS.isoformat(), None) == (
        refused(answer),
        answer.body["opens_at"],
        answer.body["closed_at"],
    )
    assert before == here.table()
    here.move_to(OPENS)
    assert (201, 1) == (buy(here, "alice").status, buy(here, "alice").body["points"])
    here.move_to(CLOSES - TICK)
    assert 201 == buy(here, "bob").status
    here.move_to(CLOSES)
    answer = buy(here, "carol")
    assert ((409, "NOT_OPEN"), CLOSES.isoformat()) == (refused(answer), answer.body["closed_at"])
    assert ((99, 99, 1), (3, 0, 2)) == (tuple(available(here, who) for who in ("alice", "bob", "carol")), stock(here))


@pytest.mark.parametrize(
    ("instant", "price"),
    [(OPENS - TICK, 100), (OPENS, 1), (CLOSES - TICK, 1), (CLOSES, 100)],
    ids=["before", "opening", "last instant", "end"],
)
def test_the_sale_price_counts_in_its_window_alone(here: Stage, instant: datetime, price: int) -> None:
    """To the microsecond, on the shelf as in the exchange."""
    sell(here, sale=SALE)
    here.move_to(instant)
    shown = here.ask("GET", "/v1/rewards/cup", subject="alice", scopes=MEMBER).body
    assert price == shown["price"]["points"]
    assert price == buy(here, "alice").body["points"]
    assert 100 - price == available(here, "alice")


def test_one_point_is_enough_inside_and_not_outside(here: Stage) -> None:
    """With one point a member is refused with what is missing before, and sold to from the first instant on."""
    sell(here, sale=SALE)
    here.move_to(OPENS - TICK)
    answer = buy(here, "carol", "early")
    assert ((409, "INSUFFICIENT_POINTS"), 100, 1) == (
        refused(answer),
        answer.body["asked"],
        answer.body["available"],
    )
    here.move_to(OPENS)
    assert 201 == buy(here, "carol").status
    assert 0 == available(here, "carol")


def test_who_was_told_the_sale_price_does_not_pay_another(here: Stage) -> None:
    """The page says 1, the sale ends, the request comes a microsecond late: refused with the price now."""
    sell(here, sale=SALE)
    here.move_to(CLOSES)
    answer = buy(here, "alice", expected_points=1)
    assert (409, "PRICE_CHANGED") == refused(answer)
    assert 100 == available(here, "alice")


def test_a_member_has_one_however_often_it_is_asked(here: Stage) -> None:
    """The same key: the same order, after the sale too. Another key: the limit, by name."""
    sell(here, sale=SALE)
    here.move_to(OPENS)
    first = buy(here, "alice")
    assert 201 == first.status
    here.move_to(CLOSES + timedelta(days=1))
    assert first == buy(here, "alice")
    answer = buy(here, "alice", "again")
    assert ((409, "LIMIT_REACHED"), "reward_times_per_ever", 1, None) == (
        refused(answer),
        answer.body["limit"],
        answer.body["allowed"],
        answer.body["resets_at"],
    )
    assert (99, (4, 0, 1)) == (available(here, "alice"), stock(here))


def test_a_limit_of_a_day_says_when_it_resets(here: Stage) -> None:
    """At the midnight of the program's time zone."""
    sell(here, limits=[{"per": "day", "times": 1}], points=1)
    buy(here, "alice")
    assert "2026-03-11T00:00:00+08:00" == _local(buy(here, "alice", "again").body["resets_at"])
    here.move_to("2026-03-10T16:00:00+00:00")
    assert 201 == buy(here, "alice", "tomorrow").status


def _local(text: str) -> str:
    return (datetime.fromisoformat(text).astimezone(UTC) + timedelta(hours=8)).strftime("%Y-%m-%dT%H:%M:%S+08:00")


def test_the_last_piece_is_sold_once(here: Stage) -> None:
    """Whoever is later is told that none is left, and pays nothing."""
    sell(here, pieces=1, sale=SALE)
    here.move_to(OPENS)
    assert 201 == buy(here, "alice").status
    answer = buy(here, "bob")
    assert ((409, "OUT_OF_STOCK"), 0) == (refused(answer), answer.body["left"])
    assert (100, (0, 0, 1)) == (available(here, "bob"), stock(here))


@pytest.mark.parametrize(
    ("sale", "field"),
    [
        ({**SALE, "until": OPENS.isoformat()}, "sale.until"),
        ({"points": 1, "from": OPENS.isoformat()}, "sale.until"),
        ({**SALE, "points": -1}, "sale.points"),
        ({**SALE, "points": 1.5}, "sale.points"),
        ({**SALE, "price": 1}, "sale.price"),
    ],
)
def test_a_sale_that_is_none_is_refused_by_name(here: Stage, sale: Mapping[str, Any], field: str) -> None:
    """And the reward is not there."""
    answer = write(here, "cup", {**CUP, "sale": sale})
    assert (422, [field]) == (answer.status, [fault["field"] for fault in answer.body["errors"]])
    assert 404 == here.ask("GET", "/v1/rewards/cup").status


def test_a_sale_for_nothing_needs_a_limit(here: Stage) -> None:
    """What costs nothing for ten minutes would be taken by whoever asks fastest."""
    free = {**CUP, "sale": {**SALE, "points": 0}}
    assert 422 == write(here, "cup", {**free, "limits": []}).status
    assert 200 == write(here, "cup", free).status


# Vouchers: points for money ------------------------------------------------------------------------------------------


def pay(here: Stage, order_id: str, key: str = "paid", amount: int = 100, payment: str = "p-1", **more: Any) -> Answer:
    """Say that the money is there, as the shop unless said."""
    money = {"amount_minor": amount, "currency": "CNY"}
    body = {"paid": money, "payment_id": payment}
    return here.ask("POST", f"/v1/reward-orders/{order_id}/paid", body, key=key, **more)


def voucher(here: Stage, member: str = "alice", key: str = "v", **more: Any) -> Answer:
    """Buy a voucher, which waits for its money."""
    if here.ask("GET", "/v1/rewards/voucher").status == 404:
        assert 200 == write(here, "voucher", VOUCHER).status
    return buy(here, member, key, "voucher", **more)


def test_a_yuan_buys_a_hundred_points_once_the_shop_has_the_money(here: Stage) -> None:
    """Ordered, nothing is credited; paid, it is, once, however often and under whichever key the shop says so."""
    order = voucher(here)
    assert (201, "CREATED", 0, {"amount_minor": 100, "currency": "CNY"}) == (
        order.status,
        order.body["status"],
        order.body["points"],
        order.body["cash_due"],
    )
    assert (100, 1) == (available(here, "alice"), len(here.entries("alice")))

    first = pay(here, order.body["order_id"])
    assert (200, "FULFILLED", 100) == (first.status, first.body["status"], first.body["points_credited"])
    assert 200 == available(here, "alice")
    assert first == pay(here, order.body["order_id"])
    assert (200, "FULFILLED") == (
        pay(here, order.body["order_id"], "again").status,
        pay(here, order.body["order_id"], "again").body["status"],
    )
    assert (409, "WRONG_STATUS") == refused(pay(here, order.body["order_id"], "other", payment="p-2"))
    assert 200 == available(here, "alice")
    entry = here.entries("alice")[-1]
    assert ("bonus", "VOUCHER_BOUGHT", 100) == (entry["kind"], entry["reason"], entry["points"])


@pytest.mark.parametrize("amount", [1, 99, 101, 10_000])
def test_another_amount_credits_nothing(here: Stage, amount: int) -> None:
    """Not less, not more."""
    order_id = voucher(here).body["order_id"]
    assert (422, "INVALID_REQUEST") == refused(pay(here, order_id, amount=amount))
    assert 100 == available(here, "alice")
    assert 200 == pay(here, order_id, "right").status


def test_a_member_cannot_say_that_it_is_paid(here: Stage) -> None:
    """Only the shop can."""
    order_id = voucher(here).body["order_id"]
    for scopes in (MEMBER, OPERATOR):
        assert 403 == pay(here, order_id, f"k-{scopes[-6:]}", subject="alice", scopes=scopes).status
    assert 100 == available(here, "alice")


def test_money_that_comes_too_late_credits_nothing(here: Stage) -> None:
    """From the deadline on the order is cancelled, whether or not the schedule has been there yet."""
    order = voucher(here).body
    here.move_to(datetime.fromisoformat(order["due"]))
    assert (410, "DEADLINE_PASSED") == refused(pay(here, order["order_id"]))
    here.call("settle", {"as_of": here.now.isoformat()})
    assert (410, "DEADLINE_PASSED") == refused(pay(here, order["order_id"], "again"))
    assert 100 == available(here, "alice")


def test_a_voucher_costs_no_points_so_points_buy_no_points(here: Stage) -> None:
    """Not in its price, not in a sale, not in both; and not for nothing."""
    for changes in (
        {"points": 1},
        {"sale": SALE},
        {"sale": {**SALE, "points": 0}},
        {"cash_minor": 0},
        {"points": 100, "cash_minor": 0},
    ):
        answer = write(here, "voucher", {**VOUCHER, **changes})
        assert (422, "INVALID_REQUEST") == refused(answer), changes
    assert 404 == here.ask("GET", "/v1/rewards/voucher").status


def test_a_canceled_voucher_takes_its_points_back(here: Stage) -> None:
    """Once, as far as they are there; what was spent meanwhile is owed. Round and round nothing is gained."""
    for turn in range(3):
        order_id = voucher(here, key=f"v{turn}").body["order_id"]
        pay(here, order_id, f"p{turn}", payment=f"pay-{turn}")
        assert 200 == available(here, "alice")
        if turn == 2:
            assert 201 == here.redeem("alice", 150, "spend").status
        answer = here.ask("POST", f"/v1/reward-orders/{order_id}/cancel", {}, key=f"c{turn}", scopes=SHOP)
        assert (200, "CANCELED") == (answer.status, answer.body["status"])
        again = here.ask("POST", f"/v1/reward-orders/{order_id}/cancel", {}, key=f"d{turn}", scopes=SHOP)
        assert (409, "WRONG_STATUS") == refused(again)
        if turn < 2:
            assert 100 == available(here, "alice")
    found = here.member("alice")
    assert (0, 50, -50) == (found["available"], found["debt"], found["balance"])


def test_vouchers_are_limited_like_any_reward(here: Stage) -> None:
    """Five a day here; the sixth is refused with when there are more."""
    assert [201] * 5 == [voucher(here, key=f"v{number}").status for number in range(5)]
    answer = voucher(here, key="v5")
    assert ((409, "LIMIT_REACHED"), "reward_times_per_day", 5) == (
        refused(answer),
        answer.body["limit"],
        answer.body["allowed"],
    )
    assert 100 == available(here, "alice")
