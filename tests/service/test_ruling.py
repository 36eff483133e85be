"""Drafting, publishing and rolling back versions of the program."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import time
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jifen.domain.errors import (
    IdempotencyKeyReused,
    InvalidProgram,
    LintBlocks,
    RuleSetNotFound,
    RulesMoved,
    WrongStatus,
)
from jifen.domain.notice_terms import CHANNELS, NO_NOTICES, OPEN_MINUTES_MIN, NoticeTerms, QuietHours
from jifen.domain.program import ClawbackPolicy, HoldTerms, Program, RedemptionTerms, parse_program
from jifen.domain.ruling import Change, RuleStatus, RuleVersion, StoredRules, changes, rules_fingerprint
from jifen.domain.terms import LineShare, MallTerms, SecurityTerms, TransferTerms, Worth
from jifen.service import ruling
from jifen.service.ports import RulesKey, RuleVersionKey
from jifen.service.ruling import canonical, plain
from tests.service.ledgers import Forgetful, Raced
from tests.service.operator import OWN, Found, Office
from tests.store.memory_ledger import MemoryLedger

DOUBLE: dict[str, Any] = {"earning": {"rules": [{"id": "base", "rate": {"points": 2, "per_minor": 100}}]}}
TRIPLE: dict[str, Any] = {"earning": {"rules": [{"id": "base", "rate": {"points": 3, "per_minor": 100}}]}}


@pytest.fixture
def office(ledger: MemoryLedger) -> Office:
    """An office where nothing was ever published."""
    return Office(ledger)


def published(office: Office, data: dict[str, Any]) -> int:
    """Draft and publish; the number."""
    number = int(ruling.draft(office.desk(), data, "a note")["number"])
    ruling.publish(office.desk(), number, "because", None, rebase=False)
    return number


# Drafts --------------------------------------------------------------------------------------------------------------


def test_a_draft_changes_nothing(office: Office) -> None:
    """A draft has a number, says how it differs from what is in force, and is not in force."""
    answer = ruling.draft(office.desk(actor="operator:o"), DOUBLE, "twice as much")

    assert (1, "DRAFT", False, 0) == (answer["number"], answer["status"], answer["in_force"], answer["based_on"])
    assert ("operator:o", "twice as much") == (answer["by"], answer["note"])
    assert 0 == office.in_force().number
    assert OWN == parse_program(ruling.program_view(office.desk())["program"])
    assert ["ruleset.drafted ruleset/1"] == office.deeds()


def test_drafts_are_numbered_without_gaps(office: Office) -> None:
    """Each draft has the next number, whatever was published between."""
    numbers = [ruling.draft(office.desk(), DOUBLE, "")["number"], published(office, TRIPLE)]
    numbers.append(ruling.draft(office.desk(), DOUBLE, "")["number"])

    assert [1, 2, 3] == numbers


def test_two_drafts_at_once_get_numbers_of_their_own(ledger: MemoryLedger) -> None:
    """A writer who was overtaken takes the number after."""
    other = Office(ledger)
    office = Office(Raced(ledger, lambda _: ruling.draft(other.desk("theirs"), TRIPLE, "theirs")))

    assert 2 == ruling.draft(office.desk("ours"), DOUBLE, "ours")["number"]
    assert "theirs" == ruling.rule_set_view(office.desk(), 1)["note"]


def test_faults_are_named_all_at_once_and_nothing_is_kept(office: Office) -> None:
    """A program that cannot be read is refused with each path."""
    with pytest.raises(InvalidProgram) as refused:
        ruling.draft(office.desk(), {"expirey": {}, "clawback": "often"}, "")

    assert ["expirey", "clawback"] == [fault.field for fault in refused.value.faults]
    assert [] == office.deeds()


def test_a_draft_shows_what_the_check_found(office: Office) -> None:
    """Findings are said with the draft, errors too; they block only when it is published."""
    office.found = (Found(), Found("CHEAP", "warning"))

    answer = ruling.draft(office.desk(), DOUBLE, "")

    assert ["REFUND_LOOP", "CHEAP"] == [finding["code"] for finding in answer["findings"]]


def test_a_program_without_a_time_zone_has_the_stacks_own(office: Office) -> None:
    """Days go on being counted as before, whatever the stack's parameter becomes."""
    ruling.draft(office.desk(), DOUBLE, "")

    assert "Asia/Shanghai" == ruling.rule_set_view(office.desk(), 1)["program"]["time_zone"]


