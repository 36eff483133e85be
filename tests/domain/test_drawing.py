"""Draws: the odds that are declared, numbers that can be worked out again, and points that add up."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jifen.domain.account import Account, Status
from jifen.domain.debits import Guard
from jifen.domain.draw_proof import Check, verify
from jifen.domain.drawing import (
    MARGIN,
    Ticket,
    closed_at,
    commitment_of,
    day_number,
    days_shown,
    fallen_on,
    hashed,
    is_settled,
    number_of,
    opens_at,
    secret_of,
    today_of,
)
from jifen.domain.draws import Asked, Concluded, Fetched, conclude, enter
from jifen.domain.entries import Entry
from jifen.domain.errors import (
    AccountFrozen,
    Fault,
    InsufficientPoints,
    InvalidInput,
    LimitReached,
    PasswordRequired,
    Refusal,
)
from jifen.domain.lots import total
from jifen.domain.lotteries import Lottery, LotteryStatus
from jifen.domain.lottery_terms import NUMBERS, REFUND, Prize, Terms, gain, line_of, read_terms, terms_hash, won
from jifen.domain.program import Moment, parse_program
from tests.domain.builders import account_with, lot

PROGRAM = parse_program({"time_zone": "Asia/Shanghai", "currency": "CNY"})
SEED = hashlib.sha256(b"a seed of the tests").digest()
FIRST_DAY = date(2026, 12, 1)
NOON = datetime(2026, 12, 1, 4, tzinfo=UTC)

WHEEL: Mapping[str, Any] = {
    "title": "Wheel",
    "cost": 50,
    "attempts_per_day": 3,
    "from": FIRST_DAY.isoformat(),
    "days": 30,
    "prizes": [
        {"id": "grand", "title": "Bicycle", "kind": "physical", "odds": "0.0005", "stock": 5, "out_of_stock": "large"},
        {"id": "large", "title": "300 points", "kind": "points", "points": 300, "odds": "0.0095"},
        {"id": "middle", "title": "60 points", "kind": "points", "points": 60, "odds": "0.09"},
        {"id": "small", "title": "20 points", "kind": "points", "points": 20, "odds": "0.3"},
    ],
}
"""A win rate of 40 %: small prizes are common, and the grand one is rare."""


def lottery_of(content: Mapping[str, Any] = WHEEL, seed: bytes = SEED, **changes: Any) -> Lottery:
    """A lottery as it is kept."""
    terms = read_terms(content, "CNY")
    made = Lottery(
        id="wheel",
        content=content,
        seed=seed.hex(),
        first_day=terms.first_day,
        days=terms.days,
        commitment=commitment_of(seed, terms.days),
        zone="Asia/Shanghai",
        by="operator:o",
        at=NOON - timedelta(days=9),
    )
    return replace(made, **changes)


TERMS = read_terms(WHEEL, "CNY")
LOTTERY = lottery_of()


def at(instant: datetime) -> Moment:
    """A moment."""
    return PROGRAM.moment(instant)


def rich(points: int = 10**9, member: str = "m-1") -> Account:
    """A member with points that never expire."""
    return account_with(lot(points), moment=at(NOON - timedelta(days=30)), member=member)


def asked(member: str = "m-1", key: str = "k", client_seed: str = "") -> Asked:
    """A draw that is asked for; its id is good enough for a document."""
    return Asked(f"dw.{member}.{key}", member, client_seed, f"member:{member}")


def drawn(
    account: Account,
    key: str = "k",
    *,
    client_seed: str = "",
    instant: datetime = NOON,
    lottery: Lottery = LOTTERY,
    terms: Terms = TERMS,
    stock: Callable[[Prize], bool] = lambda _prize: True,
) -> Concluded:
    """One draw through all of the domain; ``stock`` says whether there is a piece left."""
    asks = asked(account.member, key, client_seed)
    entered = enter(account, asks, lottery, terms, at(instant))
    fetched = Fetched()
    if entered.prize:
        line = list(line_of(terms, entered.prize))
        found = next((one for one in line if one.stock is None or stock(one)), None)
        fetched = Fetched(found, refunded=found is None and line[-1].otherwise == REFUND)
    return conclude(asks, entered, fetched, lottery, terms, PROGRAM, at(instant))


# Odds ----------------------------------------------------------------------------------------------------------------

Mapping_ = Callable[[Sequence[Prize], int], tuple[Prize | None, int, int]]


def chi_square(counts: Mapping[str, int], prizes: Sequence[Prize]) -> Fraction:
    """How far counts are from what the odds let expect; "" is nothing."""
    n = sum(counts.values())
    chances = {prize.id: prize.chances for prize in prizes}
    chances[""] = NUMBERS - sum(chances.values())
    expected = {name: Fraction(n * chance, NUMBERS) for name, chance in chances.items() if chance}
    assert all(value >= 5 for value in expected.values()), "too few draws to say anything"
    return sum(((counts.get(name, 0) - value) ** 2 / value for name, value in expected.items()), Fraction(0))


LIMIT = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47}
"""The chi-square that chance exceeds once in a thousand, by degrees of freedom."""


def numbers(count: int, client_seed: Callable[[int], str] = lambda _: "") -> list[int]:
    """The numbers of so many draws: members, days and attempts in turn."""
    secrets = [secret_of(LOTTERY, day + 1) for day in range(LOTTERY.days)]
    return [
        number_of(
            secrets[index % 30],
            Ticket(
                "wheel",
                FIRST_DAY + timedelta(days=index % 30),
                f"m-{index // 90}",
                index // 30 % 3 + 1,
                client_seed(index),
            ),
        )
        for index in range(count)
    ]


@pytest.fixture(scope="module")
def many() -> list[int]:
    """200,000 numbers."""
    return numbers(200_000)


def counted(drawn_numbers: Sequence[int], mapping: Mapping_) -> Counter[str]:
    """How often each prize was drawn."""
    return Counter(prize.id if (prize := mapping(TERMS.prizes, number)[0]) else "" for number in drawn_numbers)


def test_prizes_are_won_as_often_as_their_odds_say(many: list[int]) -> None:
    """Of 200,000: two in five win, mostly small prizes; the grand one is rare."""
    counts = counted(many, fallen_on)
    assert chi_square(counts, TERMS.prizes) < LIMIT[4], counts
    assert 0.395 < 1 - counts[""] / len(many) < 0.405
    assert counts["small"] > 3 * counts["middle"] > 9 * counts["large"] > 27 * counts["grand"] > 0


def _given_away(prizes: Sequence[Prize], number: int) -> tuple[Prize | None, int, int]:
    """A mapping that lets one in fifty of those who win nothing win the small prize."""
    found, first, beyond = fallen_on(prizes, number)
    return (prizes[-1], 0, 0) if found is None and number % 50 == 0 else (found, first, beyond)


def _taken_away(prizes: Sequence[Prize], number: int) -> tuple[Prize | None, int, int]:
    """A mapping that takes every other grand prize away."""
    found, first, beyond = fallen_on(prizes, number)
    return (None, 0, 0) if found is prizes[0] and number % 2 == 0 else (found, first, beyond)


def _reduced(prizes: Sequence[Prize], number: int) -> tuple[Prize | None, int, int]:
    """A mapping of thirty bits that were reduced instead of taken or left: low numbers come too often."""
    return fallen_on(prizes, random.Random(number).getrandbits(30) % NUMBERS)


@pytest.mark.parametrize("mapping", [_given_away, _taken_away, _reduced])
def test_a_biased_mapping_is_found(many: list[int], mapping: Mapping_) -> None:
    """The same test on the same numbers does not let it pass."""
    assert chi_square(counted(many[:120_000], mapping), TERMS.prizes) > LIMIT[4]


def test_numbers_are_spread_evenly(many: list[int]) -> None:
    """Over a hundred stretches of equal length, and the last digits."""
    for parts in (Counter(number // 10**7 for number in many), Counter(number % 100 for number in many)):
        assert 100 == len(parts)
        expected = len(many) / 100
        assert sum((count - expected) ** 2 / expected for count in parts.values()) < 148.2  # once in a thousand


@pytest.mark.parametrize("client_seed", [lambda index: f"{index}", lambda _: "lucky", lambda index: "7" * (index % 65)])
def test_the_odds_do_not_depend_on_what_the_member_says(client_seed: Callable[[int], str]) -> None:
    """Another text is another number, and no better one."""
    counts = counted(numbers(60_000, client_seed), fallen_on)
    assert chi_square(counts, TERMS.prizes) < LIMIT[4], counts


def test_through_all_of_the_domain_prizes_are_won_as_often_as_their_odds_say() -> None:
    """20,000 draws of ten members on thirty days, points and all."""
    wheel = {**WHEEL, "attempts_per_day": None}
    terms, lottery = read_terms(wheel, "CNY"), lottery_of(wheel)
    accounts = [rich(member=f"m-{index}") for index in range(10)]
    counts: Counter[str] = Counter()
    gained = 0
    for index in range(20_000):
        instant = NOON + timedelta(days=index // 667)
        done = drawn(accounts[index % 10], str(index), instant=instant, lottery=lottery, terms=terms)
        accounts[index % 10] = done.change.account
        counts[done.draw.prize] += 1
        gained += done.draw.points - done.draw.cost
    assert chi_square(counts, terms.prizes) < LIMIT[4], counts
    assert 10 * 10**9 + gained == sum(account.balance for account in accounts)
    # Within four standard deviations of what was computed for the operator.
    assert abs(gained / 20_000 - float(won(terms) - terms.cost)) < 4 * 34 / 20_000**0.5


@given(st.lists(st.integers(0, NUMBERS), min_size=1, max_size=8), st.data())
def test_each_number_has_one_prize_and_each_prize_its_odds(cuts: list[int], data: st.DataObject) -> None:
    """The stretches of the prizes lie side by side in their order, and what is left over is nothing."""
    edges = sorted(cuts)
    prizes = [
        Prize(f"p{index}", "", "points", beyond - first)
        for index, (first, beyond) in enumerate(zip([0, *edges], edges, strict=False))
    ]
    first = 0
    for prize in prizes:
        if prize.chances:
            for number in (first, first + prize.chances - 1):
                assert (prize, first, first + prize.chances) == fallen_on(prizes, number)
        first += prize.chances
    number = data.draw(st.integers(0, NUMBERS - 1))
    found, low, beyond = fallen_on(prizes, number)
    assert low <= number < beyond
    assert (found is None) == (number >= first)


# Numbers -------------------------------------------------------------------------------------------------------------


def test_a_number_is_what_the_documentation_says() -> None:
    """Written down once more, in other words; every few numbers a block is left for the next one."""
    secret, skipped = secret_of(LOTTERY, 1), 0
    for attempt in range(1, 400):
        ticket = Ticket("wheel", FIRST_DAY, "顾客-1", attempt, 'a"b\\c')
        for block in range(100):
            text = f'["wheel","2026-12-01","顾客-1",{attempt},"a\\"b\\\\c",{block}]'
            raw = hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
            number = int(raw[:8], 16) // 4
            if number < 1_000_000_000:
                break
            skipped += 1
        assert number == number_of(secret, ticket)
    assert 10 < skipped < 60


@given(st.integers(1, 1_000), st.data())
def test_every_secret_leads_to_the_commitment_and_to_no_later_secret(days: int, data: st.DataObject) -> None:
    """Hashed once for each day up to its own; a later secret is not to be had from an earlier one."""
    number = data.draw(st.integers(1, days))
    lottery = lottery_of({**WHEEL, "days": days})
    assert lottery.commitment == hashed(secret_of(lottery, number), number).hex()
    if number > 1:
        assert secret_of(lottery, number - 1) == hashlib.sha256(secret_of(lottery, number)).digest()


TICKET = Ticket("wheel", FIRST_DAY, "m-1", 1, "abc")


@pytest.mark.parametrize(
    "other",
    [
        TICKET._replace(lottery="whee1"),
        TICKET._replace(day=FIRST_DAY + timedelta(days=1)),
        TICKET._replace(member="m-2"),
        TICKET._replace(attempt=2),
        TICKET._replace(client_seed="abd"),
        TICKET._replace(client_seed=""),
        Ticket('wheel","2026-12-01","m-1",1,"', FIRST_DAY, "m-1", 1, "abc"),
    ],
)
def test_whatever_a_draw_is_made_of_counts(other: Ticket) -> None:
    """Another lottery, day, member, attempt or text is another number."""
    secret = secret_of(LOTTERY, 1)
    assert number_of(secret, TICKET) != number_of(secret, other)
    assert number_of(secret, TICKET) != number_of(secret_of(LOTTERY, 2), TICKET)


# Days ----------------------------------------------------------------------------------------------------------------


@given(
    st.sampled_from(["Asia/Shanghai", "America/St_Johns", "America/Sao_Paulo", "Pacific/Apia", "Europe/London", "UTC"]),
    st.dates(date(2010, 1, 1), date(2030, 1, 1)),
    st.integers(1, 40),
    st.timedeltas(timedelta(days=-3), timedelta(days=45)),
    st.none() | st.integers(-3, 45),
)
def test_no_secret_is_shown_that_can_still_be_drawn_with(
    zone: str, first: date, days: int, after: timedelta, canceled: int | None
) -> None:
    """Whatever the time zone does, and for ten minutes more; and what was shown stays shown."""
    content = {**WHEEL, "from": first.isoformat(), "days": days}
    lottery = lottery_of(content, zone=zone)
    if canceled is not None:
        on = first + timedelta(days=canceled)
        lottery = replace(lottery, status=LotteryStatus.CANCELED, canceled_on=on)
    now = opens_at(lottery) + after
    shown = days_shown(lottery, now)
    assert shown <= days_shown(lottery, now + timedelta(hours=5))
    assert 0 <= shown <= days
    number = day_number(lottery, today_of(lottery, now - MARGIN))
    if canceled is None and number is not None:
        assert shown < number
    if canceled is None and now < opens_at(lottery) + MARGIN:
        assert 0 == shown
    assert is_settled(lottery, now) or (now < opens_at(lottery) and (canceled is not None or not shown))
    if now >= closed_at(lottery) + MARGIN:
        assert days == shown


# Points --------------------------------------------------------------------------------------------------------------


@st.composite
def wheels(draw: st.DrawFn) -> dict[str, Any]:
    """A lottery of a few prizes in points, some with stock and something in its place."""
    count = draw(st.integers(1, 4))
    shares = sorted(draw(st.lists(st.integers(0, 100), min_size=count, max_size=count)))
    prizes: list[dict[str, Any]] = []
    for index, (low, high) in enumerate(zip([0, *shares], shares, strict=False)):
        prize: dict[str, Any] = {"id": f"p{index}", "title": "p", "kind": "points", "points": draw(st.integers(1, 99))}
        prize["odds"] = f"{(high - low) / 100:.2f}"
        if draw(st.booleans()):
            prize["stock"] = 3
            prize["out_of_stock"] = draw(st.sampled_from(["nothing", "refund", *(f"p{n}" for n in range(index))]))
        if high > low or any(f"p{index}" == one.get("out_of_stock") for one in prizes):
            prizes.append(prize)
    known = {prize["id"] for prize in prizes} | {"nothing", "refund"}
    for prize in prizes:
        if prize.get("out_of_stock", "nothing") not in known:
            prize["out_of_stock"] = "nothing"
    if not prizes:
        prizes = [{"id": "p", "title": "p", "kind": "points", "points": 1, "odds": "1"}]
    return {**WHEEL, "cost": draw(st.integers(0, 60)), "prizes": prizes, "attempts_per_day": draw(st.integers(1, 4))}


@settings(max_examples=120, deadline=None)
@given(wheels(), st.integers(0, 400), st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=14))
def test_points_are_conserved_and_attempts_never_exceeded(
    content: dict[str, Any], points: int, steps: list[tuple[int, bool]]
) -> None:
    """Whatever is drawn: the balance is what was there, less costs, plus prizes; and the entries prove it."""
    terms, lottery = read_terms(content, "CNY"), lottery_of(content)
    account = rich(points) if points else Account("m-1")
    entries: list[Entry] = []
    start, instant = account, NOON
    seen: Counter[date] = Counter()
    expected = points
    for index, (hours, in_stock) in enumerate(steps):
        instant += timedelta(hours=hours)
        day = today_of(lottery, instant)
        try:
            done = drawn(
                account,
                str(index),
                instant=instant,
                lottery=lottery,
                terms=terms,
                stock=lambda _prize, there=in_stock: there,  # type: ignore[misc]
            )
        except LimitReached:
            assert content["attempts_per_day"] == seen[day]
            continue
        except InsufficientPoints:
            assert expected < terms.cost
            continue
        seen[day] += 1
        assert seen[day] == done.draw.attempt <= content["attempts_per_day"]
        expected += done.draw.points - done.draw.cost
        assert (0 if done.draw.refunded else terms.cost) == done.draw.cost
        account = done.change.account
        entries += done.change.entries
        assert expected == account.balance == total(account.lots)
    kinds = Counter(entry.draft.kind for entry in entries)
    assert kinds.keys() <= {"redeem", "bonus"}
    assert account.version - start.version == len(entries)


def test_a_draw_that_is_refused_changes_nothing_and_counts_nothing() -> None:
    """Frozen, without points, without the password, with nothing left of the day."""
    poor = rich(49)
    frozen = replace(rich(), status=Status.FROZEN)
    full = rich()
    for key in "abc":
        full = drawn(full, key).change.account
    refused: list[tuple[Account, type[Refusal], Guard]] = [
        (poor, InsufficientPoints, Guard()),
        (frozen, AccountFrozen, Guard()),
        (full, LimitReached, Guard()),
        (rich(), PasswordRequired, Guard(49, proven=False)),
    ]
    for account, refusal, guard in refused:
        before = copy.deepcopy(account)
        with pytest.raises(refusal):
            enter(account, asked(), LOTTERY, TERMS, at(NOON), guard)
        assert before == account
    assert 1 == enter(rich(), asked(), LOTTERY, TERMS, at(NOON), Guard(50, proven=False)).ticket.attempt


def test_points_that_have_just_lapsed_pay_for_no_draw() -> None:
    """The last valid day was yesterday in the shop's time zone."""
    account = account_with(lot(50, "2026-12-01"), moment=at(NOON), member="m-1")
    last = datetime(2026, 12, 1, 15, 59, 59, tzinfo=UTC)
    assert 50 == drawn(account, instant=last).draw.cost
    with pytest.raises(InsufficientPoints):
        enter(account, asked(), LOTTERY, TERMS, at(last + timedelta(seconds=1)))


