"""What the functions call is what they may: every handler runs, its calls are taken down, and both are equal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import botocore.client
import pytest
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.sqs.models import sqs_backends

from infra import permissions
from jifen.runtime import Runtime, use
from jifen.service.relaying import Relaying
from local import template as stack_template
from local.replay import api_request
from tests.fakes.hook_shop import HookShop, hook_shop
from tests.functions.stage import ADMIN, APPS, OPERATOR, REGION, SHOP, Stage, paid, refunded
from tests.store.streams import Stream, recorded

NAMES = sorted(APPS)
SENDER = "points@shop.example"
NUMBER = "arn:aws:sms-voice:eu-west-2:123456789012:phone-number/phone-1"
CONTACT = {
    "email": "m@shop.example",
    "language": "en",
    "phone": "+447700900000",
    "wechat": "openid-mini",
    "wechat_kind": "mini",
}
HOOKS = "/v1/webhook-endpoints"

Use = tuple[str, str]
"""An action and the logical id of what it is done to; `Table/due_expiry` for an index."""

DEVICES = "endpoint/*"
"""Members' devices, which come and go."""

TRANSACTION_ACTIONS = {
    "Put": "dynamodb:PutItem",
    "Update": "dynamodb:UpdateItem",
    "Delete": "dynamodb:DeleteItem",
    "ConditionCheck": "dynamodb:ConditionCheckItem",
}
ACTIONS = {"SendMessageBatch": "sqs:SendMessage", "SendEmail": "ses:SendEmail"}
"""Calls whose right has another name than the call itself."""

ANSWERED = {"SendTextMessage": {"MessageId": "1"}}
"""Calls that moto does not know."""


def _calls(service: str, operation: str, asked: Mapping[str, Any]) -> Iterator[Use]:
    """The rights that one call needs, each with the name of what it touches."""
    action = ACTIONS.get(operation, f"{service}:{operation}")
    match asked:
        case {"TransactItems": items}:
            for item in items:
                for kind, one in item.items():
                    yield TRANSACTION_ACTIONS[kind], one["TableName"]
        case {"RequestItems": tables}:
            yield from ((action, table) for table in tables)
        case {"TableName": table, "IndexName": index}:
            yield action, f"{table}/{index}"
        case {"TableName": table}:
            yield action, table
        case {"QueueUrl": name} | {"FromEmailAddress": name} | {"OriginationIdentity": name}:
            yield action, name
        case {"Entries": entries}:
            yield from ((action, entry["EventBusName"]) for entry in entries)
        case {"TargetArn": str(device)} if ":endpoint/" in device:
            yield action, DEVICES
        case _:
            yield action, "*"


class Recorder(Stage):
    """A stage that knows which function is running when a call is made."""

    def __post_init__(self) -> None:
        self.uses: dict[str, set[Use]] = {name: set() for name in NAMES}
        self.running: str | None = None
        super().__post_init__()
        self.delivery_url = self.sqs.create_queue(QueueName=f"{self.name}-delivery")["QueueUrl"]
        self.settings = replace(
            self.settings,
            sms_from=NUMBER,
            push=True,
            delivery_queue_url=self.delivery_url,
            hooks_private=True,
        )
        self.runtime = Runtime(self.settings, clock=lambda: self.now, count=self._count)

    def call(self, function: str, event: Mapping[str, Any], context: object | None = None) -> dict[str, Any]:
        """Invoke a handler and take down what it calls."""
        self.running = function
        try:
            return super().call(function, event, context)
        finally:
            self.running = None

    def deliveries(self) -> list[dict[str, Any]]:
        """Take every message off the queue of events for endpoints."""
        return self._received(self.delivery_url)

    def take_down(self, service: str, operation: str, asked: Mapping[str, Any]) -> None:
        """Keep the rights that a call of the running function needs."""
        if self.running is not None:
            self.uses[self.running] |= set(_calls(service, operation, asked))

    @property
    def variables(self) -> dict[str, str]:
        """The variable of the environment from which a function has each name."""
        return {
            self.name: "JIFEN_TABLE",
            self.orders_url: "JIFEN_ORDERS_QUEUE_URL",
            self.sweep_url: "JIFEN_SWEEP_QUEUE_URL",
            self.event_bus: "JIFEN_EVENT_BUS",
            self.email_from: "JIFEN_EMAIL_FROM",
            self.settings.sms_from: "JIFEN_SMS_FROM",
            self.delivery_url: "JIFEN_DELIVERY_QUEUE_URL",
        }


