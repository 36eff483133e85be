"""Signed webhooks out: the queue of events for endpoints, and the one POST that an attempt is.

    webhook-id          the event's id, the same for every attempt and replay
    webhook-timestamp   Unix seconds of this attempt
    webhook-signature   v1,<base64> for each secret that signs now, separated by blanks

The name of an endpoint is looked up once, every address found has to be public, and the connection goes to one of the
addresses that were looked at: a name that stands for something else a moment later is not asked again. Redirects are
not followed. One deadline covers the name, connecting, sending and the answer, however slowly its bytes come. An answer
counts by its status, whatever becomes of its body.

On the standard library's client: a pool of connections would hold what is checked for one event for the next one.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from jifen.domain.addresses import is_public
from jifen.domain.calendar import parse_instant
from jifen.domain.endpoints import PARTS, Reply
from jifen.domain.entries import instant_text
from jifen.domain.errors import Busy
from jifen.service.hook_ports import DeliveryTask, HookTask, ProbeTask, ReplayTask
from jifen.service.ports import MalformedMessage

CONNECT_S, TOTAL_S = 3.0, 10.0
"""How long a connection may take, and all of an attempt."""

ANSWER_BYTES = 2_000
"""So much of an answer's body is read; the rest is nobody's business."""

ANSWER_BYTES_MAX = 200_000
"""No answer has more, headers and all, before so much of its body is there."""

EXCERPT = 200
"""Characters of an answer that the log shows of it."""

USER_AGENT = "Jifen-Webhooks/1"

_BATCH = 10
_DELAY_S_MAX = 900
_POSTPONE_S_MAX = 43_000
_HOUR = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)

Addresses = Callable[[str, int], Sequence[str]]
"""Host and port to IP addresses. Raises OSError where the name stands for none."""


class HttpPoster:
    """See :class:`jifen.service.hook_ports.Poster`.

    Args:
        private: whether addresses may be http, and need not be public.
        addresses: looks up a name.
        context: of TLS; the machine's own certificates where none is given.
        total_s: seconds that an attempt may take.
    """

    def __init__(
        self,
        *,
        private: bool = False,
        addresses: Addresses | None = None,
        context: Callable[[], ssl.SSLContext] | None = None,
        total_s: float = TOTAL_S,
    ) -> None:
        self._private = private
        self._addresses = addresses or look_up
        self._context = context or _default_context
        self._total_s = total_s
        # Now, and not with the first event.
        import jifen.adapters.webhook.signatures  # noqa: F401, PLC0415 - see `headers`

    def post(self, url: str, secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> Reply:
        """See :class:`jifen.service.hook_ports.Poster`."""
        began = time.monotonic()
        try:
            reply = self._posted(urlsplit(url), headers(secrets, message_id, at, body), body, began + self._total_s)
        except _Refused as refused:
            reply = Reply(0, str(refused))
        except ssl.SSLError as failure:
            reply = Reply(0, f"TLS failed: {failure.reason or type(failure).__name__}")
        except TimeoutError:
            reply = Reply(0, f"no answer within {self._total_s:g} seconds")
        except (OSError, http.client.HTTPException, UnicodeError) as failure:
            reply = Reply(0, f"no answer: {type(failure).__name__}")
        took_ms = int((time.monotonic() - began) * 1000)
        return Reply(reply.status, reply.problem, took_ms, reply.retry_after)

    def _posted(self, url: SplitResult, sent: Mapping[str, str], body: bytes, deadline: float) -> Reply:
        secure = url.scheme == "https"
        if not secure and not self._private:
            raise _Refused("the address is not https")
        host, port = url.hostname or "", url.port or (443 if secure else 80)
        line = self._connected(host, port, deadline)
        with line:
            if secure:
                line.secure(self._context(), host)
            client = http.client.HTTPConnection(host, port)
            client.sock = line
            target = (url.path or "/") + (f"?{url.query}" if url.query else "")
            # http.client names the host of the URL, whatever address the connection goes to.
            client.request("POST", target, body, {**sent, "host": url.netloc})
            answer = client.getresponse()
            answered = {name.lower(): value for name, value in answer.headers.items()}
            return _reply(answer.status, answered, _beginning(answer))

    def _connected(self, host: str, port: int, deadline: float) -> _Line:
        """A connection to the first address of a host that takes one, all of which were looked at.

        Raises:
            _Refused: one of them is not public.
            OSError: none takes a connection.
        """
        found = self._found(host, port, deadline)
        if not self._private and not all(map(is_public, found)):
            raise _Refused("the host stands for an address that is not public")
        problem: OSError = OSError("no address")
        for address in found[:3]:
            wait = min(CONNECT_S, deadline - time.monotonic())
            if wait <= 0:
                raise TimeoutError
            try:
                return _Line(socket.create_connection((address, port), wait), deadline)
            except OSError as failure:
                problem = failure
        raise problem

    def _found(self, host: str, port: int, deadline: float) -> Sequence[str]:
        """What a host stands for. A resolver cannot be hurried: one that is too slow is left behind."""
        answers: SimpleQueue[Sequence[str] | Exception] = SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._addresses(host, port))
            except Exception as failure:  # noqa: BLE001 - raised by whoever waits for it
                answers.put(failure)

        Thread(target=ask, daemon=True).start()
        try:
            found = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except Empty:
            raise TimeoutError from None
        if isinstance(found, Exception):
            raise found
        return found


class _Refused(Exception):
    """An address that is not called, or an answer that is not read; the message says why."""


class _Line:
    """A connection on which every step, and all of them together, end at a deadline."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline
        self._room = ANSWER_BYTES_MAX

    def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Speak TLS from here on, with whoever can prove to be ``host``."""
        self._hurry()
        self._connection = context.wrap_socket(self._connection, server_hostname=host)

    def sendall(self, data: Any) -> None:
        """Send all of it."""
        self._hurry()
        self._connection.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        """What the answer is read from."""
        assert mode == "rb"
        return io.BufferedReader(_Answer(self))

    def receive(self, into: Any) -> int:
        """Read what is there."""
        self._hurry()
        if self._room <= 0:
            raise _Refused("the answer is too long")
        count = self._connection.recv_into(into)
        self._room -= count
        return count

    def close(self) -> None:
        """Of http.client, which closes a connection while its answer is still read: see ``__exit__``."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_failure: object) -> None:
        self._connection.close()

    def _hurry(self) -> None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)


