"""Reading a rule set: what each key means, and what is refused by which path."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.errors import InvalidProgram
from jifen.domain.offers import RewardKind
from jifen.domain.points import Rounding
from jifen.domain.program import Program, parse_program
from jifen.domain.rules.model import (
    Basis,
    Campaign,
    Cap,
    Discount,
    Effect,
    Fixed,
    Given,
    Goal,
    Ladder,
    Level,
    MakeUp,
    Multiplier,
    Per,
    Range,
    Rate,
    Rule,
    RuleSet,
    Stacking,
    Streak,
    TierTerms,
    To,
    When,
    Window,
)
from jifen.domain.rules.model import Test as DataTest
from jifen.domain.rules.reading import EXCHANGE_KINDS, SECTIONS
from jifen.domain.validity import Expiry
from tests.domain.builders import instant

SAMPLE = Path(__file__).parents[3] / "local" / "samples" / "program.json"


def rules_of(*rules: dict[str, Any], **earning: Any) -> RuleSet:
    """The rule set of a program with these rules."""
    return parse_program({"earning": {"rules": list(rules), **earning}}).rules


def the_rule(**keys: Any) -> Rule:
    """One rule called ``a``; a rate unless an effect is given."""
    effects = {"rate", "fixed", "ladder", "multiply", "given", "streak"}
    usual: dict[str, Any] = {"rate": {}} if keys.get("on", "order.paid") == "order.paid" else {"fixed": 1}
    effect = {} if effects & set(keys) else usual
    return rules_of({"id": "a", **effect, **keys}).rules[0]


def faults(data: object) -> list[str]:
    """The paths that a program is refused for."""
    with pytest.raises(InvalidProgram) as refusal:
        parse_program(data)
    return [fault.field for fault in refusal.value.faults]


# What the keys mean ---------------------------------------------------------------------------------------------------


def test_the_sample_program_is_read_without_faults() -> None:
    """The sample that holds every figure is a program, and its rules can be stored and read again."""
    rules = parse_program(json.loads(SAMPLE.read_text(encoding="utf-8"))).rules
    assert ("Asia/Shanghai", "CNY") == (rules.zone.key, rules.currency)
    assert rules == parse_program(json.loads(rules.source)).rules
    assert {"tier.senior", "tier.gold", "double-eleven.triple"} <= {rule.id for rule in rules.rules}


@pytest.mark.parametrize(
    ("on", "effect", "expected"),
    [
        ("order.paid", {"rate": {}}, Rate(1, 100)),
        ("order.paid", {"rate": {"points": 10, "per_minor": 10_000}}, Rate(10, 10_000)),
        ("page.browsed", {"rate": {"points": 5, "per": 180, "field": "seconds"}}, Rate(5, 180, "seconds")),
        ("page.browsed", {"rate": {"per": 1, "field": "n", "daily": True}}, Rate(1, 1, "n", daily=True)),
        ("order.paid", {"fixed": 50}, Fixed(50)),
        ("member.registered", {"fixed": 10**9}, Fixed(10**9)),
        ("order.paid", {"ladder": [[0, 50], [10_000, 200]]}, Ladder(((0, 50), (10_000, 200)))),
        ("review.scored", {"ladder": {"field": "score", "steps": [[60, 20]]}}, Ladder(((60, 20),), "score")),
        ("order.paid", {"multiply": "1.2"}, Multiplier(Fraction(6, 5))),
        ("order.paid", {"multiply": "0"}, Multiplier(Fraction(0))),
        ("order.paid", {"multiply": {"by": "100"}}, Multiplier(Fraction(100))),
        ("review.selected", {"given": {"field": "points", "min": 30, "max": 100}}, Given("points", 30, 100)),
        ("survey.completed", {"given": {"field": "points", "max": 50}}, Given("points", 0, 50)),
        (
            "member.checked_in",
            {"streak": {"days": [10, 20], "marks": {"7": 200}, "restart": True}},
            Streak((10, 20), {7: 200}, restart=True),
        ),
        ("page.shared", {"streak": {"marks": {"400": 1}}}, Streak((0,), {400: 1})),
    ],
)
def test_effects(on: str, effect: dict[str, Any], expected: Effect) -> None:
    """Each effect is read with its defaults."""
    assert expected == the_rule(on=on, **effect).effect


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({}, When()),
        ({"category": ["数码", "toys"]}, When(category=frozenset({"数码", "toys"}))),
        ({"not_category": []}, When()),
        ({"product": ["p"], "not_product": ["q"]}, When(product=frozenset("p"), not_product=frozenset("q"))),
        (
            {"region": ["华东"], "tag": ["vip"], "not_tag": ["staff"]},
            When(region=frozenset({"华东"}), tag=frozenset({"vip"}), not_tag=frozenset({"staff"})),
        ),
        ({"first_order": True}, When(order_number=Range(1, 1))),
        ({"first_order": False}, When(order_number=Range(2, None))),
        (
            {"order_number": {"min": 2, "max": 2}, "repeat_within_days": 30},
            When(order_number=Range(2, 2), repeat_within_days=30),
        ),
        ({"birthday": "month"}, When(birthday="month")),
        ({"amount_minor": {"min": 10_000}}, When(amount_minor=Range(10_000, None))),
        ({"amount_minor": {"min": None, "max": 0}}, When(amount_minor=Range(None, 0))),
        ({"window": {}}, When(window=Window())),
    ],
)
def test_conditions(when: dict[str, Any], expected: When) -> None:
    """Each condition is read; what is left out asks for nothing."""
    assert expected == the_rule(when=when).when


def test_conditions_on_the_data_of_an_event() -> None:
    """A field is compared with bounds or with a list of values."""
    when = {"data": {"likes": {"min": 100}, "balance": {"min": -5, "max": 5}, "shop": {"is": ["a", "b"]}}}
    expected = {
        "likes": DataTest(Range(100, None)),
        "balance": DataTest(Range(-5, 5)),
        "shop": DataTest(among=frozenset({"a", "b"})),
    }
    assert expected == the_rule(on="review.engaged", when=when).when.data


@pytest.mark.parametrize(
    ("zone", "window", "starts", "ends"),
    [
        ("Asia/Shanghai", {"from": "2026-11-11"}, "2026-11-10T16:00:00Z", None),
        ("Asia/Shanghai", {"until": "2026-11-12"}, None, "2026-11-12T16:00:00Z"),
        ("Asia/Shanghai", {"until": "2026-11-12T00:00:00"}, None, "2026-11-11T16:00:00Z"),
        (
            "Asia/Shanghai",
            {"from": "2026-11-11T20:00:00", "until": "2026-11-11T22:00"},
            "2026-11-11T12:00:00Z",
            "2026-11-11T14:00:00Z",
        ),
        ("UTC", {"from": "2026-11-11", "until": "2026-11-11"}, "2026-11-11T00:00:00Z", "2026-11-12T00:00:00Z"),
        ("America/Sao_Paulo", {"from": "2018-11-04"}, "2018-11-04T03:00:00Z", None),
        ("America/Sao_Paulo", {"from": "2018-11-04T00:30:00"}, "2018-11-04T03:00:00Z", None),
        ("Europe/London", {"from": "2026-03-29T01:59:59"}, "2026-03-29T01:00:00Z", None),
        ("Europe/London", {"from": "2026-10-25T01:30:00"}, "2026-10-25T00:30:00Z", None),
        ("America/St_Johns", {"from": "2010-11-07"}, "2010-11-07T03:30:00Z", None),
    ],
)
def test_windows_are_written_in_the_programs_zone(
    zone: str, window: dict[str, str], starts: str | None, ends: str | None
) -> None:
    """A day named as the end is included whole; a time that the clock skips is the first instant after it."""
    data = {"time_zone": zone, "earning": {"rules": [{"id": "a", "rate": {}, "when": {"window": window}}]}}
    expected = Window(instant(starts) if starts else None, instant(ends) if ends else None)
    assert expected == parse_program(data).rules.rules[0].when.window


def test_hours_and_weekdays() -> None:
    """Hours are minutes of the day, weekdays count from Monday."""
    window = {"weekdays": ["mon", "sun"], "hours": ["20:00-22:00", "22:00-02:00", "23:30-24:00"]}
    expected = Window(weekdays=frozenset({0, 6}), hours=((1200, 1320), (1320, 120), (1410, 1440)))
    assert expected == the_rule(when={"window": window}).when.window


def test_the_other_keys_of_a_rule() -> None:
    """Everything that can be said of a rule on an event arrives."""
    expected = Rule(
        id="a",
        effect=Fixed(50),
        on="review.engaged",
        rounding=Rounding.CEIL,
        caps=(Cap(Per.DAY, points=30), Cap(Per.DAY, times=3), Cap(Per.EVER, times=9)),
        priority=-5,
        group="g",
        valid=Expiry("days", 7, round_up_to="none"),
        pending_days=14,
        goal=Goal("data", 3, Per.MONTH, "seconds", again=True),
        approval=True,
        once_per="review_id",
        qualifies=False,
        enabled=False,
        title="积分",
    )
    written = {
        "id": "a",
        "title": "积分",
        "on": "review.engaged",
        "enabled": False,
        "priority": -5,
        "group": "g",
        "rounding": "ceil",
        "fixed": 50,
        "valid": {"policy": "days", "days": 7},
        "pending_days": 14,
        "caps": [{"per": "day", "points": 30}, {"per": "day", "times": 3}, {"per": "ever", "times": 9}],
        "goal": {"of": "data", "reach": 3, "per": "month", "field": "seconds", "again": True},
        "approval": True,
        "once_per": "review_id",
        "qualifies": False,
    }
    assert (expected,) == rules_of(written, groups={"g": "sum"}).rules


def test_the_keys_beside_the_rules() -> None:
    """Stacking, rounding, caps over all rules, basis and exclusions arrive."""
    found = rules_of(
        stacking="exclusive",
        groups={"rates": "exclusive", "festival": "best_of"},
        round_once="half_up",
        multipliers="compound",
        caps=[{"per": "day", "points": 1000}, {"per": "month", "points": 0}],
        basis={"tax": False, "shipping": True},
        exclude={"category": ["gift-card"], "product": ["x"]},
    )
    expected = RuleSet(
        (),
        stacking=Stacking.EXCLUSIVE,
        groups={"rates": Stacking.EXCLUSIVE, "festival": Stacking.BEST_OF},
        once=Rounding.HALF_UP,
        compound=True,
        caps=(Cap(Per.DAY, points=1000), Cap(Per.MONTH, points=0)),
        basis=Basis(tax=False, shipping=True),
        not_category=frozenset({"gift-card"}),
        not_product=frozenset({"x"}),
    )
    assert expected == found


def test_the_inviter_is_paid_for_the_first_order_unless_the_rule_says_otherwise() -> None:
    """A rule for the inviter looks at the friend's first order; one on an accepted invitation at nothing."""
    second = {"order_number": {"max": 3}}
    assert Range(1, 1) == the_rule(to="inviter").when.order_number
    assert Range(None, 3) == the_rule(to="inviter", when=second).when.order_number
    accepted = the_rule(on="invite.accepted", to="inviter")
    assert (To.INVITER, None) == (accepted.to, accepted.when.order_number)


