"""Short ways to say what happens: events, moments, lots, and a desk that books them as the services do.

desk = Desk(program)
desk.book(paid(amount_minor=15_000), noon("2026-03-01"))
desk.redeem(100, noon("2026-03-02"))
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from jifen.domain.account import Account, Change, as_of, credit
from jifen.domain.awards import award, campaigns_of, members_of
from jifen.domain.campaigns import CampaignState
from jifen.domain.entries import Draft, Entry, Kind, Source
from jifen.domain.lots import Lot, LotChange, Lots
from jifen.domain.orders import (
    EventType,
    Line,
    LineKind,
    Order,
    OrderEvent,
    Paid,
    Refund,
    RefundLine,
    join,
)
from jifen.domain.program import Moment, Program, parse_program
from jifen.domain.spending import Asked, Hold, Redemption, RestoreAsked, authorize, capture, redeem, restore, void

MEMBER = "m1"
CURRENCY = "CNY"
PAID_AT = datetime(2026, 3, 1, 4, tzinfo=UTC)
PROGRAM = parse_program({})


def instant(text: str) -> datetime:
    """The instant that an RFC 3339 text names."""
    return datetime.fromisoformat(text)


def day(text: str) -> date:
    """The day that ``YYYY-MM-DD`` names."""
    return date.fromisoformat(text)


def noon(text: str, program: Program = PROGRAM) -> Moment:
    """Twelve o'clock UTC of a day."""
    return program.moment(datetime.fromisoformat(text).replace(hour=12, tzinfo=UTC))


def lot(points: int, expires_on: str | None = None, active_from: str | None = None) -> Lot:
    """A lot with its days as text."""
    return Lot(points, day(expires_on) if expires_on else None, day(active_from) if active_from else None)


def goods(amount_minor: int, number: int = 1) -> Line:
    """A line of goods."""
    return Line(number, f"sku-{number}", amount_minor)


def paid(
    amount_minor: int = 10_000,
    *,
    order_id: str = "o1",
    member: str | None = MEMBER,
    at: datetime = PAID_AT,
    revision: int = 0,
    currency: str = CURRENCY,
    lines: tuple[Line, ...] | None = None,
) -> OrderEvent:
    """An ``order.paid`` of one line of goods, or of ``lines``."""
    state = Paid(member, at, currency, (goods(amount_minor),) if lines is None else lines, revision)
    return OrderEvent(EventType.PAID, f"p-{order_id}-{revision}", "standard", order_id, member, at, paid=state)


def refunded(
    amount_minor: int,
    *,
    refund_id: str = "r1",
    order_id: str = "o1",
    at: datetime = PAID_AT,
    currency: str = CURRENCY,
    lines: tuple[RefundLine, ...] | None = None,
) -> OrderEvent:
    """An ``order.refunded`` of one line of goods, or of ``lines`` (none: the total counts)."""
    shown = (RefundLine(amount_minor, LineKind.GOODS),) if lines is None else lines
    refund = Refund(refund_id, at, currency, shown, amount_minor)
    return OrderEvent(EventType.REFUNDED, f"r-{refund_id}", "standard", order_id, MEMBER, at, refund=refund)


def cancelled(order_id: str = "o1", at: datetime = PAID_AT) -> OrderEvent:
    """An ``order.cancelled``."""
    return OrderEvent(EventType.CANCELLED, f"c-{order_id}", "standard", order_id, MEMBER, at)


def asked(points: int, key: str = "k1") -> Asked:
    """A request to spend without an order."""
    return Asked(key, points, fingerprint=f"{key}:{points}")


def bonus(change: Change, lots: Lots, moment: Moment) -> Change:
    """Credit ``lots`` at once."""
    changes = tuple(LotChange(part.points, part.expires_on, part.active_from) for part in lots)
    draft = Draft(Kind.BONUS, "GOODWILL", Source("adjustment", "j1"), moment.now, lots=changes)
    return credit(change, draft, moment)


def account_with(*lots: Lot, moment: Moment, member: str = MEMBER) -> Account:
    """An account that was credited ``lots``."""
    return bonus(Change(Account(member)), lots, moment).account


