"""`nsml login HOST:PORT`, with the token in a keyring: the commands that follow go there."""

import json
from pathlib import Path

import pytest

from tests.journeys.person import Person, environment
from tests.tls import file_keyring
from tests.tls.places import Place, free_row

PASSWORD = "a long enough password"  # noqa: S105 - of nobody but this one
ROOT = Path(__file__).parents[2]


@pytest.fixture
def mia(place: Place, tmp_path: Path) -> Person:
    """Somebody on another machine, who knows by which certificates to come."""
    shown = {name: value for name, value in place.ann.environ.items() if "NSML_TLS" in name}
    ring = f"{file_keyring.__name__}.{file_keyring.FileKeyring.__name__}"
    chosen = {"PYTHON_KEYRING_BACKEND": ring, file_keyring.PLACE: str(tmp_path / "ring")}
    home = tmp_path / "home"
    return Person(home, tmp_path, environment(home, **shown, **chosen, PYTHONPATH=str(ROOT)))


def ring(mia: Person) -> dict[str, str]:
    found: dict[str, str] = json.loads((mia.folder / "ring").read_text())
    return found


def test_a_login_elsewhere_is_in_the_keyring(place: Place, mia: Person) -> None:
    server = place.ann.environ["NSML_SERVER"]
    invited = place.ann.says("user", "add", "mia").split()
    assert "write HOST:PORT" in mia.refused("login", "here", code=2)
    done = mia.nsml("login", server, *invited[2:], "--password", PASSWORD)
    assert done.returncode == 0, done.stderr
    assert "Welcome to NSML, mia" in done.stdout
    assert done.stderr == "Its token is kept in the keyring.\n"
    kept = json.loads((mia.home / "login.json").read_text())
    assert (kept["server"], kept["name"], kept["token"]) == (server, "mia", "")
    assert list(ring(mia)) == [f"nsml mia@{server}"]

    assert mia.says("whoami") == "mia\n"
    assert mia.json("ps", "-a") == []
    elsewhere = mia.nsml("whoami", NSML_SERVER=f"127.0.0.1:{free_row()}")
    assert elsewhere.returncode != 0  # the token is shown to nobody else
    assert "mia" not in elsewhere.stdout

    token = next(iter(ring(mia).values()))
    assert mia.says("logout") == "mia is logged out\n"
    assert ring(mia) == {}
    void = mia.nsml("whoami", NSML_SERVER=server, NSML_TOKEN=token)
    assert (void.returncode, "log in again" in void.stderr) == (4, True)
    assert "Welcome" in mia.says("login", server, "-u", "mia", "--password", PASSWORD)
    assert list(ring(mia)) == [f"nsml mia@{server}"]
