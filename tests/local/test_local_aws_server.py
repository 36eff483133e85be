"""MiniStack is started, found and ended by its folder alone, and nobody else is ever ended."""

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.aws import sam, server
from local.aws.errors import EngineDied, Occupied, PortTaken, PythonMissing, StateUnreadable
from local.aws.place import Place, State, new_secrets
from local.engines import EngineFailed
from local.engines.ministack import full_variables
from local.engines.server import HOST, free_port
from local.engines.surroundings import Surroundings, surroundings

FAKE = '''
"""Serves like MiniStack, starts a worker as it does, and writes down that it was ended in order."""
import http.server, os, pathlib, signal, subprocess, sys

port, state, tmp = int(os.environ["GATEWAY_PORT"]), os.environ["STATE_DIR"], os.environ["TMPDIR"]
if "unwell" in os.environ.get("LANG", ""):
    sys.exit("it does not feel well")
worker = pathlib.Path(tmp, "ministack-lambda-earn-1", "_worker.py")
worker.parent.mkdir()
worker.write_text("import signal, time\\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\\ntime.sleep(600)\\n")
subprocess.Popen([sys.executable, str(worker)])

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

def end(*_):
    pathlib.Path(state, "saved").write_text("yes")
    sys.exit()

signal.signal(signal.SIGTERM, end)
httpd = http.server.ThreadingHTTPServer((os.environ["BIND_HOST"], port), Handler)
print(f"Running on http://{os.environ['BIND_HOST']}:{port}", flush=True)
httpd.serve_forever()
'''


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Surroundings:
    """Put a package in MiniStack's place that starts at once."""
    package = tmp_path / "fake" / "ministack"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(FAKE)

    def variables(*given: object) -> dict[str, str]:
        return {**full_variables(*given), "PYTHONPATH": str(package.parent)}  # type: ignore[arg-type]

    monkeypatch.setattr(server, "full_variables", variables)
    return surroundings()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Give a folder with a name that regular expressions and shells would trip over."""
    found = Place(tmp_path / "a (local) AWS+")
    found.folder.mkdir()
    yield found
    server.stop(found)


def _start(place: Place, around: Surroundings) -> int:
    port = free_port()
    server.start(place, Path(sys.executable), port, around)
    return port


def _within(seconds: float, is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so()


def _keeper(place: Place) -> int:
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,command="], capture_output=True, text=True, check=True)
    (row,) = [row for row in listed.stdout.splitlines() if "keeper.py" in row and str(place.folder) in row]
    return int(row.split()[0])


def test_it_runs_until_it_is_ended_and_leaves_nothing(place: Place, fake: Surroundings) -> None:
    port = _start(place, fake)
    assert server.is_kept(place)
    assert server.is_ready(port)
    assert ["engine", "worker"] == sorted(server.leftovers(place).values())
    server.check_alive(place, port)
    assert {0o700} == {stat.S_IMODE(folder.stat().st_mode) for folder in (place.saved, place.tmp, place.logs)}
    assert server.stop(place)
    assert (place.saved / "saved").exists()
    assert {} == server.leftovers(place)
    assert not server.is_ready(port)
    assert not place.tmp.exists()
    assert not server.stop(place)


def test_it_listens_on_this_machine_alone(place: Place, fake: Surroundings) -> None:
    settings = full_variables(fake.variables, 4566, place.saved, place.tmp)
    assert HOST == settings["BIND_HOST"] == "127.0.0.1"
    assert {"0"} == {settings[name] for name in ("IOT_MTLS_ENABLED", "SFTP_ENABLED")}
    assert "true" == settings["AUTH"]


def test_it_outlives_the_command_that_started_it(place: Place, fake: Surroundings) -> None:
    """A `jifen up` that has ended, in whatever way, is no reason to end."""
    _start(place, fake)
    assert os.getpgid(_keeper(place)) == _keeper(place) != os.getpgrp()


def test_what_a_killed_keeper_left_behind_is_found_and_ended_in_order(place: Place, fake: Surroundings) -> None:
    port = _start(place, fake)
    os.kill(_keeper(place), signal.SIGKILL)
    assert _within(5, lambda: not server.is_kept(place))
    assert server.is_ready(port)
    with pytest.raises(EngineDied):
        server.check_alive(place, port)
    assert server.stop(place)
    assert (place.saved / "saved").exists()
    assert {} == server.leftovers(place)


def test_an_engine_that_dies_takes_its_workers_with_it_and_is_missed(place: Place, fake: Surroundings) -> None:
    port = _start(place, fake)
    (engine,) = (number for number, kind in server.leftovers(place).items() if kind == "engine")
    os.kill(engine, signal.SIGKILL)
    assert _within(5, lambda: not server.leftovers(place) and not server.is_kept(place))
    with pytest.raises(EngineDied, match="start it again with `jifen up`") as died:
        server.check_alive(place, port)
    assert str(server.log_file(place)) in str(died.value)
    assert "Running on" in str(died.value)


def test_an_engine_that_does_not_start_says_why(place: Place, fake: Surroundings) -> None:
    unwell = Surroundings(fake.cache, {**fake.variables, "LANG": "unwell"})
    with pytest.raises(EngineFailed, match="it does not feel well"):
        _start(place, unwell)
    assert not server.is_kept(place)


def test_a_taken_port_is_refused_and_named(place: Place, fake: Surroundings) -> None:
    with socket.create_server((HOST, 0)) as stranger:
        port = stranger.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port} is taken .* jifen up --port NUMBER"):
            server.start(place, Path(sys.executable), port, fake)
    assert not server.is_kept(place)


@pytest.mark.parametrize("kind", ["missing", "fifo", "file"])
def test_a_stale_control_reaches_nobody(place: Place, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(place.control)
    if kind == "file":
        place.control.write_text("not a pipe")
    assert not server.is_kept(place)
    assert not server.stop(place)


def test_strangers_are_not_taken_for_ours(place: Place) -> None:
    """Command lines that hold the folder's name without being MiniStack's."""
    folder, sleep = str(place.folder), "import time; time.sleep(60)"
    worker = place.tmp / "ministack-lambda-earn-1" / "_worker.py"
    worker.parent.mkdir(parents=True)
    worker.write_text(sleep)
    commands = [
        [sys.executable, "-c", sleep, "-X", f"jifen-local-aws={folder}", "-m", "ministack", "and more"],
        [sys.executable, "-c", sleep, str(worker) + ".swp"],
        [sys.executable, "-X", f"jifen-local-aws={folder}-two", "-c", sleep],
        [sys.executable, "-c", sleep, "python3", "-X", f"jifen-local-aws={folder}", "-m", "ministack"],
        [sys.executable, "-c", sleep, str(worker)],
    ]
    strangers = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    try:
        assert _within(5, lambda: all(_is_listed(process.pid, folder) for process in strangers))
        assert not server.stop(place)
        assert [None] * len(strangers) == [process.poll() for process in strangers]
    finally:
        for process in strangers:
            process.kill()
            process.wait()


def _is_listed(number: int, folder: str) -> bool:
    shown = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(number)], capture_output=True, text=True, check=False
    )
    return folder in shown.stdout


# The folder ----------------------------------------------------------------------------------------------------------


def test_the_state_is_for_its_owner_and_survives(place: Place) -> None:
    assert place.read() is None
    state = State(port=4600, program='{"currency":"CNY"}', time_zone="Asia/Tokyo", is_up=True)
    place.write(State())
    place.write(state)
    assert state == place.read()
    assert 0o600 == stat.S_IMODE(place.state_file.stat().st_mode)


def test_no_two_folders_have_the_same_secrets() -> None:
    one, other = new_secrets(), new_secrets()
    assert {"standard", "shopify", "woocommerce", "signing"} == set(one)
    assert 8 == len({*one.values(), *other.values()})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"unheard": 1}'])
def test_a_damaged_state_is_named_and_not_guessed(place: Place, text: str) -> None:
    """New secrets in place of lost ones would make every sender's signatures wrong without a word."""
    place.state_file.write_text(text)
    with pytest.raises(StateUnreadable, match="jifen up --fresh"):
        place.read()


