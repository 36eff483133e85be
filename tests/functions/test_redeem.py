"""The redeem function: redemptions, restores and holds as the contract has them, answered once however often asked."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from jifen.runtime import use
from local.replay import api_request
from tests.functions.stage import ADMIN, MEMBER, NOW, OPERATOR, SHOP, Answer, Context, Stage, instant, paid, refunded

M = "m-1"


@pytest.fixture(scope="module")
def history(stage: Stage) -> Any:
    """A member with 300 points: 100 of a lot that ends a month earlier, 200 of the usual one."""
    stage.clear()
    stage.earn(paid("o-old", M, 10_000, occurred_at=instant(-30)), paid("o-new", M, 20_000))
    return stage.remember()


@pytest.fixture
def here(stage: Stage, history: Any) -> Stage:
    """The member with 300 points."""
    stage.go_back(history)
    return stage


@pytest.fixture(scope="module")
def limited(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A program with a price for points and limits on an order."""
    terms = {"points_per_unit": 50, "max_order_share": "0.30", "max_points_per_order": 500}
    holds = {"expires_in_s": 60, "max_expires_in_s": 3_600}
    here = Stage("limited", program={"currency": "GBP", "redemption": terms, "holds": holds})
    with use(here.runtime):
        here.earn(paid("o-1", M, 200_000))
        yield here


def restore(stage: Stage, redemption: str, key: str, points: int | None = None) -> Answer:
    """Give points back; all that is left without a number."""
    body = None if points is None else {"points": points}
    return stage.ask("POST", f"/v1/redemptions/{redemption}/restore", body, key=key)


def capture(stage: Stage, hold: str, key: str, points: int | None = None) -> Answer:
    """Spend a hold."""
    body = None if points is None else {"points": points}
    return stage.ask("POST", f"/v1/holds/{hold}/capture", body, key=key)


def void(stage: Stage, hold: str, key: str) -> Answer:
    """Give a hold back."""
    return stage.ask("POST", f"/v1/holds/{hold}/void", key=key)


# Redemptions ---------------------------------------------------------------------------------------------------------


def test_a_redemption_takes_the_soonest_lot_first_and_says_so(here: Stage) -> None:
    """201 with id, points, discount, what is left and the lots it came from."""
    answer = here.redeem(M, 150, "k-1", order_id="o-9", reason="checkout")

    assert 201 == answer.status
    assert "application/json" == answer.headers["content-type"]
    assert "no-store" == answer.headers["cache-control"]
    identifier = answer.body.pop("redemption_id")
    assert identifier.startswith("rd.")
    assert {
        "points": 150,
        "discount": {"amount_minor": 150, "currency": "GBP"},
        "available": 150,
        "lots": [
            {"points": 100, "expires_on": "2011-12-31", "active_from": None},
            {"points": 50, "expires_on": "2012-01-31", "active_from": None},
        ],
    } == answer.body
    entry = here.entries(M)[-1]
    assert ("redeem", "checkout", -150, 150) == tuple(
        entry[name] for name in ("kind", "reason", "points", "balance_after")
    )
    assert {"type": "order", "id": "o-9"} == entry["source"]
    assert "shop:shop-server" == entry["actor"]
    assert {"redemption": identifier, "discount_minor": 150} in entry["why"]
    assert here.proved(M)


def test_a_redemption_is_all_or_nothing(here: Stage) -> None:
    """One point more than there is: 409 with what was asked and what there is, and no entry."""
    before = here.table()

    answer = here.redeem(M, 301, "k-1")

    assert (409, "INSUFFICIENT_POINTS") == (answer.status, answer.code)
    assert (301, 300) == (answer.body["asked"], answer.body["available"])
    assert before == here.table()
    assert 201 == here.redeem(M, 300, "k-2").status
    assert 409 == here.redeem(M, 1, "k-3").status


