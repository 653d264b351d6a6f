"""Folders of tests, and how to be rid of them when parts are read-only, as cached data are."""

import os
import shutil
from pathlib import Path


def remove(folder: Path, *, ignore_errors: bool = False) -> None:
    """Remove a folder and all that is in it."""
    for inner, names, _ in os.walk(folder):
        for name in names:
            inside = Path(inner, name)
            if not inside.is_symlink():
                inside.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=ignore_errors)
