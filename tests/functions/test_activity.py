"""That members were here, from outside: told by app or shop, written down once a day, whatever rules there are."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from jifen.runtime import use
from jifen.service import being
from jifen.store.dynamo import DynamoLedger
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, SHOP, Answer, Stage, paid
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient
from tests.store.values import MOMENT
from tests.store.values import PROGRAM as VALUES

M = "m-1"
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
SHANGHAI: Mapping[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "GBP",
    "earning": {"rules": [{"id": "base", "rate": {"points": 1, "per_minor": 100}}]},
}
WELCOME = {"id": "back", "on": "member.logged_in", "fixed": 5, "caps": [{"per": "day", "points": 5}]}
RULED: Mapping[str, Any] = {**SHANGHAI, "earning": {"rules": [*SHANGHAI["earning"]["rules"], WELCOME]}}
LOGIN = {"kind": "login"}


def _stage(name: str, program: Mapping[str, Any]) -> Iterator[Stage]:
    here = Stage(name, program=program, now=NOW)
    with use(here.runtime):
        yield here


@pytest.fixture(scope="module")
def plain(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop in Shanghai without a rule on logins."""
    yield from _stage("activity", SHANGHAI)


@pytest.fixture
def here(plain: Stage) -> Iterator[Stage]:
    """Nobody was here yet."""
    with use(plain.runtime):
        plain.clear()
        plain.move_to(NOW)
        yield plain


