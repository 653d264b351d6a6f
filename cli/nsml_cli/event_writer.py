"""The metrics of one session on their way into an event file, as they come."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from nsml_cli import output
from nsml_client.client import Client
from nsml_client.event_files import EventFile
from nsml_core.errors import Error, Unavailable
from nsml_protos.session_pb2 import MetricsNews, MetricsRequest

_AGAIN_SECONDS = 1.0
_IDLE_SECONDS = 3_600.0
_FILE = "events.out.tfevents.0.nsml"


class EventWriter:
    """Follows a session in a thread that keeps nobody from leaving.

    What is told anew is appended too: TensorBoard lets go of points whose steps come again.
    """

    def __init__(self, name: str, patterns: Sequence[str], folder: Path) -> None:
        self._name = name
        self._request = MetricsRequest(name=name, series=patterns)
        self._run = folder / name.replace("/", "-")
        self._run.mkdir()

    def start(self) -> None:
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        with EventFile(self._run / _FILE) as file:
            try:
                for news in self._news():
                    for series in news.series:
                        file.add(series)
                    file.flush()
            except Error as error:
                output.fail(f"{self._name}: {error.sentence}")

    def _news(self) -> Iterator[MetricsNews]:
        """Yield what is told until the session has ended, however often the service goes away."""
        while True:
            try:
                with Client() as client:
                    told = client.stream(
                        "Sessions/WatchMetrics",
                        self._request,
                        MetricsNews,
                        idle_seconds=_IDLE_SECONDS,
                    )
                    yield from (news for news in told if news)
            except Unavailable:
                time.sleep(_AGAIN_SECONDS)
            else:
                return
