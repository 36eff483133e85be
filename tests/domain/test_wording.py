"""What notices say: every kind in every language on every channel, whatever the facts are."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import date
from html.parser import HTMLParser
from typing import Any

import pytest

from jifen.domain import sms
from jifen.domain.errors import InvalidInput
from jifen.domain.mail import letter
from jifen.domain.notice_samples import checked, sample
from jifen.domain.notices import Notice, NoticeKind
from jifen.domain.points import POINTS_MAX
from jifen.domain.unsubscribe_page import Page, page
from jifen.domain.wording import LANGUAGES, fields, money, plain, push, said, subject, text_message

TODAY = date(2026, 11, 26)
KINDS = tuple(NoticeKind)
LINK = "https://points.example.com/v1/unsubscribe?token=a&b=c"

HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{points}{0}%s%(x)s",
    "a\r\nBcc: someone@example.com",
    "\u202egnp.exe\u2066\u200f",
    "金卡&lt;会员",
    "a" * 128,
    "积" * 128,
    "\x00\x07\x1b[31m",
    "👍" * 60,
    "^{}[]~|€" * 16,
)
"""Names that a shop, or somebody who got into it, may choose."""

COUNTS = (0, 1, 2, 1_234_567, POINTS_MAX)
EVERY = [(kind, language) for kind in KINDS for language in LANGUAGES]


def notice(kind: NoticeKind, **changes: Any) -> Notice:
    """A notice of invented facts, some of them changed."""
    return Notice("n" * 32, kind, "m", {**sample(kind, TODAY, "GBP"), **changes})


def hostile(kind: NoticeKind, name: str, count: int = 1) -> Notice:
    """A notice in which every name and every number is as bad as it gets."""
    facts: Mapping[str, Any] = sample(kind, TODAY, "GBP")
    names = ("tier", "title", "falls_to", "falls_to_title", "reward_id", "policy")
    numbers = ("points", "available", "amount", "missing")
    return notice(
        kind, **{one: name for one in names if one in facts}, **{one: count for one in numbers if one in facts}
    )


class Structure(HTMLParser):
    """The tags and attributes of a page, and the text outside of styles."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text: list[str] = []
        self._open = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self._open = tag

    def handle_data(self, data: str) -> None:
        """Keep it."""
        if self._open != "style":
            self.text.append(data)


def structure(page_: str) -> Structure:
    """A page, taken apart."""
    found = Structure()
    found.feed(page_)
    return found


# Every kind, language and channel ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "language"), EVERY)
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_become_text_and_nothing_else(kind: NoticeKind, language: str, name: str) -> None:
    """A mail with hostile names has the tags of one with a harmless name, and no control character anywhere."""
    bad, good = letter([hostile(kind, name)], 5, language, LINK), letter([notice(kind)], 5, language, LINK)

    assert structure(good.html).tags == structure(bad.html).tags
    for text in (bad.subject, bad.text, bad.html, *push([hostile(kind, name)], language)):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", text)
    assert "\n" not in bad.subject


@pytest.mark.parametrize(("kind", "language"), EVERY)
@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("count", COUNTS)
def test_text_messages_stay_within_their_segments(kind: NoticeKind, language: str, name: str, count: int) -> None:
    """Two segments at most, for one notice and for all at once; the balance is told unless it does not fit."""
    for notices in ([hostile(kind, name, count)], [hostile(one, name, count) for one in (kind, *KINDS)]):
        text = text_message(notices, count, language)
        assert sms.segments(text).segments <= sms.SEGMENTS_MAX, text
        assert "\n" not in text
        assert said(notices[0], language).short in text
        if count < 10**6:
            assert (f"{count:,}" if count or language == "zh" else "no points") in text


@pytest.mark.parametrize(("kind", "language"), EVERY)
@pytest.mark.parametrize("count", COUNTS)
def test_every_number_is_told_in_every_form(kind: NoticeKind, language: str, count: int) -> None:
    """Nothing of a template is left over, and English has its plurals right."""
    one = hostile(kind, "Gold", count)
    told = said(one, language)
    texts = (told.headline, told.line, told.short, *push([one], language), letter([one], count, language, LINK).text)
    for text in texts:
        assert "{" not in text
        assert "None" not in text
        assert not re.search(r"(?<![\d,])1 (more )?points|(?<![\d,])(0|[2-9]|\d[\d,]*\d) (more )?point\b", text)


@pytest.mark.parametrize(("kind", "language"), EVERY)
def test_one_notice_in_each_language(kind: NoticeKind, language: str) -> None:
    """Chinese is Chinese with its own punctuation, English plain English; a headline has no full stop."""
    told = said(notice(kind), language)
    for text in (told.headline, told.line, told.short):
        chinese = re.search("[\u4e00-\u9fff]", text) is not None
        assert chinese is (language == "zh")
        if language == "zh":
            assert not re.search(r"[\u4e00-\u9fff] ?[,;:!?()]|[,;:!?()] ?[\u4e00-\u9fff]", text), text
    assert told.headline[-1] not in ".。"
    assert told.line[-1] in ".。"


