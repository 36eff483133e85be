"""Three lines to paste into a shell: an order, the balance it makes, and a redemption.

They sign, and fetch the member's token, when they are pasted: a stamp is good for five minutes, a token for an hour.
"""

from __future__ import annotations

import base64
import shlex
from collections.abc import Sequence

MEMBER = "m-1"
_ORDER = (
    '{"type":"order.paid","event_id":"try-\'$T\'","order_id":"try-\'$T\'","customer_id":"%s",'
    '"occurred_at":"\'$(date -u +%%Y-%%m-%%dT%%H:%%M:%%SZ)\'","currency":"%s",'
    '"lines":[{"n":1,"sku":"mug","qty":2,"unit_price_minor":15000}],"total_minor":30000}'
)


def lines_to_try(api: str, secret: str, token: Sequence[str], currency: str) -> list[str]:
    """Give the lines for the API at `api`, with the webhook secret `secret`.

    `token` is the command that gets a token, to which the member is added; `currency` is one that the program takes.
    """
    key = base64.b64decode(secret.removeprefix("whsec_"))
    bearer = f'"authorization: Bearer $({shlex.join(token)} --member {MEMBER})"'
    order = (
        f"T=$(date +%s); B='{_ORDER % (MEMBER, currency)}'; "
        f"curl -i {api}/webhooks/standard -H 'content-type: application/json' "
        '-H "webhook-id: try-$T" -H "webhook-timestamp: $T" '
        '-H "webhook-signature: v1,$(printf %s "try-$T.$T.$B" | '
        f'openssl dgst -sha256 -mac HMAC -macopt hexkey:{key.hex()} -binary | openssl base64 -A)" -d "$B"'
    )
    balance = f"curl -i {api}/v1/members/{MEMBER} -H {bearer}"
    redemption = (
        f"curl -i {api}/v1/members/{MEMBER}/redemptions -H {bearer} -H 'content-type: application/json' "
        '-H "idempotency-key: try-$(date +%s)" -d \'{"points":100,"reason":"a first try"}\''
    )
    return [order, balance, redemption]
