"""A change for every type of event, as examples: in the JSON Schemas, in the docs, and in the tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from jifen.domain import notice_samples
from jifen.domain.account import Account, Status
from jifen.domain.auctions import Auction, AuctionStatus, Bid, BidStatus, Top
from jifen.domain.batches import BatchStatus, ValidityBatch
from jifen.domain.campaigns import CampaignState, CampaignStatus
from jifen.domain.changes import Change, Reach, RefundAlone
from jifen.domain.coupons import Coupon, CouponStatus
from jifen.domain.endpoints import Endpoint, EndpointStatus
from jifen.domain.entries import Draft, Entry, Kind, Reason, Source
from jifen.domain.events import EventReceipt, EventStatus
from jifen.domain.failed_notices import FailedNotice
from jifen.domain.ids import document_id
from jifen.domain.lots import LotChange
from jifen.domain.lotteries import Draw, Lottery, LotteryStatus
from jifen.domain.notice_data import event_detail, webhook_data
from jifen.domain.notices import Notice, NoticeKind
from jifen.domain.outgoing import OutgoingEvent
from jifen.domain.passwords import PointsPassword
from jifen.domain.reward_orders import RewardOrder
from jifen.domain.rewards import OrderStatus, Reward, RewardStatus, Step
from jifen.domain.ruling import AuditLine, CampaignDraft, DraftStatus, ProgramInForce, RuleVersion
from jifen.domain.spending import Hold, HoldStatus, Receipt, Redemption
from jifen.domain.standing import Profile, Standing, TierState
from jifen.domain.sweeps import SweepControl
from jifen.domain.telling import events_of
from jifen.domain.transfers import Transfer, TransferStatus

NOW = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)
MEMBER, FRIEND = "c-1001", "c-1002"
LAST_DAY = date(2027, 11, 30)

_LOT = LotChange(100, LAST_DAY)
_RECEIPT = Receipt("f" * 32, {})


def _id(prefix: str, member: str = MEMBER) -> str:
    return str(document_id(prefix, member, "example"))


_HOLD_ID, _ORDER_ID, _BID_ID, _DRAW_ID = _id("hd"), _id("ro"), _id("bd"), _id("dw")

# Entries -------------------------------------------------------------------------------------------------------------


def _draft(kind: Kind, reason: Reason | str, source: tuple[str, str], *lots: LotChange, **more: Any) -> Draft:
    points = more.pop("points", sum(lot.points for lot in lots))
    return Draft(kind, str(reason), Source(*source), NOW, points=points, lots=lots, **more)


_OUT = LotChange(-100, LAST_DAY)
_ORDER = ("order", "536365")

_DRAFTS: Mapping[str, Draft] = {
    "points.earned": _draft(
        Kind.EARN,
        Reason.ORDER_PAID,
        _ORDER,
        _LOT,
        why=({"rule": "base", "points": 100, "kept_minor": 10_000, "expires_on": "2027-11-30"},),
    ),
    "points.bonus": _draft(Kind.BONUS, Reason.TASK_REACHED, ("task", "buyer"), _LOT),
    "points.redeemed": _draft(Kind.REDEEM, Reason.REDEMPTION, ("redemption", _id("rd")), _OUT),
    "points.restored": _draft(Kind.RESTORE, Reason.REDEMPTION_RESTORED, ("redemption", _id("rd")), _LOT),
    "points.clawed_back": _draft(Kind.CLAWBACK, Reason.ORDER_REFUNDED, _ORDER, _OUT),
    "points.expired": _draft(
        Kind.EXPIRE,
        Reason.LOT_EXPIRED,
        ("lot", "2026-10-31"),
        LotChange(-100, date(2026, 10, 31)),
        why=({"policy": "expiry", "last_valid_day": "2026-10-31"},),
    ),
    "points.adjusted": _draft(Kind.ADJUST, "GOODWILL", ("adjustment", "j-1"), _LOT, actor="operator:anna"),
    "points.penalized": _draft(Kind.PENALTY, "ABUSE", ("adjustment", "j-2"), _OUT, actor="operator:anna"),
    "points.transferred_out": _draft(Kind.TRANSFER_OUT, Reason.TRANSFER_SENT, ("transfer", _id("tr")), _OUT),
    "points.transferred_in": _draft(Kind.TRANSFER_IN, Reason.TRANSFER_RECEIVED, ("transfer", _id("tr", FRIEND)), _LOT),
    "points.merged_out": _draft(Kind.MERGE_OUT, "MERGED", ("account", FRIEND), _OUT),
    "points.merged_in": _draft(Kind.MERGE_IN, "MERGED", ("account", FRIEND), _LOT),
    "points.imported": _draft(Kind.IMPORT, "TAKEN_OVER", ("import", "2026-11"), _LOT),
    "points.held": _draft(
        Kind.HOLD,
        Reason.HOLD_AUTHORIZED,
        ("hold", _HOLD_ID),
        _OUT,
        points=0,
        hold_id=_HOLD_ID,
        hold_lots=(_LOT,),
        hold_expires_at=NOW + timedelta(minutes=15),
    ),
    "points.released": _draft(
        Kind.RELEASE,
        Reason.HOLD_VOIDED,
        ("hold", _HOLD_ID),
        _LOT,
        points=0,
        hold_id=_HOLD_ID,
        hold_lots=(_OUT,),
    ),
}


def _entry(draft: Draft) -> Change:
    entry = Entry(MEMBER, 17, draft, 1_250, NOW + timedelta(seconds=1), "ab" * 32, "cd" * 32)
    return Change("E", f"M#{MEMBER}/E#000000000017", 1, NOW, None, entry)


# Documents -----------------------------------------------------------------------------------------------------------

_ACCOUNT = Account(MEMBER, version=17, revision=40, standing=Standing(tier=TierState("silver", date(2026, 1, 5))))
_REACH = Reach(MEMBER, {"email": "a hash"}, "zh", refuses=("points.balance_reached",))
_PASSWORD = PointsPassword(MEMBER, "0a" * 16, "0b" * 32, NOW)
_REDEMPTION = Redemption(_id("rd"), MEMBER, NOW, (_LOT,), _RECEIPT, "536365")
_HELD = Hold(_HOLD_ID, MEMBER, NOW, 100, NOW + timedelta(minutes=15), _RECEIPT, order_id="536365")
_REWARD_ORDER = RewardOrder(
    _ORDER_ID,
    MEMBER,
    "tea-set",
    "physical",
    "Tea set",
    NOW,
    OrderStatus.CREATED,
    quantity=2,
    points=1_000,
    cash_minor=1_990,
    currency="CNY",
    due=NOW + timedelta(minutes=30),
    steps=(Step(OrderStatus.CREATED, NOW, f"member:{MEMBER}"),),
)
_COUPON = Coupon(
    _id("cp"),
    MEMBER,
    "five-off",
    {"kind": "amount", "discount_minor": 500},
    NOW,
    ("reward_order", _ORDER_ID),
    date(2026, 12, 26),
    currency="CNY",
)
_USED = replace(
    _COUPON, status=CouponStatus.USED, order=("standard", "536370"), used_at=NOW, discount_minor=500, version=1
)
_TRANSFER = Transfer(_id("tr"), MEMBER, FRIEND, 100, NOW, (_LOT,), (_LOT,), date(2026, 11, 29))
_DRAW = Draw(_DRAW_ID, MEMBER, "wheel", NOW, date(2026, 11, 26), 1, "", 4711, "", 50)
_BID = Bid(_BID_ID, MEMBER, "vase", 700, NOW)
_AUCTION = Auction(
    "vase", {"title": "Vase"}, NOW - timedelta(hours=1), NOW + timedelta(hours=1), "operator:anna", NOW, version=1
)
_BID_ON = replace(_AUCTION, top=Top(MEMBER, _BID_ID, 700, NOW), bids=4)
_REWARD = Reward("tea-set", {"title": "Tea set", "points": 500}, 1, "operator:anna", NOW, version=1)
_LOTTERY = Lottery(
    "wheel", {"title": "Wheel"}, "5e" * 32, date(2026, 12, 1), 31, "c0" * 32, "Asia/Shanghai", "operator:anna", NOW
)
_REVIEW = EventReceipt(
    MEMBER, "ev-77", "review.scored", NOW, "f" * 32, EventStatus.IN_REVIEW, {}, proposed={"quality": 200}
)
_CAMPAIGN = CampaignState("double-eleven", given=12_500, taken_back=300, awards=410, version=7)
_CAMPAIGN_DRAFT = CampaignDraft("double-eleven", "{}", "double_points", "", "operator:anna", NOW)
_BATCH = ValidityBatch("away.2026-11-26", "away", date(2026, 11, 26), "leave", 3, at=NOW)
_ENDPOINT = Endpoint("crm", "https://shop.example/jifen", ("points.*", "tier.changed"), created_at=NOW, version=1)
_SWEEP = SweepControl("expire", by="operator:anna", version=3)


def _row(row: str, key: str, before: Any, after: Any) -> Change:
    version = after.revision if isinstance(after, Account) else getattr(after, "version", 0) + 1
    return Change(row, key, version, NOW, before, after)


def _of_member(row: str, document: Any, before: Any = None) -> Change:
    tail = f"#{document.id.rsplit('.', 1)[-1]}" if hasattr(document, "id") else ""
    return _row(row, f"M#{MEMBER}/{row}{tail}", before, document)


def _account(**changed: Any) -> Change:
    return _row("A", f"M#{MEMBER}/A", _ACCOUNT, replace(_ACCOUNT, revision=41, **changed))


def _standing(**changed: Any) -> Standing:
    return replace(_ACCOUNT.standing, **changed)


def _ordered(status: OrderStatus) -> Change:
    after = replace(
        _REWARD_ORDER,
        status=status,
        due=None,
        steps=(*_REWARD_ORDER.steps, Step(status, NOW, "shop:shop-server")),
        restored=1_000 if status in {OrderStatus.CANCELED, OrderStatus.RETURNED} else 0,
        version=1,
    )
    return _of_member("RO", after, _REWARD_ORDER)


def _auctioned(**changed: Any) -> Change:
    return _row("AU", "AUCTIONS/AU#vase", _AUCTION, replace(_BID_ON, **changed))


def _status(row: str, key: str, before: Any, status: Any, **more: Any) -> Change:
    return _row(row, key, before, replace(before, status=status, version=before.version + 1, **more))


def _bid(status: BidStatus) -> Change:
    return _of_member("BD", replace(_BID, status=status, version=1), _BID)


_DONE = replace(_REWARD_ORDER, status=OrderStatus.FULFILLED, due=None, version=3)
_READDRESSED = replace(_REWARD_ORDER, status=OrderStatus.TO_SHIP, due=None, address={"name": "A"}, version=2)
_CAPTURED = replace(_HELD, status=HoldStatus.CAPTURED, spent=(_LOT,), version=1)
_LOCKED = replace(_PASSWORD, failures=5, locked_until=NOW + timedelta(minutes=30), version=6)
_LOTTERY_KEY, _AUCTION_KEY, _REWARD_KEY = "LOTTERIES/LT#wheel", "AUCTIONS/AU#vase", "REWARDS/RW#tea-set"
_CAMPAIGN_KEY, _DRAFT_KEY = "G#double-eleven/G", "CAMPAIGNS/D#double-eleven"
_ENDPOINT_KEY, _BATCH_KEY, _SWEEP_KEY = "ENDPOINTS/EP#crm", "BATCHES/VB#away.2026-11-26", "SWEEP#expire/SW"

SAMPLES: Mapping[str, Change] = {
    **{name: _entry(draft) for name, draft in _DRAFTS.items()},
    "hold.expired": _entry(replace(_DRAFTS["points.released"], reason=str(Reason.HOLD_LAPSED))),
    "account.opened": _row("A", f"M#{MEMBER}/A", None, Account(MEMBER, version=1, revision=1)),
    "account.status_changed": _account(status=Status.FROZEN),
    "account.profile_changed": _account(standing=_standing(profile=Profile("06-01", date(2026, 11, 26), "SH"))),
    "tier.changed": _account(standing=_standing(tier=TierState("gold", date(2026, 11, 26), date(2027, 11, 30)))),
    "contact.changed": _row("P", f"M#{MEMBER}/P", _REACH, replace(_REACH, channels={"email": "another", "sms": "x"})),
    "points_password.set": _of_member("PW", _PASSWORD),
    "points_password.removed": _of_member("PW", replace(_PASSWORD, salt="", digest="", version=6), _PASSWORD),
    "points_password.locked": _of_member("PW", _LOCKED, replace(_PASSWORD, failures=4, version=5)),
    "redemption.made": _of_member("R", _REDEMPTION),
    "redemption.restored": _of_member("R", replace(_REDEMPTION, restored=40, version=1), _REDEMPTION),
    "hold.authorized": _of_member("H", _HELD),
    "hold.captured": _of_member("H", _CAPTURED, _HELD),
    "hold.voided": _of_member("H", replace(_HELD, status=HoldStatus.VOIDED, version=1), _HELD),
    "hold.restored": _of_member("H", replace(_CAPTURED, restored=40, version=2), _CAPTURED),
    "reward_order.created": _of_member("RO", _REWARD_ORDER),
    **{
        f"reward_order.{status.lower()}": _ordered(status)
        for status in OrderStatus
        if status not in {OrderStatus.CREATED, OrderStatus.ABANDONED}
    },
    "reward_order.partly_returned": _of_member("RO", replace(_DONE, returned=1, restored=500, version=4), _DONE),
    "reward_order.address_changed": _of_member(
        "RO", replace(_READDRESSED, address={"name": "B", "street": "2 High Street"}, version=3), _READDRESSED
    ),
    "coupon.issued": _of_member("CP", _COUPON),
    "coupon.used": _of_member("CP", _USED, _COUPON),
    "coupon.released": _of_member("CP", replace(_COUPON, version=2), _USED),
    "coupon.voided": _of_member("CP", replace(_COUPON, status=CouponStatus.VOID, version=1), _COUPON),
    "transfer.sent": _of_member("TR", _TRANSFER),
    "transfer.canceled": _of_member(
        "TR",
        replace(_TRANSFER, status=TransferStatus.CANCELED, canceled_at=NOW + timedelta(days=1), version=1),
        _TRANSFER,
    ),
    "draw.won": _of_member("DW", replace(_DRAW, prize="cup", drawn="cup", order=_ORDER_ID)),
    "draw.lost": _of_member("DW", _DRAW),
    "draw.refunded": _of_member("DW", replace(_DRAW, cost=0, drawn="cup", refunded=True)),
    "bid.placed": _of_member("BD", _BID),
    "bid.outbid": _bid(BidStatus.OUTBID),
    "bid.raised": _bid(BidStatus.RAISED),
    "bid.won": _bid(BidStatus.WON),
    "bid.released": _bid(BidStatus.RELEASED),
    "auction.created": _row("AU", _AUCTION_KEY, None, replace(_AUCTION, version=0)),
    "auction.changed": _row("AU", _AUCTION_KEY, _AUCTION, replace(_AUCTION, content={"title": "Blue vase"})),
    "auction.extended": _auctioned(closes_at=NOW + timedelta(hours=1, minutes=1)),
    "auction.sold": _auctioned(status=AuctionStatus.SOLD, order=_ORDER_ID),
    "auction.unsold": _status("AU", _AUCTION_KEY, _AUCTION, AuctionStatus.UNSOLD),
    "auction.canceled": _status("AU", _AUCTION_KEY, _AUCTION, AuctionStatus.CANCELED),
    "reward.created": _row("RW", _REWARD_KEY, None, replace(_REWARD, version=0)),
    "reward.changed": _row("RW", _REWARD_KEY, _REWARD, replace(_REWARD, content={"title": "Tea set", "points": 450})),
    "reward.on_shelf": _status(
        "RW", _REWARD_KEY, replace(_REWARD, status=RewardStatus.OFF_SHELF), RewardStatus.ON_SHELF
    ),
    "reward.off_shelf": _status("RW", _REWARD_KEY, _REWARD, RewardStatus.OFF_SHELF),
    "lottery.created": _row("LT", _LOTTERY_KEY, None, _LOTTERY),
    "lottery.changed": _row("LT", _LOTTERY_KEY, _LOTTERY, replace(_LOTTERY, content={"title": "Big wheel"}, version=1)),
    "lottery.paused": _status("LT", _LOTTERY_KEY, _LOTTERY, LotteryStatus.PAUSED),
    "lottery.resumed": _status(
        "LT", _LOTTERY_KEY, replace(_LOTTERY, status=LotteryStatus.PAUSED, version=1), LotteryStatus.OPEN
    ),
    "lottery.canceled": _status("LT", _LOTTERY_KEY, _LOTTERY, LotteryStatus.CANCELED),
    "review.waiting": _row("K", f"M#{MEMBER}/K#aBcDeFgHiJkLmNoPqRsTuV", None, _REVIEW),
    "review.decided": _status(
        "K",
        f"M#{MEMBER}/K#aBcDeFgHiJkLmNoPqRsTuV",
        _REVIEW,
        EventStatus.AWARDED,
        points=200,
        decided_by="operator:anna",
    ),
    "campaign.drafted": _row("D", _DRAFT_KEY, None, _CAMPAIGN_DRAFT),
    "campaign.scheduled": _status("D", _DRAFT_KEY, _CAMPAIGN_DRAFT, DraftStatus.SCHEDULED, number=3),
    "campaign.withdrawn": _status("D", _DRAFT_KEY, _CAMPAIGN_DRAFT, DraftStatus.CANCELED),
    "campaign.paused": _status("G", _CAMPAIGN_KEY, _CAMPAIGN, CampaignStatus.PAUSED),
    "campaign.resumed": _status(
        "G", _CAMPAIGN_KEY, replace(_CAMPAIGN, status=CampaignStatus.PAUSED), CampaignStatus.ACTIVE
    ),
    "campaign.ended": _status("G", _CAMPAIGN_KEY, _CAMPAIGN, CampaignStatus.ENDED),
    "campaign.canceled": _status("G", _CAMPAIGN_KEY, _CAMPAIGN, CampaignStatus.CANCELED),
    "program.drafted": _row("V", "RULES/V#000003", None, RuleVersion(3, "ab" * 16, "{}", "", "operator:anna", NOW, 2)),
    "program.published": _row(
        "F", "PROGRAM/F", ProgramInForce(2, 2), ProgramInForce(3, 3, 2, "ab" * 16, "{}", NOW, version=2)
    ),
    "audit.recorded": _row(
        "L",
        "AUDIT#2026-11/L#2026-11-26T09:30:00.000000Z#a-1",
        None,
        AuditLine("a-1", NOW, "operator:anna", "ruleset.published", "ruleset/3", "double points in November"),
    ),
    "validity.applied": _row("VB", _BATCH_KEY, None, _BATCH),
    "validity.reversing": _status("VB", _BATCH_KEY, _BATCH, BatchStatus.REVERSING, by="operator:anna"),
    "validity.reversed": _status(
        "VB",
        _BATCH_KEY,
        replace(_BATCH, status=BatchStatus.REVERSING, by="operator:anna", version=1),
        BatchStatus.REVERSED,
    ),
    "endpoint.created": _row("EP", _ENDPOINT_KEY, None, replace(_ENDPOINT, version=0)),
    "endpoint.changed": _row("EP", _ENDPOINT_KEY, _ENDPOINT, replace(_ENDPOINT, types=("points.*",))),
    "endpoint.disabled": _status(
        "EP", _ENDPOINT_KEY, _ENDPOINT, EndpointStatus.DISABLED, failures=40, disabled_why="failing for 5 days"
    ),
    "endpoint.enabled": _status(
        "EP", _ENDPOINT_KEY, replace(_ENDPOINT, status=EndpointStatus.DISABLED), EndpointStatus.ACTIVE
    ),
    "endpoint.deleted": _status("EP", _ENDPOINT_KEY, _ENDPOINT, EndpointStatus.DELETED),
    "sweep.paused": _row("SW", _SWEEP_KEY, _SWEEP, replace(_SWEEP, paused=True)),
    "sweep.paced": _row("SW", _SWEEP_KEY, _SWEEP, replace(_SWEEP, accounts_per_second=500)),
    "sweep.resumed": _row("SW", _SWEEP_KEY, replace(_SWEEP, paused=True), _SWEEP),
    "notice.failed": _row(
        "FN",
        "FAILED#2026-11/FN#2026-11-26T09:30:00.000000Z#n#sms",
        None,
        FailedNotice("2026-11", NOW, "5f" * 16, MEMBER, "sms", "", ("points.expiring",), 6),
    ),
    "refund.unmatched": _row("U", "U#standard#rf-9/U", None, RefundAlone("standard", "rf-9", MEMBER, NOW)),
}
"""For each type, a change that gives it."""


def _notice(kind: NoticeKind) -> Notice:
    return Notice("5f" * 16, kind, MEMBER, notice_samples.sample(kind, NOW.date(), "CNY"))


NOTICES: Mapping[str, Mapping[str, Any]] = {
    **{str(kind): event_detail(_notice(kind), notice_samples.AVAILABLE) for kind in NoticeKind},
    "reward.in_stock": {"notice_id": "5f" * 16, "member_id": MEMBER, "reward_id": "tea-set", "title": "Tea set"},
}
"""Notices on the bus, which have a form of their own: the detail of each."""

MESSAGE = OutgoingEvent(
    "6d" * 16,
    "notice",
    NOW,
    MEMBER,
    webhook_data(
        "6d" * 16,
        MEMBER,
        [_notice(NoticeKind.POINTS_EXPIRING)],
        notice_samples.AVAILABLE,
        NOW.date(),
        "zh",
        trial=False,
    ),
)
"""All that a member is told at once, as the shop's endpoints get it."""


def sample(name: str) -> OutgoingEvent:
    """The example of a type."""
    return next(event for event in events_of(SAMPLES[name]) if event.type == name)
