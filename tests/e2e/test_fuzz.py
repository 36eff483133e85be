"""Thousands of requests that nobody would think of: none is answered 5xx, none in a way the document does not have.

Schemathesis draws them from the document, well-meant and not; deliveries, which have to be signed, are drawn here.
"""

from __future__ import annotations

import copy
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.openapi import PATH
from tests.e2e.outside import PROGRAM, RICH, SAMPLES, Outside, order, until

pytestmark = pytest.mark.e2e

PROJECT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("schemathesis")
SEED = 20_261_122
EXAMPLES = 10
"""Drawn requests for each operation: counted, not timed, so that each is reached however busy the machine is."""

TIME_MAX_S = 6
"""For what comes on top: the values at the edge of every field, and one request after another."""

FUZZED_WITHIN_S = 300
"""A run that takes longer hangs."""

OPERATORS = "^/v1/(program|rulesets|campaign|audit|reviews)"
"""Paths of operators, which are fuzzed apart: what they do changes what everybody else is answered."""

STEERING = "^/v1/(sweeps|validity|notices|webhook-endpoints)"
"""Paths of operators that rule nothing: sweeps, batches, messages, endpoints."""

MALL = "^/v1/(reward|coupons|lotteries|auctions|draws|transfers)"
"""Paths of what operators write and members take: an administrator may most of it, and what is read by an id."""

POSTED_WITHIN_S = 60.0
"""Less than the time after which a message that failed is tried again."""

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "ignored_auth",
)
LEFT_OUT: Mapping[str, str] = {
    "positive_data_acceptance": "JSON Schema takes 98.0 for an integer, a ledger does not; who has no points gets 409",
    "unsupported_method": "an HTTP API answers 404, not 405, to a method that a path does not have",
    "allow_header_conformance": "goes with 405",
    "use_after_free": "nothing is ever deleted",
    "ensure_resource_availability": "a redemption or hold has no address of its own to be read at",
    "object_level_authorization": "wants two users' tokens; test_access.py asks it of every operation",
}
"""Checks that are not asked, each with its reason."""

ANSWERED_WELL = {
    ("GET", "/v1/members/{member_id}"),
    ("GET", "/v1/members/{member_id}/lots"),
    ("GET", "/v1/members/{member_id}/entries"),
    ("GET", "/v1/members/{member_id}/proof"),
    ("PUT", "/v1/members/{member_id}/contact"),
    ("POST", "/v1/members/{member_id}/redemptions"),
    ("POST", "/v1/members/{member_id}/holds"),
    ("POST", "/v1/events"),
    ("GET", "/v1/members/{member_id}/check-ins"),
    ("POST", "/v1/members/{member_id}/check-ins"),
    ("GET", "/v1/members/{member_id}/tasks"),
    ("GET", "/v1/members/{member_id}/tier"),
    ("GET", "/v1/members/{member_id}/profile"),
    ("PUT", "/v1/members/{member_id}/profile"),
    ("PUT", "/v1/members/{member_id}/activity"),
    ("GET", "/v1/members/{member_id}/goal"),
    ("POST", "/v1/quotes"),
    ("POST", "/v1/members/{member_id}/transfers"),
    ("GET", "/v1/members/{member_id}/transfers"),
    ("GET", "/v1/members/{member_id}/points-password"),
    ("POST", "/v1/members/{member_id}/reward-orders"),
    ("GET", "/v1/members/{member_id}/reward-orders"),
    ("GET", "/v1/members/{member_id}/coupons"),
    ("POST", "/v1/members/{member_id}/restock-notices"),
    ("POST", "/v1/members/{member_id}/draws"),
    ("GET", "/v1/members/{member_id}/draws"),
    ("GET", "/v1/members/{member_id}/bids"),
}
"""Operations that the fuzzer must have reached with success; the others need an id that an earlier answer gave."""

