"""The walk: after another program came into force every account stands under that program's dates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from jifen.domain.calendar import parse_instant
from jifen.domain.errors import Busy
from jifen.domain.program import Program, parse_program
from jifen.domain.ruling import ProgramInForce
from jifen.domain.sweeps import ShardProgress, SweepControl
from jifen.service import sweeping
from jifen.service.in_force import read_program
from jifen.service.ports import Ledger, Posting, ProgramKey, ShardTask, Sweep
from jifen.service.ruling import canonical
from jifen.service.sweep_course import ShardCourse
from jifen.service.sweep_documents import ControlKey, ProgressKey
from jifen.service.sweep_runs import DELAY_S_MAX, SETTLED_S, begin_run, begin_walk, mark_of
from jifen.service.sweeping import Progress, work
from jifen.service.walking import Walking
from tests.service.ledgers import Contended, Raced
from tests.service.queues import Failures, Tasks
from tests.service.scene import LAST_DAY, NOW, account_of, earned, give, paid, points_of, proved
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

SHARDS = 4
NIGHT = NOW + timedelta(hours=12)
FILE: Mapping[str, Any] = {"time_zone": "Asia/Shanghai", "currency": "CNY", "reminders": {"lead_days": [30]}}
OWN = parse_program(dict(FILE))
LEADS = {"reminders": {"lead_days": [60, 30]}}
SLEEPY = {
    "validity": {
        "policies": [
            {
                "id": "sleepy",
                "starts_on": "2026-01-01",
                "when": {"inactive": {"months": 2, "without": ["order"], "known_since": "2026-03-01"}},
                "leave": {"months": 3},
            }
        ]
    }
}
TIERS = {"tiers": {"by": "points", "levels": [{"id": "m", "from": 0, "allowance": 5}, {"id": "g", "from": 100}]}}


@dataclass
class Site:
    """A ledger in four shards, the program in force, and the nights."""

    ledger: MemoryLedger = field(default_factory=lambda: MemoryLedger(OWN, shards=SHARDS))
    queue: Tasks = field(default_factory=Tasks)
    failures: Failures = field(default_factory=Failures)
    now: datetime = NIGHT
    program: Program = OWN

    def publish(self, number: int, **parts: Any) -> None:
        """Put another version in force, or an earlier one again; the process knows at once."""
        known = self.ledger.load([], [ProgramKey()]).documents.get(ProgramKey())
        text = canonical({**FILE, **parts}) if number else ""
        version = known.version if isinstance(known, ProgramInForce) else 0
        at = ProgramInForce(number, number, 0, "f" * 32 if number else "", text, self.now, version)
        self.ledger.commit(Posting(documents=(at,)), Patient(0))
        self.program = read_program(number, text) if number else OWN
        self.ledger.follow(self.program)

    def night(self, own: Program = OWN, shards: int = SHARDS) -> int:
        """The schedule: how many tasks of a walk it queued."""
        return begin_walk(self.ledger, self.queue, self.program, own, shards, self.now, 30, Patient())

    def work(
        self, task: ShardTask, through: Ledger | None = None, has_time: Callable[[], bool] | None = None
    ) -> Progress:
        """One worker on one task."""
        ledger = through or self.ledger
        walking = Walking(
            ledger, task, lambda: self.program, lambda: self.program.moment(self.now, recorded_at=self.now), Patient(3)
        )
        walking.begin()
        own = ShardCourse(
            ledger=ledger,
            task=task,
            shards=SHARDS,
            moment=self.program.moment(self.now),
            clock=lambda: self.now,
            monotonic=lambda: 0.0,
            rest=lambda _seconds: True,
            patience=Patient(3),
            count=lambda _numbers: None,
            counted=walking.counted,
        )
        progress = work(
            ledger,
            self.queue,
            task,
            self.program.moment(self.now),
            walking.act,
            has_time or (lambda: True),
            self.failures,
            own,
            walking.pages,
        )
        if progress.finished and not (own.row and own.row.left):
            walking.finish()
        return progress

    def drain(self) -> list[Progress]:
        """Work until nothing waits."""
        done = []
        while self.queue.waiting:
            done.append(self.work(self.queue.waiting.pop(0)))
            assert len(done) < 1_000, "the walk never ends"
        return done

    @property
    def control(self) -> SweepControl:
        """What the sweep remembers."""
        found = self.ledger.load([], [ControlKey("expire")]).documents[ControlKey("expire")]
        assert isinstance(found, SweepControl)
        return found

    def set(self, **wanted: Any) -> None:
        """What the operator wants."""
        self.ledger.commit(Posting(documents=(replace(self.control, **wanted),)), Patient())

    @property
    def walked(self) -> bool:
        """Whether everybody's dates are said to be those of the program in force."""
        found = self.ledger.load([], [ProgramKey()]).documents.get(ProgramKey())
        mark = mark_of(found if isinstance(found, ProgramInForce) else ProgramInForce(), OWN)
        return self.control.walked == mark

    def agree(self, *members: str) -> bool:
        """Whether these accounts stand where an account written now would stand."""
        return not self.ledger.stale(members, lambda account: account).writes