# Publishing ----------------------------------------------------------------------------------------------------------


def test_publishing_puts_a_version_in_force(office: Office) -> None:
    """In force, stored by content, audited and answered, all at once."""
    number = int(ruling.draft(office.desk(), DOUBLE, "")["number"])

    answer = ruling.publish(office.desk(actor="admin:b"), number, "festival", None, rebase=False)

    whole = {"time_zone": "Asia/Shanghai", **DOUBLE}
    rules = parse_program(whole).rules
    assert ("PUBLISHED", True) == (answer["status"], answer["in_force"])
    assert ("admin:b", "festival") == (answer["published_by"], answer["reason"])
    assert (1, 1, 0) == (office.in_force().number, office.in_force().highest, office.in_force().previous)
    assert whole == json.loads(office.in_force().program)
    print_ = rules_fingerprint(rules.source)
    assert StoredRules(print_, rules.source, 1, 1) == office.document(RulesKey(print_))
    assert ["ruleset.drafted ruleset/1", "ruleset.published ruleset/1"] == office.deeds()
    assert "festival" == office.audit()[-1].reason


def test_what_changes_is_said_by_path(office: Office) -> None:
    """The answer of a publication shows each difference to what was in force before."""
    published(office, DOUBLE)
    number = int(ruling.draft(office.desk(), TRIPLE, "")["number"])

    answer = ruling.publish(office.desk(), number, "", None, rebase=False)

    assert [{"path": "earning.rules[base].rate.points", "old": 2, "new": 3}] == answer["changes"]


def test_what_is_long_is_not_shown_whole(office: Office) -> None:
    """An answer is kept with the request, so it stays short; the version itself is read whole."""
    rules = [{"id": f"r{number}", "title": "x" * 120, "fixed": 5} for number in range(100)]
    published(office, {"earning": {"rules": rules}})
    long = [
        {"id": f"s{number}", "title": "x" * 100, "fixed": 5, "when": {"product": ["y" * 100] * 9}}
        for number in range(99)
    ]

    changes_ = ruling.draft(office.desk(), {"earning": {"rules": long}}, "")["changes"]

    assert 199 == len(changes_)
    assert len(json.dumps(changes_)) < 80_000
    assert rules[0] == changes_[0]["old"]
    assert [None, "(1097 characters)"] == [changes_[-1]["old"], changes_[-1]["new"]]
    assert 99 == len(ruling.rule_set_view(office.desk(), 2)["program"]["earning"]["rules"])  # type: ignore[index]


def test_a_version_is_published_once(office: Office) -> None:
    """A published version is no draft any more."""
    number = published(office, DOUBLE)

    with pytest.raises(WrongStatus):
        ruling.publish(office.desk(), number, "", None, rebase=True)


def test_there_is_no_version_of_that_number(office: Office) -> None:
    """Publishing, reading and rolling back name what is missing."""
    for ask in (
        lambda: ruling.publish(office.desk(), 7, "", None, rebase=False),
        lambda: ruling.roll_back(office.desk(), 7, ""),
        lambda: ruling.rule_set_view(office.desk(), 7),
    ):
        with pytest.raises(RuleSetNotFound):
            ask()


def test_a_draft_made_on_another_version_is_not_published_unseen(office: Office) -> None:
    """It would take back what was published meanwhile; with rebase that is meant."""
    draft = int(ruling.draft(office.desk(), DOUBLE, "")["number"])
    published(office, TRIPLE)

    with pytest.raises(RulesMoved) as refused:
        ruling.publish(office.desk(), draft, "", None, rebase=False)
    assert {"based_on": 0, "in_force": 2} == refused.value.facts()

    ruling.publish(office.desk(), draft, "", None, rebase=True)
    assert (1, 2, 2) == (office.in_force().number, office.in_force().highest, office.in_force().previous)


def test_a_publication_that_is_overtaken_is_not_published_unseen(ledger: MemoryLedger) -> None:
    """Also where the other one comes between the look and the commit."""
    other = Office(ledger)
    ruling.draft(other.desk("1"), DOUBLE, "")
    ruling.draft(other.desk("2"), TRIPLE, "")
    office = Office(Raced(ledger, lambda _: ruling.publish(other.desk("3"), 2, "", None, rebase=False)))

    with pytest.raises(RulesMoved):
        ruling.publish(office.desk(), 1, "", None, rebase=False)

    assert 2 == other.in_force().number


