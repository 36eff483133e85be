"""The reminder sweep: a schedule (or a direct call) queues one task per shard; a queued task sends what is due in it.

{"as_of": "2011-12-31T16:00:00Z"}                ->  {"as_of", "queued": 16}    what is due: reminders and notices
{"as_of": "2011-12-31T17:00:00Z", "held": true}  ->  {"as_of", "queued": 16}    what waited for quiet hours (0 without)
{"Records": […]}                                 ->  {"batchItemFailures"}
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date
from typing import TYPE_CHECKING, Any

from jifen.domain.program import Moment, Program
from jifen.runtime import Deadline, Runtime, current, prepare
from jifen.schedule import account_failed, course, sweep_entry
from jifen.service.ports import DuePage, Message, NotSent, ShardTask, Sweep, Undeliverable
from jifen.service.reminding import Reminding
from jifen.service.sweeping import Progress, work

if TYPE_CHECKING:
    from jifen.service.rates import Rates


def _work(here: Runtime, task: ShardTask, context: object) -> Progress:
    moment, patience, program = here.moment(task.as_of), here.patience(context), here.program
    worker = str(getattr(context, "aws_request_id", "local"))
    rates = _rates(here, patience, program, task.shard)

    def report(message: Message, channel: str, failure: Exception) -> None:
        said = {"notice_id": message.id, "channel": channel, "why": str(failure)}
        known = isinstance(failure, NotSent | Undeliverable)
        here.logger.error("reminder not sent", extra=said, exc_info=None if known else failure)
        here.count({"RemindersFailed": 1})

    def given_up(message: Message, channel: str, why: str) -> None:
        said = {"notice_id": message.id, "member": message.member, "channel": channel, "why": why}
        here.logger.error("message given up", extra=said)
        here.count({"RemindersGivenUp": 1})

    reminding = Reminding(
        here.ledger,
        here.notifiers,
        program,
        moment,
        patience,
        worker,
        report,
        given_up=given_up,
        rates=rates,
        has_time=patience.has_time,
    )
    through = _through(task, program, moment)

    def pages(cursor: str | None, limit: int) -> DuePage:
        return here.ledger.due(Sweep.REMIND, task.shard, through, cursor, limit)

    def has_time() -> bool:
        return patience.has_time(rates.longest_wait_s() if rates else 0)

    return work(
        here.ledger,
        here.sweeps,
        task,
        moment,
        act=reminding.remind,
        has_time=has_time,
        report=account_failed(here, Sweep.REMIND),
        course=course(here, task, moment, patience, lambda: here.ledger.due_count(Sweep.REMIND, task.shard, through)),
        pages=pages,
    )


def _through(task: ShardTask, program: Program, moment: Moment) -> date:
    """Up to where the index is read: the day; the instant for what was held.

    What is held stands by its day in UTC, which may be the one after ours.
    """
    if task.held:
        return moment.now
    return max(moment.today, moment.now.astimezone(UTC).date()) if program.notices.quiet_hours else moment.today


def _rates(here: Runtime, patience: Deadline, program: Program, place: int) -> Rates | None:
    """The rates of the channels; None where the program names none."""
    if not program.notices.per_second:
        return None
    from jifen.service.rates import Rates  # noqa: PLC0415 - most programs have none

    limits, shards = program.notices.per_second, here.settings.shards
    return Rates(limits, shards, here.monotonic, patience.rest, place, here.turns)


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Fan out a run, or do one shard of it."""
    return sweep_entry(current(), Sweep.REMIND, event, context, _work)


prepare("swept", "sweeps", "notifiers", "logger", "metrics")
