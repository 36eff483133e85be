"""Replay of order files: every event through webhook verification, queue messages and the real handlers, in process.

    line ──sign──> webhook handler ──message──> earn handler        order.paid, order.refunded, order.cancelled
    line ──token─> redeem handler                                   redeem.requested
    line ────────> expire / remind handler ──task──> the same       sweep.expire, sweep.remind

The clock stands at the latest ``occurred_at`` seen so far. At the end every account is proved from its entries. Memory
does not grow with the file, only with the members, redemptions and reminders that the report names.

A line that cannot be read, or that the webhook or the API refuses, is kept as refused and the replay goes on.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import hmac
import importlib
import json
import logging
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO, cast
from urllib.parse import quote

from aws_lambda_powertools import Logger

from jifen.adapters.queues import encode, encode_task
from jifen.domain.calendar import local_day
from jifen.domain.orders import OrderEvent
from jifen.domain.program import Program
from jifen.runtime import Runtime, Settings, use
from jifen.service.ports import Contact, Message, ShardTask
from local.engines import Engine, create_table
from local.template import table_definition

SECRET = "whsec_" + base64.b64encode(b"jifen replay, this machine only!").decode()
SHARDS = 4
BATCH = 10
"""Messages that the consumer gets at a time, as in the template."""

REFUSED_SHOWN_MAX = 1_000
"""As many refused lines are kept for the report; all are counted."""

TIMEOUT_S = 30.0
"""What an invocation has; a sweep that needs longer goes on in another one, as it does in Lambda."""

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

Watch = Callable[[str, int, int], None]
"""Is told the stage, how much of it is done, and out of how much."""


class ReplayError(Exception):
    """The replay cannot go on; the message says where and why."""


class LineRefused(ReplayError):
    """One line of the file is no event that can be replayed."""

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(f"line {number}: {problem}")
        self.number, self.problem = number, problem


@dataclass(frozen=True, slots=True)
class LambdaContext:
    """As much of a Lambda context as handlers use."""

    aws_request_id: str = "replay"
    function_name: str = "replay"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:local:000000000000:function:replay"
    ends_at_s: float = field(default_factory=lambda: time.monotonic() + TIMEOUT_S)

    def get_remaining_time_in_millis(self) -> int:
        """What is left of the invocation's time."""
        return max(0, int(1000 * (self.ends_at_s - time.monotonic())))


@dataclass
class _OrderQueue:
    """Keeps encoded messages until they are taken, as the FIFO queue would."""

    messages: list[tuple[str, str]] = field(default_factory=list)

    def send(self, events: Sequence[OrderEvent]) -> None:
        event = events[0]
        self.messages.append((f"M#{event.member}" if event.member else f"O#{event.order_id}", encode(events)))

    def take(self) -> list[tuple[str, str]]:
        taken, self.messages = self.messages, []
        return taken


@dataclass
class _SweepQueue:
    tasks: list[str] = field(default_factory=list)

    def send(self, tasks: Sequence[ShardTask], delay_s: int = 0) -> None:
        del delay_s  # nobody waits here
        self.tasks += [encode_task(task) for task in tasks]

    def take(self) -> list[str]:
        taken, self.tasks = self.tasks, []
        return taken


@dataclass
class _Reminders:
    """Collects what would be sent and when: one row a reminder, and one for each other notice."""

    clock: Callable[[], datetime]
    channel: str = "event"
    rows: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)
    sent_at: list[datetime] = field(default_factory=list)

    def reaches(self, contact: Contact | None) -> bool:
        del contact
        return True

    def send(self, message: Message) -> None:
        for notice in message.notices:
            if (reminder := notice.reminder) is None:
                self.notices.append({"member_id": notice.member, "kind": str(notice.kind), **notice.facts})
                continue
            self.sent_at.append(self.clock())
            self.rows.append(
                {
                    "member_id": reminder.member,
                    "lot_expires_on": reminder.lot_expires_on.isoformat(),
                    "lead_days": reminder.lead_days,
                    "points": reminder.points,
                }
            )


class _Stderr:
    """Standard error as it is at each moment, for logs: standard output belongs to the command."""

    @staticmethod
    def write(text: str) -> int:
        return sys.stderr.write(text)

    @staticmethod
    def flush() -> None:
        sys.stderr.flush()


@functools.cache
def _logger() -> Logger:
    """One for the process: Powertools gives a logger of a name its format once, and a handler of a second one none."""
    return Logger(service="jifen.replay", logger_handler=logging.StreamHandler(_Stderr()))


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of an NDJSON file, plain or gzipped, with their numbers; empty ones are left out.

    Raises:
        ReplayError: the file cannot be read.
    """
    try:
        with cast("TextIO", (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8")) as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as wrong:
        message = f"{path} cannot be read: {wrong}"
        raise ReplayError(message) from wrong


def read_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The events of an NDJSON file, plain or gzipped, with their line numbers.

    Raises:
        ReplayError: the file cannot be read.
        LineRefused: a line is no JSON object with a type.
    """
    for number, line in numbered_lines(path):
        yield number, _event(number, line)


