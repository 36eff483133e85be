"""The ledger in a dictionary: the port's promises without a database, held to them by ``test_contract.py``."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date

from jifen.domain import lots as lot_book
from jifen.domain.account import Account
from jifen.domain.auctions import Auction, Bid
from jifen.domain.batches import BatchRow, ValidityBatch
from jifen.domain.coupons import Coupon
from jifen.domain.endpoints import Delivery, Endpoint, OutgoingRecord
from jifen.domain.entries import Entry
from jifen.domain.errors import LedgerFault
from jifen.domain.events import EventReceipt, EventStatus
from jifen.domain.failed_notices import FailedNotice
from jifen.domain.lotteries import Draw, Lottery
from jifen.domain.orders import Order
from jifen.domain.program import Program
from jifen.domain.reminders import AT_ONCE, index_text, next_expiry_on, next_reminder_on
from jifen.domain.reward_orders import RewardOrder
from jifen.domain.rewards import Reward, Wish
from jifen.domain.ruling import AuditLine, CampaignDraft, RuleVersion
from jifen.domain.sweeps import ShardProgress
from jifen.domain.transfers import Transfer
from jifen.service.life_documents import LifeDocument
from jifen.service.life_shelves import (
    BATCHES,
    ENDPOINTS,
    deliveries_of,
    failed_notices_of,
    outgoing_of,
    rows_of,
    shards_of,
)
from jifen.service.ports import (
    AUCTIONS,
    CAMPAIGN_DRAFTS,
    LOTTERIES,
    REVIEWS,
    REWARDS,
    RULE_VERSIONS,
    AccountMoved,
    AccountWrite,
    Document,
    DocumentKey,
    DocumentMoved,
    DuePage,
    EntryPage,
    ListPage,
    Loaded,
    Patience,
    Posting,
    Shelf,
    Stale,
    Sweep,
    audit_of,
    due_between,
    key_of,
    of_member,
    wishes_of,
)

ITEMS_MAX = 100


class MemoryLedger:
    """Accounts, entries and documents of one program. ``loads`` and ``commits`` count calls, refused ones too."""

    def __init__(self, program: Program, shards: int = 4) -> None:
        self.program = program
        self.shards = shards
        self.loads = 0
        self.commits = 0
        self._accounts: dict[str, Account] = {}
        self._dates: dict[str, Mapping[Sweep, date | None]] = {}
        self._entries: dict[tuple[str, int], Entry] = {}
        self._documents: dict[DocumentKey, Document] = {}
        self._lock = threading.Lock()

    def shard(self, member: str) -> int:
        """The shard that a member's due dates are kept in."""
        return zlib.crc32(member.encode()) % self.shards

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        """See :class:`jifen.service.ports.Ledger`."""
        self.loads += 1
        return Loaded(
            {member: self._accounts.get(member, Account(member)) for member in members},
            {key: self._documents[key] for key in documents if key in self._documents},
        )

    def commit(self, posting: Posting, patience: Patience) -> None:
        """See :class:`jifen.service.ports.Ledger`; the outcome is always definite, so nobody has to be patient."""
        del patience
        self.commits += 1
        if posting.items > ITEMS_MAX:
            message = f"{posting.items} items do not fit into one transaction"
            raise LedgerFault(message)
        _refuse_fractions(posting)
        with self._lock:
            if any(self._moved(document) for document in posting.documents):
                raise DocumentMoved
            if any(self._contradicts(write) for write in posting.accounts):
                raise AccountMoved
            for write in posting.accounts:
                self._accounts[write.after.member] = replace(write.after, revision=write.before.revision + 1)
                self._dates[write.after.member] = self._next_dates(write.after)
                self._entries.update({(entry.member, entry.sequence): entry for entry in write.entries})
            for document in posting.documents:
                self._documents[key_of(document)] = replace(document, version=document.version + 1)

    def _moved(self, document: Document) -> bool:
        known = self._documents.get(key_of(document))
        return document.version != (known.version if known else 0)

    def _contradicts(self, write: AccountWrite) -> bool:
        known = self._accounts.get(write.before.member)
        taken = lot_book.total(write.before.lots) - lot_book.total(write.after.lots)
        return (
            write.before.revision != (known.revision if known else 0)
            or (known is not None and taken > lot_book.total(known.lots))
            or any((entry.member, entry.sequence) in self._entries for entry in write.entries)
        )

    def entries(self, member: str, before: int | None, limit: int) -> EntryPage:
        """See :class:`jifen.service.ports.Ledger`."""
        below = [entry for entry in self.history(member) if before is None or entry.sequence < before]
        return EntryPage(tuple(reversed(below[-limit:])), more=len(below) > limit)

    def history(self, member: str) -> Iterator[Entry]:
        """See :class:`jifen.service.ports.Ledger`."""
        keys = sorted(key for key in self._entries if key[0] == member)
        yield from (self._entries[key] for key in keys)

    def due(self, sweep: Sweep, shard: int, through: date, cursor: str | None, limit: int) -> DuePage:
        """See :class:`jifen.service.ports.Ledger`."""
        stretches = due_between(through)
        keys = sorted(
            f"{index_text(day)}#{account.member}"
            for account in self._accounts.values()
            if self.shard(account.member) == shard and (day := self._dates[account.member][sweep]) is not None
        )
        due = [key for key in keys if any(low <= key <= high for low, high in stretches)]
        left = [key for key in due if cursor is None or key > cursor]
        page = left[:limit]
        days = (date.fromisoformat(key[:10]) for key in page)
        oldest = next((day for day in days if day != AT_ONCE), None)
        return DuePage(tuple(key.split("#", 1)[1] for key in page), page[-1] if len(left) > limit else None, oldest)

    def due_count(self, sweep: Sweep, shard: int, through: date) -> int:
        """See :class:`jifen.service.ports.Ledger`."""
        return len(self.due(sweep, shard, through, None, len(self._accounts)).members)

    def stale(self, members: Sequence[str], renewed: Callable[[Account], Account]) -> Stale:
        """See :class:`jifen.service.ports.Ledger`."""
        known = [self._accounts[member] for member in members if member in self._accounts]
        writes = [AccountWrite(before, renewed(before)) for before in known]
        return Stale(tuple(write for write in writes if self._stale(write)))

    def _stale(self, write: AccountWrite) -> bool:
        dates = self._dates[write.before.member]
        return write.after != write.before or dates != self._next_dates(write.after)

    def listed(self, shelf: Shelf, before: str | None, limit: int) -> ListPage:
        """See :class:`jifen.service.ports.Ledger`."""
        oldest_first = shelf == REVIEWS or shelf.until is not None
        found = sorted(
            (placed for one in self._documents.values() if (placed := _placed(shelf, one))),
            key=lambda placed: placed[0],
            reverse=not oldest_first,
        )
        left = [one for one in found if before is None or (one[0] > before if oldest_first else one[0] < before)]
        page = left[:limit]
        return ListPage(tuple(document for _, document in page), page[-1][0] if len(left) > limit else None)

    def follow(self, program: Program) -> None:
        """See :class:`jifen.service.ports.Ledger`."""
        self.program = program

    def _next_dates(self, account: Account) -> Mapping[Sweep, date | None]:
        """Kept as they are worked out, as on the table: another program changes none that stands."""
        return {
            Sweep.EXPIRE: next_expiry_on(account, self.program),
            Sweep.REMIND: next_reminder_on(account, self.program),
        }


