"""Which redemptions and holds pay a part of an order, and where they are kept: an id says both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jifen.domain.ids import DocumentId, parse_document_id
from jifen.service.ports import HoldKey, RedemptionKey

if TYPE_CHECKING:
    from jifen.domain.orders import Order
    from jifen.service.ports import DocumentKey


def document_key(name: DocumentId) -> DocumentKey:
    """The key of a redemption or hold."""
    return RedemptionKey(name.member, str(name)) if name.prefix == "rd" else HoldKey(name.member, str(name))


def names_of(order: Order) -> list[DocumentId]:
    """The redemptions and holds that pay a part of an order."""
    return [found for name in order.used if (found := parse_document_id(name))]
