"""Play: lotteries whose draws can be checked afterwards, and auctions in points.

An operator writes a lottery or an auction, a member draws and bids. Docs: docs/lottery.md, docs/auctions.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr

from jifen import runtime
from jifen.domain.ids import valid_id
from jifen.http import ADMIN, MEMBER, OPERATOR, SHOP, Answer, HttpApi

api = HttpApi("play")

ANYONE = (MEMBER, SHOP, OPERATOR, ADMIN)


def _id(text: str) -> str:
    if not valid_id(text):
        message = "is not an id of 1 to 128 characters"
        raise ValueError(message)
    return text


_ID = "1 to 128 characters; no blanks at the ends, no control characters"
Id = Annotated[StrictStr, Field(min_length=1, max_length=128, description=_ID), AfterValidator(_id)]
Text = Annotated[StrictStr, Field(max_length=500)]
Name = Annotated[StrictStr, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Password = Annotated[StrictStr, Field(min_length=1, max_length=128, description="the points password")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")


class ReasonRequest(_Body):
    """Why."""

    reason: Text = ""


# Lotteries -----------------------------------------------------------------------------------------------------------


# Auctions ------------------------------------------------------------------------------------------------------------


def handler(event: Mapping[str, Any], context: object) -> Answer:
    """Answer one API Gateway event."""
    return api.resolve(event, context)


runtime.prepare("ledger")
