"""The shapes of the mall: rewards and stock, reward orders, coupons; see :mod:`jifen.domain.views`."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from jifen.domain.member_views import SourceView
from jifen.domain.views import Day, Instant, LotView, MoneyView

# Rewards and stock ---------------------------------------------------------------------------------------------------


class RewardRecordView(TypedDict):
    """A reward as an operator wrote it: ``content`` is what says it, in its shortest form.

    ``shards`` is how many its stock has, ``created_at`` when it was written first, ``by`` and ``at`` who wrote it last.
    """

    id: str
    status: str
    content: dict[str, object]
    shards: int
    created_at: Instant
    by: str
    at: Instant


class RewardRecordsView(TypedDict):
    """A page of rewards as they were written, ids from z to a."""

    rewards: list[RewardRecordView]
    cursor: str | None


class ShardView(TypedDict):
    """One shard of a stock: free + reserved + sold = stocked; ``free`` is null where pieces are not counted."""

    shard: int
    free: int | None
    reserved: int
    sold: int
    stocked: int


class StockView(TypedDict):
    """The stock of a reward, in all and by shard: free + reserved + sold = stocked, where pieces are counted."""

    reward_id: str
    free: int | None
    reserved: int
    sold: int
    stocked: int
    low: bool
    shards: list[ShardView]


class RefusedCodeView(TypedDict):
    """A code that was not taken: its place in the request (from 1 on), and why."""

    line: int
    code: str
    problem: str


class CodesView(TypedDict):
    """Codes put into a pool, and those that were not."""

    reward_id: str
    added: int
    refused: list[RefusedCodeView]
    free: int


class RewardPriceView(TypedDict):
    """What one piece costs: points and money now, and before sale, tier and campaign.

    ``tier`` is the level it is for, ``campaign`` the one that made it lower (null: none did).
    """

    points: int
    cash: MoneyView | None
    list_points: int
    list_cash: MoneyView | None
    tier: str | None
    on_sale: bool
    campaign: str | None


class RewardSaleView(TypedDict):
    """Another price for a while, before any tier."""

    starts: Instant
    ends: Instant
    points: int
    cash: MoneyView | None


class RewardLimitView(TypedDict):
    """A limit of one member: what is ``left`` of it (null without a member), and when it allows all of it again."""

    limit: str
    per: str
    unit: str
    allowed: int
    left: int | None
    resets_at: Instant | None


class RewardVerdictView(TypedDict):
    """Whether one piece can be had now; if not, the code of the refusal and what it depends on."""

    can: bool
    because: str | None
    detail: str
    opens_at: Instant | None
    closed_at: Instant | None
    restock_on: Day | None
    limit: str | None
    resets_at: Instant | None
    missing_points: int | None


class RewardView(TypedDict):
    """A reward on the shelf, as one member (or nobody in particular) sees it.

    Texts are as the operator wrote them: a page that shows them escapes them. ``left``, ``sold`` and ``status`` are for
    the shop and operators; members see whether it is in stock and whether few are left.
    """

    id: str
    title: str
    kind: str
    description: str
    category: str
    tags: list[str]
    price: RewardPriceView
    exchange: RewardVerdictView
    in_stock: bool
    few_left: bool
    restock_on: Day | None
    opens_at: Instant | None
    closes_at: Instant | None
    sale: RewardSaleView | None
    limits: list[RewardLimitView]
    quantity_max: int
    only_tiers: list[str]
    coupon: dict[str, object] | None
    voucher_points: int | None
    donation_unit: str | None
    left: NotRequired[int | None]
    sold: NotRequired[int]
    status: NotRequired[str]


class RewardsView(TypedDict):
    """A page of the shelf; ``unreadable`` are, for operators, rewards that the program in force cannot offer."""

    rewards: list[RewardView]
    cursor: str | None
    unreadable: NotRequired[list[str]]


class FaultView(TypedDict):
    """One thing wrong: where in the reward, and what."""

    field: str
    problem: str


class ImportedRowView(TypedDict):
    """What came of the row in place ``line`` (from 1 on): created, changed, same or refused."""

    id: str
    line: int
    outcome: str
    faults: list[FaultView]


class ImportedView(TypedDict):
    """What came of an import, row by row; of a dry run, what would."""

    dry_run: bool
    rewards: list[ImportedRowView]


class WishView(TypedDict):
    """Whether the member is told once the reward is there again; ``in_stock``: it is there now, so nobody waits."""

    reward_id: str
    member_id: str
    on: bool
    in_stock: bool


class GoalView(TypedDict):
    """The reward that a member saves for (null: none), and the ``points`` it cost when the member said so.

    ``title`` and ``price`` are those of now, without sales and campaigns; null where the reward cannot be had any more.
    ``missing`` points lie between what is ``available`` and the price; what is owed comes on top.
    """

    member_id: str
    reward_id: str | None
    points: int | None
    title: str | None
    price: int | None
    available: int
    missing: int | None


# Reward orders -------------------------------------------------------------------------------------------------------


class AddressView(TypedDict):
    """Where a parcel goes; what was not said is left out."""

    name: str
    phone: str
    street: str
    city: NotRequired[str]
    region: NotRequired[str]
    postal_code: NotRequired[str]
    country: NotRequired[str]
    note: NotRequired[str]


class ShippingView(TypedDict):
    """Who carries a parcel, and under which number."""

    carrier: NotRequired[str]
    number: NotRequired[str]


class OrderStepView(TypedDict):
    """One step of a reward order: to which status, when, and who took it (member, shop, operator, admin, system)."""

    status: str
    at: Instant
    by: str
    note: str


class ReceiptView(TypedDict):
    """The receipt of a donation: ``quantity`` of a ``unit`` (a tree); no other receipt has its ``number``."""

    number: str
    reward_id: str
    title: str
    unit: str
    quantity: int
    points: int
    cash: MoneyView | None
    at: Instant
    member_id: str


class RewardOrderView(TypedDict):
    """What a member exchanged points for, and where it is on its way.

    ``points`` and ``cash`` are the price of all pieces, ``lots`` is what the points came from, ``restored`` what went
    back, ``returned`` how many pieces were taken back. ``due`` is when the money (CREATED) or the address (ADDRESS_DUE)
    has to be there. ``cash_due`` is what is
    still to be paid, ``refund_due`` what the shop took and has to give back. ``codes``, ``coupons``, ``receipt`` and
    ``points_credited`` are what the order gave, empty until everything is paid. ``source`` is the draw or auction that
    a prize comes from. ``available`` are the points that are left, where they were looked at.
    """

    order_id: str
    member_id: str
    reward_id: str
    kind: str
    title: str
    status: str
    quantity: int
    points: int
    cash: MoneyView | None
    cash_due: MoneyView | None
    refund_due: MoneyView | None
    payment_id: str | None
    due: Instant | None
    ordered_at: Instant
    lots: list[LotView]
    restored: int
    returned: int
    codes: list[str]
    coupons: list[str]
    receipt: ReceiptView | None
    points_credited: int
    address: AddressView | None
    shipping: ShippingView | None
    source: SourceView | None
    steps: list[OrderStepView]
    available: NotRequired[int]


class RewardOrdersView(TypedDict):
    """A page of a member's reward orders, the newest first."""

    orders: list[RewardOrderView]
    cursor: str | None


