"""Many at once: real threads, the real handlers, a real engine.

Other systems' cases (see :mod:`tests.functions.test_cases_spending`), and the limits of the checkout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from jifen.domain.program import parse_program
from jifen.runtime import Runtime, Settings, use
from local.engines import Engine
from tests.functions.cases import figures, needs_cases
from tests.functions.stage import MEMBER, NOW, Answer, Stage
from tests.store.tables import SERVERS, new_table, running_engines

M = "m-1"
PROGRAM = {"currency": "CNY", "earning": {"rules": [{"id": "gift", "on": "member.registered", "fixed": 100}]}}


@dataclass
class Real(Stage):
    """The functions of the API on a table of a real engine, which many threads may use at once."""

    engine: Engine | None = None

    def __post_init__(self) -> None:
        assert self.engine is not None, "it is a stage on an engine"
        keys = self.engine.credentials
        self.settings = Settings(
            table=self.name,
            region=self.engine.region,
            program=parse_program(dict(self.program)),
            signing_secret="a signing secret of the tests, long enough",
            endpoint=self.engine.url,
            credentials=(keys.access_key_id, keys.secret_access_key),
        )
        self.runtime = Runtime(self.settings, clock=lambda: self.now, count=self._count)


@pytest.fixture(scope="module", params=SERVERS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine that is a server, in turn."""
    with running_engines() as running:
        yield running[request.param]


@pytest.fixture
def here(engine: Engine) -> Iterator[Real]:
    """A member with 100 points."""
    with member_with_points(engine) as stage:
        yield stage


@contextmanager
def member_with_points(engine: Engine, **program: Any) -> Iterator[Real]:
    """A member with 100 points, in a program with these sections."""
    stage = Real(new_table(engine), program={**PROGRAM, **program}, engine=engine)
    with use(stage.runtime):
        body = {
            "type": "member.registered",
            "event_id": "e",
            "member_id": M,
            "occurred_at": NOW.isoformat(),
            "data": {},
        }
        assert 200 == stage.ask("POST", "/v1/events", body, key="e").status
        assert 100 == stage.member(M)["available"]
        yield stage


def at_once(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """What each call was answered, all of them made at the same time."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(lambda call: call(), calls))


def told(answers: Sequence[Answer]) -> Counter[Any]:
    """How many were answered what: the status of a success, the code of a refusal."""
    return Counter(answer.code or answer.status for answer in answers)


def points_of(here: Stage) -> tuple[int, int, int]:
    """Balance, available and held; the account is proved."""
    assert here.proved(M)
    found = here.member(M)
    return found["balance"], found["available"], found["held"]


@needs_cases
def test_pc_039_parallel_holds_never_overspend(here: Real) -> None:
    """Ten holds of 50 on 100 under ten keys: two are made."""
    many, points = figures("PC-039", "when")
    made, refused, available, held = figures("PC-039", "then")
    answers = at_once([partial(here.hold, M, points, f"k-{number}") for number in range(many)])
    assert Counter({201: made, "INSUFFICIENT_POINTS": refused}) == told(answers)
    assert (available + held, available, held) == points_of(here)


@needs_cases
def test_pc_040_parallel_holds_under_one_key(here: Real) -> None:
    """One hold is made; ours answers all ten with it, where the peer calls nine of them duplicates."""
    many, points = figures("PC-040", "when")
    made, _, available, held = figures("PC-040", "then")
    answers = at_once([partial(here.hold, M, points, "k")] * many)
    assert Counter({201: many}) == told(answers)
    assert made == len({answer.body["hold_id"] for answer in answers})
    assert (available + held, available, held) == points_of(here)


@needs_cases
@pytest.mark.parametrize(("case", "how"), [("PC-041", "capture"), ("PC-042", "void")])
def test_pc_041_pc_042_a_hold_is_resolved_once(here: Real, case: str, how: str) -> None:
    """Ten captures, or voids, under ten keys: one is done, nine are told that it was."""
    _, points = figures(case, "given")
    (many,) = figures(case, "when")
    done, refused, balance, held = figures(case, "then")
    path = f"/v1/holds/{here.hold(M, points, 'h').body['hold_id']}/{how}"
    answers = at_once([partial(here.ask, "POST", path, {}, key=f"k-{number}") for number in range(many)])
    assert Counter({200: done, "HOLD_ALREADY_RESOLVED": refused}) == told(answers)
    assert (balance, balance, held) == points_of(here)


@needs_cases
def test_pc_043_gifts_cannot_create_points(here: Real) -> None:
    """Twenty gifts of all there is, to twenty people at once: one arrives, and there are 100 points as before."""
    many, points, _ = figures("PC-043", "when")
    friends = [f"friend-{number}" for number in range(many)]
    path = f"/v1/members/{M}/transfers"
    answers = at_once(
        [
            partial(here.ask, "POST", path, {"to": to, "points": points}, key=f"k-{to}", subject=M, scopes=MEMBER)
            for to in friends
        ]
    )
    balances = [here.member(to)["balance"] for to in friends]
    assert Counter({201: 1, "INSUFFICIENT_POINTS": many - 1}) == told(answers)
    assert ([points], (0, 0, 0)) == ([balance for balance in balances if balance], points_of(here))
    assert all(here.proved(to) for to in friends)


# Limits of the checkout ----------------------------------------------------------------------------------------------


def test_a_day_s_limits_hold_however_many_ask(engine: Engine) -> None:
    """Three times a day, 30 points a day: of sixteen redemptions and holds of 10 at once three are made."""
    with member_with_points(engine, redemption={"times_per_day": 3, "max_points_per_day": 40}) as here:
        ways = [partial(here.redeem, M, 10, f"k-{number}") for number in range(8)]
        ways += [partial(here.hold, M, 10, f"k-{number}") for number in range(8)]
        answers = at_once(ways)
        assert Counter({201: 3, "LIMIT_REACHED": 13}) == told(answers)
        assert {"times_per_day"} == {answer.body["limit"] for answer in answers if answer.status == 409}
        balance, available, held = points_of(here)
        assert (70, balance) == (available, available + held)


def test_what_is_asked_up_to_at_once_is_never_more_than_there_is(engine: Engine) -> None:
    """Eight ask for up to 30 of 100, in steps of 10: what they are told they have adds up to 100 at most."""
    with member_with_points(engine, redemption={"step_points": 10, "max_points_per_day": 95}) as here:
        answers = at_once([partial(here.redeem, M, 30, f"k-{number}", up_to=True) for number in range(8)])
        taken = [answer.body["points"] for answer in answers if answer.status == 201]
        assert sorted(taken, reverse=True) == [30, 30, 30]
        assert {"max_points_per_day"} == {answer.body["limit"] for answer in answers if answer.status == 409}
        assert (10, 10, 0) == points_of(here)


def test_an_order_s_cap_holds_however_it_is_split(engine: Engine) -> None:
    """60 points an order: of six redemptions and holds of 20 on one order at once three are made."""
    with member_with_points(engine, redemption={"max_points_per_order": 60}) as here:
        ways = [partial(here.redeem, M, 20, f"k-{number}", order_id="o") for number in range(3)]
        ways += [partial(here.hold, M, 20, f"k-{number}", order_id="o") for number in range(3)]
        answers = at_once(ways)
        assert Counter({201: 3, "LIMIT_REACHED": 3}) == told(answers)
        balance, available, held = points_of(here)
        assert (40, balance) == (available, available + held)
