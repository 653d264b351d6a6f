"""What a loaded model does instead of training: it answers, or predicts a dataset's test data."""

from __future__ import annotations

import json
import os
import sys

from nsml.attempt import attempt, described
from nsml.bindings import infer
from nsml.constants import DATASET_PATH, OUTPUT_PATH, RUNNER_SOCKET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, TextIO

PREDICTION = "prediction"


def tell_loaded() -> None:
    """Tell the runner that the model is loaded, if there is one that cares."""
    from contextlib import suppress

    from nsml.wire import connect, encode

    if RUNNER_SOCKET:
        with suppress(OSError), connect(RUNNER_SOCKET, 10) as connection:
            connection.sendall(encode({"op": "loaded"}))


def serve() -> None:
    """Answer each line of JSON by the bound infer, with one line of JSON, until no more come.

    Lines are read from the file $NSML_INFER_INPUT and answered into $NSML_INFER_OUTPUT, either of
    which may be a pipe; without them, from stdin and to stdout.
    """
    from contextlib import ExitStack

    with ExitStack() as opened:
        asked, answered = (os.environ.get(f"NSML_INFER_{name}") for name in ("INPUT", "OUTPUT"))
        questions: TextIO = sys.stdin
        answers: TextIO = sys.stdout
        if asked:
            questions = opened.enter_context(open(asked, encoding="utf-8"))
        if answered:
            answers = opened.enter_context(open(answered, "a", encoding="utf-8"))
        for line in filter(str.strip, questions):
            answers.write(_answer(line) + "\n")
            answers.flush()


def _answer(line: str) -> str:
    """A question that cannot be answered must not end what answers the next one."""

    def answer() -> str:
        return json.dumps({"result": infer(json.loads(line))}, default=_plain)

    found, problem = attempt(answer)
    return json.dumps({"error": described(problem)}) if problem is not None else str(found)


def predict() -> None:
    """Write what the bound infer makes of the test data to the file `prediction` of the output.

    The dataset brings its own `data_loader.py`: `feed_infer(output_file, infer)` does all of it, or
    else `test_data_loader(folder)` returns what infer is to be given.
    """
    loader = _data_loader()
    output = os.path.join(OUTPUT_PATH, PREDICTION)
    if hasattr(loader, "feed_infer"):
        loader.feed_infer(output, infer)
        return
    data = loader.test_data_loader(os.path.join(DATASET_PATH, "test"))
    result = infer(*data) if isinstance(data, tuple) else infer(data)
    with open(output, "wb") as file:
        file.write(_content(result))


def _data_loader() -> ModuleType:
    """Load the dataset's under a name of its own: scripts have a data_loader.py themselves."""
    from importlib.machinery import SourceFileLoader
    from importlib.util import module_from_spec, spec_from_loader

    path = os.path.join(DATASET_PATH, "data_loader.py")
    if not DATASET_PATH or not os.path.isfile(path):
        raise FileNotFoundError(
            "--mode test predicts what the dataset's data_loader.py brings, and there is none:"
            " run on a dataset that has one (on a laptop NSML_DATASET_PATH names its folder)"
        )
    loader = SourceFileLoader("nsml_dataset_data_loader", path)
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None  # noqa: S101 - this loader always makes one
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def _content(result: Any) -> bytes:
    if isinstance(result, bytes):
        return result
    text = result if isinstance(result, str) else json.dumps(result, default=_plain)
    return text.encode()


def _plain(value: Any) -> Any:
    """Arrays and tensors as lists, numpy's numbers as numbers, anything else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
