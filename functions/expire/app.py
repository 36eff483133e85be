"""The expiry sweep: a schedule (or a direct call) queues one task per shard; a queued task expires what is due in it.

{"as_of": "2011-12-31T16:00:00Z"}  ->  {"as_of", "queued": 16}          {"Records": […]}  ->  {"batchItemFailures"}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jifen.runtime import Deadline, Runtime, current, prepare
from jifen.schedule import account_failed, course, sweep_entry
from jifen.service.expiring import expire
from jifen.service.ports import ShardTask, Sweep
from jifen.service.sweeping import Progress, work

if TYPE_CHECKING:
    from jifen.domain.program import Moment
    from jifen.service.sweep_course import ShardCourse
    from jifen.service.taking_back import TakingBack
    from jifen.service.walking import Walking


def _work(here: Runtime, task: ShardTask, context: object) -> Progress:
    moment, patience = here.moment(task.as_of), here.patience(context)
    if task.walk:
        return _walk(here, task, patience)
    if task.batch:
        return _take_back(here, task, patience)
    return work(
        here.ledger,
        here.sweeps,
        task,
        moment,
        act=lambda member: expire(here.ledger, member, moment, patience, here.program),
        has_time=patience.has_time,
        report=account_failed(here, Sweep.EXPIRE),
        course=course(here, task, moment, patience),
    )


def _walk(here: Runtime, task: ShardTask, patience: Deadline) -> Progress:
    """Work out the next dates of everybody in a shard: another program has come into force."""
    from jifen.service.walking import Walking  # noqa: PLC0415 - on most days nobody walks

    here.in_force.forget()
    moment = here.moment()
    walking = Walking(here.ledger, task, lambda: here.program, here.moment, patience)
    walking.begin()
    own = course(here, task, moment, patience, walking.counted)
    progress = _through(here, task, moment, patience, walking, own)
    if progress.finished and not (own.row and own.row.left):
        walking.finish()
    return progress


def _take_back(here: Runtime, task: ShardTask, patience: Deadline) -> Progress:
    """Take back what a batch of a policy did to the accounts of a part of it."""
    from jifen.service.taking_back import TakingBack  # noqa: PLC0415 - on most days nothing is taken back

    moment = here.moment()
    taking = TakingBack(here.ledger, task, here.program, moment, patience)
    own = course(here, task, moment, patience, taking.counted)
    progress = _through(here, task, moment, patience, taking, own)
    if progress.finished and not (own.row and (own.row.left or own.row.errors)):
        taking.finish()
    return progress


def _through(
    here: Runtime, task: ShardTask, moment: Moment, patience: Deadline, worker: Walking | TakingBack, own: ShardCourse
) -> Progress:
    """Go through the accounts that ``worker`` names, instead of those that are due."""
    return work(
        here.ledger,
        here.sweeps,
        task,
        moment,
        act=worker.act,
        has_time=patience.has_time,
        report=account_failed(here, Sweep.EXPIRE),
        course=own,
        pages=worker.pages,
    )


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Fan out a run, or do one shard of it."""
    return sweep_entry(current(), Sweep.EXPIRE, event, context, _work)


prepare("swept", "sweeps", "logger", "metrics")
