"""Questions to the user's processes: who listens, who is asked, and what they answer."""

import asyncio
import contextlib
import json
from dataclasses import dataclass

from nsml_protos import session_pb2
from nsml_protos.session_pb2 import EvalOrder, EvalReply, Evaluation
from nsml_runner.messages import Answer, Listen

JOIN_SECONDS = 2.0
"""For a process to begin to listen: it may have started a moment ago."""

GIVE_UP_SECONDS = 5.0
"""For an evaluation to be broken off, once it has taken too long."""

_STATES = {
    "returned": Evaluation.RETURNED,
    "raised": Evaluation.RAISED,
    "not_reached": Evaluation.NOT_REACHED,
    "interrupted": Evaluation.INTERRUPTED,
}


@dataclass(frozen=True, slots=True)
class Question:
    listener: asyncio.StreamWriter
    answer: asyncio.Future[EvalReply]


class Questions:
    """Any number of processes of one attempt listen; one of them is asked."""

    def __init__(self) -> None:
        self._listeners: dict[asyncio.StreamWriter, Listen] = {}
        self._open: dict[str, Question] = {}
        self._joined = asyncio.Event()

    def hear(self, listener: asyncio.StreamWriter, said: Listen | Answer) -> None:
        """Take in who listens, and what they answer."""
        if isinstance(said, Listen):
            self._listeners[listener] = said
            self._joined.set()
            return
        question = self._open.get(said.id)
        if question is not None and question.listener is listener:
            _settle(question, _reply(said))

    def leave(self, listener: asyncio.StreamWriter) -> None:
        """Its process has ended, and with it what it was asked."""
        if self._listeners.pop(listener, None) is None:
            return
        for question in self._open.values():
            if question.listener is listener:
                _settle(question, EvalReply(evaluation=Evaluation.CODE_ENDED))

    async def ask(self, asked: EvalOrder) -> EvalReply:
        """Ask the process that reports, of the lowest rank; the first of several."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(JOIN_SECONDS):
                await self._joined.wait()
        listener = min(self._listeners, key=self._distance, default=None)
        if listener is None:
            return EvalReply(evaluation=Evaluation.UNHEARD)
        answer = asyncio.get_running_loop().create_future()
        self._open[asked.id] = Question(listener, answer)
        try:
            _say(listener, {"id": asked.id, "code": asked.code, "now": asked.now})
            await asyncio.wait({answer}, timeout=asked.timeout_seconds)
            if not answer.done():
                self.take_back(asked.id)
                await asyncio.wait({answer}, timeout=GIVE_UP_SECONDS)
            return answer.result() if answer.done() else EvalReply(evaluation=Evaluation.GOES_ON)
        finally:
            del self._open[asked.id]

    def take_back(self, name: str) -> None:
        """Whoever asked does not wait any more."""
        question = self._open.get(name)
        if question is not None:
            _say(question.listener, {"id": name, "take_back": True})

    def _distance(self, listener: asyncio.StreamWriter) -> tuple[bool, int]:
        said = self._listeners[listener]
        return (not said.reports, said.rank)


def _settle(question: Question, reply: EvalReply) -> None:
    if not question.answer.done():
        question.answer.set_result(reply)


def _say(listener: asyncio.StreamWriter, message: dict[str, object]) -> None:
    if not listener.is_closing():
        listener.write(json.dumps(message).encode() + b"\n")


def _reply(said: Answer) -> EvalReply:
    return session_pb2.EvalReply(
        evaluation=_STATES.get(said.state, Evaluation.RAISED),
        output=said.output,
        value=said.value,
        error=said.error,
        cut=said.cut,
    )
