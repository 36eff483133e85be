"""What a member sees: balance, lots, entries with their reasons, proof; and how the member can be reached."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictStr

from jifen import runtime
from jifen.domain.entries import Kind
from jifen.domain.member_views import ContactView, EntriesView, LotsView, MemberView, ProofView
from jifen.http import ADMIN, MEMBER, OPERATOR, SHOP, Answer, HttpApi, reply
from jifen.service import paging, reading
from jifen.service.ports import Contact

ANYONE = (MEMBER, SHOP, OPERATOR, ADMIN)

api = HttpApi("account")

_EMAIL = r"^[!#-'*+\-./0-9=?A-Z^_`a-z{|}~]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.[A-Za-z]{2,63}$"
_WHEN = "an instant (RFC 3339), or a day of the program's time zone"


class ContactRequest(BaseModel):
    """How to reach the member; null takes the address away."""

    model_config = ConfigDict(extra="ignore")

    email: Annotated[StrictStr, Field(max_length=254, pattern=_EMAIL)] | None = None
    language: Literal["zh", "en"] = "en"


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


@api.put("/v1/members/<member_id>/contact", "How to reach the member", ContactView)
def contact(member_id: str, body: ContactRequest) -> Answer:
    """Keep address and language; the same again changes nothing."""
    owner, _ = api.member(member_id, *ANYONE)
    here = runtime.current()
    patience = here.patience(api.lambda_context)
    return reply(200, reading.set_contact(here.ledger, Contact(owner, body.email, body.language), patience))


def handler(event: Mapping[str, Any], context: object) -> Answer:
    """Answer one API Gateway event."""
    return api.resolve(event, context)


runtime.prepare("ledger")
