"""The main job on one machine, with the real commands, while you watch: `make quickstart`."""

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
EXAMPLE = HERE / "digits"
BIN = Path(sys.executable).parent


def main() -> int:
    """Push data, run, watch, pull the model, and use it."""
    with tempfile.TemporaryDirectory(prefix="nsml-quickstart-") as folder:
        try:
            do_the_job(Path(folder))
        except subprocess.CalledProcessError as error:
            print(f"\nThis step failed with exit code {error.returncode}.", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nStopped watching; what was started goes on: `nsml ps` shows it.")
            return 130
    say("That was the main job. NSML is still up; some next steps:")
    print(f"  export PATH={shlex.quote(str(BIN))}:$PATH     so that `nsml` is found")
    print("  nsml ps -a                 every session")
    print("  nsml show digits/1         everything known about one")
    print("  nsml down                  stop the platform; what it holds is kept")
    return 0


def do_the_job(folder: Path) -> None:
    """Walk the way of a newcomer."""
    data = folder / "digits"
    say("1. Start the platform on this machine")
    nsml("up")
    say("2. Push a dataset: 1,797 handwritten digits (UCI), one file each")
    python("write_data.py", str(data))
    nsml("dataset", "push", "digits", str(data))
    say("3. Run a training script on it, and watch")
    print("   (the first run builds its environment; the next ones start at once)")
    nsml("run", "-d", "digits", "-e", "main.py", "-a", "--lr 0.01 --epochs 20", "-f")
    say("4. See what it left")
    session = newest_session()
    nsml("ps", "-a", "-n", "5")
    nsml("model", "ls", session)
    say("5. Pull the model, and use it")
    nsml("model", "pull", session, "20", str(folder))
    python("predict.py", str(folder / session.replace("/", "_") / "20"), str(data))


def say(text: str) -> None:
    """Print a heading."""
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}{text}{plain}", flush=True)


def nsml(*words: str) -> None:
    """Run one command of NSML, in the example's folder, as a person would type it."""
    print(f"$ nsml {shlex.join(words)}", flush=True)
    subprocess.run([BIN / "nsml", *words], cwd=EXAMPLE, check=True)


def newest_session() -> str:
    """Return the name of the session that was started last."""
    listed = subprocess.run(
        [BIN / "nsml", "ps", "-a", "-q", "-n", "1", "-d", "digits"],
        check=True,
        capture_output=True,
        text=True,
    )
    return listed.stdout.strip()


def python(script: str, *words: str) -> None:
    """Run a script of the example with the environment that this one runs in."""
    print(f"$ python {script} {shlex.join(words)}", flush=True)
    environ = {**os.environ, "PYTHONPATH": str(EXAMPLE)}
    subprocess.run([sys.executable, EXAMPLE / script, *words], check=True, env=environ)


if __name__ == "__main__":
    sys.exit(main())