def test_a_refused_redemption_may_be_asked_again_with_its_key(here: Stage) -> None:
    """A refusal is no answer to keep: the same key works once the points are there."""
    assert 409 == here.redeem(M, 400, "k-1").status
    here.earn(paid("o-more", M, 10_000))

    assert 201 == here.redeem(M, 400, "k-1").status


def test_expired_points_cannot_be_spent_before_any_sweep(here: Stage) -> None:
    """From the first instant after the last valid day, in the program's time zone: 409, though the lot is there."""
    here.move_to("2011-12-31T23:59:59+00:00")
    last_day = here.member(M)
    here.move_to("2012-01-01T00:00:00+00:00")

    answer = here.redeem(M, 201, "k-1")

    assert 300 == last_day["available"]
    assert (409, 200) == (answer.status, answer.body["available"])
    assert 201 == here.redeem(M, 200, "k-2").status
    assert ["earn", "earn", "expire", "redeem"] == [entry["kind"] for entry in here.entries(M)]
    assert here.proved(M)


@pytest.mark.parametrize("scopes", [SHOP, OPERATOR, ADMIN, f"{MEMBER} {SHOP}", "openid points/admin profile"])
def test_staff_spends_for_any_member(here: Stage, scopes: str) -> None:
    """A staff scope reaches every account, and the entry names the highest role."""
    answer = here.ask("POST", f"/v1/members/{M}/redemptions", {"points": 1}, scopes=scopes, subject="s-1", key="k")

    assert 201 == answer.status
    role = next(role for role in ("admin", "operator", "shop") if role in scopes)
    assert f"{role}:s-1" == here.entries(M)[-1]["actor"]


def test_a_member_spends_from_the_own_account_alone(here: Stage) -> None:
    """The own account: 201. Another one: 403, whether it is there or not."""
    path = "/v1/members/{}/redemptions"
    own = here.ask("POST", path.format(M), {"points": 1}, subject=M, scopes=MEMBER, key="k")
    others = [
        here.ask("POST", path.format(M), {"points": 1}, subject="m-2", scopes=MEMBER, key="k"),
        here.ask("POST", path.format("nobody"), {"points": 1}, subject=M, scopes=MEMBER, key="k"),
    ]

    assert 201 == own.status
    assert [(403, "FORBIDDEN")] * 2 == [(answer.status, answer.code) for answer in others]


def test_a_body_may_come_in_base64_and_header_names_in_any_case(here: Stage) -> None:
    """As API Gateway delivers binary media types, and as clients write headers."""
    event = api_request("POST", f"/v1/members/{M}/redemptions", None, "s", SHOP)
    event |= {
        "body": b64encode(b'{"points": 7}').decode(),
        "isBase64Encoded": True,
        "headers": {"Idempotency-Key": "k", "Content-Type": "text/plain"},
    }

    assert 201 == Answer.of(here.call("redeem", event)).status


# Idempotency ---------------------------------------------------------------------------------------------------------


def every_request(stage: Stage) -> dict[str, tuple[str, dict[str, Any] | None, dict[str, Any]]]:
    """Each mutating request as path, body, and another body of the same path."""
    redemption = stage.redeem(M, 50, "for-restore").body["redemption_id"]
    holds = [stage.hold(M, 20, f"for-{name}").body["hold_id"] for name in ("capture", "void")]
    return {
        "redeem": (f"/v1/members/{M}/redemptions", {"points": 10}, {"points": 11}),
        "hold": (f"/v1/members/{M}/holds", {"points": 10}, {"points": 10, "expires_in_s": 60}),
        "restore": (f"/v1/redemptions/{redemption}/restore", {"points": 10}, {"points": 11}),
        "capture": (f"/v1/holds/{holds[0]}/capture", {"points": 15}, {"points": 14}),
        "void": (f"/v1/holds/{holds[1]}/void", None, {}),
    }


