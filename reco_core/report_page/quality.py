"""How good the file is: headline figures in cards and words, verdicts, all metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reco_core.report_page import words
from reco_core.report_page.markup import Markup, section, tag
from reco_core.report_page.tables import folded, table

SHOWN = ("recall@10", "ndcg@10")


def cards(report: Mapping[str, Any]) -> Markup:
    """The figures that most people look for."""
    test, shipped = report["test"], report.get("default_variant", "")
    tiles = [
        _card(words.metric_name(key), words.figure(test[key]["value"]), under(test[key]))
        for key in (*SHOWN, "mrr@10", "mean_rank")
        if key in test
    ]
    file = report.get("variants", {}).get(shipped)
    if file is not None:
        tiles.append(_card("Size of the file", words.size(file["bytes"]), shipped))
    return tag("dl", *tiles, class_="cards")


def in_words(report: Mapping[str, Any]) -> list[Markup]:
    """What the headline figures mean, as paragraphs."""
    test, details, candidates = report["test"], report["test_details"], report["candidates"]["items"]
    hits, ndcg, mean_rank = test["recall@10"], test["ndcg@10"], test.get("mean_rank")
    lines = [
        f"Of {words.count(details['examples'])} held-out interactions of {words.count(details['users'])} users, "
        f"{words.percent(hits['value'])} have their item among the first ten that the file recommends"
        f"{_likely(hits, words.percent)}. "
        f"Ten of the {words.count(candidates)} items picked at random would hold it about "
        f"{words.percent(min(1.0, 10 / max(1, candidates)))} of the time.",
        f"NDCG@10, which also counts how far up the item stands, is {words.figure(ndcg['value'])}"
        f"{_likely(ndcg, words.figure)}. It would be 1 if the item were always first.",
    ]
    if mean_rank is not None:
        lines.append(
            f"On average the item stands at place {words.figure(mean_rank['value'])} of {words.count(candidates)}"
            f"{_likely(mean_rank, words.figure)}."
        )
    coverage = test.get("coverage@10")
    if coverage is not None:
        lines.append(f"The lists of ten show {words.percent(coverage['value'])} of all items at least once.")
    return [tag("p", line) for line in lines]


def verdicts(report: Mapping[str, Any]) -> Markup:
    """What the model loses to, what it can't be told from, what it beats; then what else the report warns of."""
    lines = []
    for verdict, class_, begins in (
        ("worse", "bad", "Loses to the baseline"),
        ("not distinguishable", "unsure", "No clear difference from the baseline"),
        ("better", "good", "Beats the baseline"),
    ):
        for name, found in report.get("comparison", {}).items():
            said = [_compared(report, name, key) for key in SHOWN if key in found and found[key]["verdict"] == verdict]
            if said:
                lines.append(tag("li", tag("b", f"{begins} {name}"), f": {'; '.join(said)}.", class_=class_))
    if not lines:
        why = ": no baseline was ranked, so nothing here tells whether a simpler method would do as well."
        lines.append(tag("li", tag("b", "Not compared"), why, class_="unsure"))
    others = [line for line in report.get("warnings", []) if not line.startswith(("loses to ", "not distinguishable"))]
    lines += [tag("li", tag("b", "Mind"), f": {line}.", class_="unsure") for line in others]
    return tag("ul", *lines, class_="verdicts")


def everything(report: Mapping[str, Any]) -> Markup:
    """All metrics on test and validation, and those of the original where there are any."""
    validation: Mapping[str, Any] = report.get("validation", {})
    rows = [
        [words.metric_name(key), words.metric(found), words.figure(validation.get(key, {}).get("value"))]
        for key, found in report["test"].items()
    ]
    parts = [folded("Show all metrics", table("Of the file that ships", ("", "Test (95%)", "Validation"), rows))]
    original = report.get("original_metrics")
    if original:
        note = (
            f"On {original['split']}, in batches of {words.count(original['batch_size'])}. Nothing is left out of the "
            "candidates here, so these figures compare with those of the original toolkit only."
        )
        named = [[name, words.figure(value)] for name, value in original["values"].items()]
        parts += [
            tag("h3", "Under the original's names"),
            tag("p", note),
            table("The original's metrics", ("", "Value"), named),
        ]
    return section("All metrics", *parts)


def _card(name: str, value: str, under: str) -> Markup:
    # one definition each: what it is, and what it is called
    return tag(
        "div", tag("dt", name), tag("dd", value, class_="value"), tag("dd", under, class_="under"), class_="card"
    )


def under(found: Mapping[str, Any]) -> str:
    """What stands below a figure: its interval."""
    return "no interval" if found["ci95"] is None else words.interval(found["ci95"])


def _likely(found: Mapping[str, Any], written: Any) -> str:
    bounds = found["ci95"]
    return "" if bounds is None else f" (95% interval {written(bounds[0])} to {written(bounds[1])})"


def _compared(report: Mapping[str, Any], name: str, key: str) -> str:
    ours, theirs = report["test"][key]["value"], report["baselines"][name][key]["value"]
    return (
        f"{words.metric_name(key)} {words.figure(ours)} against {words.figure(theirs)}, "
        f"difference {_difference(report['comparison'][name][key])}"
    )


def _difference(found: Mapping[str, Any] | None) -> str:
    if found is None:
        return words.NOTHING
    low, high = found["ci95"]
    return f"{words.signed(found['difference'])} ({words.signed(low)} to {words.signed(high)})"
