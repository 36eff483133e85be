"""Saving goals, from outside: a member names a reward, and sees how far it is; no points are kept for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jifen.domain.goals import RewardNow, reward_now
from jifen.domain.rewards import Reward
from jifen.runtime import use
from jifen.service.mall_documents import RewardKey
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Stage, paid

M = "m-1"
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
PROGRAM: Mapping[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "GBP",
    "earning": {"rules": [{"id": "base", "rate": {"points": 1, "per_minor": 100}}]},
    "tiers": {"levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 1_000}]},
}
CUP: dict[str, Any] = {"title": "Cup", "points": 500, "tiers": {"gold": "0.9"}}
NOTHING = {
    "member_id": M,
    "reward_id": None,
    "points": None,
    "title": None,
    "price": None,
    "available": 0,
    "missing": None,
}


@pytest.fixture(scope="module")
def stage_(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop in Shanghai with two tiers."""
    here = Stage("goals", program=PROGRAM, now=NOW)
    with use(here.runtime):
        yield here


@pytest.fixture
def here(stage_: Stage) -> Stage:
    """A cup for 500 points, and nobody has any."""
    stage_.clear()
    stage_.move_to(NOW)
    put(stage_)
    return stage_


def put(here: Stage, reward_id: str = "cup", content: Mapping[str, Any] = CUP) -> None:
    """Write a reward."""
    assert 200 == here.ask("PUT", f"/v1/rewards/{reward_id}", content, subject="op", scopes=OPERATOR).status


def off_shelf(here: Stage) -> None:
    """Take the cup off the shelf."""
    body = {"on": False, "reason": "broken"}
    assert 200 == here.ask("POST", "/v1/rewards/cup/shelf", body, subject="op", scopes=OPERATOR, key="off").status


def points(here: Stage, amount: int, order_id: str = "o-1") -> None:
    """Give the member points, by an order."""
    here.earn(paid(order_id, M, amount * 100, occurred_at=NOW.isoformat()))


def aim(here: Stage, reward_id: Any = "cup", member: str = M, **who: Any) -> Answer:
    """Save for a reward, as the member unless said."""
    body = {"reward_id": reward_id}
    return here.ask("PUT", f"/v1/members/{member}/goal", body, **{"subject": member, "scopes": MEMBER} | who)


def goal(here: Stage) -> dict[str, Any]:
    """What the member saves for."""
    answer = here.ask("GET", f"/v1/members/{M}/goal", subject=M, scopes=MEMBER)
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


def test_a_goal_says_how_far_it_is(here: Stage) -> None:
    """What is available, what is missing, and that nothing is kept: the points can be spent as before."""
    assert NOTHING == goal(here)
    aimed = aim(here)
    expected = NOTHING | {"reward_id": "cup", "points": 500, "title": "Cup", "price": 500, "missing": 500}
    assert (200, expected) == (aimed.status, aimed.body)
    points(here, 320)
    assert expected | {"available": 320, "missing": 180} == goal(here)
    points(here, 200, "o-2")
    assert expected | {"available": 520, "missing": 0} == goal(here)
    assert (520, 0, True) == (here.member(M)["available"], here.member(M)["held"], here.proved(M))


def test_the_same_again_writes_nothing(here: Stage) -> None:
    """However often an app says it."""
    aim(here)
    before = here.table()
    assert 200 == aim(here).status
    assert before == here.table()


def test_a_goal_is_replaced_and_taken_back(here: Stage) -> None:
    """There is one at a time; null is none, and none taken back is fine."""
    put(here, "pen", {"title": "Pen", "points": 90})
    aim(here)
    assert ("pen", 90) == tuple(aim(here, "pen").body[name] for name in ("reward_id", "points"))
    assert [NOTHING] * 3 == [aim(here, None).body, aim(here, None).body, goal(here)]


def test_the_price_is_that_of_the_members_level(here: Stage) -> None:
    """Gold saves for 450, from the next time it is said on; what it costs now is seen at once."""
    aim(here)
    points(here, 1_000)
    assert (500, 450, 0) == tuple(goal(here)[name] for name in ("points", "price", "missing"))
    assert (450, 450) == tuple(aim(here).body[name] for name in ("points", "price"))


def test_a_price_that_changes_is_seen(here: Stage) -> None:
    """The goal keeps what was said, the price is that of now."""
    aim(here)
    put(here, content=CUP | {"points": 800})
    assert (500, 800, 800) == tuple(goal(here)[name] for name in ("points", "price", "missing"))
    assert 800 == aim(here).body["points"]


