"""The course of a shard: pace, pause and progress, whoever else is at work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from jifen.domain.errors import Busy, LedgerFault
from jifen.domain.sweeps import WORKERS_MAX, ShardProgress, SweepControl
from jifen.service import sweeping
from jifen.service.expiring import expire
from jifen.service.ports import DuePage, Ledger, Posting, ShardTask, Sweep
from jifen.service.sweep_course import ShardCourse
from jifen.service.sweep_documents import ControlKey, ProgressKey
from jifen.service.sweeping import Progress, work
from tests.service.ledgers import Contended, Forgetful, Raced
from tests.service.queues import Failures, Tasks
from tests.service.scene import NOW, PROGRAM, give, points_of
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

AFTER = PROGRAM.moment(NOW.replace(year=2027, month=4))
TASK = ShardTask(Sweep.EXPIRE, AFTER.now, 0)
RUN = "2027-04-01T04:00:00Z"


@dataclass
class Hours:
    """A worker's clock: it has ``left_s``, and waiting takes its time."""

    left_s: float = 100
    now_s: float = 0
    rests: list[float] = field(default_factory=list)

    def rest(self, seconds: float) -> bool:
        """Wait, if there is time for it."""
        if seconds > self.left_s - self.now_s:
            return False
        self.rests.append(round(seconds, 3))
        self.now_s += seconds
        return True


@dataclass
class Place:
    """One shard of a ledger, and workers in it."""

    ledger: MemoryLedger
    queue: Tasks = field(default_factory=Tasks)
    counted: Counter[str] = field(default_factory=Counter)
    hours: Hours = field(default_factory=Hours)
    failures: Failures = field(default_factory=Failures)

    def course(self, task: ShardTask = TASK, through: Ledger | None = None) -> ShardCourse:
        """The course of a task."""
        ledger = through or self.ledger

        def count(numbers: Mapping[str, int]) -> None:
            self.counted.update(numbers)

        return ShardCourse(
            ledger=ledger,
            task=task,
            shards=1,
            moment=AFTER,
            clock=lambda: AFTER.now + timedelta(seconds=self.hours.now_s),
            monotonic=lambda: self.hours.now_s,
            rest=self.hours.rest,
            patience=Patient(3),
            count=count,
            counted=lambda: ledger.due_count(Sweep.EXPIRE, 0, AFTER.today),
        )

    def work(
        self,
        task: ShardTask = TASK,
        through: Ledger | None = None,
        act: Callable[[str], bool] | None = None,
        has_time: Callable[[], bool] = lambda: True,
    ) -> Progress:
        """One worker."""
        ledger = through or self.ledger
        doing = act or (lambda member: expire(ledger, member, AFTER, Patient(3)))
        own = self.course(task, through)
        return work(ledger, self.queue, task, AFTER, doing, has_time, self.failures, own)

    def set(self, **wanted: object) -> None:
        """What the operator wants."""
        key = ControlKey("expire")
        known = self.ledger.load([], [key]).documents.get(key) or SweepControl("expire")
        assert isinstance(known, SweepControl)
        self.ledger.commit(Posting(documents=(replace(known, **wanted),)), Patient())  # type: ignore[arg-type]

    @property
    def row(self) -> ShardProgress:
        """How far the shard is."""
        key = ProgressKey("expire", RUN, 0)
        found = self.ledger.load([], [key]).documents[key]
        assert isinstance(found, ShardProgress)
        return found


@pytest.fixture
def place() -> Place:
    """A ledger of one shard in which twenty members are due."""
    ledger = MemoryLedger(PROGRAM, shards=1)
    for number in range(20):
        give(ledger, f"m{number:02}", 10)
    return Place(ledger)


def ticks(count: int) -> Callable[[], bool]:
    """Time for so many accounts."""
    left = iter([True] * count)
    return lambda: next(left, False)


# Pace ----------------------------------------------------------------------------------------------------------------


def test_without_a_pace_nobody_waits(place: Place) -> None:
    """As fast as it goes."""
    place.work()

    assert ([], 20) == (place.hours.rests, place.row.done)


def test_a_worker_holds_its_part_of_the_pace(place: Place) -> None:
    """Sixteen workers at eight a second: each takes one account in two seconds, the first of them at once."""
    place.set(accounts_per_second=8)
    place.work()

    assert ([WORKERS_MAX / 8] * 19, 20, 38) == (place.hours.rests, place.row.done, place.hours.now_s)


def test_work_that_is_slower_than_its_pace_does_not_catch_up(place: Place) -> None:
    """After an account that took long the next is begun at once, and those behind it keep their distance."""
    place.set(accounts_per_second=16)

    def act(member: str) -> bool:
        place.hours.now_s += 5 if member == "m03" else 0
        return expire(place.ledger, member, AFTER, Patient(3))

    place.work(act=act)

    assert [1.0] * 3 + [1.0] * 15 == place.hours.rests


def test_a_pace_that_outlasts_the_worker_puts_the_cursor_back(place: Place) -> None:
    """The rest goes back for as long as the next account has to wait; nothing is lost, workers take turns."""
    place.set(accounts_per_second=1)
    workers = 0
    place.queue.waiting = [TASK]
    while place.queue.waiting:
        workers += 1
        assert workers < 30
        place.hours.now_s, place.hours.left_s = 0, 60
        place.work(place.queue.waiting.pop(0))

    assert ({16}, 5) == (set(place.queue.delays), workers)
    assert [[10, -10]] * 20 == [points_of(place.ledger, f"m{number:02}") for number in range(20)]
    assert (20, 20, 20, 5, True) == (
        place.row.expected,
        place.row.seen,
        place.row.done,
        place.row.slices,
        place.row.finished,
    )


