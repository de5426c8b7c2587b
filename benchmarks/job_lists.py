"""Whether lists of jobs cost the same at a million jobs: each filter and combinations, on SQLite and on PostgreSQL.

python benchmarks/job_lists.py [--jobs 1000000] [--repeats 100]

Fills a database of its own in a temporary folder and a schema of its own in PostgreSQL (dropped afterwards), lists jobs
as the API does, and prints the best, p50 and p99 in milliseconds side by side. `plan` says whether the database reads a
whole table for it or sorts what it finds. The last row is the worst that a client can ask for: two filters that many
jobs meet, but none both.
"""

from __future__ import annotations

import argparse
import random
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import event, text

from registry import checkpoints, jobs
from registry.database import Database
from registry.records import Page

POSTGRESQL = "postgresql://root@127.0.0.1:5432/test"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)  # a job each second from here on
DATASETS, MODELS, COMMITS_OF = 201, 49, 10  # no common divisors: each filter cuts across the others
CONFIG = '{"preset":"bow","seed":0,"training":{"max_epochs":20,"batch_size":256,"learning_rate":0.001,"patience":3}}'

# One statement a table and database: number `i` of the jobs is all that a row is made of.
ROW = """
    CASE WHEN i % 5 = 4 THEN 'validate_dataset' ELSE 'train' END,
    CASE WHEN i % 5 = 4 THEN 'validate' ELSE 'train' END,
    CASE WHEN i >= {count} - 3 THEN 'running' WHEN i >= {count} - 23 THEN 'queued'
         WHEN i % 19 = 7 THEN 'failed' WHEN i % 53 = 13 AND i > {count} / 2 THEN 'cancelled' ELSE 'succeeded' END,
    'ds_' || CASE WHEN i % ({count} / 5) = 3 THEN 'rare' ELSE CAST(i % {datasets} AS TEXT) END,
    '{config}',
    'model-' || CAST(i % {models} AS TEXT),
    '{{}}', {time}, {time}, {time},
    CASE WHEN i >= {count} - 23 THEN NULL ELSE {time} END,
    CASE WHEN i >= {count} - 3 AND i < {count} THEN {time} ELSE NULL END
"""
COLUMNS = (
    "id, project_id, type, queue, status, dataset_id, config, model, metadata, created_at, updated_at, published_at, "
    "finished_at, lease_until"
)
PAIRS = {
    "team": "CASE i % 4 WHEN 0 THEN 'ads' WHEN 1 THEN 'films' WHEN 2 THEN 'shop' ELSE 'lab' END",
    "commit": f"'c' || CAST(i / {COMMITS_OF} AS TEXT)",
    "half": "CASE WHEN i < {count} / 2 THEN 'old' ELSE 'new' END",
}


@dataclass(frozen=True)
class Dialect:
    """How a database spells what the two don't share."""

    numbers: str
    id: str
    time: str


DIALECTS = {
    "sqlite": Dialect(
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {count})",
        "printf('job_%012x%020x', {base} + i * 1000, i)",
        "strftime('%Y-%m-%d %H:%M:%S.000000', {base} / 1000 + i, 'unixepoch')",
    ),
    "postgresql": Dialect(
        "WITH n(i) AS (SELECT generate_series(0, {count} - 1))",
        "'job_' || lpad(to_hex({base} + i * 1000::bigint), 12, '0') || lpad(to_hex(i), 20, '0')",
        "to_timestamp({base} / 1000 + i)",
    ),
}


@dataclass
class Found:
    """The times of one case in milliseconds, and whether a plan reads a whole table."""

    times: list[float] = field(default_factory=list)
    scans: bool = False
    rows: int = 0

    def show(self) -> list[str]:
        ordered = sorted(self.times)
        p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
        shown = [f"{time:.1f}" for time in (ordered[0], statistics.median(ordered), p99)]
        return [*shown, "scan" if self.scans else "index"]


Case = Callable[[random.Random], dict[str, Any]]


