"""Campaigns: made from templates, scheduled into the program, paused, resumed, ended and cancelled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from jifen.domain.campaigns import CampaignState
from jifen.domain.errors import (
    CampaignExists,
    CampaignNotFound,
    CampaignUnbounded,
    IdempotencyKeyReused,
    InvalidProgram,
    LintBlocks,
    WrongStatus,
)
from jifen.domain.lint.check import check
from jifen.domain.lint.finding import Severity
from jifen.domain.program import parse_program
from jifen.domain.rules.model import Fixed, Multiplier
from jifen.service import campaigning, ruling
from jifen.service.campaigning import STEPS, TEMPLATES, Asked, made_of
from jifen.service.in_force import InForce
from jifen.service.ports import CampaignKey, Ledger, Posting
from tests.service.ledgers import Forgetful, Raced
from tests.service.operator import OWN, Found, Office
from tests.store.memory_ledger import MemoryLedger
from tests.store.patient import Patient

FESTIVAL: dict[str, Any] = {
    "id": "double-eleven",
    "title": "双十一",
    "from": "2026-11-11",
    "until": "2026-11-11",
    "budget_points": 1_000,
    "rules": [{"id": "triple", "multiply": "3"}],
}


@pytest.fixture
def office(ledger: MemoryLedger) -> Office:
    """An office where nothing was ever published; it is 1 November, noon in Shanghai."""
    return Office(ledger)


def scheduled(office: Office, campaign: Mapping[str, Any] = FESTIVAL) -> str:
    """Create and schedule a campaign; its id."""
    asked = Asked(campaign)
    campaigning.create(office.desk(), asked)
    campaigning.schedule(office.desk(), asked.id, "", None, unbounded=True)
    return asked.id


def status(office: Office, campaign_id: str = "double-eleven") -> str:
    """What a campaign is now."""
    return campaigning.campaign_view(office.desk(), campaign_id)["status"]


def gave(ledger: Ledger, points: int, kept_minor: int) -> None:
    """An award of the campaign, as earning writes it."""
    key = CampaignKey("double-eleven")
    known = ledger.load([], [key]).documents.get(key)
    state = known if isinstance(known, CampaignState) else CampaignState("double-eleven")
    ledger.commit(Posting(documents=(state.counted(points, 1, kept_minor),)), Patient(0))


# Templates -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.id)
def test_the_example_of_each_template_makes_a_campaign(office: Office, template: campaigning.Template) -> None:
    """What the list of templates shows can be sent as it is."""
    campaign = {"id": "c", **made_of(template.id, template.example)}

    view = campaigning.create(office.desk(), Asked(campaign, template.id))

    assert ("DRAFT", template.id) == (view["status"], view["template"])
    assert "c" == scheduled_id(office, "c")


def scheduled_id(office: Office, campaign_id: str) -> str:
    """Schedule a draft; the id of the campaign that is then in force."""
    campaigning.schedule(office.desk(), campaign_id, "", None, unbounded=True)
    (campaign,) = in_force(office).campaigns
    return str(campaign.id)


def in_force(office: Office) -> Any:
    """The rules in force, as earning reads them."""
    return InForce(lambda: office.ledger, OWN, 0, lambda: 0.0, lambda *_: pytest.fail("unreadable")).program().rules


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.id)
def test_the_example_of_each_template_passes_the_check(template: campaigning.Template) -> None:
    """With a last day and a budget nothing blocks its publication; what a discount gives away has no budget."""
    made = made_of(template.id, template.example)
    bounded = {"id": "c", "until": "2026-12-01", **({"budget_points": 1_000} if "rules" in made else {})}
    program = parse_program({"earning": {"campaigns": [bounded | made]}})

    assert Severity.ERROR not in {finding.severity for finding in check(program)}


def test_templates_say_what_they_take() -> None:
    """Every name a template takes reaches its rule."""
    given = {"by": "2", "categories": ["tea"], "tiers": ["gold"], "tags": ["vip"]}
    (rule,) = made_of("points_multiplier", given)["rules"]
    (hour,) = made_of("weekday_happy_hour", {"by": "1.5", "weekdays": ["fri"], "hours": ["20:00-22:00"]})["rules"]
    (bonus,) = made_of("fixed_bonus", {"points": 50, "from_minor": 9_900, "times": 2})["rules"]
    less = {"by": "0.5", "categories": ["home"], "rewards": ["cup"], "kinds": ["virtual"]}

    assert {"category": ["tea"], "tier": ["gold"], "tag": ["vip"]} == rule["when"]
    assert {"window": {"weekdays": ["fri"], "hours": ["20:00-22:00"]}} == hour["when"]
    assert ({"amount_minor": {"min": 9_900}}, [{"per": "ever", "times": 2}]) == (bonus["when"], bonus["caps"])
    assert {"exchange": less} == made_of("exchange_discount", less)


@pytest.mark.parametrize(
    ("template", "asked", "fields"),
    [
        ("double", {}, ["template"]),
        ("points_multiplier", {}, ["with.by"]),
        ("exchange_discount", {"category": "home"}, ["with.by", "with.category"]),
        ("fixed_bonus", {"point": 5}, ["with.point", "with.points"]),
        ("weekday_happy_hour", {"by": "2", "days": []}, ["with.days", "with.weekdays"]),
    ],
)
def test_what_a_template_is_not_given_is_named(template: str, asked: dict[str, Any], fields: list[str]) -> None:
    """What is needed, what is not known, and templates that are none."""
    with pytest.raises(InvalidProgram) as refused:
        made_of(template, asked)

    assert fields == [fault.field for fault in refused.value.faults]


def test_every_template_can_be_had() -> None:
    """The list says so."""
    listed = campaigning.templates_view()["templates"]
    assert [(one.id, True) for one in TEMPLATES] == [(one["id"], one["available"]) for one in listed]


# Preparing -----------------------------------------------------------------------------------------------------------


def test_a_prepared_campaign_gives_nothing(office: Office) -> None:
    """It is a draft, in no version of the program."""
    view = campaigning.create(office.desk(actor="operator:o"), Asked(FESTIVAL, note="as last year"))

    assert ("DRAFT", False, "operator:o", "as last year") == (
        view["status"],
        view["in_force"],
        view["by"],
        view["note"],
    )
    assert () == in_force(office).campaigns
    assert ["campaign.drafted campaign/double-eleven"] == office.deeds()


def test_faults_of_a_campaign_are_named_by_their_path_in_it(office: Office) -> None:
    """Not by their path in a file that the operator has not written."""
    broken = {**FESTIVAL, "untill": "2026-11-11", "rules": [{"id": "x", "multiply": "3", "when": {"tier": ["gold"]}}]}

    with pytest.raises(InvalidProgram) as refused:
        campaigning.create(office.desk(), Asked(broken))

    fields = [fault.field for fault in refused.value.faults]
    assert "untill" in fields
    assert all(not field.startswith("earning.") for field in fields)
    assert [] == office.deeds()


def test_an_id_is_used_once(office: Office) -> None:
    """Neither a draft, nor a campaign of the program file, nor one that was cancelled gives its id away."""
    campaigning.create(office.desk(), Asked(FESTIVAL))
    ruling.put(office.desk(), {"earning": {"campaigns": [{**FESTIVAL, "id": "filed"}]}}, "", None)
    campaigning.create(office.desk(), Asked({**FESTIVAL, "id": "gone"}))
    campaigning.step(office.desk(), "gone", "cancel", "")

    for name in ("double-eleven", "filed", "gone"):
        with pytest.raises(CampaignExists):
            campaigning.create(office.desk(), Asked({**FESTIVAL, "id": name}))


# Scheduling ----------------------------------------------------------------------------------------------------------


def test_scheduling_publishes_the_program_with_the_campaign_in_it(office: Office) -> None:
    """A new version: what was in force, and this campaign; its window in the program's zone."""
    ruling.put(office.desk(), {"clawback": "clamp"}, "", None)

    scheduled(office)

    program = ruling.program_view(office.desk())
    assert (2, "clamp") == (program["number"], parse_program(program["program"]).clawback)
    (campaign,) = in_force(office).campaigns
    assert ("double-eleven", 1_000, "2026-11-10T16:00:00+00:00") == (
        campaign.id,
        campaign.budget_points,
        campaign.starts.astimezone(office.now.tzinfo).isoformat(),
    )
    rule = in_force(office).rule("double-eleven.triple")
    assert isinstance(rule.effect, Multiplier)
    assert [
        "ruleset.published ruleset/1",
        "campaign.drafted campaign/double-eleven",
        "campaign.scheduled campaign/double-eleven",
    ] == office.deeds()
    assert 2 == office.audit()[-1].details["ruleset"]


