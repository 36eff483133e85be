"""Operators and what members do besides buying, over HTTP: rules, campaigns, events, invitations, reviews, the audit.

The program of the documentation is put in force for the tests of this file, and taken back after them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.outside import SAMPLE_PROGRAM, Outside, happened, order, until

pytestmark = pytest.mark.e2e

TEA = {
    "id": "tea",
    "title": "Tea: 1 yuan = 5 points",
    "group": "rates",
    "priority": 30,
    "when": {"category": ["tea"]},
    "rate": {"points": 5, "per_minor": 100},
}


@pytest.fixture(scope="module")
def shop(outside: Outside) -> Iterator[Outside]:
    """A stack with the program of the documentation in force."""
    reply = outside.operate("PUT", "/v1/program", SAMPLE_PROGRAM, who="admin", reason="as documented")
    assert 200 == reply.status, reply
    yield outside
    outside.roll_back()


# What tests do and look at -------------------------------------------------------------------------------------------


def calm() -> datetime:
    """The latest instant at which the program of the documentation doubles nothing: not on a Friday night."""
    now = datetime.now(UTC)
    here = now.astimezone(ZoneInfo(SAMPLE_PROGRAM["time_zone"]))
    return now - timedelta(hours=3) if here.weekday() == 4 and here.hour in {20, 21} else now


def basket(member: str, order_id: str, **minor: int) -> dict[str, Any]:
    """A paid order with a line of so much in each category; of ``none`` in none."""
    lines = [
        {"n": number, "sku": name, "qty": 1, "unit_price_minor": price} | ({} if name == "none" else {"category": name})
        for number, (name, price) in enumerate(minor.items(), 1)
    ]
    paid = order(member, order_id, 0)
    return {**paid, "occurred_at": calm().isoformat(), "lines": lines, "total_minor": sum(minor.values())}


def bought(shop: Outside, member: str, order_id: str, **minor: int) -> dict[str, Any]:
    """Have an order delivered; its entry."""
    assert 202 == shop.deliver("standard", basket(member, order_id, **minor)).status

    def of_the_order() -> list[dict[str, Any]]:
        return [one for one in shop.entries(member) if one["source"] == {"type": "order", "id": order_id}]

    (entry,) = until(of_the_order, bool)
    return entry


def given(entry: Mapping[str, Any]) -> dict[str, int]:
    """The points of each rule that gave some."""
    return {why["rule"]: why["points"] for why in entry["why"] if why.get("points")}


def refused(entry: Mapping[str, Any]) -> dict[str, str]:
    """The reason of each rule that gave none."""
    return {why["rule"]: why["refused"] for why in entry["why"] if "refused" in why}


def audited(shop: Outside, count: int) -> list[tuple[str, str, str]]:
    """The latest lines of the audit, the oldest first: action, target and reason."""
    lines = shop.operate("GET", "/v1/audit", limit=str(count)).body["lines"]
    return [(line["action"], line["target"], line["reason"]) for line in lines[::-1]]


# Rules ---------------------------------------------------------------------------------------------------------------


def test_an_order_earns_by_the_program_that_was_put_and_says_why(shop: Outside) -> None:
    """Goods by their rates, a gift card by none, a first order's bonus that waits for fourteen days."""
    entry = bought(shop, "m-ruled", "o-ruled", none=30_000, digital=10_000, **{"gift-card": 50_000})
    seen = shop.account("m-ruled")

    assert {"base": 300, "digital": 20, "first-order": 100} == given(entry)
    assert "WINDOW" == refused(entry)["friday-night"]
    assert (320, 100) == (seen["available"], seen["pending"])
    assert shop.is_proved("m-ruled")


