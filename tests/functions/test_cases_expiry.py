"""Other systems' cases of expiry and dates, from outside; see :mod:`tests.functions.test_cases_spending`.

What each calls an expiry instant is the first instant after our last valid day.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from jifen.domain.calendar import DAY
from tests.functions.cases import EXAMPLES, PEERS, figures, in_areas, named_by, needs_cases
from tests.functions.earning import Shop, shop

M = "m-1"
AREAS = ("expiry", "date", "fifo")
OF_SPENDING = frozenset({"fifo-01", "fifo-05"})
"""Examples in which points are spent: see there."""

GIFTS: list[dict[str, Any]] = [
    {"id": "base", "rate": {"points": 1, "per_minor": 100}},
    {"id": "gift", "on": "gift.given", "given": {"field": "points", "min": 1, "max": 1_000}},
    {
        "id": "lasting",
        "on": "gift.kept",
        "given": {"field": "points", "min": 1, "max": 1_000},
        "valid": {"policy": "never"},
    },
]

pytestmark = [needs_cases, pytest.mark.usefixtures("aws")]


def lots(here: Shop) -> list[tuple[str | None, int]]:
    """The lots of the member, as the API lists them."""
    return [(one["expires_on"], one["points"]) for one in here.stage.get(f"/v1/members/{M}/lots")["lots"]]


def lapsed(here: Shop) -> list[int]:
    """The points of the entries by which points lapsed."""
    return [one["points"] for one in here.stage.entries(M) if one["kind"] == "expire"]


def noon(day: str | date) -> str:
    """Twelve o'clock in the program's zone."""
    return f"{day}T12:00:00+08:00"


def bought_on(day: str, **expiry: Any) -> str:
    """The last valid day of points of an order that is paid on a day."""
    with shop(noon(day), expiry=expiry) as here:
        here.buys(M, 1_000)
        ((last, _),) = lots(here)
        assert last is not None
        return last


# One lot after the other ---------------------------------------------------------------------------------------------


def test_pc_069_the_soonest_expiring_lot_is_spent_first_not_the_oldest() -> None:
    """100 of January's first day that last longer, 100 of its second that do not: the second are spent."""
    a, b, spent = 100, 100, figures("PC-069", "when")[0]
    rules = [GIFTS[0] | {"enabled": False}, *GIFTS[1:]]
    rules[2] = rules[2] | {"valid": {"policy": "fixed_date", "month_day": "06-01", "years": 1}}
    expiry = {"policy": "fixed_date", "month_day": "01-01"}
    with shop(noon("2026-01-01"), earning={"rules": rules}, expiry=expiry) as here:
        here.does(M, "gift.kept", points=a)
        here.at(noon("2026-01-02"))
        here.does(M, "gift.given", points=b)
        assert [("2027-01-01", b), ("2027-06-01", a)] == lots(here)
        assert 201 == here.stage.redeem(M, spent, "k").status
        assert [("2027-06-01", a)] == lots(here)


def test_pc_070_never_expiring_lots_are_spent_last() -> None:
    """The older one without a day stays whole."""
    points = figures("PC-070", "given")[0]
    with shop(noon("2026-01-01"), earning={"rules": GIFTS}, expiry={"policy": "days", "days": 365}) as here:
        here.does(M, "gift.kept", points=points)
        here.at(noon("2026-01-02"))
        here.does(M, "gift.given", points=points)
        assert 201 == here.stage.redeem(M, figures("PC-070", "when")[0], "k").status
        assert [(None, points)] == lots(here)


def test_fifo_07_two_lots_that_are_due_are_two_entries() -> None:
    """-100 and -60, and nothing is left."""
    given, expected = EXAMPLES["fifo-07"]["given"]["events"], EXAMPLES["fifo-07"]["expect"]
    with shop(noon("2026-01-01"), expiry={"policy": "days", "days": 10}) as here:
        for number, (_, points, _) in enumerate(given):
            here.at(noon(date(2026, 1, 1) + number * DAY))
            here.buys(M, points * 100)
        here.sweeps(noon("2026-03-01"))
        assert (expected["expiry_entries"], expected["balance"]) == (lapsed(here), here.balance(M))


