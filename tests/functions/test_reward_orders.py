"""Reward orders, from outside: members exchange points, pay, say where it goes; the shop sends, takes back, cancels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.dynamodb.models import dynamodb_backends

from jifen.runtime import use
from jifen.schedule import MalformedSchedule
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, REGION, SHOP, Answer, Stage, paid

M = "m-1"
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
PROGRAM: Mapping[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "GBP",
    "earning": {"rules": [{"id": "base", "rate": {"points": 1, "per_minor": 100}}]},
    "tiers": {"levels": [{"id": "member", "from": 0}, {"id": "gold", "from": 5_000}]},
    "mall": {"points_per_day": 3_000, "times_per_day": 8, "cash_minutes": 30, "address_days": 7},
}
ADDRESS = {"name": "Li Lei", "phone": "+86 138 0000 0000", "street": "Nanjing Road 1", "city": "Shanghai"}
CUP: dict[str, Any] = {"title": "Cup", "points": 500}
OP: dict[str, Any] = {"subject": "op", "scopes": OPERATOR}
SHOPPING: dict[str, Any] = {"subject": "shop", "scopes": SHOP}
SELF: dict[str, Any] = {"subject": M, "scopes": MEMBER}


@pytest.fixture(scope="module")
def stage_(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop in Shanghai with two tiers."""
    here = Stage("reward-orders", program=PROGRAM, now=NOW)
    with use(here.runtime):
        yield here


@pytest.fixture
def here(stage_: Stage) -> Stage:
    """No reward is there; a member has 2,000 points."""
    stage_.clear()
    stage_.move_to(NOW)
    stage_.earn(paid("o-1", M, 200_000, occurred_at=NOW.isoformat()))
    return stage_


def stocked(here: Stage, pieces: int = 3, reward_id: str = "cup", **content: Any) -> None:
    """Put a reward on the shelf, with so many pieces."""
    written = {**CUP, **content}
    answer = here.ask("PUT", f"/v1/rewards/{reward_id}", written, **OP)
    assert answer.status == 200, answer
    if pieces:
        body = {"pieces": pieces, "reason": "delivery"}
        assert here.ask("POST", f"/v1/rewards/{reward_id}/stock", body, key=f"fill-{reward_id}", **OP).status == 200


def buy(here: Stage, key: str = "k1", reward_id: str = "cup", *, who: Mapping[str, Any] = SELF, **more: Any) -> Answer:
    """Exchange, as the member."""
    return here.ask("POST", f"/v1/members/{M}/reward-orders", {"reward_id": reward_id, **more}, key=key, **who)


def bought(here: Stage, key: str = "k1", reward_id: str = "cup", **more: Any) -> dict[str, Any]:
    """The order that was made."""
    answer = buy(here, key, reward_id, **more)
    assert answer.status == 201, answer
    body: dict[str, Any] = answer.body
    return body


def step(
    here: Stage,
    order: Mapping[str, Any],
    name: str,
    body: Mapping[str, Any] | None = None,
    *,
    key: str | None = None,
    who: Mapping[str, Any] | None = None,
) -> Answer:
    """A step of an order, as the shop unless said."""
    path = f"/v1/reward-orders/{order['order_id']}/{name}"
    return here.ask("POST", path, body, key=key or f"{name}-1", **(who or {}))


def order_now(here: Stage, order: Mapping[str, Any]) -> dict[str, Any]:
    """The order as it is now."""
    found: dict[str, Any] = here.get(f"/v1/reward-orders/{order['order_id']}")
    return found


def stock(here: Stage, reward_id: str = "cup") -> tuple[int, int, int]:
    """Free, reserved and sold pieces."""
    answer = here.ask("GET", f"/v1/rewards/{reward_id}/stock", **OP)
    assert answer.status == 200, answer
    return answer.body["free"], answer.body["reserved"], answer.body["sold"]


def audit(here: Stage) -> list[tuple[str, str]]:
    """What the audit says of reward orders, and by whom, oldest first."""
    answer = here.ask("GET", "/v1/audit", query={"month": here.now.strftime("%Y-%m")}, **OP)
    assert answer.status == 200, answer
    lines = [one for one in answer.body["lines"] if one["action"].startswith("reward_order")]
    return [(one["action"], one["actor"]) for one in lines[::-1]]


def broken(here: Stage, pk: str, prefix: str) -> None:
    """Make what is kept in a partition under sort keys that begin so unreadable, as a newer version might."""
    kept = dynamodb_backends[ACCOUNT][REGION].tables[here.name].items
    items = [item.attrs for rows in kept.values() for item in rows.values()]
    found = [one for one in items if one["pk"].value == pk and one["sk"].value.startswith(prefix)]
    assert found
    for item in found:
        item["facts"].value = '{"what_is_this": 1}'
    here.runtime.showcase.forget()


