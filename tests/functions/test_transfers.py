"""Transfers over the API: who may, what each side sees, what is refused and how."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from jifen.runtime import use
from tests.functions.pages import follow
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Stage, instant, paid, refunded

A, B = "alice", "bob"
PROGRAM = {
    "currency": "GBP",
    "transfers": {
        "min_points": 10,
        "max_points": 150,
        "points_per_day": 200,
        "received_per_day": 180,
        "cooling_days": 7,
        "known_only": True,
    },
}


@pytest.fixture(scope="module")
def history(stage: Stage) -> Any:
    """Alice has 300 points: 100 of a lot that ends a month earlier, 200 of the usual one; Bob has 5."""
    stage.clear()
    stage.earn(paid("o-old", A, 10_000, occurred_at=instant(-30)), paid("o-new", A, 20_000), paid("o-b", B, 500))
    return stage.remember()


@pytest.fixture
def here(stage: Stage, history: Any) -> Iterator[Stage]:
    """A program that says nothing of transfers."""
    stage.go_back(history)
    with use(stage.runtime):
        yield stage


@pytest.fixture(scope="module")
def strict_history(aws: None) -> tuple[Stage, Any]:  # noqa: ARG001 - the table is made in it
    """A program with every limit on transfers; Alice has 300 points, Bob 5."""
    made = Stage("strict", program=PROGRAM)
    with use(made.runtime):
        made.earn(paid("o-1", A, 30_000), paid("o-2", B, 500))
        return made, made.remember()


@pytest.fixture
def strict(strict_history: tuple[Stage, Any]) -> Iterator[Stage]:
    """The strict program before anything was given."""
    made, remembered = strict_history
    made.go_back(remembered)
    with use(made.runtime):
        yield made


def send(stage: Stage, points: int, key: str, to: Any = B, sender: str = A, **more: Any) -> Answer:
    """A member's own gift."""
    who = {"subject": more.pop("subject", sender), "scopes": more.pop("scopes", MEMBER)}
    return stage.ask("POST", f"/v1/members/{sender}/transfers", {"to": to, "points": points, **more}, key=key, **who)


def look(stage: Stage, transfer: str, subject: str, scopes: str = MEMBER) -> Answer:
    """Look at a transfer."""
    return stage.ask("GET", f"/v1/transfers/{transfer}", subject=subject, scopes=scopes)


def cancel(stage: Stage, transfer: str, key: str, subject: str = A, scopes: str = MEMBER) -> Answer:
    """Take a transfer back."""
    return stage.ask("POST", f"/v1/transfers/{transfer}/cancel", key=key, subject=subject, scopes=scopes)


# Giving --------------------------------------------------------------------------------------------------------------


def test_a_gift_moves_lots_and_is_proved_on_both_sides(here: Stage) -> None:
    """201 with what the receiver gets and what the sender has left; nothing of the receiver's account."""
    answer = send(here, 150, "k-1", note="happy birthday")

    assert 201 == answer.status
    assert answer.body.pop("transfer_id").startswith("tr.")
    assert {
        "points": 150,
        "to": B,
        "available": 150,
        "active_from": None,
        "lots": [
            {"points": 100, "expires_on": "2011-12-31", "active_from": None},
            {"points": 50, "expires_on": "2012-01-31", "active_from": None},
        ],
    } == answer.body
    assert [150, 155] == [here.member(name)["available"] for name in (A, B)]
    assert all(here.proved(name) for name in (A, B))


def test_both_sides_find_it_among_their_entries(here: Stage) -> None:
    """Kinds, reasons, the transfer and the other side."""
    transfer = send(here, 150, "k-1").body["transfer_id"]

    out, into = here.entries(A)[-1], here.entries(B)[-1]
    assert ("transfer_out", "TRANSFER_SENT", -150) == (out["kind"], out["reason"], out["points"])
    assert ("transfer_in", "TRANSFER_RECEIVED", 150) == (into["kind"], into["reason"], into["points"])
    assert {"type": "transfer", "id": transfer} == out["source"] == into["source"]
    assert [{"transfer": transfer, "to": B}] == out["why"]
    assert [{"transfer": transfer, "from": A}] == into["why"]