def test_an_error_of_the_check_blocks(office: Office) -> None:
    """Nothing is published against the check, and the refusal shows the whole finding."""
    office.found = (Found(), Found("CHEAP", "warning"))
    number = int(ruling.draft(office.desk(), DOUBLE, "")["number"])

    with pytest.raises(LintBlocks) as refused:
        ruling.publish(office.desk(), number, "", None, rebase=False)

    facts: Any = refused.value.facts()
    (finding,) = facts["findings"]
    assert ("REFUND_LOOP", ["buy", "refund"], 5) == (finding["code"], finding["story"], finding["gain_points"])
    assert 0 == office.in_force().number


def test_an_override_is_kept_with_its_reason(office: Office) -> None:
    """Who overrides says why: on the version and in the audit."""
    office.found = (Found(),)
    number = int(ruling.draft(office.desk(), DOUBLE, "")["number"])

    answer = ruling.publish(office.desk(), number, "festival", "we watch it", rebase=False)

    assert "we watch it" == answer["override"]
    assert {"was": 0, "findings": ["REFUND_LOOP"], "override": "we watch it"} == office.audit()[-1].details


def test_a_warning_does_not_block(office: Office) -> None:
    """Warnings are told; and an override that nothing asked for is not kept as one."""
    office.found = (Found("CHEAP", "warning"),)
    number = int(ruling.draft(office.desk(), DOUBLE, "")["number"])

    answer = ruling.publish(office.desk(), number, "", "just in case", rebase=False)

    assert (["CHEAP"], None) == ([finding["code"] for finding in answer["findings"]], answer["override"])


def test_the_same_rules_are_stored_once(office: Office) -> None:
    """Two versions with the same rules share them; they keep the number they first had."""
    published(office, DOUBLE)
    published(office, DOUBLE | {"clawback": "clamp"})

    rules = parse_program({"time_zone": "Asia/Shanghai", **DOUBLE}).rules
    stored = office.document(RulesKey(rules_fingerprint(rules.source)))
    assert isinstance(stored, StoredRules)
    assert (1, 1) == (stored.number, stored.version)


# The same request again ----------------------------------------------------------------------------------------------


def test_the_same_request_gets_the_same_answer(office: Office) -> None:
    """A draft and a publication sent twice are made once."""
    first = ruling.draft(office.desk("k"), DOUBLE, "")
    done = ruling.publish(office.desk("p"), 1, "", None, rebase=False)

    assert first == ruling.draft(office.desk("k"), DOUBLE, "")
    assert done == ruling.publish(office.desk("p"), 1, "", None, rebase=False)
    assert ["ruleset.drafted ruleset/1", "ruleset.published ruleset/1"] == office.deeds()


def test_another_request_under_the_same_key_is_refused(office: Office) -> None:
    """A key belongs to one request, of whatever kind."""
    ruling.draft(office.desk("k"), DOUBLE, "")

    with pytest.raises(IdempotencyKeyReused):
        ruling.draft(office.desk("k"), TRIPLE, "")
    with pytest.raises(IdempotencyKeyReused):
        ruling.publish(office.desk("k"), 1, "", None, rebase=False)


def test_keys_of_two_callers_do_not_meet(office: Office) -> None:
    """Another caller's key of the same text is another key."""
    ruling.draft(office.desk("k"), DOUBLE, "")

    assert 2 == ruling.draft(office.desk("k", actor="admin:b"), TRIPLE, "")["number"]


def test_a_lost_answer_is_given_again(ledger: MemoryLedger) -> None:
    """What was written although its answer was lost is answered, and not refused as done already."""
    ruling.draft(Office(ledger).desk("d"), DOUBLE, "")
    office = Office(Forgetful(ledger))

    answer = ruling.publish(office.desk("p"), 1, "festival", None, rebase=False)

    assert "PUBLISHED" == answer["status"]
    assert ["ruleset.drafted ruleset/1", "ruleset.published ruleset/1"] == office.deeds()


# The way back --------------------------------------------------------------------------------------------------------