MEMBERS = [f"m{number}" for number in range(24)]


@pytest.fixture
def site() -> Site:
    """Twenty-four members: with an order, with points of many dates, with points that last for ever."""
    here = Site()
    for number, member in enumerate(MEMBERS):
        if number % 3 == 0:
            earned(here.ledger, paid(f"o{number}", 2_000, member), program=OWN)
        else:
            give(here.ledger, member, 10, None if number % 3 == 1 else LAST_DAY + timedelta(number))
    here.now = NIGHT
    here.night()
    here.drain()
    assert here.walked
    here.now += timedelta(hours=1)
    return here


@pytest.mark.parametrize("parts", [LEADS, SLEEPY, TIERS, {**LEADS, **SLEEPY, **TIERS}], ids="+".join)
def test_every_account_agrees_after_the_walk(site: Site, parts: Mapping[str, Any]) -> None:
    """Other leads, a new policy, other tier rules: whoever would stand elsewhere by now is written, and no entry is."""
    before = {member: points_of(site.ledger, member) for member in MEMBERS}
    site.publish(1, **parts)
    assert not site.agree(*MEMBERS) or "tiers" in parts

    assert SHARDS == site.night()
    written = sum(part.done for part in site.drain())

    assert site.walked
    assert site.agree(*MEMBERS)
    assert 0 < written <= len(MEMBERS)
    assert before == {member: points_of(site.ledger, member) for member in MEMBERS}
    assert proved(site.ledger, *MEMBERS)
    assert 0 == site.night()


def test_a_tier_rule_makes_accounts_due(site: Site) -> None:
    """An allowance that nobody had before is due for those with points from the walk on, and the sweep gives it."""
    earned(site.ledger, paid("o-level", 2_000, "m1"), program=OWN)
    assert account_of(site.ledger, "m1").standing.due is None
    site.publish(1, **TIERS)
    site.night()
    site.drain()

    today = site.program.moment(site.now).today
    due = [site.ledger.due(Sweep.EXPIRE, shard, today, None, 100).members for shard in range(SHARDS)]
    assert "m1" in {member for members in due for member in members}


def test_only_accounts_that_would_stand_elsewhere_are_written(site: Site) -> None:
    """A version that changes no date costs reads alone."""
    site.publish(1, clawback="clamp")
    site.ledger.commits = 0
    assert SHARDS == site.night()
    parts = site.drain()

    assert (len(MEMBERS), 0) == (sum(part.seen for part in parts), sum(part.done for part in parts))
    # The walk's beginning, and of each shard its row and its end.
    assert 1 + 2 * SHARDS == site.ledger.commits


def test_the_way_back_is_walked_too(site: Site) -> None:
    """What was written while another version was in force stands under its dates until the earlier one is walked."""
    site.publish(1, **LEADS)
    give(site.ledger, "late", 10)
    site.publish(0)
    assert not site.agree("late")

    assert SHARDS == site.night()
    site.drain()
    assert site.agree("late", *MEMBERS)


def test_a_change_of_the_stacks_own_program_is_walked(site: Site) -> None:
    """It changes with a deployment, without a publication."""
    own = parse_program({**FILE, **LEADS})
    site.program = own
    site.ledger.follow(own)

    assert 0 == site.night(OWN)
    assert SHARDS == site.night(own)
    site.drain()
    assert site.agree(*MEMBERS)
    assert 0 == site.night(own)


def test_a_program_that_this_code_cannot_read_is_not_walked_by(site: Site) -> None:
    """The process goes on by the last good one, which gives no dates to everybody."""
    good = site.program
    site.publish(1, **LEADS)
    site.program = good
    site.ledger.follow(good)

    assert 0 == site.night()
    assert not site.walked


