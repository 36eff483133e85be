"""Documents of the mall and of play, one of each kind in its shapes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from jifen.domain.auctions import Auction, AuctionStatus, Bid, BidStatus, Top
from jifen.domain.coupons import Coupon, CouponStatus
from jifen.domain.lots import LotChange
from jifen.domain.lotteries import Draw, DrawStatus, Lottery, LotteryStatus
from jifen.domain.passwords import PointsPassword
from jifen.domain.reward_orders import RewardOrder, abandoned
from jifen.domain.rewards import CodeMark, OrderStatus, Reserved, Reward, RewardStatus, Step, Stock, Wish
from jifen.domain.transfers import Transfer, TransferStatus
from jifen.service.mall_documents import MallDocument

NOW = datetime(2026, 3, 14, 9, 26, 53, 589_793, tzinfo=UTC)
LAST_DAY = date(2027, 3, 31)
_LOTS = (LotChange(5, LAST_DAY), LotChange(1, None), LotChange(7, LAST_DAY, date(2026, 4, 1)))

MALL_DOCUMENTS: Mapping[str, MallDocument] = {
    "reward": Reward("cup", {"title": "杯子", "points": 500, "tiers": {"gold": "0.90"}}, 4, "operator:小王", NOW),
    "reward off the shelf": Reward("cup.2", {"title": "x" * 2_000}, 1, "admin:a", NOW, RewardStatus.OFF_SHELF),
    "stock without end": Stock("cup", 0, None, 17),
    "stock with reservations": Stock(
        "lottery:spring:cup",
        3,
        40,
        5,
        48,
        reserved={"ro.bQ.a": Reserved(2, NOW), "dw.bQ.b": Reserved(1, NOW + timedelta(minutes=5), 3)},
    ),
    "pool of codes": Stock(
        "code", 199, 50, 0, 51, tuple(f"CODE-{n:04d}-好" for n in range(50)), {"ro.x.y": Reserved(1, NOW, 0, ("K-1",))}
    ),
    "empty pool": Stock("code", 0, 0, pooled=True),
    "code of a pool": CodeMark("code", "码-A#1 ", "0a" * 20),
    "reward that is there again": Reward(
        "cup.2", {"title": "M"}, 1, "operator:a", NOW, since=NOW, currency="CNY", tell_from=NOW + timedelta(hours=1)
    ),
    "wish": Wish("cup", "会员#1", NOW),
    "wish that was told": Wish("cup", "m", NOW, NOW + timedelta(days=1)),
    "wish that was taken back": Wish("cup", "m", NOW, on=False),
    "reward order with everything": RewardOrder(
        id="ro.bQ.abc",
        member="m",
        reward="cup",
        kind="physical",
        title="杯子",
        at=NOW,
        status=OrderStatus.ADDRESS_DUE,
        quantity=2,
        points=1_000,
        cash_minor=2_000,
        currency="CNY",
        spent=_LOTS,
        restored=3,
        counted=(("reward.cup", "month", "times"), ("mall", "day", "points")),
        codes=("a", "b"),
        pieces={"0": 1, "3": 1},
        stock="cup",
        put_back=True,
        due=NOW + timedelta(days=7),
        address={"name": "小王", "lines": ["上海"], "n": 3},
        shipping={"carrier": "SF", "number": "1"},
        details={"receipt": {"number": "D-1"}},
        source=("draw", "dw.bQ.a"),
        steps=(Step(OrderStatus.CREATED, NOW, "member:m"), Step(OrderStatus.ADDRESS_DUE, NOW, "shop:s", "好")),
    ),
    "reward order that is done": RewardOrder("ro.bQ.a", "m", "code", "virtual", "K", NOW, OrderStatus.FULFILLED),
    "reward order that never was": abandoned("ro.bQ.a", "m", 0, NOW),
    "coupon": Coupon("cp.bQ.a", "m", "five", {"discount_minor": 500}, NOW, ("reward_order", "ro.x.y")),
    "coupon that was used": Coupon(
        "cp.bQ.a", "m", "five", {}, NOW, ("draw", "d"), LAST_DAY, CouponStatus.USED, ("shopify", "订单-1"), NOW
    ),
    "lottery": Lottery(
        "spring", {"cost": 50, "prizes": [{"id": "a"}]}, "ab" * 32, LAST_DAY, 30, "cd" * 32, "UTC", "a", NOW
    ),
    "lottery that is paused": Lottery("s", {}, "", LAST_DAY, 1, "", "Asia/Shanghai", "a", NOW, LotteryStatus.PAUSED),
    "draw": Draw(
        "dw.bQ.a",
        "m",
        "spring",
        NOW,
        LAST_DAY,
        3,
        "幸运",
        999_999_999,
        "cup",
        50,
        drawn="car",
        points=7,
        why=({"why": ["x"]},),
        pieces={"0": 1},
        stock="lottery:s:c",
    ),
    "draw that never was": Draw("dw.bQ.a", "m", "", NOW, LAST_DAY, 0, "", 0, "", 0, status=DrawStatus.ABANDONED),
    "auction": Auction("watch", {"title": "表"}, NOW, NOW + timedelta(days=1), "operator:a", NOW),
    "auction that was sold": Auction(
        "watch",
        {},
        NOW,
        NOW,
        "a",
        NOW,
        AuctionStatus.SOLD,
        Top("会员", "bd.x.y", 70, NOW),
        4,
        "ro.x.y",
    ),
    "bid": Bid("bd.bQ.a", "m", "watch", 7, NOW),
    "bid that was outbid": Bid("bd.bQ.a", "m", "watch", 7, NOW, BidStatus.OUTBID),
    "transfer": Transfer("tr.bQ.a", "m", "友#1", 6, NOW, _LOTS, _LOTS[:1], LAST_DAY, "生日快乐"),
    "transfer that was taken back": Transfer("tr.bQ.a", "m", "n", 6, NOW, (), (), status=TransferStatus.CANCELED),
    "points password": PointsPassword("m", "0a" * 16, "0b" * 32, NOW, 3, NOW + timedelta(minutes=30)),
    "points password that was taken away": PointsPassword("m", "", "", NOW),
}
