"""The points password over the API: who sets it, what it opens, and that it is nowhere to be found."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from jifen.domain import passwords
from jifen.runtime import use
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Stage, instant, paid

A, B = "alice", "bob"
RIGHT, OTHER, WRONG = "correct horse 9", "battery staple 8", "not this one 7"
TERMS = {"password_above": 50, "tries": 3, "lock_minutes": 30, "new_password_minutes": 60}


@pytest.fixture(scope="module", autouse=True)
def light() -> Iterator[None]:
    """Little work for each look."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "WORK", (2, 1, 1))
        yield


@pytest.fixture(scope="module")
def history(aws: None) -> tuple[Stage, Any]:  # noqa: ARG001 - the table is made in it
    """Alice and Bob have 300 points each, in a program that asks for the password above 50 a day."""
    made = Stage("guarded", program={"currency": "GBP", "security": TERMS})
    with use(made.runtime):
        made.earn(paid("o-a", A, 30_000), paid("o-b", B, 30_000))
        return made, made.remember()


@pytest.fixture
def here(history: tuple[Stage, Any]) -> Iterator[Stage]:
    """Nobody has a password yet."""
    made, remembered = history
    made.go_back(remembered)
    with use(made.runtime):
        yield made


@pytest.fixture
def locked_up(here: Stage) -> Stage:
    """Alice set one an hour ago."""
    assert 200 == put(here, RIGHT).status
    here.move_to(instant(1 / 24))
    return here


def put(
    stage: Stage, password: Any, current: Any = None, subject: str = A, scopes: str = MEMBER, member: str = A
) -> Answer:
    """Set a points password; the member's own unless said."""
    body = {"password": password, **({} if current is None else {"current": current})}
    return stage.ask("PUT", f"/v1/members/{member}/points-password", body, subject=subject, scopes=scopes)


def view(stage: Stage, subject: str = A, scopes: str = MEMBER) -> Answer:
    """What is told of Alice's."""
    return stage.ask("GET", f"/v1/members/{A}/points-password", subject=subject, scopes=scopes)


def give(stage: Stage, points: int, key: str, password: Any = None, subject: str = A, scopes: str = MEMBER) -> Answer:
    """Alice gives points to Bob."""
    body = {"to": B, "points": points, **({} if password is None else {"password": password})}
    return stage.ask("POST", f"/v1/members/{A}/transfers", body, key=key, subject=subject, scopes=scopes)


def reset(stage: Stage, key: str, scopes: str = OPERATOR, reason: Any = "hotline") -> Answer:
    """Take Alice's away."""
    path = f"/v1/members/{A}/points-password/reset"
    return stage.ask("POST", path, {"reason": reason}, key=key, subject="op", scopes=scopes)


def problem(answer: Answer) -> tuple[int, Any]:
    """Status and code."""
    return answer.status, answer.code


def test_a_member_sets_one_and_is_told_from_when_it_counts(here: Stage) -> None:
    """Before: none. After: set, now, usable in an hour, not locked."""
    assert {
        "member_id": A,
        "is_set": False,
        "changed_at": None,
        "locked_until": None,
        "usable_from": None,
    } == view(here).body

    answer = put(here, RIGHT)

    assert (
        {
            "member_id": A,
            "is_set": True,
            "changed_at": "2011-01-10T09:00:00Z",
            "locked_until": None,
            "usable_from": "2011-01-10T10:00:00Z",
        }
        == answer.body
        == view(here).body
    )


def test_spending_above_the_limit_needs_it(locked_up: Stage) -> None:
    """Not the first 50 points, but the one after them, unless it comes along."""
    assert 201 == give(locked_up, 50, "k-1").status

    refused = give(locked_up, 1, "k-2")

    assert (403, "POINTS_PASSWORD_REQUIRED") == problem(refused)
    assert (50, 50) == (refused.body["above"], refused.body["spent_today"])
    assert 201 == give(locked_up, 100, "k-2", RIGHT).status


def test_a_member_without_one_is_told_to_set_one(here: Stage) -> None:
    """With a password or without."""
    assert "sets one first" in give(here, 51, "k-1").body["detail"]
    assert (403, "POINTS_PASSWORD_NOT_SET") == problem(give(here, 51, "k-1", RIGHT))


def test_a_stolen_session_cannot_set_one_and_spend(here: Stage) -> None:
    """The first one opens nothing for an hour, and it says from when."""
    put(here, OTHER)

    refused = give(here, 51, "k-1", OTHER)

    assert (403, "POINTS_PASSWORD_TOO_NEW") == problem(refused)
    assert "2011-01-10T10:00:00+00:00" == refused.body["resets_at"]


