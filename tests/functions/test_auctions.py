"""Auctions from outside: written by operators, bid in by members, settled once; points held, freed and spent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from functions.play import app as play
from jifen.domain.auctions import KNOWN
from jifen.runtime import use
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Stage

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
OPENS = NOW + timedelta(hours=1)
CLOSES = OPENS + timedelta(hours=1)
LAST = CLOSES - timedelta(microseconds=1)
TICK = timedelta(microseconds=1)

PROGRAM: Mapping[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "CNY",
    "earning": {
        "rules": [
            {"id": "base", "rate": {"points": 1, "per_minor": 100}},
            {"id": "gift", "on": "gift.given", "given": {"field": "points", "min": 1, "max": 10_000}},
        ]
    },
}
WITH_PASSWORD = {**PROGRAM, "security": {"password_above": 100}}
TEA: Mapping[str, Any] = {
    "title": "Tea set",
    "kind": "physical",
    "description": "Six cups.",
    "start_points": 1,
    "step_points": 5,
    "from": OPENS.isoformat(),
    "until": CLOSES.isoformat(),
}


@pytest.fixture(scope="module")
def stage_(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop in Shanghai."""
    here = Stage("auctions", program=PROGRAM, now=NOW)
    with use(here.runtime):
        yield here


@pytest.fixture
def here(stage_: Stage) -> Stage:
    """alice, bob and carol have a hundred points each, nobody has bid, and the auction is open."""
    stage_.clear()
    stage_.move_to(NOW)
    for member in ("alice", "bob", "carol"):
        give(stage_, member, 100)
    assert write(stage_).status == 200
    stage_.move_to(OPENS)
    return stage_


def give(here: Stage, member: str, points: int) -> None:
    """Give points for an event."""
    sent = {
        "type": "gift.given",
        "event_id": f"gift-{member}-{points}",
        "member_id": member,
        "occurred_at": here.now.isoformat(),
        "data": {"points": points},
    }
    answer = here.ask("POST", "/v1/events", sent, key=str(sent["event_id"]))
    assert (200, points) == (answer.status, answer.body["points"])


def write(here: Stage, name: str = "tea", scopes: str = OPERATOR, **changes: Any) -> Answer:
    """Write an auction, as an operator; ``...`` leaves a key out, and ``since`` is ``from``."""
    content = {**TEA, **{"from" if key == "since" else key: value for key, value in changes.items()}}
    content = {key: value for key, value in content.items() if value is not ...}
    return here.ask("PUT", f"/v1/auctions/{name}", content, subject="op", scopes=scopes)


def bid(here: Stage, member: str, points: Any, key: str | None = None, name: str = "tea", **more: Any) -> Answer:
    """Bid, as the member."""
    sent = {"auction_id": name, "points": points, **more}
    key = key or f"{name}-{member}-{points}"
    return here.ask("POST", f"/v1/members/{member}/bids", sent, key=key, subject=member, scopes=MEMBER)


def settle(here: Stage, key: str = "s", name: str = "tea", scopes: str = SHOP) -> Answer:
    """Settle, as the shop."""
    return here.ask("POST", f"/v1/auctions/{name}/settle", key=key, scopes=scopes)


def cancel(here: Stage, key: str = "c", name: str = "tea", reason: str = "broken") -> Answer:
    """Take it back, as an operator."""
    body = {"reason": reason}
    return here.ask("POST", f"/v1/auctions/{name}/cancel", body, key=key, subject="op", scopes=OPERATOR)


def seen_by(here: Stage, member: str, name: str = "tea") -> Any:
    """The auction as a member sees it."""
    answer = here.ask("GET", f"/v1/auctions/{name}", subject=member, scopes=MEMBER)
    assert answer.status == 200, answer
    return answer.body


def points(here: Stage, member: str) -> tuple[int, int, int]:
    """Available, held and balance, of an account that can be proved."""
    found = here.member(member)
    assert here.proved(member)
    return found["available"], found["held"], found["balance"]


def refused(answer: Answer) -> tuple[int, Any]:
    """Status and code."""
    return answer.status, answer.code


# Writing -------------------------------------------------------------------------------------------------------------


