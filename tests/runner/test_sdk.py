"""Training code and the runner talk through the SDK: checkpoints, metrics, and nonsense."""

import json
from array import array
from base64 import b64encode
from typing import Any

import pytest

from nsml_core.errors import Invalid
from nsml_protos import session_pb2
from nsml_runner import messages
from nsml_runner.messages import Load, Reports, Save
from tests.runner.conftest import Platform
from tests.runner.recorder import Told

SAVE = """
import pathlib, nsml
state = {"weight": 0}

def save(path):
    pathlib.Path(path, "model.txt").write_text(str(state["weight"]))

def load(path):
    state["weight"] = int(pathlib.Path(path, "model.txt").read_text())

nsml.bind(save=save, load=load)
"""


def points(told: Told) -> dict[str, list[tuple[float, float]]]:
    found: dict[str, list[tuple[float, float]]] = {}
    for frame in told.frames:
        each = frame.points
        for index, step, value in zip(each.series_index, each.steps, each.values, strict=True):
            found.setdefault(each.series[index], []).append((step, value))
    return found


def summary(told: Told) -> dict[str, float]:
    latest: dict[str, float] = {}
    for frame in told.frames:
        latest.update(frame.points.summary)
    return latest


async def test_reported_numbers_arrive_as_columns(platform: Platform) -> None:
    told = await platform.run(
        "import nsml\n"
        "for epoch in range(3):\n"
        "    nsml.report(summary=True, step=epoch * 10, train__loss=1.0 / (epoch + 1))\n"
        "    nsml.report(accuracy=epoch)"
    )

    assert points(told) == {
        "train/loss": [(0, 1.0), (10, 0.5), (20, 1 / 3)],
        "accuracy": [(0, 0), (1, 1), (2, 2)],
    }
    assert summary(told) == {"train/loss": 1 / 3}


async def test_many_reports_arrive_without_a_loss(platform: Platform) -> None:
    # What is saved is saved after what was reported: so no more waits than the queue holds.
    told = await platform.run(
        SAVE + "for step in range(30_000):\n"
        "    nsml.report(step=step, loss=step)\n"
        "    if step % 5000 == 0: nsml.save('now')"
    )

    arrived = points(told)["loss"]
    assert len(arrived) == 30_000
    assert arrived == [(step, step) for step in range(30_000)]


async def test_saved_checkpoints_are_stored_in_order(platform: Platform) -> None:
    told = await platform.run(
        SAVE + "for state['weight'] in range(3):\n"
        "    nsml.report(summary=True, loss=state['weight'] / 2)\n"
        "    nsml.save(state['weight'])\n"
        "nsml.save('best')"
    )
    trees = [await platform.push_files({"model.txt": str(weight)}) for weight in (0, 1, 2, 2)]

    assert [checkpoint.name for checkpoint in told.checkpoints] == ["0", "1", "2", "best"]
    assert [checkpoint.tree for checkpoint in told.checkpoints] == trees
    assert [checkpoint.step for checkpoint in told.checkpoints[:3]] == [0, 1, 2]
    assert not told.checkpoints[3].HasField("step")
    assert [dict(each.summary) for each in told.checkpoints[:2]] == [{"loss": 0}, {"loss": 0.5}]
    assert (told.checkpoints[0].files, told.checkpoints[0].bytes) == (1, 1)


async def test_a_checkpoint_can_be_loaded_before_it_is_stored(platform: Platform) -> None:
    name = await platform.assign(
        "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.01)\n"
        + SAVE
        + "for state['weight'] in (1, 2): nsml.save(state['weight'])\n"
        "state['weight'] = 0; nsml.load(1); print(state['weight'])\n"
        "state['weight'] = 0; nsml.load(); print(state['weight'])\n"
    )
    told = await platform.start(name)
    await told.until(lambda told: told.started)
    await platform.shut("dataset")
    (platform.work(name) / "code" / "go").touch()
    await told.until(lambda told: told.output() == b"1\n2\n")

    assert told.checkpoints == []
    await platform.open("dataset")

    assert await platform.runners[name].ended() == 0
    assert [checkpoint.name for checkpoint in told.checkpoints] == ["1", "2"]


