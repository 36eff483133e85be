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

from jifen.domain.errors import Busy
from jifen.domain.program import Moment
from jifen.service.ports import Ledger, NotSent, ShardTask, Sweep, SweepQueue

PAGE = 100
"""Members read from the index at a time."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a worker got done: accounts ``seen`` in the index, of which ``done`` were written, ``left`` for later."""

    seen: int = 0
    done: int = 0
    left: int = 0
    finished: bool = True


def fan_out(queue: SweepQueue, sweep: Sweep, as_of_instant: datetime, shards: int) -> int:
    """Queue one task per shard; the number of tasks."""
    queue.send([ShardTask(sweep, as_of_instant, shard) for shard in range(shards)])
    return shards


def work(
    ledger: Ledger,
    queue: SweepQueue,
    task: ShardTask,
    moment: Moment,
    act: Callable[[str], bool],
    has_time: Callable[[], bool],
    report: Callable[[str, Exception], None],
) -> Progress:
    """Go through one shard until it is done or time runs out; then queue the rest.

    An account that stays contended, whose reminder could not be sent, or that cannot be read at all (``report`` is
    told) is left to the next try and counted: it never blocks its neighbours.
    """
    progress, cursor = Progress(), task.cursor
    while True:
        page = ledger.due(task.sweep, task.shard, moment.today, cursor, PAGE)
        for member in page.members:
            if not has_time():
                # Start this page again: what is done meanwhile is due no more.
                queue.send([replace(task, cursor=cursor)])
                return replace(progress, finished=False)
            progress = _one(progress, member, act, report)
        if page.cursor is None:
            return progress
        cursor = page.cursor


def _one(
    progress: Progress, member: str, act: Callable[[str], bool], report: Callable[[str, Exception], None]
) -> Progress:
    try:
        acted = act(member)
    except (Busy, NotSent):
        return replace(progress, seen=progress.seen + 1, left=progress.left + 1)
    except Exception as failure:  # noqa: BLE001 - one broken account must not keep a whole shard from its sweep
        report(member, failure)
        return replace(progress, seen=progress.seen + 1, left=progress.left + 1)
    return replace(progress, seen=progress.seen + 1, done=progress.done + acted)
