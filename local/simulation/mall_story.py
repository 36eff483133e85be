"""What a run of the mall is about: a shelf with few pieces, a scarce prize, an auction, and who wants them at once."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from jifen.domain.program import parse_program
from local.simulation import mall
from local.simulation.days import local_day
from local.simulation.faults import FAULTS
from local.simulation.mall import Ask
from local.simulation.programs import chance
from local.simulation.story import CURRENCY, Delivery, Story, paid_in_one_line

Data = dict[str, Any]

FOCI = (
    *("pieces", "pieces", "codes", "steps", "steps", "wheel", "wheel"),
    *("auction", "auction", "auction", "auction", "coupons", "coupons"),
)
"""What a run is about: counted pieces; pools of codes; the way of an order; a lottery; an auction; coupons."""

WHEEL, TEA = "wheel", "tea"
"""The lottery and the auction."""

_PLACES = (
    ("Asia/Shanghai", "2026-01-31T14:30"),
    ("America/Sao_Paulo", "2018-11-03T23:00"),  # midnight of 4 November did not exist
    ("America/St_Johns", "2010-11-06T23:00"),  # midnight of 7 November came twice
    ("UTC", "2026-03-31T23:50"),
)


class Wish(NamedTuple):
    """What is asked for under an idempotency key."""

    key: str
    ask: Ask


@dataclass(frozen=True)
class Offered:
    """A reward, and what is in stock of it at the beginning."""

    content: Data
    pieces: int = 0
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MallStory:
    """Everything that is decided beforehand; ``story`` is what the world needs of it.

    Attributes:
        shelf: rewards by id.
        lottery, auction: what is written of them; None where there is none.
        clients: what each asks for, one after the other.
        works: for each worker, how many seconds it lets pass before it looks at the deadlines, time after time.
        slow: the probability that a shopper's call leaves late, when others have gone on for a while.
    """

    focus: str
    story: Story
    shelf: Mapping[str, Offered] = field(default_factory=dict)
    lottery: Data | None = None
    auction: Data | None = None
    clients: Mapping[str, Sequence[Wish]] = field(default_factory=dict)
    works: tuple[tuple[int, ...], ...] = ()
    slow: float = 0.0


def mall_story(seed: int) -> MallStory:
    """The story of a seed."""
    rng = random.Random(f"{seed}/mall")
    zone, begins = rng.choice(_PLACES)
    start = datetime.fromisoformat(begins).replace(tzinfo=UTC) + timedelta(seconds=rng.randrange(3_600))
    focus = rng.choice(FOCI)
    members = tuple(f"m{number}" for number in range(1, rng.choice((2, 2, 3)) + 1))
    draft = _Draft(rng, members, start, local_day(start, ZoneInfo(zone)).isoformat())
    parts = {focus, rng.choice(FOCI)} if chance(rng, 0.2) else {focus}
    for part in sorted(parts):
        _PARTS[part](draft)
    clients = _clients(draft)
    return MallStory(
        focus=focus,
        story=_story(seed, rng, zone, start, members, focus),
        shelf=draft.shelf,
        lottery=draft.lottery,
        auction=draft.auction,
        clients=clients,
        works=tuple(_pauses(rng, focus) for _ in range(2)),
        slow=rng.choice((0.0, 0.05, 0.1)),
    )


def _pauses(rng: random.Random, focus: str) -> tuple[int, ...]:
    """An auction is over in a minute; reservations, money and addresses take longer to be overdue."""
    seconds = (0, 0, 5, 20, 70) if focus == "auction" else (0, 70, 70, 400, 4_000)
    return tuple(rng.choice(seconds) for _ in range(rng.choice((3, 4, 5) if focus == "pieces" else (1, 2, 3))))


def _story(seed: int, rng: random.Random, zone: str, start: datetime, members: tuple[str, ...], focus: str) -> Story:
    mall_terms: Data = {
        "reserve_minutes": rng.choice((1, 1, 10)),
        "cash_minutes": rng.choice((5, 60)),
        "address_days": rng.choice((1, 1, 3)),
    }
    if chance(rng, 0.15):
        mall_terms["times_per_day"] = rng.choice((1, 2, 3))
    if chance(rng, 0.1):
        mall_terms["points_per_day"] = rng.choice((20, 45))
    data: Data = {
        "time_zone": zone,
        "currency": CURRENCY,
        "earning": {"rules": [{"id": "base", "rate": {"points": 1, "per_minor": 100}}]},
        "expiry": rng.choice(
            (
                {"policy": "days", "days": 5, "round_up_to": "none"},
                {"policy": "days", "days": 31, "round_up_to": "none"},
                {"policy": "never"},
            )
        ),
        "clawback": rng.choice(("debt", "clamp", "negative")),
        "mall": mall_terms,
    }
    if chance(rng, 0.3):
        data["redemption"] = {"expired_on_restore": "grace", "grace_days": rng.choice((1, 5))}
    names = [name for faults in FAULTS.values() for name in faults]
    share = rng.choice((0.0, 0.2, 0.2, 0.4))
    rates = {name: rng.choice((0.02, 0.05, 0.12)) * chance(rng, share) for name in names}
    # Crashes are what reservations are for.
    rates |= {name: 0.04 for name in ("crash before a write", "crash after a write") if chance(rng, 0.5)}
    if chance(rng, 0.3):
        rates["write arrives after its time-out"] = 0.06
    return Story(
        seed=seed,
        focus="mall",
        program=parse_program(data),
        start=start,
        members=members,
        opening=tuple(_paid(rng, member, number, start) for member in members for number in range(2)),
        deliveries=(),
        invites=(),
        early=(),
        clients={},
        sweeps=("expire",) * rng.choice((0, 0, 1)),
        reads=0,
        channels=("event",),
        rates=rates,
        notice_trouble=0.0,
        lots_max=120,
        stay=rng.choice((0.0, 0.3, 0.7)),
        leap=rng.choice((0.0, 0.01, 0.03)),
        lull=0,
        pause_days=rng.choice((0.01, 45.0, 45.0) if focus == "auction" else (0.01, 3.0, 3.0, 45.0)),
    )


def _paid(rng: random.Random, member: str, number: int, start: datetime) -> Delivery:
    at = start - timedelta(seconds=rng.choice((rng.randrange(86_400), rng.randrange(3 * 86_400))))
    return paid_in_one_line(rng, f"{member}-{number}", member, at)


# Parts ---------------------------------------------------------------------------------------------------------------


@dataclass
class _Draft:
    """What is drawn so far: ``lines`` of wishes, each to be asked for in this order by one client."""

    rng: random.Random
    members: tuple[str, ...]
    start: datetime
    today: str
    shelf: dict[str, Offered] = field(default_factory=dict)
    lottery: Data | None = None
    auction: Data | None = None
    lines: list[list[Wish]] = field(default_factory=list)
    keys: int = 0

    def key(self) -> str:
        """The next idempotency key."""
        self.keys += 1
        return f"k{self.keys}"

    def member(self) -> str:
        """Somebody."""
        return self.rng.choice(self.members)


def _limits(rng: random.Random) -> list[Data]:
    per = rng.choice(("day", "day", "month", "ever"))
    return rng.choice(([], [], [{"per": per, "times": rng.choice((1, 2))}], [{"per": "day", "points": 30}]))


def _exchange(draft: _Draft, reward: str, most: int = 1, *, address: bool = False) -> Wish:
    rng = draft.rng
    return Wish(draft.key(), mall.Exchange(draft.member(), reward, rng.randrange(1, most + 1), flag=address))


def _pieces(draft: _Draft) -> None:
    rng = draft.rng
    cup: Data = {"title": "Cup", "kind": rng.choice(("physical", "service")), "points": rng.randrange(2, 20)}
    cup |= {"limits": _limits(rng), "quantity_max": 3}
    box: Data = {"title": "Box", "kind": "physical", "points": rng.randrange(2, 9), "quantity_max": 3}
    box |= {"stock": {"shards": 3}, "limits": _limits(rng)}
    draft.shelf |= {"cup": Offered(cup, rng.randrange(1, 4)), "box": Offered(box, rng.randrange(3, 8))}
    for _ in range(rng.randrange(5, 10)):
        reward = rng.choice(("cup", "box"))
        address = reward == "box" and chance(rng, 0.5)
        line = [_exchange(draft, reward, rng.choice((1, 3)) if reward == "cup" else 3, address=address)]
        _way(draft, line, most=2)
        draft.lines.append(line)
    if chance(rng, 0.5):
        reward = rng.choice(("cup", "box"))
        draft.lines.append([Wish(draft.key(), mall.Fill("", reward, rng.choice((1, 2, -1)))) for _ in range(2)])


def _codes(draft: _Draft) -> None:
    rng = draft.rng
    key: Data = {"title": "Key", "kind": "virtual", "points": rng.randrange(1, 15), "quantity_max": 2}
    key |= {"stock": {"codes": True}, "limits": _limits(rng)}
    if chance(rng, 0.6):
        key["cash_minor"] = 500
    draft.shelf["key"] = Offered(key, codes=tuple(f"code-{number}" for number in range(rng.randrange(2, 6))))
    for _ in range(rng.randrange(5, 9)):
        line = [_exchange(draft, "key", 2)]
        _way(draft, line, most=2)
        draft.lines.append(line)
    if chance(rng, 0.5):
        more = " ".join(f"code-{number}" for number in range(4, 8))
        draft.lines.append([Wish(draft.key(), mall.AddCodes("", "key", 0, more))])


def _steps(draft: _Draft) -> None:
    rng = draft.rng
    gift: Data = {"title": "Gift", "kind": "physical", "points": rng.randrange(1, 15), "cash_minor": 700}
    gift |= {"quantity_max": 3, "limits": _limits(rng)}
    cheap: Data = {"title": "Tea", "kind": rng.choice(("physical", "service")), "points": rng.randrange(1, 9)}
    cheap |= {"quantity_max": 3}
    card: Data = {"title": "Card", "kind": "voucher", "cash_minor": 900, "voucher": {"points": 25}}
    draft.shelf |= {
        "gift": Offered(gift, rng.randrange(3, 9)),
        "cheap": Offered(cheap, rng.randrange(3, 9)),
        "card": Offered(card, rng.randrange(1, 4)),
    }
    for _ in range(rng.randrange(3, 7)):
        reward = rng.choice(("gift", "gift", "cheap", "card"))
        first = _exchange(draft, reward, 1 if reward == "card" else 3, address=reward == "gift" and chance(rng, 0.3))
        line = [first]
        _way(draft, line, most=5)
        draft.lines.append(line)
        if chance(rng, 0.5):  # somebody else is about the same order at the same time
            other = [first]
            _way(draft, other, most=3)
            draft.lines.append(other[1:])


def _way(draft: _Draft, line: list[Wish], most: int) -> None:
    """Some steps of the order that a line of wishes begins with, in an order that makes sense, mostly."""
    rng, of = draft.rng, line[0].key
    if line[0].ask.number > 1 and chance(rng, 0.3):  # all the way, and some of it back
        way: list[Ask] = [mall.Pay("", of), mall.Address("", of, 0, "here"), mall.Ship("", of)]
        back = mall.GiveBack("", of, 1, flag=chance(rng, 0.6))
        more: tuple[Ask, ...] = (
            mall.GiveBack("", of, 1, flag=chance(rng, 0.6)),
            mall.GiveBack("", of, flag=True),
            mall.Cancel("", of),
        )
        line += [Wish(draft.key(), step) for step in (*way, back, *rng.sample(more, rng.choice((0, 1, 1, 2))))]
        return
    steps: list[Ask] = []
    if chance(rng, 0.6):
        steps.append(mall.Pay("", of))
    if chance(rng, 0.5):
        steps.append(mall.Address("", of, 0, rng.choice(("here", "there"))))
    if chance(rng, 0.5):
        steps.append(mall.Ship("", of))
        steps += [mall.Deliver("", of)] * chance(rng, 0.6)
    if chance(rng, 0.5):
        ends = (
            mall.Cancel("", of, flag=True),
            mall.Cancel("", of),
            mall.GiveBack("", of, 0, flag=chance(rng, 0.6)),
            mall.GiveBack("", of, 1, flag=chance(rng, 0.6)),
        )
        steps += [rng.choice(ends) for _ in range(rng.choice((1, 1, 2)))]
    while len(steps) > most:
        steps.pop(rng.randrange(len(steps)))
    line += [Wish(draft.key(), step) for step in steps]


def _wheel(draft: _Draft) -> None:
    rng = draft.rng
    prizes: list[Data] = [
        {"id": "grand", "title": "Bicycle", "kind": rng.choice(("physical", "service", "coupon")), "odds": "0.6"},
        {"id": "small", "title": "Points", "kind": "points", "points": rng.randrange(1, 9), "odds": "0.2"},
    ]
    prizes[0] |= {"stock": rng.randrange(1, 3), "out_of_stock": rng.choice(("nothing", "refund", "small"))}
    if prizes[0]["kind"] == "coupon":
        prizes[0]["coupon"] = _coupon_terms(rng)
    if chance(rng, 0.4):
        prizes[1] |= {"stock": rng.randrange(1, 3), "out_of_stock": rng.choice(("nothing", "refund"))}
    draft.lottery = {
        "title": "Wheel",
        "cost": rng.choice((0, 2, 5, 15)),
        "attempts_per_day": rng.choice((1, 2, 4)),
        "from": draft.today,
        "days": rng.choice((3, 30)),
        "forfeit_days": 1,
        "prizes": prizes,
    }
    for _ in range(rng.randrange(4, 8)):
        line = [
            Wish(draft.key(), mall.DrawOnce(draft.member(), WHEEL, 0, rng.choice(("", "lucky"))))
            for _ in range(rng.choice((1, 2)))
        ]
        if chance(rng, 0.3):
            line.append(Wish(draft.key(), mall.Address("", line[0].key, 0, "here")))
        draft.lines.append(line)


def _auction(draft: _Draft) -> None:
    rng, start = draft.rng, draft.start
    step = rng.choice((1, 3))
    draft.auction = {
        "title": "Tea set",
        "kind": rng.choice(("physical", "virtual", "service")),
        "start_points": rng.choice((1, 5)),
        "step_points": step,
        "from": (start - timedelta(hours=1)).isoformat(),
        "until": (start + timedelta(seconds=rng.choice((25, 40, 60, 3_600)))).isoformat(),
    }
    if chance(rng, 0.75):
        draft.auction |= {"extend_s": rng.choice((10, 30)), "extend_max_s": rng.choice((20, 120))}
    if chance(rng, 0.2):
        draft.auction["max_bids_per_member"] = rng.choice((1, 2))
    for _ in range(rng.choice((0, 3, 4, 4, 5))):
        points, line = rng.randrange(1, 8), []
        for _ in range(rng.randrange(2, 5)):
            line.append(Wish(draft.key(), mall.PlaceBid(draft.member(), TEA, points)))
            points += rng.randrange(step, 12)
        draft.lines.append(line)
    for _ in range(2):
        draft.lines.append([Wish(draft.key(), mall.SettleAuction("", TEA)) for _ in range(2)])
    if chance(rng, 0.3):
        draft.lines.append([Wish(draft.key(), mall.CancelAuction("", TEA))])


def _coupon_terms(rng: random.Random) -> Data:
    terms: Data = rng.choice(
        (
            {"kind": "amount", "discount_minor": 500},
            {"kind": "percent", "percent": "0.15", "max_discount_minor": 400},
            {"kind": "over", "discount_minor": 700, "threshold_minor": 2_000},
        )
    )
    return {**terms, "valid_days": rng.choice((1, 30)), **({"uses_per_day": 1} if chance(rng, 0.4) else {})}


def _coupons(draft: _Draft) -> None:
    rng = draft.rng
    off: Data = {"title": "Off", "kind": "coupon", "points": rng.randrange(1, 9), "coupon": _coupon_terms(rng)}
    off |= {"quantity_max": 2, "limits": _limits(rng)}
    draft.shelf["off"] = Offered(off, rng.randrange(2, 6))
    for _ in range(rng.randrange(2, 4)):
        first = Wish(draft.key(), mall.Exchange(draft.member(), "off", rng.choice((1, 2, 2))))
        draft.lines.append([first])
        for client in range(rng.choice((1, 2, 3))):
            line = [first] if client == 0 else []
            for _ in range(rng.choice((1, 2, 2))):
                order, goods = rng.choice(("s1", "s2", "s3")), rng.choice((900, 2_500, 8_000, 8_000))
                second = chance(rng, 0.4)
                line.append(Wish(draft.key(), mall.UseCoupon("", first.key, goods, order, second)))
                if chance(rng, 0.4):
                    line.append(Wish(draft.key(), mall.ReleaseCoupon("", first.key, 0, order, second)))
            if chance(rng, 0.15):
                line.append(Wish(draft.key(), mall.Cancel("", first.key)))
            if chance(rng, 0.1):
                line.append(Wish(draft.key(), mall.VoidCoupon("", first.key)))
            draft.lines.append(line)


_PARTS = {
    "pieces": _pieces,
    "codes": _codes,
    "steps": _steps,
    "wheel": _wheel,
    "auction": _auction,
    "coupons": _coupons,
}


def _clients(draft: _Draft) -> dict[str, Sequence[Wish]]:
    """The lines dealt out; some are asked for by two clients at once, some under their key for something else."""
    rng = draft.rng
    clients: list[list[Wish]] = [[] for _ in range(rng.choice((2, 3, 4)))]
    for number, line in enumerate(filter(None, draft.lines)):  # lines about one thing go to several, at once
        clients[number % len(clients)].extend(line)
        if chance(rng, 0.3):
            rng.choice(clients).append(line[0])
        if chance(rng, 0.04):
            other = replace(line[0].ask, number=line[0].ask.number + 1)
            rng.choice(clients).append(Wish(line[0].key, other))
    return {f"shopper {number}": wishes for number, wishes in enumerate(clients) if wishes}