async def test_what_is_loaded_may_be_changed_without_harm(platform: Platform) -> None:
    told = await platform.run(
        "import pathlib, nsml\n"
        "nsml.bind(save=lambda path: pathlib.Path(path, 'w').write_text('good'))\n"
        "nsml.save(1)\n"
        "nsml.load(1, load_fn=lambda path: pathlib.Path(path, 'w').write_text('bad'))\n"
        "nsml.load(1, load_fn=lambda path: print(pathlib.Path(path, 'w').read_text()))"
    )

    assert told.output() == b"good\n"
    assert told.checkpoints[0].tree == await platform.push_files({"w": "good"})


async def test_a_checkpoint_of_another_session_is_fetched(platform: Platform) -> None:
    first = await platform.run(SAVE + "state['weight'] = 7\nnsml.save(10)")
    other = first.assignment.session.name
    told = await platform.run(SAVE + f"nsml.load(10, session={other!r}); print(state['weight'])")

    assert told.output() == b"7\n"


@pytest.mark.parametrize("mode", ["", "infer"])
async def test_what_it_goes_on_from_is_not_what_it_has_saved_under_that_name_since(
    platform: Platform, mode: str
) -> None:
    first = await platform.run(SAVE + "state['weight'] = 7\nnsml.save('best')")
    name = await platform.assign(
        SAVE + "import sys; print(sys.argv[1:])  # mode, pause, iteration\n"
        "nsml.save('best'); nsml.paused(); print(state['weight']); nsml.load('best')\n"
        "print(state['weight'])",
        args=["--mode", mode] if mode else [],
    )
    forked = platform.recorder.told[name].assignment.session
    forked.start.CopyFrom(first.checkpoints[0])
    forked.parent.session = first.assignment.session.name
    told = await platform.start(name)
    assert await platform.runners[name].ended() == 0

    argv = f"['--mode', '{mode or 'train'}', '--pause', '1', '--iteration', 'best']\n"
    assert told.output().decode() == argv + ("" if mode else "7\n0\n")


async def test_a_checkpoint_that_is_not_there_is_told_to_the_code(platform: Platform) -> None:
    told = await platform.run(SAVE + "nsml.load(99)")

    assert told.outcome.exit_code == 1
    assert told.outcome.message.startswith("FileNotFoundError: ")
    assert "99" in told.outcome.message


NONSENSE = """
import json, os, socket
connection = socket.socket(socket.AF_UNIX)
connection.connect(os.environ["NSML_SOCKET"])
answers = connection.makefile("rb")

def ask(message):
    connection.sendall(json.dumps(message).encode() + b"\\n")
    return json.loads(answers.readline())
"""


async def test_nonsense_is_ignored_and_mentioned(platform: Platform) -> None:
    told = await platform.run(
        NONSENSE + "for line in (b'{', b'[]', b'{}', b'\\xff', b'[' * 100_000,"
        ' b\'{"op":"report","values":{"a":"b"}}\', b\'{"op":"dance"}\'):\n'
        "    connection.sendall(line + b'\\n')\n"
        'connection.sendall(b\'{"op":"report","values":{"a":1}}\\n\')\n'
        "connection.shutdown(socket.SHUT_WR); answers.read()\n"
    )

    assert points(told) == {"a": [(0, 1)]}
    lines = told.output(session_pb2.PLATFORM).decode().splitlines()
    assert len(lines) == 7
    assert {line.split(":")[0] for line in lines} == {"A message to the platform was ignored"}


async def test_a_message_without_an_end_costs_its_connection_only(platform: Platform) -> None:
    told = await platform.run(
        NONSENSE + "try:\n"
        "    connection.sendall(b'x' * 5_000_000)\n"
        "except OSError: pass\n"
        "import nsml; nsml.report(a=1)"
    )

    assert points(told) == {"a": [(0, 1)]}
    assert b"longer than" in told.output(session_pb2.PLATFORM)