@pytest.mark.parametrize("name", ["redeem", "hold", "restore", "capture", "void"])
def test_the_same_key_gets_the_same_answer_and_moves_nothing_more(here: Stage, name: str) -> None:
    """Same key and body: the stored answer, even when the account would not allow it now. Other body: 422."""
    path, body, other = every_request(here)[name]

    first = here.ask("POST", path, body, key="k-same")
    left = here.member(M)["available"]
    here.redeem(M, left, "empty the account")
    before = here.table()
    again = here.ask("POST", path, body, key="k-same")
    reused = here.ask("POST", path, other, key="k-same")

    assert first.status in {200, 201}
    assert (first.status, first.body) == (again.status, again.body)
    if name != "void":  # a void has no body that could differ
        assert (422, "IDEMPOTENCY_KEY_REUSED") == (reused.status, reused.code)
    assert before == here.table()


@pytest.mark.parametrize("name", ["redeem", "hold", "restore", "capture", "void"])
def test_without_a_key_nothing_is_done(here: Stage, name: str) -> None:
    """400 IDEMPOTENCY_KEY_MISSING on every mutating request."""
    path, body, _ = every_request(here)[name]
    before = here.table()

    answer = here.ask("POST", path, body)

    assert (400, "IDEMPOTENCY_KEY_MISSING") == (answer.status, answer.code)
    assert before == here.table()


@pytest.mark.parametrize("key", ["!", "~" * 128, "a/b?c=d#e%f", '"quoted"'])
def test_a_key_is_any_visible_ascii(here: Stage, key: str) -> None:
    """1 to 128 visible characters, whatever they are."""
    assert [201, 201] == [here.redeem(M, 10, key).status for _ in range(2)]
    assert 290 == here.member(M)["available"]


def test_keys_belong_to_a_member_and_an_operation(here: Stage) -> None:
    """The same key of another member, or of a hold, is another key."""
    here.earn(paid("o-2", "m-2", 10_000))

    answers = [here.redeem(M, 10, "k"), here.redeem("m-2", 10, "k"), here.hold(M, 10, "k")]

    assert [201, 201, 201] == [answer.status for answer in answers]
    assert (280, 90) == (here.member(M)["available"], here.member("m-2")["available"])


def test_fields_that_are_ignored_make_no_other_request(here: Stage) -> None:
    """A retry may carry more fields, in another order."""
    first = here.ask("POST", f"/v1/members/{M}/redemptions", {"points": 10, "reason": "r"}, key="k")
    again = here.ask("POST", f"/v1/members/{M}/redemptions", {"try": 2, "reason": "r", "points": 10}, key="k")

    assert first == again


@pytest.mark.parametrize(
    "change",
    [
        {"points": 11},
        {"order_id": "o-2"},
        {"reason": "other"},
        {"order_total": {"amount_minor": 9_999, "currency": "GBP"}},
        {"order_id": None},
    ],
    ids=str,
)
def test_any_other_field_is_another_request(here: Stage, change: dict[str, Any]) -> None:
    """Points, order, total and reason are all part of what a key stands for."""
    body = {"points": 10, "order_id": "o-1", "reason": "r", "order_total": {"amount_minor": 10_000, "currency": "GBP"}}
    assert 201 == here.ask("POST", f"/v1/members/{M}/redemptions", body, key="k").status

    answer = here.ask("POST", f"/v1/members/{M}/redemptions", {**body, **change}, key="k")

    assert (422, "IDEMPOTENCY_KEY_REUSED") == (answer.status, answer.code)


# Restores ------------------------------------------------------------------------------------------------------------


