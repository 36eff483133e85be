"""`jifen dlq`: look at work that was given up, and send it back.

    orders, expire, remind, delivery    dead-letter queue ──one by one──> the queue it came from
    publish                             where it is in the stream ─────> the stream is read again, the events are told
    schedule                            a run that did not happen ─────> the sweep is run now

A message is sent first and deleted then. Whoever stops this in between leaves it in both queues, and an order or a
shard that is handled twice changes nothing. It works on the local AWS and, with the user's own credentials, on a
deployed stack alike.

A FIFO queue drops for five minutes what it has seen, so a message goes back under a new deduplication id; its group
stays, and with it the order among one member's events.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.table import Table

from jifen.adapters.hooks import decode as decode_hook
from jifen.adapters.queues import decode, decode_task
from jifen.domain.entries import instant_text
from jifen.service.hook_ports import DeliveryTask, ProbeTask, ReplayTask
from jifen.service.ports import MalformedMessage
from local.aws import lifecycle
from local.aws.sam import STACK
from local.replay import Watch

SOURCES: Mapping[str, tuple[str, str]] = {
    "orders": ("OrdersDlq", "OrdersQueue"),
    "expire": ("ExpireDlq", "ExpireQueue"),
    "remind": ("RemindDlq", "RemindQueue"),
    "delivery": ("DeliveryDlq", "DeliveryQueue"),
}
"""Dead-letter queue and source queue by name, as the template calls them."""

SCHEDULE = "schedule"
SCHEDULE_DLQ = "ScheduleDlq"
PUBLISH = "publish"
PUBLISH_DLQ = "PublishDlq"
PUBLISHER = "Publish"
SWEEPS = ("Expire", "Remind")
QUEUES = (*SOURCES, PUBLISH, SCHEDULE)

_OTHERS = {PUBLISH: PUBLISH_DLQ, SCHEDULE: SCHEDULE_DLQ}

SHOWN_MAX = 100
BEGINNING_MAX = 60
ABOUT_MAX = 5
HIDDEN_S = 60
"""How long a message is kept from others while it is looked at; it is given back earlier."""

WAIT_S = 1
"""Any wait at all makes SQS ask all of its servers for messages, not a few of them."""

_ABOUT = (
    ("as of", "as_of"),
    ("shard", "shard"),
    ("endpoint", "endpoint"),
    ("event", "event"),
    ("records", "records"),
    ("since", "since"),
    ("function", "function"),
    ("error", "error"),
)
_BATCH = 10
_RECORDS = 100
_EMPTY_MAX = 50
"""Pages in a row that may have no record: a stream gives some where more are to come."""
_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


class DlqError(Exception):
    """AWS did not do what was asked; the text says what and how far it came."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployed stack: `client` makes a boto3 client of a service, `stack` is its name."""

    client: Callable[[str], Any]
    stack: str = STACK

    def find(self, name: str) -> str:
        """Give the physical id of a resource of the template: a queue's is its URL, a function's its name."""
        answer = self.client("cloudformation").describe_stack_resource(StackName=self.stack, LogicalResourceId=name)
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    def dead_letters(self, queue: str) -> str:
        """Give the URL of a dead-letter queue."""
        return self.find(_OTHERS[queue] if queue in _OTHERS else SOURCES[queue][0])


# Looking -------------------------------------------------------------------------------------------------------------


def look(deployment: Deployment, queue: str) -> dict[str, Any]:
    """Show what lies in a dead-letter queue; nothing is taken off it.

    `waiting` is how many messages there are, `messages` at most `SHOWN_MAX` of them: `message_id`, `age_s`, `tries`,
    `kind` (event types, a sweep, `run` or `unreadable`), `begins` (the first characters), and where they can be read
    `order_ids`, `member_ids`, `as_of`, `shard`, `function` and `error`.

    Raises DlqError.
    """
    with _aws_errors():
        url, sqs = deployment.dead_letters(queue), deployment.client("sqs")
        waiting = _waiting(sqs, url)
        rows: list[dict[str, Any]] = []
        with _given_back(sqs, url) as held:
            while len(rows) < SHOWN_MAX and (batch := _receive(sqs, url, min(_BATCH, SHOWN_MAX - len(rows)))):
                held.extend(batch)
                rows += [_row(queue, message) for message in batch]
    return {"queue": queue, "waiting": max(waiting, len(rows)), "messages": rows}


