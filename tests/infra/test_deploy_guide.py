"""The deploy guide: its tables are the template's, its commands do what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from bench import cost
from jifen.runtime import Settings, use
from local import template as stack_template
from tests.functions.stage import REGION, SECRET, Stage

Parameter = tuple[str, str]
"""Name and default, as the guide writes it."""


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    """docs/deploy.md."""
    return (root / "docs" / "deploy.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def costs(root: Path) -> str:
    """docs/costs.md."""
    return (root / "docs" / "costs.md").read_text(encoding="utf-8")


def _sections(page: str, level: int) -> dict[str, str]:
    """Text below each heading of one level, up to the next of that level or above."""
    parts = re.split(rf"^#{{2,{level}}} (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def _written(page: str, title: str) -> list[Parameter]:
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \| .+ \|$", _sections(page, 3)[title], flags=re.MULTILINE)
    return [(name, default.strip("`")) for name, default in rows]


def _groups(template: dict[str, Any]) -> dict[str, list[Parameter]]:
    """Parameters by their heading in the template; that is a comment, so the text is read."""
    text = stack_template.PATH.read_text(encoding="utf-8").split("\nParameters:\n")[1].split("\nRules:\n")[0]
    parts = re.split(r"^  # --- (.+?)(?: \(.+\))? -+$", text, flags=re.MULTILINE)
    return {
        title: [
            (name, _default(template["Parameters"][name])) for name in re.findall(r"^  (\w+):$", body, re.MULTILINE)
        ]
        for title, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def _default(parameter: Mapping[str, Any]) -> str:
    """A default as the guide writes it: `none` where there is none, `empty` where it is."""
    return "none" if "Default" not in parameter else str(parameter["Default"]) or "empty"


def test_parameters_are_those_of_the_template(page: str, template: dict[str, Any]) -> None:
    """Each group of the template has its table, with every parameter in its order and with its default."""
    groups = _groups(template)

    assert sorted(template["Parameters"]) == sorted(name for group in groups.values() for name, _ in group)
    assert groups == {title: _written(page, title.capitalize()) for title in groups}


def test_outputs_that_are_asked_for_exist(page: str, root: Path, template: dict[str, Any]) -> None:
    """Every output that a command of the guide or the runbook reads is one of the stack's."""
    texts = page + (root / "docs" / "operations.md").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$\((?:out|arn) \"?(\w+)", texts)) | {"ExpireFunction", "RemindFunction"}

    assert {"ApiUrl", "ShopClientId", "UserPoolId", "TokenUrl"} <= asked
    assert asked <= set(template["Outputs"])


def test_links_lead_somewhere(page: str, root: Path) -> None:
    """Files that the guide links to exist, and so do the sections that it names in them."""
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", page)
    assert len(links) > 20

    missing = []
    for path, anchor in links:
        target = (root / "docs" / path) if path else root / "docs" / "deploy.md"
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            missing.append((path, anchor))

    assert [] == missing


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_short_figures_are_those_of_the_long_table(page: str) -> None:
    """What the guide says in a sentence is what docs/costs.md works out."""
    idle, _, middle, large = (cost.total(cost.month(orders), own_pool=False) for orders in cost.SIZES)

    assert f"({idle:.2f} USD a month with all alarms and an issuer of your own)" in page
    assert f"{middle:.0f} USD at 100,000 orders\na month, {large:.0f} at three million" in page
    dearest = max(
        1_000 * sum(quantity * cost.PRICES[unit].usd / cost.PRICES[unit].per for unit, quantity in used.items())
        for used in (cost.thousand(cost.KINDS[name]) for name in ("check-ins", "events of members"))
    )
    assert f"a million check-ins or events cost about {dearest:.0f} USD" in page


def test_figures_in_the_text_are_those_computed(costs: str) -> None:
    """What the text says of polling, of prices and of their day is what the tables are made from."""
    one, queues = cost.POLLS_PER_QUEUE, cost.QUEUES_FIFO + cost.QUEUES_STANDARD
    free = cost.PRICES["SQS, sweep queues"].free
    sweeps, orders = cost.PRICES["SQS, sweep queues"], cost.PRICES["SQS, orders queue"]
    idle = cost.bill(cost.IDLE)
    paid = idle["SQS, sweep queues"] + idle["SQS, orders queue"]
    whole = (cost.QUEUES_STANDARD * one * sweeps.usd + cost.QUEUES_FIFO * one * orders.usd) / sweeps.per

    assert f"{one:,} requests a month for one, {queues * one:,} for all" in costs
    assert (
        f"covers {100 * free / (queues * one):.0f} % of that; {paid:.2f} USD a month are left, {whole:.2f} USD" in costs
    )
    assert f"as we knew them on {cost.AS_OF}" in costs
    assert f"{cost.PRICES['Cognito, members'].free:,.0f} members who sign in" in costs


