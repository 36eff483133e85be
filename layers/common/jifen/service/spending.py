"""Spending: redemptions, restores and holds, each answered once however often it is asked.

The document is looked up before anything is decided, so a retry gets the stored answer and is not judged again. When
the commit finds the document there after all (two at once, or our own attempt whose answer was lost), the loop loads
it and answers from it. A refusal has no commit to find that out, so it looks once more.

Points used on an order are written into the order too, in the same transaction: so the order knows of them when it
changes, and of one who uses points and one who cancels the order only one is first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from jifen.domain import spending, used_points
from jifen.domain.account import Account, Change
from jifen.domain.checkout import Basket
from jifen.domain.debits import FREE, Guard
from jifen.domain.errors import (
    AccountFrozen,
    HoldExpired,
    HoldNotFound,
    InsufficientPoints,
    LimitReached,
    OrderCancelled,
    PasswordRequired,
    RedemptionNotFound,
)
from jifen.domain.ids import document_id, fingerprint, parse_document_id
from jifen.domain.money import Money
from jifen.domain.orders import Order
from jifen.domain.program import Moment, Program
from jifen.domain.spending import Answer, Asked, Hold, Receipt, Redemption
from jifen.domain.used_points import Followed
from jifen.service.ports import (
    AccountMoved,
    AccountWrite,
    Document,
    DocumentKey,
    DocumentMoved,
    HoldKey,
    Ledger,
    Loaded,
    OrderKey,
    Patience,
    Posting,
    RedemptionKey,
    settle,
)
from jifen.service.spent_documents import document_key, names_of

RESTS_ON_ACCOUNT = (InsufficientPoints, AccountFrozen, LimitReached, PasswordRequired, HoldExpired, OrderCancelled)
"""Refusals for what the account or the order is like; all others follow from the request or the document alone."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What was read: the account, and what there is of the document and of the order."""

    account: Account
    document: Document | None
    order: Order | None = None


@dataclass(frozen=True, slots=True)
class _Decided:
    """The answer, and what is to be written so that it is true; nothing for an answer that was given before."""

    answer: Answer
    change: Change | None = None
    documents: tuple[Document, ...] = ()


class Paying(NamedTuple):
    """How points pay for an order.

    Attributes:
        basket: the order's lines.
        up_to: take as many points as can be used, at most those asked for.
        shop: whose order it is.
        guard: what allows spending above the limit of the points password, looked at only once points are to be taken;
            no part of what is asked.
    """

    basket: Basket | None = None
    up_to: bool = False
    shop: str = "standard"
    guard: Callable[[], Guard] = lambda: FREE

    def plain(self) -> dict[str, Any]:
        """What is asked, for a fingerprint; nothing of what is as usual."""
        said: dict[str, Any] = {}
        if self.basket is not None:
            rows = [
                [line.number, line.sku, line.amount_minor, line.kind, line.category, line.tax_minor, str(price)]
                for line, price in self.basket.items
            ]
            said["order"] = [self.basket.currency, rows]
        if self.up_to:
            said["up_to"] = True
        if self.shop != PLAINLY.shop:
            said["source"] = self.shop
        return said


PLAINLY = Paying()
"""Points for whatever it is."""


