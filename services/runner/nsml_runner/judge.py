"""Judges predictions: the board's evaluation runs by itself, with the labels and no user code."""

import asyncio
import itertools
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nsml_core.errors import Error
from nsml_core.settings import Settings
from nsml_protos import session_pb2
from nsml_protos.board_pb2 import Board
from nsml_protos.session_pb2 import Assignment, Purpose, Resources, Session
from nsml_runner import grounds, shares, traces
from nsml_runner.conduct import Tail, Unheard
from nsml_runner.feed import Feed
from nsml_runner.gpus import Gpus
from nsml_runner.ground import Ground, Prepared
from nsml_runner.node import Node
from nsml_runner.sandbox import Command
from nsml_runner.shares import Part
from nsml_runner.store import Store
from nsml_runner.supervise import Cause, Ending, Interrupts
from nsml_runner.user_code import UserCode
from nsml_runner.workdir import WorkDir

Shown = Callable[["session_pb2.Source.ValueType", bytes], None] | None
"""Where what an evaluation prints goes on to; nowhere, if nobody may see it."""

DISK_BYTES = 4 << 30
"""What an evaluation may write, where its node sets no lower limit."""


PRINTED_MAX = 8 << 10
"""Characters of each stream that are told of an evaluation that gave no score."""


class NotScored(Error):
    """There is no score; the sentence is for the competitor."""

    printed = ""
    """What the evaluation printed last: for the board's owner, and for nobody else."""


@dataclass(frozen=True, slots=True)
class Scores:
    value: float
    private: float | None = None

    def __str__(self) -> str:
        return str(self.value) + ("" if self.private is None else f" (private: {self.private})")


@dataclass(frozen=True, slots=True)
class Bench:
    """What a judge works with."""

    work: WorkDir
    store: Store
    settings: Settings
    node: Node
    feed: Feed
    interrupts: Interrupts


class Judge:
    """Of one attempt; each evaluation has folders of its own."""

    def __init__(
        self,
        bench: Bench,
        assignment: Assignment,
        board: Board,
        shown: Shown,
    ) -> None:
        self._bench = bench
        self._assignment = assignment
        self._board = board
        self._shown = shown
        self._numbers = itertools.count(1)
        self._root = bench.work.root / "judge"

    async def score(self, prediction: Path, labels_tree: str) -> Scores:
        """Return the scores of a prediction, on each share that the board has."""
        self._root.mkdir(exist_ok=True)
        labels = self._root / f"labels-{next(self._numbers)}"
        await self._bench.store.pull(labels_tree, labels)
        scratch = self._root / f"shares-{next(self._numbers)}"
        scratch.mkdir()
        parts = await asyncio.to_thread(shares.parts, self._board, labels, prediction, scratch)
        values = [await self._evaluate(part) for part in parts]
        for folder in (labels, scratch):
            await asyncio.to_thread(shutil.rmtree, folder)
        return Scores(*values)

    async def _evaluate(self, part: Part) -> float:
        work = grounds.work_dir(self._root / f"run-{next(self._numbers)}", self._bench.node)
        work.root.mkdir()
        work.make_folders()
        try:
            return await self._run(work, part)
        finally:
            await asyncio.to_thread(shutil.rmtree, work.root, ignore_errors=True)

    async def _run(self, work: WorkDir, part: Part) -> float:
        bench, terms = self._bench, self._board.terms
        evaluation = self._board.revision.splits.evaluation
        shutil.rmtree(work.code)
        await bench.store.pull(evaluation.tree, work.code)
        data = work.data / terms.dataset
        labels, prediction = await asyncio.to_thread(shares.lay, part, data, terms.labels)
        session = self._session(work.inside(prediction), work.inside(labels))
        ground = grounds.choose(bench.node, work, bench.settings, bench.feed)
        assignment = Assignment(session=session, attempt=self._assignment.attempt)
        tail = Tail(self._shown)
        limits = session.spec.resources
        try:
            command = await _command(ground, assignment, work, {terms.dataset: data})
            code = UserCode(ground.sandbox(), Unheard(), bench.work, tail, None)
            ending, _ = await code.run(command, limits, Gpus([]), bench.interrupts)
        finally:
            await ground.close()
        try:
            return _number(ending, tail, terms.evaluation_seconds)
        except NotScored as error:
            error.printed = _printed(tail)
            raise

    def _session(self, prediction: Path, labels: Path) -> Session:
        """Return the session as the evaluation is run in it: nothing of the user's is left."""
        session = Session()
        session.CopyFrom(self._assignment.session)
        session.ClearField("start")
        spec = session.spec
        asked = spec.resources
        memory, cpus = asked.memory_bytes, asked.cpus
        mount = spec.datasets[0]
        kept = session_pb2.Spec(
            datasets=[mount],
            code_tree=self._board.revision.splits.evaluation.tree,
            entry="evaluation.py",
            args=["--prediction", str(prediction), "--test_label_path", str(labels)],
            resources=Resources(
                cpus=cpus,
                memory_bytes=memory,
                time_limit_seconds=self._board.terms.evaluation_seconds,
            ),
            disk_bytes=min(DISK_BYTES, self._bench.node.disk_bytes or DISK_BYTES),
            purpose=Purpose(kind=Purpose.TRY, board=self._board.name),
        )
        spec.CopyFrom(kept)
        del session.attempts[-1].devices[:]
        return session


async def _command(
    ground: Ground, assignment: Assignment, work: WorkDir, datasets: dict[str, Path]
) -> Command:
    footing = await ground.prepare(assignment.session)
    return await ground.command(Prepared(footing, datasets), assignment, work.root, "")


def _printed(tail: Tail) -> str:
    """Return the end of each stream, which is enough to see what went wrong."""
    streams = (session_pb2.STDOUT, session_pb2.STDERR)
    return "\n".join(["\n".join(tail.lines(one))[-PRINTED_MAX:] for one in streams]).strip("\n")


def _number(ending: Ending, tail: Tail, limit: int) -> float:
    """Return the last line as a number, or say why there is none."""
    if ending.cause in {Cause.STOP_ORDER, Cause.SHUTDOWN}:
        raise NotScored("It was stopped while it was being judged.")
    if ending.cause is Cause.TIME_LIMIT:
        raise NotScored(f"The evaluation did not end within {limit} s.")
    if ending.cause is not Cause.ITSELF:
        raise NotScored("The evaluation used more memory or disk than it may.")
    if ending.code < 0:
        raise NotScored(f"The evaluation was killed by signal {-ending.code}.")
    if ending.code:
        raised = traces.kind(tail.lines(session_pb2.STDERR))
        raise NotScored(
            f"The evaluation ended with exit code {ending.code} ({raised}): the prediction may not "
            "have the form that it asks for."
        )
    lines = tail.lines(session_pb2.STDOUT)
    if not lines:
        raise NotScored("The evaluation printed nothing, so that there is no score.")
    try:
        value = float(lines[-1])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise NotScored("The last line that the evaluation printed is not a number.")
    return value