def settle(here: Stage) -> dict[str, Any]:
    """One run of the deadlines, now."""
    return here.call("settle", {})


# The way to the member -----------------------------------------------------------------------------------------------


def test_from_the_shelf_to_the_door(here: Stage) -> None:
    """Exchanged, addressed, shipped, delivered: each step is answered, kept, and told apart by who took it."""
    stocked(here)

    order = bought(here)
    assert ("ADDRESS_DUE", 500, 1_500, "2026-03-17T04:00:00Z") == (
        order["status"],
        order["points"],
        order["available"],
        order["due"],
    )
    here.move_to(NOW + timedelta(minutes=1))
    assert "TO_SHIP" == step(here, order, "address", ADDRESS, who=SELF).body["status"]
    here.move_to(NOW + timedelta(minutes=2))
    sent = step(here, order, "ship", {"carrier": "SF Express", "number": "SF123"}).body
    assert ("SHIPPED", {"carrier": "SF Express", "number": "SF123"}) == (sent["status"], sent["shipping"])
    here.move_to(NOW + timedelta(minutes=3))
    assert 200 == step(here, order, "deliver").status

    done = order_now(here, order)
    assert [("ADDRESS_DUE", "member"), ("TO_SHIP", "member"), ("SHIPPED", "shop"), ("FULFILLED", "shop")] == [
        (one["status"], one["by"]) for one in done["steps"]
    ]
    assert [
        ("reward_order.addressed", f"member:{M}"),
        ("reward_order.shipped", "shop:shop-server"),
        ("reward_order.delivered", "shop:shop-server"),
    ] == audit(here)
    entry = here.entries(M)[-1]
    assert ("redeem", "REWARD_ORDERED", -500) == (entry["kind"], entry["reason"], entry["points"])
    assert {"type": "reward_order", "id": order["order_id"]} == entry["source"]
    assert ((2, 0, 1), True) == (stock(here), here.proved(M))


def test_an_address_at_once_needs_no_second_request(here: Stage) -> None:
    """It can be changed until the parcel is on its way, and not after."""
    stocked(here)

    order = bought(here, address=ADDRESS)
    assert ("TO_SHIP", None) == (order["status"], order["due"])
    moved = step(here, order, "address", {**ADDRESS, "street": "Huaihai Road 2"}, who=SELF)
    assert ("TO_SHIP", "Huaihai Road 2") == (moved.body["status"], moved.body["address"]["street"])
    step(here, order, "ship", {"carrier": "SF Express"})

    late = step(here, order, "address", ADDRESS, key="again", who=SELF)
    assert (409, "WRONG_STATUS", "SHIPPED") == (late.status, late.code, late.body["status_now"])
    assert ["CREATED", "ADDRESS_DUE", "TO_SHIP"] == late.body["needs"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 101),
        ("street", " Nanjing Road"),
        ("street", "Nanjing\nRoad"),
        ("phone", 138),
        ("note", "x" * 121),
        ("door_code", "1234"),
    ],
)
def test_an_address_that_cannot_be_one_is_named(here: Stage, field: str, value: object) -> None:
    """Each field has a length and a form; the refusal names it, and nothing is taken."""
    stocked(here)

    refused = buy(here, address={**ADDRESS, field: value})

    assert (422, f"address.{field}") == (refused.status, refused.body["errors"][0]["field"])
    assert (3, 0, 0) == stock(here)


def test_a_virtual_reward_is_there_at_once(here: Stage) -> None:
    """Its code is in the answer and in the order; a second order gets another one."""
    stocked(here, 0, "film", title="Film", kind="virtual", points=100, stock={"codes": True})
    body = {"codes": ["FILM-1", "FILM-2"]}
    assert 200 == here.ask("POST", "/v1/rewards/film/codes", body, key="codes", **OP).status

    first, second = bought(here, "k1", "film"), bought(here, "k2", "film")

    assert ("FULFILLED", "FULFILLED") == (first["status"], second["status"])
    assert ["FILM-1", "FILM-2"] == sorted(first["codes"] + second["codes"])
    assert first["codes"] == order_now(here, first)["codes"] == bought(here, "k1", "film")["codes"]
    assert "OUT_OF_STOCK" == buy(here, "k3", "film").code


def test_a_service_waits_until_it_is_done(here: Stage) -> None:
    """It needs no address and no carrier."""
    stocked(here, reward_id="polish", title="Polish", kind="service")

    order = bought(here, reward_id="polish")
    assert "TO_SHIP" == order["status"]
    assert 422 == step(here, order, "address", ADDRESS, who=SELF).status
    assert "FULFILLED" == step(here, order, "deliver").body["status"]


