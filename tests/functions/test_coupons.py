"""Coupons over the API: exchanged for, held, used on an order by the shop, given back, taken back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jifen.runtime import use as in_place
from tests.functions.pages import follow
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Stage, instant, paid

A, B = "alice", "bob"
FIVE = {"kind": "amount", "discount_minor": 500, "valid_days": 7}
REWARDS: dict[str, dict[str, Any]] = {
    "five": FIVE,
    "over": {"kind": "over", "discount_minor": 2_000, "threshold_minor": 10_000, "valid_days": 7, "uses_per_day": 1},
    "tenth": {"kind": "percent", "percent": "0.10", "max_discount_minor": 1_500},
    "post": {"kind": "shipping", "discount_minor": 1_000},
}


@pytest.fixture(scope="module")
def history(aws: None) -> tuple[Stage, Any]:  # noqa: ARG001 - the table is made in it
    """A mall with a coupon of each kind for 10 points; Alice and Bob have 300 points each."""
    made = Stage("coupons", program={"currency": "CNY", "time_zone": "Asia/Shanghai"})
    with in_place(made.runtime):
        made.earn(*[paid(f"o-{name}", name, 30_000, currency="CNY") for name in (A, B)])
        for name, coupon in REWARDS.items():
            reward = {"title": name, "kind": "coupon", "points": 10, "coupon": coupon, "stock": {"counted": False}}
            answer = made.ask("PUT", f"/v1/rewards/{name}", reward, scopes=OPERATOR, key=name)
            assert 200 == answer.status, answer
        return made, made.remember()


@pytest.fixture
def here(history: tuple[Stage, Any]) -> Iterator[Stage]:
    """Nobody has a coupon yet."""
    made, remembered = history
    made.go_back(remembered)
    with in_place(made.runtime):
        yield made


def exchanged(stage: Stage, reward: str = "five", key: str = "x-1", member: str = A) -> str:
    """The id of a coupon that a member exchanges points for."""
    before = set(ids(stage, member))
    body = {"reward_id": reward}
    answer = stage.ask("POST", f"/v1/members/{member}/reward-orders", body, subject=member, scopes=MEMBER, key=key)
    assert 201 == answer.status, answer
    (found,) = set(ids(stage, member)) - before
    return found


def listed(stage: Stage, member: str = A, scopes: str = MEMBER, **query: str) -> Answer:
    """A page of a member's coupons."""
    return stage.ask("GET", f"/v1/members/{member}/coupons", subject=member, scopes=scopes, query=query)


def ids(stage: Stage, member: str = A, **query: str) -> list[str]:
    """The ids on a page of a member's coupons."""
    return [one["coupon_id"] for one in listed(stage, member, **query).body["coupons"]]


def use(
    stage: Stage, coupon: str, key: str, goods: Any = 20_000, order: Any = "o-1", scopes: str = SHOP, **more: Any
) -> Answer:
    """Use a coupon on an order."""
    total = {"amount_minor": goods, "currency": "CNY"} if isinstance(goods, int) else goods
    body = {"order_id": order, "order_total": total, **more}
    return stage.ask("POST", f"/v1/coupons/{coupon}/use", body, key=key, scopes=scopes)


def release(stage: Stage, coupon: str, key: str, order: str = "o-1", **more: Any) -> Answer:
    """Give a coupon back."""
    return stage.ask("POST", f"/v1/coupons/{coupon}/release", {"order_id": order, **more}, key=key)


def void(stage: Stage, coupon: str, key: str, reason: Any = "a mistake", scopes: str = OPERATOR) -> Answer:
    """Take a coupon back."""
    return stage.ask("POST", f"/v1/coupons/{coupon}/void", {"reason": reason}, key=key, scopes=scopes, subject="op")


def look(stage: Stage, coupon: str, subject: str = A, scopes: str = MEMBER) -> Answer:
    """One coupon."""
    return stage.ask("GET", f"/v1/coupons/{coupon}", subject=subject, scopes=scopes)


def money(minor: int) -> dict[str, Any]:
    """An amount of yuan."""
    return {"amount_minor": minor, "currency": "CNY"}


