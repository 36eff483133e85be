"""Dry runs: figures are those of the real use cases, add up, and are the same each time; nothing real is written."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jifen.domain.account import Account
from jifen.domain.errors import InvalidInput
from jifen.domain.events import BehaviourEvent
from jifen.domain.orders import EventType, Line, OrderEvent, Paid
from jifen.domain.program import Program, parse_program
from jifen.domain.standing import Profile, Standing
from jifen.service.dry_run import ALLOWANCE, FORGIVEN, Night, Past, Points, Spent, Tried, replay, try_event, try_order
from jifen.service.earning import earn
from jifen.service.memory import ScratchLedger
from jifen.service.past import past_of
from jifen.service.ports import AccountMoved, AccountWrite, CampaignKey, DocumentMoved, OrderKey, Posting
from jifen.service.simulating import Stated, standing_of
from tests.service.scene import NOW, cancelled, earned, give, paid, refunded
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

CNY = {"time_zone": "Asia/Shanghai", "currency": "CNY"}
BASE = {"id": "base", "rate": {"points": 1, "per_minor": 100}}
PLAIN = parse_program(CNY)


def program(*rules: dict[str, Any], **more: Any) -> Program:
    """The base rule, and these."""
    sections = more.pop("earning", {})
    return parse_program({**CNY, "earning": {"rules": [BASE, *rules], **sections}, **more})


def tea(order_id: str, minor: int, member: str | None = "m1", at: datetime = NOW) -> OrderEvent:
    """An order of tea."""
    state = Paid(member, at, "CNY", (Line(1, "t", minor, category="tea"),))
    return OrderEvent(EventType.PAID, f"p-{order_id}", "standard", order_id, member, at, paid=state)


def did(kind: str, event_id: str = "e1", member: str = "m1", at: datetime = NOW, **data: int | str | bool) -> Any:
    """Something a member did."""
    return BehaviourEvent(kind, event_id, member, at, data)


# One order, one event ------------------------------------------------------------------------------------------------


def test_an_order_is_tried_as_earning_would_post_it() -> None:
    """Points, rules, lots, and a line for each rule, the refused and the tasks as well."""
    draft = program(
        {
            "id": "tea",
            "rate": {"points": 1, "per_minor": 50},
            "when": {"category": ["tea"]},
            "valid": {"policy": "never"},
        },
        {"id": "gold", "fixed": 9, "when": {"tag": ["vip"]}},
        {"id": "two", "fixed": 40, "goal": {"of": "count", "reach": 2, "per": "month"}},
    )

    tried = try_order(draft, tea("o1", 1_000), NOW)

    assert (30, {"base": 10, "tea": 20}, {}, "AWARDED") == (tried.points, tried.grants, tried.others, tried.status)
    assert [(10, date(2027, 3, 31)), (20, None)] == [(lot.points, lot.expires_on) for lot in tried.lots]
    assert [
        ("base", 10),
        ("tea", 20),
        ("gold", "TAG"),
        ("two", 1),
    ] == [
        (line.get("rule") or line["task"], line.get("points") or line.get("refused") or line.get("counted"))
        for line in tried.why
    ]


@pytest.mark.parametrize(
    ("event", "notes"),
    [(paid("o1", 500, member=None), ("GUEST",)), (paid("o1", 500, currency="USD"), ("CURRENCY_NOT_OF_PROGRAM",))],
)
def test_an_order_that_cannot_earn_says_so(event: OrderEvent, notes: tuple[str, ...]) -> None:
    """Nothing, with the reason."""
    tried = try_order(PLAIN, event, NOW)

    assert (0, "NOTHING", notes) == (tried.points, tried.status, tried.notes)


def test_a_member_is_tried_as_the_account_is_now(ledger: MemoryLedger) -> None:
    """The second order reaches the task; the ledger has been read and not written."""
    draft = program({"id": "two", "fixed": 40, "goal": {"of": "count", "reach": 2, "per": "month"}})
    earned(ledger, paid("o1", 1_000), program=draft)
    before = (ledger.commits, ledger.load(["m1"]), list(ledger.history("m1")))

    tried = try_order(draft, paid("o2", 1_000), NOW, ledger)

    assert (50, {"base": 10, "two": 40}) == (tried.points, tried.grants)
    assert before == (ledger.commits, ledger.load(["m1"]), list(ledger.history("m1")))


def test_a_budget_that_is_nearly_spent_is_seen(ledger: MemoryLedger) -> None:
    """The campaign's state is read from the ledger behind."""
    campaign = {"id": "c", "budget_points": 60, "rules": [{"id": "x", "fixed": 50}]}
    draft = program(earning={"campaigns": [campaign]})
    earned(ledger, paid("o1", 1_000), program=draft)

    tried = try_order(draft, paid("o2", 1_000, member="m2"), NOW, ledger)

    assert {"base": 10, "c.x": 10} == tried.grants
    assert {"campaign": "c", "budget_left": 10, "cut": 40} in tried.why


