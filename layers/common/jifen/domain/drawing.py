"""How a draw is decided, so that anybody can work it out again.

    commitment = H(secret of day 1)     secret of day n = H(secret of day n + 1)     H is SHA-256 over the 32 bytes

    block i = HMAC-SHA256(secret of the day, JSON of [lottery, day, member, attempt, client seed, i])
    number  = the first 30 bits of the first block, from i = 0 on, whose first 30 bits are below 1,000,000,000

JSON is written without blanks, in UTF-8, with no other characters escaped than it has to be; the day is ``YYYY-MM-DD``.
The first prize has the numbers below its odds (times 10^9), the second those that follow, and so on; what is left
over wins nothing. Because a number is taken or left and never reduced, each is exactly as likely as any other.

The secret of a day is shown once the day is over. Docs: docs/lottery.md.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from jifen.domain.calendar import DAY, day_start, local_day
from jifen.domain.lotteries import Lottery
from jifen.domain.lottery_terms import NUMBERS, Prize

SECRET_BYTES = 32

MARGIN = timedelta(minutes=10)
"""So long after a day its secret is shown, and so long before its first day a lottery is settled: no clock of ours that
is behind lets anybody draw with a secret that is known, or change a lottery that others draw from already."""

_SPARE_BITS = 2
"""Of the first 32 bits of a block, those that are not used."""


class Ticket(NamedTuple):
    """What a draw is made of besides the secret."""

    lottery: str
    day: date
    member: str
    attempt: int
    client_seed: str

    def block(self, index: int) -> bytes:
        """What is hashed for one block."""
        parts = [self.lottery, self.day.isoformat(), self.member, self.attempt, self.client_seed, index]
        return json.dumps(parts, separators=(",", ":"), ensure_ascii=False).encode()


def hashed(secret: bytes, times: int) -> bytes:
    """SHA-256, so many times over."""
    for _ in range(times):
        secret = hashlib.sha256(secret).digest()
    return secret


def commitment_of(seed: bytes, days: int) -> str:
    """What is published before the first draw (hex); ``seed`` is the secret of the last day."""
    return hashed(seed, days).hex()


def secret_of(lottery: Lottery, number: int) -> bytes:
    """The secret of day ``number``, from 1."""
    assert 1 <= number <= lottery.days, "a day of the lottery"
    return hashed(bytes.fromhex(lottery.seed), lottery.days - number)


def number_of(secret: bytes, ticket: Ticket) -> int:
    """The number of a draw, from 0 to 999,999,999."""
    index = 0
    while True:
        block = hmac.digest(secret, ticket.block(index), hashlib.sha256)
        number = int.from_bytes(block[:4], "big") >> _SPARE_BITS
        if number < NUMBERS:
            return number
        index += 1


def fallen_on(prizes: Sequence[Prize], number: int) -> tuple[Prize | None, int, int]:
    """The prize that a number falls on (None: nothing), the first number it is won with, and the first beyond."""
    first = 0
    for prize in prizes:
        beyond = first + prize.chances
        if number < beyond:
            return prize, first, beyond
        first = beyond
    return None, first, NUMBERS


# Days ----------------------------------------------------------------------------------------------------------------


def today_of(lottery: Lottery, now: datetime) -> date:
    """The day it is in the lottery's time zone."""
    return local_day(now, ZoneInfo(lottery.zone))


def day_number(lottery: Lottery, day: date) -> int | None:
    """Which of its days this is, from 1; None for none of them."""
    number = (day - lottery.first_day).days + 1
    return number if 1 <= number <= lottery.days else None


def opens_at(lottery: Lottery) -> datetime:
    """The first instant at which it can be drawn."""
    return day_start(lottery.first_day, ZoneInfo(lottery.zone))


def closed_at(lottery: Lottery) -> datetime:
    """The first instant at which it cannot be drawn any more."""
    return day_start(lottery.first_day + DAY * lottery.days, ZoneInfo(lottery.zone))


def is_settled(lottery: Lottery, now: datetime) -> bool:
    """Whether it has begun, or is so near to it that it changes no more."""
    return now >= opens_at(lottery) - MARGIN


def days_shown(lottery: Lottery, now: datetime) -> int:
    """Of how many of its days, from the first on, the secret can be shown: each that is over, with a margin.

    Of a cancelled lottery all of them, once the day on which that was done is over.
    """
    zone = ZoneInfo(lottery.zone)
    over = local_day(now - MARGIN, zone)  # days before this one are over
    if lottery.canceled_on is not None and over > lottery.canceled_on:
        return lottery.days
    return min(lottery.days, max(0, (over - lottery.first_day).days))
