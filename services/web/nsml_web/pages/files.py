"""Answers with what lies in the store: a listing with a preview, one file, or a folder as a zip."""

import asyncio
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from nsml_core.errors import Exhausted, NotFound
from nsml_web import trees
from nsml_web.visit import Visit

_FILE_BYTES_MAX = 256 << 20
_ZIP_BYTES_MAX = 4 << 30
# Content of others is never a page: no browser runs, frames or guesses it.
_SANDBOX = {"content-security-policy": "sandbox; default-src 'none'"}


async def listing(visit: Visit, tree: str) -> dict[str, Any]:
    """Return what a page shows of a tree: one level, and the file that was asked for."""
    path = visit.query("path").strip("/")
    sizes = await visit.client.trees.sizes(tree) if tree else []
    is_file = any(path == name for name, _ in sizes)
    folder = str(PurePosixPath(path).parent) if is_file else path
    shown = None
    if is_file:
        shown = await trees.preview(visit.client, tree, path, dict(sizes)[path])
    return {
        "lines": trees.level(sizes, "" if folder == "." else folder),
        "path": path,
        "crumbs": _crumbs(path),
        "preview": shown,
        "files": len(sizes),
        "total": sum(size for _, size in sizes),
    }


async def raw(visit: Visit, tree: str) -> Response:
    """Answer with one file: a picture to look at, all else to keep."""
    path = visit.query("path")
    size = dict(await visit.client.trees.sizes(tree)).get(path) if tree else None
    if size is None:
        raise NotFound(f"There is no file {path!r} here.")
    if size > _FILE_BYTES_MAX:
        raise Exhausted("This file is too large for a browser: `nsml` in a terminal brings it.")
    content = await visit.client.trees.read(tree, path)
    kind = trees.image_type(path)
    headers = {**_SANDBOX, "content-disposition": _attachment(PurePosixPath(path).name)}
    if kind and not visit.query("download"):
        headers["content-disposition"] = "inline"
    return Response(content, headers=headers, media_type=kind or "application/octet-stream")


async def zipped(visit: Visit, tree: str, name: str) -> Response:
    """Answer with a whole folder, every file held against its hash."""
    sizes = await visit.client.trees.sizes(tree)
    if sum(size for _, size in sizes) > _ZIP_BYTES_MAX:
        raise Exhausted("This folder is too large for a browser: `nsml` in a terminal brings it.")
    draft = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="nsml-web-"))
    try:
        await visit.client.trees.pull(tree, draft / "content")
        await asyncio.to_thread(_pack, draft, [path for path, _ in sizes])
    except BaseException:
        await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
        raise
    return FileResponse(
        draft / "folder.zip",
        headers={**_SANDBOX, "content-disposition": _attachment(f"{name}.zip")},
        media_type="application/zip",
        background=BackgroundTask(shutil.rmtree, draft, ignore_errors=True),
    )


def _pack(draft: Path, paths: Sequence[str]) -> None:
    content = draft / "content"
    with zipfile.ZipFile(draft / "folder.zip", "w", zipfile.ZIP_STORED) as packed:
        for path in paths:
            if not (content / path).is_symlink() and (content / path).is_file():
                packed.write(content / path, path)
    shutil.rmtree(content)


def _attachment(name: str) -> str:
    return f"attachment; filename*=UTF-8''{quote(name)}"


def _crumbs(path: str) -> list[tuple[str, str]]:
    """Return the name and path of each folder on the way to a file."""
    parts = PurePosixPath(path).parts
    return [(part, "/".join(parts[: at + 1])) for at, part in enumerate(parts)]
