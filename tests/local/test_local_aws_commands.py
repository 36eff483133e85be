"""The commands around the local AWS: what they print can be pasted, what they refuse they name."""

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from jifen.adapters.webhook import standard
from local import aws, cli, template
from local.aws import lifecycle, sam, server, tokens
from local.aws.errors import NotRunning, TokenRefused
from local.aws.logs import function_names, read_logs
from local.aws.place import Place, State, new_secrets
from local.aws.trying import MEMBER, lines_to_try
from local.engines.server import HOST


@dataclass
class Request:
    """What reached a test's server."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Reply = tuple[int, dict[str, str], bytes]


@contextmanager
def _serving(answer: Callable[[Request], Reply]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, more, said = answer(Request(self.command, self.path, headers, body))
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = _any  # noqa: N815 - the names that the server looks for

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer((HOST, 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{HOST}:{listening.server_address[1]}"
        finally:
            listening.shutdown()
            thread.join()


# The lines to paste --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh"])
def test_the_lines_do_what_they_say_when_they_are_pasted(shell: str, tmp_path: Path) -> None:
    for program in (shell, "curl", "openssl"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not here")
    token = tmp_path / "a folder with a 'quote'" / "jifen"
    token.parent.mkdir()
    token.write_text('#!/bin/sh\necho "token of $*"\n')
    token.chmod(0o755)
    secret = new_secrets()["standard"]
    seen: list[Request] = []

    def answer(request: Request) -> Reply:
        seen.append(request)
        return 202, {}, b"{}"

    with _serving(answer) as address:
        for line in lines_to_try(f"{address}/_aws/execute-api/1a", secret, [str(token), "token"], "EUR"):
            assert "\n" not in line
            subprocess.run([shell, "-c", line], check=True, capture_output=True, timeout=60)
    order, balance, redemption = seen
    now = datetime.now(UTC)
    assert ("POST", "/_aws/execute-api/1a/webhooks/standard") == (order.method, order.path)
    assert standard.verify(order.headers, order.body, [secret], now)
    assert not standard.verify(order.headers, order.body, [new_secrets()["standard"]], now)
    (event,) = standard.read(order.headers, order.body, now)
    assert MEMBER == event.member
    assert event.paid is not None
    assert "EUR" == event.paid.currency
    assert event.paid.lines[0].amount_minor == json.loads(order.body)["total_minor"]
    assert ("GET", f"/_aws/execute-api/1a/v1/members/{MEMBER}") == (balance.method, balance.path)
    assert ("POST", f"/_aws/execute-api/1a/v1/members/{MEMBER}/redemptions") == (redemption.method, redemption.path)
    bearer = f"Bearer token of token --member {MEMBER}"
    assert [bearer, bearer] == [request.headers["authorization"] for request in (balance, redemption)]
    assert redemption.headers["idempotency-key"]
    assert {"points", "reason"} == set(json.loads(redemption.body))


# Tokens --------------------------------------------------------------------------------------------------------------


@dataclass
class Pool:
    """A user pool that is as strict as Cognito where a sign-in goes through it."""

    users: dict[str, str] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    refusal: str | None = None
    callback: str = "http://localhost:8080/callback"

    def __call__(self, service: str) -> Any:
        """Be every client in one."""
        assert "cognito-idp" == service
        return self

    def describe_user_pool_client(self, *, UserPoolId: str, ClientId: str) -> Any:  # noqa: N803 - boto3's names
        """Tell of the client."""
        assert "pool" == UserPoolId
        scopes = ["openid", "points/member"] if ClientId == "members" else ["points/operator", "points/admin"]
        client = {"ClientSecret": "s3cret", "AllowedOAuthScopes": scopes, "CallbackURLs": [self.callback]}
        return {"UserPoolClient": client}

    def admin_create_user(self, **given: Any) -> None:
        """Make a user, once."""
        name = given["Username"]
        if self.refusal or name in self.users:
            code = self.refusal or "UsernameExistsException"
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, "AdminCreateUser")
        assert "SUPPRESS" == given["MessageAction"]
        self.users[name] = ""

    def admin_set_user_password(self, **given: Any) -> None:
        """Set a lasting password."""
        assert given["Permanent"]
        self.users[given["Username"]] = given["Password"]

    def answer(self, request: Request) -> Reply:
        """Serve the hosted pages and the token endpoint."""
        path = urlsplit(request.path).path
        form = {key: value[0] for key, value in parse_qs(request.body.decode() or urlsplit(request.path).query).items()}
        if path == "/oauth2/authorize":
            assert ("code", "S256") == (form["response_type"], form["code_challenge_method"])
            return 200, {}, b"<form>"
        if path == "/login":
            if not self.users.get(form["username"]) or self.users[form["username"]] != form["password"]:
                return 200, {}, b"<form>Incorrect username or password."
            code = f"code-{len(self.codes)}"
            self.codes[code] = json.dumps({**form, "password": ""})
            query = urlencode({"code": code, "state": form["state"]})
            return 302, {"Location": f"{self.callback}?{query}"}, b""
        return self._token(request, form)

    def _token(self, request: Request, form: dict[str, str]) -> Reply:
        if form["grant_type"] == "client_credentials":
            keys = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
            allowed = keys == "machine:s3cret"
            claims = {"scope": form["scope"]}
        else:
            signed_in = json.loads(self.codes.pop(form["code"]))
            proof = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
            allowed = proof.decode() == signed_in["code_challenge"] and form["redirect_uri"] == self.callback
            claims = {"username": signed_in["username"], "scope": signed_in["scope"]}
        if not allowed:
            return 400, {}, b'{"error": "invalid_grant"}'
        return 200, {}, json.dumps({"access_token": json.dumps(claims, sort_keys=True)}).encode()


def test_a_member_signs_in_through_the_hosted_pages_again_and_again() -> None:
    pool = Pool()
    with _serving(pool.answer) as address:
        for _ in range(2):
            token = tokens.member_token(pool, address, "pool", "members", "何 / m-1")
            assert {"username": "何 / m-1", "scope": "openid points/member"} == json.loads(token)
    assert ["何 / m-1"] == list(pool.users)
    assert {} == pool.codes


def test_a_machine_asks_with_its_own_secret_for_all_its_scopes() -> None:
    pool = Pool()
    with _serving(pool.answer) as address:
        token = tokens.machine_token(pool, address, "pool", "machine")
        assert {"scope": "points/operator points/admin"} == json.loads(token)
        with pytest.raises(TokenRefused, match=r"400 .*invalid_grant"):
            tokens.machine_token(pool, address, "pool", "another")


def test_a_name_that_cannot_be_a_user_is_refused_in_words() -> None:
    with pytest.raises(TokenRefused, match="'a@b' cannot be a user of the pool"):
        tokens.member_token(Pool(refusal="InvalidParameterException"), "http://none", "pool", "members", "a@b")


def test_a_name_that_is_not_even_asked_for_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool()

    def refuse(**_: Any) -> None:
        raise ParamValidationError(report="Invalid length for parameter Username")

    monkeypatch.setattr(pool, "admin_create_user", refuse)
    with pytest.raises(TokenRefused, match=r"(?s)'' cannot be a user of the pool: .*Username"):
        tokens.member_token(pool, "http://none", "pool", "members", "")


def test_a_sign_in_that_fails_is_refused_in_words() -> None:
    pool = Pool()

    def answer(request: Request) -> Reply:
        pool.users = dict.fromkeys(pool.users, "another")
        return pool.answer(request)

    with _serving(answer) as address, pytest.raises(TokenRefused, match=r"m-1 could not sign in: 200 .*Incorrect"):
        tokens.member_token(pool, address, "pool", "members", "m-1")


def test_a_pool_that_does_not_answer_is_said_to() -> None:
    with _serving(lambda _: (200, {}, b"")) as address:
        gone = address
    with pytest.raises(TokenRefused, match="does not answer"):
        tokens.machine_token(Pool(), gone, "pool", "machine")


# Logs ----------------------------------------------------------------------------------------------------------------


def test_logs_of_all_functions_are_told_in_the_order_of_time() -> None:
    asked = []

    class Logs:
        def get_paginator(self, name: str) -> Any:
            assert "filter_log_events" == name
            return self

        def paginate(self, **given: Any) -> Any:
            asked.append(given)
            late = given["logGroupName"].endswith("/earn")
            event = {"timestamp": 1_000 + 500 * late, "message": "second\n" if late else "first\n"}
            return [{"events": [event]}, {"events": []}]

    rows = read_logs(Logs(), ["earn", "webhook"], since_s=0.5)
    assert [("webhook", "first"), ("earn", "second")] == [(row["function"], row["message"]) for row in rows]
    assert ["1970-01-01T00:00:01.000+00:00", "1970-01-01T00:00:01.500+00:00"] == [row["time"] for row in rows]
    assert {500} == {row["startTime"] for row in asked}


class Logged:
    """The logs of one function: what Lambda writes around a call, a metric, and what the function says."""

    lines = (
        "INIT_START Runtime Version: python:3.13",
        "START RequestId: 1a Version: $LATEST",
        '{"message": "order posted", "order_id": "o-1"}',
        '{"_aws": {"CloudWatchMetrics": []}, "ConflictingEvents": 1}',
        "START of a line that is ours",
        "[1, 2]",
        "END RequestId: 1a",
        "REPORT RequestId: 1a Duration: 2.00 ms",
    )

    def get_paginator(self, name: str) -> Any:
        """Give the paginator of events."""
        assert "filter_log_events" == name
        return self

    def paginate(self, **_: Any) -> Any:
        """Give one page."""
        return [{"events": [{"timestamp": n, "message": line} for n, line in enumerate(self.lines)]}]


def test_only_what_the_function_itself_said_is_shown_unless_all_is_asked_for(
    stack: aws.Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(aws.Stack, "client", lambda _, service: {"logs": Logged()}[service])
    assert stack.place.folder.exists()
    shown = {}
    for more in ((), ("--all",)):
        assert 0 == cli.main(["logs", "earn", "--json", *more])
        said = capsys.readouterr()
        assert not said.err
        shown[more] = [row["message"] for row in json.loads(said.out)]
    assert [Logged.lines[n] for n in (2, 4, 5)] == shown[()]
    assert list(Logged.lines) == shown["--all",]


def test_an_empty_log_is_said_to_be_empty(
    stack: aws.Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Logged, "lines", ())
    monkeypatch.setattr(aws.Stack, "client", lambda _, service: {"logs": Logged()}[service])
    assert stack.place.folder.exists()
    assert 0 == cli.main(["logs", "--minutes", "7"])
    assert ("", "nothing in the last 7 minutes\n") == capsys.readouterr()


def test_every_function_has_the_log_group_that_is_read() -> None:
    groups = template.resources(template.load(), "AWS::Logs::LogGroup").values()
    drawn = {group["LogGroupName"]["Fn::Sub"].replace("${AWS::StackName}", sam.STACK) for group in groups}
    assert {f"/jifen/{sam.STACK}/{name}" for name in function_names()} <= drawn


# State from one run to the next --------------------------------------------------------------------------------------


def test_what_is_not_said_again_stays(tmp_path: Path) -> None:
    place = Place(tmp_path)
    first = lifecycle._next_state(place, 4600, {"currency": "CNY", "time_zone": "Asia/Tokyo"}, None)
    place.write(first)
    assert first == lifecycle._next_state(place, None, None, None)
    assert ('{"currency":"CNY"}', "Asia/Tokyo", 4600) == (first.program, first.time_zone, first.port)
    moved = lifecycle._next_state(place, 4601, {"currency": "EUR"}, "Europe/Paris")
    assert ('{"currency":"EUR"}', "Europe/Paris", 4601) == (moved.program, moved.time_zone, moved.port)
    assert first.secrets == moved.secrets


def test_a_first_run_takes_the_usual_port_or_a_free_one(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert 4566 == lifecycle._next_state(place, None, None, None).port
    assert lifecycle._next_state(place, 0, None, None).port not in {0, 4566}


def test_nothing_runs_where_nothing_was_started(tmp_path: Path) -> None:
    assert not aws.down(tmp_path / "never")
    assert not (tmp_path / "never").exists()
    with pytest.raises(NotRunning, match="jifen up"):
        aws.running(tmp_path)
    Place(tmp_path).write(State(is_up=False))
    with pytest.raises(NotRunning):
        aws.running(tmp_path)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has to be found or fetched, and what is kept answers."""
    monkeypatch.setattr(sam, "find_python", lambda *_: Path("python3.13"))
    monkeypatch.setattr(lifecycle, "make_full", lambda *_: Path("python3.13"))
    monkeypatch.setattr(sam, "make_sam", lambda *_: None)
    monkeypatch.setattr(server, "is_kept", lambda _: True)
    monkeypatch.setattr(server, "is_ready", lambda _: True)


