"""`nsml run`: from a folder of code to a session."""

import re
import secrets
from pathlib import Path
from typing import Any

import click

from nsml_cli import code, complete, container, options, output, overrides
from nsml_cli.client import open_client
from nsml_cli.exits import ExitCode
from nsml_cli.follow import Follower
from nsml_client import names
from nsml_client.client import Client
from nsml_client.code import check_entry
from nsml_protos import session_pb2

_DEFAULT_CPUS = 1
_JOB_FILE = re.compile(r"[^=]+\.ya?ml", re.IGNORECASE)
_WITHOUT_EFFECT = {
    "gpu_model": "--gpu-model",
    "gpu_driver_version": "--gpu-driver-version",
    "esm": "--esm",
    "no_verify": "--no-verify",
}


def _nodes(context: click.Context, parameter: click.Parameter, text: str) -> str | int:
    """Return how many nodes; or the name of a job, which -n was for PeriFlow."""
    if text and not text.isdecimal() and context.params.get("job"):
        return text
    return options.Count(1).convert(text, parameter, context) if text else 0


def _cpus(context: click.Context, parameter: click.Parameter, given: int | None) -> int:
    """Return --cpus, or else the number that was given to -c."""
    number = overrides.cpus(context.params["settings"])
    if given is not None or number is None:
        return given or _DEFAULT_CPUS
    return options.Count(1).convert(number, parameter, context)


