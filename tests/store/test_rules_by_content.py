"""Rules by content: what an award names can be read again, and is stored once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from jifen.domain.errors import LedgerFault
from jifen.domain.program import parse_program
from jifen.domain.ruling import StoredRules, rules_fingerprint
from jifen.service.ports import RulesKey
from jifen.store.dynamo import DynamoLedger
from tests.store.patient import Patient
from tests.store.simulated import new_simulated, simulated_on
from tests.store.values import PROGRAM

RULES = parse_program({"currency": "CNY", "earning": {"rules": [{"id": "tea", "title": "茶", "fixed": 5}]}}).rules
PUBLISHED = replace(RULES, version=7)


@pytest.fixture
def ledger() -> DynamoLedger:
    """An empty ledger."""
    return new_simulated(PROGRAM, 4)


def another(ledger: DynamoLedger) -> DynamoLedger:
    """Another process on the same table."""
    return simulated_on(ledger._settings.name, PROGRAM, 4)


def calls(ledger: DynamoLedger, work: Callable[[], object]) -> list[str]:
    """What is asked of the table while ``work`` is done."""
    asked: list[str] = []

    def note(request: object, **_: object) -> None:
        asked.append(str(request.headers["X-Amz-Target"]).rpartition(".")[2])  # type: ignore[attr-defined]

    ledger.client.meta.events.register("before-send.dynamodb", note)
    work()
    ledger.client.meta.events.unregister("before-send.dynamodb", note)
    return [name.strip("'") for name in asked]


def test_kept_rules_are_read_again(ledger: DynamoLedger) -> None:
    """By any process, equal in all they say, with the number they first had."""
    name = ledger.keep_rules(PUBLISHED, Patient(0))

    found = another(ledger).rules_by(name)

    assert (RULES, 7, RULES.source) == (found, found.version, found.source)
    assert rules_fingerprint(RULES.source) == name


def test_rules_are_looked_up_once_a_process(ledger: DynamoLedger) -> None:
    """The first award under new rules stores them, the first of another process looks, all others ask nothing."""
    other = another(ledger)

    assert ["BatchGetItem", "TransactWriteItems"] == calls(ledger, lambda: ledger.keep_rules(RULES, Patient(0)))
    assert [] == calls(ledger, lambda: ledger.keep_rules(RULES, Patient(0)))
    assert ["BatchGetItem"] == calls(other, lambda: other.keep_rules(RULES, Patient(0)))
    assert [] == calls(other, lambda: other.rules_by(rules_fingerprint(RULES.source)))


def test_published_rules_are_not_looked_up(ledger: DynamoLedger) -> None:
    """They were stored when they were published."""
    ledger.follow(replace(PROGRAM, rules=PUBLISHED))

    assert [] == calls(ledger, lambda: ledger.keep_rules(PUBLISHED, Patient(0)))


def test_two_processes_that_keep_the_same_rules_at_once(ledger: DynamoLedger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The later one finds them there, which is as good."""
    other, load = another(ledger), ledger.load

    def late(*asked: object) -> object:
        found = load(*asked)  # type: ignore[arg-type]
        other.keep_rules(PUBLISHED, Patient(0))
        return found

    monkeypatch.setattr(ledger, "load", late)
    name = ledger.keep_rules(RULES, Patient(0))

    key = RulesKey(name)
    assert StoredRules(name, RULES.source, 7, 1) == load([], [key]).documents[key]


def test_rules_that_nobody_kept_are_a_fault(ledger: DynamoLedger) -> None:
    """An award never names rules that are not there; where it does, the ledger is damaged."""
    with pytest.raises(LedgerFault, match="not in the table"):
        ledger.rules_by("f" * 32)


def test_stored_rules_are_never_written_over(ledger: DynamoLedger) -> None:
    """Under one name there is one text."""
    name = ledger.keep_rules(RULES, Patient(0))
    ledger._rules.clear()
    ledger.keep_rules(replace(RULES, version=9), Patient(0))

    assert 0 == another(ledger).rules_by(name).version
    assert 1 == ledger.load([], [RulesKey(name)]).documents[RulesKey(name)].version
