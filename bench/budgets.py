"""What an operation may cost: the table of the design's section 8, as data. Index writes come on top of write units."""

from __future__ import annotations

from dataclasses import dataclass

BATCH = 10
"""Events of one member in one delivery, where the budget names n."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that one operation may take of each."""

    operation: str
    trips: int
    write_units: int
    read_units: float


BUDGETS: tuple[Budget, ...] = (
    Budget("order paid", trips=2, write_units=6, read_units=2),
    Budget(f"{BATCH} orders of one member", trips=2, write_units=2 + 4 * BATCH, read_units=1 + BATCH),
    Budget("order event again", trips=1, write_units=0, read_units=2),
    Budget("redeem", trips=2, write_units=6, read_units=2),
    Budget("redeem again", trips=1, write_units=0, read_units=2),
    Budget("redeem refused", trips=2, write_units=0, read_units=3),
    Budget("hold", trips=2, write_units=6, read_units=2),
    Budget("capture", trips=2, write_units=6, read_units=2),
    Budget("expire one account", trips=2, write_units=4, read_units=1),
    Budget("balance", trips=1, write_units=0, read_units=1),
)

INDEX_UNITS_MAX = 4
"""Index writes of one account in one transaction: two indexes, each an entry that goes and one that comes."""

FIND_UNITS_PER_DUE_ACCOUNT_MAX = 0.02
"""Read units to find one due account, in shards that are well filled."""
