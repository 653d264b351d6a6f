"""The jobs that are given to a Swarm, in the words of its API: runners, and who looks after nodes.

Each is a service that runs one task on one node, once: it is started neither elsewhere nor again.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from typing import Any

from nsml_core.errors import Invalid
from nsml_core.secret_files import NAMES as SECRETS
from nsml_scheduler.engines.engine import Claim
from nsml_scheduler.engines.swarm_networks import PREFIX

KIND = "nsml.job"
"""The label of every job and network of ours; its value says which kind it is."""

PLATFORM = "nsml.platform"
"""The label that tells platforms on one Swarm apart: their network."""

DESCRIBING = "describing"

NODE = "nsml.node"
"""The label of a node of the Swarm that takes sessions; its value is the node's name here."""

_DECLARES = {"nsml.gpus": "NSML_GPUS", "nsml.cpus": "NSML_CPUS", "nsml.memory": "NSML_MEMORY"}
_TICKET = "/run/secrets/ticket"
_SOCKET = "/var/run/docker.sock"
_GANGS = "10.250.0.0/16"
_GRACE_NANOSECONDS = 30_000_000_000
_PASSED = ("NSML_", "OTEL_", "PIP_", "UV_", "HTTP_", "HTTPS_", "NO_", "http_", "https_", "no_")
_KEPT = (
    *SECRETS,
    *("NSML_TLS_CERT", "NSML_TLS_KEY", "NSML_TLS_CLIENT_CA", "NSML_LISTEN"),
    *("NSML_NATS_MONITOR_URL", "NSML_LOG_REPLICAS", "NSML_ENGINE", "NSML_SCHEDULER_ADDRESS"),
    *("NSML_GPUS", "NSML_CPUS", "NSML_MEMORY", "NSML_LABELS", "NSML_ZONE", "NSML_BLOBS_URL"),
)


@dataclass(frozen=True)
class Terms:
    """What is the same for all jobs."""

    image: str
    """`NSML_SWARM_IMAGE`: the platform's own, as every node finds it."""

    network: str
    """`NSML_SWARM_NETWORK`: the overlay network where the services are."""

    socket: str
    """`NSML_SWARM_SOCKET`: where nodes have the socket of their Docker Engine."""

    home: str
    """`NSML_HOME`: the state folder of each node."""

    secrets: Sequence[str]
    """`NSML_SWARM_SECRETS`: those of the Swarm that runners see, such as whom they trust."""

    gangs: IPv4Network
    """`NSML_SWARM_GANGS`: the range that the networks of gangs are taken from."""

    env: Mapping[str, str] = field(default_factory=dict)

    def labels(self, kind: str) -> dict[str, str]:
        """Return what tells our jobs and networks from those of others."""
        return {KIND: kind, PLATFORM: self.network}

    def key(self, claim: Claim) -> str:
        """Return what names a claim where a name is short and plain."""
        text = f"{self.network} {claim.session}#{claim.attempt}.{claim.rank}"
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def names(self, claim: Claim) -> tuple[str, str, str]:
        """Return the names of its runner, of what clears its node, and of its gang's network."""
        key, gang = self.key(claim), self.key(replace(claim, rank=0))
        return f"nsml-run-{key}", f"nsml-clear-{key}", f"nsml-gang-{gang}"


def read(home: str, environ: Mapping[str, str] = os.environ) -> Terms:
    """Read what runs here from the environment of the scheduler."""
    missing = [name for name in ("NSML_SWARM_IMAGE", "NSML_SWARM_NETWORK") if not environ.get(name)]
    if missing:
        raise Invalid(
            f"{missing[0]} is not set, and the engine `swarm` needs it: see docs/swarm.md."
        )
    return Terms(
        image=environ["NSML_SWARM_IMAGE"],
        network=environ["NSML_SWARM_NETWORK"],
        socket=environ.get("NSML_SWARM_SOCKET") or _SOCKET,
        home=home,
        secrets=tuple(filter(None, environ.get("NSML_SWARM_SECRETS", "").split(","))),
        gangs=_range(environ.get("NSML_SWARM_GANGS") or _GANGS),
        env={
            **{
                name: value
                for name, value in environ.items()
                if name.startswith(_PASSED) and name not in _KEPT and not name.endswith("_FILE")
            },
            "NSML_HOME": home,
            "NSML_SANDBOX": "docker",
            "NSML_RUNNER_IN_CONTAINER": "yes",
            # Runners measure the devices of what they run; what they run sees its own alone.
            "NVIDIA_VISIBLE_DEVICES": "all",
        },
    )


