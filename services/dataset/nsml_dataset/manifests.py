"""Which files a stored tree holds, as the store itself reads it."""

from nsml_core.blobs.store import Store
from nsml_core.blobs.tree import Kind, Reader, parse_tree_id, read_root
from nsml_core.errors import Refused

_FILES_MAX = 2_000_000


def paths(store: Store, tree: str) -> set[str]:
    """Return the paths of the files in a tree; of none, for no tree."""
    return set(_contents(store, tree))


def content(store: Store, tree: str, path: str) -> bytes:
    """Return one file of a tree; empty if it is not there."""
    ids = _contents(store, tree).get(path, [])
    return b"".join(store.get(identity) for identity in ids)


def _contents(store: Store, tree: str) -> dict[str, list[bytes]]:
    """Return the blobs of each file by its path."""
    found: dict[str, list[bytes]] = {}
    if not tree:
        return found
    root = read_root(tree, store.get(parse_tree_id(tree)))
    if root.files > _FILES_MAX:
        raise Refused(f"A split of more than {_FILES_MAX:,} files is too much: pack them.")
    reader = Reader(root)
    for page in root.page_ids:
        for item in reader.read_page(store.get(page)):
            if item.kind != Kind.DIRECTORY:
                blobs = [identity for identity, _ in item.content.extents()]
                found.setdefault(item.path, []).extend(blobs)
    return found
