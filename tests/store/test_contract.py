"""What every ledger promises its use cases, held to by the fake and by DynamoDB on each engine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from jifen.domain.account import Account, Lifetime, OpenHold, Reminded, replay
from jifen.domain.entries import Draft
from jifen.domain.errors import LedgerFault
from jifen.domain.events import Answered, EventReceipt, EventStatus
from jifen.domain.lots import Lot, LotChange
from jifen.domain.orders import Award, Line, Order, Paid, Part
from jifen.domain.program import Program
from jifen.domain.reward_orders import RewardOrder
from jifen.domain.rewards import OrderStatus, Reserved, Stock
from jifen.domain.rules.model import bare
from jifen.domain.ruling import AuditLine, CampaignDraft, RuleVersion
from jifen.service.ports import (
    AUCTIONS,
    CAMPAIGN_DRAFTS,
    LOTTERIES,
    REVIEWS,
    REWARDS,
    RULE_VERSIONS,
    AccountMoved,
    AccountWrite,
    AnsweredKey,
    AuditKey,
    CampaignDraftKey,
    CampaignKey,
    Contact,
    ContactKey,
    Document,
    DocumentKey,
    DocumentMoved,
    EventKey,
    Ledger,
    OnceKey,
    OrderKey,
    Posting,
    ProgramKey,
    RulesKey,
    RuleVersionKey,
    Shelf,
    Sweep,
    UnmatchedKey,
    audit_of,
    deadlines,
    key_of,
    of_member,
    wishes_of,
)
from jifen.store import dynamo
from jifen.store.dynamo import _schema, shard_of
from jifen.store.items import document_keys
from local.engines import Engine
from local.template import table_definition
from tests.functions.quick_moto import quick
from tests.store.mall_values import MALL_DOCUMENTS
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient
from tests.store.simulated import new_simulated, simulated_on
from tests.store.tables import ENGINES, ledger_on, new_ledger, running_engines
from tests.store.values import (
    ACCOUNTS,
    DOCUMENTS,
    DRAFTS,
    LAST_DAY,
    MEMBERS,
    NOW,
    PROGRAM,
    credited,
    draft,
    entry_of,
    kept,
    posted,
)

SHARDS = 4


@dataclass
class Stores:
    """One engine: ``new`` gives an empty ledger, ``shared`` one that its caller must not expect to be alone in."""

    name: str
    new: Callable[[], Ledger]
    shared: Ledger
    again: Callable[[Ledger, Program, int], Ledger]


@pytest.fixture(scope="module", params=ENGINES)
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    """Each engine in turn."""
    name = request.param
    if name == "memory":
        yield Stores(name, lambda: MemoryLedger(PROGRAM, SHARDS), MemoryLedger(PROGRAM, SHARDS), _same_memory)
    elif name == "simulated":

        def another(ledger: Ledger, program: Program, shards: int) -> Ledger:
            return simulated_on(ledger._settings.name, program, shards)  # type: ignore[attr-defined]

        yield Stores(name, lambda: new_simulated(PROGRAM, SHARDS), new_simulated(PROGRAM, SHARDS), another)
    elif name == "moto":
        # In this process, so no longer than this module: it would answer everybody else's clients too.
        with quick(), running_engines() as running:
            yield _stores(name, running[name])
    else:
        yield _stores(name, request.getfixturevalue("running")[name])


def _stores(name: str, engine: Engine) -> Stores:
    def again(ledger: Ledger, program: Program, shards: int) -> Ledger:
        return ledger_on(engine, ledger._settings.name, program, shards)  # type: ignore[attr-defined]

    return Stores(name, lambda: new_ledger(engine, PROGRAM, SHARDS), new_ledger(engine, PROGRAM, SHARDS), again)


def _same_memory(ledger: Ledger, program: Program, shards: int) -> Ledger:
    assert isinstance(ledger, MemoryLedger)
    other = MemoryLedger(program, shards)
    other._accounts, other._entries, other._documents = ledger._accounts, ledger._entries, ledger._documents
    other._dates = ledger._dates
    return other


@pytest.fixture
def ledger(stores: Stores) -> Ledger:
    """A ledger that other tests write to as well."""
    return stores.shared


@pytest.fixture
def member(request: pytest.FixtureRequest) -> str:
    """A member that nobody else in this module uses."""
    return f"m-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]}"


def put(ledger: Ledger, *documents: Document) -> None:
    """Write documents alone."""
    ledger.commit(Posting(documents=documents), Patient(0))


def order(order_id: str, **facts: Any) -> Order:
    """An order of the standard shop."""
    return Order("standard", order_id, **facts)


# What is written comes back ------------------------------------------------------------------------------------------


def test_unknown_member_has_an_empty_account_and_an_unknown_document_is_absent(ledger: Ledger, member: str) -> None:
    """A member nobody has seen has an empty account; a missing document is absent."""
    found = ledger.load([member], [OrderKey("standard", member), ContactKey(member)])

    assert {member: Account(member)} == found.accounts
    assert {} == found.documents


def test_nothing_asked_nothing_found(ledger: Ledger) -> None:
    """An empty read is no error."""
    found = ledger.load([], [])

    assert ({}, {}) == (found.accounts, found.documents)


@pytest.mark.parametrize("name", ACCOUNTS)
def test_account_comes_back_as_it_was(ledger: Ledger, member: str, name: str) -> None:
    """Every shape of account reads as it was written, one revision on."""
    account = replace(ACCOUNTS[name], member=member)

    ledger.commit(Posting((AccountWrite(Account(member), account),)), Patient(0))

    assert kept(account) == ledger.load([member]).accounts[member]


def test_account_keeps_nothing_of_what_it_was(ledger: Ledger, member: str) -> None:
    """A rewritten account loses the lots, holds and marks it no longer has."""
    full = replace(ACCOUNTS["two open holds"], member=member, reminded={LAST_DAY: Reminded(30)})
    bare = Account(member, version=3)
    ledger.commit(Posting((AccountWrite(Account(member), full),)), Patient(0))

    ledger.commit(Posting((AccountWrite(kept(full), bare),)), Patient(0))

    assert replace(bare, revision=2) == ledger.load([member]).accounts[member]


@pytest.mark.parametrize("name", DRAFTS)
def test_entry_comes_back_as_it_was(ledger: Ledger, member: str, name: str) -> None:
    """Every shape of entry reads as it was written, hash and all."""
    entry = entry_of(DRAFTS[name], member)

    ledger.commit(Posting((AccountWrite(Account(member), Account(member, version=1), (entry,)),)), Patient(0))

    assert [entry] == list(ledger.history(member))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_document_comes_back_as_it_was(stores: Stores, name: str) -> None:
    """Every shape of document reads as it was written, one version on."""
    document, ledger = DOCUMENTS[name], stores.new() if stores.name == "memory" else stores.shared
    key = key_of(document)
    version = getattr(ledger.load([], [key]).documents.get(key), "version", 0)

    put(ledger, replace(document, version=version))

    assert replace(document, version=version + 1) == ledger.load([], [key]).documents[key]


@pytest.mark.parametrize("name", MEMBERS)
def test_ids_of_every_script_have_their_own_place(stores: Stores, name: str) -> None:
    """Members, orders and contacts are told apart whatever characters their ids have."""
    ledger = stores.new() if name == MEMBERS[0] else stores.shared
    write = posted(Account(name), draft(3))
    documents = (order(name, cancelled=True), Contact(name, "a@b.example"))

    ledger.commit(Posting((write,), documents), Patient(0))
    found = ledger.load([name, "nobody"], [key_of(document) for document in documents])

    assert {name: kept(write.after), "nobody": Account("nobody")} == found.accounts
    assert {key_of(document): replace(document, version=1) for document in documents} == found.documents
    assert list(write.entries) == list(ledger.history(name))


def test_one_read_takes_many_of_everything(ledger: Ledger, member: str) -> None:
    """Twenty accounts and twenty orders come back in one read, the missing ones too."""
    members = [f"{member}-{number}" for number in range(20)]
    orders = [order(f"{member}-{number}", cancelled=True) for number in range(20)]
    ledger.commit(Posting(tuple(posted(Account(name), draft(1)) for name in members[::2])), Patient(0))
    put(ledger, *orders[::2])

    found = ledger.load(members, [key_of(one) for one in orders])

    assert [1, 0] * 10 == [found.accounts[name].balance for name in members]
    assert {key_of(one) for one in orders[::2]} == set(found.documents)


def test_one_read_takes_more_than_the_table_gives_at_a_time(ledger: Ledger, member: str) -> None:
    """A page of a hundred campaigns, and the twenty in force: DynamoDB hands out a hundred items for one request."""
    orders = [order(f"{member}-{number}", cancelled=True) for number in range(121)]
    put(ledger, *orders[100:])

    found = ledger.load([member], [key_of(one) for one in orders])

    assert {key_of(one) for one in orders[100:]} == set(found.documents)


# What a commit is conditional on -------------------------------------------------------------------------------------


def test_account_is_opened_once(ledger: Ledger, member: str) -> None:
    """Of two commits that both saw no account, the second one is refused."""
    ledger.commit(credited(member, 10), Patient(0))

    with pytest.raises(AccountMoved):
        ledger.commit(credited(member, 20), Patient(0))

    assert 10 == ledger.load([member]).accounts[member].balance


def test_stale_account_is_refused(ledger: Ledger, member: str) -> None:
    """A commit that read an older account writes nothing, and does not wait before it says so."""
    ledger.commit(credited(member, 10), Patient(0))
    seen = ledger.load([member]).accounts[member]
    ledger.commit(Posting((posted(seen, draft(1)),)), Patient(0))
    patience = Patient(5)

    with pytest.raises(AccountMoved):
        ledger.commit(Posting((posted(seen, draft(2)),)), patience)

    assert 11 == ledger.load([member]).accounts[member].balance
    assert [] == patience.pauses


def test_account_that_was_marked_without_an_entry_has_moved(ledger: Ledger, member: str) -> None:
    """A reminder's mark moves the account even though it adds no entry."""
    ledger.commit(credited(member, 10), Patient(0))
    seen = ledger.load([member]).accounts[member]
    marked = replace(seen, reminded={LAST_DAY: Reminded(30, ("email",), "w", NOW)})
    ledger.commit(Posting((AccountWrite(seen, marked),)), Patient(0))

    with pytest.raises(AccountMoved):
        ledger.commit(Posting((posted(seen, draft(2)),)), Patient(0))


