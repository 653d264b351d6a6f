"""Prefect's process pool: prints as JSON how soon a run starts, and how long many take."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path

_LATENCIES = 5
_RUNS = 8
_PORT = 42_731
_API = f"http://127.0.0.1:{_PORT}/api"
_PREFECT = str(Path(sys.executable).with_name("prefect"))
_FLOW = """
import sys, time
from pathlib import Path
from prefect import flow

@flow
def nothing(note: str = "") -> None:
    if note:
        Path(note).write_text(str(time.time_ns()))
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="prefect-") as folder, ExitStack() as stack:
        os.environ |= {
            "PREFECT_HOME": folder,
            "PREFECT_API_URL": _API,
            "PREFECT_WORKER_QUERY_SECONDS": "0.5",
            "PREFECT_LOGGING_LEVEL": "ERROR",
            "DO_NOT_TRACK": "1",
        }
        start = time.perf_counter()
        server = stack.enter_context(running("server", "start", "--port", str(_PORT), "--no-ui"))
        until_it_listens(server)
        ready = time.perf_counter() - start
        prefect("work-pool", "create", "pool", "--type", "process")
        stack.enter_context(running("worker", "start", "--pool", "pool"))
        deploy(Path(folder))
        run(1)
        latency = [until_it_runs(Path(folder) / f"note-{number}") for number in range(_LATENCIES)]
        found = {"ready": ready, "latency": latency, "jobs": _RUNS, "seconds": run(_RUNS)}
    json.dump(found, sys.stdout)


@contextmanager
def running(*words: str) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen([_PREFECT, *words], stdout=sys.stderr, stderr=sys.stderr)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def prefect(*words: str) -> None:
    subprocess.run([_PREFECT, *words], check=True, stdout=sys.stderr)


def until_it_listens(server: "subprocess.Popen[bytes]") -> None:
    while server.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", _PORT), timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("the server did not start")


def deploy(folder: Path) -> None:
    # Prefect reads its settings when it is imported.
    from prefect import flow  # type: ignore[import-not-found] # noqa: PLC0415

    (folder / "nothing.py").write_text(_FLOW)
    source = flow.from_source(source=str(folder), entrypoint="nothing.py:nothing")
    with redirect_stdout(sys.stderr):
        source.deploy(
            name="it", work_pool_name="pool", print_next_steps=False, ignore_warnings=True
        )


def until_it_runs(note: Path) -> float:
    from prefect.deployments import (  # type: ignore[import-not-found] # noqa: PLC0415
        run_deployment,
    )

    start = time.time_ns()
    run_deployment("nothing/it", parameters={"note": str(note)}, poll_interval=0.1)
    return (int(note.read_text()) - start) / 1e9


def run(number: int) -> float:
    from prefect.client.orchestration import (  # type: ignore[import-not-found] # noqa: PLC0415
        get_client,
    )
    from prefect.deployments import (  # noqa: PLC0415
        run_deployment,
    )

    start = time.perf_counter()
    waiting = {run_deployment("nothing/it", timeout=0).id for _ in range(number)}
    with get_client(sync_client=True) as client:
        while waiting:
            time.sleep(0.1)
            ended = {one for one in waiting if client.read_flow_run(one).state.is_final()}
            waiting -= ended
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
