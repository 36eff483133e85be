"""What is told of a change: one row for each type of event, and no other place that knows one.

    Change ──the rows of its kind──> those whose ``when`` holds ──> OutgoingEvent

A change that nobody outside needs to know of has no event: a row that was written again, a counter that moved. Rows
that are never told at all are named in :data:`SILENT`, each with its reason; so every kind of row stands in one of the
two.

The id of an event is made of the row's keys, its version and the type, and of nothing else: the same change has the
same ids however often, in whatever company and by whom it is told.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any

from jifen.domain import lots as lot_book
from jifen.domain import outgoing_views as views
from jifen.domain.account import Account
from jifen.domain.auctions import Auction, AuctionStatus, Bid, BidStatus
from jifen.domain.batches import BatchStatus, ValidityBatch
from jifen.domain.campaigns import CampaignState, CampaignStatus
from jifen.domain.changes import Change, Reach, RefundAlone
from jifen.domain.coupons import Coupon, CouponStatus
from jifen.domain.endpoints import LAST, Endpoint, EndpointStatus
from jifen.domain.entries import Entry, Kind, Reason, day_text, instant_text
from jifen.domain.events import EventReceipt, EventStatus
from jifen.domain.failed_notices import FailedNotice
from jifen.domain.lotteries import Draw, DrawStatus, Lottery, LotteryStatus
from jifen.domain.outgoing import OutgoingEvent
from jifen.domain.passwords import PointsPassword, is_set
from jifen.domain.reward_orders import RewardOrder
from jifen.domain.rewards import OrderStatus, Reward, RewardStatus
from jifen.domain.ruling import AuditLine, CampaignDraft, DraftStatus, ProgramInForce, RuleVersion
from jifen.domain.spending import Hold, HoldStatus, Redemption
from jifen.domain.standing import NOTHING_KNOWN, Profile
from jifen.domain.sweeps import SweepControl
from jifen.domain.transfers import Transfer, TransferStatus

WHY_BYTES_MAX = 64_000
"""Lines of an entry's ``why`` beyond this are left out, so that every event fits wherever it goes."""

