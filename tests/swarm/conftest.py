"""One cluster for all tests of a run; skipped, with the reason, where it cannot be made."""

import gc
from collections.abc import Iterator

import pytest

from tests.docker.daemon import Unavailable as NoImage
from tests.swarm import cluster as clusters
from tests.swarm.cluster import Cluster
from tests.swarm.folders import Unavailable
from tests.swarm.holders import Holders


@pytest.fixture(scope="session")
def swarm(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Three machines, with the platform on them."""
    cache = request.config.cache
    assert cache is not None
    try:
        with clusters.running(cache.mkdir("docker")) as found:
            yield found
    except (Unavailable, NoImage) as reason:
        pytest.skip(f"The Swarm is not tested: {reason}")


@pytest.fixture
def cluster(swarm: Cluster) -> Iterator[Cluster]:
    """The cluster; whatever a test does, no device has two holders, and no session is lost."""
    with Holders(swarm.machines) as holders:
        yield swarm
        swarm.clear()
    gc.collect()  # Docker's client leaves sockets open: let the test that broke them hear of it
    assert [one["name"] for one in swarm.json("ps", "-a") if one["status"] == "Lost"] == []
    assert holders.conflicts == []
    assert holders.looks > 0
