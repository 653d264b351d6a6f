"""What user code prints, twice: cut to what can be read into the log, and whole into files."""

import os
from collections.abc import Mapping

from nsml_core import log_limits
from nsml_protos.session_pb2 import STDERR, STDOUT, Source
from nsml_runner.cutter import Cutter
from nsml_runner.feed import Feed
from nsml_runner.rawlog import FOLDER, RawLog
from nsml_runner.workdir import WorkDir


class Printed:
    """The output of one attempt."""

    def __init__(
        self, feed: Feed, work: WorkDir, session: str, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._feed = feed
        self._work = work
        self._hint = f"nsml logs {session} --raw"
        self._cutters = {source: Cutter(self._hint) for source in (STDOUT, STDERR)}
        self._raw = RawLog(work.raw, log_limits.read(environ).raw)

    def take(self, source: "Source.ValueType", data: bytes) -> None:
        """Take a piece of one stream."""
        self._raw.add(source, data)
        self._tell(source, self._cutters[source].cut(data))

    def _tell(self, source: "Source.ValueType", text: bytes) -> None:
        if text:
            self._feed.log(source, text)

    def finish(self) -> None:
        """No more comes: say what was cut last, and keep the whole if anything was."""
        for source, cutter in self._cutters.items():
            self._tell(source, cutter.finish())
        self._raw.close()
        if self._feed.has_dropped or any(cutter.has_cut for cutter in self._cutters.values()):
            self._keep()

    def _keep(self) -> None:
        if not self._raw.move_to(self._work.output):
            self._feed.say(f"The whole output is not kept: NSML_OUTPUT has no room for {FOLDER}.")
            return
        left_out = self._raw.left_out
        rest = f", but for the last {left_out} bytes of it" if left_out else ""
        self._feed.say(f"The log was cut; `{self._hint}` brings the whole{rest}.")