def test_a_prize_pays_a_debt_first() -> None:
    """As any other credit."""
    content = {**WHEEL, "cost": 0, "prizes": [{**WHEEL["prizes"][3], "odds": "1"}]}
    terms, lottery = read_terms(content, "CNY"), lottery_of(content)
    account = replace(Account("m-1"), debt=15)
    done = drawn(account, lottery=lottery, terms=terms)
    assert (5, 0) == (done.change.account.balance, done.change.account.debt)


# What prizes are worth -----------------------------------------------------------------------------------------------


def test_what_a_draw_gains_is_computed_exactly() -> None:
    """In thousandths of a point, with the stocks as they are best for who draws."""
    assert Fraction("14.25") == won(TERMS)
    # The bicycle gone, three hundred points take its place.
    assert Fraction("14.25") + Fraction("0.0005") * 300 - 50 == gain(TERMS)


@settings(max_examples=150, deadline=None)
@given(wheels(), st.integers(0, 15))
def test_no_state_of_the_stocks_gains_more(content: dict[str, Any], empty: int) -> None:
    """Whichever prizes are out of stock, a draw is worth at most what was computed."""
    terms = read_terms(content, "CNY")
    there = {prize.id: not empty >> index & 1 for index, prize in enumerate(terms.prizes)}
    nothing = NUMBERS - sum(prize.chances for prize in terms.prizes)
    worth = -terms.cost * nothing
    for prize in terms.prizes:
        line = list(line_of(terms, prize))
        found = next((one for one in line if one.stock is None or there[one.id]), None)
        if found:
            worth += prize.chances * (found.points - terms.cost)
        elif line[-1].otherwise != REFUND:
            worth -= prize.chances * terms.cost
    assert Fraction(worth, NUMBERS) <= gain(terms)


