"""What the pages say is said in every language."""

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from jinja2.ext import GETTEXT_FUNCTIONS, babel_extract

import nsml_web
from nsml_web import words

HERE = Path(nsml_web.__file__).parent
OPTIONS = {"newstyle_gettext": "true"}
TRANSLATED = [name for name in words.LANGUAGES if name != "en"]


def said() -> set[str]:
    """Return every text of the pages; of those with a plural, the singular."""
    found: set[str | None] = set()
    for template in (HERE / "templates").rglob("*.html"):
        with template.open("rb") as file:
            for _, _, text, _ in babel_extract(file, GETTEXT_FUNCTIONS, [], OPTIONS):
                found.add(text[0] if isinstance(text, tuple) else text)
    return {text for text in found if text}  # what follows from a value has none


@pytest.mark.parametrize("language", TRANSLATED)
def test_nothing_is_left_in_english(language: str) -> None:
    known = {message_id(message.id) for message in catalog(language) if message.string}

    assert said() - known == set()


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_is_put_into_a_text_is_put_into_its_translation(language: str) -> None:
    assert [message.id for message in catalog(language) for _ in message.check()] == []


def catalog(language: str) -> Catalog:
    """Return what is said in a language, as its file has it."""
    with (HERE / "locale" / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language)


def message_id(given: str | tuple[str, ...] | list[str]) -> str:
    """Return a text; of one with a plural, the singular."""
    return given if isinstance(given, str) else given[0]
