"""The page as a whole: it shows what the documents say, loads nothing, and no text from data becomes an element."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args
from xml.etree import ElementTree

import pytest

from reco_core.config.evaluation import ProtocolName
from reco_core.report_page import render, write
from tests.reco_core.report_page import conftest

_VOID = {"meta"}


class Reader(HTMLParser):
    """Reads a page; fails where an end tag has no beginning or an element no end."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def plots(page: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def test_it_is_well_formed_and_each_plot_has_words(documents: dict[str, Any]) -> None:
    page = render(**documents)
    reader = Reader(page)
    assert reader.elements[0] == ("html", {"lang": "en"})
    assert len(plots(page)) == len(reader.all("figure")) == 11
    for plot in plots(page):
        assert plot.get("role") == "img"
        assert len(plot.get("aria-label") or "") > 30
    headings = {attributes["id"] for attributes in reader.all("h2")}
    assert {attributes["aria-labelledby"] for attributes in reader.all("section")} == headings
    assert len(headings) == len(reader.all("h2"))
    assert len(reader.all("caption")) == len(reader.all("table"))


def test_it_loads_nothing_and_runs_nothing(documents: dict[str, Any]) -> None:
    page = render(**documents)
    assert not re.search(r"https?:|//|url\(|@import|<script|<link|<img|<iframe|javascript:| on\w+=", page)
    reader = Reader(page)
    for _, attributes in reader.elements:
        assert not {"src", "href", "srcset", "action", "style"} & attributes.keys()
    policy = next(found["content"] for found in reader.all("meta") if found.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


def test_the_figures_are_those_of_the_report(documents: dict[str, Any]) -> None:
    text = Reader(render(**documents)).text
    report = documents["report"]
    for found in (report["test"], *report["baselines"].values()):
        for key in ("recall@10", "ndcg@10"):
            low, high = found[key]["ci95"]
            assert f"{found[key]['value']:.4f} {low:.4f} to {high:.4f}" in text
    for name in ("head", "cold", "51+"):
        assert f"{name} 265 0.4189 0.3770 to 0.4608 0.2252 0.2027 to 0.2477" in text
    for name, variant in report["variants"].items():
        assert f"{name} {variant['bytes'] / 1000:,.0f} kB {variant['ndcg@10']:.4f} 0.2301 98.6%" in text
    assert "HR@10 0.2301 against 0.2761, difference -0.0460 (-0.0560 to -0.0360)" in text
    assert "23.0% have their item among the first ten that the file recommends (95% interval 20.7% to 25.3%)" in text
    for epoch, entry in enumerate(documents["history"], start=1):
        assert re.search(rf"\b{epoch}(, best)? {entry['loss']:.4f} {entry['recall@10']:.4f}", text)
    assert text.count(", best ") == 1
    for value in (*report["data"].values(), 13_465):
        assert f"{value:,}" in text
    assert "1 min 24 s" in text
    assert "1.1 GB" in text


def test_losing_to_a_baseline_is_said_first_and_in_red(documents: dict[str, Any]) -> None:
    page = render(**documents)
    lines = re.search(r'<ul class="verdicts">(.*?)</ul>', page, re.DOTALL)
    assert lines is not None
    begins = re.findall(r'<li class="(\w+)"><b>(.*?)</b>', lines[1])
    assert begins == [
        ("bad", "Loses to the baseline ease"),
        ("unsure", "No clear difference from the baseline cooccurrence"),
        ("good", "Beats the baseline popular"),
        ("unsure", "Mind"),
    ]
    assert "3 of 942 test labels" in lines[1]
    assert '<span class="bad"><b>loses to it</b></span>' in page


def test_a_baseline_beaten_on_one_metric_only_is_in_both_lists(documents: dict[str, Any]) -> None:
    documents["report"]["comparison"]["ease"]["ndcg@10"]["verdict"] = "better"
    text = Reader(render(**documents)).text
    assert "Loses to the baseline ease : HR@10 0.2301" in text
    assert "Beats the baseline ease : NDCG@10 0.1171" in text
    assert "loses to it on HR@10 ; beats it on NDCG@10" in text


def test_text_from_data_stays_text(documents: dict[str, Any]) -> None:
    evil = "</svg><script>alert('1')</script>\x00\"&amp;"
    report = documents["report"]
    for part in ("baselines", "comparison", "variants"):
        report[part] = {f"{evil}{name}": found for name, found in report[part].items()}
    report["default_variant"] = report["protocol"] = evil
    report["candidates"]["seen_items"] = evil
    strata = report["test_details"]["strata"]
    strata[evil] = {evil: strata["history_length"]["51+"]}
    report["variants"][f"{evil}float32"]["refused"] = evil
    report["warnings"].append(evil)
    report["original_metrics"] = {"split": evil, "batch_size": 5, "values": {evil: 0.5}}
    documents["measured"]["phases"][evil] = {"seconds": 1.0}
    documents["config"] = {"encoder": {"type": evil, evil: evil}, evil: [{"name": evil}]}
    documents["data_hash"] = evil
    page = render(**documents)
    reader = Reader(page)
    assert reader.all("script") == []
    assert "\x00" not in page
    assert len(plots(page)) == 12  # no latency: it was measured under other names
    assert reader.text.count("alert('1')") > 10


def test_the_same_documents_give_the_same_bytes(documents: dict[str, Any], tmp_path: Path) -> None:
    before = copy.deepcopy(documents)
    path = write(tmp_path, **documents)
    assert path == tmp_path / "report.html"
    assert documents == before
    assert path.read_text(encoding="utf-8") == render(**json.loads(json.dumps(documents)))


@pytest.mark.parametrize("epochs", [1, 2, 31, 10_000])
def test_any_number_of_epochs_is_drawn(documents: dict[str, Any], epochs: int) -> None:
    documents["history"] = [
        {"loss": 5 / (1 + i), "ndcg@10": 0.1 if i != epochs // 2 else 0.2, "recall@10": 0.2} for i in range(epochs)
    ]
    documents["report"]["training"] = {"epochs": epochs, "best_epoch": epochs // 2 + 1, "examples": 5}
    page = render(**documents)
    assert f"best: {epochs // 2 + 1:,}" in Reader(page).text
    assert len(plots(page)) == 11
    assert not re.search(r"\bnan\b|\binf\b", page.lower())
    assert len(page.encode()) < 300_000


def test_what_is_not_there_is_said_or_left_out(documents: dict[str, Any]) -> None:
    report = documents["report"]
    for metric in report["test"].values():
        metric["ci95"] = None
    report |= {"baselines": {}, "comparison": {}, "warnings": [], "variants": {}}
    report["test_details"]["strata"] = {}
    del report["validation"]
    documents |= {"history": [], "measured": {}}
    page = render(**documents)
    text = Reader(page).text
    assert "Not compared : no baseline was ranked" in text
    assert "exported from kept weights" in text
    assert "For whom it works" not in text
    assert "95% interval" not in text.partition("Beside simple baselines")[0]
    assert len(plots(page)) == 2


def test_nothing_found_at_all_is_drawn_too(documents: dict[str, Any]) -> None:
    report = documents["report"]
    for found in (report["test"], *report["baselines"].values()):
        for metric in found.values():
            metric |= {"value": 0.0, "ci95": [0.0, 0.0]}
    for variant in report["variants"].values():
        variant |= {"ndcg@10": 0.0, "recall@10": 0.0, "bytes": 1000}
    documents["history"] = [{"loss": 0.0, "ndcg@10": 0.0, "recall@10": 0.0}] * 2
    assert len(plots(render(**documents))) == 11


def test_the_originals_metrics_and_another_epochs_weights_are_named(documents: dict[str, Any]) -> None:
    documents["report"]["original_metrics"] = {
        "split": "test",
        "batch_size": 1024,
        "values": {"Global_Recall/Recall_10": 0.1234, "global_mean_rank": 99.25},
    }
    documents["report"]["protocol"] = "reference"
    documents["report"]["training"]["exported_epoch"] = 2
    text = Reader(render(**documents)).text
    assert "Global_Recall/Recall_10 0.1234" in text
    assert "in batches of 1,024" in text
    assert "figures read too high" in text
    assert "those of epoch 2 are in the file" in text


def test_what_training_began_with_is_told(documents: dict[str, Any]) -> None:
    assert "What training began with" not in Reader(render(**documents)).text
    documents["report"]["training"]["base"] = {
        "data_hash": "cd" * 32,
        "items": {"carried": 1650, "dropped": 7, "new": 32},
        "may_know_test_data": True,
        "version": "<films>@3",
        "weights_sha256": "ef" * 32,
    }
    text = Reader(render(**documents)).text
    for said in (
        "Version <films>@3",
        "carried over 1,650",
        "didn't know 32",
        "no more 7",
        "test data here yes",
        "ef" * 32,
    ):
        assert said in text
    documents["report"]["training"]["base"] |= {"version": None, "may_know_test_data": False}
    text = Reader(render(**documents)).text
    assert "films" not in text
    assert "test data here no" in text


def test_the_package_needs_no_tensorflow() -> None:
    code = "import sys, reco_core.report_page; sys.exit(bool({'tensorflow', 'numpy'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_bundle_evaluated_again_says_so_and_has_no_course(documents: dict[str, Any]) -> None:
    report = documents["report"]
    report["evaluated"] = {
        "bundle": {"manifest_sha256": "0" * 64, "data_hash": "cd" * 32},
        "data_hash": "ab" * 32,
        "same_dataset": False,
        "candidates": 1700,
        "unknown_items": 18,
        "unknown_labels": 5,
        "unknown_interactions": 77,
    }
    for variant in report["variants"].values():
        del variant["overlap@10"]
    documents["measured"] |= {"training": {}}
    text = Reader(render(**{**documents, "history": ()})).text
    assert "Evaluation report" in text
    assert "evaluated again on another log" in text
    assert "Items that the model doesn't know 18" in text
    assert "Test items that the model doesn't know: misses 5" in text
    for absent in ("Overlap", "Each epoch", "throughput", "ships as model.tflite"):
        assert absent not in text


def test_known_and_new_users_apart_and_the_cut(documents: dict[str, Any]) -> None:
    report = documents["report"]
    report |= {"protocol": "temporal", "cut": {"validation": 891_382_267, "test": 4}}
    part = {"examples": 12, "recall@10": conftest.metric(0.2), "ndcg@10": conftest.metric(0.1)}
    report["test_details"]["strata"]["user"] = {"known": part, "new": part}
    report["baselines_left_out"] = {"ease": "there are 12,101 items"}
    text = Reader(render(**documents)).text
    assert "Known and new users" in text
    assert "new 12 0.2000" in text
    assert "First interaction of validation 1998-03-31 22:11 UTC" in text
    assert "First interaction of test 4" in text
    assert "cut at one moment for everybody" in text
    assert "The baseline ease was left out: there are 12,101 items." in text
    assert "days ahead" not in text


@pytest.mark.parametrize("protocol", get_args(ProtocolName))
def test_each_protocol_is_told_in_words(documents: dict[str, Any], protocol: str) -> None:
    documents["report"]["protocol"] = protocol
    text = Reader(render(**documents)).text
    assert f"Protocol: {protocol}." in text
    assert f"Protocol: {protocol}. {protocol}" not in text