def test_a_member_sees_what_was_exchanged_for(here: Stage) -> None:
    """The terms, the last valid day, where it comes from; not a word of orders of the shop."""
    coupon = exchanged(here, "over")

    seen = look(here, coupon).body

    source = seen.pop("source")
    assert {
        "coupon_id": coupon,
        "member_id": A,
        "reward_id": "over",
        "status": "ISSUED",
        "kind": "over",
        "discount": money(2_000),
        "percent": None,
        "max_discount": None,
        "threshold": money(10_000),
        "uses_per_day": 1,
        "issued_at": "2011-01-10T09:00:00Z",
        "expires_on": "2011-01-17",
        "used_at": None,
    } == seen
    assert source["id"].startswith("ro.")


@pytest.mark.parametrize(
    ("reward", "more", "discount"),
    [
        ("five", {"goods": 300}, 300),
        ("over", {}, 2_000),
        ("tenth", {"goods": 9_999}, 999),
        ("tenth", {}, 1_500),
        ("post", {"shipping": money(800)}, 800),
    ],
)
def test_the_shop_uses_a_coupon_once(here: Stage, reward: str, more: dict[str, Any], discount: int) -> None:
    """200 with the discount; the same request the same answer; any other one is told where it was used, and when."""
    coupon = exchanged(here, reward)

    answer = use(here, coupon, "k-1", **more)

    assert {"coupon_id": coupon, "status": "USED", "discount": money(discount)} == answer.body
    assert answer == use(here, coupon, "k-1", **more)
    for key, order in (("k-2", "o-1"), ("k-3", "o-2")):
        refused = use(here, coupon, key, order=order, **more)
        assert (409, "COUPON_NOT_USABLE", "USED") == (refused.status, refused.code, refused.body["because"])
        assert {"source": "standard", "order_id": "o-1"} == refused.body["order"]
        assert "2011-01-10T09:00:00Z" == refused.body["used_at"]
    assert (422, "IDEMPOTENCY_KEY_REUSED") == ((other := use(here, coupon, "k-1", order="o-9")).status, other.code)


def test_the_order_is_shown_to_staff_alone(here: Stage) -> None:
    """The member sees that it was used and when."""
    coupon = exchanged(here)
    use(here, coupon, "k-1", source="shopify")

    own, shop = look(here, coupon).body, look(here, coupon, "x", SHOP).body

    assert ("USED", "2011-01-10T09:00:00Z") == (own["status"], own["used_at"])
    assert "order" not in own
    assert {"source": "shopify", "order_id": "o-1"} == shop["order"]
    assert "order" not in listed(here).body["coupons"][0]
    assert shop == listed(here, scopes=SHOP).body["coupons"][0]


@pytest.mark.parametrize(
    ("reward", "more", "facts"),
    [
        ("over", {"goods": 9_999}, {"because": "ORDER_TOO_SMALL", "threshold": money(10_000), "missing": money(1)}),
        ("five", {"goods": 0}, {"because": "NOTHING_OFF"}),
        ("tenth", {"goods": 9}, {"because": "NOTHING_OFF"}),
        ("post", {}, {"because": "NOTHING_OFF"}),
        ("post", {"shipping": money(0)}, {"because": "NOTHING_OFF"}),
        (
            "five",
            {"goods": {"amount_minor": 900, "currency": "EUR"}},
            {"because": "OTHER_CURRENCY", "currency": "CNY"},
        ),
    ],
)
def test_what_is_missing_is_said_and_the_coupon_stays(
    here: Stage, reward: str, more: dict[str, Any], facts: dict[str, Any]
) -> None:
    """409; nothing is written, so the coupon is there for the next order."""
    coupon = exchanged(here, reward)
    before = here.table()

    answer = use(here, coupon, "k-1", **more)

    assert (409, "COUPON_NOT_USABLE") == (answer.status, answer.code)
    assert facts == {name: answer.body[name] for name in facts}
    assert before == here.table()


def test_a_coupon_is_good_through_its_last_day_in_the_programs_zone(here: Stage) -> None:
    """Exchanged on the 10th for 7 days: good at 23:59:59 of the 17th in Shanghai, expired a second later."""
    first, second = exchanged(here), exchanged(here, key="x-2")
    here.move_to("2011-01-17T23:59:59+08:00")
    assert 200 == use(here, first, "k-1").status

    here.move_to("2011-01-18T00:00:00+08:00")

    refused = use(here, second, "k-2")
    assert ("EXPIRED", "2011-01-17") == (refused.body["because"], refused.body["expired_on"])
    assert "EXPIRED" == look(here, second).body["status"]


