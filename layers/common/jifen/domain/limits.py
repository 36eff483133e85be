"""Limits on what one member does: so many points, or so many times, in a stretch of the calendar.

What was used of a limit stands among the counters of the member's standing, so it is read and written with the account:
two requests at once never both find room for one. The keys begin with ``@``, which no id of an earning rule does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from jifen.domain.calendar import day_start
from jifen.domain.errors import LimitReached
from jifen.domain.program import Moment
from jifen.domain.rules.model import Per
from jifen.domain.standing import Standing, cap_key, counted, window, window_ends, window_for, with_used

POINTS, TIMES = "points", "times"


class MemberLimit(NamedTuple):
    """At most ``most`` (points or times, as ``unit`` says) in each ``per`` of what ``subject`` names.

    ``name`` is what a refusal calls it. Limits of one subject, stretch and unit share a counter.
    """

    name: str
    subject: str
    per: Per
    unit: str
    most: int

    @property
    def key(self) -> str:
        """The key of its counter."""
        return cap_key(f"@{self.subject}", self.per, self.unit)


class Use(NamedTuple):
    """What one request uses of its limits."""

    points: int
    times: int = 1

    def of(self, limit: MemberLimit) -> int:
        """What it uses of one limit."""
        return self.points if limit.unit == POINTS else self.times


def room(standing: Standing, limit: MemberLimit, moment: Moment) -> int:
    """What a limit still allows today; never below 0."""
    used = standing.used.get(limit.key, {}).get(window(limit.per, moment.today), 0)
    return max(0, limit.most - used)


def resets_at(limit: MemberLimit, moment: Moment) -> str | None:
    """The instant from which a limit allows all of it again (RFC 3339); None for never."""
    ends = window_ends(limit.per, moment.today)
    return day_start(ends, moment.zone).isoformat() if ends else None


def check(standing: Standing, limits: Iterable[MemberLimit], use: Use, moment: Moment) -> None:
    """See that every limit has room.

    Raises:
        LimitReached: naming the first that has not, what it allows in all, and when it resets.
    """
    for limit in limits:
        if use.of(limit) > room(standing, limit, moment):
            ends = window_ends(limit.per, moment.today)
            resets = day_start(ends, moment.zone) if ends else None
            raise LimitReached(limit=limit.name, points=limit.most, resets_at=resets)


def used(standing: Standing, limits: Iterable[MemberLimit], use: Use, moment: Moment) -> Standing:
    """The standing with ``use`` counted against every limit today."""
    changed = dict(standing.used)
    for limit in _by_counter(limits):
        name = window(limit.per, moment.today)
        changed[limit.key] = counted(changed.get(limit.key, {}), name, use.of(limit), limit.per, moment.today)
    return with_used(standing, changed)


def unused(standing: Standing, limits: Iterable[MemberLimit], use: Use, moment: Moment, then: Moment) -> Standing:
    """The standing once a use counted at ``then`` counts no more: its window has the room again while it is kept."""
    changed = dict(standing.used)
    for limit in _by_counter(limits):
        name = window(limit.per, then.today)
        windows = changed.get(limit.key, {})
        if name in windows and window_for(limit.per, then.today, moment.today) == name:
            changed[limit.key] = counted(windows, name, -use.of(limit), limit.per, moment.today)
    return with_used(standing, changed)


def _by_counter(limits: Iterable[MemberLimit]) -> Iterable[MemberLimit]:
    """One limit for each counter: two that share one count once."""
    return {limit.key: limit for limit in limits}.values()
