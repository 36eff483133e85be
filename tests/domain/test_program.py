"""Reading a program, and how long its points live."""

from __future__ import annotations

import json
from fractions import Fraction
from time import process_time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.errors import InvalidProgram
from jifen.domain.program import (
    ClawbackPolicy,
    Expiry,
    HoldTerms,
    Program,
    RedemptionTerms,
    Rounding,
    parse_program,
)
from jifen.domain.rules.model import Rate, Rule, RuleSet
from jifen.domain.terms import Worth
from tests.domain.builders import day, instant

EXAMPLE = """
{"time_zone": "Europe/London", "currency": "GBP",
 "earning": {"rules": [
   {"id": "base", "on": "order.paid", "rate": {"points": 1, "per_minor": 100}, "rounding": "floor"}]},
 "expiry": {"policy": "months", "months": 12, "round_up_to": "month_end"},
 "clawback": "debt", "redemption": {"points_per_unit": 100, "max_order_share": "0.30", "max_points_per_order": 500},
 "reminders": {"lead_days": [30, 7, 3]}}
"""


def faults(data: object) -> set[str]:
    """The paths that a program is refused for."""
    with pytest.raises(InvalidProgram) as refusal:
        parse_program(data)
    return {fault.field for fault in refusal.value.faults}


def test_an_empty_object_is_a_program() -> None:
    """Everything has a default: UTC, any currency, 1 point per unit, a year to the end of the month, debt."""
    expected = Program(
        zone=ZoneInfo("UTC"),
        currency=None,
        rules=RuleSet((Rule("base", Rate(1, 100), rounding=Rounding.FLOOR),)),
        expiry=Expiry("months", 365, 12, "month_end", (12, 31), 0),
        clawback=ClawbackPolicy.DEBT,
        redemption=RedemptionTerms(Worth(100)),
        holds=HoldTerms(900, 2_592_000),
        lead_days=(30, 7, 3),
    )
    assert expected == Program() == parse_program({})


def test_the_example_of_the_contract_is_read() -> None:
    """The program file shown in the contract means what it says."""
    program = parse_program(json.loads(EXAMPLE))
    assert ("Europe/London", "GBP") == (program.zone.key, program.currency)
    assert RedemptionTerms(max_order_share=Fraction(3, 10), max_points_per_order=500) == program.redemption
    assert (Program().rules.rules, Program().expiry, (30, 7, 3)) == (
        program.rules.rules,
        program.expiry,
        program.lead_days,
    )


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"expirey": {}}, "expirey"),
        ({"earning": {"rule": []}}, "earning.rule"),
        ({"earning": {"rules": [{"id": "a", "rate": {}, "rates": {}}]}}, "earning.rules[0].rates"),
        (
            {"earning": {"rules": [{"id": "a", "rate": {}}, {"id": "b", "rate": {"per": 1}}]}},
            "earning.rules[1].rate.per",
        ),
        ({"expiry": {"month": 12}}, "expiry.month"),
        ({"redemption": {"cap": 1}}, "redemption.cap"),
        ({"holds": {"expires_in": 1}}, "holds.expires_in"),
        ({"reminders": {"leads": []}}, "reminders.leads"),
        ({"": 1}, ""),
        ({"时区": "UTC"}, "时区"),
    ],
)
def test_an_unknown_key_is_named_by_its_path(data: object, path: str) -> None:
    """A misspelt key is refused by its place, never taken for a default."""
    assert {path or "program"} == faults(data)


