"""Exchanging: points for rewards, and each step of a reward order, answered once however often it is asked.

    one read ──judge──> reserve (stock) ──> post: points, order, coupons, answer ──> confirm (stock)
                 │refused      │sold out          │refused or overtaken meanwhile      │whatever happens here
                 v             v                  v                                    v
              nothing       nothing        the pieces are given back at once     settled later, by the deadlines

    step ──> post: order, account, audit ──> put back (stock, order)      a crash in between: settled later

What is left over by a crash has a deadline (:mod:`jifen.service.deadlines`), and does no harm until then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from jifen.domain import exchanges, stocks
from jifen.domain.account import Account, Change
from jifen.domain.coupons import Coupon
from jifen.domain.debits import FREE, Guard
from jifen.domain.entries import Source, instant_text
from jifen.domain.errors import Busy, DeadlinePassed, LedgerFault, Refusal, RewardOrderNotFound
from jifen.domain.exchanges import Asks, Made, Pieces, Wanted
from jifen.domain.ids import document_id, fingerprint, parse_document_id
from jifen.domain.mall_views import RewardOrdersView, RewardOrderView
from jifen.domain.money import Money
from jifen.domain.offers import Offer
from jifen.domain.order_views import order_view
from jifen.domain.program import Moment, Program
from jifen.domain.reward_orders import RewardOrder
from jifen.domain.rewards import OrderStatus, Reward, Stock
from jifen.domain.ruling import AuditLine
from jifen.service import stocking
from jifen.service.answering import Answer, Once
from jifen.service.deciding import Decision, account_writes, decide_once
from jifen.service.discounting import campaign_keys, discounts_now
from jifen.service.mall_documents import CouponKey, RewardKey, RewardOrderKey, StockKey
from jifen.service.ports import DocumentMoved, Ledger, Loaded, Patience, Posting, Tries, of_member, settle
from jifen.service.stocking import Watch

CONFIRM_TRIES = 3
"""How often a member who has the order already waits for its pieces to be counted."""

PUT_BACK_AT_ONCE = 90
"""Shards that pieces go back into in one transaction."""

LISTED_MAX = 2_000
"""The most orders of one member that are listed."""

PAGE = 250
"""Orders that are read in one trip."""


def known_order(loaded: Loaded, order_id: str) -> RewardOrder:
    """An order that was read.

    Raises:
        RewardOrderNotFound: there is none, or it never was.
    """
    found = loaded.documents.get(RewardOrderKey(member_of(order_id), order_id))
    if not isinstance(found, RewardOrder) or found.status is OrderStatus.ABANDONED:
        raise RewardOrderNotFound
    return found


def member_of(order_id: str) -> str:
    """Whose order an id is of.

    Raises:
        RewardOrderNotFound: it is none of ours.
    """
    found = parse_document_id(order_id)
    if found is None or found.prefix != "ro":
        raise RewardOrderNotFound
    return found.member


# Reading -------------------------------------------------------------------------------------------------------------


def shown(ledger: Ledger, order_id: str, moment: Moment) -> RewardOrderView:
    """A reward order as it is now.

    Raises:
        RewardOrderNotFound
    """
    key = RewardOrderKey(member_of(order_id), order_id)
    return order_view(known_order(ledger.load([], [key]), order_id), moment)


def orders_of(ledger: Ledger, member: str, moment: Moment, before: str | None, limit: int) -> RewardOrdersView:
    """A page of a member's orders, the newest first; ``before`` is the place that the page before it ended at."""
    placed = sorted(((_place(one), one) for one in _all(ledger, member)), key=lambda pair: pair[0], reverse=True)
    left = [pair for pair in placed if before is None or pair[0] < before]
    page = left[:limit]
    return {
        "orders": [order_view(one, moment) for _, one in page],
        "cursor": page[-1][0] if len(left) > limit else None,
    }


