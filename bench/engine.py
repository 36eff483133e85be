"""What it takes a processor to judge an order by twenty rules: ``python -m bench.engine`` keeps it in ``RESULTS.md``.

    twenty rules, twenty lines ──judge──> points and reasons        no table, no account
                               ──award──> with counters, entry and hash

Milliseconds of this process alone, the best of several rounds: a busy machine only ever makes a round longer. Not
instructions, because the promise is a time.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping

from bench import results, rule_sets
from bench.operations import NOW, order_paid, refunded
from jifen.domain.account import Account, Change
from jifen.domain.awards import award
from jifen.domain.lint.check import check
from jifen.domain.orders import Order, OrderEvent, join
from jifen.domain.program import parse_program
from jifen.domain.rules.engine import Bounds, judge

JUDGE_MS_MAX = 1.0
"""What judging an order of twenty lines by twenty rules may take of a processor."""

ROUNDS = 20
CALLS = 20

MEMBER = "17850"
PROGRAM = rule_sets.published(rule_sets.TWENTY, 1)


def the_order() -> tuple[Order, OrderEvent]:
    """An order of twenty lines in five categories, and the event that paid it."""
    event = order_paid("order", MEMBER, rows=rule_sets.mixed_lines())
    return join(Order("standard", "order"), event).order, event


def best_ms(call: Callable[[], object], rounds: int = ROUNDS, calls: int = CALLS) -> float:
    """Milliseconds of processor time of one call, in the best round."""
    call()
    found = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(calls):
            call()
        found.append(time.process_time() - began)
    return 1_000 * min(found) / calls


def works() -> Mapping[str, Callable[[], object]]:
    """What is timed, by its name in the table."""
    order, event = the_order()
    less = join(order, refunded("order", MEMBER)).order
    rules, moment = PROGRAM.rules, PROGRAM.moment(NOW)
    text = json.dumps(rule_sets.TWENTY)
    return {
        "judge it": lambda: judge(order, rules, rules.on_order, Bounds(), "GBP"),
        "judge it with a part given back": lambda: judge(less, rules, rules.on_order, Bounds(), "GBP"),
        "award it: judge, counters, entry": lambda: award(
            order, event, {MEMBER: Change(Account(MEMBER))}, PROGRAM, moment
        ),
        "read the program": lambda: parse_program(json.loads(text)),
    }


_HEAD = """## Twenty rules, twenty lines

Measured by `python -m bench.engine` on Python {python}: milliseconds of a processor, the best of {rounds} rounds. The
rules are those of `bench/rule_sets.py` (ten rates in an exclusive group, nine of them with a daily limit, six
multipliers, one of them below 1, a ladder, three fixed ones, a limit over all), the order has twenty lines in five
categories, one of them a discount. `tests/bench` fails when judging takes more than {most:g} ms.

| | ms |
|---|---:|
"""


def main() -> None:
    """Measure, print, and keep the table."""
    text = _HEAD.format(python=platform.python_version(), rounds=ROUNDS, most=JUDGE_MS_MAX)
    text += "".join(f"| {name} | {best_ms(work):.2f} |\n" for name, work in works().items())
    checked = best_ms(lambda: check(PROGRAM, NOW.date()), rounds=3, calls=1)
    text += f"| check the program, as every publication does | {checked:.0f} |\n"
    results.put("engine", text)
    print(text)


if __name__ == "__main__":
    main()