def test_a_coupon_comes_with_the_order(here: Stage) -> None:
    """One for each piece, each with its own last valid day."""
    terms = {"kind": "amount", "discount_minor": 500, "valid_days": 10}
    stocked(here, reward_id="off", title="5 off", kind="coupon", points=100, coupon=terms, quantity_max=2)

    order = bought(here, reward_id="off", quantity=2)

    assert ("FULFILLED", 2, 200) == (order["status"], len(set(order["coupons"])), order["points"])
    found = here.get(f"/v1/members/{M}/coupons")["coupons"]
    assert sorted(order["coupons"]) == sorted(one["coupon_id"] for one in found)
    assert {"2026-03-20"} == {one["expires_on"] for one in found}


def test_a_donation_has_a_receipt(here: Stage) -> None:
    """Its number is that of no other, and it can be read again."""
    stocked(here, reward_id="tree", title="A tree", kind="donation", points=300, donation={"unit": "tree"})

    first, second = bought(here, "k1", "tree"), bought(here, "k2", "tree")

    receipt = first["receipt"]
    assert ("tree", 1, 300, M) == (receipt["unit"], receipt["quantity"], receipt["points"], receipt["member_id"])
    assert receipt["number"].startswith("20260310-")
    assert receipt["number"] != second["receipt"]["number"]
    assert receipt == order_now(here, first)["receipt"]
    assert "DONATED" == here.entries(M)[-1]["reason"]


# Points and money ----------------------------------------------------------------------------------------------------

POUNDS = {"amount_minor": 1_000, "currency": "GBP"}
PAID = {"paid": POUNDS, "payment_id": "pay-1"}


def test_points_and_money(here: Stage) -> None:
    """The points go at once, the money is due; once it is there the order goes on, and only by the whole amount."""
    stocked(here, cash_minor=1_000)

    order = bought(here, address=ADDRESS)
    assert ("CREATED", POUNDS, "2026-03-10T04:30:00Z", 1_500) == (
        order["status"],
        order["cash_due"],
        order["due"],
        order["available"],
    )
    less = step(here, order, "paid", {**PAID, "paid": {**POUNDS, "amount_minor": 999}}, key="less")
    assert (422, "paid") == (less.status, less.body["errors"][0]["field"])
    after = step(here, order, "paid", PAID).body

    assert ("TO_SHIP", None, "pay-1") == (after["status"], after["cash_due"], after["payment_id"])
    again = step(here, order, "paid", PAID, key="second-message")
    assert (200, "TO_SHIP", 2) == (again.status, again.body["status"], len(again.body["steps"]))
    other = step(here, order, "paid", {**PAID, "payment_id": "pay-2"}, key="another")
    assert (409, "WRONG_STATUS") == (other.status, other.code)


def test_codes_are_shown_once_they_are_paid(here: Stage) -> None:
    """Before that nobody sees them, and an order that is not paid gives them back."""
    stocked(here, 0, "film", title="Film", kind="virtual", points=100, cash_minor=1_000, stock={"codes": True})
    here.ask("POST", "/v1/rewards/film/codes", {"codes": ["FILM-1"]}, key="codes", **OP)

    first = bought(here, "k1", "film")
    assert [] == first["codes"] == order_now(here, first)["codes"]
    here.move_to(NOW + timedelta(minutes=30))
    settle(here)
    second = bought(here, "k2", "film")

    assert ["FILM-1"] == step(here, second, "paid", PAID).body["codes"]
    assert [] == order_now(here, first)["codes"]


@pytest.mark.parametrize("swept", [False, True])
def test_money_that_comes_too_late_has_to_go_back(here: Stage, *, swept: bool) -> None:
    """At the last instant it is in time; from the next on the order is cancelled, points and piece are back."""
    stocked(here, cash_minor=1_000)
    order = bought(here)

    here.move_to(NOW + timedelta(minutes=30))
    assert "CANCELED" == order_now(here, order)["status"]
    if swept:
        assert 1 == settle(here)["settled"]
    late = step(here, order, "paid", PAID)

    assert (410, "DEADLINE_PASSED", "CANCELED") == (late.status, late.code, late.body["order_status"])
    assert "2026-03-10T04:30:00+00:00" == late.body["due_at"]
    assert (2_000, (3, 0, 0)) == (here.member(M)["available"], stock(here))
    assert ("restore", "REWARD_UNPAID", 500) == tuple(
        here.entries(M)[-1][name] for name in ("kind", "reason", "points")
    )
    assert here.proved(M)


def test_money_one_second_before_the_deadline_is_in_time(here: Stage) -> None:
    """The deadline itself is the first instant that is too late."""
    stocked(here, cash_minor=1_000)
    order = bought(here)

    here.move_to(NOW + timedelta(minutes=29, seconds=59))

    assert "ADDRESS_DUE" == step(here, order, "paid", PAID).body["status"]


