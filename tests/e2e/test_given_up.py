"""What cannot be posted leaves the queue without taking anything along, waits, and is sent back by `jifen dlq`."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from jifen.adapters.queues import encode, group_of
from jifen.adapters.webhook import standard
from jifen.domain.calendar import parse_instant
from jifen.domain.orders import OrderEvent
from local import cli, dlq
from tests.e2e.outside import Outside, order, until

pytestmark = pytest.mark.e2e

POISON = '{"v":1,"events":[{"what":"nobody can read"}]}'
GIVEN_UP_WITHIN_S = 90.0


@pytest.fixture
def impatient(outside: Outside) -> Iterator[Outside]:
    """The stack with a second between two tries of a message.

    Five times the three minutes of the template are too long for a test; how often it is tried stays the template's.
    """
    sqs, url = outside.stack.client("sqs"), outside.stack.outputs["OrdersQueueUrl"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})
    try:
        yield outside
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "180"})
        for queue in (url, outside.stack.outputs["OrdersDlqUrl"]):
            sqs.purge_queue(QueueUrl=queue)


def events_of(body: dict[str, Any]) -> list[OrderEvent]:
    """The events of a delivery, as the webhook function queues them."""
    return standard.read({}, json.dumps(body).encode(), parse_instant("2099-01-01T00:00:00Z"))


def put(outside: Outside, body: str, group: str) -> None:
    """Put a message onto the orders queue past the webhook function."""
    outside.stack.client("sqs").send_message(
        QueueUrl=outside.stack.outputs["OrdersQueueUrl"],
        MessageBody=body,
        MessageGroupId=group,
        MessageDeduplicationId=str(uuid.uuid4()),
    )


def given_up(outside: Outside) -> list[dict[str, Any]]:
    """What `jifen dlq list orders` shows."""
    found: list[dict[str, Any]] = dlq.look(dlq.Deployment(outside.stack.client), "orders")["messages"]
    return found


def jifen(outside: Outside, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Run the command against this local AWS; what it prints."""
    capsys.readouterr()
    code = cli.main([*arguments, "--local", "--state", str(outside.stack.place.folder), "--json"])
    written = capsys.readouterr()
    assert 0 == code, written.err
    return json.loads(written.out)


@contextmanager
def without_rights(outside: Outside, role: str) -> Iterator[None]:
    """Take a role's rights on the table away for a while, as a deployment that went wrong would."""
    iam, name = outside.stack.client("iam"), outside.resource(role)
    denied = {"Effect": "Deny", "Action": "dynamodb:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    iam.put_role_policy(RoleName=name, PolicyName="a-mistake", PolicyDocument=document)
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="a-mistake")


def test_poison_is_given_up_alone_and_comes_back_as_often_as_it_is_sent(
    impatient: Outside, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its neighbours pass: those of its own group, before and after it, and those of others."""
    before, after, other = (
        events_of(order(member, f"o-{name}", 10))
        for member, name in (("m-poisoned", "before"), ("m-poisoned", "after"), ("m-neighbour", "other"))
    )
    group = group_of(before)
    put(impatient, encode(before), group)
    put(impatient, POISON, group)
    put(impatient, encode(after), group)
    put(impatient, encode(other), group_of(other))

    impatient.wait_for_balance("m-neighbour", 10)
    impatient.wait_for_balance("m-poisoned", 20)
    (lying,) = until(lambda: given_up(impatient), bool, GIVEN_UP_WITHIN_S)

    assert 5 <= lying["tries"] <= 6 + lying["age_s"]
    assert ("unreadable", POISON) == (lying["kind"], lying["begins"])
    assert 0 == impatient.waiting("OrdersQueue")

    result = jifen(impatient, capsys, "dlq", "redrive", "orders")
    assert 1 == result["redriven"]
    (again,) = until(lambda: given_up(impatient), bool, GIVEN_UP_WITHIN_S)
    assert POISON == again["begins"]
    assert lying["message_id"] != again["message_id"]


def test_what_failed_for_a_passing_reason_is_posted_once_it_is_sent_back(
    impatient: Outside, capsys: pytest.CaptureFixture[str]
) -> None:
    """Orders that come while the function has lost its rights are given up, kept, and lose nothing by it."""
    with without_rights(impatient, "EarnRole"):
        for n in range(3):
            impatient.pay("m-patient", f"o-patient-{n}", 10 + n)
        impatient.pay("m-patient-too", "o-patient-too", 5)
        until(lambda: impatient.waiting("OrdersDlq"), lambda count: count == 4, GIVEN_UP_WITHIN_S)
    assert 0 == impatient.account("m-patient")["version"]
    (listed,) = jifen(impatient, capsys, "dlq", "list", "orders")
    shown = {(row["kind"], *row["order_ids"], *row["member_ids"]) for row in listed["messages"]}

    first = jifen(impatient, capsys, "dlq", "redrive", "orders", "--limit", "1")
    rest = jifen(impatient, capsys, "dlq", "redrive", "orders")
    impatient.wait_for_balance("m-patient", 33)
    impatient.wait_for_balance("m-patient-too", 5)

    assert {("order.paid", f"o-patient-{n}", "m-patient") for n in range(3)} | {
        ("order.paid", "o-patient-too", "m-patient-too")
    } == shown
    assert (1, 3, 3, 0) == (first["redriven"], first["left"], rest["redriven"], rest["left"])
    assert 0 == impatient.waiting("OrdersQueue")
    assert 3 == impatient.account("m-patient")["version"]
    assert impatient.is_proved("m-patient")


def test_a_run_that_did_not_happen_is_run_now(outside: Outside, capsys: pytest.CaptureFixture[str]) -> None:
    """From the message that Lambda leaves of it, which names no function: both sweeps run."""
    dead = outside.stack.outputs["ScheduleDlqUrl"]
    outside.stack.client("sqs").send_message(
        QueueUrl=dead,
        MessageBody='{"as_of":"2026-11-20T16:05:00Z"}',
        MessageAttributes={"ErrorMessage": {"DataType": "String", "StringValue": "timed out"}},
    )
    (lying,) = jifen(outside, capsys, "dlq", "list", "schedule")[0]["messages"]

    result = jifen(outside, capsys, "dlq", "redrive", "schedule")

    assert ("run", "2026-11-20T16:05:00Z", "timed out") == (lying["kind"], lying["as_of"], lying["error"])
    assert {"queue": "schedule", "redriven": 1, "left": 0} == result