def _place(order: RewardOrder) -> str:
    return f"{instant_text(order.at)}#{order.id.rsplit('.', 1)[-1]}"


def _all(ledger: Ledger, member: str) -> list[RewardOrder]:
    found: list[RewardOrder] = []
    cursor: str | None = None
    while len(found) < LISTED_MAX:
        page = ledger.listed(of_member("reward orders", member), cursor, PAGE)
        orders = (one for one in page.documents if isinstance(one, RewardOrder))
        found += [one for one in orders if one.status is not OrderStatus.ABANDONED]
        cursor = page.cursor
        if cursor is None:
            break
    return found


# Exchanging ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Kept:
    """What an exchange has reserved so far: the shards as they are now, and the answer it would give."""

    shards: list[Stock] = field(default_factory=list)
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Exchanging:
    """The use cases of one request.

    Attributes:
        ledger: where everything is kept.
        program: the program in force.
        moment: now.
        patience: how long the caller can wait.
        subject: the caller's token's subject; an idempotency key is the caller's own.
        actor: role and name, as entries have it.
        key: the caller's idempotency key.
        low_stock: is told the reward of which few pieces are left now, and how many; nobody is where it is None.
    """

    ledger: Ledger
    program: Program
    moment: Moment
    patience: Patience
    subject: str
    actor: str
    key: str
    low_stock: Callable[[str, int], None] | None = None

    def exchange(self, member: str, wanted: Wanted, guard: Callable[[], Guard] = lambda: FREE) -> Answer:
        """Exchange points for a reward; the answer is a :class:`RewardOrderView`.

        ``guard`` is asked when there is something to decide: a request that was answered before costs no try.

        Raises:
            RewardNotFound, NotOpen, PriceChanged, InvalidInput, OutOfStock, AccountFrozen, LimitReached,
            InsufficientPoints, PasswordRequired, PasswordWrong, PasswordLocked, IdempotencyKeyReused, Busy
        """
        address = sorted((wanted.address or {}).items())
        asked = [member, wanted.reward, wanted.quantity, wanted.expected_points, address]
        once = Once.asked(self.subject, self.key, fingerprint("exchange", asked))
        # All that is asked for is in the id: what another request under the same key reserves is never taken for ours.
        order_id = str(document_id("ro", member, f"{once.key}\n{once.fingerprint}"))
        own = (RewardKey(wanted.reward), RewardOrderKey(member, order_id), StockKey(wanted.reward, 0))
        campaigns = campaign_keys(self.program, self.moment)
        kept = _Kept()

        def decide(loaded: Loaded) -> Decision:
            reward, order, shard = (loaded.documents.get(key) for key in own)
            if stocking.is_posted(order):  # by another attempt, whose answer was not there yet a moment ago
                raise DocumentMoved
            known, offer = exchanges.offered(reward if isinstance(reward, Reward) else None, self.program)
            less = discounts_now(self.program, loaded, self.moment)
            deal = exchanges.judge(loaded.accounts[member], offer, wanted, self.program, self.moment, guard(), less)
            kept.shards = stocking.reserve(
                self.ledger,
                self.patience,
                (known.id, known.shards),
                order_id,
                wanted.quantity,
                stocking.fence_of(order),
                self.moment.now,
                self.moment.now + timedelta(minutes=self.program.mall.reserve_minutes),
                offer.restock_on.isoformat() if offer.restock_on else None,
                [shard] if known.shards == 1 and isinstance(shard, Stock) else (),
                self._watch(known.id, offer),
            )
            pieces = Pieces(
                known.id,
                stocks.pieces_of(kept.shards, order_id),
                stocks.marks_of(kept.shards, order_id),
                stocks.codes_of(kept.shards, order_id),
            )
            fence = stocking.fence_of(order)
            made = exchanges.order_of(deal, order_id, pieces, fence, self.program, self.moment, self.actor)
            kept.answer = order_view(made.order, self.moment, made.change.account)
            return Decision(201, kept.answer, {member: made.change}, (made.order, *made.coupons))

        try:
            _, answer = decide_once(self.ledger, self.patience, once, [member], (*own, *campaigns), decide)
        except Refusal as refusal:
            if not isinstance(refusal, Busy):
                self._give_back(kept, order_id)
            raise
        if answer is kept.answer:
            self._settle(kept, order_id)
        else:
            self._give_back(kept, order_id)
        return answer

    def _watch(self, reward: str, offer: Offer) -> Watch | None:
        tell = self.low_stock
        return None if offer.low is None or tell is None else Watch(offer.low, lambda left: tell(reward, left))

    def _settle(self, kept: _Kept, order_id: str) -> None:
        """Count what the order was posted with as sold. That it fails is not the member's: it is settled later."""
        with contextlib.suppress(Busy):
            stocking.confirm(self.ledger, Tries(self.patience, CONFIRM_TRIES), kept.shards, order_id)

    def _give_back(self, kept: _Kept, order_id: str) -> None:
        """Settle what was reserved and not posted by this attempt; another one may have posted the order with it."""
        with contextlib.suppress(Busy):
            for shard in kept.shards:
                stocking.recover(self.ledger, Tries(self.patience, CONFIRM_TRIES), shard, order_id, self.moment.now)

    # Steps

    def address(self, order_id: str, address: Mapping[str, str]) -> Answer:
        """Say where an order goes, or say it anew; the answer is a :class:`RewardOrderView`.

        Raises:
            RewardOrderNotFound, DeadlinePassed, WrongStatus, InvalidInput, IdempotencyKeyReused, Busy
        """

        def step(order: RewardOrder, account: Account) -> Made:
            return Made(exchanges.addressed(order, address, self.moment, self.actor), Change(account))

        return self._step(order_id, "addressed", [sorted(address.items())], step)

    def paid(self, order_id: str, money: Money, payment_id: str) -> Answer:
        """Say that the money of an order is there; the answer is a :class:`RewardOrderView`.

        Raises:
            RewardOrderNotFound, DeadlinePassed, WrongStatus, InvalidInput, IdempotencyKeyReused, Busy
        """

        def step(order: RewardOrder, account: Account) -> Made:
            return exchanges.paid(order, account, money, payment_id, self.program, self.moment, self.actor)

        details = {"payment_id": payment_id, "amount_minor": money.amount_minor, "currency": money.currency}
        return self._step(order_id, "paid", [money.amount_minor, money.currency, payment_id], step, details=details)

    def ship(self, order_id: str, carrier: str, number: str) -> Answer:
        """Say that an order is on its way; the answer is a :class:`RewardOrderView`.

        Raises:
            RewardOrderNotFound, DeadlinePassed, WrongStatus, IdempotencyKeyReused, Busy
        """

        def step(order: RewardOrder, account: Account) -> Made:
            return Made(exchanges.shipped(order, carrier, number, self.moment, self.actor), Change(account))

        details = {"carrier": carrier, "number": number}
        return self._step(order_id, "shipped", [carrier, number], step, details=details)

    def deliver(self, order_id: str) -> Answer:
        """Say that the member has it; the answer is a :class:`RewardOrderView`.

        Raises:
            RewardOrderNotFound, DeadlinePassed, WrongStatus, IdempotencyKeyReused, Busy
        """

        def step(order: RewardOrder, account: Account) -> Made:
            return Made(exchanges.delivered(order, self.moment, self.actor), Change(account))

        return self._step(order_id, "delivered", [], step)

    def cancel(self, order_id: str, reason: str, *, member: bool, operator: bool) -> Answer:
        """Cancel an order; the answer is a :class:`RewardOrderView`.

        Raises:
            RewardOrderNotFound, DeadlinePassed, WrongStatus, Forbidden, IdempotencyKeyReused, Busy
        """
        asks = Asks(self.actor, member, operator)

        def step(order: RewardOrder, account: Account) -> Made:
            coupons = self._coupons(order)
            return exchanges.canceled(order, account, coupons, asks, reason, self.program, self.moment)

        return self._step(order_id, "canceled", [reason], step, reason)

    def give_back(
        self, order_id: str, reason: str, *, restock: bool, operator: bool, quantity: int | None = None
    ) -> Answer:
        """Take an order back that was sent, or some of its pieces; the answer is a :class:`RewardOrderView`.

        Raises:
            RewardOrderNotFound, DeadlinePassed, WrongStatus, Forbidden, InvalidInput, IdempotencyKeyReused, Busy
        """
        asks = Asks(self.actor, operator=operator)

        def step(order: RewardOrder, account: Account) -> Made:
            coupons = self._coupons(order)
            return exchanges.returned(
                order,
                account,
                coupons,
                asks,
                reason,
                self.program,
                self.moment,
                restock=restock,
                quantity=quantity,
            )

        details = {"restock": restock, "quantity": quantity}
        return self._step(order_id, "returned", [reason, restock, quantity], step, reason, details)

    def _coupons(self, order: RewardOrder) -> tuple[Coupon, ...]:
        keys = [CouponKey(order.member, one) for one in order.details.get("coupons", ())]
        found = self.ledger.load([], keys).documents if keys else {}
        return tuple(one for key in keys if isinstance(one := found.get(key), Coupon))

    def _step(
        self,
        order_id: str,
        name: str,
        asked: list[object],
        step: Callable[[RewardOrder, Account], Made],
        reason: str = "",
        details: Mapping[str, object] | None = None,
    ) -> Answer:
        """One step of an order: what changes, with an entry or a line of the audit, and the answer."""
        member = member_of(order_id)
        once = Once.asked(self.subject, self.key, fingerprint(f"reward-order-{name}", [order_id, *asked]))

        def decide(loaded: Loaded) -> Decision:
            order, account = known_order(loaded, order_id), loaded.accounts[member]
            made = step(order, account)
            answer = order_view(made.order, self.moment, made.change.account)
            if made.order is order:
                return Decision(200, answer)
            line = AuditLine(
                once.key[:22],
                self.moment.now,
                self.actor,
                f"reward_order.{name}",
                f"reward_order/{order_id}",
                reason,
                details or {},
            )
            audit = () if _has_entry(made) else (line,)
            return Decision(200, answer, {member: made.change}, (made.order, *made.coupons, *audit))

        keys = [RewardOrderKey(member, order_id)]
        try:
            _, answer = decide_once(self.ledger, self.patience, once, [member], keys, decide)
        except DeadlinePassed:
            lapse(self.ledger, self.program, self.moment, self.patience, order_id)
            raise
        if name in {"canceled", "returned"}:
            with contextlib.suppress(Busy):
                put_back(self.ledger, self.moment, Tries(self.patience, CONFIRM_TRIES), order_id)
        return answer


