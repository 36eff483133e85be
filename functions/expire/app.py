"""The expiry sweep: a schedule (or a direct call) queues one task per shard; a queued task expires what is due in it.

{"as_of": "2011-12-31T16:00:00Z"}  ->  {"as_of", "queued": 16}          {"Records": […]}  ->  {"batchItemFailures"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jifen.runtime import Runtime, current, prepare
from jifen.schedule import account_failed, sweep_entry
from jifen.service.expiring import expire
from jifen.service.ports import ShardTask, Sweep
from jifen.service.sweeping import Progress, work


def _work(here: Runtime, task: ShardTask, context: object) -> Progress:
    moment, patience = here.moment(task.as_of), here.patience(context)
    return work(
        here.ledger,
        here.sweeps,
        task,
        moment,
        act=lambda member: expire(here.ledger, member, moment, patience, here.program),
        has_time=patience.has_time,
        report=account_failed(here, Sweep.EXPIRE),
    )


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Fan out a run, or do one shard of it."""
    return sweep_entry(current(), Sweep.EXPIRE, event, context, _work)


prepare("ledger", "sweeps", "logger", "metrics")
