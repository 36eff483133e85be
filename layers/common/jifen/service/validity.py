"""Policies of validity for operators: what they would do, what they did, and taking that back.

    preview    every account with points, page by page, as it would be on a day; nothing is written
    batches    what one policy did on one day, with a row for each account
    reverse    batch APPLIED ──> REVERSING ──each row taken back, part by part, in the background──> REVERSED

A batch that is being taken back, or was, gets no more rows (:mod:`jifen.service.expiring`), but for those of workers
that had read it just before: the rows are gone over once more when none of these can be at it any longer. Asking again
goes over the rows again, and finds those that were not taken back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from jifen.domain.account import Account, as_of
from jifen.domain.allowances import given
from jifen.domain.batches import BatchRow, BatchStatus, ValidityBatch
from jifen.domain.calendar import day_start, local_day
from jifen.domain.entries import Entry, instant_text
from jifen.domain.errors import Fault, InvalidInput, RuleSetNotFound, ValidityBatchNotFound
from jifen.domain.ids import fingerprint
from jifen.domain.policies import Done, apply_policies
from jifen.domain.program import Moment, Program
from jifen.domain.ruling import AuditLine, ProgramInForce, RuleVersion
from jifen.domain.validity_views import (
    BatchesView,
    BatchRowView,
    BatchView,
    BatchWhole,
    PolicyCaseView,
    PolicyTotalView,
    ValidityPreviewView,
)
from jifen.service.answering import Answer, Once, Outcome, answer_once
from jifen.service.expiring import ROW_SHARDS
from jifen.service.in_force import read_program
from jifen.service.life_documents import BatchKey
from jifen.service.life_shelves import BATCHES, rows_of
from jifen.service.past import Place, members_from
from jifen.service.ports import (
    Ledger,
    Patience,
    ProgramKey,
    RuleVersionKey,
    ShardTask,
    Shelf,
    Sweep,
    SweepQueue,
)
from jifen.service.shelves import Bookmarks
from jifen.service.sweep_runs import SETTLED_S

AHEAD_MAX = timedelta(days=3 * 366)
"""How far ahead the day of a preview may lie."""

LOAD_MAX = 100
"""Accounts that are read at a time."""

_BATCH = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}\.\d{4}-\d{2}-\d{2}", re.ASCII)


# Preview -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Previewing:
    """A preview of one program over the real accounts.

    Attributes:
        ledger: read, never written.
        number: of the version.
        program: what it says.
        now: the clock.
        shards: of the ledger's due indexes.
        secret: signs the cursors.
    """

    ledger: Ledger
    number: int
    program: Program
    now: datetime
    shards: int
    secret: bytes

    def page(self, day: date | None, cursor: str | None, limit: int) -> ValidityPreviewView:
        """Up to ``limit`` accounts, and what the policies would do to them on ``day``.

        Left out, the day is today, or the one on which the first policy starts where that lies ahead.

        Raises:
            InvalidInput: the day is past, or too far ahead; or the cursor is none of this preview.
        """
        today = local_day(self.now, self.program.zone)
        asked = day or max(today, min((one.starts_on for one in self.program.policies), default=today))
        if not today <= asked <= today + AHEAD_MAX:
            raise InvalidInput([Fault("day", f"is not from {today} to {today + AHEAD_MAX}")])
        marks = Bookmarks(self.secret, Shelf("validity preview", owner=f"{self.number}/{asked}"))
        known = marks.read(cursor)
        place = Place.read(known) if known else Place()
        members, after = members_from(self.ledger, place, self.shards, limit)
        start = max(day_start(asked, self.program.zone), self.now) if asked == today else None
        moment = self.program.moment(start or day_start(asked, self.program.zone), recorded_at=self.now)
        accounts, unreadable = _accounts(self.ledger, members)
        cases = [case for account in accounts for case in self._cases(account, moment)]
        return {
            "ruleset": self.number,
            "day": asked.isoformat(),
            "accounts": len(accounts),
            "totals": [_total(one.id, str(one.effect), cases) for one in self.program.policies],
            "cases": cases,
            "unreadable": unreadable,
            "shard": after.shard if after else self.shards,
            "shards": self.shards,
            "cursor": marks.write(str(after)) if after else None,
        }

    def _cases(self, account: Account, moment: Moment) -> Iterator[PolicyCaseView]:
        change = given(as_of(account, moment), self.program.rules, moment)
        applied = apply_policies(change, self.program, moment, told=True)
        entries = {entry.sequence: entry for entry in applied.change.entries}
        for one in applied.done:
            if one.sequences:
                yield _case(account.member, one, entries[one.sequences[0]])


def _case(member: str, done: Done, entry: Entry) -> PolicyCaseView:
    why = {name: value for name, value in entry.draft.why[0].items() if name not in {"policy", "effect", "batch"}}
    return {
        "member_id": member,
        "policy": done.policy.id,
        "effect": str(done.policy.effect),
        "points": done.points,
        "expires_on": done.before.isoformat() if done.before else None,
        "then": done.after.isoformat() if done.after else None,
        "why": why,
    }


def _total(policy: str, effect: str, cases: Sequence[PolicyCaseView]) -> PolicyTotalView:
    own = [case for case in cases if case["policy"] == policy]
    accounts = len({case["member_id"] for case in own})
    return {"policy": policy, "effect": effect, "accounts": accounts, "points": sum(case["points"] for case in own)}


def _accounts(ledger: Ledger, members: Sequence[str]) -> tuple[list[Account], list[str]]:
    """The accounts, and the members whose account cannot be read."""
    found, unreadable = list[Account](), list[str]()
    for start in range(0, len(members), LOAD_MAX):
        part = members[start : start + LOAD_MAX]
        try:
            accounts = ledger.load(part).accounts
            found += [accounts[member] for member in part]
        except (ValueError, KeyError, TypeError, AttributeError):
            if len(part) == 1:
                unreadable += part
                continue
            for member in part:
                more, broken = _accounts(ledger, [member])
                found, unreadable = found + more, unreadable + broken
    return found, unreadable


def version_of(ledger: Ledger, own: Program, number: int | None) -> tuple[int, Program]:
    """Version ``number`` of the program (None: the one in force; 0: the stack's ``own``).

    Raises:
        RuleSetNotFound: there is none of this number.
        InvalidProgram: it was written by a later release and cannot be read by this one.
    """
    if number is None:
        found = ledger.load([], [ProgramKey()]).documents.get(ProgramKey())
        if not isinstance(found, ProgramInForce) or not found.number:
            return 0, own
        return found.number, read_program(found.number, found.program)
    if number == 0:
        return 0, own
    version = ledger.load([], [RuleVersionKey(number)]).documents.get(RuleVersionKey(number))
    if not isinstance(version, RuleVersion):
        raise RuleSetNotFound
    return number, read_program(number, version.program)


# Batches -------------------------------------------------------------------------------------------------------------


def batches_view(ledger: Ledger, secret: bytes, cursor: str | None, limit: int) -> BatchesView:
    """A page of batches, policies from z to a, of each the latest day first.

    Raises:
        InvalidInput: the cursor is none of this list.
    """
    marks = Bookmarks(secret, BATCHES)
    page = ledger.listed(BATCHES, marks.read(cursor), limit)
    found = [_batch(one) for one in page.documents if isinstance(one, ValidityBatch)]
    return {"batches": found, "cursor": marks.write(page.cursor)}


def batch_view(ledger: Ledger, secret: bytes, batch_id: str, cursor: str | None, limit: int) -> BatchWhole:
    """A batch with up to ``limit`` of its rows.

    Raises:
        ValidityBatchNotFound: there is none of this id.
        InvalidInput: the cursor is none of this list.
    """
    batch = find_batch(ledger, batch_id)
    marks = Bookmarks(secret, Shelf("batch rows", owner=batch.id))
    known = marks.read(cursor)
    place = Place.read(known) if known else Place()
    rows: list[BatchRowView] = []
    while True:
        page = ledger.listed(rows_of(batch.id, place.shard), place.cursor, limit - len(rows))
        for _, failure in page.unreadable:
            raise failure  # a batch is not shown without some of its rows
        rows += [_row(one) for one in page.documents if isinstance(one, BatchRow)]
        if page.cursor is not None:
            place = replace(place, cursor=page.cursor)
        elif place.shard + 1 < ROW_SHARDS:
            place = Place(place.shard + 1)
        else:
            return {**_batch(batch), "rows": rows, "cursor": None}
        if len(rows) >= limit:
            return {**_batch(batch), "rows": rows, "cursor": marks.write(str(place))}


def find_batch(ledger: Ledger, batch_id: str) -> ValidityBatch:
    """A batch.

    Raises:
        ValidityBatchNotFound: there is none of this id.
    """
    if not _BATCH.fullmatch(batch_id):
        raise ValidityBatchNotFound
    found = ledger.load([], [BatchKey(batch_id)]).documents.get(BatchKey(batch_id))
    if not isinstance(found, ValidityBatch):
        raise ValidityBatchNotFound
    return found


def _batch(batch: ValidityBatch) -> BatchView:
    return {
        "id": batch.id,
        "policy": batch.policy,
        "effect": batch.effect,
        "day": batch.day.isoformat(),
        "ruleset": batch.rules_version,
        "status": str(batch.status),
        "at": instant_text(batch.at) if batch.at else None,
        "reason": batch.reason,
        "by": batch.by,
        "parts": ROW_SHARDS,
        "parts_done": len(batch.shards_done),
    }


def _row(row: BatchRow) -> BatchRowView:
    return {
        "member_id": row.member,
        "entries": list(row.sequences),
        "points": row.points,
        "settled": set(row.sequences) <= set(row.taken_back),
        "taken_back_by": list(row.reversed_by),
    }


# Taking back ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks for a batch to be taken back: the token's subject, the name for the audit, the idempotency key."""

    subject: str
    actor: str
    key: str


def reverse(
    ledger: Ledger, queue: SweepQueue, batch_id: str, reason: str, asked: Asked, moment: Moment, patience: Patience
) -> Answer:
    """Begin to take a batch back; the answer is the batch, REVERSING. Asking again, its rows are gone over again.

    Raises:
        ValidityBatchNotFound, IdempotencyKeyReused
        Busy: nothing was begun, or the work could not be queued; ask again with the same key.
    """
    once = Once.asked(asked.subject, asked.key, fingerprint("reverse validity", [batch_id, reason]))

    def decide() -> Outcome:
        before = find_batch(ledger, batch_id)
        batch = replace(
            before,
            status=BatchStatus.REVERSING,
            reason=reason,
            by=asked.actor,
            run=instant_text(moment.now),
            shards_done=(),
        )
        details = {"policy": batch.policy, "effect": batch.effect, "day": batch.day.isoformat()}
        target = f"validity/{batch_id}"
        line = AuditLine(once.key[:22], moment.now, asked.actor, "validity.reversed", target, reason, details)
        return Outcome(202, dict(_batch(batch)), (batch, line))

    answer = answer_once(ledger, patience, once, decide)[1]
    tasks = [ShardTask(Sweep.EXPIRE, moment.now, shard, batch=batch_id) for shard in range(ROW_SHARDS)]
    # Also for an answer that was stored: the first attempt may have come no further than that.
    queue.send(tasks)
    # A worker of the sweep that had read the batch before it was marked may still add a row; by then it has ended.
    queue.send(tasks, SETTLED_S)
    return answer
