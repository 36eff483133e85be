"""The simulation itself: sound on the real code, the same for the same seed, and loud about what it did not see."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from local.audit import Violation
from local.simulation import campaign as campaigns
from local.simulation.campaign import REACHABLE, SEEDS_ENOUGH, Campaign, campaign
from local.simulation.faults import FAULTS
from local.simulation.run import Verdict, simulate
from local.simulation.story import FOCI, story

ROOT = Path(__file__).resolve().parents[2]
SEEDS = 64


@pytest.fixture(scope="module")
def run() -> Campaign:
    """Some seeds on the real code; many more are run by themselves in CI."""
    return campaign(range(SEEDS), workers=1)


def _jifen(*arguments: str, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": f"{ROOT}:{ROOT / 'layers' / 'common'}"}
    command = [sys.executable, "-m", "local.cli", "simulate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False, timeout=240)


def test_no_run_breaks_a_law(run: Campaign) -> None:
    """Races, lost messages, crashes and midnights: every law holds in every run."""
    assert [] == [(verdict.seed, verdict.violations) for verdict in run.failing]
    assert SEEDS == run.seeds
    assert run.commits > 5 * SEEDS
    assert run.calls > 30 * SEEDS


def test_nearly_everything_was_visited(run: Campaign) -> None:
    """Even these few seeds meet every fault, and six in seven of all states; a thousand have to meet all."""
    assert [] == [name for faults in FAULTS.values() for name in faults if not run.reached[name]]
    assert len(run.missed) <= len(REACHABLE) // 7 + 3, run.missed


def test_a_seed_is_one_run_in_any_process() -> None:
    """The trace over every call is the same in another process, with another order of sets."""
    seeds = (11, 12)
    there = [json.loads(_jifen("--seed", str(seed), "--json", hash_seed="4711").stdout)["trace"] for seed in seeds]

    assert [simulate(seed).trace for seed in seeds] == there
    assert there[0] != there[1]


def test_a_seed_does_not_depend_on_the_runs_before_it() -> None:
    """A run leaves nothing behind that another one could see."""
    alone = simulate(21)
    simulate(22)

    assert (alone.trace, alone.reached) == (simulate(21).trace, simulate(21).reached)


def test_stories_are_drawn_from_their_seed() -> None:
    """The same seed tells the same story, and seeds differ in what they are about."""
    assert story(5) == story(5)
    assert set(FOCI) == {story(seed).focus for seed in range(60)}


def test_history_of_a_seed_can_be_read() -> None:
    """One seed is told from what was drawn to its verdict: who did what when, and what was written."""
    told = _jifen("--seed", "11")

    assert 0 == told.returncode
    lines = told.stdout.splitlines()
    assert lines[0].startswith("seed      11 (")
    assert any(line.startswith("faults ") for line in lines)
    assert any(line.startswith("message ") for line in lines)
    assert any("= commit 1: " in line for line in lines)
    assert lines[-1].startswith("verdict   0 violations; ")


def test_command_reports_as_json() -> None:
    """Runs, laws, what was visited and what was not, for a machine."""
    told = _jifen("--seeds", "10", "--first", "100", "--json", "--workers", "1")
    report = json.loads(told.stdout)

    assert (0, 10, 0, []) == (told.returncode, report["seeds"], report["violations"], report["failing"])
    assert set(REACHABLE) == set(report["reached"])
    assert report["missed"] == [name for name in REACHABLE if not report["reached"][name]]


@pytest.mark.parametrize("arguments", [["--seeds", "0"], ["--seeds", "many"], ["--workers", "-1"]])
def test_numbers_that_are_none_are_refused(arguments: list[str]) -> None:
    """Usage, not a traceback."""
    told = _jifen(*arguments)

    assert 2 == told.returncode
    assert "is no number from 1 on" in told.stderr


def test_control_c_ends_a_campaign() -> None:
    """In the middle of thousands of seeds, for the whole group of processes as a terminal does it; nothing is left."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'layers' / 'common'}"}
    command = [sys.executable, "-m", "local.cli", "simulate", "--seeds", "100000", "--workers", "2"]
    campaigning = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=ROOT, start_new_session=True
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            campaigning.wait(4)
        os.killpg(campaigning.pid, signal.SIGINT)
        _, told = campaigning.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(campaigning.pid, signal.SIGKILL)

    assert (130, b"jifen simulate: stopped\n") == (campaigning.returncode, told)


# What a campaign makes of it -----------------------------------------------------------------------------------------


def _verdict(seed: int, *violations: Violation, reached: tuple[str, ...] = ()) -> Verdict:
    return Verdict(seed, violations, Counter(reached), 1, 1, 0)


def _campaign(*verdicts: Verdict) -> Campaign:
    total = Campaign()
    for verdict in verdicts:
        total.add(verdict)
    return total


def test_one_violation_makes_a_campaign_unsound() -> None:
    """However many seeds were fine."""
    assert _campaign(_verdict(1, reached=REACHABLE)).sound
    assert not _campaign(_verdict(1, reached=REACHABLE), _verdict(2, Violation("lots", "m1", "wrong"))).sound


def test_a_state_that_was_never_visited_makes_a_large_campaign_unsound() -> None:
    """A check that never saw its case proves nothing; few seeds are given the benefit of the doubt."""
    nearly = REACHABLE[:-1]
    few = _campaign(_verdict(1, reached=nearly))
    many = _campaign(*(_verdict(seed, reached=nearly) for seed in range(SEEDS_ENOUGH)))
    enough = _campaign(*(_verdict(seed, reached=REACHABLE) for seed in range(SEEDS_ENOUGH)))

    assert (True, False, True) == (few.sound, many.sound, enough.sound)
    assert [REACHABLE[-1]] == many.missed


def test_a_campaign_ends_with_the_failing_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten failing seeds say enough; they are shown in order."""

    def broken(seed: int) -> Any:
        return _verdict(seed, Violation("lots", "m1", "wrong"))

    monkeypatch.setattr(campaigns, "simulate", broken)
    found = campaign(range(1_000), workers=1)

    assert campaigns.CHUNK == found.seeds
    assert list(range(campaigns.FAILING_MAX)) == [verdict.seed for verdict in found.failing]
