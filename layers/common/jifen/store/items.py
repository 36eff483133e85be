"""The single table, drawn.

    pk                        sk              item
    ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────
    M#<member>                A               account: version, revision, lots, debt, holds, lifetime, next dates
    M#<member>                E#<sequence>    entry, immutable; sequence zero-padded to 12 digits
    M#<member>                R#<digest>      redemption, with the answers it gave
    M#<member>                H#<digest>      hold, with the answers it gave
    M#<member>                P               contact
    O#<shop>#<order id>       O               order: joined facts and the award
    U#<shop>#<refund id>      U               refund that names no order
    M#<member>                K#<digest>      behaviour event, with its answer
    M#<member>                N#<digest>      that a rule gave points for one value, once
    I#<digest>                I               answer of a request, under its idempotency key
    PROGRAM                   F               which version of the program is in force
    RULES                     V#<number>      version of the program; number zero-padded to 6 digits
    RULES#<fingerprint>       S               rules by content, as awards name them
    CAMPAIGNS                 D#<id>          campaign as it was prepared
    G#<id>                    G               campaign's state: what it has given, whether it runs
    AUDIT#<yyyy-mm>           L#<instant>#<id>  one thing that an operator did, immutable
    REWARDS                   RW#<id>         reward, as it was written
    C#<stock>                 ST#<shard>      stock of a reward or prize; shard zero-padded to 4 digits
    C#<reward id>             WI#<digest>     that a member waits for a reward
    C#<reward id>             CD#<digest>     that a code was put into a reward's pool, once
    M#<member>                RO#<digest>     reward order
    M#<member>                CP#<digest>     coupon
    M#<member>                DW#<digest>     draw of a lottery
    M#<member>                BD#<digest>     bid of an auction
    M#<member>                TR#<digest>     transfer, at its sender
    M#<member>                PW              points password
    LOTTERIES                 LT#<id>         lottery
    AUCTIONS                  AU#<id>         auction
    SWEEP#<kind>              SW              what an operator wants of a sweep
    SWEEP#<kind>              SS#<run>#<shard>  how far a shard of a run is; goes after a while (ttl)
    BATCHES                   VB#<id>         what a policy did on a day
    BATCH#<id>#<shard>        VR#<digest>     that a batch changed an account
    ENDPOINTS                 EP#<id>         endpoint of the shop that events are sent to
    DL#<endpoint>#<day>       DL#<instant>#<id>  what became of an event at an endpoint (ttl)
    OUT#<hour>#<part>         OB#<instant>#<id>  event that was told, to be told again (ttl)
    FAILED#<yyyy-mm>          FN#<instant>#<id>#<channel>  message that did not go out (ttl)

    index due_expiry    shard, due_expiry     sparse, keys only; due_expiry = "<next date>#<member>"
                        "review"              events that wait for an operator: "<day>#<member>#<digest>"
                        "deadline#<n>"        reservations, orders, auctions to look at: "<instant>#<pk>#<sk>"
    index due_reminder  shard, due_reminder   the same for reminders

Attribute names are short where every item repeats them: a write unit is a kilobyte. JSON texts hold what is never
queried (lots, receipts); what is long is packed: the lines of an order always, reasons, awards and counters where many
rules make them long.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pynamodb.attributes import Attribute, BooleanAttribute, UnicodeAttribute
from pynamodb.constants import BINARY, NUMBER, STRING
from pynamodb.exceptions import AttributeDeserializationError, AttributeNullError
from pynamodb.models import Model

from jifen.service.ports import (
    AnsweredKey,
    AuditKey,
    CampaignDraftKey,
    CampaignKey,
    ContactKey,
    DocumentKey,
    EventKey,
    HoldKey,
    OnceKey,
    OrderKey,
    ProgramKey,
    RedemptionKey,
    RulesKey,
    RuleVersionKey,
    UnmatchedKey,
)

if TYPE_CHECKING:
    from jifen.service.life_documents import LifeKey
    from jifen.service.mall_documents import MallKey
    from jifen.service.sweep_documents import SweepKey

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

PACK_FROM_BYTES = 512
"""JSON longer than this is compressed."""

ROOMY_FROM_BYTES = 384
"""The same of what is short in most programs, which then stays text: three such texts and the rest fit a kilobyte."""


class IntegerAttribute(Attribute[int]):
    """A whole number. PynamoDB's NumberAttribute is a float to the type checker and takes anything."""

    attr_type = NUMBER

    def serialize(self, value: Any) -> str:
        """The number as DynamoDB keeps it.

        Raises:
            TypeError: for anything but an int, bools included.
        """
        if type(value) is not int:
            message = f"{self.attr_name} takes a whole number, not {value!r}"
            raise TypeError(message)
        return str(value)

    def deserialize(self, value: str) -> int:
        """The int behind DynamoDB's text."""
        return int(value)


