"""A session that is for a board: what its code is given, what becomes of its prediction."""

import asyncio
import math
import os
import stat
from pathlib import Path

from nsml_core.errors import Error, Invalid, Superseded
from nsml_protos import session_pb2
from nsml_protos.board_pb2 import Board, Brief, ReportRequest, Submission
from nsml_protos.session_pb2 import Assignment, Outcome, Purpose
from nsml_runner import outcomes, traces
from nsml_runner.boards import Boards
from nsml_runner.conduct import JUDGES, Conduct, Tail
from nsml_runner.judge import Bench, Judge, NotScored, Scores, Shown
from nsml_runner.printed import Printed
from nsml_runner.supervise import Cause, Ending

PREDICTION = "prediction"
_GIGABYTE = 1 << 30


class Scoring:
    """Of one attempt, from the test data to the score."""

    def __init__(
        self, bench: Bench, boards: Boards, assignment: Assignment, printed: Printed
    ) -> None:
        purpose = assignment.session.spec.purpose
        self.conduct = Conduct(purpose.kind)
        self.conduct.loaded = self._loaded
        self._bench = bench
        self._boards = boards
        self._assignment = assignment
        self._purpose = purpose
        self._printed = printed
        self.tail = Tail(None if self.conduct.is_hidden else printed.take)
        self._brief = Brief()
        self._telling: set[asyncio.Task[None]] = set()
        self._has_loaded = False

    @property
    def keeps_output(self) -> bool:
        """What it writes is small, and made of nothing that is hidden."""
        return self._purpose.kind == Purpose.REHEARSE

    @property
    def _board(self) -> Board:
        return self._brief.board

    @property
    def _name(self) -> str:
        return self._assignment.session.name

    def _say(self, sentence: str) -> None:
        self._bench.feed.say(sentence)

    async def lay_data(self) -> Path:
        """Bring what is to be predicted, without its labels, and for this attempt alone."""
        await self._learn()
        if self._purpose.kind in JUDGES:
            return self._bench.work.data
        splits = self._board.revision.splits
        is_small = self._purpose.kind == Purpose.REHEARSE
        folder = self._bench.work.data / self._board.terms.dataset
        await self._bench.store.pull(splits.loader.tree, folder)
        data = splits.rehearsal if is_small else splits.test
        await self._bench.store.pull(data.tree, folder / "test")
        return folder

    async def _learn(self) -> None:
        """Learn what is to be done, and whether this node may do it."""
        self._brief = await self._boards.assign(self._purpose.board)
        needed = self._board.terms.sandbox
        if needed and needed != self._bench.node.sandbox:
            raise Invalid(
                f"Submissions to {self._board.name} run in containers only, and this node runs "
                "code as processes: an administrator sets NSML_SANDBOX=docker."
            )
        self.conduct.hold_seconds = self._board.terms.hold_seconds

    def begin(self) -> None:
        """Say that the code starts."""
        self.conduct.restart()
        self._say(f"{self._name}: Session ready")
        self._say(f"{self._name}: Load model")

    def _loaded(self) -> None:
        if self._has_loaded:
            return  # how often it says so would say something
        self._has_loaded = True
        task = asyncio.create_task(self._tell_loaded())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell_loaded(self) -> None:
        seconds = self.conduct.seconds()
        await self.conduct.hold()
        limit = self._board.terms.time_limit_seconds
        self._say(f"load nsml model takes {seconds:g} seconds")
        self._say(f"Infer test set. The inference should be completed within {limit} seconds.")

    async def outcome(self, ending: Ending, last_line: str) -> Outcome:
        """Judge what the code has predicted, and say how it all ended."""
        found = await self._outcome(ending, last_line)
        self._printed.finish()
        return found

    async def _outcome(self, ending: Ending, last_line: str) -> Outcome:
        seconds = self.conduct.seconds()
        await self.conduct.hold()
        await asyncio.gather(*self._telling)  # what they wait for is over, too
        if ending.cause is not Cause.ITSELF or ending.code:
            return self._failed(ending, last_line)
        self._say(f"Infer test set takes {seconds:g} seconds")
        try:
            await self._judge_prediction()
        except Superseded:
            raise
        except (Error, OSError) as error:
            if isinstance(error, NotScored) and error.printed and self.conduct.is_hidden:
                await self._tell_owner(error.printed)
            await self.conduct.hold()
            return _rejected(error)
        return Outcome(exit_code=0)

    async def _tell_owner(self, printed: str) -> None:
        """Let the board's owner see why an evaluation failed; its competitors never do."""
        report = self._report(self._purpose.id, Scores(math.nan))
        report.printed = printed
        await self._boards.report(report)

    async def _judge_prediction(self) -> None:
        prediction = await asyncio.to_thread(self._take_prediction)
        splits = self._board.revision.splits
        if self._purpose.kind == Purpose.REHEARSE:
            if splits.rehearsal_labels.files:
                shown = self._printed.take
                scores = await self._judge(shown).score(prediction, splits.rehearsal_labels.tree)
                self._say(f"Score on the small split: {scores.value}; it is on no board.")
            return
        scores = await self._judge(None).score(prediction, splits.labels.tree)
        kept = await self._bench.store.push(prediction.parent)
        await self.conduct.hold()  # how long an evaluation takes may follow from the labels
        report = self._report(self._purpose.id, scores)
        report.prediction, report.prediction_bytes = kept.id, kept.bytes
        await self._boards.report(report)

    def _judge(self, shown: Shown) -> Judge:
        return Judge(self._bench, self._assignment, self._board, shown)

    def _report(self, submission: str, scores: Scores) -> ReportRequest:
        return ReportRequest(
            board=self._board.name,
            id=submission,
            value=scores.value,
            private=scores.private,
            revision=self._board.revision.number,
        )

    def _take_prediction(self) -> Path:
        """Copy the prediction out of the reach of the code; a link would lead elsewhere."""
        work, limit = self._bench.work, self._board.terms.prediction_bytes
        target = work.root / "predicted" / PREDICTION
        target.parent.mkdir()
        try:
            source = os.open(work.output / PREDICTION, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            raise NotScored(
                "The code predicted nothing: it has to call nsml.paused() once its model is bound."
            ) from None
        with os.fdopen(source, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or not found.st_size:
                raise NotScored("The prediction is empty, or no file.")
            if found.st_size > limit:
                sizes = f"{found.st_size / _GIGABYTE:.2f} GB", f"{limit / _GIGABYTE:.2f} GB"
                raise NotScored(f"The prediction has {sizes[0]}, and the board takes {sizes[1]}.")
            with target.open("wb") as copy:
                while piece := file.read(1 << 20):
                    copy.write(piece)
        return target

    def _failed(self, ending: Ending, last_line: str) -> Outcome:
        resources = self._assignment.session.spec.resources
        if not self.conduct.is_hidden:
            return outcomes.outcome(ending, resources, last_line)
        stderr = self.tail.lines(session_pb2.STDERR)
        stored = self._bench.store.here(self._assignment.session.spec.code_tree)
        raised = ""
        if ending.cause is Cause.ITSELF and ending.code > 0 and stored is not None:
            seen = self._bench.work.seen.code
            for line in traces.withheld(stderr, seen, stored):
                self._say(line)
            raised = traces.kind(stderr)
        return outcomes.hidden(ending, resources, raised)

    async def judge_all(self) -> Outcome:
        """Judge a sample, or once more all that was predicted, for the board's owner."""
        found = await self._judge_all()
        self._printed.finish()
        return found

    async def _judge_all(self) -> Outcome:
        try:
            if self._purpose.kind == Purpose.TRY:
                await self._try_sample()
                return Outcome(exit_code=0)
            failed = [each.session for each in self._brief.again if not await self._again(each)]
        except (Error, OSError) as error:
            return _rejected(error)
        if failed:
            return Outcome(exit_code=1, message=f"Not judged again: {', '.join(failed)}.")
        return Outcome(exit_code=0)

    async def _try_sample(self) -> None:
        folder = self._bench.work.root / "sample"
        await self._bench.store.pull(self._purpose.sample, folder)
        files = [file for file in folder.iterdir() if file.is_file()]
        if len(files) != 1:
            raise Invalid("A sample prediction is one file.")
        labels = self._board.revision.splits.labels.tree
        scores = await self._judge(self._printed.take).score(files[0], labels)
        self._say(f"Score: {scores}")

    async def _again(self, each: Submission) -> bool:
        folder = self._bench.work.root / f"again-{each.id}"
        labels = self._board.revision.splits.labels.tree
        try:
            await self._bench.store.pull(each.prediction, folder)
            scores = await self._judge(self._printed.take).score(folder / PREDICTION, labels)
        except NotScored as error:
            self._say(f"{each.session}: {error.sentence}")
            return False
        await self._boards.report(self._report(each.id, scores))
        self._say(f"{each.session}: {each.scores[-1].value} is now {scores}")
        return True


def _rejected(error: Error | OSError) -> Outcome:
    said = error.sentence if isinstance(error, Error) else f"It could not be judged: {error}"
    return Outcome(exit_code=1, message=said)