# Reading -------------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_anything_else_is_refused_and_never_breaks(data: st.DataObject) -> None:
    """One value replaced by any other: it is read, or each fault has a path."""
    content = copy.deepcopy(dict(WHEEL))
    place: Any = data.draw(st.sampled_from([content, *content["prizes"]]))
    place[data.draw(st.sampled_from([*place, "coupon", "colour"]))] = data.draw(JSON)
    faults: Sequence[Fault] = ()
    chances = 1
    try:
        chances = sum(prize.chances for prize in read_terms(content, "CNY").prizes)
    except InvalidInput as wrong:
        faults = wrong.faults
    assert 0 < chances <= NUMBERS
    assert all(fault.field and fault.problem for fault in faults)


def test_the_hash_of_the_terms_is_that_of_their_text() -> None:
    """Whatever the order of the keys; any other value is another hash."""
    turned = dict(list(WHEEL.items())[::-1])
    text = json.dumps(WHEEL, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert terms_hash(WHEEL) == terms_hash(turned) == hashlib.sha256(text.encode()).hexdigest()
    assert terms_hash(WHEEL) != terms_hash({**WHEEL, "prizes": WHEEL["prizes"][::-1]})


# Working it out again ------------------------------------------------------------------------------------------------


def receipt_of(done: Concluded) -> dict[str, Any]:
    """A receipt as the API gives it."""
    draw = done.draw
    return {
        "draw_id": draw.id,
        "member_id": draw.member,
        "lottery_id": draw.lottery,
        "day": draw.day.isoformat(),
        "attempt": draw.attempt,
        "client_seed": draw.client_seed,
        "number": draw.number,
        "outcome": "REFUNDED" if draw.refunded else "WON" if draw.prize else "NOTHING",
        "drawn_prize": draw.drawn or None,
        "prize": {"id": draw.prize} if draw.prize else None,
        "points_won": draw.points,
        "cost": draw.cost,
        "commitment": draw.commitment,
        "terms_hash": draw.terms,
        "secret": None,
    }


def shown_of(lottery: Lottery, days: int = 30) -> dict[str, Any]:
    """A lottery as the API gives it, so many of its days over."""
    return {
        "lottery_id": lottery.id,
        "commitment": lottery.commitment,
        "terms": copy.deepcopy(dict(lottery.content)),
        "secrets": [
            {
                "day": number,
                "date": (FIRST_DAY + timedelta(days=number - 1)).isoformat(),
                "secret": secret_of(lottery, number).hex(),
            }
            for number in range(1, days + 1)
        ],
    }


def proved(receipt: Mapping[str, Any], lottery: Mapping[str, Any]) -> bool:
    """Whether every check holds."""
    return all(check.holds for check in verify(receipt, lottery))


MEMBER = "bS0x"
"""``m-1`` as ids have it."""


@pytest.mark.parametrize("stock", [lambda _: True, lambda _: False])
def test_every_draw_can_be_worked_out_again(stock: Callable[[Prize], bool]) -> None:
    """Wins, losses, and what took the place of a prize that was out of stock."""
    content = {
        **WHEEL,
        "attempts_per_day": None,
        "prizes": [
            {**WHEEL["prizes"][0], "odds": "0.2", "out_of_stock": "second"},
            {**WHEEL["prizes"][0], "id": "second", "odds": "0.2", "out_of_stock": "refund"},
            {**WHEEL["prizes"][3], "odds": "0.2"},
            {**WHEEL["prizes"][3], "id": "other", "odds": "0.2", "stock": 1, "out_of_stock": "nothing"},
        ],
    }
    terms, lottery = read_terms(content, "CNY"), lottery_of(content)
    account, outcomes = rich(), Counter[str]()
    for n in range(40):
        done = drawn(account, str(n), client_seed="x", lottery=lottery, terms=terms, stock=stock)
        receipt = {**receipt_of(done), "draw_id": f"dw.{MEMBER}.{'A' * 22}"}
        assert proved(receipt, shown_of(lottery)), verify(receipt, shown_of(lottery))
        outcomes[receipt["outcome"]] += 1
        account = done.change.account
    assert outcomes.keys() == ({"WON", "NOTHING"} if stock(terms.prizes[0]) else {"WON", "NOTHING", "REFUNDED"})


def _receipt(client_seed: str) -> dict[str, Any]:
    return {**receipt_of(drawn(rich(), client_seed=client_seed)), "draw_id": f"dw.{MEMBER}.{'A' * 22}"}


RECEIPT = next(one for n in range(50) if (one := _receipt(f"seed {n}"))["outcome"] == "WON")
"""One that wins."""


def test_what_is_changed_below_was_right_before() -> None:
    """The receipt that the next tests change."""
    assert proved(RECEIPT, shown_of(LOTTERY))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lottery_id", "whee1"),
        ("member_id", "m-2"),
        ("draw_id", f"dw.bS0y.{'A' * 22}"),
        ("draw_id", f"ro.{MEMBER}.{'A' * 22}"),
        ("draw_id", None),
        ("day", "2026-12-02"),
        ("day", "2026-11-30"),
        ("day", "2026-12-31"),
        ("day", "today"),
        ("attempt", 2),
        ("attempt", 0),
        ("attempt", 4),
        ("attempt", True),
        ("client_seed", RECEIPT["client_seed"] + "0"),
        ("client_seed", ""),
        ("client_seed", None),
        ("number", (RECEIPT["number"] + 1) % NUMBERS),
        ("number", str(RECEIPT["number"])),
        ("outcome", "REFUNDED"),
        ("outcome", "NOTHING"),
        ("outcome", ["WON"]),
        ("drawn_prize", "grand"),
        ("prize", {"id": "grand"}),
        ("prize", None),
        ("prize", "small"),
        ("points_won", 21),
        ("cost", 49),
        ("cost", 0),
        ("commitment", "00" * 32),
        ("commitment", None),
        ("terms_hash", "00" * 32),
        ("secret", "00" * 32),
    ],
)
def test_any_change_of_a_receipt_is_found(field: str, value: object) -> None:
    """Nobody can claim another draw than there was."""
    assert not proved({**RECEIPT, field: value}, shown_of(LOTTERY))