def _endpoint(here: Recorder, url: str) -> None:
    """An endpoint of the shop: made, tried, changed, stopped and set going again."""
    body = {"id": "shop", "url": url, "types": []}
    assert 201 == here.ask("POST", HOOKS, body, scopes=ADMIN, key="h-1").status
    assert 200 == here.ask("PUT", f"{HOOKS}/shop", {"url": url, "types": []}, scopes=ADMIN).status
    for verb in ("disable", "enable", "rotate-secret", "ping"):
        assert 200 == here.ask("POST", f"{HOOKS}/shop/{verb}", scopes=ADMIN, key=f"h-{verb}").status
    for path in ("", "/shop", "/shop/deliveries"):
        assert 200 == here.ask("GET", f"{HOOKS}{path}", scopes=OPERATOR).status


def _live(here: Recorder, device: str) -> None:
    """A year of one member: every route, both sweeps with fan-out and work, and what they send on every channel."""
    here.earn(paid("o-1", "m-1", 30_000), paid("o-2", "m-2", 10_000))
    here.earn(refunded("o-1", "r-1", "m-1", 1_000))
    assert 200 == here.ask("PUT", "/v1/members/m-1/contact", CONTACT | {"push": device}).status
    for path in ("", "/lots", "/entries", "/proof", "/contact"):
        here.get(f"/v1/members/m-1{path}")
    redemption = here.redeem("m-1", 10, "k-1").body["redemption_id"]
    assert 200 == here.ask("POST", f"/v1/redemptions/{redemption}/restore", key="k-2").status
    for end in ("capture", "void"):
        hold = here.hold("m-1", 10, f"k-{end}").body["hold_id"]
        assert 200 == here.ask("POST", f"/v1/holds/{hold}/{end}", key=f"k-{end}-2").status
    for sweep, day in (("remind", "2012-01-01T09:00:00+00:00"), ("expire", "2012-02-01T00:05:00+00:00")):
        here.move_to(day)
        here.call(sweep, {"as_of": day})
        for record in here.tasks():
            assert {"batchItemFailures": []} == here.call(sweep, {"Records": [record]})
    assert {"RemindAccountsWritten": 2, "ExpireAccountsWritten": 2} == {
        name: count for name, count in here.counted.items() if name.endswith("AccountsWritten")
    }


def _engage(here: Recorder) -> None:
    """A morning of a member: an event, a check-in, and a look at what came of it."""
    event = {"type": "page.shared", "event_id": "e-1", "member_id": "m-1", "occurred_at": here.now.isoformat()}
    assert 200 == here.ask("POST", "/v1/events", event, key="e-1").status
    assert 200 == here.ask("POST", "/v1/members/m-1/check-ins", key="c-1").status
    assert 200 == here.ask("PUT", "/v1/members/m-1/profile", {"tags": ["vip"]}).status
    assert 200 == here.ask("PUT", "/v1/members/m-1/activity", {"kind": "login"}).status
    for path in ("check-ins", "tasks", "tier", "profile"):
        here.get(f"/v1/members/m-1/{path}")


