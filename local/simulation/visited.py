"""What the rows of a run tell of it: the states it came to, so that nobody believes in a check without its case."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from local.simulation.departments import DEPARTMENTS
from local.simulation.table import Item, said

REASONS = (
    "CAMPAIGN_NOT_YET",
    "CAMPAIGN_OVER",
    "CAMPAIGN_PAUSED",
    "CAMPAIGN_ENDED",
    "CAMPAIGN_CANCELED",
    "TIER",
    "ORDER_NUMBER",
    "NOT_REPEATED",
)
"""Why a rule may not have applied to an order when it was first awarded."""


def visited(kind: str, item: Item) -> Iterator[str]:
    """The states that one row tells of; ``kind`` is the first part of its sort key."""
    for tells in (*([_KINDS[kind]] if kind in _KINDS else ()), *_OF_DEPARTMENTS.get(kind, ())):
        yield from tells(item)


def _entry(item: Item) -> Iterator[str]:
    yield f"entry {item['kind']['S']} {item['reason']['S']}"
    names = {name for line in (said(item["why"]) if "why" in item else ()) for name in line}
    if "cap" in names:
        yield "a cap took something away"
    if "budget_left" in names:
        yield "a budget took something away"


def _order(item: Item) -> Iterator[str]:
    text = "".join(json.dumps(said(item[role])) for role in ("award", "referral") if role in item)
    yield from (f"rule refused: {reason}" for reason in REASONS if f'"{reason}"' in text)


def _event(item: Item) -> Iterator[str]:
    facts = json.loads(item["facts"]["S"])
    yield f"event {facts['status']}" + (" by an operator" if facts.get("decided_by") else "")


def _value(_item: Item) -> Iterator[str]:
    yield "value used up"


def _campaign(item: Item) -> Iterator[str]:
    yield f"campaign {json.loads(item['facts']['S']).get('status', 'ACTIVE')}"


def _account(item: Item) -> Iterator[str]:
    memory = said(item["standing"]) if "standing" in item else {}
    if memory.get("tier", ["plain"])[0] != "plain":
        yield "ended with a level"
    if any(first < last for runs in memory.get("runs", {}).values() for first, last in runs):
        yield "ended with a run of days"
    lots = json.loads(item["lots"]["S"]) if "lots" in item else []
    if any(len(lot) > 2 for lot in lots):  # noqa: PLR2004 - the first day of use is the third of it
        yield "ended with points that wait"


_KINDS: Mapping[str, Callable[[Item], Iterator[str]]] = {
    "E": _entry,
    "O": _order,
    "K": _event,
    "N": _value,
    "G": _campaign,
    "A": _account,
}

_OF_DEPARTMENTS: Mapping[str, list[Callable[[Item], Iterator[str]]]] = {
    kind: [one.visited[kind] for one in DEPARTMENTS if kind in one.visited]
    for kind in {kind for one in DEPARTMENTS for kind in one.visited}
}