def _swapped(lottery: dict[str, Any]) -> None:
    lottery["terms"]["prizes"][2]["odds"] = "0.0900001"


def _other_prize(lottery: dict[str, Any]) -> None:
    lottery["terms"]["prizes"][0]["title"] = "Bell"


def _other_order(lottery: dict[str, Any]) -> None:
    lottery["terms"]["prizes"].reverse()


def _other_cost(lottery: dict[str, Any]) -> None:
    lottery["terms"]["cost"] = 40


def _other_secret(lottery: dict[str, Any]) -> None:
    lottery["secrets"][0]["secret"] = hashlib.sha256(b"another").hexdigest()


def _other_chain(lottery: dict[str, Any]) -> None:
    lottery.update(shown_of(lottery_of(seed=bytes(32))))


def _chain_for_the_receipt(lottery: dict[str, Any]) -> None:
    _other_chain(lottery)
    lottery["commitment"] = LOTTERY.commitment


def _day_before(lottery: dict[str, Any]) -> None:
    lottery["secrets"][0]["secret"] = hashed(secret_of(LOTTERY, 1), 1).hex()


def _next_day(lottery: dict[str, Any]) -> None:
    lottery["secrets"][0]["secret"] = lottery["secrets"][1]["secret"]


def _gone(lottery: dict[str, Any]) -> None:
    lottery["secrets"] = []


