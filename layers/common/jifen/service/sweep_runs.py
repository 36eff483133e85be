"""Runs as the schedule begins them: which is the latest, what the one before left, and the walk under another program.

    schedule ──> tasks of the run queued ──> control: the latest run
                                         └─> another program than the one walked by? ──> control: walk, its tasks queued

An account stands in the two due indexes under dates that the program of its last write gave. The walk goes through the
index of everybody with points once after each change of the program, and writes those accounts that would stand under
other dates by now.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta

from jifen.domain.calendar import parse_instant
from jifen.domain.entries import instant_text
from jifen.domain.program import Program
from jifen.domain.ruling import ProgramInForce
from jifen.domain.sweeps import ShardProgress, SweepControl, Walk
from jifen.service.ports import Ledger, Patience, Posting, ProgramKey, ShardTask, Sweep, SweepQueue, settle
from jifen.service.sweep_documents import ControlKey, ProgressKey

DATES = "2"
"""Raised when this code works out next dates in another way than before; then everybody is walked once."""

SETTLED_S = 180
"""A function may work so long by the program it has begun with, besides the time for which that is believed."""

DELAY_S_MAX = 900
"""SQS keeps a message back no longer."""

GIVEN_UP = timedelta(hours=12)
"""A shard of a walk that nobody was seen at for so long is queued again."""


def mark_of(in_force: ProgramInForce, own: Program) -> str:
    """What tells one program's next dates from another's: every publication and every way back has a mark of its own.

    ``own``, the stack's program, counts where none was published; it changes without a publication.
    """
    mark = f"{DATES}.{in_force.version}"
    if in_force.number:
        return mark
    said = repr((own.zone.key, own.lead_days, own.policies, own.notices, own.rules.source))
    return f"{mark}.{hashlib.sha256(said.encode()).hexdigest()[:12]}"


def begin_run(ledger: Ledger, sweep: Sweep, as_of: datetime, now: datetime, shards: int, patience: Patience) -> int:
    """Remember a run as the latest; of the one before, the number of shards that were not gone through.

    One that was begun by hand for an instant beyond ``now`` is behind none: it would be the latest for years.

    Raises:
        Busy
    """
    key = ControlKey(str(sweep))

    def attempt() -> str:
        found = ledger.load([], [key]).documents.get(key)
        control = found if isinstance(found, SweepControl) else SweepControl(key.sweep)
        known = control.run if control.run and parse_instant(control.run) <= max(now, as_of) else ""
        if not known or parse_instant(known) < as_of:
            begun = replace(control, run=instant_text(as_of), before=known)
            ledger.commit(Posting(documents=(begun,)), patience)
            return known
        return ""

    before = settle(patience, attempt)
    if not before:
        return 0
    rows = ledger.load([], [ProgressKey(key.sweep, before, shard) for shard in range(shards)]).documents.values()
    of = max((row.shards for row in rows if isinstance(row, ShardProgress)), default=shards)
    return max(0, min(of, shards) - sum(isinstance(row, ShardProgress) and row.finished for row in rows))


def begin_walk(
    ledger: Ledger,
    queue: SweepQueue,
    program: Program,
    own: Program,
    shards: int,
    now: datetime,
    believed_s: int,
    patience: Patience,
) -> int:
    """Queue what is missing of the walk under the program in force; how many tasks that were.

    Its tasks are held back until nobody writes by an earlier program any more, which others believe for up to
    ``believed_s``. A published program that this code cannot read (``program`` is another one then) is not walked by.

    Raises:
        Busy
    """
    key = ControlKey(str(Sweep.EXPIRE))

    def attempt() -> list[ShardTask]:
        found = ledger.load([], [key, ProgramKey()]).documents
        control, in_force = found.get(key), found.get(ProgramKey())
        control = control if isinstance(control, SweepControl) else SweepControl(key.sweep)
        in_force = in_force if isinstance(in_force, ProgramInForce) else ProgramInForce()
        mark = mark_of(in_force, own)
        if control.walked == mark or program.rules.version != in_force.number:
            return []
        walk = control.walk
        if walk is None or (walk.mark, walk.shards) != (mark, shards):
            walk = Walk(mark, instant_text(now), shards)
            ledger.commit(Posting(documents=(replace(control, walk=walk),)), patience)
            missing = list(range(shards))
        elif control.paused:
            missing = []
        else:
            missing = _given_up(ledger, walk, now)
        return [ShardTask(Sweep.EXPIRE, parse_instant(walk.run), shard, walk=mark) for shard in missing]

    tasks = settle(patience, attempt)
    if tasks:
        queue.send(tasks, min(DELAY_S_MAX, believed_s + SETTLED_S))
    return len(tasks)


def _given_up(ledger: Ledger, walk: Walk, now: datetime) -> list[int]:
    """Shards that were not gone through, and that nobody was seen at lately."""
    left = [shard for shard in range(walk.shards) if shard not in walk.done]
    keys = {shard: ProgressKey("walk", walk.run, shard) for shard in left}
    rows, begun = ledger.load([], list(keys.values())).documents, parse_instant(walk.run)
    seen = {shard: row.updated_at for shard, key in keys.items() if isinstance(row := rows.get(key), ShardProgress)}
    return [shard for shard in left if now - seen.get(shard, begun) > GIVEN_UP]
