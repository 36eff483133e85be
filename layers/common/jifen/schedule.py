"""Scheduled functions as handlers see them: a schedule fans out, a queued task does one shard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from jifen.adapters.queues import decode_task
from jifen.domain.calendar import parse_instant
from jifen.domain.errors import Busy
from jifen.domain.program import Moment
from jifen.runtime import Deadline, Runtime
from jifen.service.ports import MalformedMessage, ShardTask, Sweep
from jifen.service.sweep_course import ShardCourse
from jifen.service.sweeping import Progress, fan_out


def account_failed(here: Runtime, sweep: Sweep) -> Callable[[str, Exception], None]:
    """What tells the operator of an account that a sweep cannot handle."""

    def report(member: str, failure: Exception) -> None:
        here.logger.error(
            "account left out of the sweep", extra={"sweep": str(sweep), "member": member}, exc_info=failure
        )
        here.count({"SweepAccountsFailed": 1})

    return report


class MalformedSchedule(Exception):
    """A scheduled run was asked for with an ``as_of`` that is no RFC 3339 instant."""


def course(
    here: Runtime, task: ShardTask, moment: Moment, patience: Deadline, counted: Callable[[], int] | None = None
) -> ShardCourse:
    """What an operator wants of the sweep, and sees of this shard; ``counted`` says how many accounts it has."""
    shards = here.settings.shards
    if task.batch:
        from jifen.service.expiring import ROW_SHARDS  # noqa: PLC0415 - on most days nothing is taken back

        shards = ROW_SHARDS
    return ShardCourse(
        ledger=here.ledger,
        task=task,
        shards=shards,
        moment=moment,
        clock=here.clock,
        monotonic=here.monotonic,
        rest=patience.rest,
        patience=patience,
        count=here.count,
        counted=counted or (lambda: here.ledger.due_count(task.sweep, task.shard, moment.today)),
    )


def sweep_entry(
    here: Runtime,
    sweep: Sweep,
    event: Mapping[str, Any],
    context: object,
    do: Callable[[Runtime, ShardTask, object], Progress],
) -> dict[str, Any]:
    """What the sweep functions share: tell a schedule from a queued task, and do one or the other.

    Raises:
        MalformedSchedule: ``as_of`` is there and is no instant with an offset.
        Busy: the run could not be begun whole; it does no harm to begin it again.
    """
    here.begin(getattr(context, "aws_request_id", ""))
    if "Records" not in event:
        instant, held = as_of(event, here), sweep is Sweep.REMIND and event.get("held") is True
        if held and here.program.notices.quiet_hours is None:
            return {"as_of": instant.isoformat(), "queued": 0}  # nobody waits for the end of any hours
        queued = fan_out(here.sweeps, sweep, instant, here.settings.shards, held=held)
        here.logger.info("sweep queued", extra={"sweep": str(sweep), "as_of": instant.isoformat(), "shards": queued})
        if not held:
            here.count({f"{str(sweep).title()}Runs": 1})
            _remember(here, sweep, instant, here.patience(context))
        return {"as_of": instant.isoformat(), "queued": queued}
    failed: list[dict[str, str]] = []
    for record in event["Records"]:
        try:
            task = decode_task(record["body"])
            if task.sweep is not sweep:
                raise MalformedMessage(record["body"])  # noqa: TRY301 - handled like any other message that is not ours
            progress = do(here, task, context)
        except (MalformedMessage, Busy):
            here.logger.exception("shard failed; it is tried again", extra={"body": record["body"]})
            failed.append({"itemIdentifier": record["messageId"]})
            continue
        here.logger.info("shard done", extra={"body": record["body"], "progress": asdict(progress)})
        name, left = task.kind.title(), progress.left + progress.errors
        here.count({f"{name}AccountsWritten": progress.done, f"{name}AccountsLeft": left})
        if left:
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def _remember(here: Runtime, sweep: Sweep, instant: datetime, patience: Deadline) -> None:
    """Make this the latest run, tell what the one before left, and see that dates are those of the program in force."""
    from jifen.service import sweep_runs  # noqa: PLC0415 - a worker has no use for it

    unfinished = sweep_runs.begin_run(here.ledger, sweep, instant, here.clock(), here.settings.shards, patience)
    if unfinished:
        here.logger.error("the run before did not finish", extra={"sweep": str(sweep), "shards": unfinished})
        here.count({f"{str(sweep).title()}ShardsUnfinished": unfinished})
    if sweep is Sweep.EXPIRE:
        here.in_force.forget()
        walked = sweep_runs.begin_walk(
            here.ledger,
            here.sweeps,
            here.program,
            here.own_program,
            here.settings.shards,
            here.clock(),
            here.settings.program_ttl_s,
            patience,
        )
        if walked:
            here.logger.info("walk queued", extra={"shards": walked})


def as_of(event: Mapping[str, Any], here: Runtime) -> datetime:
    """The instant that a scheduled run is for: the one it names, else now.

    Raises:
        MalformedSchedule: ``as_of`` is there and is no instant with an offset.
    """
    given = event.get("as_of")
    if given is None:
        return here.clock()
    try:
        return parse_instant(given)
    except ValueError as wrong:
        message = f"as_of is not an RFC 3339 instant with an offset: {given!r}"
        raise MalformedSchedule(message) from wrong
