"""A real Docker Engine, and runners that use it; skipped, with the reason, where there is none."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nsml_runner.containers import Engine
from tests.docker import daemon
from tests.runner.conftest import platform

__all__ = ["platform"]


@pytest.fixture(scope="session")
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """The engine of this test run."""
    yield from _shared(request, "nsml-docker", own_network=False)


def _shared(request: pytest.FixtureRequest, name: str, *, own_network: bool) -> Iterator[str]:
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())
    folder = Path(tempfile.gettempdir()) / f"{name}-{run[:12]}"
    cache = request.config.cache
    assert cache is not None
    try:
        with daemon.shared(folder, cache.mkdir("docker"), own_network=own_network) as found:
            yield found
    except daemon.Unavailable as reason:
        pytest.skip(f"Docker is not tested: {reason}")


@pytest.fixture(scope="module")
def walled(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give an engine whose networks are real, and are not this machine's."""
    yield from _shared(request, "nsml-walled", own_network=True)


@pytest.fixture
def engine(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("DOCKER_HOST", address)
    engine = Engine()
    yield engine
    engine.close()


@pytest.fixture
def node(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let runners use containers; tests may set more of what an administrator sets."""
    before = os.umask(0o077)  # as `nsml up` starts them: what they make is nobody else's
    monkeypatch.setenv("DOCKER_HOST", address)
    monkeypatch.setenv("NSML_SANDBOX", "docker")
    monkeypatch.setenv("NSML_IMAGE", daemon.IMAGE)
    monkeypatch.setenv("NSML_SANDBOX_NETWORK", "none")
    yield monkeypatch
    os.umask(before)