@pytest.mark.usefixtures("installed")
def test_what_is_up_on_another_port_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(tmp_path)
    place.write(State(port=4600, is_up=True))
    before = place.read()
    monkeypatch.setattr(sam, "build", lambda *_: pytest.fail("it was built"))
    assert 1 == cli.main(["up", "--port", "4601", "--state", str(tmp_path)])
    said = capsys.readouterr()
    assert not said.out
    assert "jifen up: it is up already, on port 4600; `jifen down` first to change the port\n" in said.err
    assert before == place.read()


@pytest.mark.usefixtures("installed")
def test_stopped_half_way_it_says_what_may_still_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    Place(tmp_path).write(State(is_up=True))
    monkeypatch.setattr(sam, "build", stop)
    assert 130 == cli.main(["up", "--state", str(tmp_path)])
    expected = "jifen up: stopped; MiniStack may still run: `jifen up` goes on, `jifen down` ends it\n"
    assert capsys.readouterr().err.endswith(expected)


# The command line ----------------------------------------------------------------------------------------------------


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> aws.Stack:
    """Give a stack that a faked `up` and `running` return."""
    place = Place(tmp_path)
    place.write(State(program='{"currency":"EUR"}'))
    secrets = {name: secret for name, secret in new_secrets().items() if name != "signing"}
    stack = aws.Stack(place, "http://127.0.0.1:1", "http://127.0.0.1:1/_aws/execute-api/1a", secrets, {})

    def up(folder: Path, **options: Any) -> aws.Stack:
        assert tmp_path == folder
        with options["step"]("a step"):
            options["say"]("a line")
        return stack

    monkeypatch.setattr(lifecycle, "up", up)
    monkeypatch.setattr(lifecycle, "running", lambda _: stack)
    monkeypatch.setattr(lifecycle, "token", lambda _, member, machine: f"{member}/{machine}")
    return stack


