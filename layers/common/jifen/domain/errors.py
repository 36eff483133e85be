"""Refusals: every way Jifen says no, each with a stable code and the facts behind it.

The class docstring is the sentence a person reads (the ``title`` of the problem document); ``facts()`` are the fields
beside it. ``jifen.http`` maps the classes to HTTP status codes, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar, NamedTuple


class Fault(NamedTuple):
    """One thing wrong with an input: where (``lines[3].qty``) and what."""

    field: str
    problem: str


class LedgerFault(Exception):
    """An entry or a lot does not add up: a mistake in our own code, or a ledger that was tampered with."""


class Refusal(Exception):
    """The request was understood and refused."""

    code: ClassVar[str] = "REFUSED"
    metric: str = ""
    """The number in which an operator sees how often it happens; empty for what is nobody's business."""

    def __init__(self, detail: str = "", **facts: object) -> None:
        self.detail = detail or self.title()
        self._facts = facts
        super().__init__(self.detail)

    @classmethod
    def title(cls) -> str:
        """The first line of the class docstring."""
        return (cls.__doc__ or cls.__name__).strip().splitlines()[0]

    def facts(self) -> Mapping[str, object]:
        """What the caller needs in order to act, JSON-ready."""
        return self._facts


class InsufficientPoints(Refusal):
    """The account does not have that many points to spend."""

    code = "INSUFFICIENT_POINTS"

    def __init__(self, *, asked: int, available: int) -> None:
        super().__init__(
            f"{asked} points were asked for and {available} are available.", asked=asked, available=available
        )
        self.asked, self.available = asked, available


class AccountFrozen(Refusal):
    """The account is frozen: points can be neither spent nor held."""

    code = "ACCOUNT_FROZEN"


class LimitReached(Refusal):
    """A limit was reached."""

    code = "LIMIT_REACHED"

    def __init__(self, *, limit: str, points: int, resets_at: datetime | None = None, detail: str = "") -> None:
        resets = resets_at.isoformat() if resets_at else None
        said = detail or f"The limit {limit} allows {points}."
        super().__init__(said, limit=limit, allowed=points, resets_at=resets)


class HoldNotFound(Refusal):
    """No hold has this id."""

    code = "HOLD_NOT_FOUND"


class HoldAlreadyResolved(Refusal):
    """The hold was captured or voided before: a hold is resolved once."""

    code = "HOLD_ALREADY_RESOLVED"

    def __init__(self, *, status: str) -> None:
        super().__init__(f"The hold is {status}.", hold_status=status)


class HoldExpired(Refusal):
    """The hold ran out of time and its points went back."""

    code = "HOLD_EXPIRED"


class RedemptionNotFound(Refusal):
    """No redemption has this id."""

    code = "REDEMPTION_NOT_FOUND"


class IdempotencyKeyMissing(Refusal):
    """A request that changes something needs an Idempotency-Key of 1 to 128 visible ASCII characters."""

    code = "IDEMPOTENCY_KEY_MISSING"


class IdempotencyKeyReused(Refusal):
    """This Idempotency-Key was used before with another request."""

    code = "IDEMPOTENCY_KEY_REUSED"


class InvalidInput(Refusal):
    """A field is missing, has the wrong form or is out of range."""

    code = "INVALID_REQUEST"

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        shown = "; ".join(f"{fault.field}: {fault.problem}" for fault in self.faults[:5])
        errors = [{"field": fault.field, "problem": fault.problem} for fault in self.faults[:20]]
        super().__init__(shown, errors=errors)


class MalformedEvent(InvalidInput):
    """The event is signed correctly but cannot be read."""

    code = "MALFORMED_EVENT"


class EventTooLarge(Refusal):
    """The order does not fit into a queue message even when reduced to what points need."""

    code = "EVENT_TOO_LARGE"


class InvalidProgram(InvalidInput):
    """The program has a fault; nothing was changed."""

    code = "INVALID_PROGRAM"


class RuleSetNotFound(Refusal):
    """No version of the rules has this number."""

    code = "RULE_SET_NOT_FOUND"


