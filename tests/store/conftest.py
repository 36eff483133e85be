from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.engines import Engine
from tests.store.tables import SERVERS, Running, running_engines


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    """The engines of this session, each started once; every test takes a table of its own."""
    with running_engines() as engines:
        yield engines


@pytest.fixture(scope="session", params=SERVERS)
def engine(request: pytest.FixtureRequest, running: Running) -> Engine:
    """Each engine that is a server, in turn."""
    return running[request.param]