def test_a_campaigns_rules_carry_its_name_and_stand_last() -> None:
    """The same short name may be used inside a campaign; other rules name it in full."""
    campaign = {
        "id": "fest",
        "title": "节",
        "from": "2026-11-11",
        "until": "2026-11-11",
        "budget_points": 5,
        "rules": [{"id": "base", "rate": {}}],
    }
    double = {"id": "double", "multiply": {"by": "2", "rules": ["base", "fest.base"]}}
    tiers = {"levels": [{"id": "m", "from": 0, "multiplier": "2"}]}
    rules = parse_program(
        {"earning": {"rules": [{"id": "base", "rate": {}}, double], "campaigns": [campaign]}, "tiers": tiers}
    ).rules
    assert ["base", "double", "tier.m", "fest.base"] == [rule.id for rule in rules.rules]
    assert ["", "", "", "fest"] == [rule.campaign for rule in rules.rules]
    expected = Campaign("fest", instant("2026-11-11T00:00:00Z"), instant("2026-11-12T00:00:00Z"), 5, "节")
    assert (expected,) == rules.campaigns


def test_a_campaign_may_make_rewards_cost_less() -> None:
    """With rules or without; a program without such a campaign is named by its content as before."""
    exchange: dict[str, Any] = {"by": "0.80", "categories": ["home"], "rewards": ["cup"], "kinds": ["virtual"]}
    rule = {"id": "gift", "fixed": 5}
    data = {"campaigns": [{"id": "a", "exchange": exchange}, {"id": "b", "rules": [rule], "exchange": {"by": "0.5"}}]}
    rules = parse_program({"earning": data}).rules

    chosen = (frozenset({"home"}), frozenset({"cup"}), frozenset({"virtual"}))
    assert [Discount(Fraction(4, 5), *chosen), Discount(Fraction(1, 2))] == [one.exchange for one in rules.campaigns]
    assert ["base", "b.gift"] == [one.id for one in rules.rules]
    assert rules == parse_program(json.loads(rules.source)).rules
    plain = parse_program({"earning": {"campaigns": [{"id": "b", "rules": [rule]}]}}).rules
    assert '{"earning":{"campaigns":[{"id":"b","rules":[{"fixed":5,"id":"gift"}]}]}}' == plain.source
    assert plain != rules


