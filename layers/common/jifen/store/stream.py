"""The table's stream: its records as changes, in the domain's words.

    record: keys, the row as it was, the row as it is ──> Change          both rows stand in it: nothing is read

What is never told (:data:`jifen.domain.telling.SILENT`) is not looked at; :func:`filter_pattern` keeps it out of the
function in the first place. What cannot be read is named and never passed over.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from jifen.domain.changes import Change, Reach, RefundAlone, UnreadableChange
from jifen.domain.ids import DocumentId
from jifen.domain.outgoing import OutgoingEvent
from jifen.domain.telling import SILENT, events_of, told_rows
from jifen.service.ports import Contact, ContactKey, HoldKey, RedemptionKey, Unmatched, UnmatchedKey
from jifen.store import codec, items
from jifen.store.items import ACCOUNT_SK, ENTRY_PREFIX, Raw

Image = Mapping[str, Mapping[str, Any]]
"""A row as a record of the stream has it: DynamoDB's JSON, what is binary in base64."""


def events_in(record: Mapping[str, Any]) -> tuple[OutgoingEvent, ...]:
    """What is told of a record of the stream: often nothing.

    Args:
        record: one of ``Records`` of Lambda's event, with both images.

    Raises:
        UnreadableChange: naming the row.
    """
    change = read(record)
    if change is None:
        return ()
    try:
        return tuple(events_of(change))
    except Exception as wrong:
        raise UnreadableChange(change.key, f"the row cannot be told: {type(wrong).__name__}") from wrong


def read(record: Mapping[str, Any]) -> Change | None:
    """The change that a record of the stream tells of; None for a row that is never told.

    Raises:
        UnreadableChange: naming the row.
    """
    key = _named(record)
    try:
        row = record["dynamodb"]["Keys"]["sk"]["S"].partition("#")[0]
        if row in SILENT or _out_of_time(record):
            return None
        _check(key, row, record)
        return _change(key, row, record["dynamodb"])
    except UnreadableChange:
        raise
    except Exception as wrong:
        # Whatever is wrong with one row is its own: the others of the batch are told.
        raise UnreadableChange(key, f"the row cannot be read: {type(wrong).__name__}") from wrong


def _out_of_time(record: Mapping[str, Any]) -> bool:
    """Whether it is DynamoDB that took the row away, because its ``ttl`` was over."""
    return record.get("eventName") == "REMOVE" and (record.get("userIdentity") or {}).get("type") == "Service"


def _check(key: str, row: str, record: Mapping[str, Any]) -> None:
    told = record["dynamodb"]
    if row not in told_rows():
        raise UnreadableChange(key, "nobody knows rows of this kind")
    if "NewImage" not in told:
        raise UnreadableChange(key, "the row is gone, and nothing of ours takes one away")
    if "OldImage" not in told and record.get("eventName") == "MODIFY":
        raise UnreadableChange(key, "the row as it was is not in the record: the stream has to have both images")
    if "OldImage" in told and row == "E":
        raise UnreadableChange(key, "an entry was written over, and nothing of ours does that")


def _change(key: str, row: str, told: Mapping[str, Any]) -> Change:
    after = _raw(told["NewImage"])
    before = _value(row, _raw(told["OldImage"])) if "OldImage" in told else None
    at = datetime.fromtimestamp(int(told["ApproximateCreationDateTime"]), UTC)
    return Change(row, key, _version(row, after), at, before, _value(row, after))


def sequence_of(record: Mapping[str, Any]) -> str:
    """The sequence number by which Lambda is told that a record failed."""
    number: str = record["dynamodb"]["SequenceNumber"]
    return number


def filter_pattern() -> str:
    """The pattern of the event source mapping that lets only those rows through that have events.

    The template has it as a text; ``tests/store/test_stream.py`` holds it to this one.
    """
    sks = [row if row in _WHOLE_KEYS else {"prefix": f"{row}#"} for row in sorted(told_rows())]
    return json.dumps({"dynamodb": {"Keys": {"sk": {"S": sks}}}}, separators=(",", ":"))


_WHOLE_KEYS = frozenset({ACCOUNT_SK, "P", "PW", "U", "F", "G", "SW"})
"""Rows whose sort key is this and no more."""


def _named(record: Mapping[str, Any]) -> str:
    """The keys of a record's row, for people and for ids; something in any case."""
    try:
        keys = record["dynamodb"]["Keys"]
        return f"{keys['pk']['S']}/{keys['sk']['S']}"
    except (KeyError, TypeError):
        return "a record without keys"


def _raw(image: Image) -> Raw:
    return {
        name: {kind: base64.b64decode(value) if kind == "B" and isinstance(value, str) else value}
        for name, attribute in image.items()
        for kind, value in attribute.items()
    }


def _version(row: str, raw: Raw) -> int:
    """What counts the writes of a row; an entry is written once."""
    name = {"E": None, "A": "revision"}.get(row, "version")
    return int(raw[name]["N"]) if name else 1


def _value(row: str, raw: Raw) -> Any:
    item = items.decoded(items.class_of(raw["sk"]["S"]), raw)
    return _READERS[row](item) if row in _READERS else codec.any_fact_in(item)


def _account(item: Any) -> Any:
    return codec.account_in(_member(item), item)


def _entry(item: Any) -> Any:
    return codec.entry_in(_member(item), int(item.sk[len(ENTRY_PREFIX) :]), item)


def _spending(prefix: str, key: Callable[[str, str], RedemptionKey | HoldKey]) -> Callable[[Any], Any]:
    def read_one(item: Any) -> Any:
        member = _member(item)
        whole = str(DocumentId(prefix, member, item.sk.partition("#")[2]))
        return codec.document_in(key(member, whole), item, _no_rules)

    return read_one


def _reach(item: Any) -> Reach:
    """How a member can be reached, every address as a hash: what is not here cannot be told by mistake."""
    contact = codec.document_in(ContactKey(_member(item)), item, _no_rules)
    assert isinstance(contact, Contact)
    wechat = contact.wechat and f"{contact.wechat_kind} {contact.wechat}"
    addresses = {"email": contact.email, "sms": contact.phone, "push": contact.push, "wechat": wechat}
    return Reach(
        contact.member,
        {name: hashlib.sha256(one.encode()).hexdigest() for name, one in addresses.items() if one},
        contact.language,
        contact.time_zone or "",
        contact.refuses,
    )


def _refund(item: Any) -> RefundAlone:
    unmatched = codec.document_in(UnmatchedKey("", ""), item, _no_rules)
    assert isinstance(unmatched, Unmatched)
    event = unmatched.event
    refund_id = event.refund.refund_id if event.refund else event.event_id
    return RefundAlone(event.shop, refund_id, event.member, event.at)


def _member(item: Any) -> str:
    member: str = item.pk[len("M#") :]
    return member


def _no_rules(fingerprint: str) -> Any:
    """Only orders name rules, and they are never told."""
    message = f"the rules {fingerprint} would have to be read"
    raise LookupError(message)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "A": _account,
    "E": _entry,
    "R": _spending("rd", RedemptionKey),
    "H": _spending("hd", HoldKey),
    "P": _reach,
    "U": _refund,
}
"""What reads a row; all others stand for themselves."""
