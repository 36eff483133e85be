"""What the check of a program finds, told as a story whose figures come out when it is booked."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jifen.domain import allowances, awards, behaviour, check_ins, transfers
from jifen.domain.account import Account, as_of
from jifen.domain.behaviour import Outcome
from jifen.domain.events import BehaviourEvent
from jifen.domain.lint import play, refunds
from jifen.domain.lint.check import check
from jifen.domain.lint.finding import Finding, Severity, numbered, ranked
from jifen.domain.lint.scenes import Stage
from jifen.domain.orders import Line, LineKind, RefundLine
from jifen.domain.program import Program, parse_program
from jifen.domain.transfers import Gift
from tests.domain.builders import MEMBER, Desk, cancelled, goods, instant, paid, refunded
from tests.domain.rules.test_laws_of_rules import PROGRAMS

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "local" / "samples" / "program.json"
BOOKINGS_MAX = 1_500
"""Orders and deeds that are booked to check the sample: some two seconds of one of these processors."""

PAGE = (ROOT / "docs" / "lint.md").read_text(encoding="utf-8").split("\n## ")[1:]
NOON = instant("2026-01-07T12:00:00Z")
BASE: dict[str, Any] = {"id": "base", "rate": {"points": 1, "per_minor": 100}}
LEVELS = [{"id": "member", "from": 0}, {"id": "gold", "from": 100, "allowance": 500}]


def program(*rules: Mapping[str, Any], more: Mapping[str, Any] | None = None, **earning: Any) -> Program:
    """A program of the base rate and these rules."""
    return parse_program({"earning": {"rules": [BASE, *rules], **earning}, **(more or {})})


def found(of: Program, code: str, today: date | None = None) -> list[Finding]:
    """The findings of one code."""
    return [finding for finding in check(of, today) if finding.code == code]


def the(of: Program, code: str) -> tuple[str, int, int, tuple[str, ...], tuple[str, ...]]:
    """The one finding of a code: severity, points, cost, rules and story."""
    (one,) = found(of, code)
    return str(one.severity), one.gain_points, one.cost_minor, one.rules, one.story


class Booking(Desk):
    """A desk that takes in what members do as well, and tells the time."""

    def __init__(self, of: Program, now: datetime = NOON) -> None:
        super().__init__(of)
        self.now = now
        self.count = 0

    def pays(self, amount_minor: int, order_id: str = "o1", member: str = MEMBER, category: str | None = None) -> int:
        """An order is paid; the points of its buyer then."""
        line = replace(goods(amount_minor), category=category)
        self.book(paid(order_id=order_id, member=member, at=self.now, lines=(line,)), self.program.moment(self.now))
        return self.of(member).balance

    def gives_back(self, amount_minor: int, order_id: str = "o1") -> int:
        """All of an order of one line goes back; the points of the member then."""
        lines = (RefundLine(amount_minor, None, 1),)
        event = refunded(amount_minor, order_id=order_id, refund_id=f"r-{order_id}", at=self.now, lines=lines)
        self.book(event, self.program.moment(self.now))
        return self.account.balance

    def does(self, kind: str, member: str = MEMBER, **data: Any) -> Outcome:
        """Something a member does."""
        self.count += 1
        event = BehaviourEvent(kind, f"e{self.count}", member, self.now, data)
        inviter = replace(self.of(str(data["inviter"])), revision=1) if "inviter" in data else None
        moment = self.program.moment(self.now)
        outcome = behaviour.decide(event, self.of(member), self.program.rules, {}, frozenset(), moment, inviter)
        return self._keep(outcome)

    def makes_up(self, day: date) -> Outcome:
        """A missed day is made up for."""
        self.count += 1
        rules, moment = self.program.rules, self.program.moment(self.now)
        return self._keep(check_ins.make_up(self.account, day, f"e{self.count}", rules, {}, moment))

    def allowance(self) -> int:
        """What is due on this day is given; the points of the member then."""
        moment = self.program.moment(self.now)
        self.commit(allowances.given(as_of(self.account, moment), self.program.rules, moment))
        return self.account.balance

    def wait(self, **by: int) -> None:
        """Time passes."""
        self.now += timedelta(**by)

    def _keep(self, outcome: Outcome) -> Outcome:
        for change in outcome.changes.values():
            self.commit(change)
        return outcome


# The whole ------------------------------------------------------------------------------------------------------------


def test_the_program_that_says_nothing_has_no_finding() -> None:
    """``{}`` is sound."""
    assert () == check(parse_program({}))


def test_the_sample_has_no_error_and_the_search_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of rule at once, warnings only, the same on every run, for a number of bookings that is counted."""
    sample = parse_program(json.loads(SAMPLE.read_text(encoding="utf-8")))
    counted: Counter[str] = Counter()

    def counting(name: str, does: Callable[..., Any]) -> Callable[..., Any]:
        def count(*given: Any, **named: Any) -> Any:
            counted[name] += 1
            return does(*given, **named)

        return count

    monkeypatch.setattr(play, "award", counting("orders", awards.award))
    monkeypatch.setattr(behaviour, "decide", counting("deeds", behaviour.decide))
    findings = check(sample)
    bookings = dict(counted)

    assert [] == [finding for finding in findings if finding.severity == "error"]
    policies = {(finding.code, finding.rules) for finding in findings if finding.code.startswith("POLIC")}
    assert {("POLICIES_FLIP", ("loyal", "sleepy")), ("POLICIES_FLIP", ("loyal", "dormant"))} == policies
    assert findings == check(sample)
    assert bookings.keys() == {"orders", "deeds"}
    assert sum(bookings.values()) <= BOOKINGS_MAX


