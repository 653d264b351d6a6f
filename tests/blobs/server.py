"""Serve a blob store and nothing else: `server.py ADDRESS BLOBS_URL SECRET_FILE`, until SIGTERM."""

import asyncio
import signal
import sys
from pathlib import Path

import grpc.aio
import uvloop

from nsml_core import auth
from nsml_core.authority import rules
from nsml_core.blobs.store import Store
from nsml_core.directory import Directory
from nsml_core.gate import Gate
from nsml_dataset.blobs_servicer import Blobs
from nsml_protos import blobs_pb2, blobs_pb2_grpc


async def serve(address: str, url: str, secret: bytes) -> None:
    store = Store(url)
    table = rules([blobs_pb2.DESCRIPTOR.services_by_name["Blobs"]])
    server = grpc.aio.server(interceptors=[Gate("dataset", secret, table, wait_for, Directory())])
    blobs_pb2_grpc.add_BlobsServicer_to_server(Blobs(store), server)
    server.add_insecure_port(address)
    await server.start()
    print("ready", flush=True)  # noqa: T201 - who started us waits for it
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(1)
    store.close()


async def wait_for(position: int) -> None:
    raise AssertionError(f"blobs have no log, but were asked to wait for {position}")


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], sys.argv[2], auth.make_secret(Path(sys.argv[3]))))
