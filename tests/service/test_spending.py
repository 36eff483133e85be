"""Each request is answered once, however often it is asked and whoever gets in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from jifen.domain.account import HOLDS_MAX
from jifen.domain.errors import (
    Busy,
    HoldAlreadyResolved,
    HoldExpired,
    HoldNotFound,
    IdempotencyKeyReused,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
    RedemptionNotFound,
    Refusal,
)
from jifen.domain.ids import document_id
from jifen.domain.money import Money
from jifen.domain.spending import Answer
from jifen.service.ports import Ledger
from jifen.service.spending import Spending
from tests.service.ledgers import Forgetful, Raced, Torn
from tests.service.scene import (
    MOMENT,
    PROGRAM,
    account_of,
    balance_of,
    desk,
    earned,
    give,
    later,
    paid,
    points_of,
    proved,
)
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

Ask = Callable[[Spending, int], Answer]


@pytest.fixture
def rich(ledger: MemoryLedger) -> MemoryLedger:
    """The ledger with 100 points for m1, an open hold of 20 ("h") and a redemption of 10 ("r") included."""
    give(ledger, "m1", 100)
    desk(ledger, "h").authorize("m1", 20)
    desk(ledger, "r").redeem("m1", 10)
    return ledger


def hold_id(ledger: Ledger) -> str:
    """The id of the open hold."""
    return account_of(ledger).holds[0].hold_id


def redemption_id(ledger: Ledger) -> str:
    """The id of the redemption, as a retry tells it."""
    return str(desk(ledger, "r").redeem("m1", 10)["redemption_id"])


def _asks(ledger: Ledger) -> dict[str, Ask]:
    hold, redemption = hold_id(ledger), redemption_id(ledger)
    return {
        "redeem": lambda at, points: at.redeem("m1", points),
        "authorize": lambda at, points: at.authorize("m1", points),
        "capture": lambda at, points: at.capture(hold, points),
        "restore": lambda at, points: at.restore(redemption, points),
    }


OPERATIONS = ("redeem", "authorize", "capture", "restore")


# Idempotency ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS)
def test_same_key_same_body_is_the_same_answer(rich: MemoryLedger, operation: str) -> None:
    """A retry gets the stored answer in one read, even after the account has changed."""
    ask = _asks(rich)[operation]
    first = ask(desk(rich, "k"), 7)
    give(rich, "m1", 500)
    state, rich.loads, rich.commits = account_of(rich), 0, 0

    again = ask(desk(rich, "k", later(days=3)), 7)

    assert (first, 1, 0) == (again, rich.loads, rich.commits)
    assert state == account_of(rich)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_same_key_other_body_is_refused(rich: MemoryLedger, operation: str) -> None:
    """A key used before with another request is refused and nothing is written."""
    ask = _asks(rich)[operation]
    ask(desk(rich, "k"), 7)
    state = account_of(rich)

    with pytest.raises(IdempotencyKeyReused):
        ask(desk(rich, "k"), 8)

    assert state == account_of(rich)


@pytest.mark.parametrize("operation", ["redeem", "authorize", "restore"])
def test_two_keys_are_two_requests(rich: MemoryLedger, operation: str) -> None:
    """The same body under two keys is done twice."""
    ask, before = _asks(rich)[operation], account_of(rich)

    answers = [ask(desk(rich, key), 5) for key in ("k1", "k2")]

    assert before.version + 2 == account_of(rich).version
    assert 10 == abs(answers[1]["available"] - before.available(MOMENT.today))


def test_every_part_of_the_body_counts(ledger: MemoryLedger) -> None:
    """A retry that differs in order, total or reason alone is another request."""
    give(ledger, "m1", 100)
    bodies: list[dict[str, Any]] = [
        {"order_id": "o1"},
        {"order_total": Money(10_000, "CNY")},
        {"order_total": Money(10_000, "JPY")},
        {"reason": "gift"},
    ]
    desk(ledger, "k").redeem("m1", 10)

    for body in bodies:
        with pytest.raises(IdempotencyKeyReused):
            desk(ledger, "k").redeem("m1", 10, **body)
    desk(ledger, "k2").authorize("m1", 10, expires_in_s=60)
    with pytest.raises(IdempotencyKeyReused):
        desk(ledger, "k2").authorize("m1", 10)


def test_keys_belong_to_one_member(ledger: MemoryLedger) -> None:
    """Two members may use one key; neither sees the other's answer."""
    give(ledger, "m1", 100)
    give(ledger, "m2", 50)

    answers = [desk(ledger, "k").redeem(member, 10) for member in ("m1", "m2")]

    assert [90, 40] == [answer["available"] for answer in answers]
    assert answers[0]["redemption_id"] != answers[1]["redemption_id"]


