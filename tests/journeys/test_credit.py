"""Credit as an admin gives it, as sessions use it, and as the audit finds it."""

from tests.journeys.person import Person


def test_an_admin_grants_and_a_key_grants_once(ann: Person) -> None:
    for _ in range(2):
        said = ann.says("credit", "grant", "bob", "2.5", "-m", "well done", "--key", "first")
        assert said == "bob has 2.50 credits\n"
    assert ann.says("credit", "grant", "bob", "1") == "bob has 3.50 credits\n"
    assert ann.says("credit", "--of", "bob") == "User : bob credit 3.50\n"
    lines = ann.json("credit", "history", "--of", "bob")
    assert [(line["amount_gpu_ms"], line["reason"], line["actor"]) for line in lines] == [
        (60_000, "", "user:ann"),
        (150_000, "well done", "user:ann"),
    ]

    for number in ("0", "-1", "much", "9999999999999"):
        ann.refused("credit", "grant", "bob", number, code=2)
    ann.refused("credit", "grant", "no such name", "1", code=2)
    assert "no book of carl yet" in ann.refused("credit", "--of", "carl", code=3)
    assert ann.says("credit", "--of", "bob") == "User : bob credit 3.50\n"


def test_an_allowance_is_given_at_once_and_shown(ann: Person) -> None:
    said = ann.says("credit", "allowance", "dora", "100", "--every", "month")
    assert said.startswith("dora gets 100.00 every month, given for the month from ")
    again = ann.says("credit", "allowance", "dora", "100", "--every", "month")
    shown = ann.says("credit", "--of", "dora").splitlines()

    assert again == said
    assert shown[0] == "User : dora credit 100.00"
    assert shown[1] == said.replace("dora gets", "Allowance :").strip()
    assert ann.says("credit", "allowance", "dora", "--none") == "dora gets nothing by itself\n"
    assert ann.json("credit", "--of", "dora")["allowance"] is None
    assert "Say how often" in ann.nsml("credit", "allowance", "dora", "5").stderr


def test_a_start_that_failed_costs_nothing_and_the_audit_finds_none(ann: Person) -> None:
    before = ann.json("credit")
    code = ann.write("code", {"main.py": "print('here')", "requirements.txt": "./not-there\n"})
    failed = ann.nsml("run", "-g", "1", "-f", at=code)
    ran = ann.write("ran", {"main.py": "print('here')"})
    done = ann.says("run", "-g", "1", "-f", at=ran).split()[1]
    name = failed.stdout.split()[1]
    while ann.json("credit")["held_gpu_ms"]:
        pass  # what was held is released a moment after the end

    assert failed.returncode != 0
    assert ann.json("status", name)["status"] == "Failed"
    lines = ann.json("credit", "history")
    of_failed = [line for line in lines if line["session"] == name]
    assert [line["event"] for line in of_failed] == ["Released", "Held"]
    (charge,) = [line for line in lines if (line["event"], line["session"]) == ("Charged", done)]
    after = ann.json("credit")
    assert before["available_gpu_ms"] - after["available_gpu_ms"] == charge["amount_gpu_ms"]
    table = ann.says("credit", "history").splitlines()
    assert len([line for line in table if f"{done}#1" in line]) == 1
    audit = ann.says("admin", "credit", "audit")
    assert audit.endswith("differences: none\n")
    assert ann.json("admin", "credit", "audit")["differences"] == []