def test_starting_afresh_touches_only_what_is_ours(place: Place) -> None:
    theirs = place.folder / "thesis.txt"
    theirs.write_text("mine")
    place.write(State())
    for folder in (place.saved, place.tmp, place.logs):
        (folder / "deep").mkdir(parents=True)
    place.empty()
    assert [theirs] == list(place.folder.iterdir())


def test_one_command_at_a_time(place: Place) -> None:
    with (
        place.alone(),
        pytest.raises(Occupied, match="wait for it to end"),
        place.alone(wait_s=0),
    ):
        pass
    with place.alone(wait_s=0):
        pass


# Python --------------------------------------------------------------------------------------------------------------


def _interpreter(path: Path, answer: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{answer}\n")
    path.chmod(0o755)
    return path


def _real(path: Path, *, has_pip: bool = True) -> Path:
    return _interpreter(path, f"echo True {path} {has_pip}")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Surroundings]:
    """Give surroundings in which no Python is to be found but those that a test puts there."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))

    def around(*folders: Path) -> Surroundings:
        path = os.pathsep.join(map(str, folders))
        return Surroundings(tmp_path, {"PATH": path, "HOME": str(tmp_path / "home")})

    return around


def test_the_first_on_the_path_is_taken(tmp_path: Path, elsewhere: Callable[..., Surroundings]) -> None:
    real = _real(tmp_path / "bin" / "python3.13")
    _real(tmp_path / "home" / ".pyenv" / "versions" / "3.13.1" / "bin" / "python3.13")
    assert real == sam.find_python(elsewhere(tmp_path / "empty", real.parent))


def test_a_shim_counts_for_what_it_leads_to(tmp_path: Path, elsewhere: Callable[..., Surroundings]) -> None:
    versions = tmp_path / "home" / ".pyenv" / "versions"
    _real(versions / "3.13.9" / "bin" / "python3.13")
    newest = _real(versions / "3.13.10" / "bin" / "python3.13")
    shim = _interpreter(tmp_path / "shims" / "python3.13", "echo 'pyenv: python3.13: command not found' >&2; exit 127")
    assert newest == sam.find_python(elsewhere(shim.parent))
    _interpreter(shim, f"exec {versions}/3.13.9/bin/python3.13")
    assert versions / "3.13.9" / "bin" / "python3.13" == sam.find_python(elsewhere(shim.parent))


def test_without_any_it_says_what_to_install(elsewhere: Callable[..., Surroundings]) -> None:
    with pytest.raises(PythonMissing, match=r"no usable python3\.13 on PATH .*`pyenv install 3\.13`"):
        sam.find_python(elsewhere())


def test_what_is_missing_can_be_said_before_anything_is_fetched(
    tmp_path: Path, elsewhere: Callable[..., Surroundings], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = _real(tmp_path / "bin" / "python3.13")
    monkeypatch.setattr(sam, "surroundings", lambda: elsewhere(tmp_path / "empty"))
    assert "no usable python3.13 on PATH" in (sam.missing_python() or "")
    monkeypatch.setattr(sam, "surroundings", lambda: elsewhere(real.parent))
    assert sam.missing_python() is None


def test_one_without_pip_is_passed_over_and_named(tmp_path: Path, elsewhere: Callable[..., Surroundings]) -> None:
    bare = _real(tmp_path / "bin" / "python3.13", has_pip=False)
    with pytest.raises(PythonMissing, match=f"{bare} has no pip"):
        sam.find_python(elsewhere(bare.parent))


def test_another_version_of_that_name_is_no_answer(tmp_path: Path, elsewhere: Callable[..., Surroundings]) -> None:
    liar = _interpreter(tmp_path / "bin" / "python3.13", "echo False /usr/bin/python3.12 True")
    with pytest.raises(PythonMissing):
        sam.find_python(elsewhere(liar.parent))
