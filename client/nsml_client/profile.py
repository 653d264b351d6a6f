"""The last `nsml login`: where, as whom, for which team, and where its token is kept.

The token lies in the system's keyring where there is one, else in a file that only its owner reads.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nsml_core.errors import Unauthenticated

if TYPE_CHECKING:  # only who has logged in needs it
    from keyring.backend import KeyringBackend

LOG_IN = "You are not logged in: `nsml login` does that."

_SERVICE = "nsml"


@dataclass(frozen=True)
class Profile:
    """What a login left behind."""

    server: str = ""
    """`HOST:PORT` of a platform elsewhere; empty: the one on this machine."""

    name: str = ""
    team: str = ""
    token: str = ""
    """Empty: it is in the keyring."""


def file_of(home: Path) -> Path:
    return home / "login.json"


def load(home: Path, *, is_other: bool = False) -> Profile:
    """Return the last login; an empty one if there is none, or none where we are to go."""
    try:
        known = json.loads(file_of(home).read_text())
    except FileNotFoundError:
        return Profile()
    except (OSError, ValueError) as error:
        raise Unauthenticated(f"{file_of(home)} cannot be read ({error}): log in again.") from None
    fields = Profile.__dataclass_fields__
    found = Profile(**{key: str(value) for key, value in known.items() if key in fields})
    # A token is shown to nobody but the platform that issued it.
    if os.environ.get("NSML_SERVER", found.server) != found.server:
        return Profile()
    return Profile(found.server) if is_other else found


def environ(found: Profile) -> Mapping[str, str]:
    """Return the environment, with the place of the last login where it names none."""
    if not found.server:
        return os.environ
    return {**os.environ, "NSML_SERVER": found.server}


def token(found: Profile) -> str:
    """Return the token of a login."""
    if found.token:
        return found.token
    keyring = _keyring()
    kept = keyring.get_password(_SERVICE, _account(found)) if keyring else None
    if not kept:
        raise Unauthenticated(LOG_IN)
    return str(kept)


def save(home: Path, found: Profile) -> str:
    """Keep a login; return where its token lies."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    keyring = _keyring()
    if keyring is not None and found.token:
        keyring.set_password(_SERVICE, _account(found), found.token)
        _write(home, asdict(found) | {"token": ""})
        return "the keyring"
    _write(home, asdict(found))
    return str(file_of(home))


def forget(home: Path, found: Profile) -> None:
    """Let go of a login."""
    keyring = _keyring() if found.name and not found.token else None
    if keyring is not None and keyring.get_password(_SERVICE, _account(found)):
        keyring.delete_password(_SERVICE, _account(found))
    file_of(home).unlink(missing_ok=True)


def _account(found: Profile) -> str:
    return f"{found.name}@{found.server or 'localhost'}"


def _write(home: Path, fields: Mapping[str, str]) -> None:
    draft = home / f".login.{os.getpid()}"
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(fields, indent=1) + "\n")
    draft.replace(file_of(home))


def _keyring() -> "KeyringBackend | None":
    """Return the system's keyring, if there is one that can be used without asking anybody."""
    if os.environ.get("NSML_KEYRING") == "no":
        return None
    import keyring
    from keyring.errors import KeyringError

    try:
        found = keyring.get_keyring()
        usable = found.priority >= 1
    except (KeyringError, RuntimeError):
        return None
    return found if usable else None
