"""The operate function: sweeps as an operator watches and steers them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.sqs.models import sqs_backends

from jifen.domain.sweeps import WORKERS_MAX
from jifen.runtime import use
from jifen.service import sweeping
from jifen.store.dynamo import shard_of
from local.openapi import FUNCTIONS
from local.replay import api_request
from tests.functions import contract
from tests.functions.stage import ADMIN, MEMBER, OPERATOR, REGION, SHOP, Answer, Context, Stage, instant, paid

NIGHT = "2012-02-01T00:05:00Z"
"""The night after the last day of what is earned at the stage's beginning."""

SHARDS = 4


@pytest.fixture(scope="module")
def site(aws: None) -> Iterator[Stage]:  # noqa: ARG001 - the table is made in it
    """A table in four shards."""
    here = Stage("operate", shards=SHARDS)
    with use(here.runtime):
        yield here


@pytest.fixture
def here(site: Stage) -> Stage:
    """The same, with nothing in it."""
    site.clear()
    return site


def ask(
    stage: Stage, method: str, path: str, body: Mapping[str, Any] | None = None, scopes: str = OPERATOR, **query: str
) -> Answer:
    """Call the function as the operator Wang."""
    event = api_request(method, path, body, "wang", scopes, query=query or None)
    answer = Answer.of(stage.call("operate", event))
    if "operate" in FUNCTIONS:
        contract.check(method, path, answer.status, answer.headers, answer.body)
    return answer


def sweeps(stage: Stage, **query: str) -> dict[str, Any]:
    """Every sweep by its name."""
    answer = ask(stage, "GET", "/v1/sweeps", None, OPERATOR, **query)
    assert answer.status == 200, answer
    return {one["sweep"]: one for one in answer.body["sweeps"]}


def steer(stage: Stage, sweep: str = "expire", **body: Any) -> dict[str, Any]:
    """Set pause or pace; the sweep."""
    answer = ask(stage, "PUT", f"/v1/sweeps/{sweep}", body)
    assert answer.status == 200, answer
    found: dict[str, Any] = answer.body
    return found


def due_now(stage: Stage) -> None:
    """Let every message that is held back be seen."""
    for message in sqs_backends[ACCOUNT][REGION].queues[f"{stage.name}-sweep"]._messages:
        message.delayed_until = 0


def held_back(stage: Stage) -> list[float]:
    """For how many seconds messages are held back, rounded."""
    messages = sqs_backends[ACCOUNT][REGION].queues[f"{stage.name}-sweep"]._messages
    return sorted(round((one.delayed_until - one.sent_timestamp) / 1_000) for one in messages)


def night(stage: Stage, as_of: str = NIGHT, sweep: str = "expire") -> None:
    """A schedule's run is queued."""
    stage.move_to(as_of)
    stage.call(sweep, {"as_of": as_of})


def drain(stage: Stage, sweep: str = "expire", context: object | None = None) -> list[str]:
    """Work on what can be seen until nothing can; the bodies of what failed."""
    failed: list[str] = []
    while records := stage.tasks():
        for record in records:
            result = stage.call(sweep, {"Records": [record]}, context)
            failed += [record["body"] for _ in result["batchItemFailures"]]
    return failed


def crowd(stage: Stage, number: int = 12, **more: Any) -> list[str]:
    """So many members with ten points each."""
    stage.earn(*(paid(f"o-{n}", f"m-{n}", 1_000, **more) for n in range(number)))
    return [f"m-{n}" for n in range(number)]


# Watching ------------------------------------------------------------------------------------------------------------


def test_before_anything_ran_there_is_nothing_to_see(here: Stage) -> None:
    """Every sweep, none paused, no runs."""
    found = sweeps(here)

    assert ["expire", "remind", "held", "walk", "reverse"] == list(found)
    assert {"paused": False, "accounts_per_second": None, "set_by": None, "dates_current": False, "runs": []} == {
        name: value for name, value in found["expire"].items() if name != "sweep"
    }


