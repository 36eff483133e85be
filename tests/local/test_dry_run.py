"""A dry run is right: its figures are those of two real replays, member by member and to the last point.

Marked `full`: a whole file of real orders; the suite itself takes the first two thousand.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import uuid
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from jifen.domain.program import parse_program
from jifen.service.dry_run import Comparison
from local.dry_run import Kit, add_dry_run, compare
from local.engines import Engine, EngineUnavailable, open_engine
from local.replay import Replay, numbered_lines, read_lines

SHARED = Path(__file__).resolve().parents[3] / "shared"
JOURNEY = SHARED / "data" / "orders" / "complete_journey" / "orders_dev.ndjson.gz"
CASE = SHARED / "cases" / "replay"

AMERICA = {"time_zone": "America/New_York", "currency": "USD"}
IN_FORCE: dict[str, Any] = AMERICA | {
    "earning": {
        "rules": [
            {"id": "base", "rate": {"points": 1, "per_minor": 100}},
            {"id": "produce", "when": {"category": ["PRODUCE"]}, "rate": {"points": 1, "per_minor": 50}},
        ]
    }
}
DRAFT: dict[str, Any] = AMERICA | {
    "earning": {
        "groups": {"rates": "exclusive"},
        "caps": [{"per": "month", "points": 400}],
        "rules": [
            {
                "id": "meat",
                "group": "rates",
                "priority": 5,
                "when": {"category": ["MEAT", "MEAT-PCKGD"]},
                "rate": {"points": 3, "per_minor": 100},
                "caps": [{"per": "day", "points": 60}],
            },
            {
                "id": "base",
                "group": "rates",
                "when": {"not_category": ["FUEL"]},
                "rate": {"points": 1, "per_minor": 125},
                "rounding": "half_up",
            },
            {"id": "welcome", "fixed": 20, "when": {"first_order": True}},
            {"id": "again", "fixed": 3, "when": {"repeat_within_days": 7}},
            {"id": "big", "ladder": [[0, 0], [5000, 10], [10000, 30]]},
            {"id": "four", "fixed": 15, "goal": {"of": "count", "reach": 4, "per": "month"}},
        ],
        "campaigns": [
            {
                "id": "winter",
                "from": "2017-01-05",
                "until": "2017-02-20",
                "budget_points": 2_500,
                "rules": [{"id": "double", "multiply": "2", "when": {"window": {"weekdays": ["fri", "sat", "sun"]}}}],
            }
        ],
    },
    "tiers": {
        "by": "points",
        "period": "year",
        "levels": [
            {"id": "member", "from": 0},
            {"id": "silver", "from": 60, "multiplier": "1.2"},
            {"id": "gold", "from": 200, "multiplier": "1.5", "allowance": 25},
        ],
    },
}


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """Keep what handlers log of every event out of pytest's memory."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("POWERTOOLS_LOG_LEVEL", "ERROR")
        yield


@pytest.fixture(scope="module")
def dynoxide() -> Iterator[Engine]:
    """Run one engine for all replays of this file; each has a table of its own."""
    try:
        with open_engine("dynoxide", say=lambda _: None) as engine:
            yield engine
    except EngineUnavailable as reason:
        pytest.skip(str(reason))


@pytest.fixture
def moto() -> Iterator[Engine]:
    with open_engine("moto", say=lambda _: None) as engine:
        yield engine


def really(engine: Engine, data: dict[str, Any], lines: list[str]) -> dict[str, int]:
    """What each member was given less what was taken back, by webhook, queue, handlers and table."""
    replay = Replay(engine, parse_program(data), f"jifen-{uuid.uuid4().hex[:8]}", 1)
    with replay.running():
        for number, line in enumerate(lines, 1):
            replay.play_line(number, line)
        replay.drain()
        lives = {member: replay.get(f"/v1/members/{member}")["lifetime"] for member in sorted(replay.members)}
    return {member: life["earned"] - life["clawed_back"] for member, life in lives.items()}


def differences(lines: list[str], folder: Path, in_force: dict[str, Any], draft: dict[str, Any]) -> Comparison:
    """The dry run over the same lines."""
    path = folder / "events.ndjson.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return compare(path, parse_program(in_force), parse_program(draft), lambda _done: None)[0]


def proved(engine: Engine, lines: list[str], folder: Path, in_force: dict[str, Any], draft: dict[str, Any]) -> int:
    """Hold the dry run against two real replays; the difference in total."""
    # A member whom the file names and who never had an account is none to a dry run.
    now, then = really(engine, in_force, lines), really(engine, draft, lines)
    compared = differences(lines, folder, in_force, draft)

    assert {member: (now[member], then[member]) for member in now} == dict.fromkeys(now, (0, 0)) | {
        one.member: tuple(one.points) for one in compared.members
    }
    assert (sum(now.values()), sum(then.values())) == tuple(compared.total)
    assert tuple(compared.total) == tuple(sum(points[side] for points in compared.rules.values()) for side in range(2))
    return compared.total.difference


