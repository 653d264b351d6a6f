"""The log itself: nothing lost, nothing altered, nothing decided twice, and all that follows it."""

from collections.abc import Iterator

from nsml_core.entry import digest
from tests.faults.history import History, Violation


def no_gaps(history: History) -> Iterator[Violation]:
    """Sequences count up from 1 by one: a log that lost an entry in the middle has a gap."""
    for expected, entry in enumerate(history.entries, 1):
        if entry.sequence != expected:
            what = f"entry {expected} should be here: the log has lost it, or turned it round"
            yield Violation("no-gaps", entry.subject, what, entry.sequence)
            return


def chains_whole(history: History) -> Iterator[Violation]:
    """Each entry names the hash of the one before it on its subject."""
    last: dict[str, bytes] = {}
    for entry in history.entries:
        if entry.entry.previous != last.get(entry.subject, b""):
            what = "it does not follow the entry before it on its subject"
            yield Violation("chain", entry.subject, what, entry.sequence)
        last[entry.subject] = digest(entry.record.data)


def decided_once(history: History) -> Iterator[Violation]:
    """One decision is one entry: its id is there once."""
    seen: dict[str, int] = {}
    for entry in history.entries:
        if entry.entry.id in seen:
            what = f"its decision was appended before, as entry {seen[entry.entry.id]}"
            yield Violation("decided-once", entry.subject, what, entry.sequence)
        seen[entry.entry.id] = entry.sequence


def archive_is_the_log(history: History) -> Iterator[Violation]:
    """The archive holds a copy of every entry, byte for byte, and nothing else."""
    if history.archive is None:
        return
    copies = {copy.sequence: copy for copy in history.archive}
    for entry in history.entries:
        copy = copies.pop(entry.sequence, None)
        if copy is None:
            yield Violation("archive", entry.subject, "it has no copy", entry.sequence)
        elif (copy.subject, copy.data) != (entry.subject, entry.record.data):
            yield Violation("archive", entry.subject, "its copy is another", entry.sequence)
    for copy in copies.values():
        yield Violation("archive", copy.subject, "the log has no such entry", copy.sequence)


def views_are_the_fold(history: History) -> Iterator[Violation]:
    """Every table of every view is what the log folds to."""
    for table in history.tables:
        if not table.equal:
            where = f"{table.service}.{table.name}"
            yield Violation("views", where, "folded anew from the log it is another")


def verification_finds_nothing(history: History) -> Iterator[Violation]:
    """The platform's own walk over chains and copies agrees."""
    for found in history.findings:
        yield Violation("verify", "log", found)
