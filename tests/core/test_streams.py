"""A stream that breaks is not begun again by itself: messages of it would be lost unseen."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from nsml_core import clients

Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("service", "method"), [("nsml.Attempts", "Link"), ("nsml.Blobs", "PutPack")]
)
async def test_a_stream_that_breaks_is_begun_again_by_who_speaks(
    short_path: Path, service: str, method: str
) -> None:
    begun = 0

    async def away(said: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        nonlocal begun
        begun += 1
        yield await anext(said) if begun > 1 else await context.abort(Code.UNAVAILABLE, "away")

    handlers: dict[str, Any] = {method: grpc.stream_stream_rpc_method_handler(away)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    server.add_insecure_port(f"unix:{short_path}/socket")
    await server.start()
    async with clients.connect(f"unix:{short_path}/socket", "token") as channel:
        call: Any = channel.stream_stream(f"/{service}/{method}")()
        await call.write(b"1")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
    await server.stop(0)

    assert caught.value.code() == Code.UNAVAILABLE
    assert begun == 1
