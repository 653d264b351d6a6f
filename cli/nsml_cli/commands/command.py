"""`nsml command`: the line that starts a session like this one."""

import shlex
from collections.abc import Iterator

import click

from nsml_cli import options, output, sessions
from nsml_cli.client import open_client
from nsml_cli.overrides import read as override
from nsml_core.errors import Refused
from nsml_protos.session_pb2 import Session, Spec

_OF_PLATFORM = "NSML_NFS_OUTPUT"


@click.command()
@options.session
def command(*, name: str) -> None:
    """Print the `nsml run` line that starts a session like this one, in the folder of its code.

    `nsml fork` and `nsml replay` need no such line: they take over all of a session.
    """
    one = sessions.get(open_client(), name)
    if one.spec.HasField("job"):
        raise Refused(
            f"{one.name} ran a job file: `nsml show {one.name}` shows its command, and "
            f"`nsml fork {one.name}` runs it again."
        )
    output.show(shlex.join(["nsml", "run", *_words(one)]))
    if one.spec.config:
        output.note(
            "Its configuration is not in this line: add your -c, or take it over with "
            f"`nsml fork {one.name}`."
        )


def _words(one: Session) -> Iterator[str]:
    spec = one.spec
    for mount in spec.datasets:
        yield from ("-d", f"{mount.dataset}@{mount.revision}")
    yield from ("-e", spec.entry, "-g", str(spec.resources.gpus), "--cpus", str(_cpus(spec)))
    if spec.resources.nodes > 1:
        yield from ("-n", str(spec.resources.nodes))
    if spec.resources.memory_bytes:
        yield from ("--memory", str(spec.resources.memory_bytes))
    overrides = [word for word in spec.args if spec.config and override(word)]
    args = [word for word in spec.args if word not in overrides]
    if args:
        yield from ("-a", shlex.join(args))
    for key, value in sorted(spec.env.items()):
        yield from ["--nfs-output"] if key == _OF_PLATFORM else ["--env", f"{key}={value}"]
    yield from _container(spec)
    yield from _rest(one)
    yield from overrides


def _cpus(spec: Spec) -> int:
    return spec.resources.cpus or 1


def _container(spec: Spec) -> Iterator[str]:
    given = {
        "--image": spec.image,
        "--registry": spec.registry,
        "--shm-size": str(spec.shm_bytes or ""),
        "--disk": str(spec.disk_bytes or ""),
    }
    for option, value in given.items():
        if value:
            yield from (option, value)
    if spec.no_network:
        yield "--no-network"
    if spec.root:
        yield "--root"


def _rest(one: Session) -> Iterator[str]:
    if one.spec.params:
        yield from ("--params", one.spec.params)
    for tag in one.spec.tags:
        yield from ("--tag", tag)
    if one.spec.preemptible:
        yield "--preemptible"
    if one.spec.restarts:
        yield from ("--restarts", str(one.spec.restarts))
    if one.memo:
        yield from ("-m", one.memo)
    yield from ("--seed", str(one.spec.seed))
