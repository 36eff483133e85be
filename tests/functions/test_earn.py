"""The earn function: batches of the orders queue become points, whatever the order they come in."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from moto.core.botocore_stubber import MockRawResponse

from tests.functions.stage import (
    Context,
    Stage,
    cancelled,
    instant,
    line,
    paid,
    refunded,
)

ALL_PASSED: dict[str, list[Any]] = {"batchItemFailures": []}


@pytest.fixture(autouse=True)
def fresh(stage: Stage) -> None:
    """Each test begins with nothing."""
    stage.clear()


def batch(stage: Stage, records: Sequence[dict[str, Any]], context: object | None = None) -> list[str]:
    """Hand records over in one batch; the ids of those to be tried again."""
    result = stage.call("earn", {"Records": list(records)}, context)
    assert ["batchItemFailures"] == list(result)
    return [failure["itemIdentifier"] for failure in result["batchItemFailures"]]


def record(body: str, group: str, message_id: str = "poison") -> dict[str, Any]:
    """A message that no handler of ours put on the queue."""
    return {
        "messageId": message_id,
        "body": body,
        "attributes": {"MessageGroupId": group, "ApproximateReceiveCount": "1"},
        "eventSource": "aws:sqs",
    }


def totals(stage: Stage, member: str) -> tuple[int, int]:
    """Balance, and earned less clawed back."""
    view = stage.member(member)
    return view["balance"], view["lifetime"]["earned"] - view["lifetime"]["clawed_back"]


# One order -----------------------------------------------------------------------------------------------------------


def test_a_paid_order_earns_and_the_entry_says_why(stage: Stage) -> None:
    """Points of the basis, in the lot that the day of payment calls for, with rule and rate in the entry."""
    goods = [line(12_345), line(500, 2, kind="shipping"), line(300, 3, kind="discount"), line(90, 4, kind="sample")]

    assert ALL_PASSED == stage.earn(paid("e-1", "m-paid", goods))
    (entry,) = stage.entries("m-paid")

    assert ("earn", "ORDER_PAID", 120, 120) == tuple(
        entry[name] for name in ("kind", "reason", "points", "balance_after")
    )
    assert {"type": "order", "id": "e-1"} == entry["source"]
    assert [{"points": 120, "expires_on": "2012-01-31", "active_from": None}] == entry["lots"]
    assert [
        {
            "rule": "base",
            "kept_minor": 12_045,
            "rate": "1 per 100",
            "rounding": "floor",
            "points": 120,
            "granted_before": 0,
        }
    ] == entry["why"]
    assert stage.proved("m-paid")


@pytest.mark.parametrize(
    ("lines", "points"),
    [
        ([line(0, qty=3, unit_price_minor=250)], 7),
        ([line(0, line_total_minor=999)], 9),
        ([line(10_000, line_total_minor=0)], 0),
        ([line(150), line(150, 2)], 3),
        ([line(1_000), line(2_000, 2, kind="discount")], 0),
        ([line(1_000, kind="gift_voucher"), line(1_000, 2, kind="fee"), line(1_000, 3, kind="manual")], 0),
        ([], 0),
    ],
    ids=["qty x price", "line total", "line total of nothing", "rounded once", "discount", "not goods", "no lines"],
)
def test_only_goods_less_discounts_earn(
    stage: Stage, lines: list[dict[str, Any]], points: int, request: pytest.FixtureRequest
) -> None:
    """The basis of an order is its goods less its discounts, never below nothing, rounded once."""
    member = f"m-basis-{request.node.callspec.id}".replace(" ", "-")

    stage.earn(paid(member, member, lines))

    assert (points, points) == totals(stage, member)


def test_refunds_give_back_what_was_kept_too_much(stage: Stage) -> None:
    """A refund posts the difference; the last part of the order takes the last point."""
    stage.earn(paid("rf", "m-refund", 1_050))
    for number, minor in enumerate((40, 40, 970)):
        stage.earn(refunded("rf", f"rf-{number}", "m-refund", minor))

    assert [("earn", 10), ("clawback", -1), ("clawback", -9)] == [
        (entry["kind"], entry["points"]) for entry in stage.entries("m-refund")
    ]
    assert {"ORDER_PAID", "ORDER_REFUNDED"} == {entry["reason"] for entry in stage.entries("m-refund")}
    assert (0, 0) == totals(stage, "m-refund")
    assert stage.proved("m-refund")


@pytest.mark.parametrize(
    ("changes", "points"),
    [
        ({"lines": [{"qty": 1, "unit_price_minor": 1_000, "orig_line": 2}]}, 100),
        ({"lines": [{"qty": 1, "unit_price_minor": 1_000, "orig_line": 2, "kind": "goods"}]}, 90),
        ({"lines": [{"qty": 1, "unit_price_minor": 1_000}]}, 90),
        ({"lines": [], "total_minor": 2_500}, 75),
        ({"lines": [], "total_minor": 10**9}, 0),
        ({"currency": "USD"}, 100),
    ],
    ids=["kind of its line", "own kind", "no line named", "total", "more than all", "foreign currency"],
)
def test_a_refund_gives_back_its_goods(
    stage: Stage, changes: dict[str, Any], points: int, request: pytest.FixtureRequest
) -> None:
    """Lines without a kind have that of the order's line; without lines the total counts; never below nothing."""
    member = f"m-back-{request.node.callspec.id}".replace(" ", "-")
    goods = [line(10_000), line(1_000, 2, kind="shipping")]

    stage.earn(paid(member, member, goods), refunded(member, f"{member}-r", member, 0, **changes))

    assert points == stage.member(member)["balance"]


