"""`import nni` off the platform: a trial runs on its defaults, and says its results."""

from tests.sdk.conftest import SDK, Script

SHIMS = f"{SDK}:{SDK / 'nsml' / 'shims'}"


def test_a_trial_on_a_laptop(laptop: Script) -> None:
    ended = laptop.run(
        """
        import nni

        assert nni.get_current_parameter() is None
        assert nni.get_next_parameter() == nni.get_current_parameter() == {}
        print(nni.get_experiment_id(), nni.get_trial_id(), nni.get_sequence_id())
        nni.report_intermediate_result(0.5)
        nni.report_intermediate_result({"default": 0.75})
        nni.report_final_result(1)
        """,
        PYTHONPATH=SHIMS,
    )

    assert ended.stdout.splitlines() == [
        "STANDALONE STANDALONE 0",
        "Intermediate result: 0.5  (Index 0)",
        "Intermediate result: {'default': 0.75}  (Index 1)",
        "Final result: 1",
    ]
    assert ended.stderr == (
        "nsml: this trial has no parameters: `nsml run --params` gives it some.\n"
    )


def test_parameters_are_merged_into_what_there_is(laptop: Script) -> None:
    ended = laptop.run(
        """
        from argparse import Namespace
        from nni.utils import merge_parameter

        base = Namespace(lr=0.1, name=None)
        assert merge_parameter(base, {"lr": 0.5, "name": "x"}) is base
        print(base, merge_parameter({"a": 1}, {"a": 2}), merge_parameter({"a": 1}, None))
        for wrong in ({"other": 1}, {"lr": "0.1"}):
            try:
                merge_parameter(base, wrong)
            except (TypeError, ValueError) as error:
                print(type(error).__name__, error)
        """,
        PYTHONPATH=SHIMS,
    )

    assert ended.stdout.splitlines() == [
        "Namespace(lr=0.5, name='x') {'a': 2} {'a': 1}",
        "ValueError there is no 'other' among the base parameters",
        "TypeError 'lr' is a float among the base parameters, but '0.1' is a str",
    ]


def test_what_is_not_there_is_named(laptop: Script) -> None:
    ended = laptop.run("import nni; nni.choice", PYTHONPATH=SHIMS)

    assert ended.stderr.endswith(
        "NSML's own nni has no 'choice': put nni into requirements.txt to have the real one\n"
    )
    ended = laptop.run("import nni; nni.report_final_result({'acc': 1})", PYTHONPATH=SHIMS)
    assert "a result that is a dict needs a 'default'" in ended.stderr