def test_account_that_has_vanished_is_not_opened_again(ledger: Ledger, member: str) -> None:
    """A commit that says it read an account is refused where there is none."""
    with pytest.raises(AccountMoved):
        ledger.commit(Posting((posted(Account(member, revision=1), draft(2)),)), Patient(0))


def test_entry_is_never_written_over(ledger: Ledger, member: str) -> None:
    """An entry in place refuses another one with its sequence, even where the account would allow it."""
    first = credited(member, 10)
    ledger.commit(first, Patient(0))
    seen = ledger.load([member]).accounts[member]
    forged = AccountWrite(seen, replace(seen, debt=1), (entry_of(draft(99), member),))

    with pytest.raises(AccountMoved):
        ledger.commit(Posting((forged,)), Patient(0))

    assert list(first.accounts[0].entries) == list(ledger.history(member))
    assert seen == ledger.load([member]).accounts[member]


def test_debit_is_guarded_a_second_time(ledger: Ledger, member: str) -> None:
    """A debit of more than the stored lots hold is refused, though the revision it read is the present one."""
    ledger.commit(credited(member, 10), Patient(0))
    seen = ledger.load([member]).accounts[member]
    claimed = replace(seen, lots=(Lot(1_000, LAST_DAY),))

    with pytest.raises(AccountMoved):
        ledger.commit(Posting((AccountWrite(claimed, replace(seen, lots=())),)), Patient(0))

    assert seen == ledger.load([member]).accounts[member]


