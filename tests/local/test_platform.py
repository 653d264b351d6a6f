"""The whole platform in the embedded mode: every service, real, as `nsml up` starts it."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from nsml_core import settings
from nsml_core.auth import verify
from nsml_core.errors import Unavailable
from nsml_core.settings import SERVICES
from nsml_local import embedded, health
from nsml_local.embedded import Part
from tests.local.homes import eventually, kill_everything, of_home, quiet


def parts(folder: Path) -> dict[str, Part]:
    return {part.name: part for part in embedded.status(folder)}


def test_everything_is_up_and_then_nothing_is(folder: Path) -> None:
    said: list[str] = []
    endpoints = embedded.up(folder, progress=said.append)
    assert set(endpoints.services) == set(SERVICES)
    assert all(health.serves(address) for address in endpoints.services.values())
    assert {part.state for part in parts(folder).values()} == {"running"}
    assert set(parts(folder)) == {"nats", "postgres", *SERVICES, "web", "supervisor"}
    assert {f"{name} is ready" for name in SERVICES} <= set(said)
    assert embedded.up(folder, progress=quiet).was_up
    embedded.down(folder, progress=quiet)
    assert of_home(folder) == []


def test_the_local_user_has_a_token(folder: Path) -> None:
    embedded.up(folder, progress=quiet)
    where = settings.read({"NSML_HOME": str(folder)})
    caller = verify(where.secret_file.read_bytes(), where.token_file.read_text().strip())
    assert caller.kind == "user"
    for file in (where.secret_file, where.token_file):
        assert file.stat().st_mode & 0o777 == 0o600


def test_everything_comes_back_after_the_death_of_everything(folder: Path) -> None:
    embedded.up(folder, progress=quiet)
    kill_everything(folder)
    eventually(lambda: {part.state for part in parts(folder).values()} == {"stopped"})
    assert not embedded.up(folder, progress=quiet).was_up
    assert {part.state for part in parts(folder).values()} == {"running"}


def test_a_service_that_dies_comes_back(folder: Path) -> None:
    endpoints = embedded.up(folder, progress=quiet)
    before = parts(folder)["ledger"].pid
    assert before
    psutil.Process(before).kill()
    while not health.serves(endpoints.services["ledger"]):
        time.sleep(0.05)
    assert parts(folder)["ledger"].pid != before


def test_sessions_are_ended_while_the_services_still_answer(folder: Path) -> None:
    endpoints = embedded.up(folder, progress=quiet)
    answered: list[bool] = []

    def end_sessions() -> None:
        answered.append(health.serves(endpoints.services["session"]))

    embedded.down(folder, before=end_sessions, progress=quiet)
    assert answered == [True]
    embedded.down(folder, before=end_sessions, progress=quiet)
    assert answered == [True]


def test_down_goes_on_when_sessions_cannot_be_ended(folder: Path) -> None:
    embedded.up(folder, progress=quiet)
    said: list[str] = []

    def end_sessions() -> None:
        raise Unavailable("The session service does not answer.")

    assert embedded.down(folder, before=end_sessions, progress=said.append)
    assert "The session service does not answer." in said
    assert of_home(folder) == []


def test_a_service_that_cannot_start_is_named(folder: Path) -> None:
    (folder / "secret").mkdir(parents=True)
    with pytest.raises(Unavailable, match=r"(?s)^(identity|dataset|ledger|session|scheduler) "):
        embedded.up(folder, progress=quiet)
    assert of_home(folder) == []


def test_a_hanging_service_does_not_hang_down(folder: Path) -> None:
    embedded.up(folder, progress=quiet)
    pid = parts(folder)["dataset"].pid
    assert pid
    os.kill(pid, signal.SIGSTOP)
    embedded.down(folder, progress=quiet)
    assert of_home(folder) == []