def test_up_prints_json_and_nothing_else(stack: aws.Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == cli.main(["up", "--json", "--state", str(tmp_path)])
    said = capsys.readouterr()
    printed = json.loads(said.out)
    assert (stack.api, dict(stack.webhook_secrets)) == (printed["api"], printed["webhook_secrets"])
    assert {"standard", "shopify", "woocommerce"} == set(printed["webhook_secrets"])
    assert "a step" in said.err
    assert "a line" in said.err


def test_up_prints_address_secrets_and_lines(
    stack: aws.Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/jifen"])
    assert 0 == cli.main(["up", "--state", str(tmp_path)])
    out = capsys.readouterr().out
    token = ["/somewhere/jifen", "token", "--state", str(tmp_path)]
    expected = [stack.api, *stack.webhook_secrets.values()]
    expected += lines_to_try(stack.api, stack.webhook_secrets["standard"], token, "EUR")
    assert [] == [text for text in expected if text not in out]


def test_the_lines_name_the_command_for_whatever_folder_they_are_pasted_in(
    stack: aws.Stack, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = tmp_path / "bin" / "jifen"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["bin/jifen"])
    assert stack.place.folder == tmp_path
    assert 0 == cli.main(["up", "--state", str(tmp_path)])
    assert 2 == capsys.readouterr().out.count(f"$({command} token --state {tmp_path} --member {MEMBER})")


@pytest.mark.parametrize(
    ("who", "expected"),
    [(["--member", "m-1"], "m-1/shop"), (["--shop"], "None/shop"), (["--admin"], "None/admin")],
)
def test_a_token_is_printed_bare_or_as_json(
    stack: aws.Stack, capsys: pytest.CaptureFixture[str], who: list[str], expected: str
) -> None:
    assert stack.place.folder.exists()
    assert 0 == cli.main(["token", *who])
    assert f"{expected}\n" == capsys.readouterr().out
    assert 0 == cli.main(["token", *who, "--json"])
    assert {"token": expected} == json.loads(capsys.readouterr().out)


def test_what_is_not_running_is_no_error_to_end_and_one_to_ask(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == cli.main(["down", "--state", str(tmp_path / "none")])
    assert "the local AWS is not running\n" == capsys.readouterr().out
    assert 0 == cli.main(["down", "--json", "--state", str(tmp_path / "none")])
    assert {"ended": False} == json.loads(capsys.readouterr().out)
    for command in (["token", "--shop"], ["logs"]):
        assert 1 == cli.main([*command, "--state", str(tmp_path / "none")])
        assert "start it with `jifen up`" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        ["token"],
        ["token", "--shop", "--admin"],
        ["token", "--member", ""],
        ["token", "--member", " m-1"],
        ["token", "--member", "m\x1b-1"],
        ["token", "--member", "m" * 129],
        ["up", "--port", "65536"],
        ["up", "--port", "-1"],
        ["up", "--time-zone", "Mars/Olympus"],
        ["up", "--time-zone", "Asia/Shanghai", "--program", "tokyo.json"],
        ["up", "--program", "long.json"],
        ["logs", "nobody"],
        ["logs", "--minutes", "0"],
        ["logs", "--minutes", "-5"],
        ["logs", "--minutes", "1000001"],
        ["logs", "--minutes", "x"],
    ],
)
def test_wrong_usage_is_2_and_starts_nothing(wrong: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lifecycle, "up", lambda *_, **__: pytest.fail("it was started"))
    Path("tokyo.json").write_text('{"time_zone": "Asia/Tokyo"}')
    rules = [{"id": f"rule-{n}", "on": "order.paid", "rate": {"points": 1, "per_minor": 100}} for n in range(60)]
    Path("long.json").write_text(json.dumps({"earning": {"rules": rules}}))
    with pytest.raises(SystemExit) as ended:
        cli.main([*wrong, "--state", str(tmp_path)])
    assert 2 == ended.value.code


def test_a_program_with_faults_is_2_and_names_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "program.json"
    file.write_text('{"currancy": "CNY"}')
    assert 2 == cli.main(["up", "--program", str(file), "--state", str(tmp_path)])
    assert "currancy" in capsys.readouterr().err
