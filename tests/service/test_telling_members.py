"""Messages to members: digests, refusals, quiet hours, rates, and what becomes of channels that fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.account import Reminded
from jifen.domain.failed_notices import FailedNotice
from jifen.domain.notice_terms import NoticeTerms, QuietHours
from jifen.domain.program import Moment, Program, parse_program
from jifen.service.life_shelves import failed_notices_of
from jifen.service.ports import Contact, Ledger, Message, NotSent, Posting, Sweep, Undeliverable
from jifen.service.rates import Rates
from jifen.service.reminding import NoTime, Reminding
from tests.service.scene import LAST_DAY, PROGRAM, account_of, desk, give, proved
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

NOTICES = replace(PROGRAM, currency="CNY", notices=NoticeTerms(balance_reached=(100,), tries=3))


def at(days_ahead: int, hours: float = 12, program: Program = NOTICES) -> Moment:
    """So many days before LAST_DAY, by the clock in Shanghai."""
    midnight = datetime.combine(LAST_DAY - timedelta(days=days_ahead), time(0), ZoneInfo("Asia/Shanghai"))
    return program.moment((midnight + timedelta(hours=hours)).astimezone(UTC))


class Killed(BaseException):
    """The worker ends here."""


@dataclass
class Provider:
    """A provider that does what it is told to: ``fate`` is None, or what it raises, after sending where ``late``."""

    channel: str = "email"
    fate: type[BaseException] | None = None
    late: bool = False
    reached: bool = True
    sent: list[Message] = field(default_factory=list)

    def reaches(self, contact: Contact | None) -> bool:
        """See :class:`jifen.service.ports.Notifier`."""
        del contact
        return self.reached

    def send(self, message: Message) -> None:
        """See :class:`jifen.service.ports.Notifier`."""
        if self.fate is None or self.late:
            self.sent.append(message)
        if self.fate is not None:
            raise self.fate("down")

    @property
    def kinds(self) -> list[list[str]]:
        """What each message was about."""
        return [[str(notice.kind) for notice in message.notices] for message in self.sent]


class Addressed(Provider):
    """A provider that reaches who has an address."""

    def reaches(self, contact: Contact | None) -> bool:
        """See :class:`jifen.service.ports.Notifier`."""
        return contact is not None and bool(contact.email)


_workers = count()


def told(
    ledger: Ledger, *providers: Provider, moment: Moment, program: Program = NOTICES, rates: Rates | None = None
) -> bool | None:
    """One worker's run for m1: whether there was anything; None where a channel failed or the worker died."""
    worker = f"w{next(_workers)}"
    reminding = Reminding(
        ledger, providers, program, moment, Patient(5), worker, lambda *_: None, given_up=lambda *_: None, rates=rates
    )
    try:
        return reminding.remind("m1")
    except (NotSent, Killed):
        return None


def failed(ledger: MemoryLedger, moment: Moment) -> list[Any]:
    """The failed notices of a month."""
    return list(ledger.listed(failed_notices_of(f"{moment.now:%Y-%m}"), None, 100).documents)


@pytest.fixture
def ledger() -> MemoryLedger:
    """A ledger under the program with notices; m1 has 100 points that end on LAST_DAY."""
    made = MemoryLedger(NOTICES)
    give(made, "m1", 100)
    return made


def contact(ledger: MemoryLedger, **parts: Any) -> None:
    """Set how m1 is reached."""
    ledger.commit(Posting(documents=(Contact("m1", **parts),)), Patient())


# Digests -------------------------------------------------------------------------------------------------------------


def test_everything_that_is_due_is_one_message(ledger: MemoryLedger) -> None:
    """Two lots that end and an amount that was reached: one message of three notices, the same on every channel."""
    give(ledger, "m1", 5, LAST_DAY - timedelta(days=2))
    mail, sms = Provider("email"), Provider("sms")

    assert told(ledger, mail, sms, moment=at(7))
    assert not told(ledger, mail, sms, moment=at(7, 15))

    assert [["points.expiring", "points.expiring", "points.balance_reached"]] == mail.kinds == sms.kinds
    assert mail.sent[0].id == sms.sent[0].id
    assert 3 == len({notice.id for notice in mail.sent[0].notices})
    assert at(7).today == account_of(ledger).told.day


