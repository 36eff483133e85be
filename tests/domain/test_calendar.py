"""Days, midnights and months, in every zone there is."""

from __future__ import annotations

import calendar
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jifen.domain.calendar import (
    DAY,
    EARLIEST,
    LATEST,
    ROUNDINGS,
    add_months,
    day_start,
    local_day,
    next_month_day,
    parse_instant,
    round_up,
)
from tests.domain.builders import day, instant

SECOND = timedelta(seconds=1)
ALL_ZONES = sorted(name for name in available_timezones() if name not in {"localtime", "Factory"})
DAYS = st.dates(date(1900, 1, 1), date(2099, 12, 31))

ODD_DAYS = [
    ("America/Sao_Paulo", "2018-11-04"),  # midnight does not exist
    ("America/Sao_Paulo", "2018-02-18"),  # 00:00 goes back to 23:00: the midnight before it never shows
    ("America/St_Johns", "2010-11-07"),  # 00:01 goes back to 23:01: midnight comes twice
    ("America/St_Johns", "2011-03-13"),  # 00:01 goes on to 01:01
    ("Pacific/Apia", "2011-12-30"),  # the day does not exist
    ("Pacific/Apia", "2011-12-31"),
    ("Pacific/Kwajalein", "1993-08-21"),  # nor this one
    ("America/Juneau", "1867-10-18"),  # a day twice
    ("America/Toronto", "1919-03-31"),  # 23:30 goes on to 00:30: midnight lies within the gap
    ("Asia/Shanghai", "2024-02-29"),
    ("Asia/Shanghai", "1986-05-04"),
    ("Europe/London", "2026-03-29"),
    ("Europe/London", "2026-10-25"),
    ("Africa/Cairo", "2023-04-28"),  # midnight does not exist
    ("Africa/Cairo", "2023-10-27"),  # 00:00 goes back to 23:00
    ("Africa/Cairo", "2014-05-16"),
    ("Asia/Beirut", "2023-03-30"),  # midnight does not exist
    ("Asia/Beirut", "2023-10-29"),
    ("America/Havana", "2026-03-08"),  # midnight does not exist
    ("America/Havana", "2026-11-01"),  # 01:00 goes back to exactly 00:00: midnight comes twice, within one day
    ("Atlantic/Azores", "2026-10-25"),  # the same
    ("Atlantic/Azores", "2026-03-29"),  # midnight does not exist
    ("America/Scoresbysund", "2020-10-25"),  # 01:00 goes back to exactly 00:00
    ("Asia/Gaza", "2011-08-01"),
    ("Africa/Monrovia", "1972-01-07"),  # a jump of 44 minutes and 30 seconds at midnight
    ("Antarctica/Troll", "2026-03-29"),
    ("Australia/Lord_Howe", "2026-10-04"),
]


def keeps_its_promises(name: str, on: date) -> None:
    """What a day's start must be, for one day in one zone."""
    zone = ZoneInfo(name)
    start = day_start(on, zone)
    assert local_day(start, zone) >= on
    assert local_day(start - SECOND, zone) < on
    assert local_day(start - timedelta(microseconds=1), zone) < on
    assert start < day_start(on + DAY, zone) or local_day(start, zone) > on


@pytest.mark.parametrize(("name", "text"), ODD_DAYS)
def test_a_day_starts_at_its_first_instant_also_on_odd_days(name: str, text: str) -> None:
    """From a day's start on it is that day or a later one; a moment before it is an earlier one."""
    for distance in range(-2, 3):
        keeps_its_promises(name, day(text) + distance * DAY)


@pytest.mark.parametrize(("name", "text"), ODD_DAYS)
def test_the_local_day_is_the_earliest_that_the_wall_still_shows(name: str, text: str) -> None:
    """Minute by minute, the local day is the smallest date that the wall clock shows from then on."""
    zone = ZoneInfo(name)
    midnight = datetime(day(text).year, day(text).month, day(text).day, tzinfo=UTC)
    minutes = [midnight + timedelta(minutes=number) for number in range(-48 * 60, 48 * 60)]
    earliest = minutes[-1].astimezone(zone).date()
    for moment in reversed(minutes):
        earliest = min(earliest, moment.astimezone(zone).date())
        assert earliest == local_day(moment, zone)


