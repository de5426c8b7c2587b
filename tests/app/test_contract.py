"""The running service keeps the contract that /openapi.json states, whatever is sent: a short scripts/fuzz.py."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest

from tests.app.servers import Server

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = os.environ.get("POCKETREC_FUZZ_EXAMPLES", "4")


@pytest.fixture(scope="module")
def fuzz() -> Any:
    spec = importlib.util.spec_from_file_location("fuzz", ROOT / "scripts" / "fuzz.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_no_5xx_and_no_answer_that_is_not_described(fuzz: Any, make_service: Any, tmp_path: Path) -> None:
    service = make_service(api_key=fuzz.KEY)
    service.client.headers["Authorization"] = f"Bearer {fuzz.KEY}"
    version = service.published(
        {"model.tflite": b"model", "manifest.json": b"{}", "bundle.zip": b"zip", "weights/best.npz": b"best"}
    )
    invalid = service.validated(error={"code": "dataset_invalid", "message": "m", "errors": []})
    evaluation = service.client.post("/v1/jobs", json={"type": "evaluate", "base": {"model": "films", "version": 1}})
    service.made_files(evaluation.json()["id"], {"report.json": b"{}"})
    known = fuzz.parameters(
        datasets=[version.dataset_id, invalid.id],
        jobs=[version.job_id, evaluation.json()["id"], service.job().json()["id"]],
        model=version.model,
    )
    # Bad requests are sent too. Whether each was refused is left to longer runs: once in some thousand requests the
    # part that would have been bad, such as an empty list in the query, is nothing once it is written as HTTP.
    options = fuzz.parse(["--examples", EXAMPLES, "--no-shrink", "--exclude-checks", "negative_data_rejection"])
    shown = tmp_path / "shown.txt"
    with Server(service) as server, shown.open("w") as output:
        status = fuzz.fuzz(options, server.url, known, tmp_path, output)
    assert status == 0, shown.read_text(encoding="utf-8")[-20_000:]
