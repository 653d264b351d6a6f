"""A platform on TLS: what works, and what those are told who come without what it takes."""

from concurrent import futures
from pathlib import Path

import grpc
import pytest

from nsml_core.certificates import open_authority
from nsml_core.errors import Refused
from nsml_core.jetstream import connected
from nsml_core.tls import Tls
from tests.journeys.person import Person, environment
from tests.tls.places import HOST, Place, free_row

_SCRIPT = """
import nsml
with open(nsml.DATASET_PATH + "/a.txt") as file:
    print("read", file.read())
nsml.report(step=1, loss=0.5)
"""


def test_a_session_from_data_to_model(place: Place, tmp_path: Path) -> None:
    ann = Person(place.ann.home, tmp_path, place.ann.environ)
    ann.push("words", {"a.txt": "over TLS"})
    done = ann.runs(_SCRIPT, "-d", "words")
    assert done.returncode == 0, done.stderr
    assert "read over TLS" in done.stdout
    name = ann.json("ps", "-a")[0]["name"]
    assert "over TLS" in ann.says("logs", name)
    assert ann.says("whoami")


@pytest.mark.parametrize(
    ("without", "environ", "code", "words"),
    [
        ("CA CERT KEY CLIENT_CA", {}, 5, "if it speaks TLS, set NSML_TLS_CA"),
        ("CERT KEY CLIENT_CA", {}, 5, "wants to see a certificate, set NSML_TLS_CERT"),
        ("CERT KEY CLIENT_CA", {"NSML_TLS_CA": "system"}, 5, "a CA that is not in"),
        ("CERT KEY CLIENT_CA", {"NSML_TLS_CA": "/none"}, 2, "(NSML_TLS_CA) cannot be used"),
        ("KEY CLIENT_CA", {}, 2, "NSML_TLS_CERT is set, and NSML_TLS_KEY is not"),
        ("", {"NSML_TLS_NAME": "other"}, 5, "a certificate that is not for other"),
        ("", {"NSML_SERVER": "here"}, 2, "write HOST:PORT"),
    ],
)
def test_who_comes_without_what_it_takes_is_told(
    place: Place, without: str, environ: dict[str, str], code: int, words: str
) -> None:
    left_out = {f"NSML_TLS_{name}" for name in without.split()}
    known = {name: value for name, value in place.ann.environ.items() if name not in left_out}
    someone = Person(place.ann.home, place.ann.folder, {**known, **environ})
    assert words in someone.refused("ps", code=code)


def test_certificates_are_taken_up_without_a_restart(place: Place) -> None:
    place.authority.vouch_for_host(HOST, -1)
    assert "shows a certificate that has expired" in place.ann.refused("ps", code=5)
    place.authority.vouch_for_host(HOST, 10)
    assert place.ann.says("ps")


def test_a_service_that_speaks_no_tls_is_named(place: Place) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port(f"{HOST}:0")
    server.start()
    environ = {**place.ann.environ, "NSML_SESSION_ADDRESS": f"{HOST}:{port}"}
    said = Person(place.ann.home, place.ann.folder, environ).refused("ps", code=5)
    server.stop(None).wait()
    assert "does not speak TLS" in said


async def test_a_log_of_another_ca_is_refused(place: Place, tmp_path: Path) -> None:
    other = open_authority(tmp_path / "other")
    secured = Tls(other.folder / "ca.pem")
    with pytest.raises(Refused, match="do not agree on TLS"):
        async with connected(place.nats_url, "test", secured):
            pass


def test_nobody_serves_the_network_in_the_open(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ann = Person(home, tmp_path, environment(home))
    said = ann.nsml("up", "--listen", f"0.0.0.0:{free_row()}")
    assert said.returncode == 1
    assert "set NSML_TLS_CERT and NSML_TLS_KEY, or NSML_ALLOW_PLAINTEXT=yes" in said.stderr
