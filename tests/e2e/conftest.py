"""One local AWS for the whole session, with the stack built and deployed as it stands; ended for certain."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from local import aws
from local.aws.errors import PythonMissing
from local.engines import EngineUnavailable
from tests.e2e.outside import PROGRAM, Outside


@pytest.fixture(scope="session")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outside]:
    """Shop, members and operators of a stack that nobody else uses."""
    folder = tmp_path_factory.mktemp("aws")
    # Whoever ends this run by a signal ends the stack, too.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        made = Outside(aws.up(folder, port=0, program=PROGRAM))
        made.look_at_the_program_every_time()
        yield made
    except (PythonMissing, EngineUnavailable) as missing:
        pytest.skip(str(missing))
    finally:
        aws.down(folder)
        signal.signal(signal.SIGTERM, before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The fuzzers come last: what tells the world of their thousands of changes would keep the others waiting."""
    items.sort(key=lambda item: "test_fuzz.py" in item.nodeid)