def test_every_kind_of_reward_that_costs_points_can_cost_less() -> None:
    """All but vouchers, which are sold for money."""
    assert {*RewardKind} - {RewardKind.VOUCHER} == {*EXCHANGE_KINDS}


def test_a_program_with_campaigns_only_keeps_the_default_rule() -> None:
    """Leaving out the rules means the default, also beside a campaign that multiplies it."""
    campaign = {"id": "x", "rules": [{"id": "double", "multiply": {"by": "2", "rules": ["base"]}}]}
    rules = parse_program({"earning": {"campaigns": [campaign]}}).rules
    assert ["base", "x.double"] == [rule.id for rule in rules.rules]


def test_tiers() -> None:
    """Levels are read with their benefits; a multiplier becomes a rule of its own after the written ones."""
    gold = {"id": "gold", "from": 10_000, "title": "金卡", "allowance": 500, "multiplier": "1.2", "discount": "0.10"}
    data = {
        "tiers": {
            "by": "spend",
            "period": "months",
            "months": 6,
            "downgrade": "one_step",
            "warn_days": 0,
            "levels": [{"id": "member", "from": 0}, {**gold, "services": ["free shipping"]}],
        },
        "earning": {"rules": [{"id": "a", "fixed": 5, "when": {"tier": ["gold"]}}]},
    }
    rules = parse_program(data).rules
    levels = (
        Level("member", 0),
        Level("gold", 10_000, 500, Fraction(6, 5), Fraction(1, 10), ("free shipping",), "金卡"),
    )
    assert TierTerms(levels, "spend", "months", 6, "one_step", 0) == rules.tiers
    assert (
        Rule("a", Fixed(5), when=When(tier=frozenset({"gold"}))),
        Rule("tier.gold", Multiplier(Fraction(6, 5)), when=When(tier=frozenset({"gold"}))),
    ) == rules.rules


def test_making_up_for_a_check_in() -> None:
    """Only its cost must be said."""
    assert MakeUp(10, 7, 3, pays=False) == parse_program({"check_in": {"make_up": {"cost": 10}}}).rules.make_up
    assert parse_program({"check_in": {}}).rules.make_up is None


def test_rules_count_by_the_zone_currency_and_validity_of_the_program() -> None:
    """A rule set is complete: it brings along what it counts days and money by."""
    program = parse_program({"time_zone": "Asia/Tokyo", "currency": "JPY", "expiry": {"policy": "never"}})
    rules = program.rules
    assert (program.zone, program.currency, program.expiry) == (rules.zone, rules.currency, rules.expiry)


