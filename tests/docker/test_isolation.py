"""What code in a container must not do: each is tried from the inside."""

import json
import os
import socket

import pytest

from nsml_core.errors import Refused
from nsml_protos.session_pb2 import STDERR, Mount
from nsml_runner.box import Box
from nsml_runner.containers import Engine
from nsml_runner.ground_docker import seen_devices
from tests.docker.daemon import IMAGE
from tests.runner.conftest import Platform

pytestmark = pytest.mark.usefixtures("node")
TRY = """
import json, os
def attempt(what):
    try:
        return {{"done": what()}}
    except OSError as error:
        return {{"errno": error.errno}}
{body}
"""


async def seen(platform: Platform, body: str, **spec: object) -> dict[str, object]:
    """Run what tries something, and return what it tells as JSON."""
    told = await platform.run(TRY.format(body=body), **spec)
    assert told.outcome.exit_code == 0, told.output(STDERR).decode()
    found: dict[str, object] = json.loads(told.output().decode().splitlines()[-1])
    return found


async def test_it_is_nobody_and_cannot_become_somebody(platform: Platform) -> None:
    found = await seen(
        platform,
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "fields = ('CapEff', 'CapPrm', 'CapBnd', 'CapInh', 'NoNewPrivs', 'Seccomp')\n"
        "print(json.dumps({'status': [status[name].strip() for name in fields],\n"
        "    'uid': os.getuid(), 'groups': os.getgroups(),\n"
        "    'setuid': attempt(lambda: os.setuid(0)),\n"
        "    'su': os.waitstatus_to_exitcode(os.system('su -c true root 2>/dev/null')),\n"
        "    'shadow': attempt(lambda: open('/etc/shadow').read()),\n"
        "    'chown': attempt(lambda: os.chown('main.py', 0, 0)),\n"
        "    'mknod': attempt(lambda: os.mknod('disk', 0o60600, os.makedev(8, 0)))}))",
    )
    uid = 64000 if os.getuid() == 0 else os.getuid()

    assert found["status"] == [*["0" * 16] * 4, "1", "2"]
    assert (found["uid"], found["groups"]) == (uid, [uid])
    assert found["setuid"] == found["chown"] == found["mknod"] == {"errno": 1}
    assert found["shadow"] == {"errno": 13}
    assert found["su"] != 0


async def test_its_root_is_read_only_and_there_is_room_to_write(
    node: pytest.MonkeyPatch, platform: Platform
) -> None:
    node.setenv("NSML_SANDBOX_TMP", "8M")
    found = await seen(
        platform,
        "tmp = os.path.join('/', 'tmp', '')\n"
        "def write(path, size=1):\n"
        "    with open(path, 'wb') as file: return file.write(b'x' * size)\n"
        "print(json.dumps({'tmp': attempt(lambda: write(tmp + 'x')),\n"
        "    'home': attempt(lambda: write(os.path.expanduser('~/x'))),\n"
        "    'code': attempt(lambda: write('x')),\n"
        "    'etc': attempt(lambda: write('/etc/x')), 'root': attempt(lambda: write('/x')),\n"
        "    'everybodys': attempt(lambda: write(os.path.join('/var', 'tmp', 'x'))),\n"
        "    'usr': attempt(lambda: write('/usr/bin/x')),\n"
        "    'nsml': attempt(lambda: write('/nsml/x')),\n"
        "    'sdk': attempt(lambda: write('/nsml/sdk/nsml/x')),\n"
        "    'much': attempt(lambda: write(tmp + 'y', 16 << 20))}))",
    )

    assert found["tmp"] == found["home"] == found["code"] == {"done": 1}
    assert {found[name]["errno"] for name in ("etc", "root", "usr", "nsml", "sdk")} <= {13, 30}  # type: ignore[index]
    assert found["everybodys"] == {"errno": 30}  # where rights alone would let anybody write
    assert found["much"] == {"errno": 28}


