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
    "order paid": WarmBudget(11_700_000, 4_300, 1_100),
    "10 orders of one member": WarmBudget(54_600_000, 20_200, 1_100),
    "order event again": WarmBudget(5_800_000, 850, 1_600),
    "redeem": WarmBudget(10_400_000, 4_100, 1_100),
    "redeem again": WarmBudget(4_700_000, 850, 1_400),
    "hold": WarmBudget(10_900_000, 4_500, 1_100),
    "capture": WarmBudget(11_300_000, 4_700, 1_600),
    "restore": WarmBudget(11_300_000, 4_500, 1_500),
    "expire one account": WarmBudget(9_300_000, 3_600, 1_200),
    "remind one account": WarmBudget(18_100_000, 6_500, 2_400),
    "balance": WarmBudget(3_900_000, 750, 1_000),
    "webhook accepted": WarmBudget(5_900_000, 2_000, 150),
}
