"""How much a job has to do: examples and vocabulary, counted from a dataset's report as `examples.generate` would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reco_core.config.evaluation import ProtocolName
from reco_core.config.job import JobConfig
from reco_core.errors import ConfigInvalid, DatasetTooSmall, FieldError

# as in reco_core.examples.split, which a light process can't import; a test compares them
MOST_REFERENCE_VALIDATION = 10_000
STATISTICS_VERSION = 1  # of reco_core.datasets.statistics

WITHOUT_TIMES = (
    "the protocol temporal cuts the log in time, and this log has no timestamps; map a column of times, or take the "
    "protocol leave_one_out or user_disjoint"
)
_NEEDED: Mapping[ProtocolName, str] = {
    "leave_one_out": "at least one user with four or more interactions with different items is needed",
    "temporal": "before the cut a user with two different items is needed, and in the time of test and of validation "
    "somebody who did something before; give a longer log, or another evaluation.test_fraction",
    "user_disjoint": "at least one user with two or more different items has to be left in training; give a log of "
    "more users, or a lower evaluation.test_fraction",
    "reference": "at least one user with four or more interactions with different items is needed",
}


def too_small_to_split(protocol: ProtocolName, part: str) -> str:
    """What to say where the protocol leaves no example of a part of the log: training, validation or test."""
    return f"the log is too small to split: no {part} example is left; {_NEEDED[protocol]}"


@dataclass(frozen=True)
class Lengths:
    """Timelines of about the same length, counted together."""

    length: int  # of the shortest
    users: int
    rows: int
    distinct: int  # different items of each user, summed
    distinct_before: int  # the same without each user's last two rows

    @property
    def mean(self) -> float:
        """Mean length."""
        return self.rows / self.users


@dataclass(frozen=True)
class Workload:
    """What the stages of a job work on."""

    rows: int  # of the log
    users: int  # that take part
    dropped_users: int
    interactions: int  # of the users that take part
    vocabulary: int
    attribute_values: int  # 0 where the model has no item attribute
    attribute_entries: int
    train: int
    validation: int
    test: int
    exact: bool  # False where the report has no statistics and the counts are guesses
    text_bytes: int  # of ids, titles and attribute values, in all
    lengths: tuple[Lengths, ...] = ()  # of the users that take part
    id_bytes: int = 0  # of item ids alone
    feature_rows: Mapping[str, int] = field(default_factory=dict)  # embeddings of each feature, by name

    @property
    def batch_size(self) -> int:
        """Examples per step where the config leaves it open, as in reco_core.training.batches."""
        return min(512, max(32, self.train // 100), max(1, self.train))

    def share_of_timelines_shorter_than(self, length: int) -> float:
        """Share of the users that take part; 0 where nothing is known of them."""
        users = sum(entry.users for entry in self.lengths)
        shorter = sum(entry.users for entry in self.lengths if entry.mean < length)
        return shorter / users if users else 0.0


def workload(config: JobConfig, report: Mapping[str, Any]) -> Workload | None:
    """The workload of a job on the dataset with this report; None where the report says too little.

    Raises:
        DatasetTooSmall: nothing would be left to train or to evaluate on.
        ConfigInvalid: the config names an item attribute that the item table lacks, or the protocol needs timestamps
            and the log has none.
    """
    found = report.get("statistics")
    if isinstance(found, Mapping) and found.get("version") == STATISTICS_VERSION:
        return _counted(config, found)
    users, items, rows = report.get("users"), report.get("items"), report.get("rows", {}).get("accepted")
    if not (isinstance(users, int) and isinstance(items, int) and isinstance(rows, int) and min(users, items) > 0):
        return None
    return _guessed(config, users, items, rows)


def _counted(config: JobConfig, found: Mapping[str, Any]) -> Workload:
    lengths = _of_rating(found, config.examples.min_rating)
    kept = tuple(entry for entry in lengths if entry.mean >= config.min_timeline_length)
    users, interactions = sum(entry.users for entry in kept), sum(entry.rows for entry in kept)
    if users == 0:
        raise _too_small(config, found["users"])
    train, validation, test = _split(config, found, kept)
    _require_examples(config, {"training": train, "validation": validation, "test": test})
    values, entries = _attribute(config, found.get("attribute"))
    return Workload(
        rows=found["rows"],
        users=users,
        dropped_users=found["users"] - users,
        interactions=interactions,
        vocabulary=found["vocabulary"],
        attribute_values=values,
        attribute_entries=entries,
        train=train,
        validation=validation,
        test=test,
        exact=True,
        text_bytes=found["text_bytes"],
        lengths=kept,
        # reports from before it was counted: as many digits as the items' numbers have
        id_bytes=found.get("id_bytes", len(str(found["vocabulary"])) * found["vocabulary"]),
    )


def _split(config: JobConfig, found: Mapping[str, Any], kept: Sequence[Lengths]) -> tuple[int, int, int]:
    """Training, validation and test examples of the timelines `kept`."""
    users, interactions = sum(entry.users for entry in kept), sum(entry.rows for entry in kept)
    if config.evaluation.protocol == "leave_one_out":
        # timeline a b c d e: labels b and c; of items that come again only the first time counts
        distinct = sum(entry.distinct_before for entry in kept)
        return (interactions - 3 * users if config.repeats else distinct - users), users, users
    if config.evaluation.protocol == "temporal" and not found.get("timed", True):
        raise ConfigInvalid(WITHOUT_TIMES, [FieldError("/evaluation/protocol", "no_timestamps", WITHOUT_TIMES)])
    labels = interactions - users
    return _shares(config, users, labels, labels if config.repeats else sum(entry.distinct for entry in kept) - users)


def _shares(config: JobConfig, users: int, labels: int, fresh: int) -> tuple[int, int, int]:
    """Training, validation and test examples where a share is held out; `fresh` of the labels are first ones."""
    share = config.evaluation.test_fraction
    match config.evaluation.protocol:
        case "temporal":  # where equal times and new users move the cut isn't known
            held_out = round(labels * share)
            return round(fresh * (1 - 2 * share)), held_out, held_out
        case "user_disjoint":
            held_out = max(1, round(users * share))
            return round(fresh * max(0, users - 2 * held_out) / users), held_out, held_out
        case _:
            return _reference(config, labels, fresh)


def _guessed(config: JobConfig, users: int, items: int, rows: int) -> Workload:
    """For reports from before there were statistics: as if all timelines were equally long."""
    shortest = config.min_timeline_length
    users = max(1, min(users, rows // shortest))
    if config.evaluation.protocol == "leave_one_out":
        train, validation, test = max(1, rows - 3 * users), users, users
    else:
        train, validation, test = (max(1, count) for count in _shares(config, users, rows - users, rows - users))
    return Workload(
        rows=rows,
        users=users,
        dropped_users=0,
        interactions=rows,
        vocabulary=items,
        attribute_values=0,
        attribute_entries=0,
        train=train,
        validation=validation,
        test=test,
        exact=False,
        text_bytes=20 * items,
        id_bytes=len(str(items)) * items,
    )


def _reference(config: JobConfig, labels: int, fresh: int) -> tuple[int, int, int]:
    """Training, validation and test examples of the protocol `reference`, of which `fresh` labels are first ones."""
    train = round(labels * config.examples.train_data_fraction)
    validation = min(labels - train, train // 10, MOST_REFERENCE_VALIDATION)
    # validation is taken out of the training share; of that, labels seen before are left out
    return round((train - validation) * fresh / labels) if labels else 0, validation, labels - train


def _of_rating(found: Mapping[str, Any], min_rating: float | None) -> list[Lengths]:
    """The timelines of the rows rated at least `min_rating`: those of the lowest recorded threshold not below it."""
    timelines: Sequence[Mapping[str, Any]] = found["timelines"]
    lowest = found["lowest_rating"]
    if min_rating is None or lowest is None or _at_least(lowest, min_rating):
        return [Lengths(*numbers) for numbers in timelines[0]["lengths"]]
    for entry in timelines[1:]:
        if _at_least(entry["min_rating"], min_rating):
            return [Lengths(*numbers) for numbers in entry["lengths"]]
    return []


def _at_least(rating: float, limit: float) -> bool:
    # ratings are float32: 3.3 is 3.2999999523, and `min_rating: 3.3` must let it pass
    return rating >= limit - 1e-6 * abs(limit)


def _attribute(config: JobConfig, found: Mapping[str, Any] | None) -> tuple[int, int]:
    wanted = config.model.item_attribute
    if wanted is None or (wanted == "auto" and found is None):
        return 0, 0
    if found is None or wanted not in ("auto", found["name"]):
        has = f"it has {found['name']!r}" if found else "it has no multi-valued attribute"
        detail = f"the item table lacks the attribute {wanted!r} ({has}); use that name, 'auto' or null"
        raise ConfigInvalid(detail, [FieldError("/model/item_attribute", "unknown_attribute", detail)])
    return found["values"], found["entries"]


def _too_small(config: JobConfig, users: int) -> DatasetTooSmall:
    rating = config.examples.min_rating
    rated = "" if rating is None else f" rated at least {rating:g}"
    remedy = "upload a longer log, or lower " + ("it" if rating is None else "it or examples.min_rating")
    detail = (
        f"none of the {users:,} users has the {config.min_timeline_length} interactions{rated} that "
        f"examples.min_timeline_length asks for; {remedy}"
    )
    pointer = "/examples/min_timeline_length" if rating is None else "/examples/min_rating"
    return DatasetTooSmall(detail, [FieldError(pointer, "dataset_too_small", detail)])


def _require_examples(config: JobConfig, counts: Mapping[str, int]) -> None:
    for name, count in counts.items():
        if count <= 0:
            raise DatasetTooSmall(too_small_to_split(config.evaluation.protocol, name))
