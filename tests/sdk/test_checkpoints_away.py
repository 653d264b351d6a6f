"""save() and load() while the runner refuses, hangs or is gone, or the disk is full."""

import re

from tests.sdk.conftest import CHECKPOINT_CALLBACKS, Runner, Script


def script(body: str) -> str:
    """Write a script that has bound callbacks."""
    return CHECKPOINT_CALLBACKS + body


def test_a_refused_checkpoint_is_kept_and_training_goes_on(session: Script, runner: Runner) -> None:
    ended = session.run(script('weights = "w"; nsml.save("refused"); nsml.save(2)'))

    assert ended.returncode == 0
    [sentence] = ended.stderr.splitlines()
    kept = re.fullmatch(
        r"nsml: checkpoint refused is not stored: The disk is full; it is kept in (/.*)\.",
        sentence,
    )
    assert kept
    assert [each.name for each in runner.checkpoints.iterdir()] == ["2"]


def test_a_killed_runner_costs_one_sentence_and_no_checkpoint(
    session: Script, runner: Runner
) -> None:
    process = session.start(
        script("""
weights = "w"; nsml.save(1)
print("saved", flush=True)
input()
nsml.save(2); nsml.save(3)
print("trained", len(os.listdir(os.environ["NSML_CHECKPOINT_DIR"])))
""")
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "saved\n"
    runner.kill()

    out, err = process.communicate("\n")
    assert (process.returncode, out) == (0, "trained 2\n")
    [sentence] = err.splitlines()
    assert sentence.startswith("nsml: checkpoint 2 could not be handed over")


def test_a_runner_that_hangs_costs_one_sentence_and_no_checkpoint(
    session: Script, runner: Runner
) -> None:
    runner.hang()

    ended = session.run(
        script("""
from nsml.outbox import OUTBOX
OUTBOX._patience = 0.1  # or else this test would take ten seconds
weights = "w"; nsml.save(1); nsml.save(2)
print(len(os.listdir(os.environ["NSML_CHECKPOINT_DIR"])))
""")
    )

    assert (ended.returncode, ended.stdout) == (0, "2\n")
    assert ended.stderr.count("nsml: checkpoint 1 could not be handed over") == 1
    assert ended.stderr.count("\n") == 1


def test_loading_from_a_killed_runner_is_an_error(session: Script, runner: Runner) -> None:
    runner.kill()

    ended = session.run(script("nsml.load(1)"))

    assert ended.stderr.endswith(
        "ConnectionError: checkpoint 1 cannot be loaded: the runner does not answer\n"
    )


def test_a_full_or_read_only_disk_does_not_end_training(session: Script) -> None:
    ended = session.run(
        script('weights = "w"; nsml.save(1); nsml.save(2)'), NSML_CHECKPOINT_DIR="/proc/nsml"
    )

    assert ended.returncode == 0
    [sentence] = ended.stderr.splitlines()
    assert sentence.startswith("nsml: checkpoint 1 is not saved: ")
