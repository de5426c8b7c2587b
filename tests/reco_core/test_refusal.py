"""The pipeline itself refuses what this machine can't hold, whoever starts it."""

from __future__ import annotations

import pytest

from reco_core.errors import ResourceEstimateExceeded


def test_a_job_larger_than_this_machine_is_refused_before_training(
    tensorflow_runtime, make_config, planted, tmp_path, monkeypatch
):
    from reco_core import pipeline

    monkeypatch.setattr(pipeline, "machine_memory", lambda: 500_000_000)
    with pytest.raises(ResourceEstimateExceeded, match=r"may have 0\.5 GB"):
        pipeline.run(make_config(), planted, tmp_path / "bundle", work=tmp_path)
    assert not (tmp_path / "bundle").exists()
    assert not (tmp_path / "checkpoints").exists()
