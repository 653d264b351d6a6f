"""What user code sees of the world: its environment variables."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsml_protos import session_pb2
from nsml_runner import configuration, going_on
from nsml_runner.meeting import meeting
from nsml_runner.sandbox import Command
from nsml_runner.workdir import WorkDir

_THREADS = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)  # fmt: skip
SHARED = "NSML_NFS_OUTPUT"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where user code finds what was prepared for it, by the names under which it sees that."""

    work: WorkDir
    socket: Path
    node: Mapping[str, str]
    """What it sees of the node, and of its environment."""

    datasets: Mapping[str, Path]
    traceparent: str
    shared: Path | None
    """A folder for all sessions of the owner, for whoever asked for it."""

    devices: Sequence[str] | None = None
    """Its GPUs as it can name them; None: as the node does."""


def entry(python: str, around: Surroundings, assignment: session_pb2.Assignment) -> Command:
    """Return the command that runs the entry of a session."""
    session, work = assignment.session, around.work
    options = going_on.options(session, work.code)
    handed = configuration.hand_over(work, session.spec)
    return Command(
        argv=(python, "-u", session.spec.entry, *session.spec.args, *options),
        cwd=work.seen.code,
        env={
            **user_env(around, assignment),
            **going_on.variables(session),
            **going_on.pipes(session, work.seen.scratch),
            **handed,
        },
        cpus=session.spec.resources.cpus,
    )


def user_env(around: Surroundings, assignment: session_pb2.Assignment) -> dict[str, str]:
    """Return what user code sees: the node's, above it what the user chose, above that ours."""
    spec = assignment.session.spec
    gpus = devices(assignment) if around.devices is None else around.devices
    return {
        **around.node,
        **_threads(spec.resources.cpus),
        "PYTHONUNBUFFERED": "1",
        **spec.env,
        "PYTHONPATH": _python_path(around.work, spec.env.get("PYTHONPATH", "")),
        **({SHARED: str(around.shared)} if around.shared else {}),
        **_session(assignment),
        "CUDA_VISIBLE_DEVICES": ",".join(gpus),
        **_datasets(around.datasets),
        "NSML_SOCKET": str(around.socket),
        "NSML_OUTPUT": str(around.work.seen.output),
        "NSML_CHECKPOINT_DIR": str(around.work.seen.scratch),
        **({"TRACEPARENT": around.traceparent} if around.traceparent else {}),
    }


def _python_path(work: WorkDir, chosen: str) -> str:
    # A project is not installed into the shared environment: its packages are found here.
    projects = ("setup.py", "pyproject.toml")
    is_project = any((work.code / name).is_file() for name in projects)
    seen = work.seen
    code = [str(seen.code)] if is_project else []
    # A shim gives way to a module of the same name that the user brought.
    return os.pathsep.join([str(seen.sdk), *code, *([chosen] if chosen else []), str(seen.shims)])


def _threads(cpus: int) -> dict[str, str]:
    """Numeric libraries start a thread for each CPU of the machine unless told otherwise."""
    return dict.fromkeys(_THREADS, str(cpus)) if cpus else {}


def make_shared(folder: Path, session: session_pb2.Session) -> Path | None:
    """Whoever sets the variable asks for the folder, and is told where it is."""
    if not session.spec.env.get(SHARED):
        return None
    own = folder / session.owner
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    return own


def _session(assignment: session_pb2.Assignment) -> dict[str, str]:
    session, resources = assignment.session, assignment.session.spec.resources
    return {
        "NSML_SESSION": session.name,
        "NSML_ATTEMPT": str(assignment.attempt),
        "NSML_GPU_NUM": str(resources.gpus),
        "NSML_CPU_NUM": str(resources.cpus or os.cpu_count() or 1),
        "NSML_MEMORY": str(resources.memory_bytes),
        "NSML_SEED": str(session.spec.seed),
        **meeting(assignment),
    }


def devices(assignment: session_pb2.Assignment) -> list[str]:
    attempts = assignment.session.attempts
    return list(attempts[-1].devices) if attempts else []


def _datasets(folders: Mapping[str, Path]) -> dict[str, str]:
    first = next(iter(folders), "")
    return {
        "NSML_DATASETS": json.dumps({name: str(folder) for name, folder in folders.items()}),
        "NSML_DATASET_NAME": first,
        "NSML_DATASET_PATH": str(folders[first]) if first else "",
    }