def test_an_auction_is_shown_as_it_was_written(here: Stage) -> None:
    """With the least bid, nobody on top, and the state that the clock says."""
    found = seen_by(here, "alice")
    assert {
        "auction_id": "tea",
        "title": "Tea set",
        "kind": "physical",
        "description": "Six cups.",
        "status": "OPEN",
        "opens_at": "2026-03-10T05:00:00Z",
        "until": "2026-03-10T06:00:00Z",
        "closes_at": "2026-03-10T06:00:00Z",
        "extend_s": 0,
        "extend_max_s": 0,
        "start_points": 1,
        "step_points": 5,
        "max_points": None,
        "max_bids_per_member": None,
        "bids": 0,
        "least_points": 1,
        "top": None,
        "order_id": None,
    } == found
    here.move_to(OPENS - TICK)
    assert ("SCHEDULED", 1) == (seen_by(here, "alice")["status"], seen_by(here, "alice")["least_points"])
    here.move_to(CLOSES)
    assert ("CLOSING", None) == (seen_by(here, "alice")["status"], seen_by(here, "alice")["least_points"])


def test_what_is_wrong_with_an_auction_is_named_at_once(here: Stage) -> None:
    """Every fault by its path, and nothing is written."""
    answer = write(
        here,
        "bad",
        title=" ",
        kind="voucher",
        since="soon",
        until=...,
        start_points=0,
        step_points=1.5,
        extend_s=3_601,
        max_bids_per_member=0,
        buy_now=5,
    )
    assert (422, "INVALID_REQUEST") == refused(answer)
    assert {
        "title",
        "kind",
        "from",
        "until",
        "start_points",
        "step_points",
        "extend_s",
        "max_bids_per_member",
        "buy_now",
    } == {fault["field"] for fault in answer.body["errors"]}
    assert 404 == here.ask("GET", "/v1/auctions/bad").status


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"until": OPENS.isoformat()}, "until"),
        ({"until": (OPENS + timedelta(days=366, seconds=1)).isoformat()}, "until"),
        ({"since": "2026-03-01T00:00:00Z", "until": NOW.isoformat()}, "until"),
        ({"extend_max_s": 60}, "extend_max_s"),
        ({"start_points": 10, "max_points": 9}, "max_points"),
        ({"title": ...}, "title"),
        ({"since": ...}, "from"),
        ({"description": "x" * 2_001}, "description"),
        ({"max_points": True}, "max_points"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(here: Stage, changes: Mapping[str, Any], field: str) -> None:
    """An end before the beginning or in the past, a bound of nothing, a most below the least."""
    answer = write(here, "bad", **changes)
    assert (422, [field]) == (answer.status, [fault["field"] for fault in answer.body["errors"]])


def test_an_auction_can_be_rewritten_until_it_opens_and_not_after(here: Stage) -> None:
    """From its first instant on members rely on it; the same again is no change at any time."""
    here.move_to(OPENS - TICK)
    assert 7 == write(here, start_points=7).body["start_points"]
    here.move_to(OPENS)
    answer = write(here)
    assert ((409, "WRONG_STATUS"), "OPEN", ["SCHEDULED"]) == (
        refused(answer),
        answer.body["status_now"],
        answer.body["needs"],
    )
    assert 200 == write(here, start_points=7).status
    assert 201 == bid(here, "alice", 7).status
    assert (200, 1) == (write(here, start_points=7).status, write(here, start_points=7).body["bids"])
    assert 7 == seen_by(here, "bob")["start_points"]


def test_every_writing_and_canceling_is_a_line_of_the_audit(here: Stage) -> None:
    """Who, what and why; one that changes nothing leaves no line."""
    write(here)
    cancel(here, reason="broken in the store")
    cancel(here, reason="broken in the store")
    lines = here.ask("GET", "/v1/audit", scopes=OPERATOR, subject="op").body["lines"]
    assert [
        ("auction.canceled", "auction/tea", "broken in the store", "operator:op"),
        ("auction.written", "auction/tea", "", "operator:op"),
    ] == [(line["action"], line["target"], line["reason"], line["actor"]) for line in lines]


@pytest.mark.parametrize("name", ["Tea", "a b", "-x", "x" * 65, "é"])
def test_names_that_are_none(here: Stage, name: str) -> None:
    """Refused when written; and nothing is there when asked for."""
    path = f"/v1/auctions/{name.replace(' ', '%20')}"
    assert 422 == here.ask("PUT", path, TEA, subject="op", scopes=OPERATOR).status
    assert (404, "AUCTION_NOT_FOUND") == refused(here.ask("GET", path))
    assert (404, "AUCTION_NOT_FOUND") == refused(here.ask("POST", f"{path}/settle", key="k"))
    assert (404, "AUCTION_NOT_FOUND") == refused(
        here.ask("POST", f"{path}/cancel", key="k2", scopes=OPERATOR, subject="op")
    )


def test_who_may_do_what(here: Stage) -> None:
    """Operators write and cancel, the shop settles, a member bids with the own points alone."""
    for scopes in (MEMBER, SHOP):
        assert 403 == write(here, scopes=scopes).status
        assert 403 == here.ask("POST", "/v1/auctions/tea/cancel", key="k", scopes=scopes).status
    assert 403 == settle(here, scopes=MEMBER).status
    sent = {"auction_id": "tea", "points": 5}
    assert 403 == here.ask("POST", "/v1/members/bob/bids", sent, key="k", subject="alice", scopes=MEMBER).status
    assert 403 == here.ask("POST", "/v1/members/bob/bids", sent, key="k", subject="op", scopes=OPERATOR).status
    assert 403 == here.ask("GET", "/v1/members/bob/bids", subject="alice", scopes=MEMBER).status
    assert 201 == here.ask("POST", "/v1/members/bob/bids", sent, key="k").status
    assert (400, "IDEMPOTENCY_KEY_MISSING") == refused(here.ask("POST", "/v1/members/bob/bids", sent))
    assert 200 == write(here, "other", scopes=ADMIN).status


# Bidding -------------------------------------------------------------------------------------------------------------


def test_a_bid_holds_its_points_until_it_is_outbid(here: Stage) -> None:
    """Outbid, the points are free at once; never more than one bid is held."""
    first = bid(here, "alice", 10)
    assert (201, "TOP", 10, 90, 15, False) == (
        first.status,
        first.body["status"],
        first.body["points"],
        first.body["available"],
        first.body["least_points"],
        first.body["extended"],
    )
    assert (90, 10, 100) == points(here, "alice")

    assert 201 == bid(here, "bob", 15).status
    assert ((100, 0, 100), (85, 15, 100)) == (points(here, "alice"), points(here, "bob"))
    kinds = [(entry["kind"], entry["reason"], entry["points"]) for entry in here.entries("alice")[1:]]
    assert [("hold", "BID_PLACED", 0), ("release", "BID_OUTBID", 0)] == kinds
    found = seen_by(here, "carol")
    assert (2, 20, 15) == (found["bids"], found["least_points"], found["top"]["points"])


def test_a_first_bid_may_be_one_point(here: Stage) -> None:
    """And the next one is a step higher."""
    assert 201 == bid(here, "alice", 1).status
    answer = bid(here, "bob", 5)
    assert ((409, "BID_TOO_LOW"), 6) == (refused(answer), answer.body["least"])
    assert 201 == bid(here, "bob", 6).status


def test_raising_the_own_bid_needs_the_difference_only(here: Stage) -> None:
    """With 100 points, 60 held and 90 bid: 30 more are taken, and there is one hold."""
    bid(here, "alice", 60)
    assert (201, 10) == (bid(here, "alice", 90).status, bid(here, "alice", 90).body["available"])
    assert (10, 90, 100) == points(here, "alice")
    answer = bid(here, "alice", 101)
    assert ((409, "INSUFFICIENT_POINTS"), 101, 100) == (refused(answer), answer.body["asked"], answer.body["available"])
    assert (10, 90, 100) == points(here, "alice")
    listed = here.ask("GET", "/v1/members/alice/bids", subject="alice", scopes=MEMBER).body["bids"]
    assert {(60, "RAISED"), (90, "TOP")} == {(one["points"], one["status"]) for one in listed}


def test_the_same_request_again_is_the_same_bid(here: Stage) -> None:
    """Also after it was outbid, and after the end; another request under the key is refused."""
    first = bid(here, "alice", 10, key="k")
    assert first == bid(here, "alice", 10, key="k")
    bid(here, "bob", 50)
    assert first == bid(here, "alice", 10, key="k")
    here.move_to(CLOSES)
    assert first == bid(here, "alice", 10, key="k")
    assert (422, "IDEMPOTENCY_KEY_REUSED") == refused(bid(here, "alice", 11, key="k"))
    assert ((100, 0, 100), 2) == (points(here, "alice"), seen_by(here, "alice")["bids"])


def test_keys_of_the_shop_and_of_the_member_do_not_meet(here: Stage) -> None:
    """The same key from two callers is two requests."""
    sent = {"auction_id": "tea", "points": 10}
    assert 201 == bid(here, "alice", 5, key="k").status
    assert 201 == here.ask("POST", "/v1/members/alice/bids", sent, key="k").status
    assert (90, 10, 100) == points(here, "alice")


def test_a_bid_counts_from_the_first_instant_to_the_last(here: Stage) -> None:
    """Before: NOT_OPEN with when it opens. At the opening and a microsecond before the end: taken. At the end: over."""
    here.move_to(OPENS - TICK)
    answer = bid(here, "alice", 10, key="early")
    assert ((409, "NOT_OPEN"), "2026-03-10T05:00:00+00:00", None) == (
        refused(answer),
        answer.body["opens_at"],
        answer.body["closed_at"],
    )
    here.move_to(OPENS)
    assert 201 == bid(here, "alice", 10).status
    here.move_to(LAST)
    assert 201 == bid(here, "bob", 15).status
    here.move_to(CLOSES)
    answer = bid(here, "carol", 20)
    assert ((409, "NOT_OPEN"), "2026-03-10T06:00:00+00:00") == (refused(answer), answer.body["closed_at"])
    assert ("bob", 15) == (here.get("/v1/auctions/tea")["top"]["bidder"], here.get("/v1/auctions/tea")["top"]["points"])


def test_a_late_bid_puts_the_end_off_up_to_a_bound(here: Stage) -> None:
    """Within the last minute the end moves to a minute after the bid; 90 seconds later at most, however many bids."""
    here.move_to(NOW)
    write(here, "late", extend_s=60, extend_max_s=90)
    here.move_to(CLOSES - timedelta(seconds=60, microseconds=1))
    answer = bid(here, "alice", 1, name="late")
    assert (CLOSES.isoformat().replace("+00:00", "Z"), False) == (answer.body["closes_at"], answer.body["extended"])
    here.move_to(CLOSES - timedelta(seconds=10))
    answer = bid(here, "bob", 6, name="late")
    assert ("2026-03-10T06:00:50Z", True) == (answer.body["closes_at"], answer.body["extended"])
    here.move_to(CLOSES + timedelta(seconds=49))
    assert "2026-03-10T06:01:30Z" == bid(here, "alice", 11, name="late").body["closes_at"]
    here.move_to(CLOSES + timedelta(seconds=90) - TICK)
    answer = bid(here, "bob", 16, name="late")
    assert ("2026-03-10T06:01:30Z", False) == (answer.body["closes_at"], answer.body["extended"])
    here.move_to(CLOSES + timedelta(seconds=90))
    assert (409, "NOT_OPEN") == refused(bid(here, "carol", 21, name="late"))
    found = seen_by(here, "bob", "late")
    assert ("2026-03-10T06:00:00Z", "CLOSING") == (found["until"], found["status"])


def test_limits_name_themselves(here: Stage) -> None:
    """The highest bid that is taken at all, and how often one member bids."""
    here.move_to(NOW)
    write(here, "small", max_points=20, max_bids_per_member=2)
    here.move_to(OPENS)
    answer = bid(here, "alice", 21, name="small")
    assert ((409, "LIMIT_REACHED"), "max_points", 20, None) == (
        refused(answer),
        answer.body["limit"],
        answer.body["allowed"],
        answer.body["resets_at"],
    )
    assert [201, 201] == [bid(here, "alice", asked, name="small").status for asked in (1, 6)]
    answer = bid(here, "alice", 11, name="small")
    assert ("bids_per_member", 2, None) == (answer.body["limit"], answer.body["allowed"], answer.body["resets_at"])
    assert 201 == bid(here, "bob", 20, name="small").status
    assert "max_points" == bid(here, "carol", 20, name="small").body["limit"]
    assert (100, 0, 100) == points(here, "alice")


def test_an_account_keeps_at_most_twenty_holds(here: Stage) -> None:
    """The twenty-first bid is refused with when there will be room; raising one needs no other."""
    here.move_to(NOW)
    for number in range(21):
        write(here, f"a{number:02d}")
    here.move_to(OPENS)
    assert {201} == {bid(here, "alice", 1, name=f"a{number:02d}").status for number in range(20)}
    answer = bid(here, "alice", 1, name="a20")
    assert ((409, "LIMIT_REACHED"), "open_holds", "2026-04-09T06:00:00+00:00") == (
        refused(answer),
        answer.body["limit"],
        answer.body["resets_at"],
    )
    assert 201 == bid(here, "alice", 6, name="a00").status
    assert (75, 25, 100) == points(here, "alice")


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "10", True, None, 10**12 + 1])
def test_bids_that_are_no_whole_points(here: Stage, wrong: Any) -> None:
    """Refused by name; nothing is held."""
    answer = bid(here, "alice", wrong, key="k")
    assert ((422, "INVALID_REQUEST"), "points") == (refused(answer), answer.body["errors"][0]["field"])
    assert (100, 0, 100) == points(here, "alice")


