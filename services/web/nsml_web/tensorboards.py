"""TensorBoards: one for each session that somebody looks at, started for them, and ended again."""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import OrderedDict
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from nsml_client.aio import AsyncClient
from nsml_client.event_files import EventFile
from nsml_core.errors import Error, Refused, Unavailable
from nsml_protos.session_pb2 import MetricsNews, MetricsRequest

_MOST = 4
"""Each takes 80 MB and more; whoever was looked at longest ago goes."""

_IDLE_SECONDS = 600.0
_LOOK_SECONDS = 0.1
_START_SECONDS = 60.0
_AGAIN_SECONDS = 1.0
_POINTS = 1_000
"""Of each series: TensorBoard itself keeps so many for its charts."""

_BROKEN = "TensorBoard did not start: `nsml tensorboard` on this machine says why."
_KEPT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "VIRTUAL_ENV")


def is_installed() -> bool:
    """Tell whether there is a TensorBoard beside the web."""
    return find_spec("tensorboard") is not None


@dataclass
class Board:
    """A TensorBoard that runs, and what feeds it."""

    folder: Path
    process: Process
    feed: "asyncio.Task[None]"
    asked: float = field(default_factory=time.monotonic)

    @property
    def socket(self) -> Path:
        return self.folder / "socket"

    async def close(self) -> None:
        """End it, and leave nothing of it."""
        self.feed.cancel()
        await asyncio.gather(self.feed, return_exceptions=True)
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)


class TensorBoards:
    """All that run, by their session."""

    def __init__(self) -> None:
        self._boards: OrderedDict[str, asyncio.Task[Board]] = OrderedDict()
        self._tending: asyncio.Task[None] | None = None

    async def socket(self, client: AsyncClient, name: str, path: str) -> Path:
        """Return where the TensorBoard of a session answers; it is started if it does not run."""
        if self._tending is None:
            self._tending = asyncio.create_task(self._tend())
        if name not in self._boards:
            self._boards[name] = asyncio.create_task(_start(client, name, path))
        self._boards.move_to_end(name)
        starting = self._boards[name]
        try:
            board = await asyncio.shield(starting)  # others may wait for it
        except Error:
            if self._boards.get(name) is starting:
                del self._boards[name]
            raise
        board.asked = time.monotonic()
        await self._make_room()
        return board.socket

    async def close(self) -> None:
        """End them all."""
        if self._tending:
            self._tending.cancel()
        while self._boards:
            await self._end(next(iter(self._boards)))

    async def _tend(self) -> None:
        """End those that nobody looks at, and those that nothing feeds any more."""
        while True:
            await asyncio.sleep(_AGAIN_SECONDS)
            for name, starting in list(self._boards.items()):
                if starting.done() and (starting.exception() or _is_over(starting.result())):
                    await self._end(name)

    async def _make_room(self) -> None:
        while len(self._boards) > _MOST:
            await self._end(next(iter(self._boards)))

    async def _end(self, name: str) -> None:
        starting = self._boards.pop(name)
        starting.cancel()
        (found,) = await asyncio.gather(starting, return_exceptions=True)
        if isinstance(found, Board):  # else it never ran, which was told to who asked
            await found.close()


def _is_over(board: Board) -> bool:
    is_idle = time.monotonic() - board.asked > _IDLE_SECONDS
    is_broken = board.feed.done() and board.feed.exception() is not None
    return is_idle or is_broken or board.process.returncode is not None


async def _start(client: AsyncClient, name: str, path: str) -> Board:
    folder = Path(tempfile.mkdtemp(prefix="nsml-web-"))  # nobody else opens it
    run = folder / "runs" / name.replace("/", "-")
    run.mkdir(parents=True)
    environ = {key: os.environ[key] for key in _KEPT if key in os.environ}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nsml_web.tensorboard_program", str(folder), path),
        env={**environ, "TMPDIR": str(folder), "HOME": str(folder)},
        stdin=PIPE,
        stdout=DEVNULL,
        stderr=DEVNULL,
        start_new_session=True,
    )
    board = Board(folder, process, asyncio.create_task(_feed(client, name, run)))
    answers = False
    try:
        await asyncio.wait_for(_until_it_answers(board), _START_SECONDS)
        answers = True
    except TimeoutError:
        raise Refused(_BROKEN) from None
    finally:
        if not answers:
            await board.close()
    return board


async def _until_it_answers(board: Board) -> None:
    while not board.socket.exists():
        if board.process.returncode is not None:
            raise Refused(_BROKEN)
        await asyncio.sleep(_LOOK_SECONDS)


async def _feed(client: AsyncClient, name: str, run: Path) -> None:
    """Write what a session reports into an event file, until it has ended."""
    request = MetricsRequest(name=name, buckets=_POINTS)
    with EventFile(run / "events.out.tfevents.0.nsml") as file:
        while True:
            told = client.stream("Sessions/WatchMetrics", request, MetricsNews)
            try:
                async with aclosing(told):
                    async for news in told:
                        await asyncio.to_thread(_write, file, news)
            except Unavailable:
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return


def _write(file: EventFile, news: MetricsNews) -> None:
    for series in news.series:
        file.add(series)
    file.flush()
