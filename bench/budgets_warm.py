"""What a warm handler may take for an operation: a tenth more than was counted, on the Python that needs most.

An instruction count moves a few percent between versions of Python and of what is installed; what is wasted by mistake
shows as tens of percent. Bytes are those of the members and orders of ``bench/warm_record.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WarmBudget:
    """The most that one operation may take: CPU instructions, bytes sent and received."""

    instructions: int
    sent: int
    received: int


BUDGETS: Mapping[str, WarmBudget] = {
    # An account carries what rules ask about (orders, days of payment, counters), under a bare program too, so that
    # rules which are published later know it: some 3 to 13 % of what each operation on an account took before.
    "order paid": WarmBudget(8_100_000, 4_250, 1_200),
    "10 orders of one member": WarmBudget(40_700_000, 19_300, 1_200),
    "order event again": WarmBudget(4_200_000, 800, 1_700),
    "redeem": WarmBudget(5_800_000, 4_100, 1_200),
    "redeem again": WarmBudget(2_450_000, 800, 1_500),
    "hold": WarmBudget(6_000_000, 4_400, 1_200),
    "capture": WarmBudget(5_900_000, 4_650, 1_750),
    "restore": WarmBudget(6_050_000, 4_450, 1_600),
    # Its part of its shard's progress is in it, and of the look whether the sweep is paused.
    "expire one account": WarmBudget(5_300_000, 3_750, 1_350),
    "remind one account": WarmBudget(10_000_000, 6_300, 1_600),
    "balance": WarmBudget(2_150_000, 750, 1_100),
    "webhook accepted": WarmBudget(6_100_000, 2_000, 150),
    "order paid, 20 rules": WarmBudget(14_900_000, 5_250, 1_300),
    # What is left of an order is judged once more for each bound and choice that a refund could turn in its favour.
    "refund, 20 rules": WarmBudget(17_200_000, 5_500, 2_350),
    "order paid, 20 rules and a campaign": WarmBudget(16_000_000, 5_750, 1_500),
    "refund, 20 rules and a campaign": WarmBudget(20_000_000, 6_700, 2_700),
    "refund of an order of older rules": WarmBudget(17_200_000, 5_500, 2_350),
    "behaviour event": WarmBudget(6_500_000, 4_400, 1_200),
    "behaviour event again": WarmBudget(2_700_000, 800, 1_900),
    "check-in": WarmBudget(6_300_000, 4_400, 1_200),
    # The program of two rules for events and one for orders is played by the check of rules.
    "publish a program": WarmBudget(115_000_000, 8_300, 1_750),
}
