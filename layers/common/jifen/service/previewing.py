"""Looking at what members are told: previews of every channel, a trial to an operator's own address, what failed.

    facts: given, or the member's own, or invented ──> Notice ──> wording ──> shown, or sent as a trial

A trial goes to one address that the operator names, says that it is one, and touches no member's account or contact.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from jifen.domain import notice_samples, sms, tier_notices, wording
from jifen.domain.account import Account, as_of
from jifen.domain.entries import instant_text
from jifen.domain.errors import Fault, InvalidInput
from jifen.domain.failed_notices import FailedNotice
from jifen.domain.ids import fingerprint
from jifen.domain.mail import letter
from jifen.domain.money import minor_per_unit
from jifen.domain.notice_data import event_detail, webhook_data
from jifen.domain.notices import Notice, NoticeKind, notice_id
from jifen.domain.outreach_views import FailedNoticesView, FailedNoticeView, PreviewView, TrialView
from jifen.domain.preferences import ADDRESS
from jifen.domain.program import Moment, Program
from jifen.domain.ruling import AuditLine
from jifen.service.answering import Answer, Once, Outcome, answer_once
from jifen.service.contacting import contact_of
from jifen.service.life_shelves import failed_notices_of
from jifen.service.ports import Contact, Ledger, Message, Notifier, NotSent, Patience, Undeliverable

SOMEBODY = "sample"
"""The member that a message without one is about."""

ADDRESSES = {"email": "email", "sms": "phone", "push": "push", "wechat": "wechat"}
"""The field of a contact that a channel sends to; a channel without one needs no address."""

_SHOWN = 3
"""Characters of an address that the audit keeps at either end."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked at.

    Attributes:
        kinds: at least one, the most urgent first.
        channel: where it would go.
        language: None is the member's own, else English.
        facts: of the first kind; each in place of the usual one.
        member: whose facts are taken where there are any.
    """

    kinds: tuple[NoticeKind, ...]
    channel: str
    language: str | None = None
    facts: Mapping[str, Any] | None = None
    member: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """Notices with what stands around them; ``sampled`` are the kinds with invented facts."""

    notices: tuple[Notice, ...]
    available: int
    language: str
    sampled: tuple[NoticeKind, ...]


@dataclass(frozen=True, slots=True)
class Previewing:
    """The use cases of one invocation; ``subject``, ``actor`` and ``key`` are the caller's."""

    ledger: Ledger
    program: Program
    moment: Moment
    patience: Patience
    subject: str = ""
    actor: str = "system"
    key: str = ""

    def preview(self, asked: Asked) -> PreviewView:
        """What such a message would say; nothing is written.

        Raises:
            InvalidInput: a fact is none of this kind, or has another form.
        """
        made = self._made(asked)
        subject, text, html = self._rendered(asked.channel, made)
        length = sms.segments(text) if asked.channel == "sms" else None
        return {
            "channel": asked.channel,
            "language": made.language,
            "kinds": [str(one.kind) for one in made.notices],
            "subject": subject,
            "text": text,
            "html": html,
            "encoding": length.encoding if length else None,
            "units": length.units if length else None,
            "segments": length.segments if length else None,
            "available": made.available,
            "facts": {str(one.kind): dict(one.facts) for one in made.notices},
            "sampled": [str(kind) for kind in made.sampled],
        }

    def try_out(
        self, notifiers: Sequence[Notifier], asked: Asked, to: str | None, wechat_kind: str
    ) -> tuple[int, Answer]:
        """Send such a message to ``to``; status and answer (:class:`TrialView`), the same for every repeat.

        A line of the audit says who sent what to which address, a part of it, and what came of it.

        Raises:
            InvalidInput: the channel is not in use, or needs an address, or a fact is wrong.
            IdempotencyKeyReused, Busy
        """
        notifier = next((one for one in notifiers if one.channel == asked.channel), None)
        if notifier is None:
            in_use = ", ".join(one.channel for one in notifiers) or "none"
            raise InvalidInput([Fault("channel", f"is not in use here; these are: {in_use}")])
        field = ADDRESSES.get(asked.channel)
        if field and not re.fullmatch(ADDRESS[field], to or ""):
            raise InvalidInput([Fault("to", f"is not an address of {asked.channel}")])
        made = self._made(asked)
        said = [[str(kind) for kind in asked.kinds], asked.channel, made.language, asked.facts, asked.member, to]
        once = Once.asked(self.subject, self.key, fingerprint("notice-trial", [*said, wechat_kind]))
        contact = Contact(SOMEBODY, language=made.language, wechat_kind=wechat_kind, consents=1)
        address: dict[str, Any] = {field: to} if field else {}
        contact = replace(contact, **address)
        if not notifier.reaches(contact):
            raise InvalidInput([Fault("to", "is not reached by this channel as it is set up")])
        notices = tuple(replace(one, member=SOMEBODY) for one in made.notices)
        told = (once.key[:32], SOMEBODY, notices, made.available, self.moment.today, contact)
        message = Message(*told, trial=True, imprint=self.program.notices.imprint)
        send = cache(lambda: _sent(notifier, message))

        def decide() -> Outcome:
            answer = send()
            details = {"channel": asked.channel, "kinds": said[0], "to": shortened(to or ""), "sent": answer["sent"]}
            line = AuditLine(once.key[:22], self.moment.now, self.actor, "notices.tried", asked.channel, "", details)
            return Outcome(200, answer, (line,))

        return answer_once(self.ledger, self.patience, once, decide)

    def _made(self, asked: Asked) -> Made:
        currency = self.program.currency or "CNY"
        found: dict[NoticeKind, dict[str, Any]] = {}
        available, language = notice_samples.AVAILABLE, "en"
        if asked.member is not None:
            account = as_of(self.ledger.load([asked.member]).accounts[asked.member], self.moment).account
            available = account.available(self.moment.today)
            language = contact_of(self.ledger, asked.member).language
            own = {kind: facts_of(kind, account, self.program, self.moment) for kind in asked.kinds}
            found = {kind: facts for kind, facts in own.items() if facts is not None}
        notices = []
        for number, kind in enumerate(asked.kinds):
            usual = notice_samples.sample(kind, self.moment.today, currency)
            facts = found.get(kind, usual)
            if number == 0 and asked.facts:
                facts = notice_samples.checked(asked.facts, {**usual, **facts})
            member = asked.member or SOMEBODY
            notices.append(Notice(notice_id(member, kind, "preview"), kind, member, facts))
        sampled = tuple(kind for kind in asked.kinds if kind not in found)
        return Made(tuple(notices), available, asked.language or language, sampled)

    def _rendered(self, channel: str, made: Made) -> tuple[str | None, str, str | None]:
        """Subject, text and HTML."""
        match channel:
            case "email":
                link, imprint = "https://shop.example/unsubscribe", self.program.notices.imprint
                mail = letter(made.notices, made.available, made.language, link, imprint)
                return mail.subject, mail.text, mail.html
            case "sms":
                return None, wording.text_message(made.notices, made.available, made.language), None
            case "push":
                return *wording.push(made.notices, made.language), None
            case "wechat":
                values = wording.fields(made.notices, made.available, self.moment.today, made.language)
                return values["title"], _json(values), None
            case "event":
                return None, _json([event_detail(one, made.available) for one in made.notices]), None
            case _:
                told = (made.notices, made.available, self.moment.today, made.language)
                return None, _json(webhook_data(made.notices[0].id, made.notices[0].member, *told)), None


