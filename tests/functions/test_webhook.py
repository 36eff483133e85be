"""The webhook function: signatures by the letter, and what reaches the queue."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jifen.adapters.queues import decode, encode
from jifen.domain.errors import EventTooLarge
from jifen.domain.orders import EventType, Line, OrderEvent, Paid, Refund, RefundLine
from jifen.runtime import Runtime, use
from tests.functions.stage import (
    NOW,
    SECRET,
    Answer,
    Context,
    Stage,
    cancelled,
    delivery,
    line,
    paid,
    refunded,
    signature,
)

OLD_SECRET = "whsec_" + base64.b64encode(b"the secret of the year before").decode()
STAMP = int(NOW.timestamp())

PUBLISHED = {
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "timestamp": "1614265330",
    "body": '{"test": 2432232314}',
    "signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
"""The vector that the libraries of Standard Webhooks share (libraries/python/tests/test_webhooks.py and six others)."""


@pytest.fixture(autouse=True)
def empty_queue(stage: Stage) -> Iterator[None]:
    """Each test begins with nothing on the queue."""
    stage.queued()
    yield
    stage.move_to(NOW)


def answered(
    stage: Stage,
    event: Mapping[str, Any],
    *,
    secrets: tuple[str, ...] = (SECRET,),
    now: datetime = NOW,
    source: str = "standard",
) -> Answer:
    """What a deployment with these secrets answers at that time."""
    settings = replace(stage.settings, secrets={source: secrets})
    with use(Runtime(settings, clock=lambda: now, orders=stage.runtime.orders, count=lambda _numbers: None)):
        return Answer.of(stage.call("webhook", event))


def published(body: str = PUBLISHED["body"], **changes: str) -> dict[str, Any]:
    """The published vector as a delivery."""
    given = {**PUBLISHED, **changes}
    headers = {f"webhook-{name}": given[name] for name in ("id", "timestamp", "signature")}
    return delivery(body, headers=headers)


# Signatures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (400, "MALFORMED_EVENT")),  # verified; but it is no event of ours
        ({"signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA="}, (401, "SIGNATURE_REFUSED")),
        ({"signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}, (401, "SIGNATURE_REFUSED")),
        ({"id": "msg_p5jXN8AQM9LWM0D4loKWxJeK"}, (401, "SIGNATURE_REFUSED")),
        ({"timestamp": "1614265331"}, (401, "SIGNATURE_REFUSED")),
        ({"body": '{"test": 2432232315}'}, (401, "SIGNATURE_REFUSED")),
        ({"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSx"}, (401, "SIGNATURE_REFUSED")),
        ({"secret": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, (400, "MALFORMED_EVENT")),  # the prefix may be left out
    ],
)
def test_the_published_vector_is_verified_and_nothing_near_it(
    stage: Stage, changes: dict[str, str], expected: tuple[int, str]
) -> None:
    """The vector of the specification's own libraries passes the signature; one character elsewhere and it does not."""
    secret = changes.get("secret", PUBLISHED["secret"])
    at = datetime.fromtimestamp(1614265330, UTC)

    answer = answered(stage, published(**changes), secrets=(secret,), now=at)

    assert expected == (answer.status, answer.code)


def test_every_active_secret_is_accepted_while_one_is_rotated(stage: Stage) -> None:
    """During a rotation either secret signs; afterwards the old one is refused."""
    by_old = delivery(paid("rotation-1", "m-rotation", 100), secret=OLD_SECRET)
    by_new = delivery(paid("rotation-2", "m-rotation", 100))

    during = [answered(stage, event, secrets=(OLD_SECRET, SECRET)).status for event in (by_old, by_new)]
    after = [answered(stage, event, secrets=(SECRET,)).status for event in (by_old, by_new)]

    assert [202, 202] == during
    assert [401, 202] == after


@pytest.mark.parametrize("broken", ["whsec_***", "", "whsec_", "密码", "whsec_AAAAA", "\ud800"])
def test_a_broken_secret_opens_nothing_and_shuts_nothing(stage: Stage, broken: str) -> None:
    """A secret that is no base64, or empty, matches no signature, and the good one beside it still does."""
    message = paid("broken", "m-broken", 100)
    by_nothing = delivery(message, secret="whsec_")

    assert 401 == answered(stage, by_nothing, secrets=(broken,)).status
    assert 202 == answered(stage, delivery(message), secrets=(broken, SECRET)).status


