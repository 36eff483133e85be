"""What a member sees: balance, lots, entries with their reasons, proof; and how the member can be reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr

from jifen import runtime
from jifen.domain.entries import Kind
from jifen.domain.member_views import ContactView, EntriesView, LotsView, MemberView, ProofView
from jifen.domain.preferences import ADDRESS, REFUSAL, ZONE
from jifen.http import ADMIN, MEMBER, OPERATOR, SHOP, Answer, HttpApi, reply
from jifen.service import contacting, paging, reading

ANYONE = (MEMBER, SHOP, OPERATOR, ADMIN)

api = HttpApi("account")

_WHEN = "an instant (RFC 3339), or a day of the program's time zone"


def _zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (KeyError, ValueError, OSError):  # unknown zone, a path, a folder of the zone database
        message = "is not a time zone name such as Asia/Shanghai"
        raise ValueError(message) from None


Refusal = Annotated[StrictStr, Field(pattern=REFUSAL)]
Endpoint = Annotated[StrictStr, Field(max_length=400, pattern=ADDRESS["push"], description="ARN of an SNS endpoint")]
Phone = Annotated[StrictStr, Field(pattern=ADDRESS["phone"], description="E.164")]
OpenId = Annotated[StrictStr, Field(pattern=ADDRESS["wechat"])]
Zone = Annotated[StrictStr, Field(pattern=ZONE, description="an IANA name"), AfterValidator(_zone)]


class ContactRequest(BaseModel):
    """How to reach the member; null takes an address away.

    Address and language are replaced by every request. Any other field is replaced where it is there, and else stays.
    """

    model_config = ConfigDict(extra="ignore")

    email: Annotated[StrictStr, Field(max_length=254, pattern=ADDRESS["email"])] | None = None
    language: Literal["zh", "en"] = "en"
    phone: Phone | None = None
    push: Endpoint | None = None
    wechat: OpenId | None = None
    wechat_kind: Literal["official", "mini"] | None = None
    time_zone: Zone | None = None
    refuses: Annotated[list[Refusal], Field(max_length=20)] | None = None


class EntriesQuery(BaseModel):
    """Which entries, and where to go on."""

    kind: Kind | None = None
    since: Annotated[str | None, Field(alias="from", max_length=40, description=_WHEN)] = None
    until: Annotated[str | None, Field(alias="to", max_length=40, description=_WHEN)] = None
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Annotated[str | None, Field(max_length=200)] = None


@api.get("/v1/members/<member_id>", "Balance", MemberView)
def member(member_id: str) -> Answer:
    """The member object; all zeros for a member nobody has seen."""
    owner, _ = api.member(member_id, *ANYONE)
    here = runtime.current()
    return reply(200, reading.member_view(here.ledger.load([owner]).accounts[owner], here.program, here.moment()))


@api.get("/v1/members/<member_id>/lots", "Lots, soonest-expiring first", LotsView)
def lots(member_id: str) -> Answer:
    """Every lot with its last valid day."""
    owner, _ = api.member(member_id, *ANYONE)
    here = runtime.current()
    return reply(200, reading.lots_view(here.ledger.load([owner]).accounts[owner], here.moment()))


@api.get("/v1/members/<member_id>/entries", "Entries, newest first", EntriesView)
def entries(member_id: str, query: EntriesQuery) -> Answer:
    """A page of entries; ``cursor`` goes on where the last page ended, for the same member and filters only."""
    owner, _ = api.member(member_id, *ANYONE)
    here = runtime.current()
    wanted = paging.entry_filter(query.kind, query.since, query.until, here.program.zone)
    cursors = paging.Cursors(here.settings.signing_secret.encode(), owner, wanted)
    start = cursors.read(query.cursor) if query.cursor else None
    found, before = reading.entries_page(here.ledger, owner, wanted, query.limit, start)
    page: EntriesView = {"entries": found, "cursor": cursors.write(before) if before else None}
    return reply(200, page)


@api.get("/v1/members/<member_id>/proof", "Proof that the balance follows from the entries", ProofView)
def proof(member_id: str) -> Answer:
    """Each equation between the account and its entries, and whether it holds."""
    owner, _ = api.member(member_id, *ANYONE)
    return reply(200, reading.proof_view(reading.prove_member(runtime.current().ledger, owner)))


@api.get("/v1/members/<member_id>/contact", "How the member is reached", ContactView)
def contact(member_id: str) -> Answer:
    """Addresses, language, zone and what the member does not want; empty for a member nobody has seen."""
    owner, _ = api.member(member_id, *ANYONE)
    return reply(200, contacting.view(contacting.contact_of(runtime.current().ledger, owner)))


@api.put("/v1/members/<member_id>/contact", "How to reach the member", ContactView)
def set_contact(member_id: str, body: ContactRequest) -> Answer:
    """Keep them; the same again changes nothing."""
    owner, _ = api.member(member_id, *ANYONE)
    here = runtime.current()
    said = body.model_dump(exclude_unset=True)
    return reply(200, contacting.set_contact(here.ledger, owner, said, here.patience(api.lambda_context)))


def handler(event: Mapping[str, Any], context: object) -> Answer:
    """Answer one API Gateway event."""
    return api.resolve(event, context)


runtime.prepare("ledger")
