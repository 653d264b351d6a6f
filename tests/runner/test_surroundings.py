"""What user code shares with other sessions of its owner, and how its processes meet."""

import pytest

from nsml_protos import session_pb2
from tests.runner.conftest import Platform

CACHED = """
import nsml

def load(data_path, output_path):
    print("made")
    with open(output_path[0], "w") as file:
        file.write(open(data_path + "/x").read())

for _ in range(2):
    nsml.cache(load, data_path=nsml.DATASET_PATH, output_path=["out"])
    print(open("out").read())
"""


async def mount(platform: Platform, content: str, revision: int) -> session_pb2.Mount:
    tree = await platform.push_files({"x": content})
    return session_pb2.Mount(dataset="data", revision=revision, tree=tree)


async def test_what_was_made_of_a_revision_is_made_once(platform: Platform) -> None:
    one, two = await mount(platform, "1", 1), await mount(platform, "2", 2)
    told = [await platform.run(CACHED, datasets=[each]) for each in (one, one, two)]

    assert [each.output() for each in told] == [b"made\n1\n1\n", b"1\n1\n", b"made\n2\n2\n"]


async def test_what_is_kept_and_gone_is_made_again(platform: Platform) -> None:
    data = await mount(platform, "1", 1)
    await platform.run(CACHED, datasets=[data])
    (kept,) = (platform.home / "cache" / "outputs" / "ada").iterdir()
    kept.write_text("0" * 64)
    told = await platform.run(CACHED, datasets=[data])

    assert told.output() == b"made\n1\n1\n"


async def test_another_owner_does_not_get_it(platform: Platform) -> None:
    data = await mount(platform, "1", 1)
    await platform.run(CACHED, datasets=[data])
    name = await platform.assign(CACHED, datasets=[data])
    platform.recorder.told[name].assignment.session.owner = "bob"
    told = await platform.start(name)
    assert await platform.runners[name].ended() == 0

    assert told.output() == b"made\n1\n1\n"


SHARED = """
import os, nsml
path = nsml.NSML_NFS_OUTPUT and os.path.join(nsml.NSML_NFS_OUTPUT, "seen")
print(bool(path), os.path.exists(path))
if path: open(path, "w").close()
"""


async def test_sessions_that_ask_for_it_share_a_folder(platform: Platform) -> None:
    asked = {"NSML_NFS_OUTPUT": "1"}
    told = [await platform.run(SHARED, env=env) for env in (asked, {}, asked)]

    assert [each.output() for each in told] == [b"True False\n", b"False False\n", b"True True\n"]


MEET = """
import socket, nsml
assert nsml.MY_RANK == 0 and nsml.PARALLEL_WORLD == ["127.0.0.1"], nsml.PARALLEL_WORLD
with socket.create_server((nsml.PARALLEL_WORLD[0], nsml.PARALLEL_PORTS[0])):
    print(nsml.GPU_NUM * max(len(nsml.PARALLEL_WORLD), 1))
"""


@pytest.mark.parametrize(("gpus", "script", "printed"), [
    (2, MEET, b"2\n"),
    (1, "import nsml; print(nsml.PARALLEL_WORLD, nsml.PARALLEL_PORTS, nsml.MY_RANK)", b"[] [] 0\n"),
])  # fmt: skip
async def test_processes_meet_where_there_are_several(
    platform: Platform, gpus: int, script: str, printed: bytes
) -> None:
    resources = session_pb2.Resources(gpus=gpus)
    told = await platform.run(script, resources=resources, devices=["0", "1"][:gpus])

    assert told.output() == printed
