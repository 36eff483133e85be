"""Standing: what the earning rules remember of a member, kept on the account beside its points.

Nothing here is money. It is what conditions, caps, tasks, runs and tiers ask about, so that one read of the account
answers them all. It is written in the transaction of the posting that it belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TypeVar

from jifen.domain.rules.model import Per

Windows = Mapping[str, int]
"""An amount for each stretch of the calendar, by its name (see :func:`window`)."""

T = TypeVar("T")

_LENGTHS = {len("2026-11-26"): Per.DAY, len("2026-W48"): Per.WEEK, len("2026-11"): Per.MONTH, len("2026"): Per.YEAR}

DAYS_KEPT = 7
"""Days for which a day's counters are kept; an order that is later than that counts on the day it arrives."""


GOALS_KEPT = timedelta(days=62)
"""For how long progress of a task is kept behind the counters of its kind: no task looks further back."""

OPENED = "opened"
"""Among the days of what was seen of a member, the one on which the first entry was recorded."""

ORDER_DAYS_KEPT = 5
"""Days of payment that are remembered, so that an order given back does not count as the one before the next."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What the shop says of a member.

    ``birthday`` is ``MM-DD``; it counts from ``birthday_from`` on (a birthday that is changed counts a year later).
    """

    birthday: str = ""
    birthday_from: date | None = None
    region: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """A task in one stretch of the calendar: what was ``done``, and the points it ``granted``.

    ``on`` is the day on which one that orders count towards granted last: what it takes back is that day's.
    """

    done: int = 0
    granted: int = 0
    on: date | None = None


@dataclass(frozen=True, slots=True)
class TierState:
    """The level a member has, since when, and the last day it is kept whatever happens (None: no end).

    ``fell`` says that it was a higher one before.
    """

    level: str
    since: date
    until: date | None = None
    fell: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """What is remembered of one member.

    Attributes:
        orders: orders that were kept, in the order in which they reached us.
        first_order: the order that counted as the first, ``<shop>#<order id>``; empty until there is one.
        paid_on: local days on which the latest of them were paid, at most :data:`ORDER_DAYS_KEPT`, ascending.
        used: for each cap (its key, see :func:`cap_key`), what was used of it in which window.
        goals: for each task rule, its progress in each window.
        runs: for each event type of a streak, the stretches of consecutive days, oldest first, as (first, last).
        qualified: what counts towards tiers, by month (``2026-11``); ``all`` is the sum since the beginning.
        tier: the level.
        allowance: the last month whose tier allowance was given (``2026-11``).
        due: the first day on which time changes the tier or an allowance is due; None where there is nothing ahead.
        profile: what the shop says of the member.
        inviter: who invited the member.
        seen: for each kind of activity (``login``), the last local day of it; ``opened`` is that of the first entry.
        spent: what was spent in each month (``2026-11``), in minor units, less what was given back.
        applied: for each policy of validity, what it was applied for last.
        goal: the reward that the member saves for, and its points.
    """

    orders: int = 0
    first_order: str = ""
    paid_on: tuple[date, ...] = ()
    used: Mapping[str, Windows] = field(default_factory=dict)
    goals: Mapping[str, Mapping[str, Progress]] = field(default_factory=dict)
    runs: Mapping[str, tuple[tuple[date, date], ...]] = field(default_factory=dict)
    qualified: Windows = field(default_factory=dict)
    tier: TierState | None = None
    allowance: str = ""
    due: date | None = None
    profile: Profile = Profile()
    inviter: str = ""
    seen: Mapping[str, date] = field(default_factory=dict)
    spent: Windows = field(default_factory=dict)
    applied: Mapping[str, str] = field(default_factory=dict)
    goal: tuple[str, int] | None = None

    @property
    def last_paid_on(self) -> date | None:
        """The local day on which the latest order that was kept was paid."""
        return self.paid_on[-1] if self.paid_on else None


NOTHING_KNOWN = Standing()
"""The standing of a member nobody has seen."""