# What is refused ------------------------------------------------------------------------------------------------------

NO_LADDERS: list[Any] = [None, {}, [], [[0, 1]] * 51]
NO_FACTORS: list[Any] = [
    *(None, 2, 1.2, True, "", "-1", "1.2345", "100.001", "101", "1e2", "01", "½", "٢", "1.", "1\n", []),
]
RULE_FAULTS: list[tuple[dict[str, Any], list[str]]] = [
    ({}, [""]),
    ({"rate": {}, "fixed": 1}, [""]),
    ({"rates": {}}, [".rates", ""]),
    ({"rate": {"per_minor": 0}}, [".rate.per_minor"]),
    ({"rate": {"per": 100, "field": "x"}}, [".rate.per", ".rate.field"]),
    ({"on": "a.b", "rate": {"per_minor": 1}}, [".rate.per_minor", ".rate.per", ".rate.field"]),
    ({"on": "a.b", "rate": {"per": 0, "field": "x", "daily": 1}}, [".rate.per", ".rate.daily"]),
    *(
        ({"on": on, "rate": {}}, [".on"])
        for on in ("", "x", "A.b", "order.refunded", "order.", "a..b", "a.b\n", "a." + "b" * 63, 1, None)
    ),
    *(({"fixed": points}, [".fixed"]) for points in (0, -1, 1.5, True, "1", None, 10**9 + 1)),
    *(({"ladder": steps}, [".ladder"]) for steps in NO_LADDERS),
    *(({"ladder": [pair]}, [".ladder[0]"]) for pair in (None, [], [1], [1, 2, 3], {"0": 1})),
    ({"ladder": [[-1, True]]}, [".ladder[0][0]", ".ladder[0][1]"]),
    ({"ladder": [[5, 1], [5, 2], [4, 3]]}, [".ladder[1][0]", ".ladder[2][0]"]),
    ({"on": "a.b", "ladder": [[0, 1]]}, [".ladder", ".ladder.steps", ".ladder.field"]),
    ({"on": "a.b", "ladder": {"field": "a b"}}, [".ladder.steps", ".ladder.field"]),
    *(({"multiply": by}, [".multiply"]) for by in NO_FACTORS),
    ({"multiply": {}}, [".multiply.by"]),
    ({"multiply": {"by": 2, "rules": []}}, [".multiply.by", ".multiply.rules"]),
    ({"multiply": {"by": "2", "rules": ["none", "a", 7]}}, [f".multiply.rules[{n}]" for n in range(3)]),
    ({"on": "a.b", "multiply": "2"}, [".multiply"]),
    ({"given": {"field": "x", "max": 1}}, [".given"]),
    ({"on": "a.b", "given": {}}, [".given.max", ".given.field"]),
    ({"on": "a.b", "given": {"field": "x", "min": 5, "max": 4}}, [".given.max"]),
    ({"streak": {}}, [".streak"]),
    ({"on": "a.b", "streak": {"days": []}}, [".streak.days"]),
    ({"on": "a.b", "streak": {"days": [1] * 401}}, [".streak.days"]),
    ({"on": "a.b", "streak": {"days": [1, -1, "2"]}}, [".streak.days[1]", ".streak.days[2]"]),
    (
        {"on": "a.b", "streak": {"restart": 1, "marks": {"0": 1, "401": 1, "07": 1, "x": 1, "3": 0}}},
        [*(f".streak.marks.{key}" for key in ("0", "401", "07", "x", "3")), ".streak.restart"],
    ),
    ({"on": "a.b", "streak": {"marks": {str(n): 1 for n in range(1, 52)}}}, [".streak.marks"]),
    ({"rate": {}, "id": "A"}, [".id"]),
    ({"rate": {}, "group": "none"}, [".group"]),
    ({"rate": {}, "group": ""}, [".group"]),
    ({"rate": {}, "priority": 1.0}, [".priority"]),
    ({"rate": {}, "enabled": "yes"}, [".enabled"]),
    ({"rate": {}, "title": "x" * 129}, [".title"]),
    ({"rate": {}, "title": "\ud800"}, [".title"]),
    ({"rate": {}, "rounding": "down"}, [".rounding"]),
    ({"rate": {}, "pending_days": 366}, [".pending_days"]),
    ({"rate": {}, "qualifies": None}, [".qualifies"]),
    ({"rate": {}, "valid": {"policy": "days", "days": 0, "year": 1}}, [".valid.year", ".valid.days"]),
    ({"rate": {}, "approval": True}, [".approval"]),
    ({"rate": {}, "once_per": "x"}, [".once_per"]),
    ({"rate": {}, "to": "friend"}, [".to"]),
    ({"on": "a.b", "fixed": 1, "to": "inviter"}, [".to"]),
    ({"multiply": "2", "to": "inviter"}, [".to"]),
    ({"on": "invite.accepted", "fixed": 1, "to": "inviter", "approval": True}, [".to"]),
    ({"rate": {}, "caps": [{"per": "day"}]}, [".caps[0]"]),
    ({"rate": {}, "caps": [{"points": 1}]}, [".caps[0].per"]),
    ({"rate": {}, "caps": [{"per": "day", "points": 1, "times": 1}]}, [".caps[0]"]),
    ({"rate": {}, "caps": [{"per": "hour", "points": -1}]}, [".caps[0].points", ".caps[0].per"]),
    ({"rate": {}, "caps": [{"per": "day", "points": 1}, {"per": "day", "points": 2}]}, [".caps[1].per"]),
    ({"rate": {}, "caps": [{"per": "day", "points": 1}] * 21}, [".caps"]),
    ({"rate": {}, "goal": {"reach": 3}}, [".goal"]),
    ({"fixed": 1, "goal": {}}, [".goal.reach"]),
    ({"fixed": 1, "goal": {"of": "data", "reach": 1, "field": "x"}}, [".goal.of", ".goal.field"]),
    ({"on": "a.b", "fixed": 1, "goal": {"of": "amount", "reach": 1}}, [".goal.of"]),
    (
        {"on": "a.b", "fixed": 1, "goal": {"of": "data", "reach": 0, "per": "hour", "again": 1}},
        [".goal.reach", ".goal.per", ".goal.field", ".goal.again"],
    ),
]

