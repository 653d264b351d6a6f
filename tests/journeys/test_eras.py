"""Somebody brings a script of 2018 as it is: runs it, resumes it, forks it, and lets it predict."""

from tests.eras.eras import ERAS
from tests.journeys.person import Done, Person, content


def lines(done: Done) -> list[str]:
    assert done.returncode == 0, done
    return done.stdout.splitlines()


def test_a_script_of_2018_as_it_is(ann: Person) -> None:
    kin = next(era for era in ERAS if era.name == "kin_2018")
    ann.push("kin", kin.data())
    code = ann.write("code", kin.code())

    started, *printed = lines(ann.nsml("run", "-d", "kin", "-g", "0", "-f", at=code))
    name = started.split()[1]
    assert printed[-1] == kin.trained
    assert [row["name"] for row in ann.json("model", "ls", name)] == ["0", "1"]
    assert "epoch=1" in ann.says("ps", "-a")

    printed = lines(ann.nsml("resume", name, "-c", "0", "-f"))
    assert "Model loaded" in printed
    assert printed[-1] == "weight 6.0"

    fork, *printed = lines(ann.nsml("fork", name, "-c", "1", "-a", "--mode test", "-f"))
    assert printed[-1] == "Model loaded"
    ann.says("download", fork.split()[1])
    found = [data for path, data in content(ann.folder).items() if path.endswith("/prediction")]
    assert found == [b"6.0 1\n6.0 0\n"]
