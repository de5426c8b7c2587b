"""The neighbour head's fit: followers are counted in training, decay and weight chosen on validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from reco_core.config import JobConfig
from reco_core.evaluation import Scorer, follower_table, sample
from reco_core.examples import Examples, ExampleSet
from reco_core.model import NeighbourHead, coded
from reco_core.training.blends import Block
from reco_core.training.trained import FittedNeighbours, TrainedModel, model_scorer

DECAYS = (0.5, 0.6, 0.7, 0.8, 0.9)
# Weights, in units in which the strongest follower adds a standard deviation of the dense scores; from 1/4 to 32 by
# the square root of two, since the figure is flat around its best.
SHARES = tuple(2.0 ** (half / 2) for half in range(-4, 11))
MOST_EXAMPLES = 10_000  # as early stopping ranks
_BLOCK_SCORES = 1 << 21  # dense scores held at once
_BLOCK_ENTRIES = 1 << 20  # followers of histories held at once


def with_neighbours(config: JobConfig, trained: TrainedModel, example_set: ExampleSet) -> TrainedModel:
    """`trained` with the neighbour head that the config asks for; as it is where it asks for none.

    The head follows from weights, config and examples, so it is fitted anew wherever a model is exported.

    Raises:
        Diverged: the model's scores aren't numbers.
    """
    if config.model.neighbours is None:
        return trained
    return replace(trained, neighbours=fit_neighbours(config, model_scorer(trained.model), example_set))


def fit_neighbours(config: JobConfig, dense: Scorer, example_set: ExampleSet) -> FittedNeighbours:
    """Followers counted among training interactions; decay and weight by NDCG@10 on validation, of equals the smaller.

    Args:
        dense: the scores that the head is to be added to.

    Raises:
        Diverged: they aren't numbers.
        ValueError: the config asks for no head.
    """
    settings = config.model.neighbours
    if settings is None:
        raise ValueError("the config asks for no neighbour head")
    followers, strengths = follower_table(example_set, settings.steps).strongest(settings.followers)
    codes, scale = coded(strengths)
    table = NeighbourHead(followers, codes, 1.0, scale)  # with its codes: chosen is what ships
    examples = sample(example_set.validation, MOST_EXAMPLES, config.seed)
    unit = 0.0
    plain, alone = 0.0, np.zeros(len(DECAYS))
    blended = np.zeros((len(DECAYS), len(SHARES)))
    for part in _parts(examples, table, config.export_history_length):
        block = Block.of(
            part, dense, table, DECAYS, example_set, length=config.export_history_length, repeats=config.repeats
        )
        unit = unit or _unit(block)
        plain += block.blended(0, 0.0)
        for at in range(len(DECAYS)):
            alone[at] += block.alone(at)
            blended[at] += [block.blended(at, share * unit) for share in SHARES]
    decay, share = np.unravel_index(int(blended.argmax()), blended.shape)
    helps = blended[decay, share] > plain
    weight = SHARES[share] * unit if helps else 0.0
    return FittedNeighbours(
        head=replace(table, decay=DECAYS[decay], scale=scale * weight) if helps else None,
        followers=settings.followers,
        decay=DECAYS[decay],
        weight=weight,
        validation_ndcg={
            "dense": plain / len(examples),
            "table": float(alone.max()) / len(examples),
            "blended": max(plain, float(blended.max())) / len(examples),
        },
    )


def _unit(block: Block) -> float:
    """The weight with which the strongest follower adds a standard deviation of the dense scores."""
    strongest = float(block.strongest[len(DECAYS) // 2])
    return block.spread / strongest if strongest > 0 and block.spread > 0 else 1.0


def _parts(examples: Examples, table: NeighbourHead, length: int) -> Iterator[Examples]:
    """So few at a time that their scores and entries fit; the last part may be shorter."""
    entries = length * table.followers.shape[1]
    step = max(16, min(1024, _BLOCK_SCORES // (table.items + 1), _BLOCK_ENTRIES // entries))
    for begin in range(0, len(examples), step):
        yield Examples(examples.users[begin : begin + step], examples.labels[begin : begin + step])
