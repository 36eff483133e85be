"""The deliver function against a shop that is a real HTTP server: taken, refused, slow, cut, redirected, gone, huge."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from jifen.adapters.hooks import ANSWER_BYTES, EXCERPT, TOTAL_S, HttpPoster, SqsHooksQueue, decode, encode, headers
from jifen.adapters.webhook.signatures import standard_webhooks
from jifen.domain import endpoints as book
from jifen.domain.endpoints import Reply, secret_of
from jifen.domain.errors import Busy
from jifen.domain.outgoing import envelope
from jifen.runtime import Runtime, Settings, use
from jifen.service.hook_ports import DeliveryTask, HookTask, ProbeTask, ReplayTask
from jifen.service.ports import MalformedMessage
from tests.fakes.hook_shop import HookShop, hook_shop
from tests.functions.hooking import ENDPOINTS, HookStage
from tests.functions.stage import REGION, Context
from tests.service.hooks import NOW, event


@pytest.fixture(scope="module")
def shop_() -> Iterator[HookShop]:
    """A shop that listens."""
    with hook_shop() as shop:
        yield shop


@pytest.fixture
def shop(shop_: HookShop) -> HookShop:
    """It was never asked for anything."""
    shop_.clear()
    return shop_


@pytest.fixture(scope="module")
def stage_(aws: None) -> Iterator[HookStage]:  # noqa: ARG001 - the table is made in it
    """A deployment that posts, for half a second each."""
    here = HookStage("deliver", posted_by=HttpPoster(private=True, total_s=0.5))
    with use(here.runtime):
        yield here


@pytest.fixture
def here(stage_: HookStage) -> HookStage:
    """Nothing was told yet."""
    stage_.clear()
    return stage_


def test_an_event_comes_signed_with_the_secret_that_was_shown(here: HookStage, shop: HookShop) -> None:
    """The receiver's check by the letter of Standard Webhooks holds over the bytes that came."""
    secret = here.create("shop", shop.url)["secret"]
    here.tell(event(1))
    here.work()
    (got,) = shop.got
    assert ("ev_1", str(int(NOW.timestamp())), "application/json") == (
        got.id,
        got.headers["webhook-timestamp"],
        got.headers["content-type"],
    )
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"ev_1.{got.headers['webhook-timestamp']}.".encode() + got.body
    assert (
        f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"
        == got.headers["webhook-signature"]
    )
    assert envelope(event(1)) == got.event
    assert ("DELIVERED", 200) == (here.log()["ev_1"]["status"], here.log()["ev_1"]["answered"])


def test_both_secrets_sign_for_a_day_after_a_rotation(here: HookStage, shop: HookShop) -> None:
    """A receiver that has the old one alone, and one that has the new one alone, both accept."""
    old = here.create("shop", shop.url)["secret"]
    new = here.ask("POST", f"{ENDPOINTS}/shop/rotate-secret", key="r").body["secret"]
    for number, hours in ((1, 23.9), (2, 0.2)):
        here.later(hours=hours)
        here.tell(event(number, here.now))
        here.work()
    signatures = [got.headers["webhook-signature"].split(" ") for got in shop.got]
    assert [2, 1] == [len(one) for one in signatures]
    accepted = [
        [
            standard_webhooks(
                got.id, got.headers["webhook-timestamp"], got.headers["webhook-signature"], got.body, [secret], at
            )
            for secret in (old, new)
        ]
        for got, at in zip(shop.got, (NOW + timedelta(hours=23.9), here.now), strict=True)
    ]
    assert [[True, True], [False, True]] == accepted


@pytest.mark.parametrize(
    ("act", "answered", "problem"),
    [
        (500, 500, "answered 500: said:  � no"),
        (404, 404, "answered 404: said:  � no"),
        (429, 429, "answered 429: said:  � no"),
        ("cut", 0, "no answer: RemoteDisconnected"),
        ("slow", 0, "no answer within 0.5 seconds"),
        ("redirect", 302, "answered 302; redirects are not followed"),
        ("home", 307, "answered 307; redirects are not followed"),
        ("huge", 500, "answered 500: " + "x" * 200),
    ],
)
def test_what_is_not_taken_comes_again_under_the_same_id(
    here: HookStage, shop: HookShop, act: int | str, answered: int, problem: str
) -> None:
    """The log says what was wrong; no answer holds the function up, and no redirect is followed."""
    here.create("shop", shop.url)
    shop.script.append(act)
    here.tell(event(1))
    began = time.monotonic()
    here.work()
    assert time.monotonic() - began < 20, "held up until the endpoint is done, which is never"
    line = here.log()["ev_1"]
    assert ("WAITING", 1, answered, problem) == (line["status"], line["attempts"], line["answered"], line["problem"])
    here.later(seconds=6)
    assert "DELIVERED" == here.log()["ev_1"]["status"]
    assert {"ev_1": 2} == shop.times()
    stamps = [int(got.headers["webhook-timestamp"]) for got in shop.got]
    assert 5 == stamps[1] - stamps[0]


