"""Faults that a review has found, each by the least that shows it."""

from __future__ import annotations

from typing import Any

import pytest

from jifen.domain import behaviour
from jifen.domain.account import Account
from jifen.domain.errors import InvalidProgram
from jifen.domain.events import BehaviourEvent
from jifen.domain.orders import Line
from jifen.domain.program import Program, parse_program
from jifen.domain.standing import Standing
from tests.domain.builders import MEMBER, Desk, instant, noon, paid, refunded

NOW = noon("2026-03-01")
INVITER = "m2"


def rules(*written: dict[str, Any], **more: Any) -> Program:
    """A program of these rules."""
    return parse_program({"currency": "CNY", "earning": {"rules": list(written), **more.pop("earning", {})}, **more})


def invited(program: Program) -> Desk:
    """A desk at which the usual member has an inviter."""
    desk = Desk(program)
    desk.accounts[MEMBER] = Account(MEMBER, standing=Standing(inviter=INVITER))
    return desk


@pytest.mark.parametrize("by", ["points", "spend"])
@pytest.mark.parametrize("downgrade", ["period_end", "at_once", "never"])
@pytest.mark.parametrize("other_day", ["2026-03-02", "2026-04-01"])
def test_an_order_with_another_date_counts_once_towards_a_level(by: str, downgrade: str, other_day: str) -> None:
    """While it moves from one day to another it is not in both, so nobody rises by it."""
    reach = {"points": 150, "spend": 15_000}[by]
    levels = [{"id": "member", "from": 0}, {"id": "gold", "from": reach}]
    desk = Desk(parse_program({"tiers": {"by": by, "downgrade": downgrade, "levels": levels}}))
    desk.book(paid(10_000, at=instant("2026-03-01T04:00:00Z")), NOW)
    desk.book(paid(10_000, at=instant(f"{other_day}T04:00:00Z"), revision=1), noon(other_day))
    tier = desk.of(MEMBER).standing.tier
    assert tier is not None
    assert ("member", NOW.today) == (tier.level, tier.since)


def test_an_order_that_grows_again_is_not_the_first_besides_another() -> None:
    """Given back, followed by another and amended to more: the buyer and the inviter have one first order's points."""
    first = {"id": "first", "when": {"first_order": True}, "fixed": 100}
    desk = invited(rules(first, {"id": "host", "to": "inviter", "fixed": 70}))
    desk.book(paid(10_000), NOW)
    desk.book(refunded(10_000), NOW)
    desk.book(paid(10_000, order_id="o2"), NOW)
    desk.book(paid(20_000, revision=1), NOW)
    assert (100, 70) == (desk.account.balance, desk.of(INVITER).balance)


def test_an_order_that_grows_again_alone_is_the_first_still() -> None:
    """With no other order in between, the facts give the same points in any order."""
    desk = Desk(rules({"id": "first", "when": {"first_order": True}, "fixed": 100}))
    for event in (paid(10_000), refunded(10_000), paid(20_000, revision=1)):
        desk.book(event, NOW)
    assert 100 == desk.account.balance


def test_an_order_out_of_a_campaign_by_its_number_can_be_refunded() -> None:
    """Its campaign's budget is asked for no more."""
    first = {"id": "first", "when": {"first_order": True}, "fixed": 100}
    desk = Desk(rules(earning={"campaigns": [{"id": "new", "budget_points": 150, "rules": [first]}]}))
    desk.book(paid(10_000), NOW)
    desk.book(refunded(10_000), NOW)
    desk.book(paid(10_000, order_id="o2"), NOW)
    desk.book(paid(20_000, revision=1), NOW)
    desk.book(refunded(5_000, refund_id="r2"), NOW)
    assert (100, 100) == (desk.account.balance, desk.campaigns["new"].spent)


def test_a_task_on_orders_cannot_be_the_inviters() -> None:
    """It would count, and pay, the buyer."""
    with pytest.raises(InvalidProgram) as refused:
        rules({"id": "task", "to": "inviter", "fixed": 70, "goal": {"reach": 1}})
    assert ["earning.rules[0].to"] == [fault.field for fault in refused.value.faults]


def test_an_amount_without_tax_is_bounded_without_tax() -> None:
    """113 with 13 of tax are 100, to the upper bound as to the lower."""
    small = {"id": "small", "when": {"amount_minor": {"min": 10_000, "max": 10_000}}, "fixed": 5}
    desk = Desk(rules(small, earning={"basis": {"tax": False}}))
    desk.book(paid(lines=(Line(1, "a", 11_300, tax_minor=1_300),)), NOW)
    assert 5 == desk.account.balance


def test_a_task_that_was_paid_is_not_paid_again_when_its_goal_is_raised() -> None:
    """Reached with three, and then asked for five: once is once."""
    account, given = Account(MEMBER), 0
    for number in range(6):
        task = {"id": "task", "on": "page.shared", "fixed": 60, "goal": {"reach": 3 if number < 3 else 5}}
        event = BehaviourEvent("page.shared", f"e{number}", MEMBER, NOW.now)
        outcome = behaviour.decide(event, account, rules(task).rules, {}, frozenset(), NOW)
        account, given = outcome.changes[MEMBER].account, given + outcome.points
    assert 60 == given


