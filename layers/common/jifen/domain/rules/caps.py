"""Caps: what room a limit leaves, and what of it was used.

limit - used in the window = room          pinned when an order is first awarded, so that a refund cannot raise it
used follows what is granted, down as well as up: a refund gives its room back
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from jifen.domain.rules.model import Cap, Per, RuleSet
from jifen.domain.standing import Standing, Windows, cap_key, counted, lately, oldest_kept, window_for, with_used

ALL = "*"
"""The caps over all rules stand under this name."""


class Limit(NamedTuple):
    """One limit by its key (``base/day/points``): at most ``most`` of ``unit`` (points or times) in one ``per``."""

    rule: str
    per: Per
    unit: str
    most: int

    @property
    def key(self) -> str:
        """See :func:`jifen.domain.standing.cap_key`."""
        return cap_key(self.rule, self.per, self.unit)


class Room(NamedTuple):
    """What a limit left when it was first asked: ``room`` in the window of this name."""

    window: str
    room: int


Rooms = Mapping[str, Room]


@dataclass(frozen=True, slots=True)
class Cut:
    """A limit that took something away: it left ``allowed`` in ``window``, ``cut`` more was wanted (points)."""

    limit: Limit
    window: str
    allowed: int
    cut: int


def limits(name: str, caps: Iterable[Cap]) -> Iterator[Limit]:
    """The limits that the caps of one rule (or of all, under ``ALL``) set."""
    for cap in caps:
        if cap.points is not None:
            yield Limit(name, cap.per, "points", cap.points)
        if cap.times is not None:
            yield Limit(name, cap.per, "times", cap.times)


def limits_of(rules: RuleSet, rule_ids: Iterable[str]) -> list[Limit]:
    """Every limit that these rules stand under, those over all rules last."""
    found = [limit for rule_id in rule_ids if (rule := rules.rule(rule_id)) for limit in limits(rule_id, rule.caps)]
    return [*found, *limits(ALL, rules.caps)]


def opened(standing: Standing, limit: Limit, day: date, today: date) -> Room:
    """The room that a limit leaves something new that happened on ``day``."""
    name = window_for(limit.per, day, today)
    return Room(name, max(0, limit.most - standing.used.get(limit.key, {}).get(name, 0)))


def reopened(standing: Standing, limit: Limit, pinned: Room, own: int, today: date) -> Room:
    """The room of something that has ``own`` of it already: what it was given first, and what is free now.

    It never grows beyond ``pinned``. Once the window's counters are gone, it has what it has.
    """
    if pinned.window < oldest_kept(limit.per, today):
        return Room(pinned.window, min(pinned.room, own))
    used = standing.used.get(limit.key, {}).get(pinned.window, 0)
    return Room(pinned.window, min(pinned.room, own + max(0, limit.most - used)))


def used_of(limit: Limit, grants: Mapping[str, int]) -> int:
    """What ``grants`` (points by rule) use of a limit."""
    if limit.rule == ALL:
        return sum(grants.values())
    points = grants.get(limit.rule, 0)
    return points if limit.unit == "points" else int(points > 0)


def settled(
    standing: Standing,
    found: Iterable[Limit],
    rooms: Rooms,
    before: Mapping[str, int],
    after: Mapping[str, int],
    today: date,
) -> Standing:
    """The standing once grants have gone from ``before`` to ``after``."""
    used: dict[str, Windows] = {}
    for limit in found:
        change = used_of(limit, after) - used_of(limit, before)
        if change and (room := rooms.get(limit.key)):
            known = used.get(limit.key, standing.used.get(limit.key, {}))
            used[limit.key] = counted(known, room.window, change, limit.per, today)
    return lately(with_used(standing, used), today) if used else standing


def applied(found: Iterable[Limit], rooms: Rooms, wanted: Mapping[str, int]) -> tuple[dict[str, int], tuple[Cut, ...]]:
    """The grants that the limits allow, and what each took away; the rules written first come first."""
    granted, cuts = dict(wanted), []
    for limit in found:
        room = rooms[limit.key]
        names = list(granted) if limit.rule == ALL else [name for name in granted if name == limit.rule]
        left = room.room
        cut = 0
        for name in names:
            allowed = min(granted[name], max(0, left)) if limit.unit == "points" else granted[name] if left > 0 else 0
            cut += granted[name] - allowed
            left -= allowed if limit.unit == "points" else int(allowed > 0)
            granted[name] = allowed
        if cut:
            cuts.append(Cut(limit, room.window, room.room, cut))
    return granted, tuple(cuts)
