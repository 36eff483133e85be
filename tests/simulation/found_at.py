"""The seed that found each planted bug when somebody last looked: a hunt begins with it.

`python -m tests.simulation.found_at` looks again and writes this page: seeds that find their bug still stay, the others
are hunted from the first seed on; with `--anew`, all are.
"""

from __future__ import annotations

import itertools
import multiprocessing
import re
import sys
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

FOUND_AT: Mapping[str, int] = {
    "a batch that failed is acknowledged": 1,
    "a budget is not on condition": 53,
    "a campaign is left out of the posting": 1,
    "a cancelled auction keeps the points": 192,
    "a cancelled order leaves its holds": 28,
    "a cap is counted twice": 0,
    "a capture forgets its order": 41,
    "a claim of the dead is never taken over": 11,
    "a clawback spares the order's own lot": 1,
    "a clawback takes one lot's share from another": 41,
    "a code that was seen goes back to the pool": 19,
    "a coupon is used whatever others did meanwhile": 18,
    "a coupon that was used can be used again": 6,
    "a credit forgets the debt": 13,
    "a day's total is forgotten between visits": 11,
    "a deadline that has passed is no deadline": 12,
    "a debt stays when a gift has paid it": 50,
    "a draw is not held to the limit of its day": 1,
    "a draw that costs nothing takes its cost": 17,
    "a draw that is asked for again is another draw": 17,
    "a friend's refund leaves the inviter's points": 12,
    "a hold is released twice": 7,
    "a hold that was captured can be voided": 2,
    "a key serves any request": 10,
    "a limit of a day is looked up in the month's": 8,
    "a lock never ends the count": 73,
    "a login is no activity": 0,
    "a lost answer is taken for a success": 1,
    "a member's limit is not counted": 6,
    "a part goes into the wrong lot": 3,
    "a password locks one try too late": 30,
    "a paused campaign goes on": 6,
    "a policy leaves no room for reminders": 1,
    "a policy leaves no row in its batch": 0,
    "a prize that is out of stock is given": 1,
    "a refund gives no room back to a cap": 6,
    "a refund replaces the refunds before it": 1,
    "a reminder is marked after it was sent": 10,
    "a reminder that failed is forgotten": 257,
    "a retry decides again": 1,
    "a retry goes out on every channel again": 257,
    "a review can be approved twice": 34,
    "a row is not settled with its account": 0,
    "a row is taken back twice": 11,
    "a run goes on over a missed day": 7,
    "a sender keeps what was given": 18,
    "a shard is written as it was read first": 19,
    "a task is not undone": 1,
    "a transaction that failed on the account is taken for a success": 8,
    "a transfer is taken back twice": 90,
    "a transfer is taken back when its points can be used": 39,
    "a transfer that was taken back still counts": 18,
    "a try is counted after it was looked at": 30,
    "a value that gives once leaves no mark": 7,
    "a voucher that is taken back leaves its points": 25,
    "an allowance is given twice": 91,
    "an auction is settled twice": 3,
    "an event's id serves any content": 1,
    "an exchange is not counted against its limits": 0,
    "an order is counted in today's window": 0,
    "an order is not told of a redemption": 23,
    "an order that is cancelled twice restores twice": 0,
    "an order that is given back still counts": 1,
    "an order that was not paid is forfeited": 0,
    "an order with an address is forfeited": 0,
    "as many points as can be used are more than the order takes": 103,
    "bids are taken after the end": 3,
    "channels are written down together at the end": 257,
    "clawback per refund": 2,
    "each reminder is a message of its own": 33,
    "every order is the first": 3,
    "expired points can be spent until the sweep": 2,
    "index forgets the holds": 8,
    "later points are spent first": 1,
    "no document condition": 1,
    "no version check": 17,
    "of a part that is put back all goes back": 0,
    "pieces are given away without raising the fence": 79,
    "pieces are put back in a transaction of their own": 19,
    "pieces of an order that was posted are given away": 2,
    "pieces that are counted as sold twice count twice": 0,
    "points are used on an order that was cancelled": 2,
    "points are voided twice": 3,
    "points are voided without notice": 3,
    "points that come back forget the debt": 67,
    "points that wait can be spent": 0,
    "points that were received have another year": 39,
    "reads that may be stale": 1,
    "refuses what it read in two instants": 208,
    "restore into a new lot": 2,
    "restores do not add up": 20,
    "the inviter's points stay when the order becomes another's": 398,
    "the last message wins": 0,
    "the policy of grace is forgotten": 36,
    "the room that was pinned is forgotten": 384,
    "the sweep trusts the index": 1,
    "used points go back once more after a restore by hand": 41,
    "used points go back per refund": 41,
    "what is spent with the password is not counted": 139,
    "what pays a part of an order already is left out of its limit": 346,
    "what time did is left to the sweep": 0,
    "what was refused once may apply later": 0,
    "what was told is told again": 33,
    "who is outbid keeps a hold": 2,
}


def main() -> None:
    """Hunt every bug, two at a time."""
    from tests.simulation import mutated  # noqa: PLC0415 - it imports this page

    context = multiprocessing.get_context("spawn")
    names = [mutant.name for mutant in mutated.ALL]
    with ProcessPoolExecutor(2, mp_context=context, max_tasks_per_child=1) as pool:
        anew = itertools.repeat("--anew" in sys.argv)
        found = dict(zip(names, pool.map(_seed, names, anew), strict=True))
    page = Path(__file__)
    rows = "".join(f'    "{name}": {seed},\n' for name, seed in sorted(found.items()) if seed is not None)
    text = re.sub(r"(= \{)[^}]*\}", lambda _: f"= {{\n{rows}}}", page.read_text(encoding="utf-8"), count=1)
    page.write_text(text, encoding="utf-8")
    for name, seed in found.items():
        print(f"{name}: {seed}")  # noqa: T201 - what the command is for


def _seed(name: str, anew: bool) -> int | None:  # noqa: FBT001 - given by a map
    from tests.simulation import mutated  # noqa: PLC0415 - as above

    return mutated.hunt(name, anew=anew).seed


if __name__ == "__main__":
    main()
