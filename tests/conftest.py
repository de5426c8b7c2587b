"""Fixtures for all tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from reco_core.config import JobConfig, load
from reco_core.datasets.types import Interactions, ItemTable, LoadReport
from tests.scheduling import pytest_xdist_make_scheduler  # noqa: F401 - a hook

# Compiling is most of what a small training takes, and unoptimised machine code is made in less than half of the time.
# Set before TensorFlow is loaded, also for processes that tests start; e2e/ and worker/test_exact_resume.py unset it:
# there everything is as it is shipped.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    " --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
)


# How long an example takes depends on what else the machine does, and says nothing of what is tested.
settings.register_profile("any machine", settings.default, deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def reference_log() -> Path:
    """Folder with a small synthetic log in MovieLens-1M layout: Latin-1 titles, ties in time, gaps in the id space."""
    return Path(__file__).parent / "fixtures" / "reference"


# --- planted: logs in which each item has a likely successor, so that a model has something to learn ---

PLANTED_USERS = 300
PLANTED_ITEMS = 60


def planted_log(
    seed: int = 11, *, users: int = PLANTED_USERS, items: int = PLANTED_ITEMS, untidy: bool = False
) -> Interactions:
    """`Interactions` with a popularity curve over `items` items; seven steps of ten go to an item's successor.

    Users have 6 to 16 interactions, given in random order. `untidy`: items come up again, and times are equal in pairs.
    """
    random = np.random.default_rng(seed)
    chance = 1 / np.arange(1, items + 1) ** 0.8
    chance /= chance.sum()
    circle = random.permutation(items)
    successor = np.empty(items, int)
    successor[circle] = np.roll(circle, -1)
    rows = []
    for user in range(users):
        item = int(random.choice(items, p=chance))
        seen = [item]
        for _ in range(int(random.integers(5, min(16, items - 2)))):
            item = int(successor[item]) if random.random() < 0.7 else int(random.choice(items, p=chance))
            while not untidy and item in seen:
                item = int(random.choice(items, p=chance))
            seen.append(item)
        begin = int(random.integers(1_000_000, 2_000_000))
        times = [begin + 60 * (step // 2 if untidy else step) for step in range(len(seen))]
        rows += list(zip([user] * len(seen), seen, times, strict=True))
    if not untidy:
        rows = [rows[i] for i in random.permutation(len(rows))]
    ratings = random.integers(1, 6, len(rows)).astype(np.float32)
    user_codes = {name: code for code, name in enumerate(dict.fromkeys(row[0] for row in rows))}
    item_codes = {name: code for code, name in enumerate(dict.fromkeys([*(row[1] for row in rows), *range(items)]))}
    return Interactions(
        users=np.array([user_codes[row[0]] for row in rows], np.int32),
        items=np.array([item_codes[row[1]] for row in rows], np.int32),
        timestamps=np.array([row[2] for row in rows], np.int64),
        ratings=ratings,
        user_ids=tuple(f"u{name}" for name in user_codes),
        item_ids=tuple(f"item-{name:02d}" for name in item_codes),
        item_table=ItemTable(
            titles=tuple(f"Título {name}" for name in item_codes),
            attribute_name="genres",
            attributes=tuple((f"genre {name % 5}", *(["long"] if name % 3 == 0 else [])) for name in item_codes),
        ),
        report=LoadReport("csv", {}, False, len(rows), len(rows), {}, (), len(user_codes), len(item_codes)),
    )


ENCODERS: dict[str, dict[str, Any]] = {
    "bow": {"type": "bow"},
    "cnn": {"type": "cnn", "num_filter_ratios": [2], "kernel_size": 3},
    "rnn": {"type": "rnn", "num_units": 16},
    "gru": {"type": "gru", "num_units": 16},
    "transformer": {"type": "transformer", "blocks": 1},
}


def tiny_config(encoder: str = "bow", **sections: Any) -> JobConfig:
    """A config that trains in a second; `sections` (`export={"top_k": 5}`, `repeats=True`) override it."""
    document: dict[str, Any] = {
        "seed": 7,
        "encoder": ENCODERS[encoder],
        "examples": {"max_history_length": 6},
        "model": {"embedding_dim": 8},
        "training": {"batch_size": 64, "max_epochs": 12, "learning_rate": 0.02, "warmup_steps": 10, "patience": 12},
        "evaluation": {"bootstrap_samples": 100, "k": [5]},
        "export": {"top_k": 20},
    }
    for name, value in sections.items():
        document[name] = {**document[name], **value} if name in document and isinstance(value, dict) else value
    return load(document)


def write_planted_csv(folder: Path, interactions: Interactions) -> Path:
    """The log and its item table as CSV files in `folder`, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    assert interactions.timestamps is not None
    columns = zip(interactions.users, interactions.items, interactions.timestamps, strict=True)
    rows = [f"{interactions.user_ids[u]},{interactions.item_ids[i]},{time}" for u, i, time in columns]
    (folder / "interactions.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]) + "\n", encoding="utf-8")
    table = interactions.item_table
    assert table is not None
    described = zip(interactions.item_ids, table.titles, table.attributes, strict=True)
    items = [f"{name},{title},{'|'.join(values)}" for name, title, values in described]
    (folder / "items.csv").write_text("\n".join(["item_id,title,genres", *items]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def planted() -> Interactions:
    """The planted log: no repeats, all times of a user different."""
    return planted_log()


@pytest.fixture(scope="session")
def planted_untidy() -> Interactions:
    """The planted log with repeats and equal times."""
    return planted_log(12, untidy=True)


@pytest.fixture(scope="session")
def make_planted() -> Callable[..., Interactions]:
    """The function `planted_log`, for logs of other sizes."""
    return planted_log


@pytest.fixture(scope="session")
def make_config() -> Callable[..., JobConfig]:
    """The function `tiny_config`."""
    return tiny_config


@pytest.fixture(scope="session")
def planted_folder(planted: Interactions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The planted log as files: interactions.csv and items.csv."""
    return write_planted_csv(tmp_path_factory.mktemp("planted"), planted)


@pytest.fixture(scope="session")
def tensorflow_runtime() -> Any:
    """TensorFlow, configured as every run configures it; must come before the first operation."""
    from reco_core import training
    from tests import shared_steps

    shared_steps.install()
    return training.configure()


@pytest.fixture
def steps_of_their_own(tensorflow_runtime: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each training of the test compiles its own step, as in a process of its own."""
    from tests import shared_steps

    monkeypatch.setattr(shared_steps, "enabled", False)


@pytest.fixture(scope="session")
def trained(tensorflow_runtime: Any, planted: Interactions, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`trained(encoder) -> (config, example_set, TrainedModel)` on the planted log, trained once a session.

    Tests must not change the model.
    """
    from reco_core import examples, model, training

    done: dict[str, Any] = {}

    def get(encoder: str) -> Any:
        if encoder not in done:
            config = tiny_config(encoder)
            example_set = examples.generate(config, planted)
            untrained = model.build(config, example_set.vocabulary)
            folder = tmp_path_factory.mktemp(f"trained-{encoder}")
            found = training.train(config, untrained, example_set, checkpoints=folder, identity="planted")
            done[encoder] = (config, example_set, found)
        return done[encoder]

    return get


@pytest.fixture(scope="session")
def exported(trained: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`exported(encoder) -> ExportedFiles` of the trained model, all variants, converted once a session."""
    from reco_core import export

    done: dict[str, Any] = {}

    def get(encoder: str) -> Any:
        if encoder not in done:
            config, example_set, found = trained(encoder)
            folder = tmp_path_factory.mktemp(f"exported-{encoder}")
            histories = export.training_histories(example_set, found.model.history_length, config.seed)
            done[encoder] = export.export(config, found.model, example_set.vocabulary, folder, calibration=histories)
        return done[encoder]

    return get


# --- with features of all kinds, which say nothing ---


def featured_log(seed: int = 3, users: int = 80) -> Interactions:
    """The planted log with further columns; some values are missing, and prices are of the size of timestamps."""
    import polars as pl

    log, random = planted_log(seed, users=users, untidy=True), np.random.default_rng([seed, 1])
    rows, items = len(log), len(log.item_ids)
    assert log.item_table is not None
    holes = random.random(rows) < 0.1
    likes = [[f"like {one}" for one in random.choice(9, random.integers(0, 4), False)] for _ in range(users)]
    return replace(
        log,
        row_features=pl.DataFrame(
            {
                "hour": random.integers(0, 24, rows),
                "price": [
                    None if hole else value for hole, value in zip(holes, random.normal(1.7e9, 1e6, rows), strict=True)
                ],
            }
        ),
        item_features=pl.DataFrame(
            {
                "year": [None if one % 7 == 0 else 1980 + one % 9 for one in range(items)],
                "genres": [list(values) for values in log.item_table.attributes],
            }
        ),
        user_features=pl.DataFrame(
            {"age": random.integers(20, 25, users), "likes": likes, "income": random.normal(5e4, 1e4, users)}
        ),
    )


def feature_groups(encoder: str = "bow") -> dict[str, Any]:
    """Features of every type, layout and scope, in groups with this encoder; for the log above."""
    genres = {"type": "string", "name": "genres", "embedding_dim": 4}
    return {
        "history": [
            {"type": "float", "name": "rating"},
            {"type": "int", "name": "year", "embedding_dim": 4},
            {"type": "time_gap", "buckets": 5, "embedding_dim": 4},
        ],
        "activity_groups": [
            {"features": [{**genres, "layout": "flat", "length": 9}], "encoder": ENCODERS[encoder]},
            {
                "features": [
                    {"type": "int", "name": "hour", "vocabulary": False, "vocabulary_size": 20, "embedding_dim": 4},
                    {"type": "float", "name": "price"},
                    {**genres, "name": "aligned_genres", "column": "genres"},
                ],
                "encoder": ENCODERS[encoder],
            },
            {
                "features": [{"type": "float", "name": "prices", "column": "price", "layout": "flat", "length": 4}],
                "encoder": ENCODERS[encoder],
            },
        ],
        "global_groups": [
            {
                "features": [
                    {"type": "int", "name": "age", "embedding_dim": 4},
                    {"type": "string", "name": "likes", "vocabulary_size": 6, "embedding_dim": 4},
                ],
                "encoder": ENCODERS[encoder],
            },
            {"features": [{"type": "float", "name": "income"}]},
        ],
    }


@pytest.fixture(scope="session")
def featured() -> Interactions:
    """The log with features of all kinds."""
    return featured_log()


@pytest.fixture(scope="session")
def make_groups() -> Callable[..., dict[str, Any]]:
    """The function `feature_groups`."""
    return feature_groups
