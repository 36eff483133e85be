"""What the ledger does when network or DynamoDB misbehave: its answer is definite, or Busy; nothing happens twice."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.retries.quota import RetryQuota
from pynamodb.exceptions import PynamoDBException

from jifen.domain.account import Account
from jifen.domain.errors import Busy
from jifen.domain.orders import EventType, Line, OrderEvent, Paid
from jifen.domain.proof import prove
from jifen.runtime import MARGIN_S, WAIT_S_MAX, Deadline
from jifen.service.contacting import set_contact
from jifen.service.earning import earn
from jifen.service.expiring import expire
from jifen.service.ports import (
    AccountMoved,
    Contact,
    DocumentMoved,
    OrderKey,
    Patience,
    Posting,
    Sweep,
)
from jifen.service.spending import Spending
from jifen.store.dynamo import READ_TRIES, DynamoLedger
from local.engines import Engine
from tests.store.faults import (
    Fault,
    FaultyNetwork,
    answer_lost,
    answers,
    answers_plainly,
    cannot_connect,
    connect_times_out,
    connection_closed_after,
    done_but_answers,
    leaves_unprocessed,
    read_times_out,
)
from tests.store.patient import Patient
from tests.store.tables import new_ledger
from tests.store.values import LAST_DAY, MOMENT, NOW, PROGRAM, credited, draft, posted

WRITE, READ, QUERY = "TransactWriteItems", "BatchGetItem", "Query"
BOTOCORE_ATTEMPTS = 2
_members = (f"member-{number}" for number in itertools.count())


@dataclass
class Bench:
    """A ledger whose network can be disturbed, and a member who has 100 points in it."""

    ledger: DynamoLedger
    network: FaultyNetwork
    member: str

    def spending(self, key: str, patience: Patience | None = None) -> Spending:
        """The spending use cases under an idempotency key."""
        return Spending(self.ledger, PROGRAM, MOMENT, patience or Patient(), key, "shop")

    def account(self) -> Account:
        """The member's account."""
        return self.ledger.load([self.member]).accounts[self.member]

    def proved(self) -> bool:
        """Whether the account follows from its entries."""
        return prove(self.account(), self.ledger.history(self.member)).valid


