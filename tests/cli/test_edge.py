"""The edge of the process: bugs, closed pipes, full disks, wrong words, tables on a terminal."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from nsml_cli import output, text
from nsml_cli.commands import whoami
from nsml_cli.output import Column
from nsml_protos import identity_pb2, session_pb2
from tests.cli.conftest import Peer, Result

Run = Callable[..., Result]
NSML = [sys.executable, "-m", "nsml_cli"]


def test_a_bug_is_one_sentence_and_a_file(
    peer: Peer, nsml: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def buggy() -> None:
        raise ZeroDivisionError("by \x1b[2J zero")

    (peer.home / "logs").mkdir()
    monkeypatch.setattr(whoami, "open_client", buggy)

    result = nsml("whoami")

    assert result.code == 70
    assert result.out == ""
    assert result.err.count("\n") == 1
    found = re.search(
        r"ZeroDivisionError: by \\x1b\[2J zero\); details are in (\S+)\.\n", result.err
    )
    assert found
    assert "Traceback" in Path(found[1]).read_text()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["lgos"], "There is no command 'lgos'. Did you mean 'logs'?"),
        (["qqqq"], "There is no command 'qqqq'. Try `nsml --help`."),
        (["ps", "--al"], "--al"),
        (["--nope"], "--nope"),
        (["dataset", "nope"], "nope"),
        (["logs"], "Missing argument 'SESSION...'"),
        (["memo", "mnist/1"], "Missing argument 'TEXT'"),
        (["version", "extra"], "unexpected extra argument"),
    ],
)
def test_wrong_words(nsml: Run, words: list[str], sentence: str) -> None:
    result = nsml(*words)

    assert (result.code, result.out) == (2, "")
    assert sentence in result.err
    assert result.err.count("\n") == 1


def test_help_and_version(nsml: Run) -> None:
    assert nsml().out == nsml("--help").out == nsml("-h").out
    assert "First steps" in nsml().out
    assert nsml("version").out == nsml("--version").out
    assert "_NSML_COMPLETE=bash_complete" in nsml("completion", "bash").out


def test_every_command_has_a_help(nsml: Run) -> None:
    names = re.findall(r"^  ([a-z]+)  ", nsml().out, re.MULTILINE)

    assert {"up", "run", "dataset", "ps", "model"} <= set(names)
    for name in names:
        if name != "nsml":
            assert nsml(name, "--help").out.startswith(f"Usage: nsml {name} ")


def test_a_reader_that_leaves(peer: Peer) -> None:
    memo = "m" * 200_000
    rows = [session_pb2.SessionRow(session=session_pb2.Session(memo=memo))] * 3
    peer.answer("Sessions/List", session_pb2.ListSessionsReply(sessions=rows))
    running = subprocess.Popen(
        [*NSML, "ps"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ
    )
    assert running.stdout
    assert running.stderr
    running.stdout.read(10)
    running.stdout.close()

    assert (running.wait(), running.stderr.read()) == (141, b"")
    running.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full disk to offer")
def test_a_full_disk(peer: Peer) -> None:
    peer.answer("Identity/WhoAmI", identity_pb2.User(name="ann"))
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*NSML, "whoami"], stdout=full, stderr=subprocess.PIPE, env=os.environ, check=False
        )

    assert (done.returncode, done.stderr) == (
        1,
        b"Error: No space left on device: nothing more was done.\n",
    )


def test_on_a_terminal_there_are_colours_and_relative_times(peer: Peer) -> None:
    row = session_pb2.SessionRow(
        session=session_pb2.Session(name="ann/mnist/1", status=session_pb2.RUNNING)
    )
    row.session.created.seconds = 1_000_000_000
    peer.answer("Sessions/List", session_pb2.ListSessionsReply(sessions=[row]))

    coloured = on_terminal("ps", TERM="xterm")
    plain = on_terminal("ps", TERM="xterm", NO_COLOR="1")

    assert "\x1b[32mRunning\x1b[0m" in coloured
    assert " years ago  " in coloured
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[0-9]*m", "", coloured) == plain


def on_terminal(*words: str, **environ: str) -> str:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*NSML, *words], stdout=theirs, env={**os.environ, "COLUMNS": "120", **environ}
    ) as running:
        os.close(theirs)
        seen = b""
        try:
            while piece := os.read(ours, 1 << 16):
                seen += piece
        except OSError:  # how Linux says that the other end was closed
            pass
        os.close(ours)
    assert running.returncode == 0
    return seen.decode().replace("\r\n", "\n")


def test_prose_is_cut_and_names_are_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    columns = [Column("Name"), Column("Memo", may_cut=True), Column("Size", right=True)]

    output.table(columns, [["n" * 20, "한글 " * 20, "1 B"], ["n", "short", "10 B"]], "")

    lines = capsys.readouterr().out.splitlines()
    assert [text.cell_width(line) for line in lines] == [40, 40, 40]
    assert lines[1].startswith("n" * 20 + "  한글 한글 …")
    assert lines[2].startswith("n" + " " * 21 + "short")


def test_where_it_is_narrow_empty_prose_goes_first_and_then_the_last_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda: True)
    columns = [Column("Name"), Column("Memo", may_cut=True), Column("Size"), Column("Type")]
    shown = []
    for width in ("40", "28", "20", "5"):
        monkeypatch.setenv("COLUMNS", width)
        output.table(columns, [["n" * 10, "", "1.00 GB", "normal"]], "")
        shown.append(capsys.readouterr().out.splitlines()[0].split())

    assert shown == [
        ["Name", "Memo", "Size", "Type"],
        ["Name", "Size", "Type"],
        ["Name", "Size"],
        ["Name"],
    ]


def test_a_table_of_nothing_is_a_sentence_for_people(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output.table([Column("Name")], [], "There is none yet.")
    assert capsys.readouterr() == ("Name\n", "")

    monkeypatch.setattr(output, "is_terminal", lambda: True)
    output.table([Column("Name")], [], "There is none yet.")
    assert capsys.readouterr() == ("", "There is none yet.\n")
