"""Where one local AWS keeps what outlives it: a folder, and in it a small file of settings and secrets.

.jifen/aws/
  state.json    port, secrets, program; readable by its owner only
  ministack/    what MiniStack saves when it is ended: tables, queues, users, code, logs
  tmp/          what its function workers unpack, emptied by `jifen down`
  logs/         ministack.log, build.log, deploy.log
  control       a pipe; whoever keeps MiniStack alive reads from it
  lock          held by the one `jifen up` or `jifen down` at work here
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from local.aws.errors import Occupied, StateUnreadable
from local.engines.engine import EngineUnavailable
from local.engines.surroundings import locked

PORT = 4566
LOCK_WAIT_S = 2.0


def new_secrets() -> dict[str, str]:
    """Secrets nobody has seen yet: one for each webhook source, and one that signs page cursors."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    return {
        "standard": f"whsec_{key}",
        "shopify": secrets.token_hex(32),
        "woocommerce": secrets.token_hex(32),
        "signing": secrets.token_hex(32),
    }


@dataclass(frozen=True, slots=True)
class State:
    """What the next `jifen up` needs to know of the last one.

    `program` is the program file's JSON, None for the default program. `is_up` says that nobody has asked for an end
    yet, which tells an engine that died from one that was stopped.
    """

    port: int = PORT
    secrets: Mapping[str, str] = field(default_factory=new_secrets)
    program: str | None = None
    time_zone: str | None = None
    is_up: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one local AWS; two of them never meet."""

    folder: Path

    @property
    def state_file(self) -> Path:
        """Settings and secrets."""
        return self.folder / "state.json"

    @property
    def saved(self) -> Path:
        """What MiniStack saves."""
        return self.folder / "ministack"

    @property
    def tmp(self) -> Path:
        """What function workers unpack."""
        return self.folder / "tmp"

    @property
    def logs(self) -> Path:
        """What was written on the way."""
        return self.folder / "logs"

    @property
    def control(self) -> Path:
        """The pipe that the keeper of MiniStack listens on."""
        return self.folder / "control"

    def read(self) -> State | None:
        """Give the last state, None where there has been none.

        Raises StateUnreadable when the file is damaged.
        """
        try:
            data = json.loads(self.state_file.read_text(encoding="utf-8"))
            return State(**data)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as wrong:
            message = f"{self.state_file} is damaged ({wrong}); start anew with `jifen up --fresh`"
            raise StateUnreadable(message) from wrong

    def write(self, state: State) -> None:
        """Keep `state`, in one step and for its owner only."""
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self.state_file.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(asdict(state), file, indent=1)
        new.replace(self.state_file)

    def empty(self) -> None:
        """Forget everything that is kept here, and touch nothing else that may lie in the folder."""
        for kept in (self.saved, self.tmp, self.logs):
            shutil.rmtree(kept, ignore_errors=True)
        for path in (self.state_file, self.control):
            path.unlink(missing_ok=True)

    @contextmanager
    def alone(self, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
        """Keep every other `jifen up` and `jifen down` out of this folder for the length of the block.

        Raises Occupied when another one is still at work after `wait_s` seconds.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.folder / ".gitignore").write_text("*\n")
        try:
            with locked(self.folder / "lock", "local AWS", wait_s):
                yield
        except EngineUnavailable as held:
            raise Occupied(self.folder) from held
