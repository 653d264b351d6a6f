"""One attempt's life, from its first word to its last."""

import asyncio
import shutil
import signal
from typing import Any

import grpc.aio

from nsml_core.calls import step
from nsml_core.errors import Error, Superseded
from nsml_core.settings import Settings
from nsml_protos import session_pb2
from nsml_protos.gangs import members
from nsml_runner import going_on, grounds, outcomes
from nsml_runner.attempts import Attempts
from nsml_runner.boards import Boards
from nsml_runner.checkpoints import Checkpoints
from nsml_runner.conduct import JUDGES, Conduct, Unheard
from nsml_runner.feed import Feed
from nsml_runner.gpus import Gpus
from nsml_runner.ground import Footing, Prepared
from nsml_runner.judge import Bench
from nsml_runner.link import Link
from nsml_runner.meeting import PORTS, first_rank, free_port, meet
from nsml_runner.node import Node
from nsml_runner.outputs import Outputs
from nsml_runner.prepare import Preparation, together
from nsml_runner.printed import Printed
from nsml_runner.questions import Questions
from nsml_runner.scoring import Scoring
from nsml_runner.sdk_server import SdkServer
from nsml_runner.spool import Spool
from nsml_runner.store import Store
from nsml_runner.supervise import SHUTDOWN_GRACE_SECONDS, Cause, Interrupts
from nsml_runner.terminals import Terminals
from nsml_runner.ticket import Ticket
from nsml_runner.user_code import UserCode
from nsml_runner.user_env import devices
from nsml_runner.workdir import plain_folder

EARLY_STOP = "It was stopped before its code was started."

REPORT_SECONDS = 5.0
"""For the last word when this node is being shut down."""


class GivenUp(Exception):
    """This process has to go, and the platform could not be told in time."""


