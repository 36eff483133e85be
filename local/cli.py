"""The `jifen` command: order files in, a proved ledger out.

    jifen replay FILE     every line through the real functions, then every account proved
    jifen sweep  KIND     one scheduled run over a table that is there
    jifen dry-run FILE    what other rules would have given, member by member; nothing is written
    jifen demo            a year of an invented shop, replayed and looked at
    jifen up              a local AWS with the whole stack on it; down, token and logs go with it
    jifen dlq             work that was given up: look at it, send it back
    jifen simulate        races, faults and midnights by the thousand, each run judged
    jifen audit           a whole ledger judged from its raw rows
    jifen rewards         the rewards of the mall, in and out of a file
    jifen sweeps          how far the sweeps are; pause, resume and pace one
    jifen verify-draw     a draw of a lottery worked out again by anybody
    jifen notice-preview  every message to members, as files to look at
    jifen validity        what policies of validity would do and did, and taking it back

Standard output carries the result and nothing else; what is told on the way goes to standard error. Exit codes: 0 done,
1 refused or a proof failed, 2 usage, 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from jifen.domain.errors import InvalidProgram
from jifen.domain.program import Program, parse_program
from local.audit.command import add_audit
from local.aws.commands import add_commands
from local.aws.errors import LocalAwsError
from local.demo import MEMBERS_MAX, run_demo, show_demo
from local.dlq import DlqError, add_dlq
from local.dry_run import Kit, add_dry_run
from local.engines import Engine, EngineError, open_engine
from local.notice_preview import add_notice_preview
from local.replay import Replay, ReplayError, Watch, numbered_lines, replay_file
from local.rewards import add_rewards
from local.simulation.command import add_simulate
from local.sweep import NothingToSweep, run_sweep
from local.sweeps import add_sweeps
from local.validity import add_validity
from local.verify_draw import add_verify_draw

DONE, REFUSED, USAGE, STOPPED = 0, 1, 2, 130
TABLE = "jifen"
MOTO_LINES_MAX = 3_000
"""moto copies its whole table for every transaction: a file of this length takes minutes, a longer one hours."""

REFUSED_SHOWN_MAX = 10
IN_MEMORY = ("auto", "dynoxide", "ministack", "dynamodb-local", "moto")


class UsageError(Exception):
    """The command was called in a way that cannot work; the text says what to change."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    # The one place that touches the environment: handlers log what they did, and here nobody asked them.
    os.environ.setdefault("POWERTOOLS_LOG_LEVEL", "ERROR")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except (UsageError, NothingToSweep) as wrong:
        _say(f"jifen {options.command}: {wrong}")
        return USAGE
    except (DlqError, EngineError, LocalAwsError, ReplayError) as wrong:
        _say(f"jifen {options.command}: {wrong}")
        return REFUSED
    except KeyboardInterrupt:
        _say(f"jifen {options.command}: {getattr(options, 'stopped', 'stopped')}")
        return STOPPED
    except BrokenPipeError:
        # Whoever read our output has enough of it, for instance `head`; nothing is left to be said to anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    return code


