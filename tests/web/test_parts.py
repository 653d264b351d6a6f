"""The web's parts by themselves: what is shown, what is drawn, who gets in."""

import asyncio
from pathlib import Path

import pytest

from nsml_client.place import Place
from nsml_core import settings as core
from nsml_core.errors import Invalid
from nsml_protos.session_pb2 import LogPiece, LogsRequest, Series, Spec
from nsml_web import curves, settings, trees
from nsml_web.assets import Assets
from nsml_web.links import Links, local
from nsml_web.output import shown
from nsml_web.pages.compare import arguments
from nsml_web.recent import Recent


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        (b"plain\n", "plain"),
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07text", "text"),
        (b"\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\u202eturned".encode(), "\\u202eturned"),
        (b"bell\x07", "bell\\x07"),
        (b"\xff", "\ufffd"),
        (b"<script>", "<script>"),  # the page escapes it, or puts it in as text
    ],
)
def test_what_is_printed_is_shown_as_text(printed: bytes, text: str) -> None:
    assert shown(printed) == text


def test_a_long_line_is_cut_and_says_so() -> None:
    assert shown(b"x" * 20_000).endswith(" … (3,616 characters more)")


def test_a_bucket_is_drawn_with_its_peaks() -> None:
    series = Series(
        name="loss",
        steps=[9, 10],
        times_us=[1, 2],
        values=[5, 6],
        mins=[1, 6],
        maxs=[8, 6],
        firsts=[2, 6],
        first_steps=[0, 10],
        counts=[10, 1],
    )

    assert curves.rows([series]) == [{"name": "loss", "x": [0, 3, 6, 9, 10], "y": [2, 1, 8, 5, 6]}]


def test_of_the_past_only_what_was_reported_by_then_is_drawn() -> None:
    series = Series(name="loss", steps=[1, 2, 3], times_us=[10, 20, 30], values=[3, 2, 1])

    assert curves.rows([series], until_us=20)[0]["x"] == [1, 2]


def test_a_folder_is_listed_folders_first() -> None:
    sizes = [("b.txt", 3), ("a/x", 1), ("a/y/z", 2), ("c", 4)]

    assert [(line.name, line.bytes) for line in trees.level(sizes, "")] == [
        ("a", 3),
        ("b.txt", 3),
        ("c", 4),
    ]
    assert [line.path for line in trees.level(sizes, "a")] == ["a/y", "a/x"]


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--lr", "0.1"], {"--lr": "0.1"}),
        (["--lr=0.1"], {"--lr": "0.1"}),
        (["--offset", "-3"], {"--offset": "-3"}),
        (["--fast", "--lr", "1e-3"], {"--fast": "✓", "--lr": "1e-3"}),
        (["train", "--fast"], {"--fast": "✓", "Arguments": "train"}),
        ([], {}),
    ],
)
def test_arguments_are_compared_by_name(args: list[str], named: dict[str, str]) -> None:
    assert arguments(Spec(args=args)) == named


def test_a_link_works_once() -> None:
    links = Links()
    code = links.make("token", "/datasets")

    assert links.take(code) == ("token", "/datasets")
    assert links.take(code) is None
    assert links.take("guessed") is None


def test_a_link_grows_old() -> None:
    now = [0.0]
    links = Links(clock=lambda: now[0])
    code = links.make("token", "/")
    now[0] = 601

    assert links.take(code) is None


@pytest.mark.parametrize(
    "to", ["//evil", "https://evil", "/\\evil", "/\t/evil", "/a\\b", "javascript:alert(1)", ""]
)
def test_a_link_leads_nowhere_else(to: str) -> None:
    assert local(to) == "/"


def test_who_comes_back_goes_on_where_it_was() -> None:
    pieces = [LogPiece(time_us=time, data=data) for time, data in [(1, b"a"), (2, b"b"), (2, b"c")]]
    first = Place(0)
    first.request(LogsRequest())
    assert [first.passes(piece) for piece in pieces[:2]] == [True, True]

    second = Place.read(first.mark)

    assert second.request(LogsRequest()).since_us == 2
    assert [second.passes(piece) for piece in pieces[1:]] == [False, True]
    assert Place.read("hostile").request(LogsRequest()).since_us == 0


def test_uplot_is_what_its_authors_published() -> None:
    assert Assets().address("uplot.js").endswith("/uplot.js")


def platform(**environ: str) -> core.Settings:
    return core.read({"NSML_HOME": "/nowhere", **environ})


def test_beyond_this_machine_it_needs_a_certificate(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="TLS only"):
        settings.read(platform(NSML_WEB_ADDRESS="0.0.0.0:8080"), {})

    files = {"NSML_TLS_CERT": str(tmp_path / "c"), "NSML_TLS_KEY": str(tmp_path / "k")}
    found = settings.read(platform(NSML_WEB_ADDRESS="box.example:8443", **files), {})

    assert found.is_secure
    assert found.hosts == {"box.example:8443"}


def test_behind_a_proxy_it_answers_to_the_proxys_name() -> None:
    environ = {"NSML_WEB_ORIGIN": "https://nsml.example.org/"}
    found = settings.read(platform(NSML_WEB_ADDRESS="127.0.0.1:8080"), environ)

    assert "nsml.example.org" in found.hosts
    assert found.is_secure


async def test_many_who_ask_at_once_are_answered_by_one_question() -> None:
    now, asked = [0.0], []

    async def ask() -> int:
        await asyncio.sleep(0)
        asked.append(now[0])
        return len(asked)

    recent = Recent(clock=lambda: now[0])
    leaving = asyncio.create_task(recent.get("key", 1, ask))
    await asyncio.sleep(0)
    leaving.cancel()

    assert await asyncio.gather(*(recent.get("key", 1, ask) for _ in range(9))) == [1] * 9
    assert await recent.get("another", 1, ask) == 2
    now[0] = 1
    assert await recent.get("key", 1, ask) == 3
