"""Hostile uploads through the API, a test for each row of the table: what a client gets to see, and that nothing stays.

The content is read as the worker reads it, in this process; that reading is also limited in memory and time is shown in
tests/worker/test_validation.py, and that a real server cuts what is sent to it in tests/app/test_real_server.py.
"""

from __future__ import annotations

import errno
import io
import json
import stat
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from reco_core.datasets import DatasetSpec, Limits, load, preview
from reco_core.errors import PocketRecError
from registry import datasets, jobs

LOG = b"user,item,ts\na,x,1\nb,y,2\n"
LIMITS = Limits(
    rows=1000,
    columns=50,
    record_bytes=1000,
    archive_entries=20,
    archive_bytes=1 << 20,
)


@pytest.fixture
def outcome(service: Any, tmp_path: Path) -> Any:
    """outcome(content, filename) -> the dataset as the API shows it once it has been read."""

    def read(content: bytes, filename: str = "log.csv", **fields: str) -> dict[str, Any]:
        answer = service.upload(content, filename, **fields)
        assert answer.status_code == 202, answer.text
        made = answer.json()
        folder = tmp_path / made["id"]
        [entry] = made["files"]
        service.blobs.fetch(entry["sha256"], folder / entry["path"])
        claim = service.claim(made["validation_job_id"])
        spec, path = DatasetSpec.model_validate(made["spec"]), folder / entry["path"]
        with service.database.write() as session:
            try:
                report = load(path, spec, LIMITS).report
            except PocketRecError as error:
                found: Any = getattr(error, "report", None)
                datasets.mark_invalid(
                    session,
                    claim,
                    error=json.loads(json.dumps(error.as_dict())),
                    report=None if found is None else found.as_dict(),
                    preview=preview.first_lines(path, spec, LIMITS),
                )
            else:
                shown = {"report": report.as_dict(), "preview": report.preview}
                datasets.mark_ready(session, claim, content_hash="c" * 64, files=[], **shown)
            jobs.succeed(session, claim, {})
        shown = service.client.get(f"/v1/datasets/{made['id']}")
        assert shown.status_code == 200
        assert shown.headers["X-Content-Type-Options"] == "nosniff"
        assert service.client.get(f"/v1/datasets/{made['id']}/preview").status_code in (200, 404)
        return shown.json()  # type: ignore[no-any-return]

    return read


