"""The data of each type of event; the JSON Schemas under ``schemas/`` are made of these.

A day is ``YYYY-MM-DD`` in the program's time zone, an instant RFC 3339 in UTC. Points are whole. Which type has which
of these is a row of :data:`jifen.domain.telling.TYPES`.

No address, number of a telephone, code, password or secret has a place here, and no text that a member wrote.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from jifen.domain.member_views import SourceView
from jifen.domain.views import Day, Instant, LotView, MoneyView


class EntryTold(TypedDict):
    """One immutable line of the ledger.

    ``points`` is what it changes the balance by, ``lots`` what it put into lots (or took out: negative), ``held`` what
    it put into the hold ``hold_id`` (or took out), ``debt`` what it added to what the member owes. ``sequence`` counts
    the entries of the member from 1 without gaps; ``hash`` seals this entry, ``previous_hash`` is that of the one
    before. ``why`` names the rules and caps behind it; where it is very long, ``why_left_out`` of its lines are left
    out.
    """

    sequence: int
    kind: str
    reason: str
    points: int
    balance_after: int
    source: SourceView
    actor: str
    lots: list[LotView]
    hold_id: str | None
    held: int
    debt: int
    why: list[dict[str, object]]
    why_left_out: NotRequired[int]
    occurred_at: Instant
    recorded_at: Instant
    previous_hash: str
    hash: str


class AccountTold(TypedDict):
    """An account; ``status_before`` is null where there was none. ``version`` is the number of its entries."""

    status: str
    status_before: str | None
    version: int
    revision: int


class ProfileTold(TypedDict):
    """Which parts of what is known of a member have changed: birthday, region, tags, inviter or goal."""

    changed: list[str]


class TierTold(TypedDict):
    """A member's level, and the one before (null: none); it is kept until and with that day (null: no end)."""

    level: str | None
    level_before: str | None
    since: Day | None
    until: Day | None


class ContactTold(TypedDict):
    """On which channels a member can be reached now, and what has changed: a channel, language, time_zone or refuses.

    ``refuses`` are channels and kinds of notices that the member does not want; ``*`` is all.
    """

    channels: list[str]
    changed: list[str]
    language: str
    refuses: list[str]


class PasswordTold(TypedDict):
    """What was done with a points password; it is locked until then (null: it is not)."""

    changed_at: Instant
    locked_until: Instant | None


class OrderNamed(TypedDict):
    """An order of a shop."""

    source: str
    order_id: str


class RedemptionTold(TypedDict):
    """Points spent at once; ``restored`` of them went back so far."""

    redemption_id: str
    points: int
    restored: int
    order: OrderNamed | None


class HoldTold(TypedDict):
    """Points reserved until ``expires_at``; ``captured`` of them were spent, and ``restored`` of those went back."""

    hold_id: str
    status: str
    points: int
    captured: int
    restored: int
    expires_at: Instant
    order: OrderNamed | None


class HoldLapsed(TypedDict):
    """A hold whose time was over: its ``points`` went back, recorded in the entry ``sequence``."""

    hold_id: str
    status: str
    points: int
    sequence: int
    expired_at: Instant


class RewardOrderTold(TypedDict):
    """A reward order in its new status.

    ``cash`` is what is paid besides the points, ``restored`` the points given back. ``due_at`` is when the next thing
    (money, address) has to be there; ``source`` is where it comes from where it was not chosen in the mall: a draw or
    an auction.
    """

    order_id: str
    reward_id: str
    kind: str
    title: str
    status: str
    status_before: str | None
    quantity: int
    returned: int
    points: int
    restored: int
    cash: MoneyView | None
    due_at: Instant | None
    source: SourceView | None
    by: str


class CouponTold(TypedDict):
    """A coupon in its new status; ``order`` and ``discount`` where it is used. ``expires_on`` is its last valid day."""

    coupon_id: str
    reward_id: str
    status: str
    expires_on: Day | None
    source: SourceView
    order: OrderNamed | None
    discount: MoneyView | None


class TransferTold(TypedDict):
    """Points given to the member ``to``, who can use them from ``active_from`` on (null: at once)."""

    transfer_id: str
    to: str
    points: int
    status: str
    active_from: Day | None
    sent_at: Instant
    canceled_at: Instant | None


class DrawTold(TypedDict):
    """A draw of a lottery: what was won (null: nothing), and what came of it."""

    draw_id: str
    lottery_id: str
    day: Day
    attempt: int
    cost: int
    prize: str | None
    points_won: int
    coupon_id: str | None
    order_id: str | None
    drawn_at: Instant


class BidTold(TypedDict):
    """A bid of an auction in its new status."""

    bid_id: str
    auction_id: str
    points: int
    status: str
    placed_at: Instant


class AuctionTold(TypedDict):
    """An auction; ``winner`` and ``points`` are those of the highest bid, ``order_id`` what was made of it."""

    auction_id: str
    title: str
    status: str
    opens_at: Instant
    closes_at: Instant
    bids: int
    winner: str | None
    points: int | None
    order_id: str | None


