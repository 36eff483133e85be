"""Twenty rules on an order of twenty lines are judged in less than a millisecond of a processor."""

from __future__ import annotations

from bench.engine import JUDGE_MS_MAX, PROGRAM, best_ms, the_order, works
from bench.rule_sets import ORDER_LINES, RULES
from jifen.domain.rules.engine import Bounds, judge


def test_twenty_rules_are_judged_within_their_time() -> None:
    """Processor time of this process, the best of several rounds, so that nothing else on the machine counts."""
    assert best_ms(works()["judge it"]) < JUDGE_MS_MAX


def test_a_refund_is_judged_within_three_times_that() -> None:
    """What is left is judged again for each bound and choice that a refund could turn in its favour."""
    assert best_ms(works()["judge it with a part given back"]) < 3 * JUDGE_MS_MAX


def test_what_is_timed_is_twenty_rules_that_meet() -> None:
    """Every rule is asked; rates share the lines, limits and multipliers take part, and not one line is alone."""
    order, _ = the_order()
    verdict = judge(order, PROGRAM.rules, PROGRAM.rules.on_order, Bounds(), "GBP")
    assert order.paid is not None

    assert (20, 20) == (len(PROGRAM.rules.on_order), len(order.paid.lines))
    assert (len(RULES), ORDER_LINES) == (20, 20)
    assert {rule["id"] for rule in RULES} == {line["rule"] for line in verdict.why if "rule" in line}
    assert {"more-9", "books-more", "large", "first"} <= verdict.grants.keys()
    assert ["tea-less"] == [line["rule"] for line in verdict.why if "lowers" in line]
