"""`nsml submit | infer`: checkpoints put to use."""

import os
import time
from collections.abc import Sequence
from typing import Any

import click

from nsml_cli import complete, options, output, sessions
from nsml_cli.client import open_client
from nsml_cli.exits import ExitCode
from nsml_cli.follow import Follower, ending
from nsml_client.client import Client
from nsml_client.session import Session
from nsml_core.errors import Exhausted, NotFound, Refused
from nsml_protos import session_pb2
from nsml_protos.session_pb2 import LogPiece, LogsRequest, Purpose

_MODULE = "nsml.asking"
_ASKING = ("sh", "-c", f"exec $(command -v python3 || command -v python) -u -m {_MODULE}")
_NOT_STARTED = 126
_LOOK_SECONDS = 0.1
_STDIN = 0

_entry = click.option(
    "--entry",
    "-e",
    metavar="FILE",
    shell_complete=complete.files,
    help="Another script of the same code.",
)


@click.command()
@options.long_team
@options.session
@click.argument("checkpoints", metavar="CHECKPOINT...", nargs=-1, required=True)
@click.option(
    "--test", "-t", "rehearsal", is_flag=True, help="Rehearse on the small split, in the open."
)
@_entry
@click.option("--background", "-b", is_flag=True, help="Do not wait for the score.")
@click.option("--board", metavar="NAME", default="", help="If it is not the dataset's own.")
@options.verbose
@click.pass_context
def submit(context: click.Context, /, **given: Any) -> None:
    """Have a checkpoint predict the test data of its dataset's board, and be scored.

    Nobody sees what the code prints meanwhile, and a submission that fails costs nothing. With -t
    it is rehearsed: on a small split, as a session like any other. Several checkpoints are
    submitted one after the other; what is refused or fails does not keep the next one back.
    """
    client, checkpoints = open_client(), given["checkpoints"]
    if len(checkpoints) == 1:
        context.exit(_submit(client, checkpoints[0], given))
    context.exit(_submit_all(client, checkpoints, given))


def _submit_all(client: Client, checkpoints: Sequence[str], given: dict[str, Any]) -> ExitCode:
    """Submit each; a name that is wrong is said before any takes a slot."""
    known = {one.name for one in client.sessions.get(given["name"]).info.checkpoints}
    for checkpoint in checkpoints:
        if checkpoint not in known:
            raise NotFound(f"{given['name']} has no checkpoint {checkpoint}: none is submitted.")
    done = 0
    for checkpoint in checkpoints:
        output.show(f"Checkpoint {checkpoint}")
        try:
            code = _submit(client, checkpoint, given)
        except (Exhausted, Refused) as error:
            output.fail(f"{checkpoint} is not submitted: {error.sentence}")
            continue
        if code == ExitCode.INTERRUPTED:
            return code
        done += code == ExitCode.OK
    what = "started" if given["background"] else "rehearsed" if given["rehearsal"] else "scored"
    output.note(f"{done} of {len(checkpoints)} {what}.")
    return ExitCode.OK if done == len(checkpoints) else ExitCode.REFUSED


def _submit(client: Client, checkpoint: str, given: dict[str, Any]) -> ExitCode:
    rehearsal = given["rehearsal"]
    one = client.boards.submit(
        given["name"],
        checkpoint,
        kind=Purpose.REHEARSE if rehearsal else Purpose.SUBMIT,
        board=given["board"],
        entry=given["entry"],
    )
    if rehearsal or given["background"] or given["verbose"]:
        output.show(f"Session {one.name} is started")
    if given["background"]:
        return ExitCode.OK
    if not rehearsal:
        output.show("Building docker image. It may take a while")
    wanted = LogsRequest(sources=[session_pb2.PLATFORM, session_pb2.BUILD], lines=True)
    try:
        Follower(client, one.name, wanted, sink=Stages(verbose=given["verbose"])).stream()
    except KeyboardInterrupt:
        output.note(f"\n{one.name} goes on: `nsml stop {one.name}` stops it.")
        return ExitCode.INTERRUPTED
    return _tell(client, one.wait().info, rehearsal=rehearsal)