VOUCHER: dict[str, Any] = {"title": "100 points", "kind": "voucher", "points": 0, "cash_minor": 100}


def test_a_voucher_gives_its_points_once_it_is_paid(here: Stage) -> None:
    """One pound buys a hundred points, which live as long as points earned today; taken back, they are gone."""
    stocked(here, reward_id="points", **VOUCHER, voucher={"points": 100}, quantity_max=5)

    order = bought(here, reward_id="points", quantity=2)
    assert ("CREATED", 2_000) == (order["status"], here.member(M)["available"])
    pounds = {"amount_minor": 200, "currency": "GBP"}
    after = step(here, order, "paid", {"paid": pounds, "payment_id": "p"}).body
    assert ("FULFILLED", 200, 2_200) == (after["status"], after["points_credited"], after["available"])
    assert "VOUCHER_BOUGHT" == here.entries(M)[-1]["reason"]

    back = step(here, order, "return", {"reason": "changed the mind"}).body
    assert ("RETURNED", pounds, 2_000) == (back["status"], back["refund_due"], here.member(M)["available"])
    assert ("clawback", -200) == tuple(here.entries(M)[-1][name] for name in ("kind", "points"))
    assert here.proved(M)


def test_points_of_a_voucher_that_are_spent_are_owed(here: Stage) -> None:
    """The voucher is taken back after its points were spent: the member owes them."""
    stocked(here, reward_id="points", **VOUCHER, voucher={"points": 100})
    order = bought(here, reward_id="points")
    step(here, order, "paid", {"paid": {"amount_minor": 100, "currency": "GBP"}, "payment_id": "p"})
    here.redeem(M, 2_100, "all")

    step(here, order, "cancel", who=OP)

    assert (100, True) == (here.member(M)["debt"], here.proved(M))


# Ends ----------------------------------------------------------------------------------------------------------------


def test_a_member_cancels_until_it_is_shipped(here: Stage) -> None:
    """The points go back into the lot they came from, the limits are free again, the piece is."""
    stocked(here, limits=[{"per": "month", "times": 1}])
    order = bought(here)
    assert "LIMIT_REACHED" == buy(here, "k2").code

    canceled = step(here, order, "cancel", {"reason": "too small"}, who=SELF).body

    assert ("CANCELED", 500, 2_000) == (canceled["status"], canceled["restored"], canceled["available"])
    (lot,) = here.get(f"/v1/members/{M}/lots")["lots"]
    assert (2_000, "2027-03-31", None) == (lot["points"], lot["expires_on"], lot["active_from"])
    assert (3, 0, 0) == stock(here)
    assert "ADDRESS_DUE" == bought(here, "k3")["status"]


def test_a_parcel_on_its_way_is_the_shops_to_call_back(here: Stage) -> None:
    """The member is told what would have been possible; the shop cancels, or takes it back once it is there."""
    stocked(here)
    order = bought(here, address=ADDRESS)
    step(here, order, "ship", {"carrier": "SF Express"})

    late = step(here, order, "cancel", who=SELF)
    assert (409, ["CREATED", "ADDRESS_DUE", "TO_SHIP"]) == (late.status, late.body["needs"])
    assert 403 == step(here, order, "return", who=SELF).status
    assert "RETURNED" == step(here, order, "return", {"restock": False}).body["status"]

    assert (2_000, (2, 0, 1)) == (here.member(M)["available"], stock(here))
    assert "REWARD_RETURNED" == here.entries(M)[-1]["reason"]
    again = step(here, order, "return", {"restock": True}, key="again")
    assert (409, "RETURNED") == (again.status, again.body["status_now"])


def test_a_part_of_an_order_is_taken_back(here: Stage) -> None:
    """Its share of the points comes back; what cannot be returned is named, and the rest stays where it is."""
    stocked(here, quantity_max=3)
    order = bought(here, quantity=3, address=ADDRESS)
    step(here, order, "ship", {"carrier": "SF Express"})

    part = step(here, order, "return", {"reason": "cracked", "restock": False, "quantity": 1}).body
    assert ("SHIPPED", 1, 500, 1_000) == (part["status"], part["returned"], part["restored"], part["available"])
    assert "1 of 3 returned: cracked" == part["steps"][-1]["note"]
    more = step(here, order, "return", {"quantity": 3}, key="more")
    assert (422, "quantity") == (more.status, more.body["errors"][0]["field"])
    rest = step(here, order, "return", key="rest").body

    assert ("RETURNED", 3, 2_000) == (rest["status"], rest["returned"], rest["available"])
    assert ((2, 0, 1), True) == (stock(here), here.proved(M))


