"""What the output of sessions may take: `NSML_LOG_…`, one list for all that heed or check it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from nsml_core.sizes import size


@dataclass(frozen=True)
class LogLimits:
    """Sizes in bytes."""

    rate: int
    """`NSML_LOG_RATE`: so much output goes into the log each second for long."""

    burst: int
    """`NSML_LOG_BURST`: so much goes at once."""

    raw: int
    """`NSML_LOG_RAW`: of an attempt's output, so much is kept in files where the log was cut."""

    quota: int
    """`NSML_LOG_QUOTA`: what the output of one session may take in the tables, compressed."""


def read(environ: Mapping[str, str] = os.environ) -> LogLimits:
    """Read the limits of this process; a size that is none is named."""
    return LogLimits(
        rate=size(environ, "NSML_LOG_RATE", 1 << 20),
        burst=size(environ, "NSML_LOG_BURST", 16 << 20),
        raw=size(environ, "NSML_LOG_RAW", 1 << 30),
        quota=size(environ, "NSML_LOG_QUOTA", 256 << 20),
    )
