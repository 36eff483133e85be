"""Lotteries from outside: written by operators, drawn by members, worked out again by anybody."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from jifen.domain.coupons import Coupon, CouponStatus
from jifen.domain.draw_proof import verify
from jifen.domain.drawing import fallen_on, hashed, secret_of
from jifen.domain.lotteries import Lottery
from jifen.domain.lottery_terms import NUMBERS, read_terms, won
from jifen.domain.reward_orders import RewardOrder
from jifen.runtime import use
from jifen.service import stocking
from jifen.service.mall_documents import CouponKey, LotteryKey, RewardOrderKey
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Stage

M = "m-1"
NOW = datetime(2026, 11, 30, 4, tzinfo=UTC)
"""Noon in Shanghai, the day before the lottery begins."""
DAY_1 = datetime(2026, 12, 1, 4, tzinfo=UTC)
MIDNIGHT_2 = datetime(2026, 12, 1, 16, tzinfo=UTC)
"""The first instant of 2 December in Shanghai."""

PROGRAM: Mapping[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "CNY",
    "earning": {"rules": [{"id": "gift", "on": "member.registered", "fixed": 1_000}]},
}

SMALL = {"id": "small", "title": "20 points", "kind": "points", "points": 20, "odds": "0.35"}
COUPON = {
    "id": "coupon",
    "title": "5 off",
    "kind": "coupon",
    "coupon": {"kind": "amount", "discount_minor": 500, "valid_days": 30},
    "odds": "0.1",
}
GRAND = {
    "id": "grand",
    "title": "Bicycle",
    "kind": "physical",
    "odds": "0.00001",
    "stock": 1,
    "out_of_stock": "small",
}
WHEEL: Mapping[str, Any] = {
    "title": "Wheel",
    "cost": 50,
    "attempts_per_day": 3,
    "from": "2026-12-01",
    "days": 3,
    "prizes": [GRAND, COUPON, SMALL],
}


def sure(prize: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A lottery in which every number wins this prize."""
    return {**WHEEL, "prizes": [{**prize, "odds": "1"}], **more}


