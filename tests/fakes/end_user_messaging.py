"""AWS End User Messaging as a server: takes SendTextMessage within its rules and keeps the messages."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.fakes.server import Provider, Request, Response


class EndUserMessaging(Provider):
    """``messages`` is what it took; ``refused`` are numbers with the code and reason they are answered with."""

    service = "pinpoint-sms-voice-v2"

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[dict[str, Any]] = []
        self.refused: dict[str, tuple[str, str]] = {}

    def throttle(self, times: int = 1) -> None:
        """Say that it is too much at once."""
        self.respond(_problem(400, "ThrottlingException"), times)

    def refuse(self, code: str, reason: str) -> None:
        """Answer the next request so."""
        self.respond(_problem(400, code, reason))

    def answer(self, request: Request) -> Response:
        """See :class:`Provider`."""
        if request.headers.get("x-amz-target") != "PinpointSMSVoiceV2.SendTextMessage":
            return _problem(400, "ValidationException", "UNKNOWN_OPERATION")
        asked: dict[str, Any] = json.loads(request.body)
        number = asked["DestinationPhoneNumber"]
        if not re.fullmatch(r"\+?[1-9][0-9]{1,18}", number):
            return _problem(400, "ValidationException", "INVALID_PARAMETER")
        if not 1 <= len(asked["MessageBody"]) <= 1_600 or not 5 <= asked["TimeToLive"] <= 259_200:
            return _problem(400, "ValidationException", "FIELD_VALIDATION_FAILED")
        if number in self.refused:
            return _problem(400, *self.refused[number])
        self.messages.append(asked)
        return Response(200, json.dumps({"MessageId": f"{len(self.messages):036x}"}).encode())


def _problem(status: int, code: str, reason: str = "") -> Response:
    said = {"__type": code, "Message": "told to refuse"} | ({"Reason": reason} if reason else {})
    return Response(status, json.dumps(said).encode(), {"Content-Type": "application/x-amz-json-1.0"})
