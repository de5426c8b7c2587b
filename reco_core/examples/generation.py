"""The stage itself: sort, split, count, index."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reco_core.config import JobConfig
from reco_core.config.estimate.workload import WITHOUT_TIMES, too_small_to_split
from reco_core.datasets.types import Interactions
from reco_core.errors import ConfigInvalid, DatasetTooSmall, FieldError
from reco_core.examples.cold import cold_codes, without_cold
from reco_core.examples.feature_tables import Fitted, encode, trained_users
from reco_core.examples.features import resolve
from reco_core.examples.split import SplitResult, leave_one_out, reference, temporal, user_disjoint
from reco_core.examples.timelines import RawTimelines, build_timelines, first_occurrences
from reco_core.examples.types import Examples, ExampleSet, Timelines
from reco_core.examples.vocabulary import build_vocabulary


def generate(config: JobConfig, interactions: Interactions, fitted: Mapping[str, Fitted] | None = None) -> ExampleSet:
    """Timelines, split, vocabulary and features of a log, under the protocol of the config.

    Args:
        fitted: vocabularies, means and deviations of an earlier model's features, by name, and `config` is that
            model's: what the log says nothing of is missing everywhere. None fits them anew.

    Raises:
        DatasetTooSmall: nothing is left to train or to evaluate on.
        ConfigInvalid: the protocol needs timestamps, and there are none; or a feature's column is of another type or,
            without `fitted`, missing or holds nothing to learn from.
    """
    raw = build_timelines(interactions, config.min_timeline_length, config.examples.min_rating)
    _require_timelines(config, interactions, raw)
    cold = cold_codes(config, interactions)
    raw, split = without_cold(raw, _split(config, raw), cold)
    features = config.features  # of a model that is there every choice is made
    if fitted is None:
        features = resolve(
            config.features,
            interactions,
            item_attribute=config.model.item_attribute,
            learnable={
                "user": raw.users[trained_users(raw, split.in_training)],
                "interaction": raw.rows[split.in_training],
            },
        )
    train = split.train
    if not config.repeats:
        # an item seen before is never recommended again, so there is nothing to learn from it as a label
        train = _only(train, first_occurrences(raw.offsets, raw.codes))
    _require_examples(config, split, train)
    counts = np.bincount(raw.codes[split.in_training], minlength=len(interactions.item_ids))
    vocabulary, index = build_vocabulary(interactions, counts, cold)
    items = index[raw.codes]
    timelines = Timelines(
        offsets=raw.offsets,
        items=items,
        timestamps=raw.timestamps,
        seen_offsets=raw.seen_offsets,
        seen_items=items if raw.seen_codes is raw.codes else index[raw.seen_codes],
        seen_before=raw.seen_before,
        user_ids=_user_ids(interactions, raw),
        features=encode(
            features,
            interactions,
            raw,
            index=index,
            items=vocabulary.size,
            in_training=split.in_training,
            fitted=fitted,
        ),
    )
    return ExampleSet(
        protocol=config.evaluation.protocol,
        vocabulary=vocabulary,
        timelines=timelines,
        train=train,
        validation=split.validation,
        test=split.test,
        in_training=split.in_training,
        dropped_users=raw.dropped_users,
        features=features,
        cold_items=np.sort(index[cold]),
    )


def _split(config: JobConfig, raw: RawTimelines) -> SplitResult:
    wanted = config.evaluation
    match wanted.protocol:
        case "leave_one_out":
            return leave_one_out(raw.offsets)
        case "temporal":
            if raw.timestamps is None:
                raise ConfigInvalid(WITHOUT_TIMES, [FieldError("/evaluation/protocol", "no_timestamps", WITHOUT_TIMES)])
            return temporal(raw.offsets, raw.timestamps, wanted.test_fraction)
        case "user_disjoint":
            return user_disjoint(raw.offsets, wanted.test_fraction, wanted.split_seed)
        case "reference":
            return reference(raw.offsets, config.examples.train_data_fraction, config.seed)


def _user_ids(interactions: Interactions, raw: RawTimelines) -> tuple[str, ...]:
    if raw.dropped_users == 0:
        return interactions.user_ids
    return tuple(map(interactions.user_ids.__getitem__, raw.users.tolist()))


def _only(examples: Examples, keep: np.ndarray) -> Examples:
    kept = keep[examples.labels]
    return Examples(examples.users[kept], examples.labels[kept])


def _require_timelines(config: JobConfig, interactions: Interactions, raw: RawTimelines) -> None:
    if len(raw.users) == 0:
        rated = "" if config.examples.min_rating is None else f" rated at least {config.examples.min_rating:g}"
        raise DatasetTooSmall(
            f"none of the {len(interactions.user_ids)} users has {config.min_timeline_length} "
            f"interactions{rated}; give a longer log, or lower examples.min_rating"
        )
    if (raw.codes == raw.codes[0]).all():
        raise DatasetTooSmall("the log holds a single item; a recommender needs at least two to choose from")


def _require_examples(config: JobConfig, split: SplitResult, train: Examples) -> None:
    for name, count in (("training", len(train)), ("validation", len(split.validation)), ("test", len(split.test))):
        if count == 0:
            raise DatasetTooSmall(too_small_to_split(config.evaluation.protocol, name))
