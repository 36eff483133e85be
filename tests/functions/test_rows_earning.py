"""The figures of earning, row by row: the sample program does what it says, seen from outside.

Tests bear the names of the rows. What a row offers as an alternative has a small program of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tests.functions.earning import Shop, cuts, earning, given, refusals, shop
from tests.functions.stage import line

SAMPLE = json.loads(Path("local/samples/program.json").read_text("utf-8"))
MONDAY = "2026-03-09T12:00:00+08:00"
ELEVENTH = "2026-11-11T12:00:00+08:00"
BASE = {"id": "base", "rate": {"points": 1, "per_minor": 100}}
M, FRIEND = "m-1", "m-2"


@pytest.fixture(scope="module")
def published(aws: None) -> Iterator[tuple[Shop, Any]]:  # noqa: ARG001 - the table is made in it
    """A shop in which an administrator has published the sample program, and what its table held then."""
    with shop(MONDAY, time_zone="UTC", currency="CNY") as here:
        answer = here.publishes(SAMPLE)
        assert answer.status == 200, answer
        yield here, here.stage.remember()


@pytest.fixture
def here(published: tuple[Shop, Any]) -> Shop:
    """The sample program, and nobody has done anything yet. It is a Monday at noon in Shanghai."""
    found, state = published
    found.stage.go_back(state)
    return found


def regular(here: Shop, member: str = M, months_ago: int = 6) -> None:
    """The member has bought three times, a good while ago: no first order, no second, no novice."""
    now = here.stage.now
    for number in range(3):
        here.at((now - timedelta(days=30 * months_ago + number)).isoformat())
        here.buys(member, 100, f"old-{member}-{number}")
    here.at(now.isoformat())


def on_days(here: Shop, first: str, days: int, deed: Callable[[], Any]) -> list[Any]:
    """Do something on so many days running; what came of it each day."""
    found = []
    for number in range(days):
        here.at((datetime.fromisoformat(first) + timedelta(days=number)).isoformat())
        found.append(deed())
    return found


# E1 ------------------------------------------------------------------------------------------------------------------


def of(category: str, minor: int, number: int = 1) -> dict[str, Any]:
    """A line of a category."""
    return line(minor, number, category=category)


@pytest.mark.parametrize(
    ("what", "points"),
    [
        ([of("book", 10_000)], 100),
        ([of("book", 12_999)], 129),
        ([of("book", 99)], 0),
        ([of("grocery", 1_000)], 1),
        ([of("grocery", 12_999)], 12),
        ([of("furniture", 10_000)], 10),
        ([of("furniture", 12_950)], 13),
        ([of("furniture", 12_400)], 12),
    ],
)
def test_e1_so_much_for_so_much(here: Shop, what: list[dict[str, Any]], points: int) -> None:
    """1 yuan = 1 point, 10 yuan = 1 point, 100 yuan = 10 points with half a point rounded up; there at once."""
    regular(here)
    before = here.available(M)
    assert (points, before + points) == (here.buys(M, what), here.available(M))


def test_e1_a_fraction_is_cut_once_per_order(here: Shop) -> None:
    """Sixty cents twice are one point, not none."""
    regular(here)
    assert 1 == here.buys(M, [line(60), line(60, 2)])


def test_e1_the_basis_is_after_discounts_and_points_and_without_shipping(here: Shop) -> None:
    """150 yuan less 20 off and 10 paid with points; 8 for the post do not count, and tax does."""
    regular(here)
    lines = [
        line(15_000, tax_minor=1_500),
        line(2_000, 2, kind="discount"),
        line(1_000, 3, kind="points"),
        line(800, 4, kind="shipping"),
    ]
    assert 120 == here.buys(M, lines)
    assert {"rule": "base", "kept_minor": 12_000, "rate": "1 per 100", "rounding": "floor", "points": 120} in here.why(
        M
    )


@pytest.mark.parametrize(
    ("rounding", "points"), [("floor", [2, 2, 2]), ("half_up", [2, 3, 3]), ("ceil", [3, 3, 3])], ids=str
)
@pytest.mark.usefixtures("aws")
def test_e1_rounding_can_be_chosen(rounding: str, points: list[int]) -> None:
    """2.49, 2.50 and 2.51 yuan."""
    with earning(MONDAY, {**BASE, "rounding": rounding}) as here:
        assert points == [here.buys(M, minor) for minor in (249, 250, 251)]


@pytest.mark.parametrize(
    ("basis", "points"),
    [
        ({}, 50),
        ({"tax": False}, 42),
        ({"shipping": True}, 60),
        ({"tax": False, "shipping": True}, 50),
    ],
    ids=str,
)
@pytest.mark.usefixtures("aws")
def test_e1_tax_in_or_out_and_shipping_out_or_in(basis: dict[str, bool], points: int) -> None:
    """50 yuan of goods with 8 of tax in them, 10 of shipping with 2."""
    with earning(MONDAY, BASE, basis=basis) as here:
        assert points == here.buys(M, [line(5_000, tax_minor=800), line(1_000, 2, kind="shipping", tax_minor=200)])


def test_e1_tax_is_a_part_of_its_line(here: Shop) -> None:
    """A line that contains more tax than it costs is refused by name."""
    refused = here.stage.deliver(here.paid(M, [line(5_000, tax_minor=5_001)], "o"))
    fault = {"field": "lines[0].tax_minor", "problem": "is more than the line that contains it"}
    assert (400, [fault]) == (refused.status, refused.body["errors"])


# E2 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "points", "rules"),
    [
        ([of("digital", 10_000)], 20, {"digital": 20}),
        ([of("book", 10_000), of("digital", 10_000, 2)], 120, {"base": 100, "digital": 20}),
        ([of("luxury", 15_000)], 75, {"base": 75}),
        ([of("luxury", 15_000), of("book", 10_000, 2)], 175, {"base": 175}),
        ([line(10_000, sku="promo-2026")], 300, {"promoted": 300}),
        ([line(10_000, sku="promo-2026", category="digital")], 300, {"promoted": 300}),
    ],
)
def test_e2_rates_of_products_and_categories(
    here: Shop, what: list[dict[str, Any]], points: int, rules: dict[str, int]
) -> None:
    """Digital 5 yuan = 1 point, luxury half, promoted goods three times; each line goes to one rate."""
    regular(here)
    assert (points, rules) == (here.buys(M, what), given(here.why(M)))


def test_e2_what_halves_the_points_says_so(here: Shop) -> None:
    """It is no refusal: its line names the factor and the rule that it lowers."""
    regular(here)
    here.buys(M, [of("luxury", 15_000), of("book", 10_000, 2)])
    said = next(one for one in here.why(M) if one.get("rule") == "luxury-half")
    assert ("0.5", True, False) == (said["multiplier"], "base" in said["lowers"], "refused" in said)


def test_e2_exclusions_earn_nothing(here: Shop) -> None:
    """Neither an excluded category nor an excluded product, under any rule."""
    regular(here)
    excluded = [of("gift-card", 10_000), of("top-up", 10_000, 2), line(10_000, 3, sku="sample-0001")]
    assert 0 == here.buys(M, excluded)
    assert 30 == here.buys(M, [*excluded, line(3_000, 4)])


@pytest.mark.usefixtures("aws")
def test_e2_digital_earns_twice_as_much_as_others() -> None:
    """5 yuan = 1 point while others need 10."""
    rules: list[Mapping[str, Any]] = [
        {"id": "others", "group": "rates", "rate": {"points": 1, "per_minor": 1_000}},
        {
            "id": "digital",
            "group": "rates",
            "priority": 1,
            "when": {"category": ["digital"]},
            "rate": {"points": 1, "per_minor": 500},
        },
    ]
    with earning(MONDAY, *rules, groups={"rates": "exclusive"}) as here:
        assert 10 + 20 == here.buys(M, [of("book", 10_000), of("digital", 10_000, 2)])


# E3 ------------------------------------------------------------------------------------------------------------------


def earns_a_thousand(here: Shop, member: str, first: str, days: int) -> None:
    """An order of 1,000 yuan on each of so many days, which is as much as a day can give."""
    on_days(here, first, days, lambda: here.buys(member, 100_000, f"big-{here.stage.now:%Y%m%d}"))


def test_e3_a_senior_earns_a_fifth_more(here: Shop) -> None:
    """129 yuan are 129 and 25 (25.8 cut)."""
    earns_a_thousand(here, M, MONDAY, 3)
    here.at("2026-03-12T12:00:00+08:00")
    assert "senior" == here.tier(M)["level"]
    assert 154 == here.buys(M, 12_900)
    assert {"base": 129, "tier.senior": 25} == given(here.why(M))


def test_e3_the_birthday_doubles(here: Shop) -> None:
    """On the day, in the shop's own time zone, and on no other."""
    regular(here)
    here.describes(M, birthday="03-10")
    assert 129 == here.buys(M, 12_900)
    assert "NOT_BIRTHDAY" == refusals(here.why(M))["birthday-double"]
    here.at("2026-03-09T16:30:00+00:00")
    assert 258 == here.buys(M, 12_900)


