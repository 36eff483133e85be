"""A deployment inside one process: the template's table and the queues in moto, the real adapters, the real handlers.

    Shop ──signed──> webhook ──FIFO queue──> earn ──> table <── redeem, account <──token── member, shop

Nothing here writes to the table: what a test finds there came through a handler. The clock stands where a test puts it.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import boto3
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import sqs_backends

from functions.account import app as account_app
from functions.admin import app as admin_app
from functions.catalog import app as catalog_app
from functions.deliver import app as deliver_app
from functions.earn import app as earn_app
from functions.engage import app as engage_app
from functions.expire import app as expire_app
from functions.hooks import app as hooks_app
from functions.operate import app as operate_app
from functions.outreach import app as outreach_app
from functions.play import app as play_app
from functions.publish import app as publish_app
from functions.redeem import app as redeem_app
from functions.remind import app as remind_app
from functions.settle import app as settle_app
from functions.webhook import app as webhook_app
from jifen.domain.program import parse_program
from jifen.runtime import Runtime, Settings
from jifen.service.ports import Notifier, OrderQueue
from jifen.store.dynamo import DynamoLedger
from local.replay import api_request
from local.template import table_definition
from tests.functions import contract

REGION = "eu-west-2"
NOW = datetime(2011, 1, 10, 9, 0, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"a secret of the tests, 32 bytes.").decode()
SHARDS = 16

MEMBER, SHOP, OPERATOR, ADMIN = "points/member", "points/shop", "points/operator", "points/admin"

APPS: Mapping[str, ModuleType] = {
    "account": account_app,
    "admin": admin_app,
    "catalog": catalog_app,
    "deliver": deliver_app,
    "earn": earn_app,
    "engage": engage_app,
    "expire": expire_app,
    "hooks": hooks_app,
    "operate": operate_app,
    "outreach": outreach_app,
    "play": play_app,
    "publish": publish_app,
    "redeem": redeem_app,
    "remind": remind_app,
    "settle": settle_app,
    "webhook": webhook_app,
}

PROGRAM: Mapping[str, Any] = {"time_zone": "Europe/London", "currency": "GBP"}


@dataclass(frozen=True, slots=True)
class Context:
    """A Lambda context with so much time left."""

    remaining_ms: int = 900_000
    aws_request_id: str = "52fdfc07-2182-154f-163f-5f0f9a621d72"
    function_name: str = "test"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-2:123456789012:function:test"

    def get_remaining_time_in_millis(self) -> int:
        """What is left."""
        return self.remaining_ms


@dataclass(frozen=True, slots=True)
class Answer:
    """An API Gateway answer, taken apart; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Answer:
        """The parts of what a handler returned."""
        headers: dict[str, str] = {}
        for name, value in {**raw.get("multiValueHeaders", {}), **raw["headers"]}.items():
            headers[name.lower()] = value if isinstance(value, str) else ",".join(value)
        assert raw["isBase64Encoded"] is False
        return cls(raw["statusCode"], headers, json.loads(raw["body"]))

    @property
    def code(self) -> Any:
        """The code of a problem document."""
        return self.body.get("code")


