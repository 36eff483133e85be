"""``jifen simulate``: many seeds, or one of them told from beginning to end."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from rich.console import Console
from rich.table import Table

from local.audit import LAWS as LEDGER_LAWS
from local.audit import Violation
from local.simulation.campaign import REACHABLE, SEEDS_ENOUGH, Campaign, Watch, campaign
from local.simulation.judge import LAWS as RUN_LAWS
from local.simulation.run import Verdict, simulate
from local.simulation.story import story
from local.simulation.telling import opening

DONE, REFUSED = 0, 1
VIOLATIONS_SHOWN = 5


def add_simulate(
    commands: Any, console: Callable[[], Console], watching: Callable[[], AbstractContextManager[Watch]]
) -> None:
    """Add the command to those of ``jifen``."""
    parser = commands.add_parser(
        "simulate",
        help="race clients, lose messages and leap over midnights in thousands of seeded runs of the real code",
        description="Runs many clients over the real code on a table in this process. The seed decides who is next at "
        "every call, which call gets lost, when a process crashes and when the clock leaps; every run is judged by "
        "a serial reference and by the laws of the ledger. The same seed is the same run.",
    )
    parser.add_argument("--seeds", type=_whole, default=200, metavar="N", help="how many runs (default: 200)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed (default: 0)")
    parser.add_argument("--seed", type=int, metavar="SEED", help="run this one and tell its whole history")
    parser.add_argument("--workers", type=_whole, metavar="N", help="processes at a time (default: one for each core)")
    parser.add_argument("--json", action="store_true", help="print the result as JSON, and nothing else")
    parser.set_defaults(run=lambda options: _run(options, console, watching))


def _whole(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        message = f"{text!r} is no number from 1 on"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _run(
    options: argparse.Namespace,
    console: Callable[[], Console],
    watching: Callable[[], AbstractContextManager[Watch]],
) -> int:
    if options.seed is not None:
        return _one(options.seed, as_json=options.json)
    with watching() as watch:
        result = campaign(range(options.first, options.first + options.seeds), options.workers, watch)
    if options.json:
        sys.stdout.write(json.dumps(plain(result)) + "\n")
    else:
        _show(console(), result)
    return DONE if result.sound else REFUSED


def _one(seed: int, *, as_json: bool) -> int:
    def tell(line: str) -> None:
        if not as_json:
            sys.stdout.write(f"{line}\n")

    for line in opening(story(seed)):
        tell(line)
    verdict = simulate(seed, tell)
    if as_json:
        sys.stdout.write(json.dumps(_verdict(verdict)) + "\n")
    else:
        count = len(verdict.violations)
        tell(f"verdict   {count} violations; {verdict.commits} commits, {verdict.calls} calls, trace {verdict.trace}")
        for violation in verdict.violations:
            tell(f"          {_line(violation)}")
    return REFUSED if verdict.violations else DONE


def plain(result: Campaign) -> dict[str, Any]:
    """A campaign as JSON."""
    return {
        "seeds": result.seeds,
        "commits": result.commits,
        "calls": result.calls,
        "seconds": round(result.seconds, 1),
        "violations": sum(len(verdict.violations) for verdict in result.failing),
        "failing": [_verdict(verdict) for verdict in result.failing],
        "laws": len(LEDGER_LAWS) + len(RUN_LAWS),
        "reached": {name: result.reached[name] for name in REACHABLE},
        "missed": result.missed,
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    rows = [{"law": one.law, "subject": one.subject, "detail": one.detail} for one in verdict.violations]
    return {"seed": verdict.seed, "trace": verdict.trace, "violations": rows}


def _line(violation: Violation) -> str:
    return f"{violation.law}: {violation.subject}: {violation.detail}"


def _show(console: Console, result: Campaign) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for _ in range(2):
        table.add_column("visited")
        table.add_column("times", justify="right", no_wrap=True, min_width=6)
    half = -(-len(REACHABLE) // 2)
    for left, right in zip(REACHABLE[:half], (*REACHABLE[half:], ""), strict=False):
        table.add_row(left, f"{result.reached[left]:,}", right, f"{result.reached[right]:,}" if right else "")
    console.print(table)
    for verdict in result.failing:
        console.print(f"seed {verdict.seed} is wrong; see it whole with: jifen simulate --seed {verdict.seed}")
        for violation in verdict.violations[:VIOLATIONS_SHOWN]:
            console.print(f"  {_line(violation)}")
    if result.missed:
        console.print(f"not visited: {', '.join(result.missed)}")
        if result.seeds < SEEDS_ENOUGH:
            console.print(f"(counts as a failure from {SEEDS_ENOUGH:,} seeds on)")
    violations = sum(len(verdict.violations) for verdict in result.failing)
    console.print(
        f"{result.seeds:,} runs, {result.commits:,} commits, {result.calls:,} calls, {result.seconds:,.0f} s: "
        f"{violations} violations of {len(LEDGER_LAWS) + len(RUN_LAWS)} laws"
    )