@pytest.mark.parametrize(
    ("days", "points", "reason"), [(0, 258, None), (30, 258, None), (31, 129, "NOT_REPEATED")], ids=str
)
def test_e3_the_second_order_doubles_within_30_days_of_the_first(
    here: Shop, days: int, points: int, reason: str | None
) -> None:
    """On the thirtieth day still, on the next no more; the third order never does."""
    here.buys(M, 1_000)
    here.at((here.stage.now + timedelta(days=days)).isoformat())
    assert (points, reason) == (here.buys(M, 12_900), refusals(here.why(M)).get("repurchase-double"))
    here.buys(M, 12_900, "third")
    assert 129 == here.of_order(M, "third")


def test_e3_the_second_order_is_that_of_the_same_account(here: Shop) -> None:
    """Somebody else's order is that person's first."""
    here.buys(M, 1_000)
    assert 129 + 100 == here.buys(FRIEND, 12_900)
    assert "ORDER_NUMBER" == refusals(here.why(FRIEND))["repurchase-double"]


def test_e3_the_first_order_has_a_bonus(here: Shop) -> None:
    """Once; an order that was given back whole was none."""
    assert 50 + 100 == here.buys(M, 5_000, "o-1")
    here.tell(here.refund(M, "o-1", 5_000))
    assert 0 == here.of_order(M, "o-1")
    assert 50 + 100 == here.buys(M, 5_000)
    assert "first-order" not in refusals(here.why(M))
    here.buys(M, 5_000)
    assert "ORDER_NUMBER" == refusals(here.why(M))["first-order"]


# E4 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "factor", "reasons"),
    [
        ("2026-11-10T23:59:59+08:00", 1, {"triple": "CAMPAIGN_NOT_YET", "five-fold": "CAMPAIGN_NOT_YET"}),
        ("2026-11-11T00:00:00+08:00", 3, {"five-fold": "WINDOW"}),
        ("2026-11-11T21:59:59+08:00", 3, {"five-fold": "WINDOW"}),
        ("2026-11-11T22:00:00+08:00", 5, {"triple": "NOT_BEST"}),
        ("2026-11-11T23:59:59+08:00", 5, {"triple": "NOT_BEST"}),
        ("2026-11-12T00:00:00+08:00", 1, {"triple": "CAMPAIGN_OVER", "five-fold": "CAMPAIGN_OVER"}),
    ],
)
def test_e4_festival_three_to_five_times(here: Shop, at: str, factor: int, reasons: dict[str, str]) -> None:
    """To the second, in the shop's time; of the two the better counts, and the other says why not."""
    here.at(at)
    regular(here)
    assert 100 * factor == here.buys(M, 10_000)
    found = refusals(here.why(M))
    names = ("triple", "five-fold")
    assert reasons == {name: found[f"double-eleven.{name}"] for name in names if f"double-eleven.{name}" in found}


def test_e4_a_fixed_bonus_in_the_window(here: Shop) -> None:
    """200 from 500 yuan on, once; a bonus is not multiplied."""
    here.at(ELEVENTH)
    regular(here)
    assert 49 + 98 == here.buys(M, [of("grocery", 49_999)])
    assert 50 + 100 + 200 == here.buys(M, [of("grocery", 50_000)])
    assert 50 + 100 == here.buys(M, [of("grocery", 50_000)])
    assert [{"cap": "double-eleven.bonus/ever/times", "limit": 1, "allowed": 0, "cut": 200, "resets_at": None}] == cuts(
        here.why(M)
    )


