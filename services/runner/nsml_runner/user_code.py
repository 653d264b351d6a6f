"""Runs the user's code once: from its start until nothing of it is left."""

import asyncio
from functools import partial

from nsml_core import telemetry
from nsml_core.calls import current
from nsml_protos import session_pb2
from nsml_runner import disk
from nsml_runner.capture import Pipe
from nsml_runner.conduct import Hearing, Printing
from nsml_runner.gpus import Gpus
from nsml_runner.sandbox import Command, Sandbox
from nsml_runner.supervise import Cause, Ending, Interrupts, supervise
from nsml_runner.terminals import Terminals
from nsml_runner.usage import Sampler
from nsml_runner.workdir import WorkDir

LINGER_SECONDS = 2.0
"""How long output is awaited from processes that outlive the main one, before they are killed."""


class UserCode:
    def __init__(
        self,
        sandbox: Sandbox,
        feed: Hearing,
        work: WorkDir,
        printed: Printing,
        terminals: Terminals | None,
    ) -> None:
        self._sandbox = sandbox
        self._terminals = terminals
        self._feed = feed
        self._printed = printed
        self._work = work
        self._silence: telemetry.Span | None = None

    async def run(
        self,
        command: Command,
        resources: session_pb2.Resources,
        gpus: Gpus,
        interrupts: Interrupts,
    ) -> tuple[Ending, str]:
        """Return how it ended, and the last line it wrote to stderr."""
        self._silence = telemetry.span("first line", current().traceparent)
        running = await self._sandbox.start(command)
        out = Pipe(running.stdout, partial(self._take, session_pb2.STDOUT))
        err = Pipe(running.stderr, partial(self._take, session_pb2.STDERR))
        sampler = Sampler(running, self._feed, gpus, resources.memory_bytes)
        sampling = asyncio.create_task(sampler.run())
        watching = asyncio.create_task(
            disk.watch(partial(disk.held_by, command.writes), command.disk_bytes)
        )
        try:
            if running.pid:
                self._work.note_user_code(running.pid)
            if self._terminals is not None:
                self._terminals.open(running, command)
            limit = resources.time_limit_seconds
            exceeded = {Cause.OUT_OF_MEMORY: sampling, Cause.OUT_OF_DISK: watching}
            ending = await supervise(running, interrupts, exceeded, limit)
            await self._linger(out, err)
        finally:
            sampling.cancel()
            watching.cancel()
            if self._terminals is not None:
                self._terminals.shut()
            await running.kill()
            out.drain()
            err.drain()
            self._printed.finish()
        return ending, err.last_line()

    def _take(self, source: session_pb2.Source.ValueType, data: bytes) -> None:
        self._printed.take(source, data)
        if self._silence is not None:
            self._silence.end()
            self._silence = None

    async def _linger(self, *pipes: Pipe) -> None:
        ends = [asyncio.ensure_future(pipe.ended.wait()) for pipe in pipes]
        _, unended = await asyncio.wait(ends, timeout=LINGER_SECONDS)
        for end in unended:
            end.cancel()
