"""A private registry of images: one image of one file, for who knows the password."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

USER, PASSWORD = "robot", "very-secret"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _layer() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("only-file"))
    return packed.getvalue()


def _contents() -> dict[str, tuple[str, bytes]]:
    """Return what there is, by the last part of its path."""
    plain = _layer()
    layer = gzip.compress(plain, mtime=0)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [_digest(plain)]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CONFIG, "size": len(config), "digest": _digest(config)},
            "layers": [{"mediaType": _LAYER, "size": len(layer), "digest": _digest(layer)}],
        }
    ).encode()
    return {
        "1": (_MANIFEST, manifest),
        _digest(manifest): (_MANIFEST, manifest),
        _digest(config): ("application/octet-stream", config),
        _digest(layer): ("application/octet-stream", layer),
    }


class _Handler(BaseHTTPRequestHandler):
    contents = _contents()
    wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != self.wanted:
            self._answer(401, "application/json", b'{"errors": [{"code": "UNAUTHORIZED"}]}')
        elif self.path == "/v2/":
            self._answer(200, "application/json", b"{}")
        elif found := self.contents.get(self.path.rpartition("/")[2]):
            self._answer(200, *found)
        else:
            self._answer(404, "application/json", b"{}")

    do_HEAD = do_GET  # noqa: N815 - as the server calls it

    def _answer(self, code: int, kind: str, content: bytes) -> None:
        self.send_response(code)
        if code == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="images"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if kind == _MANIFEST:
            self.send_header("Docker-Content-Digest", _digest(content))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@contextmanager
def registry() -> Iterator[str]:
    """Serve, and give the image's name."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}/team/image:1"
        server.shutdown()
        thread.join()
