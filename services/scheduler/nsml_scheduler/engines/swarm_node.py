"""Prints what this machine has: the job that the swarm engine gives to each of its nodes."""

import tempfile
from pathlib import Path

from google.protobuf.json_format import MessageToJson

from nsml_scheduler import node


def main() -> None:
    """Print a NodeJoined as JSON in one line; the engine knows the name and the identity."""
    with tempfile.TemporaryDirectory() as folder:
        (found,) = node.describe([Path(folder)], [])
    print(MessageToJson(found, indent=None))  # noqa: T201 - it is what this program is for


if __name__ == "__main__":
    main()
