"""Checking a draw from outside: its receipt and the lottery, both as the API gave them, and nothing else.

Neither is trusted, and neither need be well formed: what cannot be read is what does not hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from jifen.domain.drawing import Ticket, fallen_on, hashed, number_of
from jifen.domain.errors import InvalidInput
from jifen.domain.ids import parse_document_id
from jifen.domain.lottery_terms import Prize, Terms, ends_in_refund, line_of, read_terms, terms_hash

Given = Mapping[str, Any]

_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


class Check(NamedTuple):
    """One thing that was looked at: ``holds`` is None where it cannot be told, and ``detail`` says why."""

    name: str
    holds: bool | None
    detail: str


class _Wrong(Exception):
    """It does not hold; the text says how."""


class _Unknown(Exception):
    """It cannot be told; the text says why."""


def verify(receipt: Given, lottery: Given) -> list[Check]:
    """Work a draw out again.

    Args:
        receipt: the answer to a draw, or that of ``GET /v1/draws/{id}``.
        lottery: the answer of ``GET /v1/lotteries/{id}``, once the day of the draw is over.
    """
    proof = _Proof(receipt, lottery)
    steps: dict[str, Callable[[], str]] = {
        "same lottery": proof.same_lottery,
        "same terms": proof.same_terms,
        "attempt": proof.is_an_attempt,
        "secret": proof.has_secret,
        "chain": proof.is_linked,
        "number": proof.has_number,
        "prize": proof.has_prize,
        "outcome": proof.has_outcome,
    }
    found: list[Check] = []
    for name, step in steps.items():
        try:
            found.append(Check(name, True, step()))  # noqa: FBT003 - a field with a name of its own
        except _Wrong as wrong:
            found.append(Check(name, False, str(wrong)))  # noqa: FBT003 - see above
        except _Unknown as unknown:
            found.append(Check(name, None, str(unknown)))
    return found


@dataclass
class _Proof:
    """What was found on the way; None before it is, or where it could not be."""

    receipt: Given
    lottery: Given
    terms: Terms | None = field(default=None, init=False)
    secret: bytes | None = field(default=None, init=False)
    number: int | None = field(default=None, init=False)

    def same_lottery(self) -> str:
        lottery = _text(self.receipt, "lottery_id", "the receipt")
        if lottery != _text(self.lottery, "lottery_id", "the lottery"):
            raise _Wrong("the receipt is of another lottery")
        commitment = _hash(self.receipt, "commitment", "the receipt")
        if commitment != _hash(self.lottery, "commitment", "the lottery"):
            raise _Wrong("the lottery has another commitment than when it was drawn")
        return f"{lottery}, commitment {commitment}"

    def same_terms(self) -> str:
        content = self.lottery.get("terms")
        try:
            # Which currency coupons are in is not in doubt here, only that there is one.
            terms = read_terms(content, "XXX")
        except InvalidInput as wrong:
            message = f"the lottery's terms cannot be read: {wrong.detail}"
            raise _Wrong(message) from wrong
        assert isinstance(content, Mapping), "it was read"
        now, then = terms_hash(content), _hash(self.receipt, "terms_hash", "the receipt")
        if now != then:
            message = f"prizes, odds or cost are not those of the draw: their hash is {now}, on the receipt {then}"
            raise _Wrong(message)
        self.terms = terms
        return f"the hash over prizes, odds and cost is {now}"

    def is_an_attempt(self) -> str:
        terms, attempt = self._terms(), _whole(self.receipt, "attempt", "the receipt")
        if attempt < 1 or (terms.attempts_per_day is not None and attempt > terms.attempts_per_day):
            message = f"attempt {attempt} of a day is not allowed"
            raise _Wrong(message)
        member, draw = _text(self.receipt, "member_id", "the receipt"), _text(self.receipt, "draw_id", "the receipt")
        named = parse_document_id(draw)
        if named is None or named.prefix != "dw" or named.member != member:
            message = f"{draw} is no draw of {member}"
            raise _Wrong(message)
        return f"attempt {attempt} of {member} on {self._day()[0].isoformat()}"

    def has_secret(self) -> str:
        day, number = self._day()
        shown = self.lottery.get("secrets")
        rows = [row for row in shown if isinstance(row, Mapping)] if isinstance(shown, list) else []
        found = [row for row in rows if (repr(row.get("day")), row.get("date")) == (str(number), day.isoformat())]
        if not found:
            message = (
                f"the secret of {day.isoformat()} is not shown yet: ask for the lottery again when that day is over"
            )
            raise _Unknown(message)
        secret = _hash(found[0], "secret", f"day {number}")
        said = self.receipt.get("secret")
        if said is not None and said != secret:
            raise _Wrong("the receipt names another secret than the lottery")
        self.secret = bytes.fromhex(secret)
        return f"that of day {number} is {secret}"

    def is_linked(self) -> str:
        secret, (_, number) = self._secret(), self._day()
        end, commitment = hashed(secret, number).hex(), _hash(self.receipt, "commitment", "the receipt")
        if end != commitment:
            message = f"the secret leads to {end}, not to the commitment: it is not the one that was promised"
            raise _Wrong(message)
        return f"hashed {number} times, the secret is the commitment"

    def has_number(self) -> str:
        secret, (day, _) = self._secret(), self._day()
        ticket = Ticket(
            _text(self.receipt, "lottery_id", "the receipt"),
            day,
            _text(self.receipt, "member_id", "the receipt"),
            _whole(self.receipt, "attempt", "the receipt"),
            _text(self.receipt, "client_seed", "the receipt"),
        )
        number, said = number_of(secret, ticket), _whole(self.receipt, "number", "the receipt")
        if number != said:
            message = f"the number is {number}, not {said}"
            raise _Wrong(message)
        self.number = number
        return f"it is {number}"

    def has_prize(self) -> str:
        prize, first, beyond = fallen_on(self._terms().prizes, self._number())
        said = self.receipt.get("drawn_prize")
        if said != (prize.id if prize else None):
            message = f"the number falls on {prize.id if prize else 'nothing'}, not on {said or 'nothing'}"
            raise _Wrong(message)
        return f"{prize.id if prize else 'nothing'} has the numbers from {first} to {beyond - 1}"

    def has_outcome(self) -> str:
        terms = self._terms()
        drawn, _, _ = fallen_on(terms.prizes, self._number())
        outcome, prize = self.receipt.get("outcome"), self.receipt.get("prize")
        given = None if prize is None else _text(prize if isinstance(prize, Mapping) else {}, "id", "the prize")
        points, cost = (_whole(self.receipt, name, "the receipt") for name in ("points_won", "cost"))
        for said, ends in _ends(terms, drawn).items():
            if said == (outcome, given):
                if (points, cost) != ends:
                    message = f"it wins {ends[0]} points and costs {ends[1]}, not {points} and {cost}"
                    raise _Wrong(message)
                short = "" if given == (drawn.id if drawn else None) else ", because what was drawn was out of stock"
                return f"{outcome}: {given or 'nothing'}, {points} points, at a cost of {cost}{short}"
        message = f"{outcome} with {given or 'no prize'} is not what can come of it"
        raise _Wrong(message)

    # What one step hands on to the next

    def _terms(self) -> Terms:
        if self.terms is None:
            raise _Unknown("the terms are in doubt")
        return self.terms

    def _secret(self) -> bytes:
        if self.secret is None:
            raise _Unknown("the secret is not known")
        return self.secret

    def _number(self) -> int:
        if self.number is None:
            raise _Unknown("the number is in doubt")
        return self.number

    def _day(self) -> tuple[date, int]:
        """The day of the draw, and which of the lottery's it is."""
        terms, text = self._terms(), _text(self.receipt, "day", "the receipt")
        try:
            day = date.fromisoformat(text) if _DAY.fullmatch(text) else None
        except ValueError:
            day = None
        number = (day - terms.first_day).days + 1 if day else 0
        if day is None or not 1 <= number <= terms.days:
            message = f"{text} is no day of the lottery"
            raise _Wrong(message)
        return day, number


def _ends(terms: Terms, drawn: Prize | None) -> dict[tuple[str, str | None], tuple[int, int]]:
    """What a number can come to (outcome, prize), each with the points it wins and what it costs."""
    if drawn is None:
        return {("NOTHING", None): (0, terms.cost)}
    line = list(line_of(terms, drawn))
    ends: dict[tuple[str, str | None], tuple[int, int]] = {("WON", one.id): (one.points, terms.cost) for one in line}
    if line[-1].stock is not None:
        refund = ends_in_refund(terms, drawn)
        ends["REFUNDED" if refund else "NOTHING", None] = (0, 0 if refund else terms.cost)
    return ends


def _text(data: Given, key: str, where: str) -> str:
    value = data.get(key)
    if not isinstance(value, str):
        message = f"{where} names no {key}"
        raise _Wrong(message)
    return value


def _whole(data: Given, key: str, where: str) -> int:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"{where} names no {key}"
        raise _Wrong(message)
    return value


def _hash(data: Given, key: str, where: str) -> str:
    value = _text(data, key, where)
    if not _HASH.fullmatch(value):
        message = f"the {key} of {where} is not 64 hex characters"
        raise _Wrong(message)
    return value
