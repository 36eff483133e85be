"""What a good team writes with the tools at hand: Powertools idempotency around the handlers, lots as PynamoDB items.

    lot       M#<member>  L#<last valid day>   points; the lot `L#0` is what is owed, below zero
    entry     M#<member>  E#<cause>
    order     O#<order>   O                    joined facts and what was granted, under a version

    idempotency table     id                   what has been handled, and its answer, for a day

Every posting is one transaction with a condition on each lot it takes from and on the order's version. A redemption
that lost against another is tried again from the start, three times. A copy of a message or request is answered from
the idempotency table; while the first is being worked on, the copy fails and comes again.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import IdempotencyAlreadyInProgressError
from pydantic import BaseModel, Field
from pynamodb.attributes import NumberAttribute, UnicodeAttribute, VersionAttribute
from pynamodb.connection import Connection
from pynamodb.exceptions import TransactWriteError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from bench.alternatives.orders import empty, expires_on, joined, worth
from bench.alternatives.sessions import session
from local.engines import Engine

TRIES = 3
IDEMPOTENT_S = 24 * 3600
DEBT = "L#0"
CREATED, CONFLICT = 201, 409

IDEMPOTENCY_TABLE: Mapping[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}
"""As Powertools' documentation has it."""


class Redeem(BaseModel):
    """A request for points."""

    points: int = Field(ge=1, strict=True)


