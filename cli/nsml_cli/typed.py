"""Python that is typed, statement by statement, as Python's own prompt reads it."""

import codeop
import sys
import warnings
from collections.abc import Iterator

_FIRST, _NEXT = ">>> ", "... "


def statements(*, with_prompt: bool) -> Iterator[str]:
    """Yield each statement until the input ends; Ctrl-C drops the one that is being typed."""
    if with_prompt:
        import readline  # noqa: F401 - makes input() edit lines, and remember them
    lines: list[str] = []
    while True:
        try:
            lines.append(_line(_NEXT if lines else _FIRST, with_prompt=with_prompt))
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            lines = []
            continue
        except EOFError:
            if with_prompt:
                sys.stdout.write("\n")
            elif any(lines):
                yield "\n".join(lines)
            return
        code = "\n".join(lines)
        if is_whole(code):
            lines = []
            if code.strip():
                yield code


def _line(prompt: str, *, with_prompt: bool) -> str:
    if with_prompt:
        return input(prompt)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.removesuffix("\n")


def is_whole(code: str) -> bool:
    """Tell whether nothing more need be typed; what is wrong is whole, and is told where it runs.

    A block ends by an empty line.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return codeop.compile_command(code, symbol="single") is not None
        except (SyntaxError, ValueError, OverflowError):
            return True
