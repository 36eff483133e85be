"""Sweeps write down what time has done: all of it, once, whoever else is at work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import partial

import pytest

from jifen.domain.errors import LedgerFault
from jifen.domain.program import Moment
from jifen.service import sweeping
from jifen.service.expiring import expire
from jifen.service.ports import DuePage, Ledger, ShardTask, Sweep
from jifen.service.sweeping import Progress, fan_out, work
from tests.service.ledgers import Contended, Forgetful, Raced
from tests.service.queues import Failures, Tasks, run
from tests.service.scene import (
    LAST_DAY,
    NOW,
    PROGRAM,
    account_of,
    balance_of,
    desk,
    give,
    later,
    points_of,
    proved,
)
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

DAY = timedelta(days=1)
AFTER = PROGRAM.moment(NOW.replace(year=2027, month=4))
"""Noon in Shanghai on the day after LAST_DAY."""


def expiring(ledger: Ledger, moment: Moment) -> Callable[[str], bool]:
    """What a worker does to one account."""
    return lambda member: expire(ledger, member, moment, Patient(3))


def swept(ledger: Ledger, moment: Moment = AFTER) -> tuple[int, int, int]:
    """Accounts seen, done and left in a whole run."""
    parts = run(ledger, Sweep.EXPIRE, moment, expiring(ledger, moment))
    return sum(part.seen for part in parts), sum(part.done for part in parts), sum(part.left for part in parts)


@pytest.fixture
def crowd(ledger: MemoryLedger) -> list[str]:
    """Thirty members whose 10 points have a last day in common, and one whose points last a month longer."""
    names = [f"m{number}" for number in range(30)]
    for name in names:
        give(ledger, name, 10)
    give(ledger, "later", 10, LAST_DAY + timedelta(days=30))
    return names


def test_fan_out_is_one_task_a_shard() -> None:
    """Every shard gets one task, as of the same instant."""
    queue = Tasks()

    assert 16 == fan_out(queue, Sweep.REMIND, NOW, 16)
    assert [ShardTask(Sweep.REMIND, NOW, shard) for shard in range(16)] == queue.waiting


def test_everyone_due_and_nobody_else(ledger: MemoryLedger, crowd: list[str]) -> None:
    """A run expires each due account once and leaves the others alone; a second run finds nothing."""
    assert (30, 30, 0) == swept(ledger)
    assert (0, 0, 0) == swept(ledger)
    assert [0] * 30 + [10] == [balance_of(ledger, name) for name in (*crowd, "later")]
    assert proved(ledger, *crowd, "later")


def test_nothing_expires_on_the_last_valid_day(ledger: MemoryLedger, crowd: list[str]) -> None:
    """The sweep of the last valid day finds nobody, that of the next day everybody; days are the program's."""
    last_instant = PROGRAM.moment(NOW.replace(year=2027, month=3, day=31, hour=15, minute=59))
    first_instant = PROGRAM.moment(NOW.replace(year=2027, month=3, day=31, hour=16))

    assert (0, 0, 0) == swept(ledger, last_instant)
    assert (len(crowd), len(crowd), 0) == swept(ledger, first_instant)


def test_missed_week_is_caught_up(ledger: MemoryLedger) -> None:
    """A run a week late writes down each day's expiry under its own day, in one transaction an account."""
    for number in range(7):
        give(ledger, "m1", 10 + number, LAST_DAY + number * DAY)
    ledger.commits = 0

    assert (1, 1, 0) == swept(ledger, PROGRAM.moment(AFTER.now + 7 * DAY))
    assert 1 == ledger.commits
    expiries = [entry.draft for entry in ledger.history("m1") if entry.draft.points < 0]
    assert [-10 - number for number in range(7)] == [draft.points for draft in expiries]
    assert [LAST_DAY + (number + 1) * DAY for number in range(7)] == [
        draft.occurred_at.astimezone(PROGRAM.zone).date() for draft in expiries
    ]
    assert proved(ledger)


