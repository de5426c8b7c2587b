"""The page, put together from its sections."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reco_core.report_page import added, comparison, course, facts, files, quality, words
from reco_core.report_page.markup import Markup, join, tag
from reco_core.report_page.style import STYLE

FILE_NAME = "report.html"


def write(
    folder: Path,
    *,
    report: Mapping[str, Any],
    measured: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
    config: Mapping[str, Any],
    data_hash: str,
) -> Path:
    """Write `report.html` into `folder`; arguments as of `render`."""
    path = folder / FILE_NAME
    page = render(report=report, measured=measured, history=history, config=config, data_hash=data_hash)
    path.write_text(page, encoding="utf-8")
    return path


def render(
    *,
    report: Mapping[str, Any],
    measured: Mapping[str, Any],
    history: Sequence[Mapping[str, float]],
    config: Mapping[str, Any],
    data_hash: str,
) -> str:
    """The page, which depends on nothing but the arguments.

    Args:
        report: the document of `report.json`.
        measured: the document of `measurements.json`.
        history: loss, NDCG@10 and Recall@10 of each epoch; empty where it isn't known.
        config: the job's config as a JSON document.
        data_hash: content hash of the dataset.
    """
    found = report["data"]
    encoder = config.get("encoder", {}).get("type", "unknown")
    again = "evaluated" in report
    title = f"{'Evaluation' if again else 'Training'} report: {encoder} encoder"
    lead = (
        f"Trained on {words.count(found['training_interactions'])} interactions of {words.count(found['users'])} users "
        f"with {words.count(found['items'])} items. Figures are those of the file that ships"
        f"{_name_of_file(report)}, on interactions that it has not learned from."
    )
    if again:
        log = "the log that it was trained on" if report["evaluated"]["same_dataset"] else "another log"
        lead = (
            f"A bundle that was there before, evaluated again on {log}: {words.count(found['interactions'])} "
            f"interactions of {words.count(found['users'])} users. Figures are those of its file"
            f"{_name_of_file(report)}."
        )
    body = tag(
        "main",
        tag("header", tag("h1", title), tag("p", lead, class_="lead")),
        quality.cards(report),
        *quality.in_words(report),
        quality.verdicts(report),
        comparison.baselines(report),
        facts.evaluated(report),
        Markup("") if again else course.learning(history, report.get("training", {})),
        comparison.strata(report),
        *added.new_items(report),
        files.variants(report, measured),
        course.times(measured),
        facts.data(report),
        facts.base(report),
        facts.protocol(report),
        quality.everything(report),
        facts.config_summary(config, data_hash, report.get("neighbours")),
        tag(
            "footer",
            "Made by PocketRec from report.json and measurements.json, which hold the same figures in full. "
            "This page loads nothing and runs no script.",
        ),
    )
    return f"<!doctype html>\n{tag('html', _head(title), tag('body', body), lang='en')}\n"


def _head(title: str) -> Markup:
    # Should escaping ever fail, a browser still runs nothing and loads nothing: only this one style sheet is allowed.
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", title),
        join(Markup(f"<style>{STYLE}</style>")),
    )


def _name_of_file(report: Mapping[str, Any]) -> str:
    shipped = report.get("default_variant")
    return f", {shipped}" if shipped else ""
