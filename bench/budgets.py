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
    Budget("order paid, 20 rules", trips=2, write_units=6, read_units=2),
    Budget("refund, 20 rules", trips=2, write_units=6, read_units=2),
    # The state of a campaign is an item of its own, so that no two orders spend one part of its budget.
    Budget("order paid, 20 rules and a campaign", trips=2, write_units=8, read_units=3),
    Budget("order event again, 20 rules and a campaign", trips=1, write_units=0, read_units=3),
    # A refund does not say under which campaign its order was paid. Nobody waits for a refund.
    Budget("refund, 20 rules and a campaign", trips=3, write_units=8, read_units=3),
    Budget("refund of an order of older rules", trips=2, write_units=6, read_units=2),
    Budget("refund of an order of older rules, first of a process", trips=3, write_units=6, read_units=3),
    Budget("behaviour event", trips=2, write_units=6, read_units=2),
    Budget("behaviour event again", trips=1, write_units=0, read_units=2),
    Budget("behaviour event over its limit", trips=2, write_units=2, read_units=2),
    Budget("check-in", trips=2, write_units=6, read_units=2),
    Budget("check-in again", trips=1, write_units=0, read_units=2),
    Budget("publish a program", trips=5, write_units=10, read_units=4),
    Budget("look which program is in force", trips=1, write_units=0, read_units=1),
    # Points that pay a part of an order are known to the order, so that they come back with it.
    Budget("redeem for an order", trips=2, write_units=8, read_units=3),
    Budget("capture for an order", trips=3, write_units=6, read_units=3),
    Budget("refund of an order that points pay a part of", trips=3, write_units=6, read_units=3),
    Budget("quote", trips=1, write_units=0, read_units=1),
    # Read, reserve the piece, take the points, count the piece as sold: stock is in no transaction of points.
    Budget("exchange", trips=4, write_units=12, read_units=5),
    Budget("exchange, 20 shards", trips=5, write_units=12, read_units=9),
    Budget("exchange again", trips=1, write_units=0, read_units=5),
    # Two accounts, two entries, the transfer and the answer.
    Budget("transfer", trips=2, write_units=12, read_units=3),
    Budget("use a coupon", trips=2, write_units=4, read_units=3),
    Budget("draw", trips=2, write_units=10, read_units=4),
    Budget("draw of a prize with stock", trips=5, write_units=14, read_units=5),
    # The bidder's account, entry, bid and answer; the auction; and the same of who is outbid.
    Budget("bid above another's", trips=3, write_units=16, read_units=5),
)

INDEX_UNITS_MAX = 4
"""Index writes of one account in one transaction: two indexes, each an entry that goes and one that comes."""

FIND_UNITS_PER_DUE_ACCOUNT_MAX = 0.02
"""Read units to find one due account, in shards that are well filled."""