class PlainAttribute(Attribute[Any]):
    """Lists, objects, texts and whole numbers as compact JSON text."""

    attr_type = STRING

    def serialize(self, value: Any) -> str:
        """Compact JSON, UTF-8 as it is.

        Raises:
            TypeError: there is a float in it.
        """
        refuse_floats(value)
        return _encode(value)

    def deserialize(self, value: str) -> Any:
        """What the JSON says."""
        return json.loads(value)


class PackedAttribute(Attribute[Any]):
    """As :class:`PlainAttribute`, compressed (zlib) from ``PACK_FROM_BYTES`` on."""

    attr_type = BINARY
    legacy_encoding = False

    def serialize(self, value: Any) -> bytes:
        """JSON, or a zlib stream of it: its first byte (0x78) tells them apart.

        Raises:
            TypeError: there is a float in it.
        """
        refuse_floats(value)
        text = _encode(value).encode()
        return text if len(text) < PACK_FROM_BYTES else zlib.compress(text, 6)

    def deserialize(self, value: bytes) -> Any:
        """What was packed."""
        raw = bytes(value)
        return json.loads(zlib.decompress(raw) if raw[:1] == b"\x78" else raw)


def refuse_floats(value: Any) -> None:
    """Points and money are whole, wherever in an item they are kept.

    Raises:
        TypeError: there is a float in ``value``.
    """
    left = [value]
    # The list grows while it is walked: every part of every container comes to stand in it.
    for part in left:
        kind = type(part)
        if kind is str or kind is int:
            continue
        if isinstance(part, float):
            message = f"{part!r} is not whole"
            raise TypeError(message)
        if isinstance(part, dict):
            left.extend(part.values())
        elif isinstance(part, (list, tuple)):
            left.extend(part)


class RoomyAttribute(Attribute[Any]):
    """As :class:`PlainAttribute`, from ``ROOMY_FROM_BYTES`` on a binary as of :class:`PackedAttribute`.

    For what is short in most programs: twenty rules give twenty reasons, which fit into a kilobyte only so.
    """

    attr_type = STRING

    def serialize(self, value: Any) -> str | bytes:
        """JSON text, or a zlib stream of it.

        Raises:
            TypeError: there is a float in it.
        """
        refuse_floats(value)
        text = _encode(value)
        return text if len(text) < ROOMY_FROM_BYTES else zlib.compress(text.encode(), 6)

    def deserialize(self, value: str | bytes) -> Any:
        """What the JSON says."""
        return json.loads(value if isinstance(value, str) else zlib.decompress(value))


class Item(Model):
    """What every item has."""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)


class AccountItem(Item):
    """An account. ``in_lots`` is the sum of the lots, for the guard of a debit."""

    version = IntegerAttribute()
    revision = IntegerAttribute()
    status = UnicodeAttribute()
    in_lots = IntegerAttribute()
    debt = IntegerAttribute()
    earned = IntegerAttribute()
    redeemed = IntegerAttribute()
    expired = IntegerAttribute()
    clawed_back = IntegerAttribute()
    lots = PlainAttribute(null=True)
    holds = PlainAttribute(null=True)
    reminded = PlainAttribute(null=True)
    told = PlainAttribute(null=True)
    head_hash = UnicodeAttribute(null=True)
    standing = RoomyAttribute(null=True)
    shard = UnicodeAttribute(null=True)
    due_expiry = UnicodeAttribute(null=True)
    due_reminder = UnicodeAttribute(null=True)


class EntryItem(Item):
    """An entry."""

    kind = UnicodeAttribute()
    reason = UnicodeAttribute()
    points = IntegerAttribute()
    balance_after = IntegerAttribute()
    source = PlainAttribute()
    actor = UnicodeAttribute()
    occurred_at = UnicodeAttribute()
    recorded_at = UnicodeAttribute()
    previous_hash = UnicodeAttribute()
    hash = UnicodeAttribute()
    debt = IntegerAttribute(null=True)
    lots = PlainAttribute(null=True)
    hold = PlainAttribute(null=True)
    why = RoomyAttribute(null=True)


class OrderItem(Item):
    """An order: paid state and refunds packed, a short award in the open."""

    version = IntegerAttribute()
    cancelled = BooleanAttribute(null=True)
    paid = PackedAttribute(null=True)
    refunds = PackedAttribute(null=True)
    award = RoomyAttribute(null=True)
    referral = RoomyAttribute(null=True)
    forgiven = PlainAttribute(null=True)
    used = PlainAttribute(null=True)


class UnmatchedItem(Item):
    """A refund that names no order."""

    version = IntegerAttribute()
    event = PackedAttribute()


