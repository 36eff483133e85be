"""Counts the CPU instructions of a program: cachegrind without a cache model, so that the same run counts the same.

A count repeats to the last few thousand when the program is Python with ``PYTHONHASHSEED=0`` and compiled bytecode;
seconds on a busy machine do not. A run takes some fifty times as long as without.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

INSTALL_TIMEOUT_S = 300
RUN_TIMEOUT_S = 600

MISSING = "valgrind is not here, and only root can install it (apt-get install valgrind)"
"""The reason for what is skipped without it."""

MARK = "getppid"
"""A function that a program calls for the count alone: cheap, harmless, and called by nobody else."""

_SUMMARY = re.compile(r"^summary:\s*(\d+)", re.MULTILINE)


class RunFailed(Exception):
    """The program that was to be counted did not end well; the message has the end of its errors."""


@cache
def tool() -> Path | None:
    """Where valgrind is. It is installed where that is missing and this is root on a Debian; else None."""
    found = shutil.which("valgrind")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _install()
        found = shutil.which("valgrind")
    return Path(found) if found else None


def _install() -> None:
    """Fetch it, one process at a time; a list of packages that is missing or old is fetched first."""
    with (Path(tempfile.gettempdir()) / "jifen-valgrind.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if shutil.which("valgrind"):
            return
        sys.stderr.write("valgrind is missing: apt-get install valgrind\n")
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "valgrind"]
        if not _done(install) and _done(["apt-get", "update", "-q"]):
            _done(install)


def _done(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - the two commands above
            command,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"{' '.join(command)} has not finished after {INSTALL_TIMEOUT_S} s\n")
        return False
    if done.returncode:
        sys.stderr.write(done.stderr[-2_000:])
    return done.returncode == 0


def instructions(arguments: Sequence[str], env: Mapping[str, str], cwd: Path) -> int:
    """How many instructions a program takes in all; what it starts in turn is not counted.

    Args:
        arguments: the program and what it is given, as for ``subprocess``.
        env: its whole environment; ``PYTHONHASHSEED`` is set to 0.
        cwd: where it runs.

    Raises:
        RunFailed: there is no valgrind, or the program did not end with 0, or not in time.
    """
    with tempfile.TemporaryDirectory(prefix="jifen-valgrind-") as folder:
        out = Path(folder) / "out"
        _run(["--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={out}"], arguments, env, cwd)
        return _total(out)


def between_marks(arguments: Sequence[str], env: Mapping[str, str], cwd: Path) -> tuple[list[int], str]:
    """The instructions up to each mark, from the one before: a mark is a call of ``getppid`` by the program.

    So one start of a program serves for many counts. What follows the last mark is not in the list. The arguments are
    those of :func:`instructions`.

    Returns:
        The counts, and what the program wrote to standard error.

    Raises:
        RunFailed: as for :func:`instructions`.
    """
    with tempfile.TemporaryDirectory(prefix="jifen-valgrind-") as folder:
        out = Path(folder) / "out"
        own = ["--tool=callgrind", f"--dump-before={MARK}", f"--callgrind-out-file={out}"]
        errors = _run(own, arguments, env, cwd)
        parts = sorted(out.parent.glob("out.*"), key=lambda part: int(part.suffix[1:]))
        return [_total(part) for part in parts if f"--dump-before={MARK}" in part.read_text(encoding="utf-8")], errors


def _run(own: Sequence[str], arguments: Sequence[str], env: Mapping[str, str], cwd: Path) -> str:
    """Run the program; what it wrote to standard error."""
    valgrind = tool()
    if valgrind is None:
        raise RunFailed(MISSING)
    try:
        done = subprocess.run(  # noqa: S603 - the benchmark names the program
            [str(valgrind), "--quiet", *own, *arguments],
            env={**env, "PYTHONHASHSEED": "0"},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        message = f"{' '.join(arguments)} has not ended after {RUN_TIMEOUT_S} s"
        raise RunFailed(message) from late
    if done.returncode:
        message = f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stderr[-4_000:]}"
        raise RunFailed(message)
    return done.stderr


def _total(out: Path) -> int:
    summary = _SUMMARY.search(out.read_text(encoding="utf-8")) if out.exists() else None
    if summary is None:
        message = f"valgrind left no count in {out}"
        raise RunFailed(message)
    return int(summary[1])
