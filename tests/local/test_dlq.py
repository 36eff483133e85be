"""`jifen dlq` on queues and a stack in moto: nothing is lost, nothing is sent twice, and what lies there is shown."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.sqs.models import sqs_backends

from jifen.adapters.hooks import encode as encode_hook
from jifen.adapters.queues import encode, encode_task
from jifen.domain.calendar import parse_instant
from jifen.domain.orders import EventType, OrderEvent
from jifen.service.hook_ports import DeliveryTask, HookTask, ProbeTask, ReplayTask
from jifen.service.ports import ShardTask, Sweep
from local import cli, dlq

REGION = "eu-west-2"
STACK = "shop"
TEMPLATE = {
    "AWSTemplateFormatVersion": "2010-09-09",
    "Resources": {
        **{
            name: {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"{STACK}-{name}.fifo", "FifoQueue": True}}
            for name in ("OrdersQueue", "OrdersDlq")
        },
        **{
            name: {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": f"{STACK}-{name}"}}
            for name in (
                *("ExpireQueue", "ExpireDlq", "RemindQueue", "RemindDlq", "ScheduleDlq"),
                *("DeliveryQueue", "DeliveryDlq", "PublishDlq"),
            )
        },
        # A table in place of a function: moto has functions only with Docker, and nothing but the name is asked for.
        **{
            name: {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "TableName": f"{STACK}-{name}-X1",
                    "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                },
            }
            for name in ("Expire", "Remind", "Publish")
        },
    },
}
EXPIRE_ARN = "arn:aws:lambda:eu-west-2:123456789012:function:shop-Expire-X1"


class Functions:
    """Lambda as far as a redrive needs it: what was invoked, and functions that fail."""

    def __init__(self) -> None:
        self.invoked: list[str] = []
        self.failing: set[str] = set()
        self.told: list[Any] = []
        self.says = b'{"queued": 16}'

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's own names
        """Note the call."""
        if "Publish" in FunctionName:
            self.told += json.loads(Payload)["Records"]
        else:
            assert b"{}" == Payload
        self.invoked.append(FunctionName)
        if self.invoked[-1] in self.failing:
            return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "no \x1b[2Jtable"}')}
        return {"Payload": io.BytesIO(self.says)}


class Stream:
    """One shard of a stream, a few records a page; its records carry numbers from 1 on."""

    def __init__(self, records: int, page: int = 2) -> None:
        self.records: list[dict[str, Any]] = [
            {
                "eventID": f"e{number}",
                "dynamodb": {
                    "SequenceNumber": str(number),
                    "ApproximateCreationDateTime": datetime(2026, 11, 26, 9, tzinfo=UTC),
                    "NewImage": {"pk": {"S": f"M#{number}"}, "why": {"B": b"\x78\x9c"}},
                },
            }
            for number in range(1, records + 1)
        ]
        self.page = page
        self.empty = 0

    def get_shard_iterator(self, *, SequenceNumber: str, ShardIteratorType: str, **place: str) -> dict[str, str]:  # noqa: N803 - boto3's own names
        """Where a number is."""
        assert ("AT_SEQUENCE_NUMBER", "arn:s") == (ShardIteratorType, place["StreamArn"])
        if place["ShardId"] != "shard-1":
            raise ClientError({"Error": {"Code": "ValidationException"}}, "GetShardIterator")
        return {"ShardIterator": str(int(SequenceNumber) - 1)}

    def describe_stream(self, *, StreamArn: str, ExclusiveStartShardId: str = "") -> dict[str, Any]:  # noqa: N803 - as above
        """Its shards, one a page: one that is over, one of the same time, and the one of the records."""
        assert StreamArn == "arn:s"
        spans = {"shard-0": ("0", "0"), "shard-2": ("1", "9"), "shard-1": ("1", "")}
        name = [*spans, ""][[*spans].index(ExclusiveStartShardId) + 1] if ExclusiveStartShardId else "shard-0"
        first, last = spans[name]
        span = {"StartingSequenceNumber": first} | ({"EndingSequenceNumber": last} if last else {})
        more = {"LastEvaluatedShardId": name} if name != "shard-1" else {}
        return {"StreamDescription": {"Shards": [{"ShardId": name, "SequenceNumberRange": span}], **more}}

    def get_records(self, *, ShardIterator: str, Limit: int) -> dict[str, Any]:  # noqa: N803 - as above
        """The page behind an iterator."""
        start = int(ShardIterator)
        if self.empty:
            self.empty -= 1
            return {"Records": [], "NextShardIterator": ShardIterator}
        end = start + min(self.page, Limit)
        return {"Records": self.records[start:end], "NextShardIterator": str(end)}


class Bench:
    """A deployed stack, its queues by the template's names, and its functions."""

    def __init__(self) -> None:
        self.sqs = boto3.client("sqs", REGION)
        self.formation = boto3.client("cloudformation", REGION)
        self.formation.create_stack(StackName=STACK, TemplateBody=json.dumps(TEMPLATE))
        self.functions = Functions()
        self.stream = Stream(9)
        clients: Mapping[str, Any] = {
            "sqs": self.sqs,
            "cloudformation": self.formation,
            "lambda": self.functions,
            "dynamodbstreams": self.stream,
        }
        self.deployment = dlq.Deployment(lambda service: clients[service], STACK)

    def put(self, queue: str, body: str, group: str | None = None, attributes: Mapping[str, str] | None = None) -> None:
        """Put a message onto a queue."""
        more: dict[str, Any] = {"MessageGroupId": group, "MessageDeduplicationId": body[:100]} if group else {}
        said = {name: {"DataType": "String", "StringValue": value} for name, value in (attributes or {}).items()}
        self.sqs.send_message(QueueUrl=self.deployment.find(queue), MessageBody=body, MessageAttributes=said, **more)

    def on(self, queue: str) -> list[Any]:
        """Every message of a queue, in its order, seen or not."""
        name = self.deployment.find(queue).rsplit("/", 1)[-1]
        return list(sqs_backends[DEFAULT_ACCOUNT_ID][REGION].queues[name]._messages)

    def bodies(self, queue: str) -> list[str]:
        """What they say."""
        return [message.body for message in self.on(queue)]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """A stack with empty queues; waiting for messages takes no time."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "ERROR")
    monkeypatch.setattr(dlq, "WAIT_S", 0)
    with mock_aws():
        yield Bench()


def cancelled(order_id: str, member: str | None = "m-1") -> str:
    """A message with one event."""
    at = parse_instant("2026-11-20T10:00:00Z")
    return encode([OrderEvent(EventType.CANCELLED, f"e-{order_id}", "standard", order_id, member, at)])


def task(sweep: Sweep, shard: int) -> str:
    """A message with one shard."""
    return encode_task(ShardTask(sweep, parse_instant("2026-11-20T16:05:00Z"), shard))


# Looking -------------------------------------------------------------------------------------------------------------


def test_what_lies_there_is_shown_and_stays(bench: Bench) -> None:
    """Ids and kind of what can be read, the beginning of what cannot, with nothing that a terminal would obey."""
    bench.put("OrdersDlq", cancelled("o-1"), "a")
    bench.put("OrdersDlq", "💣 not \u0085ours", "b")

    found = dlq.look(bench.deployment, "orders")
    again = dlq.look(bench.deployment, "orders")

    assert ("orders", 2, 2) == (found["queue"], found["waiting"], len(again["messages"]))
    good, bad = found["messages"]
    assert ("order.cancelled", ["o-1"], ["m-1"]) == (good["kind"], good["order_ids"], good["member_ids"])
    assert good["begins"].startswith('{"v":1,"events":[')
    assert good["age_s"] < 60
    assert (1, 2) == (good["tries"], again["messages"][0]["tries"])
    assert ("unreadable", "💣 not \\x85ours") == (bad["kind"], bad["begins"])


def test_shards_and_runs_say_what_they_are_for(bench: Bench) -> None:
    """And why a run did not happen, in the words of whoever gave it up."""
    bench.put("ExpireDlq", task(Sweep.EXPIRE, 3))
    run = '{"as_of":"2026-11-20T16:05:00Z"}'
    bench.put("ScheduleDlq", run, attributes={"TARGET_ARN": EXPIRE_ARN, "ERROR_MESSAGE": "denied"})
    bench.put("ScheduleDlq", run, attributes={"ErrorMessage": "timed\x1bout", "ErrorCode": "200"})
    bench.put("ScheduleDlq", "[]")

    (shard,) = dlq.look(bench.deployment, "expire")["messages"]
    by_scheduler, by_lambda, neither = dlq.look(bench.deployment, "schedule")["messages"]

    assert ("expire", "2026-11-20T16:05:00Z", 3) == (shard["kind"], shard["as_of"], shard["shard"])
    assert ("shop-Expire-X1", "denied") == (by_scheduler["function"], by_scheduler["error"])
    assert ("2026-11-20T16:05:00Z", "timed\\x1bout") == (by_lambda["as_of"], by_lambda["error"])
    assert {"kind", "begins"} == neither.keys() - {"message_id", "age_s", "tries"}


def test_at_most_a_hundred_are_shown_and_the_rest_is_counted(bench: Bench) -> None:
    """A flood does not fill the screen."""
    for n in range(dlq.SHOWN_MAX + 5):
        bench.put("RemindDlq", task(Sweep.REMIND, n))

    found = dlq.look(bench.deployment, "remind")

    assert (dlq.SHOWN_MAX + 5, dlq.SHOWN_MAX) == (found["waiting"], len(found["messages"]))
    assert dlq.SHOWN_MAX + 5 == len(bench.on("RemindDlq"))


# Sending back --------------------------------------------------------------------------------------------------------


def test_orders_go_back_in_order_with_their_group_and_a_new_deduplication_id(bench: Bench) -> None:
    """More than one batch; the queue would drop within five minutes what comes with the id it has seen."""
    bodies = [cancelled(f"o-{n}") for n in range(23)]
    for n, body in enumerate(bodies):
        bench.put("OrdersQueue", body, f"group-{n % 3}")
        bench.put("OrdersDlq", body, f"group-{n % 3}", {"trace": f"t-{n}"})
    seen: list[tuple[int, int]] = []

    result = dlq.redrive(bench.deployment, "orders", watch=lambda _, done, total: seen.append((done, total)))

    back = bench.on("OrdersQueue")[23:]
    assert {"queue": "orders", "redriven": 23, "left": 0} == result
    assert sorted(bodies) == sorted(message.body for message in back)
    for group in ("group-0", "group-1", "group-2"):
        of_group = [message.body for message in back if message.group_id == group]
        assert [body for n, body in enumerate(bodies) if f"group-{n % 3}" == group] == of_group
    assert 23 == len({message.deduplication_id for message in back})
    assert {f"t-{n}" for n in range(23)} == {message.message_attributes["trace"]["StringValue"] for message in back}
    assert [(n + 1, 23) for n in range(23)] == seen


@pytest.mark.parametrize(
    ("queue", "name", "sweep"), [("expire", "Expire", Sweep.EXPIRE), ("remind", "Remind", Sweep.REMIND)]
)
def test_shards_go_back_to_their_own_queue(bench: Bench, queue: str, name: str, sweep: Sweep) -> None:
    """A standard queue: no group, no deduplication."""
    bench.put(f"{name}Dlq", task(sweep, 7))

    assert 1 == dlq.redrive(bench.deployment, queue)["redriven"]
    assert ([], [task(sweep, 7)]) == (bench.bodies(f"{name}Dlq"), bench.bodies(f"{name}Queue"))


def test_no_more_go_back_than_asked(bench: Bench) -> None:
    """To try one before the others."""
    for n in range(12):
        bench.put("OrdersDlq", cancelled(f"o-{n}"), "a")

    assert {"queue": "orders", "redriven": 11, "left": 1} == dlq.redrive(bench.deployment, "orders", limit=11)
    assert 11 == len(bench.on("OrdersQueue"))


def test_what_fails_again_at_once_does_not_go_round_for_ever(bench: Bench) -> None:
    """A message that comes back under the id it was sent with is left where it is."""
    for n in range(3):
        bench.put("ExpireDlq", f"poison {n}")
    returned: list[str] = []

    def fail_again(_stage: str, _done: int, _total: int) -> None:
        queues = sqs_backends[DEFAULT_ACCOUNT_ID][REGION].queues
        source, target = queues[f"{STACK}-ExpireQueue"], queues[f"{STACK}-ExpireDlq"]
        returned.extend(message.body for message in source._messages)
        target._messages.extend(source._messages)
        source._messages.clear()

    result = dlq.redrive(bench.deployment, "expire", watch=fail_again)

    assert {"queue": "expire", "redriven": 3, "left": 3} == result
    assert ["poison 0", "poison 1", "poison 2"] == sorted(returned)


@pytest.mark.parametrize("refused", ["SendMessage", "DeleteMessage"])
def test_a_refusal_half_way_loses_nothing(bench: Bench, refused: str) -> None:
    """What was not sent lies where it was, to be taken at once; what was sent and not deleted is there twice."""
    for n in range(4):
        bench.put("RemindDlq", task(Sweep.REMIND, n))
    calls: list[str] = []

    def refuse(params: Any, **_: Any) -> None:
        calls.append(str(params))
        if 3 == len(calls):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, refused)

    bench.sqs.meta.events.register(f"before-call.sqs.{refused}", refuse)
    with pytest.raises(dlq.DlqError, match=r"AccessDenied.*; 2 sent back before that"):
        dlq.redrive(bench.deployment, "remind")
    bench.sqs.meta.events.unregister(f"before-call.sqs.{refused}", refuse)

    left, back = bench.bodies("RemindDlq"), bench.bodies("RemindQueue")
    all_of_them = {task(Sweep.REMIND, n) for n in range(4)}
    assert all_of_them == {*left, *back}
    assert (2 if refused == "SendMessage" else 3) == len(back)
    assert 2 == len(left)
    assert 2 == dlq.redrive(bench.deployment, "remind")["redriven"]
    assert all_of_them == set(bench.bodies("RemindQueue"))


# Runs that did not happen --------------------------------------------------------------------------------------------


def test_a_missed_run_is_run_now_once_however_often_it_was_missed(bench: Bench) -> None:
    """The scheduler names the function in its message."""
    for n in range(3):
        bench.put(
            "ScheduleDlq", json.dumps({"as_of": f"2026-11-2{n}T16:05:00Z"}), attributes={"TARGET_ARN": EXPIRE_ARN}
        )

    assert {"queue": "schedule", "redriven": 3, "left": 0} == dlq.redrive(bench.deployment, "schedule")
    assert ["shop-Expire-X1"] == bench.functions.invoked


@pytest.mark.parametrize("attributes", [{}, {"ErrorMessage": "timed out"}, {"TARGET_ARN": "arn:x:function:another"}])
def test_of_a_run_that_names_no_function_of_ours_both_sweeps_start(bench: Bench, attributes: Mapping[str, str]) -> None:
    """Lambda's message names none, and a needless sweep is harmless; nothing that a message says is ever invoked."""
    bench.put("ScheduleDlq", '{"as_of":"2026-11-20T16:05:00Z"}', attributes=attributes)

    assert 1 == dlq.redrive(bench.deployment, "schedule")["redriven"]
    assert ["shop-Expire-X1", "shop-Remind-X1"] == bench.functions.invoked


