"""What `export.max_bytes` makes of a config: the largest model of which some variant fits.

Eight bits cost next to nothing in accuracy and dimensions do, so all variants are asked before a dimension is given up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from reco_core.config.encoders import Transformer
from reco_core.config.estimate.files import variant_bytes
from reco_core.config.estimate.workload import Workload
from reco_core.config.export import VariantName
from reco_core.config.job import JobConfig
from reco_core.errors import FieldError, SizeBudgetImpossible

DIMENSIONS = (*range(64, 16, -4), 16, 12, 8, 4)  # tried below `model.embedding_dim`, which comes first
_FOLLOWERS_FIRST = 16  # dimensions under which followers count for more
_MARGIN = 0.01  # of an estimate, by which a file may turn out larger


@dataclass(frozen=True)
class Budget:
    """A size budget, and what it made of what was asked for."""

    max_bytes: int
    embedding_dim_asked: int
    embedding_dim: int
    followers_asked: int | None  # None: no neighbour head
    followers: int | None
    blocks_asked: int | None  # None: no transformer
    blocks: int | None
    variant: VariantName | None  # the most precise that is expected to fit; None: none does
    expected_bytes: int  # of that variant, or of the smallest one
    metadata: bool  # whether that fits too

    @property
    def changed(self) -> bool:
        """Whether anything is smaller than asked for."""
        asked = (self.embedding_dim_asked, self.followers_asked, self.blocks_asked)
        return asked != (self.embedding_dim, self.followers, self.blocks)

    def as_dict(self) -> dict[str, Any]:
        """JSON form; fields of what the model doesn't have are left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def in_words(self) -> str:
        """A line for people."""
        said = [f"{self.embedding_dim} dimensions" + _instead(self.embedding_dim_asked, self.embedding_dim)]
        if self.followers is not None and self.followers_asked is not None:
            said.append(f"{self.followers} followers" + _instead(self.followers_asked, self.followers))
        if self.blocks is not None and self.blocks_asked is not None:
            said.append(f"{self.blocks} blocks" + _instead(self.blocks_asked, self.blocks))
        without = "" if self.metadata else " without metadata"
        file = f"{self.variant} will take" if self.variant else "too much: the smallest file would take"
        return f"{', '.join(said)}: {file} about {self.expected_bytes:,}{without} of {self.max_bytes:,} bytes"


def fitted(config: JobConfig, work: Workload, *, trained: bool = False) -> tuple[JobConfig, Budget | None]:
    """The config with what fits `export.max_bytes`, and what was chosen; no budget: as it is, and None.

    `trained`: there are weights of this config already, so that followers alone may change.

    Dimensions come down a ladder until some variant fits, estimated a hundredth too high, without metadata if need be.
    Where not even 16 dimensions leave room, followers of the neighbour head are halved, and only then come fewer
    dimensions. Blocks of a transformer go last, since they cost little of a file. Where nothing fits, the smallest of
    all, with `Budget.variant` None.
    """
    budget = config.export.max_bytes
    if budget is None:
        return config, None
    smaller = config
    for smaller in _candidates(config, trained):
        found = _fitting(smaller, work, budget)
        if found is not None:
            return smaller, _chosen(budget, config, smaller, *found)
    least = min(_plain_bytes(smaller, work).values())
    return smaller, _chosen(budget, config, smaller, None, least, False)


def require_fit(config: JobConfig, work: Workload, *, trained: bool = False) -> tuple[JobConfig, Budget | None]:
    """As `fitted`, where something fits.

    Raises:
        SizeBudgetImpossible: not even the smallest model does.
    """
    smaller, budget = fitted(config, work, trained=trained)
    if budget is not None and budget.variant is None:
        more = "" if "dynamic_int8" in config.export.variants else ", or add dynamic_int8 to export.variants"
        which = "which the weights have" if trained else "the fewest that are tried"
        remedy = "raise it, or train anew with this budget" if trained else "raise it"
        detail = (
            f"{work.vocabulary:,} items take about {budget.expected_bytes:,} bytes with {budget.embedding_dim} "
            f"dimensions, {which}, but export.max_bytes is {budget.max_bytes:,}; {remedy}{more}"
        )
        raise SizeBudgetImpossible(detail, [FieldError("/export/max_bytes", "size_budget_impossible", detail)])
    return smaller, budget