@pytest.mark.parametrize("name", ALL_ZONES)
def test_every_zone_keeps_the_promises_whenever_its_offset_changes(name: str) -> None:
    """In each zone of the database, days start where they should around each change of its offset."""
    zone = ZoneInfo(name)
    for year in (1972, 2011, 2018, 2026):
        offsets = [
            (date(year, 1, 1) + number * DAY, datetime(year, 1, 1, tzinfo=zone) + number * DAY)
            for number in range(0, 366, 5)
        ]
        for (before, earlier), (after, later) in pairwise(offsets):
            if earlier.utcoffset() != later.utcoffset():
                for number in range((after - before).days + 1):
                    keeps_its_promises(name, before + number * DAY)


@given(st.sampled_from(ALL_ZONES), DAYS)
def test_any_day_of_any_zone_starts_at_its_first_instant(name: str, on: date) -> None:
    """The promises hold for drawn days of drawn zones."""
    keeps_its_promises(name, on)


@given(
    st.sampled_from(ALL_ZONES),
    st.datetimes(datetime(1900, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds are naive
    st.timedeltas(timedelta(0), timedelta(days=3)),
)
@example("America/St_Johns", instant("2010-11-07T02:30:30+00:00"), timedelta(minutes=1))
def test_the_local_day_never_decreases(name: str, first: datetime, wait: timedelta) -> None:
    """Whoever waits does not go back to an earlier day, and an instant lies within the day that it is said to be in."""
    zone = ZoneInfo(name)
    before, after = local_day(first, zone), local_day(first + wait, zone)
    assert before <= after
    assert day_start(before, zone) <= first < day_start(before + DAY, zone)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("UTC", "2026-01-01", "2026-01-01T00:00:00+00:00"),
        ("Asia/Shanghai", "2026-01-01", "2025-12-31T16:00:00+00:00"),
        ("Europe/London", "2026-06-01", "2026-05-31T23:00:00+00:00"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00:00+00:00"),
        ("America/St_Johns", "2010-11-07", "2010-11-07T03:30:00+00:00"),
        ("America/Toronto", "1919-03-31", "1919-03-31T04:30:00+00:00"),
        ("America/Havana", "2026-11-01", "2026-11-01T04:00:00+00:00"),
        ("America/Havana", "2026-11-02", "2026-11-02T05:00:00+00:00"),
        ("Atlantic/Azores", "2026-10-25", "2026-10-25T00:00:00+00:00"),
        ("Atlantic/Azores", "2026-10-26", "2026-10-26T01:00:00+00:00"),
        ("America/Scoresbysund", "2020-10-25", "2020-10-25T00:00:00+00:00"),
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00+00:00"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00:00+00:00"),
    ],
)
def test_the_start_of_a_day_as_worked_out_by_hand(name: str, text: str, expected: str) -> None:
    """Ordinary and odd days start at the instants that the zone's published rules give."""
    assert instant(expected) == day_start(day(text), ZoneInfo(name))


def test_a_day_that_begins_twice_at_midnight_has_25_hours() -> None:
    """Where 01:00 goes back to 00:00 of the same day, the first 00:00 begins it: no hour of it is the day before."""
    for name, text in (("America/Havana", "2026-11-01"), ("Atlantic/Azores", "2026-10-25")):
        zone = ZoneInfo(name)
        start = day_start(day(text), zone)
        assert timedelta(hours=25) == day_start(day(text) + DAY, zone) - start
        hours = [local_day(start + timedelta(minutes=minutes), zone) for minutes in range(25 * 60)]
        assert {day(text)} == set(hours)
        assert day(text) - DAY == local_day(start - timedelta(microseconds=1), zone)