def _govern(here: Recorder) -> None:
    """An afternoon of an operator: every list, a draft and its publication, a campaign from beginning to end."""
    for path in ("program", "rulesets", "rulesets/0", "campaign-templates", "campaigns", "audit", "reviews"):
        assert 200 == here.ask("GET", f"/v1/{path}", scopes=OPERATOR).status
    assert 200 == here.ask("PUT", "/v1/program", {"clawback": "negative"}, scopes=ADMIN).status
    campaign = {"id": "c", "rules": [{"id": "x", "fixed": 5, "when": {"amount_minor": {"min": 10_000}}}]}
    for number, (path, body) in enumerate(
        (
            ("rulesets", {"reminders": {"lead_days": [5]}}),
            ("rulesets/2/publish", None),
            ("rulesets/1/roll-back", None),
            ("campaigns", campaign),
            ("campaigns/c/schedule", None),
            ("campaigns/c/pause", None),
        )
    ):
        assert here.ask("POST", f"/v1/{path}", body, scopes=ADMIN, key=f"a-{number}").status in {200, 201}


def _quote_and_give(here: Recorder) -> None:
    """Two buy; one asks what an order brings, gives points to a friend, sets a password; the shop looks at the gift."""
    when = here.now.isoformat()
    here.earn(*(paid(f"o-{member}", member, 30_000, occurred_at=when) for member in ("m-1", "m-2")))
    order = {"lines": [{"n": 1, "line_total_minor": 1_000}]}
    assert 200 == here.ask("POST", "/v1/quotes", {"member_id": "m-1", "order": order}).status
    gift = here.ask("POST", "/v1/members/m-1/transfers", {"to": "m-2", "points": 1}, key="g-1")
    assert 201 == gift.status
    here.get(f"/v1/transfers/{gift.body['transfer_id']}")
    here.get("/v1/members/m-1/transfers")
    assert 200 == here.ask("PUT", "/v1/members/m-1/points-password", {"password": "294715"}).status
    here.get("/v1/members/m-1/points-password")


def _mall(here: Recorder) -> None:
    """A shop's mall: rewards and their pieces, two orders and what becomes of them, a coupon, somebody who waits."""
    coupon = {"kind": "amount", "discount_minor": 500}
    for name, content in (
        ("cup", {"title": "Cup", "points": 1, "quantity_max": 2}),
        ("off", {"title": "Off", "kind": "coupon", "points": 1, "stock": {"counted": False}, "coupon": coupon}),
    ):
        assert 200 == here.ask("PUT", f"/v1/rewards/{name}", content, scopes=OPERATOR).status
    wish = here.ask("POST", "/v1/members/m-2/restock-notices", {"reward_id": "cup"}, key="w-1")
    assert (200, True) == (wish.status, wish.body["on"])
    assert 200 == here.ask("POST", "/v1/rewards/cup/stock", {"pieces": 3}, key="f-1", scopes=OPERATOR).status
    parcel, other = (_ordered(here, "cup", f"cup-{number}") for number in range(2))
    steps: tuple[tuple[str, dict[str, Any] | None], ...] = (
        ("address", {"name": "A", "phone": "1", "street": "S 1"}),
        ("ship", {"carrier": "SF"}),
        ("deliver", None),
        ("return", None),
    )
    for name, body in steps:
        assert 200 == here.ask("POST", f"/v1/reward-orders/{parcel['order_id']}/{name}", body, key=name).status
    assert 200 == here.ask("POST", f"/v1/reward-orders/{other['order_id']}/cancel", key="cancel").status
    (held,) = _ordered(here, "off", "off-1")["coupons"]
    use = {"order_id": "o-9", "order_total": {"amount_minor": 1_000, "currency": "GBP"}}
    for name, body in (("use", use), ("release", {"order_id": "o-9"})):
        assert 200 == here.ask("POST", f"/v1/coupons/{held}/{name}", body, key=name, scopes=SHOP).status
    assert 200 == here.ask("POST", f"/v1/coupons/{held}/void", {"reason": "r"}, key="void", scopes=OPERATOR).status
    for path in ("rewards", "rewards/cup", "members/m-1/reward-orders", f"coupons/{held}", "members/m-1/coupons"):
        here.get(f"/v1/{path}")
    for path in ("reward-records", "reward-records/cup", "rewards/cup/stock"):
        assert 200 == here.ask("GET", f"/v1/{path}", scopes=OPERATOR).status


