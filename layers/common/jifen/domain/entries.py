"""Entries: the immutable lines of the ledger, and the hash chain through them.

    entry 1 ──hash──> entry 2 ──hash──> entry 3      previous_hash of entry 1 = genesis(member)

An entry says what happened (kind, reason, source), what it did (points, lot changes, debt, held points) and when
(``occurred_at`` in the outside world, ``recorded_at`` here). ``points`` is the change of the balance, where
``balance = available + pending + held - debt``; moving points into a hold or paying a debt changes no balance.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from jifen.domain.lots import Changes

_canonical_json = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


class Kind(StrEnum):
    """What an entry is."""

    EARN = "earn"
    BONUS = "bonus"
    REDEEM = "redeem"
    RESTORE = "restore"
    CLAWBACK = "clawback"
    EXPIRE = "expire"
    ADJUST = "adjust"
    PENALTY = "penalty"
    TRANSFER_OUT = "transfer_out"
    TRANSFER_IN = "transfer_in"
    MERGE_OUT = "merge_out"
    MERGE_IN = "merge_in"
    IMPORT = "import"
    HOLD = "hold"
    RELEASE = "release"


class Reason(StrEnum):
    """Why an entry was written, when the caller gave no reason of its own."""

    ORDER_PAID = "ORDER_PAID"
    ORDER_AMENDED = "ORDER_AMENDED"
    ORDER_REFUNDED = "ORDER_REFUNDED"
    ORDER_CANCELLED = "ORDER_CANCELLED"
    ORDER_MOVED = "ORDER_MOVED"
    ORDER_REDATED = "ORDER_REDATED"
    ORDER_REASSESSED = "ORDER_REASSESSED"
    FRIEND_ORDERED = "FRIEND_ORDERED"
    TASK_REACHED = "TASK_REACHED"
    TASK_UNDONE = "TASK_UNDONE"
    TIER_ALLOWANCE = "TIER_ALLOWANCE"
    BEHAVIOUR_REWARDED = "BEHAVIOUR_REWARDED"
    CHECK_IN_MADE_UP = "CHECK_IN_MADE_UP"
    REDEMPTION = "REDEMPTION"
    REDEMPTION_RESTORED = "REDEMPTION_RESTORED"
    HOLD_AUTHORIZED = "HOLD_AUTHORIZED"
    HOLD_CAPTURED = "HOLD_CAPTURED"
    HOLD_VOIDED = "HOLD_VOIDED"
    HOLD_REMAINDER = "HOLD_REMAINDER"
    HOLD_LAPSED = "HOLD_LAPSED"
    REWARD_ORDERED = "REWARD_ORDERED"
    REWARD_CANCELLED = "REWARD_CANCELLED"
    REWARD_RETURNED = "REWARD_RETURNED"
    REWARD_UNPAID = "REWARD_UNPAID"
    DONATED = "DONATED"
    VOUCHER_BOUGHT = "VOUCHER_BOUGHT"
    DRAW_ENTERED = "DRAW_ENTERED"
    DRAW_PRIZE = "DRAW_PRIZE"
    DRAW_REFUNDED = "DRAW_REFUNDED"
    BID_PLACED = "BID_PLACED"
    BID_OUTBID = "BID_OUTBID"
    BID_RELEASED = "BID_RELEASED"
    AUCTION_WON = "AUCTION_WON"
    TRANSFER_SENT = "TRANSFER_SENT"
    TRANSFER_RECEIVED = "TRANSFER_RECEIVED"
    TRANSFER_CANCELLED = "TRANSFER_CANCELLED"
    LOT_EXPIRED = "LOT_EXPIRED"
    EXPIRY_REVERSED = "EXPIRY_REVERSED"
    LOTS_COMPACTED = "LOTS_COMPACTED"
    VALIDITY_EXTENDED = "VALIDITY_EXTENDED"
    VALIDITY_SHORTENED = "VALIDITY_SHORTENED"
    VALIDITY_REVERSED = "VALIDITY_REVERSED"
    POINTS_VOIDED = "POINTS_VOIDED"


@dataclass(frozen=True, slots=True)
class Source:
    """The business fact behind an entry: ``order`` 536365, ``redemption`` r1, ``hold`` h1, ``schedule`` expire."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry before it has a place in the ledger. Points are whole; changes are signed."""

    kind: Kind
    reason: str
    source: Source
    occurred_at: datetime
    points: int = 0
    lots: Changes = ()
    debt: int = 0
    hold_id: str | None = None
    hold_lots: Changes = ()
    hold_expires_at: datetime | None = None
    why: tuple[Mapping[str, Any], ...] = ()
    actor: str = "system"


@dataclass(frozen=True, slots=True)
class Entry:
    """One ledger line. ``sequence`` starts at 1 and has no gaps; ``hash`` covers every other field."""

    member: str
    sequence: int
    draft: Draft
    balance_after: int
    recorded_at: datetime
    previous_hash: str
    hash: str = field(default="")


def genesis(member: str) -> str:
    """What the first entry of ``member`` names as its predecessor: entries cannot be moved between accounts."""
    return hashlib.sha256(b"jifen ledger 1\n" + member.encode()).hexdigest()


def digest(entry: Entry) -> str:
    """The SHA-256 of the entry's canonical form, lower-case hex."""
    return hashlib.sha256(canonical(entry)).hexdigest()


def canonical(entry: Entry) -> bytes:
    """Every field but the hash as JSON: keys sorted, no blanks, UTF-8, instants in UTC."""
    draft = entry.draft
    fields = {
        "actor": draft.actor,
        "balance_after": entry.balance_after,
        "debt": draft.debt,
        "hold_expires_at": draft.hold_expires_at and instant_text(draft.hold_expires_at),
        "hold_id": draft.hold_id,
        "hold_lots": changes_plain(draft.hold_lots),
        "kind": draft.kind,
        "lots": changes_plain(draft.lots),
        "member": entry.member,
        "occurred_at": instant_text(draft.occurred_at),
        "points": draft.points,
        "previous_hash": entry.previous_hash,
        "reason": draft.reason,
        "recorded_at": instant_text(entry.recorded_at),
        "sequence": entry.sequence,
        "source": [draft.source.type, draft.source.id],
        "why": [dict(reason) for reason in draft.why],
    }
    return _canonical_json(fields).encode()


def changes_plain(changes: Changes) -> list[list[int | str | None]]:
    """Lot changes as ``[[points, expires_on, active_from], …]`` with ISO days."""
    return [[change.points, day_text(change.expires_on), day_text(change.active_from)] for change in changes]


def day_text(day: date | None) -> str | None:
    """``2011-12-31`` or None."""
    return day.isoformat() if day else None


def instant_text(instant: datetime) -> str:
    """RFC 3339 in UTC with microseconds only where there are any: one instant, one text."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
