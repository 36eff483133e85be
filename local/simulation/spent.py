"""Points that were spent or set aside, in the reference: what is remembered of them, and how they go back.

Written again from ``docs/decisions`` and the contract: shares of a part that goes back are those of Sainte-Laguë, a
debt is paid first, and what has lapsed meanwhile follows the program's policy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from fractions import Fraction

from jifen.domain.program import Program
from local.simulation.history import Answer, Authorize, Redeem
from local.simulation.purse import Parts, Purse, compact, past


@dataclass(frozen=True, slots=True)
class Spent:
    """A redemption, or a hold: the step that made it, what it answered, and what became of it.

    ``lots`` are those that were spent, ``points`` those that were asked for or, with ``up_to``, those that there were.
    """

    step: Redeem | Authorize
    answer: Answer
    points: int
    lots: Parts
    restored: int = 0
    receipts: int = 0
    status: str = ""
    expires_at: datetime | None = None

    @property
    def spent(self) -> int:
        """Points that were spent, whatever went back since."""
        return sum(points for _, points in self.lots)

    def in_use(self, now: datetime) -> int:
        """Points that pay a part of an order by it."""
        if self.status == "AUTHORIZED" and self.expires_at is not None:
            return self.points if now < self.expires_at else 0
        return self.spent - self.restored


@dataclass(frozen=True, slots=True)
class When:
    """The instant and local day of a decision, and the limit on lots that it knows."""

    now: datetime
    today: date
    lots_max: int


def put_back(known: Spent, restored: int, account: Purse, program: Program, when: When) -> tuple[Spent, Parts]:
    """So much of what was spent goes back that ``restored`` points have; the lots that they went to."""
    sizes = [points for _, points in known.lots]
    before, after = shares(sizes, known.restored), shares(sizes, restored)
    returned = [(key, more - had) for (key, _), had, more in zip(known.lots, before, after, strict=True) if more > had]
    terms = program.redemption
    if terms.expired_on_restore == "grace":
        later = when.today + timedelta(days=terms.grace_days)
        returned = [((later, key[1]) if past(key, when.today) else key, points) for key, points in returned]
    account.redeemed -= restored - known.restored
    account.pay_in(returned)
    account.posted()
    compact(account, when.lots_max, when.today)
    account.pass_time(when.now, when.today)
    return replace(known, restored=restored), returned


def shares(sizes: list[int], units: int) -> list[int]:
    """Whole shares of ``units`` in proportion to ``sizes`` by Sainte-Laguë, the earlier part first among equals.

    A part's j-th unit has the rank ``(2j - 1) / size``; the first ``units`` of all ranks win. Rounding every exact
    share to the nearest takes the ranks up to one bound, and is then put right one unit at a time.
    """
    whole = sum(sizes)
    found = [(2 * units * size + whole) // (2 * whole) for size in sizes]

    def rank(index: int, unit: int) -> tuple[Fraction, int]:
        return Fraction(2 * unit - 1, sizes[index]), index

    while sum(found) > units:
        _, last = max(rank(index, share) for index, share in enumerate(found) if share)
        found[last] -= 1
    while sum(found) < units:
        _, first = min(rank(index, share + 1) for index, share in enumerate(found))
        found[first] += 1
    return found