def test_who_invited_gets_points_of_a_friends_order() -> None:
    """They are others' points, told under their name, and no part of the member's own."""
    draft = program({"id": "ref", "fixed": 25, "to": "inviter", "when": {"first_order": True}})
    friend = Account("m1", standing=Standing(inviter="m0"))

    tried = try_order(draft, paid("o1", 1_000), NOW, account=friend)

    assert (10, {"m0": 25}, {"base": 10, "ref": 25}) == (tried.points, tried.others, tried.grants)
    assert [{"rule": "ref", "to": "inviter", "points": 25}] == [
        {name: line[name] for name in ("rule", "to", "points")} for line in tried.why if "to" in line
    ]


def test_an_event_is_tried_as_it_would_be_answered(ledger: MemoryLedger) -> None:
    """Status, points and reasons; a value that is used up gives nothing again, though the event's id is known."""
    draft = program(
        {"id": "review", "on": "review.selected", "fixed": 30, "once_per": "review_id"},
        {"id": "quality", "on": "review.scored", "fixed": 90, "approval": True},
    )
    fresh = try_event(draft, did("review.selected", review_id="v1"), NOW, ledger)
    waits = try_event(draft, did("review.scored"), NOW, ledger)

    assert ("AWARDED", 30, {"review": 30}) == (fresh.status, fresh.points, fresh.grants)
    assert ("IN_REVIEW", 0, 90) == (waits.status, waits.points, waits.proposed)
    assert 0 == ledger.commits


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (Stated(), 10),
        (Stated(tier="gold"), 20),
        (Stated(tier="unheard of"), 10),
        (Stated(orders=2), 15),
        (Stated(orders=2, last_order_on=date(2025, 1, 1)), 10),
        (Stated(profile=Profile(birthday="03-01")), 17),
    ],
)
@pytest.mark.parametrize("downgrade", ["period_end", "at_once", "one_step", "never"])
def test_what_is_stated_is_what_conditions_see(stated: Stated, expected: int, downgrade: str) -> None:
    """A tier holds under every policy, and its allowance is no part of what the order earns."""
    levels = [{"id": "member", "from": 0}, {"id": "gold", "from": 500, "multiplier": "2", "allowance": 70}]
    draft = program(
        {"id": "soon", "fixed": 5, "when": {"repeat_within_days": 30}},
        {"id": "birthday", "fixed": 7, "when": {"birthday": "day"}},
        tiers={"by": "points", "levels": levels, "downgrade": downgrade},
    )
    account = Account("m1", standing=standing_of(stated, draft, date(2026, 3, 1)))

    assert expected == try_order(draft, paid("o1", 1_000), NOW, account=account).points


# The past ------------------------------------------------------------------------------------------------------------


