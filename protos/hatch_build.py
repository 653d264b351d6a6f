"""Make Python code of the proto files, when a wheel is built and by `make protos`."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import grpc_tools
from grpc_tools import protoc
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent
PACKAGE = ROOT / "nsml_protos"
SUFFIXES = ("_pb2.py", "_pb2.pyi", "_pb2_grpc.py", "_pb2_grpc.pyi")


class GenerateProtos(BuildHookInterface[Any]):
    """Run before hatchling collects files, for wheels and editable installs alike."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Generate what is missing or old."""
        generate()


def generate() -> None:
    """Bring the generated code in line with the proto files."""
    sources = sorted(PACKAGE.glob("*.proto"))
    remove_orphans({source.stem for source in sources})
    if sources and is_stale(sources):
        compile_protos(sources)


def remove_orphans(stems: set[str]) -> None:
    """Delete code whose proto file is gone: it would still import."""
    for path in PACKAGE.glob("*_pb2*"):
        if path.name.partition("_pb2")[0] not in stems:
            path.unlink()


def is_stale(sources: list[Path]) -> bool:
    """Tell whether any output is missing, or older than any proto or this file."""
    outputs = [PACKAGE / f"{source.stem}{suffix}" for source in sources for suffix in SUFFIXES]
    if not all(output.exists() for output in outputs):
        return True
    newest = max(path.stat().st_mtime for path in (*sources, Path(__file__)))
    return min(output.stat().st_mtime for output in outputs) <= newest


def compile_protos(sources: list[Path]) -> None:
    """Call protoc on all files at once, since they import one another."""
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    plugins = [
        f"--plugin={name}={plugin(name)}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")
    ]
    outputs = [
        f"--python_out={ROOT}",
        f"--grpc_python_out={ROOT}",
        f"--mypy_out=quiet,readable_stubs:{ROOT}",
        f"--mypy_grpc_out=quiet,readable_stubs,only_async:{ROOT}",
    ]
    includes = [f"-I{ROOT}", f"-I{well_known}"]
    if protoc.main(["protoc", *includes, *plugins, *outputs, *map(str, sources)]):
        sys.exit("The proto files do not compile: correct what protoc said above.")


def plugin(name: str) -> str:
    """Find a plugin beside the running Python first: its folder need not be on the PATH."""
    folders = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    )
    found = shutil.which(name, path=folders)
    if found is None:
        sys.exit(f"{name} is missing: install mypy-protobuf.")
    return found


if __name__ == "__main__":
    generate()