def test_a_run_that_fails_again_stays(bench: Bench) -> None:
    """With what the function said, made harmless."""
    bench.put("ScheduleDlq", "{}")
    bench.functions.failing.add("shop-Remind-X1")

    with pytest.raises(dlq.DlqError, match=r"shop-Remind-X1 failed again: .*no \\x1b\[2Jtable.*; 0 sent back"):
        dlq.redrive(bench.deployment, "schedule")

    assert ["{}"] == bench.bodies("ScheduleDlq")


# The command ---------------------------------------------------------------------------------------------------------

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(bench: Bench, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command on the stack; gives exit code, standard output and standard error."""
    assert bench.deployment.stack == STACK

    def command(*arguments: str) -> tuple[int, str, str]:
        try:
            code = cli.main(["dlq", *arguments])
        except SystemExit as usage:
            code = int(str(usage.code))
        written = capsys.readouterr()
        return code, written.out, written.err

    return command


def test_the_command_shows_every_queue_and_sends_back(bench: Bench, run: Run) -> None:
    """For a person, and as JSON."""
    bench.put("OrdersDlq", cancelled("o-[bold]7"), "a")

    code, shown, _ = run("list", "--stack", STACK)
    listed = run("list", "orders", "--stack", STACK, "--json")
    back = run("redrive", "orders", "--stack", STACK)
    nothing = run("redrive", "orders", "--stack", STACK, "--json")

    assert 0 == code
    assert all(f"{queue}: " in shown for queue in dlq.QUEUES)
    assert "orders: 1 given up" in shown
    assert "order o-[bold]7" in shown
    assert 0 == listed[0]
    assert [["o-[bold]7"]] == [row["order_ids"] for row in json.loads(listed[1])[0]["messages"]]
    assert (0, "orders: 1 sent back, 0 left\n", "") == back
    assert (0, {"queue": "orders", "redriven": 0, "left": 0}) == (nothing[0], json.loads(nothing[1]))


def test_a_stack_that_is_not_there_is_said_so(run: Run) -> None:
    """On standard error, with the exit code of a refusal."""
    code, out, err = run("list", "orders", "--stack", "nowhere")

    assert (1, "") == (code, out)
    assert err.startswith("jifen dlq: ")
    assert "nowhere" in err


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_region_is_the_one_that_aws_itself_would_take(
    bench: Bench, run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """`AWS_REGION` goes before the other."""
    bench.put("OrdersDlq", cancelled("o-7"), "a")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-1")
    monkeypatch.delenv("AWS_REGION", raising=False)
    monkeypatch.setenv(name, REGION)

    code, out, _ = run("list", "orders", "--stack", STACK, "--json")

    assert (0, 1) == (code, json.loads(out)[0]["waiting"])


@pytest.mark.parametrize("command", ["list", "redrive"])
def test_no_region_is_said_so(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str) -> None:
    """With both ways out."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_REGION", "")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    code, out, err = run(command, "orders")

    assert (1, "") == (code, out)
    assert "jifen dlq: no region: set AWS_REGION, or use --local for the local AWS\n" == err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("list", "nonsense"),
        ("redrive",),
        ("redrive", "orders", "--limit", "0"),
        ("redrive", "orders", "--limit", "x"),
        ("list", "--local", "--stack", STACK),
    ],
)
def test_usage(run: Run, arguments: tuple[str, ...]) -> None:
    """Exit code 2 and nothing on standard output."""
    code, out, err = run(*arguments)

    assert (2, "") == (code, out)
    assert "usage: jifen dlq" in err


