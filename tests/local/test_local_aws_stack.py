"""What the local AWS is told to deploy, and what is completed afterwards, is what the template says."""

# ruff: noqa: D102, N803 - fakes have the methods and the arguments of boto3's clients

import json
import platform
import subprocess
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.expand import expand
from local import template
from local.aws import lifecycle, sam
from local.aws.completing import (
    CONCURRENCY,
    LOCAL_POLICY,
    Deployed,
    Door,
    Route,
    complete_api,
    complete_links,
    complete_rights,
    complete_schedules,
    drop_old_uploads,
    limit_workers,
    local_rights,
    read_door,
)
from local.aws.errors import StepFailed
from local.aws.intrinsics import Resolver, UnknownReference
from local.aws.place import State
from local.aws.sam import architecture, parameters, with_defaults

ACCOUNT, REGION = "000000000000", "us-east-1"


@pytest.fixture(scope="module")
def found() -> Deployed:
    """Give the stack as a deployment of the real template leaves it."""
    expanded = expand()
    resources = {name: f"physical-{name}" for name in expanded["Resources"]}
    defaults = {name: str(row.get("Default", "")) for name, row in expanded["Parameters"].items()}
    return Deployed(expanded, resources, {**defaults, **parameters(State())}, "jifen", REGION, ACCOUNT)


@pytest.fixture(scope="module")
def door(found: Deployed) -> Door:
    """Give the API of the real template."""
    return read_door(found.template["Resources"]["Api"]["Properties"]["Body"], found.resolver())


# The functions of CloudFormation -------------------------------------------------------------------------------------

RESOLVER = Resolver(
    {"AWS::Region": "eu-west-1", "Name": "shop", "Queue": "q-1", "Empty": ""},
    {"Earn": "arn:earn"},
    {"Named": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Name"}, ""]}]}, "Bare": {"Fn::Equals": [{"Ref": "Name"}, ""]}},
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Queue"}, "q-1"),
        ({"Fn::GetAtt": ["Earn", "Arn"]}, "arn:earn"),
        ({"Fn::GetAtt": "Earn.Arn"}, "arn:earn"),
        ({"Fn::Sub": "${AWS::Region}/${Queue}/${Earn.Arn}/${!kept}"}, "eu-west-1/q-1/arn:earn/${kept}"),
        ({"Fn::Sub": ["${Id}-${Name}", {"Id": {"Ref": "Queue"}}]}, "q-1-shop"),
        ({"Fn::If": ["Named", "yes", {"Ref": "Nobody"}]}, "yes"),
        ({"Fn::If": ["Bare", {"Ref": "Nobody"}, "no"]}, "no"),
        ({"Fn::And": [{"Condition": "Named"}, {"Condition": "Bare"}]}, False),
        ({"Fn::Or": [{"Condition": "Named"}, {"Condition": "Bare"}]}, True),
        ({"Fn::Select": [1, {"Fn::Split": ["-", {"Ref": "Queue"}]}]}, "1"),
        ({"Fn::Join": ["/", ["a", {"Ref": "Name"}]]}, "a/shop"),
        ({"a": [1, {"Ref": "AWS::NoValue"}], "b": {"Ref": "AWS::NoValue"}}, {"a": [1]}),
        ({"Ref": "AWS::NoValue"}, None),
        ({"Condition": {"StringEquals": {"x": {"Ref": "Name"}}}}, {"Condition": {"StringEquals": {"x": "shop"}}}),
    ],
)
def test_each_function_gives_what_cloudformation_gives(value: Any, expected: Any) -> None:
    assert expected == RESOLVER.resolve(value)


@pytest.mark.parametrize(
    "value",
    [
        {"Ref": "Nobody"},
        {"Fn::Sub": "${Nobody}"},
        {"Fn::GetAtt": ["Queue", "Arn"]},
        {"Fn::GetAtt": ["Earn", "Version"]},
        {"Fn::If": ["Unheard", 1, 2]},
        {"Fn::ImportValue": "other"},
    ],
)
def test_what_is_not_known_is_refused_and_not_guessed(value: Any) -> None:
    with pytest.raises(UnknownReference):
        RESOLVER.resolve(value)


