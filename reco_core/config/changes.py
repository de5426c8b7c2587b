"""A finished run's config with some fields changed: what may differ when it is exported or evaluated again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reco_core.config.job import JobConfig
from reco_core.config.loading import load
from reco_core.errors import ConfigInvalid, FieldError

# Whatever the weights don't depend on. The protocol decides over the split, and so over what was learned.
EXPORT_CHANGES = (
    "/export",
    "/model/neighbours",
    "/evaluation/k",
    "/evaluation/baselines",
    "/evaluation/bootstrap_samples",
)
# Whatever decides over what a file is measured on, and how.
EVALUATION_CHANGES = (
    "/evaluation",
    "/examples/min_timeline_length",
    "/examples/min_rating",
    "/examples/train_data_fraction",
    "/repeats",
    "/seed",
)


def with_changes(config: JobConfig, changes: Mapping[str, Any], allowed: tuple[str, ...]) -> JobConfig:
    """`config` with the fields of `changes`, a document of the same form that holds only what differs.

    Args:
        allowed: JSON pointers of the fields or sections that may be changed.

    Raises:
        ConfigInvalid: another field is in `changes`, or the result isn't valid; `errors` point into `changes`.
    """
    faults = [
        FieldError(pointer, "not_changeable", f"{pointer} is fixed by now; what may differ: {', '.join(allowed)}")
        for pointer in _forbidden(changes, "", allowed)
    ]
    if faults:
        raise ConfigInvalid(f"the changes are not possible: {faults[0].detail}", faults)
    return load(_with_default_variant(_merged(config.model_dump(mode="json"), changes), changes))


def _with_default_variant(merged: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The first variant becomes the default one where others were asked for and the old default isn't among them."""
    export = changes.get("export")
    if not isinstance(export, Mapping) or "default_variant" in export:
        return merged
    variants = export.get("variants")
    if not isinstance(variants, list | tuple) or not variants or merged["export"]["default_variant"] in variants:
        return merged
    return {**merged, "export": {**merged["export"], "default_variant": variants[0]}}


def _forbidden(changes: Mapping[str, Any], above: str, allowed: tuple[str, ...]) -> Iterator[str]:
    for key, value in changes.items():
        pointer = f"{above}/" + key.replace("~", "~0").replace("/", "~1")
        if pointer in allowed:
            continue
        if isinstance(value, Mapping) and any(one.startswith(f"{pointer}/") for one in allowed):
            yield from _forbidden(value, pointer, allowed)
        else:
            yield pointer


def _merged(below: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in over.items():
        inside = merged.get(key)
        merged[key] = _merged(inside, value) if isinstance(value, Mapping) and isinstance(inside, Mapping) else value
    return merged
