"""A log restored: from its archives, from what is left of both, or not at all, in one sentence."""

import json
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import pytest

from nsml_core import log, log_safety, restore
from nsml_core.errors import Refused, Unavailable
from nsml_core.jetstream import api, connected
from nsml_core.log import STREAM, SUBJECTS, Log
from nsml_core.rebuild import rebuild
from nsml_core.restore import Plan, Source
from nsml_core.settings import Settings
from tests.conftest import opened
from tests.core.examples import SCHEMA
from tests.core.test_views import register
from tests.restore.conftest import entries, lose, sql

EMPTY = (
    "The archives are empty, so there is nothing to restore from: `nsml up` fills them from the "
    "log; if the log is lost too, `nsml admin restore` a backup into a new home."
)
BEHIND = "delete from identity.archive where sequence > 38; update nsml.position set sequence = 38"
DELETE = "delete from identity.archive where sequence = 5"
ANEW = "in the archive: `nsml up`, and then `nsml admin log restore --archive identity` makes"
FLIP = "update identity.archive set data = set_byte(data, 9, 255) where sequence ="


async def restored(source: Source, fresh: str, beyond: Path, before: int = 0) -> Plan:
    """Do what the command does, but for the moving of folders."""
    plan = await restore.plan(source, before)
    await restore.fill(source, plan, fresh, beyond, lambda _: None)
    await restore.fold_anew(source.postgres_url, plan.again)
    return plan


async def refusal(source: Source, before: int = 0) -> str:
    with pytest.raises(Refused) as refused:
        await restore.plan(source, before)
    return refused.value.sentence


async def test_a_log_whose_store_is_gone_comes_back_from_its_archives(
    source: Source, fresh: str, config: Settings, short_path: Path
) -> None:
    before = await entries(source.nats_url)
    told: list[int] = []
    lost = Source("", source.postgres_url)

    plan = await restore.plan(lost)
    await restore.fill(lost, plan, fresh, short_path / "beyond", told.append)

    assert await entries(fresh) == before
    assert (plan.union.last, plan.union.beyond, plan.lost, plan.again) == (40, 0, 0, [])
    assert told == [plan.union.size] == [sum(len(record.data) for record in before)]
    assert not (short_path / "beyond").exists()
    again = replace(config, nats_url=fresh)
    async with log.connect(again, "test") as the_log, opened(again, SCHEMA, the_log) as view:
        await register(the_log, 1)
        await view.catch_up()
        assert view.position == 42
    async with connected(fresh, "test") as client:
        message = (await api(client, f"STREAM.MSG.GET.{STREAM}", {"seq": 7}))["message"]
    assert "Nats-Msg-Id: " in b64decode(message["hdrs"]).decode()


async def test_what_one_has_lost_the_other_gives(
    source: Source, fresh: str, short_path: Path
) -> None:
    before = await entries(source.nats_url)
    await lose(source, 3, 17, 40)
    await sql(source, "delete from identity.archive where sequence in (5, 39)")
    await sql(
        source, "update identity.archive set data = set_byte(data, 9, 255) where sequence = 8"
    )

    plan = await restored(source, fresh, short_path / "beyond")

    assert await entries(fresh) == before
    assert (plan.union.logged, plan.lost) == (37, 0)
    assert plan.again == ["identity"], "its archive is made anew, whole"


