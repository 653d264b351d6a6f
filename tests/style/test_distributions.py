"""How distributions fit together: one version, one licence, and declared what is imported."""

import ast
import functools
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.style.repository import ROOT, modules, project, projects, ratchet, text, tree


def test_all_have_the_version_of_the_changelog() -> None:
    newest = re.search(r"^## (\S+)", text(Path("CHANGELOG.md")), re.MULTILINE)
    versions = {project(path)["version"] for path in projects()}

    assert newest
    assert versions == {newest[1]}


def test_all_share_one_license() -> None:
    assert {project(path)["license"] for path in projects()} == {"Apache-2.0"}


def test_every_package_is_typed() -> None:
    packages = {modules()[name].parent for name in modules() if "." not in name}

    assert {
        str(package) for package in packages if not (ROOT / package / "py.typed").exists()
    } == set()


def test_what_is_imported_is_declared() -> None:
    undeclared = {
        f"{path.parent}: {imported}"
        for path in projects()
        for imported in packages_imported(path)
        if not owners()[imported] & {*declared(path), *extras(path), project(path)["name"]}
    }

    assert undeclared == set()


def test_what_is_declared_is_imported() -> None:
    known = {name: set(entry["by"]) for name, entry in ratchet()["unimported-requirements"].items()}
    idle = {
        f"{path.parent}: {name}"
        for path in projects()
        for name in declared(path)
        if not any(name in owners()[imported] for imported in packages_imported(path))
        and project(path)["name"] not in known.get(name, ())
    }

    assert idle == set()


def test_the_pinned_platform_is_what_distributions_need() -> None:
    needed = {name for path in projects() for name in declared(path)}
    pinned = {
        line
        for line in text(Path("requirements/platform.in")).splitlines()
        if line and not line.startswith("#")
    }

    assert {name for name in needed if not name.startswith("nsml")} == pinned


def declared(path: Path) -> Iterator[str]:
    """Name the direct requirements of a distribution."""
    return map(name_of, project(path)["dependencies"])


def extras(path: Path) -> Iterator[str]:
    """Name what a distribution can do more with, if it is there."""
    groups = project(path).get("optional-dependencies", {})
    return (name_of(line) for lines in groups.values() for line in lines)


def name_of(requirement: str) -> str:
    return normal(re.split(r"[\s\[<>=!~;]", requirement)[0])


def packages_imported(path: Path) -> set[str]:
    """Name the top-level packages that a distribution's code imports, apart from the library."""
    return {
        name.partition(".")[0]
        for file in modules().values()
        if file.is_relative_to(path.parent)
        for node in ast.walk(tree(file))
        for name in names_imported(node)
        if name.partition(".")[0] not in sys.stdlib_module_names
    }


def names_imported(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=str(module), level=0):
            yield module
        case _:
            pass


@functools.cache
def owners() -> Mapping[str, set[str]]:
    """Map every installed top-level package to the distributions that put something there."""
    theirs = {name: set(map(normal, names)) for name, names in packages_distributions().items()}
    ours = {project(path)["name"].replace("-", "_"): {project(path)["name"]} for path in projects()}
    return theirs | ours


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