def _tell(client: Client, one: session_pb2.Session, *, rehearsal: bool) -> ExitCode:
    if one.status != session_pb2.EXITED:
        hint = f"`nsml logs {one.name}` shows more." if rehearsal else "It costs no submission."
        output.fail(f"{one.name} is not scored: {ending(one)} {hint}")
        return ExitCode.REFUSED
    if rehearsal:
        output.show(".Done")
        output.show(f"You can see session log using [nsml logs {one.name}]")
        return ExitCode.OK
    submission = client.boards.submission(one).submission
    output.show(f"Score: {submission.scores[-1].value!r}")
    output.show("Done")
    return ExitCode.OK


class Stages:
    """Shows how far a submission is: a dot, and what it does now."""

    _SAID = ("Infer test set", "load nsml model", "Score on", "Traceback", "  ")

    def __init__(self, *, verbose: bool) -> None:
        self._verbose = verbose
        self.has_written = False

    def write(self, piece: LogPiece, session: str) -> None:
        """Show a line of the platform."""
        line = piece.data.decode(errors="replace").rstrip("\n")
        is_stage = line.startswith((f"{session}: ", *self._SAID)) or line.endswith(": …")
        if not is_stage and not self._verbose:
            return
        self.has_written = True
        dot = "." if line.startswith("Infer") else "....." if line.endswith("ready") else ""
        output.show(f"{dot}{line}")

    def close(self) -> None:
        """Every line is out."""


@click.command()
@options.session
@click.argument("checkpoint", metavar="CHECKPOINT", shell_complete=complete.checkpoint_names)
@click.option(
    "--data",
    "-d",
    metavar="FILE",
    default="-",
    shell_complete=complete.files,
    help="Questions, one line of JSON each; - is standard input, the default.",
)
@_entry
@options.verbose
@click.pass_context
def infer(
    context: click.Context,
    *,
    name: str,
    checkpoint: str,
    data: str,
    entry: str | None,
    verbose: bool,
) -> None:
    """Ask a checkpoint: each line of JSON that comes in is answered by one, as they come.

    It runs as a session of its own, which ends with the questions.
    """
    if data != "-":
        _open_as_stdin(data)
    client = open_client()
    one = client.boards.submit(name, checkpoint, kind=Purpose.INFER, entry=entry)
    if verbose:
        output.note(f"Session {one.name} is started")
    try:
        code = _ask(client, one)
    except KeyboardInterrupt:
        one.stop("nobody asks any more")
        code = ExitCode.INTERRUPTED
    context.exit(code)


def _open_as_stdin(path: str) -> None:
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}.") from None
    os.dup2(file, _STDIN)
    os.close(file)


def _ask(client: Client, one: "Session[Any]") -> ExitCode:
    from nsml_cli.shell import Shell

    opened = session_pb2.ShellOpen(name=one.name, command=_ASKING)
    while _runs(client, one.name):
        ended = Shell(client, opened).run()
        if ended.exit_code != _NOT_STARTED:
            break
        time.sleep(_LOOK_SECONDS)  # it is about to begin
    info = one.wait().info
    if info.status == session_pb2.EXITED:
        return ExitCode.OK
    output.fail(f"{one.name} does not answer: {ending(info)} `nsml logs {one.name}` shows more.")
    return ExitCode.REFUSED


def _runs(client: Client, name: str) -> bool:
    """Wait until a session runs; tell whether it does."""
    told = ""
    while True:
        one = sessions.get(client, name)
        if one.status == session_pb2.RUNNING or not sessions.is_live(one):
            return one.status == session_pb2.RUNNING
        if one.status == session_pb2.QUEUED and one.reason != told:
            told = one.reason
            output.note(sessions.status_line(one))
        time.sleep(_LOOK_SECONDS)
