"""The file beside its baselines, and for parts of the test examples: plots with a table under each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reco_core.report_page import words
from reco_core.report_page.intervals import Row, interval_plot
from reco_core.report_page.markup import Markup, escaped, figure, join, section, tag
from reco_core.report_page.quality import SHOWN, under
from reco_core.report_page.tables import table

_STRATA = {
    "item_popularity": (
        "By the popularity of the item",
        "Head, mid and tail hold a third of the training interactions each: few very popular items are the head, "
        "many rare ones the tail. Cold items have no training data, so they can't be found.",
    ),
    "history_length": (
        "By the length of the history",
        "How many interactions the user had before the one to be found; the model may read fewer of them.",
    ),
    "user": (
        "Known and new users",
        "Known users have interactions that the model and the baselines learned from; of new ones they know only what "
        "is in the history that they are given.",
    ),
}
_MODEL = "this model"
_VERDICTS = {
    "worse": ("bad", "loses to it"),
    "not distinguishable": ("unsure", "no clear difference"),
    "better": ("good", "beats it"),
}


def baselines(report: Mapping[str, Any]) -> Markup:
    """The model beside its baselines."""
    others: Mapping[str, Any] = report.get("baselines", {})
    plots = [
        figure(
            interval_plot(
                [
                    _row(_MODEL, report["test"][key], main=True),
                    *(_row(name, found[key]) for name, found in others.items() if key in found),
                ],
                f"{words.metric_name(key)} on test, with 95% intervals",
            ),
            f"{words.metric_name(key)}, higher is better",
        )
        for key in SHOWN
    ]
    rows: list[list[str]] = [[_MODEL, "", *(_cell(report["test"][key]) for key in SHOWN), "", ""]]
    for name, found in others.items():
        compared = report["comparison"].get(name, {})
        differences = [_lead(compared.get(key)) for key in SHOWN]
        figures = [_cell(found.get(key)) for key in SHOWN]
        rows.append([name, _verdict(compared), *figures, *differences])
    names = [words.metric_name(key) for key in SHOWN]
    head = ("", "The model", *names, *(f"Lead in {name}" for name in names))
    left_out = [
        tag("p", f"The baseline {name} was left out: {why}.", class_="quiet")
        for name, why in report.get("baselines_left_out", {}).items()
    ]
    return section(
        "Beside simple baselines",
        tag(
            "p",
            "Baselines learn from the same training data and are tested on the same interactions. A difference counts "
            "where its own interval, taken user by user, leaves 0 out; bars that overlap say little about that.",
        ),
        *left_out,
        tag("div", *plots, class_="plots"),
        table(
            "Figures on test and the model's lead over each baseline, with 95% intervals", head, rows, text_columns=2
        ),
    )


def strata(report: Mapping[str, Any]) -> Markup:
    """The same figures for parts of the test examples."""
    parts = []
    for partition, found in report["test_details"].get("strata", {}).items():
        if not found:
            continue
        title, note = _STRATA.get(partition, (partition, ""))
        plots = [
            figure(
                interval_plot(
                    [_row(f"{name} ({words.count(part['examples'])})", part[key]) for name, part in found.items()],
                    f"{words.metric_name(key)} {title.lower()}, examples in brackets",
                ),
                f"{words.metric_name(key)}, examples in brackets",
            )
            for key in SHOWN
        ]
        rows = [
            [name, words.count(part["examples"]), *(_cell(part.get(key)) for key in SHOWN)]
            for name, part in found.items()
        ]
        head = ("", "Examples", *map(words.metric_name, SHOWN))
        parts += [
            tag("h3", title),
            tag("p", note),
            tag("div", *plots, class_="plots"),
            table(f"{title}, with 95% intervals", head, rows),
        ]
    return section("For whom it works", *parts) if parts else Markup("")


def _row(name: str, found: Mapping[str, Any], *, main: bool = False) -> Row:
    bounds: Sequence[float] | None = found["ci95"]
    return Row(name, found["value"], None if bounds is None else (bounds[0], bounds[1]), main)


def _cell(found: Mapping[str, Any] | None) -> Markup:
    if found is None:
        return escaped(words.NOTHING)
    return join(words.figure(found["value"]), tag("span", under(found), class_="under"))


def _lead(found: Mapping[str, Any] | None) -> Markup:
    if found is None:
        return escaped(words.NOTHING)
    between = " to ".join(map(words.signed, found["ci95"]))
    return join(words.signed(found["difference"]), tag("span", between, class_="under"))


def _verdict(compared: Mapping[str, Any]) -> Markup:
    said = []
    for verdict, (class_, text) in _VERDICTS.items():
        names = [words.metric_name(key) for key, found in compared.items() if found["verdict"] == verdict]
        on = "" if len(names) == len(compared) else f" on {words.several(names)}"
        if names:
            said.append(tag("span", tag("b", f"{text}{on}"), class_=class_))
    return tag("span", Markup("; ".join(said)), class_="said")
