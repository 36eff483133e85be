"""What notices say, in Chinese and English: a headline, a paragraph and a short form for each kind.

    Notice ──said──> Said(headline, line, short)
    notices ──subject, text_message, push, fields──> a mail's subject, an SMS, a push message, values of a template

A page of mail is made of these in :mod:`jifen.domain.mail`. Nothing here is escaped: texts are plain, in one line, and
without control characters; a name that the shop chose (a level, a reward) is cut where it would fill a small screen.
The short form of English is of the alphabet that networks send at a byte a character (see :mod:`jifen.domain.sms`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from jifen.domain import sms
from jifen.domain.money import minor_per_unit
from jifen.domain.notices import Notice, NoticeKind

LANGUAGES = ("zh", "en")

NAME_MAX = 60
"""Characters of a name in a headline or a paragraph."""

NAME_SHORT_MAX = 16
"""Characters of a name in a short form."""

PUSH_BODY_MAX = 178
"""Characters of a push message that a locked screen shows."""

_NOT_PRINTED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_SIGNS = {"CNY": "¥", "EUR": "€", "GBP": "£", "USD": "$"}
_UNITS = {"CNY": "元", "EUR": "欧元", "GBP": "英镑", "USD": "美元", "JPY": "日元", "HKD": "港元"}

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """One notice in words.

    Attributes:
        headline: a title without a full stop; the subject of a mail about this alone.
        line: what there is to know, in one or two sentences.
        short: the same in one sentence for a small screen.
    """

    headline: str
    line: str
    short: str


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around the notices of a message."""

    html_lang: str
    greeting: str
    available: str
    because: str
    unsubscribe: str
    more: str


def said(notice: Notice, language: str) -> Said:
    """A notice in words; a language that there is no wording for is told in English."""
    return _SAID[language if language in LANGUAGES else "en"][notice.kind](notice.facts)


def around(language: str, available: int) -> Around:
    """Greeting, balance and the lines at the foot; ``more`` is formatted with the number of further notices."""
    if language == "zh":
        return Around(
            html_lang="zh-CN",
            greeting="您好：",
            available=f"您当前可用{_number(available)}积分。",
            because="您收到这封邮件，是因为您是我们的积分会员。",
            unsubscribe="退订此类邮件",
            more="另有{}条提醒",
        )
    spend = f"You can spend {_points(available)} now." if available else "You have no points to spend now."
    return Around(
        html_lang="en",
        greeting="Hello,",
        available=spend,
        because="You receive this e-mail because you collect points with us.",
        unsubscribe="Unsubscribe from these e-mails",
        more="and {} more",
    )


def subject(notices: Sequence[Notice], language: str) -> str:
    """One subject for all notices: the first one's headline, and how many there are besides."""
    first, more = said(notices[0], language).headline, len(notices) - 1
    if not more:
        return first
    rest = around(language, 0).more.format(more)
    return f"{first}（{rest}）" if language == "zh" else f"{first}, {rest}"


def text_message(notices: Sequence[Notice], available: int, language: str) -> str:
    """As many notices as two segments hold, how many are left out, and the balance.

    Names out of the alphabet leave room for half as much: then what is left out goes unsaid, and after it the balance.
    """
    shorts = [said(one, language).short for one in notices]
    frame = around(language, available)
    tries = [
        *((shorts[:count], len(shorts) - count, frame.available) for count in range(len(shorts), 0, -1)),
        (shorts[:1], 0, frame.available),
    ]
    for kept, left_out, balance in tries:
        rest = [_sentence(frame.more.format(left_out), language)] if left_out else []
        text = ("" if language == "zh" else " ").join((*kept, *rest, balance))
        if sms.fits(text):
            return text
    return shorts[0]