def test_refused_request_is_judged_again(ledger: MemoryLedger) -> None:
    """A refusal is not an answer to keep: with points, the same request succeeds."""
    with pytest.raises(InsufficientPoints) as refusal:
        desk(ledger, "k").redeem("m1", 10)
    give(ledger, "m1", 10)

    assert (10, 0) == (refusal.value.asked, refusal.value.available)
    assert 0 == desk(ledger, "k").redeem("m1", 10)["available"]


def test_answer_survives_its_points(ledger: MemoryLedger) -> None:
    """A retry is answered, not judged: it succeeds with nothing left to spend, and years later."""
    give(ledger, "m1", 10)
    first = desk(ledger, "k").redeem("m1", 10)

    assert first == desk(ledger, "k", later(days=4_000)).redeem("m1", 10)


# Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "refusal"),
    [
        (lambda at: at.capture("hd.bTE.AAAAAAAAAAAAAAAAAAAAAA"), HoldNotFound),
        (lambda at: at.capture("nonsense"), HoldNotFound),
        (lambda at: at.void("rd.bTE.AAAAAAAAAAAAAAAAAAAAAA"), HoldNotFound),
        (lambda at: at.restore("rd.bTE.AAAAAAAAAAAAAAAAAAAAAA"), RedemptionNotFound),
        (lambda at: at.restore("hd.bTE.AAAAAAAAAAAAAAAAAAAAAA"), RedemptionNotFound),
        (lambda at: at.restore(""), RedemptionNotFound),
    ],
)
def test_unknown_documents_are_named(
    ledger: MemoryLedger, ask: Callable[[Spending], Answer], refusal: type[Refusal]
) -> None:
    """An id that is nobody's is not found, whatever it looks like."""
    with pytest.raises(refusal):
        ask(desk(ledger, "k"))


def test_open_or_voided_hold_cannot_be_restored(rich: MemoryLedger) -> None:
    """Only what was spent can go back."""
    hold = hold_id(rich)
    with pytest.raises(RedemptionNotFound):
        desk(rich, "k").restore(hold)
    desk(rich, "v").void(hold)
    with pytest.raises(RedemptionNotFound):
        desk(rich, "k").restore(hold)


def test_captured_hold_is_restored_like_a_redemption(rich: MemoryLedger) -> None:
    """A captured hold's id serves as a redemption's."""
    captured = desk(rich, "c").capture(hold_id(rich), 15)

    restored = desk(rich, "k").restore(captured["redemption_id"])

    assert (15, 90, True) == (restored["points"], balance_of(rich), proved(rich))


def test_hold_is_resolved_once(rich: MemoryLedger) -> None:
    """After a capture neither another capture nor a void is taken; the key of the first one still gets its answer."""
    hold = hold_id(rich)
    first = desk(rich, "c1").capture(hold)

    with pytest.raises(HoldAlreadyResolved):
        desk(rich, "c2").capture(hold)
    with pytest.raises(HoldAlreadyResolved):
        desk(rich, "v").void(hold)
    assert first == desk(rich, "c1").capture(hold)


def test_hold_that_ran_out_cannot_be_captured(rich: MemoryLedger) -> None:
    """From its last instant on, a hold is over, whether or not a sweep has written it down."""
    hold = hold_id(rich)

    with pytest.raises(HoldExpired):
        desk(rich, "c", later(seconds=900)).capture(hold)
    assert 20 == desk(rich, "c", later(seconds=899)).capture(hold)["points"]


def test_restore_ends_where_the_redemption_began(rich: MemoryLedger) -> None:
    """Parts add up to what was taken and not a point more."""
    redemption = redemption_id(rich)
    for number in range(3):
        desk(rich, f"k{number}").restore(redemption, 3)

    with pytest.raises(InvalidInput):
        desk(rich, "k3").restore(redemption, 2)
    assert 10 == desk(rich, "k4").restore(redemption)["restored"]
    assert (100, True) == (balance_of(rich), proved(rich))


# Races ---------------------------------------------------------------------------------------------------------------


def test_two_redemptions_of_the_last_points(ledger: MemoryLedger) -> None:
    """Of two that each could be paid alone, the one that commits second is refused."""
    give(ledger, "m1", 100)
    raced = Raced(ledger, lambda inner: desk(inner, "other").redeem("m1", 60))

    with pytest.raises(InsufficientPoints) as refusal:
        desk(raced, "k").redeem("m1", 60)

    assert (40, 40, True) == (refusal.value.available, balance_of(ledger), proved(ledger))