def test_more_than_there_is(here: Stage) -> None:
    """A bid of points that one has not got, or has not got any more, is refused; so is one of a stranger."""
    assert 201 == bid(here, "alice", 100).status
    assert (409, "INSUFFICIENT_POINTS") == refused(here.redeem("alice", 1, "r"))
    assert 201 == here.redeem("bob", 1, "r").status
    answer = bid(here, "bob", 105)
    assert (105, 99) == (answer.body["asked"], answer.body["available"])
    assert (409, "INSUFFICIENT_POINTS") == refused(bid(here, "stranger", 105))
    assert (0, 100, 100) == points(here, "alice")


def test_unknown_auctions(here: Stage) -> None:
    """404, for a bid too."""
    assert (404, "AUCTION_NOT_FOUND") == refused(bid(here, "alice", 5, name="nothing"))
    assert (404, "AUCTION_NOT_FOUND") == refused(settle(here, name="nothing"))
    assert (404, "AUCTION_NOT_FOUND") == refused(cancel(here, name="nothing"))


def test_who_is_on_top_is_told_to_the_shop_and_to_oneself(here: Stage) -> None:
    """Others see a first character, and not the id of the bid, which names its member."""
    placed = bid(here, "alice", 10).body
    mine, others, shop = seen_by(here, "alice"), seen_by(here, "bob"), here.get("/v1/auctions/tea")
    assert ("alice", True, placed["bid_id"]) == tuple(mine["top"][name] for name in ("bidder", "own", "bid_id"))
    assert ("a***", False, None) == tuple(others["top"][name] for name in ("bidder", "own", "bid_id"))
    assert ("alice", False) == (shop["top"]["bidder"], shop["top"]["own"])
    assert here.get("/v1/auctions/tea", member_id="alice")["top"]["own"]
    asked = here.ask("GET", "/v1/auctions/tea", subject="bob", scopes=MEMBER, query={"member_id": "alice"})
    assert others == asked.body
    listed = here.ask("GET", "/v1/auctions", subject="bob", scopes=MEMBER).body["auctions"]
    assert [others] == listed
    assert "alice" not in str(bid(here, "bob", 15).body)
    assert "bob" not in str(here.ask("GET", "/v1/members/alice/entries", subject="alice", scopes=MEMBER).body)


