"""The linters: on the template as written, and again on what the SAM transform makes of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from local import template as stack_template


def _lint(path: Path) -> str:
    """All that cfn-lint has to say, empty when it is content; run as its command, whose output is what people see."""
    start = "import sys; from cfnlint.runner import main; sys.exit(main())"
    command = [sys.executable, "-c", start, "--regions", "us-east-1", "eu-west-1", "--template", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - our own words
    return done.stdout + done.stderr


def test_the_written_template_is_clean() -> None:
    """cfn-lint finds no error and no warning in the template."""
    assert "" == _lint(stack_template.PATH)


def test_the_expanded_template_is_clean(expanded: dict[str, Any], tmp_path: Path) -> None:
    """Nor in the template after the transform, where the insides of events and policies show."""
    path = tmp_path / "expanded.json"
    path.write_text(json.dumps(expanded), encoding="utf-8")

    assert "" == _lint(path)


def test_the_linter_would_speak_up(expanded: dict[str, Any], tmp_path: Path) -> None:
    """A mistake inside an event does reach the linter's output, so silence above means something."""
    broken = json.loads(json.dumps(expanded))
    broken["Resources"]["EarnOrders"]["Properties"]["BatchSiz"] = 10
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(broken), encoding="utf-8")

    assert "BatchSiz" in _lint(path)


def test_conditions_used_in_the_template_survive_the_transform(
    template: dict[str, Any], expanded: dict[str, Any]
) -> None:
    """Parameters, rules and conditions are the same on both sides of the transform."""
    for part in ("Parameters", "Rules", "Conditions"):
        assert template[part] == expanded[part]
