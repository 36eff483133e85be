"""Records, on a real engine, what each operation asks of DynamoDB and is told: the tape that ``bench.warm_play`` plays.

``python -m bench.warm_record FILE`` writes, for each operation, the function it goes to, its event as AWS delivers it,
the instant, every answer of the engine, and what the handler answered. Each operation has a table of its own, with
members who have a year of orders behind them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bench.budgets import BATCH
from bench.operations import NOW, a_year, order_paid
from bench.warm_play import PROGRAM, SECRET, TABLE, Context, Stubs, handler, new_runtime
from jifen.adapters.queues import encode, encode_task
from jifen.domain.program import parse_program
from jifen.runtime import use
from jifen.service.ports import ShardTask, Sweep
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine, create_table, open_engine
from local.replay import api_request, queue_record, signed_request
from local.template import table_definition

MEMBER = "17850"
DUE = 5
"""Accounts in the shard that is swept; the count is divided by it."""

AFTER_THE_MONTH = datetime(2011, 12, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Step:
    """One event for one function, at an instant."""

    handler: str
    event: Mapping[str, Any]
    now: datetime = NOW


@dataclass(frozen=True, slots=True)
class Operation:
    """What is counted. ``before`` is done first; the count of ``step`` is shared out over ``of`` accounts."""

    name: str
    step: Step
    before: Sequence[Step] = ()
    members: Sequence[str] = (MEMBER,)
    of: int = 1


def _orders(count: int) -> Step:
    bodies = [encode([order_paid(f"{MEMBER}-new-{number}", MEMBER)]) for number in range(count)]
    return Step("earn", {"Records": [queue_record(body, f"M#{MEMBER}", index) for index, body in enumerate(bodies)]})


def _spending(route: str, parameters: Mapping[str, str], body: Mapping[str, Any], key: str) -> Step:
    path = route.format(**{name: quote(value, safe="") for name, value in parameters.items()})
    event = api_request("POST", path, body, "shop", "points/shop", key=key)
    return Step("redeem", event | {"routeKey": f"POST {route}", "pathParameters": dict(parameters)})


def _redeem(key: str) -> Step:
    return _spending("/v1/members/{member_id}/redemptions", {"member_id": MEMBER}, {"points": 50}, key)


_HOLD = _spending("/v1/members/{member_id}/holds", {"member_id": MEMBER}, {"points": 50}, "h1")


def _balance() -> Step:
    route = "/v1/members/{member_id}"
    event = api_request("GET", route.format(member_id=MEMBER), None, MEMBER, "points/member")
    return Step("account", event | {"routeKey": f"GET {route}", "pathParameters": {"member_id": MEMBER}})


def _webhook() -> Step:
    paid = order_paid("536365", MEMBER).paid
    assert paid is not None, "it is paid"
    lines = [
        {"n": line.number, "sku": line.sku, "qty": 1, "unit_price_minor": line.amount_minor} for line in paid.lines
    ]
    body = {
        "type": "order.paid",
        "event_id": "olr-536365-paid",
        "order_id": "536365",
        "customer_id": MEMBER,
        "occurred_at": NOW.isoformat(),
        "currency": "GBP",
        "lines": lines,
        "total_minor": sum(line.amount_minor for line in paid.lines),
    }
    event = signed_request(json.dumps(body, separators=(",", ":")), NOW, secret=SECRET)
    return Step("webhook", event | {"routeKey": "POST /webhooks/{source}"})


def _sweep(sweep: Sweep, now: datetime) -> Step:
    body = encode_task(ShardTask(sweep, now, 0))
    return Step(str(sweep), {"Records": [{"messageId": "1", "body": body}]}, now)


def operations(id_of: Callable[[Step, str], str]) -> list[Operation]:
    """What is measured. ``id_of`` says under which id (named by a field) a step was answered, once it was done."""
    redeemed, held = id_of(_redeem("r1"), "redemption_id"), id_of(_HOLD, "hold_id")
    due = [f"1{7850 + number}" for number in range(DUE)]
    restore = _spending("/v1/redemptions/{redemption_id}/restore", {"redemption_id": redeemed}, {}, "r2")
    capture = _spending("/v1/holds/{hold_id}/capture", {"hold_id": held}, {}, "h2")
    return [
        Operation("order paid", _orders(1)),
        Operation(f"{BATCH} orders of one member", _orders(BATCH)),
        Operation("order event again", _orders(1), [_orders(1)]),
        Operation("redeem", _redeem("r1")),
        Operation("redeem again", _redeem("r1"), [_redeem("r1")]),
        Operation("hold", _HOLD),
        Operation("capture", capture, [_HOLD]),
        Operation("restore", restore, [_redeem("r1")]),
        Operation("expire one account", _sweep(Sweep.EXPIRE, AFTER_THE_MONTH), members=due, of=DUE),
        Operation("remind one account", _sweep(Sweep.REMIND, NOW), members=due, of=DUE),
        Operation("balance", _balance()),
        Operation("webhook accepted", _webhook(), members=()),
    ]


class _Scene:
    """The handlers on an engine; ``exchanges`` of the last step."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._client = engine, engine.client()
        self._now = NOW
        self._runtime = new_runtime(Stubs(), NOW, engine.url)
        self._runtime.clock = lambda: self._now
        ledger = self._runtime.ledger
        assert isinstance(ledger, DynamoLedger)
        self._ledger = ledger
        self.exchanges: list[dict[str, Any]] = []
        ledger.client.meta.events.register("response-received.dynamodb", self._on_answer)

    def begin(self, members: Sequence[str]) -> None:
        """An empty table, and then a year of orders of each member."""
        if TABLE in self._client.list_tables()["TableNames"]:
            self._client.delete_table(TableName=TABLE)
        create_table(self._engine, table_definition(), TABLE)
        for member in members:
            a_year(self._ledger, member)

    def _on_answer(self, response_dict: Mapping[str, Any], **_: Any) -> None:
        headers = {str(name).lower(): str(value) for name, value in response_dict["headers"].items()}
        kept = {name: value for name, value in headers.items() if name in ("content-type", "x-amzn-requestid")}
        body = response_dict["body"].decode()
        self.exchanges.append({"status": response_dict["status_code"], "headers": kept, "body": body})

    def do(self, step: Step) -> dict[str, Any]:
        """What the handler answers."""
        self._now, self.exchanges = step.now, []
        with use(self._runtime):
            answer: dict[str, Any] = handler(step.handler)(step.event, Context())
        return answer


def record(engine: Engine) -> dict[str, Any]:
    """Every operation with what it is told; see the module."""
    scene = _Scene(engine)
    scene.begin([MEMBER])

    def id_of(step: Step, field: str) -> str:
        return str(json.loads(scene.do(step)["body"])[field])

    recorded: dict[str, Any] = {}
    for operation in operations(id_of):
        scene.begin(operation.members)
        for before in operation.before:
            scene.do(before)
        step = operation.step
        answer = scene.do(step)
        recorded[operation.name] = {
            "handler": step.handler,
            "event": step.event,
            "now": step.now.isoformat(),
            "of": operation.of,
            "exchanges": list(scene.exchanges),
            "answer": answer,
        }
    return recorded


def main() -> None:
    """Record everything into the file that is named."""
    assert parse_program(PROGRAM), "the members' year is earned under the program that is played"
    with open_engine("auto", say=lambda _line: None) as engine:
        recorded = record(engine)
    Path(sys.argv[1]).write_text(json.dumps(recorded), encoding="utf-8")


if __name__ == "__main__":
    main()
