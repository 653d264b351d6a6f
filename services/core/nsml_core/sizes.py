"""Sizes as people write them: 8G, 50GB, 1.5GiB, 512M."""

import re
from collections.abc import Mapping

from nsml_core.errors import Invalid

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)i?b?\s*", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_bytes(text: str) -> int:
    """Return a size in bytes.

    `G`, `GB` and `GiB` are all 2^30, as on the command line and wherever sizes are shown.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise Invalid(f"'{text}' is not a size: write it like 8G, 512M or 1.5GiB.")
    number, letter = found.groups()
    size = int(float(number) * 1024 ** _POWERS[letter.lower()])
    if size <= 0:
        raise Invalid(f"'{text}' is not a size: it must be more than nothing.")
    return size


def size(environ: Mapping[str, str], name: str, default: int) -> int:
    """Return the size that a variable holds, in bytes."""
    text = environ.get(name, "")
    try:
        return parse_bytes(text) if text else default
    except Invalid as error:
        raise Invalid(f"{name}: {error.sentence}") from None
