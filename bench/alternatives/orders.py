"""What an order is worth, for the two alternatives and for the balances that every path is held against.

It follows docs/architecture.md, "Orders converge", and shares no code with ``jifen``: a state is a plain dict that can
be kept as JSON, in which the same fact counts once in whatever order facts come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

MINOR_PER_POINT = 100
YEARS_VALID = 30
"""As the program of the comparison: nothing expires in it, because the alternatives have no sweep."""

State = dict[str, Any]


def empty() -> State:
    """An order nobody has heard of."""
    return {"paid": None, "refunds": {}, "cancelled": False, "granted": 0}


def joined(state: State, event: Mapping[str, Any]) -> State:
    """The state with one more fact; equal to the one before when the fact is known."""
    match event["type"]:
        case "order.paid":
            paid = {
                "member": event["customer_id"],
                "revision": event.get("revision", 0),
                "at": event["occurred_at"],
                "lines": [[line["n"], _amount(line), line.get("kind", "goods")] for line in event["lines"]],
            }
            known = state["paid"]
            return {**state, "paid": paid} if known is None or known["revision"] < paid["revision"] else state
        case "order.refunded":
            lines = [[_amount(line), line.get("kind"), line.get("orig_line")] for line in event.get("lines", ())]
            refund = {"lines": lines, "total": event.get("total_minor", 0)}
            return {**state, "refunds": {event["refund_id"]: refund, **state["refunds"]}}
        case _:
            return {**state, "cancelled": True}


def worth(state: State) -> int:
    """The points of what the buyer kept."""
    paid = state["paid"]
    if paid is None or paid["member"] is None or state["cancelled"]:
        return 0
    kinds = {number: kind for number, _, kind in paid["lines"]}
    basis = sum(amount for _, amount, kind in paid["lines"] if kind == "goods")
    basis -= sum(amount for _, amount, kind in paid["lines"] if kind == "discount")
    given_back = sum(_given_back(refund, kinds) for refund in state["refunds"].values())
    kept: int = max(0, max(0, basis) - given_back)
    return kept // MINOR_PER_POINT


def expires_on(state: State) -> str:
    """The last valid day of the order's points: a month's end, so that a month's orders share a lot."""
    paid_on = date.fromisoformat(state["paid"]["at"][:10])
    return f"{paid_on.year + YEARS_VALID}-{paid_on.month:02d}-28"


def balances(events: Iterable[Mapping[str, Any]], spent: Iterable[tuple[str, int]]) -> dict[str, int]:
    """What each member must have: the worth of all orders, less the redemptions that were answered with yes."""
    states: dict[str, State] = {}
    found: dict[str, int] = {}
    for event in events:
        if event["type"].startswith("order.") and event.get("order_id") is not None:
            states[event["order_id"]] = joined(states.get(event["order_id"], empty()), event)
        if event.get("customer_id"):
            found.setdefault(event["customer_id"], 0)
    for state in states.values():
        if points := worth(state):
            found[state["paid"]["member"]] += points
    for member, points in spent:
        found[member] -= points
    return found


def _amount(line: Mapping[str, Any]) -> int:
    amount: int = line.get("line_total_minor", line["qty"] * line["unit_price_minor"])
    return amount


def _given_back(refund: Mapping[str, Any], kinds: Mapping[int, str]) -> int:
    if not refund["lines"]:
        return int(refund["total"])
    return sum(amount for amount, kind, line in refund["lines"] if (kind or kinds.get(line, "goods")) == "goods")