BAD: list[tuple[str, Any]] = [
    (
        "time_zone",
        ["", 7, None, True, "Mars/Base", "../etc/passwd", "/etc/passwd", "Europe", "UTC\x00", "\ud800", "x" * 9_999],
    ),
    ("currency", ["", "cny", "XXX", "RMB", 156, True, [], {}, "\ud800"]),
    ("clawback", ["", "DEBT", None, 1, True, [], {}, ["debt"]]),
    ("earning", [None, [], "base", 1]),
    ("earning.rules", [None, {}, "base", [None], [[]], [{}], [{"id": "a"}] * 2, [{"id": "a"}] * 101]),
    ("earning.rules[0].id", [None, "", "A", "a b", "-a", "a" * 65, "ä", 1, ["a"], "a\n"]),
    ("earning.rules[0].on", [None, "order.refunded", 1]),
    ("earning.rules[0].rounding", [None, "round", "FLOOR", 1, True]),
    ("earning.rules[0].rate", [None, [], 1, "1/100"]),
    ("earning.rules[0].rate.points", [-1, 1.0, 1.5, True, "1", None, 10**7, 10**400, float("nan"), float("inf")]),
    ("earning.rules[0].rate.per_minor", [0, -100, 100.0, True, "100", None, 10**15, float("nan")]),
    ("expiry", [None, [], "never"]),
    ("expiry.policy", [None, "", "year", "NEVER", 1, True]),
    ("expiry.days", [0, -1, 1.0, True, "30", None, 36_501]),
    ("expiry.months", [0, -1, 12.0, True, "12", None, 1_201]),
    ("expiry.round_up_to", [None, "", "week_end", True, 1]),
    (
        "expiry.month_day",
        ["", "02-30", "13-01", "00-10", "0229", 229, 2.29, True, [2, 29], {}, "02-29-01", "12-31\n", "\ud800"],
    ),
    ("expiry.years", [-1, 1.0, True, "1", None, 101]),
    ("redemption", [None, [], 1]),
    ("redemption.points_per_unit", [0, -1, 1.0, True, "100", None, 10**10]),
    (
        "redemption.max_order_share",
        [
            *[0.3, 1, True, "", "1.01", "-0.1", "NaN", "sNaN", "Infinity", "-Infinity", "30%", "1/3", "0." + "3" * 50],
            *["1e-9999999", "1E-9999999", "1e9999999", "0e9999999", "0.1e-9999999", "0." + "0" * 10**6 + "1", "1e0"],
            *["0.5\n", " 0.5", "0_0.5", "٠.٥", "1.", ".5", "00.5", "+0.5", "2", "1.000000001", [], {}],
        ],
    ),
    ("redemption.max_points_per_order", [-1, 1.0, True, "1", 10**13]),
    ("holds", [None, [], 900]),
    ("holds.expires_in_s", [0, -1, 1.0, True, "1", None, 2_592_001]),
    ("holds.max_expires_in_s", [0, -1, True, 10**9]),
    ("reminders", [None, [], [30]]),
    ("reminders.lead_days", [None, 30, {}, "30", [30, 30], [1] * 21]),
    ("reminders.lead_days[0]", [-1, 1.0, True, "30", None, 3_651, [30], float("nan")]),
]


def program_with(path: str, value: object) -> dict[str, Any]:
    """A program with one value at a path, and what must stand beside it."""
    if path == "reminders.lead_days[0]":
        return {"reminders": {"lead_days": [value]}}
    if path.startswith("earning.rules[0]"):
        keys = path.removeprefix("earning.rules[0].").split(".")
        return {"earning": {"rules": [{"id": "a", "rate": {}, **_nested(keys, value)}]}}
    return _nested(path.split("."), value)


def _nested(keys: list[str], value: object) -> dict[str, Any]:
    return {keys[0]: value if len(keys) == 1 else _nested(keys[1:], value)}


@pytest.mark.parametrize(
    ("path", "value"),
    [pytest.param(path, value, id=f"{path}-{number}") for path, values in BAD for number, value in enumerate(values)],
)
def test_a_bad_value_is_named_by_its_path(path: str, value: object) -> None:
    """Floats, booleans, huge numbers, paths, junk: refused, with the place and nothing else."""
    found = faults(program_with(path, value))
    assert found
    assert all(each.startswith(path) for each in found)


@pytest.mark.parametrize("share", ["1e-9999999", "1e9999999", "0.1e-99999999", "1/1e9999999", "0." + "9" * 10**6])
def test_a_share_that_would_be_endless_is_refused_at_once(share: str) -> None:
    """A short text must not make a number of millions of digits."""
    begun = process_time()
    assert {"redemption.max_order_share"} == faults({"redemption": {"max_order_share": share}})
    assert process_time() - begun < 2  # a thousandth of it does; digits by the million take minutes


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", Fraction(0)), ("1", Fraction(1)), ("1.000000000", Fraction(1)), ("0.000000001", Fraction(1, 10**9))],
)
def test_shares_are_exact(text: str, expected: Fraction) -> None:
    """A share is the fraction that its digits say, up to nine of them."""
    assert expected == parse_program({"redemption": {"max_order_share": text}}).redemption.max_order_share


def test_every_fault_is_named_at_once() -> None:
    """One attempt shows all that is wrong."""
    data = {"time_zone": "x", "clawback": "x", "expiry": {"months": 0, "x": 1}, "reminders": {"lead_days": [True, -1]}}
    expected = {
        "time_zone",
        "clawback",
        "expiry.months",
        "expiry.x",
        "reminders.lead_days[0]",
        "reminders.lead_days[1]",
    }
    assert expected <= faults(data)


@pytest.mark.parametrize("data", [None, [], "", "{}", 0, 1.5, True, [{}]])
def test_what_is_no_object_is_no_program(data: object) -> None:
    """Only an object can be a program."""
    assert {"program"} == faults(data)