def test_a_message_says_who_sends_it(ledger: MemoryLedger) -> None:
    """As the program has it."""
    program = replace(NOTICES, notices=replace(NOTICES.notices, imprint="Shop Ltd, 1 High Street, London"))
    mail = Provider("email")

    assert told(ledger, mail, moment=at(7), program=program)

    assert ["Shop Ltd, 1 High Street, London"] == [message.imprint for message in mail.sent]


def test_the_claim_and_each_channel_are_written_down(ledger: MemoryLedger) -> None:
    """One read and one commit to claim, then one for each channel, whatever it carries."""
    loads, commits = ledger.loads, ledger.commits

    told(ledger, Provider("email"), Provider("sms"), moment=at(7))

    assert (1, 3) == (ledger.loads - loads, ledger.commits - commits)


def test_what_was_taken_over_goes_out_under_its_own_id(ledger: MemoryLedger) -> None:
    """A message that may have gone out is repeated as it was; what became due since is another message."""
    program = replace(NOTICES, notices=replace(NOTICES.notices, once_a_day=False))
    mail = Provider("email", Killed, late=True)
    told(ledger, mail, moment=at(7), program=program)
    give(ledger, "m1", 5, LAST_DAY - timedelta(days=1))
    mail.fate = None

    told(ledger, mail, moment=at(7, 13), program=program)

    first, again, fresh = mail.sent
    assert (first.id, first.notices[0].id) == (again.id, again.notices[0].id)
    assert [["points.expiring"]] == [[str(one.kind) for one in fresh.notices]]


# Refusals ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refuses", "mails", "texts"),
    [
        ((), [["points.expiring", "points.balance_reached"]], [["points.expiring", "points.balance_reached"]]),
        (("email",), [], [["points.expiring", "points.balance_reached"]]),
        (("points.balance_reached",), [["points.expiring"]], [["points.expiring"]]),
        (("email", "points.expiring"), [], [["points.balance_reached"]]),
        (("*",), [], []),
        (("email", "sms"), [], []),
    ],
)
def test_what_is_refused_is_not_sent_and_nothing_waits_for_it(
    ledger: MemoryLedger, refuses: tuple[str, ...], mails: list[list[str]], texts: list[list[str]]
) -> None:
    """Channels, kinds, or everything; whoever is told nowhere counts as told."""
    contact(ledger, refuses=refuses)
    mail, sms = Provider("email"), Provider("sms")

    assert told(ledger, mail, sms, moment=at(7))
    assert not told(ledger, mail, sms, moment=at(7, 15))

    assert (mails, texts) == (mail.kinds, sms.kinds)
    account = account_of(ledger)
    assert not any(mark.waiting for mark in (*account.reminded.values(), *account.told.marks.values()))
    assert () == ledger.due(Sweep.REMIND, ledger.shard("m1"), at(7).today, None, 9).members


def test_a_channel_that_is_refused_later_is_not_tried_again(ledger: MemoryLedger) -> None:
    """It failed once and was refused then: nothing waits for it any more."""
    told(ledger, Provider("email", NotSent), moment=at(7))
    contact(ledger, refuses=("email",))
    mail = Provider("email")

    assert told(ledger, mail, moment=at(6))

    assert [] == mail.sent
    assert Reminded(7) == account_of(ledger).reminded[LAST_DAY]


SLEEPY: Mapping[str, Any] = {
    "id": "sleepy",
    "starts_on": "2026-03-02",
    "when": {"inactive": {"days": 100, "known_since": "2026-03-01"}},
    "void": {"share": "0.50", "notice_days": 30},
}


@pytest.mark.parametrize(
    ("refuses", "channels"),
    [
        (("*",), ["email", "sms"]),
        (("points.dormant",), ["email", "sms"]),
        (("email",), ["sms"]),
        (("*", "sms"), ["email"]),
        (("email", "sms"), ["email", "sms"]),
    ],
)
def test_that_points_will_be_lost_is_told_to_who_wants_to_hear_nothing(
    ledger: MemoryLedger, refuses: tuple[str, ...], channels: list[str]
) -> None:
    """It is about the member's points: a channel that was refused by name is used where no other reaches only."""
    program = parse_program({"time_zone": "Asia/Shanghai", "validity": {"policies": [SLEEPY]}})
    ledger.follow(program)
    contact(ledger, refuses=refuses)
    providers = [Provider("email"), Provider("sms")]

    told(ledger, *providers, moment=program.moment(datetime(2026, 7, 1, 4, tzinfo=UTC)), program=program)

    assert channels == [one.channel for one in providers if one.kinds == [["points.dormant"]]]


