"""What the use cases need from outside, in the domain's words.

A commit is optimistic: it says what it read, and fails when that has moved meanwhile. The use case then loads again and
decides again; :func:`settle` is the one loop that does so, until the caller's time is up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from jifen.domain.account import Account
from jifen.domain.campaigns import CampaignState
from jifen.domain.entries import Entry
from jifen.domain.errors import Busy
from jifen.domain.events import Answered, EventReceipt, OnceMark
from jifen.domain.orders import Order, OrderEvent
from jifen.domain.ruling import AuditLine, CampaignDraft, ProgramInForce, RuleVersion, StoredRules
from jifen.domain.spending import Hold, Redemption

if TYPE_CHECKING:
    from jifen.domain.notices import Notice
    from jifen.domain.outgoing import OutgoingEvent
    from jifen.domain.program import Program
    from jifen.service.life_documents import LifeDocument, LifeKey
    from jifen.service.mall_documents import MallDocument, MallKey
    from jifen.service.sweep_documents import SweepDocument

# Documents -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OrderKey:
    """An order of one shop."""

    shop: str
    order_id: str


@dataclass(frozen=True, slots=True)
class UnmatchedKey:
    """A refund that names no order."""

    shop: str
    refund_id: str


@dataclass(frozen=True, slots=True)
class RedemptionKey:
    """A redemption, by its whole id."""

    member: str
    id: str


@dataclass(frozen=True, slots=True)
class HoldKey:
    """A hold, by its whole id."""

    member: str
    id: str


@dataclass(frozen=True, slots=True)
class ContactKey:
    """How to reach a member."""

    member: str
    part: str = "contact"


# Keys of different kinds are never equal: they are tuples, and ``part`` tells those apart that have the same form.


@dataclass(frozen=True, slots=True)
class EventKey:
    """What came of a behaviour event of a member."""

    member: str
    event_id: str
    part: str = "event"


@dataclass(frozen=True, slots=True)
class OnceKey:
    """That a rule has given points of a member for one value."""

    member: str
    rule: str
    value: str
    part: str = "once"


@dataclass(frozen=True, slots=True)
class AnsweredKey:
    """The answer that a request got; ``key`` is a hash over caller and idempotency key."""

    key: str
    part: str = "answered"


@dataclass(frozen=True, slots=True)
class CampaignKey:
    """The state of a campaign."""

    id: str
    part: str = "campaign"


@dataclass(frozen=True, slots=True)
class CampaignDraftKey:
    """A campaign that an operator prepared."""

    campaign: str
    part: str = "campaign draft"


@dataclass(frozen=True, slots=True)
class RuleVersionKey:
    """A version of the program."""

    number: int
    part: str = "rule version"


@dataclass(frozen=True, slots=True)
class ProgramKey:
    """Which version is in force; there is one of it."""

    part: str = "program"


@dataclass(frozen=True, slots=True)
class RulesKey:
    """Rules by the fingerprint of their text."""

    fingerprint: str
    part: str = "rules"


@dataclass(frozen=True, slots=True)
class AuditKey:
    """A line of the audit; ``at`` is when."""

    at: datetime
    id: str
    part: str = "audit"


if TYPE_CHECKING:
    DocumentKey = (
        OrderKey
        | UnmatchedKey
        | RedemptionKey
        | HoldKey
        | ContactKey
        | EventKey
        | OnceKey
        | AnsweredKey
        | CampaignKey
        | CampaignDraftKey
        | RuleVersionKey
        | ProgramKey
        | RulesKey
        | AuditKey
        | MallKey
        | LifeKey
    )
else:
    DocumentKey = object  # so that nobody imports the mall who has no business there


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A refund without an order: recorded, moves nothing. ``event`` is the event as it came, reduced."""

    event: OrderEvent
    version: int = 0


