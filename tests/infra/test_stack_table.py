"""The table: it survives, and what it is made of can be read by others."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import boto3
import moto

from jifen.service.life_documents import LIFE_DOCUMENTS
from jifen.store.items import ITEMS, FactItem
from local.template import table_definition


def test_the_ledger_survives(template: dict[str, Any]) -> None:
    """The table outlives its stack, refuses deletion by default, can be restored to any second and is encrypted."""
    table = template["Resources"]["Table"]

    assert ("Retain", "Retain") == (table["DeletionPolicy"], table["UpdateReplacePolicy"])
    assert {"Fn::If": ["IsProtected", True, False]} == table["Properties"]["DeletionProtectionEnabled"]
    assert "true" == template["Parameters"]["DeletionProtection"]["Default"]
    assert {"PointInTimeRecoveryEnabled": True} == table["Properties"]["PointInTimeRecoverySpecification"]
    assert "SSESpecification" not in table["Properties"], "encrypted with DynamoDB's own key, the one that is free"


def test_nothing_that_counts_disappears_by_itself(template: dict[str, Any]) -> None:
    """Only logs have a time to live (``ttl``), and no local index limits how much a member may have."""
    table = template["Resources"]["Table"]["Properties"]
    with_end = {cls for cls in ITEMS if "ttl" in cls.get_attributes()}
    logs = {kind.__name__ for kind in LIFE_DOCUMENTS if "keep_until" in {field.name for field in fields(kind)}}

    assert {"AttributeName": "ttl", "Enabled": True} == table["TimeToLiveSpecification"]
    assert "LocalSecondaryIndexes" not in table
    assert {FactItem} == with_end
    assert {"Delivery", "FailedNotice", "OutgoingRecord", "ShardProgress"} == logs


def test_the_indexes_hold_keys_only(template: dict[str, Any]) -> None:
    """The two due indexes are found by shard and date and carry no copy of an account."""
    indexes = template["Resources"]["Table"]["Properties"]["GlobalSecondaryIndexes"]

    assert {"due_expiry": ["shard", "due_expiry"], "due_reminder": ["shard", "due_reminder"]} == {
        index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]] for index in indexes
    }
    assert [{"ProjectionType": "KEYS_ONLY"}] * 2 == [index["Projection"] for index in indexes]


def test_table_definition_makes_a_table() -> None:
    """What the template says of keys and indexes is enough to make the table elsewhere."""
    with moto.mock_aws():
        client = boto3.client("dynamodb", region_name="us-east-1")
        client.create_table(TableName="points", **table_definition())

        made = client.describe_table(TableName="points")["Table"]

    assert ["pk", "sk"] == [key["AttributeName"] for key in made["KeySchema"]]
    assert ["due_expiry", "due_reminder"] == sorted(index["IndexName"] for index in made["GlobalSecondaryIndexes"])
    assert "PAY_PER_REQUEST" == made["BillingModeSummary"]["BillingMode"]
