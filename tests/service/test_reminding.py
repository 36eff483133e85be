"""Reminders: claimed before they are sent, once per lot date and lead, and only for what is still there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from jifen.domain.errors import Busy
from jifen.domain.program import Moment
from jifen.domain.reminders import CLAIM_LEASE
from jifen.service.ports import Contact, Ledger, Message, NotSent, Patience, Posting, Sweep, Undeliverable
from jifen.service.reminding import Reminding
from tests.service.ledgers import Contended, Forgetful, Raced
from tests.service.queues import run
from tests.service.scene import LAST_DAY, PROGRAM, account_of, desk, earned, give, paid, proved
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient


def ahead(days: int, minutes: int = 0) -> Moment:
    """Noon in Shanghai some days before LAST_DAY, and some minutes later."""
    noon = datetime.combine(LAST_DAY - timedelta(days=days), time(4), UTC)
    return PROGRAM.moment(noon + timedelta(minutes=minutes))


@dataclass
class Channel:
    """A channel that keeps what it sent. ``before`` runs first, and may refuse."""

    channel: str = "email"
    before: Callable[[Message], None] = lambda _message: None
    sent: list[Message] = field(default_factory=list)

    def reaches(self, contact: Contact | None) -> bool:
        """See :class:`jifen.service.ports.Notifier`."""
        del contact
        return True

    def send(self, message: Message) -> None:
        """See :class:`jifen.service.ports.Notifier`."""
        self.before(message)
        self.sent.append(message)

    @property
    def told(self) -> list[tuple[int, int]]:
        """Lead and points of each reminder."""
        return [(one["lead_days"], one["points"]) for one in self.facts]

    @property
    def facts(self) -> list[Mapping[str, Any]]:
        """Facts of each notice."""
        return [notice.facts for message in self.sent for notice in message.notices]

    @property
    def days_left(self) -> list[int]:
        """Days left of each reminder."""
        return [one["days_left"] for one in self.facts]


@dataclass
class Reports:
    """What was reported, as (channel, what went wrong)."""

    rows: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, _message: Message, channel: str, failure: Exception) -> None:
        """Keep it."""
        self.rows.append((channel, str(failure)))


def reminding(
    ledger: Ledger, *channels: Channel, moment: Moment, worker: str = "w1", reports: Reports | None = None
) -> Reminding:
    """The use case of one worker."""
    return Reminding(ledger, channels, PROGRAM, moment, Patient(5), worker, reports or Reports())


def refuse(_message: Message) -> None:
    """A provider that is down."""
    raise NotSent("down")


def reject(_message: Message) -> None:
    """A provider that will never take it."""
    raise Undeliverable("no such address")


class Killed(BaseException):
    """The worker ends here, without a chance to tidy up."""


def kill(_message: Message) -> None:
    """The worker dies while it sends."""
    raise Killed


@pytest.fixture
def rich(ledger: MemoryLedger) -> MemoryLedger:
    """The ledger, with 100 points of m1 that end on LAST_DAY."""
    give(ledger, "m1", 100)
    return ledger


# Once, in time, and true ---------------------------------------------------------------------------------------------


def test_each_lead_once(rich: MemoryLedger) -> None:
    """A daily run tells a member 30, 7 and 3 days ahead, and on no other day."""
    mail = Channel()

    for days in range(40, -3, -1):
        reminding(rich, mail, moment=ahead(days)).remind("m1")

    assert [(30, 100), (7, 100), (3, 100)] == mail.told
    assert [30, 7, 3] == mail.days_left
    assert 3 == len({message.id for message in mail.sent})
    assert proved(rich)


def test_missed_runs_are_not_made_up_with_a_flood(rich: MemoryLedger) -> None:
    """Whoever was missed at 30 and 7 days gets one reminder, the one that fits the day."""
    mail = Channel()

    reminding(rich, mail, moment=ahead(2)).remind("m1")

    assert [(3, 100)] == mail.told
    assert [2] == mail.days_left


def test_nothing_for_what_is_spent(rich: MemoryLedger) -> None:
    """A reminder names the points left now; when they are all spent there is none."""
    mail = Channel()
    desk(rich, "k1").redeem("m1", 40)
    reminding(rich, mail, moment=ahead(30)).remind("m1")
    desk(rich, "k2").redeem("m1", 60)

    assert not reminding(rich, mail, moment=ahead(7)).remind("m1")
    assert [(30, 60)] == mail.told


def test_nothing_for_what_is_over(rich: MemoryLedger) -> None:
    """On the last day a reminder may still go out; the day after it may not."""
    mail = Channel()

    assert not reminding(rich, mail, moment=ahead(-1)).remind("m1")
    assert reminding(rich, mail, moment=ahead(0)).remind("m1")
    assert [0] == mail.days_left


def test_nothing_for_points_that_never_expire(ledger: MemoryLedger) -> None:
    """Points without an end are never reminded of."""
    give(ledger, "m1", 100, None)

    assert not reminding(ledger, Channel(), moment=ahead(3)).remind("m1")
    assert 1 == ledger.commits


def test_lots_of_several_dates_have_reminders_of_their_own(rich: MemoryLedger) -> None:
    """Two lot dates that are due on one day are two notices."""
    give(rich, "m1", 5, LAST_DAY - timedelta(days=4))
    mail = Channel()

    reminding(rich, mail, moment=ahead(7)).remind("m1")

    assert [(3, 5), (7, 100)] == mail.told


def test_points_that_come_later_are_told_with_the_next_lead(rich: MemoryLedger) -> None:
    """A lot that grows after its reminder is told again only with the next lead."""
    mail = Channel()
    reminding(rich, mail, moment=ahead(30)).remind("m1")
    earned(rich, paid("o1", 5_000))

    assert not reminding(rich, mail, moment=ahead(29)).remind("m1")
    reminding(rich, mail, moment=ahead(7)).remind("m1")

    assert [(30, 100), (7, 150)] == mail.told


def test_notice_carries_contact_and_balance(rich: MemoryLedger) -> None:
    """A channel gets what it needs to write a letter."""
    rich.commit(Posting(documents=(Contact("m1", "m1@shop.example", "zh"),)), Patient())
    give(rich, "m1", 7, None)
    mail = Channel()

    reminding(rich, mail, moment=ahead(7)).remind("m1")

    (message,) = mail.sent
    assert ("m1@shop.example", "zh") == (
        message.contact and message.contact.email,
        message.contact and message.contact.language,
    )
    assert (107, 7, LAST_DAY.isoformat()) == (message.available, mail.days_left[0], mail.facts[0]["lot_expires_on"])


def test_run_tells_everyone_due(ledger: MemoryLedger) -> None:
    """A whole run over the shards reaches every due member once, a second one nobody."""
    names = [f"m{number}" for number in range(20)]
    for name in names:
        give(ledger, name, 10)
    mail, moment = Channel(), ahead(30)

    for _ in range(2):
        run(ledger, Sweep.REMIND, moment, reminding(ledger, mail, moment=moment).remind)

    assert sorted(names) == sorted(message.member for message in mail.sent)


# Channels that fail --------------------------------------------------------------------------------------------------


def test_failing_channel_stays_and_the_others_are_not_repeated(rich: MemoryLedger) -> None:
    """A channel that is down is tried again by the next run; the one that worked is not."""
    mail, event, reports = Channel("email", refuse), Channel("event"), Reports()

    with pytest.raises(NotSent):
        reminding(rich, mail, event, moment=ahead(30), reports=reports).remind("m1")
    mail.before = lambda _message: None
    reminding(rich, mail, event, moment=ahead(29), worker="w2").remind("m1")

    assert ([(30, 100)], [(30, 100)], [("email", "down")]) == (mail.told, event.told, reports.rows)
    assert mail.sent[0].id == event.sent[0].id
    assert ["m1"] == list(rich.due(Sweep.REMIND, rich.shard("m1"), LAST_DAY - timedelta(7), None, 9).members)


def test_failing_channel_keeps_the_account_due(rich: MemoryLedger) -> None:
    """While a channel waits, the account stays in the index of the day."""
    with pytest.raises(NotSent):
        reminding(rich, Channel("email", refuse), moment=ahead(30)).remind("m1")

    assert ("m1",) == rich.due(Sweep.REMIND, rich.shard("m1"), LAST_DAY - timedelta(30), None, 9).members


def test_channel_that_stays_down_gets_the_next_lead(rich: MemoryLedger) -> None:
    """A lead that was never delivered gives way to the next one: one reminder, not two."""
    mail = Channel("email", refuse)
    with pytest.raises(NotSent):
        reminding(rich, mail, moment=ahead(30)).remind("m1")
    mail.before = lambda _message: None

    reminding(rich, mail, moment=ahead(7), worker="w2").remind("m1")
    reminding(rich, mail, moment=ahead(6), worker="w3").remind("m1")

    assert [(7, 100)] == mail.told


def test_undeliverable_is_reported_once(rich: MemoryLedger) -> None:
    """What no second try can help is reported, counts as sent, and does not come back."""
    mail, event, reports = Channel("email", reject), Channel("event"), Reports()

    for days in (30, 29, 28):
        reminding(rich, mail, event, moment=ahead(days), reports=reports).remind("m1")

    assert [("email", "no such address")] == reports.rows
    assert [(30, 100)] == event.told


# Workers that meet or die --------------------------------------------------------------------------------------------


def test_claim_is_written_before_anything_is_sent(rich: MemoryLedger) -> None:
    """At the moment of sending, the account already says who is at it."""
    seen: list[tuple[str, tuple[str, ...]]] = []

    def look(_message: Message) -> None:
        mark = account_of(rich).reminded[LAST_DAY]
        seen.append((mark.claimed_by, mark.waiting))

    reminding(rich, Channel(before=look), moment=ahead(30), worker="w7").remind("m1")

    assert [("w7", ("email",))] == seen
    assert () == account_of(rich).reminded[LAST_DAY].waiting


def test_nothing_is_sent_without_a_claim(rich: MemoryLedger) -> None:
    """A worker that cannot write its claim sends nothing."""
    mail = Channel()

    with pytest.raises(Busy):
        reminding(Contended(rich, "m1"), mail, moment=ahead(30)).remind("m1")

    assert [] == mail.sent


def test_two_workers_send_once(rich: MemoryLedger) -> None:
    """Of two workers that saw the same account, one sends."""
    mine, other, moment = Channel(), Channel(), ahead(30)
    raced = Raced(rich, lambda inner: reminding(inner, other, moment=moment, worker="w2").remind("m1"))

    assert not reminding(raced, mine, moment=moment).remind("m1")
    assert ([], [(30, 100)]) == (mine.told, other.told)


def test_second_worker_keeps_away_while_the_first_sends(rich: MemoryLedger) -> None:
    """A worker that comes while another one is sending finds nothing to do."""
    other, moment = Channel(), ahead(30)

    def meet(_message: Message) -> None:
        assert not reminding(rich, other, moment=moment, worker="w2").remind("m1")

    reminding(rich, Channel(before=meet), moment=moment).remind("m1")

    assert [] == other.sent


def test_a_reminder_reads_its_account_once(rich: MemoryLedger) -> None:
    """What the claim has left is known; the confirmation's own condition says whether it is still so."""
    loads, commits = rich.loads, rich.commits

    assert reminding(rich, Channel(), moment=ahead(30)).remind("m1")

    assert (1, 2) == (rich.loads - loads, rich.commits - commits)


