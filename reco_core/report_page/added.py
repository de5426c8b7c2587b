"""Items that the model knows by their attributes alone: those added to it, and how well it ranks such items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reco_core.report_page import words
from reco_core.report_page.intervals import Row, interval_plot
from reco_core.report_page.markup import Markup, figure, section, tag
from reco_core.report_page.tables import table

_SHOWN = ("recall@10", "ndcg@10")
_NAMES = {
    "random": "lists by lot",
    "attribute_popular": "popular attributes",
    "attribute_profile": "attributes of the history",
}


def new_items(report: Mapping[str, Any]) -> list[Markup]:
    """Sections for what the report has: cold items, added items; none as a rule."""
    parts = []
    cold, added = report.get("cold_items"), report.get("added_items")
    if cold is not None:
        parts.append(section("Items that training was kept from", *_cold(cold)))
    if added is not None:
        parts.append(section("Added items", tag("p", _added(added))))
    return parts


def _cold(found: Mapping[str, Any]) -> list[Markup]:
    said = (
        f"{words.count(found['items'])} items, {words.percent(found['share'])} of those in the log, were kept out of "
        "training, then added by their attributes, as new items are. Test labels among them, "
        f"{words.count(found['labels'])} of them, are ranked here among all {words.count(found['candidates'])} items; "
        "in all other figures they are misses."
    )
    if found["without_attributes"]:
        said += f" {words.count(found['without_attributes'])} of these items have no attribute."
    parts = [tag("p", said)]
    if not found["labels"]:
        return parts
    rows = {"this model": found, **{_NAMES.get(name, name): other for name, other in found["beside"].items()}}
    for key in _SHOWN:
        plot = interval_plot(
            [_row(name, one[key], main=name == "this model") for name, one in rows.items()],
            f"{words.metric_name(key)} on labels that training was kept from",
        )
        parts.append(figure(plot, f"{words.metric_name(key)}, higher is better"))
    cells = [[name, *(words.metric(one[key]) for key in _SHOWN)] for name, one in rows.items()]
    parts.append(table("Items kept out of training", ("", *map(words.metric_name, _SHOWN)), cells))
    return parts


def _added(found: Mapping[str, Any]) -> str:
    base = found["base"]
    name = base.get("version") or f"the bundle whose manifest has the sha256 {base['manifest_sha256'][:12]}"
    said = f"{words.count(found['items'])} items joined after training; they were last added to {name}."
    if found.get("metrics") == "carried over":
        said += " The figures on this page are those of the version without them: they were not measured again."
    return said


def _row(name: str, found: Mapping[str, Any], *, main: bool) -> Row:
    bounds = found["ci95"]
    return Row(name, found["value"], None if bounds is None else (bounds[0], bounds[1]), main)
