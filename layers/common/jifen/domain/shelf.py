"""The shelf of the mall: what is on it, searched, filtered and sorted, and whether somebody can have it.

    rewards, stock ──shown──> Shown ──fits──> ordered ──page──> what a member sees, with ``verdict`` on each

Text is searched in Unicode form NFKC without regard to case: each word of a query is a part of title, description,
category or a tag. So a Chinese query finds a part of a title, and ``ＣＵＰ`` finds ``Cup``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from jifen.domain import limits as member_limits
from jifen.domain import stocks, tiers
from jifen.domain.account import Account, Status, as_of
from jifen.domain.calendar import EARLIEST
from jifen.domain.discounts import NO_DISCOUNTS, Discounts, Price
from jifen.domain.errors import Fault, InvalidInput
from jifen.domain.limits import POINTS, TIMES, MemberLimit, Use
from jifen.domain.offers import Offer, RewardKind, read_offer, searchable
from jifen.domain.program import Moment, Program
from jifen.domain.rewards import Reward, RewardStatus, Stock
from jifen.domain.rules.model import Per
from jifen.domain.standing import NOTHING_KNOWN, Standing
from jifen.domain.terms import MallTerms

FEW = 10
"""Members are told that few are left when fewer are, of a reward that says nothing of its own (``stock.low``)."""


class Sort(StrEnum):
    """How a shelf is sorted; what is equal by its id."""

    POPULAR = "popular"
    POINTS = "points"
    POINTS_DOWN = "-points"
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Shown:
    """A reward as a shelf has it.

    Attributes:
        reward, offer: what was written, and what it says.
        free: pieces nobody has; None where there is no end of them.
        reserved, sold, stocked: see :class:`jifen.domain.rewards.Stock`.
        text: what is searched.
    """

    reward: Reward
    offer: Offer
    free: int | None
    reserved: int
    sold: int
    stocked: int
    text: str

    @property
    def in_stock(self) -> bool:
        """Whether a piece is free."""
        return self.free is None or self.free > 0

    @property
    def few_left(self) -> bool:
        """Whether a member is told to hurry."""
        return self.free is not None and 0 < self.free < (FEW if self.offer.low is None else self.offer.low)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at the shelf. ``available`` is None for nobody in particular: prices are then those without a tier.

    ``discounts`` is what campaigns take off at that moment.
    """

    level: str = ""
    available: int | None = None
    standing: Standing = NOTHING_KNOWN
    active: bool = True
    discounts: Discounts = NO_DISCOUNTS

    def price(self, one: Shown, now: datetime) -> Price:
        """What a piece costs who looks."""
        return self.discounts.price(one.reward.id, one.offer, self.level, now)


NOBODY = Viewer()


def viewer_of(account: Account, program: Program, moment: Moment, discounts: Discounts = NO_DISCOUNTS) -> Viewer:
    """A member as the shelf sees one now."""
    terms = program.rules.tiers
    level = tiers.level_of(account.standing, terms, moment.today).level if terms else ""
    available = as_of(account, moment).account.available(moment.today)
    return Viewer(level, available, account.standing, account.status is Status.ACTIVE, discounts)


# What is on it -------------------------------------------------------------------------------------------------------


def offer_of(reward: Reward, currency: str | None) -> Offer:
    """What a kept reward says.

    Raises:
        InvalidInput: this code cannot read it, or its price is in another currency than the program's.
    """
    offer = read_offer(reward.content, currency)
    if reward.currency is not None and reward.currency != currency:
        raise InvalidInput([Fault("cash_minor", f"is in {reward.currency}, and the program's currency is {currency}")])
    return offer


def in_money(offer: Offer) -> bool:
    """Whether a price or a discount of it is in money."""
    return bool(offer.cash_minor or offer.coupon or (offer.sale and offer.sale.cash_minor))


def shown(reward: Reward, offer: Offer, shards: Sequence[Stock]) -> Shown:
    """A reward with its stock, as it was read."""
    words = (offer.title, offer.description, offer.category, *offer.tags)
    return restocked(Shown(reward, offer, None, 0, 0, 0, "\n".join(map(searchable, words))), shards)


def restocked(one: Shown, shards: Sequence[Stock]) -> Shown:
    """The same reward with its stock as it is now."""
    return replace(
        one,
        free=stocks.available(shards) if one.offer.counted else None,
        reserved=sum(shard.kept for shard in shards),
        sold=sum(shard.sold for shard in shards),
        stocked=sum(shard.stocked for shard in shards),
    )


def low_stock(offer: Offer, shards: Iterable[Stock]) -> bool:
    """Whether fewer pieces are free than the operator wants to hear of."""
    free = stocks.available(shards)
    return offer.low is not None and free is not None and free < offer.low


# Looking for something -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; what is None or false does not matter."""

    category: str | None = None
    kind: RewardKind | None = None
    tag: str | None = None
    query: str | None = None
    points_from: int | None = None
    points_to: int | None = None
    affordable: bool = False
    in_stock: bool = False
    low: bool = False
    status: RewardStatus | None = RewardStatus.ON_SHELF
    sort: Sort = Sort.POPULAR


