"""Makes standard input the controlling terminal, and becomes the program that is named then.

Run by its path, in a session of its own; it imports nothing but what that takes.
"""

import fcntl
import os
import signal
import sys
import termios

NOT_FOUND = 127
NOT_STARTED = 126

# Ignored where a platform was started in the background, or by Python itself; a terminal's
# programs heed them.
_HEEDED = (
    signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGHUP,
    signal.SIGPIPE, signal.SIGXFSZ,
)  # fmt: skip


def main() -> None:
    for number in _HEEDED:
        signal.signal(number, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - there is no shell to be had from it
    except OSError as error:
        sys.stderr.write(f"{sys.argv[1]}: {error.strerror}\n")
        sys.exit(NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_STARTED)


if __name__ == "__main__":
    main()