def test_a_refund_of_spent_points_becomes_debt_that_the_next_credit_pays(stage: Stage) -> None:
    """What a clawback cannot take is owed, and paid before anything is put into a lot."""
    stage.earn(paid("debt-1", "m-debt", 10_000))
    stage.redeem("m-debt", 80, "spend")
    stage.earn(refunded("debt-1", "debt-r", "m-debt", 10_000))
    owing = stage.member("m-debt")
    stage.earn(paid("debt-2", "m-debt", 10_000))
    paid_up = stage.member("m-debt")

    assert (0, 80, -80) == (owing["available"], owing["debt"], owing["balance"])
    assert (20, 0, 20) == (paid_up["available"], paid_up["debt"], paid_up["balance"])
    assert {"paid_debt": 80} in stage.entries("m-debt")[-1]["why"]
    assert stage.proved("m-debt")


# Copies, and other orders of arrival ---------------------------------------------------------------------------------


def test_copies_change_nothing(stage: Stage) -> None:
    """Ten deliveries of one event, in one batch and in ten, are one."""
    (one,) = stage.records(paid("dup", "m-dup", 5_000))

    assert [] == batch(stage, [one | {"messageId": f"copy-{number}"} for number in range(5)])
    for _ in range(5):
        assert [] == batch(stage, [one])

    assert 1 == len(stage.entries("m-dup"))
    assert 9 == stage.counted["DuplicateEvents"]
    assert 50 == stage.counted["PointsEarned"]


def test_a_refund_before_its_payment_is_kept_for_it(stage: Stage) -> None:
    """Nobody knows the member yet; once the order is paid, only what was kept earns."""
    stage.earn(refunded("early", "early-r", "m-early", 4_000))
    before = stage.member("m-early")
    stage.earn(paid("early", "m-early", 10_000))

    assert (0, 0) == (before["version"], before["balance"])
    assert [60] == [entry["points"] for entry in stage.entries("m-early")]


def test_an_order_cancelled_before_it_is_paid_earns_nothing(stage: Stage) -> None:
    """A cancelled order keeps nothing, whatever comes after."""
    stage.earn(cancelled("void", "m-void"))
    stage.earn(paid("void", "m-void", 10_000))
    stage.earn(paid("void", "m-void", 20_000, revision=1))

    assert 0 == stage.member("m-void")["version"]


def test_a_cancellation_takes_everything_back(stage: Stage) -> None:
    """Cancelled after it was paid: one clawback of all, with its reason."""
    stage.earn(paid("off", "m-off", 10_000), cancelled("off", "m-off"), cancelled("off", "m-off"))

    assert [("ORDER_PAID", 100), ("ORDER_CANCELLED", -100)] == [
        (entry["reason"], entry["points"]) for entry in stage.entries("m-off")
    ]
    assert (0, 0) == totals(stage, "m-off")


def test_amendments_follow_the_highest_revision(stage: Stage) -> None:
    """Up, down, late and equal: the highest revision is the paid state, the first of equals."""
    stage.earn(paid("am", "m-amend", 10_000))
    stage.earn(paid("am", "m-amend", 15_000, revision=2))
    stage.earn(paid("am", "m-amend", 99_900, revision=1))
    stage.earn(paid("am", "m-amend", 77_700, revision=2, event_id="evt-am-again"))
    stage.earn(paid("am", "m-amend", 4_000, revision=3))

    assert [("ORDER_PAID", 100), ("ORDER_AMENDED", 50), ("ORDER_AMENDED", -110)] == [
        (entry["reason"], entry["points"]) for entry in stage.entries("m-amend")
    ]
    assert 1 == stage.counted["ConflictingEvents"]
    assert (40, 40) == totals(stage, "m-amend")