@dataclass(frozen=True, slots=True)
class Contact:
    """How to reach a member, and where not.

    Attributes:
        language: zh or en.
        phone: E.164 (``+8613800138000``).
        push: ARN of the SNS endpoint of the member's device.
        wechat: the member's openid; ``wechat_kind`` is ``official`` or ``mini``, whose it is.
        consents: messages that the member has allowed there and that were not sent yet: one each.
        time_zone: IANA zone for quiet hours; None is the program's.
        refuses: channels and kinds of notices that the member does not want; ``*`` is all.
    """

    member: str
    email: str | None = None
    language: str = "en"
    version: int = 0
    phone: str | None = None
    push: str | None = None
    wechat: str | None = None
    wechat_kind: str = "official"
    consents: int = 0
    time_zone: str | None = None
    refuses: tuple[str, ...] = ()


if TYPE_CHECKING:
    Document = (
        Order
        | Unmatched
        | Redemption
        | Hold
        | Contact
        | EventReceipt
        | OnceMark
        | Answered
        | CampaignState
        | CampaignDraft
        | RuleVersion
        | ProgramInForce
        | StoredRules
        | AuditLine
        | MallDocument
        | LifeDocument
    )
else:
    Document = object


SWEEP_MODULE = "jifen.domain.sweeps"
"""The module whose documents :mod:`jifen.service.sweep_documents` knows."""

LIFE_MODULES = frozenset(f"jifen.domain.{name}" for name in ("batches", "endpoints", "failed_notices"))
"""Modules whose documents :mod:`jifen.service.life_documents` knows."""


def key_of(document: Document) -> DocumentKey:  # noqa: C901, PLR0911, PLR0912 - one case for each kind
    """The key under which a document is kept."""
    match document:
        case Order():
            return OrderKey(document.shop, document.order_id)
        case Unmatched():
            event = document.event
            return UnmatchedKey(event.shop, event.refund.refund_id if event.refund else event.event_id)
        case Redemption():
            return RedemptionKey(document.member, document.id)
        case Hold():
            return HoldKey(document.member, document.id)
        case Contact():
            return ContactKey(document.member)
        case EventReceipt():
            return EventKey(document.member, document.event_id)
        case OnceMark():
            return OnceKey(document.member, document.rule, document.value)
        case Answered():
            return AnsweredKey(document.key)
        case CampaignState():
            return CampaignKey(document.id)
        case CampaignDraft():
            return CampaignDraftKey(document.id)
        case RuleVersion():
            return RuleVersionKey(document.number)
        case ProgramInForce():
            return ProgramKey()
        case StoredRules():
            return RulesKey(document.fingerprint)
        case AuditLine():
            return AuditKey(document.at, document.id)
        case _ if type(document).__module__ == SWEEP_MODULE:
            from jifen.service import sweep_documents  # noqa: PLC0415 - see there

            return sweep_documents.key_of(cast("SweepDocument", document))
        case _ if type(document).__module__ in LIFE_MODULES:
            from jifen.service import life_documents  # noqa: PLC0415 - see there

            return life_documents.key_of(cast("LifeDocument", document))
        case _:
            from jifen.service import mall_documents  # noqa: PLC0415 - see there

            return mall_documents.key_of(cast("MallDocument", document))


@dataclass(frozen=True, slots=True)
class Shelf:
    """Documents that stand together and are listed page by page.

    ``month`` (2026-11) is that of an audit, ``owner`` the member or reward whose shelf it is, ``until`` the instant up
    to which deadlines are listed.
    """

    name: str
    month: str = ""
    owner: str = ""
    until: datetime | None = None


RULE_VERSIONS = Shelf("rule versions")
"""Every version of the program, the highest number first."""

CAMPAIGN_DRAFTS = Shelf("campaign drafts")
"""Every campaign that was prepared, ids from z to a."""

REVIEWS = Shelf("reviews")
"""Events that wait for an operator, the longest waiting first."""


def audit_of(month: str) -> Shelf:
    """What operators did in a month (2026-11, in UTC), the newest first."""
    return Shelf("audit", month)


