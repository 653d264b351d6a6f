"""The ground of a laptop: a virtual environment, and processes of this node."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

from nsml_core.errors import Invalid
from nsml_core.settings import Settings
from nsml_protos import session_pb2
from nsml_runner import jobs, meeting, pins, sdk_files, wishes
from nsml_runner.environment import Environment, Environments
from nsml_runner.feed import Feed
from nsml_runner.ground import Footing, Prepared
from nsml_runner.node_env import passed_on
from nsml_runner.sandbox import Command
from nsml_runner.sandbox_process import ProcessSandbox
from nsml_runner.user_env import Surroundings, entry, make_shared
from nsml_runner.workdir import WorkDir


class ProcessGround:
    def __init__(self, work: WorkDir, settings: Settings, feed: Feed) -> None:
        self._work = work
        self._settings = settings
        self._feed = feed
        self._environment: Environment | None = None

    async def prepare(self, session: session_pb2.Session) -> Footing:
        spec, code = session.spec, self._work.code
        refuse_what_needs_a_container(spec)
        for note in wishes.notes(code, spec.image):
            self._feed.say(note)
        environments = Environments(
            self._settings.cache / "envs",
            say=self._feed.say,
            log=lambda data: self._feed.log(session_pb2.BUILD, data),
        )
        if spec.python:
            made = environments.get_exactly(code, spec.code_tree, spec.packages, spec.python)
        else:
            made = environments.get(code, spec.code_tree)
        self._environment = found = await made
        return Footing(found.identity, found.packages, pins.python())

    def address(self, rank: int) -> str:  # noqa: ARG002 - all are on the node's own network
        return meeting.address()

    async def command(
        self,
        prepared: Prepared,
        assignment: session_pb2.Assignment,
        folder: Path,
        trace: str,
    ) -> Command:
        if assignment.session.spec.HasField("job"):
            job = await asyncio.to_thread(jobs.lay_out, self._work, folder, assignment)
            self._feed.say(job.notice)
            command = self._entry(prepared, job.assignment, folder, trace)
            return replace(command, argv=job.argv, cwd=job.cwd)
        writes = (self._work.code, self._work.output, self._work.scratch)
        command = self._entry(prepared, assignment, folder, trace)
        return replace(command, writes=writes, disk_bytes=assignment.session.spec.disk_bytes)

    def _entry(
        self, prepared: Prepared, assignment: session_pb2.Assignment, folder: Path, trace: str
    ) -> Command:
        environment = self._environment
        assert environment is not None  # noqa: S101 - it was prepared
        sdk_files.expose(self._work, environment.sites)
        path = f"{environment.python.parent}{os.pathsep}{passed_on().get('PATH', os.defpath)}"
        around = Surroundings(
            work=self._work,
            socket=folder / "sdk.sock",
            node={**passed_on(), "PATH": path, "VIRTUAL_ENV": str(environment.folder)},
            datasets={name: self._work.data / name for name in prepared.datasets},
            traceparent=trace,
            shared=make_shared(self._settings.shared, assignment.session),
        )
        return entry(str(environment.python), around, assignment)

    def sandbox(self) -> ProcessSandbox:
        return ProcessSandbox(self._settings.cache / "cpus")

    async def close(self) -> None:
        """Give nothing back: what a process was, went with it."""


def refuse_what_needs_a_container(spec: session_pb2.Spec) -> None:
    """Fail on what would otherwise be a promise that nobody keeps."""
    if spec.no_network:
        raise Invalid(
            "This node runs code as processes, which cannot be kept from the network: leave out "
            "--no-network, or have an administrator set NSML_SANDBOX=docker."
        )
