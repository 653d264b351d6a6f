"""Boards as the command line shows them; docs/cli.md describes the JSON shapes."""

import csv
import sys
from collections.abc import Sequence

from nsml_cli import output
from nsml_cli.output import Column
from nsml_cli.sessions import Shape
from nsml_cli.text import clock, iso, when
from nsml_protos.board_pb2 import Board, Entrant, RankingReply, Score, Standing, Submission, Terms

RANKING = (
    Column("Rank", right=True),
    Column("Name"),
    Column("Score", right=True),
    Column("Model"),
    Column("Count", right=True),
    Column("Last Submit"),
)
CHEERS = Column("Cheers", right=True)
MINE = (
    Column("Submission"),
    Column("Model"),
    Column("Submitted"),
    Column("Status"),
    Column("Score", right=True),
    Column("Best"),
    Column("Reason", may_cut=True),
)
_STAGES = {
    Submission.PENDING: "Pending",
    Submission.SCORED: "Scored",
    Submission.REJECTED: "Rejected",
}


def show(reply: RankingReply, *, private: bool) -> None:
    """Show a ranking, and under what terms it stands."""
    board = reply.board
    share = "private" if private else "public"
    better = "lower" if board.terms.direction == Terms.LOWER else "higher"
    frozen = f", frozen at {clock(reply.as_of)}" if reply.HasField("as_of") else ""
    output.note(f"{board.name}: {board.terms.metric}, {better} is better ({share}{frozen})")
    table(reply.standings)


def table(standings: Sequence[Standing]) -> None:
    """Show a ranking, and how many cheer each once anybody does."""
    is_cheered = any(one.cheers for one in standings)
    columns = [*RANKING, CHEERS] if is_cheered else RANKING
    rows = [[*_cells(one), *([_cheers(one)] if is_cheered else [])] for one in standings]
    output.table(columns, rows, "Nobody has submitted yet.")


def _cheers(one: Standing) -> str:
    return f"{one.cheers}{' ♥' if one.cheered else ''}"


def _cells(one: Standing) -> list[str]:
    return [
        str(one.rank),
        one.owner,
        repr(one.score),
        f"{one.source}/{one.checkpoint}",
        str(one.count),
        when(one.last),
    ]


def as_csv(standings: Sequence[Standing]) -> None:
    """Write a ranking for spreadsheets."""
    shapes = [standing(one) for one in standings]
    writer = csv.DictWriter(sys.stdout, list(standing(Standing())), lineterminator="\n")
    writer.writeheader()
    writer.writerows(shapes)


def standing(one: Standing) -> Shape:
    """Return one line of a ranking."""
    return {
        "rank": one.rank,
        "owner": one.owner,
        "score": one.score,
        "count": one.count,
        "submitted": iso(one.best),
        "last_submitted": iso(one.last),
        "submission": one.submission,
        "session": one.source,
        "checkpoint": one.checkpoint,
        "data": one.data,
        "code_hash": one.code_hash,
        "data_hash": one.data_hash,
        "checkpoint_hash": one.checkpoint_hash,
        "evaluation_hash": one.evaluation_hash,
        "times_judged": one.scores,
        "cheers": one.cheers,
        "cheered": one.cheered,
    }


def mine(entrants: Sequence[Entrant]) -> None:
    output.table(MINE, [_entrant_cells(one) for one in entrants], "You have submitted nothing yet.")


def failures(entrants: Sequence[Entrant], *, as_json: bool) -> None:
    """Show what the evaluations of submissions printed, for each that failed."""
    if as_json:
        output.as_json([{**entrant(one), "printed": one.printed} for one in entrants])
        return
    if not entrants:
        output.note("No evaluation has failed.")
    for one in entrants:
        each = one.submission
        output.title(f"{each.session} ({each.origin.source}/{each.origin.checkpoint})")
        for line in (each.reason, *one.printed.splitlines()):
            output.show(f"  {line}")


def _entrant_cells(one: Entrant) -> list[str]:
    each = one.submission
    return [
        each.session,
        f"{each.origin.source}/{each.origin.checkpoint}",
        when(each.entered),
        _STAGES[each.stage],
        " → ".join(_score(score) for score in each.scores),
        "best" if one.is_best else "",
        each.reason,
    ]


def _score(score: Score) -> str:
    return (
        f"{score.value!r} ({score.private!r})" if score.HasField("private") else repr(score.value)
    )


def entrant(one: Entrant) -> Shape:
    """Return one submission."""
    each = one.submission
    origin = each.origin
    return {
        "owner": one.owner,
        "submission": each.session,
        "status": _STAGES[each.stage],
        "reason": each.reason,
        "best": one.is_best,
        "submitted": iso(each.entered),
        "ended": iso(each.ended),
        "scores": [
            {
                "public": score.value,
                "private": score.private if score.HasField("private") else None,
                "time": iso(score.time),
                "revision": score.revision,
                "evaluation_hash": score.evaluation,
                "labels_hash": score.labels,
            }
            for score in each.scores
        ],
        "session": origin.source,
        "checkpoint": origin.checkpoint,
        "event": origin.sequence,
        "data": origin.data,
        "code": origin.code_tree,
        "data_tree": origin.data_tree,
        "checkpoint_tree": origin.checkpoint_tree,
        "prediction_bytes": each.prediction_bytes,
    }


def board(one: Board) -> Shape:
    """Return a board with its terms."""
    terms = one.terms
    return {
        "name": one.name,
        "owner": one.owner,
        "dataset": terms.dataset,
        "revision": one.revision.number,
        "metric": terms.metric,
        "direction": "lower" if terms.direction == Terms.LOWER else "higher",
        "description": terms.description,
        "start": iso(terms.start),
        "end": iso(terms.end),
        "rate": f"{terms.successes}/{terms.window_seconds}s",
        "failures": terms.failures,
        "time_limit_seconds": terms.time_limit_seconds,
        "evaluation_seconds": terms.evaluation_seconds,
        "cpus": terms.cpus,
        "prediction_bytes": terms.prediction_bytes,
        "public_share": terms.public_share,
        "sandbox": terms.sandbox,
        "hold_seconds": terms.hold_seconds,
        "keep_predictions": not terms.forget_predictions,
        "frozen": iso(one.frozen),
        "revealed": iso(one.revealed),
    }


def state(one: Board) -> str:
    """Return what may be seen of a board."""
    if one.HasField("revealed"):
        return "revealed"
    return "frozen" if one.HasField("frozen") else "open"
