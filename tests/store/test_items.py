"""Long texts of an item are packed, short ones stay readable, and either is read."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynamodb.exceptions import AttributeDeserializationError

from jifen.domain.lots import LotChange
from jifen.domain.orders import Order
from jifen.domain.spending import Hold, Receipt, Redemption
from jifen.service.ports import Document, key_of
from jifen.store.codec import document_in, document_out
from jifen.store.items import (
    ROOMY_FROM_BYTES,
    AccountItem,
    EntryItem,
    OrderItem,
    RoomyAttribute,
    class_of,
    decoded,
    document_keys,
    encoded,
)
from tests.store.values import NOW

SHORT = [{"rule": "base", "points": 120}]
LONG = [{"rule": f"more-{number}", "refused": "NO_LINE"} for number in range(20)]

_PLAIN = st.recursive(st.integers() | st.text(), lambda part: st.lists(part) | st.dictionaries(st.text(), part))


@given(_PLAIN)
def test_what_is_written_is_read(value: Any) -> None:
    """Any text and whole number, however long."""
    roomy = RoomyAttribute(attr_name="why")

    assert value == roomy.deserialize(roomy.serialize(value))


@pytest.mark.parametrize(("why", "kind"), [(SHORT, "S"), (LONG, "B")])
def test_only_what_is_long_is_packed(why: Any, kind: str) -> None:
    """A reason or two are text that anyone can read in the table; twenty take a third of their room."""
    packed = RoomyAttribute(attr_name="why").serialize(why)

    assert kind == ("S" if isinstance(packed, str) else "B")
    assert len(packed) <= ROOMY_FROM_BYTES


def test_a_long_text_that_was_not_packed_is_read() -> None:
    """As earlier releases wrote it."""
    assert LONG == decoded(EntryItem, {"why": {"S": json.dumps(LONG)}}).why


@pytest.mark.parametrize(
    ("kind", "name"), [(EntryItem, "why"), (OrderItem, "award"), (OrderItem, "referral"), (AccountItem, "standing")]
)
def test_what_grows_with_the_rules_is_packed(kind: Any, name: str) -> None:
    """Reasons, awards and counters: in an item of the form that goes over the wire."""
    needed = {one: 1 for one in kind.get_attributes() if one in {"version", "revision"}}
    texts = {one: "text" for one, form in kind.get_attributes().items() if not form.null and one not in needed}
    numbers = {one: 1 for one in texts if kind.get_attributes()[one].attr_type == "N"}
    raw = encoded(kind, {**texts, **needed, **numbers, name: LONG})

    assert ["B"] == list(raw[name])
    assert LONG == getattr(decoded(kind, raw), name)


def test_no_other_text_may_be_a_binary() -> None:
    """An attribute in another type than its own is still a fault of the row."""
    with pytest.raises(AttributeDeserializationError):
        decoded(EntryItem, {"lots": {"B": b"x"}})


# Points used on an order ---------------------------------------------------------------------------------------------

RECEIPT = Receipt("f", {"points": 5})
SPENT = (LotChange(5, None),)


def item_of(document: Document) -> dict[str, Any]:
    """The item of a document after its first write, in the form that goes over the wire."""
    pk, sk = document_keys(key_of(document))
    kept = {name: value for name, value in document_out(document).items() if value is not None}
    return encoded(class_of(sk), {"pk": pk, "sk": sk, "version": 1, **kept})


def test_an_order_that_is_only_used_is_next_to_nothing() -> None:
    """The ids, and no attribute that other orders have; an order on which none were used has none of it."""
    raw = item_of(Order("standard", "o1", used=("rd.bTE.a", "hd.bTE.b")))

    assert {"pk", "sk", "version", "used"} == raw.keys()
    assert {"S": '["rd.bTE.a","hd.bTE.b"]'} == raw["used"]
    assert {"pk", "sk", "version", "cancelled"} == item_of(Order("standard", "o1", cancelled=True)).keys()


@pytest.mark.parametrize(
    "document",
    [
        Redemption("rd.bTE.a", "m1", NOW, SPENT, RECEIPT, "o1"),
        Hold("hd.bTE.a", "m1", NOW, 5, NOW, RECEIPT, order_id="o1"),
    ],
    ids=["redemption", "hold"],
)
def test_a_shop_is_kept_where_it_is_another_one(document: Redemption | Hold) -> None:
    """Of the shop's own server nothing is said, as in what earlier releases wrote; either is read as it was."""
    other = replace(document, shop="shopify")

    assert "shop" not in item_of(document)
    assert {"S": "shopify"} == item_of(other)["shop"]
    for one in (document, other):
        kind = class_of(document_keys(key_of(one))[1])
        assert replace(one, version=1) == document_in(key_of(one), decoded(kind, item_of(one)), _no_rules)


def _no_rules(fingerprint: str) -> Any:
    raise AssertionError(fingerprint)
