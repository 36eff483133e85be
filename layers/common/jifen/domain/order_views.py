"""Reward orders as the API shows them; see :mod:`jifen.domain.mall_views` for the shapes."""

from __future__ import annotations

from typing import Any, cast

from jifen.domain.account import Account
from jifen.domain.entries import instant_text
from jifen.domain.exchanges import as_it_is, seen
from jifen.domain.mall_views import AddressView, OrderStepView, ReceiptView, RewardOrderView, ShippingView
from jifen.domain.program import Moment
from jifen.domain.reward_orders import RewardOrder
from jifen.domain.rewards import OrderStatus, Step
from jifen.domain.spending import lots_plain
from jifen.domain.views import MoneyView

ENDED = (OrderStatus.CANCELED, OrderStatus.RETURNED)


def order_view(order: RewardOrder, moment: Moment, account: Account | None = None) -> RewardOrderView:
    """An order as it is now: what is overdue is shown as over, codes only once everything was paid.

    ``account`` is looked at for what is available.
    """
    status, details = as_it_is(order, moment), order.details
    waits = status in {OrderStatus.CREATED, OrderStatus.ADDRESS_DUE}
    paid = "payment_id" in details
    view: RewardOrderView = {
        "order_id": order.id,
        "member_id": order.member,
        "reward_id": order.reward,
        "kind": order.kind,
        "title": order.title,
        "status": str(status),
        "quantity": order.quantity,
        "points": order.points,
        "cash": _money(order),
        "cash_due": _money(order) if status is OrderStatus.CREATED else None,
        "refund_due": _money(order) if paid and status in ENDED else None,
        "payment_id": details.get("payment_id"),
        "due": instant_text(order.due) if waits and order.due else None,
        "ordered_at": instant_text(order.at),
        "lots": lots_plain(order.spent),
        "restored": order.restored,
        "returned": order.returned,
        "codes": list(order.codes) if seen(order) else [],
        "coupons": list(details.get("coupons", ())),
        "receipt": None if status in ENDED else _receipt(order),
        "points_credited": (details.get("credited") or {}).get("points", 0),
        "address": cast("AddressView", dict(order.address)) if order.address else None,
        "shipping": cast("ShippingView", dict(order.shipping)) if order.shipping else None,
        "source": {"type": order.source[0], "id": order.source[1]} if order.source else None,
        "steps": [_step(one) for one in order.steps],
    }
    if account is not None:
        view["available"] = account.available(moment.today)
    return view


def _money(order: RewardOrder) -> MoneyView | None:
    if not order.cash_minor:
        return None
    return {"amount_minor": order.cash_minor, "currency": order.currency or ""}


def _step(step: Step) -> OrderStepView:
    """A step; of who took it only the role is shown."""
    return {
        "status": str(step.status),
        "at": instant_text(step.at),
        "by": step.by.partition(":")[0],
        "note": step.note,
    }


def _receipt(order: RewardOrder) -> ReceiptView | None:
    kept: dict[str, Any] | None = order.details.get("receipt")
    if kept is None:
        return None
    return {
        "number": kept["number"],
        "reward_id": order.reward,
        "title": order.title,
        "unit": order.details.get("unit", ""),
        "quantity": order.quantity,
        "points": order.points,
        "cash": _money(order),
        "at": kept["at"],
        "member_id": order.member,
    }
