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