def test_codes_are_taken_back_by_an_operator_and_given_to_nobody(here: Stage) -> None:
    """The shop may not; the points go back, the code does not."""
    stocked(here, 0, "film", title="Film", kind="virtual", points=100, stock={"codes": True})
    here.ask("POST", "/v1/rewards/film/codes", {"codes": ["FILM-1"]}, key="codes", **OP)
    order = bought(here, reward_id="film")

    assert 409 == step(here, order, "cancel", who=SELF).status
    assert [403, 403] == [step(here, order, name).status for name in ("cancel", "return")]
    assert "CANCELED" == step(here, order, "cancel", key="op", who=OP).body["status"]

    assert (2_000, (0, 0, 1)) == (here.member(M)["available"], stock(here, "film"))
    assert "OUT_OF_STOCK" == buy(here, "k2", "film").code


def test_a_coupon_is_taken_back_while_it_is_unused(here: Stage) -> None:
    """Then it is void; one that was used keeps its order."""
    terms = {"kind": "amount", "discount_minor": 500}
    stocked(here, reward_id="off", title="5 off", kind="coupon", points=100, coupon=terms)
    used, unused = bought(here, "k1", "off"), bought(here, "k2", "off")
    body = {"order_id": "o-9", "order_total": {"amount_minor": 2_000, "currency": "GBP"}}
    assert 200 == here.ask("POST", f"/v1/coupons/{used['coupons'][0]}/use", body, key="use").status

    refused = step(here, used, "cancel", key="c1", who=OP)
    assert (409, "USED") == (refused.status, refused.body["status_now"])
    assert "CANCELED" == step(here, unused, "cancel", key="c2", who=OP).body["status"]

    assert "VOID" == here.get(f"/v1/coupons/{unused['coupons'][0]}")["status"]
    assert 1_900 == here.member(M)["available"]


@pytest.mark.parametrize("swept", [False, True])
def test_without_an_address_in_time_it_is_forfeited(here: Stage, *, swept: bool) -> None:
    """After seven days the piece is back and the points are not; whether or not the deadlines were looked at."""
    stocked(here)
    order = bought(here)

    here.move_to(NOW + timedelta(days=7))
    assert "FORFEITED" == order_now(here, order)["status"]
    if swept:
        assert 1 == settle(here)["settled"]
    late = step(here, order, "address", ADDRESS, who=SELF)

    assert (410, "DEADLINE_PASSED", "FORFEITED") == (late.status, late.code, late.body["order_status"])
    assert (1_500, (3, 0, 0)) == (here.member(M)["available"], stock(here))
    assert [("reward_order.forfeited", "system")] == audit(here)
    assert 0 == settle(here)["settled"]


def test_a_forfeited_order_cannot_be_cancelled_into_its_points(here: Stage) -> None:
    """Whose deadline has passed cannot have the points back by cancelling before anybody has looked."""
    stocked(here)
    order = bought(here)
    here.move_to(NOW + timedelta(days=7))

    refused = step(here, order, "cancel", who=SELF)

    assert (410, "FORFEITED") == (refused.status, refused.body["order_status"])
    assert 1_500 == here.member(M)["available"]


def test_the_schedule_settles_as_of_an_instant(here: Stage) -> None:
    """Now, or as of what it is given, again and again; it says what it did, and counts it."""
    stocked(here, cash_minor=1_000)
    bought(here)

    here.move_to("2026-03-10T05:00:00Z")
    early = here.call("settle", {"as_of": "2026-03-10T04:29:59Z"})
    assert ("2026-03-10T04:29:59+00:00", 0, True) == (early["as_of"], early["settled"], early["finished"])
    due = here.call("settle", {"as_of": "2026-03-10T12:30:00+08:00"})
    assert (1, 0, 0) == (due["settled"], due["failed"], due["left"])
    assert 0 == here.call("settle", {"as_of": "2026-03-10T12:30:00+08:00"})["settled"]
    assert (1, 0) == (here.counted["DeadlinesSettled"], here.counted["DeadlinesFailed"])


@pytest.mark.parametrize("as_of", ["today", "2026-03-10", 17, "2026-03-10T04:30:00"])
def test_a_schedule_for_no_instant_fails(here: Stage, as_of: object) -> None:
    """It does not guess: the run fails and is seen."""
    with pytest.raises(MalformedSchedule):
        here.call("settle", {"as_of": as_of})


