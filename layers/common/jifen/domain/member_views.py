"""The shapes of accounts: balance, lots, entries, tier and proof; see :mod:`jifen.domain.views`."""

from __future__ import annotations

from typing import NotRequired, TypedDict

from jifen.domain.views import Day, Instant, LotView


class CountdownLotView(LotView):
    """A lot with what a countdown needs: it ends at ``ends_at``, the first instant at which it cannot be spent.

    ``days_left`` are the days after today on which it still can; 0 on the last one. Both are null where it never ends.
    """

    days_left: int | None
    ends_at: Instant | None


class LotsView(TypedDict):
    """Every lot, soonest-expiring first."""

    lots: list[CountdownLotView]


class LifetimeView(TypedDict):
    """Sums over the account's whole history; ``redeemed`` is net of restores."""

    earned: int
    redeemed: int
    expired: int
    clawed_back: int


class NextExpiryView(TypedDict):
    """The next last valid day, and the points that are lost after it."""

    on: Day
    points: int


class TierNextView(TypedDict):
    """The level above: it ``needs`` so many points (or minor units) in the current period, which ``has`` so many."""

    level: str
    title: str
    needs: int
    has: int
    missing: int


class TierKeepsView(TypedDict):
    """What keeps the level beyond ``by``: ``needs`` points (or minor units) from ``counts_from`` on, and ``has``."""

    needs: int
    has: int
    missing: int
    counts_from: Day
    by: Day


class TierWarningView(TypedDict):
    """The level is about to drop ``on`` that day; ``missing`` would keep it (null: nothing can)."""

    drops_to: str
    on: Day
    missing: int | None


class TierBenefitsView(TypedDict):
    """What the level gives; ``multiplier`` and ``discount`` are decimal text, ``allowance`` points a month."""

    multiplier: str | None
    discount: str | None
    services: list[str]
    allowance: int


class TierView(TypedDict):
    """The member's level, kept until and with that day (null: no end); empty in a program without tiers."""

    level: NotRequired[str]
    title: NotRequired[str]
    since: NotRequired[Day]
    until: NotRequired[Day | None]
    next: NotRequired[TierNextView | None]
    keeps: NotRequired[TierKeepsView | None]
    warning: NotRequired[TierWarningView | None]
    benefits: NotRequired[TierBenefitsView]


class MemberView(TypedDict):
    """An account: ``balance = available + pending + held - debt``."""

    member_id: str
    status: str
    available: int
    pending: int
    held: int
    debt: int
    balance: int
    lifetime: LifetimeView
    tier: TierView
    version: int
    next_expiry: NextExpiryView | None


class SourceView(TypedDict):
    """The business fact behind an entry: ``order``, ``redemption``, ``hold``, ``lot`` and so on, with its id."""

    type: str
    id: str


class EntryView(TypedDict):
    """One immutable line of the ledger; ``points`` is what it changes the balance by, ``why`` the rules behind it."""

    sequence: int
    kind: str
    reason: str
    points: int
    balance_after: int
    source: SourceView
    actor: str
    occurred_at: Instant
    recorded_at: Instant
    why: list[dict[str, object]]
    lots: list[LotView]
    held: int
    debt: int
    hash: str


class EntriesView(TypedDict):
    """A page of entries, newest first; ``cursor`` goes on below it, null where there is nothing more."""

    entries: list[EntryView]
    cursor: str | None


class EquationView(TypedDict):
    """``left`` must equal ``right``."""

    name: str
    left: int | str
    right: int | str
    holds: bool


class ProofView(TypedDict):
    """The account derived again from its entries alone, and every equation between the two."""

    valid: bool
    entries: int
    head_hash: str
    equations: list[EquationView]


class ContactView(TypedDict):
    """How a member is reached, and what the member does not want.

    ``wechat`` is an openid of ``wechat_kind``, official or mini; ``consents`` are messages allowed there that were not
    sent yet. ``refuses`` are channels, kinds of notices, or ``*`` for everything.
    """

    member_id: str
    email: str | None
    language: str
    phone: str | None
    push: str | None
    wechat: str | None
    wechat_kind: str
    consents: int
    time_zone: str | None
    refuses: list[str]