def push(notices: Sequence[Notice], language: str) -> tuple[str, str]:
    """Title and body of a push message."""
    frame = around(language, 0)
    rest = [said(one, language).headline for one in notices[1:]]
    first = said(notices[0], language)
    kept = [first.line]
    for one in rest:
        stop = "。" if language == "zh" else "."
        if sum(map(len, kept)) + len(one) + len(kept) + 20 > PUSH_BODY_MAX:
            break
        kept.append(one + stop)
    left_out = len(rest) - len(kept) + 1
    if left_out:
        kept.append(_sentence(frame.more.format(left_out), language))
    return first.headline, ("" if language == "zh" else " ").join(kept)


def fields(notices: Sequence[Notice], available: int, today: date, language: str) -> dict[str, str]:
    """Values for the fields of a provider's own template: title, text, points, available, day."""
    first = notices[0]
    told = said(first, language)
    names = ("lot_expires_on", "voids_on", "until", "since")
    day = next((found for name in names if (found := _day_of(first.facts.get(name)))), today)
    points = first.facts.get("points", available)
    return {
        "title": told.headline,
        "text": told.short,
        "points": str(points),
        "available": str(available),
        "day": _day(day, language),
    }


def plain(text: object, most: int = NAME_MAX) -> str:
    """A text in one line, without characters that print nothing or turn others round; cut with an ellipsis.

    The ellipsis of a short name is three full stops, which every network has.
    """
    end = "…" if most > NAME_SHORT_MAX else "..."
    printed = "".join(" " if unicodedata.category(one) in _NOT_PRINTED else one for one in str(text))
    one_line = " ".join(printed.split())
    return one_line if len(one_line) <= most else one_line[: most - len(end)].rstrip() + end


def money(amount_minor: int, currency: str, language: str) -> str:
    """An amount as it is written: ``¥52.10``, ``52.10元``, ``JPY 520``."""
    unit = minor_per_unit(currency)
    whole, part = divmod(amount_minor, unit)
    decimals = f".{part:0{len(str(unit)) - 1}}" if unit > 1 else ""
    number = f"{whole:,}{decimals}"
    if language == "zh" and currency in _UNITS:
        return f"{number}{_UNITS[currency]}"
    return f"{_SIGNS[currency]}{number}" if currency in _SIGNS else f"{currency} {number}"


# English -------------------------------------------------------------------------------------------------------------


def _expiring_en(facts: Facts) -> Said:
    points, day, left = facts["points"], _day_in(facts, "lot_expires_on"), facts["days_left"]
    count, after = _points(points), _one(points, "After that it expires.", "After that they expire.")
    if left <= 0:
        headline = f"Last day for {count}"
        short = f"{count} {_one(points, 'expires', 'expire')} at the end of today."
        return Said(headline, f"{count} can be used through today, {_day(day, 'en')}. {after}", short)
    through = f"tomorrow, {_day(day, 'en')}" if left == 1 else f"{_day(day, 'en')}: {left} more days"
    verb = _one(points, "expires", "expire")
    return Said(
        f"{count} {verb} after {_day(day, 'en')}",
        f"{count} can be used through {through}. {after}",
        f"{count} {verb} after {_short_day(day)}.",
    )


def _balance_en(facts: Facts) -> Said:
    count = _number(facts["available"])
    unused = f"{count} unused {_one(facts['available'], 'point', 'points')}"
    worth = _worth(facts, "en")
    verb = _one(facts["available"], "It is", "They are")
    paid = f"{verb} worth {worth} at the checkout." if worth else f"{verb} ready to be spent."
    return Said(
        f"You have {_points(facts['available'])} to spend",
        f"You have gathered {unused}. {paid}",
        f"You have {unused}, worth {worth}." if worth else f"You have {unused}.",
    )


def _dormant_en(facts: Facts) -> Said:
    points, since, day = facts["points"], _day_in(facts, "since"), _day_in(facts, "voids_on")
    return Said(
        f"{_points(points)} will be voided on {_day(day, 'en')} unless you come back",
        f"You have not been here since {_day(since, 'en')}. Unless you come back before {_day(day, 'en')}, "
        f"{_number(points)} of your points will be voided on that day.",
        f"{_points(points)} will be voided on {_short_day(day)} unless you come back before.",
    )


