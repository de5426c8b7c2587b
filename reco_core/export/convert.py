"""SavedModel -> TensorFlow Lite, one file per variant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from reco_core.config import JobConfig, VariantName
from reco_core.examples import FeatureTable, Vocabulary
from reco_core.export.assets import AppItems, app_items
from reco_core.export.calibration import context_moments
from reco_core.export.eight_bits import with_codes
from reco_core.export.item_table import CodedTable, FloatTable, ItemTable, rows_and_biases
from reco_core.export.metadata import ModelText, add_metadata, describe, describe_reference
from reco_core.export.raw_ids import RawIdServing
from reco_core.export.reference import ReferenceModule, ReferenceShape
from reco_core.export.row_codes import code_rows
from reco_core.export.saved_model import saved
from reco_core.export.saved_model_converter import SavedModelConverter
from reco_core.export.serving import ServingModule, ServingShape
from reco_core.item_numbers import ItemNumbers
from reco_core.model import DualEncoder, NeighbourHead
from reco_core.progress import Reporter, SilentReporter
from reco_core.tensor_forms import IndexForm, RawForm

_NO_FEATURES: Mapping[str, FeatureTable] = MappingProxyType({})


@dataclass(frozen=True)
class ExportedVariant:
    """One conversion of the model."""

    name: VariantName
    path: Path
    bytes: int


@dataclass(frozen=True)
class ExportedFiles:
    """Stage 5's result; float32 is always among the variants, since the others are judged against it."""

    variants: Mapping[VariantName, ExportedVariant]
    shape: ServingShape
    form: IndexForm  # how their tensors are to be read
    app_items: AppItems | None = None  # of the layout `reference`


def require_exportable(config: JobConfig, vocabulary: Vocabulary, features: Mapping[str, FeatureTable]) -> None:
    """Check before training that the files which the config asks for can be made of these data.

    Raises:
        ConfigInvalid: raw ids are asked for and aren't whole numbers, or the layout can't have the features.
    """
    if config.export.layout == "reference":
        app_items(config, vocabulary, features)
    elif config.export.raw_ids:
        ItemNumbers.of(vocabulary.item_ids, "/export/ids")


def export(
    config: JobConfig,
    model: DualEncoder,
    vocabulary: Vocabulary,
    folder: Path,
    reporter: Reporter | None = None,
    *,
    features: Mapping[str, FeatureTable] = _NO_FEATURES,
    keep_saved_model: Path | None = None,
    head: NeighbourHead | None = None,
    calibration: Mapping[str, NDArray[Any]] | None = None,
) -> ExportedFiles:
    """Convert `model` into `folder`/{variant}.tflite, with built-in operations only.

    Args:
        features: the data's features by name, as in `Timelines.features`; the layout `reference` asks for its genres.
        keep_saved_model: where to write the SavedModel as a zip, if it is to be kept.
        head: what the files are to add to the model's scores.
        calibration: the model's inputs by name for histories such as the files will see; without them eight-bit
            variants are less accurate.

    Raises:
        ConfigInvalid: raw ids are asked for and aren't whole numbers, or the layout can't have the features.
    """
    reporter = reporter or SilentReporter()
    folder.mkdir(parents=True, exist_ok=True)
    features = features or model.features
    shape, form, app = _interface(config, model, vocabulary, features)
    text = _text(config, shape, vocabulary, features, app)
    names: list[VariantName] = ["float32", *(name for name in config.export.variants if name != "float32")]
    variants: dict[VariantName, ExportedVariant] = {}
    for coded in sorted({name in _CODED for name in names}):
        items = _coded_table(model, calibration) if coded else FloatTable(*rows_and_biases(model))
        module = _module(model, shape, form, app, head, items)
        signatures = module.signatures()
        with saved(module, signatures, None if coded else keep_saved_model) as saved_model:
            for name in (name for name in names if (name in _CODED) is coded):
                content = _convert(saved_model, list(signatures), _QUANTIZERS[name])
                if isinstance(items, CodedTable):
                    content = with_codes(content, items.codes, items.scale)
                if config.export.metadata:
                    content = add_metadata(content, text, config.export.max_bytes)
                path = folder / f"{name}.tflite"
                path.write_bytes(content)
                variants[name] = ExportedVariant(name, path, len(content))
                reporter.progress(len(variants), len(names), "files")
    return ExportedFiles({name: variants[name] for name in names}, shape, form, app)


def _interface(
    config: JobConfig, model: DualEncoder, vocabulary: Vocabulary, features: Mapping[str, FeatureTable]
) -> tuple[ServingShape, IndexForm, AppItems | None]:
    """What all variants have alike: the signatures' shapes, how tensors are to be read, what an app shows."""
    shape = ServingShape.of(config, vocabulary.size, model.features)
    if config.export.layout == "reference":
        app = app_items(config, vocabulary, features)
        genre_length = None if app.genre_input is None else app.genre_input.length
        return ReferenceShape.around(shape, genre_length), app.form, app
    if config.export.raw_ids:
        return shape, RawForm(ItemNumbers.of(vocabulary.item_ids, "/export/ids")), None
    return shape, IndexForm(), None


def _module(
    model: DualEncoder,
    shape: ServingShape,
    form: IndexForm,
    app: AppItems | None,
    head: NeighbourHead | None,
    items: ItemTable,
) -> ServingModule | ReferenceModule:
    if app is not None and isinstance(shape, ReferenceShape):
        return ReferenceModule(ServingModule(model, shape, head, items), shape, app)
    if isinstance(form, RawForm):
        return RawIdServing(model, shape, form.numbers, head, items)
    return ServingModule(model, shape, head, items)


def _coded_table(model: DualEncoder, calibration: Mapping[str, NDArray[Any]] | None) -> CodedTable:
    rows, biases = rows_and_biases(model)
    moments = None if calibration is None else context_moments(model, rows, calibration)
    return CodedTable(code_rows(rows, biases, moments))


def _text(
    config: JobConfig,
    shape: ServingShape,
    vocabulary: Vocabulary,
    features: Mapping[str, FeatureTable],
    app: AppItems | None,
) -> ModelText:
    if isinstance(shape, ReferenceShape) and app is not None:
        return describe_reference(shape, vocabulary, app)
    return describe(shape, vocabulary, features, raw_ids=config.export.raw_ids)


def _convert(saved_model: str, signatures: list[str], quantize: Callable[[Any], None]) -> bytes:
    converter = SavedModelConverter(saved_model, signatures)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    quantize(converter)
    return converter.convert()


def _float32(converter: Any) -> None:
    """Leave the weights as they are."""


def _float16(converter: Any) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


_CODED: frozenset[VariantName] = frozenset({"dynamic_int8"})  # made of a table of eight-bit codes
_QUANTIZERS: Mapping[VariantName, Callable[[Any], None]] = {
    "float32": _float32,
    "float16": _float16,
    "dynamic_int8": _float16,  # all but the table, which is stored as its codes
}
