"""What an operator writes of a reward, read with every fault named.

    {"title": "Cup", "kind": "physical", "category": "home", "points": 500, "cash_minor": 1000,
     "tiers": {"gold": "0.90"}, "limits": [{"per": "month", "times": 1}], "stock": {"low": 5}}

``kind`` says what it is: physical (needs an address), virtual (a code, given at once), service (done by a person),
coupon, donation, voucher (points). Prices are whole points and minor units of the program's currency.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from fractions import Fraction
from typing import Any

from jifen.domain.calendar import parse_instant
from jifen.domain.entries import instant_text
from jifen.domain.limits import POINTS, TIMES, MemberLimit
from jifen.domain.points import POINTS_MAX
from jifen.domain.reader import Reader, Section, decimal
from jifen.domain.rules.model import Per

MONEY_MAX = 10**12
PIECES_MAX = 10**9
DESCRIPTION_MAX = 2_000
QUANTITY_MAX = 50
"""The most pieces of one exchange: it fits into one transaction wherever they come from."""

SPREAD_MAX = 64
"""The most shards that counted pieces are spread over: all of them fit into one transaction."""

TAGS_MAX = 20
LEVELS_MAX = 50


_WHOLE = Fraction(1)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HALF = re.compile("[\ud800-\udfff]")


class RewardKind(StrEnum):
    """What a reward is; see above."""

    PHYSICAL = "physical"
    VIRTUAL = "virtual"
    SERVICE = "service"
    COUPON = "coupon"
    DONATION = "donation"
    VOUCHER = "voucher"


class CouponKind(StrEnum):
    """What a coupon takes off.

    ``amount``: money, whatever the order costs. ``over``: money, from a threshold on. ``percent``: a share of the
    order, at most ``max_discount_minor``. ``shipping``: what shipping costs, at most ``discount_minor``.
    """

    AMOUNT = "amount"
    OVER = "over"
    PERCENT = "percent"
    SHIPPING = "shipping"


@dataclass(frozen=True, slots=True)
class CouponTerms:
    """What a coupon is good for.

    Attributes:
        kind: see :class:`CouponKind`.
        discount_minor: money off; of ``percent`` 0.
        percent: the share off; of others 0.
        max_discount_minor: the most that ``percent`` takes off; None for no limit.
        threshold_minor: an order below that cannot use it.
        valid_days: its last valid day is that many days after it was issued (0: the day itself); None for ever, or
            until ``valid_until``.
        valid_until: its last valid day, whenever it was issued.
        uses_per_day: coupons of this reward that one member can use in a day; None for no limit.
    """

    kind: CouponKind = CouponKind.AMOUNT
    discount_minor: int = 0
    percent: Fraction = Fraction(0)
    max_discount_minor: int | None = None
    threshold_minor: int = 0
    valid_days: int | None = None
    valid_until: date | None = None
    uses_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Sale:
    """Another price in a window: a flash sale. ``opens_at`` counts, ``closes_at`` is past."""

    opens_at: datetime
    closes_at: datetime
    points: int
    cash_minor: int


@dataclass(frozen=True, slots=True)
class Offer:
    """A reward as it was read.

    Attributes:
        title, description, category, tags: for people and for search.
        kind: see :class:`RewardKind`.
        points, cash_minor: the price of one piece.
        tiers: factors on the points by tier level.
        only_tiers: who may have it; empty for everybody.
        opens_at, closes_at: when it can be had; None without a bound.
        sale: another price for a while.
        limits: of one member.
        quantity_max: pieces of one exchange.
        counted: whether its pieces are counted; ``pooled``: each is a code of its own.
        shards: of its stock; of a pool they come with its codes.
        low: an operator is told when fewer pieces are free; None for never.
        restock_on: when there will be more, as far as is known.
        coupon: of kind coupon.
        voucher_points: of kind voucher: the points of one.
        unit: of kind donation: what one of it is (a tree).
    """

    title: str
    kind: RewardKind
    points: int
    cash_minor: int = 0
    description: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    tiers: Mapping[str, Fraction] = field(default_factory=dict)
    only_tiers: tuple[str, ...] = ()
    opens_at: datetime | None = None
    closes_at: datetime | None = None
    sale: Sale | None = None
    limits: tuple[tuple[Per, str, int], ...] = ()
    quantity_max: int = 1
    counted: bool = True
    pooled: bool = False
    shards: int = 1
    low: int | None = None
    restock_on: date | None = None
    coupon: CouponTerms | None = None
    voucher_points: int = 0
    unit: str = ""

    def price(self, level: str, now: datetime) -> tuple[int, int]:
        """Points (rounded up) and money of one piece, for a member of a tier level."""
        if self.sale and self.sale.opens_at <= now < self.sale.closes_at:
            return self._for_level(self.sale.points, level), self.sale.cash_minor
        return self.usual_price(level)

    def usual_price(self, level: str, by: Fraction = _WHOLE) -> tuple[int, int]:
        """The price as if there were no sale, ``by`` times its points (rounded up once)."""
        return self._for_level(self.points, level, by), self.cash_minor

    def _for_level(self, points: int, level: str, by: Fraction = _WHOLE) -> int:
        factor = self.tiers.get(level, _WHOLE) * by
        return -(-points * factor.numerator // factor.denominator)

    def member_limits(self, reward: str) -> tuple[MemberLimit, ...]:
        """Its limits as those of a member; a refusal calls them ``reward_times_per_month`` and the like."""
        return tuple(
            MemberLimit(f"reward_{unit}_per_{per}", f"reward.{reward}", per, unit, most)
            for per, unit, most in self.limits
        )


KNOWN = (
    "title",
    "kind",
    "description",
    "category",
    "tags",
    "points",
    "cash_minor",
    "tiers",
    "only_tiers",
    "from",
    "until",
    "sale",
    "limits",
    "quantity_max",
    "stock",
    "coupon",
    "voucher",
    "donation",
)


def searchable(text: str) -> str:
    """A text in the form that is compared: NFKC, without case, blanks as one."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def read_offer(content: object, currency: str | None) -> Offer:
    """Read what was written of a reward.

    Args:
        content: what ``json.loads`` made of it.
        currency: the program's; money needs one.

    Raises:
        InvalidInput: with every fault by its path.
    """
    reader = Reader()
    offer = _offer(reader.root(content, KNOWN), currency)
    reader.refuse("reward")
    return offer


