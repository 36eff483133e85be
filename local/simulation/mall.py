"""The department of the mall and of play: what is asked for, what it is held to, what a campaign has to have met.

    Ask ──> real services, real deadlines        local.simulation.mall_run, on stories of its own (mall_story)
    rows ──> laws, commit by commit              mall_laws (stock, codes, orders, coupons), play_laws (draws, bids)

Every fourth seed has a run of the mall besides its own. Its laws are about rows and what the story says, and are
written again from the documents; no reference follows its accounts, the laws of the ledger do.
"""

from __future__ import annotations

from dataclasses import dataclass

from local.simulation.department import Deed, Department

EVERY = 4
"""Of so many seeds one has a run of the mall."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Something that is asked for; what the fields are for is up to the kind.

    Attributes:
        member: who.
        target: a reward, lottery or auction; or the key of the request whose order or coupon it is about.
        number: pieces, points, or minor units.
        text: codes, an order of the shop, a seed of the member's own.
        flag: with an address; by the member; with the pieces back.
    """

    member: str = ""
    target: str = ""
    number: int = 0
    text: str = ""
    flag: bool = False

    def __str__(self) -> str:
        said = (self.member, self.target, self.number or "", self.text, "!" if self.flag else "")
        return f"{type(self).__name__.lower()} {' '.join(str(one) for one in said if one)}"


class Exchange(Ask):
    """Points for a reward."""


class Pay(Ask):
    """The money of an order."""


class Address(Ask):
    """Where an order goes."""


class Ship(Ask):
    """It is on its way."""


class Deliver(Ask):
    """It is there."""


class Cancel(Ask):
    """An order is cancelled."""


class GiveBack(Ask):
    """An order is given back, or some of its pieces."""


class Fill(Ask):
    """Pieces into the stock, or out of it."""


class AddCodes(Ask):
    """Codes into a pool."""


class UseCoupon(Ask):
    """A coupon on an order of the shop."""


class ReleaseCoupon(Ask):
    """A coupon back."""


class VoidCoupon(Ask):
    """A coupon is good for nothing any more."""


class DrawOnce(Ask):
    """A draw."""


class PlaceBid(Ask):
    """A bid."""


class SettleAuction(Ask):
    """The end of an auction."""


class CancelAuction(Ask):
    """An auction taken back."""


class Work(Ask):
    """A run over the deadlines."""


KINDS: tuple[type[Ask], ...] = (
    *(Exchange, Pay, Address, Ship, Deliver, Cancel, GiveBack, Fill, AddCodes),
    *(UseCoupon, ReleaseCoupon, VoidCoupon, DrawOnce, PlaceBid, SettleAuction, CancelAuction, Work),
)
"""Everything that can be asked for."""


def _no_reference(_reference: object, step: object, _now: object) -> object:
    raise AssertionError(step)


LAWS = {
    "stock throughout": "at every commit the free, reserved and sold pieces of a shard are those that were put in,"
    " and none of these is below zero",
    "posted with its pieces": "an order or a draw is posted while the pieces that it names are reserved for it, and"
    " not once they were given away",
    "pieces at the end": "once the deadlines were looked at nothing is reserved, and the pieces that are sold are"
    " those of orders and prizes that still have them",
    "codes throughout": "at every commit a code is in one place, the pool or one order; one that its member could see"
    " goes to nobody else",
    "exchanges": "an exchange takes its price once, by one entry; what was cancelled, returned or not paid goes back"
    " once, into its own lots, and what was forfeited does not",
    "one order": "a request makes one order, draw or bid at most, however often it is asked, and has one answer",
    "reward limits": "at no commit do the orders of a member that still stand come to more than a limit on rewards,"
    " and what the account remembers is what they come to",
    "steps": "an order takes one step at a time along the way of its kind; it ends as unpaid or forfeited only when"
    " its time was over and nobody had paid or said where it goes",
    "overdue": "after a run over the deadlines nothing is due, and a second one writes nothing",
    "coupon uses": "a coupon is used on one order at a time, takes off what its terms say, and no more of them are"
    " used in a day than they allow",
    "numbers drawn": "attempts of a day are numbered from 1 to what is allowed, and each is the number that secret,"
    " day, member and attempt give",
    "prizes": "a draw wins what its number falls on or, where none of that was left, what takes its place; it costs"
    " and gives what it says, once",
    "open bids": "at every commit an open auction holds the points of its highest bid and no others; each bid is"
    " higher by a step at least, and was made in time",
    "ended auctions": "the highest bid wins once what was held for it, all others have theirs back, and nobody bids"
    " more often than is allowed",
    "points of the mall": "every entry of an order, a draw or an auction has its document, and every document its"
    " entry",
}

REACHABLE = tuple(
    f"mall: {state}"
    for state in (
        "sold out under a race",
        "a lost exchange gives its pieces back",
        "a lost draw gives its pieces back",
        "the worker counts pieces as sold",
        "the worker puts pieces back",
        "an exchange was done before its crash",
        "a draw was done before its crash",
        "a bid was done before its crash",
        "two attempts of one exchange at once",
        "an order of pieces from several shards",
        "an unpaid order ended",
        "an order was forfeited",
        "an order was cancelled",
        "an order was returned",
        "an order was returned in part",
        "an order came too late for its deadline",
        "pieces were put in while others exchange",
        "a limit on rewards was reached",
        "a code was seen and stays sold",
        "a code that nobody saw goes back",
        "a voucher was taken back",
        "a coupon was used",
        "a coupon was given back",
        "a coupon was wanted twice at once",
        "a coupon's day was full",
        "a prize was won",
        "a prize out of stock: another",
        "a prize out of stock: nothing",
        "a prize out of stock: refund",
        "draws of a day were used up",
        "a bid was outbid",
        "a bid was raised",
        "a late bid put the end off",
        "the end raced a bid",
        "an auction was sold",
        "an auction was unsold",
        "an auction was cancelled",
        "a hold of a bid ran out",
    )
)

DEPARTMENT = Department(
    name="mall",
    deeds={kind: Deed(str, _no_reference) for kind in KINDS},
    laws=LAWS,
    reachable=REACHABLE,
)
