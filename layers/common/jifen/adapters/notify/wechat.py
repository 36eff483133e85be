"""Channel ``wechat``: template messages of an official account, subscribe messages of a mini program.

    official    to who follows the account; WeChat drops a repeat of the same id within ten minutes
    mini        needs a consent for each message: one is taken first, and given back when the message was not taken

Access tokens are the stable ones: every process gets the same, and asking again does not end it. A token that WeChat
refuses is asked for anew; one that it refuses and gives out all the same is replaced, which ends it everywhere.

A template and what its fields say is the shop's choice; a field is one of ``title``, ``text``, ``points``,
``available`` and ``day``, cut to what WeChat lets a field of its kind hold.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import urllib3

from jifen.domain.errors import Busy
from jifen.domain.notices import NoticeKind
from jifen.domain.wording import fields
from jifen.service.ports import AddressBook, Contact, Message, NotSent, Undeliverable

BASE_URL = "https://api.weixin.qq.com"
PATHS = {"official": "/cgi-bin/message/template/send", "mini": "/cgi-bin/message/subscribe/send"}
TOKEN_PATH = "/cgi-bin/stable_token"  # noqa: S105 - a path

ANSWER_BYTES_MAX = 64_000
EARLY_S = 300
"""A token is not used for the last five minutes of its time, in which WeChat gives out the next one."""

_TOKEN_REFUSED = frozenset({40001, 40014, 42001, 42007})
_NO_SUCH_OPENID = 40003
_NO_CONSENT = 43101
_NEVER = {
    _NO_SUCH_OPENID: "there is no such openid here",
    _NO_CONSENT: "the member allows no message",
    43004: "the member does not follow the account",
    43019: "the account has blocked the member",
    50002: "the member's WeChat account is restricted",
}
"""Codes that are the member's. Any other is passing, or the deployment's, and somebody can mend it."""

_FIELD_MAX = {"thing": 20, "character_string": 32, "phrase": 5, "number": 32}
"""Characters that WeChat lets a field hold, by the beginning of its name."""

_DATES = ("date", "time")
"""How the names of fields begin that hold a day: WeChat reads it in its Chinese form alone."""

_VALUES = frozenset({"title", "text", "points", "available", "day"})


class WrongSetting(ValueError):
    """The setting cannot be read. The message never repeats what it says."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template of the account: its id, and what each of its fields says."""

    id: str
    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class App:
    """An official account or a mini program.

    Attributes:
        template: for every kind of notice that has none of its own in ``kinds``.
        opens: what a message opens: an address (official), a page (mini); empty for nothing.
        state: of the mini program: formal, trial or developer.
    """

    app_id: str
    secret: str = field(repr=False)
    template: Template
    kinds: Mapping[NoticeKind, Template] = field(default_factory=dict)
    opens: str = ""
    state: str = "formal"


@dataclass(frozen=True, slots=True)
class WeChat:
    """The whole setting: ``apps`` by ``official`` and ``mini``."""

    apps: Mapping[str, App]
    base_url: str = BASE_URL


def read(text: str) -> WeChat:
    """The setting from its JSON.

    {"official": {"app_id", "secret", "template_id", "data": {"thing1": "title"}, "url"?, "kinds"?},
     "mini": {… "page"?, "state"?}, "base_url"?}

    Raises:
        WrongSetting: naming the key.
    """
    try:
        given = json.loads(text)
    except ValueError:
        raise WrongSetting("it is not JSON") from None
    if not isinstance(given, dict) or not given.keys() & PATHS.keys() or given.keys() - PATHS.keys() - {"base_url"}:
        raise WrongSetting("it has official, mini or both, and nothing else but base_url")
    base_url = given.get("base_url", BASE_URL)
    if not isinstance(base_url, str) or not base_url.startswith(("https://", "http://")):
        raise WrongSetting("base_url is not an address")
    apps = {kind: _app(kind, given[kind]) for kind in PATHS if kind in given}
    return WeChat(apps, base_url.rstrip("/"))


