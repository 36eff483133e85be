"""What CloudFormation gets: infra/template.yaml after the SAM transform, made here without an account or a build.

cfn-lint sees a SAM template only from outside; an error inside an event or a policy shows after the transform alone.
`python -m infra.expand` prints the expanded form, which the tests read roles, routes and schedules from; with `--lint`
it says what cfn-lint finds in it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local import template

REGIONS = ("us-east-1", "eu-west-1")

_CODE = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


def expand(parameters: dict[str, str] | None = None) -> dict[str, Any]:
    """The transformed template, `parameters` in place of their defaults; conditions and references mostly stay.

    Raises samtranslator's InvalidDocumentException with every cause it found.
    """
    document = template.load()
    for resource in document["Resources"].values():
        if resource["Type"] in _CODE:  # the transform takes only what was uploaded
            resource["Properties"][_CODE[resource["Type"]]] = "s3://bucket/key"
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=REGIONS[0]))
    expanded: dict[str, Any] = translator.translate(document, parameters or {})
    return expanded


def lint(path: Path) -> str:
    """All that cfn-lint has to say of a template, empty when it is content."""
    start = "import sys; from cfnlint.runner import main; sys.exit(main())"  # the command, wherever it is installed
    command = [sys.executable, "-c", start, "--regions", *REGIONS, "--template", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603 - our words
    return done.stdout + done.stderr


def lint_expanded(expanded: dict[str, Any]) -> str:
    """All that cfn-lint has to say of an expanded template."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "expanded.json")
        path.write_text(json.dumps(expanded, indent=2), encoding="utf-8")
        return lint(path)


def main() -> int:
    """Print the expanded template, or with `--lint` what is wrong with it; 1 when something is."""
    parser = argparse.ArgumentParser(description="Expand the SAM template as CloudFormation would.")
    parser.add_argument("--lint", action="store_true", help="lint the expanded template instead of printing it")
    if not parser.parse_args().lint:
        json.dump(expand(), sys.stdout, indent=2)
        return 0
    found = lint_expanded(expand())
    sys.stdout.write(found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