def _range(text: str) -> IPv4Network:
    try:
        found = IPv4Network(text)
    except ValueError as error:
        raise Invalid(f"NSML_SWARM_GANGS is {text!r}: {error}.") from None
    if found.prefixlen > PREFIX:
        raise Invalid(f"NSML_SWARM_GANGS is {text!r}: a gang needs a /{PREFIX}.")
    return found


@dataclass(frozen=True)
class Job:
    """One job: its name, its labels, and the words that ask for it."""

    name: str
    kind: str
    node: str
    """The node of the Swarm, by its id there."""

    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    """Of its container."""

    mounts: Sequence[Mapping[str, Any]] = ()
    networks: Sequence[str] = ()
    secret: bytes = b""


def runner(terms: Terms, claim: Claim, node: str, ticket: bytes) -> Job:
    """Return the job that is the runner of a claim."""
    return Job(
        name=terms.names(claim)[0],
        kind="runner",
        node=node,
        command=["python3", "-m", "nsml_runner", "--ticket", _TICKET],
        env=terms.env,
        labels={"nsml.claim": terms.key(claim)},
        mounts=[_bind(terms.home, terms.home), _bind(terms.socket, _SOCKET)],
        networks=[terms.network],
        secret=ticket,
    )


def clearing(terms: Terms, claim: Claim, node: str) -> Job:
    """Return the job that ends when nothing of a claim runs on its node any more."""
    words = [
        "--session",
        claim.session,
        "--attempt",
        str(claim.attempt),
        "--claim",
        terms.key(claim),
    ]
    return Job(
        name=terms.names(claim)[1],
        kind="clearing",
        node=node,
        command=["python3", "-m", "nsml_runner.clear", *words],
        env=terms.env,
        mounts=[_bind(terms.socket, _SOCKET)],
    )


def describing(terms: Terms, node: str, labels: Mapping[str, str], *, is_new: bool) -> Job:
    """Return the job that says what a node has; of a new one, it first ends what runs there."""
    clear = ["python3 -m nsml_runner.clear --all"] if is_new else []
    shell = " && ".join([*clear, "exec python3 -m nsml_scheduler.engines.swarm_node"])
    declared = {name: labels[label] for label, name in _DECLARES.items() if label in labels}
    others = [f"{name}={value}" for name, value in labels.items() if not name.startswith("nsml.")]
    env = {"NSML_ZONE": labels.get("nsml.zone", ""), "NSML_LABELS": ",".join(others), **declared}
    return Job(
        name=f"nsml-node-{terms.network}-{node}",
        kind=DESCRIBING,
        node=node,
        command=["sh", "-c", shell],
        env={**terms.env, **env},
        mounts=[_bind(terms.socket, _SOCKET), _bind("/dev/shm", "/dev/shm")],  # noqa: S108 - is measured
    )


def _bind(source: str, target: str) -> dict[str, str]:
    return {"Type": "bind", "Source": source, "Target": target}


def asked(job: Job, terms: Terms, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return the request that creates a job, which sees these secrets: names and ids."""
    container: dict[str, Any] = {
        "Image": terms.image,
        "Command": list(job.command),
        "Env": [f"{name}={value}" for name, value in job.env.items()],
        "Labels": dict(job.labels),
        "Mounts": [dict(mount) for mount in job.mounts],
        "Init": True,
        "StopGracePeriod": _GRACE_NANOSECONDS,
    }
    container["Secrets"] = [
        {
            "SecretID": found,
            "SecretName": name,
            "File": {
                "Name": "ticket" if name == job.name else name,
                "UID": "0",
                "GID": "0",
                "Mode": 0o400,
            },
        }
        for name, found in secrets.items()
    ]
    return {
        "Name": job.name,
        "Labels": terms.labels(job.kind),
        "Mode": {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": 1}},
        "EndpointSpec": {"Mode": "dnsrr"},
        "TaskTemplate": {
            "ContainerSpec": container,
            "RestartPolicy": {"Condition": "none"},
            "Placement": {"Constraints": [f"node.id=={job.node}"]},
            "Networks": [{"Target": network} for network in job.networks],
        },
    }
