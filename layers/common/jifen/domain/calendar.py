"""Days and instants in the program's time zone.

A *day* is a ``date`` on the wall calendar of the zone, an *instant* is an aware ``datetime``. Days are the unit of
validity: a point whose last valid day is D is spendable until the first instant of D + 1.

Three things go wrong with naive arithmetic and are settled here once:

* a local midnight that does not exist (America/Sao_Paulo, 2018-11-04): the day starts at the first instant it has;
* a local midnight that comes twice (America/St_Johns, 2010-11-07, 00:01 -> 23:01): the day starts at the second one,
  so that a day, once begun, never goes back to the day before and an expired point never comes alive again;
* 31 January + 1 month: the last day of February.
"""

from __future__ import annotations

import calendar as _calendar
import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

ROUNDINGS = ("none", "month_end", "quarter_end", "year_end")

DAY = timedelta(days=1)


_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-][01]\d:[0-5]\d)",
    re.ASCII,
)


EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)


def parse_instant(text: object) -> datetime:
    """An RFC 3339 instant, in UTC; fractions of a second are cut to six digits.

    Python reads more forms (week dates, no separators, no offset), and a sender that uses them means something else.

    Raises:
        ValueError: it is none, or not between the years 1970 and 9000.
    """
    if not isinstance(text, str) or not _INSTANT.fullmatch(text):
        message = "not an RFC 3339 instant with an offset"
        raise ValueError(message)
    try:
        found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper())).astimezone(UTC)
    except OverflowError as wrong:
        raise ValueError(text) from wrong
    if not EARLIEST <= found < LATEST:
        message = "not between the years 1970 and 9000"
        raise ValueError(message)
    return found


@lru_cache(maxsize=4096)
def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of ``day`` in ``zone``, in UTC; the end of the day before."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    first = midnight.astimezone(UTC)
    second = midnight.replace(fold=1).astimezone(UTC)
    if second > first:
        # Midnight comes twice. The day starts the second time, if the clock had gone back into the day before.
        before = (second - timedelta(seconds=1)).astimezone(zone).date()
        return second if before < day else first
    if second == first:
        return first
    # A gap: midnight was skipped. Find the transition, to the second, between the two readings.
    low, high = int(second.timestamp()), int(first.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).date() >= day:
            high = middle
        else:
            low = middle
    return datetime.fromtimestamp(high, UTC)


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The day of ``zone`` that ``instant`` falls on; never decreases as time goes on."""
    day = instant.astimezone(zone).date()
    return day - DAY if instant < day_start(day, zone) else day


def add_months(day: date, months: int) -> date:
    """The same day ``months`` later, or the last day of that month where it has no such day."""
    index = day.year * 12 + (day.month - 1) + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, _calendar.monthrange(year, month + 1)[1]))


def round_up(day: date, rounding: str) -> date:
    """The end of the month, quarter or year that ``day`` is in; ``none`` leaves it."""
    if rounding == "none":
        return day
    month = {"month_end": day.month, "quarter_end": (day.month + 2) // 3 * 3, "year_end": 12}[rounding]
    return date(day.year, month, _calendar.monthrange(day.year, month)[1])


def next_month_day(day: date, month: int, day_of_month: int, years: int) -> date:
    """The first ``month``-``day_of_month`` on or after ``day``, ``years`` years on; 29 February may be the 28th."""
    this_year = _month_day(day.year, month, day_of_month)
    return _month_day(day.year + years + (this_year < day), month, day_of_month)


def _month_day(year: int, month: int, day_of_month: int) -> date:
    return date(year, month, min(day_of_month, _calendar.monthrange(year, month)[1]))