@pytest.fixture(scope="module")
def stage_(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop in Shanghai."""
    here = Stage("play-lottery", program=PROGRAM, now=NOW)
    with use(here.runtime):
        yield here


@pytest.fixture
def here(stage_: Stage) -> Stage:
    """A member with 1,000 points, and nothing drawn yet."""
    stage_.clear()
    stage_.move_to(NOW)
    given(stage_, M)
    return stage_


def given(here: Stage, member: str) -> None:
    """Give a member 1,000 points."""
    body = {"type": "member.registered", "event_id": "e-1", "member_id": member, "data": {}}
    key = f"e-{member.encode().hex()}"
    answer = here.ask("POST", "/v1/events", {**body, "occurred_at": NOW.isoformat()}, key=key)
    assert 200 == answer.status, answer


def write(
    here: Stage, content: Mapping[str, Any], lottery: str = "wheel", scopes: str = OPERATOR, **query: str
) -> Answer:
    """Write a lottery."""
    return here.ask("PUT", f"/v1/lotteries/{lottery}", content, subject="op-1", scopes=scopes, query=query)


def written(here: Stage, content: Mapping[str, Any] = WHEEL, lottery: str = "wheel", **query: str) -> Any:
    """A lottery that was written, and its first day begun."""
    answer = write(here, content, lottery, ADMIN, **query)
    assert 200 == answer.status, answer
    here.move_to(DAY_1)
    return answer.body


def draw(here: Stage, key: str, member: str = M, lottery: str = "wheel", **body: Any) -> Answer:
    """Draw as the member."""
    asked = {"lottery_id": lottery, **body}
    return here.ask("POST", f"/v1/members/{member}/draws", asked, key=key, subject=member, scopes=MEMBER)


def step(here: Stage, name: str, key: str = "s", scopes: str = OPERATOR, lottery: str = "wheel") -> Answer:
    """Pause, resume or cancel."""
    path = f"/v1/lotteries/{lottery}/{name}"
    return here.ask("POST", path, {"reason": "because"}, key=key, subject="op-1", scopes=scopes)


def lottery_of(here: Stage, lottery: str = "wheel") -> Any:
    """A lottery as anybody sees it."""
    return here.get(f"/v1/lotteries/{lottery}")


# Writing -------------------------------------------------------------------------------------------------------------


def test_a_lottery_is_shown_with_commitment_odds_and_what_is_left(here: Stage) -> None:
    """Before it begins everything is there but secrets."""
    answer = write(here, WHEEL)
    assert 200 == answer.status, answer
    body = answer.body
    assert {
        "lottery_id": "wheel",
        "title": "Wheel",
        "status": "UPCOMING",
        "cost": 50,
        "attempts_per_day": 3,
        "first_day": "2026-12-01",
        "last_day": "2026-12-03",
        "days": 3,
        "time_zone": "Asia/Shanghai",
        "opens_at": "2026-11-30T16:00:00Z",
        "closes_at": "2026-12-03T16:00:00Z",
        "today": None,
        "forfeit_days": 7,
        "prizes": [
            {
                "id": "grand",
                "title": "Bicycle",
                "kind": "physical",
                "odds": "0.00001",
                "points": None,
                "stock": 1,
                "left": 1,
                "out_of_stock": "small",
            },
            {
                "id": "coupon",
                "title": "5 off",
                "kind": "coupon",
                "odds": "0.1",
                "points": None,
                "stock": None,
                "left": None,
                "out_of_stock": None,
            },
            {
                "id": "small",
                "title": "20 points",
                "kind": "points",
                "odds": "0.35",
                "points": 20,
                "stock": None,
                "left": None,
                "out_of_stock": None,
            },
        ],
        "latest_secret": None,
        "terms": WHEEL,
        "secrets": [],
        "warnings": [],
    } == {name: value for name, value in body.items() if name not in {"commitment", "terms_hash"}}
    text = json.dumps(WHEEL, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == body["terms_hash"]
    assert 64 == len(body["commitment"])
    assert {name: value for name, value in body.items() if name != "warnings"} == lottery_of(here)


def test_writing_the_same_again_changes_nothing(here: Stage) -> None:
    """Not the commitment, not the version, not the audit; not even once it has begun."""
    first = write(here, WHEEL).body
    table = here.table()
    assert first == write(here, dict(list(WHEEL.items())[::-1])).body
    here.move_to(DAY_1)
    assert first["commitment"] == write(here, WHEEL).body["commitment"]
    assert table == here.table()


def test_before_it_begins_it_can_be_written_anew(here: Stage) -> None:
    """Prizes, stock and days are the new ones; the secrets stay, but for another number of days they are others."""
    first = write(here, WHEEL).body
    mug = {**GRAND, "id": "mug", "stock": 7, "shards": 3, "out_of_stock": "nothing"}
    second = write(here, {**WHEEL, "prizes": [mug, {**GRAND, "stock": 5}, SMALL]}).body
    assert [7, 5, None] == [prize["left"] for prize in second["prizes"]]
    third = write(here, {**WHEEL, "prizes": [{**GRAND, "stock": 2}, SMALL], "days": 4}).body
    assert [2, None] == [prize["left"] for prize in third["prizes"]]
    emptied = stocking.shards_of(here.runtime.ledger, "lottery:wheel:mug", 3)
    assert [(0, 0)] * 3 == [(shard.free, shard.stocked) for shard in emptied]
    assert first["commitment"] == second["commitment"]
    assert third["commitment"] != hashlib.sha256(bytes.fromhex(first["commitment"])).hexdigest()
    assert 3 == len({body["terms_hash"] for body in (first, second, third)})
    lines = here.ask("GET", "/v1/audit", subject="op-1", scopes=OPERATOR, query={"month": "2026-11"}).body["lines"]
    assert ["lottery.written"] * 3 == [line["action"] for line in lines]
    assert {"lottery/wheel"} == {line["target"] for line in lines}
    told = {line["details"]["terms_hash"]: line["details"]["commitment"] for line in lines}
    assert {body["terms_hash"]: body["commitment"] for body in (first, second, third)} == told


@pytest.mark.parametrize("scopes", [OPERATOR, ADMIN])
@pytest.mark.parametrize(
    ("instant", "status"),
    [
        (DAY_1 - timedelta(hours=12, minutes=10), "BEGINNING"),
        (DAY_1 - timedelta(hours=12), "OPEN"),
        (DAY_1, "OPEN"),
        (DAY_1 + timedelta(days=3), "OVER"),
    ],
)
def test_nobody_changes_a_lottery_that_has_begun(here: Stage, instant: datetime, status: str, scopes: str) -> None:
    """Nor from ten minutes before: what members draw from is what was published."""
    before = written(here)
    here.move_to(instant)
    table = here.table()
    better = {**GRAND, "odds": "0.000000001"}
    for content in ({**WHEEL, "prizes": [better, SMALL]}, {**WHEEL, "cost": 60}, {**WHEEL, "from": "2026-12-20"}):
        refused = write(here, content, scopes=scopes, **({"override": "because"} if scopes == ADMIN else {}))
        assert (409, "WRONG_STATUS", status) == (refused.status, refused.code, refused.body["status_now"])
    assert table == here.table()
    assert before["terms_hash"] == lottery_of(here)["terms_hash"]


def test_ten_minutes_and_a_moment_before_it_still_changes(here: Stage) -> None:
    """The margin ends where it is said to."""
    written(here)
    here.move_to(DAY_1 - timedelta(hours=12, minutes=10, microseconds=1))
    assert "UPCOMING" == lottery_of(here)["status"]
    assert 200 == write(here, {**WHEEL, "cost": 60}).status


def _with(**prize: Any) -> dict[str, Any]:
    """The lottery with one prize, changed; ``...`` leaves a field out."""
    changed = {name: value for name, value in (GRAND | {"out_of_stock": "nothing"} | prize).items() if value is not ...}
    return {**WHEEL, "prizes": [changed]}


COUPON_BARE = {"kind": "coupon", "stock": ..., "out_of_stock": ...}


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({}, "title"),
        ({**WHEEL, "title": "x" * 129}, "title"),
        ({**WHEEL, "colour": "red"}, "colour"),
        ({**WHEEL, "cost": -1}, "cost"),
        ({**WHEEL, "cost": 50.0}, "cost"),
        ({**WHEEL, "cost": True}, "cost"),
        ({**WHEEL, "cost": "50"}, "cost"),
        ({**WHEEL, "cost": 10**13}, "cost"),
        ({**WHEEL, "cost": 0, "attempts_per_day": None}, "attempts_per_day"),
        ({**WHEEL, "attempts_per_day": 0}, "attempts_per_day"),
        ({**WHEEL, "attempts_per_day": 1_001}, "attempts_per_day"),
        ({**WHEEL, "from": "2026-11-29"}, "from"),
        ({**WHEEL, "from": "2026-13-01"}, "from"),
        ({**WHEEL, "from": "2026-W49-2"}, "from"),
        ({**WHEEL, "from": "20261201"}, "from"),
        ({**WHEEL, "from": 20261201}, "from"),
        ({**WHEEL, "from": "9998-01-01"}, "from"),
        ({**WHEEL, "days": 0}, "days"),
        ({**WHEEL, "days": 1_001}, "days"),
        ({**WHEEL, "forfeit_days": 0}, "forfeit_days"),
        ({**WHEEL, "prizes": []}, "prizes"),
        ({**WHEEL, "prizes": {}}, "prizes"),
        ({**WHEEL, "prizes": ["bicycle"]}, "prizes[0]"),
        ({**WHEEL, "prizes": [SMALL] * 31}, "prizes"),
        ({**WHEEL, "prizes": [SMALL, SMALL]}, "prizes[1].id"),
        ({**WHEEL, "prizes": [{**SMALL, "odds": "0.6"}, {**SMALL, "id": "b", "odds": "0.400000001"}]}, "prizes"),
        ({**WHEEL, "prizes": [{**GRAND, "shards": 40, "out_of_stock": "nothing"}, {**GRAND, "id": "b"}]}, "prizes"),
        (_with(id="Bicycle!"), "prizes[0].id"),
        (_with(id="refund"), "prizes[0].id"),
        (_with(id=["nothing"]), "prizes[0].id"),
        (_with(title=""), "prizes[0].title"),
        (_with(kind="donation"), "prizes[0].kind"),
        (_with(kind=...), "prizes[0].kind"),
        (_with(odds=0.1), "prizes[0].odds"),
        (_with(odds="1.1"), "prizes[0].odds"),
        (_with(odds="-0.1"), "prizes[0].odds"),
        (_with(odds="1e-3"), "prizes[0].odds"),
        (_with(odds="0.0000000001"), "prizes[0].odds"),
        (_with(odds="NaN"), "prizes[0].odds"),
        (_with(odds="\u0661"), "prizes[0].odds"),
        (_with(odds=...), "prizes[0].odds"),
        (_with(odds="0"), "prizes[0].odds"),
        (_with(stock=-1), "prizes[0].stock"),
        (_with(stock=1.5), "prizes[0].stock"),
        (_with(shards=0), "prizes[0].shards"),
        (_with(shards=41), "prizes[0].shards"),
        (_with(points=5), "prizes[0].points"),
        (_with(kind="points"), "prizes[0].points"),
        (_with(kind="points", points=0), "prizes[0].points"),
        (_with(coupon={}), "prizes[0].coupon"),
        (_with(**COUPON_BARE), "prizes[0].coupon"),
        (_with(**COUPON_BARE, coupon={"kind": "percent"}), "prizes[0].coupon.percent"),
        (_with(out_of_stock="car"), "prizes[0].out_of_stock"),
        (_with(out_of_stock=["nothing"]), "prizes[0].out_of_stock"),
        (_with(out_of_stock="grand"), "prizes[0].out_of_stock"),
        (_with(stock=None), "prizes[0].out_of_stock"),
        (
            {
                **WHEEL,
                "prizes": [
                    {**GRAND, "out_of_stock": "b"},
                    {**GRAND, "id": "b", "out_of_stock": "c"},
                    {**GRAND, "id": "c", "out_of_stock": "grand"},
                ],
            },
            "prizes[2].out_of_stock",
        ),
    ],
)
def test_what_is_wrong_with_a_lottery_is_named(here: Stage, content: Mapping[str, Any], field: str) -> None:
    """By its path; nothing is written."""
    table = here.table()
    refused = write(here, content, scopes=ADMIN, override="because")
    assert (422, "INVALID_REQUEST") == (refused.status, refused.code), refused
    assert field in {error["field"] for error in refused.body["errors"]}, refused.body["errors"]
    assert table == here.table()


@pytest.mark.parametrize("name", ["Wheel", "a b", "x" * 65, "%2e%2e", "w%3Aheel", "räd", "w%0A"])
def test_an_id_that_is_none_is_refused(here: Stage, name: str) -> None:
    """And found nowhere."""
    assert 422 == here.ask("PUT", f"/v1/lotteries/{name}", WHEEL, subject="o", scopes=OPERATOR).status
    assert 404 == here.ask("GET", f"/v1/lotteries/{name}").status


def test_a_coupon_needs_a_currency_which_the_program_may_lose_later(here: Stage) -> None:
    """A lottery that was written stays readable whatever comes into force."""
    written(here, sure(COUPON))
    program = {name: value for name, value in PROGRAM.items() if name != "currency"}
    assert 200 == here.ask("PUT", "/v1/program", program, subject="a", scopes=ADMIN).status
    assert 201 == draw(here, "d1").status
    assert "OPEN" == lottery_of(here)["status"]
    here.move_to(NOW)
    refused = write(here, WHEEL, "other")
    assert ["prizes[1].coupon"] == [error["field"] for error in refused.body["errors"]]


# What its prizes are worth -------------------------------------------------------------------------------------------


def _mints(answer: Answer) -> bool:
    return bool(answer.code == "LINT_BLOCKS" and answer.body["findings"][0]["code"] == "LOTTERY_MINTS")


def test_a_lottery_that_makes_points_needs_an_administrator_and_a_reason(here: Stage) -> None:
    """Each draw of it wins more points than it costs."""
    content = {**WHEEL, "prizes": [{**SMALL, "points": 101, "odds": "0.5"}]}
    refused = write(here, content, scopes=ADMIN)
    assert 409 == refused.status
    assert _mints(refused)
    assert 500_000 == refused.body["findings"][0]["gain_points"]
    assert 403 == write(here, content, override="birthday of the shop").status
    done = write(here, content, scopes=ADMIN, override="birthday of the shop")
    assert 200 == done.status
    assert ["error"] == [one["severity"] for one in done.body["warnings"]]
    lines = here.ask("GET", "/v1/audit", subject="a", scopes=ADMIN, query={"month": "2026-11"}).body["lines"]
    assert "birthday of the shop" == lines[0]["details"]["override"]


def test_a_lottery_that_gives_all_back_is_warned_of(here: Stage) -> None:
    """It gains nobody anything, on average."""
    done = write(here, {**WHEEL, "prizes": [{**SMALL, "points": 100, "odds": "0.5"}]})
    assert 200 == done.status
    assert ["LOTTERY_GIVES_ALL_BACK"] == [one["code"] for one in done.body["warnings"]]


def test_what_takes_the_place_of_an_empty_prize_is_counted(here: Stage) -> None:
    """An empty stock must not open a way to points: neither by what replaces a prize, nor by giving the cost back."""
    jackpot = {"id": "jackpot", "title": "Points", "kind": "points", "points": 1_000, "odds": "0"}
    assert _mints(write(here, {**WHEEL, "prizes": [{**GRAND, "odds": "0.06", "out_of_stock": "jackpot"}, jackpot]}))
    empty = {**GRAND, "odds": "0.9", "out_of_stock": "refund"}
    some = {**SMALL, "odds": "0.1", "points": 100}
    assert _mints(write(here, {**WHEEL, "prizes": [empty, some]}))
    assert 200 == write(here, {**WHEEL, "prizes": [{**empty, "out_of_stock": "nothing"}, some]}).status


def test_a_free_lottery_needs_a_limit_and_gives_no_points_unasked(here: Stage) -> None:
    """Points for nothing are an administrator's to give."""
    free = {**WHEEL, "cost": 0, "prizes": [SMALL]}
    assert _mints(write(here, free))
    assert 200 == write(here, {**free, "prizes": [{**GRAND, "out_of_stock": "nothing"}]}).status
    written(here, {**free, "prizes": [{**SMALL, "odds": "1"}]}, override="every day a present")
    assert [1_020, 1_040, 1_060] == [draw(here, f"d{n}").body["available"] for n in range(3)]
    assert "LIMIT_REACHED" == draw(here, "d4").code
    assert ["bonus"] * 4 == [entry["kind"] for entry in here.entries(M)]
    assert here.proved(M)


# Who may -------------------------------------------------------------------------------------------------------------


def test_only_those_who_may_write_and_step(here: Stage) -> None:
    """Members and the shop's server do not."""
    written(here)
    for scopes in (MEMBER, SHOP):
        assert 403 == write(here, WHEEL, scopes=scopes).status
        for name in ("pause", "resume", "cancel"):
            assert 403 == step(here, name, scopes=scopes).status


def test_a_member_draws_and_sees_what_is_their_own(here: Stage) -> None:
    """The shop's server draws for any member; operators do not draw."""
    written(here)
    given(here, "m/2 ä")
    path = "/v1/members/m%2F2%20%C3%A4/draws"
    own = here.ask("POST", path, {"lottery_id": "wheel"}, key="k", subject="m/2 ä", scopes=MEMBER)
    assert 201 == own.status, own
    mine = f"/v1/draws/{own.body['draw_id']}"
    assert 200 == here.ask("GET", mine, subject="m/2 ä", scopes=MEMBER).status
    assert 200 == here.ask("GET", path, subject="m/2 ä", scopes=MEMBER).status
    for called in (("GET", path), ("GET", mine)):
        assert 403 == here.ask(*called, subject=M, scopes=MEMBER).status
    assert 403 == here.ask("POST", path, {"lottery_id": "wheel"}, key="k", subject=M, scopes=MEMBER).status
    assert 403 == here.ask("POST", path, {"lottery_id": "wheel"}, key="k", subject="o", scopes=OPERATOR).status
    assert 201 == here.ask("POST", path, {"lottery_id": "wheel"}, key="k").status


@pytest.mark.parametrize(
    "name", ["x", "dw.bS0x.0123456789012345678901", "ro.bS0x.0123456789012345678901", "dw.%00.x", "dw.bS0x." + "é" * 22]
)
def test_a_draw_that_is_none_is_not_found(here: Stage, name: str) -> None:
    """Whatever its id looks like."""
    refused = here.ask("GET", f"/v1/draws/{name}")
    assert (404, "DRAW_NOT_FOUND") == (refused.status, refused.code)


# Drawing -------------------------------------------------------------------------------------------------------------


def test_a_draw_takes_its_cost_and_gives_its_prize_in_two_entries(here: Stage) -> None:
    """The receipt says what, why, and what is left."""
    lottery = written(here, sure(SMALL))
    answer = draw(here, "d1", client_seed="abc")
    assert 201 == answer.status, answer
    body = dict(answer.body)
    number = body.pop("number")
    assert 0 <= number < 10**9
    draw_id = body.pop("draw_id")
    assert {
        "member_id": M,
        "lottery_id": "wheel",
        "at": "2026-12-01T04:00:00Z",
        "day": "2026-12-01",
        "attempt": 1,
        "client_seed": "abc",
        "outcome": "WON",
        "drawn_prize": "small",
        "prize": {"id": "small", "title": "20 points", "kind": "points"},
        "points_won": 20,
        "cost": 50,
        "commitment": lottery["commitment"],
        "terms_hash": lottery["terms_hash"],
        "secret": None,
        "coupon": None,
        "reward_order_id": None,
        "why": [{"number": number, "prize": "small", "from": 0, "below": 10**9}],
        "available": 970,
        "attempts_left": 2,
    } == body
    _, cost, prize = here.entries(M)
    assert ("redeem", "DRAW_ENTERED", -50) == (cost["kind"], cost["reason"], cost["points"])
    assert ("bonus", "DRAW_PRIZE", 20) == (prize["kind"], prize["reason"], prize["points"])
    assert [{"type": "draw", "id": draw_id}] * 2 == [cost["source"], prize["source"]]
    assert "2027-12-31" == prize["lots"][0]["expires_on"]
    assert here.proved(M)
    assert here.get(f"/v1/draws/{draw_id}") == {
        name: value for name, value in answer.body.items() if name not in {"available", "attempts_left"}
    }


def test_the_same_key_gets_the_same_receipt(here: Stage) -> None:
    """However often and however late; with another body it is refused, and another caller's key is another one."""
    written(here)
    first = draw(here, "d1", client_seed="a")
    draw(here, "d2")
    here.move_to(DAY_1 + timedelta(days=9))
    table = here.table()
    assert (201, first.body) == ((again := draw(here, "d1", client_seed="a")).status, again.body)
    assert "IDEMPOTENCY_KEY_REUSED" == draw(here, "d1", client_seed="b").code
    assert table == here.table()
    here.move_to(DAY_1)
    shop = here.ask("POST", f"/v1/members/{M}/draws", {"lottery_id": "wheel", "client_seed": "a"}, key="d1")
    assert (201, 3) == (shop.status, shop.body["attempt"])


def test_three_attempts_a_day_and_when_there_are_more(here: Stage) -> None:
    """Each has a number of its own; with the next day of the lottery they begin again."""
    written(here)
    receipts = [draw(here, f"d{n}").body for n in range(3)]
    assert [1, 2, 3] == [one["attempt"] for one in receipts]
    assert [2, 1, 0] == [one["attempts_left"] for one in receipts]
    assert 3 == len({one["number"] for one in receipts})
    refused = draw(here, "d4")
    assert (409, "LIMIT_REACHED", "draws_per_day", 3, "2026-12-01T16:00:00+00:00") == (
        refused.status,
        refused.code,
        refused.body["limit"],
        refused.body["allowed"],
        refused.body["resets_at"],
    )
    written(here, {**WHEEL, "from": "2026-12-01"}, "other")
    assert 1 == draw(here, "o1", lottery="other").body["attempt"]
    here.move_to(MIDNIGHT_2 - timedelta(microseconds=1))
    assert "LIMIT_REACHED" == draw(here, "d4").code
    here.move_to(MIDNIGHT_2)
    again = draw(here, "d4").body
    assert (1, "2026-12-02") == (again["attempt"], again["day"])


def test_without_a_limit_attempts_are_counted_all_the_same(here: Stage) -> None:
    """So each draw has its own number."""
    written(here, {**WHEEL, "attempts_per_day": None})
    receipts = [draw(here, f"d{n}").body for n in range(5)]
    assert [(n, None) for n in range(1, 6)] == [(one["attempt"], one["attempts_left"]) for one in receipts]


def test_who_has_not_got_the_points_does_not_draw(here: Stage) -> None:
    """Nothing is used up."""
    written(here, {**WHEEL, "cost": 600})
    given(here, "m-2")
    assert 201 == draw(here, "d1", "m-2").status
    table = here.table()
    refused = draw(here, "d2", "m-2")
    assert (409, "INSUFFICIENT_POINTS", 600) == (refused.status, refused.code, refused.body["asked"])
    assert table == here.table()


def test_a_draw_above_the_limit_of_the_points_password_needs_it(here: Stage) -> None:
    """As any other way of spending."""
    written(here)
    program = {**PROGRAM, "security": {"password_above": 60}}
    assert 200 == here.ask("PUT", "/v1/program", program, subject="a", scopes=ADMIN).status
    assert 201 == draw(here, "d1").status
    refused = draw(here, "d2")
    assert (403, "POINTS_PASSWORD_REQUIRED") == (refused.status, refused.code)
    assert 403 == draw(here, "d3", password="123456").status
    assert 1 == len(here.get(f"/v1/members/{M}/draws")["draws"])


def test_draws_are_only_made_while_it_is_open(here: Stage) -> None:
    """Not before, not after, not paused, not cancelled; a refusal says from or until when."""
    write(here, WHEEL)
    before = draw(here, "d")
    assert (409, "NOT_OPEN", "2026-11-30T16:00:00+00:00") == (before.status, before.code, before.body["opens_at"])
    here.move_to(DAY_1 - timedelta(hours=12, microseconds=1))
    assert "NOT_OPEN" == draw(here, "d").code
    here.move_to(DAY_1 - timedelta(hours=12))
    assert 201 == draw(here, "d").status
    assert "PAUSED" == step(here, "pause").body["status"]
    assert "The lottery is paused." == draw(here, "p").body["detail"]
    assert "OPEN" == step(here, "resume", "r").body["status"]
    assert 201 == draw(here, "p").status
    here.move_to(DAY_1 + timedelta(days=2, hours=12, microseconds=-1))
    assert 201 == draw(here, "q").status
    here.move_to(DAY_1 + timedelta(days=2, hours=12))
    over = draw(here, "z")
    assert ("NOT_OPEN", "2026-12-03T16:00:00+00:00") == (over.code, over.body["closed_at"])
    assert (404, "LOTTERY_NOT_FOUND") == ((none := draw(here, "n", lottery="none")).status, none.code)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"lottery_id": "Wheel"},
        {"lottery_id": 1},
        {"lottery_id": "wheel", "client_seed": "x" * 65},
        {"lottery_id": "wheel", "client_seed": 7},
        {"lottery_id": "wheel", "client_seed": " a"},
        {"lottery_id": "wheel", "client_seed": "a\nb"},
        {"lottery_id": "wheel", "client_seed": "\u2028"},
        {"lottery_id": "wheel", "password": ""},
    ],
)
def test_a_draw_that_makes_no_sense_is_refused(here: Stage, body: Mapping[str, Any]) -> None:
    """Field by field; nothing is written."""
    written(here)
    table = here.table()
    refused = here.ask("POST", f"/v1/members/{M}/draws", body, key="k")
    assert (422, "INVALID_REQUEST") == (refused.status, refused.code)
    assert table == here.table()