def cap_key(rule_id: str, per: Per, unit: str) -> str:
    """The key of a cap: ``base/day/points``; of one over all rules ``*/day/points``. ``unit`` is points or times."""
    return f"{rule_id}/{per}/{unit}"


def window(per: Per, day: date) -> str:
    """The name of the stretch of the calendar that ``day`` is in: 2026-11-26, 2026-W48, 2026-11, 2026 or ever."""
    match per:
        case Per.DAY:
            return day.isoformat()
        case Per.WEEK:
            year, week, _ = day.isocalendar()
            return f"{year}-W{week:02d}"
        case Per.MONTH:
            return f"{day.year:04d}-{day.month:02d}"
        case Per.YEAR:
            return f"{day.year:04d}"
        case Per.EVER:
            return "ever"


def window_ends(per: Per, day: date) -> date | None:
    """The first day after the stretch that ``day`` is in: when a cap resets. None for ever."""
    match per:
        case Per.DAY:
            return day + timedelta(days=1)
        case Per.WEEK:
            return day + timedelta(days=7 - day.weekday())
        case Per.MONTH:
            return date(day.year + day.month // 12, day.month % 12 + 1, 1)
        case Per.YEAR:
            return date(day.year + 1, 1, 1)
        case Per.EVER:
            return None


def resets_on(per: Per, name: str) -> date | None:
    """The first day after the window called ``name``; None for ever."""
    match per:
        case Per.DAY:
            return window_ends(per, date.fromisoformat(name))
        case Per.WEEK:
            year, _, week = name.partition("-W")
            return window_ends(per, date.fromisocalendar(int(year), int(week), 1))
        case Per.MONTH:
            return window_ends(per, date.fromisoformat(f"{name}-01"))
        case Per.YEAR:
            return date(int(name) + 1, 1, 1)
        case Per.EVER:
            return None


def window_for(per: Per, day: date, today: date) -> str:
    """The window in which something of ``day`` counts: its own while that is kept, else that of ``today``."""
    name = window(per, day)
    return name if name >= oldest_kept(per, today) else window(per, today)


def oldest_kept(per: Per, today: date) -> str:
    """The name of the oldest window whose counters are kept; names of one length sort as the calendar does."""
    match per:
        case Per.DAY:
            return window(per, today - timedelta(days=DAYS_KEPT))
        case Per.WEEK:
            return window(per, today - timedelta(days=7))
        case Per.MONTH:
            return window(per, date(today.year, today.month, 1) - timedelta(days=1))
        case Per.YEAR:
            return window(per, date(today.year - 1, 1, 1))
        case Per.EVER:
            return ""


def counted(windows: Windows, name: str, amount: int, per: Per, today: date) -> Windows:
    """The windows with ``amount`` (signed) added to the one called ``name``; those not kept any more are dropped."""
    oldest = oldest_kept(per, today)
    after = {known: count for known, count in windows.items() if known >= oldest}
    if name >= oldest:
        after[name] = max(0, after.get(name, 0) + amount)
    return {known: count for known, count in after.items() if count}


def with_used(standing: Standing, changed: Mapping[str, Windows]) -> Standing:
    """The standing with the windows of some caps replaced; a cap with none is dropped."""
    used = {**standing.used, **changed}
    return replace(standing, used={name: found for name, found in used.items() if found})


def lately(standing: Standing, today: date) -> Standing:
    """The standing without the counters of windows in which nothing can count any more, of rules that are gone too."""
    used = {key: left for key, found in standing.used.items() if (left := _kept(found, today))}
    goals = {rule: rest for rule, found in standing.goals.items() if (rest := _kept(found, today - GOALS_KEPT))}
    return replace(standing, used=used, goals=goals)


def _kept(windows: Mapping[str, T], today: date) -> dict[str, T]:
    return {name: found for name, found in windows.items() if name >= oldest_kept(_per_of(name), today)}


def _per_of(name: str) -> Per:
    """What stretch of the calendar a window's name is of; see :func:`window`."""
    return Per.EVER if name == window(Per.EVER, date.min) else _LENGTHS[len(name)]
