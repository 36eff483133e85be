"""The page behind an unsubscribe link: a question, what has come of it, and the way back.

    ASKED ──button──> DONE ──button──> BACK

Looking at a page changes nothing, whoever looks: scanners of mail follow every link in it.
"""

from __future__ import annotations

from enum import StrEnum
from html import escape

RESUBSCRIBE = "resubscribe"
"""The form's ``action`` that takes an unsubscription back."""


class Page(StrEnum):
    """Which page is shown."""

    ASKED = "asked"
    DONE = "done"
    BACK = "back"
    WRONG = "wrong"
    BUSY = "busy"


_CHANNELS = {
    "zh": {
        "email": "邮件",
        "sms": "短信",
        "push": "推送通知",
        "wechat": "微信消息",
        "webhook": "消息",
        "event": "消息",
    },
    "en": {
        "email": "e-mails",
        "sms": "text messages",
        "push": "push messages",
        "wechat": "WeChat messages",
        "webhook": "messages",
        "event": "messages",
    },
}

_WORDS = {
    "zh": {
        Page.ASKED: ("确认退订？", "退订后，您将不再收到有关积分的{what}。", "退订"),
        Page.DONE: ("已退订", "您将不再收到有关积分的{what}。您的积分不受影响。", "重新订阅"),
        Page.BACK: ("已重新订阅", "您将继续收到有关积分的{what}。", ""),
        Page.WRONG: ("链接无效", "此链接不完整或已失效，没有任何更改。请使用最近一封邮件中的链接。", ""),
        Page.BUSY: ("请稍后再试", "暂时无法处理您的请求，没有任何更改。", "再试一次"),
    },
    "en": {
        Page.ASKED: ("Unsubscribe?", "You will get no more {what} about your points.", "Unsubscribe"),
        Page.DONE: (
            "You are unsubscribed",
            "You will get no more {what} about your points. Your points stay as they are.",
            "Subscribe again",
        ),
        Page.BACK: ("You are subscribed again", "You will get {what} about your points as before.", ""),
        Page.WRONG: (
            "This link is not valid",
            "It is incomplete or no longer in use. Take the link of the latest e-mail. Nothing was changed.",
            "",
        ),
        Page.BUSY: ("Please try again", "We could not do this just now. Nothing was changed.", "Try again"),
    },
}

_STYLE = (
    ":root{color-scheme:light dark}body{margin:0;background:#f3f4f6;color:#1f2430;font:17px/1.6 -apple-system,"
    "BlinkMacSystemFont,'Segoe UI',Roboto,'PingFang SC','Microsoft YaHei',Arial,sans-serif}"
    "main{max-width:30em;margin:12vh auto 0;padding:2em 1.5em}h1{font-size:1.5em;line-height:1.3;margin:0 0 .6em}"
    "button{font:inherit;padding:.7em 1.6em;margin-top:1em;border:0;border-radius:8px;background:#1f5fd0;color:#fff;"
    "cursor:pointer}"
    "@media(prefers-color-scheme:dark){body{background:#16181d;color:#f1f3f5}}"
)


def page(which: Page, language: str, channel: str = "email", action: str = "") -> str:
    """A page in Chinese or English; a button posts to the address that the page was shown at, with ``action``."""
    spoken = language if language in _WORDS else "en"
    title, text, label = _WORDS[spoken][which]
    text = text.format(what=_CHANNELS[spoken].get(channel, _CHANNELS[spoken]["webhook"]))
    hidden = f'<input type="hidden" name="action" value="{escape(action)}">' if action else ""
    form = f'<form method="post">{hidden}<button type="submit">{escape(label)}</button></form>' if label else ""
    return (
        f'<!doctype html><html lang="{"zh-CN" if spoken == "zh" else "en"}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1><p>{escape(text)}</p>{form}</main></body></html>"
    )
