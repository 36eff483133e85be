"""Functions: what the linters cannot see of handlers, folders, logs and environment."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from local import template as stack_template

EVERYWHERE = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}
LEDGER = {"JIFEN_TABLE", "JIFEN_PROGRAM", "JIFEN_TIME_ZONE", "JIFEN_SHARDS"}
CHANNELS = {
    "JIFEN_EVENT_BUS",
    "JIFEN_EMAIL_FROM",
    "JIFEN_SMS_FROM",
    "JIFEN_PUSH",
    "JIFEN_WECHAT",
    "JIFEN_DELIVERY_QUEUE_URL",
}
"""What messages to members go out by."""

ENVIRONMENT = {
    "webhook": {
        "JIFEN_ORDERS_QUEUE_URL",
        "JIFEN_SECRETS_STANDARD",
        "JIFEN_SECRETS_SHOPIFY",
        "JIFEN_SECRETS_WOOCOMMERCE",
    },
    "earn": LEDGER,
    "redeem": LEDGER | {"JIFEN_SIGNING_SECRET", "JIFEN_MEMBER_CLAIM"},
    "account": LEDGER | {"JIFEN_SIGNING_SECRET", "JIFEN_MEMBER_CLAIM"},
    "engage": LEDGER | {"JIFEN_MEMBER_CLAIM"},
    "admin": LEDGER | {"JIFEN_SIGNING_SECRET"},
    "catalog": LEDGER | {"JIFEN_SIGNING_SECRET", "JIFEN_MEMBER_CLAIM"},
    "play": LEDGER | {"JIFEN_SIGNING_SECRET", "JIFEN_MEMBER_CLAIM"},
    "settle": LEDGER | {"JIFEN_EVENT_BUS"},
    "expire": LEDGER | {"JIFEN_SWEEP_QUEUE_URL"},
    "remind": LEDGER | CHANNELS | {"JIFEN_SWEEP_QUEUE_URL", "JIFEN_SIGNING_SECRET", "JIFEN_PUBLIC_URL"},
    "operate": LEDGER | {"JIFEN_SWEEP_QUEUE_URL", "JIFEN_SIGNING_SECRET"},
    "outreach": LEDGER | CHANNELS | {"JIFEN_SIGNING_SECRET", "JIFEN_MEMBER_CLAIM", "JIFEN_PUBLIC_URL"},
    "publish": {"JIFEN_TABLE", "JIFEN_EVENT_BUS", "JIFEN_DELIVERY_QUEUE_URL"},
    "deliver": {"JIFEN_TABLE", "JIFEN_DELIVERY_QUEUE_URL", "JIFEN_HOOKS_PRIVATE"},
    "hooks": {"JIFEN_TABLE", "JIFEN_SIGNING_SECRET", "JIFEN_DELIVERY_QUEUE_URL", "JIFEN_HOOKS_PRIVATE"},
}

NAMES = sorted(ENVIRONMENT)


def test_every_function_folder_is_deployed(root: Path, functions: dict[str, dict[str, Any]]) -> None:
    """A folder under functions/ is a deployed function and the other way round."""
    folders = {path.parent.name for path in root.glob("functions/*/app.py")}

    assert folders == set(functions)


@pytest.mark.parametrize("name", NAMES)
def test_handler_can_be_called(name: str, expanded: dict[str, Any]) -> None:
    """What Handler names exists: a misspelt one passes validate, build and deploy."""
    deployed = stack_template.resources(expanded, "AWS::Lambda::Function")[name.capitalize()]

    module, _, attribute = deployed["Handler"].partition(".")

    assert callable(getattr(importlib.import_module(f"functions.{name}.{module}"), attribute))


@pytest.mark.parametrize("name", NAMES)
def test_function_is_given_only_what_it_reads(name: str, expanded: dict[str, Any]) -> None:
    """Each function's environment is this set and no larger: no secret where it is not used."""
    deployed = stack_template.resources(expanded, "AWS::Lambda::Function")[name.capitalize()]
    variables = deployed["Environment"]["Variables"]

    assert ENVIRONMENT[name] | EVERYWHERE == set(variables)
    assert name == variables["POWERTOOLS_SERVICE_NAME"]


def test_every_function_is_listed_here(functions: dict[str, dict[str, Any]]) -> None:
    """A new function states its environment in this file."""
    assert set(ENVIRONMENT) == set(functions)


@pytest.mark.parametrize("name", NAMES)
def test_every_function_has_a_log_group_of_its_own(name: str, expanded: dict[str, Any]) -> None:
    """Each function writes to a log group of the stack; one that Lambda makes would be kept for ever."""
    deployed = stack_template.resources(expanded, "AWS::Lambda::Function")[name.capitalize()]

    assert {"Ref": f"{name.capitalize()}Logs"} == deployed["LoggingConfig"]["LogGroup"]


def test_logs_are_kept_for_a_time_and_not_for_ever(expanded: dict[str, Any]) -> None:
    """Every log group forgets after the days that the operator chose."""
    groups = stack_template.resources(expanded, "AWS::Logs::LogGroup")

    assert {"ApiLogs", *(f"{name.capitalize()}Logs" for name in NAMES)} == {
        name for name, group in groups.items() if group.get("RetentionInDays") == {"Ref": "LogRetentionDays"}
    }
    assert len(groups) == len(NAMES) + 1


@pytest.mark.parametrize("name", NAMES)
def test_every_function_has_a_role_of_its_own(name: str, functions: dict[str, dict[str, Any]]) -> None:
    """No function borrows another's rights, and none takes the wide ones that SAM would add."""
    assert {"Fn::GetAtt": [f"{name.capitalize()}Role", "Arn"]} == functions[name]["Role"]
    assert "Policies" not in functions[name]


def test_api_functions_answer_before_the_api_gives_up(
    functions: dict[str, dict[str, Any]], template: dict[str, Any]
) -> None:
    """A handler behind the API, which waits 30 seconds, is out of time first and can say so."""
    usual = template["Globals"]["Function"]["Timeout"]
    behind_api = {
        name: function.get("Timeout", usual)
        for name, function in functions.items()
        if any(event["Type"] == "HttpApi" for event in function["Events"].values())
    }

    assert {} == {name: timeout_s for name, timeout_s in behind_api.items() if timeout_s >= 30}


def test_what_plays_programs_has_a_core_and_the_time_for_it(functions: dict[str, dict[str, Any]]) -> None:
    """The check of a large program, or a page of the past, is seconds of a whole core; in part of one it never ends."""
    assert (1769, 29) == (functions["admin"].get("MemorySize"), functions["admin"].get("Timeout"))