def packed(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        warnings.simplefilter("ignore")
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def special(kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("log.csv")
    info.external_attr = (kind | 0o777) << 16
    return info


def overlapping() -> bytes:
    content = bytearray(packed(("a.csv", LOG * 20), ("b.csv", LOG * 20)))
    first, second = content.find(b"PK\x01\x02"), content.rfind(b"PK\x01\x02")
    content[second + 42 : second + 46] = content[first + 42 : first + 46]
    return bytes(content)


@pytest.mark.parametrize(
    ("archive", "words"),
    [
        (packed(("log.csv", LOG + b"a,x,1\n" * 400_000)), "unpacks to more than"),
        (overlapping(), "overlap"),
        (packed(*((f"{number}.csv", b"") for number in range(30))), "more than 20 entries"),
        (packed(("../log.csv", LOG)), "leads out of the archive"),
        (packed(("/etc/log.csv", LOG)), "absolute"),
        (packed((special(stat.S_IFLNK), b"/etc/passwd")), "link or a device"),
        (packed((special(stat.S_IFCHR), b"")), "link or a device"),
        (packed(("log.csv", LOG), ("LOG.csv", LOG)), "more than once"),
    ],
    ids=["bomb", "overlap", "many", "parent", "absolute", "symlink", "device", "twice"],
)
def test_archives(outcome: Any, archive: bytes, words: str) -> None:
    error = outcome(archive, "log.zip")["error"]
    assert (error["code"], error["status"]) == ("archive_rejected", 422)
    assert words in error["detail"]


def test_a_zip_in_a_zip_is_not_opened(outcome: Any) -> None:
    assert outcome(packed(("log.zip", packed(("log.csv", LOG)))), "log.zip")["error"]["code"] == "dataset_unreadable"


def test_parquet_bomb_and_corrupt_footer(outcome: Any) -> None:
    file = io.BytesIO()
    pl.DataFrame({"user": np.zeros(5000, np.int8), "item": 1, "ts": 1}).write_parquet(file)
    error = outcome(file.getvalue(), "log.parquet")["error"]
    assert (error["code"], "5,000 rows" in error["detail"]) == ("dataset_too_large", True)
    broken = file.getvalue()[:-40] + b"\xff" * 32 + file.getvalue()[-8:]
    assert outcome(broken, "log.parquet")["error"]["code"] == "dataset_unreadable"


@pytest.mark.parametrize(
    ("content", "code", "fault", "line"),
    [
        (LOG + b"c\xff,z,3\n", "dataset_invalid", "encoding_invalid", 4),
        (LOG + b"c,z\n", "dataset_invalid", "ragged", 4),
        (b"user,user,item,ts\n" + b"a,b,x,1\n", "dataset_invalid", "duplicate_header", 1),
        (LOG + b"c,z\0,3\n", "dataset_invalid", "nul_byte", 4),
        (LOG + b"c," + b"z" * 2000 + b",3\n", "dataset_invalid", "line_too_long", 4),
        (LOG + b",z,3\n", "dataset_invalid", "user_missing", 4),
        (LOG + b"c,,3\n", "dataset_invalid", "item_missing", 4),
        (LOG + b"c,z,NaN\n", "dataset_invalid", "timestamp_invalid", 4),
        (b"user,item,ts,rating\na,x,1,1\nb,y,2,inf\n", "dataset_invalid", "rating_invalid", 3),
    ],
)
def test_text_with_bad_rows(outcome: Any, content: bytes, code: str, fault: str, line: int) -> None:
    body = outcome(content)
    assert body["status"] == "invalid"
    assert body["error"]["code"] == code
    assert body["error"]["errors"][0]["code"] == fault
    assert f"line {line}" in body["error"]["detail"]
    assert len(json.dumps(body)) < 5000, "values are cut"
    if fault != "duplicate_header":
        rows = body["report"]["rows"]
        assert rows["rejected"] == {fault: 1}
        assert rows["in"] == rows["accepted"] + 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"user,item,ts\n", "dataset_too_small"),
        (b"user,item,ts\na,x,1\na,y,2\n", "dataset_too_small"),
        (b"user,item,ts\na,x,1\nb,x,2\n", "dataset_too_small"),
        (b"user,item,ts" + b",c" * 60 + b"\n", "dataset_too_large"),
        (LOG + b"a,x,1\n" * 1000, "dataset_too_large"),
        (b"\x1f\x8b\x08\x00" + b"\xff" * 100, "dataset_unreadable"),
    ],
    ids=["no rows", "one user", "one item", "columns", "rows", "gzip"],
)
def test_too_small_too_large_and_unreadable(outcome: Any, content: bytes, code: str) -> None:
    assert outcome(content)["error"]["code"] == code


def test_a_byte_order_mark_is_accepted(outcome: Any) -> None:
    assert outcome(b"\xef\xbb\xbf" + LOG)["status"] == "ready"


def test_markup_and_formulas_are_text(outcome: Any, service: Any) -> None:
    log = LOG.replace(b"x", b"<script>alert(1)</script>").replace(b"y", b"=1+1")
    titles = 'item,title\n"=1+1","=HYPERLINK(""http://x"")"\n<script>alert(1)</script>,<img src=x onerror=alert(1)>\n'
    body = outcome(packed(("log.csv", log), ("items.csv", titles.encode())), "log.zip", name="<b>=cmd|'/C'!A0")
    assert (body["status"], body["name"]) == ("ready", "<b>=cmd|'/C'!A0")
    answer = service.client.get(f"/v1/datasets/{body['id']}/preview")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert [item["title"] for item in answer.json()["items"]] == [
        '=HYPERLINK("http://x")',
        "<img src=x onerror=alert(1)>",
    ]


def test_a_full_disk(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    answer = service.upload(LOG)
    assert (answer.status_code, answer.json()["code"]) == (507, "insufficient_storage")
    monkeypatch.undo()
    assert [path for path in (service.settings.state_dir / "uploads").rglob("*") if path.is_file()] == []
    assert service.client.get("/v1/datasets").json()["data"] == []
