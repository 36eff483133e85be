"""Deadlines of the mall, on a schedule: what was not paid, not addressed or not finished in time, auctions, arrivals.

{"as_of": "2026-11-26T16:00:00Z"}  ->  {"as_of", "seen", "settled", "left", "failed", "finished"}

It may be called with any instant up to now, again and again. Docs: docs/mall.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from jifen.runtime import Runtime, current, prepare
from jifen.schedule import MalformedSchedule, as_of
from jifen.service.deadlines import Deadlines

AHEAD_MAX = timedelta(minutes=1)
"""So far the clock of who calls may be ahead of ours."""


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Settle what is overdue.

    Raises:
        MalformedSchedule: ``as_of`` is no instant, or has not come: what was forfeited or ended before its time could
            not be mended.
    """
    here = current()
    here.begin(getattr(context, "aws_request_id", ""))
    instant = as_of(event, here)
    if instant > here.clock() + AHEAD_MAX:
        message = f"as_of has not come yet: {instant.isoformat()}; deadlines are settled once they have passed"
        raise MalformedSchedule(message)
    patience = here.patience(context)
    run = Deadlines(
        here.ledger,
        here.program,
        here.moment(instant),
        patience,
        herald=lambda: here.herald,
        has_time=patience.has_time,
        report=lambda name, failure: _report(here, name, failure),
    ).settle()
    here.logger.info("deadlines settled", extra={"as_of": instant.isoformat(), "progress": asdict(run)})
    here.count({"DeadlinesSettled": run.settled, "DeadlinesFailed": run.failed})
    return {"as_of": instant.isoformat(), **asdict(run)}


def _report(here: Runtime, name: str, failure: Exception) -> None:
    here.logger.error("a deadline could not be settled", extra={"document": name}, exc_info=failure)


prepare("mall", "logger", "metrics")
