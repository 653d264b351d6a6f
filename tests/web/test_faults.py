"""What the web answers where it has gone wrong itself: a page of ours, in the person's language."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nsml_core.settings import read
from tests.web.inside import Answer, Inside, serving


def breaks(_: Request) -> Response:
    raise ZeroDivisionError("what nobody foresaw")


async def broken(home: Path, **headers: str) -> Answer:
    """Ask for a page that breaks."""
    app = serving(read({"NSML_HOME": str(home)}))
    app.router.routes.insert(0, Route("/broken", breaks))
    served = app.build_middleware_stack()

    async def logged(scope: Any, receive: Any, send: Any) -> None:
        with suppress(ZeroDivisionError):  # which uvicorn writes to the log
            await served(scope, receive, send)

    app.middleware_stack = logged
    answer = await Inside(app).ask("GET", "/broken", headers=headers)
    await app.state.web.close()
    return answer


async def test_what_nobody_foresaw_is_a_page_that_says_what_to_do(tmp_path: Path) -> None:
    answer = await broken(tmp_path)

    assert answer.status == 500
    assert "the log says why: try again, or tell an admin." in answer.text
    assert "what nobody foresaw" not in answer.text
    assert "script-src 'self'" in answer.headers["content-security-policy"]


async def test_who_asks_for_data_is_told_in_their_language(tmp_path: Path) -> None:
    answer = await broken(tmp_path, accept="application/json", **{"accept-language": "ko"})

    assert answer.status == 500
    assert "관리자에게 알리세요" in json.loads(answer.text)["error"]
