"""The rows of a run of the mall, read commit by commit from what stands in the table, by nobody else's reader.

commit ──> Books: every document as it is now, by kind and id          Change: a document before and after it
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from local.audit.rows import Account, Entry, Fields, read_account, read_entry
from local.simulation.table import Commit, Item, said

Facts = Mapping[str, Any]

STOCK, ORDER, DRAW, COUPON, BID, AUCTION, LOTTERY = "ST", "RO", "DW", "CP", "BD", "AU", "LT"

_KEPT = frozenset({STOCK, ORDER, DRAW, COUPON, BID, AUCTION, LOTTERY})
_LONG = {STOCK: "codes", AUCTION: "content", LOTTERY: "content"}
"""The field that is kept apart."""

ENDED = ("CANCELED", "RETURNED")
"""The states of an order whose points went back."""

NEVER = "ABANDONED"
"""The state of an order or draw that never was."""


class Change(NamedTuple):
    """A document that a commit wrote: its kind, its name, and what it was (None: nothing) and is."""

    kind: str
    name: str
    before: Facts | None
    after: Facts


@dataclass
class Books:
    """Every document, account and entry as of the commits that were taken in."""

    documents: dict[str, dict[str, Facts]] = field(default_factory=lambda: defaultdict(dict))
    accounts: dict[str, Account] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def take(self, commit: Commit) -> list[Change]:
        """Take a commit in; the documents that it wrote."""
        changes = []
        for (pk, sk), item in commit.puts.items():
            kind, _, name = sk.partition("#")
            if pk.startswith("M#") and kind == "A":
                self.accounts[pk[2:]] = read_account(pk[2:], Fields(item))
            elif pk.startswith("M#") and kind == "E":
                self.entries.append(read_entry(pk[2:], int(name), Fields(item)))
            elif kind in _KEPT:
                facts = _facts(kind, item)
                name = _name(kind, facts)
                changes.append(Change(kind, name, self.documents[kind].get(name), facts))
        for change in changes:
            self.documents[change.kind][change.name] = change.after
        return changes

    def of(self, kind: str) -> Mapping[str, Facts]:
        """Every document of a kind, by name."""
        return self.documents[kind]

    def orders(self) -> Iterator[tuple[str, Facts]]:
        """Orders that were posted."""
        return ((name, one) for name, one in self.of(ORDER).items() if one["status"] != NEVER)

    def draws(self) -> Iterator[tuple[str, Facts]]:
        """Draws that were made."""
        return ((name, one) for name, one in self.of(DRAW).items() if one.get("status") != NEVER)

    def shards(self, subject: str) -> list[Facts]:
        """The shards of a stock."""
        return [one for one in self.of(STOCK).values() if one["subject"] == subject]

    def free(self, subject: str) -> int | None:
        """Free pieces of a stock; None where there is no end of them."""
        found = [one.get("free") for one in self.shards(subject)]
        return None if None in found else sum(map(int, filter(None, found)))

    def entries_of(self, kind: str, name: str) -> list[Entry]:
        """The entries that name this as their source."""
        return [one for one in self.entries if one.source == (kind, name)]


def _facts(kind: str, item: Item) -> Facts:
    facts = json.loads(item["facts"]["S"])
    if kind in _LONG and "text" in item:
        facts[_LONG[kind]] = said(item["text"])
    return {**facts, "version": int(item["version"]["N"])}


def _name(kind: str, facts: Facts) -> str:
    return f"{facts['subject']} {facts['shard']}" if kind == STOCK else str(facts["id"])


def instant(text: str) -> datetime:
    """An instant as rows have it."""
    return datetime.fromisoformat(text)


def reserved(shard: Facts) -> Mapping[str, Facts]:
    """What a shard keeps for whom."""
    found: Mapping[str, Facts] = shard.get("reserved", {})
    return found


def pieces_of(document: Facts) -> Mapping[str, int]:
    """Pieces of an order or draw, by shard."""
    found: Mapping[str, int] = document.get("pieces", {})
    return found


def statuses(order: Facts) -> list[str]:
    """The way of an order."""
    return [step["status"] for step in order.get("steps", ())]


def was_seen(order: Facts) -> bool:
    """Whether its member could see its codes."""
    return "FULFILLED" in statuses(order)
