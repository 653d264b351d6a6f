"""config(): what the session was configured with, as nested plain objects."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Config(dict):  # type: ignore[type-arg]  # Python 3.8 cannot say dict[str, Any] here
    """A dict whose keys are attributes, too: `config.train.lr`, `config["train"]["lr"]`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(
                f"there is no {name!r} in this part of the configuration: it has"
                f" {', '.join(map(repr, self)) or 'nothing'}"
            ) from None

    def __setattr__(self, name: str, value: object) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        del self[name]


def config(default: dict[str, Any] | None = None) -> Config:
    """Return the configuration of this session, its interpolations resolved.

    It is what `nsml run -c conf.yaml train.lr=0.02` made of the files and what was typed. Each call
    returns a copy of its own. Without one, as off the platform, it is `default`, or else empty.
    """
    path = os.environ.get("NSML_CONFIG")
    if not path:
        return Config(_plain(default or {}))
    import json

    with open(f"{os.path.splitext(path)[0]}.json", encoding="utf-8") as file:
        return Config(_plain(json.load(file)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return Config((key, _plain(each)) for key, each in value.items())
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value