def _placed(shelf: Shelf, document: Document) -> tuple[str, Document] | None:  # noqa: PLR0911 - one for each kind
    """A document with its place on the shelf; None where it does not stand there."""
    match document:
        case RuleVersion() if shelf == RULE_VERSIONS:
            return f"{document.number:06d}", document
        case CampaignDraft() if shelf == CAMPAIGN_DRAFTS:
            return document.id, document
        case EventReceipt(status=EventStatus.IN_REVIEW) if shelf == REVIEWS:
            return f"{document.at.astimezone(UTC).date()}#{document.member}#{document.event_id}", document
        case AuditLine() if shelf == audit_of(f"{document.at.astimezone(UTC):%Y-%m}"):
            return f"{document.at.timestamp():020.6f}#{document.id}", document
        case Reward() | Lottery() | Auction() if shelf == _WHOLE[type(document)]:
            return document.id, document
        case Wish() if shelf == wishes_of(document.reward):
            return document.member, document
        case RewardOrder() | Coupon() | Draw() | Bid() | Transfer() if shelf == of_member(
            _OWNED[type(document)], document.member
        ):
            return document.id, document
        case (
            Endpoint() | ValidityBatch() | ShardProgress() | BatchRow() | Delivery() | OutgoingRecord() | FailedNotice()
        ):
            row = _beside(document)
            return (row[1], document) if shelf == row[0] else None
    return _overdue(shelf, document)


