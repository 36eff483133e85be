"""Transfers: points given to a friend, taken back while the friend cannot use them yet, and looked at.

Both accounts, the transfer and the answer are one transaction. It is conditional on the version of each account, so
two gifts that cross, or a ring of them, cannot each be half done, and no order of locking has to be agreed on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jifen.domain import transfers
from jifen.domain.debits import FREE, Guard
from jifen.domain.entries import day_text, instant_text
from jifen.domain.errors import TransferFinal, TransferNotFound
from jifen.domain.ids import document_id, fingerprint, parse_document_id
from jifen.domain.program import Moment, Program
from jifen.domain.spending import lots_plain
from jifen.domain.transfers import Gift, Transfer
from jifen.domain.views import TransferCanceledView, TransferDetailView, TransfersView, TransferView
from jifen.service.answering import Answer, Once
from jifen.service.deciding import Decision, decide_once
from jifen.service.mall_documents import TransferKey
from jifen.service.ports import DocumentMoved, Ledger, Loaded, Patience, of_member


def transfers_page(ledger: Ledger, member: str, before: str | None, limit: int) -> TransfersView:
    """A page of what a member gave, in no order; the cursor is the ledger's own."""
    page = ledger.listed(of_member("transfers", member), before, limit)
    found = [detail(one) for one in page.documents if isinstance(one, Transfer)]
    return {"transfers": found, "cursor": page.cursor}


def sender_of(transfer_id: str) -> str:
    """Whose transfer an id is of.

    Raises:
        TransferNotFound: it is none of ours.
    """
    found = parse_document_id(transfer_id)
    if found is None or found.prefix != "tr":
        raise TransferNotFound
    return found.member


def known(ledger: Ledger, transfer_id: str) -> Transfer:
    """A transfer by its id.

    Raises:
        TransferNotFound
    """
    key = TransferKey(sender_of(transfer_id), transfer_id)
    return _known(ledger.load([], [key]), key)


def detail(transfer: Transfer) -> TransferDetailView:
    """What both sides may see of a transfer."""
    return {
        "transfer_id": transfer.id,
        "member_id": transfer.member,
        "to": transfer.to,
        "points": transfer.points,
        "status": str(transfer.status),
        "sent_at": instant_text(transfer.at),
        "active_from": day_text(transfer.active_from),
        "canceled_at": instant_text(transfer.canceled_at) if transfer.canceled_at else None,
        "note": transfer.note,
        "lots": lots_plain(transfer.handed_over),
    }


@dataclass(frozen=True, slots=True)
class Transferring:
    """The use cases of one invocation.

    Attributes:
        ledger: where everything is kept.
        program: the program in force.
        moment: now.
        patience: how long the caller can wait.
        subject: the caller's token's subject; an idempotency key is the caller's own.
        actor: role and name, as entries have it.
        key: the caller's idempotency key.
    """

    ledger: Ledger
    program: Program
    moment: Moment
    patience: Patience
    subject: str
    actor: str
    key: str

    def send(
        self, member: str, to: str, points: int, note: str = "", guard: Callable[[], Guard] = lambda: FREE
    ) -> Answer:
        """Give ``points`` of ``member`` to ``to``; the answer is a :class:`TransferView`.

        ``guard`` is asked when there is something to decide: a request that was answered before costs no try.

        Raises:
            NotOffered, InvalidInput, LimitReached, AccountFrozen, InsufficientPoints, RecipientUnavailable,
            PasswordRequired, PasswordWrong, PasswordLocked, IdempotencyKeyReused, Busy
        """
        once = Once.asked(self.subject, self.key, fingerprint("transfer", [member, to, points, note]))
        gift = Gift(str(document_id("tr", member, once.key)), member, to, points, note, self.actor)

        def decide(loaded: Loaded) -> Decision:
            transfers.check(gift, self.program.transfers)
            sender, receiver = loaded.accounts[member], loaded.accounts[to]
            moved = transfers.send(sender, receiver, gift, self.program, self.moment, guard())
            answer: TransferView = {
                "transfer_id": gift.id,
                "points": points,
                "to": to,
                "available": moved.sender.account.available(self.moment.today),
                "active_from": day_text(moved.transfer.active_from),
                "lots": lots_plain(moved.transfer.handed_over),
            }
            return Decision(201, answer, {member: moved.sender, to: moved.receiver}, (moved.transfer,))

        members = list(dict.fromkeys((member, to)))
        return decide_once(self.ledger, self.patience, once, members, [], decide)[1]

    def cancel(self, transfer_id: str) -> Answer:
        """Take a transfer back; the answer is a :class:`TransferCanceledView`.

        Raises:
            TransferNotFound, WrongStatus, TransferFinal, AccountFrozen, IdempotencyKeyReused, Busy
        """
        found = known(self.ledger, transfer_id)
        once = Once.asked(self.subject, self.key, fingerprint("transfer-cancel", [transfer_id]))
        key = TransferKey(found.member, transfer_id)

        def decide(loaded: Loaded) -> Decision:
            sender, receiver = loaded.accounts[found.member], loaded.accounts[found.to]
            transfer = _known(loaded, key)
            try:
                moved = transfers.cancel(sender, receiver, transfer, self.program, self.moment, self.actor)
            except TransferFinal:
                # Transfer and account are not read at one instant: another cancellation in between took the points.
                if _known(self.ledger.load([], [key]), key).version != transfer.version:
                    raise DocumentMoved from None
                raise
            answer: TransferCanceledView = {
                "transfer_id": transfer_id,
                "status": str(moved.transfer.status),
                "points": transfer.points,
                "available": moved.sender.account.available(self.moment.today),
            }
            changes = {found.member: moved.sender, found.to: moved.receiver}
            return Decision(200, answer, changes, (moved.transfer,))

        return decide_once(self.ledger, self.patience, once, [found.member, found.to], [key], decide)[1]


def _known(loaded: Loaded, key: TransferKey) -> Transfer:
    found = loaded.documents.get(key)
    if not isinstance(found, Transfer):
        raise TransferNotFound
    return found