def test_a_server_that_is_not_there_is_an_attempt_that_failed(here: HookStage) -> None:
    """As is a name that stands for nothing."""
    here.create("shop", "http://127.0.0.1:9/hook")
    here.create("nobody", "http://nobody.invalid/hook")
    here.tell(event(1))
    here.work()
    assert "no answer: ConnectionRefusedError" == here.log()["ev_1"]["problem"]
    assert "no answer: gaierror" == here.log("nobody")["ev_1"]["problem"]


def test_gone_disables_the_endpoint(here: HookStage, shop: HookShop) -> None:
    """One request, one number for the alarm, and the reason for the operator."""
    here.create("shop", shop.url)
    shop.always = 410
    here.tell(event(1), event(2))
    here.work()
    assert ("DISABLED", "answered 410 Gone") == (here.shown()["status"], here.shown()["disabled_why"])
    assert 1 == here.counted["HooksDisabled"]
    assert 1 == len(shop.got)
    assert {"SKIPPED"} == {line["status"] for line in here.log().values()}


def test_retry_after_is_asked_for_in_seconds_or_as_a_date(here: HookStage, shop: HookShop) -> None:
    """The date counts from the answer's own clock."""
    here.create("shop", shop.url)
    shop.always = 503
    for number, after in ((1, "1200"), (2, "later"), (3, "-5")):
        shop.headers["retry-after"] = after
        here.tell(event(number))
        here.work()
    waits = {name: line["next_at"] for name, line in here.log().items()}
    soon = (NOW + timedelta(seconds=5)).isoformat().replace("+00:00", "Z")
    assert {"ev_1": "2026-11-26T09:50:00Z", "ev_2": soon, "ev_3": soon} == waits


def test_a_slow_endpoint_holds_up_nobody_else(here: HookStage, shop: HookShop) -> None:
    """Its first event of a batch waits for it, its others come back later, and those of another are delivered."""
    with hook_shop() as mute:
        mute.always = "slow"
        here.create("slow", mute.url)
        here.create("quick", shop.url)
        here.tell(*(event(number) for number in range(5)))
        here.run()
        assert 1 == len(mute.got)
    assert 5 == len(shop.got)
    assert {"DELIVERED"} == {line["status"] for line in here.log("quick").values()}
    assert 5 == len(here.queue.messages)


def test_without_time_nothing_is_begun_and_everything_comes_back(here: HookStage, shop: HookShop) -> None:
    """No attempt is cut off in the middle by the end of the function."""
    here.create("shop", shop.url)
    here.tell(event(1))
    (message,) = here.queue.receive()
    record = {"messageId": "m", "receiptHandle": str(message.number), "body": message.body}
    answer = here.call("deliver", {"Records": [record]}, Context(remaining_ms=17_000))
    assert {"batchItemFailures": [{"itemIdentifier": "m"}]} == answer
    assert [] == shop.got


@pytest.mark.parametrize("body", ["", "[]", "{}", "null", '{"do":"deliver"}', '{"do":"x","endpoint":"shop"}', "{" * 9])
def test_a_message_that_is_not_ours_goes_back_and_holds_up_nobody(here: HookStage, shop: HookShop, body: str) -> None:
    """It ends in the dead-letter queue; what is beside it is delivered."""
    here.create("shop", shop.url)
    here.tell(event(1))
    (message,) = here.queue.receive()
    records = [
        {"messageId": "bad", "receiptHandle": "0", "body": body},
        {"messageId": "good", "receiptHandle": str(message.number), "body": message.body},
    ]
    assert {"batchItemFailures": [{"itemIdentifier": "bad"}]} == here.call("deliver", {"Records": records})
    assert ["ev_1"] == shop.ids


def test_nothing_of_a_secret_is_in_the_log_or_the_metrics(here: HookStage, shop: HookShop) -> None:
    """Not even where everything fails."""
    secret = here.create("shop", shop.url)["secret"]
    shop.always = 500
    here.tell(event(1))
    here.later(hours=1)
    assert secret not in json.dumps(
        [here.log(), here.shown(), here.counted, [task for task in here.table() if "DL#" in task]]
    )


# What posts ----------------------------------------------------------------------------------------------------------


