"""Sweeps as operators watch and steer them: runs with their totals, each shard, pause and pace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

from jifen.domain.calendar import parse_instant
from jifen.domain.entries import instant_text
from jifen.domain.errors import SweepNotFound, SweepRunNotFound
from jifen.domain.program import Program
from jifen.domain.ruling import AuditLine, ProgramInForce
from jifen.domain.sweep_views import SweepRunView, SweepRunWhole, SweepShardView, SweepsView, SweepView
from jifen.domain.sweeps import ShardProgress, SweepControl
from jifen.service.life_shelves import shards_of
from jifen.service.ports import Ledger, Patience, Posting, ProgramKey, Sweep, settle
from jifen.service.sweep_documents import ControlKey, ProgressKey
from jifen.service.sweep_runs import mark_of

SWEEPS: Mapping[str, Sweep] = {
    "expire": Sweep.EXPIRE,
    "remind": Sweep.REMIND,
    "held": Sweep.REMIND,
    "walk": Sweep.EXPIRE,
    "reverse": Sweep.EXPIRE,
}
"""What can be watched, and by which of them it is steered."""

PAGE = 100
ROWS_MAX = 10_000
"""Rows that are read for one answer."""

SHARDS_MIN = 16
"""A run may have more shards than the stack's parameter says: a batch that is taken back always has these."""

UNCHANGED = -1
"""A pace that stays what it is."""


@dataclass(frozen=True, slots=True)
class Watch:
    """One request of an operator.

    Attributes:
        ledger: where everything is kept.
        own: the stack's own program.
        shards: of the stack.
        now: when.
        actor: role and name, for the audit.
        patience: how long the caller can wait.
    """

    ledger: Ledger
    own: Program
    shards: int
    now: datetime
    actor: str
    patience: Patience

    def sweeps(self, runs: int) -> SweepsView:
        """Every sweep with its latest runs, so many of each.

        Raises:
            Busy
        """
        controls, current = self._controls()
        return {"sweeps": [self._sweep(name, controls[SWEEPS[name]], runs, current) for name in SWEEPS]}

    def run(self, sweep: str, run: str) -> SweepRunWhole:
        """One run, shard by shard.

        Raises:
            SweepNotFound, SweepRunNotFound
            Busy
        """
        if sweep not in SWEEPS:
            raise SweepNotFound
        try:
            name = instant_text(parse_instant(run))
        except ValueError:
            raise SweepRunNotFound from None
        controls, _ = self._controls()
        keys = [ProgressKey(sweep, name, shard) for shard in range(max(self.shards, SHARDS_MIN))]
        found = self.ledger.load([], keys).documents
        rows = [row for key in keys if isinstance(row := found.get(key), ShardProgress)]
        control = controls[SWEEPS[sweep]]
        if not rows and not self._waits(sweep, control, name):
            raise SweepRunNotFound
        whole = self._total(sweep, name, rows, control)
        return {"sweep": sweep, **whole, "by_shard": [_shard(row) for row in rows]}

    def steer(self, sweep: str, *, paused: bool | None, pace: int | None, reason: str) -> SweepView:
        """Set pause and pace (None: as fast as it goes; ``UNCHANGED``: as it is), with a line of the audit.

        What is so already changes nothing.

        Raises:
            SweepNotFound: there is none of this name, or it is steered by another.
            Busy
        """
        if sweep not in set(map(str, Sweep)):
            raise SweepNotFound
        key = ControlKey(sweep)

        def attempt() -> None:
            found = self.ledger.load([], [key]).documents.get(key)
            known = found if isinstance(found, SweepControl) else SweepControl(sweep)
            wanted = replace(
                known,
                paused=known.paused if paused is None else paused,
                accounts_per_second=known.accounts_per_second if pace == UNCHANGED else pace,
                by=self.actor,
            )
            if wanted == replace(known, by=self.actor):
                return
            line = AuditLine(
                f"{sweep}.{known.version + 1}", self.now, self.actor, _action(known, wanted), f"sweep/{sweep}", reason,
                {"paused": wanted.paused, "accounts_per_second": wanted.accounts_per_second},
            )  # fmt: skip
            self.ledger.commit(Posting(documents=(wanted, line)), self.patience)

        settle(self.patience, attempt)
        controls, current = self._controls()
        return self._sweep(sweep, controls[Sweep(sweep)], 1, current)

    # What is there

    def _controls(self) -> tuple[Mapping[Sweep, SweepControl], bool]:
        """Pause and pace of each sweep, and whether everybody was walked under the program in force."""
        keys = {sweep: ControlKey(str(sweep)) for sweep in Sweep}
        found = self.ledger.load([], [*keys.values(), ProgramKey()]).documents
        controls = {
            sweep: control if isinstance(control := found.get(key), SweepControl) else SweepControl(str(sweep))
            for sweep, key in keys.items()
        }
        in_force = found.get(ProgramKey())
        mark = mark_of(in_force if isinstance(in_force, ProgramInForce) else ProgramInForce(), self.own)
        return controls, controls[Sweep.EXPIRE].walked == mark

    def _sweep(self, name: str, control: SweepControl, runs: int, current: bool) -> SweepView:  # noqa: FBT001 - a fact of the answer, not a switch
        found = self._runs(name, runs)
        latest = _latest(name, control)
        if latest and latest not in found and self._waits(name, control, latest):
            found = dict(list({latest: list[ShardProgress](), **found}.items())[:runs])
        return {
            "sweep": name,
            "paused": control.paused,
            "accounts_per_second": control.accounts_per_second,
            "set_by": control.by or None,
            "dates_current": current if name in {"expire", "walk"} else None,
            "runs": [self._total(name, run, rows, control) for run, rows in found.items()],
        }

    def _runs(self, name: str, most: int) -> dict[str, list[ShardProgress]]:
        """The rows of the latest runs, the latest first."""
        rows, cursor = list[ShardProgress](), None
        while len(rows) < ROWS_MAX:
            page = self.ledger.listed(shards_of(name), cursor, PAGE)
            rows += [row for row in page.documents if isinstance(row, ShardProgress)]
            cursor = page.cursor
            if cursor is None or len({row.run for row in rows}) > most:
                break
        return dict([(run, list(own)) for run, own in groupby(rows, key=lambda row: row.run)][:most])

    @staticmethod
    def _waits(name: str, control: SweepControl, run: str) -> bool:
        """Whether a run was begun of which no shard has anything to show."""
        return _latest(name, control) == run and not (name == "walk" and control.walk and control.walk.complete)

    def _total(self, name: str, run: str, rows: Sequence[ShardProgress], control: SweepControl) -> SweepRunView:
        shards = max((row.shards for row in rows), default=0) or self.shards
        finished = sum(row.finished for row in rows)
        started = min((row.started_at for row in rows), default=None)
        updated = max((row.updated_at for row in rows), default=None)
        whole = finished >= shards
        seen = sum(row.seen for row in rows)
        return {
            "run": run,
            "status": "finished" if whole else _status(name, run, rows, control),
            "shards": shards,
            "shards_finished": finished,
            "expected": sum(row.expected for row in rows),
            "seen": seen,
            "done": sum(row.done for row in rows),
            "left": sum(row.left for row in rows),
            "errors": sum(row.errors for row in rows),
            "percent": 100 if whole else _percent(rows, shards),
            "accounts_per_second": _rate(seen, updated - started) if started and updated else None,
            "started_at": instant_text(started) if started else None,
            "updated_at": instant_text(updated) if updated else None,
            "finished_at": instant_text(updated) if whole and updated else None,
            "lag_days": max((row.lag_days for row in rows), default=0),
        }


