"""EventBridge as a server: takes PutEvents within its limits, keeps what it took, and fails when it is told to.

with eventbridge() as bus:      a botocore client at ``bus.url`` meets it
    bus.fail(500, times=2)      the next two calls get no answer of worth
    bus.refuse({"points.expired"}, times=1)   the next call refuses these types and takes the others
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import botocore.session
from botocore.config import Config

ENTRIES_MAX = 10
REQUEST_BYTES_MAX = 256 * 1024
_TIME_BYTES = 14


@dataclass
class EventBridge:
    """What the server knows. ``events`` is what it took, in order: source, type, detail and time of each."""

    url: str = ""
    calls: list[int] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    _failures: list[int] = field(default_factory=list)
    _refusals: list[frozenset[str]] = field(default_factory=list)

    def fail(self, status: int, times: int) -> None:
        """Answer so many calls with this status."""
        self._failures += [status] * times

    def refuse(self, types: set[str], times: int) -> None:
        """Refuse events of these types in so many calls."""
        self._refusals += [frozenset(types)] * times

    @property
    def details(self) -> list[Any]:
        """The details of what was taken."""
        return [event["detail"] for event in self.events]

    def client(self) -> Any:
        """A client as the functions have it, without its waits."""
        session = botocore.session.get_session()
        session.set_credentials("AKIAEXAMPLE", "secret")
        config = Config(retries={"total_max_attempts": 1, "mode": "standard"}, read_timeout=3)
        return session.create_client("events", region_name="eu-west-2", endpoint_url=self.url, config=config)

    def answer(self, target: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Status and body for a call."""
        if target != "AWSEvents.PutEvents":
            return 400, {"__type": "UnknownOperationException"}
        if self._failures:
            return self._failures.pop(0), {"__type": "InternalException", "message": "told to fail"}
        entries = asked["Entries"]
        self.calls.append(len(entries))
        if len(entries) > ENTRIES_MAX or sum(map(_size, entries)) >= REQUEST_BYTES_MAX:
            return 400, {"__type": "ValidationException", "message": "the request is too large"}
        refused = self._refusals.pop(0) if self._refusals else frozenset[str]()
        said = [self._take(entry, refused) for entry in entries]
        return 200, {"FailedEntryCount": sum("ErrorCode" in one for one in said), "Entries": said}

    def _take(self, entry: dict[str, Any], refused: frozenset[str]) -> dict[str, Any]:
        try:
            detail = json.loads(entry["Detail"])
        except ValueError:
            detail = None
        if not isinstance(detail, dict):
            return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
        if entry["Source"].startswith("aws.") or not 1 <= len(entry["DetailType"]) <= 128:
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": "not a source or type"}
        if entry["DetailType"] in refused:
            return {"ErrorCode": "InternalFailure", "ErrorMessage": "told to refuse"}
        self.events.append(
            {
                "bus": entry["EventBusName"],
                "source": entry["Source"],
                "type": entry["DetailType"],
                "detail": detail,
                "time": entry.get("Time"),
            }
        )
        return {"EventId": f"{len(self.events):032x}"}


def _size(entry: dict[str, Any]) -> int:
    """How EventBridge counts the size of an entry."""
    texts = (entry["Source"], entry["DetailType"], entry.get("Detail", ""), *entry.get("Resources", ()))
    return sum(len(text.encode()) for text in texts) + (_TIME_BYTES if "Time" in entry else 0)


@contextmanager
def eventbridge() -> Iterator[EventBridge]:
    """A server on a port of its own, for as long as the block lasts."""
    bus = EventBridge()

    class Handler(BaseHTTPRequestHandler):
        """One call."""

        def do_POST(self) -> None:
            """PutEvents."""
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = bus.answer(self.headers.get("X-Amz-Target", ""), json.loads(body))
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    bus.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield bus
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
