"""The points password: asked for when much is spent, locked when it is guessed at.

A try is counted before it is looked at, so that guessing in parallel gets no more tries than guessing in turn.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from jifen.domain.errors import Fault, InvalidInput, PasswordLocked, PasswordTooNew
from jifen.domain.terms import SecurityTerms

LENGTH_MIN, LENGTH_MAX = 6, 64
"""Characters of a points password."""

WORK = (2**14, 8, 5)
"""scrypt's cost, block size and parallelism for new passwords: 16 MiB, and as much work as OWASP asks of scrypt."""

_MEMORY_MAX = 2**26


@dataclass(frozen=True, slots=True)
class PointsPassword:
    """A member's points password, as scrypt keeps it.

    Attributes:
        member: whose it is.
        salt, digest: hex; empty once it was taken away.
        failures: tries that were not right since the last that was, those being looked at included.
        locked_until: no try before that; None where it is not locked.
        changed_at: when it was set.
        usable_from: it opens nothing before that; None for at once.
        work: what the digest was made with, see :data:`WORK`.
        version: counts writes; 0 is one never written.
    """

    member: str
    salt: str
    digest: str
    changed_at: datetime
    failures: int = 0
    locked_until: datetime | None = None
    usable_from: datetime | None = None
    work: tuple[int, ...] = ()
    version: int = 0


def check_new(password: str, member: str) -> None:
    """See that a password can be one.

    Raises:
        InvalidInput: it is too short, too long, or among the first that anybody guesses.
    """
    text = _plain(password)
    if not LENGTH_MIN <= len(text) <= LENGTH_MAX or not text.isprintable():
        raise InvalidInput([Fault("password", f"is not {LENGTH_MIN} to {LENGTH_MAX} characters that can be seen")])
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    if steps in ({0}, {1}, {-1}) or text.casefold() == member.casefold():
        raise InvalidInput([Fault("password", "is too easy: one character, a plain run, or the member's own id")])


def set_to(
    known: PointsPassword | None,
    member: str,
    password: str,
    salt: bytes,
    now: datetime,
    usable_from: datetime | None = None,
) -> PointsPassword:
    """The document with a new password; ``salt`` is 16 random bytes."""
    version = known.version if known else 0
    digest = _digest(password, salt, WORK)
    return PointsPassword(member, salt.hex(), digest, now, usable_from=usable_from, work=WORK, version=version)


def taken_away(known: PointsPassword, now: datetime) -> PointsPassword:
    """The document without a password: the member can set another one."""
    return PointsPassword(known.member, "", "", now, version=known.version)


def is_set(known: PointsPassword | None) -> bool:
    """Whether there is a password."""
    return known is not None and bool(known.digest)


def claim(known: PointsPassword, terms: SecurityTerms, now: datetime) -> PointsPassword:
    """The document with one try more: written before the password is looked at.

    Raises:
        PasswordLocked: there were too many.
    """
    if known.locked_until is not None:
        if now < known.locked_until:
            raise PasswordLocked(resets_at=known.locked_until)
        known = replace(known, failures=0, locked_until=None)
    failures = known.failures + 1
    locked = now + timedelta(minutes=terms.lock_minutes) if failures >= terms.tries else None
    return replace(known, failures=failures, locked_until=locked)


def see_usable(known: PointsPassword, now: datetime) -> None:
    """See that a password opens anything yet.

    Raises:
        PasswordTooNew
    """
    if known.usable_from is not None and now < known.usable_from:
        raise PasswordTooNew(resets_at=known.usable_from)


def matches(known: PointsPassword, password: str) -> bool:
    """Whether this is the password; takes as long when it is not."""
    return hmac.compare_digest(_digest(password, bytes.fromhex(known.salt), known.work), known.digest)


def cleared(known: PointsPassword) -> PointsPassword:
    """The document after a try that was right."""
    return replace(known, failures=0, locked_until=None)


def _plain(password: str) -> str:
    """One text for what looks alike: keyboards differ in how they compose letters and in the width of digits."""
    return unicodedata.normalize("NFKC", password)


def _digest(password: str, salt: bytes, work: tuple[int, ...]) -> str:
    cost, block, parallel = work
    return hashlib.scrypt(_plain(password).encode(), salt=salt, n=cost, r=block, p=parallel, maxmem=_MEMORY_MAX).hex()
