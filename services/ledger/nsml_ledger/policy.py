"""What time costs here and when it is charged: the ledger's settings, read once."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from nsml_core.errors import Invalid
from nsml_ledger import rates
from nsml_ledger.decide import GRANTED_MAX


@dataclass(frozen=True)
class Prices:
    """Amounts are in GPU-milliseconds."""

    opening: int
    """`NSML_OPENING_CREDIT`: what a book begins with, in credits."""

    cpu_rate: int
    """`NSML_CPU_RATE`: credits per minute of a core, of sessions without GPUs."""

    low: int
    """`NSML_LOW_CREDIT`: a balance below so many credits is low; 0: none is."""

    charge_seconds: float
    """`NSML_CHARGE_SECONDS`: how often a running session is charged for what it ran so far."""


def read(environ: Mapping[str, str] = os.environ) -> Prices:
    """Read the settings of this process."""
    most = GRANTED_MAX // rates.CREDIT
    seconds = _number(environ, "NSML_CHARGE_SECONDS", "60", most)
    if seconds == 0:
        raise Invalid("NSML_CHARGE_SECONDS must be more than zero.")
    return Prices(
        opening=int(_number(environ, "NSML_OPENING_CREDIT", "10000", most) * rates.CREDIT),
        cpu_rate=int(_number(environ, "NSML_CPU_RATE", "0", most) * rates.CREDIT / 60),
        low=int(_number(environ, "NSML_LOW_CREDIT", "60", most) * rates.CREDIT),
        charge_seconds=seconds,
    )


def _number(environ: Mapping[str, str], name: str, default: str, most: int) -> float:
    try:
        value = float(environ.get(name) or default)
    except ValueError:
        value = math.nan
    if not 0 <= value <= most:
        raise Invalid(f"{name} must be a number, zero or more.")
    return value
