"""What members are told, and what they do not want: preferences, consents, unsubscribing; previews for operators.

    member    PUT preferences · POST wechat-consents
    anybody   GET and POST /v1/unsubscribe?token=…      pages; a look changes nothing, the button does
    operator  POST notices/preview · POST notices/test-send · GET notices/failed

The page needs no token of the API: whoever has the mail may end the mails. Docs: docs/channels.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr

from jifen import gateway, runtime
from jifen.domain.errors import Busy, LimitReached
from jifen.domain.ids import valid_id
from jifen.domain.member_views import ContactView
from jifen.domain.notices import NoticeKind
from jifen.domain.outreach_views import ConsentsView, FailedNoticesView, PreviewView, TrialView
from jifen.domain.preferences import REFUSAL, ZONE
from jifen.domain.unsubscribe_page import RESUBSCRIBE, Page, page
from jifen.http import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Caller, HttpApi, reply
from jifen.service import contacting, previewing
from jifen.service.life_shelves import failed_notices_of
from jifen.service.previewing import Asked, Previewing
from jifen.service.shelves import Bookmarks

ANYONE = (MEMBER, SHOP, OPERATOR, ADMIN)

UNSUBSCRIBE = "/v1/unsubscribe"

FORM_BYTES_MAX = 4_000
"""Of a form; of a longer one only that it was sent counts."""

PAGE_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}

api = HttpApi("outreach")


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):  # unknown zone, a path, a folder of the zone database
        message = "is not a time zone name such as Asia/Shanghai"
        raise ValueError(message) from None


def _id(text: str) -> str:
    if not valid_id(text):
        message = "is not an id of 1 to 128 characters"
        raise ValueError(message)
    return text


Language = Literal["zh", "en"]
Channel = Literal["webhook", "event", "email", "sms", "push", "wechat"]
Id = Annotated[StrictStr, Field(min_length=1, max_length=128), AfterValidator(_id)]
Zone = Annotated[StrictStr, Field(pattern=ZONE, description="an IANA name"), AfterValidator(_zone)]
Refusal = Annotated[StrictStr, Field(pattern=REFUSAL)]
Kinds = Annotated[list[NoticeKind], Field(max_length=5)]
Facts = Annotated[dict[str, Any], Field(max_length=20)]


class PreferencesRequest(BaseModel):
    """What the member does not want, all of it; language and zone stay where they are left out, null is the program's.

    ``refuses`` has channels, kinds of notices, or ``*`` for everything.
    """

    model_config = ConfigDict(extra="forbid")

    refuses: Annotated[list[Refusal], Field(max_length=20)]
    language: Language | None = None
    time_zone: Zone | None = None


class PreviewRequest(BaseModel):
    """A kind of notice and where it would go; ``also`` are told with it in one message.

    Without ``member_id`` everything is invented; ``facts`` take the place of those of ``kind``.
    """

    model_config = ConfigDict(extra="forbid")

    kind: NoticeKind
    also: Kinds = []
    channel: Channel = "email"
    language: Language | None = None
    member_id: Id | None = None
    facts: Facts | None = None

    def asked(self) -> Asked:
        """What is looked at, each kind once."""
        kinds = tuple(dict.fromkeys((self.kind, *self.also)))
        return Asked(kinds, self.channel, self.language, self.facts, self.member_id)


class TrialRequest(PreviewRequest):
    """As for a preview, and the address it goes to: an e-mail address, a phone, an ARN or an openid."""

    to: Annotated[StrictStr, Field(max_length=400)] | None = None
    wechat_kind: Literal["official", "mini"] = "official"


class FailedQuery(BaseModel):
    """Which month, in UTC; left out, this one."""

    month: Annotated[str | None, Field(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=1_000)] = None


# Members -------------------------------------------------------------------------------------------------------------


@api.put("/v1/members/<member_id>/preferences", "Say what the member does not want to be told", ContactView)
def set_preferences(member_id: str, body: PreferencesRequest) -> Answer:
    """Keep them in place of those before; addresses stay as they are."""
    member, _ = api.member(member_id, *ANYONE)
    here = runtime.current()
    said = body.model_dump(exclude_unset=True)
    return reply(200, contacting.set_preferences(here.ledger, member, said, here.patience(api.lambda_context)))


@api.post(
    "/v1/members/<member_id>/wechat-consents", "Allow one more message in the mini program", ConsentsView, LimitReached
)
def consent(member_id: str) -> Answer:
    """200 with how many messages are allowed now: one for each time the member has said yes."""
    member, caller = api.member(member_id, *ANYONE)
    key, here = api.idempotency_key(), runtime.current()
    patience = here.patience(api.lambda_context)
    return reply(*contacting.add_consent(here.ledger, patience, member, caller.subject, key))


# Operators -----------------------------------------------------------------------------------------------------------


@api.post("/v1/notices/preview", "See what a message would say", PreviewView, keyed=False)
def preview(body: PreviewRequest) -> Answer:
    """Subject, text, page and segments, with the facts they are made of; nothing is written or sent."""
    return reply(200, _previewing(api.caller(OPERATOR, ADMIN)).preview(body.asked()))


@api.post("/v1/notices/test-send", "Send a message to an address of one's own", TrialView)
def try_out(body: TrialRequest) -> Answer:
    """200 with what the provider said; a line of the audit tells who sent it."""
    desk = _previewing(api.caller(OPERATOR, ADMIN), api.idempotency_key())
    return reply(*desk.try_out(runtime.current().notifiers, body.asked(), body.to, body.wechat_kind))


@api.get("/v1/notices/failed", "Messages that did not go out, newest first", FailedNoticesView)
def failed(query: FailedQuery) -> Answer:
    """Each with its member, its channel and why."""
    api.caller(OPERATOR, ADMIN)
    here = runtime.current()
    month = query.month or f"{here.clock():%Y-%m}"
    marks = Bookmarks(here.settings.signing_secret.encode(), failed_notices_of(month))
    found = previewing.failed_view(here.ledger, month, marks.read(query.cursor), query.limit)
    return reply(200, found | {"cursor": marks.write(found["cursor"])})


def _previewing(caller: Caller, key: str = "") -> Previewing:
    here = runtime.current()
    program, moment = here.program, here.moment()
    patience = here.patience(api.lambda_context)
    return Previewing(here.ledger, program, moment, patience, caller.subject, caller.actor, key)


# The page ------------------------------------------------------------------------------------------------------------


def _page(event: Mapping[str, Any], context: object) -> Answer:
    """The page behind an unsubscribe link."""
    here = runtime.current()
    query = event.get("queryStringParameters") or {}
    named = here.links.read(str(query.get("token") or ""))
    spoken = _language(event)
    if named is None:
        return _html(404, page(Page.WRONG, spoken))
    member, channel = named
    asked = (event.get("requestContext") or {}).get("http") or {}
    posted = asked.get("method") == "POST"
    action = _action(event) if posted else ""
    try:
        if not posted:
            contact = contacting.contact_of(here.ledger, member)
        elif action == RESUBSCRIBE:
            contact = contacting.subscribe(here.ledger, member, channel, here.patience(context))
        else:
            contact = contacting.unsubscribe(here.ledger, member, channel, here.patience(context))
    except Busy as busy:
        return _html(503, page(Page.BUSY, spoken, channel, action), {"Retry-After": str(busy.retry_after_s)})
    language = contact.language if contact.version else spoken
    if not posted:
        return _html(200, page(Page.ASKED, language, channel))
    if action == RESUBSCRIBE:
        return _html(200, page(Page.BACK, language, channel))
    return _html(200, page(Page.DONE, language, channel, RESUBSCRIBE))


def _action(event: Mapping[str, Any]) -> str:
    """What a form asks for; whatever is not ours (a mail program's own form) asks to unsubscribe."""
    raw = gateway.raw_body(event) or b""
    if len(raw) > FORM_BYTES_MAX:
        return ""
    found = parse_qs(raw.decode("utf-8", "replace")).get("action", [""])
    return RESUBSCRIBE if found == [RESUBSCRIBE] else ""


def _language(event: Mapping[str, Any]) -> str:
    """Chinese for a browser that names it first, else English."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    return "zh" if str(headers.get("accept-language", "")).strip().lower().startswith("zh") else "en"


def _html(status: int, text: str, more: Mapping[str, str] | None = None) -> Answer:
    headers = PAGE_HEADERS | dict(more or {})
    return {"statusCode": status, "headers": headers, "body": text, "isBase64Encoded": False}


def handler(event: Mapping[str, Any], context: object) -> Answer:
    """Answer one API Gateway event."""
    if str(event.get("rawPath") or "").endswith(UNSUBSCRIBE):
        return gateway.respond(event, lambda: _page(event, context))
    return api.resolve(event, context)


runtime.prepare("ledger")