def test_lists_are_paged_and_their_cursors_are_ones_own(here: Stage) -> None:
    """A cursor of one member's bids opens nobody else's."""
    here.move_to(NOW)
    write(here, "urn")
    here.move_to(OPENS)
    for name in ("tea", "urn"):
        bid(here, "alice", 1, name=name)
        bid(here, "bob", 6, name=name)
    first = here.get("/v1/auctions", limit="1")
    then = here.get("/v1/auctions", limit="1", cursor=first["cursor"])
    assert ["urn", "tea"] == [page["auctions"][0]["auction_id"] for page in (first, then)]
    mine = here.get("/v1/members/alice/bids", limit="1")
    rest = here.get("/v1/members/alice/bids", limit="1", cursor=mine["cursor"])
    assert {"tea", "urn"} == {mine["bids"][0]["auction_id"], rest["bids"][0]["auction_id"]}
    answer = here.ask("GET", "/v1/members/bob/bids", query={"cursor": mine["cursor"]})
    assert (422, "cursor") == (answer.status, answer.body["errors"][0]["field"])


def test_the_hold_of_a_bid_is_none_of_the_shops_holds(here: Stage) -> None:
    """It is neither captured nor voided by its id, nor restored once it is spent."""
    placed = bid(here, "alice", 10).body["bid_id"]
    for call in ("capture", "void"):
        assert (404, "HOLD_NOT_FOUND") == refused(here.ask("POST", f"/v1/holds/{placed}/{call}", key=call))
    here.move_to(CLOSES)
    settle(here)
    assert (404, "REDEMPTION_NOT_FOUND") == refused(here.ask("POST", f"/v1/redemptions/{placed}/restore", key="r"))
    assert (90, 0, 90) == points(here, "alice")