def test_an_inviter_who_falls_by_a_friends_refund_has_the_allowance_of_that_month() -> None:
    """It was due on the first day of the month, by the level of that day, though no sweep has come by yet."""
    levels = [{"id": "member", "from": 0}, {"id": "gold", "from": 50, "allowance": 500}]
    desk = invited(
        rules({"id": "host", "to": "inviter", "fixed": 70}, tiers={"levels": levels, "downgrade": "at_once"})
    )
    desk.book(paid(10_000), NOW)
    desk.book(refunded(10_000), noon("2026-04-01"))
    assert 500 == desk.of(INVITER).balance


def test_a_buyer_who_falls_because_the_order_moves_has_the_allowance_of_that_month() -> None:
    """As for an inviter: what was due before is given before."""
    levels = [{"id": "member", "from": 0}, {"id": "gold", "from": 50, "allowance": 500}]
    desk = Desk(parse_program({"tiers": {"levels": levels, "downgrade": "at_once"}}))
    desk.book(paid(10_000), NOW)
    desk.book(paid(10_000, member="m3", revision=1), noon("2026-04-01"))
    assert (500, 100) == (desk.account.balance, desk.of("m3").balance)


EXCLUSIVE = {"groups": {"rates": "exclusive"}}
LARGE = {"id": "large", "group": "rates", "priority": 1, "when": {"amount_minor": {"min": 50_000}}, "fixed": 300}
LOWERED = {"id": "lowered", "when": {"amount_minor": {"min": 50_000}}}
CAPPED = {
    "id": "capped",
    "group": "best",
    "rate": {"points": 1, "per_minor": 100},
    "caps": [{"per": "day", "points": 10}],
}
BASE = {"id": "base", "group": "rates", "rate": {"points": 5, "per_minor": 100}}


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (rules(LARGE, BASE, earning=EXCLUSIVE), [300]),
        (rules(BASE, {**LOWERED, "multiply": "0.1"}, earning=EXCLUSIVE), [250, -1]),
        (rules(CAPPED, {"id": "flat", "group": "best", "fixed": 499}, earning={"groups": {"best": "best_of"}}), [10]),
    ],
)
def test_no_rule_that_falls_away_with_a_refund_makes_others_give_more(program: Program, expected: list[int]) -> None:
    """One that took the lines, lowered them or was the best; what is left is worth no more than it was."""
    desk = Desk(program)
    desk.book(paid(50_000), NOW)
    desk.book(refunded(101), NOW)
    assert expected == desk.points


def test_no_stage_of_a_refund_gives_more_than_the_one_before() -> None:
    """Two thresholds, in between worth little: what was lost there does not come back below."""
    steps = [
        {"id": "large", "group": "rates", "priority": 2, "when": {"amount_minor": {"min": 50_000}}, "fixed": 300},
        {"id": "middle", "group": "rates", "priority": 1, "when": {"amount_minor": {"min": 30_000}}, "fixed": 1},
    ]
    program = rules(*steps, BASE, earning=EXCLUSIVE)
    by_parts, at_once = Desk(program), Desk(program)
    by_parts.book(paid(60_000), NOW)
    by_parts.book(refunded(20_000), NOW)
    by_parts.book(refunded(20_000, refund_id="r2"), NOW)
    at_once.book(paid(60_000), NOW)
    at_once.book(refunded(40_000), NOW)
    assert ([300, -299], [300, -299]) == (by_parts.points, at_once.points)


def test_a_task_that_is_undone_gives_its_room_back_to_the_month_in_which_it_was_reached() -> None:
    """An order of March that goes back in April leaves no more room in April."""
    task = {"id": "task", "fixed": 500, "goal": {"reach": 1, "per": "month"}}
    desk = Desk(rules(task, earning={"caps": [{"per": "month", "points": 500}]}))
    desk.book(paid(at=instant("2026-03-30T04:00:00Z")), noon("2026-03-30"))
    desk.book(paid(order_id="o2", at=instant("2026-04-02T04:00:00Z")), noon("2026-04-02"))
    desk.book(refunded(10_000), noon("2026-04-03"))
    assert {"*/month/points": {"2026-04": 500}} == desk.account.standing.used


def test_a_task_that_is_undone_takes_its_own_lot() -> None:
    """Not points of another source that expire sooner."""
    gift = {"id": "gift", "fixed": 70, "valid": {"policy": "days", "days": 40}, "when": {"amount_minor": {"min": 1}}}
    desk = Desk(rules(gift, {"id": "task", "fixed": 500, "goal": {"of": "amount", "reach": 10_000, "per": "month"}}))
    desk.book(paid(10_000), NOW)
    desk.book(refunded(1), noon("2026-04-03"))
    assert [70] == [lot.points for lot in desk.account.lots]