def test_scheduling_begins_from_what_is_in_force_at_that_moment(ledger: MemoryLedger) -> None:
    """A publication in between is not taken back by it."""
    other = Office(ledger)
    office = Office(Raced(ledger, lambda _: None, lambda _: ruling.put(other.desk(), {"clawback": "clamp"}, "", None)))

    scheduled(office)

    program = parse_program(ruling.program_view(office.desk())["program"])
    assert ("clamp", 2) == (program.clawback, office.in_force().number)
    assert ["double-eleven"] == [campaign.id for campaign in program.rules.campaigns]


def test_scheduling_is_checked_like_any_publication(office: Office) -> None:
    """An error of the check blocks it until somebody says why it may be."""
    campaigning.create(office.desk(), Asked(FESTIVAL))
    office.found = (Found(),)

    with pytest.raises(LintBlocks):
        campaigning.schedule(office.desk(), "double-eleven", "", None, unbounded=True)

    assert (
        "SCHEDULED" == campaigning.schedule(office.desk(), "double-eleven", "", "we watch it", unbounded=True)["status"]
    )


@pytest.mark.parametrize("missing", ["until", "budget_points"])
def test_what_has_no_bounds_is_not_everybodys(office: Office, missing: str) -> None:
    """Without a last day or a budget it is scheduled only by whoever may let it run."""
    campaigning.create(office.desk(), Asked({name: value for name, value in FESTIVAL.items() if name != missing}))

    with pytest.raises(CampaignUnbounded) as refused:
        campaigning.schedule(office.desk(), "double-eleven", "", None, unbounded=False)
    assert {"needs": [missing]} == refused.value.facts()
    assert "DRAFT" != campaigning.schedule(office.desk(), "double-eleven", "", None, unbounded=True)["status"]


