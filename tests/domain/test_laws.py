"""Laws of the ledger, each over many drawn histories.

facts of an order ──any order, copies, parts──> the same points
any operations, any time ──> the entries prove the account, and nothing is lost or made
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from math import ceil, floor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jifen.domain.account import Account, as_of, replay
from jifen.domain.entries import Entry, Kind, digest
from jifen.domain.errors import HoldAlreadyResolved, HoldExpired, InsufficientPoints, InvalidInput
from jifen.domain.lots import Lot, LotChange, order_key, total
from jifen.domain.orders import Line, LineKind, OrderEvent, RefundLine, kept_minor
from jifen.domain.points import Rounding
from jifen.domain.program import ClawbackPolicy, Moment, Program, parse_program
from jifen.domain.proof import prove
from jifen.domain.rules.engine import entitled
from jifen.domain.rules.model import RuleSet, bare
from jifen.domain.spending import Hold, HoldStatus, Redemption
from jifen.domain.standing import NOTHING_KNOWN
from tests.domain.builders import CURRENCY, MEMBER, Desk, cancelled, later, noon, paid, refunded

POLICIES = st.sampled_from(ClawbackPolicy)
RATES = st.builds(
    lambda points, per_minor, rounding: (points, per_minor, rounding),
    st.integers(0, 20),
    st.sampled_from([1, 7, 30, 100, 1_000]),
    st.sampled_from(Rounding),
)
RULES = st.lists(RATES, max_size=3).map(
    lambda rates: bare(tuple((f"rule-{number}", *rate) for number, rate in enumerate(rates)))
)
EARNING = RULES.map(lambda rules: bare((*rules.rates, ("one", 1, 7, Rounding.FLOOR))))
"""Rules under which goods are worth something."""

PROGRAMS = st.builds(lambda rules, policy: replace(Program(), rules=rules, clawback=policy), RULES, POLICIES)
AMOUNTS = st.integers(0, 3_000)
MARCH = st.integers(0, 31 * 86_400 - 1).map(
    lambda seconds: datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
"""Instants that share one lot date: a year on, at the end of March."""

LINES = st.lists(st.tuples(AMOUNTS, st.sampled_from(LineKind)), max_size=4).map(
    lambda drawn: tuple(Line(number, f"s{number}", amount, kind) for number, (amount, kind) in enumerate(drawn, 1))
)
REFUND_LINES = st.lists(
    st.builds(RefundLine, AMOUNTS, st.none() | st.sampled_from(LineKind), st.none() | st.integers(1, 5)), max_size=3
).map(tuple)


@dataclass(frozen=True)
class Story:
    """The facts of one order, and the same facts as another day delivers them: cut, copied and shuffled."""

    facts: tuple[OrderEvent, ...]
    delivered: tuple[OrderEvent, ...]


def _cut(event: OrderEvent, cuts: Sequence[int]) -> list[OrderEvent]:
    """A refund in parts with ids of their own, whose amounts add up line by line; other events stay whole."""
    refund = event.refund
    if refund is None or not cuts:
        return [event]
    shares = len(cuts) + 1
    parts = []
    for number in range(shares):

        def share(amount: int, number: int = number) -> int:
            edges = [0, *sorted(amount * cut // 100 for cut in cuts), amount]
            return edges[number + 1] - edges[number]

        lines = tuple(replace(line, amount_minor=share(line.amount_minor)) for line in refund.lines)
        part = replace(
            refund, refund_id=f"{refund.refund_id}/{number}", lines=lines, total_minor=share(refund.total_minor or 0)
        )
        parts.append(replace(event, refund=part))
    return parts


@st.composite
def stories(
    draw: st.DrawFn,
    members: Sequence[str | None] = (MEMBER,),
    instants: st.SearchStrategy[datetime] = MARCH,
    *,
    cut: bool = True,
    order_id: str = "o1",
) -> Story:
    """One order: paid in up to three revisions, refunded up to four times, cancelled or not."""
    facts: list[OrderEvent] = [
        paid(
            order_id=order_id,
            revision=revision,
            at=draw(instants),
            lines=draw(LINES),
            member=draw(st.sampled_from(members)),
            currency=draw(st.sampled_from([CURRENCY, CURRENCY, CURRENCY, "JPY"])),
        )
        for revision in range(draw(st.integers(0, 3)))
    ]
    for number in range(draw(st.integers(0, 4))):
        currency = draw(st.sampled_from([CURRENCY, CURRENCY, CURRENCY, "JPY"]))
        facts.append(
            refunded(
                draw(AMOUNTS), order_id=order_id, refund_id=f"r{number}", lines=draw(REFUND_LINES), currency=currency
            )
        )
    if draw(st.integers(0, 4)) == 0:
        facts.append(cancelled(order_id))
    cuts = st.lists(st.integers(0, 100), max_size=3) if cut else st.just([])
    parts = [part for event in facts for part in _cut(event, draw(cuts))]
    copies = draw(st.lists(st.sampled_from(parts), max_size=5)) if parts else []
    return Story(tuple(facts), tuple(draw(st.permutations([*parts, *copies]))))


def tell(desk: Desk, events: Sequence[OrderEvent], start: Moment) -> Desk:
    """Book the events, a minute apart."""
    for minutes, event in enumerate(events):
        desk.book(event, later(start, minutes=minutes))
    return desk


def worth(desk: Desk, order_id: str = "o1") -> int:
    """What an order is worth by the rules as the contract words them, in fractions."""
    order = desk.orders.get(order_id)
    if order is None or order.paid is None or order.paid.member is None:
        return 0
    if desk.program.currency not in (None, order.paid.currency):
        return 0
    kept, points = kept_minor(order), 0
    for _, each, per, rounding in desk.program.rules.rates:
        exact = Fraction(each * kept, per)
        rounded = {
            Rounding.FLOOR: floor(exact),
            Rounding.CEIL: ceil(exact),
            Rounding.HALF_UP: floor(exact + Fraction(1, 2)),
        }
        points += rounded[rounding]
    return points


def granted(desk: Desk, order_id: str = "o1") -> int:
    """What an order has been granted."""
    order = desk.orders.get(order_id)
    return order.award.granted if order and order.award else 0


# Orders converge -----------------------------------------------------------------------------------------------------


@given(stories(cut=False), PROGRAMS)
def test_copies_in_any_order_end_in_the_same_order_and_account(story: Story, program: Program) -> None:
    """However often and in whatever order the facts arrive, document, lots, balance and debt are the same."""
    told, shuffled = (tell(Desk(program), events, noon("2026-04-01")) for events in (story.facts, story.delivered))
    assert told.orders == shuffled.orders
    assert told.account.lots == shuffled.account.lots
    assert (told.account.balance, told.account.debt) == (shuffled.account.balance, shuffled.account.debt)


@given(stories(), PROGRAMS)
def test_a_refund_in_parts_ends_in_the_same_points(story: Story, program: Program) -> None:
    """Refunds cut into parts, copied and shuffled leave the award, the lots, the balance and no debt."""
    told, shuffled = (tell(Desk(program), events, noon("2026-04-01")) for events in (story.facts, story.delivered))
    awards = [[order.award for order in desk.orders.values()] for desk in (told, shuffled)]
    assert awards[0] == awards[1]
    assert told.account.lots == shuffled.account.lots
    assert (told.account.balance, 0) == (shuffled.account.balance, shuffled.account.debt)


@given(stories(), PROGRAMS)
def test_an_order_is_granted_what_its_state_is_worth(story: Story, program: Program) -> None:
    """After every single event, granted = entitled = the rules worked out in fractions = the points in the account."""
    desk = Desk(program)
    for minutes, event in enumerate(story.delivered):
        desk.book(event, later(noon("2026-04-01"), minutes=minutes))
        expected = worth(desk)
        assert expected == granted(desk)
        assert expected == entitled(desk.order, program.rules, program.currency)
        assert expected == desk.account.balance == total(desk.account.lots)


@given(stories(members=(MEMBER, "m2", None)), PROGRAMS)
def test_an_order_that_changes_hands_ends_with_its_last_owner(story: Story, program: Program) -> None:
    """When revisions name different members, the points are with the last revision's, whatever came first."""
    told, shuffled = (tell(Desk(program), events, noon("2026-04-01")) for events in (story.facts, story.delivered))
    for member in (MEMBER, "m2"):
        owns = "o1" in told.orders and told.order.paid is not None and told.order.paid.member == member
        assert (worth(told) if owns else 0) == told.of(member).balance
        assert told.of(member).lots == shuffled.of(member).lots
        assert told.of(member).debt == shuffled.of(member).debt == 0