def test_fifo_09_pc_075_a_second_run_finds_nothing() -> None:
    """One entry, and a balance of zero, however often the sweep runs."""
    ((_, points, _),) = EXAMPLES["fifo-09"]["given"]["events"]
    expected = EXAMPLES["fifo-09"]["expect"]
    assert points == figures("PC-075", "given")[0]
    with shop(noon("2026-01-01"), expiry={"policy": "days", "days": 10}) as here:
        here.buys(M, points * 100)
        for _ in range(2):
            here.sweeps(noon("2026-03-01"))
        assert (expected["number_of_expiry_entries"], expected["balance"]) == (len(lapsed(here)), here.balance(M))


def test_fifo_10_pc_076_at_the_very_instant_points_are_gone() -> None:
    """At midnight after the last valid day a run takes them, a second before it does not."""
    given = EXAMPLES["fifo-10"]["given"]
    ends = datetime.fromisoformat(f"{given['expires_at']}+08:00")
    with shop(noon("2025-12-01"), expiry={"policy": "days", "days": 30}) as here:
        here.buys(M, given["earn"] * 100)
        assert [((ends - timedelta(seconds=1)).date().isoformat(), given["earn"])] == lots(here)
        here.sweeps((ends - timedelta(seconds=1)).isoformat())
        assert given["earn"] == here.balance(M)
        here.sweeps(f"{given['expiry_run_at']}+08:00")
        expected = EXAMPLES["fifo-10"]["expect"]
        assert (expected["balance"], expected["expiry_entries"]) == (here.balance(M), lapsed(here))


def test_pc_077_a_lot_that_is_used_up_leaves_nothing_behind_and_undated_points_last() -> None:
    """The peer writes an entry of zero to close the lot; with us the lot is gone with its last point."""
    points = figures("PC-077", "given")[0]
    with shop(noon("2026-01-01"), earning={"rules": GIFTS}, expiry={"policy": "days", "days": 10}) as here:
        here.does(M, "gift.given", points=points)
        assert 201 == here.stage.redeem(M, points, "k").status
        here.does(M, "gift.kept", points=7)
        for year in (2026, 2036):
            here.sweeps(noon(f"{year}-03-01"))
        assert ([], [(None, 7)]) == (lapsed(here), lots(here))


def test_pc_078_first_earned_first_used_then_all_lapses() -> None:
    """75 are left of the first order; the second reward takes them and 425 of the second order; 380 lapse."""
    rules = [{"id": "base", "rate": {"points": 5, "per_minor": 100}}]
    with shop(noon("2026-01-01"), earning={"rules": rules}, expiry={"policy": "days", "days": 90}) as here:
        assert 575 == here.buys(M, 11_500)
        assert 201 == here.stage.redeem(M, 500, "k1").status
        assert [75] == [points for _, points in lots(here)]
        here.at(noon("2026-01-02"))
        assert 805 == here.buys(M, 28 * 575)
        assert 201 == here.stage.redeem(M, 500, "k2").status
        assert [380] == [points for _, points in lots(here)]
        here.sweeps(noon(date(2026, 1, 2) + 91 * DAY))
        assert ([-380], 0, []) == (lapsed(here), here.balance(M), lots(here))