def test_a_run_shows_its_totals(here: Stage) -> None:
    """Expected, done, left, errors and percent over all shards; each shard for itself."""
    members = crowd(here)
    night(here)
    assert [] == drain(here)

    (run,) = sweeps(here)["expire"]["runs"]
    whole = ask(here, "GET", f"/v1/sweeps/expire/runs/{NIGHT}").body

    figures = ("status", "shards", "shards_finished", "expected", "seen", "done", "left", "errors", "percent")
    assert ("finished", SHARDS, SHARDS, 12, 12, 12, 0, 0, 100) == tuple(run[name] for name in figures)
    assert (NIGHT, NIGHT, NIGHT, 0) == tuple(run[name] for name in ("run", "started_at", "finished_at", "lag_days"))
    assert {**run, "sweep": "expire", "by_shard": whole["by_shard"]} == whole
    in_shard = [sum(shard_of(member, SHARDS) == shard for member in members) for shard in range(SHARDS)]
    assert in_shard == [one["done"] for one in whole["by_shard"]]
    assert in_shard == [one["expected"] for one in whole["by_shard"]]


def test_a_run_that_no_worker_has_begun_waits(here: Stage) -> None:
    """A run is seen as soon as it is queued."""
    night(here)

    (run,) = sweeps(here)["expire"]["runs"]

    assert ("waiting", 0, 0, None, None) == tuple(
        run[name] for name in ("status", "shards_finished", "percent", "started_at", "accounts_per_second")
    )
    assert [] == ask(here, "GET", f"/v1/sweeps/expire/runs/{NIGHT}").body["by_shard"]


def test_a_run_half_way(here: Stage) -> None:
    """Two of four shards done are half of it, and the rate is over the time that they took."""
    crowd(here)
    night(here)
    first, second, *rest = here.tasks()
    here.call("expire", {"Records": [first]})
    here.move_to("2012-02-01T00:05:02Z")
    here.call("expire", {"Records": [second]})

    (run,) = sweeps(here)["expire"]["runs"]

    assert ("running", 2, 50, None) == tuple(
        run[name] for name in ("status", "shards_finished", "percent", "finished_at")
    )
    tenths = run["seen"] * 10 // 2
    assert f"{tenths // 10}.{tenths % 10}" == run["accounts_per_second"]
    assert 2 == len(rest)


def test_the_latest_runs_come_first(here: Stage) -> None:
    """As many runs as are asked for; what is no number of runs is refused."""
    for day in (1, 2, 3):
        night(here, f"2012-02-0{day}T00:05:00Z")
        drain(here)

    days = [run["run"][:10] for run in sweeps(here, runs="2")["expire"]["runs"]]

    assert ["2012-02-03", "2012-02-02"] == days
    assert {422} == {ask(here, "GET", "/v1/sweeps", runs=text).status for text in ("0", "31", "-1", "x", "1.5")}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/v1/sweeps/settle/runs/2012-02-01T00:05:00Z", "SWEEP_NOT_FOUND"),
        ("/v1/sweeps/expire/runs/2012-02-02T00:05:00Z", "SWEEP_RUN_NOT_FOUND"),
        ("/v1/sweeps/expire/runs/yesterday", "SWEEP_RUN_NOT_FOUND"),
        ("/v1/sweeps/expire/runs/2012-02-01", "SWEEP_RUN_NOT_FOUND"),
        ("/v1/sweeps/expire/runs/..%2F..", "SWEEP_RUN_NOT_FOUND"),
    ],
)
def test_what_is_not_known_is_said_so(here: Stage, path: str, code: str) -> None:
    """404 with what is not there: the sweep or the run."""
    night(here)
    answer = ask(here, "GET", path)

    assert (404, code) == (answer.status, answer.code)


def test_a_run_is_found_by_any_spelling_of_its_instant(here: Stage) -> None:
    """An offset other than UTC names the same run."""
    night(here)

    assert NIGHT == ask(here, "GET", "/v1/sweeps/expire/runs/2012-02-01T08%3A05%3A00%2B08%3A00").body["run"]


