"""The engines start, keep their promises as DynamoDB, and leave nothing behind; what is missing is said in words."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from local.engines import (
    Engine,
    EngineFailed,
    EngineUnavailable,
    create_table,
    dynamodb_local,
    dynoxide,
    ministack,
    open_engine,
)
from local.engines import server as server_module
from local.engines.server import Launch, serving
from local.engines.surroundings import surroundings

PROJECT = Path(__file__).resolve().parents[2]
ASKED = os.environ.get("JIFEN_TEST_ENGINES", "").split(",")
# AWS's licence is for whoever wants the engine: it is fetched when it is asked for, and by no usual test.
SERVERS = ("dynoxide", "ministack", *(["dynamodb-local"] if "dynamodb-local" in ASKED else []))
TABLE: dict[str, Any] = {
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
        {"AttributeName": "due", "AttributeType": "S"},
    ],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": "due_expiry",
            "KeySchema": [{"AttributeName": "due", "KeyType": "HASH"}],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
        },
    ],
    "BillingMode": "PAY_PER_REQUEST",
}
OTHER_TABLE: dict[str, Any] = {
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def _put(item_id: str, *, only_new: bool = True) -> dict[str, Any]:
    put: dict[str, Any] = {"TableName": "points", "Item": {"pk": {"S": item_id}, "sk": {"S": "A"}}}
    return {"Put": {**put, "ConditionExpression": "attribute_not_exists(pk)"} if only_new else put}


def _quietly(spec: str, data_path: Path | None = None) -> Any:
    return open_engine(spec, data_path=data_path, say=lambda _: None)


def _is_listening(url: str) -> bool:
    address = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((address.hostname, address.port)) == 0


def _is_alive(process_group: int) -> bool:
    try:
        os.killpg(process_group, 0)
    except ProcessLookupError:
        return False
    return True


def _within(seconds: float, is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so()


def _is_gone(engine: Engine) -> bool:
    assert engine.process_group is not None
    assert engine.url is not None
    group, url = engine.process_group, engine.url
    return _within(5, lambda: not _is_alive(group) and not _is_listening(url))


def _kill(engine: Engine) -> None:
    assert engine.process_group is not None
    url = str(engine.url)
    os.killpg(engine.process_group, signal.SIGKILL)
    assert _within(5, lambda: not _is_listening(url))


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    """Name each engine that is a server of its own and can be had here, fetched if need be."""
    spec: str = request.param
    _cache_with(spec)
    return spec


def _cache_with(spec: str) -> Path:
    try:
        with _quietly(spec):
            return surroundings().cache
    except EngineUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def fetched_dynoxide() -> Path:
    """Give dynoxide's binary in the shared cache."""
    return _binary_in(_cache_with("dynoxide"))


@pytest.fixture(scope="session")
def fetched_ministack() -> Path:
    """Give MiniStack's folder in the shared cache."""
    name = f"ministack-{ministack.VERSION}-py{sys.version_info.major}.{sys.version_info.minor}"
    return _cache_with("ministack") / name


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Move the cache to an empty folder."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("JIFEN_CACHE", str(cache))
    return cache


@pytest.fixture
def no_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make PATH one empty folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def _binary_in(cache: Path) -> Path:
    target = dynoxide._target()
    return cache / f"dynoxide-{dynoxide.VERSION}-{target}" / "node_modules" / "@dynoxide" / target / "dynoxide"


def _script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


# --- what every engine does -------------------------------------------------------------------------------------------


def _transaction(engine: Engine) -> list[str | None]:
    """Write a new item and then that item beside another one; return the reasons the second time."""
    client = engine.client()
    create_table(engine, TABLE, "points")
    client.transact_write_items(TransactItems=[_put("first")])
    with pytest.raises(ClientError) as refused:
        client.transact_write_items(TransactItems=[_put("second"), _put("first")])
    assert "Item" not in client.get_item(TableName="points", Key={"pk": {"S": "second"}, "sk": {"S": "A"}})
    response: dict[str, Any] = dict(refused.value.response)
    return [reason["Code"] for reason in response["CancellationReasons"]]


