"""Policies at once on a real engine: sweeps, redemptions and those who take back share every point out once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from functools import partial
from typing import TypeVar

import pytest

from jifen.domain.batches import BatchRow, BatchStatus, ValidityBatch
from jifen.domain.entries import Reason
from jifen.domain.errors import Refusal
from jifen.domain.program import parse_program
from jifen.service.expiring import ROW_SHARDS, expire, row_shard
from jifen.service.life_documents import BatchKey, BatchRowKey
from jifen.service.ports import ShardTask, Sweep
from jifen.service.reading import prove_member
from jifen.service.spending import Spending
from jifen.service.sweep_runs import SETTLED_S
from jifen.service.taking_back import TakingBack
from jifen.service.validity import Asked, reverse
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine
from tests.service.queues import Tasks
from tests.store.clients import deadline
from tests.store.patient import Patient
from tests.store.tables import new_ledger
from tests.store.values import credited

T = TypeVar("T")
PROGRAM = parse_program(
    {
        "time_zone": "Asia/Shanghai",
        "validity": {
            "policies": [
                {
                    "id": "sleepy",
                    "starts_on": "2026-01-01",
                    "when": {"inactive": {"months": 2, "known_since": "2026-03-01"}},
                    "leave": {"months": 3},
                }
            ]
        },
    }
)
NIGHT = PROGRAM.moment(datetime.fromisoformat("2026-05-10T00:05:00+08:00"))
BATCH = "sleepy.2026-05-10"
MEMBERS = tuple(f"m{number}" for number in range(6))


@pytest.fixture
def ledger(engine: Engine) -> DynamoLedger:
    """Six members with 100 points each, on a table of their own."""
    made = new_ledger(engine, PROGRAM)
    for member in MEMBERS:
        made.commit(credited(member, 100), Patient(0))
    return made


def at_once(calls: Sequence[Callable[[], T]]) -> list[T | Refusal]:
    """What each call returned, or how it was refused; all of them at the same time."""

    def one(call: Callable[[], T]) -> T | Refusal:
        try:
            return call()
        except Refusal as refusal:
            return refusal

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def sweep(ledger: DynamoLedger, member: str) -> bool:
    """What a worker of the sweep does."""
    return expire(ledger, member, NIGHT, deadline(60), PROGRAM)


def spend(ledger: DynamoLedger, member: str, key: str) -> object:
    """Ten points."""
    return Spending(ledger, PROGRAM, NIGHT, deadline(60), key, "shop").redeem(member, 10)


def part(ledger: DynamoLedger, shard: int) -> int:
    """A part of the batch, taken back; for how many accounts that was something."""
    task = ShardTask(Sweep.EXPIRE, NIGHT.now, shard, batch=BATCH)
    taking = TakingBack(ledger, task, PROGRAM, NIGHT, deadline(60))
    done = sum(taking.act(member) for member in taking.pages(None, 100).members)
    taking.finish()
    return done


def test_sweeps_at_once_apply_a_policy_once(ledger: DynamoLedger) -> None:
    """Three workers on each account, and redemptions among them: one shortening each, and one batch for all."""
    calls: list[Callable[[], object]] = [partial(sweep, ledger, member) for member in MEMBERS for _ in range(3)]
    calls += [partial(spend, ledger, member, f"k{number}") for member in MEMBERS for number in range(2)]

    results = at_once(calls)

    assert 6 == sum(result is True for result in results)
    assert not [result for result in results if isinstance(result, Refusal)]
    for member in MEMBERS:
        account = ledger.load([member]).accounts[member]
        assert [(80, date(2026, 8, 10))] == [(lot.points, lot.expires_on) for lot in account.lots]
        reasons = [entry.draft.reason for entry in ledger.history(member)]
        assert 1 == reasons.count(Reason.VALIDITY_SHORTENED)
        assert prove_member(ledger, member).valid


def test_sweeps_beside_one_who_takes_back_leave_no_row_open(ledger: DynamoLedger) -> None:
    """Whichever comes first, account by account: after the late pass no row is open and every lot has its old day."""
    first, *others = MEMBERS
    sweep(ledger, first)
    queue = Tasks()

    def takes_back() -> bool:
        reverse(ledger, queue, BATCH, "a mistake", Asked("ada", "admin:ada", "k"), NIGHT, deadline(60))
        for task in queue.waiting[:ROW_SHARDS]:
            part(ledger, task.shard)
        return True

    calls: list[Callable[[], bool]] = [partial(sweep, ledger, member) for member in others for _ in range(2)]
    results = at_once([takes_back, *calls])
    assert not [result for result in results if isinstance(result, Refusal)]
    assert [SETTLED_S] * ROW_SHARDS == queue.delays[ROW_SHARDS:]
    for task in queue.waiting[ROW_SHARDS:]:
        part(ledger, task.shard)

    for member in MEMBERS:
        account = ledger.load([member]).accounts[member]
        assert [(100, date(2027, 3, 31))] == [(lot.points, lot.expires_on) for lot in account.lots]
        row = ledger.load([], [key := BatchRowKey(BATCH, row_shard(member), member)]).documents.get(key)
        assert row is None or (isinstance(row, BatchRow) and row.taken_back == row.sequences)
        assert prove_member(ledger, member).valid


def test_taking_back_at_once_settles_each_account_once(ledger: DynamoLedger) -> None:
    """Every part by two workers, and redemptions among them: each account is settled once, no spent point is taken."""
    for member in MEMBERS:
        sweep(ledger, member)
    reverse(ledger, Tasks(), BATCH, "a mistake", Asked("ada", "admin:ada", "k"), NIGHT, Patient())
    parts = [partial(part, ledger, shard) for shard in {*map(row_shard, MEMBERS)}]
    calls: list[Callable[[], object]] = [*parts, *parts]
    calls += [partial(spend, ledger, member, f"k{number}") for member in MEMBERS for number in range(2)]

    results = at_once(calls)

    assert not [result for result in results if isinstance(result, Refusal)]
    assert 6 == sum(result for result in results if isinstance(result, int))
    for shard in range(ROW_SHARDS):
        assert 0 == part(ledger, shard)
    for member in MEMBERS:
        account = ledger.load([member]).accounts[member]
        assert [(80, date(2027, 3, 31))] == [(lot.points, lot.expires_on) for lot in account.lots]
        row = ledger.load([], [key := BatchRowKey(BATCH, row_shard(member), member)]).documents[key]
        assert isinstance(row, BatchRow)
        assert row.taken_back == row.sequences
        assert 1 == len(row.reversed_by)
        assert prove_member(ledger, member).valid
    batch = ledger.load([], [BatchKey(BATCH)]).documents[BatchKey(BATCH)]
    assert isinstance(batch, ValidityBatch)
    assert BatchStatus.REVERSED is batch.status