def _offer(root: Section, currency: str | None) -> Offer:
    kind = RewardKind(root.choice("kind", tuple(RewardKind), RewardKind.PHYSICAL))
    if not root.data.get("title"):
        root.fault("title", "is missing")
    stock = root.section("stock", ("counted", "codes", "shards", "low", "restock_on"))
    for key, most in (("tags", TAGS_MAX), ("tiers", LEVELS_MAX), ("only_tiers", LEVELS_MAX)):
        if isinstance(value := root.data.get(key), (list, Mapping)) and len(value) > most:
            root.fault(key, f"are more than {most}")
    offer = Offer(
        title=root.text("title"),
        kind=kind,
        points=root.whole("points", 0, POINTS_MAX, 0),
        cash_minor=root.whole("cash_minor", 0, MONEY_MAX, 0),
        description=_long(root, "description"),
        category=root.text("category"),
        tags=root.texts("tags"),
        tiers={
            level: share for level in root.section("tiers", None).data if (share := _factor(root, level)) is not None
        },
        only_tiers=root.texts("only_tiers"),
        opens_at=instant(root, "from"),
        closes_at=instant(root, "until"),
        sale=_sale(root),
        limits=_limits(root),
        quantity_max=root.whole("quantity_max", 1, QUANTITY_MAX, 1),
        counted=stock.flag("counted", default=True),
        pooled=stock.flag("codes", default=False),
        shards=stock.whole("shards", 1, SPREAD_MAX, 1),
        low=stock.limit("low", 0, PIECES_MAX),
        restock_on=_day(stock, "restock_on"),
        coupon=read_coupon(root.section("coupon", COUPON_KNOWN)) if kind is RewardKind.COUPON else None,
        voucher_points=root.section("voucher", ("points",)).whole("points", 1, POINTS_MAX)
        if kind is RewardKind.VOUCHER
        else 0,
        unit=root.section("donation", ("unit",)).text("unit"),
    )
    _agree(root, offer, currency)
    return offer


