from __future__ import annotations

import pytest

from reco_core.durations import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.864, "0.86 s"),
        (9.96, "10 s"),
        (20, "20 s"),
        (59.6, "1 min"),
        (90, "1 min 30 s"),
        (300, "5 min"),
        (3599.6, "1 h"),
        (7200, "2 h"),
        (9000, "2 h 30 min"),
        (86_399, "1 d"),
        (3 * 86_400, "3 d"),
        (1.5 * 86_400, "1 d 12 h"),
        (3650 * 86_400, "3,650 d"),
    ],
)
def test_lengths_of_time_read_as_people_write_them(seconds: float, text: str):
    assert duration(seconds) == text