# The end -------------------------------------------------------------------------------------------------------------


def test_the_highest_bid_wins_once(here: Stage) -> None:
    """Settled, its points are spent and a reward order is there; settled again, nothing more happens."""
    bid(here, "alice", 10)
    bid(here, "bob", 40)
    here.move_to(CLOSES)
    before = here.table()
    assert "CLOSING" == seen_by(here, "bob")["status"]
    assert before == here.table()

    first = settle(here, "s1")
    assert (200, "SOLD") == (first.status, first.body["status"])
    assert ((100, 0, 100), (60, 0, 60)) == (points(here, "alice"), points(here, "bob"))
    after = here.table()
    assert (first, after) == (settle(here, "s1"), here.table())
    assert (first.body, (60, 0, 60)) == (settle(here, "s2").body, points(here, "bob"))

    entry = here.entries("bob")[-1]
    assert ("redeem", "AUCTION_WON", -40, {"type": "auction", "id": "tea"}) == (
        entry["kind"],
        entry["reason"],
        entry["points"],
        entry["source"],
    )
    assert first.body["order_id"].startswith("ro.")
    assert first.body["order_id"] == seen_by(here, "bob")["order_id"]
    assert seen_by(here, "alice")["order_id"] is None
    (won,) = here.get("/v1/members/bob/bids")["bids"]
    assert ("WON", 40) == (won["status"], won["points"])
    assert (409, "NOT_OPEN") == refused(bid(here, "carol", 50))


