"""The generated code: fast, complete, and made anew only when a proto file has changed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf.internal import api_implementation

import nsml_protos

HOOK = Path(__file__).resolve().parents[2] / "protos" / "hatch_build.py"
PROTO = 'syntax = "proto3"; package t; message %s {} service S { rpc Go(%s) returns (%s); }'


@pytest.fixture
def hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the build hook, at work on an empty package."""
    spec = importlib.util.spec_from_file_location("hatch_build", HOOK)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "PACKAGE", tmp_path / "nsml_protos")
    (tmp_path / "nsml_protos").mkdir()
    return module


def write_proto(hook: ModuleType, name: str, message: str) -> None:
    (hook.PACKAGE / name).write_text(PROTO % (message, message, message))


def generated(hook: ModuleType) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in hook.PACKAGE.glob("*_pb2*")}


def test_protobuf_runs_in_c() -> None:
    """The pure Python implementation passes all tests and is 50 times slower."""
    assert api_implementation.Type() == "upb"


@pytest.mark.parametrize("proto", sorted(Path(nsml_protos.__path__[0]).glob("*.proto")), ids=str)
def test_every_proto_file_has_code_that_imports(proto: Path) -> None:
    for suffix in ("_pb2", "_pb2_grpc"):
        module = importlib.import_module(f"nsml_protos.{proto.stem}{suffix}")

        assert module.__name__ == f"nsml_protos.{proto.stem}{suffix}"


def test_code_and_types_are_made_of_each_proto_file(hook: ModuleType) -> None:
    write_proto(hook, "a.proto", "A")

    hook.generate()

    assert generated(hook).keys() == {"a_pb2.py", "a_pb2.pyi", "a_pb2_grpc.py", "a_pb2_grpc.pyi"}


def test_nothing_is_made_twice(hook: ModuleType) -> None:
    write_proto(hook, "a.proto", "A")
    os.utime(hook.PACKAGE / "a.proto", (0, 0))
    hook.generate()
    before = generated(hook)

    hook.generate()

    assert generated(hook) == before


def test_a_change_is_taken_up(hook: ModuleType) -> None:
    write_proto(hook, "a.proto", "Before")
    hook.generate()
    write_proto(hook, "a.proto", "After")

    hook.generate()

    assert "After" in (hook.PACKAGE / "a_pb2.pyi").read_text()


def test_code_goes_with_its_proto_file(hook: ModuleType) -> None:
    write_proto(hook, "a.proto", "A")
    hook.generate()
    (hook.PACKAGE / "a.proto").unlink()

    hook.generate()

    assert generated(hook) == {}


def test_a_broken_proto_file_is_one_sentence(hook: ModuleType) -> None:
    (hook.PACKAGE / "a.proto").write_text("message {")

    with pytest.raises(SystemExit, match="do not compile"):
        hook.generate()


def test_the_plugins_are_found_without_a_path() -> None:
    """An editable install by `.venv/bin/pip` runs the hook with whatever PATH there is."""
    words = [
        sys.executable,
        "-c",
        "import hatch_build; print(hatch_build.plugin('protoc-gen-mypy'))",
    ]
    bare = {"PATH": "/nowhere"}

    found = subprocess.run(words, cwd=HOOK.parent, env=bare, capture_output=True, check=True)

    assert Path(found.stdout.decode().strip()).parent == Path(sys.executable).parent
