"""TensorBoard as the web runs it: on a Unix socket, with what draws scalars, until the web is gone.

A process of its own: it takes memory and threads, and nothing of the web is within its reach. Its
port would be open to everybody on the machine; a socket lies in a folder that only its owner opens.
"""

import os
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from tensorboard import program
from tensorboard.plugins.core import core_plugin
from tensorboard.plugins.metrics import metrics_plugin
from tensorboard.plugins.scalar import scalars_plugin
from werkzeug.serving import make_server

_PLUGINS = [
    core_plugin.CorePluginLoader,
    scalars_plugin.ScalarsPlugin,
    metrics_plugin.MetricsPlugin,
]
_RELOAD_SECONDS = 5


class _Server(program.TensorBoardServer):  # type: ignore[misc] # it comes without types
    """Serves on the socket that the flags call the host."""

    def __init__(self, app: Any, flags: Any) -> None:
        self._server = make_server(flags.host, 0, app, threaded=True)

    def serve_forever(self) -> None:
        self._server.serve_forever()

    def get_url(self) -> str:
        return "http://localhost:1"  # it wants one, to note it down in TMPDIR


def main() -> None:
    """Serve the event files in a folder, at its socket, to requests for what lies under a path."""
    folder, path = Path(sys.argv[1]), sys.argv[2]
    threading.Thread(target=_end_with_the_web, args=(folder,), daemon=True).start()
    board = program.TensorBoard(plugins=_PLUGINS, server_class=_Server)
    where = ["--logdir", str(folder / "runs"), "--host", f"unix://{folder / 'socket'}"]
    pace = ["--reload_interval", str(_RELOAD_SECONDS), "--load_fast", "false"]
    board.configure(("", *where, *pace, "--path_prefix", path))
    board.main()


def _end_with_the_web(folder: Path) -> None:
    """Wait for the end of a pipe that the web holds: it may be killed, and say nothing."""
    sys.stdin.buffer.read()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