# Prizes --------------------------------------------------------------------------------------------------------------


def test_a_coupon_is_issued_with_the_draw(here: Stage) -> None:
    """It is the member's, with its own last valid day."""
    written(here, sure(COUPON))
    body = draw(here, "d1").body
    assert ("WON", 0, 950) == (body["outcome"], body["points_won"], body["available"])
    assert body["coupon"].startswith("cp.")
    coupon = here.runtime.ledger.load([], [CouponKey(M, body["coupon"])]).documents[CouponKey(M, body["coupon"])]
    assert isinstance(coupon, Coupon)
    assert (CouponStatus.ISSUED, date(2026, 12, 31), ("draw", body["draw_id"])) == (
        coupon.status,
        coupon.expires_on,
        coupon.source,
    )
    assert {"kind": "amount", "discount_minor": 500} == coupon.terms


@pytest.mark.parametrize("days", [(3, 4), (3, 2, 3), (5, 1, 2), (1, 30)])
def test_no_commitment_that_was_shown_leads_to_a_secret(here: Stage, days: tuple[int, ...]) -> None:
    """Written anew with another number of days: an earlier commitment, hashed on, is no secret of any day."""
    shown = [bytes.fromhex(write(here, {**WHEEL, "days": number}).body["commitment"]) for number in days]
    key = LotteryKey("wheel")
    lottery = here.runtime.ledger.load([], [key]).documents[key]
    assert isinstance(lottery, Lottery)

    secrets = {secret_of(lottery, number) for number in range(1, days[-1] + 1)}
    known = {hashed(one, times) for one in shown for times in range(sum(days))}

    assert set() == secrets & known
    assert shown[-1] == hashed(secret_of(lottery, 1), 1)
    again = write(here, {**WHEEL, "days": days[-1], "title": "Another"}).body
    assert shown[-1].hex() == again["commitment"]


