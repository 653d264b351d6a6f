"""Visdom(): what scripts draw with Visdom becomes metrics, images, texts and tables."""

from __future__ import annotations

from nsml.attempt import attempt, described
from nsml.constants import IS_ON_NSML, RUNNER_SOCKET
from nsml.metrics import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    Options = dict[str, Any] | None

IMAGES_MAX = 64
"""So many of one call are kept."""


class Visdom:
    """A client of Visdom without a server: each window is a name, each line a series below it.

    Nothing that is drawn can end training: what is not understood is left out, which is said once.
    Off the platform it takes everything and does nothing.
    """

    def __init__(self, *_: object, env: str = "main", **__: object) -> None:
        self.env = env
        self._titles: dict[str, str] = {}
        self._calls: dict[str, int] = {}
        self._lines: dict[str, dict[float, float]] = {}

    def line(
        self,
        Y: Any,
        X: Any = None,
        win: str | None = None,
        env: str | None = None,
        opts: Options = None,
        update: str | None = None,
        name: str | None = None,
    ) -> str:
        """Report the lines: Y is a number, N numbers or N×M of M lines; X is their step."""
        win = self._window(win, opts)
        if update != "remove":
            title = self._title(win, env)
            self._draw(self._report, title, Y, X, (name, opts), update)
        return win

    def image(
        self, img: Any, win: str | None = None, env: str | None = None, opts: Options = None
    ) -> str:
        return self.images([img], win=win, env=env, opts=opts)

    def images(
        self,
        tensor: Any,
        nrow: int = 8,
        padding: int = 2,
        win: str | None = None,
        env: str | None = None,
        opts: Options = None,
    ) -> str:
        """Keep each image; the calls for one window are its steps."""
        win = self._window(win, opts)
        self._draw(self._images, self._title(win, env), tensor, (opts or {}).get("caption"))
        return win

    def matplot(
        self, plot: Any, opts: Options = None, env: str | None = None, win: str | None = None
    ) -> str:
        """Keep a figure of matplotlib, or what pyplot draws now, as an image."""
        win = self._window(win, opts)
        self._draw(self._figure, self._title(win, env), plot)
        return win

    def text(
        self,
        text: str,
        win: str | None = None,
        env: str | None = None,
        opts: Options = None,
        append: bool = False,
    ) -> str:
        win = self._window(win, opts)
        self._draw(self._text, self._title(win, env), text)
        return win

    def scatter(
        self,
        X: Any,
        Y: Any = None,
        win: str | None = None,
        env: str | None = None,
        opts: Options = None,
        update: str | None = None,
        name: str | None = None,
    ) -> str:
        """Keep the points as a table, with the number or name of their group behind each."""
        win = self._window(win, opts)
        self._draw(self._points, self._title(win, env), X, Y, name)
        return win

    def bar(
        self,
        X: Any,
        Y: Any = None,
        win: str | None = None,
        env: str | None = None,
        opts: Options = None,
    ) -> str:
        """Keep the bars as a table, a row each."""
        win = self._window(win, opts)
        self._draw(self._bars, self._title(win, env), X, Y, opts or {})
        return win

    def histogram(
        self, X: Any, win: str | None = None, env: str | None = None, opts: Options = None
    ) -> str:
        win = self._window(win, opts)
        self._draw(self._spread, self._title(win, env), X)
        return win

    def close(self, win: str | None = None, env: str | None = None) -> None:
        """Forget a window; what it showed stays in the session's history."""
        self._titles.pop(win or "", None)

    def check_connection(self, timeout_seconds: float = 0) -> bool:
        return IS_ON_NSML

    def win_exists(self, win: str, env: str | None = None) -> bool:
        return win in self._titles

    def save(self, envs: list[str]) -> list[str]:
        """Everything is kept as it comes."""
        return envs

    def update_window_opts(self, win: str, opts: Options, env: str | None = None) -> str:
        return self._window(win, opts)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)

        def left_out(*_: object, win: str | None = None, **__: object) -> str:
            if RUNNER_SOCKET:
                _warn(name, f"Visdom.{name} is not kept here")
            return win or ""

        return left_out

    def _window(self, win: str | None, opts: Options) -> str:
        win = win or f"window_{len(self._titles) + 1}"
        given = (opts or {}).get("title")
        self._titles[win] = str(given or self._titles.get(win, win))
        return win

    def _title(self, win: str, env: str | None) -> str:
        env = env or self.env
        return self._titles[win] if env == "main" else f"{env}/{self._titles[win]}"

    def _draw(self, how: Callable[..., None], *what: Any) -> None:
        if not RUNNER_SOCKET:
            return
        _, problem = attempt(how, *what)
        if problem is not None:
            kind = type(problem).__name__
            _warn(kind, f"something drawn with Visdom is left out: {described(problem)}")

    def _step(self, title: str, count: int = 1) -> int:
        """Return how many there were of a title, and count those that come."""
        before = self._calls.get(title, 0)
        self._calls[title] = before + count
        return before

    def _report(
        self, title: str, ys: Any, xs: Any, named: tuple[Any, Any], update: str | None
    ) -> None:
        rows = _matrix(ys)
        series = _series(title, len(rows[0]) if rows else 0, *named)
        first = self._step(title, len(rows)) if update == "append" else 0
        steps = _matrix(range(first, first + len(rows)) if xs is None else xs)
        for step, row in zip(steps, rows):
            for at, (name, y) in enumerate(zip(series, row)):
                x = step[at if at < len(step) else 0]
                if update == "append" or self._is_new(name, x, y):
                    report(step=x, **{name: y})

    def _is_new(self, name: str, x: float, y: float) -> bool:
        """A line that is drawn anew with each epoch mostly has the points that it had."""
        line = self._lines.setdefault(name, {})
        known = line.get(x)
        line[x] = y
        return known != y

    def _images(self, title: str, images: Any, caption: str | None) -> None:
        from nsml.records import image, text

        step = self._step(title)
        kept = list(images)[:IMAGES_MAX]
        for number, each in enumerate(kept):
            name = title if len(kept) == 1 else f"{title}/{number}"
            image(name, _bytes_of_colour(each), step=step)
        if caption:
            text(f"{title}/caption", caption, step=step)

    def _figure(self, title: str, plot: Any) -> None:
        import io

        from nsml.records import image

        written = io.BytesIO()
        plot.savefig(written, format="png")
        image(title, written.getvalue(), step=self._step(title))

    def _text(self, title: str, text: str) -> None:
        from nsml.records import text as record

        record(title, text, step=self._step(title))

    def _points(self, title: str, points: Any, of: Any, name: str | None) -> None:
        from nsml.records import table

        groups = [name] if of is None else [each[0] for each in _matrix(of)]
        rows = [
            [*point, groups[at if at < len(groups) else 0]]
            for at, point in enumerate(_matrix(points))
        ]
        table(title, rows, [*"xyz"[: len(rows[0]) - 1], "group"], step=self._step(title))

    def _bars(self, title: str, heights: Any, at_x: Any, opts: dict[str, Any]) -> None:
        from nsml.records import table

        bars = _matrix(heights)
        names = opts.get("rownames") or [each[0] for each in _matrix([] if at_x is None else at_x)]
        rows = [[names[at] if at < len(names) else at, *bar] for at, bar in enumerate(bars)]
        columns = _series("value", len(bars[0]), None, opts)
        table(title, rows, ["bar", *columns], step=self._step(title))

    def _spread(self, title: str, values: Any) -> None:
        from nsml.records import histogram

        histogram(title, values, step=self._step(title))


