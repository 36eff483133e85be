"""What the service tests say often: events, members with points, and a desk in front of the spending use cases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from jifen.domain.account import Account, Change, credit
from jifen.domain.entries import Draft, Kind, Source
from jifen.domain.lots import LotChange
from jifen.domain.orders import EventType, Line, OrderEvent, Paid, Refund
from jifen.domain.program import Moment, Program
from jifen.service.earning import Outcome, earn
from jifen.service.ports import AccountWrite, Ledger, Posting
from jifen.service.reading import prove_member
from jifen.service.spending import Spending
from tests.store.patient import Patient

PROGRAM = Program(zone=ZoneInfo("Asia/Shanghai"))
NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
MOMENT = PROGRAM.moment(NOW)
LAST_DAY = date(2027, 3, 31)
"""Of points earned at NOW: twelve months on, to the end of the month."""


def paid(
    order_id: str,
    amount_minor: int,
    member: str | None = "m1",
    revision: int = 0,
    at: datetime = NOW,
    currency: str = "CNY",
) -> OrderEvent:
    """An ``order.paid`` of one line; 100 minor units are a point."""
    state = Paid(member, at, currency, (Line(1, "tea", amount_minor),), revision)
    return OrderEvent(EventType.PAID, f"p-{order_id}-{revision}", "standard", order_id, member, at, paid=state)


def refunded(order_id: str | None, amount_minor: int, refund_id: str = "r1", member: str | None = "m1") -> OrderEvent:
    """An ``order.refunded`` of an amount."""
    refund = Refund(refund_id, NOW, "CNY", (), amount_minor)
    return OrderEvent(EventType.REFUNDED, f"r-{refund_id}", "standard", order_id, member, NOW, refund=refund)


def cancelled(order_id: str) -> OrderEvent:
    """An ``order.cancelled``."""
    return OrderEvent(EventType.CANCELLED, f"c-{order_id}", "standard", order_id, "m1", NOW)


def earned(ledger: Ledger, *events: OrderEvent, moment: Moment = MOMENT, program: Program = PROGRAM) -> list[Outcome]:
    """Post order events as one delivery."""
    return earn(ledger, program, events, moment, Patient())


def give(ledger: Ledger, member: str, points: int, last_day: date | None = LAST_DAY) -> None:
    """Credit a lot."""
    account = ledger.load([member]).accounts[member]
    draft = Draft(Kind.BONUS, "GOODWILL", Source("adjustment", "j"), NOW, lots=(LotChange(points, last_day),))
    change = credit(Change(account), draft, MOMENT)
    ledger.commit(Posting((AccountWrite(account, change.account, change.entries),)), Patient())


def account_of(ledger: Ledger, member: str = "m1") -> Account:
    """A member's account as it is stored."""
    return ledger.load([member]).accounts[member]


def balance_of(ledger: Ledger, member: str = "m1") -> int:
    """A member's balance as it is stored."""
    return account_of(ledger, member).balance


def points_of(ledger: Ledger, member: str = "m1") -> list[int]:
    """The points of a member's entries, oldest first."""
    return [entry.draft.points for entry in ledger.history(member)]


def proved(ledger: Ledger, *members: str) -> bool:
    """Whether the accounts follow from their entries."""
    return all(prove_member(ledger, member).valid for member in members or ("m1",))


def desk(ledger: Ledger, key: str, moment: Moment = MOMENT, program: Program = PROGRAM) -> Spending:
    """The spending use cases under an idempotency key."""
    return Spending(ledger, program, moment, Patient(), key, "shop")


def later(**by: int) -> Moment:
    """A moment some time after NOW."""
    return PROGRAM.moment(NOW + timedelta(**by))
