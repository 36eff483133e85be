"""Quotes, and the order, limits and password of a redemption: what is promised is what is then given, to the point."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from jifen.runtime import use
from jifen.store.dynamo import DynamoLedger
from tests.functions.earning import Shop, cuts, refusals, shop
from tests.functions.earning import given as given_by
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Stage, line, paid

M, FRIEND = "m-1", "m-2"
NOON = "2026-06-15T12:00:00+08:00"
MIDNIGHT = "2026-06-15T16:00:00+00:00"
"""The next one in Shanghai."""

pytestmark = pytest.mark.usefixtures("aws")


def asks(
    stage: Stage,
    lines: Sequence[Mapping[str, Any]],
    member: str = M,
    scopes: str = SHOP,
    subject: str = "s",
    **more: Any,
) -> Answer:
    """Ask for a quote, without a key."""
    body = {"member_id": member, "order": {"lines": list(lines)}, **more}
    return stage.ask("POST", "/v1/quotes", body, subject=subject, scopes=scopes)


def quoted(stage: Stage, lines: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """A quote."""
    answer = asks(stage, lines, **more)
    assert 200 == answer.status, answer
    found: dict[str, Any] = answer.body
    return found


def limits(can: Mapping[str, Any]) -> dict[str, tuple[int, bool]]:
    """Limits by name: the points they allow, and whether they bind."""
    return {one["name"]: (one["points"], one["binding"]) for one in can["limits"]}


# One shop with everything --------------------------------------------------------------------------------------------

PROGRAM: dict[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "CNY",
    "earning": {
        "rules": [
            {"id": "base", "rate": {"points": 1, "per_minor": 100}, "caps": [{"per": "day", "points": 400}]},
            {"id": "tea", "rate": {"points": 1, "per_minor": 50}, "when": {"category": ["tea"]}},
            {"id": "gold", "multiply": "2", "when": {"tier": ["gold"]}},
            {"id": "birthday", "multiply": "3", "when": {"birthday": "month"}},
            {"id": "welcome", "fixed": 50, "when": {"first_order": True}},
        ],
        "caps": [{"per": "month", "points": 1000}],
    },
    "tiers": {"by": "spend", "levels": [{"id": "plain", "from": 0}, {"id": "gold", "from": 40000}]},
    "redemption": {
        "worth": {"points": 100, "minor": 100},
        "min_points": 20,
        "step_points": 10,
        "max_order_share": "0.30",
        "max_points_per_order": 150,
        "max_points_per_day": 250,
        "times_per_day": 3,
        "lines": [
            {"categories": ["gift_cards"], "max_share": "0"},
            {"unit_price_from_minor": 20000, "max_share": "0.70"},
        ],
    },
}


@pytest.fixture(scope="module")
def everything(aws: None) -> Iterator[Shop]:  # noqa: ARG001 - the table is made in it
    """A shop with caps, tiers, birthdays, first orders and every limit of the checkout."""
    stage = Stage("quotes", program=PROGRAM)
    with use(stage.runtime):
        yield Shop(stage, "CNY")


@pytest.fixture
def here(everything: Shop) -> Shop:
    """That shop with nothing in it, on a day in June."""
    everything.stage.clear()
    everything.at(NOON)
    return everything


def test_a_quote_says_what_an_order_earns_and_can_use(here: Shop) -> None:
    """Points with a line for each rule, points to use with each limit, and what it earns if they are used."""
    here.buys(M, 20_000, "o-1")
    found = quoted(here.stage, [line(10_000), line(4_000, 2, category="tea")])

    assert M == found["member_id"]
    assert 140 + 80 == found["will_earn"]["points"]
    assert {"base": 140, "tea": 80} == given_by(found["will_earn"]["why"])
    assert {"welcome": "ORDER_NUMBER", "gold": "TIER", "birthday": "NOT_BIRTHDAY"} == refusals(
        found["will_earn"]["why"]
    )
    assert (150, {"amount_minor": 150, "currency": "CNY"}) == (
        found["can_redeem"]["points"],
        found["can_redeem"]["discount"],
    )
    assert {
        "max_points_per_order": (150, True),
        "max_order_share": (4_200, False),
        "max_points_per_day": (250, False),
        "available": (250, False),
    } == limits(found["can_redeem"])
    (daily,) = [one for one in found["can_redeem"]["limits"] if one["name"] == "max_points_per_day"]
    assert MIDNIGHT == daily["resets_at"]


def test_what_an_order_earns_then_is_what_it_earns_when_points_pay_a_part(here: Shop) -> None:
    """The points of the order with a line of kind points for what they take off."""
    here.buys(M, 20_000, "o-1")
    found = quoted(here.stage, [line(10_000)])
    off = found["can_redeem"]["discount"]["amount_minor"]

    assert (100, 98) == (found["will_earn"]["points"], found["earns_then"])
    assert found["earns_then"] == here.buys(M, [line(10_000), line(off, 2, kind="points")], "o-2")


def test_a_quote_names_the_cap_that_was_hit_and_when_it_resets(here: Shop) -> None:
    """350 of 400 a day are earned: an order of 100 earns 50, and says so."""
    here.buys(M, 35_000)
    found = quoted(here.stage, [line(10_000)])

    assert 50 == found["will_earn"]["points"]
    (cut,) = cuts(found["will_earn"]["why"])
    assert ("base/day/points", 50, "2026-06-15T16:00:00Z") == (cut["cap"], cut["cut"], cut["resets_at"])


def test_a_quote_knows_tier_and_birthday(here: Shop) -> None:
    """Gold doubles, a birthday's month triples; what both add is the order's."""
    here.describes(M, birthday="06-20")
    here.buys(M, 40_000)
    here.at("2026-07-01T12:00:00+08:00")
    assert 200 == quoted(here.stage, [line(10_000)])["will_earn"]["points"]
    here.at("2027-06-01T12:00:00+08:00")
    found = quoted(here.stage, [line(5_000)])
    assert found["will_earn"]["points"] == here.buys(M, 5_000)
    assert "birthday" not in refusals(found["will_earn"]["why"])


def test_a_quote_writes_nothing_and_needs_no_key(here: Shop) -> None:
    """The table is as it was, for a member that is known and for one that nobody has seen."""
    here.buys(M, 20_000)
    before = here.stage.table()

    assert 200 == asks(here.stage, [line(10_000)]).status
    fresh = quoted(here.stage, [line(10_000)], member="nobody")

    assert before == here.stage.table()
    assert (150, 0) == (fresh["will_earn"]["points"], fresh["can_redeem"]["points"])
    assert {"available": (0, True)}.items() <= limits(fresh["can_redeem"]).items()


def test_times_a_day_are_named_once_they_are_used_up(here: Shop) -> None:
    """Three redemptions a day: the fourth has to wait for midnight, and the quote says until when."""
    here.buys(M, 25_000)
    for number in range(3):
        assert "times_per_day" not in limits(quoted(here.stage, [line(10_000)])["can_redeem"])
        assert 201 == here.stage.redeem(M, 20, f"k-{number}").status
    found = quoted(here.stage, [line(10_000)])["can_redeem"]
    refused = here.stage.redeem(M, 20, "k-4")

    assert (0, (0, True)) == (found["points"], limits(found)["times_per_day"])
    assert [MIDNIGHT] == [one["resets_at"] for one in found["limits"] if one["name"] == "times_per_day"]
    assert (409, "times_per_day", 3, MIDNIGHT) == (
        refused.status,
        *(refused.body[name] for name in ("limit", "allowed", "resets_at")),
    )
    here.at(MIDNIGHT)
    assert 150 == quoted(here.stage, [line(10_000)])["can_redeem"]["points"]


def test_points_for_a_discount_that_is_wanted(here: Shop) -> None:
    """The fewest whole steps that give at least that; whether they can be used, and which limits say no."""
    here.buys(M, 20_000)
    want = {"amount_minor": 95, "currency": "CNY"}
    found = quoted(here.stage, [line(10_000)], discount=want)["for_discount"]
    assert {"points": 100, "discount": {"amount_minor": 100, "currency": "CNY"}, "usable": True, "limits": []} == found

    found = quoted(here.stage, [line(10_000)], discount={**want, "amount_minor": 300})["for_discount"]
    assert (300, False) == (found["points"], found["usable"])
    assert {"max_points_per_order", "max_points_per_day", "available"} == {one["name"] for one in found["limits"]}


def test_an_order_that_is_known_counts_what_pays_it_already(here: Shop) -> None:
    """100 of the 150 points an order may use are used: 50 are left, for the quote and for the redemption."""
    here.buys(M, 20_000)
    assert 201 == here.stage.redeem(M, 100, "k-1", order_id="o-9").status

    found = quoted(here.stage, [line(10_000)], order_id="o-9")["can_redeem"]
    assert (50, (50, True)) == (found["points"], limits(found)["max_points_per_order"])
    assert 150 == quoted(here.stage, [line(10_000)], order_id="o-10")["can_redeem"]["points"]
    assert (409, 50) == (
        (refused := here.stage.redeem(M, 60, "k-2", order_id="o-9", order={"lines": [line(10_000)]})).status,
        refused.body["allowed"],
    )
    assert 201 == here.stage.redeem(M, 50, "k-3", order_id="o-9", order={"lines": [line(10_000)]}).status


def test_a_cancelled_order_can_use_nothing(here: Shop) -> None:
    """And says why."""
    here.buys(M, 20_000, "o-1")
    here.buys(M, 1_000, "o-2")
    here.tell(here.cancelled(M, "o-2"))
    found = quoted(here.stage, [line(1_000)], order_id="o-2")["can_redeem"]
    assert (0, (0, True)) == (found["points"], limits(found)["order_cancelled"])


def test_whose_quote_it_is(here: Shop) -> None:
    """A member asks about the own points alone; the shop and operators about any member's."""
    here.buys(FRIEND, 20_000)
    own = asks(here.stage, [line(100)], member=M, scopes=MEMBER, subject=M)
    other = asks(here.stage, [line(100)], member=FRIEND, scopes=MEMBER, subject=M)
    staff = [asks(here.stage, [line(100)], member=FRIEND, scopes=scope).status for scope in (SHOP, OPERATOR, ADMIN)]

    assert (200, 403, "FORBIDDEN") == (own.status, other.status, other.code)
    assert [200, 200, 200] == staff
    assert str(other.body).find("250") < 0


