"""Trying a version of the program over the API: what it would give, and that nothing at all is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Stage, line, paid, refunded

ONE = {"id": "base", "rate": {"points": 1, "per_minor": 100}}
TEA = {"id": "tea", "rate": {"points": 2, "per_minor": 100}, "when": {"category": ["tea"]}}
FIRST = {"id": "first", "fixed": 50, "when": {"first_order": True}}
BIRTHDAY = {"id": "birthday", "multiply": "2", "when": {"birthday": "month"}}
REVIEW = {"id": "review", "on": "review.selected", "fixed": 30, "once_per": "review_id"}
TIERS = {"by": "points", "levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 1000, "multiplier": "1.5"}]}
DRAFT = {"currency": "GBP", "earning": {"rules": [ONE, TEA, FIRST, BIRTHDAY, REVIEW]}, "tiers": TIERS}

BASKET = {"lines": [line(1_000, 1, category="tea"), line(2_000, 2)]}

_keys = iter(range(1, 10**6))


@pytest.fixture(scope="module")
def drafted(stage: Stage) -> Any:
    """Two members with orders under the program in force, and version 1, a draft."""
    stage.clear()
    stage.earn(paid("o-1", "m-1", [line(10_000, 1, category="tea")]), paid("o-2", "m-1", 5_000))
    stage.earn(paid("o-3", "m-2", 4_000), refunded("o-3", "r-3", "m-2", 1_000))
    answer = stage.ask("POST", "/v1/rulesets", DRAFT, subject="wang", scopes=OPERATOR, key="draft")
    assert 201 == answer.status, answer
    return stage.remember()


@pytest.fixture
def here(stage: Stage, drafted: Any) -> Iterator[Stage]:
    """The stack as it was; after the test the whole table is what it was before it."""
    stage.go_back(drafted)
    before = stage.table()
    yield stage
    assert before == stage.table()


def simulate(here: Stage, body: dict[str, Any], version: object = 1, *, scopes: str = OPERATOR, **more: Any) -> Answer:
    """Ask as an operator, with a key of its own."""
    key = more.get("key", f"try-{next(_keys)}")
    return here.ask("POST", f"/v1/rulesets/{version}/simulate", body, subject="wang", scopes=scopes, key=key)


def tried(here: Stage, body: dict[str, Any], version: object = 1) -> Any:
    """What is tried, where that is answered 200."""
    answer = simulate(here, body, version)
    assert 200 == answer.status, answer
    return answer.body["tried"]


def points(tried: Any) -> tuple[int, int, int]:
    """Points in force, under the draft, and the difference."""
    return tried["in_force"]["points"], tried["draft"]["points"], tried["difference"]


# One order, one event -------------------------------------------------------------------------------------------------


def test_an_order_of_nobody_in_particular(here: Stage) -> None:
    """Lines are enough: 30 pounds, 10 of them tea, first order: 30 now, and 30 + 20 + 50 under the draft."""
    answer = tried(here, {"order": BASKET})

    assert (30, 100, 70) == points(answer)
    assert {"base": 30} == answer["in_force"]["grants"]
    assert {"base": 30, "tea": 20, "first": 50} == answer["draft"]["grants"]
    assert [{"points": 100, "expires_on": "2012-01-31", "active_from": None}] == answer["draft"]["lots"]
    assert {"rule": "birthday", "refused": "NOT_BIRTHDAY"} in answer["draft"]["why"]
    assert {"rule": "tea", "kept_minor": 1000, "rate": "2 per 100", "rounding": "floor", "points": 20} in answer[
        "draft"
    ]["why"]


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        ({}, 100),
        ({"orders": 1}, 50),
        ({"orders": 3, "birthday": "01-20"}, 100),
        ({"orders": 3, "birthday": "02-20"}, 50),
        ({"orders": 1, "tier": "gold"}, 75),
        ({"orders": 1, "tier": "member"}, 50),
        ({"tier": "gold", "birthday": "01-10"}, 50 + 50 + 50 + 25),
    ],
)
def test_a_stated_standing_is_what_conditions_see(here: Stage, standing: dict[str, Any], expected: int) -> None:
    """Orders until now, tier and birthday of nobody in particular; rates of 50, multipliers add."""
    assert expected == tried(here, {"order": BASKET, "standing": standing})["draft"]["points"]


def test_an_order_of_a_member_is_judged_by_the_account(stage: Stage, drafted: Any) -> None:
    """Who has bought before gets no points for a first order; who has not, does. The account stays what it is."""
    stage.go_back(drafted)
    stage.ask("POST", "/v1/rulesets/1/publish", {}, scopes=ADMIN, key="publish")
    stage.earn(paid("o-9", "m-9", 1_000))
    before = stage.table()

    known, fresh = (tried(stage, {"order": BASKET, "member_id": one}, "current") for one in ("m-9", "m-10"))

    assert ((50, 50, 0), (100, 100, 0)) == (points(known), points(fresh))
    assert before == stage.table()


def test_an_order_of_a_day_to_come(here: Stage) -> None:
    """What is paid in a birthday's month next year is judged then."""
    order = BASKET | {"occurred_at": "2012-02-10T12:00:00Z"}
    answer = tried(here, {"order": order, "standing": {"orders": 1, "birthday": "02-29"}})

    assert (30, 100, 70) == points(answer)
    assert "2013-02-28" == answer["draft"]["lots"][0]["expires_on"]


