"""Scripts of every era run in a session as they are, are forked, and predict."""

import re

import pytest

from nsml_protos import session_pb2
from tests.eras.eras import ERAS, Era
from tests.runner.conftest import Platform
from tests.runner.recorder import Told
from tests.runner.test_sdk import points

NOTES = {
    "kin_2018": "image 'floydhub/pytorch:0.3.0-gpu.cuda8cudnn6-py3.17'.",
    "movie_2018": "image 'nsml/default_ml:latest'.",
    "vision_2018": "image 'nsml/default_ml:tf-1.11_torch-1.0rc'.",
    "nlp_2019": "system packages 'libsndfile1', 'mecab'.",
    "speech_2023": "image 'nova/pytorch:1.12-cuda11.3' and system packages 'ffmpeg'.",
}


def lines(told: Told) -> list[str]:
    return told.output().decode().splitlines()


async def going_on(
    platform: Platform, era: Era, mount: session_pb2.Mount, parent: Told, point: int, *args: str
) -> Told:
    """Run a fork from one of the parent's checkpoints."""
    name = await platform.assign(era.code(), datasets=[mount], args=args)
    session = platform.recorder.told[name].assignment.session
    session.start.CopyFrom(parent.checkpoints[point])
    session.parent.session = parent.assignment.session.name
    told = await platform.start(name)
    assert await platform.runners[name].ended() == 0
    return told


@pytest.mark.parametrize("era", ERAS, ids=lambda era: era.name)
async def test_it_trains_saves_goes_on_and_predicts(platform: Platform, era: Era) -> None:
    tree = await platform.push_files(era.data())
    mount = session_pb2.Mount(dataset="data", revision=1, tree=tree)
    told = await platform.run(era.code(), datasets=[mount])

    assert lines(told)[-1] == era.trained
    saved = [re.sub(r"^\d{8}-\d{6}-\d{3}$", "TIME", point.name) for point in told.checkpoints]
    assert saved == era.saved
    assert told.output(session_pb2.STDERR) == b""
    said = told.output(session_pb2.PLATFORM).decode()
    assert f"Not here: {NOTES[era.name]} " in said
    if era.goes_on:
        point = era.saved.index(era.goes_on[0])
        again = await going_on(platform, era, mount, told, point)
        assert lines(again)[-1] == era.goes_on[1]
    if era.loader:
        submitted = await going_on(platform, era, mount, told, -1, "--mode", "test")
        wanted = await platform.push_files({"prediction": era.prediction})
        assert submitted.outcome.output_tree == wanted
        assert submitted.checkpoints == []


async def test_a_token_is_not_printed_and_what_was_saved_before_paused_is_not_loaded(
    platform: Platform,
) -> None:
    nlp = next(era for era in ERAS if era.name == "nlp_2019")
    mount = session_pb2.Mount(
        dataset="data", revision=1, tree=await platform.push_files(nlp.data())
    )
    told = await platform.run(nlp.code(), datasets=[mount], env={"NSML_NFS_OUTPUT": "1"})
    again = await going_on(platform, nlp, mount, told, 1)

    said = told.output(session_pb2.PLATFORM).decode()

    assert "nsml_package.txt holds a registry's token in plain text" in said
    assert [word for word in ("s3cr3t", "team_x", "registry.example.com") if word in said] == []
    assert points(told)["bleu/val"] == [(0, 0), (1, 10), (2, 20), (3, 30)]
    assert points(told)["loss/val"] == [(1, 2), (2, 1), (3, 2 / 3)]
    assert lines(told) == ["loaded 2", "loaded 0", "world 1 0 shared True"]
    assert lines(again) == ["loaded 2", "loaded 4", "loaded 2", "world 1 0 shared False"]