@pytest.mark.parametrize("seen_version", [0, 1, 3])
def test_document_in_another_version_is_refused(ledger: Ledger, member: str, seen_version: int) -> None:
    """A document is written only over the version that was read, an older or unborn one and a later one included."""
    put(ledger, order(member))
    put(ledger, order(member, version=1))

    with pytest.raises(DocumentMoved):
        put(ledger, order(member, cancelled=True, version=seen_version))

    assert (
        order(member, version=2)
        == ledger.load([], [OrderKey("standard", member)]).documents[OrderKey("standard", member)]
    )


def test_missing_document_is_not_written_over(ledger: Ledger, member: str) -> None:
    """A commit that says it read a document is refused where there is none."""
    with pytest.raises(DocumentMoved):
        put(ledger, order(member, version=1))


def test_document_wins_where_both_have_moved(ledger: Ledger, member: str) -> None:
    """A duplicate is told apart from contention: when document and account have moved, it is the document."""
    posting = replace(credited(member, 10), documents=(order(member),))
    ledger.commit(posting, Patient(0))

    with pytest.raises(DocumentMoved):
        ledger.commit(posting, Patient(0))


@pytest.mark.parametrize("stale", ["first account", "second account", "document"])
def test_all_or_nothing(ledger: Ledger, member: str, stale: str) -> None:
    """Whatever part of a posting is refused, no other part of it is written."""
    first, second = f"{member}-1", f"{member}-2"
    blocker = {
        "first account": credited(first, 1),
        "second account": credited(second, 1),
        "document": Posting(documents=(order(member),)),
    }[stale]
    ledger.commit(blocker, Patient(0))
    key = OrderKey("standard", member)
    before = ledger.load([first, second], [key])
    both = (*credited(first, 10).accounts, *credited(second, 20).accounts)

    with pytest.raises((AccountMoved, DocumentMoved)):
        ledger.commit(Posting(both, (order(member, cancelled=True),)), Patient(0))

    assert before == ledger.load([first, second], [key])
    assert before.accounts[first].version == len(list(ledger.history(first)))
    assert before.accounts[second].version == len(list(ledger.history(second)))


def test_several_accounts_in_one_posting(ledger: Ledger, member: str) -> None:
    """One posting moves points of several members, with the document behind it."""
    names = [f"{member}-{number}" for number in range(3)]
    writes = tuple(posted(Account(name), draft(5), draft(6)) for name in names)

    ledger.commit(Posting(writes, (order(member),)), Patient(0))
    found = ledger.load(names, [OrderKey("standard", member)])

    assert [11, 11, 11] == [found.accounts[name].balance for name in names]
    assert [list(write.entries) for write in writes] == [list(ledger.history(name)) for name in names]
    assert 1 == len(found.documents)


def test_posting_at_the_limit_fits_and_one_more_does_not(ledger: Ledger, member: str) -> None:
    """A posting of 100 items is written whole; one of 101 is refused before anything is."""
    fits = Posting((posted(Account(member), *[draft(1)] * 99),))
    other = f"{member}-2"

    ledger.commit(fits, Patient(0))
    with pytest.raises(LedgerFault):
        ledger.commit(Posting((posted(Account(other), *[draft(1)] * 100),)), Patient(0))

    assert 99 == ledger.load([member]).accounts[member].balance
    assert Account(other) == ledger.load([other]).accounts[other]


# Integers ------------------------------------------------------------------------------------------------------------

_BAD_NUMBERS: tuple[Any, ...] = (1.5, 2.0, True, "1")


