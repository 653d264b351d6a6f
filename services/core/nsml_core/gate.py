"""The gate that every call passes.

Who asks, may they, have they a position to wait for, and what an error becomes.
"""

import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

import grpc
import grpc.aio

from nsml_core import telemetry
from nsml_core.auth import verify
from nsml_core.authority import SHUT, Rule, authorise
from nsml_core.caller import NOBODY, Caller
from nsml_core.calls import Call, enter
from nsml_core.database import AWAY, DAMAGED, away, damaged
from nsml_core.directory import Directory
from nsml_core.errors import Error, NotFound, NotPermitted, Throttled
from nsml_core.status import to_grpc
from nsml_core.throttle import RETRY, Throttle
from nsml_protos.options_pb2 import Need

POSITION = "x-nsml-position"
OWNER = "x-nsml-owner"
"""Whom the caller acts for: a team of theirs; nobody else than themself without it."""

_OPEN = ("/grpc.health.v1.Health/", "/grpc.reflection.")

_log = logging.getLogger("nsml.gate")

WaitFor = Callable[[int], Awaitable[None]]


class Gate(grpc.aio.ServerInterceptor):
    """Wraps every method of a service."""

    def __init__(
        self,
        service: str,
        secret: bytes,
        table: Mapping[str, Rule],
        wait_for: WaitFor,
        directory: Directory,
        throttle: Throttle | None = None,
    ) -> None:
        self._throttle = throttle or Throttle(0, 0)
        self._service = service
        self._secret = secret
        self._table = table
        self._wait_for = [(service, wait_for), ("identity", directory.wait_for)]
        self._directory = directory

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Return the method's handler, guarded; health and reflection are open to all."""
        handler = await continuation(details)
        if handler is None or details.method.startswith(_OPEN):
            return handler
        method = details.method
        if handler.unary_unary:
            return handler._replace(unary_unary=self._answer(method, handler.unary_unary))
        if handler.unary_stream:
            return handler._replace(unary_stream=self._stream(method, handler.unary_stream))
        if handler.stream_unary:
            return handler._replace(stream_unary=self._answer(method, handler.stream_unary))
        return handler._replace(stream_stream=self._stream(method, handler.stream_stream))

    def _answer(self, method: str, behaviour: Any) -> Any:
        async def guarded(request: Any, context: Any) -> Any:
            async with self._entered(method, context) as call:
                reply = await behaviour(request, context)
                if call.position:
                    context.set_trailing_metadata(((POSITION, f"{self._service}={call.position}"),))
                return reply

        return guarded

    def _stream(self, method: str, behaviour: Any) -> Any:
        async def guarded(request: Any, context: Any) -> AsyncIterator[Any]:
            async with self._entered(method, context) as call:
                if call.caller.kind != "user":
                    async for reply in behaviour(request, context):
                        yield reply
                    return
                given = self._heard(call, request) if hasattr(request, "__aiter__") else request
                async for reply in self._still(call, behaviour(given, context)):
                    yield reply

        return guarded

    async def _heard(self, call: Call, words: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Take in what is said, until it may not be said any more."""
        with contextlib.suppress(NotPermitted):
            async for word in self._still(call, words):
                yield word

    async def _still(self, call: Call, words: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Pass words on for as long as what was allowed when the call began is allowed still."""
        known = self._directory.changes
        async for word in words:
            if known != self._directory.changes:
                known = self._directory.changes
                call.caller = self._directory.checked(call.caller)
                if not all(call.may(need, of, private=kept) for need, of, kept in call.granted):
                    raise NotPermitted("You may not follow this any more: what you were has ended.")
            yield word

    @contextlib.asynccontextmanager
    async def _entered(self, method: str, context: Any) -> AsyncIterator[Call]:
        given = {
            key: str(value) for key, value in context.invocation_metadata() or () if key in _KEYS
        }
        call = Call(NOBODY, *_ids(given))
        try:
            with self._named(method, call):
                call.caller = self._caller(given)
                self._count(call.caller, context)
                if call.caller is not NOBODY:
                    await self._see(given)
                self._admit(method, call, given.get(OWNER, ""))
                yield call
        except Throttled as error:
            retry = ((RETRY, str(int(error.seconds * 1000) + 1)),)
            await context.abort(to_grpc(error), error.sentence, retry)
        except Error as error:
            await context.abort(to_grpc(error), error.sentence)
        except AWAY as error:
            await context.abort(to_grpc(away()), away(error).sentence)
        except DAMAGED as error:
            _log.critical("%s", damaged(error).sentence)
            await context.abort(to_grpc(damaged(error)), damaged(error).sentence)
        except (grpc.aio.AbortError, grpc.RpcError, GeneratorExit):
            raise
        except Exception:  # noqa: BLE001 - the edge of the process
            _log.exception("%s failed in request %s", method, call.request_id)
            await context.abort(
                grpc.StatusCode.INTERNAL,
                "A fault in NSML, not in what you did: look for request "
                f"{call.request_id} in logs/{self._service}.log.",
            )

    @contextlib.contextmanager
    def _named(self, method: str, call: Call) -> Iterator[None]:
        with telemetry.serving(method, call.traceparent, call.request_id) as span:
            call.traceparent = span.traceparent
            enter(call)
            yield

    def _admit(self, method: str, call: Call, team: str) -> None:
        """Find out what the caller is today and for whom they act; may they ask this at all?"""
        rule = self._table.get(method, SHUT)
        call.caller, call.need = self._directory.checked(call.caller), rule.need
        authorise(rule, method, call.caller)
        if call.caller.kind != "user" or team in {"", call.caller.name}:
            return
        if team not in dict(call.caller.roles):
            raise NotFound(f"There is no team {team} that you belong to: `nsml teams` shows yours.")
        call.acts_for = team
        if rule.need == Need.MAKE and not call.may(Need.MAKE, call.owner):
            raise NotPermitted(
                f"You see what is {call.owner}'s, and change nothing of it: ask an owner of it."
            )

    def _caller(self, given: dict[str, str]) -> Caller:
        token = given.get("authorization", "").removeprefix("Bearer ")
        return verify(self._secret, token) if token else NOBODY

    def _count(self, caller: Caller, context: Any) -> None:
        """People are limited; so are those who do not say who they are, by where they are."""
        if caller.kind == "user":
            self._throttle.take(caller.name)
        elif caller.kind == "nobody":
            self._throttle.take(f"at {context.peer().rpartition(':')[0]}")

    async def _see(self, given: dict[str, str]) -> None:
        """A client that has written here sees what it wrote."""
        for position in given.get(POSITION, "").split(","):
            service, _, sequence = position.strip().partition("=")
            for known, wait_for in self._wait_for:
                if service == known and sequence.isdigit():
                    await wait_for(int(sequence))


_KEYS = frozenset({"authorization", "x-request-id", "traceparent", POSITION, OWNER})
_ID_MAX = 128


def _ids(given: dict[str, str]) -> tuple[str, str]:
    request_id = given.get("x-request-id", "")[:_ID_MAX] or uuid.uuid4().hex
    return request_id, given.get("traceparent", "")[:_ID_MAX]
