"""Who is where on a board: pure, so that everybody who has the events gets the same."""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import chain

from nsml_protos.board_pb2 import (
    PRIVATE_SHARE,
    Board,
    Contestant,
    OverallStanding,
    Share,
    Standing,
    Submission,
    Terms,
)


def standings(
    board: Board, contestants: Iterable[Contestant], share: "Share.ValueType"
) -> list[Standing]:
    """Return the best of each contestant, best first; of equals, who submitted first.

    The private ranking is of the submissions that are best in public: nobody gains by luck there.
    """
    found = [
        (one, best) for one in contestants if (best := best_of(board, one)) and _has(best, share)
    ]
    found.sort(key=lambda pair: _order(board, pair[1], share))
    return [_standing(rank, one, best, share) for rank, (one, best) in enumerate(found, 1)]


def best_of(board: Board, contestant: Contestant) -> Submission | None:
    """Return the submission that counts for a contestant; None before the first score."""
    scored = [one for one in contestant.submissions if one.stage == Submission.SCORED]
    return min(scored, key=lambda one: _order(board, one, Share.PUBLIC_SHARE), default=None)


def _order(board: Board, one: Submission, share: "Share.ValueType") -> tuple[float, int, str]:
    value = _value(one, share)
    is_lower_better = board.terms.direction == Terms.LOWER
    return (value if is_lower_better else -value, one.entered.ToNanoseconds(), one.id)


def _has(one: Submission, share: "Share.ValueType") -> bool:
    return share != PRIVATE_SHARE or one.scores[-1].HasField("private")


def _value(one: Submission, share: "Share.ValueType") -> float:
    last = one.scores[-1]
    return last.private if share == PRIVATE_SHARE else last.value


def _standing(
    rank: int, contestant: Contestant, best: Submission, share: "Share.ValueType"
) -> Standing:
    scored = [one for one in contestant.submissions if one.stage == Submission.SCORED]
    last = max(scored, key=lambda one: one.entered.ToNanoseconds())
    origin = best.origin
    return Standing(
        rank=rank,
        owner=contestant.owner,
        score=_value(best, share),
        count=len(scored),
        best=best.entered,
        last=last.entered,
        submission=best.session,
        source=origin.source,
        checkpoint=origin.checkpoint,
        data=origin.data,
        code_hash=commitment(origin.code_tree),
        data_hash=commitment(origin.data_tree),
        checkpoint_hash=commitment(origin.checkpoint_tree),
        evaluation_hash=commitment(best.scores[-1].evaluation),
        scores=len(best.scores),
    )


def cheered(
    standings: Iterable[Standing], contestants: Iterable[Contestant], asker: str
) -> list[Standing]:
    """Return a ranking with how many cheer each contestant, and whether who asks does.

    Who else does stays with them.
    """
    cheers = {one.owner: one.cheers for one in contestants}
    found = []
    for one in standings:
        shown = Standing(cheers=len(cheers[one.owner]), cheered=asker in cheers[one.owner])
        shown.MergeFrom(one)
        found.append(shown)
    return found


def commitment(tree: str) -> str:
    """Name a tree without its id: whoever has the tree can tell that it is the one."""
    return hashlib.sha256(f"nsml {tree}".encode()).hexdigest() if tree else ""


def as_it_stood(contestant: Contestant, time: datetime) -> Contestant:
    """Return what a contestant had been scored by a time; people go on cheering."""
    then = Contestant(board=contestant.board, owner=contestant.owner, cheers=contestant.cheers)
    for one in contestant.submissions:
        if one.stage != Submission.SCORED or one.ended.ToDatetime(UTC) > time:
            continue
        kept = then.submissions.add()
        kept.CopyFrom(one)
        del kept.scores[:]
        kept.scores.extend(each for each in one.scores if each.time.ToDatetime(UTC) <= time)
    return then


def overall(rankings: Sequence[Sequence[Standing]]) -> list[OverallStanding]:
    """Return the ranking over several boards, by the mean of the ranks.

    Who is not on a board is counted there as one below its last.
    """
    owners = dict.fromkeys(each.owner for each in chain.from_iterable(rankings))
    places = [{each.owner: each.rank for each in ranking} for ranking in rankings]
    found = []
    for owner in owners:
        counted = [ranks.get(owner, len(ranks) + 1) for ranks in places]
        mean = sum(counted) / len(counted)
        shown = [ranks.get(owner, 0) for ranks in places]
        found.append(OverallStanding(owner=owner, mean_rank=mean, ranks=shown))
    found.sort(key=lambda one: (one.mean_rank, one.owner))
    for one in found:
        one.rank = 1 + sum(other.mean_rank < one.mean_rank for other in found)
    return found
