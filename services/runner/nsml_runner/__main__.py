"""Runs one attempt alone: `python -m nsml_runner --ticket FILE`."""

import argparse
import sys
from pathlib import Path

from nsml_core.errors import Invalid
from nsml_runner.process import run
from nsml_runner.ticket import Ticket


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m nsml_runner", description=__doc__)
    parser.add_argument("--ticket", type=Path, required=True, help="the start request, as JSON")
    try:
        ticket = Ticket.parse(parser.parse_args().ticket.read_bytes())
    except (Invalid, OSError) as error:
        sys.stderr.write(f"The ticket cannot be used: {error}\n")
        return 2
    return run(ticket)


if __name__ == "__main__":
    sys.exit(main())
