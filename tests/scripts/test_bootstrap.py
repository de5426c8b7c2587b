"""Whatever makes `pip install` work makes `make setup` work; what uv was told itself comes first."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "scripts" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_any_settings_nothing_is_added(bootstrap: ModuleType) -> None:
    assert bootstrap.uv_environment({"PATH": "/bin"}, {}) == {"PATH": "/bin"}


def test_settings_of_pip_are_handed_on(bootstrap: ModuleType) -> None:
    pip = {
        "index-url": "https://mirror.example/simple",
        "extra-index-url": "https://a.example/simple  https://b.example/simple",
        "find-links": "/wheels /more",
        "cert": "/ca.pem",
    }
    assert bootstrap.uv_environment({}, pip) == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_INDEX": "https://a.example/simple https://b.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels,/more",
        "SSL_CERT_FILE": "/ca.pem",
    }


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_CONFIG_FILE"])
def test_an_index_that_uv_was_told_is_kept(bootstrap: ModuleType, name: str) -> None:
    given = {name: "https://uv.example/simple"}
    assert bootstrap.uv_environment(given, {"index-url": "https://pip.example/simple"}) == given


def test_pip_s_own_files_and_environment_are_read(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "pip.conf"
    config.write_text(
        "[global]\nindex-url = https://file.example/simple\ncert = /ca.pem\n"
        "[install]\nfind-links =\n    /one\n    /two\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment.example/simple")
    for name in ("PIP_FIND_LINKS", "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)
    pip = [sys.executable, "-m", "pip", "--version"]
    python = sys.executable
    if subprocess.run(pip, capture_output=True, check=False).returncode != 0:
        python = getattr(sys, "_base_executable", python)
    if subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this Python has no pip")
    monkeypatch.setattr(sys, "executable", python)
    settings = bootstrap.pip_settings()
    assert settings["index-url"] == "https://environment.example/simple"
    assert settings["cert"] == "/ca.pem"
    assert settings["find-links"].split() == ["/one", "/two"]


@pytest.mark.parametrize("name", ["uv.txt", "api.txt", "worker.txt", "dev.txt"])
def test_locked_requirements_are_pinned_with_hashes_and_name_no_index(name: str) -> None:
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    packages = [line for line in lines if line and not line.startswith((" ", "#"))]
    assert packages
    assert all(re.match(r"[a-z0-9._-]+(\[[a-z,-]+\])?==\S+", line) and line.endswith("\\") for line in packages)
    assert not [line for line in lines if "://" in line or line.startswith("-")]


def test_the_api_s_requirements_hold_no_tensorflow() -> None:
    text = (ROOT / "requirements" / "api.txt").read_text(encoding="utf-8")
    assert not re.search(r"^(tensorflow|keras|ai-edge-litert)", text, re.M)
    assert re.search(
        r"^tensorflow-cpu==2\.21", (ROOT / "requirements" / "worker.txt").read_text(encoding="utf-8"), re.M
    )


def test_help_lists_the_targets_without_any_setup(tmp_path: Path) -> None:
    for name in ("Makefile",):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run(["make", "help"], cwd=tmp_path, capture_output=True, text=True, check=True, env=os.environ)
    for target in ("setup", "demo", "test", "check", "lock", "clean"):
        assert f"make {target}" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]