def test_settling_waits_for_the_end(here: Stage) -> None:
    """Before it, the answer says from when on it can be done."""
    bid(here, "alice", 10)
    here.move_to(LAST)
    answer = settle(here)
    assert ((409, "NOT_OPEN"), "2026-03-10T06:00:00+00:00") == (refused(answer), answer.body["opens_at"])
    here.move_to(CLOSES)
    assert "SOLD" == settle(here).body["status"]


def test_without_a_bid_it_is_unsold(here: Stage) -> None:
    """And stays so."""
    here.move_to(CLOSES)
    assert ("UNSOLD", None) == (settle(here).body["status"], settle(here).body["order_id"])
    assert "UNSOLD" == settle(here, "again").body["status"]
    assert (409, "WRONG_STATUS") == refused(cancel(here))


def test_a_canceled_auction_gives_the_points_back(here: Stage) -> None:
    """Once; no bid and no end after that. An operator is told what it was when it is too late."""
    bid(here, "alice", 10)
    answer = cancel(here)
    assert (200, "CANCELED") == (answer.status, answer.body["status"])
    assert answer == cancel(here)
    assert (100, 0, 100) == points(here, "alice")
    assert ["hold", "release"] == [entry["kind"] for entry in here.entries("alice")[1:]]
    assert "BID_RELEASED" == here.entries("alice")[-1]["reason"]
    assert (409, "NOT_OPEN") == refused(bid(here, "bob", 50))
    assert (409, "WRONG_STATUS") == refused(cancel(here, "again"))
    here.move_to(CLOSES)
    answer = settle(here)
    assert ((409, "WRONG_STATUS"), "CANCELED") == (refused(answer), answer.body["status_now"])
    assert "RELEASED" == here.get("/v1/members/alice/bids")["bids"][0]["status"]


def test_a_sold_auction_is_not_canceled(here: Stage) -> None:
    """What was won is canceled as a reward order."""
    bid(here, "alice", 10)
    here.move_to(CLOSES)
    settle(here)
    answer = cancel(here)
    assert ((409, "WRONG_STATUS"), "SOLD") == (refused(answer), answer.body["status_now"])
    assert (90, 0, 90) == points(here, "alice")


def test_a_hold_outlives_the_end_by_thirty_days_and_no_sweep_takes_it(here: Stage) -> None:
    """A sweep the day after the end leaves it; settled weeks late, the points are spent."""
    bid(here, "alice", 10)
    here.move_to(CLOSES + timedelta(days=30) - TICK)
    sweep(here)
    assert (90, 10, 100) == points(here, "alice")
    assert "SOLD" == settle(here).body["status"]
    assert (90, 0, 90) == points(here, "alice")


def test_settled_too_late_it_is_unsold_and_costs_nothing(here: Stage) -> None:
    """After thirty days the points have gone back by themselves: nobody gets anything for free."""
    bid(here, "alice", 10)
    here.move_to(CLOSES + timedelta(days=30))
    assert (100, 0, 100) == points(here, "alice")
    sweep(here)
    answer = settle(here)
    assert ("UNSOLD", None) == (answer.body["status"], answer.body["order_id"])
    assert (100, 0, 100) == points(here, "alice")
    assert "RELEASED" == here.get("/v1/members/alice/bids")["bids"][0]["status"]


def order_step(here: Stage, order_id: str, step: str, scopes: str, body: Mapping[str, Any] | None = None) -> Answer:
    """A step of a reward order, by bob where it is a member's."""
    subject = "bob" if scopes == MEMBER else "staff"
    return here.ask("POST", f"/v1/reward-orders/{order_id}/{step}", body, key=step, subject=subject, scopes=scopes)