def histories() -> Iterator[tuple[str, Callable[[str], list[dict[str, Any]]], int]]:
    """Events of one order, as functions of its name, and the points they are worth in the end."""
    yield (
        "refunds and an amendment",
        lambda name: [
            paid(name, name, 10_000),
            paid(name, name, 12_050, revision=1),
            refunded(name, f"{name}-a", name, 3_010),
            refunded(name, f"{name}-b", name, 45),
        ],
        (12_050 - 3_010 - 45) // 100,
    )
    yield (
        "cancelled",
        lambda name: [
            paid(name, name, 10_000),
            refunded(name, f"{name}-a", name, 3_000),
            cancelled(name, name),
            paid(name, name, 20_000, revision=4),
        ],
        0,
    )
    yield (
        "claimed by a guest",
        lambda name: [
            paid(name, None, 10_000),
            paid(name, name, 9_950, revision=1),
            refunded(name, f"{name}-a", None, 1_000),
        ],
        89,
    )
    yield (
        "moved to another member",
        lambda name: [
            paid(name, f"{name}-first", 10_000),
            paid(name, name, 10_000, revision=1),
            refunded(name, f"{name}-a", f"{name}-first", 5_000),
        ],
        50,
    )


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
@pytest.mark.parametrize(("events", "points"), [row[1:] for row in histories()], ids=[row[0] for row in histories()])
def test_the_same_events_in_every_order_give_the_same_points(
    stage: Stage,
    events: Callable[[str], list[dict[str, Any]]],
    points: int,
    together: bool,  # noqa: FBT001 - a parameter of the test
    request: pytest.FixtureRequest,
) -> None:
    """Every order of delivery, in one batch with each event twice or one at a time, ends in the same points."""
    name = request.node.callspec.id.replace(" ", "-")
    records = stage.records(*events(name))
    for order in itertools.permutations(records):
        stage.clear()
        again = [one | {"messageId": f"{one['messageId']}-again"} for one in order]
        runs = [[*order, *again]] if together else [[one] for one in (*order, again[0])]
        assert not any(batch(stage, run) for run in runs)

        assert (points, points) == totals(stage, name), order
        assert stage.proved(name)
        assert 0 == stage.member(f"{name}-first")["balance"]


# Who earns -----------------------------------------------------------------------------------------------------------


def test_a_guest_earns_nothing_until_a_revision_names_a_member(stage: Stage) -> None:
    """A guest's order is recorded; claimed later, it earns from its day of payment."""
    stage.earn(paid("claim", None, 10_000))
    before = stage.member("m-claim")["version"]
    stage.earn(paid("claim", "m-claim", 10_000, revision=1))

    assert 0 == before
    assert [("ORDER_AMENDED", 100)] == [(entry["reason"], entry["points"]) for entry in stage.entries("m-claim")]


def test_an_order_that_changes_hands_takes_its_points_along(stage: Stage) -> None:
    """A revision for another member takes the points from the first and gives them to the second."""
    stage.earn(paid("hand", "m-first", 10_000))
    stage.earn(paid("hand", "m-second", 10_000, revision=1))

    assert [("ORDER_PAID", 100), ("ORDER_MOVED", -100)] == [
        (entry["reason"], entry["points"]) for entry in stage.entries("m-first")
    ]
    assert (100, 100) == totals(stage, "m-second")
    assert stage.proved("m-first")


def test_a_refund_without_an_order_is_recorded_and_moves_nothing(stage: Stage) -> None:
    """It is counted once as unmatched, however often it is sent."""
    stage.earn(paid("matched", "m-unmatched", 10_000))
    one = refunded(None, "unmatched-r", "m-unmatched", 5_000)

    assert ALL_PASSED == stage.earn(one)
    assert ALL_PASSED == stage.earn(one | {"event_id": "evt-unmatched-again"})

    assert 100 == stage.member("m-unmatched")["balance"]
    assert (1, 1) == (stage.counted["UnmatchedRefunds"], stage.counted["DuplicateEvents"])


def test_another_currency_than_the_program_s_earns_nothing(stage: Stage) -> None:
    """An order in dollars is recorded by a program in pounds and worth nothing."""
    assert ALL_PASSED == stage.earn(paid("usd", "m-usd", 10_000, currency="USD"))

    assert 0 == stage.member("m-usd")["version"]