def test_a_gift_leaves_lifetime_figures_alone(here: Stage) -> None:
    """Neither is it redeemed here nor earned there."""
    before = [here.member(name)["lifetime"] for name in (A, B)]

    send(here, 150, "k-1")

    assert before == [here.member(name)["lifetime"] for name in (A, B)]


def test_the_same_request_again_is_the_same_gift(here: Stage) -> None:
    """Same key and body: the stored answer; another body: 422."""
    first = send(here, 150, "k-1")

    assert first == send(here, 150, "k-1")
    assert (422, "IDEMPOTENCY_KEY_REUSED") == ((other := send(here, 151, "k-1")).status, other.code)
    assert 150 == here.member(A)["available"]


def test_a_gift_pays_a_debt_and_the_sender_is_not_told(here: Stage) -> None:
    """Bob spent his points and gave the order back: 5 of the gift are gone, and Alice sees a gift as any other."""
    here.redeem(B, 5, "spend")
    here.earn(refunded("o-b", "r-1", B, 500))

    answer = send(here, 100, "k-1")

    assert (95, 0) == ((bob := here.member(B))["available"], bob["debt"])
    seen = json.dumps([answer.body, look(here, answer.body["transfer_id"], A).body])
    assert "debt" not in seen
    assert [100] == [lot["points"] for lot in answer.body["lots"]]
    assert here.proved(B)


def test_a_gift_to_somebody_nobody_has_seen_opens_an_account(here: Stage) -> None:
    """Where the program does not say ``known_only``; their points are there when they come."""
    assert 201 == send(here, 150, "k-1", to="somebody new").status
    assert 150 == here.member("somebody%20new")["available"]


def test_staff_give_for_a_member(here: Stage) -> None:
    """The entry names who did it."""
    for number, scopes in enumerate((SHOP, OPERATOR, ADMIN)):
        assert 201 == send(here, 10, f"k-{number}", subject="somebody", scopes=scopes).status

    assert ["shop:somebody", "operator:somebody", "admin:somebody"] == [one["actor"] for one in here.entries(B)[-3:]]


# Refusals ------------------------------------------------------------------------------------------------------------


def test_a_member_gives_only_the_members_own(here: Stage) -> None:
    """Another's account: 403, and nothing moves."""
    answer = send(here, 10, "k-1", to=A, sender=B, subject=A)

    assert (403, "FORBIDDEN") == (answer.status, answer.code)
    assert 5 == here.member(B)["available"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"points": 301}, "INSUFFICIENT_POINTS"),
        ({"points": 0}, "INVALID_REQUEST"),
        ({"points": -5}, "INVALID_REQUEST"),
        ({"points": "10"}, "INVALID_REQUEST"),
        ({"points": 10.0}, "INVALID_REQUEST"),
        ({"points": True}, "INVALID_REQUEST"),
        ({"points": 10**30}, "INVALID_REQUEST"),
        ({"to": A}, "INVALID_REQUEST"),
        ({"to": ""}, "INVALID_REQUEST"),
        ({"to": " bob"}, "INVALID_REQUEST"),
        ({"to": "b\x00b"}, "INVALID_REQUEST"),
        ({"to": "x" * 129}, "INVALID_REQUEST"),
        ({"to": ["bob"]}, "INVALID_REQUEST"),
        ({"to": None}, "INVALID_REQUEST"),
        ({"note": "x" * 129}, "INVALID_REQUEST"),
        ({"note": "a\nb"}, "INVALID_REQUEST"),
        ({"note": {"a": 1}}, "INVALID_REQUEST"),
        ({"password": 123456}, "INVALID_REQUEST"),
        ({"password": "x" * 10_000}, "INVALID_REQUEST"),
    ],
)
def test_what_is_no_gift_changes_nothing(here: Stage, changes: dict[str, Any], code: str) -> None:
    """Each is refused by name, and the table is as it was."""
    before = here.table()

    answer = here.ask("POST", f"/v1/members/{A}/transfers", {"to": B, "points": 10} | changes, key="k-1")

    assert code == answer.code
    assert before == here.table()


