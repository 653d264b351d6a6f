"""Verify a store while its service is down: `python -m nsml_core.blobs BLOBS_URL [--mend]`."""

import argparse
import sys
from pathlib import Path

from nsml_core.blobs.store import Store
from nsml_core.errors import Error


def main() -> int:
    """Print what is damaged; the status is 0 for a store that is whole, or was mended."""
    arguments = _arguments()
    store = Store(arguments.url, arguments.state)
    damaged = 0
    try:
        for damage in store.verify():
            damaged += 1
            print(damage)
            if arguments.mend:
                store.set_aside(damage)
        packs, size = store.totals()
    finally:
        store.close()
    print(f"{packs} packs, {size} bytes; {damaged} were damaged")
    return int(damaged > 0 and not arguments.mend)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m nsml_core.blobs", description=__doc__)
    parser.add_argument("url", metavar="BLOBS_URL", help="file:///path/to/blobs, or s3://…")
    parser.add_argument("--state", type=Path, help="the index's folder, for a store elsewhere")
    parser.add_argument(
        "--mend", action="store_true", help="move damage away, so that it can be pushed again"
    )
    return parser.parse_args()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Error as error:
        sys.exit(f"Error: {error.sentence}")
