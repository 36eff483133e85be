"""The shelf of the mall, from outside: operators write rewards and fill stock, members look, search and wait."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jifen.domain.rewards import Reserved, Stock
from jifen.runtime import use
from jifen.service.mall_documents import StockKey
from jifen.service.ports import Posting
from local.reward_files import read_rows
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Stage, paid
from tests.store.patient import Patient

M = "m-1"
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
PROGRAM: Mapping[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "GBP",
    "earning": {"rules": [{"id": "base", "rate": {"points": 1, "per_minor": 100}}]},
    "tiers": {"levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 1_000, "title": "Gold"}]},
    "mall": {"points_per_day": 5_000},
}
CUP: dict[str, Any] = {"title": "Cup", "points": 500}


@pytest.fixture(scope="module")
def stage_(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop in Shanghai with two tiers."""
    here = Stage("catalog", program=PROGRAM, now=NOW)
    with use(here.runtime):
        yield here


@pytest.fixture
def here(stage_: Stage) -> Stage:
    """No reward is there, and nobody has points."""
    stage_.clear()
    stage_.move_to(NOW)
    return stage_


def put(here: Stage, reward_id: str = "cup", content: Mapping[str, Any] = CUP, **more: Any) -> Answer:
    """Write a reward, as an operator; without ``more`` nothing is refused."""
    answer = here.ask("PUT", f"/v1/rewards/{reward_id}", content, **{"subject": "op", "scopes": OPERATOR} | more)
    assert more or answer.status == 200, answer
    return answer


def post(here: Stage, path: str, body: Mapping[str, Any], key: str, **more: Any) -> Answer:
    """Change something, as an operator."""
    return here.ask("POST", path, body, key=key, **{"subject": "op", "scopes": OPERATOR} | more)


def fill(here: Stage, pieces: int, key: str, reward_id: str = "cup") -> Answer:
    """Put pieces in stock."""
    return post(here, f"/v1/rewards/{reward_id}/stock", {"pieces": pieces, "reason": "delivery"}, key)


def look(here: Stage, reward_id: str = "cup", member: str | None = M) -> dict[str, Any]:
    """One reward, as a member sees it."""
    answer = here.ask("GET", f"/v1/rewards/{reward_id}", subject=member or "x", scopes=MEMBER)
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


def shelf(here: Stage, scopes: str = MEMBER, **query: str) -> list[str]:
    """The ids on the shelf, in their order."""
    answer = here.ask("GET", "/v1/rewards", subject=M, scopes=scopes, query=query)
    assert answer.status == 200, answer
    return [one["id"] for one in answer.body["rewards"]]


def points(here: Stage, amount: int, member: str = M) -> None:
    """Give a member points, by an order."""
    here.earn(paid(f"o-{member}-{amount}", member, amount * 100, occurred_at=NOW.isoformat()))


def taken(here: Stage, reward_id: str, pieces: int, shard: int = 0) -> None:
    """What an exchange does to the stock: pieces are reserved, then sold."""
    key = StockKey(reward_id, shard)
    known = here.runtime.ledger.load([], [key]).documents[key]
    assert isinstance(known, Stock)
    assert known.free is not None
    sold = Stock(
        reward_id,
        shard,
        known.free - pieces,
        known.sold + pieces,
        known.stocked,
        known.codes[pieces:],
        known.reserved,
        known.pooled,
        known.version,
    )
    here.runtime.ledger.commit(Posting(documents=(sold,)), Patient(3))
    here.runtime.showcase.forget()


def audited(here: Stage) -> list[str]:
    """What operators did, oldest first."""
    lines = here.ask("GET", "/v1/audit", subject="a", scopes=ADMIN, query={"limit": "100"}).body["lines"]
    return [f"{line['action']} {line['target']}" for line in reversed(lines)]


# Writing -------------------------------------------------------------------------------------------------------------