class _Answer(io.RawIOBase):
    """The bytes that come in on a line."""

    def __init__(self, line: _Line) -> None:
        super().__init__()
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._line.receive(buffer)


def headers(secrets: Sequence[str], message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of a delivery, signed with each of ``secrets``."""
    # Behind it comes everything that knows a shop, which the queue alone has no use for.
    from jifen.adapters.webhook.signatures import signing_key, standard_signature  # noqa: PLC0415

    stamp = str(int(at.timestamp()))
    keys = [key for secret in secrets if (key := signing_key(secret))]
    return {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(standard_signature(message_id, stamp, body, key) for key in keys),
    }


def look_up(host: str, port: int) -> list[str]:
    """The addresses that a host stands for, those of IPv4 first: most functions reach no others."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    ordered = sorted(found, key=lambda one: one[0] != socket.AF_INET)
    return list(dict.fromkeys(str(one[4][0]) for one in ordered))


@cache
def _default_context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _beginning(answer: http.client.HTTPResponse) -> bytes:
    """The first bytes of an answer's body; nothing of one that is cut, late or no HTTP."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError, _Refused):
        return answer.read(ANSWER_BYTES)
    return b""


def _reply(status: int, answered: Mapping[str, str], body: bytes) -> Reply:
    if 200 <= status < 300:  # noqa: PLR2004 - what HTTP calls successful
        return Reply(status)
    said = "".join(one if one.isprintable() else " " for one in body.decode("utf-8", "replace"))[:EXCERPT].strip()
    redirected = 300 <= status < 400  # noqa: PLR2004 - what HTTP calls redirection
    problem = f"answered {status}; redirects are not followed" if redirected else f"answered {status}"
    return Reply(status, f"{problem}: {said}" if said else problem, retry_after=_retry_after(answered))


def _retry_after(answered: Mapping[str, str]) -> timedelta | None:
    """What ``Retry-After`` asks for: seconds, or an HTTP date counted from the answer's own clock."""
    text = (answered.get("retry-after") or "").strip()
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=int(text))
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        until = parsedate_to_datetime(text)
        now = parsedate_to_datetime(answered.get("date") or "")
        return max(timedelta(), until.astimezone(UTC) - now.astimezone(UTC)) if text else None
    return None


