"""The sandbox of a container: its code sees what was mounted, and nothing else of the node."""

import asyncio
import contextlib
import signal
import socket
import threading
from dataclasses import replace
from pathlib import Path

from nsml_core.errors import Error
from nsml_runner import beside_docker
from nsml_runner.beside_docker import DockerBeside
from nsml_runner.box import Box, memory_limit
from nsml_runner.containers import Ended, Engine
from nsml_runner.cpus import choose
from nsml_runner.output import pump
from nsml_runner.sandbox import Command, Size, Use
from nsml_runner.sandbox_process import wide_pipe


class DockerSandbox:
    def __init__(self, engine: Engine, box: Box, cpu_locks: Path) -> None:
        self._engine = engine
        self._box = box
        self._cpu_locks = cpu_locks

    async def start(self, command: Command) -> "RunningContainer":
        cpus, holds = choose(command.cpus, self._cpu_locks)
        box = replace(self._box, env=command.env, cpus=cpus)
        try:
            return await asyncio.to_thread(self._start, box, command, holds)
        except Error as error:
            holds.close()
            raise OSError(error.sentence) from None

    def _start(self, box: Box, command: Command, holds: contextlib.ExitStack) -> "RunningContainer":
        container = self._engine.create(box, command.argv, str(command.cwd))
        try:
            output = self._engine.attach(container)
            pid = self._engine.start(container)
        except BaseException:
            self._engine.remove(container)
            raise
        limit = memory_limit(box)
        return RunningContainer(self._engine, container, pid, output, limit, holds)


class RunningContainer:
    """Two threads wait with it: one for its output, one for its end."""

    def __init__(
        self,
        engine: Engine,
        container: str,
        pid: int,
        output: socket.socket,
        memory_limit: int,
        holds: contextlib.ExitStack,
    ) -> None:
        self.pid = pid
        self.stdout, out = wide_pipe()
        self.stderr, err = wide_pipe()
        self._engine = engine
        self._container = container
        self._memory_limit = memory_limit
        self._holds = holds
        self._ended: Ended | None = None
        self._end = threading.Event()
        self._last = Use(0.0, 0)
        self._pump = threading.Thread(target=pump, args=(output, out, err), daemon=True)
        self._pump.start()
        threading.Thread(target=self._await_end, daemon=True).start()

    def _await_end(self) -> None:
        self._ended = self._engine.wait(self._container)
        self._end.set()

    @property
    def has_ended(self) -> bool:
        return self._ended is not None

    async def wait(self) -> int:
        await asyncio.to_thread(self._end.wait)
        assert self._ended is not None  # noqa: S101 - it was set first
        return self._ended.code

    def memory_exceeded(self) -> int:
        was_exceeded = self._ended is not None and self._ended.out_of_memory
        return self._memory_limit if was_exceeded else 0

    async def terminate(self) -> None:
        """Tell its first process, which tells the group of the code's own."""
        with contextlib.suppress(Error):  # the engine is away: what comes next is `kill`
            await asyncio.to_thread(self._engine.signal, self._container, signal.SIGTERM)

    async def start_beside(self, command: Command, terminal: Size | None) -> DockerBeside:
        try:
            return await asyncio.to_thread(
                beside_docker.start, self._engine, self._container, command, terminal
            )
        except Error as error:
            raise OSError(error.sentence) from None

    async def kill(self) -> None:
        await asyncio.to_thread(self._end_it)
        self._holds.close()

    def _end_it(self) -> None:
        self._engine.remove(self._container)
        self._end.wait()
        self._pump.join()  # what it said last may still be on its way here

    def measure(self, *, exact: bool = False) -> Use:  # noqa: ARG002 - a group counts pages once
        if self.has_ended:
            return self._last
        with contextlib.suppress(Error):  # the engine is away, or the container has just ended
            self._last = self._engine.measure(self._container)
        return self._last