def _bad_account(member: str, field: str, bad: Any) -> Posting:
    life = Lifetime(**{field: bad}) if field in Lifetime.__slots__ else Lifetime()
    account = Account(member, lifetime=life)
    if field not in Lifetime.__slots__:
        account = replace(account, **{field: bad})
    return Posting((AccountWrite(Account(member), account),))


@pytest.mark.parametrize("bad", _BAD_NUMBERS)
@pytest.mark.parametrize("field", ["version", "debt", "earned", "redeemed", "expired", "clawed_back"])
def test_account_keeps_whole_numbers_only(ledger: Ledger, member: str, field: str, bad: Any) -> None:
    """A float, a bool or a text in an account's figures is refused and nothing is written."""
    with pytest.raises(TypeError):
        ledger.commit(_bad_account(member, field, bad), Patient(0))

    assert Account(member) == ledger.load([member]).accounts[member]


@pytest.mark.parametrize("bad", _BAD_NUMBERS)
@pytest.mark.parametrize("field", ["points", "debt", "balance_after"])
def test_entry_keeps_whole_numbers_only(ledger: Ledger, member: str, field: str, bad: Any) -> None:
    """A float, a bool or a text in an entry's figures is refused and nothing is written."""
    entry = entry_of(draft(1), member)
    entry = (
        replace(entry, balance_after=bad)
        if field == "balance_after"
        else replace(entry, draft=replace(entry.draft, **{field: bad}))
    )

    with pytest.raises(TypeError):
        ledger.commit(Posting((AccountWrite(Account(member), Account(member), (entry,)),)), Patient(0))

    assert [] == list(ledger.history(member))


def _held(member: str, bad: Any) -> Posting:
    hold = OpenHold("hd.bQ.x", (Lot(bad, LAST_DAY),), NOW)
    return Posting((AccountWrite(Account(member), Account(member, holds=(hold,))),))


def _lot_change(member: str, bad: Any) -> Posting:
    odd: Draft = replace(draft(1), lots=(LotChange(bad, LAST_DAY),))
    return Posting((AccountWrite(Account(member), Account(member), (entry_of(odd, member),)),))


def _line(member: str, bad: Any) -> Posting:
    return Posting(documents=(order(member, paid=Paid(member, NOW, "CNY", (Line(1, "a", bad),))),))


def _granted(member: str, bad: Any) -> Posting:
    return Posting(documents=(order(member, award=Award(member, (Part(bad, LAST_DAY),), bare(()), None, NOW)),))


@pytest.mark.parametrize("bad", [1.5, 2.0])
@pytest.mark.parametrize("make", [_held, _lot_change, _line, _granted])
def test_packed_numbers_are_whole_as_well(
    stores: Stores, member: str, make: Callable[[str, Any], Posting], bad: float
) -> None:
    """A float is refused inside holds, lot changes, order lines and awards too."""
    with pytest.raises(TypeError):
        stores.shared.commit(make(member, bad), Patient(0))


# Entries -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_history(stores: Stores) -> Iterator[Ledger]:
    """A ledger in which the member "long" has 62 entries, and a neighbour on either side."""
    ledger = stores.new()
    for name in ("lonf", "longer"):
        ledger.commit(credited(name, 1), Patient(0))
    account = Account("long")
    while account.version < 62:
        ledger.commit(Posting((posted(account, *[draft(1)] * 31),)), Patient(0))
        account = ledger.load(["long"]).accounts["long"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamo, "HISTORY_PAGE", 20)
        yield ledger


def test_history_is_every_entry_in_order(long_history: Ledger) -> None:
    """A history longer than any page comes whole, sequence 1 first, and adds up to the account."""
    history = list(long_history.history("long"))
    account = long_history.load(["long"]).accounts["long"]

    assert list(range(1, 63)) == [entry.sequence for entry in history]
    derived = replay("long", history)
    assert account == replace(derived, revision=account.revision, standing=account.standing)


@pytest.mark.parametrize("limit", [1, 7, 31, 61, 62, 63])
def test_pages_of_entries_meet_without_gap_or_overlap(long_history: Ledger, limit: int) -> None:
    """Going page by page, newest first, sees each entry once."""
    seen: list[int] = []
    before: int | None = None if limit > 1 else 6
    for _ in range(70):
        page = long_history.entries("long", before, limit)
        assert len(page.entries) <= limit
        seen += [entry.sequence for entry in page.entries]
        before = seen[-1]
        if not page.more:
            break

    assert list(range(62 if limit > 1 else 5, 0, -1)) == seen


@pytest.mark.parametrize(
    ("before", "expected"), [(None, [62, 61, 60]), (3, [2, 1]), (2, [1]), (1, []), (9_999, [62, 61, 60])]
)
def test_page_below_a_sequence(long_history: Ledger, before: int | None, expected: list[int]) -> None:
    """``before`` is exclusive, may be beyond the newest, and nothing lies below 1."""
    assert expected == [entry.sequence for entry in long_history.entries("long", before, 3).entries]


def test_member_without_entries_has_an_empty_page(ledger: Ledger, member: str) -> None:
    """No entries, no more of them."""
    page = ledger.entries(member, None, 10)

    assert ((), False) == (page.entries, page.more)
    assert [] == list(ledger.history(member))


