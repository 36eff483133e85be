"""Three ways to keep points, driven alike: by the events that Lambda would hand to their two handlers.

    events of a shop ──message()──> batches of the orders queue ──> earn
                                    requests for points         ──> redeem

What comes before the queue (the webhook and its signature) is the same for all and left out. None writes metrics; all
log a line an event, to nowhere.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from aws_lambda_powertools import Logger

from bench.alternatives.idempotency_and_lots import IDEMPOTENCY_TABLE, IdempotencyAndLots
from bench.alternatives.orders import YEARS_VALID
from bench.alternatives.read_then_write import ReadThenWrite
from jifen.adapters.queues import encode
from jifen.adapters.webhook import receive
from jifen.domain.calendar import parse_instant
from jifen.domain.program import parse_program
from jifen.runtime import Runtime, Settings, use
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine, create_table
from local.replay import SECRET, LambdaContext, api_request, queue_record, signed_request
from local.template import table_definition

DELIVERIES_MAX = 12
"""Times that a message or request is tried before it counts as given up."""

CREATED, CONFLICT = 201, 409

Event = Mapping[str, Any]


class Way(Protocol):
    """A way to keep points: two Lambda handlers, and what can be asked of it afterwards."""

    clients: list[Any]

    def earn(self, event: Event, context: Any) -> dict[str, Any]:
        """Handle one batch of the orders queue."""

    def redeem(self, event: Event, context: Any) -> dict[str, Any]:
        """Answer one request for points."""

    def balance(self, member: str) -> int:
        """What a member has, debts taken off."""


class Ours:
    """The real handlers on their runtime."""

    def __init__(self, engine: Engine, table: str, logger: Logger) -> None:
        self._runtime = _runtime(engine, table, logger)
        ledger = self._runtime.ledger
        assert isinstance(ledger, DynamoLedger)
        self._ledger, self.clients = ledger, [ledger.client]
        self._earn, self._redeem = _handler("earn"), _handler("redeem")

    def earn(self, event: Event, context: Any) -> dict[str, Any]:
        """See :class:`Way`."""
        with use(self._runtime):
            return self._earn(event, context)

    def redeem(self, event: Event, context: Any) -> dict[str, Any]:
        """See :class:`Way`."""
        with use(self._runtime):
            return self._redeem(event, context)

    def balance(self, member: str) -> int:
        """See :class:`Way`."""
        return self._ledger.load([member]).accounts[member].balance


def _runtime(engine: Engine, table: str, logger: Logger) -> Runtime:
    keys = engine.credentials
    program = {"expiry": {"policy": "months", "months": 12 * YEARS_VALID, "round_up_to": "month_end"}}
    settings = Settings(
        table=table,
        region=engine.region,
        program=parse_program(program),
        endpoint=engine.url,
        credentials=(keys.access_key_id, keys.secret_access_key),
    )
    runtime = Runtime(settings, count=lambda _numbers: None)
    runtime.logger = logger
    return runtime


def _handler(name: str) -> Callable[[Event, Any], dict[str, Any]]:
    handler: Callable[[Event, Any], dict[str, Any]] = importlib.import_module(f"functions.{name}.app").handler
    return handler


OURS, READ_THEN_WRITE, IDEMPOTENCY_AND_LOTS = "ours", "read, then write", "idempotency and lots"
WAYS = (OURS, READ_THEN_WRITE, IDEMPOTENCY_AND_LOTS)


def way(name: str, engine: Engine, table: str) -> Way:
    """The way of this name over a table."""
    match name:
        case "ours":
            return Ours(engine, table, _logger())
        case "read, then write":
            return ReadThenWrite(engine, table, _logger())
        case _:
            return IdempotencyAndLots(engine, table, _logger())


@cache
def _logger() -> Logger:
    """Lines as in Lambda, written to nowhere; one for the process, as Powertools formats the first of a name alone."""
    nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open as long as the process
    logging.getLogger("compare").propagate = False
    return Logger(service="compare", logger_handler=logging.StreamHandler(nowhere))


def make_tables(engine: Engine, table: str) -> None:
    """The ledger's table, which all ways use, and the one for idempotency beside it."""
    create_table(engine, table_definition(), table)
    create_table(engine, IDEMPOTENCY_TABLE, f"{table}-idempotency")