# The HTTP API --------------------------------------------------------------------------------------------------------


def _events_of_the_template() -> dict[str, tuple[str, str | None, tuple[str, ...]]]:
    """Map each route of the template itself to its function, authorizer and scopes."""
    routes = {}
    for function, properties in template.resources(template.load(), "AWS::Serverless::Function").items():
        for event in properties.get("Events", {}).values():
            if event["Type"] == "HttpApi":
                drawn = event["Properties"]
                auth = drawn.get("Auth", {})
                authorizer = None if auth.get("Authorizer") == "NONE" else "Jwt"
                scopes = tuple(auth.get("AuthorizationScopes", ()))
                routes[f"{drawn['Method']} {drawn['Path']}"] = (function, authorizer, scopes)
    return routes


def test_every_route_keeps_its_function_authorizer_and_scopes(door: Door, found: Deployed) -> None:
    functions = {found.resolver().arns[name]: name for name in found.of_type("AWS::Lambda::Function")}
    read = {}
    for route in door.routes:
        arn = route.integration_uri.split("/functions/")[1].removesuffix("/invocations")
        read[route.key] = (functions[arn], route.authorizer, route.scopes)
    assert _events_of_the_template() == read


def test_the_authorizer_takes_the_tokens_of_the_stacks_own_clients(door: Door, found: Deployed) -> None:
    source, jwt = door.authorizers["Jwt"]
    assert "$request.header.Authorization" == source
    assert f"https://cognito-idp.{REGION}.amazonaws.com/{found.resources['UserPool']}" == jwt["issuer"]
    assert set(found.of_type("AWS::Cognito::UserPoolClient").values()) == set(jwt["audience"])


def test_a_route_with_an_authorizer_that_is_not_there_is_refused() -> None:
    """Left open instead, it would let everybody in."""
    operation = {
        "x-amazon-apigateway-integration": {"uri": "arn:f", "payloadFormatVersion": "2.0"},
        "security": [{"Lost": ["points/shop"]}],
    }
    with pytest.raises(UnknownReference, match="POST /v1/x names the authorizer Lost"):
        read_door({"paths": {"/v1/x": {"post": operation}}}, RESOLVER)


class FakeApi:
    """An `apigatewayv2` that keeps what it is given, as MiniStack does."""

    def __init__(self) -> None:
        self.ids = count(1)
        self.kept: dict[str, dict[str, dict[str, Any]]] = {"Route": {}, "Integration": {}, "Authorizer": {}}
        self.cors: Mapping[str, Any] | None = None

    def __getattr__(self, operation: str) -> Any:
        verb, _, kind = operation.partition("_")
        kind = kind.removesuffix("s").capitalize()

        def get(**_: Any) -> dict[str, Any]:
            return {"Items": [{f"{kind}Id": key, **row} for key, row in self.kept[kind].items()]}

        def change(**given: Any) -> dict[str, Any]:
            assert "api-1" == given.pop("ApiId")
            key = given.pop(f"{kind}Id", None) if verb != "create" else f"{kind}-{next(self.ids)}"
            if verb == "delete":
                del self.kept[kind][key]
            else:
                assert verb == "create" or key in self.kept[kind]
                self.kept[kind][key] = given
            return {f"{kind}Id": key}

        return get if verb == "get" else change

    def update_api(self, ApiId: str, CorsConfiguration: Mapping[str, Any]) -> None:
        assert "api-1" == ApiId
        self.cors = CorsConfiguration

    def delete_cors_configuration(self, ApiId: str) -> None:
        assert "api-1" == ApiId
        self.cors = None


def _reached(api: FakeApi) -> dict[str, tuple[str, str, list[str]]]:
    rows = api.kept["Route"].values()
    uris = {f"integrations/{key}": row["IntegrationUri"] for key, row in api.kept["Integration"].items()}
    return {
        row["RouteKey"]: (uris[row["Target"]], row["AuthorizationType"], row["AuthorizationScopes"]) for row in rows
    }


