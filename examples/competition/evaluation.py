"""Say which part of the digits was recognised: the last line is the score."""

import argparse
from pathlib import Path


def main() -> None:
    """Compare two files of one label a line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--prediction", type=Path, required=True)
    parser.add_argument("--test_label_path", type=Path, required=True)
    config = parser.parse_args()
    told = config.prediction.read_text().split()
    truth = config.test_label_path.read_text().split()
    if len(told) != len(truth):
        raise SystemExit(f"{len(told)} labels for {len(truth)} digits")
    print(sum(a == b for a, b in zip(told, truth, strict=True)) / len(truth))


if __name__ == "__main__":
    main()
