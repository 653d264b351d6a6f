"""The web: how soon pages and curves are there, and how late lines come to many who follow."""

import asyncio
import http.client
import json
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from playwright.sync_api import Page, sync_playwright

from bench import lives, million, peer_web, stutter
from bench.figures import Figure, Goal, Row, median, quantile
from bench.home import Platform, code, stopped
from bench.runner import Line, line

SERIES = 50
POINTS = 100_000
_LONG_POINTS = 1_000_000
_EVENTS = 250_000
"""Of some 20,000 sessions, of which half are in the list."""

_FOLLOWERS = 200
_FRAMES = 100
_FRAME_LINES = 20
_PAUSE_SECONDS = 0.1
_TIMES = 5
_KEPT = 200
IN_VIEW = 4
"""Charts of a window of 1280 × 720; what is below is drawn when somebody scrolls there."""

_SMOOTH = Goal("≤", 100)
"""Of a task in ms: what people take for at once."""

Raw = dict[str, list[float]]


def measure() -> Row:
    settings = {"NSML_USER": lives.USER}
    source = "import time\ntime.sleep(3600)\n"
    with stopped(cpus=1, settings=settings) as platform, code(source) as folder:
        million.fill(platform, _EVENTS)
        platform.up()
        for _ in range(4):  # the first has the processor, and the others wait
            platform.nsml("run", folder=folder)
        log, curves, long = platform.nsml("ps", "-q").split()[:3]
        asyncio.run(report(platform, curves, SERIES, POINTS))
        asyncio.run(report(platform, long, 1, _LONG_POINTS))
        raw: Raw = {}
        with browser() as page:
            at = Visit.of(platform)
            page.goto(platform.nsml("open", "-p").strip())
            raw["sessions"] = [float(at.sessions())]
            raw["list"] = [at.first_byte("/sessions") for _ in range(_TIMES)]
            raw["page 100"] = [at.first_byte("/sessions?page=100") for _ in range(_TIMES)]
            raw["page"] = [at.first_byte(f"/sessions/{curves}") for _ in range(_TIMES)]
            raw["drawn"] = [drawn(page, f"{at.origin}/sessions/{curves}") for _ in range(_TIMES)]
            raw["told"] = [at.whole(f"/sessions/{curves}/series") for _ in range(_TIMES)]
            raw |= _stutters(page, at.origin, curves, long)
        raw |= asyncio.run(_followed(platform, at, log))
    loaded, raw["tensorboard"] = peer_web.measure(SERIES, POINTS, _TIMES)
    raw["tensorboard loaded"] = [loaded]
    return Row(_figures(raw), {name: each[:: 1 + len(each) // _KEPT] for name, each in raw.items()})


def _figures(raw: Raw) -> Sequence[Figure]:
    lines = _FRAMES * _FRAME_LINES
    return [
        Figure("sessions in the list", raw["sessions"][0], "", Goal("≥", 10_000)),
        Figure("… first byte of its first page", median(raw["list"]), "s", Goal("≤", 0.3)),
        Figure("… of its hundredth page", median(raw["page 100"]), "s", Goal("≤", 0.5)),
        Figure("50 series × 100,000: first byte", median(raw["page"]), "s", Goal("≤", 0.3)),
        Figure("… the charts in view drawn", median(raw["drawn"]), "s", Goal("≤", 3)),
        Figure("… all told as numbers", median(raw["told"]), "s"),
        Figure("… by TensorBoard, once it has read them", median(raw["tensorboard"]), "s"),
        Figure("… which takes it", raw["tensorboard loaded"][0], "s"),
        Figure("… so much sooner than TensorBoard", _ratio(raw), "times", Goal("≥", 1)),
        *_held_up(raw),
        Figure(f"{_FOLLOWERS} followers: lines missed", raw["missed"][0], "", Goal("=", 0)),
        Figure("… a line printed to seen, median", median(raw["late"]), "s", Goal("≤", 0.5)),
        Figure("… p99", quantile(raw["late"], 0.99), "s", Goal("≤", 2)),
        Figure("… lines printed", lines, "lines"),
        Figure("… the web's processor time for them", raw["spent"][0], "s"),
    ]


def _held_up(raw: Raw) -> Sequence[Figure]:
    """Return the longest task while somebody uses a page; browsers count those over 50 ms."""
    return [
        Figure("list scrolled: longest task", median(raw["list held up"]), "ms", _SMOOTH),
        Figure("50 charts drawn: longest task", raw["curves held up drawing"][0], "ms"),
        Figure("… pointed at, zoomed, scrolled", median(raw["curves held up"]), "ms", _SMOOTH),
        Figure("10⁶ points drawn: longest task", raw["long held up drawing"][0], "ms"),
        Figure("… pointed at, zoomed, scrolled", median(raw["long held up"]), "ms", _SMOOTH),
    ]


def _ratio(raw: Raw) -> float:
    return median(raw["tensorboard"]) / median(raw["told"])


@dataclass(frozen=True)
class Visit:
    """A browser that has logged in, as far as requests go."""

    origin: str
    cookie: str

    @classmethod
    def of(cls, platform: Platform) -> "Visit":
        """Log in by a link."""
        link = urlsplit(platform.nsml("open", "-p").strip())
        connection = http.client.HTTPConnection(link.netloc)
        connection.request("GET", f"{link.path}?{link.query}")
        cookie = connection.getresponse().headers["set-cookie"].partition(";")[0]
        return cls(f"http://{link.netloc}", cookie)

    def sessions(self) -> int:
        """Return how many sessions are in the list."""
        connection = http.client.HTTPConnection(urlsplit(self.origin).netloc)
        connection.request("GET", "/sessions", headers={"cookie": self.cookie})
        found = re.search(rb'class="count">([0-9,]+)', connection.getresponse().read())
        connection.close()
        return int(found[1].replace(b",", b"")) if found else 0

    def whole(self, path: str) -> float:
        """Return how long an answer takes to its last byte."""
        return self.first_byte(path, whole=True)

    def first_byte(self, path: str, *, whole: bool = False) -> float:
        """Return how long the first byte of an answer takes, in a connection of its own."""
        connection = http.client.HTTPConnection(urlsplit(self.origin).netloc)
        start = time.perf_counter()
        connection.request("GET", path, headers={"cookie": self.cookie, "accept": "text/html"})
        answer = connection.getresponse()
        taken = time.perf_counter() - start  # the last of its headers
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{path} was answered with {answer.status}")
        answer.read()
        connection.close()
        return time.perf_counter() - start if whole else taken


@contextmanager
def browser() -> Iterator[Page]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        yield started.new_page()
        started.close()


def _stutters(page: Page, origin: str, curves: str, long: str) -> Raw:
    """Return the longest task of a page in ms, while somebody scrolls, points and zooms."""
    stutter.watch(page)
    found: Raw = {}
    page.goto(f"{origin}/sessions?page=100")
    found["list held up"] = [stutter.longest(page, stutter.scrolls) for _ in range(_TIMES)]
    for name, of in (("curves", curves), ("long", long)):
        drawn(page, f"{origin}/sessions/{of}", IN_VIEW if of == curves else 1)
        found[f"{name} held up drawing"] = [stutter.loading(page)]
        acts = (stutter.points, stutter.zooms, stutter.scrolls)
        found[f"{name} held up"] = [stutter.longest(page, *acts) for _ in range(_TIMES)]
    return found


def drawn(page: Page, address: str, charts: int = IN_VIEW) -> float:
    """Return when the charts in view have been drawn, from the start of the navigation."""
    page.goto(address)
    page.locator("[data-charts] canvas").nth(charts - 1).wait_for(timeout=120_000)
    return float(page.evaluate("performance.now()")) / 1000


async def report(platform: Platform, name: str, count: int, points: int) -> None:
    """Tell a session's points, and end it."""
    async with line(platform, name) as runner:
        for first in range(0, count, 10):
            series = [f"series{number}" for number in range(first, min(first + 10, count))]
            await runner.tell(runner.frames(series, points))
        await runner.end()


async def _followed(platform: Platform, at: Visit, name: str) -> Raw:
    """Have many follow a log while it is told, and return how late each line came."""
    web = _web(platform)
    async with line(platform, name) as runner, asyncio.TaskGroup() as followers:
        ready = asyncio.Semaphore(0)
        told = [followers.create_task(_follow(at, name, ready)) for _ in range(_FOLLOWERS)]
        await _say(runner, [b"begin\n"])
        for _ in range(_FOLLOWERS):
            await ready.acquire()
        before = _processor_seconds(web)
        for _ in range(_FRAMES):
            await _say(runner, [b"%d\n" % time.time_ns() for _ in range(_FRAME_LINES)])
            await asyncio.sleep(_PAUSE_SECONDS)
        await runner.end()
        late = await asyncio.gather(*told)
        spent = _processor_seconds(web) - before
    missed = sum(_FRAMES * _FRAME_LINES - len(each) for each in late)
    return {
        "late": [seconds for each in late for seconds in each],
        "missed": [float(missed)],
        "spent": [spent],
    }


async def _say(runner: Line, lines: Sequence[bytes]) -> None:
    await runner.tell([runner.said(lines)])


async def _follow(at: Visit, name: str, ready: asyncio.Semaphore) -> list[float]:
    """Read a session's events to their end."""
    where = urlsplit(at.origin)
    reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=1 << 24)
    request = f"GET /sessions/{name}/live HTTP/1.1\r\nhost: {where.netloc}\r\n"
    writer.write(f"{request}cookie: {at.cookie}\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.readline()
    if b" 200 " not in answer:
        raise RuntimeError(f"The web does not tell of {name}: {answer.decode().strip()}")
    late, is_log = [], False
    async for text in reader:
        if text.startswith(b"event: "):
            is_log = text == b"event: log\n"
            if text == b"event: end\n":
                break
        elif is_log and text.startswith(b"data: "):
            now = time.time_ns()
            rows = [row[3] for row in json.loads(text[6:])]
            late += [(now - int(row)) / 1e9 for row in rows if row.isdecimal()]
            if "begin" in rows:
                ready.release()
    writer.close()
    return late


def _web(platform: Platform) -> int:
    parts = json.loads(platform.nsml("status", "--json"))["parts"]
    return next(int(part["pid"]) for part in parts if part["name"] == "web")


def _processor_seconds(process: int) -> float:
    with open(f"/proc/{process}/stat", encoding="ascii") as file:  # noqa: PTH123 - a file of Linux
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