def test_the_api_becomes_what_the_template_says(door: Door) -> None:
    api = FakeApi()
    complete_api(api, "api-1", door)
    expected = {r.key: (r.integration_uri, "JWT" if r.authorizer else "NONE", list(r.scopes)) for r in door.routes}
    assert expected == _reached(api)
    (authorizer_id,) = api.kept["Authorizer"]
    for row in api.kept["Route"].values():
        assert (authorizer_id if row["AuthorizationType"] == "JWT" else None) == row.get("AuthorizerId")


def test_the_same_again_makes_nothing_new(door: Door) -> None:
    api = FakeApi()
    complete_api(api, "api-1", door)
    before = deepcopy(api.kept)
    complete_api(api, "api-1", door)
    assert before == api.kept


def test_a_route_that_left_the_template_leaves_the_api_and_a_changed_one_changes() -> None:
    api = FakeApi()
    jwt = {"Jwt": ("$request.header.Authorization", {"issuer": "https://i", "audience": ["a"]})}
    open_route = Route("POST /a", "arn:f", "2.0", None, ())
    complete_api(api, "api-1", Door(jwt, (open_route, Route("GET /b", "arn:g", "2.0", None, ())), None))
    complete_api(api, "api-1", Door(jwt, (Route("POST /a", "arn:g", "2.0", "Jwt", ("points/shop",)),), None))
    assert {"POST /a": ("arn:g", "JWT", ["points/shop"])} == _reached(api)


def test_cors_comes_and_goes_with_its_origins(found: Deployed) -> None:
    body = found.template["Resources"]["Api"]["Properties"]["Body"]
    api = FakeApi()
    for origins in ("https://a.example,https://b.example", ""):
        given = {**found.parameters, "CorsOrigins": origins}
        stack = Deployed(found.template, found.resources, given, "jifen", REGION, ACCOUNT)
        complete_api(api, "api-1", read_door(body, stack.resolver()))
        assert (["GET", "POST", "PUT"] if origins else None) == (api.cors or {}).get("AllowMethods")


# Rights, schedules, workers ------------------------------------------------------------------------------------------


def test_batches_follow_the_right_to_send_and_mail_loses_its_sender() -> None:
    send = {"Effect": "Allow", "Action": ["sqs:SendMessage", "sqs:ReceiveMessage"], "Resource": "arn:q"}
    one = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": "arn:p"}
    read = {"Effect": "Allow", "Action": ["dynamodb:Query"], "Resource": "arn:t"}
    mail = {
        "Effect": "Allow",
        "Action": ["ses:SendEmail"],
        "Resource": ["arn:i"],
        "Condition": {"StringEquals": {"ses:FromAddress": "a@b"}},
    }
    rights = local_rights([{"Statement": [send, read]}, {"Statement": [one, mail]}])
    assert rights is not None
    assert [
        {"Effect": "Allow", "Action": ["sqs:SendMessageBatch"], "Resource": "arn:q"},
        {"Effect": "Allow", "Action": ["sqs:SendMessageBatch"], "Resource": "arn:p"},
        {"Effect": "Allow", "Action": ["ses:SendEmail"], "Resource": "*"},
    ] == rights["Statement"]
    assert local_rights([{"Statement": [read]}]) is None


class FakeIam:
    """Roles with inline policies."""

    def __init__(self, policies: dict[str, dict[str, Any]]) -> None:
        self.policies = policies

    def list_role_policies(self, RoleName: str) -> dict[str, Any]:
        return {"PolicyNames": list(self.policies[RoleName])}

    def get_role_policy(self, RoleName: str, PolicyName: str) -> dict[str, Any]:
        return {"PolicyDocument": self.policies[RoleName][PolicyName]}

    def put_role_policy(self, RoleName: str, PolicyName: str, PolicyDocument: str) -> None:
        self.policies[RoleName][PolicyName] = json.loads(PolicyDocument)