# Deliveries ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Request:
    """A request for points; ``id`` is its idempotency key."""

    id: str
    member: str
    points: int

    def event(self) -> dict[str, Any]:
        """As API Gateway hands it over."""
        route = "/v1/members/{member_id}/redemptions"
        path = route.format(member_id=quote(self.member, safe=""))
        event = api_request("POST", path, {"points": self.points}, self.member, "points/member", key=self.id)
        return event | {"routeKey": f"POST {route}", "pathParameters": {"member_id": self.member}}


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the orders queue."""

    body: str
    group: str


Delivery = Request | Message


def delivery(name: str, event: Event) -> Delivery:
    """What one event of a replay file is to the way of this name: ours reduces an order before it is queued."""
    if event["type"] == "redeem.requested":
        return Request(event["request_id"], event["customer_id"], event["points"])
    group = f"M#{event['customer_id']}" if event["customer_id"] else f"O#{event['order_id']}"
    body = json.dumps(event, separators=(",", ":"))
    return Message(_reduced(body, event) if name == OURS else body, group)


def _reduced(body: str, event: Event) -> str:
    now = parse_instant(event["occurred_at"]) + timedelta(seconds=1)
    signed = signed_request(body, now)
    return encode(receive("standard", signed["headers"], body.encode(), {"standard": (SECRET,)}, now))


def batches(deliveries: Sequence[Delivery], size: int) -> Iterator[Request | list[Message]]:
    """Messages in batches of at most ``size``, each request after what came before it."""
    batch: list[Message] = []
    for one in deliveries:
        if isinstance(one, Message):
            batch.append(one)
            if len(batch) < size:
                continue
        if batch:
            yield batch
            batch = []
        if isinstance(one, Request):
            yield one
    if batch:
        yield batch


@dataclass
class Played:
    """What came of a run: requests answered with yes, how tries failed, and deliveries given up after all tries."""

    done: dict[str, Request] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    given_up: int = 0


def play(taken: Way, deliveries: Sequence[Delivery], size: int) -> Played:
    """Hand everything over, in order; what fails comes again, as from a queue or a client that insists."""
    played = Played()
    for one in batches(deliveries, size):
        if isinstance(one, Request):
            _ask(taken, one, played)
        else:
            _hand_over(taken, one, played)
    return played


def _hand_over(taken: Way, batch: list[Message], played: Played) -> None:
    left = batch
    for _ in range(DELIVERIES_MAX):
        records = []
        for at, message in enumerate(left):
            record = queue_record(message.body, message.group, at)
            records.append(record)
        failed = {
            item["itemIdentifier"] for item in taken.earn({"Records": records}, LambdaContext())["batchItemFailures"]
        }
        left = [message for message, record in zip(left, records, strict=True) if record["messageId"] in failed]
        if not left:
            return
        played.failures["message came again"] += len(left)
    played.given_up += len(left)


def _ask(taken: Way, request: Request, played: Played) -> None:
    event = request.event()
    for _ in range(DELIVERIES_MAX):
        told = ask(taken, event)
        if told == "done":
            played.done[request.id] = request
        if told in ("done", "INSUFFICIENT_POINTS", "INVALID_REQUEST"):
            return
        played.failures[told] += 1
    played.given_up += 1


def ask(taken: Way, event: Event) -> str:
    """Ask for points once: ``done``, or the code of the refusal or failure."""
    try:
        answer = taken.redeem(event, LambdaContext())
    except Exception as failure:  # noqa: BLE001 - Lambda would answer 500; what it was is what is counted
        return type(failure).__name__
    if answer["statusCode"] == CREATED:
        return "done"
    return str(json.loads(answer["body"]).get("code", answer["statusCode"]))


# Under callgrind -----------------------------------------------------------------------------------------------------


def main() -> None:
    """Play a file of events against an engine, with marks around its second half; see :mod:`bench.valgrind`."""
    name, size, url, table, file = sys.argv[1:]
    engine = Engine("endpoint", url)
    events = json.loads(Path(file).read_text(encoding="utf-8"))
    deliveries = [delivery(name, event) for event in events]
    taken, half = way(name, engine, table), len(deliveries) // 2
    play(taken, deliveries[:half], int(size))
    os.getppid()
    play(taken, deliveries[half:], int(size))
    os.getppid()


if __name__ == "__main__":
    main()
