"""What is reported on its way to the runner: queued in memory, sent by a background thread."""

from __future__ import annotations

import atexit
import os
import socket
import sys
import threading
from collections import deque
from time import monotonic

from nsml.batch import as_message
from nsml.constants import RUNNER_SOCKET
from nsml.notice import warn
from nsml.wire import connect, encode, exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from nsml.batch import Report

LIMIT_REPORTS = 50_000
LIMIT_VALUES = 500_000
REPORT_VALUES = 1000
BATCH_VALUES = 10_000
BATCH_NAMES_BYTES = 500_000
LIMIT_RECORDS_BYTES = 64 << 20
BATCH_SECONDS = 0.1
SEND_SECONDS = 1.0
RETRY_SECONDS = 1.0
EXIT_SECONDS = 1.0
REQUEST_SECONDS = 10.0
REQUEST_SECONDS_AFTER_SILENCE = 1.0


class Outbox:
    """A bounded queue in front of one connection to the runner.

    Full, it forgets the oldest reports, but never the newest summary of a name.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: socket.socket | None = None
        self.reset()

    def reset(self) -> None:
        """Start clean, as a forked child must: the parent's points and socket are not its own."""
        self._disconnect()
        self._reports: deque[Report] = deque()
        self._values = 0
        self._summaries: dict[str, Report] = {}
        self._records: deque[bytes] = deque()
        self._records_bytes = 0
        self._forgotten = 0
        self._mentioned = 0
        self._buffer = b""
        self._sent = 0
        self._in_buffer = 0
        self._patience = REQUEST_SECONDS
        self._thread: threading.Thread | None = None
        # Re-entrant, because a signal handler may report while report() is being interrupted.
        self._queueing = threading.RLock()
        self._sending = threading.Lock()
        self._closing = threading.Event()

    def put(self, step: float | None, time: float, values: dict[str, float], summary: bool) -> None:  # noqa: FBT001 - named arguments cost the loop time
        """Queue a report; takes a microsecond, whatever the runner does."""
        if len(values) > REPORT_VALUES:
            self._put_in_parts(step, time, values, summary)
            return
        with self._queueing:
            if len(self._reports) >= LIMIT_REPORTS or self._values >= LIMIT_VALUES:
                self._forget_oldest()
            self._reports.append((step, time, values, summary))
            self._values += len(values)
            if self._thread is None:
                self._start()

    def _put_in_parts(
        self,
        step: float | None,
        time: float,
        values: dict[str, float],
        summary: bool,  # noqa: FBT001
    ) -> None:
        """Queue more values than one report holds as several reports."""
        items = list(values.items())
        for first in range(0, len(items), REPORT_VALUES):
            self.put(step, time, dict(items[first : first + REPORT_VALUES]), summary)

    def put_record(self, message: dict[str, Any]) -> None:
        """Queue a message that is no number, such as an image."""
        line = encode(message)
        with self._queueing:
            if self._records_bytes + len(line) > LIMIT_RECORDS_BYTES:
                self._forgotten += 1
                return
            self._records.append(line)
            self._records_bytes += len(line)
            if self._thread is None:
                self._start()

    def request(self, message: dict[str, Any]) -> dict[str, Any]:
        """Send a message after every point put before it, and return the runner's answer."""
        deadline = monotonic() + self._patience
        if not self._sending.acquire(timeout=self._patience):
            raise socket.timeout("the runner does not answer")
        try:
            self._send_points(deadline)
            connection = self._connected(deadline)
            connection.settimeout(_left(deadline))
            answer = exchange(connection, message)
        except socket.timeout:
            # A runner that hangs costs training one long wait, not one for each checkpoint.
            self._patience = REQUEST_SECONDS_AFTER_SILENCE
            self._disconnect()
            raise
        except (OSError, ValueError):
            self._disconnect()
            raise
        finally:
            self._sending.release()
        self._patience = REQUEST_SECONDS
        return answer

    def flush(self, seconds: float) -> bool:
        """Send what waits, for at most so many seconds; tell whether all of it went."""
        deadline = monotonic() + seconds
        if not self._sending.acquire(timeout=seconds):
            return False
        try:
            self._send_points(deadline)
        except socket.timeout:
            return False
        except OSError:
            self._disconnect()
            return False
        finally:
            self._sending.release()
        return True

    def close(self) -> None:
        """Send what waits before the interpreter ends, and say so if that cannot be done."""
        self._closing.set()
        if self.flush(EXIT_SECONDS):
            self._disconnect()
        with self._queueing:
            self._forgotten += len(self._reports) + len(self._records)
            self._forgotten += self._in_buffer if self._sent < len(self._buffer) else 0
            self._reports.clear()
            self._records.clear()
        self._mention_forgotten()
        if self._forgotten > self._mentioned:
            warn(f"{self._forgotten} reports were dropped in all.")

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="nsml-report", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # No thread can be had, as at interpreter exit: what waits goes with the final flush.
            return
        util: Any = sys.modules.get("multiprocessing.util")
        if util is not None:
            # Forked workers of multiprocessing end without running atexit.
            util.Finalize(None, self.flush, args=(EXIT_SECONDS,), exitpriority=0)

    def _run(self) -> None:
        # Looking now and then is calmer than being woken: an Event may not be set in a signal
        # handler that interrupts another set.
        while not self._closing.wait(BATCH_SECONDS):
            if self.flush(SEND_SECONDS):
                self._mention_forgotten()
            else:
                self._closing.wait(RETRY_SECONDS)

    def _forget_oldest(self) -> None:
        oldest = self._reports.popleft()
        self._values -= len(oldest[2])
        self._forgotten += 1
        if oldest[3]:
            self._summaries.update(dict.fromkeys(oldest[2], oldest))

    def _take(self) -> list[Report]:
        """Take reports off the queue, as many as one message holds."""
        with self._queueing:
            taken = list({id(report): report for report in self._summaries.values()}.values())
            self._summaries.clear()
            self._forgotten -= len(taken)
            values = names = 0
            while self._reports and values < BATCH_VALUES and names < BATCH_NAMES_BYTES:
                report = self._reports.popleft()
                if not taken or taken[-1][2].keys() != report[2].keys():
                    names += sum(map(len, report[2]))
                values += len(report[2])
                taken.append(report)
            self._values -= values
            return taken

    def _next_message(self) -> bytes:
        taken = self._take()
        if taken:
            self._in_buffer = len(taken)
            return encode(as_message(taken))
        with self._queueing:
            if not self._records:
                return b""
            self._in_buffer = 1
            self._records_bytes -= len(self._records[0])
            return self._records.popleft()

    def _send_points(self, deadline: float) -> None:
        while True:
            if self._sent == len(self._buffer):
                self._buffer, self._sent = self._next_message(), 0
            if not self._buffer:
                return
            connection = self._connected(deadline)
            connection.settimeout(_left(deadline))
            self._sent += connection.send(memoryview(self._buffer)[self._sent :])

    def _connected(self, deadline: float) -> socket.socket:
        if self._connection is None:
            self._connection = connect(self._path, _left(deadline))
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
            # A line that was cut in two is sent again whole; whole lines are not sent twice.
            self._buffer = self._buffer[self._buffer.rfind(b"\n", 0, self._sent) + 1 :]
            self._sent = 0

    def _mention_forgotten(self) -> None:
        if self._forgotten and not self._mentioned:
            self._mentioned = self._forgotten
            warn(
                "the platform did not take all reports in time, so the oldest were dropped"
                f" ({self._forgotten} until now); training itself is not affected.",
            )


def _left(deadline: float) -> float:
    # Zero would mean "do not block", which is not what an expired deadline should look like.
    return max(deadline - monotonic(), 0.001)


OUTBOX = Outbox(RUNNER_SOCKET)
atexit.register(OUTBOX.close)
os.register_at_fork(after_in_child=OUTBOX.reset)