def test_rolling_back_puts_an_earlier_version_in_force(office: Office) -> None:
    """The earlier program counts again; nothing is renumbered and nothing is lost."""
    first, second = published(office, DOUBLE), published(office, TRIPLE)

    answer = ruling.roll_back(office.desk(), first, "too generous")

    assert (first, True) == (answer["number"], answer["in_force"])
    assert (first, second, second) == (
        office.in_force().number,
        office.in_force().highest,
        office.in_force().previous,
    )
    assert {"time_zone": "Asia/Shanghai", **DOUBLE} == ruling.program_view(office.desk())["program"]
    assert "ruleset.rolled_back ruleset/1" == office.deeds()[-1]
    assert [{"path": "earning.rules[base].rate.points", "old": 3, "new": 2}] == answer["changes"]


def test_rolling_back_to_the_stacks_own(office: Office) -> None:
    """Version 0 is what counted before anything was published."""
    published(office, DOUBLE)

    answer = ruling.roll_back(office.desk(), 0, "")

    assert (0, True) == (answer["number"], answer["in_force"])
    assert (0, "") == (office.in_force().number, office.in_force().program)
    assert OWN == parse_program(ruling.program_view(office.desk())["program"])


def test_only_a_published_version_is_gone_back_to(office: Office) -> None:
    """A draft was never in force, and what is in force needs no way back."""
    first = published(office, DOUBLE)
    draft = int(ruling.draft(office.desk(), TRIPLE, "")["number"])

    for number, status in ((draft, "DRAFT"), (first, "IN_FORCE")):
        with pytest.raises(WrongStatus) as refused:
            ruling.roll_back(office.desk(), number, "")
        assert status == refused.value.facts()["status_now"]


# The whole file ------------------------------------------------------------------------------------------------------


def test_a_file_put_is_in_force_at_once(office: Office) -> None:
    """It becomes a version like any other, published and audited."""
    view = ruling.put(office.desk(key=""), DOUBLE, "moved over", None)

    version = office.document(RuleVersionKey(1))
    assert isinstance(version, RuleVersion)
    assert (1, RuleStatus.PUBLISHED, "moved over") == (view["number"], version.status, version.reason)
    assert {"time_zone": "Asia/Shanghai", **DOUBLE} == view["program"]
    assert ["ruleset.published ruleset/1"] == office.deeds()


def test_the_same_file_put_again_changes_nothing(office: Office) -> None:
    """Also in another order of keys, with or without the time zone, and after a lost answer."""
    first = ruling.put(office.desk(), DOUBLE, "", None)
    office.ledger = Forgetful(office.ledger) if isinstance(office.ledger, MemoryLedger) else office.ledger

    assert first == ruling.put(office.desk(), {**DOUBLE, "time_zone": "Asia/Shanghai"}, "again", None)
    assert 2 == ruling.put(office.desk(), TRIPLE, "", None)["number"]
    assert ["ruleset.published ruleset/1", "ruleset.published ruleset/2"] == office.deeds()


def test_a_file_put_is_checked(office: Office) -> None:
    """The check blocks it like any publication."""
    office.found = (Found(),)

    with pytest.raises(LintBlocks):
        ruling.put(office.desk(), DOUBLE, "", None)

    assert 1 == ruling.put(office.desk(), DOUBLE, "", "we watch it")["number"]


# Reading -------------------------------------------------------------------------------------------------------------


def test_versions_are_listed_newest_first(office: Office) -> None:
    """Page by page, with the one in force marked."""
    for data in (DOUBLE, TRIPLE, DOUBLE):
        published(office, data)
    ruling.roll_back(office.desk(), 2, "")

    first = ruling.rule_sets_view(office.desk(), None, 2)
    rest = ruling.rule_sets_view(office.desk(), first["cursor"], 2)

    assert [(3, False), (2, True)] == [(one["number"], one["in_force"]) for one in first["rulesets"]]
    assert ([(1, False)], None) == ([(one["number"], one["in_force"]) for one in rest["rulesets"]], rest["cursor"])
    assert 2 == first["in_force"]


def test_the_stacks_own_program_can_be_read_as_version_0(office: Office) -> None:
    """What is in force before anything is published has no author, and is itself."""
    view = ruling.rule_set_view(office.desk(), 0)

    assert (0, True, None, []) == (view["number"], view["in_force"], view["at"], view["changes"])
    assert OWN == parse_program(view["program"])


most = st.none() | st.integers(0, 10**12)
shares = st.integers(0, 10**9).map(lambda parts: Fraction(parts, 10**9))


def _minutes(start: time, end: time) -> int:
    """Minutes from one reading of the clock to the next time of the other."""
    return ((end.hour - start.hour) * 60 + end.minute - start.minute) % (24 * 60)


