"""A job file that asks for more devices than one node has."""

from pathlib import Path

import pytest

from tests.cli.conftest import Peer
from tests.cli.test_jobs import Ask, Run, asked, cluster, here, write

__all__ = ("asked", "here")


@pytest.mark.usefixtures("here", "store")
@pytest.mark.parametrize(("devices", "nodes", "gpus"), [(8, 0, 8), (16, 2, 8), (12, 3, 4)])
def test_what_no_node_has_is_asked_for_on_the_fewest_that_have_it(
    asked: Ask, devices: int, nodes: int, gpus: int
) -> None:
    request, _ = asked("-f", "pf-template.yml", "-d", "cifar", "-g", str(devices))

    assert (request.resources.nodes, request.resources.gpus) == (nodes, gpus)


def test_what_fits_on_no_nodes_together_is_refused(here: Path, peer: Peer, nsml: Run) -> None:
    peer.answer("Scheduler/Cluster", cluster(3))
    result = nsml("run", "-f", write(here, num_devices=4))

    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "needs 4 GPUs, and the largest node here has 3" in result.err
