"""One scheduled run over a table that is there: what the expire and remind functions would do at that instant."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from botocore.exceptions import ClientError

from jifen.domain.account import Account
from jifen.domain.entries import Entry, Reason
from jifen.domain.program import Program
from jifen.service.ports import (
    DocumentKey,
    DuePage,
    EntryPage,
    Ledger,
    ListPage,
    Loaded,
    Patience,
    Posting,
    Shelf,
    Stale,
    Sweep,
)
from local.engines import Engine
from local.replay import Replay


class NothingToSweep(Exception):
    """There is no such table."""


@dataclass
class _Witness:
    """The ledger, keeping the expiries that pass through it."""

    ledger: Ledger
    expired: list[Entry] = field(default_factory=list)

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        return self.ledger.load(members, documents)

    def commit(self, posting: Posting, patience: Patience) -> None:
        self.ledger.commit(posting, patience)
        entries = (entry for write in posting.accounts for entry in write.entries)
        self.expired += [entry for entry in entries if entry.draft.reason == Reason.LOT_EXPIRED]

    def entries(self, member: str, before: int | None, limit: int) -> EntryPage:
        return self.ledger.entries(member, before, limit)

    def history(self, member: str) -> Iterator[Entry]:
        return self.ledger.history(member)

    def due(self, sweep: Sweep, shard: int, through: date, cursor: str | None, limit: int) -> DuePage:
        return self.ledger.due(sweep, shard, through, cursor, limit)

    def due_count(self, sweep: Sweep, shard: int, through: date) -> int:
        return self.ledger.due_count(sweep, shard, through)

    def stale(self, members: Sequence[str], renewed: Callable[[Account], Account]) -> Stale:
        return self.ledger.stale(members, renewed)

    def listed(self, shelf: Shelf, before: str | None, limit: int) -> ListPage:
        return self.ledger.listed(shelf, before, limit)

    def follow(self, program: Program) -> None:
        self.ledger.follow(program)


def run_sweep(engine: Engine, program: Program, table: str, kind: str, as_of: datetime) -> dict[str, Any]:
    """Run ``expire`` or ``remind`` as of an instant.

    Returns:
        ``{"sweep", "as_of", "table", "accounts", "expired": [{"member_id", "lot_expires_on", "points"}],
        "reminders": [{"member_id", "lot_expires_on", "lead_days", "points"}], "notices": [{"member_id", "kind", …}]}``

    Raises:
        NothingToSweep: there is no such table.
        ReplayError: the run did not finish.
    """
    _check_table(engine, table)
    replay = Replay(engine, program, table)
    replay.now = as_of.astimezone(UTC)
    witness = _Witness(replay.runtime.ledger)
    replay.runtime.ledger = witness
    with replay.running():
        replay.sweep(kind, as_of.isoformat())
    expired = [_expired(entry) for entry in witness.expired]
    rows = expired if kind == "expire" else [*replay.reminders.rows, *replay.reminders.notices]
    return {
        "sweep": kind,
        "as_of": as_of.isoformat(),
        "table": table,
        "accounts": len({row["member_id"] for row in rows}),
        "expired": sorted(expired, key=_by_member),
        "reminders": sorted(replay.reminders.rows, key=_by_member),
        "notices": sorted(replay.reminders.notices, key=lambda row: (row["member_id"], row["kind"])),
    }


def _check_table(engine: Engine, table: str) -> None:
    try:
        engine.client().describe_table(TableName=table)
    except ClientError as error:
        if error.response["Error"]["Code"] not in {"ResourceNotFoundException", "ValidationException"}:
            raise
        message = f"there is nothing to sweep: there is no table {table} at {engine.url}"
        raise NothingToSweep(message) from error


def _expired(entry: Entry) -> dict[str, Any]:
    day = entry.draft.why[0]["last_valid_day"]
    return {"member_id": entry.member, "lot_expires_on": day, "points": -entry.draft.points}


def _by_member(row: dict[str, Any]) -> tuple[str, str]:
    return (row["member_id"], row["lot_expires_on"])
