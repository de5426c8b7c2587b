"""Encoders: the original has one set of parameters for all groups, ours has them with each encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reco_core.config.original.conversion import Draft, Place, shown
from reco_core.config.original.text_proto import EncoderKind


@dataclass(frozen=True)
class EncoderParameters:
    """What the flags or the document say; None: nothing. `places` has where, by the original's name."""

    filter_ratios: Sequence[float] | None
    kernel_size: int
    units: int | None
    places: dict[str, Place]
    width: int  # that the ratios multiply in the original
    embedding_dim: int  # that they multiply here

    def encoder(self, draft: Draft, kind: EncoderKind, pointer: str, length: int) -> dict[str, Any]:
        """The encoder at `pointer` of our document, over sequences of `length`. Faults go to `draft`."""
        if kind == "cnn":
            return {
                "type": "cnn",
                "num_filter_ratios": self._ratios(draft, pointer),
                **self._kernel(draft, pointer, length),
            }
        if kind == "rnn":
            return {"type": "rnn", **self._units(draft, pointer)}
        return {"type": "bow"}

    def _ratios(self, draft: Draft, pointer: str) -> list[int]:
        place = self.places["conv_num_filter_ratios"]
        draft.derive(f"{pointer}/num_filter_ratios", place)
        if not self.filter_ratios:
            draft.fault(place, "missing", "the CNN needs a ratio for each of its layers, such as 2,4")
            return [2]
        if min(self.filter_ratios) <= 0:
            draft.fault(place, "value_invalid", f"ratios are above 0, found {shown(self.filter_ratios)}")
            return [2]
        # filters of a layer: width * ratio there, embedding_dim * ratio here
        exact = [ratio * self.width / self.embedding_dim for ratio in self.filter_ratios]
        ratios = [max(1, round(ratio)) for ratio in exact]
        if any(abs(ours - theirs) > 1e-9 for ours, theirs in zip(ratios, exact, strict=True)):
            filters = ", ".join(f"{ratio * self.width:g}" for ratio in self.filter_ratios)
            here = ", ".join(str(ratio * self.embedding_dim) for ratio in ratios)
            draft.change(
                place.name,
                f"{filters} filters",
                f"num_filter_ratios: {ratios}, so {here} filters",
                "filters are whole multiples of model.embedding_dim here",
            )
        return ratios

    def _kernel(self, draft: Draft, pointer: str, length: int) -> dict[str, int]:
        place = self.places["conv_kernel_size"]
        draft.derive(f"{pointer}/kernel_size", place)
        if 0 < length < self.kernel_size:
            draft.change(
                place.name,
                self.kernel_size,
                f"kernel_size: {length}",
                f"it runs over a sequence of {length}; taps beyond would see padding only",
            )
            return {"kernel_size": length}
        return {"kernel_size": self.kernel_size}

    def _units(self, draft: Draft, pointer: str) -> dict[str, int]:
        place = self.places["lstm_num_units"]
        draft.derive(f"{pointer}/num_units", place)
        if self.units is None:
            draft.fault(place, "missing", "the LSTM needs its number of units, such as 64")
            return {}
        return {"num_units": self.units}
