"""MLflow's pages on what the web is measured with: to the first byte, and to drawn charts."""

import http.client
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from playwright.sync_api import Page

from bench.peers import environments

_HERE = Path(__file__).parent
_ENVIRONMENT = _HERE.parents[1] / ".venv" / "web-peers"
_LOOK_SECONDS = 0.5
_SECONDS = 600
_DRAWN = (
    "count => [...document.querySelectorAll('.js-plotly-plot')]"
    ".filter(plot => plot.querySelector('.scatterlayer path')).length >= count"
)


def measure(
    page: Page, series: int, points: int, charts: int, times: int
) -> tuple[list[float], list[float]]:
    """Return how long the first byte takes, and until so many charts are drawn, each time."""
    environments.install(_ENVIRONMENT, "web.txt")
    python = _ENVIRONMENT / "bin/python"
    with tempfile.TemporaryDirectory(prefix="nsml-bench-") as folder:
        file = Path(folder) / "mlflow.db"
        fill: list[Path | str] = [
            python,
            _HERE / "fill_mlflow.py",
            file,
            str(series),
            str(points),
        ]
        path = subprocess.run(fill, check=True, capture_output=True, text=True).stdout
        with _served(file) as origin:
            first = [_first_byte(origin) for _ in range(times)]
            drawn = [_drawn(page, origin + path, charts) for _ in range(times)]
    return first, drawn


@contextmanager
def _served(file: Path) -> Iterator[str]:
    """Yield where MLflow serves a file, once it answers."""
    port = _free_port()
    where = ["--backend-store-uri", f"sqlite:///{file}", "--port", str(port), "--workers", "1"]
    process = subprocess.Popen(
        [_ENVIRONMENT / "bin/mlflow", "server", "--host", "127.0.0.1", *where],
        env={**os.environ, "HOME": str(file.parent), "MLFLOW_DISABLE_TELEMETRY": "true"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    origin = f"http://127.0.0.1:{port}"
    try:
        while not _answers(port):
            if process.poll() is not None:
                raise RuntimeError(f"MLflow ended with {process.returncode}")
            time.sleep(_LOOK_SECONDS)
        yield origin
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _answers(port: int) -> bool:
    with closing(socket.socket()) as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


def _first_byte(origin: str) -> float:
    connection = http.client.HTTPConnection(origin.removeprefix("http://"), timeout=_SECONDS)
    start = time.perf_counter()
    connection.request("GET", "/")
    connection.getresponse().read(1)
    taken = time.perf_counter() - start
    connection.close()
    return taken


def _drawn(page: Page, address: str, charts: int) -> float:
    """Return when so many charts have been drawn, from the start of the navigation."""
    page.goto("about:blank")  # what follows a # would be no new page
    page.goto(address, timeout=1000 * _SECONDS)
    page.wait_for_function(_DRAWN, arg=charts, timeout=1000 * _SECONDS)
    return float(page.evaluate("performance.now()")) / 1000
