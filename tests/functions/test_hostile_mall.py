"""Whatever is sent to the shelf of the mall is answered or refused by name: nothing in it breaks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.catalog import app
from jifen.domain.program import parse_program
from jifen.runtime import Runtime, Settings, use
from local.replay import api_request
from tests.domain.offerings import offers
from tests.functions.stage import MEMBER, OPERATOR, SHOP
from tests.store.memory_ledger import MemoryLedger

PROGRAM = parse_program(
    {"currency": "GBP", "tiers": {"levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 1_000}]}}
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
TEXT = st.text(max_size=8)
NAMES = (
    *("category", "kind", "tag", "q", "points_from", "points_to", "affordable", "in_stock", "low", "status", "sort"),
    *("limit", "cursor", "member_id"),
)
VALUES = TEXT | st.sampled_from(("true", "1", "-1", "points", "ON_SHELF", "virtual", "9" * 30, "٣", "1.0", "m"))
PATHS = (
    "/v1/rewards",
    "/v1/rewards/a",
    "/v1/rewards/b",
    "/v1/rewards/%ff",
    "/v1/rewards/%00",
    "/v1/rewards/a/stock",
    "/v1/reward-records",
    "/v1/members/m/goal",
)
BODIES: Mapping[tuple[str, str], st.SearchStrategy[Any]] = {
    ("PUT", "/v1/rewards/{}"): offers() | ANYTHING,
    ("POST", "/v1/rewards/{}/shelf"): st.fixed_dictionaries({}, optional={"on": ANYTHING, "reason": ANYTHING}),
    ("POST", "/v1/rewards/{}/stock"): st.fixed_dictionaries({}, optional={"pieces": st.integers() | ANYTHING}),
    ("POST", "/v1/rewards/{}/codes"): st.fixed_dictionaries(
        {}, optional={"codes": st.lists(TEXT, max_size=5) | ANYTHING}
    ),
    ("POST", "/v1/rewards/import"): st.fixed_dictionaries(
        {"rewards": st.lists(offers() | st.dictionaries(TEXT, ANYTHING, max_size=3), max_size=3)},
        optional={"dry_run": ANYTHING},
    ),
    ("PUT", "/v1/members/m/goal"): st.fixed_dictionaries(
        {}, optional={"reward_id": TEXT | st.sampled_from(("a", "b")) | st.none() | ANYTHING}
    ),
    ("POST", "/v1/members/m/restock-notices"): st.fixed_dictionaries(
        {}, optional={"reward_id": TEXT | st.sampled_from(("a", "b")), "on": ANYTHING}
    ),
}


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """One event of API Gateway."""
    if draw(st.booleans()):
        query = draw(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4))
        scopes = draw(st.sampled_from((MEMBER, SHOP, OPERATOR)))
        return api_request("GET", draw(st.sampled_from(PATHS)), None, "m", scopes, query=query)
    method, path = draw(st.sampled_from(sorted(BODIES)))
    body = draw(BODIES[method, path])
    sent = body if isinstance(body, dict) else {"x": body}
    key = f"k{draw(st.integers(0, 500))}"
    return api_request(method, path.format(draw(st.sampled_from("abc"))), sent, "m", OPERATOR, key=key)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(requests(), min_size=1, max_size=6))
def test_no_request_breaks_the_shelf(events: list[dict[str, Any]]) -> None:
    """Any requests in any order: each is answered, and those refused are told why."""
    ledger = MemoryLedger(PROGRAM)
    at = datetime(2026, 3, 10, tzinfo=UTC)
    runtime = Runtime(
        Settings(program=PROGRAM, signing_secret="a signing secret of the tests, long enough"),
        clock=lambda: at,
        ledger=ledger,
    )
    with use(runtime):
        for event in events:
            answer = app.handler(event, None)
            assert answer["statusCode"] < 500, answer["body"]
            body = json.loads(answer["body"])
            assert answer["statusCode"] == 200 or body["code"] != "REFUSED"