clock = st.builds(time, st.integers(0, 23), st.integers(0, 59))
hours = st.builds(QuietHours, clock, clock).filter(
    lambda one: one.start != one.end and _minutes(one.end, one.start) >= OPEN_MINUTES_MIN
)
programs = st.builds(
    Program,
    clawback=st.sampled_from(ClawbackPolicy),
    redemption=st.builds(
        RedemptionTerms,
        worth=st.builds(Worth, st.integers(1, 10**9)),
        min_points=st.integers(1, 10**12),
        step_points=st.integers(1, 10**12),
        max_order_share=st.none() | shares,
        max_points_per_order=most,
        max_points_per_day=most,
        times_per_day=most,
        needs_order=st.booleans(),
        lines=st.lists(st.builds(LineShare, shares, st.just(("books",))), max_size=3).map(tuple),
        expired_on_restore=st.sampled_from(["lapse", "grace"]),
        grace_days=st.integers(0, 3_650),
    ),
    transfers=st.builds(
        TransferTerms, st.booleans(), st.just(1), st.none() | st.integers(1, 10**12), most, most, most, most
    ),
    mall=st.builds(MallTerms, most, most, st.integers(1, 365), st.integers(1, 43_200), st.integers(1, 1_440)),
    security=st.builds(SecurityTerms, most, st.integers(1, 100), st.integers(1, 43_200)),
    holds=st.integers(1, 86_400).flatmap(lambda usual: st.builds(HoldTerms, st.just(usual), st.integers(usual, 10**6))),
    lead_days=st.lists(st.integers(0, 3_650), unique=True, max_size=20).map(lambda days: tuple(sorted(days)[::-1])),
    notices=st.just(NO_NOTICES)
    | st.builds(
        NoticeTerms,
        balance_reached=st.lists(st.integers(1, 10**12), unique=True, max_size=5).map(lambda some: tuple(sorted(some))),
        tier_reached=st.booleans(),
        tier_at_risk_days=st.none() | st.integers(0, 366),
        reward_affordable=st.booleans(),
        quiet_hours=st.none() | hours,
        once_a_day=st.booleans(),
        per_second=st.dictionaries(st.sampled_from(CHANNELS), st.integers(1, 10_000)),
        tries=st.integers(1, 50),
        imprint=st.sampled_from(["", "Shop Ltd, 1 High Street, London"]),
    ),
)


LESS: dict[str, Any] = {"earning": {"campaigns": [{"id": "less", "exchange": {"by": "0.80", "kinds": ["virtual"]}}]}}


@given(programs, st.sampled_from([{}, DOUBLE, LESS, {"currency": "CNY"}, {"time_zone": "Europe/London"}]))
def test_a_program_is_written_as_it_was_read(terms: Program, data: dict[str, Any]) -> None:
    """``parse_program(plain(program)) == program`` for whatever a file can say."""
    read = parse_program(data)
    program = replace(terms, zone=read.zone, currency=read.currency, rules=read.rules, expiry=read.expiry)

    assert program == parse_program(plain(program))
    again = parse_program(json.loads(canonical(plain(program))))
    assert program == again
    assert (program.notices is NO_NOTICES) == (again.notices is NO_NOTICES), "a section alone has a meaning"


# Differences ---------------------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["id", "a", "b"]), inner, max_size=3)
        | st.lists(st.fixed_dictionaries({"id": st.sampled_from("xyz"), "v": inner}), max_size=3)
    ),
    max_leaves=8,
)


@given(json_values, json_values)
def test_what_differs_is_found_and_nothing_else(old: Any, new: Any) -> None:
    """There are differences exactly where two values are not the same."""
    assert not list(changes(old, old))
    assert bool(list(changes(old, new))) == (old != new)


def test_differences_name_rules_by_id() -> None:
    """A rule that was put first moves none of the others."""
    old = {"rules": [{"id": "a", "fixed": 1}, {"id": "b", "fixed": 2}]}
    new = {"rules": [{"id": "new", "fixed": 9}, {"id": "b", "fixed": 3}, {"id": "a", "fixed": 1}]}

    assert [
        Change("rules[b].fixed", 2, 3),
        Change("rules[new]", None, {"id": "new", "fixed": 9}),
        Change("rules[]", ["a", "b"], ["b", "a"]),
    ] == list(changes(old, new))