REWARDS = Shelf("rewards")
"""Every reward, ids from z to a."""

LOTTERIES = Shelf("lotteries")
"""Every lottery, ids from z to a."""

AUCTIONS = Shelf("auctions")
"""Every auction, ids from z to a."""


def wishes_of(reward: str) -> Shelf:
    """Members who wait for a reward, in no order that means anything."""
    return Shelf("wishes", owner=reward)


def of_member(name: str, member: str) -> Shelf:
    """A member's own: ``reward orders``, ``coupons``, ``draws``, ``bids`` or ``transfers``, in no order."""
    return Shelf(name, owner=member)


def deadlines(until: datetime) -> Shelf:
    """Documents that somebody has to look at by ``until``, the most overdue first: see their ``due_at``.

    A hint, like the queue of reviews: what was dealt with a moment ago may still be listed, as it is now.
    """
    return Shelf("deadlines", until=until)


POSTING_ITEMS_MAX = 100
"""The most items that can be written together (a DynamoDB transaction)."""

# The ledger ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loaded:
    """What one read found. A member nobody has seen has an empty account; a missing document is absent."""

    accounts: Mapping[str, Account]
    documents: Mapping[DocumentKey, Document]


@dataclass(frozen=True, slots=True)
class AccountWrite:
    """An account as it was read and as it shall be, with the entries that lead from one to the other."""

    before: Account
    after: Account
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Posting:
    """What is written together or not at all.

    ``documents`` carry the version they were read with (0: never written); the commit raises it by one.
    """

    accounts: tuple[AccountWrite, ...] = ()
    documents: tuple[Document, ...] = ()

    @property
    def items(self) -> int:
        """How many items the transaction writes."""
        return len(self.accounts) + len(self.documents) + sum(len(write.entries) for write in self.accounts)


class Moved(Exception):
    """Something this decision was based on has changed; nothing was written."""


class AccountMoved(Moved):
    """An account was written by someone else since it was read."""


class DocumentMoved(Moved):
    """A document was written by someone else, or by an attempt of ours whose answer was lost."""


class Patience(Protocol):
    """How long the caller can wait. One per invocation."""

    def pause(self, attempt: int) -> None:
        """Wait before try number ``attempt`` (1 is the first retry), with jitter.

        Raises:
            Busy: there is no time left for another try.
        """


@dataclass(frozen=True, slots=True)
class Tries:
    """Another's patience, at most ``most`` times."""

    inner: Patience
    most: int

    def pause(self, attempt: int) -> None:
        """See :class:`Patience`."""
        if attempt > self.most:
            raise Busy
        self.inner.pause(attempt)


class Sweep(StrEnum):
    """The scheduled runs; each has an index of the accounts that are due."""

    EXPIRE = "expire"
    REMIND = "remind"


def due_before(through: date) -> str:
    """What is above every index key of a day up to ``through``, and below that of any later one."""
    return f"{through.isoformat()}~"


def due_between(through: date) -> tuple[tuple[str, str], ...]:
    """The stretches of the index that have what is due, from and to, in order.

    Through a day: everything up to its end. Through an instant: what was held to the end of quiet hours that are over
    by then, since the day before (in UTC); of accounts that wait for a day no key is read.
    """
    if not isinstance(through, datetime):
        return (("", due_before(through)),)
    now = through.astimezone(UTC)
    today, before = now.date(), now.date() - timedelta(days=1)
    return ((f"{before}T", f"{before}T~"), (f"{today}T", f"{now:%Y-%m-%dT%H:%M:%S}Z~"))


@dataclass(frozen=True, slots=True)
class DuePage:
    """Members an index names as due, and where to go on (None: this shard is done). A hint, not a fact.

    ``oldest`` is the day of the first of them; None where there are none, or where they stand by no day.
    """

    members: tuple[str, ...]
    cursor: str | None
    oldest: date | None = None