def won_by_bob(here: Stage) -> str:
    """Bob bids 40 and the schedule settles; the id of his reward order."""
    bid(here, "bob", 40)
    here.move_to(CLOSES)
    assert 1 == here.call("settle", {"as_of": CLOSES.isoformat()})["settled"]
    return str(seen_by(here, "bob")["order_id"])


def test_the_schedule_settles_what_is_over(here: Stage) -> None:
    """Once, at its end; the winner says where it goes and gets it."""
    bid(here, "alice", 10)
    here.move_to(LAST)
    assert 0 == here.call("settle", {"as_of": LAST.isoformat()})["settled"]
    here.move_to(OPENS)
    order_id = won_by_bob(here)
    assert 0 == here.call("settle", {"as_of": CLOSES.isoformat()})["settled"]
    (order,) = here.ask("GET", "/v1/members/bob/reward-orders", subject="bob", scopes=MEMBER).body["orders"]
    assert (order_id, "ADDRESS_DUE", "physical", "Tea set", 40, {"type": "auction", "id": "tea"}) == tuple(
        order[name] for name in ("order_id", "status", "kind", "title", "points", "source")
    )
    address = {"name": "Bob", "phone": "1", "street": "Long Road 1"}
    assert "TO_SHIP" == order_step(here, order_id, "address", MEMBER, address).body["status"]
    assert "SHIPPED" == order_step(here, order_id, "ship", SHOP, {"carrier": "SF", "number": "1"}).body["status"]
    assert "FULFILLED" == order_step(here, order_id, "deliver", SHOP).body["status"]
    assert (60, 0, 60) == points(here, "bob")


def test_what_was_won_is_canceled_by_the_shop_and_not_by_the_winner(here: Stage) -> None:
    """A bid binds; where the shop cannot send it, the points go back into their lots."""
    order_id = won_by_bob(here)
    assert (403, "FORBIDDEN") == refused(order_step(here, order_id, "cancel", MEMBER))
    assert (60, 0, 60) == points(here, "bob")
    lots = here.get("/v1/members/alice/lots")
    answer = order_step(here, order_id, "cancel", SHOP, {"reason": "broken"})
    assert (200, "CANCELED", 40) == (answer.status, answer.body["status"], answer.body["restored"])
    assert ((100, 0, 100), lots) == (points(here, "bob"), here.get("/v1/members/bob/lots"))
    assert 0 == here.member("bob")["lifetime"]["redeemed"]


def test_a_winner_without_an_address_forfeits_it(here: Stage) -> None:
    """Seven days after the end; the points do not come back."""
    order_id = won_by_bob(here)
    here.move_to(CLOSES + timedelta(days=7))
    assert 1 == here.call("settle", {"as_of": here.now.isoformat()})["settled"]
    order = here.ask("GET", f"/v1/reward-orders/{order_id}", subject="bob", scopes=MEMBER).body
    assert ("FORFEITED", (60, 0, 60)) == (order["status"], points(here, "bob"))


@pytest.mark.parametrize("kind", ["virtual", "service"])
def test_what_needs_no_address_waits_for_a_person(here: Stage, kind: str) -> None:
    """An auction has no pool of codes: somebody hands it over, and says so."""
    here.move_to(NOW)
    write(here, "code", kind=kind)
    here.move_to(OPENS)
    bid(here, "bob", 5, name="code")
    here.move_to(CLOSES)
    order_id = settle(here, name="code").body["order_id"]
    order = here.ask("GET", f"/v1/reward-orders/{order_id}").body
    assert ("TO_SHIP", [], None) == (order["status"], order["codes"], order["due"])


def sweep(here: Stage) -> None:
    """Run the schedule of expiry, and all that it queues."""
    here.call("expire", {"as_of": here.now.isoformat()})
    while tasks := here.tasks():
        here.call("expire", {"Records": tasks})