@pytest.mark.parametrize(
    ("kind", "status"), [("physical", "ADDRESS_DUE"), ("service", "TO_SHIP"), ("virtual", "TO_SHIP")]
)
def test_a_thing_becomes_a_reward_order(here: Stage, kind: str, status: str) -> None:
    """A physical one waits for an address, as long as the lottery says, and is forfeited then.

    A virtual one is handed over by a person: a prize has no codes.
    """
    written(here, sure({**GRAND, "kind": kind, "out_of_stock": "nothing"}, forfeit_days=9))
    body = draw(here, "d1").body
    assert body["reward_order_id"].startswith("ro.")
    key = RewardOrderKey(M, body["reward_order_id"])
    order = here.runtime.ledger.load([], [key]).documents[key]
    assert isinstance(order, RewardOrder)
    assert (status, kind, "Bicycle", 0, ("draw", body["draw_id"])) == (
        order.status,
        order.kind,
        order.title,
        order.points,
        order.source,
    )
    assert (DAY_1 + timedelta(days=9) if kind == "physical" else None) == order.due_at
    assert 0 == lottery_of(here)["prizes"][0]["left"]


def _out(here: Stage, rule: str, *more: Mapping[str, Any]) -> Any:
    """The second draw of a lottery whose only bicycle is won with the first."""
    written(here, {**WHEEL, "prizes": [{**GRAND, "odds": "1", "out_of_stock": rule}, *more]})
    assert "grand" == draw(here, "d1").body["prize"]["id"]
    answer = draw(here, "d2")
    assert 201 == answer.status, answer
    assert "grand" == answer.body["drawn_prize"]
    assert 0 == lottery_of(here)["prizes"][0]["left"]
    return answer.body


