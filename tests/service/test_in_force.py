"""Which program is in force, as a process knows it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from jifen.domain.account import Account
from jifen.domain.errors import InvalidProgram
from jifen.domain.lots import Lot
from jifen.domain.program import Program, parse_program
from jifen.domain.ruling import ProgramInForce, RuleStatus, RuleVersion
from jifen.runtime import MissingSetting, Runtime, Settings
from jifen.service.in_force import InForce
from jifen.service.ports import AccountWrite, Posting, ProgramKey, Sweep
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

OWN = parse_program({"time_zone": "Asia/Shanghai"})
NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
OF_A_LATER_RELEASE = '{"constellation":true}'


class Process:
    """One process on a ledger, with a clock of its own that stands still until it is moved."""

    def __init__(self, ledger: MemoryLedger, ttl_s: int = 30) -> None:
        self.ledger, self.seconds = ledger, 0.0
        self.told: list[int] = []
        self.in_force = InForce(lambda: ledger, OWN, ttl_s, lambda: self.seconds, self._tell)

    def _tell(self, number: int, wrong: InvalidProgram) -> None:
        assert wrong.faults
        self.told.append(number)

    def program(self, after_s: float = 0) -> Program:
        """The program so many seconds later."""
        self.seconds += after_s
        return self.in_force.program()


def in_force(ledger: MemoryLedger, number: int, program: str, previous: int = 0) -> None:
    """Put a program in force, as publishing does."""
    known = ledger.load([], [ProgramKey()]).documents.get(ProgramKey())
    version = known.version if isinstance(known, ProgramInForce) else 0
    at = ProgramInForce(number, number, previous, "f" * 32, program if number else "", NOW, version)
    written = RuleVersion(number, "f" * 32, program, "", "a", NOW, previous, RuleStatus.PUBLISHED)
    ledger.commit(Posting(documents=(at, written) if number else (at,)), Patient(0))


def test_an_empty_table_leaves_the_stacks_own_program() -> None:
    """Until something is published nothing changes, and it is asked for once."""
    ledger = MemoryLedger(OWN)
    process = Process(ledger)

    assert [OWN] * 100 == [process.program() for _ in range(100)]
    assert 1 == ledger.loads


def test_a_published_program_counts_and_carries_its_number() -> None:
    """The rules name the version that they are of."""
    ledger = MemoryLedger(OWN)
    in_force(ledger, 3, '{"clawback":"clamp","time_zone":"Asia/Shanghai"}')

    program = Process(ledger).program()

    assert parse_program({"clawback": "clamp", "time_zone": "Asia/Shanghai"}) == program
    assert 3 == program.rules.version


def test_a_change_counts_when_what_is_known_is_old() -> None:
    """Within its time a process asks nothing; after that it sees another version, and the way back to none."""
    ledger = MemoryLedger(OWN)
    process = Process(ledger)
    process.program()
    in_force(ledger, 1, '{"clawback":"clamp"}')
    loads = ledger.loads

    assert OWN == process.program(29.9)
    assert loads == ledger.loads
    assert "clamp" == process.program(0.1).clawback
    in_force(ledger, 0, "")
    assert OWN == process.program(30)


def test_the_process_that_changes_it_sees_it_at_once() -> None:
    """What a process has published itself it does not wait for."""
    ledger = MemoryLedger(OWN)
    process = Process(ledger)
    process.program()
    in_force(ledger, 1, '{"clawback":"clamp"}')

    process.in_force.forget()

    assert "clamp" == process.program().clawback


def test_the_same_version_is_not_read_anew() -> None:
    """A look that finds nothing new keeps the very program that is known."""
    ledger = MemoryLedger(OWN)
    in_force(ledger, 1, '{"clawback":"clamp"}')
    process = Process(ledger)

    assert process.program() is process.program(31)


def test_next_dates_follow_a_change() -> None:
    """The ledger works out reminders by the leads of the program in force."""
    ledger = MemoryLedger(OWN, shards=1)
    in_force(ledger, 1, '{"reminders":{"lead_days":[5]}}')
    Process(ledger).program()

    last_day = date(2027, 3, 31)
    account = Account("m", lots=(Lot(5, last_day),))
    ledger.commit(Posting((AccountWrite(Account("m"), account),)), Patient(0))

    assert () == ledger.due(Sweep.REMIND, 0, last_day - timedelta(6), None, 9).members
    assert ("m",) == ledger.due(Sweep.REMIND, 0, last_day - timedelta(5), None, 9).members


def test_a_program_that_cannot_be_read_takes_nothing_out_of_force() -> None:
    """Code older than the program keeps the last good one, and says so with every look."""
    ledger = MemoryLedger(OWN)
    in_force(ledger, 1, '{"clawback":"clamp"}')
    process = Process(ledger)
    process.program()
    in_force(ledger, 2, OF_A_LATER_RELEASE, previous=1)

    assert ["clamp", "clamp"] == [process.program(30).clawback, process.program(30).clawback]
    assert [2, 2] == process.told
    in_force(ledger, 3, '{"clawback":"negative"}')
    assert "negative" == process.program(30).clawback
    assert [2, 2] == process.told


def test_a_process_that_begins_with_one_takes_the_version_before() -> None:
    """A fresh process has no last good one of its own, so it takes the one that was in force before."""
    ledger = MemoryLedger(OWN)
    in_force(ledger, 1, '{"clawback":"clamp"}')
    in_force(ledger, 2, OF_A_LATER_RELEASE, previous=1)
    process = Process(ledger)

    program = process.program()

    assert ("clamp", 1) == (program.clawback, program.rules.version)
    assert [2] == process.told


def test_a_fresh_process_looks_back_as_far_as_it_has_to() -> None:
    """A campaign scheduled under the later release is a version too: the one before the two counts, no draft."""
    ledger = MemoryLedger(OWN)
    in_force(ledger, 1, '{"clawback":"clamp"}')
    draft = RuleVersion(2, "f" * 32, '{"clawback":"negative"}', "", "a", NOW, 1)
    ledger.commit(Posting(documents=(draft,)), Patient(0))
    in_force(ledger, 3, OF_A_LATER_RELEASE, previous=1)
    in_force(ledger, 4, OF_A_LATER_RELEASE, previous=3)
    process = Process(ledger)

    program = process.program()

    assert ("clamp", 1) == (program.clawback, program.rules.version)
    assert [4, 3] == process.told


def test_where_nothing_can_be_read_the_stacks_own_counts() -> None:
    """Neither of the two can be read: the stack's own program, told of both."""
    ledger = MemoryLedger(OWN)
    in_force(ledger, 1, OF_A_LATER_RELEASE)
    in_force(ledger, 2, OF_A_LATER_RELEASE, previous=1)
    process = Process(ledger)

    assert OWN == process.program()
    assert [2, 1] == process.told


def test_a_runtime_counts_what_it_cannot_read() -> None:
    """The metric behind the alarm is written with each look."""
    ledger, counted = MemoryLedger(OWN), dict[str, int]()
    in_force(ledger, 1, OF_A_LATER_RELEASE)
    here = Runtime(Settings(program=OWN), ledger=ledger, count=counted.update)

    assert OWN == here.program
    assert {"ProgramUnreadable": 1} == counted


def test_how_long_it_is_believed_is_a_setting() -> None:
    """Half a minute unless said; a number, or the first event says so."""
    assert (30, 5) == (
        Settings.read({}).program_ttl_s,
        Settings.read({"JIFEN_PROGRAM_TTL_S": "5"}).program_ttl_s,
    )
    with pytest.raises(MissingSetting, match="JIFEN_PROGRAM_TTL_S"):
        Settings.read({"JIFEN_PROGRAM_TTL_S": "often"})


def test_a_runtime_without_a_table_has_its_own_program() -> None:
    """A function that has no table, such as the webhook, asks none."""
    assert OWN == Runtime(Settings(program=OWN)).program
