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


def test_an_export_with_new_items_hands_them_over_as_a_table(tmp_path, monkeypatch):
    from reco_core import adding, bundle
    from reco_core.datasets.new_items import load_items

    (tmp_path / "inputs").mkdir()
    asked = {}

    def add_items(weights, base, items, out, **options):
        asked.update(weights=weights, base=base, table=load_items(items, ["genres"]), out=out, **options)

    monkeypatch.setattr(adding, "add_items", add_items)
    monkeypatch.setattr(pipeline_jobs, "_prepared", lambda *_: "examples")
    monkeypatch.setattr(bundle, "zip_bundle", lambda *_: None)
    items = [
        {"id": "9", "title": "Nine", "attributes": ["Drama"], "features": {"year": 1999}},
        {"id": "8", "title": None, "attributes": [], "features": {}},
    ]
    base = {"model": "films", "version": 3, "checkpoint": "best", "new_items": items, "skip_existing": True}
    order = {"config": {"preset": "bow", "export": {"top_k": 7}}, "base": base}
    pipeline_jobs.export(order, tmp_path, _Listener(), Event())
    assert asked["weights"] == tmp_path / "inputs" / "base" / "weights" / "best.npz"
    assert (asked["source"], asked["version"], asked["skip_existing"]) == ("examples", "films@3", True)
    assert asked["changes"]["export"]["top_k"] == 7
    table = asked["table"]
    assert (table.ids, table.titles, table.attributes) == (("9", "8"), ("Nine", None), (("Drama",), ()))
    assert table.further["year"].to_list() == [1999, None]