WHEN_FAULTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"categories": ["a"]}, ["categories"]),
    *(({key: []}, [key]) for key in ("category", "product", "region", "tag")),
    ({"category": "toys"}, ["category"]),
    ({"category": ["x"] * 501}, ["category"]),
    ({"category": ["x" * 129, "", 1, None, "\ud800"]}, [f"category[{n}]" for n in range(5)]),
    ({"tier": ["gold"]}, ["tier"]),
    ({"first_order": 1}, ["first_order"]),
    ({"first_order": True, "order_number": {"min": 1}}, ["first_order"]),
    ({"order_number": {}}, ["order_number"]),
    ({"order_number": {"min": 3, "max": 2}}, ["order_number.max"]),
    ({"order_number": {"min": 0}}, ["order_number.min"]),
    ({"repeat_within_days": 0}, ["repeat_within_days"]),
    ({"birthday": "year"}, ["birthday"]),
    ({"amount_minor": {"min": -1, "max": 1.5, "is": 1}}, ["amount_minor.is", "amount_minor.min", "amount_minor.max"]),
    ({"data": {"x": {"min": 1}}}, ["data"]),
    ({"window": {"to": "2026-01-01"}}, ["window.to"]),
    ({"window": {"weekdays": []}}, ["window.weekdays"]),
    ({"window": {"weekdays": ["mon", "Mon", 1]}}, ["window.weekdays[1]", "window.weekdays[2]"]),
    ({"window": {"hours": []}}, ["window.hours"]),
    *(
        ({"window": {"hours": [text]}}, ["window.hours[0]"])
        for text in ("20:00", "20:00-20:00", "8:00-9:00", "24:00-25:00", "20:00-24:30", "00:60-01:00", "0:00-1:00\n", 8)
    ),
    *(
        ({"window": {"from": text}}, ["window.from"])
        for text in (
            "2026-02-30",
            "2026-11-11T25:00:00",
            "2026-11-11T20:00:00Z",
            "2026-W01-1",
            "1969-12-31",
            "9000-01-01",
            "20261111",
            "2026-11-11 20:00",
            "2026-11-11\n",
            "",
            20261111,
            None,
        )
    ),
    ({"window": {"from": "2026-11-12", "until": "2026-11-11"}}, ["window.until"]),
    ({"window": {"from": "2026-11-11T20:00:00", "until": "2026-11-11T20:00:00"}}, ["window.until"]),
]


@pytest.mark.parametrize(("keys", "paths"), RULE_FAULTS)
def test_a_fault_in_a_rule_is_named_by_its_path(keys: dict[str, Any], paths: list[str]) -> None:
    """Each key that is wrong is named, and no other."""
    expected = sorted({f"earning.rules[1]{path}" for path in paths})
    first = {"id": "first", "rate": {}}
    assert expected == sorted(set(faults({"earning": {"rules": [first, {"id": "a", **keys}]}})))


@pytest.mark.parametrize(("when", "paths"), WHEN_FAULTS)
def test_a_fault_in_a_condition_is_named_by_its_path(when: dict[str, Any], paths: list[str]) -> None:
    """Each condition that is wrong is named, also inside a campaign."""
    rule = {"id": "a", "rate": {}, "when": when}
    expected = [f"earning.rules[0].when.{path}" for path in paths]
    assert expected == faults({"earning": {"rules": [rule]}})
    expected = [f"earning.campaigns[0].rules[0].when.{path}" for path in paths]
    assert expected == faults({"earning": {"campaigns": [{"id": "c", "rules": [rule]}]}})


@pytest.mark.parametrize("key", ["category", "not_category", "product", "not_product"])
def test_conditions_on_lines_say_nothing_of_an_event(key: str) -> None:
    """What only an order has cannot be asked of an event."""
    rule = {"id": "a", "on": "a.b", "fixed": 1, "when": {key: ["x"], "first_order": True, "amount_minor": {"min": 1}}}
    expected = [f"earning.rules[0].when.{name}" for name in (key, "first_order", "amount_minor")]
    assert expected == faults({"earning": {"rules": [rule]}})


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        ({"x": {}}, ["data.x"]),
        ({"x": {"min": 2, "max": 1}}, ["data.x.max"]),
        ({"x": {"is": []}}, ["data.x.is"]),
        ({"x": {"is": ["a"], "min": 1}}, ["data.x.is"]),
        ({"x": {"equals": 1, "min": 1}}, ["data.x.equals"]),
        ({"x": 5}, ["data.x", "data.x"]),
        ({"a b": {"min": 1}}, ["data.a b"]),
        ({f"x{n}": {"min": 1} for n in range(21)}, ["data"]),
    ],
)
def test_a_fault_in_a_test_of_data_is_named_by_its_path(data: dict[str, Any], paths: list[str]) -> None:
    """Fields of an event's data are tested by bounds or by a list, never by both."""
    rule = {"id": "a", "on": "a.b", "fixed": 1, "when": {"data": data}}
    assert [f"earning.rules[0].when.{path}" for path in paths] == faults({"earning": {"rules": [rule]}})