When = Callable[[Any, Any], bool]
Data = Callable[[Any, Any], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Type:
    """One type of event.

    Attributes:
        name: as receivers know it.
        row: the kind of row whose changes give it (see :class:`Change`).
        view: the shape of its data.
        when: whether a change gives it, by the value before (None: there was none) and after.
        data: the data, of the same two.
        says: what has happened, in a few words.
    """

    name: str
    row: str
    view: type
    when: When
    data: Data
    says: str


# When ----------------------------------------------------------------------------------------------------------------


def _is(kind: Kind) -> When:
    return lambda _before, after: after.draft.kind is kind


def _became(*statuses: StrEnum) -> When:
    """It is in one of these now, and was not before."""
    return lambda before, after: after.status in statuses and (before is None or before.status is not after.status)


def _went_back_to(status: StrEnum) -> When:
    """As before, where there was something before."""
    return lambda before, after: before is not None and before.status is not status and after.status is status


def _new(before: Any, _after: Any) -> bool:
    return before is None


def _differs(*names: str) -> When:
    """It was there before, and one of these is another one now."""
    return lambda before, after: (
        before is not None and any(getattr(before, name) != getattr(after, name) for name in names)
    )


def _more(name: str) -> When:
    return lambda before, after: before is not None and getattr(after, name) > getattr(before, name)


# Entries -------------------------------------------------------------------------------------------------------------


def _entry(_before: None, entry: Entry) -> views.EntryTold:
    draft = entry.draft
    why, left_out = _within([dict(line) for line in draft.why], WHY_BYTES_MAX)
    told: views.EntryTold = {
        "sequence": entry.sequence,
        "kind": str(draft.kind),
        "reason": str(draft.reason),
        "points": draft.points,
        "balance_after": entry.balance_after,
        "source": {"type": draft.source.type, "id": draft.source.id},
        "actor": draft.actor,
        "lots": [
            {
                "points": lot.points,
                "expires_on": day_text(lot.expires_on),
                "active_from": day_text(lot.active_from),
            }
            for lot in draft.lots
        ],
        "hold_id": draft.hold_id,
        "held": lot_book.total(draft.hold_lots),
        "debt": draft.debt,
        "why": why,
        "occurred_at": instant_text(draft.occurred_at),
        "recorded_at": instant_text(entry.recorded_at),
        "previous_hash": entry.previous_hash,
        "hash": entry.hash,
    }
    if left_out:
        told["why_left_out"] = left_out
    return told


def _within(lines: list[dict[str, object]], most: int) -> tuple[list[dict[str, object]], int]:
    """The first lines that fit into so many bytes of JSON, and how many do not."""
    kept, room = list[dict[str, object]](), most
    for line in lines:
        room -= len(json.dumps(line, ensure_ascii=False).encode())
        if room < 0:
            break
        kept.append(line)
    return kept, len(lines) - len(kept)


def _lapsed(_before: None, entry: Entry) -> bool:
    return entry.draft.kind is Kind.RELEASE and entry.draft.reason == Reason.HOLD_LAPSED


def _hold_lapsed(_before: None, entry: Entry) -> views.HoldLapsed:
    return {
        "hold_id": entry.draft.hold_id or "",
        "status": str(HoldStatus.EXPIRED),
        "points": -lot_book.total(entry.draft.hold_lots),
        "sequence": entry.sequence,
        "expired_at": instant_text(entry.draft.occurred_at),
    }


# Accounts ------------------------------------------------------------------------------------------------------------


def _account(before: Account | None, after: Account) -> views.AccountTold:
    return {
        "status": str(after.status),
        "status_before": str(before.status) if before else None,
        "version": after.version,
        "revision": after.revision,
    }


def _level(account: Account | None) -> str | None:
    return account.standing.tier.level if account and account.standing.tier else None


def _tier_changed(before: Account | None, after: Account) -> bool:
    return _level(before) != _level(after)


def _tier(before: Account | None, after: Account) -> views.TierTold:
    tier = after.standing.tier
    return {
        "level": _level(after),
        "level_before": _level(before),
        "since": day_text(tier.since) if tier else None,
        "until": day_text(tier.until) if tier else None,
    }


def _profile_changes(before: Account | None, after: Account) -> list[str]:
    old, new = (one.standing.profile if one else Profile() for one in (before, after))
    changed = [name for name in ("birthday", "region", "tags") if getattr(old, name) != getattr(new, name)]
    stood = before.standing if before else NOTHING_KNOWN
    return changed + [name for name in ("inviter", "goal") if getattr(stood, name) != getattr(after.standing, name)]


def _profile_changed(before: Account | None, after: Account) -> bool:
    return bool(_profile_changes(before, after))


def _profile(before: Account | None, after: Account) -> views.ProfileTold:
    return {"changed": _profile_changes(before, after)}


def _contact_changes(before: Reach | None, after: Reach) -> list[str]:
    old = before or Reach(after.member)
    names = sorted({*old.channels, *after.channels})
    channels = [name for name in names if old.channels.get(name) != after.channels.get(name)]
    rest = [name for name in ("language", "time_zone", "refuses") if getattr(old, name) != getattr(after, name)]
    return [*channels, *rest]


def _contact_changed(before: Reach | None, after: Reach) -> bool:
    return before is None or bool(_contact_changes(before, after))


def _contact(before: Reach | None, after: Reach) -> views.ContactTold:
    return {
        "channels": sorted(after.channels),
        "changed": _contact_changes(before, after),
        "language": after.language,
        "refuses": list(after.refuses),
    }


def _password_set(before: PointsPassword | None, after: PointsPassword) -> bool:
    return is_set(after) and (before is None or (before.digest, before.salt) != (after.digest, after.salt))


def _password_removed(before: PointsPassword | None, after: PointsPassword) -> bool:
    return is_set(before) and not is_set(after)


def _password_locked(before: PointsPassword | None, after: PointsPassword) -> bool:
    return after.locked_until is not None and (before is None or before.locked_until != after.locked_until)


def _password(_before: PointsPassword | None, after: PointsPassword) -> views.PasswordTold:
    return {"changed_at": instant_text(after.changed_at), "locked_until": _instant(after.locked_until)}


# Spending ------------------------------------------------------------------------------------------------------------


def _redemption(_before: Redemption | None, after: Redemption) -> views.RedemptionTold:
    return {
        "redemption_id": after.id,
        "points": lot_book.total(after.spent),
        "restored": after.restored,
        "order": _order_named(after.shop, after.order_id),
    }


def _hold(_before: Hold | None, after: Hold) -> views.HoldTold:
    return {
        "hold_id": after.id,
        "status": str(after.status),
        "points": after.points,
        "captured": lot_book.total(after.spent),
        "restored": after.restored,
        "expires_at": instant_text(after.expires_at),
        "order": _order_named(after.shop, after.order_id),
    }


def _order_named(shop: str, order_id: str | None) -> views.OrderNamed | None:
    return {"source": shop, "order_id": order_id} if order_id is not None else None


# The mall ------------------------------------------------------------------------------------------------------------


def _reward_order(before: RewardOrder | None, after: RewardOrder) -> views.RewardOrderTold:
    cash = after.cash_minor and after.currency
    return {
        "order_id": after.id,
        "reward_id": after.reward,
        "kind": str(after.kind),
        "title": after.title,
        "status": str(after.status),
        "status_before": str(before.status) if before else None,
        "quantity": after.quantity,
        "returned": after.returned,
        "points": after.points,
        "restored": after.restored,
        "cash": {"amount_minor": after.cash_minor, "currency": after.currency or ""} if cash else None,
        "due_at": _instant(after.due),
        "source": {"type": after.source[0], "id": after.source[1]} if after.source else None,
        "by": after.steps[-1].by if after.steps else "system",
    }


def _partly_returned(before: RewardOrder | None, after: RewardOrder) -> bool:
    """Some of it was taken back, or paid back, and it stays what it is."""
    if before is None or before.status is not after.status:
        return False
    return (after.returned, after.restored) > (before.returned, before.restored)


def _readdressed(before: RewardOrder | None, after: RewardOrder) -> bool:
    """It has another address than before, and stays what it is; the first one is a step of its own."""
    if before is None or before.status is not after.status:
        return False
    return bool(before.address and after.address) and before.address != after.address


def _coupon(_before: Coupon | None, after: Coupon) -> views.CouponTold:
    off = after.order and after.currency
    return {
        "coupon_id": after.id,
        "reward_id": after.reward,
        "status": str(after.status),
        "expires_on": day_text(after.expires_on),
        "source": {"type": after.source[0], "id": after.source[1]},
        "order": _order_named(*after.order) if after.order else None,
        "discount": {"amount_minor": after.discount_minor, "currency": after.currency or ""} if off else None,
    }


def _transfer(_before: Transfer | None, after: Transfer) -> views.TransferTold:
    return {
        "transfer_id": after.id,
        "to": after.to,
        "points": after.points,
        "status": str(after.status),
        "active_from": day_text(after.active_from),
        "sent_at": instant_text(after.at),
        "canceled_at": _instant(after.canceled_at),
    }


def _drawn(outcome: str) -> When:
    def when(before: Draw | None, after: Draw) -> bool:
        if after.status is not DrawStatus.DRAWN or (before and before.status is DrawStatus.DRAWN):
            return False
        return outcome == ("refunded" if after.refunded else "won" if after.prize else "lost")

    return when


def _draw(_before: Draw | None, after: Draw) -> views.DrawTold:
    return {
        "draw_id": after.id,
        "lottery_id": after.lottery,
        "day": after.day.isoformat(),
        "attempt": after.attempt,
        "cost": after.cost,
        "prize": after.prize or None,
        "points_won": after.points,
        "coupon_id": after.coupon or None,
        "order_id": after.order or None,
        "drawn_at": instant_text(after.at),
    }


def _bid(_before: Bid | None, after: Bid) -> views.BidTold:
    return {
        "bid_id": after.id,
        "auction_id": after.auction,
        "points": after.points,
        "status": str(after.status),
        "placed_at": instant_text(after.at),
    }


def _put_off(before: Auction | None, after: Auction) -> bool:
    """A late bid moved its end; it is not one that was written anew."""
    if before is None or before.content != after.content:
        return False
    return after.status is AuctionStatus.OPEN and after.closes_at != before.closes_at


def _auction(_before: Auction | None, after: Auction) -> views.AuctionTold:
    return {
        "auction_id": after.id,
        "title": _title(after.content),
        "status": str(after.status),
        "opens_at": instant_text(after.opens_at),
        "closes_at": instant_text(after.closes_at),
        "bids": after.bids,
        "winner": after.top.member if after.top and after.status is AuctionStatus.SOLD else None,
        "points": after.top.points if after.top else None,
        "order_id": after.order or None,
    }


def _reward(_before: Reward | None, after: Reward) -> views.RewardTold:
    return {"reward_id": after.id, "title": _title(after.content), "status": str(after.status), "by": after.by}


def _lottery(_before: Lottery | None, after: Lottery) -> views.LotteryTold:
    return {
        "lottery_id": after.id,
        "title": _title(after.content),
        "status": str(after.status),
        "first_day": after.first_day.isoformat(),
        "days": after.days,
        "commitment": after.commitment,
        "by": after.by,
    }


def _title(content: Mapping[str, Any]) -> str:
    return str(content.get("title", ""))


# Operating -----------------------------------------------------------------------------------------------------------


def _waits(before: EventReceipt | None, after: EventReceipt) -> bool:
    return after.status is EventStatus.IN_REVIEW and (before is None or before.status is not EventStatus.IN_REVIEW)


def _decided(before: EventReceipt | None, after: EventReceipt) -> bool:
    return bool(before and before.status is EventStatus.IN_REVIEW and after.status is not EventStatus.IN_REVIEW)


def _review(_before: EventReceipt | None, after: EventReceipt) -> views.ReviewTold:
    return {
        "event_id": after.event_id,
        "event_type": after.type,
        "status": str(after.status),
        "proposed": dict(after.proposed),
        "points": after.points,
        "decided_by": after.decided_by or None,
        "occurred_at": instant_text(after.at),
    }


def _campaign(_before: CampaignState | None, after: CampaignState) -> views.CampaignTold:
    return {
        "campaign_id": after.id,
        "status": str(after.status),
        "given": after.given,
        "taken_back": after.taken_back,
        "awards": after.awards,
    }


def _drafted(before: CampaignDraft | None, after: CampaignDraft) -> bool:
    """It was written, or written anew."""
    return after.status is DraftStatus.DRAFT and (before is None or before.campaign != after.campaign)


def _campaign_draft(_before: CampaignDraft | None, after: CampaignDraft) -> views.CampaignDraftTold:
    return {
        "campaign_id": after.id,
        "status": str(after.status),
        "template": after.template or None,
        "program_version": after.number or None,
        "by": after.by,
    }


def _program_draft(_before: RuleVersion | None, after: RuleVersion) -> views.ProgramDraftTold:
    return {"number": after.number, "based_on": after.based_on, "fingerprint": after.fingerprint, "by": after.by}


def _published(before: ProgramInForce | None, after: ProgramInForce) -> bool:
    """Another version counts now, or the same one anew; that a number was handed out is nothing to tell."""
    known = before or ProgramInForce()
    return (known.number, known.since) != (after.number, after.since)


def _program(_before: ProgramInForce | None, after: ProgramInForce) -> views.ProgramTold:
    return {
        "number": after.number,
        "previous": after.previous,
        "fingerprint": after.fingerprint,
        "since": _instant(after.since),
    }


def _audit(_before: None, after: AuditLine) -> views.AuditTold:
    return {
        "audit_id": after.id,
        "action": after.action,
        "target": after.target,
        "reason": after.reason,
        "actor": after.actor,
        "acted_at": instant_text(after.at),
    }


def _validity(_before: ValidityBatch | None, after: ValidityBatch) -> views.ValidityTold:
    return {
        "batch_id": after.id,
        "policy": after.policy,
        "day": after.day.isoformat(),
        "effect": after.effect,
        "status": str(after.status),
        "program_version": after.rules_version,
        "by": after.by or None,
    }


def _there(endpoint: Endpoint | None) -> bool:
    return endpoint is not None and endpoint.status is not EndpointStatus.DELETED


def _endpoint_made(before: Endpoint | None, after: Endpoint) -> bool:
    """It is there now; one that had its id and was deleted is another one."""
    return not _there(before) and _there(after)


def _endpoint_changed(before: Endpoint | None, after: Endpoint) -> bool:
    if not (_there(before) and _there(after)):
        return False
    return any(getattr(before, name) != getattr(after, name) for name in ("url", "types", "secrets", "description"))


def _endpoint_enabled(before: Endpoint | None, after: Endpoint) -> bool:
    was_disabled = before is not None and before.status is EndpointStatus.DISABLED
    return was_disabled and after.status is EndpointStatus.ACTIVE


def _endpoint(_before: Endpoint | None, after: Endpoint) -> views.EndpointTold:
    return {
        "endpoint_id": after.id,
        "status": str(after.status),
        "types": list(after.types),
        # Not what the endpoint answered: that may name anybody, and is told to all the others.
        "why": after.disabled_why.partition(LAST)[0] or None,
        "failures": after.failures,
    }


def _paused(*, paused: bool) -> When:
    return lambda before, after: after.paused is paused and (before.paused if before else False) is not paused


def _paced(before: SweepControl | None, after: SweepControl) -> bool:
    return (before.accounts_per_second if before else None) != after.accounts_per_second


def _sweep(_before: SweepControl | None, after: SweepControl) -> views.SweepTold:
    pace = after.accounts_per_second
    return {"sweep": after.sweep, "paused": after.paused, "accounts_per_second": pace, "by": after.by or None}


def _failed_notice(_before: None, after: FailedNotice) -> views.NoticeFailedTold:
    return {
        "notice_id": after.notice_id,
        "channel": after.channel,
        "kinds": list(after.kinds),
        "tries": after.tries,
        "failed_at": instant_text(after.at),
    }


def _refund(_before: None, after: RefundAlone) -> views.RefundTold:
    return {"source": after.shop, "refund_id": after.refund_id, "occurred_at": instant_text(after.at)}


def _instant(at: datetime | None) -> str | None:
    return instant_text(at) if at else None


# The table -----------------------------------------------------------------------------------------------------------


def _points(name: str, kind: Kind, says: str) -> Type:
    return Type(f"points.{name}", "E", views.EntryTold, _is(kind), _entry, says)


def _ordered(status: OrderStatus, says: str) -> Type:
    name = f"reward_order.{status.lower()}"
    return Type(name, "RO", views.RewardOrderTold, _became(status), _reward_order, says)


TYPES: Sequence[Type] = (
    _points("earned", Kind.EARN, "Points were earned by an order or an event."),
    _points("bonus", Kind.BONUS, "Points were given on top: a task, an invitation, a gift."),
    _points("redeemed", Kind.REDEEM, "Points were spent."),
    _points("restored", Kind.RESTORE, "Points that were spent went back."),
    _points("clawed_back", Kind.CLAWBACK, "Points of an order that was given back were taken back."),
    _points("expired", Kind.EXPIRE, "Points came to the end of their validity, or were voided by a policy."),
    _points("adjusted", Kind.ADJUST, "An operator or a policy changed points or their dates."),
    _points("penalized", Kind.PENALTY, "Points were taken away as a penalty."),
    _points("transferred_out", Kind.TRANSFER_OUT, "Points were given to another member, or taken back from one."),
    _points("transferred_in", Kind.TRANSFER_IN, "Points came from another member, or came back from one."),
    _points("merged_out", Kind.MERGE_OUT, "Points moved into the account that this one was merged into."),
    _points("merged_in", Kind.MERGE_IN, "Points came from an account that was merged into this one."),
    _points("imported", Kind.IMPORT, "Points were taken over from another system."),
    _points("held", Kind.HOLD, "Points were reserved; the balance is the same."),
    _points("released", Kind.RELEASE, "Reserved points went back to where they came from; the balance is the same."),
    Type("hold.expired", "E", views.HoldLapsed, _lapsed, _hold_lapsed, "A hold's time was over."),
    Type("account.opened", "A", views.AccountTold, _new, _account, "A member was seen for the first time."),
    Type(
        "account.status_changed",
        "A",
        views.AccountTold,
        _differs("status"),
        _account,
        "An account was frozen, unfrozen, closed, merged or erased.",
    ),
    Type(
        "account.profile_changed",
        "A",
        views.ProfileTold,
        _profile_changed,
        _profile,
        "The shop says other things of a member, or the member saves for another reward.",
    ),
    Type("tier.changed", "A", views.TierTold, _tier_changed, _tier, "A member has another level."),
    Type("contact.changed", "P", views.ContactTold, _contact_changed, _contact, "A member is reached in other ways."),
    Type(
        "points_password.set",
        "PW",
        views.PasswordTold,
        _password_set,
        _password,
        "A member has a new points password.",
    ),
    Type(
        "points_password.removed",
        "PW",
        views.PasswordTold,
        _password_removed,
        _password,
        "A member has no points password any more.",
    ),
    Type(
        "points_password.locked",
        "PW",
        views.PasswordTold,
        _password_locked,
        _password,
        "A points password is locked: it was guessed at.",
    ),
    Type("redemption.made", "R", views.RedemptionTold, _new, _redemption, "Points were spent at once."),
    Type(
        "redemption.restored",
        "R",
        views.RedemptionTold,
        _more("restored"),
        _redemption,
        "Points of a redemption went back.",
    ),
    Type("hold.authorized", "H", views.HoldTold, _new, _hold, "Points were reserved."),
    Type("hold.captured", "H", views.HoldTold, _became(HoldStatus.CAPTURED), _hold, "A hold was spent."),
    Type("hold.voided", "H", views.HoldTold, _became(HoldStatus.VOIDED), _hold, "A hold was given back."),
    Type("hold.restored", "H", views.HoldTold, _more("restored"), _hold, "Points of a captured hold went back."),
    _ordered(OrderStatus.CREATED, "A reward was ordered, and money is due besides the points."),
    _ordered(OrderStatus.ADDRESS_DUE, "A reward order waits for an address."),
    _ordered(OrderStatus.TO_SHIP, "A reward order can be sent, or done."),
    _ordered(OrderStatus.SHIPPED, "A reward order is on its way."),
    _ordered(OrderStatus.FULFILLED, "A reward order is done."),
    _ordered(OrderStatus.FORFEITED, "No address came in time: a reward order is lost, and its points with it."),
    _ordered(OrderStatus.CANCELED, "A reward order was called off; its points went back."),
    _ordered(OrderStatus.RETURNED, "A reward came back; its points did as well."),
    Type(
        "reward_order.partly_returned",
        "RO",
        views.RewardOrderTold,
        _partly_returned,
        _reward_order,
        "Some pieces of a reward order came back.",
    ),
    Type(
        "reward_order.address_changed",
        "RO",
        views.RewardOrderTold,
        _readdressed,
        _reward_order,
        "A reward order goes to another address: ask for it again before it is sent.",
    ),
    Type("coupon.issued", "CP", views.CouponTold, _new, _coupon, "A member has a new coupon."),
    Type("coupon.used", "CP", views.CouponTold, _became(CouponStatus.USED), _coupon, "A coupon was used on an order."),
    Type(
        "coupon.released",
        "CP",
        views.CouponTold,
        _went_back_to(CouponStatus.ISSUED),
        _coupon,
        "The order came to nothing, and the coupon can be used again.",
    ),
    Type("coupon.voided", "CP", views.CouponTold, _became(CouponStatus.VOID), _coupon, "A coupon was taken back."),
    Type("transfer.sent", "TR", views.TransferTold, _new, _transfer, "A member gave points to another one."),
    Type(
        "transfer.canceled",
        "TR",
        views.TransferTold,
        _became(TransferStatus.CANCELED),
        _transfer,
        "The sender took a transfer back.",
    ),
    Type("draw.won", "DW", views.DrawTold, _drawn("won"), _draw, "A draw of a lottery has won something."),
    Type("draw.lost", "DW", views.DrawTold, _drawn("lost"), _draw, "A draw of a lottery has won nothing."),
    Type(
        "draw.refunded",
        "DW",
        views.DrawTold,
        _drawn("refunded"),
        _draw,
        "The prize of a draw was gone: it cost nothing.",
    ),
    Type("bid.placed", "BD", views.BidTold, _became(BidStatus.TOP), _bid, "A bid is the highest; its points are held."),
    Type("bid.outbid", "BD", views.BidTold, _became(BidStatus.OUTBID), _bid, "A bid was outbid; its points went back."),
    Type("bid.raised", "BD", views.BidTold, _became(BidStatus.RAISED), _bid, "A bid was raised by the same member."),
    Type("bid.won", "BD", views.BidTold, _became(BidStatus.WON), _bid, "A bid has won its auction."),
    Type(
        "bid.released",
        "BD",
        views.BidTold,
        _became(BidStatus.RELEASED),
        _bid,
        "A bid was given back: the auction came to nothing.",
    ),
    Type("auction.created", "AU", views.AuctionTold, _new, _auction, "An auction was written."),
    Type("auction.changed", "AU", views.AuctionTold, _differs("content"), _auction, "An auction was written anew."),
    Type("auction.extended", "AU", views.AuctionTold, _put_off, _auction, "A late bid has put off the end."),
    Type("auction.sold", "AU", views.AuctionTold, _became(AuctionStatus.SOLD), _auction, "An auction has a winner."),
    Type(
        "auction.unsold",
        "AU",
        views.AuctionTold,
        _became(AuctionStatus.UNSOLD),
        _auction,
        "An auction is over without a winner.",
    ),
    Type(
        "auction.canceled",
        "AU",
        views.AuctionTold,
        _became(AuctionStatus.CANCELED),
        _auction,
        "An auction was called off.",
    ),
    Type("reward.created", "RW", views.RewardTold, _new, _reward, "A reward was written."),
    Type("reward.changed", "RW", views.RewardTold, _differs("content"), _reward, "A reward was written anew."),
    Type(
        "reward.on_shelf",
        "RW",
        views.RewardTold,
        _went_back_to(RewardStatus.ON_SHELF),
        _reward,
        "Members see a reward again.",
    ),
    Type(
        "reward.off_shelf",
        "RW",
        views.RewardTold,
        _went_back_to(RewardStatus.OFF_SHELF),
        _reward,
        "Members see a reward no more.",
    ),
    Type("lottery.created", "LT", views.LotteryTold, _new, _lottery, "A lottery was written."),
    Type(
        "lottery.changed",
        "LT",
        views.LotteryTold,
        _differs("content", "first_day", "days"),
        _lottery,
        "A lottery was written anew, before it began.",
    ),
    Type(
        "lottery.paused",
        "LT",
        views.LotteryTold,
        _became(LotteryStatus.PAUSED),
        _lottery,
        "A lottery is paused: nobody can draw.",
    ),
    Type("lottery.resumed", "LT", views.LotteryTold, _went_back_to(LotteryStatus.OPEN), _lottery, "A lottery goes on."),
    Type(
        "lottery.canceled",
        "LT",
        views.LotteryTold,
        _became(LotteryStatus.CANCELED),
        _lottery,
        "A lottery was called off.",
    ),
    Type("review.waiting", "K", views.ReviewTold, _waits, _review, "Points for an event wait for an operator."),
    Type(
        "review.decided",
        "K",
        views.ReviewTold,
        _decided,
        _review,
        "An operator has decided about points that waited.",
    ),
    Type("campaign.drafted", "D", views.CampaignDraftTold, _drafted, _campaign_draft, "A campaign was written."),
    Type(
        "campaign.scheduled",
        "D",
        views.CampaignDraftTold,
        _became(DraftStatus.SCHEDULED),
        _campaign_draft,
        "A campaign became a part of the program.",
    ),
    Type(
        "campaign.withdrawn",
        "D",
        views.CampaignDraftTold,
        _became(DraftStatus.CANCELED),
        _campaign_draft,
        "A campaign was given up before it became one.",
    ),
    Type(
        "campaign.paused",
        "G",
        views.CampaignTold,
        _became(CampaignStatus.PAUSED),
        _campaign,
        "A campaign gives no points for now.",
    ),
    Type(
        "campaign.resumed",
        "G",
        views.CampaignTold,
        _went_back_to(CampaignStatus.ACTIVE),
        _campaign,
        "A campaign gives points again.",
    ),
    Type(
        "campaign.ended",
        "G",
        views.CampaignTold,
        _became(CampaignStatus.ENDED),
        _campaign,
        "A campaign was ended by an operator.",
    ),
    Type(
        "campaign.canceled",
        "G",
        views.CampaignTold,
        _became(CampaignStatus.CANCELED),
        _campaign,
        "A campaign was called off.",
    ),
    Type("program.drafted", "V", views.ProgramDraftTold, _new, _program_draft, "A version of the program was written."),
    Type("program.published", "F", views.ProgramTold, _published, _program, "A version of the program is in force."),
    Type("audit.recorded", "L", views.AuditTold, _new, _audit, "An operator did something."),
    Type("validity.applied", "VB", views.ValidityTold, _new, _validity, "A policy began to change points of a day."),
    Type(
        "validity.reversing",
        "VB",
        views.ValidityTold,
        _became(BatchStatus.REVERSING),
        _validity,
        "What a policy did on a day is being taken back.",
    ),
    Type(
        "validity.reversed",
        "VB",
        views.ValidityTold,
        _became(BatchStatus.REVERSED),
        _validity,
        "What a policy did on a day was taken back.",
    ),
    Type("endpoint.created", "EP", views.EndpointTold, _endpoint_made, _endpoint, "Events are sent to a new endpoint."),
    Type(
        "endpoint.changed",
        "EP",
        views.EndpointTold,
        _endpoint_changed,
        _endpoint,
        "An endpoint was written anew, or has another secret.",
    ),
    Type(
        "endpoint.disabled",
        "EP",
        views.EndpointTold,
        _became(EndpointStatus.DISABLED),
        _endpoint,
        "An endpoint failed for too long, or an operator wants it so.",
    ),
    Type(
        "endpoint.enabled",
        "EP",
        views.EndpointTold,
        _endpoint_enabled,
        _endpoint,
        "An endpoint is sent events again.",
    ),
    Type(
        "endpoint.deleted", "EP", views.EndpointTold, _became(EndpointStatus.DELETED), _endpoint, "An endpoint is gone."
    ),
    Type("sweep.paused", "SW", views.SweepTold, _paused(paused=True), _sweep, "A scheduled run is held back."),
    Type("sweep.paced", "SW", views.SweepTold, _paced, _sweep, "A scheduled run is held to another pace."),
    Type("sweep.resumed", "SW", views.SweepTold, _paused(paused=False), _sweep, "A scheduled run goes on."),
    Type("notice.failed", "FN", views.NoticeFailedTold, _new, _failed_notice, "A message did not go out."),
    Type("refund.unmatched", "U", views.RefundTold, _new, _refund, "A refund names no order."),
)
"""Every type of event, a row each. A new type is a new row here, and its view where none fits."""

SILENT: Mapping[str, str] = {
    "O": "the shop told us of the order; what its points came to is told as entries",
    "I": "the answer to a request, kept so that it can be given again",
    "N": "a mark that a rule has given points for one value; the points are told as entries",
    "S": "rules by content, kept for awards made under them",
    "ST": "a counter of stock, written with every exchange; it holds codes",
    "CD": "a code of a pool",
    "WI": "that a member waits for a reward: reward.in_stock tells when it is there",
    "SS": "how far a shard of a run is",
    "VR": "what a batch did to one account, which is told as entries",
    "DL": "what became of an event at an endpoint: telling it would tell of the telling, without end",
    "OB": "an event that was told",
}
"""Rows that are never told, by how their sort keys begin, and why. The stream leaves them out."""


@cache
def _by_row() -> Mapping[str, Sequence[Type]]:
    return {row: tuple(one for one in TYPES if one.row == row) for row in {one.row for one in TYPES}}


def told_rows() -> frozenset[str]:
    """The kinds of row that have events."""
    return frozenset(_by_row())


def events_of(change: Change) -> Iterator[OutgoingEvent]:
    """What is told of a change: nothing, one event, or a few."""
    for one in _by_row().get(change.row, ()):
        if one.when(change.before, change.after):
            yield OutgoingEvent(
                id=event_id(change, one.name),
                type=one.name,
                at=change.after.recorded_at if isinstance(change.after, Entry) else change.at,
                member=_member(change.after),
                data=one.data(change.before, change.after),
            )


def event_id(change: Change, name: str) -> str:
    """The id of the event of this type that a change gives: 35 characters, the same every time."""
    parts = (change.key, str(change.version), name)
    raw = hashlib.sha256("\n".join(f"{len(part)}\n{part}" for part in parts).encode()).digest()
    return f"ev_{base64.urlsafe_b64encode(raw).decode()[:32]}"


def _member(value: Any) -> str | None:
    """Whom it is about: an auction that was sold, its winner; a document of nobody's, nobody."""
    if isinstance(value, Auction):
        return value.top.member if value.top and value.status is AuctionStatus.SOLD else None
    member: str | None = getattr(value, "member", None)
    return member
