"""The shop's endpoint as a real HTTP server that does what a test tells it, one thing for each request.

with hook_shop() as shop:      an endpoint at ``shop.url``
    shop.script += [500, "cut", 200]    the next three requests; after them it takes everything
    shop.script += ["slow"]             sends one byte of its answer at a time, until the caller leaves
    shop.answers["ev-1"] = 400          what it says to this event, whatever the script
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

METADATA = "http://169.254.169.254/latest/meta-data/"


@dataclass(frozen=True, slots=True)
class Got:
    """One request: its path, its headers in lower case, its body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Its ``webhook-id``."""
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        """Its body as JSON."""
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class HookShop:
    """What the server knows: ``got`` are the requests that came, in order."""

    url: str = ""
    script: list[int | str] = field(default_factory=list)
    answers: dict[str, int | str] = field(default_factory=dict)
    always: int | str = 200
    headers: dict[str, str] = field(default_factory=dict)
    got: list[Got] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    closing: threading.Event = field(default_factory=threading.Event)

    def next(self, got: Got) -> int | str:
        """What to do with a request."""
        with self.lock:
            self.got.append(got)
            if got.headers.get("webhook-id", "") in self.answers:
                return self.answers[got.id]
            return self.script.pop(0) if self.script else self.always

    @property
    def ids(self) -> list[str]:
        """Ids of the events that came, in order."""
        return [got.id for got in self.got]

    def times(self) -> Counter[str]:
        """How often each event came."""
        return Counter(self.ids)

    def clear(self) -> None:
        """As it was at first."""
        with self.lock:
            self.script.clear()
            self.answers.clear()
            self.headers.clear()
            self.got.clear()
            self.always = 200


@contextmanager
def hook_shop(tls: ssl.SSLContext | None = None) -> Iterator[HookShop]:
    """A shop that listens; over TLS where it has what it takes."""
    shop = HookShop()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", "0"))
            headers = {name.lower(): value for name, value in self.headers.items()}
            act = shop.next(Got(self.path, headers, self.rfile.read(length)))
            with contextlib.suppress(OSError):
                _act(self, shop, act)

        def do_GET(self) -> None:
            shop.next(Got(self.path, {"webhook-id": "a redirect was followed"}, b""))
            _act(self, shop, 200)

        def log_message(self, *_args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_args: Any) -> None:
            """Whoever leaves in the middle, or does not believe the certificate, is no fault of the shop."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    shop.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield shop
    finally:
        shop.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _act(handler: BaseHTTPRequestHandler, shop: HookShop, act: int | str) -> None:
    """Answer a request in one of the ways of a script."""
    match act:
        case "cut":
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        case "slow":
            handler.wfile.write(b"HTTP/1.1 200 O")
            while not shop.closing.wait(0.02):
                handler.wfile.write(b"K")
        case "huge":
            handler.send_response(500)
            handler.end_headers()
            for _ in range(2_000):
                handler.wfile.write(b"x" * 100_000)
        case "redirect" | "home":
            handler.send_response(302 if act == "redirect" else 307)
            handler.send_header("location", METADATA if act == "redirect" else shop.url)
            handler.end_headers()
        case int():
            handler.send_response(act)
            for name, value in shop.headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(b"said: \x00\xff no")