def _event(number: int, line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as wrong:
        raise LineRefused(number, "is not JSON") from wrong
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise LineRefused(number, "is no JSON object with a type")
    return event


def replay_file(
    path: Path, lines: int, replay: Replay, watch: Watch = lambda _stage, _done, _all: None
) -> dict[str, Any]:
    """Play every line of the file and report on it; ``lines`` is how many there are, for whoever watches.

    Raises:
        ReplayError: the file cannot be read, or the ledger did not take an event.
    """
    begun = time.monotonic()
    with replay.running():
        for done, (number, line) in enumerate(numbered_lines(path), 1):
            replay.play_line(number, line)
            watch("replaying", done, lines)
        replay.drain()
        seconds = time.monotonic() - begun
        return replay.report(seconds, lambda done, members: watch("proving", done, members))


class Replay:
    """One replay against one table, which is made where it is missing. Use inside ``with replay.running():``.

    ``shards`` of the due indexes are for a new table: accounts keep the shard that they were first written with.
    """

    def __init__(self, engine: Engine, program: Program, table: str, shards: int = SHARDS) -> None:
        self.table_is_new = create_table(engine, table_definition(), table)
        self.now = _BEGINNING
        self._orders, self._sweeps, self.reminders = _OrderQueue(), _SweepQueue(), _Reminders(lambda: self.now)
        settings = Settings(
            table=table,
            region=engine.region,
            program=program,
            shards=shards,
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
        self.runtime.logger = _logger()
        self._handlers = {name: _handler(name) for name in ("webhook", "earn", "redeem", "expire", "remind", "account")}
        self.counts: Counter[str] = Counter()
        self.members: set[str] = set()
        self.orders: set[str] = set()
        self.unmatched: set[str] = set()
        self.redemptions: dict[str, dict[str, Any]] = {}
        self.refused: list[dict[str, Any]] = []

    def running(self) -> AbstractContextManager[Runtime]:
        """Put this replay's runtime in place."""
        return use(self.runtime)

    # Events

    def play_line(self, number: int, line: str) -> None:
        """Drive one line of the file; keep it as refused when it is no event.

        Raises:
            ReplayError: the ledger did not take the event.
        """
        try:
            self.play(number, _event(number, line))
        except LineRefused as refusal:
            self._refuse(number, {"code": "UNREADABLE_LINE", "detail": refusal.problem})

    def play(self, number: int, event: Mapping[str, Any]) -> None:
        """Drive one event, which stands in line ``number``.

        Raises:
            LineRefused: an unknown type, an instant that cannot be read, or a request that names nobody.
            ReplayError: the ledger did not take the event.
        """
        kind = event["type"]
        if kind not in _TYPES:
            raise LineRefused(number, f"{kind} is no type of event that can be replayed")
        self._tick(number, event)
        self.counts["events"] += 1
        match kind:
            case "redeem.requested":
                self.drain()
                self._redeem(number, event)
            case "sweep.expire" | "sweep.remind":
                self.drain()
                self.sweep(kind.removeprefix("sweep."), event["occurred_at"])
            case _:
                self._order(number, event)

    def _tick(self, number: int, event: Mapping[str, Any]) -> None:
        try:
            at = datetime.fromisoformat(event["occurred_at"])
            if at.tzinfo is None:
                raise LineRefused(number, "occurred_at has no offset")
            now = max(self.now, at.astimezone(UTC))
            if local_day(now, self.runtime.program.zone) != local_day(self.now, self.runtime.program.zone):
                self.drain()
            self.now = now
        except (KeyError, TypeError, ValueError, OverflowError) as wrong:
            raise LineRefused(number, "occurred_at is not an instant") from wrong

    def _refuse(self, number: int, why: Mapping[str, Any]) -> None:
        self.counts["refused"] += 1
        if len(self.refused) < REFUSED_SHOWN_MAX:
            self.refused.append({"line": number, **why})

    def _order(self, number: int, event: Mapping[str, Any]) -> None:
        body = json.dumps(event, separators=(",", ":"))
        answer = self.call("webhook", signed_request(body, self.now))
        if answer["statusCode"] != 202:  # noqa: PLR2004 - the contract's "the queue has it"
            self._refuse(number, _refusal(answer))
            return
        if event.get("customer_id"):
            self.members.add(event["customer_id"])
        if event.get("order_id"):
            self.orders.add(event["order_id"])
        elif event["type"] == "order.refunded":
            self.unmatched.add(event["refund_id"])
        if len(self._orders.messages) >= BATCH:
            self.drain()

    def drain(self) -> None:
        """Let the queue's consumer have what is waiting, a batch at a time, as Lambda would.

        Orders of one day wait for each other; a new day, a redemption or a sweep comes after all that was sent before.

        Raises:
            ReplayError: the ledger did not take an event.
        """
        messages = self._orders.take()
        for start in range(0, len(messages), BATCH):
            batch = messages[start : start + BATCH]
            records = [queue_record(body, group, index) for index, (group, body) in enumerate(batch)]
            result = self.call("earn", {"Records": records})
            if result["batchItemFailures"]:
                message = f"the ledger did not take {len(result['batchItemFailures'])} of {len(batch)} events"
                raise ReplayError(message)

    def _redeem(self, number: int, event: Mapping[str, Any]) -> None:
        member, request_id = event.get("customer_id"), event.get("request_id")
        if not isinstance(member, str) or not isinstance(request_id, str):
            raise LineRefused(number, "customer_id and request_id are not texts")
        path = f"/v1/members/{quote(member, safe='')}/redemptions"
        request = api_request("POST", path, {"points": event.get("points")}, member, "points/member", key=request_id)
        answer = self.call("redeem", request)
        status, body = answer["statusCode"], json.loads(answer["body"])
        if status == 201:  # noqa: PLR2004 - created
            found = {name: body[name] for name in ("points", "available")}
        else:
            found = {name: body[name] for name in ("code", "available") if name in body}
        if status not in _ANSWERS:
            self._refuse(number, _refusal(answer))
            self.redemptions.setdefault(request_id, {"status": status, **found})
            return
        self.members.add(member)
        self.redemptions[request_id] = {"status": status, **found}

    def sweep(self, name: str, as_of: str) -> None:
        """Do one scheduled run, ``expire`` or ``remind``, as of an instant (RFC 3339).

        Raises:
            ReplayError: it did not finish.
        """
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
        if answer["statusCode"] != 200:  # noqa: PLR2004 - found
            message = f"{path}: {answer['body']}"
            raise ReplayError(message)
        return cast("dict[str, Any]", json.loads(answer["body"]))

    def entries(self, member: str) -> list[dict[str, Any]]:
        """Every entry of a member, oldest first."""
        found: list[dict[str, Any]] = []
        query: dict[str, str] | None = {"limit": "100"}
        while query:
            page = self.get(f"/v1/members/{quote(member, safe='')}/entries", query)
            found += page["entries"]
            query = {"limit": "100", "cursor": page["cursor"]} if page["cursor"] else None
        return found[::-1]

    def proof(self, member: str) -> dict[str, Any]:
        """Whether a member's account follows from its entries."""
        return self.get(f"/v1/members/{quote(member, safe='')}/proof")

    def _account(self, member: str) -> dict[str, Any]:
        path = f"/v1/members/{quote(member, safe='')}"
        lots = self.get(f"{path}/lots")["lots"]
        return self.get(path) | {"lots": [_lot(lot) for lot in lots]}

    def report(self, seconds: float, say: Callable[[int, int], None] = lambda _done, _all: None) -> dict[str, Any]:
        """Prove every account and put the figures together; see API.md, "Replay file and report"."""
        self.drain()
        accounts: dict[str, dict[str, Any]] = {}
        entries, failed = 0, []
        for done, member in enumerate(sorted(self.members), 1):
            accounts[member] = self._account(member)
            proof = self.proof(member)
            entries += proof["entries"]
            if not proof["valid"]:
                failed.append({"member_id": member, "equations": proof["equations"]})
            say(done, len(self.members))
        return {
            "orders": len(self.orders),
            "members": len(self.members),
            "events": self.counts["events"],
            "entries": entries,
            "points": _lifetimes(accounts.values()),
            "accounts": accounts,
            "redemptions": self.redemptions,
            "reminders": sorted(self.reminders.rows, key=_by_lot),
            "unmatched_refunds": len(self.unmatched),
            "refused_lines": self.counts["refused"],
            "refused": self.refused,
            "seconds": round(seconds, 3),
            "events_per_second": round(self.counts["events"] / seconds, 1) if seconds else 0.0,
            "proof": {"accounts": len(accounts), "failed": len(failed), **({"failures": failed} if failed else {})},
        }


_TYPES = ("order.paid", "order.refunded", "order.cancelled", "redeem.requested", "sweep.expire", "sweep.remind")
_ANSWERS = (201, 409)
"""The statuses with which a request for points is answered; any other says that it was none."""


def _refusal(answer: Mapping[str, Any]) -> dict[str, Any]:
    body = json.loads(answer["body"])
    return {"status": answer["statusCode"], "code": body.get("code", ""), "detail": body.get("detail", "")}


def _lifetimes(accounts: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    sums = dict.fromkeys(("earned", "clawed_back", "redeemed", "expired"), 0)
    for account in accounts:
        for name in sums:
            sums[name] += account["lifetime"][name]
    return sums


def _by_lot(row: Mapping[str, Any]) -> tuple[str, str, int]:
    return (row["member_id"], row["lot_expires_on"], -row["lead_days"])


def _handler(name: str) -> Callable[[Mapping[str, Any], object], dict[str, Any]]:
    module = importlib.import_module(f"functions.{name}.app")
    return cast("Callable[[Mapping[str, Any], object], dict[str, Any]]", module.handler)


def _lot(lot: Mapping[str, Any]) -> dict[str, Any]:
    """A lot as a report has it: it says nothing of how much time was left when it was written."""
    kept = {"points": lot["points"], "expires_on": lot["expires_on"]}
    return kept | ({"active_from": lot["active_from"]} if lot["active_from"] is not None else {})


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
