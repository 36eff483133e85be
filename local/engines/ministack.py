"""MiniStack: a local AWS in Python; needs no npm and no Docker.

As an engine only its DynamoDB is started; `local.aws` starts all of it. Its package pins the botocore that it works
with, so it lives in a virtual environment of its own.
"""

import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from local.engines.engine import REGION, Credentials, Engine
from local.engines.server import HOST, Launch, serving
from local.engines.surroundings import Surroundings, installing, locked
from local.engines.tool import run_tool

NAME = "ministack"
VERSION = "1.5.33"
INSTALL_TIMEOUT_S = 300.0
FULL_PYTHON = "3.13"
_KEPT_VARIABLES = ("PATH", "HOME", "TMPDIR", "LANG", "LC_ALL")
_FULL_PINS = Path(__file__).resolve().parents[2] / "requirements" / "ministack.txt"


@contextmanager
def ministack(around: Surroundings, data_path: Path | None, say: Callable[[str], None]) -> Iterator[Engine]:
    """Run MiniStack's DynamoDB in memory; with `data_path`, load and save the folder `<data_path>.ministack`.

    It saves when it is ended in order and not before: a kill -9 loses the session.
    Raises EngineUnavailable when it cannot be installed, EngineFailed when it does not start or dies.
    """
    python = _python(around, say)
    with ExitStack() as stack:
        state = None
        if data_path is not None:
            state = data_path.with_name(f"{data_path.name}.ministack")
            state.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(state.with_name(f"{state.name}.lock"), NAME, wait_s=0))
            say(f"ministack saves {state} only when it is ended in order")
        launch = Launch(
            NAME,
            command=lambda _: [str(python), "-m", "ministack"],
            variables=lambda port: _variables(around.variables, port, state),
            ready_line=lambda port: f"Running on http://{HOST}:{port}",
            ready_path="/_ministack/ready",
        )
        yield stack.enter_context(serving(launch, around.cache / "logs"))


def _variables(inherited: Mapping[str, str], port: int, state: Path | None) -> dict[str, str]:
    """Set up DynamoDB alone on loopback; whatever else the user has set for MiniStack or AWS stays out."""
    return {**_common_variables(inherited, port), "SERVICES": "dynamodb", **_saving(state)}


def full_variables(inherited: Mapping[str, str], port: int, state: Path, tmp: Path) -> dict[str, str]:
    """Set up every service on loopback, with the functions run by local processes under their own roles' rights.

    What MiniStack and the functions unpack goes to `tmp`; when it is ended in order, it saves `state`.
    """
    keys = Credentials()
    settings = {
        # Addresses that it hands out, such as queue URLs, are then reached without asking what localhost is.
        "MINISTACK_HOST": HOST,
        "LAMBDA_EXECUTOR": "local",
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state / "s3"),
        "TMPDIR": str(tmp),
    }
    return {**_common_variables(inherited, port), **settings, **_saving(state)}


def _common_variables(inherited: Mapping[str, str], port: int) -> dict[str, str]:
    kept = {name: inherited[name] for name in _KEPT_VARIABLES if name in inherited}
    settings = {
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "INFO",
        # It removes containers that look like its own at start; a socket that is not there keeps it from looking.
        "DOCKER_HOST": "unix:///nonexistent/docker.sock",
    }
    return {**kept, **settings}


def _saving(state: Path | None) -> dict[str, str]:
    return {"PERSIST_STATE": "1", "STATE_DIR": str(state)} if state else {}


def _python(around: Surroundings, say: Callable[[str], None]) -> Path:
    """Give the interpreter of MiniStack's own environment, which is made when it is missing."""
    folder = around.cache / f"{NAME}-{VERSION}-py{sys.version_info.major}.{sys.version_info.minor}"
    return _made(around, folder, Path(sys.executable), [f"{NAME}=={VERSION}"], say)


def full_python(around: Surroundings) -> Path:
    """Give the place of the interpreter that runs all of MiniStack; its functions run under the same one."""
    digest = hashlib.sha256(_FULL_PINS.read_bytes()).hexdigest()[:8]
    return around.cache / f"{NAME}-{VERSION}-full-{digest}-py{FULL_PYTHON}" / "bin" / "python"


def make_full(around: Surroundings, base: Path, say: Callable[[str], None]) -> Path:
    """Make the environment of `full_python` from the interpreter `base` where it is missing, and give its interpreter.

    Raises EngineUnavailable when it cannot be installed.
    """
    python = full_python(around)
    return _made(around, python.parents[1], base, ["--requirement", str(_FULL_PINS)], say)


def _made(
    around: Surroundings, folder: Path, base: Path, requirements: Sequence[str], say: Callable[[str], None]
) -> Path:
    python = folder / "bin" / "python"
    with locked(around.cache / f"{NAME}.lock", NAME, wait_s=INSTALL_TIMEOUT_S):
        # `is_file` follows the link: an environment whose Python has been uninstalled is made anew.
        if not python.is_file():
            say(f"fetching ministack {VERSION} with pip, once, into {folder}")
            with installing(folder) as attempt:
                _install(around, attempt, base, requirements)
    return python


def _install(around: Surroundings, folder: Path, base: Path, requirements: Sequence[str]) -> None:
    """Make the environment with the pip at hand, which is quicker than giving it a pip and works without ensurepip."""
    _run(around, [str(base), "-m", "venv", "--without-pip", str(folder)])
    python = str(folder / "bin" / "python")
    if importlib.util.find_spec("pip"):
        pip = [sys.executable, "-m", "pip", "--python", python]
    else:
        _run(around, [python, "-m", "ensurepip"])
        pip = [python, "-m", "pip"]
    quiet = ["--disable-pip-version-check", "--no-input", "--quiet"]
    _run(around, [*pip, "install", *quiet, *requirements])


def _run(around: Surroundings, command: Sequence[str]) -> None:
    run_tool(NAME, around, command, named=f"`{' '.join(command)}`", failed="failed", timeout_s=INSTALL_TIMEOUT_S)
