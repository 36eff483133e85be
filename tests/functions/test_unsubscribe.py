"""The link that ends mails: a look changes nothing, a button and one click do, and nobody makes up a link."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from jifen.domain.errors import Busy
from jifen.runtime import use
from jifen.service.contacting import Links, contact_of
from local.replay import _http_event
from tests.functions.stage import Context, Stage

M = "会员 m-1"
BASE = "https://points.example.com"
ONE_CLICK = "List-Unsubscribe=One-Click"


@pytest.fixture(scope="module")
def stage_(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop with a public address."""
    here = Stage("unsubscribe", public_url=BASE)
    with use(here.runtime):
        yield here


@pytest.fixture
def here(stage_: Stage) -> Stage:
    """A member with an address."""
    stage_.clear()
    contact = {"email": "a@example.com", "language": "zh"}
    assert 200 == stage_.ask("PUT", "/v1/members/%E4%BC%9A%E5%91%98%20m-1/contact", contact).status
    return stage_


@dataclass(frozen=True, slots=True)
class Shown:
    """A page; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    html: str


def visit(
    here: Stage,
    token: str | None,
    method: str = "GET",
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    as_base64: bool = False,
) -> Shown:
    """Follow a link, or press its button."""
    raw = base64.b64encode(body.encode()).decode() if body is not None and as_base64 else body
    sent = {"content-type": "application/x-www-form-urlencoded", **(headers or {})}
    event = _http_event(method, "/v1/unsubscribe", sent, raw)
    event |= {"queryStringParameters": None if token is None else {"token": token}, "isBase64Encoded": as_base64}
    answer = here.call("outreach", event)
    assert answer["headers"]["X-Request-Id"]
    return Shown(answer["statusCode"], {name.lower(): one for name, one in answer["headers"].items()}, answer["body"])


def token_of(here: Stage, member: str = M, channel: str = "email") -> str:
    """The token of the link that a mail would have."""
    link = here.runtime.links.link(member, channel)
    assert link.startswith(f"{BASE}/v1/unsubscribe?token=")
    return link.partition("token=")[2]


def refuses(here: Stage, member: str = M) -> tuple[str, ...]:
    """What the member refuses."""
    return contact_of(here.runtime.ledger, member).refuses


def test_a_look_asks_and_changes_nothing(here: Stage) -> None:
    """Scanners of mail follow every link, again and again."""
    before = here.table()

    for _ in range(3):
        shown = visit(here, token_of(here))
        assert (200, "text/html; charset=utf-8", "no-store") == (
            shown.status,
            shown.headers["content-type"],
            shown.headers["cache-control"],
        )
    assert "确认退订？" in shown.html
    assert '<form method="post">' in shown.html
    assert before == here.table()


def test_the_page_loads_nothing_and_leads_nowhere(here: Stage) -> None:
    """No script, no picture, no other site; the token goes to nobody."""
    shown = visit(here, token_of(here))

    assert not re.search(r"<(script|img|link|a|iframe)\b", shown.html)
    assert token_of(here) not in shown.html
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    assert ("no-referrer", "noindex") == (shown.headers["referrer-policy"], shown.headers["x-robots-tag"])


@pytest.mark.parametrize(
    ("body", "kind", "as_base64"),
    [
        (None, "application/x-www-form-urlencoded", False),
        ("", "application/x-www-form-urlencoded", False),
        (ONE_CLICK, "application/x-www-form-urlencoded", False),
        (ONE_CLICK, "application/x-www-form-urlencoded", True),
        (
            '--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--',
            "multipart/form-data; boundary=b",
            True,
        ),
        ("action=", "text/plain", False),
        ("action=resubscribe&action=resubscribe", "application/x-www-form-urlencoded", False),
        ("action=resubscribe&x=" + "y" * 5_000, "application/x-www-form-urlencoded", False),
        ('{"List-Unsubscribe": "One-Click"}', "application/json", False),
        ("\x00\x01", "application/octet-stream", True),
    ],
)
def test_a_click_takes_effect_whatever_its_form(here: Stage, body: str | None, kind: str, as_base64: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """RFC 8058 and browsers, forms and none: who posts wants to unsubscribe."""
    shown = visit(here, token_of(here), "POST", body, {"content-type": kind}, as_base64=as_base64)

    assert 200 == shown.status
    assert "已退订" in shown.html
    assert ("email",) == refuses(here)


def test_the_same_click_again_changes_nothing(here: Stage) -> None:
    """A mail program sends it twice, or the member presses twice."""
    first = visit(here, token_of(here), "POST", ONE_CLICK)
    before = here.table()
    second = visit(here, token_of(here), "POST", ONE_CLICK)

    assert first.html == second.html
    assert before == here.table()


def test_it_is_undone_on_the_page_that_says_it_is_done(here: Stage) -> None:
    """And done again."""
    token = token_of(here)
    done = visit(here, token, "POST", ONE_CLICK)
    assert '<input type="hidden" name="action" value="resubscribe">' in done.html

    back = visit(here, token, "POST", "action=resubscribe")

    assert "已重新订阅" in back.html
    assert () == refuses(here)
    visit(here, token, "POST", "")
    assert ("email",) == refuses(here)


def test_only_the_channel_of_the_link_is_ended(here: Stage) -> None:
    """Everything else that is refused stays, and so does every address."""
    path = "/v1/members/%E4%BC%9A%E5%91%98%20m-1"
    here.ask("PUT", f"{path}/preferences", {"refuses": ["tier.at_risk", "sms"]})

    visit(here, token_of(here), "POST", ONE_CLICK)
    assert ("email", "sms", "tier.at_risk") == refuses(here)
    visit(here, token_of(here), "POST", "action=resubscribe")

    assert ("sms", "tier.at_risk") == refuses(here)
    assert "a@example.com" == here.get(f"{path}/contact")["email"]


def test_who_refuses_everything_gets_back_the_channel_of_the_link_alone(here: Stage) -> None:
    """A click on it before changes nothing, for there is nothing more to refuse."""
    here.ask("PUT", "/v1/members/%E4%BC%9A%E5%91%98%20m-1/preferences", {"refuses": ["*"]})
    before = here.table()
    visit(here, token_of(here), "POST", ONE_CLICK)
    assert before == here.table()

    visit(here, token_of(here), "POST", "action=resubscribe")

    assert ("webhook", "event", "sms", "push", "wechat") == refuses(here)


def test_a_member_without_a_contact_can_unsubscribe(here: Stage) -> None:
    """The shop may have taken the address away since; what is refused is remembered."""
    shown = visit(here, token_of(here, "m-new"), "POST", ONE_CLICK, {"accept-language": "zh-CN,zh;q=0.9"})

    assert "已退订" in shown.html
    assert ("email",) == refuses(here, "m-new")


def test_the_page_is_in_the_member_s_language(here: Stage) -> None:
    """Of a member that nobody knows, in the browser's."""
    english = {"accept-language": "en-GB"}

    assert "确认退订？" in visit(here, token_of(here), headers=english).html
    assert "Unsubscribe?" in visit(here, token_of(here, "m-new"), headers=english).html
    assert "确认退订？" in visit(here, token_of(here, "m-new"), headers={"Accept-Language": "ZH"}).html


