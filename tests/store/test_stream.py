"""The table's stream: what the store writes comes out as changes, and what cannot be read is named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from moto import mock_aws

from jifen.domain.account import Account
from jifen.domain.changes import Change, Reach, RefundAlone, UnreadableChange
from jifen.domain.coupons import Coupon, CouponStatus
from jifen.domain.outgoing import envelope
from jifen.domain.telling import SILENT, told_rows
from jifen.service.ports import AccountWrite, Contact, Document, Posting, Unmatched, key_of
from jifen.store import items, stream
from jifen.store.dynamo import DynamoLedger, TableSettings
from jifen.store.items import LIFE_PREFIXES, SWEEP_PREFIXES
from local import template
from local.event_samples import SAMPLES
from local.template import table_definition
from tests.store.patient import Patient
from tests.store.streams import AT, Record, Stream, record, recorded
from tests.store.values import ACCOUNTS, DOCUMENTS, DRAFTS, MEMBERS, PROGRAM, credited, posted

REGION = "eu-west-2"


BESIDE = {
    change.row: replace(change.after, version=0)
    for change in SAMPLES.values()
    if change.row in {*LIFE_PREFIXES, *SWEEP_PREFIXES}
}
"""A document of each kind that stands beside the ledger and is told."""


@pytest.fixture(scope="module")
def ledger() -> Iterator[DynamoLedger]:
    """A ledger on a table in this process."""
    with mock_aws():
        made = DynamoLedger(TableSettings("stream", REGION), PROGRAM)
        made.client.create_table(TableName="stream", **table_definition())
        yield made


def changes(written: Stream) -> list[Change]:
    """What the records say, those that are never told left out."""
    return [change for one in written.taken() if (change := stream.read(one)) is not None]


def put(ledger: DynamoLedger, document: Document) -> list[Change]:
    """Write a document as nobody has before."""
    _emptied(ledger)
    with recorded() as written:
        ledger.commit(Posting(documents=(document,)), Patient())
    return changes(written)


def _emptied(ledger: DynamoLedger) -> None:
    ledger.client.delete_table(TableName="stream")
    ledger.client.create_table(TableName="stream", **table_definition())


# What is read --------------------------------------------------------------------------------------------------------


def test_every_kind_of_row_is_told_or_is_named_as_silent() -> None:
    """A new kind of row has to be decided about before it can be written."""
    kinds = set(items._CLASSES)
    assert kinds == told_rows() | SILENT.keys()


def test_the_filter_lets_through_what_is_told_and_nothing_else() -> None:
    """By what Lambda makes of the pattern: a text is the whole sort key, a prefix its beginning."""
    (wanted,) = json.loads(stream.filter_pattern())["dynamodb"]["Keys"]["sk"].values()
    assert len(stream.filter_pattern()) < 4_096
    written = {items.document_keys(key_of(one))[1] for one in (*DOCUMENTS.values(), *BESIDE.values())}
    sks = {*written, items.entry_sk(1), items.ACCOUNT_SK}
    passing = {
        sk for sk in sks if any(sk == one if isinstance(one, str) else sk.startswith(one["prefix"]) for one in wanted)
    }
    assert {sk for sk in sks if sk.partition("#")[0] in told_rows()} == passing
    assert {sk.partition("#")[0] for sk in passing} == told_rows()


def test_the_template_has_this_filter() -> None:
    """One of it, for the stream of the table with both images."""
    resources = template.load()["Resources"]
    assert "NEW_AND_OLD_IMAGES" == resources["Table"]["Properties"]["StreamSpecification"]["StreamViewType"]
    changes_ = resources["Publish"]["Properties"]["Events"]["Changes"]["Properties"]
    assert [{"Pattern": stream.filter_pattern()}] == changes_["FilterCriteria"]["Filters"]
    assert ["ReportBatchItemFailures"] == changes_["FunctionResponseTypes"]


@pytest.mark.parametrize("member", MEMBERS)
def test_an_account_and_its_entries_come_out_as_they_were_written(ledger: DynamoLedger, member: str) -> None:
    """With the account as it was before, whatever the member's id looks like; each takes some kinds of entries."""
    drafts = list(DRAFTS.values())
    begin = MEMBERS.index(member)
    _emptied(ledger)
    with recorded() as written:
        ledger.commit(credited(member, 100), Patient())
        account = ledger.load([member]).accounts[member]
        write = posted(account, *drafts[begin :: len(MEMBERS)])
        ledger.commit(Posting((write,)), Patient())
    found = changes(written)
    accounts = [change for change in found if change.row == "A"]
    entries = [change.after for change in found if change.row == "E"]
    assert [(None, 1), (account, 2)] == [(change.before, change.version) for change in accounts]
    assert ledger.load([member]).accounts[member] == accounts[-1].after
    assert list(ledger.history(member)) == entries
    assert {datetime.fromtimestamp(AT, UTC)} == {change.at for change in found}


@pytest.mark.parametrize("name", ACCOUNTS)
def test_an_account_of_any_shape_is_read(ledger: DynamoLedger, name: str) -> None:
    """As the ledger itself reads it."""
    with recorded() as written:
        ledger.commit(Posting((AccountWrite(Account(name), replace(ACCOUNTS[name], member=name)),)), Patient())
    (change,) = changes(written)
    assert ledger.load([name]).accounts[name] == change.after


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_comes_out_as_it_was_written(ledger: DynamoLedger, name: str) -> None:
    """Ids and all: what the key has only as a digest is found again. What is never told is not read."""
    document = DOCUMENTS[name]
    found = put(ledger, document)
    if isinstance(document, Contact | Unmatched):
        (change,) = found
        assert isinstance(change.after, Reach | RefundAlone)
        return
    silent = type(document).__name__ in {"Order", "Answered", "OnceMark", "StoredRules", "Stock", "CodeMark", "Wish"}
    assert ([] if silent else [document]) == [_unwritten(change.after) for change in found]


