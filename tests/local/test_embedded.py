"""The embedded mode's life: up, up again, down; one home beside another."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from nsml_local import embedded, home
from tests.local.homes import down, of_home, pids, up


def test_up_is_asked_twice_and_down_twice(folder: Path) -> None:
    first = up(folder)
    running = pids(folder)
    again = up(folder)
    assert (first.was_up, again.was_up) == (False, True)
    assert again.nats_url == first.nats_url
    assert pids(folder) == running
    assert down(folder) is True
    assert of_home(folder) == []
    assert not (folder / "run").exists()
    assert down(folder) is False


def test_down_of_a_home_that_never_was(folder: Path) -> None:
    assert down(folder) is False
    assert not folder.exists()
    assert embedded.status(folder) == []


def test_the_home_is_private(folder: Path) -> None:
    folder.mkdir(mode=0o777)
    up(folder)
    for name in (".", "run", "nats", "postgres", "blobs", "logs"):
        assert (folder / name).stat().st_mode & 0o077 == 0, name
    for name in ("embedded.json", "run/nats.json"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name


def test_two_homes_side_by_side(folder: Path, short_path: Path) -> None:
    other = short_path / "other"
    one, two = up(folder), up(other)
    assert one.nats_url != two.nats_url
    down(other)
    assert of_home(other) == []
    assert {part.state for part in embedded.status(folder)} == {"running"}
    assert up(folder).was_up


def test_two_ups_at_once_are_one_start(folder: Path) -> None:
    with ThreadPoolExecutor() as pool:
        results = list(pool.map(up, [folder] * 3))
    assert sorted(result.was_up for result in results) == [False, True, True]


def test_status_tells_each_part(folder: Path) -> None:
    up(folder)
    parts = {part.name: part for part in embedded.status(folder)}
    assert set(parts) == {"nats", "postgres", "supervisor"}
    for part in parts.values():
        assert part.state == "running"
        assert part.pid
        assert part.memory_bytes
        assert part.uptime_seconds is not None
    down(folder)
    assert {part.state for part in embedded.status(folder)} == {"stopped"}


def test_a_port_that_was_taken_meanwhile(folder: Path) -> None:
    at = home.make(folder)
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", at.kept.nats_port))
        taker.listen()
        endpoints = up(folder)
    assert str(at.kept.nats_port) not in endpoints.nats_url


def test_services_see_only_what_they_need(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PASSWORD", "secret")
    monkeypatch.setenv("PIP_NO_COLOR", "1")
    monkeypatch.setenv("https_proxy", "http://proxy:1")
    monkeypatch.setenv("no_proxy", "inside")
    monkeypatch.setenv("NSML_SOCKET", "of the session in which somebody typed this")
    endpoints = up(folder)
    seen = psutil.Process(pids(folder)["nats"]).environ()
    assert "MY_PASSWORD" not in seen
    assert "NSML_SOCKET" not in seen
    assert seen["PIP_NO_COLOR"] == "1"
    assert seen["https_proxy"] == "http://proxy:1"
    assert seen["no_proxy"] == "inside,127.0.0.1,localhost"
    assert seen["NSML_HOME"] == str(folder)
    assert seen["NSML_NATS_URL"] == endpoints.nats_url
    assert seen["NSML_POSTGRES_URL"] == endpoints.postgres_url


def test_a_server_named_by_url_is_not_ours_to_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    monkeypatch.setenv("NSML_POSTGRES_URL", postgres_url)
    assert up(folder).postgres_url == postgres_url
    assert set(pids(folder)) == {"nats", "supervisor"}