@pytest.mark.parametrize(
    ("at", "points"),
    [
        ("2026-06-14T23:59:59+08:00", 100 + 20),
        ("2026-06-15T00:00:00+08:00", 200 + 20),
        ("2026-06-21T23:59:59+08:00", 200 + 20),
        ("2026-06-22T00:00:00+08:00", 100 + 20),
    ],
)
def test_e4_a_points_doubling_week_of_one_rate(here: Shop, at: str, points: int) -> None:
    """100 yuan of books are doubled, 100 of digital goods are not."""
    here.at(at)
    regular(here)
    assert points == here.buys(M, [of("book", 10_000), of("digital", 10_000, 2)])


@pytest.mark.parametrize(
    ("at", "points"),
    [
        ("2026-03-13T19:59:59+08:00", 100),
        ("2026-03-13T20:00:00+08:00", 200),
        ("2026-03-13T21:59:59+08:00", 200),
        ("2026-03-13T22:00:00+08:00", 100),
        ("2026-03-12T20:30:00+08:00", 100),
        ("2026-03-13T12:30:00+00:00", 200),
    ],
)
def test_e4_weekday_and_hours(here: Shop, at: str, points: int) -> None:
    """Friday from eight to ten in the evening, wherever the clock that says so stands."""
    here.at(at)
    regular(here)
    assert points == here.buys(M, 10_000)


@pytest.mark.parametrize(
    ("stacking", "points", "reasons"),
    [
        ("sum", 100 + 50 + 200, {}),
        ("best_of", 100 + 200, {"small": "NOT_BEST"}),
        ("exclusive", 100 + 50, {"large": "EXCLUDED_BY_PRIORITY"}),
    ],
)
@pytest.mark.usefixtures("aws")
def test_e4_stacking_is_chosen(stacking: str, points: int, reasons: dict[str, str]) -> None:
    """All of a group, the best of it, or the one of highest priority."""
    rules: list[Mapping[str, Any]] = [
        BASE,
        {"id": "small", "group": "bonus", "priority": 20, "fixed": 50},
        {"id": "large", "group": "bonus", "priority": 5, "fixed": 200},
    ]
    with earning(MONDAY, *rules, groups={"bonus": stacking}) as here:
        assert (points, reasons) == (here.buys(M, 10_000), refusals(here.why(M)))


# E5 ------------------------------------------------------------------------------------------------------------------

MIXED = [line(10_000), line(6_000, 2, category="luxury"), line(2_000, 3, sku="promo-2026")]
"""On the eleventh, as a first order: base 100 + 30, promoted 60, tripled 380 more, first order 100: 670."""

Facts = Sequence[Mapping[str, Any]]


def _paid(here: Shop, order: str, **more: Any) -> dict[str, Any]:
    return here.paid(M, MIXED, order, **more)


REFUNDS: dict[str, tuple[Callable[[Shop, str], Facts], int]] = {
    "nothing": (lambda here, o: [_paid(here, o)], 670),
    "in full": (
        lambda here, o: [
            _paid(here, o),
            here.refund(M, o, 10_000, "1"),
            here.refund(M, o, 6_000, "2", orig_line=2),
            here.refund(M, o, 2_000, "3", orig_line=3),
        ],
        0,
    ),
    "the luxury line": (lambda here, o: [_paid(here, o), here.refund(M, o, 6_000, orig_line=2)], 3 * (100 + 60) + 100),
    "the promoted line": (lambda here, o: [_paid(here, o), here.refund(M, o, 2_000, orig_line=3)], 3 * 130 + 100),
    "a part": (lambda here, o: [_paid(here, o), here.refund(M, o, 1_050)], 3 * (119 + 60) + 100),
    "the same in parts": (
        lambda here, o: [_paid(here, o), *(here.refund(M, o, minor, f"{minor}") for minor in (1, 350, 699))],
        3 * (119 + 60) + 100,
    ),
    "cancelled": (lambda here, o: [_paid(here, o), here.cancelled(M, o)], 0),
    "amended to less": (
        lambda here, o: [_paid(here, o), here.paid(M, MIXED[:1], o, revision=1)],
        3 * 100 + 100,
    ),
    "amended to more, then a part": (
        lambda here, o: [
            _paid(here, o),
            here.paid(M, [*MIXED, line(1_000, 4)], o, revision=1),
            here.refund(M, o, 1_000, orig_line=4),
        ],
        670,
    ),
}


@pytest.mark.parametrize(("facts", "points"), REFUNDS.values(), ids=REFUNDS)
def test_e5_what_is_no_longer_earned_is_taken_back(
    here: Shop, facts: Callable[[Shop, str], Facts], points: int
) -> None:
    """Full, partial, in parts, cancelled, amended; under rates, factors, a campaign and a bonus."""
    here.at(ELEVENTH)
    here.tell(*facts(here, "o"))
    assert (points, points, True) == (here.of_order(M, "o"), here.balance(M), here.stage.proved(M))


