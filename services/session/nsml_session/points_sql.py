"""The statements of the tables that points stand in."""

POINTS = (
    "create table if not exists session_frames.points ("
    "name text, attempt int, number bigint, data bytea, primary key (name, attempt, number))"
)
# A series is named by user code: bytes hold any name.
SERIES_TABLE = (
    "create table if not exists session_frames.series ("
    "name text, series bytea, id int, primary key (name, series))"
)
CHUNK = (
    "create table if not exists session_frames.chunk ("
    "name text, series int, attempt int, part int, count int, first_step double precision, "
    "step double precision, time_us bigint, first double precision, value double precision, "
    "low double precision, high double precision, data bytea, "
    "primary key (name, series, attempt, part))"
)
LAYOUT = "create table if not exists session_frames.layout (what text, primary key (what))"
HAS_SUMMARY = (
    "alter table session_frames.frame "
    "add column if not exists has_summary boolean not null default false"
)
DDL = (
    POINTS,
    SERIES_TABLE,
    CHUNK,
    "alter table session_frames.chunk alter column data set storage external",
    LAYOUT,
    HAS_SUMMARY,
)

_COLUMNS = "series, attempt, count, first_step, step, time_us, first, value, low, high"

IS_APART = "select exists (select from session_frames.layout where what = 'points apart')"
NOW_APART = "insert into session_frames.layout values ('points apart') on conflict do nothing"
OLD_NAMES = "select distinct name from session_frames.frame where has_points"
WAITING_NAMES = "select distinct name from session_frames.points"

ALONE = "select pg_advisory_xact_lock(hashtext('session_frames.points'), hashtext($1))"
KEEP = "insert into session_frames.points values ($1, $2, $3, $4)"
TAKE = "delete from session_frames.points where name = $1 returning attempt, number, data"
LOOSE = "select attempt, data from session_frames.points where name = $1 order by attempt, number"
OLD = (
    "select name, attempt, number, data from session_frames.frame "
    "where name = $1 and has_points order by attempt, number"
)
STRIP = (
    "update session_frames.frame set has_points = false, has_summary = $4, data = $5 "
    "where name = $1 and attempt = $2 and number = $3"
)
SERIES = "select id, series from session_frames.series where name = $1"
NUMBER = "insert into session_frames.series values ($1, $2, $3)"
_WANTED = "where name = $1 and series = any($2::int[]) order by series, attempt, part"
CHUNKS = f"select {_COLUMNS}, ''::bytea as data from session_frames.chunk {_WANTED}"
CHUNKS_WITH_DATA = f"select {_COLUMNS}, data from session_frames.chunk {_WANTED}"
ONE = (
    f"select {_COLUMNS}, data from session_frames.chunk where name = $1 and attempt = $3 "
    "and series = (select id from session_frames.series where name = $1 and series = $2) "
    "order by part"
)
NEWEST_CHUNKS = (
    "select distinct on (series, attempt) series, attempt, part, count, data "
    "from session_frames.chunk where name = $1 and attempt = any($2::int[]) "
    "order by series, attempt, part desc"
)
SEAL = (
    "insert into session_frames.chunk "
    "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) "
    "on conflict (name, series, attempt, part) do update set count = excluded.count, "
    "first_step = excluded.first_step, step = excluded.step, time_us = excluded.time_us, "
    "first = excluded.first, value = excluded.value, low = excluded.low, high = excluded.high, "
    "data = excluded.data"
)
