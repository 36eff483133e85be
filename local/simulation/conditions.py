"""Condition expressions as DynamoDB has them, as far as a ledger of conditional puts needs them.

    or      = and {OR and}            operand  = #name | :value | name
    and     = not {AND not}           function = attribute_exists(path) | attribute_not_exists(path)
    not     = NOT not | primary       primary  = (or) | function | operand comparator operand
                                               | operand BETWEEN operand AND operand

Anything else is refused loudly: an expression that is half understood would make every verdict of the simulation
worthless.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

Item = Mapping[str, Mapping[str, Any]]
Test = Callable[[Item | None, Mapping[str, str], Mapping[str, Any]], bool]
"""Whether an item (None: there is none) meets a condition, given names and values for its placeholders."""

_TOKEN = re.compile(r"\s*(<>|<=|>=|[=<>(),]|[#:]?[A-Za-z0-9_]+)")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class NotUnderstood(Exception):
    """A request that the simulated table does not model; it has to learn it before it can judge."""


@lru_cache(maxsize=256)
def compiled(expression: str) -> Test:
    """The test behind a condition expression.

    Raises:
        NotUnderstood: it holds something that is not modelled.
    """
    parser = _Parser(_tokens(expression), expression)
    test = parser.either()
    if parser.left:
        raise NotUnderstood(expression)
    return test


def _tokens(expression: str) -> list[str]:
    found: list[str] = []
    place = 0
    text = expression.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise NotUnderstood(expression)
        found.append(match[1])
        place = match.end()
    return found


_Read = Callable[[Item | None, Mapping[str, str], Mapping[str, Any]], Any]


class _Parser:
    def __init__(self, tokens: list[str], expression: str) -> None:
        self.left = tokens
        self._expression = expression

    def either(self) -> Test:
        tests = [self._both()]
        while self._takes("OR"):
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda item, names, values: any(t(item, names, values) for t in tests)

    def _both(self) -> Test:
        tests = [self._negated()]
        while self._takes("AND"):
            tests.append(self._negated())
        return tests[0] if len(tests) == 1 else lambda item, names, values: all(t(item, names, values) for t in tests)

    def _negated(self) -> Test:
        if self._takes("NOT"):
            inner = self._negated()
            return lambda item, names, values: not inner(item, names, values)
        return self._primary()

    def _primary(self) -> Test:
        if self._takes("("):
            inner = self.either()
            self._needs(")")
            return inner
        word = self._next()
        if word in {"attribute_exists", "attribute_not_exists"}:
            self._needs("(")
            path = self._next()
            self._needs(")")
            wanted = word == "attribute_exists"
            return lambda item, names, _values: (item is not None and names.get(path, path) in item) is wanted
        return self._comparison(_operand(word))

    def _comparison(self, first: _Read) -> Test:
        sign = self._next()
        if sign == "BETWEEN":
            low = _operand(self._next())
            self._needs("AND")
            return _within(first, low, _operand(self._next()))
        if sign not in _COMPARE:
            raise NotUnderstood(self._expression)
        compare, second = _COMPARE[sign], _operand(self._next())

        def test(item: Item | None, names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
            one, two = first(item, names, values), second(item, names, values)
            return one is not None and two is not None and one[0] == two[0] and compare(one[1], two[1])

        return test

    def _takes(self, word: str) -> bool:
        if self.left and self.left[0] == word:
            self.left.pop(0)
            return True
        return False

    def _needs(self, word: str) -> None:
        if not self._takes(word):
            raise NotUnderstood(self._expression)

    def _next(self) -> str:
        if not self.left:
            raise NotUnderstood(self._expression)
        return self.left.pop(0)


def _within(value: _Read, low: _Read, high: _Read) -> Test:
    def test(item: Item | None, names: Mapping[str, str], values: Mapping[str, Any]) -> bool:
        found = value(item, names, values)
        ends = low(item, names, values), high(item, names, values)
        return found is not None and bool(ends[0] <= found <= ends[1])

    return test


def _operand(word: str) -> _Read:
    if word.startswith(":"):
        return lambda _item, _names, values: _comparable(values[word])
    if not re.match(r"[#A-Za-z_]", word):
        raise NotUnderstood(word)
    return lambda item, names, _values: None if item is None else _attribute(item, names.get(word, word))


def _attribute(item: Item, name: str) -> tuple[str, Any] | None:
    found = item.get(name)
    return None if found is None else _comparable(found)


def _comparable(value: Mapping[str, Any]) -> tuple[str, Any]:
    """Type and content, so that a number and a text are never equal; numbers by value, texts by their UTF-8 bytes."""
    ((kind, content),) = value.items()
    if kind == "N":
        return kind, Decimal(content)
    return (kind, content.encode()) if kind == "S" else (kind, content)