def _ordered(here: Recorder, reward: str, key: str) -> dict[str, Any]:
    """A reward order of m-1."""
    answer = here.ask("POST", "/v1/members/m-1/reward-orders", {"reward_id": reward}, key=key)
    assert 201 == answer.status, answer
    made: dict[str, Any] = answer.body
    return made


def _play(here: Recorder) -> None:
    """A day of a lottery and of an auction, with a prize of each kind that leaves something behind."""
    prize = {"id": "p", "title": "P", "kind": "physical", "odds": "1", "stock": 5}
    lottery = {"title": "L", "cost": 1, "from": f"{here.now:%Y-%m-%d}", "days": 1, "prizes": [prize]}
    auction = {"title": "A", "from": here.now.isoformat(), "until": (here.now + timedelta(hours=1)).isoformat()}
    assert 200 == here.ask("PUT", "/v1/lotteries/l", lottery, scopes=OPERATOR).status
    assert 200 == here.ask("PUT", "/v1/auctions/a", auction, scopes=OPERATOR).status
    drawn = here.ask("POST", "/v1/members/m-1/draws", {"lottery_id": "l"}, key="d-1")
    assert (201, "WON") == (drawn.status, drawn.body["outcome"])
    for member, points in (("m-1", 1), ("m-2", 2)):
        bid = {"auction_id": "a", "points": points}
        assert 201 == here.ask("POST", f"/v1/members/{member}/bids", bid, key=f"b-{member}").status
    for path in ("lotteries", "auctions", "lotteries/l", "auctions/a", "members/m-1/draws", "members/m-1/bids"):
        here.get(f"/v1/{path}", **({"member_id": "m-1"} if "auctions" in path else {}))
    here.get(f"/v1/draws/{drawn.body['draw_id']}")
    assert 200 == here.ask("POST", "/v1/lotteries/l/cancel", key="l-1", scopes=OPERATOR).status


def _settle(here: Recorder) -> None:
    """Weeks later: the auction is settled, its winner and the lottery's without an address, one is told of cups."""
    _ordered(here, "cup", "cup-3")
    run = here.call("settle", {"as_of": (here.now + timedelta(minutes=1)).isoformat()})
    assert (True, 0) == (run["finished"], run["failed"])
    here.move_to(here.now + timedelta(days=20))
    for _ in range(2):  # the auction first, then the order that it makes
        run = here.call("settle", {"as_of": here.now.isoformat()})
        assert (True, 0) == (run["finished"], run["failed"])
        here.move_to(here.now + timedelta(days=20))
    orders = [one for member in ("m-1", "m-2") for one in here.get(f"/v1/members/{member}/reward-orders")["orders"]]
    assert {"FORFEITED": 3, "CANCELED": 1, "RETURNED": 1, "FULFILLED": 1} == Counter(one["status"] for one in orders)


def _reach(here: Recorder, device: str) -> None:
    """What a member wants, and an operator who tries every channel and looks for what did not go out."""
    preferences = {"refuses": ["points.dormant"], "language": "zh"}
    assert 200 == here.ask("PUT", "/v1/members/m-1/preferences", preferences).status
    assert 200 == here.ask("POST", "/v1/members/m-1/wechat-consents", key="y-1").status
    notice = {"kind": "points.expiring", "member_id": "m-1"}
    assert 200 == here.ask("POST", "/v1/notices/preview", notice, scopes=OPERATOR).status
    addresses = {"email": CONTACT["email"], "sms": CONTACT["phone"], "push": device, "event": None, "webhook": None}
    for channel, to in addresses.items():
        trial = notice | {"channel": channel} | ({"to": to} if to else {})
        answer = here.ask("POST", "/v1/notices/test-send", trial, scopes=OPERATOR, key=f"t-{channel}")
        assert (200, True) == (answer.status, answer.body["sent"]), answer
    assert 200 == here.ask("GET", "/v1/notices/failed", scopes=OPERATOR).status
    query = {"token": here.runtime.links.link("m-1", "sms").rpartition("token=")[2]}
    for method in ("GET", "POST"):
        page = here.call("outreach", api_request(method, "/v1/unsubscribe", None, "", "", query=query))
        assert 200 == page["statusCode"], page


