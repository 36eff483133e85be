"""Deadlines are spread over several partitions of the index, and still listed as one: in order, each once."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest

from jifen.domain.program import parse_program
from jifen.domain.rewards import Reserved, Stock
from jifen.service.ports import Document, Posting, deadlines
from jifen.store.dynamo import DynamoLedger
from jifen.store.items import DEADLINE_SHARDS, deadline_shard
from local.engines import Engine
from tests.store.patient import Patient
from tests.store.tables import ledger_on, new_table
from tests.store.values import NOW

PROGRAM = parse_program({})


@pytest.fixture(scope="module")
def ledger(engine: Engine) -> DynamoLedger:
    """Sixty shards with reservations that run out within an hour, some at the same instant, in a table of their own."""
    here = ledger_on(engine, new_table(engine), PROGRAM)
    here.commit(Posting(documents=SHARDS), Patient(3))
    return here


def _shards() -> tuple[Document, ...]:
    rng = random.Random(7)
    due = [NOW + timedelta(minutes=rng.randrange(20) * 3) for _ in range(60)]
    return tuple(
        Stock("hot", number, 1, stocked=2, reserved={"ro.a.b": Reserved(1, until)}) for number, until in enumerate(due)
    )


SHARDS = _shards()


def listed(ledger: DynamoLedger, minutes: int, limit: int) -> list[Sequence[Document]]:
    """The pages up to an instant."""
    pages, cursor = list[Sequence[Document]](), None
    while True:
        page = ledger.listed(deadlines(NOW + timedelta(minutes=minutes)), cursor, limit)
        assert len(page.documents) <= limit
        pages.append(page.documents)
        cursor = page.cursor
        if cursor is None:
            return pages


def test_an_item_always_stands_in_the_same_partition() -> None:
    """The partition follows from its keys alone, and all of them are used."""
    found = {deadline_shard("C#hot", f"ST#{number:04d}") for number in range(200)}

    assert set(DEADLINE_SHARDS) == found
    assert "deadline#2" == deadline_shard("C#hot", "ST#0000") == deadline_shard("C#hot", "ST#0000")


@pytest.mark.parametrize("minutes", [-1, 0, 17, 60])
@pytest.mark.parametrize("limit", [1, 7, 100])
def test_they_are_listed_as_one(ledger: DynamoLedger, minutes: int, limit: int) -> None:
    """The most overdue first over all partitions, none twice and none left out, whatever the pages."""
    pages = listed(ledger, minutes, limit)

    due = [
        one
        for one in SHARDS
        if isinstance(one, Stock) and one.due_at and one.due_at <= NOW + timedelta(minutes=minutes)
    ]
    expected = sorted(due, key=lambda one: (one.due_at, one.shard))
    found = [one for page in pages for one in page]
    assert [one.shard for one in expected] == [one.shard for one in found if isinstance(one, Stock)]
    assert len(pages) == max(1, -(-len(expected) // limit))
