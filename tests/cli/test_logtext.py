"""What sessions print, on its way to a terminal and into a pipe."""

from nsml_cli.logtext import Passage


def through(*pieces: bytes) -> str:
    passage = Passage(to_terminal=True)
    shown = b"".join(passage.pass_on(piece) for piece in pieces) + passage.finish()
    return shown.decode().removesuffix("\x1b[0m")


def test_into_a_pipe_go_the_very_bytes() -> None:
    passage = Passage(to_terminal=False)
    data = b"\x1b]0;title\x07\xff\x00\x1b["

    assert passage.pass_on(data) + passage.finish() == data


def test_colours_and_progress_bars_pass() -> None:
    bar = "\x1b[32m 50%\x1b[0m\r100%\n\tdone\b!"

    assert through(bar.encode()) == bar


def test_what_steers_the_terminal_is_shown() -> None:
    assert through(b"\x1b]0;owned\x07") == r"\x1b]0;owned\x07"
    assert through(b"\x1b[2J\x1b[H") == r"\x1b[2J\x1b[H"
    assert through(b"\x1b[6n") == r"\x1b[6n"
    assert through("\x9b2J".encode()) == r"\x9b2J"
    assert through("\u202egnp.exe".encode()) == r"\u202egnp.exe"


def test_a_sequence_may_be_cut_anywhere() -> None:
    whole = "\x1b[1;31mrot\x1b[0m 한글 \x1b]2;x\x07".encode()

    for at in range(len(whole)):
        assert through(whole[:at], whole[at:]) == through(whole)
    assert through(*(bytes([byte]) for byte in whole)) == through(whole)


def test_a_sequence_that_never_ends_is_not_kept_for_ever() -> None:
    passage = Passage(to_terminal=True)

    assert passage.pass_on(b"\x1b[" + b"1;" * 1_000).decode().startswith(r"\x1b[1;1;")


def test_binary_output() -> None:
    assert through(b"\xff\xfe\x00") == "\ufffd\ufffd\\x00"


def test_an_unfinished_end_is_shown() -> None:
    assert through(b"end \x1b[3") == r"end \x1b[3"
