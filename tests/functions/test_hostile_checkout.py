"""What strangers send to the checkout: quotes, orders in redemptions and holds; each gets one exact answer.

Rows and check are those of :mod:`tests.functions.test_hostile`, on a shop that has a limit of every kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any, NamedTuple

import pytest

from jifen.domain.orders import LINES_MAX
from jifen.runtime import use
from tests.functions.stage import ADMIN, MEMBER, Stage, line, paid
from tests.functions.test_hostile import (
    DEEP_SHORT,
    FORBIDDEN,
    GONE,
    HUGE_NUMBER,
    INVALID,
    LONG_ID,
    NO_TOKEN,
    OTHER,
    OWNER,
    SPEND,
    SURROGATE,
    TEXTS,
    Build,
    Hostile,
    call,
    changed,
    hold_to_its_row,
    reserve,
    spend,
)

PROGRAM = {
    "currency": "GBP",
    "redemption": {
        "min_points": 10,
        "step_points": 10,
        "min_order_minor": 100,
        "min_discount_minor": 10,
        "max_order_share": "0.30",
        "max_points_per_order": 400,
        "max_points_per_day": 300,
        "times_per_day": 2,
        "lines": [{"categories": ["gift_cards"], "max_share": "0"}],
    },
    "security": {"password_above": 100},
}
_names = count(1)
LIMIT = (409, "LIMIT_REACHED")
LACKING = (409, "INSUFFICIENT_POINTS")
QUOTE: dict[str, Any] = {"member_id": OWNER, "order": {"lines": [line(10_000)]}}


class Seed(NamedTuple):
    """There is nothing in it that rows need."""


def quote(body: Any, **more: Any) -> Build:
    """A quote."""
    return call("POST", "/v1/quotes", body, **{"key": None, **more})


def of_order(order: Any) -> dict[str, Build]:
    """The same order in each request that takes one."""
    return {
        "quote": quote(QUOTE | {"order": order}),
        "redeem": spend(SPEND | {"order": order}),
        "hold": reserve(SPEND | {"order": order}),
    }


def with_line(**fields: Any) -> Any:
    """An order of a line with some fields changed."""
    return {"lines": [changed(line(10_000), fields)]}


NUMBERS: list[tuple[str, Any]] = [
    ("negative", -1),
    ("a float", 1.5),
    ("a whole float", 1.0),
    ("true", True),
    ("false", False),
    ("a text", "1"),
    ("a list", [1]),
    ("an object", {}),
    ("10^40", 10**40),
]
ORDERS: list[tuple[str, Any]] = [
    ("a number", 1),
    ("a text", "order"),
    ("a list", [line(100)]),
    ("without lines", {}),
    ("lines null", {"lines": None}),
    ("lines an object", {"lines": {"0": line(100)}}),
    ("lines of numbers", {"lines": [1]}),
    ("lines of null", {"lines": [None]}),
    ("20,001 lines", {"lines": [{"line_total_minor": 1}] * (LINES_MAX + 1)}),
    ("a line of nothing", {"lines": [{}]}),
    ("a line without price", with_line(unit_price_minor=GONE)),
    ("a line without pieces", with_line(qty=GONE)),
    ("a line of null", with_line(unit_price_minor=None)),
    ("10^9 pieces of 10^14", with_line(qty=10**9, unit_price_minor=10**14)),
    ("10^9 + 1 pieces", with_line(qty=10**9 + 1, unit_price_minor=0)),
    ("10^14 + 1 for a piece", with_line(unit_price_minor=10**14 + 1)),
    ("lines that add up to more than any shop sells", {"lines": [line(10**14), line(10**14, 2)]}),
    ("a number twice", {"lines": [line(1), line(2)]}),
    ("a number that another has by its place", {"lines": [line(1, 2), changed(line(2), {"n": GONE})]}),
    ("more tax than price", with_line(tax_minor=10_001)),
    ("an unknown kind", with_line(kind="goodies")),
    ("a kind in upper case", with_line(kind="GOODS")),
    ("a kind that is a number", with_line(kind=1)),
    ("a long category", with_line(category="c" * 257)),
    ("a long sku", with_line(sku="s" * 257)),
    ("a lone surrogate", with_line(category=SURROGATE)),
    ("another currency", {"currency": "USD", **with_line()}),
    ("an unknown currency", {"currency": "ZZZ", **with_line()}),
    ("a currency in lower case", {"currency": "gbp", **with_line()}),
    ("a currency with a newline", {"currency": "GBP\n", **with_line()}),
    ("a currency of a number", {"currency": 1, **with_line()}),
    *(
        (f"{field}: {name}", with_line(**{field: value}))
        for field in ("n", "qty", "unit_price_minor", "line_total_minor", "tax_minor")
        for name, value in NUMBERS
    ),
    *(
        (f"{field}: {name}", with_line(**{field: value}))
        for field in ("sku", "category")
        for name, value in NUMBERS[1:3]
    ),
]
TOO_LONG = {"lines": [line(1, 1)], "ignored": "x" * 3_000_000}
FIELDS: list[tuple[str, Any, Any]] = [
    *(("up_to", name, value) for name, value in (("a text", "true"), ("a number", 1), ("null", None))),
    *(("source", name, value) for name, value in TEXTS),
    ("source", "in upper case", "Shopify"),
    ("source", "of a shop that nobody hears of", "shopfiy"),
    ("source", "with a hash", "a#b"),
    ("source", "null", None),
    ("password", "empty", ""),
    ("password", "129 characters", "p" * 129),
    ("password", "a number", 1234),
    ("password", "a list", ["p"]),
    ("password", "a lone surrogate", SURROGATE),
    ("order_total", "another currency", {"amount_minor": 1, "currency": "USD"}),
]


def rows() -> Iterator[Hostile]:
    """Everything, and its answer."""
    for name, order in [*ORDERS, ("too long", TOO_LONG)]:
        for way, build in of_order(order).items():
            yield Hostile(f"{way}, order {name}", build, *INVALID)
    for field, name, value in FIELDS:
        yield Hostile(f"redeem {field}: {name}", spend(SPEND | {field: value}), *INVALID)
        yield Hostile(f"hold {field}: {name}", reserve(SPEND | {field: value}), *INVALID)
    for name, value in [*TEXTS, ("missing", GONE), ("null", None), ("an object", {})]:
        yield Hostile(f"quote member_id: {name}", quote(changed(QUOTE, {"member_id": value})), *INVALID)
    for field, amount in (("discount", "discount"), ("order_total", "total")):
        for name, value in NUMBERS:
            asked = {field: {"amount_minor": value, "currency": "GBP"}}
            yield Hostile(f"quote {amount}: {name}", quote(QUOTE | asked), *INVALID)
        other = {field: {"amount_minor": 1, "currency": "USD"}}
        yield Hostile(f"quote {amount} in another currency", quote(QUOTE | other), *INVALID)
    for name, body in [
        ("missing", None),
        ("empty", ""),
        ("null", "null"),
        ("a list", "[]"),
        ("not JSON", "{"),
        ("deep", DEEP_SHORT),
        ("a number of 5,000 digits", json.dumps(QUOTE).replace("10000", HUGE_NUMBER)),
        ("NaN", json.dumps(QUOTE).replace("10000", "NaN")),
        ("1e400", json.dumps(QUOTE).replace("10000", "1e400")),
    ]:
        yield Hostile(f"quote body: {name}", quote(body), *INVALID)
    yield from callers()
    yield from beyond()


def callers() -> Iterator[Hostile]:
    """Whose token it is."""
    another = {"subject": OTHER, "scopes": MEMBER}
    yield Hostile("quote with another member's token", quote(QUOTE, **another), *FORBIDDEN)
    yield Hostile("quote percent-encoded for another", quote(QUOTE | {"member_id": "m%2D1"}, **another), *FORBIDDEN)
    yield Hostile("quote without a scope", quote(QUOTE, scopes="openid"), *FORBIDDEN)
    yield Hostile("quote without a subject", quote(QUOTE, subject=""), *NO_TOKEN)
    yield Hostile("quote of a member of 129 characters", quote(QUOTE | {"member_id": LONG_ID}, scopes=ADMIN), *INVALID)
    yield Hostile("redeem with another member's token", spend(SPEND | {"order": with_line()}, **another), *FORBIDDEN)
    yield Hostile("redeem with no key", spend(SPEND, key=None), 400, "IDEMPOTENCY_KEY_MISSING")


def beyond() -> Iterator[Hostile]:
    """What limits do not allow, in every form."""
    order = {"order": with_line()}
    for way, ask in (("redeem", spend), ("hold", reserve)):
        for name, body, answer in [
            ("half a step", {"points": 15}, LIMIT),
            ("below the least", {"points": 9}, LIMIT),
            ("more than an order", {"points": 410, **order}, LIMIT),
            ("more than the day", {"points": 310}, LIMIT),
            ("10^12", {"points": 10**12}, LIMIT),
            ("10^12 of an order", {"points": 10**12, **order}, LIMIT),
            ("of an order too small", {"points": 10, "order": with_line(unit_price_minor=99)}, LIMIT),
            ("of an order of nothing", {"points": 10, "order": {"lines": []}}, LIMIT),
            ("of an order of gift cards", {"points": 10, "order": with_line(category="gift_cards")}, LIMIT),
            ("up to, of gift cards", {"points": 10, "up_to": True, "order": with_line(category="gift_cards")}, LIMIT),
            ("of an order of shipping", {"points": 10, "order": with_line(kind="shipping")}, LIMIT),
            (
                "of an order that is discounted away",
                {"points": 10, "order": {"lines": [line(500), line(500, 2, kind="discount")]}},
                LIMIT,
            ),
            (
                "of an order with a total of nothing",
                {"points": 10, **order, "order_total": {"amount_minor": 0, "currency": "GBP"}},
                LIMIT,
            ),
            ("up to half a step", {"points": 5, "up_to": True}, LIMIT),
            ("beyond the password", {"points": 110, **order}, (403, "POINTS_PASSWORD_REQUIRED")),
            ("beyond the password, up to", {"points": 10**12, "up_to": True}, (403, "POINTS_PASSWORD_REQUIRED")),
            ("with a password that nobody set", {"points": 110, "password": "guess"}, (403, "POINTS_PASSWORD_NOT_SET")),
        ]:
            yield Hostile(f"{way} {name}", ask(body), *answer)
        empty = call("POST", f"/v1/members/nobody/{'redemptions' if way == 'redeem' else 'holds'}", {"points": 10})
        yield Hostile(f"{way} of nobody", empty, *LACKING)


ROWS = tuple(rows())


@pytest.fixture(scope="module")
def shop(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop with a limit of every kind."""
    here = Stage("hostile-checkout", program=PROGRAM)
    with use(here.runtime):
        yield here


