"""The mall and play against hostile input: whatever is sent is answered, never with 500, and nothing is kept of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from jifen.runtime import use
from tests.functions.stage import MEMBER, OPERATOR, SHOP, Answer, Stage, paid

M = "m-1"
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
PROGRAM: Mapping[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "GBP",
    "earning": {"rules": [{"id": "base", "rate": {"points": 1, "per_minor": 100}}]},
    "tiers": {"levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 50_000}]},
    "clawback": "clamp",
    "redemption": {"expired_on_restore": "grace", "grace_days": 7},
}
OP: dict[str, Any] = {"subject": "op", "scopes": OPERATOR}
SHOPPING: dict[str, Any] = {"subject": "shop", "scopes": SHOP}
HALF = "\ud800"
"""Half of a character: it can be written in JSON, and nowhere else."""


@pytest.fixture(scope="module")
def stage_(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop in Shanghai."""
    here = Stage("mall-hostile", program=PROGRAM, now=NOW)
    with use(here.runtime):
        yield here


@pytest.fixture
def here(stage_: Stage) -> Stage:
    """Nothing is there but a member with 2,000 points."""
    stage_.clear()
    stage_.move_to(NOW)
    stage_.earn(paid("o-1", M, 200_000, occurred_at=NOW.isoformat()))
    return stage_


CUP: dict[str, Any] = {"title": "Cup", "points": 5}
LOTTERY: dict[str, Any] = {
    "title": "Wheel",
    "cost": 5,
    "attempts_per_day": 3,
    "from": "2026-03-11",
    "days": 3,
    "prizes": [{"id": "p", "title": "P", "kind": "physical", "odds": "0.5", "stock": 5}],
}
AUCTION: dict[str, Any] = {"title": "Tea", "from": "2026-03-11T20:00:00+08:00", "until": "2026-03-11T21:00:00+08:00"}
MORE = ("description", "category", "sale", "stock", "limits", "coupon", "tags", "tiers", "only_tiers", "extend_s")
SALE = {"from": "2026-03-11T20:00:00+08:00", "until": "2026-03-12T20:00:00+08:00", "points": 1}


def answered(answer: Answer) -> bool:
    """Whether it is an answer to who asked, in JSON that can be sent."""
    json.dumps(answer.body, ensure_ascii=False).encode()
    return 200 <= answer.status < 500


def bent(content: Mapping[str, Any], odd: object) -> Iterator[dict[str, Any]]:
    """What is written, with something odd in each place."""
    for key in dict.fromkeys((*content, *MORE)):
        for value in (odd, {str(odd): odd}):
            yield {**content, key: value}
    yield {**content, str(odd): 1}
    for key, whole in (("sale", SALE), ("stock", {}), ("coupon", {"kind": "amount", "discount_minor": 5})):
        for name in (*whole, "low", "restock_on", "valid_until"):
            yield {**content, key: {**whole, name: odd}}
    for prize in content.get("prizes", ()):
        for name in (*prize, "shards", "coupon", "out_of_stock"):
            yield {**content, "prizes": [{**prize, name: odd}]}


ODD: tuple[object, ...] = (
    HALF,
    "\ufdfa" * 2_000,
    10**400,
    float("nan"),
    None,
    "9999-12-31T23:59:59+14:00",
)


@pytest.mark.parametrize("odd", ODD, ids=lambda one: ascii(one)[:16])
@pytest.mark.parametrize(
    ("path", "content"), [("rewards/cup", CUP), ("lotteries/w", LOTTERY), ("auctions/a", AUCTION)], ids=["r", "l", "a"]
)
def test_whatever_an_operator_writes_is_answered(here: Stage, path: str, content: dict[str, Any], odd: object) -> None:
    """Taken, or refused with its faults; and whatever was taken can be listed afterwards."""
    wrong = [one for one in bent(content, odd) if not answered(here.ask("PUT", f"/v1/{path}", one, **OP))]

    assert [] == wrong
    assert answered(here.ask("GET", f"/v1/{path.partition('/')[0]}", **OP))


