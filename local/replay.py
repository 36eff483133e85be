"""Replay of order files: every event through webhook verification, queue messages and the real handlers, in process.

    line ──sign──> webhook handler ──message──> earn handler        order.paid, order.refunded, order.cancelled
    line ──token─> redeem handler                                   redeem.requested
    line ────────> expire / remind handler ──task──> the same       sweep.expire, sweep.remind

The clock stands at the latest ``occurred_at`` seen so far. At the end every account is proved from its entries. Memory
does not grow with the file, only with the members and redemptions that the report names.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import importlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, cast

from jifen.adapters.queues import encode, encode_task
from jifen.domain.orders import OrderEvent
from jifen.domain.program import Program
from jifen.runtime import Runtime, Settings, use
from jifen.service.ports import Notice, ShardTask
from local.engines import Engine, create_table
from local.template import table_definition

SECRET = "whsec_" + base64.b64encode(b"jifen replay, this machine only!").decode()
SHARDS = 16
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class ReplayError(Exception):
    """The file cannot be replayed; the message says which line and why."""


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """As much of a Lambda context as handlers use."""

    aws_request_id: str = "replay"
    function_name: str = "replay"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:local:000000000000:function:replay"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """A quarter of an hour, always."""
        return 900_000


@dataclass
class _OrderQueue:
    """Keeps encoded messages until they are taken, as the FIFO queue would."""

    messages: list[tuple[str, str]] = field(default_factory=list)

    def send(self, event: OrderEvent) -> None:
        self.messages.append((f"M#{event.member}" if event.member else f"O#{event.order_id}", encode(event)))

    def take(self) -> list[tuple[str, str]]:
        taken, self.messages = self.messages, []
        return taken


@dataclass
class _SweepQueue:
    tasks: list[str] = field(default_factory=list)

    def send(self, tasks: Sequence[ShardTask]) -> None:
        self.tasks += [encode_task(task) for task in tasks]

    def take(self) -> list[str]:
        taken, self.tasks = self.tasks, []
        return taken


@dataclass
class _Reminders:
    """Collects what would be sent, one row a reminder."""

    channel: str = "event"
    rows: list[dict[str, Any]] = field(default_factory=list)

    def send(self, notice: Notice) -> None:
        reminder = notice.reminder
        self.rows.append(
            {
                "member_id": reminder.member,
                "lot_expires_on": reminder.lot_expires_on.isoformat(),
                "lead_days": reminder.lead_days,
                "points": reminder.points,
            }
        )


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The events of an NDJSON file, plain or gzipped, with their line numbers.

    Raises:
        ReplayError: the file cannot be read, or a line is no JSON object.
    """
    try:
        with cast("TextIO", gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open()) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, _event(line, number)
    except (OSError, EOFError, UnicodeDecodeError) as wrong:
        message = f"{path} cannot be read: {wrong}"
        raise ReplayError(message) from wrong


def _event(line: str, number: int) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError as wrong:
        message = f"line {number} is not JSON"
        raise ReplayError(message) from wrong
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        message = f"line {number} is no event"
        raise ReplayError(message)
    return event


