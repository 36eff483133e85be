"""Other systems' cases of earning, tiers, caps, runs, refunds and pending points, through the public interface.

Each case has a program of its own; its figures are read from the shared files. Where a policy of ours differs, the test
asserts both our answer and, with the switch that docs/cases.md names, the peer's. The last tests see to it that no case
of these areas is left out, and that the page names those that differ and no others.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.functions.cases import EXAMPLES, figures, in_areas, minor, named_by, needs_cases, on_the_page
from tests.functions.earning import Shop, earning, given, refusals, shop
from tests.functions.stage import SHOP, line

AREAS = ("earn", "tier", "cap", "streak", "refund", "pending")
NOW = "2026-06-01T12:00:00+08:00"
M = "m-1"
BASE = {"id": "base", "rate": {"points": 1, "per_minor": 100}}

pytestmark = [needs_cases, pytest.mark.usefixtures("aws")]


def rate(points: int, per: object, **more: Any) -> dict[str, Any]:
    """The rule ``base``: so many points for so much money."""
    return {"id": "base", "rate": {"points": points, "per_minor": minor(per)}, **more}


def posted(here: Shop, *kinds: str) -> list[int]:
    """The points of a member's entries of these kinds."""
    return [entry["points"] for entry in here.stage.entries(M) if entry["kind"] in kinds]


# Peers: earning ------------------------------------------------------------------------------------------------------


def test_pc_003_a_decimal_multiplier_cuts_the_fraction() -> None:
    """4 points times 1.5 are 6; 5 times 1.5 are 7, not 8."""
    base, factor = figures("PC-003", "given")[:2]
    with earning(NOW, BASE, {"id": "promotion", "multiply": str(factor)}) as here:
        assert figures("PC-003", "then")[0] == here.buys(M, minor(base))
        assert 7 == here.buys(M, 500)


def test_pc_005_an_integer_multiplier() -> None:
    """5 points times 3 are 15."""
    base, factor = figures("PC-005", "given")
    with earning(NOW, BASE, {"id": "promotion", "multiply": str(factor)}) as here:
        assert figures("PC-005", "then")[0] == here.buys(M, minor(base))


@pytest.mark.parametrize(("stacking", "peer"), [("sum", False), ("best_of", True)])
def test_pc_006_several_base_rules(stacking: str, peer: bool) -> None:  # noqa: FBT001 - whose answer
    """Ours add up unless they are grouped; with ``best_of`` the one that gives most counts, as the peer has it."""
    more, less = figures("PC-006", "given")
    rules = [{"id": "more", "fixed": more}, {"id": "less", "fixed": less}]
    with earning(NOW, *rules, stacking=stacking) as here:
        assert (figures("PC-006", "then")[0] if peer else more + less) == here.buys(M, 1_000)
        assert ({"less": "NOT_BEST"} if peer else {}) == refusals(here.why(M))


@pytest.mark.parametrize(
    ("switch", "rules"),
    [({}, {"base": 10, "a": 10, "b": 20}), ({"groups": {"promotions": "exclusive"}}, {"base": 10, "b": 20})],
    ids=["ours", "peer"],
)
def test_pc_007_several_promotions(switch: dict[str, Any], rules: dict[str, int]) -> None:
    """Ours all count; in an exclusive group whose priority is the day of creation only the newest does."""
    group = {"group": "promotions"} if switch else {}
    a = {"id": "a", "priority": 260_601, "multiply": "2", **group}
    b = {"id": "b", "priority": 260_602, "multiply": "3", **group}
    with earning(NOW, BASE, a, b, **switch) as here:
        here.buys(M, 1_000)
        assert rules == given(here.why(M))
        assert 0 == here.buys(M, 99), "a purchase that earns no base points earns no promotion points"


def test_pc_009_a_rate_floors_the_remainder() -> None:
    """19.99 at a point per unit are 19."""
    (basis,), (points,) = figures("PC-009", "when"), figures("PC-009", "then")
    with earning(NOW, rate(1, "1.00")) as here:
        assert points == here.buys(M, minor(basis))


