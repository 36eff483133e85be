"""SES v2 as a server: takes SendEmail within its rules and keeps the mails."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.server import Provider, Request, Response

HEADER_MAX = 995


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that was taken."""

    sender: str
    to: list[str]
    subject: str
    text: str
    html: str
    headers: dict[str, str] = field(default_factory=dict)


class Ses(Provider):
    """``mails`` is what it took; ``refused`` are addresses whose mails it answers with a code, and what it says."""

    service = "sesv2"

    def __init__(self) -> None:
        super().__init__()
        self.mails: list[Mail] = []
        self.refused: dict[str, str] = {}

    def throttle(self, times: int = 1) -> None:
        """Say that it is too much at once."""
        self.respond(_problem(429, "TooManyRequestsException"), times)

    def answer(self, request: Request) -> Response:
        """See :class:`Provider`."""
        if (request.method, request.path) != ("POST", "/v2/email/outbound-emails"):
            return _problem(404, "NotFoundException")
        asked: dict[str, Any] = json.loads(request.body)
        simple = asked["Content"]["Simple"]
        headers = {one["Name"]: one["Value"] for one in simple.get("Headers", [])}
        to = asked["Destination"]["ToAddresses"]
        if any(not re.fullmatch(r"[ -~]*", value) or len(value) > HEADER_MAX for value in headers.values()):
            return _problem(400, "BadRequestException")
        if "\n" in simple["Subject"]["Data"] or any(not re.fullmatch(r"[!-~]+@[!-~]+", one) for one in to):
            return _problem(400, "BadRequestException")
        if code := next((self.refused[one] for one in to if one in self.refused), None):
            return _problem(400, *code.split(": ", 1))
        body = simple["Body"]
        texts = (simple["Subject"]["Data"], body["Text"]["Data"], body["Html"]["Data"])
        self.mails.append(Mail(asked["FromEmailAddress"], to, *texts, headers))
        return Response(200, json.dumps({"MessageId": f"{len(self.mails):060x}"}).encode())


def _problem(status: int, code: str, message: str = "") -> Response:
    headers = {"x-amzn-ErrorType": code, "Content-Type": "application/json"}
    return Response(status, json.dumps({"message": message or code}).encode(), headers)
