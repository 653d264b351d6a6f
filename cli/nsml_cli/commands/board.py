"""`nsml board`: competitions on datasets."""

from typing import Any

import click

from nsml_cli import complete, leaderboard, options, output
from nsml_cli.client import open_client
from nsml_cli.exits import ExitCode
from nsml_cli.output import Column
from nsml_cli.text import clock, when
from nsml_protos.board_pb2 import CreateBoardReply, SubmissionsReply

_SHOW = "show"
_LIST = (
    Column("Name"),
    Column("Dataset"),
    Column("Metric"),
    Column("State"),
    Column("Ends"),
    Column("Owner"),
    Column("Description", may_cut=True),
)
_name = click.argument("name", metavar="NAME")
_private = click.option("--private/--public", default=False, help="Which ranking; public.")


class _Group(click.Group):
    """A name that is no command is a board's, which is shown."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in self.commands or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        return _SHOW, self.commands[_SHOW], args


@click.group(cls=_Group, no_args_is_help=True)
def board() -> None:
    """Boards: competitions on datasets. `nsml board NAME` shows a ranking."""


@board.command(_SHOW, hidden=True)
@_name
@_private
@click.option("--csv", "as_csv", is_flag=True, help="For spreadsheets.")
@click.option("--mine", is_flag=True, help="Your own submissions instead, and their scores.")
@click.option("--all", "-a", "everybody", is_flag=True, help="Everybody's; for the board's owner.")
@click.option(
    "--failures", is_flag=True, help="What evaluations printed that failed; for the board's owner."
)
@click.option("--cheer", metavar="OWNER", default="", help="Cheer a contestant, once.")
@click.option("--uncheer", metavar="OWNER", default="", help="Take that back.")
@options.as_json
def show(
    *, name: str, private: bool, as_json: bool, cheer: str, uncheer: str, **wanted: bool
) -> None:
    """Show the ranking of a board: the best of each, best first; of equals, who was first."""
    boards = open_client().boards
    if uncheer:
        boards.cheer(name, uncheer, withdraw=True)
    if cheer:
        boards.cheer(name, cheer)
    if wanted["failures"]:
        leaderboard.failures(boards.submissions(name, "*", failures=True).entrants, as_json=as_json)
        return
    if wanted["mine"] or wanted["everybody"]:
        found = boards.submissions(name, "*" if wanted["everybody"] else "")
        _show_submissions(found, as_json=as_json)
        return
    ranked = boards.ranking(name, private=private)
    if as_json:
        output.as_json([leaderboard.standing(one) for one in ranked.standings])
    elif wanted["as_csv"]:
        leaderboard.as_csv(ranked.standings)
    else:
        leaderboard.show(ranked, private=private)


def _show_submissions(reply: SubmissionsReply, *, as_json: bool) -> None:
    if as_json:
        output.as_json([leaderboard.entrant(one) for one in reply.entrants])
        return
    leaderboard.mine(reply.entrants)
    if reply.HasField("next"):
        output.note(f"The next submission is possible at {clock(reply.next)}.")


@board.command("ls")
@click.argument("pattern", metavar="[PATTERN]", default="")
@options.as_json
def list_all(*, pattern: str, as_json: bool) -> None:
    """List the boards that you can see."""
    found = open_client().boards.ls(pattern)
    if as_json:
        output.as_json([leaderboard.board(one) for one in found])
        return
    rows = [
        [
            one.name,
            f"{one.terms.dataset}@{one.revision.number}",
            one.terms.metric,
            leaderboard.state(one),
            when(one.terms.end),
            one.owner,
            one.terms.description,
        ]
        for one in found
    ]
    output.table(
        _LIST, rows, "There are no boards: `nsml board create NAME -f board.yml` opens one."
    )


_file = click.option(
    *("--file", "-f", "file"),
    metavar="FILE.yml",
    default="",
    shell_complete=complete.files,
    help="Its terms; see docs/competitions.md.",
)


@board.command()
@_name
@_file
@click.pass_context
def create(context: click.Context, *, name: str, file: str) -> None:
    """Open a board on a dataset that was pushed with -l; what is missing is said first."""
    from nsml_cli import boardfile

    context.exit(_tell(open_client().boards.create(name, boardfile.read(file)), name))


@board.command()
@_name
@_file
@click.option(
    "--sample",
    metavar="PREDICTION",
    default="",
    shell_complete=complete.files,
    help="Judge this on the board that there is, and show what the evaluation says.",
)
@click.pass_context
def check(context: click.Context, *, name: str, file: str, sample: str) -> None:
    """Say what a board would lack, or judge a sample prediction before anybody competes."""
    from nsml_cli import boardfile

    client = open_client()
    if sample:
        from nsml_cli.follow import Follower

        context.exit(Follower(client, client.boards.judge(name, sample).name).run())
    context.exit(_tell(client.boards.check(name, boardfile.read(file)), name))


def _tell(reply: CreateBoardReply, name: str) -> ExitCode:
    for sentence in reply.advice:
        output.note(sentence)
    for sentence in reply.missing:
        output.fail(sentence, "Missing")
    if reply.missing:
        return ExitCode.REFUSED
    opened = reply.board.name
    output.show(f"Board {opened} is open" if opened else f"Board {name} lacks nothing")
    return ExitCode.OK


@board.command()
@_name
@_file
@click.option("--revision", metavar="N", type=options.Count(1), help="Of the dataset.")
def change(*, name: str, file: str, revision: int | None) -> None:
    """Agree on other terms, or predict and judge by another revision of the dataset."""
    from nsml_cli import boardfile

    terms = boardfile.read(file) if file else None
    one = open_client().boards.change(name, terms=terms, revision=revision or 0)
    output.show(f"Board {one.name} is on {one.terms.dataset}@{one.revision.number}")


@board.command()
@_name
@click.pass_context
def rescore(context: click.Context, *, name: str) -> None:
    """Judge again all that was predicted, by the newest revision of the dataset."""
    from nsml_cli.follow import Follower

    client = open_client()
    dataset = client.datasets.get(client.boards.get(name).terms.dataset)
    client.boards.change(name, revision=dataset.revisions[-1].number)
    context.exit(Follower(client, client.boards.judge(name).name).run())


@board.command()
@_name
@click.option("--thaw", is_flag=True, help="Go on again.")
def freeze(*, name: str, thaw: bool) -> None:
    """Show others the ranking as it stands now; submissions go on."""
    open_client().boards.freeze(name, thaw=thaw)
    output.show(f"Board {name} is {'thawed' if thaw else 'frozen'}")


@board.command()
@_name
def reveal(*, name: str) -> None:
    """Show everybody the private ranking, and what was frozen."""
    open_client().boards.reveal(name)
    output.show(f"Board {name} is revealed")


@board.command()
@_name
@options.as_json
@click.pass_context
def verify(context: click.Context, *, name: str, as_json: bool) -> None:
    """Recompute the ranking from the log, and say whether it is the one that is shown."""
    found = open_client().boards.verify(name)
    if as_json:
        output.as_json({
            "entries": found.entries,
            "submissions": found.submissions,
            "head": found.head,
            "problems": list(found.problems),
            "standings": [leaderboard.standing(one) for one in found.standings],
        })  # fmt: skip
    else:
        leaderboard.table(found.standings)
        output.note(f"{found.entries} entries, {found.submissions} submissions; head {found.head}")
    for problem in found.problems:
        output.fail(problem)
    if found.problems:
        context.exit(ExitCode.REFUSED)
    output.note(f"The ranking of {name} follows from the log.")


@board.command()
@click.argument("boards", metavar="NAME...", nargs=-1, required=True)
@_private
@options.as_json
def overall(*, boards: tuple[str, ...], private: bool, as_json: bool) -> None:
    """Rank over several boards, by the mean of the ranks."""
    found = open_client().boards.overall(boards, private=private)
    shapes: list[dict[str, Any]] = [
        {
            "rank": one.rank,
            "owner": one.owner,
            "mean_rank": one.mean_rank,
            "ranks": {name: rank or None for name, rank in zip(boards, one.ranks, strict=True)},
        }
        for one in found
    ]
    if as_json:
        output.as_json(shapes)
        return
    columns = [Column("Rank", right=True), Column("Name"), Column("Mean", right=True)]
    columns += [Column(name, right=True) for name in boards]
    rows = [
        [str(one.rank), one.owner, f"{one.mean_rank:.2f}", *(str(rank or "") for rank in one.ranks)]
        for one in found
    ]
    output.table(columns, rows, "Nobody has submitted yet.")
