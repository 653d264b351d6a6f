"""What services refuse, in the person's language: known by what stands around its parts.

Services write one English sentence, and so do the events of the log; it is its own code. The
catalogue has each with `{0}`, `{1}` where names and numbers are put in, and its translation with
the same. What no catalogue knows is said as it came.
"""

import re
from functools import lru_cache

from babel.messages.pofile import read_po

from nsml_web import words

_PART = re.compile(r"\{(\w+)\}")
_LONGEST = 2000


class _Pattern:
    """A sentence with parts, and how it is said."""

    def __init__(self, sentence: str, translation: str) -> None:
        self._names = _PART.findall(sentence)
        self._between = _PART.split(sentence)[::2]
        self._translation = translation
        self.weight = sum(map(len, self._between))
        """How much of it is fixed: of two that fit, the more special one is meant."""

    def said(self, sentence: str) -> str | None:
        """Return a sentence like this one, translated; None if it is another."""
        first, *rest = self._between
        if not sentence.startswith(first):
            return None
        parts: dict[str, str] = {}
        at = len(first)
        for name, text in zip(self._names, rest, strict=True):
            is_last = len(parts) == len(self._names) - 1
            end = len(sentence) - len(text) if is_last else sentence.find(text, at)
            if end < at or not sentence.startswith(text, end):
                return None
            parts[name] = sentence[at:end]
            at = end + len(text)
        if at != len(sentence):
            return None
        return _PART.sub(lambda part: parts[part[1]], self._translation)


@lru_cache
def _patterns(language: str) -> list[_Pattern]:
    file = words.FOLDER / f"{language}.sentences.po"
    if not file.exists():
        return []
    with file.open("rb") as text:
        known = read_po(text, locale=language)
    found = [_Pattern(str(one.id), str(one.string)) for one in known if one.id and one.string]
    return sorted(found, key=lambda one: one.weight, reverse=True)


def said(language: str, sentence: str) -> str:
    """Return a sentence in a language, or as it came."""
    page = words.translations(language).gettext(sentence) if sentence else ""
    if page != sentence or len(sentence) > _LONGEST:
        return page
    known = (pattern.said(sentence) for pattern in _patterns(language))
    return next((found for found in known if found is not None), sentence)
