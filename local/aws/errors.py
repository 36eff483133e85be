"""What can go wrong with the local AWS, each by a name of its own; the text says what to do about it."""

from pathlib import Path


class LocalAwsError(Exception):
    """The local AWS cannot do what was asked; `code` is stable, the text is for a person."""

    code = "LOCAL_AWS_ERROR"


class PortTaken(LocalAwsError):
    """Somebody else listens on the port."""

    code = "PORT_TAKEN"

    def __init__(self, port: int) -> None:
        """Name the port and the way around it."""
        super().__init__(f"port {port} is taken by another program; choose another one: jifen up --port NUMBER")
        self.port = port


class OnAnotherPort(LocalAwsError):
    """It is up, and not on the port that was asked for."""

    code = "ON_ANOTHER_PORT"

    def __init__(self, port: int) -> None:
        """Name the port it is on and the way to change it."""
        super().__init__(f"it is up already, on port {port}; `jifen down` first to change the port")
        self.port = port


class PythonMissing(LocalAwsError):
    """There is no Python of the version that the functions run on."""

    code = "PYTHON_MISSING"

    def __init__(self, version: str, refused: str = "") -> None:
        """Say what was looked for, where, and what to install."""
        seen = f" ({refused})" if refused else ""
        super().__init__(
            f"no usable python{version} on PATH or under pyenv's versions{seen}; the functions are built and run with "
            f"it: install Python {version} with pip, for instance `pyenv install {version}` or your system's package"
        )
        self.version = version


class StepFailed(LocalAwsError):
    """A command that `jifen up` runs has failed; `log` is the file with all it wrote."""

    code = "STEP_FAILED"

    def __init__(self, step: str, log: Path, found: str) -> None:
        """Put what was found in the log, or in the stack's events, under the name of the step."""
        super().__init__(f"{step} failed; all of it is in {log}\n{found}".rstrip())
        self.step = step
        self.log = log
        self.found = found


class EngineDied(LocalAwsError):
    """MiniStack ended by itself, or was ended by somebody else."""

    code = "ENGINE_DIED"

    def __init__(self, log: Path, log_tail: str) -> None:
        """Show the end of its log."""
        super().__init__(f"MiniStack is gone; its log is {log}; start it again with `jifen up`\n{log_tail}".rstrip())
        self.log = log


class NotRunning(LocalAwsError):
    """There is no local AWS to ask."""

    code = "NOT_RUNNING"

    def __init__(self) -> None:
        """Name the command that starts one."""
        super().__init__("the local AWS is not running; start it with `jifen up`")


class Occupied(LocalAwsError):
    """Another `jifen up` or `jifen down` is at work on the same state."""

    code = "OCCUPIED"

    def __init__(self, folder: Path) -> None:
        """Name the folder."""
        super().__init__(f"another jifen up or down is at work on {folder}; wait for it to end")


class TokenRefused(LocalAwsError):
    """The user pool did not issue a token."""

    code = "TOKEN_REFUSED"


class StateUnreadable(LocalAwsError):
    """The state file is there and cannot be understood."""

    code = "STATE_UNREADABLE"
