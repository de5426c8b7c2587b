"""What a version's manifest says. Manifests of other releases may lack any of it; what is missing reads as empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.records import FileEntry, ModelVersion

_FOLDER, _SUFFIX = "variants/", ".tflite"
_WEIGHTS, _NPZ = "weights/", ".npz"
BEST = "best"


def default_variant(version: ModelVersion) -> str | None:
    """The name of the variant that is model.tflite."""
    name = version.manifest.get("default_variant")
    return name if isinstance(name, str) else None


def variant_files(version: ModelVersion) -> dict[str, FileEntry]:
    """The file of each variant by its name."""
    return {
        entry.path.removeprefix(_FOLDER).removesuffix(_SUFFIX): entry
        for entry in version.files
        if entry.path.startswith(_FOLDER) and entry.path.endswith(_SUFFIX)
    }


def kept_weights(version: ModelVersion) -> dict[str, FileEntry]:
    """The files of weights that it can be exported from again, by name: `best`, then epochs, the oldest first."""
    found = {
        entry.path.removeprefix(_WEIGHTS).removesuffix(_NPZ): entry
        for entry in version.files
        if entry.path.startswith(_WEIGHTS) and entry.path.endswith(_NPZ)
    }
    return dict(sorted(found.items(), key=lambda pair: (pair[0] != BEST, pair[0])))


def operators(version: ModelVersion, variant: str | None) -> dict[str, int] | None:
    """How often each operation stands in a variant's file; None where that wasn't recorded."""
    found = _part(version.manifest, "operators").get(variant or "")
    return found if isinstance(found, dict) else None


def content_hash(version: ModelVersion) -> str | None:
    """The content hash of the dataset it was made from."""
    found = version.manifest.get("data_hash")
    return found if isinstance(found, str) else None


def config(version: ModelVersion) -> Mapping[str, Any]:
    """The complete config of the job that made it."""
    return _part(version.manifest, "config")


def protocol(version: ModelVersion) -> str | None:
    """How test data were held out."""
    found = _part(version.manifest, "metrics").get("protocol")
    return found if isinstance(found, str) else None


def signatures(version: ModelVersion) -> dict[str, Any]:
    """Inputs and outputs of model.tflite by signature, with their types and shapes."""
    return dict(_part(version.manifest, "signatures"))


def test_metrics(version: ModelVersion) -> dict[str, dict[str, Any]]:
    """`{metric: {value, ci95}}` on test; the interval is None where there is none."""
    return _measured(_part(version.manifest, "metrics").get("test"), version.metrics)


def baselines(version: ModelVersion) -> dict[str, dict[str, dict[str, Any]]]:
    """The same for each baseline, on the same test examples."""
    found = _part(version.manifest, "metrics").get("baselines")
    return {name: _measured(metrics, {}) for name, metrics in found.items()} if isinstance(found, dict) else {}


def _measured(recorded: Any, plain: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    entries = recorded if isinstance(recorded, dict) else plain
    found = {}
    for name, entry in entries.items():
        value, interval = (entry.get("value"), entry.get("ci95")) if isinstance(entry, dict) else (entry, None)
        if isinstance(value, int | float):
            found[name] = {"value": value, "ci95": interval}
    return found


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}
