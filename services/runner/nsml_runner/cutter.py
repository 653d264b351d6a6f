"""Cuts what makes a log useless: lines of megabytes, and binary output. A mark says how much."""

import re

LINE_BYTES = 64 << 10
"""So much of a line is in the log; `\\r` begins a new one, as it does on a terminal."""

_TEXT = re.compile("[^\0-\x08\x0b-\x1a\x1c-\x1f\x7f\ufffd]+\r?\n")
_ENDS = (b"\n", b"\r")


class Cutter:
    """One stream of output; remembers where in a line it stands."""

    def __init__(self, hint: str) -> None:
        self._hint = hint
        self._length = 0
        self._left_out = 0
        self._is_binary = False
        self._is_tainted = False  # the line that we are in is none of text
        self._held = b""
        self.has_cut = False

    def cut(self, data: bytes) -> bytes:
        """Return what of this goes into the log."""
        if self._is_harmless(data):
            self._length = self._after(data)
            return data
        return b"".join([self._cut(part) for part in data.splitlines(keepends=True)])

    def finish(self) -> bytes:
        """Return what is to be said of the last line."""
        held, self._held = self._held, b""
        is_text = bool(held) and _is_text(held + b"\n")
        self._left_out += 0 if is_text else len(held)
        if not self._left_out:
            return b""
        return self._mark() + b"\n" + (held if is_text else b"")

    def _is_harmless(self, data: bytes) -> bool:
        """Tell in a few looks at the whole, so that floods of text cost nothing."""
        if self._left_out or self._is_binary or b"\0" in data:
            return False
        begin, length = 0, self._length
        while (limit := begin + LINE_BYTES - length) < len(data):
            end = _last_end(data, begin, limit)
            if end < 0:
                return False
            begin, length = end + 1, 0
        return True

    def _after(self, data: bytes) -> int:
        """Return how long the line is by now."""
        end = _last_end(data, 0, len(data))
        return len(data) - end - 1 if end >= 0 else self._length + len(data)

    def _cut(self, part: bytes) -> bytes:
        """Cut a line, or a part of one."""
        before, self._length = self._length, self._after(part)
        if self._is_binary:
            return self._cut_binary(part)
        kept = part[: max(0, LINE_BYTES - before)]
        if b"\0" in part:
            kept = kept.partition(b"\0")[0]
            self._is_binary, self._is_tainted = True, not part.endswith(_ENDS)
        self._left_out += len(part) - len(kept)
        if not self._left_out or self._is_binary or not part.endswith(_ENDS):
            return kept
        self._left_out -= 1  # the line's end is there
        return kept + self._mark() + part[-1:]

    def _cut_binary(self, part: bytes) -> bytes:
        """Binary output ends where a whole line is text; until it is whole, it is held."""
        ended = part.endswith(_ENDS)
        line, self._held = self._held + part, b""
        if not self._is_tainted and not ended and len(line) <= LINE_BYTES:
            self._held = line
            return b""
        if ended and not self._is_tainted and _is_text(line):
            return self._mark() + b"\n" + line
        self._left_out += len(line)
        self._is_tainted = not ended
        return b""

    def _mark(self) -> bytes:
        what = "of binary output" if self._is_binary else "more of this line"
        mark = f"… [{self._left_out} bytes {what}: {self._hint}]"
        self._left_out, self._is_binary, self.has_cut = 0, False, True
        return mark.encode()


def _last_end(data: bytes, begin: int, end: int) -> int:
    return max(data.rfind(b"\n", begin, end), data.rfind(b"\r", begin, end))


def _is_text(line: bytes) -> bool:
    return _TEXT.fullmatch(line.decode(errors="replace")) is not None
