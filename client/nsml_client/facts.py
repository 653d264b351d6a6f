"""How a session is: what the platform said of it when it was last asked."""

import json
from typing import Any

from nsml_client import models
from nsml_client.modes import Calls, M, Noun
from nsml_protos import session_pb2
from nsml_protos.session_pb2 import Checkpoint

LIVE = {session_pb2.QUEUED, session_pb2.ALLOCATED, session_pb2.RUNNING}


class Facts(Noun[M]):
    """What can be said of a session without asking the platform again."""

    def __init__(self, calls: Calls, info: session_pb2.Session) -> None:
        super().__init__(calls)
        self.info = info
        """All that is known of it, as protos/nsml_protos/session.proto describes it."""

    def __repr__(self) -> str:
        return f"<Session {self.name}: {self.status}>"

    @property
    def name(self) -> str:
        """USER/DATASET/N."""
        return self.info.name

    @property
    def status(self) -> str:
        """Queued, Allocated, Running; at the end Exited, Failed, Stopped or Lost."""
        return session_pb2.Status.Name(self.info.status).capitalize()

    @property
    def is_live(self) -> bool:
        """Whether it has not ended."""
        return self.info.status in LIVE

    @property
    def reason(self) -> str:
        """Why it waits, or how it ended, in one sentence; empty if there is nothing to say."""
        return self.info.outcome.message or self.info.reason

    @property
    def exit_code(self) -> int | None:
        """Of its code; None if it has none: it lives, or a signal ended it."""
        outcome = self.info.outcome
        return outcome.exit_code if outcome.HasField("exit_code") else None

    @property
    def config(self) -> dict[str, Any]:
        """What it was configured with; empty if it was not."""
        return dict(json.loads(self.info.spec.config or "{}"))

    @property
    def params(self) -> dict[str, Any]:
        """The parameters of a trial; empty if it is none."""
        return dict(json.loads(self.info.spec.params or "{}"))

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """What it saved, the newest last."""
        return sorted(self.info.checkpoints, key=models.saved)