def test_a_local_aws_that_is_not_up_is_said_so(run: Run, tmp_path: Any) -> None:
    """With the command that starts it."""
    code, _, err = run("list", "--local", "--state", str(tmp_path))

    assert 1 == code
    assert "jifen up" in err


# Events out ----------------------------------------------------------------------------------------------------------


def stretch(first: int, last: int) -> str:
    """What the stream says of records that could not be told."""
    place = {
        "streamArn": "arn:s",
        "shardId": "shard-1",
        "startSequenceNumber": str(first),
        "endSequenceNumber": str(last),
        "approximateArrivalOfFirstRecord": "2026-11-26T09:00:00Z",
        "batchSize": last - first + 1,
    }
    return json.dumps({"requestContext": {"condition": "RetryAttemptsExhausted"}, "DDBStreamBatchInfo": place})


@pytest.mark.parametrize(("first", "last"), [(3, 7), (1, 9), (4, 4), (2, 3)])
def test_changes_that_were_not_told_are_read_from_the_stream_again(bench: Bench, first: int, last: int) -> None:
    """Exactly the records of the stretch, as the function gets them from the stream, and the message is gone."""
    bench.functions.says = b'{"batchItemFailures": []}'
    bench.put("PublishDlq", stretch(first, last))

    result = dlq.redrive(bench.deployment, "publish")

    told = bench.functions.told
    assert ({"queue": "publish", "redriven": 1, "left": 0}, []) == (result, bench.bodies("PublishDlq"))
    assert list(range(first, last + 1)) == [int(one["dynamodb"]["SequenceNumber"]) for one in told]
    assert {"eJw="} == {one["dynamodb"]["NewImage"]["why"]["B"] for one in told}
    assert {1_795_683_600} == {one["dynamodb"]["ApproximateCreationDateTime"] for one in told}


