"""The sums over all accounts against the sums over all entries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from local.audit.kinds import LIFETIME
from local.audit.laws import Violation
from local.audit.table import Table


def judge_totals(table: Table) -> Iterator[Violation]:
    """Points by kind and the balance, over all accounts that can be read."""
    sums: dict[str, int] = defaultdict(int)
    for member in table.members.values():
        if not member.readable:
            continue
        for entry in member.entries.values():
            sums["balance"] -= entry.points
            if entry.kind in LIFETIME:
                figure, sign = LIFETIME[entry.kind]
                sums[figure] -= sign * entry.points
        if account := member.account:
            sums["balance"] += account.balance
            for figure, points in account.figures.items():
                sums[figure] += points
    for figure, difference in sums.items():
        if difference:
            yield Violation("totals", figure, f"accounts have {difference} more than their entries say")
