"""The platform's image, made by its own Dockerfile where no registry of images can be reached."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.docker import daemon
from tests.swarm import postgres
from tests.swarm.folders import Unavailable
from tests.swarm.machines import Machine

ROOT = Path(__file__).resolve().parents[2]
# An engine asks for an image before each task; nobody listens there, which is said at once.
PLATFORM = "127.0.0.1:1/nsml:test"
NEXT = "127.0.0.1:1/nsml:next"
"""What is rolled out: the same under another name."""

POSTGRES = "127.0.0.1:1/postgres:test"
USER_CODE = "127.0.0.1:1/python:test"
_BASE = "nsml-test:base"


def build(machine: Machine, cache: Path, place: Path) -> None:
    """Build the images on one machine."""
    base = daemon.packed(cache)
    api = machine.api
    api.import_image_from_file(str(base), *_BASE.rsplit(":", 1))
    api.tag(_BASE, *USER_CODE.rsplit(":", 1))
    _make(machine, _brought(cache))
    api.tag(PLATFORM, *NEXT.rsplit(":", 1))
    servers = place / "servers"
    shutil.copytree(postgres.brought(cache, base), servers)
    shutil.copy(Path(__file__).with_name("postgres.sh"), servers)
    (servers / "Dockerfile").write_text(postgres.DOCKERFILE.format(base=_BASE))
    _build(api, servers, POSTGRES)


def share(source: Machine, target: Machine) -> None:
    """Give another machine the images, before its engine starts: links to files nobody changes."""
    for folder in ("image", "overlay2"):
        subprocess.run(["cp", "-al", source.data / folder, target.data], check=True)


def _make(machine: Machine, wheels: Path) -> None:
    """Have the image made as an administrator does, of a base and of packages that are here."""
    words = [f"IMAGE={PLATFORM}", f"BASE={_BASE}", f"WHEELS={wheels}", "BUILD=--network=none"]
    made = subprocess.run(
        ["make", "--silent", "--directory", ROOT, "image", *words],
        env={**os.environ, "DOCKER_HOST": machine.host},
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, f"{made.stdout[-3000:]}{made.stderr[-3000:]}"


def _brought(cache: Path) -> Path:
    """Return a folder with the packages that the platform stands on, brought once."""
    pinned = ROOT / "requirements/platform.txt"
    found = cache / f"wheels-{hashlib.sha256(pinned.read_bytes()).hexdigest()[:16]}"
    if not found.exists():
        draft = Path(tempfile.mkdtemp(dir=cache))
        try:
            wanted = ["download", "--no-deps", "--dest", draft]
            _pip(*wanted, "--require-hashes", "--requirement", pinned)
            _pip(*wanted, f"pip=={version('pip')}")
            draft.rename(found)
        except BaseException:
            shutil.rmtree(draft)
            raise
    return found


def _pip(*words: object) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    made = subprocess.run([*command, *map(str, words)], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        last = made.stderr.strip().splitlines()[-1:]
        raise Unavailable(f"the packages of the image cannot be brought: {' '.join(last)[:200]}")


def _build(api: Any, folder: Path, tag: str) -> None:
    said = []
    for line in api.build(path=str(folder), tag=tag, decode=True, rm=True, network_mode="none"):
        said.append(str(line.get("stream", "")))
        assert "error" not in line, f"{''.join(said[-30:])}{line['error']}"
