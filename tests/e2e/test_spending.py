"""Points out: redemptions, holds and restores over HTTP, one after the other and all at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.outside import Outside

pytestmark = pytest.mark.e2e

CLIENTS = 16


def balance(outside: Outside, member: str) -> tuple[int, int, int]:
    """What is available, held, and spent for good."""
    seen = outside.account(member)
    assert seen["balance"] == seen["available"] + seen["pending"] + seen["held"] - seen["debt"]
    return seen["available"], seen["held"], seen["lifetime"]["redeemed"]


def test_a_redemption_and_its_key(outside: Outside) -> None:
    """The same request again gets the same answer, another one with its key is refused, too much is refused."""
    outside.give("m-spender", 100)
    first = outside.redeem("m-spender", 30, "key-1", reason="tea")
    again = outside.redeem("m-spender", 30, "key-1", reason="tea")
    other = outside.redeem("m-spender", 31, "key-1", reason="tea")
    much = outside.redeem("m-spender", 71, "key-2")
    keyless = outside.call("POST", "/v1/members/m-spender/redemptions", {"points": 1}, token=outside.machine())

    assert (201, 30, 70) == (first.status, first.body["points"], first.body["available"])
    assert (first.status, first.body) == (again.status, again.body)
    assert (422, "IDEMPOTENCY_KEY_REUSED") == (other.status, other.code)
    assert (409, "INSUFFICIENT_POINTS", 71, 70) == (much.status, much.code, much.body["asked"], much.body["available"])
    assert (400, "IDEMPOTENCY_KEY_MISSING") == (keyless.status, keyless.code)
    assert (70, 0, 30) == balance(outside, "m-spender")
    assert outside.is_proved("m-spender")


def test_a_member_spends_with_the_token_of_a_member(outside: Outside) -> None:
    """From the own account; who did it stands in the entry."""
    outside.give("m-self", 10)
    reply = outside.call(
        "POST", "/v1/members/m-self/redemptions", {"points": 4}, token=outside.member("m-self"), key="self-1"
    )

    assert (201, 6) == (reply.status, reply.body["available"])
    assert "member:m-self" == outside.entries("m-self")[-1]["actor"]


def test_a_hold_is_captured_in_part_and_the_rest_comes_back(outside: Outside) -> None:
    """Balance after each step; what is resolved stays resolved."""
    outside.give("m-holder", 100)
    hold = _post(outside, "/v1/members/m-holder/holds", {"points": 60, "order_id": "o-9"}, "hold-1")
    assert (201, "AUTHORIZED", 60) == (hold[0], hold[1]["status"], hold[1]["points"])
    assert (40, 60, 0) == balance(outside, "m-holder")

    capture = _post(outside, f"/v1/holds/{hold[1]['hold_id']}/capture", {"points": 45}, "capture-1")
    assert (200, 45, 15) == (capture[0], capture[1]["points"], capture[1]["released"])
    assert (55, 0, 45) == balance(outside, "m-holder")

    late = _post(outside, f"/v1/holds/{hold[1]['hold_id']}/void", None, "void-late")
    assert (409, "HOLD_ALREADY_RESOLVED") == (late[0], late[1]["code"])

    second = _post(outside, "/v1/members/m-holder/holds", {"points": 55}, "hold-2")
    assert (0, 55, 45) == balance(outside, "m-holder")
    void = _post(outside, f"/v1/holds/{second[1]['hold_id']}/void", None, "void-1")
    assert (200, 55) == (void[0], void[1]["released"])
    assert (55, 0, 45) == balance(outside, "m-holder")

    restore = _post(outside, f"/v1/redemptions/{capture[1]['redemption_id']}/restore", {"points": 5}, "restore-1")
    assert (200, 5) == (restore[0], restore[1]["points"])
    assert (60, 0, 40) == balance(outside, "m-holder")
    rest = _post(outside, f"/v1/redemptions/{capture[1]['redemption_id']}/restore", None, "restore-2")
    assert (200, 40) == (rest[0], rest[1]["points"])
    assert (100, 0, 0) == balance(outside, "m-holder")
    assert outside.is_proved("m-holder")


def test_what_is_not_there_is_not_found(outside: Outside) -> None:
    """Holds and redemptions that nobody has made."""
    hold = _post(outside, "/v1/holds/none/void", None, "none-1")
    redemption = _post(outside, "/v1/redemptions/none/restore", None, "none-2")

    assert (404, "HOLD_NOT_FOUND") == (hold[0], hold[1]["code"])
    assert (404, "REDEMPTION_NOT_FOUND") == (redemption[0], redemption[1]["code"])


def test_of_many_who_redeem_at_once_exactly_as_many_succeed_as_points_allow(outside: Outside) -> None:
    """Sixteen clients, five of whom can have their ten points. A busy answer is repeated with the same key."""
    outside.give("m-crowd", 57)
    outside.machine()

    def redeem(client: int) -> tuple[int, Any]:
        for _ in range(20):
            reply = outside.redeem("m-crowd", 10, f"crowd-{client}")
            if reply.status != 503:
                return reply.status, reply.code
        return reply.status, reply.code

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(redeem, range(CLIENTS)))

    assert [(201, None)] * 5 + [(409, "INSUFFICIENT_POINTS")] * 11 == sorted(answers)
    assert (7, 0, 50) == balance(outside, "m-crowd")
    assert [57] + [-10] * 5 == [entry["points"] for entry in outside.entries("m-crowd")]
    assert outside.is_proved("m-crowd")


def test_of_many_with_one_key_exactly_one_redeems_and_all_get_its_answer(outside: Outside) -> None:
    """A client that repeats itself without waiting."""
    outside.give("m-echo", 100)
    outside.machine()

    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: outside.redeem("m-echo", 10, "echo"), range(8)))

    assert [201] * 8 == [reply.status for reply in replies]
    assert 1 == len({reply.body["redemption_id"] for reply in replies})
    assert (90, 0, 10) == balance(outside, "m-echo")


def _post(outside: Outside, path: str, body: Any, key: str) -> tuple[int, Any]:
    reply = outside.call("POST", path, body, token=outside.machine(), key=key)
    return reply.status, reply.body