def _agree(root: Section, offer: Offer, currency: str | None) -> None:
    """See that its parts go together."""
    for name in ("coupon", "voucher", "donation"):
        if name in root and offer.kind != name:
            root.fault(name, f"belongs to kind {name}")
    _stock_agrees(root, offer)
    if _can_be_free(offer) and not offer.limits:
        root.fault("points", "can be 0: what costs nothing needs a limit")
    costs_money = offer.cash_minor or (offer.sale and offer.sale.cash_minor)
    if currency is None and (costs_money or offer.coupon):
        root.fault("coupon" if offer.coupon else "cash_minor", "needs the program's currency")
    if offer.opens_at and offer.closes_at and offer.opens_at >= offer.closes_at:
        root.fault("until", "is not after from")
    if offer.kind is RewardKind.VOUCHER:
        _voucher_agrees(root, offer)


def _stock_agrees(root: Section, offer: Offer) -> None:
    if offer.pooled and offer.kind not in {RewardKind.VIRTUAL, RewardKind.COUPON}:
        root.fault("stock.codes", "belong to kinds virtual and coupon")
    if offer.pooled and not offer.counted:
        root.fault("stock.counted", "is what codes are")
    if offer.pooled and "shards" in root.data["stock"]:
        root.fault("stock.shards", "of a pool come with its codes")
    if offer.low is not None and not offer.counted:
        root.fault("stock.low", "belongs to pieces that are counted")


def _voucher_agrees(root: Section, offer: Offer) -> None:
    """Points that buy more points would mint them: a voucher is paid for with money, at any time."""
    if offer.points:
        root.fault("points", "are not what a voucher is bought with")
    if not offer.cash_minor:
        root.fault("cash_minor", "is what a voucher is bought with")
    if offer.sale and offer.sale.points:
        root.fault("sale.points", "are not what a voucher is bought with")
    if offer.sale and not offer.sale.cash_minor:
        root.fault("sale.cash_minor", "is what a voucher is bought with")


def _can_be_free(offer: Offer) -> bool:
    """Whether somebody can ever have it for nothing."""
    prices = [(offer.points, offer.cash_minor)]
    prices += [(offer.sale.points, offer.sale.cash_minor)] if offer.sale else []
    least = min(offer.tiers.values(), default=Fraction(1))
    return any(not cash and not points * least for points, cash in prices)


def _factor(root: Section, level: str) -> Fraction | None:
    return root.section("tiers", None).share(level)


def _long(root: Section, key: str) -> str:
    value = root.data.get(key, "")
    if not isinstance(value, str) or len(value) > DESCRIPTION_MAX or _HALF.search(value):
        root.fault(key, f"is not a text of at most {DESCRIPTION_MAX} characters")
        return ""
    return value


def instant(section: Section, key: str) -> datetime | None:
    """An instant (RFC 3339 with an offset); None where it is left out."""
    value = section.data.get(key)
    if value is None:
        return None
    try:
        return parse_instant(value)
    except ValueError:
        section.fault(key, "is not an RFC 3339 instant with an offset, such as 2026-11-22T09:30:00+08:00")
        return None


def _day(section: Section, key: str) -> date | None:
    value = section.data.get(key)
    if value is None:
        return None
    try:
        return date.fromisoformat(value if _DAY.fullmatch(value) else "")
    except (TypeError, ValueError):
        section.fault(key, "is not a day such as 2026-11-26")
        return None


def _sale(root: Section) -> Sale | None:
    if root.data.get("sale") is None:
        return None
    section = root.section("sale", ("from", "until", "points", "cash_minor"))
    opens, closes = instant(section, "from"), instant(section, "until")
    if opens is None or closes is None or opens >= closes:
        section.fault("until", "is not after from; a sale has both")
        return None
    points, cash = section.whole("points", 0, POINTS_MAX), section.whole("cash_minor", 0, MONEY_MAX, 0)
    return Sale(opens, closes, points, cash)


def _limits(root: Section) -> tuple[tuple[Per, str, int], ...]:
    found: dict[tuple[Per, str], int] = {}
    for section in root.sections("limits", 10, ("per", POINTS, TIMES)):
        per = Per(section.choice("per", tuple(Per), Per.DAY))
        units = [unit for unit in (POINTS, TIMES) if unit in section]
        if len(units) != 1 or (per, units[0]) in found:
            section.fault("per", "needs one of points and times, and each once")
            continue
        found[per, units[0]] = section.whole(units[0], 1, POINTS_MAX)
    order = tuple(Per)
    return tuple(
        (per, unit, most)
        for (per, unit), most in sorted(found.items(), key=lambda one: (order.index(one[0][0]), one[0][1]))
    )


