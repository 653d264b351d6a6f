"""Dotted keys: how people name a value inside of a configuration."""

import json
import re
from typing import Any

_PLAIN = re.compile(r"[^\W\d]|[/.~$]")
_CONSTANTS = {"true", "false", "null", "NaN", "Infinity"}
_PART = re.compile(r"[.\[\]]+")


def split(key: str) -> list[str]:
    """Return the parts of a key, written a.b.0 or a.b[0]."""
    return [part for part in _PART.split(key) if part]


def reaches(inside: Any, key: str) -> bool:
    """Tell whether there is something under a key."""
    for part in split(key):
        if isinstance(inside, dict) and part in inside:
            inside = inside[part]
        elif isinstance(inside, list) and part.isdecimal() and int(part) < len(inside):
            inside = inside[int(part)]
        else:
            return False
    return True


def dotted(config: Any, prefix: str = "") -> dict[str, str]:
    """Return each value under its dotted key, as people write it; lists stay whole."""
    if not isinstance(config, dict) or (prefix and not config):
        return {prefix: _text(config)}
    inner = f"{prefix}." if prefix else ""
    return {
        key: text
        for name, value in config.items()
        for key, text in dotted(value, f"{inner}{name}").items()
    }


def read(text: str) -> dict[str, str]:
    """Return the values of a configuration, or of parameters, that the log holds as JSON."""
    return dotted(json.loads(text)) if text else {}


def _text(value: Any) -> str:
    plain = isinstance(value, str) and value not in _CONSTANTS and _PLAIN.match(value)
    return value if plain else json.dumps(value, ensure_ascii=False)