# Due -----------------------------------------------------------------------------------------------------------------

FAR = date(2099, 12, 31)


def open_with(ledger: Ledger, account: Account) -> Account:
    """Write an account for the first time, and read it back."""
    ledger.commit(Posting((AccountWrite(Account(account.member), account),)), Patient(0))
    return ledger.load([account.member]).accounts[account.member]


def due(ledger: Ledger, sweep: Sweep, through: date, limit: int = 100, shards: int = SHARDS) -> list[str]:
    """Members due in all shards, page by page."""
    found: list[str] = []
    for shard in range(shards):
        cursor: str | None = None
        while True:
            page = ledger.due(sweep, shard, through, cursor, limit)
            assert len(page.members) <= limit
            found += page.members
            cursor = page.cursor
            if cursor is None:
                break
    return found


def test_only_accounts_with_a_date_are_due(stores: Stores) -> None:
    """The index is sparse: nobody is due who has nothing to expire or to be reminded of."""
    ledger = stores.new()
    open_with(ledger, Account("empty"))
    open_with(ledger, Account("for ever", lots=(Lot(5, None),)))
    open_with(ledger, Account("dated", lots=(Lot(5, LAST_DAY),)))
    open_with(ledger, Account("held", holds=(OpenHold("hd.bQ.x", (Lot(5, None),), NOW),)))
    open_with(ledger, Account("told", lots=(Lot(5, LAST_DAY),), reminded={LAST_DAY: Reminded(3)}))

    assert {"dated", "held", "told"} == set(due(ledger, Sweep.EXPIRE, FAR))
    assert {"dated"} == set(due(ledger, Sweep.REMIND, FAR))


def test_due_from_the_first_expired_day(stores: Stores) -> None:
    """A lot is due for expiry the day after its last valid day, for a reminder at its longest lead."""
    ledger = stores.new()
    open_with(ledger, Account("m", lots=(Lot(5, LAST_DAY),)))

    assert ([], ["m"]) == (due(ledger, Sweep.EXPIRE, LAST_DAY), due(ledger, Sweep.EXPIRE, LAST_DAY + timedelta(1)))
    lead = LAST_DAY - timedelta(30)
    assert ([], ["m"]) == (due(ledger, Sweep.REMIND, lead - timedelta(1)), due(ledger, Sweep.REMIND, lead))


@pytest.mark.parametrize(
    ("expires_at", "day"),
    [
        (datetime(2026, 3, 1, 15, 59, 59, tzinfo=UTC), date(2026, 3, 1)),
        (datetime(2026, 3, 1, 16, tzinfo=UTC), date(2026, 3, 2)),
    ],
)
def test_due_day_is_the_programs_own(stores: Stores, expires_at: datetime, day: date) -> None:
    """The day of a hold's end is that of the program's zone: in Shanghai it turns at 16:00 UTC."""
    ledger = stores.new()
    open_with(ledger, Account("m", holds=(OpenHold("hd.bQ.x", (Lot(5, None),), expires_at),)))

    assert ([], ["m"]) == (due(ledger, Sweep.EXPIRE, day - timedelta(1)), due(ledger, Sweep.EXPIRE, day))


def test_due_members_are_counted(stores: Stores) -> None:
    """As many as all pages name, for any day, the last one that there is included; of an empty shard none."""
    ledger = stores.new()
    names = [f"member-{number}" for number in range(40)]
    writes = [
        AccountWrite(Account(name), Account(name, lots=(Lot(1, LAST_DAY + timedelta(number % 3)),)))
        for number, name in enumerate(names)
    ]
    ledger.commit(Posting(tuple(writes)), Patient(0))
    open_with(ledger, Account("for ever", lots=(Lot(5, None),)))

    for through in (LAST_DAY, LAST_DAY + timedelta(1), LAST_DAY + timedelta(2), FAR, date.max):
        counted = sum(ledger.due_count(Sweep.EXPIRE, shard, through) for shard in range(SHARDS))
        assert len(due(ledger, Sweep.EXPIRE, through)) == counted
    assert 41 == counted
    assert 40 == sum(ledger.due_count(Sweep.REMIND, shard, FAR) for shard in range(SHARDS))
    assert 0 == stores.new().due_count(Sweep.EXPIRE, 0, date.max)


def test_a_page_of_due_members_says_how_long_the_first_was_due(stores: Stores) -> None:
    """The day of its first member; a page without members has none."""
    ledger = stores.again(stores.new(), PROGRAM, 1)
    for days, name in enumerate(("c", "b", "a")):
        open_with(ledger, Account(name, lots=(Lot(1, LAST_DAY + timedelta(days)),)))

    first = ledger.due(Sweep.EXPIRE, 0, FAR, None, 2)
    second = ledger.due(Sweep.EXPIRE, 0, FAR, first.cursor, 2)

    assert (LAST_DAY + timedelta(1), LAST_DAY + timedelta(3)) == (first.oldest, second.oldest)
    assert ledger.due(Sweep.EXPIRE, 0, LAST_DAY, None, 2).oldest is None


