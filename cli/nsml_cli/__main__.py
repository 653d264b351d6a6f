"""The edge of the command line: what a command raises becomes one sentence and an exit code."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from nsml_cli import app, output
from nsml_cli.exits import ExitCode, exit_code
from nsml_client.errors import Rejected
from nsml_core.errors import Error, Invalid

_COMPLETION = "_NSML_COMPLETE"


def main() -> None:
    """Run one command and end the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what a terminal's alphabet lacks is escaped
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    with suppress(OSError):  # told by run() already, and some Pythons would tell it again
        sys.stdout.flush()
        sys.stderr.flush()
    # Without the interpreter's own ending: taking all modules apart again costs a tenth
    # of `nsml ps`, and nothing is left to be done, since what a command opens it closes.
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run one command; return its exit code."""
    try:
        code = _called(arguments)
        sys.stdout.flush()
    except (KeyboardInterrupt, Exception) as error:  # noqa: BLE001 - the edge of the process
        return _told(error, arguments)
    return code


def _told(error: BaseException, arguments: list[str]) -> int:
    """Say in one sentence what went wrong; return the exit code that goes with it."""
    code: int = ExitCode.REFUSED
    match error:
        case Rejected():
            output.fail(error.sentence, "Rejected")
        case Error():
            output.fail(error.sentence)
            code = exit_code(error)
        case click.ClickException():
            code = _misused(error)
        case KeyboardInterrupt() | click.Abort() | EOFError():
            output.note("\nInterrupted.")
            code = ExitCode.INTERRUPTED
        case BrokenPipeError():  # such as `nsml ps | head -1`: the reader has what it wanted
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = ExitCode.OUTPUT_CLOSED
        case OSError():  # the disk is full, a folder may not be written to
            what = f" ({error.filename})" if error.filename else ""
            output.fail(f"{error.strerror or error}{what}: nothing more was done.")
        case _:
            code = _report_bug(error, arguments)
    return code


def _called(arguments: list[str]) -> int:
    if not all(map(_is_text, arguments)):
        raise Invalid("What you typed is not UTF-8: type it again, or rename what it names.")
    if _COMPLETION in os.environ:  # the shell asks what could be typed here
        app.nsml.main(arguments, prog_name="nsml")
    with _traced(arguments):
        try:
            with app.nsml.make_context("nsml", arguments) as context:
                app.nsml.invoke(context)
        except click.exceptions.Exit as done:
            return int(done.exit_code)
    return ExitCode.OK


def _is_text(argument: str) -> bool:
    """Tell whether this can be sent: Python smuggles bytes that are no text as surrogates."""
    return not any("\ud800" <= letter <= "\udfff" for letter in argument)


@contextmanager
def _traced(arguments: list[str]) -> Iterator[None]:
    """Let the command be the root of a trace, if anybody collects traces."""
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    if not endpoint:
        yield
        return
    from nsml_core import telemetry

    telemetry.setup("cli", endpoint, brief=True)
    word = next((word for word in arguments if word in app.ENTRIES), "help")
    try:
        with telemetry.span(f"nsml {word}", os.environ.get("TRACEPARENT", "")) as span:
            os.environ["TRACEPARENT"] = span.traceparent
            yield
    finally:
        telemetry.close()


def _misused(error: click.ClickException) -> int:
    """Say what was typed wrong; a noun alone, such as `nsml dataset`, asks for its help."""
    context = getattr(error, "ctx", None)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.message)
        return ExitCode.OK
    message = error.format_message()
    stop = "" if message.endswith((".", "?")) else "."
    hint = f" Try `{context.command_path} --help`." if context else ""
    output.fail(f"{message}{stop}{hint}")
    return ExitCode.USAGE


def _report_bug(error: BaseException, arguments: list[str]) -> int:
    """Keep the details for whoever mends it; say one sentence."""
    from nsml_cli.bugs import write_report

    where = write_report(error, arguments)
    output.fail(f"This is a bug in nsml ({type(error).__name__}: {error}); details are in {where}.")
    return ExitCode.BUG


if __name__ == "__main__":
    main()