def test_a_sale_is_not_saved_for(here: Stage) -> None:
    """It may be over by the time there are enough."""
    sale = {"from": "2026-03-01T00:00:00+08:00", "until": "2026-03-20T00:00:00+08:00", "points": 100}
    put(here, content=CUP | {"sale": sale})
    assert (500, 500) == tuple(aim(here).body[name] for name in ("points", "price"))


@pytest.mark.parametrize("reward_id", ["nothing", "off", "over", "gold", "#", "cup ", "CUP", "../cup"])
def test_what_cannot_be_had_cannot_be_saved_for(here: Stage, reward_id: str) -> None:
    """Unknown, off the shelf, over, for another level: it is not found, and what was saved for stays."""
    put(here, "over", CUP | {"until": NOW.isoformat()})
    put(here, "gold", CUP | {"only_tiers": ["gold"]})
    put(here, "off")
    body = {"on": False, "reason": "broken"}
    here.ask("POST", "/v1/rewards/off/shelf", body, subject="op", scopes=OPERATOR, key="off")
    aim(here)
    answer = aim(here, reward_id)
    assert (404, "REWARD_NOT_FOUND") == (answer.status, answer.code)
    assert "cup" == goal(here)["reward_id"]


def test_a_reward_that_opens_later_can_be_saved_for(here: Stage) -> None:
    """That is what saving is for."""
    put(here, content=CUP | {"from": (NOW + timedelta(days=30)).isoformat()})
    assert 200 == aim(here).status


def test_a_reward_without_points_is_no_goal(here: Stage) -> None:
    """What costs money only needs no points."""
    put(here, "tea", {"title": "Tea", "points": 0, "cash_minor": 500})
    answer = aim(here, "tea")
    assert (422, "INVALID_REQUEST", "reward_id") == (answer.status, answer.code, answer.body["errors"][0]["field"])


@pytest.mark.parametrize("body", [{}, {"reward_id": ""}, {"reward_id": 7}, {"reward_id": "x" * 65}, {"reward": "cup"}])
def test_a_body_that_is_none_is_refused(here: Stage, body: dict[str, Any]) -> None:
    """Nothing is taken away by a mistake: no goal has to be said."""
    aim(here)
    answer = here.ask("PUT", f"/v1/members/{M}/goal", body, subject=M, scopes=MEMBER)
    assert (422, "INVALID_REQUEST") == (answer.status, answer.code)
    assert "cup" == goal(here)["reward_id"]


def test_a_reward_that_left_the_shelf_has_no_price(here: Stage) -> None:
    """The goal stays, for the day it comes back; nobody is told of what cannot be had."""
    aim(here)
    off_shelf(here)
    points(here, 600)
    found = goal(here)
    assert ("cup", 500, None, None, None) == tuple(
        found[name] for name in ("reward_id", "points", "title", "price", "missing")
    )
    reward = here.runtime.ledger.load([], [RewardKey("cup")]).documents[RewardKey("cup")]
    assert isinstance(reward, Reward)
    assert reward_now(reward, "GBP", "member", NOW) is None


def test_what_a_notice_asks_is_the_price_of_now(here: Stage) -> None:
    """A reward in another currency than the program's is none; no reward is none."""
    put(here, content=CUP | {"cash_minor": 100})
    reward = here.runtime.ledger.load([], [RewardKey("cup")]).documents[RewardKey("cup")]
    assert isinstance(reward, Reward)
    assert RewardNow("Cup", 450) == reward_now(reward, "GBP", "gold", NOW)
    assert reward_now(reward, "EUR", "gold", NOW) is None
    assert reward_now(None, "GBP", "gold", NOW) is None


def test_what_is_owed_is_missing_too(here: Stage) -> None:
    """Debt is paid before anything is saved."""
    aim(here)
    points(here, 300)
    asked = {"points": 300, "reason": "checkout"}
    assert 201 == here.ask("POST", f"/v1/members/{M}/redemptions", asked, key="r").status
    cancel = {
        "type": "order.cancelled",
        "event_id": "c",
        "order_id": "o-1",
        "customer_id": M,
        "occurred_at": NOW.isoformat(),
    }
    here.earn(cancel)
    assert (300, 0, 800) == (here.member(M)["debt"], *(goal(here)[name] for name in ("available", "missing")))


def test_others_goals_are_not_for_members(here: Stage) -> None:
    """The shop and operators may see and set them."""
    assert 403 == aim(here, member="m-2", subject=M).status
    assert 403 == here.ask("GET", "/v1/members/m-2/goal", subject=M, scopes=MEMBER).status
    for scopes in (SHOP, OPERATOR, ADMIN):
        assert 200 == aim(here, subject="s", scopes=scopes).status