def test_accounts_under_dates_of_another_program_are_found(stores: Stores) -> None:
    """Those that would stand elsewhere if they were written now, and those that are changed; nobody else."""
    ledger = stores.new()
    dated = open_with(ledger, Account("dated", lots=(Lot(5, LAST_DAY),)))
    plain = open_with(ledger, Account("for ever", lots=(Lot(5, None),)))
    open_with(ledger, Account("empty"))
    members = ("dated", "for ever", "empty", "nobody")
    assert ((), ()) == (ledger.stale(members, lambda one: one).writes, ledger.stale((), lambda one: one).writes)

    other = stores.again(ledger, replace(PROGRAM, lead_days=(60, 30)), SHARDS)
    (write,) = other.stale(members, lambda one: one).writes
    assert (dated, dated) == (write.before, write.after)

    other.commit(Posting((write,)), Patient(0))
    assert () == other.stale(members, lambda one: one).writes
    assert ["dated"] == due(other, Sweep.REMIND, LAST_DAY - timedelta(60))
    assert ["dated"] == [one.before.member for one in ledger.stale(members, lambda one: one).writes]

    def renewed(account: Account) -> Account:
        return replace(account, debt=1) if account.member == "for ever" else account

    assert (AccountWrite(plain, replace(plain, debt=1)),) == other.stale(members, renewed).writes


def test_what_is_stale_is_written_under_its_revision(stores: Stores) -> None:
    """An account that was written meanwhile has moved; nothing of it is lost."""
    ledger = stores.new()
    open_with(ledger, Account("m", lots=(Lot(5, LAST_DAY),)))
    other = stores.again(ledger, replace(PROGRAM, lead_days=(60,)), SHARDS)
    (write,) = other.stale(("m",), lambda one: one).writes
    known = ledger.load(["m"]).accounts["m"]
    ledger.commit(Posting((AccountWrite(known, replace(known, debt=3)),)), Patient(0))

    with pytest.raises(AccountMoved):
        other.commit(Posting((write,)), Patient(0))
    assert 3 == ledger.load(["m"]).accounts["m"].debt


def test_each_account_is_due_in_one_shard(stores: Stores) -> None:
    """Every member is in exactly one shard, soonest first, and no shard of many members is empty."""
    ledger = stores.new()
    names = [f"member-{number}" for number in range(60)]
    writes = [
        AccountWrite(Account(name), Account(name, lots=(Lot(1, LAST_DAY + timedelta(number % 7)),)))
        for number, name in enumerate(names)
    ]
    ledger.commit(Posting(tuple(writes)), Patient(0))

    shards = [list(ledger.due(Sweep.EXPIRE, shard, FAR, None, 100).members) for shard in range(SHARDS)]

    assert sorted(names) == sorted(name for shard in shards for name in shard)
    assert all(shards)
    for shard in shards:
        assert sorted(shard, key=lambda name: (names.index(name) % 7, name)) == shard


def test_pages_of_due_members_meet_without_gap_or_overlap(stores: Stores) -> None:
    """Going page by page sees each due member once, unicode ids and ids with our separator included."""
    ledger = stores.new()
    names = [*MEMBERS, *(f"member-{number}" for number in range(20))]
    writes = [AccountWrite(Account(name), Account(name, lots=(Lot(1, LAST_DAY),))) for name in names]
    ledger.commit(Posting(tuple(writes)), Patient(0))

    for limit in (1, 3, 60):
        assert sorted(names) == sorted(due(ledger, Sweep.EXPIRE, FAR, limit))


def test_what_was_written_down_is_due_no_more(stores: Stores) -> None:
    """A commit moves an account in the index, or out of it."""
    ledger = stores.new()
    later = LAST_DAY + timedelta(31)
    account = open_with(ledger, Account("m", lots=(Lot(5, LAST_DAY), Lot(6, later))))

    ledger.commit(Posting((AccountWrite(account, replace(account, lots=(Lot(6, later),))),)), Patient(0))
    assert [] == due(ledger, Sweep.EXPIRE, later)
    assert ["m"] == due(ledger, Sweep.EXPIRE, later + timedelta(1))

    account = ledger.load(["m"]).accounts["m"]
    ledger.commit(Posting((AccountWrite(account, replace(account, lots=())),)), Patient(0))
    assert [] == due(ledger, Sweep.EXPIRE, FAR)


def test_cursor_outlives_the_account_it_names(stores: Stores) -> None:
    """A page goes on where it stopped although the account there has left the index meanwhile."""
    ledger = stores.new()
    names = [f"member-{number:02d}" for number in range(40)]
    writes = [AccountWrite(Account(name), Account(name, lots=(Lot(1, LAST_DAY),))) for name in names]
    ledger.commit(Posting(tuple(writes)), Patient(0))
    everyone = list(ledger.due(Sweep.EXPIRE, 0, FAR, None, 100).members)

    page = ledger.due(Sweep.EXPIRE, 0, FAR, None, 2)
    for name in page.members:
        account = ledger.load([name]).accounts[name]
        ledger.commit(Posting((AccountWrite(account, replace(account, lots=())),)), Patient(0))
    rest = ledger.due(Sweep.EXPIRE, 0, FAR, page.cursor, 100)

    assert len(everyone) > 4
    assert everyone == [*page.members, *rest.members]