# Quiet hours ---------------------------------------------------------------------------------------------------------

QUIET = replace(NOTICES, notices=replace(NOTICES.notices, quiet_hours=QuietHours(time(22), time(8))))


def held(ledger: MemoryLedger, moment: Moment) -> tuple[str, ...]:
    """Whom a run for what was held finds."""
    return ledger.due(Sweep.REMIND, ledger.shard("m1"), moment.now, None, 9).members


def test_quiet_hours_are_held_to_their_end(ledger: MemoryLedger) -> None:
    """Due at midnight, nothing goes out before eight; the account waits for that instant, and is found at it."""
    ledger.follow(QUIET)
    mail = Provider()

    assert told(ledger, mail, moment=at(7, 0), program=QUIET) is False
    revision = account_of(ledger).revision
    assert told(ledger, mail, moment=at(7, 3), program=QUIET) is False
    assert revision == account_of(ledger).revision, "held once, written once"
    assert [(), (), ("m1",), ("m1",)] == [held(ledger, at(7, hours)) for hours in (3, 7.99, 8, 9)]
    assert told(ledger, mail, moment=at(7, 8), program=QUIET)

    assert 1 == len(mail.sent)
    assert (None, ()) == (account_of(ledger).told.held_until, held(ledger, at(7, 9)))
    assert proved(ledger)


def test_quiet_hours_are_those_of_the_members_zone(ledger: MemoryLedger) -> None:
    """Noon in Shanghai is midnight in New York: held to eight o'clock there."""
    ledger.follow(QUIET)
    contact(ledger, time_zone="America/New_York")
    mail = Provider()

    told(ledger, mail, moment=at(7, 12), program=QUIET)
    eight = datetime.combine(at(7).today, time(8), ZoneInfo("America/New_York"))
    assert eight == account_of(ledger).told.held_until
    told(ledger, mail, moment=QUIET.moment(eight.astimezone(UTC)), program=QUIET)

    assert 1 == len(mail.sent)


def test_what_is_spent_while_it_is_held_is_not_told(ledger: MemoryLedger) -> None:
    """The account is looked at anew at the end, and waits for nothing after it."""
    ledger.follow(QUIET)
    mail = Provider()
    told(ledger, mail, moment=at(7, 0), program=QUIET)
    account = account_of(ledger)
    give(ledger, "m1", 1, None)
    desk(ledger, "k").redeem("m1", 101)

    told(ledger, mail, moment=at(7, 8), program=QUIET)

    assert account.told.held_until is not None
    assert ([], None) == (mail.sent, account_of(ledger).told.held_until)


# Rates ---------------------------------------------------------------------------------------------------------------


@dataclass
class Watch:
    """A clock that goes on only while somebody rests; ``left_s`` is what there is to rest."""

    now_s: float = 0
    left_s: float = 1_000

    def rest(self, seconds: float) -> bool:
        """Wait, where there is time."""
        if seconds > self.left_s:
            return False
        self.now_s, self.left_s = self.now_s + seconds, self.left_s - seconds
        return True


def test_a_worker_keeps_to_its_part_of_a_rate() -> None:
    """Eight a second of sixteen workers is one every two seconds of each; other channels do not wait."""
    watch = Watch()
    rates = Rates({"email": 8}, 16, lambda: watch.now_s, watch.rest)

    turns = []
    for _ in range(3):
        assert rates.take(["email", "event"])
        turns.append(watch.now_s)
    assert rates.take(["event"])

    assert [0, 2, 4] == turns
    assert 2 == rates.longest_wait_s()


def test_workers_that_begin_together_do_not_send_together() -> None:
    """Two a second of sixteen workers: in no second do more than two messages go out, from the first one on."""
    sent = []
    for place in range(16):
        watch = Watch()
        rates = Rates({"sms": 2}, 16, lambda watch=watch: watch.now_s, watch.rest, place)  # type: ignore[misc]
        for _ in range(3):
            assert rates.take(["sms"])
            sent.append(watch.now_s)

    assert [number / 2 for number in range(48)] == sorted(sent)


