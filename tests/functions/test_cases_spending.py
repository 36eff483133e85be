"""Other systems' cases of spending: redemptions, holds, lots in order of expiry, through the public interface.

Those of many at once are in :mod:`tests.functions.test_cases_at_once`. Each case has a program of its own; its figures
are read from the shared files. Where ours differs, the test asserts our answer and, with the switch that docs/cases.md
names, the peer's. The last tests see to it that no case is left out, here or on the page.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.functions import test_cases_at_once, test_cases_earning, test_cases_expiry
from tests.functions.cases import EXAMPLES, figures, in_areas, minor, named_by, needs_cases, on_the_page
from tests.functions.earning import Shop, shop
from tests.functions.stage import line

NOW = "2026-06-01T12:00:00+08:00"
M = "m-1"
AREAS = ("redeem", "hold", "concurrency", "lottery")
OF_SPENDING = frozenset({"fifo-01", "fifo-05"})
"""Examples of lots in which points are spent; the others are of expiry alone."""

pytestmark = [needs_cases, pytest.mark.usefixtures("aws")]


def with_points(here: Shop, *lots: int) -> None:
    """Orders of a yuan a point, one for each number."""
    for points in lots:
        here.buys(M, points * 100)


def points_of(here: Shop) -> tuple[int, int, int]:
    """Balance, available and held."""
    found = here.stage.member(M)
    return found["balance"], found["available"], found["held"]


def hold(here: Shop, points: int, key: str, **more: Any) -> str:
    """A hold that is made."""
    answer = here.stage.hold(M, points, key, **more)
    assert 201 == answer.status, answer
    return str(answer.body["hold_id"])


def resolve(here: Shop, hold_id: str, how: str, points: int | None = None) -> tuple[int, str | None]:
    """Capture or void it: the status, and the code of a refusal."""
    body = {} if points is None else {"points": points}
    answer = here.stage.ask("POST", f"/v1/holds/{hold_id}/{how}", body, key=f"{how}-{hold_id[-8:]}-{points}")
    return answer.status, answer.code


def order(total: object) -> dict[str, Any]:
    """An order's total."""
    return {"order_total": {"amount_minor": minor(total), "currency": "CNY"}}


def refusal(here: Shop, points: int, **more: Any) -> tuple[int, str, int]:
    """The limit that a redemption is refused with, and what it allows; nothing is spent."""
    before = here.balance(M)
    answer = here.stage.redeem(M, points, f"no-{points}", **more)
    assert before == here.balance(M)
    return answer.status, answer.body.get("limit") or answer.code, answer.body.get("allowed", -1)


def taken(here: Shop, points: int, key: str = "yes", **more: Any) -> tuple[int, int]:
    """The points of a redemption that is made, and what they take off."""
    answer = here.stage.redeem(M, points, key, **more)
    assert 201 == answer.status, answer
    return answer.body["points"], answer.body["discount"]["amount_minor"]


# Holds ---------------------------------------------------------------------------------------------------------------


def test_pc_048_a_hold_across_two_lots() -> None:
    """100 and 200; 180 held: 300 in all, 120 available, 180 held."""
    (frozen,) = figures("PC-048", "when")
    total, available, held = figures("PC-048", "then")
    with shop(NOW) as here:
        here.buys(M, minor(figures("PC-048", "given")[0]))
        here.at("2026-07-01T12:00:00+08:00")
        here.buys(M, minor(figures("PC-048", "given")[1]))
        hold(here, frozen, "k")
        assert (total, available, held) == points_of(here)
        assert [120] == [lot["points"] for lot in here.stage.get(f"/v1/members/{M}/lots")["lots"]]


def test_pc_049_a_part_of_a_hold_is_given_back() -> None:
    """Ours is resolved once: voided, all 80 are back. As two holds, of which one is voided: 70 and 30, as the peer."""
    credited, frozen = figures("PC-049", "given")
    (part,) = figures("PC-049", "when")
    available, held = figures("PC-049", "then")
    with shop(NOW) as here:
        with_points(here, credited)
        whole = hold(here, frozen, "k")
        assert (200, None) == resolve(here, whole, "void")
        assert (credited, credited, 0) == points_of(here)
        to_go, _ = hold(here, part, "k-1"), hold(here, frozen - part, "k-2")
        assert (200, None) == resolve(here, to_go, "void")
        assert (credited, available, held) == points_of(here)


def test_pc_050_more_is_given_back_than_the_first_hold() -> None:
    """Ours are given back one by one, and what is to stay is held anew: 90 and 10, as the peer."""
    credited, first, second = figures("PC-050", "given")
    (part,) = figures("PC-050", "when")
    available, held = figures("PC-050", "then")
    with shop(NOW) as here:
        with_points(here, credited)
        for one in [hold(here, first, "k-1"), hold(here, second, "k-2")]:
            assert (200, None) == resolve(here, one, "void")
        hold(here, first + second - part, "k-3")
        assert (credited, available, held) == points_of(here)