def _tell(here: Recorder, stream: Stream, shop: HookShop) -> None:
    """An order, as the world is told of it: on the bus, and at an endpoint that is down until it is asked again."""
    here.deliveries()
    stream.taken()
    here.earn(paid("o-told", "m-1", 30_000, occurred_at=here.now.isoformat()))
    batch = {"Records": stream.taken()}
    assert isinstance(here.runtime.relay, Relaying)
    here.runtime.relay.forget()
    for _ in range(2):  # the stream may hand a batch over twice
        assert {"batchItemFailures": []} == here.call("publish", batch)
    assert (2, 0) == (here.counted["EventsPublished"], here.counted["EventsUnreadable"])
    shop.clear()
    shop.always = 500
    assert 2 == len(here.call("deliver", {"Records": here.deliveries()})["batchItemFailures"])
    shop.always = 200
    here.move_to(here.now + timedelta(hours=1))
    since = (here.now - timedelta(days=2)).isoformat()
    assert 202 == here.ask("POST", f"{HOOKS}/shop/replay", {"from": since}, scopes=OPERATOR, key="h-replay").status
    while records := here.deliveries():
        assert {"batchItemFailures": []} == here.call("deliver", {"Records": records})
    assert 2 == here.counted["HooksReplayed"] == here.counted["HooksDelivered"], "the order, and the notice tried out"
    assert 200 == here.ask("POST", f"{HOOKS}/shop/delete", scopes=ADMIN, key="h-delete").status


def _let_points_lapse(here: Recorder) -> None:
    """A policy tried, in force for a night, looked at and taken back, while an operator watches the sweeps."""
    policy = {
        "id": "sleepy",
        "starts_on": f"{here.now:%Y-%m-%d}",
        "when": {"inactive": {"days": 1, "without": ["order"], "known_since": "2011-01-01"}},
        "leave": {"days": 60},
    }
    program = {"currency": "GBP", "time_zone": "Europe/London", "validity": {"policies": [policy]}}
    assert 200 == here.ask("PUT", "/v1/program", program, scopes=ADMIN).status
    here.runtime.in_force.forget()
    assert 200 == here.ask("POST", "/v1/rulesets/current/validity-preview", scopes=OPERATOR).status
    for days in (3, 1):  # the first night walks over the accounts, which then know when they qualify
        here.move_to(here.now + timedelta(days=days))
        here.call("expire", {"as_of": here.now.isoformat()})
        _sweep(here)
    (batch,) = here.ask("GET", "/v1/validity/batches", scopes=OPERATOR).body["batches"]
    path = f"/v1/validity/batches/{batch['id']}"
    assert 202 == here.ask("POST", f"{path}/reverse", {"reason": "r"}, scopes=ADMIN, key="v-1").status
    _sweep(here)
    found = here.ask("GET", path, scopes=OPERATOR).body
    assert ("REVERSED", True) == (found["status"], bool(found["rows"]))
    (expire, *_) = here.ask("GET", "/v1/sweeps", scopes=OPERATOR).body["sweeps"]
    run = expire["runs"][0]["run"]
    assert 200 == here.ask("GET", f"/v1/sweeps/expire/runs/{run}", scopes=OPERATOR).status
    assert 200 == here.ask("PUT", "/v1/sweeps/expire", {"accounts_per_second": 100}, scopes=OPERATOR).status


def _sweep(here: Recorder) -> None:
    """Every message of the sweeps' queue, those that are held back too, until there is none."""
    queue = sqs_backends[ACCOUNT][REGION].queues[f"{here.name}-sweep"]
    while queue._messages:
        for message in queue._messages:
            message.delayed_until = 0
        assert {"batchItemFailures": []} == here.call("expire", {"Records": here.tasks()})


