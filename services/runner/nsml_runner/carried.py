"""What an engine mounts lies on its own machine: a runner in a container carries it there.

The packages that containers of sessions see are part of this Python, and so of the image in which
the runner is. It copies them into the node's state folder, once for each state that they are in.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nsml_runner.box import Mount


def on_node(
    mounts: Sequence[Mount], home: Path, environ: Mapping[str, str] = os.environ
) -> list[Mount]:
    """Return the mounts as the node's engine finds them; it shares the state folder with us."""
    if environ.get("NSML_RUNNER_IN_CONTAINER") != "yes":
        return list(mounts)
    return [
        mount
        if mount.source.is_relative_to(home)
        else replace(mount, source=_carried(mount.source, home / "cache" / "carried"))
        for mount in mounts
    ]


def _carried(path: Path, folder: Path) -> Path:
    target = folder / _state(path) / path.name
    if not target.exists():
        _copy(path, target)
    return target


def _state(path: Path) -> str:
    """Return a name for the content of a package, as far as names, sizes and times tell it."""
    digest = hashlib.sha256(str(path).encode())
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        status = file.stat()
        digest.update(f"{file.relative_to(path)} {status.st_size} {status.st_mtime_ns}".encode())
    return digest.hexdigest()[:24]


def _copy(path: Path, target: Path) -> None:
    """Put it in its place at once: others may carry it at the same time."""
    target.parent.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=target.parent.parent))
    draft.chmod(0o755)
    try:
        if path.is_dir():
            shutil.copytree(path, draft / path.name)
        else:
            shutil.copy2(path, draft / path.name)
        draft.rename(target.parent)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not target.exists():
            raise