def test_a_reward_is_kept_in_its_shortest_form_and_the_same_again_changes_nothing(here: Stage) -> None:
    """What would be so anyhow is left out; writing it twice is one line in the audit."""
    first = put(here, content=CUP | {"cash_minor": 0, "quantity_max": 1, "tags": [], "tiers": {"gold": "0.90"}})
    assert {"title": "Cup", "kind": "physical", "points": 500, "tiers": {"gold": "0.9"}} == first.body["content"]
    here.move_to(NOW + timedelta(hours=1))
    assert first.body == put(here, content=CUP | {"kind": "physical", "tiers": {"gold": "0.900"}}).body
    assert ["reward.created reward/cup"] == audited(here)
    put(here, content=CUP | {"points": 600})
    assert ["reward.created reward/cup", "reward.changed reward/cup"] == audited(here)


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        ({}, ["title", "points"]),
        ({"title": "", "points": 1}, ["title"]),
        ({"title": 7, "points": 1}, ["title"]),
        ({"title": "x" * 129, "points": 1}, ["title"]),
        ({"title": "a", "points": -1}, ["points"]),
        ({"title": "a", "points": 1.5}, ["points"]),
        ({"title": "a", "points": True}, ["points"]),
        ({"title": "a", "points": "5"}, ["points"]),
        ({"title": "a", "points": 1, "price": 3}, ["price"]),
        ({"title": "a", "points": 1, "kind": "car"}, ["kind"]),
        ({"title": "a", "points": 1, "tiers": {"glod": "0.9"}}, ["tiers.glod"]),
        ({"title": "a", "points": 1, "tiers": {"gold": 0.9}}, ["tiers.gold"]),
        ({"title": "a", "points": 1, "tiers": {"gold": "0"}}, ["points"]),
        ({"title": "a", "points": 1, "tiers": 5}, ["tiers"]),
        ({"title": "a", "points": 1, "only_tiers": ["silver"]}, ["only_tiers[0]"]),
        ({"title": "a", "points": 1, "tags": 5}, ["tags"]),
        ({"title": "a", "points": 1, "tags": ["x"] * 21}, ["tags"]),
        ({"title": "a", "points": 1, "stock": {"shards": 65}}, ["stock.shards"]),
        ({"title": "a", "points": 1, "stock": {"codes": True}}, ["stock.codes"]),
        ({"title": "a", "points": 1, "stock": {"restock_on": "20260401"}}, ["stock.restock_on"]),
        ({"title": "a", "points": 1, "stock": 1}, ["stock"]),
        ({"title": "a", "points": 1, "from": "tomorrow"}, ["from"]),
        ({"title": "a", "points": 1, "from": NOW.isoformat(), "until": NOW.isoformat()}, ["until"]),
        ({"title": "a", "kind": "voucher", "voucher": {"points": 100}, "points": 1}, ["points", "cash_minor"]),
        ({"title": "a", "kind": "coupon", "points": 1, "coupon": {}}, ["coupon.discount_minor"]),
    ],
)
def test_every_fault_of_a_reward_is_named_by_its_path(here: Stage, content: dict[str, Any], faults: list[str]) -> None:
    """Nothing is kept of one that is refused."""
    answer = put(here, content=content, scopes=OPERATOR)
    assert (422, "INVALID_REQUEST") == (answer.status, answer.code)
    assert sorted(set(faults)) == sorted({error["field"] for error in answer.body["errors"]})
    assert [] == here.table()


@pytest.mark.parametrize("reward_id", ["Cup", "-cup", "a%20b", "x" * 65, "%E6%9D%AF", "a%2Fb", "a%00"])
def test_ids_that_cannot_be_written_down_are_refused(here: Stage, reward_id: str) -> None:
    """Letters, digits and a few signs: an id stands in addresses and files."""
    assert 422 == put(here, reward_id, scopes=OPERATOR).status
    assert 404 == here.ask("GET", f"/v1/rewards/{reward_id}", subject=M, scopes=MEMBER).status
    assert 404 == fill(here, 1, "k", reward_id).status


def test_what_must_stay_stays(here: Stage) -> None:
    """Kind, codes and whether it is counted are settled with the first writing; shards only grow, and begin empty."""
    put(here, content=CUP | {"stock": {"shards": 2}})
    fill(here, 4, "k1")
    changed = CUP | {"kind": "virtual", "stock": {"codes": True}}
    answer = put(here, content=changed, scopes=OPERATOR)
    assert ["kind", "stock.codes"] == [error["field"] for error in answer.body["errors"]]
    for stock, field in (({"counted": False, "shards": 2}, "stock.counted"), ({}, "stock.shards")):
        answer = put(here, content=CUP | {"stock": stock}, scopes=OPERATOR)
        assert [field] == [error["field"] for error in answer.body["errors"]]
    assert 3 == put(here, content=CUP | {"stock": {"shards": 3}}).body["shards"]
    assert [2, 2, 0] == [shard["free"] for shard in stock_of(here)["shards"]]