@pytest.fixture(scope="module")
def lived() -> Iterator[Recorder]:
    """A stage after a year, with every call of every function taken down."""
    whole = botocore.client.BaseClient._make_api_call

    def noting(client: Any, operation: str, asked: Mapping[str, Any]) -> Any:
        here.take_down(client.meta.service_model.signing_name, operation, asked)
        return ANSWERED[operation] if operation in ANSWERED else whole(client, operation, asked)

    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        stack.enter_context(mock_aws())
        for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
            patch.setenv(name, REGION)
        patch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
        boto3.client("ses", REGION).verify_email_identity(EmailAddress=SENDER)
        boto3.client("events", REGION).create_event_bus(Name="shop-bus")
        sns = boto3.client("sns", REGION)
        phones = sns.create_platform_application(Name="shop", Platform="APNS", Attributes={})
        phone = {"PlatformApplicationArn": phones["PlatformApplicationArn"], "Token": "t"}
        device = sns.create_platform_endpoint(**phone)["EndpointArn"]
        here = Recorder("points", event_bus="shop-bus", email_from=SENDER, public_url="https://points.example")
        patch.setattr(botocore.client.BaseClient, "_make_api_call", noting)
        stack.enter_context(use(here.runtime))
        shop, stream = stack.enter_context(hook_shop()), stack.enter_context(recorded())
        _endpoint(here, shop.url)
        _live(here, device)
        for life in (_engage, _quote_and_give, _mall, _play, _settle, _govern):
            life(here)
        _reach(here, device)
        _tell(here, stream, shop)
        _let_points_lapse(here)
        yield here


def _granted(expanded: dict[str, Any], function: str) -> set[Use]:
    """What a function's role allows, resources by logical id; several spellings of one resource count once."""
    rights = [one for one in permissions.rights(expanded) if one.role == f"{function.capitalize()}Role"]
    assert {"Allow"} == {one.effect for one in rights}
    return {(one.action, _logical(one.resource)) for one in rights}


def _logical(resource: str) -> str:
    """The logical id in a resource as the template says it."""
    if index := re.fullmatch(r"!Sub \$\{(\w+)\.Arn\}/index/(\w+)", resource):
        return f"{index[1]}/{index[2]}"
    if stream := re.fullmatch(r"!GetAtt (\w+)\.StreamArn", resource):
        return f"{stream[1]}/stream"
    if resource.endswith(f":{DEVICES}"):
        return DEVICES
    names = re.findall(r"!GetAtt (\w+)\.Arn|!Ref (\w+)|\$\{(\w+)\}|\"Ref\": \"(\w+)\"", resource)
    (named,) = {name for found in names for name in found if name}
    return str(named)


SOURCES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Arn": ("", ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")),
    "StreamArn": (
        "/stream",
        ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"),
    ),
}
"""What Lambda calls at a queue and at a stream, by the attribute under which a mapping names them."""


def _of_the_platform(expanded: dict[str, Any], function: str) -> set[Use]:
    """What Lambda itself does under the function's role: logs, what feeds the function, its dead-letter queues."""
    deployed = stack_template.resources(expanded, "AWS::Lambda::Function")[function.capitalize()]
    logs = deployed["LoggingConfig"]["LogGroup"]["Ref"]
    uses = {("logs:CreateLogStream", logs), ("logs:PutLogEvents", logs)}
    for source in stack_template.resources(expanded, "AWS::Lambda::EventSourceMapping").values():
        if source["FunctionName"] == {"Ref": function.capitalize()}:
            name, attribute = source["EventSourceArn"]["Fn::GetAtt"]
            uses |= {(action, f"{name}{SOURCES[attribute][0]}") for action in SOURCES[attribute][1]}
            if "DestinationConfig" in source:
                failed = source["DestinationConfig"]["OnFailure"]["Destination"]["Fn::GetAtt"][0]
                uses.add(("sqs:SendMessage", failed))
    if "DeadLetterConfig" in deployed:
        uses.add(("sqs:SendMessage", deployed["DeadLetterConfig"]["TargetArn"]["Fn::GetAtt"][0]))
    return uses