def test_a_member_s_id_is_taken_as_it_is_written(here: Shop) -> None:
    """It stands in a body, where nothing is percent-encoded: ``m%31`` is no other spelling of ``m1``."""
    assert "m%31" == quoted(here.stage, [line(100)], member="m%31")["member_id"]
    assert 403 == asks(here.stage, [line(100)], member="m%31", scopes=MEMBER, subject="m1").status


# Round trips ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("invited", "known_order", "trips"), [(False, False, 1), (True, False, 2), (False, True, 2)])
def test_a_quote_costs_one_read(invited: bool, known_order: bool, trips: int) -> None:  # noqa: FBT001 - what there is
    """Two where somebody invited the buyer, or where points pay a part of the order already; never more."""
    rules = [
        {"id": "base", "rate": {"points": 1, "per_minor": 100}},
        {"id": "joined", "on": "invite.accepted", "fixed": 5},
        {"id": "thanks", "to": "inviter", "fixed": 9},
    ]
    campaigns = [{"id": "spring", "budget_points": 1_000_000, "rules": [{"id": "double", "multiply": "2"}]}]
    with shop(NOON, earning={"rules": rules, "campaigns": campaigns}) as here:
        here.buys(FRIEND, 100)
        here.buys(M, 10_000)
        if invited:
            here.does("m-3", "invite.accepted", inviter=FRIEND)
        if known_order:
            here.stage.redeem(M, 1, "k", order_id="o-9")
        reads = 0
        load = DynamoLedger.load

        def counted(self: DynamoLedger, *given: Any) -> Any:
            nonlocal reads
            reads += 1
            return load(self, *given)

        quoted(here.stage, [line(100)])
        with patch.object(DynamoLedger, "load", counted):
            asked = {"order_id": "o-9"} if known_order else {}
            found = quoted(here.stage, [line(1_000)], member="m-3" if invited else M, **asked)
        assert trips == reads
        assert 20 == found["will_earn"]["points"]