def test_holds_run_out_in_the_sweep(ledger: MemoryLedger) -> None:
    """A hold whose time is up gives its points back, and those that have expired meanwhile go."""
    give(ledger, "m1", 10)
    give(ledger, "m1", 5, None)
    desk(ledger, "k").authorize("m1", 12, expires_in_s=60)

    assert (1, 1, 0) == swept(ledger, later(hours=1))
    assert (0, 15) == (account_of(ledger).held, balance_of(ledger))


def test_hold_that_ends_later_today_is_left_for_now(ledger: MemoryLedger) -> None:
    """A hold that runs out later on the day of the sweep is seen, not written, and due still."""
    give(ledger, "m1", 10)
    desk(ledger, "k").authorize("m1", 10, expires_in_s=3_600)

    assert (1, 0, 0) == swept(ledger, later(seconds=3_599))
    assert (1, 1, 0) == swept(ledger, later(seconds=3_600))


# Time that runs out --------------------------------------------------------------------------------------------------


def _ticks(count: int) -> Callable[[], bool]:
    left = iter([True] * count)
    return lambda: next(left, False)


def test_worker_without_time_queues_the_rest(
    ledger: MemoryLedger, crowd: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker whose time is up queues its cursor and says that it has not finished; the rest is done from there."""
    monkeypatch.setattr(sweeping, "PAGE", 3)
    queue = Tasks()
    due = list(ledger.due(Sweep.EXPIRE, 0, AFTER.today, None, 100).members)

    first = work(ledger, queue, ShardTask(Sweep.EXPIRE, NOW, 0), AFTER, expiring(ledger, AFTER), _ticks(5), Failures())

    assert (5, 5, False) == (first.seen, first.done, first.finished)
    ((task,), queue.waiting) = queue.waiting, []
    assert (Sweep.EXPIRE, NOW, 0) == (task.sweep, task.as_of, task.shard)
    assert task.cursor is not None
    assert due[2] in task.cursor
    second = work(ledger, queue, task, AFTER, expiring(ledger, AFTER), lambda: True, Failures())
    assert (len(due) - 5, True, []) == (second.done, second.finished, queue.waiting)
    assert [0] * len(due) == [balance_of(ledger, name) for name in due]
    assert len(due) < len(crowd)


def test_every_worker_gets_a_little_done_and_all_is_done(
    ledger: MemoryLedger, crowd: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With time for four accounts each, enough workers finish the whole run."""
    monkeypatch.setattr(sweeping, "PAGE", 3)
    queue, workers = Tasks(), 0
    fan_out(queue, Sweep.EXPIRE, NOW, 4)
    while queue.waiting:
        workers += 1
        assert workers < 40
        work(ledger, queue, queue.waiting.pop(0), AFTER, expiring(ledger, AFTER), _ticks(4), Failures())

    assert {0} == {balance_of(ledger, name) for name in crowd}
    assert workers > 4


def test_page_begun_again_skips_what_is_done(ledger: MemoryLedger, crowd: list[str]) -> None:
    """A task delivered twice, or begun again at its cursor, writes nothing twice."""
    task, queue = ShardTask(Sweep.EXPIRE, NOW, 1), Tasks()
    work(ledger, queue, task, AFTER, expiring(ledger, AFTER), _ticks(2), Failures())
    (rest,), queue.waiting = queue.waiting, []

    for again in (task, rest, rest):
        work(ledger, queue, again, AFTER, expiring(ledger, AFTER), lambda: True, Failures())

    in_shard = [name for name in crowd if ledger.shard(name) == 1]
    assert [[10, -10]] * len(in_shard) == [points_of(ledger, name) for name in in_shard]
    assert proved(ledger, *in_shard)


# Others at work ------------------------------------------------------------------------------------------------------


def test_contended_account_does_not_block_its_neighbours(ledger: MemoryLedger, crowd: list[str]) -> None:
    """An account that stays busy is left and counted; everybody else is done, and it is due in the next run."""
    contended, failures = Contended(ledger, "m3", "m17"), Failures()

    parts = run(ledger, Sweep.EXPIRE, AFTER, expiring(contended, AFTER), failures=failures)

    assert (30, 28, 2) == tuple(sum(getattr(part, name) for part in parts) for name in ("seen", "done", "left"))
    assert [] == failures.rows, "contention is nothing to report"
    assert {"m3", "m17"} == {name for name in crowd if balance_of(ledger, name)}
    assert (2, 2, 0) == swept(ledger)


def test_broken_account_does_not_block_its_neighbours(ledger: MemoryLedger, crowd: list[str]) -> None:
    """An account that makes no sense is reported and counted; everybody else is done."""
    assert "m5" in crowd
    failures, whole = Failures(), expiring(ledger, AFTER)

    def act(member: str) -> bool:
        if member == "m5":
            raise LedgerFault("entry 2 is missing")
        return whole(member)

    parts = run(ledger, Sweep.EXPIRE, AFTER, act, failures=failures)

    assert (29, 0, 1) == tuple(sum(getattr(part, name) for part in parts) for name in ("done", "left", "errors"))
    assert [("m5", "entry 2 is missing")] == [(member, str(failure)) for member, failure in failures.rows]


def test_two_workers_on_one_shard(ledger: MemoryLedger, crowd: list[str]) -> None:
    """A second worker that goes through the shard in the middle of the first one's work does no harm."""
    task = ShardTask(Sweep.EXPIRE, NOW, 2)

    def other(inner: Ledger) -> None:
        work(inner, Tasks(), task, AFTER, expiring(inner, AFTER), lambda: True, Failures())

    raced = Raced(ledger, lambda _inner: None, other)
    mine = work(raced, Tasks(), task, AFTER, expiring(raced, AFTER), lambda: True, Failures())

    in_shard = [name for name in crowd if ledger.shard(name) == 2]
    assert len(in_shard) > 2
    assert Progress(seen=len(in_shard), done=1) == mine
    assert [[10, -10]] * len(in_shard) == [points_of(ledger, name) for name in in_shard]
    assert proved(ledger, *in_shard)


def test_redemption_between_reading_and_expiring(ledger: MemoryLedger) -> None:
    """A redemption dated before the end that commits first keeps its points; only the rest expires."""
    give(ledger, "m1", 10)
    raced = Raced(ledger, lambda inner: desk(inner, "k").redeem("m1", 4))

    assert expire(raced, "m1", AFTER, Patient())
    assert ([10, -4, -6], True) == (points_of(ledger), proved(ledger))


def test_lost_answer_of_an_expiry(ledger: MemoryLedger) -> None:
    """An expiry whose answer was lost is not written again."""
    give(ledger, "m1", 10)

    expire(Forgetful(ledger), "m1", AFTER, Patient())

    assert ([10, -10], True) == (points_of(ledger), proved(ledger))


def test_index_that_names_too_many_does_no_harm(ledger: MemoryLedger) -> None:
    """The index is a hint: an account named by mistake is read and left as it is."""
    give(ledger, "m1", 10, date(2030, 1, 1))

    assert not expire(ledger, "m1", AFTER, Patient())
    assert not expire(ledger, "nobody", AFTER, Patient())
    assert 1 == ledger.commits


def test_pages_with_nothing_to_do_take_time_too(ledger: MemoryLedger) -> None:
    """Rows of a batch that are settled name nobody: a worker that goes through many of them goes on where it was."""
    queue, left, seen = Tasks(), iter([True, True, False, *[True] * 9]), list[str | None]()

    def pages(cursor: str | None, limit: int) -> DuePage:
        assert limit
        seen.append(cursor)
        number = int(cursor or 0) + 1
        return DuePage((), str(number) if number < 6 else None)

    task = ShardTask(Sweep.EXPIRE, AFTER.now, 0, batch="sleepy.2027-03-10")
    worker = partial(work, ledger, queue, moment=AFTER, act=lambda _: True, report=Failures(), pages=pages)
    assert not worker(task, has_time=lambda: next(left)).finished
    assert [None, "1", "2"] == seen
    (again,) = queue.waiting
    assert worker(again, has_time=lambda: next(left)).finished
    assert [None, "1", "2", "3", "4", "5"] == seen
