"""One text for two clients: each operation is a coroutine, and the blocking client runs it at once.

An operation awaits nothing but what its `Calls` offers. Those of the blocking client do their work
without ever suspending, so that a coroutine over them ends with the first step: no event loop takes
part, and none is in the way. `Sync` and `Async` exist for the type checker: what a client hands out
carries one of them, and with it what its methods return.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from types import MethodType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from nsml_client.access import R, Request

if TYPE_CHECKING:  # it comes with grpcio, and is needed only once content is sent
    from nsml_core import blobs
    from nsml_core.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M")


class Sync:
    """Methods return their result, and streams are iterators."""


class Async:
    """Methods are to be awaited, and streams are asynchronous iterators."""


class Calls(Protocol):
    """What operations are made of."""

    is_blocking: bool

    @property
    def settings(self) -> "Settings":
        """Where the platform is."""
        ...

    @property
    def owner(self) -> str:
        """Whose it is what is made."""
        ...

    async def call(self, method: str, request: Request, reply: type[R]) -> R:
        """Make a unary call, such as `Sessions/List`."""
        ...

    def stream(self, method: str, request: Request, reply: type[R]) -> AsyncGenerator[R, None]:
        """Make a call with many replies."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...

    async def aside(self, work: Callable[[], T]) -> T:
        """Do what takes a while on this machine, such as reading files."""
        ...

    async def store(self, work: "Callable[[blobs.Client], Coroutine[Any, Any, T]]") -> T:
        """Do this with the store of content."""
        ...


class Noun(Generic[M]):
    """Something of the platform, and the operations on it."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls


class operation(Generic[P, T]):  # noqa: N801 - a decorator
    """Makes a method of a coroutine: to be awaited, or not, as its noun's client is."""

    def __init__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, noun: None, owner: type) -> Callable[..., Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, noun: Noun[Sync], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, noun: Noun[Async], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, noun: Noun[Any] | None, owner: type) -> Callable[..., Any]:
        """Return the function as its noun's client runs it."""
        if noun is None:
            return self._function
        return _as_called(MethodType(self._function, noun), noun, finish)


class streaming(Generic[P, T]):  # noqa: N801 - a decorator
    """Makes a method of an asynchronous generator: an iterator of either kind."""

    def __init__(self, function: Callable[Concatenate[Any, P], AsyncGenerator[T, None]]) -> None:
        self._function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, noun: None, owner: type) -> Callable[..., AsyncIterator[T]]: ...
    @overload
    def __get__(self, noun: Noun[Sync], owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, noun: Noun[Async], owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, noun: Noun[Any] | None, owner: type) -> Callable[..., Any]:
        """Return the function as its noun's client runs it."""
        if noun is None:
            return self._function
        return _as_called(MethodType(self._function, noun), noun, iterate)


def _as_called(
    method: MethodType, noun: Noun[Any], run: Callable[[Any], Any]
) -> Callable[..., Any]:
    """Return a method as it is for those who await it, and for others with its work done."""
    if not noun._calls.is_blocking:  # noqa: SLF001 - this module's own
        return method

    @wraps(method)
    def blocking(*args: Any, **kwargs: Any) -> Any:
        return run(method(*args, **kwargs))

    return blocking


def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise RuntimeError(f"{work!r} waits for an event loop, and the blocking client has none.")


def iterate(items: AsyncGenerator[T, None]) -> Iterator[T]:
    """Yield what an asynchronous generator does that never suspends."""
    try:
        while True:
            try:
                item = finish(items.__anext__())
            except StopAsyncIteration:
                return
            yield item
    finally:
        finish(items.aclose())