@pytest.mark.parametrize("scopes", [MEMBER, SHOP, ""])
def test_operators_alone_see_and_steer(here: Stage, scopes: str) -> None:
    """403 for members, shops and nobody, and nothing is changed."""
    answers = [
        ask(here, "GET", "/v1/sweeps", scopes=scopes),
        ask(here, "GET", f"/v1/sweeps/expire/runs/{NIGHT}", scopes=scopes),
        ask(here, "PUT", "/v1/sweeps/expire", {"paused": True}, scopes=scopes),
    ]

    assert [403] * 3 == [answer.status for answer in answers]
    assert not sweeps(here)["expire"]["paused"]
    assert 200 == ask(here, "GET", "/v1/sweeps", scopes=ADMIN).status


# Steering ------------------------------------------------------------------------------------------------------------


def test_a_pause_stops_what_is_queued_and_loses_none_of_it(here: Stage) -> None:
    """Tasks go back for five minutes and nothing is written; once it is resumed they do what they were to do."""
    members = crowd(here)
    steer(here, paused=True, reason="the provider is down")
    night(here)
    assert [] == drain(here)

    assert (0, [sweeping.PAUSED_S] * SHARDS) == (
        here.counted.get("ExpireAccountsWritten", 0),
        [seconds for seconds in held_back(here) if seconds == sweeping.PAUSED_S],
    )
    assert "paused" == sweeps(here)["expire"]["runs"][0]["status"]
    assert not steer(here, paused=False)["paused"]
    due_now(here)
    assert [] == drain(here)

    (run,) = sweeps(here)["expire"]["runs"]
    assert ("finished", len(members)) == (run["status"], run["done"])
    assert all(here.proved(member) for member in members)


