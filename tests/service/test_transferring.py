"""A transfer is made once, taken back once, and both accounts move together or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from jifen.domain import passwords
from jifen.domain.debits import Guard
from jifen.domain.errors import (
    Busy,
    IdempotencyKeyReused,
    InsufficientPoints,
    NotOffered,
    PasswordRequired,
    PasswordWrong,
    TransferFinal,
    TransferNotFound,
    WrongStatus,
)
from jifen.domain.program import Moment, Program, parse_program
from jifen.service.guarding import Passwords, guard_when_asked
from jifen.service.ports import Ledger
from jifen.service.transferring import Transferring, known, transfers_page
from tests.service.ledgers import Contended, Forgetful, Raced, Torn
from tests.service.scene import MOMENT, PROGRAM, account_of, balance_of, give, later, points_of, proved
from tests.service.scene import desk as spending_desk
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

COOLING = parse_program({"time_zone": "Asia/Shanghai", "transfers": {"cooling_days": 7}})
GUARDED = parse_program({"time_zone": "Asia/Shanghai", "security": {"password_above": 50}})
RIGHT = "correct horse"


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little work for each look at a password."""
    monkeypatch.setattr(passwords, "WORK", (2, 1, 1))


@pytest.fixture
def rich(ledger: MemoryLedger) -> MemoryLedger:
    """The ledger with 100 points for a."""
    give(ledger, "a", 100)
    return ledger


def desk(
    ledger: Ledger, key: str = "k", program: Program = PROGRAM, moment: Moment = MOMENT, subject: str = "a"
) -> Transferring:
    """The use cases under an idempotency key."""
    return Transferring(ledger, program, moment, Patient(), subject, f"member:{subject}", key)


def everything(ledger: Ledger) -> tuple[int, int]:
    """Both balances, once both are proved."""
    assert proved(ledger, "a", "b")
    return balance_of(ledger, "a"), balance_of(ledger, "b")


def test_a_gift_is_one_read_and_one_transaction(rich: MemoryLedger) -> None:
    """Both accounts, the transfer and the answer; asked again, one read."""
    rich.loads = rich.commits = 0

    answer = desk(rich).send("a", "b", 30)
    counts = rich.loads, rich.commits
    again = desk(rich).send("a", "b", 30)

    assert (1, 1) == counts
    assert (2, 1) == (rich.loads, rich.commits)
    assert answer == again
    assert (70, 30) == everything(rich)


@pytest.mark.parametrize("member", ["a", "b"])
def test_a_gift_whose_accounts_moved_is_decided_again(rich: MemoryLedger, member: str) -> None:
    """Whoever was written in between, sender or receiver: both movements are there, each once."""
    give(rich, "b", 5)

    desk(Raced(rich, lambda ledger: give(ledger, member, 1))).send("a", "b", 30)

    assert 106 == sum(everything(rich))
    assert 35 + (member == "b") == balance_of(rich, "b")


def test_two_gifts_of_everything_are_one(rich: MemoryLedger) -> None:
    """Another gift of all the points gets in between: this one is refused, and nobody was given points twice."""
    other = lambda ledger: desk(ledger, "other").send("a", "b", 100)  # noqa: E731 - one line, used once

    with pytest.raises(InsufficientPoints):
        desk(Raced(rich, other)).send("a", "c", 100)

    assert [100, 0] == [balance_of(rich, "b"), balance_of(rich, "c")]


def test_a_gift_that_crosses_another_is_decided_again(rich: MemoryLedger) -> None:
    """One gives to b while b gives back: both are done."""
    give(rich, "b", 100)

    desk(Raced(rich, lambda ledger: desk(ledger, "back", subject="b").send("b", "a", 40))).send("a", "b", 30)

    assert (110, 90) == everything(rich)


def test_a_gift_whose_answer_was_lost_is_made_once(rich: MemoryLedger) -> None:
    """The caller gets the answer that is stored; all of the points are gone once."""
    answer = desk(Forgetful(rich)).send("a", "b", 100)

    assert (0, 100) == (answer["available"], answer["points"])
    assert (0, 100) == everything(rich)