def posted(url: str, *addresses: str, **more: Any) -> Reply:
    """What comes of a post where a name stands for these addresses."""
    poster = HttpPoster(addresses=lambda _host, _port: addresses, total_s=0.5, **more)
    return poster.post(url, ["whsec_c2VjcmV0c2VjcmV0c2VjcmV0"], "ev_1", NOW, b"{}")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104 - an address that is refused
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "nonsense",
    ],
)
def test_a_name_that_stands_for_what_is_not_public_is_not_called(address: str) -> None:
    """Nor where only one of its addresses is such a one: metadata, the function's own network, itself."""
    for found in ([address], ["93.184.216.34", address]):
        assert Reply(0, "the host stands for an address that is not public") == without_time(
            posted("https://shop.example/hook", *found)
        )


def without_time(reply: Reply) -> Reply:
    """The same, however long it took."""
    return Reply(reply.status, reply.problem, 0, reply.retry_after)


def test_plain_http_is_for_a_laptop_alone(shop: HookShop) -> None:
    """An address that was kept while it was allowed is not called afterwards."""
    assert "the address is not https" == posted(shop.url, "127.0.0.1").problem
    assert 200 == posted(shop.url, "127.0.0.1", private=True).status


def test_the_connection_goes_to_an_address_that_was_looked_at(shop: HookShop) -> None:
    """The name is looked up once: what it stands for a moment later does not matter. The receiver is told the name."""
    asked: list[str] = []

    def addresses(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    poster = HttpPoster(private=True, addresses=addresses)
    url = shop.url.replace("127.0.0.1", "shop.example") + "?a=1"
    assert 200 == poster.post(url, [], "ev_1", NOW, b"{}").status
    assert (["shop.example"], "/hook?a=1") == (asked, shop.got[-1].path)
    assert shop.got[-1].headers["host"].startswith("shop.example:")


def test_the_second_address_is_tried_where_the_first_takes_no_connection(shop: HookShop) -> None:
    """As every client does."""
    url = shop.url.replace("127.0.0.1", "shop.example")
    assert 200 == posted(url, "127.0.0.2", "127.0.0.1", private=True).status


class Certified(NamedTuple):
    """The address of a server that can prove to be shop.example, what believes it, and what it proves it by."""

    url: str
    believes: ssl.SSLContext
    proves: ssl.SSLContext


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certified]:
    """A server that can prove to be shop.example, and what believes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example")])
    day = timedelta(days=1)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - day)
        .not_valid_after(datetime.now(UTC) + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with hook_shop(context) as shop:
        yield Certified(
            shop.url.replace("http://127.0.0.1", "https://shop.example"),
            ssl.create_default_context(cafile=str(folder / "cert.pem")),
            context,
        )


def test_who_answers_has_to_prove_the_name_and_not_the_address(certified: Certified) -> None:
    """The right name at whatever address; not another name, and not a certificate that nobody vouches for."""
    url, context, _ = certified
    assert 200 == posted(url, "127.0.0.1", private=True, context=lambda: context).status
    other = url.replace("shop.example", "other.example")
    wrong = "TLS failed: CERTIFICATE_VERIFY_FAILED"
    assert wrong == posted(other, "127.0.0.1", private=True, context=lambda: context).problem
    assert wrong == posted(url, "127.0.0.1", private=True).problem


@contextmanager
def answering(answer: bytes, more: bytes = b"", *, ends: bool = True) -> Iterator[tuple[str, list[int]]]:
    """A server that says ``answer`` to one request, and ``more`` until nobody listens; how many bytes it could send.

    Without an end it says nothing more, and stays on the line.
    """
    sent = [0]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_one() -> None:
            line, _ = server.accept()
            with line, contextlib.suppress(OSError):
                while not line.recv(65_536).endswith(b"{}"):
                    pass
                line.sendall(answer)
                while more:
                    sent[0] += line.send(more)
                if ends:
                    line.shutdown(socket.SHUT_WR)
                line.recv(1)

        thread = threading.Thread(target=answer_one)
        thread.start()
        yield f"http://shop.example:{server.getsockname()[1]}/hook", sent
        thread.join(10)


CHUNKED = b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "rest",
    [
        b"content-length: 50\r\n\r\ncut",
        b"content-length: 99999999999999999999999\r\n\r\ncut",
        CHUNKED + b"-5\r\nabc",
        CHUNKED + b"-1\r\nabc",
        CHUNKED + b"ffffffffffffffffff\r\nabc",
        CHUNKED + b"no number\r\nabc",
        CHUNKED + b"5\r\na",
    ],
)
def test_an_answer_counts_by_its_status_whatever_becomes_of_its_body(rest: bytes) -> None:
    """What was taken does not come again, and what is refused for ever is not asked again."""
    for status in (200, 410, 500):
        with answering(b"HTTP/1.1 %d Said\r\n" % status + rest) as (url, _):
            reply = posted(url, "127.0.0.1", private=True)
        assert (status, status == 200) == (reply.status, reply.taken)


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_whose_body_never_ends_counts_by_its_status_as_well(status: int) -> None:
    """The body is waited for no longer than an attempt takes."""
    with answering(b"HTTP/1.1 %d Said\r\ncontent-length: 50\r\n\r\n" % status, ends=False) as (url, _):
        reply = posted(url, "127.0.0.1", private=True)
    assert (status, True) == (reply.status, reply.took_ms < 2_000)


@pytest.mark.parametrize(
    ("beginning", "status"),
    [
        (b"HTTP/1.1 500 Said\r\n" + CHUNKED + b"-1\r\n", 500),
        (b"HTTP/1.1 500 Said\r\n\r\n", 500),
        (b"HTTP/1.1 100 Continue\r\n\r\n", 0),
        (b"HTTP/1.1 200 Said\r\nx: ", 0),
    ],
)
def test_an_answer_without_end_is_left_alone(beginning: bytes, status: int) -> None:
    """However it says how long it is: its bytes would fill the memory that other endpoints' events need."""
    more = beginning * 2_000 if b"Continue" in beginning else b"x" * 100_000
    with answering(beginning, more) as (url, sent):
        assert status == posted(url, "127.0.0.1", private=True).status
    assert sent[0] < 20_000_000, "what the buffers of two sockets take, and no more"