@pytest.fixture(scope="module")
def connected(engine: Engine) -> tuple[DynamoLedger, FaultyNetwork]:
    """One ledger for the module, on each engine."""
    ledger = new_ledger(engine, PROGRAM)
    return ledger, FaultyNetwork(ledger)


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds botocore would have slept between its own attempts."""
    slept: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=slept.append))
    # A client that has failed a hundred times makes one attempt instead of two; here it always has its two.
    monkeypatch.setattr(RetryQuota, "acquire", lambda _quota, _amount: True)
    return slept


@pytest.fixture
def bench(connected: tuple[DynamoLedger, FaultyNetwork]) -> Iterator[Bench]:
    """A member with 100 points and a network that is well."""
    ledger, network = connected
    member = next(_members)
    ledger.commit(credited(member, 100), Patient(0))
    network.heal()
    yield Bench(ledger, network, member)
    network.heal()


# An answer that is lost ----------------------------------------------------------------------------------------------

Call = Callable[[Patience], Any]


def _redeem(bench: Bench) -> Call:
    return lambda patience: bench.spending("k", patience).redeem(bench.member, 40)


def _authorize(bench: Bench) -> Call:
    return lambda patience: bench.spending("k", patience).authorize(bench.member, 40)


def _capture(bench: Bench) -> Call:
    hold = bench.spending("h").authorize(bench.member, 40)["hold_id"]
    return lambda patience: bench.spending("k", patience).capture(hold, 30)


def _void(bench: Bench) -> Call:
    hold = bench.spending("h").authorize(bench.member, 40)["hold_id"]
    return lambda patience: bench.spending("k", patience).void(hold)


def _restore(bench: Bench) -> Call:
    redemption = bench.spending("r").redeem(bench.member, 40)["redemption_id"]
    return lambda patience: bench.spending("k", patience).restore(redemption, 15)


def _earn(bench: Bench) -> Call:
    paid = Paid(bench.member, NOW, "CNY", (Line(1, "tea", 4_000),))
    event = OrderEvent(EventType.PAID, "e", "standard", f"o-{bench.member}", bench.member, NOW, paid)
    return lambda patience: sum(outcome.points for outcome in earn(bench.ledger, PROGRAM, [event], MOMENT, patience))


def _contact(bench: Bench) -> Call:
    return lambda patience: set_contact(bench.ledger, bench.member, {"email": "a@b.example"}, patience)


OPERATIONS: Mapping[str, tuple[Callable[[Bench], Call], int, int]] = {
    "redeem": (_redeem, 60, 2),
    "authorize": (_authorize, 100, 2),
    "capture": (_capture, 70, 4),
    "void": (_void, 100, 3),
    "restore": (_restore, 75, 3),
    "earn": (_earn, 140, 2),
    "contact": (_contact, 100, 1),
}
"""What is called, the balance after it, and the number of entries."""

LOSSES: Mapping[str, Fault] = {
    "read times out": answer_lost,
    "connection closed": connection_closed_after,
    "internal error": done_but_answers(500, "InternalServerError"),
    "throttled": done_but_answers(400, "ThrottlingException"),
}


@pytest.mark.parametrize("lost", [1, 2, 3, 5])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_lost_answer_is_the_stored_one_and_nothing_happens_twice(bench: Bench, operation: str, lost: int) -> None:
    """However often the answer to a commit is lost, the posting is made once and a retry gets the same answer."""
    prepare, balance, entries = OPERATIONS[operation]
    call = prepare(bench)
    bench.network.next(WRITE, *[answer_lost] * lost)

    answer = call(Patient())
    bench.network.heal()

    assert (balance, entries, True) == (bench.account().balance, bench.account().version, bench.proved())
    if operation != "earn":
        assert answer == call(Patient(0))
    assert (balance, entries) == (bench.account().balance, bench.account().version)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("operation", ["redeem", "earn", "capture"])
def test_every_way_to_lose_an_answer(bench: Bench, operation: str, loss: str) -> None:
    """Timeout, broken connection, server error after the fact: one posting."""
    prepare, balance, entries = OPERATIONS[operation]
    call = prepare(bench)
    bench.network.next(WRITE, *[LOSSES[loss]] * 3)

    call(Patient())

    assert (balance, entries, True) == (bench.account().balance, bench.account().version, bench.proved())


def test_lost_answer_of_a_sweep(bench: Bench) -> None:
    """An expiry whose answer is lost is found done when the account is loaded again."""
    past = PROGRAM.moment(NOW + timedelta(days=500))
    bench.network.next(WRITE, *[answer_lost] * 3)

    expire(bench.ledger, bench.member, past, Patient())

    assert (0, 2, True) == (bench.account().balance, bench.account().version, bench.proved())


def test_time_runs_out_before_the_answer_and_a_later_retry_settles_it(bench: Bench) -> None:
    """Busy is said when the outcome stays unknown; the same request, later, gets the answer of the first one."""
    bench.network.always(WRITE, answer_lost)
    with pytest.raises(Busy):
        bench.spending("k", Patient(1)).redeem(bench.member, 40)
    bench.network.heal()

    answer = bench.spending("k").redeem(bench.member, 40)

    assert (40, 60) == (answer["points"], answer["available"])
    assert 0 == bench.network.count(WRITE)
    assert 2 == bench.account().version


def test_time_runs_out_before_anything_was_written_and_a_later_retry_settles_it(bench: Bench) -> None:
    """Where nothing had arrived, the same request, later, is carried out for the first time."""
    bench.network.always(WRITE, read_times_out)
    with pytest.raises(Busy):
        bench.spending("k", Patient(1)).redeem(bench.member, 40)
    assert 1 == bench.account().version
    bench.network.heal()

    assert 60 == bench.spending("k").redeem(bench.member, 40)["available"]


# Contention and throttling -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_conflict_on_any_item_is_sent_again(bench: Bench, place: int, code: str) -> None:
    """A transaction cancelled for contention on account, entry or document is sent again as it is."""
    reasons = ["None", "None", "None"]
    reasons[place] = code
    bench.network.next(WRITE, *[answers(400, "TransactionCanceledException", reasons)] * 2)
    patience = Patient()

    answer = bench.spending("k", patience).redeem(bench.member, 40)

    assert (60, [1, 2]) == (answer["available"], patience.pauses)
    assert [READ, WRITE, WRITE, WRITE] == bench.network.attempts
    assert 3 == len(set(bench.network.tokens))


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        (["ConditionalCheckFailed", "None", "TransactionConflict"], AccountMoved),
        (["TransactionConflict", "ConditionalCheckFailed", "None"], AccountMoved),
        (["TransactionConflict", "None", "ConditionalCheckFailed"], DocumentMoved),
        (["ConditionalCheckFailed", "ConditionalCheckFailed", "ConditionalCheckFailed"], DocumentMoved),
    ],
)
def test_failed_condition_counts_more_than_a_conflict(
    bench: Bench, reasons: list[str], expected: type[Exception]
) -> None:
    """What has moved will not move back: it is said at once, whatever else was in the way."""
    bench.network.next(WRITE, answers(400, "TransactionCanceledException", reasons))
    patience = Patient()
    posting = Posting((posted(bench.account(), draft(1)),), (Contact(bench.member),))

    with pytest.raises(expected):
        bench.ledger.commit(posting, patience)

    assert [] == patience.pauses


ERRORS_TO_OUTLIVE: Mapping[str, Fault] = {
    "throttled": answers(400, "ThrottlingException"),
    "throughput exceeded": answers(400, "ProvisionedThroughputExceededException"),
    "request limit exceeded": answers(400, "RequestLimitExceeded"),
    "internal error": answers(500, "InternalServerError"),
    "unavailable": answers(503, "ServiceUnavailable"),
    "in progress": answers(400, "TransactionInProgressException"),
    "read times out": read_times_out,
    "connect times out": connect_times_out,
    "cannot connect": cannot_connect,
}

PLAIN_ERRORS: Mapping[str, Fault] = {
    "500 without a body": answers_plainly(500, b""),
    "502 of a proxy": answers_plainly(502, b"<html><body>Bad Gateway</body></html>"),
    "503 of a load balancer": answers_plainly(503, b"<html><body>Http/1.1 Service Unavailable</body></html>"),
    "504 of a proxy": answers_plainly(504, b"<html></html>"),
}


@pytest.mark.parametrize("error", ERRORS_TO_OUTLIVE)
@pytest.mark.parametrize("operation", [READ, WRITE])
def test_error_that_passes_is_outlived(bench: Bench, operation: str, error: str) -> None:
    """Throttling, server errors and lost connections are tried again, reads and writes alike."""
    bench.network.next(operation, *[ERRORS_TO_OUTLIVE[error]] * 3)

    assert 60 == bench.spending("k").redeem(bench.member, 40)["available"]
    assert (2, True) == (bench.account().version, bench.proved())


@pytest.mark.parametrize("error", PLAIN_ERRORS)
@pytest.mark.parametrize("operation", [READ, WRITE])
def test_server_error_in_another_form_is_outlived(bench: Bench, operation: str, error: str) -> None:
    """A server error says nothing of the outcome, whoever words it: it is tried again too."""
    bench.network.next(operation, *[PLAIN_ERRORS[error]] * 3)

    assert 60 == bench.spending("k").redeem(bench.member, 40)["available"]


@pytest.mark.parametrize("error", ERRORS_TO_OUTLIVE)
def test_tries_of_a_write_are_bounded(bench: Bench, naps: list[float], error: str) -> None:
    """A write that keeps failing ends in Busy after the caller's patience, two HTTP attempts to a try at most."""
    bench.network.always(WRITE, ERRORS_TO_OUTLIVE[error])
    patience = Patient(3)

    with pytest.raises(Busy):
        bench.spending("k", patience).redeem(bench.member, 40)

    assert [1, 2, 3] == patience.pauses
    assert 4 <= bench.network.count(WRITE) <= 4 * BOTOCORE_ATTEMPTS
    assert len(naps) <= 4
    assert (1, 100) == (bench.account().version, bench.account().balance)