@pytest.fixture(scope="module")
def seed(shop: Stage) -> Seed:
    """Two members with 1,000 points."""
    shop.earn(paid("o-1", OWNER, 100_000))
    shop.earn(paid("o-2", OTHER, 100_000))
    return Seed()


@pytest.fixture(scope="module")
def pages(shop: Stage, seed: Seed) -> list[list[str]]:  # noqa: ARG001 - the table as the seed left it
    """The whole table as the last row left it, alone in a list."""
    return [shop.table()]


@pytest.mark.parametrize("hostile", ROWS, ids=[hostile.name for hostile in ROWS])
def test_hostile_input_gets_its_answer_and_nothing_moves(
    shop: Stage, seed: Seed, pages: list[list[str]], hostile: Hostile
) -> None:
    """A hostile input is answered with the status and code of its row; table and queue stay as they were."""
    hold_to_its_row(shop, seed, pages, hostile)


def test_faults_are_named_by_their_place(shop: Stage, seed: Seed) -> None:  # noqa: ARG001 - there are members
    """Every line that is wrong, by its number from 0; of thousands the first twenty."""
    order = {"lines": [line(1), changed(line(1, 2), {"qty": -1}), changed(line(1, 3), {"kind": "x", "tax_minor": "1"})]}
    answer = shop.ask("POST", "/v1/quotes", QUOTE | {"order": order})
    assert ["order.lines.1.qty", "order.lines.2.kind", "order.lines.2.tax_minor"] == [
        fault["field"] for fault in answer.body["errors"]
    ]
    answer = shop.ask("POST", "/v1/quotes", QUOTE | {"order": {"lines": [{}] * LINES_MAX}})
    assert (422, 20) == (answer.status, len(answer.body["errors"]))


