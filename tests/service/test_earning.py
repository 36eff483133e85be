"""Order events become postings: folded, once each, to whoever owns the order now."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations

import pytest

from jifen.domain.errors import Busy
from jifen.domain.orders import OrderEvent
from jifen.domain.program import Program
from jifen.service.earning import EVENTS_PER_POSTING, earn
from jifen.service.ports import Ledger, OrderKey, Unmatched, UnmatchedKey
from tests.service.ledgers import Forgetful, Raced
from tests.service.scene import (
    MOMENT,
    PROGRAM,
    account_of,
    balance_of,
    cancelled,
    desk,
    earned,
    later,
    paid,
    points_of,
    proved,
    refunded,
)
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient


def test_events_of_one_member_are_one_transaction(ledger: MemoryLedger) -> None:
    """Ten orders in one delivery: one read, one write, an entry each."""
    outcomes = earned(ledger, *[paid(f"o{number}", 1_000 * number) for number in range(1, 11)])

    assert [10 * number for number in range(1, 11)] == [outcome.points for outcome in outcomes]
    assert (1, 1) == (ledger.loads, ledger.commits)
    assert (550, 10, True) == (balance_of(ledger), account_of(ledger).version, proved(ledger))


def test_long_run_is_cut_to_what_a_transaction_holds(ledger: MemoryLedger) -> None:
    """A run of more events than one posting takes is posted in several, in order."""
    earned(ledger, *[paid(f"o{number}", 100) for number in range(EVENTS_PER_POSTING * 2 + 1)])

    assert (3, 41, True) == (ledger.commits, balance_of(ledger), proved(ledger))


def test_facts_of_one_order_in_one_run_are_joined(ledger: MemoryLedger) -> None:
    """Payment, refund and cancellation of one order in one delivery end where they would one by one."""
    outcomes = earned(ledger, paid("o1", 10_000), refunded("o1", 2_550), cancelled("o1"))

    assert [100, -26, -74] == [outcome.points for outcome in outcomes] == points_of(ledger)
    assert (1, 0, True) == (ledger.commits, balance_of(ledger), proved(ledger))


def test_two_members_in_one_run(ledger: MemoryLedger) -> None:
    """Each order goes to its own buyer."""
    earned(ledger, paid("o1", 1_000, "m1"), paid("o2", 2_000, "m2"), paid("o3", 3_000, "m1"))

    assert (40, 20) == (balance_of(ledger, "m1"), balance_of(ledger, "m2"))
    assert 1 == ledger.commits
    assert proved(ledger, "m1", "m2")


@pytest.mark.parametrize("together", [True, False])
def test_order_moved_to_another_buyer(ledger: MemoryLedger, together: bool) -> None:  # noqa: FBT001 - two ways to arrive
    """The points follow the order to its new buyer, whether both states arrive together or apart."""
    first, second = paid("o1", 10_000, "m1"), paid("o1", 10_000, "m2", revision=1)
    for run in ([first, second],) if together else ([first], [second]):
        earned(ledger, *run)

    assert ([100, -100], [100]) == (points_of(ledger, "m1"), points_of(ledger, "m2"))
    assert proved(ledger, "m1", "m2")


def test_order_moved_after_its_points_were_spent(ledger: MemoryLedger) -> None:
    """The old buyer owes what was spent; the new one has all of it."""
    earned(ledger, paid("o1", 10_000, "m1"))
    desk(ledger, "k").redeem("m1", 30)

    earned(ledger, paid("o1", 10_000, "m2", revision=1))

    assert (-30, 30, 100) == (balance_of(ledger, "m1"), account_of(ledger, "m1").debt, balance_of(ledger, "m2"))
    assert proved(ledger, "m1", "m2")


def test_refund_of_a_moved_order_finds_its_present_buyer(ledger: MemoryLedger) -> None:
    """A refund that names the old buyer takes the points from the one who has them."""
    earned(ledger, paid("o1", 10_000, "m1"))
    earned(ledger, paid("o1", 10_000, "m2", revision=1))

    earned(ledger, refunded("o1", 5_000, member="m1"))

    assert (0, 50) == (balance_of(ledger, "m1"), balance_of(ledger, "m2"))


def test_guest_becomes_a_member(ledger: MemoryLedger) -> None:
    """A guest's order earns nothing and says so, until it is given to a member."""
    (guest,) = earned(ledger, paid("o1", 10_000, member=None))
    (member,) = earned(ledger, paid("o1", 10_000, "m1", revision=1))

    assert (0, ("GUEST",)) == (guest.points, guest.notes)
    assert (100, 100) == (member.points, balance_of(ledger))