def _row(queue: str, message: Mapping[str, Any]) -> dict[str, Any]:
    said, body = message["Attributes"], message["Body"]
    about = _about_run(message) if queue == SCHEDULE else _ABOUT_BODIES[queue](body)
    return {
        "message_id": message["MessageId"],
        "age_s": max(0, int(time.time() - int(said["SentTimestamp"]) / 1000)),
        "tries": int(said["ApproximateReceiveCount"]),
        **about,
        "begins": _plain(body[:BEGINNING_MAX]),
    }


def _about_orders(body: str) -> dict[str, Any]:
    try:
        events = decode(body)
    except MalformedMessage:
        return {"kind": "unreadable"}
    return {
        "kind": ", ".join(sorted({str(event.type) for event in events})),
        "order_ids": sorted({event.order_id for event in events if event.order_id is not None}),
        "member_ids": sorted({event.member for event in events if event.member is not None}),
    }


def _about_task(body: str) -> dict[str, Any]:
    try:
        task = decode_task(body)
    except MalformedMessage:
        return {"kind": "unreadable"}
    return {"kind": str(task.sweep), "as_of": instant_text(task.as_of), "shard": task.shard}


def _about_delivery(body: str) -> dict[str, Any]:
    try:
        task = decode_hook(body)
    except MalformedMessage:
        return {"kind": "unreadable"}
    about = {"endpoint": _plain(task.endpoint)}
    match task:
        case ReplayTask():
            return {"kind": "replay", **about}
        case ProbeTask():
            return {"kind": "probe", **about, "event": _plain(task.event_id)}
        case DeliveryTask():
            return {"kind": "delivery", **about, "event": _plain(task.event_id)}


def _about_stretch(body: str) -> dict[str, Any]:
    try:
        stretch = json.loads(body)
        place = stretch["DDBStreamBatchInfo"]
        return {
            "kind": "changes",
            "records": int(place.get("batchSize", 1)),
            "since": _plain(str(place.get("approximateArrivalOfFirstRecord", ""))),
            "error": _plain(str(stretch.get("requestContext", {}).get("condition", ""))),
        }
    except (ValueError, TypeError, KeyError, AttributeError):
        return {"kind": "unreadable"}


_ABOUT_BODIES: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "orders": _about_orders,
    "expire": _about_task,
    "remind": _about_task,
    "delivery": _about_delivery,
    PUBLISH: _about_stretch,
}


def _about_run(message: Mapping[str, Any]) -> dict[str, Any]:
    said = _said(message)
    row: dict[str, Any] = {"kind": "run"}
    if "TARGET_ARN" in said:
        row["function"] = said["TARGET_ARN"].rsplit(":", 1)[-1]
    with suppress(ValueError, TypeError, KeyError):
        row["as_of"] = _plain(str(json.loads(message["Body"])["as_of"]))
    error = said.get("ERROR_MESSAGE") or said.get("ErrorMessage") or said.get("ERROR_CODE") or said.get("ErrorCode")
    return row | ({"error": _plain(error[:200])} if error else {})


def _said(message: Mapping[str, Any]) -> dict[str, str]:
    """Message attributes: the scheduler's own name the target, Lambda's only the error."""
    return {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}


