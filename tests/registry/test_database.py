from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from registry import jobs, tables
from registry.database import Database, now
from registry.errors import DatabaseMissing, DatabaseTooNew, DatabaseTooOld, UnsupportedDatabase
from registry.migrations.run import differences


class TestContract:
    def test_tables_and_migrations_agree(self, url):
        database = Database(url)
        with database.engine.connect() as connection:
            assert differences(connection) == []

    def test_a_missing_column_is_seen(self, url):
        """The comparison above can fail."""
        database = Database(url)
        with database.engine.connect() as connection:
            connection.execute(text("ALTER TABLE job_logs ADD COLUMN colour INTEGER"))
            assert [change[0] for change in differences(connection)] == ["remove_column"]
            connection.rollback()

    def test_migrating_again_changes_nothing(self, world):
        before = world.dump()
        world.database.migrate()
        assert world.dump() == before

    def test_ping(self, world):
        world.database.ping()

    def test_reading_sessions_refuse_to_write(self, world):
        with pytest.raises(DBAPIError, match=r"read-?only"), world.database.read() as session:
            jobs.create(session, type="train", dataset_id=None, config={})
        assert world.job().status == "queued"  # and the connection is good for writing afterwards

    def test_an_exception_rolls_everything_back(self, world):
        def create_and_fail(session):
            jobs.create(session, type="train", dataset_id=None, config={})
            raise RuntimeError

        before = world.dump()
        with pytest.raises(RuntimeError):
            world.write(create_and_fail)
        assert world.dump() == before

    def test_foreign_keys_are_enforced(self, world):
        with pytest.raises(IntegrityError), world.database.write() as session:
            jobs.create(session, project="nobody", type="train", dataset_id=None, config={})

    def test_times_come_back_aware_and_in_utc(self, world):
        moment = datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=UTC)
        shifted = moment.astimezone(datetime.strptime("+0530", "%z").tzinfo)
        row = {"sha256": "a" * 64, "bytes": 1, "created_at": shifted}
        with world.database.write() as session:
            session.execute(insert(tables.blobs).values(**row))
        with world.database.read() as session:
            found = session.execute(select(tables.blobs.c.created_at)).scalar_one()
        assert found == moment
        assert found.utcoffset() == timedelta(0)

    def test_naive_times_are_refused(self, world):
        row = {"sha256": "a" * 64, "bytes": 1, "created_at": datetime(2026, 1, 1)}  # noqa: DTZ001
        with pytest.raises(DBAPIError.__mro__[1], match="naive"), world.database.write() as session:
            session.execute(insert(tables.blobs).values(**row))

    def test_real_time_is_about_this_machines_and_moves_within_a_transaction(self, url):
        database = Database(url)
        with database.write() as session:
            first = now(session)
            time.sleep(0.01)
            second = now(session)
        assert abs(first - datetime.now(UTC)) < timedelta(seconds=30)
        assert second - first >= timedelta(seconds=0.01)

    def test_readers_then_writers_in_parallel_never_see_a_locked_database(self, world, in_parallel):
        """The case in which a deferred transaction fails at once: read, let another write, then write."""
        job = world.job()

        def read_then_write(index):
            for _ in range(5):
                with world.database.write() as session:
                    jobs.get(session, job.id)
                    time.sleep(0.001)
                    jobs.create(session, type="train", dataset_id=None, config={"index": index})

        in_parallel(8, read_then_write)
        assert len(world.read(jobs.list_page, limit=100).items) == 41

    def test_a_reader_sees_the_same_state_until_it_ends(self, world):
        with world.database.read() as session:
            assert jobs.list_page(session).items == ()
            world.job()
            assert jobs.list_page(session).items == ()

    def test_a_reader_does_not_wait_for_a_writer(self, world):
        world.job()
        with world.database.write() as session:
            jobs.create(session, type="train", dataset_id=None, config={})
            assert len(world.read(jobs.list_page).items) == 1
        assert len(world.read(jobs.list_page).items) == 2