def test_pc_081_every_lot_is_listed_and_nothing_lapses_where_nothing_does() -> None:
    """Lots of different days are all shown; under ``never`` they have none."""
    with shop(noon("2026-01-01"), expiry={"policy": "days", "days": 10}) as here:
        for day in ("2026-01-01", "2026-01-03", "2026-01-08"):
            here.at(noon(day))
            here.buys(M, 1_000)
        assert [("2026-01-11", 10), ("2026-01-13", 10), ("2026-01-18", 10)] == lots(here)
    with shop(noon("2026-01-01"), expiry={"policy": "never"}) as here:
        here.buys(M, 1_000)
        here.sweeps(noon("2099-01-01"))
        assert ([(None, 10)], []) == (lots(here), lapsed(here))


# Dates ---------------------------------------------------------------------------------------------------------------


def test_date_02_the_day_of_the_credit_counts() -> None:
    """Asked for in July, credited in August: 36 months to the end of a month are those of August."""
    given = EXAMPLES["date-02"]["given"]
    last = bought_on(given["credited"], months=given["validity_months"])
    assert EXAMPLES["date-02"]["expect"]["expires"] == last


def test_date_03_the_first_day_of_a_month_is_in_it() -> None:
    """36 months on, to the end of that month."""
    given = EXAMPLES["date-03"]["given"]
    assert EXAMPLES["date-03"]["expect"]["expires"] == bought_on(given["earned"], months=given["validity_months"])


def test_date_05_pc_079_twelve_months_run_to_the_end_of_the_month() -> None:
    """Valid through the last day, gone on the first of the next month."""
    given, expected = EXAMPLES["date-05"]["given"], EXAMPLES["date-05"]["expect"]
    with shop(noon(given["earned"]), expiry={"policy": "months", "months": 12}) as here:
        here.buys(M, 1_000)
        assert [(expected["last_valid_day"], 10)] == lots(here)
        here.at(f"{expected['last_valid_day']}T23:59:59+08:00")
        assert 10 == here.stage.member(M)["available"]
        here.at(f"{expected['expires_on']}T00:00:00+08:00")
        assert 0 == here.stage.member(M)["available"]


def test_date_06_the_same_moment_has_a_day_in_each_zone() -> None:
    """18:25 on 25 January at -08:00 is the 26th in Shanghai: a day later there, for who buys then."""
    given, expected = EXAMPLES["date-06"]["given"], EXAMPLES["date-06"]["expect"]
    assert datetime.fromisoformat(given["local"]) == datetime.fromisoformat(expected["utc"])
    found = {}
    for zone in ("America/Los_Angeles", "Asia/Shanghai"):
        with shop(given["local"], time_zone=zone, expiry={"policy": "days", "days": 1}) as here:
            here.buys(M, 1_000)
            found[zone] = lots(here)[0][0]
    assert {"America/Los_Angeles": "2020-01-26", "Asia/Shanghai": "2020-01-27"} == found


def test_date_07_a_fixed_day_of_the_year_takes_what_is_a_year_old() -> None:
    """Earned on 1 March 2024 or before: gone by the run after 1 March 2025; earned a day later: a year more."""
    run = EXAMPLES["date-07"]["given"]["run"]
    fixed = {"policy": "fixed_date", "month_day": "03-01", "years": 1}
    assert ("2024-03-01" in EXAMPLES["date-07"]["expect"]["expired"], run) == (True, bought_on("2024-03-01", **fixed))
    assert "2026-03-01" == bought_on("2024-03-02", **fixed)


def test_pc_080_points_of_a_year_last_to_the_end_of_the_next() -> None:
    """Earned on any day of 2016: 31 December 2017."""
    expected = PEERS["PC-080"]["then"].removeprefix("voided on ")
    for day in ("2016-01-01", "2016-02-29", "2016-12-31"):
        assert expected == bought_on(day, policy="months", months=12, round_up_to="year_end")
        assert expected == bought_on(day, policy="fixed_date", month_day="12-31", years=1)


# No case is left out -------------------------------------------------------------------------------------------------


def test_every_case_of_these_areas_is_run() -> None:
    """And no test is named after a case that the files do not have."""
    assert in_areas(*AREAS) - OF_SPENDING == named_by(globals())