@pytest.mark.parametrize("member", ["a", "b"])
def test_a_gift_that_cannot_be_settled_moves_nothing(rich: MemoryLedger, member: str) -> None:
    """An account that stays busy: 503, and neither side has moved."""
    with pytest.raises(Busy):
        desk(Contended(rich, member)).send("a", "b", 30)

    assert (100, 0) == everything(rich)


def test_a_key_is_the_callers_own_and_for_one_request(rich: MemoryLedger) -> None:
    """The same key with another gift is refused; another caller's key of the same text is another gift."""
    desk(rich).send("a", "b", 30)

    for other in (("a", "b", 31, ""), ("a", "c", 30, ""), ("a", "b", 30, "thanks")):
        with pytest.raises(IdempotencyKeyReused):
            desk(rich).send(*other)
    desk(rich, subject="shop").send("a", "b", 30)

    assert (40, 60) == everything(rich)


def test_a_refused_gift_can_be_asked_for_again(rich: MemoryLedger) -> None:
    """A refusal stores nothing: once the points are there, the same key gives them."""
    with pytest.raises(InsufficientPoints):
        desk(rich).send("a", "b", 130)
    give(rich, "a", 30)

    assert 0 == desk(rich).send("a", "b", 130)["available"]


def test_what_the_program_does_not_offer_is_not_looked_at(rich: MemoryLedger) -> None:
    """Refused before a password is tried."""
    program = parse_program({"transfers": {"enabled": False}})

    def never() -> Guard:
        message = "nobody asks"
        raise AssertionError(message)

    with pytest.raises(NotOffered):
        desk(rich, program=program).send("a", "b", 30, guard=never)


# Taking back ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def sent(rich: MemoryLedger) -> str:
    """The id of a gift of 30 that still cools."""
    return str(desk(rich, "gift", COOLING).send("a", "b", 30)["transfer_id"])


def test_taking_back_is_one_transaction_and_done_once(rich: MemoryLedger, sent: str) -> None:
    """Again under the same key the same answer, under another key a refusal."""
    answer = desk(rich, program=COOLING).cancel(sent)

    assert answer == desk(rich, program=COOLING).cancel(sent)
    assert ("CANCELED", 30, 100) == (answer["status"], answer["points"], answer["available"])
    with pytest.raises(WrongStatus):
        desk(rich, "other", COOLING).cancel(sent)
    assert (100, 0) == everything(rich)


def test_taking_back_twice_at_once_is_once(rich: MemoryLedger, sent: str) -> None:
    """Another one gets in between: this one is refused and nothing goes back twice."""
    other: Callable[[Ledger], Any] = lambda ledger: desk(ledger, "other", COOLING).cancel(sent)  # noqa: E731 - short

    with pytest.raises(WrongStatus):
        desk(Raced(rich, other), program=COOLING).cancel(sent)

    assert (100, 0) == everything(rich)


def test_taking_back_whose_answer_was_lost_is_done_once(rich: MemoryLedger, sent: str) -> None:
    """The stored answer, and the points went back once."""
    assert "CANCELED" == desk(Forgetful(rich), program=COOLING).cancel(sent)["status"]
    assert (100, 0) == everything(rich)


def test_points_on_their_way_are_not_spent_and_taken_back(rich: MemoryLedger, sent: str) -> None:
    """Pending points cannot be spent; once they can, they cannot be taken back: never both."""
    week = later(days=7)

    with pytest.raises(InsufficientPoints):
        spending_desk(rich, "s1").redeem("b", 1)
    with pytest.raises(TransferFinal):
        desk(rich, program=COOLING, moment=week).cancel(sent)
    spending_desk(rich, "s2", week).redeem("b", 30)

    assert (70, 0) == everything(rich)


@pytest.mark.parametrize(
    "transfer_id", ["", "tr", "tr.YQ.short", "rd.YQ." + "A" * 22, "tr.YQ." + "A" * 22, "tr.!!." + "A" * 22]
)
def test_an_id_that_is_no_transfers_is_not_found(rich: MemoryLedger, transfer_id: str) -> None:
    """Of another kind, of nobody, or never handed out."""
    with pytest.raises(TransferNotFound):
        known(rich, transfer_id)
    with pytest.raises(TransferNotFound):
        desk(rich).cancel(transfer_id)


