"""What a folder of code leaves out, and what is too much of it."""

from pathlib import Path

import pytest

from nsml_core.blobs import ignore, scan
from nsml_core.errors import Exhausted, Invalid
from tests.blobs import folders


def _left(folder: Path) -> list[str]:
    return [found.path for found in scan.walk(folder, ignore.rules(folder))]


def test_leaves_out_what_is_no_code(tmp_path: Path) -> None:
    kept = {"main.py": b"", "data/a.csv": b"", "src/env.py": b""}
    left_out = {
        ".git/HEAD": b"", ".venv/bin/python": b"", "node_modules/x/y.js": b"",
        "src/__pycache__/main.pyc": b"", "old.pyc": b"", ".DS_Store": b"",
        "notes/.ipynb_checkpoints/a.ipynb": b"",
    }  # fmt: skip
    folders.write(tmp_path, kept | left_out)

    assert _left(tmp_path) == sorted(kept)


def test_reads_nsmlignore(tmp_path: Path) -> None:
    ours = b"*.csv\n!keep.csv\n/build/\n!.venv/\n# a comment\n"
    files = {"a.csv": b"", "keep.csv": b"", "build/x": b"", "src/build/y": b"", ".venv/z": b""}
    folders.write(tmp_path, {".nsmlignore": ours, **files})

    assert _left(tmp_path) == [".nsmlignore", ".venv/z", "keep.csv", "src/build/y"]


def test_nsmlignore_that_is_not_text(tmp_path: Path) -> None:
    folders.write(tmp_path, {".nsmlignore": b"\xff\xfe"})

    with pytest.raises(Invalid, match="is not UTF-8"):
        ignore.rules(tmp_path)


def test_too_many_files(tmp_path: Path) -> None:
    files = {f"data/{number}": b"" for number in range(8)} | {"main.py": b"", "lib/a.py": b""}
    found = scan.walk(folders.write(tmp_path, files))

    ignore.check_limits(found, files=10)
    with pytest.raises(Exhausted) as raised:
        ignore.check_limits(found, files=9)

    assert raised.value.sentence == (
        "This folder is over the limit of 9 files for code; most is in data/ (8 files), "
        "lib/ (1 files), main.py (1 files): name what is not code in .nsmlignore, "
        "and push data as a dataset."
    )


def test_too_many_bytes(tmp_path: Path) -> None:
    files = {"weights.bin": bytes(3_000_000), "a/b.bin": bytes(1_000_000), "main.py": b"1"}
    found = scan.walk(folders.write(tmp_path, files))

    with pytest.raises(Exhausted, match=r"limit of 2 MB .* weights.bin \(3 MB\), a/ \(1 MB\)"):
        ignore.check_limits(found, size=2_000_000)
