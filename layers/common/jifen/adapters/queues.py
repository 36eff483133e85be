"""SQS: order events on a FIFO queue, shards of a scheduled run on a standard one.

group = member (the order, when no member is known)     events of one member are handled one after the other
deduplication id = hash of the message                  only a true copy is dropped, never a reused event id

What only a reader of messages needs is imported when one is read: the webhook entry writes them and has no account.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from jifen.domain.calendar import parse_instant
from jifen.domain.entries import instant_text
from jifen.domain.errors import Busy, EventTooLarge
from jifen.domain.facts import event_in, event_out
from jifen.domain.orders import OrderEvent

if TYPE_CHECKING:
    from jifen.service.ports import ShardTask

# ruff: noqa: PLC0415 - see above

MESSAGE_BYTES_MAX = 250_000
"""A queue message holds 256 KiB; the rest is room for what SQS adds."""

COMPRESS_FROM_BYTES = 60_000
_BATCH = 10
_CURSOR = re.compile(r"\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}Z)?#.{1,128}", re.ASCII | re.DOTALL)
_ROW_CURSOR = re.compile(r"VR#.{1,256}", re.DOTALL)
_NAME = re.compile(r"[\x21-\x7e]{0,128}")


class SqsOrderQueue:
    """Order events on a FIFO queue."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, events: Sequence[OrderEvent]) -> None:
        """See :class:`jifen.service.ports.OrderQueue`."""
        try:
            body = encode(events)
        except EventTooLarge:
            if len(events) == 1:
                raise
            # An order with its largest refunds: facts join in any order, so they may travel apart.
            self.send(events[: len(events) // 2])
            self.send(events[len(events) // 2 :])
            return
        try:
            self._client.send_message(
                QueueUrl=self._url,
                MessageBody=body,
                MessageGroupId=group_of(events),
                MessageDeduplicationId=hashlib.sha256(body.encode()).hexdigest(),
            )
        except (BotoCoreError, ClientError) as failure:
            raise Busy(retry_after_s=5) from failure


def encode(events: Sequence[OrderEvent]) -> str:
    """The events of one delivery as a message body; compressed when it is long.

    ASCII only: SQS does not take every character that an id may hold, and may put another one in its place.

    Raises:
        EventTooLarge: it does not fit even so.
    """
    body = json.dumps({"v": 1, "events": [event_out(event) for event in events]}, separators=(",", ":"))
    if len(body) > COMPRESS_FROM_BYTES:
        body = json.dumps({"v": 1, "zlib": base64.b64encode(zlib.compress(body.encode(), 9)).decode()})
    if len(body) > MESSAGE_BYTES_MAX:
        raise EventTooLarge(bytes=len(body), bytes_max=MESSAGE_BYTES_MAX)
    return body


def decode(body: str) -> list[OrderEvent]:
    """The events in a message body.

    Raises:
        MalformedMessage: there are none.
    """
    from jifen.service.ports import MalformedMessage

    try:
        data = json.loads(body)
        if "zlib" in data:
            data = json.loads(zlib.decompress(base64.b64decode(data["zlib"])))
        events = [event_in(row) for row in data["events"]]
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error, RecursionError, OverflowError) as wrong:
        message = f"not order events: {type(wrong).__name__}"
        raise MalformedMessage(message) from wrong
    if not events:
        message = "not order events: none"
        raise MalformedMessage(message)
    return events


def group_of(events: Sequence[OrderEvent]) -> str:
    """The message group: hashed, because ids may hold what SQS does not allow. A delivery is of one order."""
    event = events[0]
    owner = f"M#{event.member}" if event.member is not None else f"O#{event.shop}#{event.order_id or event.event_id}"
    return hashlib.sha256(owner.encode()).hexdigest()[:32]


class SqsSweepQueue:
    """Shards of a scheduled run on a standard queue."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, tasks: Sequence[ShardTask], delay_s: int = 0) -> None:
        """See :class:`jifen.service.ports.SweepQueue`."""
        late = {"DelaySeconds": delay_s} if delay_s else {}
        for start in range(0, len(tasks), _BATCH):
            batch = tasks[start : start + _BATCH]
            entries = [{"Id": str(index), "MessageBody": encode_task(task), **late} for index, task in enumerate(batch)]
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            except (BotoCoreError, ClientError) as failure:
                raise Busy(retry_after_s=5) from failure
            if answer.get("Failed"):
                raise Busy(retry_after_s=5)


def encode_task(task: ShardTask) -> str:
    """The task as a message body."""
    data = {"sweep": str(task.sweep), "as_of": instant_text(task.as_of), "shard": task.shard, "cursor": task.cursor}
    more = {name: value for name, value in (("walk", task.walk), ("batch", task.batch), ("held", task.held)) if value}
    return json.dumps(data | more, separators=(",", ":"))


def decode_task(body: str) -> ShardTask:
    """The task in a message body.

    Raises:
        MalformedMessage: it is none.
    """
    from jifen.service.ports import MalformedMessage, ShardTask, Sweep

    try:
        data = json.loads(body)
        shard, cursor = data["shard"], data.get("cursor")
        walk, batch = data.get("walk", ""), data.get("batch", "")
        place = _ROW_CURSOR if batch else _CURSOR
        if type(shard) is not int or shard < 0 or not (cursor is None or place.fullmatch(cursor)):
            raise ValueError(body)  # noqa: TRY301 - one place says what is wrong
        held = data.get("held", False)
        if not _NAME.fullmatch(walk) or not _NAME.fullmatch(batch) or (walk and batch) or type(held) is not bool:
            raise ValueError(body)  # noqa: TRY301 - as above
        return ShardTask(Sweep(data["sweep"]), parse_instant(data["as_of"]), shard, cursor, walk, batch, held)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as wrong:
        message = f"not a shard task: {type(wrong).__name__}"
        raise MalformedMessage(message) from wrong
