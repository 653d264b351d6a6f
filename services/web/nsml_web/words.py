"""What pages say, in the languages that they speak."""

import gettext
import io
from functools import lru_cache
from pathlib import Path

from babel import Locale, negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from starlette.requests import Request

LANGUAGES = {"en": "English", "ko": "한국어"}
FOLDER = Path(__file__).parent / "locale"
COOKIE = "nsml-language"


def language(request: Request) -> str:
    """Return the language that a person chose, else the first of their browser's that we speak."""
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    wanted = [
        part.partition(";")[0].strip()
        for part in request.headers.get("accept-language", "").split(",")
    ]
    return negotiate_locale(wanted, LANGUAGES, sep="-") or "en"


@lru_cache
def translations(name: str) -> gettext.NullTranslations:
    """Return what is said in a language; English is what the pages are written in."""
    file = FOLDER / f"{name}.po"
    if not file.exists():
        return gettext.NullTranslations()
    with file.open("rb") as text:
        catalog = read_po(text, locale=name)
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


@lru_cache
def locale(name: str) -> Locale:
    """Return how a language writes times and numbers."""
    return Locale.parse(name)
