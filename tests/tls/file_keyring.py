"""A keyring of the keyring library's own kind, which keeps passwords in a file: for tests."""

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

PLACE = "NSML_TEST_KEYRING"


class FileKeyring(KeyringBackend):
    """Chosen by `PYTHON_KEYRING_BACKEND`; the file is where the environment says."""

    priority = 5

    def get_password(self, service: str, username: str) -> str | None:
        return self._kept().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._keep({**self._kept(), f"{service} {username}": password})

    def delete_password(self, service: str, username: str) -> None:
        kept = self._kept()
        if kept.pop(f"{service} {username}", None) is None:
            raise PasswordDeleteError(username)
        self._keep(kept)

    def _kept(self) -> dict[str, str]:
        file = Path(os.environ[PLACE])
        found: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        return found

    def _keep(self, kept: dict[str, str]) -> None:
        Path(os.environ[PLACE]).write_text(json.dumps(kept))