def test_nothing_is_settled_before_its_time(here: Stage) -> None:
    """An instant that has not come is refused, a minute for clocks aside: nothing is forfeited or ended early."""
    stocked(here, cash_minor=1_000)
    order = bought(here)

    for ahead in ("2026-03-10T04:01:01Z", "2026-03-20T04:00:00Z", "2999-01-01T00:00:00Z"):
        with pytest.raises(MalformedSchedule, match="has not come yet"):
            here.call("settle", {"as_of": ahead})

    assert 0 == here.call("settle", {"as_of": "2026-03-10T04:01:00Z"})["settled"]
    assert "CREATED" == order_now(here, order)["status"]


def test_what_cannot_be_read_keeps_nobody_waiting(here: Stage) -> None:
    """A deadline that this version cannot read is counted as failed and named; the others are settled."""
    stocked(here, cash_minor=1_000)
    here.earn(paid("o-2", "m-2", 100_000, occurred_at=NOW.isoformat()))
    assert 201 == here.ask("POST", "/v1/members/m-2/reward-orders", {"reward_id": "cup"}, key="k2", **SHOPPING).status
    order = bought(here)
    settle(here)  # the cups that came in have nobody to be told to
    broken(here, "M#m-2", "RO#")
    here.move_to(NOW + timedelta(minutes=30))

    run = settle(here)

    assert (2, 1, 1, True) == (run["seen"], run["settled"], run["failed"], run["finished"])
    assert 1 == here.counted["DeadlinesFailed"]
    assert "CANCELED" == order_now(here, order)["status"]


@pytest.mark.parametrize(("pk", "prefix"), [("REWARDS", "RW#odd"), ("C#odd", "ST#")])
def test_a_reward_that_cannot_be_read_hides_no_other(here: Stage, pk: str, prefix: str) -> None:
    """Neither it nor its stock: the shelf shows the others, and tells operators which one it is."""
    stocked(here)
    stocked(here, reward_id="odd")
    broken(here, pk, prefix)

    members = here.ask("GET", "/v1/rewards", **SELF)
    operators = here.ask("GET", "/v1/rewards", **OP)

    assert (200, ["cup"]) == (members.status, [one["id"] for one in members.body["rewards"]])
    assert (["cup"], ["odd"]) == ([one["id"] for one in operators.body["rewards"]], operators.body["unreadable"])
    assert 201 == buy(here).status


# What is asked first -------------------------------------------------------------------------------------------------


def test_a_flash_sale_opens_at_an_instant(here: Stage) -> None:
    """A second before it costs what it always does, in its window less, with its last instant past."""
    window = {"from": "2026-03-10T05:00:00Z", "until": "2026-03-10T06:00:00Z", "points": 100}
    stocked(here, sale=window)

    prices = []
    for moment in ("04:59:59", "05:00:00", "05:59:59", "06:00:00"):
        here.move_to(f"2026-03-10T{moment}+00:00")
        prices.append(bought(here, moment)["points"] if moment != "06:00:00" else buy(here, moment).code)

    assert [500, 100, 100, "OUT_OF_STOCK"] == prices


def test_a_reward_opens_and_closes(here: Stage) -> None:
    """Before and after it is refused, with the instant it opens at or closed."""
    window: dict[str, Any] = {"from": "2026-03-10T05:00:00Z", "until": "2026-03-10T06:00:00Z"}
    stocked(here, **window)

    early = buy(here)
    assert (409, "NOT_OPEN", "2026-03-10T05:00:00+00:00") == (early.status, early.code, early.body["opens_at"])
    here.move_to("2026-03-10T05:00:00+00:00")
    assert 201 == buy(here).status
    here.move_to("2026-03-10T06:00:00+00:00")
    assert "2026-03-10T06:00:00+00:00" == buy(here, "late").body["closed_at"]


def test_off_the_shelf_it_cannot_be_had(here: Stage) -> None:
    """Orders that were made go on."""
    stocked(here)
    order = bought(here)
    here.ask("POST", "/v1/rewards/cup/shelf", {"on": False}, key="off", **OP)

    assert "NOT_OPEN" == buy(here, "k2").code
    assert 200 == step(here, order, "address", ADDRESS).status


def test_tiers_have_their_prices(here: Stage) -> None:
    """Gold pays ten percent less, rounded up; what is for gold alone is refused to others."""
    stocked(here, points=505, tiers={"gold": "0.90"})
    stocked(here, reward_id="gold-cup", only_tiers=["gold"])

    assert ("NOT_OPEN", "It is for gold.") == (
        buy(here, "k1", "gold-cup").code,
        buy(here, "k1", "gold-cup").body["detail"],
    )
    assert 505 == bought(here, "k2")["points"]
    here.earn(paid("o-2", M, 300_000, occurred_at=NOW.isoformat()))
    assert 455 == bought(here, "k3", expected_points=455)["points"]
    assert {"tier": "gold", "factor": "0.9"}.items() <= here.entries(M)[-1]["why"][0].items()