def test_redemption_while_a_reminder_is_sent(rich: MemoryLedger) -> None:
    """Spending between claim and confirmation loses neither the entry nor the mark."""

    def spend(_message: Message) -> None:
        desk(rich, "k").redeem("m1", 40)

    mail = Channel(before=spend)

    reminding(rich, mail, moment=ahead(30)).remind("m1")

    assert (60, ()) == (account_of(rich).balance, account_of(rich).reminded[LAST_DAY].waiting)
    assert proved(rich)


def test_worker_that_dies_is_replaced_after_the_lease(rich: MemoryLedger) -> None:
    """A claim that was never confirmed is respected for its lease and then taken over, under the same notice id."""
    first, second = Channel(before=lambda _message: None), Channel()
    moment = ahead(30)
    handed_over = Channel("email", kill)
    with pytest.raises(Killed):
        reminding(rich, handed_over, moment=moment).remind("m1")

    early = PROGRAM.moment(moment.now + CLAIM_LEASE - timedelta(seconds=1))
    assert not reminding(rich, first, moment=early, worker="w2").remind("m1")
    late = PROGRAM.moment(moment.now + CLAIM_LEASE)
    assert reminding(rich, second, moment=late, worker="w3").remind("m1")

    assert ([], [(30, 100)]) == (first.told, second.told)


