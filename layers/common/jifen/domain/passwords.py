"""The points password: asked for when much is spent, locked when it is guessed at.

A try is counted before it is looked at, so that guessing in parallel gets no more tries than guessing in turn.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from jifen.domain.errors import PasswordLocked
from jifen.domain.terms import SecurityTerms

_COST, _BLOCK, _PARALLEL = 2**14, 8, 1
"""scrypt's parameters: 16 MiB and some 50 ms for each look (OWASP's least for scrypt asks for as much in time)."""


@dataclass(frozen=True, slots=True)
class PointsPassword:
    """A member's points password, as scrypt keeps it.

    Attributes:
        member: whose it is.
        salt, digest: hex; empty once it was taken away.
        failures: tries that were not right since the last that was, those being looked at included.
        locked_until: no try before that; None where it is not locked.
        changed_at: when it was set.
        version: counts writes; 0 is one never written.
    """

    member: str
    salt: str
    digest: str
    changed_at: datetime
    failures: int = 0
    locked_until: datetime | None = None
    version: int = 0


def set_to(known: PointsPassword | None, member: str, password: str, salt: bytes, now: datetime) -> PointsPassword:
    """The document with a new password; ``salt`` is 16 random bytes."""
    version = known.version if known else 0
    return PointsPassword(member, salt.hex(), _digest(password, salt), now, version=version)


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


def matches(known: PointsPassword, password: str) -> bool:
    """Whether this is the password; takes as long when it is not."""
    return hmac.compare_digest(_digest(password, bytes.fromhex(known.salt)), known.digest)


def cleared(known: PointsPassword) -> PointsPassword:
    """The document after a try that was right."""
    return replace(known, failures=0, locked_until=None)


def _digest(password: str, salt: bytes) -> str:
    return hashlib.scrypt(password.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, maxmem=2**26).hex()
