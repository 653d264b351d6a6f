"""Ray's job submission: prints as JSON how soon a job runs, and how long many take."""

import json
import sys
import tempfile
import time

import ray  # type: ignore[import-not-found] # installed for the measurement alone
from ray.job_submission import (  # type: ignore[import-not-found] # (the same)
    JobStatus,
    JobSubmissionClient,
)

_LATENCIES = 7
_JOBS = 24
_ENDED = (JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.STOPPED)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        start = time.perf_counter()
        context = ray.init(
            num_cpus=64, include_dashboard=True, _temp_dir=folder, log_to_driver=False
        )
        client = JobSubmissionClient(f"http://{context.dashboard_url}")
        ready = time.perf_counter() - start
        run(client, 1)  # the first job warms what all others share
        latency = [until_it_runs(client) for _ in range(_LATENCIES)]
        found = {"ready": ready, "latency": latency, "jobs": _JOBS, "seconds": run(client, _JOBS)}
        ray.shutdown()
    json.dump(found, sys.stdout)


def until_it_runs(client: JobSubmissionClient) -> float:
    start = time.time_ns()
    job = client.submit_job(entrypoint=f'{sys.executable} -c "import time; print(time.time_ns())"')
    wait(client, [job])
    said = [line for line in client.get_job_logs(job).splitlines() if line.isdigit()]
    return (int(said[-1]) - start) / 1e9


def run(client: JobSubmissionClient, number: int) -> float:
    start = time.perf_counter()
    entrypoint = f"{sys.executable} -c pass"
    wait(client, [client.submit_job(entrypoint=entrypoint) for _ in range(number)])
    return time.perf_counter() - start


def wait(client: JobSubmissionClient, jobs: list[str]) -> None:
    for job in jobs:
        while client.get_job_status(job) not in _ENDED:
            time.sleep(0.05)


if __name__ == "__main__":
    main()
