"""The wiring: each address, and what answers there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute, Route

from nsml_core.settings import Settings
from nsml_web.entrance import entrance
from nsml_web.faults import HANDLERS
from nsml_web.guard import Guard
from nsml_web.pages import (
    account,
    actions,
    boards,
    cluster,
    code,
    compare,
    credit,
    datasets,
    entering,
    fork,
    login,
    parallel,
    search,
    session,
    sessions,
    tensorboard,
    usage,
)
from nsml_web.people import account_routes, admin_routes
from nsml_web.rules import described
from nsml_web.settings import WebSettings
from nsml_web.visit import action, door, page
from nsml_web.web import Web

_SESSION = "/sessions/{owner}/{dataset}/{number:int}"
_ASKS = ["GET", "POST"]
"""TensorBoard asks for points by POST, and nothing that it is asked changes anything."""


def build(platform: Settings, settings: WebSettings) -> Starlette:
    """Return the application."""
    web = Web(platform, settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await web.close()

    app = Starlette(
        routes=list(described(_routes(web))),
        middleware=[
            Middleware(Guard, settings=settings),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
        ],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    app.state.web = web
    return app


def _routes(web: Web) -> list[BaseRoute]:
    return [
        Route("/healthz", login.healthy),
        Route("/static/{version}/{name}", web.assets.serve),
        Route("/", page(sessions.first)),
        Route("/login", door(login.show), methods=["GET"]),
        Route("/logout", action(login.leave), methods=["POST"]),
        *_entrances(),
        Route("/search", page(search.found)),
        Route("/account", page(account.show)),
        Route("/sessions", page(sessions.listed)),
        Route("/compare", page(compare.show)),
        Route("/compare/series", page(compare.series)),
        Route("/compare/axes", page(parallel.show)),
        Route("/datasets", page(datasets.listed)),
        Route("/datasets/{name}", page(datasets.show)),
        Route("/datasets/{name}/raw", page(datasets.raw)),
        Route("/boards", page(boards.listed)),
        Route("/boards/{name}", page(boards.show)),
        Route("/boards/{name}/cheer", action(boards.cheer), methods=["POST"]),
        Route("/cluster", page(cluster.show)),
        Route("/credit", page(credit.show)),
        *_session_routes(),
        *account_routes(),
        *admin_routes(),
    ]


def _entrances() -> list[BaseRoute]:
    return [
        Route("/login", entrance(login.enter), methods=["POST"]),
        Route("/login/link", door(login.link), methods=["POST"]),
        Route("/login/password", entrance(entering.by_password), methods=["POST"]),
        Route("/login/provider", entrance(entering.begin), methods=["POST"]),
        Route("/login/provider/wait", entrance(entering.wait, counted=False), methods=["POST"]),
        Route("/invitation", door(entering.invited), methods=["GET"]),
        Route("/invitation", entrance(entering.accept), methods=["POST"]),
    ]


def _session_routes() -> list[BaseRoute]:
    return [
        Route(_SESSION, page(session.show)),
        Route(f"{_SESSION}/live", page(session.live)),
        Route(f"{_SESSION}/series", page(session.series)),
        Route(f"{_SESSION}/usage", page(usage.show)),
        Route(f"{_SESSION}/tensorboard", page(tensorboard.show)),
        Route(f"{_SESSION}/tensorboard/{{path:path}}", page(tensorboard.passed_on), methods=_ASKS),
        Route(f"{_SESSION}/log", page(session.log)),
        Route(f"{_SESSION}/history", page(session.history)),
        Route(f"{_SESSION}/models", page(code.models)),
        Route(f"{_SESSION}/models/zip", page(code.model)),
        Route(f"{_SESSION}/code", page(code.show)),
        Route(f"{_SESSION}/output", page(code.output)),
        Route(f"{_SESSION}/raw", page(code.raw)),
        Route(f"{_SESSION}/family", page(session.family)),
        Route(f"{_SESSION}/fork", page(fork.show), methods=["GET"]),
        Route(f"{_SESSION}/fork", action(fork.fork), methods=["POST"]),
        Route(f"{_SESSION}/submit", page(boards.submitting), methods=["GET"]),
        Route(f"{_SESSION}/submit", action(boards.submit), methods=["POST"]),
        Route(f"{_SESSION}/resume", page(actions.resuming), methods=["GET"]),
        Route(f"{_SESSION}/resume", action(actions.resume), methods=["POST"]),
        Route(f"{_SESSION}/remove", page(actions.removing), methods=["GET"]),
        Route(f"{_SESSION}/remove", action(actions.remove), methods=["POST"]),
        Route(f"{_SESSION}/stop", action(actions.stop), methods=["POST"]),
        Route(f"{_SESSION}/memo", action(actions.memo), methods=["POST"]),
        Route(f"{_SESSION}/terminal", page(actions.terminal), methods=["GET"]),
        Route(f"{_SESSION}/terminal", action(actions.evaluate), methods=["POST"]),
    ]
