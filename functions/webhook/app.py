"""POST /webhooks/{source}: verify the signature over the raw bytes, read the order events, queue them.

202 when the queue has them, 200 when there is nothing of ours in it, 401 for any signature failure, 400 for a signed
body that cannot be read. What the ledger makes of it is decided later, by the queue's consumer.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from jifen import problems, runtime
from jifen.domain.errors import Refusal, SignatureRefused


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Answer one delivery."""
    del context
    here = runtime.current()
    source = str((event.get("pathParameters") or {}).get("source") or "")
    try:
        events = here.receive(source, event.get("headers") or {}, _raw_body(event))
        for order_event in events:
            here.orders.send(order_event)
    except Refusal as refusal:
        here.logger.info(
            "webhook refused", extra={"source_name": source, "code": refusal.code, "detail": refusal.detail}
        )
        here.count({"WebhookRefused": 1})
        return problems.refusal_answer(refusal)
    here.count({"WebhookAccepted": len(events)})
    return problems.answer(202 if events else 200, {})


def _raw_body(event: Mapping[str, Any]) -> bytes:
    """The bytes as the shop sent them: the signature is over these and nothing else."""
    body = event.get("body") or ""
    try:
        return base64.b64decode(body, validate=True) if event.get("isBase64Encoded") else body.encode()
    except (binascii.Error, ValueError) as wrong:
        raise SignatureRefused from wrong
