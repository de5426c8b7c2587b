"""The section of the neighbour head."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from reco_core.config.section import Section


class NeighboursConfig(Section):
    """A table of each item's strongest followers in the file, added to the model's own scores.

    Followers are counted in training; decay and weight are chosen on validation after it, and where no weight helps
    the file goes without. It changes nothing of what is learned, so it can be added when weights are exported again.
    """

    followers: int = Field(
        8, ge=1, le=64, description="Followers kept of each item: three bytes each, five from 32,768 items on."
    )
    steps: int = Field(
        10, ge=1, le=50, description="An item is followed by what comes within so many steps, weighing 1 / distance."
    )


def as_section(given: object) -> object:
    """What may be written for the section: `true` stands for all defaults, `false` for null."""
    if given is None or isinstance(given, bool):
        return NeighboursConfig() if given else None
    if not isinstance(given, Mapping | NeighboursConfig):
        raise ValueError(f"expected true, false or an object with fields, found {given!r}")
    return given
