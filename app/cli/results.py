"""A bundle's report as tables: metrics beside the baselines, variants, and what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from app.cli.output import console, human_bytes

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = ("recall@10", "ndcg@10", "mean_rank")
TITLES = {"recall@10": "HR@10", "ndcg@10": "NDCG@10", "mrr@10": "MRR@10", "mean_rank": "mean rank"}


def value_of(figure: Any) -> float | None:
    """The number in a report's entry, which is a number or `{value, ci95}`."""
    if isinstance(figure, Mapping):
        figure = figure.get("value")
    return float(figure) if isinstance(figure, int | float) else None


def compared(report: Mapping[str, Any], verdict: str) -> dict[str, list[str]]:
    """Baseline -> the metrics on which the paired comparison with it gave `verdict`, such as `worse`."""
    found: dict[str, list[str]] = {}
    for name, metrics in report.get("comparison", {}).items():
        hit = [_title(metric) for metric, comparison in metrics.items() if comparison["verdict"] == verdict]
        if hit:
            found[name] = hit
    return found


def print_report(report: Mapping[str, Any], measurements: Mapping[str, Any] | None, default_variant: str) -> None:
    """Tables on stdout; `default_variant` is the one that became model.tflite."""
    print_metrics(report)
    print_original(report)
    print_variants(report, measurements, default_variant)


def print_metrics(report: Mapping[str, Any]) -> None:
    """The shipped file's metrics on test beside the baselines, and in red whatever it loses to."""
    test = report["test"]
    shown = [metric for metric in SHOWN if metric in test]
    table = _table(f"On test, protocol {report.get('protocol', '?')}, with 95% intervals", ["", *map(_title, shown)])
    table.add_row("this model", *(_with_interval(test[metric], metric) for metric in shown), style="bold")
    losing, close = compared(report, "worse"), compared(report, "not distinguishable")
    for name, metrics in report.get("baselines", {}).items():
        cells = (_with_interval(metrics.get(metric), metric) for metric in shown)
        table.add_row(name, *cells, style="red" if name in losing else None)
    console().print(table, soft_wrap=False)
    if losing:
        console().print(
            f"This model loses to {_spoken(losing)}: don't ship it before it wins. Train longer (training.max_epochs, "
            "training.patience), try another preset, or collect more data.",
            style="bold red",
        )
    for name, why in report.get("baselines_left_out", {}).items():
        console().print(f"The baseline {name} was left out: {why}.", style="dim")
    if close:
        console().print(f"Not distinguishable from {_spoken(close)} (paired bootstrap over users).", style="yellow")


def print_original(report: Mapping[str, Any]) -> None:
    """The metrics by which TensorFlow's on-device example is compared, where the report has them."""
    found = report.get("original_metrics")
    if not found:
        return
    values = found["values"]
    ks = [name.rpartition("_")[2] for name in values if name.startswith("Global_Recall/")]
    headings = ["", *(f"Recall_{k}" for k in ks), "mean rank from 0"]
    table = _table(f"As the original toolkit measures: all items, or the labels of {found['batch_size']}", headings)
    for kind in ("Global", "Batch"):
        recalls = [f"{values[f'{kind}_Recall/Recall_{k}']:.4f}" for k in ks]
        table.add_row(kind.lower(), *recalls, f"{values[f'{kind.lower()}_mean_rank']:.1f}")
    console().print(table, soft_wrap=False)


def print_evaluated(report: Mapping[str, Any]) -> None:
    """How the log that a bundle was evaluated on goes with the one that it was trained on."""
    facts = report["evaluated"]
    if not facts["same_dataset"]:
        console().print(
            f"Another log than the model was trained on: {facts['unknown_items']:,} of its items are unknown to the "
            f"model, and with them {facts['unknown_labels']:,} of {report['test_details']['examples']:,} test labels."
        )
    for line in report["warnings"]:
        if "under another split" in line:
            console().print(f"Note: {line}.", style="yellow")


def print_variants(report: Mapping[str, Any], measurements: Mapping[str, Any] | None, default_variant: str) -> None:
    """Each variant's size, quality and latency."""
    latencies = latency_ms(measurements)
    refusals: list[str] = []
    headings = ["variant", "size", "HR@10", "NDCG@10", "overlap", "latency"]
    table = _table("Files (overlap: share of the trained model's top 10 kept; latency: one thread)", headings)
    for name, variant in report.get("variants", {}).items():
        label = f"{name} = model.tflite" if name == default_variant else name
        if variant.get("refused"):
            table.add_row(label, _bytes(variant), "refused", style="red")
            refusals.append(f"{name} is left out: {variant['refused']}")
            continue
        figures = [_plain(value_of(variant.get(key))) for key in ("recall@10", "ndcg@10", "overlap@10")]
        latency = f"{latencies[name]:.3f} ms" if name in latencies else ""
        table.add_row(label, _bytes(variant), *figures, latency, style="bold" if name == default_variant else None)
    console().print(table, soft_wrap=False)
    for line in refusals:
        console().print(line, style="red")


def latency_ms(measurements: Mapping[str, Any] | None) -> dict[str, float]:
    """Median latency in milliseconds by variant; empty where none was measured."""
    variants = (measurements or {}).get("variants", {})
    found = {name: value_of(figures.get("latency_ms")) for name, figures in variants.items()}
    return {name: value for name, value in found.items() if value is not None}


def print_recommendations(title: str, history: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """One history and what the model recommends after it."""
    console().print(title, style="bold")
    for item in history:
        console().print(f"    {item}")
    console().print("  next:", style="bold")
    for number, row in enumerate(rows, 1):
        console().print(f"    {number:>2}. {label(row)}  ({row['score']:.2f})")


def label(item: Mapping[str, Any]) -> str:
    """An item by its title, or by its id where it has none. Control characters of the data don't reach the terminal."""
    text = str(item.get("title") or item["id"])
    return "".join(character if character.isprintable() else "?" for character in text)


def _table(title: str, headings: Iterable[str]) -> Table:
    from rich import box
    from rich.table import Table

    console().print(title, style="bold")
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 else "right")
    return table


def _spoken(found: Mapping[str, list[str]]) -> str:
    return ", ".join(f"{name} on {' and '.join(metrics)}" for name, metrics in found.items())


def _title(metric: str) -> str:
    return TITLES.get(metric, metric)


def _with_interval(figure: Any, metric: str) -> str:
    value = value_of(figure)
    if value is None:
        return ""
    interval = figure.get("ci95") if isinstance(figure, Mapping) else None
    if metric == "mean_rank":
        return f"{value:.1f} [{interval[0]:.0f}, {interval[1]:.0f}]" if interval else f"{value:.1f}"
    return f"{value:.4f} [{_short(interval[0])}, {_short(interval[1])}]" if interval else f"{value:.4f}"


def _short(share: float) -> str:
    """Three digits without the zero before the point, so that a row fits 80 columns: .123"""
    return f"{share:.3f}".removeprefix("0")


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _bytes(variant: Mapping[str, Any]) -> str:
    return human_bytes(variant["bytes"]) if "bytes" in variant else ""
