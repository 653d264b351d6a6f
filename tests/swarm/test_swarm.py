"""A platform on three machines: they fail, are cut off and are emptied, and no session is lost."""

import os
from pathlib import Path

import pytest

from nsml_core.settings import SERVICES
from tests.swarm import image
from tests.swarm.cluster import Cluster
from tests.swarm.insisting import Insisting
from tests.swarm.machines import until
from tests.swarm.training import MEETING

pytestmark = [
    # Docker's client leaves the socket of a call open that failed, and engines are killed here.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.xdist_group("swarm"),
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        "NSML_TEST_SWARM" not in os.environ, reason="it takes minutes: `make swarm` tries it"
    ),
]


def test_a_session_runs_on_a_node_of_the_swarm(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "numbers.txt").write_text("1 2 3\n")
    cluster.nsml("dataset", "push", "numbers", tmp_path)
    until(lambda: len(cluster.nodes()) == 3, "the nodes do not join")
    session = cluster.run("-d", "numbers", "-g", "1").begun()
    ran_on = session.machine()
    session.finish()

    # It ran in a container of that machine's own engine, started by a job of the Swarm.
    assert session.show()["status"] == "Exited"
    assert ran_on.name in {"n2", "n3"}
    assert "from 0" in session.logs()
    assert session.logs()[-1].startswith("done")
    until(lambda: cluster.jobs() == [], "the jobs of ended sessions stay")


def test_the_web_is_reached_by_tls(cluster: Cluster) -> None:
    assert "NSML" in cluster.page(f"https://{cluster.manager.address}:7480/login")


def test_a_node_that_is_cut_off_keeps_its_device_and_its_session(cluster: Cluster) -> None:
    session = cluster.run("-g", "1").begun()
    machine = session.machine()
    other = cluster.run("-g", "1").begun()
    waiting = cluster.run("-g", "1")
    steps = session.step()
    machine.cut_off()
    until(lambda: cluster.nodes()[machine.name]["state"] == "lost", "the node is not missed")
    # Its code goes on, and nobody gets its device.
    until(lambda: waiting.show()["status"] == "Queued", "it does not wait")
    machine.reconnect()
    until(lambda: cluster.nodes()[machine.name]["state"] == "ready", "the node does not return")
    until(lambda: session.step() > steps, "what happened meanwhile is not told")
    session.finish()
    waiting.begun().finish()
    other.finish()

    assert session.attempts() == 1
    assert [one.show()["status"] for one in (session, other, waiting)] == ["Exited"] * 3
    # Nothing that it printed is missing.
    printed = [int(line.split()[1]) for line in session.logs() if line.startswith("step")]
    assert printed == list(range(1, len(printed) + 1))


def test_a_lost_node_is_removed_and_its_session_goes_on_elsewhere(cluster: Cluster) -> None:
    session = cluster.run("-g", "1", "--restarts", "1").begun()
    machine = session.machine()
    session.saved()
    machine.cut_off()
    until(lambda: cluster.nodes()[machine.name]["state"] == "lost", "the node is not missed")
    # Nobody can ask it whether it has ended: an administrator says that it never comes back.
    cluster.nsml("node", "rm", machine.name)
    until(lambda: session.attempts() == 2, "the session waits for a node that has left")
    session.begun()

    assert session.machine() != machine
    assert session.froms()[1] > 0
    # It does after all: what still runs there is ended before the node joins.
    assert machine.sessions() == [f"{session.name}#1"]
    machine.reconnect()
    until(lambda: machine.name in cluster.nodes(), "the node does not join again")
    assert machine.sessions() == []
    session.finish()
    assert session.show()["status"] == "Exited"


def test_half_of_the_services_is_killed_and_nobody_notices(cluster: Cluster) -> None:
    session = cluster.run("-g", "1").begun()
    others = []
    with Insisting(lambda: cluster.nsml("ps")) as insisting:
        for half in ("nsml-1", "nsml-2"):
            for service in SERVICES:
                cluster.kill(f"{half}_{service}")
            # Not one of the other half was told; its scheduler takes over.
            others.append(cluster.run("-g", "1").begun())
            others[-1].finish()
            until(cluster.is_whole, "what was killed does not return")
    session.finish()

    assert insisting.refusals == []
    assert [one.show()["status"] for one in (session, *others)] == ["Exited"] * 3
    assert session.attempts() == 1
    printed = [int(line.split()[1]) for line in session.logs() if line.startswith("step")]
    assert printed == list(range(1, len(printed) + 1))


def test_a_new_version_is_rolled_out_while_a_session_runs(cluster: Cluster) -> None:
    session = cluster.run("-g", "1").begun()
    origin = "https://127.0.0.1:7480"  # for another name, the web has another certificate
    with Insisting(lambda: cluster.nsml("ps")) as insisting:
        cluster.deploy(NSML_SWARM_IMAGE=image.NEXT, NSML_WEB_ORIGIN=origin)
        cluster.docker("service", "update", "--force", "--quiet", "nsml_nats-2")
    session.finish()

    assert insisting.refusals == []
    assert session.show()["status"] == "Exited"
    assert session.attempts() == 1
    images = {one["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] for one in cluster.services()}
    assert images == {image.NEXT}
    assert "NSML" in cluster.page(f"{origin}/login")


def test_a_session_goes_on_elsewhere_from_a_node_that_is_drained(cluster: Cluster) -> None:
    session = cluster.run("-g", "1").begun()
    machine = session.machine()
    session.saved()
    cluster.nsml("node", "drain", machine.name, "--now")
    until(lambda: session.attempts() == 2, "it does not leave the node")
    session.begun()

    assert session.machine() != machine
    cluster.nsml("node", "uncordon", machine.name)
    session.finish()
    froms = session.froms()
    assert froms[0] == 0
    assert froms[1] > 0


def test_a_session_returns_from_an_engine_that_was_killed(cluster: Cluster) -> None:
    session = cluster.run("-g", "1", "--restarts", "1").begun()
    machine = session.machine()
    session.saved()
    machine.kill_engine()
    machine.start_engine()
    until(lambda: session.attempts() == 2, "it is not missed")
    session.begun().finish()

    assert session.show()["status"] == "Exited"
    assert "its runner is gone" in cluster.nsml("history", session.name)


def test_a_session_over_two_nodes_loses_one_and_goes_on_from_its_checkpoint(
    cluster: Cluster,
) -> None:
    gang = cluster.run("-n", "2", "-g", "1", "--restarts", "2", before=MEETING).begun(2)
    networks = cluster.networks()
    gang.saved()
    machine = gang.machine()
    machine.kill_engine()
    machine.start_engine()
    until(lambda: gang.attempts() > 1, "the gang is not missed")
    gang.begun(2)
    gang.finish()

    # Its members met on a network of their own, and again on another.
    assert len(networks) == 1
    assert gang.said().count("met 1") == 2
    assert gang.show()["status"] == "Exited"
    froms = gang.froms()
    assert froms[:2] == [0, 0]
    assert min(froms[2:]) > 0
    until(lambda: cluster.networks() == [], "the networks of gangs stay")