def test_a_discount_on_exchanges_needs_a_last_day_alone(office: Office) -> None:
    """No budget counts what it takes off: rewards have stock and limits. Rules beside it need one all the same."""
    less = {"exchange": {"by": "0.5"}}
    rules = {"rules": FESTIVAL["rules"]}
    for campaign, missing in (({}, ["until"]), ({"until": "2026-11-11"}, []), (rules, ["until", "budget_points"])):
        asked = Asked({"id": f"c{len(missing)}", **less, **campaign})
        campaigning.create(office.desk(), asked)
        if not missing:
            assert "ACTIVE" == campaigning.schedule(office.desk(), asked.id, "", None, unbounded=False)["status"]
            continue
        with pytest.raises(CampaignUnbounded) as refused:
            campaigning.schedule(office.desk(), asked.id, "", None, unbounded=False)
        assert {"needs": missing} == refused.value.facts()


def test_what_lowers_other_rules_is_not_everybodys(office: Office) -> None:
    """A factor of 0 with a budget of 1 would stop all earning: a budget bounds what is given, not what is taken."""
    campaigning.create(office.desk(), Asked(FESTIVAL | {"rules": [{"id": "nothing", "multiply": "0"}]}))

    with pytest.raises(CampaignUnbounded) as refused:
        campaigning.schedule(office.desk(), "double-eleven", "", None, unbounded=False)
    assert {"needs": ["multiply of 1 or more in double-eleven.nothing"]} == refused.value.facts()
    assert "DRAFT" != campaigning.schedule(office.desk(), "double-eleven", "", None, unbounded=True)["status"]


def test_campaigns_make_no_program_too_long_to_be_kept(office: Office) -> None:
    """Each may be as long as a request; what all of them come to has to fit into an item."""
    goods = [f"{number:03d}{'x' * 117}" for number in range(500)]
    rule = {"id": "r", "fixed": 1, "when": {"product": goods}}
    for number in range(4):
        name = f"c{number}"
        campaigning.create(office.desk(), Asked({"id": name, "rules": [rule]}))
        campaigning.schedule(office.desk(), name, "", None, unbounded=True)

    with pytest.raises(InvalidProgram) as refused:
        campaigning.create(office.desk(), Asked({"id": "c4", "rules": [rule]}))
    assert ["program"] == [fault.field for fault in refused.value.faults]


def test_a_campaign_is_scheduled_once(office: Office) -> None:
    """What runs is not scheduled, and what nobody prepared cannot be."""
    scheduled(office)

    with pytest.raises(WrongStatus) as refused:
        campaigning.schedule(office.desk(), "double-eleven", "", None, unbounded=True)
    with pytest.raises(CampaignNotFound):
        campaigning.schedule(office.desk(), "spring", "", None, unbounded=True)
    assert "SCHEDULED" == refused.value.facts()["status_now"]