KEYS = st.sampled_from(
    [
        "time_zone",
        "currency",
        "earning",
        "expiry",
        "clawback",
        "redemption",
        "holds",
        "reminders",
        "rules",
        "id",
        "on",
        "rate",
        "rounding",
        "points",
        "per_minor",
        "policy",
        "days",
        "months",
        "round_up_to",
        "month_day",
        "years",
        "points_per_unit",
        "max_order_share",
        "max_points_per_order",
        "expires_in_s",
        "max_expires_in_s",
        "lead_days",
    ]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["never", "months", "fixed_date", "UTC", "base", "floor", "0.5", "12-31", "CNY", "debt"]),
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(JUNK)
def test_junk_is_a_program_or_an_invalid_program(data: object) -> None:
    """Whatever is sent, the answer is a program or the refusal that names its faults, and no other error."""
    try:
        program = parse_program(data)
    except InvalidProgram as refusal:
        assert refusal.faults  # noqa: PT017 - both outcomes are right
    else:
        assert program == parse_program(data)


@given(st.dictionaries(KEYS, st.dictionaries(KEYS, JUNK, max_size=3), min_size=1, max_size=4))
def test_junk_inside_known_sections_is_a_program_or_an_invalid_program(data: dict[str, object]) -> None:
    """The same, deeper down."""
    try:
        program = parse_program(data)
    except InvalidProgram as refusal:
        assert refusal.faults  # noqa: PT017 - both outcomes are right
    else:
        assert program == parse_program(data)


@given(st.text(st.characters(min_codepoint=0x2B, max_codepoint=0x7A), max_size=12))
def test_any_text_as_a_zone_is_a_zone_or_a_fault(name: str) -> None:
    """No name of a zone reaches a file outside the zone database or raises anything else."""
    try:
        assert name == parse_program({"time_zone": name}).zone.key
    except InvalidProgram as refusal:
        assert ["time_zone"] == [fault.field for fault in refusal.faults]  # noqa: PT017 - both outcomes are right


def test_edges_that_are_allowed() -> None:
    """No rules, no reminders, a cap of nothing and the extremes of each range are choices, not faults."""
    data = {
        "earning": {"rules": []},
        "expiry": {"policy": "fixed_date", "month_day": "02-29", "years": 100, "days": 36_500, "months": 1_200},
        "redemption": {"max_order_share": "0", "max_points_per_order": 0, "points_per_unit": 10**9},
        "holds": {"expires_in_s": 1, "max_expires_in_s": 1},
        "reminders": {"lead_days": []},
    }
    program = parse_program(data)
    assert ((), ()) == (program.rules.rules, program.lead_days)
    assert RedemptionTerms(Worth(10**9), max_order_share=Fraction(0), max_points_per_order=0) == program.redemption
    assert (2, 29) == program.expiry.month_day


def test_as_many_values_are_used_up_as_a_transaction_holds() -> None:
    """Each rule with once_per writes a document with the event: fifty on one type may, of campaigns or not."""

    def rules(count: int) -> list[object]:
        return [{"id": f"r{number}", "on": "a.b", "fixed": 1, "once_per": "x"} for number in range(count)]

    campaign = {"id": "c", "rules": [{"id": "r", "on": "a.b", "fixed": 1, "once_per": "x"}]}
    plain = {"id": "other", "on": "a.c", "fixed": 1, "once_per": "x"}

    parse_program({"earning": {"rules": [*rules(50), plain]}})
    assert {"earning.rules[50].once_per"} == faults({"earning": {"rules": rules(60)}})
    assert {"earning.campaigns[0].rules[0].once_per"} == faults(
        {"earning": {"rules": rules(50), "campaigns": [campaign]}}
    )


def test_a_shorter_longest_hold_shortens_the_usual_one() -> None:
    """A program that allows holds of a minute holds for a minute by default; contradictions are faults."""
    assert HoldTerms(60, 60) == parse_program({"holds": {"max_expires_in_s": 60}}).holds
    assert {"holds.expires_in_s"} == faults({"holds": {"expires_in_s": 61, "max_expires_in_s": 60}})


def test_leads_are_kept_longest_first() -> None:
    """The order in which leads are written does not matter."""
    assert (30, 7, 0) == parse_program({"reminders": {"lead_days": [7, 0, 30]}}).lead_days


def test_only_months_are_rounded_unless_told() -> None:
    """Month policies run to the end of the month, days are exact, and either can be told otherwise."""
    assert "none" == parse_program({"expiry": {"policy": "days"}}).expiry.round_up_to
    assert "month_end" == parse_program({"expiry": {"months": 3}}).expiry.round_up_to
    assert "none" == parse_program({"expiry": {"months": 3, "round_up_to": "none"}}).expiry.round_up_to