def _latest(name: str, control: SweepControl) -> str:
    """The latest run that was begun, as far as the control knows it."""
    if name == "walk":
        return control.walk.run if control.walk else ""
    return control.run if name == control.sweep else ""


def _status(name: str, run: str, rows: Sequence[ShardProgress], control: SweepControl) -> str:
    latest = _latest(name, control)
    if latest and parse_instant(run) < parse_instant(latest):
        return "overtaken"
    if control.paused:
        return "paused"
    return "running" if rows else "waiting"


def _percent(rows: Iterable[ShardProgress], shards: int) -> int:
    """How much of a run is done, every shard alike; never 100 before the end."""
    parts = 0
    for row in rows:
        if row.finished:
            parts += 1_000
        elif row.expected:
            parts += 1_000 * min(row.seen, row.expected) // row.expected
    return min(99, parts // (10 * max(1, shards)))


def _rate(seen: int, took: timedelta) -> str | None:
    """Accounts a second with one decimal, as text."""
    microseconds = took // timedelta(microseconds=1)
    if microseconds <= 0:
        return None
    tenths = seen * 10_000_000 // microseconds
    return f"{tenths // 10}.{tenths % 10}"


def _shard(row: ShardProgress) -> SweepShardView:
    return {
        "shard": row.shard,
        "finished": row.finished,
        "expected": row.expected,
        "seen": row.seen,
        "done": row.done,
        "left": row.left,
        "errors": row.errors,
        "slices": row.slices,
        "lag_days": row.lag_days,
        "oldest": row.oldest or None,
        "started_at": instant_text(row.started_at),
        "updated_at": instant_text(row.updated_at),
    }


def _action(before: SweepControl, after: SweepControl) -> str:
    if before.paused != after.paused:
        return "sweep.paused" if after.paused else "sweep.resumed"
    return "sweep.paced"
