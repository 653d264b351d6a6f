"""The history checker: from what is known of a run to every promise that was not kept."""

from collections.abc import Callable, Iterator, Sequence

from tests.faults import rules_commands, rules_ledger, rules_log, rules_sessions, rules_told
from tests.faults.history import History, Violation

Rule = Callable[[History], Iterator[Violation]]

RULES: Sequence[Rule] = (
    rules_log.no_gaps,
    rules_log.chains_whole,
    rules_log.decided_once,
    rules_log.archive_is_the_log,
    rules_log.views_are_the_fold,
    rules_log.verification_finds_nothing,
    rules_commands.acknowledged_are_there_once,
    rules_sessions.lives_are_possible,
    rules_sessions.devices_held_once,
    rules_sessions.only_the_current_attempt_speaks,
    rules_sessions.all_have_ended,
    rules_ledger.postings_balance,
    rules_ledger.holds_are_closed_once,
    rules_ledger.charges_are_the_intervals,
    rules_ledger.audit_finds_nothing,
    rules_told.lines_there_once,
    rules_told.points_there_once,
    rules_told.checkpoints_there,
)
"""Every rule looks at the whole history by itself; add one here, and a history it convicts."""


def check(history: History) -> list[Violation]:
    """Return every promise that was not kept; none is what a run has to show.

    Pure: the same history always gives the same answer.
    """
    return [violation for rule in RULES for violation in rule(history)]