@pytest.mark.parametrize(
    ("case", "expiry", "earned", "expected"),
    [
        ("date-02", {"months": 36}, "2018-08-02", "2021-08-31"),
        ("date-03", {"months": 36}, "2018-01-01", "2021-01-31"),
        ("date-05", {"months": 12}, "2020-07-06", "2021-07-31"),
        ("PC-079", {"months": 12}, "2020-07-06", "2021-07-31"),
        ("PC-080 first", {"policy": "fixed_date", "month_day": "12-31", "years": 1}, "2016-01-01", "2017-12-31"),
        ("PC-080 last", {"policy": "fixed_date", "month_day": "12-31", "years": 1}, "2016-12-31", "2017-12-31"),
        ("PC-080 by months", {"months": 12, "round_up_to": "year_end"}, "2016-05-05", "2017-12-31"),
        ("date-07 in", {"policy": "fixed_date", "month_day": "03-01", "years": 1}, "2024-03-01", "2025-03-01"),
        ("date-07 out", {"policy": "fixed_date", "month_day": "03-01", "years": 1}, "2024-03-02", "2026-03-01"),
        ("PC-078", {"policy": "days", "days": 90}, "2026-01-01", "2026-04-01"),
        ("contract", {"months": 12}, "2010-12-01", "2011-12-31"),
        ("leap day", {"months": 12, "round_up_to": "none"}, "2024-02-29", "2025-02-28"),
        ("leap day, month end", {"months": 12}, "2023-02-01", "2024-02-29"),
        ("month end", {"months": 1, "round_up_to": "none"}, "2026-01-31", "2026-02-28"),
        ("quarter", {"months": 3, "round_up_to": "quarter_end"}, "2026-11-30", "2027-03-31"),
        ("days to month end", {"policy": "days", "days": 30, "round_up_to": "month_end"}, "2026-01-31", "2026-03-31"),
        ("never", {"policy": "never"}, "2026-01-31", None),
    ],
)
def test_the_last_valid_day(case: str, expiry: dict[str, object], earned: str, expected: str | None) -> None:
    """Published dates come out as printed."""
    found = parse_program({"expiry": expiry}).expiry.last_valid_day(day(earned))
    assert (case, day(expected) if expected else None) == (case, found)


def test_a_moment_has_the_day_of_the_programs_zone() -> None:
    """Half past four in the afternoon UTC is the next day in Shanghai; the record time is now unless told."""
    program = parse_program({"time_zone": "Asia/Shanghai"})
    now = instant("2026-12-31T16:00:00Z")
    assert day("2027-01-01") == program.moment(now).today
    assert now == program.moment(now).recorded_at
    assert instant("2027-05-05T00:00:00Z") == program.moment(now, instant("2027-05-05T00:00:00Z")).recorded_at


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ({"quiet_hours": {"from": "22:00"}}, "notices.quiet_hours.to"),
        ({"quiet_hours": {"from": "22:00", "to": "24:00"}}, "notices.quiet_hours.to"),
        ({"quiet_hours": {"from": "22:00+08:00", "to": "08:00"}}, "notices.quiet_hours.from"),
        ({"quiet_hours": {"from": 22, "to": "08:00"}}, "notices.quiet_hours.from"),
        ({"quiet_hours": {"from": "08:00", "to": "08:00"}}, "notices.quiet_hours.to"),
        ({"quiet_hours": {"from": "T2:00", "to": "08:00"}}, "notices.quiet_hours.from"),
        ({"quiet_hours": {"from": "12:30", "to": "12:10"}}, "notices.quiet_hours.to"),
        ({"quiet_hours": {"from": "00:30", "to": "22:31"}}, "notices.quiet_hours.to"),
        ({"balance_reached": [0]}, "notices.balance_reached[0]"),
        ({"balance_reached": [500, 500]}, "notices.balance_reached"),
        ({"balance_reached": 500}, "notices.balance_reached"),
        ({"per_second": {"fax": 1}}, "notices.per_second.fax"),
        ({"per_second": {"sms": 0}}, "notices.per_second.sms"),
        ({"tier_at_risk_days": -1}, "notices.tier_at_risk_days"),
        ({"tries": 0}, "notices.tries"),
        ({"once_a_day": "yes"}, "notices.once_a_day"),
        ({"sound": True}, "notices.sound"),
        ([], "notices"),
    ],
)
def test_what_is_wrong_with_notices_is_named(written: object, path: str) -> None:
    """Each fault by its path, and nothing else."""
    with pytest.raises(InvalidProgram) as refused:
        parse_program({"notices": written})

    assert [path] == [fault.field for fault in refused.value.faults]
