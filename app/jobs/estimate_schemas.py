"""Estimates as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from app.jobs.originals import ConversionView, place, show_conversion
from app.jobs.schemas import BaseView, show_base
from app.jobs.validate import point

if TYPE_CHECKING:
    from app.jobs.create import Order


class SpanView(BaseModel):
    """What is expected, and what it may come to if no epoch is saved by early stopping."""

    expected: float
    at_most: float


class EpochSpanView(BaseModel):
    """Epochs: how many early stopping lets run on MovieLens-100K, and `training.max_epochs`."""

    expected: int
    at_most: int


class SecondsView(BaseModel):
    """Time."""

    total: SpanView
    per_epoch: float | None = Field(description="Null where nothing is trained.")
    phases: dict[str, SpanView] = Field(description="By phase, in order.")
    machine_factor: float = Field(
        description="Learned from the project's finished jobs: how many times as long jobs take here as on the machine "
        "that the constants were measured on. 1 before the first job."
    )


class ExamplesView(BaseModel):
    """Examples of each split."""

    train: int
    validation: int
    test: int


class UsersView(BaseModel):
    """Users with enough interactions to take part, and the others."""

    used: int
    left_out: int


class BudgetView(BaseModel):
    """What `export.max_bytes` makes of the model; fields of what the model doesn't have are null."""

    max_bytes: int
    embedding_dim_asked: int
    embedding_dim: int
    followers_asked: int | None = None
    followers: int | None = None
    blocks_asked: int | None = None
    blocks: int | None = None
    variant: str | None = Field(None, description="The most precise that is expected to fit; null: none does.")
    expected_bytes: int = Field(description="Of that variant, or of the smallest.")
    metadata: bool = Field(description="Whether there is room for metadata too.")


class EstimateView(BaseModel):
    """What a job will come to. Memory and time lie within a factor of two.

    Null, and in `bytes` absent, is what a type of job has nothing to do with: no type but train has an optimizer, say.
    """

    exact: bool = Field(description="Whether examples, users and vocabulary are counted; guessed if the report is old.")
    examples: ExamplesView
    users: UsersView
    vocabulary: int
    parameters: int | None
    budget: BudgetView | None = Field(None, description="Null where the config has no `export.max_bytes`.")
    bytes: dict[str, int] = Field(description="Of each variant's file, and of the whole bundle.")
    memory_bytes: int | None = Field(description="Peak of the trainer process, in training.")
    batch_size: int | None
    steps_per_epoch: int | None
    epochs: EpochSpanView | None
    seconds: SecondsView


class LimitsView(BaseModel):
    """What the service grants a job; null: as much as it likes."""

    memory_bytes: int | None
    seconds: float | None
    vocabulary: int | None


class WarningView(BaseModel):
    """Something allowed that is worth knowing. `pointer` leads into the request."""

    pointer: str
    code: str
    detail: str


class JobValidationView(BaseModel):
    """A job that could be queued."""

    type: str
    dataset_id: str
    base: BaseView | None = Field(description="The version that it would begin with, if it does.")
    model: str | None = Field(
        description="The name under which the result would become the next version; null where it would publish none."
    )
    config: dict[str, Any] = Field(description="Complete: presets and defaults filled in.")
    estimate: EstimateView | None = Field(description="Null where the dataset's report says too little.")
    limits: LimitsView | None
    warnings: list[WarningView]
    conversion: ConversionView | None = Field(description="Of a config given as `original`: what is not as it was.")


def show_validation(order: Order) -> JobValidationView:
    """What was found out about `order`, as JSON."""
    expected = order.expected
    remarks = () if expected is None else expected.warnings
    return JobValidationView.model_validate(
        {
            "type": order.type,
            "dataset_id": order.dataset_id,
            "base": None if order.base is None else show_base(order.base.as_dict()),
            "model": order.model,
            "config": order.config.model_dump(mode="json"),
            "estimate": None if expected is None else expected.as_dict(),
            "limits": None if expected is None else asdict(expected.limits),
            "warnings": [
                {"pointer": place(point(one), order.conversion), "code": one.code, "detail": one.detail}
                for one in remarks
            ],
            "conversion": None if order.conversion is None else show_conversion(order.conversion.changes),
        }
    )
