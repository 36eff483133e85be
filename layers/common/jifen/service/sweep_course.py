"""The course of a shard: pause and pace as an operator sets them, and the row that says how far it is.

    task ──> control, row (one read) ──page──account──account──page──> row written
                  ^──── control again before each page

A row is written once a shard has begun that is longer than a page, or is slow, and whenever a worker ends: for each
account nothing is read or written besides what it needs itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from math import ceil

from jifen.domain.calendar import local_day, parse_instant
from jifen.domain.entries import instant_text
from jifen.domain.errors import Busy
from jifen.domain.program import Moment
from jifen.domain.sweeps import KEPT, WORKERS_MAX, ShardProgress, Slice, SweepControl, after_slice
from jifen.service import sweeping
from jifen.service.ports import DuePage, Ledger, Patience, Posting, ShardTask, settle
from jifen.service.sweep_documents import ControlKey, ProgressKey
from jifen.service.sweeping import Progress

PACED_PAGE_S = 10
"""A page of a sweep with a pace has as many accounts as their turns come in so many seconds."""

DELAY_S_MAX = 900
"""SQS keeps a message back no longer."""


@dataclass(slots=True)
class ShardCourse:
    """The course of one task.

    Attributes:
        ledger: where control and row are kept.
        task: the shard.
        shards: how many the run has.
        moment: what the run is for, and when this is.
        clock: now.
        monotonic: a clock in seconds.
        rest: waits so many seconds, or says that there is no time for it.
        patience: how long the caller can wait for the row to be written.
        count: takes numbers for the operator's charts.
        counted: how many accounts a shard has in all; asked where they are more than a page.
    """

    ledger: Ledger
    task: ShardTask
    shards: int
    moment: Moment
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    rest: Callable[[float], bool]
    patience: Patience
    count: Callable[[Mapping[str, int]], None]
    counted: Callable[[], int]
    control: SweepControl | None = None
    row: ShardProgress | None = None
    _next_at_s: float | None = field(default=None, init=False)

    @property
    def run(self) -> str:
        """The run's name: the instant it is for."""
        return instant_text(self.task.as_of)

    # What the operator wants

    def page(self) -> int:
        """See :class:`jifen.service.sweeping.Course`.

        Raises:
            Busy: the switch cannot be read for the first time. Later it stays as it was.
        """
        key = ControlKey(str(self.task.sweep))
        if self.control is None:
            own = self._key()
            found = self.ledger.load([], [key, own]).documents
            control, row = found.get(key), found.get(own)
            self.row = row if isinstance(row, ShardProgress) else None
            self.control = control if isinstance(control, SweepControl) else SweepControl(key.sweep)
        else:
            with contextlib.suppress(Busy):
                control = self.ledger.load([], [key]).documents.get(key)
                self.control = control if isinstance(control, SweepControl) else SweepControl(key.sweep)
        if self.control.paused:
            return 0
        pace = self.control.accounts_per_second
        return sweeping.PAGE if pace is None else max(1, min(sweeping.PAGE, pace * PACED_PAGE_S // WORKERS_MAX))

    @property
    def overtaken(self) -> bool:
        """A walk that another program's has taken the place of; while paused also a run with a later one behind it."""
        control, task = self.control, self.task
        if control is None:
            return False
        if task.walk:
            walk = control.walk
            return walk is None or (walk.mark, walk.run) != (task.walk, self.run) or task.shard in walk.done
        return bool(control.paused and not task.batch and control.run and task.as_of < parse_instant(control.run))

    def wait(self) -> int:
        """See :class:`jifen.service.sweeping.Course`."""
        pace = self.control.accounts_per_second if self.control else None
        if pace is None:
            return 0
        now = self.monotonic()
        turn = now if self._next_at_s is None else self._next_at_s
        if turn > now and not self.rest(turn - now):
            return min(DELAY_S_MAX, ceil(turn - now))
        self._next_at_s = max(turn, now) + WORKERS_MAX / pace
        return 0

    # What the operator sees

    def began(self, page: DuePage) -> None:
        """See :class:`jifen.service.sweeping.Course`. A shard that was begun before goes on in its row."""
        lag_days = 0
        if self.task.kind == self.task.sweep and page.oldest is not None:
            lag_days = max(0, (self.moment.today - self._due_since(page.oldest)).days)
            self.count({f"{str(self.task.sweep).title()}LagDays": lag_days})
        if self.row is not None:
            return
        short = page.cursor is None
        self.row = self._fresh(
            expected=len(page.members) if short else self.counted(),
            oldest=page.oldest.isoformat() if page.oldest and not self.task.walk else "",
            lag_days=lag_days,
        )
        if page.members and (not short or (self.control and self.control.accounts_per_second)):
            self._write(lambda row: row or self.row)

    def _due_since(self, oldest: date) -> date:
        """Since when there was something to do that nobody has done: what the run before has left is late.

        The day in the index may lie before the account had anything due: of points that last for a week, the one on
        which a month was left.
        """
        known = self.control or SweepControl(str(self.task.sweep))
        before = known.run if known.run != self.run else known.before
        if not before or parse_instant(before) >= self.task.as_of:
            return oldest
        return max(oldest, local_day(parse_instant(before), self.moment.zone))

    def ended(self, progress: Progress, stop: str | None) -> None:
        """See :class:`jifen.service.sweeping.Course`."""
        if (progress.paused or self.task.held) and not progress.seen:
            return  # nothing was done, and nobody has to be told so every few minutes
        part = Slice(
            self.task.cursor or "",
            stop,
            progress.seen,
            progress.done,
            progress.left,
            progress.errors,
            backwards=bool(self.task.batch),  # its rows are listed from the last to the first
        )
        begun, now = self.row or self._fresh(), self.clock()
        self._write(lambda row: after_slice(row or begun, part, now))

    def _fresh(self, expected: int = 0, oldest: str = "", lag_days: int = 0) -> ShardProgress:
        now = self.clock()
        return ShardProgress(
            self.task.kind,
            self.run,
            self.task.shard,
            started_at=now,
            updated_at=now,
            shards=self.shards,
            expected=expected,
            oldest=oldest,
            lag_days=lag_days,
            keep_until=now + KEPT,
        )

    def _key(self) -> ProgressKey:
        return ProgressKey(self.task.kind, self.run, self.task.shard)

    def _write(self, change: Callable[[ShardProgress | None], ShardProgress | None]) -> None:
        """Write the row, whoever else has written it meanwhile; an attempt whose answer was lost counts once."""
        attempted: ShardProgress | None = None
        known = self.row if self.row is not None and self.row.version else None

        def attempt() -> None:
            nonlocal attempted, known
            if attempted is not None:
                found = self.ledger.load([], [self._key()]).documents.get(self._key())
                known = found if isinstance(found, ShardProgress) else None
                if known is not None and known == replace(attempted, version=attempted.version + 1):
                    self.row = known
                    return
            attempted = change(known)
            assert attempted is not None, "there is a row to be written"
            self.ledger.commit(Posting(documents=(attempted,)), self.patience)
            self.row = replace(attempted, version=attempted.version + 1)

        settle(self.patience, attempt)