COUPON_KNOWN = (
    "kind",
    "discount_minor",
    "percent",
    "max_discount_minor",
    "threshold_minor",
    "valid_days",
    "valid_until",
    "uses_per_day",
)


def read_coupon(section: Section) -> CouponTerms:
    """What a coupon is good for, as a reward or a prize says."""
    kind = CouponKind(section.choice("kind", tuple(CouponKind), CouponKind.AMOUNT))
    share = section.share("percent") or Fraction(0)
    off = section.whole("discount_minor", 0, MONEY_MAX, 0)
    if (kind is CouponKind.PERCENT) != bool(share):
        section.fault("percent", "belongs to kind percent, and is above 0 there")
    if (kind is CouponKind.PERCENT) == bool(off):
        section.fault("discount_minor", "belongs to all kinds but percent, and is above 0 there")
    threshold = section.whole("threshold_minor", 0, MONEY_MAX, 0)
    if kind is CouponKind.OVER and not threshold:
        section.fault("threshold_minor", "is what kind over is about")
    if section.data.get("valid_days") is not None and section.data.get("valid_until") is not None:
        section.fault("valid_until", "says what valid_days says already")
    if kind is not CouponKind.PERCENT and section.data.get("max_discount_minor") is not None:
        section.fault("max_discount_minor", "belongs to kind percent")
    return CouponTerms(
        kind=kind,
        discount_minor=off,
        percent=share,
        max_discount_minor=section.limit("max_discount_minor", 1, MONEY_MAX),
        threshold_minor=threshold,
        valid_days=section.limit("valid_days", 0, 36_500),
        valid_until=_day(section, "valid_until"),
        uses_per_day=section.limit("uses_per_day", 1, POINTS_MAX),
    )


# Back to what is written ----------------------------------------------------------------------------------------------


def written(offer: Offer) -> dict[str, Any]:
    """What says this offer, without what would be so anyhow: ``read_offer(written(offer), …) == offer``.

    Two ways of writing the same give the same.
    """
    usual = Offer("", RewardKind.PHYSICAL, 0)
    said = {
        "title": offer.title,
        "kind": str(offer.kind),
        "description": offer.description,
        "category": offer.category,
        "tags": list(offer.tags),
        "points": offer.points,
        "cash_minor": offer.cash_minor,
        "tiers": {level: decimal(share) for level, share in offer.tiers.items()},
        "only_tiers": list(offer.only_tiers),
        "from": _instant_text(offer.opens_at),
        "until": _instant_text(offer.closes_at),
        "sale": _sale_written(offer.sale),
        "limits": [{"per": str(per), unit: most} for per, unit, most in offer.limits],
        "quantity_max": offer.quantity_max if offer.quantity_max != usual.quantity_max else None,
        "stock": _said(
            counted=None if offer.counted else False,
            codes=offer.pooled or None,
            shards=offer.shards if offer.shards != usual.shards else None,
            low=offer.low,
            restock_on=offer.restock_on.isoformat() if offer.restock_on else None,
        ),
        "coupon": coupon_written(offer.coupon) if offer.coupon else None,
        "voucher": {"points": offer.voucher_points} if offer.voucher_points else None,
        "donation": {"unit": offer.unit} if offer.unit else None,
    }
    return {key: value for key, value in said.items() if value or key in {"title", "kind", "points"}}


def coupon_written(terms: CouponTerms) -> dict[str, Any]:
    """What says what a coupon is good for; see :func:`written`."""
    return _said(
        kind=str(terms.kind),
        discount_minor=terms.discount_minor or None,
        percent=decimal(terms.percent) if terms.percent else None,
        max_discount_minor=terms.max_discount_minor,
        threshold_minor=terms.threshold_minor or None,
        valid_days=terms.valid_days,
        valid_until=terms.valid_until.isoformat() if terms.valid_until else None,
        uses_per_day=terms.uses_per_day,
    )


def _said(**parts: object) -> dict[str, Any]:
    return {key: value for key, value in parts.items() if value is not None}


def _instant_text(instant: datetime | None) -> str | None:
    return instant_text(instant) if instant else None


def _sale_written(sale: Sale | None) -> dict[str, Any] | None:
    if sale is None:
        return None
    said = {"from": instant_text(sale.opens_at), "until": instant_text(sale.closes_at), "points": sale.points}
    return said | ({"cash_minor": sale.cash_minor} if sale.cash_minor else {})