def test_a_member_lists_what_was_given(rich: MemoryLedger) -> None:
    """Every gift once, over pages; nobody else's."""
    ids = {desk(rich, f"k{number}").send("a", "b", 1)["transfer_id"] for number in range(5)}
    desk(rich, "back", subject="b").send("b", "a", 1)
    found, cursor = [], None
    while True:
        page = transfers_page(rich, "a", cursor, 2)
        found += [one["transfer_id"] for one in page["transfers"]]
        if (cursor := page["cursor"]) is None:
            break

    assert (5, ids) == (len(found), set(found))


# The points password -------------------------------------------------------------------------------------------------


def guarded(ledger: Ledger, points: int, password: str | None, key: str = "k") -> Any:
    """A gift under a program that asks for the points password above 50."""
    guard = guard_when_asked(ledger, GUARDED, MOMENT, Patient(), "a", password)
    return desk(ledger, key, GUARDED).send("a", "b", points, guard=guard)


@pytest.fixture
def locked_up(rich: MemoryLedger) -> MemoryLedger:
    """The ledger with a points password for a."""
    Passwords(rich, GUARDED, MOMENT, Patient()).change("a", RIGHT, None, lambda: b"s" * 16)
    return rich


def test_a_gift_above_the_limit_needs_the_password(locked_up: MemoryLedger) -> None:
    """Without it, with a wrong one, with the right one; small gifts add up."""
    with pytest.raises(PasswordRequired):
        guarded(locked_up, 51, None)
    with pytest.raises(PasswordWrong):
        guarded(locked_up, 51, "wrong password")
    guarded(locked_up, 50, None)
    with pytest.raises(PasswordRequired):
        guarded(locked_up, 1, None, "k2")

    assert 49 == guarded(locked_up, 1, RIGHT, "k2")["available"]


def test_a_gift_that_was_made_is_answered_whatever_password_comes_with_it(locked_up: MemoryLedger) -> None:
    """A retry costs no try and fails on none: what was done was done."""
    made = guarded(locked_up, 60, RIGHT)
    commits = locked_up.commits

    assert [made] * 3 == [guarded(locked_up, 60, password) for password in (RIGHT, "wrong password", None)]
    assert commits == locked_up.commits


def test_a_right_password_is_tried_once_however_often_the_gift_is_decided(locked_up: MemoryLedger) -> None:
    """Others win twice: still one try (two writes), and three attempts at the gift."""
    raced = Raced(locked_up, *[lambda ledger: give(ledger, "a", 1)] * 2)
    guard = guard_when_asked(locked_up, GUARDED, MOMENT, Patient(), "a", RIGHT)
    before = locked_up.commits

    desk(raced, program=GUARDED).send("a", "b", 60, guard=guard)

    assert 2 + 2 + 3 == locked_up.commits - before


def test_a_program_that_asks_for_no_password_pays_nothing_for_it(rich: MemoryLedger) -> None:
    """One read and one transaction, even where one comes along."""
    rich.loads = rich.commits = 0
    guard = guard_when_asked(rich, PROGRAM, MOMENT, Patient(), "a", "whatever")

    desk(rich).send("a", "b", 60, guard=guard)

    assert (1, 1) == (rich.loads, rich.commits)
    assert {} == account_of(rich, "a").standing.used


def test_every_gift_is_two_entries(rich: MemoryLedger) -> None:
    """One on each side, of the same size."""
    desk(rich).send("a", "b", 30)

    assert ([100, -30], [30]) == (points_of(rich, "a"), points_of(rich, "b"))


def test_a_cancellation_that_another_one_was_quicker_than_says_so(rich: MemoryLedger) -> None:
    """Between its reads of the gift and of the account the other one took the points: it was taken back, not kept."""
    gift = str(desk(rich, program=COOLING).send("a", "b", 30)["transfer_id"])
    torn = Torn(rich, lambda ledger: desk(ledger, "other", COOLING).cancel(gift))

    with pytest.raises(WrongStatus):
        desk(torn, "mine", COOLING).cancel(gift)

    assert (100, 0) == everything(rich)
