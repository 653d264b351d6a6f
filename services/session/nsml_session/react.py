"""What the session service does when something happened to its own sessions.

Wake those who wait for the end, and let go of what was remembered of it.
"""

from collections.abc import Callable, Sequence

from nsml_core.entry import Recorded
from nsml_protos.session_pb2 import Completed, Failed, Lost, Preempted, Stopped
from nsml_session.live import Hub
from nsml_session.state import SESSION

_ENDINGS = (Completed, Failed, Stopped, Lost, Preempted)


class Reactions:
    """Tells listeners that an attempt of a session has ended."""

    def __init__(self, ended: Hub[None], forget: Sequence[Callable[[str], None]]) -> None:
        self._ended = ended
        self._forget = forget

    async def seen(self, entries: list[Recorded]) -> None:
        """Learn of what happened."""
        for entry in entries:
            if any(isinstance(event, _ENDINGS) for event in entry.events):
                name = SESSION.key(entry.subject)
                self._ended.tell(name, None)
                for forget in self._forget:
                    forget(name)