def test_out_of_stock_another_prize_takes_its_place(here: Stage) -> None:
    """As declared, and it says so."""
    body = _out(here, "small", {**SMALL, "odds": "0"})
    assert ("WON", "small", 20, 50, 920) == tuple(
        body["prize"]["id"] if name == "prize" else body[name]
        for name in ("outcome", "prize", "points_won", "cost", "available")
    )
    assert {"out_of_stock": "grand", "instead": "small"} == body["why"][1]


def test_out_of_stock_the_next_in_line_may_be_out_too(here: Stage) -> None:
    """Then what it declares counts."""
    second = {**GRAND, "id": "second", "odds": "0", "stock": 0, "out_of_stock": "refund"}
    body = _out(here, "second", second)
    assert ("REFUNDED", None, 0, 950) == (body["outcome"], body["prize"], body["cost"], body["available"])
    assert [{"out_of_stock": "grand", "instead": "second"}, {"out_of_stock": "second", "instead": "refund"}] == body[
        "why"
    ][1:]


def test_out_of_stock_there_may_be_nothing(here: Stage) -> None:
    """The cost is taken."""
    body = _out(here, "nothing")
    assert ("NOTHING", None, 50, 900) == (body["outcome"], body["prize"], body["cost"], body["available"])


def test_out_of_stock_the_draw_may_cost_nothing_and_is_used_up(here: Stage) -> None:
    """No entry is written, and the attempt counts."""
    body = _out(here, "refund")
    assert ("REFUNDED", 0, 950, 1) == (body["outcome"], body["cost"], body["available"], body["attempts_left"])
    assert 2 == len(here.entries(M))
    assert 3 == draw(here, "d3").body["attempt"]
    assert "LIMIT_REACHED" == draw(here, "d4").code
    assert here.proved(M)


