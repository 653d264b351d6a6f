"""Prints where the shims lie: `PYTHONPATH=$(python -m nsml.shims) python main.py` on a laptop."""

import os

if __name__ == "__main__":
    print(os.path.dirname(os.path.abspath(__file__)))