@pytest.mark.parametrize(
    "change",
    [
        _swapped,
        _other_prize,
        _other_order,
        _other_cost,
        _other_secret,
        _other_chain,
        _chain_for_the_receipt,
        _day_before,
        _next_day,
        _gone,
    ],
)
def test_any_change_of_the_lottery_is_found(change: Callable[[dict[str, Any]], None]) -> None:
    """Prizes, odds, order, cost, secrets: not even an operator changes them unseen."""
    lottery = shown_of(LOTTERY)
    change(lottery)
    assert not proved(RECEIPT, lottery)


def _failed(receipt: Mapping[str, Any], lottery: Mapping[str, Any]) -> set[str]:
    return {check.name for check in verify(receipt, lottery) if not check.holds}


def _drawn_with(secret: bytes, attempt: int) -> dict[str, Any]:
    """A receipt that fits a secret in all it says."""
    number = number_of(secret, Ticket("wheel", FIRST_DAY, "m-1", attempt, RECEIPT["client_seed"]))
    prize, _, _ = fallen_on(TERMS.prizes, number)
    won_it = {"outcome": "WON", "drawn_prize": prize.id, "prize": {"id": prize.id}} if prize else {}
    nothing = {"outcome": "NOTHING", "drawn_prize": None, "prize": None}
    points = prize.points if prize else 0
    return {**RECEIPT, "attempt": attempt, "number": number, "points_won": points, **nothing, **won_it}


