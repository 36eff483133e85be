"""Refusals: codes, sentences and facts."""

from __future__ import annotations

import json

import pytest

from jifen.domain import errors
from jifen.domain.errors import (
    AccountFrozen,
    Busy,
    Fault,
    HoldAlreadyResolved,
    InsufficientPoints,
    InvalidInput,
    InvalidProgram,
    LimitReached,
    Refusal,
)
from tests.domain.builders import instant

CLASSES = [thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, Refusal)]


@pytest.mark.parametrize("refusal", CLASSES)
def test_every_refusal_has_a_code_and_a_sentence_of_its_own(refusal: type[Refusal]) -> None:
    """A code is capitals and underscores, belongs to one class, and the title is a sentence."""
    assert refusal.code.replace("_", "").isupper()
    assert 1 == sum(other.code == refusal.code for other in CLASSES)
    assert refusal.title().endswith(".")


@pytest.mark.parametrize(
    ("refusal", "code", "facts"),
    [
        (InsufficientPoints(asked=500, available=120), "INSUFFICIENT_POINTS", {"asked": 500, "available": 120}),
        (AccountFrozen(account_status="FROZEN"), "ACCOUNT_FROZEN", {"account_status": "FROZEN"}),
        (HoldAlreadyResolved(status="VOIDED"), "HOLD_ALREADY_RESOLVED", {"hold_status": "VOIDED"}),
        (Busy(retry_after_s=3), "BUSY", {"retry_after_s": 3}),
        (
            LimitReached(limit="cap", points=9, resets_at=instant("2026-01-01T00:00:00Z")),
            "LIMIT_REACHED",
            {"limit": "cap", "allowed": 9, "resets_at": "2026-01-01T00:00:00+00:00"},
        ),
        (
            InvalidInput([Fault("points", "is not a number")]),
            "INVALID_REQUEST",
            {"errors": [{"field": "points", "problem": "is not a number"}]},
        ),
    ],
)
def test_refusals_carry_what_the_caller_needs(refusal: Refusal, code: str, facts: dict[str, object]) -> None:
    """Code and facts are those of the contract and can be written as JSON."""
    assert (code, facts) == (refusal.code, refusal.facts())
    assert facts == json.loads(json.dumps(refusal.facts()))


def test_the_detail_is_the_title_unless_there_is_more_to_say() -> None:
    """A refusal without numbers repeats its sentence; one with numbers names them."""
    assert AccountFrozen.title() == AccountFrozen().detail == str(AccountFrozen())
    assert "500 points were asked for and 120 are available." == InsufficientPoints(asked=500, available=120).detail


def test_a_long_list_of_faults_is_cut() -> None:
    """A caller who gets everything wrong does not get an endless answer, but the code keeps every fault."""
    faults = [Fault(f"lines[{number}]", "is wrong") for number in range(100)]
    refusal = InvalidProgram(faults)
    errors_shown = refusal.facts()["errors"]
    assert isinstance(errors_shown, list)
    assert (20, 100) == (len(errors_shown), len(refusal.faults))
    assert 5 == refusal.detail.count("is wrong")
