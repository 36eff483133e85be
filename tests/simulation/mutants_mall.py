"""Planted bugs in the mall and in play; see :mod:`tests.simulation.mutants`. Each has so many runs of the mall."""

from __future__ import annotations

from tests.simulation.mutants import DYNAMO, RUNS, Change, Mutant

MALL = "mall/"
"""What the focus of these begins with."""

STOCKING = "jifen.service.stocking"
EXCHANGING = "jifen.service.exchanging"
EXCHANGES = "jifen.domain.exchanges"
STOCKS = "jifen.domain.stocks"
DRAWING = "jifen.service.drawing"
DRAWS = "jifen.domain.draws"
BIDDING = "jifen.service.bidding"
BIDS = "jifen.domain.bids"
COUPONS = "jifen.domain.coupons"


def _mutant(name: str, *changes: tuple[str, str, str], about: str = "", runs: int = RUNS) -> Mutant:
    """A planted bug, looked for in runs of the mall, or in those alone that are ``about`` one part of it."""
    return Mutant(name, tuple(Change(*change) for change in changes), f"{MALL}{about}", runs)


MUTANTS_MALL: tuple[Mutant, ...] = (
    # stock
    _mutant(
        "pieces are given away without raising the fence",
        (
            STOCKING,
            "            ledger.commit(Posting(documents=(_abandoned(order_id, fence, now),)), patience)\n",
            "",
        ),
        about="pieces",
    ),
    _mutant(
        "pieces that are counted as sold twice count twice",
        (
            STOCKING,
            "    return _settled(ledger, patience, shard, lambda now: stocks.confirm(now, order_id, mark))\n",
            (
                "    for _ in range(2):\n"
                "        shard = _settled(ledger, patience, shard, lambda now: stocks.confirm(now, order_id, mark))\n"
                "    return shard\n"
            ),
        ),
        (
            STOCKS,
            "    if kept is None or kept.mark != mark:\n        return shard\n",
            (
                "    if kept is None or kept.mark != mark:\n"
                "        return replace(shard, sold=shard.sold + 1, stocked=shard.stocked + 1)\n"
            ),
        ),
    ),
    _mutant(
        "a shard is written as it was read first",
        (
            STOCKING,
            "        then = after(now)\n",
            "        then = replace(after(shard), version=now.version)\n",
        ),
    ),
    _mutant(
        "pieces of an order that was posted are given away",
        (
            STOCKING,
            "        return stocks.confirm(shard, order_id, kept.mark)\n    return stocks.release(shard, order_id)\n",
            "        return stocks.release(shard, order_id)\n    return stocks.release(shard, order_id)\n",
        ),
    ),
    _mutant(
        "pieces are put back in a transaction of their own",
        (
            EXCHANGING,
            "        ledger.commit(Posting(documents=(after, *filled, *told)), patience)\n",
            (
                "        ledger.commit(Posting(documents=(*filled, *told)), patience)\n"
                "        ledger.commit(Posting(documents=(after,)), patience)\n"
            ),
        ),
    ),
    _mutant(
        "of a part that is put back all goes back",
        (EXCHANGING, "        back = order.back or order.pieces\n", "        back = order.pieces\n"),
    ),
    _mutant(
        "a code that was seen goes back to the pool",
        (
            EXCHANGES,
            "    return bool(order.pieces) and not (order.codes and seen(order))\n",
            "    return bool(order.pieces)\n",
        ),
        about="codes",
    ),
    # orders
    _mutant(
        "an exchange is not counted against its limits",
        (
            EXCHANGES,
            "take(account, points, moment, limits, guard, times=wanted.quantity)",
            "take(account, points, moment, (), guard, times=wanted.quantity)",
        ),
    ),
    _mutant(
        "an order that is cancelled twice restores twice",
        (EXCHANGES, "        _in(order, *possible)\n", "        _in(order, *possible, OrderStatus.CANCELED)\n"),
        (
            EXCHANGES,
            "    change = _restored(order, as_of(account, moment), order.points, reason, by, program, moment)\n",
            (
                "    first = replace(order, restored=0)\n"
                "    change = _restored(first, as_of(account, moment), order.points, reason, by, program, moment)\n"
            ),
        ),
    ),
    _mutant(
        "an order that was not paid is forfeited",
        (
            EXCHANGING,
            "            made = exchanges.unpaid(order, account, program, moment)\n",
            "            made = Made(exchanges.forfeited(order, moment), Change(account))\n",
        ),
    ),
    _mutant(
        "an order with an address is forfeited",
        (
            EXCHANGES,
            (
                "        return stepped(replace(known, due=None), OrderStatus.TO_SHIP, moment, by)\n"
                '    return stepped(known, order.status, moment, by, "another address"'
            ),
            (
                '        return stepped(known, order.status, moment, by, "address")\n'
                '    return stepped(known, order.status, moment, by, "another address"'
            ),
        ),
    ),
    _mutant(
        "a deadline that has passed is no deadline",
        (
            EXCHANGES,
            "    return waits and order.due is not None and order.due <= moment.now\n",
            "    return waits and order.due is not None and order.due < moment.now - timedelta(days=1)\n",
        ),
        (EXCHANGES, "from datetime import date\n", "from datetime import date, timedelta\n"),
    ),
    _mutant(
        "a voucher that is taken back leaves its points",
        (
            EXCHANGES,
            "    change, forgiven = _taken_back(order, change, reason, by, program, moment)\n",
            "    forgiven = 0\n",
        ),
        about="steps",
    ),
    # coupons
    _mutant(
        "a coupon is used whatever others did meanwhile",
        (
            DYNAMO,
            "known = cls.version == document.version if document.version else cls.pk.does_not_exist()",
            (
                "known = cls.version == document.version if document.version else cls.pk.does_not_exist()\n"
                '        known = cls.pk.exists() if type(document).__name__ == "Coupon" and document.version else known'
            ),
        ),
        about="coupons",
    ),
    _mutant(
        "a coupon that was used can be used again",
        (
            COUPONS,
            (
                "    status = status_on(coupon, moment.today)\n    if status is not CouponStatus.ISSUED:\n"
                "        raise _not_issued(coupon, status)\n    debits"
            ),
            "    debits",
        ),
    ),
    # draws
    _mutant(
        "a draw is not held to the limit of its day",
        (DRAWS, "    limits.check(account.standing, (limit,), use, then)\n", ""),
    ),
    _mutant(
        "a prize that is out of stock is given",
        (
            DRAWING,
            "                refunded = prize.otherwise == REFUND\n                continue\n",
            "                return Fetched(prize, why=tuple(why))\n",
        ),
    ),
    _mutant(
        "a draw that costs nothing takes its cost",
        (DRAWS, "    change = entered.free if fetched.refunded else entered.change\n", "    change = entered.change\n"),
        about="wheel",
    ),
    _mutant(
        "a draw that is asked for again is another draw",
        (
            DRAWING,
            "        once = Once.asked(self.subject, self.key, print_)\n",
            '        once = Once.asked(self.subject, f"{self.key}{self.moment.now}", print_)\n',
        ),
        about="wheel",
    ),
    # auctions
    _mutant(
        "who is outbid keeps a hold",
        (
            BIDDING,
            "            changes = {member: placed.change, other.member: change}\n",
            "            changes = {member: placed.change}\n",
        ),
    ),
    _mutant(
        "an auction is settled twice",
        (
            BIDS,
            "    return auction.status is AuctionStatus.OPEN and moment.now >= auction.closes_at\n",
            "    return moment.now >= auction.closes_at\n",
        ),
    ),
    _mutant(
        "bids are taken after the end",
        (
            BIDS,
            '    return "OPEN" if moment.now < auction.closes_at else "CLOSING"\n',
            '    return "OPEN"\n',
        ),
    ),
    _mutant(
        "a cancelled auction keeps the points",
        (
            BIDDING,
            "            changes, read = {account.member: change}, {account.member: account}\n",
            "            changes, read = {}, {account.member: account}\n",
        ),
        about="auction",
        runs=80,
    ),
)