def test_a_secret_without_padding_is_the_same_secret(stage: Stage) -> None:
    """``whsec_`` secrets are accepted with and without their ``=``."""
    padded = "whsec_" + base64.b64encode(b"twenty-five bytes of key.").decode()
    assert padded.endswith("==")

    answer = answered(stage, delivery(paid("pad", "m-pad", 100), secret=padded), secrets=(padded.rstrip("="),))

    assert 202 == answer.status


@pytest.mark.parametrize("secrets", [(), ("",)])
def test_without_a_secret_nothing_is_accepted(stage: Stage, secrets: tuple[str, ...]) -> None:
    """A source without secrets refuses every delivery, whatever it is signed with."""
    for secret in (SECRET, "whsec_"):
        answer = answered(stage, delivery(paid("none", "m-none", 100), secret=secret), secrets=secrets)
        assert (401, "SIGNATURE_REFUSED") == (answer.status, answer.code)


def test_a_secret_of_another_source_opens_nothing(stage: Stage) -> None:
    """Secrets belong to their source."""
    answer = answered(stage, delivery(paid("source", "m-source", 100)), source="shopify")

    assert 401 == answer.status


@pytest.mark.parametrize(
    ("clock_off_s", "status"),
    [(0, 202), (299, 202), (300, 202), (301, 401), (-299, 202), (-300, 202), (-301, 401), (86_400, 401)],
)
def test_the_window_is_five_minutes_both_ways(stage: Stage, clock_off_s: int, status: int) -> None:
    """A delivery stamped exactly 300 seconds ago or ahead is taken, a second more is not."""
    event = delivery(paid(f"window{clock_off_s}", "m-window", 100))

    assert status == answered(stage, event, now=NOW + timedelta(seconds=clock_off_s)).status


def test_a_base64_body_is_verified_over_its_bytes(stage: Stage) -> None:
    """API Gateway may hand the body over in base64; the signature is over the bytes behind it."""
    text = delivery(paid("plain", "会员", 100))
    coded = delivery(paid("plain", "会员", 100), as_base64=True)

    assert text["headers"] == coded["headers"]
    assert [202, 202] == [answered(stage, event).status for event in (text, coded)]


@pytest.mark.parametrize("case", [str.title, str.upper, str.lower])
def test_header_names_are_of_any_case(stage: Stage, case: Any) -> None:
    """Webhook-Id, WEBHOOK-ID and webhook-id are one header."""
    event = delivery(paid("case", "m-case", 100))
    renamed = event | {"headers": {case(name): value for name, value in event["headers"].items()}}

    assert 202 == answered(stage, renamed).status


@pytest.mark.parametrize(
    ("offered", "status"),
    [
        ("v1,AAAA {good}", 202),
        ("{good} v1,AAAA", 202),
        ("v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg== {good}", 202),
        ("v2,{bare} {good}", 202),
        ("{old} {good}", 202),
        ("  {good}  ", 202),
        ("v1,AAAA v1,BBBB", 401),
        ("v1a,{bare}", 401),
        ("{good},{good}", 401),
    ],
)
def test_one_good_signature_among_several_is_enough(stage: Stage, offered: str, status: int) -> None:
    """Several signatures may be offered, of versions we do not know too; one by v1 has to be right."""
    raw = json.dumps(paid("several", "m-several", 100)).encode()
    good = signature(raw, "msg_1", str(STAMP))
    old = signature(raw, "msg_1", str(STAMP), OLD_SECRET)
    filled = offered.format(good=good, bare=good.removeprefix("v1,"), old=old)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(STAMP), "webhook-signature": filled}

    assert status == answered(stage, delivery(raw, headers=headers)).status


def test_every_refused_signature_has_one_and_the_same_answer(stage: Stage) -> None:
    """Nothing in a 401 tells a stranger what was wrong."""
    good = delivery(paid("same", "m-same", 100))
    events = [
        delivery(paid("same", "m-same", 100), secret=OLD_SECRET),
        delivery(paid("same", "m-same", 100), now=NOW - timedelta(days=1)),
        good | {"headers": {}},
        good | {"body": "not JSON"},
        good | {"body": "***", "isBase64Encoded": True},
        good | {"headers": good["headers"] | {"webhook-signature": "v1"}},
        good | {"headers": good["headers"] | {"webhook-timestamp": "soon"}},
    ]

    answers = [answered(stage, event) for event in events] + [answered(stage, good, secrets=())]

    assert {401} == {answer.status for answer in answers}
    assert 1 == len({json.dumps([answer.body, dict(answer.headers)], sort_keys=True) for answer in answers})
    assert "application/problem+json" == answers[0].headers["content-type"]


