"""The clock of a run: it crawls from call to call, and now and then it leaps, above all to where days change."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

CRAWL_S_MAX = 0.4
"""A call takes at most so long, where nothing is said of it."""

LEAPS_MAX = 12
"""A run of some minutes and a few nights, not of a century."""


class SimulatedClock:
    """Time as a run has it; it never goes back. ``leap`` is the probability of a leap at a tick."""

    def __init__(self, start: datetime, zone: ZoneInfo, rng: random.Random, leap: float, reached: Counter[str]) -> None:
        self.now = start
        self._zone, self._rng, self._leap, self._reached = zone, rng, leap, reached
        self._leaps = 0
        self._standing = False

    def __call__(self) -> datetime:
        """The instant it is."""
        return self.now

    def tick(self) -> None:
        """Let a little time pass, or a lot."""
        if self._standing:
            return
        if self._rng.random() < self._leap and self._leaps < LEAPS_MAX:
            self._leaps += 1
            self.advance(self._rng.choice(_LEAPS)(self.now, self._zone, self._rng))
        else:
            self.advance(timedelta(microseconds=self._rng.randrange(int(CRAWL_S_MAX * 1_000_000))))

    def still(self, *, standing: bool = True) -> None:
        """Time stands from here on, but for what :meth:`advance` lets pass; or it goes on."""
        self._standing = standing

    def advance(self, by: timedelta) -> None:
        """Let so much time pass."""
        before = self.now
        self.now += max(by, timedelta(0))
        self._note(before.astimezone(self._zone), self.now.astimezone(self._zone))

    def seconds(self) -> float:
        """Seconds of the run's own clock, for deadlines."""
        return self.now.timestamp()

    def _note(self, before: datetime, after: datetime) -> None:
        if before.date() == after.date():
            return
        self._reached["midnight passed"] += 1
        if before.month != after.month:
            self._reached["month end passed"] += 1
        if before.utcoffset() != after.utcoffset():
            self._reached["clock change passed"] += 1


def _to_midnight(now: datetime, zone: ZoneInfo, rng: random.Random) -> timedelta:
    """To a few seconds before, at or after the next local midnight."""
    local = now.astimezone(zone)
    midnight = datetime(local.year, local.month, local.day, tzinfo=zone) + timedelta(days=1)
    return midnight.astimezone(UTC) - now + timedelta(seconds=rng.choice((-2, -0.5, 0, 0.5, 2)))


def _to_month_end(now: datetime, zone: ZoneInfo, rng: random.Random) -> timedelta:
    local = now.astimezone(zone)
    first = datetime(local.year + local.month // 12, local.month % 12 + 1, 1, tzinfo=zone)
    return first.astimezone(UTC) - now + timedelta(seconds=rng.choice((-2, -0.5, 0, 0.5, 2)))


def _minutes(_now: datetime, _zone: ZoneInfo, rng: random.Random) -> timedelta:
    """Long enough for claims and holds to run out."""
    return timedelta(minutes=rng.randrange(1, 30))


def _hours(_now: datetime, _zone: ZoneInfo, rng: random.Random) -> timedelta:
    return timedelta(minutes=rng.randrange(60, 24 * 60))


def _days(_now: datetime, _zone: ZoneInfo, rng: random.Random) -> timedelta:
    return timedelta(days=rng.randrange(1, 12), seconds=rng.randrange(86_400))


_LEAPS = (_to_midnight, _to_midnight, _to_midnight, _to_month_end, _minutes, _minutes, _hours, _days)
