"""API Gateway's events and answers: the raw body of a request, JSON answers, refusals as problem documents.

The one place that maps a refusal to an HTTP status (RFC 9457, application/problem+json), and the one that sees to it
that every answer and every log line carries the request's id.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

from jifen import runtime
from jifen.domain import errors
from jifen.domain.errors import Busy, Refusal

CONTENT_TYPE = "application/problem+json"

REQUEST_ID = "X-Request-Id"
"""The id of API Gateway, which its access log has too: what a caller quotes and an operator looks for."""

RESERVED = frozenset({"type", "title", "status", "code", "detail"})

STATUS: Mapping[type[Refusal], int] = {
    errors.InsufficientPoints: 409,
    errors.AccountFrozen: 409,
    errors.LimitReached: 409,
    errors.HoldAlreadyResolved: 409,
    errors.HoldNotFound: 404,
    errors.HoldExpired: 410,
    errors.RedemptionNotFound: 404,
    errors.OrderCancelled: 409,
    errors.IdempotencyKeyMissing: 400,
    errors.IdempotencyKeyReused: 422,
    errors.InvalidInput: 422,
    errors.InvalidProgram: 422,
    errors.MalformedEvent: 400,
    errors.EventTooLarge: 413,
    errors.RuleSetNotFound: 404,
    errors.RulesMoved: 409,
    errors.LintBlocks: 409,
    errors.CampaignNotFound: 404,
    errors.CampaignExists: 409,
    errors.CampaignUnbounded: 403,
    errors.WrongStatus: 409,
    errors.ReviewNotFound: 404,
    errors.SweepNotFound: 404,
    errors.SweepRunNotFound: 404,
    errors.NothingToMakeUp: 409,
    errors.NotOffered: 409,
    errors.NotOpen: 409,
    errors.PasswordRequired: 403,
    errors.PasswordWrong: 403,
    errors.PasswordNotSet: 403,
    errors.PasswordTooNew: 403,
    errors.PasswordLocked: 423,
    errors.TransferNotFound: 404,
    errors.TransferFinal: 409,
    errors.RecipientUnavailable: 409,
    errors.CouponNotFound: 404,
    errors.CouponNotUsable: 409,
    errors.LotteryNotFound: 404,
    errors.DrawNotFound: 404,
    errors.AuctionNotFound: 404,
    errors.ValidityBatchNotFound: 404,
    errors.BidTooLow: 409,
    errors.PriceChanged: 409,
    errors.DeadlinePassed: 410,
    errors.RewardOrderNotFound: 404,
    errors.RewardNotFound: 404,
    errors.OutOfStock: 409,
    errors.EndpointNotFound: 404,
    errors.EndpointExists: 409,
    errors.SignatureRefused: 401,
    errors.UnknownSource: 404,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Crashed: 500,
    errors.Busy: 503,
}


def respond(event: Mapping[str, Any], work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What ``work`` answers to an API Gateway event; a refusal or a crash as a problem document.

    A crash is a fault of ours: it is logged with its traceback, counted (``Crashes``, which the function's alarm adds
    to Lambda's own errors), and answered 500 without a word of what broke.
    """
    here = runtime.current()
    request_id = str((event.get("requestContext") or {}).get("requestId") or "")
    here.begin(request_id)
    try:
        answered = work()
    except Refusal as refusal:
        if refusal.metric:
            here.count({refusal.metric: 1})
        answered = refusal_answer(refusal)
    except Exception:
        here.logger.exception("the request could not be answered")
        here.count({"Crashes": 1})
        answered = refusal_answer(errors.Crashed())
    return {**answered, "headers": {**answered.get("headers", {}), REQUEST_ID: request_id}}


def problem(refusal: Refusal) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of a refusal."""
    status = STATUS[type(refusal)]
    assert not RESERVED & refusal.facts().keys(), f"a fact of {refusal.code} has the name of a field"
    body = {
        "type": f"urn:jifen:problem:{refusal.code.lower().replace('_', '-')}",
        "title": refusal.title(),
        "status": status,
        "code": refusal.code,
        "detail": refusal.detail,
        **refusal.facts(),
    }
    headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
    if isinstance(refusal, Busy):
        headers["Retry-After"] = str(refusal.retry_after_s)
    return status, headers, json.dumps(body)


def raw_body(event: Mapping[str, Any]) -> bytes | None:
    """The bytes as the caller sent them; None when they cannot be had."""
    body = event.get("body") or ""
    try:
        return base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
    except (binascii.Error, ValueError, TypeError, AttributeError):
        return None


def answer(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    """An API Gateway answer with a JSON body."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return {
        "statusCode": status,
        "headers": headers,
        "body": json.dumps(body, ensure_ascii=False),
        "isBase64Encoded": False,
    }


def refusal_answer(refusal: Refusal) -> dict[str, Any]:
    """An API Gateway answer for a refusal."""
    status, headers, body = problem(refusal)
    return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}