async def test_data_cannot_be_changed(platform: Platform) -> None:
    tree = await platform.push_files({"train": "images"})
    found = await seen(
        platform,
        "import nsml\npath = nsml.DATASET_PATH\n"
        "print(json.dumps({'write': attempt(lambda: open(path + '/train', 'w')),\n"
        "    'chmod': attempt(lambda: os.chmod(path + '/train', 0o777)),\n"
        "    'remove': attempt(lambda: os.remove(path + '/train'))}))",
        datasets=[Mount(dataset="mnist", revision=1, tree=tree)],
    )

    assert found == {name: {"errno": 30} for name in ("write", "chmod", "remove")}


async def test_limits_hold(node: pytest.MonkeyPatch, platform: Platform) -> None:
    node.setenv("NSML_SANDBOX_PROCESSES", "24")
    found = await seen(
        platform,
        "def fork():\n"
        "    for number in range(64):\n"
        "        if os.fork() == 0: os.read(held[0], 1); os._exit(0)\n"
        "held = os.pipe()\n"
        "forked = attempt(fork)\n"
        "os.close(held[1])\n"
        "shm = os.statvfs('/dev/shm')\n"
        "print(json.dumps({'fork': forked, 'shm': shm.f_blocks * shm.f_frsize}))",
        shm_bytes=8 << 20,
    )

    assert found == {"fork": {"errno": 11}, "shm": 8 << 20}


async def test_what_it_writes_is_bounded(platform: Platform) -> None:
    code = (
        "import os, time\n"
        "with open(os.path.join(os.environ['NSML_OUTPUT'], 'much'), 'wb') as file:\n"
        "    file.write(b'x' * (8 << 20))\n"
        "time.sleep(600)"
    )
    told = await platform.run(code, disk_bytes=4 << 20)

    assert told.outcome.signal == 9
    assert told.outcome.message == "out of disk: wrote 8.0 of 4.0 MB"


async def test_it_sees_its_own_socket_and_processes_and_nobody_elses_files(
    platform: Platform,
) -> None:
    """Another session has a file, and the platform a secret; neither is found by any way."""
    treasure = "with open('treasure', 'w') as file: file.write('gold')\n"
    other = await platform.assign(f"{treasure}import time; print(1, flush=True); time.sleep(600)")
    told = await platform.start(other)
    await told.until(lambda told: told.output())
    found = await seen(
        platform,
        "import stat\n"
        f"home, hidden = {str(platform.home)!r}, 'treasure'\n"
        "sockets, files = [], []\n"
        "for folder, _, names in os.walk('/'):\n"
        "    if folder.startswith(('/proc', '/sys')): continue\n"
        "    for name in names:\n"
        "        path = os.path.join(folder, name)\n"
        "        if stat.S_ISSOCK(os.lstat(path).st_mode): sockets.append(path)\n"
        "        if name in (hidden, 'secret', 'token', 'runner.pid'): files.append(path)\n"
        "names = [name for name in os.listdir('/proc') if name.isdecimal()]\n"
        "print(json.dumps({'sockets': sockets, 'files': files, 'home': os.path.exists(home),\n"
        "    'processes': len(names), 'environ': sorted(os.environ),\n"
        "    'root': attempt(lambda: os.listdir('/proc/1/root/..'))}))",
    )
    platform.runners[other].terminate()

    assert (found["sockets"], found["files"], found["home"]) == (["/nsml/sdk.sock"], [], False)
    assert found["processes"] == 2  # an init, and the code
    names = found["environ"]
    assert isinstance(names, list)
    assert not [name for name in names if "TOKEN" in name or "SECRET" in name or "PASS" in name]
    assert {"NSML_HOME", "DOCKER_HOST", "NSML_SANDBOX"}.isdisjoint(names)


async def test_what_it_hands_over_cannot_lead_outside(platform: Platform) -> None:
    secret = platform.home / "secret"
    code = (
        "import os, nsml\n"
        f"def save(folder): os.symlink({str(secret)!r}, os.path.join(folder, 'model'))\n"
        "nsml.bind(save=save)\n"
        "nsml.save('one')\n"
    )
    told = await platform.run(code)

    assert told.checkpoints == []
    assert "Checkpoint one could not be stored." in told.outcome.message


