"""Order events from the queue become postings.

A batch may hold events of several members. The events of one message group are posted together; when that fails, the
whole group goes back to the queue, in order, while its neighbours pass. What cannot be read at all goes back alone and
ends in the dead-letter queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jifen import runtime
from jifen.domain.errors import Busy
from jifen.domain.orders import OrderEvent
from jifen.runtime import Runtime
from jifen.service.earning import Outcome, earn
from jifen.service.ports import MalformedMessage


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Handle one batch; the answer names the messages to be tried again."""
    here = runtime.current()
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for record in event["Records"]:
        group = record.get("attributes", {}).get("MessageGroupId") or record["messageId"]
        groups.setdefault(group, []).append(record)
    failed = [message_id for records in groups.values() for message_id in _group(here, records, context)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _group(here: Runtime, records: list[Mapping[str, Any]], context: object) -> list[str]:
    """Post the events of one group; the ids of the messages that are to be tried again."""
    readable: list[tuple[str, OrderEvent]] = []
    failed: list[str] = []
    for record in records:
        try:
            readable.append((record["messageId"], here.order_event(record["body"])))
        except MalformedMessage:
            here.logger.exception("message is not an order event", extra={"message_id": record["messageId"]})
            failed.append(record["messageId"])
    return failed + _posted(here, readable, context)


def _posted(here: Runtime, readable: list[tuple[str, OrderEvent]], context: object) -> list[str]:
    """Post the events together, or, where one of them cannot be posted, one by one; the ids of those that failed."""
    if not readable:
        return []
    try:
        events = [event for _, event in readable]
        outcomes = earn(here.ledger, here.program, events, here.moment(), here.patience(context))
    except Busy:
        here.logger.warning("the ledger is busy; the messages are tried again", extra={"messages": len(readable)})
        return [message_id for message_id, _ in readable]
    except Exception:
        here.logger.exception(
            "events cannot be posted", extra={"message_ids": [message_id for message_id, _ in readable]}
        )
        if len(readable) == 1:
            return [readable[0][0]]
        return [message_id for one in readable for message_id in _posted(here, [one], context)]
    _tell(here, outcomes)
    return []


def _tell(here: Runtime, outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        event = outcome.event
        here.logger.info(
            "order event posted",
            extra={
                "order_id": event.order_id,
                "event_id": event.event_id,
                "points": outcome.points,
                "notes": outcome.notes,
            },
        )
    here.count(
        {
            "OrderEvents": len(outcomes),
            "PointsEarned": sum(max(0, outcome.points) for outcome in outcomes),
            "PointsClawedBack": sum(max(0, -outcome.points) for outcome in outcomes),
            "DuplicateEvents": sum("DUPLICATE" in outcome.notes for outcome in outcomes),
            "UnmatchedRefunds": sum("UNMATCHED_REFUND" in outcome.notes for outcome in outcomes),
            "ConflictingEvents": sum(
                any(note.startswith("CONFLICT") for note in outcome.notes) for outcome in outcomes
            ),
        }
    )