def test_a_draft_is_tried_published_and_rolled_back(shop: Outside) -> None:
    """Nothing changes until an administrator publishes; then the next order earns by it; each step is audited."""
    in_force = shop.operate("GET", "/v1/program").body
    earning = in_force["program"]["earning"]
    program = {**in_force["program"], "earning": {**earning, "rules": [*earning["rules"], TEA]}}

    drafted = shop.operate("POST", "/v1/rulesets", {"program": program, "note": "tea"})
    number = drafted.body["number"]
    asked = {"order": {"lines": [{"n": 1, "sku": "T", "qty": 1, "unit_price_minor": 10_000, "category": "tea"}]}}
    tried = shop.operate("POST", f"/v1/rulesets/{number}/simulate", asked).body["tried"]
    before = given(bought(shop, "m-draft", "o-draft", tea=10_000))
    by_operator = shop.operate("POST", f"/v1/rulesets/{number}/publish", {"reason": "mine"})
    published = shop.operate("POST", f"/v1/rulesets/{number}/publish", {"reason": "tea sells"}, who="admin")
    after = given(bought(shop, "m-published", "o-published", tea=10_000))
    assert (
        200
        == shop.operate(
            "POST", f"/v1/rulesets/{in_force['number']}/roll-back", {"reason": "too dear"}, who="admin"
        ).status
    )
    back = given(bought(shop, "m-back", "o-back", tea=10_000))

    assert (201, ["earning.rules[tea]"]) == (drafted.status, [one["path"] for one in drafted.body["changes"]])
    assert (100, 500) == (tried["in_force"]["grants"]["base"], tried["draft"]["grants"]["tea"])
    assert 403 == by_operator.status
    assert (200, number) == (published.status, published.body["number"])
    assert [100, None, 100] == [one.get("base") for one in (before, after, back)]
    assert [None, 500, None] == [one.get("tea") for one in (before, after, back)]
    assert [
        ("ruleset.drafted", f"ruleset/{number}", "tea"),
        ("ruleset.published", f"ruleset/{number}", "tea sells"),
        ("ruleset.rolled_back", f"ruleset/{in_force['number']}", "too dear"),
    ] == audited(shop, 3)


# Campaigns -----------------------------------------------------------------------------------------------------------


def test_a_campaign_runs_stops_at_once_and_runs_on(shop: Outside) -> None:
    """Its figures are live; the very next order after the pause gets nothing of it; its budget bounds the last."""
    now = datetime.now(ZoneInfo(SAMPLE_PROGRAM["time_zone"]))
    campaign = {
        "id": "e2e-week",
        "from": f"{now - timedelta(days=2):%Y-%m-%d}",
        "until": f"{now + timedelta(days=5):%Y-%m-%d}",
        "budget_points": 100,
        "template": "fixed_bonus",
        "with": {"points": 70},
    }
    rule, path = "e2e-week.bonus", "/v1/campaigns/e2e-week"

    assert (201, "DRAFT") == _status(shop.operate("POST", "/v1/campaigns", campaign))
    assert (200, "ACTIVE") == _status(shop.operate("POST", f"{path}/schedule", {"reason": "autumn"}))
    first = bought(shop, "m-week-1", "o-week-1", none=10_000)
    live = shop.operate("GET", path).body
    assert (200, "PAUSED") == _status(shop.operate("POST", f"{path}/pause", {"reason": "a mistake?"}))
    second = bought(shop, "m-week-2", "o-week-2", none=10_000)
    assert (200, "ACTIVE") == _status(shop.operate("POST", f"{path}/resume", {"reason": "none"}))
    third = bought(shop, "m-week-3", "o-week-3", none=10_000)
    spent = shop.operate("GET", path).body

    assert [70, None, 30] == [given(one).get(rule) for one in (first, second, third)]
    assert "CAMPAIGN_PAUSED" == refused(second)[rule]
    figures = ("spent", "left", "given", "awards", "kept_minor", "points_per_unit")
    assert (70, 30, 70, 1, 10_000, "0.700") == tuple(live[name] for name in figures)
    assert (100, 0, 100, 2, 20_000, "0.500") == tuple(spent[name] for name in figures)
    assert [
        ("campaign.drafted", "campaign/e2e-week", ""),
        ("campaign.scheduled", "campaign/e2e-week", "autumn"),
        ("campaign.paused", "campaign/e2e-week", "a mistake?"),
        ("campaign.resumed", "campaign/e2e-week", "none"),
    ] == audited(shop, 4)


def _status(reply: Any) -> tuple[int, str]:
    return reply.status, reply.body.get("status")


# What members do -----------------------------------------------------------------------------------------------------


def test_an_event_and_its_copy_give_points_once(shop: Outside) -> None:
    """The copy is answered as the first was; the same id with other content is refused."""
    shared = happened("page.shared", "m-sharer", "e-share", page="autumn")
    first, again = (shop.say(shared) for _ in range(2))
    other = shop.say({**shared, "data": {"page": "winter"}})
    task = next(
        one
        for one in shop.call("GET", "/v1/members/m-sharer/tasks", token=shop.member("m-sharer")).body["tasks"]
        if one["rule"] == "task-daily"
    )

    assert (200, "AWARDED", 5) == (first.status, first.body["status"], first.body["points"])
    assert (first.status, first.body) == (again.status, again.body)
    assert (422, "IDEMPOTENCY_KEY_REUSED") == (other.status, other.code)
    assert [("bonus", "BEHAVIOUR_REWARDED", 5)] == [
        (one["kind"], one["reason"], one["points"]) for one in shop.entries("m-sharer")
    ]
    assert (1, 3) == (task["done"], task["reach"])


