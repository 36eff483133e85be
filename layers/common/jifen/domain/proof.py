"""Proof: the account derived again from its entries alone, and every equation that must hold between the two."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jifen.domain import lots as lot_book
from jifen.domain.account import Account, apply
from jifen.domain.entries import Entry, Kind, digest, genesis
from jifen.domain.errors import LedgerFault

BETWEEN_MEMBERS = frozenset({Kind.TRANSFER_IN, Kind.TRANSFER_OUT})
"""Entries whose points come from another account or go there: they are in no lifetime figure."""


@dataclass(frozen=True, slots=True)
class Equation:
    """``left`` must equal ``right``; ``holds`` says whether it does, in every detail and not just in sum."""

    name: str
    left: int | str
    right: int | str
    holds: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome: ``entries`` were read, the chain ends in ``head_hash``."""

    valid: bool
    entries: int
    head_hash: str
    equations: tuple[Equation, ...]


def prove(account: Account, entries: Iterable[Entry]) -> Proof:
    """Compare the stored ``account`` with what its ``entries`` (sequence 1 first) add up to.

    A broken entry ends the derivation; the equations then show how far it came.
    """
    derived = Account(account.member)
    head, count, points, moved, fault = genesis(account.member), 0, 0, 0, ""
    for entry in entries:
        fault = _fault(derived, entry, head)
        if fault:
            break
        try:
            derived = apply(derived, entry)
        except LedgerFault as wrong:
            fault = str(wrong)
            break
        count, head, points = count + 1, entry.hash, points + entry.draft.points
        moved += entry.draft.points if entry.draft.kind in BETWEEN_MEMBERS else 0
    equations = _equations(account, derived, points, moved, fault)
    return Proof(all(equation.holds for equation in equations), count, head, equations)


def _fault(derived: Account, entry: Entry, head: str) -> str:
    if entry.sequence != derived.version + 1:
        return f"entry {derived.version + 1} is missing"
    if entry.previous_hash != head or digest(entry) != entry.hash or entry.member != derived.member:
        return f"the chain breaks at entry {entry.sequence}"
    if entry.balance_after != derived.balance + entry.draft.points:
        return f"balance_after is wrong at entry {entry.sequence}"
    return ""


def _equations(account: Account, derived: Account, points: int, moved: int, fault: str) -> tuple[Equation, ...]:
    life, zero = account.lifetime, derived.lifetime
    flow = zero.earned - zero.clawed_back - zero.redeemed - zero.expired + moved
    lots, lots_derived = lot_book.total(account.lots), lot_book.total(derived.lots)
    held = {hold.hold_id: hold for hold in account.holds}
    held_derived = {hold.hold_id: hold for hold in derived.holds}
    return (
        Equation("hash chain is whole", fault or "whole", "whole", not fault),
        Equation("entries = version", derived.version, account.version, derived.version == account.version),
        Equation("last hash = head", derived.head_hash, account.head_hash, derived.head_hash == account.head_hash),
        Equation("sum of entries = balance", points, account.balance, points == account.balance),
        Equation("lots of entries = lots", lots_derived, lots, derived.lots == account.lots),
        Equation("held of entries = open holds", derived.held, account.held, held_derived == held),
        Equation("debt of entries = debt", derived.debt, account.debt, derived.debt == account.debt),
        Equation("earned of entries = earned", zero.earned, life.earned, zero.earned == life.earned),
        Equation("redeemed of entries = redeemed", zero.redeemed, life.redeemed, zero.redeemed == life.redeemed),
        Equation("expired of entries = expired", zero.expired, life.expired, zero.expired == life.expired),
        Equation(
            "clawed back of entries = clawed back",
            zero.clawed_back,
            life.clawed_back,
            zero.clawed_back == life.clawed_back,
        ),
        Equation("earned - clawed back - redeemed - expired + transferred = balance", flow, points, flow == points),
        Equation("nothing below zero", min(0, account.debt, lots), 0, account.debt >= 0 and lots >= 0),
    )
