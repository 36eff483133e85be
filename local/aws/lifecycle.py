"""The local AWS from start to end: start MiniStack, build, deploy, complete; tokens and logs in between; stop."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from local.aws import completing, sam, server, tokens
from local.aws.errors import EngineDied, LocalAwsError, NotRunning, OnAnotherPort, StepFailed
from local.aws.place import PORT, Place, State
from local.engines.engine import REGION, Credentials, make_client
from local.engines.ministack import make_full
from local.engines.server import free_port
from local.engines.surroundings import locked, surroundings

ACCOUNT = "000000000000"
FOLDER = sam.PROJECT / ".jifen" / "aws"
DOWN_WAIT_S = 10.0
READ_TIMEOUT_S = 150.0
"""A function may be invoked directly, and a sweep has two minutes."""

FAILED_EVENTS_MAX = 8

Step = Callable[[str], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployed local AWS.

    `api` is the address that every API path is appended to, `endpoint` the one of the AWS services. `outputs` are the
    stack's, by name.
    """

    place: Place
    endpoint: str
    api: str
    webhook_secrets: Mapping[str, str]
    outputs: Mapping[str, str]

    def client(self, service: str) -> Any:
        """Make a boto3 client of a service of this local AWS, such as `dynamodb` or `sqs`."""
        return make_client(service, self.endpoint, REGION, Credentials(), read_timeout_s=READ_TIMEOUT_S)


@contextmanager
def _quietly(_: str) -> Iterator[None]:
    yield


def up(
    folder: Path = FOLDER,
    *,
    port: int | None = None,
    fresh: bool = False,
    program: Mapping[str, Any] | None = None,
    time_zone: str | None = None,
    step: Step = _quietly,
    say: Callable[[str], None] = lambda _: None,
) -> Stack:
    """Bring the local AWS of `folder` up, or deploy anew what has changed where it is up.

    `port` None takes the last one, or 4566; 0 takes a free one where there is no last one; another one than it is up
    on is refused. `fresh` forgets all that was
    there. `program` (the program file's object) and `time_zone` None take the last ones; `time_zone` goes before a zone
    that the program names. `step` is entered with the name of each step, `say` gets each line worth telling.

    Raises a LocalAwsError, or an EngineError where MiniStack cannot be had or does not start.
    """
    around = surroundings()
    place = Place(folder.resolve())
    with place.alone():
        with step("looking for Python 3.13"):
            base = sam.find_python(around)
        if fresh:
            with step("forgetting what was there"):
                server.stop(place)
                place.empty()
        state = _next_state(place, port, program, time_zone)
        with step("installing MiniStack"):
            python = make_full(around, base, say)
        with step("installing sam"):
            sam.make_sam(around, place)
        state = _start(place, python, state, around, step, say)
        address = server.endpoint(state.port)
        with locked(sam.build_lock(around), "sam build", sam.BUILD_WAIT_S):
            with step("building functions and layer"):
                built = sam.build(around, place, base)
            with step("deploying the stack"):
                _deploy(around, place, built, state, address)
        with step("completing the API"):
            stack = _complete(place, state, address)
        place.write(state)
        return stack


def running(folder: Path = FOLDER) -> Stack:
    """Give the local AWS of `folder` that is up. Raises NotRunning, EngineDied."""
    place = Place(folder.resolve())
    state = place.read()
    if state is None or not state.is_up:
        raise NotRunning
    server.check_alive(place, state.port)
    return _stack(place, state)


def down(folder: Path = FOLDER) -> bool:
    """End the local AWS of `folder` and every process of it; its state stays. Returns False when nothing ran."""
    place = Place(folder.resolve())
    if not place.folder.is_dir():
        return False
    with place.alone(DOWN_WAIT_S):
        ended = server.stop(place)
        state = place.read()
        if state is not None and state.is_up:
            place.write(replace(state, is_up=False))
        return ended


def token(stack: Stack, *, member: str | None = None, machine: str = "shop") -> str:
    """Give an access token that the API accepts: of `member`, or of `shop`, `operator` or `admin`.

    Raises TokenRefused.
    """
    pool = stack.outputs["UserPoolId"]
    if member is not None:
        return tokens.member_token(stack.client, stack.endpoint, pool, stack.outputs["MemberClientId"], member)
    client_id = stack.outputs[f"{machine.capitalize()}ClientId"]
    return tokens.machine_token(stack.client, stack.endpoint, pool, client_id)


# Steps ---------------------------------------------------------------------------------------------------------------


def _next_state(place: Place, port: int | None, program: Mapping[str, Any] | None, time_zone: str | None) -> State:
    state = place.read() or State(port=free_port() if port == 0 else PORT)
    if program is not None:
        # The schedules need the zone too, so the template has one place for it, beside the program.
        time_zone = time_zone or program.get("time_zone")
        plain = {name: value for name, value in program.items() if name != "time_zone"}
        state = replace(state, program=json.dumps(plain, separators=(",", ":")))
    if time_zone is not None:
        state = replace(state, time_zone=time_zone)
    if port:
        state = replace(state, port=port)
    return state