def test_english_short_forms_are_sent_a_byte_a_character() -> None:
    """A name or an amount of the alphabet does not make a message twice as dear, cut or not."""
    for kind in KINDS:
        for name in ("Gold", "a" * 128):
            assert "GSM-7" == sms.segments(text_message([hostile(kind, name, 5_000)], 5_000, "en")).encoding


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_digest_is_one_mail_with_a_row_for_each_notice(language: str) -> None:
    """One subject that counts the rest, one greeting, each notice once, the balance, one link."""
    notices = [notice(kind) for kind in KINDS]
    mail = letter(notices, 1_230, language, LINK)

    assert subject(notices, language) == mail.subject
    assert "5" in mail.subject
    shown = "".join(structure(mail.html).text)
    for one in notices:
        told = said(one, language)
        assert mail.text.count(told.line) == 1
        assert told.headline in mail.text
        assert shown.replace("\xa0", " ").count(told.headline) >= 1
    assert 1 == mail.text.count(LINK)
    assert 1 == mail.html.count(html.escape(LINK))
    assert "1,230" in shown


def test_a_text_message_says_how_many_notices_it_leaves_out() -> None:
    """The most urgent come first, and nobody thinks that this was all."""
    text = text_message([notice(kind) for kind in KINDS], 1_230, "en")

    assert text.startswith("120 points expire after 3 Dec 2026.")
    assert text.endswith("And 1 more. You can spend 1,230 points now.")


@pytest.mark.parametrize("link", ["", "javascript:alert(1)", "data:text/html,x", "//points.example.com"])
def test_only_a_link_of_the_web_is_a_link(link: str) -> None:
    """Anything else leaves the foot without one."""
    mail = letter([notice(NoticeKind.TIER_REACHED)], 0, "en", link)

    assert "<a " not in mail.html
    assert "Unsubscribe" not in mail.text


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_mail_says_who_sends_it(language: str) -> None:
    """In text and page, in one line, escaped; nothing stands there where the shop says nothing."""
    said = "Shop & Sons\r\nBcc: x, <b>1 High Street</b>"
    mail = letter([notice(NoticeKind.TIER_REACHED)], 0, language, LINK, said)
    bare = letter([notice(NoticeKind.TIER_REACHED)], 0, language, LINK, " \n")

    assert "\nShop & Sons Bcc: x, <b>1 High Street</b>\n" in mail.text
    assert "<br>Shop &amp; Sons Bcc: x, &lt;b&gt;1 High Street&lt;/b&gt;<br>" in mail.html
    assert letter([notice(NoticeKind.TIER_REACHED)], 0, language, LINK) == bare


def test_a_mail_without_wording_has_its_link() -> None:
    """A language that an earlier release took is no reason to leave out how mails are ended."""
    mail = letter([notice(NoticeKind.TIER_REACHED)], 0, "fr", LINK)
    assert f"Unsubscribe from these e-mails:\n{LINK}\n" in mail.text


def test_a_language_without_wording_is_told_in_english() -> None:
    """A contact of an older version may name one."""
    assert said(notice(NoticeKind.TIER_REACHED), "en") == said(notice(NoticeKind.TIER_REACHED), "fr")


# The words -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "points", "headline", "line"),
    [
        (
            0,
            1,
            "Last day for 1 point",
            "1 point can be used through today, 3 December 2026. After that it expires.",
        ),
        (
            1,
            2,
            "2 points expire after 3 December 2026",
            "2 points can be used through tomorrow, 3 December 2026. After that they expire.",
        ),
        (
            7,
            1,
            "1 point expires after 3 December 2026",
            "1 point can be used through 3 December 2026: 7 more days. After that it expires.",
        ),
    ],
)
def test_expiring_points_in_english(left: int, points: int, headline: str, line: str) -> None:
    """The last day is a day on which they can be used."""
    told = said(notice(NoticeKind.POINTS_EXPIRING, points=points, days_left=left), "en")

    assert (headline, line) == (told.headline, told.line)


@pytest.mark.parametrize(
    ("left", "line"),
    [
        (0, "您有1,200积分今天（2026年12月3日）是最后一天可用，逾期将失效。"),
        (1, "您有1,200积分可使用至2026年12月3日（明天到期），逾期将失效。"),
        (30, "您有1,200积分可使用至2026年12月3日（还剩30天），逾期将失效。"),
    ],
)
def test_expiring_points_in_chinese(left: int, line: str) -> None:
    """As above."""
    assert line == said(notice(NoticeKind.POINTS_EXPIRING, points=1_200, days_left=left), "zh").line


@pytest.mark.parametrize(
    ("facts", "keeps"),
    [
        ({"missing": 1}, "Earn 1 more point by then to keep it."),
        ({"missing": {"amount_minor": 12_000, "currency": "CNY"}, "by": "spend"}, "Spend ¥120.00 more by then"),
        ({"missing": None}, "3 January 2027. After that your level will be Silver."),
        ({"missing": 500, "by": "spend"}, "3 January 2027. After that your level will be Silver."),
        ({"missing": None, "falls_to": "", "falls_to_title": ""}, "Your level Gold lasts through 3 January 2027."),
    ],
)
def test_a_level_at_risk_says_what_keeps_it(facts: dict[str, Any], keeps: str) -> None:
    """In points or in money, and nothing where nothing keeps it or nobody knows the currency."""
    assert keeps in said(notice(NoticeKind.TIER_AT_RISK, until="2027-01-03", **facts), "en").line


