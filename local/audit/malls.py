"""The mall and play: every document and entry of theirs, against each other.

one member ──┬─ mall_orders ──> reward orders and coupons
             ├─ mall_draws ───> draws, and their numbers
             ├─ mall_auctions > bids and what they hold
             └─ mall_limits ──> counters of limits
all of it ───┬─ mall_stock ───> shards and codes
             ├─ mall_draws ───> lotteries and what they promised
             └─ mall_auctions > auctions and their ends
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from local.audit.laws import Terms, Violation
from local.audit.library import Library
from local.audit.mall_auctions import judge_auctions, judge_bids
from local.audit.mall_draws import judge_draws, judge_lotteries
from local.audit.mall_limits import judge_limits
from local.audit.mall_orders import judge_reward_orders
from local.audit.mall_rows import due_of
from local.audit.mall_stock import judge_stock
from local.audit.table import Member, Table


def judge_mall_of(
    member: Member, table: Table, library: Library, graces: Collection[int], terms: Terms
) -> Iterator[Violation]:
    """Everything of the mall and of play that is one member's, who could be read."""
    mall = table.mall
    yield from judge_reward_orders(member, mall, graces, terms, may_forgive=library.may_forgive)
    yield from judge_draws(member, mall)
    yield from judge_bids(member, mall)
    if mall.readable:
        yield from judge_limits(member, mall, terms)


def judge_mall(table: Table) -> Iterator[Violation]:
    """Everything of the mall and of play that is nobody's, and where each document stands among the deadlines."""
    whole = table.all_of_mall
    for document in table.mall.every():
        if document.due != (due := due_of(document)):
            yield Violation("index", " ".join(document.place), f"{document.due}; by what is ahead of it {due}")
    yield from judge_stock(table.mall, whole=whole)
    yield from judge_lotteries(table.mall, whole=whole)
    if whole:
        yield from judge_auctions(table.mall)