def test_a_late_order_earns_for_its_day_of_payment(stage: Stage) -> None:
    """Points count from the payment, not from the delivery: what had lapsed meanwhile cannot be spent."""
    stage.earn(paid("late", "m-late", 10_000, occurred_at=instant(-400)))

    assert 0 == stage.member("m-late")["available"]
    assert 409 == stage.redeem("m-late", 1, "late").status


def test_an_order_that_loses_its_customer_is_counted(stage: Stage) -> None:
    """One is a correction; many at once are an app that may no longer see who buys."""
    stage.earn(paid("orphan", "m-orphan", 10_000))
    before = stage.counted.get("OrdersNowGuests", 0)

    stage.earn(paid("orphan", None, 10_000, revision=1))
    stage.earn(paid("orphan", None, 10_000, revision=2))

    assert 0 == stage.member("m-orphan")["balance"]
    assert 1 == stage.counted["OrdersNowGuests"] - before


# Batches -------------------------------------------------------------------------------------------------------------

POISON = [
    "",
    "not JSON",
    "null",
    "[]",
    "{}",
    '{"v": 1, "events": [{}]}',
    '{"v": 1, "events": []}',
    '{"v": 1, "events": {}}',
    '{"v": 1, "event": {}}',
    '{"v": 1, "zlib": "not base64"}',
    '{"v": 1, "zlib": "eJw="}',
    '{"v": 1, "events": [{"type": "order.shipped", "event_id": "e", "shop": "x", "at": "2011-01-10T09:00:00Z"}]}',
    "[" * 100_000,
    "\ud800",
]

INCOMPLETE: dict[str, Any] = {
    "type": "order.paid",
    "event_id": "e",
    "shop": "standard",
    "order_id": "incomplete",
    "member": "m-incomplete",
    "at": "2011-01-10T09:00:00Z",
}


@pytest.mark.parametrize("poison", POISON, ids=range(len(POISON)))
def test_a_message_that_cannot_be_read_goes_back_alone(stage: Stage, poison: str) -> None:
    """Neighbours of other groups and of its own group are posted."""
    number = POISON.index(poison)
    first, second = stage.records(
        paid(f"near-{number}", f"m-near-{number}", 1_000), paid(f"far-{number}", f"m-far-{number}", 1_000)
    )
    group = first["attributes"]["MessageGroupId"]

    assert ["poison"] == batch(stage, [record(poison, group), first, second])

    assert [10, 10] == [stage.member(f"m-{where}-{number}")["balance"] for where in ("near", "far")]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"paid": ["m-incomplete", "2011-01-10T09:00:00Z", "GBP", 0, [[1, "sku", "12"]]]},
        {"paid": ["m-incomplete", "2011-01-10T09:00:00Z", "GBP", 0, None]},
        {"paid": ["m-incomplete", "2011-01-10T09:00:00", "GBP", 0, [[1, "sku", 12]]]},
        {"order_id": None},
        {"order_id": "\ud800", "paid": ["m-incomplete", "2011-01-10T09:00:00Z", "GBP", 0, [[1, "sku", 1_000]]]},
    ],
    ids=["no paid state", "amount a text", "no lines", "no offset", "no order", "lone surrogate"],
)
def test_a_message_that_cannot_be_posted_goes_back_alone(
    stage: Stage, changes: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    """It reads as an event and is none: the others of its group and of the batch are posted all the same."""
    name = f"post-{request.node.callspec.id}".replace(" ", "-")
    body = json.dumps({"v": 1, "events": [{**INCOMPLETE, **changes}]})
    same, other = stage.records(paid(name, name, 1_000), paid(f"{name}-2", f"{name}-2", 1_000))

    assert ["poison"] == batch(stage, [same, record(body, same["attributes"]["MessageGroupId"]), other])

    assert [10, 10] == [stage.member(member)["balance"] for member in (name, f"{name}-2")]
    assert 0 == stage.member("m-incomplete")["version"]


def test_a_record_without_a_group_is_a_group_of_its_own(stage: Stage) -> None:
    """A queue that is no FIFO queue (a redrive by hand) works too."""
    (one,) = stage.records(paid("plain", "m-plain", 1_000))

    assert [] == batch(stage, [{"messageId": "1", "body": one["body"]}, {"messageId": "2", "body": one["body"]}])
    assert 10 == stage.member("m-plain")["balance"]


def test_an_empty_batch_is_done(stage: Stage) -> None:
    """Nothing in, nothing to be tried again."""
    assert ALL_PASSED == stage.call("earn", {"Records": []})


def refusal(code: str) -> dict[str, Any]:
    """DynamoDB's answer to a transaction that it cancelled for this reason."""
    return {
        "Error": {"Code": "TransactionCanceledException", "Message": f"Transaction cancelled [{code}]"},
        "CancellationReasons": [{"Code": code, "Message": "refused by the test"}],
        "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": {}, "RequestId": "test", "RetryAttempts": 0},
    }