def test_points_go_back_into_their_lots_in_parts(here: Stage) -> None:
    """Pro rata into the lots they came from; the parts together are exactly what was taken."""
    redemption = here.redeem(M, 150, "k").body["redemption_id"]

    first = restore(here, redemption, "r-1", 75)
    second = restore(here, redemption, "r-2")
    third = restore(here, redemption, "r-3")
    lots = here.get(f"/v1/members/{M}/lots")["lots"]

    assert (200, 75, 75, 225) == (
        first.status,
        *(first.body[name] for name in ("points", "restored", "available")),
    )
    assert [50, 25] == [lot["points"] for lot in first.body["lots"]]
    assert redemption == first.body["redemption_id"]
    assert (75, 150, 300) == tuple(second.body[name] for name in ("points", "restored", "available"))
    assert (200, 0, []) == (third.status, third.body["points"], third.body["lots"])
    assert [100, 200] == [lot["points"] for lot in lots]
    assert 0 == here.member(M)["lifetime"]["redeemed"]
    assert ["redeem", "restore", "restore"] == [entry["kind"] for entry in here.entries(M)[2:]]
    assert here.proved(M)


def test_never_more_is_restored_than_was_taken(here: Stage) -> None:
    """A part above what is left is refused with the field named."""
    redemption = here.redeem(M, 150, "k").body["redemption_id"]
    restore(here, redemption, "r-1", 100)

    answer = restore(here, redemption, "r-2", 51)

    assert (422, "INVALID_REQUEST") == (answer.status, answer.code)
    assert "points" == answer.body["errors"][0]["field"]
    assert 250 == here.member(M)["available"]


def test_a_restore_pays_debt_before_it_fills_a_lot(here: Stage) -> None:
    """Points that come back are a credit like any other."""
    redemption = here.redeem(M, 300, "k").body["redemption_id"]
    here.earn(refunded("o-new", "r", M, 20_000))

    assert 200 == restore(here, redemption, "r-1").status

    view = here.member(M)
    assert (100, 0, 100) == (view["available"], view["debt"], view["balance"])
    assert here.proved(M)


def test_points_whose_lot_has_lapsed_do_not_come_back_to_life(here: Stage) -> None:
    """They go back to their lot and lapse at once; the rest can be spent."""
    redemption = here.redeem(M, 150, "k").body["redemption_id"]
    here.move_to("2012-01-15T12:00:00+00:00")

    answer = restore(here, redemption, "r-1")

    assert (150, 200) == (answer.body["points"], answer.body["available"])
    assert 100 == here.member(M)["lifetime"]["expired"]
    assert here.proved(M)


# Holds ---------------------------------------------------------------------------------------------------------------


def test_a_hold_reserves_points_until_it_is_captured(here: Stage) -> None:
    """201 AUTHORIZED; the points are held, in the balance and not available; captured in part, the rest goes back."""
    held = here.hold(M, 120, "h", order_id="o-9", expires_in_s=600)
    hold_id = held.body["hold_id"]
    while_held = here.member(M)
    captured = capture(here, hold_id, "c", 90)
    after = here.member(M)

    assert 201 == held.status
    assert {
        "hold_id": hold_id,
        "status": "AUTHORIZED",
        "points": 120,
        "discount": {"amount_minor": 120, "currency": "GBP"},
        "expires_at": "2011-01-10T09:10:00Z",
        "available": 180,
    } == held.body
    assert (180, 120, 300, 0) == (
        *(while_held[name] for name in ("available", "held", "balance")),
        while_held["lifetime"]["redeemed"],
    )
    assert 200 == captured.status
    assert ("CAPTURED", 90, 30, 210) == tuple(
        captured.body[name] for name in ("status", "points", "released", "available")
    )
    assert (210, 0, 210, 90) == (
        *(after[name] for name in ("available", "held", "balance")),
        after["lifetime"]["redeemed"],
    )
    assert [("hold", 0), ("redeem", -90), ("release", 0)] == [
        (entry["kind"], entry["points"]) for entry in here.entries(M)[2:]
    ]
    assert here.proved(M)