# What is answered ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [{"type": "ping"}, {"type": "customer.created", "id": 7}, {"type": ""}, {"type": "order.paid.v2"}]
)
def test_what_is_none_of_ours_is_welcome_and_queues_nothing(stage: Stage, body: dict[str, Any]) -> None:
    """A signed ping or unknown type is answered 200 with an empty object."""
    answer = stage.deliver(body)

    assert (200, {}) == (answer.status, answer.body)
    assert 0 == stage.waiting()


def test_a_faulty_event_is_answered_with_every_fault(stage: Stage) -> None:
    """400 names each field that cannot be read, so that one round is enough to mend them."""
    event = paid("faults", "m-faults", [line(100) | {"qty": 1.5}]) | {"currency": "gbp", "event_id": 7}

    answer = stage.deliver(event)

    assert (400, "MALFORMED_EVENT") == (answer.status, answer.code)
    assert {"currency", "event_id", "lines[0].qty"} == {error["field"] for error in answer.body["errors"]}


def test_an_accepted_event_is_counted_and_so_is_a_refused_one(stage: Stage) -> None:
    """WebhookAccepted and WebhookRefused are what the alarms look at."""
    stage.counted.clear()

    stage.deliver(paid("counted", "m-counted", 100))
    stage.deliver(paid("counted", "m-counted", 100), secret=OLD_SECRET)

    assert {"WebhookAccepted": 1, "WebhookRefused": 1} == stage.counted


def test_metrics_are_one_line_of_embedded_metric_format(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Outside of tests the count is printed as a CloudWatch metric under its own namespace."""
    with use(Runtime(stage.settings, clock=lambda: NOW, orders=stage.runtime.orders)):
        stage.call("webhook", delivery(paid("metric", "m-metric", 100)))

    (printed,) = [text for text in capsys.readouterr().out.splitlines() if "CloudWatchMetrics" in text]
    metric = json.loads(printed)
    assert [1] == metric["WebhookAccepted"]
    assert "Jifen" == metric["_aws"]["CloudWatchMetrics"][0]["Namespace"]


def test_what_all_functions_count_together_is_no_functions_own(
    stage: Stage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One alarm looks at one metric of the whole stack; what a function counts beside it stays its own."""
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "redeem")

    Runtime(stage.settings).count({"PointsPasswordsLocked": 2, "Crashes": 1, "WebhookAccepted": 0})

    printed = [json.loads(text) for text in capsys.readouterr().out.splitlines() if "CloudWatchMetrics" in text]
    assert [
        {"service": "jifen", "PointsPasswordsLocked": [2]},
        {"service": "redeem", "Crashes": [1]},
    ] == [{name: value for name, value in one.items() if name != "_aws"} for one in printed]
    assert all(["service"] in one["_aws"]["CloudWatchMetrics"][0]["Dimensions"] for one in printed)


# The queue -----------------------------------------------------------------------------------------------------------


def test_an_accepted_event_lies_on_the_fifo_queue_under_its_member(stage: Stage) -> None:
    """202 means that the queue has it: in the member's group, deduplicated by its content."""
    first = stage.deliver(paid("fifo-1", "m-fifo", 1_000))
    stage.deliver(refunded("fifo-1", "fifo-r", "m-fifo", 500))
    stage.deliver(paid("fifo-2", "m-other", 1_000))
    messages = stage.queued()

    assert (202, {}) == (first.status, first.body)
    groups = [message["attributes"]["MessageGroupId"] for message in messages]
    assert 3 == len(messages)
    assert {1, 2} == {groups.count(group) for group in groups}
    assert [hashlib.sha256(message["body"].encode()).hexdigest() for message in messages] == [
        message["attributes"]["MessageDeduplicationId"] for message in messages
    ]


def test_events_without_a_member_are_grouped_by_their_order(stage: Stage) -> None:
    """A guest's payment and its refund share a group; another guest's order has another."""
    stage.deliver(paid("guest-1", None, 1_000))
    stage.deliver(refunded("guest-1", "guest-r", None, 500))
    stage.deliver(cancelled("guest-2", None))
    groups = [message["attributes"]["MessageGroupId"] for message in stage.queued()]

    assert {1, 2} == {groups.count(group) for group in groups}


@pytest.mark.parametrize("member", ["会员 一", "🧿" * 128, "a/b#c", "x" * 128])
def test_any_member_id_makes_a_group_that_the_queue_takes(stage: Stage, member: str) -> None:
    """Ids may hold what SQS does not allow in a group, and be longer than it allows."""
    assert 202 == stage.deliver(paid("wide", member, 100)).status
    assert 1 == stage.waiting()


