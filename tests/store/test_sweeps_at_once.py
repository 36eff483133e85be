"""Workers of sweeps at once on a real engine: each account is done once, and the rows say so.

eight threads ──the same tasks, twice──> one table ──> entries, rows, control
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from jifen.domain.account import Account, Change, credit
from jifen.domain.entries import Draft, Kind, Source
from jifen.domain.errors import Refusal
from jifen.domain.lots import LotChange
from jifen.domain.program import Program, parse_program
from jifen.domain.ruling import ProgramInForce
from jifen.domain.sweeps import ShardProgress, SweepControl
from jifen.service import sweeping
from jifen.service.expiring import expire
from jifen.service.in_force import read_program
from jifen.service.life_shelves import shards_of
from jifen.service.ports import AccountWrite, Ledger, Posting, ProgramKey, ShardTask, Sweep, settle
from jifen.service.reading import prove_member
from jifen.service.ruling import canonical
from jifen.service.spending import Spending
from jifen.service.sweep_course import ShardCourse
from jifen.service.sweep_documents import ControlKey, ProgressKey
from jifen.service.sweep_runs import begin_run, begin_walk
from jifen.service.sweeping import Progress, work
from jifen.service.walking import Walking
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine
from tests.service.queues import Failures, Tasks
from tests.store.clients import deadline
from tests.store.patient import Patient
from tests.store.tables import ledger_on, new_ledger
from tests.store.values import LAST_DAY, MOMENT, NOW, PROGRAM

SHARDS = 4
AFTER = PROGRAM.moment(NOW + timedelta(days=800))
MEMBERS = [f"m-{number:02}" for number in range(40)]
THREADS = 8


@pytest.fixture
def ledger(engine: Engine) -> DynamoLedger:
    """A table on which forty members have ten points."""
    made = new_ledger(engine, PROGRAM, SHARDS)
    for start in range(0, len(MEMBERS), 20):
        writes = []
        for member in MEMBERS[start : start + 20]:
            draft = Draft(Kind.BONUS, "GOODWILL", Source("adjustment", "j"), NOW, lots=(LotChange(10, LAST_DAY),))
            change = credit(Change(Account(member)), draft, MOMENT)
            writes.append(AccountWrite(Account(member), change.account, change.entries))
        made.commit(Posting(tuple(writes)), Patient())
    return made


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each call returned."""
    with ThreadPoolExecutor(THREADS) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def course(ledger: Ledger, task: ShardTask, counted: Callable[[], int]) -> ShardCourse:
    """The course of a task, with half a minute for its rows."""
    return ShardCourse(
        ledger=ledger,
        task=task,
        shards=SHARDS,
        moment=AFTER,
        clock=lambda: AFTER.now,
        monotonic=lambda: 0.0,
        rest=lambda _seconds: True,
        patience=deadline(30),
        count=lambda _numbers: None,
        counted=counted,
    )


def swept(ledger: Ledger, task: ShardTask, queue: Tasks, has_time: Callable[[], bool] = lambda: True) -> Progress:
    """One worker of the expiry sweep."""
    return work(
        ledger,
        queue,
        task,
        AFTER,
        lambda member: expire(ledger, member, AFTER, deadline(30)),
        has_time,
        Failures(),
        course(ledger, task, lambda: ledger.due_count(Sweep.EXPIRE, task.shard, AFTER.today)),
    )


def rows_of(ledger: Ledger, kind: str, run: str) -> list[ShardProgress]:
    """The rows of a run."""
    keys = [ProgressKey(kind, run, shard) for shard in range(SHARDS)]
    return [row for row in ledger.load([], keys).documents.values() if isinstance(row, ShardProgress)]


def control_of(ledger: Ledger) -> SweepControl:
    """What the sweep remembers."""
    found = ledger.load([], [ControlKey("expire")]).documents[ControlKey("expire")]
    assert isinstance(found, SweepControl)
    return found


