"""Queues and schedules: nothing is lost, nothing is worked on twice at once, a second stack fits beside the first."""

from __future__ import annotations

from typing import Any

import pytest

from jifen.store.stream import filter_pattern
from local import template as stack_template

WORKED = ["OrdersQueue", "ExpireQueue", "RemindQueue", "DeliveryQueue"]
TRIES = {"DeliveryQueue": 100}
"""Receptions before a message is set aside; what an endpoint of the shop refuses is tried again for days."""
DAYS_14_S = 14 * 24 * 3600

Properties = dict[str, dict[str, Any]]


def _consumers(functions: Properties) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
    """Function and event source of each queue, by the queue's logical id."""
    return {
        event["Properties"]["Queue"]["Fn::GetAtt"][0]: (function, event["Properties"])
        for function in functions.values()
        for event in function["Events"].values()
        if event["Type"] == "SQS"
    }


def test_every_queue_is_worked_or_is_where_work_ends(queues: Properties, functions: Properties) -> None:
    """A queue has a consumer, or it is a dead-letter queue."""
    assert set(WORKED) == set(_consumers(functions))
    assert {"OrdersDlq", "ExpireDlq", "RemindDlq", "DeliveryDlq", "PublishDlq", "ScheduleDlq"} == set(queues) - set(
        WORKED
    )


@pytest.mark.parametrize("queue", WORKED)
def test_a_message_in_work_is_not_handed_out_again(queue: str, queues: Properties, functions: Properties) -> None:
    """The visibility timeout is six times the consumer's own, as Lambda's retries of a throttled batch need."""
    function, _ = _consumers(functions)[queue]

    assert queues[queue]["VisibilityTimeout"] >= 6 * function["Timeout"]


@pytest.mark.parametrize("queue", WORKED)
def test_one_bad_message_does_not_hold_back_its_batch(queue: str, functions: Properties) -> None:
    """Consumers report which messages failed."""
    _, source = _consumers(functions)[queue]

    assert ["ReportBatchItemFailures"] == source["FunctionResponseTypes"]


@pytest.mark.parametrize("queue", WORKED)
def test_a_message_that_keeps_failing_is_kept_for_people(queue: str, queues: Properties) -> None:
    """After its receptions it waits two weeks in a dead-letter queue that takes it from this queue only."""
    redrive = queues[queue]["RedrivePolicy"]
    dead = queues[redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]]
    source = dead["RedriveAllowPolicy"]["sourceQueueArns"]

    assert TRIES.get(queue, 5) == redrive["maxReceiveCount"]
    assert DAYS_14_S == dead["MessageRetentionPeriod"]
    assert queues[queue].get("FifoQueue") == dead.get("FifoQueue")
    assert "byQueue" == dead["RedriveAllowPolicy"]["redrivePermission"]
    assert [
        {
            "Fn::Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:"
            + queues[queue]["QueueName"]["Fn::Sub"]
        }
    ] == source


def test_messages_are_encrypted(queues: Properties) -> None:
    """Order events and members' ids are encrypted at rest in every queue."""
    assert [] == [name for name, queue in queues.items() if queue.get("SqsManagedSseEnabled") is not True]


def test_queue_names_belong_to_the_stack(queues: Properties) -> None:
    """Two stacks in one account never share a queue."""
    assert [] == [
        name for name, queue in queues.items() if not queue["QueueName"]["Fn::Sub"].startswith("${AWS::StackName}-")
    ]


def test_orders_of_one_member_keep_their_order_and_do_not_slow_others(queues: Properties) -> None:
    """The orders queue is FIFO by group, deduplicated by the sender's key, and its throughput counts by group."""
    queue = queues["OrdersQueue"]

    assert (True, False) == (queue["FifoQueue"], queue["ContentBasedDeduplication"])
    assert ("messageGroup", "perMessageGroupId") == (queue["DeduplicationScope"], queue["FifoThroughputLimit"])


