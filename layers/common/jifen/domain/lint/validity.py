"""Policies of validity that surprise: at once, in vain, for goods that go back, or against one another.

Nothing is played here: a policy says by itself whom it meets. All of them are warnings.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from jifen.domain.lint.finding import Finding, Severity, numbered
from jifen.domain.lint.play import ME
from jifen.domain.lint.scenes import Stage
from jifen.domain.policies import inactive_on
from jifen.domain.validity_terms import Effect, Inactive, Policy, Spent

AT_ONCE, BELOW_LEADS, GIVEN_BACK, FLIP = "POLICY_AT_ONCE", "POLICY_BELOW_LEADS", "POLICY_GIVEN_BACK", "POLICIES_FLIP"

RETURN_DAYS = 14
"""Days in which goods can be given back, as in the stories of refunds."""

SHORTEST_MONTH = 28


def search(stage: Stage) -> Iterator[Finding]:
    """A line for each policy that surprises, and for each two that undo one another."""
    for policy in stage.program.policies:
        yield from _at_once(stage, policy)
        yield from _below_leads(stage, policy)
        yield from _given_back(policy)
    for one, other in combinations(stage.program.policies, 2):
        yield from _flip(one, other)


def _warning(code: str, lines: list[str], *policies: Policy) -> Finding:
    return Finding(code, Severity.WARNING, numbered(lines), rules=tuple(policy.id for policy in policies))


def _at_once(stage: Stage, policy: Policy) -> Iterator[Finding]:
    """The first night meets everybody who has qualified until then, before anybody could do anything about it."""
    if stage.today is not None and policy.starts_on <= stage.today:
        line = f"{policy.id} starts on {policy.starts_on}: whoever has qualified is met in the next night"
        yield _warning(AT_ONCE, [line], policy)
    elif isinstance(policy.when, Inactive) and inactive_on(policy.when, policy.when.known_since) <= policy.starts_on:
        since = policy.when.known_since
        lines = [
            f"{ME} was not seen since {since}, and nothing is known from before",
            f"{policy.id} starts on {policy.starts_on} and meets all such members in its first night",
        ]
        yield _warning(AT_ONCE, lines, policy)


def _below_leads(stage: Stage, policy: Policy) -> Iterator[Finding]:
    lead = max(stage.program.lead_days, default=0)
    if policy.effect is Effect.LEAVE and policy.months * SHORTEST_MONTH + policy.days <= lead:
        left = " and ".join(
            f"{count} {name}" for count, name in ((policy.months, "months"), (policy.days, "days")) if count
        )
        lines = [
            f"{policy.id} leaves {left}, and the first reminder goes out {lead} days ahead",
            f"Points last {lead + 1} days all the same, so that no reminder is jumped over",
        ]
        yield _warning(BELOW_LEADS, lines, policy)


def _given_back(policy: Policy) -> Iterator[Finding]:
    when = policy.when
    if isinstance(when, Spent) and when.wait_days < RETURN_DAYS:
        months = f"each of {when.months} months" if when.months > 1 else "a month"
        lines = [
            f"{ME} spends {when.each_minor} minor units in {months}, the last of it on the last day",
            f"{policy.id} looks {when.wait_days} days after the month, and all dates move {policy.months} months on",
            f"{ME} gives the goods back within {RETURN_DAYS} days, and the dates stay",
        ]
        yield _warning(GIVEN_BACK, lines, policy)


def _flip(one: Policy, other: Policy) -> Iterator[Finding]:
    """Two policies that the same member meets, one of which takes what the other gives."""
    effects = {one.effect, other.effect}
    if Effect.EXTEND not in effects or len(effects) == 1:
        return
    longer, shorter = (one, other) if one.effect is Effect.EXTEND else (other, one)
    assert isinstance(shorter.when, Inactive), "spending takes nothing"
    if isinstance(longer.when, Spent) and "order" in shorter.when.without:
        return
    does = "buys and does not log in" if isinstance(longer.when, Spent) else "is away"
    takes = "shortens them" if shorter.effect is Effect.LEAVE else "voids a part of them"
    yield _warning(FLIP, [f"{ME} {does}: {longer.id} extends the points, and {shorter.id} {takes}"], longer, shorter)