@given(
    stories(members=(MEMBER, MEMBER, "m2", None)),
    EARNING,
    st.integers(0, 3_000),
    st.lists(st.tuples(st.integers(0, 5), st.sampled_from([30, 100])), min_size=1, max_size=3),
)
def test_clamp_forgives_no_member_the_same_points_twice(
    story: Story, rules: RuleSet, base_minor: int, spends: list[tuple[int, int]]
) -> None:
    """Whoever the order goes to in between: a member has B + what the order is worth to them - S, or 0."""
    desk = Desk(replace(Program(), rules=rules, clawback=ClawbackPolicy.CLAMP))
    desk.book(paid(base_minor, order_id="base"), noon("2026-04-01"))
    base, spent = desk.account.balance, 0
    for minutes, event in enumerate(story.delivered):
        moment = later(noon("2026-04-01"), minutes=minutes + 1)
        desk.book(event, moment)
        for after, share in spends:
            points = desk.account.available(moment.today) * share // 100
            if after == minutes and points:
                desk.redeem(points, moment)
                spent += points
        owns = desk.order.paid is not None and desk.order.paid.member == MEMBER
        assert max(0, base + (worth(desk) if owns else 0) - spent) == desk.account.balance
        assert (0, 0) == (desk.account.debt, desk.of("m2").debt)