# Secrets -------------------------------------------------------------------------------------------------------------


def shown(here: Stage) -> list[int]:
    """The days whose secrets are shown."""
    whole = lottery_of(here)
    (line,) = here.get("/v1/lotteries")["lotteries"]
    assert line["latest_secret"] == whole["latest_secret"] == (whole["secrets"][-1] if whole["secrets"] else None)
    end = whole["commitment"]
    for row in whole["secrets"]:
        assert end == hashlib.sha256(bytes.fromhex(row["secret"])).hexdigest()
        end = row["secret"]
    return [row["day"] for row in whole["secrets"]]


def test_a_secret_is_shown_ten_minutes_after_its_day_and_never_before(here: Stage) -> None:
    """Midnight is that of the shop's own time zone; while the clock stands still nothing more is shown."""
    written(here)
    for instant, days in [
        (MIDNIGHT_2 - timedelta(microseconds=1), []),
        (MIDNIGHT_2, []),
        (MIDNIGHT_2 + timedelta(minutes=10, microseconds=-1), []),
        (MIDNIGHT_2 + timedelta(minutes=10), [1]),
        (MIDNIGHT_2 + timedelta(hours=20), [1]),
        (MIDNIGHT_2 + timedelta(days=1, minutes=9), [1]),
        (MIDNIGHT_2 + timedelta(days=1, minutes=10), [1, 2]),
        (MIDNIGHT_2 + timedelta(days=2, minutes=10), [1, 2, 3]),
        (MIDNIGHT_2 + timedelta(days=400), [1, 2, 3]),
    ]:
        here.move_to(instant)
        assert days == shown(here) == shown(here)