def test_a_worker_that_cannot_read_the_program_walks_nobody(site: Site) -> None:
    """Its code is older than the program: the task is done again, by one that knows it."""
    site.publish(1, **LEADS)
    site.night()
    known, site.program = site.program, OWN
    with pytest.raises(Busy):
        site.work(site.queue.waiting[0])

    site.program = known
    site.drain()
    assert site.walked
    assert site.agree(*MEMBERS)


def test_tasks_are_held_back_until_nobody_writes_by_the_program_before(site: Site) -> None:
    """So long as others may believe it, and be at work with it."""
    site.publish(1, **LEADS)
    site.queue.delays.clear()
    site.night()
    assert [30 + SETTLED_S] * SHARDS == site.queue.delays

    site.publish(2)
    begin_walk(site.ledger, site.queue, site.program, OWN, SHARDS, site.now, 3_600, Patient())
    assert [DELAY_S_MAX] * SHARDS == site.queue.delays[SHARDS:]


def test_another_version_in_the_middle_of_a_walk(site: Site) -> None:
    """The walk that was begun is finished for what it is; the next night's goes by the version in force then."""
    site.publish(1, **LEADS)
    site.night()
    site.work(site.queue.waiting.pop(0))
    site.publish(2, **SLEEPY)
    site.drain()
    half = site.walked

    site.now += timedelta(days=1)
    assert SHARDS == site.night()
    site.drain()
    assert (False, True) == (half, site.walked)
    assert site.agree(*MEMBERS)


def test_tasks_of_a_walk_that_was_overtaken_do_nothing(site: Site) -> None:
    """The next walk takes its place, and only its own shards count for it."""
    site.publish(1, **LEADS)
    site.night()
    old, site.queue.waiting = site.queue.waiting, []
    site.publish(2, **SLEEPY)
    site.now += timedelta(days=1)
    site.night()
    new = site.queue.waiting
    for task in old:
        assert Progress(finished=False) == site.work(task)

    assert site.control.walk is not None
    site.queue.waiting = new
    site.drain()
    assert site.walked
    assert site.agree(*MEMBERS)


