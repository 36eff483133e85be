"""The linters: on the template as written, and again on what the SAM transform makes of it."""

from __future__ import annotations

import copy
from typing import Any

from infra.expand import lint, lint_expanded
from local import template as stack_template


def test_the_written_template_is_clean() -> None:
    """cfn-lint finds no error and no warning in the template."""
    assert "" == lint(stack_template.PATH)


def test_the_expanded_template_is_clean(expanded: dict[str, Any]) -> None:
    """Nor in the template after the transform, where the insides of events and policies show."""
    assert "" == lint_expanded(expanded)


def test_the_linter_would_speak_up(expanded: dict[str, Any]) -> None:
    """A mistake inside an event does reach the linter's output, so silence above means something."""
    broken = copy.deepcopy(expanded)
    broken["Resources"]["EarnOrders"]["Properties"]["BatchSiz"] = 10

    assert "BatchSiz" in lint_expanded(broken)


def test_conditions_used_in_the_template_survive_the_transform(
    template: dict[str, Any], expanded: dict[str, Any]
) -> None:
    """Parameters, rules and conditions are the same on both sides of the transform."""
    for part in ("Parameters", "Rules", "Conditions"):
        assert template[part] == expanded[part]
