"""The mall, its games and gifts over HTTP: what members get for points, what they give, and what deadlines make of it.

A program with limits of its own is put in force for the tests of this file, and taken back after them. What is due
later is settled by the deployed function, as of then.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.e2e.outside import PROGRAM, Outside, Reply, order, until

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
OWN: Mapping[str, Any] = {
    **PROGRAM,
    "transfers": {"cooling_days": 3},
    "mall": {"cash_minutes": 1, "address_days": 7},
    "security": {"password_above": 1_000, "tries": 3, "lock_minutes": 30},
}
ADDRESS = {"name": "Wang", "phone": "13800000000", "street": "Nanjing Road 1", "city": "Shanghai"}
PIECES, BUYERS = 5, 8

AHEAD_S = 50.0
"""Ten seconds less than the function takes of an instant that has not come."""

AUCTION_S = 65
"""Long enough for four bids on a busy machine."""


@pytest.fixture(scope="module")
def shop(outside: Outside) -> Iterator[Outside]:
    """A stack whose program lets gifts cool and asks for a password."""
    assert 200 == outside.operate("PUT", "/v1/program", OWN, who="admin", reason="a mall").status
    yield outside
    outside.roll_back()


# What tests do -------------------------------------------------------------------------------------------------------


def give_all(shop: Outside, members: Iterable[str], points: int) -> None:
    """Give each member, who has nothing yet, so many points."""
    for member in members:
        shop.pay(member, f"order-of-{member}", points)
    for member in members:
        shop.wait_for_balance(member, points)


def shelve(shop: Outside, reward: str, pieces: int, **content: Any) -> None:
    """Put a reward on the shelf, with so many pieces."""
    written = shop.operate("PUT", f"/v1/rewards/{reward}", {"title": reward.capitalize(), **content})
    assert (200, "ON_SHELF") == (written.status, written.body.get("status")), written
    if pieces:
        filled = shop.operate("POST", f"/v1/rewards/{reward}/stock", {"pieces": pieces, "reason": "delivery"})
        assert (200, pieces) == (filled.status, filled.body.get("free")), filled


def exchange(shop: Outside, member: str, reward: str, key: str | None = None) -> Reply:
    """Exchange with the member's own token; who is told to come again does, with the same key."""
    path, used = f"/v1/members/{member}/reward-orders", key or f"{reward}-{member}"
    for _ in range(20):
        reply = shop.call("POST", path, {"reward_id": reward}, token=shop.member(member), key=used)
        if reply.status != 503:
            break
    return reply


def exchanged(shop: Outside, member: str, reward: str) -> dict[str, Any]:
    """The order of an exchange that is due to succeed."""
    reply = exchange(shop, member, reward)
    assert 201 == reply.status, reply
    made: dict[str, Any] = reply.body
    return made


def step(shop: Outside, path: str, body: Any = None, *, token: str | None = None, key: str | None = None) -> Reply:
    """A step of something that is there, as the shop unless said."""
    return shop.call("POST", path, body, token=token or shop.machine(), key=key or path[-100:])


def order_now(shop: Outside, made: Mapping[str, Any]) -> dict[str, Any]:
    """A reward order as it is now."""
    found: dict[str, Any] = shop.call("GET", f"/v1/reward-orders/{made['order_id']}", token=shop.machine()).body
    return found


def stock(shop: Outside, reward: str) -> tuple[int, int, int]:
    """Pieces that are free, reserved and sold."""
    seen = shop.operate("GET", f"/v1/rewards/{reward}/stock").body
    assert seen["stocked"] == seen["free"] + seen["reserved"] + seen["sold"]
    return seen["free"], seen["reserved"], seen["sold"]


def settle(shop: Outside, due: datetime | None = None) -> None:
    """Have the deployed function settle what is overdue by now or then; nothing may fail.

    What has not come is not settled, but for what the clocks of two machines may differ by: so much is not waited for.
    """
    as_of = due or datetime.now(UTC)
    time.sleep(max(0.0, (as_of - datetime.now(UTC)).total_seconds() - AHEAD_S))
    run = shop.invoke("Settle", {"as_of": as_of.isoformat()})
    assert (True, 0) == (run["finished"], run["failed"]), run