def test_what_dominates_is_what_the_page_names(costs: str) -> None:
    """With an issuer of one's own: mails at the two larger sizes, then writes; with the pool, its members."""
    small, middle, large = (cost.bill(cost.month(orders)) for orders in cost.SIZES[1:])

    def first(bill: dict[str, float], count: int, *, own_pool: bool = False) -> list[str]:
        names = [name for name in bill if own_pool or name not in cost.OWN_POOL]
        return sorted(names, key=bill.__getitem__, reverse=True)[:count]

    assert {"CloudWatch, alarms", "CloudWatch, metrics"} == set(first(small, 2))
    assert ["SES"] == first(middle, 1)
    assert ["SES", "DynamoDB, writes"] == first(large, 2)
    assert ["Cognito, members"] * 2 == [first(bill, 1, own_pool=True)[0] for bill in (middle, large)]
    assert "| middle and large | mails |" in costs


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A deployment in this process, with the default program's currency as the guide has it."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
            patch.setenv(name, REGION)
        patch.setenv("POWERTOOLS_LOG_LEVEL", "CRITICAL")
        here = Stage("guide", program={})
        with use(here.runtime):
            yield here


@pytest.fixture
def address(stage: Stage) -> Iterator[str]:
    """An address on this machine behind which the webhook function answers, as it does behind the API."""

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = {
                "version": "2.0",
                "rawPath": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
                "requestContext": {"requestId": "guide", "http": {"method": "POST", "path": self.path}},
                "pathParameters": {"source": self.path.removeprefix("/webhooks/")},
                "body": self.rfile.read(int(self.headers["content-length"])).decode(),
                "isBase64Encoded": False,
            }
            answer = stage.call("webhook", event)
            self.send_response(answer["statusCode"])
            self.end_headers()
            self.wfile.write(answer["body"].encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _script(page: str) -> str:
    """The Python between the marks of the guide's shell function."""
    found = re.search(r"<<'END'\n(.+?)\nEND\n", page, flags=re.DOTALL)
    assert found
    return found[1]


def test_the_order_of_the_first_check_is_taken(page: str, stage: Stage, address: str) -> None:
    """The guide's own command: signed, accepted, 120 points; cancelled, nothing is left but two lines of history."""
    stage.move_to(datetime.now(UTC))
    surroundings = {**os.environ, "API": address, "SECRET": SECRET}
    balances = []
    for kind in ("order.paid", "order.cancelled"):
        command = [sys.executable, "-c", _script(page), kind, "check-1"]
        done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False, timeout=60)
        assert ("202\n", "") == (done.stdout, done.stderr)
        assert {"batchItemFailures": []} == stage.call("earn", {"Records": stage.queued()})
        balances.append(stage.member("deploy-check")["available"])

    assert [120, 0] == balances
    assert [120, -120] == [entry["points"] for entry in stage.entries("deploy-check")]
    assert stage.proved("deploy-check")
    assert '"available":120 with the default program' in page


def test_what_is_in_force_is_what_the_guide_shows(page: str, stage: Stage) -> None:
    """A new stack answers an administrator with version 0, first of all."""
    answer = stage.ask("GET", "/v1/program", scopes="points/admin")

    assert (200, ("number", 0)) == (answer.status, next(iter(answer.body.items())))
    assert '"$API/v1/program"    # {"number":0,…}' in page


def test_a_wrong_secret_shows(page: str, stage: Stage, address: str) -> None:
    """The same command with another secret ends in 401, and nothing is queued."""
    stage.move_to(datetime.now(UTC))
    surroundings = {**os.environ, "API": address, "SECRET": "whsec_" + "A" * 32}
    command = [sys.executable, "-c", _script(page), "order.paid", "check-1"]

    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False, timeout=60)

    assert "HTTP Error 401" in done.stderr
    assert 0 == stage.waiting()


def test_what_a_sweep_answers_is_what_the_guide_shows(page: str, stage: Stage, template: dict[str, Any]) -> None:
    """By hand and without words a sweep queues one task for each shard."""
    shards = template["Parameters"]["Shards"]["Default"]
    answers = [stage.call(sweep, {}) for sweep in ("expire", "remind")]

    assert [{"as_of", "queued"}] * 2 == [set(answer) for answer in answers]
    assert [shards] * 2 == [answer["queued"] for answer in answers]
    assert f'`{{"as_of": …, "queued": {shards}}}`' in page
    assert f"{shards} lines `shard done`" in page


def test_hidden_is_what_the_guide_calls_a_secret(page: str, template: dict[str, Any]) -> None:
    """What is not shown while it is typed, and is never saved, are the parameters of that table."""
    hidden = [name for name, parameter in template["Parameters"].items() if parameter.get("NoEcho")]

    assert hidden == [name for name, _ in _written(page, "Secrets")]


def test_a_space_lets_nothing_in() -> None:
    """The answer for a shop that one does not have is no secret."""
    assert () == Settings.read({"JIFEN_SECRETS_SHOPIFY": " "}).secrets["shopify"]