def test_pc_051_less_is_captured_than_was_held() -> None:
    """70 of 80: 30 available, nothing held, 30 in all."""
    credited, frozen = figures("PC-051", "given")
    used, _ = figures("PC-051", "when")
    spent, available, held, total = figures("PC-051", "then")
    with shop(NOW) as here:
        with_points(here, credited)
        assert (200, None) == resolve(here, hold(here, frozen, "k"), "capture", used)
        assert (total, available, held) == points_of(here)
        assert spent == here.stage.member(M)["lifetime"]["redeemed"]


def test_pc_052_a_two_phase_debit() -> None:
    """Captured for less, voided, left until its time: the rest is back; it is resolved once, and no entry is edited."""
    with shop(NOW) as here:
        with_points(here, 100)
        posted, voided, left = (hold(here, 30, f"k-{n}", expires_in_s=60) for n in range(3))
        before = here.stage.entries(M)
        assert (200, None) == resolve(here, posted, "capture", 20)
        assert (200, None) == resolve(here, voided, "void")
        here.at((datetime.fromisoformat(NOW) + timedelta(seconds=60)).isoformat())
        assert (80, 80, 0) == points_of(here)
        assert [(409, "HOLD_ALREADY_RESOLVED")] * 2 == [resolve(here, posted, "void"), resolve(here, voided, "capture")]
        assert [(410, "HOLD_EXPIRED")] * 2 == [resolve(here, left, "capture"), resolve(here, left, "void")]
        assert before == here.stage.entries(M)[: len(before)]
        assert here.stage.proved(M)


# Redemptions ---------------------------------------------------------------------------------------------------------


def test_pc_054_clamped_to_the_share_of_the_order() -> None:
    """Ours refuses 10,000 and says that 5,000 go; with ``up_to`` it takes them, as the peer."""
    _, _, share, total, balance = figures("PC-054", "given")
    (asked,) = figures("PC-054", "when")
    (applied,) = figures("PC-054", "then")
    with shop(NOW, redemption={"points_per_unit": 100, "max_order_share": f"0.{share}"}) as here:
        with_points(here, balance)
        assert (409, "max_order_share", applied) == refusal(here, asked, **order(total))
        assert (applied, applied) == taken(here, asked, up_to=True, **order(total))


@pytest.mark.parametrize("up_to", [False, True])
def test_pc_057_below_the_minimum_nothing_is_applied(up_to: bool) -> None:  # noqa: FBT001 - how it is asked
    """A refusal that names the minimum; nothing is taken, exactly or up to."""
    (least,), (asked,) = figures("PC-057", "given"), figures("PC-057", "when")
    (applied,) = figures("PC-057", "then")
    with shop(NOW, redemption={"min_points": least}) as here:
        with_points(here, 1_000)
        assert (409, "min_points", applied) == refusal(here, asked, up_to=up_to)
        assert (least, least) == taken(here, least)


def test_pc_062_a_multiple_of_the_step() -> None:
    """Ours refuses 10 and says that 9 go; with ``up_to`` it takes them, as the peer."""
    balance, worth, step = figures("PC-062", "given")
    used = figures("PC-062", "then")[0]
    with shop(NOW, redemption={"worth": {"points": 1, "minor": minor(worth)}, "step_points": step}) as here:
        with_points(here, balance)
        assert (409, "step_points", used) == refusal(here, balance, **order(1_000))
        assert (used, used * minor(worth)) == taken(here, balance, up_to=True, **order(1_000))


def test_pc_064_a_minimum_discount() -> None:
    """10 points are 1.00, and no discount is below 5.00: 10 points cannot be used, 50 can."""
    points, worth, least = figures("PC-064", "given")
    few, enough = figures("PC-064", "when")
    terms = {"worth": {"points": points, "minor": minor(worth)}, "min_discount_minor": minor(least)}
    with shop(NOW, redemption=terms) as here:
        with_points(here, few)
        assert (409, "min_discount_minor", 0) == refusal(here, few)
        with_points(here, enough - few)
        assert (enough, minor(least)) == taken(here, enough)


def test_pc_065_there_and_back_in_the_shop_s_favour() -> None:
    """100 points at 15.00 are 1,500.00; a discount of 100.00 needs 7 points."""
    (rate,) = figures("PC-065", "given")
    points, money = figures("PC-065", "when")
    worth, needed, _ = figures("PC-065", "then")
    with shop(NOW, redemption={"worth": {"points": 1, "minor": minor(rate)}}) as here:
        with_points(here, points)
        body = {
            "member_id": M,
            "order": {"lines": [line(minor(10_000))]},
            "discount": {"amount_minor": minor(money), "currency": "CNY"},
        }
        quoted = here.stage.ask("POST", "/v1/quotes", body).body["for_discount"]
        assert (needed, True) == (quoted["points"], quoted["usable"])
        assert (points, minor(worth)) == taken(here, points)


