"""Reading: what a member, a shop or an operator sees of an account. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jifen.domain import tiers
from jifen.domain.account import Account, as_of
from jifen.domain.calendar import DAY, day_start
from jifen.domain.entries import Entry, Kind, instant_text
from jifen.domain.lots import LotChange
from jifen.domain.member_views import CountdownLotView, EntryView, LotsView, MemberView, NextExpiryView, ProofView
from jifen.domain.program import ClawbackPolicy, Moment, Program
from jifen.domain.proof import Proof, prove
from jifen.domain.spending import lot_plain, lots_plain
from jifen.service.ports import Ledger

ENTRIES_READ_MAX = 1_000
"""The most entries one page looks at; a filter that matches few gets a short page and a cursor, not a slow answer."""


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries: of ``kind``, with ``since <= occurred_at < until``; None means any."""

    kind: Kind | None = None
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, entry: Entry) -> bool:
        """Whether the entry is wanted."""
        draft = entry.draft
        return (
            (self.kind is None or draft.kind is self.kind)
            and (self.since is None or draft.occurred_at >= self.since)
            and (self.until is None or draft.occurred_at < self.until)
        )


def member_view(account: Account, program: Program, moment: Moment) -> MemberView:
    """The member object of the API, true at ``moment`` whether or not a sweep has run."""
    account = as_of(account, moment).account
    available, debt = account.available(moment.today), account.debt
    if program.clawback is ClawbackPolicy.NEGATIVE:
        available, debt = available - debt, 0
    dated = [lot for lot in account.lots if lot.expires_on is not None]
    next_expiry: NextExpiryView | None = None
    if dated:
        day = min(lot.expires_on for lot in dated if lot.expires_on is not None)
        next_expiry = {"on": day.isoformat(), "points": sum(lot.points for lot in dated if lot.expires_on == day)}
    life = account.lifetime
    return {
        "member_id": account.member,
        "status": str(account.status),
        "available": available,
        "pending": account.pending(moment.today),
        "held": account.held,
        "debt": debt,
        "balance": account.balance,
        "lifetime": {
            "earned": life.earned,
            "redeemed": life.redeemed,
            "expired": life.expired,
            "clawed_back": life.clawed_back,
        },
        "tier": tiers.view(account.standing, terms, moment.today) if (terms := program.rules.tiers) else {},
        "version": account.version,
        "next_expiry": next_expiry,
    }


def lots_view(account: Account, moment: Moment) -> LotsView:
    """The lots, soonest first, each with what is left of its time; ``active_from`` only while it is ahead."""
    lots = as_of(account, moment).account.lots
    merged: dict[tuple[Any, Any], int] = {}
    for lot in lots:
        key = (lot.expires_on, lot.active_from if lot.pending(moment.today) else None)
        merged[key] = merged.get(key, 0) + lot.points
    return {"lots": [_counting_down(LotChange(points, *key), moment) for key, points in merged.items()]}


def _counting_down(lot: LotChange, moment: Moment) -> CountdownLotView:
    plain, last = lot_plain(lot), lot.expires_on
    return {
        "points": plain["points"],
        "expires_on": plain["expires_on"],
        "active_from": plain["active_from"],
        "days_left": None if last is None else (last - moment.today).days,
        "ends_at": None if last is None else instant_text(day_start(last + DAY, moment.zone)),
    }


def entry_view(entry: Entry) -> EntryView:
    """An entry as the API shows it: what, how much, why, which lots."""
    draft = entry.draft
    return {
        "sequence": entry.sequence,
        "kind": str(draft.kind),
        "reason": draft.reason,
        "points": draft.points,
        "balance_after": entry.balance_after,
        "source": {"type": draft.source.type, "id": draft.source.id},
        "actor": draft.actor,
        "occurred_at": instant_text(draft.occurred_at),
        "recorded_at": instant_text(entry.recorded_at),
        "why": [dict(reason) for reason in draft.why],
        "lots": lots_plain(draft.lots),
        "held": sum(change.points for change in draft.hold_lots),
        "debt": draft.debt,
        "hash": entry.hash,
    }


def entries_page(
    ledger: Ledger, member: str, wanted: EntryFilter, limit: int, before: int | None
) -> tuple[list[EntryView], int | None]:
    """Up to ``limit`` entries, newest first, and the sequence to go on below (None: there are no older ones)."""
    found: list[EntryView] = []
    read = 0
    while True:
        page = ledger.entries(member, before, limit)
        for entry in page.entries:
            before = entry.sequence
            if wanted.matches(entry):
                found.append(entry_view(entry))
                if len(found) == limit:
                    return found, before if before > 1 else None
        read += len(page.entries)
        if not page.more or (before is not None and before <= 1):
            return found, None
        if read >= ENTRIES_READ_MAX:
            return found, before


def proof_view(proof: Proof) -> ProofView:
    """The proof as the API shows it."""
    return {
        "valid": proof.valid,
        "entries": proof.entries,
        "head_hash": proof.head_hash,
        "equations": [
            {"name": equation.name, "left": equation.left, "right": equation.right, "holds": equation.holds}
            for equation in proof.equations
        ],
    }


def prove_member(ledger: Ledger, member: str) -> Proof:
    """Derive the account from its entries and compare.

    The account is read before its entries: entries written in between are beyond its version and left out.
    """
    account = ledger.load([member]).accounts[member]
    history = (entry for entry in ledger.history(member) if entry.sequence <= account.version)
    return prove(account, history)
