"""The reference and the ledger, side by side: two programs that were written apart and must say the same.

Every test here drives the real use cases (over the in-memory ledger, one operation at a time) or published examples,
and the reference with the same steps, and compares every answer, every refusal and every account after every step.
"""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jifen.adapters.webhook import standard
from jifen.domain import calendar, money
from jifen.domain.events import BehaviourEvent
from jifen.domain.ids import document_id
from jifen.domain.orders import EventType, Line, LineKind, OrderEvent, Paid, Refund, RefundLine
from jifen.domain.program import ClawbackPolicy, Program, parse_program
from jifen.domain.spending import share_out
from local.simulation.days import first_instant, last_valid_day, local_day
from local.simulation.history import Authorize, Capture, Expire, Facts, Happen, Redeem, Refused, Restore, Step, Void
from local.simulation.reference import Reference
from local.simulation.spent import shares
from local.simulation.till import minor_units
from tests.simulation.pair import (
    CATEGORIES,
    COMMANDS,
    HOLDS_MAX,
    PROGRAMS,
    RECEIPTS_MAX,
    REFUNDS_MAX,
    RULED,
    STARTS,
    Command,
    Pair,
    Player,
    small_limits,
)

SHARED = Path(__file__).parents[3] / "shared" / "cases"
NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    PROGRAMS,
    st.sampled_from(STARTS),
    st.sampled_from([2, 2, 3, 120]),
    st.lists(COMMANDS, min_size=10, max_size=60),
)
def test_ledger_and_reference_say_the_same_after_every_step(
    program: Program, start: str, lots_max: int, commands: list[Command]
) -> None:
    """Orders, refunds, spending, holds, restores and sweeps in any order and at any time: every figure agrees."""
    with small_limits(lots_max):
        player = Player(Pair(program, lots_max, HOLDS_MAX), datetime.fromisoformat(start))
        for command in commands:
            player.play(command)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(RULED, st.sampled_from(["2026-03-01T04:00:00+00:00", *STARTS]), st.lists(COMMANDS, min_size=10, max_size=40))
def test_ledger_and_reference_say_the_same_under_earning_rules(
    program: Program, start: str, commands: list[Command]
) -> None:
    """Caps, budgets, tasks, levels, what an inviter gets: after every step, to the last counter."""
    with small_limits(120):
        player = Player(Pair(program, 120, HOLDS_MAX), datetime.fromisoformat(start))
        player.pair.step(Facts((paid("first", 9_900, player.now),)), player.now)
        player.pair.step(Happen(invite("m2", "m1", player.now)), player.now)
        for command in commands:
            player.play(command)


def invite(friend: str, inviter: str, at: datetime = NOW) -> BehaviourEvent:
    """That ``inviter`` brought ``friend``."""
    return BehaviourEvent("invite.accepted", f"{inviter}-{friend}", friend, at, {"inviter": inviter})


@settings(max_examples=100, deadline=None)
@given(RULED, st.integers(0, 10_000), st.randoms(use_true_random=False))
def test_events_of_one_order_agree_in_any_order(program: Program, seed: int, random: Random) -> None:
    """Whatever the rules: the same facts of an order, in another order and told twice, grant and leave the same.

    Tasks apart: what a cap leaves of a task's reward depends on how full it was when the task was reached.
    """
    drawn = Random(seed)
    lines = tuple(
        Line(at, f"sku-{at}", drawn.randrange(100, 9_000), category=drawn.choice(CATEGORIES)) for at in (1, 2, 3)
    )
    facts = [paid("a", 0, lines=lines), paid("a", 0, revision=1, lines=lines[: drawn.randrange(1, 4)])]
    facts += [
        refunded(
            "a", drawn.randrange(1, 3_000), f"r{at}", *[RefundLine(drawn.randrange(1, 2_000), None, at)] * (at % 2)
        )
        for at in range(drawn.randrange(4))
    ]
    ends = []
    for _ in range(2):
        pair = Pair(program)
        for fact in random.sample([*facts, *facts], 2 * len(facts)):
            pair.step(Facts((fact,)), NOW)
        order = pair.reference.order("standard", "a")
        assert order is not None
        assert order.award is not None
        balance = 0 if program.rules.order_tasks else pair.reference.view("m1", NOW)["balance"]
        ends.append((order.award.grants, order.award.kept, order.award.tasks, balance))
    assert ends[0] == ends[1]


