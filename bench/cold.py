"""Measures cold starts and the layer, and keeps the table in ``bench/RESULTS.md``: ``python -m bench.cold``.

    pip's own layout ──────────────────────────> a plain handler: PynamoDB, Logger, Metrics
           └──> as sam builds it ──> infra.trim ──> each function of ours

Counts instructions (``bench/valgrind.py``), bytecode compiled, ``PYTHONHASHSEED=0``. The network is a stub in the place
of botocore's HTTP session; for the start to the first transaction it is a server over TLS on this machine.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import Any

from bench import results
from bench.budgets_cold import IMPORT_RATIO_MAX, START_RATIO_MAX
from bench.cold_stub import Stub
from bench.cold_tls import make_certificate, serve
from bench.valgrind import RunFailed, instructions
from infra.trim import size_bytes, trim
from jifen.adapters import hooks
from jifen.adapters.queues import encode, encode_task
from jifen.adapters.webhook import standard
from jifen.domain.calendar import parse_instant
from jifen.service.hook_ports import DeliveryTask
from jifen.service.ports import ShardTask, Sweep
from local.aws.sam import find_python
from local.engines.surroundings import surroundings
from local.replay import api_request

PROJECT = Path(__file__).resolve().parents[1]
LAYER = PROJECT / "layers" / "common"
START = PROJECT / "bench" / "cold_start.py"
FUNCTIONS = tuple(IMPORT_RATIO_MAX)

BASE = ("pynamodb.models", "aws_lambda_powertools", "aws_lambda_powertools.logging", "aws_lambda_powertools.metrics")
"""What ``from pynamodb.models import Model`` and ``from aws_lambda_powertools import Logger, Metrics`` import."""

AT_ONCE = 2
START_TRIES = 3
REGION = "eu-west-2"
SECRET = "whsec_" + base64.b64encode(b"a secret of the benchmark, long.").decode()

PLAIN = '''"""What a team would write first: a transaction by PynamoDB, a line of log, a metric."""

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

logger = Logger(service="plain")
metrics = Metrics(service="plain", namespace="Plain")


class Row(Model):
    class Meta:
        table_name = "jifen"
        region = "eu-west-2"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    points = NumberAttribute()


connection = Connection(region="eu-west-2")


@metrics.log_metrics
def handler(event, context):
    with TransactWrite(connection=connection) as transaction:
        transaction.save(Row("M#a", "A", points=1), condition=Row.pk.does_not_exist())
        transaction.save(Row("M#a", "E#1", points=1), condition=Row.pk.does_not_exist())
    logger.info("posted", extra={"member": "a"})
    metrics.add_metric(name="Posted", unit=MetricUnit.Count, value=1)
    return {"batchItemFailures": []}
'''


@dataclass(frozen=True, slots=True)
class Trees:
    """What is measured: an interpreter, packages as pip leaves them, the layer before and after, and the functions."""

    python: Path
    plain: Path
    untrimmed: Path
    layer: Path
    functions: Path
    certificate: Path
    key: Path

    def start(self, *arguments: str | Path) -> list[str]:
        """A command that starts Python as in Lambda, where nothing but the layer is added to it."""
        return [str(self.python), "-S", str(START), *map(str, arguments)]

    @property
    def packages(self) -> Path:
        """The layer as PYTHONPATH has it."""
        return self.layer / "python"


@dataclass(frozen=True, slots=True)
class Served:
    """One cold start of a function: modules in the order of their import, and what the first event did."""

    imported: tuple[str, ...]
    served: tuple[str, ...]
    calls: tuple[str, ...]
    items: tuple[Any, ...]

    @property
    def packages(self) -> frozenset[str]:
        """The packages beside Python's own."""
        tops = {name.partition(".")[0] for name in self.served}
        return frozenset(top for top in tops if top not in sys.stdlib_module_names and not top.startswith("_"))


# What is measured ----------------------------------------------------------------------------------------------------


