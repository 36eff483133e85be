"""The reference and the ledger, side by side: two programs that were written apart and must say the same.

Every test here drives the real use cases (over the in-memory ledger, one operation at a time) or published examples,
and the reference with the same steps, and compares every answer, every refusal and every account after every step.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jifen.domain import calendar, money
from jifen.domain.ids import document_id
from jifen.domain.orders import EventType, Line, LineKind, OrderEvent, Paid, Refund, RefundLine
from jifen.domain.program import Program, parse_program
from jifen.domain.spending import share_out
from local.simulation.history import Facts, Redeem
from local.simulation.reference import last_valid_day, local_day, minor_units, shares
from tests.simulation.pair import COMMANDS, HOLDS_MAX, PROGRAMS, STARTS, Command, Pair, Player

SHARED = Path(__file__).parents[3] / "shared" / "cases"
NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    PROGRAMS,
    st.sampled_from(STARTS),
    st.sampled_from([2, 5, 120]),
    st.lists(COMMANDS, min_size=10, max_size=60),
)
def test_ledger_and_reference_say_the_same_after_every_step(
    program: Program, start: str, lots_max: int, commands: list[Command]
) -> None:
    """Orders, refunds, spending, holds, restores and sweeps in any order and at any time: every figure agrees."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jifen.domain.lots.LOTS_MAX", lots_max)
        patch.setattr("jifen.domain.spending.HOLDS_MAX", HOLDS_MAX)
        player = Player(Pair(program, lots_max, HOLDS_MAX), datetime.fromisoformat(start))
        for command in commands:
            player.play(command)


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


@pytest.mark.xfail(strict=True, reason="a refund line that names no line takes the kind of a line numbered 0")
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
