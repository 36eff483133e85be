"""What schemathesis is told besides the document: half of the requests that are meant well are about a rich member.

Members made up at random have no points, and most of what can be done with points would never be reached.
"""

from __future__ import annotations

import zlib
from typing import Any

import schemathesis

from tests.e2e.outside import RICH


@schemathesis.hook
def before_call(_context: Any, case: Any, _arguments: Any) -> None:
    """Give a well-meant request the rich member's id, depending on the id it has."""
    member = (case.path_parameters or {}).get("member_id")
    if isinstance(member, str) and case.meta.generation.mode.is_positive and zlib.crc32(member.encode()) % 2:
        case.path_parameters["member_id"] = RICH