def cases(count: int) -> dict[str, Case]:
    """What is asked for, with values drawn anew each time."""

    def cursor(row: int) -> str:
        i = max(0, count - row)
        return f"job_{_milliseconds() + i * 1000:012x}{i:020x}"

    def moment(i: float) -> datetime:
        return BEGAN + timedelta(seconds=int(i))

    def team(r: random.Random) -> str:
        return r.choice(["ads", "films", "shop", "lab"])

    def commit(r: random.Random) -> str:
        return f"c{r.randrange(count // COMMITS_OF)}"

    def model(r: random.Random) -> str:
        return f"model-{r.randrange(MODELS)}"

    def within(r: random.Random) -> dict[str, Any]:
        begin = r.randrange(count // 2)
        return {"created_after": moment(begin), "created_before": moment(begin + 3600)}

    return {
        "first page": lambda _: {},
        "page 1,000": lambda _: {"after": cursor(20_000)},
        "page 25,000": lambda _: {"after": cursor(500_000)},
        "status=running": lambda _: {"status": "running"},
        "status=failed": lambda _: {"status": "failed"},
        "status=failed, page 1,000": lambda _: {"status": "failed", "after": cursor(400_000)},
        "type=train": lambda _: {"types": ["train"]},
        "dataset_id, 1 job in 200": lambda r: {"dataset_id": f"ds_{r.randrange(DATASETS)}"},
        "dataset_id, 5 jobs": lambda _: {"dataset_id": "ds_rare"},
        "model, 1 job in 50": lambda r: {"model": model(r)},
        "metadata[team], 1 job in 4": lambda r: {"metadata": {"team": team(r)}},
        "metadata[team], page 1,000": lambda r: {"metadata": {"team": team(r)}, "after": cursor(80_000)},
        "metadata[commit], 10 jobs": lambda r: {"metadata": {"commit": commit(r)}},
        "metadata[commit], none": lambda _: {"metadata": {"commit": "none"}},
        "two metadata, rare and common": lambda r: {"metadata": {"team": team(r), "commit": commit(r)}},
        "created_after, last hour": lambda _: {"created_after": moment(count - 3600)},
        "created_after and _before, an hour": within,
        "an hour, status=failed": lambda r: {**within(r), "status": "failed"},
        "status=failed, model": lambda r: {"status": "failed", "model": model(r)},
        "status=failed, metadata[team]": lambda r: {"status": "failed", "metadata": {"team": team(r)}},
        "status=running, metadata[team]": lambda r: {"status": "running", "metadata": {"team": team(r)}},
        "status, type, model, metadata[team]": lambda r: {
            "status": "succeeded",
            "types": ["train"],
            "model": model(r),
            "metadata": {"team": team(r)},
        },
        "worst: cancelled, but only of old jobs": lambda _: {"status": "cancelled", "metadata": {"half": "old"}},
    }


def fill(database: Database, count: int) -> float:
    """Make the rows; seconds taken."""
    began = time.perf_counter()
    dialect = DIALECTS[database.dialect]
    names = {"count": count, "base": _milliseconds(), "datasets": DATASETS, "models": MODELS, "config": CONFIG}
    numbers, id_, moment = (part.format(**names) for part in (dialect.numbers, dialect.id, dialect.time))
    postgresql = database.dialect == "postgresql"
    with database.engine.begin() as connection:
        for name in ["rare", *range(DATASETS)]:
            connection.execute(
                text(
                    "INSERT INTO datasets (id, project_id, name, status, spec, source, validation_job_id, labels, "
                    f"created_at, updated_at) VALUES ('ds_{name}', 'default', 'd', 'ready', '{{}}', '{{}}', 'job_0', "
                    "'{}', '2026-01-01 00:00:00', '2026-01-01 00:00:00')"
                )
            )
        row = ROW.format(**names, time=moment)
        if postgresql:
            row = row.replace(f"'{CONFIG}'", f"'{CONFIG}'::json").replace("'{}'", "'{}'::json")
        insert = f"INSERT INTO jobs ({COLUMNS}) "
        select = f"SELECT {id_}, 'default', {row} FROM n"
        _run(connection, numbers, insert, select, postgresql)
        for key, value in PAIRS.items():
            insert = "INSERT INTO job_metadata (job_id, key, value, project_id) "
            select = f"SELECT {id_}, '{key}', {value.format(**names)}, 'default' FROM n"
            _run(connection, numbers, insert, select, postgresql)
    if postgresql:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))  # which its autovacuum does by itself, a little later
    return time.perf_counter() - began