class Runner:
    """The parts of one attempt, and the order in which they work."""

    def __init__(
        self, ticket: Ticket, settings: Settings, node: Node, channel: grpc.aio.Channel
    ) -> None:
        self._ticket = ticket
        self._settings = settings
        self._work = grounds.work_dir(ticket.work, node)
        self._work.claim()
        self._spool = Spool(self._work.spool)
        self._feed = Feed(self._spool, ticket.ref)
        self._printed = Printed(self._feed, self._work, ticket.session)
        self._attempts = Attempts(channel, ticket.ref)
        self._questions = Questions()
        self._terminals = Terminals(self._attempts, self._questions)
        self._link = Link(self._attempts.link, self._spool, self._terminals.obey)
        self._store = Store(settings, ticket.token)
        self._checkpoints = Checkpoints(self._work, self._store, self._attempts, self._feed.say)
        index = settings.cache / "outputs"
        self._outputs = Outputs(self._work, self._store, index, self._feed.say)
        self._ground = grounds.choose(node, self._work, settings, self._feed)
        self._boards = Boards(settings, ticket.token, ticket.ref)
        self._scoring: Scoring | None = None
        loop = asyncio.get_running_loop()
        self._interrupts = Interrupts(self._link.stop, loop.create_future())
        self._bench = Bench(self._work, self._store, settings, node, self._feed, self._interrupts)
        loop.add_signal_handler(signal.SIGTERM, self._shut_down)

    def _shut_down(self) -> None:
        if not self._interrupts.shutdown.done():
            self._interrupts.shutdown.set_result(None)

    async def run(self) -> None:
        try:
            assignment = await self._attempts.begin()
            async with asyncio.TaskGroup() as beside:
                helpers = [
                    beside.create_task(self._link.run()),
                    beside.create_task(self._feed.beat()),
                    beside.create_task(self._checkpoints.store()),
                    beside.create_task(self._outputs.store()),
                    beside.create_task(self._leave_in_time()),
                ]
                await self._live(assignment)
                for helper in helpers:
                    helper.cancel()
        finally:
            await self._ground.close()
            self._spool.close()
            await self._store.close()
            await self._boards.close()
            self._work.remove()

    async def _leave_in_time(self) -> None:
        await self._interrupts.shutdown
        await asyncio.sleep(SHUTDOWN_GRACE_SECONDS + REPORT_SECONDS)
        raise GivenUp

    async def _live(self, assignment: session_pb2.Assignment) -> None:
        if assignment.session.stop_actor or assignment.session.stop_reason:
            self._link.stop.set_result(session_pb2.StopOrder(reason=assignment.session.stop_reason))
        self._feed.rank = first_rank(assignment)
        self._outputs.belong_to(assignment.session)
        self._feed.points.go_on(assignment.session.start.points)
        purpose = assignment.session.spec.purpose
        if purpose.board:
            self._scoring = Scoring(self._bench, self._boards, assignment, self._printed)
        outcome, stopped = await self._attempt(assignment)
        await self._keep_results(outcome)
        self._feed.flush(last=True)
        await self._spool.wait_empty()
        await self._attempts.end(outcome, stopped=stopped)

    async def _attempt(
        self, assignment: session_pb2.Assignment
    ) -> tuple[session_pb2.Outcome, bool]:
        try:
            with step("prepare"):
                self._work.make_folders()
                prepared = await self._prepare(assignment.session)
            if prepared is None:
                return outcomes.never_ran(EARLY_STOP), self._link.stop.done()
            if not await self._begin(prepared.footing, assignment):
                return outcomes.never_ran(EARLY_STOP), self._link.stop.done()
            if self._scoring is not None and assignment.session.spec.purpose.kind in JUDGES:
                return await self._scoring.judge_all(), self._link.stop.done()
            return await self._run_user_code(prepared, assignment)
        except Superseded:
            raise
        except Error as error:
            return outcomes.never_ran(error.sentence), self._link.stop.done()
        except OSError as error:
            return outcomes.never_ran(f"The session could not be started: {error}"), False

    async def _begin(self, footing: Footing, assignment: session_pb2.Assignment) -> bool:
        """Say that user code starts; a gang starts when all of its members are ready.

        Return whether it is to start still.
        """
        if len(members(assignment.session.attempts[-1])) == 1:
            await self._attempts.start(footing.identity, footing.packages, footing.python)
            return True
        ready = session_pb2.MemberReady(
            address=self._ground.address(assignment.rank),
            ports=[free_port() for _ in range(PORTS)],
        )
        if not assignment.rank:
            ready.environment, ready.python = footing.identity, footing.python
            ready.packages.extend(footing.packages)
        self._feed.say(f"Ready as rank {assignment.rank}, and waits for the others")
        meeting = asyncio.ensure_future(meet(self._attempts, assignment, ready))
        return await self._unless_stopped(meeting)

    async def _unless_stopped(self, task: "asyncio.Future[Any]") -> bool:
        """Return whether something was done before the session was to end."""
        try:
            await asyncio.wait(
                {task, *self._interrupts.pending()}, return_when=asyncio.FIRST_COMPLETED
            )
            if self._interrupts.any:
                return False
            task.result()
            return True
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _prepare(self, session: session_pb2.Session) -> Prepared | None:
        """Return nothing when the session is to end before it begins."""
        preparation = Preparation(self._work, self._store, self._ground, self._feed.say)
        fetching = self._checkpoints.fetch_start(session)
        lay = self._scoring.lay_data if self._scoring is not None else None
        preparing = asyncio.ensure_future(together(preparation.run(session, lay), fetching))
        return preparing.result()[0] if await self._unless_stopped(preparing) else None

    async def _run_user_code(
        self, prepared: Prepared, assignment: session_pb2.Assignment
    ) -> tuple[session_pb2.Outcome, bool]:
        spec, scoring = assignment.session.spec, self._scoring
        conduct = scoring.conduct if scoring is not None else Conduct(spec.purpose.kind)
        folder = plain_folder(self._work)
        server = SdkServer(self._feed, self._checkpoints, self._outputs, self._questions, conduct)
        await server.listen(folder / "sdk.sock")
        self._work.give(folder / "sdk.sock")
        going_on.make_pipes(assignment.session, self._work.scratch)
        try:
            with step("user code") as span:
                trace = span.traceparent
                command = await self._ground.command(prepared, assignment, folder, trace)
                gpus = Gpus(devices(assignment))
                code = self._code(conduct)
                ending, last_line = await code.run(command, spec.resources, gpus, self._interrupts)
        finally:
            await server.close()
            await self._terminals.close()
            if folder != self._work.root:
                shutil.rmtree(folder, ignore_errors=True)
        if scoring is None:
            outcome = outcomes.outcome(ending, spec.resources, last_line, command.disk_bytes)
            return outcome, ending.cause is Cause.STOP_ORDER
        outcome = await scoring.outcome(ending, last_line)
        return outcome, self._link.stop.done() and outcome.exit_code != 0

    def _code(self, conduct: Conduct) -> UserCode:
        """Return the user's code, about to start: heard, or not."""
        sandbox = self._ground.sandbox()
        if self._scoring is None:
            return UserCode(sandbox, self._feed, self._work, self._printed, self._terminals)
        self._scoring.begin()
        tail = self._scoring.tail
        if conduct.is_hidden:
            return UserCode(sandbox, Unheard(), self._work, tail, None)
        return UserCode(sandbox, self._feed, self._work, tail, self._terminals)

    async def _keep_results(self, outcome: session_pb2.Outcome) -> None:
        """Whatever cannot be kept is said in the outcome."""
        if self._scoring is not None and not self._scoring.keeps_output:
            return
        await self._checkpoints.wait_stored()
        await self._outputs.wait_stored()
        problems = [f"Checkpoint {name} could not be stored." for name in self._checkpoints.lost]
        try:
            if self._work.has_output():
                tree = await self._store.push(self._work.output)
                outcome.output_tree, outcome.output_bytes = tree.id, tree.bytes
        except (Error, OSError) as error:
            problems.append(f"The output could not be stored: {error}")
        outcome.message = " ".join([outcome.message, *problems]).strip()
