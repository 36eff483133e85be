"""The points password: set, taken away, and looked at before much is spent."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace

from jifen.domain import passwords
from jifen.domain.debits import FREE, Guard
from jifen.domain.errors import PasswordWrong
from jifen.domain.passwords import PointsPassword
from jifen.domain.program import Moment, Program
from jifen.service.mall_documents import PasswordKey
from jifen.service.ports import DocumentMoved, Ledger, Patience, Posting, settle


def guard(
    ledger: Ledger,
    program: Program,
    moment: Moment,
    patience: Patience,
    member: str,
    password: str | None,
    *,
    exempt: bool = False,
) -> Guard:
    """What allows this request to spend above the limit of the points password.

    Args:
        ledger: where everything is kept.
        program: says the limit, the tries and the time of a lock.
        moment: now.
        patience: how long the caller can wait.
        member: whose points are to be spent.
        password: what the request came with; None for nothing. A program that asks for none does not look at it.
        exempt: an operator needs none.

    Raises:
        PasswordWrong, PasswordLocked, Busy
    """
    terms = program.security
    if terms.password_above is None or exempt:
        return FREE
    if password is not None:
        prove(ledger, program, moment, patience, member, password)
    return Guard(terms.password_above, proven=password is not None)


def prove(ledger: Ledger, program: Program, moment: Moment, patience: Patience, member: str, password: str) -> None:
    """See that this is the member's password. The try is counted before it is looked at.

    Raises:
        PasswordWrong: it is not, or the member has none.
        PasswordLocked: there were too many tries.
        Busy: others kept winning until the caller's time was up.
    """
    key, terms = PasswordKey(member), program.security

    def claimed() -> PointsPassword:
        known = ledger.load([], [key]).documents.get(key)
        if not isinstance(known, PointsPassword) or not passwords.is_set(known):
            raise PasswordWrong(tries_left=0)
        after = passwords.claim(known, terms, moment.now)
        ledger.commit(Posting(documents=(after,)), patience)
        return replace(after, version=after.version + 1)

    known = settle(patience, claimed)
    if not passwords.matches(known, password):
        raise PasswordWrong(tries_left=max(0, terms.tries - known.failures), resets_at=known.locked_until)
    # Somebody else's try in the same moment counts on; the next right one clears it.
    with contextlib.suppress(DocumentMoved):
        ledger.commit(Posting(documents=(passwords.cleared(known),)), patience)


def set_password(
    ledger: Ledger, moment: Moment, patience: Patience, member: str, password: str, salt: Callable[[], bytes]
) -> PointsPassword:
    """Keep a new password in place of the one before; whoever may do that has been asked by the caller.

    Raises:
        Busy: others kept winning until the caller's time was up.
    """
    key = PasswordKey(member)

    def attempt() -> PointsPassword:
        known = ledger.load([], [key]).documents.get(key)
        before = known if isinstance(known, PointsPassword) else None
        after = passwords.set_to(before, member, password, salt(), moment.now)
        ledger.commit(Posting(documents=(after,)), patience)
        return after

    return settle(patience, attempt)