def test_an_order_that_is_known_is_tried_as_a_new_one(here: Stage) -> None:
    """The id of an order in the ledger makes no difference, and the order stays what it is."""
    assert 150 == here.member("m-1")["available"]

    answer = tried(here, {"order": paid("o-1", "x", [line(10_000, category="tea")]), "member_id": "m-1"})

    assert (100, 300, 200) == points(answer)
    assert 150 == here.member("m-1")["available"]


def test_an_event(here: Stage) -> None:
    """A review is worth nothing in force and 30 points under the draft."""
    answer = tried(here, {"event": {"type": "review.selected", "data": {"review_id": "v-1"}}, "member_id": "m-1"})

    assert (0, 30, 30) == points(answer)
    assert ("NOTHING", "AWARDED") == (answer["in_force"]["status"], answer["draft"]["status"])
    assert {"review": 30} == answer["draft"]["grants"]


def test_an_event_of_nobody_in_particular(here: Stage) -> None:
    """Only its type is needed; what the rule misses it says."""
    answer = tried(here, {"event": {"type": "review.selected"}})

    assert [{"rule": "review", "refused": "ONCE_PER_MISSING"}] == [
        line for line in answer["draft"]["why"] if "rule" in line
    ]


# Many -----------------------------------------------------------------------------------------------------------------


def test_a_made_up_past(here: Stage) -> None:
    """Orders and events in a row, from nothing: totals, rules, members, and orders that differ with both reasons."""
    events = [
        paid("x-1", "a", [line(1_000, 1, category="tea")]),
        paid("x-2", "b", 500),
        refunded("x-1", "x-r", "a", 400),
        {
            "type": "review.selected",
            "event_id": "e-1",
            "member_id": "b",
            "occurred_at": "2011-01-11T00:00:00Z",
            "data": {"review_id": "v-9"},
        },
    ]
    compared = simulate(here, {"orders": events}).body["comparison"]

    assert (4, 2, 2) == (compared["events"], compared["orders"], compared["members"])
    assert {"in_force": 11, "draft": 11 + 12 + 100 + 30, "difference": 142} == compared["total"]
    assert {"base": 0, "first": 100, "review": 30, "tea": 12} == {
        one["rule"]: one["difference"] for one in compared["rules"]
    }
    assert [("a", 6, 68), ("b", 5, 85)] == [
        (one["member_id"], one["in_force"], one["draft"]) for one in compared["by_member"]
    ]
    assert (2, 0, 2) == (compared["gain"], compared["lose"], compared["orders_differ"])
    assert ["x-1", "x-2"] == [one["order_id"] for one in compared["differing"]]
    assert {"rule": "base", "points": 6} == {
        name: value for name, value in compared["differing"][0]["why_in_force"][0].items() if name in {"rule", "points"}
    }


def test_the_past_of_members_by_name(here: Stage) -> None:
    """Their orders as the ledger has them, refunds included; who is not there has no past."""
    answer = simulate(here, {"past": {"members": ["m-2", "m-1", "nobody"]}}).body

    assert [("m-1", 150, 400), ("m-2", 30, 80), ("nobody", 0, 0)] == [
        (one["member_id"], one["in_force"], one["draft"]) for one in answer["comparison"]["by_member"]
    ]
    assert (None, [], 3, 4) == (
        answer["cursor"],
        answer["incomplete"],
        answer["comparison"]["orders"],
        answer["comparison"]["events"],
    )


