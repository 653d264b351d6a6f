"""Secrets that an orchestrator hands over as files, such as those of Docker and of Kubernetes."""

from collections.abc import Mapping
from pathlib import Path

from nsml_core.errors import Invalid

NAMES = (
    *("NSML_NATS_URL", "NSML_POSTGRES_URL"),
    *("NSML_SMTP_URL", "NSML_WEBHOOK_URL", "NSML_WEBHOOK_SECRET"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
)
"""Each may be given as `<NAME>_FILE`: the path of a file with the value."""


def read(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the files say, by the names of the variables that they stand for."""
    return {
        name: _content(f"{name}_FILE", Path(environ[f"{name}_FILE"]))
        for name in NAMES
        if environ.get(f"{name}_FILE")
    }


def _content(variable: str, file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{variable} names {file}, which cannot be read: {error}.") from None