def chosen(all_shown: Iterable[Shown], wanted: Wanted, viewer: Viewer, now: datetime) -> list[Shown]:
    """What fits, sorted."""
    tests = _tests(wanted, viewer, now)
    found = [one for one in all_shown if all(test(one) for test in tests)]
    return sorted(found, key=lambda one: place(one, wanted.sort, viewer, now))


def place(one: Shown, sort: Sort, viewer: Viewer, now: datetime) -> tuple[int, int, str]:
    """Where a reward stands in a sorted shelf: what comes after it is greater."""
    if sort is Sort.POPULAR:
        return -one.sold, 0, one.reward.id
    if sort is Sort.NEWEST:
        since = one.reward.since or one.reward.at
        return -((since - EARLIEST) // timedelta(microseconds=1)), 0, one.reward.id
    points, cash, _ = viewer.price(one, now)
    return (points, cash, one.reward.id) if sort is Sort.POINTS else (-points, -cash, one.reward.id)


def _tests(wanted: Wanted, viewer: Viewer, now: datetime) -> list[Callable[[Shown], bool]]:
    tests = [test for test in (_kind_test(wanted), *_text_tests(wanted)) if test]
    if wanted.status:
        tests.append(lambda one: one.reward.status is wanted.status)
    if wanted.in_stock:
        tests.append(lambda one: one.in_stock)
    if wanted.low:
        tests.append(lambda one: one.free is not None and one.offer.low is not None and one.free < one.offer.low)
    low = wanted.points_from or 0
    bounds = [most for most in (wanted.points_to, viewer.available if wanted.affordable else None) if most is not None]
    if low or bounds:
        tests.append(lambda one: low <= viewer.price(one, now).points <= min(bounds, default=10**18))
    return tests


def _kind_test(wanted: Wanted) -> Callable[[Shown], bool] | None:
    return (lambda one: one.offer.kind is wanted.kind) if wanted.kind else None


def _text_tests(wanted: Wanted) -> list[Callable[[Shown], bool]]:
    tests: list[Callable[[Shown], bool]] = []
    if wanted.category is not None:
        category = searchable(wanted.category)
        tests.append(lambda one: searchable(one.offer.category) == category)
    if wanted.tag is not None:
        tag = searchable(wanted.tag)
        tests.append(lambda one: tag in map(searchable, one.offer.tags))
    if wanted.query:
        words = searchable(wanted.query).split()
        tests.append(lambda one: all(word in one.text for word in words))
    return tests


# Whether somebody can have it ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether one piece can be had now, and what is in the way.

    ``because`` is the code with which an exchange would be refused, empty where it would not be; of several reasons the
    one that will last.
    """

    because: str = ""
    detail: str = ""
    opens_at: datetime | None = None
    closed_at: datetime | None = None
    restock_on: str | None = None
    limit: str | None = None
    resets_at: str | None = None
    missing_points: int | None = None


def verdict(one: Shown, viewer: Viewer, mall: MallTerms, moment: Moment) -> Verdict:
    """Whether somebody can have a piece now; of nobody in particular only what holds for everybody is asked."""
    offer, now = one.offer, moment.now
    if one.reward.status is not RewardStatus.ON_SHELF:
        return Verdict("NOT_OPEN", "It is off the shelf.")
    if offer.closes_at and now >= offer.closes_at:
        return Verdict("NOT_OPEN", "It is over.", closed_at=offer.closes_at)
    if offer.only_tiers and viewer.available is not None and viewer.level not in offer.only_tiers:
        return Verdict("NOT_OPEN", f"It is for {', '.join(offer.only_tiers)}.")
    if offer.opens_at and now < offer.opens_at:
        return Verdict("NOT_OPEN", "It has not opened yet.", opens_at=offer.opens_at)
    if not one.in_stock:
        restock_on = offer.restock_on.isoformat() if offer.restock_on else None
        return Verdict("OUT_OF_STOCK", "None are left.", restock_on=restock_on)
    return _own_verdict(one, viewer, mall, moment) if viewer.available is not None else Verdict()


def _own_verdict(one: Shown, viewer: Viewer, mall: MallTerms, moment: Moment) -> Verdict:
    """What is in the way of this member alone."""
    if not viewer.active:
        return Verdict("ACCOUNT_FROZEN", "The account is frozen.")
    points = viewer.price(one, moment.now).points
    for limit in (*one.offer.member_limits(one.reward.id), *mall_limits(mall)):
        if Use(points).of(limit) > member_limits.room(viewer.standing, limit, moment):
            resets = member_limits.resets_at(limit, moment)
            return Verdict(
                "LIMIT_REACHED", f"The limit {limit.name} allows {limit.most}.", None, None, None, limit.name, resets
            )
    missing = points - (viewer.available or 0)
    if missing > 0:
        return Verdict("INSUFFICIENT_POINTS", f"{missing} points are missing.", missing_points=missing)
    return Verdict()


def mall_limits(terms: MallTerms) -> tuple[MemberLimit, ...]:
    """The limits of one member over all rewards."""
    found = ((POINTS, terms.points_per_day), (TIMES, terms.times_per_day))
    return tuple(
        MemberLimit(f"mall_{unit}_per_day", "mall", Per.DAY, unit, most) for unit, most in found if most is not None
    )