def test_the_past_of_everybody_page_by_page(here: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cursor leads through all members, each met once; the pages add up to what naming all gives."""
    monkeypatch.setattr("jifen.service.simulating.MEMBERS_MAX", 1)
    pages, cursor = [], None
    while True:
        page = simulate(here, {"past": {"cursor": cursor} if cursor else {}}).body
        pages.append(page["comparison"])
        cursor = page["cursor"]
        if cursor is None:
            break
    whole = simulate(here, {"past": {"members": ["m-1", "m-2"]}}).body

    assert ["m-1", "m-2"] == sorted(one["member_id"] for page in pages for one in page["by_member"])
    assert (180, 480) == (
        sum(page["total"]["in_force"] for page in pages),
        sum(page["total"]["draft"] for page in pages),
    )
    assert whole["cursor"] is not None


def test_a_cursor_holds_the_longest_id(stage: Stage, drafted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page after a member of 128 characters outside the basic plane can be asked for."""
    monkeypatch.setattr("jifen.service.simulating.MEMBERS_MAX", 1)
    stage.go_back(drafted)
    longest = "\U0001f375" * 128
    stage.earn(paid("o-7", longest, 700))
    met: list[str] = []
    cursor = None
    while not met or cursor:
        page = simulate(stage, {"past": {"cursor": cursor} if cursor else {}}).body
        met += [one["member_id"] for one in page["comparison"]["by_member"]]
        cursor = page["cursor"]

    assert {"m-1", "m-2", longest} == set(met)


def test_a_cursor_is_for_its_question_alone(here: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of other members, of another version, or made up, is refused by name."""
    monkeypatch.setattr("jifen.service.simulating.MEMBERS_MAX", 1)
    cursor = simulate(here, {"past": {"members": ["m-1", "m-2"]}}).body["cursor"]
    asked: list[tuple[dict[str, Any], object]] = [
        ({"members": ["m-2", "m-1"], "cursor": cursor}, 1),
        ({"cursor": cursor}, 1),
        ({"members": ["m-1", "m-2"], "cursor": cursor}, "current"),
        ({"members": ["m-1", "m-2"], "cursor": "MDoxMQ"}, 1),
    ]
    refused = [simulate(here, {"past": past}, version) for past, version in asked]

    assert [(422, "cursor")] * 4 == [(one.status, one.body["errors"][0]["field"]) for one in refused]
    rest = simulate(here, {"past": {"members": ["m-1", "m-2"], "cursor": cursor}}).body
    assert (["m-2"], None) == ([one["member_id"] for one in rest["comparison"]["by_member"]], rest["cursor"])


# Versions, rights, faults ---------------------------------------------------------------------------------------------


def test_the_numbers_say_what_is_compared(here: Stage) -> None:
    """The draft, the stack's own, and what is in force, which differs from itself by nothing."""
    said = {version: simulate(here, {"order": BASKET}, version).body for version in (1, 0, "current")}

    assert [(1, 0), (0, 0), (0, 0)] == [(one["number"], one["in_force"]) for one in said.values()]
    assert [70, 0, 0] == [one["tried"]["difference"] for one in said.values()]


@pytest.mark.parametrize("version", ["2", "999999", "01", "latest", "-1"])
def test_a_version_that_is_not_there(here: Stage, version: str) -> None:
    """404 by name."""
    answer = simulate(here, {"order": BASKET}, version)

    assert (404, "RULE_SET_NOT_FOUND") == (answer.status, answer.code)


@pytest.mark.parametrize(
    ("scopes", "key", "status"),
    [(OPERATOR, "k", 200), (ADMIN, "k", 200), (SHOP, "k", 403), (MEMBER, "k", 403), (OPERATOR, None, 400)],
)
def test_who_may_ask(here: Stage, scopes: str, key: str | None, status: int) -> None:
    """Operators and administrators, with a key as every POST has; the same key again asks anew."""
    first, second = (simulate(here, {"order": order}, scopes=scopes, key=key).status for order in (BASKET, BASKET))

    assert (status, status) == (first, second)


TOO_MANY = [paid(f"y-{number}", "a", 100) for number in range(201)]
BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "body"),
    ({"order": BASKET, "event": {"type": "a.b"}}, "body"),
    ({"order": {}}, "order.lines"),
    ({"order": {"lines": [{"n": 1, "qty": 1, "unit_price_minor": 1.5}]}}, "order.lines[0].unit_price_minor"),
    ({"order": BASKET | {"occurred_at": "2999-01-01T00:00:00Z"}}, "order.occurred_at"),
    ({"order": refunded("o", "r", "m", 5)}, "order.type"),
    ({"order": {"type": "review.selected"}}, "order.type"),
    ({"order": BASKET | {"type": "order.lost"}}, "order.type"),
    ({"order": BASKET, "member_id": " m"}, "order.customer_id"),
    ({"order": BASKET, "member_id": "m", "standing": {}}, "standing"),
    ({"order": BASKET, "standing": {"tier": "platinum"}}, "standing.tier"),
    ({"order": BASKET, "standing": {"birthday": "02-31"}}, "standing.birthday"),
    ({"order": BASKET, "standing": {"last_order_on": "2011-02-31"}}, "standing.last_order_on"),
    ({"event": {"type": "order.paid"}}, "event.type"),
    ({"event": refunded("o", "r", "m", 5)}, "event.type"),
    ({"event": {"type": "review"}}, "event.type"),
    ({"event": {"type": "review.selected", "data": {"a": 1.5}}}, "event.data.a"),
    ({"event": {"type": "review.selected", "data": [1]}}, "event.data"),
    ({"event": {"type": "review.selected", "occurred_at": "yesterday"}}, "event.occurred_at"),
    ({"event": {"type": "invite.accepted"}}, "data.inviter"),
    ({"orders": [BASKET]}, "orders.0.type"),
    ({"orders": TOO_MANY}, "orders"),
    ({"past": {"members": ["m"] * 51}}, "past.members"),
    ({"past": {"members": [" m"]}}, "past.members.0"),
    ({"past": {"cursor": "x"}}, "cursor"),
    ({"orders": [], "more": 1}, "more"),
]


@pytest.mark.parametrize(("body", "field"), BAD, ids=[f"{row[1]}-{at}" for at, row in enumerate(BAD)])
def test_what_is_wrong_is_named(here: Stage, body: dict[str, Any], field: str) -> None:
    """422 with the field."""
    answer = simulate(here, body)

    assert (422, field) == (answer.status, answer.body["errors"][0]["field"])
