"""Planted bugs in the life of points; see :mod:`tests.simulation.mutants`. Each has so many such runs."""

from __future__ import annotations

from tests.simulation.mutants import RUNS, Change, Mutant

LIFE = "life/"
"""What the focus of these begins with."""

POLICIES = "jifen.domain.policies"
EXPIRING = "jifen.service.expiring"
TAKING_BACK = "jifen.service.taking_back"


def _mutant(name: str, *changes: tuple[str, str, str], about: str = "") -> Mutant:
    """A planted bug, looked for in runs of the life of points, or in those alone that are ``about`` one policy."""
    return Mutant(name, tuple(Change(*change) for change in changes), f"{LIFE}{about}", RUNS)


MUTANTS_LIFE: tuple[Mutant, ...] = (
    _mutant(
        "points are voided without notice",
        (POLICIES, "    if not (said or told) or not voidable(", "    if not voidable("),
    ),
    _mutant(
        "points are voided twice",
        (
            POLICIES,
            "    change = _remembering(change, policy, case.of, program)\n",
            (
                "    if policy.effect is not Effect.VOID:\n"
                "        change = _remembering(change, policy, case.of, program)\n"
            ),
        ),
    ),
    _mutant(
        "a login is no activity",
        (POLICIES, 'if "login" in when.without:', 'if "never" in when.without:'),
    ),
    _mutant(
        "a policy leaves no room for reminders",
        (
            POLICIES,
            "max(add_months(begins, policy.months) + timedelta(days=policy.days), with_leads(begins, program))",
            "add_months(begins, policy.months) + timedelta(days=policy.days)",
        ),
    ),
    _mutant(
        "a policy leaves no row in its batch",
        (
            EXPIRING,
            "        documents += _rows(member, done, found.get(BatchRowKey(id_, row_shard(member), member)), applied)",
            "        documents += []",
        ),
    ),
    _mutant(
        "a row is taken back twice",
        (
            TAKING_BACK,
            "due = [number for number in row.sequences if number not in row.taken_back]",
            "due = list(row.sequences)",
        ),
        (TAKING_BACK, "for one in rows if set(one.sequences) - set(one.taken_back)", "for one in rows"),
    ),
    _mutant(
        "a row is not settled with its account",
        (TAKING_BACK, "Posting(accounts, (settled,))", "Posting(accounts)"),
    ),
)