def test_a_captured_hold_can_be_restored(here: Stage) -> None:
    """Its id is the id of a redemption from then on."""
    hold_id = here.hold(M, 120, "h").body["hold_id"]
    capture(here, hold_id, "c", 90)

    answer = restore(here, hold_id, "r")

    assert (200, 90, 300) == (answer.status, answer.body["points"], answer.body["available"])


def test_a_void_hold_gives_everything_back(here: Stage) -> None:
    """200 VOIDED; resolved once, so neither void nor capture works again under another key."""
    hold_id = here.hold(M, 120, "h").body["hold_id"]

    answer = void(here, hold_id, "v")
    again = [void(here, hold_id, "v-2"), capture(here, hold_id, "c")]

    assert (200, "VOIDED", 120, 300) == (
        answer.status,
        *(answer.body[name] for name in ("status", "released", "available")),
    )
    assert [(409, "HOLD_ALREADY_RESOLVED")] * 2 == [(one.status, one.code) for one in again]
    assert [409, 409] == [one.body["status"] for one in again]
    assert 300 == here.member(M)["available"]


def test_a_hold_lapses_by_the_clock_alone(here: Stage) -> None:
    """At its expiry the points are available again, before any sweep; capture and void answer 410 from then on."""
    hold_id = here.hold(M, 120, "h", expires_in_s=60).body["hold_id"]
    here.move_to(NOW + timedelta(seconds=59, microseconds=999_999))
    before = here.member(M)["held"]
    here.move_to(NOW + timedelta(seconds=60))
    view = here.member(M)
    answers = [capture(here, hold_id, "c"), void(here, hold_id, "v")]

    assert 120 == before
    assert (300, 0) == (view["available"], view["held"])
    assert [(410, "HOLD_EXPIRED")] * 2 == [(answer.status, answer.code) for answer in answers]
    assert 201 == here.redeem(M, 300, "k").status
    assert [("release", "HOLD_LAPSED"), ("redeem", "REDEMPTION")] == [
        (entry["kind"], entry["reason"]) for entry in here.entries(M)[-2:]
    ]
    assert here.proved(M)


def test_a_hold_keeps_points_alive_until_it_is_resolved(here: Stage) -> None:
    """Points held over their last valid day can be captured; released, they lapse."""
    kept, given = (
        here.hold(M, points, key, expires_in_s=2_592_000).body["hold_id"] for points, key in ((60, "a"), (40, "b"))
    )
    here.move_to("2011-02-08T00:00:00+00:00")
    assert 200 == capture(here, kept, "c").status
    assert 200 == void(here, given, "v").status

    assert 240 == here.member(M)["available"]
    assert here.proved(M)


def test_open_holds_are_limited_so_that_they_can_always_be_given_back(here: Stage) -> None:
    """The twenty-first open hold is refused until the first one lapses; all lapsed at once, the account goes on."""
    taken = [here.hold(M, 1, f"h-{number}", expires_in_s=60 + number).status for number in range(20)]
    refused = here.hold(M, 1, "h-20")
    here.move_to(NOW + timedelta(seconds=60))
    next_one = here.hold(M, 1, "h-21")
    here.move_to(NOW + timedelta(days=2))

    assert [201] * 20 == taken
    assert (409, "LIMIT_REACHED") == _told(refused)
    assert ("open_holds", 20) == (refused.body["limit"], refused.body["allowed"])
    assert NOW + timedelta(seconds=60) == datetime.fromisoformat(refused.body["resets_at"])
    assert 201 == next_one.status
    assert 201 == here.redeem(M, 300, "k").status
    assert 0 == here.member(M)["held"]
    assert here.proved(M)


def test_an_unknown_hold_or_redemption_is_not_found(here: Stage) -> None:
    """404 with a code of its own, for ids of the right form that were never given out."""
    unknown = "AAAAAAAAAAAAAAAAAAAAAA"

    assert (404, "HOLD_NOT_FOUND") == _told(capture(here, f"hd.bS0x.{unknown}", "c"))
    assert (404, "HOLD_NOT_FOUND") == _told(void(here, f"hd.bS0x.{unknown}", "v"))
    assert (404, "REDEMPTION_NOT_FOUND") == _told(restore(here, f"rd.bS0x.{unknown}", "r"))


