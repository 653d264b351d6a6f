"""How root starts PostgreSQL, which refuses to run as root, without a privileged set-up."""

import os
import pwd
import shutil
import subprocess
from pathlib import Path

from nsml_core.errors import Refused

_ACCOUNT = "nobody"


def prefix(program: Path, data: Path) -> list[str]:
    """The words to put before `program` so that it does not see itself as root; none if we are not.

    Best is a user namespace in which root bears another name: no file changes its owner. Where
    namespaces are not permitted (most containers), it becomes the account `nobody` with the one
    capability that lets it reach `data` below folders that belong to root.
    """
    if os.geteuid() != 0:
        return []
    account = pwd.getpwnam(_ACCOUNT)
    owner = data.stat().st_uid if (data / "PG_VERSION").exists() else None
    namespace = _user_namespace(account)
    if owner != account.pw_uid and _works(namespace, program):
        return namespace
    lowered = _lowered(account)
    if owner != 0 and _works(lowered, program):
        return lowered
    raise Refused(
        "PostgreSQL refuses to run as root, and this machine permits neither user namespaces nor "
        "a change of account; run `nsml up` as an ordinary user."
    )


def give(path: Path, words: list[str]) -> None:
    """Let the account that `words` lead to own `path`."""
    if words and Path(words[0]).name == "setpriv":
        account = pwd.getpwnam(_ACCOUNT)
        os.chown(path, account.pw_uid, account.pw_gid)


def _user_namespace(account: pwd.struct_passwd) -> list[str]:
    return [
        _tool("unshare"),
        "--user",
        f"--map-user={account.pw_uid}",
        f"--map-group={account.pw_gid}",
    ]


def _lowered(account: pwd.struct_passwd) -> list[str]:
    return [
        _tool("setpriv"),
        f"--reuid={account.pw_uid}",
        f"--regid={account.pw_gid}",
        "--clear-groups",
        "--inh-caps=-all,+dac_override",
        "--ambient-caps=-all,+dac_override",
    ]


def _tool(name: str) -> str:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/bin") or name


def _works(words: list[str], program: Path) -> bool:
    try:
        asked = subprocess.run(
            [*words, str(program), "--version"], capture_output=True, check=False
        )
    except OSError:
        return False
    return asked.returncode == 0
