"""Whether the weights of one config fit the model of another, as far as the configs alone tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reco_core.config.changes import with_changes
from reco_core.config.job import JobConfig
from reco_core.errors import ConfigInvalid, FieldError

MISMATCH = "base_mismatch"
# A preset is where a whole config begins, and no change of another one.
_CHANGES = tuple(f"/{name}" for name in JobConfig.model_fields if name != "preset")
# No weight depends on them. How many values a feature has may differ: they are matched by what they are.
_FREE = frozenset({"column", "length", "vocabulary_size", "buckets"})
# Of the section `model`: the rest of it is about training and the files.
_MODEL = ("embedding_dim", "hidden_layers", "item_bias")


def architecture_differences(base: JobConfig, wanted: JobConfig) -> tuple[FieldError, ...]:
    """What of `wanted` would have to be as in `base` for its model to begin with the base's weights.

    Args:
        base: of a finished run, so that its features are resolved.
        wanted: where its features are still `auto`, they are not compared.
    """
    ours, theirs = wanted.model_dump(mode="json"), base.model_dump(mode="json")
    faults = [
        *_differences(theirs["encoder"], ours["encoder"], "/encoder"),
        *_differences(_picked(theirs["model"]), _picked(ours["model"]), "/model"),
        *_attribute(base.model.item_attribute, wanted.model.item_attribute),
    ]
    if not (wanted.features.automatic or base.features.automatic):
        faults += _differences(theirs["features"], ours["features"], "/features")
    return tuple(faults)


def require_architecture(base: JobConfig, wanted: JobConfig) -> None:
    """Refuse a config whose model can't begin with the weights of `base`.

    Raises:
        ConfigInvalid: `errors` point at each field that differs.
    """
    faults = architecture_differences(base, wanted)
    if faults:
        raise ConfigInvalid(f"the model can't begin with the base's weights: {faults[0].detail}", faults)


def continued(base: JobConfig, changes: Mapping[str, Any]) -> JobConfig:
    """The config of a training that begins with the weights of a run with `base`: the same, but for `changes`.

    Raises:
        ConfigInvalid: the result isn't valid, or has another architecture; `errors` point into `changes`.
    """
    encoder = changes.get("encoder")
    if isinstance(encoder, Mapping) and encoder.get("type", base.encoder.type) != base.encoder.type:
        fault = mismatch("/encoder/type", encoder["type"], base.encoder.type)
        raise ConfigInvalid(f"the model can't begin with the base's weights: {fault.detail}", [fault])
    config = with_changes(base, changes, _CHANGES) if changes else base
    require_architecture(base, config)
    return config


def mismatch(pointer: str, ours: Any, theirs: Any) -> FieldError:
    """The fault of a field that is `ours` where the base has `theirs`."""
    detail = f"{pointer} is {ours!r}, the base's is {theirs!r}; set it to the base's, or train without a base"
    return FieldError(pointer, MISMATCH, detail)


def _picked(model: Mapping[str, Any]) -> dict[str, Any]:
    return {name: model[name] for name in _MODEL}


def _attribute(theirs: str | None, ours: str | None) -> Iterator[FieldError]:
    # `auto` may be any attribute or none: the data tell
    if theirs != ours and "auto" not in (theirs, ours):
        yield mismatch("/model/item_attribute", ours, theirs)


def _differences(theirs: Any, ours: Any, pointer: str) -> Iterator[FieldError]:
    """The innermost differing fields; of objects of different types their `type` only."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name in ("type", "name"):
            if theirs.get(name) != ours.get(name):
                yield mismatch(f"{pointer}/{name}", ours.get(name), theirs.get(name))
                return
        for name in {**theirs, **ours}:
            if name not in _FREE:
                yield from _differences(theirs.get(name), ours.get(name), f"{pointer}/{name}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for number, (their, our) in enumerate(zip(theirs, ours, strict=True)):
            yield from _differences(their, our, f"{pointer}/{number}")
    elif theirs != ours:
        yield mismatch(pointer, _in_short(ours), _in_short(theirs))


def _in_short(value: Any) -> Any:
    """Features by their names: a whole group as JSON says less."""
    if isinstance(value, list):
        return [_in_short(one) for one in value]
    if isinstance(value, dict):
        return value.get("name") or _in_short(value.get("features", value.get("type", value)))
    return value