def test_pages_without_records_are_not_the_end_of_a_stretch(bench: Bench) -> None:
    """The stream gives some at any time; nothing is lost for them."""
    bench.functions.says = b'{"batchItemFailures": []}'
    bench.stream.empty = 3
    bench.put("PublishDlq", stretch(3, 7))
    assert 1 == dlq.redrive(bench.deployment, "publish")["redriven"]
    assert [3, 4, 5, 6, 7] == [int(one["dynamodb"]["SequenceNumber"]) for one in bench.functions.told]


def test_a_change_that_was_passed_over_is_told_by_what_the_log_says_of_it(bench: Bench) -> None:
    """The stream and the number are enough: the shard is looked for. A number that no shard has stays where it is."""
    bench.functions.says = b'{"batchItemFailures": []}'
    place = {"streamArn": "arn:s", "startSequenceNumber": "5", "endSequenceNumber": "5"}
    bench.put("PublishDlq", json.dumps({"DDBStreamBatchInfo": place}))
    assert ["changes"] == [row["kind"] for row in dlq.look(bench.deployment, "publish")["messages"]]
    assert 1 == dlq.redrive(bench.deployment, "publish")["redriven"]
    assert [5] == [int(one["dynamodb"]["SequenceNumber"]) for one in bench.functions.told]
    bench.put("PublishDlq", json.dumps({"DDBStreamBatchInfo": place | {"startSequenceNumber": "77"}}))
    with pytest.raises(dlq.DlqError, match="no shard of the stream has"):
        dlq.redrive(bench.deployment, "publish")
    assert 1 == len(bench.bodies("PublishDlq"))


