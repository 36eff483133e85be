"""Dynoxide: DynamoDB's interface in one small binary over SQLite; starts in about 0.1 s.

It comes as one npm package for each platform, holding nothing but the binary. Where npm is missing, a `dynoxide` of the
same version on the PATH does as well.
"""

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from local.engines.engine import Engine, EngineFailed, EngineUnavailable
from local.engines.npm import INSTALL_TIMEOUT_S, Package, fetch
from local.engines.server import HOST, Launch, serving
from local.engines.surroundings import Surroundings, installing, last_lines, locked, surroundings

NAME = "dynoxide"
VERSION = "1.2.1"

# Platform in npm's words -> the checksum that npm must find, None where we have not had the package in hand.
_PACKAGES = {
    "linux-x64": "sha512-sBHqlxJ9ANkLluFkYRfd5r8Y0ApFew4FhOrlhgRAgD4XzEoFOukEo1nuBTQ1+jTtofqwn4NWQ2k0Tn5mNTjgUg==",
    "linux-arm64": None,
    "darwin-x64": None,
    "darwin-arm64": None,
}
_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


@contextmanager
def dynoxide(around: Surroundings, data_path: Path | None, say: Callable[[str], None]) -> Iterator[Engine]:
    """Run dynoxide in memory, or over the SQLite file `data_path`, which survives even kill -9.

    Raises EngineUnavailable when the binary cannot be had, EngineFailed when it does not start or dies.
    """
    binary = _binary(around, say)
    with ExitStack() as stack:
        options: list[str] = []
        if data_path is not None:
            data_path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(data_path.with_name(f"{data_path.name}.lock"), NAME, wait_s=0))
            options = ["--db-path", str(data_path)]
        launch = Launch(
            NAME,
            command=lambda port: [str(binary), "--host", HOST, "--port", str(port), *options],
            variables=lambda _: around.variables,
            ready_line=lambda port: f"listening on http://{HOST}:{port}",
            ready_path="/",
        )
        yield stack.enter_context(serving(launch, around.cache / "logs"))


def import_export(export: Path, schema: Path, data_path: Path) -> None:
    """Make the database file `data_path` out of an export, some five times as fast as by writing through the engine.

    `export` has a folder `<table>/data` of DynamoDB's gzipped JSON lines for each table; `schema` is a JSON list of
    what DescribeTable says of them. Raises EngineUnavailable as `dynoxide` does, EngineFailed when the import does.
    """
    binary = _binary(surroundings(), lambda _: None)
    command = [str(binary), "import", "--source", str(export), "--schema", str(schema), "--output", str(data_path)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EngineFailed(NAME, f"the import failed (exit code {done.returncode})", last_lines(done.stderr))


def _binary(around: Surroundings, say: Callable[[str], None]) -> Path:
    """Find the binary: in the cache, else on the PATH, else from npm."""
    target = _target()
    folder = around.cache / f"{NAME}-{VERSION}-{target}"
    cached = folder / "node_modules" / "@dynoxide" / target / "dynoxide"
    with locked(around.cache / f"{NAME}.lock", NAME, wait_s=INSTALL_TIMEOUT_S):
        if not cached.is_file():
            installed = around.find("dynoxide")
            if installed and _version(installed) == VERSION:
                return installed
            _install(around, folder, target, say)
    if not os.access(cached, os.X_OK):
        raise EngineFailed(NAME, f"{cached} cannot be executed; remove {folder} and try again")
    return cached


def _target() -> str:
    target = f"{sys.platform}-{_ARCHITECTURES.get(platform.machine().lower(), platform.machine())}"
    if target not in _PACKAGES:
        raise EngineUnavailable(NAME, f"there is no package for {target}, only for {', '.join(_PACKAGES)}")
    return target


def _version(binary: Path) -> str | None:
    """Ask a binary for its version; None when it does not say."""
    try:
        answer = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip().removeprefix(f"{NAME} ")


def _install(around: Surroundings, folder: Path, target: str, say: Callable[[str], None]) -> None:
    say(f"fetching dynoxide {VERSION} for {target} with npm, once, into {folder}")
    with installing(folder) as attempt:
        package = Package(f"@dynoxide/{target}", VERSION, _PACKAGES[target])
        fetch(
            around, NAME, package, attempt, f"install Node.js 16 or newer, or put dynoxide {VERSION} itself on the PATH"
        )