def test_pc_011_a_broken_rule_is_refused_and_with_enabled_false_earns_nothing() -> None:
    """Ours never comes into force: 422 names it by path. A divisor that is left out is that of a rate: 100."""
    broken = {"currency": "CNY", "earning": {"rules": [{"id": "base", "rate": {"points": 1, "per_minor": 0}}]}}
    (basis,) = figures("PC-011", "when")
    with earning(NOW, {"id": "base", "rate": {"points": 1}}) as here:
        refused = here.publishes(broken)
        fields = [fault["field"] for fault in refused.body["errors"]]
        assert (422, ["earning.rules[0].rate.per_minor"]) == (refused.status, fields)
        assert basis == here.buys(M, minor(basis))
    with earning(NOW, {**BASE, "enabled": False}) as here:
        assert figures("PC-011", "then")[0] == here.buys(M, minor(basis))


def test_pc_014_the_highest_priority_of_an_exclusive_group() -> None:
    """50 of priority 5 against 200 of priority 20."""
    first, of_first, second, of_second = figures("PC-014", "given")
    rules = [
        {"id": "first", "fixed": first, "priority": of_first},
        {"id": "second", "fixed": second, "priority": of_second},
    ]
    with earning(NOW, *rules, stacking="exclusive") as here:
        assert figures("PC-014", "then")[0] == here.buys(M, 1_000)
        assert {"first": "EXCLUDED_BY_PRIORITY"} == refusals(here.why(M))


def test_pc_017_disabled_and_not_yet_started_rules_are_skipped() -> None:
    """Each with its reason, as an order that earns by another rule shows."""
    rules = [
        {"id": "a", "fixed": 5, "enabled": False},
        {"id": "b", "fixed": 5, "when": {"window": {"from": "2099-01-01"}}},
    ]
    with earning(NOW, *rules) as here:
        assert figures("PC-017", "then")[0] == here.buys(M, 1_000)
    with earning(NOW, BASE, *rules) as here:
        here.buys(M, 1_000)
        assert {"a": "DISABLED", "b": "WINDOW"} == refusals(here.why(M))


@pytest.mark.parametrize(
    ("place", "basis"),
    [*enumerate([{}, {"tax": False}, {"shipping": True}, {"tax": False, "shipping": True}])],
    ids=str,
)
def test_pc_018_four_bases_of_one_order(place: int, basis: dict[str, bool]) -> None:
    """Items or the order, tax in or out: 50, 42, 60, 50."""
    items, item_tax, total, tax = figures("PC-018", "given")
    lines = [
        line(minor(items), tax_minor=minor(item_tax)),
        line(minor(total - items), 2, kind="shipping", tax_minor=minor(tax - item_tax)),
    ]
    with earning(NOW, BASE, basis=basis) as here:
        assert figures("PC-018", "then")[place] == here.buys(M, lines)


def test_pc_019_the_edges_of_a_window() -> None:
    """Inside at noon, outside a second before it and after it; the instant of its end is outside, too."""
    window = {"from": "2026-11-27T00:00:00", "until": "2026-11-28T00:00:00"}
    times = ["2026-11-26T23:59:59", "2026-11-27T00:00:00", "2026-11-27T12:00:00", "2026-11-27T23:59:59"]
    times += ["2026-11-28T00:00:00", "2026-11-28T00:00:01"]
    with earning(NOW, {**BASE, "when": {"window": window}}) as here:
        found = []
        for time in times:
            here.at(f"{time}+08:00")
            found.append(here.buys(M, 1_000))
        assert [0, 10, 10, 10, 0, 0] == found


@pytest.mark.parametrize(("place", "rounding"), [*enumerate(["ceil", "half_up", "floor"])])
def test_pc_022_three_ways_to_round(place: int, rounding: str) -> None:
    """2.50 at a point per unit: up 3, nearest 3, down 2."""
    (spent,) = figures("PC-022", "when")
    with earning(NOW, {**BASE, "rounding": rounding}) as here:
        assert figures("PC-022", "then")[place] == here.buys(M, minor(spent))


def test_pc_024_what_is_paid_with_points_earns_nothing() -> None:
    """An invoice of 10,000 that used 10 points earns 9: entries -10 and +9."""
    factor, _, _, invoice, first = figures("PC-024", "given")
    used, second = figures("PC-024", "then")[:2]
    with earning(NOW, rate(1, factor)) as here:
        assert first == here.buys(M, minor(invoice))
        assert 201 == here.stage.redeem(M, -used, "k", order_id="o-2").status
        here.buys(M, [line(minor(invoice)), line(minor(-used), 2, kind="points")], "o-2")
        assert [first, used, second] == posted(here, "earn", "redeem")