def test_more_shards_lose_nobody(stores: Stores) -> None:
    """When the number of shards grows, accounts written before and after are all found, each once."""
    ledger = stores.new()
    names = [f"member-{number}" for number in range(30)]
    for name in names[:15]:
        open_with(ledger, Account(name, lots=(Lot(1, LAST_DAY),)))
    wider = stores.again(ledger, PROGRAM, SHARDS * 4)
    for name in names[15:]:
        open_with(wider, Account(name, lots=(Lot(1, LAST_DAY),)))

    assert sorted(names) == sorted(due(wider, Sweep.EXPIRE, FAR, shards=SHARDS * 4))


def test_next_dates_follow_the_program(stores: Stores) -> None:
    """After another program has come into force, accounts are due for reminders at its leads."""
    ledger = stores.new()
    ledger.follow(replace(PROGRAM, lead_days=(5,)))
    open_with(ledger, Account("m", lots=(Lot(5, LAST_DAY),)))
    lead = LAST_DAY - timedelta(5)

    assert ([], ["m"]) == (due(ledger, Sweep.REMIND, lead - timedelta(1)), due(ledger, Sweep.REMIND, lead))


# Shelves -------------------------------------------------------------------------------------------------------------


def shelf_of(ledger: Ledger, shelf: Shelf, limit: int) -> list[Document]:
    """All documents of a shelf, page by page."""
    found: list[Document] = []
    cursor: str | None = None
    while True:
        page = ledger.listed(shelf, cursor, limit)
        assert len(page.documents) <= limit
        found += page.documents
        cursor = page.cursor
        if cursor is None:
            return found


def line_at(at: datetime, line_id: str = "x") -> AuditLine:
    """A line of the audit."""
    return AuditLine(line_id, at, "admin:a", "ruleset.published", "ruleset/1")


