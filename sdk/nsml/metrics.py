"""report(): numbers on their way from the training loop to the platform."""

from __future__ import annotations

from time import time

from nsml.constants import RUNNER_SOCKET
from nsml.terminal import TERMINAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

_put: Callable[[float | None, float, dict[str, float], bool], None] | None = None


def report(
    summary: bool = False,  # noqa: FBT001, FBT002 - scripts write report(False, ...)
    scope: object = None,
    *,
    step: Any = None,
    **values: Any,
) -> None:
    """Report numbers, e.g. `report(summary=True, step=epoch, train__loss=loss)`.

    `step` is the x axis, `__` in a name becomes `/`, and summary=True also shows the numbers in
    `nsml ps` and `nsml model ls`. Values are int, float, bool or numpy scalars; NaN and infinities
    are kept. A tensor that holds one number is converted, and a warning says once what that costs.

    It never waits for the platform: numbers are queued (at least the newest 50,000 reports or
    500,000 values are kept, and the newest summary) and sent in the background, the rest at exit
    within about a second. Off the platform it only checks what it is given.

    What `nsml eval` asks is evaluated here, in `scope`: scripts pass locals().
    """
    for value in values.values():
        if type(value) is not float:
            values = {name: float(number(name, value)) for name, value in values.items()}
            break
    if step is not None and type(step) is not int:
        step = number("step", step)
    if values and RUNNER_SOCKET:
        (_put or _open())(step, time(), values, bool(summary))
    if scope is not None:
        TERMINAL.remember(scope)
    if TERMINAL.waiting:
        TERMINAL.answer()


def _open() -> Callable[[float | None, float, dict[str, float], bool], None]:
    """Load what queues and sends only when something is reported: it costs start-up time."""
    global _put  # noqa: PLW0603 - a lookup at each report would cost as much as the rest
    from nsml.outbox import OUTBOX

    _put = OUTBOX.put
    return _put


def number(name: str, value: Any) -> int | float:
    """Return a plain number; numpy's scalars count as numbers, and so does a tensor of one."""
    if type(value) in (int, float):
        return value  # type: ignore[no-any-return]
    import numbers

    # numpy registers its scalar types as numbers, all but its bool.
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    kind = type(value)
    if kind.__module__ == "numpy" and value.ndim == 0 and value.dtype.kind in "biuf":
        return value.item()  # type: ignore[no-any-return]
    return _of_tensor(name, value)


def _of_tensor(name: str, value: Any) -> int | float:
    """Return the one number that a tensor holds."""
    if _size(value) == 1:
        held = value.item() if hasattr(value, "item") else value.numpy().item()
        if isinstance(held, (int, float)):
            from nsml.notice import warn_once

            warn_once(
                "tensor",
                f"{name} is a tensor: reading its number may wait for the device. Pass"
                f" {name}.item() where that is cheap; this is said once.",
            )
            return held
    kind = type(value)
    hint = f": pass {name}.item()" if hasattr(value, "item") else ""
    raise TypeError(
        f"report() takes plain numbers, but {name} is a {kind.__module__}.{kind.__name__}{hint}"
    )


def _size(value: Any) -> Any:
    """Return how many elements a tensor of PyTorch, JAX, TensorFlow or numpy has."""
    counted = getattr(value, "numel", None)
    if callable(counted):
        return counted()
    shape = getattr(value, "shape", None)
    if shape is None or not (hasattr(value, "item") or hasattr(value, "numpy")):
        return None
    size = 1
    for each in shape:
        size *= each
    return size
