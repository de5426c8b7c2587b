"""Raw ids as numbers: both directions, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from reco_core.errors import ConfigInvalid
from reco_core.item_numbers import ItemNumbers


def test_numbers_and_indices_go_both_ways():
    numbers = ItemNumbers.of(("<pad>", "30", "7", "9999999"), "/export/ids")
    assert numbers.size == 3
    raw = numbers.raw(np.array([[0, 2], [3, 1]], np.int32))
    assert raw.tolist() == [[0, 7], [9999999, 30]]
    assert raw.dtype == np.int32
    assert numbers.indices(raw).tolist() == [[0, 2], [3, 1]]


def test_unknown_numbers_have_index_zero():
    numbers = ItemNumbers.of(("<pad>", "30", "7"), "/export/ids")
    assert numbers.indices(np.array([-5, 0, 1, 8, 31, 2**31 - 1], np.int32)).tolist() == [0] * 6


@pytest.mark.parametrize("wrong", ["0", "-3", "007", "1.0", "x", "", " 5", "10000000", "²", "٣", "1_0"])
def test_what_is_no_whole_number_below_ten_million_is_refused(wrong):
    with pytest.raises(ConfigInvalid, match="1 of 2 are none") as caught:
        ItemNumbers.of(("<pad>", "12", wrong), "/export/ids")
    assert caught.value.errors[0].pointer == "/export/ids"
    assert repr(wrong) in caught.value.message
