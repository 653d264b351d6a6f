"""The one place where whatever the script's own code raises is caught."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable


def attempt(
    function: Callable[..., Any], *arguments: Any, **given: Any
) -> tuple[Any, Exception | None]:
    """Call a function; return what it returns and None, or None and what it raised."""
    try:
        return function(*arguments, **given), None
    except Exception as problem:  # noqa: BLE001 - it is handed on
        return None, problem


def described(problem: Exception) -> str:
    """Say in one line what was raised, and in which line of the script's own code."""
    text = " ".join(str(problem).split())[:300]
    kind = type(problem).__name__
    return f"{kind}: {text}{_place(problem)}" if text else f"{kind}{_place(problem)}"


def _place(problem: Exception) -> str:
    import os

    ours = os.path.dirname(__file__)
    trace = problem.__traceback__
    while trace is not None and os.path.dirname(trace.tb_frame.f_code.co_filename) == ours:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f" ({os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno})"
