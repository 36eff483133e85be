"""What was given, added up: by cap and stretch of the calendar, by campaign, by task. From orders, events and tasks.

    awards as they are now ──────┐
    entries of events, by rule ──┼──> Tallies
    entries of tasks ────────────┘

An award says in which stretch each of its caps counts. Of an entry it is worked out: an event counts on its own day
while that is kept, what an operator approves and a made-up day on the day of it, a task on the day it was last reached,
also what is taken back of it. An entry does not always say by which version; what depends on that is left aside
(``unsure``). So is what came so late that its stretch was nearly forgotten, and a member with an entry decided days
before the one it follows: a process that stood still may not have known what was counted meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

from local.audit.laws import Terms
from local.audit.library import Library, day_of
from local.audit.order_rows import Award, Order
from local.audit.rows import Entry, whole_number
from local.audit.rulebook import Limit, Rulebook
from local.audit.table import Member, Table
from local.audit.windows import window_for, window_of

MADE_UP_KEY = "*make_up/month/times"
"""Made-up days are counted like a cap."""
MADE_UP = "member.check_in_made_up"


class Used(NamedTuple):
    """One cap of one member in one stretch."""

    member: str
    key: str
    window: str


class Task(NamedTuple):
    """One task of one member in one stretch."""

    member: str
    rule: str
    window: str


@dataclass(slots=True)
class Use:
    """What was used of a cap: in all, without what was taken back, and the highest limit that it was used under."""

    net: int = 0
    gross: int = 0
    most: int = 0


_STILL = timedelta(days=6)
"""A process that decided so long ago may count in a stretch of the calendar that is forgotten."""


@dataclass(slots=True)
class Spent:
    """What a campaign's rules gave."""

    points: int = 0
    awards: int = 0
    kept_minor: int = 0


@dataclass(slots=True)
class Done:
    """What counts towards a task, and what it granted."""

    done: int = 0
    granted: int = 0
    from_orders: bool = False


@dataclass
class Tallies:
    """All sums. ``unsure`` are caps whose rules are not known, ``lost`` campaigns."""

    uses: dict[Used, Use] = field(default_factory=lambda: defaultdict(Use))
    campaigns: dict[str, Spent] = field(default_factory=lambda: defaultdict(Spent))
    tasks: dict[Task, Done] = field(default_factory=lambda: defaultdict(Done))
    unsure: set[tuple[str, str]] = field(default_factory=set)
    """Member and cap, or member and nothing: all of them."""
    lost: set[str] = field(default_factory=set)

    def is_sure(self, member: str, key: str) -> bool:
        """Whether everything is known that was used of a cap."""
        return not {(member, key), (member, "")} & self.unsure


def grants_of(entry: Entry) -> dict[str, int]:
    """What an event's entry says that each rule gave."""
    lines = [line for line in entry.why if isinstance(line, dict) and "rule" in line]
    return {line["rule"]: points for line in lines if (points := whole_number(line.get("points", 0)))}


def _stood_still(member: Member) -> bool:
    """Whether an entry was decided days before the one it follows: by a process that stood still in between.

    What it knew of the calendar was over, and so may be the windows that it counted in.
    """
    recorded = [entry.recorded_at for _, entry in sorted(member.entries.items())]
    return any(later < earlier - _STILL for earlier, later in pairwise(recorded))


def tallied(table: Table, library: Library, terms: Terms) -> Tallies:
    """Everything that was given, added up."""
    return _Counting(table, library, terms).counted()


