"""A mail about one notice or several: subject, text, and an HTML page that reads well on a phone and on a desk.

    preheader   what a list of mails shows beside the subject
    greeting
    a card for each notice: headline and line
    what can be spent now
    why this came, and the link that ends it

The page is tables with inline styles, as mail programs want it. Colors are set for light and dark; where a program
leaves the style sheet out, the inline ones stay readable whatever it does to them. Everything is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from jifen.domain.notices import Notice
from jifen.domain.wording import Around, around, plain, said, subject

_FONT = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,'PingFang SC','Microsoft YaHei',Arial,sans-serif"

_STYLE = """
:root{color-scheme:light dark;supported-color-schemes:light dark}
@media (prefers-color-scheme:dark){
.page{background-color:#16181d!important}.card{background-color:#23262d!important;border-color:#3a3f49!important}
.ink{color:#f1f3f5!important}.soft{color:#b3bac5!important}
}
@media (max-width:480px){.pad{padding:20px!important}.edge{padding:12px 8px!important}}
"""

_DATE = re.compile(r"\b(\d{1,2}) ([A-Z][a-z]{2,8}) (\d{4})\b")
"""A date in English; a line does not break within it."""

_FILL = "&#847;&zwnj;&nbsp;" * 40
"""Fills the rest of the line in a list of mails, so that nothing of the page follows the preheader there."""


IMPRINT_MAX = 128
"""Characters of what a mail says of its sender."""


@dataclass(frozen=True, slots=True)
class _Foot:
    """What stands below: lines, and the link that ends such mails, empty for none."""

    lines: tuple[str, ...]
    link: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail, ready to be sent."""

    subject: str
    text: str
    html: str


def letter(
    notices: Sequence[Notice], available: int, language: str, unsubscribe: str = "", imprint: str = ""
) -> Letter:
    """The mail about ``notices``, the most urgent first.

    Args:
        notices: at least one.
        available: points that can be spent now.
        language: ``zh`` or ``en``.
        unsubscribe: an http or https link; empty leaves it out.
        imprint: who sends it, and from where; empty leaves it out.
    """
    frame = around(language, available)
    title = plain(subject(notices, language), 200)
    link = unsubscribe if urlsplit(unsubscribe).scheme in {"http", "https"} else ""
    foot = _Foot(tuple(filter(None, (frame.because, plain(imprint, IMPRINT_MAX)))), link)
    return Letter(title, _text(notices, frame, language, foot), _html(notices, frame, language, title, foot))


def _text(notices: Sequence[Notice], frame: Around, language: str, foot: _Foot) -> str:
    told = [said(one, language) for one in notices]
    body = [told[0].line] if len(told) == 1 else [f"* {one.headline}\n  {one.line}" for one in told]
    end = [f"{frame.unsubscribe}{'：' if language == 'zh' else ':'}\n{foot.link}"] if foot.link else []
    below = "\n".join(("-- ", *foot.lines, *end))
    return "\n\n".join((frame.greeting, *body, frame.available, below)) + "\n"


def _html(notices: Sequence[Notice], frame: Around, language: str, title: str, foot: _Foot) -> str:
    cards = "".join(_card(*_escaped(one, language)) for one in notices)
    told = said(notices[0], language)
    return (
        f'<!doctype html><html lang="{frame.html_lang}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
        '<meta name="format-detection" content="telephone=no,date=no,address=no,email=no">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        '<body class="page" style="margin:0;padding:0;background-color:#f3f4f6;-webkit-text-size-adjust:100%">'
        f'<div style="display:none;max-height:0;overflow:hidden;mso-hide:all">{escape(told.line)}{_FILL}</div>'
        '<table class="page" role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"'
        ' style="background-color:#f3f4f6"><tr><td class="edge" align="center" style="padding:32px 16px">'
        '<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"'
        f' style="max-width:560px;font-family:{_FONT}"><tr><td class="ink" style="padding:0 4px 16px;font-size:16px;'
        f'line-height:1.6;color:#1f2430;text-align:left">{escape(frame.greeting)}</td></tr>'
        f"{cards}{_balance(frame)}{_foot(frame, foot)}</table></td></tr></table></body></html>"
    )


def _escaped(notice: Notice, language: str) -> tuple[str, str]:
    told = said(notice, language)
    return _DATE.sub("\\1&nbsp;\\2&nbsp;\\3", escape(told.headline)), _DATE.sub(
        "\\1&nbsp;\\2&nbsp;\\3", escape(told.line)
    )


def _card(headline: str, line: str) -> str:
    return (
        '<tr><td style="padding:0 0 12px"><table role="presentation" width="100%" cellpadding="0" cellspacing="0"'
        ' border="0"><tr><td class="card pad" style="background-color:#ffffff;border:1px solid #e3e6ea;'
        'border-radius:10px;padding:24px 28px;text-align:left">'
        '<div class="ink" style="font-size:19px;line-height:1.4;font-weight:600;color:#1f2430;'
        f'overflow-wrap:anywhere">{headline}</div>'
        '<div class="soft" style="font-size:16px;line-height:1.65;color:#4a5263;padding-top:8px;'
        f'overflow-wrap:anywhere">{line}</div></td></tr></table></td></tr>'
    )


def _balance(frame: Around) -> str:
    return (
        '<tr><td class="ink" style="padding:8px 4px 24px;font-size:16px;line-height:1.6;font-weight:600;color:#1f2430;'
        f'text-align:left">{escape(frame.available)}</td></tr>'
    )


def _foot(frame: Around, foot: _Foot) -> str:
    end = (
        f'<br><a class="soft" href="{escape(foot.link)}" style="color:#5d6677;text-decoration:underline">'
        f"{escape(frame.unsubscribe)}</a>"
        if foot.link
        else ""
    )
    return (
        '<tr><td class="soft" style="padding:0 4px;font-size:13px;line-height:1.7;color:#5d6677;text-align:left">'
        f"{'<br>'.join(map(escape, foot.lines))}{end}</td></tr>"
    )