@pytest.mark.parametrize("odd", [HALF, "\x00", "", "x" * 200, "\u2028", " ", "m-1/../m-2", "%00"], ids=ascii)
def test_whatever_is_asked_for_is_answered(here: Stage, odd: str) -> None:
    """Ids, texts and cursors that cannot be are refused, wherever they stand."""
    here.ask("PUT", "/v1/rewards/cup", CUP, **OP)
    mine: dict[str, Any] = {"subject": M, "scopes": MEMBER}
    asked = [
        here.ask("POST", f"/v1/members/{M}/reward-orders", {"reward_id": odd}, key="k1", **mine),
        here.ask("POST", f"/v1/members/{M}/draws", {"lottery_id": "w", "client_seed": odd}, key="k2", **mine),
        here.ask("POST", f"/v1/members/{M}/bids", {"auction_id": odd, "points": 1}, key="k3", **mine),
        here.ask("POST", "/v1/rewards/cup/codes", {"codes": [odd]}, key="k4", **OP),
        here.ask("POST", "/v1/rewards/cup/stock", {"pieces": 1, "reason": odd}, key="k5", **OP),
        here.ask("POST", "/v1/rewards/import", {"rewards": [{"id": odd, "title": odd, odd: odd}]}, key="k6", **OP),
        *(here.ask("GET", "/v1/rewards", query={name: odd}, **mine) for name in ("q", "category", "tag", "cursor")),
    ]

    assert [] == [one for one in asked if not answered(one)]


# Loops that would make points ----------------------------------------------------------------------------------------


def test_a_voucher_whose_points_are_spent_is_taken_back_by_an_operator(here: Stage) -> None:
    """Under a policy that forgives what is spent, the shop alone cannot give the money back and leave the points."""
    voucher = {
        "title": "100",
        "kind": "voucher",
        "cash_minor": 100,
        "voucher": {"points": 100},
        "stock": {"counted": False},
    }
    here.ask("PUT", "/v1/rewards/hundred", voucher, **OP)
    order = here.ask("POST", f"/v1/members/{M}/reward-orders", {"reward_id": "hundred"}, key="k1", **SHOPPING).body
    path = f"/v1/reward-orders/{order['order_id']}"
    money = {"paid": {"amount_minor": 100, "currency": "GBP"}, "payment_id": "p"}
    assert 200 == here.ask("POST", f"{path}/paid", money, key="p", **SHOPPING).status
    assert 201 == here.redeem(M, 2_050, "spend").status

    refused = [here.ask("POST", f"{path}/{name}", {}, key=name, **SHOPPING).status for name in ("cancel", "return")]
    assert ([403, 403], 50) == (refused, here.member(M)["available"])
    assert 200 == here.ask("POST", f"{path}/cancel", {}, key="op", **OP).status
    assert 0 == here.member(M)["available"]
    assert here.proved(M)


@pytest.mark.parametrize("how", ["canceled", "unpaid", "shop"])
def test_ordering_and_cancelling_makes_no_point_live_longer(here: Stage, how: str) -> None:
    """What lapses while a member's order waits lapses when the member cancels it; only the shop's doing has a grace."""
    jar = {"title": "Jar", "points": 100, "cash_minor": 100}
    here.ask("PUT", "/v1/rewards/jar", jar, **OP)
    here.ask("POST", "/v1/rewards/jar/stock", {"pieces": 1}, key="f", **OP)
    here.move_to("2027-03-31T15:30:00Z")
    order = here.ask("POST", f"/v1/members/{M}/reward-orders", {"reward_id": "jar"}, key="k1", **SHOPPING).body
    here.move_to("2027-03-31T16:30:00Z")
    assert "CREATED" == here.get(path := f"/v1/reward-orders/{order['order_id']}")["status"]
    if how == "unpaid":
        here.move_to("2027-04-02T16:00:00Z")
        assert 1 <= here.call("settle", {})["settled"]
    else:
        who = SHOPPING if how == "shop" else {"subject": M, "scopes": MEMBER}
        assert 200 == here.ask("POST", f"{path}/cancel", {}, key="c", **who).status

    assert (100 if how == "shop" else 0) == here.member(M)["available"]
    assert here.proved(M)