DAYS_OF_2026 = st.integers(0, 364 * 24).map(lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours))


@given(stories(instants=DAYS_OF_2026), PROGRAMS)
def test_the_lot_date_is_that_of_the_last_paid_state(story: Story, program: Program) -> None:
    """Revisions that move the payment to another month move the lot along, while neither date has passed."""
    told, shuffled = (tell(Desk(program), events, noon("2026-12-31")) for events in (story.facts, story.delivered))
    assert told.account.lots == shuffled.account.lots
    points = worth(told)
    if points:
        assert told.order.paid is not None
        expected = program.expiry.last_valid_day(told.order.paid.at.date())
        assert (Lot(points, expected),) == told.account.lots


@settings(max_examples=50)
@given(st.data(), PROGRAMS)
def test_events_of_several_orders_may_interleave(data: st.DataObject, program: Program) -> None:
    """Orders of one account do not disturb each other: each lot date holds the sum of what its orders are worth."""
    told = [data.draw(stories(instants=DAYS_OF_2026, order_id=f"o{number}")) for number in range(3)]
    events = [event for story in told for event in story.delivered]
    desk = tell(Desk(program), data.draw(st.permutations(events)), noon("2026-12-31"))
    expected: dict[Any, int] = {}
    for order_id, order in desk.orders.items():
        if worth(desk, order_id):
            assert order.paid is not None
            date = program.expiry.last_valid_day(order.paid.at.date())
            expected[date] = expected.get(date, 0) + worth(desk, order_id)
    assert expected == {lot.expires_on: lot.points for lot in desk.account.lots}
    assert 0 == desk.account.debt


@given(st.data(), PROGRAMS, st.integers(0, 3_000), st.lists(st.integers(1, 2_000), max_size=4))
def test_spends_in_between_change_the_balance_by_themselves_only(
    data: st.DataObject, program: Program, base_minor: int, spends: list[int]
) -> None:
    """With S points spent in between, the balance is B + entitled - S, or 0 if that is less and the policy is clamp.

    B are the points of another order that stays as it is. So two runs in which the same redemptions succeeded end
    in the same balance, whatever came first.
    """
    story = data.draw(stories())
    balances: dict[int, set[int]] = {}
    for events in (story.facts, story.delivered):
        desk = Desk(program)
        desk.book(paid(base_minor, order_id="base"), noon("2026-04-01"))
        base, spent = desk.account.balance, 0
        steps: list[OrderEvent | int] = list(events)
        for position, points in enumerate(spends):
            steps.insert(data.draw(st.integers(0, len(steps)), label=f"spend {position} at"), points)
        for minutes, step in enumerate(steps, 1):
            moment = later(noon("2026-04-01"), minutes=minutes)
            if not isinstance(step, int):
                desk.book(step, moment)
            elif step <= desk.account.available(moment.today):
                desk.redeem(step, moment)
                spent += step
            else:
                with pytest.raises(InsufficientPoints):
                    desk.redeem(step, moment)
            exact = base + worth(desk) - spent
            assert (max(0, exact) if program.clawback is ClawbackPolicy.CLAMP else exact) == desk.account.balance
            assert max(0, -desk.account.balance) == desk.account.debt
        assert worth(desk) == granted(desk)
        balances.setdefault(spent, set()).add(desk.account.balance)
    assert all(len(ends) == 1 for ends in balances.values())