@pytest.mark.parametrize("error", ERRORS_TO_OUTLIVE)
def test_tries_of_a_read_are_bounded(bench: Bench, naps: list[float], error: str) -> None:
    """A read that keeps failing ends in Busy after a fixed number of tries."""
    bench.network.always(READ, ERRORS_TO_OUTLIVE[error])

    with pytest.raises(Busy):
        bench.ledger.load([bench.member])

    assert READ_TRIES <= bench.network.count(READ) <= READ_TRIES * BOTOCORE_ATTEMPTS
    assert len(naps) <= READ_TRIES


@pytest.mark.parametrize("query", ["entries", "history", "due"])
def test_queries_are_tried_again_and_bounded(bench: Bench, query: str) -> None:
    """Pages of entries and of due members outlive what a read outlives, and end in Busy as it does."""
    calls: Mapping[str, Callable[[], object]] = {
        "entries": lambda: bench.ledger.entries(bench.member, None, 5).entries,
        "history": lambda: list(bench.ledger.history(bench.member)),
        "due": lambda: bench.ledger.due(Sweep.EXPIRE, 0, LAST_DAY, None, 5),
    }
    expected = calls[query]()
    bench.network.next(QUERY, *[answers(400, "ThrottlingException")] * 5)
    assert expected == calls[query]()

    bench.network.heal()
    bench.network.always(QUERY, answers(400, "ThrottlingException"))
    with pytest.raises(Busy):
        calls[query]()
    assert READ_TRIES * BOTOCORE_ATTEMPTS == bench.network.count(QUERY)