def test_a_role_gets_its_local_policy_once_and_only_where_it_needs_one() -> None:
    send = {"Statement": [{"Effect": "Allow", "Action": ["sqs:SendMessage"], "Resource": "arn:q"}]}
    iam = FakeIam({"sender": {"own": send}, "reader": {"own": {"Statement": []}}})
    for _ in range(2):
        complete_rights(iam, ["sender", "reader"])
        assert {"own", LOCAL_POLICY} == set(iam.policies["sender"])
        assert 1 == len(iam.policies["sender"][LOCAL_POLICY]["Statement"])
        assert {"own"} == set(iam.policies["reader"])


def test_schedules_fire_in_the_zone_of_the_stack_with_an_input_that_is_complete(found: Deployed) -> None:
    updates = []

    class Scheduler:
        def get_schedule(self, Name: str) -> dict[str, Any]:
            target = {"Arn": "arn:f", "Input": '{"as_of":"<aws.scheduler.scheduled-time>","kept":[1]}'}
            return {"Name": Name, "ScheduleExpression": "cron(5 0 * * ? *)", "Target": target, "Arn": "arn:s"}

        def update_schedule(self, **given: Any) -> None:
            updates.append(given)

    zone = {**found.parameters, "TimeZone": "Asia/Tokyo"}
    complete_schedules(Scheduler(), Deployed(found.template, found.resources, zone, "jifen", REGION, ACCOUNT))
    schedules = {name for name, row in found.template["Resources"].items() if row["Type"] == "AWS::Scheduler::Schedule"}
    assert schedules
    assert {f"physical-{name}" for name in schedules} == {row["Name"] for row in updates}
    # What is done every few minutes, or every hour, has no zone of its own.
    daily = {"Asia/Tokyo": 2, "UTC": 2}
    assert daily == Counter(row["ScheduleExpressionTimezone"] for row in updates)
    for row in updates:
        assert "cron(5 0 * * ? *)" == row["ScheduleExpression"]
        assert "arn:f" == row["Target"]["Arn"]
        assert {"kept": [1]} == json.loads(row["Target"]["Input"])


def test_links_in_messages_lead_to_the_api_as_it_is_reached_here(found: Deployed) -> None:
    """The functions that write links get the local address, and keep everything else; a named address is left."""
    written: dict[str, dict[str, str]] = {}

    class Functions:
        def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:
            assert FunctionName.startswith("physical-")
            return {"Environment": {"Variables": {"JIFEN_TABLE": "t", "JIFEN_PUBLIC_URL": "https://x"}}}

        def update_function_configuration(self, FunctionName: str, Environment: dict[str, dict[str, str]]) -> None:
            written[FunctionName] = Environment["Variables"]

    complete_links(Functions(), found, "http://127.0.0.1:1/api")
    assert {"physical-Remind", "physical-Outreach"} == set(written)
    assert {"JIFEN_TABLE": "t", "JIFEN_PUBLIC_URL": "http://127.0.0.1:1/api"} == written["physical-Remind"]

    written.clear()
    named = {**found.parameters, "PublicUrl": "https://points.shop.example"}
    complete_links(
        Functions(), Deployed(found.template, found.resources, named, "jifen", REGION, ACCOUNT), "http://127.0.0.1:1"
    )
    assert {} == written


def test_only_this_stacks_queues_are_slowed_down() -> None:
    updates = []

    class Lambda:
        def list_event_source_mappings(self) -> dict[str, Any]:
            return {
                "EventSourceMappings": [
                    {"UUID": "1", "EventSourceArn": "arn:aws:sqs:us-east-1:0:jifen-expire"},
                    {"UUID": "2", "EventSourceArn": "arn:aws:sqs:us-east-1:0:other-expire"},
                ]
            }

        def update_event_source_mapping(self, **given: Any) -> None:
            updates.append(given)

    limit_workers(Lambda(), "jifen")
    assert [{"UUID": "1", "ScalingConfig": {"MaximumConcurrency": CONCURRENCY}}] == updates