class SpendingItem(Item):
    """A redemption or a hold."""

    version = IntegerAttribute()
    at = UnicodeAttribute()
    spent = PlainAttribute(null=True)
    receipt = PlainAttribute()
    receipts = PackedAttribute(null=True)
    order_id = UnicodeAttribute(null=True)
    shop = UnicodeAttribute(null=True)
    restored = IntegerAttribute(null=True)
    points = IntegerAttribute(null=True)
    status = UnicodeAttribute(null=True)
    expires_at = UnicodeAttribute(null=True)


class ContactItem(Item):
    """How to reach a member."""

    version = IntegerAttribute()
    email = UnicodeAttribute(null=True)
    language = UnicodeAttribute()
    more = PlainAttribute(null=True)


class FactItem(Item):
    """What the rules, operators and members' events wrote: ``facts`` by name, and one long ``text`` or answer, packed.

    Only an event that waits for an operator, and what has a deadline ahead, have ``shard`` and ``due_expiry``; only
    what is a log has ``ttl``, the second after which DynamoDB may take it away.
    """

    version = IntegerAttribute()
    facts = PlainAttribute()
    text = PackedAttribute(null=True)
    shard = UnicodeAttribute(null=True)
    due_expiry = UnicodeAttribute(null=True)
    ttl = IntegerAttribute(null=True)


ITEMS: tuple[type[Item], ...] = (
    AccountItem,
    EntryItem,
    OrderItem,
    UnmatchedItem,
    SpendingItem,
    ContactItem,
    FactItem,
)


@lru_cache(maxsize=8)
def bound(table_name: str, region: str) -> dict[type[Item], type[Item]]:
    """The item classes tied to one table; PynamoDB wants the table's name on the class."""
    meta = type("Meta", (), {"table_name": table_name, "region": region})
    return {
        cls: cast("type[Item]", type(cls.__name__, (cls,), {"Meta": meta, "__module__": __name__})) for cls in ITEMS
    }


# Raw items: what goes over the wire, without a model instance in between ---------------------------------------------

Raw = dict[str, dict[str, Any]]


class _Form(NamedTuple):
    """What an item class says of its attributes, gathered once."""

    out: Mapping[str, tuple[str, Callable[[Any], Any]]]
    into: Mapping[str, tuple[str, Callable[[Any], Any]]]
    roomy: frozenset[str]
    needed: frozenset[str]
    blank: Mapping[str, None]


@lru_cache(maxsize=32)
def _form(cls: type[Item]) -> _Form:
    attributes = cls.get_attributes()
    return _Form(
        out={name: (attribute.attr_type, attribute.serialize) for name, attribute in attributes.items()},
        into={name: (attribute.attr_type, attribute.deserialize) for name, attribute in attributes.items()},
        roomy=frozenset(name for name, attribute in attributes.items() if isinstance(attribute, RoomyAttribute)),
        needed=frozenset(name for name, attribute in attributes.items() if not attribute.null),
        blank=dict.fromkeys(attributes),
    )


def encoded(cls: type[Item], values: Mapping[str, Any]) -> Raw:
    """An item as DynamoDB takes it; what is None is left out.

    Raises:
        TypeError: a value is none that its attribute keeps.
        AttributeNullError: an attribute that every such item has is missing.
        KeyError: the class has no such attribute.
    """
    form = _form(cls)
    raw: Raw = {}
    for name, value in values.items():
        if value is not None:
            kind, serialize = form.out[name]
            content = serialize(value)
            raw[name] = {BINARY if type(content) is bytes else kind: content}
    if not form.needed <= raw.keys():
        raise AttributeNullError(min(form.needed - raw.keys()))
    return raw


def decoded(cls: type[Item], raw: Raw) -> Any:
    """The values of an item by attribute; None for what it has not got. What the class does not know is passed over.

    Raises:
        AttributeDeserializationError: an attribute is kept in another type than its own.
    """
    form = _form(cls)
    row: dict[str, Any] = {**form.blank}
    for name, value in raw.items():
        if name in form.into:
            kind, deserialize = form.into[name]
            if kind in value:
                row[name] = deserialize(value[kind])
            elif name in form.roomy and BINARY in value:
                row[name] = deserialize(value[BINARY])
            elif "NULL" not in value:
                raise AttributeDeserializationError(name, next(iter(value)))
    return SimpleNamespace(**row)


# Keys ----------------------------------------------------------------------------------------------------------------

ACCOUNT_SK = "A"
ENTRY_PREFIX = "E#"


def account_pk(member: str) -> str:
    """The partition of a member."""
    return f"M#{member}"


def entry_sk(sequence: int) -> str:
    """The sort key of an entry; text order is number order up to 10^12 entries."""
    return f"{ENTRY_PREFIX}{sequence:012d}"


REVIEW_SHARD = "review"
"""The partition of the due index with what waits for an operator; those of the sweeps are numbers."""