def test_member_becomes_a_guest(ledger: MemoryLedger) -> None:
    """An order taken from a member takes its points along."""
    earned(ledger, paid("o1", 10_000, "m1"))
    earned(ledger, paid("o1", 10_000, member=None, revision=1))

    assert ([100, -100], True) == (points_of(ledger), proved(ledger))


@pytest.mark.parametrize("event", [paid("o1", 1_000), refunded("o1", 500), cancelled("o1"), refunded(None, 500)])
def test_duplicates_write_nothing(ledger: MemoryLedger, event: OrderEvent) -> None:
    """A fact delivered again, in the same run or another, is one read and no write."""
    earned(ledger, event, event)
    ledger.commits = ledger.loads = 0

    outcomes = earned(ledger, event, event)

    assert [(0, ("DUPLICATE",))] * 2 == [(outcome.points, outcome.notes) for outcome in outcomes]
    assert (1, 0) == (ledger.loads, ledger.commits)


def test_duplicate_beside_news_writes_the_news_only(ledger: MemoryLedger) -> None:
    """What is known already adds no item to the transaction of its neighbours."""
    earned(ledger, paid("o1", 1_000))
    before = ledger.load([], [OrderKey("standard", "o1")]).documents

    earned(ledger, paid("o1", 1_000), paid("o2", 1_000))

    assert before == ledger.load([], [OrderKey("standard", "o1")]).documents
    assert 20 == balance_of(ledger)


def test_conflict_is_noted_and_changes_nothing(ledger: MemoryLedger) -> None:
    """Another content under a known revision or refund id is reported; the first one stays."""
    earned(ledger, paid("o1", 10_000), refunded("o1", 1_000))
    ledger.commits = 0

    outcomes = earned(ledger, paid("o1", 99_000), refunded("o1", 9_000))

    assert [
        ("CONFLICT: paid, revision 0 is known with other content",),
        ("CONFLICT: refund r1 is known with other content",),
    ] == [outcome.notes for outcome in outcomes]
    assert (90, 0) == (balance_of(ledger), ledger.commits)


def test_unmatched_refund_is_kept_and_moves_nothing(ledger: MemoryLedger) -> None:
    """A refund that names no order is recorded once; no account is touched."""
    event = refunded(None, 5_000)

    outcomes = earned(ledger, event, paid("o1", 1_000), event)

    assert [("UNMATCHED_REFUND",), (), ("DUPLICATE",)] == [outcome.notes for outcome in outcomes]
    key = UnmatchedKey("standard", "r1")
    assert Unmatched(event, 1) == ledger.load([], [key]).documents[key]
    assert 10 == balance_of(ledger)


def test_refund_before_its_payment(ledger: MemoryLedger) -> None:
    """A refund that comes first waits in the order and says so; the payment earns what is left."""
    (waiting,) = earned(ledger, refunded("o1", 2_500))
    (late,) = earned(ledger, paid("o1", 10_000))

    assert ((0, ("NOT_PAID_YET",)), 75) == ((waiting.points, waiting.notes), late.points)


def test_foreign_currency_earns_nothing_and_says_so() -> None:
    """In a program of one currency, an order in another earns nothing."""
    program = Program(currency="CNY")
    ledger = MemoryLedger(program)

    (outcome,) = earned(ledger, paid("o1", 10_000, currency="JPY"), program=program)

    assert (0, ("CURRENCY_NOT_OF_PROGRAM",)) == (outcome.points, outcome.notes)


def test_every_order_of_arrival_ends_alike() -> None:
    """Whatever the order and the cut into deliveries, the accounts end alike and are proved."""
    events = [paid("o1", 10_050), refunded("o1", 1_025, "r1"), refunded("o1", 25, "r2"), paid("o1", 9_000, "m2", 1)]
    ends = set()
    for seed, arrival in enumerate(permutations(events)):
        ledger, dice = MemoryLedger(PROGRAM), random.Random(seed)
        run: list[OrderEvent] = []
        for event in (*arrival, *dice.choices(arrival, k=3)):
            run.append(event)
            if dice.random() < 0.5:
                earned(ledger, *run)
                run = []
        earned(ledger, *run)
        assert proved(ledger, "m1", "m2")
        ends.add((balance_of(ledger, "m1"), balance_of(ledger, "m2")))

    assert {(0, 79)} == ends