def test_only_uploads_that_the_stack_refers_to_are_kept() -> None:
    template_text = "CodeUri: s3://one/used\n  Description: x\nContentUri: 's3://one/layer'\n"
    kept = {("one", key) for key in ("used", "layer", "old", "old.template")} | {("two", "theirs")}

    class Aws:
        def get_template(self, **given: Any) -> dict[str, Any]:
            assert {"StackName": "jifen", "TemplateStage": "Original"} == given
            return {"TemplateBody": template_text}

        def get_paginator(self, name: str) -> Any:
            assert "list_object_versions" == name
            return self

        def paginate(self, Bucket: str) -> Any:
            rows = [{"Key": key, "VersionId": f"v-{key}"} for bucket, key in sorted(kept) if bucket == Bucket]
            return [{"Versions": rows[:2]}, {"Versions": rows[2:]}, {}]

        def delete_object(self, Bucket: str, Key: str, VersionId: str) -> None:
            assert f"v-{Key}" == VersionId
            kept.remove((Bucket, Key))

    drop_old_uploads(Aws(), Aws(), "jifen")
    assert {("one", "used"), ("one", "layer"), ("two", "theirs")} == kept


# Parameters ----------------------------------------------------------------------------------------------------------


def test_every_parameter_is_one_of_the_template_and_allowed_there() -> None:
    drawn = template.load()["Parameters"]
    for name, value in parameters(State(program="{}", time_zone="Asia/Tokyo")).items():
        assert value in drawn[name].get("AllowedValues", [value])
    needed = {name for name, row in drawn.items() if "Default" not in row}
    assert needed <= set(parameters(State()))


@pytest.mark.parametrize(
    ("machine", "expected"),
    [("x86_64", "x86_64"), ("AMD64", "x86_64"), ("arm64", "arm64"), ("aarch64", "arm64")],
)
def test_functions_are_built_for_the_processor_they_run_on(machine: str, expected: str) -> None:
    assert expected == architecture(machine)
    assert architecture(platform.machine()) == parameters(State())["Architecture"]


def test_no_secret_becomes_a_default() -> None:
    state = State(program='{"currency":"CNY"}', time_zone="Asia/Tokyo")
    document = template.load()
    before = deepcopy(document)
    told = with_defaults(document, parameters(state))
    assert "Asia/Tokyo" == told["Parameters"]["TimeZone"]["Default"]
    assert state.program == told["Parameters"]["Program"]["Default"]
    text = json.dumps(told)
    assert not [secret for secret in state.secrets.values() if secret in text]
    assert before == document