@pytest.fixture(scope="module")
def ruled_(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A shop that gives 5 points for the first login of a day."""
    yield from _stage("activity-ruled", RULED)


@pytest.fixture
def ruled(ruled_: Stage) -> Iterator[Stage]:
    """Nobody was here yet."""
    with use(ruled_.runtime):
        ruled_.clear()
        ruled_.move_to(NOW)
        yield ruled_


def login(here: Stage, body: Any = LOGIN, member: str = M, **who: Any) -> Answer:
    """Say that a member logged in, as that member unless said."""
    return here.ask("PUT", f"/v1/members/{member}/activity", body, **{"subject": member, "scopes": MEMBER} | who)


def event(here: Stage, event_id: str = "e1", at: datetime | None = None, **changes: Any) -> Answer:
    """Send a login as a behaviour event."""
    key = changes.pop("key", event_id)
    sent = {"type": "member.logged_in", "event_id": event_id, "member_id": M, "data": {}} | changes
    return here.ask("POST", "/v1/events", {"occurred_at": (at or here.now).isoformat()} | sent, key=key)


def days(here: Stage, member: str = M) -> dict[str, str]:
    """The days that are kept of a member."""
    account = here.runtime.ledger.load([member]).accounts[member]
    return {kind: day.isoformat() for kind, day in account.standing.seen.items()}


@contextmanager
def counted(here: Stage) -> Iterator[Counter[str]]:
    """Counts the calls that reach DynamoDB, by operation."""
    calls: Counter[str] = Counter()
    assert isinstance(here.runtime.ledger, DynamoLedger)
    events = here.runtime.ledger.client.meta.events

    def count(model: Any, **_: Any) -> None:
        calls[model.name] += 1

    events.register("before-call.dynamodb", count)
    yield calls
    events.unregister("before-call.dynamodb", count)


# PUT …/activity -------------------------------------------------------------------------------------------------------


def test_a_login_is_written_down_once_a_day(here: Stage) -> None:
    """The first is one read and one write, any other of that day one read; the next day begins anew."""
    here.member("m-9")  # The program in force is read once a process.
    with counted(here) as first:
        answer = login(here)
    before = here.table()
    with counted(here) as second:
        again = [login(here) for _ in range(3)]

    body = {"member_id": M, "kind": "login", "day": "2026-03-10", "recorded": True}
    assert (200, body) == (answer.status, answer.body)
    assert [body | {"recorded": False}] * 3 == [one.body for one in again]
    assert {"BatchGetItem": 1, "TransactWriteItems": 1} == dict(first)
    assert {"BatchGetItem": 3} == dict(second)
    assert before == here.table()
    here.move_to(NOW + timedelta(days=1))
    assert ("2026-03-11", True) == (login(here).body["day"], days(here)["login"] == "2026-03-11")


def test_no_entry_and_no_document_comes_of_it(here: Stage) -> None:
    """A member who only logged in has an account of nothing, and its proof holds."""
    login(here)
    assert (0, 0) == (here.member(M)["version"], here.member(M)["balance"])
    assert here.proved(M)
    assert 1 == len(here.table())
    assert {"login": "2026-03-10"} == days(here)


@pytest.mark.parametrize(
    ("at", "day"), [("2026-03-10T15:59:59.999999+00:00", "2026-03-10"), ("2026-03-10T16:00:00+00:00", "2026-03-11")]
)
def test_the_day_is_that_of_the_programs_zone(here: Stage, at: str, day: str) -> None:
    """To the microsecond around midnight in Shanghai."""
    here.move_to(at)
    assert day == login(here).body["day"] == days(here)["login"]


def test_a_clock_that_goes_back_moves_nothing_back(here: Stage) -> None:
    """A server whose clock is a day behind finds a later day, and leaves it."""
    login(here)
    here.move_to(NOW - timedelta(days=1))
    assert ("2026-03-09", False) == tuple(login(here).body[name] for name in ("day", "recorded"))
    assert {"login": "2026-03-10"} == days(here)


@pytest.mark.parametrize("scopes", [SHOP, OPERATOR, ADMIN])
def test_the_shop_and_operators_say_it_for_a_member(here: Stage, scopes: str) -> None:
    """Also of a member nobody has seen before."""
    assert (200, True) == ((answer := login(here, subject="s", scopes=scopes)).status, answer.body["recorded"])
    assert {"login": "2026-03-10"} == days(here)


def test_a_member_says_it_of_oneself_only(here: Stage) -> None:
    """Nobody makes or touches another's account with a token of one's own."""
    answer = login(here, member="m-2", subject=M)
    assert (403, []) == (answer.status, here.table())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "order"}, "kind"),
        ({"kind": "LOGIN"}, "kind"),
        ({"kind": None}, "kind"),
        ({"kind": ["login"]}, "kind"),
        ({}, "kind"),
    ],
)
def test_a_kind_that_is_none_is_named(here: Stage, body: Any, field: str) -> None:
    """Only a login can be said; orders come in by webhook."""
    answer = login(here, body)
    assert (422, "INVALID_REQUEST", [field]) == (
        answer.status,
        answer.code,
        [fault["field"] for fault in answer.body["errors"]],
    )
    assert [] == here.table()


def test_a_login_between_a_read_and_its_write_loses_nothing(here: Stage) -> None:
    """Points earned while a login was on its way are there, and so is the login."""
    here.earn(paid("o-1", M, 10_000, occurred_at=NOW.isoformat()))
    login(here)
    assert (100, {"opened": "2026-03-10", "login": "2026-03-10"}) == (here.member(M)["available"], days(here))
    here.earn(paid("o-2", M, 10_000, occurred_at=NOW.isoformat()))
    assert (200, {"opened": "2026-03-10", "login": "2026-03-10"}) == (here.member(M)["available"], days(here))


def test_many_logins_at_once_are_one_write() -> None:
    """Whoever is late reads again, and finds the day."""
    ledger = MemoryLedger(VALUES)
    with ThreadPoolExecutor(8) as pool:
        views = list(pool.map(lambda _: being.was_here(ledger, MOMENT, Patient(100), M, "login"), range(24)))
    assert [True] == [view["recorded"] for view in views if view["recorded"]]
    assert 1 == ledger.load([M]).accounts[M].revision


# The event ------------------------------------------------------------------------------------------------------------


def test_an_event_that_says_so_is_the_same_activity(here: Stage) -> None:
    """The first of a day is kept with its receipt; whatever follows that day writes nothing."""
    first = event(here)
    before = here.table()
    second, third = event(here, "e2"), event(here, "e3", key="other")

    assert {"login": "2026-03-10"} == days(here)
    expected = {"status": "NOTHING", "points": 0, "why": [{"refused": "NO_RULE"}], "day": "2026-03-10"}
    for answer in (first, second, third):
        assert (200, expected) == (answer.status, {name: answer.body[name] for name in expected})
    assert before == here.table()
    assert not login(here).body["recorded"]


def test_an_event_after_the_app_said_so_writes_nothing(here: Stage) -> None:
    """Shop and app may both tell of every login: it is one write a day."""
    login(here)
    before = here.table()
    assert 200 == event(here).status
    assert before == here.table()


def test_the_same_event_gets_the_same_answer(here: Stage) -> None:
    """With a receipt or without one, again and again, also days later."""
    kept, not_kept = event(here), event(here, "e2")
    at = here.now
    here.move_to(NOW + timedelta(days=3))
    before = here.table()
    assert [kept.body, not_kept.body] == [event(here, "e1", at).body, event(here, "e2", at).body]
    assert before == here.table()


def test_an_event_that_was_kept_is_no_other(here: Stage) -> None:
    """The same id with other content is refused, and so is the same key."""
    event(here, key="k")
    for changes in ({"key": "k2", "data": {"app": "x"}}, {"event_id": "e9", "key": "k"}):
        answer = event(here, **changes)
        assert (422, "IDEMPOTENCY_KEY_REUSED") == (answer.status, answer.code)


def test_an_event_that_comes_late_moves_nothing_back(here: Stage) -> None:
    """It counts on the day on which it happened; one of a clock that is ahead counts today."""
    event(here)
    before = here.table()
    event(here, "e2", NOW - timedelta(days=2))
    assert before == here.table()
    event(here, "e3", NOW + timedelta(hours=23))
    assert {"login": "2026-03-10"} == days(here)


def test_with_a_rule_it_gives_its_points_and_is_remembered(ruled: Stage) -> None:
    """Points, receipt and day are one transaction, which also remembers what a limit leaves nothing for."""
    with counted(ruled) as calls:
        first = event(ruled)
    second = event(ruled, "e2")

    assert (5, 0) == (first.body["points"], second.body["points"])
    assert 1 == calls["TransactWriteItems"]
    assert {"opened": "2026-03-10", "login": "2026-03-10"} == days(ruled)
    ruled.move_to(NOW + timedelta(days=1))
    assert (5, "2026-03-11") == (event(ruled, "e3").body["points"], days(ruled)["login"])
    assert second.body == event(ruled, "e2", NOW).body
    assert (10, True) == (ruled.member(M)["available"], ruled.proved(M))


def test_a_login_the_app_said_gives_no_points(ruled: Stage) -> None:
    """Rules are about events: what a member's own token says cannot be worth anything."""
    login(ruled)
    assert 0 == ruled.member(M)["balance"]
    assert 5 == event(ruled).body["points"]


def test_the_day_of_the_first_entry_is_kept(here: Stage) -> None:
    """Whoever has points has the day they came first."""
    here.earn(paid("o-1", M, 10_000, occurred_at=(NOW - timedelta(days=40)).isoformat()))
    assert {"opened": "2026-03-10"} == days(here)
    account = here.runtime.ledger.load([M]).accounts[M]
    assert date(2026, 1, 29) == account.standing.last_paid_on


# The page -------------------------------------------------------------------------------------------------------------


def shown(key: str) -> dict[str, Any]:
    """The object on docs/activity.md that has ``key``."""
    page = (Path(__file__).parents[2] / "docs" / "activity.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(?:json)?\n(\{.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    (found,) = (block for block in map(json.loads, blocks) if key in block)
    assert isinstance(found, dict)
    return found


def test_the_page_shows_what_is_answered(here: Stage) -> None:
    """Each example has the fields of the real answer, and the event on it is taken."""
    answer = login(here).body
    assert shown("recorded") == answer
    event_ = shown("type")
    assert 200 == here.ask("POST", "/v1/events", event_, key="k").status
    here.earn(paid("o-1", M, 10_000, occurred_at=NOW.isoformat()))
    (lot,) = here.get(f"/v1/members/{M}/lots")["lots"]
    assert list(shown("lots")["lots"][0]) == list(lot)
    goal = here.ask("GET", f"/v1/members/{M}/goal", subject=M, scopes=MEMBER).body
    assert list(shown("missing")) == list(goal)
