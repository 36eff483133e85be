"""What policies of validity ask about: since when an account is there, and what was spent in each month.

first entry ──the local day of its recording──> opened
orders of a member ──what each counts, by month──> spent
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from jifen.domain.validity_terms import Spent
from local.audit.laws import Terms, Violation
from local.audit.library import Library, day_of
from local.audit.order_rows import Award, Order
from local.audit.table import Member, Table
from local.audit.worth import kept
from local.simulation.days import local_day


def judge_activity(table: Table, library: Library, terms: Terms) -> Iterator[Violation]:
    """The day of every first entry, and every month of what was spent."""
    zones = {terms.program.zone, *(book.zone for book in library.all())}
    for member in table.members.values():
        if member.readable:
            yield from _opened(member, zones)
    if table.unreadable_orders:
        return
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for orders in table.orders.values():
        for order in orders:
            if order.award and order.award.pinned.spent:
                month, amount = order.award.pinned.spent
                sums[order.award.member, month] += amount
                yield from _counted(order, order.award, library, zones)
            if order.referral and order.referral.pinned.spent:
                yield Violation("spent", order.name, "an inviter has spent what a friend has")
    yield from _spent(table, sums, terms)


def _opened(member: Member, zones: set[ZoneInfo]) -> Iterator[Violation]:
    account, first = member.account, member.entries.get(1)
    if account is None or account.standing.opened is None:
        return
    days = {day_of(first.recorded, zone).isoformat() for zone in zones} if first else set[str]()
    if account.standing.opened not in days:
        yield Violation("opened", member.member, f"since {account.standing.opened}; by the first entry {sorted(days)}")


def _counted(order: Order, award: Award, library: Library, zones: set[ZoneInfo]) -> Iterator[Violation]:
    """What one order counts as spent: what is kept of it, in the month of its payment."""
    book = None if award.rates is not None else library.by_fingerprint(award.fingerprint)
    if award.rates is None and book is None:
        return
    days = {day_of(award.paid_at, zone) for zone in ({book.zone} if book else zones)}
    amount = kept(order).total if book is None else award.pinned.kept_minor
    found = {(day.isoformat()[:7], amount) for day in days}
    if award.pinned.spent not in found or not amount:
        yield Violation("spent", order.name, f"counts {award.pinned.spent}; by what is kept of it {sorted(found)}")


def _spent(table: Table, sums: dict[tuple[str, str], int], terms: Terms) -> Iterator[Violation]:
    """Where the program was ever another, a month may have been dropped that is asked for again."""
    said = {
        (name, month): amount
        for name, member in table.members.items()
        if member.readable and member.account
        for month, amount in member.account.standing.spent.items()
    }
    oldest, changed = _oldest(terms), bool(table.office.versions)
    for name, month in sorted({*said, *sums}):
        if not table.member(name).readable:
            continue
        amount, by_orders = said.get((name, month), 0), sums.get((name, month), 0)
        dropped = (name, month) not in said and (changed or month < oldest)
        if amount != by_orders and not dropped and not (changed and 0 < amount < by_orders):
            yield Violation("spent", name, f"{amount} in {month}; by orders {by_orders}")


def _oldest(terms: Terms) -> str:
    """The oldest month of which every sum must be there still; none in a program that asks for no month."""
    today = local_day(terms.now, terms.program.zone)
    asked = [policy.when for policy in terms.program.policies if isinstance(policy.when, Spent)]
    return min((_month(today - timedelta(days=one.wait_days), 1 + one.months) for one in asked), default="9999-12")


def _month(day: date, back: int) -> str:
    year, month = divmod(day.year * 12 + day.month - 1 - back, 12)
    return f"{year:04d}-{month + 1:02d}"
