"""Campaigns that make rewards cost fewer points: written in the program or prepared, on the shelf, in an exchange."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jifen.runtime import use
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, Answer, Stage, paid

M = "m-1"
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
PROGRAM: dict[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "GBP",
    "earning": {"rules": [{"id": "base", "rate": {"points": 1, "per_minor": 100}}]},
    "tiers": {"levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 1_000}]},
}
OP: dict[str, Any] = {"subject": "op", "scopes": OPERATOR}
SELF: dict[str, Any] = {"subject": M, "scopes": MEMBER}
HOME: dict[str, Any] = {"id": "home-week", "until": "2026-03-12", "exchange": {"by": "0.80", "categories": ["home"]}}
CUP: dict[str, Any] = {"title": "Cup", "points": 505, "cash_minor": 900, "category": "home", "tiers": {"gold": "0.90"}}


@pytest.fixture(scope="module")
def stage_(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop in Shanghai with two tiers."""
    here = Stage("exchange-discounts", program=PROGRAM, now=NOW)
    with use(here.runtime):
        yield here


@pytest.fixture
def here(stage_: Stage) -> Stage:
    """A cup and a book on the shelf; a gold member with 2,000 points."""
    stage_.clear()
    stage_.move_to(NOW)
    stage_.earn(paid("o-1", M, 200_000, occurred_at=NOW.isoformat()))
    for reward_id, content in (("cup", CUP), ("book", {"title": "Book", "points": 100, "category": "books"})):
        written = {**content, "stock": {"counted": False}}
        assert stage_.ask("PUT", f"/v1/rewards/{reward_id}", written, **OP).status == 200
    return stage_


def put(here: Stage, *campaigns: Mapping[str, Any]) -> None:
    """Put the program with these campaigns in force."""
    whole = {**PROGRAM, "earning": {**PROGRAM["earning"], "campaigns": list(campaigns)}}
    answer = here.ask("PUT", "/v1/program", whole, subject="a", scopes=ADMIN)
    assert (200, []) == (answer.status, answer.body["findings"])


def step(here: Stage, name: str, campaign: str = "home-week") -> None:
    """Pause, resume, end or cancel a campaign."""
    answer = here.ask("POST", f"/v1/campaigns/{campaign}/{name}", {"reason": "r"}, key=f"{name}-{campaign}", **OP)
    assert answer.status == 200, answer


def price(here: Stage, reward_id: str = "cup", **who: Any) -> tuple[int, str | None]:
    """Points and campaign of a price, which the list and the reward itself say alike."""
    one = here.ask("GET", f"/v1/rewards/{reward_id}", **(who or SELF)).body["price"]
    listed = here.ask("GET", "/v1/rewards", **(who or SELF)).body["rewards"]
    assert one == next(found for found in listed if found["id"] == reward_id)["price"]
    return one["points"], one["campaign"]


def buy(here: Stage, key: str, reward_id: str = "cup", **more: Any) -> Answer:
    """Exchange, as the member."""
    return here.ask("POST", f"/v1/members/{M}/reward-orders", {"reward_id": reward_id, **more}, key=key, **SELF)


def test_a_prepared_discount_runs_until_it_is_paused(here: Stage) -> None:
    """An operator alone starts it and stops it: the very next look and exchange go by what it is then."""
    template = {"template": "exchange_discount", "with": HOME["exchange"]}
    made = here.ask("POST", "/v1/campaigns", {"id": "home-week", "until": "2026-03-12", **template}, key="c", **OP)
    assert (201, "DRAFT") == (made.status, made.body["status"])
    assert (455, None) == price(here)
    started = here.ask("POST", "/v1/campaigns/home-week/schedule", {"reason": "spring"}, key="s", **OP)
    assert (200, "ACTIVE") == (started.status, started.body["status"])

    assert [(364, "home-week"), (100, None)] == [price(here), price(here, "book")]  # 505 x 0.9 x 0.8 = 363.6
    assert (404, "home-week") == price(here, subject="shop", scopes="points/shop")
    order = buy(here, "k1", expected_points=364)
    assert (201, 364, 900) == (order.status, order.body["points"], order.body["cash"]["amount_minor"])

    step(here, "pause")
    assert (455, None) == price(here)
    moved = buy(here, "k2", expected_points=364)
    assert (409, "PRICE_CHANGED", 455) == (moved.status, moved.code, moved.body["points"])
    step(here, "resume")
    assert 201 == buy(here, "k3", expected_points=364).status
    step(here, "end")
    assert 455 == buy(here, "k4").body["points"]
    assert buy(here, "k1", expected_points=364).body == order.body
    assert 2_000 - 364 - 364 - 455 == here.member(M)["available"]
    assert here.proved(M)


def test_the_entry_names_the_campaign(here: Stage) -> None:
    """With its factor, beside the tier's; an exchange that it took nothing off names none."""
    put(here, HOME)
    assert (201, 201) == (buy(here, "k1").status, buy(here, "k2", "book").status)

    said = [entry["why"][0] for entry in here.entries(M) if entry["kind"] == "redeem"]
    assert ("home-week", "0.8", "gold", "0.9", 364) == (
        *(said[0][name] for name in ("campaign", "by", "tier", "factor")),
        said[0]["price"]["points"],
    )
    assert ("campaign" in said[1], said[1]["price"]["points"]) == (False, 100)


