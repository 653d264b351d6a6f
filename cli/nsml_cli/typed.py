"""Python that is typed, statement by statement, as Python's own prompt reads it."""

import codeop
import os
import sys
import termios
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

_FIRST, _NEXT = ">>> ", "... "
_CTRL_C = "\x03"
_CONTROL_CHARACTERS = 6  # where termios lists them among a terminal's attributes


def statements(*, with_prompt: bool) -> Iterator[str]:
    """Yield each statement until the input ends; Ctrl-C drops the one that is being typed."""
    if with_prompt:
        _edit_lines()
    while True:
        with _ctrl_c_as_key() if with_prompt else nullcontext():
            code = _statement(_typed_line if with_prompt else _piped_line)
        if code is None:
            if with_prompt:
                sys.stdout.write("\n")
            return
        if code.strip():
            yield code


def _statement(line: Callable[[str], str]) -> str | None:
    """Return what is typed next, or None where the input ended."""
    lines: list[str] = []
    while True:
        try:
            lines.append(line(_NEXT if lines else _FIRST))
        except KeyboardInterrupt:
            sys.stdout.write("\n")
            lines = []
            continue
        except EOFError:
            return "\n".join(lines) if any(lines) and line is _piped_line else None
        code = "\n".join(lines)
        if is_whole(code):
            return code


def _piped_line(_: str) -> str:
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.removesuffix("\n")


def _typed_line(prompt: str) -> str:
    import readline

    line = input(prompt)
    if _CTRL_C in line:
        readline.remove_history_item(readline.get_current_history_length() - 1)
        raise KeyboardInterrupt
    return line


def _edit_lines() -> None:
    """Let input() edit lines, remember them, and end with one where Ctrl-C is a key."""
    import readline

    readline.parse_and_bind(r'"\C-c": "\C-v\C-c\C-m"')


@contextmanager
def _ctrl_c_as_key() -> Iterator[None]:
    """Let Ctrl-C wait its turn: as a signal, readline misses it while it reads another key."""
    terminal = sys.stdin.fileno()
    before, changed = termios.tcgetattr(terminal), termios.tcgetattr(terminal)
    changed[_CONTROL_CHARACTERS][termios.VINTR] = bytes([os.fpathconf(terminal, "PC_VDISABLE")])
    termios.tcsetattr(terminal, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


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
