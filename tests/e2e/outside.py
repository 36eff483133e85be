"""The deployed stack as shops, members and operators see it: over HTTP, with signatures and tokens of their own.

Every answer is held against the OpenAPI document as it comes in.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from local import aws
from local.aws.sam import STACK
from local.aws.web import ask
from tests.functions import contract

PROGRAM: Mapping[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "CNY",
    "earning": {"rules": [{"id": "base", "on": "order.paid", "rate": {"points": 1, "per_minor": 100}}]},
    "expiry": {"policy": "days", "days": 30},
    "reminders": {"lead_days": [30, 7, 3]},
}
"""A yuan is a point, and points live for thirty days: a day is then easily found on which some lapse."""

RICH = "m-rich"
"""A member whom the fuzzer may spend the points of."""

_FOLDER = Path(__file__).parents[2] / "local" / "samples"
SAMPLES = sorted(path for path in _FOLDER.glob("*.json") if path.stem != "program")
"""An order of each kind of shop."""

SAMPLE_PROGRAM: Mapping[str, Any] = json.loads((_FOLDER / "program.json").read_text(encoding="utf-8"))
"""The program that the documentation shows."""

TIMEOUT_S = 120.0
"""Far above the function's own limit: a local AWS starts a process for each of many calls at once, on a few cores."""

WAIT_S = 90.0
"""A message goes through queue and function in a second or two; a cold function on a busy machine takes longer."""

GO_BY_THE_PROGRAM = ("Earn", "Engage", "Redeem", "Catalog", "Play", "Settle", "Expire", "Remind", "Outreach")
"""Functions of the template that go by the program in force, which they look up twice a minute."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer over HTTP; header names in lower case, `body` is its JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> Any:
        """The code of a problem document; None in what API Gateway says by itself."""
        return self.body.get("code")


@dataclass
class Outside:
    """Everybody outside of one deployed stack; tokens are fetched when they are first needed, and kept."""

    stack: aws.Stack
    _tokens: dict[str, str] = field(default_factory=dict)

    def machine(self, name: str = "shop") -> str:
        """The token of `shop`, `operator` or `admin`."""
        return self._kept(f"machine {name}", lambda: aws.token(self.stack, machine=name))

    def member(self, member: str) -> str:
        """The token of a member, got by signing in."""
        return self._kept(f"member {member}", lambda: aws.token(self.stack, member=member))

    def _kept(self, name: str, get: Callable[[], str]) -> str:
        if name not in self._tokens:
            self._tokens[name] = get()
        return self._tokens[name]

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None,
        key: str | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Call the API with a bearer token, or with none."""
        sent = dict(headers or {})
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        if key is not None:
            sent["idempotency-key"] = key
        raw = None
        if body is not None:
            sent["content-type"] = "application/json"
            raw = json.dumps(body).encode()
        return self.send(method, path, sent, raw, query)

    def send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        raw: bytes | None,
        query: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send exactly these bytes, and check the answer."""
        target = f"{path}?{urlencode(query)}" if query else path
        answer = ask(method, f"{self.stack.api}{target}", headers, raw, TIMEOUT_S)
        reply = Reply(answer.status, answer.headers, json.loads(answer.body))
        check(method, path, reply)
        return reply

    # Orders

    def deliver(self, source: str, body: Mapping[str, Any] | bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """Send one delivery of `source`, signed with the stack's secret of it."""
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        signed = signature_headers(source, raw, self.stack.webhook_secrets[source])
        return self.send(
            "POST", f"/webhooks/{source}", {"content-type": "application/json", **signed, **(headers or {})}, raw
        )

    def pay(self, member: str, order_id: str, points: int, *, days_ago: float = 0) -> None:
        """Have the shop deliver an order that is worth so many points, and see it accepted."""
        reply = self.deliver("standard", order(member, order_id, points, days_ago=days_ago))
        assert (202, {}) == (reply.status, reply.body)

    def give(self, member: str, points: int, *, days_ago: float = 0) -> None:
        """Give a member, who has nothing yet, so many points by an order; returns when they can be spent."""
        self.pay(member, f"order-of-{member}", points, days_ago=days_ago)
        self.wait_for_balance(member, points)

    # What is deployed

    def resource(self, name: str) -> str:
        """The physical id of a resource of the template."""
        formation = self.stack.client("cloudformation")
        answer = formation.describe_stack_resource(StackName=STACK, LogicalResourceId=name)
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    def waiting(self, queue: str) -> int:
        """How many messages a queue of the template holds, at work or not."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        sqs = self.stack.client("sqs")
        found = sqs.get_queue_attributes(QueueUrl=self.resource(queue), AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def invoke(self, function: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """What a function that is started by hand answers to an event."""
        answer = self.stack.client("lambda").invoke(
            FunctionName=self.stack.outputs[f"{function}Function"], Payload=json.dumps(payload).encode()
        )
        found: dict[str, Any] = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, found
        return found

    @contextmanager
    def notices_to(self, member: str) -> Iterator[Callable[[], list[dict[str, Any]]]]:
        """Take every notice to one member off the event bus, as a shop's own rule would; gives what reads them."""
        sqs, events = self.stack.client("sqs"), self.stack.client("events")
        name = f"notices-{member}"
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        pattern = {"source": ["jifen"], "detail": {"member_id": [member]}}
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])

        def received() -> list[dict[str, Any]]:
            answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
            return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

        try:
            yield received
        finally:
            events.remove_targets(Rule=name, Ids=["queue"])
            events.delete_rule(Name=name)
            sqs.delete_queue(QueueUrl=url)

    def look_at_the_program_every_time(self) -> None:
        """Have what gives and takes points look up the program in force with each call, so that no test has to wait."""
        functions = self.stack.client("lambda")
        for name in GO_BY_THE_PROGRAM:
            function = self.resource(name)
            kept = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
            functions.update_function_configuration(
                FunctionName=function, Environment={"Variables": {**kept, "JIFEN_PROGRAM_TTL_S": "0"}}
            )

    # Operators

    def operate(
        self, method: str, path: str, body: Any = None, *, who: str = "operator", key: str | None = None, **query: str
    ) -> Reply:
        """Call as an operator or as `admin`, with a key of its own unless one is given."""
        used = (key or uuid.uuid4().hex) if method == "POST" else None
        return self.call(method, path, body, token=self.machine(who), key=used, query=query)

    def roll_back(self, number: int = 0) -> None:
        """Put an earlier version of the program in force; 0 is the stack's own."""
        reply = self.operate("POST", f"/v1/rulesets/{number}/roll-back", {"reason": "a test is over"}, who="admin")
        assert reply.status in {200, 409}, reply

    # The API, as the shop

    def account(self, member: str) -> dict[str, Any]:
        """The member object."""
        return self._found(f"/v1/members/{quote(member, safe='')}")

    def entries(self, member: str) -> list[dict[str, Any]]:
        """The newest hundred entries, oldest first."""
        rows: list[dict[str, Any]] = self._found(f"/v1/members/{quote(member, safe='')}/entries", limit="100")[
            "entries"
        ]
        return rows[::-1]

    def is_proved(self, member: str) -> bool:
        """Whether every equation of the member's proof holds."""
        return bool(self._found(f"/v1/members/{quote(member, safe='')}/proof")["valid"])

    def _found(self, path: str, **query: str) -> dict[str, Any]:
        reply = self.call("GET", path, token=self.machine(), query=query)
        assert 200 == reply.status, reply
        found: dict[str, Any] = reply.body
        return found

    def say(self, event: Mapping[str, Any]) -> Reply:
        """Say what a member did, as the shop; see :func:`happened`."""
        return self.call("POST", "/v1/events", event, token=self.machine(), key=event["event_id"])

    def redeem(self, member: str, points: int, key: str, **more: Any) -> Reply:
        """Spend points, as the shop."""
        body = {"points": points, **more}
        return self.call("POST", f"/v1/members/{member}/redemptions", body, token=self.machine(), key=key)

    def wait_for_balance(self, member: str, points: int) -> None:
        """Wait until the member has so many points to spend."""
        until(lambda: self.account(member)["available"], lambda available: available == points)