def test_a_secret_that_was_made_up_later_is_found_by_the_chain_alone() -> None:
    """Receipt and secret fit each other in all else: a shop that looked for a secret with which nobody wins."""
    lottery, made_up = shown_of(LOTTERY), hashlib.sha256(b"another").digest()
    lottery["secrets"][0]["secret"] = made_up.hex()
    assert {"chain"} == _failed(_drawn_with(made_up, 1), lottery)


def test_an_attempt_too_many_is_found_by_its_number_alone() -> None:
    """It was drawn as it should be, and should not have been drawn."""
    secret = secret_of(LOTTERY, 1)
    assert set() == _failed(_drawn_with(secret, 3), shown_of(LOTTERY))
    assert {"attempt"} == _failed(_drawn_with(secret, 4), shown_of(LOTTERY))


def test_a_prize_that_was_not_drawn_is_not_said_to_be_out_of_stock() -> None:
    """Nothing but what is declared for the drawn prize can take its place."""
    account = rich()
    for n in range(3):
        done = drawn(account, str(n), client_seed="x")
        account = done.change.account
        receipt = {**receipt_of(done), "draw_id": f"dw.{MEMBER}.{'A' * 22}"}
        for prize in ("grand", "large", "middle", "small"):
            if prize != done.draw.prize:
                points = TERMS.prize(prize).points  # type: ignore[union-attr]
                fake = {**receipt, "outcome": "WON", "prize": {"id": prize}, "points_won": points}
                assert not proved(fake, shown_of(LOTTERY))


@given(st.data())
def test_nothing_that_is_given_breaks_the_check(data: st.DataObject) -> None:
    """Any value in any place, or none: some check does not hold, and says why."""
    receipt, lottery = copy.deepcopy(RECEIPT), shown_of(LOTTERY, 2)
    place: Any = data.draw(
        st.sampled_from([receipt, lottery, lottery["secrets"][0], lottery["terms"], lottery["terms"]["prizes"][0]])
    )
    key = data.draw(st.sampled_from(sorted(place)))
    value = data.draw(JSON)
    same = json.dumps(place[key]) == json.dumps(value)
    if data.draw(st.booleans()):
        place[key] = value
    else:
        same = place[key] is None
        del place[key]
    checks = verify(receipt, lottery)
    assert 8 == len(checks)
    assert all(isinstance(check, Check) and check.detail for check in checks)
    assert same or not all(check.holds for check in checks)
