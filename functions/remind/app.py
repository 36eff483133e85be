"""The reminder sweep: a schedule (or a direct call) queues one task per shard; a queued task sends what is due in it.

{"as_of": "2011-12-31T16:00:00Z"}  ->  {"as_of", "queued": 16}          {"Records": […]}  ->  {"batchItemFailures"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jifen.runtime import Runtime, current, prepare
from jifen.schedule import account_failed, course, sweep_entry
from jifen.service.ports import Message, ShardTask, Sweep
from jifen.service.reminding import Reminding
from jifen.service.sweeping import Progress, work


def _work(here: Runtime, task: ShardTask, context: object) -> Progress:
    moment, patience = here.moment(task.as_of), here.patience(context)
    worker = str(getattr(context, "aws_request_id", "local"))

    def report(notice: Message, channel: str, failure: Exception) -> None:
        here.logger.error("reminder not sent", extra={"notice_id": notice.id, "channel": channel, "why": str(failure)})
        here.count({"RemindersFailed": 1})

    reminding = Reminding(here.ledger, here.notifiers, here.program, moment, patience, worker, report)
    return work(
        here.ledger,
        here.sweeps,
        task,
        moment,
        act=reminding.remind,
        has_time=patience.has_time,
        report=account_failed(here, Sweep.REMIND),
        course=course(here, task, moment, patience),
    )


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Fan out a run, or do one shard of it."""
    return sweep_entry(current(), Sweep.REMIND, event, context, _work)


prepare("swept", "sweeps", "notifiers", "logger", "metrics")
