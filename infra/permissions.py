"""Every permission of the stack on one page: who may do what, who may start what, who may call.

`python -m infra.permissions` writes infra/permissions.md from the expanded template, `--check` compares. The page is
committed, so that a right given or taken is a line of a diff that a person reads. It follows what is granted, not how
that is written down: statements may be moved, split or joined without a word here.

A kind of resource that this module does not know may give rights that it cannot see; it is refused until it is known.
"""

from __future__ import annotations

import argparse
import difflib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.expand import expand
from local.template import resources

PATH = Path(__file__).with_name("permissions.md")

ROLE, POLICY = "AWS::IAM::Role", "AWS::IAM::Policy"
FUNCTION, PERMISSION, MAPPING = "AWS::Lambda::Function", "AWS::Lambda::Permission", "AWS::Lambda::EventSourceMapping"
SCHEDULE, API, CLIENT = "AWS::Scheduler::Schedule", "AWS::ApiGatewayV2::Api", "AWS::Cognito::UserPoolClient"
QUEUE, QUEUE_POLICY = "AWS::SQS::Queue", "AWS::SQS::QueuePolicy"
TOPIC, TOPIC_POLICY = "AWS::SNS::Topic", "AWS::SNS::TopicPolicy"

_OWN_POLICIES = {QUEUE_POLICY: "Queues", TOPIC_POLICY: "Topics"}
_SHOWN = {ROLE, POLICY, FUNCTION, PERMISSION, MAPPING, SCHEDULE, API, CLIENT, QUEUE, TOPIC, *_OWN_POLICIES}
_WITHOUT_RIGHTS = {
    "AWS::ApiGatewayV2::Stage",
    "AWS::CloudWatch::Alarm",
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolResourceServer",
    "AWS::DynamoDB::Table",
    "AWS::Lambda::LayerVersion",
    "AWS::Logs::LogGroup",
}
"""Types that give nobody a right, as long as no property of theirs is a policy; where one is, it is shown."""

_ROLE_KEYS = {"AssumeRolePolicyDocument", "Policies", "ManagedPolicyArns", "Description", "Tags"}
_STATEMENT_KEYS = {"Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"}

_PLACE = re.compile(r"\$\{(\w+)\}")
_FUNCTION_IN = re.compile(r"/functions/\$\{(\w+)\.Arn\}")

_HEAD = """# Permissions of the stack

Made by `python -m infra.permissions` from the template as CloudFormation gets it; `make check` compares. A change of
this page is a change of who may do what: a person reads it and commits it deliberately. Resources stand as the template
says them; `*` in an address of the API stands for its stage and for an id in its path.
"""

Table = dict[str, Any]


class Unreadable(Exception):
    """The template grants something in a form that this module cannot put on the page."""


@dataclass(frozen=True, slots=True, order=True)
class Right:
    """One action on one resource for one role.

    Attributes:
        role: logical id.
        effect: Allow or Deny.
        action: as IAM spells it; `all but x` for NotAction.
        resource: as the template says it, see :func:`said`.
        condition: of the statement; empty for none.
        only_if: the stack's condition under which the policy exists; empty for always.
    """

    role: str
    effect: str
    action: str
    resource: str
    condition: str = ""
    only_if: str = ""


def said(value: Any) -> str:
    """A value as a template says it, on one line: `!GetAtt Table.Arn`, `!Ref EmailFrom`; JSON for what is longer."""
    if isinstance(value, str):
        return value
    match value:
        case {"Ref": name} if len(value) == 1:
            return f"!Ref {name}"
        case {"Fn::GetAtt": [name, attribute]} if len(value) == 1:
            return f"!GetAtt {name}.{attribute}"
        case {"Fn::Sub": str(text)} if len(value) == 1:
            return f"!Sub {text}"
        case {"Fn::Sub": [text, dict(names)]} if len(value) == 1:
            return said({"Fn::Sub": _PLACE.sub(lambda place: _filled(place[0], names.get(place[1])), text)})
    return json.dumps(value, sort_keys=True)


def _filled(place: str, value: Any) -> str:
    """What stands in a place of a text: the place itself where the text names no value for it."""
    match value:
        case None:
            return place
        case str():
            return value
        case {"Ref": name}:
            return f"${{{name}}}"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"${{{name}.{attribute}}}"
    return f"${{{said(value)}}}"


