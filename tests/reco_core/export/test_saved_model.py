"""The SavedModel that may be kept answers as the files made from it do."""

from __future__ import annotations

import zipfile

import numpy as np

from reco_core.inference import Recommender, left_aligned


def test_the_kept_saved_model_answers_as_the_file(trained, tmp_path):
    import tensorflow as tf

    from reco_core import export

    config, example_set, found = trained("bow")
    only = config.model_copy(update={"export": config.export.model_copy(update={"variants": ("float32",)})})
    kept = tmp_path / "saved_model.zip"
    files = export.export(only, found.model, example_set.vocabulary, tmp_path / "files", keep_saved_model=kept)
    with zipfile.ZipFile(kept) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist() == sorted(archive.namelist())
        archive.extractall(tmp_path / "unpacked")
    loaded = tf.saved_model.load(str(tmp_path / "unpacked"))
    recommender = Recommender(files.variants["float32"].path)
    for history in ([], [3], [9, 4, 17, 2]):
        aligned = left_aligned(np.array(history, np.int32), 6)
        found_there = loaded.signatures["recommend"](history=tf.constant(aligned))
        ids, scores = recommender.recommend(np.array(history, np.int32))
        assert found_there["ids"].numpy()[0].tolist() == ids.tolist()
        assert np.allclose(found_there["scores"].numpy()[0], scores, atol=1e-5)


def test_without_being_asked_none_is_kept(export_untrained, tmp_path):
    export_untrained(10, only_float32=True)
    assert [path.name for path in tmp_path.iterdir()] == ["files"]