# What is promised is given -------------------------------------------------------------------------------------------

LINES = st.lists(
    st.builds(
        lambda minor, kind, category, qty: {"qty": qty, "unit_price_minor": minor, "kind": kind, "category": category},
        st.integers(0, 30_000),
        st.sampled_from(["goods", "goods", "goods", "discount", "shipping", "points", "fee", "sample"]),
        st.sampled_from([None, "tea", "gift_cards"]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
@given(
    before=st.lists(st.integers(100, 40_000), max_size=2),
    lines=LINES,
    spent=st.lists(st.sampled_from([20, 50, 120]), max_size=2),
    birthday=st.booleans(),
    total=st.none() | st.integers(0, 60_000),
)
def test_a_quote_is_kept(
    everything: Shop,
    before: list[int],
    lines: list[dict[str, Any]],
    spent: list[int],
    birthday: bool,  # noqa: FBT001 - drawn
    total: int | None,
) -> None:
    """What it says an order earns is what the order then earns; what it says can be used is taken, a step more not."""
    here, stage = everything, everything.stage
    stage.clear()
    here.at(NOON)
    if birthday:
        here.describes(M, birthday="06-20")
    for minor in before:
        here.buys(M, minor)
    for number, points in enumerate(spent):
        stage.redeem(M, points, f"before-{number}")
    order: dict[str, Any] = {"order": {"lines": lines}}
    if total is not None:
        order["order_total"] = {"amount_minor": total, "currency": "CNY"}
    left, table = stage.remember(), stage.table()

    found = stage.ask("POST", "/v1/quotes", {"member_id": M, **order})

    assert 200 == found.status, found
    assert table == stage.table()
    can, most = found.body["can_redeem"], found.body["can_redeem"]["points"]
    more = stage.redeem(M, most + 10, "more", **order)
    assert (409, True) == (more.status, more.code in {"LIMIT_REACHED", "INSUFFICIENT_POINTS"})
    upto = stage.redeem(M, 10_000, "up-to", up_to=True, **order)
    if most:
        assert (201, most, can["discount"]) == (upto.status, upto.body["points"], upto.body["discount"])
        stage.go_back(left)
        exact = stage.redeem(M, most, "exact", **order)
        assert (201, can["discount"]) == (exact.status, exact.body["discount"])
        stage.go_back(left)
        held = stage.hold(M, most, "held", **order)
        assert (201, can["discount"]) == (held.status, held.body["discount"])
    else:
        assert upto.status == 409
        assert any(one["binding"] for one in can["limits"])
    stage.go_back(left)
    assert found.body["will_earn"]["points"] == here.buys(M, lines, "the-order")
    stage.go_back(left)
    if most:
        off = can["discount"]["amount_minor"]
        assert found.body["earns_then"] == here.buys(M, [*lines, line(off, 99, kind="points")], "the-order")


GENEROUS: dict[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "CNY",
    "earning": {
        "rules": [
            {"id": "base", "rate": {"points": 1, "per_minor": 100}, "rounding": "half_up"},
            {"id": "more", "fixed": 7, "group": "gifts", "when": {"amount_minor": {"min": 5000}}},
            {"id": "most", "fixed": 9, "group": "gifts", "pending_days": 14},
            {"id": "second", "multiply": "1.5", "when": {"order_number": {"min": 2, "max": 2}}},
            {"id": "three", "fixed": 30, "goal": {"of": "count", "reach": 3, "per": "month"}},
            {"id": "joined", "on": "invite.accepted", "fixed": 5},
            {"id": "thanks", "to": "inviter", "fixed": 11},
        ],
        "groups": {"gifts": "best_of"},
        "campaigns": [
            {
                "id": "june",
                "from": "2026-06-01",
                "until": "2026-06-30",
                "budget_points": 300,
                "rules": [{"id": "double", "multiply": "2"}],
            }
        ],
    },
    "tiers": {
        "levels": [
            {"id": "plain", "from": 0},
            {"id": "gold", "from": 300, "multiplier": "1.2", "allowance": 40},
        ]
    },
}


@pytest.fixture
def generous(aws: None) -> Iterator[Shop]:  # noqa: ARG001 - the table is made in it
    """A shop with a campaign's budget, a task, best-of rules, invitations, levels and their allowance."""
    stage = Stage("quotes-generous", program=GENEROUS)
    with use(stage.runtime):
        yield Shop(stage, "CNY")


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
@given(
    before=st.lists(st.integers(100, 30_000), max_size=3),
    invited=st.booleans(),
    days=st.sampled_from([0, 1, 20]),
    lines=LINES,
)
def test_a_quote_counts_campaigns_tasks_levels_and_invitations(
    generous: Shop,
    before: list[int],
    invited: bool,  # noqa: FBT001 - drawn
    days: int,
    lines: list[dict[str, Any]],
) -> None:
    """What the order then brings its buyer, with the task that it completes; never what a level's month brings."""
    here, stage = generous, generous.stage
    stage.clear()
    here.at(NOON)
    if invited:
        here.buys(FRIEND, 100)
        here.does(M, "invite.accepted", inviter=FRIEND)
    for minor in before:
        here.buys(M, minor)
    here.at((datetime.fromisoformat(NOON) + timedelta(days=days)).isoformat())

    def brought() -> int:
        return sum(
            one["points"]
            for one in stage.entries(M)
            if one["kind"] in {"earn", "bonus", "clawback"} and one["source"]["type"] in {"order", "task"}
        )

    had, table = brought(), stage.table()
    found = quoted(stage, lines)
    assert table == stage.table()
    here.tell(here.paid(M, lines, "the-order"))
    assert found["will_earn"]["points"] == brought() - had


NAMES = ("n", "qty", "unit_price_minor", "line_total_minor", "tax_minor", "category", "sku", "kind")
FIELDS = st.one_of(
    st.none(), st.integers(-1, 3), st.integers(10**13, 10**15), st.booleans(), st.floats(0, 3), st.text(max_size=2)
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],
)
@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, FIELDS)), max_size=2))
def test_a_quote_reads_lines_as_the_webhook_does(everything: Shop, lines: list[dict[str, Any]]) -> None:
    """What the one takes the other takes, and what the one refuses the other does."""
    stage = everything.stage
    body = {**paid("o", M, []), "lines": lines, "currency": "CNY"}
    asked = asks(stage, lines)
    if "\\ud" in json.dumps(lines):  # the webhook says so field by field, the API of the body as a whole
        return
    told = stage.deliver(body)
    stage.queued()
    assert (told.status == 202) == (asked.status == 200), (told, asked)
    assert told.status in {202, 400}
    assert asked.status in {200, 422}


