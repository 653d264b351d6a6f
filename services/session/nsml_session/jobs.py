"""Jobs and tags: what a command may be asked for with, and the words to find a session by."""

import re
from collections.abc import Sequence

from nsml_core.errors import Invalid, NotFound
from nsml_protos.session_pb2 import ForkRequest, Job, Session, Spec
from nsml_session import checkpoints

_SESSION = re.compile(r"[A-Za-z0-9_-]+/[A-Za-z0-9_-]+/[0-9]{1,18}")
_TEXT_MAX = 100_000
_NAME_MAX = 500
_TAG_MAX = 50
_TAGS_MAX = 20


def check_tags(tags: Sequence[str]) -> None:
    """Refuse what nobody could type to find a session by."""
    if len(tags) > _TAGS_MAX or len(tags) != len(set(tags)):
        raise Invalid(f"A session has up to {_TAGS_MAX} tags, each once.")
    for tag in tags:
        if not 0 < len(tag) <= _TAG_MAX or not tag.isprintable() or tag != tag.strip():
            raise Invalid(f"A tag has 1 to {_TAG_MAX} printable characters, no space at its ends.")


def check_job(spec: Spec) -> None:
    """Refuse a job that could never run."""
    job = spec.job
    if spec.entry or spec.args:
        raise Invalid("A job runs its command: leave out entry and arguments.")
    if not job.command.strip():
        raise Invalid("The job has no command.")
    texts = (job.setup, job.command)
    if sum(map(len, texts)) > _TEXT_MAX or any("\0" in text for text in texts):
        raise Invalid(f"A job's commands have up to {_TEXT_MAX} characters, and no NUL.")
    if any(len(text) > _NAME_MAX for text in (job.name, job.vm, job.image)):
        raise Invalid(f"A job's name, vm and image have up to {_NAME_MAX} characters each.")
    if job.folder in {"", ".", ".."} or "/" in job.folder or "\0" in job.folder:
        raise Invalid(f"{job.folder!r} is not the name of a folder.")
    if bool(job.data_path) != bool(spec.datasets):
        raise Invalid("A job's data has a dataset and a path: give both or neither.")
    _check_paths(job)


def _check_paths(job: Job) -> None:
    """Nothing is written into data that others read, or put where something else lies."""
    code = f"{job.workspace_path}/{job.folder}"
    begins = [job.input.path] if job.HasField("input") else []
    data, output = ([path] if path else [] for path in (job.data_path, job.output_path))
    for path in (job.workspace_path, *data, *output, *begins):
        root, *names = path.split("/")
        if root or not names or {"", ".", ".."} & set(names) or "\0" in path:
            raise Invalid(f"{path!r} is not a path to mount at: write it like /workspace/data.")
    _check_alone("data", data, [code, *output, *begins])
    _check_alone("checkpoint", begins, [code, *data])


def _check_alone(what: str, places: list[str], others: list[str]) -> None:
    for place in places:
        if any(path == place or path.startswith(f"{place}/") for path in others):
            raise Invalid(f"Something else would lie in the {what} at {place}: move one of them.")


def source(job: Job) -> str:
    """Return the name of the session whose checkpoint a job begins with."""
    if not _SESSION.fullmatch(job.input.session):
        raise Invalid(
            f"{job.input.session[:100]!r} is no session to take a checkpoint of: "
            "`nsml checkpoint list` shows them."
        )
    return job.input.session


def resolve_input(job: Job, state: Session, *, is_seen: bool) -> None:
    """Write the checkpoint that a job begins with into it."""
    if not state.name or state.removed or not is_seen:
        raise NotFound(f"There is no session {job.input.session}: `nsml ps -a` shows yours.")
    found = checkpoints.find(state, job.input.checkpoint)
    job.input.checkpoint, job.input.tree = found.name, found.tree
    job.input.ClearField("step")
    if found.HasField("step"):
        job.input.step = found.step


def check_command(parent: Spec, request: ForkRequest) -> None:
    """Refuse to put an entry or arguments into the place of a command."""
    if parent.HasField("job") and (request.HasField("entry") or request.new_args):
        raise Invalid("It runs a command: change that in the job file, and run it again.")