# Against real replays ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [2_000, pytest.param(10**9, marks=pytest.mark.full)])
def test_the_figures_are_those_of_two_real_replays(dynoxide: Engine, tmp_path: Path, most: int) -> None:
    """Categories, caps, a task, tiers with an allowance, a campaign whose budget runs out: real orders of a grocer."""
    if not JOURNEY.exists():
        pytest.skip(f"{JOURNEY} is not here: it is no part of the repository")
    lines = [json.dumps(event) for number, event in read_lines(JOURNEY) if number <= most]

    assert 0 != proved(dynoxide, lines, tmp_path, IN_FORCE, DRAFT)


@pytest.mark.parametrize(
    ("clawback", "nights"),
    [("clamp", 12), *(pytest.param(one, 1, marks=pytest.mark.full) for one in ("clamp", "debt"))],
)
def test_refunds_redemptions_and_sweeps_are_those_of_a_real_replay(
    dynoxide: Engine, tmp_path: Path, clawback: str, nights: int
) -> None:
    """A file in which points are spent, lapse, and are clawed back when gone; of its sweeps one in ``nights``."""
    if not CASE.exists():
        pytest.skip(f"{CASE} is not here: it is no part of the repository")
    events = [event for _, event in read_lines(CASE / "sample.ndjson.gz")]
    lines = [json.dumps(event) for at, event in enumerate(events) if at % nights == 0 or "sweep" not in event["type"]]
    in_force = json.loads((CASE / "program.json").read_text()) | {"clawback": clawback}
    earning = {
        "rules": [
            {"id": "base", "rate": {"points": 1, "per_minor": 80}},
            {"id": "big", "ladder": [[20_000, 50]], "caps": [{"per": "month", "points": 100}]},
        ],
    }
    draft = in_force | {"earning": earning, "tiers": DRAFT["tiers"]}

    assert 0 != proved(dynoxide, lines, tmp_path, in_force, draft)


# The command ---------------------------------------------------------------------------------------------------------


def paid(order: str, member: str | None, minor: int, category: str = "tea", day: int = 1) -> dict[str, Any]:
    """An order of one line."""
    return {
        "type": "order.paid",
        "event_id": f"{order}-paid",
        "order_id": order,
        "customer_id": member,
        "occurred_at": f"2026-03-{day:02d}T09:00:00+08:00",
        "currency": "CNY",
        "lines": [{"n": 1, "sku": "A", "category": category, "line_total_minor": minor}],
    }


EVENTS: list[Any] = [
    paid("o1", "ann", 5_000),
    paid("o2", "bo", 12_000, "cups", day=2),
    paid("o3", None, 9_900, day=3),
    {
        "type": "order.refunded",
        "event_id": "r1",
        "order_id": "o1",
        "refund_id": "r1",
        "customer_id": "ann",
        "occurred_at": "2026-03-04T09:00:00+08:00",
        "currency": "CNY",
        "total_minor": 1_000,
    },
    {
        "type": "redeem.requested",
        "request_id": "q1",
        "customer_id": "bo",
        "points": 100,
        "occurred_at": "2026-03-04T10:00:00+08:00",
    },
    {"type": "sweep.remind", "occurred_at": "2026-03-05T02:00:00+00:00"},
    {"type": "sweep.expire", "occurred_at": "2026-03-05T16:00:00+00:00"},
    {
        "type": "review.selected",
        "event_id": "v1",
        "member_id": "ann",
        "occurred_at": "2026-03-06T09:00:00+08:00",
        "data": {"review_id": "v1"},
    },
]
PROGRAM: dict[str, Any] = {
    "time_zone": "Asia/Shanghai",
    "currency": "CNY",
    "earning": {
        "rules": [
            {"id": "base", "rate": {"points": 1, "per_minor": 200}},
            {"id": "tea", "when": {"category": ["tea"]}, "rate": {"points": 2, "per_minor": 100}},
            {"id": "review", "on": "review.selected", "fixed": 30},
        ]
    },
}


