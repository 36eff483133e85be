"""The subcommands of `jifen` that start, use and end the local AWS."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rich.console import Console

from jifen.domain.ids import MEMBER_ID_MAX, valid_id
from local import template
from local.aws import lifecycle
from local.aws.logs import function_names, read_logs
from local.aws.trying import lines_to_try

PORT_MAX = 65_535
LOG_MINUTES = 60
LOG_MINUTES_MAX = 1_000_000
CURRENCY = "CNY"

Program = Callable[[Path], dict[str, Any]]


def add_commands(commands: Any, read_program: Program) -> None:
    """Add `up`, `down`, `token` and `logs` to the parsers `commands`; `read_program` reads and checks such a file."""
    _add_up(commands, read_program)
    _add_down(commands)
    _add_token(commands)
    _add_logs(commands)


def _add_up(commands: Any, read_program: Program) -> None:
    parser = commands.add_parser(
        "up",
        help="a local AWS with the whole stack deployed on it",
        description="Starts MiniStack, a local AWS, and runs the real `sam build` and `sam deploy` against it. Run "
        "again, it deploys what has changed. Listens on 127.0.0.1 only, until `jifen down`.",
    )
    parser.add_argument(
        "--port",
        type=_port,
        metavar="NUMBER",
        help="port to listen on, 0 for a free one (default: the last one, or 4566)",
    )
    parser.add_argument("--fresh", action="store_true", help="forget ledger, users and secrets of earlier runs")
    parser.add_argument(
        "--program", type=Path, metavar="FILE", help="rules and policies (default: the last ones given to up)"
    )
    parser.add_argument(
        "--time-zone", type=_zone, metavar="ZONE", help="such as Asia/Shanghai (default: the last one, or UTC)"
    )
    _add_state(parser)
    parser.set_defaults(
        run=lambda options: _up(options, read_program, parser),
        stopped="stopped; MiniStack may still run: `jifen up` goes on, `jifen down` ends it",
    )


def _add_down(commands: Any) -> None:
    parser = commands.add_parser(
        "down",
        help="end the local AWS; what it holds is kept for the next up",
        description="Ends the local AWS and every process it has started. Ledger, users, queues and secrets are kept.",
    )
    _add_state(parser)
    parser.set_defaults(run=_down)


def _add_token(commands: Any) -> None:
    parser = commands.add_parser(
        "token",
        help="a token that the local AWS's API accepts",
        description="Gets an access token of the stack's own user pool; it is good for an hour. A member is made a "
        "user of the pool on first use.",
    )
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--member", type=_member, metavar="ID", help="a member, for that member's own account")
    for machine in ("shop", "operator", "admin"):
        who.add_argument(f"--{machine}", dest="machine", action="store_const", const=machine)
    _add_state(parser)
    parser.set_defaults(run=_token)


def _add_logs(commands: Any) -> None:
    parser = commands.add_parser(
        "logs",
        help="what the functions of the local AWS have written",
        description=f"Prints what the functions have written in the last {LOG_MINUTES} minutes, oldest first.",
    )
    parser.add_argument("function", nargs="?", metavar="FUNCTION", help="one of them, such as earn (default: all)")
    parser.add_argument(
        "--minutes", type=_minutes, default=LOG_MINUTES, metavar="N", help=f"how far back (default: {LOG_MINUTES})"
    )
    parser.add_argument("--all", action="store_true", help="the lines of Lambda itself and metrics as well")
    _add_state(parser)
    parser.set_defaults(run=lambda options: _logs(options, parser))


def _add_state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--state",
        type=Path,
        default=lifecycle.FOLDER,
        metavar="FOLDER",
        help="where it keeps its state (default: .jifen/aws)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON, and nothing else")


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > PORT_MAX:
        message = f"{text!r} is no port: a number up to {PORT_MAX}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _minutes(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= LOG_MINUTES_MAX:
        message = f"{text!r} is no number of minutes from 1 to {LOG_MINUTES_MAX:,}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _member(text: str) -> str:
    if not valid_id(text):
        message = f"{text!r} is no member id: 1 to {MEMBER_ID_MAX} characters, no outer blanks, no control characters"
        raise argparse.ArgumentTypeError(message)
    return text


def _zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as wrong:
        message = f"{text!r} is no time zone such as Asia/Shanghai"
        raise argparse.ArgumentTypeError(message) from wrong


# Commands ------------------------------------------------------------------------------------------------------------


def _up(options: argparse.Namespace, read_program: Program, parser: argparse.ArgumentParser) -> int:
    program = read_program(options.program) if options.program else None
    own_zone = (program or {}).get("time_zone")
    if options.time_zone and own_zone and own_zone != options.time_zone:
        parser.error(f"the program says {own_zone} and --time-zone {options.time_zone}; leave out one of them")
    characters_max = template.load()["Parameters"]["Program"]["MaxLength"]
    if program and len(json.dumps(program, separators=(",", ":"))) > characters_max:
        parser.error(f"the program has more than the {characters_max:,} characters that the template takes")
    begun = time.monotonic()
    with _steps() as (step, say):
        stack = lifecycle.up(
            options.state,
            port=options.port,
            fresh=options.fresh,
            program=program,
            time_zone=options.time_zone,
            step=step,
            say=say,
        )
        say(f"up after {time.monotonic() - begun:.1f} s")
    if options.json:
        _print({"api": stack.api, "webhook_secrets": dict(stack.webhook_secrets), "endpoint": stack.endpoint})
        return 0
    secrets = "".join(f"  {name:<12} {secret}\n" for name, secret in stack.webhook_secrets.items())
    tries = "".join(f"{line}\n\n" for line in _tries(stack, options.state))
    sys.stdout.write(f"api      {stack.api}\naws      {stack.endpoint}\nsecrets\n{secrets}\nTry:\n\n{tries}")
    return 0


def _tries(stack: lifecycle.Stack, state: Path) -> list[str]:
    # They are pasted in whatever folder a terminal is in.
    called = str(Path(shutil.which(sys.argv[0]) or sys.argv[0]).absolute())
    more = [] if state == lifecycle.FOLDER else ["--state", str(state.resolve())]
    kept = stack.place.read()
    program = json.loads(kept.program) if kept and kept.program else {}
    token = [called, "token", *more]
    return lines_to_try(stack.api, stack.webhook_secrets["standard"], token, program.get("currency") or CURRENCY)


def _down(options: argparse.Namespace) -> int:
    ended = lifecycle.down(options.state)
    if options.json:
        _print({"ended": ended})
    else:
        sys.stdout.write("the local AWS is down; its state is kept\n" if ended else "the local AWS is not running\n")
    return 0


def _token(options: argparse.Namespace) -> int:
    stack = lifecycle.running(options.state)
    found = lifecycle.token(stack, member=options.member, machine=options.machine or "shop")
    if options.json:
        _print({"token": found})
    else:
        sys.stdout.write(f"{found}\n")
    return 0


def _logs(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    names = function_names()
    if options.function not in {None, *names}:
        parser.error(f"there is no function {options.function}, only {', '.join(names)}")
    stack = lifecycle.running(options.state)
    rows = read_logs(
        stack.client("logs"),
        [options.function] if options.function else names,
        since_s=time.time() - 60 * options.minutes,
        everything=options.all,
    )
    if not rows:
        sys.stderr.write(f"nothing in the last {options.minutes} minutes\n")
    if options.json:
        _print(rows)
    else:
        sys.stdout.writelines(f"{row['time']} {row['function']:<8} {row['message']}\n" for row in rows)
    return 0


def _print(result: Any) -> None:
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")


# Progress ------------------------------------------------------------------------------------------------------------


@contextmanager
def _steps() -> Iterator[tuple[lifecycle.Step, Callable[[str], None]]]:
    """Give what tells of steps on standard error: one line each, and in a terminal what is under way now."""
    console = Console(stderr=True, markup=False, highlight=False, emoji=False)

    @contextmanager
    def step(name: str) -> Iterator[None]:
        begun = time.monotonic()
        if console.is_terminal:
            with console.status(name):
                yield
        else:
            yield
        console.print(f"{time.monotonic() - begun:6.1f} s  {name}", soft_wrap=True)

    yield step, lambda line: console.print(f"          {line}", soft_wrap=True)