BASE = {"id": "base", "rate": {}}


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        ({"earning": {"stacking": "max"}}, ["earning.stacking"]),
        ({"earning": {"multipliers": "times"}}, ["earning.multipliers"]),
        ({"earning": {"round_once": None}}, ["earning.round_once"]),
        ({"earning": {"groups": {"G": "sum", "g": "all"}}}, ["earning.groups.G", "earning.groups.g"]),
        ({"earning": {"groups": {f"g{n}": "sum" for n in range(21)}}}, ["earning.groups"]),
        ({"earning": {"caps": [{"per": "day", "times": 1}]}}, ["earning.caps[0].times"]),
        ({"earning": {"basis": {"tax": 1, "fees": True}}}, ["earning.basis.fees", "earning.basis.tax"]),
        (
            {"earning": {"exclude": {"sku": ["a"], "product": [1]}}},
            ["earning.exclude.sku", "earning.exclude.product[0]"],
        ),
        ({"earning": {"rules": [BASE, BASE]}}, ["earning.rules[1].id"]),
        ({"earning": {"campaigns": [{"id": "c"}]}}, ["earning.campaigns[0].rules"]),
        (
            {"earning": {"campaigns": [{"id": "c", "exchange": None}]}},
            ["earning.campaigns[0].exchange", "earning.campaigns[0].exchange.by"],
        ),
        (
            {
                "earning": {
                    "campaigns": [
                        {
                            "id": "c",
                            "budget_points": 1,
                            "exchange": {
                                "by": "0.0",
                                "rewards": ["cup", "Not One"],
                                "kinds": ["voucher"],
                                "categories": [""],
                                "tiers": [],
                            },
                        }
                    ]
                }
            },
            [
                *(f"earning.campaigns[0].exchange.{key}" for key in ("tiers", "by", "rewards[1]", "kinds[0]")),
                "earning.campaigns[0].exchange.categories[0]",
                "earning.campaigns[0].budget_points",
            ],
        ),
        ({"earning": {"campaigns": [{"id": "c", "rules": []}] * 2}}, ["earning.campaigns[1].id"]),
        ({"earning": {"campaigns": [{"id": "c", "rules": [BASE, BASE]}]}}, ["earning.campaigns[0].rules[1].id"]),
        (
            {"earning": {"rules": [{**BASE, "id": "c.base"}], "campaigns": [{"id": "c", "rules": [BASE]}]}},
            ["earning.campaigns[0].rules[0].id"],
        ),
        (
            {"earning": {"campaigns": [{"id": "c", "from": "x", "until": 1, "budget_points": -1, "rules": []}]}},
            [f"earning.campaigns[0].{key}" for key in ("from", "until", "budget_points")],
        ),
        (
            {"earning": {"campaigns": [{"id": "c", "from": "2026-01-02", "until": "2026-01-01", "rules": []}]}},
            ["earning.campaigns[0].until"],
        ),
        ({"earning": {"campaigns": [{"id": f"c{n}", "rules": []} for n in range(21)]}}, ["earning.campaigns"]),
        (
            {
                "earning": {
                    "rules": [{**BASE, "id": f"a{n}"} for n in range(60)],
                    "campaigns": [{"id": "c", "rules": [{**BASE, "id": f"b{n}"} for n in range(41)]}],
                }
            },
            ["earning.campaigns"],
        ),
        ({"tiers": None}, ["tiers", "tiers.levels"]),
        ({"tiers": {}}, ["tiers.levels"]),
        ({"tiers": {"levels": []}}, ["tiers.levels"]),
        ({"tiers": {"levels": [{"id": "a", "from": 1}]}}, ["tiers.levels[0].from"]),
        ({"tiers": {"levels": [{"id": "a", "from": 0}, {"id": "a", "from": 5}]}}, ["tiers.levels[1].id"]),
        ({"tiers": {"levels": [{"id": "a", "from": 0}, {"id": "b", "from": 0}]}}, ["tiers.levels[1].from"]),
        ({"tiers": {"levels": [{"id": "a"}], "by": "visits"}}, ["tiers.levels[0].from", "tiers.by"]),
        (
            {"tiers": {"levels": [{"id": "a", "from": 0, "allowance": -1, "multiplier": 2, "discount": "2", "x": 1}]}},
            [f"tiers.levels[0].{key}" for key in ("x", "allowance", "multiplier", "discount")],
        ),
        (
            {
                "earning": {"rules": [{**BASE, "id": "tier.a"}]},
                "tiers": {"levels": [{"id": "a", "from": 0, "multiplier": "2"}]},
            },
            ["tiers.levels[0].id"],
        ),
        (
            {
                "earning": {"rules": [{**BASE, "when": {"tier": ["a", "c"]}}]},
                "tiers": {"levels": [{"id": "a", "from": 0}]},
            },
            ["earning.rules[0].when.tier"],
        ),
        ({"check_in": {"make_up": {}, "days": 1}}, ["check_in.days", "check_in.make_up.cost"]),
        (
            {"check_in": {"make_up": {"cost": 1, "within_days": 0, "per_month": 32, "pays": 1}}},
            [f"check_in.make_up.{key}" for key in ("within_days", "per_month", "pays")],
        ),
    ],
)
def test_a_fault_beside_the_rules_is_named_by_its_path(data: object, paths: list[str]) -> None:
    """What stands beside the rules, and what names something that is not there."""
    assert paths == faults(data)


