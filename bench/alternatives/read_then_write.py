"""What a team writes first: read the balance, compute, write it back.

    balance   M#<member>  B           points
    entry     M#<member>  E#<cause>   what happened; its presence says that a redemption was done
    order     O#<order>   O           joined facts and what was granted

Written with care: an order's points follow from its state, a copy of a message changes nothing, a repeated request gets
its first answer. Nothing holds the three writes together, and nothing sees that the balance has changed since it was
read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools import Logger

from bench.alternatives.orders import empty, joined, worth
from bench.alternatives.sessions import session
from local.engines import Engine

CREATED, CONFLICT = 201, 409


class ReadThenWrite:
    """The two handlers over one table."""

    def __init__(self, engine: Engine, table: str, logger: Logger) -> None:
        keys = engine.credentials
        resource = session().resource(
            "dynamodb",
            region_name=engine.region,
            endpoint_url=engine.url,
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
        )
        self._table = resource.Table(table)
        self._logger = logger
        self.clients = [resource.meta.client]

    def earn(self, event: Mapping[str, Any], context: object) -> dict[str, Any]:
        """Handle one batch of the orders queue."""
        del context
        failed: list[str] = []
        for record in event["Records"]:
            try:
                self._order(json.loads(record["body"]))
            except Exception:
                self._logger.exception("order event failed")
                failed.append(record["messageId"])
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    def _order(self, order: Mapping[str, Any]) -> None:
        key = {"pk": f"O#{order['order_id']}", "sk": "O"}
        item = self._table.get_item(Key=key, ConsistentRead=True).get("Item")
        before = json.loads(item["state"]) if item else empty()
        after = joined(before, order)
        if after == before:
            self._logger.info("order event known", extra={"event_id": order["event_id"]})
            return
        points = worth(after) - after["granted"]
        if points:
            member = after["paid"]["member"]
            balance = self._balance(member) + points
            self._write(member, balance, order["event_id"], {"points": points, "at": order["occurred_at"]})
        after["granted"] += points
        self._table.put_item(Item={**key, "state": json.dumps(after, separators=(",", ":"))})
        self._logger.info("order event posted", extra={"event_id": order["event_id"], "points": points})

    def redeem(self, event: Mapping[str, Any], context: object) -> dict[str, Any]:
        """Answer one request for points."""
        del context
        member = event["pathParameters"]["member_id"]
        points, request = json.loads(event["body"])["points"], event["headers"]["idempotency-key"]
        if type(points) is not int or points < 1:
            return _answer(422, {"code": "INVALID_REQUEST"})
        done = self._table.get_item(Key={"pk": f"M#{member}", "sk": f"E#{request}"}, ConsistentRead=True).get("Item")
        if done:
            return _answer(CREATED, {"points": -int(done["points"]), "available": int(done["balance"])})
        available = self._balance(member)
        if available < points:
            return _answer(CONFLICT, {"code": "INSUFFICIENT_POINTS", "available": available})
        self._write(member, available - points, request, {"points": -points})
        self._logger.info("points redeemed", extra={"request_id": request, "points": points})
        return _answer(CREATED, {"points": points, "available": available - points})

    def balance(self, member: str) -> int:
        """What the member has."""
        return self._balance(member)

    def _balance(self, member: str) -> int:
        item = self._table.get_item(Key={"pk": f"M#{member}", "sk": "B"}, ConsistentRead=True).get("Item")
        return int(item["points"]) if item else 0

    def _write(self, member: str, balance: int, cause: str, entry: Mapping[str, Any]) -> None:
        self._table.put_item(Item={"pk": f"M#{member}", "sk": "B", "points": balance})
        self._table.put_item(Item={"pk": f"M#{member}", "sk": f"E#{cause}", "balance": balance, **entry})


def _answer(status: int, body: Mapping[str, Any]) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