def test_two_programs_are_compared_to_the_last_point() -> None:
    """Per member, rule and order, refunds and events included; worked out by hand."""
    draft = program(
        {"id": "tea", "rate": {"points": 2, "per_minor": 100}, "when": {"category": ["tea"]}},
        {"id": "review", "on": "review.selected", "fixed": 30},
    )
    events: list[Past] = [
        tea("o1", 1_000),
        paid("o2", 700, "m2"),
        tea("o3", 300, "m3"),
        refunded("o1", 400),
        replace(cancelled("o3"), member="m3"),
        did("review.selected", member="m2"),
        tea("o1", 1_000),
    ]
    compared = replay(events, PLAIN, draft)

    assert [("m1", (6, 18)), ("m2", (7, 37)), ("m3", (0, 0))] == [
        (one.member, tuple(one.points)) for one in compared.members
    ]
    assert {"base": Points(13, 13), "tea": Points(0, 12), "review": Points(0, 30)} == compared.rules
    assert (Points(13, 55), 42, 2, 0) == (
        compared.total,
        compared.total.difference,
        compared.gain,
        compared.lose,
    )
    assert (7, 3, 1, ["o1"]) == (
        compared.events,
        compared.orders,
        compared.differing,
        [one.order_id for one in compared.shown],
    )
    assert ["m2"] == [one.member for one in compared.largest(1)]
    assert [["base"], ["base", "tea"]] == [[line["rule"] for line in why] for why in compared.shown[0].why]
    assert [6, 12] == [line["points"] for line in compared.shown[0].why[1]]


def test_the_clock_is_at_the_latest_instant_seen() -> None:
    """An order that arrives late counts on the day it arrives where caps are no longer kept for its own."""
    capped = program(earning={"caps": [{"per": "day", "points": 10}]})
    early, late = NOW - timedelta(days=30), NOW
    compared = replay([paid("o1", 1_000, at=late), paid("o2", 1_000, at=early)], PLAIN, capped)

    assert Points(20, 10) == compared.total


def test_what_clamp_leaves_with_members_is_named() -> None:
    """Points that were spent cannot be clawed back: rules add up to what members have all the same."""
    clamped = program(clawback="clamp")
    events: list[Past] = [paid("o1", 1_000), Spent("m1", "r1", 8, NOW), cancelled("o1"), Spent("m1", "r2", 8, NOW)]
    compared = replay(events, PLAIN, clamped)

    assert {"base": Points(0, 0), FORGIVEN: Points(0, 8)} == {"base": Points(), **compared.rules}
    assert (Points(0, 8), Points(1, 1)) == (compared.total, compared.refused)


def test_nights_give_allowances() -> None:
    """A month's allowance comes with the sweep, and is no rule's."""
    levels = [{"id": "member", "from": 0}, {"id": "gold", "from": 10, "allowance": 70}]
    draft = program(tiers={"by": "points", "levels": levels})
    nights = [Night(NOW + timedelta(days=days)) for days in range(1, 62)]
    compared = replay([paid("o1", 1_000), *nights], PLAIN, draft)

    assert {ALLOWANCE: Points(0, 140), "base": Points(10, 10)} == compared.rules
    assert Points(10, 150) == compared.total


def test_a_profile_comes_with_the_account_to_begin_with() -> None:
    """Conditions on what the shop says of a member hold in the past as well."""
    draft = program({"id": "vip", "fixed": 9, "when": {"tag": ["vip"]}})
    begin = [Account("m1", standing=Standing(profile=Profile(tags=("vip",))))]

    assert Points(10, 19) == replay([paid("o1", 1_000)], PLAIN, draft, begin=begin).total


def test_an_event_that_cannot_be_read_is_counted_and_the_rest_goes_on() -> None:
    """Data that a rule of one program needs is missing: only that side does not take it."""
    draft = program({"id": "scored", "on": "review.scored", "given": {"field": "points", "min": 1, "max": 5}})
    compared = replay([did("review.scored", points="x"), paid("o1", 1_000)], PLAIN, draft)

    assert (Points(10, 10), 0) == (compared.total, compared.refused.in_force)


amounts = st.integers(0, 30_000)
members = st.sampled_from(["m0", "m1", "m2"])