CLAWBACKS = st.lists(
    st.tuples(
        st.sampled_from(
            ["amend", "amend", "amend", "other", "refund", "spend", "spend", "hold", "void", "restore", "wait"]
        ),
        st.integers(0, 100),
    ),
    min_size=12,
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from([str(policy) for policy in ClawbackPolicy]), CLAWBACKS)
def test_what_is_owed_forgiven_held_and_paid_again_agrees(policy: str, doings: list[tuple[str, int]]) -> None:
    """One order that is amended and refunded without end, while its points and others are spent, held and restored."""
    pair, now = Pair(parse_program({"clawback": policy, "expiry": {"policy": "days", "days": 50}})), NOW
    holds: list[str] = []
    redemptions: list[str] = []
    for number, (what, share) in enumerate(doings):
        key, points = f"k{number}", max(1, pair.reference.view("m1", now)["available"] * share // 100)
        match what:
            case "amend":
                late = timedelta(days=100 if share % 4 == 0 else share % 3)
                pair.step(Facts((paid("a", 100 * share, now - late, number),)), now)
            case "other":
                pair.step(Facts((paid(f"o{number}", 10 * share, now + timedelta(days=share % 5)),)), now)
            case "refund":
                pair.step(Facts((refunded("a", 6 * share, f"r{number}"),)), now)
            case "spend":
                redemptions.append(str(document_id("rd", "m1", key)))
                pair.step(Redeem("m1", redemptions[-1], points), now, key)
            case "hold":
                holds.append(str(document_id("hd", "m1", key)))
                pair.step(Authorize("m1", holds[-1], points, None, 86_400 * (1 + share % 25)), now, key)
            case "void" if holds:
                pair.step(Void(holds.pop(share % len(holds))), now)
            case "restore" if redemptions:
                pair.step(Restore(redemptions[share % len(redemptions)], None if share % 2 else 1 + share // 9), now)
            case _:
                now += timedelta(hours=share)


# Cases that random histories seldom meet -----------------------------------------------------------------------------


def paid(order_id: str, amount_minor: int, at: datetime = NOW, revision: int = 0, **more: Any) -> OrderEvent:
    """An ``order.paid`` of one line of goods, or of ``lines``."""
    lines = more.get("lines", (Line(1, "tea", amount_minor),))
    state = Paid(more.get("member", "m1"), at, "CNY", lines, revision)
    return OrderEvent(EventType.PAID, f"p-{order_id}-{revision}", "standard", order_id, "m1", at, paid=state)


def refunded(order_id: str, amount_minor: int, refund_id: str = "r1", *lines: RefundLine) -> OrderEvent:
    """An ``order.refunded`` of an amount, or of ``lines``."""
    refund = Refund(refund_id, NOW, "CNY", lines, amount_minor)
    return OrderEvent(EventType.REFUNDED, refund_id, "standard", order_id, "m1", NOW, refund=refund)


def cancelled(order_id: str) -> OrderEvent:
    """An ``order.cancelled``."""
    return OrderEvent(EventType.CANCELLED, f"c-{order_id}", "standard", order_id, "m1", NOW)


def redeem(points: int, key: str) -> tuple[Redeem, str]:
    """A redemption of m1, and its idempotency key."""
    return Redeem("m1", str(document_id("rd", "m1", key)), points), key


def test_points_that_come_back_with_a_new_date_pay_the_debt() -> None:
    """An order that arrived after its points had lapsed gets a new date while the member owes: the debt is paid."""
    pair = Pair(Program())
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    pair.step(Facts((paid("a", 10_000, long_ago), paid("b", 5_000))), NOW)
    step, key = redeem(50, "k")
    pair.step(step, NOW, key)
    pair.step(Facts((cancelled("b"),)), NOW)
    pair.step(Facts((paid("a", 10_000, NOW, revision=1),)), NOW)
    view = pair.reference.view("m1", NOW)
    assert (50, 0) == (view["available"], view["debt"])


def test_lots_are_compacted_alike() -> None:
    """Two hundred payments on as many days, some given back, some spent, in three lots."""
    random = Random(7)
    program = parse_program({"expiry": {"policy": "days", "days": 900}})
    with small_limits(3):
        pair = Pair(program, 3)
        for number in range(200):
            now = NOW + timedelta(days=number, hours=random.randrange(24))
            at = now - timedelta(days=random.randrange(60))
            pair.step(Facts((paid(f"o{number}", 100 * random.randrange(1, 90), at),)), now)
            if number % 5 == 0:
                pair.step(Facts((refunded(f"o{random.randrange(number + 1)}", 3_000),)), now)
            if number % 3 == 0:
                step, key = redeem(random.randrange(1, 60), f"k{number}")
                pair.step(step, now, key)
                pair.step(Restore(step.id, 1 + number % 7), now)
        kept = {lot["expires_on"] for lot in pair.reference.lots("m1", now)}
        assert 3 == len(kept)


def test_limits_refuse_alike() -> None:
    """Restores in parts and refunds of one order are counted, and the whole rest can always be restored."""
    with small_limits(120):
        pair = Pair(Program())
        pair.step(Facts((paid("a", 10_000),)), NOW)
        step, key = redeem(50, "k")
        pair.step(step, NOW, key)
        parts = [pair.step(Restore(step.id, 1), NOW) for _ in range(RECEIPTS_MAX + 1)]
        assert Refused("LIMIT_REACHED", limit="restores_of_one_redemption") == parts[-1]
        assert 50 == pair.step(Restore(step.id), NOW)["restored"]
        refunds = [pair.step(Facts((refunded("a", 100, f"r{number}"),)), NOW) for number in range(REFUNDS_MAX + 1)]
        assert [(-1,)] * REFUNDS_MAX + [Refused("LIMIT_REACHED")] == refunds


def test_points_held_beyond_their_day_lapse_when_they_come_back() -> None:
    """Captured in part, voided or run out of time: what comes back is seen by nobody, and swept."""
    pair = Pair(parse_program({"expiry": {"policy": "days", "days": 2}}))
    pair.step(Facts((paid("a", 10_000),)), NOW)
    holds = [Authorize("m1", str(document_id("hd", "m1", key)), 20, None, 5 * 86_400) for key in ("x", "y", "z")]
    for hold, key in zip(holds, ("x", "y", "z"), strict=True):
        pair.step(hold, NOW, key)
    later = NOW + timedelta(days=3)
    pair.step(Capture(holds[0].id, 5), later)
    pair.step(Void(holds[1].id), later)
    assert 0 == pair.reference.view("m1", later)["available"]
    pair.step(Expire("m1"), later)
    pair.step(Expire("m1"), NOW + timedelta(days=6))
    assert 95 == pair.reference.view("m1", NOW + timedelta(days=6))["lifetime"]["expired"]


def test_what_clamp_forgave_is_taken_back_first() -> None:
    """An order that grows again after a clawback was forgiven pays that first; a hold's points were never forgiven."""
    pair = Pair(parse_program({"clawback": "clamp"}))
    pair.step(Facts((paid("a", 9_000),)), NOW)
    step, key = redeem(50, "k")
    pair.step(step, NOW, key)
    pair.step(Authorize("m1", str(document_id("hd", "m1", "h")), 15), NOW, "h")
    assert (-40,) == pair.step(Facts((refunded("a", 9_000),)), NOW)
    assert 15 == pair.reference.view("m1", NOW)["debt"]
    assert (45,) == pair.step(Facts((paid("a", 18_500, revision=1),)), NOW)


def test_the_soonest_points_of_a_hold_pay_the_debt() -> None:
    """A hold over two lots that comes back while its member owes."""
    pair = Pair(parse_program({"expiry": {"policy": "days", "days": 30}}))
    pair.step(Facts((paid("a", 1_000), paid("b", 1_000, NOW + timedelta(days=5)), paid("c", 1_000))), NOW)
    step, key = redeem(10, "k")
    pair.step(step, NOW, key)
    hold = Authorize("m1", str(document_id("hd", "m1", "h")), 20)
    pair.step(hold, NOW, "h")
    pair.step(Facts((refunded("c", 700),)), NOW)
    pair.step(Void(hold.id), NOW)
    assert [("2026-03-31", 3), ("2026-04-05", 10)] == [
        (lot["expires_on"], lot["points"]) for lot in pair.reference.lots("m1", NOW)
    ]


def test_a_refund_brings_no_order_into_a_task() -> None:
    """A task is about orders up to 100 yuan; one of 150 does not become one of them because 60 were given back."""
    task = {"id": "small", "fixed": 8, "goal": {"of": "count", "reach": 1}, "when": {"amount_minor": {"max": 10_000}}}
    pair = Pair(parse_program({"earning": {"rules": [task]}}))
    pair.step(Facts((paid("a", 15_000), refunded("a", 6_000))), NOW)
    assert 0 == pair.reference.view("m1", NOW)["balance"]


def test_what_a_friend_keeps_is_not_the_inviters_spending() -> None:
    """The inviter gets points for the friend's order, and no level for what the friend has paid."""
    levels = [{"id": "plain", "from": 0}, {"id": "gold", "from": 5_000}]
    rules = [{"id": "friend", "to": "inviter", "fixed": 10}]
    pair = Pair(parse_program({"earning": {"rules": rules}, "tiers": {"by": "spend", "levels": levels}}))
    pair.step(Facts((paid("a", 100),)), NOW)
    pair.step(Happen(invite("m2", "m1")), NOW)
    pair.step(Facts((paid("b", 9_000, member="m2"),)), NOW)
    m1, m2 = (pair.ledger.load([member]).accounts[member].standing for member in ("m1", "m2"))
    assert ("plain", "gold") == (m1.tier and m1.tier.level, m2.tier and m2.tier.level)
    assert 10 == pair.reference.view("m1", NOW)["balance"]


def test_a_refund_line_that_names_no_line_is_goods() -> None:
    """Also in an order whose line number 0 is shipping: without a kind and a line, what is given back is goods."""
    pair = Pair(Program())
    lines = (Line(0, "post", 500, LineKind.SHIPPING), Line(1, "tea", 1_000))
    pair.step(Facts((paid("a", 0, lines=lines), refunded("a", 1_000, "r1", RefundLine(1_000)))), NOW)
    assert 0 == pair.reference.granted("standard", "a")


# Parts, against the same parts of the ledger -------------------------------------------------------------------------


@given(st.lists(st.integers(1, 500), min_size=1, max_size=30), st.data())
def test_shares_are_those_of_the_ledger(sizes: list[int], data: st.DataObject) -> None:
    """Rounding and putting right ends where the divisor method with a queue ends, ties included."""
    units = data.draw(st.integers(0, sum(sizes)))
    assert list(share_out(tuple(sizes), units)) == shares(sizes, units)


INSTANTS = st.integers(0, 2_145_916_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@settings(max_examples=1_000)
@given(INSTANTS, st.sampled_from(sorted(available_timezones())))
def test_days_are_those_of_the_ledger(instant: datetime, zone: str) -> None:
    """Any instant, in any zone of the world."""
    where = ZoneInfo(zone)
    assert calendar.local_day(instant, where) == local_day(instant, where)


@pytest.mark.parametrize(
    ("zone", "around"),
    [
        ("America/St_Johns", "2010-11-07"),  # 00:01 -> 23:01: midnight comes twice, a minute of the day is lost again
        ("America/Goose_Bay", "2010-11-07"),
        ("America/Moncton", "2006-10-29"),
        ("Antarctica/Casey", "2010-03-04"),  # 02:00 -> 23:00
        ("America/Havana", "2010-10-31"),  # 01:00 -> 00:00: midnight comes twice, within one day
        ("America/Asuncion", "2010-04-11"),  # 00:00 -> 23:00: the hour before midnight comes twice
        ("America/Sao_Paulo", "2018-11-04"),  # 00:00 -> 01:00: midnight never comes
        ("Asia/Amman", "2014-03-28"),
        ("Pacific/Apia", "2011-12-30"),  # a day that never was
        ("Europe/London", "2026-10-25"),
    ],
)
def test_days_are_those_of_the_ledger_where_clocks_change(zone: str, around: str) -> None:
    """Every minute, and the second before it, of the three days around a change."""
    where, start = ZoneInfo(zone), datetime.fromisoformat(around).replace(tzinfo=UTC) - timedelta(days=1)
    for seconds in range(-1, 3 * 86_400, 60):
        for instant in (start + timedelta(seconds=seconds), start + timedelta(seconds=seconds + 1)):
            assert calendar.local_day(instant, where) == local_day(instant, where), instant
    for days in range(4):
        day = start.date() + timedelta(days=days)
        assert calendar.day_start(day, where) == first_instant(day, where), day


@given(
    st.dates(date(1971, 1, 1), date(2199, 12, 31)),
    st.sampled_from(["never", "days", "months", "fixed_date"]),
    st.integers(1, 800),
    st.sampled_from(calendar.ROUNDINGS),
    st.dates(date(2000, 1, 1), date(2000, 12, 31)),
    st.integers(0, 5),
)
def test_last_valid_days_are_those_of_the_ledger(
    earned_on: date, policy: str, units: int, round_up_to: str, month_day: date, years: int
) -> None:
    """Every policy, every rounding."""
    section = {
        "policy": policy,
        "days": units,
        "months": units,
        "round_up_to": round_up_to,
        "month_day": f"{month_day:%m-%d}",
        "years": years,
    }
    expiry = parse_program({"expiry": section}).expiry
    assert expiry.last_valid_day(earned_on) == last_valid_day(expiry, earned_on)


def test_minor_units_are_those_of_the_ledger() -> None:
    """Of every currency."""
    assert {code: money.minor_per_unit(code) for code in money.CURRENCIES} == {
        code: minor_units(code) for code in money.CURRENCIES
    }


# Published examples --------------------------------------------------------------------------------------------------


# Published examples, and real orders that somebody else has worked out -----------------------------------------------


def example(name: str) -> dict[str, Any]:
    """A worked example; the test is skipped where the cases are not at hand."""
    path = SHARED / "worked_examples.json"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return next(case for case in found if case["id"] == name)


def at_noon(day: str) -> datetime:
    """Twelve o'clock UTC."""
    return datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)


def earned_on(day: str, points: int, program: Program, order_id: str = "a") -> Reference:
    """A reference in which m1 has earned ``points`` on a day."""
    reference = Reference(program)
    reference.apply(Facts((paid(order_id, 100 * points, at_noon(day)),)), at_noon(day))
    return reference


def test_example_of_spending_and_then_expiring() -> None:
    """fifo-01: points are spent soonest first, and what is left of the oldest expires."""
    case = example("fifo-01")
    # Points of day 1 are gone on day 31: day 30 is the last on which they can be spent.
    days = case["given"]["lifetime_days"] - 1
    reference = Reference(parse_program({"expiry": {"policy": "days", "days": days}}))
    balances = []
    for day, what, points in case["given"]["events"]:
        now = at_noon("2026-01-01") + timedelta(days=day)
        step: Step = Expire("m1")
        if what == "earn":
            step = Facts((paid(f"o{day}", 100 * points, now),))
        elif what == "redeem":
            step = Redeem("m1", "r", points)
        reference.apply(step, now)
        balances.append([day, reference.view("m1", now)["balance"]])
    assert case["expect"]["balance_after"] == balances
    assert case["expect"]["expired_on_day_31"] == reference.view("m1", now)["lifetime"]["expired"]


@pytest.mark.parametrize(("name", "orders", "spent"), [("fifo-05", [150], 50), ("fifo-07", [100, 60], 0)])
def test_examples_of_expiring(name: str, orders: list[int], spent: int) -> None:
    """What is left of each lot expires, once; fifo-09: a second run finds nothing to do."""
    case = example(name)
    assert [points for kind, points, *_ in case["given"]["events"] if kind == "earn"] == orders
    reference = Reference(parse_program({"expiry": {"policy": "days", "days": 30}}))
    for number, points in enumerate(orders):
        now = at_noon("2026-01-01") + timedelta(days=number)
        reference.apply(Facts((paid(f"o{number}", 100 * points, now),)), now)
    if spent:
        reference.apply(Redeem("m1", "r", spent), now)
    later = now + timedelta(days=100)
    assert reference.apply(Expire("m1"), later) is True
    view = reference.view("m1", later)
    assert (case["expect"]["balance"], -sum(case["expect"]["expiry_entries"])) == (
        view["balance"],
        view["lifetime"]["expired"],
    )
    assert reference.apply(Expire("m1"), later) is False


def test_example_of_the_first_expired_instant() -> None:
    """fifo-10: at the very instant at which they expire, points are gone; a microsecond earlier they are there."""
    case = example("fifo-10")
    instant = datetime.fromisoformat(case["given"]["expires_at"]).replace(tzinfo=UTC)
    reference = earned_on("2025-12-30", case["given"]["earn"], parse_program({"expiry": {"policy": "days", "days": 1}}))
    assert case["given"]["earn"] == reference.view("m1", instant - timedelta(microseconds=1))["balance"]
    assert case["expect"]["balance"] == reference.view("m1", instant)["balance"]


@pytest.mark.parametrize(
    ("name", "earned", "expires", "months"),
    [
        ("date-02", "credited", "expires", 36),
        ("date-03", "earned", "expires", 36),
        ("date-05", "earned", "last_valid_day", 12),
    ],
)
def test_examples_of_last_valid_days(name: str, earned: str, expires: str, months: int) -> None:
    """So many months after the day on which points are credited, to the end of the month."""
    case = example(name)
    reference = earned_on(case["given"][earned], 10, parse_program({"expiry": {"policy": "months", "months": months}}))
    next_expiry = reference.view("m1", at_noon(case["given"][earned]))["next_expiry"]
    assert {"on": case["expect"][expires], "points": 10} == next_expiry


@pytest.mark.parametrize(
    ("name", "amount_minor", "rates"),
    [
        ("earn-01", 10_500, [(1, 1_000)]),
        ("earn-03", 4_000, [(3, 100)]),
        ("earn-04", 1_999, [(1, 100), (1, 200)]),
        ("earn-11", 10 * 100_000, [(1, 100_000)]),
    ],
)
def test_examples_of_earning(name: str, amount_minor: int, rates: list[tuple[int, int]]) -> None:
    """Each rule is rounded once, over the whole order."""
    case = example(name)
    rules = [
        {"id": f"r{number}", "rate": {"points": points, "per_minor": per}} for number, (points, per) in enumerate(rates)
    ]
    reference = Reference(parse_program({"earning": {"rules": rules}}))
    assert (case["expect"]["points"],) == reference.apply(Facts((paid("a", amount_minor),)), NOW)


@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("refund-01", "debt"),
        ("refund-01", "clamp"),
        ("refund-02", "clamp"),
        ("refund-03", "negative"),
        ("refund-04", "debt"),
    ],
)
def test_examples_of_refunds(name: str, policy: str) -> None:
    """All is given back: what was earned goes, and what is spent already follows the policy; twice is once."""
    case = example(name)
    reference = earned_on("2026-03-01", case["given"]["earned"], parse_program({"clawback": policy}))
    if spent := case["given"].get("spent"):
        reference.apply(Redeem("m1", "r", spent), NOW)
    entry = reference.apply(Facts((cancelled("a"),)), at_noon("2026-03-02"))
    assert (case["expect"].get("entry", -case["given"]["earned"]),) == entry
    assert (0,) == reference.apply(Facts((cancelled("a"),)), at_noon("2026-03-02"))
    assert case["expect"]["balance"] == reference.view("m1", at_noon("2026-03-02"))["balance"]


def test_example_of_a_part_given_back() -> None:
    """refund-06: one of two units goes back."""
    case = example("refund-06")
    reference = Reference(
        parse_program({"earning": {"rules": [{"id": "r", "rate": {"points": 1, "per_minor": 100_000}}]}})
    )
    reference.apply(Facts((paid("a", 2 * 1_000_000),)), NOW)
    before = reference.view("m1", NOW)["balance"]
    reference.apply(Facts((refunded("a", 1_000_000),)), NOW)
    after = reference.view("m1", NOW)["balance"]
    assert (case["expect"]["earned_first"], case["expect"]["earned_after_return"]) == (before, after)


def test_real_orders_end_as_another_reference_has_them() -> None:
    """A year of real orders with redemptions and sweeps: every account and every redemption, to the last point."""
    if not (SHARED / "replay").exists():
        pytest.skip(f"{SHARED / 'replay'} is not here")
    expected = json.loads((SHARED / "replay" / "sample.expected.json").read_text(encoding="utf-8"))
    reference = Reference(parse_program(json.loads((SHARED / "replay" / "program.json").read_text(encoding="utf-8"))))
    now, members, answers = datetime(1970, 1, 1, tzinfo=UTC), set[str](), dict[str, Any]()
    with gzip.open(SHARED / "replay" / "sample.ndjson.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            now = max(now, datetime.fromisoformat(event["occurred_at"]))
            match event["type"]:
                case "redeem.requested":
                    name = event["request_id"]
                    answers[name] = reference.apply(Redeem(event["customer_id"], name, event["points"]), now)
                case "sweep.expire":
                    for member in members:
                        reference.apply(Expire(member), now)
                case "sweep.remind":
                    pass
                case _:
                    facts = tuple(standard.read({}, line.encode(), now))
                    members |= {fact.member for fact in facts if fact.member}
                    reference.apply(Facts(facts), now)
    for member, account in expected["accounts"].items():
        view = reference.view(member, now)
        lots = [{"points": lot["points"], "expires_on": lot["expires_on"]} for lot in reference.lots(member, now)]
        assert account == {**{name: view[name] for name in account if name != "lots"}, "lots": lots}
    for name, answer in expected["redemptions"].items():
        assert answer == _told(answers[name])


def _told(answer: Any) -> dict[str, Any]:
    """An answer as the expectation puts it."""
    if isinstance(answer, Refused):
        return {"status": 409, "code": answer.code, "available": answer.available}
    return {"status": 201, "points": answer["points"], "available": answer["available"]}