def _start(place: Place, python: Path, state: State, around: Any, step: Step, say: Callable[[str], None]) -> State:
    known = place.read()
    if known is not None and server.is_kept(place) and server.is_ready(known.port):
        if known.port != state.port:
            raise OnAnotherPort(known.port)
        say(f"it is up already, on port {known.port}; deploying what has changed")
        state = replace(state, port=known.port, is_up=True)
    else:
        with step("starting MiniStack"):
            server.stop(place)
            state = replace(state, is_up=True)
            server.start(place, python, state.port, around)
    # A program that cannot be deployed must not be the one that the next run takes up.
    place.write(replace(known or State(), port=state.port, secrets=state.secrets, is_up=True))
    return state


def _deploy(around: Any, place: Place, built: sam.Build, state: State, address: str) -> None:
    formation = make_client("cloudformation", address, REGION, Credentials())
    _drop_stillborn(formation)
    begun = datetime.now(UTC)
    try:
        sam.deploy(around, place, built, state, address)
    except StepFailed as failed:
        server.check_alive(place, state.port)
        raise StepFailed(failed.step, failed.log, _why_failed(formation, begun) or failed.found) from failed


def _drop_stillborn(formation: Any) -> None:
    """Delete a stack whose creation failed: neither AWS nor MiniStack can update it, and there is nothing in it."""
    try:
        (stack,) = formation.describe_stacks(StackName=sam.STACK)["Stacks"]
    except ClientError:
        return
    if stack["StackStatus"] in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "REVIEW_IN_PROGRESS"}:
        formation.delete_stack(StackName=sam.STACK)
        formation.get_waiter("stack_delete_complete").wait(
            StackName=sam.STACK, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )


def _why_failed(formation: Any, since: datetime) -> str:
    try:
        events = formation.describe_stack_events(StackName=sam.STACK)["StackEvents"]
    except (ClientError, BotoCoreError):
        return ""
    failed = [row for row in events if row["ResourceStatus"].endswith("FAILED") and row["Timestamp"] >= since]
    return "\n".join(
        f"    {row['LogicalResourceId']} ({row['ResourceType']}): {row.get('ResourceStatusReason', 'no reason given')}"
        for row in failed[:FAILED_EVENTS_MAX]
    )


def _complete(place: Place, state: State, address: str) -> Stack:
    stack = _stack(place, state)
    try:
        found = completing.deployed(stack.client, sam.STACK, REGION, ACCOUNT)
        (api,) = (
            resource
            for resource in found.template["Resources"].values()
            if resource["Type"] == "AWS::ApiGatewayV2::Api"
        )
        (api_id,) = found.of_type("AWS::ApiGatewayV2::Api").values()
        door = completing.read_door(api["Properties"]["Body"], found.resolver())
        completing.complete_api(stack.client("apigatewayv2"), api_id, door)
        completing.complete_links(stack.client("lambda"), found, stack.api)
        completing.complete_rights(stack.client("iam"), list(found.of_type("AWS::IAM::Role").values()))
        completing.complete_schedules(stack.client("scheduler"), found)
        completing.drop_old_uploads(stack.client("cloudformation"), stack.client("s3"), sam.STACK)
        completing.limit_workers(stack.client("lambda"), sam.STACK)
        stack.client("ses").verify_email_identity(EmailAddress=sam.EMAIL_FROM)
    except (ClientError, BotoCoreError) as error:
        server.check_alive(place, state.port)
        message = f"the API at {address} could not be completed: {error}; MiniStack's log is {server.log_file(place)}"
        raise LocalAwsError(message) from error
    return stack


def _stack(place: Place, state: State) -> Stack:
    address = server.endpoint(state.port)
    formation = make_client("cloudformation", address, REGION, Credentials())
    try:
        (description,) = formation.describe_stacks(StackName=sam.STACK)["Stacks"]
        resource = formation.describe_stack_resource(StackName=sam.STACK, LogicalResourceId="Api")
    except ClientError as error:
        message = f"nothing is deployed on the local AWS at {address}; run `jifen up` again"
        raise LocalAwsError(message) from error
    except BotoCoreError as error:
        raise EngineDied(server.log_file(place), str(error)) from error
    api_id = resource["StackResourceDetail"]["PhysicalResourceId"]
    outputs = {row["OutputKey"]: row["OutputValue"] for row in description.get("Outputs", [])}
    sources = {name: secret for name, secret in state.secrets.items() if name != "signing"}
    return Stack(place, address, f"{address}/_aws/execute-api/{api_id}", sources, outputs)