def test_a_price_that_moved_is_told(here: Stage) -> None:
    """Who was told another price is not charged this one."""
    stocked(here)

    refused = buy(here, expected_points=450)

    assert (409, "PRICE_CHANGED", 500) == (refused.status, refused.code, refused.body["points"])
    assert 2_000 == here.member(M)["available"]


def test_every_limit_says_when_it_resets(here: Stage) -> None:
    """Of the reward by pieces, of the mall by points and by pieces."""
    stocked(here, 10, limits=[{"per": "month", "times": 2}], quantity_max=3)
    stocked(here, 20, "pin", title="Pin", points=1, quantity_max=9)
    here.earn(paid("o-2", M, 290_000, occurred_at=NOW.isoformat()))
    stocked(here, 5, "vase", title="Vase", points=3_001)

    month = buy(here, "k1", quantity=3)
    assert ("LIMIT_REACHED", "reward_times_per_month", 2) == tuple(
        month.body[name] for name in ("code", "limit", "allowed")
    )
    assert "2026-03-31T16:00:00+00:00" == month.body["resets_at"]
    points = buy(here, "k2", "vase")
    assert ("mall_points_per_day", "2026-03-10T16:00:00+00:00") == (points.body["limit"], points.body["resets_at"])
    bought(here, "k3", "pin", quantity=8)
    assert "mall_times_per_day" == buy(here, "k4", "pin").body["limit"]
    here.move_to("2026-03-11T00:00:00+08:00")
    assert 201 == buy(here, "k5", "pin").status


def test_several_pieces_are_one_order(here: Stage) -> None:
    """Up to what the reward allows; more is named."""
    stocked(here, quantity_max=3)

    assert ("quantity", 422) == ((more := buy(here, quantity=4)).body["errors"][0]["field"], more.status)
    order = bought(here, quantity=3)

    assert (3, 1_500, (0, 0, 3)) == (order["quantity"], order["points"], stock(here))


@pytest.mark.parametrize("quantity", [0, -1, 101, "2", True, 1.5, 10**30])
def test_a_quantity_that_is_none_is_refused(here: Stage, quantity: object) -> None:
    """422, and nothing is taken."""
    stocked(here)

    assert 422 == buy(here, quantity=quantity).status
    assert (2_000, (3, 0, 0)) == (here.member(M)["available"], stock(here))


def test_what_costs_no_points_is_no_entry(here: Stage) -> None:
    """A free reward leaves no entry; its limit counts all the same."""
    stocked(here, points=0, limits=[{"per": "ever", "times": 1}])
    before = len(here.entries(M))

    assert 0 == bought(here)["points"]
    assert ("LIMIT_REACHED", None) == ((again := buy(here, "k2")).code, again.body["resets_at"])
    assert before == len(here.entries(M))


def test_what_is_not_counted_has_no_end(here: Stage) -> None:
    """It is sold again and again, and popularity counts it."""
    stocked(here, 0, "tip", title="Tip", kind="service", points=10, stock={"counted": False})

    for number in range(3):
        bought(here, f"k{number}", "tip")

    answer = here.ask("GET", "/v1/rewards/tip/stock", **OP).body
    assert (None, 3) == (answer["free"], answer["sold"])


# Who may ask ---------------------------------------------------------------------------------------------------------


def test_a_member_reaches_the_own_orders_alone(here: Stage) -> None:
    """Another member's order can be neither seen nor touched; staff reach all."""
    stocked(here)
    order = bought(here)
    other: dict[str, Any] = {"subject": "m-2", "scopes": MEMBER}
    path = f"/v1/reward-orders/{order['order_id']}"

    assert 403 == buy(here, "k2", who=other).status
    assert 403 == here.ask("GET", path, **other).status
    assert 403 == here.ask("GET", f"/v1/members/{M}/reward-orders", **other).status
    assert [403, 403] == [
        step(here, order, name, body, who=other).status for name, body in (("cancel", None), ("address", ADDRESS))
    ]
    assert [200] * 4 == [
        here.ask("GET", path, **who).status for who in (SELF, {}, OP, {"subject": "a", "scopes": ADMIN})
    ]


def test_steps_of_the_shop_are_none_of_the_members(here: Stage) -> None:
    """A member cannot say that money is there, or that something was sent."""
    stocked(here, cash_minor=1_000)
    order = bought(here)

    asked = (("paid", PAID), ("ship", {"carrier": "SF"}), ("deliver", None), ("return", None))
    assert [403] * 4 == [step(here, order, name, body, who=SELF).status for name, body in asked]
    assert 403 == step(here, order, "paid", PAID, who=OP).status


