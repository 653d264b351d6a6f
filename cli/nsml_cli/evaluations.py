"""Asking a session's process: one question, and its answer as people see it."""

import sys
from dataclasses import dataclass
from typing import TextIO

from nsml_cli import output
from nsml_cli.exits import ExitCode
from nsml_cli.logtext import Passage
from nsml_client.client import Client
from nsml_protos.session_pb2 import EvalReply, Evaluation

_SENTENCES = {
    Evaluation.NOT_REACHED: "Nothing was evaluated: {name} reported nothing within {seconds}; "
    "--timeout waits longer, --now does not wait for a report.",
    Evaluation.INTERRUPTED: "It was broken off after {seconds}; --timeout gives it more.",
    Evaluation.GOES_ON: "It took longer than {seconds} and could not be broken off: it goes on "
    "in {name}, and its result is lost.",
    Evaluation.UNHEARD: "{name} has not called nsml.bind(), nsml.paused() or nsml.report() yet: "
    "until it does, `nsml exec {name} -- CMD` works there.",
    Evaluation.CODE_ENDED: "The code of {name} ended before it answered: `nsml logs {name}`.",
}
_TOO_LATE = {Evaluation.NOT_REACHED, Evaluation.INTERRUPTED, Evaluation.GOES_ON}


@dataclass(frozen=True)
class Asking:
    """Whom to ask, and how."""

    client: Client
    name: str
    now: bool
    timeout_seconds: float
    rank: int = 0

    def ask(self, code: str) -> ExitCode:
        """Ask, and show what comes of it; Ctrl-C takes the question back."""
        asked = self.client.sessions.named(self.name)
        seconds = self.timeout_seconds
        return self._show(asked.eval(code, now=self.now, timeout=seconds, rank=self.rank))

    def _show(self, reply: EvalReply) -> ExitCode:
        _write(sys.stdout, reply.output)
        _write(sys.stdout, f"{reply.value}\n" if reply.value else "")
        _write(sys.stderr, f"{reply.error}\n" if reply.error else "")
        if reply.cut:
            output.note("Some of it was too long, and is left out.")
        if reply.evaluation == Evaluation.RETURNED:
            return ExitCode.OK
        if reply.evaluation == Evaluation.RAISED:
            return ExitCode.REFUSED
        return self._explain(reply.evaluation)

    def _explain(self, what: Evaluation.ValueType) -> ExitCode:
        sentence = _SENTENCES.get(what, "This answer is of a newer platform.")
        output.fail(sentence.format(name=self.name, seconds=f"{self.timeout_seconds:g} seconds"))
        return ExitCode.TIMED_OUT if what in _TOO_LATE else ExitCode.REFUSED


def _write(stream: TextIO, text: str) -> None:
    """Write what the session's code says: on a terminal, it can do nothing but be read."""
    if not text:
        return
    passage = Passage(to_terminal=stream.isatty())
    stream.buffer.write(passage.pass_on(text.encode()) + passage.finish())
    stream.flush()
