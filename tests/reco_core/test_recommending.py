"""Answers from a bundle, without TensorFlow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reco_core.errors import NotABundle, UnknownItems
from reco_core.recommending import recommend

ROOT = Path(__file__).parents[2]


def test_items_with_titles_and_scores_come_back(made):
    history = ["item-03", "item-07"]
    answer = recommend(made[0], history, 5)
    assert [item["title"] for item in answer["history"]] == ["Título 3", "Título 7"]
    found = answer["recommendations"]
    assert len(found) == 5
    assert not {item["id"] for item in found} & set(history)
    assert [item["score"] for item in found] == sorted((item["score"] for item in found), reverse=True)
    assert all(item["title"] == f"Título {int(item['id'].removeprefix('item-'))}" for item in found)


def test_an_empty_history_is_answered(made):
    assert len(recommend(made[0], [], 100)["recommendations"]) == 20  # all that the file gives


def test_unknown_ids_get_a_suggestion(made):
    with pytest.raises(UnknownItems, match=r"not in the vocabulary: item-3x; did you mean item-\d\d, ") as caught:
        recommend(made[0], ["item-01", "item-3x"], 5)
    assert caught.value.errors[0].pointer == "/history"
    with pytest.raises(UnknownItems, match=r"see vocabulary/items\.txt"):
        recommend(made[0], ["§"], 5)


@pytest.mark.parametrize("gone", ["model.tflite", "items.json"])
def test_a_folder_without_its_files_is_no_bundle(made, tmp_path, gone):
    shutil.copytree(made[0], tmp_path / "copy")
    (tmp_path / "copy" / gone).unlink()
    with pytest.raises(NotABundle, match="give the folder of an unpacked bundle"):
        recommend(tmp_path / "copy", ["item-01"], 5)


@pytest.mark.parametrize("name", ["model.tflite", "items.json"])
def test_a_damaged_bundle_is_a_typed_error(made, tmp_path, name):
    shutil.copytree(made[0], tmp_path / "copy")
    (tmp_path / "copy" / name).write_bytes(b"nonsense")
    with pytest.raises(NotABundle):
        recommend(tmp_path / "copy", ["item-01"], 5)


def test_the_command_works_where_there_is_no_tensorflow(made):
    script = (
        "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None\n"
        "from reco_core.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["recommend", "--bundle", str(made[0]), "--history", "item-03, item-07", "--top", "3"]
    call = [sys.executable, "-c", script, *arguments]
    asked = [
        subprocess.run([*call, *more], cwd=ROOT, capture_output=True, encoding="utf-8", timeout=60, check=True).stdout
        for more in ([], ["--json"])
    ]
    expected = recommend(made[0], ["item-03", "item-07"], 3)
    assert json.loads(asked[1]) == expected
    titles = [line.split(maxsplit=1)[1] for line in asked[0].splitlines()]
    assert titles == [item["title"] for item in expected["recommendations"]]


def test_the_command_reports_typed_errors(made, reco_core):
    done = reco_core("recommend", "--bundle", made[0], "--history", "item-3x")
    assert done.returncode == 2
    assert "did you mean item-" in done.stderr
    assert json.loads(done.stdout)["code"] == "unknown_items"
    assert "Traceback" not in done.stderr
