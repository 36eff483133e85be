"""The points password: who holds a session alone cannot set it, change it, guess it or get round it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from jifen.domain import passwords
from jifen.domain.debits import FREE, Guard
from jifen.domain.errors import (
    Busy,
    IdempotencyKeyReused,
    InvalidInput,
    PasswordLocked,
    PasswordNotSet,
    PasswordTooNew,
    PasswordWrong,
)
from jifen.domain.program import Moment, Program, parse_program
from jifen.domain.ruling import AuditLine
from jifen.service.guarding import Passwords, guard, guard_when_asked, prove
from jifen.service.mall_documents import PasswordKey
from jifen.service.ports import Ledger, Patience, Posting, audit_of
from tests.service.ledgers import Forgetful, Raced
from tests.service.scene import MOMENT, PROGRAM, later
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

RIGHT, OTHER, WRONG = "correct horse", "battery staple", "wrong password"
TERMS = {"password_above": 50, "tries": 3, "lock_minutes": 30, "new_password_minutes": 60}
GUARDED = parse_program({"time_zone": "Asia/Shanghai", "security": TERMS})


@pytest.fixture(autouse=True)
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little work for each look."""
    monkeypatch.setattr(passwords, "WORK", (2, 1, 1))


@pytest.fixture
def salt() -> Callable[[], bytes]:
    """Sixteen bytes, others each time."""
    numbers: Iterator[int] = itertools.count(1)
    return lambda: next(numbers).to_bytes(16, "big")


@pytest.fixture
def guarded(ledger: MemoryLedger, salt: Callable[[], bytes]) -> MemoryLedger:
    """The ledger with a points password for m."""
    desk(ledger).change("m", RIGHT, None, salt)
    return ledger


def desk(ledger: Ledger, key: str = "k", moment: Moment = MOMENT, program: Program = GUARDED) -> Passwords:
    """The use cases of an operator."""
    return Passwords(ledger, program, moment, Patient(), "op", "operator:op", key)


def tried(ledger: Ledger, password: str, moment: Moment = MOMENT) -> None:
    """Prove the password of m."""
    prove(ledger, GUARDED, moment, Patient(), "m", password)


def wrong(ledger: Ledger, password: str = WRONG, moment: Moment = MOMENT) -> object:
    """How many tries are left after a wrong one."""
    with pytest.raises(PasswordWrong) as caught:
        tried(ledger, password, moment)
    return caught.value.facts()["tries_left"]


def audited(ledger: Ledger) -> list[tuple[str, str, str, str]]:
    """What the audit has."""
    lines = ledger.listed(audit_of("2026-03"), None, 100).documents
    return [(one.action, one.actor, one.target, one.reason) for one in lines if isinstance(one, AuditLine)]


# Guarding ------------------------------------------------------------------------------------------------------------


def test_a_program_without_one_reads_and_writes_nothing(ledger: MemoryLedger) -> None:
    """Free, whatever comes along; so is an operator."""
    free = [
        guard(ledger, PROGRAM, MOMENT, Patient(), "m", "whatever"),
        guard(ledger, GUARDED, MOMENT, Patient(), "m", "whatever", exempt=True),
    ]

    assert [FREE, FREE] == free
    assert (0, 0) == (ledger.loads, ledger.commits)


def test_a_request_without_a_password_costs_nothing_more(guarded: MemoryLedger) -> None:
    """It may spend up to the limit, and that is seen when the points are taken."""
    guarded.loads = guarded.commits = 0

    assert Guard(50, proven=False) == guard(guarded, GUARDED, MOMENT, Patient(), "m", None)
    assert (0, 0) == (guarded.loads, guarded.commits)


def test_the_right_password_proves_and_clears_the_count(guarded: MemoryLedger) -> None:
    """After two wrong ones there are three tries again."""
    assert [2, 1] == [wrong(guarded), wrong(guarded)]

    assert Guard(50, proven=True) == guard(guarded, GUARDED, MOMENT, Patient(), "m", RIGHT)
    assert 2 == wrong(guarded)


def test_after_the_last_try_even_the_right_one_waits(guarded: MemoryLedger) -> None:
    """Locked for half an hour: told until when, then as before."""
    assert [2, 1, 0] == [wrong(guarded) for _ in range(3)]

    for password in (RIGHT, WRONG):
        with pytest.raises(PasswordLocked) as caught:
            tried(guarded, password, later(minutes=29))
        assert {"resets_at": (MOMENT.now + timedelta(minutes=30)).isoformat()} == caught.value.facts()
    tried(guarded, RIGHT, later(minutes=30))


