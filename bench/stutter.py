"""Whether a page stutters: how long its scripts hold the browser up, as the browser counts it."""

from collections.abc import Callable

from playwright.sync_api import Page

_COUNT = """
window.longTasks = [];
new PerformanceObserver((list) => {
  for (const one of list.getEntries()) window.longTasks.push(one.duration);
}).observe({ type: "longtask", buffered: true });
"""
_MOVES = 40
_PAUSE_MS = 25
_REST_MS = 500


def watch(page: Page) -> None:
    """Count long tasks, those over 50 ms, on each page that is opened from now on."""
    page.add_init_script(_COUNT)


def longest(page: Page, *acts: Callable[[Page], None]) -> float:
    """Return the longest task, in ms, while somebody does this; 0 if none was over 50 ms."""
    page.wait_for_timeout(_REST_MS)
    page.evaluate("window.longTasks.length = 0")
    for act in acts:
        act(page)
    page.wait_for_timeout(_REST_MS)
    return float(page.evaluate("Math.max(0, ...window.longTasks)"))


def loading(page: Page) -> float:
    """Return the longest task of the page since it was opened."""
    return float(page.evaluate("Math.max(0, ...window.longTasks)"))


def scrolls(page: Page) -> None:
    """Scroll down, and up again."""
    for way in (120, -120):
        for _ in range(_MOVES):
            page.mouse.wheel(0, way)
            page.wait_for_timeout(_PAUSE_MS)


def points(page: Page) -> None:
    """Move the mouse along a chart, which tells the values under it."""
    x, y, width, height = _chart(page)
    for move in range(_MOVES):
        page.mouse.move(x + width * move / _MOVES, y + height / 2)
        page.wait_for_timeout(_PAUSE_MS)


def zooms(page: Page) -> None:
    """Choose a tenth of a chart, which is asked for in more detail, and go back."""
    x, y, width, height = _chart(page)
    with page.expect_response(lambda reply: "/series" in reply.url):
        page.mouse.move(x + width * 0.4, y + height / 2)
        page.mouse.down()
        page.mouse.move(x + width * 0.5, y + height / 2, steps=5)
        page.mouse.up()
    page.mouse.dblclick(x + width / 2, y + height / 2)


def _chart(page: Page) -> tuple[float, float, float, float]:
    over = page.locator("[data-charts] .u-over").first
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    if not box:
        raise RuntimeError("no chart is drawn")
    return box["x"], box["y"], box["width"], box["height"]