@given(st.datetimes(datetime(1970, 1, 2), datetime(8999, 12, 30)), st.integers(-1_199, 1_199), st.booleans())  # noqa: DTZ001 - bounds are naive
def test_an_instant_with_any_offset_is_read_in_utc(naive: datetime, minutes: int, zulu: bool) -> None:  # noqa: FBT001
    """Every form that RFC 3339 allows names the same instant as arithmetic does."""
    offset = timedelta(minutes=0 if zulu else minutes)
    sign, size = ("-", -offset) if offset < timedelta(0) else ("+", offset)
    hours, rest = divmod(size.seconds // 60, 60)
    text = naive.isoformat() + ("z" if zulu else f"{sign}{hours:02}:{rest:02}")
    for spelt in (text, text.lower(), text.upper()):
        found = parse_instant(spelt)
        assert naive.replace(tzinfo=UTC) - offset == found
        assert UTC == found.tzinfo


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2010-12-01T08:26:00Z", "2010-12-01T08:26:00+00:00"),
        ("2010-12-01t08:26:00z", "2010-12-01T08:26:00+00:00"),
        ("2010-12-01T08:26:00-00:00", "2010-12-01T08:26:00+00:00"),
        ("2010-12-01T08:26:00+05:45", "2010-12-01T02:41:00+00:00"),
        ("2010-12-01T08:26:00.5Z", "2010-12-01T08:26:00.500000+00:00"),
        ("2010-12-01T08:26:00.123456789Z", "2010-12-01T08:26:00.123456+00:00"),
        ("2010-12-01T08:26:00.9999999Z", "2010-12-01T08:26:00.999999+00:00"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00+00:00"),
        ("1969-12-31T23:00:00-01:00", "1970-01-01T00:00:00+00:00"),
        ("8999-12-31T23:59:59.999999Z", "8999-12-31T23:59:59.999999+00:00"),
    ],
)
def test_instants_that_are_read(text: str, expected: str) -> None:
    """Either case, any offset, fractions cut to microseconds and never rounded, from 1970 up to 9000."""
    assert instant(expected) == parse_instant(text)
    assert EARLIEST <= parse_instant(text) < LATEST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2010-12-01",
        "2010-12-01T08:26:00",  # no offset
        "2010-12-01 08:26:00Z",
        "2010-12-01T08:26Z",
        "20101201T082600Z",
        "2010-W48-3T08:26:00Z",
        "2010-335T08:26:00Z",
        "2010-12-01T08:26:00,5Z",
        "2010-12-01T08:26:00.Z",
        "2010-12-01T08:26:00.1234567890Z",
        "2010-12-01T08:26:00+0800",
        "2010-12-01T08:26:00+08",
        "2010-12-01T08:26:00+08:60",
        "2010-12-01T08:26:00+08:99",
        "2010-12-01T08:26:00+24:00",
        "2010-12-01T08:26:00+08:00:00",
        "2010-12-01T08:26:00+08:00[Asia/Shanghai]",
        "2010-12-01T08:26:00Z\n",
        " 2010-12-01T08:26:00Z",
        "2010-12-01T08:26:00ZZ",
        "2010-02-30T08:26:00Z",
        "2010-13-01T08:26:00Z",
        "2010-12-01T25:00:00Z",
        "2010-12-01T08:60:00Z",
        "2010-12-01T08:26:61Z",
        "1969-12-31T23:59:59.999999Z",
        "1970-01-01T00:00:00+00:01",
        "9000-01-01T00:00:00Z",
        "8999-12-31T23:59:59-00:01",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+19:59",
        "9999-12-31T23:59:59-19:59",
        "+2010-12-01T08:26:00Z",
        "２０１０-12-01T08:26:00Z",
        None,
        1291191960,
        1291191960.0,
        True,
        b"2010-12-01T08:26:00Z",
        ["2010-12-01T08:26:00Z"],
    ],
)
def test_what_is_no_instant(text: object) -> None:
    """Other forms that Python reads, instants of no known year, and what is no text, are refused in one way."""
    with pytest.raises(ValueError):  # noqa: PT011 - the reader of the field names it
        parse_instant(text)