def check(method: str, path: str, reply: Reply) -> None:
    """Hold an answer against the document; what API Gateway says by itself is not ours to give a request id."""
    is_gateways = set(reply.body) == {"message"} and reply.status >= 400
    headers = {"x-request-id": "none", **reply.headers} if is_gateways else reply.headers
    contract.check(method, path, reply.status, headers, reply.body)


def until(read: Callable[[], T], is_so: Callable[[T], bool], seconds: float = WAIT_S) -> T:
    """Read again and again until what is read is so; gives it, or fails with what was read last."""
    end = time.monotonic() + seconds
    while not is_so(found := read()):
        assert time.monotonic() < end, f"still {found!r} after {seconds:.0f} s"
        time.sleep(0.2)
    return found


def order(member: str | None, order_id: str, points: int, *, days_ago: float = 0) -> dict[str, Any]:
    """A paid order of the standard source that is worth so many points."""
    return {
        "type": "order.paid",
        "event_id": f"paid-{order_id}",
        "order_id": order_id,
        "customer_id": member,
        "occurred_at": (datetime.now(UTC) - timedelta(days=days_ago)).isoformat(),
        "currency": "CNY",
        "lines": [{"n": 1, "sku": "TEA", "qty": points, "unit_price_minor": 100}],
        "total_minor": points * 100,
    }


def happened(kind: str, member: str, event_id: str, **data: Any) -> dict[str, Any]:
    """What a member did just now."""
    now = datetime.now(UTC).isoformat()
    return {"type": kind, "event_id": event_id, "member_id": member, "occurred_at": now, "data": data}


def signature_headers(source: str, raw: bytes, secret: str, at: float | None = None) -> dict[str, str]:
    """What a shop of this platform sends to prove that it is the sender, by the letter of the platform's own guide.

    `at` is the time of signing in seconds of the epoch, now unless said; only the standard source signs one.
    """
    if source == "standard":
        message_id, stamp = f"msg_{hashlib.sha256(raw).hexdigest()[:24]}", str(int(at or time.time()))
        signed = hmac.new(
            base64.b64decode(secret.removeprefix("whsec_")), f"{message_id}.{stamp}.".encode() + raw, hashlib.sha256
        )
        return {
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,{base64.b64encode(signed.digest()).decode()}",
        }
    signature = base64.b64encode(hmac.new(secret.encode(), raw, hashlib.sha256).digest()).decode()
    return {{"shopify": "x-shopify-hmac-sha256", "woocommerce": "x-wc-webhook-signature"}[source]: signature}
