"""Proof: what it shows, beside the tampering laws in ``test_laws.py``."""

from __future__ import annotations

from dataclasses import replace

from jifen.domain.account import Account
from jifen.domain.entries import genesis
from jifen.domain.proof import prove
from tests.domain.builders import MEMBER, Desk, cancelled, noon, paid


def test_nothing_proves_nothing() -> None:
    """An account nobody has seen is valid: no entries, and the member's own beginning as the head."""
    proof = prove(Account(MEMBER), [])
    assert (True, 0, genesis(MEMBER)) == (proof.valid, proof.entries, proof.head_hash)


def test_a_proof_counts_its_entries_and_ends_in_the_last_hash() -> None:
    """The report names how many entries were read, the last hash, and equations that all hold."""
    desk = Desk()
    desk.book(paid(10_000), noon("2026-03-01"))
    desk.redeem(40, noon("2026-03-02"))
    desk.book(cancelled(), noon("2026-03-03"))
    entries = desk.entries[MEMBER]
    proof = prove(desk.account, iter(entries))
    assert (True, 3, entries[-1].hash) == (proof.valid, proof.entries, proof.head_hash)
    shown = {equation.name: (equation.left, equation.right) for equation in proof.equations}
    assert len(shown) == len(proof.equations)
    assert (-40, -40) == shown["sum of entries = balance"]
    assert (40, 40) == shown["debt of entries = debt"]
    assert (0, 0) == shown["lots of entries = lots"]
    assert (100, 100) == shown["earned of entries = earned"]
    assert (-40, -40) == shown["earned - clawed back - redeemed - expired = balance"]


def test_a_broken_entry_ends_the_derivation_and_is_named() -> None:
    """The equation of the chain says where it broke, and the others show how far the derivation came."""
    desk = Desk()
    for number in range(4):
        desk.book(paid(1_000, order_id=f"o{number}"), noon("2026-03-01"))
    entries = desk.entries[MEMBER]
    entries[2] = replace(entries[2], balance_after=31)
    proof = prove(desk.account, entries)
    broken = {equation.name: equation for equation in proof.equations if not equation.holds}
    assert (False, 2) == (proof.valid, proof.entries)
    assert "the chain breaks at entry 3" == broken["hash chain is whole"].left
    assert (20, 40) == (broken["sum of entries = balance"].left, broken["sum of entries = balance"].right)


def test_a_gap_is_named() -> None:
    """A missing entry is reported by its number."""
    desk = Desk()
    for number in range(3):
        desk.book(paid(1_000, order_id=f"o{number}"), noon("2026-03-01"))
    first, _, third = desk.entries[MEMBER]
    proof = prove(desk.account, [first, third])
    assert "entry 2 is missing" == proof.equations[0].left


def test_an_account_below_zero_is_not_valid() -> None:
    """A debt below zero fails the proof in an equation of its own."""
    proof = prove(replace(Account(MEMBER), debt=-5), [])
    assert "nothing below zero" in {equation.name for equation in proof.equations if not equation.holds}
