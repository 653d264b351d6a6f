"""What code is told that does not start from the beginning: by its variables, and as NSML did."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from nsml_protos import session_pb2
from nsml_protos.session_pb2 import Purpose
from nsml_runner import configuration
from nsml_runner.conduct import BOARD_KINDS

_TRAIN = "train"
PIPES = ("INPUT", "OUTPUT")
_WORD = re.compile(rb"\b(?:mode|pause|iteration)\b")
_TEXTS = {".py", ".yaml", ".yml", ".json", ".toml", ".cfg", ".ini", ".sh"}
_TEXT_BYTES = 1 << 20


def variables(session: session_pb2.Session) -> dict[str, str]:
    """Return what `nsml.paused()` reads where the command line says nothing."""
    if not session.HasField("start"):
        return {}
    mode = _mode(session)
    return {
        "NSML_PAUSE": "1",
        "NSML_ITERATION": session.start.name,
        **({"NSML_MODE": mode} if mode != _TRAIN else {}),
    }


def pipes(session: session_pb2.Session, folder: Path) -> dict[str, str]:
    """Return where questions come from, and answers go to, for code that is asked."""
    if session.spec.purpose.kind != Purpose.INFER:
        return {}
    return {f"NSML_INFER_{name}": str(folder / name.lower()) for name in PIPES}


def make_pipes(session: session_pb2.Session, folder: Path) -> None:
    """Make them, for those who ask and the code to meet at."""
    for path in pipes(session, folder).values():
        os.mkfifo(path, 0o600)


def _mode(session: session_pb2.Session) -> str:
    kind = session.spec.purpose.kind
    return "infer" if kind == Purpose.INFER else "test" if kind in BOARD_KINDS else _TRAIN


def options(session: session_pb2.Session, code: Path) -> tuple[str, ...]:
    """Return the options of NSML, as far as the code can have them.

    A parser that does not know an option ends the script; but where the code has the word, however
    its parser came by it, leaving the option out would make it train from nothing.
    """
    spec = session.spec
    if not session.HasField("start") or configuration.takes_overrides(spec):
        return ()
    words = set(_words(code))
    mode = _mode(session)
    values = {"mode": mode, "pause": "1", "iteration": session.start.name}
    if "pause" not in words:
        return ()
    if mode == _TRAIN and any(arg.partition("=")[0] == "--mode" for arg in spec.args):
        del values["mode"]
    return tuple(
        part for name, value in values.items() if name in words for part in (f"--{name}", value)
    )


def _words(code: Path) -> Iterator[str]:
    for file in code.rglob("*"):
        if file.suffix in _TEXTS and file.is_file() and file.stat().st_size <= _TEXT_BYTES:
            yield from (word.decode() for word in _WORD.findall(file.read_bytes()))
