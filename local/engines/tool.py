"""Programs that fetch or build an engine, run to their end."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from local.engines.engine import EngineFailed, EngineUnavailable
from local.engines.surroundings import Surroundings, last_lines


def run_tool(
    engine: str,
    around: Surroundings,
    command: Sequence[str],
    *,
    named: str,
    failed: str,
    timeout_s: float,
    hint: str = "",
    folder: Path | None = None,
) -> None:
    """Run a program; `named` and `failed` say what it was and that it went wrong, `hint` what to do then.

    Raises EngineUnavailable when it fails or takes too long, EngineFailed when it cannot be run at all.
    """
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=dict(around.variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except OSError as error:
        raise EngineFailed(engine, f"cannot run {command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired:
        raise EngineUnavailable(engine, f"{named} has not finished after {timeout_s:.0f} s") from None
    if done.returncode != 0:
        reason = f"{named} {failed} (exit code {done.returncode}){hint}:\n{last_lines(done.stdout + done.stderr)}"
        raise EngineUnavailable(engine, reason)