def test_a_receiver_that_reads_slowly_has_no_more_time_than_others(certified: Certified) -> None:
    """Of all records of TLS together."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def read_slowly() -> None:
            line = certified.proves.wrap_socket(server.accept()[0], server_side=True)
            with line, contextlib.suppress(OSError):
                while not over.wait(0.05) and line.recv(16_384):
                    pass

        thread = threading.Thread(target=read_slowly)
        thread.start()
        url = f"https://shop.example:{server.getsockname()[1]}/hook"
        poster = HttpPoster(
            private=True, addresses=lambda _host, _port: ["127.0.0.1"], context=lambda: certified.believes, total_s=0.5
        )
        reply = poster.post(url, [], "ev_1", NOW, b"x" * 20_000_000)
        over.set()
        thread.join(10)
    assert ("no answer within 0.5 seconds", True) == (reply.problem, reply.took_ms < 2_000)


def test_a_name_that_nobody_answers_for_is_waited_for_no_longer_than_an_attempt_takes() -> None:
    """A resolver has a time of its own, in which other endpoints' events would wait."""
    over = threading.Event()

    def addresses(_host: str, _port: int) -> list[str]:
        over.wait(5)
        return ["93.184.216.34"]

    reply = HttpPoster(addresses=addresses, total_s=0.2).post("https://shop.example/", [], "ev_1", NOW, b"{}")
    over.set()
    assert ("no answer within 0.2 seconds", True) == (reply.problem, reply.took_ms < 2_000)


# The queue -----------------------------------------------------------------------------------------------------------

TASKS: list[HookTask] = [
    DeliveryTask("shop", "ev_1", NOW),
    DeliveryTask("shop", "ev_1", NOW, "20261126T093000.000000-ab", missing=True),
    ProbeTask("shop", NOW + timedelta(seconds=10), "ev_1", NOW),
    ReplayTask("shop", NOW, NOW + timedelta(days=1), "r", ("points.*",), missing=True, hour="2026-11-26T09", part=7),
    ReplayTask("shop", NOW, NOW + timedelta(days=1), "r", cursor="OB#2026-11-26T09:30:00.000000Z#ev_1"),
]


@pytest.mark.parametrize("task", TASKS)
def test_a_task_survives_its_message(task: HookTask) -> None:
    """Whatever it says."""
    assert task == decode(encode(task))


@pytest.mark.parametrize(
    "change", [{"part": 8}, {"part": "1"}, {"hour": "now"}, {"since": "2026"}, {"types": 1}, {"run": None}, {"do": 1}]
)
def test_a_damaged_task_is_refused(change: dict[str, Any]) -> None:
    """Nothing of it is done."""
    with pytest.raises(MalformedMessage):
        decode(json.dumps(json.loads(encode(TASKS[3])) | change))