def test_what_was_shown_is_never_drawn_with(here: Stage) -> None:
    """At every instant around midnight: the day that draws are for is none whose secret is out."""
    written(here, {**WHEEL, "attempts_per_day": None, "cost": 1, "prizes": [{**COUPON, "odds": "0.1"}]})
    for index, seconds in enumerate((-1, 0, 1, 599, 600, 601)):
        here.move_to(MIDNIGHT_2 + timedelta(seconds=seconds))
        out = {row["date"] for row in lottery_of(here)["secrets"]}
        body = draw(here, f"d{index}").body
        assert body["day"] not in out
        assert here.get(f"/v1/draws/{body['draw_id']}")["secret"] is None


def test_another_time_zone_moves_no_day_of_a_lottery(here: Stage) -> None:
    """Else a day could come again whose secret is out."""
    written(here)
    here.move_to(MIDNIGHT_2 + timedelta(minutes=20))
    program = {**PROGRAM, "time_zone": "America/Los_Angeles"}
    assert 200 == here.ask("PUT", "/v1/program", program, subject="a", scopes=ADMIN).status
    assert [1] == shown(here)
    assert "2026-12-02" == draw(here, "d1").body["day"]
    assert [2, 3] == [draw(here, f"e{n}").body["attempt"] for n in range(2)]
    refused = draw(here, "f")
    assert ("LIMIT_REACHED", "2026-12-02T16:00:00+00:00") == (refused.code, refused.body["resets_at"])
    here.move_to(MIDNIGHT_2 + timedelta(days=1))
    assert 1 == draw(here, "f").body["attempt"]


def test_the_days_of_a_paused_lottery_go_on(here: Stage) -> None:
    """Their secrets are shown all the same, so a pause hides nothing."""
    written(here)
    won = draw(here, "d1").body
    step(here, "pause")
    here.move_to(MIDNIGHT_2 + timedelta(days=1, minutes=10))
    assert ("PAUSED", 3) == tuple(lottery_of(here)[name] for name in ("status", "today"))
    assert [1, 2] == shown(here)
    assert all(check.holds for check in verify(won, lottery_of(here)))
    step(here, "resume", "r")
    assert ("2026-12-03", 1) == tuple(draw(here, "d2").body[name] for name in ("day", "attempt"))


def test_before_it_begins_writing_it_again_takes_another_time_zone(here: Stage) -> None:
    """The same words mean other days then; once it has begun they do not."""
    write(here, WHEEL)
    program = {**PROGRAM, "time_zone": "Europe/London"}
    assert 200 == here.ask("PUT", "/v1/program", program, subject="a", scopes=ADMIN).status
    assert "Asia/Shanghai" == lottery_of(here)["time_zone"]
    body = write(here, WHEEL).body
    assert ("Europe/London", "2026-12-01T00:00:00Z") == (body["time_zone"], body["opens_at"])
    here.move_to(DAY_1)
    assert 200 == here.ask("PUT", "/v1/program", PROGRAM, subject="a", scopes=ADMIN).status
    assert "Europe/London" == write(here, WHEEL).body["time_zone"]


def test_a_cancelled_lottery_shows_all_once_its_day_is_over(here: Stage) -> None:
    """There is nothing left to draw with them; what was won stays won."""
    written(here, sure(SMALL))
    won = draw(here, "d1").body
    done = step(here, "cancel")
    assert (200, "CANCELED", []) == (done.status, done.body["status"], done.body["secrets"])
    assert "NOT_OPEN" == draw(here, "d2").code
    assert [] == shown(here)
    here.move_to(MIDNIGHT_2 + timedelta(minutes=10))
    assert [1, 2, 3] == shown(here)
    assert all(check.holds for check in verify(won, lottery_of(here)))
    for name in ("pause", "resume", "cancel"):
        refused = step(here, name, f"again-{name}")
        assert (409, "WRONG_STATUS", "CANCELED") == (refused.status, refused.code, refused.body["status_now"])
    assert "WRONG_STATUS" == write(here, {**WHEEL, "from": "2026-12-09"}).code
    assert 970 == here.member(M)["available"]


def test_a_lottery_that_is_cancelled_before_it_begins_never_begins(here: Stage) -> None:
    """And its id is used up."""
    write(here, WHEEL)
    assert 200 == step(here, "cancel").status
    assert "WRONG_STATUS" == write(here, {**WHEEL, "cost": 60}).code
    here.move_to(DAY_1)
    assert "NOT_OPEN" == draw(here, "d").code