@pytest.mark.parametrize("scopes", [MEMBER, SHOP])
def test_changing_takes_the_one_before(locked_up: Stage, scopes: str) -> None:
    """For the member and for the shop: missing 422, wrong 403 and a try, right 200."""
    who = {"subject": A, "scopes": scopes}
    assert (422, "INVALID_REQUEST") == problem(missing := put(locked_up, OTHER, **who))
    assert ["current"] == [one["field"] for one in missing.body["errors"]]
    assert 2 == put(locked_up, OTHER, WRONG, **who).body["tries_left"]

    assert 200 == put(locked_up, OTHER, RIGHT, **who).status

    assert (403, "POINTS_PASSWORD_WRONG") == problem(give(locked_up, 51, "k-1", RIGHT))
    assert 201 == give(locked_up, 51, "k-1", OTHER).status


def test_three_wrong_ones_lock_it_wherever_they_are_tried(locked_up: Stage) -> None:
    """At spending and at changing; 423 with the instant, for the right one too; then it opens again."""
    assert [2, 1] == [give(locked_up, 51, f"k-{n}", WRONG).body["tries_left"] for n in range(2)]
    last = put(locked_up, OTHER, WRONG)
    assert (0, "2011-01-10T10:30:00+00:00") == (last.body["tries_left"], last.body["resets_at"])
    assert 1 == locked_up.counted["PointsPasswordsLocked"]

    locked = give(locked_up, 51, "k-3", RIGHT)

    assert (423, "POINTS_PASSWORD_LOCKED") == problem(locked)
    assert "2011-01-10T10:30:00+00:00" == locked.body["resets_at"]
    assert "2011-01-10T10:30:00Z" == view(locked_up).body["locked_until"]
    assert 300 == locked_up.member(A)["available"]
    locked_up.move_to("2011-01-10T10:30:00+00:00")
    assert view(locked_up).body["locked_until"] is None
    assert 201 == give(locked_up, 51, "k-3", RIGHT).status


def test_what_was_done_is_answered_while_it_is_locked(locked_up: Stage) -> None:
    """A retry of a gift whose answer was lost gets it, with whatever password."""
    done = give(locked_up, 51, "k-1", RIGHT)
    for number in range(3):
        give(locked_up, 51, f"guess-{number}", WRONG)

    assert [done] * 3 == [give(locked_up, 51, "k-1", password) for password in (RIGHT, WRONG, None)]


def test_a_members_token_reaches_the_members_own_alone(locked_up: Stage) -> None:
    """Not to look, not to set; nor does one member's password open another's account."""
    assert 403 == view(locked_up, subject=B).status
    assert 403 == put(locked_up, OTHER, RIGHT, subject=B).status
    assert 200 == put(locked_up, OTHER, subject=B, member=B).status
    assert (403, "POINTS_PASSWORD_WRONG") == problem(give(locked_up, 51, "k-1", OTHER))


def test_an_operator_needs_none_and_can_set_one(locked_up: Stage) -> None:
    """Spends above the limit, and sets another at once; the audit has who set it and not what."""
    assert 201 == give(locked_up, 100, "k-1", subject="op", scopes=OPERATOR).status
    assert 200 == put(locked_up, OTHER, subject="op", scopes=ADMIN).status

    assert 201 == give(locked_up, 51, "k-2", OTHER).status
    (line,) = audit(locked_up)
    assert ("points-password.set", "admin:op", f"member/{A}") == (line["action"], line["actor"], line["target"])


def audit(stage: Stage) -> list[dict[str, Any]]:
    """The lines of the audit, newest first."""
    answer = stage.ask("GET", "/v1/audit", subject="op", scopes=OPERATOR, query={"month": "2011-01"})
    found: list[dict[str, Any]] = answer.body["lines"]
    return found


def test_a_reset_is_an_operators_and_audited(locked_up: Stage) -> None:
    """Member and shop: 403. Once under its key; afterwards the member sets another one."""
    for scopes in (MEMBER, SHOP):
        assert 403 == reset(locked_up, "k-1", scopes).status

    answer = reset(locked_up, "k-1")

    assert answer == reset(locked_up, "k-1")
    assert answer.body["is_set"] is False
    assert [("points-password.reset", "hotline")] == [(one["action"], one["reason"]) for one in audit(locked_up)]
    assert 200 == put(locked_up, OTHER).status
    assert (403, "POINTS_PASSWORD_TOO_NEW") == problem(give(locked_up, 51, "k-2", OTHER))