_JSON = st.recursive(
    st.text(max_size=8) | st.integers() | st.none(),
    lambda inner: st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@settings(max_examples=200)
@given(st.lists(st.dictionaries(st.text(max_size=6), _JSON, min_size=1, max_size=4), min_size=1, max_size=1))
def test_a_program_reaches_the_template_as_it_was_written(values: list[dict[str, Any]]) -> None:
    """Sam takes a backslash away before a quote or a space, wherever it stands."""
    (program,) = values
    spelt = sam._for_sam(json.dumps(program, separators=(",", ":")))
    read = spelt.replace("\\ ", " ").replace('\\"', '"').replace("\\'", "'")
    assert program == json.loads(read)


def test_sam_itself_reads_what_was_written(tmp_path: Path) -> None:
    python = sam.SAM.with_name("python")
    if not python.exists():
        pytest.skip("sam is not installed here: make setup")
    file = tmp_path / "parameters.yaml"
    program = {"a": 'quote " backslash \\ both \\" space \\  end \\', "b": "何 'x'"}
    wanted = {**parameters(State(program=json.dumps(program), time_zone="Asia/Tokyo"))}
    sam._write_parameters(file, wanted)
    script = (
        "import json, sys; from samcli.cli.types import CfnParameterOverridesType as T; "
        "print(json.dumps(T().convert((sys.argv[1],), None, None)))"
    )
    done = subprocess.run([python, "-c", script, f"file://{file}"], capture_output=True, text=True, check=True)
    read = json.loads(done.stdout)
    assert program == json.loads(read.pop("Program"))
    assert {name: value for name, value in wanted.items() if name != "Program"} == read
    assert 0o600 == file.stat().st_mode & 0o777
    assert set(wanted) == set(yaml.safe_load(file.read_text()))


# Failures ------------------------------------------------------------------------------------------------------------


def test_a_step_that_fails_says_what_failed_and_where_all_of_it_is(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "build.log"
    script = "echo before; echo; echo 'Error: the layer has no such package'; echo 'look there'; exit 3"
    with pytest.raises(StepFailed) as failed:
        sam._run("sam build", ["sh", "-c", script], tmp_path, {"PATH": "/usr/bin:/bin"}, log)
    text = str(failed.value)
    assert text.startswith(f"sam build failed; all of it is in {log}")
    assert "the layer has no such package" in text
    assert "before" not in text
    assert "before" in log.read_text()


def test_a_step_that_says_no_error_shows_its_own_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "sam.log"
    sam._run("first", ["sh", "-c", "echo old"], tmp_path, {"PATH": "/usr/bin:/bin"}, log)
    with pytest.raises(StepFailed) as failed:
        sam._run("second", ["sh", "-c", "echo new; exit 1"], tmp_path, {"PATH": "/usr/bin:/bin"}, log)
    assert "new" in str(failed.value)
    assert "old" not in str(failed.value)


def test_a_program_that_is_not_there_fails_the_step(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match="cannot run no-such-program"):
        sam._run("step", ["no-such-program"], tmp_path, {"PATH": str(tmp_path)}, tmp_path / "log")


def test_a_profile_of_the_user_never_reaches_a_step(tmp_path: Path) -> None:
    out = tmp_path / "log"
    sam._run("step", ["env"], tmp_path, {"PATH": "/usr/bin:/bin", "AWS_PROFILE": "live", "KEPT": "1"}, out)
    assert "AWS_PROFILE" not in out.read_text()
    assert "KEPT=1" in out.read_text()


class FakeFormation:
    """CloudFormation with one stack and what has happened to it."""

    def __init__(self, status: str = "UPDATE_COMPLETE", events: list[dict[str, Any]] | None = None) -> None:
        self.status = status
        self.events = events or []
        self.deleted: list[str] = []

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        return {"Stacks": [{"StackName": StackName, "StackStatus": self.status}]}

    def describe_stack_events(self, StackName: str) -> dict[str, Any]:
        assert sam.STACK == StackName
        return {"StackEvents": self.events}

    def delete_stack(self, StackName: str) -> None:
        self.deleted.append(StackName)

    def get_waiter(self, name: str) -> Any:
        class Waiter:
            def wait(self, **given: Any) -> None:
                assert "stack_delete_complete" == name
                assert sam.STACK == given["StackName"]

        return Waiter()


def test_what_failed_in_the_stack_is_named_and_older_failures_are_not() -> None:
    now = datetime.now(UTC)
    row = {"ResourceType": "AWS::Lambda::Function", "ResourceStatus": "UPDATE_FAILED"}
    events = [
        {**row, "LogicalResourceId": "Earn", "Timestamp": now, "ResourceStatusReason": "no such role"},
        {**row, "LogicalResourceId": "Redeem", "Timestamp": now, "ResourceStatus": "UPDATE_COMPLETE"},
        {**row, "LogicalResourceId": "Expire", "Timestamp": now - timedelta(hours=1)},
    ]
    why = lifecycle._why_failed(FakeFormation(events=events), now - timedelta(seconds=5))
    assert "    Earn (AWS::Lambda::Function): no such role" == why


@pytest.mark.parametrize(
    ("status", "expected"),
    [("ROLLBACK_COMPLETE", [sam.STACK]), ("UPDATE_COMPLETE", []), ("UPDATE_ROLLBACK_COMPLETE", [])],
)
def test_only_a_stack_that_never_lived_is_deleted(status: str, expected: list[str]) -> None:
    formation = FakeFormation(status)
    lifecycle._drop_stillborn(formation)
    assert expected == formation.deleted
