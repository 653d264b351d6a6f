"""An event loop whose time is simulated, and the processes that its tasks belong to.

Nothing waits: the clock jumps to the next thing that is to happen. A process can be killed at any
moment; what it had in memory is gone, and what it has sent is on its way.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

T = TypeVar("T")

PROCESS: contextvars.ContextVar[Process] = contextvars.ContextVar("process")


_MOST = 50_000
"""So many timers and tasks at most has one history; most have a few thousand."""


_ROUNDS = 100


class Process:
    """One process of the platform, of a node or of a person, with all its tasks."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.when_killed: Callable[[], None] = _nothing
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, loop: SimulatedLoop, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin a task of this process; those that it begins are of this process, too."""
        loop.processes[self] = None
        context = contextvars.copy_context()
        context.run(PROCESS.set, self)
        return context.run(loop.create_task, work)

    def own(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def kill(self) -> None:
        """End it as `kill -9` does: from now on it changes nothing outside of its memory."""
        self.dead = True
        self.when_killed()
        for task in sorted(self._tasks, key=lambda task: task.get_name()):
            task.cancel()


def _nothing() -> None:
    pass


class Handle:
    """One callback that is to be called; lighter than asyncio's own, of which there are many."""

    __slots__ = ("_args", "_callback", "_context", "_when", "gone")

    def __init__(
        self,
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
        when: float = 0.0,
    ) -> None:
        self._callback = callback
        self._args = args
        self._context = contextvars.copy_context() if context is None else context
        self._when = when
        self.gone = False

    def run(self) -> None:
        self._context.run(self._callback, *self._args)

    def cancel(self) -> None:
        self.gone = True

    def cancelled(self) -> bool:
        return self.gone

    def when(self) -> float:
        return self._when


class SimulatedLoop:
    """Runs callbacks in the order of their times, and of their making where times are the same."""

    def __init__(self) -> None:
        self._now = 0.0
        self._made = 0
        self._ready: deque[Handle] = deque()
        self._later: list[tuple[float, int, Handle]] = []
        self.processes: dict[Process, None] = {}
        self.faults: list[str] = []
        """What nobody expected: a task that failed unheard."""

    def time(self) -> float:
        return self._now

    def call_soon(
        self,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Any:
        handle = Handle(callback, args, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Any:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Any:
        handle = Handle(callback, args, context, when)
        self._made += 1
        heapq.heappush(self._later, (when, self._made, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=cast("Any", self))

    def create_task(
        self,
        coro: Any,
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[Any]:
        self._made += 1
        task: asyncio.Task[Any] = asyncio.Task(
            coro, loop=cast("Any", self), name=name or f"{self._made:09}", context=context
        )
        process = PROCESS.get(None)
        if process is not None:
            process.own(task)
        return task

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        """Do at once what a thread would do beside."""
        future = self.create_future()
        future.set_result(func(*args))
        return future

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.faults.append(f"fault: {context['message']}: {context.get('exception')!r}")

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run until this is done, and end all processes; who never rests is a fault, too."""
        asyncio._set_running_loop(cast("Any", self))
        try:
            task = self.create_task(work)
            while not task.done() and self._made < _MOST:
                self._step()
            if task.done():
                task.result()
            else:
                self.faults.append("end: something is done again and again")
                task.cancel()
            self._end()
        finally:
            asyncio._set_running_loop(None)

    def _end(self) -> None:
        """Kill all, and let what is cancelled come to its end."""
        for process in list(self.processes):
            process.kill()
        for _ in range(_ROUNDS):
            if not self._ready:
                return
            self._step()

    def _step(self) -> None:
        """Call what is ready, or go on to the time of what comes next."""
        ready = self._ready
        if not ready:
            when, _, timer = heapq.heappop(self._later)
            if not timer.gone:
                self._now = max(self._now, when)
                timer.run()
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.gone:
                handle.run()
