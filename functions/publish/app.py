"""The table's stream becomes events: on the shop's event bus, and at the shop's endpoints. Docs: docs/events-out.md.

{"Records": [{"dynamodb": {"Keys", "OldImage", "NewImage", "SequenceNumber"}}]}  ->  {"batchItemFailures"}

What could not be told goes back to the stream, and ends in its on-failure queue when that helps nothing. A row that
cannot be read is named in the log and counted: waiting for it would hold up every member of its shard.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jifen.domain.changes import UnreadableChange
from jifen.runtime import Runtime, current, prepare
from jifen.service.publishing import Told, publish


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Tell one batch; the answer names the records from which on it is to be delivered again."""
    here = current()
    here.begin(getattr(context, "aws_request_id", ""))
    batch = [told for record in event["Records"] if (told := _told(here, record)) is not None]
    done = publish(here.bus, here.relay, batch, here.patience(context))
    if done.failed:
        here.logger.warning("changes were not told; the stream delivers them again", extra={"records": done.failed})
    here.count(
        {
            "EventsPublished": done.events,
            "ChangesNotTold": len(done.failed),
            "EventsUnreadable": len(event["Records"]) - len(batch),
        }
    )
    return {"batchItemFailures": [{"itemIdentifier": record} for record in done.failed]}


def _told(here: Runtime, record: Mapping[str, Any]) -> Told | None:
    """What is told of a record; None for one that cannot be read."""
    number = record["dynamodb"]["SequenceNumber"]
    try:
        return Told(number, here.events_of(record))
    except UnreadableChange as wrong:
        here.logger.exception(
            "a change cannot be read and is not told",
            extra={
                "row": wrong.key,
                "problem": wrong.problem,
                "sequence_number": number,
                "stream": record.get("eventSourceARN", ""),
            },
        )
        return None


prepare("bus", "teller", "ledger", "logger", "metrics", "relay", "hooks_queue")
