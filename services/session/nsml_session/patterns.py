"""Names as people ask for them: exactly, or with * and ? for anything."""

import re
from collections.abc import Sequence


def pattern(names: Sequence[str]) -> re.Pattern[str]:
    """Return what matches one of these names whole; without any, every name."""
    each = (re.escape(name).replace(r"\*", ".*").replace(r"\?", ".") for name in names or ["*"])
    return re.compile("|".join(each), re.DOTALL)