def test_a_coupon_of_which_one_a_day_can_be_used_waits_for_tomorrow(here: Stage) -> None:
    """LIMIT_REACHED with the instant; the day's use comes back with a release, on the same day."""
    first, second = exchanged(here, "over"), exchanged(here, "over", key="x-2")
    use(here, first, "k-1")

    refused = use(here, second, "k-2", order="o-2")

    assert (409, "LIMIT_REACHED", "coupon_uses_per_day") == (refused.status, refused.code, refused.body["limit"])
    assert "2011-01-10T16:00:00+00:00" == refused.body["resets_at"]
    assert 200 == use(here, exchanged(here, "over", key="x-3", member=B), "k-3", order="o-3").status
    release(here, first, "k-4")
    assert 200 == use(here, second, "k-2", order="o-2").status


def test_a_coupon_whose_order_came_to_nothing_is_back_with_its_own_date(here: Stage) -> None:
    """ISSUED again, and usable; released after its last day it stays expired."""
    coupon = exchanged(here)
    use(here, coupon, "k-1")

    back = release(here, coupon, "k-2")

    assert {"coupon_id": coupon, "status": "ISSUED", "expires_on": "2011-01-17"} == back.body
    assert back == release(here, coupon, "k-2")
    assert 200 == use(here, coupon, "k-3", order="o-2").status
    here.move_to(instant(10))
    assert "EXPIRED" == release(here, coupon, "k-4", "o-2").body["status"]


def test_a_late_release_frees_nothing_that_is_in_use(here: Stage) -> None:
    """Used on o-1, released, used on o-2: o-1 comes to nothing once more, under another key or from another shop."""
    coupon = exchanged(here)
    use(here, coupon, "k-1")
    release(here, coupon, "k-2")
    use(here, coupon, "k-3", order="o-2")

    late, elsewhere = release(here, coupon, "k-4"), release(here, coupon, "k-5", "o-2", source="shopify")

    assert [(409, "COUPON_NOT_USABLE")] * 2 == [(one.status, one.code) for one in (late, elsewhere)]
    assert "USED" == look(here, coupon).body["status"]


def test_what_is_not_used_cannot_be_released(here: Stage) -> None:
    """409 with its status."""
    answer = release(here, exchanged(here), "k-1")

    assert (409, "WRONG_STATUS", "ISSUED") == (answer.status, answer.code, answer.body["status_now"])


def test_an_operator_takes_a_coupon_back_and_the_audit_says_why(here: Stage) -> None:
    """VOID; used by nobody any more; not twice, not after it was used."""
    coupon, used = exchanged(here), exchanged(here, key="x-2")
    use(here, used, "k-0")

    answer = void(here, coupon, "k-1")

    assert ("VOID", answer) == (answer.body["status"], void(here, coupon, "k-1"))
    assert "VOID" == use(here, coupon, "k-2").body["because"]
    assert [409, 409] == [void(here, coupon, "k-3").status, void(here, used, "k-4").status]
    lines = here.ask("GET", "/v1/audit", scopes=OPERATOR, query={"month": "2011-01"}).body["lines"]
    (line,) = [one for one in lines if one["action"] == "coupon.voided"]
    assert ("operator:op", f"coupon/{coupon}", "a mistake") == (line["actor"], line["target"], line["reason"])


def test_who_may_do_what(here: Stage) -> None:
    """Members look at their own; shops use and release; operators void."""
    coupon = exchanged(here)

    assert 403 == look(here, coupon, B).status
    assert 403 == here.ask("GET", f"/v1/members/{A}/coupons", subject=B, scopes=MEMBER).status
    for scopes in (MEMBER, OPERATOR, ADMIN):
        assert 403 == use(here, coupon, "k-1", scopes=scopes).status
    assert 403 == void(here, coupon, "k-2", scopes=SHOP).status
    release_path = f"/v1/coupons/{coupon}/release"
    assert 403 == here.ask("POST", release_path, {"order_id": "o"}, key="k", subject=A, scopes=MEMBER).status
    assert "ISSUED" == look(here, coupon).body["status"]


