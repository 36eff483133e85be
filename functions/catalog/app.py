"""The mall: rewards and their stock for operators, the shelf for members, and what is exchanged there.

    operators     write a reward, put it on the shelf, fill its stock, upload codes, import
    members       look at the shelf, search it, ask to be told when something is there again

A hot reward's stock is never written together with an account. Docs: docs/mall.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from jifen import runtime
from jifen.http import ADMIN, MEMBER, OPERATOR, SHOP, Answer, HttpApi

ANYONE = (MEMBER, SHOP, OPERATOR, ADMIN)
STEERING = (OPERATOR, ADMIN)

api = HttpApi("catalog")


# Rewards, for operators ----------------------------------------------------------------------------------------------


# The shelf -----------------------------------------------------------------------------------------------------------


# Reward orders -------------------------------------------------------------------------------------------------------


# Coupons -------------------------------------------------------------------------------------------------------------


# What the routes share -----------------------------------------------------------------------------------------------


def handler(event: Mapping[str, object], context: object) -> Answer:
    """Answer one API Gateway event."""
    return api.resolve(event, context)


runtime.prepare("ledger")