def test_a_death_repeats_nothing_but_the_channel_in_flight(rich: MemoryLedger) -> None:
    """What was confirmed before the death is not sent again; the rest goes out under the same ids."""
    mail, event = Channel("email"), Channel("event", kill)
    with pytest.raises(Killed):
        reminding(rich, mail, event, moment=ahead(30)).remind("m1")
    event.before = lambda _message: None

    reminding(rich, mail, event, moment=ahead(30, minutes=6), worker="w2").remind("m1")

    assert (1, 1) == (len(mail.sent), len(event.sent))
    assert 1 == len({message.id for message in (*mail.sent, *event.sent)})


def test_confirmation_of_a_replaced_worker_changes_nothing(rich: MemoryLedger) -> None:
    """A worker so slow that another one has taken over and finished does not undo its work."""
    other = Channel("email", refuse)

    def overtaken(_message: Message) -> None:
        with pytest.raises(NotSent):
            reminding(rich, other, moment=ahead(30, minutes=6), worker="w2").remind("m1")

    reminding(rich, Channel(before=overtaken), moment=ahead(30), worker="w1").remind("m1")

    assert ("email",) == account_of(rich).reminded[LAST_DAY].waiting


def test_lost_answer_to_a_claim_still_sends(rich: MemoryLedger) -> None:
    """A worker whose claim was written, but whose answer was lost, goes on to send."""
    mail = Channel()

    reminding(Forgetful(rich), mail, moment=ahead(30)).remind("m1")

    assert [(30, 100)] == mail.told


def test_lost_answer_to_a_confirmation(rich: MemoryLedger) -> None:
    """A confirmation whose answer was lost is found made; nothing is sent again."""
    mail = Channel()

    class SecondLost(Forgetful):
        """Loses the answer to the second commit."""

        def commit(self, posting: Posting, patience: Patience) -> None:
            """Pass the first commit on."""
            if account_of(self.inner).reminded:
                super().commit(posting, patience)
            else:
                self.inner.commit(posting, patience)

    assert reminding(SecondLost(rich), mail, moment=ahead(30)).remind("m1")
    assert not reminding(rich, mail, moment=ahead(29), worker="w2").remind("m1")
    assert [(30, 100)] == mail.told