@st.composite
def histories(draw: st.DrawFn) -> list[Past]:
    """Orders, refunds, amendments, cancellations, redemptions and nights, in any order of time."""
    events: list[Past] = []
    for number in range(draw(st.integers(1, 12))):
        at = NOW + timedelta(hours=draw(st.integers(0, 900)))
        place = draw(st.integers(1, 5))
        order, buyer = f"o{place}", f"m{place % 3}"
        kind = draw(st.sampled_from(["tea", "paid", "paid", "refund", "cancel", "spend", "night"]))
        match kind:
            case "tea":
                events.append(tea(order, draw(amounts), buyer, at))
            case "paid":
                revision = draw(st.integers(0, 2))
                events.append(paid(order, draw(amounts), buyer, revision=revision, at=at))
            case "refund":
                events.append(refunded(order, draw(amounts), f"r{number}", buyer))
            case "cancel":
                events.append(replace(cancelled(order), member=buyer))
            case "spend":
                events.append(Spent(draw(members), f"s{number}", draw(st.integers(1, 90)), at))
            case _:
                events.append(Night(at))
    return events


RICH_FILE: dict[str, Any] = {
    **CNY,
    "clawback": "clamp",
    "earning": {
        "rules": [
            BASE,
            {"id": "tea", "multiply": "1.5", "when": {"category": ["tea"]}},
            {"id": "first", "fixed": 20, "when": {"first_order": True}},
            {"id": "three", "fixed": 33, "goal": {"of": "count", "reach": 3, "per": "month", "again": True}},
        ],
        "caps": [{"per": "week", "points": 300}],
        "campaigns": [{"id": "c", "budget_points": 90, "rules": [{"id": "x", "fixed": 25}]}],
    },
    "tiers": {"by": "points", "levels": [{"id": "m", "from": 0}, {"id": "g", "from": 150, "allowance": 12}]},
}
RICH = parse_program(RICH_FILE)
APART = parse_program({**RICH_FILE, "earning": {**RICH_FILE["earning"], "campaigns": []}})
"""Without a budget that members share: orders of one day may be posted in another order than they came in."""


@given(histories())
@settings(max_examples=60, deadline=None)
def test_rules_add_up_to_members_and_a_program_differs_from_itself_by_nothing(events: list[Past]) -> None:
    """Whatever happened, in whatever order; and the same past gives the same comparison again."""
    compared = replay(events, PLAIN, RICH)

    for side in range(2):
        assert sum(points[side] for points in compared.rules.values()) == compared.total[side]
    assert compared == replay(list(events), PLAIN, RICH)
    for one in compared.shown:
        assert tuple(one.points) == tuple(
            sum(line.get("points", 0) for line in why if "rule" in line) for why in one.why
        )
    itself = replay(events, RICH, RICH)
    assert {0} == {one.points.difference for one in itself.members} | {0}
    assert (0, ()) == (itself.differing, itself.shown)


@given(histories())
@settings(max_examples=40, deadline=None)
def test_each_side_is_what_earning_itself_gives(events: list[Past]) -> None:
    """Orders alone, one after the other on the contract's ledger, end with the points of the dry run."""
    orders = [event for event in events if isinstance(event, OrderEvent)]
    ledger, now = MemoryLedger(APART), NOW
    for event in orders:
        now = max(now, event.at)
        earn(ledger, APART, [event], APART.moment(now), Patient())
    compared = replay([Night(NOW), *orders], PLAIN, APART)

    lives = {one.member: ledger.load([one.member]).accounts[one.member].lifetime for one in compared.members}
    assert {member: life.earned - life.clawed_back for member, life in lives.items()} == {
        one.member: one.points.draft for one in compared.members
    }


def test_memory_grows_with_orders_and_not_with_what_happens_to_them() -> None:
    """About 5 kB an order under two programs: a hundred thousand are half a gigabyte, and repeats cost nothing."""

    def grown(events: Sequence[Past]) -> int:
        tracemalloc.start()
        kept: list[int] = []
        replay(events, PLAIN, RICH, lambda _done: kept.append(tracemalloc.get_traced_memory()[0]))
        tracemalloc.stop()
        return kept[-1] - kept[0]

    start = NOW
    orders: list[Past] = [
        paid(f"o{number}", 2_000 + number, f"m{number % 50}", at=start + timedelta(minutes=number))
        for number in range(400)
    ]

    once = grown(orders)

    assert once < 400 * 8_000
    assert grown([*orders, *orders, *orders]) < 1.5 * once


