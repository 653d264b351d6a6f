"""Images: named, built, shared, and what is said where that does not work."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nsml_core.errors import Invalid
from nsml_protos.session_pb2 import BUILD, PLATFORM, STDERR, Spec
from nsml_runner import disk
from nsml_runner.box import Box, Mount, asked
from nsml_runner.containers import Engine
from nsml_runner.layer import Asked, Layer
from nsml_runner.probe import Probe
from tests.docker.daemon import IMAGE
from tests.docker.registry import PASSWORD, USER, registry
from tests.runner.conftest import Platform
from tests.runner.packages import package

pytestmark = pytest.mark.usefixtures("node")
NOT_BUILT = "The image could not be built"
IMPORT = "import tiny; print(tiny.VERSION)"


def project(version: str, **files: str) -> dict[str, str | bytes]:
    """Return code with a requirement that can be built without a network."""
    tiny = package("tiny/", "tiny", version)
    return {"main.py": IMPORT, "requirements.txt": "./tiny\n", **tiny, **files}


async def test_requirements_are_built_once_for_all_who_ask_at_once(platform: Platform) -> None:
    names = [await platform.assign(project("3.1")) for _ in range(2)]
    every = [await platform.start(name) for name in names]
    assert [await platform.runners[name].ended() for name in names] == [0, 0]
    outputs = [told.output(BUILD) for told in every]

    assert [told.output() for told in every] == [b"3.1\n"] * 2
    assert sum(b"Successfully installed" in output for output in outputs) == 1
    assert [told.packages for told in every] == [["tiny==3.1"]] * 2
    assert {told.python for told in every} == {"3.11"}
    assert len({told.started[0] for told in every}) == 1


async def test_a_resumed_session_gets_the_packages_that_it_had(platform: Platform) -> None:
    first = await platform.run(project("3.2"))
    again = await platform.run(project("3.2"), packages=list(first.packages), python=first.python)
    other = await platform.run(project("3.2"), packages=list(first.packages), python="3.8")

    assert (again.output(), again.output(BUILD)) == (b"3.2\n", b"")
    assert again.started == first.started
    assert other.started == []
    assert other.outcome.message.startswith(
        "The environment cannot be rebuilt: it had Python 3.8, and the image has 3.11;"
    )


async def test_a_build_that_fails_costs_nothing_and_says_why(platform: Platform) -> None:
    files = {**project("3.3"), **package("tiny/", "tiny", "3.3", "raise SystemExit('no luck')")}
    told = await platform.run(files)

    assert told.started == []
    assert told.outcome.message.startswith("The image could not be built from requirements.txt: ")
    assert b"no luck" in told.output(BUILD)


async def test_a_build_that_writes_too_much_is_ended(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "LOOK_SECONDS", 0.1)
    program = "fallocate -l 8M $0; sleep 600"  # at once: no look falls while it writes
    monkeypatch.setattr(Layer, "_steps", lambda _: [["sh", "-c", program, "/var/much"]])
    labels = {"nsml.test": tmp_path.name}
    box = Box(IMAGE, "0:0", labels, [Mount(tmp_path, "/nsml/code")], disk_bytes=4 << 20)
    layer = Layer(engine, box, Asked.of(tmp_path, Spec()), Probe("", "", (), ()), print)
    with pytest.raises(Invalid, match=r"out of disk: wrote 8\.\d of 4\.0 MB"):
        await layer.build(IMAGE, "nsml-layer:never")

    assert (engine.find(labels), engine.image("nsml-layer:never")) == ([], None)


def test_what_a_build_may_write_is_asked_of_the_engine() -> None:
    box = Box(IMAGE, "0:0", {}, disk_bytes=4 << 20)
    build = asked(replace(box, is_build=True), ["true"], "/")

    assert build["HostConfig"]["StorageOpt"] == {"size": "4194304"}
    assert "StorageOpt" not in asked(box, ["true"], "/")["HostConfig"]  # its root is read-only


async def test_system_packages_are_there(platform: Platform) -> None:
    code = "import subprocess; subprocess.run(['nsml-greeting'])"
    told = await platform.run({"main.py": code, "nsml_package.txt": "nsml-greeting\n"})

    assert told.outcome.message == ""
    assert (told.output(), told.output(STDERR)) == (b"hello from a system package\n", b"")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"requirements.txt": "#nsml: 127.0.0.1:1/nobody/nothing:1\n"},
            "The image 127.0.0.1:1/nobody/nothing:1 is not on this node, and could not be fetched",
        ),
        ({"setup.py": "#!nova: a$b\n"}, "'a$b' is no name of an image: write it like python:3.12."),
        (
            {"Dockerfile": f"FROM {IMAGE}\nRUN echo no luck && exit 3\n"},
            f"{NOT_BUILT} from the Dockerfile: Step 2/2 : RUN echo no luck && exit 3; no luck; ",
        ),
        ({"Dockerfile": "DANCE\n"}, "The image could not be built from the Dockerfile: "),
        ({"environment.yml": "name: x\n"}, "The image could not be built from environment.yml: "),
        ({"nsml_package.txt": "-o=x\n"}, "'-o=x' is no name of a system package: correct it."),
    ],
)
async def test_what_is_wrong_is_said_in_one_sentence(
    platform: Platform, files: dict[str, str], expected: str
) -> None:
    told = await platform.run({"main.py": "print(1)", **files})

    assert told.started == []
    assert told.outcome.message.startswith(expected)
    assert "\n" not in told.outcome.message


async def test_a_dockerfile_makes_the_image(platform: Platform) -> None:
    dockerfile = (
        f"FROM {IMAGE}\nCOPY word /word\nENV COLOUR=blue\nRUN echo built > /done\n"
        'ENTRYPOINT ["false"]\nUSER root\nHEALTHCHECK CMD touch /nsml/code/unwell\n'
    )
    code = "import os; print(open('/word').read(), open('/done').read(), os.environ['COLOUR'])"
    files = {"main.py": f"{code}; print(os.getuid())", "Dockerfile": dockerfile, "word": "well"}
    told = await platform.run(files)
    again = await platform.run(files)

    assert told.output().decode().split()[:3] == ["well", "built", "blue"]
    assert told.output().decode().split()[3] != "0"
    assert b"Step 1/" in told.output(BUILD)
    assert (again.output(), again.output(BUILD)) == (told.output(), b"")


async def test_an_image_without_python_is_pointed_out(platform: Platform) -> None:
    dockerfile = f"FROM {IMAGE}\nRUN rm /usr/bin/python3 /usr/bin/python3.11\n"
    told = await platform.run({"main.py": "print(1)", "Dockerfile": dockerfile})

    assert told.outcome.message == (
        "The image of the Dockerfile has no Python: choose one that has, by --image."
    )


async def test_a_private_image_comes_by_a_credential_of_the_node(
    platform: Platform, engine: Engine
) -> None:
    kept = {"username": USER, "password": PASSWORD, "owners": ["ada"]}
    others = {"username": USER, "password": PASSWORD, "owners": ["bob"]}
    file = platform.home / "registries.json"
    file.write_text(json.dumps({"lab": kept, "other": others}))
    file.chmod(0o644)
    with registry() as image:
        open_file = await platform.run("print(1)", image=image, registry="lab")
        file.chmod(0o600)
        without = await platform.run("print(1)", image=image)
        foreign = await platform.run("print(1)", image=image, registry="other")
        fetched = await platform.run("print(1)", image=image, registry="lab")
        after = await platform.run("print(1)", image=image)
    private = engine._api.images("nsml-private")
    every = (open_file, without, foreign, fetched, after)

    assert open_file.outcome.message.startswith("The node's credentials can be read by others")
    assert without.outcome.message.startswith(f"The image {image} is not on this node, and could")
    assert foreign.outcome.message.startswith("There is no credential 'other' for you")
    assert fetched.outcome.message.startswith(f"The image {image} has no Python")
    assert after.outcome.message == without.outcome.message
    assert len(private) == 1
    assert PASSWORD.encode() not in b"".join(told.output(BUILD, PLATFORM) for told in every)
