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
    "order paid": WarmBudget(7_150_000, 4_100, 1_100),
    "10 orders of one member": WarmBudget(36_000_000, 19_200, 1_100),
    "order event again": WarmBudget(3_900_000, 800, 1_600),
    "redeem": WarmBudget(5_400_000, 3_950, 1_100),
    "redeem again": WarmBudget(2_350_000, 800, 1_400),
    "hold": WarmBudget(5_700_000, 4_250, 1_100),
    "capture": WarmBudget(5_600_000, 4_500, 1_600),
    "restore": WarmBudget(5_800_000, 4_300, 1_500),
    "expire one account": WarmBudget(5_000_000, 3_400, 1_200),
    "remind one account": WarmBudget(9_700_000, 6_300, 2_400),
    "balance": WarmBudget(2_000_000, 750, 1_000),
    "webhook accepted": WarmBudget(5_900_000, 2_000, 150),
}