def requirements() -> list[str]:
    """The packages that ship, as they are pinned."""
    lines = (LAYER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.split("#")[0].strip() for line in lines if line and not line.startswith("#")]


def make_trees(folder: Path, python: Path | None = None, *, plain_compiled: bool = True) -> Trees:
    """Lay everything out in ``folder``: with the packages of this environment, or installed for another Python.

    ``plain_compiled`` says whether the packages as pip leaves them are compiled, as the layer always is.
    """
    certificate, key = make_certificate(folder)
    trees = Trees(
        python=python or Path(sys._base_executable),  # type: ignore[attr-defined]  # noqa: SLF001 - the one without packages
        plain=folder / "plain",
        untrimmed=folder / "untrimmed",
        layer=folder / "layer",
        functions=folder / "functions",
        certificate=certificate,
        key=key,
    )
    if python is None:
        _copy_packages(trees.plain)
    else:
        _run([python, "-m", "pip", "install", "-q", "--no-deps", "--target", trees.plain, *requirements()])
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(trees.plain, trees.untrimmed / "python", ignore=ignored)
    shutil.copytree(LAYER / "jifen", trees.untrimmed / "python" / "jifen", ignore=ignored)
    shutil.copytree(trees.untrimmed, trees.layer)
    trim(trees.layer)
    for name in FUNCTIONS:
        shutil.copytree(PROJECT / "functions" / name, trees.functions / name, ignore=ignored)
    (trees.functions / "plain").mkdir()
    (trees.functions / "plain" / "app.py").write_text(PLAIN, encoding="utf-8")
    for bundle in (trees.plain / "botocore" / "cacert.pem", trees.packages / "botocore" / "cacert.pem"):
        with bundle.open("a", encoding="utf-8") as file:  # the server's own, among those that are trusted anyway
            file.write("\n" + certificate.read_text(encoding="utf-8"))
    if plain_compiled:
        compile_all(trees.python, trees.plain, "timestamp")  # as pip does
    compile_all(trees.python, trees.layer)
    compile_all(trees.python, trees.functions)
    return trees


def _copy_packages(to: Path) -> None:
    """The packages of this environment, file by file, as pip would lay them out in a folder."""
    for requirement in requirements():
        found = metadata.distribution(requirement.partition("==")[0])
        for file in found.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = to / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(str(file.locate()), target)


def compile_all(python: Path, folder: Path, mode: str = "unchecked-hash") -> None:
    """Compile what is in it."""
    _run([python, "-m", "compileall", "-q", "-f", "--invalidation-mode", mode, folder])


def _run(command: Sequence[str | Path]) -> None:
    subprocess.run([str(part) for part in command], check=True, timeout=600)  # noqa: S603 - our own words


# Events --------------------------------------------------------------------------------------------------------------


KNOW_NO_PROGRAM = ("webhook", "publish", "deliver", "hooks")
"""Functions that the template gives no program."""

HAVE_AN_ENDPOINT = ("publish", "deliver", "hooks")
"""Functions that are measured in a shop with an endpoint, without which they have next to nothing to do."""


def environment(trees: Trees, path: Path, function: str = "", **more: str) -> dict[str, str]:
    """The whole environment of a measured process: what the template gives every function, and Lambda itself."""
    program = {"JIFEN_PROGRAM": json.dumps({"currency": "GBP"}), "JIFEN_TIME_ZONE": "Europe/London"}
    return {
        "PATH": os.defpath,
        "PYTHONPATH": str(path),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(trees.functions),
        "LC_ALL": "C.UTF-8",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_SESSION_TOKEN": "none",
        "AWS_LAMBDA_FUNCTION_NAME": "cold",
        "POWERTOOLS_SERVICE_NAME": "cold",
        "POWERTOOLS_METRICS_NAMESPACE": "Jifen",
        "POWERTOOLS_TRACE_DISABLED": "true",
        "JIFEN_TABLE": "jifen",
        "JIFEN_SHARDS": "1",
        "JIFEN_SECRETS_STANDARD": SECRET,
        "JIFEN_SIGNING_SECRET": "a signing secret of the benchmark, long enough",
        "JIFEN_ORDERS_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/123456789012/orders.fifo",
        "JIFEN_SWEEP_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/123456789012/sweep",
        "JIFEN_EVENT_BUS": "default",
        "JIFEN_EMAIL_FROM": "points@shop.example",
        "JIFEN_DELIVERY_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/123456789012/delivery",
        "JIFEN_HOOKS_PRIVATE": "true",
        **({} if function in KNOW_NO_PROGRAM else program),
        **more,
    }


