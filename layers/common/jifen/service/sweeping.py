"""Sweeps: a schedule becomes one task per shard, a worker goes through its shard account by account.

    schedule ──fan_out──> queue ──work──> accounts due        a task that runs out of time puts its cursor back
                            ^───────────────────┘

A sweep works from dates, never from "yesterday": what a missed run left over is due still, what was done is due no
more. So a task can be run twice, late, or next to another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from jifen.domain.errors import Busy
from jifen.domain.program import Moment
from jifen.service.ports import DuePage, Ledger, NotSent, ShardTask, Sweep, SweepQueue

PAGE = 100
"""Members read from the index at a time."""

PAUSED_S = 300
"""A paused task is looked at again after so many seconds."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a worker got done: accounts ``seen`` in the index, of which ``done`` were written, ``left`` for later.

    ``errors`` are those that cannot be handled. Where it has not ``finished``, the rest of the shard is queued.
    """

    seen: int = 0
    done: int = 0
    left: int = 0
    errors: int = 0
    finished: bool = True
    paused: bool = False


class Course(Protocol):
    """What an operator wants of a sweep and sees of it, for the time of one task."""

    def page(self) -> int:
        """How many accounts the next page may have; 0: the sweep is paused."""

    @property
    def overtaken(self) -> bool:
        """Whether the task has become pointless: another one does all of it."""

    def began(self, page: DuePage) -> None:
        """A shard begins, with this page."""

    def wait(self) -> int:
        """Wait for the next account's turn; or after how many seconds it comes, where that is too long to wait for."""

    def ended(self, progress: Progress, stop: str | None) -> None:
        """The worker ends: behind the cursor ``stop`` there is more (None: the shard was gone through).

        Raises:
            Busy: it could not be written down; the task is to be done again.
        """


class _AsFastAsItGoes:
    """A course that nobody sets and nobody sees."""

    overtaken = False

    def page(self) -> int:
        return PAGE

    def began(self, page: DuePage) -> None:
        pass

    def wait(self) -> int:
        return 0

    def ended(self, progress: Progress, stop: str | None) -> None:
        pass


def fan_out(queue: SweepQueue, sweep: Sweep, as_of_instant: datetime, shards: int, *, held: bool = False) -> int:
    """Queue one task per shard; the number of tasks. ``held``: for messages that waited for the end of quiet hours."""
    queue.send([ShardTask(sweep, as_of_instant, shard, held=held) for shard in range(shards)])
    return shards


def work(  # noqa: C901 - each way to end early is one of them
    ledger: Ledger,
    queue: SweepQueue,
    task: ShardTask,
    moment: Moment,
    act: Callable[[str], bool],
    has_time: Callable[[], bool],
    report: Callable[[str, Exception], None],
    course: Course | None = None,
    pages: Callable[[str | None, int], DuePage] | None = None,
) -> Progress:
    """Go through one shard until it is done or time runs out; then queue the rest.

    An account that stays contended, whose reminder could not be sent, or that cannot be read at all (``report`` is
    told) is left to the next try and counted: it never blocks its neighbours. ``pages`` names the accounts behind a
    cursor, at most so many; left out, they are those due on the day of ``moment``.

    Raises:
        Busy: what the operator wants could not be read, or what was done not be written down.
    """
    course = course or _AsFastAsItGoes()
    progress, cursor = Progress(), task.cursor

    def put_back(delay_s: int = 0) -> Progress:
        # This page is started again: what is done meanwhile is due no more.
        ended = replace(progress, finished=False)
        course.ended(ended, cursor or "")
        queue.send([replace(task, cursor=cursor)], delay_s)
        return ended

    while True:
        limit = course.page()
        if course.overtaken:
            return replace(progress, finished=False)
        if not limit:
            progress = replace(progress, paused=True)
            return put_back(PAUSED_S)
        page = pages(cursor, limit) if pages else ledger.due(task.sweep, task.shard, moment.today, cursor, limit)
        if cursor is None:
            course.began(page)
        for member in page.members:
            if not has_time():
                return put_back()
            if delay_s := course.wait():
                return put_back(delay_s)
            progress = _one(progress, member, act, report)
        if page.cursor is None:
            course.ended(progress, None)
            return progress
        cursor = page.cursor
        if not page.members and not has_time():
            return put_back()


def _one(
    progress: Progress, member: str, act: Callable[[str], bool], report: Callable[[str, Exception], None]
) -> Progress:
    try:
        acted = act(member)
    except (Busy, NotSent):
        return replace(progress, seen=progress.seen + 1, left=progress.left + 1)
    except Exception as failure:  # noqa: BLE001 - one broken account must not keep a whole shard from its sweep
        report(member, failure)
        return replace(progress, seen=progress.seen + 1, errors=progress.errors + 1)
    return replace(progress, seen=progress.seen + 1, done=progress.done + acted)
