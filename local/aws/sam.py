"""The real `sam build` and `sam deploy`, told to use the local AWS.

The build is the one of `make build`, but for this machine's processor, in a folder of its own beside the engines, so
that it never mixes with what is built for AWS.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local import template
from local.aws.errors import PythonMissing, StepFailed
from local.aws.place import Place, State
from local.engines.engine import REGION, Credentials
from local.engines.surroundings import Surroundings, last_lines, surroundings

PROJECT = Path(__file__).resolve().parents[2]
INFRA = PROJECT / "infra"
SAM = PROJECT / ".venv-sam" / "bin" / "sam"
PYTHON_VERSION = "3.13"
STACK = "jifen"
EMAIL_FROM = "points@shop.example"
STEP_TIMEOUT_S = 900.0
BUILD_WAIT_S = 600.0
PROBE_TIMEOUT_S = 20.0

_PROBE = """
import importlib.util, sys
print(sys.version_info[:2] == (3, 13), sys._base_executable, importlib.util.find_spec("pip") is not None)
"""


@dataclass(frozen=True, slots=True)
class Build:
    """A finished build: the template that `sam deploy` takes."""

    template: Path


# Python --------------------------------------------------------------------------------------------------------------


def find_python(around: Surroundings) -> Path:
    """Find a real Python of the functions' version, with pip, on PATH or under pyenv's versions.

    A shim does not count, only what it leads to: pyenv's answers for whatever version the folder at hand has chosen.
    Raises PythonMissing.
    """
    name = f"python{PYTHON_VERSION}"
    on_path = [Path(folder, name) for folder in around.variables.get("PATH", os.defpath).split(os.pathsep) if folder]
    home = Path(around.variables.get("HOME", "~")).expanduser()
    pyenv = Path(around.variables.get("PYENV_ROOT") or home / ".pyenv") / "versions"
    under_pyenv = sorted(pyenv.glob(f"{PYTHON_VERSION}*/bin/{name}"), key=_age_of_version, reverse=True)
    refused = ""
    for candidate in [Path(sys.executable), *on_path, *under_pyenv]:
        if not os.access(candidate, os.X_OK):
            continue
        answer = _probe(candidate)
        if answer is None:
            continue
        real, has_pip = answer
        if has_pip and (real.parent / name).is_file():
            return real.parent / name
        refused = f"{real} has no pip" if not has_pip else f"{real.parent} has no {name}"
    raise PythonMissing(PYTHON_VERSION, refused)


def missing_python() -> str | None:
    """Say what to install where `find_python` finds nothing; None where it does."""
    try:
        find_python(surroundings())
    except PythonMissing as missing:
        return str(missing)
    return None


def _age_of_version(path: Path) -> tuple[int, ...]:
    """Order `3.13.10` after `3.13.9`."""
    return tuple(int(part) if part.isdigit() else 0 for part in path.parents[1].name.split("."))


def _probe(candidate: Path) -> tuple[Path, bool] | None:
    """Ask an interpreter where it really is and whether it has pip; None when it is none of the right version."""
    try:
        done = subprocess.run(
            [candidate, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    words = done.stdout.split()
    if done.returncode != 0 or not words or words[0] != "True":
        return None
    return Path(" ".join(words[1:-1])), words[-1] == "True"


# Parameters ----------------------------------------------------------------------------------------------------------


def architecture(machine: str | None = None) -> str:
    """Give this machine's processor in Lambda's words: MiniStack runs the functions right here."""
    return "arm64" if (machine or platform.machine()).lower() in {"arm64", "aarch64"} else "x86_64"


def parameters(state: State) -> dict[str, str]:
    """Give the template's parameters for a local deployment.

    No alarms, because MiniStack refuses their arithmetic; nothing protected, because it is there to be thrown away.
    """
    given = {
        "Alarms": "false",
        "Architecture": architecture(),
        "DeletionProtection": "false",
        "EmailFrom": EMAIL_FROM,
        "CorsOrigins": "http://localhost:8080",
        "StaffClients": "true",
        "HooksPrivate": "true",
        "WebhookSecretStandard": state.secrets["standard"],
        "WebhookSecretShopify": state.secrets["shopify"],
        "WebhookSecretWoocommerce": state.secrets["woocommerce"],
        "SigningSecret": state.secrets["signing"],
    }
    if state.program is not None:
        given["Program"] = state.program
    if state.time_zone is not None:
        given["TimeZone"] = state.time_zone
    return given


def with_defaults(document: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Give a template whose defaults are the values `given`, but for those that are not to be shown.

    The SAM transform puts some parameters in place itself, and MiniStack tells it the defaults alone: the schedules
    would fire in UTC whatever TimeZone was given.
    """
    parameters = {
        name: {**parameter, "Default": given[name]} if name in given and not parameter.get("NoEcho") else parameter
        for name, parameter in document["Parameters"].items()
    }
    return {**document, "Parameters": parameters}


