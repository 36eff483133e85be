"""A patience that does not sleep: it counts the pauses and ends after so many of them."""

from __future__ import annotations

from jifen.domain.errors import Busy


class Patient:
    """Allows ``tries_max`` retries, then says Busy; ``pauses`` holds the attempt numbers it was given."""

    def __init__(self, tries_max: int = 20) -> None:
        self.tries_max = tries_max
        self.pauses: list[int] = []

    def pause(self, attempt: int) -> None:
        """See :class:`jifen.service.ports.Patience`."""
        if len(self.pauses) >= self.tries_max:
            raise Busy
        self.pauses.append(attempt)
