"""Quoting: what an order earns and how many points can pay for it, asked before it is paid. Nothing is written.

one read: the buyer's account, the campaigns that are open, the order if it is known
one more where there is need: the points that pay a part of the order already; who invited the buyer
    │
    ├─ the order, taken through the use case that takes the webhook's, on a scratch ledger ──> will_earn
    ├─ the order's lines, the program's terms, the account ──────────────────────────────────> can_redeem
    └─ the order again, with a line for what these points would pay ─────────────────────────> earns_then
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jifen.domain.account import Account, Status, as_of
from jifen.domain.checkout import Basket, Checkout, Limit, Most, checkout
from jifen.domain.money import Money
from jifen.domain.orders import EventType, Line, LineKind, Order, OrderEvent, Paid
from jifen.domain.program import Moment, Program
from jifen.domain.spending import Hold, Redemption, money_plain
from jifen.domain.tallies import campaigns_open
from jifen.domain.used_points import is_gone, looked_through
from jifen.domain.views import CheckoutLimitView, ForDiscountView, QuoteView
from jifen.service.dry_run import Tried, try_order
from jifen.service.memory import ScratchLedger
from jifen.service.ports import CampaignKey, DocumentKey, Ledger, Loaded, OrderKey
from jifen.service.spent_documents import document_key, names_of

QUOTE = "quote"
"""The id of an order that is only asked about."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What is asked.

    Attributes:
        member: who buys.
        basket: the order's lines.
        total: its total before points, where that is less than its lines'.
        wanted: a discount that is wanted.
        shop, order_id: the order by its name, so that points which pay a part of it already count.
    """

    member: str
    basket: Basket
    total: Money | None = None
    wanted: Money | None = None
    shop: str = "standard"
    order_id: str | None = None


def quote(ledger: Ledger, program: Program, moment: Moment, asking: Asking) -> QuoteView:
    """Answer it, as of ``moment``.

    Raises:
        InvalidInput: the order is in another currency than the program's.
        Busy: the table does not answer.
    """
    checkout(program, asking.basket, asking.total)  # refuses what is in no currency of ours before anything is read
    paid = _paid(asking, moment)
    keys: list[DocumentKey] = [CampaignKey(name) for name in sorted(campaigns_open(program.rules, paid))]
    own = OrderKey(asking.shop, asking.order_id) if asking.order_id else None
    loaded = ledger.load([asking.member], [*keys, own] if own else keys)
    account, order = loaded.accounts[asking.member], loaded.documents.get(own) if own else None
    used = _used(ledger, order, moment) if isinstance(order, Order) else 0
    seen = _Seen(program, ledger, loaded, keys)
    desk = checkout(program, asking.basket, asking.total, used=used)
    caps = _caps(desk, account, moment)
    if isinstance(order, Order) and is_gone(order):
        caps.append(Limit("order_cancelled", 0))
    most = desk.most(caps)
    discount = _money(desk, most.points)
    earns = _tried(program, paid, moment, seen)
    then = _tried(program, _with_points(paid, discount.amount_minor), moment, seen) if most.points else earns
    view: QuoteView = {
        "member_id": asking.member,
        "will_earn": {"points": earns.points, "why": [dict(one) for one in earns.why]},
        "can_redeem": {"points": most.points, "discount": money_plain(discount), "limits": _limits(most)},
        "earns_then": then.points,
    }
    if asking.wanted is not None:
        view["for_discount"] = _for_discount(desk, caps, asking.wanted)
    return view


class _Seen(ScratchLedger):
    """What was read once, of which a quote tries several orders; also that there was nothing to be read."""

    def __init__(self, program: Program, behind: Ledger, loaded: Loaded, keys: Iterable[DocumentKey]) -> None:
        super().__init__(program, behind)
        self._accounts.update(loaded.accounts)
        self._known = {key: loaded.documents.get(key) for key in keys}

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        """See :class:`jifen.service.ports.Ledger`."""
        new = [key for key in documents if key not in self._known]
        if new or any(member not in self._accounts for member in members):
            found = super().load(members, new)
            self._known |= {key: found.documents.get(key) for key in new}
        known = {key: document for key in documents if (document := self._known[key]) is not None}
        return Loaded({member: self._accounts[member] for member in members}, known)


def _used(ledger: Ledger, order: Order, moment: Moment) -> int:
    """The points that pay a part of an order already."""
    keys = [document_key(name) for name in names_of(order)]
    documents = ledger.load([], keys).documents.values() if keys else ()
    return looked_through(order, [one for one in documents if isinstance(one, Redemption | Hold)], moment)[1]


def _paid(asking: Asking, moment: Moment) -> Paid:
    return Paid(asking.member, moment.now, asking.basket.currency, tuple(one.line for one in asking.basket.items))


def _with_points(paid: Paid, discount_minor: int) -> Paid:
    """The order with a part of it paid with points."""
    number = max((line.number for line in paid.lines), default=0) + 1
    line = Line(number, "points", discount_minor, LineKind.POINTS)
    return Paid(paid.member, paid.at, paid.currency, (*paid.lines, line))


def _tried(program: Program, paid: Paid, moment: Moment, seen: Ledger) -> Tried:
    event = OrderEvent(EventType.PAID, QUOTE, "standard", QUOTE, paid.member, paid.at, paid=paid)
    return try_order(program, event, moment.now, seen)


# How many points can pay ---------------------------------------------------------------------------------------------


def _caps(desk: Checkout, account: Account, moment: Moment) -> list[Limit]:
    now = as_of(account, moment).account
    frozen = [] if account.status is Status.ACTIVE else [Limit("account_status", 0)]
    return [*frozen, *desk.caps(), *desk.member_caps(now.standing, now.available(moment.today), moment)]


def _money(desk: Checkout, points: int) -> Money:
    found = desk.discount(points)
    assert found is not None, "the order is in some currency"
    return found


def _limits(most: Most) -> list[CheckoutLimitView]:
    return [_limit(limit, binding=binds) for limit, binds in most.limits]


def _limit(limit: Limit, *, binding: bool) -> CheckoutLimitView:
    resets = limit.resets_at.isoformat() if limit.resets_at else None
    return {"name": limit.name, "points": limit.points, "resets_at": resets, "binding": binding}


def _for_discount(desk: Checkout, caps: Iterable[Limit], wanted: Money) -> ForDiscountView:
    """The fewest points that take at least ``wanted`` off, rounded up to a whole step."""
    points = desk.fewest(wanted)
    against = [limit for limit in (*caps, *desk.gates(points)) if limit.points < points]
    return {
        "points": points,
        "discount": money_plain(_money(desk, points)),
        "usable": not against,
        "limits": [_limit(limit, binding=True) for limit in against],
    }