def _run(connection: Any, numbers: str, insert: str, select: str, postgresql: bool) -> None:
    # Both take the WITH in front of the INSERT. exec_driver_sql: no `:` or `%` in it means anything.
    statement = f"{numbers} {insert}{select}"
    connection.exec_driver_sql(statement.replace("%", "%%") if postgresql else statement)


def measure(database: Database, wanted: dict[str, Case], repeats: int) -> dict[str, Found]:
    """Each case `repeats` times, after two that don't count; and the plans of its statements."""
    found: dict[str, Found] = {}
    for name, draw in wanted.items():
        values = random.Random(name)  # the same ones for both databases
        result = found[name] = Found()
        with _statements(database) as statements:
            result.rows = len(_list(database, draw(values)).items)
        result.scans = _scans(database, statements)
        _list(database, draw(values))
        for _ in range(repeats):
            arguments = draw(values)
            began = time.perf_counter()
            _list(database, arguments)
            result.times.append((time.perf_counter() - began) * 1000)
    return found


def _list(database: Database, arguments: dict[str, Any]) -> Page[Any]:
    with database.read() as session:
        page = jobs.list_page(session, **arguments)
        checkpoints.latest_of(session, [job.id for job in page.items])
    return page


@contextmanager
def _statements(database: Database) -> Iterator[list[tuple[str, Any]]]:
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.lstrip().startswith("SELECT"):
            seen.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", note)


def _scans(database: Database, statements: list[tuple[str, Any]]) -> bool:
    """Whether a plan reads all of `jobs` or `job_metadata`."""
    prefix = "EXPLAIN " if database.dialect == "postgresql" else "EXPLAIN QUERY PLAN "
    with database.engine.connect() as connection:
        lines = [
            " ".join(map(str, row))
            for statement, parameters in statements
            for row in connection.exec_driver_sql(prefix + statement, parameters)
        ]
    whole = (
        "Seq Scan on jobs",
        "Seq Scan on job_metadata",
        "SCAN jobs",
        "SCAN job_metadata",
        "SCAN first",
        "TEMP B-TREE",
    )
    return any(part in line for line in lines for part in whole)


def _milliseconds() -> int:
    return int(BEGAN.timestamp() * 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--postgresql", default=POSTGRESQL, help="where a schema may be made")
    arguments = parser.parse_args()
    console = Console(width=140)
    wanted = cases(arguments.jobs)
    results: dict[str, dict[str, Found]] = {}
    with tempfile.TemporaryDirectory() as folder:
        sqlite = Database(f"sqlite:///{Path(folder) / 'registry.db'}")
        sqlite.migrate()
        console.print(f"SQLite: {arguments.jobs:,} jobs made in {fill(sqlite, arguments.jobs):.0f} s")
        results["SQLite"] = measure(sqlite, wanted, arguments.repeats)
        sqlite.dispose()
    schema = f"pocketrec_bench_{secrets.token_hex(4)}"
    admin = Database(arguments.postgresql)
    with admin.engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    try:
        postgresql = Database(f"{arguments.postgresql}?options=-csearch_path%3D{schema}")
        postgresql.migrate()
        console.print(f"PostgreSQL: {arguments.jobs:,} jobs made in {fill(postgresql, arguments.jobs):.0f} s")
        results["PostgreSQL"] = measure(postgresql, wanted, arguments.repeats)
        postgresql.dispose()
    finally:
        with admin.engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    table = Table("list of 20", "rows", title=f"{arguments.jobs:,} jobs, milliseconds")
    for database in results:
        for column in ("best", "p50", "p99", "plan"):
            table.add_column(f"{database}\n{column}", justify="right")
    for name in wanted:
        shown = [cell for found in results.values() for cell in found[name].show()]
        table.add_row(escape(name), str(results["SQLite"][name].rows), *shown)
    console.print(table)


if __name__ == "__main__":
    main()