def _series(title: str, count: int, name: Any, opts: Options) -> list[str]:
    """Name the lines of a window: one alone has the window's title."""
    legend = (opts or {}).get("legend") or ([name] if name else [])
    if not legend and count <= 1:
        return [title]
    return [f"{title}/{legend[at] if at < len(legend) else at + 1}" for at in range(count)]


def _matrix(value: Any) -> list[list[Any]]:
    """Return numbers as rows: a number is one row of one, N numbers are N rows of one."""
    plain = _plain(value)
    rows = plain if isinstance(plain, list) else [plain]
    return [row if isinstance(row, list) else [row] for row in rows]


def _plain(value: Any) -> Any:
    """Return arrays and tensors as lists."""
    if hasattr(value, "detach"):
        value = value.detach()
    if hasattr(value, "tolist"):
        return value.tolist()
    return [_plain(each) for each in value] if isinstance(value, (list, tuple, range)) else value


def _bytes_of_colour(image: Any) -> Any:
    """Visdom takes floats from 0 to 255 too; it tells them by their largest."""
    for step in ("detach", "cpu", "numpy"):
        if callable(getattr(image, step, None)):
            image = getattr(image, step)()
    if getattr(getattr(image, "dtype", None), "kind", "") == "f" and image.max() > 1:
        return image.clip(0, 255).astype("uint8")
    return image


def _warn(kind: str, sentence: str) -> None:
    from nsml.notice import warn_once

    warn_once(f"visdom {kind}", f"{sentence}; this is said once.")