def test_expired_points_are_written_down_on_the_way(ledger: MemoryLedger) -> None:
    """A posting to an account with expired lots writes their expiry first."""
    earned(ledger, paid("o1", 1_000))

    much_later = later(days=500)
    earned(ledger, paid("o2", 2_000, at=much_later.now), moment=much_later)

    assert ([10, -10, 20], True) == (points_of(ledger), proved(ledger))


# Races ---------------------------------------------------------------------------------------------------------------


def test_two_writers_of_one_account(ledger: MemoryLedger) -> None:
    """Another order posted between reading and writing makes this one decide again; both count."""
    raced = Raced(ledger, lambda inner: earned(inner, paid("o2", 2_000)), lambda inner: earned(inner, paid("o3", 300)))

    (outcome,) = earned(raced, paid("o1", 1_000))

    assert (10, [20, 3, 10], True) == (outcome.points, points_of(ledger), proved(ledger))


def test_two_deliveries_of_one_event_at_once(ledger: MemoryLedger) -> None:
    """The delivery that comes second finds the order there and writes nothing."""
    raced = Raced(ledger, lambda inner: earned(inner, paid("o1", 1_000)))

    (outcome,) = earned(raced, paid("o1", 1_000))

    assert (("DUPLICATE",), [10]) == (outcome.notes, points_of(ledger))


def test_order_moves_while_its_refund_is_decided(ledger: MemoryLedger) -> None:
    """A refund decided for the old buyer is decided again when the order has moved meanwhile."""
    earned(ledger, paid("o1", 10_000, "m1"))
    raced = Raced(ledger, lambda inner: earned(inner, paid("o1", 10_000, "m2", revision=1)))

    earned(raced, refunded("o1", 5_000))

    assert (0, 50, True) == (balance_of(ledger, "m1"), balance_of(ledger, "m2"), proved(ledger, "m1", "m2"))


def test_points_are_spent_while_the_refund_is_decided(ledger: MemoryLedger) -> None:
    """A redemption between reading and clawing back leaves a debt, not a negative lot."""
    earned(ledger, paid("o1", 10_000))
    raced = Raced(ledger, lambda inner: desk(inner, "k").redeem("m1", 80))

    earned(raced, refunded("o1", 10_000))

    assert (80, -80, True) == (account_of(ledger).debt, balance_of(ledger), proved(ledger))


def test_lost_answer_is_a_duplicate(ledger: MemoryLedger) -> None:
    """A posting whose answer was lost is found made."""
    (outcome,) = earned(Forgetful(ledger, lost=2), paid("o1", 1_000))

    assert (("DUPLICATE",), [10], True) == (outcome.notes, points_of(ledger), proved(ledger))


def test_endless_contention_is_busy_and_writes_nothing(ledger: MemoryLedger) -> None:
    """A writer that always loses gives up when its patience ends, having written nothing."""

    def meddle(inner: Ledger) -> None:
        earned(inner, paid(f"other-{ledger.commits}", 100))

    with pytest.raises(Busy):
        earn(Raced(ledger, *[meddle] * 10), PROGRAM, [paid("o1", 100_000)], MOMENT, Patient(3))

    assert {} == ledger.load([], [OrderKey("standard", "o1")]).documents
    assert proved(ledger)


def test_what_was_posted_before_contention_stays(ledger: MemoryLedger) -> None:
    """When a later part of a long run is Busy, the earlier part stands, and the whole run again only adds the rest."""
    events = [replace(paid(f"o{number}", 100)) for number in range(EVENTS_PER_POSTING + 5)]

    def meddle(inner: Ledger) -> None:
        earned(inner, paid(f"other-{ledger.commits}", 100))

    quiet = [lambda _inner: None]
    with pytest.raises(Busy):
        earn(Raced(ledger, *quiet, *[meddle] * 5), PROGRAM, events, MOMENT, Patient(1))
    others = balance_of(ledger) - len(events) // 2
    earned(ledger, *events)

    assert 2 == others
    assert (len(events) + others, True) == (balance_of(ledger), proved(ledger))