@pytest.mark.parametrize("last", [10, 99])
def test_a_stretch_that_the_stream_does_not_have_stays_where_it_is(bench: Bench, last: int) -> None:
    """What there is of it is told; that some is missing is said, and the message is kept."""
    bench.functions.says = b'{"batchItemFailures": []}'
    bench.put("PublishDlq", stretch(8, last))
    with pytest.raises(dlq.DlqError, match="the stream has no more of it"):
        dlq.redrive(bench.deployment, "publish")
    assert [stretch(8, last)] == bench.bodies("PublishDlq")


def test_who_took_a_row_away_is_told_as_the_stream_tells_the_function(bench: Bench) -> None:
    """Its names are others for a client: what time took away is not taken for something that nobody knows."""
    bench.functions.says = b'{"batchItemFailures": []}'
    bench.stream.records[3]["userIdentity"] = {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
    bench.put("PublishDlq", stretch(4, 4))
    dlq.redrive(bench.deployment, "publish")
    (told,) = bench.functions.told
    assert {"principalId": "dynamodb.amazonaws.com", "type": "Service"} == told["userIdentity"]


@pytest.mark.parametrize("says", [b'{"batchItemFailures": [{"itemIdentifier": "3"}]}', b"boom"])
def test_changes_that_fail_again_stay_where_they_are(bench: Bench, says: bytes) -> None:
    """A function that reports a failure, or crashes, leaves the message in the queue."""
    bench.functions.says = says
    if says == b"boom":
        bench.functions.failing.add(bench.deployment.find("Publish"))
    bench.put("PublishDlq", stretch(3, 7))

    with pytest.raises(dlq.DlqError, match="failed again"):
        dlq.redrive(bench.deployment, "publish")

    assert [stretch(3, 7)] == bench.bodies("PublishDlq")


def test_a_message_that_names_no_stretch_is_left_for_people(bench: Bench) -> None:
    """It is shown as unreadable, and nothing is told."""
    bench.put("PublishDlq", "{}")

    assert ["unreadable"] == [row["kind"] for row in dlq.look(bench.deployment, "publish")["messages"]]
    with pytest.raises(dlq.DlqError, match="names no stretch"):
        dlq.redrive(bench.deployment, "publish")
    assert (["{}"], []) == (bench.bodies("PublishDlq"), bench.functions.told)


def test_events_that_were_given_up_are_shown_by_what_they_are(bench: Bench) -> None:
    """What is for an endpoint by it and its event, a stretch of changes by how many and since when."""
    at = datetime(2026, 11, 26, 9, tzinfo=UTC)
    tasks: list[HookTask] = [
        DeliveryTask("crm", "evt_1", at),
        ProbeTask("crm", at, "evt_2", at),
        ReplayTask("crm", at, at, "run"),
    ]
    for task in tasks:
        bench.put("DeliveryDlq", encode_hook(task))
    bench.put("DeliveryDlq", "{}")
    bench.put("PublishDlq", stretch(3, 7))

    deliveries = dlq.look(bench.deployment, "delivery")["messages"]
    (changes,) = dlq.look(bench.deployment, "publish")["messages"]

    assert [
        ("delivery", "crm", "evt_1"),
        ("probe", "crm", "evt_2"),
        ("replay", "crm", None),
        ("unreadable", None, None),
    ] == [(one["kind"], one.get("endpoint"), one.get("event")) for one in deliveries]
    assert ("changes", 5, "2026-11-26T09:00:00Z", "RetryAttemptsExhausted") == (
        changes["kind"],
        changes["records"],
        changes["since"],
        changes["error"],
    )


def test_a_delivery_goes_back_to_its_queue(bench: Bench) -> None:
    """As it is, and only then away from where it lay."""
    body = json.dumps({"endpoint": "crm", "event_id": "evt_1"})
    bench.put("DeliveryDlq", body)

    assert 1 == dlq.redrive(bench.deployment, "delivery")["redriven"]
    assert ([body], []) == (bench.bodies("DeliveryQueue"), bench.bodies("DeliveryDlq"))