OPERATED_WELL = {
    ("GET", "/v1/program"),
    ("PUT", "/v1/program"),
    ("GET", "/v1/rulesets"),
    ("POST", "/v1/rulesets"),
    ("GET", "/v1/rulesets/{ruleset_id}"),
    ("GET", "/v1/campaign-templates"),
    ("GET", "/v1/campaigns"),
    ("POST", "/v1/campaigns"),
    ("GET", "/v1/campaigns/{campaign_id}"),
    ("GET", "/v1/audit"),
    ("GET", "/v1/reviews"),
}
"""The same, as an administrator."""

STEERED_WELL = {
    ("GET", "/v1/sweeps"),
    ("GET", "/v1/validity/batches"),
    ("GET", "/v1/notices/failed"),
    ("GET", "/v1/webhook-endpoints"),
}
"""The same of what rules nothing."""

SOLD_WELL = {
    ("PUT", "/v1/rewards/{reward_id}"),
    ("GET", "/v1/rewards"),
    ("GET", "/v1/rewards/{reward_id}"),
    ("GET", "/v1/rewards/{reward_id}/stock"),
    ("POST", "/v1/rewards/{reward_id}/shelf"),
    ("POST", "/v1/rewards/{reward_id}/stock"),
    ("GET", "/v1/reward-records"),
    ("GET", "/v1/reward-records/{reward_id}"),
    ("GET", "/v1/reward-orders/{order_id}"),
    ("GET", "/v1/coupons/{coupon_id}"),
    ("PUT", "/v1/lotteries/{lottery_id}"),
    ("GET", "/v1/lotteries"),
    ("GET", "/v1/lotteries/{lottery_id}"),
    ("GET", "/v1/draws/{draw_id}"),
    ("PUT", "/v1/auctions/{auction_id}"),
    ("GET", "/v1/auctions"),
    ("GET", "/v1/auctions/{auction_id}"),
    ("GET", "/v1/transfers/{transfer_id}"),
}
"""The same in the mall, as an administrator; steps of the one order that is there may come after it was cancelled."""