def _plain(text: str) -> str:
    """Text that does nothing to a terminal."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


# Sending back --------------------------------------------------------------------------------------------------------


def _unwatched(_stage: str, _done: int, _total: int) -> None:
    """Nobody looks on."""


def redrive(deployment: Deployment, queue: str, limit: int | None = None, watch: Watch = _unwatched) -> dict[str, Any]:
    """Send what lies in a dead-letter queue back, oldest first, at most `limit` messages.

    It ends when nothing is left but messages that it has sent back itself: they have failed again.
    `redriven` counts messages, `left` is how many there are still.

    Raises DlqError; what was not sent back is then still in the dead-letter queue.
    """
    done = 0
    try:
        with _aws_errors():
            url, sqs = deployment.dead_letters(queue), deployment.client("sqs")
            send_back = _sender(deployment, sqs, queue)
            total, sent = min(_waiting(sqs, url), limit or sys.maxsize), set[str]()
            with _given_back(sqs, url) as held:
                while limit is None or done < limit:
                    batch = _receive(sqs, url, _BATCH if limit is None else min(_BATCH, limit - done))
                    held.extend(batch)
                    fresh = [message for message in batch if message["MessageId"] not in sent]
                    if not fresh:
                        break
                    for message in fresh:
                        sent.add(send_back(message))
                        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                        held.remove(message)
                        done += 1
                        watch("redriven", done, max(total, done))
            return {"queue": queue, "redriven": done, "left": _waiting(sqs, url)}
    except DlqError as failure:
        text = f"{failure}; {done} sent back before that, the rest lies where it was"
        raise DlqError(text) from failure


def _sender(deployment: Deployment, sqs: Any, queue: str) -> Callable[[Mapping[str, Any]], str]:
    if queue == SCHEDULE:
        return _runs_again(deployment)
    return _tells_again(deployment) if queue == PUBLISH else _to_source(deployment, sqs, queue)


def _tells_again(deployment: Deployment) -> Callable[[Mapping[str, Any]], str]:
    """Read the stretch of the stream that a message names, and have the function tell it.

    The stream keeps a day; what is told twice has the same event ids.
    """
    streams, functions, function = deployment.client("dynamodbstreams"), deployment.client("lambda"), PUBLISHER

    def tell(message: Mapping[str, Any]) -> str:
        try:
            place = json.loads(message["Body"])["DDBStreamBatchInfo"]
            last = int(place["endSequenceNumber"])
            at = {
                "StreamArn": place["streamArn"],
                "ShardId": place.get("shardId") or _shard_of(streams, place["streamArn"], place["startSequenceNumber"]),
                "SequenceNumber": place["startSequenceNumber"],
            }
        except (ValueError, TypeError, KeyError) as wrong:
            text = "a message that names no stretch of the stream; look at it by hand"
            raise DlqError(text) from wrong
        iterator = streams.get_shard_iterator(**at, ShardIteratorType="AT_SEQUENCE_NUMBER")["ShardIterator"]
        empty = 0
        while iterator and empty < _EMPTY_MAX:
            page = streams.get_records(ShardIterator=iterator, Limit=_RECORDS)
            numbers = [int(one["dynamodb"]["SequenceNumber"]) for one in page["Records"]]
            if records := [one for one, number in zip(page["Records"], numbers, strict=True) if number <= last]:
                _tell(functions, deployment.find(function), records)
            if numbers and numbers[-1] >= last:
                return ""
            empty = 0 if numbers else empty + 1
            iterator = page.get("NextShardIterator")
        text = f"the stretch ends at {last}, and the stream has no more of it; what there was is told"
        raise DlqError(text)

    return tell


def _shard_of(streams: Any, arn: str, number: str) -> str:
    """The shard that has the record of this number; more than one may have it between its first and its last."""
    after: dict[str, str] = {}
    while True:
        page = streams.describe_stream(StreamArn=arn, **after)["StreamDescription"]
        for shard in page["Shards"]:
            span = shard["SequenceNumberRange"]
            if int(span["StartingSequenceNumber"]) <= int(number) <= int(span.get("EndingSequenceNumber", number)):
                at = {"StreamArn": arn, "ShardId": shard["ShardId"], "SequenceNumber": number}
                with suppress(ClientError):  # one that does not have it
                    iterator = streams.get_shard_iterator(**at, ShardIteratorType="AT_SEQUENCE_NUMBER")["ShardIterator"]
                    found = streams.get_records(ShardIterator=iterator, Limit=1)["Records"]
                    if [number] == [one["dynamodb"]["SequenceNumber"] for one in found]:
                        return str(shard["ShardId"])
        if "LastEvaluatedShardId" not in page:
            text = f"no shard of the stream has a record of the number {_plain(number)}"
            raise DlqError(text)
        after = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}


def _tell(functions: Any, name: str, records: Sequence[Mapping[str, Any]]) -> None:
    payload = json.dumps({"Records": [_named(one) for one in records]}, default=_as_lambda_has_it).encode()
    answer = functions.invoke(FunctionName=name, Payload=payload)
    said = answer["Payload"].read(100_000).decode(errors="replace")
    failed = "FunctionError" in answer or json.loads(said or "{}").get("batchItemFailures")
    if failed:
        text = f"{name} failed again: {_plain(said[:2_000])}"
        raise DlqError(text)


def _named(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with who made the change under the names that the function knows."""
    who = record.get("userIdentity")
    return (
        {**record, "userIdentity": {name[:1].lower() + name[1:]: one for name, one in who.items()}}
        if who
        else {**record}
    )


