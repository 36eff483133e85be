"""WeChat's API as a server: stable access tokens, template messages, subscribe messages that use a consent up.

Codes are those of its documentation: 40001, 42001 a token that is not or no longer valid; 40003 an openid that
is none of the app's; 43004 who does not follow; 43101 who allows nothing; 47003 a field that is too long, or no date.
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.fakes.server import Provider, Request, Response

TEMPLATE, SUBSCRIBE = "/cgi-bin/message/template/send", "/cgi-bin/message/subscribe/send"
THING_MAX = 20
DAY = re.compile(r"\d{4}年\d{1,2}月\d{1,2}日( \d{2}:\d{2})?")


class WeChat(Provider):
    """One app of id ``wx1`` and secret ``s3cret``; ``sent`` is what members have got, ``consents`` what they allow."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[dict[str, Any]] = []
        self.followers: set[str] = {"openid-official"}
        self.strangers: set[str] = set()
        self.consents: dict[str, int] = {"openid-mini": 5}
        self.tokens = 1
        self.forced = 0
        self._refused: list[int] = []
        self._ids: set[tuple[str, str]] = set()
        self._stale = False

    @property
    def token(self) -> str:
        """The token that is valid now."""
        return f"token-{self.tokens}"

    def expire(self) -> None:
        """The token is over: another one is given out from now on."""
        self.tokens += 1

    def spoil(self) -> None:
        """The token is refused from now on, and given out all the same until a new one is forced."""
        self._stale = True

    def refuse(self, *codes: int) -> None:
        """Answer the next messages with these codes."""
        self._refused += codes

    def answer(self, request: Request) -> Response:
        """See :class:`Provider`."""
        asked = json.loads(request.body)
        if request.path == "/cgi-bin/stable_token":
            return _said(self._token(asked))
        token = request.query.get("access_token")
        if token != self.token or self._stale:
            return _code(40001 if self._stale else 42001)
        if self._refused:
            return _code(self._refused.pop(0))
        to = asked["touser"]
        if to in self.strangers or request.path not in {TEMPLATE, SUBSCRIBE}:
            return _code(40003)
        if any(_wrong(name, one["value"]) for name, one in asked["data"].items()):
            return _code(47003)
        return _code(self._template(asked, to) if request.path == TEMPLATE else self._subscribe(asked, to))

    def _token(self, asked: dict[str, Any]) -> dict[str, Any]:
        if (asked["appid"], asked["secret"], asked["grant_type"]) != ("wx1", "s3cret", "client_credential"):
            return {"errcode": 40125, "errmsg": "invalid appsecret"}
        if asked["force_refresh"]:
            self.tokens, self.forced, self._stale = self.tokens + 1, self.forced + 1, False
        return {"access_token": self.token, "expires_in": 7_200}

    def _template(self, asked: dict[str, Any], to: str) -> int:
        if to not in self.followers:
            return 43004
        if (to, asked["client_msg_id"]) not in self._ids:
            self._ids.add((to, asked["client_msg_id"]))
            self.sent.append(asked)
        return 0

    def _subscribe(self, asked: dict[str, Any], to: str) -> int:
        if self.consents.get(to, 0) < 1:
            return 43101
        self.consents[to] -= 1
        self.sent.append(asked)
        return 0


def _wrong(name: str, value: str) -> bool:
    """Whether a field of this name cannot hold it."""
    if name.startswith("thing"):
        return len(value) > THING_MAX
    return name.startswith("date") and not DAY.fullmatch(value)


def _code(code: int) -> Response:
    return _said({"errcode": code, "errmsg": "ok" if code == 0 else "told"})


def _said(body: dict[str, Any]) -> Response:
    return Response(200, json.dumps(body).encode(), {"Content-Type": "application/json"})
