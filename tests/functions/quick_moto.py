"""Leaves out what moto does at each call for nothing; every answer stays what it was.

Before each transaction moto copies the whole table, value by value, in case it has to go back; but nothing that puts,
checks or deletes changes an item in place, so the rows are enough. And it looks for the parts of each value that it
answers (`{"S": "x"}`) under some eighty names, while the value is already what is answered.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from moto.core.serialize import BaseJSONSerializer
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.table import Table

CHANGES_IN_PLACE = "Update"
"""The one operation of a transaction that does."""

BINARY = frozenset({"B", "BS"})
"""Values that are answered in another form than they are kept in."""


@contextmanager
def quick() -> Iterator[None]:
    """While this lasts; :func:`moto.mock_aws` may begin and end within."""
    transact, serialize = DynamoDBBackend.transact_write_items, BaseJSONSerializer._serialize_type_structure

    def transact_write_items(backend: Any, transact_items: Sequence[Mapping[str, Any]]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            if not any(CHANGES_IN_PLACE in item for item in transact_items):
                patch.setattr(Table, "__deepcopy__", _with_rows_of_its_own, raising=False)
            transact(backend, transact_items)

    def structure(serializer: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if key and shape.name == "AttributeValue" and _is_answered_as_it_is(value):
            serializer._default_serialize(serialized, value, shape, key)
        else:
            serialize(serializer, serialized, value, shape, key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DynamoDBBackend, "transact_write_items", transact_write_items)
        patch.setattr(BaseJSONSerializer, "_serialize_type_structure", structure)
        yield


def _with_rows_of_its_own(table: Any, _memo: object) -> Any:
    copied = copy.copy(table)
    copied.items = defaultdict(dict, {partition: copy.copy(rows) for partition, rows in table.items.items()})
    return copied


def _is_answered_as_it_is(value: Any) -> bool:
    if type(value) is not dict or len(value) != 1:
        return False
    ((kind, inner),) = value.items()
    if kind == "M":
        return all(map(_is_answered_as_it_is, inner.values()))
    return all(map(_is_answered_as_it_is, inner)) if kind == "L" else kind not in BINARY
