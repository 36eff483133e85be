"""One DynamoDB table with its indexes, in this process: quick enough for thousands of runs, and it forgets nothing.

    TransactWriteItems ──> all conditions hold ──> every put at once, one more commit in the log
                       └─> one does not ────────> TransactionCanceledException with a reason per item
    BatchGetItem, Query ──> what is there now; an index also as it was some commits ago

It takes and gives the JSON of the wire, so the real client, its parser and its retries are part of what is simulated.
What the ledger never asks for is not modelled and refused (:class:`NotUnderstood`). ``tests/simulation`` holds it to
the same contract as every other engine.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local.simulation.conditions import NotUnderstood, compiled

Item = dict[str, dict[str, Any]]
Key = tuple[str, str]

TOKEN_LIFE = timedelta(minutes=10)
"""How long a client token makes a transaction that went through go through again without effect."""

ITEM_BYTES_MAX = 400 * 1024
TRANSACTION_ITEMS_MAX = 100
BATCH_KEYS_MAX = 100
OK, BAD_REQUEST = 200, 400

_DEFLATED = b"\x78"

Reply = tuple[int, dict[str, Any]]


def said(attribute: Mapping[str, Any]) -> Any:
    """What the JSON of an attribute says: a text, or in a binary, deflated where it is long."""
    if "S" in attribute:
        return json.loads(attribute["S"])
    raw = base64.b64decode(attribute["B"])
    return json.loads(zlib.decompress(raw) if raw.startswith(_DEFLATED) else raw)


@dataclass(frozen=True, slots=True)
class Commit:
    """One transaction that went through: its number (1 is the first), and the items it put, by key."""

    number: int
    puts: Mapping[Key, Item]


@dataclass(frozen=True, slots=True)
class _Index:
    partition: str
    sort: str


def _now_unknown() -> datetime:
    raise AssertionError("the table has no clock")


@dataclass
class SimulatedTable:
    """The table ``name`` as ``definition`` (the arguments of CreateTable) draws it.

    ``clock`` ages client tokens. ``index_age`` says how many commits an index entry of an item lags behind.
    """

    name: str
    definition: Mapping[str, Any]
    clock: Callable[[], datetime] = _now_unknown
    index_age: Callable[[Key], int] = lambda _key: 0
    items: dict[Key, Item] = field(default_factory=dict)
    commits: list[Commit] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._partition, self._sort = _keys(self.definition["KeySchema"])
        self._indexes = {
            index["IndexName"]: _Index(*_keys(index["KeySchema"]))
            for index in self.definition.get("GlobalSecondaryIndexes", ())
        }
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._written: dict[Key, list[tuple[int, Item]]] = {}
        self._calls: Mapping[str, Callable[[dict[str, Any]], Reply]] = {
            "TransactWriteItems": self._transact,
            "BatchGetItem": self._batch_get,
            "Query": self._query,
        }

    def call(self, operation: str, request: dict[str, Any]) -> Reply:
        """Answer one request: HTTP status and body.

        Raises:
            NotUnderstood: it asks for something that is not modelled.
        """
        if operation not in self._calls:
            raise NotUnderstood(operation)
        return self._calls[operation](request)

    # Writing

    def _transact(self, request: dict[str, Any]) -> Reply:
        token, content = request.get("ClientRequestToken"), _canonical(request["TransactItems"])
        if token in self._tokens and self.clock() - self._tokens[token][1] < TOKEN_LIFE:
            if self._tokens[token][0] != content:
                return error("IdempotentParameterMismatchException")
            return OK, {}
        puts: dict[Key, tuple[Item, Mapping[str, Any]]] = {}
        for action in request["TransactItems"]:
            if set(action) != {"Put"}:
                raise NotUnderstood(f"{sorted(action)} in a transaction")
            put = action["Put"]
            key = self._key(put["Item"])
            if key in puts:
                return error(
                    "ValidationException", "Transaction request cannot include multiple operations on one item"
                )
            puts[key] = (put["Item"], put)
        if not 1 <= len(puts) <= TRANSACTION_ITEMS_MAX or (
            len(content) > ITEM_BYTES_MAX and any(_too_large(item) for item, _ in puts.values())
        ):
            return error("ValidationException")
        held = [self._holds(self.items.get(key), put) for key, (_, put) in puts.items()]
        if not all(held):
            return cancelled([None if one else "ConditionalCheckFailed" for one in held])
        self._commit({key: item for key, (item, _) in puts.items()})
        if token is not None:
            self._tokens[token] = (content, self.clock())
        return OK, {}

    @staticmethod
    def _holds(found: Item | None, put: Mapping[str, Any]) -> bool:
        expression = put.get("ConditionExpression")
        if expression is None:
            return True
        names, values = put.get("ExpressionAttributeNames", {}), put.get("ExpressionAttributeValues", {})
        return compiled(expression)(found, names, values)

    def _commit(self, puts: dict[Key, Item]) -> None:
        number = len(self.commits) + 1
        self.commits.append(Commit(number, puts))
        self.items.update(puts)
        for key, item in puts.items():
            self._written.setdefault(key, []).append((number, item))

    # Reading

    def _batch_get(self, request: dict[str, Any]) -> Reply:
        ((table, wanted),) = request["RequestItems"].items()
        keys = [self._key(key) for key in wanted["Keys"]]
        if len(set(keys)) != len(keys) or not 1 <= len(keys) <= BATCH_KEYS_MAX:
            return error("ValidationException")
        if table != self.name:
            return error("ResourceNotFoundException")
        age = (lambda _key: 0) if wanted.get("ConsistentRead") else self.index_age
        found = [item for key in keys if (item := self._as_of(key, age(key))) is not None]
        return OK, {"Responses": {table: found}, "UnprocessedKeys": {}}

    def _query(self, request: dict[str, Any]) -> Reply:
        index = request.get("IndexName")
        place = self._indexes[index] if index else _Index(self._partition, self._sort)
        if request.get("FilterExpression") or (index and request.get("ConsistentRead")):
            raise NotUnderstood(_canonical(request))
        test = compiled(request["KeyConditionExpression"])
        names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
        age = self.index_age if index or not request.get("ConsistentRead") else (lambda _key: 0)
        rows = [item for key in self.items if (item := self._as_of(key, age(key))) is not None and place.sort in item]
        found = sorted((row for row in rows if test(row, names, values)), key=lambda row: self._order(row, place))
        if not request.get("ScanIndexForward", True):
            found.reverse()
        start = request.get("ExclusiveStartKey")
        if start is not None:
            first, forward = self._order(start, place), request.get("ScanIndexForward", True)
            found = [row for row in found if (self._order(row, place) > first) is forward and row_differs(row, start)]
        page = found[: request.get("Limit", len(found))]
        answer: dict[str, Any] = {"Items": [self._projected(row, index) for row in page], "Count": len(page)}
        if len(page) < len(found) or (page and len(page) == request.get("Limit")):
            last = page[-1]
            names_of_key = {self._partition, self._sort, place.partition, place.sort}
            answer["LastEvaluatedKey"] = {name: last[name] for name in names_of_key}
        return OK, answer

    def _as_of(self, key: Key, age: int) -> Item | None:
        """The item as it was ``age`` commits ago."""
        if age <= 0:
            return self.items.get(key)
        then = len(self.commits) - age
        return next((item for number, item in reversed(self._written.get(key, ())) if number <= then), None)

    def _projected(self, row: Item, index: str | None) -> Item:
        if index is None:
            return row
        place = self._indexes[index]
        return {name: row[name] for name in (self._partition, self._sort, place.partition, place.sort)}

    def _order(self, row: Mapping[str, Any], place: _Index) -> tuple[bytes, Key]:
        return row[place.sort]["S"].encode(), self._key(row)

    def _key(self, row: Mapping[str, Any]) -> Key:
        return row[self._partition]["S"], row[self._sort]["S"]


def row_differs(row: Mapping[str, Any], start: Mapping[str, Any]) -> bool:
    """Whether a row is another one than that which a page ended with."""
    return any(row.get(name) != value for name, value in start.items())


def error(code: str, message: str = "made up", status: int = BAD_REQUEST, **more: Any) -> Reply:
    """An error as DynamoDB puts it."""
    return status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": message, **more}


def cancelled(reasons: list[str | None]) -> Reply:
    """A transaction that did not go through, with the reason of each item (None: no fault of this one)."""
    listed = [{"Code": reason or "None"} for reason in reasons]
    return error("TransactionCanceledException", CancellationReasons=listed)


def _keys(schema: list[dict[str, str]]) -> tuple[str, str]:
    by_role = {part["KeyType"]: part["AttributeName"] for part in schema}
    return by_role["HASH"], by_role["RANGE"]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _too_large(item: Item) -> bool:
    return len(json.dumps(item)) > ITEM_BYTES_MAX
