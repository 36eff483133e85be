"""The laws that a ledger is held to, what an audit is told beside the rows, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from jifen.domain.program import Program
from local.simulation.days import local_day

LAWS: Mapping[str, str] = {
    "rows": "every row is one that the table is drawn with, can be read, and is there once",
    "whole numbers": "every number is a whole one, wherever in a row it stands",
    "sequence": "an account's entries are numbered from 1 to its version, none missing",
    "chain": "each entry's hash covers all of it and the entry before; the first hangs on its member, the last is the"
    " account's head",
    "recorded": "no entry was recorded later than the audit was made",
    "form": "an entry adds up (lots + held - owed = points), and each kind moves points in its own direction only",
    "balance": "balance_after is the sum of the points so far at every entry, and of all of them the account's balance",
    "lots": "the lots that the entries add up to are the account's, its in_lots is their sum, none was ever below zero",
    "debt": "the debt that the entries add up to is the account's, never below zero, and a credit pays it first,"
    " soonest-expiring points before others",
    "debt last": "points are owed only where no unexpired point is left in the lots",
    "holds": "the points that the entries hold are the account's open holds, lot by lot",
    "one resolution": "a hold is captured, voided or lapsed at most once; a captured one gives its rest back at once",
    "hold in time": "a hold is captured or voided before its end, and lapses at its end and not before",
    "lifetime": "earned, redeemed, expired and clawed back are the sums of the entries, and earned = available +"
    " pending + held + redeemed + expired + clawed back - debt - points of kinds that are none of these",
    "no expired point": "no debit touches a lot that is expired or not active yet on the local day of the decision;"
    " only a clawback may take from its order's own lapsed lot what the entry before it put there",
    "soonest first": "a redemption, a hold, a capture and a transfer take the soonest-expiring points that there are",
    "clawback order": "a clawback takes from a lot date of its order first, then soonest-expiring",
    "forgiven": "only policy clamp forgives, only what the lots have not got, and never what an open hold keeps",
    "lapse": "a lot lapses whole, after its last valid day; no more of it comes back than lapsed",
    "compaction": "joining lots keeps every point and moves none to a sooner day",
    "policies": "a policy of validity moves lots whole in its one direction, to a day that is not past; what it voids"
    " is its share, what would lapse first, and no more than the member was told of",
    "restore": "a restore returns to lots of its own redemption, pro rata, never more than was taken, as the document"
    " says; what had lapsed goes where the program's policy has it",
    "documents": "a redemption has one redeem entry and a hold one hold entry, each such entry has its document, and"
    " the two agree",
    "both sides": "a transfer has one entry of each side, and one more of each where it was taken back; the points that"
    " were received last no longer than those that were sent",
    "rules": "rules that an award or a published version names are in the table under the hash of their text, and"
    " only rules that could give points did",
    "granted": "an order has been granted what its facts are worth under the rules it was awarded with, within what"
    " caps and budgets left its first award, into the lots of those rules",
    "orders": "a member's entries of an order (earn, bonus of a friend's order, clawback) add up to what it is granted"
    " and was forgiven",
    "events": "the entries of an event give what its receipt says, rule by rule, to the member and to who invited; one"
    " that gave nothing, waits or was turned down has none for it, and a made-up day takes its cost",
    "once": "a value that gives points once was used up by an event that has it, and by that one only",
    "allowances": "a tier gives its allowance once a month, not before the month, as much as the entry says",
    "caps": "no member got more in any stretch of the calendar than a cap allows, over all orders, events and tasks",
    "used": "what an account remembers of its caps is what was given, in every stretch that is kept",
    "kept orders": "an account remembers as many orders as are kept, and as the first of them one that is",
    "opened": "an account is there since the local day on which its first entry was recorded",
    "spent": "what a member spent in a month is what is kept of the orders paid in it, as far as they count for it",
    "tasks": "the progress of a task is what the orders count towards it; what it granted is the sum of its entries,"
    " and unless policy clamp lets points go no more than the progress is worth",
    "campaigns": "what a campaign says that it gave, how often and for how much is what its rules gave",
    "budgets": "no campaign has given more than its budget",
    "versions": "versions of the program are numbered from 1, none missing, and each names its rules",
    "in force": "the program in force is a published version as it was published, or the stack's own",
    "stock": "of a stock that is counted free + reserved + sold = stocked in every shard, of a pool as many codes are"
    " free or reserved as it says, nothing is below zero, and each is of a reward or a prize",
    "sold": "what is sold from a shard, or reserved there for an order or draw that was made with it, is what reward"
    " orders and draws have from it",
    "codes": "a code was put into a pool once and is in one place: free, reserved, or of the one reward order that has"
    " it",
    "reward orders": "a reward order took its points in one entry (of an auction by its bid, of a draw none), gave back"
    " what its status asks, gave a voucher's points once, and went one step at a time; each such entry has its order",
    "coupons": "a coupon came of the reward order or draw that names it, is used on one order or on none, and is void"
    " once what it came of was taken back",
    "lotteries": "the secrets of a lottery lead to its commitment, and of no prize more was put in or won than it has",
    "draws": "a draw took its cost and gave its points in one entry each, on the terms of its lottery, and what it won"
    " is there; each such entry has its draw",
    "attempts": "the draws of a member on a day of a lottery are numbered from 1, none missing, none too many",
    "drawn": "the number of a draw follows from the secret of its day, and its prize from the number, or from what"
    " takes that prize's place out of stock",
    "bids": "a bid holds its points once, while it is the highest one; then they went back or were spent, as it says;"
    " each such entry has its bid",
    "auctions": "an auction has the bids that it counts, each a step above the one before and in its time, the highest"
    " on top; one that was sold has the one bid that won and its order, any other has none",
    "member limits": "what an account remembers of the limits on rewards, coupons, draws and bids is what was used of"
    " them, and of those on spending and transfers no more than the entries say",
    "deeds": "every version, change of what is in force, step of a campaign and decision on an event has its line in"
    " the audit of operators, and every line what it speaks of",
    "index": "an account's due dates and shard are the function of its lots, holds, tier and reminders; of events,"
    " those that wait for an operator are in the index, of documents of the mall those with a deadline ahead, and no"
    " others",
    "totals": "over all accounts, points by kind and the balance are the sums over all entries",
}
"""Every law that is checked, each in a sentence."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A ``law`` (a name of :data:`LAWS`) that does not hold, where, and what was found."""

    law: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Terms:
    """The ``program`` that the ledger was written under, the moment of the audit, and how many shards there are."""

    program: Program
    now: datetime
    shards: int | None

    def today(self, instant: datetime) -> str:
        """The local day of an instant."""
        return local_day(instant, self.program.zone).isoformat()