@dataclass(frozen=True, slots=True)
class Spending:
    """The use cases of one invocation: ``key`` is the caller's idempotency key, ``actor`` who asks."""

    ledger: Ledger
    program: Program
    moment: Moment
    patience: Patience
    key: str
    actor: str

    def redeem(
        self,
        member: str,
        points: int,
        order_id: str | None = None,
        order_total: Money | None = None,
        reason: str | None = None,
        paying: Paying = PLAINLY,
    ) -> Answer:
        """Spend ``points`` at once; what of the order was given back by then goes back at once.

        Raises:
            InsufficientPoints, AccountFrozen, LimitReached, PasswordRequired, OrderCancelled, IdempotencyKeyReused
            Busy
            InvalidInput: the order is in another currency than the program's.
        """
        asked = self._asked("rd", "redeem", member, points, order_id, order_total, reason, paying)

        def decide(found: _Found) -> _Decided:
            if isinstance(found.document, Redemption):
                return _Decided(found.document.receipt.again(asked.fingerprint))
            order, used = self._using(asked, found.order)
            now = replace(asked, used=used)
            document, change = spending.redeem(found.account, now, self.program, self.moment, paying.guard())
            if order is None:
                return _Decided(document.receipt.answer, change, (document,))
            followed = self._follow(document, order, change)
            answer = _with_returned(document.receipt.answer, followed, self.moment)
            document = replace(
                document, receipt=Receipt(asked.fingerprint, answer), restored=followed.document.restored
            )
            return _Decided(answer, followed.change, (document, order))

        return self._settle(member, RedemptionKey(member, asked.id), decide, asked)

    def authorize(
        self,
        member: str,
        points: int,
        order_id: str | None = None,
        expires_in_s: int | None = None,
        reason: str | None = None,
        order_total: Money | None = None,
        paying: Paying = PLAINLY,
    ) -> Answer:
        """Reserve ``points`` for ``expires_in_s`` seconds (None: the program's usual time).

        Raises:
            InsufficientPoints, AccountFrozen, LimitReached, PasswordRequired, OrderCancelled, IdempotencyKeyReused
            Busy
            InvalidInput: so long is not allowed, or the order is in another currency than the program's.
        """
        asked = self._asked("hd", "authorize", member, points, order_id, order_total, reason, paying, expires_in_s)

        def decide(found: _Found) -> _Decided:
            if isinstance(found.document, Hold):
                return _Decided(found.document.receipt.again(asked.fingerprint))
            order, used = self._using(asked, found.order)
            now = replace(asked, used=used)
            hold, change = spending.authorize(
                found.account, now, self.program, expires_in_s, self.moment, paying.guard()
            )
            return _Decided(hold.receipt.answer, change, (hold, order) if order else (hold,))

        return self._settle(member, HoldKey(member, asked.id), decide, asked)

    def capture(self, hold_id: str, points: int | None = None) -> Answer:
        """Spend ``points`` (None: all) of a hold; what of its order was given back by then goes back at once.

        Raises:
            HoldNotFound, HoldAlreadyResolved, HoldExpired, InvalidInput, IdempotencyKeyReused, Busy
        """
        print_ = fingerprint("capture", [hold_id, points])

        def resolve(account: Account, hold: Hold) -> tuple[Hold, Change]:
            captured, change = spending.capture(account, hold, points, self.key, print_, self.moment, self.actor)
            order = self._order_of(hold)
            if order is None:
                return captured, change
            followed = self._follow(captured, order, change)
            answer = _with_returned(captured.receipts[self.key].answer, followed, self.moment)
            receipts = {**captured.receipts, self.key: Receipt(print_, answer)}
            return replace(captured, restored=followed.document.restored, receipts=receipts), followed.change

        return self._resolve(hold_id, print_, resolve)

    def void(self, hold_id: str) -> Answer:
        """Give all of a hold back.

        Raises:
            HoldNotFound, HoldAlreadyResolved, HoldExpired, IdempotencyKeyReused, Busy
        """
        print_ = fingerprint("void", [hold_id])

        def resolve(account: Account, hold: Hold) -> tuple[Hold, Change]:
            return spending.void(account, hold, self.key, print_, self.moment)

        return self._resolve(hold_id, print_, resolve)

    def restore(self, redemption_id: str, points: int | None = None) -> Answer:
        """Put ``points`` (None: all that is left) of a redemption or captured hold back into their lots.

        Raises:
            RedemptionNotFound, InvalidInput, LimitReached, IdempotencyKeyReused, Busy
        """
        found_id = parse_document_id(redemption_id)
        if found_id is None:
            raise RedemptionNotFound
        print_ = fingerprint("restore", [redemption_id, points])

        def decide(found: _Found) -> _Decided:
            document = found.document
            if not isinstance(document, Redemption | Hold) or not document.spent:
                raise RedemptionNotFound
            if receipt := document.receipts.get(self.key):
                return _Decided(receipt.again(print_))
            asked = spending.RestoreAsked(points, self.key, print_, self.actor)
            document, change = spending.restore(found.account, document, asked, self.program, self.moment)
            return _Decided(document.receipts[self.key].answer, change, (document,))

        return self._settle(found_id.member, document_key(found_id), decide)

    def _resolve(self, hold_id: str, print_: str, resolve: Callable[[Account, Hold], tuple[Hold, Change]]) -> Answer:
        found_id = parse_document_id(hold_id)
        if found_id is None or found_id.prefix != "hd":
            raise HoldNotFound

        def decide(found: _Found) -> _Decided:
            hold = found.document
            if not isinstance(hold, Hold):
                raise HoldNotFound
            if receipt := hold.receipts.get(self.key):
                return _Decided(receipt.again(print_))
            hold, change = resolve(found.account, hold)
            return _Decided(hold.receipts[self.key].answer, change, (hold,))

        return self._settle(found_id.member, document_key(found_id), decide)

    def _asked(
        self,
        prefix: str,
        operation: str,
        member: str,
        points: int,
        order_id: str | None,
        order_total: Money | None,
        reason: str | None,
        paying: Paying,
        *more: Any,
    ) -> Asked:
        total = [order_total.amount_minor, order_total.currency] if order_total else None
        said = [plain] if (plain := paying.plain()) else []
        return Asked(
            id=str(document_id(prefix, member, self.key)),
            points=points,
            fingerprint=fingerprint(operation, [member, points, order_id, total, reason, *more, *said]),
            order_id=order_id,
            order_total=order_total,
            reason=reason,
            actor=self.actor,
            shop=paying.shop,
            basket=paying.basket,
            up_to=paying.up_to,
        )

    # The order that points are used on

    def _using(self, asked: Asked, known: Order | None) -> tuple[Order | None, int]:
        """The order that is asked for once it knows of these points, and the points that pay a part of it already.

        Raises:
            OrderCancelled, LimitReached
        """
        if asked.order_id is None:
            return None, 0
        order, used = known or Order(asked.shop, asked.order_id), 0
        if order.used and not order.cancelled:
            documents = self.ledger.load([], list(map(document_key, names_of(order)))).documents.values()
            spent = [one for one in documents if isinstance(one, Redemption | Hold)]
            order, used = used_points.looked_through(order, spent, self.moment)
        return used_points.using(order, asked.id), used

    def _order_of(self, hold: Hold) -> Order | None:
        """The order that a hold pays a part of; None where it has none, or one that nothing is known of.

        It is read after the hold. What has come to the order since the hold was read, and matters to it, is written
        into the hold too: then the commit under the hold's version fails.
        """
        if hold.order_id is None:
            return None
        key = OrderKey(hold.shop, hold.order_id)
        order = self.ledger.load([], [key]).documents.get(key)
        return order if isinstance(order, Order) else None

    def _follow(self, document: Redemption | Hold, order: Order, change: Change) -> Followed:
        return used_points.follow(document, order, change, self.program, self.moment, self.moment.now)

    # One read, one decision, one transaction

    def _settle(
        self, member: str, key: DocumentKey, decide: Callable[[_Found], _Decided], asked: Asked | None = None
    ) -> Answer:
        order_key = OrderKey(asked.shop, asked.order_id) if asked and asked.order_id else None

        def attempt() -> Answer:
            keys = [key, order_key] if order_key else [key]
            loaded = self.ledger.load([member], keys)
            account, document = loaded.accounts[member], loaded.documents.get(key)
            order = loaded.documents.get(order_key) if order_key else None
            try:
                decided = decide(_Found(account, document, order if isinstance(order, Order) else None))
            except RESTS_ON_ACCOUNT:
                self._check_unmoved(account, keys, loaded)
                raise
            if decided.change is not None:
                change = decided.change
                accounts = (AccountWrite(account, change.account, change.entries),) if change.entries else ()
                if not accounts:  # the answer that is kept tells of an account that no condition holds
                    self._check_unmoved(account, keys, loaded)
                self.ledger.commit(Posting(accounts, decided.documents), self.patience)
            return decided.answer

        return settle(self.patience, attempt)

    def _check_unmoved(self, account: Account, keys: Sequence[DocumentKey], found: Loaded) -> None:
        """See that a refusal rests on one state of the world; a commit is held to that by its conditions.

        The account and the documents are read together, but not at one instant: what is asked for may have been done
        by an earlier attempt in between. Then one shows it, the other does not, and the caller would be refused what
        it has got. Documents that a second read shows unchanged, or not there still, were so whenever the account was
        read. Where there is the first, the account has to be the same too: then all were so at one instant.

        Raises:
            DocumentMoved, AccountMoved: decide again.
        """
        document = found.documents.get(keys[0])
        again = self.ledger.load([account.member] if document else [], keys)
        if any(_version(again, key) != _version(found, key) for key in keys):
            raise DocumentMoved
        if document and again.accounts[account.member].revision != account.revision:
            raise AccountMoved


def _version(loaded: Loaded, key: DocumentKey) -> int:
    document = loaded.documents.get(key)
    return document.version if document else 0


def _with_returned(answer: Answer, followed: Followed, moment: Moment) -> Answer:
    """The answer, with what went back at once where something did."""
    if not followed.returned:
        return answer
    return {**answer, "restored": followed.returned, "available": followed.change.account.available(moment.today)}
