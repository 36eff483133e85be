"""Laws of earning that must hold at every commit and not only at the end: budgets, caps, first orders, campaigns.

The reference says what each commit has to be. These say, in a few lines of their own and from the rows alone, what must
never have been, whatever the reference thinks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jifen.domain.rules.model import RuleSet
from local.audit import Violation
from local.simulation.network import Committed
from local.simulation.table import Commit, Item, Key, said

LAWS: Mapping[str, str] = {
    "limits": "at no commit has a campaign given more than its budget, or a member more than a cap in any window",
    "first order": "at no commit do two orders of a member give points as the first",
    "stopped": "whoever read a campaign after it was stopped gave nothing new under it",
}


def judge_limits(rules: RuleSet, commits: list[Commit], committed: Mapping[int, Committed]) -> Iterator[Violation]:
    """Every commit against the laws; ``committed`` has what its client had read before, by number."""
    if rules.bare:
        return
    walk = _Walk(rules)
    for commit in commits:
        doing = committed.get(commit.number)
        walk.rewrite(commit.puts)
        for key, item in commit.puts.items():
            yield from walk.step(key, item, commit.number, doing.read_at if doing else {})


class _Walk:
    """The rows as far as the commits have come."""

    def __init__(self, rules: RuleSet) -> None:
        self._rules = rules
        self._caps = {
            f"{owner}/{cap.per}/{'points' if cap.points is not None else 'times'}": cap.points or cap.times or 0
            for owner, caps in [("*", rules.caps), *((rule.id, rule.caps) for rule in rules.rules)]
            for cap in caps
        }
        self._firsts = frozenset(
            rule.id
            for rule in rules.rules
            if (number := rule.when.order_number) is not None and (number.low, number.high) == (1, 1)
        )
        self._first: dict[str, set[str]] = {}
        self._opened: set[str] = set()
        self._status: dict[str, list[tuple[int, str]]] = {}

    def rewrite(self, puts: Mapping[Key, Item]) -> None:
        """Forget what the orders of one commit were before it: they change together."""
        names = {pk.partition("#")[2] for pk, sk in puts if sk == "O"}
        for member, others in self._first.items():
            self._first[member] = others - names

    def step(self, key: Key, item: Item, number: int, read_at: Mapping[Key, int]) -> Iterator[Violation]:
        """One row that was written."""
        (pk, sk), subject = key, f"commit {number}"
        name = pk.partition("#")[2]
        if sk == "A" and "standing" in item:
            for cap, windows in said(item["standing"]).get("used", {}).items():
                if cap in self._caps and max(windows.values()) > self._caps[cap]:
                    yield Violation("limits", subject, f"{name} has used {windows} of {cap}: {self._caps[cap]}")
        elif sk == "G":
            facts = json.loads(item["facts"]["S"])
            campaign = self._rules.campaign(name)
            spent = facts.get("given", 0) - facts.get("taken_back", 0)
            if campaign and campaign.budget_points is not None and spent > campaign.budget_points:
                yield Violation("limits", subject, f"campaign {name} has given {spent} of {campaign.budget_points}")
            self._status.setdefault(name, [(0, "ACTIVE")]).append((number, facts.get("status", "ACTIVE")))
        elif sk == "O":
            if "award" not in item:
                return
            award = said(item["award"])
            yield from self._first_order(name, award, subject)
            yield from self._stopped(name, award, subject, read_at)

    def _first_order(self, order: str, award: list[Any], subject: str) -> Iterator[Violation]:
        member, pinned = award[0], award[-1]
        holders = self._first.setdefault(member, set())
        if self._firsts & pinned.get("grants", {}).keys():
            holders.add(order)
        if len(holders) > 1:
            yield Violation("first order", subject, f"{sorted(holders)} of {member} give points as the first")

    def _stopped(self, order: str, award: list[Any], subject: str, read_at: Mapping[Key, int]) -> Iterator[Violation]:
        """A new award pins what it has read of a campaign."""
        opened = f"{order} of {award[0]}"
        if opened in self._opened:
            return
        self._opened.add(opened)
        for name, steps in self._status.items():
            read = read_at.get((f"G#{name}", "G"))
            if read is None:
                continue
            status = [status for number, status in steps if number <= read][-1]
            given = [one for one in award[-1].get("grants", {}) if one.startswith(f"{name}.")]
            if given and status != "ACTIVE":
                yield Violation("stopped", subject, f"{opened} gives by {given}; {name} was {status} when it was read")