# The scratch ledger --------------------------------------------------------------------------------------------------


def test_a_scratch_ledger_reads_behind_and_writes_in_front(ledger: MemoryLedger) -> None:
    """Accounts are read once; orders of the ledger behind are not seen; what is written stays here."""
    give(ledger, "m1", 100)
    earned(ledger, paid("o1", 1_000))
    scratch = ScratchLedger(PLAIN, ledger)
    seen = scratch.load(["m1"], [OrderKey("standard", "o1"), CampaignKey("c")])
    loads = ledger.loads
    earned(scratch, paid("o1", 5_000))

    assert (110, {}) == (seen.accounts["m1"].balance, seen.documents)
    assert (160, 110) == (scratch.load(["m1"]).accounts["m1"].balance, ledger.load(["m1"]).accounts["m1"].balance)
    assert loads + 1 == ledger.loads


def test_a_scratch_ledger_refuses_what_rests_on_something_old() -> None:
    """As the table does."""
    scratch = ScratchLedger(PLAIN)
    before = scratch.load(["m1"]).accounts["m1"]
    earned(scratch, paid("o1", 1_000))
    order = next(iter(scratch.orders()))

    with pytest.raises(AccountMoved):
        scratch.commit(Posting((AccountWrite(before, before),)), Patient())
    with pytest.raises(DocumentMoved):
        scratch.commit(Posting(documents=(replace(order, version=0),)), Patient())


# The past of members -------------------------------------------------------------------------------------------------


def test_the_past_of_a_member_is_orders_and_events_as_the_ledger_has_them(ledger: MemoryLedger) -> None:
    """Payments, refunds and cancellations by their instants; redemptions and other members' orders are none of it."""
    day = timedelta(days=1)
    first = paid("o1", 1_000, at=NOW - 3 * day)
    other = replace(paid("7", 600, at=NOW - 2 * day), shop="shopify")
    events = [first, other, refunded("o1", 300), cancelled("o1"), paid("o9", 100, "m2"), paid("o5", 50)]
    earned(ledger, *events)

    found = past_of(ledger, "m1")

    assert [
        ("order.paid", "o1", NOW - 3 * day),
        ("order.paid", "7", NOW - 2 * day),
        ("order.refunded", "o1", NOW),
        ("order.cancelled", "o1", NOW),
    ] == [(str(one.type), one.order_id, one.at) for one in found.events if isinstance(one, OrderEvent)]
    assert not found.cut
    compared = replay(found.events, PLAIN, PLAIN, begin=[found.account])
    assert 6 == compared.total.in_force


def test_a_past_that_is_too_long_is_cut_and_says_so(ledger: MemoryLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest facts are looked at."""
    monkeypatch.setattr("jifen.service.past.FACTS_MAX", 3)
    earned(ledger, *[paid(f"o{number}", 1_000, at=NOW + timedelta(minutes=number)) for number in range(6)])

    found = past_of(ledger, "m1")

    assert ["o0", "o1", "o2", "o3"] == [one.order_id for one in found.events if isinstance(one, OrderEvent)]
    assert found.cut


def test_a_try_of_bad_data_is_refused() -> None:
    """By the name of the field."""
    draft = program({"id": "given", "on": "review.scored", "given": {"field": "points", "min": 1, "max": 5}})

    with pytest.raises(InvalidInput) as refused:
        try_event(draft, did("invite.accepted"), datetime(2026, 3, 1, tzinfo=UTC))

    assert ["data.inviter"] == [fault.field for fault in refused.value.faults]
    assert isinstance(try_event(draft, did("review.scored", points=3), NOW), Tried)