@dataclass
class Stage:
    """One program on a table and queues of its own; everything a test does goes through ``call``."""

    name: str
    program: Mapping[str, Any] = field(default_factory=lambda: PROGRAM)
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"standard": (SECRET,)})
    event_bus: str = ""
    email_from: str = ""
    public_url: str = ""
    shards: int = SHARDS
    notifiers: Sequence[Notifier] | None = None
    orders: OrderQueue | None = None
    now: datetime = NOW
    counted: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sqs = boto3.client("sqs", REGION)
        self.dynamodb = boto3.client("dynamodb", REGION)
        self.dynamodb.create_table(TableName=self.name, **table_definition())
        self.orders_url = self.sqs.create_queue(
            QueueName=f"{self.name}-orders.fifo", Attributes={"FifoQueue": "true", "DeduplicationScope": "messageGroup"}
        )["QueueUrl"]
        self.sweep_url = self.sqs.create_queue(QueueName=f"{self.name}-sweep")["QueueUrl"]
        self.settings = Settings(
            table=self.name,
            region=REGION,
            program=parse_program(dict(self.program)),
            shards=self.shards,
            secrets=self.secrets,
            signing_secret="a signing secret of the tests, long enough",
            orders_queue_url=self.orders_url,
            sweep_queue_url=self.sweep_url,
            event_bus=self.event_bus,
            email_from=self.email_from,
            public_url=self.public_url,
        )
        self.runtime = Runtime(
            self.settings, clock=lambda: self.now, count=self._count, notifiers=self.notifiers, orders=self.orders
        )

    def _count(self, numbers: Mapping[str, int]) -> None:
        for name, value in numbers.items():
            self.counted[name] = self.counted.get(name, 0) + value

    def call(self, function: str, event: Mapping[str, Any], context: object | None = None) -> dict[str, Any]:
        """Invoke a function's handler."""
        answer: dict[str, Any] = APPS[function].handler(event, context or Context())
        return answer

    def move_to(self, instant: datetime | str) -> None:
        """Put the clock there."""
        self.now = datetime.fromisoformat(instant) if isinstance(instant, str) else instant

    # Orders

    def deliver(self, body: Mapping[str, Any] | str | bytes, **changes: Any) -> Answer:
        """Send one signed delivery to the webhook function; see :func:`delivery` for ``changes``."""
        event = delivery(body, changes.pop("now", self.now), **changes)
        answer = Answer.of(self.call("webhook", event))
        contract.check("POST", event["rawPath"], answer.status, answer.headers, answer.body)
        return answer

    def queued(self) -> list[dict[str, Any]]:
        """Take every message off the orders queue, as records of Lambda's event source."""
        return self._received(self.orders_url)

    def tasks(self) -> list[dict[str, Any]]:
        """Take every message off the sweep queue."""
        return self._received(self.sweep_url)

    def _received(self, url: str) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        while True:
            answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])
            if not answer.get("Messages"):
                return records
            for message in answer["Messages"]:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                records.append(
                    {
                        "messageId": message["MessageId"],
                        "receiptHandle": message["ReceiptHandle"],
                        "body": message["Body"],
                        "attributes": message["Attributes"],
                        "eventSource": "aws:sqs",
                    }
                )

    def records(self, *events: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Deliver events and take their messages, in the same order; each is due to be accepted."""
        records: list[dict[str, Any]] = []
        for event in events:
            answer = self.deliver(event)
            assert (answer.status, answer.body) == (202, {}), answer
            records += self.queued() or records[-1:]  # the queue drops a true copy; Lambda may still see it twice
        return records

    def earn(self, *events: Mapping[str, Any]) -> dict[str, Any]:
        """Deliver events and have the whole batch earned."""
        return self.call("earn", {"Records": self.records(*events)})

    # The API

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        subject: str = "shop-server",
        scopes: str = SHOP,
        key: str | None = None,
        query: Mapping[str, str] | None = None,
        context: object | None = None,
    ) -> Answer:
        """Call the API, as the shop's server unless said."""
        function = _function_of(method, path)
        event = api_request(method, path, body, subject, scopes, key=key, query=query)
        answer = Answer.of(self.call(function, event, context))
        contract.check(method, path, answer.status, answer.headers, answer.body)
        return answer

    def get(self, path: str, **query: str) -> Any:
        """Ask as the shop; the body of a 200."""
        answer = self.ask("GET", path, query={name.rstrip("_"): value for name, value in query.items()})
        assert answer.status == 200, answer
        return answer.body

    def member(self, member: str) -> dict[str, Any]:
        """The member object."""
        found: dict[str, Any] = self.get(f"/v1/members/{member}")
        return found

    def entries(self, member: str) -> list[dict[str, Any]]:
        """The newest hundred entries, oldest first."""
        found: list[dict[str, Any]] = self.get(f"/v1/members/{member}/entries", limit="100")["entries"]
        return found[::-1]

    def proved(self, member: str) -> bool:
        """Whether every equation of the member's proof holds."""
        return bool(self.get(f"/v1/members/{member}/proof")["valid"])

    def redeem(self, member: str, points: int, key: str, **more: Any) -> Answer:
        """Spend points, as the shop."""
        return self.ask("POST", f"/v1/members/{member}/redemptions", {"points": points, **more}, key=key)

    def hold(self, member: str, points: int, key: str, **more: Any) -> Answer:
        """Reserve points, as the shop."""
        return self.ask("POST", f"/v1/members/{member}/holds", {"points": points, **more}, key=key)

    # What is there

    def table(self) -> list[str]:
        """Every item of the table besides what sweeps keep of their own progress, in a form that can be compared.

        It is read where moto keeps it, which is quick.
        """
        kept = dynamodb_backends[ACCOUNT][REGION].tables[self.name].items
        shown = {pk: rows for pk, rows in kept.items() if "SWEEP#" not in str(pk)}
        return sorted(f"{pk} {sk} {item.attrs}" for pk, rows in shown.items() for sk, item in rows.items())

    def clear(self) -> None:
        """Begin again: nothing in the table, nothing queued or counted, the clock at its beginning.

        moto copies every item of a table for each transaction, so a small table is a quick one.
        """
        dynamodb_backends[ACCOUNT][REGION].tables[self.name].items.clear()
        for queue in ("orders.fifo", "sweep"):
            sqs_backends[ACCOUNT][REGION].queues[f"{self.name}-{queue}"]._messages.clear()
        self.counted.clear()
        self.now = NOW
        self._forget()

    def remember(self) -> Any:
        """What the table holds, for :meth:`go_back`: a history made once through the handlers serves many tests."""
        return copy.deepcopy(dynamodb_backends[ACCOUNT][REGION].tables[self.name].items), self.now

    def go_back(self, remembered: Any) -> None:
        """Put the table and the clock back; nothing queued or counted."""
        self.clear()
        items, self.now = remembered
        dynamodb_backends[ACCOUNT][REGION].tables[self.name].items.update(copy.deepcopy(items))
        self._forget()

    def _forget(self) -> None:
        """The process knows nothing of what another table held."""
        self.runtime.in_force.forget()
        self.runtime.showcase.forget()
        if isinstance(self.runtime.ledger, DynamoLedger):
            self.runtime.ledger._rules.clear()

    def waiting(self) -> int:
        """How many messages the orders queue holds."""
        return len(sqs_backends[ACCOUNT][REGION].queues[f"{self.name}-orders.fifo"]._messages)


def _function_of(method: str, path: str) -> str:
    """The function that a call of the API reaches; for a path that is nobody's, one that says so."""
    for name, app in APPS.items():
        routes = app.api.routes if hasattr(app, "api") else ()
        if any(route.method == method.lower() and route.pattern.fullmatch(path) for route in routes):
            return name
    return "account" if method in {"GET", "PUT"} else "redeem"


# Deliveries ----------------------------------------------------------------------------------------------------------


def raw_bytes(body: Mapping[str, Any] | str | bytes) -> bytes:
    """A body as it goes over the wire."""
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)).encode()