class Desk:
    """Accounts, orders, redemptions and holds of one program, changed through the domain's own decisions only."""

    def __init__(self, program: Program = PROGRAM) -> None:
        self.program = program
        self.accounts: dict[str, Account] = {}
        self.entries: dict[str, list[Entry]] = {}
        self.orders: dict[str, Order] = {}
        self.redemptions: dict[str, Redemption] = {}
        self.holds: dict[str, Hold] = {}
        self.campaigns: dict[str, CampaignState] = {}
        self._keys = 0

    @property
    def account(self) -> Account:
        """The account of the usual member."""
        return self.of(MEMBER)

    @property
    def order(self) -> Order:
        """The order that events name unless they say otherwise."""
        return self.orders["o1"]

    @property
    def points(self) -> list[int]:
        """The points of the usual member's entries, oldest first."""
        return [entry.draft.points for entry in self.entries.get(MEMBER, [])]

    def of(self, member: str) -> Account:
        """A member's account as it was last written."""
        return self.accounts.get(member, Account(member))

    def key(self) -> str:
        """A fresh idempotency key."""
        self._keys += 1
        return f"k{self._keys}"

    def commit(self, change: Change) -> None:
        """Keep an account and its new entries."""
        self.accounts[change.account.member] = change.account
        self.entries.setdefault(change.account.member, []).extend(change.entries)

    def book(self, event: OrderEvent, moment: Moment) -> None:
        """Take in an order event."""
        assert event.order_id is not None
        order = join(self.orders.get(event.order_id, Order(event.shop, event.order_id)), event).order
        buyer = order.paid.member if order.paid else None
        known = {buyer: self.of(buyer)} if buyer else {}
        changes = {member: Change(self.of(member)) for member in members_of(order, known)}
        named = campaigns_of(order, self.program.rules)
        states = {name: self.campaigns.get(name, CampaignState(name)) for name in named}
        outcome = award(order, event, changes, self.program, moment, states)
        self.campaigns.update(outcome.campaigns)
        self.orders[event.order_id] = outcome.order
        for change in outcome.changes.values():
            self.commit(change)

    def bonus(self, lots: Lots, moment: Moment) -> None:
        """Credit lots to the usual member."""
        self.commit(bonus(as_of(self.account, moment), lots, moment))

    def redeem(self, points: int, moment: Moment) -> Redemption:
        """Spend points of the usual member."""
        document, change = redeem(self.account, asked(points, self.key()), self.program, moment)
        self.redemptions[document.id] = document
        self.commit(change)
        return document

    def restore(self, redemption_id: str, points: int | None, moment: Moment) -> None:
        """Give points of a redemption back."""
        document, change = restore(
            self.account,
            self.redemptions[redemption_id],
            RestoreAsked(points, self.key(), "f", "shop"),
            self.program,
            moment,
        )
        assert isinstance(document, Redemption)
        self.redemptions[redemption_id] = document
        self.commit(change)

    def restore_hold(self, hold_id: str, points: int | None, moment: Moment) -> None:
        """Give points of a captured hold back."""
        document, change = restore(
            self.account, self.holds[hold_id], RestoreAsked(points, self.key(), "f", "shop"), self.program, moment
        )
        assert isinstance(document, Hold)
        self.holds[hold_id] = document
        self.commit(change)

    def authorize(self, points: int, expires_in_s: int, moment: Moment) -> Hold:
        """Hold points of the usual member."""
        document, change = authorize(self.account, asked(points, self.key()), self.program, expires_in_s, moment)
        self.holds[document.id] = document
        self.commit(change)
        return document

    def capture(self, hold_id: str, points: int | None, moment: Moment) -> None:
        """Spend a hold."""
        document, change = capture(self.account, self.holds[hold_id], points, self.key(), "f", moment)
        self.holds[hold_id] = document
        self.commit(change)

    def void(self, hold_id: str, moment: Moment) -> None:
        """Release a hold."""
        document, change = void(self.account, self.holds[hold_id], self.key(), "f", moment)
        self.holds[hold_id] = document
        self.commit(change)

    def sweep(self, moment: Moment) -> None:
        """Write down what time has done."""
        for account in list(self.accounts.values()):
            self.commit(as_of(account, moment))


def later(moment: Moment, program: Program = PROGRAM, **by: int) -> Moment:
    """A moment some time after another."""
    return program.moment(moment.now + timedelta(**by))
