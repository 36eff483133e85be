"""Proof: what it shows, beside the tampering laws in ``test_laws.py``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jifen.domain.account import Account
from jifen.domain.entries import Entry, digest, genesis
from jifen.domain.lots import LotChange
from jifen.domain.proof import prove
from tests.domain.builders import MEMBER, Desk, cancelled, day, noon, paid


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
    assert (-40, -40) == shown["earned - clawed back - redeemed - expired + transferred = balance"]


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


def _resealed(entries: list[Entry], index: int, **change: object) -> list[Entry]:
    """The ledger with one draft changed and every hash from there on worked out again, as a careful forger would."""
    forged: list[Entry] = []
    for number, entry in enumerate(entries):
        draft = replace(entry.draft, **change) if number == index else entry.draft  # type: ignore[arg-type]
        moved = replace(entry, draft=draft, previous_hash=forged[-1].hash if forged else entry.previous_hash)
        forged.append(replace(moved, hash=digest(moved)))
    return forged


@pytest.mark.parametrize(
    "change",
    [
        {"hold_id": "nobody's"},
        {"hold_id": "nobody's", "hold_lots": (LotChange(-5, None),)},
        {"hold_lots": (LotChange(-5, None),)},
        {"lots": (LotChange(-(10**9), day("2027-03-31")),)},
        {"lots": (LotChange(5, None), LotChange(-5, day("1999-01-01")))},
        {"debt": -(10**9)},
        {"points": 1},
    ],
)
def test_a_forged_entry_makes_the_proof_invalid_and_raises_nothing(change: dict[str, object]) -> None:
    """An entry that names a hold nobody opened, or lots nobody had, under hashes that are right, proves nothing."""
    desk = Desk()
    desk.book(paid(10_000), noon("2026-03-01"))
    held = desk.authorize(40, 900, noon("2026-03-02"))
    desk.void(held.id, noon("2026-03-02"))
    desk.redeem(30, noon("2026-03-03"))
    entries = desk.entries[MEMBER]
    assert prove(desk.account, entries).valid
    for index in range(len(entries)):
        for forged in (
            _resealed(entries, index, **change),
            [*entries[:index], _resealed(entries, index, **change)[index], *entries[index + 1 :]],
        ):
            proof = prove(replace(desk.account, head_hash=forged[-1].hash), forged)
            assert not proof.valid, (index, forged[index])
