"""The shapes in which the API shows things: what the functions answer, and what the OpenAPI document says of it.

A day is ``YYYY-MM-DD`` in the program's time zone, an instant RFC 3339. Points are whole.
"""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

Day = Annotated[str, "date"]
Instant = Annotated[str, "date-time"]


class MoneyView(TypedDict):
    """An amount in minor units of its currency."""

    amount_minor: int
    currency: str


class LotView(TypedDict):
    """Points with one last valid day (null: they never expire) and one day from which they count (null: they do)."""

    points: int
    expires_on: Day | None
    active_from: Day | None


class LotsView(TypedDict):
    """Every lot, soonest-expiring first."""

    lots: list[LotView]


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
    """How a member is reached."""

    member_id: str
    email: str | None
    language: str


class RedemptionView(TypedDict):
    """Points spent, with the lots they came from; ``discount`` where the program knows what they are worth."""

    redemption_id: str
    points: int
    discount: NotRequired[MoneyView]
    available: int
    lots: list[LotView]


class RestoreView(TypedDict):
    """Points given back: now ``points``, in all ``restored``, with the lots they went into."""

    redemption_id: str
    points: int
    restored: int
    available: int
    lots: list[LotView]


class HoldView(TypedDict):
    """Points reserved until ``expires_at``."""

    hold_id: str
    status: str
    points: int
    expires_at: Instant
    available: int


class CaptureView(TypedDict):
    """A hold spent: ``points`` of it, the rest ``released``; ``redemption_id`` is what a restore names."""

    hold_id: str
    redemption_id: str
    status: str
    points: int
    released: int
    available: int
    lots: list[LotView]


class VoidView(TypedDict):
    """A hold given back."""

    hold_id: str
    status: str
    points: int
    released: int
    available: int


class FaultView(TypedDict):
    """One thing wrong with a request: where (``order_total.currency``) and what."""

    field: str
    problem: str


class AcceptedView(TypedDict):
    """Nothing to say: the event is safe, or was none of ours."""


class RunView(TypedDict):
    """Consecutive days: how many, from which day on, and through which."""

    days: int
    since: Day
    through: Day


class EventView(TypedDict):
    """What came of a behaviour event: ``points`` given, ``proposed`` waiting for approval, ``why`` rule by rule.

    ``day`` is the day it counts on, ``run`` the run it is part of, ``decided_by`` who approved or rejected it.
    """

    event_id: str
    member_id: str
    type: str
    status: str
    points: int
    proposed: int
    day: Day
    run: RunView | None
    decided_by: str | None
    why: list[dict[str, object]]


class CheckInView(TypedDict):
    """A check-in: the day it counts on, the run it is part of, and what it gave."""

    member_id: str
    day: Day
    status: str
    points: int
    run: RunView | None
    why: list[dict[str, object]]


class MadeUpView(TypedDict):
    """A made-up day: what it cost, what the longer run gave, and what is left to spend."""

    member_id: str
    day: Day
    cost: int
    points: int
    available: int
    run: RunView | None
    why: list[dict[str, object]]


class NextCheckInView(TypedDict):
    """The next check-in: on which day, how long the run will be, and the points it gives."""

    day: Day
    run: int
    points: int


class MarkView(TypedDict):
    """A mark ahead: at how many days it stands, its points, and in how many days it can be reached."""

    run: int
    points: int
    in_days: int


class MakeUpTermsView(TypedDict):
    """Making up: the cost of a day, whether that day gives its reward, the days, and how often until ``resets_on``."""

    cost: int
    pays_day: bool
    days: list[Day]
    left: int
    resets_on: Day


class CheckInsView(TypedDict):
    """The check-ins of a member: the run that is alive, the days of the last month, and what lies ahead."""

    member_id: str
    today: Day
    checked_in: bool
    run: RunView | None
    days: list[Day]
    next: NextCheckInView
    marks: list[MarkView]
    make_up: MakeUpTermsView | None


class TaskView(TypedDict):
    """A task in its present stretch of the calendar.

    ``of`` is what counts (count, amount in minor units, data), ``done`` of ``reach``; ``times`` it was reached,
    ``granted`` points so far. ``blocked_by`` is why nothing counts towards it now.
    """

    rule: str
    title: str
    on: str
    of: str
    done: int
    reach: int
    points: int
    again: bool
    times: int
    granted: int
    per: str
    resets_on: Day | None
    blocked_by: str | None


class TasksView(TypedDict):
    """Every task of the program, in the order of the rules."""

    member_id: str
    tasks: list[TaskView]


class ProfileView(TypedDict):
    """What the shop says of a member; ``birthday`` is MM-DD and counts from ``birthday_from`` on (null: it does)."""

    member_id: str
    birthday: str | None
    birthday_from: Day | None
    region: str | None
    tags: list[str]