# Coupons -------------------------------------------------------------------------------------------------------------


class CouponSourceView(TypedDict):
    """Where a coupon comes from: a reward order or a draw."""

    type: str
    id: str


class CouponUsedOnView(TypedDict):
    """The order that a coupon was used on."""

    source: str
    order_id: str


class CouponView(TypedDict):
    """A coupon: ISSUED, USED, VOID or EXPIRED, good through ``expires_on`` (null: for ever).

    ``discount`` is the money it takes off, of kind percent null: that takes ``percent`` off, at most ``max_discount``.
    ``order`` is shown to the shop and to operators.
    """

    coupon_id: str
    member_id: str
    reward_id: str
    status: str
    kind: str
    discount: MoneyView | None
    percent: str | None
    max_discount: MoneyView | None
    threshold: MoneyView | None
    uses_per_day: int | None
    issued_at: Instant
    expires_on: Day | None
    used_at: Instant | None
    source: CouponSourceView
    order: NotRequired[CouponUsedOnView | None]


class CouponsView(TypedDict):
    """A page of a member's coupons."""

    coupons: list[CouponView]
    cursor: str | None


class CouponUsedView(TypedDict):
    """A coupon that was used, and what it takes off the order."""

    coupon_id: str
    status: str
    discount: MoneyView


class CouponStateView(TypedDict):
    """What has become of a coupon."""

    coupon_id: str
    status: str
    expires_on: Day | None