DEADLINE_SHARDS = tuple(f"deadline#{number}" for number in range(8))
"""The partitions of the due index with documents of the mall that somebody has to look at.

Each takes a thousand index writes a second, and one exchange makes about four: a single one would slow down the table.
"""


def deadline_shard(pk: str, sk: str) -> str:
    """The partition of the deadlines that an item stands in, always the same."""
    return DEADLINE_SHARDS[hashlib.sha256(f"{pk}#{sk}".encode()).digest()[0] % len(DEADLINE_SHARDS)]


RULES_PK, CAMPAIGNS_PK, PROGRAM_PK = "RULES", "CAMPAIGNS", "PROGRAM"
REWARDS_PK, LOTTERIES_PK, AUCTIONS_PK = "REWARDS", "LOTTERIES", "AUCTIONS"
BATCHES_PK, ENDPOINTS_PK = "BATCHES", "ENDPOINTS"


def audit_pk(month: str) -> str:
    """The partition of a month's audit."""
    return f"AUDIT#{month}"


def digest(*parts: str) -> str:
    """22 characters that stand for texts which may be long or hold any character."""
    raw = hashlib.sha256("\n".join(f"{len(part)}\n{part}" for part in parts).encode()).digest()
    return base64.urlsafe_b64encode(raw).decode()[:22]


def document_keys(key: DocumentKey) -> tuple[str, str]:  # noqa: C901, PLR0911, PLR0912 - one case for each kind
    """Partition and sort key of a document.

    A ``#`` inside a shop's name would let two orders share a key; names of shops are ours and have none.
    """
    match key:
        case OrderKey(shop, order_id):
            return f"O#{shop}#{order_id}", "O"
        case UnmatchedKey(shop, refund_id):
            return f"U#{shop}#{refund_id}", "U"
        case RedemptionKey(member, id_):
            return account_pk(member), f"R#{id_.rsplit('.', 1)[-1]}"
        case HoldKey(member, id_):
            return account_pk(member), f"H#{id_.rsplit('.', 1)[-1]}"
        case ContactKey(member):
            return account_pk(member), "P"
        case EventKey(member, event_id):
            return account_pk(member), f"K#{digest(event_id)}"
        case OnceKey(member, rule, value):
            return account_pk(member), f"N#{digest(rule, value)}"
        case AnsweredKey(hashed):
            return f"I#{hashed}", "I"
        case CampaignKey(id_):
            return f"G#{id_}", "G"
        case CampaignDraftKey(campaign):
            return CAMPAIGNS_PK, f"D#{campaign}"
        case RuleVersionKey(number):
            return RULES_PK, f"V#{number:06d}"
        case ProgramKey():
            return PROGRAM_PK, "F"
        case RulesKey(fingerprint):
            return f"RULES#{fingerprint}", "S"
        case AuditKey(at, id_):
            return audit_pk(f"{at.astimezone(UTC):%Y-%m}"), f"L#{sortable(at)}#{id_}"
        case _ if type(key).__module__.endswith("sweep_documents"):
            from jifen.store.codec_sweeps import sweep_keys  # noqa: PLC0415 - only who has such a key imports it

            return sweep_keys(cast("SweepKey", key))
        case _ if type(key).__module__.endswith("life_documents"):
            from jifen.store.codec_life import life_keys  # noqa: PLC0415 - only who has such a key imports it

            return life_keys(cast("LifeKey", key))
        case _:
            from jifen.store.codec_mall import mall_keys  # noqa: PLC0415 - only who has such a key imports the mall

            return mall_keys(cast("MallKey", key))


def sortable(at: datetime) -> str:
    """An instant whose text order is time order."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


MALL_PREFIXES = ("RW", "ST", "WI", "CD", "RO", "CP", "LT", "DW", "AU", "BD", "TR", "PW")
"""How sort keys of the mall's documents begin."""

SWEEP_PREFIXES = ("SW", "SS")
LIFE_PREFIXES = ("VB", "VR", "EP", "DL", "OB", "FN")
"""How sort keys of sweeps, policies, notices and events out begin."""

_CLASSES: Mapping[str, type[Item]] = {
    "A": AccountItem,
    "E": EntryItem,
    "O": OrderItem,
    "U": UnmatchedItem,
    "R": SpendingItem,
    "H": SpendingItem,
    "P": ContactItem,
    **dict.fromkeys(("K", "N", "I", "F", "V", "S", "D", "G", "L"), FactItem),
    **dict.fromkeys((*MALL_PREFIXES, *SWEEP_PREFIXES, *LIFE_PREFIXES), FactItem),
}


def class_of(sk: str) -> type[Item]:
    """The item class behind a sort key."""
    return _CLASSES[sk.split("#", 1)[0]]
