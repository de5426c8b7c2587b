"""How the run went: learning curves, times, throughput, memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reco_core.report_page import words
from reco_core.report_page.bars import bar_plot
from reco_core.report_page.curves import Curve, curve_plot, thinned
from reco_core.report_page.markup import Markup, figure, section, tag
from reco_core.report_page.tables import facts, folded, table

_CURVES = {"loss": "training loss", "recall@10": "validation HR@10", "ndcg@10": "validation NDCG@10"}
_MOST_ROWS = 100
_PHASES = {
    "validate": "read the log",
    "build_examples": "build examples",
    "train": "train",
    "export": "export",
    "evaluate": "evaluate",
    "verify": "verify",
}


def learning(history: Sequence[Mapping[str, float]], training: Mapping[str, Any]) -> Markup:
    """Loss and validation metrics by epoch; nothing but words where the history isn't known."""
    best, exported = training.get("best_epoch"), training.get("exported_epoch")
    whose = "its weights are" if exported is None else f"those of epoch {words.count(exported)} are"
    teachers = training.get("teachers", 0)
    others = "another model" if teachers == 1 else f"{words.count(teachers)} other models"
    taught = f", taught by {others} trained before" if teachers else ""
    said = (
        f"Training took {words.count(training.get('epochs'))} epochs{taught}; epoch {words.count(best)} had the best "
        f"NDCG@10 on validation, and {whose} in the file."
    )
    if not history:
        more = "The file was exported from kept weights, which don't hold the course of their training."
        return section("Learning", tag("p", f"{said} {more}"))
    first = Curve("training loss", [entry.get("loss", float("nan")) for entry in history])
    second = [
        Curve(words.metric_name(key), [entry.get(key, float("nan")) for entry in history])
        for key in ("ndcg@10", "recall@10")
    ]
    plots = [
        figure(curve_plot([first], best, "Training loss"), "Loss on training data, lower is better"),
        figure(curve_plot(second, best, "Validation metrics"), "On validation data, higher is better"),
    ]
    epochs = thinned(len(history), best, _MOST_ROWS)
    rows = [
        [
            f"{epoch:,}, best" if epoch == best else f"{epoch:,}",
            *(words.figure(history[epoch - 1].get(key)) for key in _CURVES),
        ]
        for epoch in epochs
    ]
    title = "Show the epochs" if len(epochs) == len(history) else f"Show {len(epochs)} of the epochs"
    return section(
        "Learning",
        tag("p", said),
        tag("div", *plots, class_="plots"),
        folded(title, table("Each epoch", ("Epoch", *_CURVES.values()), rows)),
    )


def times(measured: Mapping[str, Any]) -> Markup:
    """What the run took of the machine that it ran on."""
    phases: Mapping[str, Any] = measured.get("phases", {})
    seconds = {_PHASES.get(name, name): found["seconds"] for name, found in phases.items()}
    bars = [(name, value, words.duration(value)) for name, value in seconds.items()]
    training: Mapping[str, Any] = measured.get("training", {})
    rate = training.get("examples_per_second")
    rows = [
        *((f"Time to {name}", text) for name, _, text in bars),
        ("Time in all", words.duration(sum(seconds.values()))),
    ]
    note = "True of one machine at one hour; the bundle holds none of it."
    if training:  # what was exported or evaluated again was trained elsewhere
        rows += [
            ("Training examples", words.count(training.get("examples"))),
            ("Training throughput", words.NOTHING if rate is None else f"{words.count(rate)} examples a second"),
        ]
        note += " Throughput leaves out what compiling took."
    rows.append(("Peak memory of the process", words.size(measured.get("peak_memory_bytes"))))
    parts = [figure(bar_plot(bars, "Time of each phase"), "Time of each phase")] if bars else []
    return section("Time and memory", tag("p", note), *parts, facts("What the run took", rows))
