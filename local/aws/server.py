"""MiniStack as a process that outlives the command that started it, and that only its own folder can end.

    jifen down ──one byte──▶ control ──stdin──▶ keeper ──▶ MiniStack ──▶ function workers
                                                └──────── one process group ───────┘

Nobody is ever ended by a process id that was written down: ids are given to other programs again. `jifen down` writes
into the pipe `control`; if nobody reads from it, nobody is there. What a killed keeper has left behind is recognised by
its command line, which names this very folder.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from local.aws.errors import EngineDied, PortTaken
from local.aws.place import Place
from local.engines.engine import EngineFailed
from local.engines.ministack import NAME, full_variables
from local.engines.server import HOST, KEEPER, START_TIMEOUT_S, is_answering, is_free
from local.engines.surroundings import Surroundings, last_lines

GRACE_S = 60.0
"""A large ledger takes a while to be saved."""

READY_PATH = "/_ministack/ready"


def endpoint(port: int) -> str:
    """Give the address of the local AWS on `port`."""
    return f"http://{HOST}:{port}"


def log_file(place: Place) -> Path:
    """Give the file that MiniStack writes to."""
    return place.logs / f"{NAME}.log"


def is_kept(place: Place) -> bool:
    """Whether somebody keeps a MiniStack alive for this folder, now."""
    pipe = _open_control(place)
    if pipe is None:
        return False
    os.close(pipe)
    return True


def is_ready(port: int) -> bool:
    """Whether MiniStack answers on `port`."""
    return is_answering(port, READY_PATH)


def start(place: Place, python: Path, port: int, around: Surroundings) -> None:
    """Start MiniStack and return once it answers; it runs until `stop`.

    Raises PortTaken, or EngineFailed with the end of its log.
    """
    if not is_free(port):
        raise PortTaken(port)
    for folder in (place.saved, place.tmp, place.logs):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    place.control.unlink(missing_ok=True)
    os.mkfifo(place.control, 0o600)
    log = log_file(place)
    _keep_one_old(log)
    # Opened for both ways by its reader, the pipe has a writer as long as it has a reader, and never comes to an end.
    control = os.open(place.control, os.O_RDWR)
    try:
        with log.open("ab") as out:
            command = [str(python), "-X", _mark(place), "-m", NAME]
            keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", str(KEEPER), str(GRACE_S), *command],
                stdin=control,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=full_variables(around.variables, port, place.saved, place.tmp),
                start_new_session=True,
            )
    finally:
        os.close(control)
    _wait_until_ready(place, keeper, port)


def _wait_until_ready(place: Place, keeper: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    log = log_file(place)
    line = f"Running on http://{HOST}:{port}"
    try:
        while not (line in log.read_text(errors="replace") and is_ready(port)):
            _check_start(keeper, port, log, deadline)
            time.sleep(0.05)
    except BaseException:
        stop(place)
        raise
    finally:
        # Whoever calls this from Python may live on; the keeper must not stay as a child that nobody waits for.
        threading.Thread(target=keeper.wait, daemon=True).start()


def _check_start(keeper: subprocess.Popen[bytes], port: int, log: Path, deadline: float) -> None:
    if keeper.poll() is not None:
        if not is_free(port):
            raise PortTaken(port)
        raise EngineFailed(NAME, f"it did not start; its log is {log}", last_lines(_tail(log)))
    if time.monotonic() > deadline:
        reason = f"it does not answer after {START_TIMEOUT_S:.0f} s; its log is {log}"
        raise EngineFailed(NAME, reason, last_lines(_tail(log)))


def check_alive(place: Place, port: int) -> None:
    """Raise EngineDied with the end of its log when MiniStack is gone."""
    if not (is_kept(place) and is_ready(port)):
        raise EngineDied(log_file(place), last_lines(_tail(log_file(place))))


def stop(place: Place) -> bool:
    """End MiniStack, its keeper and every function worker of this folder; returns False when nothing ran."""
    was_kept = _ask_to_end(place)
    if was_kept:
        _wait(lambda: not is_kept(place), GRACE_S + 5)
        _wait(lambda: not leftovers(place), 2)
    left = leftovers(place)
    found = was_kept or bool(left)
    if left:
        # Only MiniStack has something to save; its workers do not even listen.
        _signal(left, signal.SIGTERM)
        _wait(lambda: "engine" not in leftovers(place).values(), GRACE_S)
        _signal(leftovers(place), signal.SIGKILL)
        _wait(lambda: not leftovers(place), GRACE_S)
    place.control.unlink(missing_ok=True)
    shutil.rmtree(place.tmp, ignore_errors=True)
    return found


def leftovers(place: Place) -> dict[int, str]:
    """Map the ids of MiniStack (`engine`) and its workers (`worker`): no other command line names this folder so."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,command="], capture_output=True, text=True, check=True, errors="replace"
    )
    engine = f"-X {re.escape(_mark(place))} -m {NAME}"
    worker = rf"{re.escape(str(place.tmp))}/{NAME}-lambda-[^/]+/_worker\.py"
    ours = re.compile(f"(?P<program>.+) ((?P<engine>{engine})|{worker})")
    found = {}
    for row in listed.stdout.splitlines():
        number, _, command = row.strip().partition(" ")
        match = ours.fullmatch(command.strip())
        # A path may hold spaces, so only the file system tells a program from a program with arguments.
        if match and Path(match["program"]).is_absolute() and Path(match["program"]).is_file():
            found[int(number)] = "engine" if match["engine"] else "worker"
    return found


def _mark(place: Place) -> str:
    """Give an option that Python passes over and that puts the folder on the command line."""
    return f"jifen-local-aws={place.folder}"


def _open_control(place: Place) -> int | None:
    """Open the pipe for writing; None when nobody reads from it."""
    try:
        pipe = os.open(place.control, os.O_WRONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise
    if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
        os.close(pipe)
        return None
    return pipe


def _ask_to_end(place: Place) -> bool:
    pipe = _open_control(place)
    if pipe is None:
        return False
    try:
        os.write(pipe, b".")
    except BrokenPipeError:
        return False
    finally:
        os.close(pipe)
    return True


def _signal(processes: Iterable[int], number: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _wait(is_so: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)


def _keep_one_old(log: Path) -> None:
    """Begin a new log; the one before it stays readable."""
    if log.exists():
        log.replace(log.with_suffix(".old.log"))


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-20_000:] if log.exists() else ""