def _told(answer: Answer) -> tuple[int, Any]:
    return answer.status, answer.code


# The program's terms -------------------------------------------------------------------------------------------------


def test_points_are_worth_what_the_program_says(limited: Stage) -> None:
    """50 points a pound: 125 points take 2.50 off, in the order's currency."""
    total = {"amount_minor": 10_000, "currency": "GBP"}

    answer = limited.redeem(M, 125, "worth", order_total=total)

    assert {"amount_minor": 250, "currency": "GBP"} == answer.body["discount"]


@pytest.mark.parametrize(
    ("asked", "limit", "allowed"),
    [
        ({"points": 151, "order_total": {"amount_minor": 1_000, "currency": "GBP"}}, "max_order_share", 150),
        ({"points": 1, "order_total": {"amount_minor": 6, "currency": "GBP"}}, "max_order_share", 0),
        ({"points": 501, "order_id": "o-9"}, "max_points_per_order", 500),
        ({"points": 501, "order_total": {"amount_minor": 10**9, "currency": "GBP"}}, "max_points_per_order", 500),
    ],
    ids=["share", "share of a little", "an order", "an order with its total"],
)
def test_limits_of_an_order_name_themselves(
    limited: Stage, asked: dict[str, Any], limit: str, allowed: int, request: pytest.FixtureRequest
) -> None:
    """409 LIMIT_REACHED with the limit and what it allows; exactly that much is taken."""
    path = f"/v1/members/{M}/redemptions"

    refused = limited.ask("POST", path, asked, key="limit")

    assert (409, "LIMIT_REACHED") == (refused.status, refused.code)
    assert (limit, allowed, None) == tuple(refused.body[name] for name in ("limit", "allowed", "resets_at"))
    if allowed:
        taken = limited.ask("POST", path, {**asked, "points": allowed}, key=request.node.callspec.id.replace(" ", "-"))
        assert 201 == taken.status


def test_a_currency_that_is_not_the_program_s_has_no_discount(limited: Stage) -> None:
    """50 points are worth a pound, so they say nothing about dollars: 422 naming the field."""
    answer = limited.redeem(M, 10, "usd", order_total={"amount_minor": 10_000, "currency": "USD"})

    assert (422, "INVALID_REQUEST") == (answer.status, answer.code)
    assert ["order_total.currency"] == [error["field"] for error in answer.body["errors"]]


def test_holds_live_as_long_as_the_program_says(limited: Stage) -> None:
    """60 seconds when nobody says, at most an hour; longer is refused."""
    usual = limited.hold(M, 1, "usual").body["expires_at"]
    longest = limited.hold(M, 1, "longest", expires_in_s=3_600).body["expires_at"]
    longer = limited.hold(M, 1, "longer", expires_in_s=3_601)

    assert ("2011-01-10T09:01:00Z", "2011-01-10T10:00:00Z") == (usual, longest)
    assert (422, "expires_in_s") == (longer.status, longer.body["errors"][0]["field"])


def test_limits_hold_for_holds_too(limited: Stage) -> None:
    """A hold for an order is a redemption to come."""
    answer = limited.hold(M, 501, "hold-limit", order_id="o-9")

    assert (409, "LIMIT_REACHED") == (answer.status, answer.code)


# No time -------------------------------------------------------------------------------------------------------------


def test_an_answer_needs_no_more_than_one_try_s_time(here: Stage) -> None:
    """With a second left and nobody in the way the redemption is made."""
    path = f"/v1/members/{M}/redemptions"

    assert 201 == here.ask("POST", path, {"points": 1}, key="k", context=Context(remaining_ms=1_000)).status