def stock_of(here: Stage, reward_id: str = "cup") -> dict[str, Any]:
    """The stock, as an operator sees it; its law holds in all and in each shard."""
    answer = here.ask("GET", f"/v1/rewards/{reward_id}/stock", subject="op", scopes=OPERATOR)
    assert answer.status == 200, answer
    for part in (answer.body, *answer.body["shards"]):
        if part["free"] is not None:
            assert part["stocked"] == part["free"] + part["reserved"] + part["sold"]
    body: dict[str, Any] = answer.body
    return body


@pytest.mark.parametrize("scopes", [MEMBER, SHOP])
def test_only_operators_steer(here: Stage, scopes: str) -> None:
    """Neither members nor the shop's server write, fill, import or read what was written."""
    put(here)
    before = here.table()
    asked = [
        here.ask("PUT", "/v1/rewards/cup", CUP | {"points": 1}, subject=M, scopes=scopes),
        post(here, "/v1/rewards/cup/shelf", {"on": False}, "k", scopes=scopes),
        post(here, "/v1/rewards/cup/stock", {"pieces": 1}, "k", scopes=scopes),
        post(here, "/v1/rewards/cup/codes", {"codes": ["a"]}, "k", scopes=scopes),
        post(here, "/v1/rewards/import", {"rewards": [CUP | {"id": "a"}]}, "k", scopes=scopes),
        here.ask("GET", "/v1/rewards/cup/stock", subject=M, scopes=scopes),
        here.ask("GET", "/v1/reward-records", subject=M, scopes=scopes),
        here.ask("GET", "/v1/reward-records/cup", subject=M, scopes=scopes),
        here.ask("GET", "/v1/rewards", subject=M, scopes=scopes, query={"low": "true"}),
        here.ask("GET", "/v1/rewards", subject=M, scopes=scopes, query={"status": "OFF_SHELF"}),
    ]
    assert [403] * len(asked) == [answer.status for answer in asked]
    assert before == here.table()


def test_off_the_shelf_a_reward_is_seen_by_operators_alone(here: Stage) -> None:
    """Members and the shop are told that there is none; putting it back is one call, and both are in the audit."""
    put(here)
    off = post(here, "/v1/rewards/cup/shelf", {"on": False, "reason": "recall"}, "k1")
    assert (200, "OFF_SHELF") == (off.status, off.body["status"])
    assert [] == shelf(here)
    assert [] == shelf(here, SHOP)
    assert ["cup"] == shelf(here, OPERATOR, status="OFF_SHELF")
    assert ("REWARD_NOT_FOUND", 404) == (
        (no := here.ask("GET", "/v1/rewards/cup", subject=M, scopes=MEMBER)).code,
        no.status,
    )
    seen = here.ask("GET", "/v1/rewards/cup", subject="op", scopes=OPERATOR)
    assert ("OFF_SHELF", "NOT_OPEN") == (seen.body["status"], seen.body["exchange"]["because"])
    assert off.body == post(here, "/v1/rewards/cup/shelf", {"on": False, "reason": "recall"}, "k1").body
    post(here, "/v1/rewards/cup/shelf", {"on": True}, "k2")
    assert ["cup"] == shelf(here)
    done = ["reward.created reward/cup", "reward.off_shelf reward/cup", "reward.on_shelf reward/cup"]
    assert done == sorted(audited(here))


# Stock ---------------------------------------------------------------------------------------------------------------


def test_stock_is_filled_once_for_each_key(here: Stage) -> None:
    """The same request again is answered again; another one under its key is refused; the audit says why."""
    put(here, content=CUP | {"stock": {"shards": 3}})
    first = fill(here, 10, "k1")
    assert (200, 10, [4, 3, 3]) == (first.status, first.body["free"], [one["free"] for one in first.body["shards"]])
    assert first.body == fill(here, 10, "k1").body
    assert ("IDEMPOTENCY_KEY_REUSED", 422) == ((other := fill(here, 11, "k1")).code, other.status)
    assert 400 == here.ask("POST", "/v1/rewards/cup/stock", {"pieces": 1}, subject="op", scopes=OPERATOR).status
    assert 10 == stock_of(here)["free"]
    assert [7, 10] == [fill(here, -3, "k2").body["free"], fill(here, 3, "k3").body["free"]]
    assert 3 == audited(here).count("reward.stocked reward/cup")


def test_more_than_is_free_is_not_taken_out(here: Stage) -> None:
    """What is sold or reserved is not the operator's; the answer says what is left."""
    put(here, content=CUP | {"stock": {"shards": 2, "restock_on": "2026-04-01"}})
    fill(here, 6, "k1")
    taken(here, "cup", 2)
    answer = fill(here, -5, "k2")
    assert (409, "OUT_OF_STOCK", 4, "2026-04-01") == (
        answer.status,
        answer.code,
        answer.body["left"],
        answer.body["restock_on"],
    )
    assert 0 == fill(here, -4, "k2").body["free"]
    assert (0, 2, 2) == ((now := stock_of(here))["free"], now["sold"], now["stocked"])


