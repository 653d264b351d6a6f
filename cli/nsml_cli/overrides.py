"""Overrides as typed: KEY=VALUE changes, +KEY=VALUE adds, ++KEY=VALUE does either, ~KEY removes."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from nsml_core.errors import Invalid
from nsml_protos import session_pb2

_OVERRIDE = re.compile(r"(\+\+|\+|~|)([^\s=+~-][^\s=]*)(?:=(.*))?", re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d+")


class Override(NamedTuple):
    """One key, and what is to become of it."""

    sign: str
    key: str
    text: str
    typed: str

    def instead_of(self, earlier: "Override") -> str:
        """Return the argument that replaces an earlier one of the same key, which may add it."""
        return f"{earlier.sign}{self.key}={self.text}" if not self.sign else self.typed


def cpus(settings: Iterable[str]) -> str | None:
    """Return what was given to -c as a whole number: it means CPUs, anything else a file."""
    return next((text for text in reversed([*settings]) if _NUMBER.fullmatch(text)), None)


def configure(request: session_pb2.RunRequest, given: dict[str, Any]) -> None:
    """Put into a request what -c, --params and the overrides say."""
    typed = read_all(given["words"])
    files = [text for text in given["settings"] if not _NUMBER.fullmatch(text)]
    if files or given["params"]:
        from nsml_cli import config

        chosen = config.choose(files, given["params"], typed)
        request.config, request.params, request.config_draft = chosen
    if not given["no_config_args"]:
        request.args[:] = as_arguments(request.args, typed)


def configure_again(
    request: session_pb2.ForkRequest, parent: session_pb2.Spec, given: dict[str, Any]
) -> None:
    """Put into a request what changes in what the parent was configured with."""
    typed = read_all(given["words"])
    if given["params"] or (typed and (parent.config or parent.params)):
        from nsml_cli import config

        before = config.Chosen(parent.config, parent.params, parent.config_draft)
        chosen = config.choose_again(before, given["params"], typed)
        request.config, request.params, request.config_draft = chosen
    if typed and not given["no_config_args"]:
        args = request.args if request.new_args else parent.args
        request.args[:] = as_arguments(args, typed)
        request.new_args = True


def read(word: str) -> Override | None:
    """Return the override that a word is, if it is one."""
    found = _OVERRIDE.fullmatch(word)
    if not found or (found[3] is None and found[1] != "~"):
        return None
    return Override(found[1], found[2], found[3] or "", word)


def read_all(words: Iterable[str]) -> list[Override]:
    """Read what stands beside the options."""
    return [_checked(word) for word in words]


def _checked(word: str) -> Override:
    override = read(word)
    if override is None:
        raise Invalid(
            f"{word!r} is no override: write KEY=VALUE, such as train.lr=0.02; "
            "the script is named with -e, and -a gives its arguments."
        )
    return override


def as_arguments(args: Sequence[str], typed: Sequence[Override]) -> list[str]:
    """Return the arguments with the overrides behind them, or in the place of earlier ones."""
    words = list(args)
    for override in typed:
        earlier = {one.key: index for index, one in enumerate(map(read, words)) if one}
        if override.key in earlier:
            index = earlier[override.key]
            replaced = read(words[index])
            assert replaced is not None  # noqa: S101 - it was found as one
            words[index] = override.instead_of(replaced)
        else:
            words.append(override.typed)
    return words
