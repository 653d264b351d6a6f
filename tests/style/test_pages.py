"""How pages hang together: one title each, no link into nothing, every decision in the index."""

import re
from collections.abc import Iterator
from pathlib import Path

from nsml_cli.app import ENTRIES
from tests.style.repository import ROOT, files_named, text

LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")


def test_pages_have_one_title() -> None:
    titles = {str(path): len(list(titles_of(path))) for path in files_named("*.md")}

    assert {path: count for path, count in titles.items() if count != 1} == {}


def test_links_lead_somewhere() -> None:
    broken = [
        f"{path}: {target}"
        for path in files_named("*.md")
        for line in lines_outside_code(path)
        for target in LINK.findall(line)
        if not (ROOT / path.parent / target).exists()
    ]

    assert broken == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [Path("README.md")]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        waiting += [each for each in linked(page) if each not in reached]

    assert sorted(set(files_named("docs/*.md")) - reached) == []


def linked(page: Path) -> list[Path]:
    """Return the pages of ours that a page links to."""
    targets = (target for line in lines_outside_code(page) for target in LINK.findall(line))
    there = ((ROOT / page.parent / target.partition("#")[0]).resolve() for target in targets)
    return [path.relative_to(ROOT) for path in there if path.suffix == ".md" and path.is_file()]


def test_every_command_is_in_the_page_of_commands() -> None:
    page = text(Path("docs/cli.md"))

    assert [name for name in ENTRIES if not re.search(rf"`(nsml )?{name}\b", page)] == []


def test_decisions_are_in_the_index_under_their_titles() -> None:
    records = list(files_named("docs/decisions/0*.md"))
    rows = [f"| [{path.name[:4]}]({path.name}) | {title_of(path)} |" for path in records]
    index = text(Path("docs/decisions/README.md")).splitlines()

    assert [line for line in index if line.startswith("| [")] == rows


def title_of(record: Path) -> str:
    """Return the title of a decision without its number."""
    return next(titles_of(record)).partition(": ")[2]


def titles_of(path: Path) -> Iterator[str]:
    """Find the first-level headings of a page."""
    return (line for line in lines_outside_code(path) if line.startswith("# "))


def lines_outside_code(path: Path) -> Iterator[str]:
    """Leave out code blocks, where `#` opens a comment and a bracket an index."""
    fenced = False
    for line in text(path).splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield line
