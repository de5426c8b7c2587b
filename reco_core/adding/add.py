"""The door: weights, the bundle that was made of them, and a table of new items -> a bundle that knows them too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from reco_core import bundle as bundles
from reco_core import export, model, pipeline, training
from reco_core.adding.base import BaseBundle, open_base
from reco_core.adding.chosen import attribute_names, choose
from reco_core.adding.without_log import Longer, write_bundle
from reco_core.config.estimate import require_budget
from reco_core.datasets.new_items import load_items
from reco_core.datasets.types import Interactions
from reco_core.errors import CheckpointMismatch, ConfigInvalid, FieldError, Interrupted
from reco_core.examples import Prepared, with_added
from reco_core.measurements import Measurements
from reco_core.progress import Reporter, SilentReporter


def add_items(
    weights: Path,
    bundle: Path,
    items: Path,
    out: Path,
    *,
    work: Path,
    source: Interactions | Prepared | None = None,
    changes: Mapping[str, Any] | None = None,
    skip_existing: bool = False,
    version: str | None = None,
    reporter: Reporter | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> bundles.Manifest:
    """Write a bundle whose model knows the items of a table besides its own; nothing is trained.

    A new item's row is made of what training learned of its attributes. New items come after all others, in the order
    of their raw ids; no index changes.

    Args:
        weights: the file in a run's folder `weights` that `bundle` was made of.
        bundle: folder of the unpacked bundle.
        items: a CSV, Parquet or JSONL file with an id, and titles and attributes where there are any.
        work: folder for what is no part of the bundle: `weights/best.npz` of the longer model, `measurements.json`,
            `report.html`, and with `source` `ranks.npz`.
        source: the log that the model was trained on, or its examples: everything is measured anew, with the new
            items among the candidates. Without it the files are verified on drawn histories, and the figures of the
            bundle are carried over and said to be.
        changes: with `source`, fields of the bundle's config that are to differ; see `config.EXPORT_CHANGES`.
        skip_existing: pass over items that the model knows already.
        version: the published version that the bundle is, as the manifest is to name it: `films@3`.
        should_stop: asked between the stages.

    Raises:
        ItemsExist: the model has items of these ids, and they are not to be skipped.
        ConfigInvalid: the model knows no attribute; it has a neighbour head, and there is no `source`; or raw ids are
            in its files and a new id is no number.
        NotABundle, CheckpointMismatch: the bundle is damaged; the weights are, or belong to another bundle.
        DatasetInvalid: the table of items has faults.
        SizeBudgetImpossible, ParityFailed, OutputExists, Interrupted: as `pipeline.export_again`.
    """
    reporter = reporter or SilentReporter()
    bundles.require_free(out)
    measured = Measurements()
    with measured.phase("build_examples", reporter):
        given, base = training.read_weights(weights), open_base(bundle)
        given = _completed(given, base)
        _require_pair(given, base)
        _require_source(base, source)
        new = load_items(items, attribute_names(base.vocabulary))
        chosen = choose(new, base.config, base.vocabulary, base.features, skip_existing=skip_existing)
        notes = [*new.notes, *chosen.notes()]
        for note in notes:
            reporter.log(note)
        vocabulary, features = with_added(base.vocabulary, base.features, chosen.added)
        export.require_exportable(base.config, vocabulary, features)
        require_budget(base.config, vocabulary.size)
        training.configure()
        made_longer = training.lengthened(
            given,
            model.build(model.config_for_export(base.config), vocabulary, features),
            base.vocabulary.counts,
            chosen.added,
            {
                "base": {
                    "manifest_sha256": base.manifest_sha256,
                    "version": version,
                    "items": base.vocabulary.size,
                },
                **chosen.facts(),
            },
        )
        kept = work / "weights" / "best.npz"
        training.write_weights(kept, made_longer)
        reporter.log(f"{len(chosen.added):,} items added to {base.vocabulary.size:,}")
    if should_stop():
        raise Interrupted("stopped before the export; nothing was written")
    if source is not None:
        return pipeline.export_again(
            kept,
            source,
            out,
            work=work,
            changes=_exported_with(base) if changes is None else changes,
            reporter=reporter,
            should_stop=should_stop,
        )
    facts = training.added_facts(made_longer) or {}
    return write_bundle(base, Longer(made_longer, vocabulary, features), facts, notes, out, work, measured, reporter)


def _completed(given: training.ModelWeights, base: BaseBundle) -> training.ModelWeights:
    """With rows for what of the bundle's items training was kept from."""
    if not base.config.evaluation.cold_items or given.item_ids == base.vocabulary.item_ids:
        return given
    training.configure()
    known = model.build(base.config, base.vocabulary, base.features)
    return training.completed(given, known, base.vocabulary)


def _require_pair(given: training.ModelWeights, base: BaseBundle) -> None:
    if (given.item_ids, given.info.data_hash) != (base.vocabulary.item_ids, base.data_hash):
        raise CheckpointMismatch(
            "the weights and the bundle belong to different models; give best.npz from the folder `weights` beside "
            "the bundle"
        )


def _require_source(base: BaseBundle, source: Interactions | Prepared | None) -> None:
    if base.config.model.neighbours is not None and source is None:
        detail = (
            "the model has a table of neighbours, which is made of the log; give the log that it was trained on too"
        )
        raise ConfigInvalid(detail, [FieldError("/data", "log_needed", detail)])


def _exported_with(base: BaseBundle) -> dict[str, Any]:
    """What the bundle was exported with, which may differ from what the weights were trained with."""
    document = base.config.model_dump(mode="json")
    return {"export": document["export"], "model": {"neighbours": document["model"]["neighbours"]}}