# Links that are none -------------------------------------------------------------------------------------------------


def forged(here: Stage) -> dict[str, str | None]:
    """Tokens that are not ours, by what is wrong with them."""
    token, other = token_of(here), Links(b"another secret", BASE).token(M, "email")
    flipped = ("B" if token[0] == "A" else "A") + token[1:]
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    moved = base64.urlsafe_b64encode(raw[:16] + b"email\x00somebody").rstrip(b"=").decode()
    channel = base64.urlsafe_b64encode(raw[:16] + f"sms\x00{M}".encode()).rstrip(b"=").decode()
    cursor = Links(here.runtime.settings.signing_secret.encode(), BASE)
    return {
        "none": None,
        "empty": "",
        "nonsense": "nonsense",
        "not base64": "%%%",
        "cut": token[:-4],
        "longer": token + "AAAA",
        "flipped": flipped,
        "another secret": other,
        "another member": moved,
        "another channel": channel,
        "no such channel": cursor.token(M, "fax"),
        "no such member": cursor.token("", "email"),
        "twice": f"{token},{token}",
        "very long": "A" * 100_000,
        "not ASCII": "é" * 40,
        "a null": "\x00",
    }


def test_links_that_are_not_ours_are_all_answered_alike(here: Stage) -> None:
    """One page, whatever is wrong, looked at or clicked; nothing is changed, and nothing learned."""
    before = here.table()
    pages = {
        (shown.status, shown.html, tuple(sorted((name, one) for name, one in shown.headers.items())))
        for token in forged(here).values()
        for method in ("GET", "POST")
        for shown in [visit(here, token, method, ONE_CLICK if method == "POST" else None)]
    }

    ((status, html, _),) = pages
    assert 404 == status
    assert "This link is not valid" in html
    assert before == here.table()