# What time does, and what was left over ------------------------------------------------------------------------------


def _has_entry(made: Made) -> bool:
    """Whether the step is an entry; any other is a line of the audit."""
    own = Source(exchanges.SOURCE, made.order.id)
    return any(entry.draft.source == own for entry in made.change.entries)


def lapse(ledger: Ledger, program: Program, moment: Moment, patience: Patience, order_id: str) -> bool:
    """Write down that an order's deadline has passed: cancelled where money was due, forfeited where an address was.

    Returns whether there was anything to do.

    Raises:
        Busy
    """
    member = member_of(order_id)
    key = RewardOrderKey(member, order_id)

    def attempt() -> bool:
        loaded = ledger.load([member], [key])
        order, account = known_order(loaded, order_id), loaded.accounts[member]
        if not exchanges.overdue(order, moment):
            return False
        if order.status is OrderStatus.CREATED:
            made = exchanges.unpaid(order, account, program, moment)
        else:
            made = Made(exchanges.forfeited(order, moment), Change(account))
        name = "forfeited" if made.order.status is OrderStatus.FORFEITED else "unpaid"
        line_id = order_id.rsplit(".", 1)[-1]
        line = AuditLine(line_id, moment.now, "system", f"reward_order.{name}", f"reward_order/{order_id}")
        audit = () if _has_entry(made) else (line,)
        writes = account_writes(loaded.accounts, {member: made.change})
        ledger.commit(Posting(writes, (made.order, *audit)), patience)
        return True

    done = settle(patience, attempt)
    if done:
        with contextlib.suppress(Busy):
            put_back(ledger, moment, Tries(patience, CONFIRM_TRIES), order_id)
    return done


