"""The repository as the style tests see it: files, packages, syntax trees and the ratchet."""

import ast
import functools
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def files() -> tuple[Path, ...]:
    """List what git tracks or would track, relative to the root."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(words, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = (Path(name) for name in sorted(set(listed.split("\0"))) if name)
    return tuple(path for path in paths if (ROOT / path).is_file())


def files_named(*patterns: str) -> Iterator[Path]:
    """List the files whose last part matches one of these patterns."""
    return (path for path in files() if any(path.match(pattern) for pattern in patterns))


def text(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(text(path), filename=str(path))


@functools.cache
def projects() -> tuple[Path, ...]:
    """List the pyproject.toml of each distribution; the root's is no distribution's."""
    return tuple(path for path in files_named("pyproject.toml") if len(path.parts) > 1)


def project(path: Path) -> Mapping[str, Any]:
    """Return the `project` table of a distribution."""
    table: Mapping[str, Any] = tomllib.loads(text(path))["project"]
    return table


@functools.cache
def modules() -> Mapping[str, Path]:
    """Map the full name of every module that we ship to its file."""
    return {
        module_name(path.relative_to(project.parent)): path
        for project in projects()
        for path in files_named("*.py")
        if path.is_relative_to(project.parent)
        and path.relative_to(project.parent).parts[0].startswith("nsml")
    }


def module_name(path: Path) -> str:
    """Turn a path from its import root, as in `nsml_core/log.py`, into a name."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def ratchet() -> Mapping[str, Mapping[str, Any]]:
    """Return the offenders that are known, by rule."""
    return tomllib.loads(text(Path("tests/style/ratchet.toml")))


def assert_only_shrinks(rule: str, found: Mapping[str, int]) -> None:
    """Fail on an offender that is new or has grown, and on an entry that could be smaller."""
    known = {name: entry["count"] for name, entry in ratchet().get(rule, {}).items()}
    worse = {name: count for name, count in found.items() if count > known.get(name, 0)}
    assert not worse, f"{rule}: mend these, found with these counts: {worse}"
    loose = {name: found.get(name, 0) for name in known if found.get(name, 0) < known[name]}
    assert not loose, f"{rule}: lower these in tests/style/ratchet.toml, or drop them at 0: {loose}"
