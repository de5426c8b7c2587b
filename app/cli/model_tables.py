"""Models and versions as tables: one version, and several of them side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.cli.output import console, human_bytes
from app.cli.results import SHOWN
from app.cli.results import TITLES as REPORT_TITLES

if TYPE_CHECKING:
    from rich.table import Table

    from app.client import Model, ModelVersion

TITLES = REPORT_TITLES | {"mrr@10": "MRR@10"}
_COLOURS = {"better": "green", "worse": "red"}


def print_models(models: Iterable[Model]) -> None:
    """One row a model."""
    table = _table(["model", "latest", "versions", "updated"])
    for model in models:
        latest = "all yanked" if model.latest_version is None else f"{model.latest_version}"
        updated = f"{model.updated_at:%Y-%m-%d %H:%M}" if model.updated_at else ""
        table.add_row(model.name, latest, f"{model.last_version or ''}", updated)
    console().print(table, soft_wrap=False)


def print_versions(versions: Iterable[ModelVersion]) -> None:
    """One row a version, its figures on test among them."""
    table = _table(["version", *(TITLES[metric] for metric in SHOWN), "made", ""], left=(4, 5))
    for version in versions:
        figures = [_figure(metric, version.metrics.get(metric)) for metric in SHOWN]
        made = f"{version.created_at:%Y-%m-%d}" if version.created_at else ""
        table.add_row(f"{version.version}", *figures, made, _remarks(version))
    console().print(table, soft_wrap=False)


def print_version(name: str, version: ModelVersion) -> None:
    """One version: figures beside the baselines, variants, files."""
    out = console()
    out.print(f"{name} version {version.version}, made by {version.job_id} on {version.dataset_id}", style="bold")
    if origin := _origin(version.job_type, version.base.model_dump() if version.base else None):
        out.print(origin)
    if version.yanked is not None:
        out.print(f"{_yanked(version)}: build it into no further app", style="bold red")
    if version.removed is not None:
        out.print(f"its files were {version.removed}", style="bold red")
    shown = [metric for metric in SHOWN if metric in version.metrics]
    table = _table(["on test", *(TITLES[metric] for metric in shown)])
    table.add_row("this model", *(_figure(metric, version.metrics[metric]) for metric in shown), style="bold")
    for baseline, metrics in version.baselines.items():
        table.add_row(baseline, *(_figure(metric, metrics.get(metric)) for metric in shown))
    out.print(table, soft_wrap=False)
    if version.weights:
        kept = ", ".join(weights.checkpoint for weights in version.weights)
        out.print(f"weights kept to export from: {kept}", soft_wrap=True)
    for artifact in version.artifacts:
        out.print(f"  {human_bytes(artifact.bytes):>9}  {artifact.sha256}  {artifact.path}")


def print_comparison(compared: Mapping[str, Any]) -> None:
    """Versions side by side, a column each, then what can be told of their differences."""
    versions = compared["versions"]
    out = console()
    base = compared["base"]
    others = ", ".join(str(version["version"]) for version in versions[1:])
    out.print(f"{compared['model']}: version {base} and {others} (*: model.tflite)")
    table = _table(["", *(_heading(version, base) for version in versions)])
    for metric in _metrics(versions):
        table.add_row(TITLES.get(metric, metric), *(_measured(metric, version["metrics"]) for version in versions))
    table.add_section()
    for variant in _in_order(found["name"] for version in versions for found in version["variants"]):
        table.add_row(variant, *(_variant(version["variants"], variant) for version in versions))
    table.add_section()
    operators = [_operators(version["variants"]) for version in versions]
    table.add_row("operators", *(f"{len(names)} kinds" if names else "" for names in operators))
    table.add_section()
    for difference in compared["config_differences"]:
        values = difference["values"]
        cells = (
            _short(values[number]) if (number := str(version["version"])) in values else "-" for version in versions
        )
        table.add_row(difference["pointer"].removeprefix("/").replace("/", "."), *cells)
    out.print(table, soft_wrap=False)
    for version in versions:
        if origin := _origin(version["job_type"], version["base"]):
            out.print(f"version {version['version']}: {origin}")
    for version, names in zip(versions[1:], operators[1:], strict=True):
        if added := sorted(names - operators[0]):
            out.print(f"version {version['version']} needs operators that {base} doesn't: {', '.join(added)}")
    print_verdicts(compared["comparisons"])


def print_verdicts(comparisons: Iterable[Mapping[str, Any]]) -> None:
    """What can be told of each version against the base, on the same test examples."""
    out = console()
    for found in comparisons:
        paired = found["paired"]
        if paired is None:
            out.print(found["verdict"], style="yellow")
            continue
        out.print(
            f"{found['version']} against {found['base']}, on the same {paired['examples']:,} examples of "
            f"{paired['users']:,} users (95% intervals, paired bootstrap)",
            style="bold",
        )
        for metric, difference in paired["metrics"].items():
            low, high = (_signed(metric, end) for end in difference["ci95"])
            line = f"  {TITLES.get(metric, metric):<10} {_signed(metric, difference['difference'])} [{low}, {high}]  "
            out.print(line, end="")
            out.print(difference["verdict"], style=_COLOURS.get(difference["verdict"]))


def _table(headings: Sequence[str], left: Sequence[int] = ()) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number == 0 or number in left else "right")
    return table


def _metrics(versions: Sequence[Mapping[str, Any]]) -> list[str]:
    known = {metric for version in versions for metric in version["metrics"]}
    return [metric for metric in (*SHOWN, "mrr@10", "coverage@10") if metric in known]


def _measured(metric: str, metrics: Mapping[str, Any]) -> str:
    found = metrics.get(metric)
    if found is None:
        return "-"
    interval = found["ci95"]
    text = _figure(metric, found["value"])
    return text if interval is None else f"{text} [{_figure(metric, interval[0])}, {_figure(metric, interval[1])}]"


def _variant(variants: Iterable[Mapping[str, Any]], name: str) -> str:
    for found in variants:
        if found["name"] == name:
            latency = "" if found["latency_ms"] is None else f", {found['latency_ms']:.3f} ms"
            return f"{human_bytes(found['bytes'])}{latency}{' *' if found['default'] else ''}"
    return "-"


def _operators(variants: Iterable[Mapping[str, Any]]) -> set[str]:
    """The operators of model.tflite, where they are known."""
    return {name for found in variants if found["default"] for name in found["operators"] or ()}


def _heading(version: Mapping[str, Any], base: int) -> str:
    mark = " (base)" if version["version"] == base else ""
    return f"{version['version']}{mark}{' yanked' if version['yanked'] else ''}"


def _origin(job_type: str | None, base: Mapping[str, Any] | None) -> str:
    """Whose weights a version has, or began with; nothing where it was trained from the start."""
    if base is None:
        return ""
    checkpoint = base["checkpoint"] or "best"
    weights = "best weights" if checkpoint == "best" else f"weights after {checkpoint.replace('epoch-', 'epoch ')}"
    made = "exported from" if job_type == "export" else "trained on from"
    return f"{made} the {weights} of {base['model']} version {base['version']}"


def _remarks(version: ModelVersion) -> str:
    removed = "" if version.removed is None else f"files removed {version.removed.at:%Y-%m-%d}"
    return "; ".join(filter(None, (removed, _yanked(version))))


def _yanked(version: ModelVersion) -> str:
    if version.yanked is None:
        return ""
    reason = "".join(character for character in version.yanked.reason or "" if character.isprintable())
    return f"yanked {version.yanked.at:%Y-%m-%d}{': ' if reason else ''}{reason}"


def _figure(metric: str, value: Any) -> str:
    if not isinstance(value, int | float):
        return ""
    return f"{value:.1f}" if metric == "mean_rank" else f"{value:.4f}"


def _signed(metric: str, value: float) -> str:
    return f"{value:+.1f}" if metric == "mean_rank" else f"{value:+.4f}"


def _short(value: Any) -> str:
    text = "null" if value is None else f"{value}"
    return text if len(text) <= 24 else f"{text[:21]}..."


def _in_order(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))