class IdempotencyAndLots:
    """The two handlers over the table and the idempotency table beside it."""

    def __init__(self, engine: Engine, table: str, logger: Logger) -> None:
        keys = engine.credentials
        client = session().client(
            "dynamodb",
            region_name=engine.region,
            endpoint_url=engine.url,
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
        )
        self._lots, self._entries, self._orders = models = _models(engine, table)
        shared = self._lots._get_connection()  # noqa: SLF001 - one for the three models, which PynamoDB would make three of
        for model in models:
            model._connection = shared  # noqa: SLF001 - as above
        self._connection: Connection = shared.connection
        self.clients = [client, self._connection.client]
        self._events = IdempotencyConfig(event_key_jmespath="event_id", expires_after_seconds=IDEMPOTENT_S)
        self._requests = IdempotencyConfig(event_key_jmespath="key", expires_after_seconds=IDEMPOTENT_S)

        def once(function: Callable[..., Any], argument: str, config: IdempotencyConfig) -> Callable[..., Any]:
            store = DynamoDBPersistenceLayer(f"{table}-idempotency", boto3_client=client)
            decorated: Callable[..., Any] = idempotent_function(
                function, data_keyword_argument=argument, persistence_store=store, config=config
            )
            return decorated

        self._post_once = once(self._order, "order", self._events)
        self._redeem_once = once(self._redeem, "request", self._requests)
        self._processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
        self._logger = logger
        self._api = APIGatewayHttpResolver(enable_validation=True)
        self._api.post("/v1/members/<member_id>/redemptions")(self._route)

    # Earning

    def earn(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Handle one batch of the orders queue."""
        self._events.register_lambda_context(context)
        return dict(
            process_partial_response(
                event=dict(event), record_handler=self._record, processor=self._processor, context=context
            )
        )

    def _record(self, record: SQSRecord) -> None:
        self._post_once(order=record.json_body)

    def _order(self, order: Mapping[str, Any]) -> dict[str, Any]:
        key = f"O#{order['order_id']}"
        try:
            item = self._orders.get(key, "O", consistent_read=True)
        except self._orders.DoesNotExist:
            item = self._orders(key, "O")
        before = json.loads(item.state) if item.state else empty()
        after = joined(before, order)
        points = worth(after) - after["granted"]
        after["granted"] += points
        item.state = json.dumps(after, separators=(",", ":"))
        with TransactWrite(connection=self._connection) as transaction:
            if points:
                member = after["paid"]["member"]
                for lot, change in self._changes(member, expires_on(after), points).items():
                    self._move(transaction, member, lot, change)
                entry = self._entries(f"M#{member}", f"E#{order['event_id']}", points=points, at=order["occurred_at"])
                transaction.save(entry, condition=self._entries.pk.does_not_exist())
            transaction.save(item)
        self._logger.info("order event posted", extra={"event_id": order["event_id"], "points": points})
        return {"points": points}

    def _changes(self, member: str, last_day: str, points: int) -> dict[str, int]:
        """What a posting does to which lot. A credit needs no reading; a clawback takes from the own lot first."""
        own = f"L#{last_day}"
        if points > 0:
            return {own: points}
        lots = self._read(member)
        ordered = sorted((lot for lot in lots if lot != DEBT), key=lambda lot: (lot != own, lot))
        changes, missing = _taken({lot: lots[lot] for lot in ordered}, -points)
        return {**changes, DEBT: -missing} if missing else changes

    # Spending

    def redeem(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Answer one request for points."""
        self._requests.register_lambda_context(context)
        try:
            return self._api.resolve(dict(event), context)
        except (IdempotencyAlreadyInProgressError, TransactWriteError) as lost:
            self._logger.warning("redemption lost a race", extra={"why": type(lost).__name__})
            return {
                "statusCode": 503,
                "headers": {"Retry-After": "1"},
                "body": json.dumps({"code": type(lost).__name__}),
            }

    def _route(self, member_id: str, body: Redeem) -> Response[Any]:
        key = self._api.current_event.headers["idempotency-key"]
        answer = self._redeem_once(request={"key": f"{member_id}#{key}", "member": member_id, "points": body.points})
        return Response(status_code=answer["status"], content_type="application/json", body=json.dumps(answer["body"]))

    def _redeem(self, request: Mapping[str, Any]) -> dict[str, Any]:
        member, points = request["member"], request["points"]
        for attempt in range(TRIES):
            lots = self._read(member)
            available = sum(lots.values())
            if available < points:
                return {"status": CONFLICT, "body": {"code": "INSUFFICIENT_POINTS", "available": available}}
            changes, _ = _taken({lot: lots[lot] for lot in sorted(lots) if lot != DEBT}, points)
            try:
                with TransactWrite(connection=self._connection) as transaction:
                    for lot, change in changes.items():
                        self._move(transaction, member, lot, change)
                    entry = self._entries(f"M#{member}", f"E#{request['key']}", points=-points)
                    transaction.save(entry, condition=self._entries.pk.does_not_exist())
            except TransactWriteError:
                if attempt == TRIES - 1:
                    raise
                time.sleep(random.random() * 0.05 * 2**attempt)  # noqa: S311 - jitter
            else:
                break
        self._logger.info("points redeemed", extra={"request": request["key"], "points": points})
        return {"status": CREATED, "body": {"points": points, "available": available - points}}

    def balance(self, member: str) -> int:
        """What the member has."""
        return sum(self._read(member).values())

    def _read(self, member: str) -> dict[str, int]:
        found = self._lots.query(f"M#{member}", self._lots.sk.startswith("L#"), consistent_read=True)
        return {lot.sk: int(lot.points) for lot in found}

    def _move(self, transaction: TransactWrite, member: str, lot: str, change: int) -> None:
        enough = self._lots.points >= -change if change < 0 and lot != DEBT else None
        transaction.update(self._lots(f"M#{member}", lot), actions=[self._lots.points.add(change)], condition=enough)


def _taken(lots: Mapping[str, int], points: int) -> tuple[dict[str, int], int]:
    """Changes that take ``points`` out of the lots in their order, and what they have not got."""
    changes: dict[str, int] = {}
    for lot, left in lots.items():
        part = min(left, points)
        if part > 0:
            changes[lot] = -part
            points -= part
    return changes, points


class _Item(Model):
    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)


class _Lot(_Item):
    points = NumberAttribute(default=0)


class _Entry(_Item):
    points = NumberAttribute()
    at = UnicodeAttribute(null=True)


class _Order(_Item):
    state = UnicodeAttribute(null=True)
    version = VersionAttribute()


def _models(engine: Engine, table: str) -> list[Any]:
    """Lot, entry and order, tied to one table."""
    place: dict[str, Any] = {
        "table_name": table,
        "region": engine.region,
        "host": engine.url,
        "aws_access_key_id": engine.credentials.access_key_id,
        "aws_secret_access_key": engine.credentials.secret_access_key,
    }
    meta = type("Meta", (), place)
    return [type(cls.__name__, (cls,), {"Meta": meta, "__module__": __name__}) for cls in (_Lot, _Entry, _Order)]