def _reached_en(facts: Facts) -> Said:
    return Said(
        f"You have reached {_tier(facts)}",
        f"Your level has been {_tier(facts)} since {_day(_day_in(facts, 'since'), 'en')}. Thank you for your loyalty.",
        f"You have reached the level {_tier(facts, NAME_SHORT_MAX)}.",
    )


def _at_risk_en(facts: Facts) -> Said:
    day = _day_in(facts, "until")
    keeps, short_keeps = _keeps_en(facts)
    falls = plain(facts.get("falls_to_title") or facts.get("falls_to") or "")
    after = f" After that your level will be {falls}." if falls else ""
    return Said(
        f"Your level {_tier(facts)} ends after {_day(day, 'en')}",
        f"Your level {_tier(facts)} lasts through {_day(day, 'en')}.{keeps}{after}",
        f"Your level {_tier(facts, NAME_SHORT_MAX)} ends after {_short_day(day)}{short_keeps}.",
    )


def _keeps_en(facts: Facts) -> tuple[str, str]:
    missing = facts.get("missing")
    if isinstance(missing, Mapping):
        amount = money(missing["amount_minor"], missing["currency"], "en")
        return f" Spend {amount} more by then to keep it.", f"; {amount} more keeps it"
    if not missing or facts.get("by") == "spend":
        return "", ""
    return f" Earn {_more(missing)} by then to keep it.", f"; {_more(missing)} {_one(missing, 'keeps', 'keep')} it"


def _affordable_en(facts: Facts) -> Said:
    points = facts["points"]
    return Said(
        f"You have enough points for {_reward(facts)}",
        f"“{_reward(facts)}” costs {_points(points)}, and you have enough: it can be yours now.",
        f'You have enough points for "{_reward(facts, NAME_SHORT_MAX)}" ({_points(points)}).',
    )


# Chinese -------------------------------------------------------------------------------------------------------------


def _expiring_zh(facts: Facts) -> Said:
    points, left = _number(facts["points"]), facts["days_left"]
    day = _day(_day_in(facts, "lot_expires_on"), "zh")
    if left <= 0:
        line = f"您有{points}积分今天（{day}）是最后一天可用，逾期将失效。"
        return Said(f"您有{points}积分今天到期", line, f"您有{points}积分今天到期，请尽快使用。")
    ahead = "明天到期" if left == 1 else f"还剩{left}天"
    return Said(
        f"您有{points}积分将于{day}到期",
        f"您有{points}积分可使用至{day}（{ahead}），逾期将失效。",
        f"您有{points}积分将于{day}到期，请及时使用。",
    )


def _balance_zh(facts: Facts) -> Said:
    points, worth = _number(facts["available"]), _worth(facts, "zh")
    return Said(
        f"您有{points}积分可以使用",
        f"您已积攒{points}积分尚未使用，" + (f"结算时可抵{worth}。" if worth else "随时可以使用。"),
        f"您有{points}积分尚未使用" + (f"，可抵{worth}。" if worth else "。"),
    )


def _dormant_zh(facts: Facts) -> Said:
    points = _number(facts["points"])
    since, day = _day(_day_in(facts, "since"), "zh"), _day(_day_in(facts, "voids_on"), "zh")
    return Said(
        f"您有{points}积分将于{day}失效",
        f"自{since}以来，您一直没有光临。如在{day}之前仍未回来，您将有{points}积分于当日失效。",
        f"如在{day}之前没有回来，您将有{points}积分失效。",
    )