def test_a_gift_needs_a_key_and_a_body(here: Stage) -> None:
    """400 without the key, 422 without the body."""
    assert "IDEMPOTENCY_KEY_MISSING" == here.ask("POST", f"/v1/members/{A}/transfers", {"to": B, "points": 10}).code
    assert "INVALID_REQUEST" == here.ask("POST", f"/v1/members/{A}/transfers", None, key="k").code


def test_every_limit_is_named_with_its_reset(strict: Stage) -> None:
    """Least, most, unknown receivers, a day's points of the sender and of the receiver."""
    assert ("transfer_min_points", 10, None) == limit_of(send(strict, 9, "k-1"))
    assert ("transfer_max_points", 150, None) == limit_of(send(strict, 151, "k-2"))
    assert (409, "RECIPIENT_UNAVAILABLE") == ((unknown := send(strict, 50, "k-3", to="nobody")).status, unknown.code)
    assert 201 == send(strict, 150, "k-4").status
    assert ("transfer_received_per_day", 180, "2011-01-11T00:00:00+00:00") == limit_of(send(strict, 40, "k-5"))
    assert ("transfer_points_per_day", 200, "2011-01-11T00:00:00+00:00") == limit_of(send(strict, 60, "k-6"))


def limit_of(answer: Answer) -> tuple[Any, Any, Any]:
    """Which limit an answer names, what it allows, and when it resets."""
    assert (409, "LIMIT_REACHED") == (answer.status, answer.code)
    return answer.body["limit"], answer.body["allowed"], answer.body["resets_at"]


def test_a_program_that_offers_none_says_so(aws: None) -> None:  # noqa: ARG001 - the table is made in it
    """409 NOT_OFFERED."""
    here = Stage("none", program={"transfers": {"enabled": False}})
    with use(here.runtime):
        answer = send(here, 10, "k-1")

    assert (409, "NOT_OFFERED") == (answer.status, answer.code)


# Taking back ---------------------------------------------------------------------------------------------------------


def test_a_gift_that_cools_is_pending_and_can_be_taken_back(strict: Stage) -> None:
    """Not spendable by Bob, back with Alice afterwards in her own lots; the limit of the day has its room again."""
    before = strict.get(f"/v1/members/{A}/lots"), strict.get(f"/v1/members/{B}/lots")
    answer = send(strict, 120, "k-10")
    transfer = answer.body["transfer_id"]
    bob = strict.member(B)

    back = cancel(strict, transfer, "k-11")

    assert ("2011-01-17", 120, 5) == (answer.body["active_from"], bob["pending"], bob["available"])
    assert (200, "CANCELED") == (back.status, back.body["status"])
    assert before == (strict.get(f"/v1/members/{A}/lots"), strict.get(f"/v1/members/{B}/lots"))
    assert 201 == send(strict, 150, "k-12").status
    assert strict.proved(A)
    assert strict.proved(B)


def test_only_the_sender_and_staff_take_back(strict: Stage) -> None:
    """The receiver and strangers: 403; after it was done: 409 with its status; the same key: the same answer."""
    transfer = send(strict, 120, "k-10").body["transfer_id"]

    for other in (B, "carol"):
        assert 403 == cancel(strict, transfer, "k-11", subject=other).status
    done = cancel(strict, transfer, "k-12", subject="server", scopes=SHOP)
    assert done == cancel(strict, transfer, "k-12", subject="server", scopes=SHOP)
    assert (409, "WRONG_STATUS") == ((again := cancel(strict, transfer, "k-13")).status, again.code)
    assert "CANCELED" == again.body["status_now"]


def test_what_can_be_used_is_final(strict: Stage) -> None:
    """409 TRANSFER_FINAL from the day on which Bob can use it."""
    transfer = send(strict, 120, "k-10").body["transfer_id"]
    strict.move_to(instant(7))

    answer = cancel(strict, transfer, "k-11")

    assert (409, "TRANSFER_FINAL", "2011-01-17") == (answer.status, answer.code, answer.body["active_from"])
    assert 201 == send(strict, 10, "k-12", to=A, sender=B).status


