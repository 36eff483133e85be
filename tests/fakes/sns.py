"""SNS mobile push as a server: takes Publish to the endpoint of a device and keeps what each platform is handed."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

from tests.fakes.server import Provider, Request, Response


class Sns(Provider):
    """``pushes`` is what it took, ``disabled`` and ``deleted`` are endpoints that devices have left."""

    service = "sns"

    def __init__(self) -> None:
        super().__init__()
        self.pushes: list[dict[str, Any]] = []
        self.disabled: set[str] = set()
        self.deleted: set[str] = set()

    def throttle(self, times: int = 1) -> None:
        """Say that it is too much at once."""
        self.respond(_problem(400, "Throttling", "Rate exceeded"), times)

    def refuse(self, status: int, code: str, message: str = "told to refuse") -> None:
        """Answer the next request so."""
        self.respond(_problem(status, code, message))

    def answer(self, request: Request) -> Response:
        """See :class:`Provider`."""
        asked = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
        target = asked.get("TargetArn", "")
        if asked.get("Action") != "Publish" or asked.get("MessageStructure") != "json":
            return _problem(400, "InvalidParameter", "Invalid parameter: Action")
        if target in self.deleted:
            reason = "Invalid parameter: TargetArn Reason: No endpoint found for the target arn specified"
            return _problem(400, "InvalidParameter", reason)
        if target in self.disabled:
            return _problem(400, "EndpointDisabled", "Endpoint is disabled")
        message = json.loads(asked["Message"])
        if not isinstance(message.get("default"), str):
            return _problem(400, "InvalidParameter", "Invalid parameter: Message Structure - No default entry")
        attributes = {
            asked[name]: asked[name.replace(".Name", ".Value.StringValue")]
            for name in asked
            if name.startswith("MessageAttributes.entry.") and name.endswith(".Name")
        }
        platforms = {name: json.loads(text) for name, text in message.items() if name != "default"}
        self.pushes.append({"target": target, "default": message["default"], "attributes": attributes, **platforms})
        number = f"{len(self.pushes):036x}"
        return _xml(
            200,
            f"<PublishResponse><PublishResult><MessageId>{number}</MessageId></PublishResult>"
            "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></PublishResponse>",
        )


def _problem(status: int, code: str, message: str) -> Response:
    error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
    return _xml(status, f"<ErrorResponse>{error}<RequestId>r</RequestId></ErrorResponse>")


def _xml(status: int, text: str) -> Response:
    return Response(status, text.encode(), {"Content-Type": "text/xml"})