def _write_parameters(path: Path, given: Mapping[str, str]) -> None:
    """Write them where `sam deploy` reads them: on a command line, everybody on the machine could read the secrets."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        yaml.safe_dump({name: _for_sam(value) for name, value in given.items()}, file)


def _for_sam(value: str) -> str:
    """Spell a JSON text so that sam, which takes away backslashes before quotes and spaces, leaves it as it is."""
    return value.replace("\\\\", "\\u005c").replace('\\"', "\\u0022")


# Steps ---------------------------------------------------------------------------------------------------------------


def make_sam(around: Surroundings, place: Place) -> None:
    """Make sam's environment where it is missing or older than its pins. Raises StepFailed."""
    command = ["make", "--no-print-directory", ".venv-sam/stamp", f"PYTHON={sys.executable}"]
    _run("installing sam", command, PROJECT, around.variables, place.logs / "sam.log")


def build(around: Surroundings, place: Place, python: Path) -> Build:
    """Build functions and layer, trim the layer and compile all. Raises StepFailed with the end of what was said."""
    folder = around.cache / "sam"
    folder.mkdir(parents=True, exist_ok=True)
    variables = {**around.variables, "PATH": f"{python.parent}{os.pathsep}{around.variables.get('PATH', os.defpath)}"}
    log = place.logs / "build.log"
    command = [
        *(str(SAM), "build", "--build-dir", str(folder / "build"), "--cache-dir", str(folder / "cache")),
        *("--parameter-overrides", f"Architecture={architecture()}"),
    ]
    _run("sam build", command, INFRA, variables, log)
    trimming = [sys.executable, "-m", "infra.trim", str(folder / "build")]
    _run("trimming the layer", trimming, PROJECT, variables, log)
    compiling = [str(python), "-m", "compileall", "-q", "-j0", "--invalidation-mode", "unchecked-hash"]
    _run("compiling the build", [*compiling, str(folder / "build")], INFRA, variables, log)
    return Build(folder / "build" / "template.yaml")


def build_lock(around: Surroundings) -> Path:
    """Give the lock file that whoever builds, or deploys what was built, holds."""
    return around.cache / "sam.lock"


def deploy(around: Surroundings, place: Place, built: Build, state: State, endpoint: str) -> None:
    """Deploy a build to the local AWS. Raises StepFailed with the end of what sam said."""
    given = place.folder / "parameters.yaml"
    _write_parameters(given, parameters(state))
    adapted = built.template.with_name("template.local.json")
    adapted.write_text(json.dumps(with_defaults(template.load(built.template), parameters(state))), encoding="utf-8")
    command = [
        *(str(SAM), "deploy", "--template-file", str(adapted), "--stack-name", STACK),
        *("--config-file", str(INFRA / "samconfig.toml"), "--no-confirm-changeset", "--no-progressbar"),
        *("--parameter-overrides", f"file://{given}"),
    ]
    try:
        _run("sam deploy", command, INFRA, {**around.variables, **local_variables(endpoint)}, place.logs / "deploy.log")
    finally:
        given.unlink()


def local_variables(endpoint: str) -> dict[str, str]:
    """Give what makes an AWS tool talk to the local AWS, as nobody, and not to what the user has configured."""
    keys = Credentials()
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": keys.access_key_id,
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "SAM_CLI_TELEMETRY": "0",
    }


def _run(step: str, command: Sequence[str], folder: Path, variables: Mapping[str, str], log: Path) -> None:
    kept = {name: value for name, value in variables.items() if name not in {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"}}
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("ab") as out:
        start = out.tell()
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                env={**kept, "SAM_CLI_TELEMETRY": "0"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                timeout=STEP_TIMEOUT_S,
                check=False,
            )
        except OSError as error:
            raise StepFailed(step, log, f"    cannot run {command[0]}: {error.strerror}") from error
        except subprocess.TimeoutExpired:
            raise StepFailed(step, log, f"    it has not finished after {STEP_TIMEOUT_S:.0f} s") from None
    if done.returncode != 0:
        with log.open("rb") as written:
            written.seek(start)
            raise StepFailed(step, log, _what_failed(written.read().decode(errors="replace")))


def _what_failed(text: str) -> str:
    """Give what sam says of an error, where it says so, else the end of what it said."""
    _, error, reason = text.rpartition("\nError: ")
    return last_lines(f"{error}{reason}" if error else text)