# Rewards -------------------------------------------------------------------------------------------------------------


def test_eight_members_at_once_for_five_pieces(shop: Outside) -> None:
    """Five have an order and three are told; points and stock agree, and one order goes all the way to the door."""
    members = [f"m-buyer-{number}" for number in range(BUYERS)]
    give_all(shop, members, 100)
    shelve(shop, "cup", PIECES, points=60)
    for member in members:
        shop.member(member)

    with ThreadPoolExecutor(BUYERS) as pool:
        replies = dict(zip(members, pool.map(lambda member: exchange(shop, member, "cup"), members), strict=True))

    got = [member for member, reply in replies.items() if reply.status == 201]
    told = {(reply.status, reply.code) for member, reply in replies.items() if member not in got}
    assert (PIECES, {(409, "OUT_OF_STOCK")}) == (len(got), told)
    settle(shop)
    assert (0, 0, PIECES) == stock(shop, "cup")
    assert {member: 40 if member in got else 100 for member in members} == {
        member: shop.account(member)["available"] for member in members
    }
    assert all(shop.is_proved(member) for member in members)

    member, made = got[0], replies[got[0]].body
    path = f"/v1/reward-orders/{made['order_id']}"
    own = shop.member(member)
    early = step(shop, f"{path}/ship", {"carrier": "SF"}, key="too-early")
    stranger = step(shop, f"{path}/address", ADDRESS, token=shop.member(got[1]))
    assert ("ADDRESS_DUE", 409, "WRONG_STATUS") == (made["status"], early.status, early.code)
    assert (403, "FORBIDDEN") == (stranger.status, stranger.code)
    assert [(200, "TO_SHIP"), (200, "SHIPPED"), (200, "FULFILLED")] == [
        (reply.status, reply.body.get("status"))
        for reply in (
            step(shop, f"{path}/address", ADDRESS, token=own),
            step(shop, f"{path}/ship", {"carrier": "SF", "number": "SF-1"}),
            step(shop, f"{path}/deliver"),
        )
    ]
    seen = shop.call("GET", path, token=own).body
    assert ["ADDRESS_DUE", "TO_SHIP", "SHIPPED", "FULFILLED"] == [one["status"] for one in seen["steps"]]
    assert ("SF-1", "Nanjing Road 1") == (seen["shipping"]["number"], seen["address"]["street"])


def test_an_order_that_is_not_paid_is_cancelled_by_the_schedules_function(shop: Outside) -> None:
    """Not before its time, once only, and then points and piece are back; money that comes later is refused."""
    give_all(shop, ["m-unpaid"], 100)
    shelve(shop, "lamp", 1, points=30, cash_minor=500)
    made = exchanged(shop, "m-unpaid", "lamp")
    settle(shop)
    before = order_now(shop, made)["status"], stock(shop, "lamp"), shop.account("m-unpaid")["available"]

    for _ in range(2):
        settle(shop, datetime.fromisoformat(made["due"]) + timedelta(seconds=1))
    after = order_now(shop, made)["status"], stock(shop, "lamp"), shop.account("m-unpaid")["available"]
    money = {"paid": {"amount_minor": 500, "currency": "CNY"}, "payment_id": "p-late"}
    late = step(shop, f"/v1/reward-orders/{made['order_id']}/paid", money)

    assert ("CREATED", (0, 0, 1), 70) == before
    assert ("CANCELED", (1, 0, 0), 100) == after
    assert (410, "DEADLINE_PASSED") == (late.status, late.code)
    assert [100, -30, 30] == [entry["points"] for entry in shop.entries("m-unpaid")]
    assert shop.is_proved("m-unpaid")


def test_who_waits_for_a_reward_is_told_once(shop: Outside) -> None:
    """On the shop's event bus, by the function of the deadlines, after somebody has filled the stock."""
    shelve(shop, "kite", 0, points=5)
    asked = step(shop, "/v1/members/m-waiting/restock-notices", {"reward_id": "kite"}, token=shop.member("m-waiting"))
    assert (200, True) == (asked.status, asked.body["on"])

    with shop.notices_to("m-waiting") as told:
        filled = shop.operate("POST", "/v1/rewards/kite/stock", {"pieces": 2, "reason": "delivery"})
        settle(shop)
        (notice,) = until(told, bool)
        settle(shop)
        again = told()

    assert 200 == filled.status
    assert ("reward.in_stock", "kite") == (notice["detail-type"], notice["detail"]["reward_id"])
    assert [notice["detail"]["notice_id"]] == [one["detail"]["notice_id"] for one in again]


