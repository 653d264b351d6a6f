"""The embedded mode after every kind of death: what heals, and what is left (nothing)."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from nsml_local import embedded, processes
from tests.local.homes import (
    RUN,
    SLEEP,
    detached,
    down,
    eventually,
    installation,
    kill,
    kill_everything,
    of_home,
    pids,
    read,
    up,
    write,
)


async def test_data_survive_the_death_of_everything(folder: Path) -> None:
    endpoints = up(folder)
    await write(endpoints)
    kill_everything(folder)
    endpoints = up(folder)
    assert not endpoints.was_up
    assert await read(endpoints) == (b"kept", 42)


async def test_up_mends_the_death_of_the_supervisor(folder: Path) -> None:
    await write(up(folder))
    before = pids(folder)
    kill(before["supervisor"])
    states = {part.state for part in embedded.status(folder)}
    assert "running" not in states
    endpoints = up(folder)
    assert not endpoints.was_up
    assert await read(endpoints) == (b"kept", 42)
    assert not set(before.values()) & {process.pid for process in of_home(folder)}


def test_down_finds_what_a_dead_supervisor_left(folder: Path) -> None:
    up(folder)
    kill(pids(folder)["supervisor"])
    assert down(folder) is True
    assert of_home(folder) == []


def test_a_database_ends_its_own_helpers(folder: Path) -> None:
    up(folder)
    of_postgres = [each for each in of_home(folder) if each.name() == "postgres"]
    of_postgres += [child for each in of_postgres for child in each.children()]
    told = {each.pid for each in of_postgres if not processes.ends_with_its_server(each)}

    assert told == {pids(folder)["postgres"]}
    assert len(of_postgres) > 2


def test_down_of_a_home_that_was_deleted(folder: Path) -> None:
    up(folder)
    folder.rename(folder.with_name("deleted"))
    assert down(folder) is True
    assert of_home(folder) == []


def test_a_hanging_supervisor_does_not_hang_down(folder: Path) -> None:
    up(folder)
    supervisor = pids(folder)["supervisor"]
    assert supervisor
    os.kill(supervisor, signal.SIGSTOP)
    assert down(folder) is True
    assert of_home(folder) == []


def test_a_part_that_dies_is_started_again(folder: Path) -> None:
    up(folder)
    before = pids(folder)
    kill(before["nats"])

    def is_back() -> bool:
        now = {part.name: part for part in embedded.status(folder)}["nats"]
        return now.state == "running" and now.pid != before["nats"]

    eventually(is_back)
    assert pids(folder)["postgres"] == before["postgres"]


def test_leftovers_of_the_dead_are_no_obstacle(folder: Path) -> None:
    """A lock file, sockets without a listener, and a pid that now belongs to somebody else."""
    up(folder)
    kill_everything(folder)
    pid_file = folder / "postgres/postmaster.pid"
    reused = pid_file.read_text().split("\n", 1)[1]
    pid_file.write_text(f"{os.getpid()}\n{reused}")
    (folder / "run/supervisord.pid").write_text(f"{os.getpid()}\n")
    assert (folder / "run/up.sock").exists()
    assert (folder / "lock").exists()
    assert not up(folder).was_up


def test_a_killed_up_leaves_no_lock(folder: Path) -> None:
    script = "import sys, pathlib; from nsml_local import embedded as e; e.up(pathlib.Path("
    command = [sys.executable, "-c", f"{script}sys.argv[1]), services=())", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as starting:
        assert starting.stdout
        starting.stdout.readline()  # it holds the lock: it has something to say
        starting.kill()
    up(folder)
    assert {part.state for part in embedded.status(folder)} == {"running"}


def test_what_a_deleted_installation_left_running_is_replaced(
    folder: Path, short_path: Path
) -> None:
    python = installation(short_path / "old")
    script = "import sys, pathlib; from nsml_local import embedded as e; e.up(pathlib.Path("
    command = [str(python), "-c", f"{script}sys.argv[1]), services=())", str(folder)]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    before = pids(folder)
    assert up(folder).was_up
    shutil.rmtree(short_path / "old")
    assert not up(folder).was_up
    assert not set(before.values()) & set(pids(folder).values())


def test_what_hides_from_its_parents_is_stopped_too(folder: Path) -> None:
    up(folder)
    environment = psutil.Process(pids(folder)["nats"]).environ()
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"
    with detached(stubborn, environment):
        assert down(folder) is True
        assert of_home(folder) == []


def test_sessions_outlive_their_services_but_not_down(folder: Path) -> None:
    up(folder)
    before = pids(folder)
    code = {"PATH": os.defpath, "NSML_OUTPUT": str(folder / "work/output")}
    runner = psutil.Process(before["nats"]).environ()
    with (
        detached(RUN, runner, "nsml_runner") as supervising,
        detached(SLEEP, code) as training,
    ):
        kill(before["supervisor"])
        up(folder)
        assert supervising.poll() is None
        assert training.poll() is None
        down(folder)
        supervising.wait()
        training.wait()


def test_down_spares_the_shell_that_exports_the_home(folder: Path) -> None:
    up(folder)
    shell = {"PATH": os.defpath, "NSML_HOME": str(folder)}
    with detached(SLEEP, shell) as mine:
        down(folder)
        assert mine.poll() is None
