"""What an operator writes of a lottery, read with every fault named.

    {"title": "Wheel", "cost": 50, "attempts_per_day": 3, "from": "2026-12-01", "days": 31, "forfeit_days": 7,
     "prizes": [{"id": "small", "title": "20 points", "kind": "points", "points": 20, "odds": "0.35"},
                {"id": "grand", "title": "Bicycle", "kind": "physical", "odds": "0.00001", "stock": 1,
                 "out_of_stock": "small"}]}

Odds are exact decimals with at most nine places. What they leave over wins nothing. A prize that has a stock says what
happens when that is empty: another prize, ``nothing``, or ``refund`` (the draw costs nothing and is used up).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from jifen.domain.offers import COUPON_KNOWN, PIECES_MAX, CouponTerms, RewardKind, read_coupon
from jifen.domain.points import POINTS_MAX
from jifen.domain.reader import Reader, Section

NUMBERS = 10**9
"""A draw is a number below this, and odds are counted in it."""

DAYS_MAX = 1_000
ATTEMPTS_MAX = 1_000
FORFEIT_DAYS_MAX = 365
PRIZES_MAX = 30
SHARDS_MAX = 40
"""The most shards of all stocks of a lottery: those of the old and the new one are written in one transaction."""

NOTHING, REFUND = "nothing", "refund"
POINTS = "points"
KINDS = (POINTS, *map(str, (RewardKind.COUPON, RewardKind.PHYSICAL, RewardKind.VIRTUAL, RewardKind.SERVICE)))

YEAR_MAX = 8_999

_KNOWN = ("title", "cost", "attempts_per_day", "from", "days", "prizes", "forfeit_days")
_PRIZE = ("id", "title", "kind", "odds", "stock", "shards", "points", "coupon", "out_of_stock")


@dataclass(frozen=True, slots=True)
class Prize:
    """One prize.

    Attributes:
        id, title: its name in the lottery, and for people.
        kind: points, coupon, physical, virtual or service.
        chances: how many of :data:`NUMBERS` numbers it is won with.
        stock: its pieces in all; None where there is no end of them.
        shards: of its stock.
        points: of kind points.
        coupon: of kind coupon.
        otherwise: what happens when it is out of stock: the id of a prize, :data:`NOTHING` or :data:`REFUND`.
    """

    id: str
    title: str
    kind: str
    chances: int
    stock: int | None = None
    shards: int = 1
    points: int = 0
    coupon: CouponTerms | None = None
    otherwise: str = NOTHING


@dataclass(frozen=True, slots=True)
class Terms:
    """A lottery as it was read.

    Attributes:
        title: for people.
        cost: points of a draw.
        attempts_per_day: draws of one member in a day; None for no limit.
        first_day, days: when it can be drawn.
        prizes: in the order in which numbers are counted.
        forfeit_days: within so many days the address of a physical prize has to be named.
    """

    title: str
    cost: int
    attempts_per_day: int | None
    first_day: date
    days: int
    prizes: tuple[Prize, ...]
    forfeit_days: int = 7

    def prize(self, prize_id: str) -> Prize | None:
        """The prize of this id."""
        return next((one for one in self.prizes if one.id == prize_id), None)


def stock_subject(lottery: str, prize: str) -> str:
    """What the stock of a prize is kept as."""
    return f"lottery:{lottery}:{prize}"


def terms_hash(content: Mapping[str, Any]) -> str:
    """The SHA-256 (hex) of what was written: JSON with sorted keys, without blanks, in UTF-8."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_terms(content: object, currency: str | None) -> Terms:
    """Read what was written of a lottery.

    Args:
        content: what ``json.loads`` made of it.
        currency: the program's; coupons need one.

    Raises:
        InvalidInput: with every fault by its path.
    """
    reader = Reader()
    terms = _terms(reader.root(content, _KNOWN), currency)
    reader.refuse("lottery")
    return terms


def _terms(root: Section, currency: str | None) -> Terms:
    if not root.data.get("title"):
        root.fault("title", "is missing")
    cost, attempts = root.whole("cost", 0, POINTS_MAX), root.limit("attempts_per_day", 1, ATTEMPTS_MAX)
    if not cost and attempts is None and "cost" in root:
        root.fault("attempts_per_day", "is missing: what costs nothing needs a limit")
    days = root.whole("days", 1, DAYS_MAX)
    sections = root.sections("prizes", PRIZES_MAX, _PRIZE, needed=True)
    prizes = tuple(_prize(section, currency) for section in sections)
    if "prizes" in root and not sections:
        root.fault("prizes", "has none")
    _agree(root, sections, prizes)
    return Terms(
        title=root.text("title"),
        cost=cost,
        attempts_per_day=attempts,
        first_day=_first_day(root),
        days=days,
        prizes=prizes,
        forfeit_days=root.whole("forfeit_days", 1, FORFEIT_DAYS_MAX, 7),
    )