def test_two_of_the_same_request_at_once(ledger: MemoryLedger) -> None:
    """A double click spends once, and both get the same answer."""
    give(ledger, "m1", 100)
    answers: list[Answer] = []
    raced = Raced(ledger, lambda inner: answers.append(desk(inner, "k").redeem("m1", 60)))

    answers.append(desk(raced, "k").redeem("m1", 60))

    assert answers[0] == answers[1]
    assert ([100, -60], True) == (points_of(ledger), proved(ledger))


def test_two_requests_under_one_key_at_once(ledger: MemoryLedger) -> None:
    """Of two bodies under one key, the second one is refused even when they race."""
    give(ledger, "m1", 100)
    raced = Raced(ledger, lambda inner: desk(inner, "k").redeem("m1", 10))

    with pytest.raises(IdempotencyKeyReused):
        desk(raced, "k").redeem("m1", 20)

    assert 90 == balance_of(ledger)


def test_points_arrive_while_a_redemption_is_decided(ledger: MemoryLedger) -> None:
    """A credit in between moves the account; the redemption is decided again and both count."""
    give(ledger, "m1", 100)
    raced = Raced(ledger, lambda inner: earned(inner, paid("o1", 5_000)))

    assert 90 == desk(raced, "k").redeem("m1", 60)["available"]
    assert ([100, 50, -60], True) == (points_of(ledger), proved(ledger))


def test_two_holds_of_the_same_points(ledger: MemoryLedger) -> None:
    """Points held meanwhile cannot be held again."""
    give(ledger, "m1", 100)
    raced = Raced(ledger, lambda inner: desk(inner, "other").authorize("m1", 60))

    with pytest.raises(InsufficientPoints):
        desk(raced, "k").authorize("m1", 60)

    assert (60, True) == (account_of(ledger).held, proved(ledger))


@pytest.mark.parametrize(
    "other", [lambda at, hold: at.capture(hold), lambda at, hold: at.void(hold), lambda at, hold: at.capture(hold, 5)]
)
@pytest.mark.parametrize("mine", [lambda at, hold: at.capture(hold), lambda at, hold: at.void(hold)])
def test_hold_is_resolved_once_in_a_race(
    rich: MemoryLedger, mine: Callable[[Spending, str], Answer], other: Callable[[Spending, str], Answer]
) -> None:
    """Of captures and voids at once, the first to commit counts and the other is told so."""
    hold = hold_id(rich)
    raced = Raced(rich, lambda inner: other(desk(inner, "other"), hold))

    with pytest.raises(HoldAlreadyResolved):
        mine(desk(raced, "k"), hold)

    assert (0, True) == (account_of(rich).held, proved(rich))


def test_void_while_a_redemption_is_decided(rich: MemoryLedger) -> None:
    """Points that a void gives back in between are neither lost nor spent twice."""
    hold = hold_id(rich)
    raced = Raced(rich, lambda inner: desk(inner, "v").void(hold))

    assert 25 == desk(raced, "k").redeem("m1", 65)["available"]
    assert (25, True) == (balance_of(rich), proved(rich))


def test_two_restores_of_the_same_points(rich: MemoryLedger) -> None:
    """Restores that race never give back more than was taken."""
    redemption = redemption_id(rich)
    raced = Raced(rich, lambda inner: desk(inner, "other").restore(redemption, 6))

    with pytest.raises(InvalidInput):
        desk(raced, "k").restore(redemption, 6)

    assert (96, True) == (balance_of(rich), proved(rich))


@pytest.mark.parametrize("operation", OPERATIONS)
def test_lost_answers_are_found(rich: MemoryLedger, operation: str) -> None:
    """A commit whose answer was lost is answered from the document, and made once."""
    ask, version = _asks(rich)[operation], account_of(rich).version

    answer = ask(desk(Forgetful(rich), "k"), 5)

    assert answer == ask(desk(rich, "k"), 5)
    assert version + (2 if operation == "capture" else 1) == account_of(rich).version
    assert proved(rich)


def test_endless_contention_is_busy(ledger: MemoryLedger) -> None:
    """A redemption that always loses ends in Busy, and the points are still there."""
    give(ledger, "m1", 100)
    raced = Raced(ledger, *[lambda inner: give(inner, "m1", 1)] * 10)

    with pytest.raises(Busy):
        Spending(raced, PROGRAM, MOMENT, Patient(4), "k", "shop").redeem("m1", 60)

    assert (105, True) == (balance_of(ledger), proved(ledger))