# Arguments -----------------------------------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="jifen",
        description="A loyalty-points ledger that can be proved: replay order files, look at a demo, run a local AWS.",
        epilog="""\
examples:
  jifen demo                                    a year of an invented coffee shop
  jifen replay orders.ndjson.gz                 your orders, default program, in memory
  jifen replay orders.ndjson --program shop.json --report report.json --data points.db
  jifen sweep expire --as-of 2026-02-01T00:05:00+08:00 --data points.db
  jifen up                                      the whole stack on a local AWS, until jifen down
  jifen dlq redrive orders --stack jifen        orders that were given up, sent back
  jifen dry-run orders.ndjson --program new.json --against now.json
  jifen simulate --seeds 2000                   two thousand races, each judged
  jifen audit --export *.json.gz                an export from AWS, every row held against every law
  jifen rewards import rewards.csv --dry-run    what a file would change in the mall
  jifen sweeps pause remind --reason "no mail"  reminders wait until they are resumed
  jifen verify-draw draw.json --lottery l.json  a draw worked out again, with nothing but what everybody can see
  jifen validity preview --ruleset 7            what the policies of a draft would do to every account

exit codes:
  0 done    1 refused, or a proof failed    2 usage    130 stopped with Ctrl-C""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    _add_replay(commands)
    _add_sweep(commands)
    _add_demo(commands)
    add_commands(commands, _program_file)
    add_dlq(commands, stdout_console, _watching)
    add_simulate(commands, stdout_console, _watching)
    add_dry_run(commands, Kit(_program_file, _count_lines, _check_report, stdout_console, _watching))
    add_audit(commands, _add_place, _add_program, _program_of, _kept, stdout_console, _instant)
    add_rewards(commands, stdout_console, _watching)
    add_sweeps(commands, stdout_console)
    add_verify_draw(commands, stdout_console)
    add_notice_preview(commands)
    add_validity(commands, stdout_console, _watching)
    return parser


def _add_replay(commands: Any) -> None:
    replay = commands.add_parser(
        "replay",
        help="drive a file of order events through the real functions and prove every account",
        description="Drives every line of a file through webhook verification, queue messages and handlers, in this "
        "process, with the clock at the latest occurred_at seen so far. Then proves every account from its entries.",
    )
    replay.add_argument("file", type=Path, metavar="FILE", help="events, one JSON object a line; may be gzipped (.gz)")
    replay.add_argument("--report", type=Path, metavar="FILE.json", help="write all figures and accounts there")
    _add_place(replay)
    _add_program(replay)
    replay.set_defaults(run=_replay)


def _add_sweep(commands: Any) -> None:
    sweep = commands.add_parser(
        "sweep",
        help="one scheduled run: expire what has lapsed, or remind of what will",
        description="Runs one schedule as of any instant, again and again if you like: it works from dates, so what is "
        "done is not due any more. Needs a table that is there: --data PATH of an earlier replay, or an engine's URL.",
    )
    sweep.add_argument("kind", choices=("expire", "remind"), help="which schedule")
    sweep.add_argument("--as-of", required=True, type=_instant, metavar="INSTANT", help="such as 2026-02-01T00:05:00Z")
    _add_place(sweep)
    _add_program(sweep)
    sweep.set_defaults(run=_sweep)


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo",
        help="invent a shop, replay its orders, and look at what came of them",
        description="Invents a coffee shop's orders, refunds and redemptions (the same for the same seed), replays "
        "them, and shows totals, one member's statement, what expires next, reminders, and the proof of every account.",
    )
    demo.add_argument("--seed", type=int, default=1, metavar="N", help="another number, another story (default: 1)")
    demo.add_argument("--members", type=int, default=60, metavar="N", help="how many buy (default: 60)")
    _add_engine(demo)
    demo.set_defaults(run=_demo)


def _add_engine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--engine",
        default="auto",
        metavar="ENGINE",
        help="auto, dynoxide, ministack, moto, dynamodb-local, or the URL of a DynamoDB endpoint (default: auto)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON, and nothing else")


def _add_place(parser: argparse.ArgumentParser) -> None:
    _add_engine(parser)
    parser.add_argument("--data", type=Path, metavar="PATH", help="keep the ledger in this file (default: in memory)")
    parser.add_argument(
        "--table", default=TABLE, type=_table_name, metavar="NAME", help=f"name of the table (default: {TABLE})"
    )


def _add_program(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--program", type=Path, metavar="FILE", help="rules and policies (default: the default of each)"
    )


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as wrong:
        message = f"{text!r} is no instant such as 2026-02-01T00:05:00+08:00"
        raise argparse.ArgumentTypeError(message) from wrong
    if instant.tzinfo is None:
        message = f"{text!r} has no offset; write 2026-02-01T00:05:00+08:00, or Z for UTC"
        raise argparse.ArgumentTypeError(message)
    return instant


def _table_name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.-]{3,255}", text):
        message = f"{text!r} is no name of a table: 3 to 255 of A-Z a-z 0-9 _ . -"
        raise argparse.ArgumentTypeError(message)
    return text


# What the arguments name ---------------------------------------------------------------------------------------------


def _program(path: Path | None) -> Program:
    return parse_program({} if path is None else _program_file(path))


def _program_file(path: Path) -> dict[str, Any]:
    """Read a program file; what it says is a program, or UsageError names each fault."""
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        parse_program(data)
    except OSError as wrong:
        message = f"the program {path} cannot be read: {wrong.strerror}"
        raise UsageError(message) from wrong
    except InvalidProgram as wrong:
        faults = "".join(f"\n  {fault.field}: {fault.problem}" for fault in wrong.faults)
        message = f"the program {path} is refused:{faults}"
        raise UsageError(message) from wrong
    except (ValueError, RecursionError) as wrong:
        message = f"the program {path} is not JSON: {wrong}"
        raise UsageError(message) from wrong
    return data


def _program_of(options: argparse.Namespace) -> Program:
    return _program(options.program)


def _kept(options: argparse.Namespace) -> AbstractContextManager[Engine]:
    """An engine on a ledger that is there already."""
    if options.engine in IN_MEMORY and options.data is None:
        message = (
            f"there is nothing to {options.command}: the engine {options.engine} would start empty; "
            "name --data PATH of an earlier replay, or the URL of an engine that runs"
        )
        raise UsageError(message)
    if options.data is not None and not _is_kept(options.data):
        message = f"there is nothing to {options.command}: there is no {options.data}"
        raise UsageError(message)
    return _open(options.engine, options.data)


def _open(spec: str, data: Path | None = None) -> AbstractContextManager[Engine]:
    if data is not None and (spec == "moto" or spec.startswith(("http://", "https://"))):
        message = f"--data does not go with the engine {spec}: it is not ours to say where that keeps its data"
        raise UsageError(message)
    try:
        return open_engine(spec, data_path=data, say=_say)
    except ValueError as wrong:
        raise UsageError(str(wrong)) from wrong


def _count_lines(path: Path, engine: str) -> int:
    """Read the file through once, so that nothing starts on a file that cannot be read or is too long for moto."""
    if not path.is_file():
        message = f"there is no file {path}"
        raise UsageError(message)
    try:
        lines = sum(1 for _ in numbered_lines(path))
    except ReplayError as wrong:
        raise UsageError(str(wrong)) from wrong
    if engine == "moto" and lines > MOTO_LINES_MAX:
        message = f"{path} has {lines:,} lines and moto is for at most {MOTO_LINES_MAX:,}; take dynoxide or ministack"
        raise UsageError(message)
    return lines


def _check_report(path: Path | None) -> None:
    """Find out before the work, not after it, that its result cannot be kept."""
    if path is None:
        return
    place = path if path.exists() else path.absolute().parent
    if path.is_dir() or not place.exists() or not os.access(place, os.W_OK):
        message = f"the report cannot be written to {path}"
        raise UsageError(message)


# Commands ------------------------------------------------------------------------------------------------------------


def _replay(options: argparse.Namespace) -> int:
    program = _program(options.program)
    lines = _count_lines(options.file, options.engine)
    _check_report(options.report)
    with _open(options.engine, options.data) as engine, _watching() as watch:
        replay = Replay(engine, program, options.table)
        if not replay.table_is_new:
            _say(f"the table {options.table} was there; what it holds counts")
        report = replay_file(options.file, lines, replay, watch)
    if options.report:
        options.report.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if options.json:
        _print_json(report)
    else:
        show_report(stdout_console(), report)
        if options.report:
            _say(f"report: {options.report}")
    _complain(report)
    return REFUSED if report["refused_lines"] or report["proof"]["failed"] else DONE


def _sweep(options: argparse.Namespace) -> int:
    program = _program(options.program)
    with _kept(options) as engine:
        result = run_sweep(engine, program, options.table, options.kind, options.as_of)
    if options.json:
        _print_json(result)
    else:
        _show_sweep(stdout_console(), result)
    return DONE


def _is_kept(data: Path) -> bool:
    """Whether an earlier replay has left something there; MiniStack keeps it beside."""
    return data.exists() or data.with_name(f"{data.name}.ministack").exists()


def _demo(options: argparse.Namespace) -> int:
    if not 1 <= options.members <= MEMBERS_MAX:
        message = f"--members is a number from 1 to {MEMBERS_MAX}"
        raise UsageError(message)
    if options.engine == "moto":
        raise UsageError("moto would take an hour for the demo; take dynoxide or ministack")
    with _open(options.engine) as engine, _watching() as watch:
        result = run_demo(engine, options.seed, options.members, watch)
    if options.json:
        _print_json(result.plain())
    else:
        show_demo(stdout_console(), result)
    _complain(result.report)
    return REFUSED if result.report["refused_lines"] or result.report["proof"]["failed"] else DONE


# Output --------------------------------------------------------------------------------------------------------------


def stdout_console() -> Console:
    """Standard output: colours in a terminal, plain text elsewhere; text is shown as it is, never as markup."""
    return Console(file=sys.stdout, markup=False, highlight=False, emoji=False)


def show_report(console: Console, report: dict[str, Any]) -> None:
    """Print the figures of a replay as a short table."""
    points, proof = report["points"], report["proof"]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for name in ("members", "orders", "events", "entries"):
        table.add_row(name, f"{report[name]:,}")
    for name in ("earned", "clawed_back", "redeemed", "expired"):
        table.add_row(f"points {name.replace('_', ' ')}", f"{points[name]:,}")
    table.add_row("reminders", f"{len(report['reminders']):,}")
    table.add_row("unmatched refunds", f"{report['unmatched_refunds']:,}")
    table.add_row("refused lines", _alarming(report["refused_lines"]))
    table.add_row("seconds", f"{report['seconds']:,.1f}")
    table.add_row("events a second", f"{report['events_per_second']:,.0f}")
    table.add_row("accounts proved", f"{proof['accounts'] - proof['failed']:,} of {proof['accounts']:,}")
    table.add_row("proofs failed", _alarming(proof["failed"]))
    console.print(table)


def _alarming(count: int) -> Text:
    return Text(f"{count:,}", style="bold red" if count else "green")


def _complain(report: dict[str, Any]) -> None:
    """Say on standard error which lines were refused and which accounts do not add up."""
    for row in report["refused"][:REFUSED_SHOWN_MAX]:
        _say(f"line {row['line']} refused: {row['code']}: {row['detail']}")
    if (more := report["refused_lines"] - REFUSED_SHOWN_MAX) > 0:
        _say(f"and {more:,} more lines; a report file names them")
    for failure in report["proof"].get("failures", ())[:REFUSED_SHOWN_MAX]:
        wrong = [row for row in failure["equations"] if not row["holds"]]
        broken = "; ".join(f"{row['name']}: {row['left']}, {row['right']}" for row in wrong)
        _say(f"member {failure['member_id']} is not proved: {broken}")


def _show_sweep(console: Console, result: dict[str, Any]) -> None:
    day, kind = result["as_of"], result["sweep"]
    rows = result["expired"] if kind == "expire" else result["reminders"]
    for name, count in sorted(Counter(row["kind"] for row in result["notices"]).items()):
        console.print(f"{count:,} told: {name}")
    if not rows:
        if not result["notices"]:
            console.print(f"Nothing was due as of {day}.")
        return
    points = sum(row["points"] for row in rows)
    did = "expired" if kind == "expire" else "reminded of"
    console.print(f"{points:,} points {did}, in {result['accounts']:,} accounts, as of {day}.")
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("member")
    table.add_column("last valid day")
    table.add_column("points", justify="right")
    for row in rows:
        table.add_row(row["member_id"], row["lot_expires_on"], f"{row['points']:,}")
    console.print(table)


def _print_json(result: Any) -> None:
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


# Progress ------------------------------------------------------------------------------------------------------------


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s" if speed else "", style="cyan")


@contextmanager
def _watching() -> Iterator[Watch]:
    """Give what is to be told about progress; a bar on standard error when that is a terminal, else nothing at all."""
    if not sys.stderr.isatty():
        yield lambda _stage, _done, _all: None
        return
    columns = (TextColumn("{task.description:>9}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=10) as progress:
        yield _advance(progress)


def _advance(progress: Progress) -> Callable[[str, int, int], None]:
    tasks: dict[str, Any] = {}

    def watch(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = progress.add_task(stage, total=total)
        progress.update(tasks[stage], completed=done)

    return watch


if __name__ == "__main__":
    sys.exit(main())
