"""What schemathesis is told besides the document: half of the requests that are meant well are about what is there.

Members, versions and campaigns made up at random do not exist, times are none, and most of what can be done would never
be reached.
"""

from __future__ import annotations

import json
import os
import uuid
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
    "reward_id": "fuzzed",
    "lottery_id": "fuzzed",
    "auction_id": "fuzzed",
    **json.loads(os.environ.get("JIFEN_FUZZED_IDS", "{}")),
}
"""Ids of what the tests have made before; those that are only known then come by the environment."""

POINTS_MAX = 1_000

NAMED = ("reward_id", "lottery_id", "auction_id", "member_id")
"""What a body or a query names."""

WRITTEN: Mapping[str, Mapping[str, Any]] = {
    "/v1/rewards/{reward_id}": {"title": "Fuzzed", "kind": "service", "points": 1, "quantity_max": 50},
    "/v1/auctions/{auction_id}": {"title": "Fuzzed", "from": "2030-01-01T00:00:00Z", "until": "2030-01-02T00:00:00Z"},
    "/v1/lotteries/{lottery_id}": {"title": "Fuzzed", "cost": 1, "from": "2030-01-01", "days": 3, "prizes": [
        {"id": "p", "title": "P", "kind": "points", "points": 1, "odds": "0.5"}]},
}  # fmt: skip
"""What an operator writes by these paths; hardly any of all the objects there are is one of them."""

DONE: Mapping[str, Mapping[str, Any]] = {
    "/v1/members/{member_id}/redemptions": {"points": 1},
    "/v1/members/{member_id}/holds": {"points": 1},
    "/v1/members/{member_id}/transfers": {"to": "m-fuzz-friend", "points": 1},
    "/v1/members/{member_id}/reward-orders": {"reward_id": "fuzzed"},
    "/v1/members/{member_id}/draws": {"lottery_id": "fuzzed"},
    "/v1/rewards/{reward_id}/shelf": {"on": True},
    "/v1/rewards/{reward_id}/stock": {"pieces": 1},
    "/v1/reward-orders/{order_id}/address": {"name": "Wang", "phone": "1", "street": "Nanjing Road 1"},
}
"""What is done with what is there."""


@schemathesis.hook
def before_call(_context: Any, case: Any, _arguments: Any) -> None:
    """Give a well-meant request ids that exist and a time that is one, depending on what it has."""
    if not case.meta.generation.mode.is_positive:
        return
    for given in (case.path_parameters, case.query, case.body):
        for name in REAL if given is case.path_parameters else NAMED:
            if isinstance(given, dict) and _is_chosen(given.get(name)):
                given[name] = REAL[name]
    if isinstance(case.body, dict):
        _mend(case)
        _replace(case)


def _mend(case: Any) -> None:
    """Make a time one of today, points not more than there are, and a campaign one that can be made."""
    points = case.body.get("points")
    if (case.path_parameters or {}).get("member_id") == RICH and isinstance(points, int) and points > POINTS_MAX:
        case.body["points"] = points % POINTS_MAX + 1  # or the first few requests would take all there is
    if _is_chosen(case.body.get("occurred_at")):
        case.body["occurred_at"] = datetime.now(UTC).isoformat()
    if "/campaigns" in case.path and _is_chosen(case.body.get("id")):
        free = {name: case.body[name] for name in ("id", "title", "note") if name in case.body}
        case.body = {**free, "template": "fixed_bonus", "with": {"points": 5}}


def _replace(case: Any) -> None:
    """Write or do what can be, in place of most of what was drawn; what others ask for is not written over."""
    drawn = json.dumps(case.body)
    if case.method.upper() == "PUT" and case.path in WRITTEN:
        case.path_parameters = {name: f"fuzzed-{_number(value) % 9}" for name, value in case.path_parameters.items()}
    if _number(drawn) % 4 == 0:
        return
    if case.method.upper() == "PUT" and case.path in WRITTEN:
        case.body = {**WRITTEN[case.path]}
    if case.method.upper() == "POST" and case.path in DONE:
        case.body = {**DONE[case.path]}
        if "idempotency-key" in case.headers:  # one that was drawn is often one that was used, for something else
            case.headers["Idempotency-Key"] = uuid.uuid4().hex
        case.path_parameters = {name: REAL[name] for name in case.path_parameters}


def _is_chosen(text: Any) -> bool:
    return isinstance(text, str) and (not text or _number(text) % 2 == 1)


def _number(text: str) -> int:
    return zlib.crc32(text.encode(errors="surrogatepass"))
