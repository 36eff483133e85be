"""The linter speaks up; `make check` runs it on the template as written and on what the SAM transform makes of it."""

from __future__ import annotations

from typing import Any

from infra.expand import lint_expanded


def test_the_linter_would_speak_up(expanded: dict[str, Any]) -> None:
    """A mistake inside an event does reach the linter's output, so its silence in `make check` means something."""
    properties = {"FunctionName": "earn", "EventSourceArn": "arn:aws:sqs:us-east-1:123456789012:orders", "BatchSiz": 10}
    mapping = expanded["Resources"]["EarnOrders"] | {"Properties": properties}

    assert "BatchSiz" in lint_expanded({"Resources": {"EarnOrders": mapping}})


def test_conditions_used_in_the_template_survive_the_transform(
    template: dict[str, Any], expanded: dict[str, Any]
) -> None:
    """Parameters, rules and conditions are the same on both sides of the transform."""
    for part in ("Parameters", "Rules", "Conditions"):
        assert template[part] == expanded[part]