def test_botocore_makes_two_attempts_and_no_more(bench: Bench, naps: list[float]) -> None:
    """The client itself tries twice, with one nap of at most a second in between, and under one client token."""
    bench.network.always(WRITE, answers(500, "InternalServerError"))

    with pytest.raises(Busy):
        bench.ledger.commit(Posting(documents=(Contact(bench.member),)), Patient(0))

    assert BOTOCORE_ATTEMPTS == bench.network.count(WRITE)
    assert 1 == len(set(bench.network.tokens))
    assert 1 == len(naps)
    assert naps[0] <= 1


def test_waits_end_before_the_callers_time_does(bench: Bench) -> None:
    """With a real deadline, waits grow, stay below a second each, and stop while there is time left to answer."""
    bench.network.always(WRITE, answers(400, "TransactionCanceledException", ["TransactionConflict"] * 3))
    left, waits = 20.0, []

    def sleep(seconds: float) -> None:
        nonlocal left
        left -= seconds
        waits.append(seconds)

    with pytest.raises(Busy):
        bench.spending("k", Deadline(lambda: left, sleep, jitter=lambda: 1.0)).redeem(bench.member, 40)

    assert sorted(waits) == waits
    assert WAIT_S_MAX == max(waits)
    assert MARGIN_S <= left < MARGIN_S + 2 * WAIT_S_MAX
    assert len(waits) + 1 == bench.network.count(WRITE)


# Mistakes of ours ----------------------------------------------------------------------------------------------------

_MISTAKES: Mapping[str, Fault] = {
    "validation": answers(400, "ValidationException"),
    "no such table": answers(400, "ResourceNotFoundException"),
    "not allowed": answers(400, "AccessDeniedException"),
    "invalid item": answers(400, "TransactionCanceledException", ["None", "ValidationError", "None"]),
    "token reused": answers(400, "IdempotentParameterMismatchException"),
}


@pytest.mark.parametrize("mistake", _MISTAKES)
def test_our_own_mistakes_are_raised_and_not_tried_again(bench: Bench, mistake: str) -> None:
    """What cannot become right by trying again is raised at once, as neither Busy nor Moved."""
    bench.network.always(WRITE, _MISTAKES[mistake])
    patience = Patient()

    with pytest.raises(PynamoDBException):
        bench.spending("k", patience).redeem(bench.member, 40)

    assert ([], 1) == (patience.pauses, bench.network.count(WRITE))


def test_reads_raise_our_mistakes_too(bench: Bench) -> None:
    """As for writes."""
    bench.network.always(READ, answers(400, "ValidationException"))

    with pytest.raises(PynamoDBException):
        bench.ledger.load([bench.member])

    assert 1 == bench.network.count(READ)


# Unprocessed keys ----------------------------------------------------------------------------------------------------


def test_unprocessed_keys_are_asked_for_again(bench: Bench) -> None:
    """A batched read that answers in parts is put together; nobody is taken for unknown meanwhile."""
    names = [bench.member, *(f"{bench.member}-{number}" for number in range(5))]
    for name in names[1:]:
        bench.ledger.commit(credited(name, 7), Patient(0))
    bench.network.next(READ, leaves_unprocessed(0), leaves_unprocessed(2), leaves_unprocessed(1))

    found = bench.ledger.load(names, [OrderKey("standard", "none")])

    assert {bench.member: 100} | dict.fromkeys(names[1:], 7) == {
        name: account.balance for name, account in found.accounts.items()
    }
    assert {} == found.documents
    assert 4 == bench.network.count(READ)


def test_keys_that_stay_unprocessed_are_busy(bench: Bench) -> None:
    """A read that never gets all of its keys is Busy, not half an answer."""
    bench.network.always(READ, leaves_unprocessed(0))

    with pytest.raises(Busy):
        bench.ledger.load([bench.member])

    assert READ_TRIES == bench.network.count(READ)
