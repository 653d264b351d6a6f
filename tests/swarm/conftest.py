"""One cluster for all tests of a run; skipped, with the reason, where it cannot be made."""

from collections.abc import Iterator

import pytest

from tests.docker.daemon import Unavailable as NoImage
from tests.swarm import cluster as clusters
from tests.swarm.cluster import Cluster
from tests.swarm.holders import Holders
from tests.swarm.machines import Unavailable


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
    """The cluster; whatever a test does to it, no device has two holders meanwhile."""
    with Holders(swarm.machines) as holders:
        yield swarm
        swarm.clear()
    assert holders.conflicts == []
    assert holders.looks > 0