@pytest.mark.parametrize("row", BESIDE)
def test_a_document_beside_the_ledger_comes_out_as_it_was_written(ledger: DynamoLedger, row: str) -> None:
    """Batches, endpoints, sweeps and messages that did not go out."""
    assert [BESIDE[row]] == [_unwritten(change.after) for change in put(ledger, BESIDE[row])]


def _unwritten(document: Any) -> Any:
    return replace(document, version=document.version - 1)


def test_a_contact_is_read_without_its_addresses(ledger: DynamoLedger) -> None:
    """Two addresses are told apart, and neither is there."""
    contact = Contact("m", "anna@mail.example", "zh", phone="+8613800138000", push="arn:aws:sns:x", wechat="openid-7")
    (change,) = put(ledger, contact)
    assert set(change.after.channels) == {"email", "sms", "push", "wechat"}
    for text in ("anna", "138", "arn:", "openid"):
        assert text not in str(change.after.channels) + repr(change)


# What is told --------------------------------------------------------------------------------------------------------


def told(record_: Record) -> list[dict[str, Any]]:
    """The events of a record as a receiver gets them."""
    return [envelope(event) for event in stream.events_in(record_)]


def test_the_same_record_gives_the_same_event_every_time(ledger: DynamoLedger) -> None:
    """Delivered again, alone, or after a round over the wire."""
    with recorded() as written:
        ledger.commit(credited("again", 70), Patient())
    (entry,) = written.of("E#")
    first = told(entry)
    assert first == told(json.loads(json.dumps(entry))) == told({**entry, "eventID": "other"})
    assert [("points.bonus", 70, 1)] == [(one["type"], one["data"]["points"], one["data"]["sequence"]) for one in first]


def test_a_row_that_time_took_away_is_nothing_to_tell() -> None:
    """DynamoDB says that it was it; anybody else is named."""
    row = {"pk": {"S": "FAILED#2026-03"}, "sk": {"S": "FN#x"}}
    gone = record(None, row)
    by_time = {**gone, "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
    assert stream.read(by_time) is None
    with pytest.raises(UnreadableChange, match="FAILED#2026-03/FN#x: the row is gone"):
        stream.read(gone)


def test_an_entry_that_was_written_over_is_named_and_not_told_again(ledger: DynamoLedger) -> None:
    """History is never edited; who does it in the table shows in an alarm."""
    _emptied(ledger)
    with recorded() as written:
        ledger.commit(credited("m", 70), Patient())
    (entry,) = written.of("E#")
    entry["dynamodb"]["OldImage"] = entry["dynamodb"]["NewImage"]
    with pytest.raises(UnreadableChange, match="M#m/E#000000000001: an entry was written over"):
        stream.events_in({**entry, "eventName": "MODIFY"})


def test_a_change_without_the_row_as_it_was_is_not_taken_for_a_new_row(ledger: DynamoLedger) -> None:
    """A stream that has new images alone would tell of every coupon that is used that it was issued."""
    (used,) = [one for one in DOCUMENTS.values() if isinstance(one, Coupon) and one.status is CouponStatus.USED]
    _emptied(ledger)
    with recorded() as written:
        ledger.commit(Posting(documents=(used,)), Patient())
        ledger.commit(Posting(documents=(replace(used, version=1),)), Patient())
    del written.records[1]["dynamodb"]["OldImage"]
    with pytest.raises(UnreadableChange, match="both images"):
        stream.events_in(written.records[1])


ENTRY: Mapping[str, Any] = {"pk": {"S": "M#m"}, "sk": {"S": "E#000000000001"}}


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        ({}, "a record without keys"),
        ({"dynamodb": {}}, "a record without keys"),
        ({"dynamodb": {"Keys": {"pk": {"S": "M#m"}, "sk": {"N": "1"}}}}, "a record without keys"),
        (record({"pk": {"S": "M#m"}, "sk": {"S": "ZZ#1"}}, None), "M#m/ZZ#1"),
        (record(ENTRY, None), "M#m/E#000000000001"),
        (record({**ENTRY, "kind": {"S": "earn"}, "points": {"S": "12"}}, None), "M#m/E#000000000001"),
        (record({"pk": {"S": "M#m"}, "sk": {"S": "E#x"}}, None), "M#m/E#x"),
        (record({"pk": {"S": "M#m"}, "sk": {"S": "A"}, "revision": {"N": "1"}}, None), "M#m/A"),
        (
            record({"pk": {"S": "M#m"}, "sk": {"S": "CP#a"}, "version": {"N": "1"}, "facts": {"S": "{"}}, None),
            "M#m/CP#a",
        ),
        (
            record({"pk": {"S": "M#m"}, "sk": {"S": "CP#a"}, "version": {"N": "1"}, "facts": {"S": '{"new":1}'}}, None),
            "M#m/CP#a",
        ),
    ],
)
def test_what_cannot_be_read_is_named(broken: Record, named: str) -> None:
    """By the row's keys, and nothing else is raised, whatever stands in it."""
    with pytest.raises(UnreadableChange) as refused:
        stream.events_in(broken)
    assert refused.value.key == named
