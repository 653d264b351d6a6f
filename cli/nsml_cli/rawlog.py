"""All that a session printed, as it came: from the file that was kept, or from the log."""

import shutil
import tempfile
from pathlib import Path

from nsml_cli import many, output, sessions
from nsml_client.client import Client
from nsml_core.errors import Refused
from nsml_protos.session_pb2 import PLATFORM, LogsRequest, Session, Source

_FOLDER = "nsml-logs"


def fetch(client: Client, name: str, stream: "Source.ValueType", path: str) -> None:
    """Write one stream of a session's output into a new file."""
    one = sessions.get(client, name)
    word = Source.Name(stream).lower()
    target = Path(path or f"{one.name.replace('/', '_')}.{word}.log")
    if target.exists():
        raise Refused(f"{target} is there already: remove it, or name another file.")
    kept = f"{_FOLDER}/{word}.log"
    tree = one.outcome.output_tree
    if tree and kept in client.trees.files(tree):
        _bring(client, one.name, kept, target)
    else:
        _write(client, one, stream, target)
    output.show(f"What session {one.name} printed on {word} is in {target}")


def _bring(client: Client, name: str, kept: str, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=".nsml-") as folder:
        shutil.move(client.sessions.get(name).download(folder, single=kept), target)


def _write(client: Client, one: Session, stream: "Source.ValueType", target: Path) -> None:
    """The log has it all, unless something was cut: then the file comes with the end."""
    missing = 0
    with target.open("wb") as file:
        for piece in many.pieces(client, one.name, LogsRequest(sources=[stream, PLATFORM])):
            missing += piece.dropped
            if piece.source == stream:
                file.write(piece.data)
    if sessions.is_live(one):
        output.note(f"Session {one.name} has not ended: what the log cuts is brought after that.")
    elif missing:
        output.note(f"{missing} bytes are missing: they are in no file of session {one.name}.")
