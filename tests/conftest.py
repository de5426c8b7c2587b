"""Fixtures for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference_log() -> Path:
    """Folder with a small synthetic log in MovieLens-1M layout: Latin-1 titles, ties in time, gaps in the id space."""
    return Path(__file__).parent / "fixtures" / "reference"