def _as_lambda_has_it(value: object) -> Any:
    """A value of the stream's own client as the function gets it: bytes in base64, times in seconds."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else int(value.timestamp())  # type: ignore[attr-defined]


def _to_source(deployment: Deployment, sqs: Any, queue: str) -> Callable[[Mapping[str, Any]], str]:
    url = deployment.find(SOURCES[queue][1])

    def send(message: Mapping[str, Any]) -> str:
        said = message["Attributes"]
        more: dict[str, Any] = {}
        if "MessageGroupId" in said:
            more["MessageGroupId"] = said["MessageGroupId"]
            if url.endswith(".fifo"):
                more["MessageDeduplicationId"] = f"redrive-{uuid.uuid4()}"
        if message.get("MessageAttributes"):
            more["MessageAttributes"] = message["MessageAttributes"]
        return str(sqs.send_message(QueueUrl=url, MessageBody=message["Body"], **more)["MessageId"])

    return send


def _runs_again(deployment: Deployment) -> Callable[[Mapping[str, Any]], str]:
    """Start the sweep that a message stands for, as of now: a sweep finds by dates what the missed run left over.

    As of then, it would remind members of days that may have passed since. Of a message that does not name its function
    both are started; each once, however many messages ask for it.
    """
    functions = {deployment.find(name) for name in SWEEPS}
    client = deployment.client("lambda")
    started: set[str] = set()

    def start(message: Mapping[str, Any]) -> str:
        named = _said(message).get("TARGET_ARN", "").rsplit(":", 1)[-1]
        for function in sorted(({named} & functions or functions) - started):
            answer = client.invoke(FunctionName=function, Payload=b"{}")
            if "FunctionError" in answer:
                why = _plain(answer["Payload"].read(2_000).decode(errors="replace"))
                message_text = f"{function} failed again: {why}"
                raise DlqError(message_text)
            started.add(function)
        return ""

    return start


# The queue -----------------------------------------------------------------------------------------------------------


def _waiting(sqs: Any, url: str) -> int:
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))["Attributes"]
    return sum(int(found[name]) for name in _COUNTS)


def _receive(sqs: Any, url: str, most: int) -> list[dict[str, Any]]:
    answer = sqs.receive_message(
        QueueUrl=url,
        MaxNumberOfMessages=most,
        WaitTimeSeconds=WAIT_S,
        VisibilityTimeout=HIDDEN_S,
        MessageSystemAttributeNames=["All"],
        MessageAttributeNames=["All"],
    )
    found: list[dict[str, Any]] = answer.get("Messages", [])
    return found


@contextmanager
def _given_back(sqs: Any, url: str) -> Iterator[list[dict[str, Any]]]:
    """Give a list for messages that were received; those in it at the end can be received again at once."""
    held: list[dict[str, Any]] = []
    try:
        yield held
    finally:
        for message in held:
            # They come back by themselves a little later.
            with suppress(ClientError, BotoCoreError):
                sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)


@contextmanager
def _aws_errors() -> Iterator[None]:
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        raise DlqError(str(error)) from error


# The command ---------------------------------------------------------------------------------------------------------


def add_dlq(
    commands: Any, console: Callable[[], Console], watching: Callable[[], AbstractContextManager[Watch]]
) -> None:
    """Add `dlq` to the parsers `commands`; `console` is where results go, `watching` shows progress."""
    parser = commands.add_parser(
        "dlq",
        help="work that was given up: look at it, send it back",
        description="Looks into the dead-letter queues of a deployed stack, or of the local AWS, and sends messages "
        "back to where they came from. A scheduled run that did not happen is run now.",
    )
    acts = parser.add_subparsers(dest="act", required=True, metavar="list|redrive")
    listing = acts.add_parser("list", help="show what lies there; nothing is taken away")
    listing.add_argument(
        "queue", nargs="?", choices=QUEUES, metavar="QUEUE", help=f"{', '.join(QUEUES)} (default: all)"
    )
    _add_deployment(listing)
    listing.set_defaults(run=lambda options: _list(options, console))
    back = acts.add_parser(
        "redrive",
        help="send messages back, one by one, after their cause was mended",
        description="Sends messages back, each deleted only after it was sent: stopped at any point, nothing is lost.",
    )
    back.add_argument("queue", choices=QUEUES, metavar="QUEUE", help=", ".join(QUEUES))
    back.add_argument("--limit", type=_count, metavar="N", help="at most so many messages (default: all)")
    _add_deployment(back)
    back.set_defaults(run=lambda options: _redrive(options, console, watching))


def _add_deployment(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--stack",
        default=STACK,
        metavar="NAME",
        help=f"stack in the AWS account and region of your credentials (default: {STACK})",
    )
    where.add_argument("--local", action="store_true", help="the local AWS of jifen up instead")
    parser.add_argument(
        "--state", type=Path, default=lifecycle.FOLDER, metavar="FOLDER", help="with --local, where its state is"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON, and nothing else")


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        message = f"{text!r} is no number of messages"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _deployment(options: argparse.Namespace) -> Deployment:
    if options.local:
        return Deployment(lifecycle.running(options.state).client)
    config = Config(connect_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
    # boto3 reads AWS_DEFAULT_REGION alone; the command line of AWS puts AWS_REGION before it.
    with _aws_errors():
        session = boto3.Session(region_name=os.environ.get("AWS_REGION") or None)
    if session.region_name is None:
        message = "no region: set AWS_REGION, or use --local for the local AWS"
        raise DlqError(message)
    return Deployment(lambda service: session.client(service, config=config), options.stack)


def _list(options: argparse.Namespace, console: Callable[[], Console]) -> int:
    deployment = _deployment(options)
    found = [look(deployment, queue) for queue in ((options.queue,) if options.queue else QUEUES)]
    if options.json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        for each in found:
            _show(console(), each)
    return 0


def _redrive(
    options: argparse.Namespace,
    console: Callable[[], Console],
    watching: Callable[[], AbstractContextManager[Watch]],
) -> int:
    deployment = _deployment(options)
    with watching() as watch:
        result = redrive(deployment, options.queue, options.limit, watch)
    if options.json:
        print(json.dumps(result))
    else:
        console().print(f"{options.queue}: {result['redriven']:,} sent back, {result['left']:,} left")
    return 0


def _show(console: Console, found: Mapping[str, Any]) -> None:
    waiting, rows = found["waiting"], found["messages"]
    console.print(f"{found['queue']}: {waiting:,} given up" if waiting else f"{found['queue']}: empty")
    if not rows:
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("age", justify="right", no_wrap=True)
    table.add_column("tries", justify="right", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("about")
    table.add_column("begins", overflow="fold")
    for row in rows:
        table.add_row(_age(row["age_s"]), str(row["tries"]), row["kind"], _about(row), row["begins"])
    console.print(table)
    if waiting > len(rows):
        console.print(f"and {waiting - len(rows):,} more")


def _about(row: Mapping[str, Any]) -> str:
    said = [f"order {_some(row['order_ids'])}"] if row.get("order_ids") else []
    said += [f"member {_some(row['member_ids'])}"] if row.get("member_ids") else []
    said += [f"{name} {row[field]}" for name, field in _ABOUT if field in row]
    return "\n".join(said)


def _some(ids: Sequence[str]) -> str:
    """Ids come from outside, too."""
    more = [f"and {len(ids) - ABOUT_MAX} more"] if len(ids) > ABOUT_MAX else []
    return ", ".join([*map(_plain, ids[:ABOUT_MAX]), *more])


def _age(seconds: int) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
