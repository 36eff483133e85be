"""Alarms: whoever is called at night finds a page that says what to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from jifen.runtime import TOGETHER
from local import template as stack_template
from local.template import load

ALARMS = sorted(stack_template.resources(load(), "AWS::CloudWatch::Alarm"))


def _sections(root: Path) -> dict[str, str]:
    """Text of each third-level section of the operations page by its heading."""
    page = (root / "docs" / "operations.md").read_text(encoding="utf-8")
    parts = re.split(r"^#{2,3} (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_has_its_section(alarm: str, root: Path) -> None:
    """The runbook has a section of the alarm's name: what it means, where to look, what to do."""
    section = _sections(root)[alarm]

    assert ["Means", "Look", "Do"] == re.findall(r"^\*\*(\w+)\.\*\*", section, flags=re.MULTILINE)


def test_no_section_speaks_of_an_alarm_that_is_gone(root: Path) -> None:
    """The runbook's alarm sections are the stack's alarms."""
    described = {heading for heading, text in _sections(root).items() if "**Means.**" in text}

    assert set(ALARMS) == described


@pytest.mark.parametrize("alarm", ALARMS)
def test_every_alarm_reaches_somebody(alarm: str, template: dict[str, Any]) -> None:
    """An alarm mails whom it was told to, says what happened, and takes silence for bad news only where it is."""
    properties = template["Resources"][alarm]["Properties"]

    assert {"Fn::If": ["HasAlarmEmail", [{"Ref": "AlarmTopic"}], {"Ref": "AWS::NoValue"}]} == properties["AlarmActions"]
    assert properties["AlarmDescription"].endswith(".")
    assert ("breaching" if alarm.endswith("Missed") else "notBreaching") == properties["TreatMissingData"]


def test_every_dead_letter_queue_is_watched(queues: dict[str, dict[str, Any]], template: dict[str, Any]) -> None:
    """No queue of given-up work fills in silence."""
    watched = {
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in stack_template.resources(template, "AWS::CloudWatch::Alarm").values()
        for dimension in alarm.get("Dimensions", [])
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible"
    }

    assert {name for name in queues if name.endswith("Dlq")} == watched


def test_every_function_is_watched(functions: dict[str, dict[str, Any]], template: dict[str, Any]) -> None:
    """Each function's errors raise an alarm of its own; throttles are watched for all the account has, which share."""
    alarms = stack_template.resources(template, "AWS::CloudWatch::Alarm")
    metrics = [
        metric["MetricStat"]["Metric"]
        for alarm in alarms.values()
        for metric in alarm.get("Metrics", [{"MetricStat": {"Metric": alarm}}])
        if "MetricStat" in metric
    ]
    errors = {metric["Dimensions"][0]["Value"]["Ref"] for metric in metrics if metric.get("MetricName") == "Errors"}
    crashes = {metric["Dimensions"][0]["Value"] for metric in metrics if metric.get("MetricName") == "Crashes"}
    assert {name.capitalize() for name in functions} == errors
    behind_api = {"webhook", "redeem", "account", "engage", "admin", "catalog", "play", "operate", "outreach", "hooks"}
    assert behind_api == crashes, "a function that answers a caller catches its own crashes"
    (throttles,) = [metric for metric in metrics if metric.get("MetricName") == "Throttles"]
    assert "AWS/Lambda" == throttles["Namespace"]
    assert "Dimensions" not in throttles


def test_what_is_counted_together_is_looked_at_together(template: dict[str, Any]) -> None:
    """A metric that functions count as one is asked as one, by an alarm."""
    alarms = stack_template.resources(template, "AWS::CloudWatch::Alarm").values()
    found = {
        alarm["MetricName"]
        for alarm in alarms
        if [{"Name": "service", "Value": "jifen"}] == alarm.get("Dimensions") and "MetricName" in alarm
    }

    assert TOGETHER == found


@pytest.mark.parametrize("alarm", ALARMS)
def test_no_alarm_asks_for_more_metrics_than_cloudwatch_takes(alarm: str, template: dict[str, Any]) -> None:
    """An alarm on an expression may have ten metrics; CloudFormation's linters do not know."""
    metrics = template["Resources"][alarm]["Properties"].get("Metrics", [])

    assert len([one for one in metrics if "MetricStat" in one]) <= 10