def test_pc_026_ours_a_level_counts_from_the_next_order_on() -> None:
    """The order that reaches a level does not earn by it, and never by the one above; a smaller order reaches none."""
    first, per, second, better = (one for one in figures("PC-026", "given") if one > 2)
    levels = [
        {"id": "none", "from": 0},
        {"id": "one", "from": minor(first)},
        {"id": "two", "from": minor(second)},
    ]
    rules = [
        {**rate(1, per), "id": "of-one", "when": {"tier": ["one"]}},
        {**rate(1, better), "id": "of-two", "when": {"tier": ["two"]}},
    ]
    large, small = figures("PC-026", "when")
    with shop(NOW, earning={"rules": rules}, tiers={"by": "spend", "period": "lifetime", "levels": levels}) as here:
        assert 0 == here.buys("small", minor(small))
        assert 0 == here.buys(M, minor(large))
        assert "one" == here.tier(M)["level"]
        assert 20 == here.buys(M, minor(small))


def test_pc_026_peer_the_amount_of_the_order_chooses_the_rate() -> None:
    """With ``amount_minor`` in place of ``tier``: 196 and 0, and the better rate not before its threshold."""
    rules = [
        {**rate(1, 1_000), "id": "one", "when": {"amount_minor": {"min": minor(100_000)}}},
        {**rate(1, 900), "id": "two", "priority": 1, "when": {"amount_minor": {"min": minor(300_000)}}},
    ]
    with earning(NOW, *rules, stacking="exclusive") as here:
        found = [here.buys(f"m-{amount}", minor(amount)) for amount in figures("PC-026", "when")]
        assert figures("PC-026", "then")[:2] == found
        assert 333 == here.buys("m-3", minor(300_000))


