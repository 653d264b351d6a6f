"""Clients that use a platform as people do, and note of each command what they know of it."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from nsml_cli.exits import ExitCode
from nsml_client.access import Reply, Request
from nsml_client.client import Client as Connection
from nsml_client.errors import Broken
from nsml_client.positions import Positions
from nsml_core import auth
from nsml_core.caller import Caller
from nsml_core.errors import Error, NotFound, Unavailable
from nsml_core.settings import read
from nsml_protos import ledger_pb2 as lg
from nsml_protos import session_pb2 as pb
from tests.faults.history import Command, Kind, Outcome
from tests.platform.platforms import Platform

_TRIES = 12
_AGAIN_SECONDS = 0.5
_LIVE_MAX = 6
"""Of one client: who asks faster than the platform runs learns nothing more."""

_PUSH = (sys.executable, "-m", "nsml_cli", "dataset", "push")
_ENDED = (pb.EXITED, pb.FAILED, pb.STOPPED, pb.LOST)


class Client:
    """One person: does something, looks at what there is, does the next thing."""

    def __init__(self, platform: Platform, name: str, seed: int, tree: str, notes: Path) -> None:
        self.name = name
        self.commands: list[Command] = []
        self.complaints: list[str] = []
        """What a person should never see: a service that failed in a way it did not foresee."""

        self._platform = platform
        self._random = Random(f"{seed} {name}")  # noqa: S311 - it is to be repeatable, not secret
        self._tree = tree
        self._notes = notes
        self._number = 0
        self._over = threading.Event()
        settings = read(platform.environment)
        secret = auth.make_secret(settings.secret_file)
        self._token = auth.issue(secret, Caller("user", name, admin=True))
        self._connection = Connection(settings)
        self._connection.token = self._token
        self._connection.positions = Positions(platform.folder / f"{name}.position")

    def live(self) -> None:
        """Do one thing after the other until told to finish."""
        actions: Sequence[tuple[Callable[[], None], int]] = (
            (self._run, 8), (self._resume, 4), (self._fork, 2), (self._stop, 2), (self._memo, 3),
            (self._push, 1), (self._grant, 2), (self._forget, 1),
        )  # fmt: skip
        acts, weights = zip(*actions, strict=True)
        while not self._over.is_set():
            self._random.choices(acts, weights)[0]()
            self._over.wait(self._random.uniform(0.02, 0.3))

    def close(self) -> None:
        self._connection.close()

    def finish(self) -> None:
        """Come to an end after the command that is on its way."""
        self._over.set()

    def wait_until_idle(self, seconds: float) -> bool:
        """Return whether all of theirs has ended and is settled before so long is over."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            with suppress(Unavailable, NotFound):
                if self._is_idle():
                    return True
            time.sleep(0.2)
        return False

    def _is_idle(self) -> bool:
        asked = pb.ListSessionsRequest(all=True)
        found = self._connection.call("Sessions/List", asked, pb.ListSessionsReply)
        if any(row.session.status not in _ENDED for row in found.sessions):
            return False
        book = self._connection.call("Ledger/Balance", lg.BalanceRequest(owner=self.name), lg.Book)
        return not book.holds

    def _key(self, kind: Kind) -> str:
        self._number += 1
        return f"{kind}-{self.name}-{self._number}"

    def _ask(
        self,
        command: Command,
        method: str,
        request: Request,
        reply: type[Reply],
        said: Callable[[Any], str] = lambda _: "",
    ) -> str:
        """Ask as the command line does, again and again, and note what came of it."""
        self._connection.request_id = command.key
        outcome, answer = Outcome.UNKNOWN, ""
        for _ in range(_TRIES):
            try:
                answer = said(self._connection.call(method, request, reply))
                outcome = Outcome.ACKNOWLEDGED
                break
            except Unavailable:
                time.sleep(_AGAIN_SECONDS)
            except Broken as error:
                self.complaints.append(f"{method} for {command.key}: {error.sentence}")
                break
            except Error as error:
                outcome, answer = Outcome.REFUSED, error.sentence
                break
        self.commands.append(replace(command, outcome=outcome, reply=answer))
        return answer if outcome is Outcome.ACKNOWLEDGED else ""

    def _mine(self, *statuses: "pb.Status.ValueType") -> list[pb.Session]:
        """Look at what there is; nothing can be seen while the service is away."""
        request = pb.ListSessionsRequest(all=True)
        try:
            found = self._connection.call("Sessions/List", request, pb.ListSessionsReply)
        except Unavailable:
            return []
        except Broken as error:
            self.complaints.append(f"Sessions/List: {error.sentence}")
            return []
        sessions = [row.session for row in found.sessions]
        return [one for one in sessions if not statuses or one.status in statuses]

    def _any(self, *statuses: "pb.Status.ValueType") -> pb.Session | None:
        found = self._mine(*statuses)
        return self._random.choice(found) if found else None

    def _command(self, kind: Kind, target: str) -> Command:
        return Command(self.name, kind, self._key(kind), target, Outcome.UNKNOWN)

    def _run(self) -> None:
        if len(self._mine(pb.QUEUED, pb.ALLOCATED, pb.RUNNING)) >= _LIVE_MAX:
            return
        command = self._command(Kind.RUN, "")
        request = pb.RunRequest(
            code_tree=self._tree,
            entry="main.py",
            args=self._arguments(),
            resources=pb.Resources(gpus=self._random.choice([0, 1, 1, 2]), cpus=1),
            key=command.key,
        )
        self._ask(command, "Sessions/Run", request, pb.RunReply, lambda said: said.session.name)

    def _arguments(self) -> list[str]:
        steps, pause = self._random.randint(5, 80), self._random.choice([0.0, 0.01, 0.05])
        code = self._random.choice([0, 0, 0, 1])
        return [str(self._notes), str(steps), str(pause), str(code)]

    def _fork(self) -> None:
        parent = self._any()
        if parent is None or len(self._mine(pb.QUEUED, pb.ALLOCATED, pb.RUNNING)) >= _LIVE_MAX:
            return
        command = self._command(Kind.FORK, parent.name)
        request = pb.ForkRequest(
            session=parent.name, args=self._arguments(), new_args=True, key=command.key
        )
        self._ask(command, "Sessions/Fork", request, pb.RunReply, lambda said: said.session.name)

    def _resume(self) -> None:
        ended = self._any(*_ENDED)
        if ended is None:
            return
        command = self._command(Kind.RESUME, ended.name)
        from_start = not ended.checkpoints and not ended.HasField("start")
        request = pb.ResumeRequest(name=ended.name, from_start=from_start, key=command.key)
        self._ask(command, "Sessions/Resume", request, pb.Session)

    def _stop(self) -> None:
        live = self._any(pb.QUEUED, pb.ALLOCATED, pb.RUNNING)
        if live is None:
            return
        command = self._command(Kind.STOP, live.name)
        request = pb.StopRequest(name=live.name, reason=command.key)
        self._ask(command, "Sessions/Stop", request, pb.Session, lambda said: said.stop_reason)

    def _memo(self) -> None:
        one = self._any()
        if one is not None:
            command = self._command(Kind.MEMO, one.name)
            request = pb.SetMemoRequest(name=one.name, memo=command.key)
            self._ask(command, "Sessions/SetMemo", request, pb.Session)

    def _grant(self) -> None:
        command = self._command(Kind.GRANT, self.name)
        request = lg.GrantRequest(
            owner=self.name, amount=self._random.randint(1, 60_000), reason="", key=command.key
        )
        self._ask(command, "Ledger/Grant", request, lg.Book)

    def _forget(self) -> None:
        saved = [one for one in self._mine(*_ENDED) if one.checkpoints]
        if saved:
            one = self._random.choice(saved)
            name = self._random.choice(list(one.checkpoints)).name
            command = self._command(Kind.FORGET, one.name)
            request = pb.RemoveCheckpointRequest(name=one.name, checkpoint=name)
            self._ask(command, "Sessions/RemoveCheckpoint", request, pb.Session)

    def _push(self) -> None:
        """Push as a person does: by the command itself."""
        dataset = f"{self.name}-{self._random.randint(1, 2)}"
        command = self._command(Kind.PUSH, dataset)
        folder = self._platform.folder / "data" / command.key
        folder.mkdir(parents=True)
        (folder / "part").write_text(command.key * self._random.randint(1, 2_000))
        outcome, said = Outcome.UNKNOWN, ""
        for _ in range(_TRIES):
            done = subprocess.run(
                [*_PUSH, dataset, str(folder), "--message", command.key],
                env={**self._platform.environment, "NSML_TOKEN": self._token},
                capture_output=True,
                text=True,
                check=False,
            )
            said = done.stderr.strip()
            if done.returncode == ExitCode.OK:
                outcome = Outcome.ACKNOWLEDGED
                break
            if done.returncode != ExitCode.NOT_RUNNING:
                outcome = Outcome.REFUSED
                break
            time.sleep(_AGAIN_SECONDS)
        if outcome is Outcome.REFUSED:
            self.complaints.append(f"dataset push for {command.key}: {said}")
        self.commands.append(replace(command, outcome=outcome, reply=said))