def test_every_fault_of_the_whole_file_is_named_at_once() -> None:
    """Rules, campaigns, tiers and policies are all read before anything is refused."""
    data = {
        "clawback": "x",
        "earning": {"rules": [{"id": "a", "fixed": 0}], "campaigns": [{"id": "c", "rules": [{"id": "d"}]}]},
        "tiers": {"levels": [{"id": "a", "from": 1}]},
        "check_in": {"make_up": {"cost": -1}},
        "holds": {"x": 1},
    }
    expected = {
        *("clawback", "earning.rules[0].fixed", "earning.campaigns[0].rules[0]", "tiers.levels[0].from"),
        *("check_in.make_up.cost", "holds.x"),
    }
    assert expected == set(faults(data))


# The source -----------------------------------------------------------------------------------------------------------


def test_the_source_holds_what_makes_the_rules_and_nothing_else() -> None:
    """Policies are left out; keys are sorted, so that equal rules have one text."""
    rule = {"rate": {"per_minor": 100, "points": 1}, "id": "a-1"}
    data = {"holds": {"expires_in_s": 5}, "earning": {"rules": [rule]}, "currency": "CNY", "clawback": "clamp"}
    expected = '{"currency":"CNY","earning":{"rules":[{"id":"a-1","rate":{"per_minor":100,"points":1}}]}}'
    assert expected == parse_program(data).rules.source
    assert "{}" == parse_program({"clawback": "clamp"}).rules.source == Program().rules.source


TEXT = st.sampled_from(["toys", "数码", 'a"b', "x" * 128, "\u2028"])
TEXTS = st.lists(TEXT, min_size=1, max_size=3)
POINTS = st.integers(1, 10**9)
DAY = st.dates(min_value=parse_program({}).moment(instant("1990-01-01T00:00:00Z")).today).map(
    lambda day: day.isoformat()
)
PER = st.sampled_from(list(Per)).map(str)


def bounds(high: int, low: int = 0) -> st.SearchStrategy[dict[str, int]]:
    """A range with one or both ends."""
    ends = st.tuples(st.integers(low, high), st.integers(low, high)).map(sorted)
    return st.one_of(
        ends.map(lambda pair: {"min": pair[0], "max": pair[1]}),
        st.integers(low, high).map(lambda end: {"min": end}),
        st.integers(low, high).map(lambda end: {"max": end}),
    )


WINDOW = st.fixed_dictionaries(
    {},
    optional={
        "from": st.sampled_from(["2018-11-04", "2018-11-04T00:30:00", "2026-03-29T01:30"]),
        "until": st.sampled_from(["2030-12-31", "2030-10-27T01:30:00"]),
        "weekdays": st.lists(st.sampled_from(["mon", "wed", "sun"]), min_size=1, max_size=3),
        "hours": st.lists(st.sampled_from(["20:00-22:00", "22:00-02:00", "00:00-24:00"]), min_size=1, max_size=2),
    },
)
ANYONE = {"region": TEXTS, "tag": TEXTS, "not_tag": TEXTS, "window": WINDOW, "birthday": st.just("week")}
ON_ORDERS = {
    **ANYONE,
    "category": TEXTS,
    "not_category": TEXTS,
    "product": TEXTS,
    "tier": st.just(["gold"]),
    "order_number": bounds(10, 1),
    "repeat_within_days": st.integers(1, 90),
    "amount_minor": bounds(10**6),
}
ON_EVENTS = {
    **ANYONE,
    "data": st.dictionaries(
        st.sampled_from(["likes", "shop"]), st.one_of(bounds(99, -99), st.fixed_dictionaries({"is": TEXTS})), max_size=2
    ),
}
ANY_RULE = {
    "title": TEXT,
    "enabled": st.booleans(),
    "priority": st.integers(-9, 9),
    "group": st.just("g"),
    "rounding": st.sampled_from(list(Rounding)).map(str),
    "caps": st.lists(
        st.fixed_dictionaries({"per": PER, "points": POINTS}), max_size=3, unique_by=lambda cap: str(cap["per"])
    ),
    "valid": st.sampled_from([{}, {"policy": "days", "days": 7}, {"policy": "fixed_date", "month_day": "02-29"}]),
    "pending_days": st.integers(0, 365),
    "qualifies": st.booleans(),
}
FACTOR = st.sampled_from(["0", "0.5", "1", "1.2", "2.125", "100"])
STEPS = st.lists(
    st.tuples(st.integers(0, 10**6), POINTS).map(list), min_size=1, max_size=4, unique_by=lambda step: step[0]
).map(sorted)
ORDER_EFFECT = st.one_of(
    st.fixed_dictionaries(
        {"rate": st.fixed_dictionaries({}, optional={"points": st.integers(0, 9), "per_minor": POINTS})}
    ),
    st.fixed_dictionaries({"fixed": POINTS}, optional={"to": st.sampled_from(["inviter", "member"])}),
    st.fixed_dictionaries({"fixed": POINTS, "goal": st.just({"of": "amount", "reach": 500, "per": "month"})}),
    st.fixed_dictionaries({"ladder": STEPS}),
    st.fixed_dictionaries({"multiply": FACTOR | st.fixed_dictionaries({"by": FACTOR, "rules": st.just(["r"])})}),
)
EVENT_EFFECT = st.one_of(
    st.fixed_dictionaries({"rate": st.just({"points": 5, "per": 180, "field": "seconds", "daily": True})}),
    st.fixed_dictionaries({"fixed": POINTS, "goal": st.just({"of": "data", "field": "n", "reach": 5, "again": True})}),
    st.fixed_dictionaries({"ladder": STEPS.map(lambda steps: {"field": "score", "steps": steps})}),
    st.fixed_dictionaries({"given": st.just({"field": "points", "min": 30, "max": 100})}),
    st.fixed_dictionaries({"streak": st.just({"days": [10, 20], "marks": {"7": 200, "14": 1}, "restart": True})}),
)


