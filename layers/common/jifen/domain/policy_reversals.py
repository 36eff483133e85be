"""Taking back what a policy did to an account: each kind of change in its own way, and never a point that was spent.

    extended    what is left of the moved points returns to its old day, but with every reminder still to come;
                others that came to their lot since stay there
    shortened   what is left returns to its old day; what lapsed meanwhile comes back where that day is not past
    voided      comes back to its old lots where their days are not past

Of points that lie together those that would have lapsed first were spent first. See docs/validity.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from jifen.domain import lots as lot_book
from jifen.domain.account import Account, Change, Status, compacted, pay_debt
from jifen.domain.calendar import local_day
from jifen.domain.entries import Draft, Entry, Kind, Reason, Source
from jifen.domain.lots import Changes, LotChange
from jifen.domain.policies import SOURCE, unmarked, with_leads
from jifen.domain.program import Moment, Program

Dates = tuple[date | None, date | None]
"""A lot by its last valid day and its first day of use."""

_OPEN = frozenset({Status.ACTIVE, Status.FROZEN})


@dataclass(frozen=True, slots=True)
class Moved:
    """``points`` that a policy moved from the lot ``old`` to the lot ``new``."""

    points: int
    old: Dates
    new: Dates


@dataclass(frozen=True, slots=True)
class Reversal:
    """One batch being taken back.

    Attributes:
        batch: its id.
        program: the program in force, whose reminders are still to come.
        moment: now.
        actor: who takes it back.
        reason: why, in the actor's words.
    """

    batch: str
    program: Program
    moment: Moment
    actor: str
    reason: str

    def of(self, change: Change, entries: Sequence[Entry], later: Iterable[Entry]) -> Change:
        """Take back what ``entries`` did.

        Args:
            change: the account as of the moment; what time did to it just now counts as later.
            entries: those of the batch, of one member.
            later: every entry since the first of them, in any order.
        """
        if change.account.status not in _OPEN:
            return change
        since = list(later)
        for entry in sorted(entries, key=lambda one: one.sequence, reverse=True):
            match entry.draft.reason:
                case Reason.VALIDITY_EXTENDED:
                    change = self._longer(change, moved_by(entry), entry, since)
                case Reason.VALIDITY_SHORTENED:
                    change = self._shorter(change, moved_by(entry), entry, since)
                case Reason.POINTS_VOIDED:
                    change = self._voided(change, entry)
        return compacted(change, self.moment)

    def _longer(self, change: Change, moves: Sequence[Moved], entry: Entry, later: Iterable[Entry]) -> Change:
        left, parts, since = _by_dates(change), list[Moved](), (*later, *change.entries)
        for new in {move.new for move in moves}:
            left[new] = min(left[new], _left_of(moves, new, since, entry.sequence))
        for move in moves:
            points = min(move.points, left[move.new])
            begins = move.new[1]
            first = with_leads(max(self.moment.today, begins or self.moment.today), self.program)
            assert move.old[0] is not None, "a lot without a last day is not extended"
            assert move.new[0] is not None, "what was extended has a last day"
            day = unmarked(change.account, max(move.old[0], first))
            left[move.new] -= points
            if points and day < move.new[0]:
                parts.append(Moved(points, move.new, (day, begins)))
        return self._move(change, parts, entry)

    def _shorter(self, change: Change, moves: Sequence[Moved], entry: Entry, later: Iterable[Entry]) -> Change:
        left, gone = _by_dates(change), _lapsed((*later, *change.entries), entry.sequence, self.moment.zone)
        parts, back = list[Moved](), list[LotChange]()
        for move in moves:
            points = min(move.points, left[move.new])
            left[move.new] -= points
            if move.old[0] is None or move.old[0] >= self.moment.today:
                again = min(move.points - points, gone[move.new])
                gone[move.new] -= again
                points += again
                back += [LotChange(again, *move.new)] if again else []
            if points:
                parts.append(Moved(points, move.new, move.old))
        change = self._revive(change, tuple(back), entry)
        return self._move(change, parts, entry)

    def _voided(self, change: Change, entry: Entry) -> Change:
        back = tuple(
            one
            for one in lot_book.reverse(entry.draft.lots)
            if one.expires_on is None or one.expires_on >= self.moment.today
        )
        return self._revive(change, back, entry, pays=True)

    def _revive(self, change: Change, back: Changes, entry: Entry, *, pays: bool = False) -> Change:
        """Turn round the lapse of points; where they stay in their lots, they pay a debt first."""
        if not back:
            return change
        kept, paid = pay_debt(change.account.debt, back) if pays else (back, 0)
        draft = self._draft(Kind.EXPIRE, Reason.EXPIRY_REVERSED, entry, lot_book.total(back), kept, paid)
        return change.post(draft, self.moment)

    def _move(self, change: Change, parts: Sequence[Moved], entry: Entry) -> Change:
        """Move points; those that came back pay a debt first, as every credit does."""
        if not parts:
            return change
        out = tuple(LotChange(-part.points, *part.old) for part in parts)
        into, paid = pay_debt(change.account.debt, tuple(LotChange(part.points, *part.new) for part in parts))
        return change.post(
            self._draft(Kind.ADJUST, Reason.VALIDITY_REVERSED, entry, 0, (*out, *into), paid), self.moment
        )

    def _draft(self, kind: Kind, reason: Reason, entry: Entry, points: int, lots: Changes, paid: int) -> Draft:
        policy = entry.draft.why[0].get("policy") if entry.draft.why else None
        why = {"policy": policy, "batch": self.batch, "takes_back": entry.sequence, "reason": self.reason}
        return Draft(
            kind=kind,
            reason=reason,
            source=Source(SOURCE, self.batch),
            occurred_at=self.moment.now,
            points=points,
            lots=lots,
            debt=-paid,
            why=({**why, "paid_debt": paid} if paid else why,),
            actor=self.actor,
        )


def waits_for_hold(account: Account, entries: Iterable[Entry]) -> bool:
    """Whether a hold reserves points that ``entries`` shortened: given back, they would keep the shorter day."""
    shortened = (entry for entry in entries if entry.draft.reason == Reason.VALIDITY_SHORTENED)
    days = {move.new for entry in shortened for move in moved_by(entry)}
    held = {(lot.expires_on, lot.active_from) for hold in account.holds for lot in hold.lots}
    return account.status in _OPEN and not days.isdisjoint(held)


def moved_by(entry: Entry) -> list[Moved]:
    """What an entry of a policy moved, what would lapse last first."""
    return sorted(
        _pairs(entry.draft.lots), key=lambda move: (move.old[0] or date.max, move.old[1] or date.min), reverse=True
    )


def _pairs(lots: Changes) -> Iterator[Moved]:
    for out, into in zip(lots[::2], lots[1::2], strict=True):
        yield Moved(into.points, (out.expires_on, out.active_from), (into.expires_on, into.active_from))


def _by_dates(change: Change) -> defaultdict[Dates, int]:
    return defaultdict(int, {(lot.expires_on, lot.active_from): lot.points for lot in change.account.lots})


def _left_of(moves: Iterable[Moved], new: Dates, entries: Iterable[Entry], since: int) -> int:
    """What is left of the points that an entry moved into the lot ``new``, where they are spent before any other.

    What went out of the lot and came back (a hold, a redemption) goes back to those that it was taken of.
    """
    left, out = sum(move.points for move in moves if move.new == new), defaultdict[object, int](int)
    for entry in sorted((one for one in entries if one.sequence > since), key=lambda one: one.sequence):
        named = next((line["redemption"] for line in entry.draft.why if "redemption" in line), entry.draft.source)
        key = entry.draft.hold_id or named
        for one in entry.draft.lots:
            if (one.expires_on, one.active_from) == new:
                part = -min(left, -one.points) if one.points < 0 else min(out[key], one.points)
                left, out[key] = left + part, out[key] - part
    return left


def _lapsed(entries: Iterable[Entry], since: int, zone: ZoneInfo) -> defaultdict[Dates, int]:
    """Points that lapsed after an entry and did not come back, by the lot that they lay in.

    What came back before its lot had lapsed was voided and is no lapse; nor is what an order brought to a lot whose day
    was past.
    """
    found, late = defaultdict[Dates, int](int), defaultdict[Dates, int](int)
    for entry in sorted((one for one in entries if one.sequence > since), key=lambda one: one.sequence):
        draft, day = entry.draft, local_day(entry.recorded_at, zone)
        for one in draft.lots:
            dates = (one.expires_on, one.active_from)
            if draft.reason == Reason.LOT_EXPIRED:
                own = min(late[dates], -one.points)
                late[dates] -= own
                found[dates] += -one.points - own
            elif (one.expires_on or day) < day and draft.source.type == "order" and draft.kind is not Kind.RESTORE:
                late[dates] = max(0, late[dates] + one.points)
            elif (one.expires_on or day) < day and draft.reason == Reason.EXPIRY_REVERSED:
                found[dates] -= one.points
    return defaultdict(int, {dates: max(0, points) for dates, points in found.items()})
