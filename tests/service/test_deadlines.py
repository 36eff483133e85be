"""Deadlines: what is overdue is settled once, the most overdue first, and one that is broken keeps nobody waiting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from jifen.domain.errors import Busy
from jifen.domain.ruling import AuditLine
from jifen.service.deadlines import PAGE, Deadlines, Settled
from jifen.service.mall_documents import RewardOrderKey
from jifen.service.ports import DocumentKey, Loaded, Patience, Posting, audit_of, deadlines
from tests.service.ledgers import Raced
from tests.service.mall import PROGRAM, counts, exchange, later, order_of, reward, settle
from tests.service.scene import balance_of, give, points_of, proved
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient


@pytest.fixture
def shop(ledger: MemoryLedger) -> MemoryLedger:
    """Cups that need an address, jars that cost money besides, and a member with 1,000 points."""
    give(ledger, "m1", 1_000)
    reward(ledger)
    reward(ledger, "jar", cash_minor=1_000)
    return ledger


class Broken(Raced):
    """One document cannot be read; some are always being written by somebody else."""

    def __init__(self, inner: MemoryLedger, broken: DocumentKey | None, busy: Sequence[str] = ()) -> None:
        super().__init__(inner)
        self._broken, self._busy = broken, busy

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        """Read, or fail."""
        if self._broken in documents:
            raise ZeroDivisionError
        return super().load(members, documents)

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Write, or be told to come back."""
        if any(getattr(one, "id", "") in self._busy for one in posting.documents):
            raise Busy
        super().commit(posting, patience)


def run(
    ledger: Any, minutes: float, has_time: Callable[[], bool] = lambda: True
) -> tuple[Settled, list[tuple[str, Exception]]]:
    """One run, and what it reports."""
    told: list[tuple[str, Exception]] = []

    def nobody() -> Any:
        raise AssertionError

    here = Deadlines(
        ledger,
        PROGRAM,
        later(minutes=minutes),
        Patient(),
        nobody,
        has_time,
        lambda name, failure: told.append((name, failure)),
    )
    return here.settle(), told


def test_nothing_is_due_before_its_time(shop: MemoryLedger) -> None:
    """A second early nothing happens."""
    exchange(shop)
    exchange(shop, reward_id="jar", key="j")

    assert Settled() == settle(shop, later(minutes=1_440, seconds=-1))
    assert 800 == balance_of(shop)


def test_what_was_not_paid_goes_back(shop: MemoryLedger) -> None:
    """After a day: points into their lot, the piece free, once, however often it is looked at."""
    made = exchange(shop, reward_id="jar")

    assert Settled(1, 1) == settle(shop, later(minutes=1_440))
    assert Settled() == settle(shop, later(minutes=1_440))

    assert ("CANCELED", 100) == ((order := order_of(shop, made["order_id"])).status, order.restored)
    assert ([1_000, -100, 100], (5, 0, 0)) == (points_of(shop), counts(shop, "jar"))
    assert proved(shop)


def test_what_nobody_said_an_address_for_is_forfeited(shop: MemoryLedger) -> None:
    """After a week: the piece is free, the points are not back, and the audit says so."""
    made = exchange(shop)

    assert Settled(1, 1) == settle(shop, later(days=7))

    assert ("FORFEITED", 0) == ((order := order_of(shop, made["order_id"])).status, order.restored)
    assert (900, (5, 0, 0)) == (balance_of(shop), counts(shop))
    lines = [one for one in shop.listed(audit_of("2026-03"), None, 9).documents if isinstance(one, AuditLine)]
    assert [("reward_order.forfeited", "system")] == [(one.action, one.actor) for one in lines]


def test_two_runs_at_once_do_it_once(shop: MemoryLedger) -> None:
    """Another run gets in before each of its writes: points and pieces come back once."""
    exchange(shop, reward_id="jar")

    def other(ledger: object) -> object:
        del ledger
        return settle(shop, later(days=1))

    settle(Raced(shop, other, other), later(days=1))

    assert ([1_000, -100, 100], (5, 0, 0)) == (points_of(shop), counts(shop, "jar"))


def test_one_that_is_broken_keeps_nobody_waiting(shop: MemoryLedger) -> None:
    """It is reported by its name; those behind it are settled, and the next run tries it again."""
    first = exchange(shop, reward_id="jar", key="a")
    exchange(shop, reward_id="jar", key="b", moment=later(minutes=1))
    broken = RewardOrderKey("m1", first["order_id"])

    found, told = run(Broken(shop, broken), 1_500)

    assert Settled(seen=2, settled=1, failed=1) == found
    assert [(f"RewardOrder/{first['order_id']}", "ZeroDivisionError")] == [
        (name, type(failure).__name__) for name, failure in told
    ]
    assert Settled(1, 1) == settle(shop, later(minutes=1_500))


def test_one_that_is_busy_is_left_to_the_next_run(shop: MemoryLedger) -> None:
    """It is no failure: nobody has to be woken for it."""
    made = exchange(shop, reward_id="jar")

    assert (Settled(seen=1, left=1), []) == run(Broken(shop, None, [made["order_id"]]), 1_440)
    assert Settled(1, 1) == settle(shop, later(minutes=1_440))


def test_what_there_is_no_time_for_is_left(shop: MemoryLedger) -> None:
    """A run ends in time and says that it is not finished; the next one goes on."""
    for number in range(3):
        exchange(shop, reward_id="jar", key=f"k{number}")
    left = iter([True, True, False])

    assert Settled(2, 2, finished=False) == run(shop, 1_440, lambda: next(left))[0]
    assert Settled(1, 1) == settle(shop, later(minutes=1_440))
    assert 1_000 == balance_of(shop)


def test_more_than_a_page_is_settled(shop: MemoryLedger) -> None:
    """Page by page, until nothing is overdue."""
    give(shop, "m1", 100 * PAGE)
    reward(shop, "pin", 2 * PAGE, cash_minor=1, points=1)
    for number in range(PAGE + 5):
        exchange(shop, reward_id="pin", key=f"k{number}")

    assert PAGE + 5 == settle(shop, later(minutes=1_440)).settled
    assert () == shop.listed(deadlines(later(days=30).now), None, 10).documents
    assert (200, 0, 0) == counts(shop, "pin")