def test_rolling_back_takes_a_campaign_out_and_it_can_be_scheduled_again(office: Office) -> None:
    """It is a draft again, with what it has given."""
    ruling.put(office.desk(), {"clawback": "clamp"}, "", None)
    scheduled(office)
    gave(office.ledger, 10, 1_000)

    ruling.roll_back(office.desk(), 1, "")
    view = campaigning.campaign_view(office.desk(), "double-eleven")
    again = campaigning.schedule(office.desk(), "double-eleven", "", None, unbounded=True)

    assert ("DRAFT", False, 10) == (view["status"], view["in_force"], view["spent"])
    assert ("SCHEDULED", True, 10) == (again["status"], again["in_force"], again["spent"])


# Running -------------------------------------------------------------------------------------------------------------


def test_the_window_alone_begins_and_ends_it(office: Office) -> None:
    """Scheduled, then active through its whole last day in the program's zone, then ended."""
    scheduled(office)
    seen = []
    for day, hour in ((10, 15), (10, 16), (11, 15), (11, 16)):
        office.now = office.now.replace(day=day, hour=hour, minute=0, second=0)
        seen.append(status(office))

    assert ["SCHEDULED", "ACTIVE", "ACTIVE", "ENDED"] == seen


@pytest.mark.parametrize(
    ("steps", "status_after"),
    [
        (("pause",), "PAUSED"),
        (("pause", "resume"), "ACTIVE"),
        (("end",), "ENDED"),
        (("pause", "end"), "ENDED"),
        (("cancel",), "CANCELED"),
        (("pause", "cancel"), "CANCELED"),
    ],
)
def test_each_step_is_one_call(office: Office, steps: tuple[str, ...], status_after: str) -> None:
    """It is what the step says at once, in the state that every award reads."""
    scheduled(office)
    office.now = office.now.replace(day=11)

    for name in steps:
        view = campaigning.step(office.desk(), "double-eleven", name, "so")

    state = office.document(CampaignKey("double-eleven"))
    assert isinstance(state, CampaignState)
    assert status_after == view["status"] == status(office) == str(state.status)
    assert office.deeds()[-1].startswith("campaign.")
    assert "so" == office.audit()[-1].reason


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("last", ["end", "cancel"])
def test_what_is_over_stays_over(office: Office, name: str, last: str) -> None:
    """Nothing brings back a campaign that was ended or cancelled."""
    scheduled(office)
    office.now = office.now.replace(day=11)
    campaigning.step(office.desk(), "double-eleven", last, "")

    with pytest.raises(WrongStatus):
        campaigning.step(office.desk(), "double-eleven", name, "")


def test_a_campaign_can_be_paused_before_it_begins(office: Office) -> None:
    """It then does not begin by itself; what has not begun is not ended but cancelled."""
    scheduled(office)
    with pytest.raises(WrongStatus):
        campaigning.step(office.desk(), "double-eleven", "end", "")
    campaigning.step(office.desk(), "double-eleven", "pause", "")

    office.now = office.now.replace(day=11)

    assert "PAUSED" == status(office)


@pytest.mark.parametrize("name", ["pause", "resume", "end"])
def test_a_draft_can_only_be_cancelled(office: Office, name: str) -> None:
    """There is nothing to pause; and it is not scheduled once it is cancelled."""
    campaigning.create(office.desk(), Asked(FESTIVAL))
    with pytest.raises(WrongStatus):
        campaigning.step(office.desk(), "double-eleven", name, "")

    assert "CANCELED" == campaigning.step(office.desk(), "double-eleven", "cancel", "")["status"]
    with pytest.raises(WrongStatus):
        campaigning.schedule(office.desk(), "double-eleven", "", None, unbounded=True)
    with pytest.raises(WrongStatus):
        campaigning.step(office.desk(), "double-eleven", "cancel", "")


def test_a_campaign_of_the_program_file_can_be_paused_too(office: Office) -> None:
    """Whoever wrote it: it is in force."""
    ruling.put(
        office.desk(), {"earning": {"campaigns": [{"id": "filed", "rules": [{"id": "x", "fixed": 5}]}]}}, "", None
    )

    assert "PAUSED" == campaigning.step(office.desk(), "filed", "pause", "")["status"]
    assert isinstance(in_force(office).rule("filed.x").effect, Fixed)


