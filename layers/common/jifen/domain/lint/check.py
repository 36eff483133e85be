"""The check: everything that is looked for, one after the other.

    check(program) ──stage──> refunds, make-ups, invites, rates, tiers, events, caps, campaigns, rules ──> findings
                              policies of validity                                                      ──┘

Every search plays the program with accounts in memory, over amounts and days at which its own rules change. All of them
are bounded by counting what they do, so that a program gets the same answer everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from jifen.domain.lint import gifts, make_ups, midnight, never, pumps, rates, refunds, validity
from jifen.domain.lint.finding import Finding, ranked
from jifen.domain.lint.scenes import Stage
from jifen.domain.program import Program


def check(program: Program, today: date | None = None) -> tuple[Finding, ...]:
    """What is wrong with a program, errors first, the cheapest first.

    Args:
        program: what is to be published.
        today: from when on it will count; windows that are over then are named. None: nothing is over.
    """
    stage = Stage(program, today)
    ones: Iterable[Finding | None] = (
        refunds.search(stage),
        refunds.transfers(stage),
        make_ups.search(stage),
        gifts.ring(stage),
        rates.above_price(stage),
        rates.loop(stage),
        *pumps.search(stage),
        *gifts.uncapped(stage),
        *gifts.budgetless(stage),
        *midnight.search(stage),
        *never.search(stage),
        *never.cut_marks(stage),
        *validity.search(stage),
    )
    return ranked(one for one in ones if one is not None)
