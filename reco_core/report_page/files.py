"""The exported files: bytes, quality, agreement with the trained model, latency."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reco_core.report_page import words
from reco_core.report_page.bars import bar_plot
from reco_core.report_page.markup import Markup, figure, section, tag
from reco_core.report_page.scatter import Spot, size_plot
from reco_core.report_page.tables import table

_NOTE = "The same model at several precisions."
_OVERLAP = "Overlap is the share of the trained model's first ten that the file has among its own, on validation."
_LATENCY = (
    "Latency is the median of 200 calls on one thread of the machine that made this page; a phone takes longer, how "
    "much depends on the phone."
)


def variants(report: Mapping[str, Any], measured: Mapping[str, Any]) -> Markup:
    """Each conversion, those that were refused too."""
    found: Mapping[str, Any] = report.get("variants", {})
    if not found:
        return Markup("")
    shipped = report.get("default_variant")
    timed: Mapping[str, Any] = measured.get("variants", {})
    spots = [
        Spot(name, variant["bytes"], variant["ndcg@10"], name == shipped)
        for name, variant in found.items()
        if words.is_number(variant["ndcg@10"])
    ]
    # a bundle that is evaluated again has no trained model beside it
    judged = any("overlap@10" in variant for variant in found.values())
    marked = "; the full mark ships" if judged else ""
    plots = [figure(size_plot(spots, "NDCG@10 on test"), f"NDCG@10 on test by size{marked}")]
    latencies = [
        (name, timed[name]["latency_ms"], _milliseconds(timed[name]["latency_ms"])) for name in found if name in timed
    ]
    if latencies:
        plots.append(figure(bar_plot(latencies, "Latency of one call"), "Latency of one call"))
    rows = [
        [
            name,
            words.size(variant["bytes"]),
            words.figure(variant["ndcg@10"]),
            words.figure(variant["recall@10"]),
            *([words.percent(variant.get("overlap@10"))] if judged else []),
            _milliseconds(timed.get(name, {}).get("latency_ms")),
            _fate(name, variant, shipped),
        ]
        for name, variant in found.items()
    ]
    head = ("File", "Size", "NDCG@10", "HR@10", *(["Overlap"] if judged else []), "Latency", "")
    return section(
        "The exported files",
        tag("p", " ".join(filter(None, (_NOTE, _OVERLAP if judged else "", _LATENCY, _budget(report))))),
        tag("div", *plots, class_="plots"),
        table("Exported files, figures on test", head, rows),
    )


def _budget(report: Mapping[str, Any]) -> str:
    found: Mapping[str, Any] | None = report.get("budget")
    if found is None:
        return ""
    said = [
        f"{words.count(found[name])} {what}"
        + ("" if found[name] == found[f"{name}_asked"] else f" instead of {words.count(found[f'{name}_asked'])}")
        for name, what in (("embedding_dim", "dimensions"), ("followers", "followers an item"), ("blocks", "blocks"))
        if name in found
    ]
    return f"The file that ships may take {words.size(found['max_bytes'])}, which left room for {', '.join(said)}."


def _milliseconds(value: Any) -> str:
    return f"{value:.3f} ms" if words.is_number(value) else words.NOTHING


def _fate(name: str, variant: Mapping[str, Any], shipped: str | None) -> Markup | str:
    refused = variant.get("refused")
    if refused:
        return tag("span", tag("b", "refused"), f": {refused}", class_="bad said")
    return "" if name != shipped else "ships as model.tflite" if "overlap@10" in variant else "this page's figures"
