"""Raw item ids as numbers, for files whose tensors hold raw ids instead of indices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from reco_core.errors import ConfigInvalid, FieldError

MOST = 10_000_000  # raw ids are below it


@dataclass(frozen=True)
class ItemNumbers:
    """Index <-> raw id of every item, as int32."""

    by_index: NDArray[np.int32]  # [V + 1]; by_index[0] is 0, which stands for padding in both

    @classmethod
    def of(cls, item_ids: Sequence[str], pointer: str) -> ItemNumbers:
        """The numbers that raw ids are.

        Args:
            item_ids: raw ids in index order; the first stands for padding.
            pointer: the config's field that asks for raw ids.

        Raises:
            ConfigInvalid: an id isn't a whole number from 1 below ten million, written without leading zeros.
        """
        wrong = [raw for raw in item_ids[1:] if not _is_number(raw)]
        if wrong:
            some = ", ".join(repr(raw) for raw in wrong[:3])
            detail = (
                f"files with raw ids need whole numbers from 1 below {MOST:,} as item ids, and {len(wrong):,} of "
                f"{len(item_ids) - 1:,} are none ({some}); number the items, or set export.layout to 'default' and "
                "export.ids to 'index'"
            )
            raise ConfigInvalid(detail, [FieldError(pointer, "ids_not_numbers", detail)])
        return cls(np.array([0, *map(int, item_ids[1:])], np.int32))

    @property
    def size(self) -> int:
        """Number of items (V)."""
        return len(self.by_index) - 1

    def raw(self, indices: NDArray[np.int32]) -> NDArray[np.int32]:
        """Raw ids of item indices, of the same shape."""
        return self.by_index[indices]

    @cached_property
    def ascending(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """All raw ids in ascending order, padding's 0 first, and the index of each."""
        order = np.argsort(self.by_index).astype(np.int32)
        return self.by_index[order], order

    def indices(self, raw: NDArray[np.int32]) -> NDArray[np.int32]:
        """Indices of raw ids, of the same shape; 0 where there is no such item."""
        ids, order = self.ascending
        place = np.minimum(np.searchsorted(ids, raw), len(ids) - 1)
        return np.where(ids[place] == raw, order[place], 0).astype(np.int32)


def _is_number(raw: str) -> bool:
    # "007" and "7" would be one number, and "²" is a digit that int() refuses
    return raw.isascii() and raw.isdigit() and raw[0] != "0" and len(raw) <= 7
