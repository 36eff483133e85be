"""A member's points as the reference has them: lots in a dictionary, a debt, open holds, and what time does to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import pairwise
from typing import Any

from local.simulation.memory import Memory

Key = tuple[date | None, date | None]
"""The last valid day of points (None: for ever) and the first on which they can be used (None: at once)."""

Lots = dict[Key, int]
"""Points by key. No lot is empty."""

Parts = list[tuple[Key, int]]
"""Points by key in an order that matters, all positive."""


@dataclass(slots=True)
class Hold:
    """Points set aside in an account."""

    expires_at: datetime
    lots: Lots


@dataclass(slots=True)
class Purse:
    """A member's points, and what is remembered beside them.

    ``known`` says that it was ever written down, ``entered`` that there is an entry, ``wrote`` that something has
    changed since it was copied.
    """

    lots: Lots = field(default_factory=dict)
    debt: int = 0
    holds: dict[str, Hold] = field(default_factory=dict)
    earned: int = 0
    redeemed: int = 0
    expired: int = 0
    clawed_back: int = 0
    memory: Memory = field(default_factory=Memory)
    known: bool = False
    entered: bool = False
    wrote: bool = False

    def copy(self) -> Purse:
        """A purse of its own with the same points."""
        holds = {name: Hold(hold.expires_at, dict(hold.lots)) for name, hold in self.holds.items()}
        return replace(self, lots=dict(self.lots), holds=holds, wrote=False)

    def remember(self, memory: Memory) -> None:
        """Keep this in mind from now on."""
        if memory != self.memory:
            self.memory = memory
            self.wrote = True

    def posted(self) -> None:
        """Something has changed that an entry tells of."""
        self.wrote = self.entered = True

    @property
    def held(self) -> int:
        """Points in open holds."""
        return sum(sum(hold.lots.values()) for hold in self.holds.values())

    def usable(self, today: date) -> Lots:
        """The lots that can be spent from on ``today``."""
        return {key: points for key, points in self.lots.items() if not past(key, today) and not ahead(key, today)}

    def available(self, today: date) -> int:
        """Points that can be spent on ``today``."""
        return sum(self.usable(today).values())

    def put(self, key: Key, points: int) -> None:
        """Add to a lot."""
        if points:
            self.lots[key] = self.lots.get(key, 0) + points

    def pay_in(self, parts: Iterable[tuple[Key, int]]) -> None:
        """Pay the debt out of the soonest-expiring points, and put the rest into the lots."""
        for key, points in sorted(parts, key=lambda part: in_order(part[0])):
            paid = min(self.debt, points)
            self.debt -= paid
            self.put(key, points - paid)

    def earn(self, parts: Iterable[tuple[Key, int]], lots_max: int, today: date) -> None:
        """Credit points."""
        parts = list(parts)
        self.earned += sum(points for _, points in parts)
        self.pay_in(parts)
        self.posted()
        compact(self, lots_max, today)

    def claw_back(self, points: int, own: Mapping[Key, int], today: date, *, clamp: bool) -> int:
        """Take ``points`` back: its share from each of its ``own`` lots, then more from those, then from all others.

        What is missing is owed, or with ``clamp`` forgiven but for what open holds keep. Returns the points forgiven.
        """
        taken = 0
        for key, share in own.items():
            part = min(share, self.lots.get(key, 0))
            if part:
                take_from(self.lots, key, part)
                taken += part
        for mine in (True, False):
            found = {key: n for key, n in self.lots.items() if (key in own) is mine and (mine or not past(key, today))}
            for key, part in take(found, points - taken):
                take_from(self.lots, key, part)
                taken += part
        missing = points - taken
        forgiven = 0
        if clamp:
            # Points in open holds are there still: they are owed, as far as no earlier debt lies on them already.
            forgiven = max(0, missing - max(0, self.held - self.debt))
        self.debt += missing - forgiven
        self.clawed_back += points - forgiven
        if forgiven < points:
            self.posted()
        return forgiven

    def pass_time(self, now: datetime, today: date) -> None:
        """Overdue holds give their points back, then what is past its last valid day lapses."""
        overdue = [(hold.expires_at, name) for name, hold in self.holds.items() if hold.expires_at <= now]
        for _, name in sorted(overdue):
            self.release(name)
        for key in [key for key in self.lots if past(key, today)]:
            self.expired += self.lots.pop(key)
            self.posted()

    def release(self, hold_id: str) -> None:
        """Give back what an open hold still has; a debt is paid out of it first."""
        self.pay_in(list(self.holds.pop(hold_id).lots.items()))
        self.posted()


# Lots ----------------------------------------------------------------------------------------------------------------


def in_order(key: Key) -> tuple[date, date]:
    """Soonest-expiring first, never-expiring last; among equals the one that can be used first."""
    return key[0] or date.max, key[1] or date.min


def arranged(lots: Mapping[Key, int]) -> Parts:
    """The lots in their order."""
    return sorted(lots.items(), key=lambda part: in_order(part[0]))


def past(key: Key, today: date) -> bool:
    """Whether the last valid day is over."""
    return key[0] is not None and key[0] < today


def ahead(key: Key, today: date) -> bool:
    """Whether the points are still to become active."""
    return key[1] is not None and key[1] > today


def take_from(lots: Lots, key: Key, points: int) -> None:
    """Take points out of one lot, which has them."""
    left = lots[key] - points
    assert left >= 0
    if left:
        lots[key] = left
    else:
        del lots[key]


def take(lots: Lots, points: int) -> Parts:
    """Take up to ``points`` out of the lots, soonest-expiring first."""
    taken: Parts = []
    for key, count in arranged(lots):
        part = min(count, points)
        if part > 0:
            taken.append((key, part))
            take_from(lots, key, part)
            points -= part
    return taken


def compact(purse: Purse, lots_max: int, today: date) -> None:
    """While there are too many lots, the two closest dates join at the later, the earlier pair among equals."""
    while len(purse.lots) > lots_max:
        days = sorted(day for day, first in purse.lots if day is not None and first is None and day >= today)
        if len(days) < 2:  # noqa: PLR2004 - a pair
            return
        _, sooner, later = min((later - sooner, sooner, later) for sooner, later in pairwise(days))
        purse.lots[later, None] += purse.lots.pop((sooner, None))


def shown(parts: Iterable[tuple[Key, int]]) -> list[dict[str, Any]]:
    """Points by lot as the API shows them."""
    return [
        {
            "points": points,
            "expires_on": last.isoformat() if last else None,
            "active_from": first.isoformat() if first else None,
        }
        for (last, first), points in parts
    ]
