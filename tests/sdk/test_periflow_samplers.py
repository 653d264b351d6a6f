"""Samplers of PeriFlow: a run that was broken off goes on with the samples that it had not seen."""

import os

from tests.sdk.conftest import SDK, Script

PATH = os.pathsep.join([str(SDK), str(SDK / "nsml/shims")])


def test_samplers_go_on_where_a_run_was_broken_off(laptop: Script) -> None:
    script = """import periflow_sdk as pf

from periflow_sdk.dataloading.sampler import ResumableRandomSampler, ResumableSequentialSampler

whole = list(ResumableSequentialSampler(10, 0, 4))
assert whole == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]], whole
begun = ResumableSequentialSampler(10, 4, 4)
assert list(begun) == whole[1:] and list(begun) == whole
ranks = [list(ResumableSequentialSampler(10, 0, 4, True, rank, 2)) for rank in (0, 1)]
assert ranks == [[[0, 1], [4, 5]], [[2, 3], [6, 7]]], ranks

mixed = ResumableRandomSampler(8, 0, 4, seed=3)
first, second = list(mixed), list(mixed)
assert first != second and sorted(sum(first, [])) == sorted(sum(second, [])) == list(range(8))
assert list(ResumableRandomSampler(8, 3, 4, seed=3)) == second[1:]
parts = [list(ResumableRandomSampler(8, 0, 4, False, 3, rank, 2)) for rank in (0, 1)]
assert [a + b for a, b in zip(*parts)] == first
for wrong in ((10, 0, 3, False, 0, 2), (11, 0, 4, False, 0, 2)):
    try:
        ResumableSequentialSampler(*wrong)
    except pf.PeriFlowError as error:
        print(error)
"""

    assert len(laptop.run(script, PYTHONPATH=PATH).stdout.splitlines()) == 2
