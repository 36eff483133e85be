"""The shelf as a pure function: what fits a search, in which order, and what is in somebody's way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain import offers, shelf
from jifen.domain.account import Account, Status
from jifen.domain.errors import InvalidInput
from jifen.domain.limits import Use, used
from jifen.domain.lots import Lot
from jifen.domain.offers import read_offer, written
from jifen.domain.program import parse_program
from jifen.domain.rewards import Reserved, Reward, RewardStatus, Stock
from jifen.domain.shelf import NOBODY, Shown, Sort, Viewer, Wanted
from jifen.domain.standing import NOTHING_KNOWN
from jifen.domain.terms import MallTerms

NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
PROGRAM = parse_program(
    {"currency": "GBP", "tiers": {"levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 1_000}]}}
)
MOMENT = PROGRAM.moment(NOW)
RICH = Viewer("member", 10**9)
NO_TERMS = MallTerms()


def shown(reward_id: str = "cup", free: int | None = 5, sold: int = 0, /, **content: Any) -> Shown:
    """A reward on the shelf."""
    status = content.pop("status", RewardStatus.ON_SHELF)
    offer = read_offer({"title": reward_id, "points": 100} | content, "GBP")
    stock = Stock(reward_id, 0, free, sold, (free or 0) + sold)
    return shelf.shown(Reward(reward_id, written(offer), 1, "op", NOW, status), offer, [stock])


def because(one: Shown, viewer: Viewer = RICH, mall: MallTerms = NO_TERMS, now: datetime = NOW) -> str:
    """What is in the way."""
    return shelf.verdict(one, viewer, mall, PROGRAM.moment(now)).because


WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@given(WORDS, WORDS, WORDS)
def test_every_part_of_a_text_is_found(before: str, part: str, after: str) -> None:
    """Whatever the script, its case and its width."""
    one = shown(title=f"{before}{part}{after}" or "x", description=part)
    for query in (part, part.upper(), part.lower()):
        # Some letters have another upper case than the one they come from (ı, ſ): both forms are then compared.
        if offers.searchable(query) == offers.searchable(part):
            assert [one] == shelf.chosen([one], Wanted(query=query), NOBODY, NOW)


@pytest.mark.parametrize(
    ("text", "same"),
    [("ＣＵＰ　１", "cup 1"), ("Straße", "STRASSE"), (" a \n b ", "a b"), ("ﬁn", "FIN"), ("カ\u3099", "ガ")],
)
def test_texts_are_compared_in_one_form(text: str, same: str) -> None:
    """NFKC, without case, blanks as one."""
    assert offers.searchable(text) == offers.searchable(same)


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5), st.integers(0, 3)), max_size=12), st.sampled_from(Sort))
def test_pages_show_everything_once(drawn: list[tuple[int, int, int]], sort: Sort) -> None:
    """However many are equal, going on behind the last one misses and repeats none."""
    rewards = [
        shown(f"r{number}", 5, sold, points=points, cash_minor=cash)
        for number, (points, sold, cash) in enumerate(drawn)
    ]
    whole = shelf.chosen(rewards, Wanted(sort=sort), RICH, NOW)
    paged: list[Shown] = []
    while len(paged) < len(whole):
        behind = shelf.place(paged[-1], sort, RICH, NOW) if paged else None
        left = [one for one in whole if behind is None or shelf.place(one, sort, RICH, NOW) > behind]
        paged += left[:3]
    assert whole == paged
    assert len(rewards) == len(whole)


def test_prices_are_compared_as_the_member_pays_them() -> None:
    """A filter on points looks at the price for the member's tier, and in a sale at the sale's."""
    sale = {"from": "2026-03-10T00:00:00Z", "until": "2026-03-11T00:00:00Z", "points": 40}
    one = shown(tiers={"gold": "0.5"}, sale=sale)
    gold = Viewer("gold", 20)
    assert [one] == shelf.chosen([one], Wanted(points_from=20, points_to=20), gold, NOW)
    assert [one] == shelf.chosen([one], Wanted(affordable=True), gold, NOW)
    assert [] == shelf.chosen([one], Wanted(affordable=True), gold, NOW + timedelta(days=1))
    assert [] == shelf.chosen([one], Wanted(points_to=39), NOBODY, NOW)


def test_what_lasts_longest_is_told_first() -> None:
    """Of several reasons the one that waiting does not mend comes before one that it does."""
    gone = shown("a", 0, status=RewardStatus.OFF_SHELF)
    assert "NOT_OPEN" == because(gone)
    poor = Viewer("member", 0, active=False)
    assert ["OUT_OF_STOCK", "ACCOUNT_FROZEN", "INSUFFICIENT_POINTS", ""] == [
        because(shown("a", 0), poor),
        because(shown("a", 1), poor),
        because(shown("a", 1), Viewer("member", 99)),
        because(shown("a", 1), Viewer("member", 100)),
    ]
    assert "" == because(shown("a", 1), NOBODY)
    assert "" == because(shown("a", 1, only_tiers=["gold"]), NOBODY)
    assert "NOT_OPEN" == because(shown("a", 1, only_tiers=["gold"]))


def test_it_opens_with_its_first_instant_and_closes_with_its_last() -> None:
    """``from`` counts, ``until`` is past."""
    one = shown(**{"from": NOW.isoformat(), "until": (NOW + timedelta(hours=1)).isoformat()})
    tick = timedelta(microseconds=1)
    hour = timedelta(hours=1)
    assert ["NOT_OPEN", "", "", "NOT_OPEN"] == [
        because(one, now=at) for at in (NOW - tick, NOW, NOW + hour - tick, NOW + hour)
    ]


def test_a_limit_of_the_reward_and_one_of_the_mall_are_in_the_way() -> None:
    """Each by its name, and with the instant from which it allows all again."""
    one = shown(limits=[{"per": "month", "times": 2}])
    (limit,) = one.offer.member_limits("cup")
    once = used(NOTHING_KNOWN, [limit], Use(100), MOMENT)
    twice = used(once, [limit], Use(100), MOMENT)
    assert "" == because(one, Viewer("member", 10**6, once))
    found = shelf.verdict(one, Viewer("member", 10**6, twice), NO_TERMS, MOMENT)
    assert ("LIMIT_REACHED", "reward_times_per_month", "2026-04-01T00:00:00+00:00") == (
        found.because,
        found.limit,
        found.resets_at,
    )
    mall = shelf.verdict(shown(), RICH, MallTerms(points_per_day=99), MOMENT)
    assert ("LIMIT_REACHED", "mall_points_per_day", "2026-03-11T00:00:00+00:00") == (
        mall.because,
        mall.limit,
        mall.resets_at,
    )


def test_a_member_is_seen_as_of_now() -> None:
    """Points that have lapsed are not there, whatever the account has written down; a frozen account is told."""
    lots = (Lot(70, NOW.date() - timedelta(days=1)), Lot(30, NOW.date()))
    assert Viewer("member", 30) == shelf.viewer_of(Account("m", lots=lots), PROGRAM, MOMENT)
    assert not shelf.viewer_of(Account("m", status=Status.FROZEN), PROGRAM, MOMENT).active
    assert "" == shelf.viewer_of(Account("m"), parse_program({}), MOMENT).level


@pytest.mark.parametrize(
    ("free", "low", "told"), [(5, 5, False), (4, 5, True), (0, 0, False), (0, 1, True), (3, None, False)]
)
def test_low_is_below_the_rewards_own_mark(free: int, low: int | None, told: bool) -> None:  # noqa: FBT001 - a table
    """Over all shards, reserved pieces not counted; what has no end is never low."""
    offer = read_offer({"title": "A", "points": 1, "stock": {} if low is None else {"low": low}}, "GBP")
    halves = [Stock("a", 0, free - free // 2, 9, 20), Stock("a", 1, free // 2, reserved={"o": Reserved(7, NOW)})]
    assert told == shelf.low_stock(offer, halves)
    assert not shelf.low_stock(offer, [Stock("a", 0)])


@pytest.mark.parametrize(
    ("free", "low", "few"), [(0, None, False), (9, None, True), (10, None, False), (2, 3, True), (3, 3, False)]
)
def test_members_are_told_of_few_and_never_how_many(free: int, low: int | None, few: bool) -> None:  # noqa: FBT001 - a table
    """Fewer than ten, or fewer than the reward's own mark."""
    assert few == shown("a", free, stock={} if low is None else {"low": low}).few_left


def test_a_price_in_another_currency_is_no_offer() -> None:
    """The same number of another currency is another price."""
    reward = Reward("a", {"title": "A", "points": 1, "cash_minor": 5}, 1, "op", NOW, currency="CNY")
    assert shelf.offer_of(reward, "CNY").cash_minor
    with pytest.raises(InvalidInput):
        shelf.offer_of(reward, "JPY")
    with pytest.raises(InvalidInput):
        shelf.offer_of(reward, None)