def test_pc_066_the_limit_is_the_payable_total() -> None:
    """The total that the shop names is what is paid: 1,010 points for 101, and not one more."""
    rate, _, payable = figures("PC-066", "given")
    points, total, _ = figures("PC-066", "then")
    with shop(NOW, redemption={"worth": {"points": 1, "minor": minor(rate)}}) as here:
        with_points(here, 2_000)
        assert (409, "max_order_share", points) == refusal(here, points + 1, **order(payable))
        assert (points, minor(total)) == taken(here, points, **order(payable))


def test_pc_110_points_that_are_spent_do_not_keep_an_order_from_earning() -> None:
    """An order paid in part with points earns for the rest: 70 of 100."""
    with shop(NOW) as here:
        with_points(here, 100)
        used, off = taken(here, 3_000 // 100, order_id="o", order={"lines": [line(10_000)]})
        assert 100 - used == here.buys(M, [line(10_000), line(off * 100, 2, kind="points")], "o")


# Examples ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", ["redeem-01", "redeem-03"])
def test_redeem_01_redeem_03_as_many_as_can_be_used(example: str) -> None:
    """To the balance; down to a whole step. Ours refuses the number itself, and takes what can be used with up_to."""
    given_, expected = EXAMPLES[example]["given"], EXAMPLES[example]["expect"]
    terms = {
        "worth": {"points": given_["points"], "minor": given_["worth_minor"]},
        "step_points": given_["points"],
        "min_points": given_["min"],
        "max_order_share": str(given_["max_percent"] / 100),
    }
    with shop(NOW, redemption=terms) as here:
        with_points(here, given_["balance"])
        of: dict[str, Any] = {"order_total": {"amount_minor": given_["order_minor"], "currency": "CNY"}}
        assert 409 == refusal(here, given_["requested"], **of)[0]
        points, off = taken(here, given_["requested"], up_to=True, **of)
        assert (expected["applied"], expected.get("worth_minor", off)) == (points, off)


def test_redeem_04_below_the_minimum() -> None:
    """400 of at least 500: nothing is applied, and the minimum is named."""
    given_, expected = EXAMPLES["redeem-04"]["given"], EXAMPLES["redeem-04"]["expect"]
    with shop(NOW, redemption={"min_points": given_["min"], "max_order_share": "1"}) as here:
        with_points(here, given_["balance"])
        assert (409, "min_points", expected["applied"]) == refusal(here, given_["requested"])


def test_fifo_01_the_soonest_to_expire_is_spent_first() -> None:
    """100 on day 1, 50 on day 15, 80 spent on day 20; on day 31 what is left of the first lapses.

    The source lets points of 30 days lapse on the 30th day after; ours can be used through their last valid day.
    """
    given_, expected = EXAMPLES["fifo-01"]["given"], EXAMPLES["fifo-01"]["expect"]
    start = datetime.fromisoformat(NOW)
    balances: list[list[int]] = []
    with shop(NOW, expiry={"policy": "days", "days": given_["lifetime_days"] - 1}) as here:
        for day, what, points in given_["events"]:
            here.at((start + timedelta(days=day)).isoformat())
            if what == "earn":
                here.buys(M, points * 100)
            elif what == "redeem":
                assert 201 == here.stage.redeem(M, points, f"k-{day}").status
            else:
                here.sweeps((start + timedelta(days=day)).isoformat())
            balances.append([day, here.balance(M)])
        lapsed = [-one["points"] for one in here.stage.entries(M) if one["kind"] == "expire"]
    assert (expected["balance_after"], [expected["expired_on_day_31"]]) == (balances, lapsed)


def test_fifo_05_of_a_lot_that_is_partly_used_the_rest_lapses() -> None:
    """150 earned, 50 spent: one entry of -100."""
    (_, earned, _), (_, spent) = EXAMPLES["fifo-05"]["given"]["events"]
    expected = EXAMPLES["fifo-05"]["expect"]
    with shop(NOW, expiry={"policy": "days", "days": 10}) as here:
        with_points(here, earned)
        assert 201 == here.stage.redeem(M, spent, "k").status
        here.sweeps("2026-07-01T12:00:00+08:00")
        lapsed = [one["points"] for one in here.stage.entries(M) if one["kind"] == "expire"]
        assert (expected["balance"], expected["expiry_entries"]) == (here.balance(M), lapsed)


# No case is left out -------------------------------------------------------------------------------------------------


def test_every_case_of_these_areas_is_run() -> None:
    """And no test is named after a case that the files do not have."""
    assert in_areas(*AREAS) | OF_SPENDING == named_by(globals(), vars(test_cases_at_once))


def test_the_page_names_the_cases_and_no_others() -> None:
    """Each case of earning, spending and expiry once, in the one table or the other."""
    owed = in_areas(*test_cases_earning.AREAS, *AREAS, *test_cases_expiry.AREAS)
    assert sorted(owed) == sorted(on_the_page())
