"""Condition expressions: what they mean, and that nothing is half understood."""

from __future__ import annotations

import pytest

from local.simulation.conditions import NotUnderstood, compiled

ITEM = {"pk": {"S": "a"}, "n": {"N": "10"}, "t": {"S": "9"}}
NAMES = {"#n": "n", "#t": "t", "#p": "pk", "#gone": "gone"}
VALUES = {":9": {"N": "9"}, ":10": {"N": "10"}, ":10.0": {"N": "10.0"}, ":nine": {"S": "9"}, ":z": {"S": "z"}}


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("attribute_exists (#p)", True),
        ("attribute_not_exists (#p)", False),
        ("attribute_not_exists (#gone)", True),
        ("#n = :10", True),
        ("#n = :9", False),
        ("#n <> :9", True),
        ("#n > :9", True),  # numbers compare as numbers: as texts, 10 comes before 9
        ("#t = :9", False),  # a text is not a number
        ("#t = :nine", True),
        ("#n >= :10 AND #t = :nine", True),
        ("#n >= :10 AND #t = :z", False),
        ("#n < :9 OR #t = :nine", True),
        ("NOT #n < :9", True),
        ("NOT (#n < :9 OR #t = :nine)", False),
        ("#n < :9 OR #n = :10 AND #t = :z", False),
        ("(#n < :9 OR #n = :10) AND #t = :nine", True),
        ("#n BETWEEN :9 AND :10", True),
        ("#t BETWEEN :nine AND :z AND #n = :9", False),
        ("#gone = :9", False),
        ("#gone <> :9", False),
        ("pk < :z", True),
    ],
)
def test_expressions_mean_what_they_say(expression: str, holds: bool) -> None:  # noqa: FBT001 - the expected answer
    """Comparisons are by type and value, AND binds tighter than OR, what is missing compares to nothing."""
    assert holds is compiled(expression)(ITEM, NAMES, VALUES)


@pytest.mark.parametrize("expression", ["attribute_not_exists (#p)", "attribute_not_exists (#p) OR #n = :9"])
def test_a_missing_item_has_no_attributes(expression: str) -> None:
    """A put on condition that nothing is there goes through where nothing is there."""
    assert compiled(expression)(None, NAMES, VALUES)
    assert not compiled("#n = :10")(None, NAMES, VALUES)


@pytest.mark.parametrize(
    "expression",
    ["", "#n", "#n =", "= :9", "size(#n) > :9", "contains(#t, :z)", "#n = :9 #t", "(#n = :9", "#n IN (:9)", "#n ; :9"],
)
def test_what_is_not_modelled_is_refused(expression: str) -> None:
    """A verdict must not rest on an expression that was half read."""
    with pytest.raises(NotUnderstood):
        compiled(expression)(ITEM, NAMES, VALUES)