def test_a_worker_that_takes_many_small_shards_keeps_to_its_part_too() -> None:
    """Sixteen workers with 256 shards of one message each: no more go out than the rate allows, from shard to shard."""
    sent = []
    for worker in range(16):
        watch, turns = Watch(left_s=10_000), dict[str, float]()
        for shard in range(worker, 256, 16):
            rates = Rates({"sms": 2}, 256, lambda watch=watch: watch.now_s, watch.rest, shard, turns)  # type: ignore[misc]
            assert rates.take(["sms"])
            sent.append(watch.now_s)

    assert all(sum(second <= one < second + 1 for one in sent) <= 2 for second in range(int(max(sent))))
    assert max(sent) < 256 / 2 + 8


@pytest.mark.parametrize("meanwhile", [{"refuses": ("email",)}, {"email": None}, {"refuses": ("*",)}])
def test_what_a_member_says_while_the_turn_is_waited_for_counts(
    ledger: MemoryLedger, meanwhile: dict[str, Any]
) -> None:
    """A worker may rest long before it sends: who ends the mails meanwhile, or takes the address away, has none."""
    contact(ledger, email="m1@example.com")
    watch = Watch()

    def rest(seconds: float) -> bool:
        contact(ledger, **{"email": "m1@example.com", "version": 1} | meanwhile)
        return watch.rest(seconds)

    rates, mail = Rates({"email": 1}, 16, lambda: watch.now_s, rest), Addressed()
    rates.take(["email"])

    assert told(ledger, mail, moment=at(7), rates=rates)

    assert ([], 16) == (mail.sent, watch.now_s)
    assert not told(ledger, mail, moment=at(7, 13))


def test_a_turn_that_was_waited_for_is_taken_once(ledger: MemoryLedger) -> None:
    """The look after the rest does not wait again, and the next message keeps its distance."""
    contact(ledger, email="m1@example.com")
    watch, mail = Watch(), Addressed()
    rates = Rates({"email": 1}, 16, lambda: watch.now_s, watch.rest)
    rates.take(["email"])

    assert told(ledger, mail, moment=at(7), rates=rates)

    assert (1, 16, 16) == (len(mail.sent), watch.now_s, rates.wait_s(["email"]))


def test_no_time_for_a_turn_claims_nothing(ledger: MemoryLedger) -> None:
    """What has to wait for longer than the worker has is left to the next one, untouched."""
    watch = Watch(left_s=1)
    rates = Rates({"email": 1}, 16, lambda: watch.now_s, watch.rest)
    rates.take(["email"])
    mail, commits = Provider(), ledger.commits
    reminding = Reminding(ledger, [mail], NOTICES, at(7), Patient(), "w", lambda *_: None, rates=rates)

    with pytest.raises(NoTime):
        reminding.remind("m1")

    assert ([], commits) == (mail.sent, ledger.commits)


# Channels that fail --------------------------------------------------------------------------------------------------


def test_a_channel_is_given_up_after_so_many_runs(ledger: MemoryLedger) -> None:
    """Three runs, however often each of them tries; then an operator finds it, and nothing waits."""
    mail, sms = Provider("email", NotSent), Provider("sms")

    for days in (7, 6):
        for _ in range(4):
            assert told(ledger, mail, sms, moment=at(days)) is None
    assert [] == failed(ledger, at(5))
    assert told(ledger, mail, sms, moment=at(5))
    assert told(ledger, mail, sms, moment=at(4)) is False

    (one,) = failed(ledger, at(5))
    assert ("m1", "email", 3, ("points.expiring", "points.balance_reached")) == (
        one.member,
        one.channel,
        one.tries,
        one.kinds,
    )
    assert "down" in one.why
    assert 1 == len(sms.sent)


def test_what_can_never_be_delivered_is_shown_at_once(ledger: MemoryLedger) -> None:
    """An address that the provider refuses is not tried again."""
    mail = Provider("email", Undeliverable)

    assert told(ledger, mail, moment=at(7))
    assert not told(ledger, mail, moment=at(6))

    (one,) = failed(ledger, at(7))
    assert isinstance(one, FailedNotice)
    assert (1, "down") == (one.tries, one.why)
    assert one.keep_until is not None


