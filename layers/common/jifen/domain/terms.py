"""What points can be spent on, and how much of them: the program's sections ``redemption`` to ``security``.

    redemption   at the checkout: worth, threshold, steps, shares of an order, caps
    holds        how long points stay reserved
    transfers    to a friend
    mall         exchanges for rewards, all together
    security     the points password

A limit that is None does not exist. Points are whole, shares exact, money in minor units of the program's currency.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Any

from jifen.domain.points import POINTS_MAX
from jifen.domain.reader import Section

SPENDING_SECTIONS = ("redemption", "holds", "transfers", "mall", "security")

RESTORE_POLICIES = ("lapse", "grace")

_MONEY_MAX = 10**12


@dataclass(frozen=True, slots=True)
class LineShare:
    """For some lines of an order, the share of them that points can pay: the first that fits a line counts.

    ``categories`` empty fits every category; ``unit_price_from_minor`` fits what costs that much a piece or more.
    """

    max_share: Fraction
    categories: tuple[str, ...] = ()
    unit_price_from_minor: int = 0


@dataclass(frozen=True, slots=True)
class Worth:
    """``points`` take ``minor`` off the price; ``minor`` None is one unit of the order's currency."""

    points: int = 100
    minor: int | None = None

    def taken_off(self, points: int, unit: int) -> int:
        """What ``points`` take off, in whole minor units; ``unit`` is how many of them are one of the currency."""
        return points * (self.minor or unit) // self.points

    def points_for(self, minor: int, unit: int) -> int:
        """The fewest points that take at least ``minor`` off."""
        return -(-minor * self.points // (self.minor or unit))

    def points_within(self, minor: Fraction, unit: int) -> int:
        """The most points that are worth no more than ``minor``."""
        return int(minor * self.points / (self.minor or unit))


@dataclass(frozen=True, slots=True)
class RedemptionTerms:
    """What points are worth at the checkout, and how many of them can be used.

    Attributes:
        worth: what points take off.
        min_points: fewer are not taken; 1 is no threshold.
        step_points: points are taken in multiples of this.
        min_order_minor: an order below that takes none.
        min_discount_minor: a discount below that is not given.
        max_order_share: of the order's total.
        max_points_per_order: with an order's id or total.
        max_points_per_day, times_per_day: of one member, with or without an order.
        needs_order: points are taken only for an order whose total is named.
        lines: shares for some lines, where the order's lines are named.
        expired_on_restore: ``lapse`` or ``grace``: what comes of points that go back after their last valid day.
        grace_days: for how many more days such points can be used under ``grace``.
    """

    worth: Worth = Worth()
    min_points: int = 1
    step_points: int = 1
    min_order_minor: int = 0
    min_discount_minor: int = 0
    max_order_share: Fraction | None = None
    max_points_per_order: int | None = None
    max_points_per_day: int | None = None
    times_per_day: int | None = None
    needs_order: bool = False
    lines: tuple[LineShare, ...] = ()
    expired_on_restore: str = "lapse"
    grace_days: int = 30

    @property
    def grace(self) -> timedelta:
        """``grace_days``."""
        return timedelta(days=self.grace_days)


@dataclass(frozen=True, slots=True)
class HoldTerms:
    """How long a hold lives when nobody says, and at most, in seconds."""

    expires_in_s: int = 900
    max_expires_in_s: int = 30 * 86_400


@dataclass(frozen=True, slots=True)
class TransferTerms:
    """Points given to a friend.

    Attributes:
        enabled: whether members may.
        min_points, max_points: of one transfer.
        points_per_day, points_per_month, times_per_day: of one sender.
        received_per_day: points that one member may be given in a day.
        cooling_days: days before the receiver can use them; while they last the sender can take them back.
        known_only: only to members who have an account already.
    """

    enabled: bool = True
    min_points: int = 1
    max_points: int | None = None
    points_per_day: int | None = None
    points_per_month: int | None = None
    times_per_day: int | None = None
    received_per_day: int | None = None
    cooling_days: int = 0
    known_only: bool = False


@dataclass(frozen=True, slots=True)
class MallTerms:
    """Exchanges for rewards, whichever.

    Attributes:
        points_per_day, times_per_day: of one member, over all rewards.
        address_days: an address has to be named within so many days, or the reward is forfeited.
        cash_minutes: money that is due besides points has to be paid within so many minutes, or the order is cancelled.
        reserve_minutes: for how long pieces stay reserved for an exchange that was not finished.
    """

    points_per_day: int | None = None
    times_per_day: int | None = None
    address_days: int = 7
    cash_minutes: int = 1_440
    reserve_minutes: int = 10


@dataclass(frozen=True, slots=True)
class SecurityTerms:
    """The points password: asked for once more than ``password_above`` points are spent in a day (None: never).

    After ``tries`` wrong ones in a row it is locked for ``lock_minutes``. One that a member sets where there was none
    opens nothing for ``new_password_minutes``.
    """

    password_above: int | None = None
    tries: int = 5
    lock_minutes: int = 30
    new_password_minutes: int = 0


def spending_terms(root: Section, currency: str | None) -> dict[str, Any]:
    """The five sections, as fields of a program."""
    return {
        "redemption": _redemption(root, currency),
        "holds": _holds(root),
        "transfers": _transfers(root),
        "mall": _mall(root),
        "security": _security(root),
    }


_REDEMPTION = (
    "points_per_unit",
    "worth",
    "min_points",
    "step_points",
    "min_order_minor",
    "min_discount_minor",
    "max_order_share",
    "max_points_per_order",
    "max_points_per_day",
    "times_per_day",
    "needs_order",
    "lines",
    "expired_on_restore",
    "grace_days",
)


def _redemption(root: Section, currency: str | None) -> RedemptionTerms:
    section = root.section("redemption", _REDEMPTION)
    usual = RedemptionTerms()
    if not section.data:
        return usual
    found = RedemptionTerms(
        worth=_worth(section),
        min_points=section.whole("min_points", 1, POINTS_MAX, 1),
        step_points=section.whole("step_points", 1, POINTS_MAX, 1),
        min_order_minor=section.whole("min_order_minor", 0, _MONEY_MAX, 0),
        min_discount_minor=section.whole("min_discount_minor", 0, _MONEY_MAX, 0),
        max_order_share=section.share("max_order_share"),
        max_points_per_order=section.limit("max_points_per_order", 0, POINTS_MAX),
        max_points_per_day=section.limit("max_points_per_day", 0, POINTS_MAX),
        times_per_day=section.limit("times_per_day", 0, POINTS_MAX),
        needs_order=section.flag("needs_order", default=False),
        lines=tuple(_line_share(one) for one in section.sections("lines", 50, _LINE_SHARE)),
        expired_on_restore=section.choice("expired_on_restore", RESTORE_POLICIES, usual.expired_on_restore),
        grace_days=section.whole("grace_days", 0, 3_650, usual.grace_days),
    )
    in_money = (found.min_order_minor, found.min_discount_minor, found.worth.minor or 0)
    if currency is None and (any(in_money) or any(one.unit_price_from_minor for one in found.lines)):
        section.fault("worth" if found.worth.minor else "min_order_minor", "needs the program's currency")
    return found


def _worth(section: Section) -> Worth:
    if "worth" not in section:
        return Worth(section.whole("points_per_unit", 1, 10**9, 100))
    if "points_per_unit" in section:
        section.fault("points_per_unit", "says what worth says already")
    worth = section.section("worth", ("points", "minor"))
    return Worth(worth.whole("points", 1, 10**9), worth.whole("minor", 1, 10**9))


_LINE_SHARE = ("categories", "unit_price_from_minor", "max_share")


def _line_share(section: Section) -> LineShare:
    share = section.share("max_share")
    if share is None:
        section.fault("max_share", "is missing")
    return LineShare(
        max_share=Fraction(0) if share is None else share,
        categories=section.texts("categories"),
        unit_price_from_minor=section.whole("unit_price_from_minor", 0, _MONEY_MAX, 0),
    )


def _holds(root: Section) -> HoldTerms:
    section = root.section("holds", ("expires_in_s", "max_expires_in_s"))
    default = HoldTerms()
    longest = section.whole("max_expires_in_s", 1, 366 * 86_400, default.max_expires_in_s)
    usual = section.whole("expires_in_s", 1, 366 * 86_400, min(default.expires_in_s, longest))
    if usual > longest:
        section.fault("expires_in_s", "is above holds.max_expires_in_s")
    return HoldTerms(usual, longest)


_TRANSFERS = (
    "enabled",
    "min_points",
    "max_points",
    "points_per_day",
    "points_per_month",
    "times_per_day",
    "received_per_day",
    "cooling_days",
    "known_only",
)


def _transfers(root: Section) -> TransferTerms:
    section = root.section("transfers", _TRANSFERS)
    if not section.data:
        return TransferTerms()
    most = section.limit("max_points", 1, POINTS_MAX)
    least = section.whole("min_points", 1, POINTS_MAX, 1)
    if most is not None and least > most:
        section.fault("min_points", "is above transfers.max_points")
    return TransferTerms(
        enabled=section.flag("enabled", default=True),
        min_points=least,
        max_points=most,
        points_per_day=section.limit("points_per_day", 0, POINTS_MAX),
        points_per_month=section.limit("points_per_month", 0, POINTS_MAX),
        times_per_day=section.limit("times_per_day", 0, POINTS_MAX),
        received_per_day=section.limit("received_per_day", 0, POINTS_MAX),
        cooling_days=section.whole("cooling_days", 0, 365, 0),
        known_only=section.flag("known_only", default=False),
    )


_MALL = ("points_per_day", "times_per_day", "address_days", "cash_minutes", "reserve_minutes")


def _mall(root: Section) -> MallTerms:
    section = root.section("mall", _MALL)
    usual = MallTerms()
    if not section.data:
        return usual
    return MallTerms(
        points_per_day=section.limit("points_per_day", 0, POINTS_MAX),
        times_per_day=section.limit("times_per_day", 0, POINTS_MAX),
        address_days=section.whole("address_days", 1, 365, usual.address_days),
        cash_minutes=section.whole("cash_minutes", 1, 43_200, usual.cash_minutes),
        reserve_minutes=section.whole("reserve_minutes", 1, 1_440, usual.reserve_minutes),
    )


def _security(root: Section) -> SecurityTerms:
    section = root.section("security", ("password_above", "tries", "lock_minutes", "new_password_minutes"))
    usual = SecurityTerms()
    if not section.data:
        return usual
    return SecurityTerms(
        password_above=section.limit("password_above", 0, POINTS_MAX),
        tries=section.whole("tries", 1, 100, usual.tries),
        lock_minutes=section.whole("lock_minutes", 1, 43_200, usual.lock_minutes),
        new_password_minutes=section.whole("new_password_minutes", 0, 43_200, usual.new_password_minutes),
    )