def rights(expanded: Table) -> list[Right]:
    """What every role of an expanded template may do, the roles that SAM makes included, in a stable order.

    Raises:
        Unreadable: a role or statement has a part that is not understood here.
    """
    found: set[Right] = set()
    for name, role in resources(expanded, ROLE).items():
        if unknown := set(role) - _ROLE_KEYS:
            raise Unreadable(f"{name} has {', '.join(sorted(unknown))}")
        only_if = expanded["Resources"][name].get("Condition", "")
        found |= {Right(name, "Allow", "managed policy", said(arn)) for arn in role.get("ManagedPolicyArns", [])}
        for policy in role.get("Policies", []):
            found |= set(_rights_in(name, policy["PolicyDocument"], only_if))
    for name, policy in resources(expanded, POLICY).items():
        only_if = expanded["Resources"][name].get("Condition", "")
        for owner in ("Users", "Groups"):
            if policy.get(owner):
                raise Unreadable(f"{name} is for {owner}, which have no place here")
        for role in policy["Roles"]:
            found |= set(_rights_in(role["Ref"], policy["PolicyDocument"], only_if))
    return sorted(found)


def _rights_in(role: str, document: Table, only_if: str) -> Iterator[Right]:
    for statement in _statements(role, document):
        if "Principal" in statement:
            raise Unreadable(f"{role} has a statement with a Principal")
        condition = said(statement["Condition"]) if "Condition" in statement else ""
        for action in _each(statement, "Action"):
            for resource in _each(statement, "Resource"):
                yield Right(role, said(statement["Effect"]), action, resource, condition, only_if)


def _statements(owner: str, document: Table) -> list[Table]:
    listed = _listed(document["Statement"])
    for statement in listed:
        if unknown := set(statement) - _STATEMENT_KEYS:
            raise Unreadable(f"{owner} has a statement with {', '.join(sorted(unknown))}")
    return listed


def _each(statement: Table, key: str) -> list[str]:
    """Actions or resources, which IAM takes as one or as several, and as all but those named."""
    if f"Not{key}" in statement:
        return [f"all but {' and '.join(sorted(said(each) for each in _listed(statement[f'Not{key}'])))}"]
    return [said(each) for each in _listed(statement[key])]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def text(expanded: Table) -> str:
    """The page, as it is committed.

    Raises:
        Unreadable: something in the template may grant a right and is not understood here.
    """
    _refuse_what_is_not_known(expanded)
    sections = (
        (
            "What each role may do",
            ("role", "effect", "action", "on", "under", "only if"),
            ((one.role, one.effect, one.action, one.resource, one.condition, one.only_if) for one in rights(expanded)),
        ),
        ("Who may take a role", ("role", "used by", "effect", "action", "who", "under"), _takers(expanded)),
        ("Who may start a function", ("function", "by", "as", "from"), _starters(expanded)),
        ("What a call needs", ("route", "function", "authorizer", "one of the scopes"), _routes(expanded)),
        ("Whose tokens count", ("authorizer", "setting", "is"), _authorizers(expanded)),
        ("Who gets which scope", ("client", "signs in by", "scopes"), _clients(expanded)),
        ("What queues, topics and others say themselves", ("resource", "policy", "says"), _own(expanded)),
    )
    return _HEAD + "".join(_section(*section) for section in sections)


def _refuse_what_is_not_known(expanded: Table) -> None:
    kinds = {resource["Type"] for resource in expanded["Resources"].values()}
    if unknown := kinds - _SHOWN - _WITHOUT_RIGHTS:
        message = f"{', '.join(sorted(unknown))}: say in infra/permissions.py whether it gives rights, and show them"
        raise Unreadable(message)


def _section(title: str, columns: Iterable[str], rows: Iterable[tuple[str, ...]]) -> str:
    head = tuple(columns)
    lines = [head, ("---",) * len(head), *sorted({tuple(_cell(cell) for cell in row) for row in rows})]
    return f"\n## {title}\n\n" + "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _cell(value: str) -> str:
    return f"`{value}`".replace("|", "\\|") if value else ""


def _takers(expanded: Table) -> Iterator[tuple[str, ...]]:
    """Who may assume each role, and the functions and schedules that do; a role from elsewhere has only the latter."""
    users: dict[str, set[str]] = {f"!GetAtt {name}.Arn": set() for name in resources(expanded, ROLE)}
    for name, function in resources(expanded, FUNCTION).items():
        users.setdefault(said(function["Role"]), set()).add(name)
    for name, schedule in resources(expanded, SCHEDULE).items():
        users.setdefault(said(schedule["Target"]["RoleArn"]), set()).add(name)
    roles = {f"!GetAtt {name}.Arn": (name, role) for name, role in resources(expanded, ROLE).items()}
    for arn, names in users.items():
        by = ", ".join(sorted(names))
        if arn not in roles:
            yield arn, by, "not known here", "", "", ""
            continue
        name, role = roles[arn]
        for statement in _statements(name, role["AssumeRolePolicyDocument"]):
            condition = said(statement["Condition"]) if "Condition" in statement else ""
            for action in _each(statement, "Action"):
                for who in _principals(statement):
                    yield name, by, said(statement["Effect"]), action, who, condition


