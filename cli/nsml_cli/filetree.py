"""The files of a tree, drawn as PeriFlow drew them."""

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from nsml_cli.sessions import Shape
from nsml_cli.text import clean, counted, is_terminal, size
from nsml_client.client import Client

if TYPE_CHECKING:  # it takes a while to load, and only a few commands draw
    from rich.console import RenderableType
    from rich.tree import Tree

MOST = 1000
"""Files that are drawn; of more, it is said how many."""

Files = list[tuple[str, int]]
"""Paths and sizes, a folder's together."""


def files(client: Client, tree: str) -> Files:
    """Return the files of a tree."""
    return client.trees.sizes(tree)


def shape(found: Files) -> list[Shape]:
    return [{"path": path, "bytes": number} for path, number in found]


def draw(found: Files) -> "Tree":
    """Return the files as a tree with sizes."""
    from rich.tree import Tree

    root = Tree("/", guide_style="")
    branches = {PurePosixPath("."): root}
    for path, number in found[:MOST]:
        file = PurePosixPath(path)
        _branch(branches, file.parent).add(_plain(f"{file.name} ({size(number)})"))
    if len(found) > MOST:
        root.add(_plain(f"… and {counted(len(found) - MOST, 'file')} more"))
    return root


def _branch(branches: "dict[PurePosixPath, Tree]", folder: PurePosixPath) -> "Tree":
    if folder not in branches:
        parent = _branch(branches, folder.parent)
        branches[folder] = parent.add(_plain(f"📂 {folder.name}"))
    return branches[folder]


def show(title: str, content: "RenderableType | list[tuple[str, str]]") -> None:
    """Print a part in a box; where a program reads along, without the box."""
    from rich.box import ROUNDED
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table

    if isinstance(content, list):
        table = Table.grid(padding=(0, 2))
        for name, value in content:
            table.add_row(name, _plain(value))
        content = table
    console = Console(highlight=False, markup=False, emoji=False)
    if is_terminal():
        console.print(Panel(content, title=title, box=ROUNDED))
    else:
        console = Console(highlight=False, markup=False, emoji=False, width=10_000)
        console.print(title, content, "", sep="\n")


def _plain(text: str) -> "RenderableType":
    from rich.text import Text

    return Text(clean(text))