def test_a_pause_in_the_middle_of_a_shard(here: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker knows before its next page: its cursor goes back, and what it did is written down."""
    monkeypatch.setattr(sweeping, "PAGE", 2)
    crowd(here, 12)
    night(here)
    biggest = max(
        here.tasks(), key=lambda one: sum(_shard(f"m-{n}") == json.loads(one["body"])["shard"] for n in range(12))
    )

    class Pausing(Context):
        """Pauses the sweep at its second look at the clock."""

        def get_remaining_time_in_millis(self) -> int:
            looks.append(1)
            if len(looks) == 2:
                steer(here, paused=True)
            return self.remaining_ms

    looks: list[int] = []
    here.call("expire", {"Records": [biggest]}, Pausing())

    due_now(here)
    bodies = [json.loads(record["body"]) for record in here.tasks()]
    again = [body for body in bodies if not body.get("walk")]
    assert 1 == len(again)
    assert again[0]["cursor"].startswith("2012-02-01#m-")
    (row,) = ask(here, "GET", f"/v1/sweeps/expire/runs/{NIGHT}").body["by_shard"]
    assert (2, False, 1) == (row["done"], row["finished"], row["slices"])


def _shard(member: str) -> int:
    return shard_of(member, SHARDS)


def test_nights_that_pass_in_a_pause_do_not_pile_up(here: Stage) -> None:
    """The latest run does all that earlier ones were to do, so their tasks end."""
    crowd(here)
    steer(here, paused=True)
    for day in range(1, 8):
        night(here, f"2012-02-0{day}T00:05:00Z")
        due_now(here)
        drain(here)

    waiting = sqs_backends[ACCOUNT][REGION].queues[f"{here.name}-sweep"]._messages
    bodies = [json.loads(one.body) for one in waiting]
    assert [("2012-02-07T00:05:00Z", shard) for shard in range(SHARDS)] == sorted(
        (body["as_of"], body["shard"]) for body in bodies if not body.get("walk")
    )
    steer(here, paused=False)
    due_now(here)
    assert [] == drain(here)
    assert (12, "finished") == (sweeps(here)["expire"]["runs"][0]["done"], sweeps(here)["expire"]["runs"][0]["status"])


def test_each_sweep_has_its_own_switch(here: Stage) -> None:
    """Reminders go on while expiry is paused; a walk and a reversal have no switch of their own."""
    steer(here, paused=True)

    assert (True, False, True) == tuple(sweeps(here)[name]["paused"] for name in ("expire", "remind", "walk"))
    answers = [ask(here, "PUT", f"/v1/sweeps/{name}", {"paused": True}) for name in ("walk", "reverse", "x", "EXPIRE")]
    assert {(404, "SWEEP_NOT_FOUND")} == {(answer.status, answer.code) for answer in answers}


def test_what_is_left_out_stays(here: Stage) -> None:
    """Pause and pace are set each for itself; null takes the pace away."""
    steer(here, accounts_per_second=50)
    assert (True, 50) == tuple(steer(here, paused=True)[name] for name in ("paused", "accounts_per_second"))
    assert (True, None) == tuple(
        steer(here, accounts_per_second=None)[name] for name in ("paused", "accounts_per_second")
    )
    assert "operator:wang" == sweeps(here)["expire"]["set_by"]


def test_every_change_is_in_the_audit_once(here: Stage) -> None:
    """Who, what and why; the same again is no change."""
    for _ in range(2):
        steer(here, paused=True, reason="the provider is down")
    steer(here, accounts_per_second=20)
    steer(here, paused=False, reason="it is up")

    lines = here.ask("GET", "/v1/audit", scopes=OPERATOR).body["lines"]

    assert [
        ("sweep.resumed", "it is up", {"paused": False, "accounts_per_second": 20}),
        ("sweep.paced", "", {"paused": True, "accounts_per_second": 20}),
        ("sweep.paused", "the provider is down", {"paused": True, "accounts_per_second": None}),
    ] == [(line["action"], line["reason"], line["details"]) for line in lines]
    assert {("operator:wang", "sweep/expire")} == {(line["actor"], line["target"]) for line in lines}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": "no reason"},
        {"paused": "yes"},
        {"paused": 1},
        {"paused": None},
        {"accounts_per_second": 0},
        {"accounts_per_second": -1},
        {"accounts_per_second": 1.5},
        {"accounts_per_second": "5"},
        {"accounts_per_second": True},
        {"accounts_per_second": 10**9},
        {"paused": True, "walked": "1.0"},
        {"paused": True, "reason": "x" * 501},
    ],
    ids=str,
)
def test_what_makes_no_sense_changes_nothing(here: Stage, body: Mapping[str, Any]) -> None:
    """422 that names the field."""
    before = sweeps(here)
    answer = ask(here, "PUT", "/v1/sweeps/expire", body)

    assert (422, "INVALID_REQUEST") == (answer.status, answer.code)
    assert before == sweeps(here)


def test_the_pace_is_shared_by_as_many_workers_as_there_can_be() -> None:
    """The template lets no more of a sweep run at a time than a pace is shared out among."""
    template = Path("infra/template.yaml").read_text(encoding="utf-8")
    for name in ("ExpireQueue", "RemindQueue"):
        source = template.partition(f"Queue: !GetAtt {name}.Arn\n")[2]
        assert source.partition("MaximumConcurrency: ")[2].startswith(f"{WORKERS_MAX}}}")


# Lag -----------------------------------------------------------------------------------------------------------------


def test_a_missed_week_is_caught_up_by_one_run(here: Stage) -> None:
    """Seven nights missed, one run: every lot lapses under its own day, and the lag is told to the operator."""
    program = {**here.program, "expiry": {"policy": "days", "days": 365, "round_up_to": "none"}}
    stage = Stage("week", program=program, shards=SHARDS)
    with use(stage.runtime):
        for day in range(8):
            stage.move_to(f"2011-01-{10 + day:02}T09:00:00+00:00")
            stage.earn(paid(f"o-{day}", f"m-{day % 3}", 1_000, occurred_at=instant(day)))
        stage.counted.clear()
        night(stage, "2012-01-18T00:05:00Z")
        assert [] == drain(stage)

        entries = [one for n in range(3) for one in stage.entries(f"m-{n}") if one["kind"] == "expire"]
        assert [(f"2012-01-{11 + day:02}T00:00:00Z", -10) for day in range(8)] == sorted(
            (one["occurred_at"], one["points"]) for one in entries
        )
        assert {"2012-01-18T00:05:00Z"} == {one["recorded_at"] for one in entries}
        (run,) = sweeps(stage)["expire"]["runs"]
        assert (7, 3, 100) == (run["lag_days"], run["done"], run["percent"])
        assert 5 <= stage.counted["ExpireLagDays"] <= 7 * SHARDS
        assert all(stage.proved(f"m-{n}") for n in range(3))


def test_nothing_older_than_today_is_no_lag(here: Stage) -> None:
    """A run on time has none."""
    crowd(here)
    night(here)
    drain(here)

    assert 0 == sweeps(here)["expire"]["runs"][0]["lag_days"]
    assert 0 == here.counted.get("ExpireLagDays", 0)


def test_a_run_that_did_not_finish_is_told_by_the_next(here: Stage) -> None:
    """The schedule counts the shards that the run before left."""
    night(here)
    first, *_ = here.tasks()
    here.call("expire", {"Records": [first]})
    here.counted.clear()
    night(here, "2012-02-02T00:05:00Z")

    assert SHARDS - 1 == here.counted["ExpireShardsUnfinished"]
    assert ["waiting", "overtaken"] == [run["status"] for run in sweeps(here)["expire"]["runs"]]


# Twice, late, side by side -------------------------------------------------------------------------------------------


def test_a_run_that_is_queued_twice_counts_each_account_once(here: Stage) -> None:
    """Duplicates of schedule and tasks go on in the same rows."""
    members = crowd(here)
    night(here)
    night(here)
    tasks = here.tasks()
    for record in [*tasks, *tasks]:
        here.call("expire", {"Records": [record]})

    (run,) = sweeps(here)["expire"]["runs"]
    assert (12, 12, 0, 0, 100) == tuple(run[name] for name in ("expected", "done", "left", "errors", "percent"))
    assert [[10, -10]] * 12 == [[entry["points"] for entry in here.entries(member)] for member in members]


def test_a_late_run_for_an_earlier_day_does_no_harm(here: Stage) -> None:
    """Its day is over for every account: it finds nothing, and the latest run stays the latest."""
    crowd(here)
    night(here, "2012-02-03T00:05:00Z")
    drain(here)
    here.call("expire", {"as_of": NIGHT})
    drain(here)

    later, earlier = sweeps(here)["expire"]["runs"]
    assert (("2012-02-03T00:05:00Z", 12), (NIGHT, 0)) == (
        (later["run"], later["done"]),
        (earlier["run"], earlier["done"]),
    )


def test_a_worker_that_died_is_followed_by_another(here: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message comes again: every account is expired once, and the row shows what the second worker did."""
    members = crowd(here)
    night(here)
    tasks = here.tasks()
    taken = 0

    def dying(_self: Context) -> int:
        nonlocal taken
        taken += 1
        if taken == 3:
            raise SystemExit("out of memory")
        return 900_000

    monkeypatch.setattr(Context, "get_remaining_time_in_millis", dying)
    died = []
    for record in tasks:
        try:
            here.call("expire", {"Records": [record]})
        except SystemExit:
            died.append(record)
    for record in died:
        here.call("expire", {"Records": [record]})

    assert 1 == len(died)
    (run,) = sweeps(here)["expire"]["runs"]
    assert ("finished", 100) == (run["status"], run["percent"])
    assert 10 <= run["done"] <= 12, "what the first worker did and could not write down is not counted"
    assert [[10, -10]] * 12 == [[entry["points"] for entry in here.entries(member)] for member in members]


# The walk ------------------------------------------------------------------------------------------------------------


def publish(stage: Stage, program: Mapping[str, Any]) -> None:
    """Put a program in force, as an administrator."""
    answer = stage.ask("PUT", "/v1/program", program, scopes=ADMIN)
    assert answer.status == 200, answer


def test_the_first_night_after_a_publication_walks(here: Stage) -> None:
    """Other leads reach accounts that nothing else happens to: they are due for reminders by the leads in force."""
    crowd(here, 6)
    night(here, "2011-01-11T00:05:00Z")
    due_now(here)
    drain(here)
    assert sweeps(here)["expire"]["dates_current"]

    publish(here, {**here.program, "reminders": {"lead_days": [60, 30]}})
    assert not sweeps(here)["expire"]["dates_current"]
    here.runtime.in_force.forget()
    night(here, "2011-01-12T00:05:00Z")
    assert [] == drain(here)
    assert "waiting" == sweeps(here)["walk"]["runs"][0]["status"]
    assert {210} == {seconds for seconds in held_back(here) if seconds > 0}
    due_now(here)
    assert [] == drain(here)

    found = sweeps(here)
    (run, _) = found["walk"]["runs"]
    assert ("finished", 6, 6, 6) == tuple(run[name] for name in ("status", "expected", "seen", "done"))
    assert found["expire"]["dates_current"]
    night(here, "2011-12-02T09:00:00Z", "remind")
    drain(here, "remind")
    assert 6 == sweeps(here)["remind"]["runs"][0]["expected"], "sixty days before their last day"
    assert all(here.proved(f"m-{n}") for n in range(6))


def test_a_night_without_a_change_walks_nobody(here: Stage) -> None:
    """Once everybody was walked, a night is the sweep alone."""
    for day in (11, 12):
        night(here, f"2011-01-{day}T00:05:00Z")
        due_now(here)
        drain(here)

    assert 1 == len(sweeps(here)["walk"]["runs"])


def test_a_published_program_takes_effect_for_points_that_never_expire(here: Stage) -> None:
    """Accounts without any date are in the walk too."""
    never = Stage("never", program={**here.program, "expiry": {"policy": "never"}}, shards=SHARDS)
    with use(never.runtime):
        never.earn(paid("o-1", "m-1", 1_000), paid("o-2", "m-2", 1_000))
        night(never, "2011-01-11T00:05:00Z")
        due_now(never)
        drain(never)

        assert 2 == sweeps(never)["walk"]["runs"][0]["expected"]


@pytest.mark.parametrize(
    "changes",
    [
        {"walk": "1.0", "batch": "b.2012-01-01"},
        {"walk": 1},
        {"walk": "x" * 129},
        {"walk": "a b"},
        {"batch": None},
        {"walk": "1.0", "cursor": "VR#x"},
    ],
    ids=str,
)
def test_a_damaged_task_is_given_up(here: Stage, changes: Mapping[str, Any]) -> None:
    """It fails and ends in the dead-letter queue; nothing is written."""
    body = {"sweep": "expire", "as_of": NIGHT, "shard": 0, "cursor": None, **changes}
    record = {"messageId": "1", "body": json.dumps(body)}

    assert {"batchItemFailures": [{"itemIdentifier": "1"}]} == here.call("expire", {"Records": [record]})
    assert [] == here.table()


def test_a_task_of_a_walk_that_nobody_began_does_nothing(here: Stage) -> None:
    """Whoever can write into the queue can walk nobody by it."""
    crowd(here, 3)
    before = here.table()
    body = {"sweep": "expire", "as_of": NIGHT, "shard": 0, "cursor": None, "walk": "1.7"}
    assert {"batchItemFailures": []} == here.call("expire", {"Records": [{"messageId": "1", "body": json.dumps(body)}]})

    assert before == here.table()
    assert [] == here.tasks()
    assert [] == sweeps(here)["walk"]["runs"]