class TestManyProcessesStartAtOnce:
    SCRIPT = "import sys; from registry.database import Database; Database(sys.argv[1]).migrate()"

    def _start(self, url, count=3):
        commands = [[sys.executable, "-c", self.SCRIPT, url]] * count
        running = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
        for process in running:
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0, errors
        database = Database(url)
        database.ping()
        with database.engine.connect() as connection:
            assert differences(connection) == []

    def test_sqlite(self, tmp_path):
        self._start(f"sqlite:///{tmp_path / 'new' / 'registry.db'}")

    def test_threads_of_one_process(self, tmp_path, in_parallel):
        url = f"sqlite:///{tmp_path / 'registry.db'}"
        in_parallel(4, lambda _: Database(url).migrate())
        Database(url).ping()

    @pytest.mark.integration
    def test_postgresql(self, empty_postgresql):
        self._start(empty_postgresql)


class TestSqlite:
    def test_durable_write_ahead_logging_with_foreign_keys(self, tmp_path, sqlite_template):
        path = shutil.copy(sqlite_template, tmp_path / "registry.db")
        database = Database(f"sqlite:///{path}")
        with database.engine.connect() as connection:
            pragmas = {
                name: connection.execute(text(f"PRAGMA {name}")).scalar()
                for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
            }
        assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "busy_timeout": 30000}

    def test_a_second_writer_waits_for_the_first(self, tmp_path, sqlite_template):
        database = Database(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'registry.db')}")
        started, order = threading.Event(), []

        def second():
            started.set()
            with database.write() as session:
                jobs.create(session, type="train", dataset_id=None, config={})
                order.append("second")

        thread = threading.Thread(target=second)
        with database.write() as session:
            session.execute(text("SELECT 1"))
            thread.start()
            started.wait(10)
            time.sleep(0.1)
            order.append("first")
        thread.join(30)
        assert order == ["first", "second"]


@pytest.mark.parametrize("url", ["mysql://root@localhost/x", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused_with_a_remedy(url):
    with pytest.raises(UnsupportedDatabase, match=r"sqlite:///"):
        Database(url)


def test_a_database_is_shown_by_the_url_that_was_given_and_without_its_password():
    database = Database("postgresql://u:se%40cret@h:5432/x?sslpassword=secret")
    assert database.shown == "postgresql://u:***@h:5432/x?sslpassword=***"


class TestRequiredSchema:
    def test_the_own_one_will_do(self, url):
        Database(url).require_schema()

    @pytest.fixture
    def claims(self, url):
        """Have a database claim to be of another schema revision. On PostgreSQL the other tests get the same one."""
        database = Database(url)

        def claim(revision):
            with database.engine.begin() as connection:
                connection.execute(text("UPDATE alembic_version SET version_num = :its"), {"its": revision})

        own = database.schema_revision()[0]
        yield database, claim
        claim(own)
        database.dispose()

    def test_another_one_is_refused_and_left_alone(self, claims):
        database, claim = claims
        for revision, error in (("0003", DatabaseTooOld), ("9999", DatabaseTooNew)):
            claim(revision)
            with pytest.raises(error, match=revision):
                database.require_schema()
            assert database.schema_revision()[0] == revision

    @pytest.mark.integration
    def test_an_empty_one_on_postgresql(self, empty_postgresql):
        with pytest.raises(DatabaseMissing, match="is empty"):
            Database(empty_postgresql).require_schema()

    def test_an_empty_or_missing_file(self, tmp_path):
        path = tmp_path / "registry.db"
        with pytest.raises(DatabaseMissing, match="there is no database at"):
            Database(f"sqlite:///{path}").require_schema()
        assert not path.exists()
        path.touch()
        with pytest.raises(DatabaseMissing, match="is empty"):
            Database(f"sqlite:///{path}").require_schema()
        assert path.stat().st_size == 0
