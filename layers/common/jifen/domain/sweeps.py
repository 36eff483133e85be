"""Sweeps as an operator sees them: how far a run is, how fast it goes, and whether it is paused.

    run      one schedule's worth of a sweep, by the instant it is for; one row of progress for each shard
    pass     a worker, or one after the other, from the first account of a shard to its last
    slice    what one worker does of it before its time is up

A slice is known by where it begins. What was put off in it is counted under that place, and is counted anew when
somebody goes over the same accounts again, so that a shard that is tried twice has nothing left that was done since.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

WORKERS_MAX = 16
"""Workers of one sweep at a time: `MaximumConcurrency` of its queue in `infra/template.yaml`. Each holds its part of
the pace, whether or not the others have anything to do, so that a pace is never exceeded."""

PACE_MAX = 100_000
"""Accounts a second; more than a table takes."""

KEPT = timedelta(days=90)
"""So long the progress of a run can be looked at."""

OPEN_MAX = 50
"""Slices of a shard with something left in them that are known apart."""


@dataclass(frozen=True, slots=True)
class Walk:
    """Working out every account's next dates by another program.

    Attributes:
        mark: the program, see :attr:`SweepControl.walked`.
        run: its instant, RFC 3339.
        shards: how many there are to go through.
        done: those that were gone through to their end.
    """

    mark: str
    run: str
    shards: int
    done: tuple[int, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every shard was gone through."""
        return set(range(self.shards)) <= set(self.done)


@dataclass(frozen=True, slots=True)
class SweepControl:
    """What an operator wants of a sweep (``expire``, ``remind``), and what its runs have to remember.

    Attributes:
        paused: workers put their tasks back and do nothing until this is taken away.
        accounts_per_second: of all workers together; None is as fast as they can.
        walked: mark of the program by which every account's next dates were last worked out; empty for none yet.
        walk: the latest walk, finished or not.
        run: the latest run that was begun (its instant, RFC 3339).
        before: the one before it; empty for none.
        by: who set pause and pace, as the audit names an operator.
    """

    sweep: str
    paused: bool = False
    accounts_per_second: int | None = None
    walked: str = ""
    walk: Walk | None = None
    run: str = ""
    before: str = ""
    by: str = ""
    version: int = 0


@dataclass(frozen=True, slots=True)
class Open:
    """What a slice left behind: it began behind the index key ``start`` (empty: at the first account)."""

    start: str
    left: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True)
class ShardProgress:
    """How far one shard of a run is; written by its worker, a few times a slice and never for each account.

    Attributes:
        shards: how many the run has.
        expected: accounts the index named when the shard was begun.
        seen: accounts looked at; one that was looked at twice counts twice.
        done: accounts written, or told; each counts once.
        left: put off for now, because others kept writing them or a provider did not take the message.
        errors: cannot be handled; somebody has to look at them.
        open: where those left and those in error are.
        slices: how many workers have ended.
        oldest: the day of the account that was due longest when the shard was begun.
        lag_days: days from then to the run, or from the run before it where that was later.
        finished: somebody has gone through to the last account.
    """

    sweep: str
    run: str
    shard: int
    started_at: datetime
    updated_at: datetime
    shards: int = 0
    expected: int = 0
    seen: int = 0
    done: int = 0
    left: int = 0
    errors: int = 0
    open: tuple[Open, ...] = ()
    slices: int = 0
    oldest: str = ""
    lag_days: int = 0
    finished: bool = False
    keep_until: datetime | None = None
    version: int = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """What one worker got done, from behind ``start`` to ``stop`` (None: to the end of the shard).

    ``backwards``: the shard is gone through from its last key to its first.
    """

    start: str
    stop: str | None
    seen: int = 0
    done: int = 0
    left: int = 0
    errors: int = 0
    backwards: bool = False


def after_slice(row: ShardProgress, part: Slice, at: datetime) -> ShardProgress:
    """The progress once a worker has ended.

    What was left by earlier slices within this one's stretch was looked at again: only what is left now counts.
    """
    kept = [one for one in row.open if not _within(one.start, part)]
    if part.left or part.errors:
        kept.append(Open(part.start, part.left, part.errors))
    opened = _few(kept)
    return replace(
        row,
        updated_at=max(at, row.updated_at),
        seen=row.seen + part.seen,
        done=row.done + part.done,
        left=sum(one.left for one in opened),
        errors=sum(one.errors for one in opened),
        open=opened,
        slices=row.slices + 1,
        finished=row.finished or part.stop is None,
    )


def _within(start: str, part: Slice) -> bool:
    if start == part.start:
        return True
    if part.backwards:
        behind = not part.start or "" < start < part.start
        return behind and (part.stop is None or start > part.stop)
    return part.start < start and (part.stop is None or start < part.stop)


def _few(opened: Iterable[Open]) -> tuple[Open, ...]:
    """At most ``OPEN_MAX``, in order: the last ones are put together."""
    rows = sorted(opened, key=lambda one: one.start)
    head, tail = rows[: OPEN_MAX - 1], rows[OPEN_MAX - 1 :]
    if len(tail) > 1:
        tail = [Open(tail[0].start, sum(one.left for one in tail), sum(one.errors for one in tail))]
    return (*head, *tail)
