"""What is allowed but worth saying before a job is queued."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from reco_core.config.estimate.estimate import Estimate
from reco_core.config.estimate.limits import Limits
from reco_core.config.job import JobConfig

_MANY = 0.99
_SHARE_LEFT_OUT = 0.2
_FEW_TEST_EXAMPLES = 400  # the standard error of a Recall@10 of .2 is .02
_TIGHT = 0.8  # of a limit
_LARGE_CHECKPOINT = 10**9  # bytes; four of them may lie on the disk, and the service keeps the newest
_WEIGHTS_RESUMED = 4  # in each checkpoint: the weights, two moments, the best epoch's weights


@dataclass(frozen=True)
class Remark:
    """`pointer` leads into the config, or is empty where the log is what it is about."""

    code: str
    pointer: str
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


def warnings(config: JobConfig, found: Estimate, limits: Limits) -> list[Remark]:
    """What a person should know about a job that may be queued, the most important first."""
    return [*_about_limits(config, found, limits), *_about_data(config, found), *_about_training(config, found)]


def _about_limits(config: JobConfig, found: Estimate, limits: Limits) -> Iterator[Remark]:
    if not found.work.exact:
        yield Remark(
            "rough_estimate",
            "",
            "the dataset was validated before statistics were kept, so examples are guessed; upload it again for exact "
            "counts",
        )
    if limits.memory_bytes is not None and found.memory_bytes > _TIGHT * limits.memory_bytes:
        share = found.memory_bytes / limits.memory_bytes
        yield Remark(
            "memory_is_tight", "/training/batch_size", f"the job may need {share:.0%} of the memory it may have"
        )
    if limits.seconds is not None and found.total.at_most > limits.seconds:
        yield Remark(
            "deadline_is_near",
            "/training/max_epochs",
            f"if all {found.max_epochs} epochs run it may take {found.total.at_most:,.0f} s, more than the "
            f"{limits.seconds:,.0f} s that an attempt may take",
        )
    budget = config.export.max_bytes
    if found.budget is not None and found.budget.changed:
        yield Remark("budget_makes_it_smaller", "/export/max_bytes", found.budget.in_words())
    if budget is not None:
        over = [name for name, size in found.variants.items() if size > budget and name in config.export.variants]
        if over:
            fitting = [name for name in config.export.variants if name not in over]
            left = (
                f"which leaves {', '.join(fitting)}"
                if fitting
                else "and nothing else is made: the job will likely fail"
            )
            yield Remark(
                "budget_leaves_few",
                "/export/max_bytes",
                f"{', '.join(over)} will be larger than export.max_bytes ({budget:,} bytes), {left}",
            )


def _about_data(config: JobConfig, found: Estimate) -> Iterator[Remark]:
    work, length = found.work, config.examples.max_history_length
    total = work.users + work.dropped_users
    if total and work.dropped_users / total > _SHARE_LEFT_OUT:
        yield Remark(
            "many_users_left_out",
            "/examples/min_timeline_length",
            f"{work.dropped_users:,} of {total:,} users have too few interactions and take no part; they can still be "
            "recommended to",
        )
    if work.test < _FEW_TEST_EXAMPLES:
        yield Remark(
            "few_test_examples",
            "",
            f"{work.test:,} test examples give metrics wide intervals; compare models by their intervals",
        )
    if work.train < work.vocabulary:
        yield Remark(
            "few_examples_per_item",
            "",
            f"{work.train:,} training examples for {work.vocabulary:,} items: most items will hardly be learned",
        )
    # a label needs a context of at least one, and the newest two items are held out
    if work.lengths and length > 1 and work.share_of_timelines_shorter_than(length + 1) >= _MANY:
        longest = _length_of_most(found)
        yield Remark(
            "history_longer_than_timelines",
            "/examples/max_history_length",
            f"99% of the timelines have no {length} interactions before a label; {longest} would do, and train faster",
        )


def _about_training(config: JobConfig, found: Estimate) -> Iterator[Remark]:
    training = config.training
    if found.epochs < training.max_epochs:
        yield Remark(
            "patience_ends_it_earlier",
            "/training/patience",
            f"early stopping will likely end it after about {found.epochs} of {training.max_epochs} epochs",
        )
    if training.batch_size is not None and training.batch_size > found.work.train:
        yield Remark(
            "batch_larger_than_data",
            "/training/batch_size",
            f"there are only {found.work.train:,} training examples; each epoch will be a single step",
        )
    kept, taught = training.most_kept, training.teachers_for(found.work.vocabulary)
    checkpoint = 4 * found.parameters * (_WEIGHTS_RESUMED + kept + taught)
    if (kept or taught) and checkpoint > _LARGE_CHECKPOINT:
        carried = [f"up to {kept:,} kept epochs"] * (kept > 0) + [f"{taught:,} teachers"] * (taught > 0)
        yield Remark(
            "checkpoints_are_large",
            "/training/keep_checkpoints" if kept else "/training/teachers",
            f"each checkpoint to resume from carries the weights of {' and '.join(carried)}, "
            f"{checkpoint / 1e9:,.1f} GB in all, and is written the more rarely for it; keep fewer",
        )


def _length_of_most(found: Estimate) -> int:
    """The shortest history length that covers 99% of the timelines."""
    done, users = 0, sum(entry.users for entry in found.work.lengths)
    for entry in sorted(found.work.lengths, key=lambda entry: entry.mean):
        done += entry.users
        if done >= _MANY * users:
            return max(1, int(entry.mean) - 1)
    return 1
