"""What user code printed, as a page may show it: text, and nothing that acts on its reader."""

import re

# Colours and moves of terminals; of what is left, control characters, and what turns the direction
# of writing round, are shown as they are written in source code.
_TERMINAL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_HOSTILE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_LINE_MAX = 16_384


def shown(data: bytes) -> str:
    """Return a line of output as text; a very long one is cut, and says so."""
    text = _TERMINAL.sub("", data.decode(errors="replace").removesuffix("\n"))
    text = _HOSTILE.sub(_escaped, text)
    if len(text) > _LINE_MAX:
        return f"{text[:_LINE_MAX]} … ({len(text) - _LINE_MAX:,} characters more)"
    return text


def _escaped(found: "re.Match[str]") -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number <= 0xFF else f"\\u{number:04x}"  # noqa: PLR2004 - a byte's