def _print_limits(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked:
        code.show_limits()
        context.exit()


def _print_ignored(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked:
        code.show_default_ignore()
        context.exit()


class _Run(click.Command):
    """-f FILE.yml names a job file, and -f alone follows: an option cannot say that by itself."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        pairs = zip(args, [*args[1:], ""], strict=False)  # also of none
        named = [
            "--job" if word == "-f" and _JOB_FILE.fullmatch(after) else word
            for word, after in pairs
        ]
        return super().parse_args(ctx, named)


@click.command(cls=_Run)
@click.option(
    "--dataset",
    "-d",
    metavar="NAME[@REV]",
    multiple=True,
    shell_complete=complete.dataset_names,
    help="Data to read; may be repeated. With a job file: the folder of its code.",
)
@click.option(
    "--job",
    metavar="FILE.yml",
    default="",
    shell_complete=complete.files,
    is_eager=True,  # --nodes looks at it
    help="A job file of PeriFlow, in place of -e and -a; -f FILE.yml says the same.",
)
@click.option(
    *("--workspace-dir", "-w", "workspace"),
    metavar="DIR",
    multiple=True,
    shell_complete=complete.folders,
    help="The same as -d DIR.",
)
@click.option("--vm", metavar="NAME", default="", help="In place of the job file's vm.")
@click.option(
    *("--tag", "tags"),
    metavar="TAG",
    multiple=True,
    shell_complete=complete.tags,
    help="To find it by; may be repeated.",
)
@click.option(
    *("--entry", "-e"),
    metavar="FILE",
    default="main.py",
    show_default=True,
    shell_complete=complete.files,
    help="The script to run.",
)
@click.option(
    "--args", "-a", metavar="ARGS", multiple=True, help='Its arguments, such as "--lr 0.1".'
)
@click.option(
    "--gpus", "-g", metavar="N", type=options.Count(0), help="GPUs; 1 if there are any, else 0."
)
@click.option(
    *("--nodes", "-n"),
    metavar="N",
    default="",
    callback=_nodes,
    help="Nodes at once, each with all of the GPUs, CPUs and memory; 1.",
)
@click.option(
    "--config",
    "-c",
    "settings",
    metavar="FILE",
    multiple=True,
    shell_complete=complete.files,
    is_eager=True,  # --cpus looks at it
    help="Configuration for the script; may be repeated. A whole number means CPUs.",
)
@click.option("--cpus", metavar="N", type=options.Count(1), callback=_cpus, help="CPUs; 1.")
@options.params
@options.no_config_args
@click.option(
    "--memory", metavar="SIZE", default="", help="Such as 8G; a session that takes more is ended."
)
@container.options
@click.option("--memo", "-m", metavar="TEXT", default="", help="A word about it, for `nsml ps`.")
@click.option("--env", metavar="KEY=VALUE", multiple=True, help="For the script; may be repeated.")
@click.option(
    "--nfs-output", is_flag=True, help="A folder that its owner's sessions share, to write to."
)
@click.option("--follow", "-f", is_flag=True, help="Show its output, and end with its exit code.")
@click.option(
    "--interactive", "-i", is_flag=True, help="Follow, and remove the session at its end."
)
@click.option(
    "--seed",
    metavar="N",
    type=options.Count(0),
    default=0,
    help="Of its random numbers; the platform chooses one.",
)
@options.restarts
@options.waiting
@options.team
@options.verbose
@click.option("--hide-client-log", "quiet", is_flag=True, help="Say nothing but its name.")
@click.option(
    "--show-limits",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_limits,
    help="Print the limits for code.",
)
@click.option(
    "--show-default-nsmlignore",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_ignored,
    help="Print what is left out by default.",
)
@click.option("--gpu-model", hidden=True)
@click.option("--gpu-driver-version", hidden=True)
@click.option("--esm", hidden=True)
@click.option("--no-verify", is_flag=True, hidden=True)
@options.overrides
@click.pass_context
def run(context: click.Context, /, **given: Any) -> None:
    """Run the code in this folder: `nsml run -d mnist -e main.py -a "--lr 0.1"`.

    KEY=VALUE changes the configuration that -c names, as in `nsml run -c conf.yaml train.lr=0.02`,
    and is an argument of the script: +KEY=VALUE adds a key, ~KEY removes one.

    The folder is packed without what .nsmlignore names, and only what the platform does not have
    yet is sent. Packages come from requirements.txt or setup.py. GPUs count against your credit.
    """
    if not given["quiet"]:
        _tell_without_effect(given)
    if given["job"]:
        from nsml_cli import jobs

        client = open_client()
        folder, request = jobs.ask(client, given)
    else:
        folder, request = Path.cwd(), _request(given)
        client = open_client()
        if given["gpus"] is None:
            request.resources.gpus = client.sessions.default_gpus()
    container.ask(request, given)
    _wait_as_asked(request, given, client.owner)
    code.push(client, request, folder, quiet=given["quiet"], verbose=given["verbose"])
    name = _start(client, request)
    output.show(f"Session {name} is started")
    if request.resources.gpus:
        _warn_if_low(client)
    if given["follow"] or given["interactive"]:
        context.exit(_follow(client, name, remove=given["interactive"]))


def _request(given: dict[str, Any]) -> session_pb2.RunRequest:
    """Read what was typed; all that is wrong with it is said before anything is sent."""
    if given["workspace"] or given["vm"]:
        raise click.UsageError("-w and --vm go with a job file: -f FILE.yml.")
    request = session_pb2.RunRequest(
        datasets=[str(names.dataset(text)) for text in given["dataset"]],
        entry=check_entry(Path.cwd(), given["entry"]),
        args=names.arguments(given["args"]),
        env={**_asked_for(given), **names.variables(given["env"])},
        resources=session_pb2.Resources(
            gpus=given["gpus"] or 0,
            cpus=given["cpus"],
            memory_bytes=names.memory(given["memory"]) if given["memory"] else 0,
            nodes=given["nodes"],
        ),
        memo=given["memo"],
        key=secrets.token_hex(16),
        seed=given["seed"],
        restarts=given["restarts"] or 0,
        tags=given["tags"],
    )
    overrides.configure(request, given)
    return request


def _wait_as_asked(request: session_pb2.RunRequest, given: dict[str, Any], user: str) -> None:
    """Read what is to hold while it waits in the queue, and for how long it may run."""
    request.priority = names.priority(given["priority"])
    request.resources.priority_class = names.priority_class(given["priority"])
    request.preemptible = given["preemptible"]
    request.after.extend(names.session_list(given["after"], user))
    if given["time"]:
        request.resources.time_limit_seconds = names.seconds(given["time"])


def _asked_for(given: dict[str, Any]) -> dict[str, str]:
    """A session that has this variable gets the folder, and its path instead."""
    return {"NSML_NFS_OUTPUT": "1"} if given["nfs_output"] else {}


def _tell_without_effect(given: dict[str, Any]) -> None:
    for name, option in _WITHOUT_EFFECT.items():
        if given[name]:
            output.note(f"{option} has no effect here; it is accepted for old scripts.")


def _start(client: Client, request: session_pb2.RunRequest) -> str:
    try:
        return client.sessions.start(request).name
    except KeyboardInterrupt:
        output.note("\nThe session may have been started all the same: `nsml ps` shows it.")
        raise


def _warn_if_low(client: Client) -> None:
    from nsml_cli import books

    books.warn_who_runs(client)


def _follow(client: Client, name: str, *, remove: bool) -> ExitCode | int:
    code = Follower(client, name).run()
    if remove and code != ExitCode.INTERRUPTED:
        request = session_pb2.RemoveSessionRequest(name=name)
        client.call("Sessions/Remove", request, session_pb2.RemoveSessionReply)
    return code