def test_a_coupon_is_used_once(shop: Outside) -> None:
    """Exchanged by its member, used by the shop on one order, and free again when that comes to nothing."""
    give_all(shop, ["m-coupon"], 100)
    terms = {"kind": "over", "discount_minor": 2_000, "threshold_minor": 10_000}
    shelve(shop, "off", 0, kind="coupon", points=10, stock={"counted": False}, limits=[{"per": "day", "times": 1}],
           coupon=terms)  # fmt: skip
    (held,) = exchanged(shop, "m-coupon", "off")["coupons"]
    twice = exchange(shop, "m-coupon", "off", "another")
    path = f"/v1/coupons/{held}"
    use = {"order_id": "o-c1", "order_total": {"amount_minor": 12_900, "currency": "CNY"}}

    used = step(shop, f"{path}/use", use)
    other = step(shop, f"{path}/use", {**use, "order_id": "o-c2"}, key="other")
    by_member = step(shop, f"{path}/use", use, token=shop.member("m-coupon"))
    released = step(shop, f"{path}/release", {"order_id": "o-c1"})

    assert (200, {"amount_minor": 2_000, "currency": "CNY"}) == (used.status, used.body.get("discount"))
    assert (409, "COUPON_NOT_USABLE", "USED") == (other.status, other.code, other.body["because"])
    assert 403 == by_member.status
    assert (200, "ISSUED") == (released.status, released.body["status"])
    assert (409, "LIMIT_REACHED", "reward_times_per_day") == (twice.status, twice.code, twice.body["limit"])


# Games ---------------------------------------------------------------------------------------------------------------


def test_a_draw_can_be_worked_out_again_by_anybody(shop: Outside, tmp_path: Path) -> None:
    """By the command, from two answers of the API; before its day is over it cannot be, and nothing is wrong.

    No test waits for tomorrow: the secret that is shown then is taken out of the table, where only the shop can look.
    """
    give_all(shop, ["m-lucky"], 100)
    wheel = {
        "title": "Wheel",
        "cost": 10,
        "attempts_per_day": 1,
        "from": f"{datetime.now(ZoneInfo(PROGRAM['time_zone'])):%Y-%m-%d}",
        "days": 1,
        "prizes": [
            {"id": "small", "title": "3 points", "kind": "points", "points": 3, "odds": "0.5"},
            {"id": "mug", "title": "Mug", "kind": "service", "odds": "0.5", "stock": 5},
        ],
    }
    written = shop.operate("PUT", "/v1/lotteries/wheel", wheel)
    assert 200 == written.status, written
    draw = {"lottery_id": "wheel", "client_seed": "three blind mice"}
    path, own = "/v1/members/m-lucky/draws", shop.member("m-lucky")

    drawn = step(shop, path, draw, token=own)
    again = step(shop, path, draw, token=own)
    more = step(shop, path, draw, token=own, key="more")
    receipt = shop.call("GET", f"/v1/draws/{drawn.body['draw_id']}", token=own).body
    lottery = shop.call("GET", "/v1/lotteries/wheel", token=own).body
    early = verified(tmp_path, receipt, lottery)
    tomorrow = {"day": 1, "date": receipt["day"], "secret": secret_of(shop, lottery["commitment"])}
    late = verified(tmp_path, receipt, {**lottery, "secrets": [tomorrow]})
    forged = verified(tmp_path, {**receipt, "number": receipt["number"] - 1}, {**lottery, "secrets": [tomorrow]})

    assert (201, "WON", 10) == (drawn.status, drawn.body["outcome"], drawn.body["cost"])
    assert (drawn.status, drawn.body) == (again.status, again.body)
    assert (409, "LIMIT_REACHED", "draws_per_day") == (more.status, more.code, more.body["limit"])
    assert written.body["commitment"] == drawn.body["commitment"] == lottery["commitment"]
    assert ([], None) == (lottery["secrets"], receipt["secret"])
    assert [(1, "open"), (0, "verified"), (1, "wrong")] == [early, late, forged]
    assert 90 + drawn.body["points_won"] == shop.account("m-lucky")["available"]
    assert shop.is_proved("m-lucky")


