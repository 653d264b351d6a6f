"""The platform's image, made by its own Dockerfile where no registry of images can be reached."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.docker import daemon
from tests.swarm.folders import Unavailable
from tests.swarm.machines import Machine

ROOT = Path(__file__).resolve().parents[2]
# An engine asks for an image before each task; nobody listens there, which is said at once.
PLATFORM = "127.0.0.1:1/nsml:test"
POSTGRES = "127.0.0.1:1/postgres:test"
USER_CODE = "127.0.0.1:1/python:test"
_BASE = "nsml-test:base"
_DISTRIBUTIONS: list[Path] = [
    *(ROOT / name for name in ("protos", "sdk", "client", "cli")),
    *(project.parent for project in sorted((ROOT / "services").glob("*/pyproject.toml"))),
    *(project.parent for project in sorted((ROOT / "deploy").glob("*/pyproject.toml"))),
]


def build(machine: Machine, cache: Path, context: Path) -> None:
    """Build the images on one machine."""
    base = daemon.packed(cache)
    api = machine.api
    api.import_image_from_file(str(base), *_BASE.rsplit(":", 1))
    api.tag(_BASE, *USER_CODE.rsplit(":", 1))
    _gather(context, cache)
    offline = {"BASE": _BASE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}
    _build(api, context, PLATFORM, buildargs=offline)
    servers = context.parent / "servers"
    servers.mkdir()
    shutil.copy(Path(__file__).with_name("postgres.sh"), servers)
    (servers / "Dockerfile").write_text(
        f'FROM {PLATFORM}\nCOPY postgres.sh /postgres.sh\nENTRYPOINT ["sh", "/postgres.sh"]\n'
    )
    _build(api, servers, POSTGRES)


def copy(source: Machine, targets: list[Machine], file: Path) -> None:
    """Bring the images to other machines."""
    with file.open("wb") as out:
        names = [PLATFORM, POSTGRES, USER_CODE]
        made = ["docker", "--host", source.host, "save", *names]
        subprocess.run(made, stdout=out, check=True)
    loads = [
        subprocess.Popen(
            ["docker", "--host", target.host, "load", "--quiet", "--input", file],
            stdout=subprocess.DEVNULL,
        )
        for target in targets
    ]
    assert [load.wait() for load in loads] == [0] * len(targets)
    file.unlink()


def _gather(context: Path, cache: Path) -> None:
    """Put together what `make image` does, and what its base would bring."""
    pinned = ROOT / "requirements/platform.txt"
    shutil.copytree(_brought(pinned, cache), context)
    shutil.copy(ROOT / "deploy/swarm/Dockerfile", context)
    shutil.copy(pinned, context)
    own = ["wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", context]
    _pip(*own, *_DISTRIBUTIONS)


def _brought(pinned: Path, cache: Path) -> Path:
    """Return a folder with the packages that the platform stands on, brought once."""
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


def _build(api: Any, folder: Path, tag: str, **options: object) -> None:
    said = []
    for line in api.build(
        path=str(folder), tag=tag, decode=True, rm=True, network_mode="none", **options
    ):
        said.append(str(line.get("stream", "")))
        assert "error" not in line, f"{''.join(said[-30:])}{line['error']}"
