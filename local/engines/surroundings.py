"""Where engines are kept on this machine, and how two processes keep out of each other's way there."""

import fcntl
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.engines.engine import EngineUnavailable

_PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the engines take from the environment: the folder for what is fetched, and the variables as they were."""

    cache: Path
    variables: Mapping[str, str]

    def find(self, program: str) -> Path | None:
        """Find an executable on this environment's PATH."""
        found = shutil.which(program, path=self.variables.get("PATH", os.defpath))
        return Path(found) if found else None


def surroundings() -> Surroundings:
    """Read the environment; nothing outside this module does.

    `JIFEN_CACHE` moves the cache from the project's `.jifen/engines`. Raises EngineUnavailable when it cannot be made.
    """
    if sys.platform == "win32":
        raise EngineUnavailable("engines", "Windows itself is not supported; run this inside WSL")
    variables = dict(os.environ)
    chosen = variables.get("JIFEN_CACHE")
    cache = Path(chosen).expanduser().resolve() if chosen else _PROJECT / ".jifen" / "engines"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        (cache / ".gitignore").write_text("*\n")
    except OSError as error:
        reason = f"cannot write {cache} ({error.strerror}); set JIFEN_CACHE to a folder that can be written"
        raise EngineUnavailable("engines", reason) from error
    return Surroundings(cache, variables)


@contextmanager
def profile_hidden() -> Iterator[None]:
    """Take the choice of an AWS profile out of this process's environment, for code that cannot be told otherwise."""
    hidden = {name: os.environ.pop(name) for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE") if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def locked(path: Path, engine: str, wait_s: float) -> Iterator[None]:
    """Hold the lock file `path`; the system lets go of it when this process ends in whatever way.

    Raises EngineUnavailable when another process still holds it after `wait_s` seconds.
    """
    deadline = time.monotonic() + wait_s
    with path.open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise EngineUnavailable(engine, f"another process holds {path}") from None
                time.sleep(0.05)
        yield


@contextmanager
def installing(folder: Path) -> Iterator[Path]:
    """Give an empty folder that becomes `folder` when the block ends well, and vanishes when it does not."""
    attempt = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    try:
        yield attempt
        shutil.rmtree(folder, ignore_errors=True)
        attempt.rename(folder)
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


def last_lines(text: str, lines_max: int = 15) -> str:
    """Give the end of a program's output, indented to stand under a message."""
    return "\n".join(f"    {line}" for line in text.strip().splitlines()[-lines_max:])
