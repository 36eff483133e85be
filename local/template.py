"""Reads infra/template.yaml, so that nothing else has to repeat what it says.

The template is the only place that draws the table, its keys and its indexes. Whoever needs them on a laptop (the
local AWS, the store's tests, the benchmarks) takes them from here, and a change of the template reaches all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

# Ten times as quick, where PyYAML was built with it.
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

PATH = Path(__file__).resolve().parents[1] / "infra" / "template.yaml"

_TABLE_KEYS = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode")


class _CloudFormation(_SafeLoader):  # type: ignore[misc]  # one of two classes
    """YAML with CloudFormation's short tags; a class of its own, so that the tags stay out of every other loader."""


def _intrinsic(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    """`!Sub x` as `{"Fn::Sub": x}`, the long form that JSON templates use; `!Ref` and `!Condition` have no prefix."""
    value: Any
    if isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        assert isinstance(node, yaml.ScalarNode)
        value = loader.construct_scalar(node)
        if tag == "GetAtt":
            value = value.split(".", 1)
    return {tag if tag in {"Ref", "Condition"} else f"Fn::{tag}": value}


_CloudFormation.add_multi_constructor("!", _intrinsic)


def load(path: Path = PATH) -> dict[str, Any]:
    """The template as plain dicts and lists, intrinsic functions in their long form, nothing resolved."""
    template: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_CloudFormation)  # noqa: S506 - safe
    return template


def resources(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Properties of every resource of one type, e.g. `AWS::SQS::Queue`, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template["Resources"].items()
        if resource["Type"] == kind
    }


def table_definition() -> dict[str, Any]:
    """Arguments for `create_table` besides its `TableName`: keys, attributes, indexes, billing; all of them literal."""
    (table,) = resources(load(), "AWS::DynamoDB::Table").values()
    return {key: table[key] for key in _TABLE_KEYS}
