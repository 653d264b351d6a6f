"""Server-sent events, as browsers read them."""

import msgspec


def event(name: str, data: object, mark: str = "") -> bytes:
    """Return an event as browsers read it; who comes back says which mark it has seen last."""
    head = f"id: {mark}\n" if mark else ""
    return f"{head}event: {name}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"
