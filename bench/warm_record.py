"""Records, on a real engine, what each operation asks of DynamoDB and is told: the tape that ``bench.warm_play`` plays.

``python -m bench.warm_record FILE`` writes, for each operation, the function it goes to, its event as AWS delivers it,
the instant, every answer of the engine, and what the handler answered; before them the answers by which a process
learns what it knows when it is warm. Each operation has a table of its own, with members who have a year of orders
behind them, and a process of its own.
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

from bench import rule_sets
from bench.budgets import BATCH
from bench.operations import NOW, a_year, order_paid, refunded
from bench.warm_play import PROGRAM, SECRET, TABLE, Context, Stubs, handler, learn, new_runtime
from jifen.adapters.queues import encode, encode_task
from jifen.domain.orders import Line, OrderEvent
from jifen.domain.program import parse_program
from jifen.domain.ruling import rules_fingerprint
from jifen.runtime import Runtime, use
from jifen.service.ports import ShardTask, Sweep
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine, create_table, open_engine
from local.replay import api_request, queue_record, signed_request
from local.template import table_definition

MEMBER = "17850"
DUE = 5
"""Accounts in the shard that is swept; the count is divided by it."""

REFUSED = 400
"""From this status on an answer is none that is counted."""

AFTER_THE_MONTH = datetime(2011, 12, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Step:
    """One event for one function, at an instant."""

    handler: str
    event: Mapping[str, Any]
    now: datetime = NOW


@dataclass(frozen=True, slots=True)
class Shop:
    """The program that is published first of all (None: the stack's own stays in force), and the lines of orders."""

    program: Mapping[str, Any] | None = None
    lines: tuple[Line, ...] = ()


BARE = Shop()
TWENTY = Shop(rule_sets.TWENTY, rule_sets.mixed_lines())
FESTIVAL = Shop(rule_sets.FESTIVAL, rule_sets.mixed_lines())
DEEDS = Shop(rule_sets.DEEDS)


@dataclass(frozen=True, slots=True)
class Operation:
    """What is counted. ``before`` is done first; the count of ``step`` is shared out over ``of`` accounts.

    The process knows the rules of the program files in ``met`` besides those in force.
    """

    name: str
    step: Step
    before: Sequence[Step] = ()
    members: Sequence[str] = (MEMBER,)
    of: int = 1
    shop: Shop = BARE
    met: Sequence[Mapping[str, Any]] = ()


def _orders(count: int, lines: tuple[Line, ...] = ()) -> Step:
    return _posted([order_paid(f"{MEMBER}-new-{number}", MEMBER, rows=lines) for number in range(count)])


def _posted(events: Sequence[OrderEvent]) -> Step:
    bodies = [encode([event]) for event in events]
    return Step("earn", {"Records": [queue_record(body, f"M#{MEMBER}", index) for index, body in enumerate(bodies)]})


def _asked(
    function: str,
    route: str,
    parameters: Mapping[str, str],
    body: Mapping[str, Any],
    key: str,
    scope: str = "points/shop",
) -> Step:
    method, _, template = route.partition(" ")
    path = template.format(**{name: quote(value, safe="") for name, value in parameters.items()})
    event = api_request(method, path, body, "shop", scope, key=key)
    return Step(function, event | {"routeKey": route, "pathParameters": dict(parameters)})


def _spending(route: str, parameters: Mapping[str, str], body: Mapping[str, Any], key: str) -> Step:
    return _asked("redeem", f"POST {route}", parameters, body, key)


def _visit() -> Step:
    body = {
        "type": "page.browsed",
        "event_id": "visit-1",
        "member_id": MEMBER,
        "occurred_at": NOW.isoformat(),
        "data": {"page": "spring", "seconds": 40},
    }
    return _asked("engage", "POST /v1/events", {}, body, "visit-1")


def _check_in() -> Step:
    return _asked("engage", "POST /v1/members/{member_id}/check-ins", {"member_id": MEMBER}, {}, "today")


def _draft(program: Mapping[str, Any]) -> Step:
    return _asked("admin", "POST /v1/rulesets", {}, program, "draft", "points/operator")


def _publish(number: int) -> Step:
    parameters = {"ruleset_id": str(number)}
    return _asked(
        "admin", "POST /v1/rulesets/{ruleset_id}/publish", parameters, {"reason": "spring"}, "publish", "points/admin"
    )


def _in_force(program: Mapping[str, Any]) -> Step:
    return _asked("admin", "PUT /v1/program", {}, program, "", "points/admin")


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
        *_under_rules(),
    ]


