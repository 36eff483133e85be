"""Quiet hours: whether an instant lies in them, and when they end, on every day that clocks are changed too.

They begin with the first instant at which the clock of the zone has come to ``start`` and end with the last one at
which it comes to ``end``: an hour that is skipped or comes twice makes them shorter or longer, and never leaves a gap.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from jifen.domain.calendar import DAY
from jifen.domain.notice_terms import QuietHours


def quiet_until(hours: QuietHours, zone: ZoneInfo, now: datetime) -> datetime | None:
    """The end (UTC) of the quiet hours that ``now`` lies in; None where it lies in none."""
    today, until = now.astimezone(zone).date(), None
    for day in (today - 2 * DAY, today - DAY, today, today + DAY):
        begins = _instant(day, hours.start, zone, last=False)
        ends = _instant(day + DAY if hours.end <= hours.start else day, hours.end, zone, last=True)
        if begins <= (until or now) < ends:
            until = ends  # where a whole day is skipped, its night goes on in the next one
    return until


def zone_of(name: str | None, otherwise: ZoneInfo) -> ZoneInfo:
    """The zone of this name; the other one where there is no such name."""
    try:
        return ZoneInfo(name) if name else otherwise
    except (ValueError, OSError, KeyError):
        return otherwise


@lru_cache(maxsize=4096)
def _instant(day: date, clock: time, zone: ZoneInfo, *, last: bool) -> datetime:
    """The first or the last instant at which the clock comes to this reading; where it never does, that of the jump."""
    reading = datetime.combine(day, clock)
    early = reading.replace(tzinfo=zone).astimezone(UTC)
    late = reading.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if late >= early:
        return late if last else early
    low, high = late, early
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=int((high - low).total_seconds()) // 2)
        if middle.astimezone(zone).replace(tzinfo=None) >= reading:
            high = middle
        else:
            low = middle
    return high
