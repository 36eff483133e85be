"""An engine as a child process: a free port, a log, an answer within bounded time, and nothing left afterwards."""

import http
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from local.engines.engine import Engine, EngineFailed
from local.engines.surroundings import last_lines

HOST = "127.0.0.1"
PORT_ATTEMPTS_MAX = 5
START_TIMEOUT_S = 30.0
GRACE_S = 10.0
DYING_S = 0.05
"""How long the kernel may take to end what was killed."""
LOG_KEPT_S = 7 * 24 * 3600
KEEPER = Path(__file__).with_name("keeper.py")


@dataclass(frozen=True, slots=True)
class Launch:
    """How to run one engine.

    `command` and `variables` are for a given port. `ready_line` is what the engine writes into its log once it listens:
    an answer on the port alone could come from another process that was quicker to take it. `ready_status` is what it
    then answers to a GET of `ready_path`.
    """

    name: str
    command: Callable[[int], Sequence[str]]
    variables: Callable[[int], Mapping[str, str]]
    ready_line: Callable[[int], str]
    ready_path: str
    ready_status: int = http.HTTPStatus.OK


@contextmanager
def serving(launch: Launch, logs: Path) -> Iterator[Engine]:
    """Run the engine for the length of the block.

    Raises EngineFailed with the tail of its log when it does not start, and, at the end of the block, when it ended by
    itself in the meantime, whatever the block made of that.
    """
    with _start(launch, logs) as child:
        yield Engine(launch.name, f"http://{HOST}:{child.port}", process_group=child.process.pid)


def _start(launch: Launch, logs: Path) -> "_Child":
    for _ in range(PORT_ATTEMPTS_MAX):
        with ExitStack() as undo:
            child = _Child(launch, free_port(), logs)
            undo.callback(child.end)
            if child.is_ready_in_time():
                undo.pop_all()
                return child
    raise EngineFailed(launch.name, f"{PORT_ATTEMPTS_MAX} free ports in a row were taken before it could have them")


class _Child:
    """A keeper, the engine under it, and their log."""

    def __init__(self, launch: Launch, port: int, logs: Path) -> None:
        self.launch = launch
        self.port = port
        logs.mkdir(parents=True, exist_ok=True)
        _drop_old(logs)
        handle, path = tempfile.mkstemp(prefix=f"{launch.name}-{port}-", suffix=".log", dir=logs)
        self.log = Path(path)
        with open(handle, "wb") as log:  # noqa: PTH123 - an open descriptor, not a path
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(KEEPER), str(GRACE_S), *launch.command(port)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(launch.variables(port)),
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        died = self._is_gone()
        self.end()
        if died and (error is None or isinstance(error, Exception)):
            raise self._failed("it ended by itself in the middle of the work") from error
        if not died:
            self.log.unlink(missing_ok=True)

    def _is_gone(self) -> bool:
        """Whether it has ended; one that was killed a moment ago is given the moment to be gone."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=DYING_S)
        return self.process.poll() is not None

    def is_ready_in_time(self) -> bool:
        """Wait for the engine's answer; False when somebody else took the port, EngineFailed when it has no excuse."""
        deadline = time.monotonic() + START_TIMEOUT_S
        line = self.launch.ready_line(self.port)
        path, status = self.launch.ready_path, self.launch.ready_status
        while not (line in self._log_text() and is_answering(self.port, path, status)):
            if self.process.poll() is not None:
                return self._explain_early_end()
            if time.monotonic() > deadline:
                raise self._failed(f"it does not answer after {START_TIMEOUT_S:.0f} s")
            time.sleep(0.01)
        return True

    def end(self) -> None:
        """Ask the keeper to end the group, and end it from here if the keeper cannot."""
        if self.process.stdin:
            with suppress(BrokenPipeError):
                self.process.stdin.close()
        # A forked copy of this process may still hold the other end of that pipe, hence the signal as well.
        self.process.terminate()
        try:
            self.process.wait(timeout=GRACE_S + 2)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def _explain_early_end(self) -> bool:
        if is_free(self.port):
            raise self._failed("it did not start")
        self.log.unlink(missing_ok=True)
        return False

    def _failed(self, reason: str) -> EngineFailed:
        return EngineFailed(self.launch.name, f"{reason}; its log is {self.log}", last_lines(self._log_text()))

    def _log_text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def is_answering(port: int, path: str, status: int = http.HTTPStatus.OK) -> bool:
    """Whether a server on this machine's `port` answers `status` to a GET of `path`."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == status
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _drop_old(logs: Path) -> None:
    """Remove the logs of engines that failed, or whose user was killed, more than a week ago."""
    for log in logs.glob("*.log"):
        with suppress(FileNotFoundError):
            if time.time() - log.stat().st_mtime > LOG_KEPT_S:
                log.unlink()


def free_port() -> int:
    """Give a port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether nobody listens on `port` of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
