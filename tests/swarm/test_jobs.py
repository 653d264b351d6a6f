"""What a Swarm is asked for: jobs on one node, once, and what their containers see."""

from ipaddress import IPv4Network

import pytest

from nsml_core.errors import Invalid, Refused
from nsml_scheduler.engines import swarm_jobs, swarm_networks
from nsml_scheduler.engines.engine import Claim
from nsml_scheduler.engines.swarm_networks import GangNetwork

ENVIRON = {
    "NSML_SWARM_IMAGE": "registry.example/nsml:1",
    "NSML_SWARM_NETWORK": "nsml",
    "NSML_SWARM_SECRETS": "nsml_tls_ca",
    "NSML_SESSION_ADDRESS": "dns:session:7403",
    "NSML_TLS_CA": "/run/secrets/nsml_tls_ca",
    "NSML_TLS_KEY": "/run/secrets/key",
    "NSML_NATS_URL": "nats://nsml:secret@nats",
    "NSML_POSTGRES_URL_FILE": "/run/secrets/postgres_url",
    "AWS_SECRET_ACCESS_KEY": "secret",
}
CLAIM = Claim("ann/mnist/3", 2, "gpu1", 1)


@pytest.fixture
def terms() -> swarm_jobs.Terms:
    return swarm_jobs.read("/var/lib/nsml", ENVIRON)


def test_a_runner_is_a_job_of_one_task_on_its_node_and_is_not_started_again(
    terms: swarm_jobs.Terms,
) -> None:
    job = swarm_jobs.runner(terms, CLAIM, "node-id", b"ticket")
    asked = swarm_jobs.asked(job, terms, {job.name: "id-1", "nsml_tls_ca": "id-2"})

    task = asked["TaskTemplate"]
    assert asked["Mode"] == {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}}
    assert task["Placement"] == {"Constraints": ["node.id==node-id"]}
    assert task["RestartPolicy"] == {"Condition": "none"}
    assert task["Networks"] == [{"Target": "nsml"}]
    files = {one["SecretName"]: one["File"]["Name"] for one in task["ContainerSpec"]["Secrets"]}
    assert files == {job.name: "ticket", "nsml_tls_ca": "nsml_tls_ca"}
    mounts = {one["Target"]: one["Source"] for one in task["ContainerSpec"]["Mounts"]}
    assert mounts == {
        "/var/lib/nsml": "/var/lib/nsml",
        "/var/run/docker.sock": "/var/run/docker.sock",
    }


def test_runners_are_told_where_the_services_are_and_no_secret_of_theirs(
    terms: swarm_jobs.Terms,
) -> None:
    assert terms.env["NSML_SESSION_ADDRESS"] == "dns:session:7403"
    assert terms.env["NSML_TLS_CA"] == "/run/secrets/nsml_tls_ca"
    assert terms.env["NSML_SANDBOX"] == "docker"
    assert (
        not {
            *("NSML_NATS_URL", "NSML_POSTGRES_URL_FILE", "AWS_SECRET_ACCESS_KEY", "NSML_TLS_KEY"),
        }
        & terms.env.keys()
    )


def test_every_claim_has_names_of_its_own_and_a_gang_one_network(
    terms: swarm_jobs.Terms,
) -> None:
    others = [
        CLAIM,
        Claim("ann/mnist/3", 2, "gpu2", 0),
        Claim("ann/mnist/3", 1, "gpu1", 1),
        Claim("ann/mnist_3", 2, "gpu1", 1),
    ]
    names = [terms.names(claim) for claim in others]

    assert len({name for each in names for name in each[:2]}) == 8
    assert names[0][2] == names[1][2]
    assert len({each[2] for each in names}) == 3


@pytest.mark.parametrize("missing", ["NSML_SWARM_IMAGE", "NSML_SWARM_NETWORK"])
def test_what_the_engine_cannot_do_without_is_named(missing: str) -> None:
    environ = {name: value for name, value in ENVIRON.items() if name != missing}
    with pytest.raises(Invalid, match=f"{missing} is not set"):
        swarm_jobs.read("/var/lib/nsml", environ)


@pytest.mark.parametrize("text", ["10.250.0.0/28", "all"])
def test_a_range_that_holds_no_gang_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="NSML_SWARM_GANGS is"):
        swarm_jobs.read("/var/lib/nsml", {**ENVIRON, "NSML_SWARM_GANGS": text})


def test_networks_of_gangs_do_not_overlap_and_end() -> None:
    pool = IPv4Network("10.250.0.0/23")
    first = GangNetwork("a", "a", swarm_networks.free(pool, []))
    second = GangNetwork("b", "b", swarm_networks.free(pool, [first]))

    assert (str(first.subnet), str(second.subnet)) == ("10.250.0.0/24", "10.250.1.0/24")
    assert [second.address(rank) for rank in range(2)] == ["10.250.1.254", "10.250.1.253"]
    with pytest.raises(Refused, match="NSML_SWARM_GANGS"):
        swarm_networks.free(pool, [first, second])
    with pytest.raises(Refused, match="at most"):
        first.address(swarm_networks.MEMBERS_MAX)
