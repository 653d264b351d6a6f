"""From a job file, and what was typed beside it, to a session."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

from nsml_cli import machines, output, overrides
from nsml_cli.jobfile import Custom, JobFile, read
from nsml_cli.machines import Machine
from nsml_client import names
from nsml_client.client import Client
from nsml_client.errors import Rejected
from nsml_core.errors import Invalid
from nsml_protos import scheduler_pb2, session_pb2

_HUGGING_FACE = "huggingface:"


class Asked(NamedTuple):
    """A request, and the folder of code that goes with it."""

    folder: Path
    request: session_pb2.RunRequest


def ask(client: Client, given: dict[str, Any]) -> Asked:
    """Read all that a job file and the options beside it say, and look whether it fits here."""
    file = Path(given["job"])
    job = read(file)
    setting = job.job_setting
    if not isinstance(setting, Custom):
        raise Invalid(
            f"{file} asks for a predefined job, whose template is PeriFlow's own: "
            "write type: custom, with docker.image and docker.command."
        )
    _refuse_beside(given)
    folder, devices = _folder(given), _devices(job, given)
    machine = _machine(client, given["vm"] or job.vm, file)
    request = session_pb2.RunRequest(
        datasets=_datasets(job),
        env={**_variables(setting), **names.variables(given["env"])},
        resources=_resources(client, machine, devices, given),
        memo=given["memo"] or _name(job, given),
        key=secrets.token_hex(16),
        seed=given["seed"],
        restarts=given["restarts"] or 0,
        tags=dict.fromkeys([*([str(job.experiment)] if job.experiment else []), *given["tags"]]),
        job=_job(client, job, setting, machine, folder),
    )
    request.job.name = _name(job, given)
    overrides.configure(request, given)
    if not given["quiet"]:
        _tell_without_effect(job, setting)
    return Asked(folder, request)


def _refuse_beside(given: dict[str, Any]) -> None:
    entry = click.get_current_context().get_parameter_source("entry")
    if entry is ParameterSource.COMMANDLINE or given["args"] or given["words"]:
        raise click.UsageError(
            "The job file's command says what runs: leave out -e, -a, KEY=VALUE."
        )


def _folder(given: dict[str, Any]) -> Path:
    """-d was the folder in some versions of PeriFlow, and the number of devices in others."""
    typed = [*given["workspace"], *(text for text in given["dataset"] if not text.isdecimal())]
    if len(typed) > 1:
        raise click.UsageError(f"A job has one workspace: {typed[0]} or {typed[1]}?")
    folder = Path(typed[0] if typed else ".")
    if not folder.is_dir():
        raise Invalid(
            f"There is no folder {folder}: -d names that of the code, the job's workspace."
        )
    return folder.resolve()


def _devices(job: JobFile, given: dict[str, Any]) -> int:
    counts = [int(text) for text in given["dataset"] if text.isdecimal()]
    found = given["gpus"] if given["gpus"] is not None else next(iter(counts), job.num_devices)
    if found is None:
        raise Invalid(f"{given['job']} lacks num_devices: write it there, or say -g N.")
    return int(found)


def _machine(client: Client, name: str | None, file: Path) -> Machine:
    if not name:
        raise Invalid(
            f"{file} lacks vm: write it there, or say --vm NAME; `nsml vm list` has some."
        )
    return machines.find(name, client.settings.home)


def _name(job: JobFile, given: dict[str, Any]) -> str:
    typed = given["nodes"] if isinstance(given["nodes"], str) else ""
    return typed or str(job.name or "")


def _datasets(job: JobFile) -> list[str]:
    if job.data is None:
        return []
    name = str(job.data.name)
    if name.startswith(_HUGGING_FACE):
        raise Invalid(f"{name!r} is not fetched here: push it with `nsml dataset push NAME PATH`.")
    if job.data.mount_path is None:
        raise Invalid("The job's data lacks mount_path: say where its command looks for it.")
    return [str(names.dataset(name))]


def _variables(setting: Custom) -> dict[str, str]:
    pairs = setting.docker.env_var.items()
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in pairs
    }


def _job(
    client: Client, job: JobFile, setting: Custom, machine: Machine, folder: Path
) -> session_pb2.Job:
    commands, point = setting.docker.commands, job.checkpoint
    found = session_pb2.Job(
        vm=machine.name,
        image=setting.docker.image,
        setup=commands.setup,
        command=commands.run,
        workspace_path=_path(setting.workspace.mount_path),
        folder=folder.name,
        data_path=_path(job.data.mount_path) if job.data else "",
        output_path=_path(point.output_checkpoint_dir),
    )
    if point.input is not None:
        session, _, name = str(point.input.id).partition(":")
        path = point.input.mount_path
        if path is None:
            raise Invalid("checkpoint.input lacks mount_path: say where the command looks for it.")
        found.input.CopyFrom(
            session_pb2.Input(
                session=names.session(session, client.owner), checkpoint=name, path=_path(path)
            )
        )
    return found


def _path(path: str | None) -> str:
    """A slash at the end, as people write after folders, says nothing."""
    return path.rstrip("/") if path else ""


def _resources(
    client: Client, machine: Machine, devices: int, given: dict[str, Any]
) -> session_pb2.Resources:
    reply = client.call(
        "Scheduler/Cluster", scheduler_pb2.ClusterRequest(), scheduler_pb2.ClusterReply
    )
    nodes = [use.node for use in reply.nodes]
    count = _nodes(machine, devices, nodes)
    source = click.get_current_context().get_parameter_source("cpus")
    is_given = source is ParameterSource.COMMANDLINE or overrides.cpus(given["settings"])
    return session_pb2.Resources(
        gpus=devices // count,
        cpus=given["cpus"] if is_given else _share(nodes, devices // count),
        memory_bytes=names.memory(given["memory"]) if given["memory"] else 0,
        nodes=count if count > 1 else 0,
    )


def _nodes(machine: Machine, devices: int, nodes: Sequence[scheduler_pb2.Node]) -> int:
    """Return on how many nodes a job runs: on one if that has as many, else on whole ones."""
    count, rest = divmod(devices, machine.gpus)
    if count and rest:
        raise Invalid(
            f"num_devices is {devices}, and {machine.name} has {machine.gpus} GPUs: ask for whole "
            "machines, or for a part of one."
        )
    if machine.limit is not None and count > machine.limit:
        raise Rejected(f"{count} machines of {machine.name} are over its quota of {machine.limit}.")
    largest = max((len(node.devices) for node in nodes), default=0)
    if devices > largest:
        each = largest if largest and not devices % largest else machine.gpus
        if each > largest:
            raise Rejected(
                f"The job needs {devices} GPUs, and the largest node here has {largest}: "
                "-g N asks for as many as some nodes have together."
            )
        if each != machine.gpus:
            output.note(f"It runs on {devices // each} nodes with {each} GPUs each.")
        return devices // each
    if count > 1:
        output.note(
            f"{count} machines were asked for, and all {devices} GPUs are on one here: "
            f"NUM_NODES is 1 and NPROC_PER_NODE is {devices}."
        )
    return 1


def _share(nodes: Sequence[scheduler_pb2.Node], devices: int) -> int:
    """Return as many CPUs as go with these GPUs on the node that has most."""
    shares = [node.cpus * devices // len(node.devices) for node in nodes if node.devices]
    return max([1, *shares])


def _tell_without_effect(job: JobFile, setting: Custom) -> None:
    unused = {
        "job_setting.docker.credential_id": setting.docker.credential_id,
        "dist": job.dist,
        "plugin": job.plugin,
    }
    for key, value in unused.items():
        if value is not None:
            output.note(f"{key} has no effect here; it is accepted for existing job files.")
