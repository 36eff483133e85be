"""Ids that carry their member, and fingerprints."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jifen.domain.ids import (
    MEMBER_ID_MAX,
    document_id,
    fingerprint,
    parse_document_id,
    valid_id,
    valid_idempotency_key,
)

VISIBLE = st.characters(exclude_categories=["C", "Z"])
MEMBERS = st.text(VISIBLE, min_size=1, max_size=MEMBER_ID_MAX)
KEYS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128)
PREFIXES = st.sampled_from(["rd", "hd"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(PREFIXES, MEMBERS, KEYS)
def test_an_id_leads_back_to_its_member(prefix: str, member: str, key: str) -> None:
    """Any member id, in any script, comes back out of the ids made for it."""
    made = document_id(prefix, member, key)
    assert made == parse_document_id(str(made))
    assert (prefix, member) == (made.prefix, made.member)
    assert str(made).isascii()


@given(PREFIXES, MEMBERS, KEYS)
def test_the_same_request_has_the_same_id(prefix: str, member: str, key: str) -> None:
    """Ids depend on prefix, member and key and on nothing else."""
    assert document_id(prefix, member, key) == document_id(prefix, member, key)
    assert document_id(prefix, member, key) != document_id(prefix, member, key + "x")
    assert document_id("rd", member, key).digest != document_id("hd", member, key).digest
    assert document_id(prefix, member, key).digest != document_id(prefix, member + "x", key).digest


def test_member_and_key_are_told_apart_in_the_digest() -> None:
    """What ends the member cannot begin the key."""
    assert document_id("rd", "ab", "c").digest != document_id("rd", "a", "bc").digest


def test_an_id_is_stable_between_releases() -> None:
    """Ids handed out once are found for ever: this one must never change."""
    assert "rd.5byg5LiJ.VfNYwx1MyjlwyhroMLuUw9" == str(document_id("rd", "张三", "k1"))


@given(PREFIXES, MEMBERS, KEYS, st.data())
def test_a_mangled_id_is_refused_or_is_another_well_formed_id(
    prefix: str, member: str, key: str, data: st.DataObject
) -> None:
    """Changing a character never raises, never gives the old parts, and never gives parts that spell differently."""
    text = str(document_id(prefix, member, key))
    place = data.draw(st.integers(0, len(text) - 1))
    character = data.draw(st.characters())
    assume(character != text[place])
    mangled = text[:place] + character + text[place + 1 :]
    parsed = parse_document_id(mangled)
    assert parsed is None or (mangled == str(parsed) and parsed != document_id(prefix, member, key))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rd",
        "rd..",
        "rd.bTE.",
        "xx.bTE.AAAAAAAAAAAAAAAAAAAAAA",
        "rd.bTE=.AAAAAAAAAAAAAAAAAAAAAA",  # padded
        "rd.bTF.AAAAAAAAAAAAAAAAAAAAAA",  # the same bytes spelt otherwise
        "rd.b.AAAAAAAAAAAAAAAAAAAAAA",
        "rd.bTE.AAAAAAAAAAAAAAAAAAAAA",
        "rd.bTE.AAAAAAAAAAAAAAAAAAAAAAA",
        "rd.bTE.AAAAAAAAAAAAAAAAAAAAA+",
        "rd.bTE.AAAAAAAAAAAAAAAAAAAAAA\n",
        " rd.bTE.AAAAAAAAAAAAAAAAAAAAAA",
        "rd.AA.AAAAAAAAAAAAAAAAAAAAAA",  # member NUL
        "rd.IG0.AAAAAAAAAAAAAAAAAAAAAA",  # member with a blank in front
        "rd.7aCA.AAAAAAAAAAAAAAAAAAAAAA",  # an encoded surrogate
        "rd._w.AAAAAAAAAAAAAAAAAAAAAA",  # no UTF-8
        "rd." + "YWFh" * 43 + ".AAAAAAAAAAAAAAAAAAAAAA",  # 129 characters
        "rd." + "A" * 10_000 + ".AAAAAAAAAAAAAAAAAAAAAA",
    ],
)
def test_what_we_did_not_make_is_no_id(text: str) -> None:
    """Broken, padded, respelt and over-long ids are None."""
    assert parse_document_id(text) is None


def test_a_well_formed_id_is_read() -> None:
    """The form that the refused ones above depart from is accepted."""
    assert ("rd", "m1", "A" * 22) == parse_document_id("rd.bTE." + "A" * 22)


@given(st.text())
def test_reading_an_id_never_raises(text: str) -> None:
    """Whatever text is sent, the answer is an id that spells exactly so, or None."""
    parsed = parse_document_id(text)
    assert parsed is None or text == str(parsed)


@given(MEMBERS)
def test_visible_text_of_any_script_is_an_id(member: str) -> None:
    """Shops may use any script, up to 128 characters."""
    assert valid_id(member)
    assert not valid_id(member + "x" * MEMBER_ID_MAX)


@pytest.mark.parametrize("text", ["张三", "Ünï", "a b", "🐉", "17850", "a/b#c", "C536379", "x" * 128])
def test_ids_that_shops_use(text: str) -> None:
    """Scripts, emoji, inner blanks and punctuation are fine."""
    assert valid_id(text)


@pytest.mark.parametrize("spoil", ["\x00", "\n", "\t", "\x1f", "\x7f", "\x85", "\x9f", chr(0xD800), chr(0xDFFF)])
def test_controls_and_lone_surrogates_are_refused_anywhere(spoil: str) -> None:
    """Control characters and lone surrogates are no part of an id, wherever they stand."""
    assert [False] * 4 == [valid_id(text) for text in (spoil, spoil + "a", "a" + spoil, "a" + spoil + "b")]


@pytest.mark.parametrize("spoil", ["\u2028", "\u2029"])
def test_line_separators_are_refused_anywhere(spoil: str) -> None:
    """A line or paragraph separator would break a line of a log or a file wherever it stands."""
    assert [False] * 4 == [valid_id(text) for text in (spoil, spoil + "a", "a" + spoil, "a" + spoil + "b")]


BLANKS = [chr(code) for code in range(0x110000) if chr(code).isspace()]


@pytest.mark.parametrize("blank", BLANKS, ids=[f"U+{ord(blank):04X}" for blank in BLANKS])
def test_blanks_of_any_kind_are_refused_outside(blank: str) -> None:
    """A blank of any script at either end would make two members of one."""
    assert [False] * 4 == [valid_id(text) for text in (blank, blank + "a", "a" + blank, "张" + blank)]


@pytest.mark.parametrize("text", ["", " ", " a", "a ", "\xa0a", "a\xa0", "x" * 129, None, 17850, b"a", ["a"]])
def test_what_is_no_id(text: object) -> None:
    """Empty, blank-edged and over-long text, and what is no text at all."""
    assert not valid_id(text)


@given(KEYS)
def test_visible_ascii_is_a_key(key: str) -> None:
    """1 to 128 visible ASCII characters are an idempotency key."""
    assert valid_idempotency_key(key)


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "a\n", "x" * 129, None, 7, b"k"])
def test_what_is_no_key(key: object) -> None:
    """Blanks, other scripts, nothing, too much and no text are no idempotency key."""
    assert not valid_idempotency_key(key)


@given(st.text(), JSON)
def test_a_fingerprint_tells_requests_apart(operation: str, request: object) -> None:
    """The same request has the same 32 hex characters; another operation or another body has others."""
    print_of = fingerprint(operation, request)
    assert print_of == fingerprint(operation, request)
    assert set(print_of) <= set("0123456789abcdef")
    assert 32 == len(print_of)
    assert print_of != fingerprint(operation + "x", request)
    assert print_of != fingerprint(operation, [request])


def test_a_fingerprint_does_not_depend_on_the_order_of_keys() -> None:
    """Two spellings of one JSON object are one request."""
    assert fingerprint("redeem", {"a": 1, "b": 2}) == fingerprint("redeem", {"b": 2, "a": 1})
    assert fingerprint("redeem", {"points": 1}) != fingerprint("redeem", {"points": "1"})
    assert fingerprint("redeem", {"points": 1}) != fingerprint("redeem", {"points": True})
