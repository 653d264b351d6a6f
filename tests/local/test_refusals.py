"""What the embedded mode refuses: one sentence, nothing half-made, nothing left running."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from nsml_core.errors import Damaged, Invalid, Refused, Unavailable
from nsml_local import embedded, home, processes
from nsml_local.environment import MARK
from tests.local.homes import down, eventually, of_home, quiet, up


def test_a_part_that_cannot_start_is_named_and_nothing_stays(folder: Path) -> None:
    up(folder)
    down(folder)
    with (folder / "postgres/postgresql.conf").open("a") as file:
        file.write("nonsense = 1\n")
    with pytest.raises(Unavailable, match=r'(?s)^postgres .*parameter "nonsense"'):
        up(folder)
    assert of_home(folder) == []


def test_a_service_that_refuses_a_setting_says_it_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NSML_ZOMBIE_AFTER", "-3")
    with pytest.raises(Unavailable) as refused:
        embedded.up(folder, progress=quiet, services=("session",))
    assert refused.value.sentence.endswith(
        "try again:\nNSML_ZOMBIE_AFTER must be a number, zero or more."
    )
    assert of_home(folder) == []


def test_a_part_that_does_not_get_ready_in_time(folder: Path) -> None:
    with pytest.raises(Unavailable, match="is not ready after 0 s"):
        embedded.up(folder, progress=quiet, services=(), seconds=0)
    assert of_home(folder) == []


def test_settings_of_news_that_make_no_sense(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSML_WEBHOOK_URL", "file:///etc/passwd")
    with pytest.raises(Invalid, match="NSML_WEBHOOK_URL is http://"):
        up(folder)
    assert of_home(folder) == []


def test_limits_that_no_runner_could_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSML_LOG_RATE", "fast")
    with pytest.raises(Invalid, match=r"^NSML_LOG_RATE: 'fast' is not a size"):
        up(folder)
    assert of_home(folder) == []


def test_a_forkserver_without_a_runner_is_no_session(folder: Path) -> None:
    socket = folder / "forkserver.sock"
    folder.mkdir(parents=True, exist_ok=True)
    started = subprocess.Popen(
        [sys.executable, "-m", "nsml_runner.forkserver", str(socket)],
        env={**os.environ, "NSML_HOME": str(folder), MARK: str(folder)},
    )
    eventually(socket.exists)

    assert processes.stop(folder, spare_sessions=True) == 1
    assert started.wait() in (0, -signal.SIGTERM)


def test_a_home_of_a_newer_version(folder: Path) -> None:
    home.make(folder)
    file = folder / "embedded.json"
    file.write_text(file.read_text().replace('"layout": 2', '"layout": 3, "new": 3'))
    with pytest.raises(Refused, match="newer NSML"):
        up(folder)
    file.write_text(file.read_text().replace('"layout": 3, "new": 3', '"layout": 2'))


def test_a_home_of_before_there_was_a_web(folder: Path) -> None:
    made = home.make(folder)
    file = folder / "embedded.json"
    older = {name: value for name, value in asdict(made.kept).items() if name != "web_port"}
    file.write_text(json.dumps({**older, "layout": 1}))

    again = home.with_free_ports(home.make(folder))

    assert again.kept.web_port
    assert again.kept.nats_password == made.kept.nats_password
    assert json.loads(file.read_text())["layout"] == 2


def test_a_home_whose_file_is_damaged(folder: Path) -> None:
    home.make(folder)
    kept = (folder / "embedded.json").read_text()
    (folder / "embedded.json").write_text("")
    with pytest.raises(Damaged, match="cannot be read"):
        up(folder)
    (folder / "embedded.json").write_text(kept)


def test_a_home_that_is_a_file(short_path: Path) -> None:
    (short_path / "file").touch()
    with pytest.raises(Invalid, match="set NSML_HOME"):
        up(short_path / "file")


def test_a_home_that_cannot_be_written() -> None:
    with pytest.raises(Invalid, match="cannot be used"):
        up(Path("/proc/nsml"))


def test_a_folder_that_holds_something_else(short_path: Path) -> None:
    (short_path / "thesis.tex").touch()
    with pytest.raises(Refused, match="holds other things"):
        up(short_path)
    assert down(short_path) is False
    assert [path.name for path in short_path.iterdir()] == ["thesis.tex"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_home_of_somebody_else(short_path: Path) -> None:
    theirs = short_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    with pytest.raises(Refused, match="belongs to user 65534"):
        up(theirs)
    assert list(theirs.iterdir()) == []


def test_a_home_on_a_full_disk(short_path: Path) -> None:
    """On a small file system that only this test sees."""
    script = (
        "import sys, pathlib\n"
        "from nsml_core.errors import Exhausted\n"
        "from nsml_local import embedded\n"
        "try: embedded.up(pathlib.Path(sys.argv[1]))\n"
        "except Exhausted as error: print(error)\n"
    )
    mount = 'mount -t tmpfs -o size=8m none "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, "sh"]
    tried = subprocess.run(
        [*command, str(short_path), sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        pytest.skip(f"this machine permits no user namespaces: {tried.stderr}")
    assert "MiB left" in tried.stdout
