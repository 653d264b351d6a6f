"""A ranking on the screen: as it always was, and who is cheered once anybody is."""

import pytest

from nsml_cli import leaderboard
from nsml_protos.board_pb2 import Standing

ANN = Standing(rank=1, owner="ann", score=0.5, source="ann/kin/1", checkpoint="2", count=1)
BOB = Standing(rank=2, owner="bob", score=0.25, source="bob/kin/1", checkpoint="9", count=3)


def shown(capsys: pytest.CaptureFixture[str], *standings: Standing) -> list[list[str]]:
    leaderboard.table(standings)
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_nobody_is_cheered(capsys: pytest.CaptureFixture[str]) -> None:
    titles, ann, _ = shown(capsys, ANN, BOB)

    assert titles == ["Rank", "Name", "Score", "Model", "Count", "Last", "Submit"]
    assert ann[:5] == ["1", "ann", "0.5", "ann/kin/1/2", "1"]


def test_somebody_is_cheered(capsys: pytest.CaptureFixture[str]) -> None:
    cheered = Standing(cheers=2, cheered=True)
    cheered.MergeFrom(BOB)

    titles, ann, bob = shown(capsys, ANN, cheered)

    assert titles[-1] == "Cheers"
    assert ann[-1] == "0"
    assert bob[-2:] == ["2", "♥"]
