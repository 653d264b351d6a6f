"""Which environment an attempt is to have: the one that an earlier attempt had, to the letter."""

import re

from nsml_core.errors import Invalid
from nsml_protos.gangs import node_count
from nsml_protos.session_pb2 import Session, Spec

_NAME_MAX = 255
_PACKAGES_MAX = 5_000
_PACKAGES_MAX_BYTES = 500_000
_PACKAGE = re.compile(r"[A-Za-z0-9][\w.-]*(==\S+| @ .+)")
_PYTHON = re.compile(r"\d+\.\d+")


def with_environment(state: Session) -> Session:
    """Return a session whose spec says the environment that its current attempt is to have."""
    known = Session()
    known.CopyFrom(state)
    take_environment(state, known.spec)
    return known


def take_environment(state: Session, spec: Spec) -> None:
    """Ask for what a session had: its last attempt that started, or else what it asked for.

    An attempt of a version that recorded none has it resolved as the code's own files ask.
    """
    had = next((tried for tried in reversed(state.attempts) if tried.python), state.spec)
    packages, python = list(had.packages), had.python
    spec.ClearField("packages")
    spec.ClearField("python")
    if not state.new_environment:
        spec.packages.extend(packages)
        spec.python = python


def check_container(spec: Spec) -> None:
    """Refuse what no engine would take for a name, and what could not meet."""
    for what, name in (("an image", spec.image), ("a credential", spec.registry)):
        if len(name) > _NAME_MAX or not name.isascii() or not name.isprintable() or " " in name:
            raise Invalid(f"{name[:100]!r} is no name of {what}: look at how it is written.")
    if spec.no_network and node_count(spec.resources) > 1:
        raise Invalid("Nodes meet by their network: leave out --no-network, or ask for one node.")


def check_environment(spec: Spec) -> None:
    """Refuse an environment that no installer should be asked for."""
    if spec.packages and not spec.python:
        raise Invalid("Packages are named together with the version of Python that they are for.")
    if spec.python and not _PYTHON.fullmatch(spec.python):
        raise Invalid(f"'{spec.python}' is no version of Python: write it like 3.11.")
    size = sum(map(len, spec.packages))
    if len(spec.packages) > _PACKAGES_MAX or size > _PACKAGES_MAX_BYTES:
        raise Invalid(f"An environment has at most {_PACKAGES_MAX} packages.")
    for package in spec.packages:
        if not _PACKAGE.fullmatch(package) or not package.isprintable():
            raise Invalid(f"'{package[:100]}' is no package: write name==version or name @ URL.")
