"""One posting, one TransactWriteItems, and what its failure means.

    failed on a document         DocumentMoved   a duplicate, or the state moved on: load it and answer from it
    failed on an account, entry  AccountMoved    someone else wrote first: load and decide again
    conflict, throttling, a      resend          the same transaction, until the answer is definite or time is up
    lost answer, a server error                  (its conditions make a second success impossible)

PynamoDB sends checks, deletes, puts and updates in that order and reports reasons in that order; this writes puts
alone, so a reason's place is the place of its item here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, HTTPClientError
from botocore.exceptions import ConnectionError as BotoConnectionError
from pynamodb.exceptions import PynamoDBException, TransactWriteError
from pynamodb.transactions import TransactWrite

from jifen.domain.errors import LedgerFault
from jifen.service.ports import POSTING_ITEMS_MAX, AccountMoved, DocumentMoved

if TYPE_CHECKING:
    from pynamodb.connection import Connection
    from pynamodb.expressions.condition import Condition

    from jifen.service.ports import Patience
    from jifen.store.items import Raw

SERVER_ERROR = 500

_TRY_AGAIN = frozenset(
    {
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
        "ThrottlingError",
        "ThrottlingException",
        "ThrottledException",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "InternalServerError",
        "InternalFailure",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
        "RequestTimeoutException",
    }
)


@dataclass(frozen=True, slots=True)
class Put:
    """One item to write, its condition, and whether it is a document."""

    item: Raw
    condition: Condition
    document: bool


class _Puts(TransactWrite):
    """PynamoDB's transaction, for items that are encoded already."""

    def __init__(self, connection: Connection, table: str) -> None:
        super().__init__(connection=connection)
        self._table = table

    def save(self, item: Raw, condition: Condition) -> None:  # type: ignore[override]
        """Put an item under a condition."""
        names: dict[str, str] = {}
        values: dict[str, Any] = {}
        put: dict[str, Any] = {
            "TableName": self._table,
            "Item": item,
            "ConditionExpression": condition.serialize(names, values),
            "ExpressionAttributeNames": {placeholder: name for name, placeholder in names.items()},
        }
        if values:
            put["ExpressionAttributeValues"] = values
        self._put_items.append(put)


def write(connection: Connection, table: str, puts: list[Put], patience: Patience) -> None:
    """Write all items or none, resending while the outcome is not definite.

    Raises:
        DocumentMoved, AccountMoved: nothing of this attempt was written.
        Busy: time ran out; whether it was written is not known, and asking again settles it.
        LedgerFault: more items than a transaction holds.
    """
    if len(puts) > POSTING_ITEMS_MAX:
        message = f"{len(puts)} items do not fit into one transaction"
        raise LedgerFault(message)
    attempt = 0
    while True:
        try:
            with _Puts(connection, table) as transaction:
                for put in puts:
                    transaction.save(put.item, condition=put.condition)
        except TransactWriteError as failure:
            _raise_if_definite(failure, puts)
        else:
            return
        attempt += 1
        patience.pause(attempt)


def _raise_if_definite(failure: TransactWriteError, puts: list[Put]) -> None:
    codes = [(reason.code if reason else None) for reason in failure.cancellation_reasons]
    failed = [put for put, code in zip(puts, codes, strict=False) if code == "ConditionalCheckFailed"]
    if any(put.document for put in failed):
        raise DocumentMoved from failure
    if failed:
        raise AccountMoved from failure
    if not can_try_again(failure) and not any(code in _TRY_AGAIN for code in codes):
        raise failure


def can_try_again(failure: PynamoDBException) -> bool:
    """Whether a failed call may succeed when it is made again: throttling, server errors, lost connections."""
    if isinstance(failure.cause, (HTTPClientError, BotoConnectionError)):
        return True
    if isinstance(failure.cause, BotoCoreError):
        return False
    code = failure.cause_response_code or ""
    # A gateway in between answers without DynamoDB's code: botocore then gives the HTTP status as one.
    return code in _TRY_AGAIN or (code.isdigit() and int(code) >= SERVER_ERROR)