def _app(kind: str, given: object) -> App:
    opens = "url" if kind == "official" else "page"
    known = {"app_id", "secret", "template_id", "data", "kinds", opens, "state"}
    if not isinstance(given, dict) or given.keys() - known:
        raise WrongSetting(f"{kind} is no object of {', '.join(sorted(known))}")
    own = given.get("kinds", {})
    if not isinstance(own, dict) or own.keys() - set(NoticeKind):
        raise WrongSetting(f"{kind}.kinds is no object by kinds of notices")
    return App(
        app_id=_text(given, "app_id", kind),
        secret=_text(given, "secret", kind),
        template=_template(given, kind),
        kinds={NoticeKind(name): _template(one, f"{kind}.kinds.{name}") for name, one in own.items()},
        opens=_text(given, opens, kind) if opens in given else "",
        state=_text(given, "state", kind) if "state" in given else "formal",
    )


def _template(given: object, where: str) -> Template:
    if not isinstance(given, dict):
        raise WrongSetting(f"{where} is no object")
    data = given.get("data")
    if not isinstance(data, dict) or not data or any(one not in _VALUES for one in data.values()):
        raise WrongSetting(f"{where}.data is no object of fields, each one of {', '.join(sorted(_VALUES))}")
    return Template(_text(given, "template_id", where), data)


def _text(given: Mapping[str, Any], name: str, where: str) -> str:
    found = given.get(name)
    if not isinstance(found, str) or not found:
        raise WrongSetting(f"{where}.{name} is no text")
    return found


