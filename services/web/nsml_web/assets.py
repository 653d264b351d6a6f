"""Scripts and styles: ours, and uPlot's, as they lie in the wheels that bring them."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from nsml_core.errors import Damaged, NotFound, Unavailable

_OURS = Path(__file__).parent / "static"
# The very files of uPlot 1.6.31 as its authors published them. A package for Python carries them,
# so that nobody needs Node; that they are these, and no others, is known by their hashes.
_CARRIER = "youplot"
_VENDORED = {
    "uplot.js": (
        "vendor/uplot.iife.min.js",
        "2d27e8ad3d228164525ce213f9dc716f39b4e3aee0cc773fb3491c96cf4921a2",
    ),
    "uplot.css": (
        "vendor/uplot.min.css",
        "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    ),
}
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOREVER = {"cache-control": "public, max-age=31536000, immutable"}


class Assets:
    """All files, read once; their address changes when any of them does."""

    def __init__(self) -> None:
        self._files = {path.name: path.read_bytes() for path in sorted(_OURS.iterdir())}
        self._files |= _vendored()
        digest = hashlib.sha256(b"".join(self._files.values())).hexdigest()
        self.version = digest[:16]

    def address(self, name: str) -> str:
        """Return where a file is served."""
        if name not in self._files:
            raise NotFound(f"There is no asset {name}.")
        return f"/static/{self.version}/{name}"

    async def serve(self, request: Request) -> Response:
        """Answer with a file."""
        name = request.path_params["name"]
        content = self._files.get(name)
        if content is None or request.path_params["version"] != self.version:
            return Response("There is no such file.\n", 404, media_type="text/plain")
        return Response(content, headers=_FOREVER, media_type=_KINDS[Path(name).suffix])


def _vendored() -> dict[str, bytes]:
    # Found, not imported: nothing of the package is run.
    spec = find_spec(_CARRIER)
    if spec is None or not spec.submodule_search_locations:
        raise Unavailable(f"{_CARRIER} is missing: install the requirements again (`make setup`).")
    folder = Path(spec.submodule_search_locations[0])
    found = {}
    for name, (path, digest) in _VENDORED.items():
        found[name] = (folder / path).read_bytes()
        if hashlib.sha256(found[name]).hexdigest() != digest:
            raise Damaged(f"{folder / path} is not what uPlot's authors published: reinstall it.")
    return found
