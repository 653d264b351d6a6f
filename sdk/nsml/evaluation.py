"""Evaluates Python that somebody typed, beside training code that must not come to harm by it."""

from __future__ import annotations

import ast
import builtins
import os
import sys
import threading
import traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, TracebackType
    from typing import Any, Callable, Iterator

OUTPUT_MAX = 1 << 16
TEXT_MAX = 1 << 14
"""Characters of a value's repr, and of a traceback."""
_ENDINGS = ("_exit", "abort", "execv", "execve")
"""What ends or replaces the process at once; os.exec*() all come to the last two."""


class Interrupted(BaseException):
    """Whoever asked does not wait any more."""


class Space(dict):  # type: ignore[type-arg]
    """The names that evaluated code sees: those of the scope, else of its module, else of main.

    A dictionary of its own, so that functions and comprehensions of the code see them too; what
    the code assigns goes into the scope.
    """

    def __init__(self) -> None:
        super().__init__(__name__="__main__", __builtins__=builtins)
        self._scope: dict[str, Any] | None = None
        self._module: dict[str, Any] = {}

    def look_at(self, scope: object, module: dict[str, Any]) -> None:
        """See the names of a dictionary, or the attributes of any other object."""
        found = scope if isinstance(scope, dict) else getattr(scope, "__dict__", None)
        self._scope = found if isinstance(found, dict) else None
        self._module = module

    def __missing__(self, name: str) -> Any:
        for names in (self._scope, self._module, _main()):
            if names is not None and name in names:
                return names[name]
        raise KeyError(name)

    def __setitem__(self, name: str, value: object) -> None:
        self._written()[name] = value

    def __delitem__(self, name: str) -> None:
        del self._written()[name]

    def __contains__(self, name: object) -> bool:
        return name in self._written()

    def __iter__(self) -> Iterator[str]:
        return iter(self._written())

    def keys(self) -> Any:
        """Return the scope's own names, which dir() shows."""
        return self._written().keys()

    def _written(self) -> dict[str, Any]:
        return _main() if self._scope is None else self._scope


def _main() -> dict[str, Any]:
    return vars(sys.modules["__main__"])


