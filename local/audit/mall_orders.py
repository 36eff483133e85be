"""Reward orders and coupons, each against the entries that took, gave and returned its points."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from local.audit.documents import judge_restores
from local.audit.laws import Terms, Violation
from local.audit.lots import merged, negated
from local.audit.mall_rows import ENDED, Document, Mall
from local.audit.rows import Entry, whole_number
from local.audit.table import Member

_Faults = Iterator[tuple[str, str]]
_BEGIN = frozenset({"CREATED", "ADDRESS_DUE", "TO_SHIP", "FULFILLED"})
_STEPS: Mapping[str, frozenset[str]] = {
    "CREATED": frozenset({"CREATED", "ADDRESS_DUE", "TO_SHIP", "FULFILLED", "CANCELED"}),
    "ADDRESS_DUE": frozenset({"TO_SHIP", "CANCELED", "FORFEITED"}),
    "TO_SHIP": frozenset({"TO_SHIP", "SHIPPED", "FULFILLED", "CANCELED"}),
    "SHIPPED": frozenset({"SHIPPED", "FULFILLED", "CANCELED", "RETURNED"}),
    "FULFILLED": frozenset({"FULFILLED", "CANCELED", "RETURNED"}),
}
_BACK = {"CANCELED": {"REWARD_CANCELLED", "REWARD_UNPAID"}, "RETURNED": {"REWARD_RETURNED"}}


@dataclass
class _Traces:
    """What the entries say of one reward order."""

    redeemed: list[Entry] = field(default_factory=list)
    restored: list[Entry] = field(default_factory=list)
    credited: list[Entry] = field(default_factory=list)
    taken_back: list[Entry] = field(default_factory=list)
    other: list[Entry] = field(default_factory=list)


_KINDS = {"redeem": "redeemed", "restore": "restored", "bonus": "credited", "clawback": "taken_back"}


def judge_reward_orders(
    member: Member, mall: Mall, graces: Collection[int], terms: Terms, *, may_forgive: bool
) -> Iterator[Violation]:
    """Every reward order and coupon of a member, and every entry that names an order.

    ``graces`` are the days for which points that had lapsed may have come back, ``may_forgive`` says whether points
    that are taken back may ever have been let go.
    """
    traces: dict[str, _Traces] = defaultdict(_Traces)
    for entry in member.history:
        if entry.source[0] == "reward_order":
            getattr(traces[entry.source[1]], _KINDS.get(entry.kind, "other")).append(entry)
    orders = {name: one for name, one in mall.orders.items() if one.member == member.member}
    for name in sorted({*traces, *orders}):
        order, trace = orders.get(name), traces[name]
        if order is None or not order.posted:
            if name in traces and any(vars(trace).values()):
                yield Violation("reward orders", name, "entries name it and it was never made")
            continue
        for law, detail in (
            *_price(order, trace, member, mall),
            *_way(order),
            *_voucher(order, trace, may_forgive=may_forgive),
            *_back(order, trace),
            *judge_restores(order.spent, order["restored"], trace.restored, graces, terms),
            *_issued(order, mall),
        ):
            yield Violation(law, name, detail)
    for name, coupon in mall.coupons.items():
        if coupon.member == member.member:
            for detail in _coupon(coupon, mall):
                yield Violation("coupons", name, detail)


# Points --------------------------------------------------------------------------------------------------------------


def _price(order: Document, trace: _Traces, member: Member, mall: Mall) -> _Faults:
    kind, name = order["source"] or ("", "")
    taken, points = trace.redeemed, order["points"]
    match kind:
        case "":
            lots = [negated(merged(entry.lots)) for entry in taken]
            reason = {"donation": "DONATED"}.get(order["kind"], "REWARD_ORDERED")
        case "auction":
            taken = [
                one for one in member.history if one.kind == "redeem" and one.hold_id == order["details"].get("bid")
            ]
            lots = [negated(merged(entry.hold_lots)) for entry in taken]
            reason = "AUCTION_WON"
            if mall.readable and getattr(mall.auctions.get(name), "facts", {}).get("order") != order["id"]:
                yield "reward orders", f"auction {name} does not know it"
        case "draw":
            lots, reason = [], ""
            if mall.draws.get(name) is None or mall.draws[name]["order"] != order["id"]:
                yield "reward orders", f"draw {name} does not know it"
        case _:
            yield "reward orders", f"comes of a {kind}"
            return
    due = [(-points, reason, order["at"])] if points else []
    found = [(entry.points, entry.reason, entry.occurred) for entry in taken]
    if found != due or trace.other:
        yield "reward orders", f"took {points}; by entries {[str(entry) for entry in (*taken, *trace.other)]}"
    elif lots != ([order.spent] if points else []) or sum(order.spent.values()) != points:
        yield "reward orders", f"spent {order.spent}; by entries {lots}"


def _back(order: Document, trace: _Traces) -> _Faults:
    """What went back, as the status asks."""
    status, points, returned, quantity = (order[name] for name in ("status", "points", "returned", "quantity"))
    due = points if status in ENDED else points * returned // quantity
    if order["restored"] != due or not returned <= quantity or (returned == quantity) != (status == "RETURNED"):
        yield "reward orders", f"{status}, {returned} of {quantity} returned, {order['restored']} of {points} restored"
    reasons = [entry.reason for entry in trace.restored]
    last = _BACK.get(status, {"REWARD_RETURNED"})
    if any(reason != "REWARD_RETURNED" for reason in reasons[:-1]) or not set(reasons[-1:]) <= {
        *last,
        "REWARD_RETURNED",
    }:
        yield "reward orders", f"{status}; restored as {reasons}"


def _voucher(order: Document, trace: _Traces, *, may_forgive: bool) -> _Faults:
    """The points of a voucher, given once it is paid, and taken back with it."""
    done = order["kind"] == "voucher" and "FULFILLED" in order.steps
    points = whole_number(order["details"].get("voucher_points", 0)) if done else 0
    gave = [(entry.points, entry.reason) for entry in trace.credited]
    if gave != ([(points, "VOUCHER_BOUGHT")] if points else []):
        yield "reward orders", f"gives {points}; by entries {gave}"
    due = [points] if points and order["status"] in ENDED else []
    took = [_said(entry, "forgiven") - entry.points for entry in trace.taken_back]
    if took != due and not (due and not took and may_forgive):
        yield "reward orders", f"{due} was to be taken back; by entries {took}"


def _said(entry: Entry, name: str) -> int:
    return whole_number(entry.why[-1].get(name, 0)) if entry.why else 0


# Its way, its pieces -------------------------------------------------------------------------------------------------


def _way(order: Document) -> _Faults:
    steps = order.steps
    if not steps or steps[0] not in _BEGIN or steps[-1] != order["status"]:
        yield "reward orders", f"is {order['status']} after {steps}"
    elif any(then not in _STEPS.get(now, ()) for now, then in pairwise(steps)):
        yield "reward orders", f"went from {' to '.join(steps)}"
    has, back = sum(order["pieces"].values()), sum(order["back"].values())
    if order["stock"]:
        least = 0 if order["status"] in {*ENDED, "FORFEITED"} else order["quantity"] - order["returned"]
        if not least <= has <= order["quantity"] or back > has:
            yield "reward orders", f"{order['quantity']} pieces, {order['returned']} returned, {has} from the stock"
        kept = order["status"] in {"CANCELED", "FORFEITED"} and has and not order["put_back"]
        if kept and not (order["codes"] and "FULFILLED" in steps) and not order["returned"]:
            yield "reward orders", f"{order['status']} keeps {has} pieces"
    elif has or order["codes"]:
        yield "reward orders", f"has {has} pieces of no stock"
    if order["codes"] and len(order["codes"]) != has:
        yield "codes", f"{len(order['codes'])} codes, {has} pieces"


# Coupons -------------------------------------------------------------------------------------------------------------


def _issued(order: Document, mall: Mall) -> _Faults:
    """The coupons of an order: one for each piece once it is paid, none used where it was taken back."""
    names: list[Any] = order["details"].get("coupons", [])
    due = order["quantity"] if order["kind"] == "coupon" and "FULFILLED" in order.steps else 0
    if len(set(names)) != len(names) or len(names) != due:
        yield "coupons", f"{names}, and {due} were due"
    for name in names:
        coupon = mall.coupons.get(name)
        if coupon is None or coupon["source"] != ["reward_order", order["id"]]:
            yield "coupons", f"{name} is not there, or not of it"
        elif order["status"] in ENDED and coupon["status"] != "VOID":
            yield "coupons", f"{name} is {coupon['status']}, and it was taken back"


def _coupon(coupon: Document, mall: Mall) -> Iterator[str]:
    kind, name = coupon["source"]
    source = {"reward_order": mall.orders, "draw": mall.draws}.get(kind, {}).get(name)
    if source is None or source.member != coupon.member or not source.posted:
        yield f"came of {kind} {name}, which is not there"
    elif coupon["id"] not in (source["details"].get("coupons", []) if kind == "reward_order" else [source["coupon"]]):
        yield f"{kind} {name} does not know it"
    used = (coupon["order"] is not None, coupon["used_at"] is not None, coupon["discount_minor"] > 0)
    if set(used) != {coupon["status"] == "USED"}:
        yield f"is {coupon['status']}, used on {coupon['order']} for {coupon['discount_minor']}"
