"""The configuration of a session: files merged in order, parameters, and what is typed on top."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from nsml_cli.dotted import dotted, reaches, split
from nsml_cli.overrides import Override
from nsml_core.errors import Invalid, NotFound

_NEAR = 0.7
_MEANT = 3
_RESOLVER = re.compile(r"\$\{[^{}]*:")
_SUFFIXES = {".yaml", ".yml", ".json"}

Config = dict[str, Any]


class Chosen(NamedTuple):
    """What a session is configured with, as JSON; empty is none."""

    config: str
    params: str
    draft: str = ""
    """The configuration where keys still refer to each other; empty where none does."""


def choose(files: Sequence[str], params: str, typed: Sequence[Override]) -> Chosen:
    """Merge files, then the parameters that name a key of theirs, then what was typed."""
    known = _read_params(params) if params else {}
    start = [_read(file) for file in files]
    return _chosen(start, known, typed, _with_typed(known, typed))


def choose_again(before: Chosen, params: str, typed: Sequence[Override]) -> Chosen:
    """Put new parameters, then what was typed, on top of what a session was configured with."""
    given = _read_params(params) if params else {}
    start = [json.loads(before.draft)] if before.draft else []
    if before.config and not before.draft:
        start = [_escaped(json.loads(before.config))]
    known = {**json.loads(before.params or "{}"), **given}
    return _chosen(start, given, typed, _with_typed(known, typed))


def _chosen(
    start: Sequence[Any], params: Config, typed: Sequence[Override], recorded: str
) -> Chosen:
    if not start:
        return Chosen("", recorded)
    draft = _merged(start, params, typed)
    with _refusing("The configuration cannot be resolved"):
        config = OmegaConf.to_container(draft, resolve=True, throw_on_missing=True)
    kept, resolved = _kept(_plain(draft), config), _json(config)
    return Chosen(resolved, recorded, _json(kept) if kept != _escaped(config) else "")


def _merged(start: Sequence[Any], params: Config, typed: Sequence[Override]) -> Any:
    with _refusing("The configuration cannot be merged"):
        draft = OmegaConf.merge(*start)
    for key, value in params.items():
        if reaches(_plain(draft), key):
            _put(draft, key, value)
    for override in typed:
        _apply(draft, override)
    return draft


def _with_typed(params: Config, typed: Sequence[Override]) -> str:
    """Return the parameters: what is typed for one of them holds there, too."""
    known = dict(params)
    for override in typed:
        if override.key in known and override.sign == "~":
            del known[override.key]
        elif override.key in known:
            known[override.key] = _value(override)
    return _json(known) if params else ""


def _apply(draft: Any, override: Override) -> None:
    """Change, add or remove; what is changed or removed has to be there, what is added must not."""
    there = reaches(_plain(draft), override.key)
    if override.sign == "+" and there:
        raise Invalid(f"{override.key} is in the configuration already: leave out the +.")
    if override.sign in ("", "~") and not there:
        raise Invalid(_unknown(override, list(dotted(_plain(draft)))))
    if override.sign == "~":
        _remove(draft, override.key)
    else:
        _put(draft, override.key, _value(override))


def _unknown(override: Override, keys: list[str]) -> str:
    """Say which keys were meant, if any is near, and how to add one."""
    last = split(override.key)[-1:]
    near = get_close_matches(override.key, keys, cutoff=_NEAR)
    ways = near or [key for key in keys if split(key)[-1:] == last][:_MEANT]
    if override.sign != "~":
        ways.append(f"+{override.key}={override.text} to add it")
    hint = f": write {', or '.join(ways)}" if ways else ""
    return f"There is no {override.key} in the configuration{hint}."


def _put(draft: Any, key: str, value: Any) -> None:
    with _refusing(f"{key} cannot be set"):
        OmegaConf.update(draft, key, value, merge=True, force_add=True)


def _remove(draft: Any, key: str) -> None:
    *above, last = split(key)
    with _refusing(f"{key} cannot be removed"):
        holder: Any = OmegaConf.select(draft, ".".join(above)) if above else draft
        del holder[int(last) if OmegaConf.is_list(holder) else last]


def _value(override: Override) -> Any:
    with _refusing(f"{override.typed!r} cannot be read"):
        return _plain(OmegaConf.from_dotlist([f"value={override.text}"]))["value"]


def _plain(draft: Any) -> Any:
    return OmegaConf.to_container(draft, resolve=False)


def _read(typed: str) -> Any:
    """Read FILE, GROUP=FILE, or a folder, in which each file is a group of its name."""
    group, mark, rest = typed.partition("=")
    if mark and group.isidentifier() and not Path(typed).exists():
        return OmegaConf.create({group: _read(rest)})
    folder = Path(typed)
    if not folder.is_dir():
        return _read_file(folder)
    files = sorted(file for file in folder.iterdir() if file.suffix in _SUFFIXES)
    if not files:
        raise NotFound(f"There is no configuration file in {typed}: they end with .yaml or .json.")
    return OmegaConf.create({file.stem: _read_file(file) for file in files})


def _read_file(file: Path) -> Any:
    try:
        with _refusing(f"{file} cannot be read"):
            read = OmegaConf.load(file)
    except FileNotFoundError:
        raise NotFound(f"There is no configuration file {str(file)!r} here.") from None
    if not isinstance(read, DictConfig):
        raise Invalid(f"{file} is no configuration: it needs keys with values at its top.")
    if isinstance(_plain(read).get("defaults"), list):
        raise Invalid(
            f"{file} has a defaults list, which Hydra reads in the script itself: "
            "leave out -c, and type the overrides alone."
        )
    return read


def _read_params(typed: str) -> Config:
    """Read a trial's parameters: one JSON object, or a file of it."""
    try:
        text = typed if typed.lstrip().startswith("{") else Path(typed).read_text(encoding="utf-8")
        params = json.loads(text)
    except FileNotFoundError:
        raise NotFound(f"There is no file {typed!r} here, nor is this JSON.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise Invalid(f"The parameters are no JSON ({error}).") from None
    if not isinstance(params, dict):
        raise Invalid('Parameters are one JSON object, such as {"train.lr": 0.02}.')
    return params


def _kept(raw: Any, resolved: Any) -> Any:
    """Return a draft in which keys refer to each other; what came from elsewhere is resolved."""
    if isinstance(raw, dict):
        return {key: _kept(each, resolved[key]) for key, each in raw.items()}
    if isinstance(raw, list):
        return [_kept(*pair) for pair in zip(raw, resolved, strict=True)]
    refers = isinstance(raw, str) and "${" in raw and not _RESOLVER.search(raw)
    return raw if refers else _escaped(resolved)


def _escaped(value: Any) -> Any:
    """Return what was resolved once so that it is not resolved again."""
    if isinstance(value, dict):
        return {key: _escaped(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    return value.replace("${", "\\${") if isinstance(value, str) else value


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError as error:
        raise Invalid(f"The configuration holds what JSON cannot ({error}).") from None


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Say in one sentence what is wrong with a configuration."""
    try:
        yield
    except MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise Invalid(f"{what} ({line}{error.problem or error.context}).") from None
    except FileNotFoundError:
        raise
    except MissingMandatoryValue as error:
        key = error.full_key
        raise Invalid(f"{what}: {key} is ???, so write {key}=VALUE.") from None
    except (
        OmegaConfBaseException,
        YAMLError,
        OSError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        key = getattr(error, "full_key", None)
        reason = str(error).partition("\n")[0].rstrip(".")
        raise Invalid(f"{what} ({f'{key}: ' if key else ''}{reason}).") from None
    except RecursionError:
        raise Invalid(f"{what}: it leads back to itself.") from None