def _beside(document: LifeDocument) -> tuple[Shelf, str]:  # noqa: PLR0911 - one for each kind
    """The shelf of a document of sweeps, policies, notices or events out, and its place there."""
    match document:
        case Endpoint():
            return ENDPOINTS, document.id
        case ValidityBatch():
            return BATCHES, document.id
        case ShardProgress():
            return shards_of(document.sweep), f"{document.run}#{document.shard:04d}"
        case BatchRow():
            return rows_of(document.batch, document.shard), document.member
        case Delivery():
            at = f"{document.at.timestamp():020.6f}#{document.event_id}"
            return deliveries_of(document.endpoint, document.day), at
        case OutgoingRecord():
            return outgoing_of(document.hour, document.part), f"{document.at.timestamp():020.6f}#{document.event_id}"
        case FailedNotice():
            at = f"{document.at.timestamp():020.6f}#{document.notice_id}#{document.channel}"
            return failed_notices_of(document.month), at
    raise TypeError(document)


_WHOLE: Mapping[type, Shelf] = {Reward: REWARDS, Lottery: LOTTERIES, Auction: AUCTIONS}
_OWNED: Mapping[type, str] = {
    RewardOrder: "reward orders",
    Coupon: "coupons",
    Draw: "draws",
    Bid: "bids",
    Transfer: "transfers",
}


def _overdue(shelf: Shelf, document: Document) -> tuple[str, Document] | None:
    """A document with its deadline, where the shelf lists those up to then."""
    due = getattr(document, "due_at", None)
    if shelf.until is None or due is None or due > shelf.until:
        return None
    return f"{due.timestamp():020.6f}#{key_of(document)}", document


def _refuse_fractions(posting: Posting) -> None:
    """Points and amounts are whole: an int and nothing that only looks like one.

    Raises:
        TypeError: something is a float, a bool or a text.
    """
    numbers: list[object] = []
    for write in posting.accounts:
        account, life = write.after, write.after.lifetime
        numbers += [account.version, account.debt, life.earned, life.redeemed, life.expired, life.clawed_back]
        numbers += [lot.points for lot in account.lots]
        numbers += [lot.points for hold in account.holds for lot in hold.lots]
        for entry in write.entries:
            draft = entry.draft
            numbers += [draft.points, draft.debt, entry.balance_after]
            numbers += [change.points for change in (*draft.lots, *draft.hold_lots)]
    for document in posting.documents:
        if isinstance(document, Order):
            numbers += [line.amount_minor for line in document.paid.lines] if document.paid else []
            numbers += [document.award.granted, document.award.lapsed] if document.award else []
            numbers += document.forgiven.values()
    if wrong := [number for number in numbers if type(number) is not int]:
        message = f"whole numbers only, not {wrong}"
        raise TypeError(message)