def test_the_same_shards_by_many_workers(ledger: DynamoLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every task thrice at once, some short of time: an entry an account, and done adds up to exactly that."""
    monkeypatch.setattr(sweeping, "PAGE", 4)
    queue = Tasks()
    tasks = [ShardTask(Sweep.EXPIRE, AFTER.now, shard) for shard in range(SHARDS)] * 3

    def short(looks: int) -> Callable[[], bool]:
        left = iter([True] * looks)
        return lambda: next(left, False)

    at_once([lambda task=task, n=n: swept(ledger, task, queue, short(3 + n)) for n, task in enumerate(tasks)])  # type: ignore[misc]
    while queue.waiting:
        waiting, queue.waiting = queue.waiting, []
        at_once([lambda task=task: swept(ledger, task, queue) for task in waiting])  # type: ignore[misc]

    listed = ledger.listed(shards_of("expire"), None, 100).documents
    rows = [row for row in listed if isinstance(row, ShardProgress)]
    assert len(MEMBERS) == sum(row.done for row in rows)
    assert all(row.finished and row.left == 0 and row.errors == 0 for row in rows)
    assert SHARDS == len(rows)
    for member in MEMBERS:
        assert [10, -10] == [entry.draft.points for entry in ledger.history(member)]
        assert prove_member(ledger, member).valid


def test_a_walk_beside_the_sweep_and_members_who_spend(ledger: DynamoLedger, engine: Engine) -> None:
    """Everybody writes the same accounts: points agree, and every account stands where it belongs in the end."""
    own = PROGRAM
    text = canonical({"time_zone": PROGRAM.zone.key, "reminders": {"lead_days": [60, 30]}})
    ledger.commit(Posting(documents=(ProgramInForce(1, 1, 0, "f" * 32, text, NOW),)), Patient())
    program = read_program(1, text)
    mine = ledger_on(engine, ledger._settings.name, program, SHARDS)
    queue = Tasks()
    assert SHARDS == begin_walk(mine, queue, program, own, SHARDS, AFTER.now, 30, Patient())
    tasks, queue.waiting = queue.waiting * 2, []

    def walk(task: ShardTask) -> Progress:
        walking = Walking(mine, task, lambda: program, lambda: program.moment(NOW), deadline(30))
        of = course(mine, task, walking.counted)
        done = work(mine, queue, task, MOMENT, walking.act, lambda: True, Failures(), of, walking.pages)
        if done.finished and not (of.row and of.row.left):
            walking.finish()
        return done

    def spend(member: str) -> bool:
        try:
            Spending(mine, program, MOMENT, deadline(30), f"k-{member}", "shop").redeem(member, 3)
        except Refusal:
            return False
        return True

    calls: list[Callable[[], Any]] = [lambda task=task: walk(task) for task in tasks]  # type: ignore[misc]
    calls += [lambda member=member: spend(member) for member in MEMBERS]  # type: ignore[misc]
    at_once(calls)

    control = control_of(mine)
    assert control.walk is not None
    assert control.walk.complete
    assert control.walked == control.walk.mark
    assert () == mine.stale(MEMBERS, lambda account: account).writes
    for member in MEMBERS:
        assert [10, -3] == [entry.draft.points for entry in mine.history(member)]
        assert prove_member(mine, member).valid
    assert len(MEMBERS) >= sum(row.done for row in rows_of(mine, "walk", control.walk.run))


def test_an_operator_and_schedules_at_once(ledger: DynamoLedger) -> None:
    """A pause, a pace, the runs of many nights and a walk's end: nobody's word is lost in the one row they share."""
    program: Program = parse_program({"time_zone": PROGRAM.zone.key})
    nights = [AFTER.now + timedelta(days=number) for number in range(6)]

    def pause() -> None:
        key = ControlKey("expire")

        def attempt() -> None:
            found = ledger.load([], [key]).documents.get(key)
            known = found if isinstance(found, SweepControl) else SweepControl("expire")
            ledger.commit(Posting(documents=(replace(known, paused=True, accounts_per_second=7),)), Patient(0))

        settle(deadline(30), attempt)

    calls: list[Callable[[], Any]] = [
        lambda night=night: begin_run(ledger, Sweep.EXPIRE, night, nights[-1], SHARDS, deadline(30))  # type: ignore[misc]
        for night in nights
    ]
    calls += [pause, lambda: begin_walk(ledger, Tasks(), program, program, SHARDS, NOW, 30, deadline(30))]
    at_once(calls)

    control = control_of(ledger)
    assert (True, 7) == (control.paused, control.accounts_per_second)
    assert control.run.startswith(f"{nights[-1].date()}")
    assert control.walk is not None
    assert ProgramKey() not in ledger.load([], [ProgramKey()]).documents
