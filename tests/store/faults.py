"""A network that misbehaves by script: what a wrapped HTTP session of a ledger's client loses, delays or makes up.

ledger ──botocore (2 attempts)──> FaultyNetwork ──> engine
                                    │  next fault of the script, one for each HTTP attempt of the operation
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from jifen.store.dynamo import DynamoLedger

Send = Callable[[], Any]
Fault = Callable[[Any, Send], Any]


class _Body:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        yield self._content


class FaultyNetwork:
    """Stands between a ledger's client and its engine. ``attempts`` names the operation of every HTTP attempt."""

    def __init__(self, ledger: DynamoLedger) -> None:
        self.attempts: list[str] = []
        self.tokens: list[str] = []
        self._script: dict[str, list[Fault]] = {}
        self._always: dict[str, Fault] = {}
        endpoint = ledger.client._endpoint
        self._session = endpoint.http_session
        endpoint.http_session = self

    def next(self, operation: str, *faults: Fault) -> None:
        """The next attempts of an operation meet these faults; those after them pass."""
        self._script[operation] = list(faults)

    def always(self, operation: str, fault: Fault) -> None:
        """Every attempt of an operation meets this fault, until :meth:`heal`."""
        self._always[operation] = fault

    def heal(self) -> None:
        """No more faults; what has happened is forgotten."""
        self._script, self._always = {}, {}
        self.attempts, self.tokens = [], []

    def count(self, operation: str) -> int:
        """How many HTTP attempts an operation took."""
        return self.attempts.count(operation)

    def send(self, request: Any) -> Any:
        """What botocore calls for each attempt."""
        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else target).split(".")[1]
        self.attempts.append(operation)
        if operation == "TransactWriteItems":
            self.tokens.append(json.loads(request.body)["ClientRequestToken"])
        script = self._script.get(operation)
        fault = script.pop(0) if script else self._always.get(operation)
        if fault is None:
            return self._session.send(request)
        return fault(request, lambda: self._session.send(request))

    def close(self) -> None:
        """What botocore calls at the end."""
        self._session.close()


# Faults --------------------------------------------------------------------------------------------------------------


def passes(_request: Any, send: Send) -> Any:
    """No fault."""
    return send()


def read_times_out(request: Any, _send: Send) -> NoReturn:
    """The request never arrives, and nobody can tell."""
    raise ReadTimeoutError(endpoint_url=request.url)


def connect_times_out(request: Any, _send: Send) -> NoReturn:
    """No connection in time."""
    raise ConnectTimeoutError(endpoint_url=request.url)


def cannot_connect(request: Any, _send: Send) -> NoReturn:
    """No connection at all."""
    raise EndpointConnectionError(endpoint_url=request.url, error="refused")


def answer_lost(request: Any, send: Send) -> NoReturn:
    """The engine has done it; its answer does not arrive in time."""
    send()
    raise ReadTimeoutError(endpoint_url=request.url)


def connection_closed_after(request: Any, send: Send) -> NoReturn:
    """The engine has done it; the connection breaks before its answer."""
    send()
    raise ConnectionClosedError(endpoint_url=request.url)


def answers(status: int, code: str, reasons: Sequence[str] | None = None) -> Fault:
    """An error made up, with the cancellation reasons of a transaction where there are any; nothing was done."""
    body: dict[str, Any] = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "made up"}
    if reasons is not None:
        body["CancellationReasons"] = [{"Code": reason} for reason in reasons]
    return lambda request, _send: response(request, status, json.dumps(body).encode())


def answers_plainly(status: int, content: bytes) -> Fault:
    """An error that does not come from DynamoDB itself: what a load balancer says, in its own words."""
    return lambda request, _send: response(request, status, content)


def done_but_answers(status: int, code: str) -> Fault:
    """The engine has done it and says that it failed."""

    def fault(request: Any, send: Send) -> Any:
        send()
        return answers(status, code)(request, send)

    return fault


def leaves_unprocessed(kept: int) -> Fault:
    """A batched read that answers the first ``kept`` keys and leaves the others for later."""

    def fault(request: Any, send: Send) -> Any:
        asked = json.loads(request.body)["RequestItems"]
        ((table, wanted),) = asked.items()
        now, later = wanted["Keys"][:kept], wanted["Keys"][kept:]
        found = json.loads(send().content)["Responses"][table]
        answered = [item for item in found if {"pk": item["pk"], "sk": item["sk"]} in now]
        left = {table: {**wanted, "Keys": later}} if later else {}
        return response(request, 200, json.dumps({"Responses": {table: answered}, "UnprocessedKeys": left}).encode())

    return fault


def response(request: Any, status: int, content: bytes) -> AWSResponse:
    """An HTTP answer."""
    return AWSResponse(request.url, status, HTTPHeaders(), _Body(content))
