"""Two people and a team, as they type it: invited, logged in, sharing, and put out again."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from nsml_core.settings import SERVICES, run_dir
from tests.journeys.person import Person, environment

QUICK = "print('done')\n"
PASSWORD = "a long enough password"  # noqa: S105 - of nobody but these two


def elsewhere(machine: Person, folder: Path) -> Person:
    """Somebody with a home of their own, who reaches the same platform."""
    folder.mkdir()
    run = run_dir(machine.home)
    known = {f"NSML_{name.upper()}_ADDRESS": f"unix:{run / name}.sock" for name in SERVICES}
    home = folder / "home"
    return Person(home, folder, environment(home, **known, NSML_KEYRING="no"))


@pytest.fixture
def mia(ann: Person, tmp_path: Path) -> Iterator[Person]:
    """Somebody whom Ann has invited, and who has chosen a password."""
    mia = elsewhere(ann, tmp_path / "mia")
    typed = ann.says("user", "add", "mia").split()
    mia.says(*typed[1:], "--password", PASSWORD)
    yield mia
    mia.says("logout")


def test_two_people_share_what_their_team_has(ann: Person, mia: Person, tmp_path: Path) -> None:
    sam = elsewhere(ann, tmp_path / "sam")
    sam.says(*ann.says("user", "add", "sam").split()[1:], "--password", PASSWORD)
    assert ann.says("team", "create", "crew") == "Team crew is there: ann (owner)\n"
    assert "mia (member)" in ann.says("team", "add", "crew", "mia")
    ann.push("faces", {"a": "1"}, "-t", "crew", "--private")

    assert mia.json("teams") == [{"name": "crew", "members": {"ann": "owner", "mia": "member"}}]
    assert "Welcome to NSML, mia, for crew" in mia.says("login", "-t", "crew")
    assert mia.says("whoami") == "mia, for crew\n"
    name = mia.starts(QUICK, "-d", "faces")
    assert name == "crew/faces/1"
    ann.wait(name, "Exited")

    assert "done" in ann.says("logs", name)
    assert [one["name"] for one in mia.json("ps", "-a")] == [name]
    assert [one["name"] for one in ann.json("ps", "-a", "-t", "crew")] == [name]
    assert "There is no session crew/faces/1" in sam.refused("logs", name, code=3)
    assert "There is no dataset faces" in sam.refused("dataset", "board", "faces", code=3)
    assert "no team crew that you belong to" in sam.refused("ps", "-t", "crew", code=3)
    assert "no team crew that you belong to" in sam.refused("login", "-t", "crew", code=3)
    assert "faces" not in sam.says("dataset", "ls")

    ann.says("team", "role", "crew", "mia", "viewer")
    assert "belongs to crew" in mia.refused("rm", name, code=4)
    ann.says("team", "remove", "crew", "mia")
    assert "no team crew that you belong to" in mia.refused("show", name, code=3)
    assert "only owner of crew" in ann.refused("team", "remove", "crew", "ann", code=1)

    trail = ann.json("admin", "audit", "--who", "mia", "--what", "Requested")
    assert [(one["who"], one["about"]) for one in trail] == [("user:mia", name)]
    ann.says("user", "erase", "sam", "--yes")
    assert "Nobody may speak as sam any more" in sam.refused("whoami", code=4)


def test_a_login_is_kept_for_its_owner_alone_and_ends(mia: Person) -> None:
    kept = mia.home / "login.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["name"] == "mia"

    token = mia.says("token", "create", "nightly", "--scope", "read").strip()
    assert mia.nsml("ps", NSML_TOKEN=token).returncode == 0
    denied = mia.nsml("memo", "mia/None/1", "words", NSML_TOKEN=token)
    assert (denied.returncode, "this needs write" in denied.stderr) == (4, True)
    assert [one["name"] for one in mia.json("token", "ls")] == [None, "nightly"]
    mia.says("token", "revoke", "nightly")
    assert "no token nightly" in mia.refused("token", "revoke", "nightly", code=3)
    assert "do not go together" in mia.refused("login", "-u", "mia", "--password", "no", code=4)

    mia.says("logout")
    said = mia.nsml("ps")
    assert (said.returncode, "NSML is not running here" in said.stderr) == (5, True)
    mia.says("login", "-u", "mia", "--password", PASSWORD)