@pytest.mark.parametrize("pieces", [10**9 + 1, -(10**9) - 1, 1.5, "1", True, None, 0])
def test_pieces_are_whole_numbers_within_reason(here: Stage, pieces: object) -> None:
    """Anything else is named and changes nothing."""
    put(here)
    answer = post(here, "/v1/rewards/cup/stock", {"pieces": pieces}, "k")
    assert (422, "pieces") == (answer.status, answer.body["errors"][0]["field"])
    assert 0 == stock_of(here)["free"]


def test_a_reward_without_end_has_no_pieces_to_fill(here: Stage) -> None:
    """It is always in stock, and what is sold of it is counted all the same."""
    put(here, "tree", {"title": "Tree", "kind": "donation", "points": 100, "stock": {"counted": False, "shards": 2}})
    assert ["pieces"] == [error["field"] for error in fill(here, 1, "k", "tree").body["errors"]]
    assert [None, None] == [shard["free"] for shard in stock_of(here, "tree")["shards"]]
    assert look(here, "tree")["in_stock"]
    put(here, "tree", {"title": "Tree", "kind": "donation", "points": 100, "stock": {"counted": False, "shards": 4}})
    assert [None] * 4 == [shard["free"] for shard in stock_of(here, "tree")["shards"]]


CODES = {"title": "Film", "kind": "virtual", "points": 100, "stock": {"codes": True}}


def test_a_code_is_taken_once_for_ever(here: Stage) -> None:
    """Twice in one request, uploaded or handed out before, or no code at all: refused by line; others are taken."""
    put(here, "film", CODES)
    first = post(here, "/v1/rewards/film/codes", {"codes": ["A", "B", "A", " x", "", "码" * 3]}, "k1")
    assert (200, 3, 3) == (first.status, first.body["added"], first.body["free"])
    assert [(3, "is that of line 1 too"), (4, "is not a"), (5, "is not a")] == [
        (one["line"], one["problem"][:8] if one["line"] > 3 else one["problem"]) for one in first.body["refused"]
    ]
    taken(here, "film", 1)
    again = post(here, "/v1/rewards/film/codes", {"codes": ["B", "A", "C"]}, "k2")
    assert (1, [(1, "was put in before"), (2, "was put in before")]) == (
        again.body["added"],
        [(one["line"], one["problem"]) for one in again.body["refused"]],
    )
    assert first.body == post(here, "/v1/rewards/film/codes", {"codes": ["A", "B", "A", " x", "", "码" * 3]}, "k1").body
    assert 3 == stock_of(here, "film")["free"]


def test_two_hundred_codes_are_one_request(here: Stage) -> None:
    """They take several transactions and several shards; sent again nothing is added."""
    put(here, "film", CODES)
    codes = {"codes": [f"C-{number:03d}" for number in range(200)]}
    first = post(here, "/v1/rewards/film/codes", codes, "k1")
    assert (200, []) == (first.body["added"], first.body["refused"])
    assert [50] * 4 == [shard["free"] for shard in stock_of(here, "film")["shards"]]
    assert first.body == post(here, "/v1/rewards/film/codes", codes, "k1").body
    other = post(here, "/v1/rewards/film/codes", codes, "k2").body
    assert (0, 200) == (other["added"], len(other["refused"]))
    assert 422 == post(here, "/v1/rewards/film/codes", {"codes": ["x"] * 201}, "k3").status
    assert 200 == stock_of(here, "film")["free"]