def signature(raw: bytes, message_id: str, stamp: str, secret: str = SECRET) -> str:
    """``v1,<base64>`` over id, time and body, by the letter of Standard Webhooks."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message_id}.{stamp}.".encode() + raw, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(mac).decode()}"


def delivery(
    body: Mapping[str, Any] | str | bytes,
    now: datetime = NOW,
    *,
    headers: Mapping[str, str | None] | None = None,
    secret: str = SECRET,
    source: str = "standard",
    as_base64: bool = False,
) -> dict[str, Any]:
    """A signed delivery in an HTTP API event. ``headers`` replaces some of it afterwards; None takes one away."""
    raw = raw_bytes(body)
    message_id, stamp = f"msg_{hashlib.sha256(raw).hexdigest()[:24]}", str(int(now.timestamp()))
    signed = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": signature(raw, message_id, stamp, secret),
    }
    sent = {name: value for name, value in {**signed, **(headers or {})}.items() if value is not None}
    event = api_request("POST", f"/webhooks/{source}", None, "", "")
    del event["requestContext"]["authorizer"]
    text = base64.b64encode(raw).decode() if as_base64 else raw.decode("utf-8")
    return event | {
        "headers": sent,
        "body": text,
        "isBase64Encoded": as_base64,
        "pathParameters": {"source": source},
    }


def instant(days: float = 0) -> str:
    """An instant so many days after ``NOW``, as text."""
    return (NOW + timedelta(days=days)).isoformat()


def line(minor: int, number: int = 1, **more: Any) -> dict[str, Any]:
    """One piece of goods for ``minor``."""
    return {"n": number, "sku": f"sku-{number}", "qty": 1, "unit_price_minor": minor, **more}


def paid(order_id: str, member: str | None, minor: int | Iterable[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """An order.paid of one line (or the lines given)."""
    lines = [line(minor)] if isinstance(minor, int) else list(minor)
    return {
        "type": "order.paid",
        "event_id": f"evt-{order_id}-{more.get('revision', 0)}",
        "order_id": order_id,
        "customer_id": member,
        "occurred_at": instant(),
        "currency": "GBP",
        "lines": lines,
        **more,
    }


def refunded(order_id: str | None, refund_id: str, member: str | None, minor: int, **more: Any) -> dict[str, Any]:
    """An order.refunded of one line."""
    return {
        "type": "order.refunded",
        "event_id": f"evt-{refund_id}",
        "order_id": order_id,
        "refund_id": refund_id,
        "customer_id": member,
        "occurred_at": instant(),
        "currency": "GBP",
        "lines": [{"sku": "sku-1", "qty": 1, "unit_price_minor": minor, "orig_line": 1}],
        "total_minor": minor,
        **more,
    }


def cancelled(order_id: str, member: str | None, **more: Any) -> dict[str, Any]:
    """An order.cancelled."""
    return {
        "type": "order.cancelled",
        "event_id": f"evt-{order_id}-cancel",
        "order_id": order_id,
        "customer_id": member,
        "occurred_at": instant(),
        **more,
    }
