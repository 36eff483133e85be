"""Spending: redemptions, restores and holds, each answered once however often it is asked.

The document is looked up before anything is decided, so a retry gets the stored answer and is not judged again. When
the commit finds the document there after all (two at once, or our own attempt whose answer was lost), the loop loads
it and answers from it. A refusal has no commit to find that out, so it looks once more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from jifen.domain import spending
from jifen.domain.account import Account, Change
from jifen.domain.checkout import Basket
from jifen.domain.debits import FREE, Guard
from jifen.domain.errors import (
    AccountFrozen,
    HoldExpired,
    HoldNotFound,
    InsufficientPoints,
    LimitReached,
    PasswordRequired,
    RedemptionNotFound,
)
from jifen.domain.ids import DocumentId, document_id, fingerprint, parse_document_id
from jifen.domain.money import Money
from jifen.domain.program import Moment, Program
from jifen.domain.spending import Answer, Asked, Hold, Redemption
from jifen.service.ports import (
    AccountMoved,
    AccountWrite,
    Document,
    DocumentKey,
    DocumentMoved,
    HoldKey,
    Ledger,
    Patience,
    Posting,
    RedemptionKey,
    settle,
)

RESTS_ON_ACCOUNT = (InsufficientPoints, AccountFrozen, LimitReached, PasswordRequired, HoldExpired)
"""Refusals for what the account is like; all others follow from the request or the document alone."""


class Paying(NamedTuple):
    """How points pay for an order.

    Attributes:
        basket: the order's lines.
        up_to: take as many points as can be used, at most those asked for.
        shop: whose order it is.
        guard: what allows spending above the limit of the points password; no part of what is asked.
    """

    basket: Basket | None = None
    up_to: bool = False
    shop: str = "standard"
    guard: Guard = FREE

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
        """Spend ``points`` at once.

        Raises:
            InsufficientPoints, AccountFrozen, LimitReached, PasswordRequired, IdempotencyKeyReused, Busy
            InvalidInput: the order is in another currency than the program's.
        """
        asked = self._asked("rd", "redeem", member, points, order_id, order_total, reason, paying)

        def decide(account: Account, found: Document | None) -> tuple[Answer, Document | None, Change | None]:
            if isinstance(found, Redemption):
                return found.receipt.again(asked.fingerprint), None, None
            document, change = spending.redeem(account, asked, self.program, self.moment, paying.guard)
            return document.receipt.answer, document, change

        return self._settle(member, RedemptionKey(member, asked.id), decide)

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
            InsufficientPoints, AccountFrozen, LimitReached, PasswordRequired, IdempotencyKeyReused, Busy
            InvalidInput: so long is not allowed, or the order is in another currency than the program's.
        """
        asked = self._asked("hd", "authorize", member, points, order_id, order_total, reason, paying, expires_in_s)

        def decide(account: Account, found: Document | None) -> tuple[Answer, Document | None, Change | None]:
            if isinstance(found, Hold):
                return found.receipt.again(asked.fingerprint), None, None
            document, change = spending.authorize(account, asked, self.program, expires_in_s, self.moment, paying.guard)
            return document.receipt.answer, document, change

        return self._settle(member, HoldKey(member, asked.id), decide)

    def capture(self, hold_id: str, points: int | None = None) -> Answer:
        """Spend ``points`` (None: all) of a hold.

        Raises:
            HoldNotFound, HoldAlreadyResolved, HoldExpired, InvalidInput, IdempotencyKeyReused, Busy
        """
        print_ = fingerprint("capture", [hold_id, points])

        def resolve(account: Account, hold: Hold) -> tuple[Hold, Change]:
            return spending.capture(account, hold, points, self.key, print_, self.moment, self.actor)

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

        def decide(account: Account, found: Document | None) -> tuple[Answer, Document | None, Change | None]:
            match found:
                case Redemption() | Hold() if found.spent:
                    if receipt := found.receipts.get(self.key):
                        return receipt.again(print_), None, None
                    document, change = spending.restore(
                        account, found, points, self.key, print_, self.moment, self.actor
                    )
                    return document.receipts[self.key].answer, document, change
                case _:
                    raise RedemptionNotFound

        return self._settle(found_id.member, _document_key(found_id), decide)

    def _resolve(self, hold_id: str, print_: str, resolve: Callable[[Account, Hold], tuple[Hold, Change]]) -> Answer:
        found_id = parse_document_id(hold_id)
        if found_id is None or found_id.prefix != "hd":
            raise HoldNotFound

        def decide(account: Account, found: Document | None) -> tuple[Answer, Document | None, Change | None]:
            if not isinstance(found, Hold):
                raise HoldNotFound
            if receipt := found.receipts.get(self.key):
                return receipt.again(print_), None, None
            document, change = resolve(account, found)
            return document.receipts[self.key].answer, document, change

        return self._settle(found_id.member, _document_key(found_id), decide)

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

    def _settle(
        self,
        member: str,
        key: DocumentKey,
        decide: Callable[[Account, Document | None], tuple[Answer, Document | None, Change | None]],
    ) -> Answer:
        def attempt() -> Answer:
            loaded = self.ledger.load([member], [key])
            account, found = loaded.accounts[member], loaded.documents.get(key)
            try:
                answer, document, change = decide(account, found)
            except RESTS_ON_ACCOUNT:
                self._check_unmoved(account, key, found)
                raise
            if document is not None and change is not None:
                accounts = (AccountWrite(account, change.account, change.entries),) if change.entries else ()
                self.ledger.commit(Posting(accounts, (document,)), self.patience)
            return answer

        return settle(self.patience, attempt)

    def _check_unmoved(self, account: Account, key: DocumentKey, found: Document | None) -> None:
        """See that a refusal rests on one state of the world; a commit is held to that by its conditions.

        The account and the document are read together, but not at one instant: what is asked for may have been done
        by an earlier attempt in between. Then one shows it, the other does not, and the caller would be refused what
        it has got. A document that is not there yet was not there before, whenever the account was read. Where there
        is one, both have to be the same in a second read: then there was an instant at which both were.

        Raises:
            DocumentMoved: decide again.
        """
        again = self.ledger.load([account.member] if found else [], [key])
        now = again.documents.get(key)
        if found is None and now is None:
            return
        if found is None or now is None or now.version != found.version:
            raise DocumentMoved
        if again.accounts[account.member].revision != account.revision:
            raise AccountMoved


def _document_key(found: DocumentId) -> DocumentKey:
    return RedemptionKey(found.member, str(found)) if found.prefix == "rd" else HoldKey(found.member, str(found))
