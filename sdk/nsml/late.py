"""What few scripts call is loaded when it is called: that keeps `import nsml` short."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from nsml import visdom


def cache(
    preprocess_fn: Callable[..., Any],
    *,
    output_path: list[str] | str | None = None,
    **given: Any,
) -> None:
    """Call preprocess_fn(output_path=[...], **given) once; from then on, fetch what it wrote.

    "Once" is for each dataset, function (by its name and text), names of outputs, and plain
    arguments: numbers, strings, and lists of them. Other arguments are not looked at. Outputs are
    files or folders; they are kept for later sessions of the same owner, and off the platform in
    ./.nsml/cache. What the function raises is raised; what cannot be kept is made again.
    """
    from nsml.caching import made_or_fetched

    made_or_fetched(preprocess_fn, output_path, given)


def Visdom(*arguments: object, **given: Any) -> visdom.Visdom:  # noqa: N802 - a class to scripts
    """Return a client of Visdom whose lines are metrics, and whose images and texts are kept."""
    from nsml import visdom

    return visdom.Visdom(*arguments, **given)
