"""What MiniStack leaves undone after a deployment, done through its own API.

It does not import the `Body` of an HTTP API: authorizer, integrations, routes with their scopes and CORS are made here
from the processed template, so what runs is what the template says.

It reads policies in two ways unlike AWS. `SendMessageBatch` is a right of its own, where AWS grants it with
`sqs:SendMessage`; and of a mail it knows neither identity nor sender, so that no policy that names them lets it pass.
Each role that has the one right or the other gets a policy more: batches on the same queues, mail from anybody.

Its API has another address than AWS would give it, so links in messages are given that one.

It updates a schedule but for its time zone, and hands over `<aws.scheduler.scheduled-time>` as it stands: without it, a
function takes the time of the call.

It starts a process for each batch that a queue may have in work: sixteen of them would keep a laptop busy for half a
minute, so locally a queue has two.

And it keeps every build that was ever uploaded, some 20 MB each; only what the stack now refers to is kept here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from local.aws.intrinsics import Resolver, UnknownReference

LOCAL_POLICY = "local-readings"
CONCURRENCY = 2
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "x-amazon-apigateway-any-method")
_SEND, _SEND_BATCH, _MAIL = "sqs:SendMessage", "sqs:SendMessageBatch", "ses:SendEmail"
_SCHEDULER = "<aws.scheduler."
_PUBLIC_URL = "JIFEN_PUBLIC_URL"
_SCHEDULE_FIELDS = ("Name", "GroupName", "ScheduleExpression", "FlexibleTimeWindow", "Target", "State", "Description")


class Clients(Protocol):
    """Makes a boto3 client of a service."""

    def __call__(self, service: str) -> Any:
        """Give the client of the service of that name, such as `apigatewayv2`."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route: `POST /v1/quotes`, what it calls, and who may call it; `authorizer` None lets everybody in."""

    key: str
    integration_uri: str
    payload_format: str
    authorizer: str | None
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Door:
    """An HTTP API as its template draws it; `authorizers` maps names to identity source and JWT configuration."""

    authorizers: Mapping[str, tuple[str, Mapping[str, Any]]]
    routes: tuple[Route, ...]
    cors: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack after its deployment: the processed template, physical ids by logical id, parameters."""

    template: Mapping[str, Any]
    resources: Mapping[str, str]
    parameters: Mapping[str, str]
    stack: str
    region: str
    account: str

    def of_type(self, kind: str) -> dict[str, str]:
        """Physical ids of the resources of one type, by logical id; those a condition left out are not among them."""
        return {
            name: self.resources[name]
            for name, resource in self.template["Resources"].items()
            if resource["Type"] == kind and name in self.resources
        }

    def resolver(self) -> Resolver:
        """Resolve values of the template against this stack; functions are the only resources whose ARN is known."""
        functions = self.of_type("AWS::Lambda::Function")
        arns = {
            name: f"arn:aws:lambda:{self.region}:{self.account}:function:{physical}"
            for name, physical in functions.items()
        }
        pseudo = {
            "AWS::Region": self.region,
            "AWS::AccountId": self.account,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": self.stack,
        }
        names = {**self.parameters, **self.resources, **pseudo}
        return Resolver(names, arns, self.template.get("Conditions", {}))


def deployed(clients: Clients, stack: str, region: str, account: str) -> Deployed:
    """Read a stack that has been deployed."""
    formation = clients("cloudformation")
    body = formation.get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]
    template = json.loads(body) if isinstance(body, str) else body
    resources = {
        row["LogicalResourceId"]: row["PhysicalResourceId"]
        for row in formation.describe_stack_resources(StackName=stack)["StackResources"]
        if row.get("PhysicalResourceId")
    }
    defaults = {
        name: str(parameter["Default"])
        for name, parameter in template.get("Parameters", {}).items()
        if "Default" in parameter
    }
    (description,) = formation.describe_stacks(StackName=stack)["Stacks"]
    given = {row["ParameterKey"]: row["ParameterValue"] for row in description.get("Parameters", [])}
    return Deployed(template, resources, {**defaults, **given}, stack, region, account)


# The HTTP API --------------------------------------------------------------------------------------------------------


def read_door(body: Mapping[str, Any], resolver: Resolver) -> Door:
    """Read authorizers, routes and CORS from the OpenAPI body that the SAM transform has made.

    Raises UnknownReference for an authorizer that the body does not define, or a value that cannot be resolved.
    """
    schemes = body.get("components", {}).get("securitySchemes", {})
    authorizers = {}
    for name, scheme in schemes.items():
        found = resolver.resolve(scheme["x-amazon-apigateway-authorizer"])
        authorizers[name] = (found["identitySource"], found["jwtConfiguration"])
    routes = [
        _route(path, method, operation, resolver, authorizers)
        for path, operations in body["paths"].items()
        for method, operation in operations.items()
        if method in _METHODS
    ]
    cors = resolver.resolve(body.get("x-amazon-apigateway-cors"))
    return Door(authorizers, tuple(routes), cors or None)


def _route(
    path: str, method: str, operation: Mapping[str, Any], resolver: Resolver, authorizers: Mapping[str, Any]
) -> Route:
    (security,) = operation.get("security") or ({"NONE": []},)
    ((authorizer, scopes),) = security.items()
    verb = "ANY" if method.startswith("x-") else method.upper()
    key = "$default" if path == "/$default" else f"{verb} {path}"
    if authorizer != "NONE" and authorizer not in authorizers:
        message = f"{key} names the authorizer {authorizer}, which the API does not have"
        raise UnknownReference(message)
    integration = operation["x-amazon-apigateway-integration"]
    return Route(
        key,
        resolver.resolve(integration["uri"]),
        str(integration["payloadFormatVersion"]),
        None if authorizer == "NONE" else authorizer,
        tuple(scopes),
    )


def complete_api(client: Any, api_id: str, door: Door) -> None:
    """Make the API what `door` says, through a boto3 `apigatewayv2` client; what is there is kept or changed."""
    authorizers = _complete_authorizers(client, api_id, door)
    integrations = _complete_integrations(client, api_id, door)
    there = {row["RouteKey"]: row["RouteId"] for row in client.get_routes(ApiId=api_id)["Items"]}
    for route in door.routes:
        wanted: dict[str, Any] = {
            "ApiId": api_id,
            "RouteKey": route.key,
            "Target": f"integrations/{integrations[route.integration_uri]}",
            "AuthorizationType": "JWT" if route.authorizer else "NONE",
            "AuthorizationScopes": list(route.scopes),
        }
        if route.authorizer:
            wanted["AuthorizerId"] = authorizers[route.authorizer]
        route_id = there.pop(route.key, None)
        if route_id:
            client.update_route(RouteId=route_id, **wanted)
        else:
            client.create_route(**wanted)
    for route_id in there.values():
        client.delete_route(ApiId=api_id, RouteId=route_id)
    if door.cors:
        cors = {name[0].upper() + name[1:]: value for name, value in door.cors.items()}
        client.update_api(ApiId=api_id, CorsConfiguration=cors)
    else:
        client.delete_cors_configuration(ApiId=api_id)


def _complete_authorizers(client: Any, api_id: str, door: Door) -> dict[str, str]:
    there = {row["Name"]: row["AuthorizerId"] for row in client.get_authorizers(ApiId=api_id)["Items"]}
    for name, (source, jwt) in door.authorizers.items():
        wanted = {
            "ApiId": api_id,
            "Name": name,
            "AuthorizerType": "JWT",
            "IdentitySource": [source],
            "JwtConfiguration": {"Issuer": jwt["issuer"], "Audience": jwt["audience"]},
        }
        if name in there:
            client.update_authorizer(AuthorizerId=there[name], **wanted)
        else:
            there[name] = client.create_authorizer(**wanted)["AuthorizerId"]
    return there


def _complete_integrations(client: Any, api_id: str, door: Door) -> dict[str, str]:
    there = {row["IntegrationUri"]: row["IntegrationId"] for row in client.get_integrations(ApiId=api_id)["Items"]}
    for route in door.routes:
        if route.integration_uri not in there:
            made = client.create_integration(
                ApiId=api_id,
                IntegrationType="AWS_PROXY",
                IntegrationMethod="POST",
                IntegrationUri=route.integration_uri,
                PayloadFormatVersion=route.payload_format,
            )
            there[route.integration_uri] = made["IntegrationId"]
    return there


# Rights --------------------------------------------------------------------------------------------------------------


def local_rights(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Give the policy that makes MiniStack read `documents` as AWS does; None where it does so already."""
    statements: list[dict[str, Any]] = []
    for document in documents:
        for statement in document["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            if _SEND in actions:
                statements.append({**statement, "Action": [_SEND_BATCH]})
            if _MAIL in actions:
                statements.append({"Effect": statement["Effect"], "Action": [_MAIL], "Resource": "*"})
    return {"Version": "2012-10-17", "Statement": statements} if statements else None


def complete_rights(client: Any, roles: Sequence[str]) -> None:
    """Give each role what AWS would read into its policies, through a boto3 `iam` client."""
    for role in roles:
        policies = set(client.list_role_policies(RoleName=role)["PolicyNames"]) - {LOCAL_POLICY}
        documents = [
            client.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"] for policy in sorted(policies)
        ]
        rights = local_rights(documents)
        if rights:
            client.put_role_policy(RoleName=role, PolicyName=LOCAL_POLICY, PolicyDocument=json.dumps(rights))


# Links ---------------------------------------------------------------------------------------------------------------


def complete_links(client: Any, found: Deployed, api: str) -> None:
    """Let the links in messages lead to the API as it is reached here, through a boto3 `lambda` client."""
    for name, physical in found.of_type("AWS::Lambda::Function").items():
        drawn = found.template["Resources"][name]["Properties"].get("Environment", {}).get("Variables", {})
        if _PUBLIC_URL in drawn and not found.parameters.get("PublicUrl"):
            kept = client.get_function_configuration(FunctionName=physical)["Environment"]["Variables"]
            client.update_function_configuration(
                FunctionName=physical, Environment={"Variables": {**kept, _PUBLIC_URL: api}}
            )


# Schedules, workers, uploads ------------------------------------------------------------------------------------------


def complete_schedules(client: Any, found: Deployed) -> None:
    """Give each schedule its time zone and an input it can be called with, through a boto3 `scheduler` client."""
    resolver = found.resolver()
    for name, physical in found.of_type("AWS::Scheduler::Schedule").items():
        drawn = found.template["Resources"][name]["Properties"]
        there = client.get_schedule(Name=physical)
        kept = {field: there[field] for field in _SCHEDULE_FIELDS if field in there}
        zone = resolver.resolve(drawn.get("ScheduleExpressionTimezone", "UTC"))
        target = {**there["Target"], "Input": _known_input(there["Target"].get("Input", "{}"))}
        client.update_schedule(**{**kept, "Target": target, "ScheduleExpressionTimezone": zone})


def _known_input(text: str) -> str:
    given = json.loads(text)
    return json.dumps({name: value for name, value in given.items() if _SCHEDULER not in str(value)})


def limit_workers(client: Any, stack: str) -> None:
    """Let each queue of `stack` have `CONCURRENCY` batches in work, through a boto3 `lambda` client."""
    for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
        queue = mapping["EventSourceArn"].rsplit(":", 1)[-1]
        if queue.startswith(f"{stack}-"):
            client.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": CONCURRENCY})


def drop_old_uploads(formation: Any, storage: Any, stack: str) -> None:
    """Delete the uploads that `stack` does not refer to any more, through `cloudformation` and `s3` clients."""
    body = formation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
    text = body if isinstance(body, str) else json.dumps(body)
    used = set(re.findall(r"s3://([^/\s\"']+)/([^\s\"'\\]+)", text))
    for bucket in {bucket for bucket, _ in used}:
        for page in storage.get_paginator("list_object_versions").paginate(Bucket=bucket):
            for row in page.get("Versions", []):
                if (bucket, row["Key"]) not in used:
                    storage.delete_object(Bucket=bucket, Key=row["Key"], VersionId=row["VersionId"])
