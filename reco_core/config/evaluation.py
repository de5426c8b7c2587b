"""The section `evaluation`: what is held out, and what is reported about it."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from reco_core.config.section import Section

BaselineName = Literal["popular", "recent_popular", "markov", "cooccurrence", "ease"]
ProtocolName = Literal["leave_one_out", "temporal", "user_disjoint", "reference"]

EASE_MOST_ITEMS = 5_000  # its inverse grows with the cube of the items: seconds here, a minute at 12,000


class EvaluationConfig(Section):
    """What is held out, and what is reported about it."""

    protocol: ProtocolName = Field(
        "leave_one_out",
        description="`leave_one_out` holds out each user's last two items; `temporal` holds out what came after a cut "
        "in time, and needs timestamps; `user_disjoint` holds out users; `reference` splits pairs at random and is "
        "only for comparison with the original toolkit.",
    )
    test_fraction: float = Field(
        0.1,
        gt=0,
        lt=0.5,
        description="Share held out for test, and as much again for validation: of the interactions with `temporal`, "
        "of the users with `user_disjoint`. The other protocols don't read it.",
    )
    split_seed: int = Field(
        0,
        ge=0,
        lt=2**32,
        description="Draws the users that `user_disjoint` holds out. Apart from `seed`, so that trainings with several "
        "seeds are tested on the same users and can be compared.",
    )
    k: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = Field(
        (1, 5, 10, 20, 50),
        min_length=1,
        max_length=10,
        description="Cut-offs of the ranking metrics; 10 is always added.",
    )
    baselines: tuple[BaselineName, ...] | None = Field(
        None,
        description="Baselines fitted on the same training data. Null takes all of them, `ease` up to 5,000 items "
        "only: its time grows with their cube. Name it to have it all the same.",
    )
    bootstrap_samples: int = Field(1000, ge=100, le=100000, description="Resamples behind each 95% interval.")
    cold_items: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Share of the items that training is kept from wholly, so that the report can say how well items "
        "are ranked by their attributes alone; 0: none. The files that ship know them as items added later.",
    )

    @model_validator(mode="after")
    def _training_ends_before_test(self) -> Self:
        if self.cold_items and self.protocol == "reference":
            raise ValueError(
                "cold_items needs a protocol that holds out what comes last, and `reference` splits at random; "
                "set cold_items to 0 or protocol to leave_one_out"
            )
        return self

    def baselines_for(self, items: int) -> tuple[BaselineName, ...]:
        """The baselines to fit where there are `items` items."""
        if self.baselines is not None:
            return self.baselines
        return tuple(name for name in get_args(BaselineName) if name != "ease" or items <= EASE_MOST_ITEMS)

    def baselines_left_out(self, items: int) -> dict[str, str]:
        """Why a baseline that is usually fitted isn't where there are `items` items, by its name."""
        if self.baselines is not None or items <= EASE_MOST_ITEMS:
            return {}
        return {
            "ease": f"its time grows with the cube of the items, of which there are {items:,}; above "
            f"{EASE_MOST_ITEMS:,} it is fitted only where evaluation.baselines names it"
        }