class WeChatNotifier:
    """Sends messages over WeChat. One connection pool and one token for each app, in this process."""

    channel = "wechat"

    def __init__(
        self,
        setting: WeChat,
        book: AddressBook,
        monotonic: Callable[[], float] = time.monotonic,
        timeout: urllib3.Timeout | None = None,
    ) -> None:
        self._apps = setting.apps
        self._base_url = setting.base_url
        self._book = book
        self._monotonic = monotonic
        self._http = urllib3.PoolManager(timeout=timeout or urllib3.Timeout(connect=1, read=3), retries=False)
        self._tokens: dict[str, tuple[str, float]] = {}

    def reaches(self, contact: Contact | None) -> bool:
        """See :class:`jifen.service.ports.Notifier`; a mini program needs a consent that is left."""
        if contact is None or not contact.wechat or contact.wechat_kind not in self._apps:
            return False
        return contact.wechat_kind != "mini" or contact.consents > 0

    def send(self, message: Message) -> None:
        """See :class:`jifen.service.ports.Notifier`."""
        contact = message.contact
        if contact is None or not contact.wechat or contact.wechat_kind not in self._apps:
            return
        app = self._apps[contact.wechat_kind]
        asked = _asked(app, contact.wechat_kind, contact.wechat, message)
        counted = contact.wechat_kind == "mini" and not message.trial
        if counted:
            self._take(message.member)
        try:
            self._deliver(app, PATHS[contact.wechat_kind], asked)
        except _Refused as refused:
            if not message.trial:
                with contextlib.suppress(Busy):
                    self._learn(message.member, contact.wechat, refused.code, counted=counted)
            raise Undeliverable(str(refused)) from refused
        except Exception:
            # Whatever went wrong, the message is tried again, and takes a consent again.
            if counted:
                with contextlib.suppress(Busy):
                    self._book.give_consent_back(message.member)
            raise

    def _take(self, member: str) -> None:
        try:
            taken = self._book.take_consent(member)
        except Busy as failure:
            raise NotSent("the member's consent could not be taken now") from failure
        if not taken:
            raise Undeliverable("the member has allowed no further message")

    def _learn(self, member: str, openid: str, code: int, *, counted: bool) -> None:
        if code == _NO_SUCH_OPENID:
            self._book.gone(member, "wechat", openid)
        elif counted and code == _NO_CONSENT:
            self._book.no_consents(member)
        elif counted:
            self._book.give_consent_back(member)

    def _deliver(self, app: App, path: str, asked: Mapping[str, Any]) -> None:
        token = self._token(app)
        code = self._sent(path, token, asked)
        if code in _TOKEN_REFUSED:
            self._tokens.pop(app.app_id, None)
            fresh = self._token(app)
            if fresh == token:
                fresh = self._token(app, anew=True)
            code = self._sent(path, fresh, asked)
        if code in _NEVER:
            raise _Refused(code)
        if code:
            raise NotSent(f"WeChat did not take the message: {code}")

    def _sent(self, path: str, token: str, asked: Mapping[str, Any]) -> int:
        return _code(self._post(path, asked, {"access_token": token}))

    def _token(self, app: App, *, anew: bool = False) -> str:
        known = self._tokens.get(app.app_id)
        if known and not anew and self._monotonic() < known[1]:
            return known[0]
        asked = {
            "grant_type": "client_credential",
            "appid": app.app_id,
            "secret": app.secret,
            "force_refresh": anew,
        }
        answer = self._post(TOKEN_PATH, asked, {})
        token, lives_s = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not token or not isinstance(lives_s, int):
            raise NotSent(f"WeChat gave no access token: {_code(answer)}")
        self._tokens[app.app_id] = token, self._monotonic() + max(0, lives_s - EARLY_S)
        return token

    def _post(self, path: str, asked: Mapping[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
        """WeChat's answer. What went wrong is told without the address: the token stands in it."""
        url = self._base_url + path + ("?" + urlencode(query) if query else "")
        body = json.dumps(asked, ensure_ascii=False).encode()
        try:
            answer = self._http.request("POST", url, body=body, headers={"Content-Type": "application/json"})
            found = json.loads(answer.data[:ANSWER_BYTES_MAX])
        except (urllib3.exceptions.HTTPError, OSError):
            raise NotSent("WeChat did not answer") from None
        except ValueError:
            raise NotSent(f"WeChat answered {answer.status}, without JSON") from None
        if answer.status >= 300 or not isinstance(found, dict):  # noqa: PLR2004 - HTTP's
            raise NotSent(f"WeChat answered {answer.status}")
        return found


class _Refused(Exception):
    """WeChat will never take this message for this member."""

    def __init__(self, code: int) -> None:
        super().__init__(f"WeChat refused the message: {code}, {_NEVER[code]}")
        self.code = code


def _code(answer: Mapping[str, Any]) -> int:
    """The error code of an answer; one without a code is none that we know."""
    found = answer.get("errcode")
    return found if isinstance(found, int) else -1


def _asked(app: App, kind: str, openid: str, message: Message) -> dict[str, Any]:
    language = message.contact.language if message.contact else "zh"
    template = app.kinds.get(message.notices[0].kind, app.template)
    told = (message.notices, message.available, message.today)
    values, day = fields(*told, language), fields(*told, "zh")["day"]
    said = {
        name: day if one == "day" and name.startswith(_DATES) else values[one] for name, one in template.data.items()
    }
    data = {name: {"value": _cut(name, value)} for name, value in said.items()}
    asked: dict[str, Any] = {"touser": openid, "template_id": template.id, "data": data}
    if kind == "official":
        asked["client_msg_id"] = message.id[:32]
        return asked | ({"url": app.opens} if app.opens else {})
    asked |= {"miniprogram_state": app.state, "lang": "zh_CN" if language == "zh" else "en_US"}
    return asked | ({"page": app.opens} if app.opens else {})


def _cut(name: str, value: str) -> str:
    most = _FIELD_MAX.get(name.rstrip("0123456789"))
    return value if most is None or len(value) <= most else value[: most - 1] + "…"