def events(now: datetime) -> dict[str, dict[str, Any]]:
    """One realistic event for each function, and what it must answer. The order is of yesterday."""
    order = {
        "type": "order.paid",
        "event_id": "e-1",
        "order_id": "1001",
        "customer_id": "member-1",
        "occurred_at": (now - timedelta(days=1)).isoformat(),
        "currency": "GBP",
        "lines": [{"n": n, "sku": f"sku-{n}", "qty": 1, "unit_price_minor": 1200} for n in range(1, 4)],
    }
    body = json.dumps(order).encode()
    stamp = str(int(now.timestamp()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = hmac.new(key, b"e-1." + stamp.encode() + b"." + body, hashlib.sha256).digest()
    headers = {
        "content-type": "application/json",
        "webhook-id": "e-1",
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(signed).decode(),
    }
    http = {"method": "POST", "path": "/webhooks/standard"}
    delivery = {
        "version": "2.0",
        "routeKey": "POST /webhooks/{source}",
        "rawPath": http["path"],
        "headers": headers,
        "pathParameters": {"source": "standard"},
        "requestContext": {"http": http, "requestId": "r-1", "stage": "$default"},
        "body": body.decode(),
        "isBase64Encoded": False,
    }
    later = now + timedelta(days=420)  # twelve months and the rest of the last one are over
    soon = _before_the_end(now)
    redemption = api_request(
        "POST", "/v1/members/member-1/redemptions", {"points": 10}, "shop-server", "points/shop", key="k-1"
    )
    balance = api_request("GET", "/v1/members/member-1", None, "shop-server", "points/shop")
    reached = api_request(
        "PUT", "/v1/members/member-1/contact", {"email": "member-1@shop.example"}, "shop-server", "points/shop"
    )
    ruled = api_request("GET", "/v1/program", None, "wang", "points/operator")
    happened = {
        "type": "member.registered",
        "event_id": "e-1",
        "member_id": "member-1",
        "occurred_at": now.isoformat(),
        "data": {"phone": True},
    }
    told = api_request("POST", "/v1/events", happened, "shop-server", "points/shop", key="k-1")
    cup = {"title": "Cup", "kind": "service", "points": 1, "stock": {"counted": False}}
    written = api_request("PUT", "/v1/rewards/cup", cup, "wang", "points/operator")
    wanted = {"reward_id": "cup"}
    chosen = api_request("POST", "/v1/members/member-1/reward-orders", wanted, "shop-server", "points/shop", key="k-1")
    prize = {"id": "one", "title": "One", "kind": "points", "points": 1, "odds": "0.3"}
    spring = {"title": "Spring", "cost": 1, "attempts_per_day": 3, "from": now.date().isoformat(), "days": 30}
    opened = api_request("PUT", "/v1/lotteries/spring", {**spring, "prizes": [prize]}, "wang", "points/operator")
    drawn = api_request(
        "POST", "/v1/members/member-1/draws", {"lottery_id": "spring"}, "shop-server", "points/shop", key="k-1"
    )
    shop = {"id": "shop", "url": "http://127.0.0.1/hook"}
    listening = api_request("POST", "/v1/webhook-endpoints", shop, "ada", "points/admin", key="k-1")
    stopped = api_request("POST", "/v1/webhook-endpoints/shop/disable", None, "wang", "points/operator", key="k-2")
    paused = api_request("PUT", "/v1/sweeps/expire", {"paused": True}, "wang", "points/operator")
    refused = api_request("PUT", "/v1/members/member-1/preferences", {"refuses": ["sms"]}, "shop-server", "points/shop")
    done: dict[str, list[str]] = {"batchItemFailures": []}
    return {
        "webhook": {"event": delivery, "answers": {"statusCode": 202}},
        "earn": {"event": _records(encode(standard.read({}, body, now))), "answers": done},
        "expire": {"event": _records(encode_task(ShardTask(Sweep.EXPIRE, later, 0, None))), "answers": done},
        "remind": {"event": _records(encode_task(ShardTask(Sweep.REMIND, soon, 0, None))), "answers": done},
        "redeem": {"event": redemption, "answers": {"statusCode": 201}},
        "account": {"event": balance, "answers": {"statusCode": 200}},
        "admin": {"event": ruled, "answers": {"statusCode": 200}},
        "contact": {"event": reached, "answers": {"statusCode": 200}},
        "engage": {"event": told, "answers": {"statusCode": 200}},
        "catalog": {"event": chosen, "answers": {"statusCode": 201}},
        "reward": {"event": written, "answers": {"statusCode": 200}},
        "play": {"event": drawn, "answers": {"statusCode": 201}},
        "lottery": {"event": opened, "answers": {"statusCode": 200}},
        "settle": {"event": {"as_of": now.isoformat()}, "answers": {"finished": True, "failed": 0}},
        "endpoint": {"event": listening, "answers": {"statusCode": 201}},
        "hooks": {"event": stopped, "answers": {"statusCode": 200}},
        "operate": {"event": paused, "answers": {"statusCode": 200}},
        "outreach": {"event": refused, "answers": {"statusCode": 200}},
        "plain": {"event": {}, "answers": done},
    }


def _changes(items: Sequence[Any], now: datetime) -> dict[str, Any]:
    """An account and what has happened to it, as new rows of the table's stream."""
    rows = [item for item in items if item["sk"]["S"] == "A" or item["sk"]["S"].startswith(("E#", "D#"))]
    keys = [{"pk": item["pk"], "sk": item["sk"]} for item in rows]
    told = [
        {
            "Keys": key,
            "NewImage": row,
            "SequenceNumber": str(number),
            "ApproximateCreationDateTime": int(now.timestamp()),
        }
        for number, (key, row) in enumerate(zip(keys, rows, strict=True))
    ]
    return {"Records": [{"eventName": "INSERT", "eventSource": "aws:dynamodb", "dynamodb": one} for one in told]}


def _delivery(items: Sequence[Any]) -> dict[str, Any]:
    """A queued task to deliver the first event of the outbox."""
    (kept, *_) = (item for item in items if item["sk"]["S"].startswith("OB#"))
    event = json.loads(kept["facts"]["S"])
    task = DeliveryTask("shop", event["event_id"], parse_instant(event["at"]))
    records = _records(hooks.encode(task))
    records["Records"][0]["receiptHandle"] = "r-1"
    return records


def _before_the_end(now: datetime) -> datetime:
    """Noon some two weeks before the last day of the month that yesterday's points end in, a year on."""
    paid = now - timedelta(days=1)
    after = datetime(paid.year + 1 + paid.month // 12, paid.month % 12 + 1, 1, 12, tzinfo=UTC)
    return after - timedelta(days=15)


def _records(body: str) -> dict[str, Any]:
    attributes = {"MessageGroupId": "g", "ApproximateReceiveCount": "1"}
    return {"Records": [{"messageId": "m-1", "body": body, "attributes": attributes, "eventSource": "aws:sqs"}]}


# Measuring -----------------------------------------------------------------------------------------------------------


class Bench:
    """Cold starts from one set of trees."""

    def __init__(self, trees: Trees, folder: Path) -> None:
        self.trees = trees
        self.folder = folder
        now = datetime.now(UTC).replace(microsecond=0)
        self._events = events(now)
        self.items: tuple[Any, ...] = ()
        self.items = self.serve("earn").items
        for function, event in (("account", "contact"), ("catalog", "reward"), ("play", "lottery")):
            self.items = self.serve(function, event).items
        done: dict[str, Any] = {"answers": {"batchItemFailures": []}}
        self._listening = self.items
        self._listening = self.serve("hooks", "endpoint").items
        self._events["publish"] = {"event": _changes(self.items, now), **done}
        self._listening = self.serve("publish").items
        self._events["deliver"] = {"event": _delivery(self._listening), **done}

    def serve(self, function: str, event: str = "") -> Served:
        """A cold start with its first event, not measured: which modules it imported.

        Raises:
            AssertionError: the event was not answered as it has to be.
        """
        done: subprocess.CompletedProcess[str] = subprocess.run(  # noqa: S603 - our own words
            self.trees.start("modules", self.trees.functions / function, self._told(event or function)),
            env=environment(self.trees, self.trees.packages, function),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{function} did not answer its event:\n{done.stderr[-4_000:]}"
        found = json.loads(done.stdout.splitlines()[-1])
        return Served(*(tuple(found[name]) for name in ("imported", "served", "calls", "items")))

    def importing(self, path: Path, modules: Sequence[str], *, named: str, app: str = "") -> int:
        """Instructions to start Python and import these, and then the function ``app``."""
        listed = self.folder / f"{named}.json"
        listed.write_text(json.dumps([*modules, *(["app"] if app else [])]), encoding="utf-8")
        variables = environment(self.trees, path, app)
        del variables["AWS_LAMBDA_FUNCTION_NAME"]  # imports alone: nothing is built
        if app:
            variables["PYTHONPATH"] += os.pathsep + str(self.trees.functions / app)
        return instructions(self.trees.start("import", listed), variables, self.folder)

    def answering(self, function: str, path: Path | None = None, address: str = "") -> int:
        """Instructions to start Python and answer the first event; over TLS where there is an address."""
        path = path or self.trees.packages
        variables = environment(self.trees, path, function, **({"AWS_ENDPOINT_URL": address} if address else {}))
        command = self.trees.start("event", self.trees.functions / function, self._told(function))
        return instructions([*command, *(["--tls"] if address else [])], variables, self.folder)

    def milliseconds(self, starts: Mapping[str, Path], runs: int = 15) -> dict[str, float]:
        """The shortest of some starts of each function to its first answer over TLS, in turns; in milliseconds."""
        took: dict[str, list[float]] = {function: [] for function in starts}
        for function, path in [*starts.items()] * runs:
            told = self._told(function)
            command = self.trees.start("event", self.trees.functions / function, told, "--tls")
            with self.server() as (address, _):  # a new table each time, in which the account is due
                variables = environment(self.trees, path, function, AWS_ENDPOINT_URL=address)
                began = time.perf_counter()
                subprocess.run(command, env=variables, check=True, capture_output=True, timeout=60)  # noqa: S603 - as above
                took[function].append(time.perf_counter() - began)
        return {function: 1_000 * min(times) for function, times in took.items()}

    def heaviest(self, function: str, runs: int = 5, shown: int = 8) -> str:
        """The packages on which most of the time of imports goes, from the fastest of some runs, as shares."""
        variables = environment(self.trees, self.trees.packages, function)
        variables["PYTHONPATH"] += os.pathsep + str(self.trees.functions / function)
        del variables["AWS_LAMBDA_FUNCTION_NAME"]  # imports alone: nothing is built
        python, *rest = self.trees.start("import", self.folder / f"{function}.json")
        spent = []
        for _ in range(runs):
            done = subprocess.run(  # noqa: S603 - our own words
                [python, "-X", "importtime", *rest],
                env=variables,
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            rows = [line.removeprefix("import time:").split("|") for line in done.stderr.splitlines()]
            times: Counter[str] = Counter()
            for own, _, name in rows[1:]:
                top = name.strip().partition(".")[0]
                times["Python's own" if top in sys.stdlib_module_names else top] += int(own)
            spent.append(times)
        least = min(spent, key=Counter.total)
        return ", ".join(f"{name} {own / least.total():.0%}" for name, own in least.most_common(shown))

    @contextmanager
    def server(self) -> Iterator[tuple[str, Stub]]:
        """AWS's side over TLS, with the items of the table: its address, and what was asked of it."""
        stub = Stub(self.items)
        with serve(stub, self.trees.certificate, self.trees.key) as address:
            yield address, stub

    def _told(self, function: str) -> Path:
        told = self.folder / f"{function}-event.json"
        items = self._listening if function in {*HAVE_AN_ENDPOINT, "endpoint"} else self.items
        items = () if function in {"earn", "plain"} else items  # its order is a new one
        told.write_text(json.dumps({**self._events[function], "items": items}), encoding="utf-8")
        return told


@dataclass(frozen=True, slots=True)
class Imports:
    """Instructions of imports: of Python's start alone, of what all is compared with, and of each function."""

    start: int
    base: int
    functions: Mapping[str, int]

    def ratio(self, function: str) -> float:
        """A function's imports to the base's, both less the start."""
        return (self.functions[function] - self.start) / (self.base - self.start)


def measure_imports(bench: Bench, served: Mapping[str, Served]) -> Imports:
    """Import what each function has imported by the end of its first event, and nothing else."""
    trees = bench.trees
    with ThreadPoolExecutor(AT_ONCE) as pool:
        start = pool.submit(bench.importing, trees.plain, (), named="start")
        base = pool.submit(bench.importing, trees.plain, BASE, named="base")
        functions = {
            name: pool.submit(bench.importing, trees.packages, one.served, named=name, app=name)
            for name, one in served.items()
        }
        counted = {name: future.result() for name, future in functions.items()}
        return Imports(start.result(), base.result(), counted)


_EXPIRING = ("BatchGetItem", "BatchGetItem", "Query", "BatchGetItem", "TransactWriteItems", "TransactWriteItems")
"""What a process of `expire` asks of the table: the program in force, the sweep's switch, its shard, its progress."""


def measure_start(bench: Bench) -> tuple[int, int]:
    """Instructions from the start of the process to its end after the first transaction: `expire`, and plain."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ours = pool.submit(_start, bench, "expire", bench.trees.packages, _EXPIRING)
        plain = pool.submit(_start, bench, "plain", bench.trees.plain, ("TransactWriteItems",))
        return ours.result(), plain.result()


def _start(bench: Bench, function: str, path: Path, calls: tuple[str, ...]) -> int:
    """Instructions of a start whose every call went through at once: on a busy machine a client may lose patience."""
    for _ in range(START_TRIES):
        with bench.server() as (address, stub):
            try:
                counted = bench.answering(function, path, address)
            except RunFailed as failed:
                sys.stderr.write(f"{function} is started again: {failed}\n")
                continue
        if tuple(stub.calls) == calls:
            return counted
    message = f"{function} did not make its calls {calls} in {START_TRIES} starts"
    raise RunFailed(message)


# The page ------------------------------------------------------------------------------------------------------------

_HEAD = """## Cold start

Measured by `python -m bench.cold` with Python {version}: instructions, bytecode compiled, `PYTHONHASHSEED=0`. Budgets
are those of `bench/budgets_cold.py`; `tests/bench` fails when one is exceeded. They are cut to Python 3.11, with which
the tests run; 3.13 takes up to 0.07 more of the base.

**Imports** are all modules that a function has by the time its first event is answered, its own file included, imported
and nothing else done; from the layer as it is built. The ratio is to `from pynamodb.models import Model` and
`from aws_lambda_powertools import Logger, Metrics` as pip installs them ({base} M), both less what starting Python
takes ({start} M). **First event** is the whole process: start, imports, clients, one realistic event, a stub in the
place of the network. **Later** are the modules that only the event imports; all others come while the process starts,
where Lambda gives it a whole processor.

| function | imports, M | ratio | at most | first event, M | modules | later | calls of the event |
|---|---|---|---|---|---|---|---|
"""

_START = """
**Start to first transaction**: the process of `expire` with a queued shard, one account due (six calls), to that of a
plain handler that makes one `TransactWriteItems` by PynamoDB and writes a line of log and a metric, as pip installs it;
both over TLS to a server on this machine, each with the certificates that its botocore ships.

| start to first transaction | M instructions | ratio | at most | time, ratio (both in turns) |
|---|---|---|---|---|
| plain, as installed | {plain} | 1 | | 1 |
| `expire`, from the layer | {ours} | {ratio:.2f} | {most} | {time:.2f} |
| plain, without bytecode | {plain_bare} | {plain_bare_ratio:.2f} | | |
| `expire`, without bytecode | {ours_bare} | {ours_bare_ratio:.2f} | | |

**The layer**: {before:.1f} MB as sam builds it, {after:.1f} MB trimmed, {compiled:.1f} MB with bytecode; as a zip file
{before_zip:.1f}, {after_zip:.1f} and {compiled_zip:.1f} MB.

**Heaviest packages** of `expire` and `redeem`, by the share of all time spent importing, what each imports left out:

{heaviest}
"""


def main() -> None:
    """Measure everything once and keep it."""
    around = surroundings()
    with tempfile.TemporaryDirectory(prefix="jifen-cold-") as name:
        folder = Path(name)
        trees = make_trees(folder, find_python(around))
        text = page(Bench(trees, folder))
    results.put("cold", text)
    print(text)


def page(bench: Bench) -> str:
    """The section of the page."""
    trees = bench.trees
    served = {name: bench.serve(name) for name in FUNCTIONS}
    imports = measure_imports(bench, served)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answering = dict(zip(FUNCTIONS, pool.map(bench.answering, FUNCTIONS), strict=True))
    version = subprocess.run([trees.python, "-V"], capture_output=True, text=True, check=True).stdout.split()[1]  # noqa: S603 - as above
    text = _HEAD.format(version=version, base=_millions(imports.base), start=_millions(imports.start))
    for name, one in served.items():
        cells = (
            f"`{name}`",
            _millions(imports.functions[name]),
            f"{imports.ratio(name):.2f}",
            IMPORT_RATIO_MAX[name],
            _millions(answering[name]),
            len(one.served),
            len(set(one.served) - set(one.imported)),
            ", ".join(f"{count} {call}" if count > 1 else call for call, count in Counter(one.calls).items()),
        )
        text += f"| {' | '.join(map(str, cells))} |\n"
    ours, plain = measure_start(bench)
    took = bench.milliseconds({"expire": trees.packages, "plain": trees.plain})
    sizes = {"before": _size(trees.untrimmed), "compiled": _size(trees.layer)}
    heaviest = "\n".join(f"* `{name}`: {bench.heaviest(name)}" for name in ("expire", "redeem"))
    for folder in sorted([*trees.layer.rglob("__pycache__"), *trees.plain.rglob("__pycache__")]):
        shutil.rmtree(folder)
    sizes["after"] = _size(trees.layer)
    ours_bare, plain_bare = measure_start(bench)
    return text + _START.format(
        plain=_millions(plain),
        ours=_millions(ours),
        ratio=ours / plain,
        most=START_RATIO_MAX,
        time=took["expire"] / took["plain"],
        plain_bare=_millions(plain_bare),
        plain_bare_ratio=plain_bare / plain,
        ours_bare=_millions(ours_bare),
        ours_bare_ratio=ours_bare / plain,
        heaviest=heaviest,
        **{name: size[0] / 1e6 for name, size in sizes.items()},
        **{f"{name}_zip": size[1] / 1e6 for name, size in sizes.items()},
    )


def _millions(count: int) -> str:
    return f"{count / 1e6:,.0f}"


def _size(folder: Path) -> tuple[int, int]:
    """Bytes of a folder, and of the zip file of it."""
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for path in sorted(folder.rglob("*")):
                packed.write(path, path.relative_to(folder))
        return size_bytes(folder), file.tell()


if __name__ == "__main__":
    main()
