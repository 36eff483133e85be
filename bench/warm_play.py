"""Plays recorded operations through the real handlers, without a network: only this process's work is left to count.

    event ──> handler ──> botocore ──before-send──> the answer that was recorded

``python -m bench.warm_play FILE REPETITIONS`` plays each operation of the file (see :mod:`bench.warm_record`) so many
times, then twice as many times. Before, between and after, it calls ``getppid``: that is where callgrind writes down
what it has counted. On stderr it leaves one line of JSON with the bytes that one repetition sent and received.

A process that is warm knows the program in force and the rules of orders that it met; it learns them before the first
mark, from what was recorded as ``known``, and never looks again: its clock for that stands still.

What is counted begins with the event as Lambda's runtime hands it over and ends with the answer. Not in it: Lambda's
runtime itself, sockets and TLS. Everything else is: parsing, signing, serialising, logs and metrics.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.config import Config

from jifen.adapters.notify.event import EventNotifier
from jifen.adapters.queues import SqsOrderQueue, SqsSweepQueue
from jifen.domain.program import parse_program
from jifen.runtime import Runtime, Settings, use
from jifen.store.dynamo import DynamoLedger

SECRET = "whsec_amlmZW4gYmVuY2gsIG5vIHNlY3JldCBhdCBhbGwgaGVyZSE="  # noqa: S105 - signs deliveries of this benchmark alone
TABLE = "jifen-bench"
SHARDS = 1
PROGRAM = {"time_zone": "Europe/London", "currency": "GBP"}
WARM_UPS = 2
"""Repetitions before anything is counted: caches fill, routes are compiled."""

TIME_LEFT_MS = 30_000

_SQS = {"MessageId": "6a2b9c1e-0000-4000-8000-000000000001", "MD5OfMessageBody": "d41d8cd98f00b204e9800998ecf8427e"}
_EVENTS = {"FailedEntryCount": 0, "Entries": [{"EventId": "6a2b9c1e-0000-4000-8000-000000000002"}]}


@dataclass(frozen=True, slots=True)
class Context:
    """As much of a Lambda context as handlers use."""

    aws_request_id: str = "6a2b9c1e-0000-4000-8000-000000000003"
    function_name: str = "bench"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:bench"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Always the same."""
        return TIME_LEFT_MS


@dataclass
class Stubs:
    """Answers requests from a tape, over and over; adds up what went out and came back.

    A request counts its line, headers and body, an answer its body: headers of answers differ between engines.
    """

    tape: list[dict[str, Any]] = field(default_factory=list)
    at: int = 0
    sent: int = 0
    received: int = 0

    def dynamo(self, request: Any, **_: Any) -> AWSResponse:
        """The next answer of the tape."""
        exchange = self.tape[self.at % len(self.tape)]
        self.at += 1
        return self._answer(request, exchange["status"], exchange["headers"], exchange["body"].encode())

    def canned(self, body: Mapping[str, Any]) -> Callable[..., AWSResponse]:
        """One answer to every request."""
        text = json.dumps(body).encode()

        def answer(request: Any, **_: Any) -> AWSResponse:
            return self._answer(request, 200, {"content-type": "application/x-amz-json-1.1"}, text)

        return answer

    def _answer(self, request: Any, status: int, headers: Mapping[str, str], body: bytes) -> AWSResponse:
        self.sent += len(request.body or b"") + len(request.url)
        self.sent += sum(len(name) + len(text) + 4 for name, text in request.headers.items())
        self.received += len(body)
        response = AWSResponse(request.url, status, dict(headers), None)
        response._content = body  # noqa: SLF001 - what reading the answer would leave there
        return response


def new_runtime(stubs: Stubs, now: datetime, endpoint: str | None = None) -> Runtime:
    """A runtime with the real adapters. Queue and bus are answered by stubs; so is the table, without an endpoint.

    What it once knows of the program it believes for ever.
    """
    settings = Settings(
        table=TABLE,
        program=parse_program(PROGRAM),
        shards=SHARDS,
        secrets={"standard": (SECRET,)},
        signing_secret="not a secret",  # noqa: S106 - signs cursors of this benchmark
        endpoint=endpoint,
        credentials=("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    )
    sqs = _client("sqs", stubs.canned(_SQS))
    bus = _client("events", stubs.canned(_EVENTS))
    queue = "https://sqs.us-east-1.amazonaws.com/000000000000/jifen-orders.fifo"
    runtime = Runtime(
        settings,
        clock=lambda: now,
        orders=SqsOrderQueue(sqs, queue),
        sweeps=SqsSweepQueue(sqs, queue),
        notifiers=[EventNotifier(bus, "jifen")],
        monotonic=lambda: 0.0,
    )
    if endpoint is None:
        ledger = runtime.ledger
        assert isinstance(ledger, DynamoLedger)
        ledger.client.meta.events.register("before-send.dynamodb", stubs.dynamo)
    return runtime


def learn(here: Runtime, fingerprints: Sequence[str]) -> None:
    """Let a process read the program in force, and rules that are not in force by their fingerprints."""
    ledger = here.ledger
    assert isinstance(ledger, DynamoLedger)
    here.in_force.forget()
    _ = here.program
    for name in fingerprints:
        ledger.rules_by(name)


def _client(service: str, answer: Callable[..., AWSResponse]) -> Any:
    client = boto3.client(
        service,
        region_name="us-east-1",
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE",
        aws_secret_access_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",  # noqa: S106 - the example of AWS's own pages
        config=Config(connect_timeout=1, read_timeout=3, retries={"total_max_attempts": 3, "mode": "standard"}),
    )
    client.meta.events.register(f"before-send.{service}", answer)
    return client


def handler(name: str) -> Callable[[Mapping[str, Any], object], Any]:
    """A function's handler."""
    found: Callable[[Mapping[str, Any], object], Any] = importlib.import_module(f"functions.{name}.app").handler
    return found


def play(recorded: Mapping[str, Any], repetitions: int) -> Iterator[tuple[str, int, int]]:
    """Play every operation between marks; its name, and the bytes one repetition sent and received.

    Raises:
        AssertionError: a handler answered other than when it was recorded, so something else would be counted.
    """
    stubs = Stubs()
    clock = [datetime(1970, 1, 1, tzinfo=UTC)]
    runtime = new_runtime(stubs, clock[0])
    runtime.clock = lambda: clock[0]
    handlers = {name: handler(name) for name in {operation["handler"] for operation in recorded.values()}}
    gc.freeze()
    with use(runtime):
        for name, operation in recorded.items():
            call, event = handlers[operation["handler"]], operation["event"]
            clock[0] = datetime.fromisoformat(operation["now"])
            stubs.tape, stubs.at = operation["known"], 0
            learn(runtime, operation["rules"])
            stubs.tape, stubs.at, stubs.sent, stubs.received = operation["exchanges"], 0, 0, 0
            assert call(event, Context()) == operation["answer"], f"{name} answers other than it did"
            assert stubs.at == len(operation["exchanges"]), f"{name} calls {stubs.at} times"
            yield name, stubs.sent, stubs.received
            for _ in range(WARM_UPS - 1):
                call(event, Context())
            gc.collect()
            for times in (repetitions, 2 * repetitions):
                os.getppid()
                for _ in range(times):
                    call(event, Context())
            os.getppid()


def main() -> None:
    """Play the file that is named, so many times."""
    recorded = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    told = {name: [sent, received] for name, sent, received in play(recorded, int(sys.argv[2]))}
    sys.stderr.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