class RulesMoved(Refusal):
    """Other rules have come into force since this draft was made: look at it again, then publish it with rebase."""

    code = "RULES_MOVED"

    def __init__(self, *, based_on: int, in_force: int) -> None:
        super().__init__(
            f"The draft was made while version {based_on} was in force; now it is {in_force}.",
            based_on=based_on,
            in_force=in_force,
        )


class LintBlocks(Refusal):
    """The rules can be made to mint points; they are published only with a reason to override that."""

    code = "LINT_BLOCKS"

    def __init__(self, findings: Sequence[Mapping[str, object]]) -> None:
        codes = ", ".join(str(finding["code"]) for finding in findings)
        super().__init__(f"Found: {codes}.", findings=list(findings))


class CampaignNotFound(Refusal):
    """No campaign has this id."""

    code = "CAMPAIGN_NOT_FOUND"


class CampaignExists(Refusal):
    """A campaign with this id is there already; an id is used once."""

    code = "CAMPAIGN_EXISTS"


class CampaignUnbounded(Refusal):
    """Without a last day and a budget, or with a factor below 1, a campaign is scheduled by an administrator only."""

    code = "CAMPAIGN_UNBOUNDED"


class WrongStatus(Refusal):
    """What is asked does not fit the status that this is in."""

    code = "WRONG_STATUS"

    def __init__(self, *, status_now: str, needs: Sequence[str]) -> None:
        super().__init__(f"It is {status_now}.", status_now=status_now, needs=list(needs))


class ReviewNotFound(Refusal):
    """No event of this member has this id."""

    code = "REVIEW_NOT_FOUND"


class SweepNotFound(Refusal):
    """There is no sweep of this name, or it has no switch of its own."""

    code = "SWEEP_NOT_FOUND"


class SweepRunNotFound(Refusal):
    """No run of this sweep for this instant is known, or it is long ago."""

    code = "SWEEP_RUN_NOT_FOUND"


class NotOffered(Refusal):
    """The program does not offer this."""

    code = "NOT_OFFERED"


class OrderCancelled(Refusal):
    """The order was cancelled: no points can be used on it."""

    code = "ORDER_CANCELLED"


class PasswordRequired(Refusal):
    """Spending that many points in a day needs the member's points password."""

    code = "POINTS_PASSWORD_REQUIRED"

    def __init__(self, *, above: int, spent: int) -> None:
        super().__init__(
            f"Above {above} points in a day the points password is needed, and {spent} were spent today. "
            "A member who has none sets one first.",
            above=above,
            spent_today=spent,
        )


class PasswordWrong(Refusal):
    """This is not the member's points password."""

    code = "POINTS_PASSWORD_WRONG"

    def __init__(self, *, tries_left: int, resets_at: datetime | None = None) -> None:
        resets = resets_at.isoformat() if resets_at else None
        said = f"It is locked until {resets}." if resets else f"Tries left: {tries_left}."
        super().__init__(said, tries_left=tries_left, resets_at=resets)
        self.metric = "PointsPasswordsLocked" if resets else ""


class PasswordNotSet(Refusal):
    """The member has no points password yet: one has to be set first."""

    code = "POINTS_PASSWORD_NOT_SET"


class PasswordTooNew(Refusal):
    """The points password was set where there was none, and cannot be used yet."""

    code = "POINTS_PASSWORD_TOO_NEW"

    def __init__(self, *, resets_at: datetime) -> None:
        super().__init__(f"It can be used from {resets_at.isoformat()} on.", resets_at=resets_at.isoformat())


class PasswordLocked(Refusal):
    """The points password was wrong too often: it is locked for a while."""

    code = "POINTS_PASSWORD_LOCKED"

    def __init__(self, *, resets_at: datetime) -> None:
        super().__init__(f"It can be tried again at {resets_at.isoformat()}.", resets_at=resets_at.isoformat())


class TransferNotFound(Refusal):
    """No transfer has this id."""

    code = "TRANSFER_NOT_FOUND"


class TransferFinal(Refusal):
    """The transfer cannot be taken back any more: the receiver can use the points, or has them no longer."""

    code = "TRANSFER_FINAL"


class RecipientUnavailable(Refusal):
    """Points cannot be given to this member."""

    code = "RECIPIENT_UNAVAILABLE"


class RewardNotFound(Refusal):
    """No reward has this id."""

    code = "REWARD_NOT_FOUND"