# Looking -------------------------------------------------------------------------------------------------------------


def test_sender_receiver_and_staff_see_a_transfer_and_nobody_else_does(here: Stage) -> None:
    """One view for all of them; a stranger is told what is told of an id that never was."""
    transfer = send(here, 150, "k-1", note="happy birthday").body["transfer_id"]

    seen = [look(here, transfer, who, scopes) for who, scopes in ((A, MEMBER), (B, MEMBER), ("x", SHOP), ("x", ADMIN))]

    assert {
        "transfer_id": transfer,
        "member_id": A,
        "to": B,
        "points": 150,
        "status": "SENT",
        "sent_at": "2011-01-10T09:00:00Z",
        "active_from": None,
        "canceled_at": None,
        "note": "happy birthday",
        "lots": [
            {"points": 100, "expires_on": "2011-12-31", "active_from": None},
            {"points": 50, "expires_on": "2012-01-31", "active_from": None},
        ],
    } == seen[0].body
    assert all(one.body == seen[0].body for one in seen)
    stranger, never = look(here, transfer, "carol"), look(here, f"tr.{'Y2Fyb2w'}.{'A' * 22}", "carol")
    assert (404, stranger.body) == (never.status, never.body)


@pytest.mark.parametrize(
    "transfer", ["x", "tr.YQ.AA", "rd.YWxpY2U." + "A" * 22, "tr.YWxpY2U." + "A" * 22, "%00", "tr..", "é"]
)
def test_an_id_of_nothing_is_not_found(here: Stage, transfer: str) -> None:
    """404, to look at and to take back, and nothing is written."""
    before = here.table()

    assert (404, "TRANSFER_NOT_FOUND") == ((one := look(here, transfer, "op", OPERATOR)).status, one.code)
    assert 404 == cancel(here, transfer, "k-1", subject="op", scopes=OPERATOR).status
    assert before == here.table()


def test_a_member_lists_the_members_own_page_by_page(here: Stage) -> None:
    """Every gift once; a cursor is good for one member's list alone."""
    ids = {send(here, 10, f"k-{number}").body["transfer_id"] for number in range(5)}
    found: list[str] = []
    query, cursors = {"limit": "2"}, []
    while True:
        page = here.ask("GET", f"/v1/members/{A}/transfers", subject=A, scopes=MEMBER, query=query).body
        found += [one["transfer_id"] for one in page["transfers"]]
        if page["cursor"] is None:
            break
        cursors.append(page["cursor"])
        query = {"limit": "2", "cursor": page["cursor"]}

    assert (5, ids) == (len(found), set(found))
    for cursor in (cursors[0], "AAAA", "%%", "x" * 999):
        answer = here.ask("GET", f"/v1/members/{B}/transfers", subject=B, scopes=MEMBER, query={"cursor": cursor})
        assert (422, "INVALID_REQUEST") == (answer.status, answer.code)
    assert 403 == here.ask("GET", f"/v1/members/{A}/transfers", subject=B, scopes=MEMBER).status
    for limit in ("0", "101", "x", "-1"):
        assert 422 == here.ask("GET", f"/v1/members/{A}/transfers", query={"limit": limit}).status


def test_the_page_says_what_happens(aws: None) -> None:  # noqa: ARG001 - the table is made in it
    """Every example of docs/transfers.md, sent in its order, is answered as the page shows."""
    program = {
        "currency": "CNY",
        "time_zone": "Asia/Shanghai",
        "transfers": {"points_per_day": 500, "cooling_days": 3},
        "security": {"password_above": 1000, "tries": 5, "lock_minutes": 30, "new_password_minutes": 1440},
    }
    here = Stage("page", program=program)
    here.move_to("2026-11-26T10:00:00+08:00")
    orders = [("o-1", 30_000, "2026-10-20T10:00:00+08:00"), ("o-2", 300_000, "2026-11-26T09:00:00+08:00")]
    with use(here.runtime):
        here.earn(*[paid(name, A, minor, currency="CNY", occurred_at=at) for name, minor, at in orders])
        assert 10 == follow(here, "transfers.md", A)
