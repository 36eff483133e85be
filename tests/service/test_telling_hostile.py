"""Messages to members where things go wrong: channels with a bug in them, late workers, programs that change."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from jifen.domain.account import Reminded
from jifen.domain.reminders import next_reminder_on
from jifen.service.ports import Contact, Message, NotSent
from jifen.service.reminding import Reminding
from tests.service.scene import LAST_DAY, account_of, give
from tests.service.test_telling_members import NOTICES, QUIET, Provider, at, failed, told
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient


@pytest.fixture
def ledger() -> MemoryLedger:
    """A ledger under the program with notices; m1 has 100 points that end on LAST_DAY."""
    made = MemoryLedger(NOTICES)
    give(made, "m1", 100)
    return made


# A channel with a bug in it ------------------------------------------------------------------------------------------


class Bug(Exception):
    """What nobody has thought of: no permission, a template that cannot be read."""


@dataclass
class Blind(Provider):
    """A provider that cannot say whom it reaches."""

    def reaches(self, contact: Contact | None) -> bool:
        """It fails over it."""
        del contact
        raise Bug


@pytest.mark.parametrize("broken", [Provider("sms", Bug), Blind("sms", Bug)])
def test_a_bug_in_one_channel_keeps_nothing_from_the_others(ledger: MemoryLedger, broken: Provider) -> None:
    """The others have the message at once, the one is reported, tried again and given up, like one that is down."""
    before, after = Provider("email"), Provider("push")
    reported: list[tuple[str, type[Exception]]] = []

    def report(_message: Message, channel: str, failure: Exception) -> None:
        reported.append((channel, type(failure)))

    for days in (7, 6):
        worker = Reminding(ledger, [before, broken, after], NOTICES, at(days), Patient(5), f"w{days}", report)
        with pytest.raises(NotSent, match="sms"):
            worker.remind("m1")
        mark = account_of(ledger).reminded[LAST_DAY]
        assert (("sms",), "") == (mark.waiting, mark.claimed_by), "let go of at once"
    assert told(ledger, before, broken, after, moment=at(5))

    assert [("sms", Bug)] * 2 == reported
    assert (1, 1) == (len(before.sent), len(after.sent))
    (one,) = failed(ledger, at(5))
    assert ("sms", 3) == (one.channel, one.tries)
    assert not told(ledger, before, broken, after, moment=at(4))


# Programs that change ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("leads", [(3,), (60, 20, 3), (90,)])
def test_what_was_begun_is_finished_under_other_leads(ledger: MemoryLedger, leads: tuple[int, ...]) -> None:
    """A lead that there is no more still waits for a channel: it is sent, and the account does not stay due."""
    thirty = replace(NOTICES, lead_days=(30, 7))
    ledger.follow(thirty)
    told(ledger, Provider("email", NotSent), moment=at(30), program=thirty)
    other = replace(NOTICES, lead_days=leads)
    ledger.follow(other)
    mail = Provider("email")

    assert told(ledger, mail, moment=at(29), program=other)

    assert 30 == mail.sent[0].notices[0].facts["lead_days"]
    assert Reminded(30) == account_of(ledger).reminded[LAST_DAY]
    on = next_reminder_on(account_of(ledger), other)
    assert on is None or on > at(29).today


# Late workers --------------------------------------------------------------------------------------------------------


def test_a_worker_that_is_late_keeps_quiet_hours_too(ledger: MemoryLedger) -> None:
    """A run of 21:30 that comes to the member at 22:30, or whose task is tried again then: held until the morning."""
    ledger.follow(QUIET)
    mail = Provider()
    late = replace(at(7, 21.5), recorded_at=at(7, 22.5).now)

    assert told(ledger, mail, moment=late, program=QUIET) is False
    assert at(6, 8).now == account_of(ledger).told.held_until
    assert told(ledger, mail, moment=at(6, 8), program=QUIET)

    assert 1 == len(mail.sent)


def test_what_was_held_goes_out_with_a_late_worker(ledger: MemoryLedger) -> None:
    """The daily run of a night that comes to the member in the morning sends what it finds."""
    ledger.follow(QUIET)
    mail = Provider()

    assert told(ledger, mail, moment=replace(at(7, 3), recorded_at=at(7, 9).now), program=QUIET)

    assert 1 == len(mail.sent)


def test_a_worker_whose_time_is_up_lets_go_of_the_channels_that_are_left(ledger: MemoryLedger) -> None:
    """A slow provider took its time: the others have theirs by the next worker, at once and once."""
    slow, mail, device = Provider("sms"), Provider("email"), Provider("push")
    worker = Reminding(
        ledger, [slow, mail, device], NOTICES, at(7), Patient(5), "w", lambda *_: None, has_time=lambda: not slow.sent
    )

    with pytest.raises(NotSent, match="email, push"):
        worker.remind("m1")
    mark = account_of(ledger).reminded[LAST_DAY]
    assert (("email", "push"), "") == (mark.waiting, mark.claimed_by)
    assert told(ledger, slow, mail, device, moment=at(7))

    assert [1, 1, 1] == [len(one.sent) for one in (slow, mail, device)]