def test_points_that_lapse_while_held_can_win_but_do_not_come_back(here: Stage) -> None:
    """Won, they are spent; outbid, they go back to their lot and lapse in the same transaction."""
    here.move_to("2027-03-30T00:00:00+00:00")  # the last valid day of the hundred points is 2027-03-31
    long = {"since": here.now.isoformat(), "until": "2027-04-10T00:00:00+00:00"}
    assert {200} == {write(here, name, **long).status for name in ("urn", "vase")}
    bid(here, "alice", 10, name="urn")
    bid(here, "bob", 20, name="vase")
    here.move_to("2027-04-05T00:00:00+00:00")
    give(here, "carol", 50)
    assert ((0, 10, 10), (0, 20, 20)) == (points(here, "alice"), points(here, "bob"))
    assert 201 == bid(here, "carol", 15, name="urn").status
    assert (0, 0, 0) == points(here, "alice")
    assert ["release", "expire"] == [entry["kind"] for entry in here.entries("alice")[-2:]]
    here.move_to("2027-04-10T00:00:00+00:00")
    assert "SOLD" == settle(here, name="vase").body["status"]
    assert (0, 0, 0) == points(here, "bob")


# The points password -------------------------------------------------------------------------------------------------


@pytest.fixture
def guarded(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A program that asks for the password above a hundred points a day."""
    here = Stage("auctions-guarded", program=WITH_PASSWORD, now=NOW)
    with use(here.runtime):
        for member in ("alice", "bob"):
            give(here, member, 500)
        write(here)
        here.move_to(OPENS)
        yield here


def test_bids_above_the_limit_of_a_day_need_the_password(guarded: Stage) -> None:
    """A bid counts while it is held: raised, by its difference; outbid, no more."""
    assert [201, 201] == [bid(guarded, "alice", asked).status for asked in (60, 70)]
    assert 201 == bid(guarded, "bob", 75).status
    assert 201 == bid(guarded, "alice", 100).status
    answer = bid(guarded, "alice", 105)
    assert ((403, "POINTS_PASSWORD_REQUIRED"), 100) == (refused(answer), answer.body["above"])
    assert 403 == bid(guarded, "alice", 105, key="wrong", password="not it").status
    assert (400, 100, 500) == points(guarded, "alice")
    assert (403, "POINTS_PASSWORD_REQUIRED") == refused(bid(guarded, "bob", 105))


# The page ------------------------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs" / "auctions.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"```http\n# (\w+), (\S+)\n(\w+) (\S+)\n?(.*?)```(?:\s*```json\n(.*?)```)?", re.DOTALL)
SCOPES = {"operator": OPERATOR, "shop": SHOP, "alice": MEMBER, "bob": MEMBER}


def without_ids(body: Any) -> Any:
    """An answer with its ids as the page has them."""
    return json.loads(re.sub(r'"(bd|ro)\.[^"]+"', '"…"', json.dumps(body)))


def test_the_page_tells_what_happens(aws: None) -> None:  # noqa: ARG001 - the table is made in it
    """Every request of docs/auctions.md, in order and at its time, is answered as it stands there."""
    here = Stage("auctions-page", program=PROGRAM, now=datetime(2026, 11, 30, tzinfo=UTC))
    examples = EXAMPLE.findall(PAGE)
    assert PAGE.count("```http") == len(examples)
    answered = 0
    with use(here.runtime):
        for member in ("alice", "bob"):
            give(here, member, 100)
        for number, (who, instant, method, path, body, shown) in enumerate(examples):
            here.move_to(instant)
            sent = json.loads(body) if body.strip() else None
            answer = here.ask(method, path, sent, subject=who, scopes=SCOPES[who], key=f"page-{number}")
            assert answer.status < 300 or answer.code in shown, answer
            if shown:
                answered += 1
                assert json.loads(shown) == without_ids(answer.body)
        assert (5, 55, 100) == (answered, here.member("bob")["balance"], here.member("alice")["balance"])
        assert here.proved("alice")
        assert here.proved("bob")


def test_the_page_names_every_field_and_refusal() -> None:
    """Of an auction and of a bid."""
    written = re.findall(r"^\| (`[a-z_`, ]+`) \|", PAGE.split("## For operators")[1].split("\n* **")[0], re.MULTILINE)
    assert set(KNOWN) == {name for row in written for name in re.findall(r"`([a-z_]+)`", row)}
    (refuses,) = (
        one.refuses for (method, path), one in play.api.operations.items() if method == "post" and "bids" in path
    )
    told = PAGE.split("## When a bid is refused")[1].split("## Flash sales")[0]
    unsaid = {one.code for one in refuses if f"`{one.code}`" not in told}
    assert {
        "UNAUTHENTICATED",
        "FORBIDDEN",
        "INTERNAL_ERROR",
        "IDEMPOTENCY_KEY_MISSING",
        "POINTS_PASSWORD_WRONG",
        "POINTS_PASSWORD_LOCKED",
        "POINTS_PASSWORD_NOT_SET",
        "POINTS_PASSWORD_TOO_NEW",
    } == unsaid