class _Counting:
    """The sums in the making."""

    def __init__(self, table: Table, library: Library, terms: Terms) -> None:
        self._table, self._library, self._terms = table, library, terms
        self._sums = Tallies()
        self._reached: dict[tuple[str, str], date] = {}

    def counted(self) -> Tallies:
        """Go through all orders, entries and receipts."""
        for orders in self._table.orders.values():
            for order in orders:
                for award, _ in order.awards:
                    self._award(order, award)
        for member in self._table.members.values():
            if _stood_still(member):
                self._sums.unsure.add((member.member, ""))
            for entry in member.entries.values():
                if entry.source[0] == "event" and entry.kind == "bonus":
                    self._event(member.member, entry)
                elif entry.source[0] == "task":
                    self._task(member.member, entry)
            self._made_up(member)
        return self._sums

    # Orders

    def _award(self, order: Order, award: Award) -> None:
        pinned = award.pinned
        if award.rates is not None:
            return
        book = self._library.by_fingerprint(award.fingerprint)
        if book is None:
            self._sums.unsure.add((award.member, ""))
            self._sums.lost |= {name.partition(".")[0] for name in pinned.grants}
            return
        if award is order.award:
            for name, (window, amount) in pinned.tasks.items():
                done = self._sums.tasks[Task(award.member, name, window)]
                done.done, done.from_orders = done.done + amount, True
        if not pinned.grants:
            return
        windows = {key: window for key, (window, _) in pinned.rooms.items()}
        self._use(award.member, book.limits_of(pinned.grants), windows, pinned.grants)
        given: dict[str, int] = defaultdict(int)
        for name, points in pinned.grants.items():
            given[book.rules[name].campaign if name in book.rules else ""] += points
        for campaign, points in given.items():
            self._spend(campaign, points, 1, pinned.kept_minor)

    def _use(
        self,
        member: str,
        limits: Iterable[Limit],
        windows: Mapping[str, str],
        grants: Mapping[str, int],
        sign: int = 1,
    ) -> None:
        for limit in limits:
            amount = limit.used_by(grants)
            if limit.key in windows and amount:
                use = self._sums.uses[Used(member, limit.key, windows[limit.key])]
                use.net += sign * amount
                use.gross += max(0, sign * amount)
                use.most = max(use.most, limit.most)

    def _spend(self, campaign: str, points: int, awards: int, kept_minor: int = 0) -> None:
        if campaign:
            spent = self._sums.campaigns[campaign]
            spent.points += points
            spent.awards += awards
            spent.kept_minor += kept_minor

    # Events

    def _event(self, member: str, entry: Entry) -> None:
        grants = grants_of(entry)
        today = day_of(entry.recorded, self._terms.program.zone)
        books = self._decided_by(entry)
        if not books or any(name not in book.rules for book in books for name in grants):
            self._sums.unsure.add((member, ""))
            self._sums.lost |= {name.partition(".")[0] for name in grants}
            return
        book, later = books[0], is_later(entry)
        day = today if later else min(day_of(entry.occurred, book.zone), today)
        self._limited(member, books, grants, day, today)
        given: dict[str, int] = defaultdict(int)
        for name, points in grants.items():
            rule = book.rules[name]
            given[rule.campaign] += points
            if rule.goal_per and not later:
                self._sums.tasks[Task(member, name, window_for(rule.goal_per, day, today))].granted += points
        for campaign, points in given.items():
            self._spend(campaign, points, 1)

    def _decided_by(self, entry: Entry) -> list[Rulebook]:
        """The rules that an event's entry was decided by, or may have been."""
        if is_later(entry):
            return self._library.at(entry.recorded_at)
        numbers = [line["rules_version"] for line in entry.why if "rules_version" in line]
        book = self._library.by_number(numbers[0] if numbers else 0)
        return [book] if book else []

    def _limited(
        self, member: str, books: list[Rulebook], grants: Mapping[str, int], day: date, today: date, sign: int = 1
    ) -> None:
        """Count against the limits of the rules; where they may have been several, those that differ are unsure."""
        limits = [book.limits_of(grants) for book in books]
        self._sums.unsure |= {
            (member, limit.key) for some in limits for limit in some if any(limit not in others for others in limits)
        }
        windows = {limit.key: window_for(limit.per, day, today) for limit in limits[0]}
        # What came late counts in a stretch that may have been forgotten while a slow process was deciding.
        late = (limit.key for limit in limits[0] if windows[limit.key] != window_of(limit.per, today))
        self._sums.unsure |= {(member, key) for key in late}
        self._use(member, limits[0], windows, grants, sign)

    # Tasks

    def _task(self, member: str, entry: Entry) -> None:
        name, _, window = entry.source[1].rpartition(":")
        self._sums.tasks[Task(member, name, window)].granted += entry.points
        books = self._library.with_task(name)
        if not books:
            self._sums.unsure.add((member, ""))
            self._sums.lost.add(name.partition(".")[0])
            return
        sign = 1 if entry.points > 0 else -1
        if sign > 0:
            self._reached[member, entry.source[1]] = day_of(entry.recorded, self._terms.program.zone)
        day = self._reached.get((member, entry.source[1]), day_of(entry.recorded, self._terms.program.zone))
        self._limited(member, books, {name: abs(entry.points)}, day, day, sign)
        self._spend(books[0].rules[name].campaign, entry.points, sign)

    def _made_up(self, member: Member) -> None:
        """Made-up days count in the month in which they are asked for."""
        for receipt in member.receipts.values():
            if receipt.type == MADE_UP:
                day = day_of(receipt.at, self._terms.program.zone)
                use = self._sums.uses[Used(member.member, MADE_UP_KEY, window_of("month", day))]
                use.net, use.gross = use.net + 1, use.gross + 1
                use.most = max(use.most, *(book.make_ups for book in self._library.at(receipt.happened)))


def is_later(entry: Entry) -> bool:
    """Whether an event's points were decided on later than by the event itself: approved, or of a made-up day."""
    return any("approved" in line or "made_up" in line for line in entry.why)