@given(st.data(), RULES)
def test_policy_negative_has_the_numbers_of_policy_debt(data: st.DataObject, rules: RuleSet) -> None:
    """Debt and negative differ in how the balance is shown, not in any number of the ledger."""
    story = data.draw(stories())
    spends = data.draw(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 1_000)), max_size=3))
    desks = []
    for policy in (ClawbackPolicy.DEBT, ClawbackPolicy.NEGATIVE):
        desk = Desk(replace(Program(), rules=rules, clawback=policy))
        for minutes, event in enumerate(story.delivered):
            moment = later(noon("2026-04-01"), minutes=minutes)
            desk.book(event, moment)
            for after, points in spends:
                if after == minutes and points <= desk.account.available(moment.today):
                    desk.redeem(points, moment)
        desks.append(desk)
    debt, negative = desks
    assert replace(debt.account, head_hash="") == replace(negative.account, head_hash="")
    assert debt.points == negative.points


# Any operations, any time --------------------------------------------------------------------------------------------

ZONES = (
    "UTC",
    "Asia/Shanghai",
    "Europe/London",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Pacific/Apia",
    "Africa/Cairo",
)
STARTS = (
    "2026-01-31T22:30:00+00:00",
    "2024-02-28T23:59:59+00:00",
    "2026-03-29T00:59:00+00:00",
    "2018-11-03T20:00:00+00:00",
    "2010-11-06T20:00:00+00:00",
    "2011-12-29T20:00:00+00:00",
    "2026-10-25T00:30:00+00:00",
)
EXPIRIES: tuple[dict[str, object], ...] = (
    {"policy": "never"},
    {"policy": "days", "days": 1},
    {"policy": "days", "days": 40},
    {"policy": "months", "months": 1},
    {"policy": "months", "months": 2, "round_up_to": "none"},
    {"policy": "fixed_date", "month_day": "02-29", "years": 0},
)
WAITS = st.sampled_from(
    [
        timedelta(0),
        timedelta(seconds=1),
        timedelta(minutes=15),
        timedelta(hours=1),
        timedelta(hours=9, minutes=29),
        timedelta(days=1),
        timedelta(days=27),
        timedelta(days=66),
    ]
)


# Late deliveries -----------------------------------------------------------------------------------------------------

EXPIRING = st.sampled_from([parse_program({"expiry": expiry}).expiry for expiry in EXPIRIES])
PROGRAMS_THAT_EXPIRE = st.builds(
    lambda rules, policy, expiry: replace(Program(), rules=rules, clawback=policy, expiry=expiry),
    EARNING,
    POLICIES,
    EXPIRING,
)
ANY_TIME = st.integers(0, 800 * 24).map(lambda hours: datetime(2025, 12, 1, tzinfo=UTC) + timedelta(hours=hours))
"""Before, between and long after the last valid days of what was paid in 2026."""

HANDS = (MEMBER, MEMBER, MEMBER, "m2", None)


def standing(desk: Desk) -> list[object]:
    """All that must not depend on the way there: balance, lots, debt and what came of the points, for each member."""
    awards = [desk.orders[order_id].award for order_id in sorted(desk.orders)]
    found: list[object] = [(award.member, award.granted, award.lapsed) for award in awards if award and award.granted]
    for member in (MEMBER, "m2"):
        account = desk.of(member)
        assert prove(account, desk.entries.get(member, [])).valid
        life = account.lifetime
        found += [account.balance, account.lots, account.debt, life.earned - life.clawed_back, life.expired]
    return found


@settings(max_examples=80)
@given(stories(members=HANDS, instants=DAYS_OF_2026), PROGRAMS_THAT_EXPIRE, ANY_TIME)
def test_at_any_one_moment_the_order_of_arrival_does_not_matter(story: Story, program: Program, now: datetime) -> None:
    """Facts that all arrive at one moment, lapsed or not, in any order, copies and parts, leave the same accounts."""
    moment, ends = program.moment(now), []
    for events in (story.facts, story.delivered):
        desk = Desk(program)
        for event in events:
            desk.book(event, moment)
            assert worth(desk) == granted(desk)
            assert not any(lot.expired(moment.today) for lot in desk.account.lots)
        assert (0, 0) == (desk.account.debt, desk.of("m2").debt)
        assert all(not order.forgiven for order in desk.orders.values())
        ends.append(standing(desk))
    assert ends[0] == ends[1]


@settings(max_examples=80)
@given(
    stories(members=HANDS, instants=DAYS_OF_2026),
    PROGRAMS_THAT_EXPIRE,
    st.lists(st.integers(0, 400), min_size=30, max_size=30),
    st.booleans(),
)
def test_after_the_lapse_neither_order_nor_time_of_arrival_matters(
    story: Story,
    program: Program,
    waits: list[int],
    sweeps: bool,  # noqa: FBT001
) -> None:
    """Facts that all arrive after the points have lapsed, days or years apart, swept in between or not, agree."""
    ends = []
    for events, times in ((story.facts, waits), (story.delivered, waits[::-1])):
        desk, now = Desk(program), datetime(2028, 1, 1, tzinfo=UTC)
        for event, wait in itertools.zip_longest(events, times[: len(events)], fillvalue=0):
            assert isinstance(event, OrderEvent)
            now += timedelta(days=wait)
            desk.book(event, program.moment(now))
            if sweeps:
                desk.sweep(program.moment(now + timedelta(hours=1)))
        ends.append(standing(desk))
        assert (0, 0) == (desk.account.debt, desk.of("m2").debt)
    assert ends[0] == ends[1]