async def test_without_a_network_nothing_is_reached(
    node: pytest.MonkeyPatch, platform: Platform
) -> None:
    """On the network of the node itself it reaches what listens there; without one it does not."""
    node.setenv("NSML_SANDBOX_NETWORK", "host")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        body = (
            "import socket\n"
            f"found = attempt(lambda: socket.create_connection(('127.0.0.1', {port})).close())\n"
            "names = [name for _, name in socket.if_nameindex()]\n"
            "print(json.dumps({**found, 'interfaces': names}))"
        )
        reached = await seen(platform, body)
        alone = await seen(platform, body, no_network=True)

    assert reached["done"] is None
    assert alone == {"errno": 111, "interfaces": ["lo"]}


async def test_root_is_for_those_who_ask_where_it_is_allowed(
    node: pytest.MonkeyPatch, platform: Platform
) -> None:
    refused = await platform.run("print(1)", root=True)
    node.setenv("NSML_SANDBOX_ROOT", "yes")
    allowed = await platform.run(
        "import os, nsml\nstatus = open('/proc/self/status')\n"
        "print(os.getuid(), [line for line in status if 'CapE' in line])\n"
        "open(os.path.join(os.environ['NSML_OUTPUT'], 'mine'), 'w').close()\n"
        "def save(folder): open(os.path.join(folder, 'model'), 'w').close()\n"
        "nsml.bind(save=save, load=os.listdir)\nnsml.save(1)\nnsml.load(1)",
        root=True,
    )

    assert refused.started == []
    assert refused.outcome.message == (
        "Nobody is root in the containers of this node: leave out --root."
    )
    if os.getuid() == 0:
        assert allowed.output() == b"0 ['CapEff:\\t0000000000000000\\n']\n"
        assert (allowed.outcome.exit_code, allowed.output(STDERR)) == (0, b"")


@pytest.mark.parametrize("devices", [["1", "3"], ["MIG-0b2c5a5e-0b2c-5a5e-8f5e-0b2c5a5e0b2c"]])
async def test_gpus_are_asked_of_the_engine_by_their_names(
    engine: Engine, devices: list[str]
) -> None:
    box = Box(IMAGE, "1:1", {}, devices=devices, env={"NVIDIA_VISIBLE_DEVICES": "all"})
    container = engine.create(box, ["true"], "/")
    received = engine._api.inspect_container(container)
    engine.remove(container)
    (request,) = received["HostConfig"]["DeviceRequests"]

    assert (request["Driver"], request["DeviceIDs"]) == ("nvidia", devices)
    assert request["Capabilities"] == [["gpu", "compute", "utility"]]
    assert f"NVIDIA_VISIBLE_DEVICES={','.join(devices)}" in received["Config"]["Env"]
    assert "NVIDIA_VISIBLE_DEVICES=all" not in received["Config"]["Env"]


async def test_an_engine_without_gpus_says_what_is_missing(engine: Engine) -> None:
    if "nvidia" in engine._api.info()["Runtimes"]:
        pytest.skip("this engine brings GPUs into containers")
    container = engine.create(Box(IMAGE, "1:1", {}, devices=["0"]), ["true"], "/")
    with pytest.raises(Refused, match="has no NVIDIA runtime"):
        engine.start(container)
    engine.remove(container)


async def test_no_gpu_comes_by_a_variable(engine: Engine) -> None:
    container = engine.create(
        Box(IMAGE, "1:1", {}, env={"NVIDIA_VISIBLE_DEVICES": "all"}), ["true"], "/"
    )
    received = engine._api.inspect_container(container)
    engine.remove(container)

    assert received["HostConfig"]["DeviceRequests"] in (None, [])
    assert "NVIDIA_VISIBLE_DEVICES=void" in received["Config"]["Env"]


async def test_code_counts_its_gpus_from_zero() -> None:
    mig = "MIG-0b2c5a5e-0b2c-5a5e-8f5e-0b2c5a5e0b2c"

    assert seen_devices(["3", "5"]) == ["0", "1"]
    assert seen_devices([mig]) == [mig]
