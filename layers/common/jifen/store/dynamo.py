"""The ledger port on DynamoDB: one batched read, one transaction, two sparse indexes."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, TypeVar

import botocore.session
from botocore.config import Config
from pynamodb.connection import Connection, TableConnection
from pynamodb.connection.base import MetaTable
from pynamodb.exceptions import PynamoDBException

from jifen.domain import lots as lot_book
from jifen.domain.account import Account
from jifen.domain.entries import Entry
from jifen.domain.errors import Busy, LedgerFault
from jifen.domain.orders import Order
from jifen.domain.program import Program, parse_program
from jifen.domain.reminders import AT_ONCE, index_text, next_expiry_on, next_reminder_on
from jifen.domain.rules.model import RuleSet
from jifen.domain.ruling import StoredRules, rules_fingerprint
from jifen.service.ports import (
    CAMPAIGN_DRAFTS,
    REVIEWS,
    RULE_VERSIONS,
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
    RulesKey,
    Shelf,
    Stale,
    Sweep,
    due_between,
    key_of,
)
from jifen.store import codec, items, wire
from jifen.store.codec_rules import fact_in
from jifen.store.items import (
    ACCOUNT_SK,
    AUCTIONS_PK,
    BATCHES_PK,
    CAMPAIGNS_PK,
    DEADLINE_SHARDS,
    ENDPOINTS_PK,
    ENTRY_PREFIX,
    LOTTERIES_PK,
    MALL_PREFIXES,
    REVIEW_SHARD,
    REWARDS_PK,
    RULES_PK,
    account_pk,
    audit_pk,
    document_keys,
    entry_sk,
    sortable,
)
from jifen.store.transactions import Put, can_try_again, write

READ_TRIES = 4
"""How often a read is made before the caller is told to come back."""

BATCH_MAX = 100
"""Items of one BatchGetItem."""

HISTORY_PAGE = 250
"""Entries read at a time when a whole history is walked."""

_INDEX_KEYS = {Sweep.EXPIRE: "due_expiry", Sweep.REMIND: "due_reminder"}

_WHOLE = {
    "rewards": (REWARDS_PK, "RW#"),
    "lotteries": (LOTTERIES_PK, "LT#"),
    "auctions": (AUCTIONS_PK, "AU#"),
}
"""Shelves that are a partition of their own: it, and how its sort keys begin."""

_BESIDE = {
    "endpoints": (ENDPOINTS_PK, "EP#"),
    "batches": (BATCHES_PK, "VB#"),
    "sweep shards": ("SWEEP", "SS#"),
    "batch rows": ("BATCH", "VR#"),
    "deliveries": ("DL", "DL#"),
    "outgoing": ("OUT", "OB#"),
    "failed notices": ("FAILED", "FN#"),
}
"""Shelves of sweeps, policies, notices and events out: how partition (``<it>#<owner>``) and sort keys begin."""

_OWNED = {"wishes": "WI#", "reward orders": "RO#", "coupons": "CP#", "draws": "DW#", "bids": "BD#", "transfers": "TR#"}
"""Shelves of a member, or of a reward: how their sort keys begin."""

_SKIPPING = ("rewards", "wishes", "batch rows")
"""Shelves that are worked through: what cannot be read is told and hides nothing else. Others fail as a whole."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TableSettings:
    """Where the table is. ``endpoint`` None is AWS; credentials None are the environment's. Times in seconds."""

    name: str
    region: str
    endpoint: str | None = None
    shards: int = 16
    connect_timeout_s: float = 1.0
    read_timeout_s: float = 2.5
    access_key_id: str | None = None
    secret_access_key: str | None = None


class _Connection(Connection):
    """PynamoDB's connection over a client with our own configuration.

    Two attempts in all, because the ledger has a loop of its own with the caller's deadline; and a fixed user agent,
    which botocore would otherwise put together anew for every request (6 % of its work).
    """

    def __init__(self, settings: TableSettings) -> None:
        super().__init__(region=settings.region, host=settings.endpoint)
        session = botocore.session.get_session()
        if settings.access_key_id and settings.secret_access_key:
            session.set_credentials(settings.access_key_id, settings.secret_access_key)
        config = Config(
            connect_timeout=settings.connect_timeout_s,
            read_timeout=settings.read_timeout_s,
            retries={"total_max_attempts": 2, "mode": "standard"},
            parameter_validation=False,
            tcp_keepalive=True,
            user_agent="jifen",
        )
        self._own_client = session.create_client(
            "dynamodb", region_name=settings.region, endpoint_url=settings.endpoint, config=config
        )
        wire.fit(self._own_client)

    @property
    def client(self) -> Any:
        """The botocore client."""
        return self._own_client


class DynamoLedger:
    """The ledger on one DynamoDB table. One per process: it holds the connection."""

    def __init__(self, settings: TableSettings, program: Program) -> None:
        self._settings = settings
        self._program = program
        self._rules: dict[str, RuleSet] = {}
        self._items = items.bound(settings.name, settings.region)
        self._table = TableConnection(settings.name)
        self._table.connection = _Connection(settings)
        self._table.connection.add_meta_table(MetaTable(_schema(settings.name)))

    @property
    def client(self) -> Any:
        """The botocore client, for hooks that count or disturb calls."""
        return self._table.connection.client

    def follow(self, program: Program) -> None:
        """See :class:`jifen.service.ports.Ledger`. Rules with a number were stored when they were published."""
        self._program = program
        if program.rules.version:
            self._rules[rules_fingerprint(program.rules.source)] = program.rules

    # Reading

    def load(self, members: Sequence[str], documents: Sequence[DocumentKey] = ()) -> Loaded:
        """See :class:`jifen.service.ports.Ledger`."""
        wanted = {(account_pk(member), ACCOUNT_SK): member for member in members}
        keyed = {document_keys(key): key for key in documents}
        found = self._batch_get([*wanted, *keyed]) if wanted or keyed else {}
        accounts = {
            member: codec.account_in(member, found[keys]) if keys in found else Account(member)
            for keys, member in wanted.items()
        }
        present: dict[DocumentKey, Document] = {
            key: codec.document_in(key, found[keys], self.rules_by) for keys, key in keyed.items() if keys in found
        }
        return Loaded(accounts, present)

    def _batch_get(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Any]:
        return {key: items.decoded(items.class_of(key[1]), raw) for key, raw in self._raws(keys).items()}

    def _raws(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Any]:
        found: dict[tuple[str, str], Any] = {}
        for start in range(0, len(keys), BATCH_MAX):
            found |= self._batch(keys[start : start + BATCH_MAX])
        return found

    def _batch(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Any]:
        left: list[dict[str, Any]] = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in keys]
        found: dict[tuple[str, str], Any] = {}
        for _ in range(READ_TRIES):
            page = self._read(lambda left=left: self._table.batch_get_item(left, consistent_read=True))  # type: ignore[misc]
            for raw in page["Responses"].get(self._settings.name, ()):
                found[raw["pk"]["S"], raw["sk"]["S"]] = raw
            left = page.get("UnprocessedKeys", {}).get(self._settings.name, {}).get("Keys", [])
            if not left:
                return found
        raise Busy

    def entries(self, member: str, before: int | None, limit: int) -> EntryPage:
        """See :class:`jifen.service.ports.Ledger`."""
        if before is not None and before <= 1:
            return EntryPage((), more=False)
        top = entry_sk(before - 1) if before is not None else f"{ENTRY_PREFIX}~"
        found, more = self._query_entries(member, ENTRY_PREFIX, top, limit, newest_first=True)
        return EntryPage(tuple(found), more=more)

    def history(self, member: str) -> Iterator[Entry]:
        """See :class:`jifen.service.ports.Ledger`."""
        low, more = ENTRY_PREFIX, True
        while more:
            found, more = self._query_entries(member, low, f"{ENTRY_PREFIX}~", HISTORY_PAGE, newest_first=False)
            yield from found
            if found:
                low = entry_sk(found[-1].sequence + 1)

    def _query_entries(
        self, member: str, low: str, high: str, limit: int, *, newest_first: bool
    ) -> tuple[list[Entry], bool]:
        cls = self._items[items.EntryItem]
        data = self._read(
            lambda: self._table.query(
                account_pk(member),
                range_key_condition=cls.sk.between(low, high),
                consistent_read=True,
                limit=limit,
                scan_index_forward=not newest_first,
            )
        )
        rows = [items.decoded(items.EntryItem, raw) for raw in data["Items"]]
        found = [codec.entry_in(member, int(row.sk[len(ENTRY_PREFIX) :]), row) for row in rows]
        return found, "LastEvaluatedKey" in data

    def due(self, sweep: Sweep, shard: int, through: date, cursor: str | None, limit: int) -> DuePage:
        """See :class:`jifen.service.ports.Ledger`. The cursor is the last index key read: ``<date>#<member>``."""
        name = _INDEX_KEYS[sweep]
        rows, more = list[Any](), None
        stretches = [one for one in due_between(through) if cursor is None or cursor <= one[1]]
        for number, (low, high) in enumerate(stretches, 1):
            start = _start(name, shard, cursor) if cursor is not None and cursor >= low else None
            data = self._due(name, shard, (low, high), start, limit - len(rows))
            rows += data["Items"]
            if last := data.get("LastEvaluatedKey"):
                more = last[name]["S"]
                break
            if len(rows) >= limit and number < len(stretches):
                more = rows[-1][name]["S"]
                break
        days = (date.fromisoformat(row[name]["S"][:10]) for row in rows)
        oldest = next((day for day in days if day != AT_ONCE), None)
        return DuePage(tuple(row["pk"]["S"][2:] for row in rows), more, oldest)

    def _due(
        self, name: str, shard: int, stretch: tuple[str, str], start: Any, limit: int | None, select: str | None = None
    ) -> Any:
        attribute, (low, high) = getattr(self._items[items.AccountItem], name), stretch
        return self._read(
            lambda: self._table.query(
                str(shard),
                range_key_condition=attribute.between(low, high) if low else attribute < high,
                index_name=name,
                exclusive_start_key=start,
                limit=limit,
                select=select,
            )
        )

    def due_count(self, sweep: Sweep, shard: int, through: date) -> int:
        """See :class:`jifen.service.ports.Ledger`. It reads the keys of the index, 0.5 units for 4 KB of them."""
        name, counted = _INDEX_KEYS[sweep], 0
        for low, high in due_between(through):
            start = None
            while True:
                data = self._due(name, shard, (low, high), start, None, "COUNT")
                counted, start = counted + int(data["Count"]), data.get("LastEvaluatedKey")
                if not start:
                    break
        return counted

    def stale(self, members: Sequence[str], renewed: Callable[[Account], Account]) -> Stale:
        """See :class:`jifen.service.ports.Ledger`. Only dates are compared: an account may stay in a former shard."""
        keyed = {(account_pk(member), ACCOUNT_SK): member for member in members}
        raws = self._raws([*keyed])
        writes, unreadable = list[AccountWrite](), list[tuple[str, Exception]]()
        for keys, member in keyed.items():
            if keys not in raws:
                continue
            raw = raws[keys]
            try:
                before = codec.account_in(member, items.decoded(items.AccountItem, raw))
                after = renewed(before)
                dates = self._next_dates(after)
            except Exception as failure:  # noqa: BLE001 - whatever is wrong with one account is its own
                unreadable.append((member, failure))
                continue
            stands = {name: raw[name]["S"] for name in _INDEX_KEYS.values() if name in raw}
            if after != before or stands != {name: text for name, text in dates.items() if name != "shard"}:
                writes.append(AccountWrite(before, after))
        return Stale(tuple(writes), tuple(unreadable))

    def listed(self, shelf: Shelf, before: str | None, limit: int) -> ListPage:
        """See :class:`jifen.service.ports.Ledger`. The cursor is the last sort key read, or the last index key."""
        if shelf == REVIEWS:
            return self._reviews(before, limit)
        if shelf.until is not None:
            return self._deadlines(shelf.until, before, limit)
        pk, head = self._shelf(shelf)
        cls = self._items[items.FactItem]
        condition = cls.sk.between(head, before or f"{head}~")
        start = {"pk": {"S": pk}, "sk": {"S": before}} if before else None
        data = self._read(
            lambda: self._table.query(
                pk,
                range_key_condition=condition,
                consistent_read=True,
                exclusive_start_key=start,
                limit=limit,
                scan_index_forward=False,
            )
        )
        last = data.get("LastEvaluatedKey")
        cursor = last["sk"]["S"] if last else None
        if shelf.name in _SKIPPING:
            documents, unreadable = _readable(data["Items"])
            return ListPage(documents, cursor, unreadable)
        found = tuple(codec.any_fact_in(items.decoded(items.FactItem, raw)) for raw in data["Items"])
        return ListPage(found, cursor)

    @staticmethod
    def _shelf(shelf: Shelf) -> tuple[str, str]:
        """The partition of a shelf, and how its sort keys begin."""
        if shelf == RULE_VERSIONS:
            return RULES_PK, "V#"
        if shelf.name in _BESIDE:
            pk, prefix = _BESIDE[shelf.name]
            return f"{pk}#{shelf.owner}" if shelf.owner else pk, prefix
        if shelf.owner:
            prefix = _OWNED[shelf.name]
            return f"C#{shelf.owner}" if prefix == "WI#" else account_pk(shelf.owner), prefix
        if shelf.name in _WHOLE:
            return _WHOLE[shelf.name]
        return (CAMPAIGNS_PK, "D#") if shelf == CAMPAIGN_DRAFTS else (audit_pk(shelf.month), "L#")

    def _reviews(self, before: str | None, limit: int) -> ListPage:
        name = _INDEX_KEYS[Sweep.EXPIRE]
        start = None
        if before is not None:
            member, digest = before.split("#", 1)[1].rsplit("#", 1)
            start = {
                "pk": {"S": account_pk(member)},
                "sk": {"S": f"K#{digest}"},
                "shard": {"S": REVIEW_SHARD},
                name: {"S": before},
            }
        data = self._read(
            lambda: self._table.query(REVIEW_SHARD, index_name=name, exclusive_start_key=start, limit=limit)
        )
        keys = [(raw["pk"]["S"], raw["sk"]["S"]) for raw in data["Items"]]
        rows = self._batch_get(keys) if keys else {}
        # The index runs behind: a row without its key was decided meanwhile.
        waiting = (rows[key] for key in keys if key in rows and rows[key].due_expiry)
        last = data.get("LastEvaluatedKey")
        return ListPage(tuple(fact_in(row) for row in waiting), last[name]["S"] if last else None)

    def _deadlines(self, until: datetime, before: str | None, limit: int) -> ListPage:
        """The most overdue of all partitions; the cursor is the index key of the last, which is the same in each."""
        end, found, more = f"{sortable(until)}~", list[tuple[str, tuple[str, str]]](), False
        name = _INDEX_KEYS[Sweep.EXPIRE]
        attribute = getattr(self._items[items.FactItem], name)
        condition = attribute.between(before, end) if before else attribute < end
        for shard in DEADLINE_SHARDS:
            data = self._read(
                lambda shard=shard: self._table.query(  # type: ignore[misc]
                    shard, range_key_condition=condition, index_name=name, limit=limit + 1
                )
            )
            more = more or "LastEvaluatedKey" in data
            rows = ((raw[name]["S"], (raw["pk"]["S"], raw["sk"]["S"])) for raw in data["Items"])
            found += [row for row in rows if row[0] != before]
        found.sort()
        page = found[:limit]
        keys = [key for _, key in page]
        raws = self._raws(keys) if keys else {}
        documents, unreadable = _readable((raws[key] for key in keys if key in raws), due=True)
        return ListPage(documents, page[-1][0] if page and (more or len(found) > limit) else None, unreadable)

    def rules_by(self, fingerprint: str) -> RuleSet:
        """The rules of this fingerprint, with the number of the version that first had them; read once a process.

        Raises:
            LedgerFault: nobody kept them.
        """
        if fingerprint not in self._rules:
            key = RulesKey(fingerprint)
            found = self.load([], [key]).documents.get(key)
            if not isinstance(found, StoredRules):
                message = f"the rules {fingerprint} are not in the table"
                raise LedgerFault(message)
            rules = parse_program(json.loads(found.source)).rules
            self._rules[fingerprint] = replace(rules, version=found.number, source=found.source)
        return self._rules[fingerprint]

    def keep_rules(self, rules: RuleSet, patience: Patience) -> str:
        """See that rules can be found again by what this returns, their fingerprint; looked up once a process."""
        fingerprint = rules_fingerprint(rules.source)
        if fingerprint not in self._rules:
            key = RulesKey(fingerprint)
            if key not in self.load([], [key]).documents:
                with contextlib.suppress(DocumentMoved):  # somebody else kept them: they are the same
                    self.commit(Posting(documents=(StoredRules(fingerprint, rules.source, rules.version),)), patience)
            self._rules[fingerprint] = rules
        return fingerprint

    def _read(self, call: Callable[[], T]) -> T:
        for attempt in range(READ_TRIES):
            try:
                return call()
            except PynamoDBException as failure:
                if not can_try_again(failure):
                    raise
                if attempt == READ_TRIES - 1:
                    raise Busy from failure
        raise Busy

    # Writing

    def commit(self, posting: Posting, patience: Patience) -> None:
        """See :class:`jifen.service.ports.Ledger`."""
        puts: list[Put] = []
        for account in posting.accounts:
            puts.append(self._account_put(account))
            puts += [self._entry_put(entry) for entry in account.entries]
        for order in posting.documents:
            if isinstance(order, Order):
                for held in (order.award, order.referral):
                    if held and not held.rules.bare:
                        self.keep_rules(held.rules, patience)
        puts += [self._document_put(document) for document in posting.documents]
        write(self._table.connection, self._settings.name, puts, patience)

    def _account_put(self, account_write: AccountWrite) -> Put:
        before, after = account_write.before, account_write.after
        cls: Any = self._items[items.AccountItem]
        keys = {"pk": account_pk(after.member), "sk": ACCOUNT_SK, "revision": before.revision + 1}
        item = items.encoded(items.AccountItem, {**keys, **codec.account_out(after), **self._next_dates(after)})
        if before.revision == 0:
            return Put(item, cls.pk.does_not_exist(), document=False)
        condition = cls.revision == before.revision
        taken = lot_book.total(before.lots) - lot_book.total(after.lots)
        if taken > 0:
            condition &= cls.in_lots >= taken
        return Put(item, condition, document=False)

    def _next_dates(self, account: Account) -> Mapping[str, str]:
        dates = {
            "due_expiry": next_expiry_on(account, self._program),
            "due_reminder": next_reminder_on(account, self._program),
        }
        due = {name: f"{index_text(day)}#{account.member}" for name, day in dates.items() if day is not None}
        return {"shard": str(shard_of(account.member, self._settings.shards)), **due} if due else {}

    def _entry_put(self, entry: Entry) -> Put:
        cls = self._items[items.EntryItem]
        keys = {"pk": account_pk(entry.member), "sk": entry_sk(entry.sequence)}
        item = items.encoded(items.EntryItem, {**keys, **codec.entry_out(entry)})
        return Put(item, cls.pk.does_not_exist(), document=False)

    def _document_put(self, document: Document) -> Put:
        pk, sk = document_keys(key_of(document))
        kind = items.class_of(sk)
        cls: Any = self._items[kind]
        keys = {"pk": pk, "sk": sk, "version": document.version + 1}
        item = items.encoded(kind, {**keys, **codec.document_out(document), **_deadline(document, pk, sk)})
        known = cls.version == document.version if document.version else cls.pk.does_not_exist()
        return Put(item, known, document=True)


