"""Credentials for private images: kept on the node, asked for by name, told to nobody.

The file of `NSML_REGISTRIES`, which only its owner may read:

    {"NAME": {"username": "…", "password": "…", "owners": ["ada"]}}

Without `owners`, everybody may use it. An image that was fetched with one loses its own name on the
node, for a name that follows from the credential: so it is only there for who may use that.
"""

import hashlib
import hmac
import json
import stat
from typing import Any

from nsml_core.errors import Refused
from nsml_runner.containers import Credential
from nsml_runner.node import Node

PRIVATE = "nsml-private"


class Registries:
    def __init__(self, node: Node) -> None:
        self._file = node.registries

    def find(self, name: str, owner: str) -> Credential | None:
        """Return what a name leads to, if the owner of a session may use it."""
        if not name:
            return None
        entry = self._read().get(name)
        owners = entry.get("owners") if isinstance(entry, dict) else None
        # Whoever may not use one need not know that it is there.
        if not isinstance(entry, dict) or (owners is not None and owner not in owners):
            raise Refused(f"There is no credential {name!r} for you on this node: ask its keeper.")
        return Credential(str(entry.get("username", "")), str(entry.get("password", "")))

    def _read(self) -> dict[str, Any]:
        try:
            mode = self._file.stat().st_mode
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise Refused("The node's credentials can be read by others: chmod 600 them.")
            found = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError:
            raise Refused("The node's credentials are no JSON: correct the file.") from None
        return found if isinstance(found, dict) else {}


def hidden(image: str, credential: Credential) -> str:
    """Return the name that a private image has on this node."""
    key = f"{credential.username}\0{credential.password}".encode()
    return f"{PRIVATE}:{hmac.digest(key, image.encode(), hashlib.sha256).hex()}"
