"""Servers that speak TLS only, and a platform between them that does."""

import asyncio
import json
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from nsml_core.certificates import Authority, open_authority
from nsml_core.settings import SERVICES
from nsml_local import home, servers
from nsml_local.home import Home
from tests.folders import remove
from tests.journeys.person import Person, environment

HOST = "127.0.0.1"
_SSL_REQUEST_BYTES = 8


@dataclass(frozen=True)
class Place:
    """A platform on TLS, and the CA that vouches for all its parts."""

    ann: Person
    authority: Authority
    nats_url: str
    web: str
    """Where browsers reach the web, as HOST:PORT: it listens beyond this machine, too."""


@contextmanager
def opened() -> Iterator[Place]:
    """A platform whose every part is reached by TLS, and asks to see certificates."""
    folder = Path(tempfile.mkdtemp(prefix="nsml-"))
    try:
        authority = open_authority(folder / "pki")
        authority.vouch_for_host(HOST, 10)
        authority.vouch_for_client("ann", 10)
        with ExitStack() as stack:
            nats_url, monitor_url = stack.enter_context(_nats(folder, authority))
            postgres_url = stack.enter_context(_postgres(folder, authority))
            urls = {
                "NSML_NATS_URL": nats_url,
                "NSML_NATS_MONITOR_URL": monitor_url,
                "NSML_POSTGRES_URL": postgres_url,
            }
            ann = _person(folder, authority.folder, free_row())
            web = free_port()
            pages = {
                "NSML_WEB_ADDRESS": f"0.0.0.0:{web}",
                "NSML_WEB_ORIGIN": f"https://{HOST}:{web}",
            }
            known = {**ann.environ, **urls, **pages, **_shown(authority.folder, HOST)}
            keeper = Person(ann.home, folder, known)
            keeper.says("up")
            yield Place(ann, authority, nats_url, f"{HOST}:{web}")
            keeper.says("down")
    finally:
        remove(folder)


def _person(folder: Path, pki: Path, port: int) -> Person:
    row = f"{HOST}:{port}"
    known = {"NSML_USER": "ann", "NSML_SERVER": row, "NSML_LISTEN": row, **_shown(pki, "ann")}
    at = folder / "home"
    return Person(at, folder, environment(at, **known, NSML_TLS_CLIENT_CA=str(pki / "ca.pem")))


def _shown(pki: Path, name: str) -> dict[str, str]:
    return {
        "NSML_TLS_CA": str(pki / "ca.pem"),
        "NSML_TLS_CERT": str(pki / f"{name}.pem"),
        "NSML_TLS_KEY": str(pki / f"{name}.key"),
    }


def free_row() -> int:
    """Return the first of as many free ports in a row as there are services."""
    while True:
        with ExitStack() as stack:
            first = _free(stack)
            with suppress(OSError):
                for offset in range(1, len(SERVICES)):
                    stack.enter_context(socket.socket()).bind((HOST, first + offset))
                return first


def free_port() -> int:
    """Return a free port."""
    with ExitStack() as stack:
        return _free(stack)


def _free(stack: ExitStack) -> int:
    probe = stack.enter_context(socket.socket())
    probe.bind((HOST, 0))
    port: int = probe.getsockname()[1]
    return port


@contextmanager
def _nats(folder: Path, authority: Authority) -> Iterator[tuple[str, str]]:
    at = home.with_free_ports(home.make(folder / "nats"))
    program = servers.nats_program(at)
    file = at.run / "nats.json"
    pki = authority.folder
    secured = {
        "cert_file": str(pki / f"{HOST}.pem"),
        "key_file": str(pki / f"{HOST}.key"),
        "ca_file": str(pki / "ca.pem"),
        "verify": True,
    }
    file.write_text(json.dumps(json.loads(file.read_text()) | {"tls": secured}))
    with servers.running(program, at):
        yield at.nats_url.replace("nats:", "tls:"), at.monitor_url


@contextmanager
def _postgres(folder: Path, authority: Authority) -> Iterator[str]:
    """The PostgreSQL of the embedded mode cannot speak TLS: before it stands who can."""
    pki = authority.folder
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=pki / "ca.pem")
    context.load_cert_chain(pki / f"{HOST}.pem", pki / f"{HOST}.key")
    at = home.make(folder / "postgres")
    with servers.postgres(at.folder), _before(context, at) as port:
        words = f"sslmode=verify-full&sslrootcert={pki / 'ca.pem'}"
        yield f"postgresql://nsml:{at.kept.postgres_password}@{HOST}:{port}/postgres?{words}"


@contextmanager
def _before(context: ssl.SSLContext, at: Home) -> Iterator[int]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        serving = _serve(context, at.run / ".s.PGSQL.5432")
        server = asyncio.run_coroutine_threadsafe(serving, loop).result()
        yield server.sockets[0].getsockname()[1]
        asyncio.run_coroutine_threadsafe(_end(server), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _serve(context: ssl.SSLContext, behind: Path) -> asyncio.Server:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readexactly(_SSL_REQUEST_BYTES)
            writer.write(b"S")
            await writer.start_tls(context)
            there, back = await asyncio.open_unix_connection(behind)
            await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass  # either end may leave when it wants
        finally:
            writer.close()

    return await asyncio.start_server(talk, HOST, 0)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    mine = asyncio.current_task()
    talks = [task for task in asyncio.all_tasks() if task is not mine]
    for task in talks:
        task.cancel()
    await asyncio.gather(*talks, return_exceptions=True)
