"""What user code can import without asking for it: the SDK, and the shims that lead to it."""

import functools
import importlib.util
from collections.abc import Collection, Sequence
from importlib.machinery import PathFinder
from pathlib import Path

from nsml_core.errors import Refused
from nsml_runner.workdir import WorkDir

SHIMS = ("nsml.shims.nova", "nsml.shims.nni", "nsml.shims.periflow_sdk")
"""Each is found by user code under the last part of its name."""


def expose(work: WorkDir, sites: Sequence[Path]) -> None:
    """Put `nsml` and the shims, and nothing installed beside them, in the reach of user code.

    A shim steps aside for the real package: an environment holds only what its code asked for.
    """
    work.sdk.mkdir()
    (work.sdk / "nsml").symlink_to(sdk_package(), target_is_directory=True)
    work.shims.mkdir()
    has = {name for name in names() if PathFinder.find_spec(name, [str(site) for site in sites])}
    for shim in shims(has):
        (work.shims / shim.name).symlink_to(shim, target_is_directory=shim.is_dir())


def names() -> list[str]:
    """Return the names of the shims."""
    return [shim.rpartition(".")[2] for shim in SHIMS]


def shims(has: Collection[str]) -> list[Path]:
    """Return the files and folders of the shims, but not of those that the environment has."""
    found = [sdk_package() / "shims" / name for name in names() if name not in has]
    return [shim if shim.is_dir() else shim.with_suffix(".py") for shim in found]


@functools.cache
def sdk_package() -> Path:
    found = importlib.util.find_spec("nsml")
    if found is None or found.origin is None:
        raise Refused("The nsml package is not installed beside the platform: install it there.")
    return Path(found.origin).parent