def verified(folder: Path, receipt: Mapping[str, Any], lottery: Mapping[str, Any]) -> tuple[int, str]:
    """What `jifen verify-draw` makes of two answers: its exit code and its result."""
    for name, answer in (("receipt", receipt), ("lottery", lottery)):
        (folder / f"{name}.json").write_text(json.dumps(answer), encoding="utf-8")
    files = str(folder / "receipt.json"), "--lottery", str(folder / "lottery.json")
    done = subprocess.run(
        [sys.executable, "-m", "local.cli", "verify-draw", *files, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, json.loads(done.stdout)["result"]


def secret_of(shop: Outside, commitment: str) -> str:
    """The text in the table whose hash is the commitment."""
    pages = shop.stack.client("dynamodb").get_paginator("scan").paginate(TableName=shop.resource("Table"))
    found: set[str] = {
        text
        for page in pages
        for text in re.findall(r"\b[0-9a-f]{64}\b", str(page["Items"]))
        if hashlib.sha256(bytes.fromhex(text)).hexdigest() == commitment
    }
    (secret,) = found
    return secret


def test_an_auction_holds_the_highest_bid_alone_and_is_settled(shop: Outside) -> None:
    """Outbid is free at once; when it is over the function of the deadlines gives it to who bid most."""
    give_all(shop, ["m-alice", "m-bob"], 100)
    for member in ("m-alice", "m-bob"):
        shop.member(member)
    now = datetime.now(UTC)
    end = now + timedelta(seconds=AUCTION_S)
    auction = {"title": "Tea set", "from": now.isoformat(), "until": end.isoformat()}
    assert 200 == shop.operate("PUT", "/v1/auctions/tea-set", {**auction, "step_points": 5}).status

    def bid(member: str, points: int) -> Reply:
        body = {"auction_id": "tea-set", "points": points}
        return step(shop, f"/v1/members/{member}/bids", body, token=shop.member(member), key=f"bid-{points}")

    first, low, second, much = bid("m-alice", 40), bid("m-bob", 42), bid("m-bob", 45), bid("m-alice", 101)
    held = {member: shop.account(member)["held"] for member in ("m-alice", "m-bob")}
    early = step(shop, "/v1/auctions/tea-set/settle")
    for _ in range(2):
        settle(shop, end)
    own = shop.call("GET", "/v1/auctions/tea-set", token=shop.member("m-bob")).body
    (won,) = shop.call("GET", "/v1/members/m-bob/reward-orders", token=shop.member("m-bob")).body["orders"]

    assert [201, 201] == [first.status, second.status]
    assert (409, "BID_TOO_LOW", 45) == (low.status, low.code, low.body["least"])
    assert (409, "INSUFFICIENT_POINTS") == (much.status, much.code)
    assert {"m-alice": 0, "m-bob": 45} == held
    assert (409, "NOT_OPEN") == (early.status, early.code)
    assert ("SOLD", 45, True, won["order_id"]) == (
        own["status"],
        own["top"]["points"],
        own["top"]["own"],
        own["order_id"],
    )
    assert ("ADDRESS_DUE", 45) == (won["status"], won["points"])
    assert [(100, 0), (55, 0)] == [
        (seen["available"], seen["held"]) for seen in (shop.account("m-alice"), shop.account("m-bob"))
    ]
    assert shop.is_proved("m-alice")
    assert shop.is_proved("m-bob")


# Gifts, the password, orders -----------------------------------------------------------------------------------------


def test_a_gift_cools_and_can_be_taken_back(shop: Outside) -> None:
    """Both sides in one: the receiver sees points that wait, and not any more once the sender took them back."""
    give_all(shop, ["m-giver"], 100)
    own = shop.member("m-giver")
    sent = step(shop, "/v1/members/m-giver/transfers", {"to": "m-friend-of", "points": 70}, token=own)
    path = f"/v1/transfers/{sent.body['transfer_id']}"
    waiting = shop.account("m-friend-of")
    by_friend = step(shop, f"{path}/cancel", token=shop.member("m-friend-of"), key="mine")
    seen_by_friend = shop.call("GET", path, token=shop.member("m-friend-of"))
    seen_by_other = shop.call("GET", path, token=shop.member("m-nosy"))
    taken = step(shop, f"{path}/cancel", token=own)
    twice = step(shop, f"{path}/cancel", token=own, key="twice")

    assert (201, 70, 30) == (sent.status, sent.body["points"], sent.body["available"])
    assert (0, 70) == (waiting["available"], waiting["pending"])
    assert [403, 200, 404] == [by_friend.status, seen_by_friend.status, seen_by_other.status]
    assert (200, "CANCELED", 100) == (taken.status, taken.body["status"], taken.body["available"])
    assert (409, "WRONG_STATUS") == (twice.status, twice.code)
    assert [100, 0] == [shop.account(member)["balance"] for member in ("m-giver", "m-friend-of")]
    assert shop.is_proved("m-giver")
    assert shop.is_proved("m-friend-of")


def test_a_points_password_is_locked_by_guessing(shop: Outside) -> None:
    """Three wrong ones, and the right one waits too, until an operator takes it away."""
    give_all(shop, ["m-guarded"], 5_000)
    path, own = "/v1/members/m-guarded/points-password", shop.member("m-guarded")
    put = shop.call("PUT", path, {"password": "294715"}, token=shop.machine())

    def spend(key: str, **more: Any) -> Reply:
        body = {"points": 1_500, **more}
        return shop.call("POST", "/v1/members/m-guarded/redemptions", body, token=own, key=key)

    without, right = spend("k-1"), spend("k-2", password="294715")
    wrong = [spend(f"k-{number}", password=f"29471{number}") for number in (6, 7, 8)]
    locked = spend("k-3", password="294715")
    again = spend("k-2", password="294715")
    seen = shop.call("GET", path, token=own).body
    reset = shop.operate("POST", f"{path}/reset", {"reason": "called, id checked"})

    assert (200, True) == (put.status, put.body["is_set"])
    assert (403, "POINTS_PASSWORD_REQUIRED") == (without.status, without.code)
    assert (201, 3_500) == (right.status, right.body.get("available"))
    assert [(403, "POINTS_PASSWORD_WRONG", left) for left in (2, 1, 0)] == [
        (one.status, one.code, one.body["tries_left"]) for one in wrong
    ]
    assert (423, "POINTS_PASSWORD_LOCKED") == (locked.status, locked.code)
    assert (right.status, right.body) == (again.status, again.body)
    assert seen["locked_until"] == locked.body["resets_at"].replace("+00:00", "Z")
    assert (200, False) == (reset.status, reset.body["is_set"])
    assert 3_500 == shop.account("m-guarded")["available"]


def test_what_paid_for_an_order_comes_back_when_it_is_cancelled(shop: Outside) -> None:
    """A hold is voided and a redemption restored by the shop's own message; a capture that comes late is refused."""
    give_all(shop, ["m-changes"], 100)
    machine, named = shop.machine(), {"order_id": "o-changes"}
    hold = shop.call("POST", "/v1/members/m-changes/holds", {"points": 40, **named}, token=machine, key="h").body
    spent = shop.redeem("m-changes", 25, "r", **named)
    before = shop.account("m-changes")
    message = {**order("m-changes", "o-changes", 1), "type": "order.cancelled", "event_id": "cancel-o-changes"}
    assert 202 == shop.deliver("standard", message).status
    shop.wait_for_balance("m-changes", 100)
    late = step(shop, f"/v1/holds/{hold['hold_id']}/capture", key="late")
    new = shop.redeem("m-changes", 5, "r-2", **named)

    assert (201, 35, 40) == (spent.status, before["available"], before["held"])
    assert 0 == shop.account("m-changes")["held"]
    assert (409, "HOLD_ALREADY_RESOLVED", "VOIDED") == (late.status, late.code, late.body["hold_status"])
    assert (409, "ORDER_CANCELLED") == (new.status, new.code)
    assert {"release": 0, "restore": 25} == {
        entry["kind"]: entry["points"] for entry in shop.entries("m-changes") if entry["reason"] == "ORDER_CANCELLED"
    }
    assert shop.is_proved("m-changes")
