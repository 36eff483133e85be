"""What reminders say, in each language. Placeholders: points, day, days_left, available, member."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """One message: a subject and paragraphs; ``today`` replaces ``soon`` on the last day."""

    subject: str
    greeting: str
    soon: str
    today: str
    after: str

    def lines(self, days_left: int) -> tuple[str, str, str]:
        """The paragraphs for so many days ahead."""
        return self.greeting, self.soon if days_left > 0 else self.today, self.after


EXPIRING: Mapping[str, Wording] = {
    "en": Wording(
        subject="{points} of your points expire after {day}",
        greeting="Hello,",
        soon="{points} of your points can be used through {day}: {days_left} more days. After that they expire.",
        today="{points} of your points can be used through today, {day}. After that they expire.",
        after="You have {available} points to spend now.",
    ),
    "zh": Wording(
        subject="您有 {points} 积分将于 {day} 后过期",
        greeting="您好:",
        soon="您有 {points} 积分可使用至 {day}(还有 {days_left} 天),逾期将失效。",
        today="您有 {points} 积分今天({day})是最后一天可用,逾期将失效。",
        after="您当前可用积分为 {available}。",
    ),
}