async def test_only_folders_made_for_it_can_be_saved(platform: Platform) -> None:
    told = await platform.run(
        NONSENSE + "scratch = os.environ['NSML_CHECKPOINT_DIR']\n"
        "os.makedirs('mine'); os.symlink('/etc', scratch + '/link')\n"
        "for path in ('/etc', os.path.abspath('mine'), scratch, scratch + '/../spool',\n"
        "             scratch + '/link', scratch + '/none', 'mine'):\n"
        "    print(ask({'op': 'save', 'id': 1, 'name': 'x', 'path': path})['ok'])\n"
        "print(ask({'op': 'save', 'id': 2, 'name': '../x', 'path': scratch})['ok'])\n"
        "print(ask({'op': 'keep', 'id': 3, 'key': '../../x', 'path': scratch})['ok'])\n"
        "print(ask({'op': 'keep', 'id': 3, 'key': 'a' * 64, 'path': '/etc'})['ok'])\n"
        "print(ask({'op': 'fetch', 'id': 4, 'key': '../../x'})['ok'])"
    )

    assert told.output().split() == [b"False"] * 11
    assert told.checkpoints == []


def columns(**changed: Any) -> bytes:
    """One report of two series as columns, with something changed."""
    whole = {
        "names": [["a", "b"]],
        "which": [0],
        "steps": [1.0],
        "times": [5],
        "values": [2.0, 3.0],
    }
    given = {**whole, **changed}
    kinds = {"which": "I", "steps": "d", "times": "q", "values": "d"}
    sent = {name: b64encode(array(kind, given[name])).decode() for name, kind in kinds.items()}
    return json.dumps({"op": "points", "summary": {}, "names": given["names"], **sent}).encode()


def test_columns_are_understood() -> None:
    found = messages.parse(columns())

    assert isinstance(found, Reports)
    assert (found.names, list(found.which), list(found.steps)) == ([("a", "b")], [0], [1.0])
    assert (list(found.times_us), list(found.values)) == ([5], [2.0, 3.0])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            {"op": "report", "step": 3, "time": 2.5, "values": {"a": 1}, "summary": True},
            Reports([("a",)], [0], [3.0], [2_500_000], [1.0], {"a": 1.0}),
        ),
        (
            {"op": "report", "step": 4, "time": 1e300, "values": {"a": 1}},
            Reports([("a",)], [0], [4.0], [0], [1.0], {}),
        ),
        (
            {"op": "save", "id": 4, "name": "10", "step": 10, "path": "/x"},
            Save(4, "10", 10.0, "/x"),
        ),
        ({"op": "load", "id": 5, "name": None, "session": None}, Load(5, None, None)),
        ({"op": "load", "id": 6, "name": "a", "session": "u/d/1"}, Load(6, "a", "u/d/1")),
        ({"op": "load", "id": 7, "name": "a", "start": True}, Load(7, "a", None, start=True)),
    ],
)
def test_messages_are_understood(line: dict[str, Any], message: object) -> None:
    assert messages.parse(json.dumps(line).encode()) == message


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"1" * 5000,
        b'{"op":"report","values":{"a":' + b"9" * 400 + b"}}",
        json.dumps({"op": "report", "values": {"x" * 201: 1}}).encode(),
        json.dumps({"op": "report", "values": dict.fromkeys(map(str, range(1001)), 1)}).encode(),
        b'{"op":"load","id":"1","name":null}',
        columns(which=[1]),
        columns(which=[0, 0]),
        columns(steps=[]),
        columns(times=[-1]),
        columns(values=[1.0]),
        columns(names=[["a", ""]]),
        columns(names=[["a", 7]]),
        columns(which=[]),
        columns().replace(b'"steps": "', b'"steps": "AA'),
        columns().replace(b'"steps": "', b'"steps": "\xc3\xa9'),
        b'{"op":"record","kind":"dance","name":"a","data":""}',
        b'{"op":"record","kind":"text","name":"a","data":"a"}',
    ],
)
def test_what_is_too_much_or_misformed_is_refused(line: bytes) -> None:
    with pytest.raises(Invalid):
        messages.parse(line)
