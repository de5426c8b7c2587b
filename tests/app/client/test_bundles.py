"""A bundle is accepted only with every file as its manifest names it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from app.client import BundleInvalid, ChecksumMismatch, install, unpack, verify

FILES = {"model.tflite": b"model", "vocabulary/items.txt": b"<pad>\n42\n"}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    entries = []
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        entries.append({"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()})
    (folder / "manifest.json").write_text(json.dumps({"files": entries}))
    return folder


def test_a_whole_bundle_is_accepted(bundle: Path) -> None:
    verified = verify(bundle)
    assert (verified.files, verified.bytes) == (2, sum(map(len, FILES.values())))


def test_an_altered_file_is_refused_even_at_equal_size(bundle: Path) -> None:
    (bundle / "model.tflite").write_bytes(b"nodel")
    with pytest.raises(ChecksumMismatch, match=r"model\.tflite"):
        verify(bundle)


def test_a_missing_file_is_refused(bundle: Path) -> None:
    (bundle / "vocabulary/items.txt").unlink()
    with pytest.raises(ChecksumMismatch, match="missing"):
        verify(bundle)


def test_a_file_the_manifest_does_not_name_is_refused(bundle: Path) -> None:
    (bundle / "extra.so").write_bytes(b"?")
    with pytest.raises(BundleInvalid, match=r"extra\.so"):
        verify(bundle)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": [1]}'])
def test_a_broken_manifest_is_refused(bundle: Path, text: str) -> None:
    (bundle / "manifest.json").write_text(text)
    with pytest.raises(BundleInvalid, match="manifest"):
        verify(bundle)


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "..\\evil", "c:evil"])
def test_a_zip_whose_names_lead_out_is_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("model.tflite", b"model")
        bundle.writestr(name, b"evil")
    with pytest.raises(BundleInvalid, match="leads out"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_something_else_than_a_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bundle.zip").write_bytes(b"<html>")
    with pytest.raises(BundleInvalid, match="not a zip"):
        unpack(tmp_path / "bundle.zip", tmp_path / "out")


def zipped(bundle: Path) -> Path:
    archive = bundle.with_name("bundle.zip")
    with zipfile.ZipFile(archive, "w") as target:
        for file in sorted(bundle.rglob("*")):
            if file.is_file():
                target.write(file, file.relative_to(bundle).as_posix())
    return archive


def test_a_bundle_is_installed_whole(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(bundle)
    out = bundle.with_name("out")
    assert install(archive, out / "deep").folder == out / "deep"
    assert verify(out / "deep").files == 2
    here = bundle.with_name("here")
    here.mkdir()
    monkeypatch.chdir(here)
    assert install(archive, Path()).files == 2
    assert verify(here).files == 2
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["bundle", "bundle.zip", "here", "out"]


def test_nothing_is_left_of_a_bundle_that_is_refused(bundle: Path) -> None:
    (bundle / "model.tflite").write_bytes(b"nodel")
    before = sorted(bundle.parent.iterdir())
    archive = zipped(bundle)
    with pytest.raises(ChecksumMismatch):
        install(archive, bundle.with_name("out"))
    assert sorted(bundle.parent.iterdir()) == sorted([*before, archive])
