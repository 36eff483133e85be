"""From the word after `--engine` to an engine that answers."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from local.engines.dynamodb_local import dynamodb_local
from local.engines.dynoxide import dynoxide
from local.engines.engine import Engine, EngineError, EngineUnavailable
from local.engines.ministack import ministack
from local.engines.surroundings import Surroundings, profile_hidden, surroundings

Say = Callable[[str], None]
_Start = Callable[[Surroundings, Path | None, Say], AbstractContextManager[Engine]]


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def open_engine(spec: str, *, data_path: Path | None = None, say: Say = _to_stderr) -> AbstractContextManager[Engine]:
    """Give an engine that answers for the length of a `with` block and is gone after it.

    `spec` is `auto`, `dynoxide`, `ministack`, `moto`, `dynamodb-local`, or the http(s) URL of an endpoint somebody else
    runs. `data_path` names the file or folder where the data outlives the block, None keeps it in memory. `say` gets
    each line worth telling a person: which engine was picked and why, and what is being fetched.

    Entering raises ValueError for any other spec, EngineUnavailable when the engine cannot be had, EngineFailed when it
    does not start; leaving raises EngineFailed when the engine ended by itself in the meantime.
    """
    if spec.startswith(("http://", "https://")):
        return _endpoint(spec.rstrip("/"), data_path)
    if spec not in _STARTS:
        raise ValueError(f"unknown engine {spec!r}: choose {', '.join(_STARTS)} or a URL")
    return _started(spec, data_path, say)


@contextmanager
def _started(spec: str, data_path: Path | None, say: Say) -> Iterator[Engine]:
    with _STARTS[spec](surroundings(), data_path, say) as engine:
        say(f"engine: {engine.name} at {engine.url or 'no address, in this process'}")
        yield engine


@contextmanager
def _auto(around: Surroundings, data_path: Path | None, say: Say) -> Iterator[Engine]:
    """Take the first engine that starts; what happens later in the block is not a reason to try the next."""
    refusals: list[EngineError] = []
    with ExitStack() as stack:
        for start in (dynoxide, ministack):
            try:
                engine = stack.enter_context(start(around, data_path, say))
            except EngineError as error:
                say(f"not {error}")
                refusals.append(error)
            else:
                why = f"because {refusals[-1].engine} cannot be had" if refusals else "the quickest to start"
                say(f"picked {engine.name}, {why}")
                yield engine
                return
    reasons = "".join(f"\n- {refusal}" for refusal in refusals)
    raise EngineUnavailable("auto", f"install Node.js (for npm), or give Python's pip a way to its index:{reasons}")


@contextmanager
def _moto(_: Surroundings, data_path: Path | None, say: Say) -> Iterator[Engine]:
    if data_path is not None:
        raise EngineUnavailable("moto", "it keeps nothing on disk; take dynoxide to keep the data")
    try:
        import moto  # noqa: PLC0415 - an extra of the development environment, and slow to import
    except ImportError as error:
        raise EngineUnavailable("moto", "it is not installed; `pip install 'moto[dynamodb]'`") from error
    say("moto slows down with the size of the table; take dynoxide for more than a few hundred events")
    with profile_hidden(), moto.mock_aws():
        yield Engine("moto", url=None)


@contextmanager
def _endpoint(url: str, data_path: Path | None) -> Iterator[Engine]:
    if data_path is not None:
        raise EngineUnavailable(url, "where it keeps its data is not ours to say")
    engine = Engine("endpoint", url)
    try:
        engine.client().list_tables(Limit=1)
    except ClientError as error:
        reason = f"something answers, but not as a DynamoDB that takes these keys ({error.response['Error']})"
        raise EngineUnavailable(url, reason) from error
    except (BotoCoreError, ValueError) as error:
        raise EngineUnavailable(url, f"nothing answers there as a DynamoDB ({error})") from error
    yield engine


_STARTS: dict[str, _Start] = {
    "auto": _auto,
    "dynoxide": dynoxide,
    "ministack": ministack,
    "moto": _moto,
    "dynamodb-local": dynamodb_local,
}