@pytest.mark.parametrize(
    "terms",
    [
        {"step_points": 1_000, "max_points_per_order": 400},
        {"min_points": 401, "max_points_per_order": 400},
        {"max_order_share": "0"},
        {"lines": [{"max_share": "0"}]},
        {"times_per_day": 0},
        {"max_points_per_day": 0},
        {"min_discount_minor": 10**12},
        {"min_order_minor": 10**12},
        {"worth": {"points": 10**9, "minor": 1}, "min_discount_minor": 1},
        {"worth": {"points": 1, "minor": 10**9}},
    ],
    ids=str,
)
def test_a_program_that_allows_nothing_says_so_everywhere(aws: None, terms: dict[str, Any]) -> None:  # noqa: ARG001
    """A quote of 0 with a limit that binds; every number of points is refused, and up_to too."""
    stage = Stage(f"nothing-{next(_names)}", program={"currency": "GBP", "redemption": terms})
    with use(stage.runtime):
        stage.earn(paid("o-1", OWNER, 200_000))
        before = stage.table()
        found = stage.ask("POST", "/v1/quotes", QUOTE).body["can_redeem"]
        assert (0, 0) == (found["points"], found["discount"]["amount_minor"])
        assert any(one["binding"] and one["points"] == 0 for one in found["limits"])
        for points in (1, 400, 1_000, 10**9):
            for up_to in (False, True):
                body = {"points": points, "up_to": up_to, "order": QUOTE["order"]}
                path = f"/v1/members/{OWNER}/redemptions"
                answer = stage.ask("POST", path, body, key=f"k-{points}-{up_to}")
                assert 409 == answer.status
                assert answer.code in {"LIMIT_REACHED", "INSUFFICIENT_POINTS"}
        assert before == stage.table()


def test_the_table_is_of_some_size() -> None:
    """Each row under a name of its own."""
    names = [hostile.name for hostile in ROWS]

    assert len(names) == len(set(names))
    assert len(names) > 250