def put_back(ledger: Ledger, moment: Moment, patience: Patience, order_id: str) -> bool:
    """Put the pieces of an order that came to nothing back into the stock, once; whether there were any.

    Raises:
        Busy: others kept winning; the order says what is still to be done, and has a deadline for it.
    """
    key = RewardOrderKey(member_of(order_id), order_id)

    def attempt() -> bool | None:
        order = known_order(ledger.load([], [key]), order_id)
        if not order.put_back:
            return False
        back = order.back or order.pieces
        numbers = sorted(map(int, back))[:PUT_BACK_AT_ONCE]
        rest = {number: pieces for number, pieces in back.items() if int(number) not in numbers}
        kept = {
            number: left
            for number, pieces in order.pieces.items()
            if (left := pieces - (back.get(number, 0) if int(number) in numbers else 0))
        }
        stock_keys = [StockKey(order.stock, number) for number in numbers]
        found = ledger.load([], [RewardKey(order.reward), *stock_keys]).documents
        shards = [one for key in stock_keys if isinstance(one := found.get(key), Stock)]
        try:
            filled = _with_back(order, shards)
        except LedgerFault:
            # The order was read before its stock: somebody else may have put the pieces back in between.
            if known_order(ledger.load([], [key]), order_id).version != order.version:
                raise DocumentMoved from None
            raise
        reward = found.get(RewardKey(order.reward))
        told = _arrived(ledger, reward, shards, moment) if isinstance(reward, Reward) else ()
        after = replace(order, pieces=kept, back=rest if order.back else {}, codes=(), put_back=bool(rest))
        ledger.commit(Posting(documents=(after, *filled, *told)), patience)
        return None if rest else True

    while (done := settle(patience, attempt)) is None:
        pass
    return done


