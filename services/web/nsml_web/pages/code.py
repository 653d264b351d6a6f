"""What a session left, and what it ran: models, output, code."""

from starlette.responses import Response

from nsml_client import models as checkpoints
from nsml_core.errors import NotFound
from nsml_web.pages import files
from nsml_web.pages.session import get
from nsml_web.visit import Visit


async def models(visit: Visit) -> Response:
    """List a session's models."""
    one = await get(visit)
    return visit.page("models.html", one=one.info, tab="models", models=one.checkpoints[::-1])


async def model(visit: Visit) -> Response:
    """Answer with a model as a zip."""
    one = await get(visit)
    point = checkpoints.find(one.info, visit.query("name"))
    return await files.zipped(visit, point.tree, f"{one.name.replace('/', '_')}_{point.name}")


async def show(visit: Visit) -> Response:
    """Show the code that a session ran."""
    one = await get(visit)
    found = await files.listing(visit, one.info.spec.code_tree)
    return visit.page("code.html", one=one.info, tab="code", which="code", **found)


async def output(visit: Visit) -> Response:
    """Show what a session wrote to its output folder."""
    one = await get(visit)
    found = await files.listing(visit, one.info.outcome.output_tree)
    return visit.page("code.html", one=one.info, tab="output", which="output", **found)


async def raw(visit: Visit) -> Response:
    """Answer with one file of a session's code, output or model."""
    one = await get(visit)
    trees = {"code": one.info.spec.code_tree, "output": one.info.outcome.output_tree}
    tree = trees.get(visit.query("of"))
    if not tree:
        raise NotFound(f"Session {one.name} has no such files.")
    return await files.raw(visit, tree)