# The order of a redemption -------------------------------------------------------------------------------------------


def test_a_key_stands_for_order_source_and_up_to_but_not_for_the_password(here: Shop) -> None:
    """Another line, shop or manner is another request; the same again with or without a password is the same."""
    here.buys(M, 20_000)
    body = {"points": 50, "order_id": "o", "order": {"lines": [line(10_000)]}}
    path = f"/v1/members/{M}/redemptions"
    first = here.stage.ask("POST", path, body, key="k")
    assert 201 == first.status
    for same in ({}, {"password": "secret-1"}, {"up_to": False}, {"source": "standard"}):
        assert first.body == here.stage.ask("POST", path, {**body, **same}, key="k").body
    for other in (
        {"up_to": True},
        {"source": "shopify"},
        {"order": {"lines": [line(10_001)]}},
        {"order": {"lines": [line(10_000, category="tea")]}},
        {"order": None},
    ):
        assert "IDEMPOTENCY_KEY_REUSED" == here.stage.ask("POST", path, {**body, **other}, key="k").code


def test_up_to_is_answered_again_with_what_it_took(here: Shop) -> None:
    """A retry takes nothing more, though there is more by then."""
    here.buys(M, 8_000)
    first = here.stage.redeem(M, 1_000, "k", up_to=True)
    here.buys(M, 10_000)
    again = here.stage.redeem(M, 1_000, "k", up_to=True)

    assert (201, 130) == (first.status, first.body["points"])
    assert first.body == again.body
    assert here.stage.proved(M)


