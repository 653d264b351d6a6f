"""Job files of PeriFlow: YAML, with the keys that its last versions knew, and `experiment`."""

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
import yaml
from msgspec import Meta

from nsml_core.errors import Invalid, NotFound

_WORKSPACE = "/workspace"
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_AT = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)

Word = str | int | float
Degree = Annotated[int, Meta(ge=1)]


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys that are not named here are refused."""


class Commands(Strict, frozen=True, kw_only=True):
    run: str
    setup: str = ""


class Docker(Strict, frozen=True, kw_only=True):
    image: str
    command: str | Commands
    env_var: dict[str, str | int | float | bool] = {}
    credential_id: Word | None = None

    @property
    def commands(self) -> Commands:
        return Commands(run=self.command) if isinstance(self.command, str) else self.command


class Workspace(Strict, frozen=True, kw_only=True):
    mount_path: str = _WORKSPACE


class Custom(Strict, frozen=True, kw_only=True, tag_field="type", tag="custom"):
    docker: Docker
    workspace: Workspace = Workspace()


class Predefined(Strict, frozen=True, kw_only=True, tag_field="type", tag="predefined"):
    template_id: Word | None = None
    template_name: Word | None = None
    model_config: dict[str, Any] | None = None


class Data(Strict, frozen=True, kw_only=True):
    name: Word
    mount_path: str | None = None


class Input(Strict, frozen=True, kw_only=True):
    id: Word
    mount_path: str | None = None


class Checkpoint(Strict, frozen=True, kw_only=True):
    input: Input | None = None
    output_checkpoint_dir: str | None = None


class Dist(Strict, frozen=True, kw_only=True):
    dp_degree: Degree
    pp_degree: Degree
    mp_degree: Degree


class Wandb(Strict, frozen=True, kw_only=True):
    credential_id: Word


class Slack(Strict, frozen=True, kw_only=True):
    channel: str
    credential_id: Word


class Plugin(Strict, frozen=True, kw_only=True):
    wandb: Wandb | None = None
    slack: Slack | None = None


class JobFile(Strict, frozen=True, kw_only=True):
    """What a job file says."""

    job_setting: Custom | Predefined
    experiment: Word | None = None
    name: Word | None = None
    vm: str | None = None
    num_devices: Annotated[int, Meta(ge=1)] | None = None
    checkpoint: Checkpoint = Checkpoint()
    data: Data | None = None
    dist: Dist | None = None
    plugin: Plugin | None = None


def read(file: Path) -> JobFile:
    """Read a job file; what is wrong with it is said in one sentence."""
    try:
        content = yaml.safe_load(file.read_bytes())
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise Invalid(f"{file} is no YAML{_place(error)}.") from None
    if not isinstance(content, dict):
        raise Invalid(f"{file} is no job file: it begins like `job_setting:`, at its left margin.")
    return _convert(content, file)


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f": {getattr(error, 'problem', '')} in line {mark.line + 1}" if mark else ""


def _convert(content: dict[Any, Any], file: Path) -> JobFile:
    """All unknown keys are named at once: each is taken out, and it is looked again."""
    unknown: list[str] = []
    job = None
    while job is None:
        try:
            job = msgspec.convert(content, JobFile)
        except msgspec.ValidationError as error:
            unknown.append(_take_unknown(content, error, file))
    if unknown:
        raise Invalid(f"{file} has keys that no job has: {', '.join(unknown)}.")
    return job


def _take_unknown(content: dict[Any, Any], error: Exception, file: Path) -> str:
    """Take out the key that the error names, and return it; any other error is final."""
    at = _AT.fullmatch(str(error))
    what, where = (at[1], at[2] or "") if at else (str(error), "")
    found = _UNKNOWN.fullmatch(what)
    if not found:
        raise Invalid(_sentence(file, what, where)) from None
    inner = content
    for name in filter(None, where.split(".")):
        inner = inner[name]
    inner.pop(found[1])
    return ".".join(filter(None, (where, found[1])))


def _sentence(file: Path, what: str, where: str) -> str:
    if missing := _MISSING.fullmatch(what):
        return f"{file} lacks {'.'.join(filter(None, (where, missing[1])))}."
    said = what.replace("`", "")
    return f"{file} says something else in {where or 'it'} than a job would: {said}."