class Replay:
    """One replay against one table. Use inside ``with replay.running():``."""

    def __init__(self, engine: Engine, program: Program, table: str) -> None:
        definition = table_definition()
        create_table(engine, definition, table)
        self.now = _BEGINNING
        self._orders, self._sweeps, self.reminders = _OrderQueue(), _SweepQueue(), _Reminders()
        settings = Settings(
            table=table,
            region=engine.region,
            program=program,
            shards=SHARDS,
            secrets={"standard": (SECRET,)},
            signing_secret="replay, this machine only; not a secret",  # noqa: S106 - signs cursors of this run
            endpoint=engine.url,
            credentials=(engine.credentials.access_key_id, engine.credentials.secret_access_key),
        )
        self.runtime = Runtime(
            settings,
            clock=lambda: self.now,
            orders=self._orders,
            sweeps=self._sweeps,
            notifiers=[self.reminders],
            count=lambda _numbers: None,
        )
        self._handlers = {name: _handler(name) for name in ("webhook", "earn", "redeem", "expire", "remind", "account")}
        self.counts: Counter[str] = Counter()
        self.members: set[str] = set()
        self.orders: set[str] = set()
        self.redemptions: dict[str, dict[str, Any]] = {}
        self.refused: list[dict[str, Any]] = []

    def running(self) -> Any:
        """Put this replay's runtime in place."""
        return use(self.runtime)

    # Events

    def play(self, number: int, event: Mapping[str, Any]) -> None:
        """Drive one line of the file.

        Raises:
            ReplayError: an unknown type, or an instant that cannot be read.
        """
        self._tick(number, event)
        kind = event["type"]
        self.counts["events"] += 1
        match kind:
            case "order.paid" | "order.refunded" | "order.cancelled":
                self._order(number, event)
            case "redeem.requested":
                self._redeem(event)
            case "sweep.expire" | "sweep.remind":
                self._sweep(kind.removeprefix("sweep."), event["occurred_at"])
            case _:
                message = f"line {number}: {kind} is no type of event that can be replayed"
                raise ReplayError(message)

    def _tick(self, number: int, event: Mapping[str, Any]) -> None:
        try:
            at = datetime.fromisoformat(event["occurred_at"])
            self.now = max(self.now, at.astimezone(UTC))
        except (KeyError, TypeError, ValueError) as wrong:
            message = f"line {number}: occurred_at is not an instant"
            raise ReplayError(message) from wrong

    def _order(self, number: int, event: Mapping[str, Any]) -> None:
        if event.get("customer_id"):
            self.members.add(event["customer_id"])
        if event.get("order_id"):
            self.orders.add(event["order_id"])
        body = json.dumps(event, separators=(",", ":"), ensure_ascii=False)
        answer = self.call("webhook", signed_request(body, self.now))
        if answer["statusCode"] != 202:  # noqa: PLR2004 - the contract's "the queue has it"
            self.refused.append({"line": number, "status": answer["statusCode"], "answer": json.loads(answer["body"])})
            return
        if event["type"] == "order.refunded" and event.get("order_id") is None:
            self.counts["unmatched_refunds"] += 1
        records = [queue_record(body, group, index) for index, (group, body) in enumerate(self._orders.take())]
        result = self.call("earn", {"Records": records})
        if result["batchItemFailures"]:
            message = f"line {number}: the ledger did not take the event"
            raise ReplayError(message)

    def _redeem(self, event: Mapping[str, Any]) -> None:
        member, request_id = event["customer_id"], event["request_id"]
        self.members.add(member)
        request = api_request(
            "POST",
            f"/v1/members/{member}/redemptions",
            {"points": event["points"]},
            subject=member,
            scopes="points/member",
            key=request_id,
        )
        answer = self.call("redeem", request)
        body = json.loads(answer["body"])
        found: dict[str, Any] = {"status": answer["statusCode"]}
        found |= {name: body[name] for name in ("code", "points", "available") if name in body}
        if answer["statusCode"] != 201:  # noqa: PLR2004 - created
            found.pop("points", None)
        self.redemptions[request_id] = found

    def _sweep(self, name: str, as_of: str) -> None:
        self.call(name, {"as_of": as_of})
        while tasks := self._sweeps.take():
            records = [{"messageId": str(index), "body": body} for index, body in enumerate(tasks)]
            result = self.call(name, {"Records": records})
            if result["batchItemFailures"]:
                message = f"sweep {name} as of {as_of} did not finish"
                raise ReplayError(message)

    def call(self, name: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Invoke a function's handler."""
        return self._handlers[name](event, LambdaContext())

    # What came of it

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Ask the account function, as the shop."""
        answer = self.call("account", api_request("GET", path, None, "replay", "points/shop", query=query))
        return cast("dict[str, Any]", json.loads(answer["body"]))

    def report(self, seconds: float, say: Callable[[int, int], None] = lambda _done, _all: None) -> dict[str, Any]:
        """Prove every account and put the figures together; see API.md, "Replay file and report"."""
        accounts: dict[str, Any] = {}
        entries, failed = 0, []
        for done, member in enumerate(sorted(self.members)):
            say(done, len(self.members))
            view = self.get(f"/v1/members/{member}")
            lots = self.get(f"/v1/members/{member}/lots")["lots"]
            accounts[member] = view | {"lots": [_without_null_start(lot) for lot in lots]}
            proof = self.get(f"/v1/members/{member}/proof")
            entries += proof["entries"]
            if not proof["valid"]:
                failed.append({"member_id": member, "equations": proof["equations"]})
        lifetimes = [account["lifetime"] for account in accounts.values()]
        names = ("earned", "clawed_back", "redeemed", "expired")
        return {
            "orders": len(self.orders),
            "members": len(self.members),
            "events": self.counts["events"],
            "entries": entries,
            "points": {name: sum(lifetime[name] for lifetime in lifetimes) for name in names},
            "accounts": accounts,
            "redemptions": self.redemptions,
            "reminders": sorted(self.reminders.rows, key=lambda row: (row["member_id"], row["lot_expires_on"], -row["lead_days"])),
            "unmatched_refunds": self.counts["unmatched_refunds"],
            "refused": self.refused,
            "seconds": round(seconds, 3),
            "events_per_second": round(self.counts["events"] / seconds, 1) if seconds else 0.0,
            "proof": {"accounts": len(accounts), "failed": len(failed), **({"failures": failed} if failed else {})},
        }


def _handler(name: str) -> Callable[[Mapping[str, Any], object], dict[str, Any]]:
    module = importlib.import_module(f"functions.{name}.app")
    return cast("Callable[[Mapping[str, Any], object], dict[str, Any]]", module.handler)


def _without_null_start(lot: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in lot.items() if name != "active_from" or value is not None}


# Events as AWS delivers them -----------------------------------------------------------------------------------------


def signed_request(body: str, now: datetime, source: str = "standard", secret: str = SECRET) -> dict[str, Any]:
    """A delivery of the shop: body and Standard Webhooks headers in an HTTP API event."""
    raw = body.encode()
    message_id, stamp = f"msg_{hashlib.sha256(raw).hexdigest()[:24]}", str(int(now.timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message_id}.{stamp}.".encode() + raw, hashlib.sha256).digest()
    headers = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }
    return _http_event("POST", f"/webhooks/{source}", headers, body) | {"pathParameters": {"source": source}}


def api_request(
    method: str,
    path: str,
    body: Mapping[str, Any] | None,
    subject: str,
    scopes: str,
    key: str | None = None,
    query: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A call of the API whose token the authorizer has verified: ``subject`` with ``scopes`` (space-separated)."""
    headers = {"content-type": "application/json"} | ({"idempotency-key": key} if key is not None else {})
    event = _http_event(method, path, headers, None if body is None else json.dumps(body))
    claims = {"sub": subject, "scope": scopes}
    event["requestContext"]["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
    event["queryStringParameters"] = dict(query or {})
    return event


def _http_event(method: str, path: str, headers: Mapping[str, str], body: str | None) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": dict(headers),
        "requestContext": {
            "requestId": "replay",
            "stage": "$default",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
        },
        "body": body,
        "isBase64Encoded": False,
    }


def queue_record(body: str, group: str, index: int = 0) -> dict[str, Any]:
    """One message of the orders queue as Lambda gets it."""
    return {
        "messageId": f"message-{index}",
        "body": body,
        "attributes": {"MessageGroupId": group, "ApproximateReceiveCount": "1"},
        "eventSource": "aws:sqs",
    }