def _reached_zh(facts: Facts) -> Said:
    since = _day(_day_in(facts, "since"), "zh")
    return Said(
        f"恭喜您升级为“{_tier(facts)}”",
        f"自{since}起，您的会员等级为“{_tier(facts)}”，感谢您一直以来的支持。",
        f"恭喜您升级为“{_tier(facts, NAME_SHORT_MAX)}”。",
    )


def _at_risk_zh(facts: Facts) -> Said:
    day = _day(_day_in(facts, "until"), "zh")
    keeps = _keeps_zh(facts)
    falls = plain(facts.get("falls_to_title") or facts.get("falls_to") or "")
    after = f"此后等级将变为“{falls}”。" if falls else ""
    return Said(
        f"您的“{_tier(facts)}”等级将于{day}到期",
        f"您的“{_tier(facts)}”等级有效期至{day}。" + (f"在此之前{keeps}。" if keeps else "") + after,
        f"您的“{_tier(facts, NAME_SHORT_MAX)}”等级将于{day}到期" + (f"，{keeps}。" if keeps else "。"),
    )


def _keeps_zh(facts: Facts) -> str:
    missing = facts.get("missing")
    if isinstance(missing, Mapping):
        return f"再消费{money(missing['amount_minor'], missing['currency'], 'zh')}即可保级"
    return "" if not missing or facts.get("by") == "spend" else f"再获得{_number(missing)}积分即可保级"


def _affordable_zh(facts: Facts) -> Said:
    points = _number(facts["points"])
    return Said(
        f"您可以兑换“{_reward(facts)}”了",
        f"“{_reward(facts)}”需要{points}积分，您的积分已经足够，现在就可以兑换。",
        f"您的积分已够兑换“{_reward(facts, NAME_SHORT_MAX)}”（{points}积分）。",
    )


_SAID: Mapping[str, Mapping[NoticeKind, Callable[[Facts], Said]]] = {
    "en": {
        NoticeKind.POINTS_EXPIRING: _expiring_en,
        NoticeKind.BALANCE_REACHED: _balance_en,
        NoticeKind.DORMANT: _dormant_en,
        NoticeKind.TIER_REACHED: _reached_en,
        NoticeKind.TIER_AT_RISK: _at_risk_en,
        NoticeKind.REWARD_AFFORDABLE: _affordable_en,
    },
    "zh": {
        NoticeKind.POINTS_EXPIRING: _expiring_zh,
        NoticeKind.BALANCE_REACHED: _balance_zh,
        NoticeKind.DORMANT: _dormant_zh,
        NoticeKind.TIER_REACHED: _reached_zh,
        NoticeKind.TIER_AT_RISK: _at_risk_zh,
        NoticeKind.REWARD_AFFORDABLE: _affordable_zh,
    },
}


# What both share -----------------------------------------------------------------------------------------------------


def _sentence(text: str, language: str) -> str:
    return f"{text}。" if language == "zh" else f"{text[0].upper()}{text[1:]}."


def _one(count: int, single: str, several: str) -> str:
    return single if count == 1 else several


def _number(count: int) -> str:
    return f"{count:,}"


def _points(count: int) -> str:
    return f"{count:,} {_one(count, 'point', 'points')}"


def _more(count: int) -> str:
    return f"{count:,} more {_one(count, 'point', 'points')}"


def _tier(facts: Facts, most: int = NAME_MAX) -> str:
    return plain(facts.get("title") or facts["tier"], most)


def _reward(facts: Facts, most: int = NAME_MAX) -> str:
    return plain(facts.get("title") or facts["reward_id"], most)


def _worth(facts: Facts, language: str) -> str:
    worth = facts.get("worth")
    return money(worth["amount_minor"], worth["currency"], language) if worth else ""


def _day_of(value: object) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else None


def _day_in(facts: Facts, name: str) -> date:
    return date.fromisoformat(facts[name])


def _day(day: date, language: str) -> str:
    if language == "zh":
        return f"{day.year}年{day.month}月{day.day}日"
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _short_day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1][:3]} {day.year}"
