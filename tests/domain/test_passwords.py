"""The points password: what can be one, how tries are counted, when it is locked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain import passwords
from jifen.domain.errors import InvalidInput, PasswordLocked, PasswordTooNew
from jifen.domain.passwords import PointsPassword
from jifen.domain.terms import SecurityTerms

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
TERMS = SecurityTerms(password_above=100, tries=3, lock_minutes=30)
RIGHT, SALT = "correct horse", b"s" * 16


@pytest.fixture(scope="module", autouse=True)
def light() -> Iterator[None]:
    """Little work for each look."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "WORK", (2, 1, 1))
        yield


def kept(**changes: Any) -> PointsPassword:
    """A password that is set."""
    return replace(passwords.set_to(None, "m", RIGHT, SALT, NOW), **changes)


@pytest.mark.parametrize(
    "password",
    ["", "12345", "x" * 65, "111111", "123456", "987654", "abcdef", "tab\there", "zero\u200bwidth", "ALICE-1", "ﷺ" * 4],
)
def test_what_cannot_be_a_password_is_refused_without_being_repeated(password: str) -> None:
    """Too short, too long, one character, a plain run, the member's id, what cannot be seen; the refusal is silent."""
    with pytest.raises(InvalidInput) as caught:
        passwords.check_new(password, "alice-1")

    assert ["password"] == [fault.field for fault in caught.value.faults]
    assert not password or password not in caught.value.detail


@pytest.mark.parametrize("password", ["294715", "x" * 63 + "y", "修改密码请小心", "correct horse", "112233"])
def test_what_can_be_a_password(password: str) -> None:
    """Six digits, sentences, any script, up to 64 characters."""
    passwords.check_new(password, "alice-1")


def test_a_password_is_kept_as_salt_and_digest_alone() -> None:
    """Nothing in the document is the password; another salt gives another digest."""
    one, other = kept(), passwords.set_to(None, "m", RIGHT, b"t" * 16, NOW)

    assert RIGHT not in repr(one)
    assert one.digest != other.digest


def test_a_password_matches_itself_however_it_is_typed() -> None:
    """Composed or not, in full-width digits or not; any other text does not match."""
    known = passwords.set_to(None, "m", "naïve 2947", SALT, NOW)

    assert passwords.matches(known, "naïve 2947")
    assert passwords.matches(known, "nai\u0308ve 2947")
    assert not passwords.matches(known, "naive 2947")
    assert not passwords.matches(known, "naïve 2947 ")


def test_a_password_is_looked_at_with_the_work_it_was_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    """More work for new passwords locks nobody out."""
    known = kept()
    monkeypatch.setattr(passwords, "WORK", (4, 1, 1))

    assert passwords.matches(known, RIGHT)
    assert (4, 1, 1) == passwords.set_to(known, "m", RIGHT, SALT, NOW).work


def test_a_wrong_password_takes_the_same_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """One digest of the same cost, whether it is right, wrong or a character long."""
    made: list[dict[str, Any]] = []
    real = hashlib.scrypt

    def counted(password: bytes, **how: Any) -> bytes:
        made.append(how)
        return real(password, **how)

    known = kept()
    monkeypatch.setattr(hashlib, "scrypt", counted)
    for password in (RIGHT, "wrong password", "x"):
        passwords.matches(known, password)

    assert [made[0]] * 3 == made


def test_the_last_try_locks_before_it_is_looked_at() -> None:
    """Three tries: the third leaves it locked unless it is right, and the fourth is refused with the instant."""
    known = kept()
    for _ in range(3):
        known = passwords.claim(known, TERMS, NOW)

    with pytest.raises(PasswordLocked) as caught:
        passwords.claim(known, TERMS, NOW + timedelta(minutes=29))

    assert {"resets_at": "2026-03-01T04:30:00+00:00"} == caught.value.facts()
    assert (0, None) == ((right := passwords.cleared(known)).failures, right.locked_until)


def test_a_lock_ends_and_the_count_begins_anew() -> None:
    """From its last instant on there are as many tries as before."""
    known = kept(failures=3, locked_until=NOW)

    assert (1, None) == ((after := passwords.claim(known, TERMS, NOW)).failures, after.locked_until)


def test_a_password_that_is_too_new_opens_nothing() -> None:
    """Until its instant; then it does."""
    known = kept(usable_from=NOW + timedelta(hours=1))

    with pytest.raises(PasswordTooNew):
        passwords.see_usable(known, NOW + timedelta(minutes=59))
    passwords.see_usable(known, NOW + timedelta(hours=1))


def test_a_password_that_was_taken_away_is_not_set_and_not_locked() -> None:
    """It keeps its place in the ledger and nothing else."""
    gone = passwords.taken_away(kept(failures=3, locked_until=NOW, version=4), NOW)

    assert not passwords.is_set(gone)
    assert (4, 0, None, "", "") == (gone.version, gone.failures, gone.locked_until, gone.salt, gone.digest)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40)), max_size=60), st.integers(1, 5))
def test_nobody_gets_more_wrong_tries_in_a_row_than_the_program_gives(
    asked: list[tuple[bool, int]], tries: int
) -> None:
    """Whatever is tried and however long is waited: at most so many wrong ones between right ones, each 30 minutes."""
    terms, now, known = replace(TERMS, tries=tries), NOW, kept()
    wrong: list[datetime] = []
    for right, minutes in asked:
        now += timedelta(minutes=minutes)
        try:
            known = passwords.claim(known, terms, now)
        except PasswordLocked:
            continue
        if right:
            known, wrong = passwords.cleared(known), []
        else:
            wrong.append(now)
        if len(wrong) > tries:
            assert wrong[-1] - wrong[-1 - tries] >= timedelta(minutes=30)