def facts_of(kind: NoticeKind, account: Account, program: Program, moment: Moment) -> dict[str, Any] | None:  # noqa: PLR0911 - one case for each kind
    """What a notice of this kind would tell this member today, due or not; None where there is nothing to tell.

    ``account`` is as of ``moment``.
    """
    available, terms = account.available(moment.today), program.rules.tiers
    match kind:
        case NoticeKind.POINTS_EXPIRING:
            days = [lot.expires_on for lot in account.lots if lot.expires_on]
            if not days:
                return None
            day = min(days)
            points = sum(lot.points for lot in account.lots if lot.expires_on == day)
            left = (day - moment.today).days
            return {"points": points, "lot_expires_on": day.isoformat(), "lead_days": left, "days_left": left}
        case NoticeKind.BALANCE_REACHED:
            if available <= 0:
                return None
            worth = None
            if program.currency:
                amount = program.redemption.worth.taken_off(available, minor_per_unit(program.currency))
                worth = {"amount_minor": amount, "currency": program.currency}
            return {"amount": available, "available": available, "worth": worth}
        case NoticeKind.TIER_REACHED:
            reached = tier_notices.reached(account.standing, terms, moment.today) if terms else None
            return dict(reached) if reached else None
        case NoticeKind.TIER_AT_RISK:
            at_risk = tier_notices.at_risk(account.standing, terms, moment.today, 366) if terms else None
            return _with_money(dict(at_risk), program.currency) if at_risk else None
        case NoticeKind.REWARD_AFFORDABLE:
            goal = account.standing.goal
            return {"reward_id": goal[0], "points": goal[1]} if goal else None
        case NoticeKind.DORMANT:
            return None


def _with_money(facts: dict[str, Any], currency: str | None) -> dict[str, Any]:
    """The facts of a level at risk, what is missing of a spend as money."""
    if facts["missing"] and facts["by"] == "spend" and currency:
        return facts | {"missing": {"amount_minor": facts["missing"], "currency": currency}}
    return facts


def failed_view(ledger: Ledger, month: str, before: str | None, limit: int) -> FailedNoticesView:
    """Messages of ``month`` (2026-11, UTC) that did not go out, the newest first; the cursor is the ledger's own."""
    page = ledger.listed(failed_notices_of(month), before, limit)
    found = [_failed(one) for one in page.documents if isinstance(one, FailedNotice)]
    return {"month": month, "notices": found, "cursor": page.cursor}


def shortened(address: str) -> str:
    """An address as the audit keeps it: enough to know one's own again."""
    return f"{address[:_SHOWN]}…{address[-_SHOWN:]}" if len(address) > 2 * _SHOWN else "…"


def _failed(one: FailedNotice) -> FailedNoticeView:
    return {
        "at": instant_text(one.at),
        "notice_id": one.notice_id,
        "member_id": one.member,
        "channel": one.channel,
        "kinds": list(one.kinds),
        "why": one.why,
        "tries": one.tries,
    }


def _sent(notifier: Notifier, message: Message) -> TrialView:
    try:
        notifier.send(message)
    except NotSent as failure:
        return {"channel": notifier.channel, "sent": False, "why": str(failure), "again": True}
    except Undeliverable as failure:
        return {"channel": notifier.channel, "sent": False, "why": str(failure), "again": False}
    return {"channel": notifier.channel, "sent": True, "why": None, "again": False}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