def test_what_was_paid_comes_back_whatever_the_campaign_is_by_then(here: Stage) -> None:
    """A cancelled order gives back the points it took: no more once the discount is over."""
    put(here, HOME)
    order = buy(here, "k1").body
    step(here, "cancel")

    back = here.ask("POST", f"/v1/reward-orders/{order['order_id']}/cancel", None, key="x", **SELF)
    assert (200, 364, 2_000) == (back.status, back.body["restored"], here.member(M)["available"])


def test_its_window_is_its_own(here: Stage) -> None:
    """From its first instant until the end of its last day, in the program's zone."""
    put(here, {**HOME, "from": "2026-03-11"})
    prices = []
    for instant in ("10T15:59:59", "10T16:00:00", "12T15:59:59", "12T16:00:00"):
        here.move_to(f"2026-03-{instant}+00:00")
        prices.append((price(here)[0], buy(here, instant).body["points"]))

    assert [(455, 455), (364, 364), (364, 364), (455, 455)] == prices


def test_the_best_of_several_counts_beside_rules(here: Stage) -> None:
    """They are not added up; the rules of a campaign with both give what they gave."""
    gift = {"id": "gift", "fixed": 7, "caps": [{"per": "ever", "times": 1}], "when": {"amount_minor": {"min": 10_000}}}
    both = {"id": "both", "budget_points": 50, "rules": [gift], "exchange": {"by": "0.5", "rewards": ["cup"]}}
    put(here, HOME, both)

    assert (228, "both") == price(here)
    here.earn(paid("o-2", M, 10_000, occurred_at=NOW.isoformat()))
    assert 2_000 + 100 + 7 == here.member(M)["available"]
    step(here, "pause", "both")
    assert (364, "home-week") == price(here)


def test_the_shelf_is_sorted_and_filtered_by_what_is_paid_now(here: Stage) -> None:
    """A reward that a campaign makes affordable is among those that are, and can be had."""
    put(here, {"id": "most", "exchange": {"by": "0.01", "rewards": ["cup"]}})

    listed = here.ask("GET", "/v1/rewards", query={"sort": "points", "points_to": "100"}, **SELF).body["rewards"]
    assert [("cup", 5), ("book", 100)] == [(one["id"], one["price"]["points"]) for one in listed]
    assert 201 == buy(here, "k1", quantity=1, expected_points=5).status


def test_the_shelf_says_that_it_can_be_had_for_less(here: Stage) -> None:
    """Too dear without the campaign, and not with it: what is missing goes by the price that is paid."""
    dear = {"title": "Lamp", "points": 2_500, "category": "home", "stock": {"counted": False}}
    here.ask("PUT", "/v1/rewards/lamp", dear, **OP)
    put(here, HOME)
    seen = [here.ask("GET", "/v1/rewards/lamp", **SELF).body["exchange"]]
    step(here, "pause")
    seen.append(here.ask("GET", "/v1/rewards/lamp", **SELF).body["exchange"])

    assert [(True, None), (False, 500)] == [(one["can"], one["missing_points"]) for one in seen]


def test_a_sale_of_the_reward_is_not_made_cheaper(here: Stage) -> None:
    """In its window the lower of the two prices counts."""
    window = {"from": NOW.isoformat(), "until": (NOW + timedelta(hours=1)).isoformat()}
    for points, cost in ((50, (50, None)), (90, (80, "all"))):
        sale = {"title": "Book", "points": 100, "stock": {"counted": False}, "sale": {**window, "points": points}}
        assert here.ask("PUT", "/v1/rewards/book", sale, **OP).status == 200
        put(here, {"id": "all", "exchange": {"by": "0.8"}})
        assert cost == price(here, "book")


def test_what_costs_a_point_costs_one(here: Stage) -> None:
    """A discount leaves nothing for nothing."""
    penny = {"title": "Sticker", "points": 1, "quantity_max": 50, "stock": {"counted": False}}
    here.ask("PUT", "/v1/rewards/sticker", penny, **OP)
    put(here, {"id": "all", "exchange": {"by": "0.000000001"}})

    assert [(1, None), (1, "all")] == [price(here, "sticker"), price(here, "book")]
    assert 50 == buy(here, "k1", "sticker", quantity=50).body["points"]


@pytest.mark.parametrize(("campaigns", "more"), [([], 0), ([{**HOME, "from": "2026-03-11"}], 0), ([HOME], 1)])
def test_states_are_read_on_the_trip_that_is_made_anyway(
    here: Stage, monkeypatch: pytest.MonkeyPatch, campaigns: list[dict[str, Any]], more: int
) -> None:
    """One more item for each discount whose window is open, no more trips; for a program without one nothing at all."""
    put(here, *campaigns)
    price(here)
    ledger, loads = here.runtime.ledger, list[tuple[int, int]]()
    load = ledger.load

    def counting(members: Any, documents: Any = ()) -> Any:
        loads.append((len(members), len(documents)))
        return load(members, documents)

    monkeypatch.setattr(ledger, "load", counting)
    here.ask("GET", "/v1/rewards", **SELF)
    assert [(1, more)] == loads
    here.ask("GET", "/v1/rewards", subject="shop", scopes="points/shop")
    assert [(1, more), *([(0, more)] if more else [])] == loads
    loads.clear()
    here.ask("GET", "/v1/rewards/cup", **SELF)
    assert (1, 1 + more) == loads[0]
    loads.clear()
    assert 201 == buy(here, "k1").status
    assert (1, 4 + more) == loads[0]