def _by_logical_id(lived: Recorder, expanded: dict[str, Any], function: str) -> set[Use]:
    """What a function called, with names turned back into what its environment takes them from."""
    deployed = stack_template.resources(expanded, "AWS::Lambda::Function")[function.capitalize()]
    environment = deployed["Environment"]["Variables"]
    uses = set()
    for action, touched in lived.uses[function]:
        name, slash, index = (touched, "", "") if touched in lived.variables else touched.partition("/")
        known = touched if touched == DEVICES else environment[lived.variables[name]]["Ref"] + slash + index
        uses.add((action, known))
    return uses


@pytest.mark.parametrize("function", NAMES)
def test_a_function_may_do_what_it_does_and_no_more(function: str, lived: Recorder, expanded: dict[str, Any]) -> None:
    """Rights of a role = calls of its code + what Lambda does for it, action by action and resource by resource."""
    called = _by_logical_id(lived, expanded, function)

    assert called, "a function that calls nothing was not run"
    assert called | _of_the_platform(expanded, function) == _granted(expanded, function)


def test_every_function_of_the_stack_was_run(expanded: dict[str, Any]) -> None:
    """One that the stage does not know would have its rights looked at by nobody."""
    assert NAMES == sorted(name.lower() for name in stack_template.resources(expanded, "AWS::Lambda::Function"))


CHANNELS = {
    "ses:SendEmail": ("HasEmail", {"Fn::Not": [{"Fn::Equals": [{"Ref": "EmailFrom"}, ""]}]}),
    "sms-voice:SendTextMessage": ("HasSms", {"Fn::Not": [{"Fn::Equals": [{"Ref": "SmsFrom"}, ""]}]}),
    "sns:Publish": ("HasPush", {"Fn::Equals": [{"Ref": "Push"}, "true"]}),
}


def test_a_channel_that_is_not_set_up_gives_no_right(expanded: dict[str, Any]) -> None:
    """A right that is not always there is that of a channel, and there as long as the channel has what it needs."""
    found = {(right.action, right.only_if) for right in permissions.rights(expanded) if right.only_if}

    assert {(action, name) for action, (name, _) in CHANNELS.items()} == found
    assert dict(CHANNELS.values()) == {name: expanded["Conditions"][name] for name, _ in CHANNELS.values()}
    for function in ("Outreach", "Remind"):
        environment = expanded["Resources"][function]["Properties"]["Environment"]["Variables"]
        settings = ("JIFEN_EMAIL_FROM", "JIFEN_SMS_FROM", "JIFEN_PUSH")
        assert ["EmailFrom", "SmsFrom", "Push"] == [environment[name]["Ref"] for name in settings]


def test_a_schedule_may_start_its_function_and_nothing_else(expanded: dict[str, Any]) -> None:
    """A schedule's role, made by SAM, invokes its target and leaves what failed in the schedules' dead-letter queue."""
    targets = [one["Target"] for one in stack_template.resources(expanded, "AWS::Scheduler::Schedule").values()]
    granted = {
        target["Arn"]["Fn::GetAtt"][0]: {
            (right.action, _logical(right.resource))
            for right in permissions.rights(expanded)
            if right.role == target["RoleArn"]["Fn::GetAtt"][0]
        }
        for target in targets
    }

    assert {
        name: {("lambda:InvokeFunction", name), ("sqs:SendMessage", "ScheduleDlq")}
        for name in ("Expire", "Remind", "Settle")
    } == granted


def test_a_call_that_names_no_resource_would_be_seen() -> None:
    """Such a call needs the right for all of them, which no role has."""
    assert [("sts:GetCallerIdentity", "*")] == list(_calls("sts", "GetCallerIdentity", {}))
