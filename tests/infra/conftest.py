"""The stack as it is written and as CloudFormation gets it; the tests here read both and deploy nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.expand import expand
from local import template as stack_template


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return Path(__file__).parents[2]


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    """infra/template.yaml."""
    return stack_template.load()


@pytest.fixture(scope="session")
def expanded() -> dict[str, Any]:
    """The template after the SAM transform, every parameter at its default."""
    return expand()


@pytest.fixture(scope="session")
def functions(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each function as written, Globals not merged in, by the name of its folder."""
    written = stack_template.resources(template, "AWS::Serverless::Function").values()
    return {Path(function["CodeUri"]).name: function for function in written}


@pytest.fixture(scope="session")
def queues(template: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each queue by logical id."""
    return stack_template.resources(template, "AWS::SQS::Queue")


@pytest.fixture(scope="session")
def statements(expanded: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What each role of the expanded stack may do, by the role's logical id."""
    roles = stack_template.resources(expanded, "AWS::IAM::Role")
    found = {role: [_listed(policy["PolicyDocument"]) for policy in roles[role].get("Policies", [])] for role in roles}
    for policy in stack_template.resources(expanded, "AWS::IAM::Policy").values():
        for role in policy["Roles"]:
            found[role["Ref"]].append(_listed(policy["PolicyDocument"]))
    return {role: [statement for document in documents for statement in document] for role, documents in found.items()}


def _listed(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Statements of a policy with actions and resources as lists, which IAM leaves to taste."""
    as_list = {"Action", "Resource"}
    return [
        {key: [value] if key in as_list and not isinstance(value, list) else value for key, value in statement.items()}
        for statement in document["Statement"]
    ]
