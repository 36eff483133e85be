"""The points password: set, taken away, and looked at before much is spent.

    spend ──> guard: a password came along ──> count the try, look ──> right: Guard(proven), the count is cleared
                     none came along       ──> Guard(above): debits.take refuses what is above the day's limit

The lock is one for all ways of trying: spending, and changing the password.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

from jifen.domain import passwords
from jifen.domain.debits import FREE, Guard
from jifen.domain.entries import instant_text
from jifen.domain.errors import Fault, InvalidInput, PasswordNotSet, PasswordWrong
from jifen.domain.ids import fingerprint
from jifen.domain.passwords import PointsPassword
from jifen.domain.program import Moment, Program
from jifen.domain.ruling import AuditLine
from jifen.domain.views import PointsPasswordView
from jifen.service.answering import Answer, Once, Outcome, answer_once
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
        PasswordWrong, PasswordLocked, PasswordNotSet, PasswordTooNew, Busy
    """
    terms = program.security
    if terms.password_above is None or exempt:
        return FREE
    if password is not None:
        prove(ledger, program, moment, patience, member, password)
    return Guard(terms.password_above, proven=password is not None)


def guard_when_asked(
    ledger: Ledger,
    program: Program,
    moment: Moment,
    patience: Patience,
    member: str,
    password: str | None,
    *,
    exempt: bool = False,
) -> Callable[[], Guard]:
    """As :func:`guard`, looked at when first asked for and not again.

    For what is decided more than once: a request that was answered before is answered again without a try, and a right
    password is proven once, however often others were quicker.
    """
    return cache(lambda: guard(ledger, program, moment, patience, member, password, exempt=exempt))


def prove(ledger: Ledger, program: Program, moment: Moment, patience: Patience, member: str, password: str) -> None:
    """See that this is the member's password. The try is counted before it is looked at.

    Raises:
        PasswordNotSet: the member has none.
        PasswordTooNew: it was set a short while ago where there was none.
        PasswordWrong: it is another.
        PasswordLocked: there were too many tries.
        Busy: others kept winning until the caller's time was up.
    """
    here = Passwords(ledger, program, moment, patience)

    def claimed() -> PointsPassword:
        known = here.known(member)
        if known is None or not passwords.is_set(known):
            raise PasswordNotSet
        passwords.see_usable(known, moment.now)
        return here.claimed(known)

    known = here.looked_at(settle(patience, claimed), password)
    # Somebody else's try in the same moment counts on; the next right one clears it.
    with contextlib.suppress(DocumentMoved):
        ledger.commit(Posting(documents=(passwords.cleared(known),)), patience)


@dataclass(frozen=True, slots=True)
class Passwords:
    """The use cases of one invocation.

    Attributes:
        ledger: where everything is kept.
        program: the program in force.
        moment: now.
        patience: how long the caller can wait.
        subject: the caller's token's subject; an idempotency key is the caller's own.
        actor: role and name, as the audit has it.
        key: the caller's idempotency key; empty for a request that needs none.
    """

    ledger: Ledger
    program: Program
    moment: Moment
    patience: Patience
    subject: str = ""
    actor: str = "system"
    key: str = ""

    def view(self, member: str) -> PointsPasswordView:
        """Whether a member has a points password, and whether it is locked."""
        return self._view(member, self.known(member))

    def change(
        self,
        member: str,
        password: str,
        current: str | None,
        salt: Callable[[], bytes],
        *,
        exempt: bool = False,
        waits: bool = False,
    ) -> PointsPasswordView:
        """Keep a new password in place of the one before.

        Args:
            member: whose.
            password: the new one.
            current: the one before; needed where there is one, and a try like any other.
            salt: makes 16 random bytes.
            exempt: an operator needs no ``current``; a line of the audit says so.
            waits: where there was none before, the new one opens nothing for as long as the program says: a stolen
                session alone must not be enough to set one and spend.

        Raises:
            InvalidInput: the new one cannot be a password, or ``current`` is missing.
            PasswordWrong, PasswordLocked, Busy
        """
        passwords.check_new(password, member)
        written: list[PointsPassword] = []
        minutes = self.program.security.new_password_minutes if waits else 0
        later = self.moment.now + timedelta(minutes=minutes) if minutes else None

        def attempt() -> PointsPasswordView:
            known = self.known(member)
            # Our own write whose answer was lost: what was current then is not any more.
            if known and any(one.salt == known.salt for one in written):
                return self._view(member, known)
            usable_from = None if exempt else later
            if known and passwords.is_set(known) and not exempt:
                if current is None:
                    raise InvalidInput([Fault("current", "is missing: it takes the password that is set to change it")])
                known = self.looked_at(self.claimed(known), current)
                usable_from = known.usable_from
            after = passwords.set_to(known, member, password, salt(), self.moment.now, usable_from)
            written.append(after)
            lines = (self._line(after.salt[:22], "points-password.set", member, ""),) if exempt else ()
            self.ledger.commit(Posting(documents=(after, *lines)), self.patience)
            return self._view(member, after)

        return settle(self.patience, attempt)

    def reset(self, member: str, reason: str) -> Answer:
        """Take a member's password away, and with it a lock; a line of the audit says who did and why.

        Raises:
            IdempotencyKeyReused, Busy
        """
        once = Once.asked(self.subject, self.key, fingerprint("points-password-reset", [member, reason]))

        def decide() -> Outcome:
            known = self.known(member)
            after = passwords.taken_away(known, self.moment.now) if known else None
            line = self._line(once.key[:22], "points-password.reset", member, reason)
            return Outcome(200, self._view(member, after), (after, line) if after else (line,))

        return answer_once(self.ledger, self.patience, once, decide)[1]

    # What they share

    def known(self, member: str) -> PointsPassword | None:
        """The document; None where there never was one."""
        found = self.ledger.load([], [PasswordKey(member)]).documents.get(PasswordKey(member))
        return found if isinstance(found, PointsPassword) else None

    def claimed(self, known: PointsPassword) -> PointsPassword:
        """The document with a try counted and written.

        Raises:
            PasswordLocked, Busy
            DocumentMoved: somebody else's try was quicker.
        """
        after = passwords.claim(known, self.program.security, self.moment.now)
        self.ledger.commit(Posting(documents=(after,)), self.patience)
        return replace(after, version=after.version + 1)

    def looked_at(self, known: PointsPassword, password: str) -> PointsPassword:
        """The same document once the password is right.

        Raises:
            PasswordWrong
        """
        if not passwords.matches(known, password):
            left = max(0, self.program.security.tries - known.failures)
            raise PasswordWrong(tries_left=left, resets_at=known.locked_until)
        return known

    def _line(self, line_id: str, action: str, member: str, reason: str) -> AuditLine:
        return AuditLine(line_id, self.moment.now, self.actor, action, f"member/{member}", reason, {})

    def _view(self, member: str, known: PointsPassword | None) -> PointsPasswordView:
        there = known if known and passwords.is_set(known) else None
        ahead = [one if one and one > self.moment.now else None for one in _instants(there)]
        locked, usable = (instant_text(one) if one else None for one in ahead)
        return {
            "member_id": member,
            "is_set": there is not None,
            "changed_at": instant_text(there.changed_at) if there else None,
            "locked_until": locked,
            "usable_from": usable,
        }


def _instants(known: PointsPassword | None) -> tuple[datetime | None, datetime | None]:
    return (known.locked_until, known.usable_from) if known else (None, None)