def test_a_message_that_kills_its_worker_is_given_up(ledger: MemoryLedger) -> None:
    """Nobody comes back to count, and still it ends: the claim counts the runs."""
    mail = Provider("email", Killed)

    for days in (7, 6, 5):
        assert told(ledger, mail, moment=at(days)) is None
    assert told(ledger, mail, moment=at(4))

    assert ["email"] == [one.channel for one in failed(ledger, at(4))]
    assert not told(ledger, Provider(), moment=at(4, 15))


def test_the_next_lead_begins_anew(ledger: MemoryLedger) -> None:
    """What was given up a month ahead is told again a week ahead, by every channel."""
    mail = Provider("email", NotSent)
    for days in (30, 29, 28):
        told(ledger, mail, moment=at(days))
    mail.fate = None

    assert not told(ledger, mail, moment=at(27))
    assert told(ledger, mail, moment=at(7))

    assert [["points.expiring"]] == mail.kinds


# Whatever happens ----------------------------------------------------------------------------------------------------

FATES = st.sampled_from((None, None, NotSent, Killed, "killed late"))
RUNS = st.lists(st.tuples(st.integers(-3, 200), FATES, FATES), max_size=20)


LOTS = (LAST_DAY, LAST_DAY - timedelta(days=2))
LEADS = (30, 7, 3)
MONTHLY = replace(NOTICES, lead_days=LEADS, notices=replace(NOTICES.notices, tries=50))


@dataclass
class Month:
    """The last month of two lots: what was handed over, and over what a worker died then, by channel, lot and lead."""

    providers: tuple[Provider, ...] = field(default_factory=lambda: (Provider("email"), Provider("sms")))
    program: Program = MONTHLY
    now: datetime = at(31).now
    handed: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    deaths: Counter[tuple[str, str, int]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.ledger = MemoryLedger(self.program)
        for last_day in LOTS:
            give(self.ledger, "m1", 50, last_day)

    def run(self, hours: int, fates: tuple[Any, ...]) -> None:
        """One worker's run, so many hours later."""
        self.now = max(self.now + timedelta(hours=hours), at(31).now)
        for provider, fate in zip(self.providers, fates, strict=True):
            provider.fate, provider.late = (Killed, True) if fate == "killed late" else (fate, False)
            provider.sent.clear()
        told(self.ledger, *self.providers, moment=self.program.moment(self.now), program=self.program)
        for provider in self.providers:
            for facts in (notice.facts for message in provider.sent for notice in message.notices):
                if "lead_days" in facts:
                    known = (provider.channel, facts["lot_expires_on"], facts["lead_days"])
                    self.handed[known] += 1
                    self.deaths[known] += provider.late

    def lost(self) -> list[tuple[str, str, int]]:
        """Leads that are due now of which a channel has neither the reminder nor that of a smaller one."""
        today = self.program.moment(self.now).today
        found = []
        for last_day in (one for one in LOTS if one >= today):
            due = min((lead for lead in LEADS if today >= last_day - timedelta(days=lead)), default=None)
            for channel in ("email", "sms"):
                has = [lead for name, lot, lead in self.handed if (name, lot) == (channel, last_day.isoformat())]
                if due is not None and min(has, default=99) > due:
                    found.append((channel, last_day.isoformat(), due))
        return found


@given(RUNS)
def test_no_channel_gets_a_lead_twice_and_none_is_lost(runs: list[tuple[int, Any, Any]]) -> None:
    """Over runs, failures, deaths and a clock that steps back: what was written down is never sent again.

    A repeat has a death between handing over and writing down before it; what is due in the end goes out then.
    """
    month = Month()

    for hours, *fates in runs:
        if month.now + timedelta(hours=hours) < at(2).now:
            month.run(hours, tuple(fates))
    for _ in range(3):  # a claim of the dead, then what may not be begun on a day of a message
        month.run(12, (None, None))

    assert all(times <= 1 + month.deaths[known] for known, times in month.handed.items())
    assert [] == month.lost()
    assert proved(month.ledger)