def fuzz(
    outside: Outside, document: Path, folder: Path, *more: str, who: str = "shop", ids: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command over a document against the stack, with a machine's token; its report goes to `folder`."""
    arguments = [
        *(str(COMMAND), "run", str(document), "--url", outside.stack.api, "--no-color"),
        *("-H", f"Authorization: Bearer {outside.machine(who)}", "--checks", ",".join(CHECKS)),
        *("--seed", str(SEED), "--generation-database", "none", "--continue-on-failure", "--request-timeout", "60"),
        *("--report", "har", "--report-har-path", str(folder / "requests.har"), *more),
    ]
    variables = {**os.environ, "PYTHONPATH": str(PROJECT), "SCHEMATHESIS_HOOKS": "tests.e2e.fuzz_hooks"}
    variables["JIFEN_FUZZED_IDS"] = json.dumps(ids or {})
    return subprocess.run(
        arguments, cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=FUZZED_WITHIN_S
    )


def answers(outside: Outside, folder: Path) -> Counter[tuple[str, str, int]]:
    """How often each operation of the document was answered with each status."""
    document = json.loads(PATH.read_text(encoding="utf-8"))
    patterns = {path: re.compile(re.sub(r"\{\w+\}", "[^/?]*", path) + r"(\?.*)?") for path in document["paths"]}
    counted: Counter[tuple[str, str, int]] = Counter()
    for entry in json.loads((folder / "requests.har").read_text(encoding="utf-8"))["log"]["entries"]:
        called = entry["request"]["url"].removeprefix(outside.stack.api)
        for path, pattern in patterns.items():
            if pattern.fullmatch(called):
                counted[entry["request"]["method"], path, entry["response"]["status"]] += 1
    return counted


def test_every_check_is_asked_or_left_out_for_a_reason() -> None:
    """A check that a newer schemathesis brings is looked at by somebody."""
    shown = subprocess.run([COMMAND, "run", "--help"], capture_output=True, text=True, check=True).stdout
    (listed,) = re.findall(r"--checks.*?\[possible values:(.*?)\]", shown, re.DOTALL)

    assert {*CHECKS, *LEFT_OUT, "all"} == {name.strip() for name in listed.split(",")}


@pytest.fixture(scope="module")
def rich(outside: Outside) -> Mapping[str, str]:
    """Ids of what a member with many points has got: an order, a coupon, a draw, a transfer."""
    outside.give(RICH, 1_000_000)
    token, now = outside.machine(), datetime.now(UTC)
    today, prize = now.astimezone(ZoneInfo(PROGRAM["time_zone"])).date(), {"kind": "service", "odds": "0.5"}
    coupon = {"kind": "amount", "discount_minor": 500}
    ends = (now + timedelta(days=9)).isoformat()
    for path, content in (
        ("rewards/fuzzed", {"points": 1, "quantity_max": 2}),
        ("rewards/fuzzed-off", {"kind": "coupon", "points": 1, "stock": {"counted": False}, "coupon": coupon}),
        (
            "lotteries/fuzzed",
            {"from": f"{today}", "days": 9, "cost": 1, "prizes": [{"id": "p", "title": "P", **prize}]},
        ),
        ("auctions/fuzzed", {"from": now.isoformat(), "until": ends, "max_points": 1_000}),
    ):
        written = outside.operate("PUT", f"/v1/{path}", {"title": "Fuzzed"} | content)
        assert 200 == written.status, written
    assert 200 == outside.operate("POST", "/v1/rewards/fuzzed/stock", {"pieces": 10_000}).status

    def got(what: str, body: Mapping[str, Any], name: str) -> Any:
        path = f"/v1/members/{RICH}/{what}"
        made = outside.call("POST", path, body, token=token, key=f"{what}-{len(body)}-{name}")
        assert 201 == made.status, made
        return made.body[name]

    (held,) = got("reward-orders", {"reward_id": "fuzzed-off"}, "coupons")
    return {
        "order_id": got("reward-orders", {"reward_id": "fuzzed"}, "order_id"),
        "coupon_id": held,
        "draw_id": got("draws", {"lottery_id": "fuzzed"}, "draw_id"),
        "transfer_id": got("transfers", {"to": "m-fuzz-friend", "points": 1}, "transfer_id"),
    }


@pytest.mark.usefixtures("rich")
def test_no_request_finds_an_answer_that_is_not_in_the_document(outside: Outside, tmp_path: Path) -> None:
    """All operations in all phases; many requests find what they ask for, so much is reached."""
    others = f"{OPERATORS}|{STEERING}|{MALL}"

    found = fuzzed(outside, tmp_path, "shop", "--exclude-path-regex", others)

    assert operations(lambda path: not re.match(others, path)) <= asked(found)
    assert set() == ANSWERED_WELL - asked(found, 200, 201)
    assert outside.is_proved(RICH)


def test_no_operators_request_does_either(outside: Outside, tmp_path: Path) -> None:
    """As an administrator, who publishes whatever comes; the stack's own program is in force again at the end."""
    outside.operate("POST", "/v1/rulesets", {"currency": "CNY"})
    outside.operate("POST", "/v1/campaigns", {"id": "fuzzed", "template": "fixed_bonus", "with": {"points": 5}})
    try:
        found = fuzzed(outside, tmp_path, "admin", "--include-path-regex", OPERATORS)
    finally:
        outside.roll_back()

    assert operations(lambda path: re.match(OPERATORS, path) is not None) <= asked(found)
    assert set() == OPERATED_WELL - asked(found, 200, 201)


def test_no_request_about_sweeps_messages_and_endpoints_does_either(outside: Outside, tmp_path: Path) -> None:
    """As an administrator; sweeps run on at the end, and no endpoint stays."""
    try:
        found = fuzzed(outside, tmp_path, "admin", "--include-path-regex", STEERING)
    finally:
        for sweep in ("expire", "remind"):
            outside.operate("PUT", f"/v1/sweeps/{sweep}", {"paused": False, "accounts_per_second": None})
        for one in outside.operate("GET", "/v1/webhook-endpoints").body["endpoints"]:
            outside.operate("POST", f"/v1/webhook-endpoints/{quote(one['id'])}/delete", {}, who="admin")

    assert operations(lambda path: re.match(STEERING, path) is not None) <= asked(found)
    assert set() == STEERED_WELL - asked(found, 200, 201)


def test_no_request_in_the_mall_does_either(outside: Outside, tmp_path: Path, rich: Mapping[str, str]) -> None:
    """As an administrator, who writes rewards and lotteries, and takes steps of what is there."""
    found = fuzzed(outside, tmp_path, "admin", "--include-path-regex", MALL, ids=rich)

    assert operations(lambda path: re.match(MALL, path) is not None) <= asked(found)
    assert set() == SOLD_WELL - asked(found, 200, 201)
    assert outside.is_proved(RICH)


def fuzzed(
    outside: Outside, folder: Path, who: str, *which: str, ids: Mapping[str, str] | None = None
) -> Counter[tuple[str, str, int]]:
    """How often each operation was answered with each status, where nothing wrong was found."""
    found: Counter[tuple[str, str, int]] = Counter()
    for bounds in (
        ("--phases", "examples,fuzzing", "--max-examples", str(EXAMPLES)),
        ("--phases", "coverage,stateful", "--max-time", str(TIME_MAX_S)),
    ):
        done = fuzz(outside, PATH, folder, *which, *bounds, who=who, ids=ids)
        assert 0 == done.returncode, done.stdout[-6_000:] + done.stderr[-2_000:]
        found += answers(outside, folder)

    assert not any(status >= 500 for _, _, status in found)
    return found


def operations(is_meant: Callable[[str], bool]) -> set[tuple[str, str]]:
    """The operations of the document whose path is meant."""
    paths = json.loads(PATH.read_text(encoding="utf-8"))["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods if is_meant(path)}


def asked(found: Counter[tuple[str, str, int]], *statuses: int) -> set[tuple[str, str]]:
    """The operations that were answered with one of these statuses; with any, where none is named."""
    return {(method, path) for method, path, status in found if not statuses or status in statuses}


@pytest.mark.parametrize("wrong", ["an answer is missing", "a field has another type"])
def test_the_fuzzer_does_find_what_is_wrong(outside: Outside, tmp_path: Path, wrong: str) -> None:
    """Against a document with a mistake put into it on purpose, the same run fails and names it."""
    document = json.loads(PATH.read_text(encoding="utf-8"))
    if wrong == "an answer is missing":
        del document["paths"]["/v1/members/{member_id}/redemptions"]["post"]["responses"]["422"]
        path, check = "/v1/members/{member_id}/redemptions", "Undocumented status code"
    else:
        document["components"]["schemas"]["Member"]["properties"]["available"] = {"type": "string"}
        path, check = "/v1/members/{member_id}", "Response violates schema"
    document["paths"] = {path: document["paths"][path]}
    mistaken = tmp_path / "mistaken.json"
    mistaken.write_text(json.dumps(document), encoding="utf-8")

    done = fuzz(
        outside,
        mistaken,
        tmp_path,
        "--phases",
        "fuzzing",
        "--max-examples",
        "10",
        "--max-time",
        "10",
        "--no-shrink",
    )

    assert 1 == done.returncode, done.stdout[-3_000:]
    assert check in done.stdout, done.stdout[-3_000:]


# Deliveries ----------------------------------------------------------------------------------------------------------

REFUND = {
    "type": "order.refunded",
    "event_id": "refund-1",
    "order_id": "o-fuzz",
    "refund_id": "r-1",
    "customer_id": "m-fuzz",
    "occurred_at": "2026-11-20T10:00:00Z",
    "currency": "CNY",
    "lines": [{"sku": "TEA", "qty": 1, "unit_price_minor": 100, "orig_line": 1}],
    "total_minor": 100,
}
OWN: Mapping[str, Mapping[str, Any]] = {
    "standard": {"order_id": "o-fuzz-sample", "customer_id": "m-fuzz"},
    "shopify": {"id": 990_001, "customer": {"id": 990_011}},
    "woocommerce": {"id": 990_002, "customer_id": 990_012},
}
"""An order and a member of our own in place of a sample's, whose points other tests look at."""

BODIES: list[tuple[str, dict[str, Any]]] = [
    *((path.stem, json.loads(path.read_text("utf-8"))["body"] | OWN[path.stem]) for path in SAMPLES),
    ("standard", order("m-fuzz", "o-fuzz", 12)),
    ("standard", REFUND),
    ("standard", {**order("m-fuzz", "o-fuzz", 12), "type": "order.cancelled"}),
]
"""Well-formed bodies, out of which the hostile ones are made."""

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**31, 2**63, 10**18, 10**400, -0.0, 0.1, 1e308, "1e999", "NaN", "-1", "0.005", "", " "]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=()), max_size=40),
    st.sampled_from(
        ["\ud800", "\x00", "a" * 129, "2026-11-20T10:00:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"]
    ),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def like(value: Any) -> st.SearchStrategy[Any]:
    """Values of the same kind as one that is good, so that many of these bodies are still read to their end."""
    if isinstance(value, bool) or value is None:
        return st.sampled_from([True, False, None])
    if isinstance(value, int):
        return st.integers(0, 2_000_000) | st.sampled_from([0, 1, 2**31, 2**63 - 1])
    if isinstance(value, str) and re.fullmatch(r"[\d.]+", value):
        return st.decimals(0, 10**7, places=2).map(str)
    if isinstance(value, str):
        return st.text(min_size=1, max_size=20) | st.just(value.lower()) | st.just(value.upper())
    return VALUES


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [each for key, child in inner for each in [(*path, key), *places(child, (*path, key))]]


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[str, bytes]:
    """A source and a body: a good one with some of it replaced or taken away, any JSON at all, or any bytes."""
    source, good = draw(st.sampled_from(BODIES))
    kind = draw(st.sampled_from(["changed"] * 8 + ["any", "bytes"]))
    if kind == "bytes":
        return source, draw(st.binary(min_size=1, max_size=200))
    body: Any = copy.deepcopy(good) if kind == "changed" else draw(VALUES)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 4])) if kind == "changed" else 0):
        where = draw(st.sampled_from(places(body)))
        parent = body
        for key in where[:-1]:
            parent = parent[key]
        how = draw(st.sampled_from(["like", "like", "any", "gone or twice"]))
        if how != "gone or twice":
            parent[where[-1]] = draw(like(parent[where[-1]]) if how == "like" else VALUES)
        elif isinstance(parent, dict):
            del parent[where[-1]]
        else:
            parent.append(copy.deepcopy(parent[where[-1]]))
    return source, json.dumps(body).encode()


def test_no_signed_delivery_breaks_anything(outside: Outside) -> None:
    """Signed by the shop, so all of it is read: taken or told what is wrong with it, and what is taken can be posted.

    Sent as bytes, because API Gateway hands over a text that is none with its bytes replaced.
    """
    statuses: Counter[int] = Counter()

    @settings(max_examples=400, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(deliveries())
    def deliver(drawn: tuple[str, bytes]) -> None:
        source, raw = drawn
        reply = outside.deliver(source, raw, {"content-type": "application/octet-stream"})
        statuses[reply.status] += 1
        assert reply.status in {200, 202, 400}, (source, raw, reply)

    deliver()

    assert {200, 202, 400} == statuses.keys()
    until(lambda: outside.waiting("OrdersQueue"), lambda count: count == 0, POSTED_WITHIN_S)
    for member in ("m-fuzz", "990011", "990012"):
        assert outside.is_proved(member)
