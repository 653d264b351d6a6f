"""Hands the configuration and a trial's parameters to user code, as files."""

import json
import re

import yaml

from nsml_protos import session_pb2
from nsml_runner.workdir import WorkDir

_OVERRIDE = re.compile(r"[+~]{0,2}[^\W\d][^\s=]*=")
_WORD = re.compile(r"[A-Za-z_][\w.-]*")


def hand_over(work: WorkDir, spec: session_pb2.Spec) -> dict[str, str]:
    """Write what there is into the attempt's folder; return the variables that tell of it."""
    where = {}
    if spec.config:
        _write(work, "config.json", spec.config)
        where["NSML_CONFIG"] = _write(work, "config.yaml", as_yaml(spec.config))
    if spec.params:
        where["NSML_PARAMS"] = _write(work, "params.json", spec.params)
    return where


def takes_overrides(spec: session_pb2.Spec) -> bool:
    """Tell whether the script reads KEY=VALUE; it would take --pause for another of these."""
    return any(_OVERRIDE.match(arg) for arg in spec.args)


def as_yaml(text: str) -> str:
    """Return a JSON object as YAML that PyYAML and OmegaConf read the same."""
    return yaml.dump(json.loads(text), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _write(work: WorkDir, name: str, text: str) -> str:
    file = work.root / name
    file.write_text(text)
    work.give(file)
    return str(work.inside(file))


class _Dumper(yaml.SafeDumper):
    """Quotes what OmegaConf would take for a number, or for a place of the configuration."""


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if _WORD.fullmatch(text) else '"'
    escaped = text.replace("${", "\\${")
    return dumper.represent_scalar("tag:yaml.org,2002:str", escaped, style=style)


_Dumper.add_representer(str, _represent)
