"""A session's code runs, and what it did is told as it was."""

import json

from nsml_protos import session_pb2
from nsml_runner.cutter import LINE_BYTES
from tests.runner.conftest import Platform

SHOW_ENVIRONMENT = """
import json, os, sys
print(json.dumps({"env": dict(os.environ), "args": sys.argv[1:], "cwd": os.getcwd()}))
"""


async def test_output_and_exit_code_are_told(platform: Platform) -> None:
    told = await platform.run("import sys; print('hello'); print('no', file=sys.stderr)")

    assert told.output() == b"hello\n"
    assert told.output(session_pb2.STDERR) == b"no\n"
    assert told.outcome == session_pb2.Outcome(exit_code=0)
    assert told.end is not None
    assert not told.end.stopped
    assert len(told.started) == 1


async def test_user_code_sees_its_session_and_no_secret(platform: Platform) -> None:
    resources = session_pb2.Resources(gpus=2, cpus=1, memory_bytes=8 << 30)
    told = await platform.run(
        SHOW_ENVIRONMENT,
        args=["--lr", "0.1"],
        env={"COLOUR": "blue", "NSML_SESSION": "somebody/else/1"},
        resources=resources,
        devices=["0", "3"],
        seed=7,
    )
    seen = json.loads(told.output())
    name = told.assignment.session.name

    assert seen["args"] == ["--lr", "0.1"]
    assert seen["cwd"] == str(platform.work(name) / "code")
    expected = {
        "COLOUR": "blue",
        "NSML_SESSION": name,
        "NSML_ATTEMPT": "1",
        "NSML_GPU_NUM": "2",
        "NSML_CPU_NUM": "1",
        "NSML_MEMORY": str(8 << 30),
        "NSML_SEED": "7",
        "CUDA_VISIBLE_DEVICES": "0,3",
        "OMP_NUM_THREADS": "1",
        "NSML_DATASETS": "{}",
        "NSML_DATASET_PATH": "",
    }
    assert expected.items() <= seen["env"].items()
    token = platform.token(name, 1)
    assert not [value for value in seen["env"].values() if token in value]
    assert "NSML_HOME" not in seen["env"]


async def test_user_code_does_not_see_the_platforms_packages(platform: Platform) -> None:
    told = await platform.run("import grpc")

    assert told.outcome.exit_code == 1
    assert told.outcome.message == "ModuleNotFoundError: No module named 'grpc'"


async def test_the_last_word_of_a_traceback_is_the_message(platform: Platform) -> None:
    told = await platform.run(
        "import atexit, nsml.notice\n"
        "atexit.register(nsml.notice.warn, 'a word of the SDK comes after it')\n"
        "raise ValueError('the learning rate is negative')"
    )

    assert told.outcome.exit_code == 1
    assert told.outcome.message == "ValueError: the learning rate is negative"


async def test_an_exit_code_without_a_word_is_named(platform: Platform) -> None:
    told = await platform.run("import os; os._exit(3)")

    assert told.outcome == session_pb2.Outcome(exit_code=3, message="ended with exit code 3")


async def test_a_killed_process_is_told_by_its_signal(platform: Platform) -> None:
    told = await platform.run("import os; os.kill(os.getpid(), 9)")

    assert told.outcome == session_pb2.Outcome(signal=9, message="killed by signal 9 (SIGKILL)")


async def test_a_missing_entry_fails_before_it_starts(platform: Platform) -> None:
    told = await platform.run("print(1)", entry="train.py")

    assert told.outcome.message == "The entry train.py is not a file in the code folder."
    assert not told.outcome.HasField("exit_code")
    assert told.started == []


async def test_an_entry_outside_the_code_folder_is_refused(platform: Platform) -> None:
    told = await platform.run("print(1)", entry="../../../../../../secret")

    assert "is not a file in the code folder" in told.outcome.message
    assert told.started == []


async def test_a_line_of_ten_megabytes_is_cut_and_kept_whole_in_a_file(platform: Platform) -> None:
    told = await platform.run("print('x' * 10_000_000)")
    whole = {"nsml-logs/stdout.log": b"x" * 10_000_000 + b"\n"}

    assert told.output().startswith(b"x" * LINE_BYTES + "… [9934464 bytes more of".encode())
    assert len(told.output()) < LINE_BYTES + 100
    assert told.outcome.output_tree == await platform.push_files(whole)


async def test_binary_output_is_marked_and_kept_whole_in_a_file(platform: Platform) -> None:
    told = await platform.run("import os; os.write(1, bytes(range(256)) * 100)")
    whole = {"nsml-logs/stdout.log": bytes(range(256)) * 100}
    hint = f"nsml logs {told.assignment.session.name} --raw"

    assert told.output().decode() == f"… [25600 bytes of binary output: {hint}]\n"
    assert told.outcome.exit_code == 0
    assert told.outcome.output_tree == await platform.push_files(whole)


async def test_what_a_grandchild_says_after_its_parents_end_is_kept(platform: Platform) -> None:
    told = await platform.run(
        "import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c',"
        " 'import time; time.sleep(0.3); print(\"late\")'])\n"
        "print('early', flush=True)"
    )

    assert told.output() == b"early\nlate\n"
    assert told.outcome.exit_code == 0


async def test_output_is_told_while_the_code_runs(platform: Platform) -> None:
    name = await platform.assign(
        "import pathlib, time\nprint('ready')\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.01)"
    )
    told = await platform.start(name)
    await told.until(lambda told: told.output() == b"ready\n")
    (platform.work(name) / "code" / "go").touch()
    await told.until(lambda told: told.end)

    assert told.outcome.exit_code == 0


async def test_what_it_wrote_to_its_output_folder_is_stored(platform: Platform) -> None:
    told = await platform.run(
        "import os, pathlib\npathlib.Path(os.environ['NSML_OUTPUT'], 'result.txt').write_text('42')"
    )

    assert told.outcome.output_tree == await platform.push_files({"result.txt": "42"})


async def test_datasets_are_linked_and_read_only(platform: Platform) -> None:
    tree = await platform.push_files({"train/a.txt": "one", "train/b.txt": "two"})
    mounts = [session_pb2.Mount(dataset=name, revision=1, tree=tree) for name in ("digits", "more")]
    told = await platform.run(
        "import json, os, pathlib\n"
        "folders = json.loads(os.environ['NSML_DATASETS'])\n"
        "file = pathlib.Path(os.environ['NSML_DATASET_PATH'], 'train', 'a.txt')\n"
        "print(list(folders), os.environ['NSML_DATASET_NAME'])\n"
        "print(file.read_text(), oct(file.stat().st_mode & 0o777))",
        datasets=mounts,
    )

    assert told.output().decode() == "['digits', 'more'] digits\none 0o444\n"


async def test_code_may_write_beside_itself_and_the_next_run_does_not_see_it(
    platform: Platform,
) -> None:
    code = "import pathlib\nfile = pathlib.Path('x')\nprint(file.exists())\nfile.touch()"
    first, second = await platform.run(code), await platform.run(code)

    assert first.output() == second.output() == b"False\n"


async def test_nothing_of_an_attempt_is_left_on_disk(platform: Platform) -> None:
    await platform.run("print(1)")

    assert list((platform.home / "work").rglob("*.py")) == []


async def test_an_attempt_is_started_only_once(platform: Platform) -> None:
    name = await platform.assign("import time; print('up'); time.sleep(60)")
    told = await platform.start(name)
    await told.until(lambda told: told.output())
    first = platform.runners[name]
    await platform.start(name)

    assert await platform.runners[name].ended() == 3
    assert first.returncode is None
    first.terminate()
    await first.ended()
