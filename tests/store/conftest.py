from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.engines import Engine
from tests.store.tables import engine_or_skip


@pytest.fixture(scope="session")
def dynoxide() -> Iterator[Engine]:
    """One dynoxide for all tests of this folder; each takes a table of its own."""
    with engine_or_skip("dynoxide") as engine:
        yield engine