def test_a_hold_up_to_is_captured_for_what_it_took(here: Shop) -> None:
    """Its points are those that were reserved; refunded with the order they go back."""
    here.buys(M, 8_000)
    hold = here.stage.hold(M, 1_000, "k", up_to=True, order_id="o-9", order={"lines": [line(10_000)]}).body
    captured = here.stage.ask("POST", f"/v1/holds/{hold['hold_id']}/capture", {}, key="c")

    assert (130, 130, 0) == (hold["points"], captured.body["points"], captured.body["released"])
    assert here.stage.proved(M)


def test_an_order_of_many_lines_fits(here: Shop) -> None:
    """Beyond the 64 kB of other requests: as many lines as the webhook takes."""
    here.buys(M, 20_000)
    lines = [line(1, number, sku="s" * 40) for number in range(1, 5_001)]
    found = quoted(here.stage, lines)
    assert (50, 150) == (found["will_earn"]["points"], found["can_redeem"]["points"])
    assert 201 == here.stage.redeem(M, 150, "k", order={"lines": lines}).status


def test_a_voided_hold_leaves_its_use_of_the_day(here: Shop) -> None:
    """A hold counts when it is made: what becomes of it gives the day's limits nothing back."""
    here.buys(M, 25_000)
    hold = here.stage.hold(M, 200, "k").body["hold_id"]
    assert 200 == here.stage.ask("POST", f"/v1/holds/{hold}/void", key="v").status

    assert (50, True) == limits(quoted(here.stage, [line(100_000)])["can_redeem"])["max_points_per_day"]
    assert "max_points_per_day" == here.stage.redeem(M, 60, "k-2").body["limit"]


