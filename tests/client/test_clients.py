"""What is of one client only, or of neither: loops, threads, notebooks, what is not there."""

import asyncio
import inspect
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import assert_type

import pandas as pd  # type: ignore[import-untyped] # it ships no types; one test asks for a frame
import pytest

from nsml.client import Async, AsyncClient, Client, Session, Sync, connect, errors
from nsml_client import access, columns
from nsml_client.logs import Line
from nsml_core.settings import Settings, read
from nsml_protos.session_pb2 import Series
from tests.platform.platforms import Platform

ASKING = """
import pathlib, sys, time
print("may I end?", flush=True)
while not pathlib.Path(sys.argv[1]).exists():
    time.sleep(0.02)
print("thank you")
"""


async def test_who_follows_keeps_nobody_waiting(settings: Settings, here: Platform) -> None:
    """Each session ends only when another task of the same loop has heard of it."""
    async with AsyncClient(settings) as client:

        async def converse(number: int) -> list[str]:
            go = here.folder / f"may-{number}"
            session = await client.sessions.run(here.code(ASKING), args=[str(go)], gpus=0)
            texts = []
            async for line in session.logs(follow=True):
                texts.append(line.text)
                if line.text == "may I end?":
                    go.touch()
            return texts

        said = await asyncio.gather(*(converse(number) for number in range(3)))

    for texts in said:
        assert texts[-2:] == ["may I end?", "thank you"]


async def test_following_can_be_given_up(settings: Settings, here: Platform) -> None:
    async with AsyncClient(settings) as client:
        session = await client.sessions.run(here.code(ASKING), args=["/none"], gpus=0)
        assert_type(session, Session[Async])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await session.wait()
        async for line in session.logs(follow=True):
            if line.text == "may I end?":
                break
        await session.stop()
        assert (await session.wait()).status == "Stopped"


def test_a_session_is_followed_to_its_end(settings: Settings, here: Platform) -> None:
    go = here.folder / "may-block"
    with connect(settings) as client:
        session = client.sessions.run(here.code(ASKING), args=[str(go)], gpus=0)
        assert_type(session, Session[Sync])
        for line in session.logs(follow=True):
            assert_type(line, Line)
            break
        texts = []
        for line in session.logs(follow=True):
            texts.append(line.text)
            go.touch()

    assert texts[-1] == "thank you"


def test_threads_share_a_client(settings: Settings) -> None:
    with Client(settings) as client, ThreadPoolExecutor(8) as threads:
        names = list(threads.map(lambda _: client.whoami().name, range(40)))
        counted = list(threads.map(lambda _: len(client.cluster().nodes), range(40)))

    assert (set(names), set(counted)) == ({"ann"}, {1})


def test_methods_tell_what_they_take(settings: Settings) -> None:
    for client in (Client(settings), AsyncClient(settings)):
        run = client.sessions.run
        assert next(iter(inspect.signature(run).parameters)) == "folder"
        assert (run.__doc__ or "").startswith("Run the code in a folder")
        assert inspect.iscoroutinefunction(run) == isinstance(client, AsyncClient)


def test_the_same_key_runs_once(settings: Settings, here: Platform) -> None:
    with Client(settings) as client:
        code = here.code("print(1)")
        first, again = (client.sessions.run(code, gpus=0, key="once").name for _ in range(2))
        other = client.sessions.run(code, gpus=0).name

    assert first == again != other


def test_what_one_client_wrote_another_sees(settings: Settings, folder: Path) -> None:
    async def push() -> str:
        async with AsyncClient(settings) as client:
            return str(await client.datasets.push("seen", folder))

    pushed = asyncio.run(push())
    with Client(settings) as client:
        assert [f"{one.name}@1" for one in client.datasets.ls("seen")] == [pushed]
        client.datasets.rm("seen")


def test_a_stranger_is_not_let_in(settings: Settings) -> None:
    with pytest.raises(errors.Unauthenticated):
        connect(settings, token="nonsense")  # noqa: S106 - it is none


async def test_nothing_runs_here(tmp_path: Path) -> None:
    nowhere = read({"NSML_HOME": str(tmp_path)})
    with pytest.raises(errors.Unavailable, match="NSML is not running here"):
        connect(nowhere)
    (tmp_path / "token").write_text("t")
    elsewhere = replace(nowhere, addresses={**nowhere.addresses, "identity": "localhost:1"})
    for settings, sentence in ((nowhere, "is not running here"), (elsewhere, "is it up?")):
        with pytest.raises(errors.Unavailable, match=sentence):
            connect(settings)
        async with AsyncClient(settings) as client:
            with pytest.raises(errors.Unavailable, match=sentence):
                await client.whoami()


def test_without_the_extra_one_sentence_says_how_to_get_it() -> None:
    blocked = (
        "import sys\n"
        "class Nothing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'nsml_client':\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Nothing())\n"
        "import nsml\n"
        "import nsml.client\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", blocked], capture_output=True, text=True, check=False
    )

    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: nsml.client is an extra: `pip install 'nsml[cli")
    assert "Traceback" not in done.stderr.partition("ModuleNotFoundError")[2]


LOSSES = [Series(name="loss", steps=[0, 1], times_us=[1, 2], values=[0.5, float("nan")])]


def test_metrics_are_a_data_frame_where_pandas_is_installed() -> None:
    frame = columns.columns(LOSSES, in_buckets=False)

    assert isinstance(frame, pd.DataFrame)
    assert list(frame.columns) == ["series", "step", "value", "time"]
    assert str(frame["time"].dtype) == "datetime64[us, UTC]"
    assert frame.query("series == 'loss' and step == 0")["value"].to_list() == [0.5]


def test_metrics_are_lists_where_pandas_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)

    told = columns.columns(LOSSES, in_buckets=False)

    assert [told[name] for name in ("series", "step")] == [["loss"] * 2, [0, 1]]
    assert told["time"][1] - told["time"][0] == timedelta(microseconds=1)


def test_what_came_too_late_is_not_taken_for_the_next_answer(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection on which something may still come is not used again."""
    with Client(settings) as client:
        assert client.whoami().name == "ann"
        monkeypatch.setattr(access, "TIMEOUT_SECONDS", 0.0)
        with pytest.raises(errors.Unavailable, match="no answer"):
            client.whoami()
        monkeypatch.undo()
        assert [client.whoami().name for _ in range(2)] == ["ann", "ann"]