def _principals(statement: Table) -> Iterator[str]:
    principal = statement["Principal"]
    if not isinstance(principal, Mapping) or "Ref" in principal:
        yield said(principal)
        return
    for kind, named in principal.items():
        for one in _listed(named):
            yield said(one) if kind == "Service" else f"{kind} {said(one)}"


def _starters(expanded: Table) -> Iterator[tuple[str, ...]]:
    """Who may start each function: services by a permission on it, queues by a mapping, schedules by a role."""
    for permission in resources(expanded, PERMISSION).values():
        rest = {key: permission[key] for key in permission.keys() - {"FunctionName", "Principal", "Action"}}
        source = said(rest.pop("SourceArn", "anywhere")) + (f" {said(rest)}" if rest else "")
        yield _name(permission["FunctionName"]), said(permission["Principal"]), said(permission["Action"]), source
    for mapping in resources(expanded, MAPPING).values():
        yield _name(mapping["FunctionName"]), "lambda.amazonaws.com", "event source", said(mapping["EventSourceArn"])
    for name, schedule in resources(expanded, SCHEDULE).items():
        target = schedule["Target"]
        yield _name(target["Arn"]), "scheduler.amazonaws.com", f"schedule with {said(target['RoleArn'])}", name


def _name(function: Any) -> str:
    """The logical id of a function, whether it is named or its ARN is."""
    match function:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), "Arn"]}:
            return name
    return said(function)


def _routes(expanded: Table) -> Iterator[tuple[str, ...]]:
    """Each route of each API, the function behind it, and the scopes of which a caller needs one."""
    for api in resources(expanded, API).values():
        for path, methods in api["Body"]["paths"].items():
            for method, route in methods.items():
                uri = said(route["x-amazon-apigateway-integration"]["uri"])
                named = _FUNCTION_IN.search(uri)
                for security in route.get("security") or [{"NONE": []}]:
                    for authorizer, scopes in security.items():
                        yield f"{method.upper()} {path}", named[1] if named else uri, authorizer, ", ".join(scopes)


def _authorizers(expanded: Table) -> Iterator[tuple[str, ...]]:
    """Issuer and audience of the tokens that are accepted, setting by setting."""
    for api in resources(expanded, API).values():
        for name, scheme in api["Body"].get("components", {}).get("securitySchemes", {}).items():
            settings = dict(scheme.get("x-amazon-apigateway-authorizer", scheme))
            settings |= settings.pop("jwtConfiguration", {})
            for key in settings:
                yield name, key, said(settings[key])


def _clients(expanded: Table) -> Iterator[tuple[str, ...]]:
    """The scopes that each client of the stack's own user pool hands out."""
    for name, client in resources(expanded, CLIENT).items():
        flows = [*client.get("AllowedOAuthFlows", []), *client.get("ExplicitAuthFlows", [])]
        yield name, ", ".join(map(said, flows)), ", ".join(map(said, client.get("AllowedOAuthScopes", [])))


def _own(expanded: Table) -> Iterator[tuple[str, ...]]:
    """Policies that stand at a resource: queues and topics always, others where they have one."""
    policed: set[str] = set()
    for kind, owners in _OWN_POLICIES.items():
        for policy in resources(expanded, kind).values():
            for owner in policy[owners]:
                policed.add(owner["Ref"])
                for statement in _statements(owner["Ref"], policy["PolicyDocument"]):
                    yield owner["Ref"], "access", said({key: statement[key] for key in statement if key != "Sid"})
    for name, resource in expanded["Resources"].items():
        kind, properties = resource["Type"], resource.get("Properties", {})
        if kind in {QUEUE, TOPIC} and name not in policed:
            yield name, "access", "none"
        if kind in {QUEUE, TOPIC} or kind in _WITHOUT_RIGHTS:
            for key in properties:
                if "Polic" in key:
                    yield name, key, said(properties[key])


def difference(committed: str, made: str) -> str:
    """What has changed, as a unified diff; empty when nothing has."""
    lines = difflib.unified_diff(
        committed.splitlines(keepends=True), made.splitlines(keepends=True), "committed", "in the template", n=0
    )
    return "".join(lines)


def main() -> int:
    """Write the page, or with `--check` compare it: 1 and the difference when the template says something else."""
    parser = argparse.ArgumentParser(description="Write every permission of the stack to infra/permissions.md.")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 when a permission has changed")
    made = text(expand())
    if not parser.parse_args().check:
        PATH.write_text(made, encoding="utf-8")
        return 0
    changed = difference(PATH.read_text(encoding="utf-8") if PATH.exists() else "", made)
    if not changed:
        return 0
    sys.stderr.write(
        f"{changed}\n"
        "The template gives other permissions than infra/permissions.md says. A person must look at each line above:\n"
        "is it needed, is it as narrow as it can be? Then run `python -m infra.permissions` and commit the page\n"
        "deliberately, together with the template, saying why.\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
