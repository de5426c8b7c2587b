"""A bundle read back: what was shipped, each file that is read checked against its manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from reco_core.bundle import describe
from reco_core.bundled_features import read_features
from reco_core.config import JobConfig
from reco_core.errors import ConfigInvalid, FieldError, NotABundle
from reco_core.examples import Fitted
from reco_core.tensor_forms import IndexForm, form_of_bundle


@dataclass(frozen=True)
class Shipped:
    """What a bundle says of itself, as far as it is needed here."""

    config: JobConfig
    data_hash: str
    manifest_sha256: str
    files: Mapping[str, Path]  # those to rank
    main: str
    form: IndexForm  # of all of them
    item_ids: tuple[str, ...]
    trained: NDArray[np.bool_]  # [V + 1] items with training data
    training: Mapping[str, Any]
    neighbours: Mapping[str, Any] | None  # what the report says of the neighbour head, if the config has one
    features: Mapping[str, Fitted]  # by name of the model's input


def open_bundle(folder: Path, variants: Sequence[str] | None) -> Shipped:
    """What lies in `folder`; `variants` as of `evaluating.evaluate_again`.

    Raises:
        NotABundle: a file is missing or is not what the manifest says.
        ConfigInvalid: the bundle has no such variant.
    """
    try:
        manifest = _read(folder / "manifest.json")
        promised = {entry["path"]: entry for entry in manifest["files"]}
        there = [Path(path).stem for path in promised if path.startswith("variants/")]
        default = manifest["default_variant"]
        wanted = [default] if variants is None else list(dict.fromkeys(variants))
        _require_variants(wanted, there)
        files = {name: folder / "variants" / f"{name}.tflite" for name in wanted}
        # vocabularies say which item an id is and how features are encoded, so figures hang on them too
        words = [folder / path for path in promised if path.startswith(("vocabulary/", "assets/"))]
        for path in [*files.values(), folder / "items.json", folder / "report.json", *words]:
            if describe(path, folder) != promised[path.relative_to(folder).as_posix()]:
                raise NotABundle(f"{path} isn't the file that manifest.json describes; unpack the bundle again")
        items = _read(folder / "items.json")
        report = _read(folder / "report.json")
        return Shipped(
            config=JobConfig.model_validate(manifest["config"]),
            data_hash=manifest["data_hash"],
            manifest_sha256=describe(folder / "manifest.json", folder)["sha256"],
            files=files,
            main=default if default in files else wanted[0],
            form=form_of_bundle(folder),
            item_ids=("<pad>", *(item["id"] for item in items)),
            trained=np.array([False, *(item["count"] > 0 for item in items)]),
            training=report["training"],
            neighbours=report.get("neighbours"),
            features=read_features(folder, manifest),
        )
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise NotABundle(
            f"{folder} doesn't hold a bundle of this version ({type(error).__name__}: {error}); give the folder of an "
            "unpacked bundle"
        ) from None


def _require_variants(wanted: Sequence[str], there: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in there]
    if missing or not wanted:
        detail = f"the bundle has no variant {missing[0]!r}" if missing else "no variant is named"
        detail += f"; choose among {', '.join(there)}"
        raise ConfigInvalid(detail, [FieldError("/variants", "unknown_variant", detail)])


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