def test_a_member_who_has_none_is_told_so(ledger: MemoryLedger) -> None:
    """Nothing is counted: there is nothing to guess at."""
    with pytest.raises(PasswordNotSet):
        tried(ledger, RIGHT)

    assert 0 == ledger.commits


def test_a_password_opens_nothing_of_somebody_else(guarded: MemoryLedger, salt: Callable[[], bytes]) -> None:
    """The one of m is wrong for another member, and setting one for another leaves that of m."""
    desk(guarded).change("thief", OTHER, None, salt)

    with pytest.raises(PasswordWrong):
        prove(guarded, GUARDED, MOMENT, Patient(), "thief", RIGHT)
    assert 2 == wrong(guarded, OTHER)


def test_guessing_at_once_gets_no_more_tries(guarded: MemoryLedger) -> None:
    """Two others guess between this one's read and its count: the third of the three is looked at, a fourth is not."""

    def guess(ledger: Ledger) -> None:
        with pytest.raises(PasswordWrong):
            tried(ledger, WRONG)

    assert 0 == wrong(Raced(guarded, guess, guess))
    with pytest.raises(PasswordLocked):
        tried(guarded, RIGHT)


def test_a_wrong_try_beside_a_right_one_is_not_forgotten(guarded: MemoryLedger) -> None:
    """Somebody guesses between this one's count and its clearing: that guess stays counted."""
    tried(Raced(guarded, lambda _: None, wrong), RIGHT)

    known = desk(guarded).known("m")
    assert known
    assert 2 == known.failures


def test_a_password_is_looked_at_once_for_a_request(guarded: MemoryLedger) -> None:
    """Asked for again, the same guard; a refusal is not remembered as a proof."""
    asked = guard_when_asked(guarded, GUARDED, MOMENT, Patient(), "m", RIGHT)
    before = guarded.commits

    assert asked() is asked()
    assert 2 == guarded.commits - before
    failing = guard_when_asked(guarded, GUARDED, MOMENT, Patient(), "m", WRONG)
    for _ in range(2):
        with pytest.raises(PasswordWrong):
            failing()


# Setting and changing ------------------------------------------------------------------------------------------------


def test_the_first_password_needs_none_before_but_opens_nothing_at_once(
    ledger: MemoryLedger, salt: Callable[[], bytes]
) -> None:
    """Set by a member it waits an hour: who stole a session cannot set one and spend at once."""
    view = desk(ledger).change("m", RIGHT, None, salt, waits=True)

    assert ("2026-03-01T05:00:00Z", True) == (view["usable_from"], view["is_set"])
    with pytest.raises(PasswordTooNew) as caught:
        tried(ledger, RIGHT, later(minutes=59))
    assert {"resets_at": "2026-03-01T05:00:00+00:00"} == caught.value.facts()
    tried(ledger, RIGHT, later(minutes=60))


def test_changing_a_new_password_does_not_shorten_its_wait(ledger: MemoryLedger, salt: Callable[[], bytes]) -> None:
    """The instant stays; changing an old one has no wait."""
    desk(ledger).change("m", RIGHT, None, salt, waits=True)
    desk(ledger, moment=later(minutes=5)).change("m", OTHER, RIGHT, salt, waits=True)
    with pytest.raises(PasswordTooNew):
        tried(ledger, OTHER, later(minutes=59))

    desk(ledger, moment=later(hours=2)).change("m", RIGHT, OTHER, salt, waits=True)
    tried(ledger, RIGHT, later(hours=2))


def test_a_change_takes_the_password_before(guarded: MemoryLedger, salt: Callable[[], bytes]) -> None:
    """Missing: said so, and no try. Wrong: a try. Right: the new one counts, the old one is wrong."""
    with pytest.raises(InvalidInput, match="current"):
        desk(guarded).change("m", OTHER, None, salt)
    with pytest.raises(PasswordWrong) as caught:
        desk(guarded).change("m", OTHER, WRONG, salt)
    assert 2 == caught.value.facts()["tries_left"]

    desk(guarded).change("m", OTHER, RIGHT, salt)

    tried(guarded, OTHER)
    assert 2 == wrong(guarded, RIGHT)


def test_changing_and_spending_share_one_lock(guarded: MemoryLedger, salt: Callable[[], bytes]) -> None:
    """Two wrong to spend and one to change: locked for both."""
    assert [2, 1] == [wrong(guarded), wrong(guarded)]
    with pytest.raises(PasswordWrong):
        desk(guarded).change("m", OTHER, WRONG, salt)

    with pytest.raises(PasswordLocked):
        tried(guarded, RIGHT)
    with pytest.raises(PasswordLocked):
        desk(guarded).change("m", OTHER, RIGHT, salt)


