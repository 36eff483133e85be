"""Asking a service of AWS to send something: what it answers, sorted into tried again and never.

A message is handed over once: an answer that was lost is not asked for again here, because the service may have sent
it. Only where it says that there is too much at once, which means that nothing was sent, it is asked again shortly.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from jifen.service.ports import NotSent, Undeliverable

WAITS_S = (0.2, 0.6)
"""Before the second and the third try of what was too much at once."""

_TOO_MUCH = frozenset(
    {"Throttling", "ThrottlingException", "Throttled", "ThrottledException", "TooManyRequestsException"}
)
_TOO_MANY_REQUESTS = 429

Never = Callable[[str, Mapping[str, Any]], bool]
"""Whether an answer of this code is final for this message."""


def hand_over(service: str, ask: Callable[[], Any], never: Never, sleep: Callable[[float], None] = time.sleep) -> None:
    """Ask until there is an answer; one that took the message names its id for it.

    Args:
        service: its name, for what is reported.
        ask: one request.
        never: tells the answers that no second try changes.
        sleep: waits for some seconds.

    Raises:
        NotSent: try again later.
        Undeliverable: ``never`` said so; the answer is its cause.
    """
    for wait in (*WAITS_S, None):
        try:
            answer = ask()
        except ClientError as failure:
            code = str(failure.response.get("Error", {}).get("Code", ""))
            if never(code, failure.response):
                raise Undeliverable(f"{service} refused the message: {code}{_reason(failure)}") from failure
            if wait is None or not _too_much(code, failure):
                raise NotSent(f"{service} did not take the message: {code}{_reason(failure)}") from failure
            sleep(wait)
        except (BotoCoreError, ResponseParserError) as failure:
            raise NotSent(f"{service} did not answer") from failure
        else:
            if not answer.get("MessageId"):
                raise NotSent(f"{service} gave no answer of its own")
            return
    raise AssertionError


def code_of(refused: BaseException) -> str:
    """The code of the answer behind a refusal; empty where it was none of the service's."""
    cause = refused.__cause__
    return str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""


def _too_much(code: str, failure: ClientError) -> bool:
    status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return code in _TOO_MUCH or status == _TOO_MANY_REQUESTS


def _reason(failure: ClientError) -> str:
    reason = failure.response.get("Reason")
    return f" ({reason})" if reason else ""