def test_pc_032_discounts_lower_the_basis_and_prepaid_money_does_not() -> None:
    """A code of 10 % is a discount line; what a wallet or gift card pays is no line at all."""
    order = minor(figures("PC-032", "given")[-1])
    with earning(NOW, BASE) as here:
        found = [here.buys(M, [line(order), line(order // 10, 2, kind="discount")])]
        found += [here.buys(M, order), here.buys(M, order)]
        assert figures("PC-032", "then") == found


# Peers: pending ------------------------------------------------------------------------------------------------------


def test_pc_088_ours_points_wait_for_a_day_and_a_refund_cancels_them() -> None:
    """``available`` is unchanged while they are pending; time completes them, once; ``balance`` counts them at once."""
    with earning(NOW, {**BASE, "pending_days": 7}) as here:
        for member in (M, "m-2"):
            here.buys(member, 10_000, f"o-{member}")
        assert (0, 100) == (here.available(M), here.balance(M))
        here.tell(here.cancelled("m-2", "o-m-2"))
        for as_of in ("2026-06-08T00:00:00+08:00", "2026-06-09T00:00:00+08:00"):
            here.sweeps(as_of)
            assert [100, 0] == [here.available(member) for member in (M, "m-2")]


def test_pc_088_peer_an_operator_completes_or_cancels() -> None:
    """With ``approval``: nothing before, once after; a second decision is a 409; without a member a 422."""
    rule = {"id": "credit", "on": "credit.created", "given": {"field": "points", "max": 100}, "approval": True}
    with earning(NOW, rule) as here:
        for event_id in ("one", "two"):
            assert "IN_REVIEW" == here.does(M, "credit.created", event_id, points=100)["status"]
        assert 0 == here.balance(M)
        assert [200, 409] == [here.decides(M, "one", "approve").status for _ in range(2)]
        assert 200 == here.decides(M, "two", "reject").status
        assert 100 == here.balance(M)
        body = {"type": "credit.created", "event_id": "three", "member_id": None, "occurred_at": NOW}
        assert 422 == here.stage.ask("POST", "/v1/events", body, key="three", scopes=SHOP).status


# Peers: refunds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rounding", "deducted"), [("floor", [0, 1, 1, 2]), ("half_up", None)], ids=["ours", "peer"])
def test_pc_089_refunds_of_a_small_order(rounding: str, deducted: list[int] | None) -> None:
    """Ours are what the rest does not earn: 16.90 kept earn 1, so 5.00 back takes 1; ``half_up`` none, as there."""
    _, per, spent, earned = figures("PC-089", "given")
    with earning(NOW, rate(1, per, rounding=rounding)) as here:
        found = []
        for amount in figures("PC-089", "when"):
            assert earned == here.buys(M, minor(spent), f"o-{amount}")
            here.tell(here.refund(M, f"o-{amount}", minor(amount)))
            found.append(earned - here.of_order(M, f"o-{amount}"))
        assert (deducted or figures("PC-089", "then")) == found
        assert min(found) >= 0
        assert max(found) <= earned


def test_pc_091_earning_is_recomputed_on_what_was_kept() -> None:
    """20,000 earned 20; 10,000 back leave 10."""
    _, per, invoice, earned = figures("PC-091", "given")
    with earning(NOW, rate(1, per)) as here:
        assert earned == here.buys(M, minor(invoice), "o")
        here.tell(here.refund(M, "o", minor(figures("PC-091", "when")[0])))
        assert figures("PC-091", "then")[0] == here.of_order(M, "o")


def test_pc_092_a_cancelled_order_has_no_points() -> None:
    """Of 10 nothing remains."""
    invoice, earned = figures("PC-092", "given")
    with earning(NOW, rate(1, 1_000)) as here:
        assert earned == here.buys(M, minor(invoice), "o")
        here.tell(here.cancelled(M, "o"))
        assert figures("PC-092", "then")[0] == here.balance(M) == here.of_order(M, "o")


def test_pc_093_a_partial_return_lowers_the_points_in_proportion() -> None:
    """A tenth back is a tenth less."""
    (invoice,), (back,) = figures("PC-093", "given"), figures("PC-093", "when")
    with earning(NOW, BASE) as here:
        before = here.buys(M, minor(invoice), "o")
        here.tell(here.refund(M, "o", minor(back)))
        assert before * (invoice - back) // invoice == here.of_order(M, "o")


@pytest.mark.parametrize(("case_id", "policy"), [("PC-097", "clamp"), ("PC-098", "negative")])
def test_pc_097_pc_098_points_that_are_spent_already(case_id: str, policy: str) -> None:
    """Clamp: entry -50, balance 0. Negative: entry -150, balance -100."""
    earned, spent = figures(case_id, "given")
    entry, balance = figures(case_id, "then")
    with shop(NOW, clawback=policy) as here:
        assert earned == here.buys(M, minor(earned), "o")
        here.stage.redeem(M, spent, "k")
        here.tell(here.cancelled(M, "o"))
        assert ([entry], balance, True) == (posted(here, "clawback"), here.balance(M), here.stage.proved(M))


def test_pc_099_an_earning_is_clawed_back_once() -> None:
    """Two cancellations and a refund besides: one entry, balance 0."""
    (earned,) = figures("PC-099", "given")
    with earning(NOW, BASE) as here:
        here.buys(M, minor(earned), "o")
        again = here.cancelled(M, "o") | {"event_id": "another"}
        here.tell(here.cancelled(M, "o"), again, here.refund(M, "o", minor(earned)))
        assert ([-earned], figures("PC-099", "then")[-1]) == (posted(here, "clawback"), here.balance(M))


def test_pc_100_a_redemption_is_rolled_back_once() -> None:
    """The same request again gets the same answer; another one restores nothing more."""
    balance, spent = figures("PC-100", "given")
    with earning(NOW, BASE) as here:
        here.buys(M, minor(balance))
        redemption = here.stage.redeem(M, spent, "k").body["redemption_id"]
        path = f"/v1/redemptions/{redemption}/restore"
        answers = [here.stage.ask("POST", path, {}, key=key) for key in ("r", "r", "another")]
        assert 200 == answers[0].status == answers[1].status
        assert answers[0].body == answers[1].body
        assert (figures("PC-100", "then")[0], [spent]) == (here.balance(M), posted(here, "restore"))


@pytest.mark.parametrize(("back", "returned"), [(15_000, 50), (10_000, 49)], ids=["in full", "a product alone"])
def test_pc_102_a_refund_never_charges_the_points_used_again(back: int, returned: int) -> None:
    """What an order was paid with in points is spent once; what is given back brings back its part of them."""
    with earning(NOW, BASE) as here:
        here.buys(M, 10_000)
        here.stage.redeem(M, 50, "k", order_id="o")
        assert 100 == here.buys(M, [line(10_000), line(50, 2), line(50, 3, kind="points")], "o")
        here.tell(here.refund(M, "o", back))
        assert [-50] == posted(here, "redeem")
        assert [returned] == posted(here, "restore")
        assert (50 + returned + here.of_order(M, "o"), True) == (here.balance(M), here.stage.proved(M))


def test_pc_103_bought_points_are_an_order_whose_rate_is_their_price() -> None:
    """Points are not sold as such; a product with a rate of its own does it: 40 of 50 back take 80 of 100."""
    points, price = figures("PC-103", "given")
    (back,) = figures("PC-103", "when")
    leave, stay, worth = figures("PC-103", "then")
    rules = [
        {**BASE, "group": "rates"},
        {
            **rate(points, price),
            "id": "bought",
            "group": "rates",
            "priority": 1,
            "when": {"product": ["points"]},
        },
    ]
    with earning(NOW, *rules, groups={"rates": "exclusive"}) as here:
        assert points == here.buys(M, [line(minor(price), sku="points")], "o")
        here.tell(here.refund(M, "o", minor(back)))
        assert (stay, [-leave]) == (here.available(M), posted(here, "clawback"))
        assert worth == price - back


@pytest.mark.parametrize("policy", ["debt", "negative"])
def test_pc_104_below_zero_only_by_an_explicit_choice(policy: str) -> None:
    """No debit asks for more than there is; a clawback may, and ``negative`` shows it as the peer does."""
    balance = figures("PC-104", "given")[0]
    (asked, *_) = figures("PC-104", "when")
    less, below = figures("PC-104", "then")
    with shop(NOW, clawback=policy) as here:
        here.buys(M, minor(balance))
        refused = here.stage.redeem(M, -asked, "k")
        assert (409, "INSUFFICIENT_POINTS", less) == (refused.status, refused.code, here.balance(M))
        here.buys(M, minor(-asked), "o")
        assert 201 == here.stage.redeem(M, -asked, "k2").status
        here.tell(here.cancelled(M, "o"))
        seen = here.stage.member(M)
        shown = (seen["balance"], seen["available"], seen["debt"])
        assert ((below, below, 0) if policy == "negative" else (below, 0, -below)) == shown


# Peers: runs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "days"),
    [
        ("UTC", [("2026-09-01", 10, 1), ("2026-09-01", 0, 1)]),
        ("America/Bogota", [("2026-08-31", 10, 1), ("2026-09-01", 15, 2)]),
    ],
    ids=["ours", "peer"],
)
def test_pc_113_the_day_of_a_check_in(zone: str, days: list[tuple[str, int, int]]) -> None:
    """20:00 on 31 August five hours behind UTC, then 1 September there: the day is that of the program's zone."""
    rule = {"id": "daily", "on": "member.checked_in", "streak": {"days": [10, 15]}}
    with shop("2026-09-01T01:00:00+00:00", time_zone=zone, earning={"rules": [rule]}) as here:
        first = here.checks_in(M)
        here.at("2026-09-01T15:00:00+00:00")
        second = here.checks_in(M)
        assert days == [(one["day"], one["points"], one["run"]["days"]) for one in (first, second)]


# Worked examples -----------------------------------------------------------------------------------------------------


def test_earn_01_a_point_per_10_and_the_rest_dropped() -> None:
    """105 spent are 10 points."""
    given_, expected = EXAMPLES["earn-01"]["given"], EXAMPLES["earn-01"]["expect"]
    with earning(NOW, rate(given_["points"], given_["per"])) as here:
        assert expected["points"] == here.buys(M, minor(given_["spend"]))


def test_earn_03_three_points_per_unit() -> None:
    """40.00 are 120 points."""
    given_, expected = EXAMPLES["earn-03"]["given"], EXAMPLES["earn-03"]["expect"]
    with earning(NOW, rate(given_["points"], Decimal(given_["per_minor"]) / 100)) as here:
        assert expected["points"] == here.buys(M, given_["basis_minor"])


@pytest.mark.parametrize(("switch", "more"), [({}, 0), ({"round_once": "floor"}, 1)], ids=["each", "once"])
def test_earn_04_two_rules_each_floored_then_added(switch: dict[str, str], more: int) -> None:
    """28; with the fractions added up first 29, as the example notes."""
    given_, expected = EXAMPLES["earn-04"]["given"], EXAMPLES["earn-04"]["expect"]
    rules = [{**rate(points, Decimal(per) / 100), "id": f"per-{per}"} for points, per in given_["rules"]]
    with earning(NOW, *rules, **switch) as here:
        assert expected["points"] + more == here.buys(M, given_["basis_minor"])


@pytest.mark.parametrize(("switch", "more"), [({}, 0), ({"round_once": "floor"}, 1)], ids=["after", "before"])
def test_earn_06_doubling_after_flooring(switch: dict[str, str], more: int) -> None:
    """38; doubled before it is floored 39, as the example notes."""
    given_, expected = EXAMPLES["earn-06"]["given"], EXAMPLES["earn-06"]["expect"]
    rules = [
        rate(given_["points"], Decimal(given_["per_minor"]) / 100),
        {"id": "double", "multiply": given_["multiplier"]},
    ]
    with earning(NOW, *rules, **switch) as here:
        assert expected["points"] + more == here.buys(M, given_["basis_minor"])


def test_earn_11_a_point_per_1000() -> None:
    """Ten pieces at 1,000 are 10 points."""
    given_, expected = EXAMPLES["earn-11"]["given"], EXAMPLES["earn-11"]["expect"]
    with earning(NOW, rate(1, given_["collection_factor"])) as here:
        piece = {"n": 1, "sku": "a", "qty": given_["qty"], "unit_price_minor": minor(given_["rate"])}
        assert expected["points"] == here.buys(M, [piece])


POLICIES = {"any": "debt", "clamp_to_zero": "clamp", "allow_negative": "negative"}


@pytest.mark.parametrize("example", ["refund-01", "refund-02", "refund-03"])
def test_refund_01_refund_02_refund_03_a_cancellation_takes_points_back(example: str) -> None:
    """Unspent; spent, and clamped to zero; spent, and below zero."""
    given_, expected = EXAMPLES[example]["given"], EXAMPLES[example]["expect"]
    with shop(NOW, clawback=POLICIES[given_["policy"]]) as here:
        assert given_["earned"] == here.buys(M, minor(given_["earned"]), "o")
        if given_["spent"]:
            here.stage.redeem(M, given_["spent"], "k")
        here.tell(here.cancelled(M, "o"))
        assert (expected["balance"], [expected["entry"]]) == (here.balance(M), posted(here, "clawback"))


def test_refund_04_the_same_cancellation_delivered_twice() -> None:
    """One entry."""
    given_, expected = EXAMPLES["refund-04"]["given"], EXAMPLES["refund-04"]["expect"]
    with earning(NOW, BASE) as here:
        here.buys(M, minor(given_["earned"]), "o")
        here.tell(*[here.cancelled(M, "o")] * given_["cancellations_delivered"])
        found = posted(here, "clawback")
        assert (expected["balance"], expected["number_of_entries"]) == (here.balance(M), len(found))


def test_refund_06_a_return_of_one_of_two_units() -> None:
    """20 at first, 10 after it."""
    given_, expected = EXAMPLES["refund-06"]["given"], EXAMPLES["refund-06"]["expect"]
    price = minor(given_["rate"])
    with earning(NOW, rate(1, given_["collection_factor"])) as here:
        piece = {"n": 1, "sku": "a", "qty": given_["qty"], "unit_price_minor": price}
        assert expected["earned_first"] == here.buys(M, [piece], "o")
        here.tell(here.refund(M, "o", price, qty=given_["returned_qty"]))
        assert expected["earned_after_return"] == here.of_order(M, "o")


# No case is left out -------------------------------------------------------------------------------------------------


def test_every_case_of_these_areas_is_run() -> None:
    """And no test is named after a case that the files do not have."""
    assert in_areas(*AREAS) == named_by(globals())


def test_the_page_names_each_case_of_these_areas_once() -> None:
    """In the one table or the other; those of spending have a test of their own."""
    assert sorted(in_areas(*AREAS)) == sorted(name for name in on_the_page() if name in in_areas(*AREAS))