@dataclass(frozen=True, slots=True)
class Stale:
    """Accounts to be written again for their next dates' sake, as they are and as they shall be.

    ``unreadable`` are members whose account this code cannot read, each with why.
    """

    writes: tuple[AccountWrite, ...]
    unreadable: tuple[tuple[str, Exception], ...] = ()


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Entries, newest first, and whether there are older ones."""

    entries: tuple[Entry, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class ListPage:
    """Documents of a shelf, and where to go on (None: there are no more).

    ``unreadable`` are those that stand there and that this code cannot read, each with its keys and why.
    """

    documents: tuple[Document, ...]
    cursor: str | None
    unreadable: tuple[tuple[str, Exception], ...] = ()


class Ledger(Protocol):
    """The points of all members and the documents behind them."""

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        """Read accounts and documents, strongly consistent; up to 100 in all are one round trip."""

    def commit(self, posting: Posting, patience: Patience) -> None:
        """Write all of it, or nothing.

        Raises:
            AccountMoved, DocumentMoved: decide again on what is there now.
            Busy: the outcome could not be settled in the caller's time; trying again is safe.
        """

    def entries(self, member: str, before: int | None, limit: int) -> EntryPage:
        """The newest ``limit`` entries with a sequence below ``before`` (None: all)."""

    def history(self, member: str) -> Iterator[Entry]:
        """Every entry, sequence 1 first, page by page."""

    def due(self, sweep: Sweep, shard: int, through: date, cursor: str | None, limit: int) -> DuePage:
        """Members of ``shard`` whose next date for ``sweep`` is ``through`` or earlier.

        Through an instant (a ``datetime``): only those that were held to the end of quiet hours, see ``due_between``.
        """

    def due_count(self, sweep: Sweep, shard: int, through: date) -> int:
        """How many members :meth:`due` names from the first page to the last, by one reading of the index."""

    def stale(self, members: Sequence[str], renewed: Callable[[Account], Account]) -> Stale:
        """Of up to 100 accounts those that ``renewed`` changes, and those that stand under other dates than theirs.

        Their dates are those that the program followed gives the renewed account; read strongly, in one round trip.
        """

    def listed(self, shelf: Shelf, before: str | None, limit: int) -> ListPage:
        """A page of a shelf; ``before`` is the cursor of the page before it (None: the first one).

        A page may be shorter than ``limit`` and have a cursor all the same. The queue of reviews is a hint: what was
        decided a moment ago may be missing in it, or it may be short of what came in a moment ago.
        """

    def follow(self, program: Program) -> None:
        """From now on work out next dates by this program: another one has come into force."""


# The world around ----------------------------------------------------------------------------------------------------


class OrderQueue(Protocol):
    """Where verified order events wait for the ledger."""

    def send(self, events: Sequence[OrderEvent]) -> None:
        """Hand over the events of one delivery, all of one order; returns when they are safe.

        They travel as one message; only where they do not fit into one, as several. After a failure they may all be
        handed over again.

        Raises:
            EventTooLarge: one of them alone does not fit into a message.
            Busy: the queue did not take them.
        """


@dataclass(frozen=True, slots=True)
class ShardTask:
    """One shard's share of a run as of an instant; ``cursor`` says where an earlier worker stopped.

    ``walk`` is the mark of the program whose next dates every account gets, ``batch`` the batch of a policy that is
    taken back, ``held`` is for messages whose quiet hours are over; none of them, what is due is done. A sweep's queue,
    workers, pause and pace are those of all four.
    """

    sweep: Sweep
    as_of: datetime
    shard: int
    cursor: str | None = None
    walk: str = ""
    batch: str = ""
    held: bool = False

    @property
    def kind(self) -> str:
        """The name under which its progress is kept."""
        if self.held:
            return "held"
        return "walk" if self.walk else "reverse" if self.batch else str(self.sweep)


class MalformedMessage(Exception):
    """A queue message that is not ours, or damaged; it goes to the dead-letter queue."""


class SweepQueue(Protocol):
    """Where the shards of a scheduled run wait for a worker."""

    def send(self, tasks: Sequence[ShardTask], delay_s: int = 0) -> None:
        """Hand over tasks; returns when all are safe. Nobody gets them before ``delay_s`` (0 to 900) are over.

        Raises:
            Busy: not all were taken; sending them again does no harm.
        """


@dataclass(frozen=True, slots=True)
class Message:
    """What one member is told at once: every notice that is due, as one message.

    Attributes:
        id: the same for every attempt, so that a receiver can drop a repeat.
        notices: at least one, the most urgent first.
        available: points that can be spent now.
        today: the day in the program's zone.
        unsubscribe: a link that ends messages on this channel; empty where there is none.
        trial: whether an operator only looks at it: it says so, and nothing is counted or kept.
        imprint: who the shop is and where, for the foot of a mail; empty where the program says nothing.
    """

    id: str
    member: str
    notices: tuple[Notice, ...]
    available: int
    today: date
    contact: Contact | None = None
    unsubscribe: str = ""
    trial: bool = False
    imprint: str = ""


class NotSent(Exception):
    """The provider did not take the notice now; it is tried again."""


class Undeliverable(Exception):
    """The provider will never take this notice; it is reported and not tried again."""


class Notifier(Protocol):
    """One channel that messages go out on."""

    channel: str

    def reaches(self, contact: Contact | None) -> bool:
        """Whether a member with this contact can be reached here; None is one who never named any."""

    def send(self, message: Message) -> None:
        """Send it.

        Raises:
            NotSent: try again later.
            Undeliverable: no second try will help.
        """


class AddressBook(Protocol):
    """What a channel learns of a contact while it sends."""

    def take_consent(self, member: str) -> bool:
        """Take one of the messages that the member has allowed; False where none is left.

        Raises:
            Busy: nothing was taken.
        """

    def give_consent_back(self, member: str) -> None:
        """One that was taken was not used.

        Raises:
            Busy: it was not given back.
        """

    def no_consents(self, member: str) -> None:
        """The provider knows of none.

        Raises:
            Busy: nothing was changed.
        """

    def gone(self, member: str, field: str, address: str) -> None:
        """Nobody is reached at this address (``push``, ``wechat``) any more; another one that came since is kept.

        Raises:
            Busy: nothing was changed.
        """


class EventBus(Protocol):
    """Takes events out, to whoever listens (EventBridge)."""

    def put(self, events: Sequence[OutgoingEvent]) -> Sequence[OutgoingEvent]:
        """Hand events over; those that were not taken, which may be put again."""


class Relay(Protocol):
    """Takes events to the endpoints of the shop that asked for their types."""

    def wanted(self, kind: str, *, disabled: bool = False) -> bool:
        """Whether an endpoint takes events of this type that is not disabled, or with ``disabled`` one that may be."""

    def relay(self, events: Sequence[OutgoingEvent]) -> None:
        """Hand events over; returns when they are safe. After a failure they may all be handed over again.

        Raises:
            Busy: they were not taken.
        """


class Herald(Protocol):
    """Tells members what has happened, besides reminders: one event for each, on the shop's own bus."""

    def tell(self, kind: str, notice_id: str, member: str, data: Mapping[str, object]) -> None:
        """Tell one member. ``notice_id`` is the same for every attempt, so that a receiver can drop a repeat.

        Raises:
            NotSent: try again later.
            Undeliverable: no second try will help.
        """


T = TypeVar("T")


def settle(patience: Patience, attempt: Callable[[], T]) -> T:
    """Run ``attempt`` (load, decide, commit) until its commit holds.

    Raises:
        Busy: others kept winning until the caller's time was up.
    """
    tries = 0
    while True:
        try:
            return attempt()
        except Moved:
            tries += 1
            patience.pause(tries)