async def test_what_lies_beyond_a_gap_is_kept_in_a_file(
    source: Source, fresh: str, config: Settings, short_path: Path
) -> None:
    before = await entries(source.nats_url)
    await lose(source, 38)
    await sql(source, "delete from identity.archive where sequence in (38, 39)")
    beyond = short_path / "beyond"

    plan = await restored(source, fresh, beyond)

    assert await entries(fresh) == before[:37]
    assert (plan.union.last, plan.union.beyond, plan.lost) == (37, 2, 1)
    kept = [json.loads(line) for line in beyond.read_text().splitlines()]
    assert [(line["sequence"], line["held_by"]) for line in kept] == [(39, "log"), (40, "log")]
    assert kept[0]["events"] == ["nsml.Registered"]
    assert beyond.stat().st_mode & 0o777 == 0o600
    again = replace(config, nats_url=fresh)
    async with log.connect(again, "test") as the_log, opened(again, SCHEMA, the_log) as view:
        assert view.position == 37, "it had seen 40, and folds anew"
    assert "nothing was changed" in await refusal(Source(fresh, source.postgres_url))


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("select 1", "The log is whole: it holds all 40 entries that the archive has; "),
        (
            BEHIND,
            "The log is whole: it holds all 38 entries that the archive has, and 2",
        ),
        (f"{FLIP} 5", f"The log is whole; Entry 5 (nsml.identity.u4) was altered {ANEW}"),
        (
            DELETE,
            f"The log is whole; Entry 5 (nsml.identity.u4) is missing from {ANEW[3:]}",
        ),
        ("delete from identity.archive", EMPTY),
        ("drop schema nsml cascade", EMPTY),
    ],
)
async def test_a_whole_log_is_left_as_it_is(source: Source, damage: str, sentence: str) -> None:
    await sql(source, damage)

    assert (await refusal(source)).startswith(sentence)


async def test_an_altered_copy_of_a_lost_entry_is_refused_until_its_loss_is_accepted(
    source: Source, fresh: str, short_path: Path
) -> None:
    before = await entries(source.nats_url)
    await sql(source, f"{FLIP} 35")
    lost = Source("", source.postgres_url)

    assert await refusal(lost) == (
        "Entry 35 (nsml.identity.u14) was altered in the archive, and the log has no good copy of "
        "it; nothing was changed: restore a backup, or keep only what came before with "
        "`nsml admin log restore --before 35`."
    )
    assert await refusal(lost, before=30) == (
        "Entry 30 is not the first that was altered, so nothing was changed: restore without "
        "--before."
    )
    plan = await restored(lost, fresh, short_path / "beyond", before=35)

    assert await entries(fresh) == before[:34]
    assert (plan.union.beyond, plan.lost, plan.again) == (6, 0, ["identity"])


async def test_an_entry_that_was_altered_in_the_log_is_taken_from_the_archive(
    source: Source, fresh: str, short_path: Path
) -> None:
    before = await entries(source.nats_url)
    await lose(source, altered=9)

    await restored(source, fresh, short_path / "beyond")

    assert await entries(fresh) == before


async def test_a_chain_that_was_forged_in_the_archive_is_noticed(source: Source) -> None:
    await sql(
        source,
        "update identity.archive a set data = b.data, hash = b.hash from identity.archive b "
        "where a.sequence = 25 and b.sequence = 24",
    )

    assert "does not follow the one before it" in await refusal(Source("", source.postgres_url))


async def test_two_histories_are_not_mixed(source: Source, the_log: Log) -> None:
    async with connected(source.nats_url, "test") as client:
        await api(client, f"STREAM.DELETE.{STREAM}")
        await log_safety.ensure_stream(client, STREAM, SUBJECTS)
    await register(the_log, 1)

    assert "tell two histories from entry 1 on" in await refusal(source)


async def test_without_its_first_entry_nothing_can_be_placed(source: Source) -> None:
    await sql(source, "delete from identity.archive where sequence = 1")

    assert "The first entry is lost" in await refusal(Source("", source.postgres_url))


async def test_archives_that_do_not_answer(short_path: Path) -> None:
    nowhere = f"postgresql://nsml@/postgres?host={short_path}"

    with pytest.raises(Unavailable, match="PostgreSQL with the archives does not answer"):
        await restore.plan(Source("", nowhere))


async def test_a_rebuild_keeps_copies_of_what_the_log_has_lost(
    source: Source, the_log: Log, config: Settings
) -> None:
    copy = "insert into identity.archive select 0, subject, hash, data from identity.archive"
    await sql(source, f"{copy} where sequence = 1")
    async with opened(config, SCHEMA, the_log) as view:
        with pytest.raises(Refused, match="holds 1 entries that the log has lost"):
            await rebuild(view, check=False)

        assert await view.pool.fetchval("select count(*) from identity.archive") == 41
