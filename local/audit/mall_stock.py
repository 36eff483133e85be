"""Stock, shard by shard, against the orders and draws that have its pieces; codes, each in its one place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from local.audit.laws import Violation
from local.audit.mall_rows import Document, Mall, owner_of

Shard = tuple[str, int]


def judge_stock(mall: Mall, *, whole: bool) -> Iterator[Violation]:
    """Every shard, and every code; ``whole`` where every member and every row of the mall could be read."""
    for (subject, number), shard in mall.shards.items():
        for detail in _sums(shard):
            yield Violation("stock", f"{subject} {number}", detail)
    if whole:
        for (subject, number), detail in (*_kept_for(mall), *_sold(mall)):
            yield Violation("sold", f"{subject} {number}", detail)
        for detail in _homeless(mall):
            yield Violation("stock", "mall", detail)
        yield from _codes(mall)


def _sums(shard: Document) -> Iterator[str]:
    reserved = shard["reserved"].values()
    if any(not one["pieces"] for one in reserved) or any(not _is_owner(name) for name in shard["reserved"]):
        yield f"a reservation is of no piece, or for nobody, among {shard['reserved']}"
    if shard["free"] is None:
        if shard["stocked"] or shard["pooled"] or shard["codes"]:
            yield f"{shard['stocked']} are stocked of what has no end"
        return
    kept = sum(one["pieces"] for one in reserved)
    if shard["free"] + kept + shard["sold"] != shard["stocked"]:
        yield f"free {shard['free']} + reserved {kept} + sold {shard['sold']} is not {shard['stocked']}"
    codes = len(shard["codes"])
    if codes != (shard["free"] if shard["pooled"] else 0):
        yield f"{shard['free']} are free, and {codes} codes"
    for name, one in shard["reserved"].items():
        if len(one["codes"]) != (one["pieces"] if shard["pooled"] else 0):
            yield f"{one['pieces']} are reserved for {name}, and {len(one['codes'])} codes"


def _is_owner(document_id: str) -> bool:
    """Whether pieces can be reserved for what has this id: an order or a draw of a member."""
    prefix, member = owner_of(document_id)
    return prefix in {"ro", "dw"} and bool(member)


def _homeless(mall: Mall) -> Iterator[str]:
    """Shards, marks and wishes of no reward, and of no prize."""
    for subject, number in mall.shards:
        reward = mall.rewards.get(subject)
        if reward is None and not (subject.startswith("lottery:") and subject.split(":")[1] in mall.lotteries):
            yield f"a shard of {subject}, which is not there"
        elif reward is not None and number >= reward["shards"]:
            yield f"shard {number} of {subject}, which has {reward['shards']}"
    for reward_id, name in (*mall.marks, *mall.wishes):
        if reward_id not in mall.rewards:
            yield f"{name} is of {reward_id}, which is not there"


# Who has the pieces --------------------------------------------------------------------------------------------------


def _own(mall: Mall, shard: Document, name: str, kept: Mapping[str, Any]) -> Document | None:
    """The order or draw that was made with a reservation; None where it was made with another one, or not yet."""
    made = mall.orders.get(name) or mall.draws.get(name)
    number = str(shard["shard"])
    if made is None or not made.posted or made["stock"] != shard["subject"] or number not in made["pieces"]:
        return None
    return made if made["marks"].get(number, kept["mark"]) == kept["mark"] else None


def _kept_for(mall: Mall) -> Iterator[tuple[Shard, str]]:
    """Reservations of orders that were made keep what these have."""
    for place, shard in mall.shards.items():
        for name, kept in shard["reserved"].items():
            made = _own(mall, shard, name, kept)
            if made is not None and made["pieces"][str(place[1])] != kept["pieces"]:
                yield place, f"{kept['pieces']} are reserved for {made}, which has {made['pieces']}"


def _sold(mall: Mall) -> Iterator[tuple[Shard, str]]:
    has: dict[Shard, int] = defaultdict(int)
    for made in mall.made():
        for number, pieces in made["pieces"].items():
            has[made["stock"], int(number)] += pieces
    for place in sorted({*has, *mall.shards}):
        shard = mall.shards.get(place)
        if shard is None:
            yield place, f"{has[place]} were sold of what is not there"
            continue
        kept = sum(one["pieces"] for name, one in shard["reserved"].items() if _own(mall, shard, name, one))
        if shard["sold"] + kept != has[place]:
            yield place, f"{shard['sold']} sold, {kept} reserved for what was made; orders and draws have {has[place]}"


# Codes ---------------------------------------------------------------------------------------------------------------

_Code = tuple[str, str]


def _codes(mall: Mall) -> Iterator[Violation]:
    free: dict[_Code, int] = defaultdict(int)
    kept: dict[_Code, list[str]] = defaultdict(list)
    ordered: dict[_Code, list[str]] = defaultdict(list)
    for (subject, _), shard in mall.shards.items():
        for code in shard["codes"]:
            free[subject, code] += 1
        for name, one in shard["reserved"].items():
            for code in one["codes"]:
                kept[subject, code].append(name)
    for name, order in mall.orders.items():
        for code in order["codes"]:
            ordered[order["stock"], code].append(name)
    for place in sorted({*free, *kept, *ordered, *mall.marks}):
        names = {*kept[place], *ordered[place]}
        places = free[place] + len(names)
        again = max(len(kept[place]), len(ordered[place])) > 1
        if places != 1 or again or place not in mall.marks:
            # A code is worth something: what is found names its mark, and never the code itself.
            where = f"free {free[place]} times, of {sorted(names)}"
            known = mall.marks[place].place[1] if place in mall.marks else "not marked"
            yield Violation("codes", f"{place[0]} {known}", where)
