"""What counts as a full disk."""

from __future__ import annotations

import errno
import sqlite3

import pytest

from reco_core.errors import DatasetInvalid, DatasetUnreadable, InsufficientStorage, is_disk_full


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "x"), True),
        (OSError(errno.EDQUOT, "x"), True),
        (OSError(errno.EIO, "No space left on device"), False),
        (OSError("ComputeError: No space left on device (os error 28)"), True),
        (RuntimeError("/tmp/saved; No space left on device"), True),
        (sqlite3.OperationalError("database or disk is full"), True),
        (InsufficientStorage("full"), True),
        (ValueError("no"), False),
        (DatasetInvalid("line 3: 'No space left on device' is no time"), False),
    ],
)
def test_kinds(error: Exception, full: bool) -> None:
    assert is_disk_full(error) is full


def test_an_error_made_from_a_full_disk_is_still_about_it() -> None:
    def unpack() -> None:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            raise DatasetUnreadable("damaged; zip it again") from None

    with pytest.raises(DatasetUnreadable) as caught:
        unpack()
    assert is_disk_full(caught.value)


def test_a_circle_of_causes_ends() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert not is_disk_full(first)