def test_a_campaign_that_is_nowhere(office: Office) -> None:
    """Steps and reading say so."""
    with pytest.raises(CampaignNotFound):
        campaigning.step(office.desk(), "spring", "pause", "")
    with pytest.raises(CampaignNotFound):
        campaigning.campaign_view(office.desk(), "spring")


def test_a_step_loses_nothing_that_an_award_writes_meanwhile(ledger: MemoryLedger) -> None:
    """The state is read again where an award came between."""
    scheduled(Office(ledger))
    office = Office(Raced(ledger, lambda inner: gave(inner, 30, 1_000)))

    view = campaigning.step(office.desk(), "double-eleven", "pause", "")

    assert ("PAUSED", 30) == (view["status"], view["spent"])


# The same request again ----------------------------------------------------------------------------------------------


def test_the_same_request_gets_the_same_answer(office: Office) -> None:
    """Each call sent twice under one key is made once, although the second one would not be allowed."""
    created = campaigning.create(office.desk("c"), Asked(FESTIVAL))
    planned = campaigning.schedule(office.desk("s"), "double-eleven", "", None, unbounded=True)
    paused = campaigning.step(office.desk("p"), "double-eleven", "pause", "")

    assert created == campaigning.create(office.desk("c"), Asked(FESTIVAL))
    assert planned == campaigning.schedule(office.desk("s"), "double-eleven", "", None, unbounded=True)
    assert paused == campaigning.step(office.desk("p"), "double-eleven", "pause", "")
    assert 3 == len(office.deeds())
    with pytest.raises(IdempotencyKeyReused):
        campaigning.step(office.desk("p"), "double-eleven", "cancel", "")


def test_a_lost_answer_is_given_again(ledger: MemoryLedger) -> None:
    """A pause whose answer was lost is not refused as done already."""
    scheduled(Office(ledger))

    view = campaigning.step(Office(Forgetful(ledger)).desk("p"), "double-eleven", "pause", "")

    assert "PAUSED" == view["status"]


# Figures -------------------------------------------------------------------------------------------------------------


def test_figures_are_as_they_are_now(office: Office) -> None:
    """Budget, what is spent and left, awards, and points for each unit of money."""
    scheduled(office)
    gave(office.ledger, 600, 100_000)
    gave(office.ledger, -100, -50_000)

    view = campaigning.campaign_view(office.desk(), "double-eleven")

    assert (1_000, 500, 500, 600, 100) == tuple(
        view[name] for name in ("budget_points", "left", "spent", "given", "taken_back")
    )
    assert (2, 50_000, "1.000") == (view["awards"], view["kept_minor"], view["points_per_unit"])


def test_figures_of_a_campaign_that_gave_nothing(office: Office) -> None:
    """No money kept is no rate; no budget is no limit."""
    scheduled(office, {"id": "open", "rules": [{"id": "x", "fixed": 5}]})

    view = campaigning.campaign_view(office.desk(), "open")

    assert (None, None, 0, None) == (view["budget_points"], view["left"], view["spent"], view["points_per_unit"])
    assert (None, None, "ACTIVE") == (view["starts"], view["ends"], view["status"])


def test_a_program_without_a_currency_counts_in_hundredths(office: Office) -> None:
    """Most minor units are."""
    office.own = replace(OWN, currency=None)
    scheduled(office)
    gave(office.ledger, 1, 300)

    assert "0.333" == campaigning.campaign_view(office.desk(), "double-eleven")["points_per_unit"]


def test_campaigns_are_listed_once_each(office: Office) -> None:
    """Those in force first, of the file too, then what is being prepared, over all pages."""
    ruling.put(office.desk(), {"earning": {"campaigns": [{**FESTIVAL, "id": "filed"}]}}, "", None)
    for name in "abcd":
        campaigning.create(office.desk(), Asked({**FESTIVAL, "id": name}))
    campaigning.schedule(office.desk(), "a", "", None, unbounded=True)
    campaigning.step(office.desk(), "b", "cancel", "")

    first = campaigning.campaigns_view(office.desk(), None, 2)
    rest = campaigning.campaigns_view(office.desk(), first["cursor"], 2)

    seen = [(one["id"], one["status"]) for page in (first, rest) for one in page["campaigns"]]
    assert [("filed", "SCHEDULED"), ("a", "SCHEDULED"), ("d", "DRAFT"), ("c", "DRAFT"), ("b", "CANCELED")] == seen
    assert rest["cursor"] is None
