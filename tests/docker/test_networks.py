"""Each session has a network of its own: others do not reach it there, and its members meet."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from nsml_core.errors import Refused
from nsml_runner import marks
from nsml_runner.containers import Engine
from nsml_runner.networks import Networks
from nsml_runner.sweep import sweep
from tests.docker import daemon
from tests.folders import remove
from tests.journeys.conftest import started
from tests.journeys.person import Person

pytestmark = pytest.mark.xdist_group("walled")
POOL = IPv4Network("10.251.0.0/24")
HOLDS = """
import sys
from pathlib import Path
from nsml_runner.containers import Engine
from nsml_runner.networks import Networks, IPv4Network
home, session = sys.argv[1:]
labels = {"nsml.home": home, "nsml.session": session, "nsml.attempt": "1"}
with Networks(Engine(), Path(home) / "cache").held(labels, IPv4Network("10.251.0.0/24")) as made:
    print(made.name, flush=True)
    sys.stdin.read()
"""
LISTENS = """
import socket, time
with socket.create_server(("", 7000)) as server:
    print("listens at", socket.gethostbyname(socket.gethostname()), flush=True)
    while True:
        server.accept()[0].close()
"""
TRIES = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 7000), timeout=1).close()
    print("reached")
except OSError:
    print("kept out")
print(len(socket.if_nameindex()))
"""
MEETS = """
import os, socket
place = (os.environ["MASTER_ADDR"], 7000)
if os.environ["RANK"] == "0":
    with socket.create_server(("", 7000)) as server:
        print("hears", server.accept()[0].recv(64).decode())
else:
    while True:
        try:
            with socket.create_connection(place, timeout=5) as other:
                other.sendall(b"a greeting")
        except OSError:
            continue
        break
"""


@pytest.fixture
def engine(walled: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("DOCKER_HOST", walled)
    engine = Engine()
    yield engine
    engine.close()


@pytest.fixture
def ann(walled: str) -> Iterator[Person]:
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    yield from started(
        folder,
        DOCKER_HOST=walled,
        NSML_SANDBOX="docker",
        NSML_IMAGE=daemon.IMAGE,
        NSML_NODES="2",
    )
    remove(folder)


def labels(home: Path, session: str, node: str = "a") -> dict[str, str]:
    return marks.labels(home, session, 1, node)


def names(engine: Engine, home: Path) -> set[str]:
    return {one.name for one in engine.networks() if one.labels.get(marks.HOME) == str(home)}


def test_sessions_are_kept_apart_and_members_of_one_meet(ann: Person, engine: Engine) -> None:
    listening = ann.starts(LISTENS, name="listens")
    ann.hears(listening, "listens at")
    address = ann.says("logs", listening).split()[-1]
    tried = ann.runs(TRIES, "-a", address)
    alone = ann.runs(TRIES, "--no-network", "-a", address)
    met = ann.runs(MEETS, "-n", "2")
    during = names(engine, ann.home)
    ann.says("stop", listening)
    ann.wait(listening, "Stopped")
    ann.says("down")

    assert IPv4Network("10.251.0.0/16").supernet_of(IPv4Network(address))
    assert "kept out\n2\n" in tried.stdout
    assert "kept out\n1\n" in alone.stdout
    assert "hears a greeting" in met.stdout
    assert (len(during), names(engine, ann.home)) == (1, set())


def test_members_share_one_and_the_last_to_leave_takes_it_away(
    engine: Engine, tmp_path: Path
) -> None:
    networks = Networks(engine, tmp_path)
    with networks.held(labels(tmp_path, "ada/None/1"), POOL) as first:
        with networks.held(labels(tmp_path, "ada/None/1", "b"), POOL) as second:
            pass
        during = names(engine, tmp_path)

    assert first == second
    assert len({first.address(0), first.address(1)}) == 2
    assert (during, names(engine, tmp_path)) == ({first.name}, set())


def test_a_range_that_is_used_up_is_said(engine: Engine, tmp_path: Path) -> None:
    networks, small = Networks(engine, tmp_path), IPv4Network("10.252.0.0/26")
    another = networks.held(labels(tmp_path, "ada/None/2"), small)
    with networks.held(labels(tmp_path, "ada/None/1"), small):
        with pytest.raises(Refused, match=r"All networks of 10\.252\.0\.0/26 are taken"):
            another.__enter__()
        during = len(names(engine, tmp_path))

    assert (during, names(engine, tmp_path)) == (1, set())


def test_what_the_dead_held_is_taken_away_by_whoever_comes_next(
    engine: Engine, tmp_path: Path
) -> None:
    argv = (sys.executable, "-c", HOLDS, str(tmp_path), "ada/None/1")
    holder = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    name = holder.stdout.readline().strip()
    networks = Networks(engine, tmp_path / "cache")
    networks.tidy(str(tmp_path))
    during = names(engine, tmp_path)
    holder.kill()
    holder.communicate()
    folder = tmp_path / "attempt"
    folder.mkdir()
    marks.mark(folder, labels(tmp_path, "ada/None/1"))
    sweep(folder)

    assert (during, names(engine, tmp_path)) == ({name}, set())