def test_errors_come_first_and_of_them_the_cheapest() -> None:
    """Severity, then cost, then the shorter story."""
    dear = Finding("A", Severity.ERROR, ("1. x",), 5, 10)
    cheap = Finding("B", Severity.ERROR, ("1. x", "2. y"), 5, 3)
    warning = Finding("C", Severity.WARNING, (), 5, 0)
    assert (cheap, dear, warning) == ranked([warning, dear, cheap])


def test_equal_lines_of_a_story_become_one() -> None:
    """Counted, and numbered afterwards."""
    assert ("1. a (2 times)", "2. b", "3. a") == numbered(["a", "a", "b", "a"])


@settings(max_examples=20)
@given(PROGRAMS)
def test_any_program_can_be_checked_and_every_finding_tells_a_story(of: Program) -> None:
    """Nothing that can be written makes the check fail, and what it finds is in order."""
    findings = check(of, date(2026, 3, 4))
    assert findings == ranked(findings)
    assert all(one.story and one.rules and one.gain_points >= 0 for one in findings)


@pytest.mark.parametrize("section", PAGE, ids=lambda section: section.partition("\n")[0])
def test_the_page_shows_what_is_found_and_how_to_close_it(section: str) -> None:
    """The first program of each code has the hole, with the story as printed; the second has not."""
    code = section.partition("\n")[0]
    hole, closed = re.findall(r"```json\n(.*?)```", section, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)\n```", section, re.DOTALL)
    one = found(parse_program(json.loads(hole)), code)[0]
    head = f"{one.severity}, gain_points {one.gain_points}, cost_minor {one.cost_minor}"
    assert [head, *one.story] == shown.split("\n")
    assert [] == found(parse_program(json.loads(closed)), code)


# REFUND_SPLIT ---------------------------------------------------------------------------------------------------------


def test_under_clamp_points_can_be_spent_before_the_goods_go_back() -> None:
    """Found, and booked as told: one point spent, nothing owed, again and again."""
    of = program(more={"clawback": "clamp"})
    severity, points, cost, rules, story = the(of, "REFUND_SPLIT")
    assert ("warning", 1, 0, ("base",)) == (severity, points, cost, rules)
    assert (
        "1. A buys goods for 1.00 and gets 1 point",
        "2. A spends 1 point",
        "3. A gives back goods for 1.00",
        "4. The policy clamp forgives what is missing, where debt would have it owed",
        "5. Nothing was kept: 1 point worth 0.01 that cost nothing",
        "6. The same again, 3 times in all: 3 points, and so on",
    ) == story
    desk = Booking(of)
    for number in range(3):
        assert 1 == desk.pays(100, f"o{number}")
        desk.redeem(1, of.moment(desk.now))
        assert (0, 0) == (desk.gives_back(100, f"o{number}"), desk.account.debt)


@pytest.mark.parametrize(
    "terms",
    [
        {"min_points": 100, "step_points": 100, "needs_order": True},
        {"times_per_day": 0, "max_points_per_day": 0},
        {"min_order_minor": 10**6, "min_discount_minor": 10**6, "max_order_share": "0"},
    ],
    ids=str,
)
def test_limits_of_the_checkout_close_nothing(terms: Mapping[str, Any]) -> None:
    """Points can be spent in other ways than at the checkout: what is found is the same."""
    more = {"clawback": "clamp", "currency": "CNY"}
    assert the(program(more=more), "REFUND_SPLIT") == the(program(more={**more, "redemption": terms}), "REFUND_SPLIT")


@pytest.mark.parametrize(
    "of",
    [
        program(more={"clawback": "debt"}),
        program(more={"clawback": "negative"}),
        parse_program({"clawback": "clamp", "earning": {"rules": [{**BASE, "pending_days": 15}]}}),
    ],
    ids=["debt", "negative", "pending longer than goods can go back"],
)
def test_a_debt_or_points_that_wait_close_it(of: Program) -> None:
    """Nothing is left of points that are owed, or that cannot be spent before the goods go back."""
    assert [] == found(of, "REFUND_SPLIT")


def test_a_cap_does_not_bound_what_refunds_give_back_to_it() -> None:
    """Fifty points a day, and still without end: a refund gives the cap its room back."""
    of = program(more={"clawback": "clamp"}, caps=[{"per": "day", "points": 1}])
    assert ("warning", 1) == the(of, "REFUND_SPLIT")[:2]


def test_under_clamp_a_friend_can_give_back_what_the_inviter_has_spent() -> None:
    """Fifty points for an order of 50.00, spent before it goes back; a new friend each time."""
    inviter = {"id": "inv", "to": "inviter", "fixed": 50, "when": {"amount_minor": {"min": 5000}}}
    of = parse_program({"clawback": "clamp", "earning": {"rules": [inviter]}})
    severity, points, cost, rules, story = the(of, "REFUND_SPLIT")
    assert ("warning", 50, 0, ("inv",)) == (severity, points, cost, rules)
    assert (
        "1. F1 accepts an invitation of A",
        "2. F1 buys goods for 50.00; A gets 50 points",
        "3. A spends 50 points",
        "4. F1 gives back goods for 50.00",
    ) == story[:4]
    desk = Booking(of)
    desk.does("invite.accepted", "F1", inviter=MEMBER)
    desk.pays(5000, member="F1")
    desk.redeem(50, of.moment(desk.now))
    assert (0, 0) == (desk.gives_back(5000), desk.account.debt)


def test_under_clamp_a_task_is_spent_once_only() -> None:
    """What was forgiven stays granted, so that the task cannot be reached for it again: a warning."""
    task = {"id": "two", "fixed": 30, "goal": {"of": "count", "reach": 2, "per": "month"}}
    of = parse_program({"clawback": "clamp", "earning": {"rules": [task]}})
    assert ("warning", 30, 0, ("two",)) == the(of, "REFUND_SPLIT")[:4]


@pytest.mark.parametrize("cooling", [0, 14, 365])
def test_under_clamp_a_friend_keeps_what_was_given_away(cooling: int) -> None:
    """Whatever the cooling; booked as told, and a gift that is taken back afterwards is the buyer's for nothing."""
    of = program(more={"clawback": "clamp", "transfers": {"cooling_days": cooling}})
    assert ("warning", 1, 0, ("base",)) == the(of, "CLAMP_TRANSFER")[:4]
    desk = Booking(of)
    assert 100 == desk.pays(10_000)
    moment = of.moment(desk.now)
    moved = transfers.send(desk.account, Account("B"), Gift("t", MEMBER, "B", 100), of, moment)
    desk.commit(moved.sender)
    assert (0, 0) == (desk.gives_back(10_000), desk.account.debt)
    assert 100 == moved.receiver.account.balance
    if cooling:
        back = transfers.cancel(desk.account, moved.receiver.account, moved.transfer, of, moment, "shop")
        assert (100, 0) == (back.sender.account.balance, back.receiver.account.balance)


@pytest.mark.parametrize(
    "given",
    [{"enabled": False}, {"times_per_day": 0}, {"received_per_day": 0}, {"min_points": 500, "points_per_day": 400}],
    ids=str,
)
def test_where_nothing_can_be_given_a_friend_keeps_nothing(given: Mapping[str, Any]) -> None:
    """A program that lets no points go, or fewer than a transfer has at least."""
    assert [] == found(program(more={"clawback": "clamp", "transfers": given}), "CLAMP_TRANSFER")


def test_the_limits_of_a_transfer_are_kept_to() -> None:
    """Many points at least, and few a day: as many go as may, and once only."""
    of = program(more={"clawback": "clamp", "transfers": {"min_points": 500, "points_per_day": 600}})
    _, points, _, _, story = the(of, "CLAMP_TRANSFER")
    assert (600, 5) == (points, len(story))


@pytest.mark.parametrize("policy", ["debt", "negative"])
def test_what_was_given_away_is_owed(policy: str) -> None:
    """Nothing is made: who gave it owes it."""
    assert [] == found(program(more={"clawback": policy}), "CLAMP_TRANSFER")


def test_a_task_of_a_day_is_undone_by_the_refund_of_its_orders() -> None:
    """Goods go back for fourteen days; what a day counted towards a task is kept for longer."""
    task = {"id": "two", "fixed": 30, "goal": {"of": "count", "reach": 2, "per": "day"}}
    of = program(task)
    assert [] == found(of, "REFUND_SPLIT")
    desk = Booking(of)
    assert [0, 30] == [desk.pays(1, "o1"), desk.pays(1, "o2")]
    desk.wait(days=14)
    assert [0, 0] == [desk.gives_back(1, "o1"), desk.gives_back(1, "o2")]


def _all_gone(desk: Booking, lines: Sequence[Line], order_id: str, cuts: Sequence[int], *, cancel: bool) -> None:
    """Every line of an order goes back in parts, or the order is cancelled."""
    moment = desk.program.moment(desk.now)
    if cancel:
        desk.book(cancelled(order_id, desk.now), moment)
        return
    for line in lines:
        edges = [0, *sorted(line.amount_minor * cut // 100 for cut in cuts), line.amount_minor]
        for place, (low, high) in enumerate(pairwise(edges)):
            part, name = (RefundLine(high - low, None, line.number),), f"{order_id}-{line.number}-{place}"
            event = refunded(high - low, order_id=order_id, refund_id=name, at=desk.now, lines=part)
            desk.book(event, moment)


@settings(max_examples=40)
@given(st.data(), PROGRAMS)
def test_where_none_is_found_random_stories_of_full_refunds_leave_nothing(data: st.DataObject, of: Program) -> None:
    """Any number of orders of any lines, each given back whole within two weeks: no points, and no debt either."""
    if refunds.search(Stage(of)) is not None:
        return
    desk, orders = Booking(of, instant("2026-03-04T12:00:00Z")), dict[str, list[Line]]()
    for number in range(data.draw(st.integers(1, 4))):
        amounts = data.draw(st.lists(st.integers(1, 4_000), min_size=1, max_size=3))
        kinds = data.draw(st.lists(st.sampled_from(["tea", "books", "luxury", None]), min_size=3, max_size=3))
        lines = [
            Line(place, f"s{place}", amount, LineKind.GOODS, kind)
            for place, (amount, kind) in enumerate(zip(amounts, kinds, strict=False), 1)
        ]
        orders[f"o{number}"] = lines
        desk.book(paid(order_id=f"o{number}", at=desk.now, lines=tuple(lines)), of.moment(desk.now))
        desk.wait(hours=data.draw(st.integers(0, 48)))
    desk.wait(days=data.draw(st.integers(0, 6)))
    for order_id in data.draw(st.permutations(sorted(orders))):
        cuts = data.draw(st.lists(st.integers(0, 100), max_size=2))
        _all_gone(desk, orders[order_id], order_id, cuts, cancel=data.draw(st.booleans()))
    assert (0, 0) == (desk.account.balance, desk.account.debt)


# MAKE_UP_PAYS ---------------------------------------------------------------------------------------------------------

DAILY = {"id": "in", "on": "member.checked_in", "streak": {"days": [10, 20, 30], "marks": {"3": 50}}}


def making_up(cost: int, *, pays: bool = False, **streak: Any) -> Program:
    """A program of check-ins in which a missed day can be made up for."""
    rule = {**DAILY, "streak": {**DAILY["streak"], **streak}}  # type: ignore[dict-item]
    return program(rule, more={"check_in": {"make_up": {"cost": cost, "pays": pays}}})


def _run(of: Program, days: int, missed: int) -> tuple[int, int, int]:
    """The points before making up for a day, after it, and after the next check-in; without 100 to begin with."""
    desk = Booking(of)
    desk.book(paid(10_000, order_id="purse", at=desk.now), of.moment(desk.now))
    begins = of.moment(desk.now).today
    for number in range(1, days + 1):
        if number != missed:
            desk.does("member.checked_in")
        desk.wait(days=1)
    if missed != days:
        desk.wait(days=-1)
    before = desk.account.balance
    desk.makes_up(begins + timedelta(days=missed - 1))
    after = desk.account.balance
    desk.wait(days=int(missed != days))
    desk.does("member.checked_in")
    return before - 100, after - 100, desk.account.balance - 100


def test_a_made_up_day_that_is_paid_more_than_it_costs() -> None:
    """The third day made up for: its 30 and the mark of 50, for 5."""
    of = making_up(5, pays=True)
    severity, points, cost, rules, story = the(of, "MAKE_UP_PAYS")
    assert ("error", 95, 0, ("in",)) == (severity, points, cost, rules)
    assert (
        "1. A has 15 points from before, which are not counted here",
        "2. A checks in on the days 1 to 3 except day 3: 30 points",
        "3. A makes up for day 3 at 5 points each: 105 points",
        "4. A checks in the next day: 135 points; without making up it would be 40",
        "5. Making up cost 5 points and brought 100: 95 more than it cost",
        "6. A made-up day is paid as if somebody had come, and more than it costs",
    ) == story
    assert (30, 105, 135) == _run(of, 3, 3)


def test_a_made_up_day_that_saves_a_run_is_a_warning() -> None:
    """Its own day is not paid, but the mark is, and the run goes on."""
    of = making_up(5)
    severity, points, *_ = the(of, "MAKE_UP_PAYS")
    assert ("warning", 65) == (severity, points)
    assert (30, 75, 105) == _run(of, 3, 3)


def test_marks_reached_twice_are_more_than_checking_in_every_day_brings() -> None:
    """Three days, a gap, three days: the mark of three twice, and then that of seven, for 5."""
    of = making_up(5, days=[1], marks={"3": 50, "7": 50})
    severity, points, _, _, story = the(of, "MAKE_UP_PAYS")
    assert ("error", 45) == (severity, points)
    assert "6. Who checks in every day has 44 points less" == story[-1]
    assert (106, 151, 152) == _run(of, 7, 4)
    desk = Booking(of)
    for _ in range(8):
        desk.does("member.checked_in")
        desk.wait(days=1)
    assert 152 - 44 == desk.account.balance


def test_a_price_above_what_a_day_can_bring_closes_it() -> None:
    """A hundred points a day."""
    assert [] == found(making_up(100, pays=True), "MAKE_UP_PAYS")


# INVITE_RING ----------------------------------------------------------------------------------------------------------

INVITER = {"id": "inv", "to": "inviter", "fixed": 50}


def test_friends_who_buy_next_to_nothing() -> None:
    """Fifty points for an order of 0.01, for every friend."""
    of = program(INVITER)
    severity, points, cost, rules, story = the(of, "INVITE_RING")
    assert ("error", 150, 3, ("inv",)) == (severity, points, cost, rules)
    assert "1. F1 accepts an invitation of A and buys goods for 0.01: 50 points for A, 0 for F1" == story[0]
    assert "4. Ends with 150 points worth 1.50 for 0.03, and every further friend brings as much" == story[-1]
    desk = Booking(of)
    for number in range(1, 4):
        desk.does("invite.accepted", f"F{number}", inviter=MEMBER)
        assert 0 == desk.pays(1, f"o{number}", f"F{number}")
        assert 50 * number == desk.account.balance


@pytest.mark.parametrize(
    ("rule", "severity"),
    [
        ({"id": "inv", "on": "invite.accepted", "to": "inviter", "fixed": 5}, "error"),
        ({"id": "inv", "on": "invite.accepted", "fixed": 5}, "warning"),
        ({**INVITER, "caps": [{"per": "month", "times": 2}]}, "warning"),
        ({**INVITER, "when": {"amount_minor": {"min": 5000}}}, None),
        ({"id": "inv", "to": "inviter", "ladder": [[5000, 50], [10000, 100]]}, None),
    ],
    ids=["no order at all", "only the friend gets something", "capped", "an order worth more", "steps worth more"],
)
def test_who_gets_what_for_which_order_decides(rule: Mapping[str, Any], severity: str | None) -> None:
    """An error without end, a warning with one, nothing where friends pay more than they bring."""
    assert ([severity] if severity else []) == [one.severity for one in found(program(rule), "INVITE_RING")]


# RATE_ABOVE_PRICE and POINTS_LOOP -------------------------------------------------------------------------------------


def test_a_rate_whose_points_are_worth_the_price() -> None:
    """A point for 1.00 that is worth 1.00."""
    of = program(more={"redemption": {"points_per_unit": 1}})
    severity, points, cost, rules, story = the(of, "RATE_ABOVE_PRICE")
    assert ("warning", 1, 100, ("base",)) == (severity, points, cost, rules)
    assert "2. Ends with 1 point worth 1.00 for 1.00, and the goods" == story[1]
    assert 1 == Booking(of).pays(100)
    assert [] == found(program(more={"redemption": {"points_per_unit": 2}}), "RATE_ABOVE_PRICE")


def test_everything_at_once_can_be_worth_the_price() -> None:
    """Ten points, five-fold on the birthday, doubled by a campaign; without one of them it is not."""
    rate = {"id": "more", "rate": {"points": 9, "per_minor": 100}}
    birthday = {"id": "bd", "when": {"birthday": "day"}, "multiply": "5"}
    campaign = {"id": "may", "from": "2026-05-01", "until": "2026-05-03", "rules": [{"id": "x", "multiply": "2"}]}
    both = program(rate, birthday, multipliers="compound", campaigns=[campaign])
    severity, points, cost, rules, story = the(both, "RATE_ABOVE_PRICE")
    assert ("warning", 100, 100, ("base", "bd", "may.x", "more")) == (severity, points, cost, rules)
    assert "1. Friday, 2026-05-01 12:00; A has birthday" == story[0]
    assert [] == found(program(rate, birthday, multipliers="compound"), "RATE_ABOVE_PRICE")


def test_a_bonus_for_every_order_however_small() -> None:
    """Without a smallest amount an error, once for each member a warning, from an amount on nothing."""
    thanks = {"id": "thanks", "fixed": 10}
    assert ("error", 10, 1, ("thanks",)) == the(program(thanks), "RATE_ABOVE_PRICE")[:4]
    assert "warning" == the(program({**thanks, "when": {"first_order": True}}), "RATE_ABOVE_PRICE")[0]
    assert [] == found(program({**thanks, "when": {"amount_minor": {"min": 2000}}}), "RATE_ABOVE_PRICE")


def test_gift_cards_that_earn_buy_the_next_gift_card() -> None:
    """The card keeps its price, and each purchase of the next earns; excluded goods do not."""
    cards = {"id": "cards", "when": {"category": ["gift-card"]}, "rate": {"points": 2, "per_minor": 100}}
    severity, points, cost, rules, story = the(program(cards), "POINTS_LOOP")
    assert ("error", 900, 0, ("base", "cards")) == (severity, points, cost, rules)
    assert "6. Ends with the gift-card of 100.00 and 900 points that cost nothing" == story[-1]
    desk = Booking(program(cards))
    assert [300, 600, 900] == [desk.pays(10_000, f"o{number}", category="gift-card") for number in range(3)]
    assert [] == found(program(cards, exclude={"category": ["gift-card"]}), "POINTS_LOOP")


def test_a_coupon_that_is_bought_with_points_and_brings_some() -> None:
    """Points are spent on a coupon, which is an event that gives points."""
    used = {"id": "used", "on": "coupon.redeemed", "fixed": 5}
    assert ("error", 15, 0, ("used",)) == the(program(used), "POINTS_LOOP")[:4]
    desk = Booking(program(used))
    assert [5, 5, 5] == [desk.does("coupon.redeemed").points for _ in range(3)]
    assert "warning" == the(program({**used, "caps": [{"per": "day", "points": 50}]}), "POINTS_LOOP")[0]
    assert [] == found(program({**used, "caps": [{"per": "ever", "times": 1}]}), "POINTS_LOOP")


@pytest.mark.parametrize("basis", [{}, {"shipping": True}, {"tax": False}])
def test_an_order_that_points_pay_earns_nothing(basis: Mapping[str, bool]) -> None:
    """However the basis is worked out, and with a bonus for every order."""
    assert [] == found(program({"id": "thanks", "fixed": 10}, basis=basis), "POINTS_LOOP")


@pytest.mark.parametrize("day", [date(2027, 2, 1), date(2027, 2, 2)], ids=str)
def test_the_allowance_of_the_first_of_a_month_comes_of_no_order(day: date) -> None:
    """On the day on which levels bring it, a program is checked as on any other."""
    levels = [{"id": "member", "from": 0}, {"id": "gold", "from": 100, "multiplier": "1.2", "allowance": 500}]
    of = program(more={"currency": "CNY", "tiers": {"downgrade": "at_once", "levels": levels}})
    assert [] == [one for one in check(of, day) if one.code in {"POINTS_LOOP", "RATE_ABOVE_PRICE"}]


# UNCAPPED_GIFT and BUDGETLESS -----------------------------------------------------------------------------------------

SURVEY = {"id": "survey", "on": "survey.completed", "given": {"field": "points", "min": 1, "max": 50}}


def test_an_event_that_pays_each_time() -> None:
    """The most that the shop may name, three times within a minute."""
    severity, points, cost, rules, story = the(program(SURVEY), "UNCAPPED_GIFT")
    assert ("warning", 150, 0, ("survey",)) == (severity, points, cost, rules)
    assert (
        "1. A causes survey.completed (points 50) and gets 50 points (3 times)",
        "2. 150 points worth 1.50 within a minute, and so on",
    ) == story
    desk = Booking(program(SURVEY))
    assert 150 == sum(desk.does("survey.completed", points=50).points for _ in range(3))


@pytest.mark.parametrize(
    ("bound", "earning"),
    [
        ({"caps": [{"per": "day", "times": 1}]}, {}),
        ({"once_per": "survey_id"}, {}),
        ({"approval": True}, {}),
        ({"enabled": False}, {}),
        ({}, {"caps": [{"per": "day", "points": 1000}]}),
    ],
)
def test_whatever_bounds_an_event_closes_it(bound: Mapping[str, Any], earning: Mapping[str, Any]) -> None:
    """A cap of its own or over all rules, a value that counts once, a person who decides."""
    assert [] == found(program({**SURVEY, **bound}, **earning), "UNCAPPED_GIFT")


def _campaign(**more: Any) -> dict[str, Any]:
    return {"id": "may", "from": "2026-05-01", "until": "2026-05-03", **more}


def test_a_campaign_that_nothing_bounds() -> None:
    """Doubling without a budget and without a cap; either closes it."""
    double = {"id": "x", "multiply": "2"}
    severity, points, cost, rules, story = the(program(campaigns=[_campaign(rules=[double])]), "BUDGETLESS")
    assert ("warning", 60_000, 3_000_000, ("may.x",)) == (severity, points, cost, rules)
    assert "2. A buys goods for 10000.00 and gets 20000 points (3 times)" == story[1]
    desk = Booking(program(campaigns=[_campaign(rules=[double])]), instant("2026-05-01T12:00:00Z"))
    assert 60_000 == [desk.pays(1_000_000, f"o{number}") for number in range(3)][-1]
    assert [] == found(program(campaigns=[_campaign(rules=[double], budget_points=10)]), "BUDGETLESS")
    capped = {**double, "caps": [{"per": "day", "points": 100}]}
    assert [] == found(program(campaigns=[_campaign(rules=[capped])]), "BUDGETLESS")
    assert [] == found(program(campaigns=[_campaign(rules=[double])], caps=[{"per": "day", "points": 9}]), "BUDGETLESS")


# CAP_MIDNIGHT ---------------------------------------------------------------------------------------------------------


def test_hours_over_midnight_have_two_days_of_a_cap() -> None:
    """Three shares at 23:45, three more at 00:15; a cap that never resets closes it."""
    shares = {"id": "night", "on": "page.shared", "fixed": 5, "when": {"window": {"hours": ["22:00-02:00"]}}}
    of = program({**shares, "caps": [{"per": "day", "times": 3}]})
    severity, points, _, rules, story = the(of, "CAP_MIDNIGHT")
    assert ("warning", 30, ("night",)) == (severity, points, rules)
    assert (
        "1. 2026-01-07 23:45: A gets 15 points by page.shared 3 times",
        "2. 2026-01-08 00:15: A gets 15 points by page.shared 3 times",
        "3. 30 points within half an hour; night/day/times allows 3 times",
    ) == story
    desk = Booking(of, instant("2026-01-07T23:45:00Z"))
    assert 15 == sum(desk.does("page.shared").points for _ in range(4))
    desk.wait(minutes=30)
    assert 15 == sum(desk.does("page.shared").points for _ in range(4))
    assert [] == found(program({**shares, "caps": [{"per": "ever", "times": 3}]}), "CAP_MIDNIGHT")


def test_a_campaign_that_a_week_ends_in_has_two_weeks_of_a_cap() -> None:
    """From Wednesday to Tuesday twice, from Monday to Sunday once."""
    bonus = {"id": "b", "fixed": 20, "caps": [{"per": "week", "points": 40}]}
    across = {"id": "wk", "from": "2026-03-04", "until": "2026-03-10", "rules": [bonus]}
    severity, points, _, rules, story = the(program(campaigns=[across]), "CAP_MIDNIGHT")
    assert ("warning", 80, ("wk.b",)) == (severity, points, rules)
    assert "1. 2026-03-08 23:45: A gets 40 points by 2 orders" == story[0]
    within = {**across, "from": "2026-03-02", "until": "2026-03-08"}
    assert [] == found(program(campaigns=[within]), "CAP_MIDNIGHT")


def test_of_the_usual_caps_the_one_is_told_that_lets_most_through() -> None:
    """A thousand a day over all rules, before that of thirty shares."""
    share = {"id": "share", "on": "page.shared", "fixed": 5, "caps": [{"per": "day", "points": 30}]}
    of = program(share, caps=[{"per": "day", "points": 1000}], more={"time_zone": "Asia/Shanghai"})
    severity, points, _, rules, story = the(of, "CAP_MIDNIGHT")
    assert ("warning", 2000, ("base",)) == (severity, points, rules)
    assert "3. 2000 points within half an hour; */day/points allows 1000 points" == story[-1]


# TIER_PUMP ------------------------------------------------------------------------------------------------------------


def _tiers(**terms: Any) -> Program:
    return program(more={"tiers": {"levels": LEVELS, **terms}})


@pytest.mark.parametrize(
    ("terms", "severity", "points"),
    [
        ({}, "error", 7000),
        ({"downgrade": "never"}, "error", 7000),
        ({"downgrade": "one_step"}, "error", 7000),
        ({"downgrade": "at_once"}, "warning", 500),
    ],
)
def test_a_level_that_outlives_the_refunds_gives_its_allowance(
    terms: Mapping[str, Any], severity: str, points: int
) -> None:
    """Fourteen months of it, or what came before the goods went back."""
    found_severity, gain, cost, rules, story = the(_tiers(**terms), "TIER_PUMP")
    assert (severity, points, 0, ("tiers.gold",)) == (found_severity, gain, cost, rules)
    assert "1. A buys goods for 100.00 and is gold" == story[0]
    desk = Booking(_tiers(**terms), instant("2026-01-18T12:00:00Z"))
    assert 100 == desk.pays(10_000)
    desk.now = instant("2026-02-01T12:00:00Z")
    assert 600 == desk.allowance()
    assert 500 == desk.gives_back(10_000)
    given_points = 500
    for month in range(3, 16):
        desk.now = instant(f"{2026 + (month - 1) // 12}-{(month - 1) % 12 + 1:02d}-01T12:00:00Z")
        before = as_of(desk.account, desk.program.moment(desk.now)).account.balance
        given_points += desk.allowance() - before
    assert points == given_points


def test_a_multiplier_kept_by_refunds_is_a_warning() -> None:
    """Twice the points for an order that is kept, by a level that nothing was kept for; not where a refund ends it."""
    levels = [{"id": "member", "from": 0}, {"id": "gold", "from": 100, "multiplier": "2"}]
    terms = {"tiers": {"levels": levels}}
    severity, points, cost, rules, _ = the(program(more=terms), "TIER_PUMP")
    assert ("warning", 1000, 100_000, ("tier.gold",)) == (severity, points, cost, rules)
    desk = Booking(program(more=terms))
    assert [100, 0] == [desk.pays(10_000), desk.gives_back(10_000)]
    assert 2000 == desk.pays(100_000, "o2")
    assert [] == found(program(more={"tiers": {"levels": levels, "downgrade": "at_once"}}), "TIER_PUMP")


def test_a_level_that_cannot_be_reached_while_goods_can_go_back_is_safe() -> None:
    """Ten points a day make no hundred within two weeks."""
    of = program(caps=[{"per": "month", "points": 50}], more={"tiers": {"levels": LEVELS}})
    assert [] == found(of, "TIER_PUMP")


# NEVER_APPLIES --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "earning", "because"),
    [
        ({"fixed": 3, "when": {"window": {"until": "2025-01-01"}}}, {}, "its window is over"),
        (
            {"fixed": 3, "when": {"window": {"from": "2026-12-01", "until": "2026-12-02", "weekdays": ["sun"]}}},
            {},
            "its window is over, or never opens",
        ),
        ({"fixed": 3, "caps": [{"per": "day", "points": 0}]}, {}, "a cap or budget leaves it nothing"),
        ({"fixed": 3, "when": {"category": ["x"]}}, {"exclude": {"category": ["x"]}}, "no line can have"),
        ({"fixed": 3, "priority": -1}, {"stacking": "exclusive"}, "refused as EXCLUDED_BY_PRIORITY"),
        ({"fixed": 3, "on": "a.b", "priority": -1}, {"caps": [{"per": "day", "points": 0}]}, "a cap or budget"),
        ({"multiply": "1"}, {}, "once is what the rates give anyway"),
        (
            {"on": "a.b", "ladder": {"field": "n", "steps": [[50, 2]]}, "when": {"data": {"n": {"max": 20}}}},
            {},
            "refused as BELOW_FIRST_STEP",
        ),
    ],
)
def test_a_rule_that_cannot_give_anything(rule: Mapping[str, Any], earning: Mapping[str, Any], because: str) -> None:
    """A warning with the engine's own reason."""
    findings = found(program({"id": "odd", **rule}, **earning), "NEVER_APPLIES", date(2026, 11, 26))
    assert any(because in one.story[0] for one in findings if one.rules == ("odd",))


def test_a_multiplier_needs_a_rate() -> None:
    """A program of bonuses alone has nothing to double."""
    rules = [{"id": "f", "fixed": 1, "when": {"amount_minor": {"min": 1000}}}, {"id": "m", "multiply": "2"}]
    (finding,) = found(parse_program({"earning": {"rules": rules}}), "NEVER_APPLIES")
    assert ("1. m never gives anything: there is no rate on orders that it could multiply",) == finding.story


def test_a_step_that_the_rule_itself_keeps_out_of_reach() -> None:
    """Steps above the highest amount that the rule is for."""
    rule = {"id": "steps", "ladder": [[1000, 1], [9000, 5]], "when": {"amount_minor": {"max": 5000}}}
    (finding,) = found(program(rule), "NEVER_APPLIES")
    assert ("1. steps never gives its 5 points from 9000 on: it is for at most 5000",) == finding.story


def test_a_mark_that_a_cap_cuts() -> None:
    """The third day of a run is worth 80, and 40 a day are allowed."""
    capped = {**DAILY, "caps": [{"per": "day", "points": 40}]}
    (finding,) = found(program(capped), "NEVER_APPLIES")
    assert ("1. A checks in on 3 days for a mark of 50 points: in/day/points takes 40",) == finding.story
    assert [] == found(program(DAILY), "NEVER_APPLIES")


def test_windows_are_over_only_for_who_says_what_day_it_is() -> None:
    """Without a day the campaign of last spring is played in last spring."""
    of = program(campaigns=[_campaign(rules=[{"id": "x", "multiply": "2"}], budget_points=9)])
    assert [] == found(of, "NEVER_APPLIES")
    (finding,) = found(of, "NEVER_APPLIES", date(2026, 11, 26))
    assert (("may.x",), ("1. may is over: its rules give nothing any more",)) == (finding.rules, finding.story)
    assert [] == found(of, "NEVER_APPLIES", date(2026, 5, 3))


# Policies of validity ------------------------------------------------------------------------------------------------


def policed(*policies: Mapping[str, Any]) -> Program:
    """A program with these policies."""
    return program(more={"validity": {"policies": list(policies)}})


LOYAL = {
    "id": "loyal",
    "starts_on": "2027-01-01",
    "when": {"spent": {"months": 3, "each_minor": 50_000, "wait_days": 14}},
    "extend": {"months": 6},
}
AWAY = {"inactive": {"months": 2, "without": ["order"], "known_since": "2026-12-01"}}


def test_a_policy_that_has_started_is_named_by_the_day_of_the_check() -> None:
    """On its first day and later, not before."""
    assert [] == found(policed(LOYAL), "POLICY_AT_ONCE", date(2026, 12, 31))
    (one,) = found(policed(LOYAL), "POLICY_AT_ONCE", date(2027, 1, 1))
    assert ("1. loyal starts on 2027-01-01: whoever has qualified is met in the next night",) == one.story
    assert ("warning", ("loyal",)) == (str(one.severity), one.rules)


def test_an_extension_for_being_away_meets_whatever_is_taken_for_it() -> None:
    """Both are of the same member, whatever is missed; two that shorten are no contradiction."""
    winner = {"id": "winner", "starts_on": "2027-01-01", "when": AWAY, "extend": {"months": 1}}
    sleepy = {"id": "sleepy", "starts_on": "2027-01-01", "when": AWAY, "leave": {"months": 3}}
    dormant = {"id": "dormant", "starts_on": "2027-01-01", "when": AWAY, "void": {"share": "0.5"}}
    assert [("winner", "sleepy"), ("winner", "dormant")] == sorted(
        (one.rules for one in found(policed(winner, sleepy, dormant), "POLICIES_FLIP")), key=str, reverse=True
    )
    assert [] == found(policed(sleepy, dormant), "POLICIES_FLIP")
    assert [] == found(policed(LOYAL, sleepy), "POLICIES_FLIP")
