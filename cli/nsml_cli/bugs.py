"""What is kept of an error that nobody foresaw."""

import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from nsml_core.settings import home_folder


def write_report(error: BaseException, arguments: list[str]) -> Path:
    """Write the traceback to a file of the home's logs and return its path."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
    lines = [f"nsml {' '.join(arguments)}\n", f"Python {sys.version}\n"]
    lines += traceback.format_exception(error)
    for folder in (home_folder() / "logs", Path(tempfile.gettempdir())):
        try:
            file = folder / f"nsml-cli-{stamp}.log"
            file.write_text("".join(lines))
        except OSError:  # no home yet, or a full disk: the next folder may do
            continue
        return file
    return Path(tempfile.gettempdir())