def test_a_worker_short_of_time_goes_on_where_it_was(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With time for three accounts each, enough workers walk everybody; the shard counts once it is gone through."""
    monkeypatch.setattr(sweeping, "PAGE", 2)
    site.publish(1, **LEADS)
    site.night()
    workers = 0
    while site.queue.waiting:
        left = iter([True] * 3)
        site.work(site.queue.waiting.pop(0), has_time=lambda left=left: next(left, False))  # type: ignore[misc]
        workers += 1
        assert workers < 200

    assert site.walked
    assert site.agree(*MEMBERS)
    assert workers > SHARDS


def test_twice_at_once_and_again(site: Site) -> None:
    """Duplicates of tasks, the schedule twice, a task after its shard is done: the same, and no account twice."""
    site.publish(1, **LEADS)
    assert SHARDS == site.night()
    assert 0 == site.night(), "its tasks are on their way"
    tasks, site.queue.waiting = site.queue.waiting, []
    done = [site.work(task) for task in [*tasks, *tasks]]

    assert [True] * SHARDS + [False] * SHARDS == [part.finished for part in done]
    revisions = {member: account_of(site.ledger, member).revision for member in MEMBERS}
    assert site.walked
    assert max(revisions.values()) <= 3


def test_a_walk_that_lost_its_tasks_is_begun_again(site: Site) -> None:
    """Shards that nobody was seen at for half a day are queued again, and no others."""
    site.publish(1, **LEADS)
    site.night()
    site.work(site.queue.waiting.pop(0))
    site.queue.waiting.clear()
    site.now += timedelta(hours=11)
    assert 0 == site.night()
    site.now += timedelta(hours=2)
    assert SHARDS - 1 == site.night()
    site.drain()

    assert site.walked
    assert site.agree(*MEMBERS)


def test_a_paused_walk_is_not_queued_again(site: Site) -> None:
    """Its tasks wait in the queue; more of them every night would do the same work over and over."""
    site.publish(1, **LEADS)
    site.night()
    site.set(paused=True)
    site.now += timedelta(days=1)
    assert 0 == site.night()

    waiting, site.queue.waiting = site.queue.waiting, []
    for task in waiting:
        assert site.work(task).paused
    assert SHARDS == len(site.queue.waiting)
    site.set(paused=False)
    site.drain()
    assert site.walked


def test_an_account_that_somebody_else_writes(site: Site) -> None:
    """What happens between reading and writing stands: the account is looked at again."""
    site.publish(1, **LEADS)
    site.night()
    for task in list(site.queue.waiting):
        raced = Raced(site.ledger, *[lambda inner: give(inner, "m2", 1)] * 4)
        site.work(task, through=raced)

    assert site.agree(*MEMBERS)
    assert proved(site.ledger, *MEMBERS)


def test_a_shard_with_an_account_that_was_left_is_not_done(site: Site) -> None:
    """It is tried again before the walk counts as finished."""
    site.publish(1, **LEADS)
    site.night()
    tasks, site.queue.waiting = site.queue.waiting, []
    contended = Contended(site.ledger, "m2")
    parts = [site.work(task, through=contended) for task in tasks]
    assert (1, False) == (sum(part.left for part in parts), site.walked)

    (again,) = [task for task, part in zip(tasks, parts, strict=True) if part.left]
    assert 0 == site.work(again).left
    assert site.walked
    assert site.agree(*MEMBERS)


def test_progress_of_a_walk_is_kept_under_its_own_name(site: Site) -> None:
    """An operator sees how many there are to go through and how many had to be written."""
    site.publish(1, **LEADS)
    site.night()
    walk = site.control.walk
    assert walk is not None
    site.drain()

    keys = [ProgressKey("walk", walk.run, shard) for shard in range(SHARDS)]
    rows = [row for row in site.ledger.load([], keys).documents.values() if isinstance(row, ShardProgress)]
    assert (24, 24, True) == (
        sum(row.expected for row in rows),
        sum(row.seen for row in rows),
        all(r.finished for r in rows),
    )
    assert sum(row.done for row in rows) == sum(number % 3 != 1 for number in range(24))
    assert {0} == {row.lag_days for row in rows}
    assert parse_instant(walk.run) == site.now


# Runs ----------------------------------------------------------------------------------------------------------------


def test_the_latest_run_is_remembered(site: Site) -> None:
    """A run for an earlier instant, or the same again, is none; the first one has none before it."""
    ledger, later = site.ledger, NOW + timedelta(days=2)
    assert 0 == begin_run(ledger, Sweep.REMIND, NOW, later, SHARDS, Patient())
    assert SHARDS == begin_run(ledger, Sweep.REMIND, NOW + timedelta(days=1), later, SHARDS, Patient())
    assert 0 == begin_run(ledger, Sweep.REMIND, NOW, later, SHARDS, Patient())
    assert 0 == begin_run(ledger, Sweep.REMIND, NOW + timedelta(days=1), later, SHARDS, Patient())

    found = ledger.load([], [ControlKey("remind")]).documents[ControlKey("remind")]
    assert isinstance(found, SweepControl)
    assert "2026-03-02T04:00:00Z" == found.run


def test_a_run_for_a_day_that_is_far_ahead_is_not_the_latest_for_years(site: Site) -> None:
    """Somebody mistyped the year: the next night is the latest run again, and one that is left unfinished is told."""
    ledger, nights = site.ledger, [NOW + timedelta(days=number) for number in range(3)]
    begin_run(ledger, Sweep.EXPIRE, NOW + timedelta(days=3_650), NOW, SHARDS, Patient())

    assert 0 == begin_run(ledger, Sweep.EXPIRE, nights[1], nights[1], SHARDS, Patient())

    assert "2026-03-02T04:00:00Z" == site.control.run
    assert SHARDS == begin_run(ledger, Sweep.EXPIRE, nights[2], nights[2], SHARDS, Patient())


def test_the_mark_tells_programs_apart() -> None:
    """Publications by their count, so that the way back has a mark of its own; the stack's own by what it says."""
    marks = {
        mark_of(ProgramInForce(), OWN),
        mark_of(ProgramInForce(), parse_program({**FILE, **LEADS})),
        mark_of(ProgramInForce(), parse_program({**FILE, **SLEEPY})),
        mark_of(ProgramInForce(), parse_program({**FILE, **TIERS})),
        mark_of(ProgramInForce(3, version=1), OWN),
        mark_of(ProgramInForce(3, version=2), OWN),
        mark_of(ProgramInForce(version=3), OWN),
    }

    assert 7 == len(marks)
    assert mark_of(ProgramInForce(3, version=1), OWN) == mark_of(ProgramInForce(3, version=1), Program())
    assert date.max > LAST_DAY
