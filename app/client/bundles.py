"""Unpacking a bundle and proving that its files are the ones its manifest names."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from app.client.downloads import file_sum
from app.client.errors import BundleInvalid, ChecksumMismatch

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class VerifiedBundle:
    """A folder whose files all have the sums in its manifest."""

    folder: Path
    manifest: dict[str, Any]
    files: int
    bytes: int

    def read_json(self, name: str) -> Any:
        """The content of one of its JSON files, such as `report.json`."""
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


def install(archive: Path, folder: Path) -> VerifiedBundle:
    """Unpack a bundle's zip and verify it; `folder`, which is new or empty, gets its files once every one is right.

    Raises:
        BundleInvalid, ChecksumMismatch: see `unpack` and `verify`. Nothing is left of it then.
    """
    place = folder.resolve()  # it may be given as "."
    place.parent.mkdir(parents=True, exist_ok=True)
    temporary = place.with_name(f".{place.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        unpack(archive, temporary)
        verified = verify(temporary)
        if place.exists():
            for child in temporary.iterdir():
                child.rename(place / child.name)
        else:
            temporary.rename(place)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return replace(verified, folder=folder)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a bundle's zip into `folder`.

    Raises:
        BundleInvalid: not a zip, or a name in it leads out of the folder.
    """
    try:
        with zipfile.ZipFile(archive) as bundle:
            for name in bundle.namelist():
                require_inside(name, archive.name)
            bundle.extractall(folder)
    except zipfile.BadZipFile as error:
        raise BundleInvalid(f"{archive.name}: not a zip file ({error}); download it again") from None


def require_inside(name: str, origin: str) -> None:
    """Refuse a file's name that would lead out of the folder it is to be written to; `origin` is where it was found.

    Raises:
        BundleInvalid: it would.
    """
    if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts or ":" in name:
        raise BundleInvalid(f"{origin}: the name {name!r} leads out of the folder; refused")


def verify(folder: Path) -> VerifiedBundle:
    """Check size and sha256 of every file that the manifest names, and that there is no other.

    Raises:
        BundleInvalid: no manifest, or files that it doesn't name.
        ChecksumMismatch: a file is missing or altered.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        listed = {entry["path"]: entry for entry in manifest["files"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleInvalid(f"{folder / MANIFEST}: missing or not a bundle's manifest ({error})") from None
    present = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()} - {MANIFEST}
    strangers = sorted(present - set(listed))
    if strangers:
        raise BundleInvalid(f"{folder}: the manifest doesn't name {', '.join(strangers[:5])}; refused")
    for path, entry in listed.items():
        file = folder / path
        if path not in present:
            raise ChecksumMismatch(f"{file}: named by the manifest but missing; download the bundle again")
        if file.stat().st_size != entry["bytes"] or file_sum(file) != entry["sha256"]:
            raise ChecksumMismatch(f"{file}: doesn't have the sha256 in the manifest; it was altered, don't use it")
    total = sum(entry["bytes"] for entry in listed.values())
    return VerifiedBundle(folder, manifest, len(listed), total)