# The queue -----------------------------------------------------------------------------------------------------------


class SqsHooksQueue:
    """Tasks on a standard queue; the message group is the endpoint, so that none holds up the others (fair queues)."""

    def __init__(self, client: Any, url: str) -> None:
        self._client = client
        self._url = url

    def send(self, tasks: Sequence[HookTask], delay_s: int = 0) -> None:
        """See :class:`jifen.service.hook_ports.HooksQueue`."""
        delay = {"DelaySeconds": min(delay_s, _DELAY_S_MAX)} if delay_s else {}
        for start in range(0, len(tasks), _BATCH):
            entries = [
                {"Id": str(index), "MessageBody": encode(task), "MessageGroupId": task.endpoint, **delay}
                for index, task in enumerate(tasks[start : start + _BATCH])
            ]
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
            except (BotoCoreError, ClientError) as failure:
                raise Busy(retry_after_s=5) from failure
            if answer.get("Failed"):
                raise Busy(retry_after_s=5)

    def read(self, message: str) -> HookTask:
        """See :class:`jifen.service.hook_ports.HooksQueue`."""
        return decode(message)

    def postpone(self, receipt: str, seconds: int) -> None:
        """See :class:`jifen.service.hook_ports.HooksQueue`."""
        with contextlib.suppress(BotoCoreError, ClientError):
            self._client.change_message_visibility(
                QueueUrl=self._url, ReceiptHandle=receipt, VisibilityTimeout=min(seconds, _POSTPONE_S_MAX)
            )


def encode(task: HookTask) -> str:
    """The task as a message body."""
    match task:
        case DeliveryTask():
            data: dict[str, Any] = {"do": "deliver", "event": task.event_id, "at": instant_text(task.at)}
            data |= {"run": task.run, "missing": task.missing} if task.run else {}
        case ProbeTask():
            data = {"do": "probe", "event": task.event_id, "at": instant_text(task.at)}
            data["retry_at"] = instant_text(task.retry_at)
        case ReplayTask():
            data = {
                "do": "replay",
                "since": instant_text(task.since),
                "until": instant_text(task.until),
                "run": task.run,
                "types": list(task.types),
                "missing": task.missing,
                "hour": task.hour,
                "part": task.part,
                "cursor": task.cursor,
            }
    return json.dumps({"endpoint": task.endpoint, **data}, separators=(",", ":"))


def decode(message: str) -> HookTask:
    """The task in a message body.

    Raises:
        MalformedMessage: it is none.
    """
    try:
        data = json.loads(message)
        task = _READERS[data["do"]](data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as wrong:
        problem = f"not a task of an endpoint: {type(wrong).__name__}"
        raise MalformedMessage(problem) from wrong
    return task


def _delivery(data: Mapping[str, Any]) -> HookTask:
    run = _text(data.get("run", ""))
    at = parse_instant(data["at"])
    return DeliveryTask(_text(data["endpoint"]), _text(data["event"]), at, run, data.get("missing") is True)


def _probe(data: Mapping[str, Any]) -> HookTask:
    retry_at, at = parse_instant(data["retry_at"]), parse_instant(data["at"])
    return ProbeTask(_text(data["endpoint"]), retry_at, _text(data["event"]), at)


def _replay(data: Mapping[str, Any]) -> HookTask:
    since, until = parse_instant(data["since"]), parse_instant(data["until"])
    hour, part, cursor = _text(data["hour"]), data["part"], data["cursor"]
    if (hour and not _HOUR.fullmatch(hour)) or type(part) is not int or not 0 <= part < PARTS:
        raise ValueError(hour, part)
    return ReplayTask(
        _text(data["endpoint"]),
        since,
        until,
        _text(data["run"]),
        tuple(map(_text, data["types"])),
        missing=data["missing"] is True,
        hour=hour,
        part=part,
        cursor=None if cursor is None else _text(cursor),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


_READERS: Mapping[str, Callable[[Mapping[str, Any]], HookTask]] = {
    "deliver": _delivery,
    "probe": _probe,
    "replay": _replay,
}
