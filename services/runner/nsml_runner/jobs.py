"""Runs a job: a command that finds its files where the job file says, below a root of its own.

In a container they are mounted there. A process has no image, and nothing can be mounted at
`/workspace`. So a folder of the attempt stands for the root, everything lies in it where the
command looks for it, and these paths are replaced in the command and in its variables.
"""

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsml_protos import session_pb2
from nsml_runner.box import Mount
from nsml_runner.meeting import torchrun
from nsml_runner.workdir import WorkDir

_SHELLS = ("bash", "sh")
# A shell that is told to end waits for what it runs, which hears of it too and may save first.
_SCRIPT = """\
trap 'exit 143' TERM
nsml_setup=$1 nsml_command=$2
set --
eval "$nsml_setup"
nsml_code=$?
[ "$nsml_code" -eq 0 ] || exit "$nsml_code"
eval "$nsml_command"
"""
_IN_BASH = 'shell=$(command -v bash || echo sh); exec "$shell" -c "$0" "$@"'


@dataclass(frozen=True, slots=True)
class Root:
    """A folder that stands for the root of the file system."""

    folder: Path
    paths: Sequence[str]
    """Absolute paths that lie in it, and all that is below them."""

    def place(self, path: str) -> Path:
        return self.folder / path.lstrip("/")

    def replace(self, text: str) -> str:
        """Put the root before these paths, where they begin a path and end a name."""
        known = "|".join(re.escape(path) for path in sorted(self.paths, key=len, reverse=True))
        found = rf"(?:(?<=\s-[A-Za-z])|(?<![\w./~$*?)\]}}-]))({known})(?![\w.-])"
        return re.sub(found, lambda match: f"{self.folder}{match[1]}", text)


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A job that can be started."""

    argv: tuple[str, ...]
    cwd: Path
    assignment: session_pb2.Assignment
    """As it was given, with the variables of the job in it."""

    notice: str
    """What a person who knows containers would not expect."""


def lay_out(work: WorkDir, plain: Path, assignment: session_pb2.Assignment) -> LaidOut:
    """Lay what was prepared where the job looks for it.

    `plain` is a folder whose path a shell leaves in one piece: what the command sees is below it.
    """
    session = assignment.session
    job = session.spec.job
    root = _make_root(work, plain, job)
    code = _move_code(work, root.place(job.workspace_path) / job.folder)
    _move_input(work, job, root)
    if job.data_path:
        data = (work.data / session.spec.datasets[0].dataset).resolve()
        _free(root.place(job.data_path)).symlink_to(data, target_is_directory=True)
    if job.output_path:
        _fill_output(work, job, root)
    variables = {name: root.replace(value) for name, value in session.spec.env.items()}
    ckpt = str(root.place(job.output_path)) if job.output_path else ""
    translated = _with(assignment, variables | _variables(assignment, ckpt))
    commands = root.replace(job.setup), root.replace(job.command)
    return LaidOut(
        (_shell(), "-c", _SCRIPT, "job", *commands), code, translated, _notice(job, root)
    )


@dataclass(frozen=True, slots=True)
class Mounted:
    """A job that can be started in a container."""

    argv: tuple[str, ...]
    cwd: Path
    assignment: session_pb2.Assignment
    mounts: list[Mount]


def mount(
    work: WorkDir, datasets: Mapping[str, Path], assignment: session_pb2.Assignment
) -> Mounted:
    """Let a container see what was prepared where the job looks for it."""
    job = assignment.session.spec.job
    code = Path(job.workspace_path) / job.folder
    mounts = [
        *_writable(work, {job.workspace_path: work.root / "workspace"}),
        *_writable(work, {str(code): work.code}),
    ]
    if job.data_path:
        data = datasets[assignment.session.spec.datasets[0].dataset]
        mounts.append(Mount(data, job.data_path))
    is_replaced = job.input.path == job.output_path and work.start.is_dir()
    if work.input.is_dir() and not is_replaced:
        mounts += _writable(work, {job.input.path: work.input})
    if job.output_path:
        output = work.input if job.input.path == job.output_path else work.root / "checkpoint"
        if work.start.is_dir():
            output = work.root / "checkpoint"
            shutil.copytree(work.start, output, symlinks=True, dirs_exist_ok=True)
        mounts += _writable(work, {job.output_path: output})
    env = _variables(assignment, job.output_path)
    argv = ("/bin/sh", "-c", _IN_BASH, _SCRIPT, "job", job.setup, job.command)
    return Mounted(argv, code, _with(assignment, env), _last_of_each(mounts))


def _writable(work: WorkDir, places: Mapping[str, Path]) -> Iterator[Mount]:
    for place, folder in places.items():
        folder.mkdir(exist_ok=True)
        work.give(folder)
        yield Mount(folder, place, writable=True)


def _last_of_each(mounts: list[Mount]) -> list[Mount]:
    return list({mount.target: mount for mount in mounts}.values())


def _with(assignment: session_pb2.Assignment, env: Mapping[str, str]) -> session_pb2.Assignment:
    found = session_pb2.Assignment()
    found.CopyFrom(assignment)
    found.session.spec.env.update(env)
    return found


def _make_root(work: WorkDir, plain: Path, job: session_pb2.Job) -> Root:
    folder = work.root / "root"
    folder.mkdir()
    if plain != work.root:
        (plain / "root").symlink_to(folder, target_is_directory=True)
    places = (job.workspace_path, job.data_path, job.output_path, job.input.path)
    return Root(plain / "root", [path for path in dict.fromkeys(places) if path])


def _move_code(work: WorkDir, code: Path) -> Path:
    """Give the code its place; its own folder leads there."""
    code.parent.mkdir(parents=True, exist_ok=True)
    work.code.rename(code)
    work.code.symlink_to(code.resolve(), target_is_directory=True)
    return code


def _move_input(work: WorkDir, job: session_pb2.Job, root: Root) -> None:
    """Nothing is moved where an attempt goes on from a checkpoint that takes the same place."""
    is_replaced = job.input.path == job.output_path and work.start.is_dir()
    if work.input.is_dir() and not is_replaced:
        work.input.rename(_free(root.place(job.input.path)))


def _free(place: Path) -> Path:
    """Make room: what is mounted at a place hides what was there."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir():
        shutil.rmtree(place)
    return place


def _fill_output(work: WorkDir, job: session_pb2.Job, root: Root) -> None:
    """Begin with the checkpoint that the attempt goes on from, where there is one."""
    output = root.place(job.output_path)
    output.mkdir(parents=True, exist_ok=True)
    if work.start.is_dir():
        shutil.copytree(work.start, output, symlinks=True, dirs_exist_ok=True)


def _shell() -> str:
    return next(filter(None, map(shutil.which, _SHELLS)), "/bin/sh")


def _variables(assignment: session_pb2.Assignment, output: str) -> dict[str, str]:
    """Return what a job finds in its environment."""
    return {
        **torchrun(assignment),
        "PERIFLOW_ENABLED": "1",
        "PROCESSED_ITERS": str(_processed(assignment.session)),
        **({"CKPT_DIR": output} if output else {}),
    }


def _processed(session: session_pb2.Session) -> int:
    """Return how many steps the checkpoint has behind it that the attempt goes on from."""
    begins = session.start if session.HasField("start") else session.spec.job.input
    return int(begins.step)


def _notice(job: session_pb2.Job, root: Root) -> str:
    image = f"The image {job.image!r} is not used: the" if job.image else "The"
    seen = ", ".join(root.paths)
    return (
        f"{image} command runs as a process of this node, where {root.folder} stands before {seen}"
    )