def _first_day(root: Section) -> date:
    value = root.data.get("from")
    try:
        found = date.fromisoformat(value) if isinstance(value, str) and len(value) == len("2026-12-01") else None
    except ValueError:
        found = None
    if found is None or found.isoformat() != value or found.year > YEAR_MAX:
        root.fault("from", "is not a day such as 2026-12-01")
        return date(2000, 1, 1)
    return found


def _prize(section: Section, currency: str | None) -> Prize:
    kind = section.choice("kind", KINDS, "")
    _complete(section, kind, currency)
    has_coupon = kind == RewardKind.COUPON and "coupon" in section
    otherwise = section.data.get("out_of_stock", NOTHING)
    return Prize(
        id=section.name("id"),
        title=section.text("title"),
        kind=kind,
        chances=int((section.share("odds") or Fraction(0)) * NUMBERS),
        stock=section.limit("stock", 0, PIECES_MAX),
        shards=section.whole("shards", 1, SHARDS_MAX, 1),
        points=section.whole(POINTS, 1, POINTS_MAX) if kind == POINTS else 0,
        coupon=read_coupon(section.section("coupon", COUPON_KNOWN)) if has_coupon else None,
        otherwise=otherwise if isinstance(otherwise, str) else "?",
    )


def _complete(section: Section, kind: str, currency: str | None) -> None:
    """See that a prize says what its kind needs, and nothing that belongs to another."""
    if section.data.get("id") in [NOTHING, REFUND]:
        section.fault("id", f"is not {NOTHING} or {REFUND}")
    for name in ("title", "odds"):
        if not section.data.get(name):
            section.fault(name, "is missing")
    foreign = {POINTS, str(RewardKind.COUPON)} - {kind}
    unstocked = {"out_of_stock", "shards"} if section.data.get("stock") is None else set()
    for name in sorted((foreign | unstocked) & section.data.keys()):
        section.fault(name, f"belongs to kind {name}" if name in foreign else "belongs to a prize with a stock")
    if kind == RewardKind.COUPON and currency is None:
        section.fault("coupon", "needs the program's currency")
    if kind == RewardKind.COUPON and "coupon" not in section:
        section.fault("coupon", "is missing")


def _agree(root: Section, sections: Sequence[Section], prizes: Sequence[Prize]) -> None:
    """See that the prizes go together."""
    by_id: dict[str, Prize] = {}
    wanted = {prize.otherwise for prize in prizes}
    for section, prize in zip(sections, prizes, strict=True):
        if prize.id in by_id:
            section.fault("id", "is that of another prize")
        by_id.setdefault(prize.id, prize)
        if not prize.chances and section.data.get("odds") is not None and prize.id not in wanted:
            section.fault("odds", "are 0, and no other prize falls back on this one")
    if sum(prize.chances for prize in prizes) > NUMBERS:
        root.fault("prizes", "have odds that add up to more than 1")
    if sum(prize.shards for prize in prizes if prize.stock is not None) > SHARDS_MAX:
        root.fault("prizes", f"have stocks of more than {SHARDS_MAX} shards in all")
    for section, prize in zip(sections, prizes, strict=True):
        if prize.otherwise not in {*by_id, NOTHING, REFUND}:
            section.fault("out_of_stock", f"is neither another prize nor {NOTHING} nor {REFUND}")
        elif _goes_round(prize, by_id):
            section.fault("out_of_stock", "leads back to a prize that is out of stock already")


def _goes_round(prize: Prize, by_id: Mapping[str, Prize]) -> bool:
    seen: set[str] = set()
    at: Prize | None = prize
    while at is not None and at.stock is not None:
        if at.id in seen:
            return True
        seen.add(at.id)
        at = by_id.get(at.otherwise)
    return False


def line_of(terms: Terms, prize: Prize) -> Iterator[Prize]:
    """A prize and those that take its place in turn, each when the one before it is out of stock."""
    at: Prize | None = prize
    while at is not None:
        yield at
        at = terms.prize(at.otherwise)


def ends_in_refund(terms: Terms, prize: Prize) -> bool:
    """Whether the draw costs nothing when all of :func:`line_of` is out of stock."""
    *_, last = line_of(terms, prize)
    return last.stock is not None and last.otherwise == REFUND


def gain(terms: Terms) -> Fraction:
    """The points that one draw wins on average less what it costs, when stocks are as empty as is best for the members.

    Only prizes in points count. Above 0, the lottery makes points out of nothing.
    """
    nothing = NUMBERS - sum(prize.chances for prize in terms.prizes)
    total = -terms.cost * nothing
    for prize in terms.prizes:
        ends = [one.points - terms.cost for one in line_of(terms, prize)]
        *_, last = line_of(terms, prize)
        if last.stock is not None:
            ends.append(0 if last.otherwise == REFUND else -terms.cost)
        total += prize.chances * max(ends)
    return Fraction(total, NUMBERS)


def won(terms: Terms) -> Fraction:
    """The points that one draw wins on average while every prize is in stock."""
    return Fraction(sum(prize.chances * prize.points for prize in terms.prizes), NUMBERS)


def last_day(first_day: date, days: int) -> date:
    """The last day of so many."""
    return first_day + timedelta(days=days - 1)
