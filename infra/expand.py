"""What CloudFormation gets: infra/template.yaml after the SAM transform, made here without an account or a build.

cfn-lint sees a SAM template only from outside; an error inside an event or a policy shows after the transform alone.
`python -m infra.expand | cfn-lint -` lints the expanded form, and the tests read roles, routes and schedules from it.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local import template

REGION = "us-east-1"

_CODE = {"AWS::Serverless::Function": "CodeUri", "AWS::Serverless::LayerVersion": "ContentUri"}


def expand(parameters: dict[str, str] | None = None) -> dict[str, Any]:
    """The transformed template, `parameters` in place of their defaults; conditions and references mostly stay.

    Raises samtranslator's InvalidDocumentException with every cause it found.
    """
    document = template.load()
    for resource in document["Resources"].values():
        if resource["Type"] in _CODE:  # the transform takes only what was uploaded
            resource["Properties"][_CODE[resource["Type"]]] = "s3://bucket/key"
    session = boto3.Session(region_name=REGION)
    translator = Translator({}, Parser(), boto_session=session)
    expanded: dict[str, Any] = translator.translate(document, parameters or {})
    return expanded


if __name__ == "__main__":
    json.dump(expand(), sys.stdout, indent=2)