# A read that is torn -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["redeem", "authorize"])
def test_what_was_done_between_two_reads_is_answered_not_refused(ledger: MemoryLedger, operation: str) -> None:
    """An earlier attempt commits after the document and before the account was read: its answer, not a refusal."""
    give(ledger, "m1", 100)
    answers: list[Answer] = []
    torn = Torn(ledger, lambda inner: answers.append(_asks_first(inner, "k", operation)))

    assert _asks_first(torn, "k", operation) == answers[0]
    assert 1 == len(answers)
    assert proved(ledger)


def _asks_first(ledger: Ledger, key: str, operation: str) -> Answer:
    return getattr(desk(ledger, key), operation)("m1", 80)  # type: ignore[no-any-return]


def test_a_capture_between_two_reads_is_not_an_expired_hold(rich: MemoryLedger) -> None:
    """The hold is gone from the account because our own lost attempt captured it: the stored answer, not 410."""
    hold = hold_id(rich)
    answers: list[Answer] = []
    torn = Torn(rich, lambda inner: answers.append(desk(inner, "c").capture(hold)))

    assert desk(torn, "c").capture(hold) == answers[0]


def test_a_hold_that_was_made_between_two_reads_has_not_expired(ledger: MemoryLedger) -> None:
    """The document shows the hold, the account was read before it: it is captured, not refused as expired."""
    give(ledger, "m1", 100)
    hold = str(document_id("hd", "m1", "h"))
    torn = Torn(ledger, lambda inner: desk(inner, "h").authorize("m1", 30), account_first=True)

    assert (30, 70) == (desk(torn, "c").capture(hold)["points"], balance_of(ledger))


def test_a_void_that_lost_between_two_reads_is_told_who_won(rich: MemoryLedger) -> None:
    """Somebody else captured in between: the hold is resolved already, it has not expired."""
    hold = hold_id(rich)
    torn = Torn(rich, lambda inner: desk(inner, "c").capture(hold))

    with pytest.raises(HoldAlreadyResolved):
        desk(torn, "v").void(hold)


def test_a_refusal_looks_at_the_document_once_more(ledger: MemoryLedger) -> None:
    """Two reads and no more: what it rests on has not moved."""
    loads = ledger.loads

    with pytest.raises(InsufficientPoints):
        desk(ledger, "k").redeem("m1", 10)

    assert 2 == ledger.loads - loads


# Time ----------------------------------------------------------------------------------------------------------------


def test_expired_points_cannot_be_spent_before_the_sweep(ledger: MemoryLedger) -> None:
    """On the first expired instant the points are gone, and the refusal says what is left."""
    give(ledger, "m1", 100, date(2026, 3, 1))
    give(ledger, "m1", 5)
    last_instant = PROGRAM.moment(MOMENT.now.replace(hour=15, minute=59, second=59))
    first_expired = PROGRAM.moment(MOMENT.now.replace(hour=16))

    with pytest.raises(InsufficientPoints) as refusal:
        desk(ledger, "k", first_expired).redeem("m1", 50)
    assert 5 == refusal.value.available
    assert 55 == desk(ledger, "k", last_instant).redeem("m1", 50)["available"]


def test_many_lapsed_holds_do_not_lock_the_account(ledger: MemoryLedger) -> None:
    """Open holds are limited, and the account can be spent from after all of them ran out unresolved."""
    give(ledger, "m1", 1_000)
    for number in range(HOLDS_MAX):
        desk(ledger, f"h{number}").authorize("m1", 1, expires_in_s=60)

    with pytest.raises(LimitReached) as refusal:
        desk(ledger, "one more").authorize("m1", 1)

    assert "open_holds" == refusal.value.facts()["limit"]
    assert 990 == desk(ledger, "k", later(days=1)).redeem("m1", 10)["available"]


def test_nothing_put_back_tells_of_the_account_as_it_was_then(rich: MemoryLedger) -> None:
    """All went back between the reads of account and redemption: the answer that is kept knows of these points."""
    name = str(document_id("rd", "m1", "r"))
    torn = Torn(rich, lambda inner: desk(inner, "first").restore(name), account_first=True)

    answer = desk(torn, "second").restore(name)

    assert (0, 10, 80) == (answer["points"], answer["restored"], answer["available"])
    assert answer == desk(rich, "second").restore(name)
