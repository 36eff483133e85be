"""Order events from the queue become postings.

A batch may hold events of several members. The events of one message group are posted together; when that fails, the
whole group goes back to the queue, in order, while its neighbours pass. What cannot be read at all goes back alone and
ends in the dead-letter queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from jifen import runtime
from jifen.domain.errors import Busy
from jifen.domain.orders import OrderEvent
from jifen.runtime import Runtime
from jifen.service.earning import Outcome, earn, look_ahead
from jifen.service.ports import Loaded, MalformedMessage


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Handle one batch; the answer names the messages to be tried again."""
    here = runtime.current()
    groups: dict[str, list[_Message]] = {}
    failed: list[str] = []
    for record in event["Records"]:
        message_id = record["messageId"]
        try:
            message = _Message(message_id, here.order_event(record["body"]))
        except MalformedMessage:
            here.logger.exception("message is not an order event", extra={"message_id": message_id})
            failed.append(message_id)
            continue
        group = record.get("attributes", {}).get("MessageGroupId") or message_id
        groups.setdefault(group, []).append(message)
    ahead = _look_ahead(here, [message.event for messages in groups.values() for message in messages])
    for messages in groups.values():
        failed += _post(here, messages, context, ahead)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


class _Message(NamedTuple):
    id: str
    event: OrderEvent


def _look_ahead(here: Runtime, events: list[OrderEvent]) -> Loaded | None:
    """One read for the whole batch; where that fails every group reads, and fails, for itself."""
    if not events:
        return None
    try:
        return look_ahead(here.ledger, events)
    except Exception:
        here.logger.exception("a batch could not be read at once", extra={"events": len(events)})
        return None


def _post(here: Runtime, messages: list[_Message], context: object, ahead: Loaded | None) -> list[str]:
    """Post the events together, or, where one of them cannot be posted, one by one; the ids of those that failed."""
    ids = [message.id for message in messages]
    try:
        events = [message.event for message in messages]
        outcomes = earn(here.ledger, here.program, events, here.moment(), here.patience(context), ahead)
    except Busy:
        here.logger.warning("the ledger is busy; the messages are tried again", extra={"message_ids": ids})
        return ids
    except Exception:
        # One event that breaks us must not take its neighbours along. It is not passed over: it stays on the queue.
        here.logger.exception("events cannot be posted", extra={"message_ids": ids})
        if len(messages) == 1:
            return ids
        return [message_id for message in messages for message_id in _post(here, [message], context, None)]
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
