"""The laws of orders under rule sets of every kind: whatever comes in whatever order, the same points; nothing minted.

Programs are drawn as an operator could write them (categories, groups, multipliers below and above 1, fixed bonuses,
ladders, caps, tasks, campaigns with budgets, tiers, validity and pending days), stories as shops tell them (revisions,
refunds by line, by total and in parts, cancellations, copies, any order).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.lots import total
from jifen.domain.orders import Award, Line, LineKind, OrderEvent, RefundLine
from jifen.domain.program import Program, parse_program
from jifen.domain.proof import prove
from jifen.domain.standing import Standing
from tests.domain.builders import MEMBER, Desk, cancelled, later, noon, paid, refunded

CATEGORIES = ("tea", "books", "luxury", None)
START = noon("2026-03-02")

WHEN = st.fixed_dictionaries(
    {},
    optional={
        "category": st.sampled_from([["tea"], ["books", "luxury"]]),
        "not_category": st.just(["luxury"]),
        "product": st.just(["s1", "s3"]),
        "amount_minor": st.sampled_from([{"min": 1_000}, {"max": 2_000}, {"min": 500, "max": 4_000}]),
        "first_order": st.sampled_from([True]),
        "repeat_within_days": st.just(30),
        "window": st.sampled_from([{"from": "2026-03-01", "until": "2026-03-31"}, {"from": "2026-04-01"}]),
    },
)
CAPS = st.lists(
    st.sampled_from(
        [
            {"per": "day", "points": 30},
            {"per": "month", "points": 100},
            {"per": "ever", "times": 2},
            {"per": "week", "times": 1},
        ]
    ),
    max_size=2,
    unique_by=lambda cap: (cap["per"], "points" in cap),
)
RATES = st.fixed_dictionaries(
    {
        "rate": st.builds(
            lambda points, per: {"points": points, "per_minor": per}, st.integers(1, 9), st.sampled_from([7, 100, 333])
        )
    },
    optional={"rounding": st.sampled_from(["floor", "half_up", "ceil"])},
)
EFFECTS = st.one_of(
    RATES,
    st.builds(lambda points: {"fixed": points}, st.integers(1, 60)),
    st.just({"ladder": [[0, 5], [1_000, 20], [3_000, 70]]}),
    st.builds(lambda by: {"multiply": by}, st.sampled_from(["0.5", "0.999", "1.2", "2", "3.5"])),
)
RULES = st.builds(
    lambda effect, when, caps, more: {
        **effect,
        **({"when": when} if when else {}),
        **({"caps": caps} if caps else {}),
        **more,
    },
    EFFECTS,
    WHEN,
    CAPS,
    st.fixed_dictionaries(
        {},
        optional={
            "group": st.sampled_from(["rates", "best", "more"]),
            "priority": st.integers(0, 2),
            "valid": st.sampled_from([{"policy": "days", "days": 40}, {"policy": "never"}]),
            "pending_days": st.sampled_from([7, 60]),
        },
    ),
)
TASKS = st.builds(
    lambda of, reach, again, points: {
        "goal": {"of": of, "reach": reach, "per": "month", "again": again},
        "fixed": points,
    },
    st.sampled_from(["count", "amount"]),
    st.sampled_from([1, 2, 2_500]),
    st.booleans(),
    st.integers(1, 40),
)
TIERS = st.sampled_from(
    [
        None,
        {"by": "points", "levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 40, "multiplier": "1.5"}]},
        {
            "by": "spend",
            "period": "lifetime",
            "levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 3_000, "multiplier": "2"}],
        },
    ]
)


def _program(
    rules: Sequence[Mapping[str, Any]],
    campaign: Sequence[Mapping[str, Any]],
    budget: int | None,
    earning: Mapping[str, Any],
    policy: str,
    tiers: Mapping[str, Any] | None,
) -> Program:
    named = [{"id": "base", "rate": {"points": 1, "per_minor": 10}, "group": "rates"}]
    named += [{"id": f"r{number}", **rule} for number, rule in enumerate(rules)]
    data: dict[str, Any] = {
        "currency": "CNY",
        "clawback": policy,
        "earning": {
            "groups": {"rates": "exclusive", "best": "best_of", "more": "sum"},
            "rules": named,
            **earning,
        },
    }
    if campaign:
        held = {
            "id": "fest",
            "from": "2026-03-01",
            "until": "2026-03-31",
            "rules": [{"id": f"c{n}", **one} for n, one in enumerate(campaign)],
        }
        data["earning"]["campaigns"] = [held | ({} if budget is None else {"budget_points": budget})]
    if tiers:
        data["tiers"] = tiers
    return parse_program(data)


PROGRAMS = st.builds(
    _program,
    st.lists(st.one_of(RULES, RULES, TASKS), max_size=6),
    st.lists(RULES, max_size=2),
    st.sampled_from([None, 10, 60, 1_000]),
    st.fixed_dictionaries(
        {},
        optional={
            "caps": st.just([{"per": "day", "points": 120}]),
            "round_once": st.sampled_from(["floor", "half_up"]),
            "multipliers": st.sampled_from(["add", "compound"]),
            "stacking": st.sampled_from(["sum", "best_of", "exclusive"]),
            "basis": st.sampled_from([{"shipping": True}, {"tax": False}]),
            "exclude": st.just({"category": ["luxury"]}),
        },
    ),
    st.sampled_from(["debt", "negative"]),
    TIERS,
)

LINES = st.lists(
    st.tuples(
        st.integers(0, 3_000),
        st.sampled_from(["goods", "goods", "goods", "discount", "shipping", "points"]),
        st.sampled_from(CATEGORIES),
    ),
    min_size=1,
    max_size=5,
).map(
    lambda rows: tuple(
        Line(n, f"s{n}", amount, LineKind(kind), category, amount // 6)
        for n, (amount, kind, category) in enumerate(rows, 1)
    )
)
BACK = st.lists(st.builds(RefundLine, st.integers(0, 2_000), st.none(), st.none() | st.integers(1, 6)), max_size=3).map(
    tuple
)


@st.composite
def facts(draw: st.DrawFn, order_id: str = "o1") -> list[OrderEvent]:
    """The facts of one order: its paid states, its refunds, perhaps its cancellation."""
    at = datetime(2026, 3, draw(st.integers(1, 28)), 4, tzinfo=UTC)
    found = [
        paid(order_id=order_id, at=at, lines=draw(LINES), revision=revision)
        for revision in range(draw(st.integers(1, 2)))
    ]
    for number in range(draw(st.integers(0, 3))):
        lines = draw(BACK)
        found.append(
            refunded(draw(st.integers(0, 3_000)), refund_id=f"{order_id}-r{number}", order_id=order_id, lines=lines)
        )
    if draw(st.integers(0, 4)) == 0:
        found.append(cancelled(order_id))
    return found


@st.composite
def delivered(draw: st.DrawFn, told: list[OrderEvent]) -> list[OrderEvent]:
    """The same facts in another order, some of them twice."""
    copies = draw(st.lists(st.sampled_from(told), max_size=2))
    return list(draw(st.permutations([*told, *copies])))


def tell(program: Program, events: Sequence[OrderEvent]) -> Desk:
    """Book the events at a desk of its own, all in one minute."""
    desk = Desk(program)
    for event in events:
        desk.book(event, START)
    return desk


def grants(desk: Desk) -> Mapping[str, int]:
    """The points of each rule, over all orders."""
    found: Counter[str] = Counter()
    for order in desk.orders.values():
        found.update(order.award.pinned.grants if order.award else {})
    return found


def of_tasks(standing: Standing) -> int:
    """What tasks have given."""
    return sum(one.granted for windows in standing.goals.values() for one in windows.values())


def owned(held: Award | None) -> tuple[object, ...]:
    """What of an award has to agree: parts and everything that was counted."""
    return (held.parts, held.pinned.grants, held.pinned.tasks, held.pinned.kept_minor) if held else ()


@given(st.data(), PROGRAMS, facts())
def test_the_facts_of_an_order_converge(data: st.DataObject, program: Program, told: list[OrderEvent]) -> None:
    """However often and in whatever order they arrive: the same award, lots, balance, counters and campaign."""
    one, other = tell(program, told), tell(program, data.draw(delivered(told)))
    assert owned(one.order.award) == owned(other.order.award)
    assert one.account.lots == other.account.lots
    assert (one.account.balance, one.account.debt) == (other.account.balance, other.account.debt)
    for name in ("orders", "first_order", "paid_on", "used", "goals", "qualified"):
        assert getattr(one.account.standing, name) == getattr(other.account.standing, name), name
    spent = [{name: state.spent for name, state in desk.campaigns.items() if state.spent} for desk in (one, other)]
    assert spent[0] == spent[1]


@given(PROGRAMS, facts())
def test_the_ledger_holds_what_was_granted(program: Program, told: list[OrderEvent]) -> None:
    """After every event: parts = grants = balance without tasks and debt, and the entries prove it."""
    desk = Desk(program)
    for event in told:
        desk.book(event, START)
        held = desk.order.award
        granted = sum(held.pinned.grants.values()) if held and not program.rules.bare else held.granted if held else 0
        assert granted == (held.granted if held else 0)
        assert granted + of_tasks(desk.account.standing) == desk.account.balance == total(desk.account.lots)
    assert prove(desk.account, desk.entries.get(MEMBER, [])).valid


@given(PROGRAMS, facts(), st.integers(0, 2_000), st.none() | st.integers(1, 5))
def test_a_refund_never_earns(program: Program, told: list[OrderEvent], amount: int, line: int | None) -> None:
    """One more refund leaves as many points or fewer."""
    desk = tell(program, told)
    before = desk.account.balance
    more = refunded(amount, refund_id="more", lines=(RefundLine(amount, None, line),))
    desk.book(more, later(START, minutes=1))
    assert desk.account.balance <= before


@given(PROGRAMS, st.lists(facts(), min_size=1, max_size=3))
def test_nothing_kept_leaves_nothing(program: Program, stories: list[list[OrderEvent]]) -> None:
    """Orders that are all cancelled in the end leave no point, no counter, and the budget whole."""
    desk = Desk(program)
    for number, told in enumerate(stories):
        for event in told:
            desk.book(replace(event, order_id=f"o{number}"), START)
    for number in range(len(stories)):
        desk.book(cancelled(f"o{number}"), later(START, minutes=1))
    standing = desk.account.standing
    assert (0, 0) == (desk.account.balance, desk.account.debt)
    assert ({}, {}, 0, "") == (standing.used, standing.goals, standing.orders, standing.first_order)
    assert {0} >= {state.spent for state in desk.campaigns.values()}


@given(st.data(), PROGRAMS, st.lists(facts(), min_size=2, max_size=4))
def test_no_cap_and_no_budget_is_exceeded(
    data: st.DataObject, program: Program, stories: list[list[OrderEvent]]
) -> None:
    """With the events of several orders mixed in any way, every window of every cap holds, and so does the budget."""
    events = [replace(event, order_id=f"o{number}") for number, told in enumerate(stories) for event in told]
    desk = Desk(program)
    for minutes, event in enumerate(data.draw(st.permutations(events))):
        desk.book(event, later(START, minutes=minutes))
        used: Counter[tuple[str, str]] = Counter()
        for order in desk.orders.values():
            pinned = order.award.pinned if order.award else None
            for key, (window, _) in (pinned.rooms if pinned else {}).items():
                rule, _, unit = key.split("/")
                points = sum(pinned.grants.values()) if rule == "*" else pinned.grants.get(rule, 0)  # type: ignore[union-attr]
                used[key, window] += points if unit == "points" else int(points > 0)
        for (key, window), count in used.items():
            assert count <= _limit(program, key), (key, window)
        for campaign in program.rules.campaigns:
            state = desk.campaigns.get(campaign.id)
            if campaign.budget_points is not None and state:
                assert 0 <= state.spent <= campaign.budget_points


def _limit(program: Program, key: str) -> int:
    name, per, unit = key.split("/")
    rule = program.rules.rule(name)
    caps = program.rules.caps if rule is None else rule.caps
    return min(
        most for cap in caps if cap.per == per and (most := cap.points if unit == "points" else cap.times) is not None
    )


@given(PROGRAMS, LINES, st.lists(st.integers(1, 400), min_size=2, max_size=5))
def test_a_refund_in_parts_is_a_refund(program: Program, lines: tuple[Line, ...], parts: list[int]) -> None:
    """Ten refunds of a line leave what one of the same sum leaves."""
    bought = paid(lines=lines, at=datetime(2026, 3, 2, 4, tzinfo=UTC))
    whole = tell(program, [bought, refunded(0, lines=(RefundLine(sum(parts), None, 1),))])
    cut = tell(
        program,
        [bought, *(refunded(0, refund_id=f"r{n}", lines=(RefundLine(part, None, 1),)) for n, part in enumerate(parts))],
    )
    assert owned(whole.order.award) == owned(cut.order.award)
    assert whole.account.lots == cut.account.lots
