"""The one way in which a member's points are spent: limits are checked, points taken soonest-expiring first, counted.

Redemptions, reward orders, draws, donations and transfers all take points through :func:`take`, so that no way of
spending forgets a limit, a frozen account or the points that have lapsed a moment ago.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jifen.domain import limits as member_limits
from jifen.domain.account import Account, Change, Status, as_of, caught_up, credit, debit
from jifen.domain.entries import Draft
from jifen.domain.errors import AccountFrozen, InsufficientPoints, PasswordRequired
from jifen.domain.limits import MemberLimit, Use
from jifen.domain.lots import Changes
from jifen.domain.program import Moment, Program
from jifen.domain.rules.model import Per
from jifen.domain.standing import Standing

SPENT_TODAY = "spent"
"""The subject of the counter behind the points password."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What allows spending above the limit of the points password.

    Attributes:
        above: points in a day that need no password; None where the program asks for none.
        proven: whether the request came with the right password, or from somebody who needs none.
    """

    above: int | None = None
    proven: bool = True


FREE = Guard()
"""No password is asked for."""


def may_spend(account: Account) -> None:
    """See that points of the account can be spent at all.

    Raises:
        AccountFrozen
    """
    if account.status is not Status.ACTIVE:
        raise AccountFrozen(account_status=str(account.status))


def counted_limits(limits: Sequence[MemberLimit], guard: Guard) -> tuple[MemberLimit, ...]:
    """The limits, with the counter that the password needs where there is one."""
    return (*limits, _day(guard.above)) if guard.above is not None else tuple(limits)


def check_limits(
    standing: Standing, use: Use, moment: Moment, limits: Sequence[MemberLimit] = (), guard: Guard = FREE
) -> None:
    """See that every limit has room, and that there is the password where it is needed.

    Raises:
        LimitReached, PasswordRequired
    """
    member_limits.check(standing, limits, use, moment)
    if guard.above is not None and not guard.proven:
        day = _day(guard.above)
        if use.points > (left := member_limits.room(standing, day, moment)):
            raise PasswordRequired(above=guard.above, spent=guard.above - left)


def take(
    account: Account,
    points: int,
    moment: Moment,
    limits: Sequence[MemberLimit] = (),
    guard: Guard = FREE,
    *,
    times: int = 1,
) -> tuple[Change, Changes]:
    """The account as it is now with the use of its limits counted, and the lots (negative) that ``points`` come from.

    The entry is the caller's to post; 0 points come from no lot. ``times`` is what it uses of a limit on times.

    Raises:
        AccountFrozen, LimitReached, PasswordRequired, InsufficientPoints: nothing is changed.
    """
    may_spend(account)
    change = as_of(account, moment)
    use = Use(points, times)
    check_limits(account.standing, use, moment, limits, guard)
    taken = debit(change.account, points, moment)
    if taken is None:
        raise InsufficientPoints(asked=points, available=change.account.available(moment.today))
    if to_count := counted_limits(limits, guard):
        change = change.remember(member_limits.used(change.account.standing, to_count, use, moment))
    return change, taken


def give_back(
    change: Change, returned: Changes, draft: Draft, program: Program, moment: Moment
) -> tuple[Change, Changes]:
    """Post ``draft`` with spent points going back into their lots, debt first; what has lapsed follows the policy.

    Policy ``lapse``: points whose lot has expired meanwhile go back to it and lapse at once. Policy ``grace``: they go
    into a lot that can be used for ``grace_days`` more days. The changes are those of the lots they really went into.
    """
    terms = program.redemption
    if terms.expired_on_restore == "grace":
        until = moment.today + terms.grace
        returned = tuple(
            replace(one, expires_on=until) if one.expires_on and one.expires_on < moment.today else one
            for one in returned
        )
    return caught_up(credit(change, replace(draft, lots=returned), moment), moment), returned


def _day(above: int | None) -> MemberLimit:
    return MemberLimit("points_password", SPENT_TODAY, Per.DAY, member_limits.POINTS, above or 0)