def test_a_member_checks_in_once_a_day(shop: Outside) -> None:
    """With the own token; the second time says that there was a first."""
    token, path = shop.member("m-daily"), "/v1/members/m-daily/check-ins"
    first, second = (shop.call("POST", path, token=token, key=f"check-in-{one}") for one in range(2))
    seen = shop.call("GET", path, token=token).body

    assert (200, "AWARDED", 10, 1) == (
        first.status,
        first.body["status"],
        first.body["points"],
        first.body["run"]["days"],
    )
    assert (200, "NOTHING", 0) == (second.status, second.body["status"], second.body["points"])
    assert "ALREADY_CHECKED_IN" in refused(second.body).values()
    assert (True, [first.body["day"]], 15) == (seen["checked_in"], seen["days"], seen["next"]["points"])
    assert 10 == shop.account("m-daily")["available"]


def test_who_invited_a_friend_loses_the_reward_with_the_friends_order(shop: Outside) -> None:
    """Both sides get theirs; a refund of the whole order takes the inviter's back as well."""
    assert 10 == shop.call("POST", "/v1/members/m-host/check-ins", token=shop.machine(), key="host").body["points"]
    accepted = shop.say(happened("invite.accepted", "m-friend", "e-invited", inviter="m-host"))
    stranger = shop.say(happened("invite.accepted", "m-nobody", "e-nobody", inviter="m-never-seen"))
    bought(shop, "m-friend", "o-friend", none=12_000)
    shop.wait_for_balance("m-host", 210)

    refund = {
        **basket("m-friend", "o-friend", none=12_000),
        "type": "order.refunded",
        "event_id": "refund-o-friend",
        "refund_id": "r-friend",
    }
    refund["lines"][0]["orig_line"] = 1
    assert 202 == shop.deliver("standard", refund).status
    shop.wait_for_balance("m-host", 10)
    shop.wait_for_balance("m-friend", 50)

    assert ("AWARDED", 50) == (accepted.body["status"], accepted.body["points"])
    assert ("NOTHING", 0) == (stranger.body["status"], stranger.body["points"])
    assert [10, 200, -200] == [one["points"] for one in shop.entries("m-host")]
    assert shop.is_proved("m-host")
    assert shop.is_proved("m-friend")


def test_a_review_is_approved_once(shop: Outside) -> None:
    """The points wait for an operator; the same request again has the same answer, another one is refused."""
    waiting = shop.say(happened("review.scored", "m-critic", "e-critic", review_id="r-1", score=92))
    listed = shop.operate("GET", "/v1/reviews", limit="100").body["reviews"]
    path, body = "/v1/reviews/m-critic/e-critic/approve", {"reason": "well written"}
    by_shop = shop.call("POST", path, body, token=shop.machine(), key="critic")
    first, again = (shop.operate("POST", path, body, key="critic") for _ in range(2))
    twice = shop.operate("POST", path, body)

    assert ("IN_REVIEW", 0, 200) == tuple(waiting.body[name] for name in ("status", "points", "proposed"))
    assert [{"review-score": 200}] == [one["proposed"] for one in listed if one["event_id"] == "e-critic"]
    assert 403 == by_shop.status
    assert (200, "AWARDED", 200) == (first.status, first.body["status"], first.body["points"])
    assert first.body == again.body
    assert (409, "WRONG_STATUS") == (twice.status, twice.code)
    assert 200 == shop.account("m-critic")["available"]
    assert [("review.approved", "event/m-critic/e-critic", "well written")] == audited(shop, 1)


def test_who_did_it_stands_in_the_audit_and_nobody_can_change_it(shop: Outside) -> None:
    """Role and name of the token; there is no way to write the audit."""
    shop.operate("POST", "/v1/rulesets", {"program": SAMPLE_PROGRAM, "note": "as it was"})
    (line,) = shop.operate("GET", "/v1/audit", limit="1").body["lines"]

    assert ("ruleset.drafted", "as it was") == (line["action"], line["reason"])
    assert f"operator:{shop.stack.outputs['OperatorClientId']}" == line["actor"]
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        assert 404 == shop.call(method, "/v1/audit", {"lines": []}, token=shop.machine("admin"), key="k").status