def _under_rules() -> list[Operation]:
    """What is measured of rules, campaigns and behaviour."""
    order = _orders(1, rule_sets.mixed_lines())
    refund = _posted([refunded(f"{MEMBER}-new-0", MEMBER)])
    since = [order, _in_force(rule_sets.FESTIVAL)]
    return [
        Operation("order paid, 20 rules", order, shop=TWENTY),
        Operation("refund, 20 rules", refund, [order], shop=TWENTY),
        Operation("order paid, 20 rules and a campaign", order, shop=FESTIVAL),
        Operation("refund, 20 rules and a campaign", refund, [order], shop=FESTIVAL),
        Operation("refund of an order of older rules", refund, since, shop=TWENTY, met=[rule_sets.TWENTY]),
        Operation("behaviour event", _visit(), shop=DEEDS),
        Operation("behaviour event again", _visit(), [_visit()], shop=DEEDS),
        Operation("check-in", _check_in(), shop=DEEDS),
        Operation("publish a program", _publish(1), [_draft(rule_sets.DEEDS)], members=()),
    ]


class _Scene:
    """The handlers on an engine; ``exchanges`` since they were last cleared."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._client = engine, engine.client()
        self._now = NOW
        self.exchanges: list[dict[str, Any]] = []
        self._runtime = self._process()

    def _process(self) -> Runtime:
        """A process that knows nothing yet."""
        runtime = new_runtime(Stubs(), NOW, self._engine.url)
        runtime.clock = lambda: self._now
        self._ledger(runtime).client.meta.events.register("response-received.dynamodb", self._on_answer)
        return runtime

    @staticmethod
    def _ledger(runtime: Runtime) -> DynamoLedger:
        ledger = runtime.ledger
        assert isinstance(ledger, DynamoLedger)
        return ledger

    def begin(self, operation: Operation) -> None:
        """An empty table, a program in force, and then a year of orders of each member."""
        if TABLE in self._client.list_tables()["TableNames"]:
            self._client.delete_table(TableName=TABLE)
        create_table(self._engine, table_definition(), TABLE)
        self._runtime = self._process()
        shop = operation.shop
        if shop.program is not None:
            self.do(_in_force(shop.program))
        for member in operation.members:
            a_year(self._ledger(self._runtime), member, self._runtime.program, shop.lines)

    def warm_up(self, fingerprints: Sequence[str]) -> list[dict[str, Any]]:
        """Go on in a new process that knows the program in force and these rules; what it was told."""
        self._runtime = self._process()
        self.exchanges = []
        learn(self._runtime, fingerprints)
        return self.exchanges

    def _on_answer(self, response_dict: Mapping[str, Any], **_: Any) -> None:
        headers = {str(name).lower(): str(value) for name, value in response_dict["headers"].items()}
        kept = {name: value for name, value in headers.items() if name in ("content-type", "x-amzn-requestid")}
        body = response_dict["body"].decode()
        self.exchanges.append({"status": response_dict["status_code"], "headers": kept, "body": body})

    def do(self, step: Step) -> dict[str, Any]:
        """What the handler answers; ``exchanges`` are those of this step.

        Raises:
            AssertionError: it refused.
        """
        self._now, self.exchanges = step.now, []
        with use(self._runtime):
            answer: dict[str, Any] = handler(step.handler)(step.event, Context())
        assert answer.get("statusCode", 200) < REFUSED, answer
        return answer


def record(engine: Engine) -> dict[str, Any]:
    """Every operation with what it is told; see the module."""
    scene = _Scene(engine)
    scene.begin(Operation("ids", _redeem("r1")))

    def id_of(step: Step, field: str) -> str:
        return str(json.loads(scene.do(step)["body"])[field])

    recorded: dict[str, Any] = {}
    for operation in operations(id_of):
        scene.begin(operation)
        for before in operation.before:
            scene.do(before)
        step = operation.step
        rules = [rules_fingerprint(parse_program(dict(program)).rules.source) for program in operation.met]
        known = scene.warm_up(rules)
        answer = scene.do(step)
        recorded[operation.name] = {
            "handler": step.handler,
            "event": step.event,
            "now": step.now.isoformat(),
            "of": operation.of,
            "known": known,
            "rules": rules,
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