# The points password -------------------------------------------------------------------------------------------------


@pytest.fixture
def secured() -> Iterator[Shop]:
    """A member with 1,000 points and a password, in a program that asks for it above 100 a day."""
    with shop(NOON, security={"password_above": 100, "tries": 3, "lock_minutes": 30}) as here:
        here.buys(M, 100_000)
        path = f"/v1/members/{M}/points-password"
        assert 200 == here.stage.ask("PUT", path, {"password": "open-sesame"}, subject=M, scopes=MEMBER).status
        yield here


def test_much_needs_the_password_however_it_is_split(secured: Shop) -> None:
    """100 a day go without; the next one is refused with what was spent, and taken with the password."""
    assert 201 == secured.stage.redeem(M, 60, "k-1").status
    assert 201 == secured.stage.hold(M, 40, "k-2").status
    for answer in (secured.stage.redeem(M, 1, "k-3"), secured.stage.hold(M, 1, "k-4")):
        assert (403, "POINTS_PASSWORD_REQUIRED", 100, 100) == (
            answer.status,
            answer.code,
            answer.body["above"],
            answer.body["spent_today"],
        )
    assert 201 == secured.stage.redeem(M, 1, "k-3", password="open-sesame").status
    assert 201 == secured.stage.hold(M, 1, "k-4", password="open-sesame").status
    assert secured.stage.proved(M)


def test_operators_need_no_password_and_the_shop_does(secured: Shop) -> None:
    """The shop hands on what the member types."""
    path = f"/v1/members/{M}/redemptions"
    told = [
        secured.stage.ask("POST", path, {"points": 101}, key=f"k-{scopes}", scopes=scopes).status
        for scopes in (OPERATOR, ADMIN, SHOP)
    ]
    assert [201, 201, 403] == told


def test_a_wrong_password_takes_nothing_and_too_many_lock(secured: Shop) -> None:
    """403 with the tries left, then 423 with when it opens again; a request that was answered is answered still."""
    done = secured.stage.redeem(M, 200, "done", password="open-sesame")
    before = secured.stage.member(M)["available"]
    told = [secured.stage.redeem(M, 10, f"k-{number}", password="guess") for number in range(4)]

    assert [403, 403, 403, 423] == [answer.status for answer in told]
    assert "POINTS_PASSWORD_LOCKED" == told[-1].code
    assert "2026-06-15T04:30:00+00:00" == told[-1].body["resets_at"]
    assert before == secured.stage.member(M)["available"]
    assert done.body == secured.stage.redeem(M, 200, "done", password="guess").body
    assert not any("guess" in row or "open-sesame" in row for row in secured.stage.table())
    assert 423 == secured.stage.redeem(M, 10, "k-9", password="open-sesame").status
