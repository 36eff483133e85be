"""POST /webhooks/{source}: verify the signature over the raw bytes, read the order events, queue them.

202 when the queue has them, 200 when there is nothing of ours in it, 401 for any signature failure, 400 for a signed
body that cannot be read. What the ledger makes of it is decided later, by the queue's consumer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jifen import gateway, runtime
from jifen.domain.errors import Refusal, SignatureRefused


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Answer one delivery."""
    del context
    return gateway.respond(event, lambda: _deliver(event))


def _deliver(event: Mapping[str, Any]) -> dict[str, Any]:
    here = runtime.current()
    source = str((event.get("pathParameters") or {}).get("source") or "")
    try:
        body = gateway.raw_body(event)
        if body is None:
            raise SignatureRefused
        events = here.receive(source, event.get("headers") or {}, body)
        if events:
            here.orders.send(events)
    except Refusal as refusal:
        facts = {"source_name": source, "code": refusal.code, "detail": refusal.detail}
        here.logger.info("webhook refused", extra=facts | ({"cause": repr(why)} if (why := refusal.__cause__) else {}))
        here.count({"WebhookRefused": 1})
        raise
    here.logger.info("webhook accepted", extra={"source_name": source, "event_ids": [one.event_id for one in events]})
    here.count({"WebhookAccepted": len(events)})
    return gateway.answer(202 if events else 200, {})


runtime.prepare("orders", "receiver", "logger", "metrics")
