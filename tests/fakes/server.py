"""What every fake of a provider shares: a real HTTP server that keeps what it was asked and fails when it is told to.

with serving(Ses()) as ses:     a client at ``ses.url`` meets it
    ses.fail(status=500)        the next request gets this status and nothing of worth
    ses.slow(seconds=0.5)       the next answer takes so long, and what was asked has happened all the same
    ses.cut()                   the next connection is cut once the request was read and has happened
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import botocore.session
from botocore.config import Config

READ_TIMEOUT_S = 0.3


@dataclass(frozen=True, slots=True)
class Request:
    """What a server was asked; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answers."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Trouble:
    response: Response | None = None
    seconds: float = 0
    cut: bool = False


class Provider:
    """A provider without any manners of its own: ``answer`` is what makes it one."""

    service = ""
    """botocore's name of it; empty where it is not of AWS."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self._trouble: deque[_Trouble] = deque()

    def answer(self, request: Request) -> Response:
        """Do what is asked."""
        raise NotImplementedError

    def respond(self, response: Response, times: int = 1) -> None:
        """Answer the next requests so, whatever they ask; nothing happens."""
        self._trouble.extend([_Trouble(response)] * times)

    def fail(self, status: int = 500, times: int = 1) -> None:
        """Answer the next requests with this status; nothing happens."""
        self.respond(Response(status, b"told to fail"), times)

    def slow(self, seconds: float = 3 * READ_TIMEOUT_S, times: int = 1) -> None:
        """Take so long for the next answers."""
        self._trouble.extend([_Trouble(seconds=seconds)] * times)

    def cut(self, times: int = 1) -> None:
        """Cut the next connections before an answer."""
        self._trouble.extend([_Trouble(cut=True)] * times)

    def handled(self, request: Request) -> Response | None:
        """The answer to a request; None cuts the connection."""
        self.requests.append(request)
        trouble = self._trouble.popleft() if self._trouble else _Trouble()
        if trouble.response:
            return trouble.response
        response = self.answer(request)
        if trouble.seconds:
            time.sleep(trouble.seconds)
        return None if trouble.cut else response

    def client(self) -> Any:
        """A client of botocore's that asks once, as the channels have it, and loses patience soon."""
        session = botocore.session.get_session()
        session.set_credentials("AKIAEXAMPLE", "secret")
        config = Config(
            connect_timeout=1, read_timeout=READ_TIMEOUT_S, retries={"total_max_attempts": 1, "mode": "standard"}
        )
        return session.create_client(self.service, region_name="eu-west-2", endpoint_url=self.url, config=config)


P = TypeVar("P", bound=Provider)


@contextmanager
def serving(provider: P) -> Iterator[P]:
    """The provider on a port of its own, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        """One request."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Answer it."""
            self._do()

        def do_POST(self) -> None:
            """Answer it."""
            self._do()

        def _do(self) -> None:
            where = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            response = provider.handled(Request(self.command, where.path, dict(parse_qsl(where.query)), headers, body))
            if response is None:
                self.close_connection = True
                self.connection.close()
                return
            self.send_response(response.status)
            for name, value in response.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(response.body)))
            self.end_headers()
            self.wfile.write(response.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        """Ends with its requests, and says nothing of clients that have hung up."""

        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that lost patience is meant."""

    server = Server(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
