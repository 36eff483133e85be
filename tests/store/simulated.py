"""Ledgers on the simulation's table in a network without faults, for the contract that every engine is held to."""

from __future__ import annotations

import itertools
from collections import Counter
from random import Random

from jifen.domain.program import Program
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine
from local.simulation.clock import SimulatedClock
from local.simulation.network import Network
from local.simulation.scheduler import Scheduler
from local.simulation.table import SimulatedTable
from local.template import table_definition
from tests.store.tables import ledger_on
from tests.store.values import NOW

_tables: dict[str, SimulatedTable] = {}
_numbers = itertools.count(1)


def new_simulated(program: Program, shards: int) -> DynamoLedger:
    """A ledger on an empty simulated table."""
    name = f"simulated-{next(_numbers)}"
    clock = SimulatedClock(NOW, program.zone, Random(1), 0.0, Counter())
    _tables[name] = SimulatedTable(name, table_definition(), clock)
    return simulated_on(name, program, shards)


def simulated_on(name: str, program: Program, shards: int) -> DynamoLedger:
    """Another ledger on a simulated table that is there."""
    ledger = ledger_on(Engine("simulated", "http://127.0.0.1:9"), name, program, shards)
    scheduler = Scheduler(Random(1), 1.0, lambda: None)
    session = Network(_tables[name], scheduler, Random(1), {}, Counter(), lambda _line: None)
    ledger.client._endpoint.http_session = session
    return ledger
