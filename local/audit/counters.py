"""What is remembered beside the points, against what was given: caps, budgets, campaigns, orders and tasks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date

from local.audit.fact_rows import State
from local.audit.laws import Terms, Violation
from local.audit.library import Library
from local.audit.order_rows import Order
from local.audit.rows import Standing
from local.audit.table import Table
from local.audit.tallies import Done, Tallies, Task, Use, Used, tallied
from local.audit.windows import is_kept
from local.simulation.days import local_day


def judge_counters(table: Table, library: Library, terms: Terms) -> Iterator[Violation]:
    """Every counter that the rows keep, and every limit that it is kept for."""
    sums = tallied(table, library, terms)
    if table.whole:
        yield from _campaigns(table, sums)
        yield from _budgets(table, library)
    if table.unreadable_orders:
        return
    today = local_day(terms.now, terms.program.zone)
    readable = {name for name, member in table.members.items() if member.readable}
    for used, use in sums.uses.items():
        if used.member in readable and sums.is_sure(used.member, used.key) and use.net > use.most:
            yield Violation("caps", used.member, f"{use.net} of {used.key} in {used.window}, at most {use.most}")
    kept = _kept_orders(table)
    accounts = ((name, member.account) for name, member in table.members.items() if member.readable)
    standings = {name: account.standing for name, account in accounts if account}
    yield from _used(standings, sums, today)
    for member, standing in standings.items():
        yield from _orders(member, standing, kept.get(member, []))
    yield from _tasks(standings, sums, library, today)


# Campaigns -----------------------------------------------------------------------------------------------------------


def _campaigns(table: Table, sums: Tallies) -> Iterator[Violation]:
    states = table.office.campaigns
    for name in sorted({*states, *sums.campaigns} - sums.lost):
        state, given = states.get(name, State("ACTIVE", 0, 0, 0, 0)), sums.campaigns[name]
        said = (state.given - state.taken_back, state.awards, state.kept_minor)
        if said != (given.points, given.awards, given.kept_minor):
            yield Violation("campaigns", name, f"says {said}; by what its rules gave {given}")


def _budgets(table: Table, library: Library) -> Iterator[Violation]:
    books = list(library.all())
    for name, state in table.office.campaigns.items():
        budgets = [book.budgets[name] for book in books if name in book.budgets]
        limits = [budget for budget in budgets if budget is not None]
        if len(limits) == len(budgets) > 0 and state.given - state.taken_back > max(limits):
            yield Violation("budgets", name, f"{state.given} given, {state.taken_back} taken back, of {max(limits)}")


# Members -------------------------------------------------------------------------------------------------------------


def _used(standings: dict[str, Standing], sums: Tallies, today: date) -> Iterator[Violation]:
    said = {
        Used(member, key, window): amount
        for member, standing in standings.items()
        for key, windows in standing.used.items()
        if not key.startswith("@")  # what was spent, of limits that are not of earning rules
        for window, amount in windows.items()
    }
    for used in sorted({*said, *sums.uses}):
        use, amount = sums.uses.get(used, Use()), said.get(used, 0)
        if used.member not in standings or not is_kept(used.window, today) or not sums.is_sure(used.member, used.key):
            continue
        # A task that is undone gives back in the stretch of that day, where there may be less than it gave.
        if not use.net <= amount <= use.gross or (use.net == use.gross and amount != use.net):
            yield Violation("used", used.member, f"{amount} of {used.key} in {used.window}; given were {use.net}")


def _kept_orders(table: Table) -> dict[str, list[Order]]:
    kept: dict[str, list[Order]] = defaultdict(list)
    for orders in table.orders.values():
        for order in orders:
            if order.award and order.award.counts:
                kept[order.award.member].append(order)
    return kept


def _orders(member: str, standing: Standing, kept: list[Order]) -> Iterator[Violation]:
    if standing.orders != len(kept):
        yield Violation("kept orders", member, f"{standing.orders} are remembered; {len(kept)} are kept")
    if standing.first and standing.first not in {order.long_name for order in kept}:
        yield Violation("kept orders", member, f"the first was {standing.first}, which is not kept")


def _tasks(standings: dict[str, Standing], sums: Tallies, library: Library, today: date) -> Iterator[Violation]:
    said = {
        Task(member, rule, window): progress
        for member, standing in standings.items()
        for rule, windows in standing.goals.items()
        for window, progress in windows.items()
    }
    for task in sorted({*said, *sums.tasks}):
        if task.member not in standings or not is_kept(task.window, today) or not sums.is_sure(task.member, ""):
            continue
        (done, granted), found = said.get(task, (0, 0)), sums.tasks.get(task, Done())
        where = f"{task.rule} in {task.window}"
        if granted != found.granted:
            yield Violation("tasks", task.member, f"{where} granted {granted}; by entries {found.granted}")
        rules = [book.rules[task.rule] for book in library.with_task(task.rule)]
        if (rules or found.from_orders) and done != found.done:
            yield Violation("tasks", task.member, f"{where} has {done} done; by orders {found.done}")
        elif rules and granted > max(rule.task_worth(done) for rule in rules) and not library.may_forgive:
            yield Violation("tasks", task.member, f"{where} granted {granted} for {done} done")
