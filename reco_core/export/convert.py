"""SavedModel -> TensorFlow Lite, one file per variant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import tensorflow as tf

from reco_core.config import JobConfig, VariantName
from reco_core.examples import FeatureTable, Vocabulary
from reco_core.export.assets import AppItems, app_items
from reco_core.export.metadata import ModelText, add_metadata, describe, describe_reference
from reco_core.export.raw_ids import RawIdServing
from reco_core.export.reference import ReferenceModule, ReferenceShape
from reco_core.export.saved_model import saved
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
) -> ExportedFiles:
    """Convert `model` into `folder`/{variant}.tflite, with built-in operations only.

    Args:
        features: the data's features by name, as in `Timelines.features`; the layout `reference` asks for its genres.
        keep_saved_model: where to write the SavedModel as a zip, if it is to be kept.
        head: what the files are to add to the model's scores.

    Raises:
        ConfigInvalid: raw ids are asked for and aren't whole numbers, or the layout can't have the features.
    """
    reporter = reporter or SilentReporter()
    folder.mkdir(parents=True, exist_ok=True)
    features = features or model.features
    shape, module, form, items = _module(config, model, vocabulary, features, head)
    signatures = module.signatures()
    text = _text(config, shape, vocabulary, features, items)
    names: list[VariantName] = ["float32", *(name for name in config.export.variants if name != "float32")]
    variants: dict[VariantName, ExportedVariant] = {}
    with saved(module, signatures, keep_saved_model) as saved_model:
        for done, name in enumerate(names, start=1):
            content = _convert(saved_model, list(signatures), _QUANTIZERS[name])
            if config.export.metadata:
                content = add_metadata(content, text, config.export.max_bytes)
            path = folder / f"{name}.tflite"
            path.write_bytes(content)
            variants[name] = ExportedVariant(name, path, len(content))
            reporter.progress(done, len(names), "files")
    return ExportedFiles(variants, shape, form, items)


def _module(
    config: JobConfig,
    model: DualEncoder,
    vocabulary: Vocabulary,
    features: Mapping[str, FeatureTable],
    head: NeighbourHead | None,
) -> tuple[ServingShape, ServingModule | ReferenceModule, IndexForm, AppItems | None]:
    shape = ServingShape.of(config, vocabulary.size, model.features)
    if config.export.layout == "reference":
        items = app_items(config, vocabulary, features)
        genre_length = None if items.genre_input is None else items.genre_input.length
        reference = ReferenceShape.around(shape, genre_length)
        return reference, ReferenceModule(ServingModule(model, shape, head), reference, items), items.form, items
    if config.export.raw_ids:
        numbers = ItemNumbers.of(vocabulary.item_ids, "/export/ids")
        return shape, RawIdServing(model, shape, numbers, head), RawForm(numbers), None
    return shape, ServingModule(model, shape, head), IndexForm(), None


def _text(
    config: JobConfig,
    shape: ServingShape,
    vocabulary: Vocabulary,
    features: Mapping[str, FeatureTable],
    items: AppItems | None,
) -> ModelText:
    if isinstance(shape, ReferenceShape) and items is not None:
        return describe_reference(shape, vocabulary, items)
    return describe(shape, vocabulary, features, raw_ids=config.export.raw_ids)


def _convert(saved_model: str, signatures: list[str], quantize: Callable[[Any], None]) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(saved_model, signature_keys=signatures)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    quantize(converter)
    return bytes(converter.convert())


def _float32(converter: Any) -> None:
    """Leave the weights as they are."""


def _float16(converter: Any) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]


def _dynamic_int8(converter: Any) -> None:
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    # Private, and the reason why TensorFlow is pinned: with a scale per channel the product's copy of the table
    # differs from the gather's, and the file holds both. A test asserts the size.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True


_QUANTIZERS: Mapping[VariantName, Callable[[Any], None]] = {
    "float32": _float32,
    "float16": _float16,
    "dynamic_int8": _dynamic_int8,
}
