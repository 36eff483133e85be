"""Runs: doing something on consecutive days, and what that earns.

    days 1 2 3 . 5 6      two stretches: (1, 3) and (5, 6)
    day 4 arrives late, or is made up: one stretch (1, 6), six days long

A day is a day of the program's calendar. The stretches are a set of days, so the order in which days arrive leaves no
trace in them. What a day pays is settled when it arrives: the reward of its place in its stretch, and the marks that
the stretch reaches by it and that no part of it had reached alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from jifen.domain.calendar import DAY
from jifen.domain.rules.model import Streak

Stretch = tuple[date, date]
"""First and last day, both included."""

Stretches = tuple[Stretch, ...]
"""Oldest first; between two of them lies at least one missed day."""

DAYS_KEPT = 62
"""Days for which a stretch is remembered after its last day; a day that is later than that joins nothing any more."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A day put among the stretches.

    Attributes:
        stretches: all of them afterwards.
        stretch: the one that the day is in.
        place: which day of its stretch it is, from 1.
        longest: days of the longest part that the day has joined; 0 when it begins a run.
    """

    stretches: Stretches
    stretch: Stretch
    place: int
    longest: int

    @property
    def days(self) -> int:
        """How long the stretch is now."""
        return length(self.stretch)


@dataclass(frozen=True, slots=True)
class Reward:
    """What a day pays: ``points`` in all, ``marks`` of them for the lengths reached."""

    points: int
    marks: Mapping[int, int] = field(default_factory=dict)


def length(stretch: Stretch) -> int:
    """Days of a stretch."""
    return (stretch[1] - stretch[0]).days + 1


def joined(stretches: Stretches, day: date) -> Joined | None:
    """The stretches with ``day`` among them; None when it was there before."""
    if counted(stretches, day):
        return None
    before = next((one for one in stretches if one[1] == day - DAY), None)
    after = next((one for one in stretches if one[0] == day + DAY), None)
    stretch = (before[0] if before else day, after[1] if after else day)
    others = [one for one in stretches if one not in {before, after}]
    longest = max((length(part) for part in (before, after) if part), default=0)
    return Joined(tuple(sorted([*others, stretch])), stretch, (day - stretch[0]).days + 1, longest)


def kept(stretches: Stretches, today: date) -> Stretches:
    """The stretches that are still remembered."""
    return tuple(one for one in stretches if (today - one[1]).days <= DAYS_KEPT)


def too_late(day: date, today: date) -> bool:
    """Whether ``day`` is so long ago that the days around it are forgotten."""
    return (today - day).days >= DAYS_KEPT


def current(stretches: Stretches, today: date) -> Stretch | None:
    """The run that is alive on ``today``: it was kept up today or yesterday."""
    return next((one for one in reversed(stretches) if one[1] in {today, today - DAY}), None)


def run_of(stretches: Stretches, day: date) -> Stretch | None:
    """The stretch that ``day`` is in."""
    return next((one for one in stretches if one[0] <= day <= one[1]), None)


def missed(stretches: Stretches, today: date, within_days: int) -> list[date]:
    """The missed days that can be made up on ``today``, newest first: none before the first day that is remembered."""
    if not stretches:
        return []
    found = (today - DAY * back for back in range(1, within_days + 1))
    return [day for day in found if day > stretches[0][0] and not counted(stretches, day)]


def counted(stretches: Stretches, day: date) -> bool:
    """Whether ``day`` is in one of the stretches."""
    return run_of(stretches, day) is not None


def reward(streak: Streak, there: Joined, *, pays_day: bool = True) -> Reward:
    """What the day that has just joined pays; without ``pays_day`` the marks alone."""
    marks = {at: points for at, points in sorted(streak.marks.items()) if there.longest < at <= there.days}
    return Reward(sum(marks.values()) + (of_day(streak, there.place) if pays_day else 0), marks)


def of_day(streak: Streak, place: int) -> int:
    """The reward of day number ``place`` of a run, without marks."""
    if not streak.days:
        return 0
    last = len(streak.days)
    return streak.days[(place - 1) % last if streak.restart else min(place, last) - 1]