def test_a_link_that_is_not_ours_reads_nothing(here: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is judged by itself, in the same time for a member that exists and for one that does not."""

    def read(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(type(here.runtime.ledger), "load", read)

    for token in forged(here).values():
        assert 404 == visit(here, token).status


def test_without_an_address_or_a_secret_there_are_no_links() -> None:
    """And no token is good."""
    assert "" == Links(b"secret", "").link(M, "email")
    assert "" == Links(b"", BASE).link(M, "email")
    assert Links(b"", BASE).read(Links(b"", BASE).token(M, "email")) is None


def test_links_are_short_enough_for_a_mail_s_header() -> None:
    """The longest id that there is, of characters of four bytes."""
    link = Links(b"secret", "https://abcdefghij.execute-api.ap-southeast-2.amazonaws.com").link("👍" * 128, "webhook")

    assert len(link) < 900
    assert ("👍" * 128, "webhook") == Links(b"secret", BASE).read(link.partition("token=")[2])


# Trouble -------------------------------------------------------------------------------------------------------------


def test_a_ledger_that_is_busy_is_a_page_with_the_same_button(here: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, and pressing again is safe; it asks for what was asked for."""

    def busy(*_: Any) -> None:
        raise Busy

    token = token_of(here)
    monkeypatch.setattr(type(here.runtime.ledger), "commit", busy)
    ended, back = visit(here, token, "POST", ONE_CLICK), None
    monkeypatch.undo()
    visit(here, token, "POST", ONE_CLICK)
    monkeypatch.setattr(type(here.runtime.ledger), "commit", busy)
    back = visit(here, token, "POST", "action=resubscribe")

    assert (503, "1", 503) == (ended.status, ended.headers["retry-after"], back.status)
    assert "Please try again" in ended.html
    assert "resubscribe" not in ended.html
    assert 'value="resubscribe"' in back.html


def test_two_clicks_at_once_are_one(here: Stage) -> None:
    """Neither is refused, and the refusal stands once."""
    token, barrier, pages = token_of(here), threading.Barrier(2), list[Shown]()

    def click() -> None:
        barrier.wait(timeout=10)
        pages.append(visit(here, token, "POST", ONE_CLICK))

    threads = [threading.Thread(target=click) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [200, 200] == [one.status for one in pages]
    assert ("email",) == refuses(here)


def test_another_stage_and_another_method(here: Stage) -> None:
    """A stage stands before the path; anything that is no post only looks."""
    event = _http_event("GET", "/prod/v1/unsubscribe", {}, None) | {"queryStringParameters": {"token": token_of(here)}}
    event["requestContext"]["stage"] = "prod"

    assert 200 == here.call("outreach", event, Context())["statusCode"]
    for method in ("HEAD", "PUT", "DELETE"):
        visit(here, token_of(here), method, ONE_CLICK)
    assert () == refuses(here)