def test_a_bad_new_password_costs_no_try(guarded: MemoryLedger, salt: Callable[[], bytes]) -> None:
    """It is refused before anything is read."""
    before = guarded.commits

    with pytest.raises(InvalidInput):
        desk(guarded).change("m", "111111", WRONG, salt)

    assert before == guarded.commits


def test_two_first_passwords_at_once_are_one(ledger: MemoryLedger, salt: Callable[[], bytes]) -> None:
    """Who comes second is asked for the first one's."""
    with pytest.raises(InvalidInput, match="current"):
        desk(Raced(ledger, lambda inner: desk(inner).change("m", OTHER, None, salt))).change("m", RIGHT, None, salt)

    tried(ledger, OTHER)


def test_a_change_does_not_override_one_that_was_quicker(guarded: MemoryLedger, salt: Callable[[], bytes]) -> None:
    """Both know the password before; the second one knows it no longer when it is written."""
    third = "a third password"

    with pytest.raises(PasswordWrong):
        desk(Raced(guarded, lambda inner: desk(inner).change("m", OTHER, RIGHT, salt))).change("m", third, RIGHT, salt)

    tried(guarded, OTHER)


class LosesTheSecond(Forgetful):
    """Loses the answer of the second commit alone."""

    def __init__(self, inner: MemoryLedger) -> None:
        super().__init__(inner, 0)
        self._commits = 0

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Commit, and lose the answer if it is the second."""
        self._commits += 1
        self._lost = int(self._commits == 2)
        super().commit(posting, patience)


def test_a_change_whose_answer_was_lost_is_answered(guarded: MemoryLedger, salt: Callable[[], bytes]) -> None:
    """It is there: the password that was current then is not asked for again."""
    view = desk(LosesTheSecond(guarded), moment=later(minutes=1)).change("m", OTHER, RIGHT, salt)

    assert "2026-03-01T04:01:00Z" == view["changed_at"]
    tried(guarded, OTHER)


def test_an_operator_sets_one_without_the_one_before_and_is_audited(
    guarded: MemoryLedger, salt: Callable[[], bytes]
) -> None:
    """At once, without a wait, and a lock is gone; a line of the audit says who."""
    for _ in range(3):
        wrong(guarded)

    desk(guarded).change("m", OTHER, None, salt, exempt=True)

    tried(guarded, OTHER)
    assert [("points-password.set", "operator:op", "member/m", "")] == audited(guarded)


# Taking away ---------------------------------------------------------------------------------------------------------


def test_a_reset_takes_password_and_lock_away_once(guarded: MemoryLedger, salt: Callable[[], bytes]) -> None:
    """Audited with its reason; the same again is the same; the member sets another one, which waits."""
    for _ in range(3):
        wrong(guarded)

    answer = desk(guarded).reset("m", "called the hotline")
    assert answer == desk(guarded).reset("m", "called the hotline")

    assert (False, None) == (answer["is_set"], answer["locked_until"])
    assert [("points-password.reset", "operator:op", "member/m", "called the hotline")] == audited(guarded)
    with pytest.raises(IdempotencyKeyReused):
        desk(guarded).reset("m", "another reason")
    with pytest.raises(PasswordNotSet):
        tried(guarded, RIGHT)
    desk(guarded).change("m", OTHER, None, salt, waits=True)
    with pytest.raises(PasswordTooNew):
        tried(guarded, OTHER)


def test_a_reset_of_nothing_is_audited_all_the_same(ledger: MemoryLedger) -> None:
    """There is nothing to take away, and somebody did it."""
    assert not desk(ledger).reset("m", "to be sure")["is_set"]
    assert 1 == len(audited(ledger))


def test_what_is_kept_is_not_the_password(guarded: MemoryLedger) -> None:
    """Neither in the document nor in what is shown of it."""
    known = guarded.load([], [PasswordKey("m")]).documents[PasswordKey("m")]

    assert RIGHT not in repr(known)
    assert {"member_id", "is_set", "changed_at", "locked_until", "usable_from"} == set(desk(guarded).view("m"))


def test_a_document_that_stays_busy_is_no_proof(guarded: MemoryLedger) -> None:
    """Others keep winning: Busy, and the password was not looked at."""
    patient = Patient(0)
    with pytest.raises(Busy):
        prove(Raced(guarded, wrong), GUARDED, MOMENT, patient, "m", RIGHT)
