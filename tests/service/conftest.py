from __future__ import annotations

import pytest

from tests.service.scene import PROGRAM
from tests.store.memory_ledger import MemoryLedger


@pytest.fixture
def ledger() -> MemoryLedger:
    """An empty ledger."""
    return MemoryLedger(PROGRAM)