@pytest.mark.parametrize(
    "order_id",
    ["nothing", "ro.bTE.aaaaaaaaaaaaaaaaaaaaaa", "rd.bTE.aaaaaaaaaaaaaaaaaaaaaa", "ro.%00.a", "..", "x" * 2_000],
)
def test_an_order_that_is_none_is_not_found(here: Stage, order_id: str) -> None:
    """Whatever stands in the path: 404, for every step."""
    order = {"order_id": order_id}

    assert 404 == here.ask("GET", f"/v1/reward-orders/{order_id}").status
    asked = (("paid", PAID), ("address", ADDRESS), ("ship", {"carrier": "SF"}), ("deliver", None), ("cancel", None))
    assert [404] * 5 == [step(here, order, name, body).status for name, body in asked]


def test_keys_are_needed_and_answers_are_kept(here: Stage) -> None:
    """Without a key nothing happens; with one each step happens once; another request under it is refused."""
    stocked(here)
    assert (
        "IDEMPOTENCY_KEY_MISSING"
        == here.ask("POST", f"/v1/members/{M}/reward-orders", {"reward_id": "cup"}, **SELF).code
    )
    order = bought(here)
    assert order == bought(here)
    assert "IDEMPOTENCY_KEY_REUSED" == buy(here, quantity=1, expected_points=500).code
    once = step(here, order, "address", ADDRESS, key="a")
    step(here, order, "ship", {"carrier": "SF"})

    assert once.body == step(here, order, "address", ADDRESS, key="a").body
    assert (2, 0, 1) == stock(here)
    assert "SHIPPED" == order_now(here, order)["status"]


def test_two_callers_with_one_key_make_two_orders(here: Stage) -> None:
    """A key is its caller's own: the shop's is not the member's."""
    stocked(here)

    first, second = bought(here, "k"), bought(here, "k", who={"subject": "shop-server", "scopes": SHOP})

    assert first["order_id"] != second["order_id"]
    assert (1, 0, 2) == stock(here)


# Lists ---------------------------------------------------------------------------------------------------------------


def test_orders_are_listed_the_newest_first(here: Stage) -> None:
    """Page by page, with cursors that cannot be made by hand."""
    stocked(here, reward_id="pin", title="Pin", points=1, kind="service")
    for number in range(3):
        here.move_to(NOW + timedelta(minutes=number))
        bought(here, f"k{number}", "pin")

    path = f"/v1/members/{M}/reward-orders"
    first = here.ask("GET", path, query={"limit": "2"}, **SELF).body
    rest = here.ask("GET", path, query={"limit": "2", "cursor": first["cursor"]}, **SELF).body

    times = [one["ordered_at"] for one in (*first["orders"], *rest["orders"])]
    assert ["2026-03-10T04:02:00Z", "2026-03-10T04:01:00Z", "2026-03-10T04:00:00Z"] == times
    assert rest["cursor"] is None
    assert 422 == here.ask("GET", path, query={"cursor": "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA"}, **SELF).status


# The points password -------------------------------------------------------------------------------------------------


def test_much_at_once_needs_the_points_password(aws: None) -> None:  # noqa: ARG001 - the table is made in it
    """Below its limit nobody asks; above it a wrong one is a try less, the right one buys, an operator needs none."""
    program = {**PROGRAM, "security": {"password_above": 600, "tries": 3}}
    here = Stage("reward-orders-password", program=program, now=NOW)
    with use(here.runtime):
        here.earn(paid("o-1", M, 250_000, occurred_at=NOW.isoformat()))
        stocked(here)
        secret = here.ask("PUT", f"/v1/members/{M}/points-password", {"password": "seven ducks"}, key="p", **SELF)
        assert secret.status == 200, secret
        here.move_to(NOW + timedelta(days=3))

        assert 201 == buy(here, "k1").status
        assert (403, "POINTS_PASSWORD_REQUIRED") == ((none := buy(here, "k2")).status, none.code)
        assert (403, "POINTS_PASSWORD_WRONG", 2) == (
            (wrong := buy(here, "k2", password="six ducks")).status,
            wrong.code,
            wrong.body["tries_left"],
        )
        made = bought(here, "k2", password="seven ducks")
        again = buy(here, "k2", password="not looked at any more")
        assert (made, 1) == (again.body, stock(here)[0])
        assert 201 == buy(here, "k3", who=OP).status


# For the operator ----------------------------------------------------------------------------------------------------


def test_low_stock_is_counted_for_the_operator(here: Stage) -> None:
    """With the exchange that leaves fewer than the reward says."""
    stocked(here, stock={"low": 2})

    bought(here, "k1")
    assert "RewardsLowOnStock" not in here.counted
    bought(here, "k2")
    bought(here, "k3")

    assert 1 == here.counted["RewardsLowOnStock"]
