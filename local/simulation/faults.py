"""What can happen to one HTTP attempt: a row a fault, each a function of the attempt.

lost        the request never arrives                    nothing is done
late        it arrives after its sender gave up          done, some other time
unheard     it is done, the answer does not arrive       done
refused     conflict, throttling, server error           nothing is done (or done, and told otherwise)
crash       the sender's process ends                    before or after it is done
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError

from local.simulation.table import Reply, cancelled, error

WRITE, READ, QUERY = "TransactWriteItems", "BatchGetItem", "Query"
SERVER_ERROR = 500


class Crash(BaseException):
    """The process ends here, between two calls. Not an Exception: nothing in it gets to run on."""


class Draw(Protocol):
    """The run's random numbers for faults, as far as a fault needs them."""

    def randrange(self, start: int, stop: int | None = None, /) -> int:
        """A whole number."""

    def random(self) -> float:
        """A number from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One HTTP attempt: its body and address; ``go`` does what a sound network would, ``park`` keeps it for later."""

    body: Mapping[str, Any]
    url: str
    draw: Draw
    go: Callable[[Mapping[str, Any]], Reply]
    park: Callable[[], None]
    switch: Callable[[], None]


Fault = Callable[[Attempt], Reply]


def _times_out(attempt: Attempt) -> NoReturn:
    raise ReadTimeoutError(endpoint_url=attempt.url)


def _cannot_connect(attempt: Attempt) -> NoReturn:
    if attempt.draw.random() < 0.5:  # noqa: PLR2004 - either is as likely
        raise ConnectTimeoutError(endpoint_url=attempt.url)
    raise EndpointConnectionError(endpoint_url=attempt.url, error="refused")


def _arrives_later(attempt: Attempt) -> NoReturn:
    attempt.park()
    _times_out(attempt)


def _answer_too_late(attempt: Attempt) -> NoReturn:
    attempt.go(attempt.body)
    _times_out(attempt)


def _closed_after(attempt: Attempt) -> NoReturn:
    attempt.go(attempt.body)
    raise ConnectionClosedError(endpoint_url=attempt.url)


def _crash(_attempt: Attempt) -> NoReturn:
    raise Crash


def _crash_after(attempt: Attempt) -> NoReturn:
    attempt.go(attempt.body)
    raise Crash


def _answers(code: str, status: int = 400) -> Fault:
    return lambda _attempt: error(code, status=status)


def _done_but_answers(code: str, status: int) -> Fault:
    def fault(attempt: Attempt) -> Reply:
        attempt.go(attempt.body)
        return error(code, status=status)

    return fault


def _cancelled_on(fits: Callable[[str], bool], code: str) -> Fault:
    """A cancellation with its reason on the first item that fits; on the first of all where none does."""

    def fault(attempt: Attempt) -> Reply:
        keys = [action["Put"]["Item"]["sk"]["S"] for action in attempt.body["TransactItems"]]
        place = next((at for at, sk in enumerate(keys) if fits(sk)), 0)
        return cancelled([code if at == place else None for at in range(len(keys))])

    return fault


def is_document(sk: str) -> bool:
    """Whether a sort key is that of a document: neither an account nor an entry."""
    return sk != "A" and not sk.startswith("E#")


def _unprocessed(attempt: Attempt) -> Reply:
    ((table, wanted),) = attempt.body["RequestItems"].items()
    keys = wanted["Keys"]
    kept = attempt.draw.randrange(0, len(keys))
    found = _part(attempt, table, wanted, keys[:kept]) if kept else []
    return 200, {"Responses": {table: found}, "UnprocessedKeys": {table: {**wanted, "Keys": keys[kept:]}}}


def _torn(attempt: Attempt) -> Reply:
    """Each item of a batch is read consistently, the batch is not: others commit between two of its items."""
    ((table, wanted),) = attempt.body["RequestItems"].items()
    keys = list(wanted["Keys"])
    if attempt.draw.random() < 0.5:  # noqa: PLR2004 - either end first
        keys.reverse()
    first = _part(attempt, table, wanted, keys[:1])
    for _ in range(attempt.draw.randrange(1, 6)):
        attempt.switch()
    rest = _part(attempt, table, wanted, keys[1:]) if keys[1:] else []
    return 200, {"Responses": {table: first + rest}, "UnprocessedKeys": {}}


def _part(attempt: Attempt, table: str, wanted: Mapping[str, Any], keys: list[Any]) -> list[Any]:
    _, content = attempt.go({"RequestItems": {table: {**wanted, "Keys": keys}}})
    found: list[Any] = content["Responses"][table]
    return found


FAULTS: Mapping[str, Mapping[str, Fault]] = {
    WRITE: {
        "write lost before it arrived": _cannot_connect,
        "write arrives after its time-out": _arrives_later,
        "write answered too late": _answer_too_late,
        "connection closed after a write": _closed_after,
        "transaction conflict on the account": _cancelled_on(lambda sk: sk == "A", "TransactionConflict"),
        "transaction conflict on an entry": _cancelled_on(lambda sk: sk.startswith("E#"), "TransactionConflict"),
        "transaction conflict on a document": _cancelled_on(is_document, "TransactionConflict"),
        "write throttled": _answers("ThrottlingException"),
        "write throttled on the account": _cancelled_on(lambda sk: sk == "A", "ThrottlingError"),
        "server error before a write": _answers("InternalServerError", SERVER_ERROR),
        "server error after a write": _done_but_answers("InternalServerError", SERVER_ERROR),
        "transaction in progress": _answers("TransactionInProgressException"),
        "crash before a write": _crash,
        "crash after a write": _crash_after,
    },
    READ: {
        "read lost": _times_out,
        "read throttled": _answers("ThrottlingException"),
        "server error on a read": _answers("InternalServerError", SERVER_ERROR),
        "read left unprocessed": _unprocessed,
        "read torn between two commits": _torn,
        "crash on a read": _crash,
    },
    QUERY: {
        "query lost": _times_out,
        "query throttled": _answers("ProvisionedThroughputExceededException"),
        "stale index page": lambda attempt: attempt.go({**attempt.body, "stale": True}),
        "short page": lambda attempt: attempt.go({**attempt.body, "Limit": 1}),
        "crash on a query": _crash,
    },
}
"""Every fault by the operation that it meets."""
