"""What the trainer does around the pipeline."""

from __future__ import annotations

from threading import Event

from reco_core import datasets
from worker import pipeline_jobs


class _Listener:
    def __getattr__(self, name):
        return lambda *_, **__: None


def test_a_training_that_also_writes_records_reads_its_dataset_once(
    tensorflow_runtime, reference_log, tmp_path, monkeypatch
):
    from reco_core import bundle, pipeline

    (tmp_path / "outputs").mkdir()
    log, read, ran = datasets.load(reference_log), [], []
    monkeypatch.setattr(datasets, "restore", lambda folder: read.append(folder) or log)
    monkeypatch.setattr(pipeline, "run", lambda _, prepared, *__, **___: ran.append(prepared))
    monkeypatch.setattr(bundle, "zip_bundle", lambda *_: None)
    order = {"config": {"preset": "bow", "examples": {"tfrecord": True}}}
    pipeline_jobs.train(order, tmp_path, _Listener(), Event())
    assert read == [tmp_path / "inputs" / "dataset"]
    assert len(ran) == 1
    assert (tmp_path / "outputs" / "examples" / "summary.json").exists()
