"""Versions side by side, and what is said where they can't be paired."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.models.pairs import NotComputed, Pairs
from registry.errors import BlobMissing
from registry.records import FileEntry

RANKS = np.random.default_rng(0).integers(1, 40, 500)
BETTER = np.where(np.arange(500) % 10 == 0, 1, RANKS)
COMPARE = "/v1/models/films:compare"


def ranks_file(ranks: np.ndarray, test_set: str = "a" * 64) -> bytes:
    header = json.dumps({"format_version": 1, "test_set": test_set}).encode()
    file = io.BytesIO()
    users = np.arange(len(ranks), dtype=np.int32)
    np.savez(file, header=np.frombuffer(header, np.uint8), users=users, ranks=ranks.astype(np.int32))
    return file.getvalue()


def manifest(dim: int = 32, data: str = "d" * 64, ndcg: float = 0.11, **more: Any) -> dict[str, Any]:
    figure = {"value": ndcg, "ci95": [ndcg - 0.01, ndcg + 0.01]}
    return {
        "default_variant": "float16",
        "data_hash": data,
        "operators": {"float16": {"GATHER": 3, "TOPK_V2": 1}},
        "config": {"seed": 0, "model": {"embedding_dim": dim}, "evaluation": {"k": [1, 10]}, **more},
        "metrics": {
            "protocol": "leave_one_out",
            "test": {"ndcg@10": figure, "coverage@10": {"value": 1, "ci95": None}},
        },
    }


def files(ranks: bytes | None, latency: float = 0.05) -> dict[str, bytes]:
    measured = json.dumps({"variants": {"float16": {"latency_ms": latency}}}).encode()
    found = {"variants/float16.tflite": b"x" * 10, "measurements.json": measured}
    return found if ranks is None else {**found, "ranks.npz": ranks}


@pytest.fixture
def films(service: Any) -> Any:
    """1 the base, 2 better, 3 of another split, 4 of other data, 5 without ranks."""
    service.published(files(ranks_file(RANKS)), manifest=manifest())
    service.published(files(ranks_file(BETTER), 0.07), manifest=manifest(64, ndcg=0.12))
    other = manifest(examples={"min_timeline_length": 9})
    service.published(files(ranks_file(RANKS[:400], "b" * 64)), manifest=other)
    service.published(files(ranks_file(RANKS, "c" * 64)), manifest=manifest(data="e" * 64))
    service.published(files(None), manifest=manifest())
    return service


def test_figures_side_by_side_and_paired_intervals(films: Any) -> None:
    answer = films.client.get(COMPARE, params={"versions": "1,2,3,4,5"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["model"], body["base"]) == ("films", 1)
    first, second = body["versions"][:2]
    assert [version["version"] for version in body["versions"]] == [1, 2, 3, 4, 5]
    assert first["metrics"]["ndcg@10"] == {"value": 0.11, "ci95": [0.1, 0.12]}
    assert first["metrics"]["coverage@10"] == {"value": 1, "ci95": None}
    assert second["variants"] == [
        {
            "name": "float16",
            "default": True,
            "bytes": 10,
            "latency_ms": 0.07,
            "operators": {"GATHER": 3, "TOPK_V2": 1},
        }
    ]
    assert (second["protocol"], second["dataset_content_hash"]) == ("leave_one_out", "d" * 64)
    assert body["config_differences"] == [
        {"pointer": "/examples/min_timeline_length", "values": {"3": 9}},
        {"pointer": "/model/embedding_dim", "values": {"1": 32, "2": 64, "3": 32, "4": 32, "5": 32}},
    ]
    better, split, data, without = body["comparisons"]
    assert [found["version"] for found in body["comparisons"]] == [2, 3, 4, 5]
    ndcg = better["paired"]["metrics"]["ndcg@10"]
    assert (ndcg["verdict"], better["paired"]["examples"], better["reason"]) == ("better", 500, None)
    assert 0 < ndcg["ci95"][0] < ndcg["difference"] < ndcg["ci95"][1]
    assert better["verdict"].startswith("2 is better than 1 on NDCG@10: +.")
    for found, code, words in (
        (split, "different_test_set", "/examples/min_timeline_length 9 and None"),
        (data, "different_test_set", "different data"),
        (without, "no_ranks", "version 5 was published without"),
    ):
        assert found["paired"] is None
        assert found["reason"]["code"] == code
        assert words in found["reason"]["detail"]
        assert found["reason"]["detail"] in found["verdict"]
    # again: nothing is computed twice, and a client that has it gets no body
    films.app.state.services.pairs._command = (sys.executable, "-c", "raise SystemExit(9)")
    again = films.client.get(
        COMPARE, params={"versions": "1,2,3,4,5"}, headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert (again.status_code, again.content) == (304, b"")
    films.client.post("/v1/models/films/versions/2:yank")
    changed = films.client.get(COMPARE, params={"versions": "1,2"})
    assert changed.json()["versions"][1]["yanked"]["reason"] is None
    assert changed.json()["comparisons"] == [better]


def test_a_comparison_that_fails_leaves_the_figures(films: Any) -> None:
    films.app.state.services.pairs._command = (sys.executable, "-c", "raise SystemExit(9)")
    body = films.client.get(COMPARE, params={"versions": "2,1"}).json()
    assert body["comparisons"][0]["reason"]["code"] == "not_computed"
    assert body["base"] == 2
    [measured] = [
        entry
        for entry in films.client.get("/v1/models/films/versions/1/files").json()["data"]
        if entry["path"] == "measurements.json"
    ]
    next(films.settings.state_dir.rglob(measured["sha256"])).unlink()
    body = films.client.get(COMPARE, params={"versions": "2,1"}).json()
    assert [version["variants"][0]["latency_ms"] for version in body["versions"]] == [0.07, None]


BAD = ("", "1", "1,1", "0,1", "1,2,3,4,5,6,7,8,9", "1,x", "1,2,", "1;2", "-1,2", f"1,{'9' * 20}", "\u0661,2", "1" * 101)


def test_bad_versions(service: Any) -> None:
    for versions in BAD:
        answer = service.client.get(COMPARE, params={"versions": versions})
        assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed"), versions
        assert answer.json()["errors"][0]["parameter"] == "versions"


def test_what_is_not_there(films: Any) -> None:
    for path, versions, words in ((COMPARE, "1,9", "version 9"), ("/v1/models/nope:compare", "1,2", "model")):
        answer = films.client.get(path, params={"versions": versions})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert words in answer.json()["detail"]
    assert films.client.get(COMPARE).status_code == 422


class Folder:
    """Blobs as files."""

    def __init__(self, content: dict[str, bytes]) -> None:
        self.content = content
        self.fetched = 0

    def fetch(self, sha256: str, to: Path) -> None:
        self.fetched += 1
        if sha256 not in self.content:
            raise BlobMissing("gone")
        to.write_bytes(self.content[sha256])


def entry(content: bytes) -> FileEntry:
    return FileEntry("ranks.npz", len(content), hashlib.sha256(content).hexdigest())


ECHO = (
    "import json,sys;n=len(sys.argv)-2;"
    "print(json.dumps({'examples':1,'users':1,'samples':1,'seed':0,'others':[{'metrics':{}}]*n}))"
)


def test_each_pair_is_computed_once() -> None:
    contents = [b"a", b"b", b"c"]
    store = Folder({entry(content).sha256: content for content in contents})
    pairs = Pairs(store, command=(sys.executable, "-c", ECHO))
    a, b, c = map(entry, contents)

    async def run() -> None:
        await asyncio.gather(pairs.compare(a, [b]), pairs.compare(a, [b, c]), pairs.compare(a, [c]))

    asyncio.run(run())
    before = store.fetched
    assert len(asyncio.run(pairs.compare(a, [c, b, c]))) == 3
    assert store.fetched == before


@pytest.mark.parametrize(
    ("code", "words"),
    [("import time; time.sleep(30)", "longer than"), ("print('no json')", "failed"), ("raise SystemExit(2)", "failed")],
)
def test_a_child_that_fails_is_told_and_not_remembered(code: str, words: str) -> None:
    store = Folder({entry(b"a").sha256: b"a"})
    pairs = Pairs(store, seconds=0.3 if "sleep" in code else 30, command=(sys.executable, "-c", code))
    for _ in range(2):
        with pytest.raises(NotComputed, match=words):
            asyncio.run(pairs.compare(entry(b"a"), [entry(b"a")]))
    assert store.fetched == 4


def test_a_missing_file_is_told() -> None:
    with pytest.raises(NotComputed, match="missing or damaged"):
        asyncio.run(Pairs(Folder({})).compare(entry(b"a"), [entry(b"a")]))