@pytest.mark.parametrize(
    ("amount", "currency", "language", "written"),
    [
        (5_210, "CNY", "en", "¥52.10"),
        (5_210, "CNY", "zh", "52.10元"),
        (123_456_789, "GBP", "en", "£1,234,567.89"),
        (520, "JPY", "en", "JPY 520"),
        (520, "JPY", "zh", "520日元"),
        (5, "KWD", "zh", "KWD 0.005"),
        (0, "EUR", "en", "€0.00"),
    ],
)
def test_money_is_written_whole(amount: int, currency: str, language: str, written: str) -> None:
    """With as many decimals as the currency has."""
    assert written == money(amount, currency, language)


def test_values_for_a_template_of_somebody_else() -> None:
    """The day is the one that matters; numbers are bare."""
    values = fields([notice(NoticeKind.POINTS_EXPIRING)], 1_230, TODAY, "zh")

    assert ("120", "1230", "2026年12月3日") == (values["points"], values["available"], values["day"])
    assert "2026年11月26日" == fields([notice(NoticeKind.REWARD_AFFORDABLE)], 5, TODAY, "zh")["day"]


def test_long_names_are_cut() -> None:
    """Where they would fill a small screen, with an ellipsis."""
    assert 60 == len(plain("a" * 128))
    assert "aaa..." == plain("a" * 128, 6)
    assert "a b" == plain(" a\t\u2028 b ")


# Segments ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("GSM-7", 0, 1)),
        ("a" * 160, ("GSM-7", 160, 1)),
        ("a" * 161, ("GSM-7", 161, 2)),
        ("a" * 306, ("GSM-7", 306, 2)),
        ("a" * 307, ("GSM-7", 307, 3)),
        ("€" * 80, ("GSM-7", 160, 1)),
        ("a" * 152 + "€" + "a" * 152, ("GSM-7", 306, 3)),
        ("积" * 70, ("UCS-2", 70, 1)),
        ("积" * 71, ("UCS-2", 71, 2)),
        ("积" * 134, ("UCS-2", 134, 2)),
        ("积" * 135, ("UCS-2", 135, 3)),
        ("积" * 66 + "👍" + "积" * 66, ("UCS-2", 134, 3)),
        ("ç", ("UCS-2", 1, 1)),
        ("Ç", ("GSM-7", 1, 1)),
    ],
)
def test_segments_are_counted_as_the_networks_do(text: str, expected: tuple[str, int, int]) -> None:
    """Lengths at the edges; a character of two units is never torn."""
    found = sms.segments(text)

    assert expected == (found.encoding, found.units, found.segments)


# Samples and pages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"pts": 1}, "facts.pts"),
        ({"points": -1}, "facts.points"),
        ({"points": True}, "facts.points"),
        ({"points": "1"}, "facts.points"),
        ({"points": POINTS_MAX + 1}, "facts.points"),
        ({"lot_expires_on": "2026-02-30"}, "facts.lot_expires_on"),
        ({"lot_expires_on": "20261203"}, "facts.lot_expires_on"),
        ({"lot_expires_on": 5}, "facts.lot_expires_on"),
    ],
)
def test_facts_that_somebody_gives_are_checked(facts: dict[str, Any], field: str) -> None:
    """A fact that there is none of, or one of another form, is named."""
    with pytest.raises(InvalidInput) as refused:
        checked(facts, sample(NoticeKind.POINTS_EXPIRING, TODAY, "GBP"))

    assert [field] == [fault.field for fault in refused.value.faults]


@pytest.mark.parametrize("worth", [{"amount_minor": 5}, {"amount_minor": 5, "currency": "gbp"}, 5, "5", []])
def test_a_worth_is_money_or_nothing(worth: object) -> None:
    """Null is no worth at all."""
    usual = sample(NoticeKind.BALANCE_REACHED, TODAY, "GBP")
    assert checked({"worth": None}, usual)["worth"] is None
    with pytest.raises(InvalidInput):
        checked({"worth": worth}, usual)


@pytest.mark.parametrize("language", [*LANGUAGES, "fr"])
@pytest.mark.parametrize("which", list(Page))
def test_pages_of_unsubscribing(which: Page, language: str) -> None:
    """Each is one page without a script, in the member's language, with a button where there is something to do."""
    made = page(which, language, "email", 'x"><script>')
    tags = [tag for tag, _ in structure(made).tags]

    assert "script" not in tags
    assert "link" not in tags
    assert "a" not in tags
    assert ("button" in tags) is (which in {Page.ASKED, Page.DONE, Page.BUSY})
    assert ('lang="zh-CN"' in made) is (language == "zh")
