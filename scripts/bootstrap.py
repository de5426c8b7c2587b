"""Make .venv from the locked requirements, with nothing but Python 3.11+ and a package index.

Standard library only, since it runs before anything is installed. `--lock` resolves the requirements anew instead.

uv doesn't read pip's configuration. Where only pip has been told about an index, a folder of wheels or a certificate,
its settings are handed on to uv, so that whatever makes `pip install` work makes this work.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
STAMP = ROOT / ".venv" / ".pocketrec-ready"
LOCKS = {
    "uv.txt": ["requirements/uv.in"],
    "build.txt": ["requirements/build.in"],
    "api.txt": ["pyproject.toml"],
    "worker.txt": ["pyproject.toml", "--extra", "train"],
    "dev.txt": ["pyproject.toml", "--extra", "train", "--group", "dev"],
}


def main(arguments: list[str]) -> int:
    """Set up, or lock with `--lock`; the exit status."""
    os.chdir(ROOT)
    try:
        uv = find_uv()
        lock(uv) if arguments == ["--lock"] else install(uv)
    except subprocess.CalledProcessError as error:
        print(f"setup: `{' '.join(map(str, error.cmd[:4]))} ...` failed; its own message is above", file=sys.stderr)
        return 1
    return 0


def find_uv() -> str:
    """The uv on PATH, or the pinned one, installed into .tools/uv where there is none."""
    found = shutil.which("uv")
    if found:
        return found
    folder = ROOT / ".tools" / "uv"
    binaries = folder / ("Scripts" if os.name == "nt" else "bin")
    uv = binaries / ("uv.exe" if os.name == "nt" else "uv")
    if not uv.exists():
        say("installing uv into .tools/uv")
        venv.create(folder, with_pip=True, clear=True)
        pip = [binaries / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        run([*pip, "--require-hashes", "-r", REQUIREMENTS / "uv.txt"])
    return str(uv)


def install(uv: str) -> None:
    """Bring .venv to exactly the locked packages, then the project itself, editable."""
    environment = uv_environment(os.environ, pip_settings())
    python = ROOT / ".venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        say(f"making .venv with Python {sys.version.split()[0]}")
        run([uv, "venv", "--quiet", "--no-python-downloads", "--python", sys.executable, ".venv"], environment)
    say("installing the locked requirements (about 1.5 GB with TensorFlow; minutes the first time)")
    # Compiled now, since where PYTHONDONTWRITEBYTECODE is set every start of TensorFlow would cost six seconds more.
    sync = [uv, "pip", "sync", "--compile-bytecode", "--python", python, "--require-hashes"]
    run([*sync, "requirements/dev.txt"], environment)
    editable = ["--no-deps", "--no-build-isolation", "--editable", "."]
    run([uv, "pip", "install", "--quiet", "--python", python, *editable], environment)
    run([python, "-m", "compileall", "-q", "app", "registry", "worker", "reco_core"])
    STAMP.write_text(sys.version + "\n", encoding="utf-8")
    say("ready: .venv/bin/pocketrec --help")


def lock(uv: str) -> None:
    """Resolve every file in `LOCKS` for all platforms, with hashes and without an index address."""
    environment = uv_environment(os.environ, pip_settings())
    options = ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-emit-index-url", "--no-annotate"]
    for name, sources in LOCKS.items():
        say(f"locking requirements/{name}")
        output = ["--custom-compile-command", "make lock", "--output-file", f"requirements/{name}"]
        run([uv, "pip", "compile", "--quiet", *sources, *options, *output], environment)


def uv_environment(environment: Mapping[str, str], pip: Mapping[str, str]) -> dict[str, str]:
    """`environment` with pip's settings under uv's names, unless uv has index settings of its own.

    `pip` maps option names such as `index-url` to values; values with several entries are separated by spaces.
    """
    result = dict(environment)
    names = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_CONFIG_FILE")
    if not any(result.get(name) for name in names):
        if pip.get("index-url"):
            result["UV_DEFAULT_INDEX"] = pip["index-url"]
        if pip.get("extra-index-url"):
            result["UV_INDEX"] = " ".join(pip["extra-index-url"].split())
            # pip looks at all indexes for every package; uv would stop at the first that knows its name. The hashes
            # in the lock say which files are the right ones.
            result["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if pip.get("find-links"):
        result.setdefault("UV_FIND_LINKS", ",".join(pip["find-links"].split()))
    if pip.get("cert"):
        result.setdefault("SSL_CERT_FILE", pip["cert"])
    if pip.get("trusted-host"):
        result.setdefault("UV_INSECURE_HOST", " ".join(pip["trusted-host"].split()))
    return result


def pip_settings() -> dict[str, str]:
    """What pip's configuration files and environment say, by option name; later sources win, as in pip."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listing = subprocess.run(command, capture_output=True, text=True, check=False)  # a Python without pip: no settings
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listing.stdout.splitlines():
        key, separator, value = line.partition("=")
        section, _, option = key.partition(".")
        if separator and section in sections:
            plain = value.strip().strip("'\"").replace("\\n", " ").strip()
            sections[section][option.replace("_", "-")] = plain
    return {**sections["global"], **sections["install"], **sections[":env:"]}


def run(command: list[str | Path], environment: Mapping[str, str] | None = None) -> None:
    """Run `command` in the project's folder.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    subprocess.run([str(part) for part in command], check=True, env=environment)


def say(message: str) -> None:
    """A line of progress."""
    print(f"setup: {message}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
