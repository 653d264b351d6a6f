"""The pages' templates: everything that is put into them is escaped."""

from functools import lru_cache, partial
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from nsml_client.access import new_key
from nsml_web import look, sentences, words
from nsml_web.assets import Assets


class Templates:
    """Renders pages, in each language."""

    def __init__(self, assets: Assets) -> None:
        self._assets = assets
        self._in = lru_cache(self._environment)

    def render(self, name: str, language: str, **values: Any) -> str:
        """Return a page, or a part of one."""
        return self._in(language).get_template(name).render(**values)

    def _environment(self, language: str) -> Environment:
        environment = Environment(
            loader=PackageLoader("nsml_web"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.install_gettext_translations(  # type: ignore[attr-defined]
            words.translations(language), newstyle=True
        )
        environment.filters.update(look.filters(words.locale(language)))
        environment.filters["said"] = partial(sentences.said, language)
        environment.globals.update(
            asset=self._assets.address,
            language=language,
            languages=words.LANGUAGES,
            new_key=new_key,
        )
        return environment