def test_a_server_answers_a_conditional_transaction_and_is_gone_afterwards(server: str) -> None:
    """All of a transaction happens or nothing, with a reason for each part; then no process and no port is left."""
    with _quietly(server) as engine:
        assert ["None", "ConditionalCheckFailed"] == _transaction(engine)
        assert (server, True) == (engine.name, _is_alive(engine.process_group))
    assert _is_gone(engine)


def test_moto_answers_a_conditional_transaction() -> None:
    """Moto does the same within this process."""
    with _quietly("moto") as engine:
        assert engine.url is None
        assert ["None", "ConditionalCheckFailed"] == _transaction(engine)


def test_an_endpoint_is_taken_as_it_is(server: str) -> None:
    """A URL is used, and not ended, by who did not start it."""
    with _quietly(server) as own:
        with _quietly(f"{own.url}/") as engine:
            assert own.url == engine.url
            assert ["None", "ConditionalCheckFailed"] == _transaction(engine)
        assert _is_listening(own.url)


def test_a_server_is_gone_when_the_block_fails(server: str) -> None:
    """An exception ends the engine and comes through as it was."""
    with pytest.raises(ZeroDivisionError), _quietly(server) as engine:
        raise ZeroDivisionError
    assert _is_gone(engine)


def test_an_engine_that_dies_in_the_middle_is_named(server: str) -> None:
    """The message says that the engine ended by itself, with the failed call as its cause."""
    with pytest.raises(EngineFailed, match="ended by itself") as failure, _quietly(server) as engine:
        client = engine.client()
        _kill(engine)
        client.list_tables()
    assert isinstance(failure.value.__cause__, EndpointConnectionError)
    assert server in str(failure.value)