@settings(max_examples=30)
@given(st.data(), PROGRAMS_THAT_EXPIRE, ANY_TIME)
def test_late_events_of_several_orders_may_interleave(data: st.DataObject, program: Program, now: datetime) -> None:
    """Orders of one account whose points share lots, lapsed or not, do not disturb each other."""
    told = [data.draw(stories(instants=DAYS_OF_2026, order_id=f"o{number}")) for number in range(3)]
    facts = [event for story in told for event in story.facts]
    delivered = data.draw(st.permutations([event for story in told for event in story.delivered]))
    desks = [Desk(program), Desk(program)]
    for desk, events in zip(desks, (facts, delivered), strict=True):
        for event in events:
            desk.book(event, program.moment(now))
        assert 0 == desk.account.debt
    assert standing(desks[0]) == standing(desks[1])


class LedgerMachine(RuleBasedStateMachine):
    """A member who buys, returns, spends, holds and waits, in every way a shop can think of."""

    desk: Desk
    now: datetime
    debits: list[tuple[Moment, Entry]]

    @initialize(
        zone=st.sampled_from(ZONES),
        start=st.sampled_from(STARTS),
        expiry=st.sampled_from(EXPIRIES),
        policy=POLICIES,
        rounding=st.sampled_from(Rounding),
    )
    def open(
        self, zone: str, start: str, expiry: dict[str, object], policy: ClawbackPolicy, rounding: Rounding
    ) -> None:
        """An account under a drawn program."""
        rules = [{"id": "base", "rate": {"points": 3, "per_minor": 7}, "rounding": str(rounding)}]
        data = {"time_zone": zone, "expiry": expiry, "clawback": str(policy), "earning": {"rules": rules}}
        self.desk = Desk(parse_program(data))
        self.now = datetime.fromisoformat(start)
        self.debits = []

    @property
    def moment(self) -> Moment:
        """This instant in the program's zone."""
        return self.desk.program.moment(self.now)

    @property
    def truth(self) -> Account:
        """The account as it is at this instant, written down or not."""
        return as_of(self.desk.account, self.moment).account

    @rule(by=WAITS)
    def wait(self, by: timedelta) -> None:
        """Time passes."""
        self.now += by

    @rule(by=WAITS)
    def sweep(self, by: timedelta) -> None:
        """Time passes and is written down; a second sweep at the same instant has nothing to write."""
        self.now += by
        self.desk.sweep(self.moment)
        written = len(self.desk.points)
        self.desk.sweep(self.moment)
        assert written == len(self.desk.points)

    @rule(
        number=st.integers(1, 3),
        amount=AMOUNTS,
        revision=st.integers(0, 3),
        late=st.sampled_from([0, 0, 0, 20, 70, 800]),
    )
    def pay(self, number: int, amount: int, revision: int, late: int) -> None:
        """An order is paid, or paid anew; the news may take days or years."""
        at = self.now - timedelta(days=late)
        self.desk.book(paid(amount, order_id=f"o{number}", at=at, revision=revision), self.moment)

    @rule(number=st.integers(1, 3), amount=AMOUNTS, refund=st.integers(1, 4))
    def refund(self, number: int, amount: int, refund: int) -> None:
        """Some of an order is given back."""
        event = refunded(amount, order_id=f"o{number}", refund_id=f"r{refund}", at=self.now)
        self.desk.book(event, self.moment)

    @rule(number=st.integers(1, 3))
    def cancel(self, number: int) -> None:
        """An order is cancelled."""
        self.desk.book(cancelled(f"o{number}", self.now), self.moment)

    @rule(points=st.integers(1, 500), lasts=st.none() | st.integers(0, 60), starts=st.none() | st.integers(0, 20))
    def give(self, points: int, lasts: int | None, starts: int | None) -> None:
        """Points are given, perhaps for a while, perhaps from a later day on."""
        today = self.moment.today
        ends = None if lasts is None else today + timedelta(days=lasts)
        self.desk.bonus((Lot(points, ends, None if starts is None else today + timedelta(days=starts)),), self.moment)

    @rule(share=st.integers(1, 120), hold=st.booleans(), seconds=st.sampled_from([1, 900, 86_400, 2_592_000]))
    def spend(self, share: int, seconds: int, *, hold: bool) -> None:
        """Points are spent or held: soonest-expiring first, all or nothing, never more than available."""
        before = self.truth
        available = before.available(self.moment.today)
        points = max(1, available * share // 100)
        account, written = self.desk.account, len(self.desk.points)
        if points > available:
            with pytest.raises(InsufficientPoints) as refusal:
                self.desk.authorize(points, seconds, self.moment) if hold else self.desk.redeem(points, self.moment)
            assert {"asked": points, "available": available} == refusal.value.facts()
            assert (account, written) == (self.desk.account, len(self.desk.points))
            return
        if hold:
            document = self.desk.authorize(points, seconds, self.moment)
            assert self.now + timedelta(seconds=seconds) == document.expires_at
        else:
            self.desk.redeem(points, self.moment)
        taken = self.desk.entries[MEMBER][-1].draft.lots
        spendable = {
            (lot.expires_on, lot.active_from): lot.points for lot in before.lots if lot.spendable(self.moment.today)
        }
        assert -points == total(taken)
        assert all(change.points < 0 for change in taken)
        assert list(spendable)[: len(taken)] == [(change.expires_on, change.active_from) for change in taken]
        assert all(-change.points == spendable[change.expires_on, change.active_from] for change in taken[:-1])
        assert available - points == self.desk.account.available(self.moment.today)

    @precondition(lambda self: self.desk.redemptions)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        """A redemption is restored in part, never beyond what was spent."""
        document = self.desk.redemptions[data.draw(st.sampled_from(sorted(self.desk.redemptions)))]
        left = total(document.spent) - document.restored
        points = data.draw(st.none() | st.integers(1, left + 1))
        balance = self.desk.account.balance
        if points is not None and points > left:
            with pytest.raises(InvalidInput):
                self.desk.restore(document.id, points, self.moment)
            assert balance == self.desk.account.balance
            return
        self.desk.restore(document.id, points, self.moment)
        expected = document.restored + (left if points is None else points)
        assert expected == self.desk.redemptions[document.id].restored

    @precondition(lambda self: self.desk.holds)
    @rule(data=st.data(), how=st.sampled_from(["capture", "void", "restore"]), share=st.none() | st.integers(1, 100))
    def resolve(self, data: st.DataObject, how: str, share: int | None) -> None:
        """A hold is resolved once, and not after its time."""
        hold = self.desk.holds[data.draw(st.sampled_from(sorted(self.desk.holds)))]
        points = share and max(1, hold.points * share // 100)
        if how == "restore" and hold.status is HoldStatus.CAPTURED:
            left = total(hold.spent) - hold.restored
            self.desk.restore_hold(hold.id, min(points or left, left) or None, self.moment)
            return

        def act() -> None:
            if how == "capture":
                self.desk.capture(hold.id, points, self.moment)
            else:
                self.desk.void(hold.id, self.moment)

        before = self.truth
        if hold.status is not HoldStatus.AUTHORIZED:
            with pytest.raises(HoldAlreadyResolved):
                act()
        elif hold.expires_at <= self.now:
            with pytest.raises(HoldExpired):
                act()
        else:
            act()
            spent = (points or hold.points) if how == "capture" else 0
            assert before.balance - spent == self.desk.account.balance
            assert before.held - hold.points == self.desk.account.held
            assert spent == total(self.desk.holds[hold.id].spent)

    @invariant()
    def the_entries_prove_the_account(self) -> None:
        """Entries without gaps add up to the stored account in every detail."""
        account, entries = self.desk.account, self.desk.entries.get(MEMBER, [])
        proof = prove(account, entries)
        assert proof.valid, [equation for equation in proof.equations if not equation.holds]
        assert replace(account, standing=NOTHING_KNOWN) == replay(MEMBER, entries)
        assert list(range(1, len(entries) + 1)) == [entry.sequence for entry in entries]
        assert sum(entry.draft.points for entry in entries) == account.balance
        assert account.balance == (entries[-1].balance_after if entries else 0)

    @invariant()
    def nothing_is_lost_or_made(self) -> None:
        """Points earned are in the balance, spent, lapsed or taken back."""
        account, today = self.truth, self.moment.today
        life = account.lifetime
        assert account.balance == life.earned - life.clawed_back - life.redeemed - life.expired
        assert account.balance == account.available(today) + account.pending(today) + account.held - account.debt
        awards = [order.award for order in self.desk.orders.values() if order.award]
        bonuses = sum(
            entry.draft.points for entry in self.desk.entries.get(MEMBER, []) if entry.draft.kind is Kind.BONUS
        )
        forgiven = sum(order.forgiven.get(MEMBER, 0) for order in self.desk.orders.values())
        owned = sum(award.granted for award in awards) + forgiven + bonuses
        assert owned == account.balance + life.redeemed + life.expired
        documents: list[Redemption | Hold] = [*self.desk.redemptions.values(), *self.desk.holds.values()]
        assert life.redeemed == sum(total(document.spent) - document.restored for document in documents)

    @invariant()
    def the_lots_are_in_order(self) -> None:
        """Lots are sorted, distinct, not empty, and as of now none is past."""
        lots = self.desk.account.lots
        assert sorted(lots, key=order_key) == list(lots)
        assert len({(lot.expires_on, lot.active_from) for lot in lots}) == len(lots)
        assert all(lot.points >= 1 for lot in lots)
        assert not any(lot.expired(self.moment.today) for lot in self.truth.lots)

    @invariant()
    def a_debt_means_that_nothing_is_left(self) -> None:
        """Debt and an unexpired lot never stand together; policy clamp knows no debt but for what a hold kept."""
        account = self.truth
        assert account.debt >= 0
        assert not (account.debt and account.lots)
        if self.desk.program.clawback is ClawbackPolicy.CLAMP and not self.desk.holds:
            assert 0 == account.debt

    @invariant()
    def open_holds_are_those_not_resolved_and_not_overdue(self) -> None:
        """The account holds what its documents hold, until the very instant they run out."""
        holds = [hold for hold in self.desk.holds.values() if hold.status is HoldStatus.AUTHORIZED]
        expected = {hold.id: hold.points for hold in holds if hold.expires_at > self.now}
        assert expected == {hold.hold_id: hold.points for hold in self.truth.holds}

    @invariant()
    def every_order_is_granted_what_it_is_worth(self) -> None:
        """Granted = entitled, for every order, whatever happened to the points."""
        for order_id in self.desk.orders:
            assert worth(self.desk, order_id) == granted(self.desk, order_id)


TestLedgerMachine = LedgerMachine.TestCase
TestLedgerMachine.settings = settings(max_examples=50, stateful_step_count=40)


# Tampering -----------------------------------------------------------------------------------------------------------


def _history() -> Desk:
    """An account with every kind of entry that orders and spending write."""
    desk = Desk()
    desk.book(paid(15_000), noon("2026-03-01"))
    desk.book(paid(5_000, order_id="o2", at=datetime(2026, 4, 2, tzinfo=UTC)), noon("2026-04-02"))
    spent = desk.redeem(70, noon("2026-04-03"))
    desk.restore(spent.id, 20, noon("2026-04-04"))
    desk.authorize(30, 900, noon("2026-04-05"))
    held = desk.authorize(40, 86_400, noon("2026-04-06"))
    desk.capture(held.id, 15, later(noon("2026-04-06"), hours=1))
    desk.book(refunded(2_500, order_id="o2"), noon("2026-04-08"))
    desk.authorize(10, 2_592_000, noon("2027-03-30"))
    desk.sweep(noon("2027-04-01"))
    return desk


HISTORY = _history()
ENTRIES = HISTORY.entries[MEMBER]


def _draft(**change: Any) -> Callable[[Entry], Entry]:
    return lambda entry: replace(entry, draft=replace(entry.draft, **change))


FORGERIES: dict[str, Callable[[Entry], Entry]] = {
    "points": lambda entry: _draft(points=entry.draft.points + 1)(entry),
    "lots": lambda entry: _draft(lots=(*entry.draft.lots, LotChange(1, None)))(entry),
    "debt": lambda entry: _draft(debt=entry.draft.debt + 1)(entry),
    "why": _draft(why=({"rule": "another"},)),
    "reason": _draft(reason="ANOTHER"),
    "actor": _draft(actor="somebody"),
    "kind": _draft(kind=Kind.PENALTY),
    "source": lambda entry: _draft(source=replace(entry.draft.source, id="another"))(entry),
    "occurred_at": lambda entry: _draft(occurred_at=entry.draft.occurred_at + timedelta(microseconds=1))(entry),
    "hold_lots": lambda entry: _draft(hold_lots=(*entry.draft.hold_lots, LotChange(1, None)))(entry),
    "hold_id": _draft(hold_id="another"),
    "hold_expires_at": _draft(hold_expires_at=datetime(2030, 1, 1, tzinfo=UTC)),
    "recorded_at": lambda entry: replace(entry, recorded_at=entry.recorded_at + timedelta(seconds=1)),
    "balance_after": lambda entry: replace(entry, balance_after=entry.balance_after + 1),
    "member": lambda entry: replace(entry, member="m2"),
    "sequence": lambda entry: replace(entry, sequence=entry.sequence + 1),
    "previous_hash": lambda entry: replace(entry, previous_hash="0" * 64),
    "hash": lambda entry: replace(entry, hash="0" * 64),
}


def _same_points_elsewhere(entry: Entry) -> Entry:
    """The entry with its points moved to a lot that lasts longer, sums untouched."""
    lots = tuple(replace(change, expires_on=None) for change in entry.draft.lots)
    return replace(entry, draft=replace(entry.draft, lots=lots))


def test_the_history_that_is_tampered_with_is_valid_and_full() -> None:
    """What the tampering tests start from is a valid ledger with each kind of entry in it."""
    expected = {Kind.EARN, Kind.REDEEM, Kind.RESTORE, Kind.HOLD, Kind.RELEASE, Kind.CLAWBACK, Kind.EXPIRE}
    assert expected == {entry.draft.kind for entry in ENTRIES}
    assert HISTORY.account.held > 0
    assert prove(HISTORY.account, ENTRIES).valid


@pytest.mark.parametrize("field", FORGERIES)
def test_a_changed_entry_is_found(field: str) -> None:
    """Changing any field of any entry is found."""
    for index, entry in enumerate(ENTRIES):
        assert not prove(HISTORY.account, [*ENTRIES[:index], FORGERIES[field](entry), *ENTRIES[index + 1 :]]).valid, (
            entry
        )


@pytest.mark.parametrize("field", sorted(FORGERIES.keys() - {"hash", "hold_id"}))
def test_a_changed_entry_with_its_hash_worked_out_again_is_found(field: str) -> None:
    """Sealing a changed entry with the right hash breaks the chain at the next entry or at the head."""
    for index, entry in enumerate(ENTRIES):
        forged = FORGERIES[field](entry)
        forged = replace(forged, hash=digest(forged))
        assert not prove(HISTORY.account, [*ENTRIES[:index], forged, *ENTRIES[index + 1 :]]).valid, entry


def test_points_moved_to_a_better_lot_are_found() -> None:
    """An entry whose points went to a lot without an end is found although every sum is right."""
    for index, entry in enumerate(ENTRIES):
        if entry.draft.lots:
            forged = [*ENTRIES[:index], _same_points_elsewhere(entry), *ENTRIES[index + 1 :]]
            assert not prove(HISTORY.account, forged).valid


def test_a_missing_doubled_or_swapped_entry_is_found() -> None:
    """Dropping any entry, the last one too, repeating one or exchanging two is found."""
    for index in range(len(ENTRIES)):
        assert not prove(HISTORY.account, [*ENTRIES[:index], *ENTRIES[index + 1 :]]).valid
        assert not prove(HISTORY.account, [*ENTRIES[: index + 1], *ENTRIES[index:]]).valid
    for first, second in itertools.combinations(range(len(ENTRIES)), 2):
        swapped = list(ENTRIES)
        swapped[first], swapped[second] = swapped[second], swapped[first]
        assert not prove(HISTORY.account, swapped).valid


def test_entries_of_another_member_are_found() -> None:
    """The same history under another name proves neither account."""
    stranger = replace(HISTORY.account, member="m2")
    assert not prove(stranger, ENTRIES).valid
    assert not prove(stranger, [replace(entry, member="m2") for entry in ENTRIES]).valid


def test_a_changed_account_is_found() -> None:
    """An account that differs from its entries in any number is found, also where the sums agree."""
    account = HISTORY.account
    first, hold = account.lots[0], account.holds[0]
    forged = [
        replace(account, version=account.version + 1),
        replace(account, debt=1),
        replace(account, head_hash="0" * 64),
        replace(account, lots=(replace(first, points=first.points + 1), *account.lots[1:])),
        replace(account, lots=(replace(first, expires_on=None), *account.lots[1:])),
        replace(account, lots=()),
        replace(account, holds=()),
        replace(account, holds=(replace(hold, hold_id="another"),)),
        replace(account, holds=(replace(hold, expires_at=hold.expires_at + timedelta(days=1)),)),
        *(
            replace(account, lifetime=replace(account.lifetime, **{name: getattr(account.lifetime, name) + 1}))
            for name in ("earned", "redeemed", "expired", "clawed_back")
        ),
    ]
    assert [False] * len(forged) == [prove(changed, ENTRIES).valid for changed in forged]
