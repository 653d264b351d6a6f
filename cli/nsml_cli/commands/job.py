"""`nsml job`: sessions by the commands that PeriFlow had for its jobs."""

import click

from nsml_cli.commands import logs, ps, run, session, show


@click.group(no_args_is_help=True)
def job() -> None:
    """Sessions, by the commands that PeriFlow had for its jobs."""


job.add_command(run.run, "run")
job.add_command(ps.ps, "list")
job.add_command(show.show, "view")
job.add_command(session.stop, "stop")
job.add_command(session.rm, "delete")
job.add_command(logs.logs, "log")