def test_the_users_own_aws_settings_are_never_read(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile, keys, an endpoint or a proxy in the environment change nothing."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "real")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for spec in (server, "moto"):
        with _quietly(spec) as engine:
            signer = engine.client()._request_signer
            assert "jifenlocal" == signer._credentials.access_key
            assert create_table(engine, TABLE, "points")


# --- tables -----------------------------------------------------------------------------------------------------------


def test_a_table_is_made_once_and_kept(server: str) -> None:
    """The second call finds the table with its items; other keys are refused, not ignored."""
    with _quietly(server) as engine:
        assert create_table(engine, TABLE, "points")
        engine.client().transact_write_items(TransactItems=[_put("first")])
        assert not create_table(engine, TABLE, "points")
        assert 1 == engine.client().scan(TableName="points")["Count"]
        with pytest.raises(EngineFailed, match="other keys"):
            create_table(engine, OTHER_TABLE, "points")


def test_data_outlives_the_engine(server: str, tmp_path: Path) -> None:
    """With a data path, a second run goes on where the first ended; two at once are refused."""
    data = tmp_path / "data" / "points.db"
    with _quietly(server, data) as engine:
        create_table(engine, TABLE, "points")
        engine.client().transact_write_items(TransactItems=[_put("first")])
        with pytest.raises(EngineUnavailable, match="another process"), _quietly(server, data):
            pass
    with _quietly(server, data) as engine:
        assert not create_table(engine, TABLE, "points")
        assert 1 == engine.client().scan(TableName="points")["Count"]


@pytest.mark.usefixtures("fetched_dynoxide")
def test_data_of_dynoxide_survives_kill_minus_nine(tmp_path: Path) -> None:
    """What was answered is on disk."""
    data = tmp_path / "points.db"
    with pytest.raises(EngineFailed), _quietly("dynoxide", data) as engine:
        create_table(engine, TABLE, "points")
        engine.client().transact_write_items(TransactItems=[_put("first")])
        _kill(engine)
    with _quietly("dynoxide", data) as engine:
        assert 1 == engine.client().scan(TableName="points")["Count"]


@pytest.mark.parametrize("spec", ["moto", "http://127.0.0.1:1"])
def test_a_data_path_is_refused_where_nothing_would_be_kept(spec: str, tmp_path: Path) -> None:
    """Silence would look like a promise."""
    with pytest.raises(EngineUnavailable), _quietly(spec, tmp_path / "points.db"):
        pass


@pytest.mark.parametrize("spec", ["dynoxide", "ministack", "dynamodb-local"])
def test_no_engine_can_be_reached_from_outside(spec: str) -> None:
    """An engine listens on 127.0.0.1 and on no other address of this machine."""
    if spec not in SERVERS:
        pytest.skip(f"JIFEN_TEST_ENGINES does not name {spec}")
    _cache_with(spec)
    with _quietly(spec) as engine:
        port = urlsplit(str(engine.url)).port
        for address in _other_addresses():
            with socket.socket() as probe:
                probe.settimeout(2)
                assert probe.connect_ex((address, port)) != 0
        assert _is_listening(str(engine.url))


def _other_addresses() -> set[str]:
    """Addresses of this machine besides 127.0.0.1; the whole of 127.0.0.0/8 leads here on Linux."""
    named: set[str] = set()
    with suppress(socket.gaierror):  # a machine need not know its own name
        named = {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    return ({"127.0.0.2"} if sys.platform == "linux" else set()) | named - {"127.0.0.1"}


# --- processes and ports ----------------------------------------------------------------------------------------------

_HOLD = """
import sys, time
from local.engines import create_table, open_engine
with open_engine(sys.argv[1]) as engine:
    engine.client().list_tables()
    print(engine.url, engine.process_group, flush=True)
    sys.stdin.readline()
"""


def _holding(spec: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _HOLD, spec], cwd=PROJECT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def _held(process: subprocess.Popen[str]) -> Engine:
    assert process.stdout is not None
    url, group = process.stdout.readline().split()
    return Engine("held", url, process_group=int(group))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_an_engine_ends_with_its_parent(server: str, end: signal.Signals) -> None:
    """Whatever way the parent goes, the system closes the pipe and the keeper ends the engine."""
    with _holding(server) as parent:
        engine = _held(parent)
        assert _is_listening(str(engine.url))
        parent.send_signal(end)
        parent.wait(timeout=10)
    assert _is_gone(engine)


def test_two_processes_fetch_once_and_both_work(
    fetched_dynoxide: Path, empty_cache: Path, no_npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits for the first one's installation; each gets an engine and a port of its own."""
    calls = tmp_path / "calls"
    inside = Path(*_binary_in(Path()).parts[1:])
    steps = (f"echo >> {calls}", "sleep 1", f"mkdir -p {inside.parent}", f"cp {fetched_dynoxide} {inside}")
    _script(no_npm / "npm", "\n".join(("#!/bin/sh", *steps)))
    monkeypatch.setenv("PATH", f"{no_npm}:/usr/bin:/bin")
    with _holding("dynoxide") as one, _holding("dynoxide") as two:
        engines = _held(one), _held(two)
        assert engines[0].url != engines[1].url
        for process in (one, two):
            assert process.stdin is not None
            process.stdin.close()
            assert 0 == process.wait(timeout=10)
    assert "\n" == calls.read_text()
    assert all(map(_is_gone, engines))
    assert [_binary_in(empty_cache)] == list(empty_cache.rglob("dynoxide"))


def test_a_taken_port_is_left_to_who_has_it(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine goes to another port rather than talk to, or be taken for, a stranger."""
    free_port = server_module.free_port
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        ports: Iterator[int] = iter([taken, taken])
        monkeypatch.setattr(server_module, "free_port", lambda: next(ports, None) or free_port())
        with _quietly(server) as engine:
            assert taken != urlsplit(engine.url).port
            assert ["None", "ConditionalCheckFailed"] == _transaction(engine)


def test_the_keeper_ends_however_often_it_is_told() -> None:
    """A closed pipe and signals at the same instant once met in a lock."""
    command = [sys.executable, "-I", "-S", str(PROJECT / "local" / "engines" / "keeper.py"), "3", "sleep", "60"]
    for _ in range(25):
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True
        ) as keeper:
            time.sleep(0.03)
            assert keeper.stdin is not None
            keeper.stdin.close()
            for _ in range(8):
                keeper.terminate()
            assert keeper.wait(timeout=2) < 0
        assert not _is_alive(keeper.pid)


def test_workers_that_ignore_the_end_are_ended(tmp_path: Path) -> None:
    """An engine's child that shrugs off SIGTERM goes with the group."""
    program = tmp_path / "engine.py"
    _script(
        program,
        "import http.server, signal, subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(15, signal.SIG_IGN);"
        ' print("deaf", flush=True); time.sleep(600)\'])\n'
        "server = http.server.HTTPServer(('127.0.0.1', int(sys.argv[1])), http.server.SimpleHTTPRequestHandler)\n"
        "print('ready', flush=True)\n"
        "server.serve_forever()\n",
    )
    launch = Launch(
        "stub",
        command=lambda port: [sys.executable, str(program), str(port)],
        variables=lambda _: {},
        ready_line=lambda _: "deaf",
        ready_path="/",
    )
    with serving(launch, tmp_path) as engine:
        assert engine.process_group is not None
        assert _is_alive(engine.process_group)
    assert _is_gone(engine)


# --- what is missing or broken ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("empty_cache", "no_npm")
def test_without_npm_dynoxide_says_what_to_install() -> None:
    """The reason names npm and Node.js."""
    with pytest.raises(EngineUnavailable, match=r"npm is not on the PATH; install Node\.js"), _quietly("dynoxide"):
        pass


@pytest.mark.usefixtures("no_npm")
def test_auto_falls_back_to_ministack_and_says_why(fetched_ministack: Path, empty_cache: Path) -> None:
    """Python and pip alone are enough."""
    empty_cache.mkdir()
    (empty_cache / fetched_ministack.name).symlink_to(fetched_ministack)
    said: list[str] = []
    with open_engine("auto", say=said.append) as engine:
        assert "ministack" == engine.name
        assert ["None", "ConditionalCheckFailed"] == _transaction(engine)
    assert _is_gone(engine)
    assert any("npm is not on the PATH" in line for line in said)
    assert "picked ministack, because dynoxide cannot be had" in said


@pytest.mark.usefixtures("empty_cache", "no_npm")
def test_auto_without_anything_names_every_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """One error lists what stood in the way of each engine and what would help."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(EngineUnavailable) as refusal, _quietly("auto"):
        pass
    for words in ("install Node.js", "npm is not on the PATH", "pip", f"ministack=={ministack.VERSION}"):
        assert words in str(refusal.value)


def test_npm_that_cannot_fetch_is_quoted(empty_cache: Path, no_npm: Path) -> None:
    """Offline, the last lines of npm's own words are in the message and no half an installation stays."""
    _script(no_npm / "npm", "#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 7\n")
    with pytest.raises(EngineUnavailable, match=r"(?s)exit code 7.*ENOTFOUND"), _quietly("dynoxide"):
        pass
    assert [] == [path for path in empty_cache.iterdir() if path.is_dir()]


def test_npm_refuses_a_package_with_other_content(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checksum of the binary's package is ours, not the registry's."""
    target = dynoxide._target()
    if not shutil.which("npm") or not dynoxide._PACKAGES[target]:
        pytest.skip("needs npm and a platform with a known checksum")
    monkeypatch.setitem(dynoxide._PACKAGES, target, f"sha512-{'A' * 86}==")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    with pytest.raises(EngineUnavailable, match="npm could not fetch it"), _quietly("dynoxide"):
        pass
    assert not _binary_in(empty_cache).exists()


def test_a_broken_binary_shows_the_tail_of_its_log(empty_cache: Path) -> None:
    """What the binary said before it ended is in the message."""
    _script(_binary_in(empty_cache), "#!/bin/sh\necho 'version GLIBC_2.99 not found' >&2\nexit 3\n")
    with pytest.raises(EngineFailed, match=r"(?s)did not start.*GLIBC_2\.99 not found.*exit code 3"):  # noqa: SIM117
        with _quietly("dynoxide"):
            pass


def test_a_binary_that_is_none_is_named(empty_cache: Path) -> None:
    """Neither a missing permission nor a missing interpreter is a traceback of ours."""
    binary = _binary_in(empty_cache)
    _script(binary, "#!/nonexistent/interpreter\n")
    with pytest.raises(EngineFailed, match="cannot run"), _quietly("dynoxide"):
        pass
    binary.chmod(0o644)
    with pytest.raises(EngineFailed, match="cannot be executed"), _quietly("dynoxide"):
        pass


def test_auto_passes_over_a_binary_that_does_not_start(fetched_ministack: Path, empty_cache: Path) -> None:
    """A fallback that waited only for a missing npm would leave such a machine without an engine."""
    _script(_binary_in(empty_cache), "#!/bin/sh\nexit 3\n")
    (empty_cache / fetched_ministack.name).symlink_to(fetched_ministack)
    with _quietly("auto") as engine:
        assert "ministack" == engine.name


@pytest.mark.usefixtures("empty_cache")
def test_a_dynoxide_on_the_path_is_taken_when_it_is_the_right_version(fetched_dynoxide: Path, no_npm: Path) -> None:
    """Another version is no dynoxide that has been tried."""
    shutil.copy(fetched_dynoxide, no_npm / "dynoxide")
    with _quietly("dynoxide") as engine:
        assert ["None", "ConditionalCheckFailed"] == _transaction(engine)
    _script(no_npm / "dynoxide", "#!/bin/sh\necho 'dynoxide 9.9.9'\n")
    with pytest.raises(EngineUnavailable, match="npm is not on the PATH"), _quietly("dynoxide"):
        pass


@pytest.mark.usefixtures("empty_cache", "no_npm")
def test_without_java_dynamodb_local_says_what_to_install() -> None:
    """The reason names the JDK, before anything is fetched."""
    with pytest.raises(EngineUnavailable, match="java is not on the PATH; install a JDK"), _quietly("dynamodb-local"):
        pass


@pytest.mark.usefixtures("empty_cache")
def test_dynamodb_local_needs_a_compiler_and_then_npm(no_npm: Path) -> None:
    """A JRE alone is not enough; and without npm there is nothing to run."""
    _script(no_npm / "java", "#!/bin/sh\n")
    with pytest.raises(EngineUnavailable, match="javac is not on the PATH; install a JDK"), _quietly("dynamodb-local"):
        pass
    _script(no_npm / "javac", "#!/bin/sh\n")
    with pytest.raises(EngineUnavailable, match="npm is not on the PATH"), _quietly("dynamodb-local"):
        pass


def test_a_java_that_is_too_old_is_quoted(empty_cache: Path, no_npm: Path) -> None:
    """The compiler's own words are in the message and no half an installation stays."""
    _script(no_npm / "java", "#!/bin/sh\n")
    _script(no_npm / "npm", "#!/bin/sh\n")
    _script(no_npm / "javac", "#!/bin/sh\necho 'wrong version 61.0, should be 55.0' >&2\nexit 1\n")
    with pytest.raises(EngineUnavailable, match=r"(?s)Java 17 or newer.*wrong version 61"), _quietly("dynamodb-local"):
        pass
    assert [] == [path for path in empty_cache.iterdir() if path.is_dir()]


def test_dynamodb_local_keeps_its_data_in_a_folder(tmp_path: Path) -> None:
    """A file in its place is refused by name, not taken for a database."""
    if "dynamodb-local" not in SERVERS:
        pytest.skip("JIFEN_TEST_ENGINES does not name dynamodb-local")
    _cache_with("dynamodb-local")
    (tmp_path / "points.db").touch()
    with pytest.raises(EngineUnavailable, match="is a file; name another"):  # noqa: SIM117
        with _quietly("dynamodb-local", tmp_path / "points.db"):
            pass
    with _quietly("dynamodb-local", tmp_path / "points") as engine:
        create_table(engine, TABLE, "points")
    assert (tmp_path / "points" / dynamodb_local.FILE).is_file()


def test_an_endpoint_that_does_not_answer_is_named() -> None:
    """The message has the URL."""
    with pytest.raises(EngineUnavailable, match=r"http://127\.0\.0\.1:1: nothing answers"):  # noqa: SIM117
        with _quietly("http://127.0.0.1:1"):
            pass


def test_an_unknown_engine_lists_the_known_ones() -> None:
    """A typing error costs one look."""
    with pytest.raises(ValueError, match="'sqlite': choose auto, dynoxide, ministack, moto, dynamodb-local or a URL"):
        open_engine("sqlite")


def test_a_cache_that_cannot_be_written_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way out is in the message."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("JIFEN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(EngineUnavailable, match="set JIFEN_CACHE"), _quietly("auto"):
        pass