def _arrived(ledger: Ledger, reward: Reward, shards: list[Stock], moment: Moment) -> tuple[Reward, ...]:
    """The reward, if those who wait for it have to be told: none of it was free."""
    if reward.shards > len(shards):
        shards = stocking.shards_of(ledger, reward.id, reward.shards)
    sold_out = bool(shards) and shards[0].subject == reward.id and stocks.available(shards) == 0
    return (replace(reward, tell_from=moment.now),) if sold_out else ()


def _with_back(order: RewardOrder, shards: list[Stock]) -> list[Stock]:
    """The shards once the order's pieces are back in them."""
    owner = order.source[1] if order.source and order.source[0] == "draw" else order.id
    codes = _codes_by_shard(order)
    return [
        stocks.put_back(
            shard,
            owner,
            (order.back or order.pieces)[str(shard.shard)],
            codes.get(shard.shard, ()),
            order.marks.get(str(shard.shard)),
        )
        for shard in shards
    ]


def _codes_by_shard(order: RewardOrder) -> dict[int, tuple[str, ...]]:
    """Which codes came from which shard: they stand by shard, as many as it gave."""
    left, found = list(order.codes), dict[int, tuple[str, ...]]()
    for number in sorted(map(int, order.pieces)):
        part = order.pieces[str(number)]
        found[number], left = tuple(left[:part]), left[part:]
    return found