def test_a_list_by_status_and_page_by_page(here: Stage) -> None:
    """Each once; a filter may give a short page with a cursor; a cursor is good for one member's list alone."""
    used, voided, *rest = (exchanged(here, key=f"x-{number}") for number in range(6))
    use(here, used, "k-1")
    void(here, voided, "k-2")

    assert ([used], [voided], []) == (ids(here, status="USED"), ids(here, status="VOID"), ids(here, status="EXPIRED"))
    found, cursor = [], ""
    while True:
        page = listed(here, limit="2", status="ISSUED", **({"cursor": cursor} if cursor else {})).body
        found += [one["coupon_id"] for one in page["coupons"]]
        if page["cursor"] is None:
            break
        cursor = page["cursor"]
    assert sorted(rest) == sorted(found)
    assert 422 == listed(here, B, cursor=cursor).status
    for query in ({"status": "GONE"}, {"limit": "0"}, {"limit": "1000"}, {"cursor": "AAAA"}, {"cursor": "x" * 2_000}):
        assert 422 == listed(here, **query).status


@pytest.mark.parametrize(
    "changes",
    [
        {"order_id": ""},
        {"order_id": None},
        {"order_id": "a\nb"},
        {"order_id": "x" * 129},
        {"order_id": 5},
        {"source": "Not A Shop"},
        {"source": "x" * 40},
        {"order_total": None},
        {"order_total": 500},
        {"order_total": {"amount_minor": -1, "currency": "CNY"}},
        {"order_total": {"amount_minor": 1.5, "currency": "CNY"}},
        {"order_total": {"amount_minor": "500", "currency": "CNY"}},
        {"order_total": {"amount_minor": True, "currency": "CNY"}},
        {"order_total": {"amount_minor": 10**20, "currency": "CNY"}},
        {"order_total": {"amount_minor": 500, "currency": "cny"}},
        {"order_total": {"amount_minor": 500}},
        {"shipping": {"amount_minor": -1, "currency": "CNY"}},
        {"shipping": []},
    ],
)
def test_what_is_no_use_changes_nothing(here: Stage, changes: dict[str, Any]) -> None:
    """422 naming the field."""
    coupon = exchanged(here)
    before = here.table()

    body = {"order_id": "o-1", "order_total": money(9_000)} | changes
    answer = here.ask("POST", f"/v1/coupons/{coupon}/use", body, key="k-1")

    assert (422, "INVALID_REQUEST") == (answer.status, answer.code)
    assert [next(iter(changes))] == sorted({one["field"].partition(".")[0] for one in answer.body["errors"]})
    assert before == here.table()


@pytest.mark.parametrize("coupon", ["x", "cp.YQ.AA", "ro.YWxpY2U." + "A" * 22, "cp.YWxpY2U." + "A" * 22, "%00", "券"])
def test_an_id_of_nothing_is_not_found(here: Stage, coupon: str) -> None:
    """404 for every route, and nothing is written."""
    before = here.table()

    answers = [
        look(here, coupon, "op", OPERATOR),
        use(here, coupon, "k-1"),
        release(here, coupon, "k-2"),
        void(here, coupon, "k-3"),
    ]

    assert [(404, "COUPON_NOT_FOUND")] * 4 == [(one.status, one.code) for one in answers]
    assert before == here.table()


def test_every_step_needs_a_key(here: Stage) -> None:
    """400 without one."""
    coupon = exchanged(here)
    bodies: dict[str, dict[str, Any]] = {
        "use": {"order_id": "o", "order_total": money(9)},
        "release": {"order_id": "o"},
        "void": {"reason": "x"},
    }

    for step, body in bodies.items():
        answer = here.ask("POST", f"/v1/coupons/{coupon}/{step}", body, scopes=f"{SHOP} {OPERATOR}")
        assert (400, "IDEMPOTENCY_KEY_MISSING") == (answer.status, answer.code)


def test_the_page_says_what_happens(here: Stage) -> None:
    """Every example of docs/coupons.md, sent in its order, is answered as the page shows."""
    here.move_to("2026-11-26T10:00:00+08:00")
    here.earn(paid("o-now", A, 30_000, currency="CNY", occurred_at="2026-11-26T09:00:00+08:00"))

    assert 8 == follow(here, "coupons.md", A)