class Bounds:
    """Keeps what evaluating threads print, and keeps them from ending the process."""

    def __init__(self) -> None:
        self.kept: dict[int, Output] = {}
        self._undo: list[tuple[Any, str, Any, Any]] = []
        self.reset()

    def reset(self) -> None:
        """Start anew, as a forked child must: the parent's threads are not there."""
        self._lock = threading.Lock()
        self.kept.clear()
        self._restore()

    def enter(self, output: Output) -> None:
        """Begin for this thread."""
        with self._lock:
            if not self.kept:
                for stream in ("stdout", "stderr"):
                    self._replace(sys, stream, Router(getattr(sys, stream), self.kept))
                for name in _ENDINGS:
                    self._replace(os, name, self._guarded(name, getattr(os, name)))
            self.kept[threading.get_ident()] = output

    def leave(self) -> None:
        """End for this thread; again, nothing happens."""
        with self._lock:
            self.kept.pop(threading.get_ident(), None)
            if not self.kept:
                self._restore()

    def _restore(self) -> None:
        while self._undo:
            module, name, original, ours = self._undo[-1]
            if getattr(module, name) is ours:  # else it was replaced again, on purpose
                setattr(module, name, original)
            self._undo.pop()

    def _replace(self, module: Any, name: str, ours: Any) -> None:
        self._undo.append((module, name, getattr(module, name), ours))
        setattr(module, name, ours)

    def _guarded(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        parent = os.getpid()

        def guarded(*arguments: Any) -> Any:
            # A child that was forked, as by multiprocessing, ends as it likes.
            if threading.get_ident() in self.kept and os.getpid() == parent:
                raise SystemExit(f"os.{name}() would end the training")
            return original(*arguments)

        return guarded


class Output:
    """What was printed, as far as it is kept."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._room = OUTPUT_MAX
        self.cut = False

    def write(self, text: str) -> None:
        self.cut = self.cut or len(text) > self._room
        self._pieces.append(text[: self._room])
        self._room -= len(self._pieces[-1])

    def text(self) -> str:
        return "".join(self._pieces)


class Router:
    """A stream that evaluating threads write to their own output, all others as ever."""

    def __init__(self, original: Any, kept: dict[int, Output]) -> None:
        self._original = original
        self._kept = kept

    def write(self, text: str) -> int:
        output = self._kept.get(threading.get_ident())
        if output is None:
            return int(self._original.write(text))
        output.write(str(text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


SPACE = Space()
BOUNDS = Bounds()


class Evaluation:
    """One piece of code: evaluated once, on whichever thread calls run(); may be taken back."""

    count = 0

    def __init__(self, code: str) -> None:
        self._code = code
        self._lock = threading.Lock()
        self._thread = 0
        self._taken_back = False

    def take_back(self) -> bool:
        """Break it off, if Python allows; True if it had not begun, and now never will."""
        with self._lock:
            if self._thread and not self._taken_back:
                _raise_in(self._thread, Interrupted)
            self._taken_back = True
            return not self._thread

    def run(self) -> dict[str, Any] | None:
        """Return what came of it; nothing if it was taken back."""
        parent, output, said = os.getpid(), Output(), {"state": "interrupted"}
        # At most one Interrupted comes, anywhere between _begin and the end of _end.
        try:
            try:
                if not self._begin(output):
                    return None
                said = self._run()
            finally:
                self._end()
        except Interrupted:
            self._end()
        if os.getpid() != parent:  # the code has forked: its child has no business in the training
            os._exit(0)
        parts = {name: text[:TEXT_MAX] for name, text in said.items()}
        cut = output.cut or parts != said
        return {**parts, "output": output.text(), "cut": cut}

    def _begin(self, output: Output) -> bool:
        with self._lock:
            if self._taken_back:
                return False
            self._thread = threading.get_ident()
        BOUNDS.enter(output)
        return True

    def _end(self) -> None:
        with self._lock:
            if self._taken_back and self._thread:
                _raise_in(self._thread, None)  # what has not struck yet must not
            self._thread = 0
        BOUNDS.leave()

    def _run(self) -> dict[str, str]:
        Evaluation.count += 1
        name = f"<nsml {Evaluation.count}>"
        said = _tried(lambda: _evaluated(self._code, name))
        if isinstance(said, BaseException):
            error = said
            said = _tried(lambda: {"state": "raised", "error": _told(error, name)})
        if not isinstance(said, dict):
            what = f"an error that cannot be shown ({type(said).__name__})"
            said = {"state": "raised", "error": what}
        return said


class Caught:
    """Keeps whatever is raised inside, so that training goes on, but lets Interrupted pass."""

    error: BaseException | None = None

    def __enter__(self) -> Caught:  # noqa: PYI034 - Self is younger than Python 3.8
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> bool:
        self.error = error
        return kind is not None and not issubclass(kind, Interrupted)


def _tried(step: Callable[[], dict[str, str]]) -> dict[str, str] | BaseException | None:
    with Caught() as caught:
        return step()
    return caught.error


def _evaluated(code: str, name: str) -> dict[str, str]:
    body, last = _compiled(code, name)
    exec(body, SPACE)  # noqa: S102 - that is what was asked for
    value = eval(last, SPACE) if last else None  # noqa: S307 - (the same)
    return {"state": "returned", "value": "" if value is None else repr(value)}


def _compiled(code: str, name: str) -> tuple[CodeType, CodeType | None]:
    """Return the statements, and the expression at their end."""
    import linecache

    lines = [f"{line}\n" for line in code.splitlines()]
    linecache.cache[name] = (len(code), None, lines, name)  # tracebacks show lines
    tree = ast.parse(code, name)
    last = None
    if tree.body and isinstance(tree.body[-1], ast.Expr):
        last = ast.Expression(tree.body.pop().value)  # type: ignore[attr-defined]
    return (
        compile(tree, name, "exec", dont_inherit=True),
        compile(last, name, "eval", dont_inherit=True) if last else None,
    )


def _told(error: BaseException, name: str) -> str:
    """Return the traceback from the evaluated code on."""
    frames: TracebackType | None = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename != name:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames)).rstrip("\n")


def _raise_in(thread: int, kind: type[BaseException] | None) -> None:
    """Raise in another thread when it is between two steps of Python; None: do not, after all."""
    import ctypes

    api = getattr(ctypes, "pythonapi", None)  # CPython has it
    if api is not None:
        wanted = ctypes.py_object(kind) if kind else None
        api.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), wanted)