@contextmanager
def hooked(stage: Stage, event: str, hook: Callable[..., Any]) -> Iterator[None]:
    """Call ``hook`` at this event of each transaction."""
    events = stage.runtime.ledger.client.meta.events  # type: ignore[attr-defined]
    events.register_first(f"{event}.dynamodb.TransactWriteItems", hook)
    try:
        yield
    finally:
        events.unregister(f"{event}.dynamodb.TransactWriteItems", hook)


@contextmanager
def refusing(stage: Stage, needle: str, code: str = "TransactionConflict", times: int = 1_000) -> Iterator[list[int]]:
    """DynamoDB refuses ``times`` transactions that mention ``needle``; the list grows with every refusal."""
    refused: list[int] = []

    def refuse(params: Any, **_more: Any) -> Any:
        if needle.encode() not in params["body"] or len(refused) >= times:
            return None
        refused.append(1)
        return AWSResponse(params["url"], 400, HTTPHeaders(), None), refusal(code)

    with hooked(stage, "before-call", refuse):
        yield refused


def test_a_busy_ledger_sends_the_whole_group_back_and_no_other(stage: Stage) -> None:
    """Contention that outlives the invocation: the group is tried again, in order, and posted once."""
    records = stage.records(
        paid("busy-1", "m-busy", 1_000), paid("free-1", "m-free", 1_000), refunded("busy-1", "busy-r", "m-busy", 500)
    )
    hurried = Context(remaining_ms=3_010)

    with refusing(stage, "m-busy") as refused:
        failed = batch(stage, records, hurried)
    while_busy = stage.member("m-busy")["version"], stage.member("m-free")["balance"]
    again = batch(stage, [one for one in records if one["messageId"] in failed])

    assert [records[0]["messageId"], records[2]["messageId"]] == failed
    assert refused
    assert (0, 10) == while_busy
    assert [] == again
    assert (5, 5) == totals(stage, "m-busy")


def test_a_conflict_that_passes_is_waited_for(stage: Stage) -> None:
    """One refused transaction is sent again within the invocation."""
    records = stage.records(paid("retry", "m-retry", 1_000))

    with refusing(stage, "m-retry", times=2) as refused:
        failed = batch(stage, records)

    assert [] == failed
    assert 2 == len(refused)
    assert 10 == stage.member("m-retry")["balance"]


def test_a_lost_answer_posts_once(stage: Stage) -> None:
    """The transaction was written and its answer lost: sent again, it is found, and the points are there once."""
    records = stage.records(paid("lost", "m-lost", 1_000))
    lost: list[int] = []

    def lose(request: Any, **_more: Any) -> AWSResponse | None:  # moto has written by then
        if lost:
            return None
        lost.append(1)
        body = json.dumps({"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError"}).encode()
        return AWSResponse(request.url, 500, HTTPHeaders(), MockRawResponse(body))

    with hooked(stage, "before-send", lose):
        failed = batch(stage, records)

    assert [1] == lost
    assert [] == failed
    assert [10] == [entry["points"] for entry in stage.entries("m-lost")]


def test_an_order_too_large_for_the_table_does_not_take_its_neighbours_down(stage: Stage) -> None:
    """What DynamoDB will never take goes back alone; the rest of the batch is posted."""
    records = stage.records(paid("too-large", "m-too-large", 1_000), paid("beside", "m-beside", 1_000))

    with refusing(stage, "m-too-large", "ValidationError"):
        failed = batch(stage, records)

    assert [records[0]["messageId"]] == failed
    assert 10 == stage.member("m-beside")["balance"]


def test_a_damaged_order_does_not_take_its_neighbours_down(stage: Stage) -> None:
    """What is kept of one order cannot be read any more: its events go back, the rest of the batch is posted."""
    stage.earn(paid("damaged", "m-damaged", 1_000))
    stage.dynamodb.update_item(
        TableName=stage.name,
        Key={"pk": {"S": "O#standard#damaged"}, "sk": {"S": "O"}},
        UpdateExpression="SET award = :a",
        ExpressionAttributeValues={":a": {"S": "[]"}},
    )
    records = stage.records(refunded("damaged", "damaged-r", "m-damaged", 500), paid("whole", "m-whole", 1_000))

    assert [records[0]["messageId"]] == batch(stage, records)
    assert (10, 10) == (stage.member("m-damaged")["balance"], stage.member("m-whole")["balance"])
