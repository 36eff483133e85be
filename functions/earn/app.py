"""Order events from the queue become postings.

    the whole batch in one transaction ──> group by group ──> event by event     until what cannot be posted is alone

A batch holds events of several members. Usually all of them are posted together, in two round trips. When that fails,
the events of one message group are posted together, and what cannot be posted goes back to the queue while its
neighbours pass. What cannot be read at all goes back alone and ends in the dead-letter queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from typing import Any, NamedTuple

from jifen import runtime
from jifen.domain.errors import Busy
from jifen.domain.orders import OrderEvent
from jifen.runtime import Runtime
from jifen.service.earning import Outcome, earn
from jifen.service.ports import MalformedMessage, Patience, Tries

JOINT_TRIES = 2
"""How often a whole batch is tried again before each member is handled alone: one busy account must not hold up ten."""


class _Message(NamedTuple):
    id: str
    events: list[OrderEvent]


class _Result(Enum):
    POSTED = auto()
    BUSY = auto()
    BROKEN = auto()


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Handle one batch; the answer names the messages to be tried again."""
    here = runtime.current()
    here.begin(getattr(context, "aws_request_id", ""))
    groups: dict[str, list[_Message]] = {}
    failed: list[str] = []
    for record in event["Records"]:
        message_id = record["messageId"]
        try:
            message = _Message(message_id, here.order_events(record["body"]))
        except MalformedMessage:
            here.logger.exception("message holds no order events", extra={"message_id": message_id})
            failed.append(message_id)
            continue
        group = record.get("attributes", {}).get("MessageGroupId") or message_id
        groups.setdefault(group, []).append(message)
    whole = [message for messages in groups.values() for message in messages]
    if len(groups) < 2 or _post(here, whole, Tries(here.patience(context), JOINT_TRIES)) is not _Result.POSTED:  # noqa: PLR2004 - more than one
        failed += [message_id for messages in groups.values() for message_id in _group(here, messages, context)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _group(here: Runtime, messages: list[_Message], context: object) -> list[str]:
    """Post the events of one group together, or one by one where one is broken; the ids of those that failed."""
    match _post(here, messages, here.patience(context)):
        case _Result.POSTED:
            return []
        case _Result.BROKEN if len(messages) > 1:
            return [message_id for message in messages for message_id in _group(here, [message], context)]
        case _:
            return [message.id for message in messages]


def _post(here: Runtime, messages: list[_Message], patience: Patience) -> _Result:
    ids = [message.id for message in messages]
    try:
        events = [event for message in messages for event in message.events]
        outcomes = earn(here.ledger, here.program, events, here.moment(), patience)
    except Busy:
        here.logger.warning("the ledger is busy", extra={"message_ids": ids})
        return _Result.BUSY
    except Exception:
        # One event that breaks us must not take its neighbours along. It is not passed over: it stays on the queue.
        here.logger.exception("events cannot be posted", extra={"message_ids": ids})
        return _Result.BROKEN
    _tell(here, outcomes)
    return _Result.POSTED


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
            "OrdersNowGuests": sum("NOW_A_GUEST" in outcome.notes for outcome in outcomes),
            "ConflictingEvents": sum(
                any(note.startswith("CONFLICT") for note in outcome.notes) for outcome in outcomes
            ),
        }
    )


runtime.prepare("ledger", "decoder", "logger", "metrics")