_VERSIONS = tuple(RuleVersion(number, "f", "{}", "", "a", NOW, 0) for number in (1, 2, 9, 10, 100))
_PREPARED = tuple(CampaignDraft(id_, "{}", "", "", "a", NOW) for id_ in ("a", "b-1", "c.2"))
_LINES = (
    line_at(datetime(2026, 3, 1, tzinfo=UTC)),
    line_at(datetime(2026, 3, 1, 0, 0, 0, 1, tzinfo=UTC)),
    line_at(NOW, "a"),
    line_at(NOW, "b"),
    line_at(datetime(2026, 3, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
)
_WAITING = tuple(
    EventReceipt(member, f"evt-{day}#", "review.scored", NOW + timedelta(day), "f", EventStatus.IN_REVIEW, {})
    for day, member in enumerate(MEMBERS)
)


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
@pytest.mark.parametrize(
    ("shelf", "documents"),
    [
        (RULE_VERSIONS, _VERSIONS[::-1]),
        (CAMPAIGN_DRAFTS, _PREPARED[::-1]),
        (audit_of("2026-03"), _LINES[::-1]),
        (REVIEWS, _WAITING),
    ],
    ids=["rule versions", "campaign drafts", "audit", "reviews"],
)
def test_pages_of_a_shelf_meet_without_gap_or_overlap(
    stores: Stores, shelf: Shelf, documents: tuple[Document, ...], limit: int
) -> None:
    """A shelf lists each of its documents once, in its order, and nothing of the shelves beside it."""
    ledger = stores.new()
    beside = (line_at(NOW + timedelta(31)), line_at(NOW - timedelta(2)), Answered("V#000001", "", 200, {}))
    put(ledger, *_VERSIONS, *_PREPARED, *_LINES, *_WAITING, *beside)
    open_with(ledger, Account("dated", lots=(Lot(5, LAST_DAY),)))

    assert [replace(one, version=1) for one in documents] == shelf_of(ledger, shelf, limit)


_MALL_ORDER = RewardOrder("ro.bQ.a", "m", "cup", "physical", "Cup", NOW, OrderStatus.ADDRESS_DUE)
_AT_A_TIME = tuple(replace(_MALL_ORDER, id=f"ro.bQ.{n}", due=NOW + timedelta(n)) for n in range(5))
_STOCK = Stock("cup", 0, 1, 0, 2, reserved={"ro.bQ.x": Reserved(1, NOW + timedelta(2, 1))})


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize(
    ("shelf", "documents"),
    [
        (REWARDS, ["reward off the shelf", "reward"]),
        (LOTTERIES, ["lottery", "lottery that is paused"]),
        (AUCTIONS, ["auction"]),
        (wishes_of("cup"), ["wish", "wish that was told"]),
        (of_member("coupons", "m"), ["coupon"]),
        (of_member("transfers", "m"), ["transfer"]),
        (of_member("bids", "m"), ["bid"]),
        (of_member("draws", "m"), ["draw"]),
        (of_member("reward orders", "m"), ["reward order with everything", "reward order that is done"]),
    ],
    ids=lambda value: value.name if isinstance(value, Shelf) else "",
)
def test_shelves_of_the_mall_hold_their_own(stores: Stores, shelf: Shelf, documents: list[str], limit: int) -> None:
    """Each shelf of the mall lists its documents once, whatever else is in the table."""
    ledger = stores.new()
    first = {key_of(document): document for document in reversed(list(MALL_DOCUMENTS.values()))}
    put(ledger, *first.values(), *_VERSIONS)

    found = shelf_of(ledger, shelf, limit)

    expected = [replace(MALL_DOCUMENTS[name], version=1) for name in documents]
    assert sorted(map(repr, expected)) == sorted(map(repr, found))
    assert len(found) == len(expected)


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_deadlines_are_listed_up_to_an_instant_the_most_overdue_first(stores: Stores, limit: int) -> None:
    """What is due by then, of every kind, in its order; the sweeps of accounts see none of it."""
    ledger = stores.new()
    put(ledger, *_AT_A_TIME, _STOCK)

    found = shelf_of(ledger, deadlines(NOW + timedelta(3)), limit)

    expected: tuple[RewardOrder | Stock, ...] = (*_AT_A_TIME[:3], _STOCK, _AT_A_TIME[3])
    assert [replace(one, version=1) for one in expected] == found
    assert [] == due(ledger, Sweep.EXPIRE, FAR)
    assert [] == shelf_of(ledger, REVIEWS, 10)


def test_what_is_due_no_more_leaves_the_deadlines(stores: Stores) -> None:
    """A document written without a deadline is not listed any more."""
    ledger = stores.new()
    put(ledger, _AT_A_TIME[0], _STOCK)
    put(ledger, replace(_AT_A_TIME[0], version=1, due=None), replace(_STOCK, version=1, reserved={}))

    assert [] == shelf_of(ledger, deadlines(NOW + timedelta(30)), 10)


@pytest.mark.parametrize("shelf", [RULE_VERSIONS, CAMPAIGN_DRAFTS, audit_of("2026-03"), REVIEWS, REWARDS, AUCTIONS])
def test_a_shelf_may_be_empty(stores: Stores, shelf: Shelf) -> None:
    """Nothing there, nothing more to come."""
    page = stores.new().listed(shelf, None, 10)

    assert ((), None) == (page.documents, page.cursor)


def test_what_was_decided_waits_no_more(stores: Stores) -> None:
    """A decided event leaves the queue, and is found under its key as ever; the sweeps never see either."""
    ledger = stores.new()
    first, second = _WAITING[:2]
    put(ledger, first, second)
    decided = replace(first, version=1, status=EventStatus.REJECTED, decided_by="operator:a")

    put(ledger, decided)

    assert [replace(second, version=1)] == shelf_of(ledger, REVIEWS, 10)
    assert replace(decided, version=2) == ledger.load([], [key_of(first)]).documents[key_of(first)]
    assert [] == due(ledger, Sweep.EXPIRE, FAR)


def test_the_queue_goes_on_behind_what_was_decided(stores: Stores) -> None:
    """A page goes on where it stopped although the event there was decided meanwhile."""
    ledger = stores.new()
    put(ledger, *_WAITING)

    page = ledger.listed(REVIEWS, None, 2)
    put(ledger, replace(_WAITING[1], version=1, status=EventStatus.AWARDED))

    assert [replace(one, version=1) for one in _WAITING[2:]] == list(ledger.listed(REVIEWS, page.cursor, 10).documents)


def test_keys_of_different_kinds_are_never_equal() -> None:
    """Keys are tuples; those of two kinds of document stay apart whatever their parts are."""
    same: tuple[DocumentKey, ...] = (
        OrderKey("x", "x"),
        ContactKey("x"),
        EventKey("x", "x"),
        OnceKey("x", "x", "x"),
        AnsweredKey("x"),
        CampaignKey("x"),
        CampaignDraftKey("x"),
        RuleVersionKey(1),
        ProgramKey(),
        RulesKey("x"),
        AuditKey(NOW, "x"),
    )

    assert len(same) == len(set(same)) == len({document_keys(key) for key in same})


# The table -----------------------------------------------------------------------------------------------------------


def test_store_and_template_draw_the_same_table() -> None:
    """What the store believes of keys and indexes is what the template makes."""
    believed, made = _schema("t"), table_definition()

    assert made["KeySchema"] == believed["KeySchema"]
    assert _sorted(made["AttributeDefinitions"], "AttributeName") == _sorted(
        believed["AttributeDefinitions"], "AttributeName"
    )
    assert {index["IndexName"]: index["KeySchema"] for index in made["GlobalSecondaryIndexes"]} == {
        index["IndexName"]: index["KeySchema"] for index in believed["GlobalSecondaryIndexes"]
    }


def _sorted(rows: list[dict[str, str]], name: str) -> list[dict[str, str]]:
    return sorted(rows, key=lambda row: row[name])


def test_shards_are_stable() -> None:
    """A member's shard never changes between releases: these are the shards of today."""
    assert [5, 7, 9, 0] == [shard_of(member, 16) for member in ("12346", "17850", "m1", "会员")]


def test_unmatched_refund_is_kept_under_its_refund() -> None:
    """Two deliveries of one refund that names no order meet in one document."""
    assert UnmatchedKey("standard", "r1") == key_of(DOCUMENTS["unmatched refund"])