@pytest.mark.parametrize(("facts", "points"), REFUNDS.values(), ids=REFUNDS)
def test_e5_out_of_order_duplicated_and_before_the_payment(
    here: Shop, facts: Callable[[Shop, str], Facts], points: int
) -> None:
    """Every order of arrival (of the longer stories six, evenly spread, and the reverse), each fact twice."""
    here.at(ELEVENTH)
    state = here.stage.remember()
    ways = list(permutations(facts(here, "o")))
    for way in [*ways[:: max(1, len(ways) // 6)], ways[-1]]:
        here.stage.go_back(state)
        here.tell(*(fact for fact in way for _ in range(2)))
        assert (points, points) == (here.of_order(M, "o"), here.balance(M))


def test_e5_a_bonus_goes_with_the_amount_it_asked_for(here: Shop) -> None:
    """500 yuan less 20: the 200 points from 500 yuan on are gone, and it says so."""
    here.at(ELEVENTH)
    regular(here)
    here.buys(M, [of("grocery", 50_000)], "o")
    here.tell(here.refund(M, "o", 2_000))
    assert 3 * 48 == here.of_order(M, "o")
    assert "AMOUNT" == refusals(here.why(M))["double-eleven.bonus"]


def test_e5_a_refund_long_after_the_festival_follows_the_festival(here: Shop) -> None:
    """In spring, when the campaign is over and the day is another: a tenth back is a tenth less."""
    here.at(ELEVENTH)
    regular(here)
    here.buys(M, 10_000, "o")
    here.at("2027-02-01T12:00:00+08:00")
    here.tell(here.refund(M, "o", 1_000))
    assert 300 - 30 == here.of_order(M, "o")


def test_e5_a_refund_follows_the_rules_of_its_award(here: Shop) -> None:
    """Whatever is published between the two: the old order goes by its own rules, a new one by the new."""
    regular(here)
    here.buys(M, [of("luxury", 20_000)], "o")
    answer = here.publishes({"time_zone": "Asia/Shanghai", "currency": "CNY"})
    assert answer.status == 200, answer
    here.tell(here.refund(M, "o", 5_000))
    assert (75, 200) == (here.of_order(M, "o"), here.buys(M, [of("luxury", 20_000)]))


# E6 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "rule", "points"),
    [
        ("member.registered", "register", 100),
        ("member.verified", "verified", 50),
        ("member.phone_bound", "phone", 20),
        ("member.profile_completed", "profile", 50),
        ("group.joined", "group", 20),
        ("account.followed", "follow", 20),
    ],
)
def test_e6_joining(here: Shop, what: str, rule: str, points: int) -> None:
    """Once in a lifetime; a second time the answer names the cap, which never resets."""
    assert points == here.does(M, what)["points"]
    again = here.does(M, what)
    cap = {"cap": f"{rule}/ever/times", "limit": 1, "allowed": 0, "cut": points, "resets_at": None}
    assert (0, [cap], points) == (again["points"], cuts(again["why"]), here.available(M))


@pytest.mark.usefixtures("aws")
def test_e6_50_or_100_for_registering() -> None:
    """By the channel that the event names; another one gives nothing and says that the data do not pass."""

    def by(channel: str, points: int) -> dict[str, Any]:
        when = {"data": {"channel": {"is": [channel]}}}
        return {"id": channel, "on": "member.registered", "when": when, "fixed": points}

    with earning(MONDAY, by("app", 100), by("store", 50)) as here:
        registered = {
            channel: here.does(f"m-{channel}", "member.registered", channel=channel)
            for channel in ("app", "store", "post")
        }
        assert [100, 50, 0] == [answer["points"] for answer in registered.values()]
        assert {"app": "DATA", "store": "DATA"} == refusals(registered["post"]["why"])


# E7 ------------------------------------------------------------------------------------------------------------------


def test_e7_a_rising_streak(here: Shop) -> None:
    """10 on the first day, 50 and 200 besides on the seventh; then 50 a day, with 300 at 14 and 600 at 28."""
    points = [answer["points"] for answer in on_days(here, MONDAY, 28, lambda: here.checks_in(M))]
    week = [10, 15, 20, 25, 30, 40, 250]
    assert [*week, *[50] * 6, 350, *[50] * 13, 650] == points
    assert (28, sum(points)) == (here.stage.get(f"/v1/members/{M}/check-ins")["run"]["days"], here.available(M))


def test_e7_a_missed_day_breaks_the_run(here: Shop) -> None:
    """The next check-in is a first one."""
    on_days(here, MONDAY, 3, lambda: here.checks_in(M))
    here.at("2026-03-13T12:00:00+08:00")
    answer = here.checks_in(M)
    assert (10, 1) == (answer["points"], answer["run"]["days"])


def test_e7_making_up_costs_10_points_and_mends_the_run(here: Shop) -> None:
    """Six days with one missed among seven: made up for, the run reaches the seventh and its 200."""
    on_days(here, MONDAY, 3, lambda: here.checks_in(M))
    on_days(here, "2026-03-13T12:00:00+08:00", 3, lambda: here.checks_in(M))
    done = here.makes_up(M).body
    assert ("2026-03-12", 10, 200, 7) == (done["day"], done["cost"], done["points"], done["run"]["days"])
    assert (10 + 15 + 20) * 2 - 10 + 200 == here.available(M)
    here.at("2026-03-16T12:00:00+08:00")
    assert 50 == here.checks_in(M)["points"]


def test_e7_the_day_is_the_local_day(here: Shop) -> None:
    """Ten to midnight and ten past in Shanghai are two days, though one in Greenwich; twice on one day is once."""
    here.at("2026-03-09T23:50:00+08:00")
    first = here.checks_in(M)
    again = here.checks_in(M)
    here.at("2026-03-10T00:10:00+08:00")
    second = here.checks_in(M)
    assert [("2026-03-09", 10), ("2026-03-09", 0), ("2026-03-10", 15)] == [
        (one["day"], one["points"]) for one in (first, again, second)
    ]
    assert {"check-in": "ALREADY_CHECKED_IN"} == refusals(again["why"])


@pytest.mark.parametrize(
    ("restart", "second_week"), [(False, [20] * 7), (True, [5, 8, 10, 12, 15, 18, 20])], ids=["stays", "restarts"]
)
@pytest.mark.usefixtures("aws")
def test_e7_from_5_to_20(restart: bool, second_week: list[int]) -> None:  # noqa: FBT001 - a parameter of the test
    """Within a week; in the second it stays there, or begins again."""
    days = [5, 8, 10, 12, 15, 18, 20]
    rule = {"id": "daily", "on": "member.checked_in", "streak": {"days": days, "restart": restart}}
    with earning(MONDAY, rule) as here:
        points = [answer["points"] for answer in on_days(here, MONDAY, 14, lambda: here.checks_in(M))]
        assert [*days, *second_week] == points


# E8 ------------------------------------------------------------------------------------------------------------------


def test_e8_three_minutes_are_5_points_and_at_most_30_a_day(here: Shop) -> None:
    """Ninety seconds twice are three minutes; the answer to the last visit names the cap and its reset."""
    answers = [here.does(M, "page.browsed", seconds=seconds) for seconds in (90, 90, 179, 1, 720, 180)]
    assert [2, 3, 4, 1, 20, 0] == [answer["points"] for answer in answers]
    cap = {"cap": "browse/day/points", "limit": 30, "allowed": 0, "cut": 5, "resets_at": "2026-03-09T16:00:00Z"}
    assert [cap] == cuts(answers[-1]["why"])
    here.at("2026-03-10T00:00:00+08:00")
    assert 5 == here.does(M, "page.browsed", seconds=180)["points"]


def test_e8_sharing_counts_three_times_a_day(here: Shop) -> None:
    """5 each, the third with the 10 of the daily task; the fourth waits for tomorrow."""
    answers = [here.does(M, "page.shared") for _ in range(4)]
    assert [5, 5, 15, 0] == [answer["points"] for answer in answers]
    cap = {"cap": "share/day/times", "limit": 3, "allowed": 0, "cut": 5, "resets_at": "2026-03-09T16:00:00Z"}
    assert [cap] == cuts(answers[-1]["why"])


@pytest.mark.parametrize(("points", "status"), [(9, 422), (10, 200), (50, 200), (51, 422)])
def test_e8_a_survey_gives_10_to_50(here: Shop, points: int, status: int) -> None:
    """As the shop says within these bounds; anything else is refused by name."""
    answer = here.sends(M, "survey.completed", points=points, survey_id="s-1")
    assert (status, points if status == 200 else 0) == (answer.status, here.available(M))
    if status == 422:
        assert [{"field": "data.points", "problem": "is not a whole number from 10 to 50"}] == answer.body["errors"]


def test_e8_one_survey_a_day_and_each_once(here: Shop) -> None:
    """Another one today meets the cap; the same one tomorrow was answered before."""
    assert 30 == here.does(M, "survey.completed", points=30, survey_id="s-1")["points"]
    second = here.does(M, "survey.completed", points=30, survey_id="s-2")
    here.at("2026-03-10T12:00:00+08:00")
    third = here.does(M, "survey.completed", points=30, survey_id="s-1")
    cap = {"cap": "survey/day/times", "limit": 1, "allowed": 0, "cut": 30, "resets_at": "2026-03-09T16:00:00Z"}
    assert ([cap], {"survey": "ONCE_PER"}) == (cuts(second["why"]), refusals(third["why"]))


@pytest.mark.parametrize(("what", "daily"), [("page.browsed", 5), ("page.shared", 5)])
def test_e8_runs_of_7_14_and_28_days(here: Shop, what: str, daily: int) -> None:
    """20, 50 and 100 besides what the day gives."""
    points = [answer["points"] for answer in on_days(here, MONDAY, 28, lambda: here.does(M, what, seconds=180))]
    marks = {7: 20, 14: 50, 28: 100}
    assert [daily + marks.get(day, 0) for day in range(1, 29)] == points


# E9 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("points", "status"), [(29, 422), (30, 200), (100, 200), (101, 422)])
def test_e9_a_selected_review_gives_30_to_100_valid_7_days(here: Shop, points: int, status: int) -> None:
    """Its own validity, whatever that of the program; each review once."""
    answer = here.sends(M, "review.selected", review_id="r-1", points=points)
    lots = here.stage.get(f"/v1/members/{M}/lots")["lots"]
    expected = [(points, "2026-03-16", None, 7)] if status == 200 else []
    found = [(lot["points"], lot["expires_on"], lot["active_from"], lot["days_left"]) for lot in lots]
    assert (status, expected) == (answer.status, found)


def test_e9_points_of_a_selected_review_are_gone_on_the_eighth_day(here: Shop) -> None:
    """Spendable through the seventh."""
    here.does(M, "review.selected", review_id="r-1", points=100)
    assert (
        "ONCE_PER" == refusals(here.does(M, "review.selected", review_id="r-1", points=100)["why"])["review-selected"]
    )
    here.at("2026-03-16T23:59:59+08:00")
    assert 100 == here.available(M)
    here.sweeps("2026-03-17T00:00:00+08:00")
    assert ([100, -100], 0) == ([entry["points"] for entry in here.stage.entries(M)], here.available(M))


def test_e9_the_ten_most_liked_reviews_of_a_month(here: Shop) -> None:
    """Ranks one to ten get 200, the eleventh nothing; once a month, and the next month again."""
    answers = {rank: here.does(f"m-{rank}", "review.ranked", rank=rank) for rank in (1, 10, 11)}
    assert [200, 200, 0] == [answer["points"] for answer in answers.values()]
    assert {"review-top10": "DATA"} == refusals(answers[11]["why"])
    again = here.does("m-1", "review.ranked", rank=2)
    cap = {"cap": "review-top10/month/times", "limit": 1, "allowed": 0, "cut": 200, "resets_at": "2026-03-31T16:00:00Z"}
    assert [cap] == cuts(again["why"])
    here.at("2026-04-01T00:00:00+08:00")
    assert 200 == here.does("m-1", "review.ranked", rank=2)["points"]


@pytest.mark.parametrize(("score", "points"), [(59, 0), (60, 20), (89, 20), (90, 200), (100, 200)])
def test_e9_a_quality_score_gives_points_after_approval(here: Shop, score: int, points: int) -> None:
    """90 and more 200, from 60 on 20; nothing is posted before an operator has approved, and then once."""
    waits = here.does(M, "review.scored", "scored", review_id="r-1", score=score)
    assert ("IN_REVIEW" if points else "NOTHING", 0, points) == (waits["status"], waits["points"], waits["proposed"])
    assert 0 == here.balance(M)
    answers = [here.decides(M, "scored", "approve").status for _ in range(2)]
    assert (([200, 409] if points else [409, 409]), points) == (answers, here.available(M))


def test_e9_a_rejected_score_gives_nothing(here: Shop) -> None:
    """For good."""
    here.does(M, "review.scored", "scored", review_id="r-1", score=95)
    assert "REJECTED" == here.decides(M, "scored", "reject").body["status"]
    assert (409, 0) == (here.decides(M, "scored", "approve").status, here.balance(M))


@pytest.mark.parametrize(
    ("changes", "points"),
    [({}, 50), ({"likes": 99}, 0), ({"comments": 49}, 0), ({"shares": 29}, 0), ({"days": 8}, 0)],
    ids=str,
)
def test_e9_the_engagement_bonus_asks_for_all_of_it(here: Shop, changes: dict[str, int], points: int) -> None:
    """100 likes, 50 comments and 30 shares within 7 days are 50 points; each review once."""
    data = {"review_id": "r-1", "likes": 100, "comments": 50, "shares": 30, "days": 7} | changes
    answers = [here.does(M, "review.engaged", **data) for _ in range(2)]
    assert [points, 0] == [answer["points"] for answer in answers]
    assert {"review-engaged": "ONCE_PER" if points else "DATA"} == refusals(answers[1]["why"])


# E10 -----------------------------------------------------------------------------------------------------------------


def invited(here: Shop) -> None:
    """``M``, who is a member, has invited ``FRIEND``; what M has until now are the points of registering."""
    here.does(M, "member.registered")
    assert 50 == here.does(FRIEND, "invite.accepted", inviter=M)["points"]


@pytest.mark.parametrize(
    ("minor", "points"), [(1_000, 50), (4_999, 50), (5_000, 100), (9_999, 100), (10_000, 200), (30_000, 200)]
)
def test_e10_both_sides_and_the_inviter_by_the_amount(here: Shop, minor: int, points: int) -> None:
    """50 for the friend at once; the inviter waits for the first order: 50, 100 from 50 yuan, 200 from 100 on."""
    invited(here)
    assert 100 == here.available(M)
    here.buys(FRIEND, minor, "first")
    assert (points, "FRIEND_ORDERED") == (here.of_order(M, "first"), here.stage.entries(M)[-1]["reason"])
    here.buys(FRIEND, minor, "second")
    assert 0 == here.of_order(M, "second")


def test_e10_a_first_order_of_next_to_nothing_gives_the_inviter_nothing(here: Shop) -> None:
    """Below 10 yuan no step is reached, and the second order is too late for it."""
    invited(here)
    here.buys(FRIEND, 999, "first")
    here.buys(FRIEND, 30_000, "second")
    assert [0, 0] == [here.of_order(M, order) for order in ("first", "second")]


def test_e10_what_is_no_invitation(here: Shop) -> None:
    """Oneself, a second inviter, in a ring, or by nobody: the reason is said and nothing given."""
    invited(here)
    here.does("m-3", "member.registered")
    reasons = [
        here.does(friend, "invite.accepted", inviter=inviter)["why"][0]["refused"]
        for friend, inviter in (("m-3", "m-3"), (FRIEND, "m-3"), (M, FRIEND), ("m-4", "nobody"))
    ]
    assert ["SELF_INVITE", "ALREADY_INVITED", "INVITE_RING", "INVITER_UNKNOWN"] == reasons
    assert [100, 50, 100] == [here.balance(member) for member in (M, FRIEND, "m-3")]


def test_e10_somebody_who_has_ordered_is_no_new_member(here: Shop) -> None:
    """Invites are for friends who are new."""
    here.does(M, "member.registered")
    here.buys(FRIEND, 100)
    refused = here.does(FRIEND, "invite.accepted", inviter=M)
    assert (0, "HAS_ORDERED") == (refused["points"], refused["why"][0]["refused"])


def test_e10_a_refund_takes_the_inviters_points_back(here: Shop) -> None:
    """They fall with what is kept of the friend's order, and go with it; so do both when it is cancelled."""
    invited(here)
    here.buys(FRIEND, 12_000, "first")
    found = [here.of_order(M, "first")]
    for number, minor in enumerate((2_000, 1, 5_000, 4_999)):
        here.tell(here.refund(FRIEND, "first", minor, str(number)))
        found.append(here.of_order(M, "first"))
    assert [200, 200, 100, 50, 0] == found
    assert (100, True) == (here.balance(M), here.stage.proved(M))


def test_e10_a_refund_that_comes_before_the_payment_counts_all_the_same(here: Shop) -> None:
    """60 yuan are kept of 100: the inviter gets 100."""
    invited(here)
    here.tell(here.refund(FRIEND, "first", 4_000), here.paid(FRIEND, 10_000, "first"))
    assert 100 == here.of_order(M, "first")


# E11 -----------------------------------------------------------------------------------------------------------------


def test_e11_a_novice_task_with_its_progress(here: Shop) -> None:
    """Three orders; one that is given back counts no more, and takes the reward with it."""
    seen = []
    for number in range(3):
        here.buys(M, 100, f"o-{number}")
        seen.append(here.task(M, "task-novice"))
    assert [(1, 3, 0), (2, 3, 0), (3, 3, 60)] == seen
    here.tell(here.cancelled(M, "o-1"))
    assert (2, 3, 0) == here.task(M, "task-novice")
    assert {"task": "task-novice", "window": "ever", "taken_back": 60, "policy": "debt"} in here.why(M, "task")


def test_e11_a_daily_task_begins_anew_each_day(here: Shop) -> None:
    """Share three pages."""
    for number in range(3):
        assert (number, 3, 0) == here.task(M, "task-daily")
        here.does(M, "page.shared")
    assert (3, 3, 10) == here.task(M, "task-daily")
    here.at("2026-03-10T00:00:00+08:00")
    assert (0, 3, 0) == here.task(M, "task-daily")


def test_e11_an_hour_of_reading_in_a_week(here: Shop) -> None:
    """Of seconds that the events name."""
    here.does(M, "page.browsed", seconds=3_599)
    assert (3_599, 3_600, 0) == here.task(M, "task-weekly-reading")
    assert {"task-weekly-reading": 30} == given(here.does(M, "page.browsed", seconds=1)["why"])


def test_e11_campaigns_that_a_member_takes_part_in(here: Shop) -> None:
    """Each counts once."""
    answers = [here.does(M, "campaign.joined", campaign=name) for name in ("spring", "spring", "summer", "autumn")]
    assert [0, 0, 0, 100] == [answer["points"] for answer in answers]
    assert ["GOAL_NOT_REACHED", "ONCE_PER", "GOAL_NOT_REACHED", None] == [
        refusals(answer["why"]).get("task-activity") for answer in answers
    ]


def test_e11_a_promotion_task_within_its_campaign(here: Shop) -> None:
    """Two orders on the eleventh of November are 88 points; two on the twelfth are none."""
    regular(here)
    for at, name in ((ELEVENTH, "a"), ("2026-11-12T12:00:00+08:00", "b")):
        here.at(at)
        for number in range(2):
            here.buys(M, 100, f"{name}-{number}")
    tasks = [entry for entry in here.stage.entries(M) if entry["source"]["id"].startswith("double-eleven")]
    assert [("double-eleven.task-promotion:ever", 88)] == [(entry["source"]["id"], entry["points"]) for entry in tasks]


def test_e11_five_orders_in_a_month(here: Shop) -> None:
    """The fifth gives 50; a month later the count begins anew."""
    regular(here)
    for number in range(5):
        here.buys(M, 100, f"o-{number}")
    assert (5, 5, 50) == here.task(M, "task-orders")
    here.at("2026-04-01T00:00:00+08:00")
    assert (0, 5, 0) == here.task(M, "task-orders")


def test_e11_every_1000_yuan_in_a_month(here: Shop) -> None:
    """2,300 are 200 points; 400 given back leave 1,900, and 100."""
    regular(here)
    here.buys(M, [of("grocery", 230_000)], "o")
    assert (230_000, 100_000, 200) == here.task(M, "task-amount")
    here.tell(here.refund(M, "o", 40_000))
    assert (190_000, 100_000, 100) == here.task(M, "task-amount")


# E12, T1 -------------------------------------------------------------------------------------------------------------


def test_t1_10000_points_in_a_year_make_gold_at_once(here: Shop) -> None:
    """Progress before, benefits after; the very next order earns by them."""
    earns_a_thousand(here, M, MONDAY, 9)
    before = here.tier(M)
    assert ("senior", {"level": "gold", "title": "Gold", "needs": 10_000, "has": 9_000, "missing": 1_000}) == (
        before["level"],
        {name: before["next"][name] for name in ("level", "title", "needs", "has", "missing")},
    )
    here.at("2026-03-18T12:00:00+08:00")
    here.buys(M, [of("grocery", 10_000_000)], "the-last")
    after = here.tier(M)
    assert ("gold", "Gold", "2026-03-18", "2027-02-28", None) == (
        after["level"],
        after["title"],
        after["since"],
        after["until"],
        after["next"],
    )
    services = ["free shipping", "service line"]
    assert {"multiplier": "1.2", "discount": "0.1", "services": services, "allowance": 500} == after["benefits"]
    here.at("2026-04-01T12:00:00+08:00")
    assert 120 == here.buys(M, 10_000)
    assert {"base": 100, "tier.gold": 20} == given(here.why(M))


@pytest.fixture(scope="module")
def gold(published: tuple[Shop, Any]) -> Any:
    """The sample program with a member who has become gold on 18 March 2026."""
    here, state = published
    here.stage.go_back(state)
    earns_a_thousand(here, M, MONDAY, 10)
    return here.stage.remember()


def test_e12_gold_gets_500_a_month(here: Shop, gold: Any) -> None:
    """On the first of each month, once however often the sweep runs; the entry says for what."""
    here.stage.go_back(gold)
    before = here.available(M)
    here.sweeps("2026-03-31T23:59:00+08:00")
    assert before == here.available(M)
    for as_of in ("2026-04-01T00:05:00+08:00", "2026-04-01T03:00:00+08:00", "2026-04-20T00:05:00+08:00"):
        here.sweeps(as_of)
        assert before + 500 == here.available(M)
    here.sweeps("2026-05-01T00:05:00+08:00")
    newest = here.stage.entries(M)[-1]
    assert (before + 1_000, "TIER_ALLOWANCE", {"type": "allowance", "id": "2026-05"}) == (
        here.available(M),
        newest["reason"],
        newest["source"],
    )


def test_t1_gold_is_kept_for_the_twelve_months_and_warned_before_it_falls(here: Shop, gold: Any) -> None:
    """Thirty days before the end it says when, to what, and how much would keep it."""
    here.stage.go_back(gold)
    here.at("2027-01-29T12:00:00+08:00")
    assert ("gold", None) == (here.tier(M)["level"], here.tier(M)["warning"])
    here.at("2027-01-30T12:00:00+08:00")
    assert {"drops_to": "member", "on": "2027-03-01", "missing": 10_000} == here.tier(M)["warning"]
    here.at("2027-02-28T23:59:59+08:00")
    assert "gold" == here.tier(M)["level"]
    here.at("2027-03-01T00:00:00+08:00")
    assert "member" == here.tier(M)["level"]


@pytest.mark.parametrize(
    ("downgrade", "levels"),
    [
        ("period_end", ["gold", "gold", "member", "member"]),
        ("one_step", ["gold", "gold", "senior", "member"]),
        ("at_once", ["gold", "member", "member", "member"]),
        ("never", ["gold", "gold", "gold", "gold"]),
    ],
)
@pytest.mark.usefixtures("aws")
def test_t1_how_a_level_falls_is_chosen(downgrade: str, levels: list[str]) -> None:
    """10,000 points in 2026 and none since; at New Year of the four years after it begins."""
    ladder = [{"id": "member", "from": 0}, {"id": "senior", "from": 3_000}, {"id": "gold", "from": 10_000}]
    tiers = {"by": "points", "period": "year", "downgrade": downgrade, "levels": ladder}
    with shop(MONDAY, tiers=tiers) as here:
        here.buys(M, 1_000_000)
        found = []
        for at in (MONDAY, *(f"{year}-01-01T12:00:00+08:00" for year in (2027, 2028, 2029))):
            here.at(at)
            found.append(here.tier(M)["level"])
        assert levels == found


@pytest.mark.parametrize(
    ("tiers", "level"),
    [
        ({"by": "points", "period": "lifetime"}, "gold"),
        ({"by": "points", "period": "months", "months": 3}, "member"),
        ({"by": "spend", "period": "lifetime"}, "gold"),
    ],
    ids=str,
)
@pytest.mark.usefixtures("aws")
def test_t1_by_points_or_spend_over_a_lifetime_or_the_last_months(tiers: dict[str, Any], level: str) -> None:
    """6,000 yuan in March and 4,000 in September; a point a yuan, or an amount a hundred times as large."""
    reach = 1_000_000 if tiers["by"] == "spend" else 10_000
    levels = [{"id": "member", "from": 0}, {"id": "gold", "from": reach}]
    with shop(MONDAY, tiers={**tiers, "levels": levels}) as here:
        here.buys(M, 600_000)
        here.at("2026-09-09T12:00:00+08:00")
        here.buys(M, 400_000)
        assert level == here.tier(M)["level"]


def test_t1_a_refund_undoes_the_rise_of_the_figure(here: Shop) -> None:
    """What is given back counts no more towards the next level."""
    here.buys(M, 90_000, "o")
    assert 2_000 == here.tier(M)["next"]["missing"]
    here.tell(here.refund(M, "o", 40_000))
    assert 2_400 == here.tier(M)["next"]["missing"]


# E13 -----------------------------------------------------------------------------------------------------------------


def test_e13_at_most_1000_points_a_day_over_all_rules(here: Shop) -> None:
    """1,500 yuan give 1,000; the cap says what it took and that it resets at midnight in Shanghai."""
    regular(here)
    assert 1_000 == here.buys(M, 150_000, "o")
    cap = {"cap": "*/day/points", "limit": 1_000, "allowed": 1_000, "cut": 500, "resets_at": "2026-03-09T16:00:00Z"}
    earned = next(entry for entry in here.stage.entries(M) if entry["source"]["id"] == "o")
    assert [cap] == cuts(earned["why"])
    shared = here.does(M, "page.shared")
    none_left = cap | {"allowed": 0, "cut": 5}
    assert (0, [none_left]) == (shared["points"], cuts(shared["why"]))
    here.at("2026-03-10T00:00:00+08:00")
    assert 5 == here.does(M, "page.shared")["points"]


def test_e13_at_most_10000_points_a_month(here: Shop) -> None:
    """The eleventh day of a thousand gives nothing; the first of the next month does."""
    regular(here)
    earns_a_thousand(here, M, "2026-04-01T12:00:00+08:00", 10)
    here.at("2026-04-11T12:00:00+08:00")
    answer = here.does(M, "page.shared")
    cap = {"cap": "*/month/points", "limit": 10_000, "allowed": 0, "cut": 5, "resets_at": "2026-04-30T16:00:00Z"}
    assert (0, [cap]) == (answer["points"], cuts(answer["why"]))
    here.at("2026-05-01T00:00:00+08:00")
    assert 5 == here.does(M, "page.shared")["points"]


def test_e13_caps_are_for_each_member(here: Shop) -> None:
    """One member's day does not fill another's."""
    for member in (M, FRIEND):
        regular(here, member)
        assert 1_000 == here.buys(member, 150_000)


def test_e13_a_refund_gives_room_back(here: Shop) -> None:
    """Of 1,500 yuan 800 are given back: 700 are earned, and 300 more fit into the day."""
    regular(here)
    here.buys(M, 150_000, "o")
    here.tell(here.refund(M, "o", 80_000))
    assert (700, 300) == (here.of_order(M, "o"), here.buys(M, 40_000))


@pytest.mark.parametrize(
    ("per", "resets_at"),
    [
        ("day", "2026-03-09T16:00:00Z"),
        ("week", "2026-03-15T16:00:00Z"),
        ("month", "2026-03-31T16:00:00Z"),
        ("year", "2026-12-31T16:00:00Z"),
        ("ever", None),
    ],
)
@pytest.mark.usefixtures("aws")
def test_e13_a_cap_of_one_rule_names_its_reset(per: str, resets_at: str | None) -> None:
    """By day, week (from Monday), month, year or ever: points of an order are cut, and times of an event."""
    rules: list[Mapping[str, Any]] = [
        {**BASE, "caps": [{"per": per, "points": 30}]},
        {"id": "share", "on": "page.shared", "fixed": 5, "caps": [{"per": per, "times": 1}]},
    ]
    with earning(MONDAY, *rules) as here:
        assert 30 == here.buys(M, 4_500)
        order = {"cap": f"base/{per}/points", "limit": 30, "allowed": 30, "cut": 15, "resets_at": resets_at}
        assert [order] == cuts(here.why(M))
        here.does(M, "page.shared")
        again = here.does(M, "page.shared")
        event = {"cap": f"share/{per}/times", "limit": 1, "allowed": 0, "cut": 5, "resets_at": resets_at}
        assert [event] == cuts(again["why"])


@pytest.mark.usefixtures("aws")
def test_e13_a_campaign_gives_no_more_than_its_budget() -> None:
    """500 points for all members together: 300, then 200; what a refund takes back is there to be given again."""
    double = {"id": "spring", "budget_points": 500, "rules": [{"id": "double", "multiply": "2"}]}
    with earning(MONDAY, BASE, campaigns=[double]) as here:
        assert 300 + 300 == here.buys(M, 30_000, "o")
        assert 300 + 200 == here.buys(FRIEND, 30_000)
        assert [{"campaign": "spring", "budget_left": 200, "cut": 100}] == cuts(here.why(FRIEND))
        here.tell(here.refund(M, "o", 10_000))
        assert (200 + 200, 50 + 50) == (here.of_order(M, "o"), here.buys("m-3", 5_000))


# E14 -----------------------------------------------------------------------------------------------------------------


def test_e14_points_wait_until_the_return_window_closes(here: Shop) -> None:
    """The 100 of the first order are pending for 14 days, the rest can be spent at once."""
    here.buys(M, 5_000)
    seen = here.stage.member(M)
    assert (50, 100, 150) == (seen["available"], seen["pending"], seen["balance"])
    assert (409, "INSUFFICIENT_POINTS") == ((refused := here.stage.redeem(M, 100, "k")).status, refused.code)
    here.at("2026-03-22T23:59:59+08:00")
    assert (50, 100) == ((seen := here.stage.member(M))["available"], seen["pending"])
    here.at("2026-03-23T00:00:00+08:00")
    assert (150, 0) == ((seen := here.stage.member(M))["available"], seen["pending"])
    assert 201 == here.stage.redeem(M, 100, "k2").status


def test_e14_what_is_given_back_within_the_window_never_becomes_available(here: Shop) -> None:
    """Pending points are taken back like others; the spendable ones of another order stay."""
    here.buys(M, 5_000, "o-1")
    here.buys(M, 3_000, "o-2")
    here.tell(here.refund(M, "o-1", 5_000))
    here.at("2026-04-09T12:00:00+08:00")
    seen = here.stage.member(M)
    assert (60, 0, 60, True) == (seen["available"], seen["pending"], seen["balance"], here.stage.proved(M))


@pytest.mark.usefixtures("aws")
def test_e14_days_are_said_by_each_rule() -> None:
    """Order points after seven days, a bonus after thirty, a share at once; nothing waits unless said."""
    rules: list[Mapping[str, Any]] = [
        {**BASE, "pending_days": 7},
        {"id": "bonus", "fixed": 20, "pending_days": 30},
        {"id": "share", "on": "page.shared", "fixed": 5},
    ]
    with earning(MONDAY, *rules) as here:
        here.buys(M, 10_000)
        here.does(M, "page.shared")
        found = []
        for day in ("2026-03-15", "2026-03-16", "2026-04-07", "2026-04-08"):
            here.at(f"{day}T00:00:00+08:00")
            found.append((here.available(M), here.stage.member(M)["pending"]))
        assert [(5, 120), (105, 20), (105, 20), (125, 0)] == found
