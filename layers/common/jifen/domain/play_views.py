"""The shapes in which the API shows lotteries and auctions; see :mod:`jifen.domain.views`.

They stand apart because only one function answers with them, and each shape costs a start.
"""

from __future__ import annotations

# Lotteries -----------------------------------------------------------------------------------------------------------


# Auctions ------------------------------------------------------------------------------------------------------------
