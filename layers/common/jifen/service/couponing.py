"""Coupons in use: what a member holds, used on an order by the shop, given back, taken back by an operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jifen.domain import coupons
from jifen.domain.coupons import Bill, Coupon, CouponStatus
from jifen.domain.entries import day_text, instant_text
from jifen.domain.errors import CouponNotFound, LimitReached
from jifen.domain.ids import fingerprint, parse_document_id
from jifen.domain.mall_views import CouponStateView, CouponsView, CouponUsedView, CouponView
from jifen.domain.money import Money
from jifen.domain.program import Moment, Program
from jifen.domain.ruling import AuditLine
from jifen.domain.views import MoneyView
from jifen.service.answering import Answer, Once
from jifen.service.deciding import Decision, decide_once
from jifen.service.mall_documents import CouponKey
from jifen.service.ports import DocumentMoved, Ledger, Loaded, Patience, of_member

_Decide = Callable[[Loaded, CouponKey], Decision]

PAGES_READ_MAX = 10
"""Pages that are looked through for coupons of one status: a filter that matches few gets a short page and a cursor."""


def owner_of(coupon_id: str) -> str:
    """Whose coupon an id is of.

    Raises:
        CouponNotFound: it is none of ours.
    """
    found = parse_document_id(coupon_id)
    if found is None or found.prefix != "cp":
        raise CouponNotFound
    return found.member


def view(coupon: Coupon, program: Program, moment: Moment, *, staff: bool) -> CouponView:
    """A coupon as the API shows it; the order it was used on only to ``staff``."""
    terms, currency = coupon.terms, coupon.currency or program.currency

    def money(name: str) -> MoneyView | None:
        minor = terms.get(name)
        return {"amount_minor": minor, "currency": currency} if minor and currency else None

    shown: CouponView = {
        "coupon_id": coupon.id,
        "member_id": coupon.member,
        "reward_id": coupon.reward,
        "status": str(coupons.status_on(coupon, moment.today)),
        "kind": terms["kind"],
        "discount": money("discount_minor"),
        "percent": terms.get("percent"),
        "max_discount": money("max_discount_minor"),
        "threshold": money("threshold_minor"),
        "uses_per_day": terms.get("uses_per_day"),
        "issued_at": instant_text(coupon.at),
        "expires_on": day_text(coupon.expires_on),
        "used_at": instant_text(coupon.used_at) if coupon.used_at else None,
        "source": {"type": coupon.source[0], "id": coupon.source[1]},
    }
    if staff:
        shown["order"] = {"source": coupon.order[0], "order_id": coupon.order[1]} if coupon.order else None
    return shown


@dataclass(frozen=True, slots=True)
class Couponing:
    """The use cases of one invocation.

    Attributes:
        ledger: where everything is kept.
        program: the program in force.
        moment: now.
        patience: how long the caller can wait.
        subject: the caller's token's subject; an idempotency key is the caller's own.
        actor: role and name, for the audit.
        key: the caller's idempotency key; empty for a request that needs none.
    """

    ledger: Ledger
    program: Program
    moment: Moment
    patience: Patience
    subject: str = ""
    actor: str = "system"
    key: str = ""

    def one(self, coupon_id: str, *, staff: bool) -> CouponView:
        """A coupon.

        Raises:
            CouponNotFound
        """
        key = CouponKey(owner_of(coupon_id), coupon_id)
        return view(_coupon(self.ledger.load([], [key]), key), self.program, self.moment, staff=staff)

    def page(
        self, member: str, status: CouponStatus | None, before: str | None, limit: int, *, staff: bool
    ) -> CouponsView:
        """Up to ``limit`` coupons of a member, in no order; the cursor is the ledger's own."""
        shown: list[CouponView] = []
        for _ in range(PAGES_READ_MAX):
            page = self.ledger.listed(of_member("coupons", member), before, limit)
            shown = [
                view(one, self.program, self.moment, staff=staff)
                for one in page.documents
                if isinstance(one, Coupon) and status in {None, coupons.status_on(one, self.moment.today)}
            ]
            before = page.cursor
            if shown or before is None:
                break
        return {"coupons": shown, "cursor": before}

    def use(self, coupon_id: str, order: tuple[str, str], goods: Money, shipping: Money | None) -> Answer:
        """Use a coupon on an order; the answer is a :class:`CouponUsedView`.

        Raises:
            CouponNotFound, CouponNotUsable, AccountFrozen, LimitReached, IdempotencyKeyReused, Busy
        """
        bill = Bill(order, goods, shipping)
        sums = [[one.amount_minor, one.currency] if one else None for one in (goods, shipping)]

        def decide(loaded: Loaded, key: CouponKey) -> Decision:
            coupon, account = _coupon(loaded, key), loaded.accounts[key.member]
            try:
                after, change, discount = coupons.use(coupon, account, bill, self.program, self.moment)
            except LimitReached:
                # Coupon and account are not read at one instant: it may be this coupon that was used in between.
                if _coupon(self.ledger.load([], [key]), key).version != coupon.version:
                    raise DocumentMoved from None
                raise
            answer: CouponUsedView = {
                "coupon_id": coupon_id,
                "status": str(after.status),
                "discount": {"amount_minor": discount.amount_minor, "currency": discount.currency},
            }
            return Decision(200, answer, {key.member: change}, (after,))

        return self._once("coupon-use", coupon_id, [*order, *sums], decide)

    def release(self, coupon_id: str, order: tuple[str, str]) -> Answer:
        """Give a coupon back whose order came to nothing; the answer is a :class:`CouponStateView`.

        Raises:
            CouponNotFound, CouponNotUsable, WrongStatus, IdempotencyKeyReused, Busy
        """

        def decide(loaded: Loaded, key: CouponKey) -> Decision:
            account = loaded.accounts[key.member]
            after, change = coupons.release(_coupon(loaded, key), account, order, self.program, self.moment)
            return Decision(200, self._status(after), {key.member: change}, (after,))

        return self._once("coupon-release", coupon_id, [*order], decide)

    def void(self, coupon_id: str, reason: str) -> Answer:
        """Take a coupon back; a line of the audit says who did and why. The answer is a :class:`CouponStateView`.

        Raises:
            CouponNotFound, WrongStatus, IdempotencyKeyReused, Busy
        """
        once = Once.asked(self.subject, self.key, "")

        def decide(loaded: Loaded, key: CouponKey) -> Decision:
            after = coupons.void(_coupon(loaded, key), self.moment)
            target, details = f"coupon/{coupon_id}", {"reward": after.reward}
            line = AuditLine(once.key[:22], self.moment.now, self.actor, "coupon.voided", target, reason, details)
            return Decision(200, self._status(after), {}, (after, line))

        return self._once("coupon-void", coupon_id, [reason], decide)

    def _once(self, operation: str, coupon_id: str, asked: list[Any], decide: _Decide) -> Answer:
        key = CouponKey(owner_of(coupon_id), coupon_id)
        once = Once.asked(self.subject, self.key, fingerprint(operation, [coupon_id, *asked]))
        return decide_once(self.ledger, self.patience, once, [key.member], [key], lambda loaded: decide(loaded, key))[1]

    def _status(self, coupon: Coupon) -> CouponStateView:
        status = coupons.status_on(coupon, self.moment.today)
        return {"coupon_id": coupon.id, "status": str(status), "expires_on": day_text(coupon.expires_on)}


def _coupon(loaded: Loaded, key: CouponKey) -> Coupon:
    found = loaded.documents.get(key)
    if not isinstance(found, Coupon):
        raise CouponNotFound
    return found
