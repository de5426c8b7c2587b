"""A client that knows a bundle's files and nothing of this project gets the lists that the command gives.

It reads manifest.json, the vocabulary and model.tflite, as an app does in its own language.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

ROOT = Path(__file__).parents[3]
TRAINED_LENGTH, LENGTH, TOP, EXCLUDED = 6, 4, 7, 3
FIRST = ("blå", "salty", "Ωmega", "wooden", "quiet", "two-way", "left", "o'clock")
SECOND = ("kettle", "door", "мост", "no. 7", "tea")
WORDS = tuple(f"{first} {second}" for first in FIRST for second in SECOND)


class PlainClient:
    """What an app's developer would write from docs/artifact-format.md."""

    def __init__(self, bundle: Path) -> None:
        manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
        self.signature = manifest["signatures"]["recommend"]
        self.lines = (bundle / "vocabulary" / "items.txt").read_text(encoding="utf-8").split("\n")[:-1]
        self.index = {raw: number for number, raw in enumerate(self.lines) if number > 0}
        self.run = Interpreter(model_path=str(bundle / "model.tflite")).get_signature_runner("recommend")

    def recommend(self, history: list[str], excluded: list[str] | None = None) -> list[tuple[str, float]]:
        inputs = {"history": self._slots(history, self.signature["history_length"])}
        if self.signature["exclude_ids"]:
            inputs["exclude_ids"] = self._slots(excluded or [], self.signature["exclude_ids"])
        outputs = self.run(**inputs)
        pairs = zip(outputs["ids"][0].tolist(), outputs["scores"][0].tolist(), strict=True)
        return [(self.lines[index], score) for index, score in pairs if index != 0]

    def _slots(self, raw_ids: list[str], slots: int) -> Any:
        newest = [self.index[raw] for raw in raw_ids][-slots:]
        return np.array([newest + [0] * (slots - len(newest))], np.int32)


@pytest.fixture(scope="module")
def bundle(reco_core, make_planted, make_config, tmp_path_factory) -> Path:
    """Items named by words; the file reads shorter histories than the model was trained with."""
    folder = tmp_path_factory.mktemp("words")
    log = make_planted(users=150, items=len(WORDS))
    rows = zip(log.users, log.items, log.timestamps, strict=True)
    lines = ["user_id,item_id,timestamp", *(f"{log.user_ids[user]},{WORDS[item]},{time}" for user, item, time in rows)]
    (folder / "data").mkdir()
    (folder / "data" / "interactions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = make_config(
        training={"max_epochs": 3},
        evaluation={"baselines": ["popular"]},
        export={
            "history_length": LENGTH,
            "top_k": TOP,
            "exclude_ids": EXCLUDED,
            "variants": ["float32", "float16"],
        },
        examples={"max_history_length": TRAINED_LENGTH},
    )
    (folder / "config.json").write_text(config.model_dump_json())
    done = reco_core("run", "--data", folder / "data", "--config", folder / "config.json", "--out", folder / "bundle")
    assert done.returncode == 0, done.stderr
    return folder / "bundle"


@pytest.fixture(scope="module")
def client(bundle) -> PlainClient:
    return PlainClient(bundle)


def histories() -> list[list[str]]:
    random = np.random.default_rng(5)
    lengths = (1, 2, LENGTH, LENGTH + 1, 5 * LENGTH)
    return [[], *([WORDS[code] for code in random.permutation(len(WORDS))[:length]] for length in lengths)]


def asked(bundle: Path, history: list[str]) -> list[dict[str, Any]]:
    """What `pocketrec recommend` answers."""
    options = ["--bundle", str(bundle), "--history", ",".join(history), "--top", str(TOP), "--json"]
    command = [sys.executable, "-m", "app.cli", "recommend", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, encoding="utf-8", timeout=120, check=True)
    return json.loads(done.stdout)["recommendations"]


def test_a_plain_client_gets_the_lists_of_the_command(bundle, client):
    for history in histories()[2:5]:
        own, theirs = client.recommend(history), asked(bundle, history)
        assert [raw for raw, _ in own] == [item["id"] for item in theirs]
        assert [score for _, score in own] == pytest.approx([item["score"] for item in theirs], abs=1e-4)


def test_lengths_chosen_at_export_are_those_of_the_file_and_of_the_manifest(client):
    signature = client.signature
    assert (signature["history_length"], signature["top_k"], signature["exclude_ids"]) == (LENGTH, TOP, EXCLUDED)
    shapes = {name: detail["shape"].tolist() for name, detail in client.run.get_input_details().items()}
    assert shapes == {"history": [1, LENGTH], "exclude_ids": [1, EXCLUDED]}
    assert shapes == {name: tensor["shape"] for name, tensor in signature["inputs"].items()}
    shapes = {name: detail["shape"].tolist() for name, detail in client.run.get_output_details().items()}
    assert shapes == {"ids": [1, TOP], "scores": [1, TOP]}


def test_every_list_is_full_and_without_the_history_that_the_file_reads(client):
    for history in histories():
        found = [raw for raw, _ in client.recommend(history)]
        assert len(set(found)) == TOP
        assert not set(found) & set(history[-LENGTH:])


def test_excluded_items_make_room_for_the_next_best(client):
    for history in histories():
        free = client.recommend(history)
        for excluded in ([free[0][0]], [free[0][0], free[2][0], free[6][0]], [WORDS[14]]):
            found = client.recommend(history, excluded)
            assert len(found) == TOP
            kept = [pair for pair in free if pair[0] not in excluded]
            assert found[: len(kept)] == kept
            assert not {raw for raw, _ in found} & set(excluded)


def test_only_the_newest_items_that_fit_are_read(client):
    long = histories()[-1]
    assert client.recommend(long) == client.recommend(long[-LENGTH:])
    assert client.recommend(long) != client.recommend(long[:LENGTH])


def test_the_model_file_alone_names_its_items(bundle, client):
    with zipfile.ZipFile(bundle / "model.tflite") as archive:
        assert archive.read("items.txt") == (bundle / "vocabulary" / "items.txt").read_bytes()
