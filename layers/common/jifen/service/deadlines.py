"""Deadlines: what somebody has to look at by now, the most overdue first.

    Stock with a reservation that ran out      confirm or release it
    RewardOrder with pieces to put back        put them back
    RewardOrder not paid in time               cancelled, points and pieces back
    RewardOrder without an address in time     forfeited, pieces back
    Auction that is over                       settled
    Reward that is there again                 those who wait are told

All of it is decided from what is there now: a second run, a late one or one beside it does no harm. Nothing waits for
this to be right: what is overdue counts as over from its first instant (:func:`jifen.domain.exchanges.as_it_is`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jifen.domain import stocks
from jifen.domain.auctions import Auction
from jifen.domain.errors import Busy
from jifen.domain.program import Moment, Program
from jifen.domain.reward_orders import RewardOrder
from jifen.domain.rewards import Reward, Stock
from jifen.service import exchanging, stocking
from jifen.service.ports import Herald, Ledger, Patience, Tries, deadlines

if TYPE_CHECKING:
    from jifen.service.ports import Document

PAGE = 100
"""Documents that are listed in one trip."""

TRIES = 5
"""How often one document is waited for before the next run is left to it."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What a run got done: documents that were ``seen``, things ``settled`` in them.

    ``left`` are documents that others kept writing, for the next run to settle; ``failed`` those that could not be.
    ``finished`` is false where time ran out first; the next run goes on with what is still overdue.
    """

    seen: int = 0
    settled: int = 0
    left: int = 0
    failed: int = 0
    finished: bool = True


@dataclass(frozen=True, slots=True)
class Deadlines:
    """One run.

    Attributes:
        ledger: where everything is kept.
        program: the program in force.
        moment: what is due by then is settled.
        patience: how long the caller can wait.
        herald: tells members that a reward is there again.
        has_time: whether another document can be begun.
        report: is told which document could not be settled, and why.
    """

    ledger: Ledger
    program: Program
    moment: Moment
    patience: Patience
    herald: Callable[[], Herald]
    has_time: Callable[[], bool]
    report: Callable[[str, Exception], None]

    def settle(self) -> Settled:
        """Settle what is overdue, page by page while there is time; one that fails never blocks those behind it."""
        run, cursor = Settled(), None
        while True:
            page = self.ledger.listed(deadlines(self.moment.now), cursor, PAGE)
            for name, failure in page.unreadable:
                self.report(name, failure)
                run = replace(run, seen=run.seen + 1, failed=run.failed + 1)
            for document in page.documents:
                if not self.has_time():
                    return replace(run, finished=False)
                run = self._one(run, document)
            if page.cursor is None:
                return run
            cursor = page.cursor

    def _one(self, run: Settled, document: Document) -> Settled:
        try:
            done = self._look(document)
        except Busy:
            return replace(run, seen=run.seen + 1, left=run.left + 1)
        except Exception as failure:  # noqa: BLE001 - one broken document must not keep the others waiting
            self.report(_name(document), failure)
            return replace(run, seen=run.seen + 1, failed=run.failed + 1)
        return replace(run, seen=run.seen + 1, settled=run.settled + done)

    def _look(self, document: Document) -> int:
        """Do what is to be done with one document; how much that was."""
        patience = Tries(self.patience, TRIES)
        match document:
            case Stock():
                return self._stock(document, patience)
            case RewardOrder(put_back=True):
                return exchanging.put_back(self.ledger, self.moment, patience, document.id)
            case RewardOrder():
                return exchanging.lapse(self.ledger, self.program, self.moment, patience, document.id)
            case Auction():
                from jifen.service import bidding  # noqa: PLC0415 - most runs have none

                after = bidding.settle(self.ledger, self.program, document, self.moment, patience)
                return after.status is not document.status
            case Reward():
                from jifen.service import shelving  # noqa: PLC0415 - most runs have none

                told = shelving.notify_arrivals(
                    self.ledger, self.herald(), document.id, self.moment, patience, self.has_time
                )
                return told.told
            case _:
                return 0

    def _stock(self, shard: Stock, patience: Patience) -> int:
        """Settle the reservations of a shard that have run out, each for itself."""
        done, failures = 0, list[Exception]()
        for order_id in stocks.overdue(shard, self.moment.now):
            try:
                stocking.recover(self.ledger, patience, shard, order_id, self.moment.now)
                done += 1
            except Exception as failure:  # noqa: BLE001 - as above; told once the others were looked at
                failures.append(failure)
        if failures:
            raise failures[0]
        return done


def _name(document: Document) -> str:
    """How a log names a document."""
    match document:
        case Stock():
            return f"stock/{document.subject}/{document.shard}"
        case RewardOrder() | Auction() | Reward():
            return f"{type(document).__name__}/{document.id}"
        case _:
            return type(document).__name__
