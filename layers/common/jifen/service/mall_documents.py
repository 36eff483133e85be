"""Documents of the mall and of play, and the keys they are kept under; see :mod:`jifen.service.ports`.

They stand apart, so that the functions that know orders alone do not import them.
"""

from __future__ import annotations

from dataclasses import dataclass

from jifen.domain.auctions import Auction, Bid
from jifen.domain.coupons import Coupon
from jifen.domain.lotteries import Draw, Lottery
from jifen.domain.passwords import PointsPassword
from jifen.domain.reward_orders import RewardOrder
from jifen.domain.rewards import CodeMark, Reward, Stock, Wish
from jifen.domain.transfers import Transfer

# Keys of different kinds are never equal: they are tuples, and ``part`` tells those apart that have the same form.


@dataclass(frozen=True, slots=True)
class RewardKey:
    """A reward."""

    id: str
    part: str = "reward"


@dataclass(frozen=True, slots=True)
class StockKey:
    """A shard of a stock."""

    subject: str
    shard: int
    part: str = "stock"


@dataclass(frozen=True, slots=True)
class WishKey:
    """That a member waits for a reward."""

    reward: str
    member: str
    part: str = "wish"


@dataclass(frozen=True, slots=True)
class CodeKey:
    """That a code was put into a reward's pool."""

    reward: str
    code: str
    part: str = "code"


@dataclass(frozen=True, slots=True)
class RewardOrderKey:
    """A reward order, by its whole id."""

    member: str
    id: str
    part: str = "reward order"


@dataclass(frozen=True, slots=True)
class CouponKey:
    """A coupon, by its whole id."""

    member: str
    id: str
    part: str = "coupon"


@dataclass(frozen=True, slots=True)
class LotteryKey:
    """A lottery."""

    id: str
    part: str = "lottery"


@dataclass(frozen=True, slots=True)
class DrawKey:
    """A draw, by its whole id."""

    member: str
    id: str
    part: str = "draw"


@dataclass(frozen=True, slots=True)
class AuctionKey:
    """An auction."""

    id: str
    part: str = "auction"


@dataclass(frozen=True, slots=True)
class BidKey:
    """A bid, by its whole id."""

    member: str
    id: str
    part: str = "bid"


@dataclass(frozen=True, slots=True)
class TransferKey:
    """A transfer, by its whole id; ``member`` is the sender."""

    member: str
    id: str
    part: str = "transfer"


@dataclass(frozen=True, slots=True)
class PasswordKey:
    """A member's points password."""

    member: str
    part: str = "password"


MallKey = (
    RewardKey
    | StockKey
    | WishKey
    | CodeKey
    | RewardOrderKey
    | CouponKey
    | LotteryKey
    | DrawKey
    | AuctionKey
    | BidKey
    | TransferKey
    | PasswordKey
)

MallDocument = (
    Reward | Stock | Wish | CodeMark | RewardOrder | Coupon | Lottery | Draw | Auction | Bid | Transfer | PointsPassword
)


def key_of(document: MallDocument) -> MallKey:  # noqa: C901, PLR0911 - one case for each kind
    """The key under which a document is kept."""
    match document:
        case Reward():
            return RewardKey(document.id)
        case Stock():
            return StockKey(document.subject, document.shard)
        case Wish():
            return WishKey(document.reward, document.member)
        case CodeMark():
            return CodeKey(document.reward, document.code)
        case RewardOrder():
            return RewardOrderKey(document.member, document.id)
        case Coupon():
            return CouponKey(document.member, document.id)
        case Lottery():
            return LotteryKey(document.id)
        case Draw():
            return DrawKey(document.member, document.id)
        case Auction():
            return AuctionKey(document.id)
        case Bid():
            return BidKey(document.member, document.id)
        case Transfer():
            return TransferKey(document.member, document.id)
        case PointsPassword():
            return PasswordKey(document.member)