class NotOpen(Refusal):
    """It cannot be had now: it has not opened yet, is over, or is off the shelf."""

    code = "NOT_OPEN"

    def __init__(self, *, because: str, opens_at: datetime | None = None, closed_at: datetime | None = None) -> None:
        super().__init__(
            f"{because}.",
            opens_at=opens_at.isoformat() if opens_at else None,
            closed_at=closed_at.isoformat() if closed_at else None,
        )


class OutOfStock(Refusal):
    """Not that many pieces are left."""

    code = "OUT_OF_STOCK"

    def __init__(self, *, left: int = 0, restock_on: str | None = None) -> None:
        super().__init__(f"{left} are left.", left=left, restock_on=restock_on)


class PriceChanged(Refusal):
    """The reward costs something else by now."""

    code = "PRICE_CHANGED"

    def __init__(self, *, expected: int, points: int, cash_minor: int) -> None:
        super().__init__(
            f"{expected} points were expected and it costs {points}.",
            expected_points=expected,
            points=points,
            cash_minor=cash_minor,
        )


class DeadlinePassed(Refusal):
    """It is too late for that."""

    code = "DEADLINE_PASSED"

    def __init__(self, *, due_at: datetime | None, order_status: str) -> None:
        due = due_at.isoformat() if due_at else None
        super().__init__(f"The order is {order_status}.", due_at=due, order_status=order_status)


class RewardOrderNotFound(Refusal):
    """No reward order has this id."""

    code = "REWARD_ORDER_NOT_FOUND"


class CouponNotFound(Refusal):
    """No coupon has this id."""

    code = "COUPON_NOT_FOUND"


class CouponNotUsable(Refusal):
    """The coupon cannot be used on this order."""

    code = "COUPON_NOT_USABLE"


class LotteryNotFound(Refusal):
    """No lottery has this id."""

    code = "LOTTERY_NOT_FOUND"


class DrawNotFound(Refusal):
    """No draw has this id."""

    code = "DRAW_NOT_FOUND"


class AuctionNotFound(Refusal):
    """No auction has this id."""

    code = "AUCTION_NOT_FOUND"


class ValidityBatchNotFound(Refusal):
    """No batch of a policy of validity has this id."""

    code = "VALIDITY_BATCH_NOT_FOUND"


class BidTooLow(Refusal):
    """The bid is below what is asked next."""

    code = "BID_TOO_LOW"

    def __init__(self, *, asked: int, least: int) -> None:
        super().__init__(f"{asked} points were bid and at least {least} are asked.", bid=asked, least=least)


class NothingToMakeUp(Refusal):
    """This day cannot be made up for."""

    code = "NOTHING_TO_MAKE_UP"

    def __init__(self, *, because: str, days: Sequence[str] = ()) -> None:
        shown = f" These can: {', '.join(days)}." if days else ""
        super().__init__(f"{because}.{shown}", because=because, days=list(days))


class EndpointNotFound(Refusal):
    """No webhook endpoint has this id."""

    code = "WEBHOOK_ENDPOINT_NOT_FOUND"


class EndpointExists(Refusal):
    """A webhook endpoint with this id is there already."""

    code = "WEBHOOK_ENDPOINT_EXISTS"


class SignatureRefused(Refusal):
    """The signature of the webhook was not accepted."""

    code = "SIGNATURE_REFUSED"


class UnknownSource(Refusal):
    """No shop adapter has this name."""

    code = "UNKNOWN_SOURCE"


class Unauthenticated(Refusal):
    """A valid token is needed."""

    code = "UNAUTHENTICATED"


class Forbidden(Refusal):
    """The token does not reach this account or this operation."""

    code = "FORBIDDEN"


class NotFound(Refusal):
    """There is nothing at this address."""

    code = "NOT_FOUND"


class Crashed(Refusal):
    """Something broke on our side; whether it happened is unknown, and asking again with the same key is safe."""

    code = "INTERNAL_ERROR"


class Busy(Refusal):
    """Too much at once, or a part of ours does not answer; nothing was changed, try again."""

    code = "BUSY"

    def __init__(self, *, retry_after_s: int = 1) -> None:
        super().__init__(retry_after_s=retry_after_s)
        self.retry_after_s = retry_after_s