def smallest(config: JobConfig) -> JobConfig:
    """The config with the smallest model that a budget could make of it."""
    return list(_candidates(config, trained=False))[-1]


def within(config: JobConfig, base: JobConfig) -> JobConfig:
    """A config with a budget asks for at most so much: for no more than a base has that training is to begin with."""
    if config.export.max_bytes is None:
        return config
    dim = min(config.model.embedding_dim, base.model.embedding_dim)
    changes: dict[str, Any] = {"model": config.model.model_copy(update={"embedding_dim": dim})}
    if isinstance(config.encoder, Transformer) and isinstance(base.encoder, Transformer):
        blocks = min(config.encoder.blocks, base.encoder.blocks)
        changes["encoder"] = config.encoder.model_copy(update={"blocks": blocks})
    return config.model_copy(update=changes)


def _candidates(config: JobConfig, trained: bool) -> Iterator[JobConfig]:
    """Configs from the one asked for to the smallest, in the order of preference."""
    asked, encoder = config.model.embedding_dim, config.encoder
    dimensions = [asked]
    if not trained:
        heads = encoder.heads if isinstance(encoder, Transformer) else 1
        dimensions += [dim for dim in DIMENSIONS if dim < asked and dim % heads == 0]
    wide = [dim for dim in dimensions if dim >= _FOLLOWERS_FIRST]
    narrow = [dim for dim in dimensions if dim < _FOLLOWERS_FIRST]
    head = config.model.neighbours
    halvings: list[int | None] = (
        [None] if head is None else [head.followers >> n for n in range(head.followers.bit_length())]
    )
    depths: list[int | None] = [None]
    if isinstance(encoder, Transformer) and not trained:
        depths = [*range(encoder.blocks, 0, -1)]
    for blocks in depths:
        for some in (wide, narrow):
            for followers in halvings:
                for dim in some:
                    yield _smaller(config, dim, followers, blocks)


def _smaller(config: JobConfig, dim: int, followers: int | None, blocks: int | None) -> JobConfig:
    model: dict[str, Any] = {"embedding_dim": dim}
    if followers is not None and config.model.neighbours is not None:
        model["neighbours"] = config.model.neighbours.model_copy(update={"followers": followers})
    changes: dict[str, Any] = {"model": config.model.model_copy(update=model)}
    if blocks is not None:
        changes["encoder"] = config.encoder.model_copy(update={"blocks": blocks})
    return config.model_copy(update=changes)


def _fitting(config: JobConfig, work: Workload, budget: int) -> tuple[VariantName, int, bool] | None:
    """The most precise variant that fits, its bytes, and whether they include metadata."""
    plain, whole = _plain_bytes(config, work), variant_bytes(config, work)
    most = budget / (1 + _MARGIN)
    fitting = [name for name, size in plain.items() if size <= most]
    if not fitting:
        return None
    name = max(fitting, key=lambda name: plain[name])
    # `whole` leaves metadata out where they are what doesn't fit
    return name, whole[name], whole[name] > plain[name]


def _plain_bytes(config: JobConfig, work: Workload) -> dict[VariantName, int]:
    """Without metadata."""
    without = config.model_copy(update={"export": config.export.model_copy(update={"metadata": False})})
    return variant_bytes(without, work)


def _chosen(
    max_bytes: int, asked: JobConfig, got: JobConfig, variant: VariantName | None, size: int, metadata: bool
) -> Budget:
    def followers(config: JobConfig) -> int | None:
        return None if config.model.neighbours is None else config.model.neighbours.followers

    def blocks(config: JobConfig) -> int | None:
        return config.encoder.blocks if isinstance(config.encoder, Transformer) else None

    return Budget(
        max_bytes=max_bytes,
        embedding_dim_asked=asked.model.embedding_dim,
        embedding_dim=got.model.embedding_dim,
        followers_asked=followers(asked),
        followers=followers(got),
        blocks_asked=blocks(asked),
        blocks=blocks(got),
        variant=variant,
        expected_bytes=size,
        metadata=metadata,
    )


def _instead(asked: int, got: int) -> str:
    return "" if asked == got else f" instead of {asked}"