@given(st.text(max_size=40))
def test_reading_an_instant_raises_nothing_else(text: str) -> None:
    """Whatever text comes, the answer is an instant in UTC or a ValueError."""
    with suppress(ValueError):
        assert UTC == parse_instant(text).tzinfo


def test_date_06_one_instant_is_read_in_two_zones() -> None:
    """date-06: 18:25:34 on 25 January at -08:00 is 26 January in UTC, and each zone has its own day."""
    moment = instant("2020-01-25T18:25:34-08:00")
    assert instant("2020-01-26T02:25:34Z") == moment
    assert day("2020-01-26") == local_day(moment, ZoneInfo("UTC"))
    assert day("2020-01-25") == local_day(moment, ZoneInfo("America/Los_Angeles"))


@given(DAYS, st.integers(0, 1_200))
def test_months_later_is_the_same_day_or_the_last_of_the_month(on: date, months: int) -> None:
    """Adding months lands in the right month, on the same day where there is one and on its last day where not."""
    moved = add_months(on, months)
    assert months == (moved.year - on.year) * 12 + moved.month - on.month
    assert min(on.day, calendar.monthrange(moved.year, moved.month)[1]) == moved.day


@pytest.mark.parametrize(
    ("text", "months", "expected"),
    [
        ("2026-01-31", 1, "2026-02-28"),
        ("2024-01-31", 1, "2024-02-29"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2026-08-31", 6, "2027-02-28"),
        ("2026-12-31", 0, "2026-12-31"),
        ("2026-11-30", 2, "2027-01-30"),
    ],
)
def test_month_ends(text: str, months: int, expected: str) -> None:
    """31 January and 29 February have an answer in every month and year."""
    assert day(expected) == add_months(day(text), months)


@given(DAYS, st.sampled_from(ROUNDINGS))
def test_rounding_up_never_shortens_and_settles(on: date, rounding: str) -> None:
    """A rounded day is not before the day, lies in the same year, and rounds to itself."""
    rounded = round_up(on, rounding)
    assert on <= rounded <= date(on.year, 12, 31)
    assert rounded == round_up(rounded, rounding)


@pytest.mark.parametrize(
    ("rounding", "text", "expected"),
    [
        ("none", "2024-02-10", "2024-02-10"),
        ("month_end", "2024-02-10", "2024-02-29"),
        ("month_end", "2024-02-29", "2024-02-29"),
        ("month_end", "2023-12-01", "2023-12-31"),
        ("quarter_end", "2024-01-01", "2024-03-31"),
        ("quarter_end", "2024-04-30", "2024-06-30"),
        ("quarter_end", "2024-12-31", "2024-12-31"),
        ("year_end", "2024-01-01", "2024-12-31"),
    ],
)
def test_rounding_up(rounding: str, text: str, expected: str) -> None:
    """Days round to the end of their month, quarter or year."""
    assert day(expected) == round_up(day(text), rounding)


@given(DAYS, st.integers(1, 12), st.integers(1, 31), st.integers(0, 5))
def test_a_fixed_date_is_the_first_on_or_after_the_day(on: date, month: int, month_day: int, years: int) -> None:
    """A fixed date is never before the day and at most a leap year after it; years move it on by years."""
    found = next_month_day(on, month, month_day, 0)
    assert on <= found < on + timedelta(days=367)
    assert month == found.month
    assert min(month_day, calendar.monthrange(found.year, month)[1]) == found.day
    assert found.year + years == next_month_day(on, month, month_day, years).year


@pytest.mark.parametrize(
    ("text", "years", "expected"),
    [
        ("2023-03-01", 0, "2024-02-29"),
        ("2024-02-29", 0, "2024-02-29"),
        ("2024-03-01", 0, "2025-02-28"),
        ("2024-02-29", 1, "2025-02-28"),
        ("2025-02-28", 3, "2028-02-29"),
    ],
)
def test_29_february_falls_back_to_the_28th(text: str, years: int, expected: str) -> None:
    """A program that ends its year on 29 February ends it on the 28th in other years."""
    assert day(expected) == next_month_day(day(text), 2, 29, years)
