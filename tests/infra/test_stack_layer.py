"""The layer: what ships beside the functions, for their processor."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any


def test_the_layer_is_the_package_and_its_requirements(root: Path) -> None:
    """Nothing else lives there: a python/ folder would be shipped one level too deep, anything else shipped unasked."""
    present = {path.name for path in (root / "layers" / "common").iterdir() if path.name != "__pycache__"}

    assert {"jifen", "requirements.txt"} == present


def test_the_layer_is_built_for_the_functions_processor(template: dict[str, Any], expanded: dict[str, Any]) -> None:
    """Without BuildArchitecture functions on arm64 would get wheels for x86 and fail at their first import."""
    layer = template["Resources"]["Common"]

    assert {"BuildMethod": "python3.13", "BuildArchitecture": {"Ref": "Architecture"}} == layer["Metadata"]
    assert [{"Ref": "Architecture"}] == layer["Properties"]["CompatibleArchitectures"]
    assert [{"Ref": "Architecture"}] == template["Globals"]["Function"]["Architectures"]
    assert [{"Ref": "Architecture"}] == expanded["Resources"]["Earn"]["Properties"]["Architectures"]


def test_the_other_processor_can_be_built_for(root: Path, template: dict[str, Any]) -> None:
    """The line of samconfig.toml that the guide speaks of is for `sam build`, which sees no deployment."""
    text = (root / "infra" / "samconfig.toml").read_text(encoding="utf-8")
    build = tomllib.loads(text.replace("# parameter_overrides", "parameter_overrides"))["default"]["build"][
        "parameters"
    ]
    name, _, value = build["parameter_overrides"].partition("=")
    others = {*template["Parameters"][name]["AllowedValues"]} - {template["Parameters"][name]["Default"]}

    assert {value} == others


def test_the_layer_runs_on_the_functions_python(template: dict[str, Any]) -> None:
    """Layer and functions name one Python."""
    runtime = template["Globals"]["Function"]["Runtime"]
    layer = template["Resources"]["Common"]

    assert {runtime} == {layer["Metadata"]["BuildMethod"], *layer["Properties"]["CompatibleRuntimes"]}


def test_every_requirement_is_pinned_and_explained(root: Path) -> None:
    """One exact version of each package ships, and each line says why it is there."""
    lines = (root / "layers" / "common" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = [line for line in lines if line and not line.startswith("#")]

    assert [] == [line for line in required if not re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9A-Za-z.]*\s+# .+", line)]
