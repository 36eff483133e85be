"""Documents of the mall and of play to items and back; see :mod:`jifen.store.codec_rules`.

Each is a :class:`jifen.store.items.FactItem` whose ``facts`` are its fields; what is long in some of them is packed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jifen.domain.auctions import Auction, Bid
from jifen.domain.coupons import Coupon
from jifen.domain.lotteries import Draw, Lottery
from jifen.domain.passwords import PointsPassword
from jifen.domain.reward_orders import RewardOrder
from jifen.domain.rewards import CodeMark, Reward, Stock, Wish
from jifen.domain.transfers import Transfer
from jifen.service.mall_documents import (
    AuctionKey,
    BidKey,
    CodeKey,
    CouponKey,
    DrawKey,
    LotteryKey,
    MallDocument,
    MallKey,
    PasswordKey,
    RewardKey,
    RewardOrderKey,
    StockKey,
    TransferKey,
    WishKey,
)
from jifen.store import plain
from jifen.store.items import AUCTIONS_PK, LOTTERIES_PK, REWARDS_PK, account_pk, deadline_shard, digest, sortable

_CLASSES: Mapping[str, type[Any]] = {
    "RW": Reward,
    "ST": Stock,
    "WI": Wish,
    "CD": CodeMark,
    "RO": RewardOrder,
    "CP": Coupon,
    "LT": Lottery,
    "DW": Draw,
    "AU": Auction,
    "BD": Bid,
    "TR": Transfer,
    "PW": PointsPassword,
}

_PACKED = {Reward: "content", Lottery: "content", Auction: "content", Stock: "codes"}
"""The field that is long, and goes into the item's ``text``."""


def mall_keys(key: MallKey) -> tuple[str, str]:  # noqa: C901, PLR0911 - one case for each kind
    """Partition and sort key of a document."""
    match key:
        case RewardKey(id_):
            return REWARDS_PK, f"RW#{id_}"
        case StockKey(subject, shard):
            return f"C#{subject}", f"ST#{shard:04d}"
        case WishKey(reward, member):
            return f"C#{reward}", f"WI#{digest(member)}"
        case CodeKey(reward, code):
            return f"C#{reward}", f"CD#{digest(code)}"
        case RewardOrderKey(member, id_):
            return account_pk(member), f"RO#{_last(id_)}"
        case CouponKey(member, id_):
            return account_pk(member), f"CP#{_last(id_)}"
        case LotteryKey(id_):
            return LOTTERIES_PK, f"LT#{id_}"
        case DrawKey(member, id_):
            return account_pk(member), f"DW#{_last(id_)}"
        case AuctionKey(id_):
            return AUCTIONS_PK, f"AU#{id_}"
        case BidKey(member, id_):
            return account_pk(member), f"BD#{_last(id_)}"
        case TransferKey(member, id_):
            return account_pk(member), f"TR#{_last(id_)}"
        case PasswordKey(member):
            return account_pk(member), "PW"


def _last(document_id: str) -> str:
    return document_id.rsplit(".", 1)[-1]


def mall_out(document: MallDocument) -> dict[str, Any]:
    """The attributes of a document, without its version."""
    row = plain.row_out(document)
    row.pop("version", None)
    name = _PACKED.get(type(document))
    return {"facts": row, "text": row.pop(name, None) if name else None}


def mall_in(item: Any) -> MallDocument:
    """A document from its item."""
    cls = _CLASSES[item.sk.partition("#")[0]]
    name = _PACKED.get(cls)
    long = {name: item.text} if name and item.text is not None else {}
    document: MallDocument = plain.row_in(cls, {**item.facts, **long, "version": item.version})
    return document


def due_of(document: object, pk: str, sk: str) -> dict[str, str]:
    """Where a document stands among the deadlines; nothing where none lies ahead of it."""
    due = getattr(document, "due_at", None)
    if not isinstance(due, datetime):
        return {}
    return {"shard": deadline_shard(pk, sk), "due_expiry": f"{sortable(due)}#{pk}#{sk}"}
