"""What a code folder says it needs, and the name under which an environment for it is kept."""

import functools
import hashlib
import platform
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from nsml_core.errors import Invalid

_INCLUDE = re.compile(r"\s*(?:-r|-c|--requirement|--constraint)[\s=]+(\S+)")
_OPTION = re.compile(
    r"--no-index$|(?:-i|-f|--(?:(?:extra-)?index.url|find-links|trusted-host|(?:no|only)-binary))\b"
)
_LOCAL = re.compile(r"\s*(?:-e\b|--editable\b|\.{1,2}(?:/|$|\[)|file:|\S+\s*@\s*file:)")


@dataclass(frozen=True, slots=True)
class Needs:
    """Files with requirements, and what they say."""

    code: Path

    files: dict[str, bytes]
    """Every file that the result depends on, by its name; comments and empty lines left out."""

    dependencies: tuple[str, ...]
    """Those of `pyproject.toml`."""

    local: bool
    """Whether the code folder itself is to be installed: then this is for one code tree only."""

    @property
    def requirements(self) -> bool:
        return "requirements.txt" in self.files

    @property
    def setup(self) -> bool:
        return "setup.py" in self.files

    @property
    def nothing(self) -> bool:
        return not self.files and not self.dependencies

    @property
    def options(self) -> tuple[str, ...]:
        """What the files say of where packages come from."""
        texts = [text for name, text in self.files.items() if name.endswith(".txt")]
        lines = b"\n".join(texts).decode(errors="replace").splitlines()
        return tuple(dict.fromkeys(line for line in lines if _OPTION.match(line)))

    def sources(self) -> str:
        names = [name for name in ("requirements.txt", "setup.py") if name in self.files]
        return " and ".join(names + ["pyproject.toml"] * bool(self.dependencies))

    def key(self, code_tree: str, above: str = "") -> str:
        """Return a name by content, for what is above the interpreter of this node, or an image."""
        digest = hashlib.sha256((above or interpreter()).encode())
        for name, content in sorted(self.files.items()):
            digest.update(f"\0{name}\0".encode() + content)
        digest.update("\0".join(("", *self.dependencies)).encode())
        if self.local:
            digest.update(code_tree.encode())
        return digest.hexdigest()[:32]


@functools.cache
def interpreter() -> str:
    """The interpreter that user code gets: the one below the platform's own environment."""
    base = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    name = f"{sys.implementation.name}-{platform.python_version()}"
    return f"{name}-{sys.platform}-{platform.machine()} {base}"


def read(code: Path) -> Needs:
    files: dict[str, bytes] = {}
    _collect(code, code / "requirements.txt", files)
    if _says_something(code / "setup.py"):
        # It may read whatever lies beside it; these are what setup files do read.
        for file in (*code.glob("requirements*.txt"), code / "setup.cfg", code / "setup.py"):
            _collect(code, file, files)
    lines = b"\n".join(content for name, content in files.items() if name.endswith(".txt"))
    local = any(_LOCAL.match(line) for line in lines.decode(errors="replace").splitlines())
    return Needs(code, files, _project_dependencies(code), local)


def _says_something(setup: Path) -> bool:
    """Tell whether there is more than comments, such as the one that names an image."""
    lines = setup.read_text(errors="replace").splitlines() if setup.is_file() else []
    return any(line.strip() and not line.strip().startswith("#") for line in lines)


def _collect(code: Path, file: Path, files: dict[str, bytes]) -> None:
    """Take a requirements file with those that it includes."""
    name = str(file.relative_to(code)) if file.is_relative_to(code) else str(file)
    if name in files or not file.is_file():
        return  # a file that is missing is for the installer to complain of
    if file.suffix != ".txt":
        files[name] = file.read_bytes()
        return
    text = file.read_text(errors="replace")
    lines = [line.split(" #")[0].strip() for line in text.splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    files[name] = "\n".join(wanted).encode()
    for line in wanted:
        if included := _INCLUDE.match(line):
            _collect(code, (file.parent / included[1]).resolve(), files)


def _project_dependencies(code: Path) -> tuple[str, ...]:
    file = code / "pyproject.toml"
    if not file.is_file():
        return ()
    try:
        project = tomllib.loads(file.read_text(errors="replace")).get("project", {})
    except tomllib.TOMLDecodeError as error:
        raise Invalid(
            f"pyproject.toml cannot be read: {error}. Correct it and run again."
        ) from None
    if "dependencies" in project.get("dynamic", ()) and not (code / "setup.py").is_file():
        raise Invalid(
            "pyproject.toml says that its dependencies are dynamic: list them in requirements.txt."
        )
    return tuple(str(dependency) for dependency in project.get("dependencies", ()))