def test_deadlines_are_looked_at_every_few_minutes(functions: Properties) -> None:
    """Settle runs often, says its own time, and a run that fails for good stays where it is seen."""
    (schedule,) = [one["Properties"] for one in functions["settle"]["Events"].values()]

    assert schedule["OmitName"] is True
    assert "rate(5 minutes)" == schedule["ScheduleExpression"]
    assert '{"as_of":"<aws.scheduler.scheduled-time>"}' == schedule["Input"]
    assert {"Arn": {"Fn::GetAtt": ["ScheduleDlq", "Arn"]}} == schedule["DeadLetterConfig"]
    assert {"Type": "SQS", "TargetArn": {"Fn::GetAtt": ["ScheduleDlq", "Arn"]}} == functions["settle"][
        "DeadLetterQueue"
    ]


@pytest.mark.parametrize("name", ["expire", "remind"])
def test_schedules_run_in_the_shops_time_and_end_somewhere(name: str, functions: Properties) -> None:
    """A schedule fires in the shop's zone, has no fixed name, says its own time; a failure stays where it is seen."""
    schedule, *others = [one["Properties"] for one in functions[name]["Events"].values() if one["Type"] == "ScheduleV2"]

    assert (1 if name == "remind" else 0) == len(others)
    assert schedule["OmitName"] is True
    assert {"Ref": "TimeZone"} == schedule["ScheduleExpressionTimezone"]
    assert '{"as_of":"<aws.scheduler.scheduled-time>"}' == schedule["Input"]
    assert {"Arn": {"Fn::GetAtt": ["ScheduleDlq", "Arn"]}} == schedule["DeadLetterConfig"]
    assert schedule["RetryPolicy"]["MaximumRetryAttempts"] > 0
    assert {"Type": "SQS", "TargetArn": {"Fn::GetAtt": ["ScheduleDlq", "Arn"]}} == functions[name]["DeadLetterQueue"]


def test_what_waited_for_a_morning_is_looked_at_every_hour(functions: Properties) -> None:
    """Members have mornings of their own, so the hours are those of no zone; a late one is done by the next."""
    hourly = functions["remind"]["Events"]["Hourly"]["Properties"]

    assert "cron(30 * * * ? *)" == hourly["ScheduleExpression"]
    assert '{"as_of":"<aws.scheduler.scheduled-time>","held":true}' == hourly["Input"]
    assert hourly["OmitName"] is True
    assert {"Arn": {"Fn::GetAtt": ["ScheduleDlq", "Arn"]}} == hourly["DeadLetterConfig"]


def test_changes_are_told_until_they_have_been_or_are_kept_for_people(functions: Properties) -> None:
    """The stream is read from its beginning, a bad record is found by halves, and what is given up is noted."""
    stream = functions["publish"]["Events"]["Changes"]["Properties"]

    assert ("TRIM_HORIZON", True, ["ReportBatchItemFailures"]) == (
        stream["StartingPosition"],
        stream["BisectBatchOnFunctionError"],
        stream["FunctionResponseTypes"],
    )
    assert {"Type": "SQS", "Destination": {"Fn::GetAtt": ["PublishDlq", "Arn"]}} == stream["DestinationConfig"][
        "OnFailure"
    ]
    assert stream["MaximumRecordAgeInSeconds"] <= 86_400 // 2
    assert [{"Pattern": filter_pattern()}] == stream["FilterCriteria"]["Filters"]


def test_schedules_and_days_share_one_time_zone(expanded: dict[str, Any]) -> None:
    """Every function that counts days is given the zone in which the schedules fire."""
    deployed = stack_template.resources(expanded, "AWS::Lambda::Function").values()
    environments = [function["Environment"]["Variables"] for function in deployed]

    assert [] == [
        each for each in environments if "JIFEN_PROGRAM" in each and each["JIFEN_TIME_ZONE"] != {"Ref": "TimeZone"}
    ]
