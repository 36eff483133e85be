"""Days of a zone and last valid days, worked out once more."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from jifen.domain.program import Expiry

DAY = timedelta(days=1)
_MICROSECOND = timedelta(microseconds=1)


@lru_cache(maxsize=65_536)
def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The day of ``zone`` at ``instant``.

    A day has begun once its date is on the wall for good: where the clock goes back over midnight, the day before
    lasts until its last moment has passed the second time.
    """
    day = instant.astimezone(zone).date()
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - the zone and the fold are put on the line below
    last = (midnight - _MICROSECOND).replace(tzinfo=zone, fold=1).astimezone(UTC)
    return day if instant > last else day - DAY


def first_instant(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins: a moment after the last one of the day before, as the reference tells days."""
    low = datetime(day.year, day.month, day.day, tzinfo=UTC) - 2 * DAY
    high = low + 4 * DAY
    while high - low > _MICROSECOND:
        middle = low + (high - low) // 2
        low, high = (low, middle) if local_day(middle, zone) >= day else (middle, high)
    return high


def last_valid_day(expiry: Expiry, earned_on: date) -> date | None:
    """The last day on which points earned on ``earned_on`` can be spent."""
    if expiry.policy == "never":
        return None
    if expiry.policy == "fixed_date":
        month, day = expiry.month_day
        year = earned_on.year
        if _day_of(year, month, day) < earned_on:
            year += 1
        return _day_of(year + expiry.years, month, day)
    if expiry.policy == "days":
        last = earned_on + timedelta(days=expiry.days)
    else:
        years, month = divmod(earned_on.month - 1 + expiry.months, 12)
        last = _day_of(earned_on.year + years, month + 1, earned_on.day)
    months_up = {"none": 0, "month_end": 1, "quarter_end": 3, "year_end": 12}[expiry.round_up_to]
    if months_up:
        ends = range(months_up, 13, months_up)
        last = _day_of(last.year, next(month for month in ends if month >= last.month), 31)
    return last


def months_before(day: date, months: int) -> str:
    """The name of the month so many months before that of a day."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return f"{year:04d}-{month + 1:02d}"


def _day_of(year: int, month: int, day: int) -> date:
    """That day of the month, or the month's last where it has no such day."""
    last = (date(year + month // 12, month % 12 + 1, 1) - DAY).day
    return date(year, month, min(day, last))
