"""The canonical form of an entry and its hash."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.entries import (
    Draft,
    Entry,
    Kind,
    Source,
    canonical,
    changes_plain,
    day_text,
    digest,
    genesis,
    instant_text,
)
from jifen.domain.lots import LotChange
from tests.domain.builders import day, instant

DRAFT = Draft(
    kind=Kind.EARN,
    reason="ORDER_PAID",
    source=Source("order", "536365"),
    occurred_at=instant("2010-12-01T08:26:00+00:00"),
    points=139,
    lots=(LotChange(139, day("2011-12-31")),),
    why=({"rule": "base", "名": "积分"},),
)
ENTRY = Entry("17850", 1, DRAFT, 139, instant("2010-12-01T08:26:01.5+00:00"), genesis("17850"))
GOLDEN = "5a3935f7e4ebe415da672a2f765b197be5cdff3b334733dcfb91d6e847321258"


def test_the_canonical_form_and_its_hash_never_change() -> None:
    """Ledgers written by an earlier release must still prove: this form and this hash are fixed for ever."""
    assert "8b0c1aff659e65e0806d6e358b68acd7433783682302ea2d93e58ec8b85e1ac1" == genesis("17850")
    assert CANONICAL == canonical(ENTRY).decode()
    assert GOLDEN == digest(ENTRY)


CANONICAL = (
    '{"actor":"system","balance_after":139,"debt":0,"hold_expires_at":null,"hold_id":null,"hold_lots":[],"kind":"earn",'
    '"lots":[[139,"2011-12-31",null]],"member":"17850","occurred_at":"2010-12-01T08:26:00Z","points":139,'
    f'"previous_hash":"{genesis("17850")}","reason":"ORDER_PAID","recorded_at":"2010-12-01T08:26:01.500000Z","sequence":1,'
    '"source":["order","536365"],"why":[{"rule":"base","名":"积分"}]}'
)


def test_the_canonical_form_is_json_that_holds_everything_but_the_hash() -> None:
    """Whoever has the fields can work out the hash without our code; the hash itself is not among them."""
    plain = json.loads(canonical(replace(ENTRY, hash="f" * 64)))
    assert canonical(ENTRY) == canonical(replace(ENTRY, hash="f" * 64))
    assert json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == canonical(ENTRY)


@given(st.integers(-720, 720).map(lambda minutes: timezone(timedelta(minutes=minutes))))
def test_one_instant_has_one_hash(zone: timezone) -> None:
    """The offset in which an instant was written does not matter."""
    moved = replace(ENTRY, recorded_at=ENTRY.recorded_at.astimezone(zone))
    assert digest(ENTRY) == digest(moved)


def test_the_order_of_keys_in_an_explanation_does_not_matter() -> None:
    """An explanation read back from the store hashes as it did when it was written."""
    turned = replace(DRAFT, why=({"名": "积分", "rule": "base"},))
    assert digest(ENTRY) == digest(replace(ENTRY, draft=turned))


def test_each_member_has_a_beginning_of_its_own() -> None:
    """The first entries of two members never name the same predecessor."""
    assert genesis("a") != genesis("b")
    assert 64 == len(genesis("张三"))


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("2010-12-01T08:26:00Z", "2010-12-01T08:26:00+00:00"),
        ("2010-12-01T00:26:00Z", "2010-12-01T08:26:00+08:00"),
        ("2010-12-01T08:26:00.000001Z", "2010-12-01T08:26:00.000001Z"),
    ],
)
def test_instants_are_written_in_utc(expected: str, text: str) -> None:
    """Microseconds show only where there are any."""
    assert expected == instant_text(instant(text))


@given(st.datetimes(timezones=st.just(UTC)))
def test_instants_come_back(moment: datetime) -> None:
    """No instant loses precision in its text."""
    assert moment == datetime.fromisoformat(instant_text(moment))


def test_days_and_changes_as_plain_data() -> None:
    """Days are ISO text or nothing; a change is points, last valid day and first valid day."""
    changes = (LotChange(-5, None), LotChange(7, day("2026-01-31"), day("2026-01-02")))
    assert [[-5, None, None], [7, "2026-01-31", "2026-01-02"]] == changes_plain(changes)
    assert (None, "2026-01-31") == (day_text(None), day_text(day("2026-01-31")))