def rule(effect: st.SearchStrategy[Any], conditions: dict[str, Any], **fixed: Any) -> st.SearchStrategy[dict[str, Any]]:
    """A rule with this effect, any other keys and any of these conditions."""
    when = {"when": st.fixed_dictionaries({}, optional=conditions)}
    rest = st.fixed_dictionaries({}, optional={**ANY_RULE, **when})
    return st.builds(lambda first, other: {**first, **other, **fixed}, effect, rest)


RULES = st.lists(
    rule(ORDER_EFFECT, ON_ORDERS) | rule(EVENT_EFFECT, ON_EVENTS, on="review.scored", approval=True, once_per="id"),
    max_size=4,
).map(lambda rules: [{**each, "id": f"r{index}"} for index, each in enumerate(rules)])

PROGRAMS = st.fixed_dictionaries(
    {
        "earning": st.fixed_dictionaries(
            {
                "rules": RULES.map(lambda rules: [{"id": "r", "rate": {}}, *rules]),
                "groups": st.sampled_from(list(Stacking)).map(lambda how: {"g": str(how)}),
                "campaigns": RULES.map(lambda rules: [{"id": "c", "until": "2026-11-11", "rules": rules}]),
            },
            optional={
                "stacking": st.sampled_from(list(Stacking)).map(str),
                "round_once": st.sampled_from(list(Rounding)).map(str),
                "multipliers": st.sampled_from(["add", "compound"]),
                "caps": st.just([{"per": "day", "points": 1000}]),
                "basis": st.just({"tax": False}),
                "exclude": st.fixed_dictionaries({"category": TEXTS}),
            },
        ),
        "tiers": st.fixed_dictionaries(
            {"levels": FACTOR.map(lambda by: [{"id": "m", "from": 0}, {"id": "gold", "from": 5, "multiplier": by}])}
        ),
    },
    optional={
        "time_zone": st.sampled_from(["Asia/Shanghai", "America/Sao_Paulo", "Europe/London"]),
        "currency": st.sampled_from(["CNY", None]),
        "expiry": st.sampled_from([{}, {"policy": "never"}, {"months": 3}]),
        "check_in": st.just({"make_up": {"cost": 10}}),
        "clawback": st.just("clamp"),
    },
)


@given(PROGRAMS)
def test_a_rule_set_read_from_its_source_is_the_same(data: dict[str, Any]) -> None:
    """Whatever the rules, their source gives them back, and is its own source."""
    rules = parse_program(data).rules
    source = json.loads(rules.source)
    again = parse_program(source).rules
    assert (rules, rules.source) == (again, again.source)
    assert set(source) <= set(SECTIONS)


SPOILT: st.SearchStrategy[Any] = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    st.sampled_from([[], {}, [[]], {"": {}}]),
)


@given(PROGRAMS, st.data())
def test_a_program_with_one_value_spoilt_is_read_or_refused_by_a_path(
    data: dict[str, Any], draw: st.DataObject
) -> None:
    """Junk anywhere inside good rules is a program or the refusal that names its faults, and no other error."""
    section: Any = data
    while isinstance(section, dict | list) and section:
        keys = list(section) if isinstance(section, dict) else list(range(len(section)))
        key = draw.draw(st.sampled_from(keys))
        if not isinstance(section[key], dict | list) or draw.draw(st.booleans()):
            section[key] = draw.draw(SPOILT)
            break
        section = section[key]
    try:
        parse_program(data)
    except InvalidProgram as refusal:
        assert refusal.faults  # noqa: PT017 - both outcomes are right


def test_one_order_cannot_reach_more_tasks_than_fit_into_a_transaction() -> None:
    """Thirty tasks on orders can be written, thirty-one are refused by the path of the rules."""
    tasks = [{"id": f"t{number}", "goal": {"of": "count", "reach": 1}, "fixed": 1} for number in range(31)]
    assert 30 == len(parse_program({"earning": {"rules": tasks[:30]}}).rules.order_tasks)
    with pytest.raises(InvalidProgram) as refused:
        parse_program({"earning": {"rules": tasks}})
    assert ["earning.rules"] == [fault.field for fault in refused.value.faults]