class RewardTold(TypedDict):
    """A reward of the mall."""

    reward_id: str
    title: str
    status: str
    by: str


class LotteryTold(TypedDict):
    """A lottery; ``commitment`` is the published end of its chain of secrets."""

    lottery_id: str
    title: str
    status: str
    first_day: Day
    days: int
    commitment: str
    by: str


class ReviewTold(TypedDict):
    """A behaviour event that waits for an operator, or was decided: ``proposed`` points by rule, ``points`` given."""

    event_id: str
    event_type: str
    status: str
    proposed: dict[str, int]
    points: int
    decided_by: str | None
    occurred_at: Instant


class CampaignTold(TypedDict):
    """A campaign in its new status; ``given`` and ``taken_back`` add up points, ``awards`` who got some."""

    campaign_id: str
    status: str
    given: int
    taken_back: int
    awards: int


class CampaignDraftTold(TypedDict):
    """A campaign as it is prepared; ``program_version`` took it in (null: none did)."""

    campaign_id: str
    status: str
    template: str | None
    program_version: int | None
    by: str


class ProgramDraftTold(TypedDict):
    """A version of the program that was written; it is not in force."""

    number: int
    based_on: int
    fingerprint: str
    by: str


class ProgramTold(TypedDict):
    """The version of the program that is in force now (0: the stack's own), and the one before."""

    number: int
    previous: int
    fingerprint: str
    since: Instant | None


class AuditTold(TypedDict):
    """One thing that an operator did."""

    audit_id: str
    action: str
    target: str
    reason: str
    actor: str
    acted_at: Instant


class ValidityTold(TypedDict):
    """What a policy of validity did on a day, as a whole; each account that it changed has entries of its own."""

    batch_id: str
    policy: str
    day: Day
    effect: str
    status: str
    program_version: int
    by: str | None


class EndpointTold(TypedDict):
    """An endpoint of the shop that events are sent to; ``why`` it is disabled, after how many failures in a row."""

    endpoint_id: str
    status: str
    types: list[str]
    why: str | None
    failures: int


class SweepTold(TypedDict):
    """Whether a scheduled run is held back by an operator, and to how many accounts a second (null: no limit)."""

    sweep: str
    paused: bool
    accounts_per_second: int | None
    by: str | None


class NoticeFailedTold(TypedDict):
    """A message to a member that a channel never took."""

    notice_id: str
    channel: str
    kinds: list[str]
    tries: int
    failed_at: Instant


class RefundTold(TypedDict):
    """A refund that names no order: it was kept, and moves no points."""

    source: str
    refund_id: str
    occurred_at: Instant


# Notices: they are events of their own form, in no envelope -----------------------------------------------------------


class NoticeHead(TypedDict):
    """What every notice has; `notice_id` is the same for every attempt at it.

    `available` is what the member can spend in all; `trial` says that an operator only looks at the notice.
    """

    notice_id: str
    member_id: str
    available: int
    trial: NotRequired[bool]


class ExpiringNotice(NoticeHead):
    """That points come to their end: `points` can be used through `lot_expires_on`, for `days_left` more days."""

    points: int
    lot_expires_on: Day
    lead_days: int
    days_left: int


class BalanceNotice(NoticeHead):
    """That more than `amount` points are unused; `worth` is what those available take off an order (null: unknown)."""

    amount: int
    worth: MoneyView | None


class DormantNotice(NoticeHead):
    """That a policy voids `points` on `voids_on` unless the member comes back; `share` of all is a decimal."""

    policy: str
    since: Day
    inactive_since: NotRequired[Day]
    voids_on: Day
    points: int
    share: str


class TierReachedNotice(NoticeHead):
    """That a level was reached."""

    tier: str
    title: str
    since: Day


class TierAtRiskNotice(NoticeHead):
    """That a level falls after `until`, unless `missing` more qualifies: points, or money (null: nothing can help)."""

    tier: str
    title: str
    until: Day
    falls_to: str
    falls_to_title: str
    by: str
    missing: int | MoneyView | None


class AffordableNotice(NoticeHead):
    """That the reward that the member saves for can be exchanged for now."""

    reward_id: str
    title: NotRequired[str]
    points: int


class InStockNotice(TypedDict):
    """That a reward is there again, for one member who waits for it. ``notice_id`` is the same for every attempt."""

    notice_id: str
    member_id: str
    reward_id: str
    title: str


class NoticePart(TypedDict):
    """One of the things that a member is told; `facts` are what its kind has."""

    notice_id: str
    kind: str
    facts: dict[str, object]


class NoticeTold(TypedDict):
    """Everything that a member is told at once, for a shop that tells it in its own way; the most urgent first."""

    message_id: str
    member_id: str
    language: str
    available: int
    today: Day
    trial: bool
    notices: list[NoticePart]