def test_the_real_queue_takes_tasks_by_endpoint_and_postpones(aws: None) -> None:  # noqa: ARG001 - the queue is made in it
    """More than ten go in more than one call; a message is of the group of its endpoint."""
    client = boto3.client("sqs", REGION)
    url = client.create_queue(QueueName="delivery")["QueueUrl"]
    queue = SqsHooksQueue(client, url)
    queue.send([DeliveryTask(f"shop{number % 2}", f"ev_{number}", NOW) for number in range(23)])
    queue.send(TASKS[:1], 900)
    found = client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"])["Messages"]
    assert 10 == len(found)
    task = queue.read(found[0]["Body"])
    assert task.endpoint == found[0]["Attributes"]["MessageGroupId"]
    queue.postpone(found[0]["ReceiptHandle"], 36_000)
    queue.postpone("no such receipt", 5)
    attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert "1" == attributes["ApproximateNumberOfMessagesDelayed"]
    with pytest.raises(Busy):
        SqsHooksQueue(client, f"{url}-gone").send(TASKS)


# What the runtime makes of its settings ------------------------------------------------------------------------------


def test_without_a_queue_nobody_is_relayed_to() -> None:
    """A deployment that has no endpoints pays for nothing."""
    assert Runtime(Settings.read({})).relay is None
    with_queue = Settings.read({"JIFEN_DELIVERY_QUEUE_URL": "https://queue", "JIFEN_HOOKS_PRIVATE": "true"})
    assert Runtime(with_queue).relay is not None
    assert (True, False) == (with_queue.hooks_private, Settings.read({"JIFEN_HOOKS_PRIVATE": "yes"}).hooks_private)


# docs/webhooks-out.md ------------------------------------------------------------------------------------------------

PAGE = Path("docs/webhooks-out.md").read_text("utf-8")


def code(language: str) -> str:
    """The page's code in a language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def signed_now(body: bytes, *secrets: str, ago: float = 0.0) -> dict[str, str]:
    """Headers as a delivery has them, of so many seconds ago."""
    return headers(secrets, "ev_1", datetime.now(UTC) - timedelta(seconds=ago), body)


def checks(body: bytes) -> list[tuple[dict[str, str], bytes, bool]]:
    """Deliveries, and whether they are to be believed."""
    ours = secret_of(b"1" * 32).text
    other = secret_of(b"2" * 32).text
    good = signed_now(body, ours)
    return [
        (good, body, True),
        (signed_now(body, other, ours), body, True),
        (good, body + b" ", False),
        (good | {"webhook-id": "ev_2"}, body, False),
        (good | {"webhook-timestamp": str(int(good["webhook-timestamp"]) + 1)}, body, False),
        (signed_now(body, ours, ago=301), body, False),
        (signed_now(body, other), body, False),
        (good | {"webhook-signature": ""}, body, False),
    ]


BODY = json.dumps({"type": "points.earned", "data": {"why": "积分"}}, ensure_ascii=False).encode()


def test_the_check_of_the_page_in_python_believes_us_and_nobody_else() -> None:
    """The shop's developer copies it."""
    space: dict[str, Any] = {}
    exec(compile(code("python"), "docs/webhooks-out.md", "exec"), space)  # noqa: S102 - the page's own code
    secret = secret_of(b"1" * 32).text
    assert [(good, good) for *_, good in checks(BODY)] == [
        (space["verify"](sent, body, secret), good) for sent, body, good in checks(BODY)
    ]
    assert len(code("python").strip().splitlines()) <= 12


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not there")
def test_the_check_of_the_page_in_node_believes_us_and_nobody_else() -> None:
    """As above."""
    rows = [[sent, base64.b64encode(body).decode()] for sent, body, _ in checks(BODY)]
    script = (
        f"{code('js')}\nconst rows = {json.dumps(rows)};\nconst secret = {json.dumps(secret_of(b'1' * 32).text)};\n"
        "console.log(JSON.stringify(rows.map(([h, b]) => verify(h, Buffer.from(b, 'base64'), secret))));"
    )
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, timeout=60, check=True)
    assert [good for *_, good in checks(BODY)] == json.loads(done.stdout)


def test_the_page_names_the_limits_that_hold() -> None:
    """Waits, sizes, days and numbers."""
    for said in ("256,000", "2,000", "ten seconds", "thirteen", "five days", "30 days", "20 endpoints", "24 hours"):
        assert said in " ".join(PAGE.split()), said
    assert (256_000, 20, 13) == (book.BODY_BYTES_MAX, book.ENDPOINTS_MAX, book.ATTEMPTS_MAX)
    assert (timedelta(days=5), timedelta(days=30), timedelta(hours=24)) == (
        book.DISABLED_AFTER,
        book.KEPT,
        book.SIGNS_ALONG,
    )
    assert (10.0, 2_000, 200) == (TOTAL_S, ANSWER_BYTES, EXCERPT)