def test_a_true_copy_is_queued_once_and_a_reused_event_id_is_not_lost(stage: Stage) -> None:
    """The queue drops what is byte for byte the same event; another event under the same id is kept."""
    stage.deliver(paid("copy", "m-copy", 1_000))
    stage.deliver(paid("copy", "m-copy", 1_000))
    stage.deliver(paid("copy", "m-copy", 2_000, revision=1, event_id="evt-copy-0"))

    assert 2 == len(stage.queued())


def test_a_queue_that_does_not_answer_is_told_to_the_shop(stage: Stage) -> None:
    """The event is not safe, so the shop is asked to send it again: 503 with Retry-After."""
    settings = replace(stage.settings, orders_queue_url=stage.orders_url.replace("orders", "gone"))
    with use(Runtime(settings, clock=lambda: NOW, count=lambda _numbers: None)):
        answer = stage.deliver(paid("lost", "m-lost", 100))

    assert (503, "BUSY") == (answer.status, answer.code)
    assert int(answer.headers["retry-after"]) >= 1


# Size ----------------------------------------------------------------------------------------------------------------


def test_an_order_of_1114_lines_is_reduced_before_it_is_queued(stage: Stage) -> None:
    """The largest order of the example data, some 140 KB as sent, is a short message and earns in full."""
    lines = [line(100 + number, number, description="CREAM HANGING HEART T-LIGHT HOLDER") for number in range(1, 1115)]
    order = paid("large", "m-large", lines)
    sent = len(json.dumps(order))

    (record,) = stage.records(order)
    result = stage.call("earn", {"Records": [record]}, Context())

    assert sent > 70_000
    assert len(record["body"]) < sent / 4
    assert [] == result["batchItemFailures"]
    assert sum(100 + number for number in range(1, 1115)) // 100 == stage.member("m-large")["available"]


def test_fields_that_points_do_not_need_may_be_of_any_size(stage: Stage) -> None:
    """A body beyond 256 KB is taken when what points need of it fits into a message."""
    order = paid("wordy", "m-wordy", 5_000) | {"note": "n" * 400_000, "history": [{"step": "x" * 100}] * 1_000}

    (record,) = stage.records(order)

    assert len(json.dumps(order)) > 500_000
    assert len(record["body"]) < 1_000


def test_an_order_that_does_not_fit_with_its_refunds_travels_in_parts(stage: Stage) -> None:
    """A delivery of several events that no message holds is queued as several; together they say the same."""
    rows = random.Random(1)  # lines that cannot be packed
    lines = tuple(Line(n, f"{rows.getrandbits(96):x}", rows.randrange(10**6)) for n in range(1, 7_001))
    given = tuple(RefundLine(line.amount_minor, None, line.number) for line in lines)
    at = NOW - timedelta(days=1)
    refund = OrderEvent(EventType.REFUNDED, "r", "shopify", "big", "m-big", at, refund=Refund("r", at, "GBP", given))
    payment = OrderEvent(EventType.PAID, "p", "shopify", "big", "m-big", at, paid=Paid("m-big", at, "GBP", lines))

    with pytest.raises(EventTooLarge):
        encode([refund, payment])
    stage.runtime.orders.send([refund, payment])
    records = stage.queued()

    assert 2 == len(records)
    assert [refund, payment] == [event for record in records for event in decode(record["body"])]


@pytest.mark.parametrize("member", ["m\ufffe", "m\uffff", "何雅琴", "m\U0001f600"])
def test_a_message_holds_no_character_that_a_queue_may_refuse_or_replace(stage: Stage, member: str) -> None:
    """SQS takes only some of Unicode; what it put in place of the others could be another member's id."""
    assert 202 == stage.deliver(paid("ascii", member, 100)).status

    (record,) = stage.queued()
    (event,) = decode(record["body"])
    assert record["body"].isascii()
    assert member == event.member


def test_an_order_that_does_not_fit_even_reduced_is_refused(stage: Stage) -> None:
    """413 with the sizes, and nothing on the queue."""
    draw = random.Random(536365)
    lines = [line(1, number, sku=draw.randbytes(100).hex()) for number in range(1, 4_001)]

    answer = stage.deliver(paid("endless", "m-endless", lines))

    assert (413, "EVENT_TOO_LARGE") == (answer.status, answer.code)
    assert answer.body["bytes"] > answer.body["bytes_max"]
    assert 0 == stage.waiting()
