from __future__ import annotations

import pytest

from registry.database import Database
from registry.urls import broker_fault, database_fault, store_fault, without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:se/c@r:et@h:5432/x", "postgresql://u:***@h:5432/x"),
        ("redis://:secret@h/1?key_prefix=mine:", "redis://:***@h/1?key_prefix=mine:"),
        ("postgresql://h/x?user=u&password=secret&sslpassword=secret", None),
        ("s3://bucket/x?aws_secret_access_key=hunter2", None),
        ("postgresql://h/x", "postgresql://h/x"),
        ("sqlite:////home/a@b/x.db", "sqlite:////home/a@b/x.db"),
        ("/a@b/blobs", "/a@b/blobs"),
    ],
)
def test_no_password_is_shown(url, shown):
    masked = without_password(url)
    assert "=secret" not in masked
    assert "hunter2" not in masked
    assert shown is None or masked == shown


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("sqlite:////var/x.db", None),
        ("sqlite:///x.db", None),
        ("postgresql://u:a/b#?c@h:5432/x?sslmode=require", None),
        ("postgresql+psycopg://[::1]:5432/x", None),
        ("postgresql:///x?host=/run/postgresql", None),
        ("mysql://u:secret@h/x", "'mysql'"),
        ("postgresql://u:secret@h:port/x", "port"),
        ("postgresql://u:secret@h:70000/x", "port"),
        ("registry.db", "no URL"),
        ("sqlite://", "in memory"),
        ("sqlite://registry.db", "in memory"),
        ("sqlite://host/x.db", "three slashes"),
    ],
)
def test_urls_of_databases(url, fault):
    found = database_fault(url)
    assert (found is None) == (fault is None)
    assert found is None or (fault in found and "expected" in found) or "name a file" in found
    assert "secret" not in (found or "")
    if fault is None:
        Database(url).dispose()  # SQLAlchemy reads it too


@pytest.mark.parametrize("url", ["redis://h:6379/0", "redis+socket:///s", "filesystem:///f", "amqp://u:p@h//"])
def test_urls_of_brokers(url):
    assert broker_fault(url) is None


@pytest.mark.parametrize("url", ["redis", "localhost:6379", "redis://h:x/0"])
def test_what_is_no_broker(url):
    assert "expected redis://host:6379/0" in (broker_fault(url) or "")


def test_urls_of_stores():
    assert [store_fault(url) for url in ("/blobs", "file:///blobs", "s3://b/p", "az://c")] == [None] * 4
    assert "'s4'" in (store_fault("s4://b") or "")
    assert "no folder or bucket" in (store_fault("s3://") or "")