@dataclass
class Place:
    """A folder with a file of events, a draft, and the command."""

    folder: Path
    said: list[tuple[str, int, int]] = field(default_factory=list)

    def jifen(self, *arguments: str, lines: list[Any] | None = None) -> int:
        """Run the command on these lines; the exit code."""
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines or EVENTS]
        (self.folder / "events.ndjson").write_text("\n".join(texts), encoding="utf-8")
        (self.folder / "draft.json").write_text(json.dumps(PROGRAM), encoding="utf-8")
        parser = argparse.ArgumentParser()
        kit = Kit(
            program_file=lambda path: cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8"))),
            count_lines=lambda path, _engine: sum(1 for _ in numbered_lines(path)),
            check_report=lambda _path: None,
            console=lambda: Console(file=sys.stdout, width=120, markup=False, highlight=False),
            watching=lambda: nullcontext(lambda *told: self.said.append(told)),
        )
        add_dry_run(parser.add_subparsers(dest="command"), kit)
        place = str(self.folder / "events.ndjson")
        options = parser.parse_args(["dry-run", place, "--program", str(self.folder / "draft.json"), *arguments])
        return int(options.run(options))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_the_report_names_every_member_rule_and_order(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Every figure as worked out by hand: ann keeps 40.00 of tea and gets a review selected, bo buys cups."""
    out = place.folder / "report.json"

    assert 0 == place.jifen("--json", "--report", str(out))
    report = json.loads(capsys.readouterr().out)
    assert json.loads(out.read_text(encoding="utf-8")) == report
    compared = report.pop("comparison")
    differing = compared.pop("differing")

    assert {"lines": 8, "passed_over": {"sweep.remind": 1}, "refused_lines": 0, "refused": []} == report
    assert {
        "events": 7,
        "orders": 3,
        "members": 2,
        "gain": 1,
        "lose": 1,
        "total": {"in_force": 160, "draft": 190, "difference": 30},
        "rules": [
            {"rule": "base", "in_force": 160, "draft": 80, "difference": -80},
            {"rule": "review", "in_force": 0, "draft": 30, "difference": 30},
            {"rule": "tea", "in_force": 0, "draft": 80, "difference": 80},
        ],
        "by_member": [
            {"member_id": "ann", "in_force": 40, "draft": 130, "difference": 90},
            {"member_id": "bo", "in_force": 120, "draft": 60, "difference": -60},
        ],
        "orders_differ": 2,
        "refused": {"in_force": 0, "draft": 1, "difference": 1},
    } == compared
    assert [("o1", 40, 100), ("o2", 120, 60)] == [(one["order_id"], one["in_force"], one["draft"]) for one in differing]
    assert ("comparing", 8, 8) == place.said[-1]


def test_the_table_shows_what_counts(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Rules, the members it moves most, and orders with the rules behind them; `--top` says how many."""
    assert 0 == place.jifen("--top", "1")
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    assert "orders that differ 2" in shown
    assert "sweep.remind passed over 1" in shown
    assert "not taken, draft 1" in shown
    assert "base 160 80 -80" in shown
    assert "all 160 190 +30" in shown
    assert "ann 40 130 +90" in shown
    assert "bo 120 60 -60" not in shown
    assert "o1 40 base 40 100 base 20, tea 80" in shown


def test_it_is_compared_with_the_program_that_is_named(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Against itself a draft changes nothing."""
    assert 0 == place.jifen("--json", "--against", str(place.folder / "draft.json"))
    compared = json.loads(capsys.readouterr().out)["comparison"]

    assert ({"in_force": 190, "draft": 190, "difference": 0}, 0, []) == (
        compared["total"],
        compared["orders_differ"],
        compared["differing"],
    )


BAD_LINES = {
    "{": "body: is not JSON",
    "[1]": "body: is not a JSON object",
    '{"type": 7}': "type: is no type of event",
    '{"type": "order.lost"}': "type: order.lost is no type of event",
    '{"type": "sweep.expire", "occurred_at": "yesterday"}': "occurred_at: is not an instant",
    '{"type": "redeem.requested", "customer_id": "a", "request_id": "r", "points": 1.5}': "points: is no whole number",
    '{"type": "redeem.requested", "points": 5}': "customer_id: or request_id is no id",
    '{"type": "review.selected", "data": {"a": 1.5}}': "event_id: is not an id",
    json.dumps(paid("o9", "ann", -1)): "lines[0].line_total_minor: is not a whole number",
    '{"type": "order.paid", "sku": "\udc80"}'.encode("utf-8", "surrogatepass").decode("utf-8", "replace"): "event_id",
}


def test_a_bad_line_is_named_and_the_next_one_counts(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, each line told by number and reason, and the others taken in."""
    assert 1 == place.jifen("--json", lines=[*BAD_LINES, *EVENTS])
    captured = capsys.readouterr()
    report = json.loads(captured.out)

    assert len(BAD_LINES) == report["refused_lines"]
    assert 190 == report["comparison"]["total"]["draft"]
    for number, (row, problem) in enumerate(zip(report["refused"], BAD_LINES.values(), strict=True), 1):
        assert number == row["line"]
        assert problem in row["detail"]
        assert f"line {number} refused: {row['detail']}" in captured.err


@pytest.mark.parametrize("top", ["-1", "x", "1.5", "\u0665", "10000000"])
def test_top_is_a_number(place: Place, top: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is a usage error."""
    with pytest.raises(SystemExit) as stopped:
        place.jifen(f"--top={top}")

    assert (2, True) == (stopped.value.code, "is no number from 0" in capsys.readouterr().err)
