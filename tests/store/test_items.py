"""Long texts of an item are packed, short ones stay readable, and either is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynamodb.exceptions import AttributeDeserializationError

from jifen.store.items import ROOMY_FROM_BYTES, AccountItem, EntryItem, OrderItem, RoomyAttribute, decoded, encoded

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
