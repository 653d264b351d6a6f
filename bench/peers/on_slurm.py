"""Slurm, tuned for throughput: prints as JSON how soon a job runs, and how long many take.

Debian's packages are unpacked into a private folder, and nothing is installed. The daemon looks for
its helper in /usr/sbin: it is shown one in a mount namespace of its own, which takes root.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

_PACKAGES = (
    "slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "libmunge2", "libhwloc15",
)  # fmt: skip
_LATENCIES = 9
_JOBS = 100
_CONFIGURATION = """
ClusterName=bench
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=27817
SlurmdPort=27818
AuthType=auth/none
CredType=cred/none
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
PluginDir={plugins}
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=defer,batch_sched_delay=0,sched_min_interval=20000,sched_interval=1
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=64 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Slurm:
    """Debian's packages, unpacked."""

    folder: Path

    @property
    def libraries(self) -> Path:
        return next(self.folder.glob("usr/lib/*-linux-gnu"))

    def command(self, *words: str) -> str:
        """Run a client's command and return what it printed."""
        where = self.folder / "usr/bin" / words[0]
        return subprocess.check_output([where, *words[1:]], text=True, stderr=sys.stderr)


def main() -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.exit("it takes Debian, and root")
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, ExitStack() as stack:
        slurm = unpack(Path(folder))
        start = time.perf_counter()
        stack.enter_context(daemons(slurm))
        while "idle" not in slurm.command("sinfo", "-h", "-o", "%t"):
            time.sleep(0.05)
        ready = time.perf_counter() - start
        run(slurm, 1)
        latency = [until_it_runs(slurm) for _ in range(_LATENCIES)]
        seconds = run(slurm, _JOBS)
    json.dump({"ready": ready, "latency": latency, "jobs": _JOBS, "seconds": seconds}, sys.stdout)


def unpack(folder: Path) -> Slurm:
    subprocess.run(["apt-get", "-q", "download", *_PACKAGES], cwd=folder, check=True, stdout=2)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, folder], check=True)
    for name in ("state", "spool", "helper"):
        (folder / name).mkdir()
    shutil.copy(folder / "usr/sbin/slurmstepd-wlm", folder / "helper/slurmstepd")
    return Slurm(folder)


@contextmanager
def daemons(slurm: Slurm) -> Iterator[None]:
    plugins = slurm.libraries / "slurm-wlm"
    host = socket.gethostname().partition(".")[0]
    configuration = slurm.folder / "slurm.conf"
    configuration.write_text(_CONFIGURATION.format(host=host, folder=slurm.folder, plugins=plugins))
    os.environ |= {
        "SLURM_CONF": str(configuration),
        "LD_LIBRARY_PATH": f"{slurm.libraries}:{plugins}",
    }
    programs = slurm.folder / "usr/sbin"
    shown = f"mount -t overlay overlay -o lowerdir={slurm.folder}/helper:/usr/sbin /usr/sbin"
    commands = (
        [str(programs / "slurmctld-wlm"), "-D"],
        ["unshare", "-m", "sh", "-c", f"{shown} && exec {programs / 'slurmd-wlm'} -D"],
    )
    started = [subprocess.Popen(command, stdout=2, stderr=2) for command in commands]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
            process.wait()


def submit(slurm: Slurm, command: str) -> None:
    slurm.command("sbatch", "-Q", "-n1", "-D", "/", "-o", "/dev/null", "--wrap", command)


def until_it_runs(slurm: Slurm) -> float:
    note = slurm.folder / "note"
    note.unlink(missing_ok=True)
    start = time.time_ns()
    submit(slurm, f"date +%s%N > {note}.new && mv {note}.new {note}")
    while not note.exists():
        time.sleep(0.01)
    return (int(note.read_text()) - start) / 1e9


def run(slurm: Slurm, number: int) -> float:
    start = time.perf_counter()
    for _ in range(number):
        submit(slurm, "true")
    while slurm.command("squeue", "-h"):
        time.sleep(0.05)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
