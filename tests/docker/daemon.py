"""A Docker Engine for tests: the one that runs, or one of our own, and an image made of packages.

Several workers of a test run share both: the first one makes them, the last one takes them away.
"""

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import docker
import docker.errors
import requests.exceptions

IMAGE = "nsml-test:base"
_START_SECONDS = 60.0
_LEFT_OUT = ("./usr/share/doc", "./usr/share/locale", "./usr/share/man", "./var/lib/apt/lists")
_REPOSITORY = "opt/packages"


class Unavailable(Exception):
    """There is no engine here, and none can be started: the reason."""


@contextmanager
def shared(folder: Path, cache: Path, *, own_network: bool = False) -> Iterator[str]:
    """Give the address of an engine that has the image.

    One with a network of its own makes bridges and rules there, and nothing here reaches them.
    """
    with ExitStack() as stack:
        with _alone(folder):
            users = stack.enter_context((folder / "users").open("w")).fileno()
            try:
                address = _running() or _started(folder, own_network=own_network)
                if not _has_image(address):
                    _make_image(address, cache)
            except Unavailable:
                _leave(folder, users)
                raise
            fcntl.flock(users, fcntl.LOCK_SH)
        try:
            yield address
        finally:
            with _alone(folder):
                _leave(folder, users)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder; whoever left last may have taken it away while we waited."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock = (folder / "lock").open("w")
        except FileNotFoundError:
            continue
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.fstat(lock.fileno()).st_nlink:
                yield
                return


def _leave(folder: Path, users: int) -> None:
    """Stop the engine that we started when nobody else uses it."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(users, fcntl.LOCK_UN)
        return
    with suppress(FileNotFoundError):
        stop(Path((folder / "place").read_text()))
    shutil.rmtree(folder)


def stop(place: Path) -> None:
    pid = int((place / "pid").read_text())
    os.kill(pid, 15)
    while _runs(pid):
        time.sleep(0.05)
    mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for mount in reversed(mounts):  # dockerd leaves the one of its network
        if Path(mount).is_relative_to(place):
            subprocess.run(["umount", mount], check=True)
    shutil.rmtree(place)


def _runs(pid: int) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def _running() -> str | None:
    """Return the engine that this machine has already."""
    named = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    return named if answers(named) else None


def answers(address: str) -> bool:
    path = address.removeprefix("unix://")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        try:
            listening.connect(path)
        except OSError:
            return False
    try:
        with closing(docker.DockerClient(address, timeout=5)) as client:
            client.ping()
    except (docker.errors.DockerException, requests.exceptions.RequestException, ValueError):
        return False
    return True


def _started(folder: Path, *, own_network: bool) -> str:
    """Start one; the folder says where it lives, for the next worker and for the last one."""
    note = folder / "place"
    if note.is_file():
        return f"unix://{note.read_text()}/docker.sock"
    needed = ("iptables", "ip", "unshare") if own_network else ()
    for program in ("dockerd", "debootstrap", *needed):
        if shutil.which(program) is None:
            raise Unavailable(f"no Docker Engine runs here, and there is no {program} to make one")
    if os.getuid() != 0:
        raise Unavailable("no Docker Engine runs here, and only root can start one")
    place = Path(tempfile.mkdtemp(prefix="nsml-docker-"))
    launch(place, own_network=own_network)
    note.write_text(str(place))
    return f"unix://{place}/docker.sock"


_NO_NETWORK = ("--bridge=none", "--iptables=false", "--ip-forward=false")
_IN_ITS_OWN = ("unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh")


def launch(place: Path, *, own_network: bool) -> None:
    """Start an engine that changes nothing of this machine's network, and wait for it."""
    address = f"unix://{place}/docker.sock"
    before, after = (_IN_ITS_OWN, ()) if own_network else ((), _NO_NETWORK)
    with (place / "log").open("ab") as log:
        process = subprocess.Popen(
            [
                *before,
                *("dockerd", "--data-root", place / "data", "--exec-root", place / "exec"),
                *("--pidfile", place / "pid", "--host", address),
                *after,
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    until = time.monotonic() + _START_SECONDS
    while not answers(address):
        if process.poll() is not None or time.monotonic() > until:
            tail = (place / "log").read_text(errors="replace").strip().splitlines()[-1:]
            raise Unavailable(f"dockerd does not start here: {' '.join(tail)[-200:]}")
        time.sleep(0.1)
    process.returncode = 0  # another worker may end it


def _has_image(address: str) -> bool:
    with closing(docker.DockerClient(address)) as client:
        return bool(client.images.list(name=IMAGE))


def _make_image(address: str, cache: Path) -> None:
    with closing(docker.APIClient(address, timeout=120)) as client:
        client.import_image_from_file(str(packed(cache)), *IMAGE.split(":"))


def packed(cache: Path) -> Path:
    """Return the root of the image as a file, which is made once on a machine."""
    found = cache / "base.tar"
    if not found.is_file():
        _pack(found)
    return found


def _pack(target: Path) -> None:
    """Make a small Debian with Python of the packages that this machine's apt knows."""
    with tempfile.TemporaryDirectory(prefix="nsml-root-") as folder:
        root = Path(folder)
        mirror, suite = _mirror()
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=python3", suite, root, mirror],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if made.returncode != 0:
            last = made.stdout.decode(errors="replace").strip().splitlines()[-1:]
            raise Unavailable(f"debootstrap cannot make an image here: {' '.join(last)[:200]}")
        _add_repository(root)
        left_out = [f"--exclude={path}/*" for path in (*_LEFT_OUT, "./var/cache/apt/archives")]
        unfinished = target.with_suffix(".new")
        subprocess.run(["tar", "-C", root, *left_out, "-cf", unfinished, "."], check=True)
        unfinished.replace(target)


def _mirror() -> tuple[str, str]:
    """Return where this machine's own packages come from."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Origin: Debian"],
        capture_output=True,
        text=True,
        check=False,
    )
    for line in told.stdout.splitlines():
        mirror, _, suite = line.partition(" ")
        if suite and "-" not in suite:
            return mirror, suite
    raise Unavailable("apt knows no Debian to make an image from")


def _add_repository(root: Path) -> None:
    """Give the image one system package that it can install without a network."""
    folder = root / _REPOSITORY
    content = root / "tmp" / "greeting"
    (content / "DEBIAN").mkdir(parents=True)
    (content / "usr/bin").mkdir(parents=True)
    program = content / "usr/bin/nsml-greeting"
    program.write_text("#!/bin/sh\necho hello from a system package\n")
    program.chmod(0o755)
    control = (
        "Package: nsml-greeting\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n"
    )
    (content / "DEBIAN/control").write_text(control)
    folder.mkdir(parents=True)
    file = folder / "greeting.deb"
    subprocess.run(["dpkg-deb", "--build", content, file], check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(content)
    size = file.stat().st_size
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    index = f"{control}Filename: ./greeting.deb\nSize: {size}\nSHA256: {digest}\n"
    (folder / "Packages").write_text(index)
    sources = root / "etc/apt/sources.list"
    sources.write_text(f"deb [trusted=yes] file:/{_REPOSITORY} ./\n")
