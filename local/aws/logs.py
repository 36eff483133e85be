"""What the functions have written, from the log groups that the template gives them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from local import template
from local.aws.sam import STACK

_PLATFORM = ("INIT_START ", "START RequestId: ", "END RequestId: ", "REPORT RequestId: ")
"""How the lines begin that Lambda itself writes around each call."""


def function_names() -> list[str]:
    """Give the names of the functions as their folders and log groups have them."""
    return sorted(name.lower() for name in template.resources(template.load(), "AWS::Serverless::Function"))


def read_logs(
    client: Any, functions: Sequence[str], since_s: float, *, everything: bool = True
) -> list[dict[str, str]]:
    """Give what `functions` have written since an instant (seconds of the epoch), oldest first.

    A row has `time`, `function` and `message`; `client` is a boto3 `logs` client. Without `everything`, the lines of
    Lambda itself and metrics are left out.
    """
    rows: list[tuple[int, str, str]] = []
    for name in functions:
        pages = client.get_paginator("filter_log_events").paginate(
            logGroupName=f"/jifen/{STACK}/{name}", startTime=int(since_s * 1000)
        )
        rows += [
            (event["timestamp"], name, event["message"].rstrip("\n")) for page in pages for event in page["events"]
        ]
    rows.sort(key=lambda row: row[0])
    return [
        {
            "time": datetime.fromtimestamp(stamp / 1000, UTC).isoformat(timespec="milliseconds"),
            "function": name,
            "message": text,
        }
        for stamp, name, text in rows
        if everything or not _is_by_the_way(text)
    ]


def _is_by_the_way(text: str) -> bool:
    if text.startswith(_PLATFORM):
        return True
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and "_aws" in said