def _start(name: str, shard: int, cursor: str) -> Mapping[str, Any]:
    """Where a query of an index goes on behind a key of it."""
    member = cursor.split("#", 1)[1]
    keys = {"pk": account_pk(member), "sk": ACCOUNT_SK, "shard": str(shard), name: cursor}
    return {attribute: {"S": value} for attribute, value in keys.items()}


def _readable(
    raws: Iterable[Any], *, due: bool = False
) -> tuple[tuple[Document, ...], tuple[tuple[str, Exception], ...]]:
    """The documents of items, and those that cannot be read, by their keys: one of them hides none of the others.

    ``due``: the index runs behind, and an item without its key was dealt with meanwhile.
    """
    found, unreadable = list[Document](), list[tuple[str, Exception]]()
    for raw in raws:
        if due and _INDEX_KEYS[Sweep.EXPIRE] not in raw:
            continue
        try:
            found.append(codec.any_fact_in(items.decoded(items.class_of(raw["sk"]["S"]), raw)))
        except Exception as failure:  # noqa: BLE001 - whatever is wrong with one item is its own
            unreadable.append((f"{raw['pk']['S']}/{raw['sk']['S']}", failure))
    return tuple(found), tuple(unreadable)


def _deadline(document: Document, pk: str, sk: str) -> Mapping[str, str]:
    """Where a document of the mall stands among the deadlines."""
    if sk.partition("#")[0] not in MALL_PREFIXES:
        return {}
    from jifen.store.codec_mall import due_of  # noqa: PLC0415 - only who has such a document imports the mall

    return due_of(document, pk, sk)


def shard_of(member: str, shards: int) -> int:
    """The shard of a member: stable for one number of shards, and below it.

    The number may grow: accounts keep the shard they were last written with, which is still swept.
    """
    return int.from_bytes(hashlib.sha256(member.encode()).digest()[:4], "big") % shards


def _schema(table: str) -> dict[str, Any]:
    """What PynamoDB needs to know of the table to build requests; ``tests/store`` compares it with the template."""

    def keys(partition: str, sort: str) -> list[dict[str, str]]:
        return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]

    names = ("pk", "sk", "shard", *_INDEX_KEYS.values())
    return {
        "TableName": table,
        "KeySchema": keys("pk", "sk"),
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in names],
        "GlobalSecondaryIndexes": [
            {"IndexName": name, "KeySchema": keys("shard", name)} for name in _INDEX_KEYS.values()
        ],
        "LocalSecondaryIndexes": [],
    }
