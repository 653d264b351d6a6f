"""Manifests: written and read back, and no hostile one gets by."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsml_core.blobs import tree
from nsml_core.blobs.chunk import blob_id
from nsml_core.blobs.tree import AnyKind, Content, Item, Kind, Root
from nsml_core.errors import Invalid
from nsml_protos.blobs_pb2 import TreePage

FILE, LINK, FOLDER = Kind.FILE, Kind.LINK, Kind.DIRECTORY

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1)
PATHS = st.lists(
    NAMES.filter(lambda name: name not in {".", ".."} and len(name.encode()) < 256),
    min_size=1,
    max_size=4,
).map("/".join)


def _write(items: Sequence[Item]) -> tuple[Root, dict[bytes, bytes]]:
    stored: dict[bytes, bytes] = {}

    def put(content: bytes) -> bytes:
        stored[blob_id(content)] = content
        return blob_id(content)

    return tree.write(items, put), stored


def _read(root: Root, stored: dict[bytes, bytes]) -> list[Item]:
    reader = tree.Reader(root)
    items = [item for page in root.page_ids for item in reader.read_page(stored[page])]
    reader.finish()
    return list(tree.join_parts(items))


def _content(*sizes: int) -> Content:
    return Content(b"".join(blob_id(b"%d" % size) for size in sizes), sizes)


@given(st.sets(PATHS, max_size=50))
def test_reads_what_it_wrote(paths: set[str]) -> None:
    files = [path for path in paths if not any(other.startswith(path + "/") for other in paths)]
    items = [Item(path, FILE, _content(len(path))) for path in sorted(files, key=tree.order)]

    root, stored = _write(items)

    assert _read(root, stored) == items
    assert (root.files, root.size) == (len(files), sum(map(len, files)))


def test_divides_a_very_long_file() -> None:
    """A file of 10,000 blobs is several entries over several pages, and one file again."""
    items = [
        Item("a", FILE, _content(1)),
        Item("long", FILE, _content(*range(1, 10_001))),
        Item("z", FILE, _content(2)),
    ]

    root, stored = _write(items)

    assert len(root.page_ids) > 1
    assert max(map(len, stored.values())) < 1 << 20
    assert _read(root, stored) == items
    assert root.files == 3


def test_a_new_file_changes_few_pages() -> None:
    items = [Item(f"{number:06}", FILE, _content(number + 1)) for number in range(20_000)]

    root, _ = _write(items)
    more, _ = _write([Item("000000!", FILE, _content(1)), *items])

    assert len(set(more.page_ids) - set(root.page_ids)) == 1


def _page(*items: tuple[str, AnyKind, str]) -> TreePage:
    """Make a page as no client of ours would: path, kind and link target, without content."""
    return TreePage(
        path=[path for path, _, _ in items],
        kind=[kind for _, kind, _ in items],
        blobs=[0] * len(items),
        target=[target for _, kind, target in items if kind == LINK],
    )


def _check(*pages: TreePage, files: int = 0, size: int = 0) -> None:
    reader = tree.Reader(Root("0" * 64, files, size))
    for page in pages:
        list(reader.read_page(page.SerializeToString()))
    reader.finish()


@pytest.mark.parametrize(
    "path",
    ["", "/", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "a/", "./a", "a/.", "a\0b",
     "x" * 256, "/".join(["x" * 200] * 30), "/".join("x" * 201)],
)  # fmt: skip
def test_refuses_paths(path: str) -> None:
    with pytest.raises(Invalid):
        _check(_page((path, FILE, "")), files=1)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("l", "/etc/passwd"),
        ("l", "../x"),
        ("a/l", "../../x"),
        ("l", "a/../../x"),
        ("l", "a/../b"),
        ("l", ""),
        ("l", "a\0b"),
        ("l", "a//b"),
    ],
)
def test_refuses_links(path: str, target: str) -> None:
    with pytest.raises(Invalid):
        _check(_page((path, LINK, target)), files=1)


@pytest.mark.parametrize(
    "pages",
    [
        [_page(("b", FILE, ""), ("a", FILE, ""))],
        [_page(("b", FILE, "")), _page(("a", FILE, ""))],
        [_page(("l", LINK, "a"), ("l", LINK, "b"))],
        [_page(("a", FILE, ""), ("a/b", FILE, ""))],
        [_page(("a", LINK, "b"), ("a/b", FILE, ""))],
        [_page(("a", LINK, "b")), _page(("a/b", FILE, ""))],
        [_page(("a", FOLDER, ""), ("a/b", FILE, ""))],
        [_page(("a", FILE, ""), ("a", LINK, "b"))],
        [TreePage(path=["a"], kind=[TreePage.KIND_UNSPECIFIED], blobs=[0])],
        [TreePage(path=["a"], kind=[FILE])],
        [TreePage(path=["a"], kind=[FILE], blobs=[1], blob_sizes=[1])],
        [TreePage(path=["a"], kind=[FILE], blobs=[1], blob_sizes=[0], blob_ids=bytes(32))],
        [TreePage(path=["a"], kind=[FILE], blobs=[1], blob_sizes=[1 << 23], blob_ids=bytes(32))],
        [TreePage(path=["a"], kind=[FOLDER], blobs=[1], blob_sizes=[1], blob_ids=bytes(32))],
        [TreePage(path=["a"], kind=[FILE], blobs=[0], target=["b"])],
    ],
)
def test_refuses_pages(pages: Sequence[TreePage]) -> None:
    with pytest.raises(Invalid):
        _check(*pages, files=sum(len(page.path) for page in pages))


def test_refuses_sums_that_do_not_agree() -> None:
    with pytest.raises(Invalid, match="does not agree"):
        _check(_page(("a", FILE, "")), files=2)
    with pytest.raises(Invalid, match="does not agree"):
        _check(_page(("a", FILE, "")), files=1, size=1)


def test_refuses_what_is_no_manifest() -> None:
    with pytest.raises(Invalid):
        tree.read_root("0" * 64, b"\xff\xff")
    with pytest.raises(Invalid, match="newer format"):
        tree.read_root("0" * 64, b"")
    with pytest.raises(Invalid, match="cannot be read"):
        list(tree.Reader(Root("0" * 64, 0, 0)).read_page(b"\xff\xff"))


LINK_PATHS = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
TARGETS = st.lists(st.sampled_from(["..", "a", "b", "c"]), min_size=1, max_size=5).map("/".join)


@settings(max_examples=300)
@given(st.dictionaries(LINK_PATHS, TARGETS, min_size=1, max_size=8))
def test_no_chain_of_links_leads_outside(links: dict[str, str]) -> None:
    """Whatever links the rules let pass together, the file system resolves none of them outside."""
    with tempfile.TemporaryDirectory() as outer:
        root = Path(outer).resolve() / "x" / "root"
        root.mkdir(parents=True)
        made = [path for path, target in links.items() if _make(root, path, target)]
        for path in made:
            resolved = os.path.realpath(root / path)
            assert (resolved + "/").startswith(f"{root}/")


def _make(root: Path, path: str, target: str) -> bool:
    """Make a link if the rules let it pass and its place is free, as a pull would."""
    parents = [root / parent for parent in Path(path).parents]
    if any(parent.is_symlink() for parent in parents) or os.path.lexists(root / path):
        return False
    try:
        tree.check_link(path, target)
    except Invalid:
        return False
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).symlink_to(target)
    return True