def test_a_new_pace_counts_from_the_next_page_on(place: Place) -> None:
    """An operator need not wait for the workers of the old one to end."""
    place.set(accounts_per_second=16)

    def act(member: str) -> bool:
        if member == "m05":
            place.set(accounts_per_second=None)
        return expire(place.ledger, member, AFTER, Patient(3))

    place.work(act=act)

    assert ([1.0] * 9, 20) == (place.hours.rests, place.row.done), "a page is ten seconds long"


# Pause ---------------------------------------------------------------------------------------------------------------


def test_a_paused_shard_is_put_back_untouched(place: Place) -> None:
    """The task goes back as it is, and there is no row of it yet."""
    place.set(paused=True)
    progress = place.work()

    assert (True, False, 0) == (progress.paused, progress.finished, progress.seen)
    assert ([TASK], [sweeping.PAUSED_S]) == (place.queue.waiting, place.queue.delays)
    assert {} == place.ledger.load([], [ProgressKey("expire", RUN, 0)]).documents


def test_a_switch_that_cannot_be_read_is_not_taken_for_open(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that does not know whether it is paused does nothing; one that knew goes on as it was."""

    def busy(*_args: object) -> object:
        raise Busy

    with monkeypatch.context() as patch:
        patch.setattr(place.ledger, "load", busy)
        with pytest.raises(Busy):
            place.work()
    assert 20 == place.ledger.due_count(Sweep.EXPIRE, 0, AFTER.today)

    own = place.course()
    assert own.page()
    monkeypatch.setattr(place.ledger, "load", busy)
    assert own.page()


def test_only_a_paused_task_gives_way_to_a_later_run(place: Place) -> None:
    """While it is paused the later run's own task waits as well; otherwise this one is done as any other."""
    later = "2027-04-02T04:00:00Z"
    place.set(paused=True, run=later)
    place.work()
    assert [] == place.queue.waiting

    place.set(paused=True, run=RUN)
    place.work()
    assert [TASK] == place.queue.waiting

    place.set(paused=False, run=later)
    place.work()
    assert 20 == place.row.done


# Progress ------------------------------------------------------------------------------------------------------------


def test_a_row_is_written_at_ends_of_slices_and_for_no_account(place: Place) -> None:
    """Twenty accounts of one page: twenty commits of theirs and one of the row."""
    place.ledger.commits = 0
    place.work()

    assert 21 == place.ledger.commits


def test_a_long_shard_shows_as_soon_as_it_begins(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard of several pages has a row before its first account is done, with all that is expected in it."""
    monkeypatch.setattr(sweeping, "PAGE", 6)
    rows: list[ShardProgress] = []

    def act(member: str) -> bool:
        rows.append(place.row)
        return expire(place.ledger, member, AFTER, Patient(3))

    place.work(act=act)

    assert (20, 0, False) == (rows[0].expected, rows[0].seen, rows[0].finished)
    assert (20, 20, True, 1) == (place.row.expected, place.row.done, place.row.finished, place.row.slices)
    assert "2027-04-01" == place.row.oldest


def test_an_empty_shard_is_finished(place: Place) -> None:
    """It has a row all the same: an operator sees that somebody was there."""
    place.work()
    place.work()

    assert (20, 20, 20, True, 2) == (
        place.row.expected,
        place.row.seen,
        place.row.done,
        place.row.finished,
        place.row.slices,
    )


def test_errors_and_what_was_left_are_told_apart(place: Place) -> None:
    """One that others keep writing, one that makes no sense; once both are well there are none left."""
    contended = Contended(place.ledger, "m03")

    def act(member: str) -> bool:
        if member == "m05":
            raise LedgerFault("entry 2 is missing")
        return expire(contended, member, AFTER, Patient(3))

    progress = place.work(act=act)
    assert (18, 1, 1) == (progress.done, progress.left, progress.errors)
    assert (18, 1, 1, True) == (place.row.done, place.row.left, place.row.errors, place.row.finished)

    place.work()
    assert (20, 0, 0) == (place.row.done, place.row.left, place.row.errors)


def test_two_workers_in_one_shard_share_its_row(place: Place) -> None:
    """Each account is done by one of them, and both are in the row."""
    first = place.work(has_time=ticks(7))
    ((rest,), place.queue.waiting) = place.queue.waiting, []
    raced = Raced(place.ledger, lambda _inner: place.work(rest))
    second = place.work(through=raced)

    assert 20 == place.row.done
    assert (7, 0) == (first.done, second.done), "the other did the thirteen that were left"
    assert [[10, -10]] * 20 == [points_of(place.ledger, f"m{number:02}") for number in range(20)]


def test_a_row_whose_answer_was_lost_counts_once(place: Place) -> None:
    """It was written, the answer was not heard: it is found and left as it is."""
    forgetful = Forgetful(place.ledger, lost=1_000)
    own = place.course(through=forgetful)
    own.page()
    own.began(DuePage(("m00",), None, AFTER.today))
    own.ended(Progress(seen=1, done=1), None)

    assert (1, 1, 1) == (place.row.seen, place.row.done, place.row.slices)


def test_the_lag_is_that_of_the_oldest_account(place: Place) -> None:
    """Days from the account that was due longest to the run, counted once a shard."""
    place.work()
    assert (0, {"ExpireLagDays": 0}) == (place.row.lag_days, dict(place.counted))

    late = Place(MemoryLedger(PROGRAM, shards=1))
    give(late.ledger, "m1", 5, AFTER.today - timedelta(8))
    late.work()
    assert (7, {"ExpireLagDays": 7}) == (late.row.lag_days, dict(late.counted))
