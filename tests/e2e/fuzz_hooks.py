"""What schemathesis is told besides the document: half of the requests that are meant well are about what is there.

Members, versions and campaigns made up at random do not exist, times are none, and most of what can be done would never
be reached.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import schemathesis

from tests.e2e.outside import RICH

REAL: Mapping[str, str] = {
    "member_id": RICH,
    "event_id": "e-rich",
    "ruleset_id": "1",
    "campaign_id": "fuzzed",
}
"""Ids of what the tests have made before."""


@schemathesis.hook
def before_call(_context: Any, case: Any, _arguments: Any) -> None:
    """Give a well-meant request ids that exist and a time that is one, depending on what it has."""
    if not case.meta.generation.mode.is_positive:
        return
    parameters = case.path_parameters or {}
    for name, real in REAL.items():
        if _is_chosen(parameters.get(name)):
            parameters[name] = real
    if isinstance(case.body, dict) and _is_chosen(case.body.get("occurred_at")):
        case.body["occurred_at"] = datetime.now(UTC).isoformat()
    if isinstance(case.body, dict) and "/campaigns" in case.path and _is_chosen(case.body.get("id")):
        free = {name: case.body[name] for name in ("id", "title", "note") if name in case.body}
        case.body = {**free, "template": "fixed_bonus", "with": {"points": 5}}


def _is_chosen(text: Any) -> bool:
    return isinstance(text, str) and (not text or zlib.crc32(text.encode(errors="surrogatepass")) % 2 == 1)
