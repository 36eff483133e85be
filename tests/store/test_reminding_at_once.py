"""Messages on a real engine: who waits for an instant is found by it, and of many workers one sends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from threading import Barrier

import pytest

from jifen.domain.account import Account, Reminded, Told
from jifen.domain.errors import Busy
from jifen.domain.lots import Lot
from jifen.domain.program import Program
from jifen.service.ports import AccountWrite, Contact, Message, Posting, Sweep
from jifen.service.reminding import Reminding
from jifen.store import codec
from jifen.store.dynamo import DynamoLedger
from local.engines import Engine
from tests.store.clients import deadline
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient
from tests.store.tables import SERVERS, Running, new_ledger

PROGRAM = Program(lead_days=(7,))
LAST_DAY = date(2026, 6, 20)
NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
WORKERS = 8


@pytest.fixture(params=["memory", *SERVERS])
def ledger(request: pytest.FixtureRequest, running: Running) -> MemoryLedger | DynamoLedger:
    """A ledger in memory, and one on a table of one shard."""
    if request.param == "memory":
        return MemoryLedger(PROGRAM, 1)
    return new_ledger(running[request.param], PROGRAM, shards=1)


def opened(ledger: MemoryLedger | DynamoLedger, member: str, **parts: object) -> Account:
    """An account with 10 points that end on LAST_DAY, and what else is said."""
    account = replace(Account(member, lots=(Lot(10, LAST_DAY),)), **parts)  # type: ignore[arg-type]
    ledger.commit(Posting((AccountWrite(Account(member), account),)), Patient())
    return account


def test_what_is_held_is_found_by_its_instant(ledger: MemoryLedger | DynamoLedger) -> None:
    """Of today and yesterday, up to the second, page by page, and nobody who waits for a day."""
    for number, until in enumerate(
        (
            NOON - timedelta(days=2),
            NOON - timedelta(days=1),
            NOON - timedelta(hours=13),
            NOON - timedelta(hours=11),
            NOON,
            NOON + timedelta(seconds=1),
        )
    ):
        opened(ledger, f"held-{number}", told=Told(held_until=until))
    opened(ledger, "due today", lots=(Lot(1, date(2026, 6, 22)),))
    opened(ledger, "due before")

    found: list[str] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        page = ledger.due(Sweep.REMIND, 0, NOON.replace(microsecond=999), cursor, 1)
        found += page.members
        cursor, pages = page.cursor, pages + 1

    assert ["held-1", "held-2", "held-3", "held-4"] == found
    assert 4 == ledger.due_count(Sweep.REMIND, 0, NOON)
    everybody = ledger.due(Sweep.REMIND, 0, date(2026, 6, 15), None, 50).members
    assert {"due today", "due before", *(f"held-{number}" for number in range(6))} == set(everybody)


def test_marks_come_back_as_they_were_written(ledger: MemoryLedger | DynamoLedger) -> None:
    """Claims with their tries, what was told, and when."""
    claimed = Reminded(7, ("email", "sms"), "w", NOON, 3, NOON, reached=True)
    told = Told({"points.balance_reached/5": claimed, "tier.reached/a/b": Reminded(9)}, LAST_DAY, NOON)
    account = opened(ledger, "m1", reminded={LAST_DAY: claimed}, told=told)

    assert replace(account, revision=1) == ledger.load(["m1"]).accounts["m1"]


def test_marks_of_earlier_versions_can_be_read() -> None:
    """A claim that was written before tries were counted is one of none."""
    row = [7, ["email"], "w", "2026-06-15T12:00:00Z"]

    assert Reminded(7, ("email",), "w", NOON) == codec._reminded_in(row)
    assert Reminded(7) == codec._reminded_in(7)


@dataclass
class Kept:
    """A channel that keeps what it got."""

    channel: str
    sent: list[str] = field(default_factory=list)

    def reaches(self, contact: Contact | None) -> bool:
        """Everybody."""
        del contact
        return True

    def send(self, message: Message) -> None:
        """Keep it."""
        self.sent.append(message.id)


def test_of_many_workers_one_sends(engine: Engine) -> None:
    """Eight at the same instant, again and again: each channel gets each member's message once."""
    ledger = new_ledger(engine, PROGRAM)
    channels = Kept("email"), Kept("sms")
    members = [f"m{number}" for number in range(5)]
    for member in members:
        opened(ledger, member)
    barrier = Barrier(WORKERS)

    def work(number: int) -> int:
        moment, done = PROGRAM.moment(NOON), 0
        reminding = Reminding(ledger, channels, PROGRAM, moment, deadline(20), f"w{number}", lambda *_: None)
        for member in members:
            barrier.wait()
            try:
                done += reminding.remind(member)
            except Busy:
                continue
        return done

    with ThreadPoolExecutor(WORKERS) as pool:
        done = sum(pool.map(work, range(WORKERS)))

    assert len(members) == done
    assert [5, 5] == [len(channel.sent) for channel in channels]
    assert [5, 5] == [len(set(channel.sent)) for channel in channels]
    for member in members:
        account = ledger.load([member]).accounts[member]
        assert (Reminded(7), 4) == (account.reminded[LAST_DAY], account.revision)