def test_steps_are_answered_once_and_audited(here: Stage) -> None:
    """The same key gets the same answer; each step is a line with its reason."""
    written(here)
    first = step(here, "pause", "k1")
    step(here, "resume", "k2")
    assert first.body == step(here, "pause", "k1").body
    assert "WRONG_STATUS" == step(here, "resume", "k3").code
    assert 404 == step(here, "pause", "k4", lottery="none").status
    lines = here.ask("GET", "/v1/audit", subject="a", scopes=ADMIN, query={"month": "2026-12"}).body["lines"]
    assert [("lottery.open", "because"), ("lottery.paused", "because")] == [
        (line["action"], line["reason"]) for line in lines
    ]
    here.move_to(DAY_1 + timedelta(days=5))
    assert "OVER" == step(here, "pause", "k5").body["status_now"]


def test_nobody_is_told_a_secret_in_any_answer_before_its_day_is_over(here: Stage) -> None:
    """Not in what is written, shown, drawn, stepped or audited."""
    body = written(here)
    answers = [
        body,
        write(here, WHEEL).body,
        draw(here, "d1").body,
        step(here, "pause").body,
        here.get("/v1/lotteries"),
        lottery_of(here),
        here.get(f"/v1/members/{M}/draws"),
        here.ask("GET", "/v1/audit", subject="a", scopes=ADMIN, query={"month": "2026-11"}).body,
    ]
    here.move_to(DAY_1 + timedelta(days=9))
    secrets = [row["secret"] for row in lottery_of(here)["secrets"]]
    assert 3 == len(secrets)
    assert not [secret for secret in secrets if secret in json.dumps(answers)]


# Working it out again ------------------------------------------------------------------------------------------------


def proof(here: Stage) -> tuple[dict[str, Any], dict[str, Any]]:
    """A receipt and its lottery, once the day is over."""
    written(here, {**WHEEL, "prizes": [{**GRAND, "odds": "0.5", "stock": 0}, SMALL]})
    receipt = draw(here, "d1", client_seed="as I like").body
    here.move_to(MIDNIGHT_2 + timedelta(minutes=10))
    return receipt, lottery_of(here)


def test_a_draw_is_worked_out_again_from_outside(here: Stage) -> None:
    """From the receipt, or from what is shown of the draw later."""
    receipt, lottery = proof(here)
    assert [True] * 8 == [check.holds for check in verify(receipt, lottery)]
    later = here.get(f"/v1/draws/{receipt['draw_id']}")
    assert lottery["secrets"][0]["secret"] == later["secret"]
    assert [True] * 8 == [check.holds for check in verify(later, lottery)]


def test_before_the_day_is_over_it_cannot_be_told(here: Stage) -> None:
    """Nothing is wrong, and nothing is proved."""
    written(here)
    receipt = draw(here, "d1").body
    held = {check.name: check.holds for check in verify(receipt, lottery_of(here))}
    assert {"secret": None, "chain": None, "number": None, "prize": None, "outcome": None} == {
        name: holds for name, holds in held.items() if not holds
    }


def test_draws_are_listed_the_latest_of_a_page_first(here: Stage) -> None:
    """Page by page, with cursors that cannot be made up."""
    written(here, {**WHEEL, "attempts_per_day": None})
    made = []
    for n in range(5):
        here.move_to(DAY_1 + timedelta(minutes=n))
        made.append(draw(here, f"d{n}").body["draw_id"])
    assert made[::-1] == [one["draw_id"] for one in here.get(f"/v1/members/{M}/draws")["draws"]]
    found: list[str] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = here.get(f"/v1/members/{M}/draws", **query)
        found += [one["draw_id"] for one in page["draws"]]
        if page["cursor"] is None:
            break
        query["cursor"] = page["cursor"]
    assert sorted(made) == sorted(found)
    assert 422 == here.ask("GET", f"/v1/members/{M}/draws", query={"cursor": "made-up"}).status
    assert {"draws": [], "cursor": None} == here.get("/v1/members/nobody/draws")


def test_lotteries_are_listed_page_by_page(here: Stage) -> None:
    """Ids from z to a."""
    for name in ("a", "b", "c"):
        write(here, WHEEL, name)
    page = here.get("/v1/lotteries", limit="2")
    rest = here.get("/v1/lotteries", limit="2", cursor=page["cursor"])
    assert ["c", "b", "a"] == [one["lottery_id"] for one in (*page["lotteries"], *rest["lotteries"])]
    assert [1, None, None] == [prize["left"] for prize in page["lotteries"][0]["prizes"]]


# The documentation ---------------------------------------------------------------------------------------------------

PAGE = Path(__file__).resolve().parents[2] / "docs" / "lottery.md"


def test_the_page_shows_what_there_is(here: Stage) -> None:
    """Its lottery is accepted and worth what the page says; its request is answered with the fields of its receipt."""
    lottery, request, receipt = (
        json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    )
    answer = write(here, lottery)
    assert (200, []) == (answer.status, answer.body["warnings"])
    terms = read_terms(lottery, "CNY")
    assert Fraction("8.5") == won(terms)
    assert 0.4 < sum(prize.chances for prize in terms.prizes) / NUMBERS < 0.41
    prize, first, beyond = fallen_on(terms.prizes, receipt["number"])
    assert prize
    assert [{"number": receipt["number"], "prize": prize.id, "from": first, "below": beyond}] == receipt["why"]
    assert (prize.id, prize.title, prize.points) == (
        receipt["drawn_prize"],
        receipt["prize"]["title"],
        receipt["points_won"],
    )
    here.move_to(DAY_1)
    told = here.ask("POST", f"/v1/members/{M}/draws", request, key="k")
    assert (201, receipt.keys()) == (told.status, told.body.keys())
    assert receipt["client_seed"] == told.body["client_seed"]
