from __future__ import annotations

import io
import stat
import struct
import warnings
import zipfile
from pathlib import Path

import pytest

from reco_core.datasets import Limits, load
from reco_core.errors import ArchiveRejected, DatasetUnreadable

LOG = "user,item,ts\na,x,1\nb,y,2\n"


def packed(tmp_path: Path, *members: tuple[str | zipfile.ZipInfo, str | bytes]) -> Path:
    path = tmp_path / "d.zip"
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_a_sound_zip_and_nothing_left_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temp"))
    (tmp_path / "temp").mkdir()
    assert len(load(packed(tmp_path, ("log.csv", LOG)))) == 2
    assert not list((tmp_path / "temp").iterdir())


@pytest.mark.parametrize(
    "name",
    [
        "../log.csv",
        "a/../../log.csv",
        "/log.csv",
        "C:log.csv",
        "a\\..\\log.csv",
        "a/b/c/d/e/f/g/h/i/log.csv",
        "x" * 600 + ".csv",
    ],
)
def test_names_that_lead_elsewhere(tmp_path, name):
    with pytest.raises(ArchiveRejected):
        load(packed(tmp_path, (name, LOG)))


def test_links_and_devices(tmp_path):
    for kind in (stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO):
        info = zipfile.ZipInfo("log.csv")
        info.external_attr = (kind | 0o777) << 16
        with pytest.raises(ArchiveRejected, match="link or a device"):
            load(packed(tmp_path, (info, "/etc/passwd")))


@pytest.mark.parametrize("second", ["log.csv", "LOG.csv", "./log.csv"])
def test_names_twice(tmp_path, second):
    with pytest.raises(ArchiveRejected, match="more than once"):
        load(packed(tmp_path, ("log.csv", LOG), (second, LOG)))


def test_too_many_entries_by_the_end_record_alone(tmp_path):
    path = packed(tmp_path, *((f"{number}.csv", "") for number in range(30)))
    with pytest.raises(ArchiveRejected, match="more than 20 entries"):
        load(path, limits=Limits(archive_entries=20))


def test_too_many_entries_of_a_zip64_whose_short_record_lies(tmp_path):
    path = packed(tmp_path, *((f"{number}.csv", "") for number in range(30)))
    content = path.read_bytes()
    at = content.rfind(b"PK\x05\x06")
    size, offset = struct.unpack("<LL", content[at + 12 : at + 20])
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 30, 30, size, offset)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, at, 1)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 100, offset, 0)
    path.write_bytes(content[:at] + record + locator + end)
    assert len(zipfile.ZipFile(path).infolist()) == 30, "a reader believes the long record"
    with pytest.raises(ArchiveRejected, match="more than 20 entries"):
        load(path, limits=Limits(archive_entries=20))


def test_a_bomb_is_stopped_by_ratio_and_by_size(tmp_path):
    path = packed(tmp_path, ("log.csv", b"user,item,ts\n" + b"a,x,1\n" * 12_000_000))
    with pytest.raises(ArchiveRejected, match="times its size"):
        load(path)
    with pytest.raises(ArchiveRejected, match="which is the limit"):
        load(path, limits=Limits(archive_bytes=1 << 20))


def test_a_size_that_lies(tmp_path):
    path = packed(tmp_path, ("log.csv", LOG * 100))
    data = bytearray(path.read_bytes())
    entry = data.find(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 10)  # the size that the table of contents announces
    path.write_bytes(data)
    with pytest.raises(DatasetUnreadable, match="damaged"):
        load(path)


def test_overlapping_members(tmp_path):
    path = packed(tmp_path, ("a.csv", LOG), ("b.csv", LOG))
    data = bytearray(path.read_bytes())
    second = data.find(b"PK\x01\x02", data.find(b"PK\x01\x02") + 1)
    data[second + 42 : second + 46] = struct.pack("<I", 0)  # both entries now point at the first member
    path.write_bytes(data)
    with pytest.raises(ArchiveRejected, match="overlap"):
        load(path)


def test_encrypted_damaged_and_cut(tmp_path):
    path = packed(tmp_path, ("log.csv", LOG * 50))
    good = path.read_bytes()
    flagged = bytearray(good)
    flagged[good.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(flagged)
    with pytest.raises(ArchiveRejected, match="encrypted"):
        load(path)
    for content in (good[: len(good) // 2], good[:40] + b"\xff" * 10 + good[50:], b"PK\x03\x04", b"PK\x05\x06"):
        path.write_bytes(content)
        with pytest.raises(DatasetUnreadable):
            load(path)


def test_empty_and_zip_in_zip(tmp_path):
    with pytest.raises(DatasetUnreadable, match="no log found"):
        load(packed(tmp_path))
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("log.csv", LOG)
    with pytest.raises(DatasetUnreadable, match="no log found"):
        load(packed(tmp_path, ("inner.zip", inner.getvalue())))