def test_a_reset_needs_key_and_reason(locked_up: Stage) -> None:
    """400 and 422; the password stays."""
    path = f"/v1/members/{A}/points-password/reset"
    assert 400 == locked_up.ask("POST", path, {"reason": "x"}, scopes=OPERATOR).status
    for body in (None, {}, {"reason": ""}, {"reason": 5}, {"reason": "x" * 200}):
        assert 422 == locked_up.ask("POST", path, body, scopes=OPERATOR, key="k").status

    assert view(locked_up).body["is_set"]


@pytest.mark.parametrize(
    "password",
    [
        "",
        "12345",
        "111111",
        "123456",
        "654321",
        "abcdefgh",
        "x" * 129,
        "y" * 65,
        123456,
        None,
        ["a"],
        {"a": 1},
        "a\u0000bcdef",
        A + "\n",
    ],
)
def test_what_cannot_be_one_is_refused_and_not_repeated(here: Stage, password: Any) -> None:
    """422 naming the field; nothing is written."""
    before = here.table()

    answer = put(here, password)

    assert (422, "INVALID_REQUEST") == problem(answer)
    assert ["password"] == sorted({one["field"] for one in answer.body["errors"]})
    assert before == here.table()


def test_the_password_is_nowhere_in_the_clear(
    locked_up: Stage, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not in the table, not in an answer, not in a log, right or wrong, spent with or changed."""
    caplog.set_level(logging.DEBUG)
    answers = [
        give(locked_up, 51, "k-1", WRONG),
        give(locked_up, 51, "k-1", RIGHT),
        put(locked_up, OTHER, RIGHT),
        put(locked_up, "x" + WRONG * 9, OTHER),
        view(locked_up, "op", OPERATOR),
        reset(locked_up, "k-2"),
    ]
    said = "".join(capsys.readouterr())

    everything = [*locked_up.table(), *[json.dumps([one.body, *one.headers.items()]) for one in answers]]
    everything += [caplog.text, said]
    assert not [text for text in everything for word in (RIGHT, OTHER, WRONG) if word in text]
    assert 6 == len(answers)


def test_a_program_without_one_looks_at_none(stage: Stage) -> None:
    """Whatever comes along, it costs nothing and opens nothing."""
    stage.clear()
    with use(stage.runtime):
        stage.earn(paid("o-a", A, 30_000))
        assert 201 == give(stage, 100, "k-1", WRONG).status


# Every way of spending -----------------------------------------------------------------------------------------------


def test_every_way_of_spending_counts(locked_up: Stage) -> None:
    """20 redeemed, 20 held and 10 given are 50: one point more needs the password, whichever way."""
    assert 201 == locked_up.redeem(A, 20, "k-1").status
    assert 201 == locked_up.hold(A, 20, "k-2").status
    assert 201 == give(locked_up, 10, "k-3").status

    refused = [locked_up.redeem(A, 1, "k-4"), locked_up.hold(A, 1, "k-5"), give(locked_up, 1, "k-6")]

    assert [(403, "POINTS_PASSWORD_REQUIRED")] * 3 == [problem(one) for one in refused]
    assert 201 == locked_up.redeem(A, 1, "k-4", password=RIGHT).status
    locked_up.move_to(instant(1))
    assert 201 == locked_up.redeem(A, 50, "k-7").status


def test_a_hold_that_was_voided_still_counted(locked_up: Stage) -> None:
    """Nobody gets round the limit by holding, voiding and holding again."""
    hold = locked_up.hold(A, 50, "k-1").body["hold_id"]
    locked_up.ask("POST", f"/v1/holds/{hold}/void", key="k-2")

    assert (403, "POINTS_PASSWORD_REQUIRED") == problem(locked_up.redeem(A, 1, "k-3"))


def test_an_exchange_in_the_mall_counts_too(locked_up: Stage) -> None:
    """A gift of 50 and a donation of 10: the second needs the password."""
    tree = {"title": "A tree", "kind": "donation", "points": 10, "stock": {"counted": False}}
    assert 200 == locked_up.ask("PUT", "/v1/rewards/tree", tree, scopes=OPERATOR).status
    give(locked_up, 50, "k-1")
    path, body = f"/v1/members/{A}/reward-orders", {"reward_id": "tree"}

    refused = locked_up.ask("POST", path, body, key="k-2")

    assert (403, "POINTS_PASSWORD_REQUIRED") == problem(refused)
    assert 201 == locked_up.ask("POST", path, body | {"password": RIGHT}, key="k-2").status
