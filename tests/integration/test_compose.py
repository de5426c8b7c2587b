"""docker-compose.yml and Dockerfile: as files, and as services on this machine's PostgreSQL and Redis."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scripts() -> Iterator[Any]:
    """The modules of scripts/ that this is about."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import check_compose
        import compose_files

        yield (compose_files, check_compose)
    finally:
        sys.path.remove(str(ROOT / "scripts"))


@pytest.fixture
def document(scripts: Any) -> Any:
    return copy.deepcopy(scripts[0].compose({"POCKETREC_API_KEY": "k", "POSTGRES_PASSWORD": "p"}))


def test_both_files_are_as_they_should_be(scripts: Any, document: Any) -> None:
    assert scripts[0].dockerfile_faults() == []
    assert scripts[0].compose_faults(document) == []


@pytest.mark.parametrize("missing", ["POCKETREC_API_KEY", "POSTGRES_PASSWORD"])
def test_nothing_starts_without_its_secrets(scripts: Any, missing: str) -> None:
    given = {"POCKETREC_API_KEY": "k", "POSTGRES_PASSWORD": "p"}
    for absent in ({name: value for name, value in given.items() if name != missing}, {**given, missing: ""}):
        with pytest.raises(scripts[0].NotSet, match=missing):
            scripts[0].compose(absent)


@pytest.mark.parametrize(
    ("service", "change", "fault"),
    [
        ("api", {"ports": ["8000:8000"]}, "open to other machines"),
        ("api", {"read_only": False}, "read_only"),
        ("worker", {"container_name": "worker"}, "from being scaled"),
        ("worker", {"stop_grace_period": "10s"}, "over 20 s"),
        ("worker", {"depends_on": {"redis": {"condition": "service_started"}}}, "healthy"),
        ("redis", {"image": "redis:latest"}, "exact version"),
        ("redis", {"command": ["redis-server"]}, "noeviction"),
        ("postgres", {"volumes": ["lost:/var/lib/postgresql/data"]}, "named volume"),
        ("postgres", {"cap_drop": []}, "cap_drop"),
    ],
)
def test_the_checker_sees_a_fault(scripts: Any, document: Any, service: str, change: Any, fault: str) -> None:
    document["services"][service].update(change)
    found = scripts[0].compose_faults(document)
    assert any(fault in text and text.startswith(service) for text in found), found


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("USER 10001:10001", "USER root", "not to be root"),
        ("PYTHON_IMAGE=python:3.11.14-slim-bookworm\n", "PYTHON_IMAGE=python:3\n", "exact version"),
        ("COPY requirements/api.txt", "COPY requirements/worker.txt", "TensorFlow"),
        ("COPY app app", "COPY application app", "no such file"),
        ("COPY app app", "COPY docs docs", ".dockerignore"),
        ("--require-hashes --no-compile", "--no-compile", "--require-hashes"),
    ],
)
def test_the_checker_sees_a_fault_in_the_dockerfile(
    scripts: Any, tmp_path: Path, before: str, after: str, fault: str
) -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert before in text
    path = tmp_path / "Dockerfile"
    path.write_text(text.replace(before, after), encoding="utf-8")
    found = scripts[0].dockerfile_faults(path)
    assert any(fault in text for text in found), found


@pytest.mark.integration
@pytest.mark.e2e
@pytest.mark.timeout(280)
def test_jobs_go_through_an_api_and_two_workers_on_postgresql_and_redis(scripts: Any) -> None:
    """As `make compose-check` does it; one of the workers is killed on the way."""
    if (missing := scripts[1].unavailable()) is not None:
        pytest.skip(missing)
    done = subprocess.run(
        [sys.executable, "scripts/check_compose.py"], cwd=ROOT, capture_output=True, text=True, timeout=270
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "both models have the same bytes" in done.stdout