def test_an_upload_that_stopped_half_way_goes_on(here: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crash between two transactions the same request puts in the rest, and says that all were added."""
    put(here, "film", CODES)
    codes = {"codes": [f"C-{number:03d}" for number in range(200)]}
    ledger, done = here.runtime.ledger, list[int]()
    commit = ledger.commit

    def crashing(posting: Posting, patience: Any) -> None:
        if len(done) == 1:
            message = "the process ends here"
            raise RuntimeError(message)
        done.append(1)
        commit(posting, patience)

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "commit", crashing)
        assert 500 == post(here, "/v1/rewards/film/codes", codes, "k1").status
    assert 80 == stock_of(here, "film")["free"]
    answer = post(here, "/v1/rewards/film/codes", codes, "k1").body
    assert (200, [], 200) == (answer["added"], answer["refused"], answer["free"])
    assert 200 == stock_of(here, "film")["free"]


def test_codes_go_into_pools_and_pieces_elsewhere(here: Stage) -> None:
    """Each is refused where it does not belong."""
    put(here)
    put(here, "film", CODES)
    assert ["codes"] == [e["field"] for e in post(here, "/v1/rewards/cup/codes", {"codes": ["A"]}, "k1").body["errors"]]
    assert ["pieces"] == [e["field"] for e in fill(here, 5, "k2", "film").body["errors"]]
    assert 404 == post(here, "/v1/rewards/none/codes", {"codes": ["A"]}, "k3").status


# The shelf -----------------------------------------------------------------------------------------------------------


def test_a_member_sees_the_price_for_the_own_tier_and_whether_it_can_be_had(here: Stage) -> None:
    """Tier, sale, limits and stock are all in one answer; exact numbers are for the shop."""
    sale = {"from": NOW.isoformat(), "until": (NOW + timedelta(hours=1)).isoformat(), "points": 301, "cash_minor": 0}
    content = CUP | {
        "cash_minor": 900,
        "tiers": {"gold": "0.90"},
        "sale": sale,
        "limits": [{"per": "month", "times": 1}],
    }
    put(here, content=content)
    fill(here, 3, "k1")
    points(here, 1_000)
    seen = look(here)
    assert {
        "points": 271,
        "cash": None,
        "list_points": 500,
        "list_cash": {"amount_minor": 900, "currency": "GBP"},
        "tier": "gold",
        "on_sale": True,
        "campaign": None,
    } == seen["price"]
    assert (True, None) == (seen["exchange"]["can"], seen["exchange"]["because"])
    assert (True, True, False) == (seen["in_stock"], seen["few_left"], "left" in seen)
    assert [("reward_times_per_month", 1, 1), ("mall_points_per_day", 5_000, 5_000)] == [
        (one["limit"], one["allowed"], one["left"]) for one in seen["limits"]
    ]
    assert "2026-03-31T16:00:00+00:00" == seen["limits"][0]["resets_at"]
    here.move_to(NOW + timedelta(hours=1))
    assert (450, {"amount_minor": 900, "currency": "GBP"}) == (
        (price := look(here)["price"])["points"],
        price["cash"],
    )
    shop = here.get("/v1/rewards/cup")
    assert (500, None, 3, 0) == (shop["price"]["points"], shop["price"]["tier"], shop["left"], shop["sold"])
    assert 450 == here.get("/v1/rewards/cup", member_id=M)["price"]["points"]


def test_what_is_in_the_way_is_named_with_its_end(here: Stage) -> None:
    """Not open yet, over, for another tier, sold out, or too dear: each with what it depends on."""
    later, past = (NOW + timedelta(days=1)).isoformat(), (NOW - timedelta(days=1)).isoformat()
    put(here, "later", CUP | {"from": later})
    put(here, "over", CUP | {"until": past})
    put(here, "gold", CUP | {"only_tiers": ["gold"]})
    put(here, "sold-out", CUP | {"stock": {"restock_on": "2026-04-01"}})
    put(here, "dear", CUP | {"points": 5_000, "stock": {"counted": False}})
    put(here, "too-dear", CUP | {"points": 5_001, "stock": {"counted": False}})
    points(here, 100)
    found = {name: look(here, name)["exchange"] for name in ("later", "over", "gold", "sold-out", "dear", "too-dear")}
    assert {
        "later": "NOT_OPEN",
        "over": "NOT_OPEN",
        "gold": "NOT_OPEN",
        "sold-out": "OUT_OF_STOCK",
        "dear": "INSUFFICIENT_POINTS",
        "too-dear": "LIMIT_REACHED",
    } == {name: one["because"] for name, one in found.items()}
    assert [False] * 6 == [one["can"] for one in found.values()]
    assert "2026-03-11T04:00:00Z" == found["later"]["opens_at"]
    assert "2026-03-09T04:00:00Z" == found["over"]["closed_at"]
    assert "2026-04-01" == found["sold-out"]["restock_on"]
    assert 4_900 == found["dear"]["missing_points"]
    assert ("mall_points_per_day", "2026-03-10T16:00:00+00:00") == (
        found["too-dear"]["limit"],
        found["too-dear"]["resets_at"],
    )


def test_the_shelf_is_searched_in_any_script(here: Stage) -> None:
    """Parts of words, in Chinese too, without case or width; all words of a query have to be there."""
    put(here, "cup", {"title": "Red Cup", "points": 1, "category": "Home", "tags": ["gift"]})
    put(here, "bei", {"title": "星空马克杯", "points": 1, "description": "节日礼物 for her", "category": "家居"})
    asked = {
        "red": ["cup"],
        "ＣＵＰ": ["cup"],
        "克杯": ["bei"],
        "礼物": ["bei"],
        "FOR 杯": ["bei"],
        "gift home": ["cup"],
        "cup 杯": [],
        "家居": ["bei"],
        "<script>": [],
    }
    assert asked == {query: shelf(here, q=query) for query in asked}
    assert [["cup"], ["bei"], [], ["cup"]] == [
        shelf(here, category="home"),
        shelf(here, category="家居"),
        shelf(here, category="hom"),
        shelf(here, tag="Gift"),
    ]


def test_the_shelf_is_filtered_and_sorted(here: Stage) -> None:
    """Kind, price, what the member can pay, what is there; the popular first unless said."""
    put(here, "a", {"title": "A", "points": 300, "kind": "virtual"})
    here.move_to(NOW + timedelta(minutes=1))
    put(here, "b", {"title": "B", "points": 100, "tiers": {"gold": "0.5"}})
    here.move_to(NOW + timedelta(minutes=2))
    put(here, "c", {"title": "C", "points": 200, "kind": "service", "stock": {"counted": False}})
    fill(here, 5, "k1", "a")
    fill(here, 1, "k2", "b")
    taken(here, "a", 2)
    taken(here, "b", 1)
    assert ["a", "b", "c"] == shelf(here)
    assert ["b", "c", "a"] == shelf(here, sort="points")
    assert ["a", "c", "b"] == shelf(here, sort="-points")
    assert ["c", "b", "a"] == shelf(here, sort="newest")
    assert ["c"] == shelf(here, kind="service")
    assert ["a", "c"] == shelf(here, in_stock="true")
    assert ["c"] == shelf(here, points_from="101", points_to="200")
    assert [] == shelf(here, affordable="true")
    points(here, 250)
    assert ["b", "c"] == shelf(here, affordable="true")
    for query in ({"sort": "price"}, {"limit": "0"}, {"limit": "101"}, {"kind": "x"}, {"points_from": "-1"}):
        assert 422 == here.ask("GET", "/v1/rewards", subject=M, scopes=MEMBER, query=query).status


def test_pages_go_on_where_they_ended_while_the_shelf_changes(here: Stage) -> None:
    """Nothing is shown twice when something is taken away or put before it; a cursor is good for its own order."""
    for number in range(7):
        put(here, f"r{number}", {"title": f"R{number}", "points": 100 * (number + 1)})

    def page(cursor: str | None, **query: str) -> tuple[list[str], str | None]:
        asked = query | {"limit": "3", "sort": "points"} | ({"cursor": cursor} if cursor else {})
        answer = here.ask("GET", "/v1/rewards", subject=M, scopes=MEMBER, query=asked)
        return [one["id"] for one in answer.body["rewards"]], answer.body["cursor"]

    first, cursor = page(None)
    assert (["r0", "r1", "r2"], True) == (first, cursor is not None)
    post(here, "/v1/rewards/r2/shelf", {"on": False}, "k1")
    put(here, "r-cheap", {"title": "cheap", "points": 50})
    put(here, "r1", {"title": "R1", "points": 10})
    second, cursor = page(cursor)
    assert (["r3", "r4", "r5"], (["r6"], None)) == (second, page(cursor))
    assert cursor is not None
    for wrong in ({"cursor": cursor, "sort": "newest"}, {"cursor": cursor[:-2] + "AA"}, {"cursor": "x"}):
        answer = here.ask("GET", "/v1/rewards", subject=M, scopes=MEMBER, query=wrong)
        assert (422, "cursor") == (answer.status, answer.body["errors"][0]["field"])


def test_a_list_costs_the_member_and_nothing_else(here: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shelf is read once for a while; every page after that is one read of one account, or none at all."""
    for number in range(120):
        put(here, f"r{number}", {"title": f"R{number}", "points": 100})
    assert 100 == len(shelf(here, limit="100"))
    ledger, loads = here.runtime.ledger, list[tuple[int, int]]()
    load = ledger.load

    def counting(members: Any, documents: Any = ()) -> Any:
        loads.append((len(members), len(documents)))
        return load(members, documents)

    monkeypatch.setattr(ledger, "load", counting)
    monkeypatch.setattr(ledger, "listed", None)
    shelf(here, q="R1")
    assert [(1, 0)] == loads
    here.ask("GET", "/v1/rewards", subject="shop", scopes=SHOP)
    assert [(1, 0)] == loads


def test_a_member_sees_nobody_elses_prices(here: Stage) -> None:
    """Neither by list nor by reward; a shop names any member, and who cannot exist is refused."""
    put(here)
    for path in ("/v1/rewards", "/v1/rewards/cup"):
        assert 403 == here.ask("GET", path, subject=M, scopes=MEMBER, query={"member_id": "m-2"}).status
        assert 200 == here.ask("GET", path, subject=M, scopes=MEMBER, query={"member_id": M}).status
        assert 200 == here.ask("GET", path, query={"member_id": "m-2"}).status
        assert 422 == here.ask("GET", path, query={"member_id": " m"}).status
    assert 422 == here.ask("GET", "/v1/rewards", query={"affordable": "true"}).status


def test_operators_find_what_is_low(here: Stage) -> None:
    """Fewer free than the reward's own mark; a reward without one is never low."""
    put(here, "a", CUP | {"stock": {"low": 5}})
    put(here, "b", CUP | {"stock": {"low": 5}})
    put(here, "c", CUP)
    fill(here, 4, "k1", "a")
    fill(here, 5, "k2", "b")
    assert ["a"] == shelf(here, OPERATOR, low="true")
    assert (True, False) == (stock_of(here, "a")["low"], stock_of(here, "b")["low"])


def test_texts_come_back_as_they_were_written(here: Stage) -> None:
    """The API neither strips nor escapes: whoever shows a text in a page escapes it there."""
    title = "<img src=x onerror=alert(1)> \"'&"
    put(here, content=CUP | {"title": title, "description": "a\nb\t<b>"})
    assert (title, "a\nb\t<b>") == ((seen := look(here))["title"], seen["description"])


# Waiting -------------------------------------------------------------------------------------------------------------


def wish(here: Stage, key: str, member: str = M, *, on: bool = True, reward_id: str = "cup") -> Answer:
    """Ask to be told, as the member."""
    body = {"reward_id": reward_id, "on": on}
    return here.ask("POST", f"/v1/members/{member}/restock-notices", body, key=key, subject=member, scopes=MEMBER)


def test_a_member_waits_for_what_is_sold_out_only(here: Stage) -> None:
    """What is there needs no waiting, and the answer says so; nobody asks in another's name."""
    put(here)
    waiting = wish(here, "w1")
    assert (200, {"reward_id": "cup", "member_id": M, "on": True, "in_stock": False}) == (waiting.status, waiting.body)
    assert waiting.body == wish(here, "w1").body
    assert not wish(here, "w2", on=False).body["on"]
    fill(here, 1, "k1")
    assert (False, True) == ((there := wish(here, "w3")).body["on"], there.body["in_stock"])
    for unknown in ("none", "Cup", "c%75p", "杯", "a/b"):
        assert 404 == wish(here, "w4", reward_id=unknown).status
    post(here, "/v1/rewards/cup/shelf", {"on": False}, "k2")
    assert 404 == wish(here, "w5").status
    other = {"reward_id": "cup"}
    assert 403 == here.ask("POST", "/v1/members/m-2/restock-notices", other, key="k", subject=M, scopes=MEMBER).status


# Import and export ---------------------------------------------------------------------------------------------------


def test_an_import_says_what_came_of_each_row(here: Stage) -> None:
    """A refused row stops no other; a dry run says the same and writes nothing; sent again, all is the same."""
    put(here)
    rows = [
        CUP | {"id": "cup", "points": 600},
        CUP | {"id": "mug"},
        CUP | {"id": "mug"},
        {"id": "bad", "title": "", "points": -1},
        CUP | {"id": "No"},
        CUP,
        CUP | {"id": 7},
    ]
    outcomes = ["changed", "created", "refused", "refused", "refused", "refused", "refused"]
    before = here.table()
    tried = post(here, "/v1/rewards/import", {"rewards": rows, "dry_run": True}, "k1")
    assert (200, True, outcomes) == (
        tried.status,
        tried.body["dry_run"],
        [row["outcome"] for row in tried.body["rewards"]],
    )
    assert before == here.table()
    done = post(here, "/v1/rewards/import", {"rewards": rows}, "k1").body
    assert tried.body["rewards"] == done["rewards"]
    assert [1, 2, 3, 4, 5, 6, 7] == [row["line"] for row in done["rewards"]]
    assert {"title", "points"} == {fault["field"] for fault in done["rewards"][3]["faults"]}
    again = post(here, "/v1/rewards/import", {"rewards": rows[:2]}, "k2").body
    assert ["same", "same"] == [row["outcome"] for row in again["rewards"]]
    for wrong in ([], [CUP | {"id": "x"}] * 101, ["x"], "x"):
        assert 422 == post(here, "/v1/rewards/import", {"rewards": wrong}, "k3").status


def test_records_are_what_an_import_takes(here: Stage) -> None:
    """Every reward, page by page, on the shelf or off; sent back, each is the same."""
    for number in range(5):
        put(here, f"r{number}", CUP | {"points": number + 1})
    post(here, "/v1/rewards/r2/shelf", {"on": False}, "k1")
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = here.ask("GET", "/v1/reward-records", subject="op", scopes=OPERATOR, query=query).body
        rows += [{"id": one["id"], **one["content"]} for one in page["rewards"]]
        cursor = page["cursor"]
        if cursor is None:
            break
    assert ["r4", "r3", "r2", "r1", "r0"] == [row["id"] for row in rows]
    sent = post(here, "/v1/rewards/import", {"rewards": rows}, "k2").body
    assert ["same"] * 5 == [row["outcome"] for row in sent["rewards"]]
    one = here.ask("GET", "/v1/reward-records/r2", subject="op", scopes=OPERATOR).body
    assert ("OFF_SHELF", "operator:op", 3) == (one["status"], one["by"], one["content"]["points"])


def test_a_price_in_another_currency_is_not_offered(here: Stage) -> None:
    """After the program's currency was changed, a reward priced in the old one is off the shelf until written anew."""
    put(here, content=CUP | {"cash_minor": 500})
    put(here, "plain", CUP)
    program = dict(PROGRAM) | {"currency": "JPY"}
    assert 200 == here.ask("PUT", "/v1/program", program, subject="a", scopes=ADMIN).status
    assert ["plain"] == shelf(here)
    answer = here.ask("GET", "/v1/rewards", subject="op", scopes=OPERATOR)
    assert ["cup"] == answer.body["unreadable"]
    assert 404 == here.ask("GET", "/v1/rewards/cup", subject=M, scopes=MEMBER).status
    put(here, content=CUP | {"cash_minor": 500})
    assert {"amount_minor": 500, "currency": "JPY"} == look(here)["price"]["cash"]


PAGE = Path(__file__).parents[2] / "docs" / "mall.md"


def test_the_page_says_what_the_api_takes_and_answers(here: Stage, tmp_path: Path) -> None:
    """The first reward of docs/mall.md, its rows of CSV, and the fields of its example of the shelf."""
    page = PAGE.read_text(encoding="utf-8")
    (first,) = re.findall(r"-X PUT .*?-d '(\{.*?\})'", page, re.DOTALL)
    put(here, content=json.loads(first))
    (rows,) = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    (tmp_path / "page.csv").write_text(rows, encoding="utf-8")
    read = [dict(row.content) for row in read_rows(tmp_path / "page.csv")]
    said = post(here, "/v1/rewards/import", {"rewards": read}, "k1").body["rewards"]
    assert ["changed", "created"] == [row["outcome"] for row in said]
    examples = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    (shown,) = [one for one in examples if "exchange" in one]
    seen = look(here)
    assert shown.keys() == seen.keys()
    assert [shown[part].keys() for part in ("price", "exchange")] == [
        seen[part].keys() for part in ("price", "exchange")
    ]
    assert shown["limits"][0].keys() == seen["limits"][0].keys()


def test_a_reservation_is_no_free_piece(here: Stage) -> None:
    """What is reserved is counted apart, and neither taken out nor shown as left."""
    put(here)
    fill(here, 2, "k1")
    key = StockKey("cup", 0)
    known = here.runtime.ledger.load([], [key]).documents[key]
    assert isinstance(known, Stock)
    kept = {"ro.bQ.aaaaaaaaaaaaaaaaaaaaaa": Reserved(1, NOW + timedelta(minutes=10))}
    reserved = Stock("cup", 0, 1, 0, 2, reserved=kept, version=known.version)
    here.runtime.ledger.commit(Posting(documents=(reserved,)), Patient(3))
    assert (1, 1, 0, 2) == tuple(stock_of(here)[name] for name in ("free", "reserved", "sold", "stocked"))
    assert ("OUT_OF_STOCK", 1) == ((no := fill(here, -2, "k2")).code, no.body["left"])
