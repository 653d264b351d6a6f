"""Carries questions from standard input to a loaded model, and its answers to standard output.

Run beside the model by `nsml infer`; they meet at two pipes, which are named by the environment.
"""

from __future__ import annotations

import os
import sys
import threading


def main() -> None:
    """Return when the questions, and then the answers, have come to their end."""
    answering = threading.Thread(target=_answer, args=(os.environ["NSML_INFER_OUTPUT"],))
    answering.start()
    with open(os.environ["NSML_INFER_INPUT"], "wb", buffering=0) as questions:
        questions.writelines(sys.stdin.buffer)
    answering.join()


def _answer(path: str) -> None:
    with open(path, "rb", buffering=0) as answers:
        while piece := answers.read(1 << 16):
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
